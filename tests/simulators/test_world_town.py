"""The people at work, against a platform that is a table: all is told once, whatever fails, and its truth is kept."""

import contextlib
import io
import random
from collections import Counter

import pytest

from simulators.world import town as towns
from simulators.world.lives import day_ms, plans
from simulators.world.people import Capture, People, captures, people
from simulators.world.town import BEHIND_MS, VISIT_MS, NoDoorError, PlatformError, Told, Town, read_truth

PACE = 300.0


class Paper:
    """A platform that takes everything and knows everybody by what they truly are; it fails at times."""

    def __init__(self, world: People, fails: float = 0.0, seed: int = 1) -> None:
        self.world = world
        self.fails = fails
        self.chance = random.Random(seed)
        self.captures: dict[str, Told] = {}
        self.told: dict[str, Capture] = {}
        self.done: dict[str, tuple[object, ...]] = {}
        self.asked: Counter[str] = Counter()

    def stumble(self) -> None:
        if self.chance.random() < self.fails:
            raise PlatformError("away")

    def vehicles(self) -> dict[str, int]:
        self.stumble()
        return {car.vin: car.number + 1 for car in self.world.cars}

    def tell(self, captures: list[tuple[str, Capture]]) -> list[Told]:
        self.stumble()
        for id_, one in captures:
            self.told.setdefault(id_, one)
            state = "quarantined" if one.source == "partner" and one.consent != "share" else "accepted"
            person = one.person + 10_000 if state == "accepted" else 0
            self.captures.setdefault(id_, Told(len(self.captures) + 1, person, state))
        # The answer may be lost, and what was asked is done all the same.
        self.stumble()
        return [self.captures[id_] for id_, _ in captures]

    def _once(self, id_: str, *said: object) -> str:
        self.stumble()
        assert self.done.setdefault(id_, said) == said, "the same id says the same"
        self.asked[str(said[0])] += 1
        return "done"

    def link(self, id_: str, person: int, vehicle: int, role: str, from_ms: int, to_ms: int) -> str:
        return self._once(id_, "link", person, vehicle, role, from_ms, to_ms)

    def end(self, id_: str, person: int, vehicle: int, role: str, to_ms: int) -> str:
        self.stumble()
        self.done.setdefault(id_, ("end", person, vehicle, role))
        return "done"

    def read(self, id_: str, vehicle: int, odometer_km: int) -> str:
        self.stumble()
        self.done.setdefault(id_, ("read", vehicle, odometer_km))
        return "done"

    def consent(self, id_: str, person: int, what: str, evidence: str) -> str:
        return self._once(id_, "consent", person, what)

    def withdraw(self, id_: str, person: int) -> str:
        return self._once(id_, "withdraw", person)

    def forget(self, id_: str, person: int) -> str:
        return self._once(id_, "forget", person)


class Street:
    """Cars that arrive after a while, or never."""

    def __init__(self, arrives: bool = True) -> None:
        self.arrives = arrives
        self.pressed: list[int] = []
        self.driven: dict[int, int] = {}

    def drive(self, number: int, store: int) -> None:
        self.driven[number] = store

    def is_at(self, number: int, store: int) -> bool:
        return self.arrives and self.driven.get(number) == store

    def press(self, number: int) -> None:
        self.pressed.append(number)

    def odometer_km(self, number: int) -> int:
        return 40_000 + number


@pytest.fixture(scope="module")
def world() -> People:
    return people(250, cars=110)


def live(town: Town, from_ms: int, to_ms: int) -> None:
    """Let a town live, whatever fails on the way."""
    while town.remembering:
        with contextlib.suppress(PlatformError):
            town.turn(from_ms)
    now_ms = from_ms
    while now_ms < to_ms:
        try:
            next_ms = town.turn(now_ms)
        except PlatformError:
            now_ms += 5_000
            continue
        if next_ms is not None:
            now_ms = max(now_ms + 1_000, next_ms)


def test_all_of_the_past_is_told_in_its_order_and_then_the_plans_are_done(world: People) -> None:
    platform, street = Paper(world), Street()
    town = Town(world, platform, street, pace=PACE)
    begins = day_ms(world, 1)
    live(town, begins, begins + 86_400_000)
    past = [id_ for id_ in platform.told if id_.startswith("past-")]
    assert past == [f"past-{one.number}" for one in captures(world)]
    wanted = [act for act in plans(world, 1, PACE) if act.time_ms >= begins]
    done = Counter(name.partition(".")[0] for name in town.counts.elements())
    assert done["pay"] == sum(act.what == "pay" for act in wanted)
    assert platform.asked["link"] > 50
    assert platform.asked["consent"] > 50
    # Whoever comes has their odometer read, at times wrongly.
    read = [said[2] for said in platform.done.values() if said[0] == "read"]
    assert {km > 10_000 for km in read if isinstance(km, int)} == {True, False}
    assert street.pressed
    assert street.driven


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_platform_that_fails_is_told_the_same(world: People, seed: int) -> None:
    calm, rough = Paper(world), Paper(world, 0.2, seed)
    begins = day_ms(world, 1)
    for platform in (calm, rough):
        live(Town(world, platform, Street(), pace=PACE), begins, begins + 40_000_000)
    assert rough.told.keys() == calm.told.keys()
    assert {id_: (one.person, one.name, one.phone) for id_, one in rough.told.items()} == {
        id_: (one.person, one.name, one.phone) for id_, one in calm.told.items()
    }
    assert {said for said in rough.done.values() if said[0] == "link"} == {
        said for said in calm.done.values() if said[0] == "link"
    }


def test_a_town_that_was_stopped_goes_on_from_its_truth(world: People) -> None:
    platform, truth = Paper(world), io.StringIO()
    begins = day_ms(world, 1)
    first = Town(world, platform, Street(), pace=PACE, truth=truth)
    for _ in range(2):
        first.turn(begins)
    before = len(platform.told)
    assert before == 2 * towns.TELL_MAX
    # Killed in the middle of a line.
    lines, known = read_truth(io.StringIO(truth.getvalue() + '{"time_ms":1,"wh'))
    assert known.past == before == len({line.id for line in lines if line.id.startswith("past-")})
    second = Town(world, platform, Street(), pace=PACE, truth=truth, known=known)
    live(second, begins, begins + 20_000_000)
    assert [id_ for id_ in platform.told if id_.startswith("past-")] == [
        f"past-{one.number}" for one in captures(world)
    ]
    lines, known = read_truth(io.StringIO(truth.getvalue()))
    by_id = {line.id: line for line in lines if line.told}
    assert by_id.keys() == platform.told.keys()
    for id_, line in by_id.items():
        assert line.person == platform.told[id_].person
        assert line.taken_for in (0, line.person + 10_000)


def test_a_platform_without_a_door_is_not_told_and_may_be_later(world: People) -> None:
    class Deaf(Paper):
        def tell(self, captures: list[tuple[str, Capture]]) -> list[Told]:
            raise NoDoorError("404")

        def consent(self, id_: str, person: int, what: str, evidence: str) -> str:
            raise NoDoorError("404")

    truth, street = io.StringIO(), Street()
    begins = day_ms(world, 1)
    town = Town(world, Deaf(world), street, pace=PACE, truth=truth)
    live(town, begins, begins + 20_000_000)
    assert town.counts["form.unheard"]
    assert town.counts["reading.done"]
    assert street.pressed
    _, known = read_truth(io.StringIO(truth.getvalue()))
    assert known.past == 0
    platform = Paper(world)
    live(Town(world, platform, Street(), pace=PACE, truth=truth, known=known), begins, begins + 20_000_000)
    assert "past-0" in platform.told


def test_the_truth_holds_numbers_and_nothing_personal(world: People) -> None:
    truth = io.StringIO()
    begins = day_ms(world, 1)
    live(Town(world, Paper(world), Street(), pace=PACE, truth=truth), begins, begins + 10_000_000)
    text = truth.getvalue()
    for person in world.persons:
        assert person.name not in text
        assert person.numbers[-1].digits not in text
        assert person.id_number not in text


def test_whoever_left_does_nothing_more(world: People) -> None:
    truth = io.StringIO()
    begins = day_ms(world, 1)
    live(Town(world, Paper(world), Street(), pace=3_000.0, truth=truth), begins, begins + 86_400_000)
    lines, known = read_truth(io.StringIO(truth.getvalue()))
    assert known.gone
    gone: set[int] = set()
    for line in lines:
        # What was under way when they left (a drive, an insurer's list) still arrives.
        if line.person in gone and line.what not in ("visit", "listed", "breakdown"):
            assert line.outcome == "skipped", line
        if line.what == "leave" and line.outcome == "done":
            gone.add(line.person)


def test_who_never_arrives_is_not_written_down(world: People) -> None:
    platform = Paper(world)
    begins = day_ms(world, 1)
    town = Town(world, platform, Street(arrives=False), pace=PACE)
    live(town, begins, begins + 20_000_000)
    assert town.counts["visit.skipped"]
    visits = {act.id for act in plans(world, 1, PACE) if act.what == "visit" and act.time_ms < begins + 10_000_000}
    assert visits
    assert not visits & platform.told.keys()
    assert VISIT_MS > BEHIND_MS, "a visit is looked for again and again, each look in time"


def test_what_was_slept_through_is_not_made_good(world: People) -> None:
    platform = Paper(world)
    begins = day_ms(world, 1)
    town = Town(world, platform, Street(), pace=PACE)
    live(town, begins, begins + 1_000_000)
    before = len(platform.told)
    town.turn(begins + 80_000_000)
    assert town.counts["late"] > 50
    assert len(platform.told) - before < 30


def test_past_the_bound_acts_under_way_are_let_go(world: People, monkeypatch: pytest.MonkeyPatch) -> None:
    assert towns.DONE_MAX == 100_000
    monkeypatch.setattr(towns, "DONE_MAX", 10)
    town = Town(world, Paper(world), Street(), pace=PACE)
    begins = day_ms(world, 1)
    while town.remembering:
        town.turn(begins)
    town.turn(begins)
    assert town.counts["let_go"] > 50


def test_a_sold_car_is_the_buyers_and_ends_with_the_seller(world: People) -> None:
    platform = Paper(world)
    begins = day_ms(world, 1)
    town = Town(world, platform, Street(), pace=3_000.0)
    live(town, begins, begins + 86_400_000)
    assert town.known.sold
    for number, buyer in town.known.sold.items():
        linked = [said for said in platform.done.values() if said[0] == "link" and said[2] == number + 1]
        assert any(said[1] == buyer + 10_000 and said[3] == "owner" for said in linked)
