"""What holds of all detectors together, whatever cars do: repeats, restarts and cuts change nothing that is found.

The fleets are made so that every detector of DETECTORS has something to find in some of them; a new one is tried here
by being in that table. `test_the_fleets_are_worth_it` says of each whether it was.
"""

import random
from collections import Counter
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.detection import POSITION_NONE, Detection, as_index
from actors.detectors import DETECTORS, alarms, crash
from core.events import Event
from core.rules import GroupRule, ProximityRule, Rules
from protocols.report import FLAG_CRASH_ITEM, FLAG_NO_FIX, FLAG_TIME_BAD
from tests.detection.reports import NOON, at, circle, rows, square, table

FENCES = as_index([square(1), square(2, half_m=450), circle(3, radius_m=480), circle(4, radius_m=200)])
CARS = 4
LENGTH = 260
JUST_NOW = 10
"""Reports that a terminal sends again as a rule: those whose acknowledgement was lost."""
ACC, POWER_OFF = 1 << 0, 1 << 8
"""Ignition in the status word; main power cut in the alarm word (JT/T 808 tables 24 and 25)."""


class Car:
    """A car that parks, drives to and fro across the fences, is towed, crashes, loses its fix, its power, its clock."""

    def __init__(self, number: int, rng: random.Random) -> None:
        self.number = number
        self.rng = rng
        self.metres = rng.uniform(-600, 200)
        self.north = rng.uniform(-50, 50)
        self.speed_kmh = 0.0
        self.ignition = False
        self.alarm = 0
        self.odometer_m = 1_000_000 * number
        self.time_ms = NOON + rng.randrange(0, 5_000)
        self.way = 1

    def goes_on(self) -> dict[str, Any]:
        """Return the fields of its next report."""
        rng = self.rng
        step_ms = rng.choice([1_000, 2_000, 5_000, 10_000, 10_000, 30_000, 400_000 if rng.random() < 0.1 else 10_000])
        self.time_ms += step_ms
        if rng.random() < 0.12:
            self.ignition = not self.ignition
        if rng.random() < 0.1:
            self.way = -self.way
        self.speed_kmh = rng.choice([0, 30, 60, 90, 130]) if self.ignition else rng.choice([0, 0, 0, 0, 25])
        moved_m = self.way * self.speed_kmh / 3.6 * step_ms / 1000
        self.metres = max(-4_000, min(4_000, self.metres + moved_m))
        self.odometer_m += round(abs(moved_m) / 100) * 100
        self.alarm ^= rng.choice([0] * 12 + [1, 1 << 29, 1 << 30, POWER_OFF, 1 << 26, 1 << 1])
        crash = rng.random() < 0.03
        where = at(self.metres + rng.gauss(0, 4) + (3_000 if rng.random() < 0.01 else 0))
        return {
            **where,
            "lat_1e7": where["lat_1e7"] + round(self.north * 90),
            "vehicle_id": self.number,
            "terminal": self.number,
            "time_ms": self.time_ms,
            "speed_kmh10": round(self.speed_kmh * 10),
            "course_deg": 90 if self.way > 0 else 270,
            "status": (ACC if self.ignition else 0) | 2,
            "alarm": self.alarm,
            "odometer_m": self.odometer_m if rng.random() < 0.9 else -1,
            "acceleration_mg": rng.choice([1_020, 1_100, 1_400]) if not crash else rng.choice([2_500, 6_000]),
            "satellites": rng.choice([12, 11, 10, 0 if rng.random() < 0.2 else 9]),
            "cell_signal": rng.choice([28, 25, 20, 0 if rng.random() < 0.2 else 22]),
            "flags": rng.choice([0] * 20 + [FLAG_NO_FIX, FLAG_TIME_BAD]) | (FLAG_CRASH_ITEM if crash else 0),
            "report_id": rng.getrandbits(63) | 1,
        }


@cache
def fleet(seed: int) -> np.ndarray:
    """Return what some cars report, in the order in which it arrives; some of it late, each in a frame of its own."""
    rng = random.Random(seed)
    cars = [Car(number, rng) for number in range(1, CARS + 1)]
    made = []
    for _ in range(LENGTH):
        report = min(cars, key=lambda car: car.time_ms).goes_on()
        delay_ms = rng.choice([300, 500, 900, 900, 45_000 if rng.random() < 0.2 else 700])
        made.append({**report, "arrival_ms": report["time_ms"] + delay_ms})
    made.sort(key=lambda report: report["arrival_ms"])
    found = rows(*({**report, "sequence": number} for number, report in enumerate(made, 1)))
    found.setflags(write=False)
    return found


NEAR = Rules([GroupRule(1, "proximity", 1, ProximityRule(score_min=5, distance_m=50, age_s_max=10))])
"""Four cars on one street rarely come as near as a group wants to be told of."""


def detection() -> Detection:
    return Detection(table(), FENCES, rules=NEAR)


def judged(judge: Detection, reports: np.ndarray) -> list[Event]:
    # Detection marks its rows.
    return judge.judge(reports.copy())


@cache
def expected(seed: int) -> dict[str, Event]:
    """Return what is found of a fleet that is heard once, in one batch, by id."""
    events = judged(detection(), fleet(seed))
    assert len({event.id for event in events}) == len(events), "an id twice"
    return {event.id: event for event in events}


def logged(events: list[Event]) -> dict[str, Event]:
    """Return what a log holds of these: the first of each id."""
    found: dict[str, Event] = {}
    for event in events:
        found.setdefault(event.id, event)
    return found


def same(events: list[Event], seed: int) -> None:
    """Compare with what is found of the fleet heard once; name the types that differ."""
    found = logged(events)
    differ = {event.type for id_, event in found.items() if expected(seed).get(id_) != event}
    differ |= {event.type for id_, event in expected(seed).items() if found.get(id_) != event}
    assert not differ
    assert list(found) == list(expected(seed))


SEEDS = st.integers(0, 40)
FEW = settings(max_examples=12, deadline=None)


def test_the_fleets_are_worth_it() -> None:
    found = Counter(event.type for seed in range(8) for event in expected(seed).values())
    for row in DETECTORS:
        assert any(found[type_] for type_ in row.events) or not row.events, f"nothing for {row.name}: {found}"


@FEW
@given(SEEDS)
def test_every_report_twice_changes_nothing(seed: int) -> None:
    twice = np.repeat(fleet(seed), 2)
    twice["sequence"] = np.arange(1, len(twice) + 1)
    same(judged(detection(), twice), seed)


@FEW
@given(SEEDS, st.lists(st.integers(0, LENGTH), min_size=1, max_size=4))
def test_a_restart_anywhere_changes_nothing(seed: int, ends: list[int]) -> None:
    whole, judge = fleet(seed), detection()
    events: list[Event] = []
    for first, last in pairwise(sorted({0, *ends, LENGTH})):
        events += judged(judge, whole[first:last])
        state = judge.state(last)
        # The process ends some reports later, and what it found after the snapshot is in the log.
        events += judged(judge, whole[last : last + 20])
        judge = detection()
        assert judge.take_over(state) == last > POSITION_NONE
    assert {event.id for event in events} == set(expected(seed))
    for event in events:
        assert expected(seed)[event.id] == event


@FEW
@given(SEEDS, st.lists(st.integers(0, LENGTH), max_size=10))
def test_batches_cut_anywhere_change_nothing(seed: int, cuts: list[int]) -> None:
    judge = detection()
    edges = sorted({0, LENGTH, *cuts})
    same([event for first, last in pairwise(edges) for event in judged(judge, fleet(seed)[first:last])], seed)


@FEW
@given(SEEDS, st.one_of(st.integers(0, LENGTH - 1), st.integers(LENGTH - JUST_NOW, LENGTH - 1)))
def test_what_was_heard_before_gives_nothing_new(seed: int, first: int) -> None:
    """A terminal that empties its memory, a journal read again: all of it is known.

    But for alarms that are over: of these a terminal's latch remembers three (ALARM_EPISODES), and rather tells one of
    them again, and a crash by it, than miss one that was never told.
    """
    forgotten = {type_ for row in DETECTORS if row.name in (alarms.NAME, crash.NAME) for type_ in row.events}
    judge = detection()
    events = judged(judge, fleet(seed))
    again = fleet(seed)[first:].copy()
    again["sequence"] += LENGTH
    again["arrival_ms"] = fleet(seed)[-1]["arrival_ms"]
    news = {event.type for event in judge.judge(again) if event.id not in logged(events)}
    assert not news - forgotten


@pytest.mark.parametrize("row", DETECTORS, ids=lambda row: row.name)
def test_an_empty_detector_has_nothing_to_keep(row: Any) -> None:
    """What a snapshot of nothing holds is small, whatever the capacity of the table."""
    state = detection().state(0)
    assert sum(array.nbytes for name, array in state.items() if name.startswith(f"{row.name}/")) < 64 * 1024
