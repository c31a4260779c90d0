"""The archive gives a vehicle's frames, all of them and no other's, newest first, while the journal is written."""

import inspect
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.intake.archive import SEQUENCE_MAX, Archive, Found, Spoke
from core.intake.links import KIND_FRAME, KIND_LINK_CLOSED
from core.intake.records import (
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    padded,
    seal_record,
    seal_segment_header,
)
from core.limits import ARCHIVE_SCAN_BYTES, ARCHIVE_SCANS_MAX
from protocols.seam import CLASS_LOGIN, CLASS_REPORT
from tests.intake import toy
from tests.intake.test_journal import open_journal

EVER = (0, 2**62)


def write(directory: Path, number: int, first: int, opened_ms: int, records: list[tuple[int, int, int, int]]) -> None:
    """Write a segment of (arrival_ms, phone, terminal, vehicle) records as the loop would; terminal 0: a login."""
    directory.mkdir(exist_ok=True)
    area = np.zeros(SEGMENT_HEADER_BYTES + len(records) * 128, np.uint8)
    seal_segment_header(area.ctypes.data, number, 1, first, opened_ms)
    at = SEGMENT_HEADER_BYTES
    for k, (arrival_ms, phone, terminal, vehicle) in enumerate(records):
        kind = KIND_LINK_CLOSED if phone == 0 else KIND_FRAME
        data = np.zeros(1, np.uint8)
        if phone:
            frame = toy.frame("R" if terminal else "L", phone, (first + k) & 0xFFFF, first + k)
            data = np.frombuffer(frame, np.uint8)
        area[at + RECORD_HEADER_BYTES : at + RECORD_HEADER_BYTES + len(data)] = data
        kind_of = CLASS_REPORT if terminal else CLASS_LOGIN
        at += seal_record(
            area.ctypes.data + at, len(data), first + k, arrival_ms, 5, terminal, vehicle, kind, kind_of, 1
        )
    (directory / f"{number:012d}.segment").write_bytes(area[:at].tobytes())


def toy_report_id(phone: int, value: int) -> int:
    return phone << 32 | value


def sequences(found: Found) -> list[int]:
    return [frame.sequence for frame in found.frames]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Four segments of a second each: cars 170 and 171 in turn, and a third that logs in in the second one."""
    for number in range(4):
        start = 1000 * number
        records = [(start + 100 * k, 7 + k % 2, 70 + k % 2, 170 + k % 2) for k in range(10)]
        if number == 1:
            records[3] = (1300, 9, 0, 0)
            records[5] = (1500, 0, 0, 0)
        write(tmp_path, number + 1, 10 * number + 1, start, records)
    return Archive(open_journal(tmp_path), toy.KERNELS)


def test_a_vehicles_frames_are_found_over_segments_newest_first(archive: Archive) -> None:
    found = archive.frames(170, [], *EVER)
    assert sequences(found) == [39, 37, 35, 33, 31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1]
    assert found.frames[0].data == toy.frame("R", 7, 39, 39)
    assert found.next_sequence == 0
    assert sequences(archive.frames(999, [], *EVER)) == []


def test_pages_join_without_gap_or_repeat_whatever_their_size(archive: Archive) -> None:
    whole = sequences(archive.frames(171, [], *EVER))
    for limit in (1, 2, 3, 7, 18):
        seen: list[int] = []
        before = SEQUENCE_MAX
        while before:
            found = archive.frames(171, [], *EVER, before=before, limit=limit)
            seen += sequences(found)
            assert len(found.frames) <= limit
            before = found.next_sequence
        assert seen == whole, f"{limit=}"


def test_only_what_arrived_in_the_time_asked_for_is_found(archive: Archive) -> None:
    assert sequences(archive.frames(170, [], 1000, 1201)) == [13, 11]
    assert sequences(archive.frames(170, [], 900, 1000)) == []
    assert sequences(archive.frames(170, [], 800, 1000)) == [9]
    assert archive.frames(170, [], 800, 1000).scanned_to_ms == 800


def test_what_was_said_before_the_login_is_found_by_the_phone_that_spoke_then(archive: Archive) -> None:
    assert sequences(archive.frames(172, [Spoke((0, 9), 0, 2**62)], *EVER)) == [14]
    assert sequences(archive.frames(172, [Spoke((0, 9), 0, 1300)], *EVER)) == [], "it spoke for another car by then"
    assert sequences(archive.frames(0, [], *EVER)) == [], "vehicle 0 is nobody"


def test_one_search_too_many_waits_for_its_turn(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    original, go_on = Archive._read, threading.Event()
    inside = threading.Semaphore(0)
    found: list[list[int]] = []

    def read(self: Archive, place: Any) -> Any:
        inside.release()
        assert go_on.wait(30)
        return original(self, place)

    monkeypatch.setattr(Archive, "_read", read)
    searches = [
        threading.Thread(target=lambda: found.append(sequences(archive.frames(170, [], 1000, 1201))))
        for _ in range(ARCHIVE_SCANS_MAX + 1)
    ]
    for search in searches:
        search.start()
    assert all(inside.acquire(timeout=30) for _ in range(ARCHIVE_SCANS_MAX))
    assert not archive._free.acquire(blocking=False), "no place is left for one more"
    assert not inside.acquire(blocking=False)
    go_on.set()
    for search in searches:
        search.join(30)
    assert found == [[13, 11]] * (ARCHIVE_SCANS_MAX + 1)


def test_a_search_rests_at_its_bound_and_says_where_to_go_on(archive: Archive) -> None:
    assert inspect.signature(archive.frames).parameters["bytes_max"].default == ARCHIVE_SCAN_BYTES
    before, seen, searches = SEQUENCE_MAX, [], 0
    while before:
        found = archive.frames(172, [Spoke((0, 9), 0, 2**62)], *EVER, before=before, bytes_max=1)
        seen += sequences(found)
        before = found.next_sequence
        searches += 1
    assert (seen, searches) == ([14], 4)


def test_a_segment_is_chosen_by_its_time_before_any_is_read(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = Archive._read
    monkeypatch.setattr(Archive, "_read", lambda self, place: read.append(place.id) or original(self, place))
    archive.frames(170, [], 1500, 1600)
    assert read == [2]
    read.clear()
    archive.frames(170, [], *EVER, before=21)
    assert read == [2, 1]


def test_a_frame_is_found_by_its_number(archive: Archive) -> None:
    for sequence in (1, 10, 11, 40):
        frame = archive.frame(sequence)
        assert frame is not None
        assert frame.sequence == sequence
    assert archive.frame(0) is None
    assert archive.frame(41) is None


def test_a_flipped_bit_ends_a_segment_there_and_the_others_are_found(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / f"{2:012d}.segment"
    blob = bytearray(path.read_bytes())
    size = RECORD_HEADER_BYTES + padded(16)
    blob[SEGMENT_HEADER_BYTES + 4 * size + RECORD_HEADER_BYTES + 3] ^= 1  # record 15, of vehicle 170
    path.write_bytes(blob)
    assert sequences(archive.frames(170, [], 1000, 2000)) == [13, 11]


def test_a_segment_that_dies_meanwhile_is_passed_over(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / f"{2:012d}.segment").unlink()
    assert sequences(archive.frames(170, [], 0, 3000)) == [29, 27, 25, 23, 21, 9, 7, 5, 3, 1]


def test_a_report_the_store_may_not_have_yet_is_found_by_its_id(archive: Archive) -> None:
    assert archive.sequence_of(170, toy_report_id(7, 39)) == 39
    assert archive.sequence_of(171, toy_report_id(7, 39)) is None, "another car's report"
    assert archive.sequence_of(170, toy_report_id(7, 3), segments=2) is None, "older than what is looked through"


def test_frames_are_found_while_the_journal_is_written(make_rig: Any) -> None:
    rig = make_rig()
    archive = Archive(rig.journal, toy.KERNELS)
    assert archive.frames(107, [], *EVER).frames == []
    client = rig.client()
    rig.login(client, 5, 7)
    for number in range(3):
        client.send(toy.frame("R", 5, number, 1000 + number))
    client.replies(3)
    found = archive.frames(107, [Spoke((0, 5), 0, 2**62)], *EVER)
    assert [frame.data for frame in found.frames] == [
        toy.frame("R", 5, 2, 1002),
        toy.frame("R", 5, 1, 1001),
        toy.frame("R", 5, 0, 1000),
        toy.frame("L", 5, 1),
    ]
    assert archive.frame(found.frames[0].sequence) == found.frames[0]
    assert archive.sequence_of(107, toy_report_id(5, 1001)) == found.frames[1].sequence
