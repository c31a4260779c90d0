"""GET /metrics: every figure in Prometheus' text format, none of them labelled by vehicle."""

from litestar import Request, Response, get

from api.guards import metrics_key
from api.parts import Parts
from core.metrics import CONTENT_TYPE


@get("/metrics", guards=[metrics_key], summary="Figures for Prometheus")
async def read_metrics(request: Request) -> Response[bytes]:
    """Return all figures of this process."""
    parts: Parts = request.app.state.parts
    return Response(parts.metrics.render(), headers={"Content-Type": CONTENT_TYPE})
