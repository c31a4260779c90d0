"""The event log under /api/v1: a page of it, one event, and the stream of what happens from a position on."""

from typing import Annotated, Final

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream

from api.guards import known, principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from api.streams import Filter, Streams, types_of
from core.events import Event
from core.rights import Principal

SEQ_MAX: Final = 2**63 - 1
TYPES_MAX: Final = 20
"""Prefixes of one request: there are about as many first words of types."""

After = Annotated[int, QueryParameter(ge=0, le=SEQ_MAX, description="Position (seq) to go on behind")]
Types = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[a-z_.]*$")]] | None,
    QueryParameter(name="type", max_items=TYPES_MAX, description="Start of the event type; may be repeated"),
]
Subject = Annotated[
    str, QueryParameter(max_length=64, pattern=r"^[a-z_]*(:[0-9a-z]+)?$", description="Only about this, as vehicle:12")
]


class EventPage(msgspec.Struct, frozen=True):
    """Events in the order asked for, and the position to read on from."""

    items: list[Event]
    next: int | None
    """Hand it back as `after`, also when `items` is empty: nothing before it is left for you to see. Null when the
    newest were asked for first and nothing older is left."""


@get(
    "/events",
    opt={"right": "events.read", "by_consent": True},
    summary="Read the event log",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_events(
    request: Request,
    after: After = 0,
    types: Types = None,
    subject: Subject = "",
    newest: Annotated[
        bool, QueryParameter(description="Newest first: `after` then goes on downwards, and 0 begins at the newest")
    ] = False,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="Most events on this page")] = 100,
) -> EventPage:
    """Return events behind `after`, oldest first. What they mean stands in docs/events.md."""
    parts: Parts = request.app.state.parts
    page = await sync_to_thread(
        parts.reader.events,
        principal_of(request),
        after,
        types=types_of(types),
        subject=subject,
        limit=limit,
        newest_first=newest,
    )
    return EventPage(page.items, None if newest and page.seq == 0 else page.seq)


@get(
    "/events/{name:str}",
    opt={"right": "events.read", "by_consent": True},
    summary="Read one event",
    responses=answers("event_unknown", *KEYED),
)
async def read_event(request: Request, name: FromPath[str]) -> Event:
    """Return the event with this number, or with this id; 404 `event_unknown` if there is none for you."""
    parts: Parts = request.app.state.parts
    wanted = int(name) if name.isascii() and name.isdigit() and len(name) < 19 else name
    event = await sync_to_thread(parts.reader.event, principal_of(request), wanted)
    if event is None:
        raise Problem("event_unknown", f"no event {name[:64]}")
    return event


@get(
    "/events/stream",
    opt={"right": "events.read", "by_consent": True},
    summary="Follow the event log",
    responses={
        200: ResponseSpec(
            str,
            generate_examples=False,
            media_type="text/event-stream",
            description="Events as they happen, without end",
        ),
        **answers("bad_request", "streams_full", *KEYED),
    },
    raises=[],
)
async def stream_events(
    request: Request,
    after: Annotated[
        int | None, QueryParameter(ge=0, le=SEQ_MAX, description="Position to go on behind; the newest where missing")
    ] = None,
    types: Types = None,
    subject: Subject = "",
    last_event_id: Annotated[
        str | None, HeaderParameter(name="Last-Event-ID", max_length=20, description="Position after a cut; goes first")
    ] = None,
) -> Stream:
    """Send every event behind a position as it stands in the log, each once, in order: server-sent events whose id is
    the event's seq. Ask again with `Last-Event-ID` after a cut; nothing is missed, however long it was."""
    parts: Parts = request.app.state.parts
    streams: Streams = request.app.state.streams
    principal = principal_of(request)
    if last_event_id:
        if not (last_event_id.isascii() and last_event_id.isdigit() and int(last_event_id) <= SEQ_MAX):
            raise Problem("bad_request", "Last-Event-ID is the seq of an event")
        after = int(last_event_id)
    if after is None:
        after = await sync_to_thread(parts.reader.head)

    async def still() -> Principal | None:
        try:
            now = await known(request)
        except Problem:
            return None
        return now if now is not None and now.may("events.read") else None

    who = streams.enter(principal)
    return Stream(
        streams.carry(principal, Filter(types_of(types), subject), after, who, still),
        media_type="text/event-stream",
        # A proxy that collects an answer before it passes it on would keep every event from its reader.
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
