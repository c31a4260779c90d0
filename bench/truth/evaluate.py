"""Detection judges the reports; what it said is matched with what was.

Everything goes through `Detection.judge`, rows in the order of arrival, and nothing but its events is read. Latency
runs from the true moment to the arrival of the report with which the event came out.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final, NamedTuple

import numpy as np

from actors.detection import Detection
from bench import machine
from bench.truth import accidents, noise, places, pulses, traffic
from bench.truth.accidents import Cases
from bench.truth.noise import Happening, Observed
from bench.truth.places import ENTERED, EXITED, Place
from bench.truth.traffic import Drives
from core.events import Event
from core.kernels.geofence import Fence
from core.vehicle_table import VehicleTable

PERIODS_S: Final = (1, 5, 10, 30)
PARKED_PERIODS_S: Final = (1, 10, 30)
ORDINARY_TURNS: Final = 3
"""Where terminals say accelerations, ordinary traffic is observed so often, each time with other noise, other holes in
the road and other doors."""
BATCH_MS: Final = 10_000
CRASH_BATCH_MS: Final = 1_000
"""Arrivals judged together; how they are cut changes no fact."""
CRASH_FROM_S: Final = -5.0
CRASH_TO_S: Final = 60.0
"""A suspicion is of a crash if the time it says lies within these, and three periods, of it; the first one is. When it
was told is its latency: a car that crashes where there is no network is heard of late."""

FENCE_KINDS: Final = {"fence.entered": ENTERED, "fence.exited": EXITED}
AIMS: Final = {
    "fences_f1_min": 0.99,
    "parked_false_per_1000_h_max": 1.0,
    "crash_precision_min": 0.99,
    "crash_recall_from_25_kmh_min": 0.95,
    "crash_suspected_within_s": 2.0,
    "crash_false_per_100_h_max": 0.1,
}


class Told(NamedTuple):
    """One event, and when it was told: the arrival of the report with which it came out."""

    event: Event
    time_s: float
    """When it says it happened, in the time of the drives."""
    told_s: float


def judged(
    observed: Observed, vehicles: int, fences: list[Fence], batch_ms: int = BATCH_MS
) -> Iterator[tuple[int, Told]]:
    """Yield (car, what was told of it) as detection judges the reports."""
    rows = observed.rows
    detection = Detection(VehicleTable(vehicles + 1, vehicles + 1), fences)
    cuts = np.flatnonzero(np.diff(rows["arrival_ms"] // batch_ms)) + 1
    edges = [0, *cuts.tolist(), len(rows)]
    for start, end in pairwise(edges):
        batch = rows[start:end].copy()
        events = detection.judge(batch)
        if not events:
            continue
        arrivals = {int(r): int(a) for r, a in zip(batch["report_id"], batch["arrival_ms"], strict=True)}
        for event in events:
            kind, _, number = event.subject.partition(":")
            if kind != "vehicle":
                continue
            # What comes of silence names no report: then it is told with the batch.
            report = int(getattr(event.payload, "report_id", "") or "0", 16)
            told_ms = arrivals.get(report, int(batch["arrival_ms"][-1]))
            yield int(number) - 1, Told(event, (event.time_ms - noise.NOON_MS) / 1000, (told_ms - noise.NOON_MS) / 1000)


def share(part: float, whole: float) -> float | None:
    """Return part of whole, to four places; None of nothing."""
    return round(part / whole, 4) if whole else None


def quantiles_s(values: list[float]) -> dict[str, float | None]:
    """Return the median and the 95th percentile."""
    if not values:
        return {"p50_s": None, "p95_s": None}
    low, high = np.percentile(values, (50, 95))
    return {"p50_s": round(float(low), 2), "p95_s": round(float(high), 2)}


# --- fences -----------------------------------------------------------------------------------------------------------


class Count:
    """What became of the crossings and of the events at one period."""

    def __init__(self) -> None:
        self.found = self.missed = self.false = self.neither = 0
        # Of the events that say of themselves that they are inferred from the way between two fixes.
        self.inferred = self.inferred_true = self.inferred_false = 0
        self.latency_s: list[float] = []
        self.examples: list[str] = []

    def figures(self) -> dict[str, Any]:
        """Return them as they are printed."""
        precision = share(self.found, self.found + self.false)
        recall = share(self.found, self.found + self.missed)
        return {
            "crossings": self.found + self.missed,
            "found": self.found,
            "missed": self.missed,
            "false": self.false,
            "counted_neither_way": self.neither,
            "inferred": {
                "told": self.inferred,
                "car_was_inside": share(self.inferred_true, self.inferred),
                "false": self.inferred_false,
            },
            "precision_without_inferred": share(self.found, self.found + self.false - self.inferred_false),
            "precision": precision,
            "recall": recall,
            "f1": round(2 * precision * recall / (precision + recall), 4) if precision and recall else None,
            "latency": quantiles_s(self.latency_s),
        }


def crossings(drives: Drives, laid: list[Place], period_s: int, seed: int, every: Count, reported: Count) -> None:
    """Observe, judge and match one network's traffic at one period; add to the counts of all crossings and of those
    that were reported."""
    observed = noise.observe(drives, period_s, seed)
    told: dict[tuple[int, int], list[Told]] = defaultdict(list)
    for car, said in judged(observed, drives.cars, [places.fence_of(place) for place in laid]):
        if said.event.type in FENCE_KINDS:
            told[said.event.payload.fence_id, car].append(said)
    usable = np.flatnonzero(observed.usable)
    usable = usable[np.argsort(observed.rows["vehicle_id"][usable], kind="stable")]
    starts = np.searchsorted(observed.rows["vehicle_id"][usable], np.arange(drives.cars + 1) + 1)
    times_s = drives.time_s[observed.sample[usable]]
    for near in places.nearnesses(drives, laid):
        usable_s = times_s[starts[near.car] : starts[near.car + 1]]
        events = told.pop((near.fence_id, near.car), [])
        for count, only in ((every, None), (reported, usable_s)):
            _match(near, drives, places.intervals(near, drives, period_s, only), period_s, usable_s, events, count)
    for (fence, car), events in told.items():
        for count in (every, reported):
            count.false += len(events)
            count.examples += [
                f"false: car {car} never near fence {fence}: {e.event.type} at {e.time_s}" for e in events
            ]


def _match(
    near: places.Nearness,
    drives: Drives,
    intervals: list[places.Interval],
    period_s: int,
    usable_s: np.ndarray,
    events: list[Told],
    count: Count,
) -> None:
    """Match one car's events at one fence with its intervals."""
    until_s, spare = [], []
    for interval in intervals:
        slack_s = 3 * period_s + (places.ENTER_S_MIN if interval.kind == ENTERED else places.EXIT_S_MIN)
        second = int(np.searchsorted(usable_s, interval.to_s)) + 1
        after_s = float(usable_s[second]) if second < len(usable_s) else -np.inf
        until_s.append(max(interval.to_s + slack_s, after_s))
        spare.append({ENTERED: interval.spare, EXITED: interval.spare})
    found: set[int] = set()
    for said in sorted(events, key=lambda one: one.told_s):
        kind = FENCE_KINDS[said.event.type]
        inferred = bool(getattr(said.event.payload, "inferred", False))
        if inferred:
            at = int(said.time_s - drives.time_s[near.start])
            around = near.beyond_m[max(0, at - period_s) : max(0, at + period_s + 1)]
            count.inferred += 1
            count.inferred_true += bool(np.any(around <= 0.0))
        # The earliest first: what may be told for longest waits for what is told later.
        fitting = [
            number
            for number, interval in enumerate(intervals)
            if interval.from_s - period_s <= said.time_s <= until_s[number]
        ]
        of = next((n for n in fitting if intervals[n].kind == kind and n not in found), None)
        if of is not None:
            found.add(of)
            count.found += 1
            count.latency_s.append(said.told_s - intervals[of].crossed_s)
            continue
        of = next((n for n in fitting if spare[n][kind]), None)
        if of is not None:
            spare[of][kind] -= 1
            count.neither += 1
            continue
        count.false += 1
        count.inferred_false += inferred
        count.examples.append(f"false {said.event.type} at {said.time_s:.0f}: {_story(near, intervals, events)}")
    for number, interval in enumerate(intervals):
        if interval.kind and number not in found:
            count.missed += 1
            count.examples.append(f"missed of {interval.from_s:.0f}: {_story(near, intervals, events)}")


def _story(near: places.Nearness, intervals: list[places.Interval], events: list[Told]) -> str:
    """Return what was and what was told, in one line."""
    names = {0: "graze", ENTERED: "enter", EXITED: "exit"}
    was = " ".join(f"{names[i.kind]}[{i.from_s:.0f},{i.to_s:.0f}]" for i in intervals)
    said = " ".join(f"{e.event.type.removeprefix('fence.')}@{e.time_s:.0f}" for e in events)
    return f"fence {near.fence_id}, car {near.car}: was {was}; told {said}"


# --- parked on a boundary ---------------------------------------------------------------------------------------------

PARK_IN_S: Final = 60
PARK_SETTLED_S: Final = 180
"""A car drives up for a minute and stops on the boundary; two minutes later any transition is false."""


def parked_drives(cars: int, hours: float, seed: int) -> tuple[Drives, list[Place]]:
    """Return cars that drive up to boundaries and park on them, up to 2 m off, and the fences.

    Half come from inside; half switch the ignition off, the others idle all the time.
    """
    rng = np.random.default_rng(seed)
    laid = []
    parts = []
    duration = int(hours * 3600)
    for car in range(cars):
        middle = np.array([car % 40, car // 40]) * 1500.0
        kind = ("polygon", "circle", "corridor")[car % 3]
        size = float(rng.uniform(40.0, 400.0))
        angle = rng.random() * 2 * np.pi
        outwards = np.array([np.cos(angle), np.sin(angle)])
        along = np.array([-outwards[1], outwards[0]])
        if kind == "circle":
            place = Place(car + 1, kind, (middle[None, :],), size)
        elif kind == "corridor":
            place = Place(car + 1, kind, (np.array([middle - 600 * along, middle + 600 * along]),), min(size, 60.0))
        else:
            corners = np.array([outwards + along, outwards - along, -outwards - along, -outwards + along]) * size
            place = Place(car + 1, kind, (middle + corners,), 0.0)
        reach = min(size, 60.0) if kind == "corridor" else size
        end = middle + outwards * (reach + rng.uniform(-2.0, 2.0))
        inwards = bool(rng.random() < 0.5)
        start_m = 200.0 if inwards else -min(reach, 200.0)
        # It rolls up at an even pace and stops.
        pace = np.clip(1.0 - np.arange(duration) / (PARK_IN_S - 10), 0.0, 1.0) * start_m
        points = end + pace[:, None] * outwards
        speed = np.abs(np.diff(pace, prepend=pace[0]))
        heading = np.full(duration, np.arctan2(*(-np.sign(start_m) * outwards)))
        ignition = np.ones(duration, np.bool_)
        if rng.random() < 0.5:
            ignition[PARK_IN_S + 20 :] = False
        parts.append(
            Drives(np.array([0, duration]), np.arange(duration), points[:, 0], points[:, 1], speed, heading, ignition)
        )
        laid.append(place)
    return traffic.joined(parts), laid


def parked(vehicle_hours: float, seed: int, period_s: int, hours: float = 5.0) -> dict[str, Any]:
    """Return false transitions of cars that stand on a boundary."""
    at_once = 50
    told = 0
    counted = 0.0
    by_ignition = {"off": 0, "idling": 0}
    cars_left = max(6, round(vehicle_hours / hours))
    examples = []
    while cars_left:
        cars = min(at_once, cars_left)
        cars_left -= cars
        drives, laid = parked_drives(cars, hours, seed + cars_left)
        observed = noise.observe(drives, period_s, seed + cars_left)
        for car, said in judged(observed, drives.cars, [places.fence_of(place) for place in laid]):
            if said.event.type in FENCE_KINDS and said.time_s >= PARK_SETTLED_S:
                told += 1
                ignition = bool(drives.ignition[drives.first[car + 1] - 1])
                by_ignition["idling" if ignition else "off"] += 1
                examples.append(f"parked: car {car} of seed {seed + cars_left}, {said.event.type} at {said.time_s}")
        counted += cars * (hours - PARK_SETTLED_S / 3600)
    return {
        "vehicle_hours": round(counted, 1),
        "false": told,
        "false_ignition_off": by_ignition["off"],
        "false_idling": by_ignition["idling"],
        "false_per_1000_h": round(1000 * told / counted, 3),
        "examples": examples,
    }


# --- crashes ----------------------------------------------------------------------------------------------------------


def crashes(
    cases: Cases, ordinary: list[tuple[Drives, Happening]], seed: int, period_s: int, shown: str
) -> dict[str, Any]:
    """Return one table of crashes.

    Args:
        cases: crashes and confounders.
        ordinary: traffic in which nothing happened, and what terminals feel and say of it.
        shown: what terminals report of it: "bit", "acceleration" or "gps".
    """

    def reported(happening: Happening) -> Happening:
        """Return what this table's terminals say of it."""
        return happening._replace(
            acceleration_mg=happening.acceleration_mg if shown == "acceleration" else None,
            alarm=happening.alarm if shown == "bit" else None,
            at_once=happening.at_once if shown == "bit" else None,
        )

    count = len(cases.crash)
    observed = noise.observe(cases.drives, period_s, seed, reported(cases.happening))
    first: dict[int, Told] = {}
    ended: dict[int, str] = {}
    false_of = np.zeros(count, np.int64)
    confirmed_false = np.zeros(count, np.bool_)
    examples = []
    for car, said in judged(observed, count, [], CRASH_BATCH_MS):
        kind = said.event.type
        if kind == "crash.suspected":
            off_s = said.time_s - cases.when_s[car]
            fits = CRASH_FROM_S - period_s <= off_s <= CRASH_TO_S + 3 * period_s
            if cases.crash[car] and fits and car not in first:
                first[car] = said
            else:
                false_of[car] += 1
                examples.append(
                    f"false {_named(cases, car)}: of {off_s:.1f} s behind it, "
                    f"told {said.told_s - cases.when_s[car]:.1f} s behind it: {said.event.payload}"
                )
        elif kind in ("crash.confirmed", "crash.cleared"):
            ended[car] = kind
            confirmed_false[car] |= kind == "crash.confirmed" and not (cases.crash[car] and car in first)
    found = np.zeros(count, np.bool_)
    found[list(first)] = True
    latency = np.full(count, np.inf)
    for car, said in first.items():
        latency[car] = said.told_s - cases.when_s[car]
    examples += [f"missed {_named(cases, car)}" for car in np.flatnonzero(cases.crash & ~found).tolist()]
    cleared = np.array([ended.get(car) == "crash.cleared" for car in range(count)])
    confirmed = np.array([ended.get(car) == "crash.confirmed" for car in range(count)])
    severe = cases.crash & (cases.delta_v_kmh >= accidents.CLASSES_KMH[2][0])
    kept_true, kept_false = int((found & ~cleared).sum()), int(((false_of > 0) & ~cleared).sum())
    ordinary_false = ordinary_confirmed = 0
    hours = 0.0
    for number, (drives, happening) in enumerate(ordinary):
        seen = noise.observe(drives, period_s, seed + 1 + number, reported(happening))
        for car, said in judged(seen, drives.cars, [], CRASH_BATCH_MS):
            ordinary_false += said.event.type == "crash.suspected"
            ordinary_confirmed += said.event.type == "crash.confirmed"
            if said.event.type == "crash.suspected":
                examples.append(f"false in ordinary traffic: car {car} of part {number}: {said.event.payload}")
        hours += float(np.sum(drives.ignition)) / 3600
    classes = {}
    for number, name in enumerate(accidents.CLASS_NAMES):
        own = cases.speed_class == number
        classes[name] = {
            "crashes": int(own.sum()),
            "bit_set": int((own & cases.bit).sum()),
            "found": int((own & found).sum()),
            "recall": share(int((own & found).sum()), int(own.sum())),
            "recall_within_2_s": share(
                int((own & (latency <= AIMS["crash_suspected_within_s"])).sum()), int(own.sum())
            ),
            "not_cleared": int((own & found & ~cleared).sum()),
            "confirmed": int((own & confirmed).sum()),
            "latency": quantiles_s(latency[own & found].tolist()),
        }
    confounders = {}
    for number, name in enumerate(pulses.CONFOUNDERS):
        own = ~cases.crash & (cases.kind == number)
        confounders[name] = {
            "cases": int(own.sum()),
            "bit_set": int((own & cases.bit).sum()),
            "suspected": int((own & (false_of > 0)).sum()),
            "not_cleared": int((own & (false_of > 0) & ~cleared).sum()),
            "confirmed": int((own & confirmed).sum()),
        }
    return {
        "period_s": period_s,
        "precision": share(int(found.sum()), int(found.sum()) + int(false_of.sum())),
        "precision_not_cleared": share(kept_true, kept_true + kept_false),
        "precision_confirmed": share(
            int((cases.crash & found & confirmed).sum()),
            int((cases.crash & found & confirmed).sum()) + int(confirmed_false.sum()),
        ),
        "false": int(false_of.sum()),
        "false_of_crash_cases": int(false_of[cases.crash].sum()),
        "recall": share(int(found.sum()), int(cases.crash.sum())),
        "recall_from_25_kmh": share(int((severe & found).sum()), int(severe.sum())),
        "recall_from_25_kmh_within_2_s": share(
            int((severe & (latency <= AIMS["crash_suspected_within_s"])).sum()), int(severe.sum())
        ),
        "latency": quantiles_s(latency[found].tolist()),
        "classes": classes,
        "kinds": {
            name: share(
                int((cases.crash & (cases.kind == k) & found).sum()), int((cases.crash & (cases.kind == k)).sum())
            )
            for k, name in enumerate(accidents.CRASH_KINDS)
        },
        "confounders": confounders,
        "ordinary": {
            "vehicle_hours": round(hours, 1),
            "suspected": ordinary_false,
            "confirmed": ordinary_confirmed,
            "suspected_per_100_h": round(100 * ordinary_false / hours, 3) if hours else None,
        },
        "examples": examples,
    }


def _named(cases: Cases, car: int) -> str:
    names = accidents.CRASH_KINDS if cases.crash[car] else pulses.CONFOUNDERS
    return f"{names[cases.kind[car]]} (case {car}, {cases.delta_v_kmh[car]:.0f} km/h, at {cases.when_s[car]:.1f} s)"


# --- the whole --------------------------------------------------------------------------------------------------------


class Size(NamedTuple):
    """How much of everything."""

    vehicle_hours: float
    """Of traffic ..."""
    fence_hours: float
    """... of which the first so many are judged by fences."""
    fences: int
    parked_hours: float
    crashes: int


FULL: Final = Size(400.0, 160.0, 80, 1_000.0, 1_200)
QUICK: Final = Size(40.0, 40.0, 40, 60.0, 240)


def measure(
    driven: list[Drives], size: Size, seed: int, parts: frozenset[str] = frozenset(("fences", "parked", "crash"))
) -> dict[str, Any]:
    """Return all tables of one set of networks' drives (`with_standing`)."""
    result: dict[str, Any] = {
        "vehicle_hours_with_ignition": round(sum(float(np.sum(d.ignition)) for d in driven) / 3600, 1),
        "cars": sum(d.cars for d in driven),
        "aims": AIMS,
    }
    examples: dict[str, list[str]] = {}
    if "fences" in parts:
        result["fences"] = {}
        some = [traffic.beginning(drives, size.fence_hours / len(driven)) for drives in driven]
        laid = [places.laid(drives, size.fences // len(driven), seed + k) for k, drives in enumerate(some)]
        for period_s in PERIODS_S:
            machine.say(f"truth: fences, a report every {period_s} s")
            every, reported = Count(), Count()
            for number, drives in enumerate(some):
                crossings(drives, laid[number], period_s, seed + number, every, reported)
            result["fences"][str(period_s)] = {"all": every.figures(), "reported": reported.figures()}
            examples[f"fences {period_s} s"] = reported.examples
    if "parked" in parts:
        result["parked"] = {}
        for period_s in PARKED_PERIODS_S:
            machine.say(f"truth: parked on boundaries, a report every {period_s} s")
            figures = parked(size.parked_hours, seed, period_s)
            examples[f"parked {period_s} s"] = figures.pop("examples")
            result["parked"][str(period_s)] = figures
    if "crash" in parts:
        machine.say("truth: crashes and what only feels like one")
        cases = accidents.crash_cases(traffic.joined(driven), size.crashes, seed)
        ordinary = [
            (drives, accidents.everyday(drives, seed + 50 + k)) for k, drives in enumerate(driven * ORDINARY_TURNS)
        ]
        runs: list[tuple[str, str, int]] = [("bit", "bit", 10), ("acceleration", "acceleration", 1)]
        runs += [(f"gps_{period_s}", "gps", period_s) for period_s in PERIODS_S]
        result["crash"] = {}
        for name, shown, period_s in runs:
            machine.say(f"truth: crashes by {shown}, a report every {period_s} s")
            turns = ORDINARY_TURNS if shown == "acceleration" else 1
            figures = crashes(cases, ordinary[: turns * len(driven)], seed + 100, period_s, shown)
            examples[f"crash {name}"] = figures.pop("examples")
            result["crash"][name] = figures
    result["examples"] = examples
    return result
