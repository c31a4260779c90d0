"""The commands on their way to one vehicle: which wait, which are in the air, which answer belongs to which.

State in, decisions out: no socket, no clock. A command waits until a terminal of the car is logged in, is sent, sent
once more when no answer comes, and ends in exactly one of effective, acked (where the acknowledgement is all there is
to know), failed, or expired.
"""

from math import inf
from typing import Final, NamedTuple

import msgspec

from core.events import CommandRequested, Event
from core.limits import COMMAND_EXPIRES_S, COMMAND_TIMEOUT_S, COMMANDS_OPEN_MAX
from protocols.jt808.messages import MESSAGES

ATTEMPTS_MAX: Final = 2
"""Sent once and repeated once. The second waits twice as long (T(n+1) = T(n) * (n+1), JT/T 808 section 7.1)."""


class Downlink(NamedTuple):
    """One kind of command: what the terminal answers it with."""

    reply: int
    """Message id of the answer that ends it; 0x0001 where there is none of its own."""


DOWNLINKS: Final = {
    0x8201: Downlink(reply=0x0201),
    0x8300: Downlink(reply=0x0001),
}
"""The messages that may be asked for by command.requested."""


class Invalid(Exception):  # noqa: N818 - says what is wrong with a request, which is answered, not an error of ours
    """The request cannot become a message."""


class Command:
    """One command on its way."""

    __slots__ = (
        "acknowledged",
        "attempts",
        "body",
        "deadline_s",
        "event",
        "expires_ms",
        "id",
        "message",
        "serial",
        "terminal",
    )

    def __init__(self, event: Event, message: int, body: msgspec.Struct, expires_ms: int) -> None:
        self.event = event
        self.id = event.id
        self.message = message
        self.body = body
        self.expires_ms = expires_ms
        self.deadline_s = inf
        self.attempts = 0
        self.terminal = 0
        """Terminal that it was sent to; 0 while it waits for one."""
        self.serial = 0
        self.acknowledged = False

    @property
    def reply(self) -> int:
        return DOWNLINKS[self.message].reply


def read_request(event: Event) -> Command:
    """Read a command.requested.

    Raises:
        Invalid: no such downlink, or its fields are not those of the declaration; the text says which.
    """
    request: CommandRequested = event.payload
    try:
        message = int(request.message, 16)
    except ValueError:
        raise Invalid(f"{request.message!r} is no message id") from None
    if message not in DOWNLINKS:
        raise Invalid(f"{message:#06x} cannot be sent as a command")
    declared = MESSAGES[message].body
    unknown = sorted(set(request.fields) - set(declared.__struct_fields__))
    if unknown:
        raise Invalid(f"{message:#06x} has no field {unknown[0]!r}")
    try:
        body = msgspec.convert(request.fields, declared)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from None
    return Command(event, message, body, request.expires_ms or event.time_ms + round(COMMAND_EXPIRES_S * 1000))


class Commands:
    """At most COMMANDS_OPEN_MAX commands, in the order they were asked for."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[str, Command] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, command_id: object) -> bool:
        return command_id in self._open

    @property
    def full(self) -> bool:
        return len(self._open) >= COMMANDS_OPEN_MAX

    def add(self, command: Command, now_s: float, now_ms: int) -> None:
        """Take a command that waits from now on, until it expires."""
        command.deadline_s = now_s + (command.expires_ms - now_ms) / 1000
        self._open[command.id] = command

    def remove(self, command: Command) -> None:
        """Forget a command that has come to its end."""
        del self._open[command.id]

    def waiting(self) -> list[Command]:
        """Return the commands that are not in the air and may be sent, in order."""
        return [one for one in self._open.values() if one.terminal == 0 and one.attempts < ATTEMPTS_MAX]

    def sent(self, command: Command, terminal: int, serial: int, now_s: float) -> None:
        """Note that a command went out."""
        command.terminal = terminal
        command.serial = serial
        command.attempts += 1
        command.deadline_s = now_s + COMMAND_TIMEOUT_S * command.attempts

    def lost(self, terminal: int) -> None:
        """Note that a terminal is gone: what was in the air may be sent again to whoever comes within its time."""
        for command in self._open.values():
            if command.terminal == terminal:
                command.terminal = 0

    def acknowledged(self, terminal: int, serial: int, message: int) -> Command | None:
        """Return the command that a 0x0001 speaks of."""
        for command in self._open.values():
            if (command.terminal, command.serial, command.message) == (terminal, serial, message):
                return command
        return None

    def answered(self, terminal: int, reply: int, serial: int | None) -> Command | None:
        """Return the command that a reply of its own answers; without a serial (2011) the oldest of its kind."""
        for command in self._open.values():
            if command.terminal == terminal and command.reply == reply and serial in (None, command.serial):
                return command
        return None

    def overdue(self, now_s: float) -> list[Command]:
        """Return the commands whose time is over, in order."""
        return [command for command in self._open.values() if command.deadline_s <= now_s]

    @property
    def deadline_s(self) -> float:
        """When the first is overdue, in Trio's time; inf for never."""
        return min((command.deadline_s for command in self._open.values()), default=inf)
