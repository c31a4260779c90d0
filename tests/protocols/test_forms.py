"""Forms: every message that a person may send has one, and what it asks for is what the declaration writes."""

from typing import Any

import pytest

from protocols.jt808.codec import Header, encode_body
from protocols.jt808.forms import PROTOCOL_ANSWERS, FormError, Input, form, parameter_input, sendable
from protocols.jt808.messages import MESSAGES, is_downlink
from protocols.jt808.parameters import PARAMETERS
from protocols.jt808.plain import Invalid, from_plain
from protocols.jt808.wire import VERSIONS


def inputs(fields: tuple[Input, ...]) -> list[Input]:
    """Return all inputs, those inside objects and lists with them."""
    found = []
    for one in fields:
        found += [one, *inputs(one.fields), *(inputs((one.of,)) if one.of else [])]
    return found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("message", sendable())
def test_every_message_a_person_may_send_has_a_form(message: int, version: int) -> None:
    found = form(message, version)
    assert found.known == (MESSAGES[message].since <= version <= MESSAGES[message].until)
    for one in inputs(found.fields):
        assert one.name not in ("count", "here"), "what counts a list is not asked for"
        assert (one.of is not None) == (one.kind == "list")
        assert one.kind not in ("choice", "bits") or one.choices
        assert one.kind != "number" or (one.low is not None and one.high is not None)


def test_every_downlink_is_sent_by_people_or_an_answer_of_the_protocol() -> None:
    assert {message for message in MESSAGES if is_downlink(message)} == {*sendable(), *PROTOCOL_ANSWERS}


def least(fields: tuple[Input, ...]) -> dict[str, Any]:
    """Return the least that may be filled in: what is required, at its lower bound."""
    given: dict[str, Any] = {}
    for one in fields:
        if one.required and not one.when:
            given[one.name] = value(one)
    return given


def value(one: Input) -> Any:
    match one.kind:
        case "object":
            return least(one.fields)
        case "list":
            return []
        case "text" | "time":
            return "" if one.kind == "text" else None
        case "bytes":
            return "00" * (one.size or 0)
        case "digits":
            return "00" * (one.size or 0)
    return 0 if one.kind == "bits" else one.choices[0].value if one.choices else one.low


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("message", sendable())
def test_what_a_form_requires_makes_a_body_and_nothing_less_does(message: int, version: int) -> None:
    found = form(message, version)
    header = Header(message, "1", 1, version)
    body, layout = MESSAGES[message].body, MESSAGES[message].layouts(version, -1)[0]
    given = least(found.fields)
    assert isinstance(encode_body(from_plain(body, given, layout), header), bytes)
    for name in given:
        with pytest.raises(Invalid, match=name):
            from_plain(body, given | {name: None}, layout)


def test_conditions_bounds_and_units_are_those_of_the_declaration() -> None:
    circles = next(one for one in form(0x8600, 2019).fields if one.name == "circles")
    assert circles.of is not None
    fields = {one.name: one for one in circles.of.fields}
    assert fields["speed_kmh"].when[0].field == "attributes"
    assert fields["speed_kmh"].when[0].bit == 1
    assert fields["latitude"].scale == 1e-6
    assert fields["radius_m"].unit == "m"
    assert fields["radius_m"].high == 2**32 - 1
    assert "night_speed_kmh" not in {one.name for one in form(0x8600, 2013).fields[1].of.fields}  # type: ignore[union-attr]
    text = form(0x8300, 2019).fields[-1]
    assert text.bytes_max == 1021
    assert not form(0x8202, 2013).fields[1].required


def test_no_field_of_a_server_to_go_to_has_to_be_given() -> None:
    server = {one.name: one for one in form(0x8105, 2013).fields}["server"]
    assert (server.kind, server.required, server.when[0].values) == ("object", False, (2,))
    assert {one.name for one in server.fields} >= {"connection", "address", "tcp_port", "limit_min"}
    assert not any(one.required for one in server.fields)


def test_an_undeclared_message_has_no_form() -> None:
    with pytest.raises(FormError, match="0xbeef"):
        form(0xBEEF, 2019)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_parameter_has_an_input(version: int) -> None:
    assert form(0x8103, version).fields[0].of == Input(name="parameters", kind="parameter", struct="SetParameters")
    for id, row in PARAMETERS.items():
        (one, *inner) = inputs((parameter_input(id, version),))
        assert one.name == row.name
        assert all(each.kind != "number" or each.high is not None for each in (one, *inner))
    shots = {one.name: one for one in parameter_input(0x0064, version).fields}
    assert (shots["interval"].high, shots["channels"].kind) == (2**15 - 1, "bits")
    assert (parameter_input(0x0055, version).unit, parameter_input(0x0083, version).bytes_max) == ("km/h", 255)
