"""Auditing: seals the audit log into the event log, tells of readers beyond their measure, ends rotations of keys."""

from typing import Final

from core import limits
from core.clock import Clock, wall_ms
from core.events import Event, derive_id
from core.events.audit import AuditAlerted
from storage.audit import Reading, busiest_hour, readings, unsealed
from storage.eventlog import EventLog
from storage.keys import retire, rewrap

ACTOR: Final = "audit"
HOUR_MS: Final = 3_600_000
USUAL_MS: Final = 28 * 24 * HOUR_MS
"""So far back goes what is usual for an account."""


class Auditing:
    """Run `step` by core.follow.Errand, every AUDIT_SEAL_S."""

    def __init__(self, log: EventLog, clock: Clock = wall_ms) -> None:
        self._log = log
        self._clock = clock
        self.sealed = 0
        self.alerts = 0
        self.rewrapped = 0

    def step(self) -> int:
        """Seal what was written, look who read how much, go on with a rotation. Returns 0: nothing is left. Blocks."""
        now_ms = self._clock()
        seal = unsealed(self._log.database, now_ms)
        events = ([seal] if seal is not None else []) + self._alerts(now_ms)
        self._log.append(events)
        self.sealed += seal is not None
        if len(self._log.database.keyring.numbers) > 1:
            self.rewrapped += rewrap(self._log.database)
            retire(self._log.database, clock=self._clock)
        return 0

    def _alerts(self, now_ms: int) -> list[Event]:
        found = []
        for reading in readings(self._log.database, now_ms - HOUR_MS, now_ms, limits.PERSONS_HOUR_MAX):
            usual = busiest_hour(self._log.database, reading, now_ms - USUAL_MS, now_ms - HOUR_MS)
            if usual >= limits.PERSONS_HOUR_MAX and reading.persons <= usual * 3 // 2:
                continue
            found.append(_alert(reading, usual, now_ms))
        known = self._log.numbers([event.id for event in found]) if found else {}
        new = [event for event in found if event.id not in known]
        self.alerts += len(new)
        return new

    def statistics(self) -> dict[str, int]:
        """Return counts: seals, readers told of, keys wrapped anew."""
        return {"sealed": self.sealed, "alerts": self.alerts, "rewrapped": self.rewrapped}


def _alert(reading: Reading, usual: int, now_ms: int) -> Event:
    # Once in an hour of the clock: who goes on is told of again in the next one.
    hour = str(now_ms // HOUR_MS)
    return Event(
        id=derive_id(ACTOR, "persons", 1, (hour,), f"{reading.account}:{reading.api_key}"),
        type="audit.alerted",
        time_ms=now_ms,
        subject=f"account:{reading.account}",
        group=reading.group,
        actor=ACTOR,
        payload=AuditAlerted(
            account=reading.account,
            api_key=reading.api_key,
            persons=reading.persons,
            usual=usual,
            from_ms=now_ms - HOUR_MS,
            to_ms=now_ms,
        ),
    )
