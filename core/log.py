"""Append events to the log from Trio: many callers, one worker thread, batches, and an answer only when it is durable.

The store behind it appends a batch in one transaction, which costs a sync whatever its size; so callers are grouped.
Safety events (an SOS, a crash) have a lane in front: they never wait behind a storm of logins.
"""

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import msgspec
import trio

from core.actor import until_it_holds
from core.events import EVENTS, Event
from core.limits import LOG_BACKLOG_EVENTS_MAX, LOG_BATCH_EVENTS, LOG_LINGER_S

Append = Callable[[Sequence[Event]], list[int]]
"""Appends events in one transaction and returns their seqs in order; a known id gives the seq it has. Blocks."""
OnCommitted = Callable[[int, frozenset[str]], None]
"""Called after each commit with the highest seq of the batch and the types in it. Must not wait."""


class LogStatistics(msgspec.Struct, frozen=True):
    """What has gone through the log and what waits."""

    appended: int
    """Events given to the store and durable."""
    batches: int
    refused: int
    """Events the store would not take; their callers know."""
    failures: int
    """Calls of the store that raised; each was repeated."""
    last_failure: str
    waiting: int
    waiting_safety: int
    """Events in the two lanes, the batch under way not counted."""
    bound: int
    blocked: int
    """Callers that wait for room in a lane."""
    seq: int
    """Highest seq seen."""


class _Entry:
    """The events of one caller, and where it finds the answer."""

    __slots__ = ("durable", "error", "events", "seqs")

    def __init__(self, events: tuple[Event, ...]) -> None:
        self.events = events
        self.durable = trio.Event()
        self.seqs: list[int] = []
        self.error: Exception | None = None


class _Lane:
    """Entries in order, counted in events."""

    def __init__(self) -> None:
        self.entries: deque[_Entry] = deque()
        self.events = 0
        self.blocked = trio.lowlevel.ParkingLot()


class LogWriter:
    """The way of this process into the event log.

    A batch holds whole entries: the events of one `append` are durable together or not at all. At most one batch is
    under way. Each lane holds LOG_BACKLOG_EVENTS_MAX events; past it callers wait, and so do their terminals.
    """

    def __init__(
        self, append: Append, on_committed: OnCommitted | None = None, *, refusals: tuple[type[Exception], ...] = ()
    ) -> None:
        """Make a writer; nothing is written until `run` runs.

        Args:
            refusals: errors by which the store refuses the events themselves, having written nothing (an intent that
                is answered already). Every other error is the store's own, and the batch is tried again.
        """
        self._append = append
        self._refusals = refusals
        self.on_committed = on_committed
        self._normal = _Lane()
        self._safety = _Lane()
        # Kept here and not in a local, so that a new start of `run` goes on with it.
        self._batch: list[_Entry] = []
        self._wake = trio.Event()
        self._enough = trio.Event()
        self._limiter = trio.CapacityLimiter(1)
        self._appended = 0
        self._batches = 0
        self._refused = 0
        self._failures = 0
        self._last_failure = ""
        self._seq = 0

    async def append(self, events: Sequence[Event]) -> list[int]:
        """Append events; return their seqs once they are durable. An empty sequence gives an empty list at once.

        Order is kept between the calls of one task. One event whose purpose is `safety` takes the whole call to the
        lane in front. A caller cancelled while it waits does not take its events back.

        Raises:
            ValueError: a type, version or payload that the table EVENTS does not name, or more than
                LOG_BACKLOG_EVENTS_MAX events. Said here, because the store is asked again until it takes a batch, and
                an event that can never be stored would stop everyone behind it.
            One of `refusals`: the store does not take these events. Nothing of them is written.
        """
        if not events:
            await trio.lowlevel.checkpoint()
            return []
        if len(events) > LOG_BACKLOG_EVENTS_MAX:
            raise ValueError(f"{len(events)} events in one call, at most {LOG_BACKLOG_EVENTS_MAX}")
        for event in events:
            _check(event)
        lane = self._safety if any(event.purpose == "safety" for event in events) else self._normal
        while lane.events and lane.events + len(events) > LOG_BACKLOG_EVENTS_MAX:
            await lane.blocked.park()
        entry = _Entry(tuple(events))
        lane.entries.append(entry)
        lane.events += len(events)
        self._wake.set()
        if lane is self._safety or self._normal.events >= LOG_BATCH_EVENTS:
            self._enough.set()
        await entry.durable.wait()
        if entry.error is not None:
            raise entry.error
        return entry.seqs

    async def run(self) -> None:
        """Append batch after batch. Runs until cancelled; a batch handed to the thread is finished first."""
        while True:
            if not self._batch:
                await self._wake.wait()
                await self._linger()
                self._batch = self._next_batch()
            await self._commit_batch()

    def statistics(self) -> LogStatistics:
        """Return what has gone through and what waits."""
        return LogStatistics(
            appended=self._appended,
            batches=self._batches,
            refused=self._refused,
            failures=self._failures,
            last_failure=self._last_failure,
            waiting=self._normal.events,
            waiting_safety=self._safety.events,
            bound=LOG_BACKLOG_EVENTS_MAX,
            blocked=len(self._normal.blocked) + len(self._safety.blocked),
            seq=self._seq,
        )

    async def _linger(self) -> None:
        """Wait until a batch is full, a safety event is there, or the linger is over: whichever is first."""
        self._enough = trio.Event()
        if self._safety.entries or self._normal.events >= LOG_BATCH_EVENTS:
            return
        with trio.move_on_after(LOG_LINGER_S):
            await self._enough.wait()

    def _next_batch(self) -> list[_Entry]:
        """Take up to LOG_BATCH_EVENTS events, safety first. An entry larger than that goes alone."""
        batch: list[_Entry] = []
        size = 0
        for lane in (self._safety, self._normal):
            while lane.entries and (not batch or size + len(lane.entries[0].events) <= LOG_BATCH_EVENTS):
                entry = lane.entries.popleft()
                lane.events -= len(entry.events)
                size += len(entry.events)
                batch.append(entry)
            lane.blocked.unpark_all()
            if lane.entries:
                # What is left of the front lane goes before anything of the other.
                break
        if not self._safety.entries and not self._normal.entries:
            self._wake = trio.Event()
        return batch

    async def _commit_batch(self) -> None:
        """Commit the batch; when the store refuses it, each entry by itself, so that only the refused one fails."""
        try:
            await self._commit(len(self._batch))
        except self._refusals:
            while self._batch:
                try:
                    await self._commit(1)
                except self._refusals as error:
                    refused = self._batch.pop(0)
                    refused.error = error
                    refused.durable.set()
                    self._refused += len(refused.events)

    async def _commit(self, count: int) -> None:
        """Commit the first entries of the batch and answer their callers."""
        events = [event for entry in self._batch[:count] for event in entry.events]
        attempt = partial(trio.to_thread.run_sync, self._append, events, limiter=self._limiter)
        seqs = await until_it_holds(
            attempt, f"appending {len(events)} events", unless=self._refusals, failed=self._failed
        )
        if len(seqs) != len(events):
            raise RuntimeError(f"the log gave {len(seqs)} seqs for {len(events)} events")
        entries, self._batch = self._batch[:count], self._batch[count:]
        start = 0
        for entry in entries:
            entry.seqs = seqs[start : start + len(entry.events)]
            start += len(entry.events)
            entry.durable.set()
        self._appended += len(events)
        self._batches += 1
        self._seq = max(self._seq, *seqs)
        if self.on_committed is not None:
            self.on_committed(max(seqs), frozenset(event.type for event in events))

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._last_failure = repr(error)


def _check(event: Event) -> None:
    declared = EVENTS.get((event.type, event.version))
    if declared is None:
        raise ValueError(f"no event {event.type!r} version {event.version}")
    if type(event.payload) is not declared:
        raise ValueError(f"{event.type} carries {declared.__name__}, got {type(event.payload).__name__}")
    try:
        msgspec.json.encode(event.payload)
    except (TypeError, msgspec.MsgspecError, UnicodeEncodeError, OverflowError) as error:
        raise ValueError(f"{event.type} cannot be written: {error}") from error
