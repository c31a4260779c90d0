"""The recorder: carries sealed journal segments into the report store, in order: their reports as one insert, their
other messages as a second one where there are any.

It reads the journal from its own position, live and after an outage alike. A segment's insert has a token of its own,
and a report its own identity, so that a repeat after a crash stores nothing twice. Content that the store refuses is
set aside by the store (`report_refused`); a store that is away is asked again without end, while the journal keeps
what waits. Nothing here can delay an acknowledgement or a detector.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf
from typing import Any, Final, Protocol

import msgspec
import trio

from core.actor import until_it_holds
from core.intake.journal import Journal, Segment, SegmentRoom, frame_at, read_segment
from core.intake.links import KIND_ASSEMBLED
from core.limits import SUMMARY_EVERY_S, UPLINK_BYTES_MAX
from protocols.seam import IDENTITY_FORM, IDENTITY_MESSAGE, IDENTITY_SERIAL, Kernels
from storage.tables.uplink import UPLINK_ASSEMBLED, UPLINK_CUT, Uplink

TAIL_S_MAX: Final = 0.2
"""How long a sealed segment waits for the reader at the tail, which is 50 ms behind at most while reports come."""


class Stored(Protocol):
    """What became of a segment's rows."""

    @property
    def stored(self) -> int: ...
    @property
    def refused(self) -> int: ...


class Store(Protocol):
    """The part of the report store that is needed here. Blocks: called in a worker thread, one call at a time."""

    def insert_with_bisection(self, rows: Any, blob: Any, token: str) -> Stored:
        """Store rows, (n,) REPORT with items in blob, as one block under a token that names them for ever."""

    def insert_uplinks(self, uplinks: Sequence[Uplink], token: str) -> Stored:
        """Store messages, at least one, as one block under a token that names them for ever."""

    def flush_summaries(self) -> None:
        """Store what the segments since the last call say in short; before it they do not count as done."""


class RecorderStatistics(msgspec.Struct, frozen=True):
    """What has been stored and what waits."""

    segments: int
    stored: int
    refused: int
    """Rows the store refused for their content; they are in `report_refused`."""
    uplinks: int
    """Messages stored that say more than where a car is."""
    uplinks_cut: int
    """Of them those that were longer than what is kept of them."""
    uplinks_refused: int
    """Messages the store refused for their content; they are in `uplink_refused`."""
    unreadable: int
    """Locations inside frames that could not be read; they stay in the journal."""
    failures: int
    """Calls of the store that failed; each was repeated."""
    last_failure: str
    behind: int
    """Sealed segments that wait."""


class Recorder:
    """Reads sealed segments and stores what they hold.

    Args:
        node: this node's name, part of every insert's token.
        kept_bytes: message -> bytes kept of its frames, where that is less than UPLINK_BYTES_MAX; 0: it is not stored.
        version: (form of a frame's header, terminal) -> the edition of the protocol in which it speaks. Called in a
            worker thread.
    """

    def __init__(
        self,
        journal: Journal,
        kernels: Kernels,
        store: Store,
        node: str,
        *,
        kept_bytes: Mapping[int, int] | None = None,
        version: Callable[[int, int], int] = lambda form, terminal: 0,
    ) -> None:
        self._kept_bytes = kept_bytes or {}
        self._version = version
        self._journal = journal
        self._kernels = kernels
        self._store = store
        self._node = node
        self._room = SegmentRoom()
        self._position = journal.position("recorder")
        self._sequence = self._position.sequence
        self._flushed_s = 0.0
        self._sealed = trio.Event()
        journal.on_read = self.wake
        self._limiter = trio.CapacityLimiter(1)
        self._counts = dict.fromkeys(
            ("segments", "stored", "refused", "uplinks", "uplinks_cut", "uplinks_refused", "unreadable", "failures"), 0
        )
        self._last_failure = ""
        self.fault = ""
        """Why the store does not take reports now; empty while it does."""
        self.on_stored = lambda: None

    def wake(self) -> None:
        """Say that there may be sealed segments. For the Trio thread."""
        self._sealed.set()

    async def run(self) -> None:
        """Store segment after segment. Runs until cancelled; an insert under way is finished first."""
        while True:
            # Made anew before looking, so that a segment sealed in between is not slept over.
            self._sealed = trio.Event()
            await self.catch_up()
            due_s = self._flushed_s + SUMMARY_EVERY_S if self._sequence > self._position.sequence else inf
            with trio.move_on_at(due_s):
                await self._sealed.wait()

    async def catch_up(self) -> None:
        """Store every segment that is sealed now, and what they say in short when that is due."""
        for segment in self._journal.sealed_after(self._sequence):
            await self._let_tail_finish(segment)
            attempt = partial(trio.to_thread.run_sync, self._record, segment, limiter=self._limiter)
            await until_it_holds(attempt, f"storing segment {segment.id}", failed=self._failed)
            self.fault = ""
            self._sequence = segment.last_sequence
            self.on_stored()
        if trio.current_time() >= self._flushed_s + SUMMARY_EVERY_S:
            await self.flush()

    async def _let_tail_finish(self, segment: Segment) -> None:
        """Give the reader at the tail a moment to hand on the segment in which it stands: then it is decoded."""
        with trio.move_on_after(TAIL_S_MAX):
            while self._journal.tail_segment == segment.id:
                self._sealed = trio.Event()
                await self._sealed.wait()

    async def flush(self) -> None:
        """Store what the segments say in short: from here on they are done with."""
        if self._sequence > self._position.sequence:
            attempt = partial(trio.to_thread.run_sync, self._store.flush_summaries, limiter=self._limiter)
            await until_it_holds(attempt, "storing last positions and mileage", failed=self._failed)
            self.fault = ""
            self._position.advance(self._sequence)
        self._flushed_s = trio.current_time()

    def statistics(self) -> RecorderStatistics:
        """Return what has been stored and what waits."""
        behind = len(self._journal.sealed_after(self._sequence))
        return RecorderStatistics(**self._counts, last_failure=self._last_failure, behind=behind)

    def _record(self, segment: Segment) -> None:
        room = self._journal.take_read(segment)
        if room is None:
            room = self._room
            read_segment(self._journal, segment, self._kernels, room)
        try:
            token = segment.token(self._node)
            # First: what fails behind it is done again, and a report that is told twice costs more than a message.
            uplinks = self._uplinks(room)
            kept = self._store.insert_uplinks(uplinks, token) if uplinks else None
            rows = room.rows[: room.found]
            if len(rows):
                result = self._store.insert_with_bisection(rows, room.bytes[: room.at], token)
                self._counts["stored"] += result.stored
                self._counts["refused"] += result.refused
            if kept is not None:
                self._counts["uplinks"] += kept.stored
                self._counts["uplinks_refused"] += kept.refused
                self._counts["uplinks_cut"] += sum(1 for one in uplinks if one.flags & UPLINK_CUT)
        finally:
            # A store that failed is asked again, and the segment's file is read then.
            if room is not self._room:
                self._journal.give_back(room)
        self._counts["unreadable"] += room.unreadable
        self._counts["segments"] += 1

    def _uplinks(self, room: SegmentRoom) -> list[Uplink]:
        """Return the messages of a segment that are to be stored, in order. Some 6 us each; mostly there are few."""
        uplinks = []
        identity = room.identity
        for at in room.messages:
            frame = frame_at(room.bytes, at, self._kernels, identity)
            message = int(identity[IDENTITY_MESSAGE])
            kept_bytes = self._kept_bytes.get(message, UPLINK_BYTES_MAX)
            if not kept_bytes:
                continue
            flags = UPLINK_ASSEMBLED if frame.kind == KIND_ASSEMBLED else 0
            if len(frame.data) > kept_bytes:
                flags |= UPLINK_CUT
            uplinks.append(
                Uplink(
                    vehicle_id=frame.vehicle_id,
                    terminal=frame.terminal,
                    message=message,
                    version=self._version(int(identity[IDENTITY_FORM]), frame.terminal),
                    serial=int(identity[IDENTITY_SERIAL]),
                    arrival_ms=frame.arrival_ms,
                    node=self._node,
                    sequence=frame.sequence,
                    flags=flags,
                    length=len(frame.data),
                    frame=frame.data[:kept_bytes],
                )
            )
        return uplinks

    def _failed(self, error: Exception) -> None:
        self._counts["failures"] += 1
        self._last_failure = repr(error)
        self.fault = str(error)
