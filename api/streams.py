"""The event streams of the API: every one is woken by the doorbell, and those that want the same share one read.

A stream holds a position and nothing else. When the log has grown, the first stream that looks from its position reads
a page, encoded once; every other one of equal scope, filter and position gets the same bytes. A client that reads
slowly is waited for: its next page is read when the last one has left, so it costs no memory, and falls behind only
itself. While the log is idle nothing is read.
"""

import asyncio
import contextlib
import functools
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from litestar.concurrency import sync_to_thread

from api.parts import Parts
from api.problems import Problem
from core.doorbell import Ear
from core.limits import STREAM_EVENTS, STREAM_KNOWN_S, STREAM_WAKE_S, STREAMS_MAX, STREAMS_PER_PRINCIPAL_MAX
from core.logging import say
from core.rights import Principal
from storage.errors import StorageError

HEARTBEAT_S: Final = 15.0
"""An idle stream says where it stands this often: proxies cut what is silent for a minute."""
RETRY: Final = b"retry: 2000\n\n"
"""A browser comes back 2 s after a cut."""

CONSENT_TOPICS: Final = frozenset({"consent", "person"})
"""First words of types that change what people allow."""
READ_AGAIN_MAX: Final = 3
"""Times a page is read again because consents changed while it was; the last reading began after the change before
it."""

_ENCODER: Final = msgspec.json.Encoder()


class Filter(NamedTuple):
    """What a stream carries."""

    types: tuple[str, ...] = ()
    subject: str = ""


class _Page(NamedTuple):
    """Events as they go out, how far they reach, and whether more are there already."""

    data: bytes
    seq: int
    full: bool


class Streams:
    """All event streams of one API. Lives on the API's loop; `close` may be called from any thread."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._open: Counter[tuple[int, int]] = Counter()
        self._pages: dict[object, asyncio.Task[_Page]] = {}
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell: Ear | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._seq = 0
        self._consents = 0
        self._woken_s = 0.0
        self._waking: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self.reads = 0
        self.sent = 0
        self.ended = 0
        self.refused = 0

    @property
    def open(self) -> int:
        """Streams that are open now."""
        return sum(self._open.values())

    def statistics(self) -> dict[str, int]:
        """Return counts: streams open, reads of the log, events sent, streams ended for want of a right, or refused."""
        return {
            "open": self.open,
            "reads": self.reads,
            "sent": self.sent,
            "ended": self.ended,
            "refused": self.refused,
        }

    def enter(self, principal: Principal) -> tuple[int, int]:
        """Take a place for a stream; give it back with `leave`.

        Raises:
            Problem: streams_full.
        """
        who = (principal.account, principal.api_key)
        if self._open[who] >= STREAMS_PER_PRINCIPAL_MAX or self.open >= STREAMS_MAX:
            self.refused += 1
            bound = STREAMS_MAX if self.open >= STREAMS_MAX else STREAMS_PER_PRINCIPAL_MAX
            raise Problem("streams_full", f"{bound} event streams are open", headers={"Retry-After": "10"})
        self._open[who] += 1
        self._start()
        return who

    def leave(self, who: tuple[int, int]) -> None:
        """Give the place back."""
        self._open[who] -= 1
        if self._open[who] <= 0:
            del self._open[who]
        if not self._open:
            self._stop()

    def close(self) -> None:
        """End all streams, soon: the server is stopping."""
        self._closed = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake)

    async def carry(
        self,
        principal: Principal,
        wanted: Filter,
        after: int,
        who: tuple[int, int],
        still: Callable[[], Awaitable[Principal | None]],
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of one stream until its right ends, its client goes, or the server stops.

        Args:
            after: number to go on after.
            who: its place, from `enter`; given back at the end.
            still: who asks, as of now; None when they may not any more.
        """
        try:
            yield RETRY
            checked_s = said_s = time.monotonic()
            while not self._closed:
                changed = self._changed
                now_s = time.monotonic()
                if now_s - checked_s >= STREAM_KNOWN_S:
                    with contextlib.suppress(StorageError):  # away: then there are no events to read either
                        known = await still()
                        if known is None:
                            break
                        principal, checked_s = known, now_s
                page = await self._page(principal, wanted, after)
                after = page.seq
                if page.data:
                    yield page.data
                    said_s = time.monotonic()
                elif now_s - said_s >= HEARTBEAT_S:
                    # An id without data is no event to a client, but it resumes from there.
                    yield f": heartbeat\nid: {after}\n\n".encode()
                    said_s = now_s
                if page.full:
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), STREAM_KNOWN_S)
            if not self._closed:
                self.ended += 1
                yield b'event: end\ndata: {"code":"right_missing"}\n\n'
        finally:
            self.leave(who)

    async def _page(self, principal: Principal, wanted: Filter, after: int) -> _Page:
        """Return what there is after a position: one read for all that ask the same while it is under way."""
        if after >= self._seq > 0:
            return _Page(b"", after, False)
        for _ in range(READ_AGAIN_MAX):
            consents = self._consents
            key = (principal.scope, principal.may("terminals.read"), wanted, after, consents)
            task = self._pages.get(key)
            if task is None:
                task = self._pages[key] = asyncio.create_task(self._read(principal, wanted, after))
                task.add_done_callback(functools.partial(self._forget, key))
            # One of those who share it may go while the others wait for it.
            page = await asyncio.shield(task)
            if consents == self._consents or not page.data:
                break
            # A consent changed while it was read: what it was read by may count no more.
        return page

    def _forget(self, key: object, done: object) -> None:
        self._pages.pop(key)

    async def _read(self, principal: Principal, wanted: Filter, after: int) -> _Page:
        self.reads += 1

        def read() -> _Page:
            found = self._parts.reader.events(
                principal, after, types=wanted.types, subject=wanted.subject, limit=STREAM_EVENTS
            )
            frames = [
                b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), _ENCODER.encode(event))
                for event in found.items
            ]
            self.sent += len(frames)
            return _Page(b"".join(frames), found.seq, len(frames) == STREAM_EVENTS)

        try:
            return await sync_to_thread(read)
        except StorageError as error:
            # The log is away: every stream stays where it is and looks again.
            say("streams.waiting", fault=str(error))
            return _Page(b"", after, False)

    # --- waking -------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._loop is not None:
            return
        loop = self._loop = asyncio.get_running_loop()
        self._seq = 0
        doorbell = self._parts.doorbell
        if doorbell is None:
            doorbell = self._bell = Ear(None)

        def rung(seq: int, topics: frozenset[str]) -> None:
            loop.call_soon_threadsafe(self._rung, seq, not CONSENT_TOPICS.isdisjoint(topics))

        self._unsubscribe = doorbell.subscribe(rung)

    def _stop(self) -> None:
        self._unsubscribe()
        if self._bell is not None:
            self._bell.close()
            self._bell = None
        if self._waking is not None:
            self._waking.cancel()
            self._waking = None
        self._loop = None

    def _rung(self, seq: int, of_consent: bool = False) -> None:
        self._consents += of_consent
        if seq > self._seq:
            self._seq = seq
            self._wake_soon()
        elif seq == 0 and (self._looking is None or self._looking.done()):
            # Nobody rings: one look at the head of the log for all.
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        with contextlib.suppress(StorageError):
            self._rung(await sync_to_thread(self._parts.reader.head) or -1)

    def _wake_soon(self) -> None:
        """Wake the streams, at most every STREAM_WAKE_S."""
        if self._waking is None and self._loop is not None:
            wait_s = max(0.0, self._woken_s + STREAM_WAKE_S - self._loop.time())
            self._waking = self._loop.call_later(wait_s, self._wake)

    def _wake(self) -> None:
        self._waking = None
        if self._loop is not None:
            self._woken_s = self._loop.time()
        self._changed.set()
        self._changed = asyncio.Event()


def types_of(given: Sequence[str] | None) -> tuple[str, ...]:
    """Return prefixes as a filter holds them: each once, in order, so that equal wishes are equal."""
    return tuple(sorted(set(given or ()) - {""}))
