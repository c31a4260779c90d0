"""0x0901: what a gzip stream holds is at hand and explained, and no stream makes more than its bound."""

import gzip
import resource
import tracemalloc

import pytest

from protocols.jt808.codec import Header, decode, encode_body, encode_frame
from protocols.jt808.explain import explain_text, explain_wire
from protocols.jt808.framing import wrap
from protocols.jt808.media import INFLATED_BYTES_MAX, Compressed
from protocols.jt808.messages import Location, LocationBatch, Odometer, Unknown
from tests.protocols.test_explain import check_cover

HEADER = Header(0x0901, "13800138000", 1)
PLACE = Location(0, 2, 30_123_456, 120_654_321, time_ms=1_768_437_000_000, items=(Odometer(1234),))


def read(data: bytes) -> tuple[bytes | None, tuple[str, ...]]:
    """Return what a 0x0901 with this data inflates to, and its faults; hold that it is written as it came."""
    # An assembled message is longer than a frame.
    frame = encode_frame(Unknown(0x0901, b""), HEADER) + len(data).to_bytes(4, "big") + data
    frame = frame[:2] + min(len(data) + 4, 1023).to_bytes(2, "big") + frame[4:]
    decoded = decode(frame)
    assert isinstance(decoded.body, Compressed)
    assert decoded.body.data == data
    assert encode_body(decoded.body, decoded.header) == frame[12:]
    return decoded.body.inflated, tuple(fault for fault in decoded.faults if "header says" not in fault)


def test_what_was_compressed_is_at_hand() -> None:
    assert read(gzip.compress(b"whole body")) == (b"whole body", ())
    assert read(gzip.compress(b"")) == (b"", ())


@pytest.mark.parametrize(
    ("data", "inflated", "fault"),
    [
        (b"\x01\x02\x03", None, "is no gzip stream"),
        (gzip.compress(b"whole body")[:-3], b"whole body", "ends early, after 10 bytes"),
        (gzip.compress(b"whole body") + b"\x00\x00", b"whole body", "2 bytes behind the gzip stream"),
        (gzip.compress(b"whole body")[:-8] + bytes(8), None, "is no gzip stream"),
    ],
    ids=["no gzip", "cut off", "more behind", "wrong check"],
)
def test_a_stream_that_is_not_whole_is_a_fault_and_no_error(data: bytes, inflated: bytes | None, fault: str) -> None:
    found, faults = read(data)
    assert found == inflated
    assert len(faults) == 1
    assert fault in faults[0]


def test_the_bound_holds_to_the_byte() -> None:
    assert read(gzip.compress(bytes(INFLATED_BYTES_MAX))) == (bytes(INFLATED_BYTES_MAX), ())
    found, faults = read(gzip.compress(bytes(INFLATED_BYTES_MAX + 1)))
    assert found == bytes(INFLATED_BYTES_MAX)
    assert faults == (f"data: inflates to more than {INFLATED_BYTES_MAX} bytes",)


def test_a_bomb_costs_what_the_bound_says() -> None:
    # 64 KB, as many as an assembled message may have, of what would be 64 MB.
    bomb = gzip.compress(bytes(64 * 1024 * 1024), 9)
    assert len(bomb) <= 64 * 1024
    read(bomb)
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    found, _ = read(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found is not None
    assert len(found) == INFLATED_BYTES_MAX
    assert peak < 16 * INFLATED_BYTES_MAX
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 4096


@pytest.mark.parametrize(
    ("message", "body"), [(0x0200, PLACE), (0x0704, LocationBatch(kind=1, locations=(PLACE,) * 3))], ids=["one", "many"]
)
def test_positions_that_were_compressed_are_explained(message: int, body: Location | LocationBatch) -> None:
    data = encode_body(body, Header(message, "1", 1))
    wire = wrap(encode_frame(Compressed(gzip.compress(data)), HEADER))
    answer = explain_wire(wire)
    check_cover(answer, wire)
    inflated = answer["inflated"]
    assert (inflated["bytes"], inflated["message"], inflated["faults"]) == (len(data), f"{message:#06x}", [])
    at = 0
    for field in inflated["fields"]:
        assert (field["offset"], bytes.fromhex(field["raw"])) == (at, data[at : at + field["length"]])
        at += field["length"]
    assert at == len(data)
    assert any(field["name"].endswith("latitude") and field["value"] == 30_123_456 for field in inflated["fields"])
    assert f"inflated to {len(data)} bytes: {inflated['body']}" in explain_text(answer)


def test_what_no_known_message_is_stays_bytes() -> None:
    answer = explain_wire(wrap(encode_frame(Compressed(gzip.compress(b"smallchi")), HEADER)))
    inflated = answer["inflated"]
    assert (inflated["message"], inflated["body"], inflated["faults"]) == ("", "", [])
    assert [field["raw"] for field in inflated["fields"]] == [b"smallchi".hex().upper()]
