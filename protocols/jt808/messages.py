"""The messages of JT/T 808 as declared Structs. From a declaration follow encoder, decoder and explainer (wire.py).

To add a message: its Struct, fields in wire order, each with its wire type; one row in MESSAGES; one golden frame in
tests/protocols. Names of fields are keys of the message catalogue: they stay. Texts here are English descriptions.
"""

from collections.abc import Callable
from typing import Annotated, Final, NamedTuple, TypeVar

import msgspec

from protocols.jt808.wire import (
    ByVersion,
    Count,
    Gbk,
    IfMore,
    Items,
    Many,
    Nested,
    Raw,
    Signed,
    SignMagnitude,
    Since,
    Time,
    TimeUtc,
    Unreadable,
    Unsigned,
)
from protocols.jt808.wire import ClippedItem as ClippedItem
from protocols.jt808.wire import Item as Item

Struct = msgspec.Struct

RESULTS: Final = {0: "ok", 1: "failure", 2: "message wrong", 3: "unsupported", 4: "alarm confirmed"}
REGISTER_RESULTS: Final = {
    0: "ok",
    1: "vehicle already registered",
    2: "no such vehicle",
    3: "terminal already registered",
    4: "no such terminal",
}
PLATE_COLOURS: Final = {
    0: "no plate, the text is the VIN",
    1: "blue",
    2: "yellow",
    3: "black",
    4: "white",
    5: "green",
    9: "other",
    91: "farm yellow",
    92: "farm green",
    93: "yellow-green",
    94: "gradient green",
}
ALARM_BITS: Final = {
    0: "emergency button",
    1: "overspeed",
    2: "fatigue",
    3: "danger warning",
    4: "GNSS module fault",
    5: "GNSS antenna open",
    6: "GNSS antenna short",
    7: "main power low",
    8: "main power cut",
    9: "display fault",
    10: "TTS fault",
    11: "camera fault",
    12: "licence-card module fault",
    13: "overspeed warning",
    14: "fatigue warning",
    15: "violation driving",
    16: "tyre pressure",
    17: "right-turn blind zone",
    18: "daily driving over limit",
    19: "parked too long",
    20: "in or out of area",
    21: "in or out of route",
    22: "section time too short or long",
    23: "off route",
    24: "VSS fault",
    25: "fuel abnormal",
    26: "stolen",
    27: "illegal ignition",
    28: "illegal move",
    29: "collision",
    30: "rollover",
    31: "illegal door opening",
}
STATUS_BITS: Final = {
    0: "ACC on",
    1: "fixed",
    2: "south",
    3: "west",
    4: "out of service",
    5: "coordinates encrypted",
    6: "forward-collision warning",
    7: "lane-departure warning",
    8: "load bit 0",
    9: "load bit 1",
    10: "fuel cut",
    11: "electric cut",
    12: "doors locked",
    13: "door 1 open",
    14: "door 2 open",
    15: "door 3 open",
    16: "door 4 open",
    17: "door 5 open",
    18: "GPS used",
    19: "BeiDou used",
    20: "GLONASS used",
    21: "Galileo used",
    22: "moving",
}
STATUS_FIXED: Final = 1 << 1
STATUS_SOUTH: Final = 1 << 2
STATUS_WEST: Final = 1 << 3
SIGNAL_BITS: Final = dict(
    enumerate(
        [
            "low beam",
            "high beam",
            "right turn",
            "left turn",
            "brake",
            "reverse",
            "fog",
            "marker",
            "horn",
            "air conditioning",
            "neutral",
            "retarder",
            "ABS",
            "heater",
            "clutch",
        ]
    )
)
VIDEO_ALARM_BITS: Final = {
    0: "signal lost",
    1: "covered",
    2: "storage fault",
    3: "other device fault",
    4: "overcrowded",
    5: "abnormal driving",
    6: "special-alarm recording full",
}
CHANNEL_BITS: Final = {bit: f"channel {bit + 1}" for bit in range(32)}
STORAGE_BITS: Final = {bit: f"main {bit + 1}" if bit < 12 else f"backup {bit - 11}" for bit in range(16)}
BEHAVIOUR_BITS: Final = {0: "fatigue", 1: "phone", 2: "smoking"}
PLACES: Final = {0: "none", 1: "circle", 2: "rectangle", 3: "polygon", 4: "section"}
AREAS: Final = {1: "circle", 2: "rectangle", 3: "polygon", 4: "route"}
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
    """0x0002. Some terminals append bytes of their own: they are the tail of what is decoded."""


class Logout(Struct, frozen=True):
    """0x0003."""


class QueryServerTime(Struct, frozen=True):
    """0x0004: what time is it? Of 2019; may be asked before the login."""


class ServerTime(Struct, frozen=True):
    """0x8004: the answer to 0x0004."""

    time_ms: Annotated[int | None, TimeUtc()]


class ResendRequest(Struct, frozen=True):
    """0x8003: send these fragments of a message again, byte for byte. Not known to 2011."""

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


class Odometer(Struct, frozen=True):
    distance_km10: Annotated[int, Unsigned(4, unit="km", scale=0.1)]


class Fuel(Struct, frozen=True):
    volume_l10: Annotated[int, Unsigned(2, unit="L", scale=0.1)]


class RecorderSpeed(Struct, frozen=True):
    speed_kmh10: Annotated[int, Unsigned(2, unit="km/h", scale=0.1)]


class ManualAlarm(Struct, frozen=True):
    """An alarm that someone has to confirm by hand (0x8203)."""

    alarm_serial: Annotated[int, Unsigned(2)]


class TyrePressures(Struct, frozen=True):
    """One byte a wheel from the left front, row by row; 0xff: no wheel. 30 bytes in the standard."""

    pressures: Annotated[bytes, Raw()]


class CarriageTemperature(Struct, frozen=True):
    temperature_c: Annotated[int, SignMagnitude(2, unit="°C")]


class OverspeedPlace(Struct, frozen=True):
    kind: Annotated[int, Unsigned(1, names=PLACES)]
    place_id: Annotated[int | None, Unsigned(4), IfMore()] = None


class AreaCrossing(Struct, frozen=True):
    kind: Annotated[int, Unsigned(1, names=AREAS)]
    area_id: Annotated[int, Unsigned(4)]
    direction: Annotated[int, Unsigned(1, names={0: "in", 1: "out"})]


class SectionTime(Struct, frozen=True):
    section_id: Annotated[int, Unsigned(4)]
    time_s: Annotated[int, Unsigned(2, unit="s")]
    result: Annotated[int, Unsigned(1, names={0: "too short", 1: "too long"})]


class VideoAlarm(Struct, frozen=True):
    """JT/T 1078."""

    alarm: Annotated[int, Unsigned(4, bits=VIDEO_ALARM_BITS)]


class VideoSignalLost(Struct, frozen=True):
    channels: Annotated[int, Unsigned(4, bits=CHANNEL_BITS)]


class VideoCovered(Struct, frozen=True):
    channels: Annotated[int, Unsigned(4, bits=CHANNEL_BITS)]


class StorageFault(Struct, frozen=True):
    stores: Annotated[int, Unsigned(2, bits=STORAGE_BITS)]


class DriverBehaviour(Struct, frozen=True):
    kinds: Annotated[int, Unsigned(2, bits=BEHAVIOUR_BITS)]
    degree: Annotated[int | None, Unsigned(1), IfMore()] = None
    """0-100; left out by some."""


class VehicleSignals(Struct, frozen=True):
    signals: Annotated[int, Unsigned(4, bits=SIGNAL_BITS)]


class InputOutput(Struct, frozen=True):
    state: Annotated[int, Unsigned(2, bits={0: "deep sleep", 1: "sleep"})]


class Analog(Struct, frozen=True):
    channel_1: Annotated[int, Unsigned(2)]
    channel_0: Annotated[int, Unsigned(2)]


class SignalStrength(Struct, frozen=True):
    strength: Annotated[int, Unsigned(1)]


class Satellites(Struct, frozen=True):
    satellites: Annotated[int, Unsigned(1)]


ITEMS: Final[dict[int, type[Struct]]] = {
    0x01: Odometer,
    0x02: Fuel,
    0x03: RecorderSpeed,
    0x04: ManualAlarm,
    0x05: TyrePressures,
    0x06: CarriageTemperature,
    0x11: OverspeedPlace,
    0x12: AreaCrossing,
    0x13: SectionTime,
    0x14: VideoAlarm,
    0x15: VideoSignalLost,
    0x16: VideoCovered,
    0x17: StorageFault,
    0x18: DriverBehaviour,
    0x25: VehicleSignals,
    0x2A: InputOutput,
    0x2B: Analog,
    0x30: SignalStrength,
    0x31: Satellites,
}

DeclaredItem = TypeVar("DeclaredItem", bound=Struct)


class Location(Struct, frozen=True):
    """The body of 0x0200: a head of 28 bytes, then items.

    Coordinates are as on the wire: 1e-6 degree without a sign; the hemisphere is in the status word. The properties
    put both together.
    """

    alarm: Annotated[int, Unsigned(4, bits=ALARM_BITS)]
    status: Annotated[int, Unsigned(4, bits=STATUS_BITS)]
    latitude: Annotated[int, Unsigned(4, unit="°", scale=1e-6)]
    longitude: Annotated[int, Unsigned(4, unit="°", scale=1e-6)]
    altitude_m: Annotated[int, Signed(2, unit="m")] = 0
    speed_kmh10: Annotated[int, Unsigned(2, unit="km/h", scale=0.1)] = 0
    course_deg: Annotated[int, Unsigned(2, unit="°")] = 0
    time_ms: Annotated[int | None, Time()] = None
    items: Annotated[tuple[Struct, ...], Items(ITEMS)] = ()

    @property
    def lat_1e7(self) -> int:
        """Latitude in 1e-7 degree, north positive."""
        return -10 * self.latitude if self.status & STATUS_SOUTH else 10 * self.latitude

    @property
    def lon_1e7(self) -> int:
        """Longitude in 1e-7 degree, east positive."""
        return -10 * self.longitude if self.status & STATUS_WEST else 10 * self.longitude

    @property
    def fixed(self) -> bool:
        return bool(self.status & STATUS_FIXED)

    def item(self, kind: type[DeclaredItem]) -> DeclaredItem | None:
        """Return the first item of a kind, None when there is none."""
        return next((item for item in self.items if isinstance(item, kind)), None)


class LocationReply(Struct, frozen=True, kw_only=True):
    """0x0201: the answer to 0x8201. 2011 has no serial."""

    reply_serial: Annotated[int | None, Unsigned(2), Since(2013)] = None
    location: Annotated[Location, Nested(Location)]


class LocationBatch(Struct, frozen=True, kw_only=True):
    """0x0704: locations sent late. `count` follows from the list unless a terminal says otherwise."""

    count: Annotated[int, Count(2, of="locations")] = -1
    kind: Annotated[int, Unsigned(1, names={0: "normal", 1: "blind-zone re-report"})] = 0
    locations: Annotated[tuple[Location | Unreadable, ...], Many(Nested(Location, prefix=2), count="count")] = ()

    def __post_init__(self) -> None:
        if self.count < 0:
            msgspec.structs.force_setattr(self, "count", len(self.locations))


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


class Message(NamedTuple):
    """One row of MESSAGES."""

    body: type[Struct]
    layouts: Callable[[int, int], tuple[int, ...]] = lambda version, body_bytes: (version,)
    """(header version, body length or -1 when encoding) -> versions of the layout to try, best first."""


def register_layouts(version: int, body_bytes: int) -> tuple[int, ...]:
    """2011 and 2013 share their header and are told apart by length: 2013 has 37 bytes before the plate."""
    if version == 2013 and 0 <= body_bytes < 37:
        return (2011,)
    return (version,)


def authenticate_layouts(version: int, _body_bytes: int) -> tuple[int, ...]:
    """A 2019 body that is not as long as its parts say is a bare code, as in 2013."""
    return (2019, 2013) if version == 2019 else (version,)


MESSAGES: Final[dict[int, Message]] = {
    0x0001: Message(TerminalGeneralReply),
    0x0002: Message(Heartbeat),
    0x0003: Message(Logout),
    0x0004: Message(QueryServerTime),
    0x0100: Message(Register, register_layouts),
    0x0102: Message(Authenticate, authenticate_layouts),
    0x0200: Message(Location),
    0x0201: Message(LocationReply),
    0x0704: Message(LocationBatch),
    0x8001: Message(PlatformGeneralReply),
    0x8003: Message(ResendRequest),
    0x8004: Message(ServerTime),
    0x8100: Message(RegisterReply),
    0x8201: Message(QueryLocation),
    0x8300: Message(Text),
}
"""What is declared, by message id. Anything else is Unknown."""
