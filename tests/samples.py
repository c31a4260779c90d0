"""One body of every declared message, in the values of each edition that knows it: written by hand, as plain values.

    body_of(0x8600, 2019)      # the declared Struct
    fields_of(0x8600, 2019)    # its plain values, as `POST …/commands` takes them

A message that is declared and has no row here fails tests/line/test_messages.py and tests/simulators/test_devices.py.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from protocols.jt808.messages import MESSAGES
from protocols.jt808.plain import Invalid, from_plain

NOON_MS: Final = 1_767_240_000_000
"""2026-01-01 12:00:00 in GMT+8."""
HOUR_MS: Final = 3_600_000
EDITIONS: Final = (2011, 2013, 2019)


class Sample(NamedTuple):
    """Plain values of one message: those of all editions, and what is different or more in one."""

    fields: dict[str, Any]
    more: Mapping[int, dict[str, Any]] = MappingProxyType({})


PLACE: Final = {
    "alarm": 0,
    "status": 3,
    "latitude": 30_123_456,
    "longitude": 150_234_567,
    "altitude_m": 41,
    "speed_kmh10": 605,
    "course_deg": 87,
    "time_ms": NOON_MS,
}
LOCATION: Final = {**PLACE, "items": [{"item": "Odometer", "distance_km10": 123_456}]}
ALARM_ID: Final = {"terminal_id": "T000001", "time_ms": NOON_MS, "serial": 0, "attachments": 1}
DRIVER: Final = {
    "state": 1,
    "time_ms": NOON_MS,
    "result": 0,
    "name": "王测甲",
    "certificate": "990000000000000042",
    "issuer": "测试市道路运输管理局",
    "valid_until": "20301231",
}
CIRCLE: Final = {"id": 7, "attributes": 0b101010, "latitude": 30_100_000, "longitude": 150_200_000, "radius_m": 800,
                 "speed_kmh": 60, "overspeed_s": 10}  # fmt: skip
RECTANGLE: Final = {"id": 8, "attributes": 0b101000, "upper_latitude": 30_200_000, "left_longitude": 150_100_000,
                    "lower_latitude": 30_100_000, "right_longitude": 150_200_000}  # fmt: skip
CORNERS: Final = [{"latitude": lat, "longitude": lon} for lat, lon in (
    (30_100_000, 150_100_000), (30_200_000, 150_100_000), (30_200_000, 150_200_000))]  # fmt: skip
POINT: Final = {"id": 1, "section_id": 11, "latitude": 30_100_000, "longitude": 150_100_000, "width_m": 60,
                "attributes": 2, "speed_kmh": 80, "overspeed_s": 5}  # fmt: skip
PERIOD: Final = {"start_ms": NOON_MS - HOUR_MS, "end_ms": NOON_MS}
MEDIA: Final = {"media_id": 5, "kind": 0, "format": 0, "event": 0, "channel": 1}
KEY: Final = {"exponent": 65_537, "modulus": "c5" * 127 + "01"}
RECORD: Final = {"alarms": 0, "kind": 0, "stream": 1, "store": 1}

SAMPLES: Final[dict[int, Sample]] = {
    # --- from the terminal
    0x0001: Sample({"reply_serial": 3, "reply_message": 0x8300, "result": 0}),
    0x0002: Sample({}),
    0x0003: Sample({}),
    0x0004: Sample({}),
    0x0005: Sample({"first_serial": 9, "indexes": [2, 3]}),
    0x0100: Sample(
        {
            "province": 44,
            "city": 300,
            "maker": "CARIL",
            "model": "CT-80",
            "terminal_id": "T000001",
            "plate_colour": 1,
            "plate": "测A00001",
        }
    ),
    0x0102: Sample({"code": "3F2A"}, {2019: {"imei": "860000000000001", "software": "1.4.2"}}),
    0x0104: Sample({"reply_serial": 4, "parameters": [{"id": "0x0001", "name": "heartbeat_interval_s", "value": 60}]}),
    0x0107: Sample(
        {
            "kind": 0b1000100,
            "maker": "CARIL",
            "model": "CT-100",
            "terminal_id": "T000001",
            "iccid": "89860000000000000001",
            "hardware": "CT-2.1",
            "firmware": "1.4.2",
            "gnss": 3,
            "radio": 32,
        }
    ),
    0x0108: Sample({"target": 0, "result": 0}),
    0x0109: Sample({}),
    0x0200: Sample(LOCATION),
    0x0201: Sample({"location": LOCATION}, {2013: {"reply_serial": 5}, 2019: {"reply_serial": 5}}),
    0x0210: Sample({"locations": [LOCATION]}),
    0x0301: Sample({"event_id": 3}),
    0x0302: Sample({"reply_serial": 6, "answer_id": 1}),
    0x0303: Sample({"info_id": 2, "ordered": 1}),
    0x0500: Sample({"reply_serial": 7, "location": {**LOCATION, "status": 0x1003}}),
    0x0506: Sample({"battery_percent": 79, "signal": 20, "state": 1}),
    0x0608: Sample({"kind": 1, "circles": [{**CIRCLE, "night_speed_kmh": 50, "name": "展厅"}]}),
    0x0700: Sample({"reply_serial": 8, "block": {"command": 2, "clock_ms": NOON_MS}}, {2011: {"reply_serial": None}}),
    0x0701: Sample({"content": "运单号:CR00000001".encode("gbk").hex()}),
    0x0702: Sample(
        DRIVER,
        {
            2011: {
                "state": None,
                "time_ms": None,
                "result": None,
                "valid_until": None,
                "id_card_2011": "990000199001000042",
            },
            2019: {"id_card": "990000199001000042"},
        },
    ),
    0x0704: Sample({"kind": 1, "locations": [{**LOCATION, "time_ms": NOON_MS - 60_000}, LOCATION]}),
    0x0705: Sample({"time": "1200000123", "frames": [{"id": 0x4CF00400, "data": "ffffff6813ffffff"}]}),
    0x0800: Sample(MEDIA),
    0x0801: Sample(
        {**MEDIA, "location": PLACE, "data": "ffd8ffe000104a46494600ffd9"},
        {2011: {"location": None, "total": 1, "number": 1}},
    ),
    0x0802: Sample(
        {
            "reply_serial": 9,
            "total": 1,
            "items": [{"media_id": 5, "kind": 0, "channel": 1, "event": 3, "location": PLACE}],
        },
        {2011: {"items": [{"kind": 0, "channel": 1, "event": 3, "location": PLACE}]}},
    ),
    0x0805: Sample({"reply_serial": 10, "result": 0, "media_ids": [5, 6]}),
    0x0900: Sample({"kind": 0x41, "data": "48656c6c6f"}),
    0x0901: Sample({"data": "1f8b08000000000002034b4c4a0600c241243503000000"}),
    0x0A00: Sample(KEY),
    0x1003: Sample(
        {
            "audio_codec": 6,
            "audio_channels": 1,
            "audio_rate": 0,
            "audio_bits": 1,
            "audio_frame_bytes": 320,
            "audio_output": 1,
            "video_codec": 98,
            "audio_channels_max": 4,
            "video_channels_max": 4,
        }
    ),
    0x1005: Sample({**PERIOD, "got_on": 12, "got_off": 9}),
    0x1205: Sample({"reply_serial": 11, "recordings": [{"channel": 1, **PERIOD, **RECORD, "size_bytes": 61_000_000}]}),
    0x1206: Sample({"reply_serial": 12, "result": 0}),
    0x1210: Sample(
        {
            "terminal_id": "T000001",
            "alarm_id": ALARM_ID,
            "platform_number": "CR00000001",
            "kind": 0,
            "files": [{"name": "00_1_6401_0_1.jpg", "size_bytes": 20_480}],
        }
    ),
    0x1211: Sample({"name": "00_1_6401_0_1.jpg", "kind": 0, "size_bytes": 20_480}),
    0x1212: Sample({"name": "00_1_6401_0_1.jpg", "kind": 0, "size_bytes": 20_480}),
    0x1FC4: Sample({"order_serial": 7, "target": 0x64, "state": 1, "progress_percent": 40, "error": 0}),
    0x6006: Sample({"encoding": 0, "text": "<VER:1.0>"}),
    # --- from the platform
    0x8001: Sample({"reply_serial": 1, "reply_message": 0x0200, "result": 0}),
    0x8003: Sample({"first_serial": 9, "indexes": [2, 3]}),
    0x8004: Sample({"time_ms": NOON_MS}),
    0x8100: Sample({"reply_serial": 1, "result": 0, "code": "3F2A"}),
    0x8103: Sample({"parameters": [{"name": "default_interval_s", "value": 20}, {"id": "0x0055", "value": 100}]}),
    0x8104: Sample({}),
    0x8105: Sample({"command": 4}),
    0x8106: Sample({"ids": [0x01, 0x29]}),
    0x8107: Sample({}),
    0x8108: Sample({"target": 0, "maker": "CARIL", "release": "1.5.0", "data": "00112233" * 8}),
    0x8109: Sample({"year": 2026, "month": 1, "day": 1, "hour": 4, "minute": 0, "second": 0}),
    0x8201: Sample({}),
    0x8202: Sample({"interval_s": 5, "valid_s": 60}),
    0x8203: Sample({"alarm_serial": 0, "kinds": 1}),
    0x8204: Sample({}),
    0x8300: Sample({"flags": 8, "text": "请到店保养"}, {2019: {"kind": 2}}),
    0x8301: Sample({"kind": 1, "events": [{"id": 3, "text": "车辆故障"}, {"id": 4, "text": "道路拥堵"}]}),
    0x8302: Sample({"flags": 8, "text": "今天到店吗", "answers": [{"id": 1, "text": "到"}, {"id": 2, "text": "不到"}]}),
    0x8303: Sample({"kind": 1, "items": [{"id": 2, "name": "路况"}]}),
    0x8304: Sample({"info_id": 2, "text": "前方畅通"}),
    0x8400: Sample({"kind": 0, "number": "13800000000"}),
    0x8401: Sample({"kind": 1, "contacts": [{"kind": 3, "number": "13800000000", "name": "服务顾问"}]}),
    0x8500: Sample({"flags": 1}, {2019: {"flags": None, "controls": [{"kind": 1, "value": 0}]}}),
    0x8600: Sample(
        {"setting": 1, "circles": [CIRCLE]},
        {2019: {"circles": [{**CIRCLE, "night_speed_kmh": 50, "name": "展厅"}]}},
    ),
    0x8601: Sample({"ids": [7]}),
    0x8602: Sample(
        {"setting": 1, "rectangles": [RECTANGLE]}, {2019: {"rectangles": [{**RECTANGLE, "name": "试驾区"}]}}
    ),
    0x8603: Sample({"ids": [8]}),
    0x8604: Sample({"id": 9, "attributes": 0b101000, "vertices": CORNERS}, {2019: {"name": "停车场"}}),
    0x8605: Sample({"ids": [9]}),
    0x8606: Sample(
        {"id": 10, "attributes": 0b101000, "points": [POINT, {**POINT, "id": 2, "latitude": 30_200_000}]},
        {
            2011: {"points": [{k: v for k, v in POINT.items() if k != "id"}] * 2},
            2019: {"points": [{**POINT, "night_speed_kmh": 60}] * 2, "name": "试驾路线"},
        },
    ),
    0x8607: Sample({"ids": [10]}),
    0x8608: Sample({"kind": 1, "ids": [7]}),
    0x8700: Sample({"command": 2}),
    0x8701: Sample({"block": {"command": 0xC2, "clock_ms": NOON_MS}}),
    0x8702: Sample({}),
    0x8800: Sample({"media_id": 5, "missing": [2, 3]}, {2011: {"reply_serial": 9}}),
    0x8801: Sample(
        {
            "channel": 1,
            "command": 2,
            "interval_s": 0,
            "store": 0,
            "resolution": 5,
            "quality": 5,
            "brightness": 128,
            "contrast": 64,
            "saturation": 64,
            "chroma": 128,
        }
    ),
    0x8802: Sample({"kind": 0, "channel": 0, "event": 0, "start_ms": NOON_MS - HOUR_MS, "end_ms": NOON_MS}),
    0x8803: Sample({"kind": 0, "channel": 0, "event": 0, **PERIOD, "delete": 0}),
    0x8804: Sample({"command": 1, "time_s": 1, "store": 0, "rate": 0}),
    0x8805: Sample({"media_id": 1, "delete": 0}),
    0x8900: Sample({"kind": 0x41, "data": "48656c6c6f"}),
    0x8A00: Sample(KEY),
    0x9003: Sample({}),
    0x9101: Sample({"host": "127.0.0.1", "tcp_port": 1078, "udp_port": 0, "channel": 1, "kind": 1, "stream": 1}),
    0x9102: Sample({"channel": 1, "command": 0, "close": 0, "stream": 1}),
    0x9105: Sample({"channel": 1, "loss_percent": 3}),
    0x9201: Sample(
        {
            "host": "127.0.0.1",
            "tcp_port": 1078,
            "udp_port": 0,
            "channel": 1,
            "kind": 0,
            "stream": 1,
            "store": 1,
            "mode": 0,
            "factor": 0,
            **PERIOD,
        }
    ),
    0x9202: Sample({"channel": 1, "control": 2, "factor": 0}),
    0x9205: Sample({"channel": 0, "start_ms": None, "end_ms": None, "alarms": 0, "kind": 0, "stream": 0, "store": 0}),
    0x9206: Sample(
        {
            "host": "127.0.0.1",
            "port": 21,
            "user": "carillon",
            "password": "test",
            "path": "/recordings",
            "channel": 1,
            **PERIOD,
            **RECORD,
            "conditions": 7,
        }
    ),
    0x9207: Sample({"upload_serial": 0, "control": 1}),
    0x9208: Sample(
        {
            "host": "127.0.0.1",
            "tcp_port": 7612,
            "alarm_id": ALARM_ID,
            "platform_number": "CR00000001",
        }
    ),
    0x9212: Sample({"name": "00_1_6401_0_1.jpg", "kind": 0, "result": 0}),
    0x9301: Sample({"channel": 1, "direction": 3, "speed": 100}),
    0x9302: Sample({"channel": 1, "value": 0}),
    0x9303: Sample({"channel": 1, "value": 1}),
    0x9304: Sample({"channel": 1, "value": 1}),
    0x9305: Sample({"channel": 1, "value": 0}),
    0x9306: Sample({"channel": 1, "value": 1}),
}

PROTOCOL_ANSWERS: Final = frozenset({0x8001, 0x8003, 0x8004, 0x8100, 0x8109, 0x8800, 0x9212})
"""Downlinks that no person sends: something the terminal does brings them forth."""


def fields_of(message: int, version: int) -> dict[str, Any]:
    """Return the plain values of a message in one edition."""
    sample = SAMPLES[message]
    return {**sample.fields, **sample.more.get(version, {})}


def body_of(message: int, version: int) -> Any:
    """Return the body of a message in one edition, by the first of its layouts that takes it."""
    declared = MESSAGES[message]
    fault: Invalid | None = None
    for layout in declared.layouts(version, -1):
        try:
            return from_plain(declared.body, fields_of(message, version), layout)
        except Invalid as error:
            fault = fault or error
    raise AssertionError(f"{message:#06x} of {version}: {fault}")


def knowing(message: int) -> tuple[int, ...]:
    """Return the editions that know a message."""
    declared = MESSAGES[message]
    return tuple(version for version in EDITIONS if declared.since <= version <= declared.until)
