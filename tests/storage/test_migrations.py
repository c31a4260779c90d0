"""What an earlier version wrote is brought forwards and kept; what a later one wrote is refused and left alone."""

import itertools
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from core.data_directory import DataDirectory, DataDirectoryError
from storage import NEWEST
from storage.clickhouse import SCHEMA_VERSION, ReportStore
from storage.database import Database, migrate
from storage.errors import StorageError, StoreNewerError
from storage.eventlog import EventLog
from storage.migrations.reports import STEPS, Step, read_steps
from storage.registry import Registry
from storage.tables.report import MILEAGE_COLUMNS, REFUSED_COLUMNS, REPORT_COLUMNS
from storage.tables.uplink import UPLINK_COLUMNS, UPLINK_REFUSED_COLUMNS

BEFORE = Path(__file__).parent / "before"
RELEASED = (
    "4d1ee3d9a8be567e4516d736836b47f5a8264cfff2187c11f28206ac5b305cd0",
    "46fdbf93b901a73665d7d6189424cc36d93b3cb068405bbd9bbae882b392d6a4",
)
"""Digests of the steps as they were released: one that is changed would leave old stores different from new ones."""
FIRST_MS = 1_760_000_000_000
_NUMBERS = itertools.count(1)


def statements(file: Path) -> list[str]:
    """Return the statements of a file of SQL for ClickHouse."""
    return [part for part in re.split(r";\s*$", file.read_text(encoding="utf-8"), flags=re.MULTILINE) if part.strip()]


@pytest.fixture
def old_store(request: pytest.FixtureRequest, store_dsn: str) -> Iterator[ReportStore]:
    """Return a store of version 1 on each engine, as the program of then left it."""
    name = f"before_{next(_NUMBERS)}"
    base, sign, _ = store_dsn.partition("?database=")
    dsn = f"{base}?database={name}" if sign else f"{store_dsn.rpartition('/')[0]}/{name}"
    store = ReportStore(dsn)
    with store._written_by() as client:
        client.command(f"CREATE DATABASE {name}", use_database=False)
        for statement in statements(BEFORE / "reports_1.sql"):
            client.command(statement)
    yield store
    with store._written_by() as client:
        client.command(f"DROP DATABASE {name}", use_database=False)
    store.close()


def columns(store: ReportStore, table: str) -> dict[str, str]:
    """Return the columns of a table that are stored: their types as the engine spells them."""
    sql = (
        "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = {table:String} "
        "AND default_kind != 'ALIAS' ORDER BY position"
    )
    return dict(store.query(sql, {"table": table}))


def test_reports_of_before_are_brought_forwards_and_kept(
    old_store: ReportStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert old_store.ensure_schema() == SCHEMA_VERSION
    assert [record.name for record in caplog.records if record.name == "node.migrated"] == ["node.migrated"]
    track = old_store.track(1, FIRST_MS, FIRST_MS + 60_000)
    assert [(point.time_ms - FIRST_MS, point.odometer_m) for point in track] == [
        (0, 1000),
        (20_000, 1200),
        (30_000, 1250),
    ]
    assert [(row.vehicle_id, row.lat_1e7) for row in old_store.last_positions()] == [(1, 300_002_000), (2, 300_003_000)]
    assert old_store.query("SELECT phone FROM report WHERE vehicle_id = 2") == [("13900000002",)]
    # What the step brought is there, and what was taken is written down: the first one by the program of then.
    assert old_store.query("SELECT count() FROM uplink") == [(0,)]
    taken = old_store.query("SELECT version, name, sha256, program != '' FROM schema_version ORDER BY version")
    assert taken == [(1, "", "", 0), *((s.version, s.name, s.sha256, 1) for s in STEPS[1:])]
    assert old_store.ensure_schema() == SCHEMA_VERSION, "a second start finds nothing to do"
    assert old_store.query("SELECT count() FROM schema_version") == [(SCHEMA_VERSION,)]


def test_a_step_that_was_cut_off_is_done_again(old_store: ReportStore, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = STEPS[1]
    broken = Step(cut.version, cut.name, (cut.statements[0], "CREATE TABLE"), cut.sha256)
    monkeypatch.setattr("storage.clickhouse.STEPS", (STEPS[0], broken, *STEPS[2:]))
    with pytest.raises(StorageError):
        old_store.ensure_schema()
    assert old_store.query("SELECT max(version) FROM schema_version") == [(1,)]
    monkeypatch.undo()
    assert old_store.ensure_schema() == SCHEMA_VERSION
    assert old_store.query("SELECT count() FROM uplink_refused") == [(0,)]


def test_the_steps_make_the_tables_that_the_program_writes(store: ReportStore) -> None:
    assert columns(store, "report") == {name: kind for name, (kind, _) in REPORT_COLUMNS.items()}
    assert columns(store, "report_refused") == dict(REFUSED_COLUMNS)
    assert columns(store, "mileage_day") == {name: declared for name, (_, declared) in MILEAGE_COLUMNS.items()}
    assert columns(store, "uplink") == {name: kind for name, (kind, _) in UPLINK_COLUMNS.items()}
    assert columns(store, "uplink_refused") == dict(UPLINK_REFUSED_COLUMNS)
    sql = "SELECT name, compression_codec FROM system.columns WHERE database = currentDatabase() AND table = 'report'"
    # The engine adds the width of what Delta subtracts: CODEC(Delta(4), LZ4).
    codecs = {name: re.sub(r"\(\d+\)", "", codec) for name, codec in store.query(sql) if codec}
    assert codecs == {name: f"CODEC({codec})" for name, (_, codec) in REPORT_COLUMNS.items()}


def test_released_steps_are_as_they_were() -> None:
    assert tuple(step.sha256 for step in STEPS[: len(RELEASED)]) == RELEASED
    assert len(STEPS) == len(RELEASED), "add the digest of the new step"


def test_steps_are_numbered_without_a_gap(tmp_path: Path) -> None:
    (tmp_path / "0001_one.sql").write_text("SELECT 1;\n\n-- two; not an end\nSELECT 2;\n")
    (one,) = read_steps(tmp_path)
    assert (one.version, one.name, len(one.statements)) == (1, "one", 2)
    (tmp_path / "0003_three.sql").write_text("SELECT 3;\n")
    with pytest.raises(ValueError, match=r"0003_three\.sql stands where step 0002"):
        read_steps(tmp_path)


@pytest.fixture
def old_database(tmp_path: Path) -> Database:
    """Return a business database of version 0001, as the program of then left it."""
    file = tmp_path / "carillon.db"
    with sqlite3.connect(file) as connection:
        connection.executescript((BEFORE / "business_0001.sql").read_text(encoding="utf-8"))
    connection.close()
    return Database(f"sqlite:///{file}")


def test_a_database_of_before_is_brought_forwards_and_kept(
    old_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert migrate(old_database) == NEWEST
    (said,) = [record for record in caplog.records if record.name == "node.migrated"]
    assert said.getMessage() == f"the business database brought from version 0001 to {NEWEST}"
    log = EventLog(old_database)
    assert [(event.seq, event.type, event.version) for event in log.read(0)] == [
        (1, "terminal.registered", 1),
        (2, "terminal.registered", 1),
        (3, "fence.entered", 1),
        (4, "crash.suspected", 1),
    ]
    registry = Registry(log)
    assert [(row.phone, row.vehicle_id) for row in registry.load()] == [("13900000001", 1), ("13900000002", 2)]
    assert [(fence.name, fence.kind, fence.role) for fence in registry.geofences.load()] == [
        ("店内停车场", "circle", "zone"),
        ("四环", "polygon", "zone"),
    ]
    assert registry.next_boot() == 4, "a start has a number that none before it had"
    old_database.close()


def test_a_migration_that_was_cut_off_changed_nothing(old_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alembic.op.create_index", cut_off)
    with pytest.raises(OSError, match="No space left"):
        migrate(old_database)
    with old_database.read() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "0001"
        tables = set(connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'table'")).scalars())
    assert "account" not in tables
    monkeypatch.undo()
    assert migrate(old_database) == NEWEST
    old_database.close()


def test_what_a_later_program_wrote_is_refused_with_what_to_do(tmp_path: Path, old_database: Database) -> None:
    with old_database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0099'"))
    with pytest.raises(StoreNewerError, match=rf"version 0099, this program knows {NEWEST}: .* restore a copy"):
        migrate(old_database)
    old_database.close()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("3", "layout 3, this program reads 2: a later one has written it; start that, or restore a copy of before"),
        ("1", "layout 1, this program reads 2: it is of before 0.1.0"),
        ("", "layout , this program reads 2: its file `version` is damaged"),
        ("2\0\0", "damaged"),
    ],
)
def test_a_directory_of_another_layout_is_refused_with_what_to_do(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "version").write_text(written)
    with pytest.raises(DataDirectoryError, match=said), DataDirectory(tmp_path):
        pass
    assert (tmp_path / "version").read_text() == written
    assert not (tmp_path / "run").exists()
