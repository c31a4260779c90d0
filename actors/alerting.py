"""Alerting: decides whom to tell of what happened: an intent message.requested for each person who wants to know.

It reads the log from a position of its own. Intents and position are written in one transaction, and the intents' ids
follow from event and account: whatever is killed, each person is told of each event once.
"""

import time
from typing import Final

from core.events import DEPTH_MAX, Event, MessageRequested, derive_id
from storage import outbox
from storage.eventlog import EventLog

ACTOR: Final = "alerting"
TYPES: Final = ("crash.", "sos.pressed", "fence.", "theft.suspected", "device.")
"""What people can be told of. Whether somebody is, their account says (`notify`)."""
EVENTS_AT_ONCE: Final = 200


class Alerting:
    """Run `step` by core.follow.Errand.

    Args:
        log: the owner's. Without a position yet, alerting begins at its head: nobody is told of the past.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.told = 0
        log.begin_at_head(ACTOR)

    def step(self) -> int:
        """Look at what has come; return how many events were of its types. Blocks."""
        after = self._log.position(ACTOR)
        events, seq = self._log.follow(after, TYPES, EVENTS_AT_ONCE)
        if events:
            with self._log.transaction() as transaction:
                people = outbox.recipients(transaction.connection)
                intents = [
                    _intent(event, person.account) for event in events for person in people if person.wants(event)
                ]
                transaction.append(intents)
                transaction.set_position(ACTOR, seq)
            self.told += len(intents)
        elif seq - after >= EVENTS_AT_ONCE:
            # Nothing of ours: only now and then, or every event would cost a write.
            self._log.set_position(ACTOR, seq)
        return len(events)

    def statistics(self) -> dict[str, int]:
        """Return counts: messages asked for."""
        return {"told": self.told}


def _intent(event: Event, account: int) -> Event:
    return Event(
        id=derive_id(ACTOR, "tell", 1, [event.id], str(account)),
        type="message.requested",
        time_ms=time.time_ns() // 1_000_000,
        subject=f"account:{account}",
        group=event.group,
        store=event.store,
        actor=ACTOR,
        cause=event.id,
        correlation=event.correlation or event.id,
        depth=min(event.depth + 1, DEPTH_MAX),
        purpose=event.purpose,
        payload=MessageRequested(account=account, template=event.type, about=event.subject, event=event.id),
    )
