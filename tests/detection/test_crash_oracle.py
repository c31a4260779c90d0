"""The kernel of crashes against a slow model, on what happens to cars: cut, doubled, restarted anywhere."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.detection import Detection
from actors.detectors import DETECTORS
from actors.detectors.crash import CrashDetector
from core.events import Event
from core.kernels.facts import FACT
from core.rules import CrashRule, RuleSet
from protocols.report import (
    ACCELERATION_NONE_MG,
    FLAG_CLOCK,
    FLAG_CRASH_ITEM,
    FLAG_FROZEN,
    FLAG_JUMP,
    FLAG_NO_FIX,
    FLAG_REPEATED,
    FLAG_TIME_BAD,
)
from tests.detection.crash_oracle import Found, Oracle
from tests.detection.reports import EQUATOR, NOON, rows, table, units

KINDS = ("suspected", "confirmed", "cleared")


def drive(seed: int, length: int = 160) -> list[dict[str, Any]]:
    """Return reports of one car with two terminals that drives, brakes, is struck, stands, drives on; some late."""
    rng = random.Random(seed)
    made: list[dict[str, Any]] = []
    now_ms, speed, metres, strike = NOON, rng.uniform(0, 80), 0.0, 0
    accelerates = rng.random() < 0.7
    word = {1: 0, 2: 0}
    target = speed
    while len(made) < length:
        step_ms = rng.choice([0, 1000, 1000, 1000, 1000, 1000, 1000, 2000, 5000, rng.choice([10_000, 60_000, 400_000])])
        now_ms += step_ms
        peak = rng.choice([1000, 1050, 1300, 2500])
        if rng.random() < 0.08:
            target = rng.choice([0, 0, 30, 50, 80])
        speed += max(-18, min(10, target - speed)) * step_ms / 1000 if step_ms < 10_000 else target - speed
        speed = max(0.0, speed)
        if rng.random() < 0.05:
            peak = rng.choice([4500, 6500, 8000, 9500, 14_000, 30_000, 65_534])
            if rng.random() < 0.6:
                speed = max(0.0, speed - rng.choice([15, 30, 60]))
                target = rng.choice([0, 0, speed])
            strike = len(made)
        metres += speed / 3.6 * step_ms / 1000
        terminal = rng.choice([1, 1, 1, 2])
        if rng.random() < (0.3 if 0 < len(made) - strike < 4 else 0.02):
            word[terminal] ^= rng.choice([1, 1 << 29, 1 << 29, 1 << 30])
        flags = rng.choice([0] * 30 + [FLAG_NO_FIX, FLAG_TIME_BAD, FLAG_JUMP, FLAG_FROZEN, FLAG_CLOCK, FLAG_CRASH_ITEM])
        late_ms = rng.choice([0] * 12 + [3_000, 45_000, 900_000])
        made.append(
            {
                "time_ms": now_ms - late_ms,
                "arrival_ms": now_ms + 700,
                "terminal": terminal,
                "speed_kmh10": round(10 * speed),
                "lat_1e7": EQUATOR[0],
                "lon_1e7": EQUATOR[1] + units(metres),
                "acceleration_mg": peak if accelerates and rng.random() < 0.95 else ACCELERATION_NONE_MG,
                "alarm": word[terminal],
                "status": 3 if speed or rng.random() < 0.8 else 2,
                "report_id": rng.getrandbits(63),
                "flags": flags,
                "sequence": len(made),
            }
        )
    return made


def told(events: list[Event]) -> list[tuple[str, str, str, int, bool]]:
    return [
        (e.type, e.payload.first_report_id, e.payload.report_id, e.payload.confidence_percent, e.payload.late)
        for e in events
        if e.type.startswith("crash.")
    ]


def kernel(made: np.ndarray, rule: CrashRule) -> list[Found]:
    """Return what the kernel finds, as the model says it."""
    rules = RuleSet("crash")
    rules.numbers = np.array([[float(getattr(rule, name)) for name in rule.__struct_fields__]])
    detector = CrashDetector(table(), rules)
    facts = np.zeros(4096, FACT)
    assert detector.judge(made, 0, facts)[0] == len(made)
    count = int(np.flatnonzero(facts["vehicle"]).max(initial=-1)) + 1
    return [
        (KINDS[f["kind"] - 1], int(f["first_report"]), int(f["report"]), int(f["values"][0]), int(f["late"]))
        for f in facts[:count]
    ]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_the_kernel_finds_what_the_slow_model_finds(seed: int) -> None:
    made = rows(*drive(seed))
    oracle = Oracle(CrashRule())
    assert kernel(made, CrashRule()) == [found for row in made for found in oracle.judge(row)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.data())
def test_and_by_any_thresholds(seed: int, data: st.DataObject) -> None:
    rng = random.Random(data.draw(st.integers(0, 10**6)))
    suspect = rng.randint(50, 90)
    weights = {name: rng.randint(0, 99) for name in CrashRule.__struct_fields__[2:12]}
    rule = CrashRule(
        suspect_percent=suspect,
        confirm_percent=rng.randint(60, 99),
        stop_s=rng.randint(2, 30),
        stayed_s=rng.randint(10, 80),
        drive_on_m=rng.randint(100, 1000),
        **weights,
    )
    made = rows(*drive(seed))
    oracle = Oracle(rule)
    assert kernel(made, rule) == [found for row in made for found in oracle.judge(row)]


def test_the_streams_of_these_tests_are_worth_it() -> None:
    found = [one for seed in range(60) for one in kernel(rows(*drive(seed)), CrashRule())]
    assert {(kind, late) for kind, *_, late in found} >= {
        ("suspected", 0),
        ("suspected", 1),
        ("confirmed", 0),
        ("cleared", 0),
    }
    assert len(found) > 150


def crashes(made: np.ndarray, judge: Detection | None = None) -> list[Event]:
    judge = judge or Detection(table())
    return [event for event in judge.judge(made) if event.type.startswith("crash.")]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 160), max_size=8))
def test_batches_cut_anywhere_give_the_same_events(seed: int, cuts: list[int]) -> None:
    made = rows(*drive(seed))
    judge = Detection(table())
    edges = sorted({0, len(made), *cuts})
    assert [e for first, last in pairwise(edges) for e in crashes(made[first:last], judge)] == crashes(made)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.integers(0, 159), st.integers(0, 40))
def test_a_restart_at_any_report_changes_nothing(tmp_path: Path, seed: int, at: int, further: int) -> None:
    made = rows(*drive(seed))
    path = tmp_path / "detection.npz"
    first = Detection(table())
    head = crashes(made[:at], first)
    first.snapshot(path, at - 1)
    # What is judged behind the snapshot is lost with the process.
    crashes(made[at : at + further], first)
    second = Detection(table())
    assert second.restore(path) == at - 1
    assert head + crashes(made[at:], second) == crashes(made)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 40))
def test_doubling_reports_changes_nothing(seed: int, behind: int) -> None:
    """Each report comes again, right away or some reports later, whether cleaning has seen that or not."""
    made = [one for one in drive(seed) if not one["flags"] & (FLAG_TIME_BAD | FLAG_CLOCK)]
    rng = random.Random(seed)
    doubled: list[dict[str, Any]] = []
    for n, one in enumerate(made):
        doubled.append(one)
        if rng.random() < 0.7:
            again = made[max(0, n - rng.randint(0, behind))]
            flags = again["flags"] | rng.choice([0, FLAG_REPEATED])
            # It arrives now: arrival never goes back, and by it the detector knows how long a car was silent.
            doubled.append(again | {"flags": flags, "arrival_ms": one["arrival_ms"]})
    assert told(crashes(rows(*doubled))) == told(crashes(rows(*made)))


def test_the_detector_is_one_of_the_table() -> None:
    assert [row.events for row in DETECTORS if row.name == "crash"] == [
        {"crash.suspected": "safety", "crash.confirmed": "safety", "crash.cleared": "safety"}
    ]
