"""Lines drawn with fewer points: for a map whose pixel is larger than what is left out."""

import numpy as np
from numba import njit, types

_F8 = types.float64[::1]
_I8 = types.int64[::1]


@njit(types.boolean[::1](_F8, _F8, _I8, types.float64), cache=True, nogil=True)
def simplify(x, y, firsts, tolerance):  # type: ignore[no-untyped-def]
    """Tell which points of several lines are kept so that none that is left out is further than `tolerance` from them.

    Args:
        x, y: (n,) float64, in one plane.
        firsts: (lines + 1,) int64, where each line begins; a ring repeats its first point at its end.
        tolerance: in the units of x and y; nothing is left out at 0 but what lies exactly on the way.

    Returns:
        (n,) bool. The first and the last point of a line are always kept. A ring that is smaller than the tolerance
        keeps these two only.

    Source: Douglas and Peucker, The Canadian Cartographer 10(2), 1973.
    """
    kept = np.zeros(len(x), np.bool_)
    # Halves still to be looked at. Each look takes one away and adds two shorter ones: never more than points.
    stack = np.empty((len(x) + 2, 2), np.int64)
    square_max = tolerance * tolerance
    for line in range(len(firsts) - 1):
        first, last = firsts[line], firsts[line + 1] - 1
        if last < first:
            continue
        kept[first] = True
        kept[last] = True
        stack[0, 0], stack[0, 1] = first, last
        depth = 1
        while depth > 0:
            depth -= 1
            a, b = stack[depth, 0], stack[depth, 1]
            run, rise = x[b] - x[a], y[b] - y[a]
            length = run * run + rise * rise
            farthest, square = -1, square_max
            for k in range(a + 1, b):
                east, north = x[k] - x[a], y[k] - y[a]
                if length > 0.0:
                    along = min(1.0, max(0.0, (east * run + north * rise) / length))
                    east -= along * run
                    north -= along * rise
                distance = east * east + north * north
                if distance > square:
                    farthest, square = k, distance
            if farthest >= 0:
                kept[farthest] = True
                stack[depth, 0], stack[depth, 1] = a, farthest
                stack[depth + 1, 0], stack[depth + 1, 1] = farthest, b
                depth += 2
    return kept
