"""GET /metrics: every figure in Prometheus' text format, none of them labelled by vehicle."""

from litestar import Request, Response, get

from api.guards import PUBLIC, principal_of
from api.parts import Parts
from api.problems import Problem, answers
from core.metrics import CONTENT_TYPE


@get(
    "/metrics",
    opt={"right": PUBLIC},
    media_type=CONTENT_TYPE,
    summary="Figures for Prometheus",
    responses=answers("login_needed", "right_missing"),
)
async def read_metrics(request: Request) -> Response[bytes]:
    """Return all figures of this process: to anybody where metrics are open, else to who has the right system.read."""
    parts: Parts = request.app.state.parts
    if not parts.metrics_open and not principal_of(request).may("system.read"):
        raise Problem("right_missing", "this needs the right system.read")
    return Response(parts.metrics.render(), media_type=CONTENT_TYPE)
