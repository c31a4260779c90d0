"""What was acknowledged by the store is on disk: kill -9 in the middle of inserts, again and again."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from protocols.report import REPORT

SEGMENT_ROWS = 500
ROUNDS = 3

_INSERT = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: end with the test that started us
from storage.clickhouse import ReportStore
from tests.storage.test_crash import segment
store = ReportStore(sys.argv[1])
store.ensure_schema()
for number in range(int(sys.argv[2]), 10_000):
    print("begin", number, flush=True)
    store.insert_segment(segment(number), b"items", f"node:{number}")
    print("done", number, flush=True)
    if number % 3 == 2:
        store.flush_summaries()
        print("flushed", number, flush=True)
"""

_COUNT = """
import sys
from storage.clickhouse import ReportStore
store = ReportStore(sys.argv[1])
store.ensure_schema()
for row in store.query(
    "SELECT intDiv(sequence, 500) AS segment, count() FROM report GROUP BY segment ORDER BY segment"
):
    print(*row)
print("positions", store.query("SELECT count(), max(time_ms) FROM last_position")[0])
print("mileage", store.query("SELECT max(odometer_m_max) FROM mileage_day")[0][0])
"""


def segment(number: int) -> np.ndarray:
    """Return the rows of one segment: 500 reports of 50 vehicles, later and further in each segment."""
    rows = np.zeros(SEGMENT_ROWS, REPORT)
    rows["sequence"] = number * SEGMENT_ROWS + np.arange(SEGMENT_ROWS)
    rows["report_id"] = rows["sequence"] * 7919
    rows["vehicle_id"] = 1 + np.arange(SEGMENT_ROWS) % 50
    rows["terminal"] = rows["vehicle_id"]
    rows["time_ms"] = rows["arrival_ms"] = 1_760_000_000_000 + rows["sequence"] * 1_000
    rows["odometer_m"] = rows["sequence"]
    rows["items_length"] = 5
    return rows


def test_kill_9_in_the_middle_of_inserts_loses_no_acknowledged_segment(tmp_path: Path) -> None:
    dsn = f"chdb://{tmp_path / 'store'}"
    begun = flushed = -1
    acknowledged: set[int] = set()
    for _ in range(ROUNDS):
        # Begins again behind the last segment whose summaries are stored too, as the recorder does.
        child = subprocess.Popen(
            [sys.executable, "-c", _INSERT, dsn, str(flushed + 1)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        try:
            wanted = 8
            for line in child.stdout:
                word, number = line.split()
                if word == "begin":
                    begun = int(number)
                    wanted -= 1
                    if wanted <= 0:
                        break
                elif word == "done":
                    acknowledged.add(int(number))
                else:
                    flushed = int(number)
        finally:
            child.kill()
            rest = child.stdout.read()
            child.stdout.close()
            child.wait()
        # What it said before the signal reached it counts as well.
        for line in rest.splitlines():
            if line.startswith("done "):
                acknowledged.add(int(line.split()[1]))
            elif line.startswith("begin "):
                begun = int(line.split()[1])
            else:
                flushed = int(line.split()[1])
    counted = subprocess.run([sys.executable, "-c", _COUNT, dsn], stdout=subprocess.PIPE, text=True, check=True)
    *segments, positions, mileage = counted.stdout.splitlines()
    stored = {int(line.split()[0]): int(line.split()[1]) for line in segments}
    assert len(acknowledged) >= ROUNDS * 4
    assert acknowledged <= set(stored), "acknowledged and lost"
    assert set(stored) <= acknowledged | set(range(begun + 1)), "stored but never sent, or out of order"
    assert set(stored.values()) == {SEGMENT_ROWS}, "a segment is stored whole or not at all, and once"
    assert flushed >= ROUNDS
    last = segment(flushed)
    assert positions.startswith("positions (50, ")
    assert int(positions.split()[-1].strip(")")) >= last["time_ms"].max()
    assert int(mileage.split()[1]) >= last["odometer_m"].max()


def test_signals_keep_their_meaning_and_sigpipe_is_not_blocked_beside_the_embedded_store(tmp_path: Path) -> None:
    check = """
import ctypes, os, signal, sys
from storage.clickhouse import ReportStore
store = ReportStore(sys.argv[1])
store.ensure_schema()
assert signal.SIGPIPE not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
status = open("/proc/self/status").read()
caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt")).split()[1], 16)
print(sorted(number for number in (4, 5, 6, 7, 8, 11, 20, 31) if caught >> (number - 1) & 1), flush=True)
os.abort()
"""
    child = subprocess.run(
        [sys.executable, "-c", check, f"chdb://{tmp_path / 'store'}"], stdout=subprocess.PIPE, text=True, timeout=60
    )
    assert child.stdout == "[]\n"
    assert child.returncode == -6, "a crash ends the process, so that something starts it again"
