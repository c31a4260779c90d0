"""Whose positions are worst, and that a track sets aside what detection set aside."""

from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kernels import cleaning
from core.kernels.cleaning import CLEANING, REASONS
from core.quality import CREDIT, MARKS, ON_TRACK, TROUBLES, WHOLE_PPM, marks_of, poorest
from core.rules import CleaningRule
from protocols.report import FLAG_CLOCK, FLAG_FROZEN, FLAG_JUMP, FLAG_NO_FIX
from tests.detection.reports import EQUATOR, NOON, rows, units

GROUPS = np.array([0, 0, 1, 1, 2, 2, 1, 0], np.int32)
STORES = np.array([0, 1, 1, 2, 1, 2, 2, 2], np.int32)
"""Whose cars 1 to 7 are; group 0 is the default, which is 1."""
counts = st.integers(0, 300)


@st.composite
def known(draw: st.DrawFn) -> np.ndarray:
    states = np.zeros(24, CLEANING)
    for terminal in draw(st.sets(st.integers(1, 23), max_size=20)):
        states[terminal]["vehicle"] = draw(st.integers(1, 7))
        states[terminal]["aside"] = [draw(counts) for _ in REASONS]
        states[terminal]["reports"] = int(states[terminal]["aside"].sum()) + draw(counts)
        states[terminal]["clock_hours"] = draw(st.sampled_from((0, 0, 0, 8, -1)))
    return states


def slow_rank(state: Any, reason: str) -> int:
    aside = dict(zip(REASONS, state["aside"].tolist(), strict=True))
    if state["clock_hours"] and reason in ("", "clock"):
        return WHOLE_PPM
    wanted = sum(aside[name] for name in ([reason] if reason else TROUBLES))
    return wanted * WHOLE_PPM // (int(state["reports"]) + CREDIT)


@settings(max_examples=100, deadline=None)
@given(known(), st.sampled_from(("", *TROUBLES)), st.sampled_from((None, (1,), (1, 2), ())), st.integers(1, 5))
def test_the_worst_come_first_page_by_page_and_each_once(
    states: np.ndarray, reason: str, within: tuple[int, ...] | None, limit: int
) -> None:
    expected = []
    for terminal, state in enumerate(states):
        vehicle = int(state["vehicle"])
        if vehicle and (GROUPS[vehicle] or 1) == 1 and (within is None or int(STORES[vehicle]) in within):
            rank = slow_rank(state, reason)
            if rank:
                expected.append((-rank, terminal, vehicle))
    found: list[tuple[int, int, int]] = []
    after = None
    while page := poorest(states, GROUPS, STORES, group=1, within=within, reason=reason, after=after, limit=limit):
        assert len(page) <= limit
        found += [(-one.rank_ppm, one.terminal, one.vehicle_id) for one in page]
        after = (page[-1].rank_ppm, page[-1].terminal)
    assert found == sorted(expected)


def test_a_terminal_heard_twice_is_not_the_worst_of_all() -> None:
    states = np.zeros(4, CLEANING)
    no_fix = REASONS.index("no_fix")
    for terminal, (reports, aside) in enumerate(((2, 2), (10_000, 3_000)), start=1):
        states[terminal]["vehicle"], states[terminal]["reports"] = 1, reports
        states[terminal]["aside"][no_fix] = aside
    found = poorest(states, GROUPS, STORES, group=1)
    assert [one.terminal for one in found] == [2, 1]


def test_what_came_late_or_twice_is_no_fault_of_a_terminal() -> None:
    states = np.zeros(2, CLEANING)
    states[1]["vehicle"], states[1]["reports"] = 1, 50
    states[1]["aside"][REASONS.index("late")] = states[1]["aside"][REASONS.index("repeated")] = 20
    assert poorest(states, GROUPS, STORES, group=1) == []


@st.composite
def driven(draw: st.DrawFn) -> np.ndarray:
    """Reports of one car, in the order of the journal: fixes here and there, some late, ahead or without a fix."""
    lat, lon = EQUATOR
    at_ms, east_m, made = NOON, 0.0, []
    for number in range(draw(st.integers(1, 60))):
        at_ms += draw(st.sampled_from((1000, 1000, 5000, 30_000)))
        east_m += draw(st.sampled_from((0.0, 10.0, 12.0, 80.0, 5_000.0, -5_000.0)))
        made.append(
            {
                "time_ms": at_ms + draw(st.sampled_from((0, 0, 0, 0, -60_000, 3_600_000))),
                "arrival_ms": at_ms + 500,
                "sequence": number,
                "report_id": number + 1,
                "lat_1e7": lat,
                "lon_1e7": lon + units(east_m),
                "speed_kmh10": draw(st.sampled_from((0, 360, 400))),
                "flags": draw(st.sampled_from((0, 0, 0, 0, FLAG_NO_FIX))),
                "terminal": draw(st.sampled_from((3, 3, 3, 9))),
            }
        )
    return rows(*made)


@settings(max_examples=150, deadline=None)
@given(driven(), st.randoms(use_true_random=False))
def test_judged_again_the_same_points_are_set_aside_whatever_their_order(made: np.ndarray, chance: Any) -> None:
    live = made.copy()
    rule = CleaningRule()
    cleaning.clean(
        live, np.zeros(16, CLEANING), np.zeros(1, np.int64), np.array([msgspec.structs.astuple(rule)], float),
        np.zeros(8, np.int32), np.zeros(64, np.int32), np.zeros(len(cleaning.COUNTERS), np.int64),
    )  # fmt: skip
    order = np.array(chance.sample(range(len(made)), len(made)))
    assert (marks_of(made[order], rule) == (live["flags"] & MARKS)[order]).all()


def test_every_mark_has_its_reason() -> None:
    assert set(ON_TRACK.values()) == {FLAG_JUMP, FLAG_FROZEN, FLAG_CLOCK}
    assert set(ON_TRACK) <= set(TROUBLES) < set(REASONS)
