"""Frames collected from the tests of other implementations: how their files are read and their values compared.

A file holds one frame a line: `source` (repository:path#test), `hex` as on the wire, `expect` (the peer's name of a
field to its value), `version` of the body, `checksum_ok` and `length_ok` as the collector found them. A table of Reads
maps the peers' names to ours; what is not compared stands in a table with its reason.
"""

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from protocols.jt808.codec import Decoded
from protocols.jt808.framing import unescape
from protocols.jt808.vendors import VENDORS, vendor_of
from protocols.jt808.wire import ROW_OF, ItemTable

Row = dict[str, Any]
Read = Callable[[Decoded, re.Match[str], bytes], Any]
Reads = Iterable[tuple[str, Read]]

GMT8 = timezone(timedelta(hours=8))
ITEM_NAMED = {struct.__name__: struct for struct in ROW_OF}

MODELS = {
    "7E02000036019111110000007B": "MV710G",
    "7E020000EC6710704387730579": "AL300",
    "7E0200003E4EB6FB4AD6280002": "JC371",
    "7E0200003E4EB6FB4AD6280003": "JC371",
    "7E020000760454600047450F2A": "C5L",
}
"""Frames, by how they begin, whose test says of which model they are."""


def rows_of(name: str) -> list[Row]:
    """Return the rows of a file beside this one."""
    return [json.loads(line) for line in (Path(__file__).parent / name).read_text("utf-8").splitlines()]


def ids_of(rows: list[Row]) -> list[str]:
    return [f"{i}-{row['source'].split('/')[0]}-{row['hex'][2:6]}" for i, row in enumerate(rows)]


def named(row: Row, table: Iterable[str]) -> bool:
    """Tell whether a table names this row: by the beginning of its frame, or by its test."""
    return any(row["hex"].startswith(key) or row["source"].endswith("#" + key) for key in table)


def frame_of_row(row: Row, escaped: bool = True) -> bytes:
    """Return the frame of a row, its checksum not judged."""
    content = bytes.fromhex(row["hex"])[1:-1]
    if escaped:
        content, _ = unescape(content)
    return content[:-1]


def vendor_of_row(row: Row) -> ItemTable | None:
    """Return the maker's table that the peer's test reads a frame with."""
    if "GPS51" in row["source"]:
        return VENDORS["gps51"].table
    return vendor_of("", next((model for key, model in MODELS.items() if row["hex"].startswith(key)), ""))


def time_ms(text: str) -> int:
    """Return the UTC epoch ms of a time as peers write it: ISO with T or blank, or twelve digits."""
    form = "%y%m%d%H%M%S" if text.isdigit() else None
    when = datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - placed below
    return int(when.replace(tzinfo=GMT8).timestamp() * 1000)


MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?|\d{12}")


# There are more patterns than the 512 that `re` remembers.
compiled = cache(re.compile)


def our_value(reads: Reads, decoded: Decoded, name: str, frame: bytes, row: Row) -> Any:
    """Return ours under a peer's name; a pattern has @ and the message, or the peer, where it means two things."""
    peer = row["source"].split("/")[0]
    for subject in (f"{name}@{decoded.header.message:#06x}", f"{name}@{peer}", name):
        for pattern, read in reads:
            match = compiled(pattern).fullmatch(subject)
            if match:
                return read(decoded, match, frame)
    raise AssertionError(f"no mapping for {name} of {decoded.header.message:#06x}")


def same(name: str, expected: Any, ours: Any) -> bool:
    """Tell whether a peer's value is ours: times as text, bytes as lists of numbers or hexadecimal digits."""
    if isinstance(expected, str) and MOMENT.fullmatch(expected) and not isinstance(ours, str | bytes):
        try:
            expected = time_ms(expected)
        except ValueError:
            # Sheet section 17.9: a time of no day is none.
            expected = None
    if isinstance(ours, bytes):
        if isinstance(expected, str):
            return bytes.fromhex(expected.removeprefix("hex:")) == ours
        if isinstance(expected, list):
            return bytes(expected) == ours
        return bool(int.from_bytes(ours, "big") == expected)
    if isinstance(ours, tuple):
        ours = list(ours)
    if name == "header.terminal_phone":
        expected = expected.lstrip("0")
    return bool(expected == ours)


def of_body(path: str) -> Read:
    """Read a field by its path, `alarm_id.serial` or `files[i].name`, i from the pattern's group of that name."""

    def read(decoded: Decoded, match: re.Match[str], _: bytes) -> Any:
        return follow(decoded.body, path, match)

    return read


def follow(value: Any, path: str, match: re.Match[str]) -> Any:
    for step in path.split("."):
        name, _, index = step.partition("[")
        value = getattr(value, name)
        if index:
            place = index.rstrip("]")
            value = value[int(match[place]) if place.isalpha() else int(place)]
    return value


def length_of(path: str) -> Read:
    """Read how many bytes a text has, or entries a list."""

    def read(decoded: Decoded, match: re.Match[str], _: bytes) -> int:
        value = follow(decoded.body, path, match)
        return len(value.encode("gbk") if isinstance(value, str) else value)

    return read


def of_header(attribute: str) -> Read:
    return lambda decoded, match, _: getattr(decoded.header, attribute)


HEADER: list[tuple[str, Read]] = [
    (r"header\.message_id", of_header("message")),
    (r"header\.serial_number", of_header("serial")),
    (r"header\.terminal_phone", of_header("phone")),
    (r"header\.body_length", lambda d, m, frame: int.from_bytes(frame[2:4], "big") & 0x3FF),
    (r"header\.encrypt|header\.encryption_bits", of_header("encryption")),
    (r"header\.is_package", lambda d, m, frame: d.header.total > 0),
    (r"header\.package_index", of_header("index")),
    (r"header\.package_total", of_header("total")),
    (r"header\.version_flag", lambda d, m, frame: d.header.version == 2019),
    (r"header\.protocol_version", of_header("protocol_version")),
]

# --- items of a location, wherever it stands --------------------------------------------------------------------------

STATE_WORDS = {0: "acc", 1: "left_turn", 2: "right_turn", 3: "wipers", 4: "brake", 5: "card", 10: "location"}
Locate = Callable[[Decoded, re.Match[str]], Any]


def item_reads(locate: Locate, at: str) -> list[tuple[str, Read]]:
    """Return the reads of safety items and makers' items, of locations that `locate` finds; `at` stands in front."""

    def of_item(struct: str, path: str, mask: int = -1) -> Read:
        def read(decoded: Decoded, match: re.Match[str], _: bytes) -> Any:
            item = locate(decoded, match).item(ITEM_NAMED[struct])
            assert item is not None, f"no {struct}"
            value = follow(item, path, match)
            return value & mask if mask != -1 else value

        return read

    def sized(struct: str) -> Read:
        """The length byte as it was sent."""

        def read(decoded: Decoded, match: re.Match[str], frame: bytes) -> int:
            location = locate(decoded, match)
            item = location.item(ITEM_NAMED[struct])
            if item.as_sent is not None:
                return int(item.as_sent[1])
            writer_row = ROW_OF[ITEM_NAMED[struct]]
            at_byte = frame.index(bytes((writer_row.id,)), 12 + 28)
            return frame[at_byte + 1]

        return read

    def state_bit(struct: str, bit: int) -> Read:
        return lambda decoded, match, _: bool(locate(decoded, match).item(ITEM_NAMED[struct]).vehicle_state >> bit & 1)

    safety = {0x64: "AdasAlarm", 0x65: "DsmAlarm", 0x66: "TpmsAlarm", 0x67: "BsdAlarm", 0x70: "HarshDriving"}
    reads: list[tuple[str, Read]] = []
    for id, struct in safety.items():
        item = at + rf"(?:additional|attributes)\.0x{id:02X}\."
        plain = {
            r"(alarm_id|id)": "alarm_number",
            r"(flag_state|flag_status|state)": "state",
            r"(alarm_or_event_type|alarm_event_type|type)": "kind",
            r"(alarm_level|level)": "level",
            r"fatigue(_degree)?": "fatigue",
            r"(retain)": "reserved",
            r"(car_or_pedestrian_distance_ahead|pre_vehicle_or_pedestrian_distance|front_distance)": "ahead_s10",
            r"(pre_vehicle_speed|front_speed|vehicle_speed@SmallChi)": "ahead_speed_kmh",
            r"(speed|vehicle_speed@cuteLittleDevil)": "speed_kmh",
            r"(deviate_type|deviation_type)": "departure",
            r"(road_sign_identification_type|road_sign_recognition_type|road_sign)": "sign_kind",
            r"(road_sign_identification_data|road_sign_recognition_data|road_sign_value)": "sign_value",
            "altitude": "altitude_m",
            "latitude": "latitude",
            "longitude": "longitude",
            r"(alarm_time@.*|alarm_time|time@cuteLittleDevil)": "time_ms",
            r"(vehicle_state|vehicle_status\.original_value|status_flags)": "vehicle_state",
            r"((alarm_identification|alarm_sign)\.terminal_id|terminal_id)": "alarm_id.terminal_id",
            r"((alarm_identification|alarm_sign)\.time|time@yezhihao)": "alarm_id.time_ms",
            r"(alarm_identification\.sn|alarm_sign\.serial_number|sequence_no)": "alarm_id.serial",
            r"(alarm_identification\.attach_count|alarm_sign\.attach_number|file_total)": "alarm_id.attachments",
            r"(alarm_sign\.alarm_reserve|reserved)": "alarm_id.reserved",
            r"alarm_identification\.retain1": "alarm_id.reserved[0]",
            r"alarm_identification\.retain2": "alarm_id.reserved[1]",
            r"alarm_time_threshold": "time_threshold",
            r"alarm_threshold1": "threshold_1",
            r"alarm_threshold2": "threshold_2",
        }
        reads += [(item + pattern, of_item(struct, path)) for pattern, path in plain.items()]
        # One peer reads four reserved bytes as a number.
        reads.append((item + r"reserves", of_item(struct, "reserved")))
        reads.append((item + r"attach_info_length", sized(struct)))
        bits = (
            (0, "acc"),
            (1, "left_turn"),
            (2, "right_turn"),
            (3, "wipers"),
            (4, "brake"),
            (5, "card"),
            (10, "location"),
        )
        reads += [(item + rf"vehicle_status\.{word}", state_bit(struct, bit)) for bit, word in bits]
    tyres = at + r"additional\.0x66\.alarm_or_event(?:s|_list)\[(?P<k>\d+)\]\."
    reads += [
        (
            tyres + r"(tire_pressure_alarm_position|tire_pressure_alarm_location)",
            of_item("TpmsAlarm", "tyres[k].wheel"),
        ),
        (tyres + r"alarm_or_event_type", of_item("TpmsAlarm", "tyres[k].alarms")),
        (tyres + r"tire_pressure", of_item("TpmsAlarm", "tyres[k].pressure_kpa")),
        (tyres + r"tire_temperature", of_item("TpmsAlarm", "tyres[k].temperature_c")),
        (tyres + r"battery_level", of_item("TpmsAlarm", "tyres[k].battery_percent")),
        (
            at + r"additional\.0x66\.alarm_or_event_count",
            lambda d, m, f: len(locate(d, m).item(ITEM_NAMED["TpmsAlarm"]).tyres),
        ),
    ]
    makers = {
        r"0x51\.temperatures\[(?P<k>\d+)\]": ("Temperatures", "temperatures_c10[k]"),
        r"0x52\.direction": ("DrumTurning", "turning"),
        r"0x54\.wifi_infos\[(?P<k>\d+)\]\.singnal_strength": ("WifiCounted", "stations[k].signal_dbm"),
        r"0x54\.wifi_infos\[(?P<k>\d+)\]\.wifi_mac": ("WifiCounted", "stations[k].mac"),
        r"0x58\.humiditys": ("Humidities", "humidity_percent10"),
        r"0x61\.volage": ("SupplyVoltage", "supply_v100"),
        r"0xE1\.mcc": ("Gps51Cells", "country"),
        r"0xE1\.mnc": ("Gps51Cells", "network"),
        r"0xE1\.base_stations\[(?P<k>\d+)\]\.lac": ("Gps51Cells", "stations[k].area"),
        r"0xE2\.version": ("Gps51Firmware", "text"),
        r"0xF1\.iccid": ("Gps51Sim", "iccid"),
        r"0xF6\.imei": ("Gps51Imei", "imei"),
        r"0xFA\.alarm": ("Gps51Alarm", "alarms"),
        r"0xFB\.power": ("Gps51Battery", "battery_v100"),
        r"0xFB\.power_percent": ("Gps51Battery", "battery_percent"),
        r"0xFB\.status": ("Gps51Battery", "state"),
    }
    for pattern, (struct, path) in makers.items():
        # The peer reads the strength of a station without its sign.
        reads.append((at + r"additional\." + pattern, of_item(struct, path, 0xFF if "dbm" in path else -1)))
    for ours, theirs in (("beidou", "bei_dou"), ("gps", "gps"), ("glonass", "glonass"), ("galileo", "galileo")):
        seen = at + rf"additional\.0x07\.{theirs}"
        reads += [
            (seen + r"\[(?P<k>\d+)\]\.no", of_item("SatellitesSeen", f"{ours}[k].number")),
            (seen + r"\[(?P<k>\d+)\]\.elevation", of_item("SatellitesSeen", f"{ours}[k].elevation_deg")),
            (seen + r"\[(?P<k>\d+)\]\.azimuth_angle", of_item("SatellitesSeen", f"{ours}[k].azimuth_deg")),
            (
                seen + r"\.count",
                lambda d, m, f, ours=ours: len(getattr(locate(d, m).item(ITEM_NAMED["SatellitesSeen"]), ours)),
            ),
        ]
    reads += [
        (at + r"additional\.0x07\.attach_info_length", sized("SatellitesSeen")),
        (at + r"additional\.0xE2\.attach_info_length", sized("Gps51Firmware")),
        (at + r"additional\.0x(?P<id>[0-9A-F]{2})\.attach_info_id", lambda d, m, f: int(m["id"], 16)),
    ]
    return reads


def traccar_reads(location_of: Callable[[Decoded], Any]) -> list[tuple[str, Read]]:
    """Return the reads of what Traccar makes of makers' items: attributes in its own units."""

    def first(decoded: Decoded, *wanted: tuple[str, str]) -> Any:
        """The first field that is there, of items or of what is listed inside them."""
        there: list[msgspec.Struct] = list(location_of(decoded).items)
        for item in list(there):
            there += getattr(item, "listed", ())
        for struct, field in wanted:
            for item in there:
                if type(item).__name__ == struct:
                    return getattr(item, field)
        raise AssertionError(f"none of {wanted}")

    levels = ("Charging", "BatteryLevelD4", "BatteryLevelE1", "BatteryLevelFE", "ExtensionBatteryLevel")
    sounds = {"sos": (0x0C01,), "vibration": (0x0406,)}

    def alarmed(decoded: Decoded, kind: str) -> bool:
        location = location_of(decoded)
        if kind in sounds:
            return first(decoded, ("JcExtension", "kind")) in sounds[kind]
        return bool(location.alarm >> 16 & 3 if kind == "tampering" else location.alarm >> 16 & 1)

    named = {
        "batteryLevel": lambda d: first(
            d, *((one, "battery_percent") for one in levels), ("ExtensionBatteryLevel2", "battery_percent")
        ),
        "temp1": lambda d: first(d, ("Temperatures", "temperatures_c10"))[0] / 10,
        "imei": lambda d: first(d, ("Imei", "imei"))[1:],
        "rpm": lambda d: float(first(d, ("ObdText", "text")).split(",")[2]),
        "event": lambda d: first(d, ("MakersEvent", "event")),
        "dtcs": lambda d: first(d, ("TroubleCodes", "text")).replace(",", " "),
        "steps": lambda d: first(d, ("Steps", "steps")),
        # Bits 23 and 24 of type 0xC5: 0 moves, 1 stands.
        "motion": lambda d: first(d, ("ExtensionState", "states_off")) >> 23 & 3 == 0,
        "power": lambda d: volts(d, first),
    }
    reads: list[tuple[str, Read]] = [
        (rf"traccar\.attribute\.{name}", lambda d, m, f, read=read: read(d)) for name, read in named.items()
    ]
    return [*reads, (r"traccar\.attribute\.alarm=(?P<kind>\w+)", lambda d, m, f: alarmed(d, m["kind"]))]


def volts(decoded: Decoded, first: Callable[..., Any]) -> float:
    for struct, field, steps in (
        ("SupplyVoltageE1", "supply_v10", 10),
        ("SupplyVoltage82", "supply_v10", 10),
        ("ExtensionSupply", "supply_v100", 100),
    ):
        try:
            return float(first(decoded, (struct, field)) / steps)
        except AssertionError:
            continue
    raise AssertionError("no supply")
