"""Weigh what speaks for a crash, car by car, and write down a fact when it is suspected, confirmed or cleared.

An episode goes through these phases (CAR.phase), one at a time for each car:

    PENDING     something struck: too little to speak of
    SUSPECTED   the evidence weighs `suspect_percent` or more
    CONFIRMED   it weighs `confirm_percent`, and nothing is added for `alone_s` from the impact
    (none)      nothing, or the car drove on, or nothing came in addition

Every kind of evidence (EVIDENCE) has a weight w (CrashRule) and a grade g in 0 to 1, how much there is of it; together
they weigh 1 - (1 - w g)(1 - w g)…: noisy-OR, each an independent cause to believe it. What each kind is:

    collision, rollover, item   the terminal says so: bit 29 or 30 of the alarm word goes up, or its maker's own item
    acceleration   the largest acceleration since the report before, up to what the car's own speed can bring: a car at
                   10 km/h cannot hit harder than 5.6 g, so a terminal that is dropped in a standing car is no crash
    speed_change   within two seconds of such a blow the speed changed by more than braking or driving off in traffic;
                   of a car that stood, by which its blow is then measured: it is pushed on
    deceleration   the same without an accelerometer, in reports at most dense_ms apart
    stopped        was driving, stands within stop_s of the impact and stands for stopped_s
    stayed         and for stayed_s
    silence        nothing was heard after the impact, though we listened (a sweep says so)
    sos            somebody pressed the emergency button after it

A blow of so many g over a half-sine of pulse_ms is a change of speed of 2/pi * g * pulse: the shortest pulse of a car's
front gives the least change that a peak can mean. Pot-holes and kerbs reach several g for some milliseconds, and the
car drives on: what is pending then is dropped, and what is suspected is cleared when the car has gone drive_on_m.

Reports are judged in order of their time. One that is not newer is history: of it only what the terminal itself says is
taken (collision, rollover, item), and the fact says that it came late. Of several reports of one second all signals and
the largest acceleration count.

Sources: half-sine pulse, NHTSA FMVSS 208 sled pulses, 80 to 120 ms; noisy-OR, Pearl 1988, section 4.3.2.
"""

import math
from typing import Final

import numpy as np
from numba import from_dtype, njit, types

from core.kernels.facts import FACTS_TYPE, ROW_NONE
from core.kernels.geodesy import distance_m
from core.kernels.groups import owner, ruled_as
from core.limits import FACTS_PER_ROW_MAX
from core.rules import CrashRule
from core.vehicle_table import CACHE_LINE_BYTES, REPORTS_TYPE, ROWS_AHEAD
from protocols.memory import prefetch
from protocols.report import (
    ACCELERATION_NONE_MG,
    FLAG_CLOCK,
    FLAG_CRASH_ITEM,
    FLAG_FROZEN,
    FLAG_NO_FIX,
    FLAG_POSITION_BAD,
    FLAG_REPEATED,
    FLAG_TIME_BAD,
    FLAGS_NO_POSITION,
)

EVIDENCE: Final = (
    "collision",
    "rollover",
    "item",
    "acceleration",
    "speed_change",
    "deceleration",
    "stopped",
    "stayed",
    "silence",
    "sos",
)
"""Kinds of evidence, in the order of EPISODE.grade; the weight of each is CrashRule's `<kind>_percent`."""
COLLISION: Final = 0
ROLLOVER: Final = 1
ITEM: Final = 2
ACCELERATION: Final = 3
SPEED_CHANGE: Final = 4
DECELERATION: Final = 5
STOPPED: Final = 6
STAYED: Final = 7
SILENCE: Final = 8
SOS: Final = 9
_KINDS: Final = len(EVIDENCE)

AGAINST: Final = ("drove_on", "alone", "standing", "ignition_off", "disagrees", "moved_without_ignition")
"""What speaks against a crash: bits of EPISODE.against."""
AGAINST_DROVE_ON: Final = 1
AGAINST_ALONE: Final = 2
AGAINST_STANDING: Final = 4
AGAINST_IGNITION_OFF: Final = 8
AGAINST_DISAGREES: Final = 16
AGAINST_TOWED: Final = 32

BLIND: Final = ("no_acceleration", "sparse", "no_fix", "no_speed_before", "late", "silent")
"""What the data cannot show: bits of EPISODE.blind."""
BLIND_NO_ACCELERATION: Final = 1
BLIND_SPARSE: Final = 2
BLIND_NO_FIX: Final = 4
BLIND_NO_SPEED: Final = 8
BLIND_LATE: Final = 16
BLIND_SILENT: Final = 32

SEVERITIES: Final = ("unknown", "light", "moderate", "severe")

PHASE_NONE: Final = 0
PHASE_PENDING: Final = 1
PHASE_SUSPECTED: Final = 2
PHASE_CONFIRMED: Final = 3

KIND_SUSPECTED: Final = 1
KIND_CONFIRMED: Final = 2
KIND_CLEARED: Final = 3

WINDOWS: Final = 4
SLOTS: Final = 2
CAR: Final = np.dtype(
    [
        ("time_ms", "i8"),  # newest report judged; 0: none
        ("arrival_ms", "i8"),  # when anything was last heard
        ("report", "u8"),  # the newest report
        ("speed_ms", "i8"),  # newest usable speed; 0: none
        ("position_ms", "i8"),  # newest usable position; 0: none
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        ("period_ms", "i4"),  # between the two newest reports
        ("speed_kmh10", "u2"),
        ("second_mg", "u2"),  # largest acceleration of the newest second; 0: none
        ("phase", "u1"),
        ("signalling", "u1"),  # slots of EPISODE in use
        ("accelerating", "u1"),  # 1: its terminals send accelerations
        ("ignition", "u1"),  # of the newest report
        ("padding", "u1", (4,)),
    ],
    align=True,
)
"""What every report of a car touches: one cache line."""

EPISODE: Final = np.dtype(
    [
        # Times of the newest episodes, the last at 0: a late or repeated report out of them is none of its own.
        ("window_first_ms", "i8", (WINDOWS,)),
        ("window_last_ms", "i8", (WINDOWS,)),
        # Times through which some terminal's signal was up, the last at 0: a late report out of them tells nothing new.
        ("run_first_ms", "i8", (WINDOWS,)),
        ("run_last_ms", "i8", (WINDOWS,)),
        # The one under way, or the last.
        ("first_report", "u8"),
        ("suspected_report", "u8"),
        ("impact_ms", "i8"),
        ("jolt_ms", "i8"),  # the blow whose change of speed is looked for; 0: none
        ("before_ms", "i8"),  # newest usable speed before the impact; 0: none
        ("standing_ms", "i8"),  # since when it stands; 0: it does not
        ("deadline_ms", "i8"),
        ("driven_m", "f8"),
        ("dense", "f8"),  # 1: reports at the impact were dense; towards 0 where they were sparse
        ("grade", "f8", (_KINDS,)),  # 0: no such evidence
        ("value", "i4", (_KINDS,)),
        ("offset_ms", "i4", (_KINDS,)),  # when, from the impact
        ("slot_terminal", "i4", (SLOTS,)),  # terminals whose signals are up ...
        ("slot_signals", "u1", (SLOTS,)),  # ... and which
        ("stopping", "u1"),  # 1: it stood in the first report after the impact, however late that came
        ("extended", "u1"),  # 1: it was given more time once, after a long silence
        ("impact_lat_1e7", "i4"),
        ("impact_lon_1e7", "i4"),
        ("before_kmh10", "i4"),  # -1: not known
        ("was_kmh10", "i4"),  # the faster of before and at the impact; -1: not known
        ("after_kmh10", "i4"),  # at the impact, as that report says; -1: not known
        ("jolt_mg", "i4"),  # largest acceleration as sent ...
        ("jolt_own_mg", "i4"),  # ... and as far as the car's own speed can bring it
        ("terminal", "i4"),
        ("against", "i4"),
        ("blind", "i4"),
        ("running", "u1"),  # 1: run 0 goes on: a signal is up
        ("tail", "u1", (35,)),
    ],
    align=True,
)
"""What is known of a car that was struck, or whose terminal says so: seven cache lines, zeros until then."""
CAR_BYTES: Final = CAR.itemsize
assert CAR_BYTES == CACHE_LINE_BYTES
assert EPISODE.itemsize == 7 * CACHE_LINE_BYTES

DOSSIER: Final = np.dtype(
    [
        ("grade", "f8", (_KINDS,)),
        ("impact_ms", "i8"),
        ("suspected_report", "u8"),
        ("value", "i4", (_KINDS,)),
        ("offset_ms", "i4", (_KINDS,)),
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        ("before_kmh10", "i4"),
        ("after_kmh10", "i4"),
        ("peak_mg", "i4"),
        ("own_mg", "i4"),
        ("confidence_percent", "i4"),
        ("severity", "i4"),  # index into SEVERITIES
        ("against", "i4"),
        ("blind", "i4"),
        ("driven_m", "i4"),
        ("after_s", "i4"),  # from the impact to the fact
    ],
    align=True,
)
"""What stands behind one fact, beside it at the same index: a fact has room for six figures only."""

# Counters of judge_crashes, in the order of its int64 array.
COUNT_JUDGED: Final = 0
COUNT_LATE: Final = 1
COUNT_TIMELESS: Final = 2
COUNT_REPEATED: Final = 3
COUNT_BEYOND: Final = 4
COUNT_PENDING: Final = 5
COUNT_BUMPS: Final = 6
COUNT_FADED: Final = 7
COUNT_LATE_KNOWN: Final = 8
COUNTERS: Final = (
    "judged",
    "late",
    "timeless",
    "repeated",
    "beyond_capacity",
    "pending",
    "bumps",
    "faded",
    "late_known",
)

SIGNAL_COLLISION: Final = 1
SIGNAL_ROLLOVER: Final = 2
SIGNAL_ITEM: Final = 4
SIGNAL_SOS: Final = 8
SIGNALS_CRASH: Final = SIGNAL_COLLISION | SIGNAL_ROLLOVER | SIGNAL_ITEM

FLAGS_NO_SPEED: Final = FLAG_NO_FIX | FLAG_TIME_BAD | FLAG_POSITION_BAD | FLAG_FROZEN | FLAG_CLOCK | FLAG_REPEATED
"""Under any of them a speed says nothing. A jump of the position leaves it: it comes from the Doppler shift."""

BEFORE_MS_MAX: Final = 30_000
"""An older speed says nothing of how fast the car was when it was struck."""
JOLT_MS: Final = 2_000
"""The change of speed is looked for in reports up to so long after the blow: receivers lag by a second."""
SAME_BLOW_MS: Final = 10_000
"""A second blow, or a terminal's late word, so long after the impact belongs to it."""
DENSE_MS: Final = 3_000
"""Up to so long between two reports a car that stood at the second may have been stopped by the blow; the longer, the
more likely it just stopped."""
NEAR_MS: Final = 60_000
"""A late signal so near to the impact of the episode under way belongs to it."""
WINDOW_MS: Final = 10 * 60 * 1000
"""And one so near to an episode that was is nothing new."""
PENDING_MS: Final = 90_000
"""What has not become a suspicion by then is forgotten: long enough for stayed_s."""
RETURN_GAP_MS: Final = 300_000
"""A car that was silent for so long is given PENDING_MS from its return before its suspicion is settled."""
SOS_MS: Final = 300_000
DROVE_MS_MAX: Final = 600_000
"""Two positions farther apart in time say nothing of how the car came from one to the other."""
SPARSE_MS: Final = 2_000
STOP_FIRST_MS: Final = 60_000

G_MPS2: Final = 9.80665
BRAKE_KMH10_PER_MS: Final = 0.1 * G_MPS2 * 36 / 1000
"""A speed that falls by as much in the blow's own second speaks for nothing: cars slow down before they meet anything.
Behind a crash a car slides at 0.4 to 0.7 g ..."""
BRAKE_LATER_KMH10_PER_MS: Final = 0.075 * G_MPS2 * 36 / 1000
"""... but its driver may have begun to brake by then: so much more is allowed with each second behind the blow, or over
which nobody saw the speed."""
LAUNCH_KMH10_PER_MS: Final = 0.25 * G_MPS2 * 36 / 1000
"""Driving off briskly."""
CHANGE_SHARE: Final = 0.15
"""Of the least change of speed that a peak can mean: so much beyond braking is a grade of 1."""
MG_PER_KMH10_PER_MS: Final = 1000 / 36 / G_MPS2 * 1000
GRADE_STANDING: Final = 0.92
"""Of what a terminal says in a car that stands: it may have been knocked."""
GRADE_UNKNOWN: Final = 0.3
"""Of an acceleration whose car's speed nobody knows."""
GRADE_IGNITION_OFF: Final = 0.5
GRADE_DISAGREES: Final = 0.2
GRADE_STOP_FIRST: Final = 0.5
"""Of a stop that lies somewhere in the first gap after the impact, longer than stop_s."""
CREEP_KMH10: Final = 100
"""Slower than this a car is pushed aside, not driven on."""
BUMP_SHARE: Final = 0.7
"""Of its speed before: a car that goes as fast two seconds after a blow drove over something."""
BUMP_M: Final = 150.0
SLIDE_MPS: Final = 5.0
SLIDE_M: Final = 30.0
"""A car that says it stands while its positions go on by as much: speed and position disagree."""
CONFIDENCE_MAX: Final = 99
SEVERE_MG: Final = 25_000

_FIELDS: Final = CrashRule.__struct_fields__
_WEIGHTS: Final = _FIELDS.index("collision_percent")
assert _FIELDS[_WEIGHTS : _WEIGHTS + _KINDS] == tuple(f"{kind}_percent" for kind in EVIDENCE)
_SUSPECT: Final = _FIELDS.index("suspect_percent")
_CONFIRM: Final = _FIELDS.index("confirm_percent")
_JOLT: Final = _FIELDS.index("jolt_mg")
_JOLT_FULL: Final = _FIELDS.index("jolt_full_mg")
_CHANGE_FROM: Final = _FIELDS.index("change_from_mg")
_CHANGE_FULL: Final = _FIELDS.index("change_full_mg")
_PULSE: Final = _FIELDS.index("pulse_ms")
_DECELERATION_FROM: Final = _FIELDS.index("deceleration_from_mg")
_DECELERATION_FULL: Final = _FIELDS.index("deceleration_full_mg")
_DENSE: Final = _FIELDS.index("dense_ms")
_DRIVING: Final = _FIELDS.index("driving_kmh")
_STANDING: Final = _FIELDS.index("standing_kmh")
_STOP: Final = _FIELDS.index("stop_s")
_STOPPED: Final = _FIELDS.index("stopped_s")
_STAYED: Final = _FIELDS.index("stayed_s")
_SILENCE: Final = _FIELDS.index("silence_s")
_DRIVE_ON: Final = _FIELDS.index("drive_on_m")
_DRIVE_ON_S: Final = _FIELDS.index("drive_on_s")
_ALONE: Final = _FIELDS.index("alone_s")
_MODERATE: Final = _FIELDS.index("moderate_kmh")
_SEVERE: Final = _FIELDS.index("severe_kmh")

_HALF_PI: Final = math.pi / 2
_ENDS: Final = 1 << 30
"""Milliseconds that an int32 offset holds: 12 days."""
_NOWHERE: Final = 1 << 30
"""In the place of a latitude: beyond any."""

CAR_TYPE: Final = from_dtype(CAR)
CARS_TYPE: Final = types.Array(CAR_TYPE, 1, "C")
EPISODE_TYPE: Final = from_dtype(EPISODE)
EPISODES_TYPE: Final = types.Array(EPISODE_TYPE, 1, "C")
DOSSIERS_TYPE: Final = types.Array(from_dtype(DOSSIER), 1, "C")
RULES_TYPE: Final = types.Array(types.float64, 2, "C")


@njit(types.float64(types.float64), cache=True, nogil=True)
def _clamp(value):  # type: ignore[no-untyped-def]
    return min(1.0, max(0.0, value))


@njit(types.float64(types.float64, types.float64), cache=True, nogil=True)
def change_of_peak_kmh10(peak_mg, pulse_ms):  # type: ignore[no-untyped-def]
    """Return the change of speed of a half-sine pulse, 0.1 km/h, from its peak and length."""
    return peak_mg / 1000 * G_MPS2 * pulse_ms / 1000 / _HALF_PI * 36


@njit(types.float64(types.float64, types.float64), cache=True, nogil=True)
def peak_of_change_mg(change_kmh10, pulse_ms):  # type: ignore[no-untyped-def]
    """Return the peak of a half-sine pulse in mg, gravity added, from its change of speed and length."""
    return change_kmh10 / 36 * _HALF_PI / (pulse_ms / 1000) / G_MPS2 * 1000 + 1000


@njit(types.int64(EPISODE_TYPE, RULES_TYPE, types.int64), cache=True, nogil=True)
def weigh_percent(episode, numbers, chosen):  # type: ignore[no-untyped-def]
    """Return how much the evidence of a car's episode weighs together, in percent."""
    signalled = episode.grade[COLLISION] > 0 or episode.grade[ROLLOVER] > 0 or episode.grade[ITEM] > 0
    disagrees = (np.int64(episode.against) & AGAINST_DISAGREES) != 0
    missed = 1.0
    for kind in range(_KINDS):
        grade = episode.grade[kind]
        if grade == 0.0:
            continue
        # How it stopped says little where nobody saw when; unless the terminal spoke at the impact.
        if (kind == STOPPED or kind == STAYED) and not signalled:
            grade *= episode.dense
        if disagrees and SPEED_CHANGE <= kind <= STAYED:
            grade *= GRADE_DISAGREES
        missed *= 1.0 - numbers[chosen, _WEIGHTS + kind] / 100 * grade
    return min(CONFIDENCE_MAX, np.int64(100 * (1.0 - missed) + 0.5))


@njit(types.int64(EPISODE_TYPE, RULES_TYPE, types.int64), cache=True, nogil=True)
def severity_of(episode, numbers, chosen):  # type: ignore[no-untyped-def]
    """Return how bad it was, as an index into SEVERITIES: by the change of speed, else by the peak."""
    if episode.grade[ROLLOVER] > 0:
        return 3
    change_kmh10 = 0.0
    if episode.grade[SPEED_CHANGE] > 0:
        change_kmh10 = float(episode.value[SPEED_CHANGE])
    elif episode.grade[DECELERATION] > 0:
        change_kmh10 = float(max(0, episode.before_kmh10 - max(0, episode.after_kmh10)))
    if episode.jolt_own_mg > 0:
        # A pulse of middling length: 100 ms where the shortest is 80.
        change_kmh10 = max(change_kmh10, change_of_peak_kmh10(episode.jolt_own_mg, 1.25 * numbers[chosen, _PULSE]))
    if change_kmh10 <= 0.0:
        return 0
    if change_kmh10 >= 10 * numbers[chosen, _SEVERE] or episode.jolt_own_mg >= SEVERE_MG:
        return 3
    return 2 if change_kmh10 >= 10 * numbers[chosen, _MODERATE] else 1


@njit(types.void(EPISODE_TYPE, types.int64, types.float64, types.int64, types.int64), cache=True, nogil=True)
def _add(episode, kind, grade, value, time_ms):  # type: ignore[no-untyped-def]
    """Take evidence into the episode; of one kind the strongest counts."""
    if grade > episode.grade[kind]:
        episode.grade[kind] = grade
        episode.value[kind] = value
        episode.offset_ms[kind] = min(_ENDS, max(-_ENDS, time_ms - episode.impact_ms))


@njit(types.void(EPISODE_TYPE, types.int64, types.int64), cache=True, nogil=True)
def _remember(episode, first_ms, last_ms):  # type: ignore[no-untyped-def]
    """Remember the time of an episode, in front of the others."""
    for k in range(WINDOWS - 1, 0, -1):
        episode.window_first_ms[k] = episode.window_first_ms[k - 1]
        episode.window_last_ms[k] = episode.window_last_ms[k - 1]
    episode.window_first_ms[0] = first_ms
    episode.window_last_ms[0] = last_ms


@njit(types.int64(CAR_TYPE, EPISODE_TYPE, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _rise(car, episode, terminal, signals, lower):  # type: ignore[no-untyped-def]
    """Compare a terminal's signals with those of its report before; return those that went up, and keep them.

    Two terminals of a car may have signals up at once; a third takes the place of the second.

    Args:
        lower: 0: of the same second as the report before, signals only go up.
    """
    mine, free = -1, -1
    for slot in range(SLOTS):
        if episode.slot_signals[slot] == 0:
            if free < 0:
                free = slot
        elif episode.slot_terminal[slot] == terminal:
            mine = slot
    if mine < 0:
        if signals == 0:
            return 0
        mine = free if free >= 0 else SLOTS - 1
        episode.slot_terminal[mine] = terminal
        episode.slot_signals[mine] = 0
    before = np.int64(episode.slot_signals[mine])
    episode.slot_signals[mine] = signals if lower else before | signals
    used = 0
    for slot in range(SLOTS):
        if episode.slot_signals[slot] != 0:
            used += 1
    car.signalling = used
    return signals & ~before


@njit(
    types.void(
        CAR_TYPE,
        EPISODE_TYPE,
        types.uint64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
    ),
    cache=True,
    nogil=True,
)
def _begin(car, episode, report, terminal, time_ms, before_kmh10, before_ms, speed_kmh10, lat_1e7, lon_1e7):  # type: ignore[no-untyped-def]
    """Begin an episode at a report.

    Args:
        before_kmh10, before_ms: the newest usable speed before; -1 and 0 for none.
        speed_kmh10: as the report says, -1 for none.
        lat_1e7, lon_1e7: where the car is now; the last known place is taken where the car says none (_NOWHERE).
    """
    for kind in range(_KINDS):
        episode.grade[kind] = 0.0
        episode.value[kind] = 0
        episode.offset_ms[kind] = 0
    car.phase = PHASE_PENDING
    episode.first_report = report
    episode.suspected_report = 0
    episode.terminal = terminal
    episode.impact_ms = time_ms
    episode.jolt_ms = 0
    episode.jolt_mg = 0
    episode.jolt_own_mg = 0
    episode.before_ms = before_ms
    episode.before_kmh10 = before_kmh10
    episode.was_kmh10 = max(before_kmh10, speed_kmh10)
    episode.after_kmh10 = speed_kmh10
    episode.standing_ms = 0
    episode.stopping = 0
    episode.extended = 0
    episode.driven_m = 0.0
    episode.against = 0
    episode.blind = 0
    if before_kmh10 < 0:
        episode.blind |= BLIND_NO_SPEED | BLIND_SPARSE
        episode.dense = 0.0
    else:
        gap_ms = time_ms - before_ms
        if gap_ms > SPARSE_MS:
            episode.blind |= BLIND_SPARSE
        episode.dense = 1.0 if gap_ms <= DENSE_MS else DENSE_MS / gap_ms
    if not car.accelerating:
        episode.blind |= BLIND_NO_ACCELERATION
    if lat_1e7 == _NOWHERE:
        episode.blind |= BLIND_NO_FIX
        episode.impact_lat_1e7 = car.lat_1e7
        episode.impact_lon_1e7 = car.lon_1e7
    else:
        episode.impact_lat_1e7 = lat_1e7
        episode.impact_lon_1e7 = lon_1e7


@njit(
    types.void(
        EPISODE_TYPE,
        RULES_TYPE,
        types.int64,
        FACTS_TYPE,
        DOSSIERS_TYPE,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.uint64,
        types.int64,
        types.int64,
    ),
    cache=True,
    nogil=True,
)
def _write(episode, numbers, chosen, facts, dossiers, at, kind, vehicle, row, report, time_ms, late):  # type: ignore[no-untyped-def]
    """Write down one fact of a car's episode, and what stands behind it."""
    fact = facts[at]
    fact.report = report
    fact.first_report = episode.first_report
    # A suspicion is of the moment of the impact; what settles it is of its own.
    fact.time_ms = episode.impact_ms if kind == KIND_SUSPECTED else time_ms
    fact.vehicle = vehicle
    fact.terminal = episode.terminal
    fact.row = row
    fact.kind = kind
    fact.number = at
    fact.late = late
    dossier = dossiers[at]
    signalled = episode.grade[COLLISION] > 0 or episode.grade[ROLLOVER] > 0 or episode.grade[ITEM] > 0
    for k in range(_KINDS):
        grade = episode.grade[k]
        if (k == STOPPED or k == STAYED) and not signalled:
            grade *= episode.dense
        if np.int64(episode.against) & AGAINST_DISAGREES and SPEED_CHANGE <= k <= STAYED:
            grade *= GRADE_DISAGREES
        dossier.grade[k] = grade
        dossier.value[k] = episode.value[k]
        dossier.offset_ms[k] = episode.offset_ms[k]
    dossier.impact_ms = episode.impact_ms
    dossier.suspected_report = episode.suspected_report
    dossier.lat_1e7 = episode.impact_lat_1e7
    dossier.lon_1e7 = episode.impact_lon_1e7
    dossier.before_kmh10 = episode.before_kmh10
    dossier.after_kmh10 = episode.after_kmh10
    dossier.peak_mg = episode.jolt_mg
    dossier.own_mg = episode.jolt_own_mg
    dossier.confidence_percent = weigh_percent(episode, numbers, chosen)
    dossier.severity = severity_of(episode, numbers, chosen)
    dossier.against = episode.against
    dossier.blind = episode.blind | (BLIND_LATE if late else 0)
    dossier.driven_m = np.int64(episode.driven_m)
    dossier.after_s = min(_ENDS, (time_ms - episode.impact_ms) // 1000)
    fact.values[0] = dossier.confidence_percent
    fact.values[1] = dossier.severity
    fact.values[2] = dossier.peak_mg
    fact.values[3] = dossier.driven_m
    fact.values[4] = dossier.after_s
    fact.values[5] = episode.impact_ms


@njit(
    types.UniTuple(types.int64, 2)(
        REPORTS_TYPE,
        types.int64,
        RULES_TYPE,
        types.int32[::1],
        types.int32[::1],
        CARS_TYPE,
        EPISODES_TYPE,
        types.int64[::1],
        FACTS_TYPE,
        DOSSIERS_TYPE,
        types.int64[::1],
    ),
    cache=True,
    nogil=True,
)
def judge_crashes(  # type: ignore[no-untyped-def]
    rows, start, numbers, of_group, groups, cars, episodes, highest, facts, dossiers, counters
):
    """Judge the rows from `start` on, in order, until they or the room for facts end.

    Args:
        rows: (n,) REPORT.
        numbers, of_group: CrashRule of all groups, as in RuleSet.
        groups: (capacity,) int32, whose each vehicle is.
        cars, episodes: (capacity,) CAR and EPISODE, state; row 0, nobody's, is scratch.
        highest: (1,) int64, raised to the highest vehicle judged.
        facts: (m,) FACT, m >= FACTS_PER_ROW_MAX; number is the index of its dossier.
        dossiers: (m,) DOSSIER.
        counters: (len(COUNTERS),) int64, added to.

    Returns:
        The first row not judged (n when all were) and the number of facts written.
    """
    written = 0
    first_car = cars.ctypes.data
    for i in range(start, rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            prefetch(first_car + CAR_BYTES * np.int64(rows[i + ROWS_AHEAD].vehicle_id))
        if written + FACTS_PER_ROW_MAX > facts.shape[0]:
            return i, written
        row = rows[i]
        vehicle = np.int64(row.vehicle_id)
        if vehicle <= 0 or vehicle >= cars.shape[0]:
            counters[COUNT_BEYOND] += 1
            continue
        flags = np.int64(row.flags)
        car = cars[vehicle]
        episode = episodes[vehicle]
        if vehicle > highest[0]:
            highest[0] = vehicle
        if row.arrival_ms > car.arrival_ms:
            car.arrival_ms = row.arrival_ms
        if flags & FLAG_REPEATED:
            counters[COUNT_REPEATED] += 1
            continue
        group = owner(np.int64(groups[vehicle]))
        chosen = np.int64(of_group[ruled_as(group, of_group.shape[0])])
        alarm = np.int64(row.alarm)
        signals = ((alarm >> 29) & 3) | ((alarm & 1) << 3)
        if flags & FLAG_CRASH_ITEM:
            signals |= SIGNAL_ITEM
        timeless = (flags & (FLAG_TIME_BAD | FLAG_CLOCK)) != 0
        time_ms = row.arrival_ms if timeless else row.time_ms
        late = (not timeless) and time_ms < car.time_ms

        if late:
            counters[COUNT_LATE] += 1
            if signals & SIGNALS_CRASH == 0:
                continue
            phase = np.int64(car.phase)
            known, close = -1, -1
            for k in range(WINDOWS):
                if episode.run_last_ms[k] != 0 and episode.run_first_ms[k] <= time_ms <= episode.run_last_ms[k]:
                    known = k
            for k in range(WINDOWS):
                if episode.window_last_ms[k] == 0:
                    continue
                inside = episode.window_first_ms[k] <= time_ms <= episode.window_last_ms[k]
                if inside and not (k == 0 and phase == PHASE_SUSPECTED):
                    known = k
                if (
                    episode.window_first_ms[k] - WINDOW_MS <= time_ms <= episode.window_last_ms[k] + WINDOW_MS
                    and close < 0
                ):
                    close = k
            if known >= 0:
                counters[COUNT_LATE_KNOWN] += 1
                continue
            if (phase == PHASE_PENDING or phase == PHASE_SUSPECTED) and abs(time_ms - episode.impact_ms) <= NEAR_MS:
                for kind in range(3):
                    if signals & (1 << kind):
                        _add(episode, kind, 1.0, alarm & 0x7FFFFFFF, time_ms)
                episode.blind |= BLIND_LATE
                if phase == PHASE_SUSPECTED:
                    episode.window_first_ms[0] = min(episode.window_first_ms[0], time_ms)
                    episode.window_last_ms[0] = max(episode.window_last_ms[0], time_ms)
            elif close >= 0:
                episode.window_first_ms[close] = min(episode.window_first_ms[close], time_ms)
                episode.window_last_ms[close] = max(episode.window_last_ms[close], time_ms)
                counters[COUNT_LATE_KNOWN] += 1
                continue
            else:
                # An episode of its own, told and closed at once: live state has long gone on. It is put together in
                # row 0, which is no car's.
                scratch = cars[0]
                past = episodes[0]
                scratch.accelerating = 1 if row.acceleration_mg != ACCELERATION_NONE_MG else car.accelerating
                scratch.lat_1e7 = row.lat_1e7
                scratch.lon_1e7 = row.lon_1e7
                place = flags & FLAGS_NO_POSITION == 0
                speed_kmh10 = np.int64(row.speed_kmh10) if flags & FLAGS_NO_SPEED == 0 else np.int64(-1)
                _begin(
                    scratch,
                    past,
                    row.report_id,
                    row.terminal,
                    time_ms,
                    -1,
                    0,
                    speed_kmh10,
                    np.int64(row.lat_1e7) if place else _NOWHERE,
                    np.int64(row.lon_1e7) if place else _NOWHERE,
                )
                for kind in range(3):
                    if signals & (1 << kind):
                        _add(past, kind, 1.0, alarm & 0x7FFFFFFF, time_ms)
                if row.acceleration_mg != ACCELERATION_NONE_MG and row.acceleration_mg >= numbers[chosen, _JOLT]:
                    past.jolt_mg = row.acceleration_mg
                    past.jolt_own_mg = row.acceleration_mg
                    span_mg = numbers[chosen, _JOLT_FULL] - numbers[chosen, _JOLT]
                    share = _clamp((row.acceleration_mg - numbers[chosen, _JOLT]) / span_mg)
                    _add(past, ACCELERATION, GRADE_UNKNOWN * share, row.acceleration_mg, time_ms)
                past.suspected_report = row.report_id
                if weigh_percent(past, numbers, chosen) >= numbers[chosen, _SUSPECT]:
                    # Behind the newest: that one is the episode under way.
                    if phase == PHASE_SUSPECTED or phase == PHASE_CONFIRMED:
                        under_way_first_ms = episode.window_first_ms[0]
                        under_way_last_ms = episode.window_last_ms[0]
                        episode.window_first_ms[0] = time_ms
                        episode.window_last_ms[0] = time_ms
                        _remember(episode, under_way_first_ms, under_way_last_ms)
                    else:
                        _remember(episode, time_ms, time_ms)
                    _write(
                        past,
                        numbers,
                        chosen,
                        facts,
                        dossiers,
                        written,
                        KIND_SUSPECTED,
                        vehicle,
                        i,
                        row.report_id,
                        time_ms,
                        1,
                    )
                    written += 1
                scratch.phase = PHASE_NONE
                continue
            # It spoke for the episode under way: weighed below.
            speed_kmh10 = np.int64(-1)
        else:
            same = (not timeless) and time_ms == car.time_ms
            if timeless:
                counters[COUNT_TIMELESS] += 1
            elif not same:
                counters[COUNT_JUDGED] += 1
            rising = np.int64(0)
            if signals != 0 or car.signalling != 0:
                rising = _rise(car, episode, row.terminal, signals, 0 if same else 1)
                up = np.int64(0)
                for slot in range(SLOTS):
                    up |= np.int64(episode.slot_signals[slot])
                if up & SIGNALS_CRASH == 0:
                    episode.running = 0
                if signals & SIGNALS_CRASH and not timeless:
                    if not episode.running:
                        episode.running = 1
                        for k in range(WINDOWS - 1, 0, -1):
                            episode.run_first_ms[k] = episode.run_first_ms[k - 1]
                            episode.run_last_ms[k] = episode.run_last_ms[k - 1]
                        episode.run_first_ms[0] = time_ms
                    episode.run_last_ms[0] = time_ms

            # What was known before this report.
            before_kmh10, before_ms = np.int64(-1), np.int64(0)
            if car.speed_ms != 0 and time_ms - car.speed_ms <= BEFORE_MS_MAX:
                before_kmh10 = np.int64(car.speed_kmh10)
                before_ms = car.speed_ms
            speed_kmh10 = np.int64(-1)
            moved_m = -1.0
            apart_ms = np.int64(0)
            lat_1e7, lon_1e7 = np.int64(_NOWHERE), np.int64(_NOWHERE)
            ignition_before = car.ignition
            acceleration_mg = np.int64(0)
            if row.acceleration_mg != ACCELERATION_NONE_MG and not timeless:
                car.accelerating = 1
                acceleration_mg = np.int64(row.acceleration_mg)
            if flags & FLAGS_NO_POSITION == 0:
                lat_1e7, lon_1e7 = np.int64(row.lat_1e7), np.int64(row.lon_1e7)
            standing_kmh10 = 10 * numbers[chosen, _STANDING]
            driving_kmh10 = 10 * numbers[chosen, _DRIVING]
            if not timeless and not same:
                if flags & FLAGS_NO_SPEED == 0:
                    speed_kmh10 = np.int64(row.speed_kmh10)
                if car.time_ms != 0:
                    car.period_ms = min(time_ms - car.time_ms, DROVE_MS_MAX)
                if car.phase == PHASE_NONE and rising == 0 and acceleration_mg < numbers[chosen, _JOLT]:
                    # The quiet way, of nearly every report: only a sharp fall of speed is left to look for.
                    fall = before_kmh10 - speed_kmh10
                    if (
                        speed_kmh10 < 0
                        or before_kmh10 < driving_kmh10
                        or acceleration_mg != 0
                        or time_ms - before_ms > numbers[chosen, _DENSE]
                        or fall * MG_PER_KMH10_PER_MS < numbers[chosen, _DECELERATION_FROM] * (time_ms - before_ms)
                    ):
                        car.time_ms = time_ms
                        car.report = row.report_id
                        car.second_mg = acceleration_mg
                        car.ignition = np.int64(row.status) & 1
                        if speed_kmh10 >= 0:
                            car.speed_ms = time_ms
                            car.speed_kmh10 = row.speed_kmh10
                        if lat_1e7 != _NOWHERE:
                            car.position_ms = time_ms
                            car.lat_1e7 = row.lat_1e7
                            car.lon_1e7 = row.lon_1e7
                        continue
                if lat_1e7 != _NOWHERE and car.position_ms != 0:
                    apart_ms = time_ms - car.position_ms
                    moved_m = distance_m(car.lat_1e7, car.lon_1e7, lat_1e7, lon_1e7)

            # Time is over for what is under way?
            phase = np.int64(car.phase)
            if phase != PHASE_NONE and not timeless:
                if phase == PHASE_PENDING:
                    if time_ms - episode.impact_ms > PENDING_MS:
                        car.phase = PHASE_NONE
                        counters[COUNT_FADED] += 1
                elif phase == PHASE_SUSPECTED:
                    if time_ms - car.time_ms > RETURN_GAP_MS and not episode.extended:
                        episode.extended = 1
                        episode.blind |= BLIND_SILENT
                        episode.deadline_ms = max(episode.deadline_ms, time_ms + PENDING_MS)
                    if time_ms > episode.deadline_ms:
                        car.phase = PHASE_NONE
                        episode.against |= AGAINST_ALONE
                        _write(
                            episode,
                            numbers,
                            chosen,
                            facts,
                            dossiers,
                            written,
                            KIND_CLEARED,
                            vehicle,
                            i,
                            row.report_id,
                            time_ms,
                            0,
                        )
                        written += 1
                elif time_ms > episode.deadline_ms:
                    car.phase = PHASE_NONE

            # What the terminal says itself.
            fastest_kmh10 = max(before_kmh10, speed_kmh10)
            stands = 0 <= fastest_kmh10 < standing_kmh10
            if rising & SIGNALS_CRASH and car.phase != PHASE_CONFIRMED:
                if car.phase == PHASE_NONE:
                    _begin(
                        car,
                        episode,
                        row.report_id,
                        row.terminal,
                        time_ms,
                        before_kmh10,
                        before_ms,
                        speed_kmh10,
                        lat_1e7,
                        lon_1e7,
                    )
                    counters[COUNT_PENDING] += 1
                grade = 1.0
                if stands and time_ms - episode.impact_ms <= SAME_BLOW_MS and 0 <= episode.was_kmh10 < standing_kmh10:
                    episode.against |= AGAINST_STANDING
                    grade = GRADE_STANDING
                for kind in range(3):
                    if rising & (1 << kind):
                        _add(episode, kind, grade, alarm & 0x7FFFFFFF, time_ms)
            open_now = car.phase == PHASE_PENDING or car.phase == PHASE_SUSPECTED
            if rising & SIGNAL_SOS and open_now and 0 <= time_ms - episode.impact_ms <= SOS_MS:
                _add(episode, SOS, 1.0, 1, time_ms)

            # A blow.
            if same and acceleration_mg <= car.second_mg:
                acceleration_mg = np.int64(0)
            if acceleration_mg >= numbers[chosen, _JOLT] and car.phase != PHASE_CONFIRMED:
                own_mg = float(acceleration_mg)
                factor = 1.0
                if fastest_kmh10 < 0:
                    factor = GRADE_UNKNOWN
                else:
                    own_mg = min(own_mg, peak_of_change_mg(fastest_kmh10, numbers[chosen, _PULSE]))
                off = car.time_ms != 0 and not ignition_before and not np.int64(row.status) & 1
                if off:
                    factor *= GRADE_IGNITION_OFF
                span_mg = numbers[chosen, _JOLT_FULL] - numbers[chosen, _JOLT]
                grade = factor * _clamp((own_mg - numbers[chosen, _JOLT]) / span_mg)
                # A car that stands is struck as hard as another drives: the next second shows how it is pushed on.
                pushable = not off and acceleration_mg >= numbers[chosen, _CHANGE_FROM]
                take = False
                if car.phase == PHASE_NONE:
                    if grade > 0 or pushable:
                        _begin(
                            car,
                            episode,
                            row.report_id,
                            row.terminal,
                            time_ms,
                            before_kmh10,
                            before_ms,
                            speed_kmh10,
                            lat_1e7,
                            lon_1e7,
                        )
                        counters[COUNT_PENDING] += 1
                        take = True
                elif episode.jolt_ms == 0:
                    take = time_ms - episode.impact_ms <= SAME_BLOW_MS
                elif acceleration_mg > episode.jolt_mg:
                    signalled = episode.grade[COLLISION] > 0 or episode.grade[ROLLOVER] > 0 or episode.grade[ITEM] > 0
                    if car.phase == PHASE_PENDING and not signalled:
                        # A harder blow than the one that is pending: the episode begins with it.
                        if grade > 0 or pushable:
                            _begin(
                                car,
                                episode,
                                row.report_id,
                                row.terminal,
                                time_ms,
                                before_kmh10,
                                before_ms,
                                speed_kmh10,
                                lat_1e7,
                                lon_1e7,
                            )
                            take = True
                    elif time_ms - episode.impact_ms <= SAME_BLOW_MS:
                        episode.jolt_mg = acceleration_mg
                        episode.jolt_own_mg = max(episode.jolt_own_mg, np.int64(own_mg))
                        _add(episode, ACCELERATION, grade, acceleration_mg, time_ms)
                if take:
                    episode.jolt_ms = time_ms
                    episode.jolt_mg = acceleration_mg
                    episode.jolt_own_mg = np.int64(own_mg)
                    if off:
                        episode.against |= AGAINST_IGNITION_OFF
                    if stands:
                        episode.against |= AGAINST_STANDING
                    _add(episode, ACCELERATION, grade, acceleration_mg, time_ms)
            if acceleration_mg > car.second_mg or not same:
                car.second_mg = acceleration_mg

            # The speed fell faster than brakes can do it, and there is no accelerometer to contradict.
            open_now = car.phase == PHASE_PENDING or car.phase == PHASE_SUSPECTED
            if (
                speed_kmh10 >= 0
                and before_kmh10 >= driving_kmh10
                and row.acceleration_mg == ACCELERATION_NONE_MG
                and time_ms - before_ms <= numbers[chosen, _DENSE]
                and (car.phase == PHASE_NONE or (open_now and time_ms - episode.impact_ms <= DENSE_MS))
            ):
                fall_mg = (before_kmh10 - speed_kmh10) * MG_PER_KMH10_PER_MS / (time_ms - before_ms)
                reach_m = before_kmh10 / 36000 * apart_ms * 1.5 + 15.0
                # The very same coordinates at speed: the receiver stands still, not the car.
                stuck = moved_m == 0.0 or moved_m > reach_m
                if fall_mg >= numbers[chosen, _DECELERATION_FROM] and not stuck:
                    span_mg = numbers[chosen, _DECELERATION_FULL] - numbers[chosen, _DECELERATION_FROM]
                    grade = _clamp((fall_mg - numbers[chosen, _DECELERATION_FROM]) / span_mg)
                    if car.phase == PHASE_NONE and grade > 0:
                        _begin(
                            car,
                            episode,
                            row.report_id,
                            row.terminal,
                            time_ms,
                            before_kmh10,
                            before_ms,
                            speed_kmh10,
                            lat_1e7,
                            lon_1e7,
                        )
                        counters[COUNT_PENDING] += 1
                    if car.phase != PHASE_NONE:
                        _add(episode, DECELERATION, grade, np.int64(fall_mg), time_ms)

            # The change of speed that belongs to the blow.
            if (
                (car.phase == PHASE_PENDING or car.phase == PHASE_SUSPECTED)
                and episode.jolt_ms != 0
                and speed_kmh10 >= 0
                and time_ms - episode.jolt_ms <= JOLT_MS
            ):
                # A car that stood and is pushed on shows only now how hard it was struck. In the blow's own second its
                # speed is a mean that begins before it: of a push it shows half, as a rule.
                pushed_kmh10 = speed_kmh10
                if time_ms == episode.jolt_ms and 0 <= before_kmh10 < standing_kmh10:
                    pushed_kmh10 *= 2
                pushed_mg = min(float(episode.jolt_mg), peak_of_change_mg(pushed_kmh10, numbers[chosen, _PULSE]))
                episode.jolt_own_mg = max(episode.jolt_own_mg, np.int64(pushed_mg))
                span_mg = numbers[chosen, _CHANGE_FULL] - numbers[chosen, _CHANGE_FROM]
                ramp = _clamp((episode.jolt_own_mg - numbers[chosen, _CHANGE_FROM]) / span_mg)
                if ramp > 0:
                    need_kmh10 = CHANGE_SHARE * change_of_peak_kmh10(episode.jolt_own_mg, numbers[chosen, _PULSE])
                    if episode.against & AGAINST_IGNITION_OFF:
                        ramp *= GRADE_IGNITION_OFF
                    for interval in range(2):
                        from_kmh10 = np.int64(episode.before_kmh10) if interval == 0 else before_kmh10
                        from_ms = episode.before_ms if interval == 0 else before_ms
                        if from_kmh10 < 0 or from_ms >= time_ms:
                            continue
                        took_ms = time_ms - from_ms
                        later_ms = max(time_ms - episode.jolt_ms, took_ms - 1000)
                        brake = BRAKE_KMH10_PER_MS + BRAKE_LATER_KMH10_PER_MS * later_ms / 1000
                        fell = from_kmh10 - speed_kmh10 - brake * took_ms
                        rose = speed_kmh10 - from_kmh10 - LAUNCH_KMH10_PER_MS * took_ms
                        grade = ramp * _clamp(max(fell, rose) / need_kmh10)
                        _add(episode, SPEED_CHANGE, grade, abs(from_kmh10 - speed_kmh10), time_ms)

            # How it goes on.
            if (car.phase == PHASE_PENDING or car.phase == PHASE_SUSPECTED) and not timeless and not same:
                after_ms = time_ms - episode.impact_ms
                slides = False
                if moved_m >= SLIDE_M and 0 <= speed_kmh10 < standing_kmh10 and 0 <= before_kmh10 < standing_kmh10:
                    slides = bool(moved_m * 1000 >= SLIDE_MPS * apart_ms)
                if slides:
                    episode.against |= AGAINST_DISAGREES
                if speed_kmh10 >= 0:
                    if speed_kmh10 < standing_kmh10 and not slides:
                        if episode.standing_ms == 0:
                            episode.standing_ms = time_ms
                            episode.stopping = 1 if before_ms <= episode.impact_ms else 0
                        stood_ms = time_ms - episode.standing_ms
                        if episode.was_kmh10 >= driving_kmh10 and stood_ms >= 1000 * numbers[chosen, _STOPPED]:
                            took_ms = episode.standing_ms - episode.impact_ms
                            if took_ms <= 1000 * numbers[chosen, _STOP]:
                                _add(episode, STOPPED, 1.0, took_ms // 1000, episode.standing_ms)
                            elif episode.stopping and took_ms <= STOP_FIRST_MS:
                                _add(episode, STOPPED, GRADE_STOP_FIRST, took_ms // 1000, episode.standing_ms)
                            if stood_ms >= 1000 * numbers[chosen, _STAYED] and episode.grade[STOPPED] > 0:
                                _add(episode, STAYED, 1.0, stood_ms // 1000, time_ms)
                    else:
                        episode.standing_ms = 0
                        if speed_kmh10 >= driving_kmh10:
                            episode.grade[STOPPED] = 0.0
                            episode.grade[STAYED] = 0.0
                if moved_m >= 0 and speed_kmh10 >= CREEP_KMH10 and apart_ms <= DROVE_MS_MAX and after_ms > 0:
                    if np.int64(row.status) & 1:
                        episode.driven_m += moved_m
                    else:
                        episode.against |= AGAINST_TOWED
                if car.phase == PHASE_PENDING and episode.driven_m > 0 and after_ms >= JOLT_MS:
                    on = speed_kmh10 >= driving_kmh10 and speed_kmh10 >= BUMP_SHARE * episode.was_kmh10
                    enough = weigh_percent(episode, numbers, chosen) >= numbers[chosen, _SUSPECT]
                    if not enough and (on or episode.driven_m >= BUMP_M):
                        car.phase = PHASE_NONE
                        counters[COUNT_BUMPS] += 1

            if not timeless and not same:
                car.time_ms = time_ms
                car.report = row.report_id
                car.ignition = np.int64(row.status) & 1
                if speed_kmh10 >= 0:
                    car.speed_ms = time_ms
                    car.speed_kmh10 = row.speed_kmh10
                if lat_1e7 != _NOWHERE:
                    car.position_ms = time_ms
                    car.lat_1e7 = row.lat_1e7
                    car.lon_1e7 = row.lon_1e7

        # Does it suffice?
        if car.phase == PHASE_PENDING or car.phase == PHASE_SUSPECTED:
            percent = weigh_percent(episode, numbers, chosen)
            mark = 1 if late else 0
            if car.phase == PHASE_PENDING and percent >= numbers[chosen, _SUSPECT]:
                car.phase = PHASE_SUSPECTED
                episode.suspected_report = row.report_id
                episode.deadline_ms = episode.impact_ms + np.int64(1000 * numbers[chosen, _ALONE])
                _remember(episode, min(episode.impact_ms, time_ms), max(episode.impact_ms, time_ms))
                _write(
                    episode,
                    numbers,
                    chosen,
                    facts,
                    dossiers,
                    written,
                    KIND_SUSPECTED,
                    vehicle,
                    i,
                    row.report_id,
                    time_ms,
                    mark,
                )
                written += 1
            if car.phase == PHASE_SUSPECTED:
                settled = 0
                if percent >= numbers[chosen, _CONFIRM]:
                    car.phase = PHASE_CONFIRMED
                    settled = KIND_CONFIRMED
                elif (
                    episode.driven_m >= numbers[chosen, _DRIVE_ON]
                    and time_ms - episode.impact_ms >= 1000 * numbers[chosen, _DRIVE_ON_S]
                ):
                    car.phase = PHASE_NONE
                    episode.against |= AGAINST_DROVE_ON
                    settled = KIND_CLEARED
                if settled:
                    _write(
                        episode,
                        numbers,
                        chosen,
                        facts,
                        dossiers,
                        written,
                        settled,
                        vehicle,
                        i,
                        row.report_id,
                        time_ms,
                        mark,
                    )
                    written += 1
    return rows.shape[0], written


@njit(
    types.UniTuple(types.int64, 2)(
        types.int64,
        types.int64,
        types.int64,
        RULES_TYPE,
        types.int32[::1],
        types.int32[::1],
        CARS_TYPE,
        EPISODES_TYPE,
        types.int64[::1],
        FACTS_TYPE,
        DOSSIERS_TYPE,
    ),
    cache=True,
    nogil=True,
)
def sweep_crashes(now_ms, since_ms, start, numbers, of_group, groups, cars, episodes, highest, facts, dossiers):  # type: ignore[no-untyped-def]
    """Take the silence of cars that were struck for evidence: of a suspicion, never of proof.

    A car is silent when nothing has been heard for silence_s and three times its period, and its ignition was on: a
    parked one reports when it likes. Our own absence is nobody's silence.

    Args:
        now_ms, since_ms, start: as in Detector.sweep.
        numbers, of_group, groups, cars, episodes, highest, facts, dossiers: as in judge_crashes.

    Returns:
        The first car not looked at, or -1; and the number of facts written.
    """
    written = 0
    for vehicle in range(start, highest[0] + 1):
        car = cars[vehicle]
        episode = episodes[vehicle]
        if car.phase != PHASE_PENDING and car.phase != PHASE_SUSPECTED:
            continue
        if written == facts.shape[0]:
            return vehicle, written
        if episode.grade[SILENCE] > 0 or not car.ignition or since_ms > car.arrival_ms:
            continue
        group = owner(np.int64(groups[vehicle]))
        chosen = np.int64(of_group[ruled_as(group, of_group.shape[0])])
        quiet_ms = now_ms - car.arrival_ms
        if quiet_ms < 1000 * numbers[chosen, _SILENCE] or quiet_ms < 3 * np.int64(car.period_ms):
            continue
        if car.phase == PHASE_PENDING and episode.was_kmh10 < 10 * numbers[chosen, _DRIVING]:
            continue
        _add(episode, SILENCE, 1.0, quiet_ms // 1000, car.time_ms)
        episode.blind |= BLIND_SILENT
        if car.phase == PHASE_PENDING and weigh_percent(episode, numbers, chosen) >= numbers[chosen, _SUSPECT]:
            car.phase = PHASE_SUSPECTED
            episode.suspected_report = car.report
            episode.deadline_ms = episode.impact_ms + np.int64(1000 * numbers[chosen, _ALONE])
            _remember(episode, min(episode.impact_ms, car.time_ms), max(episode.impact_ms, car.time_ms))
            _write(
                episode,
                numbers,
                chosen,
                facts,
                dossiers,
                written,
                KIND_SUSPECTED,
                vehicle,
                ROW_NONE,
                car.report,
                car.time_ms,
                0,
            )
            written += 1
    return -1, written
