"""Parts: what the API is made of, so that it knows neither actors nor the process it runs in.

`carillon.py` fills it in. Whatever is marked blocking may touch a disk: handlers call it in a worker thread
(litestar.concurrency.sync_to_thread).
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from core.events import Event
from core.metrics import Metrics
from core.rights import Principal
from storage.people import People
from storage.registry import Registry


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vehicle was last, by a report with a valid time and fix. WGS-84."""

    vehicle_id: int
    time_ms: int
    """Fix time, UTC epoch ms."""
    arrival_ms: int
    lat: float
    """Degrees, north positive."""
    lon: float
    """Degrees, east positive."""
    speed_kmh: float
    course_deg: int
    alarm: int
    """Alarm word as the terminal sent it."""
    status: int
    online: bool


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that is bound to a vehicle."""

    terminal: int
    phone: str
    terminal_id: str = ""
    plate: str = ""


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle as the platform knows it."""

    vehicle_id: int
    online: bool
    terminals: list[Terminal]
    position: Position | None


class Live(Protocol):
    """Where all cars are now, whosever they are: whoever shows it takes the principal's vehicles out of it."""

    def rows(self) -> np.ndarray:
        """Return the rows that have a position, by vehicle id; dtype core.vehicle_table.LIVE. Blocking."""

    def online(self, vehicle_id: int) -> bool:
        """Tell whether a terminal of the vehicle is logged in. Quick."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the API reaches."""

    node: str
    version: str
    key: str
    """The node's own bearer key, which opens everything. An empty one opens nothing: no request matches it."""
    demo: bool
    """A demo on a loopback listener, never otherwise: GETs under /api/v1 need no login."""
    public_url: str = ""
    """Where people reach the portal (`https://cars.example.com`), for links; empty: where this server listens."""
    metrics_open: bool
    metrics: Metrics
    faults: Callable[[], Sequence[str]]
    """Blocking. Why the node cannot do its work now, a sentence each; empty when it can."""
    people: People
    """Blocking. Accounts, stores, sessions, keys."""
    registry: Registry
    """Blocking. Vehicles, terminals, bindings, geofences."""
    live: Live
    positions: Callable[[Principal, int, int], Sequence[Position]]
    """(principal, after, limit) -> last positions of vehicles with id > after, by id, at most `limit`. Blocking."""
    vehicle: Callable[[Principal, int], Vehicle | None]
    """Blocking. None: no such vehicle for this principal."""
    events: Callable[[Principal, int, str, int], Sequence[Event]]
    """Blocking. (principal, after, prefix, limit) -> events with seq > after of types with this beginning, by seq."""
    command: Callable[[Principal, str], Sequence[Event]]
    """Blocking. Events of one command by seq: the `command.requested` with that id first; empty: no such command."""
    command_fault: Callable[[str, dict[str, object]], str | None]
    """(message, fields) -> why no such downlink can be built, None if it can. Quick."""
    append: Callable[[Event], Awaitable[Event]]
    """Append to the event log; returns the event as it stands there, numbered. Awaited on the API's own loop.

    Raises OSError or StorageError when the log does not take it."""
    city: Path | None = None
    """The base map of the demo, a file; None: there is none."""
