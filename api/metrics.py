"""GET /metrics: every figure in Prometheus' text format, none labelled by vehicle; and the API's own figures."""

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from litestar import Request, Response, get

from api.guards import PUBLIC, principal_of
from api.parts import Parts
from api.problems import PROBLEMS, Problem, answers
from core.limits import HASHES_AT_ONCE_MAX, HASHES_WAITING_MAX, PRINCIPALS_KNOWN_MAX, STREAMS_MAX
from core.metrics import CONTENT_TYPE, Metrics


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


STREAM_FIGURES: Final = (
    ("open", "Event streams open."),
    ("reads", "Reads of the log for event streams."),
    ("sent", "Events sent on streams."),
    ("ended", "Streams ended because the right to them was gone."),
    ("refused", "Streams refused because there were as many as there may be."),
)


def show(
    metrics: Metrics,
    *,
    problems: Counter[str],
    streams: Callable[[], Mapping[str, int]],
    hashing: Callable[[], int],
    principals: Callable[[], int],
) -> None:
    """Show the API's own figures among the process's.

    Args:
        problems: how often each problem was answered, by its code.
        streams: counts of STREAM_FIGURES. hashing: logins that are hashed or wait for it. principals: those remembered.
    """
    # One app a process shows its own; a second one over the same parts (tests make such) does not count twice.
    if "streams_open" in {figure.name for figure in metrics.figures()}:
        return
    metrics.statistics("streams", streams, STREAM_FIGURES, gauges=("open",))
    metrics.bound("streams_open", STREAMS_MAX)
    metrics.gauge("people_hashing", "Logins that are hashed or wait for it.", hashing)
    metrics.bound("people_hashing", HASHES_AT_ONCE_MAX + HASHES_WAITING_MAX)
    metrics.gauge("people_principals", "Sessions and keys whose owner is remembered.", principals)
    metrics.bound("people_principals", PRINCIPALS_KNOWN_MAX)
    for code, (status, title) in PROBLEMS.items():
        metrics.counted(f"api_problem_{code}", f"Answered {status}: {title}.", partial(problems.__getitem__, code))
