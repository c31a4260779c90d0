"""Every message, field, choice, bit and unit that is declared has its words in both languages."""

from collections.abc import Iterator

import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from api.messages import MESSAGES
from api.messages.jt808 import key_of
from api.portal import PAGES
from api.portal.places import PLACES, SEEN, places_of
from api.portal.render import words_in
from api.portal.terms import choice_key, choice_name, field_name, meaning_of, message_name, path_name, same_everywhere
from protocols.jt808.forms import sendable
from protocols.jt808.messages import MESSAGES as DECLARED
from protocols.jt808.parameters import PARAMETERS
from protocols.jt808.safety import GUANGDONG
from protocols.jt808.vendors import LISTED
from protocols.jt808.wire import ROW_OF, ByVersion, Joined, Many, Nested, OneOf, Packed, Wire, layout

LAYOUTS = (2011, 2013, 2019, 2020, GUANGDONG)
ZH, EN = words_in("zh"), words_in("en")


def declared_structs() -> dict[str, type[msgspec.Struct]]:
    """Return every Struct that a declared message, item or parameter is made of, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting = [declared.body for declared in DECLARED.values()] + [*ROW_OF, *LISTED]
    waiting += [wire.struct for _, wire in parameter_wires() if isinstance(wire, Nested | Packed)]
    while waiting:
        struct = waiting.pop()
        if struct.__name__ in found:
            continue
        found[struct.__name__] = struct
        for version in LAYOUTS:
            waiting += [wire.struct for _, wire in wires(struct, version) if isinstance(wire, Nested | Packed | Joined)]
    return found


def wires(struct: type[msgspec.Struct], version: int) -> Iterator[tuple[str, Wire]]:
    """Yield each field's name and wire type, lists with what they are of."""
    for field in layout(struct, version):
        yield from inner(field.name, field.wire)


def parameter_wires() -> Iterator[tuple[str, Wire]]:
    """Yield each parameter's name and the wire types of its value."""
    for row in PARAMETERS.values():
        for form in row.wire.forms.values() if isinstance(row.wire, ByVersion) else (row.wire,):
            yield from inner(row.name, form)


def inner(name: str, wire: Wire) -> Iterator[tuple[str, Wire]]:
    yield name, wire
    for part in (wire.of,) if isinstance(wire, Many) else wire.wires if isinstance(wire, OneOf) else ():
        yield from inner(name, part)


STRUCTS = declared_structs()


@pytest.mark.parametrize("message", DECLARED)
def test_every_declared_message_has_a_name(message: int) -> None:
    assert f"message_0x{message:04x}" in MESSAGES
    assert message_name(message, ZH) != message_name(message, EN)


def test_every_declared_field_has_a_name() -> None:
    missing = {
        f"{struct}.{name}"
        for struct, declared in STRUCTS.items()
        for version in LAYOUTS
        for name, _ in wires(declared, version)
        if f"struct_{struct.lower()}_{name}" not in MESSAGES and f"field_{name}" not in MESSAGES
    }
    assert not missing


def test_every_choice_and_bit_has_a_word() -> None:
    missing = {
        f"{name}: {said}"
        for name, wire in every_wire()
        for table in (getattr(wire, "names", None), getattr(wire, "bits", None), getattr(wire, "told", None))
        for said in (table or {}).values()
        if choice_key(name, said) is None and not same_everywhere(said)
    }
    assert not missing


def test_every_unit_has_a_word() -> None:
    units = {wire.unit for _, wire in every_wire()}
    assert not {unit for unit in units - {""} if f"unit_{key_of(unit)}" not in MESSAGES}


def test_every_parameter_has_a_name() -> None:
    missing = {
        row.name
        for row in PARAMETERS.values()
        if f"struct_parameter_{row.name}" not in MESSAGES and field_name("Parameter", row.name, ZH) == row.name
    }
    assert not missing
    assert field_name("Parameter", "can_collection_0123", ZH) == "CAN 总线 ID 单独采集设置 0x0123"


def every_wire() -> Iterator[tuple[str, Wire]]:
    """Yield the name and wire type of all fields there are."""
    for struct in STRUCTS.values():
        for version in LAYOUTS:
            yield from wires(struct, version)
    yield from parameter_wires()


def test_the_trade_s_words_are_said_and_the_same_english_may_be_two_things() -> None:
    assert message_name("0x8801", ZH) == "摄像头立即拍摄命令"
    assert message_name("0xBEEF", ZH) == "0xBEEF"
    assert choice_name("stream", "main", ZH) == "主码流"
    assert choice_name("store", "main", ZH) == "主存储器"
    assert choice_name("channels", "channel 12", ZH) == "通道 12"
    assert choice_name("codec", "H.264", ZH) == "H.264"
    assert choice_name("alarms", "forward collision, level 2", ZH) == "前向碰撞报警 2 级"
    assert field_name("Circle", "latitude", ZH) == "中心点纬度"
    assert field_name("Vertex", "latitude", ZH) == "纬度"


def test_a_field_of_an_explained_frame_is_named_where_it_stands() -> None:
    assert path_name(0x8600, "circles[1].latitude", ZH) == "中心点纬度 [2]"
    assert path_name(0x0200, "header.attributes", ZH) == "消息体属性"
    assert path_name(0x0200, "items[0].RecorderSpeed.speed_kmh10", ZH) == "行驶记录功能获取的速度 [1]"
    assert path_name(0x0704, "locations[2].speed_kmh10", ZH) == "速度 [3]"
    assert path_name(0xBEEF, "data", ZH) == "数据"


def test_what_a_value_means_is_said_in_chinese_part_by_part() -> None:
    assert meaning_of("status", "ACC on, fixed", ZH) == "ACC 开、定位"
    assert meaning_of("speed_kmh10", "60.4 km/h", ZH) == "60.4 公里/时"
    assert meaning_of("plate_colour", "no plate, the text is the VIN", ZH) == "未上牌，标识为车架号"
    assert meaning_of("time_ms", "2026-01-15 08:30:45 GMT+8", ZH) == "2026-01-15 08:30:45 GMT+8"
    assert meaning_of("status", "ACC on, fixed", EN) == "ACC on, fixed"


def test_every_message_is_seen_on_a_page_that_there_is() -> None:
    paths = {path for page in PAGES if isinstance(page, HTTPRouteHandler) for path in page.paths}
    assert not {path for path, _, _ in PLACES.values()} - paths
    for message in DECLARED:
        assert places_of(message)
        assert set(places_of(message)) <= set(PLACES)
    assert set(SEEN) <= set(DECLARED)
    assert {message for message in sendable() if "commands" not in places_of(message)} == set()
