"""What the messages of a terminal mean that are neither reports nor logins: what is kept, said and answered of each.

MEANINGS at the foot has a row for each message that becomes an event. The others (CAN data, transparent and compressed
data, keys, vendors' own) are rows of the table `uplink`, which the recorder writes, and nothing more: they come too
often to be events, or say nothing to whoever reads events.

State in, decisions out: no socket, no clock.
"""

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import msgspec

from core.events import (
    AlarmFilesAnnounced,
    DriverCard,
    DriverEventReported,
    Event,
    InformationChosen,
    MessageReceived,
    PassengersCounted,
    QuestionAnswered,
    RecorderReported,
    RecordingUploaded,
    UpgradeFinished,
    derive_id,
)
from core.limits import UPLINK_EVENTS_PER_HOUR_MAX
from protocols.jt808.messages import MESSAGES, Unknown, answer_to
from protocols.jt808.safety import FilePart, FileReply

MEDIA_HEAD_BYTES: Final = 64
"""Of a picture the header (17 bytes, 21 in fragments), what it is (8) and where it was taken (28)."""

KEPT_BYTES: Final[Mapping[int, int]] = MappingProxyType({0x0001: 0, 0x0801: MEDIA_HEAD_BYTES})
"""Message -> bytes that the recorder keeps of its frames. A general reply is in the log as what it decided, and the
data of pictures, sound and video are kept as files."""

RESULT_OK: Final = 0
RESULT_WRONG: Final = 2
RESULT_UNSUPPORTED: Final = 3

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS


class Meaning(NamedTuple):
    """What a message says that becomes an event."""

    kind: str
    """Type of the event."""
    payload: type[MessageReceived]
    fields: dict[str, Any]
    purpose: str = "service"


class Heard(NamedTuple):
    """A message as the conversation read it."""

    vehicle_id: int
    terminal: int
    group: int
    store: int
    node: str
    sequence: int
    arrival_ms: int
    serial: int
    message: int
    body: Any
    data: bytes
    """The whole frame."""


class Uplinks:
    """The messages of one car's terminals that become events."""

    __slots__ = ("_hour", "_said")

    def __init__(self) -> None:
        self._hour = 0
        self._said = 0

    def event(self, heard: Heard, command: str = "") -> tuple[Event | None, bool]:
        """Return the event that a message is, if it is one, and whether it is one too many in its hour.

        Args:
            command: the command that it answers; empty where none does wait for it.

        A terminal that missed the answer says the same again under the same serial: that is the same event. Of one car
        UPLINK_EVENTS_PER_HOUR_MAX of an hour of arrival become events; what comes beyond is a row and no event.
        """
        read = MEANINGS.get(heard.message)
        meaning = read(heard.body) if read is not None and not isinstance(heard.body, Unknown) else None
        if meaning is None or (command and heard.message in UNASKED):
            return None, False
        hour = heard.arrival_ms // HOUR_MS
        if hour != self._hour:
            self._hour, self._said = hour, 0
        self._said += 1
        if self._said > UPLINK_EVENTS_PER_HOUR_MAX:
            return None, True
        fields = dict(meaning.fields)
        if heard.message in LATER:
            fields["command"] = command
        subject = f"vehicle:{heard.vehicle_id}"
        # Serials come again after 65,536 frames: of a day, equal bytes under one serial are one saying.
        digest = hashlib.blake2b(heard.data, digest_size=16).hexdigest()
        source = f"uplink:{heard.terminal}:{heard.serial}:{heard.arrival_ms // DAY_MS}:{digest}"
        cause = fields.get("command", "")
        event = Event(
            id=derive_id("vehicle", meaning.kind, 1, (source,), subject),
            type=meaning.kind,
            time_ms=heard.arrival_ms,
            subject=subject,
            key=subject,
            group=heard.group,
            store=heard.store,
            actor="vehicle",
            cause=cause,
            correlation=cause,
            depth=1 if cause else 0,
            purpose=meaning.purpose,
            payload=meaning.payload(
                vehicle_id=heard.vehicle_id,
                terminal=heard.terminal,
                message=f"0x{heard.message:04X}",
                node=heard.node,
                sequence=heard.sequence,
                **fields,
            ),
        )
        return event, False


def reply_to(heard: Heard) -> tuple[int, msgspec.Struct] | None:
    """Return the answer of its own (message, body) that a message gets from here; None where the general reply is it,
    or somebody else's work."""
    reply = OWN_REPLIES.get(heard.message)
    return None if reply is None or isinstance(heard.body, Unknown) else reply(heard.body)


def result_of(message: int, body: Any) -> int:
    """Return the result that a general reply to a message carries."""
    if not isinstance(body, Unknown):
        return RESULT_OK
    return RESULT_WRONG if message in MESSAGES else RESULT_UNSUPPORTED


def _file_missing(body: Any) -> tuple[int, msgspec.Struct]:
    """0x1212: the data go to an attachment server; on this link none came, so all of it is missing."""
    return 0x9212, FileReply(name=body.name, kind=body.kind, result=1, parts=(FilePart(0, body.size_bytes),))


def _card(body: Any) -> Meaning:
    # 2011 knows no state: it speaks when a card was read.
    kind = "driver.card.removed" if body.state == 2 else "driver.card.inserted"
    return Meaning(kind, DriverCard, {"result": body.result or 0})


def _information(body: Any) -> Meaning:
    kind = "information.ordered" if body.ordered else "information.cancelled"
    return Meaning(kind, InformationChosen, {"information": body.info_id})


def _passengers(body: Any) -> Meaning:
    times = {"from_ms": body.start_ms or 0, "to_ms": body.end_ms or 0}
    return Meaning("passengers.counted", PassengersCounted, {**times, "got_on": body.got_on, "got_off": body.got_off})


def _answered(body: Any) -> Meaning:
    return Meaning("question.answered", QuestionAnswered, {"answer": body.answer_id})


def _uploaded(body: Any) -> Meaning:
    return Meaning("recording.uploaded", RecordingUploaded, {"result": body.result})


MEANINGS: Final[Mapping[int, Callable[[Any], Meaning | None]]] = MappingProxyType(
    {
        0x0108: lambda body: Meaning(
            "upgrade.finished", UpgradeFinished, {"target": body.target, "result": body.result}
        ),
        0x0301: lambda body: Meaning("driver.event.reported", DriverEventReported, {"event": body.event_id}),
        0x0302: _answered,
        0x0303: _information,
        0x0700: lambda body: Meaning("recorder.reported", RecorderReported, {"block": body.asked}),
        0x0701: lambda body: Meaning("waybill.reported", MessageReceived, {}),
        0x0702: _card,
        0x1005: _passengers,
        0x1206: _uploaded,
        0x1210: lambda body: Meaning(
            "alarm.files.announced", AlarmFilesAnnounced, {"files": len(body.files)}, purpose="safety"
        ),
    }
)
"""Message -> what it says that becomes an event."""

UNASKED: Final = frozenset({0x0700, 0x0702})
"""Messages that are events only when nobody asked: otherwise the command's own story tells of them."""

LATER: Final = frozenset({0x0108, 0x0302, 0x1206})
"""Messages that answer a command long after the general reply to it: their events name it."""

OWN_REPLIES: Final[Mapping[int, Callable[[Any], tuple[int, msgspec.Struct]]]] = MappingProxyType(
    {0x1212: _file_missing}
)
"""Message -> its answer, where that is not the general reply and follows from the message alone."""
assert all(answer_to(message) for message in OWN_REPLIES)
