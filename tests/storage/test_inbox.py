"""What is put into the inbox is in the log once, in order, and only its owner brings it there."""

import threading

import msgspec
import pytest
from sqlalchemy import text

from core import limits
from core.events import FenceCrossed
from storage.database import Database
from storage.errors import OwnerFencedError, StorageError
from storage.eventlog import EventLog
from storage.inbox import Inbox, InboxLog
from tests.storage.test_eventlog import fence


@pytest.fixture
def guest(log: EventLog) -> InboxLog:
    return InboxLog(log.database)


def waiting(log: EventLog) -> int:
    with log.database.read() as connection:
        return int(connection.execute(text("SELECT count(*) FROM inbox")).scalar_one())


def move_all(log: EventLog) -> int:
    inbox, moved = Inbox(log), 0
    while count := inbox.move():
        moved += count
    return moved


def test_events_go_by_the_inbox_into_the_log_in_order(log: EventLog, guest: InboxLog) -> None:
    log.append([fence(1)])
    events = [fence(n, store=3, purpose="safety") for n in (5, 1, 4, 3)]
    # The log knows the second: it is not put again, and its number comes back.
    assert guest.append(events) == [0, 1, 0, 0]
    assert (log.head(), waiting(log)) == (1, 3)
    assert move_all(log) == 3
    assert waiting(log) == 0
    assert [event.id for event in log.read(1)] == [events[0].id, events[2].id, events[3].id]
    stored = log.read(1)[0]
    assert isinstance(stored.payload, FenceCrossed)
    assert msgspec.structs.replace(stored, arrival_ms=0, seq=0, key="", correlation="") == events[0]


def test_what_is_put_twice_is_in_the_log_once(log: EventLog, guest: InboxLog) -> None:
    guest.append([fence(1)])
    guest.append([fence(1), fence(2)])
    assert move_all(log) == 3
    assert [event.subject for event in log.read(0)] == ["vehicle:1", "vehicle:2"]


def test_rows_and_inbox_are_one_transaction(log: EventLog, guest: InboxLog) -> None:
    class FaultError(Exception):
        pass

    def change(number: int) -> None:
        with guest.transaction() as transaction:
            transaction.connection.execute(text("INSERT INTO counter (name, number) VALUES ('x', 1)"))
            transaction.append([fence(number)])
            if number == 1:
                raise FaultError

    with pytest.raises(FaultError):
        change(1)
    assert waiting(log) == 0
    told: list[frozenset[str]] = []
    guest.on_committed = lambda first, last, types: told.append(types)
    change(2)
    assert waiting(log) == 1
    assert told == [frozenset({"fence.entered"})]


def test_more_than_a_statement_is_moved_in_batches(log: EventLog, guest: InboxLog) -> None:
    count = 2 * limits.EVENTS_STATEMENT_MAX + 1
    guest.append([fence(n) for n in range(count)])
    assert Inbox(log).move() == limits.EVENTS_STATEMENT_MAX
    assert move_all(log) == count - limits.EVENTS_STATEMENT_MAX
    assert [event.subject for event in log.read(0)] == [f"vehicle:{n}" for n in range(count)]


def test_what_the_log_refuses_keeps_nobody_waiting(log: EventLog, guest: InboxLog) -> None:
    log.append([fence(1, answers="intent")])
    guest.append([fence(2), fence(3, answers="intent"), fence(4)])
    with log.database.write() as connection:
        connection.execute(text('INSERT INTO inbox (event, arrival_ms) VALUES (\'{"no": "event"}\', 0)'))
    guest.append([fence(5)])
    inbox = Inbox(log)
    while inbox.move():
        pass
    assert [event.subject for event in log.read(0)] == ["vehicle:1", "vehicle:2", "vehicle:4", "vehicle:5"]
    assert inbox.statistics() == {"moved": 3, "refused": 2}
    assert waiting(log) == 0


def test_a_fenced_owner_moves_nothing(log: EventLog, guest: InboxLog) -> None:
    log.claim()
    EventLog(log.database, owner="other").claim()
    guest.append([fence(1)])
    with pytest.raises(OwnerFencedError):
        Inbox(log).move()
    assert waiting(log) == 1
    with pytest.raises(RuntimeError, match="does not own"):
        guest.claim()


def test_a_guest_waits_for_the_owner_and_not_for_ever(log: EventLog, business_dsn: str) -> None:
    guest = InboxLog(Database(business_dsn))
    with pytest.raises(StorageError, match="has not taken it"):
        guest.append_and_wait([fence(1)], seconds=0.05)
    put = threading.Event()
    guest.on_committed = lambda first, last, types: put.set()

    def own() -> None:
        assert put.wait(20)
        move_all(log)

    owner = threading.Thread(target=own)
    owner.start()
    # The one that was not waited for is in front: nothing was lost of it.
    assert guest.append_and_wait([fence(2), fence(1)], seconds=20) == [2, 1]
    owner.join()
    assert guest.append_and_wait([]) == []
    guest.database.close()


def test_guest_and_owner_take_turns(log: EventLog, business_dsn: str) -> None:
    """Each gives the highest number and one, as the registry does; without turns two would give the same."""
    guest = InboxLog(Database(business_dsn))
    log.append([fence(0)])
    faults: list[BaseException] = []

    def count(of: EventLog, first: int) -> None:
        try:
            for n in range(first, first + 20):
                with of.transaction() as transaction:
                    select = "SELECT coalesce(max(number), 0) + 1 FROM counter"
                    number = transaction.connection.execute(text(select)).scalar_one()
                    insert = text("INSERT INTO counter (name, number) VALUES (:name, :number)")
                    transaction.connection.execute(insert, {"name": f"n{n}", "number": number})
                    transaction.append([fence(n)])
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=count, args=(guest, 100)), threading.Thread(target=count, args=(log, 200))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    with log.database.read() as connection:
        numbers = connection.execute(text("SELECT number FROM counter ORDER BY number")).scalars().all()
    assert numbers == list(range(1, 41))
    move_all(log)
    assert log.head() == 41
    guest.database.close()
