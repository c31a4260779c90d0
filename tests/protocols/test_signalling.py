"""Frames of others for video (JT/T 1078), active safety (T/JSATL 12), areas read back, transparent and compressed data.

vectors-signalling.jsonl holds the frames and what their tests expect (vectors.py says how). Every value is compared
under our name; PEER_ERRORS and NOT_CANONICAL say which are not, each with the paragraph of the protocol sheet.
"""

import contextlib
import random
import re
from collections import Counter
from typing import Any

import pytest

from protocols.jt808.codec import Decoded, ProtocolError, decode, encode_frame
from protocols.jt808.explain import explain, explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.media import Compressed
from protocols.jt808.messages import MESSAGES, Unknown
from protocols.jt808.vendors import VENDORS
from protocols.jt808.wire import TIME_ZONE_MS, bcd_time_ms
from tests.protocols.driving import frames_of
from tests.protocols.test_explain import check_cover
from tests.protocols.test_kernels import agree
from tests.protocols.vectors import (
    HEADER,
    Read,
    Row,
    frame_of_row,
    ids_of,
    length_of,
    named,
    of_body,
    our_value,
    rows_of,
    same,
    vendor_of_row,
)

ROWS = rows_of("vectors-signalling.jsonl")
IDS = ids_of(ROWS)

LOCKS = ("0x5501", "0x5502")
"""Locks with a serial of one byte in their header: not JT/T 808, and read no further than their id (section 16)."""


NOT_ESCAPED = {
    "7E0900001F4F07788EF87D000C": "Traccar's frame was copied unescaped: 7d inside (section 1, Escape)",
}
"""Frames, by how they begin, that stand in the peers' tests without their escapes."""

PARTS = r"(?:data_packages|p0x9212_retransmit_packet_list)\[(?P<i>\d+)\]\."


def alarms(shift: int) -> Read:
    """Read one word of the 64 alarm bits: the low one has those of JT/T 808, the high one those of JT/T 1078."""
    return lambda decoded, match, _: decoded.body.alarms >> shift & 0xFFFF_FFFF  # type: ignore[attr-defined]


def seek(decoded: Decoded, _match: re.Match[str], _frame: bytes) -> Any:
    return bcd_time_ms(decoded.body.seek_to)  # type: ignore[attr-defined]


READ: list[tuple[str, Read]] = [
    *HEADER,
    # Fragments asked for again.
    (r"original_msg_num|reply_serial_number@0x8003", of_body("first_serial")),
    (r"id@0x8003", of_body("indexes")),
    # The peer keeps the bytes of the list.
    (r"again_package_data", lambda d, m, f: b"".join(index.to_bytes(2, "big") for index in d.body.indexes)),  # type: ignore[attr-defined]
    (r"again_package_count", length_of("indexes")),
    # UTC, and compared as if it were GMT+8.
    (r"time@0x8004", lambda d, m, f: d.body.time_ms - TIME_ZONE_MS),  # type: ignore[attr-defined]
    # Areas and routes.
    (r"query_type", of_body("kind")),
    (r"count@0x0608", lambda d, m, f: next(len(v) for v in areas(d) if v is not None)),
    (r"ids\[(?P<i>\d+)\]", of_body("ids[i]")),
]
for _list, _items in (("0x8600", "circle_settings[i].circles"), ("0x8602", "rectangle_settings[i].rectangles")):
    _at = rf"jt808_{_list}s\[(?P<i>\d+)\]\."
    _item = _at + r"area_items\[(?P<k>\d+)\]\."
    READ += [
        (_at + "setting_area_property", of_body(_items.split(".")[0] + ".setting")),
        (_at + "area_count", length_of(_items)),
        (_item + "area_id", of_body(_items + "[k].id")),
        (_item + "area_property", of_body(_items + "[k].attributes")),
        (_item + "area_name", of_body(_items + "[k].name")),
        (_item + "center_point_lat", of_body(_items + "[k].latitude")),
        (_item + "center_point_lng", of_body(_items + "[k].longitude")),
        (_item + "radius", of_body(_items + "[k].radius_m")),
        (_item + "up_left_point_lat", of_body(_items + "[k].upper_latitude")),
        (_item + "up_left_point_lng", of_body(_items + "[k].left_longitude")),
        (_item + "low_right_point_lat", of_body(_items + "[k].lower_latitude")),
        (_item + "low_right_point_lng", of_body(_items + "[k].right_longitude")),
        (_item + "start_time", of_body(_items + "[k].start_ms")),
        (_item + "end_time", of_body(_items + "[k].end_ms")),
        (_item + "highest_speed", of_body(_items + "[k].speed_kmh")),
        (_item + "overspeed_duration", of_body(_items + "[k].overspeed_s")),
        (_item + "night_maximum_speed", of_body(_items + "[k].night_speed_kmh")),
    ]
for _list, _item in (("0x8604", "polygons[i]"), ("0x8606", "routes[i]")):
    _at = rf"jt808_{_list}s\[(?P<i>\d+)\]\."
    READ += [
        (_at + "(area|route)_id", of_body(_item + ".id")),
        (_at + "(area|route)_property", of_body(_item + ".attributes")),
        (_at + "(area|route)_name", of_body(_item + ".name")),
        (_at + "start_time", of_body(_item + ".start_ms")),
        (_at + "end_time", of_body(_item + ".end_ms")),
        (_at + "highest_speed", of_body(_item + ".speed_kmh")),
        (_at + "overspeed_duration", of_body(_item + ".overspeed_s")),
        # The peer's field is no null: without a limit it stays 0.
        (_at + "night_maximum_speed", lambda d, m, f: d.body.polygons[int(m["i"])].night_speed_kmh or 0),  # type: ignore[attr-defined]
        (_at + r"peak_items\.count", length_of(_item + ".vertices")),
        (_at + r"peak_items\[(?P<k>\d+)\]\.latitude", of_body(_item + ".vertices[k].latitude")),
        (_at + r"peak_items\[(?P<k>\d+)\]\.longitude", of_body(_item + ".vertices[k].longitude")),
    ]
    _point = _at + r"inflection_point_items\[(?P<k>\d+)\]\."
    READ += [
        (_point + "inflection_point_id", of_body(_item + ".points[k].id")),
        (_point + "section_id", of_body(_item + ".points[k].section_id")),
        (_point + "inflection_point_lat", of_body(_item + ".points[k].latitude")),
        (_point + "inflection_point_lng", of_body(_item + ".points[k].longitude")),
        (_point + "section_width", of_body(_item + ".points[k].width_m")),
        (_point + "section_property", of_body(_item + ".points[k].attributes")),
        (_point + "section_long_driving_threshold", of_body(_item + ".points[k].longest_s")),
        (_point + "section_driving_under_threshold", of_body(_item + ".points[k].shortest_s")),
        (_point + "section_highest_speed", of_body(_item + ".points[k].speed_kmh")),
        (_point + "section_overspeed_duration", of_body(_item + ".points[k].overspeed_s")),
        (_point + r"night_maximum_speed\.value", of_body(_item + ".points[k].night_speed_kmh")),
    ]
READ += [
    # Transparent, compressed, keys, dialects.
    (r"passthrough_type|message\.key", of_body("kind")),
    (r"jt808_0x0900_body_base\.passthrough_content", lambda d, m, f: d.body.data.decode("gbk")),  # type: ignore[attr-defined]
    (r"message\.value\.items\[(?P<i>\d+)\]\.id", of_body("details[i].peripheral")),
    (r"message\.value\.items\[(?P<i>\d+)\]\.company_name", of_body("details[i].details.company")),
    (r"message\.value\.items\[(?P<i>\d+)\]\.product_model", of_body("details[i].details.product")),
    (r"message\.value\.items\[(?P<i>\d+)\]\.hardware_version", of_body("details[i].details.hardware")),
    (r"message\.value\.items\[(?P<i>\d+)\]\.firmware_version", of_body("details[i].details.software")),
    (r"message\.value\.items\[(?P<i>\d+)\]\.terminal_id", of_body("details[i].details.device_id")),
    (r"message\.value\.items\[(?P<i>\d+)\]\.user_code", of_body("details[i].details.customer")),
    (r"traccar\.attribute\.dtcs", lambda d, m, f: re.search(rb"[PCBU][0-9A-F]{4}", d.body.data)[0].decode()),  # type: ignore[attr-defined,index]
    (r"body@0x0901", of_body("data")),
    (r"un_compress_message_length", length_of("inflated")),
    (r"e", of_body("exponent")),
    (r"n", of_body("modulus")),
    (r"traccar\.attribute\.batteryLevel", of_body("battery_percent")),
    (r"traccar\.attribute\.result", of_body("text")),
    # JT/T 1078.
    (r"audio_format|enter_audio_encoding", of_body("audio_codec")),
    (r"audio_channels|enter_audio_channels_number", of_body("audio_channels")),
    (r"audio_sampling_rate|enter_audio_sample_rate", of_body("audio_rate")),
    (r"audio_bit_depth|enter_audio_sample_digits", of_body("audio_bits")),
    (r"audio_frame_length", of_body("audio_frame_bytes")),
    (r"audio_support|has_supported_audio_output|is_supported_audio_output", of_body("audio_output")),
    (r"video_format|video_encoding", of_body("video_codec")),
    (r"max_audio_channels|terminal_supported_max_number_of_audio_physical_channels", of_body("audio_channels_max")),
    (r"max_video_channels|terminal_supported_max_number_of_video_physical_channels", of_body("video_channels_max")),
    (r"get_on_count|getting_on_number", of_body("got_on")),
    (r"get_off_count|getting_off_number", of_body("got_off")),
    (r"(begin_time|start_time)", of_body("start_ms")),
    (r"end_time", of_body("end_ms")),
    (r"channel_no|logic_channel_no", of_body("channel")),
    (r"reply_serial_number@0x9207|mgs_num", of_body("upload_serial")),
    (r"reply_serial_number@0x1FC4|reply_serial_number@0x1fc4", of_body("order_serial")),
    (r"reply_serial_number|serial_number", of_body("reply_serial")),
    (r"(av_resouce_total|audio_video_resource_total)", length_of("recordings")),
]
_recording = r"(?:items|av_resouces|audio_video_resource_list)\[(?P<i>\d+)\]\."
for _names, _field in {
    "(channel_no|logic_channel_no)": "channel",
    "(begin_time|start_time)": "start_ms",
    "end_time": "end_ms",
    "alarm_flags": "alarms",
    "(media_type|av_resource_type|audio_video_resource_type)": "kind",
    "stream_type": "stream",
    "(storage_type|memory_type)": "store",
    "(size|file_size|file_size_byte)": "size_bytes",
}.items():
    READ.append((_recording + _names, of_body(f"recordings[i].{_field}")))
READ += [
    (r"alarm_flags", of_body("alarms")),
    (r"warn_bit1", alarms(0)),
    (r"warn_bit2", alarms(32)),
    (r"(server_ip|ip|server_addr|attachment_server_ip|ftp_addr)", of_body("host")),
    (r"(server_ip_length|server_ip_len|attachment_server_ip_length|ftp_addr_len)", length_of("host")),
    (r"(tcp_port|attachment_server_ip_tcp_port)", of_body("tcp_port")),
    (r"(udp_port|attachment_server_ip_udp_port)", of_body("udp_port")),
    (r"port", of_body("port")),
    (r"username", of_body("user")),
    (r"username_len", length_of("user")),
    (r"password", of_body("password")),
    (r"password_len", length_of("password")),
    (r"path|file_upload_path", of_body("path")),
    (r"file_upload_path_len", length_of("path")),
    (r"condition|task_execute_condition", of_body("conditions")),
    (r"data_type|media_type", of_body("kind")),
    (r"stream_type", of_body("stream")),
    (r"storage_type|memory_type|memory_position", of_body("store")),
    (r"control_cmd|command@0x9102", of_body("command")),
    (r"close_av_data|close_type", of_body("close")),
    (r"drop_rate|package_loss_rate|packet_loss_rate", of_body("loss_percent")),
    (r"playback_way|playback_mode@0x9201", of_body("mode")),
    (r"playback_speed|play_speed", of_body("factor")),
    (r"play_control|playback_mode@0x9202", of_body("control")),
    (r"(drag_play_position|playback_time|time)@0x9202", seek),
    (r"upload_control|command@0x9207", of_body("control")),
    (r"result@0x1206", of_body("result")),
    (r"direction|param1", of_body("direction")),
    (r"speed|param2", of_body("speed")),
    (r"focus_adjustment_direction|iris_adjustment|change_multiple_control|start_or_stop|param", of_body("value")),
    # Active safety.
    (r"terminal_id@0x1210", of_body("terminal_id")),
    (r"(terminal_id|alarm_(?:identification|sign)\.terminal_id)", of_body("alarm_id.terminal_id")),
    (r"(time|alarm_(?:identification|sign)\.time)@0x(9208|1210)", of_body("alarm_id.time_ms")),
    (r"sequence_no|alarm_identification\.sn|alarm_sign\.serial_number", of_body("alarm_id.serial")),
    (r"file_total|alarm_identification\.attach_count|alarm_sign\.attach_number", of_body("alarm_id.attachments")),
    (r"(reserved|alarm_identification\.retain)@0x(9208|1210)", of_body("alarm_id.reserved")),
    (r"alarm_identification\.retain1", of_body("alarm_id.reserved[0]")),
    (r"alarm_identification\.retain2", of_body("alarm_id.reserved[1]")),
    (r"alarm_sign\.alarm_reserve", of_body("alarm_id.reserved")),
    (r"alarm_id|platform_alarm_id", of_body("platform_number")),
    (r"reserves@0x9208", of_body("reserved")),
    (r"attach_count", length_of("files")),
    (r"info_type|type@0x1210", of_body("kind")),
    (r"(?:attach_infos|t0x1210_alarm_item_list)\[(?P<i>\d+)\]\.file_name", of_body("files[i].name")),
    (r"(?:attach_infos|t0x1210_alarm_item_list)\[(?P<i>\d+)\]\.file_name_len(gth)?", length_of("files[i].name")),
    (r"(?:attach_infos|t0x1210_alarm_item_list)\[(?P<i>\d+)\]\.file_size", of_body("files[i].size_bytes")),
    (r"name|file_name", of_body("name")),
    (r"file_name_len(gth)?", length_of("name")),
    (r"size|file_size", of_body("size_bytes")),
    (r"file_type|type@0x(1211|9212)", of_body("kind")),
    (r"upload_result|result@0x9212", of_body("result")),
    (r"data_package_count|retransmit_packet_number|total@0x9212", length_of("parts")),
    (
        r"(?:data_packages|p0x9212_retransmit_packet_list)\[(?P<i>\d+)\]\.(offset|data_offset)",
        of_body("parts[i].offset"),
    ),
    (
        r"(?:data_packages|p0x9212_retransmit_packet_list)\[(?P<i>\d+)\]\.(length|body_length)",
        of_body("parts[i].length"),
    ),
    (r"items@0x9212", lambda d, m, f: [number for part in d.body.parts for number in (part.offset, part.length)]),  # type: ignore[attr-defined]
    (r"error_code", of_body("error")),
    (r"upgrade_status", of_body("state")),
    (r"upgrade_type", of_body("target")),
    (r"upload_progress", of_body("progress_percent")),
]
"""(pattern of the peer's name, how to read the value from ours)."""


def areas(decoded: Decoded) -> list[Any]:
    names = ("circles", "rectangles", "circle_settings", "rectangle_settings", "polygons", "routes", "ids")
    return [getattr(decoded.body, name) for name in names]


NOT_ON_WIRE = [
    r"header\.protocol_version@201[13]",  # their headers have no version byte
    r"reply_hex@.*",  # what we answer is the vehicle actor's, and tested there
    r"traccar\.assert@.*",  # what Traccar makes of types of 0x0900 that it knows: to us they are bytes
    r"traccar\.attribute\.(charge|deviceTemp)@.*",  # the same, and the frames of LOCKS
]
"""Patterns of name@version."""

PEER_ERRORS: list[tuple[str, str, str]] = []
"""(test or beginning of the frame, names, why): values we hold to be wrong, with the paragraph that says so."""

NOT_CANONICAL = {
    "7E00050007013800138000000104D202": "the count of 0x0005 in one byte (section 2: in two); written in two",
}
"""Frames that do not come out the same when written again, by name of the test or beginning of the frame, with why."""


def skipped(row: Row, name: str) -> str:
    """Return why a value is not compared: 'not on wire', 'peer error', or ''."""
    if any(re.fullmatch(pattern, f"{name}@{row['version']}") for pattern in NOT_ON_WIRE):
        return "not on wire"
    return "peer error" if any(named(row, [key]) and re.fullmatch(names, name) for key, names, _ in PEER_ERRORS) else ""


def frame_of(row: Row) -> bytes:
    return frame_of_row(row, escaped=not named(row, NOT_ESCAPED))


def read(row: Row) -> Decoded:
    return decode(frame_of(row), 2011 if row["version"] == "2011" else None, vendor_of_row(row))


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_every_expected_value(row: Row) -> None:
    decoded = read(row)
    if row["msg_id"] in LOCKS:
        assert isinstance(decoded.body, Unknown)
        return
    assert decoded.header.phone == (row["phone_bcd"].upper().lstrip("0") or "0")
    assert decoded.header.serial == row["serial"]
    assert decoded.header.total or not isinstance(decoded.body, Unknown)
    for name, expected in row["expect"].items():
        if not skipped(row, name):
            ours = our_value(READ, decoded, name, frame_of(row), row)
            assert same(name, expected, ours), f"{name}: {expected!r}, ours {ours!r}"


def test_peer_errors_are_few() -> None:
    counts = Counter(skipped(row, name) or "compared" for row in ROWS for name in row["expect"])
    assert counts["compared"] > 600
    assert counts["peer error"] <= 0.02 * (counts["compared"] + counts["peer error"]), counts
    for key, _, why in PEER_ERRORS:
        assert any(named(row, [key]) for row in ROWS), key
        assert why.startswith("section ")


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_canonical_frames_are_written_to_the_same_bytes(row: Row) -> None:
    decoded = read(row)
    again = encode_frame(decoded.body, decoded.header)
    if row["length_ok"] and not decoded.tail:
        assert (again == frame_of(row)) == (not named(row, NOT_CANONICAL))


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_kernels_agree_with_the_declared_decoder(row: Row) -> None:
    agree(frame_of(row))


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_explain_names_every_byte(row: Row) -> None:
    answer = explain(row["hex"])
    check_cover(answer, bytes.fromhex(row["hex"]))
    assert ("error" in answer) == (not row["checksum_ok"] or named(row, NOT_ESCAPED))


def test_every_frame_cut_at_every_byte() -> None:
    for row in ROWS:
        wire = bytes.fromhex(row["hex"])
        expected = frames_of(wire)
        for cut in range(len(wire) + 1):
            assert frames_of(wire[:cut], wire[cut:]) == expected, f"{cut=} {wire.hex()}"


def test_every_body_cut_at_every_byte_is_read_and_nothing_is_lost() -> None:
    for row in {row["hex"]: row for row in ROWS}.values():
        frame = frame_of(row)
        for cut in range(12, len(frame)):
            try:
                decoded = decode(frame[:cut])
            except ProtocolError:
                continue
            if isinstance(decoded.body, Compressed | Unknown):
                continue
            # Faults say what is missing; what is there is in the body or behind it.
            assert decoded.faults, f"{cut=} {row['source']}"


def test_mutated_frames_are_read_explained_and_written_without_an_exception() -> None:
    chance = random.Random(1078)
    wires = [bytes.fromhex(row["hex"]) for row in ROWS + rows_of("vectors.jsonl") if len(row["hex"]) < 400]
    frames = [frame for wire in wires for frame in frames_of(wire)]
    for _ in range(1_500):
        frame = bytearray(chance.choice(frames))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(min(12, len(frame) - 1), len(frame))
            frame[place] = chance.choice((0, 1, 0x7D, 0x7E, 0xFF, chance.randrange(256)))
        vendor = chance.choice([None, *(one.table for one in VENDORS.values())])
        try:
            decoded = decode(bytes(frame), vendor=vendor)
        except ProtocolError:
            continue
        wire = wrap(bytes(frame))
        check_cover(explain_wire(wire, vendor), wire)
        with contextlib.suppress(ValueError):
            # What was read can be said again, or cannot be a body at all: a name of 300 bytes out of rubbish.
            encode_frame(decoded.body, decoded.header)


def test_the_messages_of_this_file_are_declared() -> None:
    assert {int(row["msg_id"], 16) for row in ROWS if row["msg_id"] not in LOCKS} <= set(MESSAGES)
