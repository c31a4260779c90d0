"""GET /api/v1/access: who looked at positions, whose, and when."""

from typing import Annotated, Final

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from api.accounts import Limit
from api.guards import SELF, principal_of
from api.parts import Parts
from api.problems import KEYED, answers
from storage.people import Access


class AccessPage(msgspec.Struct, frozen=True):
    """Reads of positions, the newest first, and where the next page starts."""

    items: list[Access]
    next: int | None
    """Hand it back as `before`; null on the last page."""


@get(
    "/access",
    opt={"right": SELF},
    summary="Who looked at positions",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_access(
    request: Request,
    before: Annotated[int, QueryParameter(ge=0, le=2**63 - 1, description="Id to go on below; 0: the newest")] = 0,
    account: Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1, description="Only of this account")] = None,
    vehicle: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Only of this vehicle; 0: any")] = 0,
    limit: Limit = 100,
) -> AccessPage:
    """Return reads of positions: with system.read all of the group's, else only your own."""
    parts: Parts = request.app.state.parts
    items = await sync_to_thread(
        parts.people.accesses, principal_of(request), before=before, limit=limit, account=account, vehicle=vehicle
    )
    return AccessPage(items, items[-1].id if len(items) == limit else None)


RESOURCES: Final = (list_access,)
