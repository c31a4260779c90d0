"""Find the moments at which watched bits of the alarm word go up, terminal by terminal.

A terminal repeats its alarm word in every report while the cause lasts: what matters is the rise. Three ways in which
reports come, three ways to find it:

    newest     compared with the newest before it. Clocks have whole seconds: several reports of one second are taken
               together, a bit that any of them had was up
    late       behind newer ones (sent from the terminal's memory): compared with the late one before it, if the two are
               within LATE_RUN_MS_MAX; and never a rise inside a time at which the bit is known to have been up
    timeless   without a usable clock: compared with whatever came before

The times at which a bit was up are remembered as episodes, the latest and two older or late ones for each bit: the
repeat of any report of theirs finds nothing. A report that rose in a forgotten one finds the same fact, and event id,
again; another report of a forgotten one, sent again, would find a new one.
"""

from typing import Final

import numpy as np
from numba import njit, types

from core.kernels.facts import FACTS_TYPE
from core.limits import FACTS_PER_ROW_MAX
from core.vehicle_table import ALARM_BITS, ALARM_EPISODES, ALARMS_BYTES, ALARMS_TYPE, REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import FLAG_TIME_BAD

ALARM_MASK: Final = sum(1 << bit for bit in ALARM_BITS)

LATE_RUN_MS_MAX: Final = 10 * 60 * 1000
"""Two late reports farther apart tell nothing of the time between: a parked terminal reports every few minutes."""

KIND_ROSE: Final = 1

# Counters of judge_alarms, in the order of its int64 array.
COUNT_JUDGED: Final = 0
COUNT_LATE: Final = 1
COUNT_TIMELESS: Final = 2
COUNT_BEYOND: Final = 3
HIGHEST_TERMINAL: Final = 4
COUNTERS: Final = ("judged", "late", "timeless", "beyond_capacity", "highest_terminal")

_BIT_COUNT: Final = len(ALARM_BITS)
_LATE_EPISODE: Final = 1


@njit(
    types.UniTuple(types.int64, 2)(REPORTS_TYPE, types.int64, ALARMS_TYPE, FACTS_TYPE, types.int64[::1]),
    cache=True,
    nogil=True,
)
def judge_alarms(rows, start, alarms, facts, counters):  # type: ignore[no-untyped-def]
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT.
        alarms: (terminals,) ALARMS.
        facts: (m,) FACT, m >= FACTS_PER_ROW_MAX; number is the bit.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    written = 0
    first_latch = alarms.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            prefetch(first_latch + ALARMS_BYTES * np.int64(rows[i + ROWS_AHEAD].terminal))
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return i, written
        row = rows[i]
        terminal = np.int64(row.terminal)
        if terminal <= 0 or terminal >= alarms.shape[0] or row.vehicle_id <= 0:
            counters[COUNT_BEYOND] += 1
            continue
        if terminal > counters[HIGHEST_TERMINAL]:
            counters[HIGHEST_TERMINAL] = terminal
        state = alarms[terminal]
        up = np.int64(row.alarm) & ALARM_MASK
        word = np.int64(state.word)
        if np.int64(row.flags) & FLAG_TIME_BAD:
            counters[COUNT_TIMELESS] += 1
            rising = up & ~word
            state.word = up
            late = 0
        elif row.time_ms >= state.time_ms:
            counters[COUNT_JUDGED] += 1
            late = 0
            rising = up & ~word
            if row.time_ms == state.time_ms:
                state.word = word | up
            else:
                state.word = up
            if up != 0:
                for k in range(_BIT_COUNT):
                    bit = np.int64(1) << ALARM_BITS[k]
                    if not up & bit:
                        continue
                    # An open episode reaches to the newest report. After a timeless rise there is none to go on.
                    if rising & bit or state.last_ms[k, 0] != state.time_ms:
                        for episode in range(ALARM_EPISODES - 1, 0, -1):
                            state.first_ms[k, episode] = state.first_ms[k, episode - 1]
                            state.last_ms[k, episode] = state.last_ms[k, episode - 1]
                        state.first_ms[k, 0] = row.time_ms
                    state.last_ms[k, 0] = row.time_ms
            state.time_ms = row.time_ms
        else:
            counters[COUNT_LATE] += 1
            late = 1
            late_word = np.int64(state.late_word)
            if abs(row.time_ms - state.late_time_ms) > LATE_RUN_MS_MAX:
                late_word = np.int64(0)
            rising = np.int64(0)
            if up != 0:
                for k in range(_BIT_COUNT):
                    bit = np.int64(1) << ALARM_BITS[k]
                    if not up & bit:
                        continue
                    known = -1
                    run = -1
                    for episode in range(ALARM_EPISODES):
                        first_ms = state.first_ms[k, episode]
                        last_ms = state.last_ms[k, episode]
                        if last_ms == 0:
                            continue
                        if first_ms <= row.time_ms <= last_ms:
                            known = episode
                        if first_ms <= state.late_time_ms <= last_ms:
                            run = episode
                    if known >= 0:
                        continue
                    if late_word & bit:
                        # The run goes on: the time between the two was up as well.
                        if run >= 0:
                            state.first_ms[k, run] = min(state.first_ms[k, run], row.time_ms)
                            state.last_ms[k, run] = max(state.last_ms[k, run], row.time_ms)
                        continue
                    rising |= bit
                    for episode in range(ALARM_EPISODES - 1, _LATE_EPISODE, -1):
                        state.first_ms[k, episode] = state.first_ms[k, episode - 1]
                        state.last_ms[k, episode] = state.last_ms[k, episode - 1]
                    state.first_ms[k, _LATE_EPISODE] = row.time_ms
                    state.last_ms[k, _LATE_EPISODE] = row.time_ms
            state.late_word = up
            state.late_time_ms = row.time_ms
        if rising == 0:
            continue
        for k in range(_BIT_COUNT):
            if rising & (np.int64(1) << ALARM_BITS[k]):
                fact = facts[written]
                fact.values[:] = 0
                fact.report = row.report_id
                fact.first_report = row.report_id
                fact.time_ms = row.arrival_ms if np.int64(row.flags) & FLAG_TIME_BAD else row.time_ms
                fact.vehicle = row.vehicle_id
                fact.terminal = row.terminal
                fact.row = i
                fact.kind = KIND_ROSE
                fact.number = ALARM_BITS[k]
                fact.late = late
                written += 1
    return rows.shape[0], written
