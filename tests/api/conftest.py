"""A node on a real database, its cars in plain lists, and clients of its API."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from argon2 import PasswordHasher
from litestar.testing import TestClient

from api.app import create_app
from api.parts import Parts, Position, Terminal, Vehicle
from core.events import CommandRequested, Event
from core.metrics import Metrics
from core.rights import Principal
from core.vehicle_table import LIVE
from storage import migrate
from storage.database import Database
from storage.eventlog import EventLog
from storage.passwords import Passwords
from storage.people import People
from storage.registry import Registry

KEY = "the-key-of-the-tests"
PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
"""As argon2 does it, at a thousandth of the cost."""
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}
"""What a browser says of a request that a page of ours makes."""


def position(vehicle_id: int) -> Position:
    return Position(
        vehicle_id=vehicle_id,
        time_ms=1_700_000_000_000 + vehicle_id,
        arrival_ms=1_700_000_000_500 + vehicle_id,
        lat=31.23041,
        lon=121.4737,
        speed_kmh=60.5,
        course_deg=90,
        alarm=0,
        status=3,
        online=True,
    )


class Node:
    """What the parts stand on: a database with its tables, and lists that a test fills and looks into."""

    def __init__(self, database: Database) -> None:
        self.eventlog = EventLog(database)
        self.registry = Registry(self.eventlog)
        self.people = People(database, passwords=PASSWORDS)
        self.demo_people = People(database, passwords=PASSWORDS, demo=True)
        self.cars = [position(number) for number in range(1, 26)]
        self.log: list[Event] = []
        self.log_fault: Exception | None = None
        self.faults: list[str] = []
        self.metrics = Metrics()
        self.metrics.counter("frames", "Frames read").add(7)
        self.metrics.counter("recorder_stored", "Reports stored").add(1234)

    def rows(self) -> np.ndarray:
        return np.zeros(0, LIVE)

    def online(self, vehicle_id: int) -> bool:
        return True

    def positions(self, principal: Principal, after: int, limit: int) -> list[Position]:
        return [car for car in self.cars if car.vehicle_id > after][:limit]

    def vehicle(self, principal: Principal, vehicle_id: int) -> Vehicle | None:
        for car in self.cars:
            if car.vehicle_id == vehicle_id:
                terminal = Terminal(terminal=vehicle_id, phone=f"1380013{vehicle_id:04}")
                return Vehicle(vehicle_id=vehicle_id, online=True, terminals=[terminal], position=car)
        return None

    def events(self, principal: Principal, after: int, prefix: str, limit: int) -> list[Event]:
        return [event for event in self.log if event.seq > after and event.type.startswith(prefix)][:limit]

    def command(self, principal: Principal, command_id: str) -> list[Event]:
        return [
            event
            for event in self.log
            if event.id == command_id or getattr(event.payload, "command", None) == command_id
        ]

    def command_fault(self, message: str, fields: dict[str, object]) -> str | None:
        return None if message == "0x8201" and not fields else f"no downlink {message} with {sorted(fields)}"

    async def append(self, event: Event) -> Event:
        if self.log_fault is not None:
            raise self.log_fault
        for known in self.log:
            if known.id == event.id:
                return known
        self.log.append(msgspec.structs.replace(event, seq=len(self.log) + 1))
        return self.log[-1]

    def parts(self, *, demo: bool = False, metrics_open: bool = True) -> Parts:
        return Parts(
            node="node1",
            version="0.0.0",
            key=KEY,
            demo=demo,
            metrics_open=metrics_open,
            metrics=self.metrics,
            faults=lambda: self.faults,
            people=self.demo_people if demo else self.people,
            registry=self.registry,
            live=self,
            positions=self.positions,
            vehicle=self.vehicle,
            events=self.events,
            command=self.command,
            command_fault=self.command_fault,
            append=self.append,
        )


def requested(node: Node) -> CommandRequested:
    """Return the payload of the newest event, which is a request."""
    payload = node.log[-1].payload
    assert isinstance(payload, CommandRequested)
    return payload


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A business database with its tables and nothing in them, made once."""
    path = tmp_path_factory.mktemp("business") / "empty.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def node(empty_database: Path, tmp_path: Path) -> Iterator[Node]:
    shutil.copy(empty_database, tmp_path / "carillon.db")
    database = Database(f"sqlite:///{tmp_path / 'carillon.db'}")
    yield Node(database)
    database.close()


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
