"""A data directory as an earlier version wrote it: opened, brought forwards, nothing lost, worked on."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.servers import start_carillon
from tests.line.conftest import Line, place, until
from tests.storage.test_migrations import BEFORE, FIRST_MS

ROOT = Path(__file__).resolve().parents[2]
MAKE_REPORTS = """
import sys
from tests.storage.test_migrations import BEFORE, statements
from storage.clickhouse import ReportStore
store = ReportStore(f"chdb://{sys.argv[1]}/clickhouse")
with store._written_by() as client:
    client.command("CREATE DATABASE carillon", use_database=False)
    for statement in statements(BEFORE / "reports_1.sql"):
        client.command(statement)
store.close()
"""


def write_as_before(data: Path) -> None:
    """Write a data directory as the program left it at layout 2, reports 1, database 0001, snapshot 1."""
    data.mkdir()
    (data / "version").write_text("2\n")
    with sqlite3.connect(data / "carillon.db") as connection:
        connection.executescript((BEFORE / "business_0001.sql").read_text(encoding="utf-8"))
    connection.close()
    np.savez(data / "snapshot.npz", format=np.array([1], np.int64))
    (data / "snapshot.npz").rename(data / "detection.snapshot")
    # The engine holds one directory a process: it is filled by another.
    subprocess.run([sys.executable, "-c", MAKE_REPORTS, str(data)], cwd=ROOT, check=True, timeout=120)


def test_a_directory_of_before_is_brought_forwards_and_a_later_one_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_as_before(data)
    with start_carillon(data, log_level="info") as server:
        said = server.log_end(1000)
        assert "node.migrated: the reports brought from version 1 to" in said
        assert "node.migrated: the business database brought from version 0001 to" in said
        _, cars = server.ask("GET", "/api/v1/vehicles")
        assert [(car["plate"], car["position"]["lat"]) for car in cars["items"]] == [
            ("粤B00001", 30.0002),
            ("粤B00002", 30.0003),
        ]
        _, track = server.ask("GET", f"/api/v1/vehicles/1/track?from={FIRST_MS}&to={FIRST_MS + 60_000}")
        assert track["points"] == 3
        _, events = server.ask("GET", "/api/v1/events")
        assert [event["type"] for event in events["items"]][:4] == [
            "terminal.registered",
            "terminal.registered",
            "fence.entered",
            "crash.suspected",
        ]
        for seq in (3, 4):
            assert server.ask("GET", f"/events/{seq}")[0] == 200, "its page knows what was written then"
        line = Line(server)
        terminal = line.terminal("13900000001", terminal_id="T000001").login()
        terminal.report(place(1))
        until(lambda: len(line.stored("13900000001")) == 4)
        assert len(line.stored("13900000002")) == 1
        line.close()
        server.stop()
    a_later_one_is_refused(data)


def a_later_one_is_refused(data: Path) -> None:
    """Have a later program write the database: this one says so, with status 1."""
    with sqlite3.connect(data / "carillon.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.close()
    ended = subprocess.run(
        [sys.executable, "-m", "carillon", "up", "--data", str(data), "--tcp", "127.0.0.1:0", "--http", "127.0.0.1:0"],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("carillon: the business database is of version 0099, this program")
    assert "Traceback" not in ended.stderr
