"""The people of the simulated world: the same from the same seed, true in themselves, written down as in life."""

import datetime
import itertools
import re
from collections import Counter, defaultdict

import pytest

from simulators.group import store_of, vin_of
from simulators.world.people import (
    FAULTS,
    NOW_MS,
    PERSONS_MAX,
    QUARANTINE_MS,
    Capture,
    People,
    captures,
    id_check_digit,
    people,
)

PERSONS = 4_000


@pytest.fixture(scope="module")
def world() -> People:
    return people(PERSONS)


@pytest.fixture(scope="module")
def written(world: People) -> list[Capture]:
    return list(captures(world))


def digits_of(phone: str) -> str:
    return "".join(str(int(one)) for one in phone if one.isdecimal())[-11:]


def test_the_same_seed_gives_the_same_people_and_captures(world: People, written: list[Capture]) -> None:
    again = people(PERSONS)
    assert again == world
    assert list(captures(again)) == written
    assert people(PERSONS, 2) != world


def test_now_is_the_first_of_november_in_china() -> None:
    zone = datetime.timezone(datetime.timedelta(hours=8))
    assert datetime.datetime.fromtimestamp(NOW_MS / 1000, zone).isoformat() == "2026-11-01T00:00:00+08:00"


def test_identity_numbers_are_of_nobody_with_the_right_check_digit() -> None:
    # The example of GB 11643-1999.
    assert id_check_digit("11010519491231002") == "X"
    made = people(20_000).persons
    assert len({one.id_number for one in made}) == len(made)
    for one in made[:2_000]:
        assert one.id_number.startswith("9901")
        assert one.id_number[17] == id_check_digit(one.id_number[:17])
        assert datetime.datetime.strptime(one.born, "%Y%m%d").replace(tzinfo=datetime.UTC).year in range(1930, 2009)
        assert int(one.id_number[16]) % 2 == (one.sex == "m")


def test_a_number_is_handed_on_three_months_after_it_was_given_up(world: People) -> None:
    used = defaultdict(list)
    for person in world.persons:
        if person.has_phone:
            for number, after in itertools.zip_longest(person.numbers, person.numbers[1:]):
                used[number.digits].append((number.from_ms, after.from_ms if after else 0, person.id))
    shared = [sorted(uses) for uses in used.values() if len(uses) > 1]
    assert len(shared) > PERSONS / 100
    for (_, given_up_ms, giver), (taken_ms, _, taker) in (uses for uses in shared):
        assert giver != taker
        assert given_up_ms + QUARANTINE_MS <= taken_ms


def test_families_share_telephones_addresses_and_cars(world: People) -> None:
    without = [person for person in world.persons if not person.has_phone]
    assert 0.02 < len(without) / PERSONS < 0.15
    for person in without:
        assert person.numbers == world.person(world.households[person.household].members[0]).numbers
    assert [id_ for home in world.households for id_ in home.members] == list(range(1, PERSONS + 1))
    drivers = [one for car in world.cars for one in car.holdings if one.role == "driver"]
    assert len(drivers) > len(world.cars) / 4


def test_a_car_has_one_owner_at_a_time_and_takes_its_vin_along(world: People) -> None:
    sold = 0
    for car in world.cars:
        assert car.vin == vin_of(car.number)
        owners = sorted((one for one in car.holdings if one.role == "owner"), key=lambda one: one.from_ms)
        sold += len(owners) > 1
        for before, after in itertools.pairwise(owners):
            assert before.to_ms == after.from_ms
            assert world.person(before.person).household != world.person(after.person).household
    assert 0.08 < sold / len(world.cars) < 0.16


def test_whoever_has_a_car_goes_to_the_store_that_has_it_in_its_books(world: People) -> None:
    firsts: dict[int, int] = {}
    for car in world.cars:
        firsts.setdefault(world.person(car.holdings[0].person).household, car.number)
    for household, number in firsts.items():
        for member in world.households[household].members:
            assert world.person(member).store == store_of(number, 6)


@pytest.mark.parametrize("cars", [0, 10, 500, 5_000])
def test_a_fleet_of_any_size_has_its_owners(cars: int) -> None:
    made = people(1_000, cars=cars)
    assert [car.number for car in made.cars] == list(range(cars))
    assert all(car.holdings for car in made.cars)


@pytest.mark.parametrize("persons", [1, 2, 3, 17])
def test_a_few_are_as_many_as_asked_for(persons: int) -> None:
    made = people(persons)
    assert len(made.persons) == persons
    assert sum(len(home.members) for home in made.households) == persons


def test_more_than_two_million_or_nobody_is_refused() -> None:
    for persons in (PERSONS_MAX + 1, 0):
        with pytest.raises(ValueError, match="there are 1 to 2000000 persons"):
            people(persons)


def test_what_has_no_fault_is_true(world: People, written: list[Capture]) -> None:
    for one in written:
        person = world.person(one.person)
        if {"digit", "transposed", "family phone", "former phone"}.isdisjoint(one.faults) and one.phone:
            # A form sent twice says what was true when it was filled in.
            filled_ms = written[one.repeats].time_ms if one.repeats >= 0 else one.time_ms
            assert digits_of(one.phone) == person.number_at(filled_ms)
        if not {"homophone", "dropped", "swapped", "latin", "title"} & set(one.faults) and one.name:
            assert one.name == person.name
        if "id digit" not in one.faults and one.id_number:
            assert one.id_number == person.id_number
        assert set(one.faults) <= set(FAULTS)


def test_a_fault_is_seen_in_its_field(world: People, written: list[Capture]) -> None:
    seen = Counter(fault for one in written for fault in one.faults)
    assert set(seen) == set(FAULTS)
    vins = {car.vin for car in world.cars}
    for one in written:
        person = world.person(one.person)
        if {"homophone", "dropped", "swapped", "latin", "title"} & set(one.faults):
            assert one.name != person.name
        if {"digit", "transposed"} & set(one.faults):
            assert digits_of(one.phone) not in {number.digits for number in person.numbers}
        if "id digit" in one.faults:
            assert one.id_number != person.id_number
            assert one.id_number[17] != id_check_digit(one.id_number[:17])
        if "vin digit" in one.faults:
            assert one.vin not in vins
        if "latin" in one.faults:
            assert re.fullmatch(r"[A-Za-z]+ [A-Za-z]+", one.name)
        if "title" in one.faults:
            assert one.name[-2:] in ("先生", "女士")


def test_a_vin_is_one_of_a_car_that_they_had_then(world: People, written: list[Capture]) -> None:
    by_vin = {car.vin: car for car in world.cars}
    for one in written:
        if one.vin and "vin digit" not in one.faults:
            assert any(
                held.person == one.person and held.from_ms <= one.time_ms for held in by_vin[one.vin].holdings
            ), one


def test_captures_come_in_the_order_of_their_arrival(written: list[Capture]) -> None:
    assert [one.number for one in written] == list(range(len(written)))
    assert all(before.arrival_ms <= after.arrival_ms for before, after in itertools.pairwise(written))
    assert all(one.time_ms <= one.arrival_ms for one in written)
    late = [one for one in written if one.arrival_ms > one.time_ms]
    assert {one.source for one in late} == {"counter", "event", "partner"}


def test_a_form_sent_twice_says_the_same_twice(written: list[Capture]) -> None:
    twice = [one for one in written if one.repeats >= 0]
    assert twice
    for one in twice:
        first = written[one.repeats]
        assert (first.name, first.phone, first.person, first.faults) == (one.name, one.phone, one.person, one.faults)
        assert one.source == "web"
        assert 0 < one.time_ms - first.time_ms <= 90_000


def test_what_is_left_out_changes_nothing_of_the_rest(world: People, written: list[Capture]) -> None:
    since_ms = world.now_ms - 30 * 86_400_000
    late = list(captures(world, since_ms=since_ms))
    assert late
    assert [(one.person, one.name, one.phone, one.time_ms) for one in late] == [
        (one.person, one.name, one.phone, one.time_ms) for one in written if one.time_ms >= since_ms
    ]
