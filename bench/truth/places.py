"""Fences laid on a network, and which crossings of them there truly were.

Everything here is in the network's plane, in metres and float64; nothing of the index or of the detector's geometry is
used. `fence_of` hands a place to detection.

## What counts as a crossing

Decided before the held-out set was judged. With sigma = 5 m a fix lies up to 15 m (three sigma) off, and a rule that
waits for two fixes needs two. So of the noiseless track, at a period P of the reports:

    inside    at least INSIDE_M = 15 m within the boundary, for at least max(5 s, 2 P) without a break
    outside   at least OUTSIDE_M = 30 m beyond it (the 15 m within which nothing counts as outside, and three sigma),
              for at least max(10 s, 2 P) without a break

and everything else is *between*. A crossing is a change from one of the two to the other. It must be told once: by an
event whose time lies from the end of the one stretch (less P) to the beginning of the other (plus the 5 or 10 s and
3 P: a jump or a loss may cost a report; and where the car was without a usable report, until the second after that).
The crossing itself, from which latency is counted, is the last passage of the boundary before the new stretch.

Between two stretches of one side, a car has grazed the boundary or been shorter inside (outside) than anybody could be
sure of: one entry and one exit there count neither way, if the track came within 15 m of the boundary at all (and as
many more as it truly was inside and out again); beyond that, events count as false. So do second events of one
crossing, but for those where the track truly passed the boundary three times or more. What happens before a car's first
stretch is not judged: nobody knows where it was before.

Crossings are counted twice: *all* of them; and those *reported*, where a stretch counts only if at least two reports
with a fix came of it, in order (a car that went through a fence while in a tunnel, or whose reports came late from its
memory, cannot have been seen to; repair works on those). Events of unreported crossings then count neither way.
"""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from bench.truth.traffic import STAND_AFTER_S, Drives
from core.kernels.geofence import Circle, Corridor, Fence, Polygon

METRES_PER_UNIT: Final = 6_371_008.8 * math.pi / 180 / 1e7
ORIGIN_1E7: Final = (300_000_000, 1_550_000_000)
"""Where a network's plane touches the earth: in the open Pacific, at the latitude of Hangzhou."""
LON_METRES_PER_UNIT: Final = METRES_PER_UNIT * math.cos(math.radians(ORIGIN_1E7[0] / 1e7))

SIGMA_M: Final = 5.0
INSIDE_M: Final = 3 * SIGMA_M
OUTSIDE_M: Final = 15.0 + 3 * SIGMA_M
GRAZED_M: Final = 3 * SIGMA_M
ENTER_S_MIN: Final = 5
EXIT_S_MIN: Final = 10
BOX_M: Final = OUTSIDE_M + 20.0

SPARE_ALL: Final = 1 << 30

ENTERED: Final = 1
EXITED: Final = 2


def to_1e7(x_m: np.ndarray, y_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (lat_1e7, lon_1e7) int64 of points of the plane."""
    lat = np.rint(ORIGIN_1E7[0] + np.asarray(y_m) / METRES_PER_UNIT).astype(np.int64)
    lon = np.rint(ORIGIN_1E7[1] + np.asarray(x_m) / LON_METRES_PER_UNIT).astype(np.int64)
    return lat, lon


class Place(NamedTuple):
    """A fence in the plane. kind: polygon (rings, the first the outline), circle (centre, radius), corridor (line)."""

    fence_id: int
    kind: str
    rings: tuple[np.ndarray, ...]
    """Polygon: each (k, 2) float64, not closed. Circle: one point. Corridor: one open line."""
    radius_m: float
    """Of a circle; half the width of a corridor; 0 of a polygon."""

    def box(self) -> tuple[float, float, float, float]:
        """Return x and y, least and most."""
        low = self.rings[0].min(axis=0) - self.radius_m
        high = self.rings[0].max(axis=0) + self.radius_m
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _segments_m(x_m: np.ndarray, y_m: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return the distance from each point to the nearest of the segments."""
    nearest = np.full(len(x_m), np.inf)
    for (ax, ay), (bx, by) in zip(starts, ends, strict=True):
        dx, dy = bx - ax, by - ay
        square = dx * dx + dy * dy
        part = np.clip(((x_m - ax) * dx + (y_m - ay) * dy) / square, 0.0, 1.0) if square > 0 else 0.0
        np.minimum(nearest, np.hypot(x_m - ax - part * dx, y_m - ay - part * dy), out=nearest)
    return nearest


def beyond_m(place: Place, x_m: np.ndarray, y_m: np.ndarray) -> np.ndarray:
    """Return how far each point lies beyond the boundary, in metres; negative: inside.

    Source of inside: even-odd rule, Shimrat, Algorithm 112, CACM 5(8), 1962.
    """
    if place.kind == "circle":
        return np.hypot(x_m - place.rings[0][0, 0], y_m - place.rings[0][0, 1]) - place.radius_m
    if place.kind == "corridor":
        line = place.rings[0]
        return _segments_m(x_m, y_m, line[:-1], line[1:]) - place.radius_m
    nearest = np.full(len(x_m), np.inf)
    inside = np.zeros(len(x_m), np.bool_)
    for ring in place.rings:
        after = np.roll(ring, -1, axis=0)
        np.minimum(nearest, _segments_m(x_m, y_m, ring, after), out=nearest)
        for (ax, ay), (bx, by) in zip(ring, after, strict=True):
            if ay != by:
                inside ^= ((ay > y_m) != (by > y_m)) & (x_m < ax + (y_m - ay) * (bx - ax) / (by - ay))
    return np.where(inside, -nearest, nearest)


def fence_of(place: Place) -> Fence:
    """Return the place as detection takes it, in coordinates."""
    rings = [[(int(a), int(b)) for a, b in zip(*to_1e7(*ring.T), strict=True)] for ring in place.rings]
    if place.kind == "circle":
        return Fence(place.fence_id, Circle(*rings[0][0], place.radius_m))
    if place.kind == "corridor":
        return Fence(place.fence_id, Corridor(rings[0], place.radius_m))
    return Fence(place.fence_id, Polygon(rings))


# --- laying -----------------------------------------------------------------------------------------------------------


def laid(drives: Drives, count: int, seed: int) -> list[Place]:
    """Return so many fences where cars drive: in equal parts

    stars         polygons of 5 to 12 corners, 60 to 500 m across
    beside roads  rectangles of which one side runs along a road, 0 to 10 m beside its middle
    yards         rectangles with a hole (a courtyard that is not part of it)
    circles       60 to 600 m in radius
    corridors     along the way that a car took, 0.8 to 3 km long, 25 to 60 m to each side
    """
    rng = np.random.default_rng(seed)
    car = drives.car
    behind = drives.first[1:][car] - np.arange(len(car))
    # Not at a drive's very end: a corridor follows what comes.
    moving = np.flatnonzero((drives.speed_ms > 3.0) & (behind > STAND_AFTER_S + 60))
    places = []
    for number in range(count):
        at = int(rng.choice(moving))
        x, y, heading = drives.x_m[at], drives.y_m[at], drives.heading_rad[at]
        along, right = (np.array([np.sin(heading + turn), np.cos(heading + turn)]) for turn in (0.0, np.pi / 2))
        point = np.array([x, y])
        kind, radius_m = "polygon", 0.0
        rings: tuple[np.ndarray, ...]
        which = number % 5
        if which == 0:
            size = rng.uniform(60.0, 500.0)
            angles = np.sort(rng.random(int(rng.integers(5, 13)))) * 2 * np.pi
            # Gaps of more than half a turn would leave the middle outside.
            angles = np.unique(np.append(angles, [0.0, 2.0, 4.0]))
            reach = size * rng.uniform(0.5, 1.0, len(angles))
            middle = point + rng.uniform(-0.7, 0.7, 2) * size
            rings = (middle + np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1),)
        elif which == 1:
            beside = rng.uniform(0.0, 10.0) * rng.choice([-1, 1])
            length, depth = rng.uniform(100.0, 700.0), rng.uniform(80.0, 400.0) * rng.choice([-1, 1])
            near, far = point + right * beside, point + right * (beside + depth)
            rings = (np.array([near, near + along * length, far + along * length, far]),)
        elif which == 2:
            half = rng.uniform(150.0, 500.0)
            hole = half * rng.uniform(0.3, 0.6)
            middle = point + rng.uniform(-0.8, 0.8, 2) * half
            corners = np.array([along + right, along - right, -along - right, -along + right])
            rings = (middle + corners * half, middle + corners * hole)
        elif which == 3:
            kind, radius_m = "circle", float(rng.uniform(60.0, 600.0))
            angle = rng.random() * 2 * np.pi
            from_middle = radius_m * rng.uniform(0.0, 1.0)
            rings = ((point + from_middle * np.array([np.cos(angle), np.sin(angle)]))[None, :],)
        else:
            kind, radius_m = "corridor", float(rng.uniform(25.0, 60.0))
            length_m = rng.uniform(800.0, 3000.0)
            last = int(drives.first[car[at] + 1])
            ways = np.cumsum(drives.speed_ms[at:last])
            end = at + max(2, int(np.searchsorted(ways, length_m)))
            rings = (_thinned(np.stack([drives.x_m[at:end], drives.y_m[at:end]], axis=1)[: last - at]),)
        places.append(Place(number + 1, kind, rings, radius_m))
    return places


def _thinned(line: np.ndarray, off_m: float = 4.0) -> np.ndarray:
    """Return the line without the points that lie within off_m of it anyway (Douglas and Peucker, 1973)."""
    keep = np.zeros(len(line), np.bool_)
    keep[[0, -1]] = True
    open_parts = [(0, len(line) - 1)]
    while open_parts:
        start, end = open_parts.pop()
        if end - start < 2:
            continue
        points = line[start + 1 : end]
        off = _segments_m(points[:, 0], points[:, 1], line[start : start + 1], line[end : end + 1])
        far = int(np.argmax(off))
        if off[far] > off_m:
            middle = start + 1 + far
            keep[middle] = True
            open_parts += [(start, middle), (middle, end)]
    kept = line[keep]
    return kept[np.append(True, np.any(np.diff(kept, axis=0) != 0.0, axis=1))]


# --- truth ------------------------------------------------------------------------------------------------------------


class Nearness(NamedTuple):
    """One car's time near one fence."""

    fence_id: int
    car: int
    start: int
    """First sample of the car within the fence's box (index into Drives)."""
    beyond_m: np.ndarray
    """(n,) of the samples from `start` to the last in the box; those outside of the box between them count as far."""


def nearnesses(drives: Drives, places: list[Place], cell_m: float = 400.0) -> list[Nearness]:
    """Return for each fence and each car that came near it how far beyond the boundary it was, second by second."""
    columns = np.floor(drives.x_m / cell_m).astype(np.int64)
    rows = np.floor(drives.y_m / cell_m).astype(np.int64)
    columns -= columns.min()
    rows -= rows.min()
    width = int(columns.max()) + 1
    low_x, low_y = (math.floor(column.min() / cell_m) for column in (drives.x_m, drives.y_m))
    cells = rows * width + columns
    order = np.argsort(cells, kind="stable")
    sorted_cells = cells[order]
    car = drives.car
    found = []
    for place in places:
        west, south, east, north = place.box()
        west, south, east, north = west - BOX_M, south - BOX_M, east + BOX_M, north + BOX_M
        first_column = max(math.floor(west / cell_m) - low_x, 0)
        last_column = min(math.floor(east / cell_m) - low_x, width - 1)
        pieces = []
        for row in range(math.floor(south / cell_m) - low_y, math.floor(north / cell_m) - low_y + 1):
            if row < 0:
                continue
            start, end = np.searchsorted(sorted_cells, (row * width + first_column, row * width + last_column + 1))
            pieces.append(order[start:end])
        near = np.sort(np.concatenate(pieces)) if pieces else np.zeros(0, np.int64)
        x, y = drives.x_m[near], drives.y_m[near]
        near = near[(x >= west) & (x <= east) & (y >= south) & (y <= north)]
        if not len(near):
            continue
        distance = beyond_m(place, drives.x_m[near], drives.y_m[near])
        cuts = np.flatnonzero(np.diff(car[near])) + 1
        for samples, own in zip(np.split(near, cuts), np.split(distance, cuts), strict=True):
            whole = np.full(samples[-1] - samples[0] + 1, BOX_M)
            whole[samples - samples[0]] = own
            found.append(Nearness(place.fence_id, int(car[samples[0]]), int(samples[0]), whole))
    return found


class Interval(NamedTuple):
    """A time between two stretches in which the car was surely on one side, and what may be told of it."""

    kind: int
    """ENTERED or EXITED: to be told once. 0: the same side before and behind, or nothing known before."""
    from_s: float
    to_s: float
    """End of the stretch before, beginning of the one behind."""
    crossed_s: float
    """When the boundary was passed, for the last time in the interval; nan where nothing is to be told."""
    spare: int
    """So many entries, and so many exits, count neither way here."""


def intervals(near: Nearness, drives: Drives, period_s: int, usable_s: np.ndarray | None = None) -> list[Interval]:
    """Return one car's intervals at one fence, in order of time; the first begins at minus infinity.

    Args:
        usable_s: times of the car's usable reports, rising: only stretches with two of them count. None: all count.
    """
    start_s = float(drives.time_s[near.start])
    first, last = int(drives.first[near.car]), int(drives.first[near.car + 1])
    # What lies before and behind the box is far outside, and the car was there if it has samples there.
    before = min(near.start - first, EXIT_S_MIN + 2 * period_s)
    behind = min(last - near.start - len(near.beyond_m), EXIT_S_MIN + 2 * period_s)
    beyond = np.concatenate([np.full(before, BOX_M), near.beyond_m, np.full(behind, BOX_M)])
    start_s -= before
    enter_s, exit_s = max(ENTER_S_MIN, 2 * period_s), max(EXIT_S_MIN, 2 * period_s)
    stretches = sorted(
        [(a, b, ENTERED) for a, b in _runs(beyond <= -INSIDE_M) if b - a >= enter_s]
        + [(a, b, EXITED) for a, b in _runs(beyond >= OUTSIDE_M) if b - a >= exit_s]
    )
    if usable_s is not None:
        # The first and the last stretch go on for as long as the car drives.
        seconds = np.arange(len(beyond)) + start_s
        seconds[[0, -1]] = drives.time_s[first], drives.time_s[last - 1]
        stretches = [
            (a, b, kind)
            for a, b, kind in stretches
            if np.searchsorted(usable_s, seconds[b], "right") - np.searchsorted(usable_s, seconds[a]) > 1
        ]
    result = []
    side, end = 0, -1
    for run_start, run_end, kind in [*stretches, (len(beyond) - 1, len(beyond) - 1, 0)]:
        crossed_s = math.nan
        told = kind if side and kind and kind != side else 0
        between = beyond[max(end, 0) : run_start + 1]
        passed = np.flatnonzero((between[1:] <= 0.0) != (between[:-1] <= 0.0))
        if told:
            last_passed = int(passed[-1])
            one, other = between[last_passed], between[last_passed + 1]
            crossed_s = start_s + max(end, 0) + last_passed + float(one / (one - other))
            spare = len(passed) // 2
        else:
            spare = max(int(np.any(np.abs(between) <= GRAZED_M)), len(passed) // 2)
        from_s = start_s + end if side else -math.inf
        to_s = start_s + run_start if kind else math.inf
        result.append(Interval(told, from_s, to_s, crossed_s, spare if side else SPARE_ALL))
        side, end = kind, run_end
    return result


def _runs(holds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], holds, [False]])))
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        yield int(start), int(end) - 1
