"""GET /api/v1/outbox: what was, or would have been, sent to people."""

import re
from typing import Annotated, Literal

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from storage.outbox import Message, Outbox


class MessagePage(msgspec.Struct, frozen=True):
    """Messages, newest first, and where the next page starts."""

    items: list[Message]
    next: str | None
    """Hand it back as `after`; null on the last page."""


@get(
    "/outbox",
    opt={"right": "outbox.read"},
    summary="Messages to people",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_messages(
    request: Request,
    after: Annotated[str, QueryParameter(max_length=64, description="Where to go on: `next` of the page before")] = "",
    in_state: Annotated[
        Literal["requested", "sent", "confirmed", "failed", "unknown"] | None,
        QueryParameter(name="state", description="Only those of which this has become"),
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="Most messages on this page")] = 100,
) -> MessagePage:
    """Return messages about cars of your stores. The built-in adapter sends nothing: it shows what would be sent."""
    if after and re.fullmatch(r"([0-9]{1,15})-([0-9a-f]{32})", after, re.ASCII) is None:
        raise Problem("bad_request", "after is `next` of the page before", field="after")
    parts: Parts = request.app.state.parts
    outbox = Outbox(parts.reader.database)
    page = await sync_to_thread(outbox.page, principal_of(request), after=after, limit=limit, state=in_state or "")
    return MessagePage(page.items, page.next or None)
