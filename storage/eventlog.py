"""EventLog: everything that happened, numbered without a gap, in the business database.

One owner appends. It claims the log by raising the epoch in the row `log_owner`; each of its transactions begins by
holding that row and comparing the epoch, so that an owner that was replaced writes nothing more, and numbers come from
that same row. Whoever has seen number N has seen all below it.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from os import getpid
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec
from sqlalchemy import Connection

from core import limits
from core.business import Business
from core.clock import wall_ms
from core.events import EVENTS, Event, derive_id
from core.events.spine import ActorJoined
from storage.business import SqlTables
from storage.database import Database
from storage.errors import AnsweredTwiceError, OwnerFencedError, StorageError

_LOG: Final = "event"

EVENT_COLUMNS: Final = (
    "seq", "id", "type", "version", "time_ms", "arrival_ms", "subject", "key", "group_id", "store_id", "actor", "cause",
    "correlation", "answers", "depth", "purpose", "payload",
)  # fmt: skip

_DECODERS: Final = {name: msgspec.json.Decoder(payload) for name, payload in EVENTS.items()}
_ANY_DECODER: Final = msgspec.json.Decoder()
_ENCODER: Final = msgspec.json.Encoder()


def _payload(kind: str, version: int, text: str) -> Any:
    """Decode a payload by its type and version; a version this program does not know comes as plain values."""
    return _DECODERS.get((kind, version), _ANY_DECODER).decode(text)


def event_of(row: Sequence[Any]) -> Event:
    """Return the event of a row of EVENT_COLUMNS."""
    return Event(
        seq=row[0], id=row[1], type=row[2], version=row[3], time_ms=row[4], arrival_ms=row[5], subject=row[6],
        key=row[7], group=row[8], store=row[9], actor=row[10], cause=row[11], correlation=row[12],
        answers=row[13] or "", depth=row[14], purpose=row[15], payload=_payload(row[2], row[3], row[16]),
    )  # fmt: skip


HEAD_SQL: Final = "SELECT coalesce(max(seq), 0) FROM event"


def considered(after: int, head: int, seqs: Sequence[int], limit: int) -> int:
    """Return up to which number a reader has come that asked for events after `after`.

    Args:
        head: of the log, read before the events were: whatever came between is read again, never passed over.
        seqs: numbers of the events found, in order.
        limit: how many it asked for.
    """
    if seqs and len(seqs) == limit:
        return seqs[-1]
    return max(after, head, seqs[-1] if seqs else 0)


def type_condition(types: Sequence[str], sign: str) -> tuple[str, list[str]]:
    """Return a condition on column type, that it begins with one of these, and its values; empty for all types."""
    if not types or "" in types:
        return "", []
    ranges = " OR ".join(f"(type >= {sign} AND type < {sign})" for _ in types)
    return f"({ranges})", [bound for prefix in types for bound in (prefix, _after_prefix(prefix))]


def _after_prefix(prefix: str) -> str:
    """Return the first text behind all that begin with the prefix, in byte order."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


OnCommitted = Callable[[int, int, frozenset[str]], object]
"""(first, last, types): numbers and types of the events that a transaction appended."""


def events_by_id(connection: Connection, sign: str, ids: Sequence[str]) -> dict[str, Event]:
    """Return the events with these ids, at most EVENTS_STATEMENT_MAX of them, as a transaction sees them."""
    sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE id IN ({', '.join([sign] * len(ids)) or 'NULL'})"
    return {row[1]: event_of(row) for row in connection.exec_driver_sql(sql, tuple(ids))}


class LogTransaction:
    """One transaction of the owner: events, business rows and positions, committed together or not at all."""

    def __init__(self, connection: Connection, placeholder: str, head: int) -> None:
        self.connection: Final = connection
        """For rows of other tables in the same transaction."""
        self.head = head
        """Number of the last event, those appended here included."""
        self.types: Final[set[str]] = set()
        """Types of the events appended here."""
        self.fresh: list[Event] = []
        """Events appended here that the business has not been handed yet, as they stand in the log."""
        self._placeholder = placeholder

    def append(self, events: Sequence[Event]) -> list[int]:
        """Append the events in order; return each one's number, the existing one where its id is known already.

        Raises:
            AnsweredTwiceError: an event answers an intent that a known event answers, or another of these.
        """
        seqs: list[int] = []
        for first in range(0, len(events), limits.EVENTS_STATEMENT_MAX):
            seqs += self._append(events[first : first + limits.EVENTS_STATEMENT_MAX])
        return seqs

    def _append(self, events: Sequence[Event]) -> list[int]:
        known = self._known("id", [event.id for event in events])
        answered = self._known("answers", [event.answers for event in events if event.answers])
        arrival_ms = time.time_ns() // 1_000_000
        seqs: list[int] = []
        rows: list[tuple[object, ...]] = []
        for event in events:
            seq = known.get(event.id)
            if seq is None:
                if event.answers:
                    if event.answers in answered:
                        raise AnsweredTwiceError(
                            f"event {event.id} ({event.type}) answers {event.answers}, "
                            f"which event number {answered[event.answers]} has answered"
                        )
                    answered[event.answers] = self.head + 1
                self.head += 1
                seq = known[event.id] = self.head
                self.types.add(event.type)
                stands = msgspec.structs.replace(
                    event, seq=seq, arrival_ms=arrival_ms, key=event.key or event.subject,
                    correlation=event.correlation or event.id,
                )  # fmt: skip
                self.fresh.append(stands)
                rows.append(
                    (
                        seq, event.id, event.type, event.version, event.time_ms, arrival_ms, event.subject,
                        stands.key, event.group, event.store, event.actor, event.cause,
                        stands.correlation, event.answers or None, event.depth, event.purpose,
                        _ENCODER.encode(event.payload).decode(),
                    )
                )  # fmt: skip
            seqs.append(seq)
        if rows:
            # The driver's own executemany: SQLAlchemy's insert costs ten times as much.
            self.connection.exec_driver_sql(_insert_sql(self._placeholder), rows)
        return seqs

    def known(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the number of each of these ids that the log holds."""
        numbers: dict[str, int] = {}
        for first in range(0, len(ids), limits.EVENTS_STATEMENT_MAX):
            numbers |= self._known("id", ids[first : first + limits.EVENTS_STATEMENT_MAX])
        return numbers

    def answered(self, intents: Sequence[str]) -> set[str]:
        """Return which of these intents, at most EVENTS_STATEMENT_MAX, have a decision."""
        return set(self._known("answers", intents))

    def at(self, seqs: Sequence[int]) -> list[Event]:
        """Return the events with these numbers, in their order."""
        found: list[Event] = []
        for first in range(0, len(seqs), limits.EVENTS_STATEMENT_MAX):
            some = seqs[first : first + limits.EVENTS_STATEMENT_MAX]
            signs = ", ".join([self._placeholder] * len(some))
            sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE seq IN ({signs}) ORDER BY seq"
            found += [event_of(row) for row in self.connection.exec_driver_sql(sql, tuple(some))]
        return found

    def after(self, seq: int, limit: int) -> list[Event]:
        """Return the events behind a number, in order, those appended here included."""
        sign = self._placeholder
        sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE seq > {sign} ORDER BY seq LIMIT {sign}"
        return [event_of(row) for row in self.connection.exec_driver_sql(sql, (seq, limit))]

    def set_position(self, reader: str, seq: int) -> None:
        """Store up to which event a reader has read."""
        _set_position(self.connection, self._placeholder, reader, seq)

    def _known(self, column: str, values: Sequence[str]) -> dict[str, int]:
        if not values:
            return {}
        sql = _known_sql(column, len(values), self._placeholder)
        return {row[0]: row[1] for row in self.connection.exec_driver_sql(sql, tuple(values))}


@lru_cache
def _insert_sql(placeholder: str) -> str:
    return f"INSERT INTO event ({', '.join(EVENT_COLUMNS)}) VALUES ({', '.join([placeholder] * len(EVENT_COLUMNS))})"


@lru_cache(maxsize=1024)
def _known_sql(column: str, values: int, placeholder: str) -> str:
    return f"SELECT {column}, seq FROM event WHERE {column} IN ({', '.join([placeholder] * values)})"


def _set_position(connection: Connection, sign: str, reader: str, seq: int) -> None:
    connection.exec_driver_sql(
        f"INSERT INTO position (reader, seq) VALUES ({sign}, {sign}) "
        "ON CONFLICT (reader) DO UPDATE SET seq = excluded.seq",
        (reader, seq),
    )


def _joined(name: str, through: int) -> Event:
    return Event(
        id=derive_id("spine", "join", 1, (), name),
        type="actor.joined",
        time_ms=wall_ms(),
        subject=f"actor:{name}",
        actor="spine",
        payload=ActorJoined(actor=name, through=through),
    )


class EventLog:
    """The log of one dealer group."""

    def __init__(
        self,
        database: Database | str,
        owner: str = "",
        *,
        keys: Path | None = None,
        business: Business | None = None,
        on_fenced: Callable[[OwnerFencedError], object] = lambda error: None,
        on_committed: OnCommitted = lambda first, last, types: None,
    ) -> None:
        """
        Args:
            database: or its DSN; then `close` closes it.
            owner: how this process calls itself in `log_owner`, for people; host and process number where empty.
            keys: with a DSN: see Database.
            business: its actors hear every event within the transaction that appends it, and what they say is
                appended with it. None: events are appended and no more, and whoever brings the business catches up.
            on_fenced: called, in the thread that wrote, before OwnerFencedError is raised to the writer. Writers try
                again what a store does not take; this is for whoever can end the process.
            on_committed: called, in the thread that wrote, after each committed transaction that appended something:
                number of the first and of the last event, and the types among them. Must be quick and not fail.
        """
        self._owns_database = isinstance(database, str)
        self.database: Final = Database(database, keys) if isinstance(database, str) else database
        self._owner = owner or f"{socket.gethostname()}:{getpid()}"
        self._on_fenced = on_fenced
        self.on_committed = on_committed
        self._epoch = 0
        self._claiming = threading.Lock()
        self._writing = threading.Lock()
        self.business: Final = business
        self._caught_up = business is None
        self._tables = SqlTables(self.database.placeholder)

    def claim(self) -> int:
        """Become the owner, fencing whoever was before; return the epoch. The first append does it by itself."""
        sign = self.database.placeholder
        with self._claiming, self.database.write() as connection:
            self._epoch = connection.exec_driver_sql(
                f"INSERT INTO log_owner (log, epoch, owner, head) VALUES ({sign}, 1, {sign}, 0) "
                "ON CONFLICT (log) DO UPDATE SET epoch = log_owner.epoch + 1, owner = excluded.owner RETURNING epoch",
                (_LOG, self._owner),
            ).scalar_one()
        return self._epoch

    @contextmanager
    def transaction(self) -> Iterator[LogTransaction]:
        """Hold one transaction as the owner; it commits on leaving and rolls back on an error.

        Raises:
            OwnerFencedError: another owner has claimed the log; nothing is written.
            StorageError: the database is away, locked or full; nothing is written.
        """
        if self._epoch == 0:
            self.claim()
        if not self._caught_up:
            self.catch_up()
        sign = self.database.placeholder
        with self._turn(), self.database.write() as connection:
            # PostgreSQL must hold the row, or a new owner could number beside us; SQLite has one writer anyway.
            lock = "" if self.database.is_sqlite else " FOR UPDATE"
            row = connection.exec_driver_sql(
                f"SELECT epoch, head, owner, folded FROM log_owner WHERE log = {sign}{lock}",
                (_LOG,),
            ).one()
            self._check(row[0], row[2])
            transaction = LogTransaction(connection, sign, row[1])
            yield transaction
            folded = self._fold(transaction, row[3])
            updated = connection.exec_driver_sql(
                f"UPDATE log_owner SET head = {sign}, folded = {sign} "
                f"WHERE log = {sign} AND epoch = {sign} AND head = {sign}",
                (transaction.head, folded, _LOG, self._epoch, row[1]),
            ).rowcount
            if updated != 1:
                self._fenced("the event log's position row changed under its owner")
        if transaction.head > row[1]:
            self.on_committed(row[1] + 1, transaction.head, frozenset(transaction.types))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for this process's other writers; forget what the business remembers of what is rolled back.

        In turn, and not by the database alone: it lets one in as soon as another has rolled back, which would then be
        handed rows that never came to be.
        """
        if not self._writing.acquire(timeout=limits.DATABASE_TIMEOUT_S):
            raise StorageError(f"another transaction of this process has lasted {limits.DATABASE_TIMEOUT_S:.0f} s")
        try:
            yield
        except BaseException:
            if self.business is not None:
                self.business.forget()
            raise
        finally:
            self._writing.release()

    def _fold(self, transaction: LogTransaction, folded: int, events_max: int | None = None) -> int:
        """Have the business hear what stands behind `folded`, and what follows from it; return how far it has come.

        Args:
            events_max: of what was there before this transaction; all, and all that follows from it, where None.
        """
        if self.business is None:
            return folded
        self._tables.connection = transaction.connection
        while folded < transaction.head and events_max != 0:
            if transaction.fresh and transaction.fresh[0].seq == folded + 1:
                events, transaction.fresh = transaction.fresh, []
            else:
                events = transaction.after(folded, events_max or limits.CATCH_UP_EVENTS)
                transaction.fresh = [event for event in transaction.fresh if event.seq > events[-1].seq]
            self.business.fold(events, transaction, self._tables)
            folded = events[-1].seq
            if events_max is not None:
                events_max = max(0, events_max - len(events))
        return folded

    def catch_up(self, progress: Callable[[int, int], object] = lambda folded, head: None) -> None:
        """Have the business hear what it has not heard: a log written without it, or actors that are new to it.

        The first transaction does it by itself; whoever wants to see how far it is does it before. It takes many
        transactions where the log is long, and what was done stays done when it is interrupted.

        Args:
            progress: called with how far the business has come, and the number of the last event.
        """
        if self.business is None:
            return
        for actor in self.business.actors:
            self._join(actor.name, progress)
        while True:
            with self._catching_up() as (transaction, folded):
                reached = self._fold(transaction, folded, limits.CATCH_UP_EVENTS)
                self._set_folded(transaction, reached)
            progress(reached, transaction.head)
            if reached == transaction.head:
                self._caught_up = True
                return

    def _join(self, name: str, progress: Callable[[int, int], object]) -> None:
        """Have an actor that this log has not had before hear its past: what others have heard without it."""
        assert self.business is not None
        sign = self.database.placeholder
        while True:
            with self._catching_up() as (transaction, folded):
                sql = f"SELECT through, heard FROM joined WHERE actor = {sign}"
                found = transaction.connection.exec_driver_sql(sql, (name,)).first()
                through, heard = (folded, 0) if found is None else (found[0], found[1])
                if found is None and folded:
                    transaction.append([_joined(name, folded)])
                past = transaction.after(heard, min(limits.CATCH_UP_EVENTS, through - heard)) if heard < through else []
                if past:
                    self._tables.connection = transaction.connection
                    self.business.fold(past, transaction, self._tables, only=name)
                    transaction.fresh.clear()
                heard += len(past)
                transaction.connection.exec_driver_sql(
                    f"INSERT INTO joined (actor, through, heard) VALUES ({sign}, {sign}, {sign}) "
                    "ON CONFLICT (actor) DO UPDATE SET heard = excluded.heard",
                    (name, through, heard),
                )
                self._set_folded(transaction, folded)
            if heard == through:
                return
            progress(heard, through)

    @contextmanager
    def _catching_up(self) -> Iterator[tuple[LogTransaction, int]]:
        """Hold a transaction of the owner that folds nothing by itself; yields it, and how far the business is."""
        if self._epoch == 0:
            self.claim()
        sign = self.database.placeholder
        with self._turn(), self.database.write() as connection:
            lock = "" if self.database.is_sqlite else " FOR UPDATE"
            sql = f"SELECT epoch, head, owner, folded FROM log_owner WHERE log = {sign}{lock}"
            row = connection.exec_driver_sql(sql, (_LOG,)).one()
            self._check(row[0], row[2])
            transaction = LogTransaction(connection, sign, row[1])
            yield transaction, row[3]
        if transaction.head > row[1]:
            self.on_committed(row[1] + 1, transaction.head, frozenset(transaction.types))

    def _set_folded(self, transaction: LogTransaction, folded: int) -> None:
        sign = self.database.placeholder
        transaction.connection.exec_driver_sql(
            f"UPDATE log_owner SET head = {sign}, folded = {sign} WHERE log = {sign}", (transaction.head, folded, _LOG)
        )

    def _check(self, epoch: int, owner: str) -> None:
        if epoch != self._epoch:
            self._fenced(f"the event log belongs to {owner} since epoch {epoch}; ours was {self._epoch}")

    def _fenced(self, reason: str) -> NoReturn:
        error = OwnerFencedError(reason)
        self._on_fenced(error)
        raise error

    def append(self, events: Sequence[Event]) -> list[int]:
        """Append the events in one transaction; return each one's number, the existing one for a known id.

        Raises:
            AnsweredTwiceError, OwnerFencedError, StorageError: nothing was written.
        """
        if not events:
            return []
        with self.transaction() as transaction:
            return transaction.append(events)

    def read(self, after_seq: int, limit: int = limits.EVENTS_READ_MAX, type_prefix: str = "") -> list[Event]:
        """Return up to `limit` events with a number over after_seq, in order; payloads decoded by type and version.

        Args:
            type_prefix: only types that begin with it (`crash.`); all where empty.
        """
        return self.follow(after_seq, (type_prefix,) if type_prefix else (), limit)[0]

    def follow(
        self, after_seq: int, types: Sequence[str] = (), limit: int = limits.EVENTS_READ_MAX
    ) -> tuple[list[Event], int]:
        """Return up to `limit` events with a number over after_seq, in order, and how far the log was considered.

        Args:
            types: prefixes; only events whose type begins with one of them. All where empty.
        """
        sign = self.database.placeholder
        condition, bounds = type_condition(types, sign)
        limit = min(limit, limits.EVENTS_READ_MAX)
        sql = (
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE seq > {sign}{condition and ' AND '}{condition} "
            f"ORDER BY seq LIMIT {sign}"
        )
        with self.database.read() as connection:
            head = connection.exec_driver_sql(HEAD_SQL).scalar_one()
            rows = connection.exec_driver_sql(sql, (after_seq, *bounds, limit)).fetchall()
        return [event_of(row) for row in rows], considered(after_seq, head, [row[0] for row in rows], limit)

    def of_time(
        self, type_: str, from_ms: int, to_ms: int, after_seq: int = 0, limit: int = limits.EVENTS_READ_MAX
    ) -> list[Event]:
        """Return events of one type that happened in from_ms <= time_ms < to_ms, in the order of the log, a page.

        Args:
            after_seq: only those behind this number. The search begins at `first_since(from_ms)` at the earliest.
        """
        sign = self.database.placeholder
        sql = (
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE type = {sign} AND seq > {sign} "
            f"AND time_ms >= {sign} AND time_ms < {sign} ORDER BY seq LIMIT {sign}"
        )
        with self.database.read() as connection:
            bounds = (type_, after_seq, from_ms, to_ms, min(limit, limits.EVENTS_READ_MAX))
            return [event_of(row) for row in connection.exec_driver_sql(sql, bounds)]

    def first_since(self, arrival_ms: int) -> int:
        """Return the number before the first event that was appended at this time or later; the head if none was.

        By halving: numbers are dense, and events were appended in the order of their numbers.
        """
        sign = self.database.placeholder
        with self.database.read() as connection:
            low, high = 0, connection.exec_driver_sql(HEAD_SQL).scalar_one()
            while low < high:
                middle = (low + high + 1) // 2
                sql = f"SELECT arrival_ms FROM event WHERE seq = {sign}"
                if connection.exec_driver_sql(sql, (middle,)).scalar_one() < arrival_ms:
                    low = middle
                else:
                    high = middle - 1
        return low

    def numbers(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the number of each of these ids that the log holds."""
        with self.database.read() as connection:
            return LogTransaction(connection, self.database.placeholder, 0).known(ids)

    def story(self, correlation: str, limit: int = limits.EVENTS_READ_MAX) -> list[Event]:
        """Return the events that belong to one story, the one with this id first: what it made happen, in order."""
        sign = self.database.placeholder
        sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE correlation = {sign} ORDER BY seq LIMIT {sign}"
        with self.database.read() as connection:
            rows = connection.exec_driver_sql(sql, (correlation, min(limit, limits.EVENTS_READ_MAX))).fetchall()
        return [event_of(row) for row in rows]

    def head(self) -> int:
        """Return the number of the last event, 0 for an empty log."""
        with self.database.read() as connection:
            return connection.exec_driver_sql(HEAD_SQL).scalar_one()

    def position(self, reader: str) -> int:
        """Return the number up to which a reader has read, 0 for a new one."""
        sign = self.database.placeholder
        with self.database.read() as connection:
            sql = f"SELECT seq FROM position WHERE reader = {sign}"
            return connection.exec_driver_sql(sql, (reader,)).scalar() or 0

    def set_position(self, reader: str, seq: int) -> None:
        """Store a reader's position by itself. The owner's folds do it inside their transaction instead."""
        with self.database.write() as connection:
            _set_position(connection, self.database.placeholder, reader, seq)

    def begin_at_head(self, reader: str) -> None:
        """Give a reader that has no position yet the log's head: it is not told of the past. Else do nothing."""
        sign = self.database.placeholder
        with self.database.write() as connection:
            connection.exec_driver_sql(
                f"INSERT INTO position (reader, seq) SELECT {sign}, coalesce(max(seq), 0) FROM event WHERE true "
                "ON CONFLICT (reader) DO NOTHING",
                (reader,),
            )

    def ping_write(self) -> None:
        """Begin and commit a transaction that writes. Raises StorageError when the database does not take it."""
        self.set_position("ping", time.time_ns() // 1_000_000)

    def close(self) -> None:
        """Close the database if this log opened it."""
        if self._owns_database:
            self.database.close()
