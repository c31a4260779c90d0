"""Thresholds of groups, one body on SQLite and on PostgreSQL; and thresholds by themselves, for every detector."""

import math
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta
from sqlalchemy import insert

from core import limits
from core import rules as rules_module
from core import thresholds as thresholds_module
from core.events import RulesChanged
from core.rights import NODE, ROLES, Principal, Scope
from core.rules import RULES, Rules
from core.thresholds import (
    Threshold,
    ThresholdFaultError,
    read_value,
    rule_with,
    thresholds,
    told,
    unit_of,
)
from storage import rules as module
from storage.eventlog import EventLog
from storage.rules import (
    RuleChangedError,
    RuleForeignError,
    RulesFullError,
    RuleStore,
    RuleUnknownError,
    RuleVersion,
)
from storage.tables.business import RULE


class ToyRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A detector's thresholds of every kind, two of which must go together."""

    fixes: Annotated[int, Meta(ge=1, le=9)] = 2
    wait_ms_min: Annotated[int, Meta(ge=0, le=60_000)] = 5_000
    wait_ms_max: Annotated[int, Meta(ge=0, le=60_000)] = 9_000
    reach_m: Annotated[float, Meta(ge=0.5, le=50)] = 15.0
    eager: bool = False

    def __post_init__(self) -> None:
        if self.wait_ms_min > self.wait_ms_max:
            raise ValueError("wait_ms_min is above wait_ms_max")


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"toy": ToyRule, "other": ToyRule}
    for where in (rules_module, thresholds_module, module):
        monkeypatch.setattr(where, "RULES", table)


@pytest.fixture
def store(log: EventLog) -> RuleStore:
    return RuleStore(log)


def person(group: int = 1, *stores: int) -> Principal:
    scope = Scope(group=group, stores=stores or None)
    return Principal(account=7, role="manager", rights=ROLES["manager"], scope=scope)


DEFAULTS = msgspec.structs.asdict(ToyRule())


def test_a_change_is_a_version_and_an_event_and_leaves_what_it_does_not_name(log: EventLog, store: RuleStore) -> None:
    head = log.head()
    assert store.one(NODE, "toy") == RuleVersion(detector="toy", version=0, values=DEFAULTS)
    first = store.change(person(), "toy", {"fixes": 3, "reach_m": 20}, 0, "too many false ones")
    assert (first.version, first.changed, first.changed_by) == (1, ("fixes", "reach_m"), "account:7")
    assert first.values == DEFAULTS | {"fixes": 3, "reach_m": 20.0}
    second = store.change(NODE, "toy", {"eager": True, "fixes": None}, 1)
    assert second.values == DEFAULTS | {"reach_m": 20.0, "eager": True}
    assert second.changed == ("fixes", "eager")
    assert store.one(person(), "toy") == msgspec.structs.replace(second, changed=())
    assert store.one(person(), "other").version == 0
    assert [one.version for one in store.page(person())] == [2, 0]
    told_of = [(e.type, e.payload, e.subject, e.actor, e.group) for e in log.read(head)]
    assert told_of == [
        ("rules.changed", RulesChanged(detector="toy", version=1, fields=("fixes", "reach_m")), "rules:toy",
         "account:7", 1),
        ("rules.changed", RulesChanged(detector="toy", version=2, fields=("fixes", "eager")), "rules:toy", "node", 1),
    ]  # fmt: skip


def test_nothing_new_is_no_version(log: EventLog, store: RuleStore) -> None:
    head = log.head()
    assert store.change(NODE, "toy", {"fixes": 2, "eager": None}, 0).version == 0
    assert store.change(NODE, "toy", {}, 0).version == 0
    assert store.reset(NODE, "toy", 0).version == 0
    assert log.head() == head


def test_back_to_the_defaults_is_a_version_of_its_own(store: RuleStore) -> None:
    store.change(NODE, "toy", {"fixes": 3, "eager": True}, 0)
    back = store.reset(NODE, "toy", 1, "as it was")
    assert (back.version, back.values, back.changed) == (2, DEFAULTS, ("fixes", "eager"))


def test_the_history_says_what_each_version_changed_down_to_the_defaults(store: RuleStore) -> None:
    for version, fixes in enumerate((3, 4, 5)):
        store.change(NODE, "toy", {"fixes": fixes, "reach_m": 20.0}, version, f"note {fixes}")
    whole = store.history(NODE, "toy")
    assert [(one.version, one.changed, one.note) for one in whole] == [
        (3, ("fixes",), "note 5"),
        (2, ("fixes",), "note 4"),
        (1, ("fixes", "reach_m"), "note 3"),
        (0, (), ""),
    ]
    for limit in (1, 2, 3, 4, 5):
        paged: list[RuleVersion] = []
        before = 0
        while not paged or before:
            page = store.history(NODE, "toy", before, limit)
            assert 0 < len(page) <= limit
            paged += page
            before = page[-1].version
        assert paged == whole, limit


def test_a_change_of_another_version_is_refused(log: EventLog, store: RuleStore) -> None:
    store.change(NODE, "toy", {"fixes": 3}, 0)
    head = log.head()
    with pytest.raises(RuleChangedError, match="at version 1") as refused:
        store.change(NODE, "toy", {"fixes": 4}, 0)
    assert refused.value.version == 1
    with pytest.raises(RuleChangedError):
        store.reset(NODE, "toy", 0)
    assert (log.head(), store.one(NODE, "toy").values["fixes"]) == (head, 3)


@pytest.mark.parametrize(
    ("values", "field", "why", "bound"),
    [
        ({"fixes": 0}, "fixes", "least", 1),
        ({"fixes": 10}, "fixes", "most", 9),
        ({"reach_m": 0.49}, "reach_m", "least", 0.5),
        ({"fixes": 2.5}, "fixes", "kind", None),
        ({"fixes": True}, "fixes", "kind", None),
        ({"fixes": "3"}, "fixes", "kind", None),
        ({"eager": 1}, "eager", "kind", None),
        ({"reach_m": math.nan}, "reach_m", "kind", None),
        ({"reach_m": math.inf}, "reach_m", "kind", None),
        ({"nothing": 1}, "nothing", "unknown", None),
        ({"nothing": None}, "nothing", "unknown", None),
        ({"wait_ms_min": 9_001}, "", "together", None),
    ],
)
def test_what_does_not_fit_names_its_threshold_and_its_bound(
    log: EventLog, store: RuleStore, values: dict[str, Any], field: str, why: str, bound: float | None
) -> None:
    head = log.head()
    with pytest.raises(ThresholdFaultError) as fault:
        store.change(NODE, "toy", {"wait_ms_max": 9_000, **values}, 0)
    assert (fault.value.field, fault.value.why, fault.value.bound) == (field, why, bound)
    assert field in str(fault.value)
    assert log.head() == head


def test_thresholds_are_the_groups_and_only_who_has_all_of_it_changes_them(store: RuleStore) -> None:
    with pytest.raises(RuleForeignError):
        store.change(person(1, 4, 5), "toy", {"fixes": 3}, 0)
    store.change(person(2), "toy", {"fixes": 5}, 0)
    assert store.one(person(1, 4), "toy").version == 0
    assert store.one(person(2, 4), "toy").values["fixes"] == 5
    assert store.history(person(1), "toy") == [RuleVersion(detector="toy", version=0, values=DEFAULTS)]


def test_an_unknown_detector_is_said(store: RuleStore) -> None:
    for ask in (
        lambda: store.one(NODE, "nothing"),
        lambda: store.history(NODE, "nothing"),
        lambda: store.change(NODE, "nothing", {}, 0),
        lambda: store.reset(NODE, "nothing", 0),
    ):
        with pytest.raises(RuleUnknownError, match="there are toy, other"):
            ask()


def test_detection_is_given_the_newest_of_every_group(store: RuleStore) -> None:
    store.change(person(1), "toy", {"fixes": 3}, 0)
    store.change(person(1), "toy", {"fixes": 4}, 1)
    store.change(person(9), "other", {"eager": True}, 0)
    rules = Rules(store.load())
    assert [rules.of("toy").version(group) for group in (1, 9, 2)] == [2, 0, 0]
    assert rules.of("toy").rule(1) == ToyRule(fixes=4)
    assert rules.of("other").rule(9) == ToyRule(eager=True)


def test_what_no_longer_fits_counts_as_not_set(
    log: EventLog, store: RuleStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A later program may have other bounds, other thresholds, and none of a detector any more."""
    rows = [
        ("toy", 1, '{"fixes": 99, "reach_m": 20.0, "gone": 1}'),
        ("other", 1, '{"wait_ms_min": 20000}'),
        ("dropped", 1, '{"x": 1}'),
    ]
    with log.database.write() as connection:
        for detector, version, text in rows:
            row = {"detector": detector, "version": version, "thresholds": text, "changed_ms": 1}
            connection.execute(insert(RULE).values(group_id=1, changed_by="node", note="", **row))
        far = {"detector": "toy", "version": 1, "thresholds": "{}", "changed_ms": 1, "changed_by": "node", "note": ""}
        connection.execute(insert(RULE).values(group_id=limits.RULE_GROUPS_MAX, **far))
    assert [(one.group, one.rule) for one in store.load()] == [(1, ToyRule()), (1, ToyRule(reach_m=20.0))]
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "fixes is 99, at most 9" in said
    assert "gone" in said
    assert f"group {limits.RULE_GROUPS_MAX} has thresholds of its own" in said
    assert store.change(NODE, "toy", {"fixes": 5}, 1).values == DEFAULTS | {"fixes": 5, "reach_m": 20.0}


def test_thresholds_are_changed_so_often_and_no_more(store: RuleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RULE_VERSIONS_MAX", 2)
    for version in range(2):
        store.change(NODE, "toy", {"fixes": 3 + version}, version)
    with pytest.raises(RulesFullError, match="2 times"):
        store.change(NODE, "toy", {"fixes": 9}, 2)
    assert store.change(NODE, "toy", {"fixes": 4}, 2).version == 2


# --- thresholds by themselves -----------------------------------------------------------------------------------------


def test_a_struct_says_everything_of_its_thresholds() -> None:
    assert thresholds("toy") == (
        Threshold(name="fixes", kind="integer", unit="fixes", default=2, least=1, most=9),
        Threshold(name="wait_ms_min", kind="integer", unit="ms", default=5_000, least=0, most=60_000),
        Threshold(name="wait_ms_max", kind="integer", unit="ms", default=9_000, least=0, most=60_000),
        Threshold(name="reach_m", kind="number", unit="m", default=15.0, least=0.5, most=50),
        Threshold(name="eager", kind="switch", unit="", default=False, least=None, most=None),
    )
    assert [unit_of(name) for name in ("speed_kmh", "min", "speed_kmh10_max", "count")] == ["kmh", "min", "kmh10", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("fixes=3", ("fixes", 3)), (" reach_m = 2 ", ("reach_m", 2.0)), ("eager=true", ("eager", True))],
)
def test_a_threshold_is_read_from_a_command_line(text: str, expected: tuple[str, object]) -> None:
    assert read_value("toy", text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fixes", "not name=value"),
        ("nothing=3", "nothing: toy has fixes, wait_ms_min"),
        ("fixes=many", "fixes is a number"),
        ("fixes=10", "fixes is 10, at most 9"),
        ("fixes=", "fixes is a number"),
        ("fixes=[1]", "fixes is a number"),
    ],
)
def test_what_a_command_line_may_not_say_is_named(text: str, said: str) -> None:
    with pytest.raises(ThresholdFaultError, match=said):
        read_value("toy", text)


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_what_is_told_of_a_rule_makes_it_again(data: st.DataObject) -> None:
    values = {}
    for one in thresholds("toy"):
        kind = {
            "switch": st.booleans(),
            "integer": st.integers(int(one.least or 0), int(one.most or 0)),
            "number": st.floats(one.least, one.most),
        }[one.kind]
        values[one.name] = data.draw(st.one_of(st.just(one.default), kind), label=one.name)
    if values["wait_ms_min"] > values["wait_ms_max"]:  # type: ignore[operator]
        return
    rule = rule_with("toy", values)
    assert rule_with("toy", msgspec.json.decode(msgspec.json.encode(told(rule)))) == rule


def test_every_detectors_thresholds_are_numbers_with_bounds_around_their_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for where in (rules_module, thresholds_module, module):
        monkeypatch.setattr(where, "RULES", RULES)
    for detector in RULES:
        for one in thresholds(detector):
            if one.kind == "switch":
                continue
            assert one.least is not None, f"{detector}.{one.name} has no least value"
            assert one.most is not None, f"{detector}.{one.name} has no greatest value"
            assert one.least <= one.default <= one.most
