"""/api/v1/audit: who looked at what and who did what, and whether that is still what was written."""

import threading
from typing import Annotated, Final, Literal

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import QueryParameter

from api.accounts import Limit
from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from core import limits
from storage.audit import AuditLine, Verified, lines, verify
from storage.database import Database


class AuditPage(msgspec.Struct, frozen=True):
    """Rows, the newest first, and where the next page starts."""

    items: list[AuditLine]
    next: int | None
    """Hand it back as `before`; null on the last page."""


What = Literal[
    "",
    "looks",
    "act",
    "login",
    "positions",
    "live",
    "track",
    "frames",
    "messages",
    "media",
    "search",
    "export",
    "person",
]


@get(
    "/audit",
    opt={"right": "audit.read"},
    summary="Audit log",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_audit(
    request: Request,
    before: Annotated[int, QueryParameter(ge=0, le=2**63 - 1, description="Number to go on below; 0: the newest")] = 0,
    what: Annotated[What, QueryParameter(description="Only rows of this kind; looks: all looks; empty: any")] = "",
    account: Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1, description="Only of this account")] = None,
    vehicle: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Only of this vehicle; 0: any")] = 0,
    search: Annotated[str, QueryParameter(max_length=64, description="Part of a subject, route or detail")] = "",
    limit: Limit = 100,
) -> AuditPage:
    """Return what was looked at and done in the group; only your own where you have some of its stores."""
    parts: Parts = request.app.state.parts
    items = await sync_to_thread(
        lines,
        parts.reader.database,
        principal_of(request),
        before=before,
        limit=limit,
        what=what,
        account=account,
        vehicle=vehicle,
        search=search.replace("\0", ""),
    )
    return AuditPage(items, items[-1].id if len(items) == limit else None)


_VERIFYING: Final = threading.Lock()


def verified(database: Database) -> Verified:
    """Verify the newest AUDIT_VERIFIED_MAX rows. Blocking, one at a time: it takes a second of CPU.

    Raises:
        Problem: not_ready when another has waited for too long.
    """
    if not _VERIFYING.acquire(timeout=10):
        raise Problem("not_ready", "the audit log is being verified", headers={"Retry-After": "5"})
    try:
        return verify(database, last_rows=limits.AUDIT_VERIFIED_MAX)
    finally:
        _VERIFYING.release()


@get(
    "/audit/verification",
    opt={"right": "audit.read"},
    summary="Is the audit log what was written?",
    responses=answers(*KEYED, "not_ready"),
    raises=[],
)
async def verify_audit(request: Request) -> Verified:
    """Reckon the chain over the newest rows anew, and compare it with the seals in the event log.

    `broken` is null, or says the first row that is not what was written. `carillon audit verify` looks at every row.
    """
    parts: Parts = request.app.state.parts
    return await sync_to_thread(verified, parts.reader.database)


RESOURCES: Final = (list_audit, verify_audit)
