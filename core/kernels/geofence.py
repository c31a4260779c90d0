"""Which fences hold a point: an immutable index of polygons and circles, built beside and swapped as one object.

Coordinates are int32 at 1e-7 degree and every predicate on polygons is exact in int64. A polygon's boundary belongs to
it, and so do the boundaries of its holes. A circle holds what is within its radius by the haversine distance.

The index is a page table over longitude and latitude, three levels deep:

    root    2^24 units (1.7 degrees, 190 km)   one table of the whole earth
    page    2^18 units (2.9 km)                64 x 64 cells, only where a fence has a boundary
    cell    2^15 units (360 m)                 8 x 8 cells, only where a fence has a boundary

Each entry may carry a list. Lists on the way down name the fences that hold the entry's whole square, so the inside of
a large fence costs nothing below; the list of a cell also names those whose boundary crosses it, with the edges that
touch the cell and the *corner parity*: whether the polygon holds the cell's south-west corner. From there to the point
is a short walk, and only edges of the list can be crossed on it.

The walk, exactly. Let H(y, x) be the number of edges that straddle y (half-open, south end included) and cut the line
of y west of x: its parity is the even-odd rule (Shimrat, Algorithm 112, CACM 5(8), 1962). It equals H at the point
(y + e', x - e) with e' << e << 1, which no corner and no edge goes through; so a path from there to another such point
changes the parity at each edge it crosses and nowhere else. The path goes up the cell's western side, then east. This
is where the sides of the comparisons in `_crossed` come from.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numba import njit, types

from core.kernels.geodesy import (
    LAT_MAX_1E7,
    LON_MAX_1E7,
    METRES_PER_UNIT,
    RADIANS_PER_UNIT,
    circle_box,
    distance_m,
    segment_distance_m,
)
from core.limits import FENCE_CORNERS_MAX, FENCE_RADIUS_M_MAX, FENCE_RADIUS_M_MIN
from protocols.memory import load_f64, load_i32, store_u32

ROOT_SHIFT: Final = 24
PAGE_SHIFT: Final = 18
CELL_SHIFT: Final = 15
ROOT_LATS: Final = (2 * LAT_MAX_1E7 >> ROOT_SHIFT) + 1
ROOT_LONS: Final = (2 * LON_MAX_1E7 >> ROOT_SHIFT) + 1
PAGE_SIDE: Final = 1 << (ROOT_SHIFT - PAGE_SHIFT)
CELL_SIDE: Final = 1 << (PAGE_SHIFT - CELL_SHIFT)

EXTENT_MAX_1E7: Final = 1_800_000_000
"""Widest polygon: 180 degrees. Products of two differences then stay below 2^62 and their difference in int64."""

CIRCLE_PLANE_M_MAX: Final = 20_000.0
CIRCLE_PLANE_LAT_MAX_1E7: Final = 800_000_000
"""Up to here a local plane errs by less than 2e-5 of the distance: it decides all but a ring of 0.1 % on both sides."""

SQUARE_IN_CIRCLE_SLACK_M: Final = 0.01
"""A circle holds a square whose corners are a centimetre inside: rounding is a thousandth of that."""

PARITY_CIRCLE: Final = 2
"""In a cell's list, in the place of the corner parity: this fence is a circle."""


class FenceError(ValueError):
    """A fence that cannot be indexed. The message names the fence and what is wrong with it."""


class Polygon(NamedTuple):
    """Rings of (lat_1e7, lon_1e7), each at least three different corners, the last may repeat the first.

    The first is the outline, the others are holes; a point inside an odd number of rings is inside. A polygon may not
    cross the antimeridian nor be 180 degrees wide.
    """

    rings: Sequence[Sequence[tuple[int, int]]]


class Circle(NamedTuple):
    """A centre in 1e-7 degree and a radius in metres."""

    lat_1e7: int
    lon_1e7: int
    radius_m: float


class Fence(NamedTuple):
    """One fence of a dealer group. store 0: for all the group's vehicles, else for those of that store only."""

    fence_id: int
    shape: Polygon | Circle
    group: int = 1
    store: int = 0
    vehicles: Collection[int] | None = None
    """Only for these of them; None: for all. An empty one is for nobody."""


class FenceIndex(NamedTuple):
    """The index as the kernels take it. Immutable: build another and swap.

    Fences are numbered by rising fence id. All integers lie in one table, and kernels take addresses: handing arrays
    to a compiled function counts references up and down, which cost more (50 ns) than finding out that a point lies in
    no fence. Whoever hands out the addresses keeps the index.
    """

    table: np.ndarray
    """int32. Eight words of HEAD_*, the root, and what they lead to; every offset counts words from the start:

    root, page entry    offset of its list, offset of the page below; 0 for none
    cell entry          offset of its list; 0 for none
    list                n inside, n partial; the fences inside; then for each partial fence, parity, n edges, the edges
    edge                lat_a, lon_a, lat_b, lon_b; a is south of b, or west of it at equal height
    """
    circles: np.ndarray
    """(4 * fences,) float64: radius in metres (0: a polygon), cosine and sine of the latitude, 1 if a plane will do."""

    @property
    def fences(self) -> int:
        """Return how many fences it holds."""
        return int(self.table[HEAD_FENCES])

    @property
    def addresses(self) -> tuple[int, int]:
        """Return the addresses of table and circles, good while the index lives."""
        return self.table.ctypes.data, self.circles.ctypes.data

    @property
    def bytes_held(self) -> int:
        """Return its memory in bytes."""
        return self.table.nbytes + self.circles.nbytes


HEAD_FENCES: Final = 0
"""How many fences."""
HEAD_IDS: Final = 1
"""Offset of the fence ids, rising."""
HEAD_GROUPS: Final = 2
HEAD_STORES: Final = 3
HEAD_BOXES: Final = 4
"""Offset of lat_min, lon_min, lat_max, lon_max of each fence."""
HEAD_EDGES: Final = 5
"""Offset of fences + 1 offsets: the edges of fence f lie between its own and the next; a circle has none."""
HEAD_VEHICLES: Final = 6
"""Offset of one offset for each fence: where the vehicles that it is for are listed, n and then n rising ids; 0: it is
for all."""
HEAD_WORDS: Final = 8
ROOT_OFFSET: Final = HEAD_WORDS
ROOT_WORDS: Final = 2 * ROOT_LATS * ROOT_LONS
PAGE_WORDS: Final = 2 * PAGE_SIDE * PAGE_SIDE
CELL_WORDS: Final = CELL_SIDE * CELL_SIDE

_I4: Final = types.int32[::1]
_INT: Final = types.int64


# --- finding ----------------------------------------------------------------------------------------------------------


@njit(types.int64(_INT, _INT), cache=True, nogil=True)
def _word(table, position):  # type: ignore[no-untyped-def]
    """Return word `position` of the int32 table at address `table`."""
    return load_i32(table + 4 * position)


@njit(types.float64(_INT, _INT), cache=True, nogil=True)
def _number(circles, position):  # type: ignore[no-untyped-def]
    """Return number `position` of the float64 array at address `circles`."""
    return load_f64(circles + 8 * position)


@njit(types.int64(_INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _crossed(words, at, corner_lat, corner_lon, lat, lon):  # type: ignore[no-untyped-def]
    """Return 1 if the walk from the corner to the point crosses the edge at `at` an odd number of times, else 0."""
    lat_a = _word(words, at)
    lon_a = _word(words, at + 1)
    lat_b = _word(words, at + 2)
    lon_b = _word(words, at + 3)
    rise = lat_b - lat_a
    run = lon_b - lon_a
    ahead = run * (lat - lat_a)
    # West of x at height y, for an edge that goes up: run * (y - lat_a) < rise * (x - lon_a).
    west_of_corner = ahead < rise * (corner_lon - lon_a)
    crossed = 0
    # Eastwards at the point's height: the edge is cut at or east of the corner's meridian, and west of the point.
    if lat_a <= lat < lat_b and not west_of_corner and ahead < rise * (lon - lon_a):
        crossed = 1
    # Up the corner's meridian: the edge reaches across it and changes sides between the two heights.
    if (lon_a < corner_lon) != (lon_b < corner_lon):
        west_at_start = run * (corner_lat - lat_a) < rise * (corner_lon - lon_a)
        if west_at_start != west_of_corner:
            crossed ^= 1
    return crossed


@njit(types.boolean(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def _on_edge(words, at, lat, lon):  # type: ignore[no-untyped-def]
    """Tell whether the point lies exactly on the edge at `at`."""
    lat_a = _word(words, at)
    lon_a = _word(words, at + 1)
    lat_b = _word(words, at + 2)
    lon_b = _word(words, at + 3)
    if lat < lat_a or lat > lat_b or lon < min(lon_a, lon_b) or lon > max(lon_a, lon_b):
        return False
    return (lon_b - lon_a) * (lat - lat_a) == (lat_b - lat_a) * (lon - lon_a)


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _circle_holds(table, circles, fence, lat, lon):  # type: ignore[no-untyped-def]
    """Tell whether the point is within the circle's radius of its centre."""
    radius_m = _number(circles, 4 * fence)
    # The box is symmetric around the centre.
    box = _word(table, HEAD_BOXES) + 4 * fence
    centre_lat = (_word(table, box) + _word(table, box + 2)) // 2
    centre_lon = (_word(table, box + 1) + _word(table, box + 3)) // 2
    if _number(circles, 4 * fence + 3) != 0.0:
        north = float(lat - centre_lat)
        cosine_between = _number(circles, 4 * fence + 1) - _number(circles, 4 * fence + 2) * north * (
            RADIANS_PER_UNIT * 0.5
        )
        east = float(lon - centre_lon) * cosine_between
        square = (north * north + east * east) * (METRES_PER_UNIT * METRES_PER_UNIT)
        if square < 0.998 * radius_m * radius_m:
            return True
        if square > 1.002 * radius_m * radius_m:
            return False
    return distance_m(centre_lat, centre_lon, lat, lon) <= radius_m


@njit(types.int64(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _take_inside(table, listed, count, out, room):  # type: ignore[no-untyped-def]
    """Append the fences that hold an entry's whole square to `out`; return the new count."""
    for k in range(_word(table, listed)):
        if count < room:
            store_u32(out + 4 * count, _word(table, listed + 2 + k))
        count += 1
    return count


@njit(types.int64(_INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def locate(table, circles, lat, lon, out, room):  # type: ignore[no-untyped-def]
    """Find the fences that hold a point.

    Args:
        table, circles: addresses of a FenceIndex's arrays.
        lat, lon: 1e-7 degree. Outside 90 and 180 degrees no fence holds it.
        out: address of int32[room], filled with fence numbers (not ids), in no order that means anything.

    Returns:
        How many fences hold the point. More than room: the rest was not written.
    """
    if lat < -LAT_MAX_1E7 or lat > LAT_MAX_1E7 or lon < -LON_MAX_1E7 or lon > LON_MAX_1E7:
        return 0
    north = lat + LAT_MAX_1E7
    east = lon + LON_MAX_1E7
    count = 0
    entry = ROOT_OFFSET + 2 * ((north >> ROOT_SHIFT) * ROOT_LONS + (east >> ROOT_SHIFT))
    listed = _word(table, entry)
    if listed != 0:
        count = _take_inside(table, listed, count, out, room)
    page = _word(table, entry + 1)
    if page == 0:
        return count
    side = PAGE_SIDE - 1
    entry = page + 2 * (((north >> PAGE_SHIFT) & side) * PAGE_SIDE + ((east >> PAGE_SHIFT) & side))
    listed = _word(table, entry)
    if listed != 0:
        count = _take_inside(table, listed, count, out, room)
    page = _word(table, entry + 1)
    if page == 0:
        return count
    side = CELL_SIDE - 1
    listed = _word(table, page + ((north >> CELL_SHIFT) & side) * CELL_SIDE + ((east >> CELL_SHIFT) & side))
    if listed == 0:
        return count
    count = _take_inside(table, listed, count, out, room)
    corner_lat = ((north >> CELL_SHIFT) << CELL_SHIFT) - LAT_MAX_1E7
    corner_lon = ((east >> CELL_SHIFT) << CELL_SHIFT) - LON_MAX_1E7
    partial = listed + 2 + _word(table, listed)
    for _ in range(_word(table, listed + 1)):
        fence = _word(table, partial)
        parity = _word(table, partial + 1)
        after = partial + 3 + 4 * _word(table, partial + 2)
        if parity == PARITY_CIRCLE:
            holds = _circle_holds(table, circles, fence, lat, lon)
        else:
            holds = False
            for edge in range(partial + 3, after, 4):
                if _on_edge(table, edge, lat, lon):
                    holds = True
                    break
                parity ^= _crossed(table, edge, corner_lat, corner_lon, lat, lon)
            holds = holds or parity == 1
        if holds:
            if count < room:
                store_u32(out + 4 * count, fence)
            count += 1
        partial = after
    return count


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT, types.float64), cache=True, nogil=True)
def near(table, circles, fence, lat, lon, margin_m):  # type: ignore[no-untyped-def]
    """Tell whether a point outside fence number `fence` is within margin_m of its boundary.

    Serves margins up to a kilometre (see segment_distance_m). Costs a few ns for each edge of the fence, and only for
    a vehicle that was inside and no longer is.
    """
    margin = np.int64(margin_m / METRES_PER_UNIT) + 1
    box = _word(table, HEAD_BOXES) + 4 * fence
    lat_min, lon_min = _word(table, box), _word(table, box + 1)
    lat_max, lon_max = _word(table, box + 2), _word(table, box + 3)
    if lat < lat_min - margin or lat > lat_max + margin:
        return False
    # Never a narrower strip than the metres ask for: the cosine of the end nearer to the pole.
    cosine = math.cos(min(abs(lat) + margin, LAT_MAX_1E7) * RADIANS_PER_UNIT)
    if cosine > 1e-3:
        margin_lon = np.int64(margin / cosine) + 1
        if lon < lon_min - margin_lon or lon > lon_max + margin_lon:
            return False
    radius_m = _number(circles, 4 * fence)
    if radius_m > 0.0:
        return distance_m((lat_min + lat_max) // 2, (lon_min + lon_max) // 2, lat, lon) <= radius_m + margin_m
    firsts = _word(table, HEAD_EDGES) + fence
    for edge in range(_word(table, firsts), _word(table, firsts + 1), 4):
        lat_a = _word(table, edge)
        lat_b = _word(table, edge + 2)
        if lat < lat_a - margin or lat > lat_b + margin:
            continue
        lon_a = _word(table, edge + 1)
        lon_b = _word(table, edge + 3)
        if segment_distance_m(lat, lon, lat_a, lon_a, lat_b, lon_b) <= margin_m:
            return True
    return False


@njit(types.int64(_INT, _INT), cache=True, nogil=True)
def number_of(table, fence_id):  # type: ignore[no-untyped-def]
    """Return the number of the fence with this id, -1 if the index has none."""
    ids = _word(table, HEAD_IDS)
    low, high = np.int64(0), _word(table, HEAD_FENCES)
    while low < high:
        middle = (low + high) >> 1
        if _word(table, ids + middle) < fence_id:
            low = middle + 1
        else:
            high = middle
    if low < _word(table, HEAD_FENCES) and _word(table, ids + low) == fence_id:
        return low
    return -1


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def is_for(table, number, group, store, vehicle):  # type: ignore[no-untyped-def]
    """Tell whether fence `number` is for a vehicle of this group and store.

    A fence that is for certain vehicles costs a binary search, and only at reports that lie in it.
    """
    if _word(table, _word(table, HEAD_GROUPS) + number) != group:
        return False
    fence_store = _word(table, _word(table, HEAD_STORES) + number)
    if fence_store != 0 and fence_store != store:
        return False
    listed = _word(table, _word(table, HEAD_VEHICLES) + number)
    if listed == 0:
        return True
    low = listed + 1
    end = low + _word(table, listed)
    high = end
    while low < high:
        middle = (low + high) >> 1
        if _word(table, middle) < vehicle:
            low = middle + 1
        else:
            high = middle
    return low < end and _word(table, low) == vehicle


@njit(types.void(_INT, _INT, _I4, _I4, _I4, _INT, _INT), cache=True, nogil=True)
def locate_each(table, circles, lats, lons, counts, out, room):  # type: ignore[no-untyped-def]
    """Run `locate` for n points: counts (n,) int32, out the address of (n, room) int32."""
    for i in range(lats.shape[0]):
        counts[i] = locate(table, circles, np.int64(lats[i]), np.int64(lons[i]), out + 4 * room * i, room)


# --- building ---------------------------------------------------------------------------------------------------------


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _touches(words, at, south, west, size):  # type: ignore[no-untyped-def]
    """Tell whether the edge at `at` touches the closed square, by separating axes (both sides and the normal)."""
    lat_a = _word(words, at)
    lon_a = _word(words, at + 1)
    lat_b = _word(words, at + 2)
    lon_b = _word(words, at + 3)
    north = south + size
    east = west + size
    if lat_b < south or lat_a > north or max(lon_a, lon_b) < west or min(lon_a, lon_b) > east:
        return False
    rise = lat_b - lat_a
    run = lon_b - lon_a
    left = 0
    right = 0
    for corner in range(4):
        lat = north if corner & 1 else south
        lon = east if corner & 2 else west
        turn = run * (lat - lat_a) - rise * (lon - lon_a)
        if turn > 0:
            left += 1
        elif turn < 0:
            right += 1
    return left != 4 and right != 4


@njit(types.int64(_INT, types.int64[::1], _INT, _INT, _INT, _INT, types.int64[::1]), cache=True, nogil=True)
def _select(edges, chosen, count, south, west, size, out):  # type: ignore[no-untyped-def]
    """Copy those of the first `count` chosen edges that touch a square to `out`; return how many."""
    kept = 0
    for k in range(count):
        if _touches(edges, 4 * chosen[k], south, west, size):
            out[kept] = chosen[k]
            kept += 1
    return kept


@njit(types.int64(_INT, types.int64[::1], _INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _walk(edges, chosen, count, parity, corner_lat, corner_lon, lat, lon):  # type: ignore[no-untyped-def]
    """Return the parity at a point of a square, from that of its corner and the edges that touch the square."""
    for k in range(count):
        parity ^= _crossed(edges, 4 * chosen[k], corner_lat, corner_lon, lat, lon)
    return parity


@njit(types.int64(types.int64[::1], types.float64[::1], _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _square_in_circle(box, circle, fence, south, west, size):  # type: ignore[no-untyped-def]
    """Return 1 if a circle holds a whole square, else 0.

    The farthest point of such a square is a corner: the distance grows with the difference of longitude, and along a
    meridian it has one minimum and no maximum between the ends.
    """
    lat = (box[0] + box[2]) // 2
    lon = (box[1] + box[3]) // 2
    for corner in range(4):
        corner_lat = south + size if corner & 1 else south
        corner_lon = west + size if corner & 2 else west
        if distance_m(lat, lon, corner_lat, corner_lon) > circle[4 * fence] - SQUARE_IN_CIRCLE_SLACK_M:
            return 0
    return 1


@njit(types.int64(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def _key(level, south, west, partial):  # type: ignore[no-untyped-def]
    """Number a square: level, row, column, and last whether the boundary crosses it. Sorts lists together."""
    shift = (ROOT_SHIFT, PAGE_SHIFT, CELL_SHIFT)[level]
    row = (south + LAT_MAX_1E7) >> shift
    column = (west + LON_MAX_1E7) >> shift
    return (((level << 20 | row) << 20) | column) << 1 | partial


@njit(
    types.UniTuple(types.int64, 2)(
        types.int64[::1],
        _INT,
        _I4,
        types.float64[::1],
        types.int64[::1],
        types.int32[:, ::1],
        _I4,
    ),
    cache=True,
    nogil=True,
)
def _place(edge_firsts, edges, boxes, circles, keys, placed, list_edges):  # type: ignore[no-untyped-def]
    """Find the squares of every fence: those it holds wholly, as large as may be, and the cells its boundary crosses.

    Args:
        edge_firsts: (fences + 1,) int64, edges: address of (4 * edges,) int32, boxes: (4 * fences,) int32.
        circles: as in FenceIndex.
        keys: (n,) int64, receives _key of each square.
        placed: (n, 4) int32, receives fence, parity, first edge in list_edges, edges.
        list_edges: (4 * m,) int32, receives the edges of the crossed cells.

    Returns:
        Squares and edges found. More than there was room for: the rest was not written; call again with room.
    """
    squares = 0
    edges_listed = 0
    most = 0
    for fence in range(edge_firsts.shape[0] - 1):
        most = max(most, edge_firsts[fence + 1] - edge_firsts[fence])
    every = np.empty(most, np.int64)
    in_root = np.empty(most, np.int64)
    in_page = np.empty(most, np.int64)
    in_cell = np.empty(most, np.int64)
    box = np.empty(4, np.int64)
    root_size = 1 << ROOT_SHIFT
    page_size = 1 << PAGE_SHIFT
    cell_size = 1 << CELL_SHIFT
    for fence in range(edge_firsts.shape[0] - 1):
        for k in range(4):
            box[k] = boxes[4 * fence + k]
        is_circle = circles[4 * fence] > 0.0
        total = edge_firsts[fence + 1] - edge_firsts[fence]
        for k in range(total):
            every[k] = edge_firsts[fence] + k
        south_0 = (((box[0] + LAT_MAX_1E7) >> ROOT_SHIFT) << ROOT_SHIFT) - LAT_MAX_1E7
        west_0 = (((box[1] + LON_MAX_1E7) >> ROOT_SHIFT) << ROOT_SHIFT) - LON_MAX_1E7
        for root_south in range(south_0, box[2] + 1, root_size):
            for root_west in range(west_0, box[3] + 1, root_size):
                rooted = 0
                if is_circle:
                    whole = _square_in_circle(box, circles, fence, root_south, root_west, root_size)
                    root_parity = PARITY_CIRCLE
                else:
                    # From west of everything: a corner at the fence's own south-west, beyond all its edges.
                    root_parity = _walk(edges, every, total, 0, box[0] - 1, box[1] - 1, root_south, root_west)
                    rooted = _select(edges, every, total, root_south, root_west, root_size, in_root)
                    whole = root_parity if rooted == 0 else 0
                    if rooted == 0 and whole == 0:
                        continue
                if whole == 1:
                    if squares < keys.shape[0]:
                        keys[squares] = _key(0, root_south, root_west, 0)
                        placed[squares, 0] = fence
                    squares += 1
                    continue
                # Pages that overlap the fence's box and lie in this root square.
                page_south_0 = max(root_south, (((box[0] + LAT_MAX_1E7) >> PAGE_SHIFT) << PAGE_SHIFT) - LAT_MAX_1E7)
                page_west_0 = max(root_west, (((box[1] + LON_MAX_1E7) >> PAGE_SHIFT) << PAGE_SHIFT) - LON_MAX_1E7)
                for page_south in range(page_south_0, min(root_south + root_size, box[2] + 1), page_size):
                    for page_west in range(page_west_0, min(root_west + root_size, box[3] + 1), page_size):
                        paged = 0
                        if is_circle:
                            whole = _square_in_circle(box, circles, fence, page_south, page_west, page_size)
                            page_parity = PARITY_CIRCLE
                        else:
                            page_parity = _walk(
                                edges, in_root, rooted, root_parity, root_south, root_west, page_south, page_west
                            )
                            paged = _select(edges, in_root, rooted, page_south, page_west, page_size, in_page)
                            whole = page_parity if paged == 0 else 0
                            if paged == 0 and whole == 0:
                                continue
                        if whole == 1:
                            if squares < keys.shape[0]:
                                keys[squares] = _key(1, page_south, page_west, 0)
                                placed[squares, 0] = fence
                            squares += 1
                            continue
                        cell_south_0 = max(
                            page_south, (((box[0] + LAT_MAX_1E7) >> CELL_SHIFT) << CELL_SHIFT) - LAT_MAX_1E7
                        )
                        cell_west_0 = max(
                            page_west, (((box[1] + LON_MAX_1E7) >> CELL_SHIFT) << CELL_SHIFT) - LON_MAX_1E7
                        )
                        for south in range(cell_south_0, min(page_south + page_size, box[2] + 1), cell_size):
                            for west in range(cell_west_0, min(page_west + page_size, box[3] + 1), cell_size):
                                touching = 0
                                if is_circle:
                                    whole = _square_in_circle(box, circles, fence, south, west, cell_size)
                                    parity = PARITY_CIRCLE
                                else:
                                    parity = _walk(
                                        edges, in_page, paged, page_parity, page_south, page_west, south, west
                                    )
                                    touching = _select(edges, in_page, paged, south, west, cell_size, in_cell)
                                    whole = parity if touching == 0 else 0
                                    if touching == 0 and whole == 0:
                                        continue
                                if squares < keys.shape[0]:
                                    keys[squares] = _key(2, south, west, 1 - whole)
                                    placed[squares, 0] = fence
                                    placed[squares, 1] = parity
                                    placed[squares, 2] = edges_listed
                                    placed[squares, 3] = touching
                                squares += 1
                                for k in range(touching):
                                    if 4 * edges_listed < list_edges.shape[0]:
                                        for part in range(4):
                                            list_edges[4 * edges_listed + part] = _word(edges, 4 * in_cell[k] + part)
                                    edges_listed += 1
    return squares, edges_listed


@njit(
    types.void(types.int64[::1], types.int64[::1], types.int64[::1], types.int32[:, ::1], _I4, _INT, _I4),
    cache=True,
    nogil=True,
)
def _write_lists(firsts, order, keys, placed, list_edges, position, table):  # type: ignore[no-untyped-def]
    """Write one list after the other into the table, from `position` on.

    Args:
        firsts: (lists + 1,) int64, where each list's squares begin in `order`.
        order: (n,) int64, squares sorted by key.
        keys, placed, list_edges: as _place left them.
    """
    for number in range(firsts.shape[0] - 1):
        inside = 0
        start = position
        position += 2
        for k in range(firsts[number], firsts[number + 1]):
            square = order[k]
            table[position] = placed[square, 0]
            position += 1
            if keys[square] & 1:
                count = np.int64(placed[square, 3])
                first = 4 * np.int64(placed[square, 2])
                table[position] = placed[square, 1]
                table[position + 1] = count
                position += 2
                for word in range(4 * count):
                    table[position + word] = list_edges[first + word]
                position += 4 * count
            else:
                # The wholly held come first: their keys are even.
                inside += 1
        table[start] = inside
        table[start + 1] = firsts[number + 1] - firsts[number] - inside


def _ring_edges(fence_id: int, ring: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the edges of one ring, (n, 4) int64, each from its southern (or western) end."""
    corners = np.asarray(ring, np.int64)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise FenceError(f"fence {fence_id}: a ring is a list of (lat_1e7, lon_1e7)")
    if (np.abs(corners[:, 0]) > LAT_MAX_1E7).any() or (np.abs(corners[:, 1]) > LON_MAX_1E7).any():
        raise FenceError(f"fence {fence_id}: a corner beyond 90 degrees of latitude or 180 of longitude")
    ends = np.roll(corners, -1, axis=0)
    edges = np.hstack([corners, ends])[(corners != ends).any(axis=1)]
    if len(edges) < 3:
        raise FenceError(f"fence {fence_id}: a ring needs three different corners")
    if (np.abs(edges[:, 3] - edges[:, 1]) >= EXTENT_MAX_1E7).any() or np.ptp(edges[:, 1]) >= EXTENT_MAX_1E7:
        raise FenceError(
            f"fence {fence_id}: crosses the antimeridian or is 180 degrees wide: draw one polygon on each side"
        )
    downwards = (edges[:, 0] > edges[:, 2]) | ((edges[:, 0] == edges[:, 2]) & (edges[:, 1] > edges[:, 3]))
    edges[downwards] = edges[downwards][:, [2, 3, 0, 1]]
    return edges


def _polygon_edges(fence_id: int, polygon: Polygon) -> np.ndarray:
    """Return the edges of all rings, (n, 4) int64."""
    if not polygon.rings:
        raise FenceError(f"fence {fence_id}: a polygon needs a ring")
    edges = np.vstack([_ring_edges(fence_id, ring) for ring in polygon.rings])
    if len(edges) > FENCE_CORNERS_MAX:
        raise FenceError(f"fence {fence_id}: {len(edges)} corners, the bound is {FENCE_CORNERS_MAX}")
    if np.ptp(edges[:, [1, 3]]) >= EXTENT_MAX_1E7:
        raise FenceError(f"fence {fence_id}: its rings are 180 degrees apart")
    return edges


def _circle_numbers(fence_id: int, circle: Circle) -> tuple[tuple[int, int, int, int], tuple[float, ...]]:
    """Return the box of a circle, and its four numbers for FenceIndex.circles."""
    if not FENCE_RADIUS_M_MIN <= circle.radius_m <= FENCE_RADIUS_M_MAX:
        raise FenceError(
            f"fence {fence_id}: a radius of {circle.radius_m} m, "
            f"the bounds are {FENCE_RADIUS_M_MIN:g} and {FENCE_RADIUS_M_MAX:g}"
        )
    if abs(circle.lat_1e7) > LAT_MAX_1E7 or abs(circle.lon_1e7) > LON_MAX_1E7:
        raise FenceError(f"fence {fence_id}: its centre is beyond 90 degrees of latitude or 180 of longitude")
    try:
        box = circle_box(circle.lat_1e7, circle.lon_1e7, circle.radius_m)
    except ValueError as fault:
        raise FenceError(f"fence {fence_id}: {fault}") from fault
    angle = circle.lat_1e7 * RADIANS_PER_UNIT
    plane = circle.radius_m <= CIRCLE_PLANE_M_MAX and abs(circle.lat_1e7) <= CIRCLE_PLANE_LAT_MAX_1E7
    return box, (circle.radius_m, math.cos(angle), math.sin(angle), float(plane))


def _vehicle_lists(fences: Sequence[Fence], start: int) -> tuple[np.ndarray, list[int]]:
    """Return the lists of HEAD_VEHICLES one after the other, and each fence's offset when they begin at `start`."""
    blocks = [np.zeros(0, np.int32)]
    offsets = []
    for fence in fences:
        if fence.vehicles is None:
            offsets.append(0)
            continue
        chosen = np.unique(np.fromiter(fence.vehicles, np.int64, len(fence.vehicles)))
        if len(chosen) and (chosen[0] <= 0 or chosen[-1] >= 2**31):
            raise FenceError(f"fence {fence.fence_id}: vehicle ids are 1 to 2^31 - 1, got {chosen[0]} and {chosen[-1]}")
        offsets.append(start)
        blocks.append(np.append(len(chosen), chosen).astype(np.int32))
        start += len(blocks[-1])
    return np.concatenate(blocks), offsets


def build_index(fences: Iterable[Fence]) -> FenceIndex:
    """Build the index of fences. Takes no lock and touches no other index: build beside, then swap.

    Raises:
        FenceError: a fence cannot be indexed, or two have one id; nothing is built.
    """
    ordered = sorted(fences, key=lambda fence: fence.fence_id)
    count = len(ordered)
    fence_ids = np.array([fence.fence_id for fence in ordered], np.int64)
    if count and (fence_ids[0] <= 0 or fence_ids[-1] >= 2**31):
        raise FenceError(f"fence ids are 1 to 2^31 - 1, got {fence_ids[0]} and {fence_ids[-1]}")
    twice = fence_ids[1:][np.diff(fence_ids) == 0]
    if len(twice):
        raise FenceError(f"fence {twice[0]}: two fences have this id")
    boxes = np.zeros((count, 4), np.int32)
    circles = np.zeros((count, 4), np.float64)
    edge_firsts = np.zeros(count + 1, np.int64)
    edge_blocks: list[np.ndarray] = [np.zeros((0, 4), np.int32)]
    for number, fence in enumerate(ordered):
        if isinstance(fence.shape, Circle):
            boxes[number], circles[number] = _circle_numbers(fence.fence_id, fence.shape)
            edge_firsts[number + 1] = edge_firsts[number]
        else:
            block = _polygon_edges(fence.fence_id, fence.shape)
            boxes[number] = (*block[:, :2].min(axis=0), block[:, 2].max(), block[:, [1, 3]].max())
            boxes[number, 1] = block[:, [1, 3]].min()
            edge_firsts[number + 1] = edge_firsts[number] + len(block)
            edge_blocks.append(block.astype(np.int32))
    edges = np.ascontiguousarray(np.vstack(edge_blocks).reshape(-1))
    shapes = (edge_firsts, edges.ctypes.data, boxes.reshape(-1), circles.reshape(-1))

    # A guess that is right for small fences; else the first run counts and the second writes.
    squares, edges_listed = 16 * count + 16, 4 * len(edges) + 16
    while True:
        keys = np.empty(squares, np.int64)
        placed = np.zeros((squares, 4), np.int32)
        list_edges = np.empty(4 * edges_listed, np.int32)
        squares, edges_listed = _place(*shapes, keys, placed, list_edges)
        if squares <= len(keys) and 4 * edges_listed <= len(list_edges):
            break
    keys, placed = keys[:squares], placed[:squares]

    # Squares with one key but for its last bit make one list.
    order = np.argsort(keys, kind="stable")
    owners = keys[order] >> 1
    firsts = np.append(np.flatnonzero(np.diff(owners, prepend=-1)), len(owners))
    words = np.where(keys & 1, 3 + 4 * placed[:, 3], 1)[order]
    list_words = np.diff(np.append(0, np.cumsum(words))[firsts]) + 2

    # Which page each list's square lies in, and the pages that those need.
    squares_listed = owners[firsts[:-1]]
    levels = squares_listed >> 40
    rows = (squares_listed >> 20) & 0xFFFFF
    columns = squares_listed & 0xFFFFF
    at_root, at_page, at_cell = levels == 0, levels == 1, levels == 2
    down = np.where(at_cell, PAGE_SHIFT - CELL_SHIFT, 0)
    page_rows, page_columns = rows >> down, columns >> down
    down = np.where(at_root, 0, ROOT_SHIFT - PAGE_SHIFT)
    root_entry = ROOT_OFFSET + 2 * ((page_rows >> down) * ROOT_LONS + (page_columns >> down))
    roots_paged = np.unique(root_entry[~at_root])
    pages_start = ROOT_OFFSET + ROOT_WORDS
    page_entry = (
        pages_start
        + np.searchsorted(roots_paged, root_entry) * PAGE_WORDS
        + 2 * ((page_rows % PAGE_SIDE) * PAGE_SIDE + page_columns % PAGE_SIDE)
    )
    pages_celled = np.unique(page_entry[at_cell])
    cells_start = pages_start + len(roots_paged) * PAGE_WORDS
    cell_entry = (
        cells_start
        + np.searchsorted(pages_celled, page_entry) * CELL_WORDS
        + (rows % CELL_SIDE) * CELL_SIDE
        + columns % CELL_SIDE
    )
    lists_start = cells_start + len(pages_celled) * CELL_WORDS
    list_starts = lists_start + np.append(0, np.cumsum(list_words))
    ids_start = int(list_starts[-1])
    vehicles_start = ids_start + 9 * count + 1
    vehicles, vehicle_lists = _vehicle_lists(ordered, vehicles_start)
    edges_start = vehicles_start + len(vehicles)

    table = np.zeros(edges_start + len(edges), np.int32)
    assert len(table) < 2**31, "offsets are int32"
    table[roots_paged + 1] = pages_start + np.arange(len(roots_paged)) * PAGE_WORDS
    table[pages_celled + 1] = cells_start + np.arange(len(pages_celled)) * CELL_WORDS
    table[np.select([at_root, at_page], [root_entry, page_entry], cell_entry)] = list_starts[:-1]
    _write_lists(firsts, order, keys, placed, list_edges, lists_start, table)
    position = ids_start
    for head, values in (
        (HEAD_IDS, fence_ids),
        (HEAD_GROUPS, [fence.group for fence in ordered]),
        (HEAD_STORES, [fence.store for fence in ordered]),
        (HEAD_BOXES, boxes.reshape(-1)),
        (HEAD_EDGES, edges_start + 4 * edge_firsts),
        (HEAD_VEHICLES, vehicle_lists),
    ):
        table[head] = position
        table[position : position + len(values)] = values
        position += len(values)
    assert position == vehicles_start
    table[vehicles_start:edges_start] = vehicles
    table[edges_start:] = edges
    table[HEAD_FENCES] = count
    return FenceIndex(table, circles.reshape(-1))
