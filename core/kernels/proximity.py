"""Find moving cars of one dealer group whose courses nearly meet, by their closest point of approach.

Each report of a moving car is compared with the moving cars near it, each carried forward along its course to the time
of the report. If both drive on as they are, they are nearest after

    t = -(r . w) / (w . w)    at a distance of    |r + w t|        r: from one to the other, w: relative velocity

(closest point of approach, as ships compute it). What matters is scored from 0 to 100:

    soon    1 at once, 0 at `horizon_s`
    near    exp(-(distance / `distance_m`)^2 / 2)
    fast    relative speed, 1 from FAST_KMH on
    facing  FACING where the two drive against one another: the lanes of one road cannot be told apart

and the score is 100 times their product. With fixes that are 5 m off it says that two cars came into a situation in
which something can happen, not that anything did.

Cars lie in a hash of cells of some 160 m: a report looks into nine of them. In each at most NEIGHBOURS_MAX are looked
at; more are counted. A pair that was told is not told again for `cooldown_s`.
"""

import math
from typing import Final

import numpy as np
from numba import from_dtype, njit, types

from core.kernels.facts import FACTS_TYPE, pair
from core.kernels.geodesy import METRES_PER_UNIT, RADIANS_PER_UNIT
from core.kernels.groups import owner, ruled_as
from core.vehicle_table import CACHE_LINE_BYTES, REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import FLAGS_NO_POSITION

PARTNERS: Final = 4

PROXIMITY: Final = np.dtype(
    [
        ("time_ms", "i8"),  # newest report judged; 0: none
        ("report", "u8"),  # its id
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        ("east_mps", "f4"),
        ("north_mps", "f4"),
        ("bucket", "i4"),  # of the hash, while it is in one (linked)
        ("after", "i4"),  # next car of the bucket; 0: none
        ("before", "i4"),  # car before it; 0: it is the first
        ("group", "i4"),
        ("linked", "u1"),
        ("partner_next", "u1"),
        ("padding", "u1", (14,)),
        # Pairs told of: touched when another is.
        ("partner_ms", "i8", (PARTNERS,)),
        ("partner", "i4", (PARTNERS,)),
        ("reserved", "u1", (16,)),
    ],
    align=True,
)
"""A car among others: two cache lines, of which neighbours touch the first."""

PROXIMITY_TYPE: Final = types.Array(from_dtype(PROXIMITY), 1, "C")
PROXIMITY_BYTES: Final = PROXIMITY.itemsize
assert PROXIMITY_BYTES == 2 * CACHE_LINE_BYTES

BUCKETS: Final = 1 << 17
"""Heads of chains: half a megabyte stays in the cache. 100,000 moving cars in one city share them."""
CELL_BITS: Final = 14
"""A cell is 2^14 units wide: 182 m to the north, 156 m to the east at 31 degrees, 110 m at 53."""
NEIGHBOURS_MAX: Final = 32
"""Cars looked at in one bucket. A jam of four lanes has 80 cars in a cell, standing or nearly: those are not in the
hash; of 32 that drive, each has two lengths."""
FACTS_PER_REPORT: Final = 4
"""Most that one report is told of; the next report is not far away."""

FORGET_S: Final = 600.0
FAST_KMH: Final = 80.0
FACING: Final = 0.5
FACING_COSINE: Final = -0.9
"""Courses within 26 degrees of opposite."""

KIND_RISKED: Final = 1

COUNT_JUDGED: Final = 0
COUNT_BEYOND: Final = 1
COUNT_PAIRS: Final = 2
COUNT_CUT: Final = 3
COUNT_RISKED: Final = 4
COUNT_COOLING: Final = 5
COUNTERS: Final = ("judged", "beyond_capacity", "pairs", "neighbours_cut", "risked", "cooling_down")

# Columns of `numbers`: the fields of ProximityRule, in its order.
SCORE_MIN: Final = 0
SPEED_KMH_MIN: Final = 1
CLOSING_KMH_MIN: Final = 2
HORIZON_S: Final = 3
DISTANCE_M: Final = 4
AGE_S_MAX: Final = 5
COOLDOWN_S: Final = 6

_STATE: Final = from_dtype(PROXIMITY)


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True, inline="always")
def _bucket(row, column):  # type: ignore[no-untyped-def]
    """Return the chain of a cell (multiplicative hashing, Knuth, The Art of Computer Programming 3, section 6.4)."""
    mixed = (row * 73_856_093) ^ (column * 19_349_663)
    return (mixed ^ (mixed >> 17)) & (BUCKETS - 1)


@njit(types.void(types.int64, PROXIMITY_TYPE, types.int32[::1]), cache=True, nogil=True)
def _unlink(vehicle, states, heads):  # type: ignore[no-untyped-def]
    """Take a car out of its chain."""
    state = states[vehicle]
    if state.before != 0:
        states[state.before].after = state.after
    else:
        heads[state.bucket] = state.after
    if state.after != 0:
        states[state.after].before = state.before
    state.linked = 0
    state.after = 0
    state.before = 0


@njit(types.void(types.int64, types.int64, PROXIMITY_TYPE, types.int32[::1]), cache=True, nogil=True)
def _link(vehicle, bucket, states, heads):  # type: ignore[no-untyped-def]
    """Put a car at the head of a chain."""
    state = states[vehicle]
    state.bucket = bucket
    state.before = 0
    state.after = heads[bucket]
    if state.after != 0:
        states[state.after].before = vehicle
    heads[bucket] = vehicle
    state.linked = 1


@njit(types.void(PROXIMITY_TYPE, types.int64, types.int32[::1]), cache=True, nogil=True)
def link_all(states, highest, heads):  # type: ignore[no-untyped-def]
    """Fill the heads of the chains from states that were loaded: the chains lie in them."""
    heads[:] = 0
    for vehicle in range(1, highest + 1):
        if states[vehicle].linked and states[vehicle].before == 0:
            heads[states[vehicle].bucket] = vehicle


@njit(types.boolean(_STATE, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _told(state, other, time_ms, cooldown_ms):  # type: ignore[no-untyped-def]
    """Tell whether this pair was told of less than the cooldown ago."""
    told = False
    for k in range(PARTNERS):
        if state.partner[k] == other and abs(time_ms - state.partner_ms[k]) < cooldown_ms:
            told = True
    return told


@njit(types.void(_STATE, types.int64, types.int64), cache=True, nogil=True)
def _remember(state, other, time_ms):  # type: ignore[no-untyped-def]
    """Note that this pair is told of; the oldest of the car's partners is forgotten."""
    for k in range(PARTNERS):
        if state.partner[k] == other:
            state.partner_ms[k] = time_ms
            return
    state.partner[state.partner_next] = other
    state.partner_ms[state.partner_next] = time_ms
    state.partner_next = (state.partner_next + 1) % PARTNERS


@njit(
    types.UniTuple(types.int64, 2)(
        REPORTS_TYPE,
        types.int64,
        PROXIMITY_TYPE,
        types.int32[::1],
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
def judge_proximity(rows, start, states, heads, highest, numbers, of_group, groups, facts, counters):  # type: ignore[no-untyped-def]
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT, cleaned.
        states: (vehicles,) PROXIMITY. heads: (BUCKETS,) int32, first car of each chain. highest: (1,) int64.
        numbers: (sets, fields) float64, of_group: (groups,) int32: RuleSet.
        groups: (vehicles,) int32, dealer group of each car.
        facts: (m,) FACT, m >= FACTS_PER_REPORT; number is the other car.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    written = 0
    base = states.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            prefetch(base + PROXIMITY_BYTES * np.int64(rows[i + ROWS_AHEAD].vehicle_id))
        if written + FACTS_PER_REPORT > facts.shape[0]:
            return i, written
        row = rows[i]
        vehicle = np.int64(row.vehicle_id)
        if vehicle <= 0 or vehicle >= states.shape[0]:
            counters[COUNT_BEYOND] += 1
            continue
        state = states[vehicle]
        if np.int64(row.flags) & FLAGS_NO_POSITION or row.time_ms <= state.time_ms:
            continue
        counters[COUNT_JUDGED] += 1
        highest[0] = max(highest[0], vehicle)
        group = owner(np.int64(groups[vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]
        state.time_ms = row.time_ms
        state.report = row.report_id
        if row.speed_kmh10 < rule[SPEED_KMH_MIN] * 10.0:
            if state.linked:
                _unlink(vehicle, states, heads)
            continue
        lat, lon = np.int64(row.lat_1e7), np.int64(row.lon_1e7)
        mps = row.speed_kmh10 / 36.0
        course = math.radians(np.float64(row.course_deg))
        east_mps, north_mps = mps * math.sin(course), mps * math.cos(course)
        state.lat_1e7 = lat
        state.lon_1e7 = lon
        state.east_mps = east_mps
        state.north_mps = north_mps
        state.group = group
        cell_row, cell_column = lat >> CELL_BITS, lon >> CELL_BITS
        bucket = _bucket(cell_row, cell_column)
        if not state.linked:
            _link(vehicle, bucket, states, heads)
        elif state.bucket != bucket:
            _unlink(vehicle, states, heads)
            _link(vehicle, bucket, states, heads)

        metres_east = METRES_PER_UNIT * math.cos(lat * RADIANS_PER_UNIT)
        room = FACTS_PER_REPORT
        for step_row in range(-1, 2):
            for step_column in range(-1, 2):
                other = np.int64(heads[_bucket(cell_row + step_row, cell_column + step_column)])
                looked = 0
                while other != 0:
                    if looked == NEIGHBOURS_MAX:
                        counters[COUNT_CUT] += 1
                        break
                    looked += 1
                    car = states[other]
                    number = other
                    other = np.int64(car.after)
                    if number == vehicle:
                        continue
                    age_s = (row.time_ms - car.time_ms) / 1000.0
                    if age_s > FORGET_S:
                        # It fell silent while it drove: nothing else takes it out.
                        _unlink(number, states, heads)
                        continue
                    if car.group != group or abs(age_s) > rule[AGE_S_MAX]:
                        continue
                    counters[COUNT_PAIRS] += 1
                    west_mps, south_mps = np.float64(car.east_mps), np.float64(car.north_mps)
                    away_east = (np.int64(car.lon_1e7) - lon) * metres_east + west_mps * age_s
                    away_north = (np.int64(car.lat_1e7) - lat) * METRES_PER_UNIT + south_mps * age_s
                    relative_east, relative_north = west_mps - east_mps, south_mps - north_mps
                    square = relative_east * relative_east + relative_north * relative_north
                    closing_kmh = 3.6 * math.sqrt(square)
                    if closing_kmh < rule[CLOSING_KMH_MIN] or square == 0.0:
                        continue
                    after_s = -(away_east * relative_east + away_north * relative_north) / square
                    if after_s < 0.0 or after_s > rule[HORIZON_S]:
                        continue
                    miss_east = away_east + relative_east * after_s
                    miss_north = away_north + relative_north * after_s
                    miss_m = math.sqrt(miss_east * miss_east + miss_north * miss_north)
                    near = miss_m / rule[DISTANCE_M]
                    score = (1.0 - after_s / rule[HORIZON_S]) * min(1.0, closing_kmh / FAST_KMH)
                    score *= 100.0 * math.exp(-0.5 * near * near)
                    theirs_mps = math.sqrt(west_mps * west_mps + south_mps * south_mps)
                    if east_mps * west_mps + north_mps * south_mps < FACING_COSINE * mps * theirs_mps:
                        score *= FACING
                    if score < rule[SCORE_MIN]:
                        continue
                    cooldown_ms = np.int64(rule[COOLDOWN_S] * 1000.0)
                    if _told(state, number, row.time_ms, cooldown_ms):
                        counters[COUNT_COOLING] += 1
                        continue
                    if room == 0:
                        counters[COUNT_CUT] += 1
                        continue
                    room -= 1
                    _remember(state, number, row.time_ms)
                    _remember(car, vehicle, row.time_ms)
                    counters[COUNT_RISKED] += 1
                    fact = facts[written]
                    fact.report = row.report_id
                    fact.first_report = car.report
                    fact.time_ms = row.time_ms
                    fact.values[0] = pair(lat, lon)
                    fact.values[1] = pair(np.int64(car.lat_1e7), np.int64(car.lon_1e7))
                    fact.values[2] = np.int64(score)
                    fact.values[3] = pair(np.int64(round(after_s * 10.0)), np.int64(round(miss_m * 10.0)))
                    fact.values[4] = np.int64(round(closing_kmh * 10.0))
                    fact.values[5] = np.int64(row.speed_kmh10)
                    fact.vehicle = vehicle
                    fact.terminal = row.terminal
                    fact.row = i
                    fact.kind = KIND_RISKED
                    fact.number = number
                    fact.late = 0
                    written += 1
    return rows.shape[0], written
