"""Replay: what it finds is what detection finds, however it is read; and a trial begins, ends and is let go."""

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from actors.detection import Detection, as_index
from actors.replay import Fact, Ground, Progress, ReplayError, changed_rules, differences, replay, types_of
from actors.trials import Trials
from core import limits
from core.events import Event
from core.outcome import WARM_UP_S, Outcome, Span, Trial, TrialBusyError
from core.rights import NODE, Principal
from core.rules import FenceRule, GroupRule, Rules
from core.thresholds import ThresholdFaultError
from storage.clickhouse import ReportsAsked, ReportsFound
from tests.detection.reports import NOON
from tests.detection.test_detection import FENCES, stream

INDEX = as_index(FENCES)
WIDE = Span(from_ms=NOON - 10**6, to_ms=NOON + 10**7)


class Log:
    """An event log that is a list."""

    def __init__(self, events: list[Event]) -> None:
        self.events = [msgspec.structs.replace(event, seq=n) for n, event in enumerate(events, 1)]

    def first_since(self, arrival_ms: int) -> int:
        return 0

    def of_time(self, type_: str, from_ms: int, to_ms: int, after_seq: int = 0, limit: int = 1000) -> list[Event]:
        found = [e for e in self.events if e.type == type_ and e.seq > after_seq and from_ms <= e.time_ms < to_ms]
        return found[:limit]


def arrived(seed: int) -> np.ndarray:
    """Return a stream as the store gives it back: one place for each report."""
    rows = stream(seed)
    rows["arrival_ms"] = np.maximum.accumulate(rows["arrival_ms"])
    rows["sequence"] = np.arange(1, len(rows) + 1)
    return rows


def ground(rows: np.ndarray, rules: list[GroupRule] | None = None, log: list[Event] | None = None) -> Ground:
    def read(asked: ReportsAsked) -> ReportsFound:
        inside = (rows["arrival_ms"] >= asked.from_ms) & (rows["arrival_ms"] < asked.to_ms)
        if asked.vehicle_id:
            inside &= rows["vehicle_id"] == asked.vehicle_id
        if asked.after:
            inside &= rows["sequence"] > asked.after[1]
        return ReportsFound(rows[inside][: limits.REPLAY_ROWS].copy(), b"")

    def make(table: Any, by: Rules) -> Detection:
        return Detection(table, INDEX, by)

    found = judged(rows, rules or []) if log is None else log
    return Ground(read, make, [(1, 1, 5), (2, 1, 5), (3, 2, 6)], rules or [], Log(found))


def judged(rows: np.ndarray, rules: list[GroupRule]) -> list[Event]:
    """Return what a node finds that hears these reports."""
    from core.vehicle_table import VehicleTable

    table = VehicleTable(64, 64)
    table.group[3] = 2
    table.update_positions(rows)
    return Detection(table, INDEX, Rules(rules)).judge(rows.copy())


def facts(events: list[Event], types: tuple[str, ...]) -> set[str]:
    return {event.id for event in events if event.type in types}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_replay_by_the_rules_in_force_finds_what_the_log_holds(seed: int) -> None:
    rows = arrived(seed)
    for detector in ("geofence", "alarms"):
        outcome = replay(ground(rows), detector, {}, WIDE)
        assert outcome.counts
        assert outcome.reports == len(rows)
        for count in outcome.counts.values():
            assert count.logged == count.present == count.changed > 0
            assert (count.log_only, count.replay_only, count.gained, count.lost) == (0, 0, 0, 0)
        assert (outcome.differences, outcome.log_only) == ([], [])


def test_other_rules_differ_by_what_detection_finds_under_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = arrived(3)
    own = [GroupRule(1, "geofence", 4, FenceRule(exit_fixes=3))]
    changed = [GroupRule(group, "geofence", 0, FenceRule(exit_fixes=3 if group == 1 else 2, enter_fixes=4))
               for group in (1, 2)]  # fmt: skip
    types = types_of("geofence")
    present, after = facts(judged(rows, own), types), facts(judged(rows, changed), types)
    expected: Outcome | None = None
    for page in (limits.REPLAY_ROWS, 7):
        monkeypatch.setattr(limits, "REPLAY_ROWS", page)
        told: list[Progress] = []
        outcome = replay(ground(rows, own), "geofence", {"enter_fixes": 4}, WIDE, told.append)
        assert [one.reports for one in told] == sorted(one.reports for one in told)
        assert (told[-1].reports, told[-1].share) == (len(rows), 1.0)
        names = ("logged", "present", "changed", "gained", "lost", "moved", "log_only", "replay_only")
        total = {name: sum(getattr(count, name) for count in outcome.counts.values()) for name in names}
        assert (total["logged"], total["present"], total["changed"]) == (len(present), len(present), len(after))
        assert total["lost"] + total["moved"] == len(present - after)
        assert total["gained"] + total["moved"] == len(after - present)
        assert total["lost"] + total["gained"] + total["moved"] > 0
        assert (total["log_only"], total["replay_only"], outcome.other_versions) == (0, 0, 0)
        assert expected is None or outcome == expected
        expected = outcome


def test_only_what_was_asked_for_is_told() -> None:
    rows = arrived(5)
    asked: list[tuple[Span, Callable[[Event], bool]]] = [
        (msgspec.structs.replace(WIDE, group=2), lambda event: event.group == 2),
        (msgspec.structs.replace(WIDE, vehicle_id=2), lambda event: event.subject == "vehicle:2"),
        (msgspec.structs.replace(WIDE, from_ms=NOON + 60_000, to_ms=NOON + 200_000),
         lambda event: NOON + 60_000 <= event.time_ms < NOON + 200_000),
    ]  # fmt: skip
    events = [event for event in judged(rows, []) if event.type in types_of("alarms")]
    for span, wanted in asked:
        outcome = replay(ground(rows), "alarms", {}, span)
        count = sum(map(wanted, events))
        assert 0 < count < len(events)
        assert sum(one.present for one in outcome.counts.values()) == count
        assert sum(one.logged for one in outcome.counts.values()) == count
        assert not outcome.log_only


def test_facts_of_other_versions_and_facts_not_found_again_are_said() -> None:
    rows = arrived(1)
    log = judged(rows, [GroupRule(1, "geofence", 2, FenceRule(enter_fixes=1, enter_ms=0))])
    outcome = replay(ground(rows, [GroupRule(1, "geofence", 3, FenceRule())], log), "geofence", {}, WIDE)
    assert outcome.other_versions > 0
    assert outcome.log_only
    assert all(one.what == "lost" and one.logged for one in outcome.log_only)


def test_more_facts_than_are_held_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = arrived(1)
    monkeypatch.setattr(limits, "REPLAY_FACTS_MAX", 10)
    with pytest.raises(ReplayError, match="more than 10"):
        replay(ground(rows), "geofence", {}, WIDE)
    monkeypatch.setattr(limits, "REPLAY_FACTS_MAX", 100_000)
    monkeypatch.setattr(limits, "REPLAY_LISTED_MAX", 3)
    outcome = replay(ground(rows), "geofence", {"enter_fixes": 9, "enter_ms": 600_000}, WIDE)
    assert (len(outcome.differences), outcome.differences_all > 3) == (3, True)


def test_what_does_not_fit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ThresholdFaultError, match="enter_fixes is 0, at least 1"):
        replay(ground(arrived(1)), "geofence", {"enter_fixes": 0}, WIDE)
    with pytest.raises(KeyError):
        types_of("nothing")
    rules = changed_rules([GroupRule(7, "geofence", 2, FenceRule(exit_ms=1))], "geofence", {"enter_fixes": 5})
    assert rules.of("geofence").rule(7) == FenceRule(exit_ms=1, enter_fixes=5)
    assert rules.of("geofence").rule(8) == FenceRule(enter_fixes=5)
    assert changed_rules([], "geofence", {"enter_fixes": 5}, group=7).of("geofence").rule(8) == FenceRule()


def fact(time_s: int, said: int = 1, mark: str = "fence_id 1") -> Fact:
    return Fact("fence.entered", time_s * 1000, 1, mark, 1, said, 0)


def test_a_lost_and_a_gained_fact_of_one_kind_nearby_are_one_that_moved() -> None:
    present = {"a": fact(0), "b": fact(1000), "c": fact(5000), "d": fact(6000), "s": fact(9)}
    changed = {
        "x": fact(30),
        "y": fact(1400),
        "z": fact(5000, mark="fence_id 2"),
        "d": fact(6000, said=2),
        "s": fact(9),
    }
    assert [(one.what, one.event_id, one.time_ms // 1000, one.before_ms // 1000) for one in
            differences(present, changed)] == [
        ("moved", "a", 30, 0), ("moved", "b", 1400, 1000), ("lost", "c", 5000, 0), ("gained", "z", 5000, 0),
        ("altered", "d", 6000, 0),
    ]  # fmt: skip


# --- trials -----------------------------------------------------------------------------------------------------------


def waited(trials: Trials, by: Principal, number: str) -> Trial:
    assert trials._thread is not None
    trials._thread.join(30)
    found = trials.state(by, number)
    assert found is not None
    return found


def test_a_trial_says_what_would_have_differed_and_only_to_its_owner() -> None:
    rows = arrived(3)
    trials = Trials(lambda: ground(rows), lambda from_ms, to_ms, number: 0, lambda: NOON + 3_600_000)
    begun = trials.start(NODE, "geofence", {"enter_fixes": 4})
    done = waited(trials, NODE, begun.id)
    assert (done.state, done.reports, done.share) == ("done", len(rows), 1.0)
    assert done.outcome is not None
    assert done.outcome.differences
    assert done.outcome.span.group == NODE.scope.group
    assert trials.state(Principal(account=3), begun.id) is None
    assert trials.cancel(Principal(account=3), begun.id) is None
    with pytest.raises(ThresholdFaultError):
        trials.start(NODE, "geofence", {"enter_fixes": 0})
    assert trials.statistics() == {"begun": 1, "done": 1, "cancelled": 0, "failed": 0}


def test_one_trial_at_a_time_which_can_be_ended() -> None:
    rows = arrived(3)
    reading, go_on = threading.Event(), threading.Event()
    whole = ground(rows)

    def read(asked: ReportsAsked) -> ReportsFound:
        reading.set()
        assert go_on.wait(30)
        return whole.read(asked)

    trials = Trials(lambda: whole._replace(read=read), lambda from_ms, to_ms, number: 0, lambda: NOON + 3_600_000)
    first = trials.start(NODE, "geofence", {})
    assert reading.wait(30)
    with pytest.raises(TrialBusyError):
        trials.start(Principal(account=3), "geofence", {})
    assert trials.cancel(NODE, first.id) is not None
    go_on.set()
    assert waited(trials, NODE, first.id).state == "cancelled"
    # One's own is replaced by the next.
    second = trials.start(NODE, "geofence", {})
    third = trials.start(NODE, "geofence", {})
    assert trials.state(NODE, second.id) is None
    assert waited(trials, NODE, third.id).state == "done"


def test_a_trial_reads_as_many_reports_as_it_may() -> None:
    rows = arrived(3)
    asked: list[ReportsAsked] = []
    whole = ground(rows)

    def read(one: ReportsAsked) -> ReportsFound:
        asked.append(one)
        return whole.read(one)

    now_ms = NOON + 3_600_000
    looked: list[tuple[int, int, int]] = []

    def newest(from_ms: int, to_ms: int, number: int) -> int:
        looked.append((from_ms, to_ms, number))
        return NOON + 100_000

    trials = Trials(lambda: whole._replace(read=read), newest, lambda: now_ms)
    begun = trials.start(NODE, "geofence", {})
    done = waited(trials, NODE, begun.id)
    assert (done.state, asked[0].from_ms, asked[0].to_ms) == ("done", NOON + 100_000, now_ms)
    # A day, of which the newest so many; there were more, so it began where these do.
    begin_ms = now_ms - limits.TRIAL_S * 1000 - WARM_UP_S * 1000
    assert looked == [(begin_ms, now_ms, limits.TRIAL_REPORTS_MAX)]


def test_a_trial_that_cannot_be_done_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REPLAY_FACTS_MAX", 10)
    trials = Trials(lambda: ground(arrived(1)), lambda from_ms, to_ms, number: 0, lambda: NOON + 3_600_000)
    begun = trials.start(NODE, "geofence", {})
    failed = waited(trials, NODE, begun.id)
    assert (failed.state, failed.outcome) == ("failed", None)
    assert "more than 10 facts" in failed.reason
