"""Cars that drive, one sample a second: from SUMO on generated networks, or on streets of our own for tests.

SUMO (Eclipse, EPL-2.0) is a dependency of this bench alone: `make bench-truth` installs it. Its programs netgenerate
and sumo are run as processes of their own. What they made is kept under bench/build/truth, named by network, seed and
size, and made again when it is not there.
"""

import importlib.util
import os
import random
import re
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bench import machine

CACHE: Final = machine.BUILD / "truth"
CACHE_FORMAT: Final = 1

STEP_M_MAX: Final = 60.0
"""A car that moves farther in a second was teleported out of a jam by SUMO: no truth, left out."""
STAND_BEFORE_S: Final = 120
STAND_AFTER_S: Final = 300
"""Each car stands before it drives and behind its drive: ignition off but for the last and the first 30 s."""
IGNITION_S: Final = 30
ROLL_MS2: Final = 2.0
DRIVE_S_MIN: Final = 240
VIAS: Final = 5
"""Edges a trip goes by on its way, drawn at random: drives of ten to thirty minutes."""
SPARE: Final = 1.4
"""Trips ordered for each trip wanted: some never get through, some are cut short."""


class Network(NamedTuple):
    """A network that netgenerate makes: its kind, arguments and seed."""

    name: str
    arguments: tuple[str, ...]
    seed: int
    spacing_s: float
    """Seconds between two departures."""
    drive_s: float
    """How long a drive takes, about: so many trips are ordered."""


TUNING: Final = (
    Network(
        "grid",
        (
            "--grid --grid.number 14 --grid.length 260 --default-junction-type traffic_light",
            "--default.speed 13.9 --default.lanenumber 2",
        ),
        11,
        4.0,
        1500.0,
    ),
    Network(
        "spider",
        ("--spider --spider.arm-number 11 --spider.circle-number 9 --spider.space-radius 300 --default.speed 22.2",),
        12,
        4.0,
        900.0,
    ),
)
"""Thresholds may be tuned on these."""

HELD_OUT: Final = (
    Network(
        "random-town",
        (
            "--rand --rand.iterations 420 --rand.min-distance 120 --rand.max-distance 320 --tls.guess",
            "--default.speed 13.9",
        ),
        211,
        5.0,
        1500.0,
    ),
    Network(
        "random-country",
        ("--rand --rand.iterations 260 --rand.min-distance 350 --rand.max-distance 900 --default.speed 27.8",),
        212,
        5.0,
        1500.0,
    ),
)
"""And must hold on these, which are of another kind."""


class Drives(NamedTuple):
    """Truth of many cars, car by car, each in order of time, one sample a second.

    A sample's speed is the way of the second that ends with it.
    """

    first: np.ndarray
    """(cars + 1,) int64: the samples of car k are first[k] to first[k + 1]."""
    time_s: np.ndarray
    """(n,) int64, seconds from the beginning of the run."""
    x_m: np.ndarray
    """(n,) float64, metres east in the network's plane."""
    y_m: np.ndarray
    """(n,) float64, metres north."""
    speed_ms: np.ndarray
    """(n,) float64."""
    heading_rad: np.ndarray
    """(n,) float64, clockwise from north."""
    ignition: np.ndarray
    """(n,) bool."""

    @property
    def cars(self) -> int:
        """Return how many cars."""
        return len(self.first) - 1

    @property
    def car(self) -> np.ndarray:
        """Return (n,) int64: whose each sample is."""
        return np.repeat(np.arange(self.cars), np.diff(self.first))

    @property
    def hours(self) -> float:
        """Return vehicle-hours, standing included."""
        return len(self.time_s) / 3600


def joined(parts: list[Drives]) -> Drives:
    """Return the cars of several runs as one, in order. At least one part."""
    starts = np.cumsum([0, *(len(part.time_s) for part in parts)])
    first = np.concatenate([part.first[:-1] + start for part, start in zip(parts, starts, strict=False)])
    columns = (np.concatenate(column) for column in zip(*(part[1:] for part in parts), strict=True))
    return Drives(np.append(first, starts[-1]), *columns)


def beginning(drives: Drives, vehicle_hours: float) -> Drives:
    """Return the first cars, together as long as that or a little longer; all if there is not as much."""
    cars = min(drives.cars, int(np.searchsorted(drives.first, vehicle_hours * 3600)))
    samples = int(drives.first[cars])
    return Drives(drives.first[: cars + 1], *(column[:samples] for column in drives[1:]))


def with_standing(drives: Drives, before_s: int = STAND_BEFORE_S, after_s: int = STAND_AFTER_S) -> Drives:
    """Return the drives with the time before and behind, in which each car stands.

    SUMO's cars come and go at full speed. Here they roll up to where their drive begins, and out behind its end,
    straight on, at ROLL_MS2.
    """
    counts = np.diff(drives.first)
    lengths = counts + before_s + after_s
    first = np.append(0, np.cumsum(lengths))
    place = np.arange(first[-1]) - np.repeat(first[:-1], lengths) - before_s
    own = np.repeat(drives.first[:-1], lengths)
    count = np.repeat(counts, lengths)
    source = own + np.clip(place, 0, count - 1)
    # Seconds from the drive's nearer end, and how far the car has rolled from there by then.
    away_s = np.maximum(np.maximum(-place, place - count + 1), 0)
    full = drives.speed_ms[source]

    def rolled_m(seconds: np.ndarray) -> np.ndarray:
        """Return the way from full speed to a stand after so many seconds of it."""
        seconds = np.minimum(seconds, full / ROLL_MS2)
        return full * seconds - ROLL_MS2 * seconds**2 / 2

    way_m = np.where(place < 0, -rolled_m(away_s), rolled_m(away_s))
    speed_ms = np.where(place < 0, rolled_m(away_s + 1) - rolled_m(away_s), rolled_m(away_s) - rolled_m(away_s - 1))
    heading = drives.heading_rad[source]
    return Drives(
        first,
        drives.time_s[own] + place + before_s,
        drives.x_m[source] + way_m * np.sin(heading),
        drives.y_m[source] + way_m * np.cos(heading),
        np.where(away_s > 0, speed_ms, full),
        heading,
        away_s < IGNITION_S + full / ROLL_MS2,
    )


# --- SUMO -------------------------------------------------------------------------------------------------------------


def sumo_home() -> Path:
    """Return where SUMO stands: $SUMO_HOME, or the package eclipse-sumo.

    Raises:
        FileNotFoundError: it is not installed.
    """
    if home := os.environ.get("SUMO_HOME"):
        return Path(home)
    found = importlib.util.find_spec("sumo")
    if found is None or found.origin is None:
        raise FileNotFoundError("SUMO is not installed: run `make bench-truth`, which installs it for this bench")
    return Path(found.origin).parent


def sumo_drives(network: Network, vehicle_hours: float, cache: Path = CACHE) -> Drives:
    """Return drives on a network that are together as long as asked for, from the cache if they stand there.

    Trips go between edges drawn at random with the network's seed; whole drives only, in order of departure, the last
    one cut. The cars do not stand before and behind: `with_standing`.

    Raises:
        FileNotFoundError: SUMO is not installed.
        RuntimeError: SUMO did not do it, or the network did not carry as much traffic.
    """
    cache.mkdir(parents=True, exist_ok=True)
    stem = f"{network.name}-{network.seed}-{vehicle_hours:g}h-{CACHE_FORMAT}"
    kept = cache / f"{stem}.npz"
    if kept.exists():
        with np.load(kept, allow_pickle=False) as stored:
            return Drives(*(stored[name] for name in Drives._fields))
    programs = sumo_home() / "bin"
    net, trips, positions = (cache / f"{stem}.{kind}" for kind in ("net.xml", "trips.xml", "csv"))

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments, "--seed", str(network.seed)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr.strip()[-500:]}")

    machine.say(f"truth: SUMO makes the network {network.name}")
    run("netgenerate", *" ".join(network.arguments).split(), "-o", str(net))
    edges = sorted(re.findall(r'<edge id="([^":]+)" from=', net.read_text(encoding="utf-8")))
    rng = random.Random(network.seed)
    count = 30 + int(SPARE * vehicle_hours * 3600 / network.drive_s)
    lines = []
    for number in range(count):
        start, *by, end = rng.sample(edges, VIAS + 2)
        depart = number * network.spacing_s
        lines.append(f'<trip id="{number}" depart="{depart:g}" from="{start}" to="{end}" via="{" ".join(by)}"/>')
    trips.write_text("<routes>" + "\n".join(lines) + "</routes>", encoding="utf-8")
    machine.say(f"truth: SUMO drives {count} cars through it")
    run(
        "sumo",
        *("-n", str(net), "-r", str(trips), "--step-length", "1", "--end", str(int(count * network.spacing_s) + 1800)),
        *("--ignore-route-errors", "--time-to-teleport", "150", "--collision.action", "none"),
        *("--fcd-output", str(positions), "--fcd-output.attributes", "x,y,speed,angle", "--fcd-output.skip-empty"),
    )
    drives = _read(positions, int(vehicle_hours * 3600))
    positions.unlink()
    trips.unlink()
    partial = cache / f"{stem}.{os.getpid()}.npz"
    np.savez(partial, **drives._asdict())
    partial.replace(kept)
    return drives


def _read(positions: Path, samples_wanted: int) -> Drives:
    """Read SUMO's positions (CSV: time, car, x, y, angle, speed), car by car."""
    table = np.loadtxt(positions, delimiter=";", skiprows=1, dtype=np.float64)
    table = table[np.lexsort((table[:, 0], table[:, 1]))]
    starts = np.flatnonzero(np.diff(table[:, 1], prepend=-1.0))
    ends = np.append(starts[1:], len(table))
    last_s = table[:, 0].max()
    parts, samples = [], 0
    for start, end in zip(starts, ends, strict=True):
        own = table[start:end]
        steps = np.hypot(np.diff(own[:, 2]), np.diff(own[:, 3]))
        if len(own) < DRIVE_S_MIN or own[-1, 0] >= last_s or steps.max() > STEP_M_MAX or np.diff(own[:, 0]).max() > 1:
            continue
        parts.append(own[: max(2, samples_wanted - samples)])
        samples += len(parts[-1])
        if samples >= samples_wanted:
            break
    else:
        raise RuntimeError(f"{positions.name}: {samples / 3600:.1f} of {samples_wanted / 3600:.1f} vehicle-hours")
    chosen = np.concatenate(parts)
    return Drives(
        np.append(0, np.cumsum([len(part) for part in parts])),
        chosen[:, 0].astype(np.int64),
        chosen[:, 2].copy(),
        chosen[:, 3].copy(),
        chosen[:, 5].copy(),
        np.radians(chosen[:, 4]),
        np.ones(len(chosen), np.bool_),
    )


# --- streets of our own -----------------------------------------------------------------------------------------------


def street_drives(cars: int, duration_s: int, seed: int, block_m: float = 300.0, blocks: int = 10) -> Drives:
    """Return cars on a chessboard of streets: they speed up, turn at crossings and wait at some. Without SUMO.

    Args:
        cars: how many; each drives `duration_s` seconds.
        block_m, blocks: side of a block, and how many make the side of the town; cars turn back at its edge.
    """
    rng = np.random.default_rng(seed)
    side_m = block_m * blocks
    x, y = (rng.integers(0, blocks + 1, cars) * block_m for _ in range(2))
    direction = rng.integers(0, 4, cars)
    speed = np.zeros(cars)
    cruise = rng.uniform(8.0, 20.0, cars)
    wait_s = np.zeros(cars, np.int64)
    to_go_m = np.full(cars, block_m)
    columns = np.zeros((4, duration_s, cars))
    for second in range(duration_s):
        slow = np.sqrt(2 * 2.5 * np.maximum(to_go_m, 0.0)) + 3.0
        speed = np.where(wait_s > 0, 0.0, np.minimum(np.minimum(speed + 2.0, cruise), slow))
        wait_s = np.maximum(wait_s - 1, 0)
        step = np.minimum(speed, to_go_m)
        x = np.clip(x + step * np.sin(direction * np.pi / 2), 0.0, side_m)
        y = np.clip(y + step * np.cos(direction * np.pi / 2), 0.0, side_m)
        to_go_m = to_go_m - step
        columns[:, second] = x, y, step, direction * np.pi / 2
        at_crossing = to_go_m <= 0.0
        turned = (direction + rng.choice([-1, 0, 0, 1], cars)) % 4
        for tried in (turned, (turned + 1) % 4, (turned + 2) % 4, (turned + 3) % 4):
            ahead_x = x + block_m * np.sin(tried * np.pi / 2)
            ahead_y = y + block_m * np.cos(tried * np.pi / 2)
            possible = (abs(ahead_x - side_m / 2) <= side_m / 2 + 1) & (abs(ahead_y - side_m / 2) <= side_m / 2 + 1)
            direction = np.where(at_crossing & possible, tried, direction)
            to_go_m = np.where(at_crossing & possible, block_m, to_go_m)
            at_crossing &= ~possible
        fresh = to_go_m == block_m
        wait_s = np.where(fresh & (rng.random(cars) < 0.2), rng.integers(5, 40, cars), wait_s)
    x_m, y_m, speed_ms, heading = (column.T.reshape(-1) for column in columns)
    first = np.arange(cars + 1) * duration_s
    time_s = np.tile(np.arange(duration_s), cars)
    return Drives(first, time_s, x_m, y_m, speed_ms, heading, np.ones(cars * duration_s, np.bool_))
