"""identify, decode and reply against the declared decoder and encoder, which read the same bytes another way."""

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.jt808 import kernels
from protocols.jt808.codec import Header, ProtocolError, encode, encode_frame
from protocols.jt808.codec import decode as declared_decode
from protocols.jt808.messages import (
    MESSAGES,
    Heartbeat,
    Item,
    Location,
    LocationBatch,
    LocationReply,
    Odometer,
    PlatformGeneralReply,
    Satellites,
    SignalStrength,
    TerminalGeneralReply,
    Unknown,
    Unreadable,
)
from protocols.report import (
    ACCELERATION_MAX_MG,
    ACCELERATION_NONE_MG,
    CELL_SIGNAL_NONE,
    FLAG_ASSEMBLED,
    FLAG_BATCH,
    FLAG_BLIND,
    FLAG_CRASH_ITEM,
    FLAG_ITEMS_CLIPPED,
    FLAG_NO_FIX,
    FLAG_POSITION_BAD,
    FLAG_TIME_BAD,
    ODOMETER_NONE,
    REPORT,
    SATELLITES_NONE,
    TIME_AHEAD_MS_MAX,
    TIME_MS_MIN,
    TIME_NONE,
    phone_key,
)
from protocols.seam import (
    CLASS_BAD,
    CLASS_FRAGMENT,
    CLASS_FRAME,
    CLASS_HEARTBEAT,
    CLASS_LOGIN,
    CLASS_REPORT,
    CLASS_UNKNOWN,
    CLASS_UNREADABLE,
    IDENTITY_ALARM,
    IDENTITY_BODY_LENGTH,
    IDENTITY_BODY_OFFSET,
    IDENTITY_FORM,
    IDENTITY_FRAGMENT_INDEX,
    IDENTITY_FRAGMENT_TOTAL,
    IDENTITY_LENGTH_FAULT,
    IDENTITY_MESSAGE,
    IDENTITY_PHONE_HIGH,
    IDENTITY_PHONE_LOW,
    IDENTITY_SERIAL,
    IDENTITY_UNREADABLE,
)
from tests.protocols.driving import decode, identify, reply

ARRIVAL_MS = 1_768_437_050_000
MASK = 2**64 - 1


def slow_report_id(phone: tuple[int, int], location: bytes) -> int:
    """The hash of the report as kernels.py describes it, in whole numbers."""

    def fold(a: int, b: int) -> int:
        product = (a & MASK) * (b & MASK)
        return (product >> 64) ^ (product & MASK)

    def word(at: int) -> int:
        return int.from_bytes(location[at : at + 8], "little")

    a, b, c = (constant & MASK for constant in (kernels.HASH_A, kernels.HASH_B, kernels.HASH_C))
    state = fold(phone[0] ^ a, phone[1] ^ b)
    at = 0
    while at + 16 < len(location):
        state = fold(word(at) ^ b, word(at + 8) ^ state)
        at += 16
    state = fold(word(len(location) - 16) ^ c, word(len(location) - 8) ^ state)
    return fold(state ^ a, b ^ len(location))


def said_items(items: bytes) -> tuple[list[tuple[int, bytes]], bool]:
    """Cut items by the lengths they say, as the kernels do: the declared decoder also mends some that lie.

    Returns:
        (id, data) of each, and whether the last one is clipped.
    """
    cut: list[tuple[int, bytes]] = []
    at = 0
    while at + 1 < len(items) and at + 2 + items[at + 1] <= len(items):
        cut.append((items[at], items[at + 2 : at + 2 + items[at + 1]]))
        at += 2 + items[at + 1]
    return cut, at < len(items)


def slow_acceleration_mg(data: bytes) -> int | None:
    """Return the acceleration in an item 0xF6 of sensors (vendors.AovxSensors), None if it is something else."""
    if len(data) < 2 or data[1] & 0xC8 != 0x08:
        return None
    sizes = {0: 2, 1: 2, 2: 2, 3: 6, 4: 10, 5: 2}
    if len(data) != 2 + sum(size for bit, size in sizes.items() if data[1] >> bit & 1):
        return None
    at = 2 + sum(sizes[bit] for bit in (0, 1, 2) if data[1] >> bit & 1)
    x, y, z = struct.unpack(">3h", data[at : at + 6])
    return min(math.isqrt(x * x + y * y + z * z), ACCELERATION_MAX_MG)


def slow_row(header: Header, location: Location, raw: bytes, offset: int, flags: int) -> tuple[int, ...]:
    """Return the row of a location as the declared decoder reads it."""
    time_ms = location.time_ms
    if time_ms is None or not TIME_MS_MIN <= time_ms <= ARRIVAL_MS + TIME_AHEAD_MS_MAX:
        flags |= FLAG_TIME_BAD
    if not location.fixed:
        flags |= FLAG_NO_FIX
    if location.latitude > 90_000_000 or location.longitude > 180_000_000:
        flags |= FLAG_POSITION_BAD
    items, clipped = said_items(raw[28:])
    if clipped:
        flags |= FLAG_ITEMS_CLIPPED
    odometer = next((data for id, data in items if id == 0x01 and len(data) == 4), None)
    declared = location.item(Odometer)
    if not clipped:
        assert declared == (None if odometer is None else Odometer(int.from_bytes(odometer, "big")))
    if any(id == 0x70 and len(data) == 6 and data[5] == 0x16 for id, data in items):
        flags |= FLAG_CRASH_ITEM
    accelerations = (slow_acceleration_mg(data) for id, data in items if id == 0xF6)
    high, low = phone_key(header.phone)
    return (
        *(0, 0, 0, 0, low, high),
        slow_report_id((high, low), raw),
        TIME_NONE if time_ms is None else time_ms,
        location.alarm,
        location.status,
        max(-900_000_000, min(900_000_000, location.lat_1e7)),
        max(-1_800_000_000, min(1_800_000_000, location.lon_1e7)),
        ODOMETER_NONE if odometer is None else int.from_bytes(odometer, "big") * 100,
        location.speed_kmh10,
        location.course_deg % 360,
        location.altitude_m,
        header.serial,
        flags,
        offset + 28,
        len(raw) - 28,
        next((mg for mg in accelerations if mg is not None), ACCELERATION_NONE_MG),
        first_said(items, 0x31, SATELLITES_NONE),
        first_said(items, 0x30, CELL_SIGNAL_NONE),
    )


def first_said(items: list[tuple[int, bytes]], number: int, none: int) -> int:
    """Return what the first such item of one byte says; `none` is also how a terminal says that it does not know."""
    return next((data[0] for id, data in items if id == number and len(data) == 1 and data[0] != none), none)


def slow_rows(frame: bytes) -> tuple[list[tuple[int, ...]], int]:
    """Return the rows of a frame and how many locations could not be read, by the declared decoder."""
    decoded = declared_decode(frame)
    header, body = decoded.header, decoded.body
    start = (17 if frame[2] & 0x40 else 12) + (4 if frame[2] & 0x20 else 0)
    if isinstance(body, Location):
        return [slow_row(header, body, frame[start:], start, 0)], 0
    if isinstance(body, Unknown):
        whole = not header.total and not header.encryption
        return [], int(whole and header.message in (0x0200, 0x0201, 0x0500, 0x0704))
    if isinstance(body, LocationReply):
        at = start if body.reply_serial is None else start + 2
        return [slow_row(header, body.location, frame[at:], at, FLAG_ASSEMBLED)], 0
    if not isinstance(body, LocationBatch):
        return [], 0
    rows = []
    at = start + 3
    for location in body.locations:
        said = int.from_bytes(frame[at : at + 2], "big")
        raw = frame[at + 2 : at + 2 + said]
        if isinstance(location, Location):
            flags = FLAG_BATCH | (FLAG_BLIND if body.kind == 1 else 0)
            if len(raw) < said:
                flags |= FLAG_ITEMS_CLIPPED
            rows.append(slow_row(header, location, raw, at + 2, flags))
        at += 2 + len(raw)
    return rows, len(body.locations) - len(rows) + (len(body.locations) < (body.count or 0))


def agree(frame: bytes) -> None:
    """Hold the kernels against the declared decoder on one frame."""
    frame_class, identity = identify(frame)
    try:
        declared = declared_decode(frame)
        header = declared.header
    except ProtocolError:
        assert frame_class == CLASS_BAD
        return
    assert frame_class != CLASS_BAD
    assert (identity[IDENTITY_PHONE_HIGH], identity[IDENTITY_PHONE_LOW] & MASK) == phone_key(header.phone)
    assert identity[IDENTITY_MESSAGE] == header.message
    assert identity[IDENTITY_SERIAL] == header.serial
    assert identity[IDENTITY_FRAGMENT_TOTAL] == header.total
    assert identity[IDENTITY_FRAGMENT_INDEX] == header.index
    assert identity[IDENTITY_FORM] == (header.version == 2019)
    assert identity[IDENTITY_BODY_OFFSET] + identity[IDENTITY_BODY_LENGTH] == len(frame)
    if len(frame) <= 1023 + 12:
        faulty = any("header says" in fault or "packet item" in fault for fault in declared.faults)
        assert identity[IDENTITY_LENGTH_FAULT] == faulty
    rows, identity = decode(frame, ARRIVAL_MS)
    expected, unreadable = slow_rows(frame)
    assert [tuple(row) for row in rows.tolist()] == expected
    assert identity[IDENTITY_UNREADABLE] == unreadable
    if frame_class == CLASS_REPORT and not header.total:
        alarm = 0
        for row in expected:
            alarm |= row[8]
        assert identity[IDENTITY_ALARM] == alarm


word32 = st.integers(0, 2**32 - 1)
# Items of the bytes that matter: declared ids with right and wrong lengths, vendor ids, escapes as data.
items = st.lists(
    st.one_of(
        word32.map(Odometer),
        st.builds(Satellites, st.integers(0, 255)),
        st.builds(SignalStrength, st.integers(0, 255)),
        st.builds(Item, st.just(0x70), st.binary(min_size=5, max_size=5).map(lambda data: data + b"\x16")),
        st.builds(
            lambda mask, data: Item(0xF6, bytes([2, mask]) + data),
            st.sampled_from([8, 9, 15, 24, 40, 63]),
            st.sampled_from([6, 8, 12, 16, 24]).flatmap(lambda n: st.binary(min_size=n, max_size=n)),
        ),
        st.builds(
            Item,
            st.sampled_from([0x01, 0x11, 0x2B, 0x7D, 0x7E, 0xE1, 0x00]),
            st.lists(st.sampled_from(b"\x7d\x7e\x01\x02\x30\x00"), max_size=6).map(bytes),
        ),
    ),
    max_size=5,
).map(tuple)
locations = st.builds(
    Location,
    alarm=word32,
    status=word32,
    latitude=st.integers(0, 95_000_000) | word32,
    longitude=st.integers(0, 185_000_000) | word32,
    altitude_m=st.integers(-(2**15), 2**15 - 1),
    speed_kmh10=st.integers(0, 2**16 - 1),
    course_deg=st.integers(0, 400) | st.sampled_from([359, 360, 361, 720]),
    time_ms=st.none() | st.integers(946_656_000, 4_102_415_999).map(lambda s: 1000 * s),
    items=items,
)
phones = st.integers(1, 10**12 - 1).map(str) | st.just("7E7D7E7D7E7D")
headers = st.builds(
    lambda message, phone, serial, version: Header(message, phone, serial, version),
    st.just(0),
    phones,
    st.integers(0, 65535) | st.sampled_from([0x7E7D, 0x7D01]),
    st.sampled_from([2013, 2019]),
)
batches = st.builds(
    LocationBatch,
    kind=st.integers(0, 2),
    locations=st.lists(locations | st.binary(max_size=27).map(Unreadable), max_size=6).map(tuple),
)


def framed(body: object, header: Header) -> bytes:
    message = next(id for id, row in MESSAGES.items() if isinstance(body, row.body))
    header = Header(message, header.phone, header.serial, header.version)
    return encode_frame(body, header)  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(locations | batches | st.builds(LocationReply, reply_serial=st.just(7), location=locations), headers)
def test_kernels_agree_with_the_declared_decoder(body: object, header: Header) -> None:
    agree(framed(body, header))


@settings(max_examples=200, deadline=None)
@given(locations | batches, headers, st.data())
def test_kernels_agree_with_the_declared_decoder_on_broken_frames(
    body: object, header: Header, data: st.DataObject
) -> None:
    frame = bytearray(framed(body, header))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    agree(bytes(frame[: data.draw(st.integers(0, len(frame)))]))


def test_of_a_repeated_item_the_first_that_says_something_counts() -> None:
    items = (
        Satellites(SATELLITES_NONE),
        Satellites(9),
        Satellites(4),
        SignalStrength(CELL_SIGNAL_NONE),
        SignalStrength(0),
    )
    frame = encode_frame(Location(0, 2, 0, 0, time_ms=ARRIVAL_MS, items=items), Header(0x0200, "13800138000", 1))
    agree(frame)
    row = decode(frame, ARRIVAL_MS)[0][0]
    assert (row["satellites"], row["cell_signal"]) == (9, 0)


def test_times_agree_on_every_day_and_on_every_wrong_field() -> None:
    header = Header(0x0200, "13800138000", 1)
    frame = bytearray(encode_frame(Location(0, 2, 0, 0, time_ms=ARRIVAL_MS), header))
    for month in range(14):
        for day in range(33):
            for year in (0, 24, 99):
                frame[34:37] = bytes.fromhex(f"{year:02}{month:02}{day:02}")
                agree(bytes(frame))
    for at in range(34, 40):
        good = bytes(frame)
        for value in range(256):
            frame[at] = value
            agree(bytes(frame))
        frame[:] = good


def test_classes() -> None:
    location = Location(0x80000001, 2, 1, 1, time_ms=ARRIVAL_MS)

    def class_of(message: int, body: bytes = b"", **more: int) -> int:
        return identify(encode_frame(Unknown(message, body), Header(message, "1", 1, **more)))[0]

    assert class_of(0x0002) == CLASS_HEARTBEAT
    assert class_of(0x0002, b"\x01\x02\x03") == CLASS_HEARTBEAT
    assert [class_of(message) for message in (0x0100, 0x0102, 0x0004)] == [CLASS_LOGIN] * 3
    assert class_of(0x0200, bytes(27)) == CLASS_UNREADABLE
    assert class_of(0x0200, bytes(28)) == CLASS_REPORT
    assert class_of(0x0704, bytes(2)) == CLASS_UNREADABLE
    assert class_of(0x0704, bytes(3)) == CLASS_REPORT
    assert [class_of(message) for message in (0x0001, 0x0003, 0x0201, 0x0801, 0x1205, 0x1210)] == [CLASS_FRAME] * 6
    assert [class_of(message) for message in (0x8001, 0x9101, 0x0F00, 0x5501, 0xFFFF)] == [CLASS_UNKNOWN] * 5
    assert class_of(0x0801, b"12", total=3, index=2) == CLASS_FRAGMENT
    assert class_of(0x0801, b"12", total=3, index=4) == CLASS_BAD
    assert class_of(0x0801, b"12", total=3, index=0) == CLASS_BAD
    assert class_of(0x0200, bytes(28), encryption=1) == CLASS_FRAME
    batch = framed(LocationBatch(locations=(location, Unreadable(b"1"), Location(6, 0, 0, 0))), Header(0, "1", 1))
    assert identify(batch)[1][IDENTITY_ALARM] == 0x80000007


def test_every_declared_uplink_has_a_class() -> None:
    declared = {message for message in MESSAGES if message < 0x8000}
    assert declared <= set(kernels.UPLINKS)
    assert all(message < 0x8000 for message in kernels.UPLINKS)


def test_a_packet_item_that_counts_no_packets_is_a_whole_message_with_a_fault() -> None:
    frame = bytearray(encode_frame(Location(0, 2, 1, 1), Header(0x0200, "1", 1, total=1, index=1)))
    frame[12:16] = bytes(4)
    frame_class, identity = identify(bytes(frame))
    assert (frame_class, identity[IDENTITY_FRAGMENT_TOTAL], identity[IDENTITY_LENGTH_FAULT]) == (CLASS_REPORT, 0, 1)
    agree(bytes(frame))


def test_a_message_put_together_from_fragments_is_decoded_by_its_real_length() -> None:
    locations = tuple(Location(0, 2, i, i, time_ms=ARRIVAL_MS) for i in range(100))
    whole = LocationBatch(locations=locations)
    parts = [encode_frame(LocationBatch(locations=(each,)), Header(0x0704, "13800138000", 9)) for each in locations]
    body = b"\x00\x64\x00" + b"".join(part[15:] for part in parts)
    frame = encode_frame(Unknown(0x0704, b""), Header(0x0704, "13800138000", 9)) + body
    decoded = declared_decode(frame)
    assert decoded.body == whole
    assert decoded.faults == ()
    rows, _ = decode(frame, ARRIVAL_MS)
    assert len(rows) == 100
    agree(frame)


def test_a_batch_cut_anywhere_keeps_what_is_whole() -> None:
    location = Location(3, 2, 1, 1, time_ms=ARRIVAL_MS, items=(Odometer(5),))
    frame = framed(LocationBatch(kind=1, locations=(location, location)), Header(0, "13800138000", 1))
    for cut in range(12, len(frame)):
        agree(frame[:cut])
    # 28 bytes of the second are left: its head is read, and the row says that its items are not whole.
    rows, identity = decode(frame[:-6], ARRIVAL_MS)
    assert [row & FLAG_ITEMS_CLIPPED for row in rows["flags"].tolist()] == [0, FLAG_ITEMS_CLIPPED]
    rows, identity = decode(frame[:-7], ARRIVAL_MS)
    assert (len(rows), identity[IDENTITY_UNREADABLE]) == (1, 1)


def test_rows_past_the_offer_are_not_written() -> None:
    batch = framed(LocationBatch(locations=(Location(0, 2, 1, 1),) * 5), Header(0, "1", 1))
    for rows_max in range(1, 7):
        assert len(decode(batch, ARRIVAL_MS, rows_max)[0]) == min(5, rows_max)


def test_a_report_has_one_id_whatever_frame_brings_it() -> None:
    location = Location(1, 2, 30_000_000, 120_000_000, time_ms=ARRIVAL_MS, items=(Odometer(5),))
    ids = set()
    for version in (2013, 2019):
        for serial in (1, 2):
            header = Header(0, "13800138000", serial, version)
            ids |= set(decode(framed(location, header), ARRIVAL_MS)[0]["report_id"].tolist())
            batch = LocationBatch(kind=1, locations=(location, location))
            ids |= set(decode(framed(batch, header), ARRIVAL_MS)[0]["report_id"].tolist())
    assert len(ids) == 1
    other = decode(framed(location, Header(0, "13800138001", 1)), ARRIVAL_MS)[0]["report_id"].tolist()
    assert ids != set(other)


def test_report_ids_do_not_meet() -> None:
    """20,000 reports that differ in one field: an equal pair has a chance of 1e-11; each bit is set in half."""
    frame = bytearray(encode_frame(Location(0, 2, 1, 1, items=(Odometer(5),)), Header(0x0200, "13800138000", 1)))
    seen = set()
    bits = np.zeros(64)
    for i in range(20_000):
        frame[12 + 8 : 12 + 12] = i.to_bytes(4, "big")
        seen.add(slow_report_id((0, 0x13800138000), bytes(frame[12:])))
    for report_id in seen:
        bits += (report_id >> np.arange(64, dtype=np.uint64)) & 1
    assert len(seen) == 20_000
    assert (abs(bits / 20_000 - 0.5) < 0.02).all()


def test_report_ids_stay_what_they_were() -> None:
    """Stored ids are compared with new ones for ever: this figure may never change."""
    frame = encode_frame(Location(0, 2, 1, 1, time_ms=ARRIVAL_MS), Header(0x0200, "13800138000", 1))
    assert decode(frame, ARRIVAL_MS)[0]["report_id"].tolist() == [13_239_846_850_857_274_203]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([0x0002, 0x0200, 0x7E7D, 0x7D7E, 0x0704]),
    headers,
    st.integers(0, 4) | st.sampled_from([0x7D, 0x7E]),
    st.integers(0, 65535) | st.sampled_from([0x7E7E, 0x7D00, 0x007E]),
)
def test_the_reply_is_the_declared_one(message: int, header: Header, result: int, serial: int) -> None:
    header = Header(message, header.phone, header.serial, header.version)
    frame = encode_frame(Unknown(message, b""), header)
    expected = encode(
        PlatformGeneralReply(header.serial, message, result), Header(0x8001, header.phone, serial, header.version)
    )
    assert reply(frame, result, serial) == expected


def test_the_reply_repeats_the_version_byte() -> None:
    frame = encode_frame(Heartbeat(), Header(0x0002, "13800138000", 5, 2019, protocol_version=2))
    assert reply(frame, 0, 1) == encode(
        PlatformGeneralReply(5, 2, 0), Header(0x8001, "13800138000", 1, 2019, protocol_version=2)
    )


def test_other_frames_give_no_rows() -> None:
    for body in (Heartbeat(), TerminalGeneralReply(1, 2, 3)):
        assert len(decode(framed(body, Header(0, "1", 1)), ARRIVAL_MS)[0]) == 0
    encrypted = encode_frame(Unknown(0x0200, bytes(28)), Header(0x0200, "1", 1, encryption=1))
    assert len(decode(encrypted, ARRIVAL_MS)[0]) == 0
    part = encode_frame(Unknown(0x0200, bytes(28)), Header(0x0200, "1", 1, total=2, index=1))
    assert len(decode(part, ARRIVAL_MS)[0]) == 0


@pytest.mark.parametrize("field", ["sequence", "arrival_ms", "terminal", "vehicle_id"])
def test_the_readers_fields_are_left_alone(field: str) -> None:
    assert field in (REPORT.names or ())
    rows, _ = decode(framed(Location(0, 2, 1, 1), Header(0, "1", 1)), ARRIVAL_MS)
    assert rows[field].tolist() == [0]


def test_positions_of_2011_without_a_serial_or_an_id_are_rows_of_the_right_place() -> None:
    """0x0201 of 2011 is a location and nothing in front of it, 0x0802 counts its items and gives them no id."""
    head = "0000000000000003 0260F5D7 06F0159E 0032 025C 005A 260115083045"
    phone_and_serial = "012345678901 0007"
    answer = bytes.fromhex(f"0201 001C {phone_and_serial} {head}")
    rows, identity = decode(answer, ARRIVAL_MS)
    assert [(row["lat_1e7"], row["lon_1e7"]) for row in rows] == [(399_088_230, 1_163_974_700)]
    assert identity[IDENTITY_UNREADABLE] == 0
    agree(answer)
    agree(answer + bytes.fromhex("0104000004D2"))
    agree(bytes.fromhex(f"0201 001E {phone_and_serial} 0001 {head}"))
    item = f"00 01 03 {head}"
    found = bytes.fromhex(f"0802 0044 {phone_and_serial} 0001 0002 0002 {item} {item}")
    rows, _ = decode(found, ARRIVAL_MS)
    assert [(row["lat_1e7"], row["lon_1e7"]) for row in rows] == [(399_088_230, 1_163_974_700)] * 2
    found = bytes.fromhex(f"0802 0027 {phone_and_serial} 0001 0001 00000009 {item}")
    rows, _ = decode(found, ARRIVAL_MS)
    assert [(row["lat_1e7"], row["lon_1e7"]) for row in rows] == [(399_088_230, 1_163_974_700)]
