"""Frames collected from the tests of five other implementations: every value they expect, under our names.

vectors.jsonl holds one frame a line: `source` (repository:path#test), `hex` as on the wire, `expect` (peer's field name
to value), `checksum_ok` and `length_ok` as the collector found them. READ below maps the peers' names to ours, items of
active safety and of makers included. What is not compared stands in a table with its reason: NOT_ON_WIRE (defaults of a
peer's base class, and items that only a peer's test has), PEER_ERRORS (each with the paragraph of the protocol sheet
that it contradicts).
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from protocols.jt808 import messages
from protocols.jt808.codec import Decoded, Header, ProtocolError, decode, encode, encode_frame
from protocols.jt808.explain import explain
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import Location, LocationBatch, LocationReply, RegisterReply
from protocols.jt808.wire import ClippedItem, Item
from protocols.seam import SPLIT_BAD, SPLIT_FRAME
from tests.protocols.driving import frames_of, reply, split
from tests.protocols.test_explain import check_cover
from tests.protocols.test_kernels import agree
from tests.protocols.vectors import (
    HEADER,
    Read,
    Row,
    frame_of_row,
    ids_of,
    item_reads,
    named,
    of_body,
    our_value,
    rows_of,
    same,
    traccar_reads,
    vendor_of_row,
)

VECTORS = rows_of("vectors.jsonl")
IDS = ids_of(VECTORS)

NOT_ESCAPED = {
    "7E0002000000000000067900007D7E": "go-jt808 tolerates a checksum 7d without its escape (sheet section 1, Escape)",
    "7E0200008E01917159043700B3": "Traccar's frame was copied unescaped: 7e inside (section 1, Escape)",
    "7E020000EC6710704387730579": "Traccar's frame was copied unescaped: 7d inside (section 1, Escape)",
}
"""Frames, by how they begin, that stand in the peers' tests without their escapes."""

NOT_CANONICAL = {
    "Test2011_2": "the 2011 model is padded with spaces; this peer pads the terminal id with 0x00 in front of a space",
    "7E0100405C010000086649607758216452": "Traccar: the plate is padded with 0x00",
    "7E010000190940278494700012": "Traccar: a 2011 model padded with 0x00 instead of spaces",
    "7E0102400C0100300006810902": "a 2013 frame with bit 14 set: a phone of hexadecimal letters and a short body",
}
"""Frames that do not come out the same when written again, by name of the test or beginning of the frame, with why."""


def frame_of(row: Row) -> bytes:
    """The frame of a row, its checksum not judged; unescaped unless the peer's test holds it so."""
    return frame_of_row(row, escaped=not named(row, NOT_ESCAPED))


# --- the peers' names -------------------------------------------------------------------------------------------------


def location_of(decoded: Decoded, match: re.Match[str]) -> Location:
    body = decoded.body
    if isinstance(body, LocationReply):
        return body.location
    if isinstance(body, LocationBatch):
        location = body.locations[int(match["i"])]
        assert isinstance(location, Location)
        return location
    assert isinstance(body, Location)
    return body


def of_location(attribute: str) -> Callable[[Decoded, re.Match[str], bytes], Any]:
    return lambda decoded, match, _: getattr(location_of(decoded, match), attribute)


def of_item(struct: str, attribute: str) -> Callable[[Decoded, re.Match[str], bytes], Any]:
    def read(decoded: Decoded, match: re.Match[str], _: bytes) -> Any:
        item = location_of(decoded, match).item(getattr(messages, struct))
        assert item is not None, f"no {struct}"
        return getattr(item, attribute)

    return read


def raw_item(decoded: Decoded, match: re.Match[str], _: bytes) -> list[int]:
    id = int(match["id"], 16)
    item = next(i for i in location_of(decoded, match).items if isinstance(i, Item) and i.id == id)
    return [id, len(item.data), *item.data]


def wire_altitude(decoded: Decoded, match: re.Match[str], _: bytes) -> int:
    # Peers read it without a sign (sheet section 4: read as signed).
    return location_of(decoded, match).altitude_m & 0xFFFF


def check_traccar(decoded: Decoded, sentence: str) -> None:
    """Hold what Traccar asserts of a frame in one sentence against ours."""
    if sentence.startswith("decodes to no position"):
        assert isinstance(decoded.body, messages.Register | messages.Heartbeat)
    elif isinstance(decoded.body, LocationBatch):
        assert all(isinstance(location, Location) for location in decoded.body.locations)
        assert decoded.body.locations
    else:
        assert isinstance(decoded.body, Location)
        if "valid time and coordinates" in sentence:
            assert decoded.body.time_ms is not None
            assert abs(decoded.body.lat_1e7) <= 900_000_000
            assert abs(decoded.body.lon_1e7) <= 1_800_000_000


def bit(attribute: str, number: int) -> Callable[[Decoded, re.Match[str], bytes], Any]:
    return lambda decoded, match, _: bool(getattr(decoded.body, attribute) >> number & 1)


AT = r"(?:items\[(?P<i>\d+)\]\.|position\.)?"
ITEM = AT + r"(?:additional|attributes)\."

READ: list[tuple[str, Read]] = [
    *HEADER,
    # Locations.
    (AT + "alarm_flags", of_location("alarm")),
    (AT + "status_flags", of_location("status")),
    (AT + "latitude", of_location("latitude")),
    (AT + "longitude", of_location("longitude")),
    (AT + "altitude", wire_altitude),
    (AT + "speed", of_location("speed_kmh10")),
    (AT + "direction", of_location("course_deg")),
    (AT + "time", of_location("time_ms")),
    (r"items\[(?P<i>\d+)\]\.len", lambda d, m, frame: len(encode_body(location_of(d, m)))),
    (r"num|total", lambda d, m, f: len(d.body.locations) if d.body.count is None else d.body.count),  # type: ignore[attr-defined]
    (r"location_type|type@0x0704", of_body("kind")),
    # Items of the standard.
    (ITEM + r"0x01(\.mileage)?", of_item("Odometer", "distance_km10")),
    (ITEM + r"0x02(\.oil)?", of_item("Fuel", "volume_l10")),
    (ITEM + r"0x03(\.speed)?", of_item("RecorderSpeed", "speed_kmh10")),
    (ITEM + r"0x04(\.event_id)?", of_item("ManualAlarm", "alarm_serial")),
    (ITEM + r"0x05\.value", lambda d, m, frame: list(of_item("TyrePressures", "pressures")(d, m, frame))),
    (ITEM + r"0x06", of_item("CarriageTemperature", "temperature_c")),
    (ITEM + r"0x11\.area_id", of_item("OverspeedPlace", "place_id")),
    (ITEM + r"0x11\.(area_type|jt808_position_type)", of_item("OverspeedPlace", "kind")),
    (ITEM + r"0x12\.area_id", of_item("AreaCrossing", "area_id")),
    (ITEM + r"0x12\.(area_type|jt808_position_type)", of_item("AreaCrossing", "kind")),
    (ITEM + r"0x12\.direction", of_item("AreaCrossing", "direction")),
    (ITEM + r"0x13\.(area_id|driven_route_id)", of_item("SectionTime", "section_id")),
    (ITEM + r"0x13\.(drive_time|time)", of_item("SectionTime", "time_s")),
    (ITEM + r"0x13\.(result|driven_route)", of_item("SectionTime", "result")),
    (ITEM + r"0x14\.video_relate_alarm", of_item("VideoAlarm", "alarm")),
    (ITEM + r"0x15\.video_signal_lose_alarm_status", of_item("VideoSignalLost", "channels")),
    (ITEM + r"0x16\.video_signal_occlusion_alarm_status", of_item("VideoCovered", "channels")),
    (ITEM + r"0x17\.storage_fault_alarm_status", of_item("StorageFault", "stores")),
    (ITEM + r"0x18\.abnormal_driving_behavior_alarm_type", of_item("DriverBehaviour", "kinds")),
    (ITEM + r"0x18\.fatigue_level", of_item("DriverBehaviour", "degree")),
    (ITEM + r"0x25(\.car_signal_status)?", of_item("VehicleSignals", "signals")),
    (ITEM + r"0x2A(\.io_status)?", of_item("InputOutput", "state")),
    (r"attributes\.0x2B", of_item("Analog", "channel_0")),
    (
        r"additional\.0x2B\.analogs",
        lambda d, m, f: [of_item("Analog", "channel_1")(d, m, f), of_item("Analog", "channel_0")(d, m, f)],
    ),
    (ITEM + r"0x30(\.wi_fi_signal_strength)?", of_item("SignalStrength", "strength")),
    (ITEM + r"0x31(\.gnss_count)?", of_item("Satellites", "satellites")),
    (r"additional_unknown\.0x(?P<id>[0-9A-F]{2})", raw_item),
    # Items of active safety and of makers.
    *item_reads(location_of, AT),
    # Traccar.
    *traccar_reads(lambda d: d.body.locations[0] if isinstance(d.body, LocationBatch) else d.body),
    (r"traccar\.attribute\.videoAlarm", of_item("VideoAlarm", "alarm")),
    (
        r"traccar\.attribute\.sat",
        lambda d, m, f: d.body.locations[0].item(messages.Satellites).satellites,  # type: ignore[attr-defined]
    ),
    (r"traccar\.attribute\.door", lambda d, m, f: bool(d.body.status >> 16 & 1)),  # type: ignore[attr-defined]
    # General replies, register, authenticate, text.
    (r"reply_serial_number|ack_msg_num", of_body("reply_serial")),
    (r"reply_message_id", of_body("reply_message")),
    (r"result|jt808_terminal_register_result", of_body("result")),
    (r"test", lambda d, m, f: int.from_bytes(d.tail, "big")),
    (r"province_id", of_body("province")),
    (r"city_id", of_body("city")),
    (r"manufacturer_id", of_body("maker")),
    (r"terminal_model", of_body("model")),
    (r"terminal_id", of_body("terminal_id")),
    (r"plate_color", of_body("plate_colour")),
    (r"plate_number", of_body("plate")),
    (r"code|auth_code|token", of_body("code")),
    (r"code_length", lambda d, m, f: len(d.body.code)),  # type: ignore[attr-defined]
    (r"imei|terminal_imei", lambda d, m, f: d.body.imei or ""),  # type: ignore[attr-defined]
    (r"software_version", lambda d, m, f: d.body.software or ""),  # type: ignore[attr-defined]
    (r"flag|text_flag|sign", of_body("flags")),
    (r"text|text_info|content", of_body("text")),
    (r"type@0x8300", lambda d, m, f: d.body.kind or 0),  # type: ignore[attr-defined]
    (r"p0x8300_text_flag_details\.urgent", bit("flags", 0)),
    (r"p0x8300_text_flag_details\.display", bit("flags", 2)),
    (r"p0x8300_text_flag_details\.tts", bit("flags", 3)),
    (r"p0x8300_text_flag_details\.advertising_screen", bit("flags", 4)),
    (r"p0x8300_text_flag_details\.info_category", bit("flags", 5)),
    (r"p0x8300_text_flag_details\.bit(?P<bit>\d)_reserve", lambda d, m, f: bool(d.body.flags >> int(m["bit"]) & 1)),  # type: ignore[attr-defined]
    (r"body", lambda d, m, f: d.tail or None),
    (r"verify_code", lambda d, m, f: checksum_of(f)),
]
"""(pattern of the peer's name, how to read the value from ours). Where one name has two meanings, @ and its message."""

NOT_ON_WIRE = [
    r"items\[\d+\]\.(message_id|properties|protocol_version|serial_number|verified)@.*",  # the peer's base class
    r"header\.protocol_version@201[13]",  # their headers have no version byte
    r"auth_code_len@201[13]",  # no length in front of the code
    r"(additional|additional_unknown)\.count@.*",  # how many items are known depends on the peer's registries
    r"additional[234]?\.0x(DF|DE|DD|62)\..*",  # items of nobody, that the peer's test of its framings registers
    r"additional\.0x61\.(age|gender|user_name)@.*",  # the same
    r"exception_location_attach_original_data\[\d+\]@.*",
    r"reply_hex@.*",  # compared in a test of its own
]
"""Patterns of name@version."""

PEER_ERRORS: list[tuple[str, str, str]] = [
    (
        "LatLngTest1_1,LatLngTest2_1",
        "latitude|longitude",
        "section 0: coordinates are positive, the sign is in the status",
    ),
    ("LngTest1_1,LngTest3_1", "longitude", "section 0: coordinates are positive, the sign is in the status"),
    ("LatLngTest2_2", "latitude|longitude", "section 0: coordinates are positive, the sign is in the status"),
    ("LatTest3_2", "latitude", "section 0: coordinates are positive, the sign is in the status"),
    ("LngTest1_2", "longitude", "section 0: coordinates are positive, the sign is in the status"),
    ("LngTest3_2", "longitude", "section 0: coordinates are positive, the sign is in the status"),
    ("7E830000150012562569271108FF", "flag", "section 5: the flags are byte 0, the peer leaves its field unset"),
    (
        "7E830003E900125625692700BC00",
        "flag|text",
        "section 5: flags, then text to the end; the peer compares what it had before cutting it",
    ),
    (
        "7E020000220138001380000001",
        r"additional\.0x51\.(attach_info_id|attach_info_length|temperatures)",
        "section 16: temperatures are item 51; the peer writes them as 2b, which is analog (section 4.3)",
    ),
    (
        "7E020000240138001380000001",
        r"additional\.0xE2\.attach_info_length",
        "section 4.3: the length is that of the value, here 6",
    ),
    ("7E0200001C2234567890150000", "verify_code", "section 1: the checksum is the last byte before the flag, here fb"),
]
"""(test or beginning of the frame, names, why): values we hold to be wrong, with the paragraph that says so."""


def checksum_of(frame: bytes) -> int:
    value = 0
    for byte in frame:
        value ^= byte
    return value


def encode_body(location: Location) -> bytes:
    return encode_frame(location, Header(0x0200, "1", 1))[12:]


def skipped(row: dict[str, Any], name: str) -> str:
    """Return why a value is not compared: 'not on wire', 'peer error', or ''."""
    if any(re.fullmatch(pattern, f"{name}@{row['version']}") for pattern in NOT_ON_WIRE):
        return "not on wire"
    for key, names, _ in PEER_ERRORS:
        if named(row, {key: ""}) and re.fullmatch(names, name):
            return "peer error"
    return ""


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_every_expected_value(row: dict[str, Any]) -> None:
    frame = frame_of(row)
    if str(row.get("expect_error", "")).startswith("header"):
        with pytest.raises(ProtocolError):
            decode(frame)
        return
    decoded = decode(frame, 2011 if row["version"] == "2011" else None, vendor_of_row(row))
    assert decoded.header.phone == (row["phone_bcd"].upper().lstrip("0") or "0")
    assert decoded.header.serial == row["serial"]
    assert any("header says" in fault for fault in decoded.faults) == (not row["length_ok"])
    for name, expected in row["expect"].items():
        if skipped(row, name):
            continue
        if name == "traccar.assert":
            check_traccar(decoded, expected)
            continue
        if name == "traccar.attribute.alarm":
            name, expected = f"{name}={expected}", True
        value = our_value(READ, decoded, name, frame, row)
        if name in ("code", "auth_code") and expected is None:
            expected = ""
        assert same(name, expected, value), f"{name}: {expected!r}, ours {value!r}"


def test_peer_errors_are_few() -> None:
    counts: Counter[str] = Counter()
    for row in VECTORS:
        for name in row["expect"]:
            counts[skipped(row, name) or "compared"] += 1
    assert counts["compared"] > 1_000
    assert counts["peer error"] <= 0.02 * (counts["compared"] + counts["peer error"]), counts
    for key, _, why in PEER_ERRORS:
        assert any(row["hex"].startswith(key) or row["source"].endswith("#" + key) for row in VECTORS), key
        assert why.startswith("section ")
    assert len(NOT_ESCAPED) <= 0.02 * len(VECTORS)


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_the_splitter_judges_each_frame_as_the_collector_did(row: dict[str, Any]) -> None:
    wire = bytes.fromhex(row["hex"])
    what, consumed, detail = split(wire)
    if named(row, NOT_ESCAPED) or not row["checksum_ok"] or len(frame_of(row)) < 12:
        assert what == SPLIT_BAD
        return
    assert (what, consumed, detail) == (SPLIT_FRAME, len(wire) - 1, unwrap(wire))


def test_every_frame_cut_at_every_byte() -> None:
    wires = [bytes.fromhex(row["hex"]) for row in VECTORS]
    for wire in wires:
        expected = frames_of(wire)
        for cut in range(len(wire) + 1):
            assert frames_of(wire[:cut], wire[cut:]) == expected, f"{cut=} {wire.hex()}"


def test_neighbours_that_share_a_flag_cut_at_every_byte() -> None:
    wires = [bytes.fromhex(row["hex"]) for row in VECTORS]
    wires = sorted((wire for wire in wires if len(frames_of(wire)) == 1), key=len)[:60]
    for first, second in itertools.pairwise(wires):
        joined = first[:-1] + second
        expected = frames_of(first) + frames_of(second)
        for cut in range(len(joined) + 1):
            assert frames_of(joined[:cut], joined[cut:]) == expected, f"{cut=} {joined.hex()}"


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_canonical_frames_are_written_to_the_same_bytes(row: dict[str, Any]) -> None:
    frame = frame_of(row)
    if str(row.get("expect_error", "")).startswith("header"):
        return
    decoded = decode(frame)
    wire = bytes.fromhex(row["hex"])
    again = encode(decoded.body, decoded.header)
    canonical = row["length_ok"] and not decoded.tail and not named(row, NOT_CANONICAL)
    if isinstance(decoded.body, Location | LocationReply):
        # Whatever the items are, standard, a maker's own or clipped: not a byte of the body is lost.
        start = 17 if decoded.header.version == 2019 else 12
        assert encode_frame(decoded.body, decoded.header)[start:] == frame[start:]
    if canonical:
        assert encode_frame(decoded.body, decoded.header) == frame
        if row["checksum_ok"] and not named(row, NOT_ESCAPED):
            assert again == wire


def test_what_is_not_canonical_is_listed_truly() -> None:
    for row in VECTORS:
        if named(row, NOT_CANONICAL):
            decoded = decode(frame_of(row))
            assert encode_frame(decoded.body, decoded.header) != frame_of(row), row["source"]


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_kernels_agree_with_the_declared_decoder(row: dict[str, Any]) -> None:
    agree(frame_of(row))


@pytest.mark.parametrize("row", VECTORS, ids=IDS)
def test_explain_names_every_byte(row: dict[str, Any]) -> None:
    wire = bytes.fromhex(row["hex"])
    answer = explain(row["hex"])
    check_cover(answer, wire)
    assert ("error" in answer) == (split(wire)[0] == SPLIT_BAD)


def test_replies_are_the_peers() -> None:
    replies = 0
    for row in VECTORS:
        expected = row["expect"].get("reply_hex")
        if expected is None:
            continue
        frame = frame_of(row)
        header = decode(frame).header
        if header.message == 0x0100:
            answer = encode(
                RegisterReply(header.serial, 0, header.phone), msgspec.structs.replace(header, message=0x8100, serial=0)
            )
        else:
            answer = reply(frame, bytes.fromhex(expected)[-3], 0)
        assert answer.hex().upper() == expected
        replies += 1
    assert replies == 8


def test_clipped_items_are_kept_with_their_bytes() -> None:
    clipped = [
        item
        for row in VECTORS
        if not str(row.get("expect_error", "")).startswith("header")
        for body in (decode(frame_of(row)).body,)
        if isinstance(body, Location)
        for item in body.items
        if isinstance(item, ClippedItem)
    ]
    assert clipped
    assert all(item.length is None or len(item.data) < item.length for item in clipped)
