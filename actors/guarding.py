"""Guarding: keeps which cars are suspected to be stolen, as the log tells it, in the table `guard`.

It reads the log from a position of its own; rows and position are written in one transaction. What a person has settled
before it was read here is cleared at once: the kernel has forgotten that episode, and nobody else would end it.
"""

from typing import Any, Final

from sqlalchemy import select

from core.events import Event, TheftCleared, TheftSuspected
from storage import guard
from storage.eventlog import EventLog, LogTransaction
from storage.tables.business import GUARD, VEHICLE

ACTOR: Final = "guarding"
TYPES: Final = ("theft.",)
EVENTS_AT_ONCE: Final = 200


class Guarding:
    """Run `step` by core.follow.Errand.

    Args:
        log: the owner's. Without a position yet, it begins at the log's first event.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.opened = 0
        self.closed = 0

    def step(self) -> int:
        """Look at what has come; return how many events were of its types. Blocks."""
        after = self._log.position(ACTOR)
        events, seq = self._log.follow(after, TYPES, EVENTS_AT_ONCE)
        if events:
            with self._log.transaction() as transaction:
                for event in events:
                    self._take(transaction, event)
                transaction.set_position(ACTOR, seq)
        elif seq - after >= EVENTS_AT_ONCE:
            self._log.set_position(ACTOR, seq)
        return len(events)

    def _take(self, transaction: LogTransaction, event: Event) -> None:
        about: Any = event.payload
        if not isinstance(about, TheftSuspected | TheftCleared):
            return
        connection = transaction.connection
        row = connection.execute(select(GUARD).where(GUARD.c.vehicle == about.vehicle_id)).first()
        if isinstance(about, TheftCleared):
            if row is not None and row.theft:
                guard.put(connection, about.vehicle_id, {"theft": "", "theft_first": "", "theft_ms": 0})
                self.closed += 1
            return
        if row is not None and event.arrival_ms <= row.settled_ms:
            transaction.append([guard.cleared(event, ACTOR, "disarmed", row.settled_ms)])
            return
        known = connection.execute(select(VEHICLE.c.id).where(VEHICLE.c.id == about.vehicle_id)).first()
        if known is None:
            return
        values: dict[str, Any] = {"theft": event.id}
        if row is None or not row.theft:
            values |= {"theft_first": event.id, "theft_ms": event.time_ms}
            self.opened += 1
        guard.put(connection, about.vehicle_id, values)

    def statistics(self) -> dict[str, int]:
        """Return counts: episodes opened and closed."""
        return {"opened": self.opened, "closed": self.closed}
