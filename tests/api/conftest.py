"""A node on a real database with 25 cars that have reported, and clients of its API."""

import shutil
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest
from argon2 import PasswordHasher
from litestar.testing import TestClient

from actors.business import BUSINESS
from actors.detectors.cleaning import Cleaning
from api.app import create_app
from api.embedded import LiveCars
from api.parts import Parts
from core.business import Business, BusinessActor
from core.events import CommandRequested, Event
from core.limits import UPLINK_LISTED_BYTES_MAX
from core.metrics import Metrics
from core.vehicle_table import VehicleTable
from protocols.report import REPORT
from storage import migrate
from storage.clickhouse import ReportsFound, TrackDay, TrackPoint
from storage.database import Database
from storage.eventlog import EventLog
from storage.gallery import Gallery
from storage.garage import Garage
from storage.incidents import Incidents
from storage.media import MediaStore
from storage.passwords import Passwords
from storage.people import People
from storage.reader import Reader
from storage.registry import NewTerminal, Registry
from storage.tables.uplink import Uplink
from storage.vault import Vault
from storage.vehicles import Vehicles

KEY = "the-key-of-the-tests"
CARS = 25
NOW_MS = 1_700_000_000_000
PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
"""As argon2 does it, at a thousandth of the cost."""
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a request that a page of ours makes."""


class Reports:
    """A report store: what each vehicle's track is."""

    def __init__(self) -> None:
        self.tracks: dict[int, list[TrackPoint]] = {}
        self.said: list[Uplink] = []
        self.whole: dict[int, ReportsFound] = {}

    def uplinks(
        self,
        vehicle_id: int,
        messages: Sequence[int],
        from_ms: int,
        to_ms: int,
        before: tuple[int, int, str] | None,
        limit: int,
    ) -> list[Uplink]:
        found = [
            one._replace(frame=one.frame[:UPLINK_LISTED_BYTES_MAX])
            for one in sorted(self.said, key=lambda one: (one.arrival_ms, one.sequence, one.node), reverse=True)
            if one.vehicle_id == vehicle_id
            and (not messages or one.message in messages)
            and from_ms <= one.arrival_ms < to_ms
            and (before is None or (one.arrival_ms, one.sequence, one.node) < before)
        ]
        return found[:limit]

    def uplink(self, vehicle_id: int, node: str, sequence: int) -> Uplink | None:
        wanted = (vehicle_id, node, sequence)
        return next((one for one in self.said if (one.vehicle_id, one.node, one.sequence) == wanted), None)

    def track(
        self, vehicle_id: int, from_ms: int, to_ms: int, limit: int, *, after_report: int | None = None
    ) -> list[TrackPoint]:
        points = self.tracks.get(vehicle_id, [])
        return [point for point in points if from_ms <= point.time_ms < to_ms][:limit]

    def recorded(self, vehicle_id: int, from_ms: int, to_ms: int, limit: int) -> ReportsFound:
        kept = self.whole.get(vehicle_id, ReportsFound(np.zeros(0, REPORT), b""))
        inside = (kept.rows["time_ms"] >= from_ms) & (kept.rows["time_ms"] < to_ms)
        return ReportsFound(kept.rows[inside][:limit], kept.items)

    def track_before(
        self, vehicle_id: int, from_ms: int, limit: int, *, after_report: int | None = None
    ) -> list[TrackPoint]:
        return [point for point in self.tracks.get(vehicle_id, []) if point.time_ms < from_ms][-limit:]

    def track_days(self, vehicle_id: int, from_ms: int, to_ms: int, zone: str) -> list[TrackDay]:
        points = self.tracks.get(vehicle_id, [])
        times = [point.time_ms for point in points]
        return [TrackDay(date(2023, 11, 15), len(points), 0, min(times), max(times), 0)] if points else []


def driven(*vehicles: int, capacity: int = 64) -> VehicleTable:
    """Return a table in which these vehicles have reported once."""
    table = VehicleTable(capacity=capacity, terminals=capacity)
    rows = np.zeros(len(vehicles), REPORT)
    rows["vehicle_id"] = rows["terminal"] = vehicles
    rows["time_ms"] = NOW_MS + np.asarray(vehicles, int)
    rows["arrival_ms"] = rows["time_ms"] + 500
    rows["lat_1e7"], rows["lon_1e7"] = 312_304_100, 1_214_737_000
    rows["speed_kmh10"], rows["course_deg"], rows["status"] = 605, 90, 3
    table.update_positions(rows)
    return table


class Node:
    """What the parts stand on, for a test to fill and to look into: a real database, a live table, and faults."""

    def __init__(self, database: Database, *, cars: int = CARS, business: Sequence[BusinessActor] = BUSINESS) -> None:
        self.database = database
        self.eventlog = EventLog(database, business=Business(business))
        self.registry = Registry(self.eventlog)
        self.people = People(database, passwords=PASSWORDS, log=self.eventlog)
        self.demo_people = People(database, passwords=PASSWORDS, demo=True, log=self.eventlog)
        self.vault = Vault(self.eventlog)
        self.reports = Reports()
        self.online = dict.fromkeys(range(1, cars + 1), True)
        if cars:
            self.registry.register([NewTerminal(phone=f"1380013{n:04}", time_ms=NOW_MS) for n in range(1, cars + 1)])
        self.table = driven(*range(1, cars + 1))
        self.live = LiveCars(self.table, lambda vehicle_id: self.online.get(vehicle_id, False))
        self.reader = Reader(database, self.reports, self.live.last_positions)  # type: ignore[arg-type]
        self.media = MediaStore(self.eventlog, Path(database._engine.url.database or "").parent / "media")
        self.cleaning: Cleaning | None = None
        self.log_fault: Exception | None = None
        self.faults: list[str] = []
        self.stuck: list[str] = []
        self.metrics = Metrics()
        self.metrics.counter("frames", "Frames read").add(7)
        self.metrics.counter("recorder_stored", "Reports stored").add(1234)

    async def append(self, event: Event) -> Event:
        if self.log_fault is not None:
            raise self.log_fault
        [seq] = self.eventlog.append([event])
        return msgspec.structs.replace(event, seq=seq)

    def log(self, prefix: str = "command.") -> Sequence[Event]:
        """Return what stands in the log."""
        return self.eventlog.read(0, type_prefix=prefix)

    def parts(self, *, demo: bool = False, metrics_open: bool = True) -> Parts:
        return Parts(
            node="node1",
            version="0.0.0",
            key=KEY,
            demo=demo,
            metrics_open=metrics_open,
            metrics=self.metrics,
            faults=lambda: self.faults,
            stuck=lambda: self.stuck,
            people=self.demo_people if demo else self.people,
            registry=self.registry,
            reader=self.reader,
            vehicles=Vehicles(self.database),
            garage=Garage(self.database),
            vault=self.vault,
            incidents=Incidents(self.database),
            live=self.live,
            gallery=Gallery(self.reader, self.media.files),
            append=self.append,
            quality=self.cleaning,
        )


def requested(node: Node) -> CommandRequested:
    """Return the payload of the newest command asked for."""
    payload = node.log("command.requested")[-1].payload
    assert isinstance(payload, CommandRequested)
    return payload


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A business database with its tables and nothing in them, made once."""
    path = tmp_path_factory.mktemp("business") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Iterator[Database]:
    """A business database of this test."""
    shutil.copy(empty_database, tmp_path / "carillon.db")
    database = Database(f"sqlite:///{tmp_path / 'carillon.db'}")
    yield database
    database.close()


@pytest.fixture
def node(database: Database) -> Node:
    return Node(database)


@pytest.fixture
def client(node: Node) -> Iterator[TestClient]:
    """A caller with the key."""
    with TestClient(create_app(node.parts())) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


@pytest.fixture
def stranger(node: Node) -> Iterator[TestClient]:
    """A caller without any."""
    with TestClient(create_app(node.parts(metrics_open=False))) as client:
        yield client


@pytest.fixture
def visitor(node: Node) -> Iterator[TestClient]:
    """A caller without a key, in the demo."""
    with TestClient(create_app(node.parts(demo=True))) as client:
        yield client
