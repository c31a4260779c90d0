"""Tracking: asks a car whose crash is suspected for dense reports, so that what follows can be seen (0x8202).

It reads the log from a position of its own. Intents and position are written in one transaction, and an intent's id
follows from the event: whatever is killed, a suspicion asks once. While a car's dense reports run it is not asked
again; after a restart of the node that is not remembered, and a second suspicion may renew them.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from core.clock import wall_ms
from core.events import DEPTH_MAX, CommandRequested, CrashSuspected, Event, derive_id
from core.limits import TRACKING_PER_MINUTE_MAX
from storage.eventlog import EventLog

ACTOR: Final = "tracking"
TYPES: Final = ("crash.suspected",)
EVENTS_AT_ONCE: Final = 200
INTERVAL_S: Final = 1
VALID_S: Final = 120
"""Long enough to see that a car stands, stays, or drives on."""
EXPIRES_MS: Final = 60_000
"""A terminal that comes back later has nothing dense to say of the crash."""
FRESH_MS: Final = 120_000
"""Of a crash longer ago dense reports show nothing any more."""


class Tracking:
    """Run `step` by core.follow.Errand.

    Args:
        log: the owner's. Without a position yet, tracking begins at its head.
        now_ms: our clock, UTC epoch ms.
    """

    def __init__(self, log: EventLog, now_ms: Callable[[], int] = wall_ms) -> None:
        self._log = log
        self._now_ms = now_ms
        self._until_ms: dict[int, int] = {}
        """Until when each car's dense reports run; those that are over are forgotten."""
        self._asked_ms: deque[int] = deque()
        self.asked = self.running = self.old = self.let_go = 0
        log.begin_at_head(ACTOR)

    def step(self) -> int:
        """Look at what has come; return how many events were of its types. Blocks."""
        after = self._log.position(ACTOR)
        events, seq = self._log.follow(after, TYPES, EVENTS_AT_ONCE)
        if events:
            intents = [intent for event in events if (intent := self._ask(event)) is not None]
            with self._log.transaction() as transaction:
                transaction.append(intents)
                transaction.set_position(ACTOR, seq)
        elif seq - after >= EVENTS_AT_ONCE:
            # Nothing of ours: only now and then, or every event would cost a write.
            self._log.set_position(ACTOR, seq)
        return len(events)

    def _ask(self, event: Event) -> Event | None:
        now_ms = self._now_ms()
        payload = event.payload
        if not isinstance(payload, CrashSuspected) or payload.late or now_ms - event.time_ms > FRESH_MS:
            self.old += 1
            return None
        self._until_ms = {car: until for car, until in self._until_ms.items() if until > now_ms}
        if payload.vehicle_id in self._until_ms:
            self.running += 1
            return None
        while self._asked_ms and now_ms - self._asked_ms[0] >= 60_000:
            self._asked_ms.popleft()
        if len(self._asked_ms) >= TRACKING_PER_MINUTE_MAX:
            self.let_go += 1
            return None
        self._asked_ms.append(now_ms)
        self._until_ms[payload.vehicle_id] = now_ms + VALID_S * 1000
        self.asked += 1
        return Event(
            id=derive_id(ACTOR, "track", 1, [event.id], str(payload.vehicle_id)),
            type="command.requested",
            time_ms=now_ms,
            subject=event.subject,
            group=event.group,
            store=event.store,
            actor=ACTOR,
            cause=event.id,
            correlation=event.correlation or event.id,
            depth=min(event.depth + 1, DEPTH_MAX),
            purpose=event.purpose,
            payload=CommandRequested(
                vehicle_id=payload.vehicle_id,
                message="0x8202",
                fields={"interval_s": INTERVAL_S, "valid_s": VALID_S},
                expires_ms=now_ms + EXPIRES_MS,
                terminal=payload.terminal,
            ),
        )

    def statistics(self) -> dict[str, int]:
        """Return counts: cars asked; suspicions while dense reports ran, too old, and let go at the bound."""
        return {"asked": self.asked, "running": self.running, "old": self.old, "let_go": self.let_go}
