"""When detection looks at what follows from silence: in time of arrival, each moment once, not at our own outage."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import detection as module
from actors.detection import Detection
from actors.detectors import DETECTORS, DetectorRow
from actors.detectors.finding import SWEPT, Finding
from core.kernels.facts import ROW_NONE
from core.limits import OUTAGE_MS, SWEEP_LAG_MS, SWEEP_MS
from core.rules import RuleSet
from tests.detection.reports import NOON, rows, table

assert NOON % SWEEP_MS == 0


class Silent(msgspec.Struct, frozen=True):
    since_ms: int


class Listening:
    """A detector that says of each of three cars, at every sweep, since when it has been listened for."""

    name = "listening"
    version = 1
    rules: RuleSet

    def __init__(self) -> None:
        self.happened: list[tuple[str, int]] = []

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        self.happened += [("report", int(row["arrival_ms"])) for row in rows[start:]]
        return len(rows), 0

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        if start == 0:
            self.happened.append(("sweep", now_ms))
        # Room for one at a time.
        facts[0] = 0
        facts[0]["report"], facts[0]["first_report"], facts[0]["time_ms"] = 40 + start, 40 + start, now_ms
        facts[0]["vehicle"], facts[0]["row"], facts[0]["values"][0] = start + 1, ROW_NONE, since_ms
        return (start + 1 if start < 2 else SWEPT), 1

    def describe(self, fact: Any, row: Any) -> Finding:
        assert row is None
        return Finding("device.listened", str(int(fact["time_ms"])), Silent(int(fact["values"][0])))

    def statistics(self) -> dict[str, int]:
        return {}

    def state(self) -> dict[str, np.ndarray]:
        return {}

    def load(self, state: dict[str, np.ndarray]) -> None: ...

    def clear(self) -> None: ...


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Listening:
    detector = Listening()
    row = DetectorRow("listening", 1, lambda making: detector, {"device.listened": "service"})
    monkeypatch.setattr(module, "DETECTORS", (*DETECTORS, row))
    return detector


def arriving(*offsets_ms: int) -> np.ndarray:
    return rows(*({"arrival_ms": NOON + offset, "time_ms": NOON + offset} for offset in offsets_ms))


def test_a_sweep_stands_before_the_first_report_that_arrived_at_its_moment_or_later(listening: Listening) -> None:
    judge = Detection(table())
    events = judge.judge(arriving(1, 9_999, 10_000, 10_001, 31_000))
    ten, twenty, thirty = (("sweep", NOON + k * SWEEP_MS) for k in (1, 2, 3))
    said = [("report", NOON + offset) for offset in (1, 9_999, 10_000, 10_001, 31_000)]
    assert listening.happened == [*said[:2], ten, *said[2:4], twenty, thirty, said[4]]
    assert [event.subject for event in events] == ["vehicle:1", "vehicle:2", "vehicle:3"] * 3
    assert {event.payload.since_ms for event in events} == {NOON + 1}
    assert judge.statistics()["sweeps"] == 3


def test_time_that_passes_without_reports_sweeps_too_and_each_moment_once(listening: Listening) -> None:
    judge = Detection(table())
    judge.judge(arriving(0))
    assert judge.advance(NOON + SWEEP_MS + SWEEP_LAG_MS - 1) == []
    assert len(judge.advance(NOON + SWEEP_MS + SWEEP_LAG_MS)) == 3
    assert judge.advance(NOON + SWEEP_MS + SWEEP_LAG_MS) == []
    judge.judge(arriving(SWEEP_MS + 1))
    assert [what for what, _ in listening.happened] == ["report", "sweep", "report"]


def test_a_time_in_which_nobody_listened_is_nobodys_silence(listening: Listening) -> None:
    judge = Detection(table())
    back = OUTAGE_MS + 1_001
    events = judge.judge(arriving(1_000, back, back + SWEEP_MS))
    assert {event.payload.since_ms for event in events} == {NOON + back}
    assert [what for what, _ in listening.happened] == ["report", "report", "sweep", "report"]


def test_a_clock_of_ours_that_goes_back_sweeps_nothing_twice(listening: Listening) -> None:
    judge = Detection(table())
    judge.judge(arriving(0, 25_000, 3_000, 12_000, 26_000))
    assert [at - NOON for what, at in listening.happened if what == "sweep"] == [10_000, 20_000]


@pytest.mark.parametrize("back_ms", [3_600_000, 86_400_000])
def test_where_our_clock_was_set_back_silence_counts_from_then_on(listening: Listening, back_ms: int) -> None:
    judge = Detection(table())
    there = -back_ms
    events = judge.judge(arriving(0, 10_001, there, there + SWEEP_MS, there + SWEEP_MS + 1))
    assert [at - NOON for what, at in listening.happened if what == "sweep"] == [SWEEP_MS, there + SWEEP_MS]
    assert [event.payload.since_ms - NOON for event in events[::3]] == [0, there]


def test_where_our_clock_is_set_back_in_silence_looking_goes_on(listening: Listening) -> None:
    judge = Detection(table())
    judge.judge(arriving(0, 10_001))
    there = NOON - 86_400_000
    assert judge.advance(there + SWEEP_LAG_MS) == []
    assert len(judge.advance(there + SWEEP_MS + SWEEP_LAG_MS)) == 3


def test_a_clock_of_ours_that_is_a_little_behind_is_waited_for(listening: Listening) -> None:
    judge = Detection(table())
    judge.judge(arriving(0, OUTAGE_MS - 1, -1))
    assert judge.advance(NOON - 1 + SWEEP_LAG_MS) == []
    assert [at - NOON for what, at in listening.happened if what == "sweep"] == list(
        range(SWEEP_MS, OUTAGE_MS, SWEEP_MS)
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 40_000), min_size=1, max_size=12), st.lists(st.integers(0, 12), max_size=4))
def test_sweeps_do_not_depend_on_batches_nor_on_a_restart(gaps_ms: list[int], cuts: list[int]) -> None:
    whole = arriving(*np.cumsum(gaps_ms).tolist())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            module,
            "DETECTORS",
            (DetectorRow("listening", 1, lambda making: Listening(), {"device.listened": "service"}),),
        )
        expected = Detection(table()).judge(whole)
        judge = Detection(table())
        found = []
        for first, last in pairwise(sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})):
            found += judge.judge(whole[first:last])
            state = judge.state(0)
            judge = Detection(table())
            judge.take_over(state)
    assert found == expected


def test_a_snapshot_keeps_what_time_it_is(tmp_path: Path, listening: Listening) -> None:
    path = tmp_path / "detection.snapshot"
    judge = Detection(table())
    judge.judge(arriving(0, 25_000))
    judge.snapshot(path, 1)
    again = Detection(table())
    assert again.restore(path) == 1
    assert [event.payload.since_ms for event in again.judge(arriving(31_000))] == [NOON] * 3
