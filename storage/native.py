"""Encode REPORT rows as one ClickHouse Native block, the cheapest form either engine reads.

A Native block is two varints (columns, rows), then for each column its name, its type and its values; a fixed-width
column is the plain little-endian array, a String column is each value behind its varint length
(https://clickhouse.com/docs/interfaces/formats/Native).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numba import njit, types

from protocols.report import REPORT
from storage.errors import ContentRefusedError

STRING: Final = "String"

_READ_ONLY_BYTES = types.Array(types.uint8, 1, "C", readonly=True)


@njit(
    [types.int64(types.int32[::1], types.int32[::1], _READ_ONLY_BYTES, types.uint8[::1])],
    cache=True,
    nogil=True,
)
def _encode_slices(offset, length, blob, out):  # type: ignore[no-untyped-def]
    """Write blob[offset:offset + length] of each row behind its varint length; return the bytes written.

    Returns -1 - row for the first row whose slice lies outside the blob. `out` holds the slices and 5 bytes a row.
    """
    at = 0
    for row in range(offset.size):
        start = np.int64(offset[row])
        count = np.int64(length[row])
        if start < 0 or count < 0 or start + count > blob.size:
            return -1 - row
        rest = count
        while rest >= 0x80:
            out[at] = (rest & 0x7F) | 0x80
            rest >>= 7
            at += 1
        out[at] = rest
        at += 1
        for i in range(start, start + count):
            out[at] = blob[i]
            at += 1
    return at


@njit([types.int64(types.uint64[::1], types.uint64[::1], types.uint8[::1])], cache=True, nogil=True)
def _encode_phones(high, low, out):  # type: ignore[no-untyped-def]
    """Write each phone as upper-case hexadecimal digits without leading zeros, '0' for none, behind its length.

    The same text as protocols.report.phone_text. `out` holds 33 bytes a row. Returns the bytes written.
    """
    at = 0
    for row in range(high.size):
        length_at = at
        at += 1
        # Only the digits there are: most phones have 11 of 32.
        word = low[row]
        digits = 1
        while digits < 16 and word >> np.uint64(4 * digits):
            digits += 1
        if high[row]:
            rest = high[row]
            digits = 17
            while digits < 32 and rest >> np.uint64(4 * (digits - 16)):
                digits += 1
            for place in range(digits - 17, -1, -1):
                nibble = np.int64((rest >> np.uint64(4 * place)) & np.uint64(15))
                out[at] = nibble + (48 if nibble < 10 else 55)
                at += 1
        for place in range(min(digits, 16) - 1, -1, -1):
            nibble = np.int64((word >> np.uint64(4 * place)) & np.uint64(15))
            out[at] = nibble + (48 if nibble < 10 else 55)
            at += 1
        out[length_at] = digits
    return at


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


def encode_slices(offset: np.ndarray, length: np.ndarray, blob: np.ndarray) -> np.ndarray:
    """Return the values of a String column: one slice of the blob a row.

    Args:
        offset, length: (n,) int32, where each row's bytes lie.
        blob: (m,) uint8.

    Raises:
        ContentRefusedError: a slice lies outside the blob.
    """
    room = 5 * offset.size + int(np.maximum(length, 0).sum(dtype=np.int64))
    if room > 5 * offset.size + blob.size:
        # Slices may overlap (two rows of one frame never do, but nothing forbids it); a mad length must not make us
        # reserve gigabytes before the kernel has looked at it.
        bad = (offset < 0) | (length < 0) | (offset.astype(np.int64) + length > blob.size)
        if bad.any():
            raise ContentRefusedError(f"row {int(bad.argmax())}: items lie outside the {blob.size} bytes given")
    out = np.empty(room, dtype=np.uint8)
    written = _encode_slices(np.ascontiguousarray(offset), np.ascontiguousarray(length), blob, out)
    if written < 0:
        raise ContentRefusedError(f"row {-1 - written}: items lie outside the {blob.size} bytes given")
    return out[:written]


def encode_phones(rows: np.ndarray) -> np.ndarray:
    """Return the values of a String column: each row's phone as text."""
    out = np.empty(33 * rows.size, dtype=np.uint8)
    high = np.ascontiguousarray(rows["phone_high"])
    low = np.ascontiguousarray(rows["phone_low"])
    return out[: _encode_phones(high, low, out)]


def encode_texts(texts: Sequence[bytes]) -> bytes:
    """Return the values of a String column, one bytes a row."""
    return b"".join(part for text in texts for part in (_varint(len(text)), text))


def encode_block(columns: Sequence[tuple[str, str, np.ndarray | bytes]], rows: int) -> bytes:
    """Return one Native block.

    Args:
        columns: name, ClickHouse type, values: an array of the type's width, or the encoded values of a String column.
    """
    parts: list[bytes | memoryview] = [_varint(len(columns)), _varint(rows)]
    for name, kind, values in columns:
        parts.append(_text(name) + _text(kind))
        parts.append(np.ascontiguousarray(values).data if isinstance(values, np.ndarray) else values)
    return b"".join(parts)


NATIVE_DTYPES: Final = {
    "Int16": "i2",
    "Int32": "i4",
    "Int64": "i8",
    "UInt16": "u2",
    "UInt32": "u4",
    "UInt64": "u8",
}


def encode_reports(rows: np.ndarray, blob: np.ndarray, columns: Sequence[tuple[str, str]]) -> bytes:
    """Return the rows as one Native block.

    Args:
        rows: (n,) REPORT; items_offset and items_length point into the blob.
        blob: (m,) uint8.
        columns: name and ClickHouse type of each column to write: a field of REPORT of the same width, or `phone` or
            `items`.

    Raises:
        ContentRefusedError: a row's items lie outside the blob.
    """
    if rows.dtype != REPORT:
        raise TypeError(f"rows must have the dtype REPORT, not {rows.dtype}")
    values: list[tuple[str, str, np.ndarray | bytes]] = []
    for name, kind in columns:
        if name == "phone":
            column = encode_phones(rows)
        elif name == "items":
            column = encode_slices(rows["items_offset"], rows["items_length"], blob)
        else:
            column = np.ascontiguousarray(rows[name]).view(NATIVE_DTYPES[kind])
        values.append((name, kind, column))
    return encode_block(values, rows.size)
