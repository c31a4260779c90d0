"""Set aside what a terminal says of a place or a time that cannot be true, before any detector judges by it.

Terminal by terminal, in the order of the journal. A report that is set aside gets a mark in its flags, for the reason
that stands first here:

    repeated   this very report was heard before (sent again, or again in a batch)
    clock      its time is more than `clock_ahead_s` ahead of its arrival. What the clock says next is not compared with
               it, so that one report from the future does not make the present late
    jump       no car comes so far in that time: farther than `jump_m` and faster than `jump_kmh` from the last good
               fix; or, where reports are dense, farther than the speeds at both ends allow (below). Once `jump_fixes`
               such fixes in a row lie near one another, the car really is there: the last of them is good
    frozen     the very same coordinates for `frozen_fixes` fixes and `frozen_s`, each at `frozen_kmh` or more

A report without a fix, with an impossible position, or without a readable time was marked by its decoder; it is counted
here. A report that is not newer than the newest of its terminal is late: counted, and only looked at for a repeat.

What can be seen at once, without the fixes that come after: between two fixes of at most DENSE_S, a car comes no
farther than its mean speed, one second more than said (clocks have whole seconds), and a strong change of speed allow,
and `step_m` for the noise of both. Where the last fix lay farther from the one
before it than their speeds said, and the fix now fits that one, it was the last that lied: too late for it, but the fix
now is good (`jumps_passed`). So a jump of 50 m shows in a car that stands or walks its pace up to 5 s between
reports, and in a parked one (ignition off, standing) up to PARKED_S. At 10 s between reports a car in traffic may have
gone 50 m and stopped again; at speed 50 m are within a second. Such a jump stays, and no later judgement may hang on
one fix. Terminals whose speeds do not fit their positions (always 0, or of another source) are found out the first time
a car "really is there": for TRUST_FIXES fixes they are held to jump_m and jump_kmh alone.

A clock that is off by whole hours, as one that was set to another zone, is only said (`clock_hours`): its reports are
judged by the time they give, if they are not ahead.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import from_dtype, njit, types

from core.kernels.geodesy import METRES_PER_UNIT, RADIANS_PER_UNIT
from core.kernels.groups import owner, ruled_as
from core.vehicle_table import CACHE_LINE_BYTES, GROUP_DEFAULT, REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import (
    FLAG_BATCH,
    FLAG_CLOCK,
    FLAG_FROZEN,
    FLAG_JUMP,
    FLAG_NO_FIX,
    FLAG_POSITION_BAD,
    FLAG_REPEATED,
    FLAG_TIME_BAD,
    FLAGS_ASIDE,
)

# Reasons, as columns of `aside` and of the counters.
REPEATED: Final = 0
CLOCK: Final = 1
JUMP: Final = 2
FROZEN: Final = 3
NO_FIX: Final = 4
POSITION_BAD: Final = 5
TIME_BAD: Final = 6
LATE: Final = 7
REASONS: Final = ("repeated", "clock", "jump", "frozen", "no_fix", "position_bad", "time_bad", "late")

COUNT_JUDGED: Final = len(REASONS)
COUNT_REFUTED: Final = len(REASONS) + 1
COUNT_PASSED: Final = len(REASONS) + 2
COUNT_BEYOND: Final = len(REASONS) + 3
COUNTERS: Final = (*REASONS, "judged", "jumps_refuted", "jumps_passed", "beyond_capacity")
"""Of `clean`, in the order of its int64 array."""

IDS: Final = 4

CLEANING: Final = np.dtype(
    [
        ("time_ms", "i8"),  # newest time judged; 0: none
        ("ids", "u4", (IDS,)),  # the low halves of the last reports' ids, in a ring
        ("fix_ms", "i8"),  # last good fix; 0: none
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        ("before_lat_1e7", "i4"),  # the good fix before it
        ("before_lon_1e7", "i4"),
        ("vehicle", "i4"),
        ("reports", "u4"),  # heard of this terminal in this car
        ("speed_kmh10", "u2"),
        ("before_kmh10", "u2"),
        ("before_s10", "u2"),  # how long before the last, in tenths of a second; 0: none so near
        ("marks", "u1"),  # MARK_*
        ("id_next", "u1"),
        # Touched only by what is suspicious.
        ("candidate_ms", "i8"),  # last fix that seemed to be a jump
        ("candidate_lat_1e7", "i4"),
        ("candidate_lon_1e7", "i4"),
        ("run_ms", "i8"),  # since when the coordinates have been the same at speed
        ("delay_since_ms", "i8"),  # arrival of the first report of the run of equal delays
        ("delay_ms", "i8"),  # its delay: arrival less time
        ("run_fixes", "i4"),
        ("candidates", "u1"),
        ("distrust", "u1"),  # fixes for which speeds are not believed
        ("clock_hours", "i1"),  # found: the clock is this many hours behind (ahead where negative)
        ("delays", "u1"),  # reports in the run of equal delays
        ("reserved", "u1", (16,)),
        # What was set aside, and why.
        ("aside", "u4", (len(REASONS),)),
        ("since_ms", "i8"),  # arrival of the first report counted
        ("aside_ms", "i8"),  # arrival of the last report marked here
        ("padding", "u1", (16,)),
    ],
    align=True,
)
"""What is known of one terminal: three cache lines, of which the first alone is touched while nothing is wrong."""

CLEANING_TYPE: Final = types.Array(from_dtype(CLEANING), 1, "C")
CLEANING_BYTES: Final = CLEANING.itemsize
assert CLEANING_BYTES == 3 * CACHE_LINE_BYTES

MARK_PARKED: Final = 1
"""The last good fix: ignition off, standing."""
MARK_DISTRUST: Final = 2
MARK_RUN: Final = 4
MARK_CANDIDATE: Final = 8
MARK_DELAYED: Final = 16
"""A run of equal delays is under way, or hours were found."""

# Columns of `numbers`: the fields of CleaningRule, in its order.
JUMP_KMH: Final = 0
JUMP_M: Final = 1
STEP_M: Final = 2
JUMP_FIXES: Final = 3
FROZEN_FIXES: Final = 4
FROZEN_S: Final = 5
FROZEN_KMH: Final = 6
CLOCK_AHEAD_S: Final = 7

DENSE_S: Final = 10.0
PARKED_S: Final = 30.0
BEFORE_S: Final = 30.0
ACCELERATION_MPS2: Final = 3.0
"""Between two fixes a car may speed up and brake again at this: over so long more is for the race track."""
STANDING_KMH10: Final = 30
TRUST_FIXES: Final = 100

HOUR_MS: Final = 3_600_000
DELAY_NEAR_MS: Final = 120_000
"""How far from a whole hour a delay may be: clocks drift, and reports wait for the network."""
DELAY_SAME_MS: Final = 30_000
DELAYS: Final = 8
DELAY_RUN_MS: Final = 60_000
"""So many reports over such a time, delayed alike: a memory being emptied catches up, a wrong clock does not."""

STATUS_IGNITION: Final = 1


@njit(types.float64(types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True, inline="always")
def near_m(lat_a_1e7, lon_a_1e7, lat_b_1e7, lon_b_1e7):  # type: ignore[no-untyped-def]
    """Return the distance of two points in metres on a plane: within 0.1 % below 50 km, and never far off beyond."""
    north = (lat_b_1e7 - lat_a_1e7) * METRES_PER_UNIT
    turn = lon_b_1e7 - lon_a_1e7
    if turn > 1_800_000_000:
        turn -= 3_600_000_000
    elif turn < -1_800_000_000:
        turn += 3_600_000_000
    east = turn * METRES_PER_UNIT * math.cos((lat_a_1e7 + lat_b_1e7) * (0.5 * RADIANS_PER_UNIT))
    return math.sqrt(north * north + east * east)


@njit(
    types.UniTuple(types.boolean, 2)(
        types.float64[::1],
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.float64,
        types.int64,
        types.int64,
        types.boolean,
        types.float64,
    ),
    cache=True,
    nogil=True,
)
def _too_far(rule, lat_a, lon_a, lat_b, lon_b, took_s, speed_a_kmh10, speed_b_kmh10, parked, blur_s):  # type: ignore[no-untyped-def]
    """Tell whether a car cannot have come from a to b, and whether it is only its speeds that say so."""
    rough_north = (lat_b - lat_a) * METRES_PER_UNIT
    rough_east = (lon_b - lon_a) * METRES_PER_UNIT
    # A parallel is never longer than the equator: nearly every fix ends here, without a cosine.
    if rough_north * rough_north + rough_east * rough_east <= rule[STEP_M] * rule[STEP_M]:
        return False, False
    metres = near_m(lat_a, lon_a, lat_b, lon_b)
    if metres > rule[JUMP_M] and metres > rule[JUMP_KMH] / 3.6 * took_s:
        return True, False
    if parked and took_s <= PARKED_S:
        return metres > rule[STEP_M], True
    if took_s <= DENSE_S:
        mean_mps = (speed_a_kmh10 + speed_b_kmh10) / 72.0
        reach_m = mean_mps * (took_s + blur_s) + ACCELERATION_MPS2 * 0.25 * took_s * took_s + rule[STEP_M]
        return metres > reach_m, True
    return False, False


@njit(types.void(from_dtype(CLEANING), types.int64, types.int64), cache=True, nogil=True)
def _watch_clock(state, delay_ms, arrival_ms):  # type: ignore[no-untyped-def]
    """Follow how late reports come; find out that it is always the same whole number of hours."""
    hours = np.int64(round(delay_ms / HOUR_MS))
    near_hour = hours != 0 and abs(hours) <= 24 and abs(delay_ms - hours * HOUR_MS) <= DELAY_NEAR_MS
    if not near_hour:
        state.delays = 0
        if abs(delay_ms) < DELAY_NEAR_MS:
            # It came at once: the clock is right, now.
            state.clock_hours = 0
        if state.clock_hours == 0:
            state.marks &= ~np.uint8(MARK_DELAYED)
        return
    state.marks |= np.uint8(MARK_DELAYED)
    if state.delays == 0 or abs(delay_ms - state.delay_ms) > DELAY_SAME_MS:
        state.delays = 1
        state.delay_ms = delay_ms
        state.delay_since_ms = arrival_ms
        return
    state.delays = min(np.int64(state.delays) + 1, 255)
    if state.delays >= DELAYS and arrival_ms - state.delay_since_ms >= DELAY_RUN_MS:
        state.clock_hours = hours


@njit(types.void(from_dtype(CLEANING)), cache=True, nogil=True)
def _forget(state):  # type: ignore[no-untyped-def]
    """Make a state that of a terminal never heard."""
    state.time_ms = 0
    state.reports = 0
    state.fix_ms = 0
    state.marks = 0
    state.id_next = 0
    state.before_s10 = 0
    for k in range(IDS):
        state.ids[k] = 0
    state.candidates = 0
    state.distrust = 0
    state.clock_hours = 0
    state.delays = 0
    for k in range(len(REASONS)):
        state.aside[k] = 0
    state.aside_ms = 0


@njit(
    types.void(
        REPORTS_TYPE,
        CLEANING_TYPE,
        types.int64[::1],
        types.float64[:, ::1],
        types.int32[::1],
        types.int32[::1],
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def clean(rows, states, highest, numbers, of_group, groups, counters):  # type: ignore[no-untyped-def]
    """Mark, in their flags, the rows whose place or time must not be judged. Marks that a row brings are taken off.

    Args:
        rows: (n,) REPORT, in the order of the journal; flags are changed.
        states: (terminals,) CLEANING. highest: (1,) int64, the highest terminal in use.
        numbers: (sets, fields) float64, of_group: (groups,) int32: RuleSet.
        groups: (vehicles,) int32, dealer group of each car.
        counters: (len(COUNTERS),) int64, added to.
    """
    first = states.ctypes.data
    for i in range(rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            prefetch(first + CLEANING_BYTES * np.int64(rows[i + ROWS_AHEAD].terminal))
        row = rows[i]
        flags = np.int64(row.flags) & ~FLAGS_ASIDE
        row.flags = flags
        terminal = np.int64(row.terminal)
        vehicle = np.int64(row.vehicle_id)
        if terminal <= 0 or terminal >= states.shape[0]:
            counters[COUNT_BEYOND] += 1
            continue
        counters[COUNT_JUDGED] += 1
        state = states[terminal]
        if state.vehicle != vehicle:
            # Put into another car: nothing that was known of it holds there.
            _forget(state)
            state.vehicle = vehicle
            state.since_ms = row.arrival_ms
            highest[0] = max(highest[0], terminal)
        state.reports += 1

        report_id = np.uint32(row.report_id & 0xFFFFFFFF)
        seen = False
        for k in range(IDS):
            if state.ids[k] == report_id:
                seen = True
        if seen:
            row.flags = flags | FLAG_REPEATED
            state.aside[REPEATED] += 1
            counters[REPEATED] += 1
            continue
        state.ids[state.id_next] = report_id
        state.id_next = (state.id_next + 1) % IDS

        if flags & FLAG_TIME_BAD:
            state.aside[TIME_BAD] += 1
            counters[TIME_BAD] += 1
            continue
        group = np.int64(GROUP_DEFAULT)
        if 0 < vehicle < groups.shape[0]:
            group = owner(np.int64(groups[vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]

        delay_ms = row.arrival_ms - row.time_ms
        if not flags & FLAG_BATCH and (abs(delay_ms) > HOUR_MS - DELAY_NEAR_MS or state.marks & MARK_DELAYED):
            _watch_clock(state, delay_ms, row.arrival_ms)
        if -delay_ms > rule[CLOCK_AHEAD_S] * 1000.0:
            row.flags = flags | FLAG_CLOCK
            state.aside[CLOCK] += 1
            state.aside_ms = row.arrival_ms
            counters[CLOCK] += 1
            continue
        if row.time_ms <= state.time_ms:
            state.aside[LATE] += 1
            counters[LATE] += 1
            continue
        state.time_ms = row.time_ms
        if flags & (FLAG_NO_FIX | FLAG_POSITION_BAD):
            reason = POSITION_BAD if flags & FLAG_POSITION_BAD else NO_FIX
            state.aside[reason] += 1
            counters[reason] += 1
            continue

        lat = np.int64(row.lat_1e7)
        lon = np.int64(row.lon_1e7)
        speed_kmh10 = np.int64(row.speed_kmh10)
        marks = np.int64(state.marks)
        parked = speed_kmh10 <= STANDING_KMH10 and not np.int64(row.status) & STATUS_IGNITION
        if state.fix_ms != 0:
            if lat == state.lat_1e7 and lon == state.lon_1e7:
                if speed_kmh10 >= rule[FROZEN_KMH] * 10.0:
                    if marks & MARK_RUN:
                        state.run_fixes += 1
                    elif state.speed_kmh10 >= rule[FROZEN_KMH] * 10.0:
                        state.run_ms = state.fix_ms
                        state.run_fixes = 2
                    else:
                        # It stood there at the fix before, and has just set off.
                        state.run_ms = row.time_ms
                        state.run_fixes = 1
                    marks |= MARK_RUN
                    if state.run_fixes >= rule[FROZEN_FIXES] and row.time_ms - state.run_ms >= rule[FROZEN_S] * 1000.0:
                        state.marks = marks
                        row.flags = flags | FLAG_FROZEN
                        state.aside[FROZEN] += 1
                        state.aside_ms = row.arrival_ms
                        counters[FROZEN] += 1
                        continue
                else:
                    marks &= ~MARK_RUN
                # Back at the very place: what seemed to be a jump was one, and the next is not in a row with it.
                marks &= ~MARK_CANDIDATE
            else:
                marks &= ~MARK_RUN
                took_s = (row.time_ms - state.fix_ms) / 1000.0
                suspicious, by_speed = _too_far(
                    rule,
                    np.int64(state.lat_1e7),
                    np.int64(state.lon_1e7),
                    lat,
                    lon,
                    took_s,
                    np.int64(state.speed_kmh10),
                    speed_kmh10,
                    parked and (marks & MARK_PARKED) != 0,
                    1.0,
                )
                if suspicious and state.before_s10 != 0 and not marks & MARK_CANDIDATE:
                    odd, _ = _too_far(
                        rule,
                        np.int64(state.before_lat_1e7),
                        np.int64(state.before_lon_1e7),
                        lat,
                        lon,
                        took_s + state.before_s10 / 10.0,
                        np.int64(state.before_kmh10),
                        speed_kmh10,
                        parked and (marks & MARK_PARKED) != 0,
                        0.0,
                    )
                    last_m = near_m(
                        np.int64(state.before_lat_1e7),
                        np.int64(state.before_lon_1e7),
                        np.int64(state.lat_1e7),
                        np.int64(state.lon_1e7),
                    )
                    said_m = (np.int64(state.before_kmh10) + np.int64(state.speed_kmh10)) / 72.0
                    said_m *= state.before_s10 / 10.0
                    if not odd and last_m > said_m + 0.5 * rule[STEP_M]:
                        suspicious = False
                        counters[COUNT_PASSED] += 1
                if marks & MARK_DISTRUST and not (suspicious and not by_speed):
                    if suspicious:
                        state.distrust = TRUST_FIXES
                    else:
                        state.distrust -= 1
                        if state.distrust == 0:
                            marks &= ~MARK_DISTRUST
                    suspicious = False
                if suspicious:
                    near = False
                    if marks & MARK_CANDIDATE:
                        apart_m = near_m(np.int64(state.candidate_lat_1e7), np.int64(state.candidate_lon_1e7), lat, lon)
                        between_s = (row.time_ms - state.candidate_ms) / 1000.0
                        near = apart_m <= rule[JUMP_M] or apart_m <= rule[JUMP_KMH] / 3.6 * between_s
                    state.candidates = state.candidates + 1 if near else 1
                    state.candidate_ms = row.time_ms
                    state.candidate_lat_1e7 = lat
                    state.candidate_lon_1e7 = lon
                    marks |= MARK_CANDIDATE
                    if state.candidates < rule[JUMP_FIXES]:
                        state.marks = marks
                        row.flags = flags | FLAG_JUMP
                        state.aside[JUMP] += 1
                        state.aside_ms = row.arrival_ms
                        counters[JUMP] += 1
                        continue
                    counters[COUNT_REFUTED] += 1
                    if by_speed:
                        state.distrust = TRUST_FIXES
                        marks |= MARK_DISTRUST
                elif marks & MARK_CANDIDATE:
                    # Nearer to what was set aside than to what was believed: it has moved all the while (it is pushed).
                    from_good_m = near_m(np.int64(state.lat_1e7), np.int64(state.lon_1e7), lat, lon)
                    from_candidate_m = near_m(
                        np.int64(state.candidate_lat_1e7), np.int64(state.candidate_lon_1e7), lat, lon
                    )
                    if from_good_m > rule[STEP_M] and from_candidate_m < from_good_m:
                        counters[COUNT_REFUTED] += 1
                        state.distrust = TRUST_FIXES
                        marks |= MARK_DISTRUST
                marks &= ~MARK_CANDIDATE
        gap_ms = row.time_ms - state.fix_ms
        state.before_s10 = gap_ms // 100 if state.fix_ms != 0 and gap_ms <= BEFORE_S * 1000.0 else 0
        state.before_lat_1e7 = state.lat_1e7
        state.before_lon_1e7 = state.lon_1e7
        state.before_kmh10 = state.speed_kmh10
        state.fix_ms = row.time_ms
        state.lat_1e7 = lat
        state.lon_1e7 = lon
        state.speed_kmh10 = speed_kmh10
        marks &= ~MARK_PARKED
        if parked:
            marks |= MARK_PARKED
        state.marks = marks


class Quality(NamedTuple):
    """What is known of the reports of one terminal in one car."""

    reports: int
    aside: dict[str, int]
    """Reason (REASONS): how many."""
    since_ms: int
    """Arrival of the first report counted, UTC epoch ms."""
    aside_ms: int
    """Arrival of the last one marked as jump, frozen or clock; 0: none was."""
    clock_hours: int
    """So many whole hours the terminal's clock is behind (ahead where negative)."""


def quality_of(state: Any, vehicle_id: int) -> Quality | None:
    """Return what one record of CLEANING says of a car; None where it is of another, or of none yet."""
    if int(state["vehicle"]) != vehicle_id or not vehicle_id:
        return None
    return Quality(
        int(state["reports"]),
        dict(zip(REASONS, state["aside"].tolist(), strict=True)),
        int(state["since_ms"]),
        int(state["aside_ms"]),
        int(state["clock_hours"]),
    )
