"""`carillon query` asks the store of a data directory that nobody serves, and says what it will not do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.data_directory import DataDirectory

ROOT = Path(__file__).resolve().parents[2]

FILL = """
import sys, numpy as np
from protocols.report import REPORT
from storage.clickhouse import ReportStore
store = ReportStore(sys.argv[1])
store.ensure_schema()
rows = np.zeros(3, REPORT)
rows["vehicle_id"] = rows["terminal"] = rows["report_id"] = (1, 2, 3)
rows["time_ms"] = rows["arrival_ms"] = 1_764_000_000_000
store.insert_segment(rows, b"", "node1:1")
store.close()
"""


def carillon_query(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A process of its own: an embedded store has one path a process, and other tests have taken theirs.
    command = [sys.executable, "-m", "carillon", "query", "--data", str(data), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with three reports, used by nobody."""
    path = tmp_path_factory.mktemp("node") / "data"
    with DataDirectory(path):
        pass
    command = [sys.executable, "-c", FILL, f"chdb:///{path}/clickhouse"]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True)
    return path


def test_a_question_is_answered_as_json_and_as_a_table(data: Path) -> None:
    sql = "SELECT vehicle_id, lat_1e7 FROM report ORDER BY vehicle_id DESC LIMIT 2"
    answer = carillon_query(data, sql, "--json")
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == [{"vehicle_id": 3, "lat_1e7": 0}, {"vehicle_id": 2, "lat_1e7": 0}]
    assert answer.stdout.count("\n") == 1
    assert carillon_query(data, sql).stdout.splitlines()[0].split() == ["vehicle_id", "lat_1e7"]


@pytest.mark.parametrize(
    "sql", ["DROP TABLE report", "SELECT * FROM file('/etc/passwd')", "SELECT 1; SELECT 2", "SELEC 1"]
)
def test_what_is_no_read_is_refused_with_the_reason(data: Path, sql: str) -> None:
    answer = carillon_query(data, sql)
    assert answer.returncode == 1
    assert answer.stderr.startswith("carillon: query: ")
    assert answer.stdout == ""


def test_nothing_is_made_where_there_is_nothing(tmp_path: Path) -> None:
    answer = carillon_query(tmp_path / "none", "SELECT 1")
    assert (answer.returncode, answer.stderr) == (1, f"carillon: query: there is no data in {tmp_path}/none\n")
    assert not (tmp_path / "none").exists()


def test_a_store_that_a_process_holds_is_not_opened_beside_it(data: Path) -> None:
    with DataDirectory(data):
        answer = carillon_query(data, "SELECT 1")
    assert answer.returncode == 1
    assert answer.stderr == f"carillon: {data} is in use by process {os.getpid()}\n"
