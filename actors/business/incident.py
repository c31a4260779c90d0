"""Incident: alerts of a car become cases that ring until a person has them, and end only by a person's word.

A crash, a call for help, a theft: each is an alert, and what belongs together is one incident, so that one person has
the whole of it. Three rules carry the rest:

- Nothing vanishes. An alert is raised, then acknowledged or escalated, then resolved with its incident. What detection
  takes back lowers an incident and never closes it: silence is no answer.
- Whatever rings goes on ringing, to more and higher people, until somebody acknowledges. An incident that somebody has
  and does nothing with for too long rings again.
- A step is one of STEPS, of a person, and clocked. Every other one is refused.

Clocks begin when an alert reaches us, not when it happened: a late one is as new to us as any other.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from core import limits
from core.business import BusinessActor, Kept, Refused, Rule, State
from core.events import Event
from core.events.incident import (
    CLOSE_REASONS,
    FALSE_REASONS,
    REOPEN_REASONS,
    SEVERITIES,
    STATES,
    STEP_REASONS,
    IncidentAcknowledged,
    IncidentClosed,
    IncidentEscalated,
    IncidentJoined,
    IncidentMerged,
    IncidentOpened,
    IncidentReopened,
    IncidentSeverityChanged,
    IncidentStepped,
)

STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "open": ("contacted", "no_answer"),
    "contacted": ("assessed",),
    "no_answer": ("assessed",),
    "assessed": ("acting",),
    "acting": ("stabilised",),
    "stabilised": ("caring",),
    "caring": (),
    "closed": (),
}
"""State -> the steps that there are from it."""
CLOSINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "assessed": FALSE_REASONS,
    "acting": ("help_declined",),
    "stabilised": ("handed_over", "help_declined"),
    "caring": ("helped", "recovered", "handed_over", "help_declined"),
}
"""State -> the reasons for which it may be closed from there. What is nothing needs no acts, but an assessment: nobody
closes an alert unseen. The rest is closed when somebody goes on with it, or wants no help."""

WINDOW_MS: Final = 30 * 60_000
"""Alerts of one car less than this apart are one incident. After a blow people get out, look, and press; a second car
strikes within minutes; a tow-away is an alert at each of its stages. Rescue in a city is there within this time: what
comes later is another matter as a rule, and rings by itself."""
LATE_MS: Final = 5 * 60_000
"""An alert that reaches us so long after it happened is told as late, whatever else is known: it waited somewhere."""

CALL_S: Final[Mapping[str, int]] = {"critical": 30, "high": 60, "medium": 180, "low": 900}
"""How long an incident of this severity may ring at one level. Critical: an emergency centre takes most calls within 20
seconds; who has not in 30 is away. Low, what was taken back as a rule: a quarter of an hour."""
HISTORY_MS: Final = 86_400_000
"""What rang a day before incidents were kept here is history: recorded, and nobody is called for it."""
LEVELS: Final = ("desk", "shift", "supervisor", "manager")
"""Who is called: whoever watches the board, all on duty, their supervisor, the manager on call, who is called again and
again, each time after twice as long."""
CALL_AGAIN_S_MAX: Final = 3_600
REST_S: Final[Mapping[str, int]] = {
    "open": 120,
    "contacted": 600,
    "no_answer": 300,
    "assessed": 600,
    "acting": 3_600,
    "stabilised": 86_400,
    "caring": 20 * 86_400,
}
"""How long an acknowledged incident may stay in a state before it rings again: two minutes to call the car, ten to
judge, an hour for help to arrive, a day to hand over, and twenty for care, which calls on days 3 and 14."""

_CRASH: Final = {"light": 1, "moderate": 2, "severe": 3}
"""Severity of a crash -> rank. Unknown counts as moderate: nobody knows that it was light."""
SURE_PERCENT: Final = 60
"""A suspicion that weighs less is one rank lower until it is confirmed."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A case of one car."""

    incident: int
    group_id: int
    store_id: int
    vehicle_id: int
    kind: str
    """Of the alert that it is named after: crash before sos before theft."""
    state: str = "open"
    severity: int
    """1 low to 4 critical: SEVERITIES."""
    judged: int
    """What its alerts say."""
    assessed: int = 0
    """What a person says; 0: nobody has."""
    assessed_over: int = 0
    """What its alerts said then: more than that counts again."""
    first_ms: int
    last_ms: int
    """When the first and the last of its alerts happened."""
    opened_ms: int
    """When it reached us."""
    stepped_ms: int
    """When the last step was taken, or when it began to ring."""
    ringing: bool = True
    """Nobody has it."""
    holder: str = ""
    """Who has it, or had it last, as events name people."""
    acknowledged_ms: int = 0
    level: int = 0
    """How far it has escalated: LEVELS; past the last one it is the last one, again."""
    due_ms: int
    """When it escalates if nothing is done; 0: never, it is closed."""
    closed_ms: int = 0
    reason: str = ""
    """Why it is closed."""
    merged_into: int = 0
    alerts: int = 1
    """All that were told, those past ALERTS_OF_INCIDENT_MAX too."""
    past: int = 0
    """Rank of the gravest alert past that bound."""
    steps: int = 0
    late: bool = False
    """Its first alert was late."""
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    has_fix: bool = False
    place_ms: int = 0
    """Where its newest alert was, and when."""
    event: str
    """Id of the event that opened it."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that detection says of a car, with its stages."""

    alert: str
    """Id of the suspicion, of the press; of a theft its car and first report."""
    incident: int
    group_id: int
    store_id: int
    vehicle_id: int
    kind: str
    stage: str
    """suspected, confirmed, cleared, pressed"""
    state: str
    """raised, acknowledged, escalated, resolved"""
    severity: int
    """As its kind, stage and evidence say; 1 where it was taken back."""
    peak: int
    """The same before it was taken back."""
    first_ms: int
    last_ms: int
    late: bool
    event: str
    """Id of the event that told it last."""
    reason: str = ""
    """Of its incident's end."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to an incident. Only added to."""

    incident: int
    number: int
    group_id: int
    store_id: int
    what: str
    """opened, joined, rated, merged, escalated, acknowledged, reopened, or a state"""
    time_ms: int
    """When we heard of it."""
    by: str
    """Who did it; empty: nobody, it came."""
    reason: str
    """The step's; the stage of an alert; the level called."""
    severity: int
    kind: str
    """Of an alert."""
    happened_ms: int
    """Of an alert: when."""
    late: bool
    event: str
    """Id of the event behind it."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What a new alert of a car may belong to."""

    vehicle_id: int
    group_id: int
    store_id: int
    incidents: tuple[int, ...] = ()
    """The newest INCIDENTS_REMEMBERED_MAX, oldest first."""
    theft: str = ""
    """Its newest theft: what is cleared where the clearing does not name it."""


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """When incidents began to be kept here, in a log that is older."""

    group_id: int
    began_ms: int


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says of an alert."""

    alert: str
    kind: str
    stage: str
    rank: int
    time_ms: int
    late: bool
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    has_fix: bool = False


# --- alerts -----------------------------------------------------------------------------------------------------------


def crash_told(event: Event, state: State) -> None:
    """crash.suspected, crash.confirmed, crash.cleared: one alert with its stages."""
    about = event.payload
    stage = event.type.partition(".")[2]
    rank = _CRASH.get(getattr(about, "severity", "unknown"), 2)
    kinds = {one.kind for one in getattr(about, "evidence", ())}
    if stage == "confirmed":
        rank += 1
    elif getattr(about, "confidence_percent", 100) < SURE_PERCENT:
        rank -= 1
    if kinds & {"rollover", "sos"}:
        rank = max(rank, 3)
    told = _Told(
        alert=getattr(about, "suspicion", event.id), kind="crash", stage=stage, rank=_ranked(rank),
        time_ms=getattr(about, "impact_ms", event.time_ms), late=_late(event), lat_1e7=about.lat_1e7,
        lon_1e7=about.lon_1e7, has_fix=about.has_fix,
    )  # fmt: skip
    _hear(state, event, about.vehicle_id, told)


def sos_pressed(event: Event, state: State) -> None:
    """sos.pressed: somebody asks for help, and that is high whatever else is known."""
    about = event.payload
    told = _Told(
        alert=event.id, kind="sos", stage="pressed", rank=3, time_ms=event.time_ms, late=_late(event),
        lat_1e7=about.lat_1e7, lon_1e7=about.lon_1e7, has_fix=about.has_fix,
    )  # fmt: skip
    _hear(state, event, about.vehicle_id, told)


def theft_told(event: Event, state: State) -> None:
    """theft.suspected, at both stages: one alert."""
    about = event.payload
    told = _Told(
        alert=_theft(about.vehicle_id, about.first_report_id), kind="theft",
        stage="confirmed" if about.stage > 1 else "suspected", rank=3 if about.stage > 1 else 2, time_ms=event.time_ms,
        late=_late(event), lat_1e7=about.lat_1e7, lon_1e7=about.lon_1e7, has_fix=True,
    )  # fmt: skip
    _hear(state, event, about.vehicle_id, told)


def theft_cleared(event: Event, state: State) -> None:
    """theft.cleared: by the car or by a person on the guards' page; the incident stays until somebody closes it."""
    about = event.payload
    watched = state.get(Watched, about.vehicle_id)
    alert = _theft(about.vehicle_id, about.first_report_id) if about.first_report_id else watched and watched.theft
    if not alert:
        # Disarmed, and nothing had been suspected.
        return
    told = _Told(alert=alert, kind="theft", stage="cleared", rank=1, time_ms=event.time_ms, late=_late(event))
    _hear(state, event, about.vehicle_id, told)


def _theft(vehicle_id: int, first_report_id: str) -> str:
    return f"theft:{vehicle_id}:{first_report_id}"


def _ranked(rank: int) -> int:
    return min(max(rank, 1), len(SEVERITIES))


def _late(event: Event) -> bool:
    # Of what is judged by silence the time is that of the last word: it could not have been told before.
    waited_ms = _now(event) - event.time_ms - 1000 * getattr(event.payload, "silent_s", 0)
    return bool(getattr(event.payload, "late", False)) or waited_ms > LATE_MS


def _now(event: Event) -> int:
    """Return when an event reached us. Where nothing says (a log in memory), when it happened."""
    return event.arrival_ms or event.time_ms


_STAGES: Final = ("suspected", "pressed", "confirmed", "cleared")
"""From least to most: of two that came in the wrong order the later one holds."""


def _hear(state: State, event: Event, vehicle_id: int, told: _Told) -> None:
    """Enter what was told: into its own incident, into one beside it in time, or into a new one."""
    watched = state.get(Watched, vehicle_id) or Watched(
        vehicle_id=vehicle_id, group_id=event.group, store_id=event.store
    )
    if told.kind == "theft" and told.stage != "cleared":
        watched = msgspec.structs.replace(watched, theft=told.alert)
    alert = state.get(Alert, told.alert)
    cleared = told.stage == "cleared"
    own = None if alert is None else _followed(state, alert.incident)
    span = (told.time_ms, told.time_ms)
    if alert is not None:
        # What is taken back later was not there longer: a clearing stretches nothing.
        span = (
            (alert.first_ms, alert.last_ms)
            if cleared
            else (min(alert.first_ms, told.time_ms), max(alert.last_ms, told.time_ms))
        )
    near = _near(state, watched, span)
    if own is not None and all(one.incident != own.incident for one in near):
        near.append(own)
    opened = [one for one in near if one.state != "closed"]
    if own is not None and own.state == "closed":
        incident = own
    elif opened:
        incident = _merged(state, event, opened)
        # It may have moved with its own.
        alert = state.get(Alert, told.alert)
        gone = {one.incident for one in opened} - {incident.incident}
        left = tuple(number for number in watched.incidents if number not in gone)
        watched = msgspec.structs.replace(watched, incidents=left)
    elif near:
        incident = max(near, key=lambda one: one.closed_ms)
    else:
        state.put(_opened(state, event, watched, told))
        return
    state.put(watched)
    _joined(state, event, incident, alert, told, span)


def _near(state: State, watched: Watched, span: tuple[int, int]) -> list[Incident]:
    """Return the incidents of the car that what happened from then to then belongs to."""
    found = [state.get(Incident, number) for number in watched.incidents]
    return [
        one
        for one in found
        if one is not None
        and not one.merged_into
        and one.first_ms - WINDOW_MS <= span[1]
        and span[0] <= one.last_ms + WINDOW_MS
    ]


def _followed(state: State, number: int) -> Incident | None:
    """Return an incident; of one that was merged, where its alerts went on. They are moved, so a hop is the most."""
    incident = state.get(Incident, number)
    if incident is not None and incident.merged_into:
        return state.get(Incident, incident.merged_into)
    return incident


def _opened(state: State, event: Event, watched: Watched, told: _Told) -> Watched:
    number = state.number("incident")
    rank = 1 if told.stage == "cleared" else told.rank
    incident = Incident(
        incident=number, group_id=event.group, store_id=event.store, vehicle_id=watched.vehicle_id, kind=told.kind,
        severity=rank, judged=rank, first_ms=told.time_ms, last_ms=told.time_ms, opened_ms=_now(event),
        stepped_ms=_now(event), due_ms=0, late=told.late, lat_1e7=told.lat_1e7, lon_1e7=told.lon_1e7,
        has_fix=told.has_fix, place_ms=told.time_ms if told.lat_1e7 is not None else 0, event=event.id,
    )  # fmt: skip
    _put_alert(state, event, incident, None, told, (told.time_ms, told.time_ms))
    payload = IncidentOpened(
        incident=number, vehicle_id=incident.vehicle_id, kind=told.kind, severity=SEVERITIES[rank - 1], alert=event.id,
        late=told.late, lat_1e7=told.lat_1e7, lon_1e7=told.lon_1e7, has_fix=told.has_fix,
    )  # fmt: skip
    _tell(state, incident, "incident.opened", payload)
    incident = _noted(
        state, event, incident, "opened", told.stage, kind=told.kind, happened_ms=told.time_ms, late=told.late
    )
    state.put(_rung(state, event, incident))
    incidents = (*watched.incidents, number)[-limits.INCIDENTS_REMEMBERED_MAX :]
    return msgspec.structs.replace(watched, incidents=incidents)


def _joined(
    state: State, event: Event, incident: Incident, alert: Alert | None, told: _Told, span: tuple[int, int]
) -> None:
    """Add to an incident what was told, and let it ring where that is needed."""
    cleared = told.stage == "cleared"
    fresh = alert is None
    kept = _put_alert(state, event, incident, alert, told, span)
    changes: dict[str, Any] = {
        "alerts": incident.alerts + fresh,
        "kind": min(incident.kind, told.kind, key=("crash", "sos", "theft").index),
    }
    if not cleared or fresh:
        changes |= {"first_ms": min(incident.first_ms, span[0]), "last_ms": max(incident.last_ms, span[1])}
    if told.lat_1e7 is not None and told.time_ms >= incident.place_ms:
        place = {"lat_1e7": told.lat_1e7, "lon_1e7": told.lon_1e7, "has_fix": told.has_fix, "place_ms": told.time_ms}
        changes |= place
    incident = msgspec.structs.replace(incident, **changes)
    payload = IncidentJoined(
        incident=incident.incident, vehicle_id=incident.vehicle_id, kind=told.kind, stage=told.stage, alert=event.id,
        late=told.late,
    )  # fmt: skip
    _tell(state, incident, "incident.joined", payload)
    incident = _noted(
        state, event, incident, "joined", told.stage, kind=told.kind, happened_ms=told.time_ms, late=told.late
    )
    before = incident.severity
    if kept is None and not cleared:
        # It stands in no row: it raises all the same, and is never taken back.
        incident = msgspec.structs.replace(incident, past=max(incident.past, told.rank))
    incident = _judged(state, event, incident, "joined" if fresh and not cleared else told.stage)
    if incident.state == "closed":
        if _opens(incident, told, fresh=fresh):
            incident = _reopened(state, event, incident, "alert", "")
        else:
            _resolve(state, incident)
    elif incident.ringing:
        # What grows worse is called for sooner; what is taken back rings on as it did.
        due_ms = _now(event) + 1000 * _call_s(incident)
        if incident.severity > before and due_ms < incident.due_ms:
            incident = _due(state, incident, due_ms)
    elif fresh and incident.severity > before:
        # Whoever has it has heard of less.
        incident = _rung(state, event, incident)
    state.put(incident)


def _opens(incident: Incident, told: _Told, *, fresh: bool) -> bool:
    """Tell whether an alert opens a closed incident: what is new since; anything, where it was held for nothing."""
    if told.stage == "cleared":
        return False
    if incident.reason in (*FALSE_REASONS, "history"):
        return True
    return fresh and told.time_ms > incident.closed_ms


def _put_alert(
    state: State, event: Event, incident: Incident, alert: Alert | None, told: _Told, span: tuple[int, int]
) -> Alert | None:
    """Write an alert's row; None where its incident has as many as are kept."""
    if alert is None:
        if incident.alerts >= limits.ALERTS_OF_INCIDENT_MAX:
            return None
        cleared = told.stage == "cleared"
        alert = Alert(
            alert=told.alert, incident=incident.incident, group_id=event.group, store_id=event.store,
            vehicle_id=incident.vehicle_id, kind=told.kind, stage=told.stage, state=_alert_state(incident),
            severity=1 if cleared else told.rank, peak=1 if cleared else told.rank, first_ms=span[0], last_ms=span[1],
            late=told.late, event=event.id,
        )  # fmt: skip
    else:
        stage = max(alert.stage, told.stage, key=_STAGES.index)
        peak = alert.peak if told.stage == "cleared" else max(alert.peak, told.rank)
        alert = msgspec.structs.replace(
            alert, stage=stage, severity=1 if stage == "cleared" else peak, peak=peak, first_ms=span[0],
            last_ms=span[1], late=alert.late and told.late, event=event.id,
        )  # fmt: skip
    state.put(alert)
    return alert


def _alert_state(incident: Incident) -> str:
    if incident.state == "closed":
        return "resolved"
    if not incident.ringing:
        return "acknowledged"
    return "escalated" if incident.level else "raised"


def _judged(state: State, event: Event, incident: Incident, reason: str) -> Incident:
    """Weigh an incident anew by its alerts. A crash after which somebody calls for help is critical."""
    alerts = state.find(Alert, incident=incident.incident)
    judged = max([1, incident.past, *(one.severity for one in alerts)])
    standing = {one.kind for one in alerts if one.stage != "cleared"}
    if {"crash", "sos"} <= standing:
        judged = len(SEVERITIES)
    severity = judged
    if incident.assessed:
        severity = incident.assessed if judged <= incident.assessed_over else max(judged, incident.assessed)
    return _rated(state, event, msgspec.structs.replace(incident, judged=judged), severity, reason)


def _rated(state: State, event: Event, incident: Incident, severity: int, reason: str) -> Incident:
    """Give an incident a severity; say so where it is another one."""
    if severity == incident.severity:
        return incident
    told = IncidentSeverityChanged(
        incident=incident.incident, vehicle_id=incident.vehicle_id, severity=SEVERITIES[severity - 1],
        before=SEVERITIES[incident.severity - 1], reason=reason,
    )  # fmt: skip
    _tell(state, incident, "incident.severity.changed", told)
    return _noted(state, event, msgspec.structs.replace(incident, severity=severity), "rated", reason)


def _merged(state: State, event: Event, incidents: list[Incident]) -> Incident:
    """Make one of the open incidents that an alert lies between: the one that people are farthest with goes on."""
    ordered = sorted(incidents, key=lambda one: (-STATES.index(one.state), one.ringing, one.incident))
    whole = ordered[0]
    for gone in ordered[1:]:
        for alert in state.find(Alert, incident=gone.incident):
            moved = msgspec.structs.replace(alert, incident=whole.incident, state=_alert_state(whole))
            state.put(moved)
        before = whole.severity
        whole = msgspec.structs.replace(
            whole,
            kind=min(whole.kind, gone.kind, key=("crash", "sos", "theft").index),
            alerts=whole.alerts + gone.alerts,
            past=max(whole.past, gone.past),
            first_ms=min(whole.first_ms, gone.first_ms),
            last_ms=max(whole.last_ms, gone.last_ms),
            opened_ms=min(whole.opened_ms, gone.opened_ms),
        )
        if gone.place_ms > whole.place_ms:
            whole = msgspec.structs.replace(
                whole, lat_1e7=gone.lat_1e7, lon_1e7=gone.lon_1e7, has_fix=gone.has_fix, place_ms=gone.place_ms
            )
        told = IncidentMerged(incident=gone.incident, vehicle_id=gone.vehicle_id, into=whole.incident)
        _tell(state, whole, "incident.merged", told, part=str(gone.incident))
        gone = _noted(state, event, gone, "merged", str(whole.incident))
        gone = _due(state, gone, 0)
        over = {"state": "closed", "reason": "merged", "merged_into": whole.incident, "ringing": False, "alerts": 0}
        state.put(msgspec.structs.replace(gone, closed_ms=_now(event), **over))
        whole = _noted(state, event, whole, "merged", str(gone.incident))
        if gone.severity > before and gone.ringing and not whole.ringing:
            whole = _rung(state, event, whole)
    return whole


# --- clocks -----------------------------------------------------------------------------------------------------------


def _call_s(incident: Incident) -> int:
    """Return how long an incident rings at its level: past the last level twice as long each time."""
    again = max(0, incident.level - len(LEVELS) + 1)
    # 2^12 of the shortest is past the longest: no number grows without end.
    return min(CALL_AGAIN_S_MAX, CALL_S[SEVERITIES[incident.severity - 1]] << min(again, 12))


def _due(state: State, incident: Incident, due_ms: int) -> Incident:
    """Set an incident's one timer; 0: it has none."""
    key = _key(incident.vehicle_id)
    if due_ms:
        state.timer(f"incident:{incident.incident}", due_ms, key=key)
    else:
        state.cancel(f"incident:{incident.incident}", key=key)
    return msgspec.structs.replace(incident, due_ms=due_ms)


def _rung(state: State, event: Event, incident: Incident) -> Incident:
    """Let an incident ring from the beginning."""
    incident = msgspec.structs.replace(incident, ringing=True, level=0, stepped_ms=_now(event))
    _follow(state, incident)
    return _due(state, incident, _now(event) + 1000 * _call_s(incident))


def _follow(state: State, incident: Incident) -> None:
    """Bring an incident's alerts to where it is."""
    for alert in state.find(Alert, incident=incident.incident):
        now = _alert_state(incident)
        reason = incident.reason if now == "resolved" else ""
        if (alert.state, alert.reason) != (now, reason):
            state.put(msgspec.structs.replace(alert, state=now, reason=reason))


def _resolve(state: State, incident: Incident) -> None:
    assert incident.state == "closed"
    _follow(state, incident)


def time_due(event: Event, state: State) -> None:
    """timer.due: nobody has taken it, or whoever has it did nothing: call the next level."""
    name, _, number = event.payload.name.partition(":")
    incident = state.get(Incident, int(number)) if name == "incident" else None
    if incident is None or incident.state == "closed":
        return
    began = state.get(Beginning, incident.group_id)
    if began is not None and incident.opened_ms < began.began_ms - HISTORY_MS and not incident.holder:
        # It happened before there was a desk: a story, and nobody to be called.
        state.put(_closed(state, event, incident, "history", ""))
        return
    waited_s = max(0, _now(event) - incident.stepped_ms) // 1000
    why = "unacknowledged" if incident.ringing else "stalled"
    incident = msgspec.structs.replace(incident, ringing=True, level=incident.level + 1)
    to = LEVELS[min(incident.level, len(LEVELS) - 1)]
    told = IncidentEscalated(
        incident=incident.incident, vehicle_id=incident.vehicle_id, severity=SEVERITIES[incident.severity - 1],
        level=incident.level, to=to, why=why, waited_s=waited_s,
    )  # fmt: skip
    _tell(state, incident, "incident.escalated", told)
    incident = _noted(state, event, incident, "escalated", to)
    _follow(state, incident)
    state.put(_due(state, incident, _now(event) + 1000 * _call_s(incident)))


def actor_joined(event: Event, state: State) -> None:
    """actor.joined: what stands in the log before this happened before there were incidents."""
    if event.payload.actor == "incident" and state.get(Beginning, event.group) is None:
        state.put(Beginning(group_id=event.group, began_ms=_now(event)))


def car_changed(event: Event, state: State) -> None:
    """vehicle.changed: what is open of a car goes with it to its store."""
    watched = state.get(Watched, event.payload.vehicle_id)
    for number in watched.incidents if watched is not None else ():
        incident = state.get(Incident, number)
        if incident is not None and incident.store_id != event.payload.store:
            state.put(msgspec.structs.replace(incident, store_id=event.payload.store))


# --- people -----------------------------------------------------------------------------------------------------------


def acknowledge(event: Event, state: State) -> None:
    """incident.acknowledgement.requested: one person has it."""
    incident = _asked(event, state)
    if incident.state == "closed":
        raise Refused("incident_closed", f"incident {incident.incident} is closed: {incident.reason}")
    if not incident.ringing:
        raise Refused("already_acknowledged", f"{incident.holder} has incident {incident.incident}")
    waited_s = max(0, _now(event) - incident.stepped_ms) // 1000
    told = IncidentAcknowledged(
        incident=incident.incident, vehicle_id=incident.vehicle_id, by=event.actor, level=incident.level,
        waited_s=waited_s,
    )  # fmt: skip
    state.decide("incident.acknowledged", told, **_about(incident))
    incident = msgspec.structs.replace(
        incident, ringing=False, holder=event.actor, acknowledged_ms=_now(event), stepped_ms=_now(event), level=0
    )
    incident = _noted(state, event, incident, "acknowledged", "", by=event.actor)
    _follow(state, incident)
    state.put(_rest(state, event, incident))


def step(event: Event, state: State) -> None:
    """incident.step.requested: take the step, if it is one of STEPS."""
    about = event.payload
    incident = _asked(event, state)
    allowed = STEPS[incident.state]
    if about.step not in allowed:
        may = ", ".join(allowed) or "nothing but its end"
        raise Refused("step_unknown", f"from {incident.state} an incident comes to {may}; not to {about.step}")
    _among("reason", about.reason, STEP_REASONS[about.step])
    if (about.step == "assessed") != bool(about.severity):
        raise Refused("severity_unfit", "an assessment says how severe it is, and nothing else does")
    if incident.ringing:
        raise Refused("not_acknowledged", f"nobody has incident {incident.incident}: acknowledge it first")
    before = incident
    incident = msgspec.structs.replace(incident, state=about.step, holder=event.actor, stepped_ms=_now(event))
    if about.severity:
        _among("severity", about.severity, SEVERITIES)
        assessed = SEVERITIES.index(about.severity) + 1
        incident = msgspec.structs.replace(incident, assessed=assessed, assessed_over=incident.judged)
    severity = incident.assessed if about.severity else incident.severity
    told = IncidentStepped(
        incident=incident.incident, vehicle_id=incident.vehicle_id, step=about.step, before=before.state,
        reason=about.reason, severity=SEVERITIES[severity - 1], by=event.actor,
        after_s=max(0, _now(event) - before.stepped_ms) // 1000,
    )  # fmt: skip
    state.decide("incident.stepped", told, **_about(incident))
    incident = _noted(state, event, incident, about.step, about.reason, by=event.actor)
    if about.severity:
        incident = _rated(state, event, incident, severity, "assessed")
    state.put(_rest(state, event, incident))


def close(event: Event, state: State) -> None:
    """incident.closing.requested: a person says how it ended."""
    about = event.payload
    incident = _asked(event, state)
    _among("reason", about.reason, CLOSE_REASONS)
    if incident.state == "closed":
        raise Refused("incident_closed", f"incident {incident.incident} is closed: {incident.reason}")
    if about.reason not in CLOSINGS.get(incident.state, ()):
        may = ", ".join(CLOSINGS.get(incident.state, ())) or "no reason: it is to be assessed first"
        raise Refused("closing_unfit", f"{incident.state}, it is closed for {may}; not for {about.reason}")
    if incident.ringing:
        raise Refused("not_acknowledged", f"nobody has incident {incident.incident}: acknowledge it first")
    state.put(_closed(state, event, incident, about.reason, event.actor))


def _closed(state: State, event: Event, incident: Incident, reason: str, by: str) -> Incident:
    told = IncidentClosed(
        incident=incident.incident, vehicle_id=incident.vehicle_id, reason=reason, by=by, alerts=incident.alerts,
        open_s=max(0, _now(event) - incident.opened_ms) // 1000,
    )  # fmt: skip
    if by:
        state.decide("incident.closed", told, **_about(incident))
    else:
        _tell(state, incident, "incident.closed", told)
    incident = msgspec.structs.replace(
        incident, state="closed", reason=reason, closed_ms=_now(event), stepped_ms=_now(event), ringing=False
    )
    incident = _noted(state, event, incident, "closed", reason, by=by)
    _resolve(state, incident)
    return _due(state, incident, 0)


def reopen(event: Event, state: State) -> None:
    """incident.reopening.requested: it was not over; it rings again, and all of it begins anew."""
    about = event.payload
    incident = _asked(event, state)
    _among("reason", about.reason, REOPEN_REASONS)
    if incident.state != "closed":
        raise Refused("not_closed", f"incident {incident.incident} is {incident.state}")
    if incident.merged_into:
        raise Refused("incident_merged", f"it goes on as incident {incident.merged_into}")
    state.put(_reopened(state, event, incident, about.reason, event.actor))


def _reopened(state: State, event: Event, incident: Incident, reason: str, by: str) -> Incident:
    told = IncidentReopened(incident=incident.incident, vehicle_id=incident.vehicle_id, reason=reason, by=by)
    if by:
        state.decide("incident.reopened", told, **_about(incident))
    else:
        _tell(state, incident, "incident.reopened", told)
    incident = msgspec.structs.replace(incident, state="open", reason="", closed_ms=0)
    incident = _noted(state, event, incident, "reopened", reason, by=by)
    # What was taken for nothing counts again as its alerts say.
    incident = msgspec.structs.replace(incident, assessed=0, assessed_over=0)
    incident = _rated(state, event, incident, incident.judged, "joined" if not by else "reopened")
    return _rung(state, event, incident)


def _rest(state: State, event: Event, incident: Incident) -> Incident:
    """Let an acknowledged incident rest for as long as its state may."""
    return _due(state, incident, _now(event) + 1000 * REST_S[incident.state])


def _asked(event: Event, state: State) -> Incident:
    about = event.payload
    incident = state.get(Incident, about.incident)
    if incident is None or incident.group_id != event.group or incident.vehicle_id != about.vehicle_id:
        raise Refused("incident_unknown", f"no incident {about.incident} of vehicle {about.vehicle_id}")
    if not event.actor.startswith("account:"):
        raise Refused("person_needed", "an incident is in the hands of a person, who is named")
    return incident


def _among(field: str, value: str, allowed: Iterable[str]) -> None:
    if value not in allowed:
        raise Refused(f"{field}_unknown", f"{field} is one of {', '.join(allowed)}")


def _noted(
    state: State, event: Event, incident: Incident, what: str, reason: str, *, by: str = "", kind: str = "",
    happened_ms: int = 0, late: bool = False,
) -> Incident:  # fmt: skip
    """Add a step to an incident's story."""
    number = incident.steps + 1
    state.put(
        Step(
            incident=incident.incident, number=number, group_id=incident.group_id, store_id=incident.store_id,
            what=what, time_ms=_now(event), by=by, reason=reason, severity=incident.severity, kind=kind,
            happened_ms=happened_ms or event.time_ms, late=late, event=event.id,
        )
    )  # fmt: skip
    return msgspec.structs.replace(incident, steps=number)


def _key(vehicle_id: int) -> str:
    return f"vehicle:{vehicle_id}"


def _about(incident: Incident) -> dict[str, Any]:
    whose = _key(incident.vehicle_id)
    return {"subject": whose, "key": whose, "store": incident.store_id, "purpose": "safety"}


def _tell(state: State, incident: Incident, type_: str, payload: msgspec.Struct, part: str = "") -> None:
    state.emit(type_, payload, part=part or str(incident.incident), **_about(incident))


def _of_car(event: Event) -> Iterable[tuple[type[Any], tuple[Any, ...]]]:
    yield Watched, (event.payload.vehicle_id,)


def _of_incident(event: Event) -> Iterable[tuple[type[Any], tuple[Any, ...]]]:
    yield Incident, (event.payload.incident,)


INCIDENT: Final = BusinessActor(
    name="incident",
    says="Alerts of a car as cases: merged, ringing until a person has them, clocked in every step, closed by people.",
    kept=(
        Kept(Incident, "incident", ("incident",)),
        Kept(Alert, "incident_alert", ("alert",)),
        Kept(Step, "incident_step", ("incident", "number")),
        Kept(Watched, "incident_car", ("vehicle_id",)),
        Kept(Beginning, "incident_beginning", ("group_id",)),
    ),
    rules=(
        Rule("crash", ("crash.suspected", "crash.confirmed", "crash.cleared"), crash_told, _of_car),
        Rule("sos", ("sos.pressed",), sos_pressed, _of_car),
        Rule("theft", ("theft.suspected",), theft_told, _of_car),
        Rule("theft_cleared", ("theft.cleared",), theft_cleared, _of_car),
        Rule("due", ("timer.due",), time_due),
        Rule("joined", ("actor.joined",), actor_joined),
        Rule("car_changed", ("vehicle.changed",), car_changed, _of_car),
        Rule("acknowledge", ("incident.acknowledgement.requested",), acknowledge, _of_incident),
        Rule("step", ("incident.step.requested",), step, _of_incident),
        Rule("close", ("incident.closing.requested",), close, _of_incident),
        Rule("reopen", ("incident.reopening.requested",), reopen, _of_incident),
    ),
    decides=(
        "incident.acknowledgement.requested",
        "incident.step.requested",
        "incident.closing.requested",
        "incident.reopening.requested",
    ),
    emits=(
        "incident.opened",
        "incident.joined",
        "incident.severity.changed",
        "incident.merged",
        "incident.escalated",
        "incident.acknowledged",
        "incident.stepped",
        "incident.closed",
        "incident.reopened",
    ),
    # Nobody is without help because a module was switched off.
    always=True,
)
