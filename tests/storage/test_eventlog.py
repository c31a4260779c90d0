"""The event log, one body on SQLite and on PostgreSQL."""

import contextlib
import random
import threading

import msgspec
import pytest
from sqlalchemy import text

import storage
from core import limits
from core.config import redact
from core.events import AlarmSeen, CommandRequested, Event, FenceCrossed, derive_id
from storage.database import Database, migrate
from storage.errors import AnsweredTwiceError, OwnerFencedError, StorageError, StoreNewerError
from storage.eventlog import EventLog


def fence(number: int, **fields: object) -> Event:
    payload = FenceCrossed(
        vehicle_id=number, fence_id=1, report_id=f"{number:016x}", lat_1e7=-(2**31), lon_1e7=2**31 - 1, speed_kmh10=0
    )
    event = Event(
        id=derive_id("detection", "fence", 1, (str(number),), ""),
        type="fence.entered",
        time_ms=1_760_000_000_000 + number,
        subject=f"vehicle:{number}",
        actor="detection",
        payload=payload,
    )
    return msgspec.structs.replace(event, **fields)


def test_what_is_appended_is_read_back_numbered(log: EventLog) -> None:
    events = [fence(1, group=7, store=3, cause="c", correlation="s", depth=2, purpose="safety", key="k"), fence(2)]
    assert log.append(events) == [1, 2]
    first, second = log.read(0)
    assert msgspec.structs.replace(first, arrival_ms=0, seq=0) == events[0]
    assert (first.seq, second.seq) == (1, 2)
    assert first.arrival_ms > 1_700_000_000_000
    # An event that names no partition and no story is its own.
    assert (second.key, second.correlation) == (second.subject, second.id)
    assert log.append([]) == []


def test_numbers_stay_dense_under_repeats(log: EventLog) -> None:
    chance = random.Random(5)
    expected: dict[str, int] = {}
    for _ in range(60):
        batch = [fence(chance.randrange(900)) for _ in range(chance.choice([1, 2, 40, 300]))]
        numbers = log.append(batch)
        for event, number in zip(batch, numbers, strict=True):
            assert expected.setdefault(event.id, number) == number
    events = log.read(0)
    assert [event.seq for event in events] == list(range(1, len(expected) + 1))
    assert {event.id: event.seq for event in events} == expected
    assert log.head() == len(expected)


def test_two_owners_lose_nothing_and_number_nothing_twice(business_dsn: str) -> None:
    appended: dict[str, int] = {}
    fenced = []
    guard = threading.Lock()
    together = threading.Barrier(2)

    def own(first: int) -> None:
        database = Database(business_dsn)
        log = EventLog(database, owner=f"owner {first}")
        for number in range(first, first + 60):
            # In step, so that each round begins with one of the two already replaced.
            together.wait()
            event = fence(number)
            while True:
                try:
                    seq = log.append([event])[0]
                except OwnerFencedError:
                    fenced.append(first)
                    log.claim()  # what a real owner must not do: it ends
                    continue
                break
            with guard:
                appended[event.id] = seq
        database.close()

    owners = [threading.Thread(target=own, args=(first,)) for first in (0, 1000)]
    for owner in owners:
        owner.start()
    for owner in owners:
        owner.join()
    log = EventLog(business_dsn)
    events = log.read(0)
    assert [event.seq for event in events] == list(range(1, 121))
    assert {event.id: event.seq for event in events} == appended
    assert len(fenced) >= 59, "in each round but the first, one of them had been replaced"
    log.close()


def test_an_owner_that_was_replaced_writes_nothing_more(business_dsn: str) -> None:
    fenced: list[OwnerFencedError] = []
    log = EventLog(business_dsn, owner="first", on_fenced=fenced.append)
    log.append([fence(1)])
    assert not fenced
    newer = EventLog(log.database, owner="newer")
    assert newer.append([fence(2)]) == [2]
    with pytest.raises(OwnerFencedError, match="newer"):
        log.append([fence(3)])
    with pytest.raises(OwnerFencedError), log.transaction() as transaction:
        transaction.set_position("fold", 9)  # also what appends no event
    assert ["newer" in str(error) for error in fenced] == [True, True], "whoever can end the process has been told"
    assert log.position("fold") == 0
    assert [event.seq for event in newer.read(0)] == [1, 2]
    log.close()


def test_an_intent_is_answered_once(log: EventLog) -> None:
    intent = fence(1)
    assert log.append([intent, fence(2, answers=intent.id)]) == [1, 2]
    with pytest.raises(AnsweredTwiceError, match=intent.id):
        log.append([fence(3), fence(4, answers=intent.id)])
    with pytest.raises(AnsweredTwiceError):
        log.append([fence(5, answers="x"), fence(6, answers="x")])
    # The answer itself, said again, is only a repeat; and nothing of a refused batch was written.
    assert log.append([fence(2, answers=intent.id), fence(3)]) == [2, 3]


def test_rows_events_and_positions_are_one_transaction(log: EventLog) -> None:
    def fail() -> None:
        with log.transaction() as transaction:
            transaction.append([fence(1)])
            transaction.set_position("fold", 1)
            transaction.connection.execute(text("INSERT INTO counter (name, number) VALUES ('x', 1)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (log.head(), log.position("fold")) == (0, 0)
    with log.transaction() as transaction:
        assert transaction.append([fence(2)]) == [1]
        transaction.set_position("fold", 1)
    log.set_position("reader", 5)
    log.set_position("reader", 4)
    assert (log.position("fold"), log.position("reader"), log.position("nobody")) == (1, 4, 0)


def test_a_reader_takes_up_where_it_left_and_picks_types(log: EventLog) -> None:
    sos = AlarmSeen(
        vehicle_id=1, terminal=1, report_id="0", lat_1e7=0, lon_1e7=0, speed_kmh10=0, alarm=1, evidence="alarm.0",
        has_fix=True,
    )  # fmt: skip
    command = CommandRequested(vehicle_id=1, message="0x8201", fields={"a": [1, "二"]})
    events = [fence(number) for number in range(10)]
    events[3] = fence(3, type="sos.pressed", payload=sos, correlation="story")
    events[7] = fence(7, type="command.requested", payload=command, correlation="story")
    events[8] = fence(8, type="fence", payload=None)
    log.append(events)
    assert [event.seq for event in log.read(4, 3)] == [5, 6, 7]
    assert log.read(10) == []
    assert [event.payload for event in log.read(0, 10, "sos.")] == [sos]
    assert [event.payload for event in log.read(4, 10, "command.requested")] == [command]
    assert [event.seq for event in log.read(0, 100, "fence.")] == [1, 2, 3, 5, 6, 7, 10]
    assert [event.seq for event in log.read(0, 2, "fence")] == [1, 2]
    assert log.read(0, 10, "z") == []
    assert [event.seq for event in log.story("story")] == [4, 8]


def test_a_payload_of_a_version_unknown_here_comes_as_plain_values(log: EventLog) -> None:
    log.append([fence(1, version=99, payload={"new": 1}), fence(2, type="from.the.future", payload=[1, None])])
    assert [event.payload for event in log.read(0)] == [{"new": 1}, [1, None]]


def test_a_log_opened_again_goes_on_with_its_numbers(business_dsn: str) -> None:
    for number in range(3):
        log = EventLog(business_dsn)
        assert log.append([fence(number), fence(0)]) == [number + 1, 1]
        log.close()


def test_read_modify_write_from_several_threads_loses_nothing(business_dsn: str) -> None:
    database = Database(business_dsn)
    with database.write() as connection:
        connection.execute(text("INSERT INTO counter (name, number) VALUES ('x', 0)"))

    def add() -> None:
        for _ in range(40):
            with database.write() as connection:
                lock = "" if database.is_sqlite else " FOR UPDATE"
                number = connection.execute(text(f"SELECT number FROM counter WHERE name = 'x'{lock}")).scalar_one()
                connection.execute(text("UPDATE counter SET number = :number WHERE name = 'x'"), {"number": number + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.execute(text("SELECT number FROM counter WHERE name = 'x'")).scalar_one() == 160
    database.close()


def test_migrating_twice_and_at_once_changes_nothing(empty_dsn: str) -> None:
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(storage.migrate(empty_dsn))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [storage.NEWEST] * 3
    log = EventLog(empty_dsn)
    assert log.append([fence(1)]) == [1]
    log.close()


def test_the_migrations_make_what_the_tables_declare(business_dsn: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from storage.tables.business import METADATA

    database = Database(business_dsn)
    with database.write() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.close()


def test_a_database_of_a_later_version_is_refused(business_dsn: str) -> None:
    database = Database(business_dsn)
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreNewerError, match="9999"):
        migrate(database)
    database.close()


def test_a_read_ends_at_its_bound_and_goes_on_behind_it(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EVENTS_READ_MAX", 3)
    log.append([fence(number) for number in range(5)])
    first = log.read(0, 100)
    assert [event.seq for event in first] == [1, 2, 3]
    assert [event.seq for event in log.read(3, 100)] == [4, 5]


def test_who_waits_for_the_database_longer_than_the_bound_is_told(
    business_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "DATABASE_TIMEOUT_S", 0.1 if "sqlite" in business_dsn else 1)
    database, other = Database(business_dsn), Database(business_dsn)
    with contextlib.ExitStack() as readers:
        for _ in range(8):
            readers.enter_context(database.read())
        with pytest.raises(StorageError, match=r"(?i)timed? ?out"), database.read():
            pass
    if database.is_sqlite:
        with other.write(), pytest.raises(StorageError, match="locked"), database.write():
            pass
    with database.write():
        pass
    for one in (database, other):
        one.close()


def test_a_database_that_is_away_is_a_storage_error() -> None:
    log = EventLog("postgresql+psycopg://carillon@127.0.0.1:9/x")
    for act in (lambda: log.append([fence(1)]), log.head, log.ping_write):
        with pytest.raises(StorageError):
            act()
    log.close()


@pytest.mark.parametrize("dsn", ["mysql://x/y", "sqlite://", "sqlite:///:memory:"])
def test_a_wrong_dsn_is_named(dsn: str) -> None:
    with pytest.raises((ValueError, ModuleNotFoundError)):
        Database(dsn)


def test_a_password_is_not_logged() -> None:
    assert redact("postgresql+psycopg://u:s3cret@h/d") == "postgresql+psycopg://u:***@h/d"
    assert redact("sqlite:////a/b@c:d") == "sqlite:////a/b@c:d"
