"""Followers: tasks of a node that follow its own log and do what an event asks for, whoever appended it.

That is how a change reaches a running node: rows are written and the event with them, here, by the API or by another
process; the follower reads the event and takes the rows anew. A handler is told of an event at least once.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import trio

from core.doorbell import LOOK_S, topic_of
from core.events import Event

EVENTS_AT_ONCE: Final = 1_000
"""Events of one call of a handler: it reloads what they name once, not a thousand times."""

Read = Callable[[int, Sequence[str], int], tuple[list[Event], int]]
"""(after, prefixes, limit) -> events after that number whose type begins with one of the prefixes, in order, and the
number up to which the log was considered. Blocks."""
Handle = Callable[[Sequence[Event]], Awaitable[object]]


class Follower:
    """Reads on from a position and hands each batch to a handler. Run it with run_actor.

    A handler that fails gets the same events again after the pause of run_actor; so it must not mind a repeat.

    Args:
        types: prefixes of event types (`geofence.`).
        handle: called with at least one event, in order.
        read: EventLog.follow.
        after: number to go on after: the head of the log as it was before what the handler reloads was first loaded.
    """

    def __init__(self, types: Sequence[str], handle: Handle, read: Read, after: int) -> None:
        self.seq = after
        """Every event up to this one has been handled, or is not of our types."""
        self._types = tuple(types)
        self._topics = frozenset(topic_of(type_) for type_ in types)
        self._handle = handle
        self._read = read
        self._wake = trio.Event()

    def rung(self, seq: int, topics: frozenset[str]) -> None:
        """Look soon if the doorbell's topics are among ours. Called in the loop of `run`."""
        if self._topics & topics:
            self._wake.set()

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            # Set aside before reading: a ring that comes meanwhile is for the next round.
            self._wake = trio.Event()
            events, seq = await trio.to_thread.run_sync(self._read, self.seq, self._types, EVENTS_AT_ONCE)
            if events:
                await self._handle(events)
            self.seq = seq
            if len(events) < EVENTS_AT_ONCE:
                with trio.move_on_after(LOOK_S):
                    await self._wake.wait()


class Errand:
    """A step of a store's work, done again and again in a worker thread: at a ring, and every `look_s` by itself.

    Run it with run_actor.

    Args:
        step: does some of the work and returns how much; 0: nothing is left for now. Blocks.
        topics: of the doorbell, at which it looks; none: only when woken.
    """

    def __init__(self, step: Callable[[], int], topics: Sequence[str] = (), look_s: float = LOOK_S) -> None:
        self._step = step
        self._topics = frozenset(topics)
        self._look_s = look_s
        self._wake = trio.Event()
        self.idle = False
        """Whether the last step found nothing left to do, and nothing has rung since."""

    def wake(self) -> None:
        """Look now. Called in the loop of `run`."""
        self.idle = False
        self._wake.set()

    def rung(self, seq: int, topics: frozenset[str]) -> None:
        """Look now if the doorbell's topics are among ours. Called in the loop of `run`."""
        if self._topics & topics:
            self.wake()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            self._wake = trio.Event()
            if await trio.to_thread.run_sync(self._step):
                self.idle = False
                continue
            self.idle = not self._wake.is_set()
            with trio.move_on_after(self._look_s):
                await self._wake.wait()
