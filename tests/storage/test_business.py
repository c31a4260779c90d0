"""The business folded by the owner of a real log, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from actors.business import BUSINESS
from core import limits
from core.business import Business, BusinessActor, Parked, Rule, State, Tables
from core.events import Event
from core.events.spine import IntentRefused, KeyParked, ModuleSwitch, RuleAdoption
from storage.business import SqlTables
from storage.database import Database
from storage.errors import OwnerFencedError, StorageError
from storage.eventlog import EventLog
from storage.tables.business import METADATA
from storage.timers import Clock
from tests.business import toy


@pytest.fixture(autouse=True)
def sound_rules() -> Iterator[None]:
    toy.BROKEN["rule"] = False
    yield
    toy.BROKEN["rule"] = False


@pytest.fixture
def database(business_dsn: str) -> Iterator[Database]:
    opened = Database(business_dsn)
    with opened.write() as connection:
        for table in toy.TABLES:
            connection.execute(text(table))
    yield opened
    opened.close()


def owner(database: Database, *actors: BusinessActor) -> EventLog:
    log = EventLog(database, business=Business(actors or toy.ACTORS))
    log.catch_up()
    return log


def rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return sorted(tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}")))


def types(log: EventLog) -> list[str]:
    return [event.type for event in log.read(0)]


def parked(log: EventLog) -> list[KeyParked]:
    return [event.payload for event in log.read(0) if event.type == "ops.parked"]


@pytest.mark.parametrize("kept", [kept for actor in BUSINESS for kept in actor.kept], ids=lambda kept: kept.table)
def test_every_row_of_an_actor_has_its_table(kept: Any) -> None:
    table = METADATA.tables[kept.table]
    assert [column.name for column in table.columns] == [field.name for field in msgspec.structs.fields(kept.row)]
    assert tuple(column.name for column in table.primary_key) == kept.key


def test_what_follows_from_an_event_is_committed_with_it(database: Database) -> None:
    log = owner(database)
    [seq] = log.append([toy.trip(1, distance_m=2_000_000)])
    assert seq == 1
    said = log.read(0)
    assert [event.type for event in said] == [
        "trip.closed", "odometer.advanced", "command.requested", "command.queued",
    ]  # fmt: skip
    assert [event.depth for event in said] == [0, 1, 2, 3]
    assert [event.actor for event in said] == ["detection", "tally", "echo", "answers"]
    assert {event.correlation for event in said} == {said[0].id}
    assert [event.cause for event in said] == ["", *(event.id for event in said[:-1])]
    assert said[3].answers == said[2].id
    assert [row[:2] + row[3:5] for row in rows(database, "tally")] == [(1, 1, 1, 2_000_000)]


def test_a_repeat_changes_nothing(database: Database) -> None:
    log = owner(database)
    log.append([toy.trip(1), toy.trip(2)])
    before = (types(log), rows(database, "tally"))
    log.append([toy.trip(2), toy.trip(1)])
    assert (types(log), rows(database, "tally")) == before


def test_a_rule_that_fails_parks_its_key_and_nothing_else(database: Database) -> None:
    log = owner(database)
    toy.BROKEN["rule"] = True
    log.append([toy.trip(1), toy.trip(2, distance_m=13), toy.trip(3), toy.trip(4, vehicle=2)])
    [stopped] = parked(log)
    assert (stopped.actor, stopped.key, stopped.type) == ("tally", "vehicle:1", "trip.closed")
    assert "13 m" in stopped.reason
    assert [(row[0], row[3]) for row in rows(database, "tally")] == [(1, 1), (2, 1)], "what the rule wrote is dropped"
    log.append([toy.trip(5)])
    assert [row[2] for row in rows(database, "waiting")] == [2, 3, log.numbers([toy.trip(5).id])[toy.trip(5).id]]


def test_a_released_key_goes_on_in_order_where_it_stopped(database: Database) -> None:
    log = owner(database)
    toy.BROKEN["rule"] = True
    log.append([toy.trip(1), toy.trip(2, distance_m=13), toy.trip(3)])
    log.append([toy.release(1, "tally", "vehicle:1")])
    assert len(parked(log)) == 2, "it fails again, and is parked again"
    toy.BROKEN["rule"] = False
    log.append([toy.release(2, "tally", "vehicle:1")])
    assert [(row[3], row[4]) for row in rows(database, "tally")] == [(3, 2013)]
    assert rows(database, "parked") == rows(database, "waiting") == []
    moved = [event.payload.odometer_m for event in log.read(0) if event.type == "odometer.advanced"]
    assert moved == [1000, 1013, 2013]


def test_a_released_key_passes_over_what_it_stopped_at_when_told_to(database: Database) -> None:
    log = owner(database)
    toy.BROKEN["rule"] = True
    log.append([toy.trip(1, distance_m=13), toy.trip(2)])
    log.append([toy.release(1, "tally", "vehicle:1", skip=True)])
    assert [(row[3], row[4]) for row in rows(database, "tally")] == [(1, 1000)]
    assert rows(database, "parked") == rows(database, "waiting") == []


def test_what_is_not_parked_is_not_released(database: Database) -> None:
    log = owner(database)
    log.append([toy.release(1, "tally", "vehicle:1")])
    refused = log.read(0)[-1]
    assert refused.payload == IntentRefused(
        intent="ops.release.requested", code="not_parked", detail="tally is not parked at vehicle:1"
    )


def test_more_than_the_bound_waits_on_for_another_release(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.business.WAITING_EVENTS_RELEASED_MAX", 3)
    assert limits.WAITING_EVENTS_RELEASED_MAX > 3
    log = owner(database)
    toy.BROKEN["rule"] = True
    log.append([toy.trip(1, distance_m=13), *(toy.trip(number) for number in range(2, 6))])
    toy.BROKEN["rule"] = False
    log.append([toy.release(1, "tally", "vehicle:1")])
    assert parked(log)[-1].reason == "3 events are handled, and more wait"
    log.append([toy.release(2, "tally", "vehicle:1")])
    assert [(row[3], row[4]) for row in rows(database, "tally")] == [(5, 4013)]


def test_an_intent_gets_one_decision(database: Database) -> None:
    log = owner(database)
    log.append([toy.ask(1), toy.ask(2, "refuse"), toy.ask(3, "forget", vehicle=3), toy.ask(1)])
    said = log.read(0)
    by_intent = {event.answers: event for event in said if event.answers}
    assert by_intent[toy.ask(1).id].type == "command.queued"
    refused = by_intent[toy.ask(2).id]
    assert (refused.type, refused.payload.code, refused.payload.intent) == (
        "intent.refused", "not_so", "command.requested",
    )  # fmt: skip
    assert rows(database, "asked") == [], "a refusal writes nothing"
    assert toy.ask(3).id not in by_intent
    assert [one.reason for one in parked(log)] == ["0 decisions of command.requested, where there must be one"]


def test_a_deferred_intent_is_decided_when_its_timer_is_due(database: Database) -> None:
    log = owner(database)
    asked = toy.ask(1, "later")
    log.append([asked])
    assert types(log) == ["command.requested"]
    assert [row[0] for row in rows(database, "deferred")] == [asked.id]
    early = Clock(log, now_ms=lambda: asked.time_ms + 59_999)
    assert early.step() == 0
    clock = Clock(log, now_ms=lambda: asked.time_ms + 60_000)
    assert clock.step() == 1
    assert clock.step() == 0
    assert types(log) == ["command.requested", "timer.due", "command.expired"]
    assert log.read(0)[-1].answers == asked.id
    assert rows(database, "deferred") == rows(database, "timer") == rows(database, "asked") == []


def test_timers_past_one_look_are_said_by_the_next(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "TIMERS_AT_ONCE", 2)
    log = owner(database)
    log.append([toy.ask(number, "later", vehicle=number) for number in range(1, 4)])
    clock = Clock(log, now_ms=lambda: 1_760_000_000_000 + 100_000)
    assert [clock.step(), clock.step(), clock.step()] == [2, 1, 0]
    assert clock.statistics() == {"said": 3}
    assert types(log).count("command.expired") == 3


def switch(number: int, actor: str, store: int, *, active: bool) -> Event:
    asked = toy.ask(number)
    return msgspec.structs.replace(
        asked, id=f"switch{number}", type="module.switch.requested",
        payload=ModuleSwitch(actor=actor, store=store, active=active),
    )  # fmt: skip


def test_an_actor_works_only_in_the_stores_where_it_is_switched_on(database: Database) -> None:
    log = owner(database)
    log.append([switch(1, "tally", 2, active=False), switch(2, "answers", 0, active=False)])
    log.append([switch(3, "answers", 3, active=True)])
    log.append([toy.trip(1, store=2), toy.trip(2, vehicle=2, store=3), toy.ask(4, store=2), toy.ask(5, store=3)])
    assert [row[0] for row in rows(database, "tally")] == [2]
    by_intent = {event.answers: event for event in log.read(0) if event.answers}
    assert by_intent[toy.ask(4).id].payload.code == "module_off", "nobody is left without an answer"
    assert by_intent[toy.ask(5).id].type == "command.queued"


def test_a_rule_keeps_its_version_until_another_is_adopted(database: Database) -> None:
    log = owner(database)
    log.append([toy.trip(1)])
    adopt = msgspec.structs.replace(
        toy.ask(1), id="adopt", type="rule.adoption.requested",
        payload=RuleAdoption(actor="tally", rule="count", version=2),
    )  # fmt: skip
    log.append([adopt])
    log.append([toy.trip(2)])
    assert [row[4] for row in rows(database, "tally")] == [3000]


def test_an_actor_that_is_new_to_a_log_hears_its_past(database: Database) -> None:
    EventLog(database).append([toy.trip(number) for number in range(700)])
    log = owner(database, toy.TALLY)
    assert [row[3] for row in rows(database, "tally")] == [700]
    log.append([toy.trip(9000, distance_m=10_000_000)])
    later = owner(database, toy.TALLY, toy.ECHO, toy.ANSWERS)
    said = later.read(0)
    assert [event.payload.actor for event in said if event.type == "actor.joined"] == ["echo", "answers"]
    asked = [event for event in said if event.type == "command.requested"]
    answered = [event for event in said if event.answers]
    assert [event.answers for event in answered] == [event.id for event in asked]
    assert len(asked) == 1
    owner(database)
    assert later.head() == len(said), "who has joined does not join again"


def test_what_was_forgotten_by_a_rollback_never_comes_back(database: Database) -> None:
    log = owner(database)
    log.append([toy.trip(1)])
    assert log.business is not None
    business = log.business

    def interrupted() -> None:
        with log.transaction() as transaction:
            transaction.append([toy.trip(2)])
            business.fold(transaction.fresh, transaction, tables_of(transaction.connection, database))
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError, match="power"):
        interrupted()
    log.append([toy.trip(3)])
    assert [(row[3], row[4]) for row in rows(database, "tally")] == [(2, 2000)]


def tables_of(connection: Any, database: Database) -> Tables:
    tables = SqlTables(database.placeholder)
    tables.connection = connection
    return tables


def test_a_store_that_fails_rolls_back_and_parks_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    log = owner(database)

    def away(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(SqlTables, "fetch", away)
        with pytest.raises(StorageError, match="disk is full"):
            log.append([toy.trip(1)])
    assert log.read(0) == []
    log.append([toy.trip(1)])
    assert types(log) == ["trip.closed", "odometer.advanced"]


def test_two_owners_at_once_stay_correct(business_dsn: str, database: Database) -> None:
    """Each claims the log whenever it finds itself fenced, which a real owner does not: it ends."""
    together = threading.Barrier(2)
    fenced = []

    def own(first: int) -> None:
        mine = Database(business_dsn)
        log = EventLog(mine, business=Business(toy.ACTORS))
        for number in range(first, first + 40):
            together.wait()
            while True:
                try:
                    log.append([toy.trip(number, vehicle=number % 3), toy.ask(number)])
                    break
                except OwnerFencedError:
                    fenced.append(first)
                    log.claim()
        mine.close()

    threads = [threading.Thread(target=own, args=(first,)) for first in (0, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fenced
    log = owner(database)
    said = log.read(0)
    assert sum(row[3] for row in rows(database, "tally")) == 80
    assert sum(row[4] for row in rows(database, "tally")) == 80_000
    assert sorted(event.answers for event in said if event.answers) == sorted(
        event.id for event in said if event.type == "command.requested"
    )
    last = {}
    for event in said:
        if event.type == "odometer.advanced":
            last[event.payload.vehicle_id] = event.payload.odometer_m
    assert last == {row[0]: row[4] for row in rows(database, "tally")}


def many(event: Event, state: State) -> None:
    for number in range(limits.EMITTED_EVENTS_MAX + 1):
        state.emit("command.requested", toy.ask(1).payload, part=str(number))


def find_all(event: Event, state: State) -> None:
    for number in range(limits.FIND_ROWS_MAX + 1):
        state.put(toy.Asked(intent=str(number), vehicle_id=1))
    state.find(toy.Asked, vehicle_id=1)


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (many, f"more than {limits.EMITTED_EVENTS_MAX} events in answer to one"),
        (find_all, f"more than {limits.FIND_ROWS_MAX} rows of asked"),
        (lambda event, state: state.emit("sos.pressed", toy.ask(1).payload), "sos.pressed does not carry"),
        (lambda event, state: state.emit("command.expired", event.payload), "does not carry TripClosed"),
        (lambda event, state: state.get(Parked, "a", "b"), "Parked is no row of loud"),
        (lambda event, state: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda event, state: [][0 : "x" * 1000], "TypeError"),
    ],
)
def test_a_rule_that_does_what_none_may_is_parked_with_the_reason(database: Database, run: Any, reason: str) -> None:
    loud = BusinessActor(
        name="loud", kept=toy.ANSWERS.kept, rules=(Rule("loud", ("trip.closed",), run),), emits=("command.requested",)
    )
    log = owner(database, loud)
    log.append([toy.trip(1)])
    [stopped] = parked(log)
    assert reason in stopped.reason
    assert len(stopped.reason) <= limits.PARKED_REASON_CHARACTERS_MAX
    assert types(log) == ["trip.closed", "ops.parked"]


def test_more_parked_keys_than_memory_holds_are_asked_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.business.PARKED_KEYS_KNOWN_MAX", 2)
    assert limits.PARKED_KEYS_KNOWN_MAX > 2
    toy.BROKEN["rule"] = True
    owner(database).append([toy.trip(number, vehicle=number, distance_m=13) for number in range(1, 4)])
    log = owner(database)
    log.append([toy.trip(10 + number, vehicle=number) for number in range(1, 5)])
    assert [row[0] for row in rows(database, "tally")] == [4]
    log.append([toy.release(number, "tally", f"vehicle:{number}", skip=True) for number in (1, 2)])
    log.append([toy.trip(20, vehicle=3)])
    log.append([toy.release(3, "tally", "vehicle:3", skip=True)])
    assert [(row[0], row[3]) for row in rows(database, "tally")] == [(1, 1), (2, 1), (3, 2), (4, 1)]


def test_a_long_reason_is_cut_at_its_bound(database: Database) -> None:
    def fail(event: Event, state: State) -> None:
        raise ValueError("x" * (limits.PARKED_REASON_CHARACTERS_MAX + 1))

    log = owner(database, BusinessActor(name="loud", kept=(), rules=(Rule("loud", ("trip.closed",), fail),)))
    log.append([toy.trip(1)])
    assert len(parked(log)[0].reason) == limits.PARKED_REASON_CHARACTERS_MAX


def test_two_actors_that_answer_each_other_for_ever_are_stopped(database: Database) -> None:
    def again(event: Event, state: State) -> None:
        state.emit("command.requested", event.payload)

    mad = BusinessActor(
        name="mad", kept=(), rules=(Rule("again", ("command.requested",), again),), emits=("command.requested",)
    )
    log = owner(database, mad)
    log.append([toy.ask(1)])
    assert types(log) == ["command.requested"] * 33 + ["ops.parked"]
    assert "33 steps from an outside cause, at most 32" in parked(log)[0].reason


def test_rows_past_the_bound_of_memory_are_read_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.business.BUSINESS_CACHE_ROWS_MAX", 8)
    assert limits.BUSINESS_CACHE_ROWS_MAX > 8
    log = owner(database)
    for turn in range(3):
        for vehicle in range(20):
            log.append([toy.trip(100 * turn + vehicle, vehicle=vehicle)])
    assert [row[3] for row in rows(database, "tally")] == [3] * 20


def test_a_log_longer_than_one_transaction_is_caught_up_in_several(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CATCH_UP_EVENTS", 4)
    EventLog(database).append([toy.trip(number) for number in range(10)])
    log = EventLog(database, business=Business(toy.ACTORS))
    seen: list[tuple[int, int]] = []
    log.catch_up(lambda folded, head: seen.append((folded, head)))
    assert [folded for folded, _ in seen][:3] == [4, 8, 12]
    assert rows(database, "tally")[0][3] == 10
    assert log.head() == 20
