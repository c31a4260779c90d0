"""When a vehicle has entered or left a fence: each rule under its name, and all of them against a slow model."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.detection import Detection
from core.events import Event
from core.kernels.crossing import BLOCKS_FREE, BLOCKS_TAKEN
from core.kernels.geofence import Fence, FenceError
from core.limits import FENCES_AT_POINT_MAX, FENCES_PER_VEHICLE_MAX
from core.rules import FenceRule
from core.vehicle_table import FENCE_SLOTS
from protocols.report import FLAG_BATCH, FLAG_NO_FIX, FLAG_POSITION_BAD, FLAG_TIME_BAD
from tests.detection.reports import NOON, at, circle, detection, rows, ruled, square, table, told

IN, OUT = ("fence.entered", 7), ("fence.exited", 7)
INSIDE, LINE, BAND, BEYOND = -100, 0, 10, 50


def judged(*fields: dict[str, Any], rule: FenceRule | None = None, fence: Fence | None = None) -> list[Event]:
    return detection(fence or square(7), rules=ruled(geofence=rule or FenceRule())).judge(rows(*fields))


def drive(*metres: float) -> list[tuple[str, int]]:
    return told(judged(*(at(m) for m in metres)))


def test_one_fix_inside_is_not_enough_and_the_second_enters() -> None:
    assert drive(BEYOND, INSIDE) == []
    assert drive(BEYOND, INSIDE, INSIDE) == [IN]
    assert drive(INSIDE, INSIDE, INSIDE, INSIDE) == [IN]


def test_a_fix_outside_between_begins_anew() -> None:
    assert drive(INSIDE, BEYOND, INSIDE) == []
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
    judge = Detection(made, [square(7, group=4, store=44)])
    (event,) = judge.judge(rows(at(INSIDE), {**at(-50), "speed_kmh10": 123}))
    assert (event.type, event.time_ms, event.subject, event.actor) == (IN[0], NOON + 10_000, "vehicle:1", "detection")
    assert (event.group, event.store, event.purpose, event.seq) == (4, 44, "safety", 0)
    payload = event.payload
    assert (payload.vehicle_id, payload.fence_id, payload.speed_kmh10) == (1, 7, 123)
    assert payload.report_id == f"{1001:016x}"
    assert {"lat_1e7": payload.lat_1e7, "lon_1e7": payload.lon_1e7} == at(-50)


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
    events = Detection(made, fences).judge(rows(*fixes))
    entered = {(event.payload.vehicle_id, event.payload.fence_id) for event in events}
    # Vehicle 1 was never given to a group: it is of the first.
    assert entered == {(1, 1), (2, 2), (2, 3), (3, 2)}


def test_a_fence_for_certain_vehicles_judges_only_those() -> None:
    made = table()
    made.store[4] = 44
    fences = [square(1), square(2, vehicles=(5, 3, 1)), square(3, vehicles=()), square(4, store=44, vehicles=(4, 5))]
    fixes = [{**at(m), "vehicle_id": v} for v in range(1, 7) for m in (INSIDE, INSIDE, BEYOND, BEYOND)]
    events = Detection(made, fences).judge(rows(*fixes))
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
    judge = Detection(made, [square(7)])
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
    judge = Detection(made, [square(k, half_m=400 + k) for k in range(1, count + 1)])
    there = judge.judge(rows(*({**at(-300), "vehicle_id": v, "time_ms": NOON + n} for v in (1, 2) for n in (0, 1))))
    assert sorted(event.payload.fence_id for event in there) == sorted([*range(1, count + 1)] * 2)
    assert made.fences[1]["used"] == count
    back = judge.judge(rows(*({**at(5000), "vehicle_id": v, "time_ms": NOON + 9 + n} for v in (1, 2) for n in (0, 1))))
    assert sorted(event.payload.fence_id for event in back) == sorted([*range(1, count + 1)] * 2)
    assert {event.type for event in back} == {"fence.exited"}
    assert made.fences[1]["used"] == 0
    assert made.fences[1]["overflow"] == 0
    blocks = 2 * (-(-count // FENCE_SLOTS) - 1)
    assert made.fence_blocks[BLOCKS_TAKEN] == blocks
    free, seen = int(made.fence_blocks[BLOCKS_FREE]), 0
    while free:
        free, seen = int(made.fences[free]["overflow"]), seen + 1
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
    judge = detection(*(square(k, group=9) for k in range(1, FENCES_AT_POINT_MAX + 2)))
    assert judge.judge(rows(at(INSIDE), at(INSIDE))) == []
    assert judge.statistics()["geofence.fences_untracked"] == 2


def test_past_the_last_overflow_block_the_rest_is_counted() -> None:
    made = table()
    judge = Detection(made, [square(k) for k in range(1, 10)])
    # As if all but one were taken: vehicle 1 gets the last, vehicle 2 none.
    made.fence_blocks[BLOCKS_TAKEN] = len(made.fences) - made.capacity - 1
    events = judge.judge(rows(*({**at(INSIDE), "vehicle_id": v, "time_ms": NOON + n} for v in (1, 2) for n in (0, 1))))
    assert [event.payload.vehicle_id for event in events] == [1] * 9 + [2] * 8
    assert judge.statistics()["geofence.fences_untracked"] == 2


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
                    crossings.append(("fence.entered" if inside[fence] else "fence.exited", vehicle, fence, last_ms))
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
