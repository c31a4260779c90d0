"""What a segment says in short: each vehicle's newest position, and the bounds of each vehicle's day.

Both go into tables of their own beside the reports. A materialized view could derive them, for more than the reports
themselves cost to store (2 of 3.8 us a row, by dropping both): it sorts and hashes in general what one pass over the
rows finds. Only minima, maxima and the newest row are kept, so that a segment stored again changes no figure.
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


_HASH: Final = 2_654_435_761
"""2**32 divided by the golden ratio: the upper bits of a product with it spread consecutive ids evenly."""


@njit(
    types.UniTuple(types.int64, 2)(
        _REPORTS,
        types.int32[::1],
        types.int64,
        types.int32[::1],
        types.int32[::1],
        types.int32[::1],
        types.int32[::1],
        _MILEAGES,
    ),
    cache=True,
    nogil=True,
)
def _summarise(  # type: ignore[no-untyped-def]
    rows, slots, slots_bits, vehicle_ids, newest, last_day, day_before, mileage
):
    """Fill `newest` with the index of a row for each vehicle, -1 for none, and `mileage` with days.

    A vehicle has a number by the order of its first row. Of a vehicle there are few days and terminals in one segment:
    they are searched from the last one found.

    Args:
        slots: (2**slots_bits,) zeros, more than rows: a hash table of vehicle numbers + 1.
        vehicle_ids, newest, last_day: by vehicle number; last_day is the last of its days in `mileage`.
        day_before: by day: the day of the same vehicle found before it, -1 for none.

    Returns:
        how many vehicles, and how many days.
    """
    vehicles = 0
    days = 0
    mask = slots.size - 1
    for at in range(rows.size):
        row = rows[at]
        slot = ((row.vehicle_id * _HASH) & 0xFFFFFFFF) >> (32 - slots_bits)
        while slots[slot] != 0 and vehicle_ids[slots[slot] - 1] != row.vehicle_id:
            slot = (slot + 1) & mask
        if slots[slot] == 0:
            newest[vehicles] = -1
            last_day[vehicles] = -1
            vehicle_ids[vehicles] = row.vehicle_id
            vehicles += 1
            slots[slot] = vehicles
        vehicle = slots[slot] - 1
        best = newest[vehicle]
        if row.flags & BAD_FLAGS == 0:
            if best < 0:
                newest[vehicle] = at
            else:
                other = rows[best]
                if row.time_ms > other.time_ms or (
                    row.time_ms == other.time_ms
                    and (
                        row.sequence > other.sequence
                        or (row.sequence == other.sequence and row.report_id > other.report_id)
                    )
                ):
                    newest[vehicle] = at
        if row.odometer_m == ODOMETER_NONE or row.flags & FLAG_TIME_BAD != 0:
            continue
        day = np.uint16((row.time_ms + DAY_OFFSET_MS) // DAY_MS)
        found = last_day[vehicle]
        while found >= 0 and (mileage[found].day != day or mileage[found].terminal != row.terminal):
            found = day_before[found]
        if found < 0:
            mileage[days].vehicle_id = row.vehicle_id
            mileage[days].terminal = row.terminal
            mileage[days].day = day
            mileage[days].odometer_m_min = row.odometer_m
            mileage[days].odometer_m_max = row.odometer_m
            mileage[days].time_ms_min = row.time_ms
            mileage[days].time_ms_max = row.time_ms
            mileage[days].speed_kmh10_max = row.speed_kmh10
            day_before[days] = last_day[vehicle]
            last_day[vehicle] = days
            days += 1
            continue
        mileage[found].odometer_m_min = min(mileage[found].odometer_m_min, row.odometer_m)
        mileage[found].odometer_m_max = max(mileage[found].odometer_m_max, row.odometer_m)
        mileage[found].time_ms_min = min(mileage[found].time_ms_min, row.time_ms)
        mileage[found].time_ms_max = max(mileage[found].time_ms_max, row.time_ms)
        mileage[found].speed_kmh10_max = max(mileage[found].speed_kmh10_max, row.speed_kmh10)
    return vehicles, days


def summarise(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the newest good report of each vehicle, (m,) REPORT, and what each drove by day, (k,) MILEAGE.

    Newest is the highest fix time; of equal ones the later frame, of one frame the higher report_id. Both are in order
    of vehicles.
    """
    rows = np.ascontiguousarray(rows)
    slots_bits = int(rows.size).bit_length() + 1
    slots = np.zeros(1 << slots_bits, np.int32)
    vehicle_ids, newest, last_day, day_before = np.empty((4, rows.size), np.int32)
    mileage = np.empty(rows.size, MILEAGE)
    vehicles, days = _summarise(rows, slots, slots_bits, vehicle_ids, newest, last_day, day_before, mileage)
    newest = newest[:vehicles][newest[:vehicles] >= 0]
    # Few beside the rows: sorting these costs a tenth of sorting the rows.
    newest = newest[np.argsort(rows["vehicle_id"][newest])]
    return _picked(rows, newest), _picked(mileage, np.argsort(mileage["vehicle_id"][:days]))


def _picked(rows: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return rows[indices]. Picked as bytes: numpy would copy a structure field by field, at 15 times the cost."""
    return rows.view(f"V{rows.dtype.itemsize}")[indices].view(rows.dtype)


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
