"""Run an actor for as long as its nursery lives: count what goes wrong, say so with context, start again.

This is the only file that catches `Exception`. Everywhere else an error is caught by its name, where it can be put
right, or it is a bug and comes here:

    run_actor       a bug in one actor: logged, counted, the actor starts again after a pause; others never feel it.
    until_it_holds  a store that cannot be reached or is full: the same call again after a pause, without end.
    failure_of      a rule of the business: whoever ran it parks what it was about, and goes on.

None of them catches what is not an `Exception`: trio.Cancelled and KeyboardInterrupt go through, and so does an
ExceptionGroup that holds one of them. Both end at once when their nursery is cancelled, also in the middle of a pause.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
import trio

from core.logging import say

BACKOFF_S_MIN: Final = 0.1
BACKOFF_S_MAX: Final = 30.0
"""First and longest pause before a new start, doubled each time: one that always fails costs two starts a minute."""
STEADY_S: Final = 60.0
"""An actor that lived this long was well: its next failure starts again at BACKOFF_S_MIN."""
RETRY_S_MIN: Final = 0.05
RETRY_S_MAX: Final = 5.0
"""A store that comes back is used again within 5 s; while away it is asked 12 times a minute by each caller."""

Result = TypeVar("Result")


class ActorStatistics(msgspec.Struct, frozen=True):
    """What became of the actors of one kind."""

    kind: str
    """The part of the actor's name before the colon: `vehicle` of `vehicle:12`."""
    running: int
    """Started and not ended, those that wait for a new start included."""
    starts: int
    failures: int
    last_failure: str
    """Name of the actor and its error, empty when there was none."""


class Actors:
    """Counts over all actors, one row a kind: 100,000 vehicles share one. Plain counters, safe between two awaits."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._starts: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._last_failure: dict[str, str] = {}

    def statistics(self) -> tuple[ActorStatistics, ...]:
        """Return one row a kind, ordered by kind."""
        return tuple(
            ActorStatistics(
                kind,
                self._running[kind],
                self._starts[kind],
                self._failures[kind],
                self._last_failure.get(kind, ""),
            )
            for kind in sorted(self._starts)
        )

    def totals(self) -> dict[str, int]:
        """Return counts over all kinds: `running`, `starts`, `failures`."""
        counts = {"running": self._running, "starts": self._starts, "failures": self._failures}
        return {name: sum(counter.values()) for name, counter in counts.items()}

    def _entered(self, kind: str) -> None:
        self._running[kind] += 1

    def _left(self, kind: str) -> None:
        self._running[kind] -= 1

    def _started(self, kind: str) -> None:
        self._starts[kind] += 1

    def _failed(self, kind: str, name: str, error: Exception) -> None:
        self._failures[kind] += 1
        self._last_failure[kind] = f"{name}: {error!r}"


ACTORS: Final = Actors()
"""The actors of this process, for /metrics."""


async def run_actor(run: Callable[[], Awaitable[object]], name: str, *, actors: Actors = ACTORS) -> None:
    """Run an actor until it returns; when it fails, log, count and run it again.

    Made for `nursery.start_soon(run_actor, vehicle.run, "vehicle:12")`. What the actor held in its own attributes is
    still there at the next start; what it held in local variables is gone, so whatever must not be lost is kept in
    attributes.

    Args:
        run: the actor. Returns when it is done; is called again after an exception.
        name: kind:id, for the log; counted by kind.
    """
    kind = name.partition(":")[0]
    pause_s = BACKOFF_S_MIN
    actors._entered(kind)
    try:
        while True:
            started_s = trio.current_time()
            actors._started(kind)
            try:
                await run()
            except Exception as error:
                actors._failed(kind, name, error)
                if trio.current_time() - started_s >= STEADY_S:
                    pause_s = BACKOFF_S_MIN
                say("actor.failed", error=error, actor=name, pause_s=pause_s)
            else:
                return
            await trio.sleep(pause_s)
            pause_s = min(pause_s * 2, BACKOFF_S_MAX)
    finally:
        actors._left(kind)


async def until_it_holds(
    attempt: Callable[[], Awaitable[Result]],
    name: str,
    *,
    unless: tuple[type[Exception], ...] = (),
    failed: Callable[[Exception], None] | None = None,
) -> Result:
    """Return what `attempt` returns; while it raises, wait and call it again, without end.

    For calls to a store, whose failure must not lose what it was given.

    Args:
        unless: errors that another attempt cannot mend (a refusal for the content): raised to the caller.
        failed: called with each error, to count it.
    """
    pause_s = RETRY_S_MIN
    while True:
        try:
            return await attempt()
        except unless:
            raise
        except Exception as error:
            if failed is not None:
                failed(error)
            say("call.repeated", call=name, pause_s=pause_s, fault=repr(error))
        await trio.sleep(pause_s)
        pause_s = min(pause_s * 2, RETRY_S_MAX)


def failure_of(run: Callable[[], object], *, unless: tuple[type[Exception], ...] = ()) -> Exception | None:
    """Return what `run` raises; None when it ends well.

    Args:
        unless: errors that are not the fault of what is run: raised to the caller.
    """
    try:
        run()
    except unless:
        raise
    except Exception as error:
        return error
    return None
