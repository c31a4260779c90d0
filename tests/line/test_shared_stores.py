"""The same line over a ClickHouse server and PostgreSQL, in one process and without the API; and its owner replaced."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

import carillon
from bench.faults.proxy import Proxy
from bench.servers import start_carillon
from core.events import Event
from storage.eventlog import EventLog
from tests.clickhouse_server import clickhouse_server
from tests.line.conftest import START_MS, Line, place, until
from tests.postgresql_server import postgresql_server

PHONE = "13911110001"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """DSNs of both, without a database."""
    with clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as reports, postgresql_server() as business:
        yield reports, business


def databases(servers: tuple[str, str], name: str) -> dict[str, str]:
    """Return the settings of a node with empty databases of its own."""
    reports, business = servers
    with psycopg.connect(f"{business.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return {"report_dsn": f"{reports}/{name}", "business_dsn": f"{business}/{name}"}


def test_up_keeps_judges_and_answers_over_servers(servers: tuple[str, str], tmp_path: Path) -> None:
    with start_carillon(tmp_path / "data", **databases(servers, "up")) as server:
        line = Line(server)
        terminal = line.terminal(PHONE).login()
        terminal.report(place(1))
        terminal.report(place(2, alarm=1))
        vehicle_id = line.vehicle_of(PHONE)
        (sos,) = until(lambda: line.events("sos.", vehicle_id=vehicle_id))
        assert sos["time_ms"] == START_MS + 2000
        rows = until(lambda: rows if len(rows := line.stored(PHONE)) == 2 else None)
        assert [(row["vehicle_id"], row["time_ms"]) for row in rows] == [
            (vehicle_id, START_MS + 1000),
            (vehicle_id, START_MS + 2000),
        ]
        line.close()
        server.stop()
    assert not (tmp_path / "data" / "clickhouse").exists()
    assert not (tmp_path / "data" / "carillon.db").exists()


def test_a_node_starts_and_judges_while_its_store_is_away_and_stores_once_it_is_there(
    servers: tuple[str, str], tmp_path: Path
) -> None:
    """A fresh database: its tables are made as soon as the server can be reached."""
    reports, _ = servers
    with Proxy(int(reports.rpartition(":")[2])) as proxy:
        proxy.set("refuse")
        dsn = f"{reports.rpartition(':')[0]}:{proxy.port}/late"
        with start_carillon(tmp_path / "data", report_dsn=dsn, health=False) as server:
            line = Line(server)
            terminal = line.terminal(PHONE).login()
            terminal.report(place(1))
            terminal.report(place(2, alarm=1))
            until(lambda: line.events("sos."))
            status, health = server.ask("GET", "/health")
            assert status == 503
            assert "store: " in str(health)
            proxy.set("pass")
            until(lambda: server.ask("GET", "/health")[0] == 200)
            rows = until(lambda: rows if len(rows := line.stored(PHONE)) == 2 else None)
            assert [row["time_ms"] for row in rows] == [START_MS + 1000, START_MS + 2000]
            line.close()
            server.stop()


def test_a_node_whose_log_is_taken_over_stops_and_loses_nothing(servers: tuple[str, str], tmp_path: Path) -> None:
    settings = databases(servers, "ingest")
    log = EventLog(settings["business_dsn"], owner="other")

    def events(prefix: str) -> list[Event]:
        return log.read(0, type_prefix=prefix)

    with start_carillon(tmp_path / "data", part="ingest", **settings) as server:
        assert server.http == ""
        line = Line(server)
        terminal = line.terminal(PHONE).login()
        terminal.report(place(1))
        log.claim()
        terminal.report(place(2, alarm=1))
        assert server.wait() == carillon.EXIT_FENCED
        assert "the event log belongs to other since epoch" in server.log_end()
        assert "Traceback" not in server.log_end()
        assert events("sos.") == []
        line.close()
    with start_carillon(tmp_path / "data", part="ingest", **settings) as server:
        line = Line(server)
        again = line.terminal(PHONE)
        again.code, again.serial = terminal.code, terminal.serial
        again.login().report(place(3, alarm=1))
        (sos,) = until(lambda: events("sos."))
        assert sos.time_ms == START_MS + 2000
        opened: list[Any] = [event.payload for event in events("terminal.session.opened")]
        assert len({payload.epoch for payload in opened}) == len(opened) >= 2
        rows = until(lambda: rows if len(rows := line.stored(PHONE)) == 3 else None)
        assert [row["time_ms"] for row in rows] == [START_MS + 1000, START_MS + 2000, START_MS + 3000]
        line.close()
        server.stop()
    assert len(events("sos.")) == 1
    assert len(events("terminal.registered")) == 1
    log.close()
