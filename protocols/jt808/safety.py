"""Active safety: T/JSATL 12-2017 (Jiangsu, "SuBiao") and its provincial forms, over the JT/T 808 link.

A camera in the car sees a danger, the location carries an item about it (0x64 to 0x67, 0x70), the platform asks for the
pictures by the alarm's id (0x9208), and the terminal announces and sends them to a second server (0x1210 to 0x9212).

What differs between the provinces is the alarm's id: 16 bytes in Jiangsu, 32 in Hunan, 38 in Heilongjiang, 39 in
Sichuan, 40 in Guangdong. Each is a layout of our own, 2000 + its bytes, told by the length of what it lies in: that of
2019 in all else, and in 2040 what T/GDRTA 002 changes besides.
"""

from typing import Annotated, Final

import msgspec

from protocols.jt808.wire import (
    ByVersion,
    Count,
    Form,
    Gbk,
    IfMore,
    ItemRow,
    ItemTable,
    Many,
    Nested,
    Raw,
    SentItem,
    Signed,
    Time,
    Unreadable,
    Unsigned,
)

Struct = msgspec.Struct

HUNAN: Final = 2032
HEILONGJIANG: Final = 2038
SICHUAN: Final = 2039
GUANGDONG: Final = 2040
HEILONGJIANG_BARE: Final = 2138
"""That of Heilongjiang without the terminal's id in front of the alarm's (0x1210), as one peer's terminals send it."""
PROVINCES: Final = (0, HUNAN, HEILONGJIANG, SICHUAN, GUANGDONG)
"""Layouts of an item, that of Jiangsu first: it is the layout of the body."""

FORMS: Final = {16: "Jiangsu", 32: "Hunan", 38: "Heilongjiang", 39: "Sichuan", 40: "Guangdong"}
STATES: Final = {0: "no state", 1: "start", 2: "end"}
LEVELS: Final = {1: "level 1", 2: "level 2"}
DEPARTURES: Final = {1: "left", 2: "right"}
SIGNS: Final = {1: "speed", 2: "height", 3: "weight", 4: "no entry", 5: "no stopping"}
VEHICLE_BITS: Final = {
    0: "ACC on",
    1: "left turn",
    2: "right turn",
    3: "wiper",
    4: "brake",
    5: "card in",
    10: "fixed",
}
ADAS_KINDS: Final = {
    0x01: "forward collision",
    0x02: "lane departure",
    0x03: "too close",
    0x04: "pedestrian collision",
    0x05: "frequent lane change",
    0x06: "road sign exceeded",
    0x07: "obstacle",
    0x10: "road sign read",
    0x11: "snapshot",
    0x12: "solid line crossed",
    0x13: "pedestrian in the aisle",
}
DSM_KINDS: Final = {
    0x01: "fatigue",
    0x02: "phone",
    0x03: "smoking",
    0x04: "distraction",
    0x05: "driver abnormal",
    0x06: "lens covered",
    0x08: "driving over time",
    0x0A: "no seat belt",
    0x0B: "infrared-blocking glasses",
    0x0C: "hands off the wheel",
    0x0D: "playing with the phone",
    0x10: "snapshot",
    0x11: "driver changed",
}
BSD_KINDS: Final = {1: "behind", 2: "left rear", 3: "right rear"}
HARSH_KINDS: Final = {0x01: "harsh acceleration", 0x02: "harsh braking", 0x03: "harsh cornering", 0x16: "crash"}
TYRE_BITS: Final = {
    0: "timed report",
    1: "pressure high",
    2: "pressure low",
    3: "hot",
    4: "sensor fault",
    5: "unbalanced",
    6: "slow leak",
    7: "battery low",
}
PERIPHERALS: Final = {0x64: "ADAS", 0x65: "DSM", 0x66: "TPMS", 0x67: "BSD"}
PERIPHERAL_STATES: Final = {
    0x01: "working",
    0x02: "standby",
    0x03: "upgrading",
    0x04: "abnormal",
    0x10: "disconnected",
}
PERIPHERAL_ALARM_BITS: Final = {
    0: "camera",
    1: "main store",
    2: "second store",
    3: "infrared light",
    4: "speaker",
    5: "battery",
    10: "radio module",
    11: "GNSS module",
}
FILE_KINDS: Final = {0: "picture", 1: "audio", 2: "video", 3: "text", 4: "other"}
UPGRADE_TARGETS: Final = {0: "terminal", 12: "licence-card reader", 52: "BeiDou module", **PERIPHERALS}
UPGRADE_STATES: Final = {
    1: "downloading",
    2: "downloaded",
    3: "download failed",
    4: "installing",
    5: "installed",
    6: "installing failed",
    7: "no such target",
    8: "hardware unsupported",
    9: "version unsupported or the same",
}
DEGREE: Final = Unsigned(4, unit="°", scale=1e-6)
METRES: Final = Signed(2, unit="m")
KMH: Final = Unsigned(1, unit="km/h")


class AlarmId(Struct, frozen=True, kw_only=True):
    """What an alarm is called by everyone: terminal, second, and serial within the second."""

    form: Annotated[
        int, Form({HUNAN: 32, HEILONGJIANG: 38, SICHUAN: 39, GUANGDONG: 40, HEILONGJIANG_BARE: 38}, 16, names=FORMS)
    ] = 16
    """Bytes of the id, which tell the province."""
    terminal_id: Annotated[str, ByVersion({2011: Gbk(7), HEILONGJIANG: Gbk(30)})]
    time_ms: Annotated[int | None, Time()]
    serial: Annotated[int, Unsigned(1)]
    attachments: Annotated[int, Unsigned(1)]
    reserved: Annotated[
        bytes,
        ByVersion(
            {
                2011: Raw(1),
                HUNAN: Raw(17),
                HEILONGJIANG: Raw(0),
                SICHUAN: Raw(1),
                GUANGDONG: Raw(2),
                HEILONGJIANG_BARE: Raw(0),
            }
        ),
    ] = b"\x00"


# --- items of 0x0200 --------------------------------------------------------------------------------------------------


class AdasAlarm(SentItem, frozen=True, kw_only=True):
    """0x64: the camera that looks ahead."""

    alarm_number: Annotated[int, Unsigned(4)]
    state: Annotated[int, Unsigned(1, names=STATES)]
    kind: Annotated[int, Unsigned(1, names=ADAS_KINDS)]
    level: Annotated[int, Unsigned(1, names=LEVELS)]
    ahead_speed_kmh: Annotated[int, KMH]
    """Speed of the car ahead; for kinds 1 and 2."""
    ahead_s10: Annotated[int, Unsigned(1, unit="s", scale=0.1)]
    """How far the car or pedestrian ahead is away, in time; for kinds 1, 2 and 4."""
    departure: Annotated[int, Unsigned(1, names=DEPARTURES)]
    sign_kind: Annotated[int, Unsigned(1, names=SIGNS)]
    sign_value: Annotated[int, Unsigned(1)]
    speed_kmh: Annotated[int, KMH]
    altitude_m: Annotated[int, METRES]
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]
    time_ms: Annotated[int | None, Time()]
    vehicle_state: Annotated[int, Unsigned(2, bits=VEHICLE_BITS)]
    alarm_id: Annotated[AlarmId, Nested(AlarmId)]


class DsmAlarm(SentItem, frozen=True, kw_only=True):
    """0x65: the camera that looks at the driver."""

    alarm_number: Annotated[int, Unsigned(4)]
    state: Annotated[int, Unsigned(1, names=STATES)]
    kind: Annotated[int, Unsigned(1, names=DSM_KINDS)]
    level: Annotated[int, Unsigned(1, names=LEVELS)]
    fatigue: Annotated[int, Unsigned(1)]
    """1 to 10, 10 is the worst; for kind 1."""
    reserved: Annotated[bytes, Raw(4)]
    speed_kmh: Annotated[int, KMH]
    altitude_m: Annotated[int, METRES]
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]
    time_ms: Annotated[int | None, Time()]
    vehicle_state: Annotated[int, Unsigned(2, bits=VEHICLE_BITS)]
    alarm_id: Annotated[AlarmId, Nested(AlarmId)]


class Tyre(Struct, frozen=True):
    wheel: Annotated[int, ByVersion({2011: Unsigned(1), GUANGDONG: Unsigned(2)})]
    """From the left front, row by row."""
    alarms: Annotated[int, Unsigned(2, bits=TYRE_BITS)]
    pressure_kpa: Annotated[int, Unsigned(2, unit="kPa")]
    temperature_c: Annotated[int, Signed(2, unit="°C")]
    battery_percent: Annotated[int, Unsigned(2, unit="%")]


class TpmsAlarm(SentItem, frozen=True, kw_only=True):
    """0x66: tyre pressures."""

    alarm_number: Annotated[int, Unsigned(4)]
    state: Annotated[int, Unsigned(1, names=STATES)]
    speed_kmh: Annotated[int, KMH]
    altitude_m: Annotated[int, METRES]
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]
    time_ms: Annotated[int | None, Time()]
    vehicle_state: Annotated[int, Unsigned(2, bits=VEHICLE_BITS)]
    alarm_id: Annotated[AlarmId, Nested(AlarmId)]
    tyres: Annotated[tuple[Tyre, ...], Many(Nested(Tyre), count=1)] = ()


class BsdAlarm(SentItem, frozen=True, kw_only=True):
    """0x67: somebody in the blind zone."""

    alarm_number: Annotated[int, Unsigned(4)]
    state: Annotated[int, Unsigned(1, names=STATES)]
    kind: Annotated[int, Unsigned(1, names=BSD_KINDS)]
    speed_kmh: Annotated[int, KMH]
    altitude_m: Annotated[int, METRES]
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]
    time_ms: Annotated[int | None, Time()]
    vehicle_state: Annotated[int, Unsigned(2, bits=VEHICLE_BITS)]
    alarm_id: Annotated[AlarmId, Nested(AlarmId)]


class HarshDriving(SentItem, frozen=True, kw_only=True):
    """0x70: speeding up, braking, cornering beyond a threshold. The thresholds go by the kind."""

    alarm_number: Annotated[int, Unsigned(4)]
    state: Annotated[int, Unsigned(1, names=STATES)]
    kind: Annotated[int, Unsigned(1, names=HARSH_KINDS)]
    time_threshold: Annotated[int, Unsigned(2)]
    threshold_1: Annotated[int, Unsigned(2)]
    threshold_2: Annotated[int, Unsigned(2)]
    speed_kmh: Annotated[int, KMH]
    altitude_m: Annotated[int, METRES]
    latitude: Annotated[int, DEGREE]
    longitude: Annotated[int, DEGREE]
    time_ms: Annotated[int | None, Time()]
    vehicle_state: Annotated[int, Unsigned(2, bits=VEHICLE_BITS)]
    alarm_id: Annotated[AlarmId, Nested(AlarmId)]


SAFETY: Final = ItemTable(
    "T/JSATL 12",
    [
        ItemRow(0x64, AdasAlarm, layouts=PROVINCES, mend=True),
        ItemRow(0x65, DsmAlarm, layouts=PROVINCES, mend=True),
        ItemRow(0x66, TpmsAlarm, layouts=PROVINCES, mend=True),
        ItemRow(0x67, BsdAlarm, layouts=PROVINCES, mend=True),
        ItemRow(0x70, HarshDriving, layouts=PROVINCES),
    ],
)

# --- files of an alarm ------------------------------------------------------------------------------------------------


class OrderFiles(Struct, frozen=True, kw_only=True):
    """0x9208: send what belongs to this alarm to that server."""

    host: Annotated[str, Gbk(prefix=1)]
    tcp_port: Annotated[int, Unsigned(2)]
    udp_port: Annotated[int, Unsigned(2)] = 0
    alarm_id: Annotated[AlarmId, Nested(AlarmId)]
    platform_number: Annotated[str, Gbk(32)]
    """What the platform calls the alarm: the terminal repeats it with the files."""
    reserved: Annotated[bytes, Raw(16)] = bytes(16)


class AlarmFile(Struct, frozen=True):
    name: Annotated[str, Gbk(prefix=1)]
    size_bytes: Annotated[int, Unsigned(4, unit="bytes")]


class AlarmFiles(Struct, frozen=True, kw_only=True):
    """0x1210: the files of an alarm, first thing on the link to the server of 0x9208."""

    terminal_id: Annotated[str, ByVersion({2011: Gbk(7), HEILONGJIANG: Gbk(30), HEILONGJIANG_BARE: Gbk(0)})]
    alarm_id: Annotated[AlarmId, Nested(AlarmId)]
    platform_number: Annotated[str, Gbk(32)]
    kind: Annotated[int, Unsigned(1, names={0: "normal", 1: "resumed"})]
    count: Annotated[int | None, Count(1, of="files")] = None
    files: Annotated[tuple[AlarmFile, ...], Many(Nested(AlarmFile), count="count")] = ()


class FileInfo(Struct, frozen=True):
    """0x1211 before a file's data, 0x1212 behind it."""

    name: Annotated[str, Gbk(prefix=1)]
    kind: Annotated[int, Unsigned(1, names=FILE_KINDS)]
    size_bytes: Annotated[int, Unsigned(4, unit="bytes")]


class FilePart(Struct, frozen=True):
    offset: Annotated[int, Unsigned(4)]
    length: Annotated[int, Unsigned(4, unit="bytes")]


class FileReply(Struct, frozen=True, kw_only=True):
    """0x9212: the answer to 0x1212."""

    name: Annotated[str, Gbk(prefix=1)]
    kind: Annotated[int, Unsigned(1, names=FILE_KINDS)]
    result: Annotated[int, Unsigned(1, names={0: "done", 1: "send again"})]
    count: Annotated[int | None, Count(1, of="parts"), IfMore()] = None
    parts: Annotated[tuple[FilePart, ...], Many(Nested(FilePart), count="count")] = ()


class UpgradeProgress(Struct, frozen=True):
    """0x1FC4, of Guangdong: how far a 0x8108 has got."""

    order_serial: Annotated[int, Unsigned(2)]
    target: Annotated[int, Unsigned(1, names=UPGRADE_TARGETS)]
    state: Annotated[int, Unsigned(1, names=UPGRADE_STATES)]
    progress_percent: Annotated[int, Unsigned(1, unit="%")]
    error: Annotated[int, Unsigned(1)]


# --- peripherals, inside 0x0900 and 0x8900 ----------------------------------------------------------------------------


class PeripheralStatus(Struct, frozen=True):
    state: Annotated[int, Unsigned(1, names=PERIPHERAL_STATES)]
    alarms: Annotated[int, Unsigned(4, bits=PERIPHERAL_ALARM_BITS)]


class PeripheralState(Struct, frozen=True):
    """One device of a 0x0900 of type F7."""

    peripheral: Annotated[int, Unsigned(1, names=PERIPHERALS)]
    status: Annotated[PeripheralStatus | Unreadable, Nested(PeripheralStatus, prefix=1)]


class PeripheralDetails(Struct, frozen=True):
    company: Annotated[str, Gbk(prefix=1)]
    product: Annotated[str, Gbk(prefix=1)]
    hardware: Annotated[str, Gbk(prefix=1)]
    software: Annotated[str, Gbk(prefix=1)]
    device_id: Annotated[str, Gbk(prefix=1)]
    customer: Annotated[str, Gbk(prefix=1)]


class PeripheralInfo(Struct, frozen=True):
    """One device of a 0x0900 of type F8."""

    peripheral: Annotated[int, Unsigned(1, names=PERIPHERALS)]
    details: Annotated[PeripheralDetails | Unreadable, Nested(PeripheralDetails, prefix=1)]
