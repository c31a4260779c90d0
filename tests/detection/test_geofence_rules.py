"""When a vehicle has entered or left a fence: each rule under its name, and all of them against a slow model."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.detection import Detection
from core.events import Event
from core.kernels.crossing import BLOCKS_FREE, BLOCKS_TAKEN, FENCE_SLOTS
from core.kernels.geodesy import METRES_PER_UNIT
from core.kernels.geofence import Corridor, Fence, FenceError, Polygon
from core.limits import FENCE_BLOCKS_MAX, FENCE_PASSED_MAX, FENCES_AT_POINT_MAX, FENCES_PER_VEHICLE_MAX, SWEEP_LAG_MS
from core.rules import FenceRule
from protocols.report import FLAG_BATCH, FLAG_NO_FIX, FLAG_POSITION_BAD, FLAG_TIME_BAD
from tests.detection import reports
from tests.detection.reports import EQUATOR, NOON, at, circle, rows, ruled, square, table, told, units

pytestmark = pytest.mark.usefixtures("as_they_come")

IN, OUT = ("fence.entered", 7), ("fence.exited", 7)
INSIDE, SHALLOW, LINE, BAND, BEYOND = -100, -30, 0, 10, 50


def alone(*arguments: Any, **named: Any) -> Detection:
    """Return detection with this detector only: others have things to say about the same reports."""
    judge = Detection(*arguments, **named)
    judge._detectors = [detector for detector in judge._detectors if detector.name == "geofence"]
    return judge


def detection(*fences: Fence, **named: Any) -> Detection:
    return alone(reports.table(), fences, **named)


def judged(*fields: dict[str, Any], rule: FenceRule | None = None, fence: Fence | None = None) -> list[Event]:
    return detection(fence or square(7), rules=ruled(geofence=rule or FenceRule())).judge(rows(*fields))


def drive(*metres: float) -> list[tuple[str, int]]:
    return told(judged(*(at(m) for m in metres)))


def test_one_fix_inside_is_not_enough_and_the_second_enters() -> None:
    assert drive(BEYOND, INSIDE) == []
    assert drive(BEYOND, INSIDE, INSIDE) == [IN]
    assert drive(INSIDE, INSIDE, INSIDE, INSIDE) == [IN]


def test_a_fix_outside_between_begins_anew() -> None:
    assert drive(SHALLOW, BEYOND, SHALLOW) == []
    assert drive(INSIDE, BAND, INSIDE) == []
    assert drive(INSIDE, BAND, INSIDE, INSIDE) == [IN]


def test_the_boundary_is_inside() -> None:
    assert drive(LINE, LINE) == [IN]


def test_a_circle_is_a_fence_too() -> None:
    events = judged(*(at(m) for m in (INSIDE, -1, BAND, BEYOND, BEYOND)), fence=circle(7))
    assert told(events) == [IN, OUT]


def test_it_takes_two_fixes_beyond_the_margin_to_leave() -> None:
    assert drive(INSIDE, INSIDE, BEYOND) == [IN]
    assert drive(INSIDE, INSIDE, BEYOND, BEYOND) == [IN, OUT]


def test_the_margin_is_fifteen_metres() -> None:
    assert drive(INSIDE, INSIDE, 14.9, 14.9, 14.9) == [IN]
    assert drive(INSIDE, INSIDE, 15.1, 15.1) == [IN, OUT]


def test_the_margin_is_two_standard_deviations_when_these_are_more() -> None:
    rule = FenceRule(position_sigma_m=20.0)
    assert told(judged(*(at(m) for m in (INSIDE, INSIDE, 39, 39, 39)), rule=rule)) == [IN]
    assert told(judged(*(at(m) for m in (INSIDE, INSIDE, 41, 41)), rule=rule)) == [IN, OUT]


def test_a_car_parked_on_the_line_does_not_flap() -> None:
    assert drive(*[INSIDE, LINE, BAND, -3, 14, BAND, -14, LINE, 12] * 20) == [IN]


def test_a_fix_in_the_band_ends_a_departure() -> None:
    assert drive(INSIDE, INSIDE, BEYOND, BAND, BEYOND, INSIDE, BEYOND) == [IN]
    assert drive(INSIDE, INSIDE, BEYOND, BAND, BEYOND, BEYOND) == [IN, OUT]


def test_after_leaving_one_may_enter_again() -> None:
    assert drive(INSIDE, INSIDE, BEYOND, BEYOND, INSIDE, INSIDE) == [IN, OUT, IN]


def test_five_seconds_inside_enter_when_more_fixes_are_asked_for() -> None:
    rule = FenceRule(enter_fixes=10)
    fixes = [{**at(INSIDE), "time_ms": NOON + t} for t in (0, 2_000, 4_999)]
    assert told(judged(*fixes, rule=rule)) == []
    assert told(judged(*fixes, {**at(INSIDE), "time_ms": NOON + 5_000}, rule=rule)) == [IN]


def test_ten_seconds_beyond_leave_when_more_fixes_are_asked_for() -> None:
    rule = FenceRule(exit_fixes=10)
    fixes = [{**at(INSIDE), "time_ms": NOON - t} for t in (10_000, 5_000)]
    fixes += [{**at(BEYOND), "time_ms": NOON + t} for t in (0, 4_000, 9_999)]
    assert told(judged(*fixes, rule=rule)) == [IN]
    assert told(judged(*fixes, {**at(BEYOND), "time_ms": NOON + 10_000}, rule=rule)) == [IN, OUT]


def test_a_rule_may_ask_for_one_fix_only() -> None:
    rule = FenceRule(enter_fixes=1, exit_fixes=1)
    assert told(judged(at(INSIDE), at(BEYOND), at(INSIDE), rule=rule)) == [IN, OUT, IN]


@pytest.mark.parametrize("flag", [FLAG_NO_FIX, FLAG_TIME_BAD, FLAG_POSITION_BAD])
def test_a_report_without_a_usable_fix_freezes_the_state(flag: int) -> None:
    blind = {**at(BEYOND), "flags": flag | FLAG_BATCH}
    assert told(judged(at(INSIDE), blind, at(INSIDE))) == [IN]
    assert told(judged(at(INSIDE), at(INSIDE), blind, blind, blind)) == [IN]
    # Nor do its coordinates, often the last known or zero, count as inside.
    assert told(judged({**at(INSIDE), "flags": flag}, at(INSIDE))) == []


def test_a_late_fix_touches_nothing() -> None:
    late = {**at(BEYOND), "time_ms": NOON - 1}
    assert told(judged(at(INSIDE), late, at(INSIDE), late, late)) == [IN]
    # One of the same second neither: the second fix must be a newer one.
    assert told(judged({**at(INSIDE), "time_ms": NOON}, {**at(INSIDE), "time_ms": NOON})) == []


def test_an_event_says_where_when_and_by_which_reports() -> None:
    made = table()
    made.group[1], made.store[1] = 4, 44
    judge = alone(made, [square(7, group=4, store=44)])
    (event,) = judge.judge(rows(at(INSIDE), {**at(-50), "speed_kmh10": 123}))
    # It is dated by the first fix inside, and found by the second.
    assert (event.type, event.time_ms, event.subject, event.actor) == (IN[0], NOON, "vehicle:1", "detection")
    assert (event.group, event.store, event.purpose, event.seq) == (4, 44, "safety", 0)
    payload = event.payload
    assert (payload.vehicle_id, payload.fence_id, payload.speed_kmh10) == (1, 7, 123)
    assert payload.report_id == f"{1001:016x}"
    assert at(-50).items() >= {"lat_1e7": payload.lat_1e7, "lon_1e7": payload.lon_1e7}.items()
    assert (payload.stay_ms, payload.reason, payload.inferred) == (None, "crossed", False)


def test_the_id_comes_from_both_reports_behind_the_crossing() -> None:
    (event,) = judged(at(INSIDE), at(INSIDE))
    (again,) = judged({**at(INSIDE), "sequence": 99, "arrival_ms": 1}, {**at(INSIDE), "sequence": 99, "arrival_ms": 2})
    (other_first,) = judged({**at(INSIDE), "report_id": 5}, at(INSIDE))
    (other_second,) = judged(at(INSIDE), {**at(INSIDE), "report_id": 5})
    assert event.id == again.id
    assert len({event.id, other_first.id, other_second.id}) == 3


def test_a_fence_holds_for_its_group_and_its_store_only() -> None:
    made = table()
    made.group[2], made.store[2] = 4, 44
    made.group[3], made.store[3] = 4, 45
    fences = [square(1), square(2, group=4), square(3, group=4, store=44), square(4, group=5), square(5, store=44)]
    fixes = [{**at(INSIDE), "vehicle_id": v} for v in (1, 2, 3) for _ in range(2)]
    events = alone(made, fences).judge(rows(*fixes))
    entered = {(event.payload.vehicle_id, event.payload.fence_id) for event in events}
    # Vehicle 1 was never given to a group: it is of the first.
    assert entered == {(1, 1), (2, 2), (2, 3), (3, 2)}


def test_a_fence_for_certain_vehicles_judges_only_those() -> None:
    made = table()
    made.store[4] = 44
    fences = [square(1), square(2, vehicles=(5, 3, 1)), square(3, vehicles=()), square(4, store=44, vehicles=(4, 5))]
    fixes = [{**at(m), "vehicle_id": v} for v in range(1, 7) for m in (INSIDE, INSIDE, BEYOND, BEYOND)]
    events = alone(made, fences).judge(rows(*fixes))
    for kind in ("fence.entered", "fence.exited"):
        crossed = {(e.payload.vehicle_id, e.payload.fence_id) for e in events if e.type == kind}
        # Vehicle 5 is chosen for the fence of a store that it does not belong to.
        assert crossed == {(v, 1) for v in range(1, 7)} | {(1, 2), (3, 2), (5, 2), (4, 4)}


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(1, 62), max_size=62), st.sets(st.integers(1, 62), max_size=3))
def test_any_choice_of_vehicles_is_found_again(chosen: set[int], others: set[int]) -> None:
    judge = detection(
        square(1, vehicles=tuple(others)), square(2, vehicles=tuple(chosen)), square(3, vehicles=(2**31 - 1,))
    )
    fixes = [{**at(INSIDE), "vehicle_id": v, "time_ms": NOON + n} for v in range(1, 63) for n in (0, 1)]
    entered = {(event.payload.vehicle_id, event.payload.fence_id) for event in judge.judge(rows(*fixes))}
    assert entered == {(v, 1) for v in others} | {(v, 2) for v in chosen}


@pytest.mark.parametrize("vehicle_id", [0, -1, 2**31])
def test_a_fence_for_no_possible_vehicle_is_refused(vehicle_id: int) -> None:
    with pytest.raises(FenceError, match="vehicle ids"):
        detection(square(1, vehicles=(1, vehicle_id)))


def test_a_vehicle_taken_from_a_fence_while_inside_has_not_left() -> None:
    judge = detection(square(7, vehicles=(1, 2)))
    judge.judge(rows(*({**at(INSIDE), "vehicle_id": v, "time_ms": NOON + n} for v in (1, 2) for n in (0, 1))))
    judge.swap_fences([square(7, vehicles=(2,))])
    later = [
        {**at(m), "vehicle_id": v, "time_ms": NOON + 10**6 + n}
        for v in (1, 2)
        for n, m in enumerate((INSIDE, BEYOND, BEYOND))
    ]
    events = judge.judge(rows(*later))
    assert [(event.type, event.payload.vehicle_id) for event in events] == [("fence.exited", 2)]
    assert judge.statistics()["geofence.fences_gone"] == 1
    # Chosen again it enters anew, by two fixes.
    judge.swap_fences([square(7, vehicles=(1, 2))])
    again = [{**at(INSIDE), "vehicle_id": 1, "time_ms": NOON + 2 * 10**6 + n} for n in range(2)]
    assert told(judge.judge(rows(*again))) == [IN]


def test_a_car_inside_when_a_fence_is_drawn_enters_at_its_next_confirmed_fixes() -> None:
    judge = detection()
    assert judge.judge(rows(at(INSIDE), at(INSIDE))) == []
    judge.swap_fences([square(7)])
    later = [{**at(INSIDE), "time_ms": NOON + 10**6 + n} for n in range(2)]
    assert told(judge.judge(rows(later[0]))) == []
    assert told(judge.judge(rows(later[1]))) == [IN]


def test_a_vehicle_that_changes_groups_has_not_left() -> None:
    made = table()
    judge = alone(made, [square(7)])
    judge.judge(rows(at(INSIDE), at(INSIDE)))
    made.group[1] = 2
    later = [{**at(m), "time_ms": NOON + 10**6 + n} for n, m in enumerate((INSIDE, BEYOND, BEYOND))]
    assert judge.judge(rows(*later)) == []
    assert judge.statistics()["geofence.fences_gone"] == 1


def test_fences_swapped_while_inside() -> None:
    judge = detection(square(7), square(8))
    judge.judge(rows(at(INSIDE), at(INSIDE)))
    judge.swap_fences([square(6, half_m=20.0), square(7, half_m=400.0)])
    later = [{**at(m), "time_ms": NOON + 10**6 + n} for n, m in enumerate((-450, -450, BEYOND, BEYOND))]
    events = judge.judge(rows(*later))
    # 8 is deleted: nobody left it. 7 is smaller, but -450 is inside still, and nobody enters it twice.
    assert told(events) == [OUT]
    assert judge.statistics()["geofence.fences_gone"] == 1


@pytest.mark.parametrize("vehicle_id", [0, -1, 64, 2**31 - 1])
def test_a_vehicle_beyond_the_table_is_counted_not_judged(vehicle_id: int) -> None:
    judge = detection(square(7))
    fix = {**at(INSIDE), "vehicle_id": vehicle_id}
    assert judge.judge(rows(fix, fix)) == []
    assert judge.statistics()["geofence.beyond_capacity"] == 2


@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, FENCES_PER_VEHICLE_MAX])
def test_many_fences_overflow_and_are_given_back(count: int) -> None:
    made = table()
    judge = alone(made, [square(k, half_m=400 + k) for k in range(1, count + 1)])
    detector: Any = judge._detectors[0]
    there = judge.judge(rows(*({**at(-300), "vehicle_id": v, "time_ms": NOON + n} for v in (1, 2) for n in (0, 1))))
    assert sorted(event.payload.fence_id for event in there) == sorted([*range(1, count + 1)] * 2)
    assert detector.fences[1]["used"] == count
    back = judge.judge(rows(*({**at(5000), "vehicle_id": v, "time_ms": NOON + 9 + n} for v in (1, 2) for n in (0, 1))))
    assert sorted(event.payload.fence_id for event in back) == sorted([*range(1, count + 1)] * 2)
    assert {event.type for event in back} == {"fence.exited"}
    assert detector.fences[1]["used"] == 0
    assert detector.fences[1]["overflow"] == 0
    blocks = 2 * (-(-count // FENCE_SLOTS) - 1)
    assert detector.blocks[BLOCKS_TAKEN] == blocks
    free, seen = int(detector.blocks[BLOCKS_FREE]), 0
    while free:
        free, seen = int(detector.fences[free]["overflow"]), seen + 1
    assert seen == blocks


def test_one_fence_past_the_bound_of_a_vehicle_is_counted_not_tracked() -> None:
    most = FENCES_PER_VEHICLE_MAX
    judge = detection(*(square(k) for k in range(1, most + 2)))
    assert len(judge.judge(rows(at(INSIDE), at(INSIDE)))) == most
    assert judge.statistics()["geofence.fences_untracked"] == 2


def test_fences_of_others_do_not_push_out_ones_own() -> None:
    judge = detection(*(square(k, group=9) for k in range(1, 200)), square(7000))
    assert told(judge.judge(rows(at(INSIDE), at(INSIDE)))) == [("fence.entered", 7000)]


def test_past_the_bound_of_fences_at_a_point_the_rest_is_counted() -> None:
    judge = detection(*(square(k, vehicles=[999]) for k in range(1, FENCES_AT_POINT_MAX + 2)))
    assert judge.judge(rows(at(INSIDE), at(INSIDE))) == []
    assert judge.statistics()["geofence.fences_untracked"] == 2


def test_past_the_last_overflow_block_the_rest_is_counted() -> None:
    made = table()
    judge = alone(made, [square(k) for k in range(1, 10)])
    # As if all but one were taken: vehicle 1 gets the last, vehicle 2 none.
    detector: Any = judge._detectors[0]
    detector.blocks[BLOCKS_TAKEN] = len(detector.fences) - made.capacity - 1
    events = judge.judge(rows(*({**at(INSIDE), "vehicle_id": v, "time_ms": NOON + n} for v in (1, 2) for n in (0, 1))))
    assert [event.payload.vehicle_id for event in events] == [1] * 9 + [2] * 8
    assert judge.statistics()["geofence.fences_untracked"] == 2


# --- standing cars ----------------------------------------------------------------------------------------------------

PARKED = {"status": 2, "speed_kmh10": 0}


def parked(metres: float, at_s: int, **fields: Any) -> dict[str, Any]:
    return {**at(metres), **PARKED, "time_ms": NOON + at_s * 1000, **fields}


def test_a_parked_car_is_where_it_was_parked() -> None:
    drove = [{**at(INSIDE), "time_ms": NOON - 10_000}]
    thrown = [parked(BEYOND, 10), parked(BEYOND, 20), parked(-20, 30), parked(BEYOND, 40), parked(-20, 50)]
    assert told(judged(*drove, parked(-20, 0), *thrown)) == [IN]


def test_an_engine_that_idles_stands_too() -> None:
    idle = {"status": 3, "speed_kmh10": 20}
    fixes = [parked(m, 10 * k, **idle) for k, m in enumerate([-10, -10, 19, 19, -12, 25, -10, 19, 19])]
    assert told(judged(*fixes)) == [IN]
    # One fix that says a speed is not believed, unless it is a high one; the second is.
    creep = [parked(BEYOND, 200 + 10 * k, status=3, speed_kmh10=60) for k in range(3)]
    assert told(judged(*fixes, *creep[:2])) == [IN]
    assert told(judged(*fixes, *creep)) == [IN, OUT]
    assert told(judged(*fixes, *({**one, "speed_kmh10": 200} for one in creep[:2]))) == [IN, OUT]


def test_a_thrown_fix_that_says_a_speed_does_not_move_a_standing_car() -> None:
    idle = {"status": 3, "speed_kmh10": 0}
    fixes = [parked(-10, 0, **idle), parked(-10, 10, **idle)]
    for k in range(2, 40, 2):
        fixes += [parked(45, 10 * k, status=3, speed_kmh10=58), parked(17, 10 * k + 10, **idle)]
    assert told(judged(*fixes)) == [IN]


def test_a_towed_car_has_left_once_it_is_displaced_for_long_enough() -> None:
    there = [parked(-20, 0), parked(-20, 10)]
    towed = [parked(100 + 80 * k, 20 + 10 * k) for k in range(5)]
    assert told(judged(*there, *towed[:2])) == [IN]
    # The third says that it was moved, and is the first outside; the next is the second.
    assert told(judged(*there, *towed[:4])) == [IN, OUT]


def test_an_odometer_that_counts_supports_a_displacement() -> None:
    there = [parked(-20, 0, odometer_m=7000), parked(-20, 10, odometer_m=7000)]
    moved = [parked(100, 20, odometer_m=7100), parked(100, 30, odometer_m=7100)]
    assert told(judged(*there, *moved)) == [IN, OUT]


def test_a_thrown_fix_does_not_begin_to_count_where_the_car_stops() -> None:
    # It stops outside; its first standing fix is thrown inside.
    fixes = [{**at(400), "time_ms": NOON - 10_000}, parked(-40, 0), *(parked(70, 10 * k) for k in range(1, 20))]
    assert told(judged(*fixes)) == []


@pytest.mark.parametrize("period_s", [5, 30])
def test_cars_parked_on_a_boundary_hardly_ever_cross_it(period_s: int) -> None:
    # Noise of a receiver: Gauss-Markov, 5 m on each axis, 60 s, and of each hundred fixes one thrown 50 m.
    rng = np.random.default_rng(1)
    cars, hours = 50, 20
    steps = hours * 3600 // period_s
    keep = math.exp(-period_s / 60)
    noise = np.zeros((steps, cars, 2))
    noise[0] = rng.normal(0, 5, (cars, 2))
    pushes = rng.normal(0, 5 * math.sqrt(1 - keep * keep), (steps, cars, 2))
    for k in range(1, steps):
        noise[k] = keep * noise[k - 1] + pushes[k]
    angles = rng.random((steps, cars)) * 2 * math.pi
    thrown = rng.random((steps, cars)) < 0.01
    noise[..., 0] += np.where(thrown, 50 * np.sin(angles), 0)
    noise[..., 1] += np.where(thrown, 50 * np.cos(angles), 0)
    made = np.repeat(rows(at(0)), steps * cars)
    made["lat_1e7"] += np.rint(noise[..., 0] / METRES_PER_UNIT).astype(np.int32).reshape(-1)
    made["lon_1e7"] += np.rint(noise[..., 1] / METRES_PER_UNIT).astype(np.int32).reshape(-1)
    made["vehicle_id"] = np.tile(np.arange(1, cars + 1), steps)
    made["time_ms"] = made["arrival_ms"] = NOON + np.repeat(np.arange(steps), cars) * period_s * 1000
    made["report_id"] = np.arange(len(made))
    # Half of them let the engine run.
    made["status"] = np.where(made["vehicle_id"] % 2, 2, 3)
    made["speed_kmh10"] = rng.integers(0, 15, len(made))
    events = detection(square(7)).judge(made)
    # Whoever is first seen on the line may be inside.
    first: dict[int, Event] = {}
    for event in events:
        first.setdefault(event.payload.vehicle_id, event)
    assert len(events) - len(first) <= 1
    assert all(event.type == "fence.entered" for event in first.values())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-400, 14.5), st.integers(1, 60), st.booleans()), max_size=40))
def test_no_fence_flaps_inside_its_band(fixes: list[tuple[float, int, bool]]) -> None:
    # Wherever inside or within the margin, driving or standing: it is entered once at most.
    now, made = 0, []
    for metres, step_s, drives in fixes:
        now += step_s
        made.append(parked(metres, now, **({"status": 3, "speed_kmh10": 300} if drives else {})))
    assert told(judged(*made)) in ([], [IN])


def test_where_no_block_is_left_a_crossing_is_counted_not_tracked_and_lighter_cars_are_judged() -> None:
    judge = detection(*(square(k) for k in range(1, FENCE_SLOTS + 2)))
    detector: Any = judge._detectors[0]
    # As if so many other cars had taken them.
    detector.blocks[BLOCKS_TAKEN] = FENCE_BLOCKS_MAX
    assert len(judge.judge(rows(at(INSIDE), at(INSIDE)))) == FENCE_SLOTS
    assert judge.statistics()["geofence.fences_untracked"] == 2


# --- the way between two fixes ----------------------------------------------------------------------------------------


def passing(*metres: float, step_s: int = 30, north_m: float = 0.0, **owner: Any) -> list[Event]:
    fence = square(7, half_m=100.0, **owner)
    fixes = [{**at(m), "lat_1e7": units(north_m), "time_ms": NOON + step_s * 1000 * k} for k, m in enumerate(metres)]
    return judged(*fixes, fence=fence)


# The fence reaches from -600 to -400.
def test_a_fence_between_two_fixes_was_entered_and_exited() -> None:
    events = passing(-900, -100)
    assert told(events) == [IN, OUT]
    assert [event.payload.inferred for event in events] == [True, True]
    assert [event.time_ms - NOON for event in events] == pytest.approx([11_250, 18_750], abs=400)
    assert events[1].payload.stay_ms == pytest.approx(7_500, abs=800)
    west = at(-600)["lon_1e7"]
    assert abs(events[0].payload.lon_1e7 - west) < units(12)


def test_of_more_fences_on_the_way_than_are_judged_the_rest_is_counted() -> None:
    judge = detection(*(square(k, half_m=100.0 + k) for k in range(1, FENCE_PASSED_MAX + 2)))
    fixes = [{**at(m), "lat_1e7": 0, "time_ms": NOON + 30_000 * k} for k, m in enumerate((-900, -100))]
    events = judge.judge(rows(*fixes))
    assert (len(events), {event.payload.inferred for event in events}) == (2 * FENCE_PASSED_MAX, {True})
    assert judge.statistics()["geofence.fences_untracked"] == 1


def test_of_a_long_gap_or_way_or_a_short_cut_nothing_is_inferred() -> None:
    assert passing(-900, -100, step_s=121) == []
    assert passing(-2100, 1000) == []
    assert passing(-900, -100, north_m=101) == []
    # A corner cut for less than forty metres.
    corner = Fence(7, Polygon([[(0, EQUATOR[1]), (units(30), EQUATOR[1]), (units(30), EQUATOR[1] + units(60))]]))
    line = [{**at(m), "lat_1e7": units(20), "time_ms": NOON + 10_000 * k} for k, m in enumerate((-900, -100))]
    assert judged(*line, fence=corner) == []


def test_round_a_corner_the_straight_way_says_nothing() -> None:
    fixes = [{**at(m), "course_deg": 135, "time_ms": NOON + 30_000 * k} for k, m in enumerate((-900, -100))]
    assert judged(*fixes, fence=square(7, half_m=100.0)) == []


def test_nothing_is_passed_through_by_whom_it_is_not_for_nor_outside_its_hours() -> None:
    assert passing(-900, -100, group=9) == []
    assert passing(-900, -100, vehicles=(2,)) == []
    assert passing(-900, -100, hours=[(0, 1)]) == []
    assert passing(-900, -100, role="route") == []


def test_a_circle_and_a_corridor_are_passed_through_too() -> None:
    fixes = [{**at(m), "time_ms": NOON + 30_000 * k} for k, m in enumerate((-900, -100))]
    assert told(judged(*fixes, fence=circle(7, 100.0))) == [IN, OUT]
    across = Corridor([(-20_000, EQUATOR[1]), (20_000, EQUATOR[1])], 50.0)
    assert told(judged(*fixes, fence=Fence(7, across))) == [IN, OUT]


def test_one_fix_inside_on_the_way_through_is_a_visit() -> None:
    events = passing(-900, -500, -100)
    assert told(events) == [IN, OUT]
    assert all(event.payload.inferred for event in events)


def test_one_fix_thrown_over_a_boundary_is_not() -> None:
    # Along a boundary 10 m off, one fix lies 40 m inside.
    half = units(500)
    fixes = [
        {**at(0), "lat_1e7": half + units(10 if k != 3 else -40), "lon_1e7": EQUATOR[1] + units(100 * k - 300)}
        for k in range(7)
    ]
    assert judged(*fixes) == []


def test_one_fix_far_outside_between_two_inside_is_a_departure() -> None:
    events = judged(*({**at(m), "time_ms": NOON + 30_000 * k} for k, m in enumerate((-90, -90, 200, -90, -90))))
    assert told(events) == [IN, OUT, IN]
    assert [event.payload.inferred for event in events] == [False, True, True]
    assert [event.time_ms - NOON for event in events[1:]] == [45_000, 75_000]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([-900, -620, -500, -450, -380, -100]), st.integers(5, 60)), max_size=30))
def test_who_enters_exits_before_entering_again(fixes: list[tuple[int, int]]) -> None:
    now, made = NOON, []
    for metres, step_s in fixes:
        now += step_s * 1000
        made.append({**at(metres), "time_ms": now})
    kinds = [kind for kind, _ in told(judged(*made, fence=square(7, half_m=100.0)))]
    assert kinds == ["fence.entered", "fence.exited"] * (len(kinds) // 2) + ["fence.entered"] * (len(kinds) % 2)


# --- hours, stays, speed, routes, who is expected ---------------------------------------------------------------------

MONDAY = 1_748_822_400_000
"""2025-06-02T00:00:00Z."""
MINUTE = 60_000


def swept(judge: Detection, until_ms: int) -> list[Event]:
    """Let the last hour until then pass while nobody says anything."""
    events = []
    now = max(judge._heard_ms, until_ms - 60 * MINUTE)
    while now < until_ms:
        now = min(now + MINUTE, until_ms)
        events += judge.advance(now + SWEEP_LAG_MS)
    return events


def heard(judge: Detection, *fields: dict[str, Any]) -> list[Event]:
    """Judge fixes that arrive as they are made."""
    return judge.judge(rows(*({**one, "arrival_ms": one["time_ms"], "report_id": one["time_ms"]} for one in fields)))


def minutes(metres: float, *moments: float, **fields: Any) -> list[dict[str, Any]]:
    return [{**at(metres), "time_ms": MONDAY + round(moment * MINUTE), **fields} for moment in moments]


def test_outside_its_hours_nothing_enters_or_exits() -> None:
    judge = detection(square(7, hours=[(60, 120)]))
    assert heard(judge, *minutes(INSIDE, 10, 11, 12), *minutes(500, 13, 14), *minutes(500, 70)) == []


def test_who_is_inside_when_hours_begin_enters_then_and_exits_when_they_end() -> None:
    judge = detection(square(7, hours=[(60, 120)], utc_offset_min=0))
    events = heard(judge, *minutes(INSIDE, 10, 11, 70, 119, 121), *minutes(500, 122, 123))
    assert told(events) == [IN, OUT]
    assert [event.time_ms - MONDAY for event in events] == [60 * MINUTE, 120 * MINUTE]
    assert [event.payload.reason for event in events] == ["hours", "hours"]
    assert events[1].payload.stay_ms == 60 * MINUTE


def test_hours_go_by_the_fences_own_clock() -> None:
    judge = detection(square(7, hours=[(8 * 60, 9 * 60)], utc_offset_min=480))
    assert told(heard(judge, *minutes(INSIDE, 1, 2))) == [IN]


def test_hours_begin_and_end_for_a_parked_car_that_is_silent() -> None:
    judge = detection(square(7, hours=[(60, 120), (1500, 1560)]))
    assert heard(judge, *minutes(INSIDE, 10, 11, **PARKED)) == []
    assert swept(judge, MONDAY + 60 * MINUTE + 50_000) == []
    events = swept(judge, MONDAY + 130 * MINUTE)
    events += swept(judge, MONDAY + 1600 * MINUTE)
    assert [(e.type, (e.time_ms - MONDAY) // MINUTE) for e in events] == [
        ("fence.entered", 60),
        ("fence.exited", 120),
        ("fence.entered", 1500),
        ("fence.exited", 1560),
    ]
    assert len({event.id for event in events}) == 4
    # Found by a fix instead, it is the very same fact.
    other = detection(square(7, hours=[(60, 120), (1500, 1560)]))
    (entered,) = heard(other, *minutes(INSIDE, 10, 11, 60.2, **PARKED))
    assert (entered.id, entered.time_ms) == (events[0].id, events[0].time_ms)


def test_a_driving_car_that_is_silent_when_hours_begin_enters_by_its_next_fix() -> None:
    judge = detection(square(7, hours=[(60, 120)]))
    assert heard(judge, *minutes(INSIDE, 58, 59)) == []
    assert swept(judge, MONDAY + 63 * MINUTE) == []
    assert told(heard(judge, *minutes(INSIDE, 64))) == [IN]


def test_a_long_stay_is_told_once_by_a_fix_or_by_time() -> None:
    fence = square(7, dwell_ms=20 * MINUTE)
    by_fix, by_time = detection(fence), detection(fence)
    events = heard(by_fix, *minutes(INSIDE, 0, 1, 19, 21, 30, 50, **PARKED))
    assert told(events) == [IN, ("fence.dwelled", 7)]
    assert told(heard(by_time, *minutes(INSIDE, 0, 1, **PARKED))) == [IN]
    (dwelled,) = swept(by_time, MONDAY + 90 * MINUTE)
    assert (dwelled.id, dwelled.time_ms, dwelled.payload.stay_ms) == (events[1].id, events[1].time_ms, 20 * MINUTE)
    assert dwelled.time_ms == MONDAY + 20 * MINUTE
    # Who drives is asked where it is first.
    driving = detection(fence)
    heard(driving, *minutes(INSIDE, 0, 1))
    assert swept(driving, MONDAY + 90 * MINUTE) == []


def test_a_second_stay_is_another_one() -> None:
    judge = detection(square(7, dwell_ms=5 * MINUTE))
    events = heard(judge, *minutes(INSIDE, 0, 1, 6), *minutes(500, 7, 8), *minutes(INSIDE, 9, 10, 15, 16))
    assert [kind for kind, _ in told(events)].count("fence.dwelled") == 2
    assert events[2].payload.stay_ms == 7 * MINUTE


def test_speed_in_a_zone_begins_after_its_time_and_ends_below_the_slack() -> None:
    judge = detection(square(7, speed_limit_kmh10=300, speed_ms_min=20_000))
    speeds = [290, 310, 350, 330, 300, 280, 320, 270, 400]
    fixes = [{**at(INSIDE), "time_ms": NOON + 10_000 * k, "speed_kmh10": v} for k, v in enumerate(speeds)]
    events = heard(judge, *fixes)
    assert told(events) == [IN, ("overspeed.began", 7), ("overspeed.ended", 7)]
    began, ended = events[1:]
    assert (began.time_ms, began.payload.began_ms, began.payload.limit_kmh10) == (NOON + 10_000, NOON + 10_000, 300)
    assert (began.payload.max_kmh10, began.payload.mean_kmh10, began.payload.duration_ms) == (350, 330, 20_000)
    assert (ended.time_ms, ended.payload.max_kmh10, ended.payload.duration_ms) == (NOON + 70_000, 350, 50_000)


def test_speed_ends_with_the_zone() -> None:
    judge = detection(square(7, speed_limit_kmh10=300))
    fixes = [{**at(m), "time_ms": NOON + 5_000 * k, "speed_kmh10": 700} for k, m in enumerate((-90, -90, -40, 60, 160))]
    assert told(heard(judge, *fixes)) == [IN, ("overspeed.began", 7), ("overspeed.ended", 7), OUT]


ROUTE = Fence(7, Corridor([EQUATOR, (0, EQUATOR[1] + units(5_000))], 50.0), role="route")


def on_route(*places: tuple[float, float], step_s: int = 20, **fields: Any) -> list[dict[str, Any]]:
    """Return fixes so many metres along the route and to its north."""
    return [
        {**at(along - 500), "lat_1e7": units(north), "time_ms": NOON + step_s * 1000 * k, **fields}
        for k, (along, north) in enumerate(places)
    ]


def test_a_route_is_joined_left_and_rejoined() -> None:
    drive = [(100, 0), (300, 0), (500, 0), (700, 200), (900, 400), (1100, 400), (1300, 60), (1500, 0), (1700, 0)]
    events = heard(detection(ROUTE), *on_route(*drive))
    assert told(events) == [IN, ("route.left", 7), ("route.rejoined", 7)]
    assert [event.time_ms - NOON for event in events] == [0, 60_000, 140_000]
    # Not yet: beyond it for twenty seconds only.
    assert told(heard(detection(ROUTE), *on_route(*drive[:5]))) == [IN]


def test_a_car_that_stands_beside_a_route_has_not_left_it() -> None:
    rest = [(1000 + k / 10, 100) for k in range(9)]
    fixes = on_route((400, 0), (600, 0), (800, 0), *rest)
    for fix in fixes[4:]:
        fix |= PARKED
    assert told(heard(detection(ROUTE), *fixes)) == [IN]


def test_past_the_end_of_a_route_it_is_finished_not_left() -> None:
    events = heard(detection(ROUTE), *on_route((4600, 0), (4800, 0), (5200, 100), (5400, 200)))
    assert told(events) == [IN, OUT]
    assert events[1].payload.reason == "end"


def test_a_route_that_is_not_rejoined_is_given_up() -> None:
    judge = detection(ROUTE, rules=ruled(geofence=FenceRule(route_away_ms=600_000)))
    events = heard(judge, *on_route((100, 0), (300, 0), (500, 200), (700, 300), (900, 300), *[(900, 900)] * 40))
    assert told(events) == [IN, ("route.left", 7), OUT]
    assert events[2].payload.reason == "away"


def expecting(**fields: Any) -> Detection:
    return detection(square(7, vehicles=(1, 2, 3), expected=[(60, 120)], **fields))


def test_who_was_not_there_in_the_window_is_missed_once() -> None:
    judge = expecting()
    here = [{**one, "vehicle_id": 1} for one in minutes(INSIDE, 30, 31, **PARKED)]
    visit = [{**one, "vehicle_id": 2} for one in [*minutes(INSIDE, 70, 71), *minutes(500, 80, 81)]]
    gone = [{**one, "vehicle_id": 3} for one in [*minutes(INSIDE, 40, 41), *minutes(500, 50, 51)]]
    heard(judge, *sorted(here + visit + gone, key=lambda one: one["time_ms"]))
    assert swept(judge, MONDAY + 121 * MINUTE) == []
    (missed,) = swept(judge, MONDAY + 123 * MINUTE)
    assert (missed.type, missed.time_ms, missed.subject) == ("fence.missed", MONDAY + 120 * MINUTE, "vehicle:3")
    payload = missed.payload
    assert (payload.from_ms, payload.to_ms) == (MONDAY + 60 * MINUTE, MONDAY + 120 * MINUTE)
    assert payload.inside_ms == MONDAY + 41 * MINUTE
    assert swept(judge, MONDAY + 600 * MINUTE) == []
    # A week later nobody has moved: whoever stands there is there.
    again = swept(judge, MONDAY + (7 * 1440 + 130) * MINUTE)
    assert [event.subject for event in again] == ["vehicle:2", "vehicle:3"]


def test_of_a_window_under_way_when_a_fence_is_drawn_nobody_is_missed() -> None:
    judge = expecting()
    heard(judge, *minutes(500, 90))
    assert swept(judge, MONDAY + 300 * MINUTE) == []


def test_a_window_that_ends_while_nobody_listens_waits_until_cars_are_heard() -> None:
    judge = expecting()
    heard(judge, *minutes(500, 30, 31))
    late = minutes(500, 130)
    assert heard(judge, *late) == []
    assert swept(judge, MONDAY + 131 * MINUTE) == []
    assert len(swept(judge, MONDAY + 133 * MINUTE)) == 3


def test_expectations_survive_a_swap_and_a_snapshot(tmp_path: Path) -> None:
    judge = expecting()
    visit = [{**one, "vehicle_id": 2} for one in [*minutes(INSIDE, 70, 71), *minutes(500, 80, 81)]]
    heard(judge, *minutes(500, 30, 31), *visit)
    judge.swap_fences([square(7, vehicles=(2, 3, 9), expected=[(60, 120)]), square(5)])
    judge.snapshot(tmp_path / "state.npz", 1)
    other = detection(square(7, vehicles=(2, 3, 9), expected=[(60, 120)]), square(5))
    other.restore(tmp_path / "state.npz")
    for one in (judge, other):
        assert [event.subject for event in swept(one, MONDAY + 130 * MINUTE)] == ["vehicle:3", "vehicle:9"]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([-900, -520, -480, -200, -30, 5, 40, 300]),
            st.sampled_from([0, 60, 400]),
            st.sampled_from([1, 10, 30, 100, 900]),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 30),
)
def test_a_restart_or_a_repetition_anywhere_changes_nothing(fixes: list[tuple[float, int, int]], cut: int) -> None:
    fences = [
        square(7, hours=[(0, 5040)], dwell_ms=300_000, speed_limit_kmh10=300),
        square(8, half_m=100.0, vehicles=(1, 2), expected=[(0, 1440), (1440, 2880), (2880, 4320), (4320, 10_080)]),
        Fence(9, Corridor([(0, EQUATOR[1] - 90_000), (0, EQUATOR[1] + 60_000)], 40.0), role="route"),
    ]
    now, made = NOON, []
    for metres, speed, step_s in fixes:
        now += step_s * 1000
        status = 3 if speed else 2
        made.append({**at(metres), "status": status, "speed_kmh10": speed, "time_ms": now, "arrival_ms": now})
    fixes_made = rows(*made)
    whole, halves, double = detection(*fences), detection(*fences), detection(*fences)
    expected = whole.judge(fixes_made) + swept(whole, now + 600_000)
    first = halves.judge(fixes_made[:cut])
    restarted = detection(*fences)
    restarted.take_over(halves.state(0))
    assert first + restarted.judge(fixes_made[cut:]) + swept(restarted, now + 600_000) == expected
    assert double.judge(np.repeat(fixes_made, 2)) + swept(double, now + 600_000) == expected


# --- a slow model of the same rules -----------------------------------------------------------------------------------


def modelled(fixes: list[dict[str, Any]], half_m: dict[int, float], rule: FenceRule) -> list[tuple[str, int, int, int]]:
    """Return (type, vehicle, fence, time) of each crossing, straight from the rules; one list of fixes a vehicle."""
    crossings = []
    for vehicle in {fix["vehicle_id"] for fix in fixes}:
        last_ms = 0
        inside = dict.fromkeys(half_m, False)
        votes: dict[int, list[int]] = {fence: [] for fence in half_m}
        for fix in fixes:
            if fix["vehicle_id"] != vehicle or fix["flags"] or fix["time_ms"] <= last_ms:
                continue
            last_ms = fix["time_ms"]
            for fence, half in half_m.items():
                beyond_m = fix["metres"] - (half - 500)
                if inside[fence]:
                    votes[fence] = (
                        [*votes[fence], last_ms] if beyond_m > max(rule.margin_m_min, 2 * rule.position_sigma_m) else []
                    )
                    sure = rule.exit_fixes, rule.exit_ms
                else:
                    votes[fence] = [*votes[fence], last_ms] if beyond_m <= 0 else []
                    sure = rule.enter_fixes, rule.enter_ms
                times = votes[fence]
                if times and (len(times) >= sure[0] or times[-1] - times[0] >= sure[1]):
                    inside[fence] = not inside[fence]
                    votes[fence] = []
                    crossings.append(("fence.entered" if inside[fence] else "fence.exited", vehicle, fence, times[0]))
    return sorted(crossings)


fix = st.fixed_dictionaries(
    {
        "vehicle_id": st.integers(1, 2),
        "metres": st.sampled_from([-140, -120, -60, -1, 1, 12, 16, 40, 60]),
        "step_ms": st.sampled_from([-3000, 0, 1000, 1000, 4000, 6000, 12_000]),
        "flags": st.sampled_from([0, 0, 0, 0, 0, FLAG_NO_FIX, FLAG_TIME_BAD]),
    }
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(fix, max_size=60),
    st.builds(
        FenceRule,
        enter_fixes=st.integers(1, 4),
        enter_ms=st.sampled_from([5000, 10**9]),
        exit_fixes=st.integers(1, 4),
        exit_ms=st.sampled_from([10_000, 10**9]),
        # Nothing is inferred.
        gap_ms_max=st.just(0),
    ),
    st.lists(st.integers(0, 62), max_size=8),
    st.integers(1, 20),
)
def test_every_stream_gives_what_the_model_gives(
    fixes: list[dict[str, Any]], rule: FenceRule, cuts: list[int], fence_count: int
) -> None:
    half_m = {k: 370.0 + 7.3 * k for k in range(1, fence_count + 1)}
    judge = detection(*(square(k, half) for k, half in half_m.items()), rules=ruled(geofence=rule))
    now = NOON
    for one in fixes:
        now += one["step_ms"]
        one["time_ms"] = now
    made = rows(
        *(
            {**at(f["metres"]), "vehicle_id": f["vehicle_id"], "time_ms": f["time_ms"], "flags": f["flags"]}
            for f in fixes
        )
    )
    edges = sorted({0, *(min(cut, len(made)) for cut in cuts), len(made)})
    events = [event for first, last in pairwise(edges) for event in judge.judge(made[first:last])]
    got = sorted((e.type, e.payload.vehicle_id, e.payload.fence_id, e.time_ms) for e in events)
    assert got == modelled(fixes, half_m, rule)
