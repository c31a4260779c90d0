"""Each fault does what it says, to the share of frames it is told, and the same for the same seed."""

import itertools

import numpy as np
import pytest

from protocols.jt808.framing import WIRE_BYTES_MAX, ProtocolError, checksum, unescape, unwrap, wrap
from simulators.faults import FAULTS, RESET, VANISH, End, Pause, Piece, Wire

FRAMES = [wrap(bytes([2, 0, 0, 3, 1, 0x39, 0, 0, 0, 1, n >> 8, n & 255, 0x7E, 0x7D, n & 255])) for n in range(200)]


def carry(name: str, rate: float = 1.0, frames: list[bytes] = FRAMES) -> list[Piece]:
    wire = Wire([name], rate, [7])
    return list(itertools.chain.from_iterable(wire.carry([frame]) for frame in frames))


def sent(pieces: list[Piece]) -> list[bytes]:
    return [piece for piece in pieces if isinstance(piece, bytes)]


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_a_fault_is_a_function_of_the_seed_and_does_nothing_at_rate_zero(name: str) -> None:
    assert carry(name, 0.3) == carry(name, 0.3)
    assert carry(name, 0.0) == FRAMES
    befallen = sum(Wire([name], 0.3, [n]).carry(FRAMES[:2]) != FRAMES[:2] for n in range(400))
    assert 80 < befallen < 300


def test_cut_frames_are_whole_when_put_together() -> None:
    pieces = carry("cut")
    assert b"".join(sent(pieces)) == b"".join(FRAMES)
    assert sum(isinstance(piece, Pause) for piece in pieces) > len(FRAMES)
    lengths = {len(piece) for piece in sent(pieces)}
    assert {1, 2, 3} <= lengths


def test_repeated_frames_come_two_or_three_times() -> None:
    assert {len(list(same)) for _, same in itertools.groupby(sent(carry("repeat")))} == {2, 3}
    assert [frame for frame, _ in itertools.groupby(sent(carry("repeat")))] == FRAMES


def test_reordered_frames_change_places_and_none_is_lost_but_one_still_held() -> None:
    out = sent(carry("reorder"))
    assert out == [frame for a, b in zip(FRAMES[::2], FRAMES[1::2], strict=True) for frame in (b, a)]
    assert sent(carry("reorder", frames=FRAMES[:3])) == [FRAMES[1], FRAMES[0]]


def test_garbage_stands_in_front_of_frames_that_are_whole() -> None:
    out = sent(carry("garbage"))
    assert out[1::2] == FRAMES
    assert all(1 <= len(junk) <= 200 for junk in out[::2])


def test_a_flipped_frame_differs_in_one_bit() -> None:
    for frame, broken in zip(FRAMES, sent(carry("flip")), strict=True):
        assert sum((a ^ b).bit_count() for a, b in zip(frame, broken, strict=True)) == 1


def test_a_truncated_frame_is_a_beginning_without_end() -> None:
    for frame, broken in zip(FRAMES, sent(carry("truncate")), strict=True):
        assert 1 <= len(broken) < len(frame)
        assert frame.startswith(broken)


def test_an_oversized_frame_is_well_formed_but_too_long() -> None:
    out = sent(carry("oversize", frames=FRAMES[:5]))
    assert out[1::2] == FRAMES[:5]
    for huge in out[::2]:
        assert len(huge) > WIRE_BYTES_MAX
        content, _ = unescape(huge[1:-1])
        assert checksum(content) == 0


def test_an_endless_frame_has_no_second_flag() -> None:
    out = sent(carry("endless", frames=FRAMES[:2]))
    assert out[1::2] == FRAMES[:2]
    for endless in out[::2]:
        assert len(endless) > 60_000
        assert endless.count(b"\x7e") == 1
        assert endless[:1] == b"\x7e"


def test_a_slow_frame_drips() -> None:
    pieces = carry("slow", frames=FRAMES[:1])
    assert b"".join(sent(pieces)) == FRAMES[0]
    assert {len(piece) for piece in sent(pieces)} == {1}
    assert all(0.2 <= piece.seconds <= 1.0 for piece in pieces if isinstance(piece, Pause))


@pytest.mark.parametrize(("name", "end"), [("vanish", VANISH), ("reset", RESET)])
def test_nothing_follows_an_end(name: str, end: End) -> None:
    pieces = Wire([name, "repeat"], 1.0, [1]).carry(FRAMES[:3])
    assert pieces[-1] == end
    assert sum(isinstance(piece, End) for piece in pieces) == 1
    assert FRAMES[0] not in pieces


def test_faults_are_chained_in_order() -> None:
    pieces = Wire(["repeat", "cut"], 1.0, [3]).carry(FRAMES[:1])
    whole = b"".join(sent(pieces))
    assert whole in (FRAMES[0] * 2, FRAMES[0] * 3)
    assert len(sent(pieces)) > 3


def test_most_broken_frames_are_refused_by_the_codec() -> None:
    refused = 0
    for broken in sent(carry("flip")):
        try:
            unwrap(broken)
        except ProtocolError:
            refused += 1
    # One flip passes the checksum: 7d 02 with the last bit of 7d turned over reads 7c 02, and 7c ^ 02 is 7e again.
    assert len(FRAMES) - 4 <= refused < len(FRAMES)


def test_chance_does_not_leak_between_wires() -> None:
    one, two = Wire(["flip"], 0.5, [1, 1]), Wire(["flip"], 0.5, [1, 2])
    alone = Wire(["flip"], 0.5, [1, 1])
    mixed = []
    for frame in FRAMES:
        mixed += one.carry([frame])
        two.carry([frame])
    assert mixed == list(np.concatenate([np.array(alone.carry([frame]), object) for frame in FRAMES]))
