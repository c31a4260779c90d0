"""When a crash is suspected, confirmed and cleared: each rule under its name."""

from typing import Any

import numpy as np
import pytest

from actors.detection import Detection
from core.events import Event
from core.limits import SWEEP_MS
from core.rules import CrashRule, GroupRule, Rules
from protocols.report import (
    FLAG_BATCH,
    FLAG_CRASH_ITEM,
    FLAG_FROZEN,
    FLAG_JUMP,
    FLAG_NO_FIX,
    FLAG_POSITION_BAD,
    FLAG_REPEATED,
    FLAG_TIME_BAD,
)
from tests.detection.reports import EQUATOR, NOON, detection, rows, table, units

pytestmark = pytest.mark.usefixtures("as_they_come")

COLLISION, ROLLOVER, SOS = 1 << 29, 1 << 30, 1 << 0
ON, OFF = 3, 2
Row = dict[str, Any]


def drive(*speeds: float, start_s: int = 0, step_s: int = 1, metres: float = 0.0, **every: Any) -> list[Row]:
    """Return a report a second at these speeds in km/h, the car moving on as it must, its accelerometer at rest."""
    made = []
    for n, speed in enumerate(speeds):
        metres += speed / 3.6 * step_s if n else 0.0
        place = {"lat_1e7": EQUATOR[0], "lon_1e7": EQUATOR[1] + units(metres)}
        time_ms = NOON + (start_s + n * step_s) * 1000
        made.append({"time_ms": time_ms, "speed_kmh10": round(10 * speed), "status": ON, "acceleration_mg": 1020})
        made[-1] |= {"report_id": 5000 + start_s + n * step_s} | place | every
    return made


def at(made: list[Row], second: int, **fields: Any) -> list[Row]:
    """Return the reports with fields of the one at this second (from the first) changed."""
    return [row | fields if n == second else row for n, row in enumerate(made)]


def judged(*made: Row, judge: Detection | None = None) -> list[Event]:
    return [e for e in (judge or detection()).judge(rows(*made)) if e.type.startswith("crash.")]


def told(events: list[Event]) -> list[tuple[str, int]]:
    """Return (stage, seconds after NOON) of each."""
    return [(e.type.removeprefix("crash."), (e.time_ms - NOON) // 1000) for e in events]


def kinds(event: Event) -> set[str]:
    return {one.kind for one in event.payload.evidence}


HIT = [50, 50, 50, 50, 14, *[0] * 80]
"""Fifty, struck in the fourth second, and standing."""
ON_AND_ON = [50] * 40


def test_a_blow_with_the_change_of_speed_that_belongs_to_it_is_suspected_in_its_own_second() -> None:
    first, second = judged(*at(drive(*HIT), 4, acceleration_mg=13_800))
    assert (first.type, first.time_ms) == ("crash.suspected", NOON + 4000)
    payload = first.payload
    assert {"acceleration", "speed_change"} == kinds(first)
    assert (payload.speed_before_kmh10, payload.speed_kmh10, payload.peak_mg) == (500, 140, 13_800)
    assert payload.severity == "moderate"
    assert (payload.against, payload.blind, payload.late) == ((), (), False)
    change = next(one for one in payload.evidence if one.kind == "speed_change")
    assert (change.value, change.weight_percent, change.counted_percent) == (360, 90, 90)
    assert change.time_ms == NOON + 4000
    # It stood five seconds after it: that and the rest suffice.
    assert (second.type, second.payload.suspicion) == ("crash.confirmed", first.id)
    assert {"stopped"} <= kinds(second)


def test_the_weights_are_combined_as_independent_causes() -> None:
    first, *_ = judged(*at(drive(*HIT), 4, acceleration_mg=13_800))
    missed = np.prod([1 - one.counted_percent / 100 for one in first.payload.evidence])
    assert first.payload.confidence_percent == pytest.approx(100 * (1 - missed), abs=1)


@pytest.mark.parametrize("peak_mg", [4_500, 8_000, 14_000, 30_000])
def test_a_car_that_drives_on_over_a_pot_hole_or_a_kerb_is_no_crash(peak_mg: int) -> None:
    assert judged(*at(drive(*ON_AND_ON), 10, acceleration_mg=peak_mg)) == []
    # Nor when it slows down over it, or brakes behind it.
    assert judged(*at(drive(50, 50, 50, 47, 44, 40, 36, *[34] * 20), 4, acceleration_mg=min(peak_mg, 20_000))) == []


def test_a_wheel_that_is_dented_by_a_kerb_while_the_car_brakes_is_no_crash() -> None:
    for peak_mg in (4_500, 7_000, 8_000):
        assert judged(*at(drive(50, 50, 50, 50, 40, 34, *[34] * 20), 4, acceleration_mg=peak_mg)) == []


def test_a_car_struck_from_behind_while_it_stands_shows_by_how_it_is_pushed_on() -> None:
    # At 30 km/h: in the blow's own second it has hardly moved, then it is pushed on, and brakes.
    for speeds in ([0, 0, 0, 0, 1, 24, 8], [0, 0, 0, 0, 14, 12, 0]):
        events = judged(*at(drive(*speeds, *[0] * 80), 4, acceleration_mg=11_500))
        assert events[0].type == "crash.suspected"
        assert {"acceleration", "speed_change"} >= kinds(events[0]) >= {"speed_change"}
    # A terminal that falls in a standing car is not pushed anywhere, nor in one that then drives off.
    assert judged(*at(drive(*[0] * 90), 4, acceleration_mg=25_000)) == []
    assert judged(*at(drive(0, 0, 0, 0, 0, 4, 12, 20, 28, *[35] * 60), 4, acceleration_mg=25_000)) == []
    # A parked one is knocked at by whoever parks beside it: the terminal's own bit says more.
    assert judged(*at(drive(*[0] * 90, status=OFF), 4, acceleration_mg=11_500)) == []


def test_a_car_struck_from_behind_at_speed_is_not_taken_for_one_that_drove_over_something() -> None:
    # Pushed from 46 to 60, then braking hard while it is still fast.
    events = judged(*at(drive(46, 46, 46, 46, 54, 60, 41, 22, 4, *[0] * 80), 4, acceleration_mg=11_000))
    assert (events[0].type, events[0].payload.report_id) == ("crash.suspected", f"{5006:016x}")


def test_an_emergency_stop_is_no_crash_with_or_without_an_accelerometer() -> None:
    speeds = [90, 90, 90, 55, 20, 0, *[0] * 90]
    assert judged(*at(drive(*speeds), 3, acceleration_mg=1_450)) == []
    assert judged(*drive(*speeds, acceleration_mg=0xFFFF)) == []


@pytest.mark.parametrize("status", [ON, OFF])
def test_what_strikes_a_terminal_in_a_standing_car_is_no_crash(status: int) -> None:
    # A door slammed, a terminal dropped.
    for peak_mg in (3_000, 9_000, 40_000, 65_534):
        assert judged(*at(drive(*[0] * 100, status=status), 10, acceleration_mg=peak_mg)) == []


def test_a_slow_car_cannot_hit_harder_than_its_speed_allows() -> None:
    # Ten km/h: 5.6 g at most. A terminal that fell off while the car was parked shows forty.
    assert judged(*at(drive(*[10] * 4, *[0] * 80), 4, acceleration_mg=40_000)) == []


def test_a_car_that_is_towed_over_bumps_is_no_crash() -> None:
    towed = drive(*[0] * 5, *[30] * 60, status=OFF)
    assert judged(*at(at(towed, 7, acceleration_mg=6_000), 30, acceleration_mg=9_000)) == []


def test_a_lost_fix_at_speed_is_no_crash() -> None:
    lost = drive(*[90] * 10, acceleration_mg=0xFFFF)
    frozen = lost[-1] | {"speed_kmh10": 0}
    for flags in (0, FLAG_NO_FIX, FLAG_FROZEN, FLAG_POSITION_BAD):
        stuck = [frozen | {"time_ms": NOON + s * 1000, "report_id": s, "flags": flags} for s in range(10, 100)]
        assert judged(*lost, *stuck) == []


def test_gps_alone_sees_a_hard_crash_in_dense_reports_and_is_never_sure() -> None:
    made = drive(80, 80, 80, 80, 2, *[0] * 80, acceleration_mg=0xFFFF)
    (event,) = judged(*made)
    assert kinds(event) >= {"deceleration", "stopped"}
    assert event.payload.blind == ("no_acceleration",)
    assert event.payload.confidence_percent < CrashRule().confirm_percent


def test_gps_alone_sees_nothing_in_sparse_reports() -> None:
    for step_s in (3, 5, 10, 30):
        assert judged(*drive(80, 80, 80, *[0] * 30, step_s=step_s, acceleration_mg=0xFFFF)) == []


def test_an_accelerometer_that_felt_nothing_contradicts_a_fall_of_the_speed() -> None:
    assert judged(*drive(80, 80, 80, 80, 0, *[0] * 80)) == []


def test_sparse_reports_leave_a_blow_unproven_and_say_so_when_the_terminal_speaks() -> None:
    # Parked ten seconds later, with a kerb on the way: or crashed. Nobody can tell.
    assert judged(*at(drive(50, 50, 50, *[0] * 20, step_s=10), 3, acceleration_mg=9_500)) == []
    (event, *_) = judged(*at(drive(50, 50, 50, *[0] * 20, step_s=10), 3, alarm=COLLISION))
    assert "sparse" in event.payload.blind


@pytest.mark.parametrize(
    ("fields", "kind"),
    [({"alarm": COLLISION}, "collision"), ({"flags": FLAG_CRASH_ITEM}, "item"), ({"alarm": ROLLOVER}, "rollover")],
)
def test_what_the_terminal_says_is_suspected_at_once(fields: Row, kind: str) -> None:
    event = judged(*at(drive(*HIT), 3, **fields))[0]
    assert (event.type, event.time_ms, event.version) == ("crash.suspected", NOON + 3000, 2)
    assert kinds(event) == {kind}


def test_a_rollover_of_a_driving_car_is_confirmed_at_once_and_severe() -> None:
    events = judged(*at(drive(*HIT), 3, alarm=ROLLOVER))
    assert told(events) == [("suspected", 3), ("confirmed", 3)]
    assert events[0].payload.severity == "severe"
    # Of a standing one the terminal may have been turned over in somebody's hand.
    events = judged(*at(drive(*[0] * 30), 3, alarm=ROLLOVER))
    assert told(events) == [("suspected", 3)]
    assert events[0].payload.against == ("standing",)


def test_a_collision_bit_is_confirmed_by_a_car_that_stops_and_stays() -> None:
    events = judged(*at(drive(*HIT), 3, alarm=COLLISION))
    # It stands from the fifth second on.
    assert told(events) == [("suspected", 3), ("confirmed", 65)]
    assert kinds(events[1]) == {"collision", "stopped", "stayed"}
    assert events[1].payload.after_s == 62


def test_a_bit_that_stays_up_and_more_evidence_are_one_crash() -> None:
    made = [row | {"alarm": COLLISION} if n >= 3 else row for n, row in enumerate(drive(*HIT))]
    made = at(at(made, 4, acceleration_mg=13_800), 6, alarm=COLLISION | ROLLOVER)
    events = judged(*made)
    assert told(events) == [("suspected", 3), ("confirmed", 4)]
    assert len({e.payload.first_report_id for e in events}) == 1


def test_a_car_that_drives_on_clears_the_suspicion_and_says_how_far() -> None:
    events = judged(*at(drive(*[50] * 60), 3, alarm=COLLISION))
    assert told(events) == [("suspected", 3), ("cleared", 25)]
    payload = events[1].payload
    assert (payload.reason, payload.suspicion, payload.after_s) == ("drove_on", events[0].id, 22)
    assert payload.driven_m == pytest.approx(22 * 50 / 3.6, abs=2)
    assert payload.against == ("drove_on",)


def test_a_car_that_is_moved_without_ignition_has_not_driven_on() -> None:
    made = at(drive(*[50] * 10, *[0] * 40), 8, alarm=COLLISION)
    towed = drive(*[30] * 60, start_s=50, metres=200, status=OFF)
    assert "cleared" not in {stage for stage, _ in told(judged(*made, *towed))}


def test_what_stays_alone_is_cleared_in_the_end() -> None:
    made = at(drive(*[0] * 80, step_s=10), 3, alarm=COLLISION)
    events = judged(*made)
    assert told(events) == [("suspected", 30), ("cleared", 640)]
    assert events[1].payload.reason == "alone"


def test_all_stages_of_one_crash_are_one_story() -> None:
    for made in (at(drive(*HIT), 3, alarm=ROLLOVER), at(drive(*[50] * 60), 3, alarm=COLLISION)):
        first, second = judged(*made)
        assert (first.correlation, second.correlation) == ("", first.id)
        assert second.payload.suspicion == first.id


def test_a_new_crash_after_one_that_was_cleared_is_another() -> None:
    made = at(at(drive(*[50] * 120), 3, alarm=COLLISION), 80, alarm=COLLISION)
    events = judged(*made)
    assert [stage for stage, _ in told(events)] == ["suspected", "cleared", "suspected", "cleared"]
    assert len({e.id for e in events}) == 4


def test_terminals_of_one_car_speak_of_one_crash() -> None:
    made = drive(*HIT)
    other = [row | {"terminal": 2, "report_id": row["report_id"] + 10**6} for row in made]
    both = [one for n, pair in enumerate(zip(made, other, strict=True)) for one in pair]
    both = [row | {"alarm": COLLISION} if row["time_ms"] >= NOON + 3000 else row for row in both]
    assert [stage for stage, _ in told(judged(*both))] == ["suspected", "confirmed"]


def test_a_crash_told_late_is_told_and_says_so() -> None:
    live = drive(*[50] * 30, start_s=1000)
    late = at(drive(*HIT, flags=FLAG_BATCH), 3, alarm=COLLISION, flags=FLAG_BATCH)
    (event,) = judged(*live, *late)
    assert (event.time_ms, event.payload.late, event.payload.blind) == (
        NOON + 3000,
        True,
        ("sparse", "no_speed_before", "late"),
    )
    # Nor do the rest of that batch, its repeat, or the same told backwards find another.
    assert len(judged(*live, *late, *late)) == 1
    held = [row | {"alarm": COLLISION} if n >= 3 else row for n, row in enumerate(late)]
    assert len(judged(*live, *held, *reversed(held))) == 1


def test_a_late_word_of_the_crash_under_way_is_evidence_for_it() -> None:
    made = at(drive(*HIT), 4, acceleration_mg=13_800)[:7]
    late = made[3] | {"alarm": COLLISION, "report_id": 77}
    events = judged(*made, late)
    assert told(events) == [("suspected", 4), ("confirmed", 3)]
    assert (events[1].payload.late, kinds(events[1]) >= {"collision"}) == (True, True)


def test_a_late_blow_is_history() -> None:
    live = drive(*[50] * 30, start_s=1000)
    assert judged(*live, *at(drive(*HIT), 4, acceleration_mg=13_800)) == []


def test_a_terminal_without_a_clock_is_heard() -> None:
    bad = {"flags": FLAG_TIME_BAD, "time_ms": -(2**63), "arrival_ms": NOON + 3000, "alarm": COLLISION}
    (event,) = judged(bad, bad, bad)
    assert (event.time_ms, event.payload.blind) == (
        NOON + 3000,
        ("no_acceleration", "sparse", "no_fix", "no_speed_before"),
    )


def test_a_second_report_of_the_same_second_brings_its_blow_and_its_bit() -> None:
    made = drive(*HIT)
    again = made[4] | {"report_id": 99, "acceleration_mg": 13_800, "alarm": COLLISION}
    events = judged(*made[:5], again, *made[5:])
    assert told(events)[0] == ("suspected", 4)
    assert kinds(events[0]) >= {"collision", "acceleration"}


def test_a_jump_of_the_position_leaves_the_speed() -> None:
    made = at(drive(*HIT), 4, acceleration_mg=13_800, flags=FLAG_JUMP)
    event = judged(*made)[0]
    assert (event.payload.has_fix, kinds(event)) == (False, {"acceleration", "speed_change"})
    # The place is the last that could be used.
    assert event.payload.lon_1e7 == made[3]["lon_1e7"]


def test_a_repeated_report_is_not_judged_again() -> None:
    made = at(drive(*HIT), 3, alarm=COLLISION)
    judge = detection()
    judged(*made, judge=judge)
    assert judged(*(row | {"flags": FLAG_REPEATED} for row in made), judge=judge) == []
    assert judge.statistics()["crash.repeated"] == len(made)


def test_the_emergency_button_after_a_blow_is_evidence() -> None:
    made = at(drive(*HIT), 3, flags=FLAG_CRASH_ITEM)
    made = at(made, 8, alarm=SOS)
    events = judged(*made)
    assert "sos" in kinds(events[-1])
    assert "sos" not in kinds(events[0])


def silent_after(made: list[Row], judge: Detection, silent_s: int = 200) -> list[Event]:
    """Judge, and let others speak for a while: the car does not."""
    events = judged(*made, judge=judge)
    end_ms = made[-1]["time_ms"]
    for s in range(SWEEP_MS // 1000, silent_s, 10):
        other = {"vehicle_id": 2, "terminal": 2, "time_ms": end_ms + s * 1000, "report_id": s}
        events += judged(other, judge=judge)
    return events


def test_a_car_that_falls_silent_after_a_blow_is_suspected_by_its_silence() -> None:
    # Torn off: thirty g, and nothing more. Alone it would not do.
    made = at(drive(50, 50, 50, 50), 3, acceleration_mg=30_000)
    assert judged(*made) == []
    (event,) = silent_after(made, detection())
    assert (event.type, event.time_ms) == ("crash.suspected", NOON + 3000)
    assert kinds(event) == {"acceleration", "silence"}
    assert "silent" in event.payload.blind
    assert event.payload.report_id == f"{5003:016x}"


def test_silence_proves_nothing_and_is_no_evidence_of_a_parked_car_or_of_our_own_absence() -> None:
    bit = at(drive(50, 50, 50, 50), 3, alarm=COLLISION)
    assert told(silent_after(bit, detection())) == [("suspected", 3)]
    weak = at(drive(50, 50, 50, 50), 3, acceleration_mg=30_000)
    assert silent_after(at(weak, 3, acceleration_mg=30_000, status=OFF), detection()) == []
    judge = detection()
    judged(*weak, judge=judge)
    # Nobody was heard for an hour: it was we who were away.
    later = NOON + 3_600_000
    others = [{"vehicle_id": 2, "time_ms": later + s * 1000, "report_id": s} for s in (0, 20, 40)]
    assert judged(*others, judge=judge) == []


def test_a_group_is_judged_by_its_own_thresholds_and_the_fact_names_their_version() -> None:
    made = table()
    made.group[2] = 7
    deaf = CrashRule(collision_percent=10)
    judge = Detection(made, rules=Rules([GroupRule(7, "crash", 3, deaf)]))
    bits = [row | {"vehicle_id": v} for v in (1, 2) for row in at(drive(*HIT), 3, alarm=COLLISION)]
    assert {e.payload.vehicle_id for e in judged(*bits, judge=judge)} == {1}
    judge.swap_rules(Rules([GroupRule(7, "crash", 4, CrashRule())]))
    later = [row | {"vehicle_id": 2, "time_ms": row["time_ms"] + 10**6} for row in at(drive(*HIT), 3, alarm=ROLLOVER)]
    events = judged(*later, judge=judge)
    assert {e.payload.rule_version for e in events} == {4}


@pytest.mark.parametrize("vehicle_id", [0, -1, 64, 2**31 - 1])
def test_a_vehicle_beyond_the_table_is_counted_not_judged(vehicle_id: int) -> None:
    judge = detection()
    assert judged({"alarm": COLLISION, "vehicle_id": vehicle_id}, judge=judge) == []
    assert judge.statistics()["crash.beyond_capacity"] == 1


def test_more_facts_than_there_is_room_for_take_another_pass() -> None:
    made = [{"alarm": ROLLOVER, "vehicle_id": v, "speed_kmh10": 500} for v in range(1, 64)]
    assert len(judged(*made)) == 2 * 63
