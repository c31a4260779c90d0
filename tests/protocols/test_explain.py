"""explain names every byte exactly once, tells the truth about it, and never raises."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.jt808.codec import Header, encode
from protocols.jt808.explain import TEXT_CHARACTERS_MAX, explain, explain_text, explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.messages import LocationBatch, Unreadable
from tests.protocols.test_codec import LOCATION_2013, WORKED
from tests.protocols.test_kernels import batches, framed, headers, locations


def check_cover(answer: dict[str, Any], wire: bytes) -> None:
    """Every byte of the input belongs to exactly one field, in order, and raw is those bytes."""
    at = 0
    for field in answer["fields"]:
        assert set(field) == {"name", "offset", "length", "raw", "value", "unit", "meaning"}
        assert field["offset"] == at, f"gap or overlap in front of {field['name']}"
        assert field["length"] > 0
        assert bytes.fromhex(field["raw"]) == wire[at : at + field["length"]]
        at += field["length"]
    assert at == len(wire)
    if "error" in answer:
        assert answer["error"]
        assert 0 <= answer["offset"] <= len(wire)
    json.dumps(answer)
    table = explain_text(answer)
    assert all(field["name"] in table for field in answer["fields"])


def named(answer: dict[str, Any]) -> dict[str, Any]:
    return {field["name"]: field for field in answer["fields"]}


def test_the_worked_location() -> None:
    answer = explain(LOCATION_2013.hex())
    check_cover(answer, LOCATION_2013)
    assert "error" not in answer
    fields = named(answer)
    assert fields["header.serial"]["raw"] == "007D02"
    assert (fields["header.serial"]["offset"], fields["header.serial"]["length"]) == (11, 3)
    assert fields["header.serial"]["value"] == 126
    assert fields["alarm"]["meaning"] == "emergency button"
    assert fields["status"]["meaning"] == "ACC on, fixed"
    assert fields["latitude"]["meaning"] == "39.908823 °"
    assert fields["time_ms"]["meaning"] == "2026-01-15 08:30:45 GMT+8"
    assert fields["items[0].id"]["meaning"] == "Odometer"
    assert fields["items[0].Odometer.distance_km10"]["meaning"] == "123.4 km"
    assert fields["checksum"]["meaning"] == "right"


def test_the_load_is_two_bits() -> None:
    location = WORKED[3][2]
    for bits, words in ((0, "ACC on"), (1, "ACC on, half loaded"), (3, "ACC on, fully loaded")):
        wire = encode(msgspec.structs.replace(location, status=1 | bits << 8), Header(0x0200, "1", 1))  # type: ignore[type-var]
        assert named(explain_wire(wire))["status"]["meaning"] == words


@pytest.mark.parametrize("wire", [wire for wire, _, _ in WORKED])
def test_flags_spaces_case_and_prefix_do_not_matter(wire: bytes) -> None:
    with_flags = explain(wire.hex(" "))
    check_cover(with_flags, wire)
    assert "error" not in with_flags
    assert explain("0x" + wire.hex().upper()) == with_flags
    bare = explain(wire[1:-1].hex())
    check_cover(bare, wire[1:-1])
    assert "error" not in bare
    assert [f["value"] for f in bare["fields"]] == [f["value"] for f in with_flags["fields"][1:-1]]


def test_a_frame_somebody_unescaped_is_read_as_it_is() -> None:
    content = bytes.fromhex("0002000001234567890100") + b"\x7d"
    content += bytes((0x8B ^ 0x01 ^ 0x7D,))
    answer = explain(content.hex())
    check_cover(answer, content)
    assert "error" not in answer
    assert named(answer)["header.serial"]["value"] == 0x7D


@pytest.mark.parametrize(
    ("text", "reason", "offset"),
    [
        ("", "text", 0),
        ("7E0", "text", 3),
        ("hello", "text", 0),
        ("7E00zz", "text", 4),
        ("7E7E", "short", 1),
        ("7E01017E", "header", 2),
        ("7E0002000001234567890100018B", "flag", 14),
        ("7E0002000001234567890100018A7E", "checksum", 13),
        ("7E00020000012345678901007D038B7E", "escape", 12),
        ("7E0002000001234567890100018B7E0002", "flag", 15),
        ("7E0100002C0123454A7E", "header", 8),
    ],
)
def test_bad_frames_say_why_and_where(text: str, reason: str, offset: int) -> None:
    answer = explain(text)
    assert (answer["reason"], answer["offset"]) == (reason, offset)
    assert answer["error"]
    if reason != "text":
        check_cover(answer, bytes.fromhex(text))


def test_a_bad_checksum_still_shows_the_fields() -> None:
    broken = LOCATION_2013[:-2] + b"\x00\x7e"
    answer = explain(broken.hex())
    check_cover(answer, broken)
    assert answer["reason"] == "checksum"
    assert named(answer)["latitude"]["value"] == 39_908_823
    assert "0x5f" in named(answer)["checksum"]["meaning"]


def test_text_without_end_is_refused() -> None:
    assert explain("7E" * (TEXT_CHARACTERS_MAX // 2))["reason"] != "text"
    assert explain("7E" * (TEXT_CHARACTERS_MAX // 2) + " ")["reason"] == "text"


def test_every_cut_of_a_frame_is_covered() -> None:
    wires = [wire for wire, _, _ in WORKED]
    wires.append(encode(LocationBatch(locations=(Unreadable(b"\x7e\x7d"),)), Header(0x0704, "7", 0x7D7E)))
    for wire in wires:
        for cut in range(len(wire)):
            check_cover(explain_wire(wire[:cut]), wire[:cut])
            check_cover(explain_wire(wire[cut:]), wire[cut:])


@settings(max_examples=100, deadline=None)
@given(locations | batches, headers, st.data())
def test_random_frames_whole_and_broken_are_covered(body: object, header: Header, data: st.DataObject) -> None:
    wire = bytearray(wrap(framed(body, header)))
    answer = explain_wire(bytes(wire))
    check_cover(answer, bytes(wire))
    assert "error" not in answer
    for _ in range(data.draw(st.integers(1, 3))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.sampled_from([0, 1, 2, 0x7D, 0x7E, 0xFF]))
    check_cover(explain_wire(bytes(wire)), bytes(wire))


@settings(max_examples=150, deadline=None)
@given(st.text() | st.text(alphabet="07edE123 x:", max_size=200))
def test_no_text_makes_it_raise(text: str) -> None:
    answer = explain(text)
    json.dumps(answer)
    explain_text(answer)
    if answer["fields"]:
        check_cover(answer, bytes.fromhex("".join(field["raw"] for field in answer["fields"])))
