"""What is known of the reports of terminals: how many were set aside and why, and whose are worst.

Cleaning counts while it judges (core/kernels/cleaning.py). Its marks are not stored: which points of a track were set
aside is found again, by the same kernel over the same reports in the order in which they came.
"""

from typing import Final, NamedTuple

import msgspec
import numpy as np

from core.kernels import cleaning
from core.kernels.cleaning import REASONS, Quality, quality_of
from core.vehicle_table import GROUP_DEFAULT, zeros_on_lines
from protocols.report import FLAG_CLOCK, FLAG_FROZEN, FLAG_JUMP

TROUBLES: Final = ("jump", "frozen", "clock", "no_fix", "position_bad", "time_bad")
"""Reasons that say something of a terminal. What came twice or late says something of its network."""

ON_TRACK: Final = {"jump": FLAG_JUMP, "frozen": FLAG_FROZEN, "clock": FLAG_CLOCK}
"""Reasons for which a point that has a place is set aside: the mark of each."""
MARKS: Final = FLAG_JUMP | FLAG_FROZEN | FLAG_CLOCK

CREDIT: Final = 100
"""Good reports that every terminal is given before it is ranked: one that was heard twice, without a fix, is not the
worst of all."""
WHOLE_PPM: Final = 1_000_000


class Poor(NamedTuple):
    """A terminal of whose reports some were set aside."""

    vehicle_id: int
    terminal: int
    rank_ppm: int
    """By which it is ordered: the share set aside, the credit counted in; WHOLE_PPM where its clock is hours off."""
    quality: Quality


def troubles_of(quality: Quality, reason: str = "") -> int:
    """Return how many reports were set aside: for one of TROUBLES, or for all of them."""
    return sum(quality.aside[name] for name in ((reason,) if reason else TROUBLES))


def poorest(
    states: np.ndarray,
    groups: np.ndarray,
    stores: np.ndarray,
    *,
    group: int,
    within: tuple[int, ...] | None = None,
    reason: str = "",
    after: tuple[int, int] | None = None,
    limit: int = 100,
) -> list[Poor]:
    """Return terminals of a dealer group of whose reports some were set aside, the worst first.

    Args:
        states: (terminals,) CLEANING. They may be written meanwhile: a figure is then that of a moment before or after.
        groups, stores: (vehicles,) int32, whose each car is.
        within: only cars of these stores; None: of all.
        reason: one of TROUBLES, to count that one alone; all of them where empty. A clock that is hours off counts as
            `clock`, though its reports are judged.
        after: (rank_ppm, terminal) of the last one of the page before.
        limit: at most so many.
    """
    vehicle = states["vehicle"]
    known = np.flatnonzero((vehicle > 0) & (vehicle < len(groups)))
    own = groups[vehicle[known]]
    chosen = np.where(own == 0, GROUP_DEFAULT, own) == group
    if within is not None:
        chosen &= np.isin(stores[vehicle[known]], within)
    terminals = known[chosen]
    columns = [REASONS.index(name) for name in ((reason,) if reason else TROUBLES)]
    aside = states["aside"][terminals][:, columns].sum(axis=1, dtype=np.int64)
    rank = aside * WHOLE_PPM // (states["reports"][terminals].astype(np.int64) + CREDIT)
    if reason in ("", "clock"):
        rank[states["clock_hours"][terminals] != 0] = WHOLE_PPM
    some = rank > 0
    if after is not None:
        some &= (rank < after[0]) | ((rank == after[0]) & (terminals > after[1]))
    terminals, rank = terminals[some], rank[some]
    first = np.lexsort((terminals, -rank))[:limit]
    found = []
    for terminal, ppm in zip(terminals[first].tolist(), rank[first].tolist(), strict=True):
        vehicle_id = int(vehicle[terminal])
        # None: it was put into another car this moment.
        quality = quality_of(states[terminal], vehicle_id)
        if quality is not None:
            found.append(Poor(vehicle_id, terminal, ppm, quality))
    return found


def marks_of(rows: np.ndarray, rule: msgspec.Struct) -> np.ndarray:
    """Return which of the reports of one car are set aside when they are judged again, as marks (ON_TRACK).

    Args:
        rows: (n,) REPORT in any order, without repeats; judged in the order in which they came.
        rule: the CleaningRule to judge by.

    Returns:
        (n,) int64, in the order of the rows: marks, 0 for what is believed.
    """
    order = np.lexsort((rows["report_id"], rows["time_ms"], rows["sequence"], rows["arrival_ms"]))
    judged = np.ascontiguousarray(rows[order])
    terminals, numbered = np.unique(judged["terminal"], return_inverse=True)
    judged["terminal"] = numbered + 1
    judged["vehicle_id"] = 1
    cleaning.clean(
        judged,
        zeros_on_lines(len(terminals) + 1, cleaning.CLEANING),
        np.zeros(1, np.int64),
        np.array([msgspec.structs.astuple(rule)], np.float64),
        np.zeros(1, np.int32),
        np.zeros(1, np.int32),
        np.zeros(len(cleaning.COUNTERS), np.int64),
    )
    marks = np.zeros(len(rows), np.int64)
    marks[order] = judged["flags"] & MARKS
    return marks
