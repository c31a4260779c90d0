"""What users of other JT/T 808 servers complained of, where it is a matter of the codec: each a test named for it.

The repositories and numbers are those of the complaints; the paragraphs those of the protocol sheet.
"""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.jt808.codec import Header, decode, encode, encode_frame
from protocols.jt808.control import (
    AreasReply,
    Circle,
    Parameter,
    ParametersReply,
    SetParameters,
)
from protocols.jt808.framing import unescape, unwrap, wrap
from protocols.jt808.location import CarriageTemperature, TyrePressures
from protocols.jt808.media import Driver
from protocols.jt808.messages import Location, PlatformGeneralReply, ResendRequest, Unknown
from protocols.jt808.parameters import CanCollection, ForbiddenPeriod
from tests.protocols.driving import frames_of, reply

# The bytes that matter to escaping: flags, escapes, and what follows an escape.
RUNS = st.lists(st.sampled_from(b"\x7d\x7e\x01\x02\x30\x00"), max_size=40).map(bytes)


@settings(max_examples=300, deadline=None)
@given(RUNS, st.integers(0, 0xFFFF))
def test_any_run_of_escapes_comes_back_in_data_serial_and_checksum(data: bytes, serial: int) -> None:
    """hylexus/jt-framework#71 and #26: 7d 01, 7d 02 and plain 01, 02 behind one another."""
    assert unescape(wrap(data)[1:-1])[0][:-1] == data
    wire = encode(Unknown(0x0900, b"\xf1" + data), Header(0x0900, "13800138000", serial))
    assert b"\x7e" not in wire[1:-1]
    assert frames_of(wire) == [unwrap(wire)]
    assert decode(unwrap(wire)).header.serial == serial


def test_a_checksum_that_is_a_flag_or_an_escape_is_escaped() -> None:
    """hylexus/jt-framework#71: section 1, `30 7E 08 7D 55` travels as `7E 30 7D 02 08 7D 01 55 7E`."""
    assert unescape(bytes.fromhex("307D02087D0155"))[0] == bytes.fromhex("307E087D55")
    assert wrap(bytes.fromhex("307E087D")) == bytes.fromhex("7E 307D02087D01 3B 7E")
    for wanted in (0x7D, 0x7E):
        serial = next(
            serial
            for serial in range(256)
            if unescape(encode(Unknown(0x0002, b""), Header(0x0002, "1", serial))[1:-1])[0][-1] == wanted
        )
        wire = encode(Unknown(0x0002, b""), Header(0x0002, "1", serial))
        assert wire[-3:] == bytes((0x7D, wanted - 0x7C, 0x7E))
        assert len(frames_of(wire)) == 1


@pytest.mark.parametrize("phone", ["1", "13800138000", "012345678901"])
@pytest.mark.parametrize(("version", "protocol_version"), [(2013, 1), (2019, 1), (2019, 2)])
def test_a_reply_has_the_version_bits_and_the_phone_of_its_request(
    phone: str, version: int, protocol_version: int
) -> None:
    """SmallChi/JT808#26: the version flag set wrongly when replying."""
    header = Header(0x0002, phone, 7, version, protocol_version=protocol_version)
    request = encode_frame(Unknown(0x0002, b""), header)
    answer = decode(unwrap(reply(request, 0, 9)))
    assert answer.body == PlatformGeneralReply(7, 0x0002, 0)
    assert answer.header == msgspec.structs.replace(
        header, message=0x8001, serial=9, phone=phone.lstrip("0"), protocol_version=protocol_version
    )
    end = 15 if version == 2019 else 10
    raw = unwrap(reply(request, 0, 9))
    assert raw[4:end] == request[4:end], "version byte and phone, byte for byte"
    assert raw[2] & 0x40 == request[2] & 0x40


def test_the_items_of_2019_for_tyres_and_the_load_s_temperature() -> None:
    """SmallChi/JT808#10: items 0x05 (30 bytes, one a wheel) and 0x06 (the top bit is the sign, section 4.3)."""
    tyres = bytes((50, 51)) + b"\xff" * 28
    location = Location(0, 2, 1, 1, items=(TyrePressures(tyres), CarriageTemperature(-5)))
    frame = encode_frame(location, Header(0x0200, "1", 1, 2019))
    assert frame[17 + 28 :] == b"\x05\x1e" + tyres + bytes.fromhex("0602 8005")
    assert decode(frame).body == location
    assert decode(frame[:-2] + b"\x00\x19").body.items[1] == CarriageTemperature(25)  # type: ignore[attr-defined]


def test_areas_that_were_asked_for_are_read_as_items_and_as_whole_orders() -> None:
    """SmallChi/JT808#11: 0x0608 holds items, or (as that codec writes it) whole 0x8600 bodies: both readings."""
    circle = Circle(id=7, attributes=0, latitude=30_000_000, longitude=120_000_000, radius_m=200, name="库")
    item = bytes.fromhex("00000007 0000 01C9C380 07270E00 000000C8 0002 BFE2")
    plain = encode_frame(Unknown(0x0608, bytes.fromhex("01 00000001") + item), Header(0x0608, "1", 1, 2019))
    decoded = decode(plain)
    assert decoded.body == AreasReply(kind=1, circles=(circle,))
    assert encode_frame(decoded.body, decoded.header) == plain
    nested = encode_frame(Unknown(0x0608, bytes.fromhex("01 00000001 01 01") + item), Header(0x0608, "1", 1, 2019))
    again = decode(nested)
    assert (again.faults, again.tail) == ((), b"")
    assert "库" in str(again.body)
    assert encode_frame(again.body, again.header) == nested


def test_the_forbidden_period_and_a_can_id_are_set_byte_for_byte() -> None:
    """SmallChi/JT808#19: parameters 0x0032 and 0x0110 of 0x8103 (section 3: 16 32 0A 1E is 22:50 to 10:30)."""
    body = SetParameters(
        parameters=(
            Parameter(0x0032, ForbiddenPeriod(start_hour=22, start_minute=50, end_hour=10, end_minute=30)),
            Parameter(0x0110, CanCollection(sampling_ms=1000, channel=1, extended=1, computed=1, can_id=0x18FEF100)),
        )
    )
    frame = encode_frame(body, Header(0x8103, "1", 1, 2019))
    assert frame[17:] == bytes.fromhex("02 00000032 04 16320A1E 00000110 08 000003E8 F8FEF100")
    assert decode(frame).body == body


def test_a_parameter_keeps_the_meaning_of_its_id() -> None:
    """traccar PR#5997: a 0x0104 whose parameters were taken for others. Ids in no order, and one that nobody knows."""
    frame = encode_frame(
        Unknown(
            0x0104,
            bytes.fromhex("0007 04 00000055 04 00000064 0000F001 01 05 00000001 04 0000003C 00000083 02 BEA9"),
        ),
        Header(0x0104, "1", 1),
    )
    assert decode(frame).body == ParametersReply(
        reply_serial=7,
        parameters=(
            Parameter(0x0055, 100),
            Parameter(0xF001, b"\x05"),
            Parameter(0x0001, 60),
            Parameter(0x0083, "京"),
        ),
    )


@pytest.mark.parametrize(("version", "count"), [(2013, "03"), (2019, "0003")])
def test_a_re_send_request_lists_the_indexes_that_are_missing(version: int, count: str) -> None:
    """zhoyq/spring-boot-starter-jt808#13: the id list of 0x8003, its count in one byte in 2013 and two in 2019."""
    body = ResendRequest(0x1234, (2, 5, 300))
    frame = encode_frame(body, Header(0x8003, "1", 1, version))
    assert frame[17 if version == 2019 else 12 :] == bytes.fromhex(f"1234 {count} 0002 0005 012C")
    assert decode(frame).body == body


def test_the_packet_item_is_no_part_of_the_body() -> None:
    """zhoyq/spring-boot-starter-jt808#13: four bytes of the header left inside a merged body."""
    for version, start in ((2013, 16), (2019, 21)):
        header = Header(0x0801, "1", 7, version, total=3, index=2)
        frame = encode_frame(Unknown(0x0801, b"middle"), header)
        assert frame[start - 4 : start] == bytes((0, 3, 0, 2))
        decoded = decode(frame)
        assert decoded.body == Unknown(0x0801, b"middle")
        assert (decoded.header.total, decoded.header.index) == (3, 2)
        assert decoded.faults == ()


DRIVER = bytes.fromhex("01 260115083045 00 04 D5C5C8FD") + b"990000000000000042".ljust(20, b"\0") + b"\x04DMV1"
DRIVER += bytes.fromhex("20301231") + b"11010119900101001X".ljust(20, b"\0")


def test_a_driver_s_message_may_end_behind_any_of_its_fields() -> None:
    """emqx/emqx PR#17581: 0x0702 with a short body. Whatever is whole is read, and nothing raises."""
    ends = {7: "result", 8: "name", 13: "certificate", 33: "issuer", 38: "valid_until", 42: "id_card"}
    for version in (2013, 2019):
        for cut in range(7, len(DRIVER) + 1):
            decoded = decode(encode_frame(Unknown(0x0702, DRIVER[:cut]), Header(0x0702, "1", 1, version)))
            if cut in ends or cut == len(DRIVER):
                assert isinstance(decoded.body, Driver)
                assert (decoded.faults, decoded.tail) == ((), b"")
                assert decoded.body.time_ms == 1_768_437_045_000
                missing = list(ends.values())[list(ends).index(cut) :] if cut in ends else []
                assert all(getattr(decoded.body, name) is None for name in missing)
                assert all(getattr(decoded.body, name) is not None for name in ends.values() if name not in missing)
            else:
                assert decoded.faults, f"{cut=}"
