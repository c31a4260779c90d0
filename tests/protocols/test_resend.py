"""Golden frames of 0x0004, 0x8003 and 0x8004."""

import msgspec
import pytest

from protocols.jt808.codec import Header, decode, encode
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import QueryServerTime, ResendRequest, ServerTime

TIME_MS = 1_574_783_930_000  # 2019-11-26 15:58:50 UTC

GOLDEN = [
    # From the tests of yezhihao/jt808-server, selfCheck_0x8003: the count is one byte in 2013 and two in 2019.
    (
        "7E8003001512345678901200011099090001000200030004000500060007000800099C7E",
        Header(0x8003, "123456789012", 1),
        ResendRequest(4249, tuple(range(1, 10))),
    ),
    (
        "7E800340160112345678901234567890FFFF10990009000100020003000400050006000700080009557E",
        Header(0x8003, "12345678901234567890", 65535, 2019),
        ResendRequest(4249, tuple(range(1, 10))),
    ),
    # SmallChi/JT808, JT808_0x8004Test: the only time of the standard in UTC.
    ("7E8004000601380013800000011911261558501A7E", Header(0x8004, "13800138000", 1), ServerTime(TIME_MS)),
    # Worked by hand: the header of the heartbeat of 2019 with the id 0x0004.
    ("7E00044000010000000001234567890100 01CC7E", Header(0x0004, "12345678901", 1, 2019), QueryServerTime()),
]


@pytest.mark.parametrize(("wire", "header", "body"), GOLDEN)
def test_golden_frames_decode_and_encode_to_the_same_bytes(wire: str, header: Header, body: msgspec.Struct) -> None:
    data = bytes.fromhex(wire)
    decoded = decode(unwrap(data))
    assert (decoded.header, decoded.body, decoded.faults) == (header, body, ())
    assert encode(body, header) == data


def test_a_server_time_that_is_none_is_a_fault() -> None:
    decoded = decode(unwrap(encode(ServerTime(TIME_MS), Header(0x8004, "1", 1)))[:-6] + b"\xff" * 6)
    assert decoded.body == ServerTime(None)
    assert decoded.faults == ("time_ms: ffffffffffff is no time",)
