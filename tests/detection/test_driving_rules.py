"""Trips, the odometer and speeding: each rule under its name, and what holds for every drive."""

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.detection import Detection
from core.events import Event, OdometerAdvanced, OverspeedSeen, TripClosed
from core.kernels.geodesy import METRES_PER_UNIT
from core.limits import SWEEP_LAG_MS, SWEEP_MS
from core.rules import DrivingRule, GroupRule, Rules
from protocols.report import FLAG_BATCH, FLAG_NO_FIX, ODOMETER_NONE
from tests.detection.reports import EQUATOR, NOON, rows, table, units

pytestmark = pytest.mark.usefixtures("as_they_come")

ON = 1
FIRST_M = 1000
COUNTER_M = 7_000_000


def drive(*legs: tuple[float, float, int], every_s: int = 10, at_s: float = 0, from_m: float = 0, **fields: Any) -> Any:
    """Return reports of a car on a straight way east: legs of (seconds, km/h, status), one report every `every_s`."""
    made = []
    for seconds, kmh, status in legs:
        for _ in range(0, round(seconds), every_s):
            made.append(
                {
                    "time_ms": NOON + round(at_s * 1000),
                    "lat_1e7": EQUATOR[0],
                    "lon_1e7": EQUATOR[1] + units(from_m),
                    "speed_kmh10": round(kmh * 10),
                    "status": status,
                    "report_id": 10_000 + round(at_s * 10),
                    **fields,
                }
            )
            at_s += every_s
            from_m += kmh / 3.6 * every_s
    return made


def judge(made: list[dict[str, Any]], rule: DrivingRule | None = None, until_s: float = 0) -> list[Event]:
    """Return what is told of these reports, and of the silence until `until_s` behind the last."""
    rules = Rules([GroupRule(1, "driving", 3, rule)]) if rule else None
    detection = Detection(table(), rules=rules)
    events = detection.judge(rows(*made))
    if until_s:
        last_ms = max(report.get("arrival_ms", report["time_ms"]) for report in made)
        events += listen(detection, last_ms, last_ms + round(until_s * 1000))
    return events


def listen(detection: Detection, from_ms: int, until_ms: int) -> list[Event]:
    """Return what follows from silence, told the time as the node tells it: every few seconds."""
    return [
        event
        for now_ms in range(from_ms + SWEEP_LAG_MS, until_ms + SWEEP_LAG_MS + 1, SWEEP_MS)
        for event in detection.advance(now_ms)
    ]


def trips(events: list[Event]) -> list[tuple[float, float, int, str, str]]:
    """Return (from, to, metres, began by, ended by) of each trip that ended; seconds after NOON."""
    return [
        (
            (e.payload.started_ms - NOON) / 1000,
            (e.time_ms - NOON) / 1000,
            e.payload.distance_m,
            e.payload.began_by,
            e.payload.ended_by,
        )
        for e in events
        if isinstance(e.payload, TripClosed)
    ]


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events]


PARKED = (60, 0, 0)


def test_a_trip_goes_from_ignition_on_to_ignition_off() -> None:
    events = judge(drive(PARKED, (30, 0, ON), (600, 36, ON), (20, 0, ON), (120, 0, 0)))
    assert kinds(events) == ["trip.opened", "trip.closed", "odometer.advanced"]
    opened, closed, _ = events
    assert trips(events) == [(60, 710, 6000, "ignition", "ignition")]
    assert (opened.time_ms - NOON, opened.payload.trip_id) == (60_000, closed.payload.trip_id)
    trip = closed.payload
    assert (trip.duration_ms, trip.max_kmh10, trip.distance_from) == (650_000, 360, "positions")
    # Thirty seconds before it set off; at its end the first and the last of three reports that stand.
    assert trip.idle_ms == 20_000 + 20_000
    assert (trip.start_lat_1e7, trip.start_lon_1e7) == EQUATOR
    assert trip.lon_1e7 == EQUATOR[1] + units(6000)
    assert trip.reports == 3 + 60 + 2 + 1


def test_a_key_turned_without_going_anywhere_is_no_trip() -> None:
    assert judge(drive(PARKED, (300, 0, ON), (60, 20, ON), (300, 0, 0)), DrivingRule(moved_m=500)) == []


def test_one_fix_far_away_opens_no_trip() -> None:
    made = drive(PARKED, (60, 0, ON))
    made[8] |= {"lon_1e7": EQUATOR[1] + units(900)}
    assert judge(made) == []


def test_a_flicker_of_the_ignition_ends_nothing() -> None:
    assert len(trips(judge(drive(PARKED, (300, 36, ON), (20, 36, 0), (300, 36, ON), (60, 0, 0))))) == 1
    assert len(trips(judge(drive(PARKED, (300, 36, ON), (40, 0, 0), (300, 36, ON), (60, 0, 0))))) == 2


def test_a_terminal_that_sleeps_when_switched_off_ends_its_trip_all_the_same() -> None:
    made = drive(PARKED, (300, 36, ON), (10, 0, 0))
    assert trips(judge(made, until_s=100)) == []
    assert trips(judge(made, until_s=150)) == [(60, 360, 3000, "ignition", "ignition")]
    # As well when the next it says, hours later, is that it drives.
    later = drive((300, 36, ON), at_s=9000, from_m=3000)
    assert trips(judge(made + later))[0] == (60, 360, 3000, "ignition", "ignition")


@pytest.mark.parametrize("status", [0, ON])
def test_without_ignition_500_metres_begin_a_trip_and_300_seconds_of_standing_end_it(status: int) -> None:
    events = judge(drive((600, 0, status), (600, 36, status), (310, 0, status)))
    # It left between the last report within 150 m and the first beyond; it stood from the last step of 150 m on.
    ((began, ended, metres, by, how),) = trips(events)
    assert (by, how) == ("movement", "standing")
    assert began == pytest.approx(600, abs=20)
    assert ended == pytest.approx(1200, abs=20)
    assert metres == pytest.approx(6000, abs=160)


def test_without_ignition_400_metres_are_no_trip() -> None:
    assert judge(drive((600, 0, 0), (40, 36, 0), (900, 0, 0), (40, 36, 0), (900, 0, 0))) == []


def test_a_standstill_of_four_minutes_is_part_of_the_trip() -> None:
    assert len(trips(judge(drive((60, 0, 0), (300, 36, 0), (240, 0, 0), (300, 36, 0), (400, 0, 0))))) == 1


def test_a_car_carried_ten_kilometres_with_its_ignition_off_is_followed_by_movement() -> None:
    ignition = drive(PARKED, (20, 0, ON), (60, 0, 0))
    carried = drive((1500, 72, 0), (400, 0, 0), at_s=140)
    events = judge(ignition + carried)
    ((began, _, metres, by, how),) = trips(events)
    assert (by, how) == ("movement", "standing")
    assert began == pytest.approx(140, abs=20)
    assert metres == pytest.approx(30_000, abs=200)
    # Nine are a car on a tow: theft has its own detector.
    assert judge(ignition + drive((440, 72, 0), (400, 0, 0), at_s=140)) == []


def test_silence_ends_a_trip_at_its_last_report() -> None:
    made = drive(PARKED, (300, 36, ON))
    assert trips(judge(made, until_s=905)) == []
    assert trips(judge(made, until_s=930)) == [(60, 350, 2900, "ignition", "silence")]
    # The same when the terminal sends what it stored meanwhile, with the gap in it.
    stored = made + drive((300, 36, ON), at_s=2000, from_m=20_000)
    for report in stored:
        report["arrival_ms"] = NOON + 9_000_000
    assert trips(judge(stored)) == [(60, 350, 2900, "ignition", "silence")]


def test_our_own_outage_is_nobodys_silence() -> None:
    made = drive(PARKED, (300, 36, ON))
    detection = Detection(table())
    detection.judge(rows(*made))
    # Another car is the first to be heard after a night in which nobody listened.
    other = {"vehicle_id": 2, "terminal": 2, "time_ms": NOON + 30_000_000, "report_id": 5}
    assert detection.judge(rows(other)) == []
    assert trips(listen(detection, NOON + 30_000_500, NOON + 30_880_000)) == []
    assert trips(listen(detection, NOON + 30_880_000, NOON + 30_920_000)) == [(60, 350, 2900, "ignition", "silence")]


def test_late_reports_are_history() -> None:
    made = drive(PARKED, (300, 36, ON), (60, 0, 0))
    late = [
        {**report, "time_ms": report["time_ms"] - 5, "report_id": n, "flags": FLAG_BATCH}
        for n, report in enumerate(made)
    ]
    once = judge(made)
    detection = Detection(table())
    assert detection.judge(rows(*made, *late)) == once
    assert detection.statistics()["driving.late"] == len(late)


def test_a_report_without_a_fix_still_tells_the_ignition() -> None:
    made = drive(PARKED, (300, 36, ON))
    made += drive((60, 0, 0), at_s=360, from_m=9999, flags=FLAG_NO_FIX)
    assert trips(judge(made)) == [(60, 360, 2900, "ignition", "ignition")]


def test_a_trip_by_a_counter_that_counts_is_as_long_as_it_says() -> None:
    made = drive(PARKED, (600, 36, ON), (60, 0, 0))
    for report in made:
        metres = (report["lon_1e7"] - EQUATOR[1]) * METRES_PER_UNIT
        report["odometer_m"] = COUNTER_M + round(metres * 1.1) // 100 * 100
    closed, advanced = judge(made)[1:]
    assert (closed.payload.distance_m, closed.payload.distance_from) == (6600, "odometer")
    odometer = advanced.payload
    assert (odometer.odometer_m, odometer.advance_m, odometer.source) == (COUNTER_M + 6600, 6600, "odometer")
    assert (odometer.base, odometer.rebased) == (1, "first")


@pytest.mark.parametrize("counted", [lambda m: 5000, lambda m: m * 3, lambda m: 9000 - m, lambda m: m * 0.5])
def test_a_trip_by_a_counter_that_disagrees_is_summed_over_the_fixes(counted: Any) -> None:
    made = drive(PARKED, (600, 36, ON), (60, 0, 0))
    for report in made:
        report["odometer_m"] = int(counted((report["lon_1e7"] - EQUATOR[1]) * METRES_PER_UNIT)) // 100 * 100
    closed, advanced = judge(made)[1:]
    assert (closed.payload.distance_m, closed.payload.distance_from) == (6000, "positions")
    assert (advanced.payload.source, advanced.payload.advance_m) == ("positions", 6000)


def odometers(events: list[Event]) -> list[OdometerAdvanced]:
    return [event.payload for event in events if isinstance(event.payload, OdometerAdvanced)]


def days(*counters: tuple[int, int]) -> list[Event]:
    """Return what is told of trips of 12 km, each with (terminal, counter at its beginning; -1 none)."""
    made = []
    for number, (terminal, counter) in enumerate(counters):
        one = drive(PARKED, (600, 72, ON), (60, 0, 0), at_s=number * 10_000, from_m=number * 12_000, terminal=terminal)
        for report in one:
            driven = (report["lon_1e7"] - EQUATOR[1]) * METRES_PER_UNIT - number * 12_000
            report["odometer_m"] = counter + round(driven) // 100 * 100 if counter >= 0 else ODOMETER_NONE
        made += one
    return judge(made)


def test_the_odometer_goes_on_from_trip_to_trip_and_counts_what_nobody_saw() -> None:
    first, second, third = odometers(days((1, 0), (1, 12_000), (1, 30_000)))
    assert [e.odometer_m for e in (first, second, third)] == [12_000, 24_000, 42_000]
    assert [e.advance_m for e in (first, second, third)] == [12_000, 12_000, 18_000]
    assert {e.base for e in (first, second, third)} == {1}


def test_another_terminal_a_counter_that_goes_back_or_leaps_and_one_that_goes_away_begin_a_new_base() -> None:
    told = odometers(days((1, 50_000), (2, 900_000), (2, 100), (2, 90_000_000), (2, -1), (2, -1)))
    # A counter that leaps is told at once, and goes on from there at the trip's end.
    assert [e.rebased for e in told if e.rebased] == ["first", "terminal", "counter", "counter", "source"]
    assert [e.base for e in told][-1] == 5
    assert sum(e.advance_m for e in told) == pytest.approx(6 * 12_000, abs=200)
    told = odometers(days((1, 50_000), (2, -1), (2, -1), (2, 3000), (2, 15_000)))
    assert [e.rebased for e in told] == ["first", "source", "", "source", ""]
    assert [e.base for e in told] == [1, 2, 2, 3, 3]
    assert all(e.advance_m == pytest.approx(12_000, abs=30) for e in told)


def test_a_counter_that_stands_still_is_none() -> None:
    made = []
    for number in range(3):
        one = drive(PARKED, (600, 72, ON), (60, 0, 0), at_s=number * 10_000, from_m=number * 12_000)
        made += [{**report, "odometer_m": 77_000} for report in one]
    told = odometers(judge(made))
    assert [(e.source, e.rebased) for e in told] == [("positions", "first"), ("positions", ""), ("positions", "")]
    assert [e.odometer_m for e in told] == [12_000, 24_000, 36_000]


def test_a_long_trip_tells_its_odometer_every_fifty_kilometres() -> None:
    for counter in (False, True):
        made = drive(PARKED, (5600, 90, ON), (60, 0, 0), every_s=10)
        if counter:
            for report in made:
                report["odometer_m"] = (
                    COUNTER_M + round((report["lon_1e7"] - EQUATOR[1]) * METRES_PER_UNIT) // 100 * 100
                )
        told = odometers(judge(made))
        assert [e.advance_m for e in told] == pytest.approx([50_000, 50_000, 40_000], abs=800)
        assert sum(e.advance_m for e in told) == pytest.approx(140_000, abs=100)
        assert len({e.trip_id for e in told}) == 1


def test_another_terminal_speaks_for_the_car_once_the_first_is_silent() -> None:
    first = drive(PARKED, (300, 36, ON))
    second = drive(PARKED, (300, 36, ON), (60, 0, 0), from_m=30, terminal=2)
    together = sorted(first + [{**r, "report_id": r["report_id"] + 5} for r in second], key=lambda r: r["time_ms"])
    assert trips(judge(together)) == []
    after = drive((600, 36, ON), (60, 0, 0), at_s=700, from_m=4000, terminal=2)
    assert trips(judge(first + after))[0] == (60, 350, 2900, "ignition", "terminal")


# --- too fast ---------------------------------------------------------------------------------------------------------


def speeding(events: list[Event]) -> list[tuple[str, int, int]]:
    """Return (type, seconds, metres) of each."""
    return [
        (e.type.removeprefix("overspeed."), e.payload.duration_ms // 1000, e.payload.metres)
        for e in events
        if isinstance(e.payload, OverspeedSeen)
    ]


def test_too_fast_for_ten_seconds_is_an_episode_with_its_figures() -> None:
    events = judge(drive((60, 100, ON), (40, 144, ON), (10, 180, ON), (60, 90, ON), every_s=1))
    began, ended = (event for event in events if event.type.startswith("overspeed."))
    assert (began.time_ms, ended.time_ms) == (NOON + 60_000, NOON + 109_000)
    assert (began.payload.duration_ms, ended.payload.duration_ms) == (10_000, 49_000)
    seen = ended.payload
    assert (seen.limit_kmh10, seen.max_kmh10, seen.fence_id, seen.began_ms) == (1200, 1800, 0, NOON + 60_000)
    assert seen.metres == pytest.approx(40 * 40 + 9 * 50, abs=30)
    assert seen.mean_kmh10 == pytest.approx(seen.metres / 49 * 36, abs=1)


def test_one_fast_fix_or_nine_seconds_are_no_episode() -> None:
    assert speeding(judge(drive((60, 100, ON), (1, 250, ON), (60, 100, ON), every_s=1))) == []
    assert speeding(judge(drive((60, 100, ON), (10, 150, ON), (60, 100, ON), every_s=1))) == []
    assert speeding(judge(drive((60, 100, ON), (30, 150, ON), (60, 100, ON), every_s=30))) == []


def test_a_short_dip_does_not_cut_an_episode() -> None:
    events = judge(drive((20, 140, ON), (9, 110, ON), (20, 140, ON), (12, 110, ON), every_s=1))
    assert [(kind, seconds) for kind, seconds, _ in speeding(events)] == [("began", 10), ("ended", 48)]


def test_silence_ends_an_episode_where_it_was_last_heard() -> None:
    made = drive((60, 150, ON), every_s=10)
    assert [kind for kind, _, _ in speeding(judge(made))] == ["began"]
    assert speeding(judge(made, until_s=140))[-1][:2] == ("ended", 50)
    gap = made + drive((60, 150, ON), at_s=300)
    assert [(kind, seconds) for kind, seconds, _ in speeding(judge(gap))] == [
        ("began", 10),
        ("ended", 50),
        ("began", 10),
    ]


def test_a_limit_is_the_groups_own_and_0_is_none() -> None:
    made = drive((60, 90, ON), (60, 50, ON))
    assert [kind for kind, _, _ in speeding(judge(made, DrivingRule(limit_kmh=80)))] == ["began", "ended"]
    assert judge(made, DrivingRule(limit_kmh=80))[0].payload.rule_version == 3
    assert speeding(judge(drive((99, 300, ON)), DrivingRule(limit_kmh=0))) == []


# --- for every drive --------------------------------------------------------------------------------------------------


def life(seed: int, length: int = 400) -> list[dict[str, Any]]:
    """Return reports of three cars, one of them with two terminals: trips, stops, silence, gaps, late and repeated."""
    rng = random.Random(seed)
    now, made = NOON, []
    cars = [{"m": 0.0, "on": 0, "kmh": 0, "km": rng.choice([-1, 0, 5_000_000])} for _ in range(4)]
    while len(made) < length:
        number = rng.randrange(4)
        car = cars[number]
        step_s = rng.choice([1, 5, 10, 10, 10, 30, 60, 150, 400, 1000]) if rng.random() < 0.2 else 5
        now += step_s * 1000
        if rng.random() < 0.08:
            car["on"] ^= rng.choice([0, 1, 1]) if number else 0
            car["kmh"] = 0
        if rng.random() < 0.15:
            car["kmh"] = rng.choice([0, 0, 40, 90, 130, 160]) if car["on"] or not number else 0
        car["m"] += car["kmh"] / 3.6 * step_s * 4
        late_s = rng.choice([0] * 12 + [700])
        report = {
            "vehicle_id": (1, 2, 3, 3)[number],
            "terminal": number + 1,
            "time_ms": now - late_s * 1000,
            "arrival_ms": now + 300,
            "lat_1e7": EQUATOR[0],
            "lon_1e7": EQUATOR[1] + units(car["m"] + rng.gauss(0, 5)),
            "speed_kmh10": car["kmh"] * 10,
            "status": car["on"],
            "odometer_m": car["km"] + round(car["m"]) // 100 * 100 if car["km"] >= 0 else ODOMETER_NONE,
            "report_id": rng.getrandbits(63),
            "flags": rng.choice([0] * 9 + [FLAG_NO_FIX]),
        }
        made.append(report)
        if rng.random() < 0.02:
            car["km"] = rng.choice([-1, 0, 100, 9_000_000])
    for number, report in enumerate(made):
        report["sequence"] = number // 3
    return made


def whole(seed: int) -> list[Event]:
    made = life(seed)
    detection = Detection(table())
    end_ms = made[-1]["arrival_ms"]
    return detection.judge(rows(*made)) + listen(detection, end_ms, end_ms + 1_000_000)


def test_these_lives_are_worth_it() -> None:
    events = [event for seed in range(8) for event in whole(seed)]
    assert {e.payload.ended_by for e in events if isinstance(e.payload, TripClosed)} >= {
        "ignition",
        "standing",
        "silence",
        "terminal",
    }
    assert {e.payload.rebased for e in events if isinstance(e.payload, OdometerAdvanced)} >= {"", "first", "counter"}
    assert len({e.id for e in events}) == len(events) > 200


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 400), max_size=8), st.integers(0, 399))
def test_any_cut_any_doubling_and_any_restart_give_the_same_facts(seed: int, cuts: list[int], restart: int) -> None:
    made = life(seed)
    expected = whole(seed)
    end_ms = made[-1]["arrival_ms"]
    detection = Detection(table())
    events: list[Event] = []
    for first, last in pairwise(sorted({0, len(made), *cuts, restart})):
        if first == restart:
            state = detection.state(first)
            detection = Detection(table())
            assert detection.take_over(state) == first
        # Each report twice, at the same arrival: a repeat finds nothing.
        events += detection.judge(np.repeat(rows(*made)[first:last], 2))
    assert events + listen(detection, end_ms, end_ms + 1_000_000) == expected


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_no_two_trips_are_open_and_the_odometer_never_goes_back_within_a_base(seed: int) -> None:
    events = whole(seed)
    for vehicle in (1, 2, 3):
        open_trip = ""
        ended_ms = 0
        last: OdometerAdvanced | None = None
        for event in events:
            if event.subject != f"vehicle:{vehicle}":
                continue
            payload = event.payload
            if event.type == "trip.opened":
                assert not open_trip
                open_trip = payload.trip_id
                assert event.time_ms >= ended_ms
            elif event.type == "trip.closed":
                assert open_trip == payload.trip_id
                open_trip, ended_ms = "", event.time_ms
                assert 0 <= payload.idle_ms <= payload.duration_ms
                assert payload.distance_m >= 0
            elif event.type == "odometer.advanced":
                assert payload.advance_m >= 0
                if last and payload.base == last.base:
                    assert payload.odometer_m - last.odometer_m == payload.advance_m
                    assert not payload.rebased
                else:
                    assert payload.base == (last.base if last else 0) + 1
                    assert payload.rebased
                last = payload
        assert not open_trip


def test_a_full_buffer_of_facts_begins_another_pass_and_a_sweep_goes_on_where_it_stopped() -> None:
    from actors.detection import DetectionSettings
    from core.limits import FACTS_PER_ROW_MAX

    made = [
        {**report, "vehicle_id": v, "terminal": v, "report_id": report["report_id"] * 64 + v, "sequence": n}
        for n, report in enumerate(drive(PARKED, (300, 36, ON)))
        for v in range(1, 63)
    ]
    small = Detection(table(), settings=DetectionSettings(facts_max=FACTS_PER_ROW_MAX))
    large = Detection(table())
    end_ms = NOON + 360_000
    assert small.judge(rows(*made)) == large.judge(rows(*made))
    told = listen(small, end_ms, end_ms + 920_000)
    assert told == listen(large, end_ms, end_ms + 920_000)
    assert len(told) == 2 * 62
