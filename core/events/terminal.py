"""Facts of the conversation: terminals, their sessions, and the commands sent to them."""

import msgspec

from core.events.event import derive_id


class TerminalRegistered(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal asked to be known (0x0100) and was given an authentication code."""

    terminal: int
    vehicle_id: int
    phone: str
    terminal_id: str = ""
    maker: str = ""
    model: str = ""
    plate: str = ""
    plate_colour: int = 0
    province: int = 0
    city: int = 0


class IdentityDisputed(msgspec.Struct, frozen=True, kw_only=True):
    """A 0x0100 named another terminal id for a phone that is known; refused, the running session lives on."""

    terminal: int
    phone: str
    terminal_id_known: str
    terminal_id_claimed: str
    link: int


class SessionOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal authenticated (0x0102). The highest epoch of a terminal is the one that may speak."""

    terminal: int
    vehicle_id: int
    link: int
    epoch: int
    node: str = ""


class SessionClosed(msgspec.Struct, frozen=True, kw_only=True):
    """A session ended. reason: closed, silent, logout, replaced, full, garbage, slow, stopped, rebound, retired."""

    terminal: int
    vehicle_id: int
    link: int
    epoch: int
    reason: str


class TerminalEntered(msgspec.Struct, frozen=True, kw_only=True):
    """A person made a terminal known, or took a retired one back into service."""

    terminal: int
    vehicle_id: int
    """The car it speaks for."""
    role: str = "main"
    from_ms: int = 0
    """Since when, UTC epoch ms."""
    revision: int = 1


class TerminalChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A person changed what is known of a terminal: terminal_id, maker or model."""

    terminal: int
    vehicle_id: int
    fields: tuple[str, ...]
    revision: int


class TerminalBound(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal speaks for this car from a moment on. What was said of the time behind that moment is superseded."""

    terminal: int
    vehicle_id: int
    vehicle_before: int
    role: str
    """main, camera, spare."""
    from_ms: int
    """Since when, UTC epoch ms; in the past where a binding is corrected."""
    revision: int


class TerminalUnbound(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal speaks for no car any more: it is a vehicle of its own from that moment on."""

    terminal: int
    vehicle_id: int
    """Its own, from now on."""
    vehicle_before: int
    from_ms: int
    revision: int


class TerminalRetired(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal was taken out of service: it may not log in any more."""

    terminal: int
    vehicle_before: int
    from_ms: int
    revision: int


class VehicleChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A person changed a car. The event is its store's of now; its terminals have moved with it."""

    vehicle_id: int
    fields: tuple[str, ...]
    """plate, plate_colour, vin, store."""
    store: int
    store_before: int
    revision: int


class CommandRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: send a downlink message to a vehicle's terminal."""

    vehicle_id: int
    message: str
    """Message id of the downlink as 0x…, for example 0x8201."""
    fields: dict[str, object] = {}
    """Fields of the message as its declaration names them."""
    expires_ms: int = 0
    """UTC epoch ms after which it is no longer sent; 0: 60 s after the request."""
    terminal: int = 0
    """To this terminal of the car and no other; 0: to the one that logged in last."""


class CommandApproval(msgspec.Struct, frozen=True, kw_only=True):
    """A person approved or rejected a command of somebody else; the event's actor says who."""

    command: str
    """Id of the command.requested event."""
    vehicle_id: int
    reason: str = ""


class CommandProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A command moved on: the event's type says to which state."""

    command: str
    """Id of the command.requested event."""
    vehicle_id: int
    terminal: int = 0
    """Whom it was sent to; 0 before."""
    serial: int = 0
    attempt: int = 0
    """Which sending, from 1: a new one after a connection was lost. On command.queued: that one did not go out."""
    parts: int = 0
    """Fragments of a long message, 0 for one that fits into a frame; parts_sent of them have gone out."""
    parts_sent: int = 0
    result: int = 0
    why: str = ""
    """As programs know it: offline, lost, driving, refused, …; `reason` says it in words."""
    reason: str = ""
    reply: dict[str, object] = {}
    """What the terminal answered, as the declaration of the reply names it; empty where that is personal or long."""
    node: str = ""
    sequence: int = 0
    """Where the answer stands: the journal's node and number; 0 where there is none."""


def command_decision_id(command: str, vehicle_id: int) -> str:
    """Return the id of the one event that ends a command, whoever says it and whatever it says."""
    return derive_id("vehicle", "command.decided", 1, (command,), f"vehicle:{vehicle_id}")
