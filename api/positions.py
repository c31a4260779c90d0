"""GET /api/v1/positions: where every vehicle was last, from the live table, a page at a time."""

from typing import Annotated

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from api.guards import principal_of
from api.parts import Parts, Position
from api.problems import KEYED, answers


class PositionPage(msgspec.Struct, frozen=True):
    """Positions by vehicle id, and where the next page starts."""

    items: list[Position]
    next: int | None
    """Hand it back as `after`; null on the last page."""


@get(
    "/positions",
    opt={"right": "positions.read"},
    summary="Live positions",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_positions(
    request: Request,
    after: Annotated[int, QueryParameter(ge=0, description="Vehicle id to go on behind")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=10_000, description="Most positions on this page")] = 1_000,
) -> PositionPage:
    """Return the last known position of each vehicle that has one. Coordinates are WGS-84."""
    parts: Parts = request.app.state.parts
    items = list(await sync_to_thread(parts.positions, principal_of(request), after, limit))
    return PositionPage(items, items[-1].vehicle_id if len(items) == limit else None)
