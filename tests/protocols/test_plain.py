"""Plain values: what does not fit, and where a fault says it is.

That every declaration goes there and back stands in test_declarations, beside its bytes.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.jt808 import wire
from protocols.jt808.codec import Header, encode_body
from protocols.jt808.control import (
    Circle,
    ControlVehicle,
    SetCircles,
    TerminalControl,
    TrackTemporarily,
    Upgrade,
)
from protocols.jt808.location import Odometer
from protocols.jt808.media import Driver, RsaKey, SearchMedia, Waybill
from protocols.jt808.messages import MESSAGES, Authenticate, Location, LocationBatch, Register, Text
from protocols.jt808.plain import PLAIN_BYTES_MAX, PLAIN_VALUES_MAX, Invalid, from_plain, to_plain
from tests.protocols.test_declarations import struct_of

# What a person's form, a script or a hostile client may put in the place of any value.
WRONG = (None, True, -1, 1 << 70, 1.5, "", "zz", "😀", "\0", "a" * 70_000, [], [None], [[]], {}, {"item": "Item"}, [{}])


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_whatever_is_put_in_a_place_is_refused_or_can_be_encoded(data: st.DataObject) -> None:
    message = data.draw(st.sampled_from(sorted(MESSAGES)))
    version = data.draw(st.sampled_from(wire.VERSIONS))
    declared = MESSAGES[message]
    layout_version = declared.layouts(version, -1)[0]
    plain = to_plain(struct_of(data.draw, declared.body, layout_version))
    put_wrong(data.draw, plain)
    try:
        body = from_plain(declared.body, plain, layout_version)
    except Invalid:
        return
    encode_body(body, Header(message, "13800138000", 1, version))


def put_wrong(draw: st.DrawFn, plain: Any) -> None:
    """Replace, take away or add one value somewhere."""
    while True:
        if isinstance(plain, dict):
            name = draw(st.sampled_from([*plain, "colour"]))
            below = plain.get(name)
            if isinstance(below, dict | list) and below and draw(st.booleans()):
                plain = below
                continue
            if draw(st.booleans()):
                plain[name] = draw(st.sampled_from(WRONG))
            else:
                plain.pop(name, None)
            return
        place = draw(st.integers(0, len(plain) - 1))
        if isinstance(plain[place], dict | list) and plain[place]:
            plain = plain[place]
            continue
        plain[place] = draw(st.sampled_from(WRONG))
        return


def circle(**other: Any) -> dict[str, Any]:
    fields = {"id": 7, "attributes": 0, "latitude": 30_000_000, "longitude": 120_000_000, "radius_m": 200, "name": ""}
    return {**fields, **other}


FAULTS = [
    (SetCircles, {"setting": 1, "circles": [circle(radius_m=1 << 32)]}, "circles[0].radius_m", "fit into 4 bytes"),
    (SetCircles, {"setting": 1, "circles": [circle(), circle(colour=1)]}, "circles[1].colour", "no such field"),
    (SetCircles, {"setting": 1, "circles": [circle(attributes=2)]}, "circles[0].speed_kmh", "missing"),
    (
        SetCircles,
        {"setting": 1, "circles": [circle(start_ms=86_400_000)]},
        "circles[0].start_ms",
        "not a time of 2000-2099",
    ),
    (
        SetCircles,
        {"setting": 1, "circles": [circle(start_ms=1_768_437_045_000)]},
        "circles[0].start_ms",
        "given, and bit 0 of attributes is not set",
    ),
    (SetCircles, {"setting": 1, "circles": [circle(name="库" * 40_000)]}, "circles[0].name", "80000 bytes"),
    (SetCircles, {"setting": 1, "circles": "all"}, "circles", "is no list"),
    (SetCircles, {"setting": 1, "circles": [7]}, "circles[0]", "is no object"),
    (SetCircles, {"setting": True}, "setting", "no whole number"),
    (SetCircles, {"circles": []}, "setting", "missing"),
    (SetCircles, {"setting": 1, "circles": [circle()] * 256}, "", "SetCircles.count: 256 does not fit into 1 bytes"),
    (SetCircles, [], "", "is no object"),
    (Text, {"flags": 1, "text": "好😀"}, "text", "'😀' at 1 is not in GBK"),
    (Text, {"flags": 1, "text": None}, "text", "missing"),
    (TerminalControl, {"command": 1, "parameters": "€"}, "parameters", "not in GBK"),
    (Upgrade, {"target": 0, "maker": "六个字", "release": "1", "data": ""}, "maker", "6 bytes, there is room for 5"),
    (RsaKey, {"exponent": 1, "modulus": "00"}, "modulus", "exactly 128"),
    (RsaKey, {"exponent": 1, "modulus": "0x"}, "modulus", "not hexadecimal"),
    (SearchMedia, {"kind": 0, "channel": 0, "event": 0, "start_ms": "now"}, "start_ms", "no whole number"),
    (Driver, {"state": 1, "time_ms": None, "name": "李"}, "name", "given, and result in front of it is not"),
    (Location, {"alarm": 0, "status": 2, "latitude": 1, "longitude": 1, "lat_1e7": -10}, "lat_1e7", "say 10"),
    (
        Location,
        {"alarm": 0, "status": 2, "latitude": 1, "longitude": 1, "items": [{"item": "Fuel", "volume_l10": -1}]},
        "items[0].volume_l10",
        "fit into 2 bytes",
    ),
    (
        Location,
        {"alarm": 0, "status": 2, "latitude": 1, "longitude": 1, "items": [{"item": "Petrol"}]},
        "items[0].item",
        "Petrol is none of Item",
    ),
]


@pytest.mark.parametrize(("struct", "fields", "path", "reason"), FAULTS)
def test_a_fault_says_where_it_is_and_what_would_fit(
    struct: type[msgspec.Struct], fields: Any, path: str, reason: str
) -> None:
    with pytest.raises(Invalid) as caught:
        from_plain(struct, fields, 2019)
    assert caught.value.path == path
    assert reason in caught.value.reason
    assert str(caught.value) == (f"{path}: {caught.value.reason}" if path else caught.value.reason)


def test_the_plain_form_of_a_location() -> None:
    body = Location(
        alarm=0,
        status=6,
        latitude=30_000_000,
        longitude=120_000_000,
        time_ms=1_768_437_045_000,
        items=(Odometer(5), wire.Item(0xE1, b"\0\xff"), wire.ClippedItem(0xE2, 3, b"\1")),
    )
    assert to_plain(body) == {
        "alarm": 0,
        "status": 6,
        "latitude": 30_000_000,
        "longitude": 120_000_000,
        "altitude_m": 0,
        "speed_kmh10": 0,
        "course_deg": 0,
        "time_ms": 1_768_437_045_000,
        "items": [
            {"item": "Odometer", "distance_km10": 5},
            {"item": "Item", "id": 0xE1, "data": "00ff"},
            {"item": "ClippedItem", "id": 0xE2, "length": 3, "data": "01"},
        ],
        "lat_1e7": -300_000_000,
        "lon_1e7": 1_200_000_000,
        "fixed": True,
    }
    assert from_plain(Location, to_plain(body), 2013) == body


def test_one_that_could_not_be_read_among_others_comes_back() -> None:
    body = LocationBatch(locations=(wire.Unreadable(b"\1\2"),))
    assert to_plain(body)["locations"] == [{"item": "Unreadable", "data": "0102"}]
    assert from_plain(LocationBatch, to_plain(body), 2013) == body


def test_a_count_is_said_only_when_it_lies() -> None:
    assert "count" not in to_plain(SetCircles(setting=1))
    lying = SetCircles(setting=1, count=2)
    assert to_plain(lying)["count"] == 2
    assert from_plain(SetCircles, {"setting": 1, "count": 2}, 2013) == lying


def test_a_field_that_this_layout_does_not_know_is_checked_and_kept_for_the_encoder_to_leave_out() -> None:
    body = from_plain(Text, {"flags": 1, "kind": 2, "text": "x"}, 2013)
    assert encode_body(body, Header(0x8300, "1", 1, 2013)) == b"\1x"
    with pytest.raises(Invalid, match="kind: 300 does not fit"):
        from_plain(Text, {"flags": 1, "kind": 300, "text": "x"}, 2013)


def test_what_an_edition_needs_must_be_there_in_its_own_words() -> None:
    # 2013 has flags, 2019 has controls.
    assert from_plain(ControlVehicle, {"flags": 1}, 2013) == ControlVehicle(flags=1)
    with pytest.raises(Invalid, match="flags: missing"):
        from_plain(ControlVehicle, {"controls": [{"kind": 1, "value": 0}]}, 2013)
    with pytest.raises(Invalid, match="imei: missing"):
        from_plain(Authenticate, {"code": "1"}, 2019)


def test_defaults_stand_for_what_is_not_given() -> None:
    assert from_plain(TrackTemporarily, {"interval_s": 0}, 2013) == TrackTemporarily(0)
    plain = {"setting": 1, "circles": [circle()]}
    expected = Circle(id=7, attributes=0, latitude=30_000_000, longitude=120_000_000, radius_m=200, name="")
    assert from_plain(SetCircles, plain, 2013) == SetCircles(setting=1, circles=(expected,))


def test_digits_may_leave_out_their_zeros_and_hexadecimal_may_have_spaces() -> None:
    fields = to_plain(Register(44, 300, "CARIL", "X1", "T1", 1, "粤B12345"))
    assert from_plain(Register, fields, 2019).terminal_id == "T1"
    assert from_plain(Waybill, {"content": "01 FF"}, 2013) == Waybill(b"\1\xff")
    assert from_plain(Driver, {"state": 2, "time_ms": None}, 2013) == Driver(state=2)


def test_a_body_of_the_largest_size_is_read_and_one_byte_or_value_more_is_not() -> None:
    assert len(from_plain(Waybill, {"content": "00" * PLAIN_BYTES_MAX}, 2013).content) == PLAIN_BYTES_MAX
    with pytest.raises(Invalid, match="more than 1048576 bytes"):
        from_plain(Waybill, {"content": "00" * (PLAIN_BYTES_MAX + 1)}, 2013)
    query = MESSAGES[0x8608].body
    # The Struct and its kind are values too.
    ids = [1] * (PLAIN_VALUES_MAX - 2)
    assert len(from_plain(query, {"kind": 1, "ids": ids}, 2019).ids) == len(ids)
    with pytest.raises(Invalid, match="more than 65536 values"):
        from_plain(query, {"kind": 1, "ids": [*ids, 1]}, 2019)
