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


@st.composite
def losses(draw: st.DrawFn) -> tuple[list[list[bytes]], list[tuple[int, int]], set[tuple[int, int]], list[int]]:
    """Messages in pieces, the order in which pieces come, which are lost, and at which question each message's come."""
    messages = draw(st.lists(st.lists(st.binary(max_size=20), min_size=2, max_size=6), min_size=1, max_size=4))
    places = [(i, n) for i, pieces in enumerate(messages) for n in range(len(pieces))]
    lost = draw(st.sets(st.sampled_from(places)))
    order = draw(st.permutations([place for place in places if place not in lost]))
    answered = [draw(st.integers(1, FRAGMENT_ASKS_MAX + 1)) for _ in messages]
    return messages, order, lost, answered


@settings(max_examples=200, deadline=None)
@given(losses())
def test_what_is_lost_is_asked_for_exactly_and_what_never_comes_is_let_go_in_time(
    storm: tuple[list[list[bytes]], list[tuple[int, int]], set[tuple[int, int]], list[int]],
) -> None:
    messages, order, lost, answered = storm
    fragments = Fragments()
    here: dict[int, set[int]] = {i: set() for i in range(len(messages))}
    asked: dict[int, list[float]] = {i: [] for i in range(len(messages))}
    came: dict[int, bytes] = {}
    held: dict[int, set[int]] = {i: set() for i in range(len(messages))}
    sequence = iter(range(10_000))

    def piece(i: int, n: int, now_s: float) -> None:
        at = next(sequence)
        frame = fragment(at, 0x0704, len(messages[i]), n + 1, messages[i][n], first_serial=1000 * i)
        assert take(fragments, frame, now_s), "it is new"
        here[i].add(n)
        held[i].add(at)

    for i, n in order:
        piece(i, n, 0.0)
    now_s = 0.0
    while (deadline_s := fragments.deadline_s) < inf:
        now_s = max(now_s, deadline_s)
        assert now_s <= FRAGMENT_S_MAX
        for due in fragments.due(now_s):
            i = due.message.key.first_serial // 1000
            if due.what == "reenter":
                came[i] = due.frame
                held[i] -= set(fragments.assembled(phone_key(PHONE), 0x0704, 1000 * i, now_s))
            elif due.what == "ask":
                assert due.missing == tuple(n + 1 for n in range(len(messages[i])) if n not in here[i])
                asked[i].append(now_s)
                if len(asked[i]) == answered[i]:
                    for n in [number - 1 for number in due.missing]:
                        piece(i, n, now_s)
            else:
                assert (due.what, now_s) == ("expired", FRAGMENT_S_MAX)
                held[i] -= set(due.released)
    for i, pieces in enumerate(messages):
        gone = {n for n in range(len(pieces)) if (i, n) in lost}
        assert held[i] == set()
        if not gone or (len(gone) < len(pieces) and answered[i] <= FRAGMENT_ASKS_MAX):
            # Header as it came but for the packet item, which is taken off: four bytes shorter.
            assert came[i] == whole(0x0704, b"".join(pieces), first_serial=1000 * i)
        else:
            assert i not in came
        assert len(asked[i]) <= FRAGMENT_ASKS_MAX


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 70), st.integers(1, 70), st.integers(0, 1023)), max_size=300)
)
def test_whatever_comes_is_held_in_bounds_of_bytes_sets_and_seconds(
    storm: list[tuple[int, int, int, int]],
) -> None:
    fragments = Fragments()
    held: set[int] = set()
    now_s = 0.0
    for sequence, (i, total, number, size) in enumerate(storm):
        now_s += 0.5
        frame = fragment(sequence, 0x0801, total, min(number, total), bytes(size), first_serial=500 * i)
        if take(fragments, frame, now_s):
            held.add(sequence)
        for due in fragments.due(now_s):
            held -= set(due.released)
            if due.what == "reenter":
                serial = due.message.key.first_serial
                held -= set(fragments.assembled(phone_key(PHONE), 0x0801, serial, now_s))
        open_now = list(fragments._messages.values())
        assert len(open_now) <= FRAGMENT_SETS_MAX
        assert all(one.bytes <= FRAGMENT_BYTES_MAX for one in open_now)
        assert all(now_s - one.opened_s <= FRAGMENT_S_MAX for one in open_now)
        assert held == {at for one in open_now for at in one.sequences}


def test_a_terminal_that_numbers_anew_is_understood() -> None:
    fragments = Fragments()
    # In the middle of a message it starts again, and numbers from the same serial: another total is another message.
    take(fragments, fragment(1, 0x0704, 3, 1, b"old", first_serial=0))
    take(fragments, fragment(2, 0x0704, 2, 1, b"ne", first_serial=0))
    take(fragments, fragment(3, 0x0704, 2, 2, b"w", first_serial=0))
    [due] = fragments.due(0.0)
    assert due.frame == whole(0x0704, b"new", first_serial=0)
    assert fragments.assembled(phone_key(PHONE), 0x0704, 0, 0.0) == (2, 3)
    # Later the same numbers come round, with other bytes.
    for at, (number, body) in enumerate(((2, b"er"), (1, b"lat")), start=4):
        assert take(fragments, fragment(at, 0x0704, 2, number, body, first_serial=0), FRAGMENT_S_MAX)
    frames = [due.frame for due in fragments.due(FRAGMENT_S_MAX) if due.what == "reenter"]
    assert frames == [whole(0x0704, b"later", first_serial=0)]


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
