"""What a segment says in short: each vehicle's newest position, and the bounds of each vehicle's day.

Both go into tables of their own beside the reports. A materialized view could derive them, at four times the cost of
storing the reports themselves: it sorts and hashes in general what one pass over the rows finds. Only minima, maxima
and the newest row are kept, so that a segment stored again changes no figure.
"""

from typing import Any, Final

import numpy as np
from numba import from_dtype, njit, types

from protocols.report import FLAG_NO_FIX, FLAG_POSITION_BAD, FLAG_TIME_BAD, ODOMETER_NONE, REPORT

BAD_FLAGS: Final = FLAG_TIME_BAD | FLAG_NO_FIX | FLAG_POSITION_BAD
"""Reports kept from the last position."""

DAY_OFFSET_MS: Final = 8 * 3600 * 1000
"""A mileage day is a day of GMT+8, the time that terminals speak, for every vehicle until stores have zones."""

DAY_MS: Final = 86_400_000

MILEAGE: Final = np.dtype(
    [
        ("vehicle_id", "i4"),
        ("terminal", "i4"),
        ("odometer_m_min", "i8"),
        ("odometer_m_max", "i8"),
        ("time_ms_min", "i8"),
        ("time_ms_max", "i8"),
        ("speed_kmh10_max", "u2"),
        ("day", "u2"),  # days since 1970 in GMT+8
    ],
    align=True,
)
"""The bounds of one terminal's day on one vehicle."""

_REPORTS = types.Array(from_dtype(REPORT), 1, "C")
_MILEAGES = types.Array(from_dtype(MILEAGE), 1, "C")


@njit(types.UniTuple(types.int64, 2)(_REPORTS, types.int64[::1], types.int64[::1], _MILEAGES), cache=True, nogil=True)
def _summarise(rows, order, newest, mileage):  # type: ignore[no-untyped-def]
    """Fill `newest` with indices of rows and `mileage` with days; return how many of each.

    `order` lists the rows by vehicle. Of a vehicle there are few days and terminals in one segment, so the days found
    so far are searched from the end.
    """
    positions = 0
    days = 0
    vehicle = -1
    vehicle_days = 0
    best = -1
    for at in order:
        row = rows[at]
        if row.vehicle_id != vehicle:
            if best >= 0:
                newest[positions] = best
                positions += 1
            vehicle = row.vehicle_id
            vehicle_days = days
            best = -1
        if row.flags & BAD_FLAGS == 0:
            if best < 0:
                best = at
            else:
                other = rows[best]
                if row.time_ms > other.time_ms or (
                    row.time_ms == other.time_ms
                    and (
                        row.sequence > other.sequence
                        or (row.sequence == other.sequence and row.report_id > other.report_id)
                    )
                ):
                    best = at
        if row.odometer_m == ODOMETER_NONE or row.flags & FLAG_TIME_BAD != 0:
            continue
        day = np.uint16((row.time_ms + DAY_OFFSET_MS) // DAY_MS)
        found = days - 1
        while found >= vehicle_days:
            if mileage[found].day == day and mileage[found].terminal == row.terminal:
                break
            found -= 1
        if found < vehicle_days:
            mileage[days].vehicle_id = row.vehicle_id
            mileage[days].terminal = row.terminal
            mileage[days].day = day
            mileage[days].odometer_m_min = row.odometer_m
            mileage[days].odometer_m_max = row.odometer_m
            mileage[days].time_ms_min = row.time_ms
            mileage[days].time_ms_max = row.time_ms
            mileage[days].speed_kmh10_max = row.speed_kmh10
            days += 1
            continue
        mileage[found].odometer_m_min = min(mileage[found].odometer_m_min, row.odometer_m)
        mileage[found].odometer_m_max = max(mileage[found].odometer_m_max, row.odometer_m)
        mileage[found].time_ms_min = min(mileage[found].time_ms_min, row.time_ms)
        mileage[found].time_ms_max = max(mileage[found].time_ms_max, row.time_ms)
        mileage[found].speed_kmh10_max = max(mileage[found].speed_kmh10_max, row.speed_kmh10)
    if best >= 0:
        newest[positions] = best
        positions += 1
    return positions, days


def summarise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the newest good report of each vehicle, (m,) REPORT, and what each drove by day, (k,) MILEAGE.

    Newest is the highest fix time; of equal ones the later frame, of one frame the higher report_id.
    """
    rows = np.ascontiguousarray(rows)
    order = np.argsort(rows["vehicle_id"], kind="stable")
    newest = np.empty(rows.size, np.int64)
    mileage = np.empty(rows.size, MILEAGE)
    positions, days = _summarise(rows, order, newest, mileage)
    return rows[newest[:positions]], mileage[:days]


def ranks(rows: np.ndarray) -> Any:
    """Return what orders positions of one vehicle over all segments, as (n, 2) uint64: the low and high word.

    64 bits of fix time, 40 of the journal's sequence (a million million reports), 24 of the report's hash: the same
    row stays whatever the order of inserts.
    """
    words = np.empty((rows.size, 2), np.uint64)
    sequence = rows["sequence"].astype(np.uint64) & np.uint64((1 << 40) - 1)
    words[:, 0] = sequence << np.uint64(24) | rows["report_id"] >> np.uint64(40)
    words[:, 1] = rows["time_ms"].astype(np.uint64)
    return words
