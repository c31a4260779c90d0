"""Encode rows as one ClickHouse Native block, the cheapest form either engine reads.

A Native block is two varints (columns, rows), then for each column its name, its type and its values; a fixed-width
column is the plain little-endian array, a String column is each value behind its varint length
(https://clickhouse.com/docs/interfaces/formats/Native).

The block is written once, at its final place, into memory that is kept from block to block: fresh memory for every
block cost more in page faults than the encoding itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numba import njit, types

from protocols.memory import (
    copy,
    load_i32,
    load_i64,
    load_u16,
    load_u32,
    store_i64,
    store_i64_be,
    store_u8,
    store_u16,
    store_u32,
)
from protocols.report import REPORT, REPORT_OFFSET
from storage.errors import ContentRefusedError

STRING: Final = "String"

WIDTHS: Final = {"Int16": 2, "Int32": 4, "Int64": 8, "UInt16": 2, "UInt32": 4, "UInt64": 8, "UInt128": 16, "Date": 2}
"""Bytes of one value, by ClickHouse type."""

PHONE_BYTES_MAX: Final = 33
"""A phone of 32 digits behind its length."""

ITEMS_OVERHEAD_BYTES_MAX: Final = 5
"""The varint of a length below 2**31."""

_SLACK_BYTES: Final = 64
"""Phones and items are stored in steps of 8 bytes: what lies behind the last one is written too."""

_CHUNK_ROWS: Final = 256
"""Rows whose columns are copied before the next rows: 26 KB, which stay in the first cache while each is picked."""

_PHONE_HIGH: Final = REPORT_OFFSET["phone_high"]
_PHONE_LOW: Final = REPORT_OFFSET["phone_low"]
_ITEMS_OFFSET: Final = REPORT_OFFSET["items_offset"]
_ITEMS_LENGTH: Final = REPORT_OFFSET["items_length"]
_ROW: Final = REPORT.itemsize
_BYTES_0F: Final = 0x0F0F0F0F0F0F0F0F
_BYTES_01: Final = 0x0101010101010101

_int64 = types.int64


@njit(types.void(_int64, _int64, _int64, _int64, _int64), cache=True, nogil=True)
def _encode_columns(rows, row_bytes, count, plan, columns):  # type: ignore[no-untyped-def]
    """Copy fixed-width fields of `count` rows to columns.

    `plan` is the address of (columns, 3) int64: offset of the field in a row, its bytes (2, 4 or 8), target address.
    """
    for first in range(0, count, _CHUNK_ROWS):
        chunk = min(_CHUNK_ROWS, count - first)
        for column in range(columns):
            width = load_i64(plan + 24 * column + 8)
            source = rows + first * row_bytes + load_i64(plan + 24 * column)
            target = load_i64(plan + 24 * column + 16) + first * width
            if width == 8:
                for k in range(chunk):
                    store_i64(target + 8 * k, load_i64(source + row_bytes * k))
            elif width == 4:
                for k in range(chunk):
                    store_u32(target + 4 * k, load_u32(source + row_bytes * k))
            else:
                for k in range(chunk):
                    store_u16(target + 2 * k, load_u16(source + row_bytes * k))


@njit(_int64(_int64), cache=True, nogil=True)
def _digits(word):  # type: ignore[no-untyped-def]
    """Return how many hexadecimal digits a 64-bit word has; 1 for 0."""
    # A word whose highest bit is set is negative here, stays so under the shifts, and counts 16.
    digits = 1
    if word >> 32 != 0:
        digits += 8
        word >>= 32
    if word >> 16 != 0:
        digits += 4
        word >>= 16
    if word >> 8 != 0:
        digits += 2
        word >>= 8
    if word >> 4 != 0:
        digits += 1
    return digits


@njit(_int64(_int64), cache=True, nogil=True)
def _spelled(half):  # type: ignore[no-untyped-def]
    """Return the 8 upper-case hexadecimal digits of a 32-bit word as bytes, the first digit in the highest."""
    half = (half | half << 16) & 0x0000FFFF0000FFFF
    half = (half | half << 8) & 0x00FF00FF00FF00FF
    half = (half | half << 4) & _BYTES_0F
    # Adding 6 carries out of a nibble from A on: those lie 7 further on in ASCII.
    letters = (half + 6 * _BYTES_01) >> 4 & _BYTES_01
    return half + 0x30 * _BYTES_01 + 7 * letters


@njit(types.void(_int64, _int64, _int64), cache=True, nogil=True)
def _spell(target, word, digits):  # type: ignore[no-untyped-def]
    """Write the last `digits` hexadecimal digits of a 64-bit word; always 16 bytes are written."""
    word = word << (64 - 4 * digits)
    store_i64_be(target, _spelled(word >> 32 & 0xFFFFFFFF))
    store_i64_be(target + 8, _spelled(word & 0xFFFFFFFF))


@njit(_int64(_int64, _int64, _int64), cache=True, nogil=True)
def _encode_phones(rows, count, target):  # type: ignore[no-untyped-def]
    """Write each phone as upper-case hexadecimal digits without leading zeros, '0' for none, behind its length.

    The same text as protocols.report.phone_text. Returns the bytes written.
    """
    at = target
    for row in range(rows, rows + count * _ROW, _ROW):
        high = load_i64(row + _PHONE_HIGH)
        low = load_i64(row + _PHONE_LOW)
        if high == 0:
            digits = _digits(low)
            store_u8(at, digits)
            _spell(at + 1, low, digits)
            at += 1 + digits
        else:
            digits = _digits(high)
            store_u8(at, digits + 16)
            _spell(at + 1, high, digits)
            _spell(at + 1 + digits, low, 16)
            at += 17 + digits
    return at - target


@njit(_int64(_int64, _int64, _int64, _int64, _int64, _int64), cache=True, nogil=True)
def _encode_items(rows, count, blob, blob_bytes, target, room):  # type: ignore[no-untyped-def]
    """Write blob[items_offset:items_offset + items_length] of each row behind its varint length.

    Returns:
        the bytes written, -1 - row for the first row whose items lie outside the blob, -1 - count when `room` bytes
        do not hold them.
    """
    at = target
    for k in range(count):
        row = rows + k * _ROW
        start = load_i32(row + _ITEMS_OFFSET)
        length = load_i32(row + _ITEMS_LENGTH)
        if start < 0 or length < 0 or start + length > blob_bytes:
            return -1 - k
        if at - target + length + ITEMS_OVERHEAD_BYTES_MAX > room:
            return -1 - count
        rest = length
        while rest >= 0x80:
            store_u8(at, (rest & 0x7F) | 0x80)
            rest >>= 7
            at += 1
        store_u8(at, rest)
        at += 1
        # A call of memcpy costs more than the usual 30 bytes; the last of them are not read past the blob's end.
        if length <= 64 and start + length + 8 <= blob_bytes:
            for step in range(0, length, 8):
                store_i64(at + step, load_i64(blob + start + step))
        else:
            copy(at, blob + start, length)
        at += length
    return at - target


def _varint(number: int) -> bytes:
    data = bytearray()
    while number >= 0x80:
        data.append((number & 0x7F) | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def _text(text: str) -> bytes:
    data = text.encode()
    return _varint(len(data)) + data


def byte_view(blob: bytes | bytearray | memoryview | np.ndarray) -> np.ndarray:
    """Return the blob as a (n,) uint8 array without copying it."""
    if isinstance(blob, np.ndarray):
        return np.ascontiguousarray(blob, dtype=np.uint8)
    return np.frombuffer(blob, dtype=np.uint8)


def encode_texts(texts: Sequence[bytes]) -> bytes:
    """Return the values of a String column, one bytes a row."""
    return b"".join(part for text in texts for part in (_varint(len(text)), text))


def _plain(values: bytes | np.ndarray) -> memoryview:
    return np.ascontiguousarray(values).data.cast("B") if isinstance(values, np.ndarray) else memoryview(values)


def _items_bytes(rows: np.ndarray, blob_bytes: int) -> int:
    """Return the bytes of all items. Raises ContentRefusedError: a row's items lie outside the blob."""
    offset, length = rows["items_offset"].astype(np.int64), rows["items_length"].astype(np.int64)
    outside = (offset < 0) | (length < 0) | (offset + length > blob_bytes)
    if outside.any():
        raise _outside(int(outside.argmax()), blob_bytes)
    return int(length.sum())


def _outside(row: int, blob_bytes: int) -> ContentRefusedError:
    return ContentRefusedError(f"row {row}: items lie outside the {blob_bytes} bytes given")


class BlockRoom:
    """Memory for one block at a time; it grows to the largest there was and is kept. One user at a time."""

    def __init__(self) -> None:
        self._bytes = np.empty(0, np.uint8)

    def encode(
        self,
        rows: np.ndarray,
        columns: Sequence[tuple[str, str]],
        blob: np.ndarray | None = None,
        given: Mapping[str, bytes | np.ndarray] | None = None,
    ) -> memoryview:
        """Return the rows as one Native block: a view that the next call overwrites.

        Args:
            rows: (n,) of any structured dtype; with a column `phone` or `items` it is REPORT.
            columns: name and ClickHouse type of each column to write: a field of the dtype of the same width, `phone`,
                `items`, or a name in `given`.
            blob: (m,) uint8, what items_offset and items_length point into.
            given: values of columns that are no field: (n,) or (n, k) arrays of the type's width, or the encoded
                values of a String column.

        Raises:
            ContentRefusedError: a row's items lie outside the blob.
            TypeError: a column's width is not that of its field.
        """
        data = np.zeros(0, np.uint8) if blob is None else blob
        # Items do not overlap as a rule, and lengths are not believed before they are looked at.
        items_room = data.size + ITEMS_OVERHEAD_BYTES_MAX * (rows.size + 1)
        rows = np.ascontiguousarray(rows)
        block = self._encoded(rows, columns, data, given or {}, items_room)
        if block is None:
            items_room = _items_bytes(rows, data.size) + ITEMS_OVERHEAD_BYTES_MAX * (rows.size + 1)
            block = self._encoded(rows, columns, data, given or {}, items_room)
        assert block is not None
        return block

    def _encoded(
        self,
        rows: np.ndarray,
        columns: Sequence[tuple[str, str]],
        blob: np.ndarray,
        given: Mapping[str, bytes | np.ndarray],
        items_room: int,
    ) -> memoryview | None:
        """Return the block, None when items_room bytes do not hold the items."""
        count = rows.size
        heads = [_text(name) + _text(kind) for name, kind in columns]
        heads[0] = _varint(len(columns)) + _varint(count) + heads[0]
        self._reserve(
            sum(len(head) for head in heads)
            + sum(_plain(values).nbytes for values in given.values())
            + count * sum(WIDTHS.get(kind, PHONE_BYTES_MAX) for _, kind in columns)
            + items_room
            + _SLACK_BYTES
        )
        base = self._bytes.ctypes.data
        address = rows.ctypes.data
        view = self._bytes.data
        plan: list[tuple[int, int, int]] = []
        at = 0
        for (name, kind), head in zip(columns, heads, strict=True):
            view[at : at + len(head)] = head
            at += len(head)
            if name in given:
                values = _plain(given[name])
                view[at : at + values.nbytes] = values
                at += values.nbytes
            elif kind == STRING:
                if rows.dtype != REPORT:
                    raise TypeError(f"{name} is found in rows of the dtype REPORT, not {rows.dtype}")
                if name == "phone":
                    at += _encode_phones(address, count, base + at)
                    continue
                written = _encode_items(address, count, blob.ctypes.data, blob.size, base + at, items_room)
                if written == -1 - count:
                    return None
                if written < 0:
                    raise _outside(-1 - written, blob.size)
                at += written
            else:
                field: Any = rows.dtype.fields
                field_type, offset = field[name][:2]
                if field_type.itemsize != WIDTHS[kind] or WIDTHS[kind] > 8:
                    raise TypeError(f"{name} has {field_type.itemsize} bytes, {kind} has {WIDTHS[kind]}")
                plan.append((offset, WIDTHS[kind], base + at))
                at += WIDTHS[kind] * count
        steps = np.array(plan, np.int64)
        _encode_columns(address, rows.dtype.itemsize, count, steps.ctypes.data, len(plan))
        return view[:at]

    def _reserve(self, size: int) -> None:
        if self._bytes.size < size:
            # A quarter more: segments differ, and each growth is fresh memory.
            self._bytes = np.empty(size + size // 4, np.uint8)
