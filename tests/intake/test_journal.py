"""What the journal promises: it ends at the first bad record, numbers go on, nothing dies that is needed."""

import errno
import os
import select
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.config import Config
from core.intake import loop
from core.intake.journal import Journal, Position, Reader, SegmentRoom, frames_of, read_position, read_segment
from core.intake.links import KIND_FRAME, KIND_LINK_CLOSED
from core.intake.records import (
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    crc32c_words,
    padded,
    seal_record,
    seal_segment_header,
)
from core.limits import SEGMENT_BYTES, STALL_ALARMS_MAX
from protocols.seam import CLASS_REPORT, RESULT_OK
from tests.intake import toy

DAY_MS = 24 * 3600 * 1000


def write_segment(directory: Path, number: int, first: int, count: int, opened_ms: int = 1000, boot: int = 1) -> Path:
    """Write a segment of `count` toy reports as the loop would."""
    directory.mkdir(exist_ok=True)
    area = np.zeros(SEGMENT_HEADER_BYTES + count * 128, np.uint8)
    seal_segment_header(area.ctypes.data, number, boot, first, opened_ms)
    at = SEGMENT_HEADER_BYTES
    for k in range(count):
        data = np.frombuffer(toy.frame("R", 7, (first + k) & 0xFFFF, first + k), np.uint8)
        area[at + RECORD_HEADER_BYTES : at + RECORD_HEADER_BYTES + len(data)] = data
        record = area.ctypes.data + at
        at += seal_record(record, len(data), first + k, opened_ms, 5, 70, 170, KIND_FRAME, CLASS_REPORT, 1)
    path = directory / f"{number:012d}.segment"
    path.write_bytes(area[:at].tobytes())
    return path


def open_journal(directory: Path, **options: Any) -> Journal:
    return Journal(directory, **{"keep_ms": DAY_MS, "bytes_max": 1 << 30, **options})


def read_all(journal: Journal, after: int = 0) -> list[int]:
    reader = Reader(journal, toy.KERNELS, after)
    values: list[int] = []
    while (batch := reader.read()) is not None:
        values += batch.rows["time_ms"].tolist()
    reader.close()
    return values


@given(st.binary(max_size=300).map(lambda data: data + b"\0" * (-len(data) % 8)))
def test_the_checksum_is_crc_32c(data: bytes) -> None:
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    area = np.frombuffer(data + b"\0", np.uint8).copy()
    assert crc32c_words(area.ctypes.data, len(data) // 8) == crc ^ 0xFFFFFFFF


def test_recovery_ends_at_the_first_bad_record_wherever_the_cut_is(tmp_path: Path) -> None:
    whole = write_segment(tmp_path / "whole", 1, 1, 4).read_bytes()
    size = RECORD_HEADER_BYTES + padded(toy.FRAME_BYTES)
    for cut in range(SEGMENT_HEADER_BYTES, len(whole) + 1):
        directory = tmp_path / f"cut{cut}"
        path = write_segment(directory, 1, 1, 4)
        # What a preallocated file looks like after a cut: the written part, then zeros.
        torn = whole[:cut] + b"\0" * (len(whole) - cut)
        path.write_bytes(torn)
        journal = open_journal(directory)
        kept = _whole_records(torn, whole, size)
        assert read_all(journal) == list(range(1, kept + 1)), f"{cut=}"
        assert journal.last_sequence == kept
        assert (kept == 0) == (not path.exists())


def _whole_records(torn: bytes, whole: bytes, size: int) -> int:
    """Count by comparison: a record whose missing tail is zeros anyway is whole."""
    count = 0
    for at in range(SEGMENT_HEADER_BYTES, len(whole), size):
        if torn[at : at + size] != whole[at : at + size]:
            break
        count += 1
    return count


@pytest.mark.parametrize("prepared", [1, 2])
def test_a_process_that_ended_between_two_segments_finds_all_it_had_sealed(tmp_path: Path, prepared: int) -> None:
    directory = tmp_path / "journal"
    write_segment(directory, 1, 1, 4)
    write_segment(directory, 2, 5, 4)
    for number in range(3, 3 + prepared):
        (directory / f"{number:012d}.segment").write_bytes(bytes(SEGMENT_BYTES))
    journal = open_journal(directory)
    assert [segment.last_sequence for segment in journal.segments] == [4, 8]
    assert journal.last_sequence == 8
    assert read_all(journal) == list(range(1, 9))
    assert sorted(path.name for path in directory.glob("*.segment")) == ["000000000001.segment", "000000000002.segment"]


def test_a_flipped_bit_ends_recovery_there(tmp_path: Path) -> None:
    path = write_segment(tmp_path / "journal", 1, 1, 4)
    data = bytearray(path.read_bytes())
    data[SEGMENT_HEADER_BYTES + 2 * (RECORD_HEADER_BYTES + toy.FRAME_BYTES) + 50] ^= 1
    path.write_bytes(data)
    assert read_all(open_journal(tmp_path / "journal")) == [1, 2]


def test_reading_goes_on_over_segments_and_from_any_position(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write_segment(directory, 1, 1, 5)
    write_segment(directory, 2, 6, 5)
    write_segment(directory, 9, 11, 5, boot=2)
    journal = open_journal(directory)
    assert journal.last_sequence == 15
    for after in range(16):
        assert read_all(journal, after) == list(range(after + 1, 16)), f"{after=}"


def test_a_damaged_sealed_segment_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    first = write_segment(directory, 1, 1, 5)
    write_segment(directory, 2, 6, 5)
    journal = open_journal(directory)
    data = bytearray(first.read_bytes())
    data[SEGMENT_HEADER_BYTES + 3 * (RECORD_HEADER_BYTES + toy.FRAME_BYTES) + 50] ^= 1
    first.write_bytes(data)
    assert read_all(journal) == [1, 2, 3, 6, 7, 8, 9, 10]
    assert journal.corrupt == 1


def test_a_segment_dies_when_all_readers_are_past_it_and_its_time_is_over(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    for number in range(3):
        write_segment(directory, number + 1, 1 + 5 * number, 5, opened_ms=1000)
    journal = open_journal(directory)
    recorder, tail = journal.position("recorder"), journal.position("tail")
    journal.forget(1000 + 2 * DAY_MS)
    recorder.advance(10)
    journal.forget(1000 + 2 * DAY_MS)
    assert len(journal.segments) == 3
    tail.advance(7)
    journal.forget(1000 + DAY_MS - 1)
    assert len(journal.segments) == 3
    journal.forget(1000 + DAY_MS)
    assert [s.id for s in journal.segments] == [2, 3]
    assert not journal.path(1).exists()


def test_at_its_bound_the_journal_lets_the_archive_go_first_and_then_prepares_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    size = write_segment(directory, 1, 1, 5).stat().st_size
    write_segment(directory, 2, 6, 5)
    config = Config(journal_bytes_max=SEGMENT_BYTES + size)
    journal = open_journal(directory, bytes_max=config.journal_bytes_max)
    position = journal.position("recorder")
    assert journal.prepare() is None
    assert journal.full == 1
    assert "a reader lags" in journal.last_error
    position.advance(5)
    prepared = journal.prepare()
    assert prepared is not None
    os.close(prepared[0])
    assert [s.id for s in journal.segments] == [2]


def test_a_full_journal_acknowledges_nothing_and_goes_on_when_there_is_room(make_rig: Any, tmp_path: Path) -> None:
    size = write_segment(tmp_path / "journal", 1, 1, 5).stat().st_size
    rig = make_rig(bytes_max=SEGMENT_BYTES + size - 1)
    client = rig.client()
    client.send(toy.frame("L", 7, 1))
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    assert rig.frames == []
    client.socket.settimeout(20)
    rig.journal.position("tail").advance(5)
    rig.read_until(lambda: len(rig.frames) == 1)
    link = rig.frames[0].link
    rig.intake.admit(link, (0, 7), 70, 170, b"welcome!")
    assert client.read(8) == b"welcome!"
    client.send(toy.frame("R", 7, 2, 9))
    assert client.replies(1) == [("R", 2, RESULT_OK)]
    assert rig.intake.counters()["stalls_ms"] > 0


def test_a_position_survives_a_torn_write(tmp_path: Path) -> None:
    path = tmp_path / "p"
    position = Position(path)
    for sequence in (5, 9, 12):
        position.advance(sequence)
    position.advance(3)
    position.close()
    stored = path.read_bytes()
    for cut in range(24):
        # 12 was written over 5, in the first slot; tear it.
        path.write_bytes(stored[:cut] + b"\xff" * (24 - cut) + stored[24:])
        torn = Position(path)
        assert torn.sequence == (12 if stored[:cut] + b"\xff" * (24 - cut) == stored[:24] else 9)
        torn.advance(20)
        torn.close()
        again = Position(path)
        assert again.sequence == 20
        again.close()


def test_a_position_that_the_disk_refuses_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    position = Position(tmp_path / "p")
    assert (tmp_path / "p").stat().st_size == 48
    position.advance(5)

    def refuse(*_: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", refuse)
        position.advance(9)
    assert position.sequence == 5
    position.advance(12)
    position.close()
    assert read_position(tmp_path / "p") == 12


def test_the_archive_gives_every_frame_of_a_phone(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    write_segment(directory, 1, 1, 3)
    write_segment(directory, 2, 4, 3)
    found = list(frames_of(directory, toy.KERNELS, (0, 7)))
    assert [f.sequence for f in found] == [1, 2, 3, 4, 5, 6]
    assert found[0].data == toy.frame("R", 7, 1, 1)
    assert list(frames_of(directory, toy.KERNELS, (0, 8))) == []


def test_segments_of_any_size_are_read_into_the_same_room(tmp_path: Path) -> None:
    sizes = (20, 80_000, 5, 40_000)
    first = 1
    for number, count in enumerate(sizes, 1):
        write_segment(tmp_path, number, first, count)
        first += count
    journal = open_journal(tmp_path)
    # The last lost its end after it was put on record.
    os.truncate(journal.path(4), SEGMENT_HEADER_BYTES + 64 * 30_000)
    room = SegmentRoom()
    first = 1
    for segment, count in zip(journal.sealed_after(0), (20, 80_000, 5, 30_000), strict=True):
        assert journal.corrupt == 0
        read_segment(journal, segment, toy.KERNELS, room)
        rows, blob = room.rows[: room.found], room.bytes[: room.at]
        assert rows["time_ms"].tolist() == list(range(first, first + count))
        assert room.unreadable == 0
        last = rows[-1]
        assert blob[last["items_offset"] :][: last["items_length"]].tobytes() == b"abc"
        first += count
    assert journal.corrupt == 1
    grown = room.rows
    read_segment(journal, journal.sealed_after(0)[1], toy.KERNELS, room)
    assert room.rows is grown, "a room that had grown was left"


def test_a_segment_that_cannot_be_written_is_left_and_its_records_go_into_another(make_rig: Any) -> None:
    rig = make_rig(before_start=lambda journal: spoil(journal, [1, 2, 3]))
    client = rig.client()
    rig.login(client, 7, 70)
    client.send(*(toy.frame("R", 7, serial, 9) for serial in range(20)))
    assert client.replies(20) == [("R", serial, RESULT_OK) for serial in range(20)]
    rig.read_until(lambda: len(rig.rows) == 20)
    assert rig.intake.counters()["journal_refusals"] == 3
    assert rig.intake.fault == ""
    rig.stop()
    numbers = [segment.id for segment in rig.journal.segments]
    assert numbers[0] == 4
    assert sorted(rig.directory.glob("*.segment")) == [rig.journal.path(number) for number in numbers]


def test_while_the_journal_takes_nothing_alarms_go_up_and_heartbeats_are_answered(make_rig: Any) -> None:
    tap = Tap()
    rig = make_rig(before_start=tap.fit)
    quiet, alarming = rig.client(), rig.client()
    link = rig.login(quiet, 7, 70)
    rig.login(alarming, 8, 80)
    tap.shut(rig)
    quiet.send(toy.frame("R", 7, 1, 0))
    wait_for(lambda: rig.intake.fault)
    assert "Bad file descriptor" in rig.intake.fault
    # This one waits, to be acknowledged in the end. Those that come now stay in their sockets, and are looked at once.
    quiet.send(toy.frame("R", 7, 2, 0), toy.frame("H", 7, 3))
    alarming.send(toy.frame("R", 8, 1, 4), toy.frame("H", 8, 2))
    assert alarming.replies(1) == [("H", 2, RESULT_OK)]
    assert quiet.replies(1) == [("H", 3, RESULT_OK)]
    assert select.select([rig.intake.alarm_fd], [], [], 20)[0]
    assert [(int(row["phone_low"]), int(row["alarm"])) for row in rig.intake.take_alarms()] == [(8, 4)]
    assert len(rig.intake.take_alarms()) == 0
    rig.intake.send(link, b"downlink")
    assert quiet.read(8) == b"downlink"
    # A frame that comes in two pieces is seen once it is whole, and none that was seen before.
    alarming.send(toy.frame("R", 8, 3, 5)[:9])
    alarming.send(toy.frame("R", 8, 3, 5)[9:] + toy.frame("H", 8, 4))
    assert alarming.replies(1) == [("H", 4, RESULT_OK)]
    assert select.select([rig.intake.alarm_fd], [], [], 20)[0]
    assert rig.intake.take_alarms()["alarm"].tolist() == [5]
    assert rig.intake.counters()["alarms_unacknowledged"] == 2
    tap.open()
    # What was looked at is read now, in its order; a heartbeat is answered again.
    assert quiet.replies(3) == [("R", 1, RESULT_OK), ("R", 2, RESULT_OK), ("H", 3, RESULT_OK)]
    assert rig.intake.fault == ""
    answers = [("R", 1, RESULT_OK), ("H", 2, RESULT_OK), ("R", 3, RESULT_OK), ("H", 4, RESULT_OK)]
    assert alarming.replies(4) == answers
    rig.read_until(lambda: len(rig.rows) == 4)
    assert sorted(rig.rows) == [(7, 1, 0), (7, 2, 0), (8, 1, 4), (8, 3, 5)]
    assert rig.intake.counters()["stalls_ms"] > 0


def test_of_more_alarms_than_their_ring_holds_the_rest_is_judged_once_it_is_journalled(make_rig: Any) -> None:
    tap = Tap()
    rig = make_rig(before_start=tap.fit)
    clients = [rig.client(), rig.client()]
    for number, client in enumerate(clients):
        rig.login(client, 7 + number, 70 + number)
    tap.shut(rig)
    clients[0].send(toy.frame("R", 7, 0, 9))
    wait_for(lambda: rig.intake.fault)
    half = STALL_ALARMS_MAX // 2
    for number, (client, count) in enumerate(zip(clients, (half, half + 1), strict=True)):
        client.send(*(toy.frame("R", 7 + number, serial, 1 + serial) for serial in range(count)))
        client.send(toy.frame("H", 7 + number, 9))
        assert client.replies(1) == [("H", 9, RESULT_OK)]
    counters = rig.intake.counters()
    assert (counters["alarms_unacknowledged"], counters["alarms_passed_over"]) == (STALL_ALARMS_MAX, 1)
    assert len(rig.intake.take_alarms()) == STALL_ALARMS_MAX
    tap.open()
    rig.read_until(lambda: len(rig.rows) == 1 + STALL_ALARMS_MAX + 1)


def test_a_link_that_ends_while_the_journal_takes_nothing_is_told_of_later(make_rig: Any) -> None:
    tap = Tap()
    rig = make_rig(before_start=tap.fit)
    client, other = rig.client(), rig.client()
    link = rig.login(client, 7, 70)
    closed = rig.login(other, 8, 80)
    tap.shut(rig)
    client.send(toy.frame("R", 7, 1, 9))
    wait_for(lambda: rig.intake.fault)
    client.close()
    rig.intake.close(closed, "replaced")
    assert other.ended()
    tap.open()
    rig.read_until(lambda: len(rig.rows) == 1 and len(rig.frames) == 4)
    assert {frame.link for frame in rig.frames[2:]} == {link, closed}
    assert {frame.kind for frame in rig.frames[2:]} == {KIND_LINK_CLOSED}


def test_a_stop_while_the_journal_takes_nothing_keeps_what_was_acknowledged(make_rig: Any) -> None:
    tap = Tap()
    rig = make_rig(before_start=tap.fit)
    client = rig.client()
    rig.login(client, 7, 70)
    client.send(toy.frame("R", 7, 1, 5))
    assert client.replies(1) == [("R", 1, RESULT_OK)]
    tap.shut(rig)
    client.send(toy.frame("R", 7, 2, 6))
    wait_for(lambda: rig.intake.fault)
    rig.stop()
    again = make_rig()
    again.read_until(lambda: again.rows == [(7, 1, 5)])


def test_numbers_go_on_behind_what_every_reader_has_passed_when_all_segments_are_gone(make_rig: Any) -> None:
    rig = make_rig(keep_ms=1)
    client = rig.client()
    rig.login(client, 7, 70)
    client.send(toy.frame("R", 7, 2, 5))
    assert client.replies(1) == [("R", 2, RESULT_OK)]
    rig.read_until(lambda: len(rig.rows) == 1)
    client.close()
    rig.read_until(lambda: rig.frames[-1].kind == KIND_LINK_CLOSED)
    rig.stop()
    rig.journal.position("tail").advance(rig.reader.sequence)
    rig.journal.forget(1 << 50)
    assert rig.journal.segments == []
    again = make_rig()
    client = again.client()
    again.login(client, 7, 70)
    client.send(toy.frame("R", 7, 3, 6))
    assert client.replies(1) == [("R", 3, RESULT_OK)]
    again.read_until(lambda: again.rows == [(7, 3, 6)])


def spoil(journal: Journal, numbers: Sequence[int]) -> None:
    """Let these segments be opened for reading only: what a file system remounted after an error does to a write."""
    prepare = journal.prepare

    def read_only() -> tuple[int, int] | None:
        prepared = prepare()
        if prepared is None or prepared[1] not in numbers:
            return prepared
        os.close(prepared[0])
        return os.open(journal.path(prepared[1]), os.O_RDONLY), prepared[1]

    journal.prepare = read_only  # type: ignore[method-assign]


class Tap:
    """A journal's supply of segments: one at first, none while it is shut."""

    def __init__(self) -> None:
        self._left = 1

    def fit(self, journal: Journal) -> None:
        """Put it between a journal and its disk."""
        prepare = journal.prepare

        def prepared() -> tuple[int, int] | None:
            if not self._left:
                return None
            self._left -= 1
            return prepare()

        journal.prepare = prepared  # type: ignore[method-assign]

    def shut(self, rig: Any) -> None:
        """Let the segment in use refuse writes. There is no other."""
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), int(rig.intake.state[loop.SEGMENT_FD]))

    def open(self) -> None:
        self._left = 1 << 30


def wait_for(holds: Any) -> None:
    """Wait until something holds that another thread brings about."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        select.select([], [], [], 0.005)
