"""Lines with fewer points: never further off than the tolerance, ends kept, nothing left out that matters."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.kernels.outline import simplify


def kept_of(*lines: list[tuple[float, float]], tolerance: float) -> list[list[bool]]:
    firsts = np.append(0, np.cumsum([len(line) for line in lines])).astype(np.int64)
    points = np.array([point for line in lines for point in line], np.float64).reshape(-1, 2)
    kept = simplify(points[:, 0].copy(), points[:, 1].copy(), firsts, tolerance).tolist()
    return [kept[a:b] for a, b in itertools.pairwise(firsts)]


def off(point: tuple[float, float], a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return how far a point is from a segment, by another way: complex numbers."""
    p, q, r = complex(*point), complex(*a), complex(*b)
    if q == r:
        return abs(p - q)
    along = ((p - q) / (r - q)).real
    return abs(p - (q + (r - q) * min(1.0, max(0.0, along))))


numbers = st.integers(-50, 50).map(float)
some_lines = st.lists(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=30), min_size=1, max_size=4)


@given(some_lines, st.floats(0, 30))
def test_what_is_left_out_is_within_the_tolerance_of_what_is_kept(
    lines: list[list[tuple[float, float]]], tolerance: float
) -> None:
    for line, kept in zip(lines, kept_of(*lines, tolerance=tolerance), strict=True):
        assert kept[0]
        assert kept[-1]
        corners = [k for k, is_kept in enumerate(kept) if is_kept]
        for a, b in itertools.pairwise(corners):
            assert all(off(line[k], line[a], line[b]) <= tolerance + 1e-9 for k in range(a, b))


def test_a_ring_smaller_than_the_tolerance_keeps_its_ends_only() -> None:
    ring = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 0.0)]
    assert kept_of(ring, ring, tolerance=2) == [[True, False, False, True]] * 2
    assert kept_of(ring, tolerance=0.5) == [[True, True, True, True]]


def test_nothing_and_single_points_are_lines_too() -> None:
    assert kept_of([], [(1.0, 1.0)], [], tolerance=1) == [[], [True], []]
