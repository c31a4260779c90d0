"""Facts that a terminal's messages tell, beside positions and alarms: numbers and ids only.

Each names the message behind it: (node, sequence) is its row in the table `uplink`, where who may reads what it says.
Names of drivers, waybills and texts never stand here.
"""

import msgspec


class MessageReceived(msgspec.Struct, frozen=True, kw_only=True):
    """a message of a terminal; what it says is its row in the table uplink."""

    vehicle_id: int
    terminal: int
    message: str
    """Message id as 0x…, for example 0x0701."""
    node: str
    sequence: int
    """Number of its record in that node's journal."""


class DriverCard(MessageReceived, frozen=True, kw_only=True):
    """a driver's licence card went in or out (0x0702). result: 0 read, 1 not genuine, 2 locked, 3 pulled, 4 damaged."""

    result: int = 0


class DriverEventReported(MessageReceived, frozen=True, kw_only=True):
    """the driver chose an entry of the menu of events (0x0301)."""

    event: int
    """Number of the entry, as 0x8301 set it."""


class QuestionAnswered(MessageReceived, frozen=True, kw_only=True):
    """the driver answered a question (0x0302). command: who asked; empty where that is not known."""

    command: str = ""
    """Id of the command.requested event."""
    answer: int
    """Number of the answer, as 0x8302 offered it."""


class InformationChosen(MessageReceived, frozen=True, kw_only=True):
    """the driver ordered or cancelled a kind of information (0x0303)."""

    information: int
    """Number of the kind, as 0x8303 set it."""


class UpgradeFinished(MessageReceived, frozen=True, kw_only=True):
    """an upgrade came to its end (0x0108). result: 0 ok, 1 failed, 2 cancelled, 16 and up why it could not be."""

    command: str = ""
    """Id of the command.requested event that began it; empty where that is not known."""
    target: int
    """What was upgraded: 0 the terminal, 12 the card reader, 52 the BeiDou module."""
    result: int


class PassengersCounted(MessageReceived, frozen=True, kw_only=True):
    """passengers got on and off between two times (0x1005)."""

    from_ms: int = 0
    to_ms: int = 0
    got_on: int
    got_off: int


class RecordingUploaded(MessageReceived, frozen=True, kw_only=True):
    """a recording was uploaded, or could not be (0x1206). result: 0 ok, 1 failed."""

    command: str = ""
    """Id of the command.requested event that asked for it; empty where that is not known."""
    result: int


class RecorderReported(MessageReceived, frozen=True, kw_only=True):
    """the drive recorder sent a block that nobody waits for (0x0700)."""

    block: int
    """Command of GB/T 19056 whose data it is."""


class AlarmFilesAnnounced(MessageReceived, frozen=True, kw_only=True):
    """a terminal announced the files of an alarm (0x1210)."""

    files: int
