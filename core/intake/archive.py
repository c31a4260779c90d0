"""The journal as an archive: the raw frames of one vehicle, newest first, while the intake goes on writing.

A journal may hold 32 GB. What bounds a search is bytes looked through (ARCHIVE_SCAN_BYTES), not frames found: a car
that says little among many that say much is found in several steps, each of which tells where the next begins.
Segments are chosen by the time they were opened before any is read. Only what is synced is shown, so no frame is seen
here that a crash could still take back.
"""

import bisect
import threading
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit, types

from core.intake.journal import Journal, frame_at
from core.intake.links import KIND_LINK_CLOSED, Frame
from core.intake.records import (
    AT_ARRIVAL_MS,
    AT_CRC,
    AT_KIND,
    AT_SEQUENCE,
    AT_TERMINAL,
    AT_VEHICLE,
    OUT_OFFSET,
    OUT_ROWS,
    OUT_WORDS,
    READ_FRAMES_FULL,
    READ_ROWS_FULL,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    SEGMENT_MAGIC,
    crc32c_words,
    padded,
    read_records,
)
from core.limits import ARCHIVE_SCAN_BYTES, ARCHIVE_SCANS_MAX, SEGMENT_BYTES
from protocols.memory import call3, load_i64, load_u8, load_u32, store_i64
from protocols.report import REPORT
from protocols.seam import IDENTITY_PHONE_HIGH, IDENTITY_PHONE_LOW, IDENTITY_WORDS, ROWS_PER_FRAME_MAX, Kernels

_int64: Final = types.int64

SEQUENCE_MAX: Final = 2**63 - 1
FRAMES_FOUND_MAX: Final = 1_000
"""Frames of one answer: 1,000 of 4 KB are 4 MB."""
_SPOKE_WORDS: Final = 4


class Spoke(NamedTuple):
    """A phone that spoke for a vehicle for a time: finds what it said before it was logged in, too."""

    phone: tuple[int, int]
    from_ms: int
    to_ms: int


class Found(NamedTuple):
    """Frames, newest first."""

    frames: list[Frame]
    next_sequence: int
    """Frames before this one have not been looked at; 0: there are none in the time asked for."""
    scanned_to_ms: int
    """Everything that arrived since then, up to where the search began, has been looked at."""


@njit(_int64(*[_int64] * 12), cache=True, nogil=True)
def find_records(
    base: int,
    end: int,
    identify: int,
    vehicle_id: int,
    spoke: int,
    spoke_count: int,
    from_ms: int,
    to_ms: int,
    before: int,
    found: int,
    found_max: int,
    identity: int,
) -> int:
    """Find the records of one vehicle in a segment; the offsets of the last `found_max` of them are left at `found`.

    Checks the checksum of what it finds only, and ends at the first record that does not hold together.

    Args:
        base, end: address of the segment's first byte, and how many bytes of it may be read.
        spoke: address of `spoke_count` times int64[4]: phone high, phone low, from_ms, to_ms.
        from_ms, to_ms: arrival, the end left out. before: only records of a lower sequence.
        found: address of int64[found_max], a ring: the k-th found stands at k % found_max.
        identity: scratch.

    Returns:
        how many were found.
    """
    at = SEGMENT_HEADER_BYTES
    count = 0
    while end - at >= RECORD_HEADER_BYTES:
        record = base + at
        length = load_u32(record)
        size = padded(length)
        if length == 0 or RECORD_HEADER_BYTES + size > end - at:
            break
        if load_i64(record + AT_SEQUENCE) >= before:
            break
        arrival_ms = load_i64(record + AT_ARRIVAL_MS)
        if from_ms <= arrival_ms < to_ms and load_u8(record + AT_KIND) < KIND_LINK_CLOSED:
            wanted = load_u32(record + AT_VEHICLE) == vehicle_id and load_u32(record + AT_TERMINAL) != 0
            if not wanted and load_u32(record + AT_TERMINAL) == 0:
                # Said before it was logged in: whose it is stands in the frame alone.
                call3(identify, record + RECORD_HEADER_BYTES, length, identity)
                high = load_i64(identity + 8 * IDENTITY_PHONE_HIGH)
                low = load_i64(identity + 8 * IDENTITY_PHONE_LOW)
                for k in range(spoke_count):
                    entry = spoke + 8 * _SPOKE_WORDS * k
                    if (
                        load_i64(entry) == high
                        and load_i64(entry + 8) == low
                        and load_i64(entry + 16) <= arrival_ms < load_i64(entry + 24)
                    ):
                        wanted = True
            if wanted:
                if crc32c_words(record + 8, (RECORD_HEADER_BYTES - 8 + size) >> 3) != load_u32(record + AT_CRC):
                    break
                store_i64(found + 8 * (count % found_max), at)
                count += 1
        at += RECORD_HEADER_BYTES + size
    return count


class _Place(NamedTuple):
    """A segment that may be read: what is known of it without reading its records."""

    id: int
    opened_ms: int
    first_sequence: int
    size: int


class Archive:
    """Raw frames from the journal. Everything blocks, for as long as 256 MB take to be read; at most ARCHIVE_SCANS_MAX
    searches run at once, one more waits."""

    def __init__(self, journal: Journal, kernels: Kernels) -> None:
        self._journal = journal
        self._kernels = kernels
        self._free = threading.BoundedSemaphore(ARCHIVE_SCANS_MAX)

    def frames(
        self,
        vehicle_id: int,
        spoke: list[Spoke],
        from_ms: int,
        to_ms: int,
        *,
        before: int = SEQUENCE_MAX,
        limit: int = 100,
        bytes_max: int = ARCHIVE_SCAN_BYTES,
    ) -> Found:
        """Return the vehicle's frames that arrived from from_ms up to to_ms, newest first.

        Args:
            spoke: phones that spoke for it, for what they said before they were logged in.
            before: only frames of a lower sequence: the last answer's `next_sequence`.
            limit: at most so many frames; at least 1, at most FRAMES_FOUND_MAX.
            bytes_max: what may be read before the search rests; one segment is read in any case.
        """
        limit = min(max(limit, 1), FRAMES_FOUND_MAX)
        phones = np.array([(*one.phone, 0, 0) for one in spoke] or [(0, 0, 0, 0)], np.uint64).view(np.int64)
        for row, one in zip(phones, spoke, strict=False):
            row[2:] = one.from_ms, one.to_ms
        offsets = np.zeros(limit, np.int64)
        identity = np.zeros(IDENTITY_WORDS, np.int64)
        frames: list[Frame] = []
        scanned_to_ms = to_ms
        read = 0
        with self._free:
            places = self._places()
            for at in range(len(places) - 1, -1, -1):
                place = places[at]
                if place.opened_ms >= to_ms or place.first_sequence >= before:
                    continue
                if at + 1 < len(places) and places[at + 1].opened_ms < from_ms and places[at + 1].opened_ms > 0:
                    # Everything here and before arrived before the next segment was opened.
                    return Found(frames, 0, from_ms)
                if read >= bytes_max or len(frames) == limit:
                    return Found(frames, frames[-1].sequence if len(frames) == limit else before, scanned_to_ms)
                blob = self._read(place)
                read += place.size
                room = limit - len(frames)
                count = find_records(
                    blob.ctypes.data,
                    len(blob),
                    self._kernels.entries.identify,
                    vehicle_id,
                    phones.ctypes.data,
                    len(spoke),
                    from_ms,
                    to_ms,
                    before,
                    offsets.ctypes.data,
                    room,
                    identity.ctypes.data,
                )
                for k in range(count - 1, max(count - room, 0) - 1, -1):
                    frames.append(frame_at(blob, int(offsets[k % room]), self._kernels, identity))
                if count > room:
                    return Found(frames, frames[-1].sequence, frames[-1].arrival_ms)
                before = min(before, place.first_sequence)
                scanned_to_ms = max(min(scanned_to_ms, place.opened_ms), from_ms)
        return Found(frames, 0, from_ms)

    def frame(self, sequence: int) -> Frame | None:
        """Return one record by its number, None where it is no longer, or not yet, in the archive."""
        with self._free:
            places = self._places()
            at = bisect.bisect_right(places, sequence, key=lambda place: place.first_sequence)
            if at == 0:
                return None
            blob = self._read(places[at - 1])
            at = SEGMENT_HEADER_BYTES
            while at + RECORD_HEADER_BYTES <= len(blob):
                length = int(blob[at : at + 4].view(np.uint32)[0])
                size = RECORD_HEADER_BYTES + padded(length)
                if length == 0 or at + size > len(blob):
                    return None
                if int(blob[at + AT_SEQUENCE : at + AT_SEQUENCE + 8].view(np.int64)[0]) == sequence:
                    return frame_at(blob, at, self._kernels, np.zeros(IDENTITY_WORDS, np.int64))
                at += size
        return None

    def sequence_of(self, vehicle_id: int, report_id: int, segments: int = 4) -> int | None:
        """Return the number of the newest record with this report among the last segments, which the store may not
        have yet; None where none of them has it."""
        rows = np.zeros(32_768 + ROWS_PER_FRAME_MAX, REPORT)
        out, identity = np.zeros(OUT_WORDS, np.int64), np.zeros(IDENTITY_WORDS, np.int64)
        frames, messages = np.zeros(4096, np.int64), np.zeros(4096, np.int64)
        with self._free:
            for place in reversed(self._places()[-segments:]):
                blob = self._read(place)
                at, status, best = SEGMENT_HEADER_BYTES, READ_ROWS_FULL, -1
                while status in (READ_ROWS_FULL, READ_FRAMES_FULL):
                    status = read_records(
                        blob.ctypes.data,
                        at,
                        len(blob),
                        self._kernels.entries.identify,
                        self._kernels.entries.decode,
                        rows.ctypes.data,
                        len(rows),
                        frames.ctypes.data,
                        messages.ctypes.data,
                        len(frames),
                        identity.ctypes.data,
                        out.ctypes.data,
                    )
                    at = int(out[OUT_OFFSET])
                    batch = rows[: int(out[OUT_ROWS])]
                    same = batch[(batch["report_id"] == report_id) & (batch["vehicle_id"] == vehicle_id)]
                    if len(same):
                        best = int(same["sequence"].max())
                if best >= 0:
                    return best
        return None

    def oldest_ms(self) -> int:
        """Return when the oldest segment kept was opened, 0 for an empty archive."""
        sealed = self._journal.sealed_after(-1)
        return sealed[0].opened_ms if sealed else 0

    def _places(self) -> list[_Place]:
        """Return what may be read, oldest first: the sealed segments, and the open one up to what is synced."""
        current, offset = self._journal.published()
        sealed = self._journal.sealed_after(-1)
        places = [_Place(one.id, one.opened_ms, one.first_sequence, one.size) for one in sealed]
        known = places[-1].id if places else current - 1
        # Those that are sealed and not yet on record are few: their housekeeping runs within milliseconds.
        for segment_id in range(known + 1, current + 1):
            try:
                with self._journal.path(segment_id).open("rb", buffering=0) as file:
                    head = np.frombuffer(file.read(SEGMENT_HEADER_BYTES), np.int64)
            except FileNotFoundError:
                continue
            if len(head) == SEGMENT_HEADER_BYTES // 8 and head[0] == SEGMENT_MAGIC:
                size = offset if segment_id == current else SEGMENT_BYTES
                places.append(_Place(segment_id, int(head[4]), int(head[3]), size))
        return places

    def _read(self, place: _Place) -> Any:
        """Return the bytes of a segment that may be read, (n,) uint8; empty where it died meanwhile."""
        blob = np.empty(place.size, np.uint8)
        try:
            with self._journal.path(place.id).open("rb", buffering=0) as file:
                count = file.readinto(blob.data)
        except FileNotFoundError:
            return blob[:0]
        return blob[: count or 0]
