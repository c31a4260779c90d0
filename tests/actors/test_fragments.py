"""Fragments: in any order, repeated and mixed they give each message once; bounded in bytes, time and number."""

from math import inf

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.fragments import CLOSED_MAX, Fragments, read_fragment
from core.intake.links import KIND_FRAME, Frame
from core.limits import (
    FRAGMENT_ASKS_MAX,
    FRAGMENT_BYTES_MAX,
    FRAGMENT_PAUSE_S,
    FRAGMENT_S_MAX,
    FRAGMENT_SETS_MAX,
    FRAGMENT_TOTAL_MAX,
)
from protocols.report import phone_key
from protocols.seam import CLASS_FRAGMENT

PHONE = "13912345678"


def fragment(
    sequence: int,
    message: int,
    total: int,
    number: int,
    body: bytes,
    *,
    first_serial: int = 10,
    long: bool = False,
    phone: str = PHONE,
    link: int = 1,
) -> Frame:
    serial = (first_serial + number - 1) & 0xFFFF
    attributes = len(body) & 0x3FF | 1 << 13 | (1 << 14 if long else 0)
    data = message.to_bytes(2, "big") + attributes.to_bytes(2, "big")
    data += (b"\x01" + bytes.fromhex(phone.zfill(20))) if long else bytes.fromhex(phone.zfill(12))
    data += serial.to_bytes(2, "big") + total.to_bytes(2, "big") + number.to_bytes(2, "big") + body
    return Frame(sequence, 0, link, 1, 1, KIND_FRAME, CLASS_FRAGMENT, phone_key(phone), data)


def take(fragments: Fragments, frame: Frame, now_s: float = 0.0) -> bool:
    read = read_fragment(frame)
    assert read is not None
    return fragments.take(frame, read, now_s)


def whole(message: int, body: bytes, *, first_serial: int = 10, long: bool = False, phone: str = PHONE) -> bytes:
    attributes = len(body) & 0x3FF | (1 << 14 if long else 0)
    data = message.to_bytes(2, "big") + attributes.to_bytes(2, "big")
    data += (b"\x01" + bytes.fromhex(phone.zfill(20))) if long else bytes.fromhex(phone.zfill(12))
    return data + first_serial.to_bytes(2, "big") + body


@st.composite
def storms(draw: st.DrawFn) -> tuple[list[tuple[int, int, bool, list[bytes]]], list[tuple[int, int]]]:
    """Up to four messages in pieces, and an order in which every piece comes at least once."""
    messages = []
    for i in range(draw(st.integers(1, FRAGMENT_SETS_MAX))):
        pieces = draw(st.lists(st.binary(max_size=40), min_size=1, max_size=7))
        # Serials far apart, one of them wrapping round.
        messages.append((draw(st.sampled_from([0x0801, 0x0704])), 65_530 + 1000 * i, draw(st.booleans()), pieces))
    places = [(i, n) for i, (_, _, _, pieces) in enumerate(messages) for n in range(len(pieces))]
    repeats = draw(st.lists(st.sampled_from(places), max_size=10))
    return messages, draw(st.permutations(places + repeats))


@settings(max_examples=300, deadline=None)
@given(storms())
def test_any_order_repeats_and_mixture_give_each_message_once(
    storm: tuple[list[tuple[int, int, bool, list[bytes]]], list[tuple[int, int]]],
) -> None:
    messages, order = storm
    fragments = Fragments()
    came: list[bytes] = []
    held: set[int] = set()
    for sequence, (i, n) in enumerate(order):
        message, first, long, pieces = messages[i]
        frame = fragment(sequence, message, len(pieces), n + 1, pieces[n], first_serial=first & 0xFFFF, long=long)
        if take(fragments, frame):
            held.add(sequence)
        for due in fragments.due(0.0):
            assert due.what == "reenter"
            came.append(due.frame)
            serial = int.from_bytes(due.message.header[-2:], "big")
            held -= set(fragments.assembled(phone_key(PHONE), due.message.key.message, serial, 0.0))
        assert fragments.oldest_open_sequence == min(held, default=None)
    expected = [whole(m, b"".join(p), first_serial=first & 0xFFFF, long=long) for m, first, long, p in messages]
    assert sorted(came) == sorted(expected)
    assert not held
    assert fragments.deadline_s == inf


def test_a_repeat_does_not_overwrite_what_came_first() -> None:
    fragments = Fragments()
    assert take(fragments, fragment(1, 0x0801, 2, 1, b"right"))
    assert not take(fragments, fragment(2, 0x0801, 2, 1, b"wrong"))
    assert take(fragments, fragment(3, 0x0801, 2, 2, b"!"))
    (due,) = fragments.due(0.0)
    assert due.frame == whole(0x0801, b"right!")


def test_a_body_longer_than_the_length_field_keeps_its_low_bits() -> None:
    fragments = Fragments()
    take(fragments, fragment(1, 0x0801, 2, 1, bytes(1000)))
    take(fragments, fragment(2, 0x0801, 2, 2, bytes(1000)))
    (due,) = fragments.due(0.0)
    assert int.from_bytes(due.frame[2:4], "big") == 2000 & 0x3FF
    assert len(due.frame) == 12 + 2000


def test_missing_fragments_are_asked_for_three_times_and_then_given_up() -> None:
    fragments = Fragments()
    take(fragments, fragment(5, 0x0801, 4, 2, b"b"))
    asked: list[float] = []
    now_s = 0.0
    while (deadline_s := fragments.deadline_s) < inf:
        assert fragments.due(deadline_s - 0.001) == []
        now_s = deadline_s
        (due,) = fragments.due(now_s)
        if due.what == "expired":
            assert due.released == (5,)
            break
        assert due.what == "ask"
        assert due.missing == (1, 3, 4)
        asked.append(now_s)
    assert asked == [FRAGMENT_PAUSE_S, 3 * FRAGMENT_PAUSE_S, 6 * FRAGMENT_PAUSE_S]
    assert len(asked) == FRAGMENT_ASKS_MAX
    assert now_s == FRAGMENT_S_MAX
    assert fragments.oldest_open_sequence is None


def test_what_arrives_puts_the_question_off() -> None:
    fragments = Fragments()
    take(fragments, fragment(1, 0x0801, 3, 1, b"a"), 0.0)
    take(fragments, fragment(2, 0x0801, 3, 2, b"b"), 4.0)
    assert fragments.deadline_s == 4.0 + FRAGMENT_PAUSE_S


def test_a_whole_message_is_handed_in_once_and_held_until_it_comes_back() -> None:
    fragments = Fragments()
    take(fragments, fragment(1, 0x0801, 1, 1, b"a"))
    assert [due.what for due in fragments.due(0.0)] == ["reenter"]
    assert fragments.deadline_s == FRAGMENT_S_MAX
    assert fragments.due(FRAGMENT_S_MAX - 0.001) == []
    assert fragments.oldest_open_sequence == 1
    assert fragments.due(FRAGMENT_S_MAX)[0].released == (1,)
    assert fragments.oldest_open_sequence is None


def test_a_late_repeat_of_a_finished_message_begins_nothing() -> None:
    fragments = Fragments()
    take(fragments, fragment(1, 0x0801, 1, 1, b"a"))
    fragments.due(0.0)
    assert fragments.assembled(phone_key(PHONE), 0x0801, 10, 0.0) == (1,)
    assert not take(fragments, fragment(2, 0x0801, 1, 1, b"a"), FRAGMENT_S_MAX - 1)
    # After that, serial numbers may have come round.
    assert take(fragments, fragment(3, 0x0801, 1, 1, b"a"), FRAGMENT_S_MAX)


def test_a_message_one_byte_too_large_is_dropped_whole_and_told() -> None:
    fragments = Fragments()
    size = FRAGMENT_BYTES_MAX // 64
    for n in range(64):
        assert take(fragments, fragment(n, 0x0801, 65, n + 1, bytes(size)))
    assert not take(fragments, fragment(64, 0x0801, 65, 65, b"x"))
    (due,) = fragments.due(0.0)
    assert (due.what, due.released) == ("refused", tuple(range(64)))
    assert not take(fragments, fragment(65, 0x0801, 65, 1, b"x"))
    assert fragments.deadline_s == inf


def test_a_message_of_too_many_fragments_is_refused() -> None:
    fragments = Fragments()
    assert take(fragments, fragment(0, 0x0801, FRAGMENT_TOTAL_MAX, 1, b""))
    assert not take(fragments, fragment(1, 0x0801, FRAGMENT_TOTAL_MAX + 1, 1, b""))
    assert [due.what for due in fragments.due(0.0)] == ["refused"]


def test_one_message_too_many_ends_the_oldest() -> None:
    fragments = Fragments()
    for i in range(FRAGMENT_SETS_MAX):
        take(fragments, fragment(i, 0x0801, 2, 1, b"a", first_serial=100 * i), float(i))
    assert take(fragments, fragment(9, 0x0801, 2, 1, b"a", first_serial=999), 4.0)
    (due,) = fragments.due(4.0)
    assert (due.what, due.released) == ("refused", (0,))
    assert fragments.oldest_open_sequence == 1


def test_the_memory_of_finished_messages_is_bounded() -> None:
    fragments = Fragments()
    for i in range(CLOSED_MAX + 1):
        take(fragments, fragment(i, 0x0801, 1, 1, b"a", first_serial=100 * i))
        fragments.due(0.0)
        assert fragments.assembled(phone_key(PHONE), 0x0801, 100 * i, 0.0)
    assert take(fragments, fragment(99, 0x0801, 1, 1, b"a", first_serial=0)), "the first is forgotten"
    assert not take(fragments, fragment(99, 0x0801, 1, 1, b"a", first_serial=100 * CLOSED_MAX))


def test_a_packet_item_that_makes_no_sense_is_no_fragment() -> None:
    assert read_fragment(fragment(1, 0x0801, 2, 0, b"")) is None
    assert read_fragment(fragment(1, 0x0801, 2, 3, b"")) is None
    assert read_fragment(fragment(1, 0x0801, 0, 0, b"")) is None
    good = fragment(1, 0x0801, 2, 1, b"")
    for cut in range(4, len(good.data)):
        assert read_fragment(good._replace(data=good.data[:cut])) is None
