"""The inbox: how a process that does not own the event log gets events into it.

`InboxLog` stands where the owner has its EventLog: rows of other tables are written at once, the events with them into
table inbox, in one transaction. The owner moves them into the log (`move_inbox`), in order; their ids make it once.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from sqlalchemy import Connection

from core import limits
from core.events import EVENTS, Event
from core.logging import say
from storage.errors import AnsweredTwiceError, StorageError
from storage.eventlog import EventLog, LogTransaction

WAIT_S: Final = 5.0
"""How long `append_and_wait` waits for the owner, which looks at least every half second."""
_POLL_S: Final = (0.02, 0.25)
"""First and longest pause between two looks whether an event stands in the log."""

_ENCODER: Final = msgspec.json.Encoder()
_PLAIN: Final = msgspec.json.Decoder(Event)


def put_in_inbox(connection: Connection, sign: str, events: Sequence[Event]) -> None:
    """Put events into the inbox, in order, within a transaction that writes other rows too."""
    now_ms = time.time_ns() // 1_000_000
    rows = [(_ENCODER.encode(event).decode(), now_ms) for event in events]
    connection.exec_driver_sql(f"INSERT INTO inbox (event, arrival_ms) VALUES ({sign}, {sign})", rows)


class InboxTransaction(LogTransaction):
    """One transaction of a process that does not own the log."""

    def append(self, events: Sequence[Event]) -> list[int]:
        """Put the events into the inbox, in order; return the number of each that the log knows already, else 0."""
        known = self.known([event.id for event in events])
        if fresh := [event for event in events if event.id not in known]:
            put_in_inbox(self.connection, self._placeholder, fresh)
            self.types.update(event.type for event in events)
        return [known.get(event.id, 0) for event in events]


class InboxLog(EventLog):
    """The event log as a process has it that does not own it: it reads, and what it appends goes by the inbox.

    `on_committed` is called after each transaction that put something into the inbox, with numbers of 0: to knock.
    """

    @contextmanager
    def transaction(self) -> Iterator[LogTransaction]:
        """Hold one transaction beside the owner's; it commits on leaving and rolls back on an error.

        On PostgreSQL it takes turns with the owner's, so that numbers which both give (the highest and one) differ.
        """
        sign = self.database.placeholder
        with self.database.write() as connection:
            lock = "" if self.database.is_sqlite else " FOR UPDATE"
            head = connection.exec_driver_sql(f"SELECT head FROM log_owner WHERE log = {sign}{lock}", ("event",))
            transaction = InboxTransaction(connection, sign, head.scalar() or 0)
            yield transaction
        if transaction.types:
            self.on_committed(0, 0, frozenset(transaction.types))

    def append_and_wait(self, events: Sequence[Event], seconds: float = WAIT_S) -> list[int]:
        """Append the events, wait until all stand in the log, and return their numbers.

        Raises:
            StorageError: they do not within that time. They lie in the inbox, and the owner will move them.
        """
        if not events:
            return []
        self.append(events)
        ids = [event.id for event in events]
        deadline = time.monotonic() + seconds
        pause_s = _POLL_S[0]
        while True:
            known = self.numbers(ids)
            if len(known) == len(set(ids)):
                return [known[id_] for id_ in ids]
            if time.monotonic() > deadline:
                raise StorageError(
                    f"the node that owns the event log has not taken it within {seconds:.0f} s; it waits in the inbox"
                )
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _POLL_S[1])

    def claim(self) -> int:
        """Never: a process that claims the log ends the node that judges."""
        raise RuntimeError("this process does not own the event log")


class Inbox:
    """The owner's side: what others put into the inbox goes into this log."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.moved = 0
        self.refused = 0

    def move(self) -> int:
        """Move what lies in the inbox into the log, up to EVENTS_STATEMENT_MAX events; return how many rows are gone.

        An event that the log will not take (its intent is decided already, or it is none of ours) is dropped, counted,
        and said: it must not keep those behind it waiting.

        Raises:
            OwnerFencedError, StorageError: nothing was moved.
        """
        with self._log.database.read() as connection:
            # The owner's transaction would take its turn with every other writer, twice a second for nothing.
            if not _waiting(connection, 1, self._log.database.placeholder):
                return 0
        try:
            return self._move(limits.EVENTS_STATEMENT_MAX)
        except AnsweredTwiceError:
            # One of them is the culprit: one by one, until it is met.
            return self._move(1)

    def _move(self, limit: int) -> int:
        sign = self._log.database.placeholder
        events: list[Event] = []
        refusals: list[str] = []
        with self._log.transaction() as transaction:
            rows = _waiting(transaction.connection, limit, sign)
            for _, text in rows:
                try:
                    events.append(_event(text))
                except msgspec.DecodeError as error:
                    refusals.append(f"it is no event: {error}")
            try:
                transaction.append(events)
            except AnsweredTwiceError as error:
                if limit > 1:
                    raise
                events.clear()
                refusals.append(str(error))
            # By number, and not all up to the last: one with a lower number may be committed after we looked.
            signs = ", ".join([sign] * len(rows))
            transaction.connection.exec_driver_sql(
                f"DELETE FROM inbox WHERE id IN ({signs or 'NULL'})", tuple(row[0] for row in rows)
            )
        self.moved += len(events)
        self.refused += len(refusals)
        for refusal in refusals:
            say("inbox.refused", fault=refusal)
        return len(rows)

    def statistics(self) -> dict[str, int]:
        """Return counts: events moved, and dropped because the log does not take them."""
        return {"moved": self.moved, "refused": self.refused}


def _waiting(connection: Connection, limit: int, sign: str) -> list[tuple[int, str]]:
    sql = f"SELECT id, event FROM inbox ORDER BY id LIMIT {sign}"
    return [(row[0], row[1]) for row in connection.exec_driver_sql(sql, (limit,))]


def _event(text: str) -> Event:
    """Return an event of the inbox, its payload as EVENTS names it; one that this program does not know stays plain."""
    event = _PLAIN.decode(text)
    declared = EVENTS.get((event.type, event.version))
    if declared is None:
        return event
    return msgspec.structs.replace(event, payload=msgspec.convert(event.payload, declared))
