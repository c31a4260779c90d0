"""What a track says in short, and the same track with fewer points.

A track is the reports of one vehicle in order of time. Between two points lies a *leg*, which belongs to its later
point: driven, stood through, a gap (nothing heard for long, and the car is elsewhere) or a jump (no car is that fast:
the position lies). Gaps and jumps are never counted as driven, and no thinning reaches across one.
"""

import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit, types

from core.kernels.geodesy import METRES_PER_UNIT, RADIANS_PER_UNIT, distance_m
from protocols.report import ODOMETER_NONE

LEG_DRIVEN: Final = 0
LEG_STOOD: Final = 1
LEG_GAP: Final = 2
LEG_JUMP: Final = 3

STANDING_KMH10: Final = 30
"""A car standing still is reported with up to 3 km/h by some receivers."""
GAP_MS: Final = 180_000
"""Terminals that drive report every 10 to 60 s. Three minutes of silence are a gap where the car has moved meanwhile,
and standing where it has not: parked, many report every half hour."""
STOOD_M: Final = 150.0
"""How far a parked car's position wanders between two reports among high buildings."""
WANDER_M: Final = 50.0
"""... and between two reports that follow one another. Farther, and it has crept on, whatever the speeds sent."""
STOP_MS: Final = 120_000
"""Standing this long is a stop; shorter is a traffic light."""
JUMP_KMH: Final = 250.0
JUMP_M: Final = 300.0
"""Two points farther apart than this that would need more than 250 km/h are a jump; nearer ones are noise."""
WINDOW: Final = 512
"""At least one point in so many is kept: it bounds the work of thinning to 512 comparisons a point (100,000 points
that all matter: half a second; the tracks that cars drive: a few milliseconds)."""

UNITS_HALF_TURN: Final = 1_800_000_000
UNITS_TURN: Final = 2 * UNITS_HALF_TURN

_I8: Final = types.int64[::1]
_I4: Final = types.int32[::1]
_U2: Final = types.uint16[::1]
_U1: Final = types.uint8[::1]


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True)
def east_1e7(lon_a_1e7, lon_b_1e7):  # type: ignore[no-untyped-def]
    """Return how far b lies east of a in 1e-7 degree, the shorter way round."""
    east = lon_b_1e7 - lon_a_1e7
    if east > UNITS_HALF_TURN:
        east -= UNITS_TURN
    elif east < -UNITS_HALF_TURN:
        east += UNITS_TURN
    return east


@njit(types.void(_I8, _I4, _I4, _U2, _I8, _U1, types.float64[::1]), cache=True, nogil=True)
def measure_legs(time_ms, lat_1e7, lon_1e7, speed_kmh10, odometer_m, leg, metres):  # type: ignore[no-untyped-def]
    """Say of each leg what it is and how long.

    A leg's length is what the odometer counted, where both ends have one, it did not go back, and a car can have driven
    that far; else the great-circle distance. What was stood through and a gap are as long as the odometer says, which
    counts in hundreds of metres and through silence; without one they are 0 long. A jump is 0 long.

    Args:
        time_ms, odometer_m: (n,) int64, time rising; odometer -1 where none was sent. lat_1e7, lon_1e7: (n,) int32.
        leg: (n,) uint8, filled with LEG_*; the first is LEG_DRIVEN. metres: (n,) float64, filled; the first is 0.
    """
    for at in range(time_ms.size):
        leg[at] = LEG_DRIVEN
        metres[at] = 0.0
        if at == 0:
            continue
        took_ms = time_ms[at] - time_ms[at - 1]
        straight_m = distance_m(lat_1e7[at - 1], lon_1e7[at - 1], lat_1e7[at], lon_1e7[at])
        fastest_m = JUMP_M + JUMP_KMH / 3.6 * (took_ms / 1000)
        counted_m = -1.0
        if odometer_m[at] >= 0 and odometer_m[at - 1] >= 0:
            counted_m = float(odometer_m[at] - odometer_m[at - 1])
            if counted_m > fastest_m:
                counted_m = -1.0
        if straight_m > fastest_m:
            leg[at] = LEG_JUMP
        elif took_ms > GAP_MS:
            if straight_m <= STOOD_M and counted_m <= STOOD_M:
                leg[at] = LEG_STOOD
            else:
                leg[at] = LEG_GAP
            metres[at] = max(counted_m, 0.0)
        elif (
            speed_kmh10[at] <= STANDING_KMH10
            and speed_kmh10[at - 1] <= STANDING_KMH10
            and straight_m <= WANDER_M
            # The odometer counts hundreds of metres: one step is not yet driving.
            and counted_m <= STOOD_M
        ):
            leg[at] = LEG_STOOD
            metres[at] = max(counted_m, 0.0)
        elif counted_m >= 0.0:
            metres[at] = counted_m
        else:
            metres[at] = straight_m


@njit(types.int64(_I8, _I4, _I4, types.float64, types.boolean[::1]), cache=True, nogil=True)
def keep_within(time_ms, lat_1e7, lon_1e7, tolerance_m, keep):  # type: ignore[no-untyped-def]
    """Mark points so that no point is farther than the tolerance from where the kept ones say the car was at its time.

    The place at a time between two kept points is taken on the straight line between them, in proportion to the time.
    So not only the line on the map holds, but also where on it a car in a replay is: braking, waiting and turning all
    keep their points.

    Args:
        time_ms: (n,) int64, rising. lat_1e7, lon_1e7: (n,) int32.
        keep: (n,) bool; points set on entry are kept anyway. The first, the last, and one in WINDOW are set too.

    Returns:
        how many are kept.

    Source: top-down time ratio, Meratnia and de By, Spatiotemporal compression techniques, EDBT 2004: the line
    simplification of Douglas and Peucker with that distance.
    """
    count = time_ms.size
    if count == 0:
        return 0
    stack = np.empty((2 * WINDOW + 2, 2), np.int64)
    keep[0] = True
    keep[count - 1] = True
    first = 0
    kept = 1
    while first < count - 1:
        last = min(first + WINDOW, count - 1)
        for at in range(first + 1, last + 1):
            if keep[at]:
                last = at
                break
        keep[last] = True
        stack[0, 0] = first
        stack[0, 1] = last
        depth = 1
        while depth > 0:
            depth -= 1
            a = stack[depth, 0]
            b = stack[depth, 1]
            worst = tolerance_m * tolerance_m
            split = -1
            took_ms = time_ms[b] - time_ms[a]
            north = np.int64(lat_1e7[b]) - lat_1e7[a]
            east = east_1e7(lon_1e7[a], lon_1e7[b])
            metres_east = METRES_PER_UNIT * math.cos(lat_1e7[a] * RADIANS_PER_UNIT)
            for at in range(a + 1, b):
                part = (time_ms[at] - time_ms[a]) / took_ms if took_ms > 0 else 0.0
                y = (np.int64(lat_1e7[at]) - lat_1e7[a] - part * north) * METRES_PER_UNIT
                x = (east_1e7(lon_1e7[a], lon_1e7[at]) - part * east) * metres_east
                if x * x + y * y > worst:
                    worst = x * x + y * y
                    split = at
            if split >= 0:
                keep[split] = True
                stack[depth, 0] = a
                stack[depth, 1] = split
                stack[depth + 1, 0] = split
                stack[depth + 1, 1] = b
                depth += 2
        first = last
    for at in range(1, count):
        kept += keep[at]
    return kept


class Stop(NamedTuple):
    """Where a car stood: from its first to its last point there, both within the track."""

    first: int
    last: int


class Survey(NamedTuple):
    """What a track says in short."""

    distance_m: float
    driven_ms: int
    stood_ms: int
    gap_ms: int
    gaps: int
    jumps: int
    odometer_share: float
    """Part of the legs driven whose length the odometer gave, 0 to 1."""
    stops: list[Stop]
    leg: Any
    """(n,) uint8, LEG_*."""
    metres: Any
    """(n,) float64, length of each leg."""


def survey(time_ms: Any, lat_1e7: Any, lon_1e7: Any, speed_kmh10: Any, odometer_m: Any) -> Survey:
    """Measure a track; see `measure_legs` for the columns. One without points is 0 in everything."""
    count = len(time_ms)
    leg, metres = np.zeros(count, np.uint8), np.zeros(count)
    if len(np.unique(odometer_m[odometer_m >= 0])) < 2:
        # Some terminals send the same number for ever: a counter that does not count is none.
        odometer_m = np.full(count, ODOMETER_NONE, np.int64)
    measure_legs(time_ms, lat_1e7, lon_1e7, speed_kmh10, odometer_m, leg, metres)
    took_ms = np.diff(time_ms, prepend=time_ms[:1])
    driven = leg == LEG_DRIVEN
    driven[:1] = False
    odometer = driven[1:] & (odometer_m[1:] >= 0) & (odometer_m[:-1] >= 0)
    return Survey(
        distance_m=float(metres.sum()),
        driven_ms=int(took_ms[driven].sum()),
        stood_ms=int(took_ms[leg == LEG_STOOD].sum()),
        gap_ms=int(took_ms[leg >= LEG_GAP].sum()),
        gaps=int((leg == LEG_GAP).sum()),
        jumps=int((leg == LEG_JUMP).sum()),
        odometer_share=float(odometer.sum() / max(int(driven.sum()), 1)),
        stops=_stops(time_ms, leg),
        leg=leg,
        metres=metres,
    )


def _stops(time_ms: Any, leg: Any) -> list[Stop]:
    """Return the runs of legs stood through that took STOP_MS or longer."""
    edges = np.diff((leg == LEG_STOOD).astype(np.int8), prepend=0, append=0)
    # The first leg of a run begins at the point before it.
    firsts, lasts = np.flatnonzero(edges == 1) - 1, np.flatnonzero(edges == -1) - 1
    return [
        Stop(int(first), int(last))
        for first, last in zip(firsts, lasts, strict=True)
        if time_ms[last] - time_ms[first] >= STOP_MS
    ]


def thin(time_ms: Any, lat_1e7: Any, lon_1e7: Any, tolerance_m: float, marks: Any, found: Survey) -> Any:
    """Return the indices of the points to keep, rising, (m,) int64.

    Kept whatever the tolerance: both ends, the ends of stops, of gaps and of jumps, and both points of each change of
    `marks`.

    Args:
        marks: (n,) integers; what a viewer must not lose a change of (alarm bits, ignition).
        found: what `survey` says of this very track.
    """
    keep = np.zeros(len(time_ms), np.bool_)
    for stop in found.stops:
        keep[[stop.first, stop.last]] = True
    apart = np.flatnonzero(found.leg >= LEG_GAP)
    changed = np.flatnonzero(marks[1:] != marks[:-1]) + 1
    for later in (apart, changed):
        keep[later] = True
        keep[later - 1] = True
    keep_within(time_ms, lat_1e7, lon_1e7, tolerance_m, keep)
    return np.flatnonzero(keep)
