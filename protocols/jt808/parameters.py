"""The parameters of a terminal: what each id of 0x8103 and 0x0104 is called, holds and means. JT/T 808 table 12.

PARAMETERS says for every id its name, its wire type (size, unit, names, bits) and which editions know it; `Parameter`
carries the typed value. What a terminal sends is read as far as it makes sense and comes back as the same bytes:

- integers by the length that stands there, whatever the table says (`size` keeps it);
- a text padded with 0x00 keeps its length in `size`;
- an unknown id, or a value that is not of its type, is bytes.

Structs below are values of several fields: video (JT/T 1078 section 12.2 of the sheet), active safety (T/JSATL 12 and
T/GDRTA 002, section 13), and numbers packed of bits.
"""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from protocols.jt808.location import ALARM_BITS, VIDEO_ALARM_BITS
from protocols.jt808.wire import (
    BodyShort,
    ByVersion,
    Digits,
    Gbk,
    Many,
    Nested,
    OneOf,
    Packed,
    Part,
    Raw,
    Reader,
    Signed,
    Told,
    Unsigned,
    Wire,
    Writer,
)

Struct = msgspec.Struct

INTEGER_BYTES_MAX: Final = 4
"""BYTE, WORD, DWORD and what lies between: a number longer than that is no number of JT/T 808, and stays bytes."""
VALUE_BYTES_MAX: Final = 255
"""The length of a value is one byte."""

CHANNELS: Final = {bit: f"channel {bit + 1}" for bit in range(5)}
STRATEGIES: Final = {0: "timed", 1: "by distance", 2: "timed and by distance"}
SCHEMES: Final = {0: "by ACC", 1: "by login, then ACC"}
ANSWERING: Final = {0: "automatic", 1: "automatic with ACC on, else by hand"}
GNSS_BITS: Final = {0: "GPS", 1: "BeiDou", 2: "GLONASS", 3: "Galileo"}
BAUD_RATES: Final = {0: "4800", 1: "9600", 2: "19200", 3: "38400", 4: "57600", 5: "115200"}
OUTPUT_RATES: Final = {0: "500 ms", 1: "1000 ms", 2: "2000 ms", 3: "3000 ms", 4: "4000 ms"}
UPLOAD_WAYS: Final = {
    0x00: "stored only",
    0x01: "by time",
    0x02: "by distance",
    0x0B: "by accumulated time",
    0x0C: "by accumulated distance",
    0x0D: "by number",
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


class Leave(Unsigned):
    """A number that may be all ones: leave the setting as it is. That is None (T/JSATL 12, sheet section 13.3)."""

    none_written = True

    def __init__(
        self,
        size: int,
        unit: str = "",
        scale: float = 1.0,
        names: Mapping[int, str] | None = None,
        bits: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__(size, unit, scale, names, bits, absent=(1 << 8 * size) - 1)

    def read(self, reader: Reader, name: str) -> Any:
        number = int.from_bytes(reader.take(self.size, name), "big")
        value = None if number == self.absent else number
        reader.note(name, self.size, value, self)
        return value

    def meaning(self, value: Any) -> str:
        return "as it is" if value is None else super().meaning(value)


# --- packed numbers ---------------------------------------------------------------------------------------------------


class TimedShots(Struct, frozen=True, kw_only=True):
    """0x0064: pictures by time. Channels 1-5 by bit."""

    channels: Annotated[int, Part(0, 5, bits=CHANNELS)] = 0
    """Which of them take pictures."""
    channels_uploading: Annotated[int, Part(8, 5, bits=CHANNELS)] = 0
    """Which upload them at once instead of storing."""
    unit: Annotated[int, Part(16, 1, names={0: "s", 1: "min"})] = 0
    interval: Annotated[int, Part(17, 15)] = 0
    """In that unit; under 5 s counts as 5 s."""


class DistanceShots(Struct, frozen=True, kw_only=True):
    """0x0065: pictures by distance."""

    channels: Annotated[int, Part(0, 5, bits=CHANNELS)] = 0
    channels_uploading: Annotated[int, Part(8, 5, bits=CHANNELS)] = 0
    unit: Annotated[int, Part(16, 1, names={0: "m", 1: "km"})] = 0
    distance: Annotated[int, Part(17, 15)] = 0
    """In that unit; under 100 m counts as 100 m."""


class CollisionAlarm(Struct, frozen=True, kw_only=True):
    """0x005D. The time is in steps of 4 ms in 2013 and of 1 ms since 2019."""

    duration: Annotated[int, ByVersion({2011: Part(0, 8, "ms", 4), 2019: Part(0, 8, "ms")})] = 0
    acceleration_g10: Annotated[int, Part(8, 8, "g", 0.1)] = 10
    """0-79."""


class CanCollection(Struct, frozen=True, kw_only=True):
    """0x0110-0x01FF: what is collected of one CAN id. Sampling 0 ms: nothing."""

    sampling_ms: Annotated[int, Part(32, 32, "ms")] = 0
    channel: Annotated[int, Part(31, 1, names={0: "CAN1", 1: "CAN2"})] = 0
    extended: Annotated[int, Part(30, 1, names={0: "standard frame", 1: "extended frame"})] = 0
    computed: Annotated[int, Part(29, 1, names={0: "raw", 1: "computed"})] = 0
    can_id: Annotated[int, Part(0, 29)] = 0


class ForbiddenPeriod(Struct, frozen=True, kw_only=True):
    """0x0032, since 2019: when driving is forbidden each day, in GMT+8; the end may be of the next day."""

    start_hour: Annotated[int, Unsigned(1, "h")] = 0
    start_minute: Annotated[int, Unsigned(1, "min")] = 0
    end_hour: Annotated[int, Unsigned(1, "h")] = 0
    end_minute: Annotated[int, Unsigned(1, "min")] = 0


# --- video: JT/T 1078 -------------------------------------------------------------------------------------------------

CODINGS: Final = {0: "CBR", 1: "VBR", 2: "ABR"}
VIDEO_SIZES: Final = {0: "QCIF", 1: "CIF", 2: "WCIF", 3: "D1", 4: "WD1", 5: "720P", 6: "1080P"}
OVERLAY_BITS: Final = {
    0: "time",
    1: "plate",
    2: "channel",
    3: "position",
    4: "recorder speed",
    5: "GNSS speed",
    6: "driving time",
}
CHANNEL_KINDS: Final = {0: "audio and video", 1: "audio", 2: "video"}
ON_OFF: Final = {0: "off", 1: "on"}
WAKE_BITS: Final = {0: "on a condition", 1: "timed", 2: "by hand"}
WAKE_CONDITION_BITS: Final = {0: "emergency button", 1: "collision or rollover", 2: "door opened"}
WEEKDAY_BITS: Final = dict(
    enumerate(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]),
)
PERIOD_BITS: Final = {bit: f"period {bit + 1}" for bit in range(4)}


class ChannelStreams(Struct, frozen=True, kw_only=True):
    """How one channel's pictures are coded, live and stored."""

    live_coding: Annotated[int, Unsigned(1, names=CODINGS)]
    live_size: Annotated[int, Unsigned(1, names=VIDEO_SIZES)]
    live_key_interval_frames: Annotated[int, Unsigned(2, "frames")]
    live_rate_fps: Annotated[int, Unsigned(1, "fps")]
    live_rate_kbps: Annotated[int, Unsigned(4, "kbit/s")]
    stored_coding: Annotated[int, Unsigned(1, names=CODINGS)]
    stored_size: Annotated[int, Unsigned(1, names=VIDEO_SIZES)]
    stored_key_interval_frames: Annotated[int, Unsigned(2, "frames")]
    stored_rate_fps: Annotated[int, Unsigned(1, "fps")]
    stored_rate_kbps: Annotated[int, Unsigned(4, "kbit/s")]
    overlay: Annotated[int, Unsigned(2, bits=OVERLAY_BITS)]


class VideoSettings(ChannelStreams, frozen=True, kw_only=True):
    """0x0075: as for one channel, for all, and whether sound is sent."""

    audio: Annotated[int, Unsigned(1, names=ON_OFF)]


class ChannelRow(Struct, frozen=True, kw_only=True):
    physical: Annotated[int, Unsigned(1)]
    logical: Annotated[int, Unsigned(1)]
    kind: Annotated[int, Unsigned(1, names=CHANNEL_KINDS)]
    gimbal: Annotated[int, Unsigned(1, names={0: "no", 1: "yes"})] = 0


class ChannelList(Struct, frozen=True, kw_only=True):
    """0x0076: which camera and microphone is which logical channel."""

    both: Annotated[int, Unsigned(1)]
    """How many of the rows carry sound and picture, then sound only, then pictures only."""
    audio: Annotated[int, Unsigned(1)]
    video: Annotated[int, Unsigned(1)]
    channels: Annotated[tuple[ChannelRow, ...], Many(Nested(ChannelRow))] = ()


class OneChannelStreams(Struct, frozen=True, kw_only=True):
    channel: Annotated[int, Unsigned(1)]
    streams: Annotated[ChannelStreams, Nested(ChannelStreams)]


class OwnStreams(Struct, frozen=True, kw_only=True):
    """0x0077: channels that are coded otherwise than 0x0075 says."""

    channels: Annotated[tuple[OneChannelStreams, ...], Many(Nested(OneChannelStreams), count=1)] = ()


class SpecialRecording(Struct, frozen=True, kw_only=True):
    """0x0079: recordings of special alarms."""

    storage_percent: Annotated[int, Unsigned(1, "%")] = 20
    longest_min: Annotated[int, Unsigned(1, "min")] = 5
    before_min: Annotated[int, Unsigned(1, "min")] = 1


class PictureAnalysis(Struct, frozen=True, kw_only=True):
    """0x007B."""

    seats: Annotated[int, Unsigned(1)]
    fatigue_threshold: Annotated[int, Unsigned(1)]


class WakePeriod(Struct, frozen=True, kw_only=True):
    wake: Annotated[str, Digits(2)] = "0000"
    """hhmm."""
    sleep: Annotated[str, Digits(2)] = "0000"


class WakeUp(Struct, frozen=True, kw_only=True):
    """0x007C: when a sleeping terminal wakes up."""

    ways: Annotated[int, Unsigned(1, bits=WAKE_BITS)] = 0
    conditions: Annotated[int, Unsigned(1, bits=WAKE_CONDITION_BITS)] = 0
    weekdays: Annotated[int, Unsigned(1, bits=WEEKDAY_BITS)] = 0
    periods: Annotated[int, Unsigned(1, bits=PERIOD_BITS)] = 0
    """Which of the four are used."""
    period_1: Annotated[WakePeriod, Nested(WakePeriod)] = WakePeriod()
    period_2: Annotated[WakePeriod, Nested(WakePeriod)] = WakePeriod()
    period_3: Annotated[WakePeriod, Nested(WakePeriod)] = WakePeriod()
    period_4: Annotated[WakePeriod, Nested(WakePeriod)] = WakePeriod()


# --- active safety: T/JSATL 12-2017, T/GDRTA 002 ----------------------------------------------------------------------
# None is "leave it as it is" throughout, and the default: an order changes what it names.

PHOTO_SIZES: Final = {
    1: "352x288",
    2: "704x288",
    3: "704x576",
    4: "640x480",
    5: "1280x720",
    6: "1920x1080",
}
CLIP_SIZES: Final = {1: "CIF", 2: "HD1", 3: "D1", 4: "WD1", 5: "VGA", 6: "720P", 7: "1080P"}
AUTO_SHOTS: Final = {0: "off", 1: "timed", 2: "by distance", 3: "on card"}
IDENTITY_TRIGGERS: Final = {0: "off", 1: "timed", 2: "by distance", 3: "on card and while driving"}
PRESSURE_UNITS: Final = {0: "kg/cm²", 1: "bar", 2: "kPa", 3: "PSI"}


def _levels(*names: str) -> dict[int, str]:
    return {2 * i + level: f"{name}, level {level + 1}" for i, name in enumerate(names) for level in (0, 1)}


ADAS_ALARM_BITS: Final = {
    **_levels(
        "obstacle", "frequent lane change", "lane departure", "forward collision", "pedestrian", "too close to the car"
    ),
    16: "sign exceeded",
    17: "solid-line change, level 1",
    18: "solid-line change, level 2",
    19: "pedestrian in the aisle",
}
ADAS_EVENT_BITS: Final = {0: "sign read", 1: "snapshot"}
DRIVER_ALARM_BITS: Final = _levels(
    "fatigue",
    "phone",
    "smoking",
    "distraction",
    "abnormal driver",
    "lens covered",
    "no belt",
    "IR-blocking glasses",
    "hands off the wheel",
    "playing with the phone",
)
DRIVER_EVENT_BITS: Final = {0: "driver changed", 1: "snapshot"}


class Evidence(Struct, frozen=True, kw_only=True):
    """From which speed on an alarm is of level 2, and what is recorded of it."""

    level_speed_kmh: Annotated[int | None, Leave(1, "km/h")] = None
    video_s: Annotated[int | None, Leave(1, "s")] = None
    """Before and after the alarm, each."""
    photos: Annotated[int | None, Leave(1)] = None
    photo_interval_s10: Annotated[int | None, Leave(1, "s", 0.1)] = None


class Shots(Struct, frozen=True, kw_only=True):
    """What 0xF364 and 0xF365 begin with: pictures that are taken without an alarm, and which alarms there are."""

    speed_min_kmh: Annotated[int | None, Leave(1, "km/h")] = None
    """Alarms only above this speed."""
    volume: Annotated[int | None, Leave(1)] = None
    """0-8."""
    auto_shots: Annotated[int | None, Leave(1, names=AUTO_SHOTS)] = None
    auto_interval_s: Annotated[int | None, Leave(2, "s")] = None
    auto_distance_m: Annotated[int | None, Leave(2, "m")] = None
    auto_photos: Annotated[int | None, Leave(1)] = None
    auto_photo_interval_s10: Annotated[int | None, Leave(1, "s", 0.1)] = None
    photo_size: Annotated[int | None, Leave(1, names=PHOTO_SIZES)] = None
    video_size: Annotated[int | None, Leave(1, names=CLIP_SIZES)] = None


class AdasCore(Shots, frozen=True, kw_only=True):
    """What both forms of 0xF364 begin with."""

    alarms: Annotated[int | None, Leave(4, bits=ADAS_ALARM_BITS)] = None
    """Which are on."""
    events: Annotated[int | None, Leave(4, bits=ADAS_EVENT_BITS)] = None
    reserved_19: Annotated[int | None, Leave(1)] = None
    obstacle_time_s10: Annotated[int | None, Leave(1, "s", 0.1)] = None
    obstacle: Annotated[Evidence, Nested(Evidence)] = Evidence()
    lane_change_period_s: Annotated[int | None, Leave(1, "s")] = None
    lane_change_times: Annotated[int | None, Leave(1)] = None
    lane_change: Annotated[Evidence, Nested(Evidence)] = Evidence()
    departure: Annotated[Evidence, Nested(Evidence)] = Evidence()
    forward_time_s10: Annotated[int | None, Leave(1, "s", 0.1)] = None
    forward: Annotated[Evidence, Nested(Evidence)] = Evidence()
    pedestrian_time_s10: Annotated[int | None, Leave(1, "s", 0.1)] = None
    pedestrian: Annotated[Evidence, Nested(Evidence)] = Evidence()
    """Its speed is the one from which on the alarm is on at all."""
    distance_time_s10: Annotated[int | None, Leave(1, "s", 0.1)] = None
    distance: Annotated[Evidence, Nested(Evidence)] = Evidence()
    sign_photos: Annotated[int | None, Leave(1)] = None
    sign_photo_interval_s10: Annotated[int | None, Leave(1, "s", 0.1)] = None


class Adas(AdasCore, frozen=True, kw_only=True):
    """0xF364 of T/JSATL 12: driver assistance, 56 bytes; one implementation has 57."""

    reserved_52: Annotated[bytes, Raw()] = bytes(4)


class AdasGuangdong(AdasCore, frozen=True, kw_only=True):
    """0xF364 of T/GDRTA 002: 64 bytes."""

    solid_line: Annotated[Evidence, Nested(Evidence)] = Evidence()
    aisle: Annotated[Evidence, Nested(Evidence)] = Evidence()
    reserved_60: Annotated[bytes, Raw()] = bytes(4)


class DriverWatchCore(Shots, frozen=True, kw_only=True):
    """What both forms of 0xF365 begin with."""

    alarms: Annotated[int | None, Leave(4, bits=DRIVER_ALARM_BITS)] = None
    events: Annotated[int | None, Leave(4, bits=DRIVER_EVENT_BITS)] = None
    smoking_interval_s: Annotated[int | None, Leave(2, "s")] = None
    """The same alarm again only after this time."""
    phone_interval_s: Annotated[int | None, Leave(2, "s")] = None
    reserved_23: Annotated[bytes, Raw(3)] = bytes(3)
    fatigue: Annotated[Evidence, Nested(Evidence)] = Evidence()
    phone: Annotated[Evidence, Nested(Evidence)] = Evidence()
    smoking: Annotated[Evidence, Nested(Evidence)] = Evidence()
    distraction: Annotated[Evidence, Nested(Evidence)] = Evidence()
    abnormal: Annotated[Evidence, Nested(Evidence)] = Evidence()
    identity: Annotated[int | None, Leave(1, names=IDENTITY_TRIGGERS)] = None
    """What makes it check who drives."""


class DriverWatch(DriverWatchCore, frozen=True, kw_only=True):
    """0xF365 of T/JSATL 12: the driver's state, 49 bytes."""

    reserved_47: Annotated[bytes, Raw()] = bytes(2)


class DriverWatchGuangdong(DriverWatchCore, frozen=True, kw_only=True):
    """0xF365 of T/GDRTA 002: 66 bytes; one implementation has 65."""

    lens_speed_kmh: Annotated[int | None, Leave(1, "km/h")] = None
    belt: Annotated[Evidence, Nested(Evidence)] = Evidence()
    glasses: Annotated[Evidence, Nested(Evidence)] = Evidence()
    hands_off: Annotated[Evidence, Nested(Evidence)] = Evidence()
    phone_play: Annotated[Evidence, Nested(Evidence)] = Evidence()
    reserved_64: Annotated[bytes, Raw()] = bytes(2)


class TyreWatch(Struct, frozen=True, kw_only=True):
    """0xF366: tyre pressures, 36 bytes."""

    tyre: Annotated[str, Gbk(12)] = ""
    """As on its side: 900R20."""
    pressure_unit: Annotated[int | None, Leave(2, names=PRESSURE_UNITS)] = None
    normal: Annotated[int | None, Leave(2)] = None
    unbalance_percent: Annotated[int | None, Leave(2, "%")] = None
    slow_leak_percent: Annotated[int | None, Leave(2, "%")] = None
    low: Annotated[int | None, Leave(2)] = None
    high: Annotated[int | None, Leave(2)] = None
    hot_c: Annotated[int | None, Leave(2, "°C")] = None
    battery_percent: Annotated[int | None, Leave(2, "%")] = None
    report_interval_s: Annotated[int | None, Leave(2, "s")] = None
    reserved: Annotated[bytes, Raw(6)] = bytes(6)


class BlindSpot(Struct, frozen=True, kw_only=True):
    """0xF367: how soon a car from behind or from the side would be there."""

    rear_s: Annotated[int | None, Leave(1, "s")] = None
    side_s: Annotated[int | None, Leave(1, "s")] = None


# --- the table --------------------------------------------------------------------------------------------------------


class TerminalParameter(NamedTuple):
    """One row of PARAMETERS."""

    name: str
    """What it is called, unit last; the portal's catalogue has it in both languages."""
    wire: Wire
    """How it lies in its value, with unit, names and bits. `wire_at` gives that of one edition."""
    since: int = 2011
    until: int = 2019
    """Editions that know it. It is read in any."""
    redirects: bool = False
    """It decides whom the terminal talks to, listens to or obeys: who sets it can take the terminal away."""


NUMBER: Final = Unsigned(4)
TEXT: Final = Gbk()
SECONDS: Final = Unsigned(4, "s")
METRES: Final = Unsigned(4, "m")
ALARM_MASK: Final = Unsigned(4, bits=ALARM_BITS)
# Reserved and a DWORD in 2013, a text in 2019; terminals of 2013 send texts as well.
SLAVE: Final = ByVersion({2011: OneOf(Unsigned(4), Gbk()), 2019: Gbk()})
NO_LIMIT: Final = {0: "none", 0xFFFF_FFFF: "no limit"}

PARAMETERS: Final[dict[int, TerminalParameter]] = {
    0x0001: TerminalParameter("heartbeat_interval_s", SECONDS),
    0x0002: TerminalParameter("tcp_reply_timeout_s", SECONDS),
    0x0003: TerminalParameter("tcp_retransmissions", NUMBER),
    0x0004: TerminalParameter("udp_reply_timeout_s", SECONDS),
    0x0005: TerminalParameter("udp_retransmissions", NUMBER),
    0x0006: TerminalParameter("sms_reply_timeout_s", SECONDS),
    0x0007: TerminalParameter("sms_retransmissions", NUMBER),
    0x0010: TerminalParameter("main_server_apn", TEXT, redirects=True),
    0x0011: TerminalParameter("main_server_user", TEXT, redirects=True),
    0x0012: TerminalParameter("main_server_password", TEXT, redirects=True),
    0x0013: TerminalParameter("main_server_address", TEXT, redirects=True),
    0x0014: TerminalParameter("backup_server_apn", TEXT, redirects=True),
    0x0015: TerminalParameter("backup_server_user", TEXT, redirects=True),
    0x0016: TerminalParameter("backup_server_password", TEXT, redirects=True),
    0x0017: TerminalParameter("backup_server_address", TEXT, redirects=True),
    0x0018: TerminalParameter("server_tcp_port", NUMBER, until=2013, redirects=True),
    0x0019: TerminalParameter("server_udp_port", NUMBER, until=2013, redirects=True),
    0x001A: TerminalParameter("card_server_address", TEXT, since=2013, redirects=True),
    0x001B: TerminalParameter("card_server_tcp_port", NUMBER, since=2013, redirects=True),
    0x001C: TerminalParameter("card_server_udp_port", NUMBER, since=2013, redirects=True),
    0x001D: TerminalParameter("card_server_backup_address", TEXT, since=2013, redirects=True),
    0x0020: TerminalParameter("report_strategy", Unsigned(4, names=STRATEGIES)),
    0x0021: TerminalParameter("report_scheme", Unsigned(4, names=SCHEMES)),
    0x0022: TerminalParameter("not_logged_in_interval_s", SECONDS),
    0x0023: TerminalParameter("slave_server_apn", SLAVE, since=2019, redirects=True),
    0x0024: TerminalParameter("slave_server_user", SLAVE, since=2019, redirects=True),
    0x0025: TerminalParameter("slave_server_password", SLAVE, since=2019, redirects=True),
    0x0026: TerminalParameter("slave_server_address", SLAVE, since=2019, redirects=True),
    0x0027: TerminalParameter("sleeping_interval_s", SECONDS),
    0x0028: TerminalParameter("emergency_interval_s", SECONDS),
    0x0029: TerminalParameter("default_interval_s", SECONDS),
    0x002C: TerminalParameter("default_distance_m", METRES),
    0x002D: TerminalParameter("not_logged_in_distance_m", METRES),
    0x002E: TerminalParameter("sleeping_distance_m", METRES),
    0x002F: TerminalParameter("emergency_distance_m", METRES),
    0x0030: TerminalParameter("corner_angle_deg", Unsigned(4, "°")),
    0x0031: TerminalParameter("illegal_move_radius_m", Unsigned(2, "m"), since=2013),
    0x0032: TerminalParameter("forbidden_driving_period", Nested(ForbiddenPeriod), since=2019),
    0x0040: TerminalParameter("platform_phone", TEXT, redirects=True),
    0x0041: TerminalParameter("reset_phone", TEXT, redirects=True),
    0x0042: TerminalParameter("factory_reset_phone", TEXT, redirects=True),
    0x0043: TerminalParameter("platform_sms_phone", TEXT, redirects=True),
    0x0044: TerminalParameter("alarm_sms_phone", TEXT, redirects=True),
    0x0045: TerminalParameter("call_answering", Unsigned(4, names=ANSWERING)),
    0x0046: TerminalParameter("longest_call_s", Told(4, "s", NO_LIMIT)),
    0x0047: TerminalParameter("longest_calls_a_month_s", Told(4, "s", NO_LIMIT)),
    0x0048: TerminalParameter("listening_phone", TEXT, redirects=True),
    0x0049: TerminalParameter("regulator_sms_phone", TEXT, redirects=True),
    0x0050: TerminalParameter("alarms_suppressed", ALARM_MASK),
    0x0051: TerminalParameter("alarms_sent_by_sms", ALARM_MASK),
    0x0052: TerminalParameter("alarms_with_pictures", ALARM_MASK),
    0x0053: TerminalParameter("alarms_storing_pictures", ALARM_MASK),
    0x0054: TerminalParameter("key_alarms", ALARM_MASK),
    0x0055: TerminalParameter("speed_limit_kmh", Unsigned(4, "km/h")),
    0x0056: TerminalParameter("overspeed_lasting_s", SECONDS),
    0x0057: TerminalParameter("continuous_driving_limit_s", SECONDS),
    0x0058: TerminalParameter("daily_driving_limit_s", SECONDS),
    0x0059: TerminalParameter("shortest_rest_s", SECONDS),
    0x005A: TerminalParameter("longest_stop_s", SECONDS),
    0x005B: TerminalParameter("overspeed_warning_margin_kmh10", Unsigned(2, "km/h", 0.1), since=2013),
    0x005C: TerminalParameter("fatigue_warning_margin_s", Unsigned(2, "s"), since=2013),
    0x005D: TerminalParameter("collision_alarm", Packed(CollisionAlarm, 2), since=2013),
    0x005E: TerminalParameter("rollover_angle_deg", Unsigned(2, "°"), since=2013),
    0x0064: TerminalParameter("timed_shots", Packed(TimedShots, 4), since=2013),
    0x0065: TerminalParameter("distance_shots", Packed(DistanceShots, 4), since=2013),
    0x0070: TerminalParameter("picture_quality", NUMBER),
    0x0071: TerminalParameter("picture_brightness", NUMBER),
    0x0072: TerminalParameter("picture_contrast", NUMBER),
    0x0073: TerminalParameter("picture_saturation", NUMBER),
    0x0074: TerminalParameter("picture_chroma", NUMBER),
    0x0075: TerminalParameter("video_settings", Nested(VideoSettings), since=2013),
    0x0076: TerminalParameter("channel_list", Nested(ChannelList), since=2013),
    0x0077: TerminalParameter("own_streams", Nested(OwnStreams), since=2013),
    0x0079: TerminalParameter("special_recording", Nested(SpecialRecording), since=2013),
    0x007A: TerminalParameter("video_alarms_suppressed", Unsigned(4, bits=VIDEO_ALARM_BITS), since=2013),
    0x007B: TerminalParameter("picture_analysis", Nested(PictureAnalysis), since=2013),
    0x007C: TerminalParameter("wake_up", Nested(WakeUp), since=2013),
    0x0080: TerminalParameter("odometer_km10", Unsigned(4, "km", 0.1)),
    0x0081: TerminalParameter("province", ByVersion({2011: Unsigned(4), 2013: Unsigned(2)})),
    0x0082: TerminalParameter("city", ByVersion({2011: Unsigned(4), 2013: Unsigned(2)})),
    0x0083: TerminalParameter("plate", TEXT),
    0x0084: TerminalParameter(
        "plate_colour", ByVersion({2011: Unsigned(4, names=PLATE_COLOURS), 2013: Unsigned(1, names=PLATE_COLOURS)})
    ),
    0x0090: TerminalParameter("gnss_systems", Unsigned(1, bits=GNSS_BITS), since=2013),
    0x0091: TerminalParameter("gnss_baud_rate", Unsigned(1, names=BAUD_RATES), since=2013),
    0x0092: TerminalParameter("gnss_output_interval", Unsigned(1, names=OUTPUT_RATES), since=2013),
    0x0093: TerminalParameter("gnss_sampling_interval_s", SECONDS, since=2013),
    0x0094: TerminalParameter("gnss_upload_way", Unsigned(1, names=UPLOAD_WAYS), since=2013),
    # Seconds, metres or a number: the way of 0x0094 says which.
    0x0095: TerminalParameter("gnss_upload_setting", NUMBER, since=2013),
    0x0100: TerminalParameter("can_1_sampling_ms", Told(4, "ms", {0: "off"}), since=2013),
    0x0101: TerminalParameter("can_1_upload_s", Told(2, "s", {0: "off"}), since=2013),
    0x0102: TerminalParameter("can_2_sampling_ms", Told(4, "ms", {0: "off"}), since=2013),
    0x0103: TerminalParameter("can_2_upload_s", Told(2, "s", {0: "off"}), since=2013),
    **{
        id: TerminalParameter(f"can_collection_{id:04x}", Packed(CanCollection, 8), since=2013)
        for id in range(0x0110, 0x0200)
    },
    0xF364: TerminalParameter("adas", OneOf(Nested(AdasGuangdong), Nested(Adas), usual=1), since=2013),
    0xF365: TerminalParameter(
        "driver_watch", OneOf(Nested(DriverWatchGuangdong), Nested(DriverWatch), usual=1), since=2013
    ),
    0xF366: TerminalParameter("tyre_watch", Nested(TyreWatch), since=2013),
    0xF367: TerminalParameter("blind_spot", Nested(BlindSpot), since=2013),
    0xF370: TerminalParameter("active_safety_version", Unsigned(1), since=2013),
}
"""What is declared, by parameter id. Any other is bytes: 0xF000-0xFFFF are the makers' own."""

PARAMETER_IDS: Final = {row.name: id for id, row in PARAMETERS.items()}


def wire_at(id: int, version: int) -> Wire | None:
    """Return the wire type of a parameter's value in one edition, None for an id that is not declared."""
    row = PARAMETERS.get(id)
    if row is None:
        return None
    return row.wire.at(version) if isinstance(row.wire, ByVersion) else row.wire


def redirects(id: int) -> bool:
    """Tell whether setting this parameter can send the terminal elsewhere. Nobody knows that of one not declared."""
    row = PARAMETERS.get(id)
    return row is None or row.redirects


class Parameter(Struct, frozen=True):
    """One terminal parameter.

    Attributes:
        value: int, str or a Struct of this file, as PARAMETERS says; bytes for an unknown id and for what is not of
            its type.
        size: bytes that the value takes, None where that follows from value and edition: a number in another size than
            the table's, a text with zeros behind it.
    """

    id: int
    value: Any
    size: int | None = None


class ParameterId(Unsigned):
    def meaning(self, value: Any) -> str:
        row = PARAMETERS.get(value)
        return "not declared" if row is None else row.name


ID: Final = ParameterId(4)
LENGTH: Final = Unsigned(1, "bytes")
RAW: Final = Raw()


class ParameterValue(Wire):
    """{D id, B length, value}: one Parameter."""

    def read(self, reader: Reader, name: str) -> Parameter:
        id = ID.read(reader, f"{name}.id")
        length = LENGTH.read(reader, f"{name}.length")
        if reader.offset + length > reader.end:
            raise BodyShort(f"{name}.value", reader.end)
        wire = wire_at(id, reader.version)
        if wire is not None:
            parameter = self._typed(reader, id, wire, name, length)
            if parameter is not None:
                return parameter
            reader.faults.append(f"{name}: {PARAMETERS[id].name} with {length} bytes")
        value = reader.take(length, f"{name}.value")
        if length:
            reader.note(f"{name}.value", length, value, RAW)
        return Parameter(id, value)

    def _typed(self, reader: Reader, id: int, wire: Wire, name: str, length: int) -> Parameter | None:
        """Return the parameter, or None with the reader where it was when the bytes are no value of its type."""
        start, outer_end, noted = reader.offset, reader.end, reader.noted()
        faults, misfit = len(reader.faults), reader.misfit
        reader.end = start + length
        reader.misfit = False
        try:
            value = resized(wire, length).read(reader, f"{name}.{PARAMETERS[id].name}")
            if reader.offset == reader.end and not reader.misfit:
                # The same bytes again, or it is not the value: a character cut in two, digits that are none.
                data = reader.data[start : start + length]
                for parameter in (Parameter(id, value), Parameter(id, value, length)):
                    if value_bytes(parameter, reader.version) == data:
                        return parameter
        except (BodyShort, ValueError):
            pass
        finally:
            reader.end = outer_end
            reader.misfit = misfit
        reader.rewind(start, noted)
        del reader.faults[faults:]
        return None

    def write(self, writer: Writer, value: Any) -> None:
        data = value_bytes(value, writer.version)
        if len(data) > VALUE_BYTES_MAX:
            raise ValueError(f"{value.id:#06x}: {len(data)} bytes, a value has at most {VALUE_BYTES_MAX}")
        writer.number(value.id, 4)
        writer.number(len(data), 1)
        writer.data += data


def resized(wire: Wire, length: int) -> Wire:
    """Return the wire type of an integer for the length that stands there; any other wire type as it is."""
    if not isinstance(wire, Unsigned | Signed | Packed) or wire.size == length or not 0 < length <= INTEGER_BYTES_MAX:
        return wire
    other = copy.copy(wire)
    other.size = length
    return other


def value_bytes(parameter: Parameter, version: int) -> bytes:
    """Return the bytes of a parameter's value.

    Raises:
        ValueError: it is not of its type, or does not fit; an id that is not declared takes bytes only.
    """
    value, size = parameter.value, parameter.size
    if isinstance(value, bytes):
        return value
    wire = wire_at(parameter.id, version)
    if wire is None:
        raise ValueError(f"parameter {parameter.id:#06x} is not declared: its value is bytes")
    writer = Writer(version)
    try:
        (wire if size is None else resized(wire, size)).write(writer, value)
    except (AttributeError, TypeError):
        raise ValueError(f"{value!r} is no {PARAMETERS[parameter.id].name}") from None
    if size is not None and len(writer.data) < size and isinstance(value, str):
        writer.data += bytes(size - len(writer.data))
    return bytes(writer.data)
