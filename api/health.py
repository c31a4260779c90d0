"""GET /health: whether the node does its work, with the reasons why not. GET /health/live: whether it is alive at all.

Ready and alive are two things. A node whose store is away is not ready, and a balancer sends nobody there; but it goes
on keeping what it is sent, and starting it anew would change nothing. Only where /health/live answers 503 does that.
"""

import concurrent.futures
import threading
import time
from collections.abc import Callable, Sequence

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread

from api.guards import PUBLIC
from api.parts import Parts
from core.limits import READY_KNOWN_S, READY_S_MAX


class Health(msgspec.Struct, frozen=True):
    """Whether the node does its work, and if not, why."""

    ok: bool
    node: str
    version: str
    faults: list[str]
    """Each begins with the part that cannot: `tcp`, `journal`, `store`, `log`, `node`."""


class Readiness:
    """Looks whether the node is ready, once for all who ask within READY_KNOWN_S, and waits for a look no longer than
    READY_S_MAX: whoever asks gets an answer, also when the database does not."""

    def __init__(self, look: Callable[[], Sequence[str]], clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with nothing known; `look` blocks, and says why the node is not ready."""
        self._look = look
        self._clock = clock
        self._lock = threading.Lock()
        self._looker = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="readiness")
        self._under_way: concurrent.futures.Future[list[str]] | None = None
        self._began_s = 0.0
        self._known: list[str] = []
        self._known_s: float | None = None

    def faults(self) -> list[str]:
        """Return why the node is not ready. Blocking, for READY_S_MAX at most."""
        with self._lock:
            if self._known_s is not None and self._clock() - self._known_s < READY_KNOWN_S:
                return self._known
            if self._under_way is None:
                self._began_s = self._clock()
                self._under_way = self._looker.submit(lambda: list(self._look()))
            looking = self._under_way
        concurrent.futures.wait([looking], max(0.0, self._began_s + READY_S_MAX - self._clock()))
        if not looking.done():
            return [f"log: has not answered for {self._clock() - self._began_s:.0f} s"]
        with self._lock:
            if self._under_way is looking:
                self._under_way = None
                if looking.exception() is None:
                    self._known, self._known_s = looking.result(), self._clock()
        return looking.result()

    def close(self) -> None:
        """Look no more; a look under way is not waited for."""
        self._looker.shutdown(wait=False, cancel_futures=True)


@get("/health", opt={"right": PUBLIC}, summary="Is the node doing its work")
async def read_health(request: Request) -> Response[Health]:
    """Answer 200 when terminals can connect and the store takes their reports; else 503 and the reasons."""
    readiness: Readiness = request.app.state.readiness
    return _answer(request.app.state.parts, await sync_to_thread(readiness.faults))


@get("/health/live", opt={"right": PUBLIC}, summary="Is the process alive", sync_to_thread=False)
def read_alive(request: Request) -> Response[Health]:
    """Answer 200 as long as all loops of the process turn; 503 when only another start of it helps."""
    parts: Parts = request.app.state.parts
    return _answer(parts, parts.stuck())


def _answer(parts: Parts, faults: Sequence[str]) -> Response[Health]:
    health = Health(ok=not faults, node=parts.node, version=parts.version, faults=list(faults))
    return Response(health, status_code=503 if faults else 200, headers={"Cache-Control": "no-store"})
