"""Blocks of the drive recorder (GB/T 19056, sheet section 7), by hand; and the forms of 2011 (section 11)."""

import msgspec
import pytest

from protocols.jt808.codec import Header, decode, encode_frame
from protocols.jt808.control import GivenServer, Info, SetPolygon, TerminalControl, Vertex, WirelessUpgrade
from protocols.jt808.explain import explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.media import Driver, MediaData, MediaFound, MediaReply, RecorderCollect, RecorderData, RecorderSet
from protocols.jt808.messages import Location, LocationReply, Unknown
from protocols.jt808.plain import Invalid, from_plain, to_plain
from protocols.jt808.recorder import DriverLogin, RecorderAnswer, RecorderOrder, RecordRange, parity
from tests.protocols.test_explain import check_cover, named

NOON_MS = 1_768_437_045_000  # 2026-01-15 08:30:45 GMT+8
NOON = "260115083045"
OLD = Header(0, "13800138000", 1, 2011)


def block(text: str) -> bytes:
    data = bytes.fromhex(text)
    return data + bytes((parity(data),))


def up(data: bytes) -> RecorderData:
    frame = encode_frame(Unknown(0x0700, b"\x00\x07" + data), Header(0x0700, "1", 1))
    decoded = decode(frame)
    assert encode_frame(decoded.body, decoded.header) == frame
    check_cover(explain_wire(wrap(frame)), wrap(frame))
    assert isinstance(decoded.body, RecorderData)
    return decoded.body


def test_a_block_is_read_by_its_command() -> None:
    login = block(f"557A 12 0019 00 {NOON} {b'110101199001011234'.hex()} 01")
    assert up(b"\x12" + login) == RecorderData(
        reply_serial=7,
        block=RecorderAnswer(
            command=0x12, logins=(DriverLogin(time_ms=NOON_MS, licence="110101199001011234", kind=1),)
        ),
    )


def test_an_order_carries_what_its_command_asks_for() -> None:
    body = RecorderCollect(
        block=RecorderOrder(command=0x08, range=RecordRange(start_ms=NOON_MS, end_ms=NOON_MS, blocks_max=2))
    )
    frame = encode_frame(body, Header(0x8700, "1", 1))
    assert frame[12:] == b"\x08" + block(f"AA75 08 000E 00 {NOON} {NOON} 0002")
    assert decode(frame).body == body
    clock = RecorderSet(block=RecorderOrder(command=0xC2, clock_ms=NOON_MS))
    assert encode_frame(clock, Header(0x8701, "1", 1))[12:] == b"\xc2" + block(f"AA75 C2 0006 00 {NOON}")


def test_a_recorder_that_fails_says_so_without_length_and_data() -> None:
    assert up(b"\xfa" + block("557A FA 00")).block == RecorderAnswer(command=0xFA)
    said = up(b"\x08" + block("557A FB 00"))
    assert (said.command, said.asked, said.block) == (0x08, 0x08, RecorderAnswer(command=0xFB))


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (block(f"557A 02 0006 00 {NOON}")[:-1] + b"\x00", "the block's XOR is 00"),
        (block(f"557A 02 0007 00 {NOON}"), "says 7 bytes of data and has 6"),
        (block(f"557B 02 0006 00 {NOON}"), "does not begin with 557b"),
        (b"\x55\x7a\x02", "3 bytes are no block"),
    ],
)
def test_what_is_no_block_is_kept_as_it_came_and_says_why(data: bytes, fault: str) -> None:
    decoded = decode(encode_frame(Unknown(0x0700, b"\x00\x07\x02" + data), Header(0x0700, "1", 1)))
    assert decoded.body == RecorderData(reply_serial=7, command=2, block=data)
    assert len(decoded.faults) == 1
    assert fault in decoded.faults[0]


def test_data_that_is_not_what_its_command_asks_for_is_bytes_inside_the_block() -> None:
    body = up(b"\x02" + block("557A 02 0002 00 0102"))
    assert body.block == RecorderAnswer(command=2, data=b"\x01\x02")
    assert up(b"\xe0" + block("557A E0 0001 05 7E")).block == RecorderAnswer(command=0xE0, reserved=5, data=b"\x7e")


def test_a_head_of_the_other_direction_is_kept() -> None:
    frame = encode_frame(Unknown(0x8700, b"\x00" + block("557A 00 0000 00")), Header(0x8700, "1", 1))
    decoded = decode(frame)
    assert decoded.body == RecorderCollect(block=RecorderOrder(head=0x557A, command=0))
    assert decoded.faults == ("block: begins with 557a instead of aa75",)
    assert encode_frame(decoded.body, decoded.header) == frame


def test_explain_names_every_byte_inside_a_block() -> None:
    answer = RecorderAnswer(command=0x12, logins=(DriverLogin(time_ms=NOON_MS, licence="1" * 18, kind=2),))
    fields = named(explain_wire(wrap(encode_frame(RecorderData(reply_serial=1, block=answer), Header(0x0700, "1", 1)))))
    assert fields["block.head"]["meaning"] == "from the recorder"
    assert fields["block.command"]["meaning"] == "driver log-ins"
    assert fields["block.logins[0].kind"]["meaning"] == "log out"
    assert fields["block.logins[0].time_ms"]["meaning"] == "2026-01-15 08:30:45 GMT+8"
    assert fields["block.parity"]["length"] == 1


def test_terminal_control_joins_its_fields_by_semicolons() -> None:
    server = GivenServer(
        connection=0,
        code="KEY",
        apn="",
        user="",
        password="",
        address="1.2.3.4",
        tcp_port=8808,
        udp_port="",
        limit_min=0,
    )
    frame = encode_frame(TerminalControl(2, server=server), Header(0x8105, "1", 1))
    assert frame[13:] == b"0;KEY;;;;1.2.3.4;8808;;0"
    assert decode(frame).body == TerminalControl(2, server=server)
    home = encode_frame(TerminalControl(2, server=GivenServer(connection=1)), Header(0x8105, "1", 1))
    assert home[13:] == b"1"
    said = from_plain(TerminalControl, {"command": 1, "upgrade": {"url": "ftp://a/b", "firmware": "2.0"}}, 2013)
    assert encode_frame(said, Header(0x8105, "1", 1))[13:] == b"ftp://a/b;;;;;;;;;2.0"
    assert to_plain(said)["upgrade"]["firmware"] == "2.0"
    assert said.upgrade == WirelessUpgrade(
        url="ftp://a/b",
        apn="",
        user="",
        password="",
        address="",
        tcp_port="",
        udp_port="",
        maker="",
        hardware="",
        firmware="2.0",
    )
    for fields, path in (
        ({"port": 1}, "upgrade.port"),
        ({"tcp_port": -1}, "upgrade.tcp_port"),
        ({"url": "a;b"}, ""),
        ([], "upgrade"),
    ):
        with pytest.raises(Invalid) as caught:
            from_plain(TerminalControl, {"command": 1, "upgrade": fields}, 2013)
        assert caught.value.path == path
    odd = decode(encode_frame(Unknown(0x8105, b"\x020;" + b";" * 9 + b"x"), Header(0x8105, "1", 1)))
    assert odd.body.parameters == ";;x"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="semicolon"):
        encode_frame(TerminalControl(2, server=GivenServer(connection=0, code="a;b")), Header(0x8105, "1", 1))


PLACE = Location(1, 2, 30_000_000, 120_000_000, time_ms=NOON_MS)
HEAD = f"00000001 00000002 01C9C380 07270E00 0000 0000 0000 {NOON}"
FORMS_OF_2011 = [
    (0x0201, HEAD, LocationReply(location=PLACE)),
    (
        0x0702,
        f"04 D5C5C8FD {b'110101199001011234'.ljust(20, bytes(1)).hex()} {b'99'.ljust(40, bytes(1)).hex()} 02 4A54",
        Driver(name="张三", id_card_2011="110101199001011234", certificate="99", issuer="JT"),
    ),
    (
        0x0801,
        "00000005 00 00 00 01 00000003 00000002 FFD8",
        MediaData(media_id=5, kind=0, format=0, event=0, channel=1, total=3, number=2, data=b"\xff\xd8"),
    ),
    (0x8304, "05 0009 0004 B0B2C8AB", Info(info_id=5, total=9, text="安全")),
    (0x8304, "05 0004 0004 B0B2C8AB", Info(info_id=5, text="安全")),
    (
        0x8604,
        "00000001 0000 0003 01 00000001 00000002",
        SetPolygon(id=1, attributes=0, count=3, vertices=(Vertex(1, 2),)),
    ),
    (0x8800, "0007 00000005 02 0001 0003", MediaReply(reply_serial=7, media_id=5, missing=(1, 3))),
    (
        0x0700,
        "02 000D 000D 557A 02 0006 00 260115083045 EC",
        RecorderData(block=RecorderAnswer(command=2, clock_ms=NOON_MS)),
    ),
]


@pytest.mark.parametrize(("message", "text", "body"), FORMS_OF_2011)
def test_the_forms_of_2011_are_read_under_the_header_that_2013_shares_and_written_again(
    message: int, text: str, body: msgspec.Struct
) -> None:
    data = bytes.fromhex(text)
    if message == 0x0700:
        data = data[:-1] + bytes((parity(data[5:-1]),))
    frame = encode_frame(Unknown(message, data), msgspec.structs.replace(OLD, message=message))
    for known in (None, 2011):
        decoded = decode(frame, known)
        assert (decoded.body, decoded.faults, decoded.header.version) == (body, (), 2011)
        assert encode_frame(decoded.body, decoded.header) == frame


def test_found_media_of_2011_are_read_with_and_without_their_number() -> None:
    item = "00 01 02" + HEAD
    for text in (f"0007 0001 0001 {item}", f"0007 0001 {item}"):
        frame = encode_frame(Unknown(0x0802, bytes.fromhex(text)), msgspec.structs.replace(OLD, message=0x0802))
        decoded = decode(frame)
        assert isinstance(decoded.body, MediaFound)
        assert (len(decoded.body.items), decoded.body.items[0].event) == (1, 2)
        assert decoded.header.version == 2011
