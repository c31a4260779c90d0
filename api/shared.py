"""Parts over stores that several processes share: `carillon api`, beside the nodes that take in and judge.

It reads what they wrote. It cannot send a command: only the owner of the event log appends to it.
"""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from api.parts import Parts
from core.events import Event
from core.metrics import Metrics
from core.vehicle_table import LIVE
from storage.clickhouse import LastPosition, ReportStore
from storage.database import redact
from storage.errors import StorageError
from storage.eventlog import EventLog
from storage.people import People
from storage.reader import Reader
from storage.registry import Registry
from storage.vehicles import Vehicles

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
        self._reader = Reader(self._log.database, self._store)
        self.people = People(self._log.database)
        self._business = redact(business)
        self._idle_ms = int(idle_s * 1000)

    def parts(
        self, *, node: str, version: str, key: str, metrics_open: bool, metrics: Metrics, public_url: str = ""
    ) -> Parts:
        """Return the parts of an API without demo: nothing is read without a login or a key."""
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
            reader=self._reader,
            vehicles=Vehicles(self._log.database),
            live=self,
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

    def online(self, vehicle_ids: Sequence[int]) -> list[bool]:
        """See Live.online: heard not long ago."""
        since_ms = time.time() * 1000 - self._idle_ms
        heard = {last.vehicle_id: last.arrival_ms for last in self._store.last_positions(vehicle_ids)}
        return [heard.get(vehicle_id, 0) > since_ms for vehicle_id in vehicle_ids]

    def close(self) -> None:
        """Let go of both stores."""
        self._store.close()
        self._log.close()

    async def _refuse(self, event: Event) -> Event:
        raise StorageError(NO_COMMANDS)
