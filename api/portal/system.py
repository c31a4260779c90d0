"""/system: whether the node does its work, and its figures in plain words, each with its last quarter of an hour."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final, NamedTuple

from litestar import Litestar, Request, Response, get
from litestar.concurrency import sync_to_thread

from api.health import Readiness
from api.parts import Parts
from api.portal.render import render
from core.metrics import Metrics

SAMPLE_S: Final = 5.0
SAMPLES: Final = 180
"""A quarter of an hour, and a sample for each pixel of a small curve: 30 figures * 180 numbers are 40 KB."""


class Figure(NamedTuple):
    """A figure that people want to see."""

    metric: str
    message: str
    per_second: bool = False
    """A counter, shown as how much it grows a second; its sum stands below."""
    alarming: bool = False
    """Anything above 0 is worth a look."""


class Shown(NamedTuple):
    """A figure as the page shows it."""

    message: str
    value: float
    per_second: bool
    total: float
    points: str
    """Corners of the curve in a box of 100 x 30."""
    alarming: bool


class Filled(NamedTuple):
    """How full something is that has a bound."""

    name: str
    """Its metric."""
    value: float
    bound: float

    @property
    def share(self) -> float:
        """0 to 1; what is past its bound is full."""
        return min(1.0, max(0.0, self.value / self.bound)) if self.bound else 0.0

    @property
    def state(self) -> str:
        """One of STATES."""
        return next(name for name, least in STATES.items() if self.share >= least)

    @property
    def percent(self) -> str:
        """Its share as people read it: 0, <1, 42, 100; never rounded up to full."""
        percent = 100 * self.share
        return "0" if not self.value else "<1" if percent < 1 else f"{int(percent)}"


STATES: Final[Mapping[str, float]] = {"full": 1.0, "near": 0.9, "filling": 0.7, "room": 0.0}
"""From which share on something is called so. Alerts go by the same (docs/grafana/alerts.yml)."""


class Samples:
    """The last quarter of an hour of the figures on the page, taken on the API's loop."""

    def __init__(self, metrics: Metrics) -> None:
        self._figures = {figure.name: figure for figure in metrics.figures() if figure.name in _WANTED}
        self._times: deque[float] = deque(maxlen=SAMPLES)
        self._values: dict[str, deque[float]] = {name: deque(maxlen=SAMPLES) for name in self._figures}

    def take(self) -> None:
        """Write the figures down as they are now."""
        self._times.append(time.monotonic())
        for name, figure in self._figures.items():
            self._values[name].append(float(figure.read()))

    async def run(self) -> None:
        """Take a sample every SAMPLE_S until cancelled."""
        while True:
            self.take()
            await asyncio.sleep(SAMPLE_S)

    def shown(self, figure: Figure) -> Shown | None:
        """Return a figure with its curve; None for one that this process does not have."""
        known = self._figures.get(figure.metric)
        if known is None:
            return None
        now = float(known.read())
        values, times = list(self._values[figure.metric]), list(self._times)
        if not figure.per_second:
            return Shown(figure.message, now, False, now, curve(values), figure.alarming and now > 0)
        rates = [
            max(0.0, (after - before) / (end - start))
            for before, after, start, end in zip(values, values[1:], times, times[1:], strict=False)
            if end > start
        ]
        return Shown(figure.message, rates[-1] if rates else 0.0, True, now, curve(rates), figure.alarming and now > 0)


def curve(values: list[float]) -> str:
    """Return values as the points of an SVG polyline in a box of 100 x 30, the newest at the right; empty for one."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    # What has run for two minutes only is drawn wider than to scale: five pixels say nothing.
    step = 100 / max(24, len(values) - 1)
    start = 100 - step * (len(values) - 1)
    return " ".join(
        f"{start + at * step:.1f},{28 - 26 * (value - low) / span if high > low else 28:.1f}"
        for at, value in enumerate(values)
    )


@contextlib.asynccontextmanager
async def sampling(app: Litestar) -> AsyncIterator[None]:
    """Take samples for as long as the application serves."""
    parts: Parts = app.state.parts
    samples = Samples(parts.metrics)
    app.state.samples = samples
    task = asyncio.create_task(samples.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@get("/system", include_in_schema=False, opt={"right": "system.read"})
async def system_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show health and figures; the part with them renews itself."""
    parts: Parts = request.app.state.parts
    samples: Samples = request.app.state.samples
    readiness: Readiness = request.app.state.readiness
    faults = await sync_to_thread(readiness.faults)
    groups = []
    for title, figures in GROUPS.items():
        shown = [one for figure in figures if (one := samples.shown(figure))]
        if shown:
            groups.append((title, shown))
    return render(
        request,
        "system.html",
        block="figures" if request.headers.get("hx-target", "").endswith("#figures") else "",
        faults=faults,
        groups=groups,
        fills=filled(parts.metrics),
        amount=amount,
        node=parts.node,
        version=parts.version,
        started_ms=int(parts.metrics.started_s * 1000),
        minutes=round(SAMPLES * SAMPLE_S / 60),
    )


def filled(metrics: Metrics) -> list[Filled]:
    """Return everything that has a bound, what is fullest first, else in the order of the node."""
    found = [Filled(fill.name, fill.read(), fill.bound()) for fill in metrics.fills()]
    volumes = {one.name: one[1:] for one in found if one.name.startswith("disk_")}
    if volumes.get("disk_journal_used_bytes") == volumes.get("disk_data_used_bytes"):
        # One volume is one bar.
        found = [one for one in found if one.name != "disk_journal_used_bytes"]
    # By state and not by share: a page that renews itself must not shuffle its bars at each look.
    order = list(STATES)
    return sorted(found, key=lambda one: order.index(one.state))


def amount(value: float, name: str) -> str:
    """Return how much that is, as people read it: bytes of a metric named so in MB, GB; all else in thousands."""
    if not name.endswith("_bytes"):
        return f"{value:,.0f}"
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:,.1f} TB"


GROUPS: Final[Mapping[str, tuple[Figure, ...]]] = {
    "system_group_cars": (
        Figure("fleet_sessions", "system_sessions"),
        Figure("intake_links_live", "system_links"),
        Figure("fleet_terminals", "system_terminals"),
        Figure("fleet_vehicles", "system_vehicles"),
    ),
    "system_group_intake": (
        Figure("intake_reports_acknowledged", "system_acknowledged", per_second=True),
        Figure("intake_frames_refused", "system_refused", per_second=True),
        Figure("intake_bad_checksum", "system_checksum", per_second=True),
        Figure("journal_bytes", "system_journal_bytes"),
        Figure("journal_full", "system_journal_full", alarming=True),
    ),
    "system_group_store": (
        Figure("recorder_stored", "system_stored", per_second=True),
        Figure("recorder_uplinks", "system_uplinks", per_second=True),
        Figure("recorder_behind", "system_behind"),
        Figure("recorder_refused", "system_store_refused", alarming=True),
        Figure("recorder_uplinks_refused", "system_uplinks_refused", alarming=True),
        Figure("recorder_failures", "system_store_failures", alarming=True),
    ),
    "system_group_media": (
        Figure("media_stored", "system_media_stored"),
        Figure("media_bytes", "system_media_bytes"),
        Figure("media_held_bytes", "system_media_held"),
        Figure("vehicle_media_lost", "system_media_lost", alarming=True),
        Figure("vehicle_media_refused", "system_media_refused", alarming=True),
        Figure("media_refused_full", "system_media_full", alarming=True),
        Figure("media_refused_day", "system_media_day", alarming=True),
        Figure("media_refused_failed", "system_media_failed", alarming=True),
    ),
    "system_group_events": (
        Figure("log_seq", "system_events"),
        Figure("log_appended", "system_appended", per_second=True),
        Figure("log_waiting", "system_waiting"),
        Figure("gateway_commands_open", "system_commands_open"),
        Figure("log_failures", "system_log_failures", alarming=True),
    ),
}
"""What a person wants to see first; all the others stand at /metrics."""
_WANTED: Final = frozenset(figure.metric for figures in GROUPS.values() for figure in figures)

PAGES: Final = (system_page,)
