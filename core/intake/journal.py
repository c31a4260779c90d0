"""The journal: a directory of segments, what is known of them, and the readers that follow them.

The intake's thread writes (core/intake/loop.py). This file prepares the segments it writes into, puts sealed ones on
record, lets dead ones go, recovers after a crash, and reads. Everything here is ordinary Python that runs a few times
a second; what runs per record is compiled (core/intake/records.py).

A segment dies when every reader's position is past it and its time as an archive is over. When the journal reaches its
bound in bytes, dead segments die early; when none is dead, no new one is prepared, and the intake stops
acknowledging until a reader catches up: what has been acknowledged is never dropped. A disk that is full or fails does
the same: segments are tried for again and again, so that it goes on by itself once the disk takes them.
"""

import ctypes
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from core.data_directory import sync_directory
from core.intake import loop
from core.intake.links import KIND_LINK_CLOSED, Frame
from core.intake.records import (
    AT_ARRIVAL_MS,
    AT_CLASS,
    AT_KIND,
    AT_LINK,
    AT_SEQUENCE,
    AT_TERMINAL,
    AT_VEHICLE,
    OUT_FRAMES,
    OUT_MESSAGES,
    OUT_OFFSET,
    OUT_RECORDS,
    OUT_ROWS,
    OUT_SEQUENCE,
    OUT_UNREADABLE,
    OUT_WORDS,
    READ_FRAMES_FULL,
    READ_ROWS_FULL,
    READ_STOPPED,
    RECORD_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    SEGMENT_MAGIC,
    crc32c_words,
    publish,
    published,
    read_records,
    scan_records,
)
from core.limits import HAND_UP_ROWS, SEGMENT_BYTES
from core.logging import say
from protocols.report import REPORT
from protocols.seam import IDENTITY_PHONE_HIGH, IDENTITY_PHONE_LOW, IDENTITY_WORDS, ROWS_PER_FRAME_MAX, Kernels

CHUNK_BYTES: Final = 256 * 1024
"""Bytes read at a time behind the tail: two thousand reports, which with their rows stay in the cache of a core for all
that is done with them; and more than the largest record."""
assert CHUNK_BYTES > loop.COMMAND_BYTES_MAX + RECORD_HEADER_BYTES

SEGMENTS_READ_MAX: Final = 2
"""Segments that wait, decoded, to be stored. A full one takes 27 MB: 16 of bytes, 11 of rows. With the one being read
and the one being stored that is 108 MB under full load, and little where segments are small."""

_SUFFIX: Final = ".segment"
_POSITION: Final = ".position"
_WORD: Final = 2**64 - 1


class JournalError(Exception):
    """The journal cannot be written, or is damaged inside what was synced. The process must not go on as if."""


class Segment(NamedTuple):
    """A sealed segment."""

    id: int
    boot: int
    opened_ms: int
    first_sequence: int
    last_sequence: int
    size: int

    def token(self, node: str) -> str:
        """Return what names this segment's insert for ever: a number used twice would silently drop data."""
        return f"{node}:{self.boot}:{self.id}:{self.opened_ms}"


class Position:
    """A reader's durable position: the last sequence it has done with, in a file that a torn write cannot spoil.

    Two slots of 24 bytes are written in turn, each with a checksum; the higher whole one counts. A position that lags
    after a crash costs a repeat, which every reader recognises; so it is written without a sync.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if os.fstat(self._file).st_size < 48:
            # Room for both slots now: a disk that is full later must not keep a reader from saying how far it is.
            os.posix_fallocate(self._file, 0, 48)
        self._turn = 0
        self.sequence = 0
        for slot, sequence in _slots(os.pread(self._file, 48, 0)):
            if sequence > self.sequence:
                self.sequence = sequence
                self._turn = 1 - slot

    def advance(self, sequence: int) -> None:
        """Say that everything up to and with this sequence is done. Going back is ignored.

        Where the disk refuses it, it stays where it was: so does what it has not passed.
        """
        if sequence <= self.sequence:
            return
        words = np.array([sequence, 0, 0], np.int64)
        words[2] = crc32c_words(words.ctypes.data, 2)
        try:
            os.pwrite(self._file, words.tobytes(), 24 * self._turn)
        except OSError as error:
            say("journal.unmoved", path=self._path, fault=error.strerror)
            return
        self._turn = 1 - self._turn
        self.sequence = sequence

    def sync(self) -> None:
        """Have it on disk. Raises OSError."""
        os.fdatasync(self._file)

    def close(self) -> None:
        """Release the file."""
        os.close(self._file)


def read_position(path: Path) -> int:
    """Return the sequence that a position's file holds; 0 for one that holds none."""
    return max((sequence for _, sequence in _slots(path.read_bytes())), default=0)


def _slots(stored: bytes) -> Iterator[tuple[int, int]]:
    """Yield the whole slots of a position's file, with their sequences."""
    for slot in range(len(stored) // 24):
        words = np.frombuffer(stored, np.int64, 3, 24 * slot).copy()
        if crc32c_words(words.ctypes.data, 2) == words[2]:
            yield slot, int(words[0])


class Batch(NamedTuple):
    """What a reader found: locations as rows, everything else as frames."""

    rows: Any
    """(n,) REPORT. A view that the next read overwrites."""
    frames: list[Frame]
    sequence: int
    """Sequence of the last record read."""
    records: int
    unreadable: int


class SegmentRoom:
    """The bytes of one segment and the locations found in it, as far as it has been read.

    Memory for one segment at a time: fresh memory for each costs more than decoding it. It grows and is kept.
    """

    def __init__(self) -> None:
        self.rows: Any = np.zeros(32_768 + ROWS_PER_FRAME_MAX, REPORT)
        # A segment, and the rest of the chunk that its last bytes are read with.
        self.bytes: Any = np.zeros(SEGMENT_BYTES + CHUNK_BYTES, np.uint8)
        self.frames: Any = np.zeros(4096, np.int64)
        self._messages: Any = np.zeros(4096, np.int64)
        self.identity: Any = np.zeros(IDENTITY_WORDS, np.int64)
        self.out: Any = np.zeros(OUT_WORDS, np.int64)
        self.begin(0)

    def begin(self, segment_id: int) -> None:
        """Take another segment; nothing of it is read yet."""
        self.segment_id = segment_id
        self.at = SEGMENT_HEADER_BYTES
        """Offset up to which it is read."""
        self.found = 0
        """Rows found so far."""
        self.messages: list[int] = []
        """Offsets of the messages found so far that say more than where the car is (frame_at reads one): at most
        300,000, of which a segment holds no more even when all of them are empty."""
        self.unreadable = 0

    def reserve(self, size: int) -> None:
        """Have room for so many bytes of the segment."""
        if len(self.bytes) < size:
            self.bytes = np.concatenate([self.bytes, np.zeros(size - len(self.bytes), np.uint8)])

    def decode(self, kernels: Kernels, end: int, rows_max: int) -> int:
        """Read on up to offset `end` of the bytes, or until rows_max rows more are found; return READ_*."""
        if len(self.rows) - self.found < ROWS_PER_FRAME_MAX:
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        status = read_records(
            self.bytes.ctypes.data,
            self.at,
            end,
            kernels.entries.identify,
            kernels.entries.decode,
            self.rows.ctypes.data + self.found * REPORT.itemsize,
            min(len(self.rows) - self.found, rows_max),
            self.frames.ctypes.data,
            self._messages.ctypes.data,
            len(self.frames),
            self.identity.ctypes.data,
            self.out.ctypes.data,
        )
        self.at = int(self.out[OUT_OFFSET])
        self.found += int(self.out[OUT_ROWS])
        self.unreadable += int(self.out[OUT_UNREADABLE])
        if self.out[OUT_MESSAGES]:
            self.messages += self._messages[: self.out[OUT_MESSAGES]].tolist()
        return status


class Journal:
    """The segments of one data directory, recovered as it is opened. One process at a time (the program locks DATA).

    Args:
        directory: made when missing, mode 0700.
        keep_ms: how long a segment stays as an archive of raw frames after every reader is past it.
        bytes_max: bound of the whole directory.
    """

    def __init__(self, directory: Path, *, keep_ms: int, bytes_max: int) -> None:
        self.directory = directory
        self.keep_ms = keep_ms
        self.bytes_max = bytes_max
        self.positions: dict[str, Position] = {}
        self.full = 0
        """Times that no segment could be prepared because the bound was reached or the disk refused."""
        self.corrupt = 0
        """Records met, past recovery, whose checksum does not hold."""
        self.last_error = ""
        """Why no segment can be prepared now; empty while one can."""
        self._synced_sequence = 0
        self._lock = threading.Lock()
        self._state: Any = None
        self._read: dict[int, SegmentRoom] = {}
        self._rooms: list[SegmentRoom] = []
        self.tail_segment = 0
        """Segment in which the reader stands that hands on what it has read; 0: there is none."""
        self.on_read = lambda: None
        """Called in that reader's thread when it has handed on a segment."""
        if not directory.is_dir():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Its own name must stand before anything in it is promised.
            sync_directory(directory.parent)
        self.segments: list[Segment] = _recover(directory)
        # What every reader has passed may be gone, and numbers must go on behind it: a reader skips what it has passed.
        passed = max((read_position(path) for path in directory.glob(f"*{_POSITION}")), default=0)
        self.last_sequence = max(self.segments[-1].last_sequence if self.segments else 0, passed)
        ids = [int(path.stem) for path in directory.glob(f"*{_SUFFIX}")]
        self._next_id = max(ids, default=0) + 1

    def position(self, name: str) -> Position:
        """Return a reader's position; from now on no segment dies that it has not passed."""
        if name not in self.positions:
            self.positions[name] = Position(self.directory / f"{name}{_POSITION}")
        return self.positions[name]

    def path(self, segment_id: int) -> Path:
        """Return where a segment lies."""
        return self.directory / f"{segment_id:012d}{_SUFFIX}"

    def size(self) -> int:
        """Return the bytes that sealed segments take."""
        with self._lock:
            return sum(segment.size for segment in self.segments)

    def needed(self) -> int:
        """Return the bytes of sealed segments that some reader has not done with: the rest is archive, and may go."""
        done = min((position.sequence for position in self.positions.values()), default=0)
        with self._lock:
            return sum(segment.size for segment in self.segments if segment.last_sequence > done)

    # --- for the intake's housekeeping thread ---

    def attach(self, state: Any) -> None:
        """Follow the loop that writes: its state block says what is published and sealed."""
        self._state = state

    def prepare(self) -> tuple[int, int] | None:
        """Preallocate a segment and make it durable; (descriptor, id), or None at the bound or on a full disk."""
        if self.size() + SEGMENT_BYTES > self.bytes_max:
            self.forget(0)
            if self.size() + SEGMENT_BYTES > self.bytes_max:
                self.full += 1
                self.last_error = f"the journal holds {self.size()} of {self.bytes_max} bytes and a reader lags"
                return None
        segment_id = self._next_id
        path = self.path(segment_id)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, SEGMENT_BYTES)
                os.fsync(fd)
                sync_directory(self.directory)
            except OSError:
                os.close(fd)
                path.unlink(missing_ok=True)
                raise
        except OSError as error:
            self.full += 1
            self._fail(f"cannot prepare {path}: {error.strerror}")
            return None
        self._next_id += 1
        self.last_error = ""
        return fd, segment_id

    def _fail(self, why: str) -> None:
        """Say why nothing is acknowledged; once, however often it is tried."""
        if why != self.last_error:
            say("journal.refused", fault=why)
        self.last_error = why

    def record_sealed(
        self, fd: int, segment_id: int, size: int, last_sequence: int, first_sequence: int, opened_ms: int, boot: int
    ) -> None:
        """Put a sealed segment on record and give back what it does not use; all of it when nothing in it was synced.

        A disk that refuses this keeps bytes that nobody asks for: recovery finds where the records end.
        """
        path = self.path(segment_id)
        try:
            if size:
                os.ftruncate(fd, size)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            say("journal.uncut", path=path, size=size, fault=error.strerror)
        finally:
            os.close(fd)
        if size:
            with self._lock:
                self.segments.append(Segment(segment_id, boot, opened_ms, first_sequence, last_sequence, size))

    def forget(self, now_ms: int) -> None:
        """Remove dead segments: all positions past them, and their time over. now_ms = 0: early, for room."""
        done = min((position.sequence for position in self.positions.values()), default=0)
        while True:
            with self._lock:
                if not self.segments or self.segments[0].last_sequence > done:
                    return
                if now_ms and now_ms - self.segments[0].opened_ms < self.keep_ms:
                    return
                dead = self.segments[0]
            try:
                # Positions are written without a sync; before what they have passed goes, they must stand.
                self._sync_positions(dead.last_sequence)
                self.path(dead.id).unlink(missing_ok=True)
            except OSError as error:
                say("journal.unremoved", path=self.path(dead.id), fault=error.strerror)
                return
            with self._lock:
                self.segments.pop(0)
            if not now_ms and self.size() + SEGMENT_BYTES <= self.bytes_max:
                return

    def _sync_positions(self, sequence: int) -> None:
        """Have every reader's position on disk if it was not, beyond this sequence, when this was asked last."""
        if sequence <= self._synced_sequence:
            return
        done = min((position.sequence for position in self.positions.values()), default=sequence)
        for position in self.positions.values():
            position.sync()
        sync_directory(self.directory)
        self._synced_sequence = done

    def keep(self, on_sealed: Any) -> None:
        """Do the housekeeping until the loop has ended: the body of a thread.

        Args:
            on_sealed: called from this thread after segments were sealed.
        """
        state = self._state
        address = state.ctypes.data
        os.set_blocking(int(state[loop.HOUSE]), True)
        next_ring = _ring_of(state, loop.NEXT, loop.NEXT_MAX * loop.NEXT_WORDS)
        sealed_ring = _ring_of(state, loop.SEALED, loop.SEALED_MAX * loop.SEALED_WORDS)
        while True:
            head = int(state[loop.SEALED_HEAD])
            tail = published(address + 8 * loop.SEALED_TAIL)
            for k in range(head, tail):
                at = (k % loop.SEALED_MAX) * loop.SEALED_WORDS
                fd, segment_id, size, last, first, opened_ms = sealed_ring[at : at + loop.SEALED_WORDS].tolist()
                self.record_sealed(fd, segment_id, size, last, first, opened_ms, int(state[loop.BOOT]))
            publish(address + 8 * loop.SEALED_HEAD, tail)
            if tail > head:
                on_sealed()
            if published(address + 8 * loop.STOP) == 2:
                return
            self.forget(int(state[loop.NOW_MS]) or 1)
            refused = False
            while int(state[loop.NEXT_TAIL]) - published(address + 8 * loop.NEXT_HEAD) < loop.NEXT_MAX:
                prepared = self.prepare()
                if prepared is None:
                    refused = True
                    break
                offered = int(state[loop.NEXT_TAIL])
                at = (offered % loop.NEXT_MAX) * loop.NEXT_WORDS
                next_ring[at : at + loop.NEXT_WORDS] = prepared
                publish(address + 8 * loop.NEXT_TAIL, offered + 1)
            _wait_for(int(state[loop.HOUSE]), 0.1 if refused else 5.0)

    def detach(self) -> None:
        """The loop has ended: remove the segments that were prepared and never used."""
        state = self._state
        next_ring = _ring_of(state, loop.NEXT, loop.NEXT_MAX * loop.NEXT_WORDS)
        for k in range(int(state[loop.NEXT_HEAD]), int(state[loop.NEXT_TAIL])):
            fd, segment_id = (int(word) for word in next_ring[(k % loop.NEXT_MAX) * 2 :][:2])
            os.close(fd)
            self.path(segment_id).unlink(missing_ok=True)
        self.last_sequence = int(state[loop.PUBLISHED_SEQUENCE])
        self._state = None

    # --- for readers ---

    def published(self) -> tuple[int, int]:
        """Return (segment id, offset) up to which everything is synced; (0, 0) before the first commit."""
        if self._state is None:
            with self._lock:
                return (self.segments[-1].id, self.segments[-1].size) if self.segments else (0, 0)
        word = published(self._state.ctypes.data + 8 * loop.PUBLISHED)
        if word == 0:
            with self._lock:
                return (self.segments[-1].id, self.segments[-1].size) if self.segments else (0, 0)
        return word >> 32, word & 0xFFFFFFFF

    def segment_after(self, segment_id: int) -> int:
        """Return the id of the next segment behind this one that may be read, 0 for none."""
        current, _ = self.published()
        if current <= segment_id:
            return 0
        with self._lock:
            ids = [segment.id for segment in self.segments if segment.id > segment_id]
        # Within one run numbers are consecutive; a sealed one may not be on record yet.
        following = segment_id + 1
        if following < current and following not in ids and self.path(following).exists():
            return following
        return min([*ids, current])

    def last_sequence_of(self, segment_id: int) -> int | None:
        """Return the last sequence of a sealed segment, None while it is not on record."""
        with self._lock:
            for segment in reversed(self.segments):
                if segment.id == segment_id:
                    return segment.last_sequence
        return None

    def hand_on(self, room: SegmentRoom) -> SegmentRoom:
        """Keep a segment that was read to its end for whoever stores it; return a room for the next one.

        Everything is decoded at the tail as it comes; to decode it again for the store cost 0.2 of 1.9 us a report. At
        most SEGMENTS_READ_MAX wait here; the oldest makes room, and its file is read again when its turn comes.
        """
        with self._lock:
            self._read[room.segment_id] = room
            if len(self._read) > SEGMENTS_READ_MAX:
                self._rooms.append(self._read.pop(min(self._read)))
            following = self._rooms.pop() if self._rooms else SegmentRoom()
        self.on_read()
        return following

    def take_read(self, segment: Segment) -> SegmentRoom | None:
        """Return the room of a segment that was handed on whole, None if there is none. Give it back after use."""
        with self._lock:
            # Whoever takes a segment has done with those before it.
            for passed in [number for number in self._read if number < segment.id]:
                self._rooms.append(self._read.pop(passed))
            room = self._read.pop(segment.id, None)
            if room is not None and room.at != segment.size:
                self._rooms.append(room)
                room = None
        return room

    def give_back(self, room: SegmentRoom) -> None:
        """Let the next segment be read into a room."""
        with self._lock:
            self._rooms.append(room)

    def sealed_after(self, sequence: int) -> list[Segment]:
        """Return the sealed segments that hold anything behind this sequence, oldest first."""
        with self._lock:
            return [segment for segment in self.segments if segment.last_sequence > sequence]


class Reader:
    """Follows the journal from a position: live as it grows, or from far behind, with the same code.

    Args:
        after: sequence of the last record that is not to be read again.
        rows_max: rows of one batch; at least two frames' worth.
        hands_on: leave each segment that was read whole to whoever stores it. For the one reader that follows the tail.
    """

    def __init__(
        self,
        journal: Journal,
        kernels: Kernels,
        after: int = 0,
        rows_max: int = HAND_UP_ROWS * 2,
        *,
        hands_on: bool = False,
    ) -> None:
        self.journal = journal
        self.sequence = after
        self._kernels = kernels
        self._rows_max = rows_max + ROWS_PER_FRAME_MAX
        self._hands_on = hands_on
        self._room = SegmentRoom()
        self._file = -1
        self._segment = 0
        behind = journal.sealed_after(after)
        if behind:
            self._open(behind[0].id)

    def read(self) -> Batch | None:
        """Return the next batch, None when everything published is read. Never waits."""
        room = self._room
        while True:
            current, offset = self.journal.published()
            if current == 0:
                return None
            if self._file < 0:
                following = self.journal.segment_after(self._segment)
                if following == 0:
                    return None
                try:
                    self._open(following)
                except FileNotFoundError:
                    # Nothing in it was ever synced: it was removed, and what it was to hold stands in the next one.
                    self._segment = following
                    continue
            live = self._segment == current
            wanted = min(offset - room.at, CHUNK_BYTES) if live else CHUNK_BYTES
            if wanted <= 0 and live:
                return None
            room.reserve(room.at + wanted)
            count = os.preadv(self._file, [room.bytes.data[room.at : room.at + wanted]], room.at)
            first = room.found
            status = room.decode(self._kernels, room.at + count, self._rows_max)
            if room.out[OUT_RECORDS]:
                return self._batch(room.rows[first : room.found])
            if live and status == READ_STOPPED:
                # Published bytes that do not hold: the disk or the memory lies. Readers must not go on as if.
                self.journal.corrupt += 1
                raise JournalError(f"segment {self._segment} is damaged at {room.at}, inside what was synced")
            self._end_segment()
            room = self._room

    def _batch(self, rows: Any) -> Batch:
        """Make a batch of what the kernel found, without the records that were read before."""
        room = self._room
        if len(rows) and rows[0]["sequence"] <= self.sequence:
            rows = rows[rows["sequence"] > self.sequence]
        frames = []
        for at in room.frames[: room.out[OUT_FRAMES]].tolist():
            frame = frame_at(room.bytes, at, self._kernels, room.identity)
            if frame.sequence > self.sequence:
                frames.append(frame)
        self.sequence = max(self.sequence, int(room.out[OUT_SEQUENCE]))
        return Batch(rows, frames, self.sequence, int(room.out[OUT_RECORDS]), int(room.out[OUT_UNREADABLE]))

    def _end_segment(self) -> None:
        """Leave a sealed segment; one that ended before its last record is damaged: count it, go on behind it."""
        last = self.journal.last_sequence_of(self._segment)
        if last is not None and self.sequence < last:
            self.journal.corrupt += 1
            say("journal.damaged", segment=self._segment, offset=self._room.at, sequence=last)
            self.sequence = last
        self._close()
        if self._hands_on:
            self._room = self.journal.hand_on(self._room)

    def _open(self, segment_id: int) -> None:
        self._file = os.open(self.journal.path(segment_id), os.O_RDONLY | os.O_CLOEXEC)
        self._segment = segment_id
        self._room.begin(segment_id)
        if self._hands_on:
            self.journal.tail_segment = segment_id

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1

    def close(self) -> None:
        """Release the open segment."""
        if self._file >= 0:
            self._close()
        if self._hands_on:
            self.journal.tail_segment = 0


def frame_at(buffer: Any, at: int, kernels: Kernels, identity: Any) -> Frame:
    """Return the record at an offset of a segment's bytes, (n,) uint8. `identity` is scratch."""
    words = buffer[at : at + RECORD_HEADER_BYTES].view(np.int64)
    pair = words[AT_TERMINAL // 8 : AT_TERMINAL // 8 + 1].view(np.int32)
    length = int(buffer[at : at + 4].view(np.uint32)[0])
    payload = at + RECORD_HEADER_BYTES
    kind = int(buffer[at + AT_KIND])
    data = buffer[payload : payload + length].tobytes()
    phone = (0, 0)
    if kind >= KIND_LINK_CLOSED:
        data = loop.CLOSE_NAMES[data[0]].encode()
    else:
        kernels.identify(buffer.ctypes.data + payload, length, identity.ctypes.data)
        phone = (int(identity[IDENTITY_PHONE_HIGH]) & _WORD, int(identity[IDENTITY_PHONE_LOW]) & _WORD)
    return Frame(
        sequence=int(words[AT_SEQUENCE // 8]),
        arrival_ms=int(words[AT_ARRIVAL_MS // 8]),
        link=int(words[AT_LINK // 8]),
        terminal=int(pair[0]),
        vehicle_id=int(pair[(AT_VEHICLE - AT_TERMINAL) // 4]),
        kind=kind,
        frame_class=-1 if kind >= KIND_LINK_CLOSED else int(buffer[at + AT_CLASS]),
        phone=phone,
        data=data,
    )


def read_segment(journal: Journal, segment: Segment, kernels: Kernels, room: SegmentRoom) -> None:
    """Read one sealed segment whole into the room."""
    room.begin(segment.id)
    room.reserve(segment.size)
    with journal.path(segment.id).open("rb") as file:
        size = file.readinto(room.bytes.data[: segment.size])
    status = READ_ROWS_FULL
    while status in (READ_ROWS_FULL, READ_FRAMES_FULL):
        status = room.decode(kernels, size, len(room.rows))
    if status == READ_STOPPED or size < segment.size:
        journal.corrupt += 1
        say("journal.short", segment=segment.id, offset=room.at, size=segment.size)


def frames_of(directory: Path, kernels: Kernels, phone: tuple[int, int]) -> Iterator[Frame]:
    """Yield every journalled frame of a terminal, reports too, oldest first. Reads only: a server may be running."""
    out = np.zeros(OUT_WORDS, np.int64)
    identity = np.zeros(IDENTITY_WORDS, np.int64)
    for path in sorted(directory.glob(f"*{_SUFFIX}")):
        blob = np.fromfile(path, np.uint8)
        scan_records(blob.ctypes.data, SEGMENT_HEADER_BYTES, len(blob), out.ctypes.data)
        at = SEGMENT_HEADER_BYTES
        while at < int(out[OUT_OFFSET]):
            frame = frame_at(blob, at, kernels, identity)
            if frame.phone == phone:
                yield frame
            at += RECORD_HEADER_BYTES + (len(frame.data) + 7 & ~7 if frame.kind < KIND_LINK_CLOSED else 8)


def _ring_of(state: Any, index: int, words: int) -> Any:
    """Return the ring that a state word points to, as an int64 array."""
    return np.ctypeslib.as_array(ctypes.cast(int(state[index]), ctypes.POINTER(ctypes.c_int64)), (words,))


def _wait_for(eventfd: int, timeout_s: float) -> None:
    """Wait until an eventfd was rung, and take the ring off it."""
    if select.select([eventfd], [], [], timeout_s)[0]:
        os.eventfd_read(eventfd)


def _recover(directory: Path) -> list[Segment]:
    """Put the segments of an earlier run on record: each ends at its first bad record, where it is cut off.

    A file without a valid first record was prepared and never used; it is removed.
    """
    found: list[Segment] = []
    out = np.zeros(OUT_WORDS, np.int64)
    paths = sorted(directory.glob(f"*{_SUFFIX}"))
    for k, path in enumerate(paths):
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            beginning = os.pread(fd, SEGMENT_HEADER_BYTES + 8, 0).ljust(SEGMENT_HEADER_BYTES + 8, b"\0")
            header = np.frombuffer(beginning, np.int64, SEGMENT_HEADER_BYTES // 8)
            whole = header[0] == SEGMENT_MAGIC and crc32c_words(header.ctypes.data, 7) == header[7]
            # Only the newest can be torn; one of full size was sealed and not yet cut to what it holds.
            if whole and size < SEGMENT_BYTES and k < len(paths) - 1:
                found.append(Segment(int(path.stem), int(header[2]), int(header[4]), int(header[3]), -1, size))
                continue
            if not any(beginning):
                # Prepared and never used, as four of them mostly are: their 16 MB of zeros need not be read.
                path.unlink()
                continue
            blob = np.frombuffer(os.pread(fd, size, 0), np.uint8) if size else np.zeros(0, np.uint8)
            if size > SEGMENT_HEADER_BYTES:
                scan_records(blob.ctypes.data, SEGMENT_HEADER_BYTES, size, out.ctypes.data)
            if size <= SEGMENT_HEADER_BYTES or out[OUT_RECORDS] == 0:
                path.unlink()
                continue
            end = int(out[OUT_OFFSET])
            last = int(out[OUT_SEQUENCE])
            if end < size:
                os.ftruncate(fd, end)
                os.fsync(fd)
            boot, opened_ms = (int(header[2]), int(header[4])) if whole else (0, 0)
            found.append(Segment(int(path.stem), boot, opened_ms, last - int(out[OUT_RECORDS]) + 1, last, end))
        finally:
            os.close(fd)
    for k, segment in enumerate(found):
        if segment.last_sequence < 0 and k + 1 < len(found):
            found[k] = segment._replace(last_sequence=found[k + 1].first_sequence - 1)
        elif segment.last_sequence < 0:
            # Those behind it were prepared and never used: the process ended between one segment and the next.
            blob = np.fromfile(directory / f"{segment.id:012d}{_SUFFIX}", np.uint8)
            scan_records(blob.ctypes.data, SEGMENT_HEADER_BYTES, len(blob), out.ctypes.data)
            found[k] = segment._replace(last_sequence=int(out[OUT_SEQUENCE]))
    return found
