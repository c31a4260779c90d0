"""The ClickHouse table `uplink`: every message of a terminal that says more than where the car is.

The frame is kept as it came, and read with the declarations of protocols/jt808 each time it is asked for: a mended
decoder reads old frames anew. Rows are found by car and arrival; of two rows of one journal record one stays.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

UPLINK_ASSEMBLED: Final = 1
"""Bit of `flags`: put together here from fragments."""
UPLINK_CUT: Final = 2
"""Bit of `flags`: only the beginning of the frame is kept; `length` says how long it was."""


class Uplink(NamedTuple):
    """One message of a terminal. The fields are the columns of the table."""

    vehicle_id: int
    """The car that the terminal spoke for when it came."""
    terminal: int
    message: int
    version: int
    """Edition of JT/T 808 in which the terminal spoke: 2011, 2013 or 2019."""
    serial: int
    arrival_ms: int
    node: str
    sequence: int
    """Number of its record in that node's journal."""
    flags: int
    """UPLINK_*."""
    length: int
    """Bytes of the whole frame."""
    frame: bytes
    """Header and body: unescaped, without flags and checksum."""


UPLINK_COLUMNS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "vehicle_id": ("Int32", "Delta, LZ4"),
        "terminal": ("Int32", "Delta, LZ4"),
        "message": ("UInt16", "LZ4"),
        "version": ("UInt16", "LZ4"),
        "serial": ("UInt16", "Delta, LZ4"),
        "arrival_ms": ("Int64", "Delta, LZ4"),
        "node": ("String", "LZ4"),
        "sequence": ("UInt64", "Delta, LZ4"),
        "flags": ("UInt16", "LZ4"),
        "length": ("UInt32", "LZ4"),
        "frame": ("String", "LZ4"),
    }
)
"""Column: ClickHouse type, codec."""
assert tuple(UPLINK_COLUMNS) == Uplink._fields

UPLINK_REFUSED_COLUMNS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "refused_ms": "Int64",
        "reason": "String",
        "token": "String",
        **{name: kind for name, (kind, _) in UPLINK_COLUMNS.items()},
    }
)
"""Column of the table `uplink_refused`: ClickHouse type."""
