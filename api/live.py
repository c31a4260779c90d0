"""The live feed: GET /api/v1/live, a WebSocket that carries every car of the reader's scope as it moves, in binary.

Once a second one copy of the vehicle table is encoded to records of 20 bytes, once for each distinct scope, and every
feed of that scope gets the same bytes: what changed since the frame it got last. A feed that reads slowly skips ticks
and later gets their changes merged, so that it is never behind by more than what its own line holds; nothing is queued
for it but the frame under way. docs/live-feed.md describes the bytes.
"""

import asyncio
import contextlib
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec
import numpy as np
from litestar import Request, Response, WebSocket, get, websocket
from litestar.concurrency import sync_to_thread
from litestar.exceptions import WebSocketDisconnect

from api.guards import known, principal_of
from api.messages import language_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from core.data_classes import lesser
from core.limits import (
    LIVE_CARS_PER_FRAME_MAX,
    LIVE_FEEDS_MAX,
    LIVE_FEEDS_PER_READER_MAX,
    LIVE_SLOW_S_MAX,
)
from core.logging import say
from core.metrics import Metrics
from core.rights import PRECISION_1E7, Principal, Scope
from protocols.report import FLAG_NO_FIX, FLAG_POSITION_BAD
from storage.errors import StorageError

VERSION: Final = 1
SNAPSHOT: Final = 1
"""Every car of the scope: what the receiver had before is void."""
UPDATE: Final = 2
"""Cars that changed, came or went since the frame before."""
HEARTBEAT: Final = 3
"""Nothing changed."""

HEADER: Final = struct.Struct("<BBBBIqII")
"""version, kind, bytes a record, 1 if more frames of this tick follow, records, server time in epoch ms, tick, cars in
the scope: 24 bytes, so that the records behind it start on four bytes."""
RECORD: Final = np.dtype(
    [
        ("vehicle_id", "<u4"),
        ("lat_1e7", "<i4"),
        ("lon_1e7", "<i4"),
        ("time_s", "<u4"),  # of the fix, UTC epoch seconds
        ("speed_kmh10", "<u2"),
        ("course_2deg", "u1"),
        ("flags", "u1"),
    ]
)
assert RECORD.itemsize == 20
assert HEADER.size == 24

ONLINE: Final = 1
IGNITION: Final = 2
MOVING: Final = 4
ALARM_SOS: Final = 8
ALARM_CRASH: Final = 16
ALARM_OTHER: Final = 32
NO_FIX: Final = 64
GONE: Final = 128
"""No longer in the reader's scope; only vehicle_id means anything."""

MOVING_KMH10: Final = 50
"""From 5 km/h a car drives: below it a parked receiver's noise looks like speed."""
STATUS_IGNITION: Final = 1
BITS_SOS: Final = 1
BITS_CRASH: Final = 1 << 29 | 1 << 30
"""Bits of the alarm word: emergency button, collision and rollover (JT/T 808 table 24)."""

TICK_S: Final = 1.0
FRESH_S: Final = 0.2
"""How old a look at what people allow may be when a frame leaves by it."""
RECHECK_S: Final = 5.0
"""How long a feed may outlive the right to it."""

CLOSE_REVOKED: Final = 4401
CLOSE_FORBIDDEN: Final = 4403
CLOSE_SLOW: Final = 4408
CLOSE_FULL: Final = 4429
"""Close codes are part of the contract, as problem codes are."""


class Source(Protocol):
    """Where every car of the node is now."""

    def rows(self) -> np.ndarray:
        """Return a copy of the live rows (core.vehicle_table.LIVE) by vehicle id. Blocking, some milliseconds."""

    def online_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return (n,) bool: a terminal of that row's vehicle is logged in. Blocking, some milliseconds."""


def encode(rows: np.ndarray, online: np.ndarray, precision: str = "exact") -> np.ndarray:
    """Return live rows as (n,) RECORD.

    Args:
        rows: (n,) LIVE.
        online: (n,) bool.
        precision: of core.rights; coordinates become multiples of its step. `none` must not come here.
    """
    records = np.zeros(len(rows), RECORD)
    records["vehicle_id"] = rows["vehicle_id"]
    step = PRECISION_1E7[precision]
    for name in ("lat_1e7", "lon_1e7"):
        value = rows[name]
        records[name] = value if step == 1 else (value.astype(np.int64) + step // 2) // step * step
    records["time_s"] = rows["time_ms"] // 1000
    records["speed_kmh10"] = rows["speed_kmh10"]
    records["course_2deg"] = rows["course_deg"] % 360 // 2
    alarm = rows["alarm"]
    records["flags"] = (
        np.where(online, ONLINE, 0)
        | np.where(rows["status"] & STATUS_IGNITION, IGNITION, 0)
        | np.where(rows["speed_kmh10"] >= MOVING_KMH10, MOVING, 0)
        | np.where(alarm & BITS_SOS, ALARM_SOS, 0)
        | np.where(alarm & BITS_CRASH, ALARM_CRASH, 0)
        | np.where(alarm & ~np.uint32(BITS_SOS | BITS_CRASH), ALARM_OTHER, 0)
        | np.where(rows["flags"] & (FLAG_NO_FIX | FLAG_POSITION_BAD), NO_FIX, 0)
    )
    return records


def as_placed(rows: np.ndarray, online: np.ndarray, placed: Mapping[int, str]) -> np.ndarray:
    """Return the live rows of those cars only whose people allow it, as (n,) RECORD: where each is, to its own rung,
    and nothing of how it is driven.

    Args:
        placed: vehicle id -> rung, as Reader.placed says it.
    """
    parts = []
    for rung in sorted(set(placed.values())):
        mine = np.isin(rows["vehicle_id"], np.array([car for car, own in placed.items() if own == rung], np.int64))
        parts.append(encode(rows[mine], online[mine], rung))
    records = np.concatenate([EMPTY, *parts])
    records["speed_kmh10"] = records["course_2deg"] = 0
    records["flags"] &= ONLINE | NO_FIX
    return records[np.argsort(records["vehicle_id"], kind="stable")]


def in_scope(rows: np.ndarray, scope: Scope) -> np.ndarray:
    """Return (n,) bool: the row's vehicle belongs to the scope."""
    inside = rows["group"] == scope.group
    if scope.stores is not None:
        inside = inside & np.isin(rows["store"], np.array(scope.stores, np.int64))
    return inside


class Board:
    """The cars of one scope as of one tick, and in which tick each of them changed last. Never changed once made."""

    def __init__(self, tick: int, time_ms: int, records: np.ndarray, changed: np.ndarray) -> None:
        """Take what is known.

        Args:
            records: (n,) RECORD by vehicle id; those that went carry GONE.
            changed: (n,) int64, the tick of each one's last change.
        """
        self.tick = tick
        self.time_ms = time_ms
        self.records = records
        self.changed = changed
        self._frames: dict[int, list[bytes]] = {}

    def next(self, tick: int, time_ms: int, fresh: np.ndarray) -> "Board":
        """Return the board of a later tick, on which the scope's cars are `fresh`, (n,) RECORD by vehicle id."""
        before = self.records
        if len(before) == len(fresh) and np.array_equal(before["vehicle_id"], fresh["vehicle_id"]):
            changed = np.where(_differ(before, fresh), tick, self.changed)
            return Board(tick, time_ms, fresh, changed)
        there = np.isin(before["vehicle_id"], fresh["vehicle_id"], assume_unique=True)
        gone, gone_changed = before[~there], self.changed[~there]
        went = (gone["flags"] & GONE) == 0
        gone["flags"] = GONE
        gone_changed = np.where(went, tick, gone_changed)
        changed = np.full(len(fresh), tick, np.int64)
        at = np.searchsorted(fresh["vehicle_id"], before["vehicle_id"][there])
        same = ~_differ(before[there], fresh[at])
        changed[at[same]] = self.changed[there][same]
        records = np.concatenate([fresh, gone])
        order = np.argsort(records["vehicle_id"], kind="stable")
        return Board(tick, time_ms, records[order], np.concatenate([changed, gone_changed])[order])

    def frames(self, since: int) -> list[bytes]:
        """Return the frames that bring a receiver of tick `since` (-1: of nothing) to this one. Encoded once each."""
        frames = self._frames.get(since)
        if frames is None:
            frames = self._frames[since] = self._encode(since)
        return frames

    def _encode(self, since: int) -> list[bytes]:
        there = (self.records["flags"] & GONE) == 0
        if since < 0:
            kind, records = SNAPSHOT, self.records[there]
        else:
            records = self.records[self.changed > since]
            kind = UPDATE if len(records) else HEARTBEAT
        cars = int(np.count_nonzero(there))
        frames = []
        for first in range(0, max(len(records), 1), LIVE_CARS_PER_FRAME_MAX):
            part = records[first : first + LIVE_CARS_PER_FRAME_MAX]
            more = first + LIVE_CARS_PER_FRAME_MAX < len(records)
            head = HEADER.pack(VERSION, kind, RECORD.itemsize, more, len(part), self.time_ms, self.tick, cars)
            frames.append(head + part.tobytes())
            if kind == SNAPSHOT:
                kind = UPDATE  # Only the first frame of a snapshot voids what was there.
        return frames


def _differ(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return (n,) bool: the records of two arrays differ, row by row."""
    words = RECORD.itemsize // 4
    pairs = (np.ascontiguousarray(rows).view(np.uint32).reshape(-1, words) for rows in (before, after))
    old, new = pairs
    return np.asarray((old != new).any(axis=1))


EMPTY: Final = np.zeros(0, RECORD)


class Feed:
    """One open WebSocket: whose it is, and what it has."""

    __slots__ = ("reader", "scope", "since")

    def __init__(self, reader: str, scope: Scope) -> None:
        self.reader = reader
        self.scope = scope
        self.since = -1


class FeedsFullError(Exception):
    """No further feed is opened; the text says which bound was met."""


class LiveStatistics(msgspec.Struct, frozen=True):
    """What became of feeds and frames."""

    feeds: int
    ticks: int
    frames: int
    bytes: int
    skipped: int
    slow: int
    refused: int
    revoked: int


class LiveHub:
    """All live feeds of one process. Belongs to the API's loop; only `_survey` runs in a worker thread.

    The clock runs while somebody looks on: it starts with the first feed and stops with the last.
    """

    def __init__(
        self, source: Source, tick_s: float = TICK_S, placed: Callable[[Scope], Mapping[int, str]] = lambda scope: {}
    ) -> None:
        """
        Args:
            placed: a scope that is not by contract -> its cars whose people allow it, and how exactly: Reader.placed.
                Blocking.
        """
        self._source = source
        self._placed = placed
        self._surveyed_s = 0.0
        self._tick_s = tick_s
        self._feeds: set[Feed] = set()
        self._boards: dict[Scope, Board] = {}
        self._tick = 0
        # Neither belongs to a loop before it is waited for: the hub may be made in another thread.
        self._ticked = asyncio.Event()
        self._fresh = asyncio.Lock()
        self._clock: asyncio.Task[None] | None = None
        self.frames = self.bytes = self.skipped = self.slow = self.refused = self.revoked = 0

    def statistics(self) -> LiveStatistics:
        """Return how many feeds are open and what they were sent."""
        return LiveStatistics(
            feeds=len(self._feeds),
            ticks=self._tick,
            frames=self.frames,
            bytes=self.bytes,
            skipped=self.skipped,
            slow=self.slow,
            refused=self.refused,
            revoked=self.revoked,
        )

    def open(self, reader: str, scope: Scope) -> Feed:
        """Return a new feed; `close` it whatever happens.

        Args:
            reader: who it is counted for.

        Raises:
            FeedsFullError: this reader, or all together, have as many as there may be.
        """
        own = sum(feed.reader == reader for feed in self._feeds)
        if own >= LIVE_FEEDS_PER_READER_MAX or len(self._feeds) >= LIVE_FEEDS_MAX:
            self.refused += 1
            bound = LIVE_FEEDS_PER_READER_MAX if own >= LIVE_FEEDS_PER_READER_MAX else LIVE_FEEDS_MAX
            raise FeedsFullError(f"{bound} live feeds are open already")
        feed = Feed(reader, scope)
        self._feeds.add(feed)
        if self._clock is None:
            self._clock = asyncio.create_task(self._run(), name="live")
            self._clock.add_done_callback(self._stopped)
        return feed

    def close(self, feed: Feed) -> None:
        """Forget a feed. With the last one the clock stops, and what was known of the cars goes with it."""
        self._feeds.discard(feed)
        if not self._feeds and self._clock is not None:
            self._clock.cancel()
            self._clock = None
            self._boards.clear()

    def rescope(self, feed: Feed, scope: Scope) -> None:
        """Go on with other cars, or other precision: the feed's next frame is a snapshot."""
        if scope != feed.scope:
            feed.scope = scope
            feed.since = -1

    async def next(self, feed: Feed) -> list[bytes]:
        """Wait for the next tick that the feed has not seen, and return the frames that bring it there."""
        while True:
            board = self._boards.get(feed.scope)
            # What people allow may have ended since the tick: who comes late for it waits for the next one.
            fresh = feed.scope.by_contract or time.monotonic() - self._surveyed_s <= FRESH_S
            if board is not None and board.tick > feed.since and fresh:
                break
            if self._clock is None or self._clock.done():
                raise RuntimeError("the clock of the live feeds has stopped")
            # What the feed may see can change while it waits here: look again from the start.
            await (self._first(feed.scope) if board is None else self._ticked.wait())
        if feed.since >= 0:
            self.skipped += board.tick - feed.since - 1
        frames = board.frames(feed.since)
        feed.since = board.tick
        self.frames += len(frames)
        self.bytes += sum(map(len, frames))
        return frames

    async def _first(self, scope: Scope) -> None:
        """Make the board of a scope that nobody has looked at yet."""
        async with self._fresh:
            if scope not in self._boards:
                self._boards |= await asyncio.to_thread(self._survey, {scope: None}, self._tick)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            # A tick that came late is not made good for: the next one brings the same cars.
            due = max(due + self._tick_s, loop.time())
            await asyncio.sleep(due - loop.time())
            async with self._fresh:
                wanted = {feed.scope for feed in self._feeds}
                boards = {scope: board for scope, board in self._boards.items() if scope in wanted}
                try:
                    boards = await asyncio.to_thread(self._survey, boards, self._tick + 1)
                except StorageError as fault:
                    say("live.waiting", fault=str(fault))
                    continue
                self._tick += 1
                self._boards = boards
            self._wake()

    def _wake(self) -> None:
        ticked, self._ticked = self._ticked, asyncio.Event()
        ticked.set()

    def _stopped(self, clock: asyncio.Task[None]) -> None:
        if not clock.cancelled() and clock.exception() is not None:
            say("live.stopped", error=clock.exception())
            self._wake()

    def _survey(self, boards: Mapping[Scope, Board | None], tick: int) -> dict[Scope, Board]:
        """Look at the table once and return the next board of each scope."""
        time_ms = time.time_ns() // 1_000_000
        rows = self._source.rows()
        online = self._source.online_rows(rows)
        exact: dict[str, np.ndarray] = {}
        found = {}
        self._surveyed_s = time.monotonic()
        for scope, board in boards.items():
            if not scope.by_contract:
                mine = in_scope(rows, scope)
                most = {car: lesser(rung, scope.precision) for car, rung in self._placed(scope).items()}
                records = as_placed(
                    rows[mine], online[mine], {car: rung for car, rung in most.items() if rung != "none"}
                )
            else:
                if scope.precision not in exact:
                    exact[scope.precision] = encode(rows, online, scope.precision)
                records = exact[scope.precision][in_scope(rows, scope)]
            if board is None:
                found[scope] = Board(tick, time_ms, records, np.full(len(records), tick, np.int64))
            else:
                found[scope] = board.next(tick, time_ms, records)
        return found

    def show(self, metrics: Metrics) -> None:
        """Show the hub's figures among the node's."""
        # One app a process shows its feeds; a second one over the same parts (tests make such) does not count twice.
        if f"live_{FIGURES[0][0]}" not in {figure.name for figure in metrics.figures()}:
            metrics.statistics("live", self.statistics, FIGURES, gauges=("feeds",))
            metrics.bound("live_feeds", LIVE_FEEDS_MAX)


FIGURES: Final = (
    ("feeds", "Live feeds open."),
    ("ticks", "Times the vehicle table was encoded for live feeds."),
    ("frames", "Frames sent to live feeds."),
    ("bytes", "Bytes of those frames."),
    ("skipped", "Ticks that slow feeds skipped; their changes came merged with a later one."),
    ("slow", "Feeds closed because they did not read."),
    ("refused", "Feeds refused because there were as many as there may be."),
    ("revoked", "Feeds closed because the right to them was gone."),
)


async def serve_feed(
    socket: WebSocket[Any, Any, Any],
    hub: LiveHub,
    principal: Principal,
    recheck: Callable[[], "Any"],
    *,
    slow_s_max: float = LIVE_SLOW_S_MAX,
    recheck_s: float = RECHECK_S,
) -> None:
    """Feed an accepted WebSocket until either side ends it.

    Args:
        recheck: -> awaitable of the principal as they stand now, None once they may not read positions any more.
    """
    try:
        feed = hub.open(reader_of(principal), principal.scope)
    except FeedsFullError as full:
        await socket.close(CLOSE_FULL, str(full))
        return
    tasks = {
        asyncio.create_task(_send(socket, hub, feed, slow_s_max)),
        asyncio.create_task(_watch(hub, feed, recheck, recheck_s)),
        asyncio.create_task(_listen(socket)),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        hub.close(feed)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if task.exception() is not None:
            raise task.exception() or RuntimeError
    code, reason = max(task.result() for task in done)
    if code == CLOSE_SLOW:
        hub.slow += 1
        extensions: dict[str, Any] = socket.scope.get("extensions") or {}
        cut = extensions.get(CUT)
        if cut is not None:
            cut(code, reason)
            return
    if code == CLOSE_REVOKED:
        hub.revoked += 1
    if code:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(socket.close(code, reason), CUT_S)


CUT: Final = "carillon.cut"
"""Name of what api.server puts into a WebSocket's scope: (code, reason) -> end it although it does not read."""
CUT_S: Final = 2.0
"""How long a close frame may take to leave."""


def reader_of(principal: Principal) -> str:
    """Return whom a principal's feeds are counted for: their account, their key, or where they come from."""
    if principal.api_key:
        return f"key:{principal.api_key}"
    return f"account:{principal.account}" if principal.account else f"address:{principal.address}"


async def _send(socket: WebSocket[Any, Any, Any], hub: LiveHub, feed: Feed, slow_s_max: float) -> tuple[int, str]:
    while True:
        for frame in await hub.next(feed):
            try:
                # Waits while anything sent before has not left this process: see Wire in api.server.
                await asyncio.wait_for(socket.send_bytes(frame), slow_s_max)
            except TimeoutError:
                return CLOSE_SLOW, f"nothing was read for {slow_s_max:.0f} s"


async def _watch(hub: LiveHub, feed: Feed, recheck: Callable[[], Any], recheck_s: float) -> tuple[int, str]:
    while True:
        await asyncio.sleep(recheck_s)
        principal: Principal | None = await recheck()
        if principal is None or principal.scope.precision == "none":
            return CLOSE_REVOKED, "the right to this feed is gone"
        hub.rescope(feed, principal.scope)


async def _listen(socket: WebSocket[Any, Any, Any]) -> tuple[int, str]:
    """Read until the peer goes. What it says means nothing yet."""
    try:
        while True:
            await socket.receive_data(mode="text")
    except WebSocketDisconnect:
        return 0, ""


@websocket("/live", opt={"right": "positions.read", "by_consent": True})
async def read_live(socket: WebSocket[Any, Any, Any]) -> None:
    """Feed positions of the principal's vehicles; see docs/live-feed.md."""
    parts: Parts = socket.app.state.parts
    principal = principal_of(socket)
    await socket.accept()
    if principal.scope.precision == "none":
        await socket.close(CLOSE_FORBIDDEN, "no position is shown to this account")
        return
    await sync_to_thread(parts.reader.note, principal, "live")

    async def recheck() -> Principal | None:
        try:
            now = await known(socket)
        except Problem:
            return None
        return now if now is not None and now.may("positions.read") else None

    await serve_feed(socket, socket.app.state.live, principal, recheck)


class StoreName(msgspec.Struct, frozen=True):
    """What a store is called."""

    store: int
    name: str
    """In the reader's language."""


class Names(msgspec.Struct, frozen=True):
    """What the cars of the live feed are called, in columns of one length, and the stores they belong to."""

    vehicles: list[int]
    plates: list[str]
    stores: list[int]
    store_names: list[StoreName]


@get(
    "/live/names",
    summary="Names of the live feed's vehicles",
    opt={"right": "vehicles.read"},
    responses=answers(*KEYED),
)
async def read_live_names(request: Request[Any, Any, Any]) -> Response[Names]:
    """Return the plates of all vehicles in the scope: the feed itself carries numbers only."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    found = await sync_to_thread(parts.registry.names, principal.scope)
    language = language_of(
        request.query_params.get("lang") or principal.language, request.headers.get("accept-language", "")
    )
    stores = [StoreName(number, zh if language == "zh" else en) for number, zh, en in found.store_names]
    return Response(
        Names(found.vehicles, found.plates, found.stores, stores), headers={"Cache-Control": "private, no-cache"}
    )


RESOURCES: Final = (read_live, read_live_names)
