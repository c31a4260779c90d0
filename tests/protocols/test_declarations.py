"""Every declared message, in every version, out of its declaration: random bodies there and back.

The strategies below are a fourth reading of the declarations: what a wire type can hold, a test can draw.
"""

import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from protocols.jt808 import wire
from protocols.jt808.codec import BODY_BYTES_MAX, Header, decode, encode_body, encode_frame
from protocols.jt808.control import (
    Circle,
    Parameter,
    RoutePoint,
    SetCircles,
    SetParameters,
    SetPolygon,
    SetRoute,
    TerminalControl,
    Vertex,
)
from protocols.jt808.explain import explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.media import Compressed, Inflated, PacketNumber
from protocols.jt808.messages import MESSAGES, Message, Unknown
from protocols.jt808.parameters import PARAMETERS, Leave, ParameterValue, wire_at
from protocols.jt808.plain import from_plain, to_plain
from protocols.jt808.recorder import COLLECT_FAILED, COMMANDS, HEAD_FIELDS, SET_FAILED, RecorderAnswer, RecorderBlock
from tests.protocols.test_explain import check_cover

# Bytes and characters that matter: flags, escapes, zeros, GBK characters whose second byte is 7d or 7e.
RAW = st.lists(st.sampled_from(b"\x7d\x7e\x01\x02\x30\x00"), max_size=12).map(bytes)
LETTERS = st.lists(st.sampled_from("A7京测亇亊~}"), max_size=8).map("".join)


def gbk(limit: int | None) -> st.SearchStrategy[str]:
    if limit is None:
        return LETTERS
    return LETTERS.map(lambda text: text.encode("gb18030")[:limit].decode("gb18030", "ignore"))


def number(size: int) -> st.SearchStrategy[int]:
    edges = [0, 1, 0x7D, 0x7E, 2 ** (8 * size) - 1]
    return st.sampled_from(edges) | st.integers(0, 2 ** (8 * size) - 1)


def value_of(draw: st.DrawFn, field: wire.Wire, version: int) -> Any:
    if isinstance(field, wire.Bcd):
        return draw(st.integers(0, 10 ** (2 * field.size) - 1))
    if isinstance(field, wire.Decimal):
        return draw(st.integers(0, 2**32 - 1) | LETTERS.filter(lambda text: not text.isdecimal()))
    if isinstance(field, wire.Joined):
        # The first field is always there: none of them is no bytes, and that is None.
        names = [one.name for one in wire.layout(field.struct, version)][: draw(st.integers(2, 12))]
        forms = {one.name: one.wire for one in wire.layout(field.struct, version)}
        return field.struct(**{name: value_of(draw, forms[name], version) for name in names})
    if isinstance(field, RecorderBlock):
        return block_of(draw, field, version)
    if isinstance(field, wire.Exactly):
        return tuple(value_of(draw, field.of, version) for _ in range(2)) * (field.number // 2)
    if isinstance(field, ParameterValue):
        id = draw(st.sampled_from(sorted(PARAMETERS)))
        form = wire_at(id, version)
        assert form is not None
        return Parameter(id, value_of(draw, form, version))
    if isinstance(field, wire.OneOf):
        value = value_of(draw, draw(st.sampled_from(field.wires)), version)
        if isinstance(value, msgspec.Struct):
            # Bytes behind one form can make it as long as another: then it is that.
            writer = wire.Writer(version)
            field.write(writer, value)
            again = field.read(wire.Reader(bytes(writer.data), 0, len(writer.data), version), "value")
            return value if type(again) is type(value) else again
        # A text of four bytes is told from a number by nothing.
        return value * 2 if isinstance(value, str) and len(value.encode("gb18030")) == 4 else value
    if isinstance(field, Leave):
        return draw(st.none() | st.integers(0, 2 ** (8 * field.size) - 2))
    if isinstance(field, wire.Part):
        return draw(st.integers(0, 2**field.width - 1))
    if isinstance(field, wire.Packed):
        return struct_of(draw, field.struct, version)
    if isinstance(field, wire.Form):
        return field.of(version)
    if isinstance(field, wire.AsSent | Inflated):
        return None
    if isinstance(field, wire.SignMagnitude):
        return draw(st.integers(-(2 ** (8 * field.size - 1)) + 1, 2 ** (8 * field.size - 1) - 1))
    if isinstance(field, wire.Unsigned):
        return draw(number(field.size))
    if isinstance(field, wire.Signed):
        return draw(st.integers(-(2 ** (8 * field.size - 1)), 2 ** (8 * field.size - 1) - 1))
    if isinstance(field, wire.Gbk):
        return draw(gbk(field.size))
    if isinstance(field, wire.Digits):
        assert field.size is not None
        return draw(st.integers(0, 16 ** (2 * field.size) - 1)).to_bytes(field.size, "big").hex().upper()
    if isinstance(field, wire.Raw):
        return draw(RAW) if field.size is None else draw(RAW)[: field.size].ljust(field.size, b"\x7e")
    if isinstance(field, wire.Period):
        # Zero is midnight of every day here, and none of the others is None.
        return draw(st.integers(0, 86_399) | st.integers(946_684_800, 4_102_415_999)) * 1000
    if isinstance(field, wire.Time):
        return draw(st.none() | st.integers(946_684_800, 4_102_415_999).map(lambda s: 1000 * s))
    if isinstance(field, wire.Nested):
        return struct_of(draw, field.struct, version)
    if isinstance(field, wire.Many):
        return tuple(value_of(draw, field.of, version) for _ in range(draw(st.integers(0, 3))))
    assert isinstance(field, wire.Items)
    chosen = draw(st.lists(st.sampled_from(sorted(field.table)), max_size=4))
    items = [struct_of(draw, field.table[id], version) for id in chosen]
    return tuple(item for item in items if has_its_length(item, version))


def has_its_length(item: Any, version: int) -> bool:
    """Tell whether an item, a list as a rule, was drawn in a length that its id has."""
    row = wire.ROW_OF.get(type(item))
    try:
        if row is not None:
            wire.item_data(item, row, version)
    except ValueError:
        return False
    return True


def block_of(draw: st.DrawFn, field: RecorderBlock, version: int) -> Any:
    """Draw a block of the drive recorder: none, a failure, what is not declared, or its command's data."""
    declared = [number for number in COMMANDS if number < COLLECT_FAILED]
    command = draw(st.sampled_from(declared))
    kind = draw(st.sampled_from(["none", "failed", "other", *["data"] * 6]))
    if kind == "none":
        return b""
    if kind == "failed" and field.struct is RecorderAnswer:
        return RecorderAnswer(command=draw(st.sampled_from([COLLECT_FAILED, SET_FAILED])), reserved=draw(number(1)))
    if kind == "other":
        return field.struct(command=0xE0, data=draw(RAW) or b"\x01")  # type: ignore[call-arg]
    values: dict[str, Any] = {"command": command, "reserved": draw(number(1))}
    for name, form, conditions in wire.layout(field.struct, version)[HEAD_FIELDS:-1]:
        if all(command in condition.values for condition in conditions if isinstance(condition, wire.IfEqual)):
            values[name] = value_of(draw, form, version)
    return field.struct(**values)


def struct_of(draw: st.DrawFn, struct: type[msgspec.Struct], version: int) -> Any:
    values: dict[str, Any] = {}
    more = draw(st.booleans())
    for name, field, conditions in wire.layout(struct, version):
        if isinstance(field, wire.Count):
            continue
        there = True
        for condition in conditions:
            if isinstance(condition, wire.IfBit):
                there = there and bool(values[condition.field] >> condition.bit & 1)
            elif isinstance(condition, wire.IfEqual):
                there = there and values[condition.field] in condition.values
            else:
                # Left out alone or with all that follow.
                more = more and draw(st.booleans())
                there = there and more
        if there and isinstance(field, PacketNumber):
            values[field.of] = values[field.of] or 1
            values[name] = draw(st.integers(1, values[field.of]))
        elif there:
            values[name] = value_of(draw, field, version)
    if struct is Compressed:
        # What it inflates to follows from its data.
        values = {"data": gzip.compress(values["data"], mtime=0), "inflated": values["data"]}
    if values.get("block") == b"":
        values["command"] = 0x08
    if struct is TerminalControl and values["command"] in (1, 2):
        # What stands here is read as their fields.
        values["parameters"] = ""
    return struct(**values)


@pytest.mark.parametrize("version", wire.VERSIONS)
@pytest.mark.parametrize("message", sorted(MESSAGES), ids=lambda message: f"{message:#06x}")
def test_bodies_come_back_from_bytes_and_plain_values_and_every_byte_is_explained(message: int, version: int) -> None:
    declared = MESSAGES[message]
    layout_version = declared.layouts(version, -1)[0]

    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        body = struct_of(data.draw, declared.body, layout_version)
        plain = msgspec.json.decode(msgspec.json.encode(to_plain(body)))
        assert from_plain(declared.body, plain, layout_version) == body
        header = Header(message, "13800138000", 0x7E7D, version)
        assume(len(encode_body(body, header)) <= BODY_BYTES_MAX)
        frame = encode_frame(body, header)
        decoded = decode(frame, version)
        assert (decoded.body, decoded.faults, decoded.tail) == (body, (), b"")
        assert encode_frame(decoded.body, decoded.header) == frame
        if version != 2011:
            wired = wrap(frame)
            answer = explain_wire(wired)
            check_cover(answer, wired)
            assert "error" not in answer

    check()


def test_conditions_and_versions_of_an_area() -> None:
    # Sheet section 6, by hand: id, attributes with both bits, centre, radius, times, speed; in 2019 night speed, name.
    circle = Circle(
        id=7,
        attributes=3,
        latitude=30_000_000,
        longitude=120_000_000,
        radius_m=200,
        start_ms=1_768_437_045_000,
        end_ms=1_768_437_046_000,
        speed_kmh=60,
        overspeed_s=5,
        night_speed_kmh=40,
        name="库",
    )
    head = "01 01 00000007 0003 01C9C380 07270E00 000000C8 260115083045 260115083046 003C 05"
    body = SetCircles(setting=1, circles=(circle,))
    assert encode_body(body, Header(0x8600, "1", 1)) == bytes.fromhex(head)
    assert encode_body(body, Header(0x8600, "1", 1, 2019)) == bytes.fromhex(head + "0028 0002 BFE2")
    with pytest.raises(ValueError, match="condition does not hold"):
        encode_body(
            SetCircles(setting=1, circles=(msgspec.structs.replace(circle, attributes=1),)), Header(0x8600, "1", 1)
        )
    with pytest.raises(ValueError, match="missing"):
        encode_body(
            SetCircles(setting=1, circles=(msgspec.structs.replace(circle, speed_kmh=None),)), Header(0x8600, "1", 1)
        )


def test_the_night_speed_of_a_polygon_stands_behind_its_vertices() -> None:
    # Sheet section 17.5.
    body = SetPolygon(
        id=1, attributes=2, speed_kmh=60, overspeed_s=5, vertices=(Vertex(1, 2),), night_speed_kmh=40, name=""
    )
    assert encode_body(body, Header(0x8604, "1", 1, 2019)) == bytes.fromhex(
        "00000001 0002 003C 05 0001 00000001 00000002 0028 0000"
    )


def test_route_sections_have_their_own_conditions() -> None:
    point = {"section_id": 2, "latitude": 3, "longitude": 4, "width_m": 5}
    plain = RoutePoint(id=1, attributes=0, **point)
    timed = RoutePoint(id=1, attributes=1, longest_s=6, shortest_s=7, **point)
    body = SetRoute(id=9, attributes=0, points=(plain, timed))
    fixed = "00000001 00000002 00000003 00000004 05"
    assert encode_body(body, Header(0x8606, "1", 1)) == bytes.fromhex(
        f"00000009 0000 0002 {fixed} 00 {fixed} 01 0006 0007"
    )
    assert decode(encode_frame(body, Header(0x8606, "1", 1))).body == body


def test_the_count_of_2011_says_what_is_here() -> None:
    body = SetParameters(parameters=(Parameter(1, 60),))
    frame = encode_frame(body, Header(0x8103, "1", 1, 2011))
    assert frame[12:] == bytes.fromhex("01 01 00000001 04 0000003C")
    assert decode(frame, 2011).body == body
    # Two in all, one of them here.
    partial = decode(frame[:12] + b"\x02" + frame[13:], 2011)
    assert partial.body == SetParameters(count=2, parameters=body.parameters)
    assert partial.faults == ()


def test_a_count_that_lies_is_kept_with_what_is_whole() -> None:
    frame = encode_frame(Unknown(0x8103, bytes.fromhex("02 00000001 04 0000003C 0000")), Header(0x8103, "1", 1))
    decoded = decode(frame)
    assert decoded.body == SetParameters(count=2, parameters=(Parameter(1, 60),))
    assert decoded.tail == b"\x00\x00"
    assert len(decoded.faults) == 2


def test_every_row_of_the_table_is_a_struct_with_wire_types() -> None:
    for message, row in MESSAGES.items():
        assert isinstance(row, Message)
        assert row.body.__doc__, f"{message:#06x} has no docstring"
        for version in (*wire.VERSIONS, 2020):
            wire.layout(row.body, version)
