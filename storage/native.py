"""Encode rows as one ClickHouse Native block, the cheapest form either engine reads.

A Native block is two varints (columns, rows), then for each column its name, its type and its values; a fixed-width
column is the plain little-endian array, a String column is each value behind its varint length
(https://clickhouse.com/docs/interfaces/formats/Native).

The block is written once, at its final place, into memory that is kept from block to block: fresh memory for every
block cost more in page faults than the encoding itself.
"""

import mmap
import os
import weakref
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
    store_u8,
    store_u16,
    store_u32,
)
from protocols.report import REPORT, REPORT_OFFSET
from storage.errors import ContentRefusedError

WIDTHS: Final = {"Int16": 2, "Int32": 4, "Int64": 8, "UInt16": 2, "UInt32": 4, "UInt64": 8, "UInt128": 16, "Date": 2}
"""Bytes of one value, by ClickHouse type."""

ITEMS_OVERHEAD_BYTES_MAX: Final = 5
"""The varint of a length below 2**31."""

_SLACK_BYTES: Final = 64
"""Items are stored in steps of 8 bytes: what lies behind the last one is written too."""

_CHUNK_ROWS: Final = 256
"""Rows whose columns are copied before the next rows: 26 KB, which stay in the first cache while each is picked."""

_PHONE: Final = REPORT_OFFSET["phone_low"]
assert REPORT_OFFSET["phone_high"] == _PHONE + 8  # one little-endian number of 128 bits
_ITEMS_OFFSET: Final = REPORT_OFFSET["items_offset"]
_ITEMS_LENGTH: Final = REPORT_OFFSET["items_length"]
_ROW: Final = REPORT.itemsize

_int64 = types.int64


@njit(types.void(_int64, _int64, _int64, _int64, _int64), cache=True, nogil=True)
def _encode_columns(rows, row_bytes, count, plan, columns):  # type: ignore[no-untyped-def]
    """Copy fixed-width fields of `count` rows to columns.

    `plan` is the address of (columns, 3) int64: offset of the field in a row, its bytes (2, 4, 8 or 16), target.
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
            elif width == 16:
                for k in range(chunk):
                    store_i64(target + 16 * k, load_i64(source + row_bytes * k))
                    store_i64(target + 16 * k + 8, load_i64(source + row_bytes * k + 8))
            else:
                for k in range(chunk):
                    store_u16(target + 2 * k, load_u16(source + row_bytes * k))


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
    """Memory for one block at a time; it grows to the largest there was and is kept. One user at a time.

    It is a file that only exists in memory, so that the embedded engine can read the block where it lies: a file in
    the temporary directory cost a copy in and a copy out, and pages of a disk.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("carillon-block")
        weakref.finalize(self, os.close, self._file)
        self._bytes = np.empty(0, np.uint8)

    @property
    def path(self) -> str:
        """Name of the file that holds the last block and nothing else; good inside this process."""
        return f"/proc/self/fd/{self._file}"

    def encode(
        self,
        rows: np.ndarray,
        columns: Sequence[tuple[str, str]],
        blob: np.ndarray | None = None,
        given: Mapping[str, bytes | np.ndarray] | None = None,
    ) -> memoryview:
        """Return the rows as one Native block: a view that the next call overwrites.

        Args:
            rows: (n,) of any structured dtype; with a column `phone_bcd` or `items` it is REPORT.
            columns: name and ClickHouse type of each column to write: a field of the dtype of the same width,
                `phone_bcd`, `items`, or a name in `given`.
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
            + count * sum(WIDTHS.get(kind, 0) for _, kind in columns)
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
            elif name in ("phone_bcd", "items") and rows.dtype != REPORT:
                raise TypeError(f"{name} is found in rows of the dtype REPORT, not {rows.dtype}")
            elif name == "phone_bcd":
                plan.append((_PHONE, WIDTHS[kind], base + at))
                at += WIDTHS[kind] * count
            elif name == "items":
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
        # A block ends where its file ends.
        os.ftruncate(self._file, at)
        return view[:at]

    def _reserve(self, size: int) -> None:
        if self._bytes.size < size:
            # A quarter more: segments differ, and each growth is fresh memory.
            room = size + size // 4
            os.ftruncate(self._file, room)
            self._bytes = np.frombuffer(mmap.mmap(self._file, room), np.uint8)
        else:
            # What the last block cut off is there again before it is written to.
            os.ftruncate(self._file, self._bytes.size)
