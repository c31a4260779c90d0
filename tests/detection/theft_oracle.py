"""A slow and plain reading of the rules of core/kernels/theft.py: sets of words, and lists of all that ever came.

What the kernel keeps as counters, this one finds again by looking back through the car's whole past.
"""

import math
from dataclasses import dataclass, field
from typing import Any

from core.arming import Guard, is_scheduled
from core.rules import TheftRule
from protocols.report import (
    CELL_SIGNAL_NONE,
    FLAG_CLOCK,
    FLAG_NO_FIX,
    FLAG_REPEATED,
    FLAG_TIME_BAD,
    FLAGS_NO_POSITION,
    SATELLITES_NONE,
)

KINDS = (
    "moving_without_ignition", "displaced", "illegal_ignition", "stolen", "power_cut", "jammed", "silenced",
    "left_place", "ignition", "door",
)  # fmt: skip
BITS = {28: "displaced", 27: "illegal_ignition", 26: "stolen"}
TERMINALS = frozenset(BITS.values())
PLACES = frozenset({"moving_without_ignition", "left_place"})
SILENCES = frozenset({"jammed", "silenced"})


def metres(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Return the distance by the spherical law of cosines' better half: chord of two unit vectors."""

    def vector(place: tuple[int, int]) -> tuple[float, float, float]:
        lat, lon = (math.radians(value / 1e7) for value in place)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)

    return 2 * 6_371_008.8 * math.asin(min(1.0, math.dist(vector(a), vector(b)) / 2))


@dataclass
class Told:
    """One fact."""

    what: str
    number: int | str
    vehicle: int
    first_report: int
    report: int
    kinds: frozenset[str]
    late: bool


@dataclass
class Car:
    """All that is known of one car."""

    number: int
    past: list[dict[str, Any]] = field(default_factory=list)
    arrival_ms: int = 0
    anchors: list[tuple[int, int]] = field(default_factory=list)
    anchor: tuple[int, int] = (0, 0)
    parked_ms: int = 0
    astray: int = 0
    away: list[dict[str, Any]] = field(default_factory=list)
    drove: bool = False
    intervals: list[int] = field(default_factory=list)
    usual_ms: int = 0
    parked_usual_ms: int = 0
    holding: set[str] = field(default_factory=set)
    seen: set[str] = field(default_factory=set)
    muted: set[str] = field(default_factory=set)
    stage: int = 0
    began: tuple[int, int] = (0, 0)
    watched: bool = False
    armed: bool = False
    jam: bool = False
    silent: bool = False
    held: bool = False
    calm_ms: int = 0
    power_ms: int = 0
    closed_ms: int = 0
    back: list[int] = field(default_factory=list)
    heard: int = 0
    cut_reports: int = 0
    out: int = 0
    good: tuple[int, int, int] | None = None


class Oracle:
    """Judges like the kernel, for one group of cars with one rule.

    `guards` may be changed between two calls.
    """

    def __init__(self, rule: TheftRule, guards: dict[int, Guard]) -> None:
        self.rule = rule
        self.guards = guards
        self.cars: dict[int, Car] = {}

    # --- reports ------------------------------------------------------------------------------------------------------

    def judge(self, row: Any) -> list[Told]:
        """Judge one report."""
        report = {name: int(row[name]) for name in row.dtype.names}
        if report["flags"] & (FLAG_TIME_BAD | FLAG_REPEATED | FLAG_CLOCK):
            return []
        rule = self.rule
        car = self.cars.setdefault(report["vehicle_id"], Car(report["vehicle_id"]))
        guard = self.guards.get(car.number)
        self._settle(car)
        now = report["time_ms"]
        said = {word for bit, word in BITS.items() if report["alarm"] >> bit & 1}
        if car.past and now <= car.past[-1]["time_ms"]:
            if not said or car.stage or now <= max(car.calm_ms, car.closed_ms):
                return []
            car.calm_ms = now
            said -= car.muted
            if not said:
                return []
            return self._add(car, said, report["report_id"], report["arrival_ms"], report["report_id"], late=True)

        before = car.past[-1] if car.past else None
        off = not report["status"] & 1
        fix = not report["flags"] & FLAGS_NO_POSITION
        if before is not None:
            gap = min(now - before["time_ms"], 3_600_000)
            if off and before["off"]:
                car.parked_usual_ms += (gap - car.parked_usual_ms) // 4 if car.parked_usual_ms else gap
            elif not off and not before["off"] and (not car.usual_ms or gap <= 10 * car.usual_ms):
                car.usual_ms += (gap - car.usual_ms) // 8 if car.usual_ms else gap
        was_watched = car.watched
        car.watched = guard is not None and (
            0 < guard.armed_ms <= now
            or (is_scheduled(guard, now) and (was_watched or (before["off"] if before else off)))
        )
        report |= {"off": off, "fix": fix}
        car.past.append(report)
        car.arrival_ms = max(car.arrival_ms, report["arrival_ms"])
        car.silent = car.held = False
        self._signals(car, report)

        kinds = set(said)
        if said:
            car.calm_ms = now
        if report["alarm"] >> 8 & 1:
            car.power_ms = now
            car.cut_reports += 1
            if car.cut_reports >= rule.power_reports:
                kinds.add("power_cut")
        else:
            car.cut_reports = 0
        if car.watched and not off:
            kinds.add("ignition")
        doors = [one["status"] >> 13 & 31 for one in car.past[-2:]]
        if car.watched and was_watched and doors[-1] & ~doors[0]:
            kinds.add("door")
        if not off:
            car.drove = car.drove or (fix and report["speed_kmh10"] >= 100)
            if not (car.holding & PLACES or car.watched):
                car.anchors, car.parked_ms, car.away = [], 0, []
        away_m = self._place(car, report, kinds, guard) if fix else -1.0
        first = report
        if "moving_without_ignition" in kinds - car.holding and car.away:
            first = car.away[0]

        ceased, reason = self._ceased(car, report, said, guard, away_m, kinds)
        fresh = (kinds - car.muted) - car.holding
        ended = (ceased & car.holding) - (kinds - car.muted) - {"ignition", "door"}
        if ended:
            car.holding -= ended
            if not car.holding and not fresh:
                told = []
                if car.stage:
                    told = [self._told(car, "cleared", reason, report["report_id"])]
                    car.closed_ms = now
                self._forget(car)
                return told
            if not car.stage:
                car.seen = set(car.holding)
        if fresh:
            return self._add(car, fresh, first["report_id"], report["arrival_ms"], report["report_id"])
        return []

    def _signals(self, car: Car, report: dict[str, Any]) -> None:
        rule, now = self.rule, report["time_ms"]
        satellites, signal = report["satellites"], report["cell_signal"]
        if report["flags"] & FLAG_NO_FIX:
            satellites = 0
        if satellites == SATELLITES_NONE or signal == CELL_SIGNAL_NONE:
            return
        faint = signal <= rule.jam_signal_max and signal + rule.jam_signal_drop <= (car.good[2] if car.good else 0)
        if satellites <= rule.jam_satellites_max and faint:
            assert car.good is not None
            if now - car.good[0] <= 120_000 and (self._fast(car) or car.watched):
                car.jam = True
        else:
            car.jam = False
            if satellites >= rule.jam_satellites_min:
                car.good = (now, satellites, signal)

    def _fast(self, car: Car) -> bool:
        fixes = [one for one in car.past if one["fix"]][-2:]
        return (
            len(fixes) == 2
            and not car.past[-1]["off"]
            and car.past[-1]["time_ms"] - fixes[-1]["time_ms"] <= 120_000
            and all(one["speed_kmh10"] >= 10 * self.rule.silence_kmh_min for one in fixes)
        )

    def _place(self, car: Car, report: dict[str, Any], kinds: set[str], guard: Guard | None) -> float:
        rule, off, speed = self.rule, report["off"], report["speed_kmh10"]
        place = (report["lat_1e7"], report["lon_1e7"])
        away_m = -1.0
        if not car.anchors:
            if off and speed <= 30:
                car.anchor, car.anchors, car.parked_ms = place, [place], report["time_ms"]
                car.away, car.astray = [], 0
                away_m = 0.0
        else:
            away_m = metres(car.anchor, place)
            moved = off and away_m >= rule.moving_m_min and speed >= 10 * rule.moving_kmh_min
            far = off and away_m >= rule.far_m_min
            if moved or far:
                # A run: since the last fix that was neither, of which the last so many are of one sort.
                previous = car.away[-1] if car.away else {"moved": 0, "far": 0}
                report |= {
                    "moved": previous["moved"] + 1 if moved else 0,
                    "far": previous["far"] + 1 if far else 0,
                }
                car.away.append(report)
            else:
                car.away = []
            sure = (moved and report["moved"] >= rule.moving_fixes) or (far and report["far"] >= rule.far_fixes)
            if sure:
                parked_s = (car.away[0]["time_ms"] - car.parked_ms) / 1000
                if car.watched or (parked_s >= rule.parked_s_min and car.drove):
                    kinds.add("moving_without_ignition")
            elif off and speed <= 30 and not car.holding & PLACES:
                if away_m <= rule.moving_m_min / 2:
                    car.astray = 0
                    if len(car.anchors) < 16:
                        car.anchors.append(place)
                        count = len(car.anchors)
                        car.anchor = (
                            car.anchor[0] + (place[0] - car.anchor[0]) // count,
                            car.anchor[1] + (place[1] - car.anchor[1]) // count,
                        )
                elif len(car.anchors) < 3:
                    car.astray += 1
                    if car.astray >= 3:
                        car.anchor, car.anchors, car.astray = place, [place], 0
        if car.watched:
            assert guard is not None
            if guard.lat_1e7 is not None and guard.lon_1e7 is not None:
                away_m = metres((guard.lat_1e7, guard.lon_1e7), place)
        if car.watched and guard is not None and away_m > guard.radius_m + rule.leaving_m:
            car.out += 1
            if car.out >= rule.moving_fixes:
                kinds.add("left_place")
        else:
            car.out = 0
        return away_m

    def _ceased(
        self, car: Car, report: dict[str, Any], said: set[str], guard: Guard | None, away_m: float, kinds: set[str]
    ) -> tuple[set[str], str]:
        rule, now = self.rule, report["time_ms"]
        ceased: set[str] = set()
        reason = ""
        lasting = car.holding | car.muted
        if lasting & TERMINALS and not said and now - car.calm_ms >= 1000 * rule.calm_s:
            ceased, reason = ceased | TERMINALS, "withdrawn"
        if "power_cut" in lasting and not report["alarm"] >> 8 & 1 and now - car.power_ms >= 1000 * rule.calm_s:
            ceased, reason = ceased | {"power_cut"}, "power"
        if lasting & SILENCES:
            car.heard += 1
            if car.heard >= 2:
                ceased, reason = ceased | SILENCES, "heard"
        if lasting & PLACES:
            armed = car.armed or car.watched
            near_m = rule.moving_m_min / 2
            if armed and guard is not None:
                near_m = max(near_m, guard.radius_m)
            if report["fix"]:
                if 0 <= away_m <= near_m and report["speed_kmh10"] <= 30:
                    car.back.append(now)
                    if len(car.back) >= 2 and now - car.back[0] >= 1000 * rule.returned_s:
                        ceased, reason = ceased | PLACES, "returned"
                else:
                    car.back = []
            if not armed and not report["off"] and len(car.past) >= 2 and not car.past[-2]["off"]:
                ceased, reason = ceased | PLACES, "ignition"
        if "ignition" in car.muted and (report["off"] or not car.watched):
            ceased = ceased | {"ignition"}
        if "door" in car.muted and "door" not in kinds:
            ceased = ceased | {"door"}
        car.muted -= ceased
        return ceased, reason

    # --- silence ------------------------------------------------------------------------------------------------------

    def sweep(self, now_ms: int, since_ms: int) -> list[Told]:
        """Judge silence, car by car."""
        told: list[Told] = []
        crowd = {number for number, car in self.cars.items() if self._in_crowd(car, now_ms, since_ms)}
        for _, car in sorted(self.cars.items()):
            told += self._sweep(car, crowd, now_ms, since_ms)
        return told

    def _in_crowd(self, car: Car, now_ms: int, since_ms: int) -> bool:
        quiet_ms = now_ms - max(car.arrival_ms, since_ms)
        return bool(car.past) and self._fast(car) and max(3 * (car.usual_ms or 30_000), 60_000) <= quiet_ms <= 3_600_000

    def _sweep(self, car: Car, crowd: set[int], now_ms: int, since_ms: int) -> list[Told]:
        rule = self.rule
        if not car.past:
            return []
        guard = self.guards.get(car.number)
        self._settle(car)
        last = car.past[-1]
        car.watched = guard is not None and (
            0 < guard.armed_ms <= now_ms or (is_scheduled(guard, now_ms) and (car.watched or last["off"]))
        )
        fast = self._fast(car)
        if car.silent or not (fast or car.watched):
            return []
        quiet_ms = now_ms - max(car.arrival_ms, since_ms)
        usual_ms, least_s = (
            (car.usual_ms or 30_000, rule.silence_s_min)
            if fast
            else (car.parked_usual_ms or 600_000, rule.armed_silence_s_min)
        )
        needed = max(usual_ms * rule.silence_intervals, 1000 * least_s)
        if quiet_ms < (1000 * rule.jam_silence_s_min if car.jam else needed):
            return []
        if fast:
            if len(self._neighbours(car, crowd)) >= rule.coverage_cars:
                car.held = True
                return []
            if car.held and quiet_ms > 3_600_000:
                car.silent = True
                return []
        car.silent = True
        car.heard = 0
        kinds = {"jammed" if car.jam else "silenced"} | ({"power_cut"} if car.cut_reports else set())
        kinds -= car.muted | car.holding
        if not kinds:
            return []
        return self._add(car, kinds, last["report_id"], now_ms, last["report_id"])

    def _neighbours(self, car: Car, crowd: set[int]) -> set[int]:
        def cell(one: Car) -> tuple[int, int]:
            fix = next(report for report in reversed(one.past) if report["fix"])
            return fix["lat_1e7"] // 200_000, fix["lon_1e7"] // 200_000

        here = cell(car)
        return {
            number
            for number in crowd - {car.number}
            if all(abs(a - b) <= 1 for a, b in zip(here, cell(self.cars[number]), strict=True))
        }

    # --- episodes -----------------------------------------------------------------------------------------------------

    def _settle(self, car: Car) -> None:
        guard = self.guards.get(car.number)
        if guard is not None and car.holding and car.began[1] <= guard.settled_ms:
            car.muted = set(car.holding)
            self._forget(car)
            car.closed_ms = guard.settled_ms

    def _forget(self, car: Car) -> None:
        if car.seen & PLACES:
            car.anchors, car.parked_ms = [], 0
        car.seen, car.holding, car.stage, car.began = set(), set(), 0, (0, 0)
        car.away, car.astray, car.out, car.back, car.heard, car.cut_reports = [], 0, 0, [], 0, 0
        car.armed = car.jam = False

    def _add(
        self, car: Car, kinds: set[str], first_report: int, arrival_ms: int, report: int, late: bool = False
    ) -> list[Told]:
        if not car.holding and not car.stage:
            car.began = (first_report, arrival_ms)
        car.holding |= kinds
        car.armed = car.armed or car.watched
        car.seen = car.seen | kinds if car.stage else set(car.holding)
        sure = self.confidence(car)
        stage = (sure >= self.rule.suspected_min - 1e-9) + (
            sure >= max(self.rule.certain_min, self.rule.suspected_min) - 1e-9
        )
        if stage <= car.stage:
            return []
        car.stage = stage
        return [self._told(car, "suspected", stage, report, late)]

    def confidence(self, car: Car) -> float:
        """Return how sure what was seen makes us."""
        prefix = "armed_weight" if car.armed else "weight"
        return 1 - math.prod(1 - getattr(self.rule, f"{prefix}_{kind}") for kind in KINDS if kind in car.seen)

    def _told(self, car: Car, what: str, number: int | str, report: int, late: bool = False) -> Told:
        return Told(what, number, car.number, car.began[0], report, frozenset(car.seen), late)
