"""The demo city as a road network: junctions, lanes, limits, lights, kerbs to park at, dealers; routes; GeoJSON.

`build(seed)` grows a plan (city.py), finds where streets meet, and cuts them into edges. An edge is one direction of
one street between two junctions; its reverse stands beside it (number ^ 1). Everything lies in numpy records, so that
compiled kernels move ten thousand cars over it.

Routes are not searched per car. For every kerb that cars park at, one search backwards gives every junction the edge
to take next: a car then follows its destination's column, whatever detour it took. 400 kerbs cost about a second once.
"""

import functools
import itertools
import math
from typing import Any, Final, NamedTuple

import numpy as np
from numba import from_dtype, njit

from simulators.city import (
    ARTERIAL,
    CELL_M,
    CELLS,
    CITY_NAME,
    COLLECTOR,
    EXPRESSWAY,
    HALF_M,
    LOCAL,
    RANK_NAMES,
    Plan,
    Street,
    grow,
    to_wgs84,
)

EDGE: Final = np.dtype(
    [
        ("start", "i4"),  # junction it leaves ...
        ("end", "i4"),  # ... and junction it reaches
        ("first_point", "i4"),  # its line: City.points[first_point : first_point + points]
        ("points", "i4"),
        ("first_lane", "i4"),  # its lanes: first_lane (at the kerb) to first_lane + lanes - 1
        ("lanes", "i4"),
        ("street", "i4"),
        ("rank", "i4"),
        ("district", "i4"),
        ("phase", "i4"),  # which phase of the light at its end is green for it
        ("tunnel", "i4"),  # 1 where no satellite and no base station is heard
        ("bridge", "i4"),
        ("length_m", "f8"),
        ("limit_mps", "f8"),
        ("end_course", "f8"),  # course on leaving it, radians counter-clockwise from east
        ("start_course", "f8"),
    ],
    align=True,
)
NODE: Final = np.dtype(
    [
        ("x_m", "f8"),
        ("y_m", "f8"),
        ("first_out", "i4"),  # edges that leave it: City.out[first_out : first_out + outs]
        ("outs", "i4"),
        ("cycle_s", "i4"),  # length of its light's cycle, 0 without light
        ("green_s", "i4"),  # green for phase 0; phase 1 has the rest, each less AMBER_S
        ("offset_s", "i4"),
    ],
    align=True,
)
POINT: Final = np.dtype([("x_m", "f8"), ("y_m", "f8"), ("along_m", "f8")], align=True)
"""Corner of an edge's line; along_m is the distance from the edge's start."""
KERB: Final = np.dtype([("edge", "i4"), ("dealer", "i4")], align=True)
"""A stretch of street to park at: both sides of an edge. dealer: number of the store there, -1 for none."""

EDGE_ARRAY: Final = from_dtype(EDGE)[::1]
NODE_ARRAY: Final = from_dtype(NODE)[::1]
POINT_ARRAY: Final = from_dtype(POINT)[::1]

LIMIT_KMH: Final = {EXPRESSWAY: 80, ARTERIAL: 60, COLLECTOR: 50, LOCAL: 40}
LANES: Final = {EXPRESSWAY: 3, ARTERIAL: 2, COLLECTOR: 1, LOCAL: 1}
LANE_WIDTH_M: Final = 3.25
AMBER_S: Final = 4
"""At the end of each green. A car at 86 km/h that brakes by 3 m/s² needs 96 m, and covers as much in these seconds:
whoever cannot stop any more is across before red."""
STOP_LINE_M: Final = 9.0
"""From the junction's middle back to where cars wait."""
MERGE_M: Final = 32.0
"""Crossings nearer than this are one junction: a shorter edge would hold no waiting car behind its stop line."""
KERBS: Final = 400
DEALERS: Final = (
    ("晨帆汽车钟楼旗舰店", "Chenfan Auto Zhonglou Flagship", 0),
    ("晨帆汽车云桥4S店", "Chenfan Auto Yunqiao 4S", 1),
    ("晨帆汽车白鹭4S店", "Chenfan Auto Bailu 4S", 2),
    ("晨帆汽车星港4S店", "Chenfan Auto Xinggang 4S", 3),
    ("晨帆汽车南浦4S店", "Chenfan Auto Nanpu 4S", 4),
    ("晨帆汽车松湖4S店", "Chenfan Auto Songhu 4S", 5),
)
"""Stores of the demo's dealer group: name in Chinese and English, number of its district."""


class Dealer(NamedTuple):
    """A store: where its cars stand, and the ground around it."""

    name_zh: str
    name_en: str
    district: int
    kerb: int
    x_m: float
    y_m: float
    lot: np.ndarray
    """(5, 2) float64, metres: the plot as a closed rectangle along its street."""


class City(NamedTuple):
    """The network. Arrays are never written after building."""

    plan: Plan
    edges: np.ndarray
    nodes: np.ndarray
    points: np.ndarray
    out: np.ndarray
    """(edges,) int32: edges ordered by the junction they leave."""
    kerbs: np.ndarray
    dealers: list[Dealer]
    next_edge: np.ndarray
    """(kerbs, nodes) int32: the edge to take from a junction towards a kerb. Never -1: the network is connected."""
    lanes: int
    """Number of lanes of all edges."""

    @property
    def streets(self) -> list[Street]:
        """Streets by the number that edges carry."""
        return self.plan.streets


# --- where streets meet -----------------------------------------------------------------------------------------------


@njit(
    "i8(f8[:,::1], i4[::1], i4[::1], i8[:,::1], i8[:,::1], f8[:,::1])",
    cache=True,
    nogil=True,
)
def _cross(
    segments: np.ndarray, street: np.ndarray, rank: np.ndarray, cell: np.ndarray, pairs: np.ndarray, at: np.ndarray
) -> int:
    """Find where segments of different streets cross.

    Args:
        segments: (n, 4) x0, y0, x1, y1.
        street, rank: (n,) of each segment.
        cell: (m, 2) rows (cell, segment), ordered by cell: each segment in every cell its box touches.
        pairs: (k, 2) filled with the two segments of each crossing.
        at: (k, 2) filled with how far along each of the two it lies, 0 to 1.

    Returns:
        Number of crossings, at most k.
    """
    found = 0
    begin = 0
    while begin < cell.shape[0]:
        end = begin
        while end < cell.shape[0] and cell[end, 0] == cell[begin, 0]:
            end += 1
        for i in range(begin, end):
            a = cell[i, 1]
            for j in range(i + 1, end):
                b = cell[j, 1]
                if street[a] == street[b]:
                    continue
                # Small streets pass under an expressway; they do not join it.
                if (rank[a] == 0 and rank[b] == 3) or (rank[b] == 0 and rank[a] == 3):
                    continue
                ax, ay = segments[a, 2] - segments[a, 0], segments[a, 3] - segments[a, 1]
                bx, by = segments[b, 2] - segments[b, 0], segments[b, 3] - segments[b, 1]
                area = ax * by - ay * bx
                if abs(area) < 1e-9:
                    continue
                dx, dy = segments[b, 0] - segments[a, 0], segments[b, 1] - segments[a, 1]
                t, u = (dx * by - dy * bx) / area, (dx * ay - dy * ax) / area
                if t < 0 or t >= 1 or u < 0 or u >= 1:
                    continue
                # A pair may share several cells: it counts in the one the crossing lies in.
                column = int((segments[a, 0] + t * ax + HALF_M) / 100.0)
                row = int((segments[a, 1] + t * ay + HALF_M) / 100.0)
                if row * 1000 + column != cell[begin, 0] or found >= pairs.shape[0]:
                    continue
                pairs[found, 0], pairs[found, 1] = a, b
                at[found, 0], at[found, 1] = t, u
                found += 1
        begin = end
    return found


def _segments(lines: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return all segments (n, 4), the street of each, and its number within the street."""
    rows = np.concatenate([np.hstack([line[:-1], line[1:]]) for line in lines])
    street = np.repeat(np.arange(len(lines), dtype=np.int32), [len(line) - 1 for line in lines])
    within = np.concatenate([np.arange(len(line) - 1) for line in lines])
    return np.ascontiguousarray(rows), street, within


def _by_cell(rows: np.ndarray) -> np.ndarray:
    """Return rows (cell, segment) ordered by cell. Cells are 100 m, segments at most 400 m long."""
    low = ((np.minimum(rows[:, :2], rows[:, 2:]) + HALF_M) // 100).astype(np.int64)
    high = ((np.maximum(rows[:, :2], rows[:, 2:]) + HALF_M) // 100).astype(np.int64)
    pieces = []
    for across in range(5):
        for up in range(5):
            inside = (low[:, 0] + across <= high[:, 0]) & (low[:, 1] + up <= high[:, 1])
            number = np.flatnonzero(inside)
            pieces.append(np.column_stack([(low[inside, 1] + up) * 1000 + low[inside, 0] + across, number]))
    cells = np.concatenate(pieces)
    return np.ascontiguousarray(cells[np.lexsort((cells[:, 1], cells[:, 0]))])


def _crossings(lines: list[np.ndarray], ranks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (k, 2) streets that cross and (k, 2) where along each line, in points (3.5: between the 4th and 5th)."""
    rows, street, within = _segments(lines)
    cells = _by_cell(rows)
    pairs = np.empty((200_000, 2), np.int64)
    at = np.empty((200_000, 2))
    found = _cross(rows, street, np.ascontiguousarray(ranks[street], dtype=np.int32), cells, pairs, at)
    # Kept clear of 1: added to a segment's number it would round to the next one, which the last segment has not.
    pairs, at = pairs[:found], np.minimum(at[:found], 1 - 1e-9)
    return street[pairs].astype(np.int64), within[pairs] + at


def _reach_out(plan: Plan) -> list[np.ndarray]:
    """Draw every loose end on to the next street it would meet, if that is near and no water lies between."""
    reach_m = {EXPRESSWAY: 600.0, ARTERIAL: 900.0, COLLECTOR: 420.0, LOCAL: 230.0}
    lines = [street.line for street in plan.streets]
    ranks = np.array([street.rank for street in plan.streets])
    rays, owners = [], []
    for number, street in enumerate(plan.streets):
        if np.allclose(street.line[0], street.line[-1]):
            continue
        for end, before in ((0, min(3, len(street.line) - 1)), (-1, max(-4, -len(street.line)))):
            ahead = street.line[end] - street.line[before]
            ahead = ahead / np.hypot(*ahead)
            # In pieces, so that each touches few cells.
            steps = np.arange(0.0, reach_m[street.rank] + 1, 25.0)[:, None]
            rays.append(street.line[end] + ahead * steps)
            owners.append((number, end))
    ray_ranks = np.array([ranks[number] for number, _ in owners])
    streets, at = _crossings(lines + rays, np.concatenate([ranks, ray_ranks]))
    first: dict[int, float] = {}
    for (a, b), (t, u) in zip(streets.tolist(), at.tolist(), strict=True):
        for ray, other, where in ((a, b, t), (b, a, u)):
            if ray >= len(lines) > other and other != owners[ray - len(lines)][0] and where < first.get(ray, 1e9):
                first[ray] = where
    longer = list(lines)
    for ray, where in first.items():
        number, end = owners[ray - len(lines)]
        points = rays[ray - len(lines)]
        # A metre beyond the street that is met, so that the two surely cross.
        stop = points[0] + (points[1] - points[0]) * (where + 0.04)
        walked = np.linspace(points[0], stop, 8)
        column, row = ((walked + HALF_M) // CELL_M).astype(int).clip(0, CELLS - 1).T
        if plan.streets[number].rank > ARTERIAL and plan.water[row, column].any():
            continue
        longer[number] = (
            np.concatenate([[stop], longer[number]]) if end == 0 else np.concatenate([longer[number], [stop]])
        )
    return longer


@njit("f8[:,::1](f8[:,::1], f8)", cache=True, nogil=True)
def _thin(line: np.ndarray, tolerance_m: float) -> np.ndarray:
    """Drop points that lie within tolerance of the line without them (Douglas and Peucker, 1973)."""
    n = line.shape[0]
    keep = np.zeros(n, np.bool_)
    keep[0] = keep[n - 1] = True
    spans = np.empty((n + 1, 2), np.int64)
    spans[0, 0], spans[0, 1] = 0, n - 1
    waiting = 1
    while waiting:
        waiting -= 1
        a, b = spans[waiting]
        dx, dy = line[b, 0] - line[a, 0], line[b, 1] - line[a, 1]
        length = np.hypot(dx, dy)
        far, far_m = -1, tolerance_m
        for i in range(a + 1, b):
            x, y = line[i, 0] - line[a, 0], line[i, 1] - line[a, 1]
            away = abs(dx * y - dy * x) / length if length else np.hypot(x, y)
            if away > far_m:
                far, far_m = i, away
        if far >= 0:
            keep[far] = True
            spans[waiting, 0], spans[waiting, 1] = a, far
            spans[waiting + 1, 0], spans[waiting + 1, 1] = far, b
            waiting += 2
    return line[keep]


THIN_M: Final = 1.5
"""Points of a street nearer than this to the line without them are left out: under a lane's width."""


def _clusters(places: np.ndarray, apart_m: float) -> np.ndarray:
    """Return for each place the number of its cluster: places nearer than apart_m share one."""
    root = np.arange(len(places))

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = int(root[i])
        return i

    cells: dict[tuple[int, int], list[int]] = {}
    for number, (x, y) in enumerate(places.tolist()):
        column, row = int(x // apart_m), int(y // apart_m)
        for c in (column - 1, column, column + 1):
            for r in (row - 1, row, row + 1):
                for other in cells.get((c, r), ()):
                    if (places[other, 0] - x) ** 2 + (places[other, 1] - y) ** 2 < apart_m**2:
                        root[find(number)] = find(other)
        cells.setdefault((column, row), []).append(number)
    return np.unique([find(i) for i in range(len(places))], return_inverse=True)[1]


def _pieces(plan: Plan) -> list[tuple[int, int, int, np.ndarray]]:
    """Cut the streets where they meet: (street, junction, junction, line) of every piece, dead ends left out."""
    lines = _reach_out(plan)
    ranks = np.array([street.rank for street in plan.streets])
    streets, at = _crossings(lines, ranks)
    first = np.floor(at[:, 0]).astype(int)
    part = (at[:, 0] - first)[:, None]
    one = np.array([lines[s][p] for s, p in zip(streets[:, 0], first, strict=True)])
    two = np.array([lines[s][p + 1] for s, p in zip(streets[:, 0], first, strict=True)])
    places = one + (two - one) * part
    junction = _clusters(places, MERGE_M)
    # A junction stands where its widest street crosses, so that avenues do not bend at every side street.
    weight = 1.0 / 16.0 ** ranks[streets].sum(axis=1)
    total = np.bincount(junction, weight)
    middle = np.column_stack([np.bincount(junction, weight * places[:, axis]) / total for axis in (0, 1)])

    meets: list[list[tuple[float, int]]] = [[] for _ in lines]
    for (a, b), (t, u), j in zip(streets.tolist(), at.tolist(), junction.tolist(), strict=True):
        meets[a].append((t, j))
        meets[b].append((u, j))
    pieces = []
    seen = set()
    for number, stops in enumerate(meets):
        stops.sort()
        closed = np.allclose(lines[number][0], lines[number][-1])
        for here, there in zip(stops, stops[1:] + (stops[:1] if closed else []), strict=False):
            a, b = here[1], there[1]
            if a == b or (min(a, b), max(a, b)) in seen:
                continue
            seen.add((min(a, b), max(a, b)))
            line = lines[number]
            if there[0] > here[0]:
                between = line[int(here[0]) + 1 : int(np.ceil(there[0]))]
            else:
                between = np.concatenate([line[int(here[0]) + 1 : -1], line[: int(np.ceil(there[0]))]])
            # Points close to a junction that was moved would make a kink.
            away = np.minimum(np.hypot(*(between - middle[a]).T), np.hypot(*(between - middle[b]).T))
            pieces.append(
                (number, a, b, _thin(np.concatenate([[middle[a]], between[away > MERGE_M], [middle[b]]]), THIN_M))
            )
    return _without_dead_ends(pieces)


def _without_dead_ends(pieces: list[tuple[int, int, int, np.ndarray]]) -> list[tuple[int, int, int, np.ndarray]]:
    """Keep the largest connected part, and in it only what leads on: a car never has to turn round."""
    while True:
        degree: dict[int, int] = {}
        for _, a, b, _ in pieces:
            degree[a] = degree.get(a, 0) + 1
            degree[b] = degree.get(b, 0) + 1
        kept = [piece for piece in pieces if degree[piece[1]] > 1 and degree[piece[2]] > 1]
        if len(kept) == len(pieces):
            break
        pieces = kept
    neighbours: dict[int, list[int]] = {}
    for _, a, b, _ in pieces:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    best: set[int] = set()
    left = dict.fromkeys(neighbours)
    while left:
        part = {next(iter(left))}
        front = list(part)
        while front:
            for other in neighbours[front.pop()]:
                if other not in part:
                    part.add(other)
                    front.append(other)
        for node in part:
            del left[node]
        best = max(best, part, key=len)
    return [piece for piece in pieces if piece[1] in best]


# --- the network ------------------------------------------------------------------------------------------------------


def _edges(plan: Plan) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (edges, points, places of the junctions)."""
    pieces = _pieces(plan)
    numbers = {junction: n for n, junction in enumerate(sorted({j for piece in pieces for j in piece[1:3]}))}
    places = np.zeros((len(numbers), 2))
    rows: list[tuple[float, ...]] = []
    points: list[tuple[float, float, float]] = []
    lane = 0
    centres = np.array([district[2:] for district in plan.districts])
    middles = np.array([line[len(line) // 2] for *_, line in pieces])
    districts = np.argmin(((middles[:, None] - centres) ** 2).sum(axis=2), axis=1).tolist()
    # Lines have three points on average: plain Python is faster here than numpy.
    for (street, a, b, line), district in zip(pieces, districts, strict=True):
        rank = plan.streets[street].rank
        places[numbers[a]], places[numbers[b]] = line[0], line[-1]
        # Only wide streets cross the river. The expressway dives under it; the others bridge it.
        over_water = rank <= ARTERIAL and _is_over_water(plan, line)
        forth: list[tuple[float, float]] = list(map(tuple, line.tolist()))
        for start, end, course in ((a, b, forth), (b, a, forth[::-1])):
            first_point, along = len(points), 0.0
            before = course[0]
            for corner in course:
                along += math.dist(before, corner)
                points.append((*corner, along))
                before = corner
            (x0, y0), (x1, y1), (x2, y2), (x3, y3) = *course[:2], *course[-2:]
            rows.append(
                (
                    numbers[start],
                    numbers[end],
                    first_point,
                    len(course),
                    lane,
                    LANES[rank],
                    street,
                    rank,
                    district,
                    0,
                    over_water and rank == EXPRESSWAY,
                    over_water and rank != EXPRESSWAY,
                    along,
                    LIMIT_KMH[rank] / 3.6,
                    math.atan2(y3 - y2, x3 - x2),
                    math.atan2(y1 - y0, x1 - x0),
                )
            )
            lane += LANES[rank]
    return np.array(rows, EDGE), np.array(points, POINT), places


def _is_over_water(plan: Plan, line: np.ndarray) -> bool:
    for (x0, y0), (x1, y1) in itertools.pairwise(line.tolist()):
        part = np.linspace(0.0, 1.0, 2 + int(math.hypot(x1 - x0, y1 - y0) / 40.0))
        column = ((x0 + (x1 - x0) * part + HALF_M) / CELL_M).astype(int)
        row = ((y0 + (y1 - y0) * part + HALF_M) / CELL_M).astype(int)
        if plan.water[row, column].any():
            return True
    return False


def _light_up(rng: np.random.Generator, edges: np.ndarray, nodes: np.ndarray) -> None:
    """Put lights where wider streets meet, and give each way in its phase."""
    by_end = np.argsort(edges["end"], kind="stable")
    first = np.searchsorted(edges["end"][by_end], np.arange(len(nodes) + 1))
    for number, node in enumerate(nodes):
        into = by_end[first[number] : first[number + 1]]
        ranks = np.sort(edges["rank"][into])
        wide = len(into) >= 3 and len(set(edges["street"][into].tolist())) >= 2
        if not wide or ranks[2] > COLLECTOR or ranks[0] > ARTERIAL:
            continue
        main = into[np.argmin(edges["rank"][into])]
        turn = edges["end_course"][into] - edges["end_course"][main]
        edges["phase"][into] = np.abs(np.sin(turn)) > np.sin(np.pi / 4)
        cycle = int(rng.choice([60, 80, 100, 120]))
        share = 0.5 if ranks[2] == ranks[0] else 0.6
        node["cycle_s"], node["green_s"], node["offset_s"] = cycle, round(cycle * share), rng.integers(cycle)


def _kerbs(
    rng: np.random.Generator, plan: Plan, edges: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, list[Dealer]]:
    """Choose the stretches of street where cars park, and give each store one in its district."""
    middle = edges["first_point"] + edges["points"] // 2
    x, y = points["x_m"][middle], points["y_m"][middle]
    dry = (edges["tunnel"] == 0) & (edges["bridge"] == 0) & (np.arange(len(edges)) % 2 == 0)
    quiet = dry & (edges["rank"] >= COLLECTOR) & (edges["length_m"] > 90)
    kerbs = np.zeros(KERBS, KERB)
    kerbs["dealer"] = -1
    dealers = []
    for number, (zh, en, district) in enumerate(DEALERS):
        centre = plan.districts[district][2:]
        roomy = np.flatnonzero(dry & (edges["rank"] == COLLECTOR) & (edges["length_m"] > 110))
        roomy = np.setdiff1d(roomy, kerbs["edge"][:number])
        edge = int(roomy[np.argmin(np.hypot(x[roomy] - centre[0], y[roomy] - centre[1]))])
        kerbs["edge"][number], kerbs["dealer"][number] = edge, number
        line = points[edges["first_point"][edge] :][: edges["points"][edge]]
        half = min(60.0, edges["length_m"][edge] / 2 - 15)
        at = edges["length_m"][edge] / 2 + np.array([-half, half])
        ends = np.column_stack([np.interp(at, line["along_m"], line[axis]) for axis in ("x_m", "y_m")])
        right = (ends[1] - ends[0])[::-1] * [1, -1] / np.hypot(*(ends[1] - ends[0]))
        lot = np.array([ends[0] - 9 * right, ends[1] - 9 * right, ends[1] + 70 * right, ends[0] + 70 * right])
        middle_x, middle_y = lot.mean(axis=0).tolist()
        dealers.append(Dealer(zh, en, district, number, middle_x, middle_y, np.concatenate([lot, lot[:1]])))
    left = np.setdiff1d(np.flatnonzero(quiet), kerbs["edge"][: len(DEALERS)])
    # More people live and work in the middle of the city.
    weight = np.exp(-np.hypot(x[left], y[left]) / 5000.0)
    kerbs["edge"][len(DEALERS) :] = rng.choice(left, KERBS - len(DEALERS), replace=False, p=weight / weight.sum())
    return kerbs, dealers


@njit("void(i4[:,::1], f8[::1], i8[::1], i4[::1], i4[::1], i4[::1], i4[::1], i8)", cache=True, nogil=True)
def _search(
    next_edge: np.ndarray,
    cost: np.ndarray,
    kerb_edge: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    into: np.ndarray,
    first_into: np.ndarray,
    seed: int,
) -> None:
    """Fill next_edge: for each kerb, search backwards from it (Dijkstra with a binary heap).

    Args:
        next_edge: (kerbs, nodes), filled.
        cost: (edges,) seconds to drive each edge, lights guessed in.
        kerb_edge: (kerbs,) edge of each kerb; its reverse (number ^ 1) is as good.
        start, end: (edges,) junctions.
        into, first_into: edges that reach junction n are into[first_into[n] : first_into[n + 1]].
    """
    nodes = next_edge.shape[1]
    best = np.empty(nodes)
    heap_cost = np.empty(start.shape[0] + 8)
    heap_node = np.empty(start.shape[0] + 8, np.int64)
    for kerb in range(kerb_edge.shape[0]):
        best[:] = 1e18
        next_edge[kerb, :] = -1
        size = 0
        for side in range(2):
            goal = kerb_edge[kerb] ^ side
            best[start[goal]] = cost[goal] / 2
            next_edge[kerb, start[goal]] = goal
            heap_cost[size], heap_node[size] = best[start[goal]], start[goal]
            if size == 1 and heap_cost[1] < heap_cost[0]:
                heap_cost[0], heap_cost[1] = heap_cost[1], heap_cost[0]
                heap_node[0], heap_node[1] = heap_node[1], heap_node[0]
            size += 1
        while size:
            reached, node = heap_cost[0], heap_node[0]
            size -= 1
            moving_cost, moving_node = heap_cost[size], heap_node[size]
            hole = 0
            while True:
                child = 2 * hole + 1
                if child >= size:
                    break
                if child + 1 < size and heap_cost[child + 1] < heap_cost[child]:
                    child += 1
                if heap_cost[child] >= moving_cost:
                    break
                heap_cost[hole], heap_node[hole] = heap_cost[child], heap_node[child]
                hole = child
            heap_cost[hole], heap_node[hole] = moving_cost, moving_node
            if reached > best[node]:
                continue
            for n in range(first_into[node], first_into[node + 1]):
                edge = into[n]
                # Everyone has a way of their own: taste spreads the traffic over streets that are nearly as good.
                taste = ((edge * 2654435761 + kerb * 40503 + seed * 97) >> 7) % 1000
                through = reached + cost[edge] * (0.85 + 0.0004 * taste)
                other = start[edge]
                if through >= best[other]:
                    continue
                best[other] = through
                next_edge[kerb, other] = edge
                hole = size
                size += 1
                while hole and heap_cost[(hole - 1) // 2] > through:
                    heap_cost[hole], heap_node[hole] = heap_cost[(hole - 1) // 2], heap_node[(hole - 1) // 2]
                    hole = (hole - 1) // 2
                heap_cost[hole], heap_node[hole] = through, other


def _routes(edges: np.ndarray, nodes: np.ndarray, kerbs: np.ndarray, seed: int) -> np.ndarray:
    into = np.argsort(edges["end"], kind="stable").astype(np.int32)
    first_into = np.searchsorted(edges["end"][into], np.arange(len(nodes) + 1)).astype(np.int32)
    lit = nodes["cycle_s"][edges["end"]]
    cost = edges["length_m"] / edges["limit_mps"] + np.where(lit > 0, lit / 5.0, 4.0)
    next_edge = np.empty((len(kerbs), len(nodes)), np.int32)
    start, end = np.ascontiguousarray(edges["start"]), np.ascontiguousarray(edges["end"])
    _search(next_edge, cost, kerbs["edge"].astype(np.int64), start, end, into, first_into, seed)
    return next_edge


@functools.lru_cache(maxsize=2)
def build(seed: int = 1) -> City:
    """Return the city of a seed, ready to drive in. The same seed gives the same arrays, to the last bit."""
    plan = grow(seed)
    rng = np.random.default_rng([seed, 0x60AD])
    edges, points, places = _edges(plan)
    nodes = np.zeros(len(places), NODE)
    nodes["x_m"], nodes["y_m"] = places.T
    out = np.argsort(edges["start"], kind="stable").astype(np.int32)
    nodes["first_out"] = np.searchsorted(edges["start"][out], np.arange(len(nodes)))
    nodes["outs"] = np.bincount(edges["start"], minlength=len(nodes))
    _light_up(rng, edges, nodes)
    kerbs, dealers = _kerbs(rng, plan, edges, points)
    next_edge = _routes(edges, nodes, kerbs, seed)
    return City(plan, edges, nodes, points, out, kerbs, dealers, next_edge, int(edges["lanes"].sum()))


# --- the map ----------------------------------------------------------------------------------------------------------


def _position(x_m: Any, y_m: Any) -> list[float]:
    latitude, longitude = to_wgs84(x_m, y_m)
    return [round(float(longitude), 6), round(float(latitude), 6)]


def _district_outlines(plan: Plan) -> list[np.ndarray]:
    """Return each district's outline: the points of the city nearer to its centre than to any other."""
    outlines = []
    around = np.linspace(0, 2 * np.pi, 65)[:-1]
    for x, y in ((d[2], d[3]) for d in plan.districts):
        ring = np.column_stack([9700 * np.cos(around), 8700 * np.sin(around)])
        for ox, oy in ((d[2], d[3]) for d in plan.districts):
            if (ox, oy) == (x, y):
                continue
            side = (ring - [(x + ox) / 2, (y + oy) / 2]) @ np.array([x - ox, y - oy])
            clipped = []
            for n in range(len(ring)):
                m = (n + 1) % len(ring)
                if side[n] >= 0:
                    clipped.append(ring[n])
                if (side[n] >= 0) != (side[m] >= 0):
                    clipped.append(ring[n] + (ring[m] - ring[n]) * side[n] / (side[n] - side[m]))
            ring = np.array(clipped)
        outlines.append(np.concatenate([ring, ring[:1]]))
    return outlines


def to_geojson(city: City) -> dict[str, Any]:
    """Return the city as one GeoJSON FeatureCollection, WGS-84.

    Every feature's property `kind` is one of: district, river, park, street (one per edge pair, with name, rank, lanes
    per direction, limit_kmh, bridge, tunnel), lights, dealer (its lot), kerb. Names come as name_zh and name_en.
    """
    features: list[dict[str, Any]] = []

    def add(kind: str, shape: str, coordinates: Any, **properties: Any) -> None:
        geometry = {"type": shape, "coordinates": coordinates}
        features.append({"type": "Feature", "geometry": geometry, "properties": {"kind": kind, **properties}})

    def ring(outline: np.ndarray) -> list[list[list[float]]]:
        return [[_position(x, y) for x, y in outline]]

    for (zh, en, x, y), outline in zip(city.plan.districts, _district_outlines(city.plan), strict=True):
        add("district", "Polygon", ring(outline), name_zh=zh, name_en=en, label=_position(x, y))
    add("river", "Polygon", ring(city.plan.river), name_zh="琴江", name_en="Qin River")
    for zh, en, outline in city.plan.parks:
        add("park", "Polygon", ring(outline), name_zh=zh, name_en=en)
    for rank in (LOCAL, COLLECTOR, ARTERIAL, EXPRESSWAY):
        for edge in city.edges[::2][city.edges["rank"][::2] == rank]:
            line = city.points[edge["first_point"] : edge["first_point"] + edge["points"]]
            street = city.streets[edge["street"]]
            add(
                "street",
                "LineString",
                [_position(p["x_m"], p["y_m"]) for p in line],
                name_zh=street.name_zh,
                name_en=street.name_en,
                rank=RANK_NAMES[rank],
                lanes=int(edge["lanes"]),
                limit_kmh=LIMIT_KMH[rank],
                district=int(edge["district"]),
                bridge=bool(edge["bridge"]),
                tunnel=bool(edge["tunnel"]),
            )
    for node in city.nodes[city.nodes["cycle_s"] > 0]:
        add("lights", "Point", _position(node["x_m"], node["y_m"]), cycle_s=int(node["cycle_s"]))
    for kerb in city.kerbs:
        edge = city.edges[kerb["edge"]]
        corner = city.points[edge["first_point"] + edge["points"] // 2]
        street = city.streets[edge["street"]]
        place = _position(corner["x_m"], corner["y_m"])
        add("kerb", "Point", place, name_zh=street.name_zh, name_en=street.name_en, dealer=int(kerb["dealer"]))
    for dealer in city.dealers:
        label = _position(dealer.x_m, dealer.y_m)
        add("dealer", "Polygon", ring(dealer.lot), name_zh=dealer.name_zh, name_en=dealer.name_en, label=label)
    return {"type": "FeatureCollection", "name": f"{CITY_NAME[1]} {CITY_NAME[0]} (fictional)", "features": features}
