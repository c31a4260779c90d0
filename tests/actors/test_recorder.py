"""What is acknowledged gets stored, once, whatever the store does meanwhile."""

from pathlib import Path
from typing import Any, NamedTuple

import trio
import trio.testing

from actors.recorder import TAIL_S_MAX, Recorder
from core.intake.journal import Journal, Reader
from core.limits import SUMMARY_EVERY_S
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
