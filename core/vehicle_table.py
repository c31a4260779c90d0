"""The hot half of every vehicle: one row a vehicle, one column group a writer, all rows moved by one kernel.

Row number = vehicle id (dense, from 1; 0 is nobody). A group is an array of fixed-width records that start on cache
lines, so a report touches one or two lines of each group. Arrays are allocated for every row there may ever be with
`np.zeros`: that takes address space only, and pages never touched cost nothing.

Who writes what: fleet `position`, `group` and `store`; detection `alarms`. No one else writes them. What else a
detector keeps of each vehicle stands beside its kernel.
"""

import threading
from typing import Final

import numpy as np
from numba import from_dtype, njit, types

from core.limits import TERMINALS_MAX, VEHICLES_MAX
from protocols.memory import prefetch
from protocols.report import FLAG_NO_FIX, FLAG_POSITION_BAD, FLAG_TIME_BAD, REPORT

CACHE_LINE_BYTES: Final = 64

POSITION: Final = np.dtype(
    [
        # The newest fix.
        ("time_ms", "i8"),  # fix time, UTC epoch ms; 0: no fix yet
        ("sequence", "i8"),  # journal sequence of its frame
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        ("speed_kmh10", "u2"),
        ("course_deg", "u2"),
        ("altitude_m", "i2"),
        ("reserved", "u2"),
        # The newest word of the terminal, with or without a fix.
        ("heard_ms", "i8"),  # terminal's time of that report, UTC epoch ms; 0: nothing yet
        ("heard_sequence", "i8"),
        ("arrival_ms", "i8"),  # when it arrived
        ("report_id", "u8"),
        ("odometer_m", "i8"),  # last odometer sent; 0 until then
        ("terminal", "i4"),
        ("status", "u4"),
        ("alarm", "u4"),
        ("flags", "u4"),
        ("padding", "u1", (40,)),
    ],
    align=True,
)
"""Live position and state of a vehicle: two cache lines."""

ALARM_BITS: Final = (0,)
"""Bits of the alarm word that are watched: 0 emergency button (JT/T 808-2013 table 24)."""
ALARM_EPISODES: Final = 3
ALARMS: Final = np.dtype(
    [
        ("time_ms", "i8"),  # time of the newest report judged; 0: none
        ("late_time_ms", "i8"),  # time of the last report that came behind newer ones
        ("word", "u4"),  # watched bits that were up in the newest report ...
        ("late_word", "u4"),  # ... and in the last late one
        ("reserved", "u1", (8,)),
        # Times at which a bit is known to have been up, [bit][episode]: 0 the latest live one, then older or late ones.
        ("first_ms", "i8", (len(ALARM_BITS), ALARM_EPISODES)),
        ("last_ms", "i8", (len(ALARM_BITS), ALARM_EPISODES)),
        ("padding", "u1", (48,)),
    ],
    align=True,
)
"""Alarm latch of one terminal: two cache lines, of which the first alone is touched while nothing is up."""

POSITION_BYTES: Final = POSITION.itemsize
ALARMS_BYTES: Final = ALARMS.itemsize
assert POSITION.itemsize == 2 * CACHE_LINE_BYTES
assert ALARMS.itemsize == 2 * CACHE_LINE_BYTES

LIVE: Final = np.dtype(
    [
        ("vehicle_id", "i4"),
        ("terminal", "i4"),
        ("time_ms", "i8"),
        ("sequence", "i8"),
        ("arrival_ms", "i8"),
        ("odometer_m", "i8"),
        ("lat_1e7", "i4"),
        ("lon_1e7", "i4"),
        ("status", "u4"),
        ("alarm", "u4"),
        ("flags", "u4"),
        ("group", "i4"),
        ("store", "i4"),
        ("speed_kmh10", "u2"),
        ("course_deg", "u2"),
        ("altitude_m", "i2"),
        ("reserved", "u1", (6,)),
    ],
    align=True,
)
"""One row of VehicleTable.live()."""

GROUP_DEFAULT: Final = 1
"""Dealer group of a vehicle that fleet has not given to one (0 in `group`)."""

ROWS_AHEAD: Final = 8
"""Kernels ask for the row of the vehicle this many reports ahead: with 100,000 vehicles each row is a miss, some 80 ns
each if waited for."""

# Counters of update_positions, in the order of its int64 array.
COUNT_APPLIED: Final = 0
COUNT_NO_POSITION: Final = 1
COUNT_OLDER: Final = 2
COUNT_TIME_BAD: Final = 3
COUNT_BEYOND: Final = 4
HIGHEST_VEHICLE: Final = 5
COUNTERS: Final = ("applied", "no_position", "older", "time_bad", "beyond_capacity", "highest_vehicle")

REPORTS_TYPE: Final = types.Array(from_dtype(REPORT), 1, "C")
POSITIONS_TYPE: Final = types.Array(from_dtype(POSITION), 1, "C")
ALARMS_TYPE: Final = types.Array(from_dtype(ALARMS), 1, "C")
LIVE_TYPE: Final = types.Array(from_dtype(LIVE), 1, "C")


def reports_array(rows: np.ndarray) -> np.ndarray:
    """Return the rows as the kernels take them: one-dimensional REPORT, contiguous, writable; a copy only if needed.

    Raises:
        TypeError: not REPORT rows.
    """
    if rows.dtype != REPORT or rows.ndim != 1:
        raise TypeError(f"want a one-dimensional array of REPORT, got {rows.ndim} dimensions of {rows.dtype}")
    return np.require(rows, requirements=["C", "A", "W"])


def zeros_on_lines(length: int, dtype: np.dtype) -> np.ndarray:
    """Return `length` zero records that start on a cache line, untouched: np.zeros aligns to 16 bytes only."""
    raw = np.zeros(length * dtype.itemsize + CACHE_LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE_BYTES
    return raw[start : start + length * dtype.itemsize].view(dtype)


class VehicleTable:
    """Rows of all vehicles, and latches of all terminals, of one node.

    `update_positions` and `live` may be called from different threads. The detection groups belong to the thread that
    judges.

    Attributes:
        capacity: rows; vehicle ids from 1 to capacity - 1 have one.
        position: (capacity,) POSITION, written by update_positions.
        group, store: (capacity,) int32, written by fleet; 0 is GROUP_DEFAULT and no store.
        alarms: (terminals,) ALARMS, row = terminal id.
    """

    def __init__(self, capacity: int = VEHICLES_MAX, terminals: int = TERMINALS_MAX) -> None:
        self.capacity = capacity
        self.position = zeros_on_lines(capacity, POSITION)
        self.group = np.zeros(capacity, np.int32)
        self.store = np.zeros(capacity, np.int32)
        self.alarms = zeros_on_lines(terminals, ALARMS)
        self._counters = np.zeros(len(COUNTERS), np.int64)
        # An update holds it for some 30 ns a row, a copy of 100,000 live rows for a few ms.
        self._lock = threading.Lock()

    def group_of(self, vehicle_id: int) -> int:
        """Return the dealer group of a vehicle, GROUP_DEFAULT where fleet has said none or there is no such row."""
        return (int(self.group[vehicle_id]) if 0 <= vehicle_id < self.capacity else 0) or GROUP_DEFAULT

    def update_positions(self, rows: np.ndarray) -> None:
        """Apply a batch of REPORT rows, in order. Rows that may not touch live state are counted (`statistics`)."""
        rows = reports_array(rows)
        with self._lock:
            update_positions(rows, self.position, self._counters)

    def live(
        self,
        time_ms_min: int = 1,
        sequence_after: int = -1,
        group: int = 0,
        store: int = 0,
        after: int = 0,
        limit: int = VEHICLES_MAX,
    ) -> np.ndarray:
        """Return a copy of the rows that have a position, in order of vehicle id.

        Args:
            time_ms_min: only fixes at this time or later, UTC epoch ms.
            sequence_after: only fixes from frames behind this journal sequence: what is new since the last call.
            group, store: only vehicles of this dealer group or store; 0: all.
            after: only vehicle ids above this.
            limit: at most so many rows; the last one's vehicle id is the next call's `after`.

        Returns:
            (n,) LIVE; n may be 0.
        """
        with self._lock:
            last = int(self._counters[HIGHEST_VEHICLE])
            first = max(after + 1, 1)
            rows = np.zeros(max(0, min(limit, last + 1 - first)), LIVE)
            count = copy_live(
                self.position,
                self.group,
                self.store,
                first,
                last,
                max(time_ms_min, 1),
                sequence_after,
                group,
                store,
                rows,
            )
        return rows[:count].copy()

    def statistics(self) -> dict[str, int]:
        """Return what became of all rows so far, by name (COUNTERS)."""
        return {name: int(self._counters[index]) for index, name in enumerate(COUNTERS)}


@njit(types.void(REPORTS_TYPE, POSITIONS_TYPE, types.int64[::1]), cache=True, nogil=True)
def update_positions(rows, position, counters):  # type: ignore[no-untyped-def]
    """Apply reports to live positions, in order.

    A report is newer when its (time, journal sequence) is not below that of the row: of two reports of one second the
    one that came later wins, and so the last of one frame. A newer report moves status, alarm and liveness; if it has
    a fix, the position too. Fixes are compared with the last fix, not with the last report, so that reports without a
    fix never hold back an older fix that comes after them. A report with a bad time touches nothing.

    Args:
        rows: (n,) REPORT.
        position: (capacity,) POSITION.
        counters: (len(COUNTERS),) int64, added to.
    """
    first = position.ctypes.data
    for i in range(rows.shape[0]):
        if i + ROWS_AHEAD < rows.shape[0]:
            ahead = first + POSITION_BYTES * np.int64(rows[i + ROWS_AHEAD].vehicle_id)
            prefetch(ahead)
            prefetch(ahead + CACHE_LINE_BYTES)
        row = rows[i]
        vehicle = np.int64(row.vehicle_id)
        if vehicle <= 0 or vehicle >= position.shape[0]:
            counters[COUNT_BEYOND] += 1
            continue
        flags = np.int64(row.flags)
        if flags & FLAG_TIME_BAD:
            counters[COUNT_TIME_BAD] += 1
            continue
        state = position[vehicle]
        time_ms = row.time_ms
        sequence = row.sequence
        newer = time_ms > state.heard_ms or (time_ms == state.heard_ms and sequence >= state.heard_sequence)
        if newer:
            state.heard_ms = time_ms
            state.heard_sequence = sequence
            state.arrival_ms = row.arrival_ms
            state.report_id = row.report_id
            state.terminal = row.terminal
            state.status = row.status
            state.alarm = row.alarm
            state.flags = row.flags
            # A terminal may leave the odometer out of some reports: what is known stays.
            if row.odometer_m >= 0:
                state.odometer_m = row.odometer_m
            if vehicle > counters[HIGHEST_VEHICLE]:
                counters[HIGHEST_VEHICLE] = vehicle
        if flags & (FLAG_NO_FIX | FLAG_POSITION_BAD):
            counters[COUNT_NO_POSITION] += 1
        elif time_ms > state.time_ms or (time_ms == state.time_ms and sequence >= state.sequence):
            state.time_ms = time_ms
            state.sequence = sequence
            state.lat_1e7 = row.lat_1e7
            state.lon_1e7 = row.lon_1e7
            state.speed_kmh10 = row.speed_kmh10
            state.course_deg = row.course_deg
            state.altitude_m = row.altitude_m
            counters[COUNT_APPLIED] += 1
        else:
            counters[COUNT_OLDER] += 1


@njit(
    types.int64(
        POSITIONS_TYPE,
        types.int32[::1],
        types.int32[::1],
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        types.int64,
        LIVE_TYPE,
    ),
    cache=True,
    nogil=True,
)
def copy_live(position, groups, stores, first, last, time_ms_min, sequence_after, group, store, out):  # type: ignore[no-untyped-def]
    """Copy what VehicleTable.live asks for, from vehicles first to last, to `out` until it is full; return how many."""
    count = 0
    for vehicle in range(first, last + 1):
        if count == out.shape[0]:
            break
        state = position[vehicle]
        if state.time_ms < time_ms_min or state.sequence <= sequence_after:
            continue
        owner = np.int64(groups[vehicle])
        if owner == 0:
            owner = np.int64(GROUP_DEFAULT)
        if (group != 0 and owner != group) or (store != 0 and stores[vehicle] != store):
            continue
        row = out[count]
        row.vehicle_id = vehicle
        row.terminal = state.terminal
        row.time_ms = state.time_ms
        row.sequence = state.sequence
        row.arrival_ms = state.arrival_ms
        row.odometer_m = state.odometer_m
        row.lat_1e7 = state.lat_1e7
        row.lon_1e7 = state.lon_1e7
        row.status = state.status
        row.alarm = state.alarm
        row.flags = state.flags
        row.group = owner
        row.store = stores[vehicle]
        row.speed_kmh10 = state.speed_kmh10
        row.course_deg = state.course_deg
        row.altitude_m = state.altitude_m
        count += 1
    return count
