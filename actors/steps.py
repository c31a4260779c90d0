"""What a conversation decides: its steps, and the sessions they are taken in. Carried out by actors/vehicle.py."""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import msgspec

from actors.fleet import Terminal
from actors.media import Transfer
from core.events import Event
from protocols.jt808.codec import Header, encode
from storage.media import NewMedia

RESEND_INDEXES_MAX: Final = 255
"""Missing fragments named in one 0x8003 or 0x8800: their number is one byte. The next question names the others."""


class Action(NamedTuple):
    """A call on Links: its name and its arguments."""

    verb: Literal["send", "admit", "evict", "close", "reenter"]
    arguments: tuple[Any, ...]


class Guarded(NamedTuple):
    """An action that is only right if something still holds in the very moment in which it is taken."""

    action: Action
    fault: Callable[[int], tuple[str, str]]
    """(UTC epoch ms) -> why it must not be taken now, as a code and in words; two empty texts when it may."""
    held: Callable[[str, str, float, int], "list[Step]"]
    """(code, words, Trio's time, UTC epoch ms) -> the steps instead."""


class Done(NamedTuple):
    """A record of the journal whose outcome is durable: it need not be read again."""

    sequence: int


class Keep(NamedTuple):
    """A whole item for the store of media. What the terminal is told follows from what becomes of it."""

    item: NewMedia
    data: bytes
    header: Header
    """Of the message that brought it, or its first packet."""
    record: Terminal
    sequences: tuple[int, ...]
    """Records of the journal that are done with once it is kept."""
    transfer: Transfer | None = None


class Announce(NamedTuple):
    """An item that a terminal has taken, for the store of media, and the id of its event."""

    item: NewMedia
    event_id: str


class Note(NamedTuple):
    """How far a transfer came, for the store of media."""

    item: NewMedia
    state: Literal["partial", "lost"]
    packets: int
    packets_total: int


Step = Event | Action | Guarded | Done | Keep | Announce | Note
"""Steps are carried out in order: events in a row are one append, and what follows waits until it is durable."""


class Session:
    """A terminal logged in on a link."""

    __slots__ = ("epoch", "header", "link", "record")

    def __init__(self, record: Terminal, link: int, epoch: int, header: Header) -> None:
        self.record = record
        self.link = link
        self.epoch = epoch
        self.header = header
        """Header of its last frame: answers and commands have its form."""


def downlink(header: Header, message: int, serial: int) -> Header:
    """Return the header of a message to the terminal that sent a frame with this one."""
    return msgspec.structs.replace(header, message=message, serial=serial, total=0, index=0, encryption=0)


def answer(header: Header, message: int, serial: int, body: msgspec.Struct) -> bytes:
    """Return a downlink for the wire, in the header form, version byte and phone width of a frame of the terminal."""
    return encode(body, downlink(header, message, serial))
