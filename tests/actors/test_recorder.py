"""What is acknowledged gets stored, once, whatever the store does meanwhile."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import trio
import trio.testing

from actors.recorder import TAIL_S_MAX, Recorder
from core.intake.journal import Journal, Reader
from core.intake.links import KIND_ASSEMBLED, KIND_FRAME, KIND_LINK_CLOSED
from core.intake.records import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, seal_record, seal_segment_header
from core.limits import SUMMARY_EVERY_S, UPLINK_BYTES_MAX
from protocols.seam import (
    CLASS_FRAGMENT,
    CLASS_FRAME,
    CLASS_LOGIN,
    CLASS_REPORT,
    CLASS_UNKNOWN,
    CLASS_UNREADABLE,
)
from storage.tables.uplink import UPLINK_ASSEMBLED, UPLINK_CUT, Uplink
from tests.intake import toy
from tests.intake.test_journal import write_segment


class Stored(NamedTuple):
    stored: int
    refused: int


class FakeStore:
    """Keeps rows by token, as a store that recognises repeats does; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.blocks: dict[str, list[tuple[int, bytes]]] = {}
        self.calls: list[str] = []
        self.flushes = 0
        self.uplinks: dict[str, list[Uplink]] = {}

    def insert_uplinks(self, uplinks: Sequence[Uplink], token: str) -> Stored:
        self.calls.append(f"uplinks {token}")
        if self.failures:
            self.failures -= 1
            raise OSError("the store is away")
        self.uplinks.setdefault(token, list(uplinks))
        return Stored(len(uplinks), 0)

    def insert_with_bisection(self, rows: Any, blob: Any, token: str) -> Stored:
        self.calls.append(token)
        if self.failures:
            self.failures -= 1
            raise OSError("the store is away")
        items = [blob[r["items_offset"] :][: r["items_length"]].tobytes() for r in rows]
        self.blocks.setdefault(token, list(zip(rows["time_ms"].tolist(), items, strict=True)))
        return Stored(len(rows), 0)

    def flush_summaries(self) -> None:
        if self.failures:
            self.failures -= 1
            raise OSError("the store is away")
        self.flushes += 1


def journal_of(directory: Path, segments: int = 3) -> Journal:
    for number in range(segments):
        write_segment(directory, number + 1, 1 + 5 * number, 5)
    return Journal(directory, keep_ms=1 << 40, bytes_max=1 << 30)


def times(store: FakeStore) -> list[int]:
    return [time_ms for block in store.blocks.values() for time_ms, _ in block]


async def test_every_sealed_segment_is_one_insert_with_a_token_of_its_own(tmp_path: Path) -> None:
    store = FakeStore()
    recorder = Recorder(journal_of(tmp_path), toy.KERNELS, store, "n1")
    await recorder.catch_up()
    assert times(store) == list(range(1, 16))
    assert len(set(store.calls)) == len(store.calls) == 3
    assert {items for block in store.blocks.values() for _, items in block} == {b"abc"}
    assert recorder.statistics().stored == 15
    assert recorder.statistics().behind == 0


async def test_a_store_that_is_away_is_asked_again_until_it_takes_it(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    store = FakeStore(failures=7)
    recorder = Recorder(journal_of(tmp_path), toy.KERNELS, store, "n1")
    await recorder.catch_up()
    assert times(store) == list(range(1, 16))
    assert recorder.statistics().failures == 7
    assert "away" in recorder.statistics().last_failure


async def test_a_restart_goes_on_behind_what_is_stored(tmp_path: Path) -> None:
    store = FakeStore()
    await Recorder(journal_of(tmp_path, 2), toy.KERNELS, store, "n1").catch_up()
    assert len(store.calls) == 2
    await Recorder(journal_of(tmp_path, 3), toy.KERNELS, store, "n1").catch_up()
    assert len(store.calls) == 3
    assert times(store) == list(range(1, 16))


async def test_a_restart_that_has_lost_its_position_repeats_under_the_same_tokens(tmp_path: Path) -> None:
    store = FakeStore()
    await Recorder(journal_of(tmp_path), toy.KERNELS, store, "n1").catch_up()
    (tmp_path / "recorder.position").unlink()
    await Recorder(journal_of(tmp_path), toy.KERNELS, store, "n1").catch_up()
    assert len(store.calls) == 6
    assert len(store.blocks) == 3


async def test_segments_count_as_done_once_what_they_say_in_short_is_stored_too(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    store = FakeStore()
    journal = journal_of(tmp_path, 2)
    recorder = Recorder(journal, toy.KERNELS, store, "n1")
    await recorder.flush()
    await recorder.catch_up()
    assert (len(store.calls), store.flushes, journal.position("recorder").sequence) == (2, 0, 0)
    # A crash here: both are inserted again, under the same tokens.
    again = Recorder(journal_of(tmp_path, 2), toy.KERNELS, store, "n1")
    await again.catch_up()
    assert store.calls[2:] == store.calls[:2]
    mock_clock.jump(SUMMARY_EVERY_S)
    await recorder.catch_up()
    assert (len(store.calls), journal.position("recorder").sequence) == (4, 10)


async def test_it_sleeps_until_it_is_woken_and_misses_no_segment(tmp_path: Path) -> None:
    store = FakeStore()
    journal = journal_of(tmp_path, 1)
    recorder = Recorder(journal, toy.KERNELS, store, "n1")
    stored = trio.Event()
    recorder.on_stored = lambda: stored.set()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        await stored.wait()
        stored = trio.Event()
        write_segment(tmp_path, 2, 6, 5)
        journal.segments = Journal(tmp_path, keep_ms=1 << 40, bytes_max=1 << 30).segments
        recorder.wake()
        await stored.wait()
        nursery.cancel_scope.cancel()
    assert times(store) == list(range(1, 11))


def read_at_the_tail(journal: Journal) -> Reader:
    """Follow the journal to its end as the tail does; what it has read whole it hands on."""
    reader = Reader(journal, toy.KERNELS, hands_on=True)
    while reader.read() is not None:
        pass
    return reader


async def test_what_the_tail_has_decoded_is_stored_without_reading_the_file_again(tmp_path: Path) -> None:
    expected, store = FakeStore(), FakeStore()
    await Recorder(journal_of(tmp_path, 4), toy.KERNELS, expected, "n1").catch_up()
    (tmp_path / "recorder.position").unlink()
    journal = journal_of(tmp_path, 4)
    reader = read_at_the_tail(journal)
    # The tail stands in the fourth; the two before it wait, and their files are not needed.
    for number in (2, 3):
        journal.path(number).unlink()
    reader.close()
    await Recorder(journal, toy.KERNELS, store, "n1").catch_up()
    assert store.blocks == expected.blocks
    assert journal.corrupt == 0


async def test_a_segment_of_which_the_tail_has_read_a_part_is_read_from_its_file(tmp_path: Path) -> None:
    journal = journal_of(tmp_path, 2)
    reader = read_at_the_tail(journal)
    room = journal.take_read(journal.segments[0])
    assert room is not None
    room.at -= 8
    journal.hand_on(room)
    reader.close()
    store = FakeStore()
    await Recorder(journal, toy.KERNELS, store, "n1").catch_up()
    assert times(store) == list(range(1, 11))


async def test_a_tail_that_stands_still_holds_up_no_segment_for_long(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    journal = journal_of(tmp_path, 2)
    read_at_the_tail(journal)
    assert journal.tail_segment == 2
    store = FakeStore()
    recorder = Recorder(journal, toy.KERNELS, store, "n1")
    started = trio.current_time()
    await recorder.catch_up()
    assert times(store) == list(range(1, 11))
    assert trio.current_time() - started == TAIL_S_MAX


# --- messages that say more than where a car is -----------------------------------------------------------------------

CLASSES = {
    "R": CLASS_REPORT, "U": CLASS_UNREADABLE, "L": CLASS_LOGIN, "F": CLASS_FRAME, "P": CLASS_FRAGMENT,
    "X": CLASS_UNKNOWN, "A": CLASS_FRAME, "C": CLASS_FRAME,
}  # fmt: skip
"""Kinds of toy frames, A one put together from fragments, C a connection that closed."""
KINDS = {"A": KIND_ASSEMBLED, "C": KIND_LINK_CLOSED}


def write_kinds(directory: Path, number: int, first: int, kinds: str, body: bytes = b"") -> Path:
    """Write a segment with one record of each of these kinds."""
    directory.mkdir(exist_ok=True)
    area = np.zeros(SEGMENT_HEADER_BYTES + len(kinds) * (128 + len(body)), np.uint8)
    seal_segment_header(area.ctypes.data, number, 1, first, 1000)
    at = SEGMENT_HEADER_BYTES
    for k, kind in enumerate(kinds):
        plain = toy.frame({"A": "F", "C": "F"}.get(kind, kind), 7, (first + k) & 0xFFFF, first + k)
        data = np.frombuffer(b"\0" * 8 if kind == "C" else plain + body, np.uint8)
        area[at + RECORD_HEADER_BYTES : at + RECORD_HEADER_BYTES + len(data)] = data
        record = area.ctypes.data + at
        kept = KINDS.get(kind, KIND_FRAME)
        at += seal_record(record, len(data), first + k, 1000 + k, 5, 70, 170, kept, CLASSES[kind], 1)
    path = directory / f"{number:012d}.segment"
    path.write_bytes(area[:at].tobytes())
    return path


def open_journal(directory: Path) -> Journal:
    return Journal(directory, keep_ms=1 << 40, bytes_max=1 << 30)


def said(store: FakeStore) -> list[tuple[int, int]]:
    return [(one.sequence, one.flags) for block in store.uplinks.values() for one in block]


async def test_a_message_is_stored_once_and_what_only_locates_or_logs_in_is_not(tmp_path: Path) -> None:
    write_kinds(tmp_path, 1, 1, "RLFRPACUX")
    store = FakeStore()
    recorder = Recorder(open_journal(tmp_path), toy.KERNELS, store, "n1", version=lambda form, terminal: 2011 + form)
    await recorder.catch_up()
    assert times(store) == [1, 4]
    # F; A, which came in fragments like P; U, a location that makes no row; X, of which we know no layout.
    assert said(store) == [(3, 0), (6, UPLINK_ASSEMBLED), (8, 0), (9, 0)]
    [one] = [one for block in store.uplinks.values() for one in block if one.sequence == 3]
    assert one == Uplink(170, 70, 0, 2011, 3, 1002, "n1", 3, 0, toy.FRAME_BYTES, toy.frame("F", 7, 3, 3))
    assert set(store.uplinks) == set(store.blocks), "both are known by the segment's token"
    assert recorder.statistics().uplinks == 4


async def test_a_segment_of_nothing_but_messages_is_stored_too(tmp_path: Path) -> None:
    write_kinds(tmp_path, 1, 1, "FFF")
    write_kinds(tmp_path, 2, 4, "C")
    store = FakeStore()
    recorder = Recorder(open_journal(tmp_path), toy.KERNELS, store, "n1")
    await recorder.catch_up()
    await recorder.flush()
    assert [sequence for sequence, _ in said(store)] == [1, 2, 3]
    assert not store.blocks
    assert recorder.statistics().behind == 0


async def test_a_message_is_kept_up_to_its_bound_and_said_to_be_cut_past_it(tmp_path: Path) -> None:
    body = bytes(UPLINK_BYTES_MAX - toy.FRAME_BYTES)
    write_kinds(tmp_path, 1, 1, "A", body)
    write_kinds(tmp_path, 2, 2, "A", body + b"\1")
    store = FakeStore()
    recorder = Recorder(open_journal(tmp_path), toy.KERNELS, store, "n1")
    await recorder.catch_up()
    [whole], [cut] = store.uplinks.values()
    assert (whole.flags, whole.length, len(whole.frame)) == (UPLINK_ASSEMBLED, UPLINK_BYTES_MAX, UPLINK_BYTES_MAX)
    assert cut.flags == UPLINK_ASSEMBLED | UPLINK_CUT
    assert (cut.length, len(cut.frame)) == (UPLINK_BYTES_MAX + 1, UPLINK_BYTES_MAX)
    assert recorder.statistics().uplinks_cut == 1


async def test_of_some_messages_only_the_beginning_is_kept_and_of_others_nothing(tmp_path: Path) -> None:
    write_kinds(tmp_path, 1, 1, "FF")
    for kept_bytes, expected in ((0, []), (5, [(1, UPLINK_CUT), (2, UPLINK_CUT)])):
        store = FakeStore()
        (tmp_path / "recorder.position").unlink(missing_ok=True)
        recorder = Recorder(open_journal(tmp_path), toy.KERNELS, store, "n1", kept_bytes={0: kept_bytes})
        await recorder.catch_up()
        assert said(store) == expected
        assert {len(one.frame) for block in store.uplinks.values() for one in block} <= {5}


async def test_messages_wait_in_the_journal_while_the_store_is_away_and_go_in_once(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    for number in range(3):
        write_kinds(tmp_path, number + 1, 1 + 4 * number, "RFFR")
    store = FakeStore(failures=5)
    recorder = Recorder(open_journal(tmp_path), toy.KERNELS, store, "n1")
    await recorder.catch_up()
    assert [sequence for sequence, _ in said(store)] == [2, 3, 6, 7, 10, 11]
    assert recorder.statistics().uplinks == 6
    # A crash before its position was written: the same again, under the same tokens.
    again = Recorder(open_journal(tmp_path), toy.KERNELS, store, "n1")
    await again.catch_up()
    assert len(store.uplinks) == 3
    assert len(said(store)) == 6


async def test_the_messages_of_a_segment_that_the_tail_read_are_those_of_its_file(tmp_path: Path) -> None:
    expected, store = FakeStore(), FakeStore()
    for number in range(2):
        write_kinds(tmp_path, number + 1, 1 + 5000 * number, "RF" * 2500)
    await Recorder(open_journal(tmp_path), toy.KERNELS, expected, "n1").catch_up()
    (tmp_path / "recorder.position").unlink()
    journal = open_journal(tmp_path)
    reader = read_at_the_tail(journal)
    journal.path(1).unlink()
    reader.close()
    await Recorder(journal, toy.KERNELS, store, "n1").catch_up()
    assert store.uplinks == expected.uplinks
    assert len(said(store)) == 5000
