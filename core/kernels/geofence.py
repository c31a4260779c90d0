"""Which fences hold a point: an immutable index of polygons, circles and corridors, built beside and swapped whole.

Coordinates are int32 at 1e-7 degree. Every predicate on polygons and corridors is exact in int64; a circle holds what
is within its radius by the haversine distance. A boundary belongs to its fence, and so do the boundaries of holes.

Each dealer group has ground of its own: what a lookup costs depends on the group's fences, not on the node's. A ground
is a page table over longitude and latitude, three levels deep:

    root    2^24 units (1.7 degrees, 190 km)   one table of the rectangle that holds all its fences
    page    2^18 units (2.9 km)                64 x 64 cells, only where a fence has a boundary
    cell    2^15 units (360 m)                 8 x 8 cells, only where a fence has a boundary

Each entry may carry a list. Lists on the way down name the fences that hold the entry's whole square, so the inside of
a large fence costs nothing below; the list of a cell also names those whose boundary crosses it, each with what decides
there: a circle's figures, the pieces of a corridor that reach into the cell, or the polygon's edges that touch it and
the *corner parity*: whether the polygon holds the cell's south-west corner. From there to the point is a short walk,
and only edges of the list can be crossed on it.

The walk, exactly. Let H(y, x) be the number of edges that straddle y (half-open, south end included) and cut the line
of y west of x: its parity is the even-odd rule (Shimrat, Algorithm 112, CACM 5(8), 1962). It equals H at the point
(y + e', x - e) with e' << e << 1, which no corner and no edge goes through; so a path from there to another such point
changes the parity at each edge it crosses and nowhere else. The path goes up the cell's western side, then east. This
is where the sides of the comparisons in `_crossed` come from.

A corridor, exactly. Its line is straight in longitude and latitude, as maps draw it, and is cut into pieces of at most
2^18 units at places rounded to the unit. Each piece has a plane: north 2^10 steps to a unit, east 2^10 times the cosine
of its middle latitude, rounded, so a length along a parallel is right to 0.1 % at 60 degrees of latitude and to 0.6 %
at 85. In that plane a point is held when it is no farther than the half-width from the segment; all terms are integers
below 2^62.

Where a shape crosses the antimeridian it lies in the index twice, once with its longitudes going on beyond 180 degrees
and once 360 degrees farther west; each square takes of either what reaches it. Nothing is cut, so nothing is rounded.
"""

import math
import struct
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

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
from protocols.memory import load_f64, load_i32, load_i64, prefetch, store_u32

ROOT_SHIFT: Final = 24
PAGE_SHIFT: Final = 18
CELL_SHIFT: Final = 15
PAGE_SIDE: Final = 1 << (ROOT_SHIFT - PAGE_SHIFT)
CELL_SIDE: Final = 1 << (PAGE_SHIFT - CELL_SHIFT)

EXTENT_MAX_1E7: Final = 1_800_000_000
"""Widest polygon: 180 degrees. Products of two differences then stay below 2^62 and their difference in int64."""

TURN_1E7: Final = 2 * LON_MAX_1E7
"""Once round the earth."""
BEYOND_MAX_1E7: Final = 2**31 - 1 - LON_MAX_1E7
"""How far a shape may reach beyond the antimeridian, 34.7 degrees: its longitudes go on in int32."""

CIRCLE_PLANE_M_MAX: Final = 20_000.0
CIRCLE_PLANE_LAT_MAX_1E7: Final = 800_000_000
"""Up to here a local plane errs by less than 2e-5 of the distance: it decides all but a ring of 0.1 % on both sides."""

SQUARE_IN_CIRCLE_SLACK_M: Final = 0.01
"""A circle holds a square whose corners are a centimetre inside: rounding is a thousandth of that."""

PLANE_SHIFT: Final = 10
"""A corridor's plane has 2^10 steps to a unit of latitude."""
PIECE_MAX_1E7: Final = 1 << 18
"""Longest side of a corridor's piece."""
HALF_WIDTH_M_MIN: Final = 1.0
HALF_WIDTH_M_MAX: Final = 5_000.0
"""Widest half of a corridor: 2^18.8 units, 2^28.8 steps. The farthest point asked of a piece, a page's far corner, is
2^29.8 steps off in each direction, and the squares of both sum to less than 2^61."""
CORRIDOR_LAT_MAX_1E7: Final = 850_000_000

WEEK_MINUTES: Final = 7 * 24 * 60
MINUTE_MS: Final = 60_000
WEEK_MS: Final = WEEK_MINUTES * MINUTE_MS
MONDAY_MS: Final = 3 * 24 * 60 * MINUTE_MS
"""From Monday's midnight to that of 1970-01-01, a Thursday."""
UTC_OFFSET_MIN_MAX: Final = 14 * 60
WINDOWS_MAX: Final = 336
"""Windows of one fence: every half hour of a week."""
TIMES_MS_MAX: Final = 7 * 24 * 3600 * 1000
SPEED_KMH10_MAX: Final = 3_000

KIND_POLYGON: Final = 0
KIND_CIRCLE: Final = 2
KIND_CORRIDOR: Final = 3
"""In a cell's list the corner parity stands in the place of the kind: 0 or 1 is a polygon."""

Window = tuple[int, int]
"""Minutes since Monday's midnight, of the fence's own clock: [start, end), start below 10,080, end at most a week
later: one that goes over Sunday's midnight ends above 10,080."""


GROUP_MAX: Final = 2**16 - 1
"""Highest number of a dealer group that has fences: a table by that number leads to its ground."""


class FenceError(ValueError):
    """A fence that cannot be indexed. The message names the fence and what is wrong with it."""


class Polygon(NamedTuple):
    """Rings of (lat_1e7, lon_1e7), each at least three different corners, the last may repeat the first.

    The first is the outline, the others are holes; a point inside an odd number of rings is inside. An edge goes the
    shorter way round the earth, so a polygon may cross the antimeridian; it may not be 180 degrees wide.
    """

    rings: Sequence[Sequence[tuple[int, int]]]


class Circle(NamedTuple):
    """A centre in 1e-7 degree and a radius in metres."""

    lat_1e7: int
    lon_1e7: int
    radius_m: float


class Corridor(NamedTuple):
    """What is no farther than half_width_m from a line of (lat_1e7, lon_1e7): at least two different points.

    Each segment goes the shorter way round the earth. Its ends are round.
    """

    line: Sequence[tuple[int, int]]
    half_width_m: float


class Fence(NamedTuple):
    """One fence of a dealer group, and what is judged by it. store 0: for all the group's vehicles, else for those of
    that store only."""

    fence_id: int
    shape: Polygon | Circle | Corridor
    group: int = 1
    store: int = 0
    vehicles: Collection[int] | None = None
    """Only for these of them; None: for all. An empty one is for nobody."""
    role: Literal["zone", "route"] = "zone"
    """A zone is entered and exited. A route is kept to: who has joined it and goes away from it has left it."""
    hours: Sequence[Window] = ()
    """When it is judged by; none: always. They may overlap."""
    utc_offset_min: int = 0
    """The fence's own clock against UTC, east positive: 480 in China. Hours and expected go by it."""
    dwell_ms: int = 0
    """A stay so long is said once; 0: not watched for."""
    speed_limit_kmh10: int = 0
    """Inside; 0: none."""
    speed_ms_min: int = 0
    """How long above the limit counts."""
    expected: Sequence[Window] = ()
    """In each of these every one of `vehicles` has to be inside for a moment at least, or is missed. They may not
    overlap; vehicles must be given."""


class FenceIndex(NamedTuple):
    """The index as the kernels take it. Immutable: build another and swap.

    Fences are numbered by rising fence id. All lies in one table, and kernels take its address: handing an array to a
    compiled function counts references up and down, which costs more than finding out that a point lies in no fence.
    Whoever hands out the address keeps the index.
    """

    table: np.ndarray
    """int32, on a cache line. Sixteen words of HEAD_*, the offset of each group's ground, 0 for none, and what they
    lead to; offsets count words from the start:

    ground              row and column of its first square of 2^24 units, rows, columns, and an entry for each square
    root, page entry    offset of its list, offset of the page below; 0 for none
    cell entry          offset of its list; 0 for none
    list                n inside, n partial; the fences inside; then for each partial fence: number, kind or parity,
                        n quads, and n times four words of edges, circle or pieces
    edge                lat_a, lon_a, lat_b, lon_b; a is south of b, or west of it at equal height
    circle              two quads: lat, lon, and as float64 the radius in metres (negative: no plane will do), the
                        cosine and the sine of the latitude
    piece               two quads: lat_a, lon_a, in the plane x_b, y_b, half-width, steps east to a unit; int64 the
                        largest cross product of a point that is held
    record              sixteen words of FENCE_*, a cache line a fence
    shape               eight words: kind, lat_min, lon_min, lat_max, lon_max, offset of its first word and of the word
                        past its last
    windows             n, then start and length of each in minutes of the week, rising
    """

    @property
    def fences(self) -> int:
        """Return how many fences it holds."""
        return int(self.table[HEAD_FENCES])

    @property
    def address(self) -> int:
        """Return the address of the table, good while the index lives."""
        return self.table.ctypes.data

    @property
    def bytes_held(self) -> int:
        """Return its memory in bytes."""
        return self.table.nbytes

    def records(self) -> np.ndarray:
        """Return the records of all fences, (fences, FENCE_WORDS) int32, a view."""
        first = int(self.table[HEAD_RECORDS])
        return self.table[first : first + FENCE_WORDS * self.fences].reshape(-1, FENCE_WORDS)


HEAD_FENCES: Final = 0
"""How many fences."""
HEAD_RECORDS: Final = 1
"""Offset of their records, by rising id."""
HEAD_NUMBERS: Final = 2
"""Offset of a table by fence id of the fence's number + 1, 0 for none; 0: ids are too far apart for one, so search."""
HEAD_ID_MAX: Final = 3
HEAD_TIMED: Final = 4
"""1 if a fence has hours or watches how long cars stay: a sweep has to look."""
HEAD_EXPECTED: Final = 5
"""Offset of n and the numbers of the n fences that expect cars."""
HEAD_PAIRS: Final = 6
"""How many cars these expect together: FENCE_PAIRS of each is the first of its own, in the order of its vehicles."""
HEAD_GROUPS: Final = 7
"""How many offsets of grounds follow the head: one for each group up to the highest that has a fence."""
HEAD_WORDS: Final = 16
GROUND_WORDS: Final = 4

FENCE_ID: Final = 0
FENCE_GROUP: Final = 1
FENCE_STORE: Final = 2
FENCE_VEHICLES: Final = 3
"""Offset of the vehicles that it is for, n and then n rising ids; 0: it is for all."""
FENCE_FLAGS: Final = 4
FENCE_HOURS: Final = 5
"""Offset of its windows; 0: always."""
FENCE_UTC_OFFSET_MIN: Final = 6
FENCE_DWELL_MS: Final = 7
FENCE_SPEED_KMH10: Final = 8
FENCE_SPEED_MS: Final = 9
FENCE_EXPECTED: Final = 10
"""Offset of its windows; 0: none."""
FENCE_PAIRS: Final = 11
FENCE_SHAPES: Final = 12
"""Offset of its shapes ..."""
FENCE_SHAPE_COUNT: Final = 13
"""... and how many these are: two where it crosses the antimeridian."""
FENCE_WORDS: Final = 16

FLAG_ROUTE: Final = 1
FLAG_EXPECTED: Final = 2
FLAG_TIMED: Final = 4
"""It has hours, or watches how long cars stay or how fast they drive: somebody inside has to be looked at."""

SHAPE_WORDS: Final = 8
PIECE_WORDS: Final = 8

PAGE_WORDS: Final = 2 * PAGE_SIDE * PAGE_SIDE
CELL_WORDS: Final = CELL_SIDE * CELL_SIDE

_I4: Final = types.int32[::1]
_INT: Final = types.int64


# --- finding ----------------------------------------------------------------------------------------------------------


@njit(types.int64(_INT, _INT), cache=True, nogil=True)
def word(table, position):  # type: ignore[no-untyped-def]
    """Return word `position` of the int32 table at address `table`."""
    return load_i32(table + 4 * position)


@njit(types.int64(_INT, _INT, _INT), cache=True, nogil=True)
def fence_word(table, number, which):  # type: ignore[no-untyped-def]
    """Return word FENCE_* of the record of fence `number`."""
    return word(table, word(table, HEAD_RECORDS) + FENCE_WORDS * number + which)


@njit(types.int64(_INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _crossed(words, at, corner_lat, corner_lon, lat, lon):  # type: ignore[no-untyped-def]
    """Return 1 if the walk from the corner to the point crosses the edge at `at` an odd number of times, else 0."""
    lat_a = word(words, at)
    lon_a = word(words, at + 1)
    lat_b = word(words, at + 2)
    lon_b = word(words, at + 3)
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
    lat_a = word(words, at)
    lon_a = word(words, at + 1)
    lat_b = word(words, at + 2)
    lon_b = word(words, at + 3)
    if lat < lat_a or lat > lat_b or lon < min(lon_a, lon_b) or lon > max(lon_a, lon_b):
        return False
    return (lon_b - lon_a) * (lat - lat_a) == (lat_b - lat_a) * (lon - lon_a)


@njit(types.boolean(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def _circle_holds(words, at, lat, lon):  # type: ignore[no-untyped-def]
    """Tell whether the point is within the radius of the circle at `at`."""
    centre_lat = word(words, at)
    centre_lon = word(words, at + 1)
    radius_m = load_f64(words + 4 * (at + 2))
    if radius_m > 0.0:
        north = float(lat - centre_lat)
        cosine_between = load_f64(words + 4 * (at + 4)) - load_f64(words + 4 * (at + 6)) * north * (
            RADIANS_PER_UNIT * 0.5
        )
        east = float(lon - centre_lon) * cosine_between
        square = (north * north + east * east) * (METRES_PER_UNIT * METRES_PER_UNIT)
        if square < 0.998 * radius_m * radius_m:
            return True
        if square > 1.002 * radius_m * radius_m:
            return False
    return distance_m(centre_lat, centre_lon, lat, lon) <= abs(radius_m)


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _piece_holds(words, at, lat, lon, within):  # type: ignore[no-untyped-def]
    """Tell whether the point is no farther from the corridor's piece at `at` than its half-width less `within` steps.

    The point must lie in a page that the piece reaches into: farther off the products overflow.
    """
    x = (lon - word(words, at + 1)) * word(words, at + 5)
    y = (lat - word(words, at)) << PLANE_SHIFT
    x_b = word(words, at + 2)
    y_b = word(words, at + 3)
    half_width = word(words, at + 4) - within
    along = x * x_b + y * y_b
    if along <= 0:
        return x * x + y * y <= half_width * half_width
    square = x_b * x_b + y_b * y_b
    if along >= square:
        x -= x_b
        y -= y_b
        return x * x + y * y <= half_width * half_width
    most = load_i64(words + 4 * (at + 6))
    if within != 0:
        # At least `within` lengths less, rounded so that it is never too much.
        most -= within * (np.int64(math.sqrt(float(square))) + 2)
    return abs(x * y_b - y * x_b) <= most


@njit(types.int64(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _take_inside(table, listed, count, out, room):  # type: ignore[no-untyped-def]
    """Append the fences that hold an entry's whole square to `out`; return the new count."""
    for k in range(word(table, listed)):
        if count < room:
            store_u32(out + 4 * count, word(table, listed + 2 + k))
        count += 1
    return count


@njit(_INT(_INT, _INT), cache=True, nogil=True)
def ground_of(table, group):  # type: ignore[no-untyped-def]
    """Return the offset of a dealer group's ground; 0: it has no fences."""
    if group < 0 or group >= word(table, HEAD_GROUPS):
        return 0
    return word(table, HEAD_WORDS + group)


@njit(_INT(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def _root_entry(table, ground, north, east):  # type: ignore[no-untyped-def]
    """Return the offset of the entry of a ground's square of 2^24 units; 0: none of its fences is so near."""
    if ground == 0:
        return 0
    row = (north >> ROOT_SHIFT) - word(table, ground)
    column = (east >> ROOT_SHIFT) - word(table, ground + 1)
    columns = word(table, ground + 3)
    if row < 0 or row >= word(table, ground + 2) or column < 0 or column >= columns:
        return 0
    return ground + GROUND_WORDS + 2 * (row * columns + column)


@njit(_INT(_INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def locate(table, ground, lat, lon, out, room):  # type: ignore[no-untyped-def]
    """Find the fences of a dealer group that hold a point.

    Args:
        table: address of a FenceIndex's table.
        ground: the group's, from `ground_of`.
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
    entry = _root_entry(table, ground, north, east)
    if entry == 0:
        return 0
    listed = word(table, entry)
    if listed != 0:
        count = _take_inside(table, listed, count, out, room)
    page = word(table, entry + 1)
    if page == 0:
        return count
    side = PAGE_SIDE - 1
    entry = page + 2 * (((north >> PAGE_SHIFT) & side) * PAGE_SIDE + ((east >> PAGE_SHIFT) & side))
    listed = word(table, entry)
    if listed != 0:
        count = _take_inside(table, listed, count, out, room)
    page = word(table, entry + 1)
    if page == 0:
        return count
    side = CELL_SIDE - 1
    listed = word(table, page + ((north >> CELL_SHIFT) & side) * CELL_SIDE + ((east >> CELL_SHIFT) & side))
    if listed == 0:
        return count
    count = _take_inside(table, listed, count, out, room)
    corner_lat = ((north >> CELL_SHIFT) << CELL_SHIFT) - LAT_MAX_1E7
    corner_lon = ((east >> CELL_SHIFT) << CELL_SHIFT) - LON_MAX_1E7
    partial = listed + 2 + word(table, listed)
    for _ in range(word(table, listed + 1)):
        kind = word(table, partial + 1)
        first = partial + 3
        after = first + 4 * word(table, partial + 2)
        holds = False
        if kind <= 1:
            for edge in range(first, after, 4):
                if _on_edge(table, edge, lat, lon):
                    holds = True
                    break
                kind ^= _crossed(table, edge, corner_lat, corner_lon, lat, lon)
            holds = holds or kind == 1
        elif kind == KIND_CIRCLE:
            holds = _circle_holds(table, first, lat, lon)
        else:
            for piece in range(first, after, PIECE_WORDS):
                if _piece_holds(table, piece, lat, lon, 0):
                    holds = True
                    break
        if holds:
            if count < room:
                store_u32(out + 4 * count, word(table, partial))
            count += 1
        partial = after
    return count


@njit(types.float64(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def corridor_piece_m(table, at, lat, lon):  # type: ignore[no-untyped-def]
    """Return how many metres a point lies beyond the half-width of the corridor's piece at `at`; negative: inside.

    In the piece's own plane, so that it is 0 where `locate` draws the line.
    """
    steps_m = METRES_PER_UNIT / (1 << PLANE_SHIFT)
    x = float((lon - word(table, at + 1)) * word(table, at + 5))
    y = float((lat - word(table, at)) << PLANE_SHIFT)
    x_b = float(word(table, at + 2))
    y_b = float(word(table, at + 3))
    square = x_b * x_b + y_b * y_b
    part = 0.0
    if square > 0.0:
        part = min(1.0, max(0.0, (x * x_b + y * y_b) / square))
    x -= part * x_b
    y -= part * y_b
    return (math.sqrt(x * x + y * y) - word(table, at + 4)) * steps_m


@njit(types.boolean(_INT, _INT, _INT, _INT, types.float64), cache=True, nogil=True)
def _shape_near(table, shape, lat, lon, margin_m):  # type: ignore[no-untyped-def]
    """Tell whether a point outside the shape at `shape` is within margin_m of its boundary."""
    margin = np.int64(margin_m / METRES_PER_UNIT) + 1
    if lat < word(table, shape + 1) - margin or lat > word(table, shape + 3) + margin:
        return False
    # Never a narrower strip than the metres ask for: the cosine of the end nearer to the pole.
    cosine = math.cos(min(abs(lat) + margin, LAT_MAX_1E7) * RADIANS_PER_UNIT)
    if cosine > 1e-3:
        margin_lon = np.int64(margin / cosine) + 1
        if lon < word(table, shape + 2) - margin_lon or lon > word(table, shape + 4) + margin_lon:
            return False
    kind = word(table, shape)
    first = word(table, shape + 5)
    after = word(table, shape + 6)
    if kind == KIND_CIRCLE:
        radius_m = abs(load_f64(table + 4 * (first + 2)))
        return distance_m(word(table, first), word(table, first + 1), lat, lon) <= radius_m + margin_m
    if kind == KIND_CORRIDOR:
        for piece in range(first, after, PIECE_WORDS):  # noqa: SIM110 - numba knows no any()
            if corridor_piece_m(table, piece, lat, lon) <= margin_m:
                return True
        return False
    for edge in range(first, after, 4):
        lat_a = word(table, edge)
        lat_b = word(table, edge + 2)
        if lat < lat_a - margin or lat > lat_b + margin:
            continue
        if segment_distance_m(lat, lon, lat_a, word(table, edge + 1), lat_b, word(table, edge + 3)) <= margin_m:
            return True
    return False


@njit(types.boolean(_INT, _INT, _INT, _INT, types.float64), cache=True, nogil=True)
def near(table, fence, lat, lon, margin_m):  # type: ignore[no-untyped-def]
    """Tell whether a point outside fence number `fence` is within margin_m of its boundary.

    Serves margins up to a kilometre (see segment_distance_m). Costs a few ns for each edge of the fence, and only for
    a vehicle that was inside and no longer is.
    """
    shape = fence_word(table, fence, FENCE_SHAPES)
    for k in range(fence_word(table, fence, FENCE_SHAPE_COUNT)):
        if _shape_near(table, shape + SHAPE_WORDS * k, lat, lon, margin_m):
            return True
        # A kilometre is less than half a degree up to 88 degrees of latitude.
        if abs(lon) > LON_MAX_1E7 - 5_000_000 and _shape_near(
            table, shape + SHAPE_WORDS * k, lat, lon + (TURN_1E7 if lon < 0 else -TURN_1E7), margin_m
        ):
            return True
    return False


@njit(types.int64(_INT, _INT), cache=True, nogil=True)
def number_of(table, fence_id):  # type: ignore[no-untyped-def]
    """Return the number of the fence with this id, -1 if the index has none."""
    if fence_id <= 0 or fence_id > word(table, HEAD_ID_MAX):
        return -1
    numbers = word(table, HEAD_NUMBERS)
    if numbers != 0:
        return word(table, numbers + fence_id) - 1
    low, high = np.int64(0), word(table, HEAD_FENCES)
    while low < high:
        middle = (low + high) >> 1
        if fence_word(table, middle, FENCE_ID) < fence_id:
            low = middle + 1
        else:
            high = middle
    if low < word(table, HEAD_FENCES) and fence_word(table, low, FENCE_ID) == fence_id:
        return low
    return -1


@njit(types.int64(_INT, _INT, _INT), cache=True, nogil=True)
def place_of(table, number, vehicle):  # type: ignore[no-untyped-def]
    """Return which of the vehicles that fence `number` lists this is, from 0; -1: none, or it lists none."""
    listed = fence_word(table, number, FENCE_VEHICLES)
    if listed == 0:
        return -1
    low = listed + 1
    end = low + word(table, listed)
    high = end
    while low < high:
        middle = (low + high) >> 1
        if word(table, middle) < vehicle:
            low = middle + 1
        else:
            high = middle
    if low < end and word(table, low) == vehicle:
        return low - listed - 1
    return -1


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def is_for(table, number, group, store, vehicle):  # type: ignore[no-untyped-def]
    """Tell whether fence `number` is for a vehicle of this group and store.

    A fence that is for certain vehicles costs a binary search, and only at reports that lie in it.
    """
    if fence_word(table, number, FENCE_GROUP) != group:
        return False
    fence_store = fence_word(table, number, FENCE_STORE)
    if fence_store != 0 and fence_store != store:
        return False
    return fence_word(table, number, FENCE_VEHICLES) == 0 or place_of(table, number, vehicle) >= 0


@njit(types.UniTuple(types.int64, 3)(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def window_at(table, windows, utc_offset_min, time_ms):  # type: ignore[no-untyped-def]
    """Tell whether a moment lies in one of the windows at offset `windows` of the table, and since when.

    Returns:
        (1, when the window began, when it ends), or (0, when the last one ended, when the next one begins).
    """
    local = (time_ms + utc_offset_min * MINUTE_MS + MONDAY_MS) % WEEK_MS
    ended = np.int64(WEEK_MS)
    begins = np.int64(WEEK_MS)
    for k in range(word(table, windows)):
        start = word(table, windows + 1 + 2 * k) * MINUTE_MS
        length = word(table, windows + 2 + 2 * k) * MINUTE_MS
        into = (local - start) % WEEK_MS
        if into < length:
            return 1, time_ms - into, time_ms - into + length
        ended = min(ended, into - length)
        begins = min(begins, WEEK_MS - into)
    return 0, time_ms - ended, time_ms + begins


@njit(types.int64(_INT, _INT, _INT), cache=True, nogil=True)
def _side_at(position: int, limit: int, shift: int) -> int:
    """Return the southern or western side of the square of 2^shift units that holds a latitude or longitude."""
    return (((position + limit) >> shift) << shift) - limit


@njit(_INT(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def _cell_entry(table, ground, lat, lon):  # type: ignore[no-untyped-def]
    """Return where the table has the list of the cell that holds a point of the earth; 0: nothing is so near."""
    north = lat + LAT_MAX_1E7
    east = lon + LON_MAX_1E7
    entry = _root_entry(table, ground, north, east)
    if entry == 0:
        return 0
    page = word(table, entry + 1)
    if page == 0:
        return 0
    side = PAGE_SIDE - 1
    page = word(table, page + 2 * (((north >> PAGE_SHIFT) & side) * PAGE_SIDE + ((east >> PAGE_SHIFT) & side)) + 1)
    if page == 0:
        return 0
    side = CELL_SIDE - 1
    return page + ((north >> CELL_SHIFT) & side) * CELL_SIDE + ((east >> CELL_SHIFT) & side)


@njit(types.void(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def fetch_ahead(table, ground, lat, lon, stage):  # type: ignore[no-untyped-def]
    """Ask for what `locate` will read at a point: at stage 0 the cell's entry, at stage 1 the list that it leads to."""
    if lat < -LAT_MAX_1E7 or lat > LAT_MAX_1E7 or lon < -LON_MAX_1E7 or lon > LON_MAX_1E7:
        return
    entry = _cell_entry(table, ground, lat, lon)
    if entry == 0:
        return
    if stage == 0:
        prefetch(table + 4 * entry)
        return
    listed = word(table, entry)
    if listed != 0:
        for line in range(4):
            prefetch(table + 4 * listed + 64 * line)


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _meets(words, at, lat_a, lon_a, lat_b, lon_b):  # type: ignore[no-untyped-def]
    """Tell whether the edge at `at` and the straight way from a to b have a point in common."""
    south = word(words, at)
    north = word(words, at + 2)
    if max(lat_a, lat_b) < south or min(lat_a, lat_b) > north:
        return False
    lon_south = word(words, at + 1)
    lon_north = word(words, at + 3)
    if max(lon_a, lon_b) < min(lon_south, lon_north) or min(lon_a, lon_b) > max(lon_south, lon_north):
        return False
    rise = north - south
    run = lon_north - lon_south
    side_a = run * (lat_a - south) - rise * (lon_a - lon_south)
    side_b = run * (lat_b - south) - rise * (lon_b - lon_south)
    if (side_a > 0 and side_b > 0) or (side_a < 0 and side_b < 0):
        return False
    rise = lat_b - lat_a
    run = lon_b - lon_a
    side_a = run * (south - lat_a) - rise * (lon_south - lon_a)
    side_b = run * (north - lat_a) - rise * (lon_north - lon_a)
    return not ((side_a > 0 and side_b > 0) or (side_a < 0 and side_b < 0))


@njit(_INT(_INT, _INT, _INT, _INT, _INT, _INT, types.int64[::1], _INT), cache=True, nogil=True)
def crossed_between(table, ground, lat_a, lon_a, lat_b, lon_b, passed, most):  # type: ignore[no-untyped-def]
    """Find the fences of a group that the straight way from a to b, some kilometres at most, may lead through.

    Never misses a polygon whose boundary it meets, nor a corridor; of circles none up to 20 km of radius. Names some
    that it only comes near to.

    Args:
        passed: int64, receives at most `most` fence numbers, each once; those past these are not found.

    Returns:
        How many were written.
    """
    count = 0
    lat_min = max(min(lat_a, lat_b), -LAT_MAX_1E7)
    lat_max = min(max(lat_a, lat_b), LAT_MAX_1E7)
    lon_min = max(min(lon_a, lon_b), -LON_MAX_1E7)
    lon_max = min(max(lon_a, lon_b), LON_MAX_1E7)
    size = 1 << CELL_SHIFT
    middle_lat = (lat_a + lat_b) >> 1
    middle_lon = (lon_a + lon_b) >> 1
    half_m = -1.0
    for south in range(_side_at(lat_min, LAT_MAX_1E7, CELL_SHIFT), lat_max + 1, size):
        # Of each row of cells only what the way touches, and two units more on both sides.
        west_most = lon_min
        east_most = lon_max
        if lat_a != lat_b:
            enters = min(max((south - lat_a) / (lat_b - lat_a), 0.0), 1.0) * (lon_b - lon_a)
            leaves = min(max((south + size - lat_a) / (lat_b - lat_a), 0.0), 1.0) * (lon_b - lon_a)
            west_most = max(lon_min, lon_a + np.int64(min(enters, leaves)) - 2)
            east_most = min(lon_max, lon_a + np.int64(max(enters, leaves)) + 2)
        for west in range(_side_at(west_most, LON_MAX_1E7, CELL_SHIFT), east_most + 1, size):
            entry = _cell_entry(table, ground, south, west)
            if entry == 0:
                continue
            listed = word(table, entry)
            if listed == 0:
                continue
            partial = listed + 2 + word(table, listed)
            for _ in range(word(table, listed + 1)):
                number = word(table, partial)
                kind = word(table, partial + 1)
                first = partial + 3
                after = first + 4 * word(table, partial + 2)
                partial = after
                meets = False
                if kind <= 1:
                    for edge in range(first, after, 4):
                        if _meets(table, edge, lat_a, lon_a, lat_b, lon_b):
                            meets = True
                            break
                elif kind == KIND_CIRCLE:
                    radius_m = abs(load_f64(table + 4 * (first + 2)))
                    away_m = segment_distance_m(word(table, first), word(table, first + 1), lat_a, lon_a, lat_b, lon_b)
                    meets = away_m <= radius_m + min(0.01 * radius_m, 50.0)
                else:
                    if half_m < 0.0:
                        half_m = 0.51 * distance_m(lat_a, lon_a, lat_b, lon_b) + 1.0
                    for piece in range(first, after, PIECE_WORDS):
                        if corridor_piece_m(table, piece, middle_lat, middle_lon) <= half_m:
                            meets = True
                            break
                if not meets:
                    continue
                known = False
                for k in range(count):
                    if passed[k] == number:
                        known = True
                        break
                if not known and count < most:
                    passed[count] = number
                    count += 1
    return count


@njit(types.boolean(_INT, _INT, _INT, _INT, types.float64), cache=True, nogil=True)
def deep(table, fence, lat, lon, metres):  # type: ignore[no-untyped-def]
    """Tell whether a point inside fence number `fence` is farther than that from its boundary."""
    shape = fence_word(table, fence, FENCE_SHAPES)
    for k in range(fence_word(table, fence, FENCE_SHAPE_COUNT)):
        at = shape + SHAPE_WORDS * k
        kind = word(table, at)
        first = word(table, at + 5)
        if kind == KIND_POLYGON:
            if _shape_near(table, at, lat, lon, metres):
                return False
        elif kind == KIND_CIRCLE:
            radius_m = abs(load_f64(table + 4 * (first + 2)))
            # One copy speaks for all.
            return distance_m(word(table, first), word(table, first + 1), lat, lon) < radius_m - metres
        else:
            for piece in range(first, word(table, at + 6), PIECE_WORDS):
                if corridor_piece_m(table, piece, lat, lon) < -metres:
                    return True
            if k + 1 == fence_word(table, fence, FENCE_SHAPE_COUNT):
                return False
    return True


@njit(types.boolean(_INT, _INT, _INT, _INT), cache=True, nogil=True)
def ends_at(table, fence, lat, lon):  # type: ignore[no-untyped-def]
    """Tell whether a point lies past an end of a corridor: no place of its line is nearer than that end."""
    shape = fence_word(table, fence, FENCE_SHAPES)
    if word(table, shape) != KIND_CORRIDOR:
        return False
    least = 1e18
    ends = False
    for k in range(fence_word(table, fence, FENCE_SHAPE_COUNT)):
        first = word(table, shape + SHAPE_WORDS * k + 5)
        after = word(table, shape + SHAPE_WORDS * k + 6)
        for piece in range(first, after, PIECE_WORDS):
            away_m = corridor_piece_m(table, piece, lat, lon)
            if away_m > least:
                continue
            x = (lon - word(table, piece + 1)) * word(table, piece + 5)
            y = (lat - word(table, piece)) << PLANE_SHIFT
            x_b = word(table, piece + 2)
            y_b = word(table, piece + 3)
            along = float(x) * x_b + float(y) * y_b
            past = (piece == first and along <= 0.0) or (
                piece + PIECE_WORDS == after and along >= float(x_b) * x_b + float(y_b) * y_b
            )
            if away_m < least or past:
                ends = past
            least = away_m
    return ends


@njit(types.void(_INT, _INT, _I4, _I4, _I4, _INT, _INT), cache=True, nogil=True)
def locate_each(table, group, lats, lons, counts, out, room):  # type: ignore[no-untyped-def]
    """Run `locate` for n points of one group: counts (n,) int32, out the address of (n, room) int32."""
    ground = ground_of(table, group)
    for i in range(lats.shape[0]):
        counts[i] = locate(table, ground, np.int64(lats[i]), np.int64(lons[i]), out + 4 * room * i, room)


# --- building ---------------------------------------------------------------------------------------------------------


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _touches(words, at, south, west, size):  # type: ignore[no-untyped-def]
    """Tell whether the edge at `at` touches the closed square, by separating axes (both sides and the normal)."""
    lat_a = word(words, at)
    lon_a = word(words, at + 1)
    lat_b = word(words, at + 2)
    lon_b = word(words, at + 3)
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


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _piece_reaches(words, at, south, west, size):  # type: ignore[no-untyped-def]
    """Tell whether the corridor's piece at `at` may reach into the square: never wrong when it says no."""
    half = size >> 1
    steps = math.hypot(float(half * word(words, at + 5)), float(half << PLANE_SHIFT))
    return (
        corridor_piece_m(words, at, south + half, west + half) <= steps * (METRES_PER_UNIT / (1 << PLANE_SHIFT)) + 0.01
    )


@njit(types.boolean(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _circle_reaches(words, at, south, west, size):  # type: ignore[no-untyped-def]
    """Tell whether the circle at `at` may reach into the square: never wrong when it says no."""
    half = size >> 1
    # No place of the square is farther from its middle than along its southern or northern side and then up.
    nearest_equator = max(0, max(south, -(south + size)))
    diagonal_m = half * METRES_PER_UNIT * math.sqrt(1.0 + math.cos(nearest_equator * RADIANS_PER_UNIT) ** 2)
    away_m = distance_m(word(words, at), word(words, at + 1), south + half, west + half)
    return away_m <= abs(load_f64(words + 4 * (at + 2))) + 1.001 * diagonal_m + 1.0


@njit(
    types.int64(_INT, _INT, types.int64[::1], _INT, _INT, _INT, _INT, types.int64[::1]),
    cache=True,
    nogil=True,
)
def _select(kind, words, chosen, count, south, west, size, out):  # type: ignore[no-untyped-def]
    """Copy those of the first `count` chosen edges or pieces that reach into a square to `out`; return how many."""
    kept = 0
    for k in range(count):
        if kind == KIND_POLYGON:
            reaches = _touches(words, chosen[k], south, west, size)
        elif kind == KIND_CIRCLE:
            reaches = _circle_reaches(words, chosen[k], south, west, size)
        else:
            reaches = _piece_reaches(words, chosen[k], south, west, size)
        if reaches:
            out[kept] = chosen[k]
            kept += 1
    return kept


@njit(types.int64(_INT, types.int64[::1], _INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _walk(edges, chosen, count, parity, corner_lat, corner_lon, lat, lon):  # type: ignore[no-untyped-def]
    """Return the parity at a point of a square, from that of its corner and the edges that touch the square."""
    for k in range(count):
        parity ^= _crossed(edges, chosen[k], corner_lat, corner_lon, lat, lon)
    return parity


@njit(types.boolean(_INT, types.int64[::1], _INT, _INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _holds_square(words, chosen, count, kind, parity, south, west, size):  # type: ignore[no-untyped-def]
    """Tell whether the shape holds a whole square, given what of it reaches into the square.

    A circle: the farthest point of such a square is a corner, since the distance grows with the difference of
    longitude, and along a meridian has one minimum and no maximum between the ends. A corridor: a piece is convex, so
    it holds what lies between corners that it holds; one step is taken off for the cross product's bound, which is
    rounded down. What two pieces hold together only is not seen, and costs no more than a look at both.
    """
    if kind == KIND_POLYGON:
        return count == 0 and parity == 1
    if kind == KIND_CORRIDOR and size > 1 << PAGE_SHIFT:
        return False
    for k in range(count):
        corners = 0
        for corner in range(4):
            lat = south + size if corner & 1 else south
            lon = west + size if corner & 2 else west
            if kind == KIND_CIRCLE:
                radius_m = abs(load_f64(words + 4 * (chosen[k] + 2)))
                away_m = distance_m(word(words, chosen[k]), word(words, chosen[k] + 1), lat, lon)
                corners += away_m <= radius_m - SQUARE_IN_CIRCLE_SLACK_M
            else:
                corners += _piece_holds(words, chosen[k], lat, lon, 1)
        if corners == 4:
            return True
    return False


@njit(_INT(_INT, _INT, _INT, _INT, _INT), cache=True, nogil=True)
def _key(ground, level, south, west, partial):  # type: ignore[no-untyped-def]
    """Number a square: ground, level, row, column, and last whether the boundary crosses it. Sorts lists together."""
    shift = (ROOT_SHIFT, PAGE_SHIFT, CELL_SHIFT)[level]
    row = (south + LAT_MAX_1E7) >> shift
    column = (west + LON_MAX_1E7) >> shift
    return ((((ground << 2 | level) << 20 | row) << 20) | column) << 1 | partial


@njit(
    types.UniTuple(types.int64, 2)(_I4, types.int64[::1], _I4, _INT, types.int64[::1], types.int32[:, ::1], _I4),
    cache=True,
    nogil=True,
)
def _place(fences, grounds, shapes, words, keys, placed, quads):  # type: ignore[no-untyped-def]
    """Find the squares of every shape: those it holds wholly, as large as may be, and the cells its boundary crosses.

    Args:
        fences: (n,) int32, the fence's number of each shape; grounds: (n,) int64, the number of its group's ground;
            shapes: (SHAPE_WORDS * n,) int32.
        words: address of the int32 that the shapes' offsets count in.
        keys: (m,) int64, receives _key of each square.
        placed: (m, 4) int32, receives fence, kind or parity, first quad in `quads`, quads.
        quads: (4 * q,) int32, receives what decides in the crossed cells.

    Returns:
        Squares and quads found. More than there was room for: the rest was not written; call again with room.
    """
    squares = 0
    quads_listed = 0
    most = 1
    for shape in range(fences.shape[0]):
        most = max(most, (shapes[SHAPE_WORDS * shape + 6] - shapes[SHAPE_WORDS * shape + 5]) >> 2)
    every = np.empty(most, np.int64)
    in_root = np.empty(most, np.int64)
    in_page = np.empty(most, np.int64)
    in_cell = np.empty(most, np.int64)
    root_size = 1 << ROOT_SHIFT
    page_size = 1 << PAGE_SHIFT
    cell_size = 1 << CELL_SHIFT
    for shape in range(fences.shape[0]):
        fence = fences[shape]
        ground = grounds[shape]
        at = SHAPE_WORDS * shape
        kind = np.int64(shapes[at])
        parts = 1 if kind == KIND_POLYGON else 2
        total = 0
        for first in range(shapes[at + 5], shapes[at + 6], 4 * parts):
            every[total] = first
            total += 1
        # Copies across the antimeridian go on where there are no squares.
        lat_min: Any = np.int64(shapes[at + 1])
        lon_min: Any = max(np.int64(shapes[at + 2]), -LON_MAX_1E7)
        lat_max: Any = np.int64(shapes[at + 3])
        lon_max: Any = min(np.int64(shapes[at + 4]), LON_MAX_1E7)
        # West of everything: a corner beyond all edges.
        start_lat = lat_min - 1
        start_lon = np.int64(shapes[at + 2]) - 1
        for root_south in range(_side_at(lat_min, LAT_MAX_1E7, ROOT_SHIFT), lat_max + 1, root_size):
            for root_west in range(_side_at(lon_min, LON_MAX_1E7, ROOT_SHIFT), lon_max + 1, root_size):
                root_parity = kind
                if kind == KIND_POLYGON:
                    root_parity = _walk(words, every, total, 0, start_lat, start_lon, root_south, root_west)
                rooted = _select(kind, words, every, total, root_south, root_west, root_size, in_root)
                if _holds_square(words, in_root, rooted, kind, root_parity, root_south, root_west, root_size):
                    if squares < keys.shape[0]:
                        keys[squares] = _key(ground, 0, root_south, root_west, 0)
                        placed[squares, 0] = fence
                    squares += 1
                    continue
                if rooted == 0:
                    continue
                # Pages that overlap the shape's box and lie in this root square.
                page_south_0 = max(root_south, _side_at(lat_min, LAT_MAX_1E7, PAGE_SHIFT))
                page_west_0 = max(root_west, _side_at(lon_min, LON_MAX_1E7, PAGE_SHIFT))
                for page_south in range(page_south_0, min(root_south + root_size, lat_max + 1), page_size):
                    for page_west in range(page_west_0, min(root_west + root_size, lon_max + 1), page_size):
                        page_parity = kind
                        if kind == KIND_POLYGON:
                            page_parity = _walk(
                                words, in_root, rooted, root_parity, root_south, root_west, page_south, page_west
                            )
                        paged = _select(kind, words, in_root, rooted, page_south, page_west, page_size, in_page)
                        if _holds_square(words, in_page, paged, kind, page_parity, page_south, page_west, page_size):
                            if squares < keys.shape[0]:
                                keys[squares] = _key(ground, 1, page_south, page_west, 0)
                                placed[squares, 0] = fence
                            squares += 1
                            continue
                        if paged == 0:
                            continue
                        south_0 = max(page_south, _side_at(lat_min, LAT_MAX_1E7, CELL_SHIFT))
                        west_0 = max(page_west, _side_at(lon_min, LON_MAX_1E7, CELL_SHIFT))
                        for south in range(south_0, min(page_south + page_size, lat_max + 1), cell_size):
                            for west in range(west_0, min(page_west + page_size, lon_max + 1), cell_size):
                                parity = kind
                                if kind == KIND_POLYGON:
                                    parity = _walk(
                                        words, in_page, paged, page_parity, page_south, page_west, south, west
                                    )
                                reaching = _select(kind, words, in_page, paged, south, west, cell_size, in_cell)
                                whole = _holds_square(words, in_cell, reaching, kind, parity, south, west, cell_size)
                                if whole:
                                    reaching = 0
                                elif reaching == 0:
                                    continue
                                if squares < keys.shape[0]:
                                    keys[squares] = _key(ground, 2, south, west, 0 if whole else 1)
                                    placed[squares, 0] = fence
                                    placed[squares, 1] = parity
                                    placed[squares, 2] = quads_listed
                                    placed[squares, 3] = parts * reaching
                                squares += 1
                                for k in range(reaching):
                                    if 4 * (quads_listed + parts) <= quads.shape[0]:
                                        for part in range(4 * parts):
                                            quads[4 * quads_listed + part] = word(words, in_cell[k] + part)
                                    quads_listed += parts
    return squares, quads_listed


@njit(
    types.void(types.int64[::1], types.int64[::1], types.int64[::1], types.int32[:, ::1], _I4, _INT, _I4),
    cache=True,
    nogil=True,
)
def _write_lists(firsts, order, keys, placed, quads, position, table):  # type: ignore[no-untyped-def]
    """Write one list after the other into the table, from `position` on.

    Args:
        firsts: (lists + 1,) int64, where each list's squares begin in `order`.
        order: (n,) int64, squares sorted by key.
        keys, placed, quads: as _place left them.
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
                for part in range(4 * count):
                    table[position + part] = quads[first + part]
                position += 4 * count
            else:
                # The wholly held come first: their keys are even.
                inside += 1
        table[start] = inside
        table[start + 1] = firsts[number + 1] - firsts[number] - inside


class _Shapes(NamedTuple):
    """Shapes of fences as the index stores them."""

    fences: np.ndarray
    """(n,) which fence each shape is of."""
    kinds: np.ndarray
    """(n,) KIND_*."""
    boxes: np.ndarray
    """(n, 4) int64."""
    words: np.ndarray
    """Edges, circles, pieces one after the other, int32; box and words of a copy differ in longitude only."""
    lengths: np.ndarray
    """(n,) words of each shape."""


def _lines(fences: np.ndarray, lines: Sequence[Sequence[tuple[int, int]]], what: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the corners of all lines, (c, 2) int64, and how many each has.

    Args:
        fences: (n,) the fence id of each line.
    """
    blocks = [np.asarray(line, np.int64) for line in lines]
    for fence_id, block in zip(fences.tolist(), blocks, strict=True):
        if block.ndim != 2 or block.shape[1] != 2:
            raise FenceError(f"fence {fence_id}: {what} is a list of (lat_1e7, lon_1e7)")
    lengths = np.array([len(block) for block in blocks], np.int64)
    corners = np.concatenate(blocks) if blocks else np.zeros((0, 2), np.int64)
    beyond = np.flatnonzero((np.abs(corners[:, 0]) > LAT_MAX_1E7) | (np.abs(corners[:, 1]) > LON_MAX_1E7))
    if len(beyond):
        fence_id = fences[np.searchsorted(np.cumsum(lengths), beyond[0], side="right")]
        raise FenceError(f"fence {fence_id}: a corner beyond 90 degrees of latitude or 180 of longitude")
    return corners, lengths


def _steps(fences: np.ndarray, corners: np.ndarray, ahead: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return from each corner the step to that at `ahead`, (c, 2) int64, the shorter way round the earth.

    Args:
        fences: (n,) the fence id of each line; lines: (c,) which line each corner is of.
    """
    steps = corners[ahead] - corners
    steps[:, 1] -= np.where(np.abs(steps[:, 1]) > LON_MAX_1E7, np.sign(steps[:, 1]) * TURN_1E7, 0)
    wide = np.flatnonzero(np.abs(steps[:, 1]) >= EXTENT_MAX_1E7)
    if len(wide):
        raise FenceError(f"fence {fences[lines[wide[0]]]}: an edge is 180 degrees wide: both ways round are as long")
    return steps


def _copied(fence_ids: np.ndarray, shapes: _Shapes, lon_words: Sequence[int], unit: int) -> _Shapes:
    """Return the shapes turned so that they begin on the earth, and those that go beyond 180 degrees a second time.

    Args:
        lon_words: which of each `unit` words are longitudes.
    """
    fences, kinds, boxes, _, lengths = shapes
    turns = np.floor_divide(boxes[:, 1] + LON_MAX_1E7, TURN_1E7) * TURN_1E7
    words = shapes.words.astype(np.int64).reshape(-1, unit)
    of_word = np.repeat(np.arange(len(fences)), lengths // unit)
    for column in lon_words:
        words[:, column] -= turns[of_word]
    boxes = boxes.copy()
    boxes[:, [1, 3]] -= turns[:, None]
    far = np.flatnonzero(
        (boxes[:, 3] > LON_MAX_1E7) & ((boxes[:, 3] > LON_MAX_1E7 + BEYOND_MAX_1E7) | (boxes[:, 1] < TURN_1E7 - 2**31))
    )
    if len(far):
        raise FenceError(
            f"fence {fence_ids[fences[far[0]]]}: crosses the antimeridian and reaches more than 34 degrees beyond it: "
            "draw one on each side"
        )
    again = np.flatnonzero(boxes[:, 3] > LON_MAX_1E7)
    chosen = np.isin(of_word, again)
    copy = words[chosen]
    for column in lon_words:
        copy[:, column] -= TURN_1E7
    moved = boxes[again]
    moved[:, [1, 3]] -= TURN_1E7
    return _Shapes(
        np.append(fences, fences[again]),
        np.append(kinds, kinds[again]),
        np.vstack([boxes, moved]),
        np.append(words, copy).astype(np.int32),
        np.append(lengths, lengths[again]),
    )


def _polygons(fence_ids: np.ndarray, numbered: Sequence[tuple[int, Polygon]]) -> _Shapes:
    """Return polygons as their edges. numbered: with the fence's number of each, rising; fence_ids: of all fences."""
    of_fence = np.array([number for number, _ in numbered], np.int64)
    polygons = [polygon for _, polygon in numbered]
    ring_counts = np.array([len(polygon.rings) for polygon in polygons], np.int64)
    if len(empty := np.flatnonzero(ring_counts == 0)):
        raise FenceError(f"fence {fence_ids[of_fence[empty[0]]]}: a polygon needs a ring")
    # Polygons count from 0 here, rings too, over all polygons.
    of_ring = np.repeat(np.arange(len(polygons)), ring_counts)
    ring_ids = fence_ids[of_fence[of_ring]]
    corners, lengths = _lines(ring_ids, [ring for polygon in polygons for ring in polygon.rings], "a ring")
    firsts = np.cumsum(lengths) - lengths
    of_corner = np.repeat(np.arange(len(lengths)), lengths)
    ahead = np.arange(1, len(corners) + 1)
    ahead[(firsts + lengths - 1)[lengths > 0]] = firsts[lengths > 0]
    steps = _steps(ring_ids, corners, ahead, of_corner)
    is_edge = (steps != 0).any(axis=1)
    edge_counts = np.bincount(of_corner[is_edge], minlength=len(lengths))
    if len(short := np.flatnonzero(edge_counts < 3)):
        raise FenceError(f"fence {ring_ids[short[0]]}: a ring needs three different corners")
    # The longitudes go on from each ring's first corner.
    travelled = np.cumsum(steps[:, 1])
    if len(round_ := np.flatnonzero(np.add.reduceat(steps[:, 1], firsts) if len(firsts) else [])):
        raise FenceError(f"fence {ring_ids[round_[0]]}: a ring goes round a pole: draw it in parts")
    lons = corners[firsts[of_corner], 1] + travelled - steps[:, 1] - (travelled - steps[:, 1])[firsts[of_corner]]
    # A hole may begin on the other side of the antimeridian than its outline: the turn that brings it nearer.
    middles = (_extreme(np.minimum, lons, firsts) + _extreme(np.maximum, lons, firsts)) // 2
    outlines = np.cumsum(ring_counts) - ring_counts
    lons += (np.rint((middles[outlines[of_ring]] - middles) / TURN_1E7).astype(np.int64) * TURN_1E7)[of_corner]

    edges = np.stack([corners[:, 0], lons, corners[:, 0] + steps[:, 0], lons + steps[:, 1]], axis=1)[is_edge]
    downwards = (edges[:, 0] > edges[:, 2]) | ((edges[:, 0] == edges[:, 2]) & (edges[:, 1] > edges[:, 3]))
    edges[downwards] = edges[downwards][:, [2, 3, 0, 1]]
    counts = np.bincount(of_ring[of_corner[is_edge]], minlength=len(polygons))
    if len(many := np.flatnonzero(counts > FENCE_CORNERS_MAX)):
        raise FenceError(
            f"fence {fence_ids[of_fence[many[0]]]}: {counts[many[0]]} corners, the bound is {FENCE_CORNERS_MAX}"
        )
    firsts = np.cumsum(counts) - counts
    lon_ends = np.sort(edges[:, [1, 3]], axis=1)
    boxes = np.stack(
        [
            _extreme(np.minimum, edges[:, 0], firsts),
            _extreme(np.minimum, lon_ends[:, 0], firsts),
            _extreme(np.maximum, edges[:, 2], firsts),
            _extreme(np.maximum, lon_ends[:, 1], firsts),
        ],
        axis=1,
    )
    if len(wide := np.flatnonzero(boxes[:, 3] - boxes[:, 1] >= EXTENT_MAX_1E7)):
        raise FenceError(f"fence {fence_ids[of_fence[wide[0]]]}: it is 180 degrees wide, or its rings are so far apart")
    shapes = _Shapes(of_fence, np.full(len(polygons), KIND_POLYGON), boxes, edges.reshape(-1), 4 * counts)
    return _copied(fence_ids, shapes, (1, 3), 4)


def _extreme(ufunc: np.ufunc, values: np.ndarray, firsts: np.ndarray) -> np.ndarray:
    """Return the least or largest value of each block of an array; firsts: where blocks begin, none of them empty."""
    return ufunc.reduceat(values, firsts) if len(firsts) else np.zeros(0, np.int64)


def _circles(fence_ids: np.ndarray, numbered: Sequence[tuple[int, Circle]]) -> _Shapes:
    """Return circles, those across the antimeridian twice."""
    fences, boxes = [], []
    words: list[bytes] = []
    for number, (lat, lon, radius_m) in numbered:
        fence_id = fence_ids[number]
        if not FENCE_RADIUS_M_MIN <= radius_m <= FENCE_RADIUS_M_MAX:
            raise FenceError(
                f"fence {fence_id}: a radius of {radius_m} m, "
                f"the bounds are {FENCE_RADIUS_M_MIN:g} and {FENCE_RADIUS_M_MAX:g}"
            )
        if abs(lat) > LAT_MAX_1E7 or abs(lon) > LON_MAX_1E7:
            raise FenceError(f"fence {fence_id}: its centre is beyond 90 degrees of latitude or 180 of longitude")
        try:
            south, west, north, east = circle_box(lat, lon, radius_m)
        except ValueError as fault:
            raise FenceError(f"fence {fence_id}: {fault}") from fault
        angle = lat * RADIANS_PER_UNIT
        plane = radius_m <= CIRCLE_PLANE_M_MAX and abs(lat) <= CIRCLE_PLANE_LAT_MAX_1E7
        numbers_of = struct.pack("<3d", radius_m if plane else -radius_m, math.cos(angle), math.sin(angle))
        for turn in (0, -TURN_1E7, TURN_1E7):
            if west + turn > LON_MAX_1E7 or east + turn < -LON_MAX_1E7:
                continue
            fences.append(number)
            boxes.append((south, max(west + turn, -LON_MAX_1E7), north, min(east + turn, LON_MAX_1E7)))
            words.append(struct.pack("<2i", lat, lon + turn) + numbers_of)
    return _Shapes(
        np.array(fences, np.int64),
        np.full(len(fences), KIND_CIRCLE),
        np.array(boxes, np.int64).reshape(-1, 4),
        np.frombuffer(b"".join(words), "<i4").astype(np.int32),
        np.full(len(fences), PIECE_WORDS),
    )


def _corridors(fence_ids: np.ndarray, numbered: Sequence[tuple[int, Corridor]]) -> _Shapes:
    """Return corridors as their pieces."""
    of_fence = np.array([number for number, _ in numbered], np.int64)
    corridors = [corridor for _, corridor in numbered]
    ids = fence_ids[of_fence]
    half_widths_m = np.array([corridor.half_width_m for corridor in corridors], np.float64)
    bad = np.flatnonzero(~((half_widths_m >= HALF_WIDTH_M_MIN) & (half_widths_m <= HALF_WIDTH_M_MAX)))
    if len(bad):
        raise FenceError(
            f"fence {ids[bad[0]]}: a half-width of {half_widths_m[bad[0]]} m, "
            f"the bounds are {HALF_WIDTH_M_MIN:g} and {HALF_WIDTH_M_MAX:g}"
        )
    corners, lengths = _lines(ids, [corridor.line for corridor in corridors], "a corridor's line")
    of_corner = np.repeat(np.arange(len(corridors)), lengths)
    polar = np.flatnonzero(np.abs(corners[:, 0]) > CORRIDOR_LAT_MAX_1E7)
    if len(polar):
        raise FenceError(f"fence {ids[of_corner[polar[0]]]}: a corridor beyond 85 degrees of latitude")
    last = np.cumsum(lengths) - 1
    ahead = np.arange(1, len(corners) + 1)
    ahead[last[lengths > 0]] -= 1
    steps = _steps(ids, corners, ahead, of_corner)
    is_segment = (steps != 0).any(axis=1)
    segment_counts = np.bincount(of_corner[is_segment], minlength=len(corridors))
    if len(short := np.flatnonzero(segment_counts == 0)):
        raise FenceError(f"fence {ids[short[0]]}: a corridor needs two different points")
    if len(many := np.flatnonzero(segment_counts > FENCE_CORNERS_MAX)):
        raise FenceError(f"fence {ids[many[0]]}: {segment_counts[many[0]]} corners, the bound is {FENCE_CORNERS_MAX}")
    travelled = np.cumsum(steps[:, 1]) - steps[:, 1]
    firsts = last - lengths + 1
    lons = corners[firsts[of_corner], 1] + travelled - travelled[firsts[of_corner]]

    # Segments are cut into pieces at places rounded to the unit.
    starts = np.stack([corners[:, 0], lons], axis=1)[is_segment]
    steps, of_corner = steps[is_segment], of_corner[is_segment]
    cuts = -(-np.abs(steps).max(axis=1, initial=0) // PIECE_MAX_1E7)
    of_piece = np.repeat(np.arange(len(steps)), cuts)
    part = np.arange(len(of_piece)) - (np.cumsum(cuts) - cuts)[of_piece]
    pieces_of = cuts[of_piece]

    def cut(at: np.ndarray) -> np.ndarray:
        # Half up, in integers: the oracle does the same.
        return starts[of_piece] + (2 * steps[of_piece] * at[:, None] + pieces_of[:, None]) // (2 * pieces_of[:, None])

    a, b = cut(part), cut(part + 1)
    of_corridor = of_corner[of_piece]
    middles = (a[:, 0] + b[:, 0]) * (0.5 * RADIANS_PER_UNIT)
    cosines = np.rint(np.cos(middles) * (1 << PLANE_SHIFT)).astype(np.int64)
    half_widths = np.rint(half_widths_m / METRES_PER_UNIT * (1 << PLANE_SHIFT)).astype(np.int64)[of_corridor]
    x = (b[:, 1] - a[:, 1]) * cosines
    y = (b[:, 0] - a[:, 0]) << PLANE_SHIFT
    most = _cross_most(half_widths, x * x + y * y)

    pieces = np.empty((len(a), PIECE_WORDS), np.int64)
    pieces[:, 0], pieces[:, 1] = a[:, 0], a[:, 1]
    pieces[:, 2], pieces[:, 3] = x, y
    pieces[:, 4], pieces[:, 5] = half_widths, cosines
    # Low and high half of an int64, as int32.
    pieces[:, 6] = (most & 0xFFFFFFFF) - ((most & 0x80000000) << 1)
    pieces[:, 7] = most >> 32

    counts = np.bincount(of_corridor, minlength=len(corridors))
    firsts = np.cumsum(counts) - counts
    north = -(-half_widths >> PLANE_SHIFT) + 1
    east = -(-half_widths // cosines) + 1
    boxes = np.stack(
        [
            _extreme(np.minimum, np.minimum(a[:, 0], b[:, 0]) - north, firsts),
            _extreme(np.minimum, np.minimum(a[:, 1], b[:, 1]) - east, firsts),
            _extreme(np.maximum, np.maximum(a[:, 0], b[:, 0]) + north, firsts),
            _extreme(np.maximum, np.maximum(a[:, 1], b[:, 1]) + east, firsts),
        ],
        axis=1,
    )
    if len(wide := np.flatnonzero(boxes[:, 3] - boxes[:, 1] >= EXTENT_MAX_1E7)):
        raise FenceError(f"fence {ids[wide[0]]}: it is 180 degrees wide")
    shapes = _Shapes(of_fence, np.full(len(corridors), KIND_CORRIDOR), boxes, pieces.reshape(-1), PIECE_WORDS * counts)
    return _copied(fence_ids, shapes, (1,), PIECE_WORDS)


def _cross_most(half_widths: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return floor(half width * length) for each piece, int64, exactly; squares: of the lengths."""
    if np.finfo(np.longdouble).nmant >= 63:
        # Off by less than 2^-5 below 2^58: only what comes so near to an integer is in doubt.
        product = half_widths.astype(np.longdouble) * np.sqrt(squares.astype(np.longdouble))
        most = np.floor(product).astype(np.int64)
        fraction = (product - most).astype(np.float64)
        doubtful = np.flatnonzero((fraction < 0.0625) | (fraction > 0.9375))
    else:
        most = np.zeros(len(squares), np.int64)
        doubtful = np.arange(len(squares))
    for k in doubtful.tolist():
        most[k] = math.isqrt(int(half_widths[k]) ** 2 * int(squares[k]))
    return most


def _vehicle_lists(fences: Sequence[Fence], start: int) -> tuple[np.ndarray, list[int]]:
    """Return the lists of FENCE_VEHICLES one after the other, and each fence's offset when they begin at `start`."""
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


def _windows(fence: Fence, name: str, windows: Sequence[Window], *, joined: bool) -> list[int]:
    """Return windows as the table has them: n, then start and length of each, rising; empty: none, or always.

    Args:
        joined: those that overlap or touch become one; else overlapping ones are refused.
    """
    if len(windows) > WINDOWS_MAX:
        raise FenceError(f"fence {fence.fence_id}: {len(windows)} windows of {name}, the bound is {WINDOWS_MAX}")
    spans: list[list[int]] = []
    for start, end in sorted(windows):
        if not 0 <= start < WEEK_MINUTES or not start < end <= start + WEEK_MINUTES:
            raise FenceError(f"fence {fence.fence_id}: {name} from minute {start} to {end} of the week")
        if spans and (start < spans[-1][1] or (joined and start == spans[-1][1])):
            if not joined:
                raise FenceError(f"fence {fence.fence_id}: windows of {name} overlap at minute {start} of the week")
            spans[-1][1] = max(spans[-1][1], end)
        else:
            spans.append([start, end])
    if not spans:
        return []
    over = spans[-1][1] - WEEK_MINUTES
    if not joined and over > spans[0][0]:
        raise FenceError(f"fence {fence.fence_id}: windows of {name} overlap at minute {spans[0][0]} of the week")
    # What goes over the week's end may reach the first ones of the next.
    while joined and len(spans) > 1 and over >= spans[0][0]:
        over = max(over, spans.pop(0)[1])
        spans[-1][1] = WEEK_MINUTES + over
    if joined and spans[0][1] - spans[0][0] >= WEEK_MINUTES:
        return []
    return [len(spans), *(part for start, end in spans for part in (start, end - start))]


def _rule_words(ordered: Sequence[Fence], records: np.ndarray, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Fill in what each fence is judged by; return the windows, and the numbers of the fences that expect cars.

    Args:
        records: (fences, FENCE_WORDS) int32.
        start: where the windows will stand in the table.

    Raises:
        FenceError: a figure out of its bounds.
    """
    blocks: list[int] = []
    expecting: list[int] = []
    pairs = 0
    plain = Fence(0, Circle(0, 0, 0.0))[5:]
    for number, fence in enumerate(ordered):
        # Most fences have none.
        if fence[5:] == plain:
            continue
        for name, value, most in (
            ("dwell_ms", fence.dwell_ms, TIMES_MS_MAX),
            ("speed_limit_kmh10", fence.speed_limit_kmh10, SPEED_KMH10_MAX),
            ("speed_ms_min", fence.speed_ms_min, TIMES_MS_MAX),
        ):
            if not 0 <= value <= most:
                raise FenceError(f"fence {fence.fence_id}: {name} is {value}, the bounds are 0 and {most}")
        if abs(fence.utc_offset_min) > UTC_OFFSET_MIN_MAX:
            raise FenceError(f"fence {fence.fence_id}: a clock {fence.utc_offset_min} minutes off UTC")
        if fence.role not in ("zone", "route"):
            raise FenceError(f"fence {fence.fence_id}: its role is zone or route, got {fence.role!r}")
        record = records[number]
        record[FENCE_UTC_OFFSET_MIN] = fence.utc_offset_min
        record[FENCE_DWELL_MS] = fence.dwell_ms
        record[FENCE_SPEED_KMH10] = fence.speed_limit_kmh10
        record[FENCE_SPEED_MS] = fence.speed_ms_min
        flags = FLAG_ROUTE if fence.role == "route" else 0
        if hours := _windows(fence, "hours", fence.hours, joined=True):
            record[FENCE_HOURS] = start + len(blocks)
            blocks += hours
        if hours or fence.dwell_ms or fence.speed_limit_kmh10:
            flags |= FLAG_TIMED
        if expected := _windows(fence, "expected", fence.expected, joined=False):
            if fence.vehicles is None:
                raise FenceError(f"fence {fence.fence_id}: who is expected must be said: it has no vehicles")
            record[FENCE_EXPECTED] = start + len(blocks)
            blocks += expected
            flags |= FLAG_EXPECTED
            record[FENCE_PAIRS] = pairs
            pairs += len(set(fence.vehicles))
            expecting.append(number)
        record[FENCE_FLAGS] = flags
    return np.array(blocks, np.int32), np.array([pairs, *expecting], np.int32)


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
    id_max = int(fence_ids[-1]) if count else 0

    polygons = [(number, fence.shape) for number, fence in enumerate(ordered) if isinstance(fence.shape, Polygon)]
    circles = [(number, fence.shape) for number, fence in enumerate(ordered) if isinstance(fence.shape, Circle)]
    corridors = [(number, fence.shape) for number, fence in enumerate(ordered) if isinstance(fence.shape, Corridor)]
    parts = [_polygons(fence_ids, polygons), _circles(fence_ids, circles), _corridors(fence_ids, corridors)]
    shape_fences = np.concatenate([part.fences for part in parts])
    by_fence = np.argsort(shape_fences, kind="stable")
    words = np.concatenate([part.words for part in parts]).astype(np.int32)
    lengths = np.concatenate([part.lengths for part in parts])
    firsts = np.cumsum(lengths) - lengths
    shapes = np.zeros((len(by_fence), SHAPE_WORDS), np.int32)
    shapes[:, 0] = np.concatenate([part.kinds for part in parts])[by_fence]
    shapes[:, 1:5] = np.concatenate([part.boxes for part in parts])[by_fence]
    shapes[:, 5] = firsts[by_fence]
    shapes[:, 6] = (firsts + lengths)[by_fence]
    shape_fences = shape_fences[by_fence].astype(np.int32)
    groups = np.array([fence.group for fence in ordered], np.int64)
    if count and (groups.min() < 0 or groups.max() > GROUP_MAX):
        raise FenceError(f"dealer groups with fences are 0 to {GROUP_MAX}, got {groups.min()} and {groups.max()}")
    grounded, ground_of_fence = np.unique(groups, return_inverse=True)
    placing = (shape_fences, ground_of_fence[shape_fences], shapes.reshape(-1), words.ctypes.data)

    # A guess that is right for small fences; else the first run counts and the second writes.
    squares, quads_listed = 16 * count + 16, len(words) + 16
    while True:
        keys = np.empty(squares, np.int64)
        placed = np.zeros((squares, 4), np.int32)
        quads = np.empty(4 * quads_listed, np.int32)
        squares, quads_listed = _place(*placing, keys, placed, quads)
        if squares <= len(keys) and 4 * quads_listed <= len(quads):
            break
    keys, placed = keys[:squares], placed[:squares]

    # Squares with one key but for its last bit make one list.
    order = np.argsort(keys, kind="stable")
    owners = keys[order] >> 1
    list_firsts = np.append(np.flatnonzero(np.diff(owners, prepend=-1)), len(owners))
    list_words = np.where(keys & 1, 3 + 4 * placed[:, 3], 1)[order]
    list_words = np.diff(np.append(0, np.cumsum(list_words))[list_firsts]) + 2

    # Which page each list's square lies in, and the pages that those need.
    squares_listed = owners[list_firsts[:-1]]
    grounds = squares_listed >> 42
    levels = (squares_listed >> 40) & 3
    rows = (squares_listed >> 20) & 0xFFFFF
    columns = squares_listed & 0xFFFFF
    at_root, at_page, at_cell = levels == 0, levels == 1, levels == 2
    down = np.where(at_cell, PAGE_SHIFT - CELL_SHIFT, 0)
    page_rows, page_columns = rows >> down, columns >> down
    down = np.where(at_root, 0, ROOT_SHIFT - PAGE_SHIFT)
    root_rows, root_columns = page_rows >> down, page_columns >> down
    # Of each ground the rectangle of root squares that all of it lies in; lists of one ground follow one another.
    ground_firsts = np.searchsorted(grounds, np.arange(len(grounded)))
    corners = [
        _extreme(ufunc, values, ground_firsts)
        for ufunc, values in (
            (np.minimum, root_rows),
            (np.minimum, root_columns),
            (np.maximum, root_rows),
            (np.maximum, root_columns),
        )
    ]
    south, west, heights, widths = corners[0], corners[1], corners[2] - corners[0] + 1, corners[3] - corners[1] + 1
    groups_listed = int(grounded[-1]) + 1 if count else 0
    ground_starts = HEAD_WORDS + groups_listed + np.append(0, np.cumsum(GROUND_WORDS + 2 * heights * widths))
    root_entry = (
        ground_starts[grounds]
        + GROUND_WORDS
        + 2 * ((root_rows - south[grounds]) * widths[grounds] + root_columns - west[grounds])
    )
    roots_paged = np.unique(root_entry[~at_root])
    pages_start = int(ground_starts[-1])
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

    # Records begin on a cache line.
    records_start = -(-int(list_starts[-1]) // 16) * 16
    records = np.zeros((count, FENCE_WORDS), np.int32)
    numbers_start = records_start + records.size
    # A table by id where it is not much larger than the records.
    has_numbers = id_max < 16 * count
    shapes_start = numbers_start + (id_max + 1 if has_numbers else 0)
    windows_start = shapes_start + shapes.size
    windows, expecting = _rule_words(ordered, records, windows_start)
    expecting_start = windows_start + len(windows)
    vehicles_start = expecting_start + len(expecting)
    vehicles, vehicle_lists = _vehicle_lists(ordered, vehicles_start)
    words_start = vehicles_start + len(vehicles)
    total = words_start + len(words)
    assert total < 2**31, "offsets are int32"

    table = _on_line(total)
    table[HEAD_GROUPS] = groups_listed
    table[HEAD_WORDS + grounded] = ground_starts[:-1]
    for k, words_of_ground in enumerate((south, west, heights, widths)):
        table[ground_starts[:-1] + k] = words_of_ground
    table[roots_paged + 1] = pages_start + np.arange(len(roots_paged)) * PAGE_WORDS
    table[pages_celled + 1] = cells_start + np.arange(len(pages_celled)) * CELL_WORDS
    table[np.select([at_root, at_page], [root_entry, page_entry], cell_entry)] = list_starts[:-1]
    _write_lists(list_firsts, order, keys, placed, quads, lists_start, table)
    records[:, FENCE_ID] = fence_ids
    records[:, FENCE_GROUP] = [fence.group for fence in ordered]
    records[:, FENCE_STORE] = [fence.store for fence in ordered]
    records[:, FENCE_VEHICLES] = vehicle_lists
    records[:, FENCE_SHAPES] = shapes_start + SHAPE_WORDS * np.searchsorted(shape_fences, np.arange(count))
    records[:, FENCE_SHAPE_COUNT] = np.bincount(shape_fences, minlength=count)
    table[records_start:numbers_start] = records.reshape(-1)
    if has_numbers:
        table[numbers_start + fence_ids] = np.arange(1, count + 1)
    shapes[:, 5:7] += words_start
    table[shapes_start:windows_start] = shapes.reshape(-1)
    table[windows_start:expecting_start] = windows
    table[expecting_start:vehicles_start] = expecting
    table[expecting_start] = len(expecting) - 1
    table[vehicles_start:words_start] = vehicles
    table[words_start:] = words
    table[HEAD_FENCES] = count
    table[HEAD_RECORDS] = records_start
    table[HEAD_NUMBERS] = numbers_start if has_numbers else 0
    table[HEAD_ID_MAX] = id_max
    table[HEAD_TIMED] = int((records[:, FENCE_HOURS] != 0).any() or (records[:, FENCE_DWELL_MS] != 0).any())
    table[HEAD_EXPECTED] = expecting_start
    table[HEAD_PAIRS] = expecting[0]
    return FenceIndex(table)


def _on_line(length: int) -> np.ndarray:
    """Return `length` zero int32 that start on a cache line."""
    raw = np.zeros(4 * length + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + 4 * length].view(np.int32)
