"""What people do is planned: the same for each person and day, in their hours, as often as in life times the pace."""

from collections import Counter

import pytest

from simulators.world.lives import ACTS_MAX, KINDS, PACE_MAX, WHATS, Act, day_ms, habits, plan, plans
from simulators.world.people import DAY_MS, People, people


@pytest.fixture(scope="module")
def world() -> People:
    return people(1_200, cars=600)


@pytest.fixture(scope="module")
def acts(world: People) -> list[Act]:
    return plans(world, 3, 100.0)


def test_a_plan_is_of_the_seed_the_person_and_the_day(world: People, acts: list[Act]) -> None:
    assert plans(people(1_200, cars=600), 3, 100.0) == acts
    for person in world.persons[::97]:
        assert list(plan(world, person, 3, 100.0)) == [act for act in acts if act.person == person.id]
    assert plans(world, 4, 100.0) != acts
    assert len({act.id for act in acts}) == len(acts)


def test_acts_are_of_their_day_in_order_of_time(world: People, acts: list[Act]) -> None:
    times = [act.time_ms for act in acts]
    assert times == sorted(times)
    # A form sent twice may be sent again after midnight.
    assert day_ms(world, 3) <= times[0] <= times[-1] < day_ms(world, 4) + 90_000
    assert day_ms(world, 4) - day_ms(world, 3) == DAY_MS
    assert day_ms(world, 0) <= world.now_ms < day_ms(world, 1)


def test_people_do_things_as_often_as_said(world: People, acts: list[Act]) -> None:
    counts = Counter(act.what for act in acts)
    assert set(counts) == set(WHATS)
    owners = sum(any(not one.to_ms for one in car.holdings) for car in world.cars)
    assert owners == 600
    for what in ("form", "call", "show"):
        expected = KINDS[what].a_year / 365 * len(world.persons) * 100
        assert counts[what] == pytest.approx(expected, rel=0.35)


def test_only_whoever_has_a_car_does_what_needs_one(world: People, acts: list[Act]) -> None:
    for act in acts:
        if KINDS[act.what].needs_car:
            holdings = world.cars[act.car].holdings
            assert any(one.person == act.person and not one.to_ms for one in holdings)
        else:
            assert act.car == -1
        if act.what in ("sell", "refer"):
            assert world.person(act.other).household != world.person(act.person).household


def test_what_is_told_is_of_whoever_it_is_about(acts: list[Act]) -> None:
    for act in acts:
        if act.capture is None:
            assert KINDS[act.what].source is None
        else:
            assert act.capture.source == KINDS[act.what].source
            assert act.capture.person == (act.other if act.what == "refer" else act.person)


def test_a_form_is_sent_twice_at_times_and_says_the_same(world: People) -> None:
    forms = {act.id: act for day in range(4) for act in plans(world, day, 200.0) if act.what == "form"}
    twice = [act for id_, act in forms.items() if id_.endswith("b")]
    assert 0.01 < len(twice) / len(forms) < 0.08
    for act in twice:
        first = forms[act.id.removesuffix("b")]
        assert first.capture is not None
        assert act.capture is not None
        assert (first.capture.name, first.capture.phone) == (act.capture.name, act.capture.phone)
        assert 0 < act.time_ms - first.time_ms <= 90_000


def test_a_pace_has_a_bound_and_so_has_a_day(world: People) -> None:
    for pace in (0.0, -1.0, PACE_MAX * 2):
        with pytest.raises(ValueError, match="a pace is above 0 and at most 10000"):
            plan(world, world.persons[0], 0, pace)
    busiest = max(len(plan(world, person, 0, PACE_MAX)) for person in world.persons[:50])
    # The last form of a full day may be sent once more.
    assert ACTS_MAX <= busiest <= 2 * ACTS_MAX


def test_most_answer_their_telephone_and_few_complain(world: People) -> None:
    like = [habits(world, person) for person in world.persons]
    assert sum(one.answers for one in like) / len(like) == pytest.approx(0.65, abs=0.05)
    assert sum(one.complains > 0 for one in like) / len(like) == pytest.approx(0.2, abs=0.05)
    assert sum(one.busy for one in like) / len(like) == pytest.approx(1.0, abs=0.1)
    jobs = Counter(one.job for one in like)
    assert jobs["office"] > jobs["driver"] > 0
    assert jobs["retired"] > 0
