"""Judge reports with every detector: nanoseconds of one thread per report, for each of them and for the whole step.

Cars drive over a region with fences of all kinds and report every ten seconds, in batches as the journal hands them
up. The same reports are judged at every number of cars, so that what grows is the state they touch. Run: python -m
bench.detect [--vehicles N ...] [--json].
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
from bench.geofence import CORNER, EAST, GROUPS, NOON_MS, PERIOD_S, SIDE, STEP, drawn
from core.kernels.geofence import FenceIndex, build_index
from core.vehicle_table import VehicleTable
from protocols.report import ACCELERATION_NONE_MG, CELL_SIGNAL_NONE, ODOMETER_NONE, REPORT, SATELLITES_NONE

BATCH: Final = 4_096
FENCES: Final = 1_000
WARM: Final = 8
"""Turns before the clock starts: each car has state then, and has set out: all of them at once tell of a trip each."""


def drives(vehicles: int, reports: int, seed: int) -> list[np.ndarray]:
    """Return batches of reports of so many cars, each once a turn in an order of its own."""
    rng = np.random.default_rng(seed)
    turns = WARM + -(-reports // vehicles)
    lats = CORNER[0] + rng.integers(0, SIDE, vehicles).astype(np.float64)
    lons = CORNER[1] + rng.integers(0, SIDE, vehicles).astype(np.float64)
    course = rng.random(vehicles) * 2 * math.pi
    whole = np.zeros(turns * vehicles, REPORT)
    whole["odometer_m"], whole["status"], whole["speed_kmh10"] = ODOMETER_NONE, 3, 600
    whole["acceleration_mg"], whole["satellites"] = ACCELERATION_NONE_MG, SATELLITES_NONE
    whole["cell_signal"] = CELL_SIGNAL_NONE
    whole["sequence"] = np.arange(len(whole))
    whole["report_id"] = rng.integers(1, 2**63, len(whole))
    for turn in range(turns):
        rows = whole[turn * vehicles : (turn + 1) * vehicles]
        order = rng.permutation(vehicles)
        rows["vehicle_id"] = rows["terminal"] = 1 + order
        course += rng.normal(0, 0.1, vehicles)
        lats += STEP * np.sin(course)
        lons += STEP / EAST * np.cos(course)
        rows["lat_1e7"], rows["lon_1e7"] = lats[order], lons[order]
        rows["course_deg"] = (90 - np.degrees(course[order])) % 360
        # Spread over the period, as cars are.
        rows["time_ms"] = NOON_MS + turn * PERIOD_S * 1000 + 1000 * (order % PERIOD_S)
        rows["arrival_ms"] = (
            NOON_MS + turn * PERIOD_S * 1000 + np.arange(vehicles) * (PERIOD_S * 1000) // vehicles + 9_000
        )
    first = WARM * vehicles
    return [whole[:first], *(whole[start : start + BATCH] for start in range(first, len(whole), BATCH))]


def grouped(vehicles: int, seed: int) -> VehicleTable:
    """Return a table whose cars belong to dealer groups by chance."""
    table = VehicleTable(vehicles + 1, vehicles + 1)
    table.group[1:] = np.random.default_rng(seed).integers(1, GROUPS + 1, vehicles)
    return table


def measure(vehicles: int, index: FenceIndex, reports: int, seed: int) -> dict[str, Any]:
    """Return the figures of one number of cars, medians over batches."""
    warm, *batches = drives(vehicles, reports, seed)
    whole = Detection(grouped(vehicles, seed), index)
    whole.judge(warm.copy())
    took, events = [], 0
    for batch in batches:
        rows = batch.copy()
        began = time.thread_time_ns()
        events += len(whole.judge(rows))
        took.append((time.thread_time_ns() - began) / len(rows))
    figures: dict[str, Any] = {
        "vehicles": vehicles,
        "whole_ns": round(statistics.median(took), 1),
        "events_per_1000": round(1000 * events / sum(len(batch) for batch in batches), 2),
    }
    apart: Any = Detection(grouped(vehicles, seed), index)
    apart.judge(warm.copy())
    kernels: dict[str, list[float]] = {detector.name: [] for detector in apart._detectors}
    for batch in batches:
        rows = batch.copy()
        for detector in apart._detectors:
            began = time.thread_time_ns()
            start = 0
            while start < len(rows):
                start, _ = detector.judge(rows, start, apart._facts)
            kernels[detector.name].append((time.thread_time_ns() - began) / len(rows))
    return figures | {f"{name}_ns": round(statistics.median(times), 1) for name, times in kernels.items()}


def main() -> int:
    """Print a line a size; with --json last one object."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--vehicles", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    options.add_argument("--fences", type=int, default=FENCES)
    options.add_argument("--reports", type=int, default=400_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    where = machine.description()
    index = build_index(drawn(given.fences, random.Random(given.seed)))
    sizes = []
    for vehicles in given.vehicles:
        sizes.append(measure(vehicles, index, given.reports, given.seed))
        print(*(f"{name}={value}" for name, value in sizes[-1].items()), flush=True)
    growth = round(sizes[-1]["whole_ns"] / sizes[0]["whole_ns"], 2)
    print(f"the whole step costs {growth} times as much at {sizes[-1]['vehicles']} cars as at {sizes[0]['vehicles']}")
    if given.json:
        whole = {"bench": "detect", "seed": given.seed, "fences": given.fences, "growth": growth, "sizes": sizes}
        print(msgspec.json.encode(whole | where).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
