"""Parts over stores that several processes share: `carillon api`, beside the nodes that take in and judge.

It reads what they wrote. It does not own the event log: what it appends goes by the inbox, and the owner moves it.
"""

import asyncio
import threading
import time
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from api.parts import Ground, Parts
from core.config import redact
from core.doorbell import Ear, knock
from core.events import Event
from core.metrics import Metrics
from core.vehicle_table import LIVE
from storage.clickhouse import LastPosition, ReportStore
from storage.errors import StorageError
from storage.gallery import Gallery
from storage.garage import Garage
from storage.inbox import InboxLog
from storage.incidents import Incidents
from storage.media import MediaFiles
from storage.people import People
from storage.reader import Reader
from storage.registry import Registry
from storage.vault import Vault
from storage.vehicles import Vehicles

SURVEY_S: Final = 3.0
"""Nodes store last positions every 15 s (SUMMARY_EVERY_S): asked more often, they are the same."""


class SharedStores:
    """Report store, event log and registry. Nothing is opened before the first request needs it.

    Args:
        reports: DSN of a ClickHouse server.
        business: DSN of a PostgreSQL database.
        idle_s: a car heard within that many seconds counts as online: sessions are another process's.
        run: DATA/run of the node that owns the log, if it is on this machine: then its doorbell is heard.
        keys: directory of the ring that the database was written with.
        factor_roles: as for storage.people.People.
    """

    def __init__(
        self,
        reports: str,
        business: str,
        *,
        idle_s: float,
        run: Path | None = None,
        keys: Path | None = None,
        factor_roles: Collection[str] = (),
    ) -> None:
        self._store = ReportStore(reports)
        self._log = InboxLog(business, keys=keys)
        self._ear = Ear(run)
        if run is not None:
            self._log.on_committed = lambda first, last, types: knock(run)
        self._registry = Registry(self._log)
        self._vault = Vault(self._log)
        self._reader = Reader(self._log.database, self._store)
        self.people = People(self._log.database, log=self._log, factor_roles=factor_roles)
        self._business = redact(business)
        self._idle_ms = int(idle_s * 1000)
        self._surveying = threading.Lock()
        self._surveyed_s = -SURVEY_S
        self._rows = np.zeros(0, LIVE)

    def parts(
        self,
        *,
        node: str,
        version: str,
        key: str,
        metrics_open: bool,
        metrics: Metrics,
        public_url: str = "",
        ground: Ground | None = None,
        media: Path | None = None,
    ) -> Parts:
        """Return the parts of an API without demo: nothing is read without a login or a key.

        Args:
            media: directory of media files, where this machine has it.
        """
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
            garage=Garage(self._log.database),
            vault=self._vault,
            incidents=Incidents(self._log.database),
            live=self,
            gallery=Gallery(self._reader, MediaFiles(media) if media else None),
            ground=ground or Ground(),
            append=self._append,
            doorbell=self._ear,
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
        """See Live.rows: as the nodes have stored them, asked at most every SURVEY_S."""
        with self._surveying:
            if time.monotonic() - self._surveyed_s >= SURVEY_S:
                self._rows = self._survey()
                self._surveyed_s = time.monotonic()
            return self._rows

    def _survey(self) -> np.ndarray:
        lasts = self._store.last_positions()
        rows = np.zeros(len(lasts), LIVE)
        for name in LIVE.names or ():
            if name in LastPosition._fields:
                rows[name] = [getattr(last, name) for last in lasts]
        owners = np.array(self._registry.owners(), np.int64).reshape(-1, 3)
        if len(owners):
            at = np.searchsorted(owners[:, 0], rows["vehicle_id"]).clip(max=len(owners) - 1)
            known = owners[at, 0] == rows["vehicle_id"]
            rows["group"], rows["store"] = np.where(known, owners[at, 1], 0), np.where(known, owners[at, 2], 0)
        return rows

    def online_rows(self, rows: np.ndarray) -> np.ndarray:
        """See Live.online_rows: sessions are another process's, so a car heard of lately is taken to be online."""
        return time.time() * 1000 - rows["arrival_ms"] < self._idle_ms

    def online(self, vehicle_ids: Sequence[int]) -> list[bool]:
        """See Live.online: heard not long ago."""
        since_ms = time.time() * 1000 - self._idle_ms
        heard = {last.vehicle_id: last.arrival_ms for last in self._store.last_positions(vehicle_ids)}
        return [heard.get(vehicle_id, 0) > since_ms for vehicle_id in vehicle_ids]

    def close(self) -> None:
        """Let go of both stores."""
        self._ear.close()
        self._store.close()
        self._log.close()

    async def _append(self, event: Event) -> Event:
        [seq] = await asyncio.to_thread(self._log.append_and_wait, [event])
        return msgspec.structs.replace(event, seq=seq)
