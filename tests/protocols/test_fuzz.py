"""Millions of mutated frames through the four kernels, in one compiled loop between pages that must not be touched.

Input and frame end right in front of a page without any rights, so that reading one byte too far kills the process;
everything written to lies between guard words that are looked at after each frame.
"""

import ctypes
import mmap
import resource

import numpy as np
from numba import njit, types

from protocols.jt808.codec import Header, encode_frame
from protocols.jt808.kernels import decode, identify, reply, split
from protocols.jt808.messages import Location, LocationBatch, Odometer, Unknown
from protocols.memory import copy, load_i64, load_u8, load_u16, load_u32, store_i64, store_u8
from protocols.report import REPORT, REPORT_BYTES, REPORT_OFFSET
from protocols.seam import (
    CLASS_BAD,
    CLASS_REPORT,
    CLASS_UNKNOWN,
    IDENTITY_ARRIVAL_MS,
    IDENTITY_REPLY_SERIAL,
    IDENTITY_WORDS,
    REPLY_BYTES_MAX,
    SPLIT_BAD,
    SPLIT_FRAME,
    SPLIT_MORE,
    SPLIT_OUTPUT_BYTES,
)
from tests.protocols.test_vectors import VECTORS, frame_of

PAGE = mmap.PAGESIZE
INPUT_BYTES = 16 * 1024
ROWS_MAX = 4
GUARD = 0x5AA5_1234_8765_C33C
FRAMES = 2_000_000
ROW_LAT = REPORT_OFFSET["lat_1e7"]
ROW_ITEMS_OFFSET = REPORT_OFFSET["items_offset"]
ROW_ITEMS_LENGTH = REPORT_OFFSET["items_length"]
ROW_COURSE = REPORT_OFFSET["course_deg"]

i8 = types.int64


@njit(i8(i8))  # type: ignore[misc]
def next_random(state):  # type: ignore[no-untyped-def]
    """xorshift64 (Marsaglia, Xorshift RNGs, 2003)."""
    state ^= state << 13
    state ^= (state >> 7) & 0x01FFFFFFFFFFFFFF
    state ^= state << 17
    return state


@njit(i8(i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8, i8), nogil=True)  # type: ignore[misc]
def drive(seed, count, corpus, places, entries, input_end, frame_end, output, result, identity, rows, answer):  # type: ignore[no-untyped-def]
    """Return frames seen, or minus the number of the check that failed."""
    state = seed
    seen = 0
    reports = 0
    for _turn in range(count):
        # One to three frames of the corpus, mutated, closed with a right checksum, escaped, then mutated once more.
        length = 0
        scratch = input_end - 12_288
        state = next_random(state)
        frames = 1 + (state & 1) + ((state >> 1) & (state >> 2) & 1)
        for _frame in range(frames):
            state = next_random(state)
            entry = ((state >> 8) & 0xFFFFFF) % entries
            source = corpus + load_i64(places + 16 * entry)
            size = load_i64(places + 16 * entry + 8)
            state = next_random(state)
            mutations = (state >> 20) & 3
            state = next_random(state)
            at_0 = ((state >> 4) & 0xFFFF) % size
            at_1 = ((state >> 20) & 0xFFFF) % size if (state & 8) else ((state >> 20) & 15) % size
            value_0 = (state >> 36) & 0xFF
            value_1 = (state >> 44) & 0xFF
            if state & 1:
                value_0 = 0x7D + (value_0 & 1)
            if (state >> 52) & 15 == 0:
                size = 1 + ((state >> 56) & 0x7F) % size
            parity = 0
            store_u8(scratch + length, 0x7E)
            length += 1
            for i in range(size + 1):
                byte = load_u8(source + i) if i < size else parity & 0xFF
                if i < size:
                    if mutations > 0 and i == at_0:
                        byte = value_0
                    if mutations > 1 and i == at_1:
                        byte = value_1
                    parity ^= byte
                if byte == 0x7D or byte == 0x7E:
                    store_u8(scratch + length, 0x7D)
                    store_u8(scratch + length + 1, byte - 0x7C)
                    length += 2
                else:
                    store_u8(scratch + length, byte)
                    length += 1
            store_u8(scratch + length, 0x7E)
            length += 1
            seen += 1
        state = next_random(state)
        if state & 3 == 0:
            for _ in range((state >> 2) & 3):
                state = next_random(state)
                byte = (state >> 8) & 0xFF
                if state & 1:
                    byte = 0x7D + (byte & 1)
                store_u8(scratch + ((state >> 20) & 0xFFFF) % length, byte)
        if (state >> 40) & 7 == 0:
            length = ((state >> 44) & 0xFFFF) % (length + 1)
        source = input_end - length
        if length > 0:
            # The areas overlap: byte by byte from behind.
            for i in range(length - 1, -1, -1):
                store_u8(source + i, load_u8(scratch + i))
        steps = 0
        while True:
            steps += 1
            if steps > 20_000:
                return -1
            what = split(source, input_end - source, output, result)
            consumed = load_i64(result)
            size = load_i64(result + 8)
            if load_i64(output - 8) != GUARD or load_i64(output + SPLIT_OUTPUT_BYTES) != GUARD:
                return -2
            if load_i64(result - 8) != GUARD or load_i64(result + 16) != GUARD:
                return -3
            if consumed < 0 or source + consumed > input_end:
                return -4
            source += consumed
            if what == SPLIT_MORE:
                break
            if consumed == 0:
                return -5
            if what == SPLIT_BAD:
                if size < 1 or size > 5:
                    return -6
                continue
            if what != SPLIT_FRAME:
                continue
            if size < 12 or size >= SPLIT_OUTPUT_BYTES or load_u8(source) != 0x7E:
                return -7
            frame = frame_end - size
            copy(frame, output, size)
            frame_class = identify(frame, size, identity)
            if frame_class < CLASS_BAD or frame_class > CLASS_UNKNOWN:
                return -8
            if load_i64(identity - 8) != GUARD or load_i64(identity + 8 * IDENTITY_WORDS) != GUARD:
                return -9
            if frame_class == CLASS_BAD:
                continue
            store_i64(identity + 8 * IDENTITY_ARRIVAL_MS, 1_768_437_050_000)
            written = decode(frame, size, identity, rows, ROWS_MAX)
            if load_i64(rows - 8) != GUARD or load_i64(rows + ROWS_MAX * REPORT_BYTES) != GUARD:
                return -10
            if load_i64(identity - 8) != GUARD or load_i64(identity + 8 * IDENTITY_WORDS) != GUARD:
                return -11
            if written < 0 or written > ROWS_MAX:
                return -12
            if frame_class == CLASS_REPORT:
                reports += 1
            for i in range(written):
                row = rows + i * REPORT_BYTES
                items = load_u32(row + ROW_ITEMS_OFFSET)
                if items < 12 + 28 or items + load_u32(row + ROW_ITEMS_LENGTH) > size:
                    return -13
                latitude = (load_u32(row + ROW_LAT) ^ 0x80000000) - 0x80000000
                if latitude < -900_000_000 or latitude > 900_000_000 or load_u16(row + ROW_COURSE) > 359:
                    return -14
            state = next_random(state)
            store_i64(identity + 8 * IDENTITY_REPLY_SERIAL, state & 0xFFFF)
            size = reply(frame, size, identity, state & 3, answer)
            if load_i64(answer - 8) != GUARD or load_i64(answer + REPLY_BYTES_MAX) != GUARD:
                return -15
            if size < 20 or size > 50 or load_u8(answer) != 0x7E or load_u8(answer + size - 1) != 0x7E:
                return -16
            for i in range(1, size - 1):
                if load_u8(answer + i) == 0x7E:
                    return -17
    return seen if reports > count // 4 else -18


class Pages:
    """Writable bytes that end at a page without rights. Never unmapped before the process ends: tests are few."""

    def __init__(self, size: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.area = mmap.mmap(-1, size + PAGE)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.area))
        self.end = start + size
        assert libc.mprotect(ctypes.c_void_p(self.end), ctypes.c_size_t(PAGE), 0) == 0

    def release(self) -> None:
        libc = ctypes.CDLL(None)
        rights = mmap.PROT_READ | mmap.PROT_WRITE
        assert libc.mprotect(ctypes.c_void_p(self.end), ctypes.c_size_t(PAGE), rights) == 0


def guarded(size: int) -> tuple[np.ndarray, int]:
    """Return an array and the address of `size` zeroed bytes in it, a guard word on either side."""
    array = np.zeros(size // 8 + 2, np.int64)
    array[0] = array[-1] = GUARD
    return array, array.ctypes.data + 8


def corpus_frames() -> list[bytes]:
    location = Location(1, 2, 30_000_000, 120_000_000, time_ms=1_768_437_000_000, items=(Odometer(5),))
    frames = [frame_of(row) for row in VECTORS]
    frames = [frame for frame in frames if len(frame) >= 12]
    for version in (2013, 2019):
        header = Header(0x0704, "13800138000", 9, version)
        frames += [encode_frame(LocationBatch(locations=(location,) * n), header) for n in (0, 1, 3, 9)]
        for message in (0x0802, 0x0500, 0x0201, 0x0801, 0x0002):
            frames.append(encode_frame(Unknown(message, bytes(200)), Header(message, "1", 1, version)))
        frames.append(encode_frame(Unknown(0x0801, b"part"), Header(0x0801, "1", 1, version, total=3, index=2)))
    # Reports twice over, so that most frames go all the way.
    return frames + [frame for frame in frames if frame[:2] in (b"\x02\x00", b"\x07\x04")]


def test_two_million_mutated_frames() -> None:
    frames = corpus_frames()
    assert max(len(frame) for frame in frames) < 1100, "three of them, escaped, fit into the input"
    corpus = np.frombuffer(b"".join(frames), np.uint8)
    places = np.zeros((len(frames), 2), np.int64)
    places[:, 1] = [len(frame) for frame in frames]
    places[1:, 0] = np.cumsum(places[:-1, 1])
    received, framed = Pages(INPUT_BYTES), Pages(8192)
    kept = [guarded(size) for size in (SPLIT_OUTPUT_BYTES, 16, 8 * IDENTITY_WORDS, ROWS_MAX * REPORT_BYTES, 128)]
    assert REPORT.itemsize % 8 == 0
    addresses = [address for _, address in kept]
    try:
        seen = 0
        grown_kb = 0
        for seed in (808, 1078, 32960, 809):
            before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            turn = drive(
                seed,
                FRAMES // 4,
                corpus.ctypes.data,
                places.ctypes.data,
                len(frames),
                received.end,
                framed.end,
                *addresses,
            )
            assert turn > 0, f"check {-turn} failed with seed {seed}"
            seen += turn
            grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb
        assert seen >= FRAMES
        assert grown_kb < 4096
    finally:
        received.release()
        framed.release()
