"""The stream splitter: standard examples, every cut, every reason, and streams made of the bytes that matter."""

from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.jt808.framing import ProtocolError, unwrap, wrap
from protocols.seam import SPLIT_BAD, SPLIT_FRAME, SPLIT_JUNK, SPLIT_MORE
from tests.protocols.driving import Stream, frames_of, split
from tests.protocols.test_codec import WORKED, wire_of

DANGEROUS = st.lists(st.sampled_from([0x7D, 0x7E, 0x01, 0x02, 0x30, 0x00]), min_size=12, max_size=200).map(bytes)


def test_the_standards_escape_example() -> None:
    # JT/T 808 section 4.4.2: 30 7e 08 7d 55 travels as 30 7d 02 08 7d 01 55.
    assert wrap(wire_of("307E087D55"))[1:8] == wire_of("307D02087D0155")


def test_worked_examples() -> None:
    for wire, _, _ in WORKED:
        assert split(wire) == (SPLIT_FRAME, len(wire) - 1, unwrap(wire))


def test_every_cut_gives_the_same_frames_also_when_two_share_a_flag() -> None:
    wires = [wire for wire, _, _ in WORKED]
    for first in wires:
        for second in wires:
            for joined in (first + second, first[:-1] + second, first + b"\x7e\x7e" + second):
                expected = [unwrap(first), unwrap(second)]
                for cut in range(len(joined) + 1):
                    assert frames_of(joined[:cut], joined[cut:]) == expected, f"{cut=}"


def test_byte_by_byte() -> None:
    joined = b"".join(wire for wire, _, _ in WORKED)
    stream = Stream()
    for i in range(len(joined)):
        stream.feed(joined[i : i + 1])
    assert stream.frames == [unwrap(wire) for wire, _, _ in WORKED]
    assert stream.rest == b"\x7e"


@settings(max_examples=120, deadline=None)
@given(st.lists(DANGEROUS, min_size=1, max_size=4), st.booleans(), st.data())
def test_frames_of_dangerous_bytes_come_through_any_two_cuts(
    frames: list[bytes], shared: bool, data: st.DataObject
) -> None:
    wire = b"".join(wrap(frame)[1:] if shared and i else wrap(frame) for i, frame in enumerate(frames))
    first = data.draw(st.integers(0, len(wire)))
    second = data.draw(st.integers(first, len(wire)))
    assert frames_of(wire[:first], wire[first:second], wire[second:]) == frames
    assert [unwrap(wrap(frame)) for frame in frames] == frames


@settings(max_examples=250, deadline=None)
@given(st.lists(st.sampled_from([0x7D, 0x7E, 0x01, 0x02, 0x30, 0x00]), max_size=300).map(bytes), st.data())
def test_garbage_gives_the_same_as_the_slow_reader_at_any_cut(garbage: bytes, data: st.DataObject) -> None:
    pieces = garbage.split(b"\x7e")
    frames, bad = [], []
    for content in pieces[1:-1]:
        if content:
            try:
                frames.append(unwrap(b"\x7e" + content + b"\x7e"))
            except ProtocolError as error:
                bad.append(error.reason)
    cut = data.draw(st.integers(0, len(garbage)))
    stream = Stream()
    stream.feed(garbage[:cut])
    stream.feed(garbage[cut:])
    assert stream.frames == frames
    assert stream.bad == bad
    assert stream.junk_bytes == len(pieces[0])
    assert stream.rest == (b"\x7e" + pieces[-1] if len(pieces) > 1 else b"")


def test_reasons() -> None:
    good = WORKED[3][0]
    broken = bytearray(good)
    broken[20] ^= 0x10
    assert split(bytes(broken)) == (SPLIT_BAD, len(good) - 1, "checksum")
    assert split(b"\x7e\x30\x7d\x03" + bytes(12) + b"\x7e")[2] == "escape"
    assert split(b"\x7e" + bytes(13) + b"\x7d\x7e")[2] == "escape"
    assert split(b"\x7e" + bytes(12) + b"\x7e")[2] == "short"
    assert split(b"\x7e" + bytes(13) + b"\x7e") == (SPLIT_FRAME, 14, bytes(12))


def test_one_wrong_bit_is_a_bad_frame() -> None:
    for wire, _, _ in WORKED:
        for at in range(1, len(wire) - 1):
            for bit in range(8):
                broken = bytearray(wire)
                broken[at] ^= 1 << bit
                # A flipped escape may pass: 7c 02 has the XOR of the 7e that 7d 02 stands for.
                if wire[at] != 0x7D and broken[at] != 0x7E:
                    assert split(bytes(broken))[0] == SPLIT_BAD, (at, bit)


def test_junk_in_front_is_consumed_and_counted() -> None:
    good = WORKED[0][0]
    for length in range(1, 40):
        assert split(b"\x30" * length + good) == (SPLIT_JUNK, length, None)
    assert split(b"\x30" * 100) == (SPLIT_JUNK, 100, None)


def test_nothing_is_consumed_of_an_unfinished_frame() -> None:
    assert split(b"") == (SPLIT_MORE, 0, None)
    assert split(b"\x7e") == (SPLIT_MORE, 0, None)
    assert split(b"\x7e\x7e\x7e") == (SPLIT_MORE, 2, None)
    assert split(b"\x7e\x7e\x7e\x30\x7d") == (SPLIT_MORE, 2, None)


def test_a_frame_of_4095_wire_bytes_is_read_and_one_byte_more_is_endless_at_any_cut() -> None:
    longest = b"\x7e" + bytes(4095) + b"\x7e"
    too_long = b"\x7e" + bytes(4096) + b"\x7e"
    good = WORKED[0][0]
    assert split(longest) == (SPLIT_FRAME, 4096, bytes(4094))
    assert split(longest[:-1]) == (SPLIT_MORE, 0, None)
    assert split(too_long)[::2] == (SPLIT_BAD, "endless")
    assert split(too_long[:-1])[::2] == (SPLIT_BAD, "endless")
    for cut in (1, 2, 100, 4094, 4095, 4096, 4097, 4098, 4099):
        for wire, before in ((longest, [bytes(4094)]), (too_long, [])):
            joined = wire + good
            assert frames_of(joined[:cut], joined[cut:]) == [*before, unwrap(good)], f"{cut=}"
    # Escapes cannot make room: the bound is on the wire.
    escaped = b"\x7e" + b"\x7d\x01" * 2048 + b"\x7e"
    assert split(escaped)[::2] == (SPLIT_BAD, "endless")


def test_an_endless_stream_is_given_up_piece_by_piece() -> None:
    stream = Stream()
    for _ in range(100):
        stream.feed(b"\x7e" + b"\x30" * 999)
        stream.feed(b"\x30" * 9000)
        assert len(stream.rest) <= 4096
    assert set(stream.bad) == {"endless"}
    stream.feed(WORKED[0][0])
    assert stream.frames == [unwrap(WORKED[0][0])]
