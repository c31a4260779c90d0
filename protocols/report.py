"""REPORT: the row that every protocol decodes a position report to. Imports nothing of the project.

One row is one fix of one terminal, with everything it said at that moment. The fields are fixed-width and the dtype is
aligned, so a compiled decoder stores each field at `REPORT_OFFSET[name]` and a kernel reads the whole batch as columns.
Whatever has no fixed width (a protocol's additional items) stays in the frame; the row says where it lies.
"""

from typing import Final

import numpy as np

REPORT: Final = np.dtype(
    [
        # Set by the journal reader, from the record the frame lies in.
        ("sequence", "i8"),  # journal sequence of the frame; rows of one frame share it
        ("arrival_ms", "i8"),  # UTC epoch ms at which the frame was received
        ("terminal", "i4"),  # terminal id, assigned by us
        ("vehicle_id", "i4"),  # vehicle the terminal was bound to when it spoke
        # Set by the protocol's decoder.
        ("phone_low", "u8"),  # phone as packed BCD, right-aligned: digits 5-20 of 20 ...
        ("phone_high", "u8"),  # ... and digits 1-4: together one little-endian number of 128 bits
        ("report_id", "u8"),  # 64-bit hash of terminal phone and location body: equal for a repeat
        ("time_ms", "i8"),  # fix time, UTC epoch ms; TIME_NONE when the terminal sent no valid time
        ("alarm", "u4"),  # alarm word as sent
        ("status", "u4"),  # status word as sent
        ("lat_1e7", "i4"),  # WGS-84 latitude, 1e-7 degree, north positive
        ("lon_1e7", "i4"),  # WGS-84 longitude, 1e-7 degree, east positive
        ("odometer_m", "i8"),  # item 0x01 in metres; ODOMETER_NONE when absent
        ("speed_kmh10", "u2"),  # 0.1 km/h
        ("course_deg", "u2"),  # 0-359, clockwise from north
        ("altitude_m", "i2"),  # metres above sea level
        ("serial", "u2"),  # serial number of the frame
        ("flags", "u4"),  # FLAG_* below
        ("items_offset", "i4"),  # additional items: first byte, from the start of the frame ...
        ("items_length", "i4"),  # ... and their length in bytes
        # What some items say; the detectors judge by it.
        ("acceleration_mg", "u2"),  # largest since the report before, with gravity; ACCELERATION_NONE_MG when absent
        ("satellites", "u1"),  # in use; SATELLITES_NONE when absent
        ("cell_signal", "u1"),  # strength of the mobile network as sent; CELL_SIGNAL_NONE when absent
    ],
    align=True,
)
"""One report. 104 bytes, C-aligned, little-endian on every machine we run on."""

REPORT_BYTES: Final = REPORT.itemsize
REPORT_OFFSET: Final = {name: REPORT.fields[name][1] for name in REPORT.names or ()}  # type: ignore[index]

TIME_NONE: Final = -(2**63)
ODOMETER_NONE: Final = -1
ACCELERATION_NONE_MG: Final = 0xFFFF
ACCELERATION_MAX_MG: Final = 0xFFFE
"""65.5 g: what is more is said as this."""
SATELLITES_NONE: Final = 0xFF
CELL_SIGNAL_NONE: Final = 0xFF

FLAG_NO_FIX: Final = 1 << 0
"""The terminal says that it has no position fix: the coordinates are its last known or zero."""
FLAG_TIME_BAD: Final = 1 << 1
"""The fix time is missing, unreadable, before 2010 or more than 24 h ahead of arrival: stored, kept from live state."""
FLAG_BATCH: Final = 1 << 2
"""The report came inside a batch (0x0704): sent late as a rule."""
FLAG_BLIND: Final = 1 << 3
"""The batch says that it makes good for a time without coverage."""
FLAG_ITEMS_CLIPPED: Final = 1 << 4
"""An additional item ran past the end of the body: what was whole was read."""
FLAG_POSITION_BAD: Final = 1 << 5
"""Latitude over 90 or longitude over 180 degrees: stored as sent, clipped to the range, kept from live state."""
FLAG_ASSEMBLED: Final = 1 << 6
"""The location came inside another message (0x0201, 0x0500, 0x0802)."""

FLAG_CRASH_ITEM: Final = 1 << 7
"""An item of the terminal's maker says that it saw a crash."""
FLAG_REPEATED: Final = 1 << 8
"""Set aside: the terminal has sent this very report before. This and the next three are marked by detection on its own
rows, never stored."""
FLAG_JUMP: Final = 1 << 9
"""Set aside: no car can have come here from where it was."""
FLAG_FROZEN: Final = 1 << 10
"""Set aside: the same position again and again, while the car is said to drive."""
FLAG_CLOCK: Final = 1 << 11
"""Set aside: the terminal's clock is wrong, if readable."""

FLAGS_ASIDE: Final = FLAG_REPEATED | FLAG_JUMP | FLAG_FROZEN | FLAG_CLOCK
FLAGS_NO_POSITION: Final = FLAG_NO_FIX | FLAG_TIME_BAD | FLAG_POSITION_BAD | FLAGS_ASIDE
"""Under any of them a detector does not judge where the car is."""

TIME_MS_MIN: Final = 1_262_304_000_000
"""2010-01-01T00:00:00Z. JT/T 808 dates from 2011: an earlier clock is a terminal that has never had a fix."""
TIME_AHEAD_MS_MAX: Final = 24 * 3600 * 1000
"""How far a terminal's clock may run ahead of ours before the report is flagged."""


def phone_text(high: int, low: int) -> str:
    """Return a phone as text: its packed BCD nibbles as hexadecimal digits without leading zeros ('0' for none)."""
    return f"{(int(high) << 64) | int(low):x}".upper()


def phone_key(phone: str) -> tuple[int, int]:
    """Return (high, low), the packed form of a phone.

    Raises:
        ValueError: not 1 to 20 hexadecimal digits (terminals in the field do send nibbles above 9).
    """
    if not 1 <= len(phone) <= 20 or any(c not in "0123456789ABCDEFabcdef" for c in phone):
        raise ValueError(f"a phone has 1 to 20 digits, got {phone!r}")
    number = int(phone, 16)
    return number >> 64, number & (2**64 - 1)
