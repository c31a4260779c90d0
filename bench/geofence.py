"""Find out which of many geofences hold a position, and what crossing them brings: nanoseconds of one thread.

Fences of all kinds, polygons with holes, circles and corridors, drawn at random over 110 km by 95 km, a metropolis and
its surroundings. Three things are measured on the same fences in the same run: the lookup alone; shapely's, prepared
and in an STRtree, asked for all positions at once, in the faster of its two ways; and the judging of reports of many
cars, with state, events, hours and whom a fence is for, in lookups of the same positions. Our answers are checked
against shapely's.

Run: python -m bench.geofence [--fences N ...] [--json].
"""

import argparse
import math
import random
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import numpy as np
import shapely

from actors.detectors.geofence import GeofenceDetector
from bench import machine
from core.kernels.facts import FACT
from core.kernels.geodesy import METRES_PER_UNIT
from core.kernels.geofence import Circle, Corridor, Fence, FenceIndex, Polygon, build_index, locate_each
from core.limits import FACTS_MAX
from core.rules import RuleSet
from core.vehicle_table import VehicleTable
from protocols.report import ODOMETER_NONE, REPORT

CORNER: Final = (307_000_000, 1_209_000_000)
SIDE: Final = 10_000_000
"""Side of the region in 1e-7 degree: 111 km north to south, 95 km east to west."""
EAST: Final = math.cos(math.radians((CORNER[0] + SIDE / 2) / 1e7))
CHOSEN: Final = 1_000
"""Cars of a fence that is for certain cars only."""
PERIOD_S: Final = 10
STEP: Final = 15_000
"""Units a car moves between two reports: 167 m, ten seconds at 60 km/h."""
NOON_MS: Final = 1_750_000_000_000
GROUPS: Final = 20
"""Dealer groups on the node: the cars of each are judged by its own fences."""
ROOM: Final = 64


def drawn(count: int, rng: random.Random) -> list[Fence]:
    """Return fences: of ten six are polygons, two circles, two corridors; of ten polygons three have a hole.

    Polygons have 3 to 40 corners, one in twenty 200, and are 50 m to 2 km across, as circles are; corridors are 1 to
    10 km long and 20 to 100 m wide. They belong to GROUPS dealer groups. A quarter is judged by day only, a quarter is
    for certain cars, an eighth watches stays and an eighth the speed.
    """
    fences = []
    for fence_id in range(1, count + 1):
        lat, lon = (corner + rng.randrange(SIDE) for corner in CORNER)
        size = 10 ** rng.uniform(3.4, 5.0)
        kind = rng.random()
        shape: Polygon | Circle | Corridor
        if kind < 0.6:
            corners = 200 if rng.random() < 0.05 else rng.randrange(3, 41)
            ring = [
                (size * reach * math.sin(angle), size * reach * math.cos(angle))
                for angle in sorted(rng.random() * 2 * math.pi for _ in range(corners))
                for reach in (rng.uniform(0.4, 1.0),)
            ]
            scales = (1.0, 0.3) if rng.random() < 0.3 else (1.0,)
            shape = Polygon([[(lat + int(y * scale), lon + int(x * scale)) for y, x in ring] for scale in scales])
        elif kind < 0.8:
            shape = Circle(lat, lon, size / 2 * METRES_PER_UNIT)
        else:
            line, course = [(lat, lon)], rng.random() * 2 * math.pi
            for _ in range(rng.randrange(4, 25)):
                course += rng.uniform(-0.5, 0.5)
                step = rng.uniform(20_000, 40_000)
                line.append((line[-1][0] + int(step * math.sin(course)), line[-1][1] + int(step * math.cos(course))))
            shape = Corridor(line, rng.uniform(10, 50))
        fence = Fence(fence_id, shape, group=rng.randint(1, GROUPS))
        if fence_id % 4 == 0:
            fence = fence._replace(
                hours=[(day * 1440 + 480, day * 1440 + 1200) for day in range(5)], utc_offset_min=480
            )
        if fence_id % 8 == 1:
            fence = fence._replace(dwell_ms=600_000)
        if fence_id % 8 == 3:
            fence = fence._replace(speed_limit_kmh10=500, speed_ms_min=20_000)
        fences.append(fence)
    return fences


def geometries(fences: list[Fence]) -> np.ndarray:
    """Return the fences as shapely has them, degrees scaled so that both axes are as long; a circle has 128 corners."""
    made = []
    for fence in fences:
        shape = fence.shape
        if isinstance(shape, Circle):
            made.append(shapely.Point(shape.lon_1e7 * EAST, shape.lat_1e7).buffer(shape.radius_m / METRES_PER_UNIT, 32))
        elif isinstance(shape, Corridor):
            line = shapely.LineString([(lon * EAST, lat) for lat, lon in shape.line])
            made.append(line.buffer(shape.half_width_m / METRES_PER_UNIT, 16))
        else:
            rings = [[(lon * EAST, lat) for lat, lon in ring] for ring in shape.rings]
            made.append(shapely.Polygon(rings[0], rings[1:]))
    return np.array(made)


def timed(work: Callable[[], object], turns: int, count: int) -> float:
    """Return ns a position of `work`, the median of some turns after a first one."""
    took = []
    for turn in range(turns + 1):
        began = time.thread_time_ns()
        work()
        if turn:
            took.append((time.thread_time_ns() - began) / count)
    return statistics.median(took)


def looked_up(
    index: FenceIndex, lats: np.ndarray, lons: np.ndarray, turns: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return ns a position of the lookup, and what it found: counts (n,), fence numbers (n, ROOM)."""
    counts, out = np.zeros(len(lats), np.int32), np.zeros((len(lats), ROOM), np.int32)
    took = timed(lambda: locate_each(index.address, 1, lats, lons, counts, out.ctypes.data, ROOM), turns, len(lats))
    return took, counts, out


def compared(fences: list[Fence], lats: np.ndarray, lons: np.ndarray, turns: int) -> tuple[float, set[tuple[int, int]]]:
    """Return shapely's ns a position, and the (position, fence number) pairs it found."""
    shapes = geometries(fences)
    shapely.prepare(shapes)
    tree = shapely.STRtree(shapes)
    x, y = lons * EAST, lats.astype(np.float64)
    points = shapely.points(x, y)
    found: list[np.ndarray] = []

    def by_boxes() -> None:
        at, which = tree.query(points)
        holds = shapely.intersects_xy(shapes[which], x[at], y[at])
        found[:] = [at[holds], which[holds]]

    took = min(timed(by_boxes, turns, len(x)), timed(lambda: tree.query(points, "intersects"), turns, len(x)))
    return took, set(zip(found[0].tolist(), found[1].tolist(), strict=True))


def driven(index: FenceIndex, whole: FenceIndex, groups: int, vehicles: int, turns: int, seed: int) -> dict[str, Any]:
    """Return ns a report of judging cars that report every ten seconds, and the facts found.

    Args:
        index: what they are judged by, of `groups` dealer groups.
        whole: the same fences as those of one group: the judging is compared with a lookup in it at the same positions.
    """
    rng = np.random.default_rng(seed)
    table = VehicleTable(vehicles + 1, 2)
    table.group[1:] = rng.integers(1, groups + 1, vehicles)
    detector = GeofenceDetector(table, index, RuleSet("geofence"))
    facts = np.zeros(FACTS_MAX, FACT)
    rows = np.zeros(vehicles, REPORT)
    rows["vehicle_id"] = 1 + rng.permutation(vehicles)
    rows["odometer_m"], rows["status"], rows["speed_kmh10"] = ODOMETER_NONE, 3, 600
    rows["lat_1e7"] = CORNER[0] + rng.integers(0, SIDE, vehicles)
    rows["lon_1e7"] = CORNER[1] + rng.integers(0, SIDE, vehicles)
    course = rng.random(vehicles) * 2 * math.pi
    judging, looking, found = [], [], 0
    for turn in range(turns + 3):
        rows["time_ms"] = NOON_MS + turn * PERIOD_S * 1000
        rows["report_id"] = turn * vehicles + np.arange(vehicles)
        rows["lat_1e7"] += (STEP * np.sin(course)).astype(np.int32)
        rows["lon_1e7"] += (STEP / EAST * np.cos(course)).astype(np.int32)
        # Nobody drives out of the region.
        away = (abs(rows["lat_1e7"] - CORNER[0] - SIDE / 2) > SIDE / 2) | (
            abs(rows["lon_1e7"] - CORNER[1] - SIDE / 2) > SIDE / 2
        )
        course[away] += math.pi
        began = time.thread_time_ns()
        start = 0
        while start < len(rows):
            start, count = detector.judge(rows, start, facts)
            found += count if turn >= 3 else 0
        took = (time.thread_time_ns() - began) / vehicles
        if turn >= 3:
            judging.append(took)
            lats, lons = (np.ascontiguousarray(rows[name]) for name in ("lat_1e7", "lon_1e7"))
            looking.append(looked_up(whole, lats, lons, 1)[0])
    return {
        "judged_ns": statistics.median(judging),
        "judged_lookup_ns": statistics.median(looking),
        "judged_lookups": statistics.median(a / b for a, b in zip(judging, looking, strict=True)),
        "facts_per_1000": round(1000 * found / (turns * vehicles), 2),
    }


def measure(fence_count: int, vehicles: int, positions: int, turns: int, seed: int) -> dict[str, Any]:
    """Return the figures of one number of fences. Raises AssertionError where ours and shapely's answers differ."""
    rng = random.Random(seed)
    fences = drawn(fence_count, rng)
    for_some = [
        fence._replace(vehicles=rng.sample(range(1, vehicles + 1), min(CHOSEN, vehicles)))
        if fence.fence_id % 4 == 2
        else fence
        for fence in fences
    ]
    began = time.thread_time()
    index = build_index(for_some)
    build_s = time.thread_time() - began
    whole = build_index([fence._replace(group=1) for fence in for_some])
    spread = np.random.default_rng(seed)
    lats, lons = ((corner + spread.integers(0, SIDE, positions)).astype(np.int32) for corner in CORNER)
    lookup_ns, counts, out = looked_up(whole, lats, lons, turns)
    shapely_ns, theirs = compared(fences, lats, lons, max(turns // 2, 1))
    ours = {(k, int(number)) for k in np.flatnonzero(counts) for number in out[k, : counts[k]]}
    # Circles and the ends of corridors are polygons there, and their plane is another.
    assert len(ours ^ theirs) <= 0.01 * max(len(theirs), 100), f"{len(ours ^ theirs)} of {len(theirs)} answers differ"
    return {
        "fences": fence_count,
        "vehicles": vehicles,
        "fences_at_a_position": round(float(counts.mean()), 3),
        "build_s": round(build_s, 2),
        "index_mb": round(index.bytes_held / 1e6, 1),
        "lookup_ns": round(lookup_ns, 1),
        "shapely_ns": round(shapely_ns, 1),
        "times_faster": round(shapely_ns / lookup_ns, 1),
        **{name: round(value, 1) for name, value in driven(index, whole, GROUPS, vehicles, turns, seed).items()},
        **{
            f"one_group_{name}": round(value, 1)
            for name, value in driven(whole, whole, 1, vehicles, turns, seed).items()
        },
    }


def main() -> int:
    """Print a line a size; with --json last one object."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fences", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options.add_argument("--vehicles", type=int, default=100_000)
    options.add_argument("--positions", type=int, default=200_000)
    options.add_argument("--turns", type=int, default=7)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    where = machine.description()
    sizes = []
    for count in given.fences:
        sizes.append(measure(count, given.vehicles, given.positions, given.turns, given.seed))
        print(*(f"{name}={value}" for name, value in sizes[-1].items()), flush=True)
    if given.json:
        whole = {"bench": "geofence", "seed": given.seed, "shapely": shapely.__version__, "sizes": sizes}
        print(msgspec.json.encode(whole | where).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
