"""A node made of plain lists, and clients of its API."""

from collections.abc import Iterator

import msgspec
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.parts import Parts, Position, Terminal, Vehicle
from core.events import CommandRequested, Event
from core.metrics import Metrics

KEY = "the-key-of-the-tests"


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
    """What the parts stand on: lists that a test fills and looks into."""

    def __init__(self) -> None:
        self.cars = [position(number) for number in range(1, 26)]
        self.log: list[Event] = []
        self.log_fault: Exception | None = None
        self.faults: list[str] = []
        self.metrics = Metrics()
        self.metrics.counter("frames", "Frames read").add(7)
        self.metrics.counter("recorder_stored", "Reports stored").add(1234)

    def positions(self, after: int, limit: int) -> list[Position]:
        return [car for car in self.cars if car.vehicle_id > after][:limit]

    def vehicle(self, vehicle_id: int) -> Vehicle | None:
        for car in self.cars:
            if car.vehicle_id == vehicle_id:
                terminal = Terminal(terminal=vehicle_id, phone=f"1380013{vehicle_id:04}")
                return Vehicle(vehicle_id=vehicle_id, online=True, terminals=[terminal], position=car)
        return None

    def events(self, after: int, prefix: str, limit: int) -> list[Event]:
        return [event for event in self.log if event.seq > after and event.type.startswith(prefix)][:limit]

    def command(self, command_id: str) -> list[Event]:
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

    def parts(self, *, reads_open: bool = False, metrics_open: bool = True) -> Parts:
        return Parts(
            node="node1",
            version="0.0.0",
            key=KEY,
            reads_open=reads_open,
            metrics_open=metrics_open,
            metrics=self.metrics,
            faults=lambda: self.faults,
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


@pytest.fixture
def node() -> Node:
    return Node()


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
    with TestClient(create_app(node.parts(reads_open=True))) as client:
        yield client
