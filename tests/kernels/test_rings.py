"""Rings that cross are found: against a slow oracle of fractions, and by hand."""

from fractions import Fraction
from itertools import combinations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.kernels import rings
from core.kernels.rings import EDGES_CROSS, EDGES_FOLD, HOLE_IN_HOLE, HOLE_OUTSIDE, RINGS_SOUND, check_rings

Point = tuple[int, int]


def check(*given: list[Point]) -> tuple[int, int, int]:
    """Run the kernel on rings of (x, y)."""
    points = [point for ring in given for point in ring]
    lons = np.array([x for x, _ in points], np.int64)
    lats = np.array([y for _, y in points], np.int64)
    firsts = np.append(0, np.cumsum([len(ring) for ring in given])).astype(np.int64)
    return check_rings(lats, lons, firsts)


def common(p: Point, q: Point, r: Point, s: Point) -> set[tuple[Fraction, Fraction]] | None:
    """Oracle: the points that two segments share: none, one, or None for a whole stretch; by solving for it."""
    d = (q[0] - p[0], q[1] - p[1])
    e = (s[0] - r[0], s[1] - r[1])
    across = d[0] * e[1] - d[1] * e[0]
    off = (r[0] - p[0], r[1] - p[1])
    if across:
        t = Fraction(off[0] * e[1] - off[1] * e[0], across)
        u = Fraction(off[0] * d[1] - off[1] * d[0], across)
        return {(p[0] + t * d[0], p[1] + t * d[1])} if 0 <= t <= 1 and 0 <= u <= 1 else set()
    if off[0] * d[1] - off[1] * d[0]:
        return set()
    square = d[0] ** 2 + d[1] ** 2
    low, high = sorted(Fraction((k[0] - p[0]) * d[0] + (k[1] - p[1]) * d[1], square) for k in (r, s))
    low, high = max(low, Fraction(0)), min(high, Fraction(1))
    if low > high:
        return set()
    return {(p[0] + low * d[0], p[1] + low * d[1])} if low == high else None


def simple(ring: list[Point]) -> bool:
    edges = list(zip(ring, ring[1:] + ring[:1], strict=True))
    for (i, e), (j, f) in combinations(enumerate(edges), 2):
        shared = common(*e, *f)
        allowed = set()
        if j == i + 1:
            allowed = {(Fraction(f[0][0]), Fraction(f[0][1]))}
        if i == 0 and j == len(edges) - 1:
            allowed |= {(Fraction(e[0][0]), Fraction(e[0][1]))}
        if shared is None or not shared <= allowed:
            return False
    return True


point = st.tuples(st.integers(0, 6), st.integers(0, 6))


@settings(max_examples=400, deadline=None)
@given(st.lists(point, min_size=3, max_size=8), st.sampled_from([1, 299_999_999]))
@example([(0, 0), (4, 0), (4, 4), (0, 4)], 1)
def test_a_ring_is_sound_when_no_two_edges_share_more_than_their_corner(ring: list[Point], scale: int) -> None:
    ring = [p for k, p in enumerate(ring) if p != ring[k - 1]]
    if len(set(ring)) < 3:
        return
    # Three times 299,999,999 twice is nearly 180 degrees: products come near to 2^62.
    made = [((x - 3) * scale, (y - 3) * scale) for x, y in ring]
    assert (check(made)[0] == RINGS_SOUND) == simple(ring)


def test_what_is_wrong_is_named_by_its_edges() -> None:
    assert check([(0, 0), (10, 10), (10, 0), (0, 10)]) == (EDGES_CROSS, 0, 2)
    assert check([(0, 0), (10, 0), (4, 0), (0, 10)])[0] == EDGES_FOLD
    assert check([(0, 0), (10, 0), (5, 0), (5, 8)])[:1] == (EDGES_FOLD,)
    square = [(0, 0), (10, 0), (10, 10), (0, 10)]
    assert check(square, [(20, 20), (22, 20), (21, 22)]) == (HOLE_OUTSIDE, 4, 4)
    assert check(square, [(5, 5), (15, 5), (8, 8)])[0] == EDGES_CROSS
    assert check(square, [(2, 2), (8, 2), (8, 8), (2, 8)], [(4, 4), (5, 4), (5, 5)]) == (HOLE_IN_HOLE, 8, 4)
    assert check(square, [(2, 2), (3, 2), (3, 3)], [(6, 6), (7, 6), (7, 7)])[0] == rings.RINGS_SOUND
