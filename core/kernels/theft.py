"""Suspect a theft: a car that is moved, cut off, jammed or falls silent as only a thief makes it; car by car.

Each kind of evidence has a weight, how sure it makes us by itself, and one more for cars that are armed. What holds at
the same time is combined as if independent (noisy-or: 1 less the product of what each leaves in doubt). At
`suspected_min` an episode begins; at `certain_min` it is told a second time. A car has one episode at a time, which
ends when nothing of it holds any more, or when a person has settled it.

    moving      parked with the ignition off, then away from its place: two fixes with speed, or three far off without
    displaced, illegal ignition, stolen      bits 28, 27, 26 of the alarm word: the terminal's own judgement
    power cut   bit 8, in several reports
    jammed      while driving satellites and mobile network collapsed together, then silence
    silenced    silent for many times its usual interval while driving fast, or while armed
    left place, ignition, door               only of an armed car

**Parked**: the anchor is the mean of the fixes since the ignition went off and the car stood. Only a car whose ignition
bit was seen on while it drove is judged by it: where the wire is not connected, every drive would be a tow. **Silence**
is counted in the time of arrival and from when we listen; if several cars fell silent while driving within a few
kilometres, it is the network's, and waited out. **Time**: reports that are not newer than the last one judged are
history; only an alarm bit in them that nothing newer has settled still counts, marked late.

**Ends**: *ignition*, somebody started an unarmed car that was moved without: towed home, or its owner pushed it;
*returned*, it stands where it was parked; *heard*, it reports again; *power*, *withdrawn*, the terminal took its bits
back for `calm_s`. What only an armed car can do ends by a person.
"""

import math
from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from core.arming import DAY_MINUTES, GUARDS_TYPE
from core.kernels.facts import FACTS_TYPE, ROW_NONE, pair
from core.kernels.geodesy import distance_m
from core.kernels.groups import owner, ruled_as
from core.limits import FACTS_PER_ROW_MAX, OUTAGE_MS
from core.rules import TheftRule
from core.vehicle_table import REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import (
    CELL_SIGNAL_NONE,
    FLAG_CLOCK,
    FLAG_NO_FIX,
    FLAG_REPEATED,
    FLAG_TIME_BAD,
    FLAGS_NO_POSITION,
    SATELLITES_NONE,
)

# Kinds of evidence, bits of a mask. The names are those of the events.
KINDS: Final = (
    "moving_without_ignition",
    "displaced",
    "illegal_ignition",
    "stolen",
    "power_cut",
    "jammed",
    "silenced",
    "left_place",
    "ignition",
    "door",
)
MOVING: Final = 1 << 0
DISPLACED: Final = 1 << 1
ILLEGAL_IGNITION: Final = 1 << 2
STOLEN: Final = 1 << 3
POWER_CUT: Final = 1 << 4
JAMMED: Final = 1 << 5
SILENCED: Final = 1 << 6
LEFT_PLACE: Final = 1 << 7
IGNITION: Final = 1 << 8
DOOR: Final = 1 << 9
BY_BITS: Final = DISPLACED | ILLEGAL_IGNITION | STOLEN

FACT_SUSPECTED: Final = 1
"""Number: stage, 1 suspected, 2 certain."""
FACT_CLEARED: Final = 2
"""Number: one of REASONS."""

REASONS: Final = ("", "ignition", "returned", "heard", "power", "withdrawn")
REASON_IGNITION: Final = 1
REASON_RETURNED: Final = 2
REASON_HEARD: Final = 3
REASON_POWER: Final = 4
REASON_WITHDRAWN: Final = 5

# What stands where in the values of a fact.
VALUE_KINDS: Final = 0
VALUE_CONFIDENCE_PERMILLE: Final = 1
VALUE_DISTANCE_M: Final = 2
VALUE_SILENT_S: Final = 3
VALUE_PLACE: Final = 4
"""Latitude << 32 | longitude as 32 bits, of where it was parked or armed; 0: no such place."""
VALUE_SIGNS: Final = 5
"""Armed | satellites << 8 | mobile signal << 16 | speed in 0.1 km/h << 24 | satellites before << 40 | signal << 48."""

ALARM_POWER_CUT: Final = 1 << 8
ALARM_STOLEN: Final = 1 << 26
ALARM_ILLEGAL_IGNITION: Final = 1 << 27
ALARM_DISPLACED: Final = 1 << 28
STATUS_IGNITION: Final = 1 << 0
STATUS_DOORS_SHIFT: Final = 13
STATUS_DOORS: Final = 0b1_1111

STANDING_KMH10: Final = 30
"""Receivers say up to 3 km/h of a car that stands."""
DRIVING_KMH10: Final = 100
"""At this speed a connected ignition is on."""
ANCHOR_FIXES_MAX: Final = 16
"""Fixes that the anchor is the mean of: a spread of 5 m becomes 1.3 m."""
ANCHOR_SURE_FIXES: Final = 3
INTERVAL_MS_MAX: Final = 3_600_000
INTERVAL_MS_DEFAULT: Final = 30_000
PARKED_INTERVAL_MS_DEFAULT: Final = 600_000
JAM_MS_MAX: Final = 120_000
"""Satellites and network that fade over longer than this are a road into the mountains."""
FIX_MS_MAX: Final = 120_000
"""Without a fix for longer, nobody knows how fast it goes."""
COVERAGE_CELL_1E7: Final = 200_000
"""0.02 degrees, 2.2 km from north to south: cars of a cell and its eight neighbours are of one place."""
COVERAGE_BUCKETS: Final = 1 << 16
COVERAGE_MS_MAX: Final = 3_600_000
"""Who fell silent longer ago says nothing of the network now."""

THEFT: Final = np.dtype(
    [
        ("time_ms", "i8"),  # of the last report judged; 0: none
        ("arrival_ms", "i8"),
        ("report", "u8"),
        ("parked_ms", "i8"),  # standing with the ignition off since; 0: is not
        ("anchor_lat_1e7", "i4"),
        ("anchor_lon_1e7", "i4"),
        ("lat_1e7", "i4"),  # last fix
        ("lon_1e7", "i4"),
        ("speed_kmh10", "u2"),
        ("speed_before_kmh10", "u2"),
        ("seen", "u2"),  # kinds of the episode
        ("holding", "u2"),  # of them those that hold still
        ("terminal", "i4"),
        ("flags", "u2"),  # STATE_*
        ("anchor_fixes", "u1"),
        ("stage", "u1"),  # 0: no episode
        # Second line.
        ("ignition_ms", "i8"),  # seen on while driving, last
        ("began_ms", "i8"),  # first evidence of what holds
        ("began_report", "u8"),
        ("pending_report", "u8"),  # first fix away from the anchor
        ("pending_ms", "i8"),
        ("back_ms", "i8"),  # standing at the anchor again since; 0: is not
        ("interval_ms", "i4"),
        ("parked_interval_ms", "i4"),
        ("muted", "u2"),  # kinds a person has settled while they held
        ("moved_fixes", "u1"),
        ("far_fixes", "u1"),
        ("astray_fixes", "u1"),
        ("out_fixes", "u1"),
        ("back_fixes", "u1"),
        ("on_reports", "u1"),
        # Third line.
        ("calm_ms", "i8"),  # the terminal's own bits were up last
        ("power_ms", "i8"),  # bit 8 was up last
        ("closed_ms", "i8"),  # end of the last episode
        ("good_ms", "i8"),  # both signals were good last
        ("began_arrival_ms", "i8"),  # by our clock, as settled_ms of GUARD is
        ("fix_ms", "i8"),
        ("power_reports", "u1"),
        ("heard_reports", "u1"),
        ("good_satellites", "u1"),
        ("good_signal", "u1"),
        ("satellites", "u1"),
        ("signal", "u1"),
        ("doors", "u1"),
        ("padding", "u1", (9,)),
    ],
    align=True,
)
"""What is known of one car: three cache lines, of which a report without evidence touches two."""
assert THEFT.itemsize == 192

STATE_OFF: Final = 1 << 0
"""The ignition was off in the last report."""
STATE_WATCHED: Final = 1 << 1
"""Armed, by hand or by schedule, as of the last report."""
STATE_ARMED: Final = 1 << 2
"""Was armed when the episode began or since."""
STATE_JAM: Final = 1 << 3
"""Both signals have collapsed while it drove."""
STATE_SILENT: Final = 1 << 4
"""Its silence has been judged."""
STATE_DRIVING: Final = 1 << 5
"""It drove fast in the last two fixes."""
STATE_HELD: Final = 1 << 6
"""Its silence is held for the network's."""

THEFTS_TYPE: Final = types.Array(from_dtype(THEFT), 1, "C")
_BYTES: Final = THEFT.itemsize

COUNTERS: Final = (
    "judged",
    "aside",
    "late",
    "beyond_capacity",
    "ignition_unknown",
    "suspected",
    "cleared",
    "settled",
    "coverage",
)
COUNT_JUDGED: Final = 0
COUNT_ASIDE: Final = 1
COUNT_LATE: Final = 2
COUNT_BEYOND: Final = 3
COUNT_IGNITION_UNKNOWN: Final = 4
COUNT_SUSPECTED: Final = 5
COUNT_CLEARED: Final = 6
COUNT_SETTLED: Final = 7
COUNT_COVERAGE: Final = 8

_AT: Final = {name: number for number, name in enumerate(TheftRule.__struct_fields__)}
MOVING_KMH_MIN: Final = _AT["moving_kmh_min"]
MOVING_FIXES: Final = _AT["moving_fixes"]
MOVING_M_MIN: Final = _AT["moving_m_min"]
FAR_M_MIN: Final = _AT["far_m_min"]
FAR_FIXES: Final = _AT["far_fixes"]
PARKED_S_MIN: Final = _AT["parked_s_min"]
LEAVING_M: Final = _AT["leaving_m"]
RETURNED_S: Final = _AT["returned_s"]
CALM_S: Final = _AT["calm_s"]
POWER_REPORTS: Final = _AT["power_reports"]
SILENCE_KMH_MIN: Final = _AT["silence_kmh_min"]
SILENCE_INTERVALS: Final = _AT["silence_intervals"]
SILENCE_S_MIN: Final = _AT["silence_s_min"]
ARMED_SILENCE_S_MIN: Final = _AT["armed_silence_s_min"]
JAM_SATELLITES_MIN: Final = _AT["jam_satellites_min"]
JAM_SATELLITES_MAX: Final = _AT["jam_satellites_max"]
JAM_SIGNAL_DROP: Final = _AT["jam_signal_drop"]
JAM_SIGNAL_MAX: Final = _AT["jam_signal_max"]
JAM_SILENCE_S_MIN: Final = _AT["jam_silence_s_min"]
COVERAGE_CARS: Final = _AT["coverage_cars"]
SUSPECTED_MIN: Final = _AT["suspected_min"]
CERTAIN_MIN: Final = _AT["certain_min"]
WEIGHTS: Final = _AT["weight_moving_without_ignition"]
ARMED_WEIGHTS: Final = _AT["armed_weight_moving_without_ignition"]
_KIND_COUNT: Final = len(KINDS)
assert [f"weight_{kind}" for kind in KINDS] == list(TheftRule.__struct_fields__[WEIGHTS : WEIGHTS + _KIND_COUNT])
assert [f"armed_weight_{kind}" for kind in KINDS] == list(
    TheftRule.__struct_fields__[ARMED_WEIGHTS : ARMED_WEIGHTS + _KIND_COUNT]
)

_RULE_TYPE: Final = types.Array(types.float64, 1, "C")
_STATE_TYPE: Final = from_dtype(THEFT)
_GUARD_TYPE: Any = GUARDS_TYPE.dtype


@njit(types.boolean(GUARDS_TYPE, types.int64, types.int64), cache=True, nogil=True)
def scheduled(guards, number, time_ms):  # type: ignore[no-untyped-def]
    """Tell whether the schedule of a row of Arming.guards holds at a time."""
    guard = guards[number]
    begin = np.int64(guard.from_minute)
    end = np.int64(guard.to_minute)
    if begin == end or time_ms < guard.suspended_ms:
        return False
    ahead = np.int64(guard.zone_minutes)
    if time_ms >= guard.zone_change_ms:
        ahead = np.int64(guard.zone_after_minutes)
    minutes = time_ms // 60_000 + ahead
    minute = minutes % DAY_MINUTES
    # The first of January 1970 was a Thursday.
    day = (minutes // DAY_MINUTES + 3) % 7
    days = np.int64(guard.days)
    today = (days >> day) & 1 != 0
    if begin < end:
        return today and begin <= minute < end
    yesterday = (days >> ((day + 6) % 7)) & 1 != 0
    return (today and minute >= begin) or (yesterday and minute < end)


@njit(types.float64(_RULE_TYPE, types.int64, types.boolean), cache=True, nogil=True)
def confidence(rule, kinds, armed):  # type: ignore[no-untyped-def]
    """Return how sure a set of kinds makes us, 0 to 1."""
    doubt = 1.0
    weights = ARMED_WEIGHTS if armed else WEIGHTS
    for kind in range(_KIND_COUNT):
        if (kinds >> kind) & 1:
            doubt *= 1.0 - rule[weights + kind]
    return 1.0 - doubt


@njit(
    types.void(
        FACTS_TYPE,
        types.int64,
        THEFTS_TYPE,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        _RULE_TYPE,
        GUARDS_TYPE,
        types.int64,
    ),
    cache=True,
    nogil=True,
)
def _tell(facts, written, thefts, vehicle, row, kind, number, time_ms, late, silent_s, kinds, rule, guards, guard):  # type: ignore[no-untyped-def]
    state = thefts[vehicle]
    fact = facts[written]
    fact.report = state.report
    fact.first_report = state.began_report
    fact.time_ms = time_ms
    fact.vehicle = vehicle
    fact.terminal = state.terminal
    fact.row = row
    fact.kind = kind
    fact.number = number
    fact.late = late
    armed = np.int64(state.flags) & STATE_ARMED != 0
    place = np.int64(0)
    away_m = np.int64(0)
    lat = np.int64(state.anchor_lat_1e7)
    lon = np.int64(state.anchor_lon_1e7)
    has_place = state.anchor_fixes > 0
    if armed and guards[guard].has_place:
        lat = np.int64(guards[guard].lat_1e7)
        lon = np.int64(guards[guard].lon_1e7)
        has_place = True
    if has_place:
        place = pair(lat, lon)
        away_m = np.int64(distance_m(lat, lon, np.int64(state.lat_1e7), np.int64(state.lon_1e7)))
    fact.values[VALUE_KINDS] = kinds
    fact.values[VALUE_CONFIDENCE_PERMILLE] = np.int64(math.floor(1000.0 * confidence(rule, kinds, armed) + 0.5))
    fact.values[VALUE_DISTANCE_M] = away_m
    fact.values[VALUE_SILENT_S] = silent_s
    fact.values[VALUE_PLACE] = place
    fact.values[VALUE_SIGNS] = (
        np.int64(armed)
        | (np.int64(state.satellites) << 8)
        | (np.int64(state.signal) << 16)
        | (np.int64(state.speed_kmh10) << 24)
        | (np.int64(state.good_satellites) << 40)
        | (np.int64(state.good_signal) << 48)
    )


@njit(types.void(THEFTS_TYPE, types.int64), cache=True, nogil=True)
def _forget(thefts, vehicle):  # type: ignore[no-untyped-def]
    """End the episode and what led to it; the car is anchored anew where it stands next."""
    state = thefts[vehicle]
    if np.int64(state.seen) & (MOVING | LEFT_PLACE):
        state.anchor_fixes = 0
        state.parked_ms = 0
    state.seen = 0
    state.holding = 0
    state.stage = 0
    state.began_ms = 0
    state.began_report = 0
    state.pending_ms = 0
    state.pending_report = 0
    state.back_ms = 0
    state.moved_fixes = 0
    state.far_fixes = 0
    state.astray_fixes = 0
    state.out_fixes = 0
    state.back_fixes = 0
    state.heard_reports = 0
    state.power_reports = 0
    state.flags = np.int64(state.flags) & ~(STATE_ARMED | STATE_JAM)


@njit(types.void(THEFTS_TYPE, types.int64, GUARDS_TYPE, types.int64, types.int64[::1]), cache=True, nogil=True)
def _settle(thefts, vehicle, guards, guard, counters):  # type: ignore[no-untyped-def]
    """Heed that a person has settled what there was: what holds still is not told of again until it has ceased."""
    state = thefts[vehicle]
    settled_ms = guards[guard].settled_ms
    if state.holding != 0 and state.began_arrival_ms <= settled_ms:
        muted = np.int64(state.holding)
        _forget(thefts, vehicle)
        state.muted = muted
        state.closed_ms = settled_ms
        counters[COUNT_SETTLED] += 1


@njit(
    types.int64(
        THEFTS_TYPE,
        types.int64,
        types.int64,
        types.uint64,
        types.int64,
        types.int64,
        _RULE_TYPE,
        FACTS_TYPE,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        GUARDS_TYPE,
        types.int64,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def _add(  # type: ignore[no-untyped-def]
    thefts,
    vehicle,
    kinds,
    first_report,
    first_ms,
    arrival_ms,
    rule,
    facts,
    written,
    row,
    time_ms,
    late,
    silent_s,
    guards,
    guard,
    counters,
):
    """Add kinds of evidence to what holds, and tell if that takes the episode a stage on; return facts written."""
    state = thefts[vehicle]
    if state.holding == 0 and state.stage == 0:
        state.began_ms = first_ms
        state.began_arrival_ms = arrival_ms
        state.began_report = first_report
    state.holding = np.int64(state.holding) | kinds
    if np.int64(state.flags) & STATE_WATCHED:
        state.flags = np.int64(state.flags) | STATE_ARMED
    if state.stage == 0:
        state.seen = state.holding
    else:
        state.seen = np.int64(state.seen) | kinds
    sure = confidence(rule, np.int64(state.seen), np.int64(state.flags) & STATE_ARMED != 0)
    # A hair below: 0.6 of a weight of 0.6 must not hang on how a product is rounded.
    stage = 0
    if sure >= rule[SUSPECTED_MIN] - 1e-9:
        stage = 1
        if sure >= rule[CERTAIN_MIN] - 1e-9:
            stage = 2
    if stage <= state.stage:
        return written
    state.stage = stage
    counters[COUNT_SUSPECTED] += 1
    _tell(
        facts,
        written,
        thefts,
        vehicle,
        row,
        FACT_SUSPECTED,
        stage,
        time_ms,
        late,
        silent_s,
        np.int64(state.seen),
        rule,
        guards,
        guard,
    )
    return written + 1


@njit(
    types.UniTuple(types.int64, 2)(
        REPORTS_TYPE,
        types.int64,
        THEFTS_TYPE,
        types.int64[::1],
        types.int32[::1],
        GUARDS_TYPE,
        types.Array(types.float64, 2, "C"),
        types.int32[::1],
        types.int32[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def judge_thefts(  # type: ignore[no-untyped-def]
    rows, start, thefts, highest, number, guards, numbers, of_group, groups, facts, counters
):
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT.
        thefts: (capacity,) THEFT, row = vehicle id; highest: (1,) int64, the highest in use.
        number, guards: of an Arming.
        numbers, of_group: of a RuleSet of TheftRule. groups: (capacity,) int32.
        facts: (m,) FACT, m >= FACTS_PER_ROW_MAX.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    written = 0
    first = thefts.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            ahead = first + _BYTES * np.int64(rows[i + ROWS_AHEAD].vehicle_id)
            prefetch(ahead)
            prefetch(ahead + 64)
            prefetch(ahead + 128)
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return i, written
        row = rows[i]
        vehicle = np.int64(row.vehicle_id)
        if vehicle <= 0 or vehicle >= thefts.shape[0] or vehicle >= groups.shape[0]:
            counters[COUNT_BEYOND] += 1
            continue
        flags = np.int64(row.flags)
        if flags & (FLAG_TIME_BAD | FLAG_REPEATED | FLAG_CLOCK):
            counters[COUNT_ASIDE] += 1
            continue
        state = thefts[vehicle]
        group = owner(np.int64(groups[vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]
        guard = np.int64(number[vehicle])
        if vehicle > highest[0]:
            highest[0] = vehicle
        if guard != 0:
            _settle(thefts, vehicle, guards, guard, counters)
        time_ms = row.time_ms
        alarm = np.int64(row.alarm)
        said = np.int64(0)
        if alarm & ALARM_STOLEN:
            said |= STOLEN
        if alarm & ALARM_ILLEGAL_IGNITION:
            said |= ILLEGAL_IGNITION
        if alarm & ALARM_DISPLACED:
            said |= DISPLACED

        if time_ms <= state.time_ms:
            counters[COUNT_LATE] += 1
            # What newer reports have settled, or is told already, is history.
            if said == 0 or state.stage != 0 or time_ms <= state.calm_ms or time_ms <= state.closed_ms:
                continue
            said &= ~np.int64(state.muted)
            state.calm_ms = time_ms
            if said:
                before = state.report
                state.report = row.report_id
                state.terminal = row.terminal
                written = _add(
                    thefts,
                    vehicle,
                    said,
                    row.report_id,
                    time_ms,
                    row.arrival_ms,
                    rule,
                    facts,
                    written,
                    i,
                    time_ms,
                    1,
                    0,
                    guards,
                    guard,
                    counters,
                )
                state.report = before
            continue
        counters[COUNT_JUDGED] += 1

        # --- what is so whatever was before ---------------------------------------------------------------------------
        off = np.int64(row.status) & STATUS_IGNITION == 0
        was_known = state.time_ms != 0
        was_off = np.int64(state.flags) & STATE_OFF != 0
        has_position = flags & FLAGS_NO_POSITION == 0
        speed = np.int64(row.speed_kmh10)
        if was_known:
            gap_ms = min(time_ms - state.time_ms, INTERVAL_MS_MAX)
            if off and was_off:
                usual = np.int64(state.parked_interval_ms)
                state.parked_interval_ms = gap_ms if usual == 0 else usual + (gap_ms - usual) // 4
            elif not off and not was_off:
                usual = np.int64(state.interval_ms)
                # A stay out of reach is not how often it reports.
                if usual == 0 or gap_ms <= 10 * usual:
                    state.interval_ms = gap_ms if usual == 0 else usual + (gap_ms - usual) // 8
        watched = False
        if guard != 0:
            armed_ms = guards[guard].armed_ms
            if armed_ms != 0 and time_ms >= armed_ms:
                watched = True
            elif scheduled(guards, guard, time_ms):
                # A car on its way home when the night begins is armed once it is parked.
                watched = np.int64(state.flags) & STATE_WATCHED != 0 or (was_off if was_known else off)
        was_watched = np.int64(state.flags) & STATE_WATCHED != 0
        carried = np.int64(state.flags) & (STATE_ARMED | STATE_JAM)
        state.flags = carried | (STATE_OFF if off else 0) | (STATE_WATCHED if watched else 0)
        state.time_ms = time_ms
        # Where our clock was set back, what it said before was wrong: a car must not seem to be heard tomorrow.
        if state.arrival_ms - row.arrival_ms > OUTAGE_MS:
            state.arrival_ms = row.arrival_ms
        state.arrival_ms = max(state.arrival_ms, row.arrival_ms)
        state.report = row.report_id
        state.terminal = row.terminal
        if has_position:
            state.fix_ms = time_ms
            state.lat_1e7 = row.lat_1e7
            state.lon_1e7 = row.lon_1e7
            state.speed_before_kmh10 = state.speed_kmh10
            state.speed_kmh10 = speed
        if (
            not off
            and time_ms - state.fix_ms <= FIX_MS_MAX
            and state.speed_kmh10 >= 10.0 * rule[SILENCE_KMH_MIN]
            and state.speed_before_kmh10 >= 10.0 * rule[SILENCE_KMH_MIN]
        ):
            state.flags = np.int64(state.flags) | STATE_DRIVING

        # --- signals --------------------------------------------------------------------------------------------------
        satellites = np.int64(row.satellites)
        signal = np.int64(row.cell_signal)
        state.satellites = satellites
        state.signal = signal
        if flags & FLAG_NO_FIX:
            satellites = np.int64(0)
        if satellites != SATELLITES_NONE and signal != CELL_SIGNAL_NONE:
            blind = satellites <= rule[JAM_SATELLITES_MAX] and (
                signal <= rule[JAM_SIGNAL_MAX] and signal + rule[JAM_SIGNAL_DROP] <= state.good_signal
            )
            if blind:
                if (
                    state.good_ms != 0
                    and state.good_satellites >= rule[JAM_SATELLITES_MIN]
                    and time_ms - state.good_ms <= JAM_MS_MAX
                    and np.int64(state.flags) & (STATE_DRIVING | STATE_WATCHED)
                ):
                    state.flags = np.int64(state.flags) | STATE_JAM
            else:
                state.flags = np.int64(state.flags) & ~STATE_JAM
                if satellites >= rule[JAM_SATELLITES_MIN]:
                    state.good_ms = time_ms
                    state.good_satellites = satellites
                    state.good_signal = signal

        # --- evidence of this report ----------------------------------------------------------------------------------
        kinds = said
        first_report = row.report_id
        first_ms = time_ms
        holding = np.int64(state.holding)
        if said:
            state.calm_ms = time_ms
        if alarm & ALARM_POWER_CUT:
            state.power_ms = time_ms
            state.power_reports = min(np.int64(state.power_reports) + 1, 255)
            if state.power_reports >= rule[POWER_REPORTS]:
                kinds |= POWER_CUT
        else:
            state.power_reports = 0
        doors = (np.int64(row.status) >> STATUS_DOORS_SHIFT) & STATUS_DOORS
        if watched:
            if not off:
                kinds |= IGNITION
            if was_watched and doors & ~np.int64(state.doors):
                kinds |= DOOR
        state.doors = doors
        moved = False
        if off:
            state.on_reports = 0
        else:
            state.on_reports = min(np.int64(state.on_reports) + 1, 255)
            if has_position and speed >= DRIVING_KMH10:
                state.ignition_ms = time_ms
            if not (holding & (MOVING | LEFT_PLACE) or watched):
                # Somebody drives it: the next place is another.
                state.anchor_fixes = 0
                state.parked_ms = 0
                state.moved_fixes = 0
                state.far_fixes = 0
        away_m = -1.0
        if has_position:
            lat = np.int64(row.lat_1e7)
            lon = np.int64(row.lon_1e7)
            if state.anchor_fixes == 0:
                if off and speed <= STANDING_KMH10:
                    state.anchor_lat_1e7 = lat
                    state.anchor_lon_1e7 = lon
                    state.anchor_fixes = 1
                    state.parked_ms = time_ms
                    state.moved_fixes = 0
                    state.far_fixes = 0
                    state.astray_fixes = 0
                    away_m = 0.0
            else:
                fixes = np.int64(state.anchor_fixes)
                away_m = distance_m(np.int64(state.anchor_lat_1e7), np.int64(state.anchor_lon_1e7), lat, lon)
                was_near = state.moved_fixes == 0 and state.far_fixes == 0
                if off and away_m >= rule[MOVING_M_MIN] and speed >= 10.0 * rule[MOVING_KMH_MIN]:
                    state.moved_fixes = min(np.int64(state.moved_fixes) + 1, 255)
                else:
                    state.moved_fixes = 0
                if off and away_m >= rule[FAR_M_MIN]:
                    state.far_fixes = min(np.int64(state.far_fixes) + 1, 255)
                else:
                    state.far_fixes = 0
                if was_near and (state.moved_fixes or state.far_fixes):
                    state.pending_report = row.report_id
                    state.pending_ms = time_ms
                if state.moved_fixes >= rule[MOVING_FIXES] or state.far_fixes >= rule[FAR_FIXES]:
                    if state.pending_ms - state.parked_ms >= 1000.0 * rule[PARKED_S_MIN] or watched:
                        if state.ignition_ms != 0 or watched:
                            moved = True
                        elif not holding & MOVING and (
                            state.moved_fixes == rule[MOVING_FIXES] or state.far_fixes == rule[FAR_FIXES]
                        ):
                            counters[COUNT_IGNITION_UNKNOWN] += 1
                elif off and holding & (MOVING | LEFT_PLACE) == 0 and speed <= STANDING_KMH10:
                    if away_m <= 0.5 * rule[MOVING_M_MIN]:
                        state.astray_fixes = 0
                        if fixes < ANCHOR_FIXES_MAX:
                            state.anchor_fixes = fixes + 1
                            anchor_lat = np.int64(state.anchor_lat_1e7)
                            anchor_lon = np.int64(state.anchor_lon_1e7)
                            state.anchor_lat_1e7 = anchor_lat + (lat - anchor_lat) // (fixes + 1)
                            state.anchor_lon_1e7 = anchor_lon + (lon - anchor_lon) // (fixes + 1)
                    elif fixes < ANCHOR_SURE_FIXES:
                        # The very first fix may have been the one that lay elsewhere.
                        state.astray_fixes = np.int64(state.astray_fixes) + 1
                        if state.astray_fixes >= ANCHOR_SURE_FIXES:
                            state.anchor_lat_1e7 = lat
                            state.anchor_lon_1e7 = lon
                            state.anchor_fixes = 1
                            state.astray_fixes = 0
            if moved:
                kinds |= MOVING
                if not holding & MOVING and state.pending_ms != 0:
                    first_report = state.pending_report
                    first_ms = state.pending_ms
            if watched and guards[guard].has_place:
                away_m = distance_m(np.int64(guards[guard].lat_1e7), np.int64(guards[guard].lon_1e7), lat, lon)
            if watched and away_m > guards[guard].radius_m + rule[LEAVING_M]:
                state.out_fixes = min(np.int64(state.out_fixes) + 1, 255)
                if state.out_fixes >= rule[MOVING_FIXES]:
                    kinds |= LEFT_PLACE
            else:
                state.out_fixes = 0

        # --- what has ceased ------------------------------------------------------------------------------------------
        muted = np.int64(state.muted)
        ceased = np.int64(0)
        reason = 0
        lasting = holding | muted
        if lasting:
            if lasting & BY_BITS and said == 0 and time_ms - state.calm_ms >= 1000.0 * rule[CALM_S]:
                ceased |= BY_BITS
                reason = REASON_WITHDRAWN
            if (
                lasting & POWER_CUT
                and not alarm & ALARM_POWER_CUT
                and time_ms - state.power_ms >= 1000.0 * rule[CALM_S]
            ):
                ceased |= POWER_CUT
                reason = REASON_POWER
            if lasting & (JAMMED | SILENCED):
                state.heard_reports = min(np.int64(state.heard_reports) + 1, 255)
                if state.heard_reports >= 2:
                    ceased |= JAMMED | SILENCED
                    reason = REASON_HEARD
            if lasting & (MOVING | LEFT_PLACE):
                armed = np.int64(state.flags) & (STATE_ARMED | STATE_WATCHED) != 0
                near_m = 0.5 * rule[MOVING_M_MIN]
                if armed and guard != 0:
                    near_m = max(near_m, float(guards[guard].radius_m))
                if has_position:
                    if 0.0 <= away_m <= near_m and speed <= STANDING_KMH10:
                        if state.back_fixes == 0:
                            state.back_ms = time_ms
                        state.back_fixes = min(np.int64(state.back_fixes) + 1, 255)
                        if state.back_fixes >= 2 and time_ms - state.back_ms >= 1000.0 * rule[RETURNED_S]:
                            ceased |= MOVING | LEFT_PLACE
                            reason = REASON_RETURNED
                    else:
                        state.back_fixes = 0
                if not armed and state.on_reports >= 2:
                    ceased |= MOVING | LEFT_PLACE
                    reason = REASON_IGNITION
            if muted & IGNITION and (off or not watched):
                ceased |= IGNITION
            if muted & DOOR and kinds & DOOR == 0:
                ceased |= DOOR
            # What people have settled only ceases to be kept quiet; of what holds these end by a person.
            state.muted = muted & ~ceased
            ceased &= ~(IGNITION | DOOR)
        kinds &= ~np.int64(state.muted)

        # --- what follows ---------------------------------------------------------------------------------------------
        fresh = kinds & ~holding
        ceased &= holding & ~kinds
        if ceased:
            state.holding = holding & ~ceased
            if state.holding == 0 and fresh == 0:
                if state.stage != 0:
                    counters[COUNT_CLEARED] += 1
                    _tell(
                        facts,
                        written,
                        thefts,
                        vehicle,
                        i,
                        FACT_CLEARED,
                        reason,
                        time_ms,
                        0,
                        0,
                        np.int64(state.seen),
                        rule,
                        guards,
                        guard,
                    )
                    written += 1
                    state.closed_ms = time_ms
                _forget(thefts, vehicle)
                continue
            if state.stage == 0:
                state.seen = state.holding
        if fresh:
            written = _add(
                thefts,
                vehicle,
                fresh,
                first_report,
                first_ms,
                row.arrival_ms,
                rule,
                facts,
                written,
                i,
                time_ms,
                0,
                0,
                guards,
                guard,
                counters,
            )
    return rows.shape[0], written


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True)
def coverage_bucket(lat_cell, lon_cell):  # type: ignore[no-untyped-def]
    """Return the bucket of a cell of COVERAGE_CELL_1E7."""
    return ((lat_cell * 73_856_093) ^ (lon_cell * 19_349_663)) & (COVERAGE_BUCKETS - 1)


@njit(types.boolean(THEFTS_TYPE, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _in_crowd(thefts, vehicle, now_ms, since_ms):  # type: ignore[no-untyped-def]
    """Tell whether a car fell silent while it drove, and not so long ago that it says nothing of the network now."""
    state = thefts[vehicle]
    if state.time_ms == 0 or not np.int64(state.flags) & STATE_DRIVING:
        return False
    usual_ms = np.int64(state.interval_ms) or INTERVAL_MS_DEFAULT
    return max(3 * usual_ms, 60_000) <= now_ms - max(state.arrival_ms, since_ms) <= COVERAGE_MS_MAX


@njit(types.float64(_RULE_TYPE, types.int64, types.int64, types.boolean), cache=True, nogil=True)
def silence_ms(rule, usual_ms, least_s, jammed):  # type: ignore[no-untyped-def]
    """Return from when on a silence is one: so many usual intervals, and at least so long; jammed: so long only."""
    if jammed:
        return 1000.0 * rule[JAM_SILENCE_S_MIN]
    return max(usual_ms * rule[SILENCE_INTERVALS], 1000.0 * least_s)


@njit(
    types.UniTuple(types.int64, 2)(
        types.int64,
        types.int64,
        types.int64,
        THEFTS_TYPE,
        types.int64[::1],
        types.int32[::1],
        GUARDS_TYPE,
        types.Array(types.float64, 2, "C"),
        types.int32[::1],
        types.int32[::1],
        types.int32[::1],
        FACTS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def sweep_thefts(  # type: ignore[no-untyped-def]
    now_ms, since_ms, start, thefts, highest, number, guards, numbers, of_group, groups, silent, facts, counters
):
    """Judge the silence of the cars from `start` on, until all are judged or the room for facts ends.

    Args:
        now_ms, since_ms: as in Detector.sweep.
        silent: (COVERAGE_BUCKETS,) int32, room for how many cars of each place fell silent while driving.
        The others: as in judge_thefts.

    Returns:
        The first car not judged, -1 when all were, and the number of facts written.
    """
    written = 0
    end = min(highest[0] + 1, groups.shape[0])
    silent[:] = 0
    for vehicle in range(1, end):
        if _in_crowd(thefts, vehicle, now_ms, since_ms):
            state = thefts[vehicle]
            bucket = coverage_bucket(
                np.int64(state.lat_1e7) // COVERAGE_CELL_1E7, np.int64(state.lon_1e7) // COVERAGE_CELL_1E7
            )
            silent[bucket] += 1
    for vehicle in range(max(start, 1), end):
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return vehicle, written
        state = thefts[vehicle]
        if state.time_ms == 0:
            continue
        guard = np.int64(number[vehicle])
        flags = np.int64(state.flags)
        watched = False
        if guard != 0:
            _settle(thefts, vehicle, guards, guard, counters)
            armed_ms = guards[guard].armed_ms
            watched = armed_ms != 0 and now_ms >= armed_ms
            if not watched and flags & (STATE_WATCHED | STATE_OFF):
                watched = scheduled(guards, guard, now_ms)
        # Armed or disarmed since its last report, perhaps: then this is how it stands.
        flags = (np.int64(state.flags) & ~STATE_WATCHED) | (STATE_WATCHED if watched else 0)
        state.flags = flags
        if flags & STATE_SILENT or not flags & (STATE_DRIVING | STATE_WATCHED):
            continue
        group = owner(np.int64(groups[vehicle]))
        rule = numbers[of_group[ruled_as(group, of_group.shape[0])]]
        quiet_ms = now_ms - max(state.arrival_ms, since_ms)
        jammed = flags & STATE_JAM != 0
        if flags & STATE_DRIVING:
            least_s = np.int64(rule[SILENCE_S_MIN])
            usual_ms = np.int64(state.interval_ms) or INTERVAL_MS_DEFAULT
        else:
            least_s = np.int64(rule[ARMED_SILENCE_S_MIN])
            usual_ms = np.int64(state.parked_interval_ms) or PARKED_INTERVAL_MS_DEFAULT
        if quiet_ms < silence_ms(rule, usual_ms, least_s, jammed):
            continue
        if flags & STATE_DRIVING:
            lat_cell = np.int64(state.lat_1e7) // COVERAGE_CELL_1E7
            lon_cell = np.int64(state.lon_1e7) // COVERAGE_CELL_1E7
            others = -1 if _in_crowd(thefts, vehicle, now_ms, since_ms) else 0
            for north in range(-1, 2):
                for east in range(-1, 2):
                    others += silent[coverage_bucket(lat_cell + north, lon_cell + east)]
            if others >= rule[COVERAGE_CARS]:
                if not flags & STATE_HELD:
                    counters[COUNT_COVERAGE] += 1
                    state.flags = flags | STATE_HELD
                continue
            if flags & STATE_HELD and quiet_ms > COVERAGE_MS_MAX:
                # The others are forgotten by now; it was the network all the same.
                state.flags = flags | STATE_SILENT
                continue
        state.flags = flags | STATE_SILENT
        state.heard_reports = 0
        kinds = np.int64(SILENCED)
        if jammed:
            # Why it is silent is known: to be silent as well is not evidence of its own.
            kinds = np.int64(JAMMED)
        if state.power_reports > 0:
            kinds |= POWER_CUT
        kinds &= ~(np.int64(state.muted) | np.int64(state.holding))
        if kinds:
            written = _add(
                thefts,
                vehicle,
                kinds,
                state.report,
                state.time_ms,
                now_ms,
                rule,
                facts,
                written,
                ROW_NONE,
                now_ms,
                0,
                quiet_ms // 1000,
                guards,
                guard,
                counters,
            )
    return -1, written
