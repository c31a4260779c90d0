"""GET /health: 200 once TCP accepts and the store writes, 503 with the reasons until then."""

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread

from api.guards import PUBLIC
from api.parts import Parts


class Health(msgspec.Struct, frozen=True):
    """Whether the node does its work, and if not, why."""

    ok: bool
    node: str
    version: str
    faults: list[str]


@get("/health", opt={"right": PUBLIC}, summary="Is the node doing its work")
async def read_health(request: Request) -> Response[Health]:
    """Answer 200 when terminals can connect and the store takes their reports; else 503 and the reasons."""
    parts: Parts = request.app.state.parts
    faults = list(await sync_to_thread(parts.faults))
    health = Health(ok=not faults, node=parts.node, version=parts.version, faults=faults)
    return Response(health, status_code=503 if faults else 200, headers={"Cache-Control": "no-store"})
