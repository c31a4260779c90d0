"""A drawn day: as many facts as said, all of the shared language, and in an order that every fold can stand."""

import itertools
from collections import Counter, defaultdict

import msgspec
import pytest

from actors.detectors import DETECTORS
from core.events import EVENTS, Event
from simulators.world.day import CARS_MAX, FACTS_PER_CAR, SHARES, day, facts

CARS = 1_000


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return list(day(CARS))


def of(events: list[Event], *types: str) -> dict[int, list[Event]]:
    """Return each car's events of these types, in order."""
    found: dict[int, list[Event]] = defaultdict(list)
    for event in events:
        if event.type in types:
            found[event.payload.vehicle_id].append(event)
    return found


def test_a_car_has_twelve_facts_a_day(events: list[Event]) -> None:
    assert len(events) == facts(CARS) == FACTS_PER_CAR * CARS
    assert facts(100_000) == 1_200_000
    assert sum(share.a_day * share.facts for share in SHARES.values()) == pytest.approx(FACTS_PER_CAR)


def test_the_proportions_are_those_of_the_simulated_city(events: list[Event]) -> None:
    # Sixty cars of the demo, six hours: 2,823 facts of trips and 511 of fences and routes among 3,860.
    counts = Counter(event.type.partition(".")[0] for event in events)
    assert (counts["trip"] + counts["odometer"]) / len(events) == pytest.approx(2_823 / 3_860, abs=0.02)
    assert (counts["fence"] + counts["route"]) / len(events) == pytest.approx(511 / 3_860, abs=0.02)


def test_the_same_seed_gives_the_same_day(events: list[Event]) -> None:
    assert list(day(CARS)) == events
    assert next(day(CARS, 2)) != events[0]


def test_facts_come_in_the_order_of_their_time_and_each_has_an_id_of_its_own(events: list[Event]) -> None:
    assert all(before.time_ms <= after.time_ms for before, after in itertools.pairwise(events))
    assert len({event.id for event in events}) == len(events)
    assert events[-1].time_ms - events[0].time_ms < 86_400_000


def test_every_fact_is_of_the_shared_language(events: list[Event]) -> None:
    for event in {event.type: event for event in events}.values():
        struct = EVENTS[event.type, event.version]
        assert type(event.payload) is struct
        assert msgspec.json.decode(msgspec.json.encode(event.payload), type=struct) == event.payload


def test_detections_facts_have_the_purpose_that_detection_gives_them(events: list[Event]) -> None:
    purposes = {type_: purpose for row in DETECTORS for type_, purpose in row.events.items()}
    for event in events:
        if event.actor == "detection":
            assert event.purpose == purposes[event.type], event.type


def test_trips_of_a_car_do_not_overlap(events: list[Event]) -> None:
    for trips in of(events, "trip.opened", "trip.closed").values():
        assert [event.type for event in trips] == ["trip.opened", "trip.closed"] * (len(trips) // 2)
        for opened, closed in zip(trips[::2], trips[1::2], strict=True):
            assert opened.payload.trip_id == closed.payload.trip_id
            assert closed.payload.started_ms == opened.time_ms < closed.time_ms


def test_an_odometer_goes_on_by_what_was_driven(events: list[Event]) -> None:
    for advances in of(events, "odometer.advanced").values():
        for before, after in itertools.pairwise(advances):
            assert after.payload.odometer_m == before.payload.odometer_m + after.payload.advance_m
    closed = {event.payload.trip_id: event for event in events if event.type == "trip.closed"}
    for event in events:
        if event.type == "odometer.advanced":
            assert event.payload.advance_m == closed[event.payload.trip_id].payload.distance_m


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("route.left", "route.rejoined"),
        ("overspeed.began", "overspeed.ended"),
        ("theft.suspected", "theft.cleared"),
        ("device.unplugged", "device.plugged"),
        ("device.offline", "device.online"),
        ("terminal.session.closed", "terminal.session.opened"),
        ("driver.card.inserted", "driver.card.removed"),
    ],
)
def test_what_begins_ends(events: list[Event], first: str, then: str) -> None:
    found = of(events, first, then)
    assert found
    for both in found.values():
        assert [event.type for event in both] == [first, then] * (len(both) // 2)


def test_whoever_enters_a_fence_leaves_it(events: list[Event]) -> None:
    inside: dict[int, int] = {}
    for event in events:
        if event.type == "fence.entered":
            assert inside.setdefault(event.payload.vehicle_id, event.payload.fence_id) == event.payload.fence_id
        elif event.type == "fence.exited":
            assert inside.pop(event.payload.vehicle_id) == event.payload.fence_id
    assert not inside


def test_every_suspicion_of_a_crash_is_settled_in_its_story(events: list[Event]) -> None:
    suspected = {event.id: event for event in events if event.type == "crash.suspected"}
    settled = [event for event in events if event.type in ("crash.confirmed", "crash.cleared")]
    assert len(suspected) == len(settled) == CARS / 100
    for event in settled:
        assert event.correlation == event.payload.suspicion
        assert suspected[event.payload.suspicion].payload.impact_ms == event.payload.impact_ms


def test_more_cars_than_a_table_holds_or_none_are_refused() -> None:
    for cars in (CARS_MAX + 1, 0):
        with pytest.raises(ValueError, match="a day has 1 to 2000000 cars"):
            day(cars)


@pytest.mark.parametrize("cars", [1, 2, 7])
def test_a_few_cars_have_a_day_too(cars: int) -> None:
    assert len(list(day(cars))) == facts(cars)
