"""GET /api/v1/positions: where every vehicle was last, a page at a time."""

from typing import Annotated, Final

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, answers
from core.limits import POSITIONS_READ_MAX
from core.rights import Principal
from storage.clickhouse import LastPosition

DEGREE_1E7: Final = 10_000_000


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


class PositionPage(msgspec.Struct, frozen=True):
    """Positions by vehicle id, and where the next page starts."""

    items: list[Position]
    next: int | None
    """Hand it back as `after`; null on the last page."""


@get(
    "/positions",
    opt={"right": "positions.read", "by_consent": True},
    summary="Live positions",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_positions(
    request: Request,
    after: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Vehicle id to go on behind")] = 0,
    limit: Annotated[
        int, QueryParameter(ge=1, le=POSITIONS_READ_MAX, description="Most positions on this page")
    ] = 1_000,
) -> PositionPage:
    """Return the last known position of each of your vehicles that has one. Coordinates are WGS-84."""
    return await sync_to_thread(read_positions, request.app.state.parts, principal_of(request), after, limit)


def read_positions(parts: Parts, principal: Principal, after: int, limit: int) -> PositionPage:
    """Return a page of positions. Blocking."""
    page = parts.reader.positions(principal, after, limit)
    online = parts.live.online([last.vehicle_id for last in page.items])
    return PositionPage([position_of(*pair) for pair in zip(page.items, online, strict=True)], page.next)


def position_of(last: LastPosition, online: bool) -> Position:
    """Return a position as the API shows it."""
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
        online=online,
    )
