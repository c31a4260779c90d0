"""The audit log: what was written is found as it was, and whatever was changed is found at its row."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from core.chain import START, link
from core.rights import NODE
from storage import migrate
from storage.audit import CHAINED, AuditLog, Broken, Line, append, line_of, unsealed, verify
from storage.database import Database
from storage.eventlog import EventLog
from storage.tables.audit import CHAIN
from storage.tables.business import ACCESS, EVENT

LINES = 12


def line(number: int, **about: Any) -> Line:
    return Line(time_ms=1_760_000_000_000 + number, group=1, account=number % 3, api_key=0, what="track", **about)


def write(log: EventLog, lines: int = LINES, *, sealed: bool = True) -> None:
    with log.database.write() as connection:
        append(
            connection, [line(n, vehicle=n, rows=n, address="10.0.0.9", subject=f"person:{n}") for n in range(lines)]
        )
    if sealed:
        seal(log)


def seal(log: EventLog) -> None:
    event = unsealed(log.database, 1_760_000_100_000)
    assert event is not None
    log.append([event])


def test_what_was_written_verifies(log: EventLog) -> None:
    assert verify(log.database).broken is None
    write(log)
    write(log, 5, sealed=False)
    found = verify(log.database)
    assert (found.rows, found.first, found.last, found.seals, found.sealed_to, found.broken) == (17, 1, 17, 1, 12, None)
    assert unsealed(log.database, 0) is not None
    seal(log)
    assert unsealed(log.database, 0) is None
    assert verify(log.database).sealed_to == 17


@pytest.mark.parametrize("column", [name for name in CHAINED if name != "id"])
def test_a_changed_column_is_found_at_its_row(log: EventLog, column: str) -> None:
    write(log)
    with log.database.write() as connection:
        held = connection.execute(select(ACCESS.c[column]).where(ACCESS.c.id == 7)).scalar_one()
        other = held + 1 if isinstance(held, int) else f"{held}x"
        connection.execute(update(ACCESS).where(ACCESS.c.id == 7).values({column: other}))
    assert verify(log.database).broken == Broken(7, "changed")


def test_a_removed_row_is_found(log: EventLog) -> None:
    write(log)
    with log.database.write() as connection:
        connection.execute(delete(ACCESS).where(ACCESS.c.id == 7))
    assert verify(log.database).broken == Broken(7, "missing")


def rewrite(log: EventLog, number: int, **values: Any) -> None:
    """Change a row and every hash behind it: what somebody does who has the database."""
    with log.database.write() as connection:
        connection.execute(update(ACCESS).where(ACCESS.c.id == number).values(**values))
        before = START
        for row in connection.execute(select(*(ACCESS.c[name] for name in CHAINED)).order_by(ACCESS.c.id)).all():
            before = link(before, *map(str, row))
            connection.execute(update(ACCESS).where(ACCESS.c.id == row.id).values(hash=before))
        connection.execute(update(CHAIN).values(hash=before))


def test_a_chain_that_was_made_anew_is_found_by_its_seal(log: EventLog) -> None:
    write(log)
    rewrite(log, 7, account=99)
    assert verify(log.database).broken == Broken(12, "sealed", 1)


def test_a_seal_that_was_made_anew_without_the_keys_is_found(log: EventLog) -> None:
    write(log)
    rewrite(log, 7, account=99)
    with log.database.write() as connection:
        text = connection.execute(select(EVENT.c.payload)).scalar_one()
        old = text.split('"hash":"')[1][:64]
        new = connection.execute(select(CHAIN.c.hash)).scalar_one()
        connection.execute(update(EVENT).values(payload=text.replace(old, new)))
    assert verify(log.database).broken == Broken(12, "forged", 1)


def test_an_end_that_was_cut_off_is_found(log: EventLog) -> None:
    write(log)
    with log.database.write() as connection:
        connection.execute(delete(ACCESS).where(ACCESS.c.id > 9))
    assert verify(log.database).broken == Broken(10, "missing")
    with log.database.write() as connection:
        last = connection.execute(select(ACCESS.c.hash).where(ACCESS.c.id == 9)).scalar_one()
        connection.execute(update(CHAIN).values(head=9, hash=last))
    assert verify(log.database).broken == Broken(12, "missing", 1)


def test_a_seal_that_was_removed_is_found(log: EventLog) -> None:
    write(log)
    write(log, 3)
    with log.database.write() as connection:
        connection.execute(delete(EVENT).where(EVENT.c.seq == 1))
    assert verify(log.database).broken == Broken(1, "unsealed", 2)


def test_a_row_put_in_between_is_found(log: EventLog) -> None:
    write(log)
    with log.database.write() as connection:
        connection.execute(update(ACCESS).where(ACCESS.c.id == 12).values(id=13))
        row = connection.execute(select(*(ACCESS.c[name] for name in (*CHAINED, "hash"))).where(ACCESS.c.id == 5)).one()
        connection.execute(insert(ACCESS).values(**{**row._mapping, "id": 12}))
    assert verify(log.database).broken == Broken(12, "changed")


def test_only_the_newest_rows_are_looked_at_from_a_seal_on(log: EventLog) -> None:
    for _ in range(5):
        write(log)
    found = verify(log.database, last_rows=13)
    assert (found.first, found.last, found.seals, found.sealed_to, found.broken) == (37, 60, 2, 60, None)
    with log.database.write() as connection:
        connection.execute(update(ACCESS).where(ACCESS.c.id == 20).values(account=99))
    assert verify(log.database, last_rows=13).broken is None
    assert verify(log.database).broken == Broken(20, "changed")
    assert verify(log.database, last_rows=1_000).broken == Broken(20, "changed")


def test_writers_at_once_make_one_chain(log: EventLog) -> None:
    audit = [AuditLog(log.database), AuditLog(log.database)]

    def look(number: int) -> None:
        for turn in range(10):
            audit[number % 2].write(line_of(NODE, "search", vehicle=number, rows=turn))

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify(log.database)
    assert (found.rows, found.last, found.broken) == (80, 80, None)


def test_a_line_with_a_nul_verifies(log: EventLog) -> None:
    AuditLog(log.database).write(line_of(NODE, "act", detail="a\0b", act="POST /x"))
    assert verify(log.database).broken is None


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventLog]:
    """One SQLite file for the many examples of a property."""
    dsn = f"sqlite:///{tmp_path_factory.mktemp('chain') / 'x.db'}"
    migrate(dsn)
    log = EventLog(Database(dsn))
    write(log)
    yield log
    log.database.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(1, LINES), place=st.integers(0, 10_000), to=st.integers(1, 255))
def test_one_changed_byte_is_found_at_its_row(quick: EventLog, number: int, place: int, to: int) -> None:
    """Invariant 19, for the chain over the audit log: of any text column, one character."""
    columns = ("what", "address", "subject", "hash")
    column = columns[place % len(columns)]
    with quick.database.write() as connection:
        held: str = connection.execute(select(ACCESS.c[column]).where(ACCESS.c.id == number)).scalar_one()
        at = place // len(columns) % len(held)
        changed = held[:at] + chr(ord(held[at]) ^ to) + held[at + 1 :]
        connection.execute(update(ACCESS).where(ACCESS.c.id == number).values({column: changed}))
    try:
        if "\0" not in changed:
            assert verify(quick.database).broken == Broken(number, "changed")
    finally:
        with quick.database.write() as connection:
            connection.execute(update(ACCESS).where(ACCESS.c.id == number).values({column: held}))
    assert verify(quick.database).broken is None


def test_rows_of_before_are_the_beginning_of_the_chain(tmp_path: Path) -> None:
    """A database whose access log had no chain: nothing of it is lost, and it is chained as it stands."""
    import sqlite3

    from alembic import command
    from alembic.config import Config

    file = tmp_path / "old.db"
    database = Database(f"sqlite:///{file}")
    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
    with sqlite3.connect(file) as connection:
        rows = [(number, 1_700_000_000_000 + number, "track" if number % 2 else "查看") for number in (1, 2, 5, 9)]
        connection.executemany(
            "INSERT INTO access (id, time_ms, group_id, account, api_key, what, vehicle, from_ms, to_ms, rows,"
            " address) VALUES (?, ?, 1, 3, 0, ?, 4, 5, 6, 7, '10.0.0.1')",
            rows,
        )
    connection.close()
    migrate(f"sqlite:///{file}")
    log = EventLog(database)
    write(log, 2)
    found = verify(database)
    assert (found.rows, found.first, found.last, found.broken) == (6, 1, 11, None)
    with database.write() as connection:
        connection.execute(update(ACCESS).where(ACCESS.c.id == 5).values(what="live"))
    assert verify(database).broken == Broken(5, "changed")
    database.close()
