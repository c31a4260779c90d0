"""Incidents: /incidents: what rings, who has it, what was done; taken, stepped and ended by intents."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guards import principal_of
from api.intents import ask
from api.parts import Parts
from api.positions import DEGREE_1E7
from api.problems import CHANGES, KEYED, Problem, answers
from core.events.incident import (
    SEVERITIES,
    IncidentAcknowledgementRequested,
    IncidentClosingRequested,
    IncidentReopeningRequested,
    IncidentStepRequested,
)
from core.limits import INCIDENTS_PAGE_MAX
from core.rights import Principal
from storage.incidents import AlertView, IncidentView, StepView

IncidentState = Literal["open", "closed"]
INCIDENT_MAX: Final = 2**31 - 1
Number = Annotated[int, msgspec.Meta(ge=1, le=INCIDENT_MAX)]
Word = Annotated[str, msgspec.Meta(max_length=40)]


class StepAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which step was taken."""

    step: Word
    """contacted, no_answer, assessed, acting, stabilised, caring; in this order."""
    reason: Word
    """Who was reached, what it is, who was sent: docs/incidents.md lists the words of each step."""
    severity: Word = ""
    """Of an assessment: low, medium, high, critical."""


class CloseAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it ended."""

    reason: Word
    """helped, recovered, handed_over, help_declined; of what was nothing: no_help_needed, false_alarm, test."""


class ReopenAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is not over."""

    reason: Literal["needs_help", "new_information", "closed_by_mistake"]


class IncidentItem(msgspec.Struct, frozen=True, kw_only=True):
    """A case of one car."""

    incident: int
    vehicle_id: int
    plate: str
    store: int
    kind: str
    """crash, sos, theft: of what is gravest in it."""
    state: str
    """open, contacted, no_answer, assessed, acting, stabilised, caring, closed"""
    severity: str
    """low, medium, high, critical"""
    opened_ms: int
    """When the first alert reached us; `first_ms` says when it happened."""
    first_ms: int
    last_ms: int
    ringing: bool
    """Nobody has it: acknowledge it."""
    holder: str
    """Who has it, or had it last: `account:` and a number."""
    acknowledged_ms: int | None
    level: int
    """How often it has escalated since somebody had it."""
    escalates_ms: int | None
    """When it escalates next, if nothing is done."""
    closed_ms: int | None
    reason: str
    """How it ended."""
    merged_into: int | None
    alerts: int
    late: bool
    """It reached us long after it happened."""
    lat: float | None
    lon: float | None
    """Where its newest alert was (WGS-84); null where nobody knows or you may not see positions."""
    has_fix: bool
    seq: int
    """Number of the event that opened it."""


class IncidentPage(msgspec.Struct, frozen=True):
    """Open ones first, the gravest first, of equal ones the oldest; then closed ones, the last closed first."""

    items: list[IncidentItem]
    next: str | None
    """Hand it back as `after`; null on the last page."""


class IncidentStory(msgspec.Struct, frozen=True, kw_only=True):
    """A case with all that happened to it."""

    incident: IncidentItem
    alerts: list[AlertView]
    steps: list[StepView]
    """Each clocked: when, who, what."""


@get(
    "/incidents",
    opt={"right": "events.read"},
    summary="List incidents",
    responses=answers("bad_request", *KEYED),
)
async def list_incidents(
    request: Request,
    after: Annotated[str, QueryParameter(max_length=100, description="Where an earlier page ended")] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=INCIDENTS_PAGE_MAX, description="Most on this page")] = 100,
    state_: Annotated[
        IncidentState | None, QueryParameter(name="state", description="Only open ones, or only closed ones")
    ] = None,
    vehicle: Annotated[int, QueryParameter(ge=0, le=INCIDENT_MAX, description="Only of this car")] = 0,
) -> IncidentPage:
    """Return the incidents of your stores' cars: open ones by severity and age, then closed ones."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    try:
        views, next_ = await sync_to_thread(
            parts.incidents.page, principal, state=state_ or "", vehicle_id=vehicle, after=after, limit=limit
        )
    except ValueError as error:
        raise Problem("bad_request", "after is what an earlier page gave", field="after") from error
    return IncidentPage([item_of(view) for view in views], next_ or None)


@get(
    "/incidents/{incident:int}",
    opt={"right": "events.read"},
    summary="Read an incident",
    responses=answers("incident_unknown", *KEYED),
)
async def read_incident(request: Request, incident: FromPath[int]) -> IncidentStory:
    """Return an incident, its alerts, and every step that was taken, by whom and when."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> IncidentStory:
        view = _seen(parts, principal, incident)
        return IncidentStory(
            incident=item_of(view),
            alerts=parts.incidents.alerts(principal, incident),
            steps=parts.incidents.steps(principal, incident),
        )

    return await sync_to_thread(read)


_ANSWERS: Final = answers("incident_unknown", "intent_refused", "intent_waiting", *CHANGES)


@post(
    "/incidents/{incident:int}/acknowledge",
    opt={"right": "incidents.handle"},
    status_code=200,
    summary="Take an incident",
    responses=_ANSWERS,
)
async def acknowledge_incident(request: Request, incident: FromPath[int]) -> IncidentItem:
    """Say that you have it: it rings no more. The second to say so is refused (409, `already_acknowledged`)."""
    return await _decided(
        request,
        incident,
        "incident.acknowledgement.requested",
        lambda vehicle_id: IncidentAcknowledgementRequested(incident=incident, vehicle_id=vehicle_id),
    )


@post(
    "/incidents/{incident:int}/steps",
    opt={"right": "incidents.handle"},
    status_code=200,
    summary="Take a step",
    responses=_ANSWERS,
)
async def step_incident(request: Request, incident: FromPath[int], data: JSONBody[StepAsked]) -> IncidentItem:
    """Say what was done. A step that does not follow on the last one is refused with what may follow (409)."""
    return await _decided(
        request,
        incident,
        "incident.step.requested",
        lambda vehicle_id: IncidentStepRequested(
            incident=incident, vehicle_id=vehicle_id, step=data.step, reason=data.reason, severity=data.severity
        ),
    )


@post(
    "/incidents/{incident:int}/close",
    opt={"right": "incidents.handle"},
    status_code=200,
    summary="Close an incident",
    responses=_ANSWERS,
)
async def close_incident(request: Request, incident: FromPath[int], data: JSONBody[CloseAsked]) -> IncidentItem:
    """Say how it ended. Only what was assessed can end; all its alerts are resolved with this reason."""
    return await _decided(
        request,
        incident,
        "incident.closing.requested",
        lambda vehicle_id: IncidentClosingRequested(incident=incident, vehicle_id=vehicle_id, reason=data.reason),
    )


@post(
    "/incidents/{incident:int}/reopen",
    opt={"right": "incidents.handle"},
    status_code=200,
    summary="Reopen an incident",
    responses=_ANSWERS,
)
async def reopen_incident(request: Request, incident: FromPath[int], data: JSONBody[ReopenAsked]) -> IncidentItem:
    """Say that it is not over: it rings again, and its steps begin anew."""
    return await _decided(
        request,
        incident,
        "incident.reopening.requested",
        lambda vehicle_id: IncidentReopeningRequested(incident=incident, vehicle_id=vehicle_id, reason=data.reason),
    )


async def _decided(request: Request[Any, Any, Any], incident: int, type_: str, payload: Any) -> IncidentItem:
    """Ask the business, and return the incident as it stands then."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    view = await sync_to_thread(_seen, parts, principal, incident)
    about = {"subject": f"vehicle:{view.vehicle_id}", "store": view.store, "purpose": "safety"}
    await ask(parts, principal, type_, payload(view.vehicle_id), **about)
    return item_of(await sync_to_thread(_seen, parts, principal, incident))


def _seen(parts: Parts, principal: Principal, incident: int) -> IncidentView:
    view = parts.incidents.one(principal, incident) if 0 < incident <= INCIDENT_MAX else None
    if view is None:
        raise Problem("incident_unknown", f"no incident {incident}")
    return view


def item_of(view: IncidentView) -> IncidentItem:
    """Return an incident as it is answered."""
    return IncidentItem(
        incident=view.incident,
        vehicle_id=view.vehicle_id,
        plate=view.plate,
        store=view.store,
        kind=view.kind,
        state=view.state,
        severity=SEVERITIES[view.severity - 1],
        opened_ms=view.opened_ms,
        first_ms=view.first_ms,
        last_ms=view.last_ms,
        ringing=view.ringing,
        holder=view.holder,
        acknowledged_ms=view.acknowledged_ms or None,
        level=view.level,
        escalates_ms=view.due_ms or None,
        closed_ms=view.closed_ms or None,
        reason=view.reason,
        merged_into=view.merged_into or None,
        alerts=view.alerts,
        late=view.late,
        lat=None if view.lat_1e7 is None else view.lat_1e7 / DEGREE_1E7,
        lon=None if view.lon_1e7 is None else view.lon_1e7 / DEGREE_1E7,
        has_fix=view.has_fix,
        seq=view.seq,
    )


RESOURCES: Final = (
    list_incidents,
    read_incident,
    acknowledge_incident,
    step_incident,
    close_incident,
    reopen_incident,
)
