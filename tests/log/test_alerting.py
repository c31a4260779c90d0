"""Whoever wants to know of a crash, an SOS or a fence has one message about it, in their language."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

import storage
from actors.adapters import ADAPTERS, Adapter, Outcome, Outlet
from actors.alerting import Alerting
from actors.business import BUSINESS
from core.business import Business
from core.events import AlarmSeen, Event, FenceCrossed, derive_id
from core.rights import NODE
from storage.database import Database
from storage.eventlog import EventLog
from storage.people import People, Store
from storage.registry import NewTerminal, Registry
from storage.tables.business import OUTBOX, VEHICLE


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    storage.migrate(dsn)
    opened = EventLog(Database(dsn), business=Business(BUSINESS))
    yield opened
    opened.database.close()


def happened(number: int, type_: str = "crash.suspected", **fields: Any) -> Event:
    where: dict[str, Any] = {"vehicle_id": 1, "report_id": "1", "lat_1e7": 0, "lon_1e7": 0, "speed_kmh10": 0}
    payload: Any = FenceCrossed(fence_id=9, **where)
    if not type_.startswith("fence."):
        payload = AlarmSeen(terminal=1, alarm=1, evidence="alarm.0", has_fix=True, **where)
    event = Event(
        id=derive_id("test", type_, 1, (str(number),), ""), type=type_, time_ms=1_760_000_000_000, subject="vehicle:1",
        actor="test", purpose="safety", payload=payload,
    )  # fmt: skip
    return msgspec.structs.replace(event, **fields)


def enter(log: EventLog, login: str, role: str = "manager", stores: list[int] | None = None, **more: Any) -> int:
    people = People(log.database, log=log)
    account, token = people.create_account(NODE, login=login, name=login, role=role, stores=stores, **more)
    people.take_invitation(token, "korrekt-pferd-batterie")
    return account.id


def rows(log: EventLog) -> list[Any]:
    with log.database.read() as connection:
        return list(connection.execute(select(OUTBOX).order_by(OUTBOX.c.account, OUTBOX.c.cause)))


def run(log: EventLog, *adapters: Adapter) -> None:
    alerting, outlets = Alerting(log), [Outlet(adapter, log) for adapter in adapters or ADAPTERS]
    while alerting.step() or any(outlet.step() for outlet in outlets):
        pass


def test_each_who_wants_to_know_is_told_once(log: EventLog) -> None:
    Alerting(log)
    people = People(log.database, log=log)
    north = people.save_store(NODE, Store(code="N", name_zh="北店", name_en="North", time_zone="Asia/Tokyo")).id
    south = people.save_store(NODE, Store(code="S", name_zh="南店", name_en="South", time_zone="Asia/Shanghai")).id
    Registry(log).register([NewTerminal(phone="13800000001", plate="粤B12345", store=north)])
    whole = enter(log, "whole")
    mine = enter(log, "mine", stores=[north], language="en")
    enter(log, "theirs", stores=[south])
    enter(log, "viewer", role="viewer", stores=[north])
    fenced = enter(log, "fenced", role="viewer", stores=[north], notify=["fence."])
    disabled = enter(log, "gone", stores=[north])
    from storage.people import AccountChange

    people.change_account(NODE, disabled, AccountChange(state="disabled"))
    crash, fence = happened(1, store=north), happened(2, "fence.entered", store=north)
    log.append([crash, fence, happened(3, "sos.pressed", store=0), happened(4, "fence.exited", store=south)])
    run(log)
    told = [(row.account, row.cause, row.state) for row in rows(log)]
    sos = happened(3, "sos.pressed").id
    assert sorted(told) == sorted(
        [(whole, crash.id, "sent"), (whole, sos, "sent"), (mine, crash.id, "sent"), (fenced, fence.id, "sent")]
    )
    texts = {(row.account, row.cause): (row.subject, row.body) for row in rows(log)}
    assert texts[mine, crash.id] == (
        "Crash suspected: 粤B12345",
        "2025-10-09 17:53:20: 粤B12345 (North) may have crashed. Call the driver and find out.",
    )
    assert texts[whole, crash.id][0] == "碰撞疑似：粤B12345"
    assert texts[whole, sos][1].startswith("2025-10-09 16:53:20，粤B12345按下")
    # The log has ids and no texts; each intent is answered by one fact, of the same story.
    intents = log.read(0, type_prefix="message.requested")
    facts = log.read(0, type_prefix="message.sent")
    assert {fact.answers for fact in facts} == {intent.id for intent in intents} == {row.id for row in rows(log)}
    assert {event.correlation for event in (*intents, *facts)} == {crash.id, fence.id, sos}
    assert "粤B" not in str([msgspec.to_builtins(event.payload) for event in (*intents, *facts)])
    before = log.head()
    run(log)
    assert log.head() == before


def test_nobody_is_told_of_the_past(log: EventLog) -> None:
    # A log that was empty at the first start has a position all the same: what came since is not the past.
    enter(log, "whole")
    log.append([happened(1)])
    run(log)
    assert rows(log) == []
    log.append([happened(2)])
    run(log)
    assert len(rows(log)) == 1


def test_who_has_gone_meanwhile_is_not_told_and_the_log_says_so(log: EventLog) -> None:
    alerting = Alerting(log)
    account = enter(log, "whole")
    log.append([happened(1)])
    alerting.step()
    with log.database.write() as connection:
        from storage.tables.business import ACCOUNT

        connection.execute(update(ACCOUNT).where(ACCOUNT.c.id == account).values(state="disabled"))
    run(log)
    assert rows(log) == []
    [failed] = log.read(0, type_prefix="message.")[1:]
    assert (failed.type, failed.payload.reason) == ("message.failed", "nobody")


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_kill_while_delivering_is_repeated_or_unknown(log: EventLog, repeatable: bool) -> None:
    class KillError(Exception):
        pass

    tried: list[str] = []

    def deliver(row: Any) -> Outcome:
        tried.append(row.id)
        if len(tried) == 1:
            raise KillError
        return Outcome("sent")

    alerting = Alerting(log)
    adapter = ADAPTERS[0]._replace(deliver=deliver, repeatable=repeatable)
    enter(log, "whole")
    log.append([happened(1)])
    alerting.step()
    with pytest.raises(KillError):
        Outlet(adapter, log).step()
    run(log, adapter)
    [row] = rows(log)
    if repeatable:
        assert (row.state, len(tried)) == ("sent", 2)
    else:
        assert (row.state, row.reason, len(tried)) == ("unknown", "the delivery was cut off", 1)


def test_a_plate_that_is_not_known_is_a_number(log: EventLog) -> None:
    Alerting(log)
    enter(log, "whole")
    log.append([happened(1)])
    run(log)
    assert rows(log)[0].subject == "碰撞疑似：车辆1"
    with log.database.read() as connection:
        assert connection.execute(select(VEHICLE)).all() == []
