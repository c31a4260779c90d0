"""Put messages together that a terminal sent in fragments. Bytes in, decisions out: no socket, no clock.

Fragments of one message carry consecutive serials, the same id and total, and an index from 1 (protocol sheet section
1.2; JT/T 808 section 4.4.3, packet item). They come out of order, repeated, and mixed with those of other messages.
The intake has acknowledged each one already, so until the whole message stands in the journal again, as one frame, the
fragments' places in the journal are held: a restart reads them once more.
"""

from collections import OrderedDict
from collections.abc import Iterator
from math import inf
from typing import Final, Literal, NamedTuple

from core.intake.links import Frame
from core.limits import (
    FRAGMENT_ASKS_MAX,
    FRAGMENT_BYTES_MAX,
    FRAGMENT_PAUSE_S,
    FRAGMENT_S_MAX,
    FRAGMENT_SETS_MAX,
    FRAGMENT_TOTAL_MAX,
)

CLOSED_MAX: Final = 16
"""Messages remembered after their end, so that a late repeat of a fragment does not begin them anew."""
PACKET_BIT: Final = 1 << 13
LONG_FORM_BIT: Final = 1 << 14
LENGTH_MASK: Final = 0x3FF


class Key(NamedTuple):
    """Which message a fragment belongs to. Total and first serial keep apart two messages of one id."""

    phone: tuple[int, int]
    message: int
    total: int
    first_serial: int


class Fragment(NamedTuple):
    """One frame with a packet item, read."""

    key: Key
    number: int
    """Which of the total, from 1: the index of the packet item."""
    header: bytes
    """The header of the whole message: packet item taken off, packet bit cleared, serial of the first fragment."""
    body: bytes


class Due(NamedTuple):
    """Something to do about a message half received."""

    what: Literal["ask", "reenter", "expired", "refused"]
    """ask: send 0x8003 for `missing`; reenter: hand `frame` to the intake; expired, refused: given up."""
    message: "Message"
    missing: tuple[int, ...] = ()
    frame: bytes = b""
    released: tuple[int, ...] = ()
    """Journal sequences that need not be kept any longer."""


def read_fragment(frame: Frame) -> Fragment | None:
    """Read the header of a frame of CLASS_FRAGMENT; None when its packet item makes no sense."""
    data = frame.data
    attributes = int.from_bytes(data[2:4], "big")
    end = 17 if attributes & LONG_FORM_BIT else 12
    if not attributes & PACKET_BIT or len(data) < end + 4:
        return None
    total = int.from_bytes(data[end : end + 2], "big")
    index = int.from_bytes(data[end + 2 : end + 4], "big")
    if not 1 <= index <= total:
        return None
    serial = int.from_bytes(data[end - 2 : end], "big")
    first_serial = (serial - index + 1) & 0xFFFF
    header = data[:2] + (attributes & ~PACKET_BIT).to_bytes(2, "big") + data[4 : end - 2]
    key = Key(frame.phone, int.from_bytes(data[:2], "big"), total, first_serial)
    return Fragment(key, index, header + first_serial.to_bytes(2, "big"), data[end + 4 :])


class Message:
    """A message of which some fragments are here."""

    __slots__ = (
        "asked",
        "bytes",
        "header",
        "key",
        "link",
        "opened_s",
        "parts",
        "reentered",
        "sequences",
        "terminal",
        "touched_s",
        "vehicle_id",
    )

    def __init__(self, fragment: Fragment, frame: Frame, now_s: float) -> None:
        self.key = fragment.key
        self.header = fragment.header
        self.link = frame.link
        self.terminal = frame.terminal
        self.vehicle_id = frame.vehicle_id
        self.parts: dict[int, bytes] = {}
        self.sequences: list[int] = []
        self.bytes = 0
        self.opened_s = now_s
        self.touched_s = now_s
        self.asked = 0
        self.reentered = False

    @property
    def whole(self) -> bool:
        return len(self.parts) == self.key.total

    def missing(self) -> tuple[int, ...]:
        """Return the indexes that have not come, lowest first."""
        return tuple(index for index in range(1, self.key.total + 1) if index not in self.parts)

    def frame(self) -> bytes:
        """Return the whole message as one frame.

        The length in the header has ten bits: a body above 1,023 bytes keeps the low ones, and readers trust the frame.
        """
        body = b"".join(self.parts[index] for index in range(1, self.key.total + 1))
        attributes = int.from_bytes(self.header[2:4], "big") & ~LENGTH_MASK | len(body) & LENGTH_MASK
        return self.header[:2] + attributes.to_bytes(2, "big") + self.header[4:] + body

    @property
    def deadline_s(self) -> float:
        """When something is to be done about it, in Trio's time."""
        end_s = self.opened_s + FRAGMENT_S_MAX
        if self.whole:
            # Handed in once: the intake's queue keeps it, and after a crash the fragments are read again. Its end is
            # there for a journal that does not hand the message up.
            return end_s if self.reentered else self.touched_s
        if self.asked < FRAGMENT_ASKS_MAX:
            return min(end_s, self.touched_s + FRAGMENT_PAUSE_S * (self.asked + 1))
        return end_s


class Fragments:
    """The messages that one vehicle has half sent: at most FRAGMENT_SETS_MAX of at most FRAGMENT_BYTES_MAX each."""

    __slots__ = ("_closed", "_messages", "_refused")

    def __init__(self) -> None:
        self._messages: dict[Key, Message] = {}
        # Key -> when it may be forgotten.
        self._closed: OrderedDict[Key, float] = OrderedDict()
        self._refused: list[Due] = []

    def take(self, frame: Frame, fragment: Fragment, now_s: float) -> bool:
        """Take a fragment; True when its place in the journal must be held, False when it brought nothing new.

        What is to be done then, `due` says. A repeat never replaces what came first. A message that is over, too
        large, or one too many is dropped whole; `due` tells it as refused.
        """
        key = fragment.key
        if key in self._closed:
            if now_s < self._closed[key]:
                return False
            del self._closed[key]
        message = self._messages.get(key)
        if message is None:
            if key.total > FRAGMENT_TOTAL_MAX:
                self._refused.append(Due("refused", Message(fragment, frame, now_s)))
                return False
            if len(self._messages) == FRAGMENT_SETS_MAX:
                self._refuse(min(self._messages.values(), key=lambda one: one.opened_s), now_s)
            message = self._messages[key] = Message(fragment, frame, now_s)
        if fragment.number in message.parts:
            return False
        if message.bytes + len(fragment.body) > FRAGMENT_BYTES_MAX:
            self._refuse(message, now_s)
            return False
        message.parts[fragment.number] = fragment.body
        message.bytes += len(fragment.body)
        message.sequences.append(frame.sequence)
        message.touched_s = now_s
        # A terminal that logged in anew goes on with the fragments on its new connection.
        message.link = frame.link
        return True

    def assembled(self, phone: tuple[int, int], message: int, serial: int, now_s: float) -> tuple[int, ...]:
        """Note that a whole message has come back from the journal; return the sequences it releases."""
        for key, one in self._messages.items():
            if one.whole and (key.phone, key.message, key.first_serial) == (phone, message, serial):
                self._close(one, now_s)
                return tuple(one.sequences)
        return ()

    def due(self, now_s: float) -> list[Due]:
        """Return what is to be done by now, and take it as done."""
        refused, self._refused = self._refused, []
        return refused + list(self._due(now_s)) if self._messages else refused

    @property
    def deadline_s(self) -> float:
        """When `due` has something to say, in Trio's time; inf for never."""
        if self._refused:
            return -inf
        return min((message.deadline_s for message in self._messages.values()), default=inf)

    @property
    def oldest_open_sequence(self) -> int | None:
        """Lowest journal sequence of a fragment whose message is not whole in the journal yet."""
        return min((message.sequences[0] for message in self._messages.values() if message.sequences), default=None)

    def _due(self, now_s: float) -> Iterator[Due]:
        for message in list(self._messages.values()):
            if now_s < message.deadline_s:
                continue
            if now_s >= message.opened_s + FRAGMENT_S_MAX:
                self._close(message, now_s)
                yield Due("expired", message, released=tuple(message.sequences))
            elif message.whole:
                message.reentered = True
                message.touched_s = now_s
                yield Due("reenter", message, frame=message.frame())
            else:
                message.asked += 1
                message.touched_s = now_s
                yield Due("ask", message, missing=message.missing())

    def _refuse(self, message: Message, now_s: float) -> None:
        self._close(message, now_s)
        self._refused.append(Due("refused", message, released=tuple(message.sequences)))

    def _close(self, message: Message, now_s: float) -> None:
        del self._messages[message.key]
        self._closed[message.key] = now_s + FRAGMENT_S_MAX
        if len(self._closed) > CLOSED_MAX:
            self._closed.popitem(last=False)
