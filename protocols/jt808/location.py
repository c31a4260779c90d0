"""Locations: the body of 0x0200, which also lies inside 0x0201, 0x0500, 0x0704, 0x0801 and 0x0802, and its items."""

from typing import Annotated, Final, TypeVar

import msgspec

from protocols.jt808.safety import SAFETY
from protocols.jt808.vendors import COMMON
from protocols.jt808.wire import (
    IfMore,
    ItemRow,
    Items,
    ItemTable,
    Raw,
    Signed,
    SignMagnitude,
    Time,
    Unsigned,
    bits_text,
)

Struct = msgspec.Struct

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
LOADS: Final = {0: "", 1: "half loaded", 2: "load reserved", 3: "fully loaded"}
"""Bits 8 and 9 of the status word together; 0 is empty, and what cars say that do not know."""
LOAD_BITS: Final = 0x300
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


class BareTail(Struct, frozen=True):
    """What some terminals send in place of items: 18 bytes right behind the head."""

    reserved: Annotated[bytes, Raw(4)]
    distance_km: Annotated[int, Unsigned(4, unit="km")]
    battery_v10: Annotated[int, Unsigned(2, unit="V", scale=0.1)]
    area_id: Annotated[int, Unsigned(4)]
    signal: Annotated[int, Unsigned(1)]
    reserved_2: Annotated[bytes, Raw(3)]


STANDARD: Final = ItemTable(
    "JT/T 808",
    [
        ItemRow(0x01, Odometer),
        ItemRow(0x02, Fuel),
        ItemRow(0x03, RecorderSpeed),
        ItemRow(0x04, ManualAlarm),
        ItemRow(0x05, TyrePressures),
        ItemRow(0x06, CarriageTemperature),
        ItemRow(0x11, OverspeedPlace),
        ItemRow(0x12, AreaCrossing),
        ItemRow(0x13, SectionTime),
        ItemRow(0x14, VideoAlarm),
        ItemRow(0x15, VideoSignalLost),
        ItemRow(0x16, VideoCovered),
        ItemRow(0x17, StorageFault),
        ItemRow(0x18, DriverBehaviour),
        ItemRow(0x25, VehicleSignals),
        ItemRow(0x2A, InputOutput),
        ItemRow(0x2B, Analog),
        ItemRow(0x30, SignalStrength),
        ItemRow(0x31, Satellites),
        ItemRow(0, BareTail, lengths=(18,), id_bytes=0, length_bytes=0),
    ],
    strict=True,
)
ITEMS: Final[dict[int, type[Struct]]] = {row.id: row.struct for row in STANDARD.rows if row.id_bytes}
"""Items of the standard and of JT/T 1078, by id."""

DeclaredItem = TypeVar("DeclaredItem", bound=Struct)


class Status(Unsigned):
    """The status word: single bits, and the load in two of them."""

    def meaning(self, value: int) -> str:
        words = [bits_text(value & ~LOAD_BITS, STATUS_BITS), LOADS[(value & LOAD_BITS) >> 8]]
        return ", ".join(word for word in words if word)


class LocationHead(Struct, frozen=True):
    """The first 28 bytes of a location.

    Coordinates are as on the wire: 1e-6 degree without a sign; the hemisphere is in the status word. The properties
    put both together.
    """

    alarm: Annotated[int, Unsigned(4, bits=ALARM_BITS)]
    status: Annotated[int, Status(4)]
    latitude: Annotated[int, Unsigned(4, unit="°", scale=1e-6)]
    longitude: Annotated[int, Unsigned(4, unit="°", scale=1e-6)]
    altitude_m: Annotated[int, Signed(2, unit="m")] = 0
    speed_kmh10: Annotated[int, Unsigned(2, unit="km/h", scale=0.1)] = 0
    course_deg: Annotated[int, Unsigned(2, unit="°")] = 0
    time_ms: Annotated[int | None, Time()] = None

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


class Location(LocationHead, frozen=True):
    """0x0200: the head, then items."""

    items: Annotated[tuple[Struct, ...], Items(STANDARD, SAFETY, COMMON)] = ()

    def item(self, kind: type[DeclaredItem]) -> DeclaredItem | None:
        """Return the first item of a kind, None when there is none."""
        return next((item for item in self.items if isinstance(item, kind)), None)
