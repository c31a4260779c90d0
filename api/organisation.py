"""/api/v1/organisation: the tree of the group, its calendars, skills, duties and rosters. What changes it is decided.

Every route that changes something appends an intent and answers with what the actor organisation decided: 403 or 409
with the refusal's code, or what it is now.
"""

import time
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, delete, get, patch, post, put
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guards import principal_of
from api.intents import ask
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core import limits
from core.events.organisation import (
    CalendarRequested,
    DutyRequested,
    NodeChangeRequested,
    NodeRequested,
    NodeStateRequested,
    RosterClearRequested,
    RosterRequested,
    SkillDefineRequested,
    SkillGrantRequested,
    SkillWithdrawRequested,
)
from core.zones import is_time_zone
from storage.organisation import CalendarDay, Certificate, Colleague, Duty, Node, Organisation, Shift, Skill

Text = Annotated[str, msgspec.Meta(max_length=limits.NODE_NAME_CHARACTERS_MAX)]
Brands = Annotated[list[Text], msgspec.Meta(max_length=64)]
Moment = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9.]{1,64}$")]
REFUSED: Final = ("node_unknown", "store_outside", "node_closed", "intent_refused", "intent_waiting", "too_long")


class NewNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node to be entered."""

    kind: Literal["region", "store", "department"]
    name_zh: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.NODE_NAME_CHARACTERS_MAX)]
    parent: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Node above; empty: the group."""
    code: Annotated[str, msgspec.Meta(max_length=32)] = ""
    name_en: Text = ""
    time_zone: Text = ""
    """Empty: that of the node above."""
    brands: Brands = []
    """Empty: those of the node above."""
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)] | None = None
    """WGS-84 degrees, of a store."""
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)] | None = None
    opens_ms: Moment = 0
    """UTC epoch ms; 0: at once."""


class ChangedNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a node; what is left out stays."""

    name_zh: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.NODE_NAME_CHARACTERS_MAX)] | None = None
    name_en: Text | None = None
    code: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    parent: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    time_zone: Text | None = None
    brands: Brands | None = None


class NodeState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A state that a node shall have."""

    state: Literal["open", "suspended", "closed"]
    reason: Text = ""
    """A word of the trade, no person's."""


class ChangedCalendar(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Days that differ from the week."""

    days: Annotated[
        list[tuple[Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\d$")], Literal["holiday", "workday", "week"]]],
        msgspec.Meta(max_length=limits.CALENDAR_DAYS_MAX),
    ]
    """(YYYY-MM-DD, what it is); `week`: it follows the week again."""


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a skill is called."""

    name_zh: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.NODE_NAME_CHARACTERS_MAX)]
    name_en: Text = ""


class ChangedDuty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a kind of work is called, and what it needs."""

    name_zh: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.NODE_NAME_CHARACTERS_MAX)]
    name_en: Text = ""
    needs: Annotated[list[tuple[Code, Annotated[int, msgspec.Meta(ge=1, le=5)]]], msgspec.Meta(max_length=20)] = []


class NewCertificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well somebody is able, and until when."""

    level: Annotated[int, msgspec.Meta(ge=1, le=5)]
    expires_ms: Moment = 0
    """0: for good."""


class NewShift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to be put on duty."""

    node: Annotated[str, msgspec.Meta(max_length=64)]
    account: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
    duty: Code
    from_ms: Moment
    to_ms: Moment


class NodePage(msgspec.Struct, frozen=True):
    """The tree as one sees it, each node behind the one above it."""

    items: list[Node]
    next: None = None


class NodeDetail(msgspec.Struct, frozen=True):
    """A node, who works there, and its calendar from today on."""

    node: Node
    people: list[Colleague]
    calendar: list[CalendarDay]


class SkillPage(msgspec.Struct, frozen=True):
    """All skills of the group, and the kinds of work that need them."""

    items: list[Skill]
    duties: list[Duty]
    next: None = None


class ShiftPage(msgspec.Struct, frozen=True):
    """Shifts by their beginning, at most a thousand."""

    items: list[Shift]
    next: None = None


def organisation_of(parts: Parts) -> Organisation:
    """Return the organisation of the API's database."""
    return Organisation(parts.reader.database)


async def _asked(request: Request[Any, Any, Any], type_: str, payload: msgspec.Struct, subject: str, store: int) -> Any:
    """Ask the organisation, and return what its decision says."""
    parts: Parts = request.app.state.parts
    decision = await ask(parts, principal_of(request), type_, payload, subject=subject, store=store)
    return decision.payload


async def _node(request: Request[Any, Any, Any], name: str) -> Node:
    """Return a node of the reader's scope. Raises Problem `node_unknown`."""
    parts: Parts = request.app.state.parts
    node = await sync_to_thread(organisation_of(parts).node, principal_of(request), name)
    if node is None:
        raise Problem("node_unknown", f"no node {name}")
    return node


@get("/organisation", opt={"right": "organisation.read"}, summary="The organisation", responses=answers(*KEYED))
async def list_nodes(request: Request) -> NodePage:
    """Return the tree: all of it, or your stores with what is below them; of what is above them only the name."""
    parts: Parts = request.app.state.parts
    return NodePage(await sync_to_thread(organisation_of(parts).nodes, principal_of(request)))


@get(
    "/organisation/{node:str}",
    opt={"right": "organisation.read"},
    summary="One node",
    responses=answers("node_unknown", *KEYED),
)
async def read_node(request: Request, node: FromPath[str]) -> NodeDetail:
    """Return a node, who works there and its calendar."""
    found = await _node(request, node)
    return await sync_to_thread(detail_of, request.app.state.parts, principal_of(request), found)


def detail_of(parts: Parts, principal: Any, node: Node) -> NodeDetail:
    """Return a node with its people and its calendar from today on. Blocking."""
    organisation = organisation_of(parts)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    return NodeDetail(
        node, organisation.colleagues(principal, node.node), organisation.calendar(principal, node.node, today)
    )


@post(
    "/organisation",
    opt={"right": "organisation.write"},
    status_code=201,
    summary="Enter a node",
    responses=answers(
        *CHANGES, *REFUSED, "node_kind", "nodes_full", "store_code_taken", "brand_outside", "time_zone_unknown"
    ),
)
async def create_node(request: Request, data: JSONBody[NewNode]) -> Node:
    """Enter a region, store or department. Regions and stores are the group's to enter, departments the store's."""
    _check_zone(data.time_zone)
    above = await _node(request, data.parent) if data.parent else None
    asked = NodeRequested(
        kind=data.kind,
        parent=data.parent,
        code=data.code.strip(),
        name_zh=data.name_zh.strip(),
        name_en=data.name_en.strip(),
        time_zone=data.time_zone,
        brands=tuple(data.brands),
        lat_1e7=None if data.lat is None else round(data.lat * 1e7),
        lon_1e7=None if data.lon is None else round(data.lon * 1e7),
        opens_ms=data.opens_ms,
    )
    subject = data.parent or f"group:{principal_of(request).scope.group}"
    entered = await _asked(request, "node.requested", asked, subject, above.store if above else 0)
    return await _node(request, entered.node)


def _check_zone(zone: str | None) -> None:
    if zone and not is_time_zone(zone):
        raise Problem("time_zone_unknown", zone, field="time_zone")


@patch(
    "/organisation/{node:str}",
    opt={"right": "organisation.write"},
    summary="Change a node",
    responses=answers(
        *CHANGES, *REFUSED, "node_kind", "node_loop", "store_code_taken", "brand_outside", "time_zone_unknown"
    ),
)
async def change_node(request: Request, node: FromPath[str], data: JSONBody[ChangedNode]) -> Node:
    """Change what is known of a node, or move it below another."""
    _check_zone(data.time_zone)
    found = await _node(request, node)
    asked = NodeChangeRequested(
        node=found.node,
        parent=data.parent,
        code=data.code,
        name_zh=data.name_zh,
        name_en=data.name_en,
        time_zone=data.time_zone,
        brands=None if data.brands is None else tuple(data.brands),
    )
    await _asked(request, "node.change.requested", asked, found.node, found.store)
    return await _node(request, found.node)


@post(
    "/organisation/{node:str}/state",
    opt={"right": "organisation.write"},
    status_code=200,
    summary="Open, suspend or close a node",
    responses=answers(*CHANGES, *REFUSED, "node_step", "node_used", "node_kind"),
)
async def state_node(request: Request, node: FromPath[str], data: JSONBody[NodeState]) -> Node:
    """Open, suspend or close a node. Closing is for good: it ends the places and shifts of everybody there."""
    found = await _node(request, node)
    asked = NodeStateRequested(node=found.node, state=data.state, reason=data.reason)
    await _asked(request, "node.state.requested", asked, found.node, found.store)
    return await _node(request, found.node)


@put(
    "/organisation/{node:str}/calendar",
    opt={"right": "organisation.write"},
    summary="Write days of a calendar",
    responses=answers(*CHANGES, *REFUSED, "calendar_invalid", "calendar_full"),
)
async def set_calendar(request: Request, node: FromPath[str], data: JSONBody[ChangedCalendar]) -> NodeDetail:
    """Say which days do not follow the week; days that are not named stay as they are. They hold below the node too."""
    found = await _node(request, node)
    asked = CalendarRequested(node=found.node, days=tuple((day, kind) for day, kind in data.days))
    await _asked(request, "calendar.requested", asked, found.node, found.store)
    return await sync_to_thread(detail_of, request.app.state.parts, principal_of(request), found)


# --- skills and duties ------------------------------------------------------------------------------------------------


@get("/skills", opt={"right": "organisation.read"}, summary="Skills and duties", responses=answers(*KEYED))
async def list_skills(request: Request) -> SkillPage:
    """Return the skills of the group, and which of them each kind of work needs."""
    organisation, principal = organisation_of(request.app.state.parts), principal_of(request)
    return await sync_to_thread(lambda: SkillPage(organisation.skills(principal), organisation.duties(principal)))


@put(
    "/skills/{skill:str}",
    opt={"right": "organisation.write"},
    summary="Enter a skill",
    responses=answers(*CHANGES, *REFUSED, "code_unfit", "skills_full"),
)
async def define_skill(request: Request, skill: FromPath[str], data: JSONBody[Named]) -> SkillPage:
    """Enter a skill of the group under a code of a-z, 0-9 and dots, or call it something else."""
    _check_whole(request)
    asked = SkillDefineRequested(skill=skill, name_zh=data.name_zh, name_en=data.name_en)
    await _asked(request, "skill.define.requested", asked, _group(request), 0)
    return await _skills(request)


@put(
    "/duties/{duty:str}",
    opt={"right": "organisation.write"},
    summary="Enter a duty",
    responses=answers(*CHANGES, *REFUSED, "code_unfit", "skills_full", "skill_unknown", "skill_level"),
)
async def set_duty(request: Request, duty: FromPath[str], data: JSONBody[ChangedDuty]) -> SkillPage:
    """Say what a kind of work needs; shifts that stand keep what it needed when they were set."""
    _check_whole(request)
    asked = DutyRequested(duty=duty, name_zh=data.name_zh, name_en=data.name_en, needs=tuple(data.needs))
    await _asked(request, "duty.requested", asked, _group(request), 0)
    return await _skills(request)


def _check_whole(request: Request[Any, Any, Any]) -> None:
    if principal_of(request).scope.stores is not None:
        raise Problem("right_missing", "skills and duties are the whole group's")


def _group(request: Request[Any, Any, Any]) -> str:
    return f"group:{principal_of(request).scope.group}"


async def _skills(request: Request[Any, Any, Any]) -> SkillPage:
    organisation, principal = organisation_of(request.app.state.parts), principal_of(request)
    return await sync_to_thread(lambda: SkillPage(organisation.skills(principal), organisation.duties(principal)))


class CertificatePage(msgspec.Struct, frozen=True):
    """The certificates in force of one account."""

    items: list[Certificate]
    next: None = None


@get(
    "/accounts/{account_id:int}/skills",
    opt={"right": "people.read"},
    summary="What somebody is certified in",
    responses=answers("account_unknown", *KEYED),
)
async def list_certificates(request: Request, account_id: FromPath[int]) -> CertificatePage:
    """Return the certificates in force of an account that you may see."""
    await _check_account(request, account_id)
    return await _certificates(request, account_id)


@put(
    "/accounts/{account_id:int}/skills/{skill:str}",
    opt={"right": "organisation.write"},
    summary="Certify somebody",
    responses=answers(
        *CHANGES, *REFUSED, "account_unknown", "skill_unknown", "skill_level", "expiry_past", "own_account"
    ),
)
async def grant_skill(
    request: Request, account_id: FromPath[int], skill: FromPath[str], data: JSONBody[NewCertificate]
) -> CertificatePage:
    """Certify somebody of yours in a skill; nobody certifies themselves. Shifts it is too little for are cleared."""
    await _check_account(request, account_id)
    asked = SkillGrantRequested(account=account_id, skill=skill, level=data.level, expires_ms=data.expires_ms)
    await _asked(request, "skill.grant.requested", asked, f"account:{account_id}", 0)
    return await _certificates(request, account_id)


@delete(
    "/accounts/{account_id:int}/skills/{skill:str}",
    opt={"right": "organisation.write"},
    status_code=200,
    summary="Withdraw a certificate",
    responses=answers(*CHANGES, *REFUSED, "account_unknown", "skill_unknown", "own_account"),
)
async def withdraw_skill(request: Request, account_id: FromPath[int], skill: FromPath[str]) -> CertificatePage:
    """End a certificate; shifts to come that need it are cleared."""
    await _check_account(request, account_id)
    asked = SkillWithdrawRequested(account=account_id, skill=skill)
    await _asked(request, "skill.withdraw.requested", asked, f"account:{account_id}", 0)
    return await _certificates(request, account_id)


async def _check_account(request: Request[Any, Any, Any], account: int) -> None:
    parts: Parts = request.app.state.parts
    if await sync_to_thread(parts.people.account, principal_of(request), account) is None:
        raise Problem("account_unknown", f"no account {account}")


async def _certificates(request: Request[Any, Any, Any], account: int) -> CertificatePage:
    organisation = organisation_of(request.app.state.parts)
    return CertificatePage(await sync_to_thread(organisation.certificates, principal_of(request), [account]))


# --- rosters ----------------------------------------------------------------------------------------------------------

Ms = Annotated[int, QueryParameter(ge=0, le=2**53)]


@get("/shifts", opt={"right": "organisation.read"}, summary="Rosters", responses=answers("bad_request", *KEYED))
async def list_shifts(
    request: Request,
    from_ms: Annotated[int, QueryParameter(name="from", ge=0, le=2**53, description="UTC epoch ms")],
    to_ms: Annotated[int, QueryParameter(name="to", ge=0, le=2**53, description="UTC epoch ms")],
    node: Annotated[str, QueryParameter(max_length=64, description="Only at this node")] = "",
) -> ShiftPage:
    """Return the shifts of your stores in a time, those that were cleared too, with why."""
    organisation = organisation_of(request.app.state.parts)
    found = await sync_to_thread(organisation.shifts, principal_of(request), node=node, from_ms=from_ms, to_ms=to_ms)
    return ShiftPage(found)


@post(
    "/shifts",
    opt={"right": "organisation.write"},
    status_code=201,
    summary="Put somebody on duty",
    responses=answers(
        *CHANGES, *REFUSED, "duty_unknown", "shift_invalid", "shift_overlaps", "shifts_full", "place_missing",
        "skill_missing",
    ),
)  # fmt: skip
async def create_shift(request: Request, data: JSONBody[NewShift]) -> Shift:
    """Put somebody on duty who works there and holds what the duty needs until the shift ends.

    409 `skill_missing`, `place_missing` or `shift_overlaps` says what stands against it.
    """
    found = await _node(request, data.node)
    asked = RosterRequested(
        node=found.node, account=data.account, duty=data.duty, from_ms=data.from_ms, to_ms=data.to_ms
    )
    said = await _asked(request, "roster.requested", asked, f"account:{data.account}", found.store)
    organisation = organisation_of(request.app.state.parts)
    shifts = await sync_to_thread(
        organisation.shifts, principal_of(request), node=found.node, from_ms=data.from_ms, to_ms=data.to_ms
    )
    return next(one for one in shifts if one.shift == said.shift)


@delete(
    "/shifts/{shift:int}",
    opt={"right": "organisation.write"},
    status_code=204,
    summary="Take a shift off the roster",
    responses=answers(*CHANGES, *REFUSED, "shift_unknown"),
)
async def clear_shift(request: Request, shift: FromPath[int]) -> None:
    """Take a shift off the roster; 404 `shift_unknown` for one of another store."""
    organisation, principal = organisation_of(request.app.state.parts), principal_of(request)
    found = await sync_to_thread(organisation.shift, principal, shift)
    if found is None:
        raise Problem("shift_unknown", f"no shift {shift}")
    await _asked(request, "roster.clear.requested", RosterClearRequested(shift=shift), f"account:{found.account}", 0)


RESOURCES: Final = (
    list_nodes,
    read_node,
    create_node,
    change_node,
    state_node,
    set_calendar,
    list_skills,
    define_skill,
    set_duty,
    list_certificates,
    grant_skill,
    withdraw_skill,
    list_shifts,
    create_shift,
    clear_shift,
)
