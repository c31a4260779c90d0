"""Frames of the standard's own kind, read and written by the declared codec."""

import pytest

from protocols.jt808.codec import Decoded, Header, ProtocolError, decode, encode, encode_frame
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import (
    Authenticate,
    Heartbeat,
    Item,
    Location,
    LocationBatch,
    Odometer,
    PlatformGeneralReply,
    Register,
    Satellites,
    SignalStrength,
    Text,
    Unknown,
    Unreadable,
)


def wire_of(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


# protocol sheet section 18: each worked by hand from the standard.
HEARTBEAT_2013 = wire_of("7E 0002 0000 012345678901 0001 8B 7E")
HEARTBEAT_2019 = wire_of("7E 0002 4000 01 00000000012345678901 0001 CA 7E")
ACK_2013 = wire_of("7E 8001 0005 012345678901 0000 0001 0002 00 0F 7E")
LOCATION_2013 = wire_of(
    "7E 0200 0028 012345678901 007D02 00000001 00000003 0260F5D7 06F0159E 0032 025C 005A 260115083045"
    "01 04 000004D2 30 01 1C 31 01 0B 5F 7E"
)
REGISTER_2019 = wire_of(
    "7E 0100 4054 01 00000000012345678901 0002 002C 012C 41434D45" + "00" * 7 + "4D4F44454C2D58" + "00" * 23
    + "54303030303031" + "00" * 23 + "01 BEA9413132333435 9C 7E"
)  # fmt: skip

WORKED = [
    (HEARTBEAT_2013, Header(0x0002, "12345678901", 1), Heartbeat()),
    (HEARTBEAT_2019, Header(0x0002, "12345678901", 1, 2019), Heartbeat()),
    (ACK_2013, Header(0x8001, "12345678901", 0), PlatformGeneralReply(1, 2, 0)),
    (
        LOCATION_2013,
        Header(0x0200, "12345678901", 0x7E),
        Location(
            alarm=1,
            status=3,
            latitude=39_908_823,
            longitude=116_397_470,
            altitude_m=50,
            speed_kmh10=604,
            course_deg=90,
            time_ms=1_768_437_045_000,  # 2026-01-15 08:30:45 GMT+8
            items=(Odometer(1234), SignalStrength(28), Satellites(11)),
        ),
    ),
    (
        REGISTER_2019,
        Header(0x0100, "12345678901", 2, 2019),
        Register(44, 300, "ACME", "MODEL-X", "T000001", 1, "京A12345"),
    ),
]


@pytest.mark.parametrize(("wire", "header", "body"), WORKED)
def test_worked_examples_decode_and_encode_to_the_same_bytes(wire: bytes, header: Header, body: object) -> None:
    assert decode(unwrap(wire)) == Decoded(header, body, ())  # type: ignore[arg-type]
    assert encode(body, header) == wire  # type: ignore[arg-type]


def test_a_body_too_short_is_kept_raw_with_a_fault() -> None:
    frame = encode_frame(Unknown(0x0100, b"\x00\x01\x02"), Header(0x0100, "13800138000", 7))
    decoded = decode(frame)
    assert decoded.body == Unknown(0x0100, b"\x00\x01\x02")
    assert len(decoded.faults) == 1


def test_a_header_cut_anywhere_is_a_protocol_error_at_the_end() -> None:
    for wire in (HEARTBEAT_2013, HEARTBEAT_2019):
        frame = unwrap(wire)
        for cut in range(len(frame)):
            with pytest.raises(ProtocolError) as caught:
                decode(frame[:cut])
            assert caught.value.reason == "header"
            assert caught.value.offset == cut


def test_a_wrong_length_in_the_header_is_a_fault_and_the_frame_is_trusted() -> None:
    frame = bytearray(unwrap(LOCATION_2013))
    frame[3] = 0x20
    decoded = decode(bytes(frame))
    assert decoded.body == WORKED[3][2]
    assert decoded.faults == ("the header says 32 body bytes, there are 40",)


def test_an_authentication_of_2019_may_be_the_bare_code() -> None:
    header = Header(0x0102, "13800138000", 1, 2019)
    for body in (Authenticate("123456"), Authenticate("123456", "123456789012345", "v1.2")):
        assert decode(encode_frame(body, header)).body == body


def test_an_unreadable_location_in_a_batch_is_kept_and_the_rest_is_read() -> None:
    location = Location(0, 2, 30_000_000, 120_000_000, time_ms=1_700_000_000_000)
    body = LocationBatch(kind=1, locations=(location, Unreadable(b"\x01\x02"), location))
    decoded = decode(encode_frame(body, Header(0x0704, "1", 1)))
    assert decoded.body == body
    assert len(decoded.faults) == 1


def test_items_undeclared_are_kept_raw() -> None:
    location = Location(0, 2, 1, 1, items=(Item(0xC3, b"\x7e\x7d"), Item(0x30, b"\x01\x02"), Item(0xE0, b"")))
    wire = encode(location, Header(0x0200, "1", 0x7E7D))
    decoded = decode(unwrap(wire))
    assert decoded.body == location
    # 0x30 is declared with one byte: two bytes are kept as sent, with a fault.
    assert decoded.faults == ("items[1]: SignalStrength with 2 bytes",)


def test_a_body_over_1023_bytes_is_refused() -> None:
    header = Header(0x8300, "13800138000", 1)
    assert len(encode_frame(Text(flags=8, text="a" * 1022), header)) == 12 + 1023
    with pytest.raises(ValueError, match="1024"):
        encode_frame(Text(flags=8, text="a" * 1023), header)


def test_text_has_its_kind_since_2019() -> None:
    assert encode_frame(Text(flags=4, text="hi"), Header(0x8300, "1", 1))[12:] == b"\x04hi"
    assert encode_frame(Text(flags=4, text="hi"), Header(0x8300, "1", 1, 2019))[17:] == b"\x04\x01hi"
    assert encode_frame(Text(flags=4, kind=2, text="hi"), Header(0x8300, "1", 1, 2019))[17:] == b"\x04\x02hi"
