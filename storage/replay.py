"""Replay the business: fold its log again from empty, into tables of their own, and say what differs.

The log stays as it is. Its events are folded in its order; what rules say is looked for in the log instead of
appended. With the rules as they were nothing differs: the tables come out equal. With another version of a rule, what
it would have said is folded behind its cause, what it would not have said is left out, and both are listed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection

from core import limits
from core.business import Business, BusinessActor, Kept, Key
from core.events import Event
from storage.business import SqlTables
from storage.database import Database, migrate
from storage.eventlog import EVENT_COLUMNS, event_of

DIFFERENCES_MAX: Final = 1_000
"""Events and rows named of each kind of difference; the rest is counted. A person reads dozens."""
CHUNK_EVENTS: Final = 2_000
"""Events read and folded in one transaction of the copy."""
_COLUMNS: Final = ", ".join(EVENT_COLUMNS)


class Difference(NamedTuple):
    """One event that would be said differently, or one row that would be."""

    what: str
    """said: only by the rules now. unsaid: only in the log. changed: both, with other words. row: of a table."""
    name: str
    """Type of the event, or table of the row."""
    about: str
    """Subject and id of the event, or key of the row."""
    before: str
    """In the log, or in its tables; empty where it is not there. JSON."""
    now: str


class Replayed(msgspec.Struct, kw_only=True):
    """What a replay has found."""

    events: int = 0
    """Of the log that were folded."""
    handled: int = 0
    """Times a rule ran."""
    said: int = 0
    """Events that rules said, and the log has not."""
    unsaid: int = 0
    """Events that the log has from rules, and that they do not say now."""
    changed: int = 0
    rows: int = 0
    """Rows that differ, or are on one side alone."""
    rows_compared: int = 0
    differences: list[Difference] = []

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.said or self.unsaid or self.changed or self.rows)

    def note(self, difference: Difference) -> None:
        """Name a difference, if not enough are named."""
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(difference)


Progress = Callable[[int, int], object]
"""(events folded, events of the log)."""


class _Past:
    """The log as rules see it while it is folded again: nothing is appended, decisions are those of this replay."""

    def __init__(self, source: Connection, sign: str, answered: set[str]) -> None:
        self._source = source
        self._sign = sign
        self._answered = answered

    def append(self, events: Sequence[Event]) -> list[int]:
        raise AssertionError("a replay appends nothing")

    def answered(self, intents: Sequence[str]) -> set[str]:
        return self._answered & set(intents)

    def at(self, seqs: Sequence[int]) -> list[Event]:
        found: list[Event] = []
        for first in range(0, len(seqs), limits.EVENTS_STATEMENT_MAX):
            some = seqs[first : first + limits.EVENTS_STATEMENT_MAX]
            sql = f"SELECT {_COLUMNS} FROM event WHERE seq IN ({', '.join([self._sign] * len(some))}) ORDER BY seq"
            found += [event_of(row) for row in self._source.exec_driver_sql(sql, tuple(some))]
        return found


def replay(
    source: Database,
    into: Path,
    actors: Sequence[BusinessActor],
    *,
    adopt: Mapping[tuple[str, str], int] = MappingProxyType({}),
    progress: Progress = lambda folded, head: None,
) -> Replayed:
    """Fold a log from empty into a new SQLite file, and compare events and tables with those of the log's own database.

    Events that arrive while it runs are not folded, and tables are compared only where none did: read it from a copy,
    or while nothing is appended.

    Args:
        source: the business database, read only.
        into: where the new tables are made; a file that is there must be none of a business (it is refused).
        adopt: (actor, rule) -> version in force from the first event on, in place of what the log adopted.

    Raises:
        ValueError: the file is there, or an actor, rule or version is not known.
        StorageError: the source is away.
    """
    if into.exists():
        raise ValueError(f"{into} is there already")
    _check(actors, adopt)
    copy = Database(f"sqlite:///{into}")
    try:
        migrate(copy)
        # One look at the log from the first event to the last row: on SQLite what is appended meanwhile is not seen.
        with source.read() as log:
            sql = "SELECT head, folded FROM log_owner WHERE log = 'event'"
            head, folded = log.exec_driver_sql(sql).first() or (0, 0)
            run = _Run(log, source.placeholder, actors, adopt)
            after = 0
            while after < folded:
                events = run.read(after, min(CHUNK_EVENTS, folded - after))
                with copy.write() as connection:
                    run.fold(events, connection)
                after = events[-1].seq
                progress(after, head)
            run.end()
            with copy.read() as connection:
                for kept in run.business.kept:
                    _compare((log, source.placeholder), (connection, copy.placeholder), kept, run.found)
    finally:
        copy.close()
    return run.found


def _check(actors: Sequence[BusinessActor], adopt: Mapping[tuple[str, str], int]) -> None:
    known = {(actor.name, rule.name): rule.versions for actor in actors for rule in actor.rules}
    for (actor, rule), version in adopt.items():
        if (actor, rule) not in known:
            raise ValueError(f"there is no rule {actor}.{rule}; there are {', '.join('.'.join(one) for one in known)}")
        if version not in known[actor, rule]:
            versions = ", ".join(map(str, sorted(known[actor, rule])))
            raise ValueError(f"rule {actor}.{rule} has no version {version}; there is {versions}")


def _parked(log: Connection) -> dict[tuple[str, str], str]:
    """Return what was parked, as core.business.Business takes it."""
    found: dict[tuple[str, str], str] = {}
    for row in log.exec_driver_sql(f"SELECT {_COLUMNS} FROM event WHERE type = 'ops.parked' ORDER BY seq"):
        event = event_of(row)
        payload = event.payload
        # One that failed again when its key was released was caused by the release.
        place = payload.event if event.cause == payload.event else f"{event.cause}:{payload.event}"
        found[payload.actor, place] = payload.reason
    return found


class _Run:
    """One replay under way."""

    def __init__(
        self, log: Connection, sign: str, actors: Sequence[BusinessActor], adopt: Mapping[tuple[str, str], int]
    ) -> None:
        self.business = Business(actors, parked=_parked(log), pinned=adopt)
        self.found = Replayed()
        self._names = {actor.name for actor in self.business.actors}
        self._log = log
        self._sign = sign
        self._answered: set[str] = set()
        self._past = _Past(log, sign, self._answered)
        self._tables = SqlTables("?")
        self._expected: dict[str, Event] = {}
        """Said by rules, and not yet met in the log."""
        joins = log.exec_driver_sql("SELECT actor, through FROM joined WHERE through > 0 ORDER BY through").fetchall()
        self._through: dict[str, int] = {row[0]: row[1] for row in joins}
        """Actors that joined later -> the last event that they heard alone."""

    def read(self, after: int, limit: int) -> list[Event]:
        """Return the next events of the log."""
        sql = f"SELECT {_COLUMNS} FROM event WHERE seq > {self._sign} ORDER BY seq LIMIT {self._sign}"
        return [event_of(row) for row in self._log.exec_driver_sql(sql, (after, limit))]

    def fold(self, events: Sequence[Event], connection: Connection) -> None:
        """Fold events of the log, and what is new where it is said, into the tables of a connection."""
        self._tables.connection = connection
        self.business.begin(events, self._tables)
        for event in events:
            if event.actor in self._names and event.type != "actor.joined":
                met = self._met(event)
                if met is None:
                    continue
                event = met
            late = [name for name, through in self._through.items() if event.seq <= through]
            self._hear(event, without=late)
            for name, through in self._through.items():
                if through == event.seq:
                    self._join(name, through)
        self.business.flush()

    def end(self) -> None:
        """Count what was said, and never met in the log."""
        for event in self._expected.values():
            self._note_said(event)
        self.found.handled = self.business.statistics()["handled"]

    def _met(self, event: Event) -> Event | None:
        """Return an event of a rule as that rule says it now; None when it does not."""
        said = self._expected.pop(event.id, None)
        if said is None:
            self.found.unsaid += 1
            self.found.note(Difference("unsaid", event.type, _about(event), _words(event), ""))
            return None
        before, now = _words(event), _words(said)
        if before == now:
            return event
        self.found.changed += 1
        self.found.note(Difference("changed", event.type, _about(event), before, now))
        return msgspec.structs.replace(said, seq=event.seq, arrival_ms=event.arrival_ms)

    def _hear(self, event: Event, *, only: str = "", without: Collection[str] = ()) -> None:
        """Run the rules over one event, and over what they say that has no place in the log: it follows at once."""
        new = [event]
        for one in new:
            self.found.events += 1
            answers = self.business.hear(one, self._past, only=only if one is event else "", without=without)
            if not answers:
                continue
            self._answered.update(answer.answers for answer in answers if answer.answers)
            known = self._known([answer.id for answer in answers])
            for answer in answers:
                if answer.id in known:
                    self._expected[answer.id] = answer
                else:
                    self._note_said(answer)
                    new.append(msgspec.structs.replace(answer, seq=event.seq, key=answer.key or answer.subject))

    def _known(self, ids: Sequence[str]) -> set[str]:
        sql = f"SELECT id FROM event WHERE id IN ({', '.join([self._sign] * len(ids))})"
        return {row[0] for row in self._log.exec_driver_sql(sql, tuple(ids))}

    def _note_said(self, event: Event) -> None:
        self.found.said += 1
        self.found.note(Difference("said", event.type, _about(event), "", _words(event)))

    def _join(self, name: str, through: int) -> None:
        """Have an actor that joined hear its past alone, as it did then."""
        after = 0
        while after < through:
            events = self.read(after, min(CHUNK_EVENTS, through - after))
            for event in events:
                self._hear(event, only=name)
            after = events[-1].seq


def _about(event: Event) -> str:
    return f"{event.subject} {event.id}"


def _words(event: Event) -> str:
    said = (event.subject, event.key or event.subject, event.store, event.answers, event.purpose, event.payload)
    return msgspec.json.encode(said).decode()


_Side = tuple[Connection, str]
"""A connection, and its sign for a value."""


def _compare(before: _Side, now: _Side, kept: Kept, found: Replayed) -> None:
    """Count and name the rows of a table that differ."""
    for key, left, right in _merged(_rows(before, kept), _rows(now, kept)):
        found.rows_compared += 1
        if left != right:
            found.rows += 1
            found.note(Difference("row", kept.table, ", ".join(map(str, key)), left, right))


def _rows(side: _Side, kept: Kept) -> Iterator[tuple[Key, str]]:
    """Return the rows of a table as JSON, in the order of their key."""
    tables = SqlTables(side[1])
    tables.connection = side[0]
    for row in tables.all(kept):
        yield kept.key_of(row), msgspec.json.encode(row).decode()


def _merged(before: Iterator[tuple[Key, str]], now: Iterator[tuple[Key, str]]) -> Iterator[tuple[Key, str, str]]:
    """Walk two sorted runs at once; a side that has no row of a key is empty there."""
    left, right = next(before, None), next(now, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left[0] < right[0]):
            assert left is not None
            yield left[0], left[1], ""
            left = next(before, None)
        elif left is None or right[0] < left[0]:
            yield right[0], "", right[1]
            right = next(now, None)
        else:
            yield left[0], left[1], right[1]
            left, right = next(before, None), next(now, None)
