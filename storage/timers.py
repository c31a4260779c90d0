"""Clock: how time enters the log. A rule sets a timer, and `timer.due` comes when its time has come."""

from collections.abc import Callable

from core import limits
from core.clock import wall_ms
from core.events import DEPTH_MAX, Event, derive_id
from core.events.spine import TimerDue
from storage.eventlog import EventLog


class Clock:
    """Time enters the log: says `timer.due` of each timer whose time has come. Run `step` by core.follow.Errand.

    A timer is taken away by the rules that hear of it, never here; so one that is said twice is heard once.
    """

    def __init__(self, log: EventLog, now_ms: Callable[[], int] = wall_ms) -> None:
        self._log = log
        self._now_ms = now_ms
        self.said = 0

    def step(self) -> int:
        """Say what is due, at most TIMERS_AT_ONCE; return how many. Blocks.

        Raises:
            OwnerFencedError, StorageError: nothing was said.
        """
        now_ms = self._now_ms()
        sign = self._log.database.placeholder
        sql = (
            "SELECT actor, key, name, due_ms, group_id, store_id, subject, cause, correlation, purpose, depth "
            f"FROM timer WHERE due_ms <= {sign} ORDER BY due_ms, actor, key, name LIMIT {sign}"
        )
        with self._log.database.read() as connection:
            rows = connection.exec_driver_sql(sql, (now_ms, limits.TIMERS_AT_ONCE)).fetchall()
        events = [
            Event(
                id=derive_id("clock", "due", 1, (row.cause,), f"{row.actor}:{row.key}:{row.name}:{row.due_ms}"),
                type="timer.due",
                time_ms=max(now_ms, row.due_ms),
                subject=row.subject,
                key=row.key,
                group=row.group_id,
                store=row.store_id,
                actor="clock",
                cause=row.cause,
                correlation=row.correlation,
                depth=min(row.depth + 1, DEPTH_MAX),
                purpose=row.purpose,
                payload=TimerDue(actor=row.actor, name=row.name, due_ms=row.due_ms),
            )
            for row in rows
        ]
        self._log.append(events)
        self.said += len(events)
        return len(events)

    def statistics(self) -> dict[str, int]:
        """Return counts: timers said to be due."""
        return {"said": self.said}
