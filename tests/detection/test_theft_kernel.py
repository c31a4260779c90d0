"""The kernel of thefts against a slow reading of the same rules, on reports drawn from what matters to them."""

from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.arming import Arming, Guard, Schedule
from core.kernels import theft
from core.kernels.facts import FACT
from core.limits import FACTS_PER_ROW_MAX
from core.rules import GroupRule, RuleSet, TheftRule
from protocols.report import FLAG_JUMP, FLAG_NO_FIX, FLAG_REPEATED, REPORT
from tests.detection.reports import EQUATOR, NOON, units
from tests.detection.theft_oracle import KINDS, Oracle, Told

CAPACITY = 8
EASY = TheftRule(
    parked_s_min=30, returned_s=60, calm_s=60, silence_s_min=120, armed_silence_s_min=300, jam_silence_s_min=60,
    silence_intervals=3.0, coverage_cars=1, weight_door=0.2,
)  # fmt: skip
"""Short times, so that short stories reach them."""


class Kernel:
    """The kernel and its state, fed by hand."""

    def __init__(self, rule: TheftRule, guards: dict[int, Guard], facts_max: int = 2 * FACTS_PER_ROW_MAX) -> None:
        self.rules = RuleSet("theft", [GroupRule(1, "theft", 1, rule)])
        self.thefts = np.zeros(CAPACITY, theft.THEFT)
        self.highest = np.zeros(1, np.int64)
        self.groups = np.ones(CAPACITY, np.int32)
        self.silent = np.zeros(theft.COVERAGE_BUCKETS, np.int32)
        self.counters = np.zeros(len(theft.COUNTERS), np.int64)
        self.facts = np.zeros(facts_max, FACT)
        self.arm(guards)

    def arm(self, guards: dict[int, Guard]) -> None:
        self.arming = Arming(CAPACITY, guards.values(), NOON)

    def _shared(self) -> tuple[Any, ...]:
        arming, rules = self.arming, self.rules
        return (
            self.thefts, self.highest, arming.number, arming.guards, rules.numbers, rules.of_group, self.groups,
        )  # fmt: skip

    def judge(self, rows: np.ndarray) -> list[Told]:
        told, start = [], 0
        while start < len(rows):
            start, count = theft.judge_thefts(rows, start, *self._shared(), self.facts, self.counters)
            told += [as_told(fact) for fact in self.facts[:count]]
        return told

    def sweep(self, now_ms: int, since_ms: int) -> list[Told]:
        told, start = [], 0
        while start >= 0:
            start, count = theft.sweep_thefts(
                now_ms, since_ms, start, *self._shared(), self.silent, self.facts, self.counters
            )
            told += [as_told(fact) for fact in self.facts[:count]]
        return told


def as_told(fact: Any) -> Told:
    suspected = fact["kind"] == theft.FACT_SUSPECTED
    number = int(fact["number"])
    mask = int(fact["values"][theft.VALUE_KINDS])
    return Told(
        "suspected" if suspected else "cleared",
        number if suspected else theft.REASONS[number],
        int(fact["vehicle"]),
        int(fact["first_report"]),
        int(fact["report"]),
        frozenset(kind for number, kind in enumerate(KINDS) if mask >> number & 1),
        bool(fact["late"]),
    )


PLACES_M = (0, 5, 20, 45, 70, 100, 130, 200, 400)
SCHEDULES = (None, None, Schedule(from_minute=15 * 60, to_minute=16 * 60), Schedule(from_minute=23 * 60))
"""NOON is 23:06 in Shanghai."""

REPORTS = st.fixed_dictionaries(
    {
        "vehicle_id": st.sampled_from((1, 1, 1, 2, 3)),
        "after_s": st.sampled_from((-40, 0, 5, 10, 10, 30, 30, 60, 400)),
        "status": st.sampled_from((0, 0, 0, 1, 1, 1 << 13, 1 | 1 << 14)),
        "speed_kmh10": st.sampled_from((0, 0, 20, 90, 90, 500, 500)),
        "alarm": st.sampled_from((0, 0, 0, 0, 0, 0, 1 << 8, 1 << 8, 1 << 26, 1 << 27, 1 << 28, 1 << 7)),
        "away_m": st.sampled_from(PLACES_M),
        "flags": st.sampled_from((0, 0, 0, 0, 0, 0, FLAG_NO_FIX, FLAG_JUMP, FLAG_REPEATED)),
        "satellites": st.sampled_from((12, 12, 0, 255)),
        "cell_signal": st.sampled_from((25, 25, 2, 255)),
    }
)
GUARDS = st.builds(
    Guard,
    vehicle=st.just(1),
    armed_ms=st.sampled_from((0, 0, NOON, NOON + 60_000)),
    settled_ms=st.sampled_from((0, 0, NOON + 100_000)),
    suspended_ms=st.sampled_from((0, NOON + 90_000)),
    lat_1e7=st.just(EQUATOR[0]),
    lon_1e7=st.sampled_from((None, EQUATOR[1])),
    radius_m=st.just(50),
    schedule=st.sampled_from(SCHEDULES),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("report"), REPORTS),
        st.tuples(st.just("report"), REPORTS),
        st.tuples(st.just("report"), REPORTS),
        st.tuples(st.just("report"), REPORTS),
        st.tuples(st.just("sweep"), st.sampled_from((10, 70, 130, 400, 4_000))),
        st.tuples(st.just("guards"), st.lists(GUARDS, max_size=1)),
    ),
    max_size=40,
)


def rows_of(steps: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the steps with REPORT rows for reports, (now, since) for sweeps, in one run of time."""
    time_ms = NOON
    made: list[tuple[str, Any]] = []
    for number, (what, value) in enumerate(steps, 1):
        if what == "report":
            row = np.zeros(1, REPORT)
            after_s = value["after_s"]
            said_ms = time_ms + 1000 * after_s
            time_ms = max(time_ms, said_ms)
            for name, said in value.items():
                if name in (REPORT.names or ()):
                    row[0][name] = said
            row["terminal"], row["report_id"] = value["vehicle_id"], number
            row["time_ms"], row["arrival_ms"] = said_ms, time_ms
            row["lat_1e7"], row["lon_1e7"] = EQUATOR[0], EQUATOR[1] + units(value["away_m"])
            made.append((what, row))
        elif what == "sweep":
            time_ms += 1000 * value
            made.append((what, (time_ms, NOON if value % 20 else NOON + 200_000)))
        else:
            made.append((what, {guard.vehicle: guard for guard in value}))
    return made


@settings(max_examples=150)
@given(STEPS, st.sampled_from((EASY, msgspec.structs.replace(EASY, suspected_min=0.3, certain_min=0.7))))
def test_the_kernel_finds_what_the_rules_say(steps: list[tuple[str, Any]], rule: TheftRule) -> None:
    kernel, oracle = Kernel(rule, {}), Oracle(rule, {})
    for number, (what, value) in enumerate(rows_of(steps)):
        if what == "report":
            assert kernel.judge(value) == oracle.judge(value[0]), number
        elif what == "sweep":
            assert kernel.sweep(*value) == oracle.sweep(*value), number
        else:
            kernel.arm(value)
            oracle.guards = value


@settings(max_examples=60)
@given(STEPS, st.data())
def test_batches_doubles_and_a_restart_change_nothing(steps: list[tuple[str, Any]], data: st.DataObject) -> None:
    whole = [step for step in rows_of(steps) if step[0] != "guards"]
    guards = data.draw(st.lists(GUARDS, max_size=1).map(lambda some: {one.vehicle: one for one in some}))
    once = Kernel(EASY, guards)
    expected = [once.judge(value) if what == "report" else once.sweep(*value) for what, value in whole]

    # The same again with every report twice, all state carried through bytes between two steps, and one fact at a time.
    again = Kernel(EASY, guards, facts_max=FACTS_PER_ROW_MAX)
    found = []
    for what, value in whole:
        if what == "report":
            found.append(again.judge(np.concatenate([value, value])))
        else:
            found.append(again.sweep(*value))
        again.thefts = np.frombuffer(bytearray(again.thefts.tobytes()), theft.THEFT)
    assert found == expected

    # And in batches as long as nothing comes between.
    batched = Kernel(EASY, guards)
    together: list[Told] = []
    batch: list[np.ndarray] = []
    for what, value in [*whole, ("end", None)]:
        if what == "report":
            batch.append(value)
            continue
        if batch:
            together += batched.judge(np.concatenate(batch))
            batch = []
        if what == "sweep":
            together += batched.sweep(*value)
    assert together == [told for step in expected for told in step]
