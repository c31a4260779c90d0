"""Judge reports against many geofences: nanoseconds of one thread per report, enter and exit events included.

Cars drive through a city of fences drawn at random; the same drive is judged with fences that are for all cars, and,
where the fences say so, for a thousand chosen cars each. Run: python -m bench.fences [--fences N] [--vehicles N].
"""

import argparse
import math
import random
import statistics
import sys
import time
from typing import Any, Final

import msgspec
import numpy as np

from actors.detection import Detection
from bench import machine
from core.kernels.geofence import Fence, Polygon
from core.vehicle_table import VehicleTable
from protocols.report import ODOMETER_NONE, REPORT

CENTRE: Final = (312_300_000, 1_214_700_000)
CITY: Final = 4_000_000
"""Side of the city in 1e-7 degree: 44 km north to south."""
CHOSEN: Final = 1_000
"""Cars of a fence that is for certain cars only."""
STEP: Final = 1_500
"""Units a car moves between two reports: about 17 m, a second at 60 km/h."""
TURNS: Final = 20
NOON_MS: Final = 1_750_000_000_000


def drawn(count: int, rng: random.Random) -> list[Polygon]:
    """Return star-shaped polygons of 3 to 40 corners and 50 m to 2 km across."""
    polygons = []
    for _ in range(count):
        lat = CENTRE[0] + rng.randrange(CITY)
        lon = CENTRE[1] + rng.randrange(CITY)
        size = 10 ** rng.uniform(3.4, 5.0)
        angles = sorted(rng.random() * 2 * math.pi for _ in range(rng.randrange(3, 41)))
        ring = [
            (lat + int(size * reach * math.sin(a)), lon + int(size * reach * math.cos(a)))
            for a in angles
            for reach in (rng.uniform(0.4, 1.0),)
        ]
        polygons.append(Polygon([ring]))
    return polygons


def judged(fences: list[Fence], vehicles: int, seed: int) -> tuple[float, int]:
    """Return ns per report of the whole judging, the median of TURNS rounds, and how many facts came of it."""
    rng = np.random.default_rng(seed)
    detection = Detection(VehicleTable(vehicles + 1, vehicles + 1), fences)
    detector: Any = detection._detectors[1]
    facts = detection._facts
    rows = np.zeros(vehicles, REPORT)
    rows["vehicle_id"] = rows["terminal"] = 1 + rng.permutation(vehicles)
    rows["odometer_m"] = ODOMETER_NONE
    rows["lat_1e7"] = CENTRE[0] + rng.integers(0, CITY, vehicles)
    rows["lon_1e7"] = CENTRE[1] + rng.integers(0, CITY, vehicles)
    course = rng.random(vehicles) * 2 * math.pi
    took, found = [], 0
    for turn in range(TURNS + 3):
        rows["time_ms"] = NOON_MS + turn * 1_000
        rows["report_id"] = turn * vehicles + np.arange(vehicles)
        rows["lat_1e7"] += (STEP * np.sin(course)).astype(np.int32)
        rows["lon_1e7"] += (STEP * np.cos(course)).astype(np.int32)
        began = time.thread_time_ns()
        start = 0
        while start < len(rows):
            start, count = detector.judge(rows, start, facts)
            found += count
        if turn >= 3:
            took.append((time.thread_time_ns() - began) / vehicles)
    return statistics.median(took), found


def measure(fence_count: int, vehicles: int, seed: int) -> dict[str, Any]:
    """Return the figures of one size."""
    rng = random.Random(seed)
    shapes = drawn(fence_count, rng)
    plain = [Fence(k + 1, shape) for k, shape in enumerate(shapes)]
    figures: dict[str, Any] = {"fences": fence_count, "vehicles": vehicles}
    figures["ns_per_report"], figures["facts"] = judged(plain, vehicles, seed)
    if "vehicles" in Fence._fields:
        chosen = [fence._replace(vehicles=rng.sample(range(1, vehicles + 1), min(CHOSEN, vehicles))) for fence in plain]
        figures["chosen_ns_per_report"], figures["chosen_facts"] = judged(chosen, vehicles, seed)
    return figures


def main() -> int:
    """Print a line a size; with --json last one object."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fences", type=int, nargs="+", default=[1_000, 10_000])
    options.add_argument("--vehicles", type=int, default=50_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    where = machine.description()
    sizes = [measure(count, given.vehicles, given.seed) for count in given.fences]
    for figures in sizes:
        print(*(f"{name}={round(value, 1)}" for name, value in figures.items()))
    if given.json:
        print(msgspec.json.encode({"bench": "fences", "seed": given.seed, "sizes": sizes} | where).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
