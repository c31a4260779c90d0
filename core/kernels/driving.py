"""Follow how each car is driven: find its trips, how far it has come, and where it was too fast for long.

Whose word counts
    Of the terminals of a car one speaks for it: the first heard, until it has been silent for LEAD_MS and another is
    heard. Two receivers in one car, each off by metres, would otherwise be a car that dances.
    Judged are reports newer than the newest judged; late ones are history, counted (`late`) for the repair of that day.
    Positions that cleaning set aside are not looked at, but the ignition that such a report tells is.

A trip
    Ignition (status bit 0) rules where the terminal has been seen to tell both on and off. The trip begins where it was
    switched on, and is told once the car is `moved_m` from there; it ends where it was switched off, for OFF_MS at
    least: a flicker while the engine is cranked ends nothing.
    Without ignition, movement rules: a trip begins where the car was last within STAND_M of where it had stood, told
    once it is `start_m` away; it ends where it stood, once it has stayed within STAND_M for `stop_s`.
    It takes two fixes so far away. A car that goes `WIRE_M` with its ignition off shows that its wire tells nothing (or
    that it is being carried): until it is seen on again, movement rules.
    Silence of `silence_s` ends a trip at its last report: by arrival (a sweep), or by the times of two reports that
    came together. Whatever moved the car meanwhile is no trip of ours, but the odometer may have counted it.

How far
    Great circles between fixes at least LEG_M apart, so that a standing car's noise adds nothing; STANDING_LEG_M apart
    while it stands. A trip's distance is the odometer's where that counted at least ODOMETER_M, never went back, and is
    between 0.8 and 1.5 times the sum over the fixes, give or take its steps of 100 m.

The odometer's fact
    At each trip's end, and `advance_m` after the last within a trip: the terminal's counter where it has one that
    counts, else our own sum. When what is read changes (another terminal, a counter that went back or leapt, or that
    came or went) the numbers go on from a new base, and the advance is what our own sum came to.

Too fast
    Over `limit_kmh` in two fixes or more and for `overspeed_s`, without OVER_GAP_MS between two of them; over when the
    speed has been within the limit for `overspeed_s`, or nothing was heard for OVER_GAP_MS.
"""

from typing import Final

import numpy as np
from numba import from_dtype, njit, types

from core.kernels.cleaning import near_m
from core.kernels.facts import FACT, FACTS_TYPE, ROW_NONE, pair
from core.kernels.groups import owner, ruled_as
from core.vehicle_table import CACHE_LINE_BYTES, REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import FLAG_CLOCK, FLAG_REPEATED, FLAG_TIME_BAD, FLAGS_NO_POSITION

DRIVING: Final = np.dtype(
    [
        # Touched by every report.
        ("time_ms", "i8"),  # newest report judged; 0: none
        ("heard_ms", "i8"),  # its arrival
        ("report", "u8"),  # its id
        ("fix_ms", "i8"),  # last clean fix; 0: none
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        # Where it stands, or stood last; in a trip by ignition, where that was switched off.
        ("anchor_ms", "i8"),  # 0: nowhere
        ("anchor_lat_1e7", "i4"),
        ("anchor_lon_1e7", "i4"),
        ("terminal", "i4"),  # who speaks for the car
        ("speed_kmh10", "u2"),  # at the last clean fix
        ("over_phase", "u1"),  # WITHIN, OVER, SPEEDING
        ("marks", "u1"),  # MARK_*
        # The trip, or what may be its beginning (MARK_FIRST).
        ("first_ms", "i8"),
        ("first_report", "u8"),
        ("first_lat_1e7", "i4"),
        ("first_lon_1e7", "i4"),
        ("metres", "f8"),  # over the fixes since then
        ("counted_lat_1e7", "i4"),  # up to here
        ("counted_lon_1e7", "i4"),
        ("off_ms", "i8"),  # ignition off since; 0: on, or not known
        ("anchor_metres", "f8"),  # as they were at the anchor
        ("anchor_odometer_m", "i8"),
        # And how far the car has come in all.
        ("odometer_m", "i8"),  # the terminal's newest counter; -1: none
        ("first_odometer_m", "i8"),  # as it was at the beginning
        ("told_m", "i8"),  # odometer_m of the last odometer.advanced
        ("own_m", "f8"),  # over the fixes of all trips that ended
        ("told_own_m", "f8"),  # own sum at the last odometer.advanced
        ("reports", "i4"),  # of the trip
        ("anchor_reports", "i4"),
        ("idle_ms", "i4"),
        ("anchor_idle_ms", "i4"),
        ("base", "i4"),  # of the odometer; 0: none told
        ("max_kmh10", "u2"),  # of the trip
        ("began_by", "u1"),  # BY_*
        ("source", "u1"),  # FROM_*, of the last odometer.advanced
        # Too fast.
        ("over_ms", "i8"),  # since when
        ("over_last_ms", "i8"),  # last report over the limit
        ("over_report", "u8"),  # the first over the limit
        ("over_metres", "f4"),
        ("over_last_metres", "f4"),
        ("over_lat_1e7", "i4"),  # at the last report over the limit
        ("over_lon_1e7", "i4"),
        ("over_max_kmh10", "u2"),
        ("over_last_kmh10", "u2"),
        ("over_limit_kmh10", "u2"),
        ("beyond", "u2"),  # fixes in a row so far away that a trip begins
        ("told_terminal", "i4"),  # of the last odometer.advanced
        ("told_s", "u4"),  # its time, UTC epoch s
        ("padding", "u1", (8,)),
    ],
    align=True,
)
"""How one car is driven: four cache lines; a parked car's reports touch one."""

DRIVING_TYPE: Final = types.Array(from_dtype(DRIVING), 1, "C")
DRIVING_BYTES: Final = DRIVING.itemsize
assert DRIVING_BYTES == 4 * CACHE_LINE_BYTES

MARK_SEEN_ON: Final = 1
MARK_SEEN_OFF: Final = 2
MARK_ON: Final = 4
"""Ignition in the newest report."""
MARK_COUNTER_BACK: Final = 8
"""The terminal's counter went back in this trip."""
MARK_FIRST: Final = 16
"""There is a beginning."""
MARK_TRIP: Final = 32
"""A trip is under way."""
MARKS_IGNITION: Final = MARK_SEEN_ON | MARK_SEEN_OFF

BY_IGNITION: Final = 1
BY_MOVEMENT: Final = 2
BY_STANDING: Final = 3
BY_SILENCE: Final = 4
BY_TERMINAL: Final = 5

FROM_ODOMETER: Final = 1
FROM_POSITIONS: Final = 2

REBASED_NOT: Final = 0
REBASED_FIRST: Final = 1
REBASED_TERMINAL: Final = 2
REBASED_COUNTER: Final = 3
REBASED_SOURCE: Final = 4

WITHIN: Final = 0
OVER: Final = 1
SPEEDING: Final = 2

KIND_OPENED: Final = 1
KIND_CLOSED: Final = 2
KIND_ADVANCED: Final = 3
KIND_SPEEDING: Final = 4
KIND_SPED: Final = 5

COUNT_JUDGED: Final = 0
COUNT_LATE: Final = 1
COUNT_OTHER: Final = 2
COUNT_BEYOND: Final = 3
COUNT_OPENED: Final = 4
COUNT_CLOSED: Final = 5
COUNT_UNSEEN: Final = 6
COUNT_WIRES: Final = 7
COUNTERS: Final = (
    "judged",
    "late",
    "other_terminal",
    "beyond_capacity",
    "trips_opened",
    "trips_closed",
    "moved_unseen",
    "ignition_disbelieved",
)

# Columns of `numbers`: the fields of DrivingRule, in its order.
MOVED_M: Final = 0
START_M: Final = 1
STOP_S: Final = 2
SILENCE_S: Final = 3
ADVANCE_M: Final = 4
LIMIT_KMH: Final = 5
OVERSPEED_S: Final = 6

STAND_M: Final = 150.0
"""How far a standing car's position wanders among high buildings (core/kernels/track.py, STOOD_M)."""
LEG_M: Final = 20.0
STANDING_LEG_M: Final = 60.0
STANDING_KMH10: Final = 30
OFF_MS: Final = 30_000
OFF_SILENCE_MS: Final = 120_000
"""Switched off and silent for so long: the terminal sleeps, the trip is over."""
LEAD_MS: Final = 300_000
IDLE_GAP_MS: Final = 180_000
"""Standing at two reports farther apart than this is not standing in between for certain."""
WIRE_M: Final = 10_000.0
ODOMETER_M: Final = 1_000
"""Counters go in steps of 100 m: below ten of them the fixes know better."""
DEAD_COUNTER_M: Final = 2_000.0
"""A counter that stood still while the fixes came so far does not count."""
LEAP_M: Final = 1_000.0
LEAP_KMH: Final = 250.0
OVER_GAP_MS: Final = 120_000

FACTS_PER_REPORT: Final = 8
"""Most that one report can bring: a trip and an episode of speeding end by a gap, and others begin."""

STATUS_IGNITION: Final = 1

_STATE: Final = from_dtype(DRIVING)


@njit(types.void(_STATE, types.int64, types.uint64, types.int64, types.int64), cache=True, nogil=True)
def _begin(state, time_ms, report, lat, lon):  # type: ignore[no-untyped-def]
    """Let this be where and when a trip may have begun."""
    state.first_ms = time_ms
    state.first_report = report
    state.first_lat_1e7 = lat
    state.first_lon_1e7 = lon
    state.counted_lat_1e7 = lat
    state.counted_lon_1e7 = lon
    state.first_odometer_m = state.odometer_m
    state.metres = 0.0
    state.idle_ms = 0
    state.reports = 0
    state.max_kmh10 = 0
    state.beyond = 0
    state.off_ms = 0
    state.marks = (state.marks | MARK_FIRST) & ~MARK_COUNTER_BACK


@njit(types.void(_STATE, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _anchor(state, time_ms, lat, lon):  # type: ignore[no-untyped-def]
    """Let this be where the car stands, with the trip as it is here."""
    state.anchor_ms = time_ms
    state.anchor_lat_1e7 = lat
    state.anchor_lon_1e7 = lon
    state.anchor_metres = state.metres
    state.anchor_idle_ms = state.idle_ms
    state.anchor_reports = state.reports
    state.anchor_odometer_m = state.odometer_m


@njit(types.UniTuple(types.int64, 2)(_STATE, types.float64, types.int64), cache=True, nogil=True)
def _distance(state, metres, odometer_m):  # type: ignore[no-untyped-def]
    """Return how far a trip went that came so far over the fixes and to this counter, and by which (FROM_*)."""
    if state.first_odometer_m >= 0 and odometer_m >= 0 and not state.marks & MARK_COUNTER_BACK:
        counted_m = odometer_m - state.first_odometer_m
        if counted_m >= ODOMETER_M and 0.8 * metres - 300.0 <= counted_m <= 1.5 * metres + 500.0:
            return counted_m, FROM_ODOMETER
    return np.int64(round(metres)), FROM_POSITIONS


@njit(types.boolean(_STATE, types.float64), cache=True, nogil=True)
def _due(state, advance_m):  # type: ignore[no-untyped-def]
    """Tell whether the odometer of a car in a trip is to be told."""
    if state.base == 0:
        return state.metres >= advance_m
    own_since_m = state.own_m + state.metres - state.told_own_m
    if state.source == FROM_ODOMETER and state.odometer_m >= 0 and state.odometer_m != state.told_m:
        # One that stands still holds nothing up.
        return state.odometer_m - state.told_m >= advance_m
    return own_since_m >= advance_m


@njit(
    types.void(_STATE, from_dtype(FACT), types.int64, types.int64, types.uint64, types.int64, types.float64),
    cache=True,
    nogil=True,
)
def _advance(state, fact, vehicle, time_ms, report, row, metres):  # type: ignore[no-untyped-def]
    """Write down how far the car has come; `metres`: of the trip under way, as its distance is told."""
    own_m = state.own_m + state.metres
    own_since_m = np.int64(round(own_m)) - np.int64(round(state.told_own_m))
    counter_m = state.odometer_m
    distance_m, distance_from = _distance(state, metres, counter_m)
    source = FROM_ODOMETER if counter_m >= 0 else FROM_POSITIONS
    rebased = REBASED_NOT
    if state.base == 0:
        if distance_from != FROM_ODOMETER and (metres >= ODOMETER_M or state.marks & MARK_COUNTER_BACK):
            source = FROM_POSITIONS
        rebased = REBASED_FIRST
        advance_m = distance_m
    else:
        if state.source == FROM_ODOMETER:
            if counter_m == state.told_m and own_since_m >= DEAD_COUNTER_M:
                source = FROM_POSITIONS
        elif distance_from != FROM_ODOMETER:
            # Back to the counter once it has counted through a trip.
            source = FROM_POSITIONS
        advance_m = own_since_m
        if source != state.source:
            rebased = REBASED_SOURCE
        elif source == FROM_ODOMETER:
            took_s = time_ms // 1000 - np.int64(state.told_s)
            since_m = counter_m - state.told_m
            if state.told_terminal != state.terminal:
                rebased = REBASED_TERMINAL
            elif since_m < 0 or since_m > LEAP_M + LEAP_KMH / 3.6 * took_s:
                rebased = REBASED_COUNTER
            else:
                advance_m = since_m
    if rebased != REBASED_NOT:
        state.base += 1
    state.source = source
    state.told_m = counter_m if source == FROM_ODOMETER else np.int64(round(own_m))
    state.told_own_m = own_m
    state.told_s = time_ms // 1000
    state.told_terminal = state.terminal
    fact.report = report
    fact.first_report = state.first_report
    fact.time_ms = time_ms
    fact.values[0] = state.told_m
    fact.values[1] = advance_m
    fact.values[2] = state.base
    fact.values[3] = source
    fact.values[4] = rebased
    fact.values[5] = 0
    fact.vehicle = vehicle
    fact.terminal = state.terminal
    fact.row = row
    fact.kind = KIND_ADVANCED
    fact.number = state.base
    fact.late = 0


@njit(types.void(_STATE, from_dtype(FACT), types.int64, types.uint64, types.int64, types.int64), cache=True, nogil=True)
def _open(state, fact, vehicle, report, row, by):  # type: ignore[no-untyped-def]
    """Write down that a trip has begun."""
    state.marks = state.marks | MARK_TRIP
    state.began_by = by
    state.beyond = 0
    fact.report = report
    fact.first_report = state.first_report
    fact.time_ms = state.first_ms
    fact.values[0] = pair(np.int64(state.first_lat_1e7), np.int64(state.first_lon_1e7))
    fact.values[1] = by
    for k in range(2, 6):
        fact.values[k] = 0
    fact.vehicle = vehicle
    fact.terminal = state.terminal
    fact.row = row
    fact.kind = KIND_OPENED
    fact.number = 0
    fact.late = 0


@njit(
    types.int64(_STATE, FACTS_TYPE, types.int64, types.int64, types.uint64, types.int64, types.int64),
    cache=True,
    nogil=True,
)
def _close(state, facts, written, vehicle, report, row, by):  # type: ignore[no-untyped-def]
    """Write down that the trip is over, and how far the car has come; return the number of facts there are now.

    What is over by ignition or by standing ended at the anchor, anything else at the last report.
    """
    if by == BY_IGNITION or by == BY_STANDING:
        end_ms = state.anchor_ms
        lat, lon = np.int64(state.anchor_lat_1e7), np.int64(state.anchor_lon_1e7)
        metres, odometer_m = state.anchor_metres, state.anchor_odometer_m
        idle_ms, reports = np.int64(state.anchor_idle_ms), np.int64(state.anchor_reports)
    else:
        end_ms = state.time_ms
        lat, lon = np.int64(state.lat_1e7), np.int64(state.lon_1e7)
        metres, odometer_m = state.metres, state.odometer_m
        idle_ms, reports = np.int64(state.idle_ms), np.int64(state.reports)
    distance_m, distance_from = _distance(state, metres, odometer_m)
    fact = facts[written]
    fact.report = report
    fact.first_report = state.first_report
    fact.time_ms = end_ms
    fact.values[0] = pair(np.int64(state.first_lat_1e7), np.int64(state.first_lon_1e7))
    fact.values[1] = pair(lat, lon)
    fact.values[2] = state.first_ms
    fact.values[3] = pair(distance_m, reports)
    fact.values[4] = pair(idle_ms, np.int64(state.max_kmh10))
    fact.values[5] = pair(distance_from, (np.int64(state.began_by) << 8) | by)
    fact.vehicle = vehicle
    fact.terminal = state.terminal
    fact.row = row
    fact.kind = KIND_CLOSED
    fact.number = by
    fact.late = 0
    _advance(state, facts[written + 1], vehicle, end_ms, report, row, metres)
    state.own_m += state.metres
    state.metres = 0.0
    state.off_ms = 0
    state.beyond = 0
    state.marks = state.marks & ~(MARK_FIRST | MARK_TRIP)
    return written + 2


@njit(types.void(_STATE, from_dtype(FACT), types.int64, types.uint64, types.int64, types.int64), cache=True, nogil=True)
def _speed_fact(state, fact, vehicle, report, row, kind):  # type: ignore[no-untyped-def]
    """Write down that an episode of speeding has begun for certain, or is over."""
    fact.report = report
    fact.first_report = state.over_report
    fact.time_ms = state.over_ms if kind == KIND_SPEEDING else state.over_last_ms
    fact.values[0] = pair(np.int64(state.over_lat_1e7), np.int64(state.over_lon_1e7))
    fact.values[1] = state.over_ms
    fact.values[2] = state.over_last_ms - state.over_ms
    fact.values[3] = np.int64(round(state.over_last_metres))
    fact.values[4] = pair(np.int64(state.over_limit_kmh10), np.int64(state.over_max_kmh10))
    fact.values[5] = np.int64(state.over_last_kmh10)
    fact.vehicle = vehicle
    fact.terminal = state.terminal
    fact.row = row
    fact.kind = kind
    fact.number = 0
    fact.late = 0
    state.over_phase = SPEEDING if kind == KIND_SPEEDING else WITHIN


@njit(types.void(_STATE, types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _over(state, time_ms, lat, lon, speed_kmh10):  # type: ignore[no-untyped-def]
    """Add a report over the limit to the episode."""
    state.over_last_ms = time_ms
    state.over_last_kmh10 = speed_kmh10
    state.over_last_metres = state.over_metres
    state.over_max_kmh10 = max(np.int64(state.over_max_kmh10), speed_kmh10)
    state.over_lat_1e7 = lat
    state.over_lon_1e7 = lon


@njit(
    types.UniTuple(types.int64, 2)(
        REPORTS_TYPE,
        types.int64,
        DRIVING_TYPE,
        types.int64[::1],
        types.float64[:, ::1],
        types.int32[::1],
        types.int32[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def judge_driving(rows, start, states, highest, numbers, of_group, groups, facts, counters):  # type: ignore[no-untyped-def]
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT, cleaned.
        states: (vehicles,) DRIVING. highest: (1,) int64, the highest car in use.
        numbers: (sets, fields) float64, of_group: (groups,) int32: RuleSet.
        groups: (vehicles,) int32, dealer group of each car.
        facts: (m,) FACT, m >= FACTS_PER_REPORT.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    written = 0
    base = states.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            ahead = base + DRIVING_BYTES * np.int64(rows[i + ROWS_AHEAD].vehicle_id)
            prefetch(ahead)
            if rows[i + ROWS_AHEAD].speed_kmh10 > STANDING_KMH10:
                prefetch(ahead + CACHE_LINE_BYTES)
                prefetch(ahead + 2 * CACHE_LINE_BYTES)
        if written + FACTS_PER_REPORT > facts.shape[0]:
            return i, written
        row = rows[i]
        vehicle = np.int64(row.vehicle_id)
        if vehicle <= 0 or vehicle >= states.shape[0]:
            counters[COUNT_BEYOND] += 1
            continue
        flags = np.int64(row.flags)
        if flags & (FLAG_TIME_BAD | FLAG_CLOCK | FLAG_REPEATED):
            continue
        state = states[vehicle]
        time_ms = row.time_ms
        terminal = np.int64(row.terminal)
        group = owner(np.int64(groups[vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]
        changed = False
        if state.terminal != terminal:
            if state.terminal != 0 and time_ms - state.time_ms < LEAD_MS:
                counters[COUNT_OTHER] += 1
                continue
            changed = True
        elif time_ms <= state.time_ms:
            counters[COUNT_LATE] += 1
            continue
        counters[COUNT_JUDGED] += 1
        if vehicle > highest[0]:
            highest[0] = vehicle

        # What is over before this report has its say.
        gap_ms = time_ms - state.time_ms
        silent = gap_ms > rule[SILENCE_S] * 1000.0
        if state.over_phase != WITHIN and (changed or time_ms - state.fix_ms > OVER_GAP_MS):
            if state.over_phase == SPEEDING:
                _speed_fact(state, facts[written], vehicle, row.report_id, i, KIND_SPED)
                written += 1
            state.over_phase = WITHIN
        if state.marks & MARK_TRIP:
            by = 0
            if state.off_ms != 0 and time_ms - state.off_ms >= OFF_MS:
                by = BY_IGNITION
            elif changed:
                by = BY_TERMINAL
            elif silent:
                by = BY_SILENCE
            if by != 0:
                written = _close(state, facts, written, vehicle, row.report_id, i, by)
                counters[COUNT_CLOSED] += 1
        if changed:
            state.terminal = terminal
            state.marks = 0
            state.odometer_m = -1
            state.fix_ms = 0
            state.anchor_ms = 0
        elif silent:
            state.marks = state.marks & ~MARK_FIRST
            # 0 is no place yet; a car that has moved unseen stands somewhere else now.
            state.anchor_ms = 0

        marks = np.int64(state.marks)
        if row.odometer_m >= 0:
            if marks & MARK_FIRST and row.odometer_m < state.odometer_m:
                marks |= MARK_COUNTER_BACK
            state.odometer_m = row.odometer_m
        on = (np.int64(row.status) & STATUS_IGNITION) != 0
        was_on = (marks & MARK_ON) != 0
        marks = marks | (MARK_SEEN_ON | MARK_ON) if on else (marks | MARK_SEEN_OFF) & ~MARK_ON
        known = marks & MARKS_IGNITION == MARKS_IGNITION
        state.marks = marks
        placed = flags & FLAGS_NO_POSITION == 0
        lat, lon = np.int64(row.lat_1e7), np.int64(row.lon_1e7)
        speed_kmh10 = np.int64(row.speed_kmh10)
        standing = speed_kmh10 <= STANDING_KMH10 and state.speed_kmh10 <= STANDING_KMH10
        fix_gap_ms = time_ms - state.fix_ms

        if not state.marks & MARK_TRIP and known and on != was_on:
            if not on:
                # Switched off without having gone anywhere.
                state.marks = state.marks & ~MARK_FIRST
            elif placed:
                _begin(state, time_ms, row.report_id, lat, lon)
            elif state.fix_ms != 0:
                _begin(state, time_ms, row.report_id, np.int64(state.lat_1e7), np.int64(state.lon_1e7))
        if state.marks & MARK_FIRST and state.off_ms == 0:
            state.reports += 1
            if placed:
                apart_m = near_m(np.int64(state.counted_lat_1e7), np.int64(state.counted_lon_1e7), lat, lon)
                if apart_m >= (STANDING_LEG_M if standing else LEG_M):
                    state.metres += apart_m
                    state.counted_lat_1e7 = lat
                    state.counted_lon_1e7 = lon
                if standing and fix_gap_ms <= IDLE_GAP_MS:
                    idle_ms = min(fix_gap_ms, time_ms - state.first_ms)
                    state.idle_ms = min(np.int64(state.idle_ms) + idle_ms, 0x7FFFFFFF)
                state.max_kmh10 = max(np.int64(state.max_kmh10), speed_kmh10)

        if state.marks & MARK_TRIP:
            if known and not on:
                if state.off_ms == 0:
                    state.off_ms = time_ms
                    if placed:
                        _anchor(state, time_ms, lat, lon)
                    else:
                        _anchor(state, time_ms, np.int64(state.lat_1e7), np.int64(state.lon_1e7))
            else:
                state.off_ms = 0
                if placed and not known:
                    anchor_m = 2 * STAND_M
                    if state.anchor_ms != 0:
                        anchor_m = near_m(np.int64(state.anchor_lat_1e7), np.int64(state.anchor_lon_1e7), lat, lon)
                    if anchor_m > STAND_M:
                        _anchor(state, time_ms, lat, lon)
                    elif time_ms - state.anchor_ms >= rule[STOP_S] * 1000.0:
                        written = _close(state, facts, written, vehicle, row.report_id, i, BY_STANDING)
                        counters[COUNT_CLOSED] += 1
        elif placed:
            if state.anchor_ms == 0:
                if silent and state.fix_ms != 0:
                    unseen_m = near_m(np.int64(state.lat_1e7), np.int64(state.lon_1e7), lat, lon)
                    if unseen_m >= rule[START_M]:
                        counters[COUNT_UNSEEN] += 1
                state.anchor_ms = time_ms
                state.anchor_lat_1e7 = lat
                state.anchor_lon_1e7 = lon
            far_m = rule[MOVED_M]
            if known and on:
                if not state.marks & MARK_FIRST:
                    _begin(state, time_ms, row.report_id, lat, lon)
            else:
                far_m = WIRE_M if known else rule[START_M]
                anchor_m = near_m(np.int64(state.anchor_lat_1e7), np.int64(state.anchor_lon_1e7), lat, lon)
                if anchor_m > STAND_M:
                    if not state.marks & MARK_FIRST:
                        _begin(state, state.fix_ms, state.report, np.int64(state.lat_1e7), np.int64(state.lon_1e7))
                        state.metres = near_m(np.int64(state.lat_1e7), np.int64(state.lon_1e7), lat, lon)
                        state.counted_lat_1e7 = lat
                        state.counted_lon_1e7 = lon
                        state.reports = 2
                        state.max_kmh10 = speed_kmh10
                    state.anchor_ms = time_ms
                    state.anchor_lat_1e7 = lat
                    state.anchor_lon_1e7 = lon
                elif state.marks & MARK_FIRST and time_ms - state.anchor_ms >= rule[STOP_S] * 1000.0:
                    state.marks = state.marks & ~MARK_FIRST
            if state.marks & MARK_FIRST:
                gone_m = near_m(np.int64(state.first_lat_1e7), np.int64(state.first_lon_1e7), lat, lon)
                state.beyond = min(np.int64(state.beyond) + 1, 2) if gone_m >= far_m else 0
                if state.beyond >= 2:
                    by = BY_IGNITION if known and on else BY_MOVEMENT
                    if known and not on:
                        state.marks = state.marks & ~MARK_SEEN_ON
                        counters[COUNT_WIRES] += 1
                    _open(state, facts[written], vehicle, row.report_id, i, by)
                    written += 1
                    counters[COUNT_OPENED] += 1
                    _anchor(state, time_ms, lat, lon)

        if placed:
            limit_kmh10 = np.int64(rule[LIMIT_KMH] * 10.0)
            over = limit_kmh10 > 0 and speed_kmh10 > limit_kmh10
            if state.over_phase != WITHIN:
                state.over_metres += (speed_kmh10 + np.int64(state.speed_kmh10)) / 72.0 * (fix_gap_ms / 1000.0)
                if over:
                    _over(state, time_ms, lat, lon, speed_kmh10)
                    if state.over_phase == OVER and time_ms - state.over_ms >= rule[OVERSPEED_S] * 1000.0:
                        _speed_fact(state, facts[written], vehicle, row.report_id, i, KIND_SPEEDING)
                        written += 1
                elif state.over_phase == OVER:
                    state.over_phase = WITHIN
                elif time_ms - state.over_last_ms >= rule[OVERSPEED_S] * 1000.0 or limit_kmh10 == 0:
                    _speed_fact(state, facts[written], vehicle, row.report_id, i, KIND_SPED)
                    written += 1
            elif over:
                state.over_phase = OVER
                state.over_ms = time_ms
                state.over_report = row.report_id
                state.over_metres = 0.0
                state.over_max_kmh10 = 0
                state.over_limit_kmh10 = min(limit_kmh10, 0xFFFF)
                _over(state, time_ms, lat, lon, speed_kmh10)
            state.fix_ms = time_ms
            state.lat_1e7 = lat
            state.lon_1e7 = lon
            state.speed_kmh10 = speed_kmh10
        state.time_ms = time_ms
        state.heard_ms = row.arrival_ms
        state.report = row.report_id
        if state.marks & MARK_TRIP and state.off_ms == 0 and _due(state, rule[ADVANCE_M]):
            _advance(state, facts[written], vehicle, time_ms, row.report_id, i, state.metres)
            written += 1
    return rows.shape[0], written


@njit(
    types.UniTuple(types.int64, 2)(
        types.int64,
        types.int64,
        types.int64,
        DRIVING_TYPE,
        types.int64[::1],
        types.float64[:, ::1],
        types.int32[::1],
        types.int32[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def sweep_driving(now_ms, since_ms, start, states, highest, numbers, of_group, groups, facts, counters):  # type: ignore[no-untyped-def]
    """End the trips and the speeding of cars that have been silent, from car `start` on, until all were looked at or
    the room for facts ends.

    Args:
        now_ms: arrival time that has come. since_ms: nobody counts as silent before.
        The others: as for `judge_driving`.

    Returns:
        The first car not looked at, -1 when all were; and the number of facts written.
    """
    written = 0
    for vehicle in range(max(start, 1), highest[0] + 1):
        state = states[vehicle]
        if not state.marks & MARK_TRIP and state.over_phase != SPEEDING:
            continue
        if written + FACTS_PER_REPORT > facts.shape[0]:
            return vehicle, written
        silent_ms = now_ms - max(state.heard_ms, since_ms)
        if state.over_phase == SPEEDING and silent_ms > OVER_GAP_MS:
            _speed_fact(state, facts[written], vehicle, state.report, ROW_NONE, KIND_SPED)
            written += 1
        if not state.marks & MARK_TRIP:
            continue
        group = owner(np.int64(groups[vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]
        by = 0
        if state.off_ms != 0 and silent_ms >= OFF_SILENCE_MS:
            by = BY_IGNITION
        elif silent_ms > rule[SILENCE_S] * 1000.0:
            by = BY_SILENCE
        if by != 0:
            written = _close(state, facts, written, vehicle, state.report, ROW_NONE, by)
            counters[COUNT_CLOSED] += 1
    return -1, written
