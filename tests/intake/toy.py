"""A protocol that is not JT/T 808, to prove that the intake knows none.

A frame is 16 bytes: '#', kind, phone u32, serial u16, value u32, three bytes of anything, '!'. Kinds: H heartbeat,
R report, U report that cannot be read, L login, F other, P fragment, X unknown, B bad header, Z a frame that never
ends. A reply is 8 bytes: '=', result, platform serial u16, serial u16, kind, ';'. Big-endian. A report's value is its
alarm word and its latitude.
"""

import struct

from numba import cfunc, njit

from protocols.memory import (
    copy,
    load_i64,
    load_u8,
    load_u16_be,
    load_u32_be,
    store_i64,
    store_u8,
    store_u16_be,
    store_u32,
)
from protocols.report import REPORT_BYTES, REPORT_OFFSET
from protocols.seam import (
    CLASS_BAD,
    CLASS_FRAGMENT,
    CLASS_FRAME,
    CLASS_HEARTBEAT,
    CLASS_LOGIN,
    CLASS_REPORT,
    CLASS_UNKNOWN,
    CLASS_UNREADABLE,
    DECODE_SIGNATURE,
    IDENTIFY_SIGNATURE,
    IDENTITY_ALARM,
    IDENTITY_LENGTH_FAULT,
    IDENTITY_PHONE_HIGH,
    IDENTITY_PHONE_LOW,
    IDENTITY_REPLY_SERIAL,
    IDENTITY_SERIAL,
    REASON_ENDLESS,
    REASON_SHORT,
    REPLY_SIGNATURE,
    SPLIT_BAD,
    SPLIT_FRAME,
    SPLIT_JUNK,
    SPLIT_MORE,
    SPLIT_SIGNATURE,
    Entries,
    Kernels,
)

FRAME_BYTES = 16
ROW_PHONE_LOW = REPORT_OFFSET["phone_low"]
ROW_REPORT_ID = REPORT_OFFSET["report_id"]
ROW_TIME_MS = REPORT_OFFSET["time_ms"]
ROW_ALARM = REPORT_OFFSET["alarm"]
ROW_LAT = REPORT_OFFSET["lat_1e7"]
ROW_SERIAL = REPORT_OFFSET["serial"]
ROW_ITEMS_OFFSET = REPORT_OFFSET["items_offset"]
ROW_ITEMS_LENGTH = REPORT_OFFSET["items_length"]
KIND_H, KIND_R, KIND_U, KIND_L, KIND_F, KIND_P, KIND_X, KIND_Z = (ord(c) for c in "HRULFPXZ")
HASH, BANG, EQUALS, SEMICOLON = (ord(c) for c in "#!=;")


@njit(SPLIT_SIGNATURE, cache=True, nogil=True)
def split(source, length, output, result):
    if length == 0:
        store_i64(result, 0)
        return SPLIT_MORE
    if load_u8(source) != HASH:
        junk = 1
        while junk < length and load_u8(source + junk) != HASH:
            junk += 1
        store_i64(result, junk)
        return SPLIT_JUNK
    if length >= 2 and load_u8(source + 1) == KIND_Z:
        store_i64(result, 0)
        return SPLIT_MORE
    if length < FRAME_BYTES:
        store_i64(result, 0)
        return SPLIT_MORE
    if load_u8(source + FRAME_BYTES - 1) != BANG:
        store_i64(result, FRAME_BYTES)
        store_i64(result + 8, REASON_ENDLESS if load_u8(source + 1) == KIND_X else REASON_SHORT)
        return SPLIT_BAD
    copy(output, source, FRAME_BYTES)
    store_i64(result, FRAME_BYTES)
    store_i64(result + 8, FRAME_BYTES)
    return SPLIT_FRAME


@njit(IDENTIFY_SIGNATURE, cache=True, nogil=True)
def identify(frame, length, identity):
    for word in range(12):
        store_i64(identity + 8 * word, 0)
    kind = load_u8(frame + 1)
    store_i64(identity + 8 * IDENTITY_PHONE_HIGH, 0)
    store_i64(identity + 8 * IDENTITY_PHONE_LOW, load_u32_be(frame + 2))
    store_i64(identity + 8 * IDENTITY_SERIAL, load_u16_be(frame + 6))
    store_i64(identity + 8 * IDENTITY_LENGTH_FAULT, 0)
    store_i64(identity + 8 * IDENTITY_ALARM, 0)
    if kind == KIND_R:
        store_i64(identity + 8 * IDENTITY_ALARM, load_u32_be(frame + 8))
        return CLASS_REPORT
    if kind == KIND_H:
        return CLASS_HEARTBEAT
    if kind == KIND_U:
        return CLASS_UNREADABLE
    if kind == KIND_L:
        return CLASS_LOGIN
    if kind == KIND_F:
        return CLASS_FRAME
    if kind == KIND_P:
        return CLASS_FRAGMENT
    if kind == KIND_X:
        return CLASS_UNKNOWN
    return CLASS_BAD


@njit(DECODE_SIGNATURE, cache=True, nogil=True)
def decode(frame, length, identity, rows, rows_max):
    if load_u8(frame + 1) != KIND_R:
        return 0
    for word in range(REPORT_BYTES // 8):
        store_i64(rows + 8 * word, 0)
    value = load_u32_be(frame + 8)
    store_i64(rows + ROW_PHONE_LOW, load_u32_be(frame + 2))
    store_i64(rows + ROW_REPORT_ID, load_u32_be(frame + 2) << 32 | value)
    store_i64(rows + ROW_TIME_MS, value)
    store_u32(rows + ROW_ALARM, value)
    store_u32(rows + ROW_LAT, value)
    store_u32(rows + ROW_ITEMS_OFFSET, 12)
    store_u32(rows + ROW_ITEMS_LENGTH, 3)
    store_u8(rows + ROW_SERIAL, load_u16_be(frame + 6) & 255)
    store_u8(rows + ROW_SERIAL + 1, load_u16_be(frame + 6) >> 8)
    return 1


@njit(REPLY_SIGNATURE, cache=True, nogil=True)
def reply(frame, length, identity, result, output):
    store_u8(output, EQUALS)
    store_u8(output + 1, result)
    for k in range(2):
        store_u8(output + 4 + k, load_u8(frame + 6 + k))
    store_u16_be(output + 2, load_i64(identity + 8 * IDENTITY_REPLY_SERIAL))
    store_u8(output + 6, load_u8(frame + 1))
    store_u8(output + 7, SEMICOLON)
    return 8


@cfunc(SPLIT_SIGNATURE, cache=True)
def split_entry(source, length, output, result):
    return split(source, length, output, result)


@cfunc(IDENTIFY_SIGNATURE, cache=True)
def identify_entry(frame, length, identity):
    return identify(frame, length, identity)


@cfunc(DECODE_SIGNATURE, cache=True)
def decode_entry(frame, length, identity, rows, rows_max):
    return decode(frame, length, identity, rows, rows_max)


@cfunc(REPLY_SIGNATURE, cache=True)
def reply_entry(frame, length, identity, result, output):
    return reply(frame, length, identity, result, output)


ENTRIES = Entries(split_entry.address, identify_entry.address, decode_entry.address, reply_entry.address)
KERNELS = Kernels(split, identify, decode, reply, ENTRIES)


def frame(kind: str, phone: int, serial: int, value: int = 0, tail: bytes = b"abc", end: bytes = b"!") -> bytes:
    """Build a frame."""
    return b"#" + kind.encode() + struct.pack(">IHI", phone, serial, value) + tail + end


def replies(data: bytes) -> list[tuple[str, int, int]]:
    """Return (kind, serial, result) of each reply in a stream."""
    assert len(data) % 8 == 0, data
    found = []
    for at in range(0, len(data), 8):
        mark, result, _, serial, kind, end = struct.unpack(">cBHHcc", data[at : at + 8])
        assert (mark, end) == (b"=", b";")
        found.append((kind.decode(), serial, result))
    return found
