"""Tell when a terminal is cut from the car's power and back on it, by bit 8 of its alarm word; terminal by terminal.

A terminal with a battery of its own reports on while it lasts. Unplugged: the bit in `reports` reports in a row, the
first and last of them `s_min` apart; or in its last one, and then nothing for `silent_s` (time of arrival, from when we
listen). Plugged: the same without the bit. Bit 7, low voltage, is a weak battery and no cut. Reports that are not newer
than the last judged are history.
"""

from typing import Final

import numpy as np
from numba import from_dtype, njit, types

from core.kernels.facts import FACTS_TYPE, ROW_NONE
from core.kernels.groups import owner, ruled_as
from core.limits import FACTS_PER_ROW_MAX
from core.rules import PowerRule
from core.vehicle_table import REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import FLAG_CLOCK, FLAG_REPEATED, FLAG_TIME_BAD

FACT_UNPLUGGED: Final = 1
FACT_PLUGGED: Final = 2

ALARM_POWER_CUT: Final = 1 << 8

POWER: Final = np.dtype(
    [
        ("time_ms", "i8"),  # of the last report judged
        ("arrival_ms", "i8"),
        ("report", "u8"),
        ("pending_ms", "i8"),  # first report of a change that is not certain yet
        ("pending_report", "u8"),
        ("since_ms", "i8"),  # of the state it is in
        ("vehicle", "i4"),
        ("pending", "u1"),  # reports in a row that say otherwise
        ("cut", "u1"),
        ("padding", "u1", (10,)),
    ],
    align=True,
)
"""What is known of one terminal: a cache line."""
assert POWER.itemsize == 64

COUNTERS: Final = ("judged", "aside", "late", "beyond_capacity", "unplugged", "plugged")
COUNT_JUDGED: Final = 0
COUNT_ASIDE: Final = 1
COUNT_LATE: Final = 2
COUNT_BEYOND: Final = 3
COUNT_UNPLUGGED: Final = 4
COUNT_PLUGGED: Final = 5

_AT: Final = {name: number for number, name in enumerate(PowerRule.__struct_fields__)}
REPORTS: Final = _AT["reports"]
S_MIN: Final = _AT["s_min"]
SILENT_S: Final = _AT["silent_s"]

POWERS_TYPE: Final = types.Array(from_dtype(POWER), 1, "C")
_BYTES: Final = POWER.itemsize
_NUMBERS_TYPE: Final = types.Array(types.float64, 2, "C")


@njit(
    types.void(FACTS_TYPE, types.int64, POWERS_TYPE, types.int64, types.int64, types.int64[::1]),
    cache=True,
    nogil=True,
)
def _turn(facts, written, powers, terminal, row, counters):  # type: ignore[no-untyped-def]
    """Take over the pending change, and write down the fact."""
    state = powers[terminal]
    state.cut = 0 if state.cut else 1
    state.since_ms = state.pending_ms
    fact = facts[written]
    fact.report = state.report
    fact.first_report = state.pending_report
    fact.time_ms = state.pending_ms
    fact.vehicle = state.vehicle
    fact.terminal = terminal
    fact.row = row
    fact.kind = FACT_UNPLUGGED if state.cut else FACT_PLUGGED
    fact.number = terminal
    fact.late = 0
    for value in range(fact.values.shape[0]):
        fact.values[value] = 0
    counters[COUNT_UNPLUGGED if state.cut else COUNT_PLUGGED] += 1
    state.pending = 0


@njit(
    types.UniTuple(types.int64, 2)(
        REPORTS_TYPE,
        types.int64,
        POWERS_TYPE,
        types.int64[::1],
        _NUMBERS_TYPE,
        types.int32[::1],
        types.int32[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def judge_power(rows, start, powers, highest, numbers, of_group, groups, facts, counters):  # type: ignore[no-untyped-def]
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT.
        powers: (terminals,) POWER, row = terminal id; highest: (1,) int64, the highest in use.
        numbers, of_group: of a RuleSet of PowerRule. groups: (capacity,) int32.
        facts: (m,) FACT, m >= FACTS_PER_ROW_MAX.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    written = 0
    first = powers.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            prefetch(first + _BYTES * np.int64(rows[i + ROWS_AHEAD].terminal))
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return i, written
        row = rows[i]
        terminal = np.int64(row.terminal)
        vehicle = np.int64(row.vehicle_id)
        if terminal <= 0 or terminal >= powers.shape[0] or vehicle <= 0 or vehicle >= groups.shape[0]:
            counters[COUNT_BEYOND] += 1
            continue
        if np.int64(row.flags) & (FLAG_TIME_BAD | FLAG_REPEATED | FLAG_CLOCK):
            counters[COUNT_ASIDE] += 1
            continue
        state = powers[terminal]
        if row.time_ms <= state.time_ms:
            counters[COUNT_LATE] += 1
            continue
        counters[COUNT_JUDGED] += 1
        if terminal > highest[0]:
            highest[0] = terminal
        state.time_ms = row.time_ms
        state.arrival_ms = max(state.arrival_ms, row.arrival_ms)
        state.report = row.report_id
        state.vehicle = vehicle
        cut = np.int64(row.alarm) & ALARM_POWER_CUT != 0
        if cut == (state.cut != 0):
            state.pending = 0
            continue
        if state.pending == 0:
            state.pending_ms = row.time_ms
            state.pending_report = row.report_id
        state.pending = min(np.int64(state.pending) + 1, 255)
        group = owner(np.int64(groups[vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]
        if state.pending >= rule[REPORTS] and row.time_ms - state.pending_ms >= 1000.0 * rule[S_MIN]:
            _turn(facts, written, powers, terminal, i, counters)
            written += 1
    return rows.shape[0], written


@njit(
    types.UniTuple(types.int64, 2)(
        types.int64,
        types.int64,
        types.int64,
        POWERS_TYPE,
        types.int64[::1],
        _NUMBERS_TYPE,
        types.int32[::1],
        types.int32[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def sweep_power(now_ms, since_ms, start, powers, highest, numbers, of_group, groups, facts, counters):  # type: ignore[no-untyped-def]
    """Judge the terminals from `start` on whose last word was that the power is cut; as judge_power and Detector.sweep.

    Returns:
        The first terminal not judged, -1 when all were, and the number of facts written.
    """
    written = 0
    for terminal in range(max(start, 1), min(highest[0] + 1, powers.shape[0])):
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return terminal, written
        state = powers[terminal]
        if state.cut or state.pending == 0:
            continue
        group = owner(np.int64(groups[state.vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]
        if now_ms - max(state.arrival_ms, since_ms) >= 1000.0 * rule[SILENT_S]:
            _turn(facts, written, powers, terminal, ROW_NONE, counters)
            written += 1
    return -1, written
