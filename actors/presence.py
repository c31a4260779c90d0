"""Presence: says of each terminal when it is online, offline, or logged in and silent: device.online, offline, silent.

It reads the sessions in the log from a position of its own, and has a timer for each terminal that is not offline. A
session that ends may be followed by another: offline is said only after GRACE_MS without one, so a reconnect is no
event. Silent is who is logged in and has not reported for SILENT_INTERVALS of its usual ones, and long by the clock.

Rows, events and position are written in one transaction, and each event's id follows from the event or report behind
it: whatever is killed, each is said once.
"""

import heapq
from collections.abc import Callable
from typing import Any, Final

from core.clock import wall_ms
from core.events import DevicePower, DevicePresence, Event, SessionClosed, SessionOpened, derive_id
from storage import presence
from storage.eventlog import EventLog, LogTransaction
from storage.presence import Presence

ACTOR: Final = "presence"
TYPES: Final = ("terminal.session.", "terminal.retired", "device.unplugged", "device.plugged")
EVENTS_AT_ONCE: Final = 500
TIMERS_AT_ONCE: Final = 500
LOOK_S: Final = 5.0
"""How often timers are looked at where nothing happens."""
GRACE_MS: Final = 120_000
SET_BACK_MS: Final = 60_000
"""Our clock going back by more than NTP corrects step by step was set back."""
"""A car in a tunnel, or between two cells, is back within two minutes."""
SILENT_INTERVALS: Final = 10
SILENT_MS_MIN: Final = 900_000
"""No terminal that works leaves out ten reports and a quarter of an hour."""
USUAL_MS_DEFAULT: Final = 600_000
"""Of a terminal whose interval is not known: parked, many report every ten minutes."""

Heard = Callable[[int, int], tuple[int, int]]
"""(vehicle, terminal) -> when its last report arrived, UTC epoch ms (0: not known), and how often it reports as a rule,
in ms (0: not known). Quick; called in a worker thread."""


class Presences:
    """Run `step` by core.follow.Errand with look_s=LOOK_S.

    Args:
        log: the owner's. Without a position yet, it begins at the log's head: sessions of the past are over.
        node: our name; sessions that we opened before this start are over, whatever the log says.
        heard: what is known of a terminal's reports.
    """

    def __init__(self, log: EventLog, node: str, heard: Heard, now_ms: Callable[[], int] = wall_ms) -> None:
        self._log = log
        self._heard = heard
        self._now_ms = now_ms
        self._timers: list[tuple[int, int]] = []
        self._looked_ms = 0
        # Up to when terminals were heard, at most: behind it lies what our clock said wrongly before it was set back.
        self._heard_ms_max = 1 << 62
        self.counts = dict.fromkeys(("online", "offline", "silent"), 0)
        log.begin_at_head(ACTOR)
        started_ms = now_ms()
        with log.database.write() as connection:
            for row in presence.reachable(connection):
                if not row.closed_ms and row.node == node:
                    row.closed_ms = started_ms
                    presence.put(connection, row)
                self._set_timer(row)

    def step(self) -> int:
        """Look at what has come and whose time it is; return how much that was. Blocks."""
        now_ms = self._now_ms()
        if self._looked_ms - now_ms > SET_BACK_MS:
            self._set_back(now_ms)
        self._looked_ms = now_ms
        after = self._log.position(ACTOR)
        events, seq = self._log.follow(after, TYPES, EVENTS_AT_ONCE)
        due = self._due()
        if events or due:
            with self._log.transaction() as transaction:
                if events:
                    self._take(transaction, events)
                    transaction.set_position(ACTOR, seq)
                self._let_go(transaction, due)
        elif seq - after >= EVENTS_AT_ONCE:
            self._log.set_position(ACTOR, seq)
        return len(events) + len(due)

    def _set_back(self, now_ms: int) -> None:
        """Our clock was set back: what it dated later happened now at the latest, and every timer counts from there."""
        self._timers.clear()
        self._heard_ms_max = now_ms
        with self._log.database.write() as connection:
            for row in presence.reachable(connection):
                if row.closed_ms > now_ms or row.opened_ms > now_ms:
                    row.closed_ms, row.opened_ms = min(row.closed_ms, now_ms), min(row.opened_ms, now_ms)
                    presence.put(connection, row)
                self._set_timer(row)

    # --- what the log says --------------------------------------------------------------------------------------------

    def _take(self, transaction: LogTransaction, events: list[Event]) -> None:
        connection = transaction.connection
        named = sorted({event.payload.terminal for event in events})
        rows = presence.known(connection, named)
        there = presence.exists(connection, named)
        said: list[Event] = []
        for event in events:
            about: Any = event.payload
            if about.terminal not in there:
                continue
            row = rows.get(about.terminal)
            if row is None:
                row = rows[about.terminal] = Presence(
                    terminal=about.terminal, vehicle=0, group=event.group, store=event.store
                )
            if isinstance(about, SessionOpened):
                said += self._opened(row, event, about)
            elif isinstance(about, SessionClosed):
                # A newer session may have been opened meanwhile, here or elsewhere.
                if about.epoch == row.epoch:
                    row.closed_ms, row.event = event.time_ms, event.id
            elif isinstance(about, DevicePower):
                row.cut_ms = event.time_ms if event.type == "device.unplugged" else 0
            elif event.type == "terminal.retired":
                row.closed_ms = row.closed_ms or event.time_ms
        for row in rows.values():
            presence.put(connection, row)
            self._set_timer(row)
        transaction.append(said)

    def _opened(self, row: Presence, event: Event, about: SessionOpened) -> list[Event]:
        if about.epoch < row.epoch:
            return []
        row.vehicle, row.group, row.store = about.vehicle_id, event.group, event.store
        row.epoch, row.node, row.opened_ms, row.closed_ms = about.epoch, about.node, event.time_ms, 0
        row.event = event.id
        if row.state != "offline":
            return []
        return [self._said(row, "online", event.time_ms, event.id)]

    # --- whose time it is ---------------------------------------------------------------------------------------------

    def _set_timer(self, row: Presence) -> None:
        if row.state != "offline":
            heapq.heappush(self._timers, (self._due_ms(row), row.terminal))

    def _due_ms(self, row: Presence) -> int:
        if row.closed_ms:
            return row.closed_ms + GRACE_MS
        heard_ms, usual_ms = self._last(row)
        if row.state == "silent":
            # Whether it reports again: looked at as often as it would.
            return self._now_ms() + 2 * int(1000 * LOOK_S)
        return heard_ms + max(SILENT_INTERVALS * usual_ms, SILENT_MS_MIN)

    def _last(self, row: Presence) -> tuple[int, int]:
        heard_ms, usual_ms = self._heard(row.vehicle, row.terminal)
        if heard_ms > self._now_ms():
            heard_ms = min(heard_ms, self._heard_ms_max)
        return max(heard_ms, row.opened_ms), usual_ms or USUAL_MS_DEFAULT

    def _due(self) -> list[int]:
        """Take the terminals whose timer is over, at most TIMERS_AT_ONCE."""
        now_ms = self._now_ms()
        due: list[int] = []
        while self._timers and self._timers[0][0] <= now_ms and len(due) < TIMERS_AT_ONCE:
            due.append(heapq.heappop(self._timers)[1])
        return due

    def _let_go(self, transaction: LogTransaction, due: list[int]) -> None:
        now_ms = self._now_ms()
        said: list[Event] = []
        for row in presence.known(transaction.connection, sorted(set(due))).values():
            if row.state == "offline":
                continue
            before = row.state
            if row.closed_ms:
                if row.closed_ms + GRACE_MS <= now_ms:
                    said.append(self._said(row, "offline", row.closed_ms, row.event))
            elif row.state == "silent":
                heard_ms, _ = self._heard(row.vehicle, row.terminal)
                if heard_ms > row.since_ms:
                    said.append(self._said(row, "online", heard_ms, f"report:{heard_ms}"))
            elif self._due_ms(row) <= now_ms:
                heard_ms, usual_ms = self._last(row)
                said.append(self._said(row, "silent", heard_ms, f"report:{heard_ms}", usual_ms // 1000))
            if row.state != before:
                presence.put(transaction.connection, row)
            # A timer that was set for an older state finds nothing to say; the row's own is set anew.
            self._set_timer(row)
        transaction.append(said)

    def _said(self, row: Presence, state: str, since_ms: int, source: str, usual_s: int = 0) -> Event:
        row.state, row.since_ms = state, since_ms
        self.counts[state] += 1
        kind = f"device.{state}"
        payload = DevicePresence(vehicle_id=row.vehicle, terminal=row.terminal, since_ms=since_ms, usual_s=usual_s)
        return Event(
            id=derive_id(ACTOR, kind, 1, [source], str(row.terminal)),
            type=kind,
            time_ms=since_ms if state == "online" else self._now_ms(),
            subject=f"vehicle:{row.vehicle}" if row.vehicle else f"terminal:{row.terminal}",
            group=row.group,
            store=row.store,
            actor=ACTOR,
            purpose="service",
            payload=payload,
        )

    def statistics(self) -> dict[str, int]:
        """Return counts: what was said, by state, and the timers set."""
        return {**self.counts, "timers": len(self._timers)}
