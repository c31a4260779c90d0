"""What the benches of the server rest on: sets compared rightly, turns counted rightly, dead servers told."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bench import ingest, machine, watch
from bench.servers import BenchError, ChildServer, LimitServer, start_intake
from bench.stored import STORED, Comparison, compare, read_stored
from simulators import load

ENTRIES = [(3, 100, 7), (3, 100, 8), (3, 101, 7), (65_535, 4_294_967_295, 65_535)]  # terminal, time_s, serial


def record(path: Path, *entries: tuple[tuple[int, int, int], int]) -> Path:
    rows = [(terminal, time_s, 0, serial, kind, 0) for (terminal, time_s, serial), kind in entries]
    np.array(rows, load.RECORD).tofile(path)
    return path


def stored(*entries: tuple[int, int, int]) -> np.ndarray:
    rows = [(terminal, serial, time_s, number) for number, (terminal, time_s, serial) in enumerate(entries)]
    return np.array(rows, STORED)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """Four reports sent, the first three of them acknowledged."""
    return record(
        tmp_path / "record",
        *((entry, load.RECORD_SENT) for entry in ENTRIES),
        *((entry, load.RECORD_ACKED) for entry in ENTRIES[:3]),
    )


@pytest.mark.parametrize("count", [3, 4])
def test_what_was_acknowledged_must_be_stored_and_what_was_only_sent_may_be(written: Path, count: int) -> None:
    comparison = compare([written], stored(*ENTRIES[:count]), count)
    assert comparison.right
    assert (comparison.sent, comparison.acked, comparison.stored) == (4, 3, count)


def test_a_lost_report_is_seen_though_another_makes_up_the_count(written: Path) -> None:
    comparison = compare([written], stored(*ENTRIES[1:]), 3)
    assert comparison.acked_not_stored == 1
    assert not comparison.right


def test_an_invented_report_is_seen(written: Path) -> None:
    comparison = compare([written], stored(*ENTRIES, (4, 100, 7)), 5)
    assert comparison.stored_not_sent == 1
    assert not comparison.right


def test_a_report_stored_twice_is_seen_under_one_id_and_under_two(written: Path) -> None:
    twice = stored(*ENTRIES, ENTRIES[0])
    assert compare([written], twice, 5).stored_twice == 1
    twice["report_id"][4] = twice["report_id"][0]
    assert compare([written], twice, 5).stored_twice == 2
    one_id = stored(*ENTRIES)
    one_id["report_id"] = 1
    assert not compare([written], one_id, 4).right


def test_a_position_that_was_asked_for_may_be_stored(tmp_path: Path) -> None:
    written = record(tmp_path / "record", (ENTRIES[0], load.RECORD_ANSWERED))
    assert compare([written], stored(ENTRIES[0]), 1).right
    assert compare([written], stored(), 0).right


def test_records_of_several_clients_are_one_set(tmp_path: Path) -> None:
    parts = [
        record(tmp_path / str(number), (entry, load.RECORD_SENT), (entry, load.RECORD_ACKED))
        for number, entry in enumerate(ENTRIES)
    ]
    assert compare(parts, stored(*ENTRIES), 4).right


def test_a_turn_counts_only_what_it_measured() -> None:
    seen: list[int] = []

    def settle(acked: int) -> watch.Settled:
        seen.append(acked)
        return watch.Settled(limit.cpu_ns(), 0.0)

    with LimitServer() as limit:
        small = ingest.Load("20 terminals, window 2", 20, 2)
        sample = ingest.take_turn(limit, small, 0.2, settle=settle, warm_up_s=0.1)
        answered = limit.finish()["reports"]
    assert len(seen) == 2
    assert sample.reports == seen[1] - seen[0]
    assert seen[1] == answered
    assert sample.unacknowledged == 0
    assert 0 < sample.process_us <= sample.stored_us


@pytest.mark.parametrize("ack_after", ["sync", "write", "receive"])
def test_the_intake_alone_is_a_server_like_any_other(tmp_path: Path, ack_after: str) -> None:
    with start_intake(tmp_path / "data", ack_after=ack_after, ack_window_ms=1) as server, LimitServer() as limit:
        small = ingest.Load("20 terminals, window 2", 20, 2)
        floor = ingest.take_turn(limit, small, 0.2)
        ours = ingest.take_turn(server, small, 0.2)
        server.stop()
    assert ours.unacknowledged == 0
    assert 0 < ours.intake_us <= ours.process_us
    figures = {"loads": {small.name: ingest.summary(small, [floor], [ours])}, "sets": None}
    assert small.name in ingest.table(ack_after, figures)
    assert msgspec.json.encode(figures)


def test_comparisons_are_found_wherever_they_stand() -> None:
    wrong = Comparison(1, 1, 0, 0, 1, 0, 0, 0)
    found = ingest.comparisons({"sync": {"sets": wrong, "loads": {"a": {"x": 1}}}, "write": [{"sets": None}]})
    assert found == [wrong]


def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no such store')"]
    with pytest.raises(BenchError, match="no such store"):
        ChildServer(command, tmp_path / "data")


def test_a_bench_says_where_it_ran() -> None:
    described = machine.description()
    assert described["machine"]["cores"] >= 1
    assert set(described["versions"]) >= {"python", "numba", "numpy"}
    assert "commit" in described


STORE = """
import subprocess
import sys
import numpy as np
from core.config import Config
from protocols.report import REPORT, phone_key
from storage.clickhouse import ReportStore

store = ReportStore(Config(data=sys.argv[1]).reports)
store.ensure_schema()
rows = np.zeros(3, REPORT)
for number, row in enumerate(rows):
    row["phone_high"], row["phone_low"] = phone_key(str(13_000_000_000 + number))
    row["terminal"] = row["vehicle_id"] = 1 + number
    row["serial"], row["time_ms"], row["report_id"] = 65_533 + number, 1_790_000_000_000 + 1000 * number, 77 + number
    row["arrival_ms"] = 1_790_000_000_000
for token in ("first", "again"):
    store.insert_segment(rows, b"", token)
store.close()
"""


def test_the_stored_reports_of_a_stopped_server_are_read_whole(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run([sys.executable, "-c", STORE, str(data)], check=True, cwd=machine.REPOSITORY, timeout=100)
    reports, rows = read_stored(data, 13_000_000_000)
    assert sorted(reports.tolist()) == [(n, 65_533 + n, 1_790_000_000 + n, 77 + n) for n in range(3)]
    assert rows in (3, 6)  # the repeat may have been merged away already
    assert len(read_stored(data, 13_000_000_001)[0]) == 2
