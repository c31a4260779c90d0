"""Follow which fences each vehicle is in, and write down a fact when that has changed for certain.

A slot of the vehicle's row (FENCES) is in one of these phases:

    ENTERING   the last fix was inside, too few to be sure; a fix outside drops it
    INSIDE     entered
    EXITING    beyond the margin, too few fixes to be sure; a fix inside or within the margin: INSIDE again
    PRESENT    inside, outside of the fence's hours: nothing is judged, but it is known who is there
    AWAY       a route was left, and the car has not come back
    REJOINING  the last fix was on the route again, too few to be sure

To enter takes `enter_fixes` fixes inside in a row, or `enter_ms` between the first and the last of them. To leave takes
fixes beyond the margin, and of those `exit_fixes` in a row or `exit_ms`. Beyond the margin *and* confirmed: were either
enough, a car parked on the line, whose fixes wander over it, would come and go all night. (With two fixes asked for,
the times never decide, since the second fix does: they are there for rules that ask for more.) A crossing is dated by
the first of its fixes.

Fixes are judged in order of their time: one that is not newer than the last judged is history, not live state. A report
without a usable fix freezes everything.

**A standing car stays where it stands.** A car stands when its ignition is off and it is slower than TOWED_KMH10, or
its ignition is on and it is slower than `stand_kmh10` (and, once standing, until two fixes in a row, or one of
SURELY_KMH10, say that it is faster than that by STARTS_KMH10). From its first standing fix on it is judged at that
place, the anchor, whatever its later fixes say, until these support that it was moved: `displaced_fixes` in a row, for
`displaced_ms`, farther off than `displaced_m_min` or six `position_sigma_m`, or an odometer that has counted
ODOMETER_SUPPORTS_M since. Until then fixes so far off count for nothing. A car that was moved without driving (towed,
or its ignition not wired) has its anchor follow it, in steps of that distance, until it has stayed for STILL_MS.

**The way between two fixes counts.** A fence through which it leads for `chord_m_min`, and which holds neither end,
was entered and exited, if the way is no longer than `gap_ms_max` and `gap_m_max` and the car still heads along it. The
straight line is not the road: the fact says `inferred`. One fix inside between two outside counts the same way, if the
straight way past it leads through as well, or if the fix lay `jump_m` deep inside, deeper than a fix is thrown; and
one fix so far outside between two inside.

**Hours.** Outside its hours a fence is not judged. A car inside when hours begin enters then, when they end it exits
then, both dated by the edge and with reason `hours`: by the next fix, or by the sweep, EDGE_GRACE_MS after the edge.
(Entering is swept for standing cars only: of one last seen driving it is not known where it is.)

**Stays.** A fence that watches them is told of a stay of `dwell_ms` once, by a fix, or for a standing car by the
sweep.

**Speed in a zone.** Above the limit, in fixes no farther apart than `gap_ms_max`, for `speed_ms_min`: began. At or
below the limit less `speed_slack_kmh10`, or when the zone is left: ended.

**Routes.** A car joins a route by entering it (fence.entered). Beyond the margin for `route_ms_min`, by `exit_fixes`,
and driving: route.left. Back on it by the same fixes as entering: route.rejoined. A car that drives off past an end of
the line has not left but finished: fence.exited, reason `end`. One that stays away for `route_away_ms` has given up:
reason `away`. The way between two fixes never joins a route.
"""

import math
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from core.kernels.facts import FACTS_TYPE, ROW_NONE
from core.kernels.geodesy import METRES_PER_UNIT, RADIANS_PER_UNIT, distance_m
from core.kernels.geofence import (
    FENCE_DWELL_MS,
    FENCE_FLAGS,
    FENCE_HOURS,
    FENCE_ID,
    FENCE_PAIRS,
    FENCE_SPEED_KMH10,
    FENCE_SPEED_MS,
    FENCE_UTC_OFFSET_MIN,
    FENCE_VEHICLES,
    FLAG_EXPECTED,
    FLAG_ROUTE,
    FLAG_TIMED,
    TURN_1E7,
    crossed_between,
    deep,
    ends_at,
    fence_word,
    fetch_ahead,
    ground_of,
    is_for,
    locate,
    near,
    number_of,
    place_of,
    window_at,
    word,
)
from core.kernels.groups import owner, ruled_as
from core.limits import (
    FACTS_PER_ROW_MAX,
    FENCE_BLOCKS_MAX,
    FENCE_PASSED_MAX,
    FENCES_PER_VEHICLE_MAX,
)
from core.vehicle_table import CACHE_LINE_BYTES, REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import FLAGS_NO_POSITION, ODOMETER_NONE

FENCE_SLOTS: Final = 8
FENCES: Final = np.dtype(
    [
        ("time_ms", "i8"),  # fix time of the last fix judged; 0: none
        ("lat_1e7", "i4"),  # where the car was judged last: its last fix, or where it stands
        ("lon_1e7", "i4"),
        ("overflow", "i4"),  # number of the block that goes on from here; 0: none
        ("used", "u2"),  # slots in use in this block and all behind it; kept in a vehicle's own block only
        ("motion", "u1"),  # MOTION_*
        ("displaced", "u1"),  # fixes in a row, at most 255, that lie far off where it stands
        ("fence", "i4", (FENCE_SLOTS,)),  # fence ids the vehicle is in, entering or leaving; 0: free
        ("phase", "u1", (FENCE_SLOTS,)),  # PHASE_*, and above it fixes that spoke for the change under way
    ],
    align=True,
)
"""Fences of one vehicle: one cache line. Row = vehicle id; rows from the table's capacity on are overflow blocks."""

STAY: Final = np.dtype(
    [
        ("first_ms", "i8", (FENCE_SLOTS,)),  # first fix of the change under way ...
        ("first_report", "u8", (FENCE_SLOTS,)),
        ("from_ms", "i8", (FENCE_SLOTS,)),  # ... the fix before it, and where that was; 0: none
        ("from_lat_1e7", "i4", (FENCE_SLOTS,)),
        ("from_lon_1e7", "i4", (FENCE_SLOTS,)),
        ("arrived_ms", "i8", (FENCE_SLOTS,)),  # since when the car is there, whatever the hours
        ("entered_ms", "i8", (FENCE_SLOTS,)),  # since when the stay counts ...
        ("entered_report", "u8", (FENCE_SLOTS,)),  # ... and the report that made it certain
        ("notes", "u1", (FENCE_SLOTS,)),  # NOTE_*
        # Of the speed in a zone, while above its limit.
        ("over_report", "u8", (FENCE_SLOTS,)),  # first report; over_ms 0: not above it
        ("over_ms", "i8", (FENCE_SLOTS,)),
        ("over_last_ms", "i8", (FENCE_SLOTS,)),
        ("over_sum", "i8", (FENCE_SLOTS,)),  # of the speeds, 0.1 km/h
        ("over_m", "f8", (FENCE_SLOTS,)),
        ("over_count", "i4", (FENCE_SLOTS,)),
        ("over_peak", "u2", (FENCE_SLOTS,)),
        ("padding", "u1", (8,)),
    ],
    align=True,
)
"""What belongs to each slot of FENCES, touched when something changes, or watched for."""

ANCHOR: Final = np.dtype(
    [
        ("displaced_ms", "i8"),  # first of the fixes that lie far off
        ("still_ms", "i8"),  # of a car that was moved: since when it has not been moved on
        ("odometer_m", "i8"),  # what it had counted where it stands; ODOMETER_NONE
        ("padding", "u1", (40,)),
    ],
    align=True,
)
"""Of a standing vehicle, touched when it comes to stand and when a fix lies far off."""

FENCES_BYTES: Final = FENCES.itemsize
assert FENCES.itemsize == CACHE_LINE_BYTES
assert STAY.itemsize % CACHE_LINE_BYTES == 0
assert ANCHOR.itemsize == CACHE_LINE_BYTES
FENCES_TYPE: Final = types.Array(from_dtype(FENCES), 1, "C")
STAY_TYPE: Final = types.Array(from_dtype(STAY), 1, "C")
ANCHOR_TYPE: Final = types.Array(from_dtype(ANCHOR), 1, "C")
_FENCES_ROW: Final = from_dtype(FENCES)
_STAY_ROW: Final = from_dtype(STAY)

PHASE_ENTERING: Final = 1
PHASE_INSIDE: Final = 2
PHASE_EXITING: Final = 3
PHASE_PRESENT: Final = 4
PHASE_AWAY: Final = 5
PHASE_REJOINING: Final = 6
PHASE_BITS: Final = 3
PHASE_MASK: Final = 7
FIXES_MAX: Final = 31

NOTE_DWELLED: Final = 1
"""The stay was long enough, and that was said."""
NOTE_FAR: Final = 2
"""The fix that began the departure lay farther outside than a fix is thrown."""
NOTE_END: Final = 4
"""It lay past an end of the route."""
NOTE_OVER: Final = 8
"""overspeed.began was said."""

MOTION_NONE: Final = 0
MOTION_DRIVING: Final = 1
MOTION_STANDING: Final = 2
MOTION_CARRIED: Final = 3
"""It was moved without driving: judged where it stands, but it takes one fix to move it on."""
MOTION_STARTING: Final = 4
"""It stood, and its last fix said a speed, not surely."""

TOWED_KMH10: Final = 100
"""A car with its ignition off that is faster than this is on its way, whoever drives it. Below it is the noise of a
receiver that stands."""
STARTS_KMH10: Final = 20
SURELY_KMH10: Final = 150
"""No fix that is thrown says such a speed."""
STRAIGHT_COSINE: Final = 0.8
"""The way was straight if the car heads along it within 37 degrees. Round a corner of two streets it is 45."""
ODOMETER_SUPPORTS_M: Final = 50
"""Terminals count tenths of a kilometre, some metres: any step of theirs is one that was driven."""
STILL_MS: Final = 60_000
EDGE_GRACE_MS: Final = 60_000
"""How long after an edge of time a sweep waits: a report of just before may be on its way."""
MISSED_GRACE_MS: Final = 120_000

KIND_ENTERED: Final = 1
KIND_EXITED: Final = 2
KIND_DWELLED: Final = 3
KIND_LEFT: Final = 4
KIND_REJOINED: Final = 5
KIND_SPEED_BEGAN: Final = 6
KIND_SPEED_ENDED: Final = 7
KIND_MISSED: Final = 8

# Figures of a crossing's fact.
VALUE_STAY_MS: Final = 0
VALUE_REASON: Final = 1
VALUE_INFERRED: Final = 2
VALUE_LAT: Final = 3
VALUE_LON: Final = 4
VALUE_SPEED: Final = 5
REASONS: Final = ("crossed", "hours", "end", "away")
REASON_CROSSED: Final = 0
REASON_HOURS: Final = 1
REASON_END: Final = 2
REASON_AWAY: Final = 3

# Fields of core.rules.FenceRule, in their order.
ENTER_FIXES: Final = 0
ENTER_MS: Final = 1
EXIT_FIXES: Final = 2
EXIT_MS: Final = 3
MARGIN_M_MIN: Final = 4
POSITION_SIGMA_M: Final = 5
STAND_KMH10: Final = 6
DISPLACED_M_MIN: Final = 7
DISPLACED_FIXES: Final = 8
DISPLACED_MS: Final = 9
GAP_MS_MAX: Final = 10
GAP_M_MAX: Final = 11
CHORD_M_MIN: Final = 12
JUMP_M: Final = 13
ROUTE_MS_MIN: Final = 14
ROUTE_AWAY_MS: Final = 15
SPEED_SLACK_KMH10: Final = 16

# Counters of judge_crossings, in the order of its int64 array.
COUNT_JUDGED: Final = 0
COUNT_NO_FIX: Final = 1
COUNT_LATE: Final = 2
COUNT_BEYOND: Final = 3
COUNT_UNTRACKED: Final = 4
COUNT_FENCE_GONE: Final = 5
COUNT_HELD: Final = 6
COUNT_MOVED: Final = 7
COUNT_UNJUDGED: Final = 8
HIGHEST_VEHICLE: Final = 9
COUNTERS: Final = (
    "judged",
    "no_fix",
    "late",
    "beyond_capacity",
    "fences_untracked",
    "fences_gone",
    "standing_held",
    "standing_moved",
    "expected_unjudged",
    "highest_vehicle",
)

BLOCKS_FREE: Final = 0
"""Word of the array of blocks: first row of the chain of overflow blocks given back; 0: none."""
BLOCKS_TAKEN: Final = 1
"""And: overflow blocks ever handed out."""

_BLOCKS_PER_VEHICLE: Final = FENCES_PER_VEHICLE_MAX // FENCE_SLOTS
_INT: Final = types.int64
_RULE: Final = types.float64[::1]


@njit(_INT(_INT, _INT, FENCES_TYPE, types.int64[::1]), cache=True, nogil=True)
def _free_slot(vehicle, capacity, fences, blocks):  # type: ignore[no-untyped-def]
    """Find a free slot in a vehicle's chain, longer if need be; return row * FENCE_SLOTS + slot, -1 for none."""
    block = vehicle
    for length in range(1, _BLOCKS_PER_VEHICLE + 1):
        for slot in range(FENCE_SLOTS):
            if fences[block].fence[slot] == 0:
                return block * FENCE_SLOTS + slot
        after = np.int64(fences[block].overflow)
        if after == 0:
            if length == _BLOCKS_PER_VEHICLE:
                return -1
            if blocks[BLOCKS_FREE] != 0:
                after = blocks[BLOCKS_FREE]
                blocks[BLOCKS_FREE] = fences[after].overflow
                fences[after].overflow = 0
            elif blocks[BLOCKS_TAKEN] < FENCE_BLOCKS_MAX:
                after = capacity + blocks[BLOCKS_TAKEN]
                blocks[BLOCKS_TAKEN] += 1
            else:
                return -1
            fences[block].overflow = after
        block = after
    return -1


@njit(types.void(_INT, FENCES_TYPE, types.int64[::1]), cache=True, nogil=True)
def _give_back(vehicle, fences, blocks):  # type: ignore[no-untyped-def]
    """Take the empty overflow blocks out of a vehicle's chain."""
    before = vehicle
    block = np.int64(fences[vehicle].overflow)
    while block != 0:
        after = np.int64(fences[block].overflow)
        empty = True
        for slot in range(FENCE_SLOTS):
            if fences[block].fence[slot] != 0:
                empty = False
        if empty:
            fences[before].overflow = after
            fences[block].overflow = blocks[BLOCKS_FREE]
            blocks[BLOCKS_FREE] = block
        else:
            before = block
        block = after


@njit(
    types.void(FACTS_TYPE, _INT, _INT, _INT, types.uint64, types.uint64, _INT, _INT, _INT, _INT),
    cache=True,
    nogil=True,
)
def _write(facts, at, i, vehicle, first_report, report, time_ms, kind, fence_id, reason):  # type: ignore[no-untyped-def]
    """Write fact `at`; its stay, place and speed are the caller's to fill in."""
    fact = facts[at]
    fact.report = report
    fact.first_report = first_report
    fact.time_ms = time_ms
    fact.values[:] = 0
    fact.values[VALUE_STAY_MS] = -1
    fact.values[VALUE_REASON] = reason
    fact.vehicle = vehicle
    fact.terminal = 0
    fact.row = i
    fact.kind = kind
    fact.number = fence_id
    fact.late = 0


@njit(types.void(FACTS_TYPE, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _place(facts, at, stay_ms, lat, lon, speed_kmh10):  # type: ignore[no-untyped-def]
    """Fill in stay (-1: none), place and speed of a crossing."""
    fact = facts[at]
    fact.values[VALUE_STAY_MS] = stay_ms
    fact.values[VALUE_LAT] = lat
    fact.values[VALUE_LON] = lon
    fact.values[VALUE_SPEED] = speed_kmh10


@njit(types.void(STAY_TYPE, _INT, _INT), cache=True, nogil=True)
def _clear_speed(stays, block, slot):  # type: ignore[no-untyped-def]
    """Forget what was above a zone's limit."""
    stay = stays[block]
    stay.over_ms[slot] = 0
    stay.over_count[slot] = 0
    stay.notes[slot] = np.int64(stay.notes[slot]) & ~NOTE_OVER


@njit(
    _INT(FACTS_TYPE, _INT, _INT, _INT, _INT, _INT, STAY_TYPE, _INT, _INT, types.uint64, _INT, _INT),
    cache=True,
    nogil=True,
)
def _tell_speed(facts, at, i, vehicle, number, table, stays, block, slot, report, kind, time_ms):  # type: ignore[no-untyped-def]
    """Write overspeed.began or .ended; return 1, the facts written."""
    stay = stays[block]
    fence_id = fence_word(table, number, FENCE_ID)
    _write(facts, at, i, vehicle, stay.over_report[slot], report, time_ms, kind, fence_id, 0)
    fact = facts[at]
    fact.values[0] = fence_word(table, number, FENCE_SPEED_KMH10)
    fact.values[1] = np.int64(stay.over_peak[slot])
    fact.values[2] = stay.over_sum[slot] // max(np.int64(stay.over_count[slot]), 1)
    fact.values[3] = np.int64(stay.over_m[slot])
    fact.values[4] = stay.over_ms[slot]
    fact.values[5] = stay.over_last_ms[slot]
    return 1


@njit(
    _INT(FACTS_TYPE, _INT, _INT, _INT, _INT, _INT, STAY_TYPE, _INT, _INT, types.uint64, _INT),
    cache=True,
    nogil=True,
)
def _end_speed(facts, at, i, vehicle, number, table, stays, block, slot, report, time_ms):  # type: ignore[no-untyped-def]
    """End what was above a zone's limit, because the stay is; return the facts written."""
    told = 0
    if np.int64(stays[block].notes[slot]) & NOTE_OVER:
        told = _tell_speed(facts, at, i, vehicle, number, table, stays, block, slot, report, KIND_SPEED_ENDED, time_ms)
    if stays[block].over_ms[slot] != 0:
        _clear_speed(stays, block, slot)
    return told


@njit(types.void(_INT, _INT, _INT, _INT, types.int64[::1]), cache=True, nogil=True)
def _note_seen(table, number, vehicle, time_ms, seen):  # type: ignore[no-untyped-def]
    """Remember until when a car was inside a fence that expects it."""
    if fence_word(table, number, FENCE_FLAGS) & FLAG_EXPECTED:
        place = place_of(table, number, vehicle)
        if place >= 0:
            pair = fence_word(table, number, FENCE_PAIRS) + place
            seen[pair] = max(seen[pair], time_ms)


@njit(types.float64(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def _square(lat_a, lon_a, lat_b, lon_b):  # type: ignore[no-untyped-def]
    """Return the square of the distance of two points in units of latitude, in one plane: good for some kilometres."""
    north = float(lat_a - lat_b)
    east = abs(float(lon_a - lon_b))
    # Across the antimeridian it is the other way round.
    east = min(east, TURN_1E7 - east) * math.cos((lat_a + lat_b) * (0.5 * RADIANS_PER_UNIT))
    return north * north + east * east


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _went_straight(lat_a, lon_a, lat_b, lon_b, course_deg):  # type: ignore[no-untyped-def]
    """Tell whether a car that has come from a to b heads on the way that it came."""
    north = float(lat_b - lat_a)
    east = float(lon_b - lon_a) * math.cos((lat_a + lat_b) * (0.5 * RADIANS_PER_UNIT))
    course = course_deg * (math.pi / 180)
    along = north * math.cos(course) + east * math.sin(course)
    return along >= STRAIGHT_COSINE * math.sqrt(north * north + east * east)


@njit(types.boolean(_INT, _INT, _INT, _INT, types.float64), cache=True, nogil=True)
def _within(lat_a, lon_a, lat_b, lon_b, metres):  # type: ignore[no-untyped-def]
    """Tell whether two points are no farther apart than that."""
    units = metres * (1.0 / METRES_PER_UNIT)
    # Most are so near that no cosine is needed.
    if abs(lat_a - lat_b) + abs(lon_a - lon_b) <= units:
        return True
    return _square(lat_a, lon_a, lat_b, lon_b) <= units * units


@njit(
    types.float64(
        _INT, _INT, _INT, _INT, _INT, _INT, _INT, types.float64, _INT, types.int64[::1], types.float64[::1], _INT, _INT
    ),
    cache=True,
    nogil=True,
)
def measure_chords(table, ground, lat_a, lon_a, lat_b, lon_b, count, step_m, room, passed, chords, out, start):  # type: ignore[no-untyped-def]
    """Find how far the straight way from a to b lies in each of some fences.

    Args:
        ground: of the group whose fences they are.
        count: how many of `passed`, fence numbers, from `start` on.
        step_m: the way is looked at in steps of at most this.
        chords: (3 * n,) float64, receives for each metres inside and the first and last part of the way there, 0 to 1.
        out: address of int32[room].

    Returns:
        The length of the way in metres.
    """
    length_m = distance_m(lat_a, lon_a, lat_b, lon_b)
    steps = np.int64(length_m / step_m) + 1
    for k in range(start, start + count):
        chords[3 * k] = 0.0
        chords[3 * k + 1] = 2.0
        chords[3 * k + 2] = -1.0
    for step in range(steps + 1):
        part = step / steps
        lat = lat_a + np.int64(round(part * (lat_b - lat_a)))
        lon = lon_a + np.int64(round(part * (lon_b - lon_a)))
        holding = min(locate(table, ground, lat, lon, out, room), room)
        for m in range(holding):
            number = word(out, m)
            for k in range(start, start + count):
                if passed[k] == number:
                    chords[3 * k] += length_m / steps
                    chords[3 * k + 1] = min(chords[3 * k + 1], part)
                    chords[3 * k + 2] = max(chords[3 * k + 2], part)
    return length_m


@njit(types.boolean(_INT, _INT, _INT), cache=True, nogil=True)
def _is_open(table, number, time_ms):  # type: ignore[no-untyped-def]
    """Tell whether fence `number` is judged by at a moment."""
    hours = fence_word(table, number, FENCE_HOURS)
    return hours == 0 or window_at(table, hours, fence_word(table, number, FENCE_UTC_OFFSET_MIN), time_ms)[0] == 1


@njit(
    _INT(
        FACTS_TYPE,
        _INT,
        _INT,
        _INT,
        _INT,
        _INT,
        _FENCES_ROW,
        _STAY_ROW,
        _INT,
        types.uint64,
        _INT,
        _INT,
        _INT,
        _INT,
    ),
    cache=True,
    nogil=True,
)
def _confirm(facts, at, i, vehicle, table, number, current, stay, slot, report, time_ms, lat, lon, speed):  # type: ignore[no-untyped-def]
    """Enter, or rejoin, what a slot was entering; return the facts written."""
    fence_id = fence_word(table, number, FENCE_ID)
    first_ms = stay.first_ms[slot]
    if np.int64(current.phase[slot]) & PHASE_MASK == PHASE_REJOINING:
        current.phase[slot] = PHASE_INSIDE
        _write(
            facts, at, i, vehicle, stay.first_report[slot], report, first_ms, KIND_REJOINED, fence_id, REASON_CROSSED
        )
        _place(facts, at, first_ms - stay.entered_ms[slot], lat, lon, speed)
        return 1
    stay.arrived_ms[slot] = first_ms
    stay.entered_ms[slot] = first_ms
    stay.entered_report[slot] = report
    stay.notes[slot] = 0
    reason = REASON_CROSSED
    hours = fence_word(table, number, FENCE_HOURS)
    if hours != 0:
        open_, edge_ms, _ = window_at(table, hours, fence_word(table, number, FENCE_UTC_OFFSET_MIN), time_ms)
        if not open_:
            current.phase[slot] = PHASE_PRESENT
            return 0
        if edge_ms > first_ms:
            stay.entered_ms[slot] = edge_ms
            reason = REASON_HOURS
    current.phase[slot] = PHASE_INSIDE
    _write(
        facts, at, i, vehicle, stay.first_report[slot], report, stay.entered_ms[slot], KIND_ENTERED, fence_id, reason
    )
    _place(facts, at, -1, lat, lon, speed)
    return 1


@njit(
    _INT(FACTS_TYPE, _INT, _INT, _INT, _INT, _STAY_ROW, _INT, _INT, _INT, _INT, _INT),
    cache=True,
    nogil=True,
)
def _tell_dwelled(facts, at, i, vehicle, fence_id, stay, slot, dwell_ms, lat, lon, speed):  # type: ignore[no-untyped-def]
    """Write fence.dwelled, of the report that entered: the same whether a fix or a sweep finds it; return 1."""
    report = stay.entered_report[slot]
    _write(
        facts, at, i, vehicle, report, report, stay.entered_ms[slot] + dwell_ms, KIND_DWELLED, fence_id, REASON_CROSSED
    )
    _place(facts, at, dwell_ms, lat, lon, speed)
    stay.notes[slot] = np.int64(stay.notes[slot]) | NOTE_DWELLED
    return 1


@njit(
    _INT(
        FACTS_TYPE,
        _INT,
        _INT,
        _INT,
        _INT,
        _INT,
        STAY_TYPE,
        _INT,
        _INT,
        types.uint64,
        _INT,
        _INT,
        _INT,
        types.float64,
        types.float64,
        types.float64,
    ),
    cache=True,
    nogil=True,
)
def _judge_speed(  # type: ignore[no-untyped-def]
    facts,
    at,
    i,
    vehicle,
    table,
    number,
    stays,
    block,
    slot,
    report,
    time_ms,
    before_ms,
    speed,
    gap_m,
    gap_ms_max,
    slack,
):
    """Judge the speed in a zone; return the facts written."""
    stay = stays[block]
    limit = fence_word(table, number, FENCE_SPEED_KMH10)
    over = np.int64(stay.notes[slot]) & NOTE_OVER
    if speed <= limit:
        if over and speed > limit - slack:
            return 0
        told = 0
        if over:
            told = _tell_speed(
                facts, at, i, vehicle, number, table, stays, block, slot, report, KIND_SPEED_ENDED, time_ms
            )
        if stay.over_ms[slot] != 0:
            _clear_speed(stays, block, slot)
        return told
    if stay.over_ms[slot] == 0 or (not over and time_ms - before_ms > gap_ms_max):
        # Two fixes far apart do not say how fast the car was between them.
        stay.over_ms[slot] = time_ms
        stay.over_report[slot] = report
        stay.over_sum[slot] = 0
        stay.over_count[slot] = 0
        stay.over_m[slot] = 0.0
        stay.over_peak[slot] = 0
    else:
        stay.over_m[slot] += gap_m
    stay.over_last_ms[slot] = time_ms
    stay.over_sum[slot] += speed
    stay.over_count[slot] += 1
    stay.over_peak[slot] = max(np.int64(stay.over_peak[slot]), speed)
    if over or time_ms - stay.over_ms[slot] < fence_word(table, number, FENCE_SPEED_MS):
        return 0
    stay.notes[slot] = np.int64(stay.notes[slot]) | NOTE_OVER
    return _tell_speed(
        facts, at, i, vehicle, number, table, stays, block, slot, report, KIND_SPEED_BEGAN, stay.over_ms[slot]
    )


@njit(
    types.UniTuple(_INT, 2)(
        REPORTS_TYPE,
        _INT,
        _INT,
        types.float64[:, ::1],
        types.int32[::1],
        types.int32[::1],
        types.int32[::1],
        FENCES_TYPE,
        STAY_TYPE,
        ANCHOR_TYPE,
        types.int64[::1],
        types.int64[::1],
        types.int32[::1],
        types.int64[::1],
        types.float64[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def judge_crossings(  # type: ignore[no-untyped-def]
    rows,
    start,
    table,
    rules,
    rule_of_group,
    groups,
    stores,
    fences,
    stays,
    anchors,
    blocks,
    seen,
    found,
    passed,
    chords,
    facts,
    counters,
):
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT.
        table: address of a FenceIndex.
        rules: (sets, fields) float64, FenceRule of each set in the order of its fields. A fix counts as outside beyond
            margin_m_min or two position_sigma_m, whichever is more.
        rule_of_group: int32, the set of each group; of those past its end, the first.
        groups, stores: (capacity,) int32, whose each vehicle is. A fence applies to its own group, to its own store
            unless that is 0, and of those to the vehicles it lists, if it lists any (`is_for`).
        fences, stays, anchors, blocks: state. Rows of the first two from the capacity on are overflow blocks.
        seen: int64, for each car that a fence expects, until when it was inside (FENCE_PAIRS).
        found: (3 * room,) int32, room for the fences that hold one point; those past it are not tracked.
        passed: (n,) int64, chords: (3 * n,) float64, room for n - 1 fences that the way between two fixes may lead
            through.
        facts: (m,) FACT, m >= FACTS_PER_ROW_MAX.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    capacity = groups.shape[0]
    room = found.shape[0] // 3
    out = found.ctypes.data
    written = 0
    first_row = fences.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + 2 * ROWS_AHEAD < rows.shape[0]:
            for stage in range(2):
                ahead = rows[i + (2 - stage) * ROWS_AHEAD]
                vehicle = np.int64(ahead.vehicle_id)
                if 0 < vehicle < capacity:
                    if stage == 0:
                        prefetch(first_row + FENCES_BYTES * vehicle)
                    fetch_ahead(
                        table,
                        ground_of(table, owner(np.int64(groups[vehicle]))),
                        np.int64(ahead.lat_1e7),
                        np.int64(ahead.lon_1e7),
                        stage,
                    )
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return i, written
        row = rows[i]
        vehicle = np.int64(row.vehicle_id)
        if vehicle <= 0 or vehicle >= capacity:
            counters[COUNT_BEYOND] += 1
            continue
        if np.int64(row.flags) & FLAGS_NO_POSITION:
            counters[COUNT_NO_FIX] += 1
            continue
        state = fences[vehicle]
        time_ms = row.time_ms
        before_ms = state.time_ms
        if time_ms <= before_ms:
            counters[COUNT_LATE] += 1
            continue
        state.time_ms = time_ms
        counters[COUNT_JUDGED] += 1
        if vehicle > counters[HIGHEST_VEHICLE]:
            counters[HIGHEST_VEHICLE] = vehicle
        group = owner(np.int64(groups[vehicle]))
        rule = np.int64(rule_of_group[ruled_as(group, rule_of_group.shape[0])])
        ground = ground_of(table, group)

        # Where it is judged: where it drives, or where it stands.
        lat = np.int64(row.lat_1e7)
        lon = np.int64(row.lon_1e7)
        before_lat = np.int64(state.lat_1e7)
        before_lon = np.int64(state.lon_1e7)
        motion = np.int64(state.motion)
        speed = np.int64(row.speed_kmh10)
        stands_below = rules[rule, STAND_KMH10]
        if not np.int64(row.status) & 1:
            stands_below = TOWED_KMH10
        elif motion == MOTION_STANDING:
            stands_below += STARTS_KMH10
        if speed >= stands_below and (motion != MOTION_STANDING or speed >= SURELY_KMH10):
            state.motion = MOTION_DRIVING
        elif speed >= stands_below:
            # A fix that is thrown often says a speed as well: a second one has to say so too.
            state.motion = MOTION_STARTING
            counters[COUNT_HELD] += 1
            continue
        elif motion == MOTION_NONE or motion == MOTION_DRIVING:
            state.motion = MOTION_STANDING
            state.displaced = 0
            anchors[vehicle].odometer_m = row.odometer_m
        elif _within(
            before_lat, before_lon, lat, lon, max(rules[rule, DISPLACED_M_MIN], 6 * rules[rule, POSITION_SIGMA_M])
        ):
            if state.displaced != 0:
                state.displaced = 0
            if motion == MOTION_STARTING:
                state.motion = MOTION_STANDING
            if motion == MOTION_CARRIED and time_ms - anchors[vehicle].still_ms >= STILL_MS:
                state.motion = MOTION_STANDING
            lat = before_lat
            lon = before_lon
        else:
            anchor = anchors[vehicle]
            displaced = min(np.int64(state.displaced) + 1, 255)
            if displaced == 1:
                anchor.displaced_ms = time_ms
            driven_m = row.odometer_m - anchor.odometer_m
            if (
                motion != MOTION_CARRIED
                and not (
                    displaced >= rules[rule, DISPLACED_FIXES]
                    and time_ms - anchor.displaced_ms >= rules[rule, DISPLACED_MS]
                )
                and not (
                    row.odometer_m != ODOMETER_NONE
                    and anchor.odometer_m != ODOMETER_NONE
                    and driven_m >= ODOMETER_SUPPORTS_M
                )
            ):
                state.displaced = displaced
                state.motion = MOTION_STANDING
                counters[COUNT_HELD] += 1
                continue
            state.displaced = 0
            state.motion = MOTION_CARRIED
            anchor.still_ms = time_ms
            anchor.odometer_m = row.odometer_m
            counters[COUNT_MOVED] += 1
        state.lat_1e7 = lat
        state.lon_1e7 = lon

        holding = locate(table, ground, lat, lon, out, room)
        # Which fences the way may have led through, if it was neither nothing nor too much to be known.
        count = 0
        drove = motion != MOTION_NONE and time_ms - before_ms <= rules[rule, GAP_MS_MAX]
        if drove:
            way = _square(before_lat, before_lon, lat, lon) * (METRES_PER_UNIT * METRES_PER_UNIT)
            least = rules[rule, CHORD_M_MIN]
            most = rules[rule, GAP_M_MAX]
            drove = least * least <= way <= most * most
        if drove:
            count = crossed_between(table, ground, before_lat, before_lon, lat, lon, passed, passed.shape[0] - 1)
        if holding == 0 and count == 0 and state.used == 0:
            continue
        if holding > room:
            counters[COUNT_UNTRACKED] += holding - room
            holding = room
        store = np.int64(stores[vehicle])
        report = row.report_id
        margin_m = max(rules[rule, MARGIN_M_MIN], 2 * rules[rule, POSITION_SIGMA_M])
        enter_fixes = rules[rule, ENTER_FIXES]
        enter_ms = rules[rule, ENTER_MS]
        driving = motion == MOTION_DRIVING or np.int64(state.motion) != MOTION_STANDING

        # Fences that are not for this vehicle go. Of the others ids stand first, and behind the room their numbers.
        kept = 0
        for k in range(holding):
            number = np.int64(found[k])
            if is_for(table, number, group, store, vehicle):
                found[kept] = fence_word(table, number, FENCE_ID)
                found[room + kept] = number
                kept += 1
        # What holds this end of the way was not passed through.
        for k in range(count - 1, -1, -1):
            number = passed[k]
            drop = fence_word(table, number, FENCE_FLAGS) & FLAG_ROUTE != 0
            for m in range(kept):
                drop = drop or found[room + m] == number
            if drop or not is_for(table, number, group, store, vehicle):
                count -= 1
                passed[k] = passed[count]

        # What is tracked already: each slot hears whether the fix is inside, in the margin or beyond.
        chained = state.overflow != 0
        tracked = np.int64(state.used)
        block = vehicle
        while tracked > 0:
            current = fences[block]
            stay = stays[block]
            for slot in range(FENCE_SLOTS):
                fence_id = np.int64(current.fence[slot])
                if fence_id == 0:
                    continue
                tracked -= 1
                number = np.int64(-1)
                for k in range(kept):
                    if found[k] == fence_id:
                        number = np.int64(found[room + k])
                        kept -= 1
                        found[k] = found[kept]
                        found[room + k] = found[room + kept]
                        break
                phase: Any = np.int64(current.phase[slot]) & PHASE_MASK
                inside = number >= 0
                if not inside:
                    if phase == PHASE_REJOINING:
                        phase = PHASE_AWAY
                        current.phase[slot] = phase
                    number = number_of(table, fence_id)
                    if number < 0 or not is_for(table, number, group, store, vehicle):
                        # Deleted, or no longer this vehicle's: it was not the vehicle that left.
                        _clear_speed(stays, block, slot)
                        current.fence[slot] = 0
                        state.used -= 1
                        counters[COUNT_FENCE_GONE] += 1
                        continue
                    # What is tracked was not passed through.
                    for k in range(count):
                        if passed[k] == number and phase != PHASE_ENTERING:
                            count -= 1
                            passed[k] = passed[count]
                            break
                flags = fence_word(table, number, FENCE_FLAGS)

                # Hours first: a stay ends and begins with them.
                if flags & FLAG_TIMED:
                    hours = fence_word(table, number, FENCE_HOURS)
                    if hours != 0:
                        open_, edge_ms, _ = window_at(
                            table, hours, fence_word(table, number, FENCE_UTC_OFFSET_MIN), time_ms
                        )
                        if not open_ and phase != PHASE_ENTERING and phase != PHASE_PRESENT:
                            edge_ms = max(edge_ms, stay.entered_ms[slot])
                            written += _end_speed(
                                facts, written, i, vehicle, number, table, stays, block, slot, report, edge_ms
                            )
                            _write(
                                facts,
                                written,
                                i,
                                vehicle,
                                stay.entered_report[slot],
                                stay.entered_report[slot],
                                edge_ms,
                                KIND_EXITED,
                                fence_id,
                                REASON_HOURS,
                            )
                            _place(facts, written, edge_ms - stay.entered_ms[slot], lat, lon, speed)
                            written += 1
                            if phase == PHASE_AWAY or phase == PHASE_REJOINING:
                                current.fence[slot] = 0
                                state.used -= 1
                                continue
                            phase = PHASE_PRESENT
                            current.phase[slot] = phase
                            stay.entered_ms[slot] = edge_ms
                        elif open_ and phase == PHASE_PRESENT and inside:
                            edge_ms = max(edge_ms, stay.entered_ms[slot])
                            _write(
                                facts,
                                written,
                                i,
                                vehicle,
                                stay.entered_report[slot],
                                stay.entered_report[slot],
                                edge_ms,
                                KIND_ENTERED,
                                fence_id,
                                REASON_HOURS,
                            )
                            _place(facts, written, -1, lat, lon, speed)
                            written += 1
                            phase = PHASE_INSIDE
                            current.phase[slot] = phase
                            stay.entered_ms[slot] = edge_ms
                            stay.notes[slot] = 0

                if inside:
                    if phase == PHASE_EXITING:
                        phase = PHASE_INSIDE
                        current.phase[slot] = phase
                        if (
                            np.int64(stay.notes[slot]) & NOTE_FAR
                            and not flags & FLAG_ROUTE
                            and driving
                            and time_ms - stay.first_ms[slot] <= rules[rule, GAP_MS_MAX]
                        ):
                            # Out and in again, with one fix too far outside to have been thrown there.
                            out_ms = (stay.from_ms[slot] + stay.first_ms[slot]) >> 1
                            in_ms = (stay.first_ms[slot] + time_ms) >> 1
                            written += _end_speed(
                                facts, written, i, vehicle, number, table, stays, block, slot, report, out_ms
                            )
                            _write(
                                facts,
                                written,
                                i,
                                vehicle,
                                stay.first_report[slot],
                                report,
                                out_ms,
                                KIND_EXITED,
                                fence_id,
                                REASON_CROSSED,
                            )
                            _place(facts, written, out_ms - stay.entered_ms[slot], before_lat, before_lon, speed)
                            facts[written].values[VALUE_INFERRED] = 1
                            written += 1
                            _write(
                                facts,
                                written,
                                i,
                                vehicle,
                                stay.first_report[slot],
                                report,
                                in_ms,
                                KIND_ENTERED,
                                fence_id,
                                REASON_CROSSED,
                            )
                            _place(facts, written, -1, lat, lon, speed)
                            facts[written].values[VALUE_INFERRED] = 1
                            written += 1
                            stay.entered_ms[slot] = in_ms
                            stay.arrived_ms[slot] = in_ms
                            stay.entered_report[slot] = report
                            stay.notes[slot] = 0
                    elif phase == PHASE_AWAY:
                        phase = PHASE_REJOINING
                        current.phase[slot] = phase | 1 << PHASE_BITS
                        stay.first_ms[slot] = time_ms
                        stay.first_report[slot] = report
                    elif phase == PHASE_ENTERING or phase == PHASE_REJOINING:
                        fixes: Any = min((np.int64(current.phase[slot]) >> PHASE_BITS) + 1, FIXES_MAX)
                        current.phase[slot] = phase | fixes << PHASE_BITS
                        if fixes >= enter_fixes or time_ms - stay.first_ms[slot] >= enter_ms:
                            told = _confirm(
                                facts,
                                written,
                                i,
                                vehicle,
                                table,
                                number,
                                current,
                                stay,
                                slot,
                                report,
                                time_ms,
                                lat,
                                lon,
                                speed,
                            )
                            phase = np.int64(current.phase[slot]) & PHASE_MASK
                            written += told
                elif phase == PHASE_ENTERING:
                    # One fix inside between two outside: did the way lead through?
                    if (
                        driving
                        and flags & FLAG_ROUTE == 0
                        and _is_open(table, number, stay.first_ms[slot])
                        and not near(table, number, lat, lon, margin_m)
                        and time_ms - before_ms <= rules[rule, GAP_MS_MAX]
                        and _within(before_lat, before_lon, lat, lon, rules[rule, GAP_M_MAX])
                    ):
                        crossed = deep(table, number, before_lat, before_lon, rules[rule, JUMP_M])
                        if not crossed and stay.from_ms[slot] != 0:
                            passed[passed.shape[0] - 1] = number
                            measure_chords(
                                table,
                                ground,
                                np.int64(stay.from_lat_1e7[slot]),
                                np.int64(stay.from_lon_1e7[slot]),
                                lat,
                                lon,
                                1,
                                rules[rule, CHORD_M_MIN] / 4,
                                room,
                                passed,
                                chords,
                                out + 8 * room,
                                passed.shape[0] - 1,
                            )
                            crossed = chords[3 * (passed.shape[0] - 1)] >= rules[rule, CHORD_M_MIN]
                        if crossed:
                            in_ms = stay.first_ms[slot]
                            if stay.from_ms[slot] != 0:
                                in_ms = (in_ms + stay.from_ms[slot]) >> 1
                            out_ms = (stay.first_ms[slot] + time_ms) >> 1
                            for kind in (KIND_ENTERED, KIND_EXITED):
                                _write(
                                    facts,
                                    written,
                                    i,
                                    vehicle,
                                    stay.first_report[slot],
                                    report,
                                    in_ms if kind == KIND_ENTERED else out_ms,
                                    kind,
                                    fence_id,
                                    REASON_CROSSED,
                                )
                                _place(
                                    facts,
                                    written,
                                    -1 if kind == KIND_ENTERED else out_ms - in_ms,
                                    before_lat,
                                    before_lon,
                                    speed,
                                )
                                facts[written].values[VALUE_INFERRED] = 1
                                written += 1
                            _note_seen(table, number, vehicle, out_ms, seen)
                    for k in range(count):
                        if passed[k] == number:
                            count -= 1
                            passed[k] = passed[count]
                            break
                    current.fence[slot] = 0
                    state.used -= 1
                    continue
                elif phase == PHASE_AWAY:
                    if time_ms - stay.first_ms[slot] >= rules[rule, ROUTE_AWAY_MS]:
                        _write(
                            facts,
                            written,
                            i,
                            vehicle,
                            stay.first_report[slot],
                            report,
                            time_ms,
                            KIND_EXITED,
                            fence_id,
                            REASON_AWAY,
                        )
                        _place(facts, written, time_ms - stay.entered_ms[slot], lat, lon, speed)
                        written += 1
                        current.fence[slot] = 0
                        state.used -= 1
                    continue
                elif near(table, number, lat, lon, margin_m):
                    if phase == PHASE_EXITING:
                        phase = PHASE_INSIDE
                        current.phase[slot] = phase
                elif phase == PHASE_PRESENT:
                    _note_seen(table, number, vehicle, before_ms, seen)
                    current.fence[slot] = 0
                    state.used -= 1
                    continue
                else:
                    if phase == PHASE_INSIDE:
                        phase = PHASE_EXITING
                        current.phase[slot] = phase | 1 << PHASE_BITS
                        stay.first_ms[slot] = time_ms
                        stay.first_report[slot] = report
                        stay.from_ms[slot] = before_ms
                        notes = np.int64(stay.notes[slot]) & ~(NOTE_FAR | NOTE_END)
                        if driving and not near(table, number, lat, lon, max(margin_m, rules[rule, JUMP_M])):
                            notes |= NOTE_FAR
                        if flags & FLAG_ROUTE and ends_at(table, number, lat, lon):
                            notes |= NOTE_END
                        stay.notes[slot] = notes
                    else:
                        fixes = min((np.int64(current.phase[slot]) >> PHASE_BITS) + 1, FIXES_MAX)
                        current.phase[slot] = phase | fixes << PHASE_BITS
                    fixes = np.int64(current.phase[slot]) >> PHASE_BITS
                    beyond_ms = time_ms - stay.first_ms[slot]
                    sure = fixes >= rules[rule, EXIT_FIXES] or beyond_ms >= rules[rule, EXIT_MS]
                    ended = np.int64(stay.notes[slot]) & NOTE_END
                    if flags & FLAG_ROUTE and not ended:
                        sure = sure and driving and beyond_ms >= rules[rule, ROUTE_MS_MIN]
                    if sure:
                        written += _end_speed(
                            facts, written, i, vehicle, number, table, stays, block, slot, report, stay.first_ms[slot]
                        )
                        kind = KIND_EXITED
                        reason = REASON_CROSSED
                        if ended:
                            reason = REASON_END
                        elif flags & FLAG_ROUTE:
                            kind = KIND_LEFT
                        _write(
                            facts,
                            written,
                            i,
                            vehicle,
                            stay.first_report[slot],
                            report,
                            stay.first_ms[slot],
                            kind,
                            fence_id,
                            reason,
                        )
                        _place(facts, written, stay.first_ms[slot] - stay.entered_ms[slot], lat, lon, speed)
                        written += 1
                        if kind == KIND_LEFT:
                            current.phase[slot] = PHASE_AWAY
                        else:
                            _note_seen(table, number, vehicle, stay.from_ms[slot], seen)
                            current.fence[slot] = 0
                            state.used -= 1
                        continue

                if flags & FLAG_TIMED and (phase == PHASE_INSIDE or phase == PHASE_EXITING):
                    dwell_ms = fence_word(table, number, FENCE_DWELL_MS)
                    if (
                        dwell_ms != 0
                        and time_ms - stay.entered_ms[slot] >= dwell_ms
                        and not np.int64(stay.notes[slot]) & NOTE_DWELLED
                        and phase == PHASE_INSIDE
                    ):
                        written += _tell_dwelled(
                            facts, written, i, vehicle, fence_id, stay, slot, dwell_ms, lat, lon, speed
                        )
                    limit = fence_word(table, number, FENCE_SPEED_KMH10)
                    if limit != 0:
                        written += _judge_speed(
                            facts,
                            written,
                            i,
                            vehicle,
                            table,
                            number,
                            stays,
                            block,
                            slot,
                            report,
                            time_ms,
                            before_ms,
                            speed,
                            distance_m(before_lat, before_lon, lat, lon),
                            rules[rule, GAP_MS_MAX],
                            rules[rule, SPEED_SLACK_KMH10],
                        )
            block = np.int64(current.overflow)

        # What is left in `found` was not tracked.
        for k in range(kept):
            place = _free_slot(vehicle, capacity, fences, blocks)
            if place < 0:
                counters[COUNT_UNTRACKED] += 1
                continue
            block = place // FENCE_SLOTS
            slot = place % FENCE_SLOTS
            chained = chained or block != vehicle
            current = fences[block]
            stay = stays[block]
            current.fence[slot] = found[k]
            current.phase[slot] = PHASE_ENTERING | 1 << PHASE_BITS
            stay.first_ms[slot] = time_ms
            stay.first_report[slot] = report
            stay.notes[slot] = 0
            stay.over_ms[slot] = 0
            stay.from_ms[slot] = before_ms if drove else 0
            stay.from_lat_1e7[slot] = before_lat
            stay.from_lon_1e7[slot] = before_lon
            state.used += 1
            if enter_fixes <= 1 or enter_ms <= 0:
                written += _confirm(
                    facts,
                    written,
                    i,
                    vehicle,
                    table,
                    np.int64(found[room + k]),
                    current,
                    stay,
                    slot,
                    report,
                    time_ms,
                    lat,
                    lon,
                    speed,
                )

        # What is left in `passed` holds neither end, and nothing is known of it.
        if count > FENCE_PASSED_MAX:
            counters[COUNT_UNTRACKED] += count - FENCE_PASSED_MAX
            count = FENCE_PASSED_MAX
        if count > 0 and driving and _went_straight(before_lat, before_lon, lat, lon, np.int64(row.course_deg)):
            measure_chords(
                table,
                ground,
                before_lat,
                before_lon,
                lat,
                lon,
                count,
                rules[rule, CHORD_M_MIN] / 4,
                room,
                passed,
                chords,
                out + 8 * room,
                0,
            )
            for k in range(count):
                if chords[3 * k] < rules[rule, CHORD_M_MIN]:
                    continue
                in_ms = before_ms + np.int64(chords[3 * k + 1] * (time_ms - before_ms))
                out_ms = before_ms + np.int64(chords[3 * k + 2] * (time_ms - before_ms))
                if not _is_open(table, passed[k], in_ms):
                    continue
                for kind in (KIND_ENTERED, KIND_EXITED):
                    part = chords[3 * k + 1] if kind == KIND_ENTERED else chords[3 * k + 2]
                    _write(
                        facts,
                        written,
                        i,
                        vehicle,
                        report,
                        report,
                        in_ms if kind == KIND_ENTERED else out_ms,
                        kind,
                        fence_word(table, passed[k], FENCE_ID),
                        REASON_CROSSED,
                    )
                    _place(
                        facts,
                        written,
                        -1 if kind == KIND_ENTERED else out_ms - in_ms,
                        before_lat + np.int64(part * (lat - before_lat)),
                        before_lon + np.int64(part * (lon - before_lon)),
                        speed,
                    )
                    facts[written].values[VALUE_INFERRED] = 1
                    written += 1
                _note_seen(table, passed[k], vehicle, out_ms, seen)
        if chained:
            _give_back(vehicle, fences, blocks)
    return rows.shape[0], written


@njit(
    types.UniTuple(_INT, 2)(
        _INT,
        _INT,
        _INT,
        types.int32[::1],
        types.int32[::1],
        FENCES_TYPE,
        STAY_TYPE,
        types.int64[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def sweep_stays(start, now_ms, table, groups, stores, fences, stays, blocks, facts, counters):  # type: ignore[no-untyped-def]
    """Find what hours and long stays bring to cars that say nothing, from row `start` on, until the facts are full.

    Args: as of judge_crossings; now_ms: all that arrived before is judged.

    Returns:
        The first row not looked at, -1 for none, and the number of facts written.
    """
    written = 0
    now_ms -= EDGE_GRACE_MS
    for vehicle in range(max(start, 1), counters[HIGHEST_VEHICLE] + 1):
        state = fences[vehicle]
        tracked = np.int64(state.used)
        if tracked == 0:
            continue
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return vehicle, written
        group = owner(np.int64(groups[vehicle]))
        chained = state.overflow != 0
        lat = np.int64(state.lat_1e7)
        lon = np.int64(state.lon_1e7)
        standing = np.int64(state.motion) == MOTION_STANDING
        block = vehicle
        while tracked > 0:
            current = fences[block]
            stay = stays[block]
            for slot in range(FENCE_SLOTS):
                fence_id = np.int64(current.fence[slot])
                if fence_id == 0:
                    continue
                tracked -= 1
                phase = np.int64(current.phase[slot]) & PHASE_MASK
                if phase == PHASE_ENTERING:
                    continue
                number = number_of(table, fence_id)
                if number < 0 or not fence_word(table, number, FENCE_FLAGS) & FLAG_TIMED:
                    continue
                if not is_for(table, number, group, np.int64(stores[vehicle]), vehicle):
                    continue
                report = stay.entered_report[slot]
                # Dwelling first: it may have been long enough before hours ended.
                dwell_ms = fence_word(table, number, FENCE_DWELL_MS)
                hours = fence_word(table, number, FENCE_HOURS)
                open_ = 1
                edge_ms: Any = np.int64(0)
                if hours != 0:
                    open_, edge_ms, _ = window_at(table, hours, fence_word(table, number, FENCE_UTC_OFFSET_MIN), now_ms)
                if (
                    dwell_ms != 0
                    and standing
                    and phase == PHASE_INSIDE
                    and not np.int64(stay.notes[slot]) & NOTE_DWELLED
                    and (now_ms if open_ else edge_ms) - stay.entered_ms[slot] >= dwell_ms
                ):
                    written += _tell_dwelled(
                        facts, written, ROW_NONE, vehicle, fence_id, stay, slot, dwell_ms, lat, lon, 0
                    )
                if not open_ and phase != PHASE_PRESENT:
                    edge_ms = max(edge_ms, stay.entered_ms[slot])
                    written += _end_speed(
                        facts, written, ROW_NONE, vehicle, number, table, stays, block, slot, report, edge_ms
                    )
                    _write(
                        facts, written, ROW_NONE, vehicle, report, report, edge_ms, KIND_EXITED, fence_id, REASON_HOURS
                    )
                    _place(facts, written, edge_ms - stay.entered_ms[slot], lat, lon, 0)
                    written += 1
                    stay.entered_ms[slot] = edge_ms
                    current.phase[slot] = PHASE_PRESENT
                    if phase == PHASE_AWAY or phase == PHASE_REJOINING:
                        current.fence[slot] = 0
                        state.used -= 1
                elif open_ and phase == PHASE_PRESENT and standing:
                    edge_ms = max(edge_ms, stay.entered_ms[slot])
                    _write(
                        facts, written, ROW_NONE, vehicle, report, report, edge_ms, KIND_ENTERED, fence_id, REASON_HOURS
                    )
                    _place(facts, written, -1, lat, lon, 0)
                    written += 1
                    stay.entered_ms[slot] = edge_ms
                    stay.notes[slot] = 0
                    current.phase[slot] = PHASE_INSIDE
            block = np.int64(current.overflow)  # type: ignore[assignment]
        if chained:
            _give_back(vehicle, fences, blocks)
    return -1, written


@njit(
    types.UniTuple(_INT, 2)(
        _INT,
        _INT,
        _INT,
        _INT,
        _INT,
        types.int32[::1],
        types.int32[::1],
        FENCES_TYPE,
        STAY_TYPE,
        types.int64[::1],
        FACTS_TYPE,
        _INT,
    ),
    cache=True,
    nogil=True,
)
def sweep_expected(start, table, number, from_ms, to_ms, groups, stores, fences, stays, seen, facts, written):  # type: ignore[no-untyped-def]
    """Find which of the cars that a fence expects were not inside in a window, from the `start`-th of them on.

    Args:
        number: which fence; from_ms, to_ms: the window.
        seen: for each car of FENCE_PAIRS until when it was inside.
        written: facts that are there already.

    Returns:
        The first car not looked at, -1 for none, and the number of facts.
    """
    listed = fence_word(table, number, FENCE_VEHICLES)
    fence_id = fence_word(table, number, FENCE_ID)
    pair = fence_word(table, number, FENCE_PAIRS)
    for k in range(start, word(table, listed)):
        vehicle = word(table, listed + 1 + k)
        if vehicle >= groups.shape[0]:
            continue
        group = owner(np.int64(groups[vehicle]))
        if not is_for(table, number, group, np.int64(stores[vehicle]), vehicle):
            continue
        if written >= facts.shape[0]:
            return k, written
        last_ms = seen[pair + k]
        block = np.int64(vehicle)
        tracked = np.int64(fences[vehicle].used)
        inside = False
        while tracked > 0:
            current = fences[block]
            for slot in range(FENCE_SLOTS):
                if current.fence[slot] == 0:
                    continue
                tracked -= 1
                phase = np.int64(current.phase[slot]) & PHASE_MASK
                if current.fence[slot] == fence_id and phase != PHASE_ENTERING:
                    if stays[block].arrived_ms[slot] < to_ms:
                        inside = True
                    last_ms = max(last_ms, stays[block].arrived_ms[slot])
            block = np.int64(current.overflow)
        if inside or last_ms >= from_ms:
            continue
        _write(
            facts, written, ROW_NONE, vehicle, np.uint64(0), np.uint64(0), to_ms, KIND_MISSED, fence_id, REASON_CROSSED
        )
        facts[written].values[0] = from_ms
        facts[written].values[1] = last_ms
        written += 1
    return -1, written
