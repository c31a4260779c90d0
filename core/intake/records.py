"""The journal's records: their layout, their checksum, and the kernel that reads them in batches.

A segment is a file: a header of 64 bytes, then records, each padded to eight bytes. Little-endian throughout.

    segment header                              record
      0  i64  SEGMENT_MAGIC                       0  u32  payload length in bytes (0: end of the segment)
      8  i64  segment id                          4  u32  CRC-32C of everything behind it, padding included
     16  i64  boot number of the writer           8  i64  sequence, dense over the whole journal
     24  i64  sequence of its first record       16  i64  arrival, UTC epoch ms
     32  i64  opened, UTC epoch ms               24  i64  link
     40  i64  0                                  32  i32  terminal, 0 before admission
     48  i64  0                                  36  i32  vehicle_id
     56  i64  CRC-32C of the 56 bytes before     40  u8   kind (KIND_*), u8 class (CLASS_*), u8 protocol, 5 x 0
                                                 48       payload: the frame, unescaped, without checksum

Whoever reads runs the protocol's own kernels over the raw frame, so live judgement, storage and a replay after years
with a mended decoder are one and the same code.
"""

import platform
from typing import Any, Final

import numpy as np
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from core.intake.links import KIND_ASSEMBLED, KIND_LINK_CLOSED
from protocols.memory import (
    call3,
    call5,
    load_acquire,
    load_i64,
    load_u8,
    load_u32,
    store_i64,
    store_release,
    store_u8,
    store_u32,
)
from protocols.report import REPORT_BYTES, REPORT_OFFSET
from protocols.seam import (
    CLASS_FRAGMENT,
    CLASS_FRAME,
    CLASS_LOGIN,
    CLASS_REPORT,
    CLASS_UNKNOWN,
    CLASS_UNREADABLE,
    IDENTITY_ARRIVAL_MS,
    IDENTITY_UNREADABLE,
    ROWS_PER_FRAME_MAX,
)

SEGMENT_MAGIC: Final = int.from_bytes(b"CARILJ\x00\x01", "little")
SEGMENT_HEADER_BYTES: Final = 64
RECORD_HEADER_BYTES: Final = 48

AT_CRC: Final = 4
AT_SEQUENCE: Final = 8
AT_ARRIVAL_MS: Final = 16
AT_LINK: Final = 24
AT_TERMINAL: Final = 32
AT_VEHICLE: Final = 36
AT_KIND: Final = 40
AT_CLASS: Final = 41
AT_PROTOCOL: Final = 42

_int64 = types.int64

# --- CRC-32C ----------------------------------------------------------------------------------------------------------

# Castagnoli polynomial, reflected: what SSE 4.2 computes in one instruction for eight bytes. Without that instruction
# a table of 8 x 256 words does it (slicing by eight), about ten times slower and still under the cost of a recv.
_POLYNOMIAL: Final = 0x82F63B78


def _slicing_table() -> np.ndarray:
    table = np.zeros((8, 256), np.int64)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table[0, byte] = value
    for k in range(1, 8):
        for byte in range(256):
            before = int(table[k - 1, byte])
            table[k, byte] = (before >> 8) ^ int(table[0, before & 0xFF])
    return table.reshape(-1)


_TABLE: Final = _slicing_table()
_HAS_INSTRUCTION: Final = platform.machine() == "x86_64" and bool(get_host_cpu_features().get("sse4.2"))

if _HAS_INSTRUCTION:

    @intrinsic
    def _crc_step(typingctx: Any, crc: Any, word: Any) -> Any:
        """Fold eight bytes into a CRC-32C."""

        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            i64 = ir.IntType(64)
            step = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(i64, [i64, i64]), "llvm.x86.sse42.crc32.64.64"
            )
            return builder.call(step, arguments)

        return types.int64(types.int64, types.int64), codegen

else:

    @njit(_int64(_int64, _int64), cache=True, nogil=True)
    def _crc_step(crc: int, word: int) -> int:
        """Fold eight bytes into a CRC-32C."""
        mixed = word ^ crc
        folded = 0
        for k in range(8):
            folded ^= _TABLE[(7 - k) * 256 + ((mixed >> (8 * k)) & 0xFF)]
        return folded


@njit(_int64(_int64, _int64), cache=True, nogil=True)
def crc32c_words(address: int, words: int) -> int:
    """Return the CRC-32C of `words` times eight bytes, as 0 to 2^32 - 1."""
    crc = 0xFFFFFFFF
    for k in range(words):
        crc = _crc_step(crc, load_i64(address + 8 * k))
    return crc ^ 0xFFFFFFFF


# --- writing ----------------------------------------------------------------------------------------------------------


@njit(_int64(_int64), cache=True, nogil=True)
def padded(length: int) -> int:
    """Return the bytes a payload takes in a record."""
    return (length + 7) & ~7


@njit(_int64(_int64, *[_int64] * 9), cache=True, nogil=True)
def seal_record(
    record: int,
    length: int,
    sequence: int,
    arrival_ms: int,
    link: int,
    terminal: int,
    vehicle_id: int,
    kind: int,
    frame_class: int,
    protocol: int,
) -> int:
    """Write the header in front of a payload that already stands at record + 48; return the record's bytes."""
    body = record + RECORD_HEADER_BYTES
    size = padded(length)
    for at in range(length, size):
        store_u8(body + at, 0)
    store_u32(record, length)
    store_i64(record + AT_SEQUENCE, sequence)
    store_i64(record + AT_ARRIVAL_MS, arrival_ms)
    store_i64(record + AT_LINK, link)
    store_u32(record + AT_TERMINAL, terminal)
    store_u32(record + AT_VEHICLE, vehicle_id)
    store_i64(record + AT_KIND, kind | frame_class << 8 | protocol << 16)
    store_u32(record + AT_CRC, crc32c_words(record + 8, (RECORD_HEADER_BYTES - 8 + size) >> 3))
    return RECORD_HEADER_BYTES + size


@njit(_int64(_int64, _int64, _int64, _int64, _int64), cache=True, nogil=True)
def seal_segment_header(header: int, segment: int, boot: int, first_sequence: int, opened_ms: int) -> int:
    """Write the 64 bytes that open a segment; return their number."""
    store_i64(header, SEGMENT_MAGIC)
    store_i64(header + 8, segment)
    store_i64(header + 16, boot)
    store_i64(header + 24, first_sequence)
    store_i64(header + 32, opened_ms)
    store_i64(header + 40, 0)
    store_i64(header + 48, 0)
    store_i64(header + 56, crc32c_words(header, 7))
    return SEGMENT_HEADER_BYTES


# --- reading ----------------------------------------------------------------------------------------------------------

READ_END: Final = 0
"""Everything up to `end` is read."""
READ_ROWS_FULL: Final = 1
READ_FRAMES_FULL: Final = 2
READ_STOPPED: Final = 3
"""No record stands here: zeros, a length past the end, or a checksum that does not hold."""

OUT_OFFSET: Final = 0
"""Where to read on."""
OUT_ROWS: Final = 1
OUT_FRAMES: Final = 2
OUT_SEQUENCE: Final = 3
"""Sequence of the last record read, -1 for none."""
OUT_UNREADABLE: Final = 4
"""Locations inside frames that could not be read; they stay in the journal."""
OUT_RECORDS: Final = 5
OUT_MESSAGES: Final = 6
OUT_WORDS: Final = 8

_ROW_SEQUENCE: Final = REPORT_OFFSET["sequence"]
_ROW_ARRIVAL_MS: Final = REPORT_OFFSET["arrival_ms"]
_ROW_TERMINAL: Final = REPORT_OFFSET["terminal"]
_ROW_VEHICLE: Final = REPORT_OFFSET["vehicle_id"]
_ROW_ITEMS_OFFSET: Final = REPORT_OFFSET["items_offset"]


@njit(
    _int64(
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
        _int64,
    ),
    cache=True,
    nogil=True,
)
def read_records(
    base: int,
    start: int,
    end: int,
    identify: int,
    decode: int,
    rows: int,
    rows_max: int,
    frames: int,
    messages: int,
    frames_max: int,
    identity: int,
    out: int,
) -> int:
    """Read the records of one segment from offset `start` up to offset `end`.

    Locations become REPORT rows at `rows` (items_offset counted from `base`); of every other record that is meant for
    the conversation the offset is listed at `frames`, and at `messages` that of every whole message that says more
    than where the car is: no report, no login, no single fragment. Each record's checksum is verified. Stops early when
    fewer than ROWS_PER_FRAME_MAX rows or no offsets are left, with everything before OUT_OFFSET read whole.

    Args:
        identify, decode: entries of the protocol's kernels.
        base: address of the segment's first byte; `end` is its length, or the published offset.
        identity: address of an IDENTITY block, used as scratch. out: address of int64[OUT_WORDS].

    Returns:
        READ_*.
    """
    at = start
    row_count = 0
    frame_count = 0
    message_count = 0
    last = -1
    unreadable = 0
    records = 0
    status = READ_END
    while at < end:
        if rows_max - row_count < ROWS_PER_FRAME_MAX:
            status = READ_ROWS_FULL
            break
        if frame_count == frames_max or message_count == frames_max:
            status = READ_FRAMES_FULL
            break
        record = base + at
        if end - at < RECORD_HEADER_BYTES:
            status = READ_STOPPED
            break
        length = load_u32(record)
        size = padded(length)
        if length == 0 or RECORD_HEADER_BYTES + size > end - at:
            status = READ_STOPPED
            break
        if crc32c_words(record + 8, (RECORD_HEADER_BYTES - 8 + size) >> 3) != load_u32(record + AT_CRC):
            status = READ_STOPPED
            break
        frame_class = load_u8(record + AT_CLASS)
        frame = record + RECORD_HEADER_BYTES
        if frame_class == CLASS_REPORT or frame_class == CLASS_FRAME:
            call3(identify, frame, length, identity)
            store_i64(identity + 8 * IDENTITY_ARRIVAL_MS, load_i64(record + AT_ARRIVAL_MS))
            store_i64(identity + 8 * IDENTITY_UNREADABLE, 0)
            row = rows + row_count * REPORT_BYTES
            found = call5(decode, frame, length, identity, row, ROWS_PER_FRAME_MAX)
            unreadable += load_i64(identity + 8 * IDENTITY_UNREADABLE)
            for _ in range(found):
                store_i64(row + _ROW_SEQUENCE, load_i64(record + AT_SEQUENCE))
                store_i64(row + _ROW_ARRIVAL_MS, load_i64(record + AT_ARRIVAL_MS))
                store_u32(row + _ROW_TERMINAL, load_u32(record + AT_TERMINAL))
                store_u32(row + _ROW_VEHICLE, load_u32(record + AT_VEHICLE))
                items = load_u32(row + _ROW_ITEMS_OFFSET)
                store_u32(row + _ROW_ITEMS_OFFSET, items + at + RECORD_HEADER_BYTES)
                row += REPORT_BYTES
            row_count += found
        # Whoever put a message together from fragments must hear that it is in the journal, whatever it says.
        kind = load_u8(record + AT_KIND)
        if kind == KIND_ASSEMBLED or (
            frame_class != CLASS_REPORT and frame_class != CLASS_UNREADABLE and frame_class != CLASS_UNKNOWN
        ):
            store_i64(frames + 8 * frame_count, at)
            frame_count += 1
        if (
            frame_class != CLASS_REPORT
            and frame_class != CLASS_LOGIN
            and kind < KIND_LINK_CLOSED
            and (frame_class != CLASS_FRAGMENT or kind == KIND_ASSEMBLED)
        ):
            store_i64(messages + 8 * message_count, at)
            message_count += 1
        last = load_i64(record + AT_SEQUENCE)
        records += 1
        at += RECORD_HEADER_BYTES + size
    store_i64(out + 8 * OUT_OFFSET, at)
    store_i64(out + 8 * OUT_ROWS, row_count)
    store_i64(out + 8 * OUT_FRAMES, frame_count)
    store_i64(out + 8 * OUT_SEQUENCE, last)
    store_i64(out + 8 * OUT_UNREADABLE, unreadable)
    store_i64(out + 8 * OUT_RECORDS, records)
    store_i64(out + 8 * OUT_MESSAGES, message_count)
    return status


@njit(_int64(_int64, _int64, _int64, _int64), cache=True, nogil=True)
def scan_records(base: int, start: int, end: int, out: int) -> int:
    """Walk the records of a segment without reading their frames; OUT_OFFSET, OUT_SEQUENCE, OUT_RECORDS are set.

    Returns:
        READ_END, or READ_STOPPED where the first bad record stands: recovery ends there.
    """
    at = start
    last = -1
    records = 0
    status = READ_END
    while at < end:
        record = base + at
        if end - at < RECORD_HEADER_BYTES:
            status = READ_STOPPED
            break
        length = load_u32(record)
        size = padded(length)
        if length == 0 or RECORD_HEADER_BYTES + size > end - at:
            status = READ_STOPPED
            break
        if crc32c_words(record + 8, (RECORD_HEADER_BYTES - 8 + size) >> 3) != load_u32(record + AT_CRC):
            status = READ_STOPPED
            break
        last = load_i64(record + AT_SEQUENCE)
        records += 1
        at += RECORD_HEADER_BYTES + size
    store_i64(out + 8 * OUT_OFFSET, at)
    store_i64(out + 8 * OUT_SEQUENCE, last)
    store_i64(out + 8 * OUT_RECORDS, records)
    return status


@njit(_int64(_int64, _int64), cache=True, nogil=True)
def publish(address: int, value: int) -> int:
    """Store a value that another thread waits for, behind everything written before."""
    store_release(address, value)
    return value


@njit(_int64(_int64), cache=True, nogil=True)
def published(address: int) -> int:
    """Load a value that another thread publishes, ahead of everything read after."""
    return load_acquire(address)
