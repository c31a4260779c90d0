"""Crashes and their confounders, put into traffic: how the car moves, what its sensor feels, what its terminal says.

A case is some minutes of one car's drive. Up to its moment the car moves as SUMO moved it; then as the case says, along
the same way:

    frontal   45 %   brakes or not, loses delta_v (or all it has) and slides to a stand at 4 to 7 m/s2
    struck    20 %   from behind, half of them standing: is pushed on by delta_v, stops at 3 to 6 m/s2
    side      20 %   delta_v across: slides sideways up to 12 m, turns by 60 to 200 degrees, stops at 4 to 6 m/s2
    glance    15 %   loses what of delta_v lies along, rolls on and stops at 1 to 2 m/s2

As many crashes in each class of delta_v. Half of those below 15 km/h drive on after one to three minutes. The ignition
goes off in one of five (lowest class) to three of five (highest); above 40 km/h six terminals of a hundred fall silent
with the crash. As many confounders as crashes, each kind of pulses.CONFOUNDERS alike:

    bump, pothole, kerb   at the speeds one takes them; three kerbs of ten are where the car parks
    brake                 from 40 km/h or more to a stand; one of five stays there
    door                  parked
    drop                  three of five with ignition off, one idling, one driving on
    tow                   ignition off: jerks, a minute, then it moves along the way at 5 to 12 m/s
    fix_lost              from 40 km/h or more, for one to four minutes, said or the last fix repeated; every other car
                          parks there and is not heard of with a fix again
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from bench.truth import pulses
from bench.truth.noise import Happening
from bench.truth.traffic import Drives, joined

CLASSES_KMH: Final = ((5.0, 15.0), (15.0, 25.0), (25.0, 40.0), (40.0, 70.0))
CLASS_NAMES: Final = ("<15", "15-25", "25-40", ">40")
CRASH_KINDS: Final = ("frontal", "struck", "side", "glance")
CRASH_SHARES: Final = (0.45, 0.20, 0.20, 0.15)
BEFORE_S: Final = 180
AFTER_S: Final = 420
SPREAD_S: Final = 1800
"""Cases begin at any second of half an hour, so that batches hold reports of many."""
FINE_HZ: Final = 20
ALARM_COLLISION: Final = 1 << 29
ALARM_S: Final = 30
"""How long a terminal goes on saying its alarm bit."""
WAVES_AT_ONCE: Final = 500

EVERYDAY_PER_HOUR: Final = {"bump": 6.0, "pothole": 2.0, "kerb": 0.2}
"""What ordinary driving meets in an hour; doors are slammed at every standing (estimates, on the hard side)."""
DOORS_PER_STANDING: Final = 2


class Cases(NamedTuple):
    """What happened: case k is car k of the drives."""

    drives: Drives
    happening: Happening
    crash: np.ndarray
    """(n,) bool: a crash, or a confounder."""
    kind: np.ndarray
    """(n,) int64 into CRASH_KINDS or pulses.CONFOUNDERS."""
    delta_v_kmh: np.ndarray
    """(n,) 0 for confounders."""
    when_s: np.ndarray
    """(n,) float64, in the time of the drives."""
    bit: np.ndarray
    """(n,) bool: the terminal set bit 29."""

    @property
    def speed_class(self) -> np.ndarray:
        """Return (n,) int64 into CLASSES_KMH; -1 for confounders."""
        return np.where(self.crash, np.digitize(self.delta_v_kmh, [low for low, _ in CLASSES_KMH[1:]]), -1)


class _Plan(NamedTuple):
    """How one case goes on from a sample of the base drives."""

    at: int
    """The sample."""
    speed_ms: np.ndarray
    """(AFTER_S * FINE_HZ,) forward speed from then on."""
    moment_s: float
    """When it happens, seconds after the sample."""
    across_m: float = 0.0
    """How far it slides to the right after that."""
    turned_rad: float = 0.0
    ignition: bool | None = None
    """None: as in the base. False: off all the time."""
    off_after_s: float = np.inf
    """Seconds after the moment at which the ignition goes off."""
    silent: bool = False
    no_fix: int = 0
    """As in Happening, from the moment on ..."""
    no_fix_s: float = 0.0
    """... for so long."""


def _braked(speed: np.ndarray, start_s: float, rate_ms2: float, stand_s: float, base: np.ndarray) -> np.ndarray:
    """Return the profile with a braking to a stand that begins then, a pause, and the base's speeds from there on."""
    time = np.arange(len(speed)) / FINE_HZ
    first = min(int(np.ceil(start_s * FINE_HZ)), len(speed) - 1)
    slowed = np.where(time >= start_s, np.maximum(speed[first] - rate_ms2 * (time - start_s), 0.0), speed)
    again = start_s + speed[first] / rate_ms2 + stand_s
    if again < time[-1]:
        moving = np.flatnonzero(time >= again)
        pull = np.minimum(base[first : first + len(moving)], 1.5 * (time[moving[: len(base) - first]] - again))
        slowed[moving[: len(pull)]] = pull
    return slowed


def crash_cases(base: Drives, count: int, seed: int) -> Cases:
    """Return `count` crashes and as many confounders, taken out of drives that stand before they go.

    Args:
        base: of `with_standing`.
    """
    rng = np.random.default_rng(seed)
    car = base.car
    ends = base.first[1:][car]
    place = np.arange(len(car)) - base.first[:-1][car]
    # Room behind for what goes on, room before for an ordinary drive.
    roomy = (place > 180) & (np.arange(len(car)) + 200 < ends) & base.ignition
    pools = {
        "any": np.flatnonzero(roomy & (base.speed_ms > 4.0)),
        "parked": np.flatnonzero((place >= 50) & (place < 80) & ~base.ignition),
        "idling": np.flatnonzero((place >= 60) & (place < 118) & base.ignition & (base.speed_ms == 0.0)),
    }
    by_speed = pools["any"][np.argsort(base.speed_ms[pools["any"]])]
    speeds = base.speed_ms[by_speed]

    def with_speed(low_ms: float, high_ms: float) -> int:
        """Return a sample of that speed; where none is as fast, one of the fastest."""
        first, last = np.searchsorted(speeds, (low_ms, high_ms))
        if last - first < 20:
            first, last = max(0, min(int(first), len(speeds) - 200)), max(int(last), min(len(speeds), int(first) + 200))
        return int(by_speed[rng.integers(first, last)])

    plans: list[_Plan] = []
    kinds, delta_v, directions = [], [], []
    for number in range(count):
        class_number = number % len(CLASSES_KMH)
        kind = int(rng.choice(len(CRASH_KINDS), p=CRASH_SHARES))
        change = rng.uniform(*CLASSES_KMH[class_number]) / 3.6
        plan, direction = _crash(base, CRASH_KINDS[kind], change, class_number, with_speed, rng)
        plans.append(plan)
        kinds.append(kind)
        delta_v.append(change)
        directions.append(direction)
    for number in range(count):
        kind = number % len(pulses.CONFOUNDERS)
        plans.append(_confounder(base, pulses.CONFOUNDERS[kind], with_speed, pools, rng))
        kinds.append(kind)
    drives, moments, begun = _driven(base, plans, rng)
    kind_array = np.array(kinds)
    changes = np.array(delta_v + [0.0] * count)
    acceleration = everyday_mg(drives, rng)
    bits = np.zeros(2 * count, np.bool_)
    crash = np.arange(2 * count) < count
    for start in range(0, 2 * count, WAVES_AT_ONCE):
        which = np.arange(start, min(start + WAVES_AT_ONCE, 2 * count))
        waves = np.zeros((len(which), pulses.WAVE_MS, 3))
        struck = which[which < count]
        waves[: len(struck)] = pulses.crash_waves(changes[struck], np.array(directions)[struck], rng)
        for number, name in enumerate(pulses.CONFOUNDERS):
            own = np.flatnonzero((which >= count) & (kind_array[which] == number))
            waves[own] = pulses.confounder_waves(name, len(own), rng)
        second = drives.first[:-1][which] + np.floor(moments[which] - begun[which]).astype(np.int64)
        samples = pulses.felt(waves, drives.speed_ms[second], rng)
        bits[which] = pulses.sets_bit(samples, rng)
        peaks = pulses.peaks_mg(samples, moments[which] % 1.0)
        # The second in which it began is told with the sample at that second's end.
        acceleration[second + 1] = np.maximum(peaks[:, 1], np.minimum(acceleration[second + 1], 1500))
        acceleration[second + 2] = np.maximum(peaks[:, 2], np.minimum(acceleration[second + 2], 1500))
    alarm, at_once = _alarms(drives, moments, begun, bits)
    silent, no_fix = np.zeros((2, len(drives.time_s)), np.int64)
    for number, plan in enumerate(plans):
        first, end = drives.first[number], drives.first[number + 1]
        moment = first + int(moments[number] - begun[number])
        if plan.silent:
            silent[moment + 2 : end] = 1
        if plan.no_fix:
            no_fix[moment + 1 : min(end, moment + 1 + int(plan.no_fix_s))] = plan.no_fix
    happening = Happening(acceleration, alarm, at_once, silent > 0, no_fix)
    return Cases(drives, happening, crash, kind_array, changes * 3.6, moments, bits)


WithSpeed = Callable[[float, float], int]
"""Return a sample of a speed between two."""


def _crash(
    base: Drives, kind: str, change: float, class_number: int, with_speed: WithSpeed, rng: np.random.Generator
) -> tuple[_Plan, float]:
    """Return the plan of one crash and the direction of its change of speed."""
    time = np.arange(AFTER_S * FINE_HZ) / FINE_HZ
    stop_ms2 = rng.uniform(4.0, 7.0)
    across_m = turned = 0.0
    if kind == "frontal":
        direction = np.pi + rng.normal(0.0, 0.2)
        wanted = change / rng.uniform(0.6, 1.05)
        at = with_speed(wanted, wanted + 8.0)
        fast = base.speed_ms[at]
        brake_s = (fast - wanted) / rng.uniform(6.0, 8.0) if fast > wanted and rng.random() < 0.6 else 0.0
        moment = brake_s + rng.uniform(0.05, 1.0)
        hit = min(fast, wanted) if brake_s else fast
        speed = np.where(
            time < moment - brake_s, fast, fast - (fast - hit) * (time - moment + brake_s) / max(brake_s, 1e-9)
        )
        left = max(0.0, hit - change)
    elif kind == "struck":
        direction = rng.normal(0.0, 0.2)
        at = with_speed(4.0, 14.0)
        fast = base.speed_ms[at]
        stop_ms2 = rng.uniform(3.0, 6.0)
        if rng.random() < 0.5:
            moment = fast / 2.5 + rng.uniform(3.0, 20.0)
            speed, hit = np.maximum(fast - 2.5 * time, 0.0), 0.0
        else:
            moment = rng.uniform(0.05, 1.0)
            speed, hit = np.full(len(time), fast), fast
        left = hit + change
    elif kind == "side":
        side = rng.choice([-1.0, 1.0])
        direction = side * (np.pi / 2 + rng.normal(0.0, 0.3))
        at = with_speed(5.0, 16.0)
        hit = base.speed_ms[at]
        moment = rng.uniform(0.05, 1.0)
        speed = np.full(len(time), hit)
        stop_ms2 = rng.uniform(4.0, 6.0)
        left = hit * rng.uniform(0.6, 0.9)
        across_m = -side * min(12.0, change**2 / 10.0)
        turned = -side * np.radians(rng.uniform(60, 200)) * min(1.0, change / 8.0)
    else:
        direction = np.pi + rng.choice([-1.0, 1.0]) * rng.uniform(0.3, 0.9)
        at = with_speed(change, change + 12.0)
        hit = base.speed_ms[at]
        moment = rng.uniform(0.05, 1.0)
        speed = np.full(len(time), hit)
        stop_ms2 = rng.uniform(1.0, 2.0)
        left = max(1.0, hit + change * np.cos(direction))
    goes_on = class_number == 0 and rng.random() < 0.5
    after = np.where(time < moment, speed, left)
    base_speed = _fine(base, at)
    if goes_on:
        speed = _braked(after, moment, min(stop_ms2, 3.0), rng.uniform(60, 180), base_speed)
    else:
        speed = _braked(after, moment, stop_ms2, np.inf, base_speed)
    off = not goes_on and rng.random() < (0.2, 0.3, 0.5, 0.6)[class_number]
    silent = class_number == 3 and rng.random() < 0.06
    off_after_s = rng.uniform(2, 60) if off else np.inf
    plan = _Plan(at, speed, moment, across_m, turned, off_after_s=off_after_s, silent=silent)
    return plan, direction


def _confounder(
    base: Drives, kind: str, with_speed: WithSpeed, pools: dict[str, np.ndarray], rng: np.random.Generator
) -> _Plan:
    """Return the plan of one confounder."""
    moment = rng.uniform(0.05, 1.0)
    if kind in ("bump", "pothole", "kerb"):
        at = with_speed(*{"bump": (4.0, 12.0), "pothole": (5.0, 22.0), "kerb": (4.0, 8.0)}[kind])
        speed = _fine(base, at)
        if kind == "kerb" and rng.random() < 0.3:
            speed = _braked(speed, moment, rng.uniform(1.5, 3.0), np.inf, speed)
            return _Plan(at, speed, moment, off_after_s=rng.uniform(10, 40))
        return _Plan(at, speed, moment)
    if kind == "brake":
        at = with_speed(11.2, 40.0)
        speed = _fine(base, at)
        stand_s = rng.uniform(3, 20) if rng.random() < 0.8 else np.inf
        off_after_s = rng.uniform(20, 60) if np.isinf(stand_s) and rng.random() < 0.5 else np.inf
        rate = rng.uniform(0.8, 1.05) * pulses.G_MS2
        return _Plan(at, _braked(speed, moment, rate, stand_s, speed), moment, off_after_s=off_after_s)
    if kind == "fix_lost":
        at = with_speed(11.2, 40.0)
        speed = _fine(base, at)
        said = int(rng.integers(1, 3))
        if rng.random() < 0.5:
            speed = _braked(speed, moment + rng.uniform(5, 40), rng.uniform(1.5, 3.0), np.inf, speed)
            return _Plan(at, speed, moment, off_after_s=rng.uniform(60, 120), no_fix=said, no_fix_s=AFTER_S)
        return _Plan(at, speed, moment, no_fix=said, no_fix_s=rng.uniform(60, 240))
    if kind == "drop" and rng.random() < 0.2:
        at = with_speed(5.0, 30.0)
        return _Plan(at, _fine(base, at), moment)
    if kind == "drop" and rng.random() < 0.25:
        at = int(rng.choice(pools["idling"]))
        return _Plan(at, np.zeros(AFTER_S * FINE_HZ), moment)
    at = int(rng.choice(pools["parked"]))
    speed = np.zeros(AFTER_S * FINE_HZ)
    if kind == "tow":
        time = np.arange(len(speed)) / FINE_HZ
        speed = np.clip(0.5 * (time - moment - rng.uniform(40, 90)), 0.0, rng.uniform(5.0, 12.0))
        return _Plan(at, speed, moment, ignition=False)
    return _Plan(at, speed, moment, ignition=False)


def _fine(base: Drives, at: int) -> np.ndarray:
    """Return the base's speed from a sample on, FINE_HZ times a second; standing behind its end."""
    end = base.first[np.searchsorted(base.first, at, side="right")]
    own = base.speed_ms[at + 1 : min(end, at + 1 + AFTER_S)]
    return np.repeat(np.append(own, np.zeros(AFTER_S - len(own))), FINE_HZ)


def _driven(base: Drives, plans: list[_Plan], rng: np.random.Generator) -> tuple[Drives, np.ndarray, np.ndarray]:
    """Return the drives of all plans, when each happens, and the time of each one's first sample."""
    parts, moments, begun = [], [], []
    for plan in plans:
        number = int(np.searchsorted(base.first, plan.at, side="right"))
        first, end = int(base.first[number - 1]), int(base.first[number])
        before = min(BEFORE_S, plan.at - first)
        past = slice(plan.at - before, plan.at + 1)
        ways = np.append(0.0, np.cumsum(np.hypot(np.diff(base.x_m[plan.at : end]), np.diff(base.y_m[plan.at : end]))))
        way = np.cumsum(plan.speed_ms)[FINE_HZ - 1 :: FINE_HZ] / FINE_HZ
        seconds = np.arange(1, AFTER_S + 1)
        # Where a car stands, the same way comes twice; the later sample is as good.
        x = np.interp(way, ways, base.x_m[plan.at : end])
        y = np.interp(way, ways, base.y_m[plan.at : end])
        heading = base.heading_rad[plan.at : end][np.clip(np.searchsorted(ways, way), 0, end - plan.at - 1)]
        slid = np.clip((seconds - plan.moment_s) / 2.0, 0.0, 1.0)
        x, y = x + slid * plan.across_m * np.cos(heading), y - slid * plan.across_m * np.sin(heading)
        speed = np.diff(np.append(0.0, way))
        if plan.across_m:
            speed = np.hypot(speed, np.diff(np.append(0.0, slid)) * plan.across_m)
        heading = heading + slid * plan.turned_rad
        ignition = np.full(before + 1 + AFTER_S, plan.ignition is not False)
        if plan.ignition is None:
            ignition[: before + 1] = base.ignition[past]
        if np.isfinite(plan.off_after_s):
            ignition[before + 1 + int(plan.moment_s + plan.off_after_s) :] = False
        start = int(rng.integers(0, SPREAD_S))
        parts.append(
            Drives(
                np.array([0, len(ignition)]),
                start + np.arange(len(ignition)),
                np.append(base.x_m[past], x),
                np.append(base.y_m[past], y),
                np.append(base.speed_ms[past], speed),
                np.append(base.heading_rad[past], heading),
                ignition,
            )
        )
        begun.append(float(start))
        moments.append(start + before + plan.moment_s)
    return joined(parts), np.array(moments), np.array(begun)


def _alarms(drives: Drives, moments: np.ndarray, begun: np.ndarray, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the alarm words, and the seconds at which a report goes out at once, where terminals set their bit."""
    alarm = np.zeros(len(drives.time_s), np.int64)
    at_once = np.zeros(len(drives.time_s), np.bool_)
    for number in np.flatnonzero(bits):
        second = int(drives.first[number] + moments[number] - begun[number]) + 1
        alarm[second : min(second + ALARM_S, drives.first[number + 1])] = ALARM_COLLISION
        at_once[second] = True
    return alarm, at_once


def everyday_mg(drives: Drives, rng: np.random.Generator) -> np.ndarray:
    """Return (n,) in mg: the peaks of ordinary driving without anything in its way."""
    same = np.diff(drives.car, prepend=-1) == 0
    along = np.where(same, np.diff(drives.speed_ms, prepend=0.0), 0.0)
    turn = np.where(same, np.diff(drives.heading_rad, prepend=0.0), 0.0)
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    # A course changes at a corner of SUMO's roads at once; tyres do not hold more than this.
    across = np.clip(turn * drives.speed_ms, -4.0, 4.0)
    return pulses.everyday_peaks_mg(drives.speed_ms, across, np.clip(along, -9.0, 9.0), rng)


def everyday(drives: Drives, seed: int) -> Happening:
    """Return what terminals feel and say of ordinary traffic: the road, bumps, holes, kerbs, doors; and false bits."""
    rng = np.random.default_rng(seed)
    acceleration = everyday_mg(drives, rng)
    alarm = np.zeros(len(drives.time_s), np.int64)
    at_once = np.zeros(len(drives.time_s), np.bool_)
    moving = drives.speed_ms > 2.0
    standing = np.flatnonzero(~drives.ignition)
    room = np.append(drives.first[1:], 0)[drives.car] - np.arange(len(moving)) > 3
    hours = moving.sum() / 3600
    chances = {name: (moving & room, rate * hours) for name, rate in EVERYDAY_PER_HOUR.items()}
    off = np.zeros(len(moving), np.bool_)
    off[standing] = True
    chances["door"] = (off & room, 2.0 * DOORS_PER_STANDING * drives.cars)
    for name, (where, count) in chances.items():
        places = rng.choice(np.flatnonzero(where), int(rng.poisson(count)))
        for start in range(0, len(places), WAVES_AT_ONCE):
            some = places[start : start + WAVES_AT_ONCE]
            samples = pulses.felt(pulses.confounder_waves(name, len(some), rng), drives.speed_ms[some], rng)
            peaks = pulses.peaks_mg(samples, rng.random(len(some)))
            np.maximum.at(acceleration, some + 1, peaks[:, 1])
            np.maximum.at(acceleration, some + 2, peaks[:, 2])
            for place in some[pulses.sets_bit(samples, rng)]:
                alarm[place + 1 : place + 2] = ALARM_COLLISION
                at_once[place + 1] = True
    for place in rng.choice(np.flatnonzero(moving & room), int(rng.poisson(hours * pulses.TERMINAL_FALSE_PER_HOUR))):
        alarm[place] = ALARM_COLLISION
        at_once[place] = True
    return Happening(acceleration, alarm, at_once)
