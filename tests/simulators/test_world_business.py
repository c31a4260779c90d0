"""The world against the real business: who is taken for whom, whose cars the garage has, held against the truth."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

import msgspec
import pytest

import storage
from actors.business import BUSINESS
from core.business import Business
from core.envelope import Keyring
from core.events import Event, derive_id
from core.events.garage import OdometerReadingRequested, VehiclePersonRequested
from core.events.identity import PersonErasureRequested
from core.events.spine import IntentRefused
from core.rights import NODE
from simulators.terminals import identity
from simulators.world.doors import BASES, TRAITS
from simulators.world.lives import day_ms
from simulators.world.people import Capture, People, captures, people
from simulators.world.town import NoDoorError, Told, Town
from storage.database import Database
from storage.eventlog import EventLog
from storage.garage import Garage
from storage.registry import NewTerminal, Registry
from storage.vault import NewCapture, Vault
from tests.simulators.test_world_town import Street, live


class House:
    """The business of one group on a real database, without HTTP before it."""

    def __init__(self, log: EventLog, keyring: Keyring) -> None:
        self.log = log
        self.vault = Vault(log, keyring)
        self.told: dict[str, tuple[Capture, Told]] = {}
        self.states: Counter[str] = Counter()

    def vehicles(self) -> dict[str, int]:
        return {row.vin: row.vehicle_id for row in Registry(self.log).load()}

    def tell(self, captures: list[tuple[str, Capture]]) -> list[Told]:
        new = [
            NewCapture(
                source=one.source,
                store=one.store + 1,
                time_ms=one.time_ms,
                traits={kind: getattr(one, kind) for kind in TRAITS if getattr(one, kind)},
                basis=BASES[one.source],
                shared=one.consent == "share",
                reference="" if one.source == "web" else reference,
            )
            for reference, one in captures
        ]
        found = []
        for (reference, capture), taken in zip(captures, self.vault.take(NODE, new), strict=True):
            self.states[taken.state] += 1
            found.append(Told(taken.capture, taken.person, taken.code if taken.state == "refused" else taken.state))
            self.told[reference] = (capture, found[-1])
        return found

    def _ask(self, id_: str, type_: str, subject: str, payload: msgspec.Struct) -> str:
        asked = Event(
            id=derive_id("world", type_, 1, (id_,), subject),
            type=type_,
            time_ms=1_793_500_000_000,
            subject=subject,
            actor="account:1",
            payload=payload,
        )
        before = self.log.head()
        self.log.append([asked])
        [decision] = [event for event in self.log.read(before) if event.answers == asked.id]
        return decision.payload.code if isinstance(decision.payload, IntentRefused) else "done"

    def link(self, id_: str, person: int, vehicle: int, role: str, from_ms: int, to_ms: int) -> str:
        said = VehiclePersonRequested(vehicle_id=vehicle, person=person, role=role, from_ms=from_ms, to_ms=to_ms)
        return self._ask(id_, "vehicle.person.requested", f"vehicle:{vehicle}", said)

    def end(self, id_: str, person: int, vehicle: int, role: str, to_ms: int) -> str:
        said = VehiclePersonRequested(
            vehicle_id=vehicle, person=person, role=role, action="end", reason="sold", to_ms=to_ms
        )
        return self._ask(id_, "vehicle.person.requested", f"vehicle:{vehicle}", said)

    def read(self, id_: str, vehicle: int, odometer_km: int) -> str:
        said = OdometerReadingRequested(vehicle_id=vehicle, odometer_m=odometer_km * 1000, source="workshop")
        return self._ask(id_, "odometer.reading.requested", f"vehicle:{vehicle}", said)

    def consent(self, id_: str, person: int, what: str, evidence: str) -> str:
        raise NoDoorError("no consents here")

    def withdraw(self, id_: str, person: int) -> str:
        raise NoDoorError("no consents here")

    def forget(self, id_: str, person: int) -> str:
        return self._ask(
            id_, "person.erasure.requested", f"person:{person}", PersonErasureRequested(person=person, reason="asked")
        )


CARS = 40


@pytest.fixture(scope="module")
def world() -> People:
    return people(92, cars=CARS)


@pytest.fixture(scope="module")
def lived(world: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Town, House]]:
    """A house in which the past was told, and a tenth of a day was lived."""
    path = tmp_path_factory.mktemp("world")
    dsn = f"sqlite:///{path / 'carillon.db'}"
    storage.migrate(dsn)
    log = EventLog(Database(dsn), business=Business(BUSINESS))
    log.catch_up()
    Registry(log).register(
        [
            NewTerminal(
                phone=identity(car.number).phone,
                plate=car.plate,
                vin=car.vin,
                store=0,
                time_ms=world.start_ms - 1,
            )
            for car in world.cars
        ]
    )
    house = House(log, Keyring.from_directory(path / "keys"))
    town = Town(world, house, Street(), pace=100.0)
    begins = day_ms(world, 1)
    live(town, begins, begins + 8_640_000)
    yield town, house
    log.database.close()


def test_whoever_is_taken_for_one_is_one(world: People, lived: tuple[Town, House]) -> None:
    _, house = lived
    taken = defaultdict(list)
    truly = defaultdict(list)
    for reference, (capture, told) in house.told.items():
        if told.person:
            taken[told.person].append((reference, capture.person))
            truly[capture.person].append(reference)
    pairs = [(one[1], other[1]) for group in taken.values() for one, other in combinations(group, 2)]
    wanted = sum(len(group) * (len(group) - 1) // 2 for group in truly.values())
    right = sum(one == other for one, other in pairs)
    assert wanted > 100
    assert right / len(pairs) > 0.97, "precision"
    assert right / wanted > 0.5, "recall, before anybody has looked at a pair"


def test_a_form_sent_twice_is_one_and_a_list_without_consent_is_held(world: People, lived: tuple[Town, House]) -> None:
    _, house = lived
    twice = [one.number for one in captures(world) if one.repeats >= 0]
    assert twice
    for number in twice:
        capture, told = house.told[f"past-{number}"]
        first = house.told[f"past-{capture.repeats}"][1]
        assert (told.capture, told.state) == (first.capture, "repeated")
    for capture, told in house.told.values():
        if capture.source == "partner" and told.capture:
            assert (told.state == "quarantined") == (capture.consent != "share")


def test_a_car_has_the_owner_that_it_truly_has(world: People, lived: tuple[Town, House]) -> None:
    town, house = lived
    garage, numbers = Garage(house.log.database), house.vehicles()
    assert town.counts["link.done"] > 10
    owners = 0
    for car in world.cars:
        view = garage.car(NODE, numbers[car.vin])
        if view is None or not view.owner or car.number in town.known.sold:
            continue
        owners += 1
        now = [one.person for one in car.holdings if one.role == "owner" and not one.to_ms]
        then = [one.person for one in car.holdings if one.role == "owner"]
        true = {told.person for capture, told in house.told.values() if capture.person in then}
        assert view.owner in true, (car, now, view.owner)
    assert owners > 5
