"""The messages of JT/T 808 as declared Structs. From a declaration follow encoder, decoder and explainer (wire.py).

To add a message: its Struct, fields in wire order, each with its wire type; one row in MESSAGES; one golden frame in
tests/protocols. Names of fields are keys of the message catalogue: they stay. Texts here are English descriptions.
"""

from collections.abc import Callable
from typing import Annotated, Final, NamedTuple

import msgspec

from protocols.jt808 import control, dialects, media, safety, video
from protocols.jt808.location import ALARM_BITS as ALARM_BITS
from protocols.jt808.location import ITEMS as ITEMS
from protocols.jt808.location import STATUS_BITS as STATUS_BITS
from protocols.jt808.location import STATUS_FIXED as STATUS_FIXED
from protocols.jt808.location import STATUS_SOUTH as STATUS_SOUTH
from protocols.jt808.location import STATUS_WEST as STATUS_WEST
from protocols.jt808.location import Analog as Analog
from protocols.jt808.location import AreaCrossing as AreaCrossing
from protocols.jt808.location import CarriageTemperature as CarriageTemperature
from protocols.jt808.location import DriverBehaviour as DriverBehaviour
from protocols.jt808.location import Fuel as Fuel
from protocols.jt808.location import InputOutput as InputOutput
from protocols.jt808.location import Location as Location
from protocols.jt808.location import ManualAlarm as ManualAlarm
from protocols.jt808.location import Odometer as Odometer
from protocols.jt808.location import OverspeedPlace as OverspeedPlace
from protocols.jt808.location import RecorderSpeed as RecorderSpeed
from protocols.jt808.location import Satellites as Satellites
from protocols.jt808.location import SectionTime as SectionTime
from protocols.jt808.location import SignalStrength as SignalStrength
from protocols.jt808.location import StorageFault as StorageFault
from protocols.jt808.location import TyrePressures as TyrePressures
from protocols.jt808.location import VehicleSignals as VehicleSignals
from protocols.jt808.location import VideoAlarm as VideoAlarm
from protocols.jt808.location import VideoCovered as VideoCovered
from protocols.jt808.location import VideoSignalLost as VideoSignalLost
from protocols.jt808.parameters import PLATE_COLOURS as PLATE_COLOURS
from protocols.jt808.wire import ByVersion, Count, Gbk, Many, Nested, Since, Time, Unsigned, bcd_time_ms
from protocols.jt808.wire import ClippedItem as ClippedItem
from protocols.jt808.wire import Item as Item
from protocols.jt808.wire import Unreadable as Unreadable

Struct = msgspec.Struct

RESULTS: Final = {0: "ok", 1: "failure", 2: "message wrong", 3: "unsupported", 4: "alarm confirmed"}
REGISTER_RESULTS: Final = {
    0: "ok",
    1: "vehicle already registered",
    2: "no such vehicle",
    3: "terminal already registered",
    4: "no such terminal",
}
TEXT_BITS: Final = {
    0: "urgent (2019: with bit 1 the class)",
    2: "display",
    3: "TTS",
    4: "advertising screen",
    5: "CAN fault code",
}


# --- session ----------------------------------------------------------------------------------------------------------


class TerminalGeneralReply(Struct, frozen=True):
    """0x0001: the terminal's answer to a message that has no answer of its own."""

    reply_serial: Annotated[int, Unsigned(2)]
    reply_message: Annotated[int, Unsigned(2)]
    result: Annotated[int, Unsigned(1, names=RESULTS)]


class PlatformGeneralReply(Struct, frozen=True):
    """0x8001: the platform's answer to a message that has no answer of its own."""

    reply_serial: Annotated[int, Unsigned(2)]
    reply_message: Annotated[int, Unsigned(2)]
    result: Annotated[int, Unsigned(1, names=RESULTS)]


class Heartbeat(Struct, frozen=True):
    """0x0002. Empty in the standard; the layout 2020 is ours: what some terminals send in three bytes.

    Bytes that others append are the tail of what is decoded.
    """

    battery_percent: Annotated[int | None, Unsigned(1, unit="%"), Since(2020)] = None
    signal: Annotated[int | None, Unsigned(1), Since(2020)] = None
    state: Annotated[int | None, Unsigned(1), Since(2020)] = None


class Logout(Struct, frozen=True):
    """0x0003."""


class QueryServerTime(Struct, frozen=True):
    """0x0004: what time is it? Of 2019; may be asked before the login."""


class ServerTime(Struct, frozen=True):
    """0x8004: the answer to 0x0004."""

    time_ms: Annotated[int | None, Time(utc=True)]


class ResendRequest(Struct, frozen=True):
    """0x8003, and 0x0005 since 2019: send these fragments of a message again, byte for byte. Not known to 2011."""

    first_serial: Annotated[int, Unsigned(2)]
    """Serial of the message's first fragment."""
    indexes: Annotated[tuple[int, ...], ByVersion({2011: Many(Unsigned(2), 1), 2019: Many(Unsigned(2), 2)})]
    """Which of its fragments, from 1."""


class Register(Struct, frozen=True):
    """0x0100, in the sizes of 2011, 2013 and 2019."""

    province: Annotated[int, Unsigned(2)]
    """First two digits of the GB/T 2260 code, 0: the platform's default."""
    city: Annotated[int, Unsigned(2)]
    """Last four digits."""
    maker: Annotated[str, ByVersion({2011: Gbk(5), 2019: Gbk(11)})]
    model: Annotated[str, ByVersion({2011: Gbk(8, padding=b" "), 2013: Gbk(20), 2019: Gbk(30)})]
    terminal_id: Annotated[str, ByVersion({2011: Gbk(7), 2019: Gbk(30)})]
    plate_colour: Annotated[int, Unsigned(1, names=PLATE_COLOURS)]
    plate: Annotated[str, Gbk()]
    """The VIN when the colour is 0."""


class RegisterReply(Struct, frozen=True):
    """0x8100. The code is meant for result 0 only; some platforms send it anyway."""

    reply_serial: Annotated[int, Unsigned(2)]
    result: Annotated[int, Unsigned(1, names=REGISTER_RESULTS)]
    code: Annotated[str, Gbk()] = ""


class Authenticate(Struct, frozen=True):
    """0x0102. Terminals of 2019 that send the bare code (imei None) are met in the field."""

    code: Annotated[str, ByVersion({2011: Gbk(), 2019: Gbk(prefix=1)})]
    imei: Annotated[str | None, Gbk(15), Since(2019)] = None
    software: Annotated[str | None, Gbk(20), Since(2019)] = None


# --- location ---------------------------------------------------------------------------------------------------------


class LocationReply(Struct, frozen=True, kw_only=True):
    """0x0201: the answer to 0x8201. 2011 has no serial."""

    reply_serial: Annotated[int | None, Unsigned(2), Since(2013)] = None
    location: Annotated[Location, Nested(Location)]


class LocationBatch(Struct, frozen=True, kw_only=True):
    """0x0704: locations sent late. `count` is None unless the terminal's number differs from the list."""

    count: Annotated[int | None, Count(2, of="locations")] = None
    kind: Annotated[int, Unsigned(1, names={0: "normal", 1: "blind-zone re-report"})] = 0
    locations: Annotated[tuple[Location | Unreadable, ...], Many(Nested(Location, prefix=2), count="count")] = ()


class QueryLocation(Struct, frozen=True):
    """0x8201."""


# --- text -------------------------------------------------------------------------------------------------------------


class Text(Struct, frozen=True, kw_only=True):
    """0x8300."""

    flags: Annotated[int, Unsigned(1, bits=TEXT_BITS)]
    kind: Annotated[int | None, Unsigned(1, names={1: "notice", 2: "service"}, absent=1), Since(2019)] = None
    """Unknown to 2013. None is sent as a notice."""
    text: Annotated[str, Gbk()]


# --- all --------------------------------------------------------------------------------------------------------------


class Unknown(Struct, frozen=True):
    """A body that is not declared, is encrypted, is a fragment, or does not hold what its declaration asks for."""

    message: int
    data: bytes


def same_layout(version: int, _body_bytes: int) -> tuple[int, ...]:
    """One layout a version: that of the header."""
    return (version,)


class Message(NamedTuple):
    """One row of MESSAGES."""

    body: type[Struct]
    name: str
    """What it is called, in English; the portal's catalogue has it under `message.0x....` in both languages."""
    layouts: Callable[[int, int], tuple[int, ...]] = same_layout
    """(header version, body length or -1 when encoding) -> versions of the layout to try, best first."""
    reading: Callable[[int, bytes], int] | None = None
    """(header version, body) -> the only layout to read, where the location kernels must choose as we do."""
    answer: int | None = None
    """Message id that the other side answers with; 0: it does not; None: with its general reply."""
    since: int = 2011
    until: int = 2019
    """Editions of JT/T 808 that know it. It is read under any header all the same."""


def old_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """2011 and 2013 share their header: when one form does not come out even, the other may. Written as asked."""
    if body_bytes < 0 or version == 2019:
        return (version,)
    return (2011, 2013) if version == 2011 else (2013, 2011)


def location_reply_reading(version: int, body: bytes) -> int:
    """2011 has no serial in front: where 2013 has its time is none, and where 2011 has its time is one.

    By this alone, as kernels.decode does: a row must not depend on what stands behind the head.
    """
    if version != 2013 or len(body) < 28 or bcd_time_ms(body[22:28]) is None:
        return version
    return 2011 if len(body) < 30 or bcd_time_ms(body[24:30]) is None else 2013


def driver_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """As old_layouts. What is cut short is of 2011 (the layout we call 2012) only where the terminal is."""
    readings = old_layouts(version, body_bytes)
    return (*readings, 2012) if version == 2011 else readings


def old_media_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """2011 writes how many packets and items there are, and some leave that out (the layout we call 2012)."""
    if body_bytes < 0:
        return (2011, 2012) if version == 2011 else (version,)
    readings = old_layouts(version, body_bytes)
    return readings if version == 2019 else (*readings, 2012)


def old_data_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """As old_media_layouts; any data fits the layout 2012, which is therefore for what is too short for 2013 only."""
    readings = old_media_layouts(version, body_bytes)
    return readings if body_bytes < MEDIA_HEAD_BYTES else tuple(each for each in readings if each != 2012)


MEDIA_HEAD_BYTES: Final = 8 + 28
"""0x0801 up to its data, since 2013."""


def register_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """2011 and 2013 share their header and are told apart by length: 2013 has 37 bytes before the plate."""
    if version == 2013 and 0 <= body_bytes < 37:
        return (2011,)
    return (version,)


def authenticate_layouts(version: int, _body_bytes: int) -> tuple[int, ...]:
    """A 2019 body that is not as long as its parts say is a bare code, as in 2013."""
    return (2019, 2013) if version == 2019 else (version,)


def resend_layouts(_version: int, _body_bytes: int) -> tuple[int, ...]:
    """The terminal's request is of 2019 and has its count in two bytes; some have it in one, as 0x8003 of 2013."""
    return (2019, 2013)


def maker_layouts(version: int, _body_bytes: int) -> tuple[int, ...]:
    """Attributes with a maker of 5 bytes or, when that does not come out even, of 11 (the layout we call 2020)."""
    return (version, 2020)


def heartbeat_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """Three bytes are battery, signal and state (the layout we call 2020)."""
    return (2020, version) if body_bytes in (3, -1) else (version,)


def short_batch_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """Seven bytes are battery and time (the layout we call 2020): a location alone takes 28."""
    return (2020, version) if body_bytes in (7, -1) else (version,)


def areas_layouts(_version: int, _body_bytes: int) -> tuple[int, ...]:
    """Areas as they are set, in the form of 2019; or each a whole message that sets some (the layout we call 2020)."""
    return (2019, 2020)


def provincial_layouts(version: int, _body_bytes: int) -> tuple[int, ...]:
    """The alarm's id of Jiangsu, then those of the other provinces: which it is shows in what comes out even."""
    provinces = (safety.HUNAN, safety.HEILONGJIANG_BARE, safety.HEILONGJIANG, safety.SICHUAN, safety.GUANGDONG)
    return (version, *provinces)


def control_layouts(version: int, _body_bytes: int) -> tuple[int, ...]:
    """Commands with their count or, when that does not come out even, without (the layout we call 2020)."""
    return (2019, 2020) if version == 2019 else (version,)


MESSAGES: Final[dict[int, Message]] = {
    0x0001: Message(TerminalGeneralReply, "terminal general reply", answer=0),
    0x0002: Message(Heartbeat, "heartbeat", layouts=heartbeat_layouts),
    0x0003: Message(Logout, "logout"),
    0x0004: Message(QueryServerTime, "server time query", answer=0x8004, since=2019),
    0x0005: Message(ResendRequest, "re-send request by terminal", layouts=resend_layouts, answer=0, since=2019),
    0x0100: Message(Register, "registration", layouts=register_layouts, answer=0x8100),
    0x0102: Message(Authenticate, "authentication", layouts=authenticate_layouts),
    0x0104: Message(control.ParametersReply, "parameters", layouts=old_layouts, answer=0),
    0x0107: Message(control.AttributesReply, "attributes", layouts=maker_layouts, answer=0, since=2013),
    0x0108: Message(control.UpgradeResult, "upgrade result", since=2013),
    0x0109: Message(dialects.QueryTime, "time query of a dialect", answer=0x8109),
    0x0200: Message(Location, "location"),
    0x0201: Message(LocationReply, "location on request", reading=location_reply_reading, answer=0),
    0x0210: Message(dialects.ShortBatch, "location batch of a dialect", layouts=short_batch_layouts),
    0x0301: Message(control.EventReport, "event report", until=2013),
    0x0302: Message(control.QuestionReply, "answer to a question", until=2013),
    0x0303: Message(control.InfoOrder, "information order", until=2013),
    0x0500: Message(control.ControlReply, "vehicle state after control", answer=0),
    0x0506: Message(Heartbeat, "heartbeat of a dialect", layouts=heartbeat_layouts),
    0x0608: Message(control.AreasReply, "areas or routes", layouts=areas_layouts, answer=0, since=2019),
    0x0700: Message(media.RecorderData, "recorder data", layouts=old_layouts, answer=0),
    0x0701: Message(media.Waybill, "electronic waybill"),
    0x0702: Message(media.Driver, "driver identity", layouts=driver_layouts),
    0x0704: Message(LocationBatch, "location batch", since=2013),
    0x0705: Message(media.CanData, "CAN data", since=2013),
    0x0800: Message(media.MediaEvent, "multimedia event"),
    0x0801: Message(media.MediaData, "multimedia data", layouts=old_data_layouts, answer=0x8800),
    0x0802: Message(media.MediaFound, "stored multimedia found", layouts=old_media_layouts, answer=0),
    0x0805: Message(media.ShootReply, "camera shot result", answer=0, since=2013),
    0x0900: Message(media.Transparent, "transparent data from the terminal", layouts=old_layouts),
    0x0901: Message(media.Compressed, "compressed data"),
    0x0A00: Message(media.RsaKey, "RSA key of the terminal"),
    0x1003: Message(video.VideoAttributes, "audio and video attributes", answer=0),
    0x1005: Message(video.Passengers, "passenger flow"),
    0x1205: Message(video.RecordingsFound, "recordings found", answer=0),
    0x1206: Message(video.UploadDone, "recording upload done"),
    0x1210: Message(safety.AlarmFiles, "files of an alarm", layouts=provincial_layouts),
    0x1211: Message(safety.FileInfo, "alarm file announced"),
    0x1212: Message(safety.FileInfo, "alarm file sent", answer=0x9212),
    0x1FC4: Message(safety.UpgradeProgress, "upgrade progress"),
    0x6006: Message(dialects.TextReply, "text from the terminal"),
    0x8001: Message(PlatformGeneralReply, "platform general reply", answer=0),
    0x8003: Message(ResendRequest, "re-send request by platform", answer=0, since=2013),
    0x8004: Message(ServerTime, "server time", answer=0, since=2019),
    0x8100: Message(RegisterReply, "registration reply", answer=0),
    0x8103: Message(control.SetParameters, "set parameters", layouts=old_layouts),
    0x8104: Message(control.QueryAllParameters, "query all parameters", answer=0x0104),
    0x8105: Message(control.TerminalControl, "terminal control"),
    0x8106: Message(control.QueryParameters, "query parameters", answer=0x0104, since=2013),
    0x8107: Message(control.QueryAttributes, "query attributes", answer=0x0107, since=2013),
    0x8108: Message(control.Upgrade, "upgrade package", since=2013),
    0x8109: Message(dialects.TimeReply, "time reply of a dialect", answer=0),
    0x8201: Message(QueryLocation, "query location", answer=0x0201),
    0x8202: Message(control.TrackTemporarily, "temporary tracking"),
    0x8203: Message(control.ConfirmAlarm, "confirm alarm", since=2013),
    0x8204: Message(control.CheckLink, "link check", since=2019),
    0x8300: Message(Text, "text"),
    0x8301: Message(control.SetEvents, "set events", layouts=old_layouts, until=2013),
    0x8302: Message(control.Question, "question", until=2013),
    0x8303: Message(control.SetInfoMenu, "set information menu", layouts=old_layouts, until=2013),
    0x8304: Message(control.Info, "information", layouts=old_layouts, until=2013),
    0x8400: Message(control.CallBack, "call back"),
    0x8401: Message(control.SetPhonebook, "set phone book", layouts=old_layouts),
    0x8500: Message(control.ControlVehicle, "vehicle control", layouts=control_layouts, answer=0x0500),
    0x8600: Message(control.SetCircles, "set circles", layouts=old_layouts),
    0x8601: Message(control.DeleteAreas, "delete circles"),
    0x8602: Message(control.SetRectangles, "set rectangles", layouts=old_layouts),
    0x8603: Message(control.DeleteAreas, "delete rectangles"),
    0x8604: Message(control.SetPolygon, "set polygon", layouts=old_layouts),
    0x8605: Message(control.DeleteAreas, "delete polygons"),
    0x8606: Message(control.SetRoute, "set route", layouts=old_layouts),
    0x8607: Message(control.DeleteAreas, "delete routes"),
    0x8608: Message(control.QueryAreas, "query areas or routes", answer=0x0608, since=2019),
    0x8700: Message(media.RecorderCollect, "collect recorder data", answer=0x0700),
    0x8701: Message(media.RecorderSet, "set recorder", answer=0x0700),
    0x8702: Message(media.QueryDriver, "query driver identity", answer=0x0702, since=2013),
    0x8800: Message(media.MediaReply, "multimedia reply", layouts=old_layouts, answer=0),
    0x8801: Message(media.Shoot, "camera shot", answer=0x0805),
    0x8802: Message(media.SearchMedia, "search stored multimedia", answer=0x0802),
    0x8803: Message(media.UploadMedia, "upload stored multimedia"),
    0x8804: Message(media.RecordAudio, "record audio"),
    0x8805: Message(media.UploadOneMedia, "upload one stored multimedia", since=2013),
    0x8900: Message(media.TransparentOrder, "transparent data to the terminal", layouts=old_layouts),
    0x8A00: Message(media.RsaKey, "RSA key of the platform", answer=0x0A00),
    0x9003: Message(video.QueryVideoAttributes, "query audio and video attributes", answer=0x1003),
    0x9101: Message(video.OpenLive, "open live video"),
    0x9102: Message(video.ControlLive, "control live video"),
    0x9105: Message(video.LiveState, "live video state", answer=0),
    0x9201: Message(video.OpenPlayback, "open playback", answer=0x1205),
    0x9202: Message(video.ControlPlayback, "control playback"),
    0x9205: Message(video.SearchRecordings, "search recordings", answer=0x1205),
    0x9206: Message(video.UploadRecording, "upload recording"),
    0x9207: Message(video.ControlUpload, "control upload"),
    0x9208: Message(safety.OrderFiles, "order the files of an alarm", layouts=provincial_layouts),
    0x9212: Message(safety.FileReply, "alarm file reply", answer=0),
    0x9301: Message(video.RotateCamera, "rotate camera"),
    0x9302: Message(video.AdjustCamera, "camera focus"),
    0x9303: Message(video.AdjustCamera, "camera iris"),
    0x9304: Message(video.AdjustCamera, "camera wiper"),
    0x9305: Message(video.AdjustCamera, "infrared light"),
    0x9306: Message(video.AdjustCamera, "camera zoom"),
}
"""What is declared, by message id. Anything else is Unknown."""


def answer_to(message: int) -> int:
    """Return the id of the message that answers a declared one, 0 when nothing does."""
    answer = MESSAGES[message].answer
    if answer is None:
        return 0x0001 if is_downlink(message) else 0x8001
    return answer


def is_downlink(message: int) -> bool:
    """Tell whether the platform sends a message of this id: bit 15 says so in every edition."""
    return message >= 0x8000
