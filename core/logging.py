"""The operator's log: every occurrence that is worth a line, by name, as text or as JSON, on standard error, in UTC.

An occurrence has a name that stays (`store.left_behind`), fields that stay, and a sentence in English for a person.
`say` writes it, one line whatever happened: a fault's trace is folded into it, and what a stranger sent cannot begin a
line of its own. What happens often is counted, not logged: that stands in the metrics.
"""

import datetime
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from core.limits import LOG_LINES_PER_MINUTE_MAX

DEBUG, INFO, WARNING, ERROR, CRITICAL = (
    logging.DEBUG,
    logging.INFO,
    logging.WARNING,
    logging.ERROR,
    logging.CRITICAL,
)


class Occurrence(NamedTuple):
    """Something that is logged: how grave it is, and what a person reads. {names} in it are its fields."""

    level: int
    text: str


OCCURRENCES: Final[Mapping[str, Occurrence]] = {
    "node.descriptors": Occurrence(INFO, "open files: at most {limit} (before: {before})"),
    "node.migrated": Occurrence(INFO, "{what} brought from version {before} to {version}"),
    "node.serving": Occurrence(INFO, "terminals on {tcp}, registration {registration}"),
    "node.unadministered": Occurrence(
        WARNING, "nobody administers this yet: open {link} within {hours} hours (also in {file})"
    ),
    "node.stopping": Occurrence(INFO, "{signal}: stopping"),
    "node.stopping_now": Occurrence(WARNING, "{signal} again: what is not stored yet waits in the journal"),
    "node.stopped": Occurrence(INFO, "stopped in order after {seconds:.1f} s"),
    "node.supervisor_deaf": Occurrence(WARNING, "the supervisor at {address} cannot be told how we are: {fault}"),
    "api.serving": Occurrence(INFO, "portal and API on http://{http}/, key in {key_file}"),
    "api.failed": Occurrence(ERROR, "{method} {path} failed"),
    "actor.failed": Occurrence(ERROR, "actor {actor} failed, starting again in {pause_s:.1f} s"),
    "call.repeated": Occurrence(ERROR, "{call} failed, again in {pause_s:.2f} s: {fault}"),
    "demo.driving": Occurrence(INFO, "{vehicles} simulated cars, which first live through {history_h:.1f} h"),
    "demo.ended": Occurrence(ERROR, "the simulator ended with status {status}"),
    "doorbell.mute": Occurrence(
        WARNING, "{door} is mute, who listens will look every {look_s:.0f} s by itself: {fault}"
    ),
    "geofence.left_out": Occurrence(ERROR, "geofence {geofence} is left out: {fault}"),
    "inbox.refused": Occurrence(ERROR, "dropped from the inbox: {fault}"),
    "detection.unkept": Occurrence(WARNING, "cannot write {path}, again in {seconds:.0f} s: {fault}"),
    "journal.damaged": Occurrence(ERROR, "segment {segment} is damaged at {offset}: records up to {sequence} are lost"),
    "journal.refused": Occurrence(ERROR, "{fault}; nothing is acknowledged until this is mended"),
    "journal.uncut": Occurrence(WARNING, "cannot cut {path} to {size} bytes: {fault}"),
    "journal.unmoved": Occurrence(WARNING, "cannot write {path}, which stays behind: {fault}"),
    "journal.unremoved": Occurrence(WARNING, "cannot remove {path}: {fault}"),
    "journal.short": Occurrence(ERROR, "segment {segment} is damaged at {offset} of {size} bytes"),
    "live.stopped": Occurrence(ERROR, "the clock of the live feeds has stopped"),
    "live.waiting": Occurrence(WARNING, "live feeds wait for the store: {fault}"),
    "log.let_go": Occurrence(WARNING, "{lines} more lines of {occurrence} in the last minute were not written"),
    "rules.beyond": Occurrence(ERROR, "group {group} has thresholds of its own and is judged by the defaults"),
    "rules.misread": Occurrence(WARNING, "rule {detector} version {version} of group {group}: {fault}"),
    "store.away": Occurrence(WARNING, "the store cannot be reached; reports wait in the journal: {fault}"),
    "store.left_behind": Occurrence(WARNING, "the store did not take everything; the rest waits in the journal"),
    "streams.waiting": Occurrence(WARNING, "the event streams wait: {fault}"),
    "thread.failed": Occurrence(ERROR, "thread {thread} has ended"),
}
"""Everything this program logs itself. Names and fields are relied on by whoever collects logs: add, never change."""

LIBRARY: Final = "library"
"""Name of what a library logs; its own logger stands in the field `logger`."""

FORMATS: Final = ("text", "json")
RESERVED: Final = frozenset({"time", "level", "event", "text", "trace", "logger"})
"""Keys of a JSON line that are not an occurrence's own."""


class _Pace:
    """Lets so many lines of each occurrence through in a minute, and says afterwards how many it did not."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since_s: dict[str, float] = {}
        self._written: dict[str, int] = {}
        self._held: dict[str, int] = {}
        self.let_go = 0

    def take(self, name: str, now_s: float) -> tuple[bool, int]:
        """Return whether this line may be written, and how many of its like were not in the minute that is over."""
        with self._lock:
            before = 0
            if now_s - self._since_s.get(name, -60.0) >= 60.0:
                before = self._held.pop(name, 0)
                self._since_s[name], self._written[name] = now_s, 0
            if self._written[name] >= LOG_LINES_PER_MINUTE_MAX:
                self._held[name] = self._held.get(name, 0) + 1
                self.let_go += 1
                return False, before
            self._written[name] += 1
            return True, before


_PACE: Final = _Pace()


def say(name: str, /, *, error: BaseException | None = None, **fields: object) -> None:
    """Log an occurrence of OCCURRENCES.

    Of one occurrence LOG_LINES_PER_MINUTE_MAX lines are written a minute; the rest is counted, and said in one line
    with the next one that is written.

    Args:
        error: an error of ours, whose trace belongs to it.
        fields: all that its sentence names; numbers stay numbers in JSON.
    """
    occurrence = OCCURRENCES[name]
    logger = logging.getLogger(name)
    if not logger.isEnabledFor(occurrence.level):
        return
    written, before = _PACE.take(name, time.monotonic())
    if before:
        say("log.let_go", lines=before, occurrence=name)
    if written:
        text = occurrence.text.format_map(fields)
        logger.log(occurrence.level, "%s", text, exc_info=error, extra={"fields": fields})


def lines_let_go() -> int:
    """Return how many lines were not written because too many of their kind were."""
    return _PACE.let_go


def start_logging(level: str, form: str = "text") -> None:
    """Log from `level` on (debug, info, warning, error) to standard error, replacing what was set up before.

    Libraries speak from warning on: their chatter at info (each request of uvicorn, each query) is counted, not logged.

    Args:
        form: one of FORMATS.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter({"text": TextLine, "json": JsonLine}[form]())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    threading.excepthook = _thread_failed
    for library in LIBRARIES:
        logging.getLogger(library).setLevel(max(logging.WARNING, root.level))


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    say("thread.failed", error=failed.exc_value, thread=failed.thread.name if failed.thread else "")


class TextLine(logging.Formatter):
    """`2026-01-31T08:00:00.000Z WARNING store.left_behind: …`, a trace folded behind it, innermost place first."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = f"{_moment(record)} {record.levelname:<7} {record.name}: {record.getMessage()}"
        if record.exc_info and record.exc_info[1] is not None:
            line += f": {_folded(record.exc_info[1])}"
        return _one_line(line)


class JsonLine(logging.Formatter):
    """One object: `time`, `level`, `event`, `text`, the occurrence's fields, and `trace` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        ours = record.name in OCCURRENCES
        line: dict[str, Any] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "event": record.name if ours else LIBRARY,
            "text": record.getMessage(),
        }
        if not ours:
            line["logger"] = record.name
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[1] is not None:
            line["trace"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, ensure_ascii=False, default=str)


def _moment(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _folded(error: BaseException) -> str:
    """Return an error and the way to it on one line: `KeyError('x') at vehicle.py:12 in handle < actor.py:101 …`."""
    way = [
        f"{os.path.basename(place.filename)}:{place.lineno} in {place.name}"
        for place in reversed(traceback.extract_tb(error.__traceback__))
    ]
    said = f"{error!r} at {' < '.join(way)}" if way else repr(error)
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else [error.__cause__ or error.__context__]
    return "; of ".join([said, *(_folded(one) for one in inner if one is not None)])


def _one_line(text: str) -> str:
    """Return the text without control characters: nobody who is quoted begins a line, or moves a terminal's cursor."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


LIBRARIES: Final = (
    "uvicorn",
    "uvicorn.access",
    "litestar",
    "clickhouse_connect",
    "sqlalchemy",
    "alembic",
    "numba",
    "asyncio",
)
