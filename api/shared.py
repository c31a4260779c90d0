"""Parts over stores that several processes share: `carillon api`, beside the nodes that take in and judge.

It reads what they wrote. It cannot send a command: only the owner of the event log appends to it.
"""

import time
from typing import Final

import numpy as np

from api.embedded import DEGREE_1E7, LogReads
from api.parts import Parts, Position, Terminal, Vehicle
from core.events import Event
from core.metrics import Metrics
from core.rights import Principal
from core.vehicle_table import LIVE
from storage.clickhouse import LastPosition, ReportStore
from storage.database import redact
from storage.errors import StorageError
from storage.eventlog import EventLog
from storage.people import People
from storage.registry import Registry

NO_COMMANDS: Final = "commands are taken by the node that owns the event log: send them to its API"


class SharedStores:
    """Report store, event log and registry, for reading. Nothing is opened before the first request needs it.

    Args:
        reports: DSN of a ClickHouse server.
        business: DSN of a PostgreSQL database.
        idle_s: a car heard within that many seconds counts as online: sessions are another process's.
    """

    def __init__(self, reports: str, business: str, *, idle_s: float) -> None:
        self._store = ReportStore(reports)
        self._log = EventLog(business)
        self._registry = Registry(self._log)
        self.people = People(self._log.database)
        self._business = redact(business)
        self._idle_ms = int(idle_s * 1000)

    def parts(
        self, *, node: str, version: str, key: str, metrics_open: bool, metrics: Metrics, public_url: str = ""
    ) -> Parts:
        """Return the parts of an API without demo: nothing is read without the key."""
        reads = LogReads(self._log)
        return Parts(
            node=node,
            version=version,
            key=key,
            demo=False,
            public_url=public_url,
            metrics_open=metrics_open,
            metrics=metrics,
            faults=self.faults,
            people=self.people,
            registry=self._registry,
            live=self,
            positions=self.positions,
            vehicle=self.vehicle,
            events=reads.events,
            command=reads.command,
            command_fault=lambda message, fields: None,
            append=self._refuse,
        )

    def faults(self) -> list[str]:
        """See Parts.faults: the stores must answer; writing is the nodes' business."""
        faults = []
        try:
            self._store.last_positions(limit=1)
        except StorageError as error:
            faults.append(f"reports: {error}")
        try:
            self._log.head()
        except StorageError as error:
            faults.append(f"event log {self._business}: {error}")
        return faults

    def rows(self) -> np.ndarray:
        """See Live.rows: as the nodes have stored them."""
        lasts = self._store.last_positions()
        rows = np.zeros(len(lasts), LIVE)
        for name in LIVE.names or ():
            if name in LastPosition._fields:
                rows[name] = [getattr(last, name) for last in lasts]
        return rows

    def online(self, vehicle_id: int) -> bool:
        """See Live.online."""
        last = self._store.last_positions([vehicle_id])
        return bool(last) and self._position(last[0]).online

    def positions(self, principal: Principal, after: int, limit: int) -> list[Position]:
        """See Parts.positions."""
        return [self._position(last) for last in self._store.last_positions(after=after, limit=limit)]

    def vehicle(self, principal: Principal, vehicle_id: int) -> Vehicle | None:
        """See Parts.vehicle."""
        rows = self._registry.terminals_of(vehicle_id)
        if not rows:
            return None
        last = self._store.last_positions([vehicle_id])
        position = self._position(last[0]) if last else None
        return Vehicle(
            vehicle_id=vehicle_id,
            online=position is not None and position.online,
            terminals=[
                Terminal(terminal=row.terminal, phone=row.phone, terminal_id=row.terminal_id, plate=row.plate)
                for row in rows
            ],
            position=position,
        )

    def close(self) -> None:
        """Let go of both stores."""
        self._store.close()
        self._log.close()

    def _position(self, last: LastPosition) -> Position:
        return Position(
            vehicle_id=last.vehicle_id,
            time_ms=last.time_ms,
            arrival_ms=last.arrival_ms,
            lat=last.lat_1e7 / DEGREE_1E7,
            lon=last.lon_1e7 / DEGREE_1E7,
            speed_kmh=last.speed_kmh10 / 10,
            course_deg=last.course_deg,
            alarm=last.alarm,
            status=last.status,
            online=time.time() * 1000 - last.arrival_ms < self._idle_ms,
        )

    async def _refuse(self, event: Event) -> Event:
        raise StorageError(NO_COMMANDS)
