"""Parts: what the API is made of, so that it knows neither actors nor the process it runs in.

`carillon.py` fills it in. Whatever is marked blocking may touch a disk: handlers call it in a worker thread
(litestar.concurrency.sync_to_thread).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import numpy as np

from core.business import SPINE, BusinessActor, Counts
from core.catalogue import Voice
from core.doorbell import Doorbell
from core.events import Event
from core.intake.archive import Archive
from core.kernels.cleaning import Quality
from core.metrics import Metrics
from core.outcome import Trial
from core.quality import Poor
from core.rights import Principal
from core.thresholds import Value
from storage.gallery import Gallery
from storage.garage import Garage
from storage.incidents import Incidents
from storage.people import People
from storage.reader import Reader
from storage.registry import Registry
from storage.vault import Vault
from storage.vehicles import Vehicles


class Live(Protocol):
    """Where all cars are now, whosever they are: whoever shows it takes the principal's vehicles out of it."""

    def rows(self) -> np.ndarray:
        """Return the rows that have a position, by vehicle id; dtype core.vehicle_table.LIVE. Blocking."""

    def online(self, vehicle_ids: Sequence[int]) -> list[bool]:
        """Tell of each of these vehicles whether a terminal of it is logged in. Blocking."""

    def online_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return (n,) bool for rows of `rows()`: the terminal that spoke last for it is logged in. Blocking."""


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """What a customer shows under the cars, instead of the demo's city or nothing."""

    style_url: str = ""
    """A MapLibre style."""
    tiles_url: str = ""
    """Pictures of 256 pixels in Web Mercator over WGS-84, with {z}, {x} and {y}."""
    attribution: str = ""
    approval: str = ""
    """Number under which the map was approved (审图号); shown on every map."""
    hosts: str = ""
    """Further origins that the style loads from, apart by spaces."""

    @property
    def origins(self) -> tuple[str, ...]:
        """Return the origins a page must be allowed to load from, besides its own."""
        named = [self.style_url, self.tiles_url, *self.hosts.split()]
        parts = (urlsplit(url) for url in named)
        return tuple(dict.fromkeys(f"{url.scheme}://{url.netloc}" for url in parts if url.netloc))


class Knock(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that nobody knows, or that was retired, and that tried to log in."""

    phone: str
    first_ms: int
    last_ms: int
    """Arrival of its first and its last frame, UTC epoch ms."""
    count: int
    address: str
    """Where it came from last."""
    retired: bool
    terminal_id: str
    maker: str
    model: str
    plate: str
    plate_colour: int
    vin: str
    """What it said of itself when it asked to be registered."""


class Coming(msgspec.Struct, frozen=True):
    """A picture, sound or film on its way from a terminal."""

    terminal: int
    media_id: int | None
    """What the terminal calls it; None until its first packet is here."""
    packets: int
    packets_total: int


class Session(msgspec.Struct, frozen=True):
    """A terminal's session that is open."""

    since_ms: int
    version: int
    """Of JT/T 808: 2011, 2013 or 2019."""


class Trials(Protocol):
    """Replays that people ask for before they change a rule: one at a time."""

    def start(self, principal: Principal, detector: str, values: Mapping[str, Value]) -> Trial:
        """Begin one, in place of an earlier one of the same person. Blocking: reads what is in force.

        Raises:
            KeyError: there is no such detector.
            ThresholdFaultError: a value does not fit.
            TrialBusyError: another person's is under way.
        """

    def state(self, principal: Principal, number: str) -> Trial | None:
        """Return how far one has come; None if this person has none of this number. Quick."""

    def cancel(self, principal: Principal, number: str) -> Trial | None:
        """End one; None as for `state`. Quick."""


class Judged(Protocol):
    """What cleaning knows of terminals, whosever they are. Quick: a look at memory."""

    def of(self, vehicle_id: int, terminal: int) -> Quality | None:
        """Return what is known of a terminal in a car; None if it was not heard there."""

    def poorest(
        self, group: int, within: tuple[int, ...] | None, reason: str, after: tuple[int, int] | None, limit: int
    ) -> list[Poor]:
        """Return terminals of whose reports some were set aside, the worst first: core.quality.poorest."""


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
    stuck: Callable[[], Sequence[str]] = tuple
    """Quick. Why only a new start of the process helps, a sentence each; empty when it is alive."""
    people: People
    """Blocking. Accounts, stores, sessions, keys."""
    registry: Registry
    """Blocking. Vehicles, terminals, bindings, geofences."""
    reader: Reader
    """Blocking. Events and positions, as a principal may see them."""
    vehicles: Vehicles
    """Blocking. Vehicles, as a principal may see them."""
    garage: Garage
    """Blocking. Cars' lives, as a principal may see them."""
    incidents: Incidents
    """Blocking. Incidents, as a principal may see them."""
    live: Live
    append: Callable[[Event], Awaitable[Event]]
    """Append to the event log; returns the event as it stands there, numbered. Awaited on the API's own loop.

    Raises OSError or StorageError when the log does not take it."""
    vault: Vault | None = None
    """Blocking. What people said of themselves, sealed; None where it cannot be opened."""
    gallery: Gallery | None = None
    """Blocking. Pictures, sounds and films; None where they lie elsewhere."""
    coming: Callable[[int], Sequence[Coming]] = lambda vehicle_id: ()
    """A vehicle -> what is on its way from it now. Quick."""
    doorbell: Doorbell | None = None
    """Rings when the log has grown. None: whoever waits for events looks by itself every two seconds."""
    city: Path | None = None
    """The base map of the demo: a directory of GeoJSON files and their index; None: there is none."""
    ground: Ground = Ground()
    archive: Archive | None = None
    """Blocking. Raw frames from the journal; None where another process has it."""
    session: Callable[[int], Session | None] | None = None
    """A terminal -> its open session. Quick. None: this process has no terminals, and the log's last word counts."""
    heard_ms: Callable[[int, int], int] = lambda vehicle_id, terminal: 0
    """(vehicle, terminal) -> when the terminal's last report arrived, UTC epoch ms; 0 where not known. Quick."""
    trials: Trials | None = None
    """None where this process does not judge."""
    quality: Judged | None = None
    """Likewise."""
    actors: tuple[BusinessActor, ...] = (SPINE,)
    """Of the business, in the order in which they hear an event."""
    voices: tuple[Voice, ...] = ()
    """Who speaks on the log beside them."""
    business_counts: Callable[[], Mapping[str, Counts]] = dict
    """What each actor has done since the start; empty where another process has the log. Quick."""
    knocking: Callable[[], Sequence[Knock]] = tuple
    """Terminals that were refused at the door, who knocked last first. Quick."""
