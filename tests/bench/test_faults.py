"""The campaign: it finds nothing in its quick form, and it would find a fact lost, told twice or made up."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.faults.__main__ import FAULTS, main
from bench.faults.story import ACT_S, CHOICE, FACTS, Story


@dataclass
class Told:
    """An event, as far as a story looks at it."""

    type: str
    time_ms: int
    payload: Any


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """Two cars that are through with three acts."""
    one = Story(2, 13_000_000_000, 60_000, tmp_path / "record")
    one.acts = 3
    yield one
    one.abandon()


def log_of(story: Story) -> list[Told]:
    registered = [
        Told("terminal.registered", 0, SimpleNamespace(phone=phone, vehicle_id=car + 1))
        for car, phone in enumerate(story.phones)
    ]
    told = [
        Told(type_, (story.epoch_s + act * ACT_S + 150) * 1000, SimpleNamespace(vehicle_id=car))
        for act in range(story.acts)
        for car in (1, 2)
        for type_ in FACTS
    ]
    chosen = [
        Told(CHOICE, 0, SimpleNamespace(vehicle_id=car, event=act + 1)) for act in range(story.acts) for car in (1, 2)
    ]
    return registered + told + chosen


def test_a_log_that_tells_every_fact_once_is_right(story: Story) -> None:
    judgement = story.judge(log_of(story))
    assert (judgement.known, judgement.lost, judgement.doubled) == (30, 0, 0)


def test_a_fact_that_the_log_does_not_tell_is_lost(story: Story) -> None:
    log = log_of(story)
    del log[-1]
    assert story.judge(log).lost == 1
    # A car that the log does not know has lost all of its facts.
    assert story.judge(log_of(story)[1:]).lost == 15


def test_a_fact_told_twice_or_never_happened_is_doubled(story: Story) -> None:
    log = log_of(story)
    assert story.judge([*log, log[-1]]).doubled == 1
    beyond = Told("sos.pressed", (story.epoch_s + 3 * ACT_S) * 1000, SimpleNamespace(vehicle_id=1))
    assert story.judge([*log, beyond]).doubled == 1
    settled = [Told(type_, 0, SimpleNamespace(suspicion="a")) for type_ in ("crash.confirmed", "crash.cleared")]
    assert story.judge([*log, *settled]).doubled == 1


def test_every_fault_has_a_name_of_its_own_and_a_store_to_be_tried_on() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert all(fault.stores and set(fault.stores) <= {"embedded", "clickhouse"} for fault in FAULTS)


@pytest.mark.timeout(300)
def test_the_quick_campaign_loses_and_doubles_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--quick", "--seed", "1"])
    said = capsys.readouterr()
    assert status == 0, said.err
