"""Consents under /api/v1: what persons allow, the texts they agree to, withdrawals with their proof, and break-glass.

Nothing here sets a row: a route asks, the actor consent decides, and the answer is its decision (docs/consents.md).
"""

from typing import Annotated, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from api.guards import person_of, principal_of
from api.intents import ask
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core import limits
from core.data_classes import CHANNELS, CONSENTED
from core.events import Event
from core.events.consent import (
    GLASS_FINDINGS,
    GLASS_REASONS,
    Cell,
    ConsentAskRequested,
    ConsentGiveRequested,
    ConsentTextRequested,
    ConsentWithdrawalRequested,
    ContactBarRequested,
    GlassRequested,
    GlassReviewRequested,
)
from core.rights import Principal
from storage.consents import ConsentRow, Consents, GlassRow, PersonConsents, TextRow

Purpose = Literal["care", "marketing", "research", "partner"]
Word = Annotated[str, Meta(max_length=40)]
Evidence = Annotated[str, Meta(max_length=limits.CONSENT_EVIDENCE_CHARACTERS_MAX)]
Title = Annotated[str, Meta(min_length=1, max_length=120)]
Body = Annotated[str, Meta(min_length=1, max_length=limits.CONSENT_BODY_CHARACTERS_MAX)]
STORY_MAX: Final = 500
assert set(Purpose.__args__) == set(CONSENTED)  # type: ignore[attr-defined]


class NewText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text, or its next version."""

    text: Annotated[str, Meta(pattern="^[a-z0-9-]{1,40}$")]
    purpose: Purpose
    cells: Annotated[tuple[Cell, ...], Meta(min_length=1, max_length=limits.CONSENT_CELLS_MAX)]
    title_zh: Title
    title_en: Title
    body_zh: Body
    body_en: Body
    valid_days: Annotated[int, Meta(ge=0, le=limits.CONSENT_DAYS_MAX)] = 0
    renew: bool = False
    """Consents to earlier versions are over, and must be asked for anew."""


class GiveAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person agreed to, and what shows it."""

    text: Word
    version: Annotated[int, Meta(ge=1, le=10_000)]
    evidence: Evidence
    """kind:number, as form:8812 or call:17."""
    cells: Annotated[tuple[Cell, ...], Meta(max_length=limits.CONSENT_CELLS_MAX)] = ()
    """Only this of it; empty: all of it."""
    expires_ms: Annotated[int, Meta(ge=0, le=2**53)] = 0


class AskAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which text a person has before them."""

    text: Word


class WithdrawAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person takes back; what is empty is all of it."""

    purpose: Purpose | Literal[""] = ""
    data_class: Word = ""
    channel: Word = ""
    evidence: Evidence = ""


class BarAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which channel a person is not to be contacted; empty: by none."""

    channel: Word = ""
    barred: bool = True
    evidence: Evidence = ""


class GlassAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why somebody must see where a car is."""

    vehicle_id: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    incident: Annotated[str, Meta(min_length=1, max_length=limits.CONSENT_EVIDENCE_CHARACTERS_MAX)]
    """Id of the event that it is about, or the number of a case."""
    reason: Literal["crash", "sos", "theft", "breakdown", "missing", "authority"]
    minutes: Annotated[int, Meta(ge=1, le=limits.GLASS_MINUTES_MAX)] = 60


class ReviewAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a review says."""

    finding: Literal["justified", "unjustified"]


assert set(GlassAsked.__annotations__["reason"].__args__) == set(GLASS_REASONS)
assert set(ReviewAsked.__annotations__["finding"].__args__) == set(GLASS_FINDINGS)
assert "" not in CHANNELS


class ConsentPage(msgspec.Struct, frozen=True):
    """Consents by person, and where the next page starts."""

    items: list[ConsentRow]
    next: str | None
    """Hand it back as `after`; null on the last page."""


class Texts(msgspec.Struct, frozen=True):
    """Every version of every text."""

    items: list[TextRow]


class GlassPage(msgspec.Struct, frozen=True):
    """Looks, the newest first."""

    items: list[GlassRow]
    next: int | None
    """Hand it back as `before`; null on the last page."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What followed from a withdrawal: everything of its story in the log, and the chain that it stands in."""

    withdrawal: str
    """Id of the intent."""
    person: int
    events: list[Event]
    broken: int
    """0: the person's chain holds; else the number of its first record that does not."""


@get(
    "/consents", opt={"right": "consents.read"}, summary="Consents", responses=answers("bad_request", *KEYED), raises=[]
)
async def list_consents(
    request: Request,
    after: Annotated[str, QueryParameter(max_length=120)] = "",
    person: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Only this person's")] = 0,
    purpose: Annotated[Purpose | None, QueryParameter(description="Only for this")] = None,
    state_: Annotated[
        Literal["asked", "given", "held", "withdrawn", "expired"] | None, QueryParameter(name="state")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="Most consents on this page")] = 100,
) -> ConsentPage:
    """Return what persons of your stores allow or allowed, by person."""
    parts: Parts = request.app.state.parts
    items = await sync_to_thread(
        Consents(parts.reader.database).page, principal_of(request), after=place_of(after), person=person,
        purpose=purpose or "", state=state_ or "", limit=limit,
    )  # fmt: skip
    return ConsentPage(items, place_in(items[-1]) if len(items) == limit else None)


@get(
    "/persons/{person:int}/consents",
    opt={"right": "consents.read"},
    summary="What a person allows",
    responses=answers("person_consents_unknown", *KEYED),
)
async def read_consents(request: Request, person: FromPath[int]) -> PersonConsents:
    """Return all that a person said of what may be known of them, with the chain of it, verified."""
    return await sync_to_thread(found, request.app.state.parts, principal_of(request), person)


@post(
    "/persons/{person:int}/consents",
    opt={"right": "consents.write"},
    status_code=200,
    summary="Write down that a person agrees",
    responses=answers("person_consents_unknown", "intent_refused", "intent_waiting", *CHANGES),
)
async def give_consent(request: Request, person: FromPath[int], data: JSONBody[GiveAsked]) -> PersonConsents:
    """Take down that a person agrees to a text, or to a part of it. What happened before stays closed."""
    payload = ConsentGiveRequested(
        person=person, text=data.text, version=data.version, evidence=data.evidence, cells=data.cells,
        expires_ms=data.expires_ms,
    )  # fmt: skip
    return await _said(request, person, "consent.give.requested", payload)


@post(
    "/persons/{person:int}/consents/asked",
    opt={"right": "consents.write"},
    status_code=200,
    summary="Write down that a person was asked",
    responses=answers("person_consents_unknown", "intent_refused", "intent_waiting", *CHANGES),
)
async def ask_consent(request: Request, person: FromPath[int], data: JSONBody[AskAsked]) -> PersonConsents:
    """Note that a person has a text before them, and has not answered yet."""
    return await _said(request, person, "consent.ask.requested", ConsentAskRequested(person=person, text=data.text))


@post(
    "/persons/{person:int}/consents/withdrawals",
    opt={"right": "consents.write"},
    status_code=200,
    summary="Take consents back",
    responses=answers("person_consents_unknown", "intent_refused", "intent_waiting", *CHANGES),
)
async def withdraw_consent(request: Request, person: FromPath[int], data: JSONBody[WithdrawAsked]) -> Proof:
    """End what a person takes back. It counts when this answers; the answer is its proof."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    await sync_to_thread(found, parts, principal, person)
    payload = ConsentWithdrawalRequested(
        person=person, purpose=data.purpose, data_class=data.data_class, channel=data.channel, evidence=data.evidence
    )
    decision = await _decided(request, person, "consent.withdrawal.requested", payload)
    return await sync_to_thread(proof_of, parts, principal, person, decision.answers)


@get(
    "/persons/{person:int}/consents/withdrawals/{withdrawal:str}",
    opt={"right": "consents.read"},
    summary="What followed from a withdrawal",
    responses=answers("person_consents_unknown", *KEYED),
)
async def read_proof(request: Request, person: FromPath[int], withdrawal: FromPath[str]) -> Proof:
    """Return everything in the log that a withdrawal made happen, as of now."""
    parts: Parts = request.app.state.parts
    return await sync_to_thread(proof_of, parts, principal_of(request), person, withdrawal[:64])


@post(
    "/persons/{person:int}/contact-bars",
    opt={"right": "consents.write"},
    status_code=200,
    summary="Do not contact a person",
    responses=answers("person_consents_unknown", "intent_refused", "intent_waiting", *CHANGES),
)
async def bar_contact(request: Request, person: FromPath[int], data: JSONBody[BarAsked]) -> PersonConsents:
    """Let a person not be contacted by a channel, or by any; or be contacted again. Safety goes through every bar."""
    payload = ContactBarRequested(person=person, channel=data.channel, barred=data.barred, evidence=data.evidence)
    return await _said(request, person, "consent.contact.requested", payload)


@get("/consents/texts", opt={"right": "consents.read"}, summary="Texts to agree to", responses=answers(*KEYED))
async def list_texts(request: Request) -> Texts:
    """Return every version of every text of the group; the newest of each alone can be agreed to."""
    parts: Parts = request.app.state.parts
    return Texts(await sync_to_thread(Consents(parts.reader.database).texts, principal_of(request)))


@post(
    "/consents/texts",
    opt={"right": "consents.publish"},
    status_code=200,
    summary="Publish a text",
    responses=answers("group_only", "intent_refused", "intent_waiting", *CHANGES),
)
async def publish_text(request: Request, data: JSONBody[NewText]) -> Texts:
    """Publish a text that people can agree to, or its next version. It asks for nothing its purpose may not hold."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    if principal.scope.stores is not None:
        raise Problem("group_only", "texts are the whole group's")
    payload = msgspec.convert(msgspec.structs.asdict(data), ConsentTextRequested)
    await ask(parts, principal, "consent.text.requested", payload, subject=f"consent-text:{data.text}")
    return Texts(await sync_to_thread(Consents(parts.reader.database).texts, principal))


@get(
    "/breakglass",
    opt={"right": "breakglass.review"},
    summary="Emergency looks",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_glasses(
    request: Request,
    before: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="`next` of the page before")] = 0,
    state_: Annotated[
        Literal["opened", "used", "ended", "overdue", "closed"] | None, QueryParameter(name="state")
    ] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="Most looks on this page")] = 100,
) -> GlassPage:
    """Return who looked where a car was because of an incident, the newest first."""
    parts: Parts = request.app.state.parts
    read = Consents(parts.reader.database).glasses
    items = await sync_to_thread(read, principal_of(request), before=before, state=state_ or "", limit=limit)
    return GlassPage(items, items[-1].id if len(items) == limit else None)


@post(
    "/breakglass",
    opt={"right": "breakglass.open"},
    status_code=200,
    summary="See where a car is in an emergency",
    responses=answers("vehicle_unknown", "session_needed", "intent_refused", "intent_waiting", *CHANGES),
)
async def open_glass(request: Request, data: JSONBody[GlassAsked]) -> GlassRow:
    """Break the glass for a car of your stores: you see exactly where it is until it ends. Each look is written down,
    and somebody else reviews it."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    vehicle = await sync_to_thread(parts.vehicles.one, principal, data.vehicle_id)
    if vehicle is None:
        raise Problem("vehicle_unknown", f"no vehicle {data.vehicle_id}")
    person_of(request)
    payload = GlassRequested(
        vehicle_id=data.vehicle_id, incident=data.incident, reason=data.reason, minutes=data.minutes
    )
    decision = await ask(
        parts, principal, "breakglass.requested", payload, subject=f"vehicle:{data.vehicle_id}",
        store=vehicle.store.id, purpose="safety",
    )  # fmt: skip
    return await sync_to_thread(_glass, parts, principal, decision.payload.glass)


@post(
    "/breakglass/{number:int}/review",
    opt={"right": "breakglass.review"},
    status_code=200,
    summary="Review an emergency look",
    responses=answers("breakglass_unknown", "session_needed", "intent_refused", "intent_waiting", *CHANGES),
)
async def review_glass(request: Request, number: FromPath[int], data: JSONBody[ReviewAsked]) -> GlassRow:
    """Say whether a look of somebody else was justified; it is closed by that."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    row = await sync_to_thread(_glass, parts, principal, number)
    person_of(request)
    payload = GlassReviewRequested(glass=row.id, finding=data.finding)
    await ask(
        parts, principal, "breakglass.review.requested", payload, subject=f"breakglass:{row.id}", purpose="safety"
    )
    return await sync_to_thread(_glass, parts, principal, number)


def found(parts: Parts, principal: Principal, person: int) -> PersonConsents:
    """Return what a person said. Blocks. Raises Problem person_consents_unknown."""
    one = Consents(parts.reader.database).person(principal, person) if 0 < person < 2**31 else None
    if one is None:
        raise Problem("person_consents_unknown", f"no person {person}")
    return one


def proof_of(parts: Parts, principal: Principal, person: int, withdrawal: str) -> Proof:
    """Return what followed from a withdrawal. Blocks. Raises Problem person_consents_unknown."""
    one = found(parts, principal, person)
    # Whoever sees the person sees the whole story, also of cars in other stores: it holds numbers only.
    whole = msgspec.structs.replace(principal, scope=msgspec.structs.replace(principal.scope, stores=None))
    events = parts.reader.story(whole, withdrawal, STORY_MAX)
    asked = events[0].payload if events else None
    if not isinstance(asked, ConsentWithdrawalRequested) or asked.person != person:
        raise Problem("person_consents_unknown", "that is no withdrawal of this person")
    return Proof(withdrawal=withdrawal, person=person, events=events, broken=one.broken)


def place_in(row: ConsentRow) -> str:
    """Return where a page ends, as `after` takes it."""
    return f"{row.person}.{row.purpose}.{row.data_class}.{row.channel}"


def place_of(after: str) -> tuple[int, str, str, str]:
    """Return where to go on. Raises Problem bad_request."""
    if not after:
        return (0, "", "", "")
    person, *rest = after.split(".")
    if len(rest) != 3 or not (person.isascii() and person.isdigit() and len(person) < 11):
        raise Problem("bad_request", "after: no place in a list of consents", field="after")
    return (int(person), rest[0], rest[1], rest[2])


async def _decided(request: Request, person: int, type_: str, payload: msgspec.Struct) -> Event:
    principal = principal_of(request)
    stores = principal.scope.stores
    store = stores[0] if stores and len(stores) == 1 else 0
    return await ask(request.app.state.parts, principal, type_, payload, subject=f"person:{person}", store=store)


async def _said(request: Request, person: int, type_: str, payload: msgspec.Struct) -> PersonConsents:
    """Ask, and return what the person allows after it."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    await sync_to_thread(found, parts, principal, person)
    await _decided(request, person, type_, payload)
    return await sync_to_thread(found, parts, principal, person)


def _glass(parts: Parts, principal: Principal, number: int) -> GlassRow:
    row = Consents(parts.reader.database).glass(principal, number)
    if row is None:
        raise Problem("breakglass_unknown", f"no emergency look {number}")
    return row


RESOURCES: Final = (
    list_consents,
    read_consents,
    give_consent,
    ask_consent,
    withdraw_consent,
    read_proof,
    bar_contact,
    list_texts,
    publish_text,
    list_glasses,
    open_glass,
    review_glass,
)
