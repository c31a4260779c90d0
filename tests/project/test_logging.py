"""One line an occurrence: names and fields that stay, as text or as JSON, bounded, quoting nobody raw."""

import ast
import io
import json
import logging
import re
import string
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import logging as log
from core.logging import OCCURRENCES, RESERVED, say, start_logging
from tests.project.test_layout import sources

ROOT = Path(__file__).resolve().parents[2]
LIBRARY_CODE = {"subscribe.py"}
"""Runs in other people's programs, and logs as these do."""


class Written:
    """What is written to standard error once logging was started."""

    def __init__(self) -> None:
        self._out = io.StringIO()

    def start(self, level: str = "info", form: str = "text") -> None:
        start_logging(level, form)
        (handler,) = logging.getLogger().handlers
        assert isinstance(handler, logging.StreamHandler)
        assert handler.stream is sys.stderr
        handler.setStream(self._out)

    @property
    def lines(self) -> list[str]:
        return self._out.getvalue().splitlines()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Return what is written; the logging of the tests is put back."""
    root, hook = logging.getLogger(), threading.excepthook
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(log, "_PACE", log._Pace())
    yield Written()
    threading.excepthook = hook
    root.handlers[:] = handlers
    root.setLevel(level)


def trouble() -> None:
    raise KeyError("no\nsuch car")


def said_with_trace() -> None:
    try:
        trouble()
    except KeyError as error:
        say("actor.failed", error=error, actor="vehicle:12", pause_s=0.1)


def test_text_is_one_line_with_a_trace_folded_into_it(written: Written) -> None:
    written.start()
    said_with_trace()
    (line,) = written.lines
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ERROR   actor\.failed: actor vehicle:12 failed", line)
    assert re.search(r"KeyError\('no\\+nsuch car'\) at test_logging\.py:\d+ in trouble < test_logging\.py:\d+", line)


def test_json_is_one_object_with_fields_as_they_are(written: Written) -> None:
    written.start(form="json")
    said_with_trace()
    say("node.descriptors", limit=20_000, before=1024)
    logging.getLogger("uvicorn").warning("100%% of %s", "车")
    first, second, third = (json.loads(line) for line in written.lines)
    assert (first["event"], first["level"], first["actor"], first["pause_s"]) == (
        "actor.failed", "error", "vehicle:12", 0.1,
    )  # fmt: skip
    assert "in trouble" in first["trace"]
    assert first["trace"].endswith("KeyError: 'no\\nsuch car'\n")
    assert (second["limit"], second["text"]) == (20_000, "open files: at most 20000 (before: 1024)")
    assert (third["event"], third["logger"], third["text"]) == ("library", "uvicorn", "100% of 车")


def test_who_is_quoted_begins_no_line_of_their_own(written: Written) -> None:
    written.start()
    say("inbox.refused", fault="x\n2026-01-01T00:00:00.000Z CRITICAL journal.damaged: all is lost\x1b[2J\u2028y")
    (line,) = written.lines
    assert "\x1b" not in line
    assert "\\n2026" in line


def test_a_thread_that_dies_is_an_occurrence(written: Written) -> None:
    written.start(form="json")
    thread = threading.Thread(target=trouble, name="journal")
    thread.start()
    thread.join()
    (line,) = map(json.loads, written.lines)
    assert (line["event"], line["thread"]) == ("thread.failed", "journal")


def test_lines_past_the_bound_are_counted_and_said_later(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    written.start()
    now_s = 1000.0
    monkeypatch.setattr("core.logging.time.monotonic", lambda: now_s)
    for _ in range(log.LOG_LINES_PER_MINUTE_MAX + 5):
        say("streams.waiting", fault="away")
    say("live.waiting", fault="away")
    lines = written.lines
    assert len(lines) == log.LOG_LINES_PER_MINUTE_MAX + 1, "another occurrence is not held back by it"
    assert log.lines_let_go() == 5
    now_s += 60
    say("streams.waiting", fault="away")
    assert [line.partition("Z ")[2] for line in written.lines[-2:]] == [
        "WARNING log.let_go: 5 more lines of streams.waiting in the last minute were not written",
        "WARNING streams.waiting: the event streams wait: away",
    ]


def test_a_level_that_is_not_wanted_costs_nothing(written: Written) -> None:
    written.start("error")
    say("node.serving", tcp="", registration="")
    assert written.lines == []


def calls() -> dict[str, list[tuple[Path, set[str]]]]:
    """Return every `say` of the program: occurrence -> where, and with which fields."""
    found: dict[str, list[tuple[Path, set[str]]]] = {}
    for file in sources():
        if file.relative_to(ROOT).parts[0] in ("tests", "bench", "simulators"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "say":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{file}: an occurrence is named outright"
                fields = {str(keyword.arg) for keyword in node.keywords if keyword.arg != "error"}
                found.setdefault(str(name.value), []).append((file, fields))
    return found


def test_every_occurrence_is_said_somewhere_with_exactly_its_fields() -> None:
    said = calls()
    assert set(said) == set(OCCURRENCES)
    for name, occurrence in OCCURRENCES.items():
        fields = {field for _, field, _, _ in string.Formatter().parse(occurrence.text) if field is not None}
        assert re.fullmatch(r"[a-z]+(\.[a-z_]+)+", name), name
        assert not fields & RESERVED, name
        for file, given in said[name]:
            assert given == fields, f"{name} in {file}"


def test_nothing_is_logged_past_the_table() -> None:
    loose = [
        str(file)
        for file in sources()
        if file.relative_to(ROOT).parts[0] not in ("tests", "bench", "simulators")
        and file.name not in LIBRARY_CODE | {"logging.py"}
        and re.search(r"\bgetLogger\(|^import logging", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert not loose
