"""Adapters: the way to the outside world (SMS, mail, telephone, payments). Intents out, facts in, an outbox each.

    ….requested ──▶ outbox row ──▶ deliver(row) ──▶ ….sent | ….failed | ….unknown     one fact, which answers the intent
                    "requested"                     later, from outside: ….confirmed

An adapter is a row of ADAPTERS: the intent it takes, `write`, which turns an intent into its row, and `deliver`, which
brings one row out and says what became of it. Nothing else of it is code: the rest is here, and alike for all.

Rows are written in the transaction that moves the adapter's position, so each intent has one row. A row is delivered
after that, and its outcome is written with its fact in one transaction. A kill in between: a `repeatable` delivery is
made again; any other is marked `unknown` before it is tried, and stays so, for nobody can say whether it left.
"""

import time
from collections.abc import Callable
from typing import Final, Literal, NamedTuple

from sqlalchemy import Connection

from actors.adapters import message
from core.events import DEPTH_MAX, Event, MessageDecided, derive_id
from storage import outbox
from storage.eventlog import EventLog, events_by_id
from storage.outbox import Message

ROWS_AT_ONCE: Final = 100


class Outcome(NamedTuple):
    """What became of a delivery."""

    state: Literal["sent", "failed", "unknown"]
    reason: str = ""


class Adapter(NamedTuple):
    """One way out."""

    name: str
    intent: str
    """Type of the intents it takes."""
    write: Callable[[Connection, str, Event], Message | None]
    """(connection, placeholder, intent) -> its row; None: there is nobody or nothing to tell. Only reads."""
    deliver: Callable[[Message], Outcome]
    """Bring it out. Blocks; bounded in time. An error of its own is an outcome, not an exception."""
    repeatable: bool
    """Whether delivering twice does no harm."""


class Outlet:
    """One adapter at work. Run `step` by core.follow.Errand.

    Args:
        log: the owner's.
    """

    def __init__(self, adapter: Adapter, log: EventLog) -> None:
        self.name: Final = adapter.name
        self._adapter = adapter
        self._log = log
        self._reader = f"adapter:{adapter.name}"
        self.sent = 0
        self.failed = 0

    def step(self) -> int:
        """Take up new intents and deliver what waits; return how much was done. Blocks."""
        return self._take_up() + self._deliver()

    def _take_up(self) -> int:
        after = self._log.position(self._reader)
        intents, seq = self._log.follow(after, (self._adapter.intent,), ROWS_AT_ONCE)
        if intents:
            sign = self._log.database.placeholder
            with self._log.transaction() as transaction:
                rows = [self._adapter.write(transaction.connection, sign, intent) for intent in intents]
                outbox.write(transaction.connection, [row for row in rows if row is not None])
                dropped = [intent for intent, row in zip(intents, rows, strict=True) if row is None]
                transaction.append([self._fact(i.id, i, "failed", "nobody") for i in dropped])
                transaction.set_position(self._reader, seq)
        elif seq - after >= ROWS_AT_ONCE:
            self._log.set_position(self._reader, seq)
        return len(intents)

    def _deliver(self) -> int:
        with self._log.database.read() as connection:
            rows = outbox.waiting(connection, self._adapter.name, ROWS_AT_ONCE)
        if not rows:
            return 0
        if not self._adapter.repeatable:
            self._settle([(row, Outcome("unknown", "the delivery was cut off")) for row in rows], say=False)
        self._settle([(row, self._adapter.deliver(row)) for row in rows], say=True)
        return len(rows)

    def _settle(self, outcomes: list[tuple[Message, Outcome]], *, say: bool) -> None:
        now_ms = time.time_ns() // 1_000_000
        with self._log.transaction() as transaction:
            for row, outcome in outcomes:
                outbox.settle(transaction.connection, row.id, outcome.state, outcome.reason, now_ms)
            if say:
                sign = self._log.database.placeholder
                intents = events_by_id(transaction.connection, sign, [row.id for row, _ in outcomes])
                transaction.append(
                    [self._fact(row.id, intents[row.id], outcome.state, outcome.reason) for row, outcome in outcomes]
                )
        if say:
            self.sent += sum(outcome.state == "sent" for _, outcome in outcomes)
            self.failed += sum(outcome.state != "sent" for _, outcome in outcomes)

    def _fact(self, id_: str, intent: Event, state: str, reason: str) -> Event:
        kind = self._adapter.intent.partition(".")[0]
        return Event(
            id=derive_id(self._reader, "decided", 1, [id_], ""),
            type=f"{kind}.{state}",
            time_ms=time.time_ns() // 1_000_000,
            subject=intent.subject,
            group=intent.group,
            store=intent.store,
            actor=self._reader,
            cause=id_,
            correlation=intent.correlation,
            answers=id_,
            depth=min(intent.depth + 1, DEPTH_MAX),
            purpose=intent.purpose,
            payload=MessageDecided(
                message=id_, account=intent.payload.account, adapter=self._adapter.name, reason=reason
            ),
        )

    def statistics(self) -> dict[str, int]:
        """Return counts: delivered, and not."""
        return {"sent": self.sent, "failed": self.failed}


def show(row: Message) -> Outcome:
    """The built-in delivery: nothing leaves the house. The row is what would have been sent, for people to see."""
    return Outcome("sent", "shown")


ADAPTERS: Final = (Adapter("shown", "message.requested", message.write, show, repeatable=True),)
"""Every way out. What brings messages to telephones replaces `show` by a delivery of its own."""
