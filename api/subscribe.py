"""subscribe(): follow the event log from a program, on this machine or another, and miss nothing.

    for event in subscribe("https://cars.example.com", ["crash.", "sos."], position="alerts.position", key=KEY):
        ...

Where it reads is hidden: the API's event stream (an outsider, with a key, sees what the key may see), or the log's own
database (an insider, woken by the doorbell, sees all). Either is only a reader with a position: a cut, a restart, a
mute doorbell or a pause of any length delay it, and nothing else.
"""

import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import msgspec

from core.events import EVENTS, Event

if TYPE_CHECKING:
    import httpx

LOG: Final = logging.getLogger("carillon.subscribe")

PAUSE_S: Final = (0.2, 10.0)
"""First and longest pause before a source that went away is tried again, doubled each time."""
SILENT_S_MAX: Final = 40.0
"""A stream says something every 15 s; one that is silent for longer is dead."""
SYNC_S: Final = 1.0
"""How often the position file is synced while events come."""
EVENTS_AT_ONCE: Final = 200


class SubscribeError(Exception):
    """It cannot go on, and trying again would not help: no right, no such log, a damaged position file."""


class _Step(NamedTuple):
    """An event, or only how far the log was seen."""

    seq: int
    event: Event | None = None


def subscribe(
    where: str | Path,
    types: Sequence[str] = (),
    *,
    position: str | Path | None = None,
    key: str = "",
    after: int | None = None,
    doorbell: str | Path = "",
) -> Iterator[Event]:
    """Yield events in the order of the log, each once, without end.

    Args:
        where: `http://` or `https://` address of a node (outsider); its data directory, or the DSN of the log's
            database (insider).
        types: prefixes; an event begins with one of them. All types where empty.
        position: file that remembers how far it was read. It is written when the next event is asked for: an event
            whose loop body did not finish (an error, a kill, `break`) comes again. Two programs need two files.
        key: API key with the right events.read, for an outsider.
        after: number to begin after where the file does not exist; None: with what happens from now on.
        doorbell: with a DSN: data directory of the node that owns the log, on this machine. Without, a new event is
            seen up to two seconds late.

    Raises:
        SubscribeError: the key opens nothing, there is no such log, or the file is damaged. Whatever may pass is waited
            for: a server that is away, restarts or is full.
    """
    text = str(where)
    if text.startswith(("http://", "https://")):
        source: _Source = _Outside(text, key)
    else:
        source = _Inside(text, doorbell)
    file = Path(position) if position is not None else None
    try:
        yield from _remembered(source, tuple(types), file, after)
    finally:
        source.close()


class _Source:
    """Where events come from."""

    def head(self) -> int:
        """Return the number of the newest event. Raises _AwayError."""
        raise NotImplementedError

    def steps(self, after: int, types: tuple[str, ...]) -> Iterator[_Step]:
        """Yield what comes after a number, until the source goes away. Raises _AwayError."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of it."""


class _AwayError(Exception):
    """The source is away; it may come back. `retry_s`: not before."""

    def __init__(self, reason: str, retry_s: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_s = retry_s


def _remembered(source: _Source, types: tuple[str, ...], file: Path | None, after: int | None) -> Iterator[Event]:
    """Yield the events of a source through all its absences, and write down how far they were handled."""
    with contextlib.ExitStack() as stack:
        position = stack.enter_context(_Position(file)) if file is not None else None
        seq = after if position is None or position.seq is None else position.seq
        pause_s = PAUSE_S[0]
        while True:
            try:
                if seq is None:
                    seq = source.head()
                if position is not None and position.seq is None:
                    # At once: a program that ends before its first event goes on from here, not from a later now.
                    position.write(seq)
                for step in source.steps(seq, types):
                    pause_s = PAUSE_S[0]
                    if step.seq <= seq:
                        continue
                    if step.event is not None:
                        yield step.event
                    seq = step.seq
                    if position is not None:
                        position.write(seq)
            except _AwayError as away:
                LOG.warning("events wait, again in %.1f s: %s", max(pause_s, away.retry_s), away)
                time.sleep(max(pause_s, away.retry_s))
                pause_s = min(2 * pause_s, PAUSE_S[1])


class _Position:
    """The position file: 20 digits, written in place by one call, so that a kill leaves the old or the new ones.

    It is synced once a second: after a power cut the events of the last second may come again.
    """

    def __init__(self, file: Path) -> None:
        self.seq: int | None = None
        self._file = file
        self._descriptor = -1
        self._synced_s = 0.0

    def __enter__(self) -> Self:
        try:
            self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            text = os.pread(self._descriptor, 64, 0).decode("ascii", "replace").strip()
        except BlockingIOError as error:
            self.__exit__()
            raise SubscribeError(f"another program reads on from {self._file}; give each a file of its own") from error
        except OSError as error:
            self.__exit__()
            raise SubscribeError(f"cannot use the position in {self._file}: {error}") from error
        if text and not (text.isdigit() and text.isascii()):
            self.__exit__()
            # To begin anew would bring everything again, or lose it; only a person knows which is worse.
            raise SubscribeError(f"{self._file} holds no position: {text!r}; delete it to begin anew")
        self.seq = int(text) if text else None
        return self

    def write(self, seq: int) -> None:
        """Remember that all up to this number is handled."""
        if seq == self.seq:
            return
        self.seq = seq
        os.pwrite(self._descriptor, b"%020d\n" % seq, 0)
        if time.monotonic() - self._synced_s > SYNC_S:
            os.fdatasync(self._descriptor)
            self._synced_s = time.monotonic()

    def __exit__(self, *exception: object) -> None:
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


# --- outside: the API -------------------------------------------------------------------------------------------------


class _Outside(_Source):
    """The event stream of the API."""

    def __init__(self, url: str, key: str) -> None:
        import httpx

        self._url = url.rstrip("/") + "/api/v1/events"
        self._errors = (httpx.TransportError, httpx.StreamError)
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(10.0, read=SILENT_S_MAX),
        )

    def head(self) -> int:
        try:
            answer = self._client.get(self._url, params={"newest": True, "limit": 1})
        except self._errors as error:
            raise _AwayError(f"{self._url}: {error!r}") from error
        self._check(answer)
        items = answer.json()["items"]
        return int(items[0]["seq"]) if items else 0

    def steps(self, after: int, types: tuple[str, ...]) -> Iterator[_Step]:
        parameters: dict[str, Any] = {"after": after, "type": list(types)}
        try:
            with self._client.stream("GET", f"{self._url}/stream", params=parameters) as answer:
                if answer.status_code != 200:
                    answer.read()
                self._check(answer)
                yield from _steps_of(answer.iter_lines())
        except self._errors as error:
            raise _AwayError(f"{self._url}: {error!r}") from error
        raise _AwayError(f"{self._url}: the stream ended")

    def _check(self, answer: "httpx.Response") -> None:
        """Raise unless it is a 200: for good where asking again is no use."""
        status = answer.status_code
        if status == 200:
            return
        if status in (429, 500, 502, 503, 504):
            waits = answer.headers.get("Retry-After", "")
            raise _AwayError(f"{self._url} answered {status}", float(waits) if waits.isdigit() else 0.0)
        raise SubscribeError(f"{self._url} answered {status}: {answer.text[:300]}")

    def close(self) -> None:
        self._client.close()


def _steps_of(lines: Iterator[str]) -> Iterator[_Step]:
    """Yield what a server-sent stream says. An event that was cut off is not one: its empty line is missing."""
    seq, data = 0, ""
    for line in lines:
        if line.startswith("id: "):
            seq = int(line[4:])
        elif line.startswith("data: "):
            data = line[6:]
        elif not line:
            if seq:
                yield _Step(seq, _event(data) if data else None)
            seq, data = 0, ""


def _event(text: str) -> Event:
    """Return an event, its payload as EVENTS names it; plain where this program does not know it, or may not see all
    of it."""
    event = msgspec.json.decode(text, type=Event)
    declared = EVENTS.get((event.type, event.version))
    if declared is None:
        return event
    try:
        return msgspec.structs.replace(event, payload=msgspec.convert(event.payload, declared))
    except msgspec.ValidationError:
        return event


# --- inside: the log's own database -----------------------------------------------------------------------------------


class _Inside(_Source):
    """The log as its own programs read it: everything, woken by the doorbell."""

    def __init__(self, where: str, doorbell: str | Path) -> None:
        from core.doorbell import Ear
        from storage.eventlog import EventLog

        if "://" not in where:
            data = Path(where)
            if not (data / "carillon.db").exists():
                raise SubscribeError(f"there is no event log in {data}; give the DSN of its database")
            where, doorbell = f"sqlite:///{(data / 'carillon.db').absolute()}", doorbell or data
        try:
            self._log = EventLog(where)
        except ValueError as error:
            raise SubscribeError(str(error)) from error
        self._ear = Ear(Path(doorbell) / "run" if doorbell else None)

    def head(self) -> int:
        from storage.errors import StorageError

        try:
            return self._log.head()
        except StorageError as error:
            raise _AwayError(str(error)) from error

    def steps(self, after: int, types: tuple[str, ...]) -> Iterator[_Step]:
        from storage.errors import StorageError

        while True:
            try:
                events, seq = self._log.follow(after, types, EVENTS_AT_ONCE)
            except StorageError as error:
                raise _AwayError(str(error)) from error
            for event in events:
                yield _Step(event.seq, event)
            yield _Step(seq)
            after = seq
            if len(events) < EVENTS_AT_ONCE:
                self._ear.wait()

    def close(self) -> None:
        self._ear.close()
        self._log.close()
