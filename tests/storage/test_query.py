"""Typed queries: read-only and bounded on each engine, over the socket or from the store itself."""

import contextlib
import json
import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from core import limits
from storage import clickhouse
from storage.clickhouse import Answer, ReportStore
from storage.errors import QueryRefusedError, StorageError
from storage.query import QueryServer, Table, answer, as_json, as_text, ask, ask_or_open
from storage.reading import SQL_CHARACTERS_MAX
from tests.storage.test_clickhouse import rows_of

TAKEN = [
    "SELECT 1",
    " select 1 ; ",
    "(SELECT 1) UNION ALL (SELECT 2)",
    "WITH x AS (SELECT 1 AS a) SELECT a FROM x",
    "SELECT 'a;b -- c /* d */ INTO OUTFILE file(' AS \"x y\", `z` FROM (SELECT 2 AS z)",
    "SELECT 'it''s', 'a\\'b', '粤B12345'",
    "SELECT format('{}', 1), count(*) FROM report WHERE speed_kmh10 >= 1.5e3 AND vehicle_id IN (1, 2)",
    "SELECT [1, 2][1], map('a', 1), (1, 2).1, -1 % 2, 1 != 2",
    "SELECT number FROM numbers(3)",
]

REFUSED = [
    "",
    ";",
    "INSERT INTO store_ping VALUES (1, 1)",
    "DROP TABLE report",
    "SYSTEM SHUTDOWN",
    "SHOW TABLES",
    "SET readonly = 0",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE store_ping",
    "SELECT 1 PARALLEL WITH DROP TABLE store_ping",
    "SELECT 1 INTO OUTFILE '{path}/out'",
    "SELECT 1 /* */ INTO OUTFILE '{path}/out'",
    "SELECT 1 FORMAT CSV",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM (SELECT 1 SETTINGS max_result_rows = 0)",
    "WITH x AS (SELECT 1) INSERT INTO store_ping SELECT 1, 1",
    "SELECT file('/etc/passwd')",
    "SELECT FILE ('/etc/passwd')",
    "SELECT `file`('/etc/passwd')",
    "SELECT \"file\"('/etc/passwd')",
    "SELECT file/**/('/etc/passwd')",
    "SELECT file -- \n('/etc/passwd')",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:9/', 'TSV', 'a String')",
    "SELECT * FROM remote('127.0.0.1:9', 'system.one')",
    "SELECT * FROM s3('http://127.0.0.1:9/x', 'TSV', 'a String')",
    "SELECT * FROM executable('ls', 'TSV', 'a String')",
    "SELECT * FROM sqlite('/tmp/x', 't')",
    "SELECT * FROM default.`/etc/passwd`",
    "SELECT * FROM `default` . `passwd`",
    "SELECT * FROM carillon.`/etc/passwd`",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM '/etc/passwd'",
    "SELECT 1)",
    "SELECT (1",
    "SELECT 'open",
    "SELECT $x$ a $x$",
    "SELECT \u2018a\u2019",
    "SELECT '\0'",
    "SELECT nothing_of_that_name",
    "SELECT 1 +",
    f"SELECT '{'x' * SQL_CHARACTERS_MAX}'",
]


def test_plain_reads_are_answered(store: ReportStore) -> None:
    for sql in TAKEN:
        assert answer(store, sql).columns, sql


def test_whatever_writes_or_reaches_out_is_refused(store: ReportStore, tmp_path: Path) -> None:
    for sql in REFUSED:
        with pytest.raises(QueryRefusedError):
            pytest.fail(f"{sql}: {store.answer(sql.replace('{path}', str(tmp_path)))}")
    assert list(tmp_path.iterdir()) == []
    assert store.query("SELECT count() FROM store_ping") == [(0,)]


def test_every_table_function_that_reaches_out_is_refused(store: ReportStore) -> None:
    """Whatever the engine's version brings: only those that make numbers or constants are answered."""
    harmless = {"numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "values", "null",
                "sqlstandardvalues", "primes", "format", "generaterandom", "view"}  # fmt: skip
    names = [str(row[0]) for row in store.query("SELECT name FROM system.table_functions")]
    assert len(names) > 50
    for name in names:
        if name.lower() not in harmless:
            with pytest.raises(QueryRefusedError):
                store.answer(f"SELECT * FROM {name}('/etc/passwd', 'LineAsString', 'a String')")


def test_an_answer_is_bounded_in_rows_bytes_time_and_memory(
    store: ReportStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = limits.QUERY_ROWS_MAX
    assert len(store.answer(f"SELECT number FROM numbers({most})").rows) == most
    with pytest.raises(QueryRefusedError, match="rows"):
        store.answer(f"SELECT number FROM numbers({most + 1})")
    with pytest.raises(QueryRefusedError, match=r"(?i)memory"):
        store.answer(f"SELECT length(groupArray(number)) FROM numbers({limits.QUERY_MEMORY_BYTES_MAX // 8 + 1})")
    # Of one constant the engine counts one, so these are of two.
    rows = limits.QUERY_ANSWER_BYTES_MAX // 1_000_000 + 2
    assert len(store.answer(f"SELECT repeat('x', 999999 + number % 2) FROM numbers({rows - 3})").rows) == rows - 3
    with pytest.raises(QueryRefusedError, match=r"(?i)bytes"):
        store.answer(f"SELECT repeat('x', 999999 + number % 2) FROM numbers({rows})")
    # A tenth of a second, to wait no longer: the engine is told the seconds as it is told QUERY_S_MAX.
    assert clickhouse._ANSWER_SETTINGS["max_execution_time"] == limits.QUERY_S_MAX
    monkeypatch.setitem(clickhouse._ANSWER_SETTINGS, "max_execution_time", 0.1)  # type: ignore[arg-type]
    with pytest.raises(QueryRefusedError, match=r"(?i)time"):
        store.answer("SELECT max(cityHash64(number)) FROM numbers(100000000000)")
    assert store.answer("SELECT 1").rows == [(1,)], "and whoever asks next is answered"


def test_what_a_failed_query_had_written_does_not_come_with_the_next_answer(store: ReportStore) -> None:
    for number in range(3):
        with pytest.raises(QueryRefusedError):
            store.answer("SELECT number, throwIf(number = 90000) FROM numbers(100000)")
        assert store.answer(f"SELECT {number}").rows == [(number,)]
        with pytest.raises(StorageError):
            store.query("SELECT number, throwIf(number = 90000) FROM numbers(100000)")
        assert store.query(f"SELECT {number}") == [(number,)]


def test_repeats_are_merged_for_whoever_asks(store: ReportStore) -> None:
    store.insert_segment(rows_of([{}]), b"", "node:1")
    store.insert_segment(rows_of([{}]), b"", "node:2")
    assert answer(store, "SELECT count() FROM report").rows == [[1]]


@pytest.fixture
def served(store: ReportStore, tmp_path: Path) -> Path:
    """Return the socket on which the store is served until the test ends."""
    return tmp_path / "query.sock"


def test_the_socket_answers_as_the_store_does(store: ReportStore, served: Path) -> None:
    row = rows_of([{"report_id": 2**64 - 1, "time_ms": -(2**63)}])
    row["items_length"] = 3
    store.insert_segment(row, b"a\xff1", "node:1")
    sql = (
        "SELECT report_id, time_ms, items, phone, toDate('2026-11-22') AS day, nan AS n, [NULL, 1] AS l, '粤' AS t "
        "FROM report"
    )
    expected = Table(
        ["report_id", "time_ms", "items", "phone", "day", "n", "l", "t"],
        [[2**64 - 1, -(2**63), "61ff31", "0", "2026-11-22", None, [None, 1], "粤"]],
    )
    with QueryServer(store, served):
        assert stat.S_IMODE(served.stat().st_mode) == 0o600
        assert ask(served, sql) == expected == answer(store, sql)
        assert ask(served, f"{sql} LIMIT 0").rows == []
        with pytest.raises(QueryRefusedError, match="SETTINGS"):
            ask(served, "SELECT 1 SETTINGS final = 0")
        assert json.loads(as_json(ask(served, sql))) == [dict(zip(expected.columns, expected.rows[0], strict=True))]
    assert not served.exists()
    with pytest.raises(FileNotFoundError):
        ask(served, sql)


def test_whoever_talks_nonsense_on_the_socket_stops_nobody(store: ReportStore, served: Path) -> None:
    with QueryServer(store, served) as server:
        for said in (b"", b"\0", b"\0\0\0\x02{}", b"\xff\xff\xff\xff", b"\0\0\0\x03abc", b'\0\0\0\x0b{"sql": "1"'):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(served))
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                answered = connection.recv(4096)
                assert answered == b"" or json.loads(answered[4:]).keys() >= {"error"}, said
        with socket.socket(socket.AF_UNIX) as connection:  # asks, and is gone before the answer
            connection.connect(str(served))
            connection.sendall(b'\0\0\0\x12{"sql": "SELECT 1"}')
        assert ask(served, "SELECT 1").rows == [[1]]
        server.close()
        server.close()


def test_a_question_longer_than_the_bound_is_let_go_unread(store: ReportStore, served: Path) -> None:
    most = limits.QUERY_REQUEST_BYTES_MAX
    with QueryServer(store, served):
        for length, answered in ((most, True), (most + 1, False)):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(served))
                connection.settimeout(30)
                connection.sendall(length.to_bytes(4, "big"))
                with contextlib.suppress(BrokenPipeError):  # it may be gone before the last byte is sent
                    connection.sendall(b'{"sql": "SELECT 1"}'.ljust(length))
                try:
                    assert bool(connection.recv(4096)) == answered, length
                except ConnectionResetError:
                    assert not answered
        assert ask(served, "SELECT 1").rows == [[1]]


def test_who_connects_and_asks_nothing_is_let_go_in_time(
    store: ReportStore, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUERY_REQUEST_S", 0.05)
    with QueryServer(store, served), socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(served))
        silent.sendall(b"\0\0")
        # One question at a time: this one waits until the silent one has been let go.
        assert ask(served, "SELECT 1").rows == [[1]]
        silent.settimeout(30)
        assert silent.recv(1) == b""


def test_askers_past_the_backlog_wait_in_connect_and_all_are_answered(served: Path) -> None:
    asked, go_on = threading.Event(), threading.Event()

    class Busy:
        def answer(self, sql: str) -> Answer:
            asked.set()
            assert go_on.wait(30)
            return Answer(("x",), [(sql,)])

    question = b'{"sql": "q"}'
    with QueryServer(Busy(), served), contextlib.ExitStack() as stack:  # type: ignore[arg-type]
        connections = []
        for number in range(limits.QUERY_BACKLOG + 2):
            # The first is being answered; Linux keeps one more than the backlog.
            connections.append(stack.enter_context(socket.socket(socket.AF_UNIX)))
            connections[-1].settimeout(30)
            connections[-1].connect(str(served))
            connections[-1].sendall(len(question).to_bytes(4, "big") + question)
            assert number or asked.wait(30)
        late = stack.enter_context(socket.socket(socket.AF_UNIX))
        late.setblocking(False)
        with pytest.raises(BlockingIOError):
            late.connect(str(served))
        go_on.set()
        for connection in connections:
            assert json.loads(connection.recv(4096)[4:])["rows"] == [["q"]]
        late.settimeout(30)
        late.connect(str(served))


def test_several_askers_are_answered_each(store: ReportStore, served: Path) -> None:
    found: list[object] = []
    with QueryServer(store, served):
        threads = [
            threading.Thread(target=lambda number=number: found.append(ask(served, f"SELECT {number}").rows[0][0]))
            for number in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(map(int, map(str, found))) == list(range(6))


def test_a_socket_left_by_a_killed_process_is_no_hindrance(store: ReportStore, store_dsn: str, served: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(served))
    left.close()
    assert ask_or_open(served, lambda: ReportStore(store_dsn), "SELECT 5").rows == [[5]]
    with QueryServer(store, served):
        assert ask_or_open(served, lambda: pytest.fail("the socket serves"), "SELECT 6").rows == [[6]]
    assert os.listdir(served.parent) == []


def test_the_text_table_is_aligned_and_holds_no_controls() -> None:
    table = Table(["id", "牌", "x"], [[1, "粤B1", None], [-20, "a\x1b[2J\n", 1.5], [3, "", True]])
    assert as_text(table).split("\n") == [
        " id  牌      x",
        "---  ------  ----",
        "  1  粤B1",
        "-20  a�[2J�  1.5",
        "  3          true",
    ]
    assert as_text(Table([], [])) == ""
    assert as_text(Table(["a", "bc"], [])) == "a  bc\n-  --"
