"""Parts: what the API is made of, as callables, so that it knows neither actors nor the process it runs in.

`carillon.py` fills it in. Callables marked blocking may touch a disk: handlers call them in a worker thread.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from core.events import Event
from core.metrics import Metrics


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


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the API reaches."""

    node: str
    version: str
    key: str
    """Bearer key for everything under /api/v1. An empty one opens nothing: no request matches it."""
    reads_open: bool
    """GETs need no key: the demo on a loopback listener, never otherwise."""
    metrics_open: bool
    metrics: Metrics
    faults: Callable[[], Sequence[str]]
    """Blocking. Why the node cannot do its work now, a sentence each; empty when it can."""
    positions: Callable[[int, int], Sequence[Position]]
    """(after, limit) -> last positions of vehicles with id > after, by id, at most `limit`. Blocking."""
    vehicle: Callable[[int], Vehicle | None]
    """Blocking. None: no such vehicle."""
    events: Callable[[int, str, int], Sequence[Event]]
    """Blocking. (after, prefix, limit) -> events with seq > after whose type starts with `prefix`, by seq."""
    command: Callable[[str], Sequence[Event]]
    """Blocking. Events of one command by seq: the `command.requested` with that id first; empty: no such command."""
    command_fault: Callable[[str, dict[str, object]], str | None]
    """(message, fields) -> why no such downlink can be built, None if it can. Quick."""
    append: Callable[[Event], Awaitable[Event]]
    """Append to the event log; returns the event as it stands there, numbered. Awaited on the API's own loop.

    Raises OSError or StorageError when the log does not take it."""
