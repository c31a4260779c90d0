"""GET /api/v1/events: the event log from a position on, filtered by the start of the type."""

from typing import Annotated

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, answers
from core.events import Event


class EventPage(msgspec.Struct, frozen=True):
    """Events in the order of the log, and the position to read on from."""

    items: list[Event]
    next: int
    """Hand it back as `after`, also when `items` is empty: nothing below it is left for you to see."""


@get(
    "/events",
    opt={"right": "events.read"},
    summary="Read the event log",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_events(
    request: Request,
    after: Annotated[int, QueryParameter(ge=0, le=2**63 - 1, description="Position (seq) to go on behind")] = 0,
    type_: Annotated[
        str, QueryParameter(name="type", max_length=64, pattern=r"^[a-z_.]*$", description="Start of the event type")
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="Most events on this page")] = 100,
) -> EventPage:
    """Return events behind `after`, oldest first. What they mean stands in docs/events.md."""
    parts: Parts = request.app.state.parts
    types = (type_,) if type_ else ()
    page = await sync_to_thread(parts.reader.events, principal_of(request), after, types=types, limit=limit)
    return EventPage(page.items, page.seq)
