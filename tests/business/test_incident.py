"""Incidents: alerts that never vanish, rings that only a person ends, steps that are written, and one story a case."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.business.incident import (
    CALL_AGAIN_S_MAX,
    CALL_S,
    CLOSINGS,
    HISTORY_MS,
    INCIDENT,
    LATE_MS,
    LEVELS,
    REST_S,
    STEPS,
    WINDOW_MS,
    Alert,
    Incident,
    Step,
    Watched,
)
from core import limits
from core.business import DEFERRED, TIMER, Business
from core.events import (
    DEPTH_MAX,
    AlarmSeen,
    CrashCleared,
    CrashConfirmed,
    CrashEvidence,
    CrashSuspected,
    Event,
    TheftCleared,
    TheftSuspected,
    VehicleChanged,
    derive_id,
)
from core.events.incident import (
    CLOSE_REASONS,
    REOPEN_REASONS,
    SEVERITIES,
    STATES,
    STEP_REASONS,
    IncidentAcknowledgementRequested,
    IncidentClosingRequested,
    IncidentReopeningRequested,
    IncidentStepRequested,
)
from core.events.spine import ActorJoined, TimerDue
from tests.business.memory import MemoryLog
from tests.business.toy import blank

NOW_MS = 1_760_000_000_000
MINUTE_MS = 60_000
ANN, BEN = "account:7", "account:8"


class Desk:
    """Incidents over a log in memory, with a clock that strikes."""

    def __init__(self) -> None:
        self.log = MemoryLog(Business((INCIDENT,)))
        self.time_ms = NOW_MS
        self.told: list[Event] = []
        self._count = 0

    def event(self, type_: str, payload: msgspec.Struct, *, vehicle: int = 1, **about: Any) -> Event:
        self._count += 1
        fields: dict[str, Any] = {
            "id": derive_id("test", type_, 1, (), str(self._count)),
            "type": type_,
            "time_ms": self.time_ms,
            "subject": f"vehicle:{vehicle}",
            "store": 3,
            "actor": "detection",
            "payload": payload,
        }
        return Event(**{**fields, **about})

    def tell(self, *events: Event) -> list[Event]:
        self.told += events
        return [event for event in self.log.take(events) if event.actor == "incident"]

    def ask(self, payload: Any, actor: str = ANN) -> Event:
        """Ask for something; return the decision, which is exactly one."""
        kind = {
            IncidentAcknowledgementRequested: "acknowledgement",
            IncidentStepRequested: "step",
            IncidentClosingRequested: "closing",
            IncidentReopeningRequested: "reopening",
        }[type(payload)]
        asked = self.event(f"incident.{kind}.requested", payload, vehicle=payload.vehicle_id, actor=actor)
        self.told.append(asked)
        [decision] = [event for event in self.log.take([asked]) if event.answers == asked.id]
        return decision

    def sos(self, minutes: float = 0, *, late: bool = False, vehicle: int = 1) -> Event:
        alarm = blank(AlarmSeen, vehicle_id=vehicle, terminal=1, lat_1e7=1, lon_1e7=2, alarm=1, has_fix=True, late=late)
        return self.event("sos.pressed", alarm, vehicle=vehicle, time_ms=self.time_ms + int(minutes * MINUTE_MS))

    def crash(self, minutes: float = 0, stage: str = "suspected", suspicion: str = "", **fields: Any) -> Event:
        payload: Any = {"suspected": CrashSuspected, "confirmed": CrashConfirmed, "cleared": CrashCleared}[stage]
        impact_ms = self.time_ms + int(minutes * MINUTE_MS)
        said: dict[str, Any] = {
            "vehicle_id": 1, "impact_ms": impact_ms, "severity": "moderate", "confidence_percent": 80, "evidence": (),
            "against": (), "blind": (), "peak_mg": None, "speed_before_kmh10": None, "speed_kmh10": None,
        }  # fmt: skip
        said |= {"suspicion": suspicion} if stage != "suspected" else {}
        return self.event(f"crash.{stage}", blank(payload, **{**said, **fields}), time_ms=impact_ms)

    def theft(self, minutes: float = 0, stage: int = 1, report: str = "a") -> Event:
        said = blank(
            TheftSuspected, vehicle_id=1, stage=stage, first_report_id=report, kinds=("displaced",), kind="displaced"
        )
        return self.event("theft.suspected", said, time_ms=self.time_ms + int(minutes * MINUTE_MS), purpose="theft")

    def strike(self, until_ms: int, *, once: bool = False) -> list[Event]:
        """Let the clock come to a time, saying what is due on the way; return what the incidents said.

        Args:
            once: no timer strikes more than once: an escalation that went on for ever would be the same again.
        """
        said: list[Event] = []
        struck: set[str] = set()
        while True:
            timers: list[Any] = list(self.log.tables.rows.get(TIMER.table, {}).values())
            timers = [one for one in timers if one.due_ms <= until_ms and one.name not in struck]
            if not timers:
                self.time_ms = max(self.time_ms, until_ms)
                return said
            due: Any = min(timers, key=lambda one: (one.due_ms, one.name))
            if once:
                struck.add(due.name)
            self.time_ms = max(self.time_ms, due.due_ms)
            said += self.tell(
                Event(
                    id=derive_id("clock", "due", 1, (due.cause,), f"{due.name}:{due.due_ms}"), type="timer.due",
                    time_ms=self.time_ms, subject=due.subject, key=due.key, group=due.group_id, store=due.store_id,
                    actor="clock", cause=due.cause, correlation=due.correlation, depth=due.depth + 1,
                    purpose=due.purpose, payload=TimerDue(actor=due.actor, name=due.name, due_ms=due.due_ms),
                )
            )  # fmt: skip

    def rows(self, row: type) -> list[Any]:
        kept = next(kept for kept in INCIDENT.kept if kept.row is row)
        table = self.log.tables.rows.get(kept.table, {})
        return [table[key] for key in sorted(table)]

    def case(self, number: int = 1) -> Incident:
        return next(one for one in self.rows(Incident) if one.incident == number)

    def acknowledge(self, actor: str = ANN, number: int = 1) -> Event:
        return self.ask(IncidentAcknowledgementRequested(incident=number, vehicle_id=1), actor)

    def step(self, step: str, severity: str = "", reason: str = "", actor: str = ANN) -> Event:
        reason = reason or STEP_REASONS[step][0]
        return self.ask(
            IncidentStepRequested(incident=1, vehicle_id=1, step=step, reason=reason, severity=severity), actor
        )

    def close(self, reason: str, actor: str = ANN, number: int = 1) -> Event:
        return self.ask(IncidentClosingRequested(incident=number, vehicle_id=1, reason=reason), actor)

    def reopen(self, reason: str = "needs_help", number: int = 1) -> Event:
        return self.ask(IncidentReopeningRequested(incident=number, vehicle_id=1, reason=reason), BEN)

    def dismissed(self) -> "Desk":
        """Close incident 1 for nothing."""
        self.acknowledge()
        self.step("contacted")
        self.step("assessed", "low", "false_alarm")
        assert self.close("false_alarm").type == "incident.closed"
        return self


def code(decision: Event) -> str:
    assert decision.type == "intent.refused", decision
    return str(decision.payload.code)


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


# --- alerts -----------------------------------------------------------------------------------------------------------


def test_an_sos_right_after_a_crash_is_the_same_case_and_critical() -> None:
    desk = Desk()
    assert types(desk.tell(desk.crash())) == ["incident.opened"]
    assert desk.case().severity == 2
    said = desk.tell(desk.sos(4))
    assert types(said) == ["incident.joined", "incident.severity.changed"]
    [case] = desk.rows(Incident)
    assert (case.kind, SEVERITIES[case.severity - 1], case.alerts) == ("crash", "critical", 2)
    assert {event.purpose for event in desk.log.events if event.actor == "incident"} == {"safety"}


def test_alerts_a_window_apart_are_two_cases_and_one_a_millisecond_nearer_is_the_same() -> None:
    near, far = Desk(), Desk()
    near.tell(near.sos(), near.sos(WINDOW_MS / MINUTE_MS))
    far.tell(far.sos(), far.sos((WINDOW_MS + 1) / MINUTE_MS))
    assert (len(near.rows(Incident)), len(far.rows(Incident))) == (1, 2)


def test_another_car_is_another_case() -> None:
    desk = Desk()
    desk.tell(desk.sos(), desk.sos(vehicle=2))
    assert [case.vehicle_id for case in desk.rows(Incident)] == [1, 2]


def test_a_repeat_changes_nothing() -> None:
    desk = Desk()
    pressed = desk.sos()
    desk.tell(pressed)
    before = {name: dict(rows) for name, rows in desk.log.tables.contents().items()}
    assert desk.tell(pressed) == []
    assert desk.log.tables.contents() == before


def test_a_late_alert_is_judged_and_says_that_it_is_late() -> None:
    desk = Desk()
    [opened] = desk.tell(desk.sos(late=True))
    assert opened.payload.late
    assert desk.case().late
    waited = Desk()
    told = msgspec.structs.replace(waited.sos(), arrival_ms=NOW_MS + LATE_MS + 1)
    [opened] = waited.tell(told)
    assert opened.payload.late, "it lay in a car without a network, though nothing overtook it"
    assert waited.case().opened_ms == NOW_MS + LATE_MS + 1
    assert waited.case().due_ms == waited.case().opened_ms + 1000 * CALL_S["high"], "its clock begins when it is heard"


def test_a_crash_weighs_by_its_severity_its_evidence_and_how_sure_it_is() -> None:
    def weighed(stage: str = "suspected", **fields: Any) -> str:
        desk = Desk()
        desk.tell(desk.crash(0, stage, **fields))
        return SEVERITIES[desk.case().severity - 1]

    rolled = (CrashEvidence(kind="rollover", value=1, weight_percent=90, counted_percent=90, time_ms=NOW_MS),)
    assert weighed(severity="light") == "low"
    assert weighed(severity="moderate") == weighed(severity="unknown") == "medium", "nobody knows that it was light"
    assert weighed(severity="severe") == "high"
    assert weighed(severity="severe", confidence_percent=59) == "medium"
    assert weighed("confirmed", severity="severe", suspicion="x") == "critical"
    assert weighed(severity="light", evidence=rolled) == "high"


def test_confirming_raises_and_clearing_lowers_and_silence_closes_nothing() -> None:
    desk = Desk()
    suspected = desk.crash()
    desk.tell(suspected)
    said = desk.tell(desk.crash(0, "confirmed", suspected.id))
    assert [e.payload.severity for e in said if e.type == "incident.severity.changed"] == ["high"]
    said = desk.tell(desk.crash(0, "cleared", suspected.id, reason="drove_on"))
    assert [e.payload.severity for e in said if e.type == "incident.severity.changed"] == ["low"]
    assert (desk.case().state, desk.case().ringing, desk.case().alerts) == ("open", True, 1)
    [alert] = desk.rows(Alert)
    assert (alert.stage, alert.state) == ("cleared", "raised")
    assert desk.strike(NOW_MS + 100 * 3_600_000)[-1].type == "incident.escalated"


def test_a_theft_is_one_alert_through_its_stages_however_long_it_takes() -> None:
    desk = Desk()
    desk.tell(desk.theft())
    desk.tell(desk.theft(300, stage=2))
    [case] = desk.rows(Incident)
    assert (case.severity, case.alerts) == (3, 1)
    desk.tell(desk.event("theft.cleared", TheftCleared(vehicle_id=1, reason="disarmed"), purpose="theft"))
    assert desk.case().severity == 1
    assert desk.tell(desk.event("theft.cleared", TheftCleared(vehicle_id=2, reason="disarmed"), vehicle=2)) == []


def test_an_alert_between_two_open_cases_makes_them_one() -> None:
    desk = Desk()
    desk.tell(desk.sos(), desk.crash(50))
    desk.acknowledge(number=2)
    said = desk.tell(desk.sos(25))
    assert (said[0].type, said[0].payload.incident, said[0].payload.into) == ("incident.merged", 1, 2)
    assert (desk.case(1).state, desk.case(1).merged_into) == ("closed", 2)
    assert (desk.case(2).alerts, desk.case(2).severity) == (3, 4)
    assert {alert.incident for alert in desk.rows(Alert)} == {2}
    assert [timer.name for timer in desk.log.tables.rows[TIMER.table].values()] == ["incident:2"]  # type: ignore[attr-defined]
    assert code(desk.reopen()) == "incident_merged"


def test_alerts_past_the_bound_are_counted_and_raise_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ALERTS_OF_INCIDENT_MAX", 3)
    desk = Desk()
    desk.tell(*[desk.crash(minute, severity="light") for minute in range(3)])
    assert desk.case().severity == 1
    desk.tell(desk.sos(3))
    assert (len(desk.rows(Alert)), desk.case().alerts, desk.case().severity) == (3, 4, 3)
    desk.tell(desk.crash(4, severity="light"))
    assert desk.case().severity == 3, "it is not forgotten with the next one"


def test_a_car_remembers_so_many_cases_and_what_belongs_to_an_older_one_opens_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "INCIDENTS_REMEMBERED_MAX", 2)
    desk = Desk()
    desk.tell(*[desk.sos(100 * number) for number in range(3)])
    assert [one.incidents for one in desk.rows(Watched)] == [(2, 3)]
    desk.tell(desk.sos(1))
    assert len(desk.rows(Incident)) == 4


def test_what_comes_to_a_closed_case_opens_it_unless_it_was_helped_already() -> None:
    desk = Desk()
    suspected = desk.crash()
    desk.tell(suspected)
    desk.dismissed()
    said = desk.tell(desk.crash(0, "confirmed", suspected.id))
    assert "incident.reopened" in types(said), "held for a false alarm, and it was none"
    assert (desk.case().state, desk.case().ringing) == ("open", True)
    helped = Desk()
    helped.tell(helped.sos())
    for act in (helped.acknowledge, lambda: helped.step("no_answer"), lambda: helped.step("assessed", "high")):
        act()
    for step in ("acting", "stabilised", "caring"):
        helped.step(step)
    helped.time_ms += 10 * MINUTE_MS
    helped.close("helped")
    before_close = helped.sos(-5, late=True)
    assert types(helped.tell(before_close)) == ["incident.joined"]
    assert [alert.state for alert in helped.rows(Alert)] == ["resolved", "resolved"]
    assert "incident.reopened" in types(helped.tell(helped.sos(1))), "pressed again since"


# --- clocks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", range(4))
def test_nobody_there_it_calls_level_after_level_at_its_severitys_pace_and_then_on_and_on(rank: int) -> None:
    desk = Desk()
    severity = SEVERITIES[rank]
    crash = {"severity": ("light", "moderate", "severe", "severe")[rank], "suspicion": "x"}
    if rank < 3:
        del crash["suspicion"]
    desk.tell(desk.crash(0, "confirmed" if rank == 3 else "suspected", **crash))
    said = desk.strike(NOW_MS + 40 * 3_600_000)
    called = [event.payload for event in said if event.type == "incident.escalated"]
    times = [event.time_ms - NOW_MS for event in said if event.type == "incident.escalated"]
    assert [one.to for one in called[:4]] == ["shift", "supervisor", "manager", "manager"]
    assert times[:3] == [1000 * CALL_S[severity] * number for number in (1, 2, 3)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == 1000 * CALL_AGAIN_S_MAX
    assert len(called) > DEPTH_MAX, "time is an outside cause: the clock strikes for ever"
    assert desk.rows(Alert)[0].state == "escalated"
    assert desk.acknowledge().payload.level == len(called)
    assert desk.strike(desk.time_ms + 1000 * REST_S["open"] - 1) == []


def test_acknowledging_ends_the_ringing_and_doing_nothing_begins_it_again() -> None:
    desk = Desk()
    desk.tell(desk.sos())
    desk.time_ms += 20_000
    decision = desk.acknowledge()
    assert (decision.payload.by, decision.payload.waited_s) == (ANN, 20)
    assert code(desk.acknowledge(BEN)) == "already_acknowledged"
    [stalled] = desk.strike(desk.time_ms + 1000 * REST_S["open"])
    assert (stalled.payload.why, stalled.payload.level) == ("stalled", 1)
    assert code(desk.step("contacted")) == "not_acknowledged"
    assert desk.acknowledge(BEN).type == "incident.acknowledged"
    assert desk.case().holder == BEN
    for step, severity in (("contacted", ""), ("assessed", "high"), ("acting", "")):
        desk.time_ms += 1000 * REST_S[desk.case().state] - 1
        assert desk.strike(desk.time_ms) == [], "each step gives its own time"
        desk.step(step, severity, actor=BEN)


def test_what_grows_worse_is_called_for_sooner_and_what_is_taken_back_not_later() -> None:
    desk = Desk()
    suspected = desk.crash(severity="light")
    desk.tell(suspected)
    desk.tell(desk.sos())
    assert desk.case().due_ms == NOW_MS + 1000 * CALL_S["critical"]
    desk.tell(desk.crash(0, "cleared", suspected.id))
    assert desk.case().due_ms == NOW_MS + 1000 * CALL_S["critical"]


def test_another_alert_that_is_worse_rings_again_and_more_of_the_same_one_does_not() -> None:
    desk = Desk()
    suspected = desk.crash()
    desk.tell(suspected)
    desk.acknowledge()
    desk.tell(desk.crash(0, "confirmed", suspected.id))
    assert (desk.case().ringing, desk.case().severity) == (False, 3)
    desk.tell(desk.sos(1))
    assert (desk.case().ringing, desk.case().severity, desk.case().holder) == (True, 4, ANN)


def test_what_lay_in_an_older_log_is_history_and_what_is_of_today_rings() -> None:
    desk = Desk()
    old, young = desk.sos(), desk.sos(HISTORY_MS / MINUTE_MS)
    desk.tell(old, young)
    joined = Event(
        id="joined", type="actor.joined", time_ms=NOW_MS + HISTORY_MS + 1, subject="actor:incident", actor="spine",
        payload=ActorJoined(actor="incident", through=2),
    )  # fmt: skip
    desk.tell(joined)
    said = desk.strike(NOW_MS + HISTORY_MS + 5 * MINUTE_MS)
    assert (desk.case(1).state, desk.case(1).reason) == ("closed", "history")
    assert {event.payload.incident for event in said if event.type == "incident.escalated"} == {2}


# --- people -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(STATES[1:]), max_size=9))
def test_only_written_steps_are_taken_and_each_is_clocked(wanted: list[str]) -> None:
    desk = Desk()
    desk.tell(desk.sos())
    desk.acknowledge()
    where, taken = "open", []
    for step in wanted:
        desk.time_ms += 1000
        if step == "closed":
            decision = desk.close(CLOSINGS[where][0] if CLOSINGS.get(where) else "helped")
        else:
            decision = desk.step(step, "high" if step == "assessed" else "")
        allowed = bool(CLOSINGS.get(where)) if step == "closed" else step in STEPS[where]
        if allowed:
            assert decision.type in ("incident.stepped", "incident.closed")
            where = step
            taken.append((step, desk.time_ms, ANN))
        else:
            assert code(decision) in ("step_unknown", "closing_unfit", "incident_closed")
    assert desk.case().state == where
    clocked = [(one.what, one.time_ms, one.by) for one in desk.rows(Step) if one.what in STATES and one.what != "open"]
    assert clocked == taken
    assert [one.number for one in desk.rows(Step)] == list(range(1, desk.case().steps + 1))


def test_what_cannot_be_is_refused_with_its_reason() -> None:
    desk = Desk()
    desk.tell(desk.sos())
    assert code(desk.step("contacted")) == "not_acknowledged"
    assert code(desk.acknowledge("node")) == "person_needed"
    assert code(desk.acknowledge(number=9)) == "incident_unknown"
    other = IncidentAcknowledgementRequested(incident=1, vehicle_id=2)
    assert code(desk.ask(other)) == "incident_unknown", "of another car"
    assert code(desk.reopen()) == "not_closed"
    desk.acknowledge()
    assert code(desk.step("contacted", reason="whoever")) == "reason_unknown"
    assert code(desk.step("contacted", "high")) == "severity_unfit"
    desk.step("contacted")
    assert code(desk.step("assessed")) == "severity_unfit"
    assert code(desk.step("assessed", "awful")) == "severity_unknown"
    assert code(desk.close("false_alarm")) == "closing_unfit", "nobody closes what was not assessed"
    assert code(desk.close("because")) == "reason_unknown"
    desk.step("assessed", "low", "false_alarm")
    assert code(desk.close("helped")) == "closing_unfit"
    desk.close("false_alarm")
    assert code(desk.acknowledge()) == "incident_closed"


def test_a_persons_assessment_holds_until_more_comes_than_was_known() -> None:
    desk = Desk()
    suspected = desk.crash(severity="severe")
    desk.tell(suspected)
    desk.acknowledge()
    desk.step("contacted")
    assert desk.step("assessed", "low", "unhurt").payload.severity == "low"
    desk.tell(desk.crash(1, severity="moderate"))
    assert desk.case().severity == 1, "known to the person who assessed it"
    desk.tell(desk.crash(0, "confirmed", suspected.id, severity="severe"))
    assert desk.case().severity == 4


def test_a_reopened_case_begins_anew_and_rings() -> None:
    desk = Desk()
    desk.tell(desk.sos())
    desk.dismissed()
    assert [alert.state for alert in desk.rows(Alert)] == ["resolved"]
    assert [alert.reason for alert in desk.rows(Alert)] == ["false_alarm"]
    assert desk.reopen("new_information").payload.by == BEN
    case = desk.case()
    assert (case.state, case.ringing, case.severity, case.reason) == ("open", True, 3, "")
    assert [alert.state for alert in desk.rows(Alert)] == ["raised"]
    assert types(desk.strike(desk.time_ms + 1000 * CALL_S["high"])) == ["incident.escalated"]


def test_a_car_that_changes_its_store_takes_its_cases_along() -> None:
    desk = Desk()
    desk.tell(desk.sos())
    moved = VehicleChanged(vehicle_id=1, fields=("store",), store=5, store_before=3, revision=1)
    desk.tell(desk.event("vehicle.changed", moved, store=5))
    assert desk.case().store_id == 5
    assert desk.acknowledge().store == 5


# --- folds ------------------------------------------------------------------------------------------------------------

KINDS = ("sos", "crash", "confirmed", "cleared", "theft", "theft_again", "theft_cleared", "wait", "acknowledge", "step")
acts = st.lists(
    st.tuples(st.sampled_from((*KINDS, "close", "reopen")), st.integers(0, 90), st.integers(0, 5)), max_size=25
)


def live(desk: Desk, made: list[tuple[str, int, int]], *, facts_only: bool = False) -> list[Event]:
    """Let a story happen; return the events of detection, in its order."""
    crashes: list[Event] = []
    thefts: list[str] = []
    facts: list[Event] = []
    for number, (what, minutes, choice) in enumerate(made):
        event: Event | None = None
        if what == "sos":
            event = desk.sos(-minutes, late=minutes > 30)
        elif what == "crash":
            event = desk.crash(-minutes, severity=("light", "moderate", "severe", "unknown")[choice % 4])
            crashes.append(event)
        elif what in ("confirmed", "cleared") and crashes:
            first = crashes[choice % len(crashes)]
            event = desk.crash(0, what, first.id, impact_ms=first.payload.impact_ms, severity=first.payload.severity)
        elif what == "theft":
            thefts.append(f"r{number}")
            event = desk.theft(-minutes, 1, thefts[-1])
        elif what == "theft_again" and thefts:
            event = desk.theft(0, 2, thefts[choice % len(thefts)])
        elif what == "theft_cleared" and thefts:
            gone = TheftCleared(vehicle_id=1, reason="returned", first_report_id=thefts[choice % len(thefts)])
            event = desk.event("theft.cleared", gone)
        elif what == "wait" and facts_only:
            desk.time_ms += minutes * MINUTE_MS
        elif what == "wait":
            desk.strike(desk.time_ms + minutes * MINUTE_MS)
        elif not facts_only and desk.rows(Incident):
            case = desk.rows(Incident)[choice % len(desk.rows(Incident))]
            ask(desk, what, case, choice)
        if event is not None:
            facts.append(event)
            desk.tell(event)
        desk.time_ms += 1000
    return facts


def ask(desk: Desk, what: str, case: Incident, choice: int) -> None:
    about = {"incident": case.incident, "vehicle_id": 1}
    if what == "acknowledge":
        desk.ask(IncidentAcknowledgementRequested(**about))
    elif what == "step":
        step = (STEPS[case.state] or ("caring",))[choice % max(1, len(STEPS[case.state]))]
        severity = SEVERITIES[choice % 4] if step == "assessed" else ""
        desk.ask(IncidentStepRequested(**about, step=step, reason=STEP_REASONS[step][0], severity=severity))  # type: ignore[arg-type]
    elif what == "close":
        reasons = CLOSINGS.get(case.state) or CLOSE_REASONS
        desk.ask(IncidentClosingRequested(**about, reason=reasons[choice % len(reasons)]))  # type: ignore[arg-type]
    else:
        desk.ask(IncidentReopeningRequested(**about, reason=REOPEN_REASONS[choice % 3]))  # type: ignore[arg-type]


@settings(max_examples=50)
@given(acts)
def test_every_alert_ends_resolved_or_escalated_and_every_intent_is_decided_once(
    made: list[tuple[str, int, int]],
) -> None:
    desk = Desk()
    live(desk, made)
    held = [timer.name for timer in desk.log.tables.rows.get(TIMER.table, {}).values()]  # type: ignore[attr-defined]
    assert sorted(held) == sorted(f"incident:{one.incident}" for one in desk.rows(Incident) if one.state != "closed")
    desk.strike(desk.time_ms + 1000 * max(REST_S.values()), once=True)
    told = {event.id for event in desk.told if event.type in ("sos.pressed", "crash.suspected")}
    alerts = desk.rows(Alert)
    assert told <= {alert.alert for alert in alerts}, "none vanished"
    cases = {one.incident: one for one in desk.rows(Incident)}
    for alert in alerts:
        case = cases[alert.incident]
        assert not case.merged_into
        assert alert.state == ("resolved" if case.state == "closed" else "escalated"), (alert, case)
    assert sum(case.alerts for case in cases.values()) == len(alerts)
    assert not desk.log.tables.rows.get(DEFERRED.table)
    answered = [event.answers for event in desk.log.events if event.answers]
    asked = [event.id for event in desk.log.events if event.type.endswith(".requested")]
    assert sorted(answered) == sorted(asked)
    assert not [event for event in desk.log.events if event.type == "ops.parked"]
    closed = [event for event in desk.log.events if event.type == "incident.closed"]
    assert all(event.payload.by for event in closed), "silence closes nothing"


@settings(max_examples=50)
@given(acts, st.randoms(use_true_random=False))
def test_in_whatever_order_alerts_are_told_the_same_ones_are_one_case_of_the_same_severity(
    made: list[tuple[str, int, int]], random: Any
) -> None:
    def shape(desk: Desk) -> set[tuple[Any, ...]]:
        return {
            (
                frozenset(alert.alert for alert in desk.rows(Alert) if alert.incident == case.incident),
                case.severity, case.kind, case.state, case.first_ms, case.last_ms,
            )
            for case in desk.rows(Incident)
            if not case.merged_into
        }  # fmt: skip

    straight, shuffled = Desk(), Desk()
    facts = live(straight, made, facts_only=True)
    # What is taken back was told before: nothing else has an order.
    told = [event for event in facts if not event.type.endswith("cleared")]
    random.shuffle(told)
    shuffled.tell(*told, *[event for event in facts if event.type.endswith("cleared")])
    if len(straight.rows(Incident)) <= limits.INCIDENTS_REMEMBERED_MAX >= len(shuffled.rows(Incident)):
        assert shape(straight) == shape(shuffled)


@settings(max_examples=25)
@given(acts, st.data())
def test_stopping_anywhere_doubling_anything_and_folding_again_from_empty_give_the_same_incidents(
    made: list[tuple[str, int, int]], data: st.DataObject
) -> None:
    whole = Desk()
    live(whole, made)
    broken = Desk()
    for event in whole.told:
        if data.draw(st.booleans()):
            broken.log.restart()
        broken.tell(*[event] * data.draw(st.integers(1, 2)))
    assert broken.log.tables.contents() == whole.log.tables.contents()
    assert [event.id for event in broken.log.events] == [event.id for event in whole.log.events]


def test_nothing_of_a_case_says_who_anybody_is() -> None:
    """No field of an event or row holds words of people: every text is one of a list, an id, or account:N."""
    desk = Desk()
    desk.tell(desk.crash(), desk.sos(1))
    desk.dismissed()
    words = {*CLOSE_REASONS, *REOPEN_REASONS, *SEVERITIES, *STATES, *LEVELS, ANN, BEN, ""}
    words |= {reason for reasons in STEP_REASONS.values() for reason in reasons}
    words |= {"crash", "sos", "theft", "suspected", "pressed", "joined", "assessed"}
    for event in desk.log.events:
        if event.type.startswith("incident."):
            texts = [value for value in msgspec.structs.asdict(event.payload).values() if isinstance(value, str)]
            known = {one.id for one in desk.log.events}
            assert [text for text in texts if text not in words | known] == []
