"""Whether the rings of a polygon are what a person means by one: no edges that cross, holes inside the outline.

Coordinates are int32 at 1e-7 degree held in int64, and every predicate is exact, as in core/kernels/geofence.py: rings
narrower than 180 degrees keep the products below 2^62.
"""

from typing import Final

import numpy as np
from numba import njit, types

RINGS_SOUND: Final = 0
EDGES_CROSS: Final = 1
"""Two edges cross or touch that do not follow one another."""
EDGES_FOLD: Final = 2
"""An edge goes back over the one before it."""
HOLE_OUTSIDE: Final = 3
"""A hole lies outside of the outline."""
HOLE_IN_HOLE: Final = 4

_I8: Final = types.int64[::1]
_INT: Final = types.int64


@njit(_INT(_INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _turn(lat_a, lon_a, lat_b, lon_b, lat, lon):  # type: ignore[no-untyped-def]
    """Return 1 if the point lies left of the way from a to b, -1 if right, 0 if on its line."""
    turn = (lon_b - lon_a) * (lat - lat_a) - (lat_b - lat_a) * (lon - lon_a)
    if turn > 0:
        return 1
    return -1 if turn < 0 else 0


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _in_box(lat_a, lon_a, lat_b, lon_b, lat, lon):  # type: ignore[no-untyped-def]
    """Tell whether a point on the line of a and b lies between them, ends included."""
    return min(lat_a, lat_b) <= lat <= max(lat_a, lat_b) and min(lon_a, lon_b) <= lon <= max(lon_a, lon_b)


@njit(types.boolean(_I8, _I8, _I8, _INT, _INT), cache=True, nogil=True)
def _meet(lats, lons, ends, e, f):  # type: ignore[no-untyped-def]
    """Tell whether the closed edges e and f have a point in common."""
    lat_a, lon_a, lat_b, lon_b = lats[e], lons[e], lats[ends[e]], lons[ends[e]]
    lat_c, lon_c, lat_d, lon_d = lats[f], lons[f], lats[ends[f]], lons[ends[f]]
    c = _turn(lat_a, lon_a, lat_b, lon_b, lat_c, lon_c)
    d = _turn(lat_a, lon_a, lat_b, lon_b, lat_d, lon_d)
    a = _turn(lat_c, lon_c, lat_d, lon_d, lat_a, lon_a)
    b = _turn(lat_c, lon_c, lat_d, lon_d, lat_b, lon_b)
    if c * d < 0 and a * b < 0:
        return True
    return (
        (c == 0 and _in_box(lat_a, lon_a, lat_b, lon_b, lat_c, lon_c))
        or (d == 0 and _in_box(lat_a, lon_a, lat_b, lon_b, lat_d, lon_d))
        or (a == 0 and _in_box(lat_c, lon_c, lat_d, lon_d, lat_a, lon_a))
        or (b == 0 and _in_box(lat_c, lon_c, lat_d, lon_d, lat_b, lon_b))
    )


@njit(types.boolean(_I8, _I8, _INT, _INT, _INT), cache=True, nogil=True)
def _ring_holds(lats, lons, first, last, point):  # type: ignore[no-untyped-def]
    """Tell whether corner `point` lies in the ring of corners first to last - 1, by the even-odd rule."""
    lat, lon = lats[point], lons[point]
    holds = False
    before = last - 1
    for k in range(first, last):
        if (lats[k] > lat) != (lats[before] > lat):
            turn = _turn(lats[before], lons[before], lats[k], lons[k], lat, lon)
            # Northwards the point is west of the edge when it lies left of it.
            if turn == (1 if lats[k] > lats[before] else -1):
                holds = not holds
        before = k
    return holds


@njit(types.UniTuple(_INT, 3)(_I8, _I8, _I8), cache=True, nogil=True)
def check_rings(lats, lons, firsts):  # type: ignore[no-untyped-def]
    """Find the first thing wrong with the rings of one polygon.

    Edges are looked at in the order of their western ends, each against those that begin before it ends: 10,000 corners
    take some ms, and 0.15 s if all of them overlap.

    Args:
        lats, lons: (n,) int64 corners of all rings one after the other, none repeated at its ring's end, no two alike
            running; at least three a ring.
        firsts: (rings + 1,) int64, where each ring begins; the first is the outline.

    Returns:
        (what, a, b): what is one of the constants above; a and b number two edges by the corners they begin at
        (EDGES_CROSS, EDGES_FOLD, a before b), or a is the first corner of the hole.
    """
    count = lats.shape[0]
    ends = np.empty(count, np.int64)
    for ring in range(firsts.shape[0] - 1):
        for k in range(firsts[ring], firsts[ring + 1]):
            ends[k] = k + 1 if k + 1 < firsts[ring + 1] else firsts[ring]
    # Neighbours meet in a corner, but must not lie on one another. The edge behind a fold always touches one of the
    # two: looked for first, so that it has its name.
    for before in range(count):
        after = ends[before]
        far = ends[after]
        ahead = (lats[after] - lats[before]) * (lats[far] - lats[after]) + (lons[after] - lons[before]) * (
            lons[far] - lons[after]
        )
        if ahead < 0 and _turn(lats[before], lons[before], lats[after], lons[after], lats[far], lons[far]) == 0:
            return EDGES_FOLD, before, after
    wests = np.empty(count, np.int64)
    for k in range(count):
        wests[k] = min(lons[k], lons[ends[k]])
    order = np.argsort(wests)
    for place in range(count):
        e = order[place]
        east = max(lons[e], lons[ends[e]])
        north = max(lats[e], lats[ends[e]])
        south = min(lats[e], lats[ends[e]])
        for other in range(place + 1, count):
            f = order[other]
            if wests[f] > east:
                break
            if min(lats[f], lats[ends[f]]) > north or max(lats[f], lats[ends[f]]) < south:
                continue
            if ends[e] != f and ends[f] != e and _meet(lats, lons, ends, e, f):
                return EDGES_CROSS, min(e, f), max(e, f)
    for hole in range(1, firsts.shape[0] - 1):
        if not _ring_holds(lats, lons, firsts[0], firsts[1], firsts[hole]):
            return HOLE_OUTSIDE, firsts[hole], firsts[hole]
        for other in range(1, firsts.shape[0] - 1):
            if other != hole and _ring_holds(lats, lons, firsts[other], firsts[other + 1], firsts[hole]):
                return HOLE_IN_HOLE, firsts[hole], firsts[other]
    return RINGS_SOUND, 0, 0
