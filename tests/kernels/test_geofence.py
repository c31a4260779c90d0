"""Fence lookup against a slow oracle of another kind: winding numbers in Python's own integers."""

import math
import random
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.kernels.geodesy import METRES_PER_UNIT, distance_m, segment_distance_m
from core.kernels.geofence import (
    CELL_SHIFT,
    GROUP_MAX,
    HALF_WIDTH_M_MAX,
    PAGE_SHIFT,
    PIECE_MAX_1E7,
    ROOT_SHIFT,
    TURN_1E7,
    WEEK_MINUTES,
    WINDOWS_MAX,
    Circle,
    Corridor,
    Fence,
    FenceError,
    FenceIndex,
    Polygon,
    build_index,
    locate_each,
    near,
    number_of,
    window_at,
)
from core.limits import FENCE_CORNERS_MAX, FENCE_RADIUS_M_MAX, FENCE_RADIUS_M_MIN

Point = tuple[int, int]
Ring = list[Point]

SHANGHAI = (312_300_000, 1_214_700_000)


def located(index: FenceIndex, points: list[Point], room: int = 64, group: int = 1) -> list[set[int]]:
    """Return the ids of the group's fences that hold each point, as the compiled lookup says."""
    lats = np.array([lat for lat, _ in points], np.int32)
    lons = np.array([lon for _, lon in points], np.int32)
    counts = np.zeros(len(points), np.int32)
    out = np.full((len(points), room), -1, np.int32)
    locate_each(index.address, group, lats, lons, counts, out.ctypes.data, room)
    ids = index.records()[:, 0]
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
    number = number_of(index.address, 3)
    assert number == 1
    for metres, expected in ((1, True), (14.9, True), (15.1, False), (5000, False)):
        north = lat + half + round(metres / METRES_PER_UNIT)
        assert near(index.address, number, north, lon, 15.0) is expected, f"{metres=}"


# --- corridors --------------------------------------------------------------------------------------------------------


def pieces(line: list[Point]) -> list[tuple[Point, Point]]:
    """Return the pieces of a corridor's line, whose longitudes go on from point to point, as the index states them."""
    found = []
    for (lat_a, lon_a), (lat_b, lon_b) in pairwise(line):
        count = max(1, math.ceil(Fraction(max(abs(lat_b - lat_a), abs(lon_b - lon_a)), PIECE_MAX_1E7)))
        places = [
            tuple(start + math.floor(Fraction((end - start) * k, count) + Fraction(1, 2)) for start, end in ends)
            for k in range(count + 1)
            for ends in [((lat_a, lat_b), (lon_a, lon_b))]
        ]
        found += list(pairwise(places))
    return found  # type: ignore[return-value]


def corridor_holds(line: list[Point], half_width_m: float, point: Point) -> bool:
    """Oracle: the square of the distance to each piece, in its plane, as a fraction."""
    half = round(half_width_m / METRES_PER_UNIT * 1024)
    for (lat_a, lon_a), (lat_b, lon_b) in pieces(line):
        east = round(math.cos((lat_a + lat_b) * math.pi / 360 / 1e7) * 1024)
        x, y = (point[1] - lon_a) * east, (point[0] - lat_a) * 1024
        x_b, y_b = (lon_b - lon_a) * east, (lat_b - lat_a) * 1024
        length = x_b * x_b + y_b * y_b
        part = min(Fraction(1), max(Fraction(0), Fraction(x * x_b + y * y_b, length))) if length else Fraction(0)
        if (x - part * x_b) ** 2 + (y - part * y_b) ** 2 <= half * half:
            return True
    return False


def around(line: list[Point], half_width_m: float, rng: random.Random, most: int) -> list[Point]:
    """Return points that hurt: on the line, at both edges and round the ends, on squares' borders, and neighbours."""
    points = list(line)
    units = half_width_m / METRES_PER_UNIT
    for (lat_a, lon_a), (lat_b, lon_b) in pieces(line):
        east = math.cos(math.radians((lat_a + lat_b) / 2e7))
        length = math.hypot(lat_b - lat_a, (lon_b - lon_a) * east) or 1.0
        across = ((lon_b - lon_a) * east / length, -(lat_b - lat_a) / length)
        for _ in range(12):
            part = rng.choice([0.0, 1.0, rng.random()])
            lat, lon = lat_a + part * (lat_b - lat_a), lon_a + part * (lon_b - lon_a)
            off = units * rng.choice([-1, 1]) * rng.choice([1.0, 1.0, 0.999, 1.001, rng.random()])
            points.append((round(lat + off * across[0]), round(lon + off * across[1] / east)))
            angle = rng.random() * 2 * math.pi
            points.append((round(lat + units * math.sin(angle)), round(lon + units * math.cos(angle) / east)))
    for shift in (PAGE_SHIFT, CELL_SHIFT):
        points += [((lat + 900_000_000 >> shift << shift) - 900_000_000, lon) for lat, lon in points[:60]]
        points += [(lat, (lon + 1_800_000_000 >> shift << shift) - 1_800_000_000) for lat, lon in points[:60]]
    points += [(lat + rng.randint(-1, 1), lon + rng.randint(-1, 1)) for lat, lon in points]
    return rng.sample(points, min(most, len(points)))


def turned(lon: int) -> int:
    """Return a longitude that went on beyond 180 degrees as one of the map."""
    return (lon + TURN_1E7 // 2) % TURN_1E7 - TURN_1E7 // 2


@pytest.mark.parametrize("half_width_m", [1.0, 30.0, 400.0, HALF_WIDTH_M_MAX])
@pytest.mark.parametrize("origin", [SHANGHAI, (0, 0), (840_000_000, 300_000_000), (-170_000_000, 1_799_900_000)])
def test_a_corridor_holds_what_a_fraction_says_is_within_its_half_width(origin: Point, half_width_m: float) -> None:
    rng = random.Random(repr((origin, half_width_m)))
    lines: list[list[Point]] = []
    for reach in (2_000, 40_000, 900_000):
        line = [origin]
        for _ in range(rng.randint(1, 4)):
            line.append((line[-1][0] + rng.randint(-reach, reach), line[-1][1] + rng.randint(-reach, reach)))
        lines.append(line)
    # Straight along a meridian and a parallel, and there and back.
    lines.append([origin, (origin[0] + 50_000, origin[1]), (origin[0] + 50_000, origin[1] + 70_000), origin])
    index = build_index(
        [Fence(k + 1, Corridor([(p, turned(q)) for p, q in line], half_width_m)) for k, line in enumerate(lines)]
    )
    for line in lines:
        points = around(line, half_width_m, rng, 90)
        for point, found in zip(points, located(index, [(p, turned(q)) for p, q in points]), strict=True):
            expected = {k + 1 for k, other in enumerate(lines) if corridor_holds(other, half_width_m, point)}
            assert found == expected, f"{point=}"


@settings(max_examples=40, deadline=None)
@given(st.lists(corner, min_size=2, max_size=5, unique=True), st.sampled_from([1.0, 3.7, 200.0, 360.0]))
def test_any_corridor_on_the_borders_of_squares_is_exact(line: list[Point], half_width_m: float) -> None:
    index = build_index([Fence(1, Corridor(line, half_width_m))])
    points = around(line, half_width_m, random.Random(1), 80)
    expected = [{1} if corridor_holds(line, half_width_m, point) else set() for point in points]
    assert located(index, points) == expected


def test_a_corridor_is_as_wide_as_it_says_on_the_ground() -> None:
    lat, lon = SHANGHAI
    line = [(lat, lon), (lat, lon + 3_000_000), (lat + 3_000_000, lon + 3_000_000)]
    index = build_index([Fence(1, Corridor(line, 50.0))])
    east = math.cos(math.radians(lat / 1e7))
    for metres, expected in ((49.9, {1}), (50.1, set())):
        north = round(metres / METRES_PER_UNIT)
        places = [(lat + north, lon + 1_000_000), (lat - north, lon + 10), (lat, lon - round(north / east))]
        assert located(index, places) == [expected] * 3, f"{metres=}"


# --- the antimeridian -------------------------------------------------------------------------------------------------


def test_a_polygon_across_the_antimeridian_is_exact_on_both_sides() -> None:
    rng = random.Random(5)
    shapes = []
    for size in (3_000, 300_000, 30_000_000):
        outline = star(rng, (-170_000_000, 1_799_990_000 + size // 3), size, 12)
        hole = [
            ((lat + 170_000_000) // 3 - 170_000_000, 1_800_000_000 + (lon - 1_800_000_000) // 3) for lat, lon in outline
        ]
        shapes.append([outline, hole])
    drawn = [[[(lat, turned(lon)) for lat, lon in ring] for ring in rings] for rings in shapes]
    # The hole may be drawn on either side.
    index = build_index([Fence(k + 1, Polygon(rings)) for k, rings in enumerate(drawn)])
    for rings in shapes:
        corners = [corner for ring in rings for corner in ring]
        points = [(lat, 1_800_000_000) for lat, _ in corners]
        points += [(lat + rng.randint(-1, 1), lon + rng.randint(-1, 1)) for lat, lon in corners for _ in range(3)]
        lats, lons = [lat for lat, _ in corners], [lon for _, lon in corners]
        points += [(rng.randint(min(lats), max(lats)), rng.randint(min(lons), max(lons))) for _ in range(200)]
        for point, found in zip(points, located(index, [(p, turned(q)) for p, q in points]), strict=True):
            assert found == {k + 1 for k, others in enumerate(shapes) if holds(others, point)}, f"{point=}"


@pytest.mark.parametrize("lon", [1_799_995_000, -1_799_995_000, 1_800_000_000, -1_800_000_000])
def test_a_circle_across_the_antimeridian_holds_both_sides(lon: int) -> None:
    index = build_index([Fence(5, Circle(-170_000_000, lon, 30_000.0))])
    rng = random.Random(lon)
    points = [
        (-170_000_000 + rng.randint(-(10**6) * 3, 3 * 10**6), turned(lon + rng.randint(-(10**6) * 3, 3 * 10**6)))
        for _ in range(400)
    ]
    for (p, q), found in zip(points, located(index, points), strict=True):
        assert (5 in found) == (distance_m(-170_000_000, lon, p, q) <= 30_000.0), f"{p=} {q=}"


def test_the_margin_reaches_across_the_antimeridian() -> None:
    index = build_index([Fence(1, Polygon([[(0, 1_799_000_000), (0, 1_800_000_000), (10_000, 1_800_000_000)]]))])
    assert near(index.address, 0, 5_000, -1_799_999_000, 15.0)
    assert not near(index.address, 0, 5_000, -1_799_990_000, 15.0)


# --- records ----------------------------------------------------------------------------------------------------------


def in_window(windows: list[tuple[int, int]], minute: int) -> bool:
    return any(start <= moment < end for start, end in windows for moment in (minute, minute + WEEK_MINUTES))


window = st.builds(
    lambda start, length: (start, start + length), st.integers(0, WEEK_MINUTES - 1), st.integers(1, WEEK_MINUTES)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(window, min_size=1, max_size=6), st.integers(-840, 840))
def test_hours_are_those_of_the_fences_own_clock(windows: list[tuple[int, int]], utc_offset_min: int) -> None:
    index = build_index([Fence(1, Circle(*SHANGHAI, 100.0), hours=windows, utc_offset_min=utc_offset_min)])
    hours = int(index.records()[0, 5])
    # 2024-01-01 was a Monday.
    monday_ms = 1_704_067_200_000 - utc_offset_min * 60_000
    # Nothing changes but where a window starts or ends.
    edges = sorted({edge % WEEK_MINUTES for span in windows for edge in span})
    always = all(in_window(windows, minute) for minute in edges)
    assert (hours == 0) == always
    for minute in {(edge + off) % WEEK_MINUTES for edge in edges for off in (-1, 0, 1)} if hours else ():
        inside, since_ms, until_ms = window_at(index.address, hours, utc_offset_min, monday_ms + minute * 60_000 + 7)
        assert inside == in_window(windows, minute)
        since, until = ((edge - monday_ms) // 60_000 for edge in (since_ms, until_ms))
        assert since <= minute < until
        # It changes at both ends, and nowhere between.
        assert in_window(windows, (since - 1) % WEEK_MINUTES) != inside
        assert in_window(windows, until % WEEK_MINUTES) != inside
        between = [edge + turn for edge in edges for turn in (-WEEK_MINUTES, 0, WEEK_MINUTES)]
        assert all(in_window(windows, m % WEEK_MINUTES) == inside for m in between if since <= m < until)


def test_ids_far_apart_are_found_by_searching() -> None:
    ids = [1, 5, 70_000, 2**31 - 1]
    index = build_index([Fence(k, Circle(*SHANGHAI, 100.0)) for k in ids])
    assert int(index.table[2]) == 0
    assert [number_of(index.address, k) for k in (0, 1, 2, 5, 70_000, 70_001, 2**31 - 1)] == [-1, 0, -1, 1, 2, -1, 3]


def test_an_unknown_id_has_no_number() -> None:
    index = build_index([Fence(3, Circle(*SHANGHAI, 100.0)), Fence(7, Circle(*SHANGHAI, 100.0))])
    assert [number_of(index.address, k) for k in (1, 3, 5, 7, 9)] == [-1, 0, -1, 1, -1]
    empty = build_index([])
    assert number_of(empty.address, 3) == -1


def test_no_fences_hold_nothing_and_beyond_the_earth_is_nowhere() -> None:
    whole = Polygon([[(-900_000_000, -899_999_999), (900_000_000, -899_999_999), (900_000_000, 899_999_999)]])
    assert located(build_index([]), [SHANGHAI, (0, 0)]) == [set(), set()]
    beyond = [(2**31 - 1, 0), (-(2**31), 0), (0, 2**31 - 1), (0, -(2**31)), (900_000_001, 0)]
    assert located(build_index([Fence(1, whole)]), beyond) == [set()] * 5


def test_each_group_finds_its_own_fences_and_no_others() -> None:
    rng = random.Random(11)
    shapes = [[star(rng, (SHANGHAI[0] + rng.randint(-(9**7), 9**7), SHANGHAI[1]), 200_000, 9)] for _ in range(30)]
    shapes += [[star(rng, (-SHANGHAI[0], -SHANGHAI[1]), 30_000_000, 7)]]
    groups = [rng.choice([0, 3, 4, GROUP_MAX]) for _ in shapes]
    fences = [
        Fence(k + 1, Polygon(rings), group=group) for k, (rings, group) in enumerate(zip(shapes, groups, strict=True))
    ]
    index = build_index(fences)
    points = [point for rings in shapes for point in adversarial(rings, rng, 40)] + [(0, 0), (900_000_000, 0)]
    for group in {*groups, 1, 5, -1, GROUP_MAX + 1, 2**31 - 1}:
        own = {k for k, other in enumerate(groups) if other == group}
        for point, found in zip(points, located(index, points, group=group), strict=True):
            assert found == {k + 1 for k in own if holds(shapes[k], point)}, f"{group=} {point=}"


def test_a_group_past_the_last_number_is_refused() -> None:
    for group in (-1, GROUP_MAX + 1):
        with pytest.raises(FenceError, match=f"dealer groups with fences are 0 to {GROUP_MAX}"):
            build_index([Fence(1, Circle(*SHANGHAI, 100.0), group=group)])


def test_more_fences_than_room_are_counted_and_not_written() -> None:
    index = build_index([Fence(k, Circle(*SHANGHAI, 1000.0 * k)) for k in range(1, 6)])
    counts, out = np.zeros(1, np.int32), np.full(8, -1, np.int32)
    point = (np.array([SHANGHAI[0]], np.int32), np.array([SHANGHAI[1]], np.int32))
    locate_each(index.address, 1, *point, counts, out.ctypes.data, 3)
    assert counts[0] == 5
    assert (out[:3] >= 0).all()
    assert (out[3:] == -1).all()


SQUARE = [(0, 0), (0, 10), (10, 10)]


@pytest.mark.parametrize(
    ("fences", "reason"),
    [
        ([Fence(1, Polygon([[(0, 1_300_000_000), (0, -1_790_000_000), (10, -1_790_000_000)]]))], "antimeridian"),
        ([Fence(1, Polygon([[(0, 1_790_000_000), (0, -1_400_000_000), (10, -1_790_000_000)]]))], "antimeridian"),
        ([Fence(1, Polygon([[(0, -1_700_000_000), (0, -500_000_000), (0, 700_000_000), (9, 1_600_000_000)]]))], "pole"),
        ([Fence(1, Polygon([[(0, -900_000_000), (0, 900_000_000), (10, 0)]]))], "180 degrees wide"),
        ([Fence(1, Polygon([SQUARE, [(a, b + 1_800_000_000 - 10) for a, b in SQUARE]]))], "so far apart"),
        ([Fence(1, Corridor([(0, 0), (0, 9)], 0.5))], "half-width"),
        ([Fence(1, Corridor([(0, 0), (0, 9)], HALF_WIDTH_M_MAX + 1))], "half-width"),
        ([Fence(1, Corridor([(0, 0), (0, 9)], math.nan))], "half-width"),
        ([Fence(1, Corridor([(0, 0), (0, 0)], 9.0))], "two different"),
        ([Fence(1, Corridor([(0, 0)], 9.0))], "two different"),
        ([Fence(1, Corridor([], 9.0))], "a corridor's line"),
        ([Fence(1, Corridor([(0, 0), (850_000_001, 0)], 9.0))], "85 degrees"),
        (
            [Fence(1, Corridor([(0, 0), (0, 900_000_000), (0, 1_700_000_000), (0, 1_900_000_000 - TURN_1E7)], 9.0))],
            "wide",
        ),
        ([Fence(1, Circle(0, 0, 9.0), dwell_ms=-1)], "dwell_ms"),
        ([Fence(1, Circle(0, 0, 9.0), speed_limit_kmh10=3001)], "speed_limit"),
        ([Fence(1, Circle(0, 0, 9.0), utc_offset_min=841)], "off UTC"),
        ([Fence(1, Circle(0, 0, 9.0), hours=[(10, 10)])], "hours"),
        ([Fence(1, Circle(0, 0, 9.0), hours=[(WEEK_MINUTES, WEEK_MINUTES + 1)])], "hours"),
        ([Fence(1, Circle(0, 0, 9.0), hours=[(2 * k, 2 * k + 1) for k in range(WINDOWS_MAX + 1)])], "the bound is"),
        ([Fence(1, Circle(0, 0, 9.0), expected=[(10, 20)])], "who is expected"),
        ([Fence(1, Circle(0, 0, 9.0), vehicles=(1,), expected=[(10, 20), (15, 30)])], "overlap"),
        ([Fence(1, Circle(0, 0, 9.0), vehicles=(1,), expected=[(10, 20), (10_000, 10_091)])], "overlap"),
        ([Fence(1, Circle(0, 0, 9.0), role="road")], "role"),  # type: ignore[arg-type]
        ([Fence(1, Circle(899_990_000, 0, 1000.0))], "pole"),
        ([Fence(1, Circle(0, 0, FENCE_RADIUS_M_MAX + 1))], "bounds"),
        ([Fence(1, Circle(0, 0, FENCE_RADIUS_M_MIN - 0.01))], "bounds"),
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
    build_index([Fence(1, Circle(0, 0, FENCE_RADIUS_M_MIN)), Fence(2, Circle(0, 0, FENCE_RADIUS_M_MAX))])
