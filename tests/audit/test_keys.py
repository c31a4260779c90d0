"""Keys at work: what is sealed is not in the file, a rotation may be killed anywhere, and a wrong ring is told."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import LargeBinary, Text, insert, select, type_coerce, update

import carillon
from core import limits
from core.envelope import Keyring, KeyringError, SealBrokenError, wrapped_under
from storage import keys, migrate, outbox
from storage.database import Database
from storage.eventlog import EventLog
from storage.keys import WRAPPED, retire, rewrap, seal_clear, wrapped_by
from storage.outbox import Message, Outbox
from storage.sealed import MARK, Sealed
from storage.tables.audit import DATA_KEY
from storage.tables.business import ACCOUNT, METADATA, OUTBOX

PHONE = "13800138000"
TEXT = "请联系车主王秀英"


def message(number: int, **about: object) -> Message:
    values = {"address": PHONE, "subject": f"第{number}条", "body": f"{TEXT}，电话{PHONE}"} | about
    return Message(
        id=f"{number:032x}", adapter="shown", group=1, store=0, channel="sms", account=0, about="vehicle:1", cause="x",
        state="requested", requested_ms=number, changed_ms=number, **values,
    )  # fmt: skip


def fill(log: EventLog, messages: int = 3) -> None:
    with log.database.write() as connection:
        outbox.write(connection, [message(number) for number in range(1, messages + 1)])


def test_a_sealed_column_is_read_as_it_was_written_and_stands_otherwise(log: EventLog) -> None:
    fill(log)
    with log.database.read() as connection:
        [one, *_] = outbox.waiting(connection, "shown", 10)
        stored = connection.execute(select(type_coerce(OUTBOX.c.body, Text), type_coerce(OUTBOX.c.address, Text))).all()
    assert (one.address, one.body) == (PHONE, f"{TEXT}，电话{PHONE}")
    assert all(value.startswith(MARK) for row in stored for value in row)
    assert len({row.body for row in stored}) == 3, "equal texts stand unlike"


def test_a_key_made_in_a_transaction_that_rolls_back_is_not_used_again(log: EventLog) -> None:
    class Off(Exception):  # noqa: N818
        pass

    def write_and_roll_back() -> None:
        with log.database.write() as connection:
            outbox.write(connection, [message(1)])
            raise Off

    with pytest.raises(Off):
        write_and_roll_back()
    fill(log)
    with log.database.read() as connection:
        assert len(connection.execute(select(DATA_KEY.c.name)).all()) == 1
        assert outbox.waiting(connection, "shown", 1)[0].address == PHONE
    other = Database(log.database._engine.url.render_as_string(hide_password=False), log.database.keys.path)
    with other.read() as connection:
        assert outbox.waiting(connection, "shown", 1)[0].address == PHONE
    other.close()


def test_messages_are_searched_though_they_are_sealed_and_no_further_than_the_bound(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.rights import NODE

    fill(log, 6)
    box = Outbox(log.database)
    assert [one.subject for one in box.page(NODE, search="第2条").items] == ["第2条"]
    assert len(box.page(NODE, search=PHONE[3:]).items) == 6
    assert [one.subject for one in box.page(NODE, search=PHONE, limit=2).items] == ["第6条", "第5条"]
    monkeypatch.setattr(limits, "OUTBOX_SEARCHED_MAX", 4)
    assert box.page(NODE, search="第2条").items == []
    assert [one.subject for one in box.page(NODE, search="第3条").items] == ["第3条"]


def test_what_was_in_clear_is_sealed_and_gone_from_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REWRAP_ROWS", 7)
    file = tmp_path / "carillon.db"
    migrate(f"sqlite:///{file}")
    log = EventLog(Database(f"sqlite:///{file}"))
    fill(log, 20)
    with log.database.write() as connection:
        connection.execute(
            update(OUTBOX).values({"body": type_coerce(TEXT, Text), "address": type_coerce(PHONE, Text)})
        )
        clear = {"body": TEXT, "address": PHONE}
        for name, value in clear.items():
            connection.exec_driver_sql(f"UPDATE outbox SET {name} = ?", (value,))
    log.database.checkpoint()
    assert PHONE.encode() in file.read_bytes()
    with log.database.read() as connection:
        assert outbox.waiting(connection, "shown", 1)[0].body == TEXT, "what is not sealed yet is read all the same"
    assert seal_clear(log.database) == 40
    assert seal_clear(log.database) == 0
    held = b"".join(part.read_bytes() for part in tmp_path.glob("carillon.db*"))
    assert PHONE.encode() not in held
    assert TEXT.encode() not in held
    with log.database.read() as connection:
        assert {(one.address, one.body) for one in outbox.waiting(connection, "shown", 50)} == {(PHONE, TEXT)}
    log.database.close()


def test_a_stolen_database_without_its_ring_opens_nothing(log: EventLog, tmp_path: Path) -> None:
    fill(log)
    thief = Database(log.database._engine.url.render_as_string(hide_password=False), tmp_path / "other")
    with pytest.raises(SealBrokenError, match="not those that this database was written with"), thief.read() as look:
        outbox.waiting(look, "shown", 1)
    with pytest.raises(SealBrokenError, match="not those"):
        thief.keys.check()
    thief.close()


def test_a_database_that_is_no_file_needs_a_directory_of_keys(postgresql_dsn: str) -> None:
    database = Database(f"{postgresql_dsn}/postgres")
    with pytest.raises(KeyringError, match="name it"):
        assert database.keyring
    database.close()


def test_every_wrapped_column_is_named() -> None:
    """One that is not stays under the old key when the ring rotates, and is lost with it."""
    bytes_ = {
        (table.name, column.name)
        for table in METADATA.sorted_tables
        for column in table.c
        if isinstance(column.type, LargeBinary) and ("wrapped" in column.name or "key" in column.name)
    }
    assert bytes_ <= {(one.table.name, one.column) for one in WRAPPED}
    assert {(one.table.name, one.column) for one in WRAPPED} >= {("data_key", "wrapped")}


def test_a_sealed_column_is_never_compared_in_sql() -> None:
    """An index or a key over one would compare seals, of which no two are equal."""
    for table in METADATA.sorted_tables:
        compared = {column for index in table.indexes for column in index.columns} | set(table.primary_key.columns)
        assert not [column for column in compared if isinstance(column.type, Sealed)]


def many_keys(log: EventLog, count: int) -> None:
    fill(log)
    ring = log.database.keyring
    with log.database.write() as connection:
        rows = [
            {"name": f"k{n}", "wrapped": ring.wrap(bytes([n]) * 32, f"data_key:k{n}"), "created_ms": 0}
            for n in range(count)
        ]
        connection.execute(insert(DATA_KEY), rows)


def test_a_rotation_wraps_everything_anew_and_destroys_the_old_key(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REWRAP_ROWS", 4)
    many_keys(log, 10)
    ring = log.database.keyring
    assert wrapped_by(log.database) == {1: 11}
    ring.rotate()
    assert rewrap(log.database) == 11
    assert rewrap(log.database) == 0
    assert wrapped_by(log.database) == {2: 11}
    assert retire(log.database) == [], "a process may have wrapped by it a moment ago"
    made_ms = ring.made_ms(2)
    assert retire(log.database, clock=lambda: made_ms + limits.KEY_GRACE_S * 1000 - 1) == []
    assert retire(log.database, clock=lambda: made_ms + limits.KEY_GRACE_S * 1000) == [1]
    assert ring.numbers == [2]
    for n in range(10):
        assert log.database.keys.key(f"k{n}") == bytes([n]) * 32
    with log.database.read() as connection:
        assert outbox.waiting(connection, "shown", 1)[0].address == PHONE


def test_a_key_that_still_wraps_something_is_never_destroyed(log: EventLog) -> None:
    many_keys(log, 3)
    ring = log.database.keyring
    late = ring.wrap(b"z" * 32, "data_key:late")
    ring.rotate()
    rewrap(log.database)
    with log.database.write() as connection:
        connection.execute(insert(DATA_KEY).values(name="late", wrapped=late, created_ms=0))
    assert retire(log.database, grace_s=0) == []
    assert rewrap(log.database) == 1
    assert retire(log.database, grace_s=0) == [1]
    assert log.database.keys.key("late") == b"z" * 32


def test_a_key_that_is_destroyed_while_it_is_wrapped_anew_stays_destroyed(
    log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_keys(log, 2)
    log.database.keyring.rotate()
    found = keys._under_others

    def then_gone(*arguments: object) -> object:
        rows = found(*arguments)  # type: ignore[arg-type]
        with log.database.write() as connection:
            connection.execute(update(DATA_KEY).where(DATA_KEY.c.name == "k1").values(wrapped=b""))
        return rows

    monkeypatch.setattr(keys, "_under_others", then_gone)
    rewrap(log.database)
    with log.database.read() as connection:
        assert connection.execute(select(DATA_KEY.c.wrapped).where(DATA_KEY.c.name == "k1")).scalar_one() == b""


class Killed(BaseException):
    pass


def dying_at(step: int) -> Callable[[int], None]:
    """Return a progress that dies at its n-th page."""
    pages = iter(range(step))

    def die(_done: int) -> None:
        if next(pages, None) is None:
            raise Killed

    return die


@pytest.mark.parametrize("step", range(6))
def test_a_rotation_killed_at_any_page_loses_nothing_and_goes_on(
    tmp_path: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REWRAP_ROWS", 2)
    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    migrate(dsn)
    log = EventLog(Database(dsn))
    many_keys(log, 9)
    log.database.keyring.rotate()
    if step < 5:
        with pytest.raises(Killed):
            rewrap(log.database, dying_at(step))
    else:
        rewrap(log.database, dying_at(step))
    log.database.close()
    again = Database(dsn)
    again.keys.check()
    assert again.keyring.numbers == [1, 2]
    assert rewrap(again) == max(0, 10 - 2 * (step + 1)) if step < 5 else True
    assert retire(again, grace_s=0) == [1]
    again.close()
    last = Database(dsn)
    last.keys.check()
    assert [last.keys.key(f"k{n}") for n in range(9)] == [bytes([n]) * 32 for n in range(9)]
    last.close()


def test_the_command_rotates_and_an_interrupted_rotation_is_ended_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    migrate(dsn)
    log = EventLog(Database(dsn))
    many_keys(log, 3)
    log.database.close()
    assert carillon.main(["keys", "rotate", "--data", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "key 2 wraps from now on; 4 keys were wrapped anew\nkey 1 is destroyed\n" in said
    assert "current, wraps 4 data keys" in said
    Keyring.from_directory(tmp_path / "keys").rotate()
    assert carillon.main(["keys", "rotate", "--data", str(tmp_path)]) == 0
    assert "key 3 wraps from now on; 4 keys were wrapped anew\nkey 2 is destroyed\n" in capsys.readouterr().out
    assert [file.name for file in sorted((tmp_path / "keys").glob("0*"))] == ["00000003.key"]


def test_beside_a_running_node_the_old_key_opens_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from core.data_directory import DataDirectory

    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    migrate(dsn)
    log = EventLog(Database(dsn))
    many_keys(log, 1)
    with DataDirectory(tmp_path):
        assert carillon.main(["keys", "rotate", "--data", str(tmp_path)]) == 0
    assert "key 1 still opens" in capsys.readouterr().out
    assert log.database.keyring.numbers == [1, 2]
    log.database.close()


def test_keys_of_another_database_are_told_and_nothing_is_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    migrate(dsn)
    log = EventLog(Database(dsn))
    many_keys(log, 1)
    log.database.close()
    for file in (tmp_path / "keys").iterdir():
        file.unlink()
    assert carillon.main(["keys", "rotate", "--data", str(tmp_path)]) == 1
    assert "not those that this database was written with" in capsys.readouterr().err
    with sqlite3.connect(tmp_path / "carillon.db") as connection:
        rows = connection.execute("SELECT wrapped FROM data_key").fetchall()
    connection.close()
    assert {wrapped_under(data) for (data,) in rows} == {1}


def test_names_of_people_are_sealed(log: EventLog) -> None:
    values = {
        "group_id": 1, "login": "wang", "name": "王秀英", "role": "viewer", "password_hash": "", "state": "active",
        "language": "", "notify": "[]", "failures": 0, "locked_until_ms": 0, "created_ms": 0, "seen_ms": 0,
    }  # fmt: skip
    with log.database.write() as connection:
        connection.execute(insert(ACCOUNT).values(**values))
        stored = connection.execute(select(type_coerce(ACCOUNT.c.name, Text), ACCOUNT.c.name)).one()
    assert stored[0].startswith(MARK)
    assert stored[1] == "王秀英"
