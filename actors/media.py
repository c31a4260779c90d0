"""Pictures, sounds and films (0x0800, 0x0801) on their way from a terminal to the store.

`Transfers` puts the packets of a car's items together: bytes in, decisions out, no socket and no clock. Other messages
in fragments re-enter the journal as one frame; an item does not: it may be 2 MiB and stands in the journal packet by
packet already. Their places there are held until its file, row and event are on disk, so a restart reads them again.

`Keeper` does what blocks, in worker threads: a car waits for its own items, never for another's.
"""

from collections import OrderedDict
from collections.abc import Container, Iterator
from functools import partial
from math import inf
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

import msgspec
import trio

from actors.fleet import Terminal
from actors.fragments import Fragment, read_fragment
from core.actor import until_it_holds
from core.intake.links import Frame
from core.limits import (
    MEDIA_ASKS_MAX,
    MEDIA_BYTES_MAX,
    MEDIA_MEMORY_BYTES_MAX,
    MEDIA_OPEN_MAX,
    MEDIA_PACKETS_MAX,
    MEDIA_PAUSE_S,
    MEDIA_S_MAX,
    MEDIA_WRITES_AT_ONCE,
)
from core.media import UNKNOWN, content_type_of
from protocols.jt808.codec import ProtocolError, decode
from protocols.jt808.media import MediaData
from protocols.report import TIME_AHEAD_MS_MAX, TIME_MS_MIN
from storage.media import Kept, NewMedia

MEDIA_DATA: Final = 0x0801
CLOSED_MAX: Final = 16
"""Items remembered after their end, so that a late repeat of a packet does not begin them anew."""
CLOSED_S: Final = 120.0
HEAD_BYTES_2011: Final = 16
"""id, kind, format, event, channel, packets, packet: what stands before the data of each packet in 2011 form."""
ITEM_HEAD_BYTES: Final = 8
Result = TypeVar("Result")

TRIES_MAX: Final = 3
"""An item whose keeping ends in an error of ours is tried so often; then it is given up, counted."""


class Key(NamedTuple):
    """Which item a packet belongs to."""

    phone: tuple[int, int]
    total: int
    first: int
    """Serial of the first packet; the item's own number where packets are numbered in the body (2011)."""
    numbered: bool


class Due(NamedTuple):
    """Something to do about an item half received."""

    what: Literal["ask", "keep", "lost", "refused"]
    """ask: for `missing`; keep: it is whole; lost: given up half received; refused: too large, or no room for it."""
    transfer: "Transfer"
    missing: tuple[int, ...] = ()


class Room:
    """Bytes of packets that all cars of a process hold in memory."""

    __slots__ = ("bytes", "bytes_max")

    def __init__(self, bytes_max: int = MEDIA_MEMORY_BYTES_MAX) -> None:
        self.bytes = 0
        self.bytes_max: Final = bytes_max


class Transfer:
    """An item of which some packets are here."""

    __slots__ = (
        "asked",
        "bytes",
        "frame",
        "header",
        "key",
        "media_id",
        "opened_s",
        "parts",
        "sequences",
        "terminal",
        "told",
        "touched_s",
        "tries",
    )

    def __init__(self, key: Key, header: bytes, frame: Frame, now_s: float) -> None:
        self.key = key
        self.header = header
        """Of the whole message: no packet item, the serial of the first packet."""
        self.frame = frame
        """The last that came: its terminal, car and arrival are the item's."""
        self.terminal = frame.terminal
        self.media_id: int | None = None
        """What the terminal calls it; None until the first packet is here."""
        self.parts: dict[int, bytes] = {}
        self.sequences: list[int] = []
        self.bytes = 0
        self.opened_s = now_s
        self.touched_s = now_s
        self.asked = 0
        self.told = False
        """Its row says that packets are missing."""
        self.tries = 0

    @property
    def whole(self) -> bool:
        return len(self.parts) == self.key.total

    def missing(self) -> tuple[int, ...]:
        """Return the numbers of the packets that have not come, lowest first."""
        return tuple(number for number in range(1, self.key.total + 1) if number not in self.parts)

    def body(self) -> bytes:
        """Return the packets that are here, in order."""
        return b"".join(self.parts[number] for number in sorted(self.parts))

    @property
    def deadline_s(self) -> float:
        """When something is to be done about it, in Trio's time."""
        if self.whole:
            return self.touched_s
        return min(self.opened_s + MEDIA_S_MAX, self.touched_s + MEDIA_PAUSE_S * (self.asked + 1))


class Transfers:
    """The items that one car has half sent: at most MEDIA_OPEN_MAX of at most MEDIA_BYTES_MAX each."""

    __slots__ = ("_closed", "_open", "_refused", "_room")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._open: dict[Key, Transfer] = {}
        # Key -> (when it may be forgotten, the item's number if it is stored).
        self._closed: OrderedDict[Key, tuple[float, int | None]] = OrderedDict()
        self._refused: list[Due] = []

    def take(self, frame: Frame, key: Key, number: int, header: bytes, data: bytes, now_s: float) -> bool:
        """Take a packet; True when its place in the journal must be held, False when it brought nothing new.

        What is to be done then, `due` says. A repeat never replaces what came first. An item that is over, too large
        or one too many is dropped whole; `due` tells it as refused.
        """
        if key in self._closed:
            if now_s < self._closed[key][0]:
                return False
            del self._closed[key]
        transfer = self._open.get(key)
        if transfer is None:
            transfer = Transfer(key, header, frame, now_s)
            if number == 1:
                transfer.media_id = int.from_bytes(data[:4], "big") if len(data) >= ITEM_HEAD_BYTES else None
            if key.total > MEDIA_PACKETS_MAX or self._room.bytes >= self._room.bytes_max:
                self._close(transfer, now_s)
                self._refused.append(Due("refused", transfer))
                return False
            if len(self._open) == MEDIA_OPEN_MAX:
                self._give_up(min(self._open.values(), key=lambda one: one.opened_s), "lost", now_s)
            self._open[key] = transfer
        if number in transfer.parts:
            return False
        if transfer.bytes + len(data) > MEDIA_BYTES_MAX + HEAD_BYTES_2011 + 28:
            self._give_up(transfer, "refused", now_s)
            return False
        if number == 1 and len(data) >= ITEM_HEAD_BYTES:
            transfer.media_id = int.from_bytes(data[:4], "big")
        transfer.parts[number] = data
        transfer.bytes += len(data)
        self._room.bytes += len(data)
        transfer.sequences.append(frame.sequence)
        transfer.touched_s = now_s
        # It goes on: whatever was asked for is coming. A terminal that logged in anew goes on on its new connection.
        transfer.asked = 0
        transfer.frame = frame
        return True

    def stored_before(self, key: Key, now_s: float) -> int | None:
        """Return the number of the item that a late packet belongs to, where it is stored already."""
        until_s, media_id = self._closed.get(key, (-inf, None))
        return media_id if now_s < until_s else None

    def kept(self, transfer: Transfer, now_s: float, *, stored: bool) -> None:
        """Note that an item which `due` handed out has been stored, or refused: it is over."""
        self._close(transfer, now_s, transfer.media_id if stored else None)

    def due(self, now_s: float, online: Container[int]) -> list[Due]:
        """Return what is to be done by now, and take questions as asked.

        Args:
            online: terminals that can be asked. While one is away, nothing is asked and no patience used up.
        """
        refused, self._refused = self._refused, []
        return refused + list(self._due(now_s, online))

    @property
    def deadline_s(self) -> float:
        """When `due` has something to say, in Trio's time; inf for never."""
        if self._refused:
            return -inf
        return min((transfer.deadline_s for transfer in self._open.values()), default=inf)

    @property
    def oldest_open_sequence(self) -> int | None:
        """Lowest journal sequence of a packet whose item is not stored yet."""
        return min((one.sequences[0] for one in self._open.values() if one.sequences), default=None)

    @property
    def open(self) -> list[Transfer]:
        """The items on their way. Other threads may look at them."""
        return list(self._open.values())

    def _due(self, now_s: float, online: Container[int]) -> Iterator[Due]:
        for transfer in list(self._open.values()):
            if now_s < transfer.deadline_s:
                continue
            if transfer.whole:
                transfer.tries += 1
                if transfer.tries <= TRIES_MAX:
                    yield Due("keep", transfer)
                else:
                    yield self._ended(transfer, "lost", now_s)
            elif now_s >= transfer.opened_s + MEDIA_S_MAX or transfer.asked >= MEDIA_ASKS_MAX:
                yield self._ended(transfer, "lost", now_s)
            elif transfer.terminal in online:
                transfer.asked += 1
                transfer.touched_s = now_s
                yield Due("ask", transfer, transfer.missing())
            else:
                transfer.touched_s = now_s

    def _give_up(self, transfer: Transfer, what: Literal["lost", "refused"], now_s: float) -> None:
        self._refused.append(self._ended(transfer, what, now_s))

    def _ended(self, transfer: Transfer, what: Literal["lost", "refused"], now_s: float) -> Due:
        self._close(transfer, now_s)
        return Due(what, transfer)

    def _close(self, transfer: Transfer, now_s: float, media_id: int | None = None) -> None:
        if self._open.pop(transfer.key, None) is not None:
            self._room.bytes -= transfer.bytes
        self._closed[transfer.key] = (now_s + CLOSED_S, media_id)
        if len(self._closed) > CLOSED_MAX:
            self._closed.popitem(last=False)


# --- what packets say -------------------------------------------------------------------------------------------------


def packet_of(frame: Frame) -> tuple[Key, Fragment] | None:
    """Read a frame of CLASS_FRAGMENT that carries 0x0801; None when its packet item makes no sense."""
    fragment = read_fragment(frame)
    if fragment is None:
        return None
    return Key(frame.phone, fragment.key.total, fragment.key.first_serial, numbered=False), fragment


def read_item(header: bytes, parts: list[bytes], version: int | None) -> MediaData | None:
    """Read the body of a whole 0x0801, by the edition whose reading finds a file behind the head.

    A terminal of 2011 numbers packets in the body, one of 2013 has a location there, and a restart forgets which of the
    two a terminal is. Where neither reading finds a file that we know, the terminal's edition counts.

    Args:
        header: as frames have it, without a packet item.
        parts: the packets' bodies in order.
        version: what is known of the terminal's edition; None for nothing.

    Returns:
        None when the body is no 0x0801 by any reading.
    """
    frame = header + b"".join(parts)
    readings: list[MediaData] = []
    for edition in dict.fromkeys((version, None, 2011)):
        if edition == 2011 and header[2] & 0x40:
            continue
        try:
            body = decode(frame, edition).body
        except ProtocolError:
            return None
        if isinstance(body, MediaData):
            if body.total is not None and len(parts) > 1 and _each_has_a_head(parts):
                body = msgspec.structs.replace(body, data=b"".join(part[HEAD_BYTES_2011:] for part in parts))
            readings.append(body)
    known = (body for body in readings if content_type_of(body.data) != UNKNOWN)
    return next(known, readings[0] if readings else None)


def _each_has_a_head(parts: list[bytes]) -> bool:
    """Tell whether every packet begins with the head of 2011 and its own number."""
    return all(
        part[:12] == parts[0][:12] and int.from_bytes(part[12:16], "big") == number
        for number, part in enumerate(parts, 1)
    )


def is_numbered_part(body: MediaData) -> bool:
    """Tell whether a 0x0801 of 2011 form is one of several packets, each a message of its own."""
    return body.total is not None and body.number is not None and 1 <= body.number <= body.total != 1


def new_media(record: Terminal, frame: Frame, body: MediaData) -> NewMedia:
    """Return what a terminal says of an item, in the store's terms. A mad clock's time is not taken for true."""
    head = body.location
    time_ms = head.time_ms if head is not None else None
    if time_ms is None or not TIME_MS_MIN <= time_ms <= frame.arrival_ms + TIME_AHEAD_MS_MAX:
        time_ms = frame.arrival_ms
    fixed = head is not None and head.fixed and head.latitude <= 90_000_000 and head.longitude <= 180_000_000
    return NewMedia(
        group=record.group,
        store=record.store,
        vehicle=record.vehicle_id,
        terminal=record.terminal,
        media_id=body.media_id,
        kind=body.kind,
        format=body.format,
        event=body.event,
        channel=body.channel,
        time_ms=time_ms,
        lat_1e7=head.lat_1e7 if fixed and head else None,
        lon_1e7=head.lon_1e7 if fixed and head else None,
        speed_kmh10=head.speed_kmh10 if head is not None else None,
        arrival_ms=frame.arrival_ms,
    )


# --- the store --------------------------------------------------------------------------------------------------------


class Store(Protocol):
    """The durable side, storage.media.MediaStore. All calls block."""

    def put(self, item: NewMedia, data: bytes) -> Kept: ...
    def announce(self, item: NewMedia, event_id: str) -> None: ...
    def note(self, item: NewMedia, state: Literal["partial", "lost"], packets: int, packets_total: int) -> None: ...


class KeeperStatistics(msgspec.Struct, frozen=True):
    """How much is on its way."""

    held_bytes: int
    """Packets in memory."""
    failures: int
    """Calls of the store that failed and were repeated."""


class Keeper:
    """The way of this process into the store of media. A store that cannot be reached is waited for."""

    def __init__(self, store: Store) -> None:
        self.room: Final = Room()
        self._store = store
        self._limiter = trio.CapacityLimiter(MEDIA_WRITES_AT_ONCE)
        self._failures = 0

    async def put(self, item: NewMedia, data: bytes) -> Kept:
        """Store an item; returns once it is on disk, or refused."""
        return await self._call(partial(self._store.put, item, data), "storing media")

    async def announce(self, item: NewMedia, event_id: str) -> None:
        """Note what a terminal has announced; returns once it is on disk."""
        await self._call(partial(self._store.announce, item, event_id), "announcing media")

    async def note(self, item: NewMedia, state: Literal["partial", "lost"], packets: int, packets_total: int) -> None:
        """Note how a transfer stands; returns once it is on disk."""
        await self._call(partial(self._store.note, item, state, packets, packets_total), "noting media")

    async def _call(self, call: "partial[Result]", name: str) -> Result:
        attempt = partial(trio.to_thread.run_sync, call, limiter=self._limiter)
        return await until_it_holds(attempt, name, failed=self._failed)

    def statistics(self) -> KeeperStatistics:
        """Return how much is on its way."""
        return KeeperStatistics(self.room.bytes, self._failures)

    def _failed(self, _error: Exception) -> None:
        self._failures += 1
