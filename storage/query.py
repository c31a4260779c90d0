"""`carillon query`: a SELECT typed by a person, asked of the running program over a socket, or of the store itself.

One process holds an embedded store, so whoever asks meanwhile goes through it: DATA/run/query.sock, mode 0600. Both
ways on it: 4 bytes of length, big-endian, then JSON. The question is {"sql": …}, the answer {"columns": […], "rows":
[[…]]} or {"error": …, "refused": true|false}. One question a connection, one question at a time. `carillon replay` asks
{"reports": …} there, and is answered rows of REPORT as they lie in memory.
"""

import contextlib
import datetime
import hashlib
import math
import os
import selectors
import socket
import struct
import threading
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np

from core import limits
from protocols.report import REPORT
from storage.clickhouse import Answer, ReportsAsked, ReportsFound, ReportStore
from storage.errors import QueryRefusedError, StorageError

_LENGTH: Final = struct.Struct(">I")

_ANSWER_JSON_BYTES_MAX: Final = 4 * limits.QUERY_ANSWER_BYTES_MAX
_RAW_COLUMNS: Final = frozenset({"items", "row", "frame"})
"""Columns of raw bytes: always shown as hexadecimal, also where they happen to be text."""


class Table(NamedTuple):
    """An answer as plain values: numbers, texts, true, false and null, lists and objects of them."""

    columns: list[str]
    rows: list[list[Any]]


class _Question(msgspec.Struct, omit_defaults=True):
    sql: str = ""
    reports: ReportsAsked | None = None


class _Reply(msgspec.Struct, omit_defaults=True):
    columns: list[str] = []
    rows: list[list[Any]] = []
    error: str = ""
    refused: bool = False
    reports: bytes = b""
    items: bytes = b""
    layout: str = ""
    """How the rows in `reports` lie: both ends must mean the same."""


_LAYOUT: Final = hashlib.blake2b(repr(REPORT.descr).encode(), digest_size=8).hexdigest()


def _plain(value: Any, raw: bool) -> Any:
    """Return a value of ClickHouse as JSON has it. Bytes that are no text, and raw columns, become hexadecimal."""
    match value:
        case bytes():
            if raw:
                return value.hex()
            try:
                return value.decode()
            except UnicodeDecodeError:
                return value.hex()
        case float():
            return value if math.isfinite(value) else None
        case datetime.datetime() | datetime.date():
            return value.isoformat()
        case list() | tuple():
            return [_plain(item, raw) for item in value]
        case dict():
            return {str(_plain(key, raw)): _plain(item, raw) for key, item in value.items()}
        case None | bool() | int() | str():
            return value
        case _:  # decimals, addresses, UUIDs and whatever else ClickHouse has a type for
            return str(value)


def answer(store: ReportStore, sql: str) -> Table:
    """Answer a question from an open store.

    Raises:
        QueryRefusedError, StorageError: as ReportStore.answer.
    """
    found: Answer = store.answer(sql)
    raw = [name in _RAW_COLUMNS for name in found.columns]
    return Table(list(found.columns), [[_plain(*pair) for pair in zip(row, raw, strict=True)] for row in found.rows])


class QueryServer:
    """Answer questions on a unix socket, in a thread of its own: `with QueryServer(store, path): …`."""

    def __init__(self, store: ReportStore, path: Path) -> None:
        self._store = store
        self._path = path
        self._thread = threading.Thread(target=self._serve, name="query")
        self._stopped = threading.Event()
        self._wake_read, self._wake_write = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX)

    def __enter__(self) -> Self:
        """Begin to listen; a socket left by a killed process is replaced.

        Raises:
            OSError: the path cannot be listened on (longer than 107 bytes, no such directory).
        """
        self._path.unlink(missing_ok=True)
        # Bound under a name of its own, so that nobody can connect before the mode is set.
        hidden = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        hidden.unlink(missing_ok=True)
        self._listener.bind(str(hidden))
        hidden.chmod(0o600)
        self._listener.listen(limits.QUERY_BACKLOG)
        hidden.rename(self._path)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop; a question under way is answered first (limits.QUERY_S_MAX)."""
        if self._stopped.is_set():
            return
        self._stopped.set()
        self._wake_write.send(b"x")
        self._thread.join()
        self._path.unlink(missing_ok=True)
        for end in (self._listener, self._wake_read, self._wake_write):
            end.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._wake_read, selectors.EVENT_READ)
            while not self._stopped.is_set():
                ready = [key.fileobj for key, _ in selector.select()]
                if self._listener in ready and not self._stopped.is_set():
                    connection, _ = self._listener.accept()
                    # Whoever goes away in the middle, says nothing or says nonsense is let go.
                    with connection, contextlib.suppress(OSError, EOFError, msgspec.MsgspecError):
                        self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(limits.QUERY_REQUEST_S)
        question = msgspec.json.decode(_receive(connection, limits.QUERY_REQUEST_BYTES_MAX), type=_Question)
        try:
            if question.reports is not None:
                found = self._store.journal_order(question.reports)
                reply = _Reply(reports=found.rows.tobytes(), items=found.items, layout=_LAYOUT)
            else:
                table = answer(self._store, question.sql)
                reply = _Reply(table.columns, table.rows)
        except QueryRefusedError as error:
            reply = _Reply(error=str(error), refused=True)
        except StorageError as error:
            reply = _Reply(error=str(error))
        data = msgspec.json.encode(reply)
        if len(data) > _ANSWER_JSON_BYTES_MAX:
            reply = _Reply(error=f"the answer has {len(data)} bytes, at most {_ANSWER_JSON_BYTES_MAX}", refused=True)
            data = msgspec.json.encode(reply)
        connection.settimeout(limits.QUERY_S_MAX)
        connection.sendall(_LENGTH.pack(len(data)) + data)


def _receive(connection: socket.socket, bytes_max: int) -> bytes:
    """Receive one message.

    Raises:
        EOFError: it ends in the middle, or is longer than bytes_max.
        OSError: the connection broke or was silent for too long.
    """
    length = _LENGTH.unpack(_receive_exactly(connection, _LENGTH.size))[0]
    if length > bytes_max:
        raise EOFError(f"a message of {length} bytes, at most {bytes_max}")
    return _receive_exactly(connection, length)


def _receive_exactly(connection: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        part = connection.recv(min(count - len(data), 1 << 20))
        if not part:
            raise EOFError(f"the connection ended after {len(data)} of {count} bytes")
        data += part
    return bytes(data)


def ask(path: Path, sql: str) -> Table:
    """Ask the program that serves on the socket.

    Raises:
        FileNotFoundError, ConnectionRefusedError: nobody serves there.
        QueryRefusedError: the question is not taken, with the reason.
        StorageError: the store behind it is away, or the program went away while answering.
    """
    reply = _ask(path, _Question(sql))
    return Table(reply.columns, reply.rows)


def ask_reports(path: Path, asked: ReportsAsked) -> ReportsFound:
    """Ask the program that serves on the socket for reports; see ReportStore.journal_order, and `ask` for faults."""
    reply = _ask(path, _Question(reports=asked))
    if reply.layout != _LAYOUT:
        raise StorageError(f"the program on {path} is of another version than this one")
    return ReportsFound(np.frombuffer(reply.reports, REPORT).copy(), reply.items)


def _ask(path: Path, asked: _Question) -> _Reply:
    question = msgspec.json.encode(asked)
    with socket.socket(socket.AF_UNIX) as connection:
        # Others may be before us, each with its bound.
        connection.settimeout((limits.QUERY_BACKLOG + 2) * limits.QUERY_S_MAX)
        connection.connect(str(path))
        try:
            connection.sendall(_LENGTH.pack(len(question)) + question)
            reply = msgspec.json.decode(_receive(connection, _ANSWER_JSON_BYTES_MAX), type=_Reply)
        except (OSError, EOFError, msgspec.MsgspecError) as error:
            raise StorageError(f"no answer over {path}: {error}") from error
    if reply.error:
        raise QueryRefusedError(reply.error) if reply.refused else StorageError(reply.error)
    return reply


def ask_or_open(path: Path, open_store: Callable[[], ReportStore], sql: str) -> Table:
    """Ask the program that serves on the socket; where nobody does, open the store and ask it.

    Raises:
        QueryRefusedError, StorageError: as `ask` and ReportStore.answer.
    """
    try:
        return ask(path, sql)
    except (FileNotFoundError, ConnectionRefusedError):
        store = open_store()
        try:
            return answer(store, sql)
        finally:
            store.close()


def as_json(table: Table) -> str:
    """Return one JSON array with an object a row."""
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    return msgspec.json.encode(rows).decode()


def _columns_wide(text: str) -> int:
    """Return how many columns of a terminal the text takes: Chinese characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
    # What a terminal sent must not move the reader's cursor.
    return "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)


def as_text(table: Table) -> str:
    """Return an aligned table: a head, a rule, a line a row; numbers to the right; empty for no columns."""
    if not table.columns:
        return ""
    cells = [[_cell(value) for value in row] for row in table.rows]
    head = [_cell(name) for name in table.columns]
    widths = [max(map(_columns_wide, column)) for column in zip(head, *cells, strict=True)]
    right = [
        bool(column) and all(type(value) in (int, float, type(None)) for value in column)
        for column in (list(zip(*table.rows, strict=True)) or [()] * len(head))
    ]
    lines = [_line(head, widths, right), "  ".join("-" * width for width in widths)]
    lines += [_line(row, widths, right) for row in cells]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = []
    for text, width, to_right in zip(cells, widths, right, strict=True):
        space = " " * (width - _columns_wide(text))
        parts.append(space + text if to_right else text + space)
    return "  ".join(parts).rstrip()
