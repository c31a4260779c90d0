"""Stores to test on: embedded ClickHouse and a server, SQLite and PostgreSQL; each test gets a database of its own."""

import itertools
from collections.abc import Iterator

import pytest

from storage.clickhouse import ReportStore
from tests.clickhouse_server import clickhouse_server

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


@pytest.fixture(params=["chdb", "server"])
def store_dsn(request: pytest.FixtureRequest) -> str:
    """Return the DSN of an empty database, embedded and on a server."""
    name = f"test_{next(_NUMBERS)}"
    if request.param == "chdb":
        return f"{request.getfixturevalue('embedded_dsn')}?database={name}"
    return f"{request.getfixturevalue('server_dsn')}/{name}"


@pytest.fixture
def store(store_dsn: str) -> Iterator[ReportStore]:
    """Return a store with its tables, on each engine."""
    opened = ReportStore(store_dsn)
    opened.ensure_schema()
    yield opened
    opened.close()
