"""Messages that terminals send in two ways: each way is read to the same values, to its last byte, without a fault."""

import msgspec
import pytest

from protocols.jt808 import wire
from protocols.jt808.codec import Header, decode, encode_frame
from protocols.jt808.control import AreasReply, AttributesReply, Circle, Control, ControlVehicle, SetCircles
from protocols.jt808.media import Driver
from protocols.jt808.messages import MESSAGES, Authenticate, Unknown

CIRCLES = (
    Circle(id=7, attributes=0, latitude=30_000_000, longitude=120_000_000, radius_m=200, name="库"),
    Circle(id=8, attributes=0, latitude=31_000_000, longitude=121_000_000, radius_m=300, name=""),
)
ATTRIBUTES = AttributesReply(3, "CARIL", "X1", "T000001", "0" * 20, "h1", "f1", 3, 32)
DOORS = ControlVehicle(controls=(Control(1, 0),))


def read_back(message: int, data: bytes, version: int = 2019) -> msgspec.Struct:
    decoded = decode(encode_frame(Unknown(message, data), Header(message, "13800138000", 1, version)))
    assert (decoded.faults, decoded.tail) == ((), b"")
    return decoded.body


@pytest.mark.parametrize(("message", "body"), [(0x0107, ATTRIBUTES), (0x8500, DOORS)])
def test_both_layouts_of_2019_say_the_same(message: int, body: msgspec.Struct) -> None:
    written = set()
    for version in MESSAGES[message].layouts(2019, -1):
        writer = wire.Writer(version)
        wire.write(body, writer)
        written.add(bytes(writer.data))
        assert read_back(message, bytes(writer.data)) == body
    assert len(written) == 2


def test_areas_come_one_by_one_or_in_the_messages_that_set_them() -> None:
    plain = AreasReply(kind=1, circles=CIRCLES)
    nested = AreasReply(kind=1, circle_settings=(SetCircles(setting=0, circles=CIRCLES),))
    for body, version in ((plain, 2019), (nested, 2020)):
        writer = wire.Writer(version)
        wire.write(body, writer)
        assert read_back(0x0608, bytes(writer.data)) == body


def test_an_authentication_of_2019_may_leave_out_what_stands_behind_the_code() -> None:
    whole = b"\x04CODE" + b"0" * 15 + b"1".ljust(20, b"\0")
    assert read_back(0x0102, whole) == Authenticate("CODE", "0" * 15, "1")
    assert read_back(0x0102, b"CODE") == Authenticate("CODE")


CARD_OUT = bytes.fromhex("02 260115083045")
CARD_IN = bytes.fromhex("01 260115083045 00 04") + "李明".encode("gbk") + b"C1".ljust(20, b"\0")
CARD_IN += b"\x02" + "粤".encode("gbk") + bytes.fromhex("20301231")


@pytest.mark.parametrize(
    ("data", "state", "name", "id_card"),
    [
        (CARD_OUT, 2, None, None),
        (CARD_OUT + CARD_IN[7:], 2, "李明", None),
        (CARD_IN, 1, "李明", None),
        (CARD_IN + b"440300199001011234".ljust(20, b"\0"), 1, "李明", "440300199001011234"),
        (CARD_IN[:8], 1, None, None),
    ],
)
@pytest.mark.parametrize("version", [2013, 2019])
def test_a_driver_comes_with_all_fields_or_with_few(
    version: int, data: bytes, state: int, name: str | None, id_card: str | None
) -> None:
    body = read_back(0x0702, data, version)
    assert isinstance(body, Driver)
    assert (body.state, body.name, body.id_card) == (state, name, id_card)


@pytest.mark.parametrize("message", [0x0900, 0x8900])
def test_transparent_data_of_2011_says_how_long_it_is(message: int) -> None:
    body = MESSAGES[message].body(kind=0x41, data=b"abc")
    frame = encode_frame(body, Header(message, "13900000001", 1, 2011))
    # Protocol sheet, section 2: B type, D total length, W packet length, X.
    assert frame[12:] == bytes.fromhex("41 00000003 0003") + b"abc"
    assert decode(frame, 2011).body == body
    # Who is not known to be of 2011 means all bytes as data.
    assert decode(frame).body == MESSAGES[message].body(kind=0x41, data=frame[13:])


def test_transparent_data_of_2011_whose_lengths_lie_is_kept_whole() -> None:
    sent = MESSAGES[0x0900].body(kind=0x41, data=b"abcdefgh")
    assert decode(encode_frame(sent, Header(0x0900, "13900000001", 1, 2013)), 2011).body == sent
