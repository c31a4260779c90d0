"""Stores to test on: embedded ClickHouse and a server, SQLite and PostgreSQL; each test gets a database of its own."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import storage
from storage.clickhouse import ReportStore
from storage.database import Database
from storage.eventlog import EventLog
from tests.clickhouse_server import clickhouse_server
from tests.postgresql_server import postgresql_server

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def embedded_dsn(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the one embedded store that this process may open."""
    return f"chdb://{tmp_path_factory.mktemp('chdb')}"


@pytest.fixture(scope="session")
def server_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a ClickHouse server."""
    with clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as dsn:
        yield dsn


@pytest.fixture(scope="session", params=["chdb", "server"])
def store_dsn(request: pytest.FixtureRequest) -> str:
    """Return the DSN of a database of reports, embedded and on a server."""
    if request.param == "chdb":
        return f"{request.getfixturevalue('embedded_dsn')}?database=reports"
    return f"{request.getfixturevalue('server_dsn')}/reports"


@pytest.fixture
def store(store_dsn: str) -> Iterator[ReportStore]:
    """Return a store with empty tables, on each engine."""
    opened = ReportStore(store_dsn)
    opened.ensure_schema()
    with opened._written_by() as client:
        # Truncating is quicker than making the tables anew, and forgets the tokens of the parts that go.
        for (table,) in client.query("SHOW TABLES NOT LIKE '%view'").result_rows:
            if table != "schema_version":
                client.command(f"TRUNCATE TABLE {table}")
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgresql_dsn() -> Iterator[str]:
    """Return the address of a PostgreSQL server."""
    with postgresql_server() as dsn:
        yield dsn


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return the DSN of a business database without tables, on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'carillon.db'}"
    dsn: str = request.getfixturevalue("postgresql_dsn")
    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(f"{dsn.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{dsn}/{name}"


@pytest.fixture
def business_dsn(empty_dsn: str) -> str:
    """Return the DSN of a business database with its tables."""
    storage.migrate(empty_dsn)
    return empty_dsn


@pytest.fixture
def log(business_dsn: str, tmp_path: Path) -> Iterator[EventLog]:
    """Return an event log on each kind of database."""
    opened = EventLog(Database(business_dsn, keys=tmp_path / "keys"))
    yield opened
    opened.database.close()
