"""The garage's rows as people read them, on both databases: whose they are, and what was tampered with."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import ColumnElement, insert, select, text, update

from actors.business.garage import GARAGE
from core import limits
from core.business import Business
from core.chain import START, link
from core.events import Event, OdometerAdvanced, TerminalRegistered, derive_id
from core.events.garage import (
    OdometerReadingRequested,
    VehiclePersonRequested,
    VehicleStateRequested,
)
from core.health_record import parts
from core.rights import NODE, Principal, Scope
from storage.bindings import Entry as Entered
from storage.database import Database
from storage.eventlog import EventLog
from storage.garage import Garage
from storage.registry import Registry
from storage.replay import replay
from storage.tables.business import VEHICLE
from storage.tables.garage import GARAGE_ENTRY
from storage.terminals import TerminalChange, VehicleChange
from tests.business.toy import blank

NOW_MS = 1_760_000_000_000
_NUMBERS = itertools.count(1)


class Place:
    """A database with two cars, each of another store, and the garage that folds what is appended to its log."""

    def __init__(self, database: Database, *, folded: bool = True) -> None:
        self.database = database
        self.log = EventLog(database, business=Business((GARAGE,)) if folded else None)
        self.garage = Garage(database)
        with database.write() as connection:
            for vehicle, store in ((1, 1), (2, 2)):
                connection.execute(
                    insert(VEHICLE).values(
                        id=vehicle, plate=f"京A0000{vehicle}", plate_colour=1, vin="", group_id=1, store_id=store,
                        created_ms=NOW_MS,
                    )
                )  # fmt: skip
        for vehicle in (1, 2):
            self.say("terminal.registered", blank(TerminalRegistered, terminal=vehicle, vehicle_id=vehicle), vehicle)

    def say(self, type_: str, payload: Any, vehicle: int = 1) -> None:
        number = next(_NUMBERS)
        self.log.append(
            [
                Event(
                    id=derive_id("test", type_, 1, (), str(number)), type=type_, time_ms=NOW_MS + number * 60_000,
                    subject=f"vehicle:{vehicle}", store=vehicle, actor="account:7", payload=payload,
                )
            ]
        )  # fmt: skip

    def live(self, vehicle: int = 1) -> None:
        """Let a car have a life."""
        person = VehiclePersonRequested(vehicle_id=vehicle, person=50 + vehicle, role="owner", source="sale")
        self.say("vehicle.person.requested", person, vehicle)
        for odometer_m in (50_000_000, 51_500_000, 52_700_000):
            advanced = blank(OdometerAdvanced, vehicle_id=vehicle, odometer_m=odometer_m, source="odometer", base=1)
            self.say("odometer.advanced", advanced, vehicle)
        step = VehicleStateRequested(vehicle_id=vehicle, state="for_sale", reason="offered")
        self.say("vehicle.state.requested", step, vehicle)
        reading = OdometerReadingRequested(vehicle_id=vehicle, odometer_m=25_700_000, source="workshop")
        self.say("odometer.reading.requested", reading, vehicle)


@pytest.fixture
def place(business_dsn: str) -> Iterator[Place]:
    database = Database(business_dsn)
    yield Place(database)
    database.close()


def of_store(store: int) -> Principal:
    return msgspec.structs.replace(NODE, scope=Scope(stores=(store,)))


def test_each_store_sees_its_own_cars_and_nothing_of_the_other(place: Place) -> None:
    place.live(1)
    place.live(2)
    for mine, theirs in ((1, 2), (2, 1)):
        who = of_store(mine)
        car = place.garage.car(who, mine)
        assert car is not None
        assert (car.owner, car.odometer_m, car.state, car.plate) == (
            50 + mine,
            52_700_000,
            "for_sale",
            f"京A0000{mine}",
        )
        assert [one.person for one in place.garage.people(who, mine)] == [50 + mine]
        assert [one.vehicle_id for one in place.garage.cars_of(who, 50 + mine)] == [mine]
        assert [(one.vehicle_id, one.reading_m) for one in place.garage.held(who)] == [(mine, 25_700_000)]
        assert place.garage.car(who, theirs) is None
        assert place.garage.people(who, theirs) == []
        assert place.garage.cars_of(who, 50 + theirs) == []
        assert place.garage.devices(who, theirs) == []
        assert place.garage.record(who, theirs) == []
        assert place.garage.proof(who, theirs) is None
    assert len(place.garage.held(NODE)) == 2


def test_bindings_that_people_made_through_the_registry_are_those_of_the_garage(place: Place) -> None:
    registry = Registry(place.log)
    report = registry.terminals.enter(
        NODE, [Entered(phone="13800000001", plate="沪A11111"), Entered(phone="13800000002")]
    )
    first, second = (one.terminal for one in report.outcomes)
    car = report.outcomes[0].vehicle_id
    registry.terminals.bind(NODE, second, car, role="camera")
    registry.terminals.unbind(NODE, first)
    registry.terminals.bind(NODE, second, car, role="main")
    registry.terminals.retire(NODE, first)
    registry.terminals.change(NODE, second, TerminalChange(model="X"))
    registry.terminals.change_vehicle(NODE, car, VehicleChange(plate="沪A22222"))
    theirs = {
        (row.vehicle, row.role, row.from_ms, row.to_ms or 0)
        for terminal in (first, second)
        for row in [*_history(place.database, terminal)]
    }
    ours = {
        (vehicle, one.role, one.from_ms, one.to_ms or 0)
        for vehicle in {vehicle for vehicle, *_ in theirs}
        for one in place.garage.devices(NODE, vehicle)
        if one.to_ms is None or one.to_ms > one.from_ms
    }
    assert ours == {one for one in theirs if one[3] == 0 or one[3] > one[2]}
    kinds = [entry.kind for entry in place.garage.record(NODE, car)]
    assert kinds == ["plate", "removed", "fitted", "fitted"]


def _history(database: Database, terminal: int) -> list[Any]:
    with database.read() as connection:
        sql = text(f"SELECT vehicle, role, from_ms, to_ms FROM binding WHERE terminal = {terminal}")
        return list(connection.execute(sql))


# --- the proof of a record --------------------------------------------------------------------------------------------


def test_a_record_that_nobody_touched_is_sound_and_its_head_is_what_the_log_was_told(place: Place) -> None:
    place.live()
    proof = place.garage.proof(NODE, 1)
    assert proof is not None
    assert (proof.sound, proof.broken, proof.why) == (True, 0, "")
    newest = place.garage.record(NODE, 1)[0]
    assert (proof.entries, proof.proved, proof.head) == (newest.number, newest.number, newest.hash)
    assert proof.told == proof.head


def entry_at(number: int) -> ColumnElement[bool]:
    return (GARAGE_ENTRY.c.vehicle_id == 1) & (GARAGE_ENTRY.c.number == number)


def found(place: Place) -> tuple[bool, int, str]:
    proof = place.garage.proof(NODE, 1)
    assert proof is not None
    return proof.sound, proof.broken, proof.why


def test_a_changed_column_of_an_entry_is_found_at_that_entry(place: Place) -> None:
    place.live()
    at = next(entry.number for entry in place.garage.record(NODE, 1) if entry.kind == "odometer")
    changes: dict[str, Any] = {
        "kind": "odometeR",
        "time_ms": NOW_MS + 1,
        "event": "0" * 32,
        "detail": '{"odometer_m":41500000,"source":"device"}',
        "store_id": 9,
        "group_id": 9,
        "hash": "f" * 64,
    }
    assert {*changes, "vehicle_id", "number"} == {column.name for column in GARAGE_ENTRY.columns}
    with place.database.read() as connection:
        was = connection.execute(select(GARAGE_ENTRY).where(entry_at(at))).one()
    for name, value in changes.items():
        with place.database.write() as connection:
            connection.execute(update(GARAGE_ENTRY).where(entry_at(at)).values({name: value}))
        assert found(place) == (False, at, "hash"), name
        with place.database.write() as connection:
            connection.execute(update(GARAGE_ENTRY).where(entry_at(at)).values({name: getattr(was, name)}))
        assert found(place) == (True, 0, "")


def test_an_entry_that_was_taken_away_is_missed(place: Place) -> None:
    place.live()
    count = place.garage.record(NODE, 1)[0].number
    # From the last to the first, so that each is the first that is missing.
    for gone in (count, 3, 1):
        with place.database.write() as connection:
            connection.execute(GARAGE_ENTRY.delete().where(entry_at(gone)))
        assert found(place) == (False, gone, "gap")


def test_a_record_that_was_rewritten_from_end_to_end_differs_from_what_the_log_was_told(place: Place) -> None:
    place.live()
    entries = sorted(place.garage.record(NODE, 1), key=lambda one: one.number)
    before = START
    with place.database.write() as connection:
        for entry in entries:
            if entry.number >= 3:
                entry = msgspec.structs.replace(entry, detail=entry.detail.replace("5", "4"))
            before = link(before, *parts(entry))
            where = (GARAGE_ENTRY.c.vehicle_id == 1) & (GARAGE_ENTRY.c.number == entry.number)
            connection.execute(update(GARAGE_ENTRY).where(where).values(detail=entry.detail, hash=before))
    changed = next(entry.number for entry in entries if entry.number >= 3 and "5" in entry.detail)
    assert found(place) == (False, changed, "log")


# --- folds ------------------------------------------------------------------------------------------------------------


def test_a_garage_folded_again_from_empty_is_the_same(place: Place, tmp_path: Path) -> None:
    place.live(1)
    place.live(2)
    again = replay(place.database, tmp_path / "copy.db", (GARAGE,))
    assert again.equal
    assert again.rows_compared > 20


def test_a_log_that_was_written_before_there_was_a_garage_gives_it_its_cars(business_dsn: str) -> None:
    database = Database(business_dsn)
    before = Place(database, folded=False)
    before.live(1)
    assert before.garage.car(NODE, 1) is None
    log = EventLog(database, business=Business((GARAGE,)))
    log.catch_up()
    car, proof = before.garage.car(NODE, 1), before.garage.proof(NODE, 1)
    assert car is not None
    assert proof is not None
    assert (car.odometer_m, car.driven_m, car.entries) == (52_700_000, 2_700_000, proof.entries)
    assert proof.sound
    database.close()


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_pages_end_at_their_bound_and_go_on_behind_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.live(1)
    place.live(2)
    monkeypatch.setattr(limits, "HELD_PAGE_MAX", 1)
    monkeypatch.setattr(limits, "ENTRIES_PAGE_MAX", 2)
    [first] = place.garage.held(NODE, limit=100)
    [second] = place.garage.held(NODE, limit=100, after=first.place)
    assert (first.vehicle_id, second.vehicle_id) == (1, 2)
    assert place.garage.held(NODE, after=second.place) == []
    numbers: list[int] = []
    while page := place.garage.record(NODE, 1, before=numbers[-1] if numbers else 0):
        assert len(page) <= 2
        numbers += [entry.number for entry in page]
    assert numbers == list(range(numbers[0], 0, -1))


def test_a_record_longer_than_is_reckoned_at_once_says_how_far_it_holds(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.live()
    monkeypatch.setattr(limits, "ENTRIES_PROVED_MAX", 2)
    proof = place.garage.proof(NODE, 1)
    assert proof is not None
    assert (proof.sound, proof.proved) == (True, 2)
    assert proof.entries > 2
