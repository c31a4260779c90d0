"""`carillon api` as a process of its own reads what nodes wrote into a ClickHouse server and PostgreSQL."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import psycopg
import pytest

from protocols.report import REPORT
from storage import migrate
from storage.clickhouse import ReportStore
from storage.eventlog import EventLog
from storage.registry import NewTerminal, Registry
from tests.clickhouse_server import clickhouse_server
from tests.postgresql_server import postgresql_server

ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_764_000_000_000


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """DSNs of a report store and a business database in which three cars are known and two have reported."""
    with clickhouse_server(tmp_path / "clickhouse") as reports, postgresql_server() as server:
        with psycopg.connect(f"{server.replace('+psycopg', '')}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE shared")
        reports, business = f"{reports}/shared", f"{server}/shared"
        migrate(business)
        log = EventLog(business)
        Registry(log).register(
            [
                NewTerminal(phone=f"1380000000{n}", terminal_id=f"T{n}", event_id=f"event{n}", time_ms=NOW_MS)
                for n in (1, 2, 3)
            ]
        )
        log.close()
        rows = np.zeros(2, REPORT)
        rows["vehicle_id"] = rows["terminal"] = rows["report_id"] = (1, 3)
        rows["time_ms"] = rows["arrival_ms"] = NOW_MS
        rows["lat_1e7"], rows["lon_1e7"] = 312_304_100, 1_214_737_000
        store = ReportStore(reports)
        store.ensure_schema()
        store.insert_segment(rows, b"", "node1:1")
        store.flush_summaries()
        store.close()
        yield reports, business


@pytest.fixture
def client(stores: tuple[str, str], tmp_path: Path) -> Iterator[httpx.Client]:
    reports, business = stores
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARILLON_")}
    environment |= {
        "CARILLON_REPORT_DSN": reports,
        "CARILLON_BUSINESS_DSN": business,
        "CARILLON_HTTP": "127.0.0.1:0",
        "CARILLON_DATA": str(tmp_path / "data"),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "carillon", "api"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        assert "API on http://" in line, line + process.stderr.read()
        key = (tmp_path / "data" / "run" / "api.key").read_text().strip()
        address = line.split("http://")[1].split("/")[0]
        with httpx.Client(
            base_url=f"http://{address}", headers={"Authorization": f"Bearer {key}"}, timeout=30
        ) as client:
            yield client
        process.terminate()
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_the_api_alone_reads_what_nodes_wrote_and_leaves_commands_to_the_owner(client: httpx.Client) -> None:
    assert client.get("/health").json()["faults"] == []
    page = client.get("/api/v1/positions", params={"limit": 1}).json()
    assert [item["vehicle_id"] for item in page["items"]] == [1]
    page = client.get("/api/v1/positions", params={"after": page["next"]}).json()
    assert [(item["vehicle_id"], item["lat"], item["online"]) for item in page["items"]] == [(3, 31.23041, False)]
    vehicle = client.get("/api/v1/vehicles/2").json()
    assert (vehicle["terminals"][0]["phone"], vehicle["position"]) == ("13800000002", None)
    assert client.get("/api/v1/vehicles/4").status_code == 404
    events = client.get("/api/v1/events", params={"type": "terminal."}).json()
    assert [event["seq"] for event in events["items"]] == [1, 2, 3]
    answer = client.post("/api/v1/vehicles/1/commands", json={"message": "0x8201"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "it waits in the inbox" in answer.json()["detail"]
    assert client.post("/api/v1/vehicles/1/commands", json={"message": "0x9999"}).status_code == 422
