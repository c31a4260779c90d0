"""Fence lookup against a slow oracle of another kind: winding numbers in Python's own integers."""

import math
import random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.kernels.geodesy import METRES_PER_UNIT, distance_m, segment_distance_m
from core.kernels.geofence import (
    CELL_SHIFT,
    PAGE_SHIFT,
    ROOT_SHIFT,
    Circle,
    Fence,
    FenceError,
    FenceIndex,
    Polygon,
    build_index,
    locate_each,
    near,
    number_of,
)
from core.limits import FENCE_CORNERS_MAX, FENCE_RADIUS_M_MAX

Point = tuple[int, int]
Ring = list[Point]

SHANGHAI = (312_300_000, 1_214_700_000)


def located(index: FenceIndex, points: list[Point], room: int = 64) -> list[set[int]]:
    """Return the ids of the fences that hold each point, as the compiled lookup says."""
    lats = np.array([lat for lat, _ in points], np.int32)
    lons = np.array([lon for _, lon in points], np.int32)
    counts = np.zeros(len(points), np.int32)
    out = np.full((len(points), room), -1, np.int32)
    locate_each(*index.addresses, lats, lons, counts, out.ctypes.data, room)
    ids = index.table[index.table[1] :]
    found = [[int(ids[number]) for number in row[:count]] for row, count in zip(out, counts, strict=True)]
    assert all(len(set(numbers)) == len(numbers) for numbers in found), "a fence was found twice"
    return [set(numbers) for numbers in found]


def holds(rings: list[Ring], point: Point) -> bool:
    """Oracle: on a boundary, or an odd winding number over all rings (Sunday's winding rule, unbounded integers)."""
    lat, lon = point
    winding = 0
    for ring in rings:
        for (lat_a, lon_a), (lat_b, lon_b) in zip(ring, ring[1:] + ring[:1], strict=True):
            turn = (lon_b - lon_a) * (lat - lat_a) - (lat_b - lat_a) * (lon - lon_a)
            between = min(lat_a, lat_b) <= lat <= max(lat_a, lat_b) and min(lon_a, lon_b) <= lon <= max(lon_a, lon_b)
            if turn == 0 and between:
                return True
            if lat_a <= lat < lat_b and turn < 0:
                winding += 1
            elif lat_b <= lat < lat_a and turn > 0:
                winding -= 1
    return winding % 2 == 1


def adversarial(rings: list[Ring], rng: random.Random, most: int) -> list[Point]:
    """Return `most` points that hurt: corners, midpoints, heights of corners, squares' borders, neighbours of all."""
    corners = [corner for ring in rings for corner in ring]
    points = list(corners)
    for ring in rings:
        for (lat_a, lon_a), (lat_b, lon_b) in zip(ring, ring[1:] + ring[:1], strict=True):
            points.append(((lat_a + lat_b) // 2, (lon_a + lon_b) // 2))
            # Lattice points exactly on the edge, if it has any.
            steps = math.gcd(lat_b - lat_a, lon_b - lon_a)
            if steps > 1:
                step = rng.randrange(1, steps)
                points.append((lat_a + (lat_b - lat_a) // steps * step, lon_a + (lon_b - lon_a) // steps * step))
    lats, lons = [lat for lat, _ in corners], [lon for _, lon in corners]
    for _ in range(40):
        points.append((rng.choice(lats), rng.randint(min(lons) - 5, max(lons) + 5)))
        points.append((rng.randint(min(lats) - 5, max(lats) + 5), rng.choice(lons)))
        points.append((rng.randint(min(lats), max(lats)), rng.randint(min(lons), max(lons))))
    for shift in (ROOT_SHIFT, PAGE_SHIFT, CELL_SHIFT):
        for lat, lon in points[:40]:
            points.append(((lat + 900_000_000 >> shift << shift) - 900_000_000, lon))
            points.append((lat, (lon + 1_800_000_000 >> shift << shift) - 1_800_000_000))
            points.append((points[-2][0], points[-1][1]))
    near_by = points + [(lat + rng.randint(-1, 1), lon + rng.randint(-1, 1)) for lat, lon in points]
    chosen = rng.sample(near_by, min(most, len(near_by)))
    return [(lat, lon) for lat, lon in chosen if abs(lat) <= 900_000_000 and abs(lon) <= 1_800_000_000]


def check(shapes: list[list[Ring]], seed: int = 0, most: int = 400) -> None:
    index = build_index([Fence(k + 1, Polygon(rings)) for k, rings in enumerate(shapes)])
    rng = random.Random(seed)
    for rings in shapes:
        points = adversarial(rings, rng, most)
        expected = [{k + 1 for k, others in enumerate(shapes) if holds(others, point)} for point in points]
        for point, want, got in zip(points, expected, located(index, points), strict=True):
            assert got == want, f"{point=}"


# Corners near the borders of squares of every level, where the walk's ends and corners fall together.
near_border = st.builds(
    lambda shift, number, off: (number << shift) + off,
    st.sampled_from([PAGE_SHIFT, CELL_SHIFT, CELL_SHIFT, 3]),
    st.integers(-4, 4),
    st.sampled_from([-1, 0, 0, 0, 1, 2]),
)
corner = st.tuples(near_border, near_border).map(
    lambda offsets: (
        (SHANGHAI[0] + 900_000_000 >> PAGE_SHIFT << PAGE_SHIFT) - 900_000_000 + offsets[0],
        (SHANGHAI[1] + 1_800_000_000 >> PAGE_SHIFT << PAGE_SHIFT) - 1_800_000_000 + offsets[1],
    )
)
ring = st.lists(corner, min_size=3, max_size=9, unique=True)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ring, min_size=1, max_size=3), min_size=1, max_size=4))
def test_lookup_agrees_with_winding_numbers_on_any_rings(shapes: list[list[Ring]]) -> None:
    check(shapes, most=100)


def star(rng: random.Random, centre: Point, size: int, corners: int) -> Ring:
    """Return a simple polygon around a centre."""
    angles = sorted(rng.random() * 2 * math.pi for _ in range(corners))
    reach = [size * rng.uniform(0.3, 1) for _ in angles]
    return [
        (centre[0] + int(r * math.sin(a)), centre[1] + int(r * math.cos(a))) for a, r in zip(angles, reach, strict=True)
    ]


@pytest.mark.parametrize("size", [50, 3_000, 40_000, 600_000, 20_000_000])
def test_lookup_agrees_with_winding_numbers_at_every_size(size: int) -> None:
    rng = random.Random(size)
    shapes = []
    for _ in range(12):
        centre = (SHANGHAI[0] + rng.randint(-2 * size, 2 * size), SHANGHAI[1] + rng.randint(-2 * size, 2 * size))
        outline = star(rng, centre, size, rng.randint(3, 40))
        hole = [((lat - centre[0]) // 3 + centre[0], (lon - centre[1]) // 3 + centre[1]) for lat, lon in outline]
        shapes.append([outline, hole] if rng.random() < 0.5 else [outline])
    check(shapes, size, most=150)


def test_a_giant_is_exact() -> None:
    # Nearly half the earth wide: products of differences come near to 2^62.
    ring = [(-899_999_999, -899_999_998), (-800_000_001, 899_999_997), (899_999_999, 899_999_999), (10, -899_999_999)]
    check([[ring], [star(random.Random(3), (0, 0), 850_000_000, 17)]])


def test_edges_of_the_earth_hold_their_points() -> None:
    east = [(0, 1_799_000_000), (0, 1_800_000_000), (10_000, 1_800_000_000), (10_000, 1_799_000_000)]
    pole = [(899_000_000, 0), (900_000_000, 0), (900_000_000, 90_000), (899_000_000, 90_000)]
    check([[east], [pole]])


def test_a_hole_is_outside_and_its_boundary_inside() -> None:
    outline = [(0, 0), (0, 1000), (1000, 1000), (1000, 0)]
    hole = [(400, 400), (400, 600), (600, 600), (600, 400)]
    index = build_index([Fence(9, Polygon([outline, hole]))])
    assert located(index, [(500, 500), (400, 500), (399, 500), (1000, 1000), (1001, 1000)]) == [
        set(),
        {9},
        {9},
        {9},
        set(),
    ]


def test_a_ring_may_repeat_its_first_corner_and_others() -> None:
    ring = [(0, 0), (0, 1000), (0, 1000), (1000, 1000), (0, 0)]
    index = build_index([Fence(1, Polygon([ring]))])
    assert located(index, [(500, 800), (900, 100)]) == [{1}, set()]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(-700_000_000, 700_000_000),
    st.integers(-1_700_000_000, 1_700_000_000),
    st.sampled_from([1.0, 30.0, 500.0, 19_999.0, 20_001.0, 300_000.0]),
    st.integers(0, 2**32),
)
@example(600_000_000, 0, 400_000.0, 1)
def test_a_circle_holds_what_is_within_its_radius(lat: int, lon: int, radius_m: float, seed: int) -> None:
    rng = random.Random(seed)
    index = build_index([Fence(5, Circle(lat, lon, radius_m))])
    points = [(lat, lon)]
    for _ in range(300):
        bearing = rng.random() * 2 * math.pi
        far = radius_m / METRES_PER_UNIT * rng.choice([0.3, 0.9, 0.999, 1, 1.001, 1.1]) + rng.uniform(-2, 2)
        cosine = math.cos(math.radians(lat / 1e7))
        points.append((lat + int(far * math.sin(bearing)), lon + int(far * math.cos(bearing) / cosine)))
    points = [(p, q) for p, q in points if abs(p) <= 900_000_000 and abs(q) <= 1_800_000_000]
    for (p, q), found in zip(points, located(index, points), strict=True):
        assert (5 in found) == (distance_m(lat, lon, p, q) <= radius_m), f"{p=} {q=}"


def test_distance_is_that_of_a_slow_formula() -> None:
    rng = random.Random(1)
    for _ in range(500):
        a = rng.randint(-900_000_000, 900_000_000), rng.randint(-1_800_000_000, 1_800_000_000)
        b = rng.randint(-900_000_000, 900_000_000), rng.randint(-1_800_000_000, 1_800_000_000)
        vectors = []
        for lat, lon in (a, b):
            p, q = math.radians(lat / 1e7), math.radians(lon / 1e7)
            vectors.append(np.array([math.cos(p) * math.cos(q), math.cos(p) * math.sin(q), math.sin(p)]))
        angle = math.atan2(float(np.linalg.norm(np.cross(*vectors))), float(np.dot(*vectors)))
        assert distance_m(*a, *b) == pytest.approx(angle * 6_371_008.8, rel=1e-9, abs=1e-3)


def test_distance_to_a_segment() -> None:
    lat, lon = SHANGHAI
    hundred_m = round(100 / METRES_PER_UNIT)
    assert segment_distance_m(lat, lon, lat + hundred_m, lon - 10**6, lat + hundred_m, lon + 10**6) == pytest.approx(
        100, abs=0.01
    )
    # Beyond its end the end counts; a segment may be a point.
    assert segment_distance_m(lat, lon, lat + hundred_m, lon, lat + 2 * hundred_m, lon) == pytest.approx(100, abs=0.01)
    assert segment_distance_m(lat, lon, lat + hundred_m, lon, lat + hundred_m, lon) == pytest.approx(100, abs=0.01)


@pytest.mark.parametrize("shape", ["polygon", "circle"])
def test_near_is_the_strip_around_the_boundary(shape: str) -> None:
    lat, lon = SHANGHAI
    half = round(200 / METRES_PER_UNIT)
    square = Polygon(
        [[(lat - half, lon - half), (lat - half, lon + half), (lat + half, lon + half), (lat + half, lon - half)]]
    )
    index = build_index([Fence(3, Circle(lat, lon, 200.0) if shape == "circle" else square), Fence(1, square)])
    number = number_of(index.addresses[0], 3)
    assert number == 1
    for metres, expected in ((1, True), (14.9, True), (15.1, False), (5000, False)):
        north = lat + half + round(metres / METRES_PER_UNIT)
        assert near(*index.addresses, number, north, lon, 15.0) is expected, f"{metres=}"


def test_an_unknown_id_has_no_number() -> None:
    index = build_index([Fence(3, Circle(*SHANGHAI, 100.0)), Fence(7, Circle(*SHANGHAI, 100.0))])
    assert [number_of(index.addresses[0], k) for k in (1, 3, 5, 7, 9)] == [-1, 0, -1, 1, -1]
    empty = build_index([])
    assert number_of(empty.addresses[0], 3) == -1


def test_no_fences_hold_nothing_and_beyond_the_earth_is_nowhere() -> None:
    whole = Polygon([[(-900_000_000, -899_999_999), (900_000_000, -899_999_999), (900_000_000, 899_999_999)]])
    assert located(build_index([]), [SHANGHAI, (0, 0)]) == [set(), set()]
    beyond = [(2**31 - 1, 0), (-(2**31), 0), (0, 2**31 - 1), (0, -(2**31)), (900_000_001, 0)]
    assert located(build_index([Fence(1, whole)]), beyond) == [set()] * 5


def test_more_fences_than_room_are_counted_and_not_written() -> None:
    index = build_index([Fence(k, Circle(*SHANGHAI, 1000.0 * k)) for k in range(1, 6)])
    counts, out = np.zeros(1, np.int32), np.full(8, -1, np.int32)
    point = (np.array([SHANGHAI[0]], np.int32), np.array([SHANGHAI[1]], np.int32))
    locate_each(*index.addresses, *point, counts, out.ctypes.data, 3)
    assert counts[0] == 5
    assert (out[:3] >= 0).all()
    assert (out[3:] == -1).all()


SQUARE = [(0, 0), (0, 10), (10, 10)]


@pytest.mark.parametrize(
    ("fences", "reason"),
    [
        ([Fence(1, Polygon([[(0, 1_790_000_000), (0, -1_790_000_000), (10, 0)]]))], "antimeridian"),
        ([Fence(1, Polygon([[(0, -900_000_000), (0, 900_000_000), (10, 0)]]))], "180 degrees wide"),
        ([Fence(1, Polygon([SQUARE, [(a, b + 1_800_000_000 - 10) for a, b in SQUARE]]))], "180 degrees apart"),
        ([Fence(1, Circle(0, 1_799_990_000, 1000.0))], "antimeridian"),
        ([Fence(1, Circle(899_990_000, 0, 1000.0))], "pole"),
        ([Fence(1, Circle(0, 0, FENCE_RADIUS_M_MAX + 1))], "bounds"),
        ([Fence(1, Circle(0, 0, 0.0))], "bounds"),
        ([Fence(1, Circle(0, 0, math.nan))], "bounds"),
        ([Fence(1, Circle(900_000_001, 0, 10.0))], "beyond 90"),
        ([Fence(1, Polygon([[(900_000_001, 0), (0, 10), (10, 10)]]))], "beyond 90"),
        ([Fence(1, Polygon([[(0, 0), (0, 10), (0, 0)]]))], "three different corners"),
        ([Fence(1, Polygon([[]]))], "lat_1e7"),
        ([Fence(1, Polygon([]))], "needs a ring"),
        ([Fence(1, Polygon([[(k % 2, k) for k in range(FENCE_CORNERS_MAX + 1)]]))], "the bound is"),
        ([Fence(4, Polygon([SQUARE])), Fence(4, Polygon([SQUARE]))], "two fences"),
        ([Fence(0, Polygon([SQUARE]))], "fence ids"),
        ([Fence(2**31, Polygon([SQUARE]))], "fence ids"),
    ],
)
def test_what_cannot_be_indexed_is_refused_with_the_reason(fences: list[Fence], reason: str) -> None:
    with pytest.raises(FenceError, match=reason):
        build_index(fences)
