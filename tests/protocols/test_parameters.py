"""Terminal parameters: typed values there and back, in every edition, and what is no value of its type kept as sent."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.jt808 import wire
from protocols.jt808.codec import Header, decode, encode_body, encode_frame
from protocols.jt808.control import Parameter, ParametersReply, SetParameters
from protocols.jt808.explain import explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.messages import Unknown
from protocols.jt808.parameters import (
    PARAMETER_IDS,
    PARAMETERS,
    VALUE_BYTES_MAX,
    Adas,
    AdasGuangdong,
    BlindSpot,
    CanCollection,
    CollisionAlarm,
    DistanceShots,
    ForbiddenPeriod,
    TimedShots,
    redirects,
    wire_at,
)
from protocols.jt808.plain import Invalid, from_plain, to_plain
from tests.protocols.test_declarations import value_of
from tests.protocols.test_explain import check_cover, named

HEADER = Header(0x8103, "13800138000", 1)


def read(hex: str, version: int = 2013) -> tuple[Parameter, tuple[str, ...]]:
    """Read one {D id, B length, value}; what was read is written to the same bytes."""
    data = bytes.fromhex(hex)
    count = b"\x01\x01" if version == 2011 else b"\x01"
    header = msgspec.structs.replace(HEADER, version=version)
    frame = encode_frame(Unknown(0x8103, count + data), header)
    decoded = decode(frame, version)
    assert isinstance(decoded.body, SetParameters)
    assert encode_frame(decoded.body, header) == frame
    check_cover(explain_wire(wrap(frame)), wrap(frame))
    (parameter,) = decoded.body.parameters
    return parameter, decoded.faults


def test_the_table_holds_every_parameter_of_the_three_editions() -> None:
    ranges = [
        (0x0001, 0x0007),
        (0x0010, 0x001D),
        (0x0020, 0x0029),
        (0x002C, 0x0032),
        (0x0040, 0x0049),
        (0x0050, 0x005E),
        (0x0064, 0x0065),
        (0x0070, 0x0077),
        (0x0079, 0x007C),
        (0x0080, 0x0084),
        (0x0090, 0x0095),
        (0x0100, 0x0103),
        (0x0110, 0x01FF),
        (0xF364, 0xF367),
        (0xF370, 0xF370),
    ]
    assert sorted(PARAMETERS) == [id for first, last in ranges for id in range(first, last + 1)]
    assert len(PARAMETER_IDS) == len(PARAMETERS), "names are unique"
    assert all(row.since in wire.VERSIONS and row.until in wire.VERSIONS for row in PARAMETERS.values())


def test_whoever_sets_a_host_or_a_number_that_is_obeyed_takes_the_terminal() -> None:
    hosts = {*range(0x0010, 0x001E), *range(0x0023, 0x0027)}
    phones = {*range(0x0040, 0x0045), 0x0048, 0x0049}
    assert {id for id, row in PARAMETERS.items() if row.redirects} == hosts | phones
    assert redirects(0x0013)
    assert not redirects(0x0001)
    assert redirects(0xF001), "nobody knows what a maker's own parameter does"


# The per-id CAN rows are all alike: the first and the last stand for them.
DISTINCT = [id for id in PARAMETERS if not 0x0110 < id < 0x01FF]


@pytest.mark.parametrize("version", wire.VERSIONS)
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_every_parameter_comes_back_and_every_byte_is_explained(version: int, data: st.DataObject) -> None:
    header = msgspec.structs.replace(HEADER, version=version)
    for id in DISTINCT:
        form = wire_at(id, version)
        assert form is not None
        body = SetParameters(parameters=(Parameter(id, value_of(data.draw, form, version)),))
        frame = encode_frame(body, header)
        decoded = decode(frame, version)
        assert (decoded.body, decoded.faults, decoded.tail) == (body, (), b"")
        assert encode_frame(decoded.body, header) == frame
        if version != 2011:
            answer = explain_wire(wrap(frame))
            check_cover(answer, wrap(frame))
            assert "error" not in answer


@pytest.mark.parametrize("version", wire.VERSIONS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.data())
def test_any_bytes_of_any_parameter_are_read_and_come_back(version: int, data: st.DataObject) -> None:
    id = data.draw(st.sampled_from(sorted(PARAMETERS)) | st.integers(0, 2**32 - 1))
    value = data.draw(
        st.binary(max_size=80) | st.lists(st.sampled_from(b"\x00\xff;\x7e\x30\xbe"), max_size=70).map(bytes)
    )
    read(f"{id:08x}{len(value):02x}{value.hex()}", version)


@pytest.mark.parametrize(
    ("version", "hex", "value", "size"),
    [
        # Sheet section 3: types D/D/S/D of 0081-0084 in 2011, W/W/S/B later.
        (2011, "00000081 04 0000002C", 44, None),
        (2013, "00000081 02 002C", 44, None),
        (2013, "00000081 04 0000002C", 44, 4),
        (2011, "00000084 04 00000001", 1, None),
        (2019, "00000084 01 01", 1, None),
        # 005C is printed both ways: the length that stands there decides.
        (2013, "0000005C 02 0708", 1800, None),
        (2013, "0000005C 04 00000708", 1800, 4),
        # The slave server: a reserved number in 2013, a text in 2019; terminals of 2013 send texts too.
        (2013, "00000023 04 00000000", 0, None),
        (2013, "00000023 05 636D6E6574", "cmnet", None),
        (2019, "00000023 04 636D6E74", "cmnt", None),
        (2019, "00000013 10 312E322E332E343A383038383B613A31", "1.2.3.4:8088;a:1", None),
        # A text padded behind keeps its length.
        (2013, "00000083 0C BEA9413132333435 00000000", "京A12345", 12),
        (2013, "00000083 00", "", None),
        # 22:50 to 10:30, and the CAN id of the sheet's layout.
        (
            2019,
            "00000032 04 16320A1E",
            ForbiddenPeriod(start_hour=22, start_minute=50, end_hour=10, end_minute=30),
            None,
        ),
        (
            2013,
            "00000110 08 00000064 C0000123",
            CanCollection(sampling_ms=100, channel=1, extended=1, can_id=0x123),
            None,
        ),
        (2013, "0000005D 02 0A0A", CollisionAlarm(duration=10, acceleration_g10=10), None),
        (
            2013,
            "00000064 04 000B0203",
            TimedShots(channels=3, channels_uploading=2, unit=1, interval=5),
            None,
        ),
        (2013, "00000065 04 00C80100", DistanceShots(channels_uploading=1, distance=100), None),
        # Bits that mean nothing, the number as it is.
        (2013, "00000064 04 000000E0", 0xE0, None),
        # What is no value of its type, and a maker's own.
        (2013, "00000001 05 0102030405", b"\x01\x02\x03\x04\x05", None),
        (2013, "00000001 00", b"", None),
        (2019, "00000032 03 010203", b"\x01\x02\x03", None),
        (2013, "00000083 02 BE00", b"\xbe\x00", None),
        (2013, "0000F364 02 0102", b"\x01\x02", None),
        (2013, "0000F001 02 0A78", b"\x0a\x78", None),
    ],
)
def test_values_by_hand(version: int, hex: str, value: object, size: int | None) -> None:
    parameter, _ = read(hex, version)
    assert (parameter.value, parameter.size) == (value, size)


def test_only_a_declared_value_of_the_wrong_shape_is_a_fault() -> None:
    assert read("00000001050102030405")[1] == ("parameters[0]: heartbeat_interval_s with 5 bytes",)
    assert read("0000F001020A78")[1] == ()


def test_a_parameter_that_cannot_be_written_says_why() -> None:
    for parameter, reason in (
        (Parameter(0x0001, 2**32), "4294967296 does not fit into 4 bytes"),
        (Parameter(0x0001, "soon"), "'soon' is no heartbeat_interval_s"),
        (Parameter(0xF001, 1), "is not declared"),
        (Parameter(0x005D, CollisionAlarm(acceleration_g10=256)), "acceleration_g10: 256 does not fit into 8 bits"),
        (Parameter(0x0083, "x" * (VALUE_BYTES_MAX + 1)), "256 bytes"),
    ):
        with pytest.raises(ValueError, match=reason):
            encode_body(SetParameters(parameters=(parameter,)), HEADER)
    assert encode_body(SetParameters(parameters=(Parameter(0x0083, "x" * VALUE_BYTES_MAX),)), HEADER)


def test_explain_says_what_a_parameter_is_called_and_what_its_bits_mean() -> None:
    body = ParametersReply(
        reply_serial=1,
        parameters=(
            Parameter(0x0055, 100),
            Parameter(0x0064, TimedShots(channels=3, channels_uploading=1, unit=1, interval=5)),
            Parameter(0x005D, CollisionAlarm(duration=10, acceleration_g10=25)),
            Parameter(0x0110, CanCollection(sampling_ms=100, channel=1, can_id=0x123)),
            Parameter(0x0032, ForbiddenPeriod(start_hour=22, start_minute=50)),
            Parameter(0x0046, 0xFFFFFFFF),
        ),
    )
    fields = named(explain_wire(wrap(encode_frame(body, Header(0x0104, "1", 1)))))
    assert fields["parameters[0].id"]["meaning"] == "speed_limit_kmh"
    assert (fields["parameters[0].speed_limit_kmh"]["value"], fields["parameters[0].speed_limit_kmh"]["unit"]) == (
        100,
        "km/h",
    )
    assert fields["parameters[1].timed_shots"]["meaning"] == (
        "channels: channel 1, channel 2, channels_uploading: channel 1, unit: min, interval: 5"
    )
    assert fields["parameters[2].collision_alarm"]["meaning"] == "duration: 40 ms, acceleration_g10: 2.5 g"
    assert fields["parameters[3].can_collection_0110"]["meaning"] == (
        "sampling_ms: 100 ms, channel: CAN2, extended: standard frame, computed: raw, can_id: 291"
    )
    assert fields["parameters[4].forbidden_driving_period.start_hour"]["value"] == 22
    assert fields["parameters[5].longest_call_s"]["meaning"] == "no limit"
    newer = named(explain_wire(wrap(encode_frame(body, Header(0x0104, "1", 1, 2019)))))
    assert newer["parameters[2].collision_alarm"]["meaning"] == "duration: 10 ms, acceleration_g10: 2.5 g"


PLAIN = [
    (Parameter(0x0001, 60), {"id": "0x0001", "name": "heartbeat_interval_s", "value": 60}),
    (Parameter(0x005C, 1800, 4), {"id": "0x005c", "name": "fatigue_warning_margin_s", "value": 1800, "size": 4}),
    (Parameter(0x0083, "京A12345", 12), {"id": "0x0083", "name": "plate", "value": "京A12345", "size": 12}),
    (Parameter(0x0001, b"\x01"), {"id": "0x0001", "name": "heartbeat_interval_s", "data": "01"}),
    (Parameter(0xF001, b"\x0a\x78"), {"id": "0xf001", "data": "0a78"}),
    (
        Parameter(0x0065, DistanceShots(channels=1, distance=5)),
        {
            "id": "0x0065",
            "name": "distance_shots",
            "value": {"channels": 1, "channels_uploading": 0, "unit": 0, "distance": 5},
        },
    ),
    (Parameter(0x0065, 0xE0), {"id": "0x0065", "name": "distance_shots", "value": 0xE0}),
    (
        Parameter(0xF367, BlindSpot(rear_s=2)),
        {"id": "0xf367", "name": "blind_spot", "value": {"rear_s": 2, "side_s": None}},
    ),
]


@pytest.mark.parametrize(("parameter", "plain"), PLAIN)
def test_the_plain_form_of_a_parameter(parameter: Parameter, plain: dict[str, Any]) -> None:
    body = SetParameters(parameters=(parameter,))
    assert to_plain(body) == {"parameters": [plain]}
    assert from_plain(SetParameters, {"parameters": [plain]}, 2013) == body
    if "name" in plain:
        by_name = {key: value for key, value in plain.items() if key != "id"}
        assert from_plain(SetParameters, {"parameters": [by_name]}, 2013) == body


def test_a_parameter_of_two_forms_is_told_by_item_and_the_first_without() -> None:
    body = SetParameters(parameters=(Parameter(0xF364, AdasGuangdong(volume=6)),))
    plain = to_plain(body)
    assert plain["parameters"][0]["value"]["item"] == "AdasGuangdong"
    assert from_plain(SetParameters, plain, 2019) == body
    (short,) = from_plain(SetParameters, {"parameters": [{"name": "adas", "value": {"volume": 6}}]}, 2019).parameters
    assert short.value == Adas(volume=6)


@pytest.mark.parametrize(
    ("plain", "path", "reason"),
    [
        ({"id": "0x0001", "value": 1 << 32}, "value", "4294967296 does not fit into 4 bytes"),
        ({"id": "0x0001"}, "value", "missing"),
        ({"value": 1}, "id", "missing"),
        ({"id": "soon", "value": 1}, "id", "soon is no id"),
        ({"id": 1 << 32, "data": ""}, "id", "does not fit into 4 bytes"),
        ({"name": "speed", "value": 1}, "name", "speed is no name of a parameter"),
        ({"id": "0x0002", "name": "heartbeat_interval_s", "value": 1}, "id", "heartbeat_interval_s is 0x0001"),
        ({"id": "0xf001", "value": 1}, "value", "0xf001 is not declared"),
        ({"id": "0xf001", "data": "00" * 256}, "data", "256 bytes, there is room for 255"),
        ({"id": "0x0083", "value": "x" * 256}, "value", "256 bytes, there is room for 255"),
        ({"id": "0x0083", "value": "xxx", "size": 2}, "value", "3 bytes, there is room for 2"),
        ({"id": "0x0083", "value": "x", "size": 256}, "size", "not from 0 to 255"),
        ({"id": "0x0083", "value": "x", "data": "00"}, "data", "value or size as well"),
        ({"id": "0x0001", "value": 1, "unit": "s"}, "unit", "no such field"),
        ({"id": "0x005D", "value": {"acceleration_g10": 256}}, "value.acceleration_g10", "8 bits"),
        ({"id": "0x0065", "value": {"channel": 1}}, "value.channel", "no such field"),
        ({"id": "0xF364", "value": {"item": "Abs"}}, "value.item", "Abs is none of AdasGuangdong, Adas"),
        ({"id": "0xF364", "value": {"departure": {"photos": 256}}}, "value.departure.photos", "1 bytes"),
    ],
)
def test_a_parameter_that_does_not_fit_says_where(plain: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        from_plain(SetParameters, {"parameters": [plain]}, 2013)
    assert caught.value.path == f"parameters[0].{path}"
    assert reason in caught.value.reason
