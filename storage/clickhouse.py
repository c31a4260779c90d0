"""ReportStore: reports in ClickHouse, embedded (chdb) or a server, by one code.

What others must know:
- Everything here blocks; call it from worker threads. Inserts take turns, and so do reads beyond READERS.
- chdb holds one data path a process, and a second process is refused. Connecting resets the signals 4, 5, 6, 7, 8, 11,
  20 and 31 to their defaults: chdb's own handlers for them hang the process.
- An insert repeated under its token is stored once. A token used again with other rows silently drops them.
"""

import ctypes
import datetime
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

import clickhouse_connect
import msgspec
import numpy as np
from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from core import limits
from core.logging import say
from core.version import VERSION
from protocols.report import FLAG_TIME_BAD, REPORT
from storage.errors import ContentRefusedError, QueryRefusedError, StorageError, StoreNewerError
from storage.migrations.reports import STEPS
from storage.native import BlockRoom, byte_view, encode_texts
from storage.reading import only_reads
from storage.summary import ranks, summarise
from storage.tables.report import (
    DURABLE,
    LAST_POSITION_COLUMNS,
    MILEAGE_COLUMNS,
    REFUSED_COLUMNS,
    REPORT_COLUMNS,
    SCHEMA_VERSION_TABLE,
    TUNING,
)
from storage.tables.uplink import UPLINK_COLUMNS, UPLINK_REFUSED_COLUMNS, Uplink

SCHEMA_VERSION: Final = len(STEPS)

_REPORT_KINDS: Final = [(name, kind) for name, (kind, _) in REPORT_COLUMNS.items()]
_LAST_POSITION_KINDS: Final = [
    *((name, REPORT_COLUMNS[name][0]) for name in LAST_POSITION_COLUMNS),
    ("rank", "UInt128"),
]
_MILEAGE_KINDS: Final = [(name, kind) for name, (kind, _) in MILEAGE_COLUMNS.items()]
"""Columns of the blocks of a segment: name, ClickHouse type."""

_UPLINK_KINDS: Final = [(name, kind) for name, (kind, _) in UPLINK_COLUMNS.items()]
"""Columns of a block of messages."""

_CONTENT_CODES: Final = frozenset(
    {
        6,  # CANNOT_PARSE_TEXT
        33,  # CANNOT_READ_ALL_DATA
        53,  # TYPE_MISMATCH
        69,  # ARGUMENT_OUT_OF_BOUND
        70,  # CANNOT_CONVERT_TYPE
        117,  # INCORRECT_DATA
        128,  # TOO_LARGE_ARRAY_SIZE
        131,  # TOO_LARGE_STRING_SIZE
        153,  # ILLEGAL_DIVISION
        321,  # VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
        407,  # DECIMAL_OVERFLOW
        469,  # VIOLATED_CONSTRAINT
    }
)
"""Error codes that speak of the rows. Every other code, and every failure without one, is the store's."""

_PARTITIONS_CODE: Final = 252
"""TOO_MANY_PARTS: the store cannot keep up with merging, or this one insert touches too many partitions. Only the
message tells which."""

_CHDB_SIGNALS: Final = (4, 5, 6, 7, 8, 11, 20, 31)

_INSERT_SETTINGS: Final[Mapping[str, object]] = {
    # On by default in new servers: an acknowledged insert would still lie in memory, and tokens would not hold.
    "async_insert": 0,
    # Collapsing repeats while inserting costs 1.82 instead of 0.49 CPU s a million rows; merges and `final` do it.
    "optimize_on_insert": 0,
    "insert_deduplicate": 1,
    "max_insert_threads": 1,
    "max_threads": 1,
}

_ANSWER_SETTINGS: Final[Mapping[str, object]] = {
    "final": 1,
    "max_threads": 1,
    "max_result_rows": limits.QUERY_ROWS_MAX,
    "max_result_bytes": limits.QUERY_ANSWER_BYTES_MAX,
    "result_overflow_mode": "throw",
    "max_execution_time": limits.QUERY_S_MAX,
    "timeout_overflow_mode": "throw",
    "max_memory_usage": limits.QUERY_MEMORY_BYTES_MAX,
    # Last: with it nothing can be changed any more, not by the query's own SETTINGS either.
    "readonly": 1,
}

_T = TypeVar("_T")


class Stored(NamedTuple):
    """What became of a segment."""

    stored: int
    refused: int


class LastPosition(NamedTuple):
    """Where a vehicle was when it last reported with a good time, a fix and a possible position."""

    vehicle_id: int
    terminal: int
    time_ms: int
    arrival_ms: int
    report_id: int
    lat_1e7: int
    lon_1e7: int
    speed_kmh10: int
    course_deg: int
    altitude_m: int
    alarm: int
    status: int
    odometer_m: int
    flags: int


class TrackPoint(NamedTuple):
    """One report of a track."""

    time_ms: int
    arrival_ms: int
    report_id: int
    lat_1e7: int
    lon_1e7: int
    speed_kmh10: int
    course_deg: int
    altitude_m: int
    alarm: int
    status: int
    odometer_m: int
    flags: int
    terminal: int = 0
    sequence: int = 0


class MileageDay(NamedTuple):
    """What a vehicle drove on one day of GMT+8, by its odometer: last reading of the day minus the first.

    What was driven between the last report of a day and the first of the next is in neither.
    """

    vehicle_id: int
    day: datetime.date
    mileage_m: int
    time_ms_min: int
    time_ms_max: int
    speed_kmh10_max: int


class TrackDay(NamedTuple):
    """A day on which a vehicle reported."""

    day: datetime.date
    reports: int
    mileage_m: int
    """Last reading of the odometer minus the first, of the terminal that counted most; 0 where none was sent."""
    time_ms_min: int
    time_ms_max: int
    speed_kmh10_max: int


_STORED: Final = tuple(name for name in REPORT_COLUMNS if name != "phone_bcd")
_PLACE: Final = ("arrival_ms", "sequence", "time_ms", "report_id")
"""Where a report stands among all: by arrival, and not by the journal's number alone, which each node counts."""


class ReportsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the reports that arrived in from_ms <= arrival_ms < to_ms."""

    from_ms: int
    to_ms: int
    after: tuple[int, int, int, int] | None = None
    """Only those behind this place (`ReportsFound.place`)."""
    vehicle_id: int = 0
    """Only this vehicle's; 0: all."""
    limit: int = limits.REPLAY_ROWS


class ReportsFound(NamedTuple):
    """Reports as they were stored. Phones are left out, and so is what no column holds."""

    rows: np.ndarray
    """(n,) REPORT; items_offset and items_length point into `items`."""
    items: bytes

    @property
    def place(self) -> tuple[int, int, int, int]:
        """Where the last of them stands."""
        last = self.rows[-1]
        return (int(last["arrival_ms"]), int(last["sequence"]), int(last["time_ms"]), int(last["report_id"]))


class Answer(NamedTuple):
    """What a query by others gave: integers, floats, texts, dates and bytes (String columns) as they come."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class _Address(NamedTuple):
    """A DSN taken apart."""

    path: str
    """Directory of an embedded store; empty for a server."""
    host: str
    port: int
    user: str
    password: str
    secure: bool
    database: str


def _parse(dsn: str) -> _Address:
    """Take apart chdb:///abs/path[?database=NAME] or clickhouse[s]://user:password@host:port/database."""
    url = urlsplit(dsn)
    wanted = parse_qs(url.query)
    if url.scheme == "chdb":
        if url.netloc or not url.path.startswith("/"):
            raise ValueError(f"an embedded store is chdb:///absolute/path, got {dsn!r}")
        database = wanted.get("database", ["carillon"])[0]
        # One spelling a directory: chdb compares paths as text.
        path = os.path.realpath("/" + unquote(url.path).lstrip("/"))
        address = _Address(path, "", 0, "", "", False, database)
    elif url.scheme in ("clickhouse", "clickhouses"):
        if not url.hostname:
            raise ValueError(f"a ClickHouse server is clickhouse://user:password@host:port/database, got {dsn!r}")
        secure = url.scheme == "clickhouses"
        port = url.port or (8443 if secure else 8123)
        user, password = unquote(url.username or "default"), unquote(url.password or "")
        address = _Address("", url.hostname, port, user, password, secure, url.path.strip("/") or "carillon")
    else:
        raise ValueError(f"reports are kept at chdb:// or clickhouse://, got {dsn!r}")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", address.database):
        raise ValueError(f"a database name is letters, digits and underscores, got {address.database!r}")
    return address


def is_embedded(dsn: str) -> bool:
    """Tell whether the DSN names a store that only one process can hold."""
    return _parse(dsn).path != ""


def _run_in_thread(function: Callable[[], _T]) -> _T:
    """Run the function in a thread of its own and return what it returns or raise what it raises."""
    outcome: list[_T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name="chdb connect")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _has(client: Any, setting: str) -> bool:
    """Tell whether the engine knows a table setting."""
    sql = "SELECT count() FROM system.merge_tree_settings WHERE name = {name:String}"
    return int(client.command(sql, parameters={"name": setting})) > 0


def _reason(error: BaseException) -> str:
    """Return the error's text on one line, bounded."""
    return " ".join(str(error).split())[: limits.REFUSED_REASON_CHARACTERS_MAX]


def _is_content(error: ClickHouseError) -> bool:
    code = getattr(error, "code", None)
    if code == _PARTITIONS_CODE:
        return "for single INSERT block" in str(error)
    return code in _CONTENT_CODES


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn what the client raises into StorageError, or ContentRefusedError where it speaks of the rows."""
    try:
        yield
    except ClickHouseError as error:
        kind = ContentRefusedError if _is_content(error) else StorageError
        raise kind(_reason(error)) from error
    except (OSError, RuntimeError) as error:
        # A full disk under the embedded engine's scratch file; chdb's own failures without a code.
        raise StorageError(_reason(error)) from error


class ReportStore:
    """Reports, the last position of each vehicle, and what it drove each day.

    Nothing is opened before the first call; a store that is away then raises StorageError, and the next call tries
    again.
    """

    def __init__(
        self,
        dsn: str,
        *,
        memory_bytes_max: int = limits.STORE_MEMORY_BYTES_MAX,
        query_threads_max: int = 1,
        timeout_s: float = limits.STORE_TIMEOUT_S,
    ) -> None:
        """
        Args:
            dsn: chdb:///absolute/path[?database=NAME] or clickhouse://user:password@host:port/database.
            memory_bytes_max: bound of the embedded engine's memory; a server has its own.
            query_threads_max: threads of one read.
            timeout_s: longest wait for a server.

        Raises:
            ValueError: the DSN is neither.
        """
        self._address = _parse(dsn)
        self._memory_bytes_max = memory_bytes_max
        self._query_threads_max = query_threads_max
        self._timeout_s = timeout_s
        self._opening = threading.Lock()
        self._writer: Any = None
        self._newest: list[np.ndarray] = []
        self._mileage: list[np.ndarray] = []
        self._writing = threading.Lock()
        self._unprepared = False
        self._block = BlockRoom()
        self._encoding = threading.Lock()
        self._readers: list[Any] = []
        self._answerer: Any = None
        self._answering = threading.Lock()
        self._reader_free = threading.Semaphore(limits.STORE_READERS)

    # --- connecting ---------------------------------------------------------------------------------------------------

    def _connect(self) -> Any:
        """Return a new client whose unqualified tables are those of our database."""
        address = self._address
        with _store_errors():
            if address.path:
                client = _run_in_thread(self._connect_embedded)
            else:
                client = clickhouse_connect.get_client(
                    host=address.host,
                    port=address.port,
                    username=address.user,
                    password=address.password,
                    interface="https" if address.secure else "http",
                    compress=False,
                    connect_timeout=min(self._timeout_s, limits.STORE_CONNECT_TIMEOUT_S),
                    send_receive_timeout=self._timeout_s,
                    # A session would refuse the second of two calls at once.
                    autogenerate_session_id=False,
                )
        # Set after connecting: before `ensure_schema` the database need not exist.
        client.database = address.database
        return client

    def _connect_embedded(self) -> Any:
        """Open chdb. Runs in a thread that ends: chdb leaves SIGPIPE blocked in the thread that connects."""
        try:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=self._address.path,
                chdb_options={"max_server_memory_usage": str(self._memory_bytes_max)},
            )
        finally:
            libc = ctypes.CDLL(None)
            libc.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
            libc.signal.restype = ctypes.c_void_p
            for number in _CHDB_SIGNALS:
                libc.signal(number, None)

    @contextmanager
    def _written_by(self) -> Iterator[Any]:
        """Hold the writing client; one caller at a time."""
        with self._writing:
            if self._writer is None:
                self._writer = self._connect()
            with _store_errors():
                if self._unprepared:
                    self._prepare(self._writer)
                yield self._writer

    @contextmanager
    def _read_by(self) -> Iterator[Any]:
        """Hold one of the reading clients. One whose query failed is not used again.

        Embedded ClickHouse keeps what a failed query had written of its answer, and puts it before the answer of the
        next query on that connection.
        """
        with self._reader_free:
            with self._opening:
                client = self._readers.pop() if self._readers else None
            if client is None:
                client = self._connect()
                with _store_errors():
                    # Held by the connection and not sent with each query: the embedded engine's client would set it
                    # beside a query, and could not take it back.
                    client.set_client_setting("readonly", 2)
            try:
                with _store_errors():
                    yield client
            except BaseException:
                client.close()
                raise
            with self._opening:
                self._readers.append(client)

    def close(self) -> None:
        """Let go of the store. The embedded engine is shut down with the last client of the process."""
        with self._writing, self._answering, self._opening:
            clients = [*self._readers, self._writer, self._answerer]
            self._readers.clear()
            self._writer = self._answerer = None
        for client in clients:
            if client is not None:
                client.close()

    # --- schema -------------------------------------------------------------------------------------------------------

    def ensure_schema(self) -> int:
        """Bring the tables to this program's version and return it.

        Raises:
            StoreNewerError: the store is of a later version.
            StorageError: it is away. Then the next call that writes does this first.
        """
        self._unprepared = True
        with self._written_by():
            return SCHEMA_VERSION

    def _prepare(self, client: Any) -> None:
        """Bring the tables to this program's version, holding the writing client."""
        client.command(f"CREATE DATABASE IF NOT EXISTS {self._address.database}", use_database=False)
        for statement in SCHEMA_VERSION_TABLE:
            client.command(statement)
        version = int(client.command("SELECT max(version) FROM schema_version"))
        if version > SCHEMA_VERSION:
            raise StoreNewerError(
                f"the reports are of version {version}, this program knows {SCHEMA_VERSION}: a later one has "
                "written them; start that, or restore a copy of before"
            )
        settings = DURABLE + "".join(f", {name} = {value}" for name, value in TUNING.items() if _has(client, name))
        for step in STEPS[version:]:
            for statement in step.statements:
                client.command(statement.replace(DURABLE, settings))
            client.command(
                "INSERT INTO schema_version (version, applied_ms, name, sha256, program) VALUES "
                f"({step.version}, {time.time_ns() // 1_000_000}, '{step.name}', '{step.sha256}', '{VERSION}')",
                settings={"async_insert": 0},
            )
        if 0 < version < SCHEMA_VERSION:
            say("node.migrated", what="the reports", before=version, version=SCHEMA_VERSION)
        self._unprepared = False

    # --- writing ------------------------------------------------------------------------------------------------------

    def insert_segment(self, rows: np.ndarray, blob: bytes | bytearray | memoryview | np.ndarray, token: str) -> None:
        """Store the rows as one block: on return they are on disk, and a repeat under the same token changes nothing.

        Args:
            rows: (n,) REPORT; items_offset and items_length point into the blob.
            blob: what they point into.
            token: names these very rows for ever.

        Raises:
            ContentRefusedError: the store will not have these rows.
            StorageError: the store is away, slow or full; whether the rows are stored is not known.
        """
        if rows.size == 0:
            return
        with self._encoding:
            block = self._block.encode(rows, _REPORT_KINDS, byte_view(blob))
            self._insert_block("report", _REPORT_KINDS, block, token)
            # Behind the reports: what refuses them must not have told the summaries.
            newest, mileage = summarise(rows)
            self._newest.append(newest.copy())
            self._mileage.append(mileage.copy())
            if sum(map(len, self._newest)) > limits.SUMMARY_ROWS_MAX:
                self._flush()

    def flush_summaries(self) -> None:
        """Store what the segments since the last call say in short: last positions and mileage.

        Two small inserts cost as much as a large one, so they serve several segments. Who inserts segments counts them
        as done when this has returned; after a crash before it they are inserted again, their reports are known by
        their tokens, and summaries told twice change no figure.

        Raises:
            StorageError: the store is away, slow or full; what was to be stored is kept for the next call.
        """
        with self._encoding:
            self._flush()

    def _flush(self) -> None:
        newest = [rows for rows in self._newest if rows.size]
        mileage = [days for days in self._mileage if days.size]
        token = secrets.token_hex(16)
        if newest:
            merged, _ = summarise(np.concatenate(newest))
            block = self._block.encode(merged, _LAST_POSITION_KINDS, given={"rank": ranks(merged)})
            self._insert_block("last_position", _LAST_POSITION_KINDS, block, token)
        if mileage:
            block = self._block.encode(np.concatenate(mileage), _MILEAGE_KINDS)
            self._insert_block("mileage_day", _MILEAGE_KINDS, block, token)
        self._newest.clear()
        self._mileage.clear()

    def insert_refused(
        self, rows: np.ndarray, blob: bytes | bytearray | memoryview | np.ndarray, reason: str, token: str
    ) -> None:
        """Keep rows that the store refused, whole and as they were, with the reason.

        Items that lie outside the blob are kept as empty; their offset and length stand in `row`.
        """
        if rows.size == 0:
            return
        data = byte_view(blob)
        shown = rows.copy()
        offset, length = shown["items_offset"], shown["items_length"]
        outside = (offset < 0) | (length < 0) | (offset.astype(np.int64) + length > data.size)
        offset[outside] = 0
        length[outside] = 0
        refused_ms = time.time_ns() // 1_000_000
        reason_bytes = reason[: limits.REFUSED_REASON_CHARACTERS_MAX].encode("utf-8", "replace")
        given: dict[str, np.ndarray | bytes] = {
            "refused_ms": np.full(rows.size, refused_ms, dtype=np.int64),
            "reason": encode_texts([reason_bytes] * rows.size),
            "token": encode_texts([token.encode()] * rows.size),
            "row": encode_texts([row.tobytes() for row in rows]),
        }
        columns = list(REFUSED_COLUMNS.items())
        with self._encoding:
            self._insert_block("report_refused", columns, self._block.encode(shown, columns, data, given), token)

    def insert_with_bisection(
        self, rows: np.ndarray, blob: bytes | bytearray | memoryview | np.ndarray, token: str
    ) -> Stored:
        """Store the rows; those that the store refuses go to `report_refused` with its reason.

        A segment refused `REFUSED_TRIES` times is cut in halves, these again, down to single rows. Tokens of the parts
        follow from the token and the range, so a repeat after a crash takes the same way and stores nothing twice.

        Raises:
            StorageError: the store is away, slow or full; begin again with the same rows and token.
        """
        data = byte_view(blob)
        return self._bisected(
            rows.size,
            token,
            lambda first, end, part: self.insert_segment(rows[first:end], data, part),
            lambda first, end, reason, part: self.insert_refused(rows[first:end], data, reason, part),
        )

    def insert_uplinks(self, uplinks: Sequence[Uplink], token: str) -> Stored:
        """Store messages as one block under a token that names them for ever, as `insert_with_bisection` does reports;
        those that the store refuses go to `uplink_refused`.

        Raises:
            StorageError: the store is away, slow or full; begin again with the same messages and token.
        """
        return self._bisected(
            len(uplinks),
            token,
            lambda first, end, part: self._insert_uplinks("uplink", _UPLINK_KINDS, uplinks[first:end], part),
            lambda first, end, reason, part: self._refuse_uplinks(uplinks[first:end], reason, part),
        )

    def _insert_uplinks(
        self,
        table: str,
        columns: Sequence[tuple[str, str]],
        uplinks: Sequence[Uplink],
        token: str,
        given: Mapping[str, np.ndarray | bytes] | None = None,
    ) -> None:
        values: dict[str, np.ndarray | bytes] = dict(given or {})
        for at, (name, kind) in enumerate(_UPLINK_KINDS):
            if name == "node":
                values[name] = encode_texts([one.node.encode() for one in uplinks])
            elif name == "frame":
                values[name] = encode_texts([one.frame for one in uplinks])
            else:
                values[name] = np.array([one[at] for one in uplinks], kind.lower())
        rows = np.zeros(len(uplinks), np.dtype([("at", "u1")]))
        with self._encoding:
            self._insert_block(table, columns, self._block.encode(rows, columns, given=values), token)

    def _refuse_uplinks(self, uplinks: Sequence[Uplink], reason: str, token: str) -> None:
        """Keep messages that the store refused, with the reason."""
        reason_bytes = reason[: limits.REFUSED_REASON_CHARACTERS_MAX].encode("utf-8", "replace")
        given: dict[str, np.ndarray | bytes] = {
            "refused_ms": np.full(len(uplinks), time.time_ns() // 1_000_000, dtype=np.int64),
            "reason": encode_texts([reason_bytes] * len(uplinks)),
            "token": encode_texts([token.encode()] * len(uplinks)),
        }
        self._insert_uplinks("uplink_refused", list(UPLINK_REFUSED_COLUMNS.items()), uplinks, token, given)

    def _bisected(
        self,
        count: int,
        token: str,
        insert: Callable[[int, int, str], None],
        refuse: Callable[[int, int, str, str], None],
    ) -> Stored:
        """Insert (first, end, token), and refuse (first, end, reason, token) what the store will not have."""
        stored = refused = inserts = 0
        waiting = [(0, count)]
        while waiting:
            first, end = waiting.pop()
            whole = (first, end) == (0, count)
            part_token = token if whole else f"{token}/{first}-{end}"
            reason = ""
            # The parts of a refused block are only searched; what is to be set aside is asked again.
            for _ in range(limits.REFUSED_TRIES if whole or end - first == 1 else 1):
                inserts += 1
                try:
                    insert(first, end, part_token)
                    stored += end - first
                    reason = ""
                    break
                except ContentRefusedError as error:
                    reason = str(error)
            if not reason:
                continue
            if end - first > 1 and inserts < limits.BISECTION_INSERTS_MAX:
                middle = (first + end) // 2
                waiting += [(middle, end), (first, middle)]
            else:
                refuse(first, end, reason, f"{part_token}/refused")
                refused += end - first
        return Stored(stored, refused)

    def _insert_block(self, table: str, columns: Sequence[tuple[str, str]], block: memoryview, token: str) -> None:
        settings = {**_INSERT_SETTINGS, "insert_deduplication_token": token}
        names = [name for name, _ in columns]
        with self._written_by() as client:
            if self._address.path:
                # The client would write the block to a file of its own first.
                told = ", ".join(f"{name} = {value!r}" for name, value in settings.items())
                client.command(
                    f"INSERT INTO {table} ({', '.join(names)}) FROM INFILE '{self._block.path}' "
                    f"SETTINGS {told} FORMAT Native"
                )
            else:
                # A view is sent as it lies: bytes would be copied behind the statement first.
                client.raw_insert(table, column_names=names, insert_block=block, settings=settings, fmt="Native")

    def ping_write(self) -> None:
        """Write one row, synced. Raises StorageError when the store does not write."""
        with self._written_by() as client:
            client.command(
                f"INSERT INTO store_ping VALUES (1, {time.time_ns() // 1_000_000})", settings={"async_insert": 0}
            )

    # --- reading ------------------------------------------------------------------------------------------------------

    def query(
        self,
        sql: str,
        parameters: Mapping[str, object] | None = None,
        *,
        binary: Sequence[str] = (),
        rows_max: int = limits.QUERY_ROWS_MAX,
        seconds_max: float = limits.QUERY_S_MAX,
    ) -> list[tuple[Any, ...]]:
        """Return the rows of a SELECT of our own; repeats are merged (`final`).

        Args:
            sql: ClickHouse SQL; parameters stand in it as {name:Type}.
            binary: String columns to return as bytes (`items`, `row`); the others come as text.

        Raises:
            StorageError: the store is away or slow, or the answer exceeds a bound.
        """
        settings = {
            "final": 1,
            "max_threads": self._query_threads_max,
            "max_result_rows": rows_max,
            "result_overflow_mode": "throw",
            "max_execution_time": seconds_max,
            "max_memory_usage": limits.QUERY_MEMORY_BYTES_MAX,
        }
        with self._read_by() as client:
            formats = dict.fromkeys(binary, "bytes")
            answer = client.query(sql, parameters=parameters, settings=settings, column_formats=formats)
            rows: list[tuple[Any, ...]] = answer.result_rows
        return rows

    def answer(self, sql: str) -> Answer:
        """Answer a SELECT that somebody typed: read-only, bounded, one at a time. String columns come as bytes.

        Raises:
            QueryRefusedError: not a plain SELECT, wrong SQL, or over a bound; the text says which.
            StorageError: the store is away.
        """
        plain = only_reads(sql)
        with self._answering:
            if self._answerer is None:
                client = self._connect()
                with _store_errors():
                    for name, value in _ANSWER_SETTINGS.items():
                        client.set_client_setting(name, value)
                self._answerer = client
            try:
                found = self._answerer.query(plain, query_formats={"*String": "bytes"})
                return Answer(tuple(found.column_names), found.result_rows)
            except ClickHouseError as error:
                # As in `_read_by`: what a failed query leaves behind must not come before the next answer.
                self._answerer.close()
                self._answerer = None
                refused = getattr(error, "code", None) is not None
                raise (QueryRefusedError if refused else StorageError)(_reason(error)) from error

    def erase(self, vehicle_id: int, from_ms: int, to_ms: int) -> None:
        """Destroy what a vehicle told of from_ms <= time_ms < to_ms: its reports, those refused, its last position.

        Returns once it is gone from every part. Raw frames stay in the journal until `journal_keep_h` is over.

        Raises:
            StorageError: the store is away; some may be gone already, and calling again ends it.
        """
        self.flush_summaries()
        parameters = {"vehicle": vehicle_id, "from": from_ms, "to": to_ms}
        with self._written_by() as client:
            for table in ("report", "report_refused", "last_position"):
                client.command(
                    f"ALTER TABLE {table} DELETE WHERE vehicle_id = {{vehicle:Int32}} AND time_ms >= {{from:Int64}} "
                    "AND time_ms < {to:Int64} SETTINGS mutations_sync = 1",
                    parameters=parameters,
                )

    def last_positions(
        self, vehicle_ids: Sequence[int] | None = None, *, after: int = 0, limit: int = limits.VEHICLES_MAX
    ) -> list[LastPosition]:
        """Return the last good position of the given vehicles, or of all, by vehicle id; absent ones are left out.

        Args:
            after, limit: a page: only vehicle ids above `after`, at most `limit` of them.
        """
        self.flush_summaries()
        wanted = "" if vehicle_ids is None else "AND vehicle_id IN {vehicle_ids:Array(Int32)} "
        sql = (
            f"SELECT {', '.join(LastPosition._fields)} FROM last_position "
            f"WHERE vehicle_id > {{after:Int32}} {wanted}ORDER BY vehicle_id LIMIT {{limit:UInt32}}"
        )
        bounded = min(limit, limits.VEHICLES_MAX)
        parameters: dict[str, object] = {"after": after, "limit": bounded}
        if vehicle_ids is not None:
            parameters["vehicle_ids"] = list(vehicle_ids)
        return [LastPosition(*row) for row in self.query(sql, parameters, rows_max=limits.VEHICLES_MAX)]

    def track(
        self,
        vehicle_id: int,
        from_ms: int,
        to_ms: int,
        limit: int = limits.TRACK_POINTS_MAX,
        *,
        after_report: int | None = None,
    ) -> list[TrackPoint]:
        """Return a vehicle's reports with from_ms <= time_ms < to_ms, oldest first, at most `limit`.

        Reports whose time is not to be believed are left out; those without a fix are in, flagged.

        Args:
            after_report: of the reports at from_ms itself only those with a higher report_id: how the next piece of a
                long track joins the last, also where a terminal's clock stands still.
        """
        first = "(time_ms > {from_ms:Int64} OR report_id > {after_report:UInt64})" if after_report is not None else "1"
        sql = f"""
            SELECT {", ".join(TrackPoint._fields)} FROM report
            WHERE vehicle_id = {{vehicle_id:Int32}} AND time_ms >= {{from_ms:Int64}} AND time_ms < {{to_ms:Int64}}
                AND {first} AND bitAnd(flags, {FLAG_TIME_BAD}) = 0
            ORDER BY time_ms, report_id LIMIT {{limit:UInt32}}
        """
        bounded = min(limit, limits.TRACK_POINTS_MAX)
        parameters: dict[str, object] = {
            "vehicle_id": vehicle_id, "from_ms": from_ms, "to_ms": to_ms, "limit": bounded,
            "after_report": after_report or 0,
        }  # fmt: skip
        return [TrackPoint(*row) for row in self.query(sql, parameters)]

    def track_before(
        self, vehicle_id: int, from_ms: int, limit: int, *, after_report: int | None = None
    ) -> list[TrackPoint]:
        """Return the newest reports of a vehicle before those that `track` begins with, oldest first, at most `limit`
        and of one day: what its cleaning knew then."""
        same = "(time_ms = {from_ms:Int64} AND report_id <= {after_report:UInt64})" if after_report is not None else "0"
        sql = f"""
            SELECT {", ".join(TrackPoint._fields)} FROM report
            WHERE vehicle_id = {{vehicle_id:Int32}} AND time_ms >= {{from_ms:Int64}} - 86400000
                AND (time_ms < {{from_ms:Int64}} OR {same}) AND bitAnd(flags, {FLAG_TIME_BAD}) = 0
            ORDER BY time_ms DESC, report_id DESC LIMIT {{limit:UInt32}}
        """
        parameters: dict[str, object] = {
            "vehicle_id": vehicle_id, "from_ms": from_ms, "limit": limit, "after_report": after_report or 0
        }  # fmt: skip
        return [TrackPoint(*row) for row in reversed(self.query(sql, parameters))]

    def journal_order(self, asked: ReportsAsked) -> ReportsFound:
        """Return reports of all vehicles in the order in which they came, a page of them.

        A report that came twice is returned as often as the store still holds it: once they are merged, as it came
        last. Of one frame the reports come by their time.
        """
        place = ", ".join(_PLACE)
        wanted = "AND vehicle_id = {vehicle_id:Int32} " if asked.vehicle_id else ""
        behind = f"AND ({place}) > ({{p0:Int64}}, {{p1:UInt64}}, {{p2:Int64}}, {{p3:UInt64}}) " if asked.after else ""
        sql = (
            f"SELECT {', '.join(_STORED)} FROM report WHERE arrival_ms >= {{from_ms:Int64}} "
            f"AND arrival_ms < {{to_ms:Int64}} {wanted}{behind}ORDER BY {place} LIMIT {{limit:UInt32}}"
        )
        parameters: dict[str, object] = {
            "from_ms": asked.from_ms, "to_ms": asked.to_ms, "vehicle_id": asked.vehicle_id,
            "limit": min(asked.limit, limits.REPLAY_ROWS),
            **{f"p{k}": value for k, value in enumerate(asked.after or ())},
        }  # fmt: skip
        settings = {
            # Merging what is read with the whole month's rows would cost a hundred times as much as reading it, and
            # detection does not mind a repeat.
            "final": 0,
            "max_execution_time": limits.REPLAY_QUERY_S_MAX,
        }
        return self._whole(sql, parameters, settings)

    def recorded(self, vehicle_id: int, from_ms: int, to_ms: int, limit: int) -> ReportsFound:
        """Return a vehicle's reports with from_ms <= time_ms < to_ms, oldest first, with their items, at most `limit`.

        Reports whose time is not to be believed are left out; those without a fix are in, flagged.
        """
        sql = (
            f"SELECT {', '.join(_STORED)} FROM report WHERE vehicle_id = {{vehicle_id:Int32}} "
            "AND time_ms >= {from_ms:Int64} AND time_ms < {to_ms:Int64} "
            f"AND bitAnd(flags, {FLAG_TIME_BAD}) = 0 ORDER BY time_ms, report_id LIMIT {{limit:UInt32}}"
        )
        bounded = min(limit, limits.TRACK_POINTS_MAX)
        parameters = {"vehicle_id": vehicle_id, "from_ms": from_ms, "to_ms": to_ms, "limit": bounded}
        return self._whole(sql, parameters)

    def _whole(
        self, sql: str, parameters: dict[str, Any], settings: Mapping[str, object] | None = None
    ) -> ReportsFound:
        """Return what a query of the columns _STORED gives as rows and their items; settings are those of `query`, but
        for the ones given."""
        bounded = {
            "final": 1,
            "max_threads": self._query_threads_max,
            "max_execution_time": limits.QUERY_S_MAX,
            "max_memory_usage": limits.QUERY_MEMORY_BYTES_MAX,
            **(settings or {}),
        }
        with self._read_by() as client:
            formats = {"items": "bytes"}
            columns = client.query_np(sql, parameters=parameters, settings=bounded, column_formats=formats)
        rows = np.zeros(len(columns), REPORT)
        if not len(columns):
            return ReportsFound(rows, b"")
        for name in _STORED:
            if name != "items":
                rows[name] = columns[name]
        items = columns["items"]
        lengths = np.fromiter(map(len, items), np.int32, len(items))
        rows["items_length"] = lengths
        rows["items_offset"][1:] = np.cumsum(lengths[:-1])
        return ReportsFound(rows, b"".join(items))

    def newest_arrival(self, from_ms: int, to_ms: int, number: int) -> int:
        """Return when the report arrived that has `number` newer ones behind it, of those that arrived in from_ms <=
        arrival_ms < to_ms; 0 if there are not so many."""
        sql = (
            "SELECT arrival_ms FROM report WHERE arrival_ms >= {from_ms:Int64} AND arrival_ms < {to_ms:Int64} "
            "ORDER BY arrival_ms DESC LIMIT 1 OFFSET {number:UInt64} SETTINGS final = 0"
        )
        bounds: dict[str, object] = {"from_ms": from_ms, "to_ms": to_ms, "number": number}
        rows = self.query(sql, bounds, seconds_max=limits.REPLAY_QUERY_S_MAX)
        return int(rows[0][0]) if rows else 0

    def track_days(self, vehicle_id: int, from_ms: int, to_ms: int, zone: str) -> list[TrackDay]:
        """Return the days on which a vehicle reported between from_ms and to_ms, oldest first, in a time zone.

        From the reports themselves: the table `mileage_day` knows GMT+8 only, and no car without an odometer.

        Args:
            zone: an IANA name, as `Asia/Shanghai`.
        """
        sql = f"""
            SELECT day, sum(reports), maxIf(counted, counted >= 0), min(first_ms), max(last_ms), max(fastest)
            FROM (
                SELECT toDate(fromUnixTimestamp64Milli(time_ms, {{zone:String}})) AS day, terminal,
                    count() AS reports, min(time_ms) AS first_ms, max(time_ms) AS last_ms,
                    max(speed_kmh10) AS fastest,
                    if(countIf(odometer_m >= 0) = 0, -1,
                        maxIf(odometer_m, odometer_m >= 0) - minIf(odometer_m, odometer_m >= 0)) AS counted
                FROM report
                WHERE vehicle_id = {{vehicle_id:Int32}} AND time_ms >= {{from_ms:Int64}} AND time_ms < {{to_ms:Int64}}
                    AND bitAnd(flags, {FLAG_TIME_BAD}) = 0
                GROUP BY day, terminal
            )
            GROUP BY day ORDER BY day
        """
        parameters: dict[str, object] = {
            "vehicle_id": vehicle_id, "from_ms": from_ms, "to_ms": to_ms, "zone": zone
        }  # fmt: skip
        return [TrackDay(*row) for row in self.query(sql, parameters)]

    def sequences_of(
        self, vehicle_id: int, *, report_id: int | None = None, time_ms: int | None = None, arrival_ms_min: int = 0
    ) -> list[int]:
        """Return the journal's numbers of the frames that brought a report, or the reports of one fix time, newest
        first, at most 100.

        Args:
            arrival_ms_min: what arrived before is not looked for: the journal no longer has it.
        """
        wanted = "report_id = {report_id:UInt64}" if report_id is not None else "time_ms = {time_ms:Int64}"
        sql = f"""
            SELECT DISTINCT sequence FROM report
            WHERE vehicle_id = {{vehicle_id:Int32}} AND {wanted} AND arrival_ms >= {{arrival_ms_min:Int64}}
            ORDER BY sequence DESC LIMIT 100
        """
        parameters: dict[str, object] = {
            "vehicle_id": vehicle_id, "report_id": report_id or 0, "time_ms": time_ms or 0,
            "arrival_ms_min": arrival_ms_min,
        }  # fmt: skip
        return [int(row[0]) for row in self.query(sql, parameters)]

    def uplinks(
        self,
        vehicle_id: int,
        messages: Sequence[int],
        from_ms: int,
        to_ms: int,
        before: tuple[int, int, str] | None,
        limit: int,
    ) -> list[Uplink]:
        """Return messages of a vehicle that arrived in from_ms <= arrival_ms < to_ms, newest first, at most `limit`.

        Of a frame longer than UPLINK_LISTED_BYTES_MAX only so many bytes are returned.

        Args:
            messages: ids; all where empty. before: only those in front of (arrival_ms, sequence, node).
        """
        frame = f"substring(frame, 1, {limits.UPLINK_LISTED_BYTES_MAX})"
        columns = ", ".join(frame if name == "frame" else name for name in UPLINK_COLUMNS)
        wanted = "AND message IN {messages:Array(UInt16)} " if messages else ""
        place = "AND (arrival_ms, sequence, node) < ({arrival_ms:Int64}, {sequence:UInt64}, {node:String}) "
        sql = (
            f"SELECT {columns} AS beginning FROM uplink WHERE vehicle_id = {{vehicle_id:Int32}} "
            f"AND arrival_ms >= {{from_ms:Int64}} AND arrival_ms < {{to_ms:Int64}} {wanted}{place if before else ''}"
            "ORDER BY arrival_ms DESC, sequence DESC, node DESC LIMIT {limit:UInt32}"
        )
        parameters: dict[str, object] = {"vehicle_id": vehicle_id, "from_ms": from_ms, "to_ms": to_ms, "limit": limit}
        if messages:
            parameters["messages"] = list(messages)
        if before:
            parameters |= zip(("arrival_ms", "sequence", "node"), before, strict=True)
        return [Uplink(*row) for row in self.query(sql, parameters, binary=["beginning"])]

    def uplink(self, vehicle_id: int, node: str, sequence: int) -> Uplink | None:
        """Return one message of a vehicle, whole; None where there is none."""
        sql = (
            f"SELECT {', '.join(UPLINK_COLUMNS)} FROM uplink "
            "WHERE vehicle_id = {vehicle_id:Int32} AND sequence = {sequence:UInt64} AND node = {node:String} LIMIT 1"
        )
        parameters: dict[str, object] = {"vehicle_id": vehicle_id, "node": node, "sequence": sequence}
        rows = self.query(sql, parameters, binary=["frame"])
        return Uplink(*rows[0]) if rows else None

    def daily_mileage(
        self, from_day: datetime.date, to_day: datetime.date, vehicle_ids: Sequence[int] | None = None
    ) -> list[MileageDay]:
        """Return what each vehicle drove on each day from from_day to to_day, both included, by vehicle and day.

        With several terminals on one vehicle the one that counted most is believed.
        """
        self.flush_summaries()
        wanted = "" if vehicle_ids is None else "AND vehicle_id IN {vehicle_ids:Array(Int32)} "
        sql = f"""
            SELECT vehicle_id, day, max(odometer_m_max - odometer_m_min), min(time_ms_min), max(time_ms_max),
                max(speed_kmh10_max)
            FROM mileage_day WHERE day >= {{from_day:Date}} AND day <= {{to_day:Date}} {wanted}
            GROUP BY vehicle_id, day ORDER BY vehicle_id, day
        """
        parameters: dict[str, object] = {"from_day": from_day, "to_day": to_day}
        if vehicle_ids is not None:
            parameters["vehicle_ids"] = list(vehicle_ids)
        return [MileageDay(*row) for row in self.query(sql, parameters)]
