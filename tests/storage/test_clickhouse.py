"""The report store, one body on the embedded engine and on a server."""

import contextlib
import datetime
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from core import limits
from protocols.report import (
    FLAG_NO_FIX,
    FLAG_POSITION_BAD,
    FLAG_TIME_BAD,
    ODOMETER_NONE,
    REPORT,
    TIME_NONE,
    phone_text,
)
from storage.clickhouse import SCHEMA_VERSION, ReportsAsked, ReportStore, Stored
from storage.errors import ContentRefusedError, StorageError, StoreNewerError
from storage.native import BlockRoom

ROOT = Path(__file__).resolve().parents[2]
NOW_MS = 1_760_000_000_000
DAY_MS = 86_400_000


def random_rows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows whose every field takes its extremes, and a blob of items that lie in it in any order."""
    random = np.random.default_rng(seed)
    rows = np.zeros(count, REPORT)
    for name in REPORT.names or ():
        bounds = np.iinfo(REPORT[name])
        rows[name] = random.integers(bounds.min, bounds.max, count, dtype=REPORT[name], endpoint=True)
        rows[name][random.random(count) < 0.1] = bounds.min
        rows[name][random.random(count) < 0.1] = bounds.max
    rows["sequence"] = np.arange(count) + seed * 1_000_000
    rows["vehicle_id"] = random.integers(1, 2**31 - 1, count)
    rows["arrival_ms"] = NOW_MS + random.integers(0, DAY_MS, count)
    rows["phone_high"] = random.integers(0, 2**16, count) * (random.random(count) < 0.5)
    lengths = random.choice([0, 1, 30, 127, 128, 300, 16_383, 16_384, 20_000], count, p=[0.1, 0.1, 0.4] + [0.4 / 6] * 6)
    rows["items_length"] = lengths
    places = np.concatenate(([0], np.cumsum(lengths)[:-1]))
    rows["items_offset"] = places
    shuffled = random.permutation(count)
    rows["items_offset"], rows["items_length"] = places[shuffled], lengths[shuffled]
    return rows, random.integers(0, 256, int(lengths.sum()), dtype=np.uint8)


def rows_of(fields: Sequence[dict[str, int]]) -> np.ndarray:
    """Return plain rows: one a dict, with sensible values for what it does not name."""
    rows = np.zeros(len(fields), REPORT)
    for number, named in enumerate(fields):
        row = {
            "sequence": number,
            "arrival_ms": NOW_MS,
            "terminal": named.get("vehicle_id", 1),
            "vehicle_id": 1,
            "report_id": 1_000 + number,
            "time_ms": NOW_MS,
            "odometer_m": ODOMETER_NONE,
            **named,
        }
        for name, value in row.items():
            rows[number][name] = value
    return rows


def count(store: ReportStore, table: str = "report") -> int:
    return int(store.query(f"SELECT count() FROM {table}")[0][0])


def test_every_column_comes_back_as_it_was(store: ReportStore) -> None:
    rows, blob = random_rows(1, 2_000)
    store.insert_segment(rows, blob.tobytes(), "node:1")
    names = [name for name in REPORT.names or () if name not in ("phone_high", "phone_low")]
    # What items say of the moment is read out of them again, where somebody asks.
    of_items = ("items_offset", "items_length", "acceleration_mg", "satellites", "cell_signal")
    names = [name for name in names if name not in of_items]
    found = store.query(f"SELECT {', '.join(names)}, phone, items FROM report ORDER BY sequence", binary=["items"])
    expected = [
        (
            *(int(row[name]) for name in names),
            phone_text(row["phone_high"], row["phone_low"]),
            blob[row["items_offset"] :][: row["items_length"]].tobytes(),
        )
        for row in rows
    ]
    assert found == expected


def test_a_segment_inserted_twice_under_its_token_is_stored_once(store: ReportStore) -> None:
    rows, blob = random_rows(2, 100)
    for _ in range(3):
        store.insert_segment(rows, blob, "node:1")
    store.flush_summaries()
    store.flush_summaries()
    for table in ("report", "last_position", "mileage_day"):
        parts = store.query(
            "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = {table:String} AND active",
            {"table": table},
        )
        assert parts == [(1,)], f"{table} was written more than once"


def test_a_report_in_two_segments_counts_once(store: ReportStore) -> None:
    rows = rows_of([{"vehicle_id": vehicle} for vehicle in range(1, 11)])
    store.insert_segment(rows, b"", "node:1")
    again = rows.copy()
    again["sequence"] += 100
    again["arrival_ms"] += 40 * DAY_MS
    store.insert_segment(again, b"", "node:2")
    assert count(store) == 10
    assert store.query("SELECT DISTINCT sequence >= 100 FROM report") == [(1,)]


def test_three_reports_of_one_second_stay_three(store: ReportStore) -> None:
    store.insert_segment(rows_of([{"report_id": number} for number in (7, 8, 9)]), b"", "node:1")
    assert [point.report_id for point in store.track(1, NOW_MS, NOW_MS + 1)] == [7, 8, 9]


def test_twenty_years_of_a_terminals_clock_are_one_segment(store: ReportStore) -> None:
    months = [{"time_ms": TIME_NONE}] + [
        {"time_ms": NOW_MS - month * 30 * DAY_MS, "odometer_m": 5} for month in range(240)
    ]
    store.insert_segment(rows_of(months), b"", "node:1")
    assert count(store) == 241


def test_refused_rows_are_kept_apart_with_the_reason_and_the_rest_is_stored(store: ReportStore) -> None:
    rows, blob = random_rows(3, 90)
    rows["vehicle_id"][[7, 60]] = 0
    rows["items_length"][33] = 2**31 - 1
    rows["arrival_ms"][89] = -1
    with pytest.raises(ContentRefusedError):
        store.insert_segment(rows, blob, "node:1")
    for _ in range(2):  # a crash behind the last insert, and the segment comes again
        assert store.insert_with_bisection(rows, blob, "node:1") == Stored(stored=86, refused=4)
        assert count(store) == 86
    refused = store.query(
        "SELECT sequence, row, items, reason FROM report_refused ORDER BY sequence", binary=["row", "items"]
    )
    assert [found[0] for found in refused] == [int(rows["sequence"][i]) for i in (7, 33, 60, 89)]
    for (_, row, items, reason), number in zip(refused, (7, 33, 60, 89), strict=True):
        assert row == rows[number].tobytes()
        if number == 33:
            assert items == b""
        else:
            assert items == blob[rows[number]["items_offset"] :][: rows[number]["items_length"]].tobytes()
        assert reason.strip()


def test_a_wholly_refused_segment_is_given_up_on_within_the_bound(
    store: ReportStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.limits.BISECTION_INSERTS_MAX", 10)
    rows = rows_of([{"vehicle_id": 0, "terminal": terminal} for terminal in range(300)])
    assert store.insert_with_bisection(rows, b"", "node:1") == Stored(stored=0, refused=300)
    assert count(store, "report_refused") == 300


def test_last_positions_and_mileage_agree_with_a_slow_count(store: ReportStore) -> None:
    random = np.random.default_rng(4)
    fields = []
    for number in range(6_000):
        flags = int(random.choice([0, 0, 0, 0, FLAG_NO_FIX, FLAG_TIME_BAD, FLAG_POSITION_BAD]))
        time_ms = NOW_MS + int(random.integers(0, 3 * 86_400)) * 1000
        if flags == FLAG_TIME_BAD:
            time_ms = int(random.choice([TIME_NONE, 0, NOW_MS + 900 * DAY_MS]))
        fields.append(
            {
                "sequence": number // 3,
                "vehicle_id": int(random.integers(1, 40)),
                "terminal": int(random.integers(1, 4)),
                "report_id": int(random.integers(0, 2**63)),
                "time_ms": time_ms - time_ms % 60_000 if time_ms > 0 else time_ms,  # many of one second
                "odometer_m": int(random.choice([ODOMETER_NONE, int(random.integers(0, 10**7))])),
                "speed_kmh10": int(random.integers(0, 2000)),
                "flags": flags,
            }
        )
    rows = rows_of(fields)
    pieces = np.array_split(random.permutation(rows.size), 5)
    for number in (0, 1, 2, 3, 4, 2, 0):  # replays under new tokens: the same rows come again
        token = f"node:{number}:{random.integers(0, 2**40)}"
        store.insert_segment(rows[pieces[number]], b"", token)

    last: dict[int, tuple[tuple[int, int, int], np.void]] = {}
    days: dict[tuple[int, int, int], list[np.void]] = {}
    for row in rows:
        if not row["flags"] & (FLAG_NO_FIX | FLAG_TIME_BAD | FLAG_POSITION_BAD):
            rank = (int(row["time_ms"]), int(row["sequence"]), int(row["report_id"]) >> 40)
            vehicle = int(row["vehicle_id"])
            if vehicle not in last or rank > last[vehicle][0]:
                last[vehicle] = (rank, row)
        if not row["flags"] & FLAG_TIME_BAD and row["odometer_m"] != ODOMETER_NONE:
            day = (int(row["time_ms"]) + 8 * 3600 * 1000) // DAY_MS
            days.setdefault((int(row["vehicle_id"]), day, int(row["terminal"])), []).append(row)
    found = store.last_positions()
    assert [position.vehicle_id for position in found] == sorted(last)
    for position in found:
        row = last[position.vehicle_id][1]
        assert position == tuple(int(row[name]) for name in position._fields)
    assert store.last_positions([1, 2, 10**6]) == [position for position in found if position.vehicle_id < 3]

    mileage: dict[tuple[int, int], int] = {}
    for (vehicle, day, _), of_day in days.items():
        readings = [int(row["odometer_m"]) for row in of_day]
        key = vehicle, day
        mileage[key] = max(mileage.get(key, 0), max(readings) - min(readings))
    epoch = datetime.date(1970, 1, 1)
    rows_found = store.daily_mileage(epoch + datetime.timedelta(days=20_000), epoch + datetime.timedelta(days=30_000))
    assert {(item.vehicle_id, (item.day - epoch).days): item.mileage_m for item in rows_found} == mileage


def test_what_is_erased_is_gone_and_nothing_beside_it(store: ReportStore) -> None:
    fields = [{"vehicle_id": car, "time_ms": NOW_MS + second * 1000, "report_id": 100 * car + second}
              for car in (7, 8) for second in range(6)]  # fmt: skip
    rows = rows_of(fields)
    store.insert_segment(rows, b"", "erased")
    store.flush_summaries()
    for _ in range(2):
        store.erase(7, NOW_MS + 2000, NOW_MS + 6000)
    left = store.query("SELECT vehicle_id, count() FROM report GROUP BY vehicle_id ORDER BY vehicle_id")
    assert [tuple(row) for row in left] == [(7, 2), (8, 6)]
    assert [one.vehicle_id for one in store.last_positions([7, 8])] == [8]


def test_a_track_is_ordered_bounded_and_leaves_out_mad_clocks(store: ReportStore) -> None:
    fields = [{"time_ms": NOW_MS + 1000 * ((number * 7) % 50)} for number in range(50)]
    fields += [{"time_ms": NOW_MS + 500, "flags": FLAG_TIME_BAD}, {"time_ms": NOW_MS + 600, "vehicle_id": 2}]
    store.insert_segment(rows_of(fields), b"", "node:1")
    times = [point.time_ms for point in store.track(1, NOW_MS, NOW_MS + 40_000)]
    assert times == [NOW_MS + 1000 * second for second in range(40)]
    assert [point.time_ms for point in store.track(1, NOW_MS, NOW_MS + 40_000, 3)] == times[:3]


def test_reads_do_not_write_and_are_bounded(store: ReportStore) -> None:
    with pytest.raises(StorageError):
        store.query("INSERT INTO store_ping VALUES (9, 9)")
    with pytest.raises(StorageError):
        store.query("SELECT number FROM numbers(1000)", rows_max=999)
    assert len(store.query("SELECT number FROM numbers(1000)", rows_max=1000)) == 1000
    assert count(store, "store_ping") == 0


def test_a_store_of_a_later_version_is_refused(store: ReportStore, store_dsn: str) -> None:
    store.ping_write()
    assert count(store, "store_ping") == 1
    assert store.ensure_schema() == SCHEMA_VERSION
    with store._written_by() as client:
        client.command("INSERT INTO schema_version (version, applied_ms) VALUES (99, 0)")
    late = ReportStore(store_dsn)
    try:
        with pytest.raises(StoreNewerError, match="99"):
            late.ensure_schema()
        with pytest.raises(StoreNewerError, match="99"):
            late.ping_write()
    finally:
        with store._written_by() as client:
            client.command("DELETE FROM schema_version WHERE version = 99")
    late.ping_write()
    assert late.ensure_schema() == SCHEMA_VERSION
    late.close()


def test_a_server_that_is_away_is_no_refused_content() -> None:
    store = ReportStore("clickhouse://127.0.0.1:9/carillon", timeout_s=1)
    rows = rows_of([{}])
    for act in (store.ensure_schema, store.ping_write, lambda: store.insert_with_bisection(rows, b"", "node:1")):
        with pytest.raises(StorageError):
            act()
    store.close()


@contextlib.contextmanager
def deaf(backlog: int) -> Iterator[int]:
    """Yield the port of a listener that takes connections and never says a word; with backlog 0 it takes none."""
    with socket.socket() as listener, contextlib.ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        port = int(listener.getsockname()[1])
        for _ in range(1 if backlog == 0 else 0):
            # Linux keeps one more than the backlog; from the next on nobody is even greeted.
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
        yield port


def test_a_server_that_takes_longer_than_the_bound_counts_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ReportStore("clickhouse://127.0.0.1:9/carillon")
    assert store._timeout_s == limits.STORE_TIMEOUT_S
    store.close()
    # A second, the least that the driver knows, to wait no longer. First it takes the connection and says nothing, then
    # it does not even take it.
    with deaf(backlog=8) as port:
        store = ReportStore(f"clickhouse://127.0.0.1:{port}/carillon", timeout_s=1)
        with pytest.raises(StorageError):
            store.ping_write()
        store.close()
    monkeypatch.setattr(limits, "STORE_CONNECT_TIMEOUT_S", 1)
    with deaf(backlog=0) as port:
        store = ReportStore(f"clickhouse://127.0.0.1:{port}/carillon")
        with pytest.raises(StorageError):
            store.ping_write()
        store.close()


SMALL = """
import sys
from core.limits import STORE_MEMORY_BYTES_MAX
from storage.clickhouse import ReportStore
from storage.errors import StorageError
small = 200 * 1024 * 1024
assert small < STORE_MEMORY_BYTES_MAX == ReportStore("chdb:///x")._memory_bytes_max
store = ReportStore(f"chdb://{sys.argv[1]}", memory_bytes_max=small)
store.ensure_schema()
try:
    # 128 MB fit beneath the bound of a query, and not twice beneath the store's.
    print(store.query("SELECT length(groupArray(number)) FROM numbers(10000000)"))
except StorageError as error:
    print(str(error)[:60])
store.ping_write()
print(store.query("SELECT count() FROM store_ping"))
store.close()
"""


def test_past_the_stores_memory_a_query_fails_and_the_process_goes_on(tmp_path: Path) -> None:
    # In a process of its own: the engine takes its bound once, when it is opened.
    command = [sys.executable, "-c", SMALL, str(tmp_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    assert "memory limit exceeded" in told.stdout.splitlines()[0]
    assert told.stdout.splitlines()[1] == "[(1,)]"
    assert "STORE_MEMORY_BYTES_MAX" in SMALL


def test_one_reader_too_many_waits_for_its_turn(store: ReportStore) -> None:
    told: list[int] = []
    asker = threading.Thread(target=lambda: told.append(int(store.query("SELECT 7")[0][0])))
    with contextlib.ExitStack() as reading:
        for _ in range(limits.STORE_READERS - 1):
            reading.enter_context(store._read_by())
        assert store.query("SELECT 6") == [(6,)], "there is one place left"
        with store._read_by():
            assert not store._reader_free.acquire(blocking=False)
            asker.start()
        asker.join(30)
    assert told == [7]


def test_what_is_refused_is_tried_so_often_and_its_reason_cut(store: ReportStore) -> None:
    rows = rows_of([{"vehicle_id": 0}])
    tried: list[str] = []
    kept: list[str] = []

    def insert(first: int, end: int, token: str) -> None:
        tried.append(token)
        raise ContentRefusedError("no")

    assert store._bisected(1, "t", insert, lambda first, end, reason, token: kept.append(token)) == Stored(0, 1)
    assert (tried, len(kept)) == (["t"] * limits.REFUSED_TRIES, 1)
    store.insert_refused(rows, b"", "x" * (limits.REFUSED_REASON_CHARACTERS_MAX + 1), "node:1")
    assert store.query("SELECT reason FROM report_refused") == [("x" * limits.REFUSED_REASON_CHARACTERS_MAX,)]


def test_summaries_of_one_row_too_many_are_stored_at_once(store: ReportStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SUMMARY_ROWS_MAX", 5)
    store.insert_segment(rows_of([{"vehicle_id": 1 + n} for n in range(5)]), b"", "node:1")
    assert count(store, "last_position") == 0
    store.insert_segment(rows_of([{"vehicle_id": 6}]), b"", "node:2")
    assert count(store, "last_position") == 6


def test_a_track_is_as_long_as_its_bound_whatever_is_asked_for(
    store: ReportStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "TRACK_POINTS_MAX", 3)
    store.insert_segment(rows_of([{"time_ms": NOW_MS + n} for n in range(4)]), b"", "node:1")
    assert len(store.track(1, NOW_MS, NOW_MS + 9, 100)) == 3
    assert len(store.recorded(1, NOW_MS, NOW_MS + 9, 100).rows) == 3


def test_whole_reports_are_read_once_each_and_within_the_bounds_of_every_read(
    store: ReportStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token in ("node:1", "node:2"):
        store.insert_segment(rows_of([{}]), b"", token)
    assert len(store.recorded(1, NOW_MS, NOW_MS + 9, 100).rows) == 1
    asked = ReportsAsked(from_ms=NOW_MS, to_ms=NOW_MS + 9)
    assert len(store.journal_order(asked).rows) == 2, "as often as it came: detection does not mind a repeat"
    with pytest.raises(StorageError, match=r"(?i)memory"):
        store.query(f"SELECT length(groupArray(number)) FROM numbers({limits.QUERY_MEMORY_BYTES_MAX // 8 + 1})")
    # Too little time for any read, so that it shows that each is told its bound.
    for bound, read in (
        ("QUERY_S_MAX", lambda: store.recorded(1, NOW_MS, NOW_MS + 9, 9)),
        ("REPLAY_QUERY_S_MAX", lambda: store.journal_order(asked)),
        ("REPLAY_QUERY_S_MAX", lambda: store.newest_arrival(NOW_MS, NOW_MS + 9, 0)),
    ):
        with monkeypatch.context() as small:
            small.setattr(limits, bound, 1e-6)
            with pytest.raises(StorageError, match=r"(?i)time"):
                read()


@pytest.mark.parametrize("dsn", ["chdb://relative", "clickhouse:///x", "sqlite:////x", "chdb:///x?database=a;b"])
def test_a_wrong_dsn_is_named(dsn: str) -> None:
    with pytest.raises(ValueError, match=r"chdb://|clickhouse://|database name"):
        ReportStore(dsn)


def test_phones_are_read_as_they_are_spelled(store: ReportStore) -> None:
    numbers = [0, 1, 0x9, 0xA, 0x10, 2**64 - 1, 2**64, 2**80 - 1, 0x13912345678, 1 << 127]
    numbers += [int("1" + "0" * length, 16) for length in range(31)]
    rows = rows_of([{"phone_high": number >> 64, "phone_low": number & (2**64 - 1)} for number in numbers])
    store.insert_segment(rows, b"", "node:1")
    found = store.query("SELECT phone FROM report ORDER BY sequence")
    assert [phone for (phone,) in found] == [phone_text(number >> 64, number & (2**64 - 1)) for number in numbers]


def test_blocks_of_any_size_are_written_into_the_same_room() -> None:
    room = BlockRoom()
    for seed, size in enumerate([700, 1, 255, 256, 257, 1_000, 3]):
        rows, blob = random_rows(seed, size)
        # Twice the same items: more bytes than the blob has.
        rows["items_length"][: size // 2] = rows["items_length"].max()
        rows["items_offset"][: size // 2] = 0
        columns = [("alarm", "UInt32"), ("items", "String"), ("sequence", "UInt64"), ("reason", "String")]
        block = bytes(room.encode(rows, [*columns, ("altitude_m", "Int16")], blob, {"reason": b"\0" * size}))
        items = b""
        for row in rows:
            length = int(row["items_length"])
            varint = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
            if length >= 16_384:
                varint = bytes([length & 127 | 128, length >> 7 & 127 | 128, length >> 14])
            items += varint + blob[row["items_offset"] :][:length].tobytes()
        count = bytes([size]) if size < 128 else bytes([size & 127 | 128, size >> 7])
        expected = [b"\5" + count, b"\5alarm\6UInt32", rows["alarm"].tobytes(), b"\5items\6String", items]
        expected += [b"\x08sequence\6UInt64", rows["sequence"].tobytes(), b"\6reason\6String", b"\0" * size]
        assert block == b"".join([*expected, b"\naltitude_m\5Int16", rows["altitude_m"].tobytes()])


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (95, 6), (0, -1), (101, 0), (2**31 - 1, 2**31 - 1)])
def test_items_outside_the_blob_are_refused(offset: int, length: int) -> None:
    rows = rows_of([{"items_length": 60}, {"items_length": 60}, {"items_offset": offset, "items_length": length}])
    for first in (0, 1):  # with and without items that overlap before it
        with pytest.raises(ContentRefusedError, match=f"row {2 - first}: items lie outside the 100 bytes"):
            BlockRoom().encode(rows[first:], [("items", "String")], np.zeros(100, np.uint8))
