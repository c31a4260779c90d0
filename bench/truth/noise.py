"""What terminals make of the truth: REPORT rows in the order in which they arrive.

Every second has a noise of its own, and a report takes it as it stands at its second, so that the same car seen every
second and every 30 s has the same errors.

    position      Gauss-Markov of first order on each axis, sigma 5 m, tau 60 s; 1 % of the reports 50 m off, in any
                  direction, for that report alone
    speed         the mean of the report's last second, sigma 0.5 km/h; seven receivers of ten say 0 below 2 km/h, the
                  others what they measure; a report that is 50 m off says up to 6 km/h more, every fifth time
    course        2 degrees off, and the last one while the car stands
    odometer      three cars of four have one: in steps of 100 m (item 0x01 counts tenths of a kilometre), up to 1 %
                  wrong
    no fix        a tunnel every 30 minutes of driving, 10 to 90 s: three of five receivers say so (no fix, last known
                  position), the others repeat their last fix and its speed as if nothing were
    blind zones   every two hours, 60 to 300 s: kept, and sent as one batch behind it; half of the terminals send what
                  they kept first, the others their newest report first
    on the way    0.5 % never arrive, 0.2 % arrive twice; 0.3 s and an exponential time of 0.3 s
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from bench.truth.places import SIGMA_M, to_1e7
from bench.truth.traffic import Drives
from protocols.report import (
    ACCELERATION_MAX_MG,
    ACCELERATION_NONE_MG,
    FLAG_BATCH,
    FLAG_BLIND,
    FLAG_NO_FIX,
    ODOMETER_NONE,
    REPORT,
)

NOON_MS: Final = 1_750_000_000_000
TAU_S: Final = 60.0
JUMP_SHARE: Final = 0.01
JUMP_M: Final = 50.0
SPEED_SIGMA_KMH: Final = 0.5
STILL_KMH: Final = 2.0
STILL_SHARE: Final = 0.7
COURSE_SIGMA_DEG: Final = 2.0
ODOMETER_SHARE: Final = 0.75
TUNNEL_EVERY_S: Final = 30 * 60
TUNNEL_S: Final = (10, 90)
TUNNEL_SAID_SHARE: Final = 0.6
BLIND_EVERY_S: Final = 2 * 60 * 60
BLIND_S: Final = (60, 300)
LOST_SHARE: Final = 0.005
TWICE_SHARE: Final = 0.002

STATUS_IGNITION: Final = 1 << 0
STATUS_FIX: Final = 1 << 1


class Happening(NamedTuple):
    """What the terminals add to the truth, sample by sample; None: nothing of it."""

    acceleration_mg: np.ndarray | None = None
    """(n,) the peak of the second that ends with the sample, gravity included. Reports say it at a period of 1 s."""
    alarm: np.ndarray | None = None
    """(n,) alarm word."""
    at_once: np.ndarray | None = None
    """(n,) bool: a report is sent at this second whatever the period."""
    silent: np.ndarray | None = None
    """(n,) bool: the terminal is gone."""
    no_fix: np.ndarray | None = None
    """(n,) 1: says that it has no fix; 2: repeats its last fix; 0: as ever."""


class Observed(NamedTuple):
    """Reports as they arrived, and of which second of the truth each is."""

    rows: np.ndarray
    """(n,) REPORT, in order of arrival; car k of the drives is vehicle and terminal k + 1."""
    sample: np.ndarray
    """(n,) int64 into the drives."""
    usable: np.ndarray
    """(n,) bool: has a fix of its own time, came in order, and for the first time."""


@njit(cache=True)
def _gauss_markov(first, noise, keep):  # type: ignore[no-untyped-def]
    """Make of unit normal noise (n,), in place, for each car a stationary Gauss-Markov process of unit variance."""
    kick = np.sqrt(1.0 - keep * keep)
    for car in range(len(first) - 1):
        for i in range(first[car] + 1, first[car + 1]):
            noise[i] = keep * noise[i - 1] + kick * noise[i]


@njit(cache=True)
def _last_where(first, fresh):  # type: ignore[no-untyped-def]
    """Return for each sample the index of its car's last sample before or at it that is fresh; the first, if none."""
    last = np.empty(len(fresh), np.int64)
    for car in range(len(first) - 1):
        at = first[car]
        for i in range(first[car], first[car + 1]):
            if fresh[i]:
                at = i
            last[i] = at
    return last


def _episodes(
    drives: Drives, rng: np.random.Generator, every_s: float, length_s: tuple[int, int], weight: np.ndarray
) -> np.ndarray:
    """Return (n,) int64: which episode each sample lies in, 0 for none. Only samples of weight begin one."""
    marked = np.zeros(len(drives.time_s), np.int64)
    starts = np.flatnonzero(weight & (rng.random(len(weight)) < 1.0 / every_s))
    ends = np.append(drives.first[1:], len(weight))[np.searchsorted(drives.first, starts, side="right") - 1]
    lengths = rng.integers(*length_s, len(starts), endpoint=True)
    for number, (start, end) in enumerate(zip(starts, np.minimum(ends, starts + lengths), strict=True)):
        marked[start:end] = number + 1
    return marked


def observe(drives: Drives, period_s: int, seed: int, happening: Happening | None = None) -> Observed:
    """Return what arrives of these drives when every terminal reports each `period_s` seconds, each at its own one."""
    happening = happening or Happening()
    rng = np.random.default_rng(seed)
    count, cars = len(drives.time_s), drives.cars
    car = drives.car
    # Drawn for all samples and all cars, whatever the period: the same seed gives the same errors at every period.
    east, north, speed_noise = (rng.standard_normal(count) for _ in range(3))
    for noise in (east, north):
        _gauss_markov(drives.first, noise, np.exp(-1.0 / TAU_S))
    x_m, y_m = drives.x_m + SIGMA_M * east, drives.y_m + SIGMA_M * north
    jumped = rng.random(count) < JUMP_SHARE
    angle = rng.random(count) * 2 * np.pi
    x_m += np.where(jumped, JUMP_M * np.cos(angle), 0.0)
    y_m += np.where(jumped, JUMP_M * np.sin(angle), 0.0)
    speed_kmh = np.abs(drives.speed_ms * 3.6 + SPEED_SIGMA_KMH * speed_noise)
    speed_kmh += np.where(jumped & (rng.random(count) < 0.2), rng.random(count) * 6.0, 0.0)
    still = (rng.random(cars) < STILL_SHARE)[car]
    speed_kmh[still & (speed_kmh < STILL_KMH)] = 0.0
    course = np.degrees(drives.heading_rad) + COURSE_SIGMA_DEG * rng.standard_normal(count)
    scale = rng.uniform(0.99, 1.01, cars)[car]
    behind = rng.integers(1_000, 90_000_000, cars)[car]
    way = np.cumsum(drives.speed_ms)
    odometer_m = behind + scale * (way - way[drives.first[:-1]][car])
    odometer_m = (odometer_m // 100 * 100).astype(np.int64)
    odometer_m[(rng.random(cars) >= ODOMETER_SHARE)[car]] = ODOMETER_NONE

    driving = drives.speed_ms > 1.0
    tunnel = _episodes(drives, rng, TUNNEL_EVERY_S, TUNNEL_S, driving)
    says_so = (rng.random(cars) < TUNNEL_SAID_SHARE)[car]
    blind = _episodes(drives, rng, BLIND_EVERY_S, BLIND_S, np.ones(count, np.bool_))
    kept_first = (rng.random(cars) < 0.5)[car]
    no_fix = (tunnel > 0) & says_so
    frozen = (tunnel > 0) & ~says_so
    if happening.no_fix is not None:
        no_fix |= happening.no_fix == 1
        frozen |= happening.no_fix == 2

    phase = rng.integers(0, 30, cars)[car]
    sent = (drives.time_s + phase) % period_s == 0
    if happening.at_once is not None:
        sent |= happening.at_once
    lost = rng.random(count) < LOST_SHARE
    if happening.alarm is not None:
        # A terminal repeats an alarm until it is acknowledged: none is lost for good.
        lost &= happening.alarm == 0
    sent &= ~lost
    if happening.silent is not None:
        sent &= ~happening.silent

    # A fix that is repeated is the last one that a report could have carried.
    last = _last_where(drives.first, ~(no_fix | frozen) & sent)
    arrival_ms = NOON_MS + drives.time_s * 1000 + 300 + rng.exponential(300.0, count).astype(np.int64)
    chosen = np.flatnonzero(sent)
    repeated = chosen[rng.random(len(chosen)) < TWICE_SHARE]
    sample = np.concatenate([chosen, repeated])
    again = np.arange(len(sample)) >= len(chosen)

    rows = np.zeros(len(sample), REPORT)
    source = last[sample]
    rows["terminal"] = rows["vehicle_id"] = car[sample] + 1
    rows["phone_low"] = rows["terminal"]
    rows["report_id"] = _mixed(sample.astype(np.uint64) + np.uint64(seed << 40))
    rows["time_ms"] = NOON_MS + drives.time_s[sample] * 1000
    rows["lat_1e7"], rows["lon_1e7"] = to_1e7(x_m[source], y_m[source])
    rows["odometer_m"] = odometer_m[sample]
    rows["speed_kmh10"] = np.rint(np.where(no_fix[sample], 0.0, speed_kmh[source]) * 10)
    moving = _last_where(drives.first, drives.speed_ms > 0.5)[source]
    rows["course_deg"] = np.rint(course[moving]).astype(np.int64) % 360
    rows["altitude_m"] = 12
    rows["status"] = np.where(drives.ignition[sample], STATUS_IGNITION, 0) | np.where(no_fix[sample], 0, STATUS_FIX)
    rows["satellites"] = np.where(no_fix[sample], 0, np.where(frozen[sample], 4, 9 + (sample * 7919 % 7)))
    rows["cell_signal"] = 20
    rows["acceleration_mg"] = ACCELERATION_NONE_MG
    if happening.acceleration_mg is not None:
        rows["acceleration_mg"] = np.minimum(np.rint(happening.acceleration_mg[sample]), ACCELERATION_MAX_MG)
    if happening.alarm is not None:
        rows["alarm"] = happening.alarm[sample]
    in_blind = blind[sample] > 0
    rows["flags"] = np.where(no_fix[sample], FLAG_NO_FIX, 0) | np.where(in_blind, FLAG_BATCH | FLAG_BLIND, 0)

    arrives_ms = arrival_ms[sample]
    if in_blind.any():
        # A zone ends with its last second; what was kept arrives behind it, in one go, in the order of its times.
        numbers = blind[sample]
        end_ms = np.zeros(int(blind.max()) + 1, np.int64)
        np.maximum.at(end_ms, blind, NOON_MS + drives.time_s * 1000)
        wait_ms = np.where(kept_first[sample], 200, 2_500 + 1_000 * period_s)
        arrives_ms = np.where(in_blind, end_ms[numbers] + wait_ms, arrives_ms)
    arrives_ms[again] += 3_000
    # One connection keeps the order of what is sent over it, but for what was kept and what is sent again.
    plain = np.flatnonzero(~in_blind & ~again)
    arrives_ms[plain] = _in_order(rows["vehicle_id"][plain], arrives_ms[plain])
    order = np.lexsort((rows["time_ms"], again, arrives_ms))
    rows, sample, again, arrives_ms = rows[order], sample[order], again[order], arrives_ms[order]
    rows["arrival_ms"] = arrives_ms
    rows["sequence"] = np.arange(1, len(rows) + 1)
    newest = _newest_before(rows["vehicle_id"], rows["time_ms"], cars)
    usable = ~again & ~no_fix[sample] & ~frozen[sample] & (rows["time_ms"] > newest)
    return Observed(rows, sample, usable)


@njit(cache=True)
def _in_order(vehicle, arrives_ms):  # type: ignore[no-untyped-def]
    """Return arrival times that never fall from one report of a vehicle to its next; rows lie vehicle by vehicle."""
    ordered = arrives_ms.copy()
    for i in range(1, len(ordered)):
        if vehicle[i] == vehicle[i - 1] and ordered[i] < ordered[i - 1]:
            ordered[i] = ordered[i - 1]
    return ordered


@njit(cache=True)
def _newest_before(vehicle, time_ms, cars):  # type: ignore[no-untyped-def]
    """Return for each row the newest time of its vehicle's rows before it; 0: none."""
    newest = np.zeros(cars + 1, np.int64)
    before = np.empty(len(time_ms), np.int64)
    for i in range(len(time_ms)):
        before[i] = newest[vehicle[i]]
        newest[vehicle[i]] = max(newest[vehicle[i]], time_ms[i])
    return before


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Return 64-bit numbers that look random, a different one for each (SplitMix64, Steele and others, 2014)."""
    z = numbers * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
