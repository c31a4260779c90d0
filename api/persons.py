"""Persons over HTTP: what somebody said of one is taken, found, looked at side by side, verified, and forgotten.

Nothing here sets who is whom. A route appends an intent, or takes a capture down with its intent (storage/vault.py),
and answers with what the business decided.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guards import principal_of
from api.intents import ask
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core import limits
from core.events.identity import (
    CaptureDiscardRequested,
    HouseholdDissolutionRequested,
    HouseholdRequested,
    PersonErasureRequested,
    PersonMatchRequested,
    PersonMergeRequested,
    PersonUnmergeRequested,
    PersonUnreachableRequested,
    PersonVerificationRequested,
)
from core.rights import Principal
from storage.persons import CaptureRow, Dossier, MatchRow, PersonRow, Persons
from storage.vault import NewCapture, Taken, Vault

Source = Literal["counter", "call", "web", "event", "partner"]
Kind = Literal["phone", "name", "id_number", "vin", "plate", "address", "email", "social"]
IMPORT_BYTES_MAX: Final = 1024 * 1024
"""A list of a thousand captures: each with eight attributes in half a kilobyte."""


class CaptureAsked(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody told of a person."""

    source: Source
    traits: dict[Kind, str]
    """Kind of attribute -> as it was written."""
    store: int = 0
    """Whose record it is; 0: the group's own."""
    time_ms: int = 0
    """When it was said; 0: now. A tablet that was offline says when it wrote it down."""
    basis: Literal["contract", "service", "consent", "enquiry", "none"] = "none"
    shared: bool = False
    """A partner's: the person agreed that it is handed on. Without it, it is held in quarantine."""
    person: int = 0
    """Who it is, where that is known; 0: to be found out."""
    seen: dict[Kind, Literal["document", "call"]] = {}
    """What was verified there and then, and how."""
    reference: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """The sender's own number of it: the same again is the same capture."""


class CaptureList(msgspec.Struct, frozen=True):
    """Captures that come together."""

    items: Annotated[list[CaptureAsked], msgspec.Meta(max_length=limits.CAPTURES_AT_ONCE_MAX)]


class TakenList(msgspec.Struct, frozen=True):
    """What became of each, in order."""

    items: list[Taken]


class PersonPage(msgspec.Struct, frozen=True):
    """Persons, the newest first, and where the next page starts."""

    items: list[PersonRow]
    next: int | None


class MatchPage(msgspec.Struct, frozen=True):
    """Pairs that may be one person, the oldest first."""

    items: list[MatchRow]
    next: int | None


class CapturePage(msgspec.Struct, frozen=True):
    """Captures in quarantine, the oldest first."""

    items: list[CaptureRow]
    next: int | None


class Verdict(msgspec.Struct, frozen=True):
    """What somebody decided of two persons."""

    verdict: Literal["same", "different", "household"]


class Other(msgspec.Struct, frozen=True):
    """Another person."""

    person: int


class Value(msgspec.Struct, frozen=True):
    """A value of a person, by its number (`number` of the dossier)."""

    attribute: Kind
    value: int


class Shown(msgspec.Struct, frozen=True):
    """A value that was shown to be theirs."""

    attribute: Kind
    value: int
    method: Literal["document", "call"]


class Basis(msgspec.Struct, frozen=True):
    """On what ground a capture may be used after all."""

    basis: Literal["contract", "service", "consent"]


class Erasure(msgspec.Struct, frozen=True):
    """Why somebody is to be forgotten."""

    reason: Literal["asked", "purpose", "withdrawn", "retention"]


class Household(msgspec.Struct, frozen=True):
    """Persons that belong together."""

    kind: Literal["household", "company"]
    members: Annotated[list[int], msgspec.Meta(min_length=2, max_length=limits.HOUSEHOLD_MEMBERS_MAX)]


class Done(msgspec.Struct, frozen=True):
    """What the business decided."""

    type: str
    event: str


REFUSED: Final = ("intent_refused", "intent_waiting", *CHANGES)


def vault_of(parts: Parts) -> Vault:
    """Return the vault. Raises Problem not_ready where this process has none."""
    if parts.vault is None:
        raise Problem("not_ready", "this process has no vault")
    return parts.vault


def persons_of(parts: Parts) -> Persons:
    """Return what reads persons."""
    return Persons(vault_of(parts))


def may_write_for(principal: Principal, store: int) -> None:
    """Refuse a record of a store that is not the caller's."""
    if not principal.scope.covers(principal.scope.group, store):
        raise Problem("store_outside", f"store {store}")


def dossier_in(parts: Parts, principal: Principal, person: int) -> Dossier:
    """Return all that is known of a person, having said in the audit log that it was looked at. Blocks.

    Raises:
        Problem: person_unknown.
    """
    dossier = persons_of(parts).one(principal, person, whole=principal.may("persons.write"))
    if dossier is None:
        raise Problem("person_unknown", f"no person {person}")
    parts.reader.note(principal, "person", subject=f"person:{dossier.person}", persons=1)
    return dossier


def page_in(parts: Parts, principal: Principal, search: str, after: int, limit: int) -> PersonPage:
    """Return a page of persons, having said so in the audit log. Blocks."""
    items = persons_of(parts).page(principal, after=after, limit=limit, search=search)
    if items:
        parts.reader.note(principal, "search" if search else "person", persons=len(items))
    return PersonPage(items, items[-1].person if len(items) == limit else None)


def matches_in(parts: Parts, principal: Principal, state: str, after: int, limit: int) -> MatchPage:
    """Return a page of pairs, having said so in the audit log. Blocks."""
    items = persons_of(parts).matches(
        principal, state=state, after=after, limit=limit, whole=principal.may("persons.write")
    )
    if items:
        parts.reader.note(principal, "person", persons=2 * len(items))
    return MatchPage(items, items[-1].match if len(items) == limit else None)


def match_in(parts: Parts, principal: Principal, match: int) -> MatchRow:
    """Return a pair. Blocks. Raises Problem match_unknown."""
    row = persons_of(parts).match(principal, match)
    if row is None:
        raise Problem("match_unknown", f"no match {match}")
    return row


async def _seen(parts: Parts, principal: Principal, person: int) -> Dossier:
    return await sync_to_thread(dossier_in, parts, principal, person)


async def _ask(parts: Parts, principal: Principal, type_: str, payload: msgspec.Struct, subject: str) -> Done:
    decision = await ask(parts, principal, type_, payload, subject=subject)
    return Done(decision.type, decision.id)


# --- captures ---------------------------------------------------------------------------------------------------------


@post(
    "/captures",
    opt={"right": "persons.write"},
    summary="Tell of a person",
    responses=answers("store_outside", "person_unknown", *CHANGES),
)
async def take_capture(request: Request[Any, Any, Any], data: JSONBody[CaptureAsked]) -> Taken:
    """Take down what somebody said of a person, and answer whose it is.

    `state`: `new` (nobody known), `linked`, `stated`, `quarantined`, `repeated` (it was here before) or `refused`.
    What does not pass its check stands in `checks` and is kept; it links nobody.
    """
    parts: Parts = request.app.state.parts
    return (await _take(parts, principal_of(request), [data]))[0]


@post(
    "/captures/import",
    opt={"right": "persons.write"},
    summary="Tell of many persons",
    responses=answers("store_outside", "person_unknown", *CHANGES),
    request_max_body_size=IMPORT_BYTES_MAX,
)
async def take_captures(request: Request[Any, Any, Any], data: JSONBody[CaptureList]) -> TakenList:
    """Take down a list, at most 1,000, in one transaction; answers with what became of each, in order."""
    parts: Parts = request.app.state.parts
    return TakenList(await _take(parts, principal_of(request), data.items))


async def _take(parts: Parts, principal: Principal, asked: list[CaptureAsked]) -> list[Taken]:
    for one in asked:
        may_write_for(principal, one.store)
    for person in sorted({one.person for one in asked if one.person}):
        await _seen(parts, principal, person)
    new = [
        NewCapture(
            source=one.source,
            store=one.store,
            time_ms=one.time_ms,
            traits={str(kind): text for kind, text in one.traits.items()},
            basis=one.basis,
            shared=one.shared,
            person=one.person,
            seen={str(kind): how for kind, how in one.seen.items()},
            reference=one.reference,
        )
        for one in asked
    ]
    return await sync_to_thread(vault_of(parts).take, principal, new)


@get(
    "/captures/quarantine",
    opt={"right": "persons.read"},
    summary="Captures in quarantine",
    responses=answers("bad_request", *KEYED),
)
async def list_quarantine(
    request: Request[Any, Any, Any],
    after: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.PERSONS_PAGE_MAX)] = 50,
) -> CapturePage:
    """Return captures that wait for somebody to show the person's consent. What they say is not opened."""
    parts: Parts = request.app.state.parts
    items = await sync_to_thread(lambda: persons_of(parts).quarantined(principal_of(request), after=after, limit=limit))
    return CapturePage(items, items[-1].capture if len(items) == limit else None)


@post(
    "/captures/{capture:int}/release",
    opt={"right": "persons.write"},
    summary="Release a capture",
    responses=answers("capture_unknown", *REFUSED),
)
async def release_capture(request: Request[Any, Any, Any], capture: FromPath[int], data: JSONBody[Basis]) -> Taken:
    """Take a capture out of quarantine, for its consent was shown: it is compared and linked as any other."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def release() -> Taken:
        if not persons_of(parts).holds(principal, capture):
            raise Problem("capture_unknown", f"no capture {capture}")
        try:
            return vault_of(parts).release(principal, capture, data.basis)
        except LookupError:
            raise Problem("capture_unknown", f"no capture {capture}") from None

    return await sync_to_thread(release)


@post(
    "/captures/{capture:int}/discard",
    opt={"right": "persons.write"},
    summary="Discard a capture",
    responses=answers("capture_unknown", *REFUSED),
)
async def discard_capture(request: Request[Any, Any, Any], capture: FromPath[int]) -> Done:
    """Throw away a capture in quarantine, with its key."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    if not await sync_to_thread(lambda: persons_of(parts).holds(principal, capture)):
        raise Problem("capture_unknown", f"no capture {capture}")
    payload = CaptureDiscardRequested(capture=capture)
    return await _ask(parts, principal, "capture.discard.requested", payload, f"capture:{capture}")


# --- persons ----------------------------------------------------------------------------------------------------------


@get("/persons", opt={"right": "persons.read"}, summary="Persons", responses=answers("bad_request", *KEYED))
async def list_persons(
    request: Request[Any, Any, Any],
    search: Annotated[
        str,
        QueryParameter(
            max_length=limits.ATTRIBUTE_CHARACTERS_MAX, description="Telephone or its last four, plate, name …"
        ),
    ] = "",
    after: Annotated[int, QueryParameter(ge=0, description="Go on below this person")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.PERSONS_PAGE_MAX)] = 50,
) -> PersonPage:
    """Return persons of whom the caller's stores have a record, the newest first; numbers are masked."""
    parts: Parts = request.app.state.parts
    return await sync_to_thread(page_in, parts, principal_of(request), search, after, limit)


@get(
    "/persons/{person:int}",
    opt={"right": "persons.read"},
    summary="One person",
    responses=answers("person_unknown", *KEYED),
)
async def read_person(request: Request[Any, Any, Any], person: FromPath[int]) -> Dossier:
    """Return all that is known of a person, each value with who said it; once merged, of whom they were merged into."""
    return await _seen(request.app.state.parts, principal_of(request), person)


@post(
    "/persons/{person:int}/merge",
    opt={"right": "persons.write"},
    summary="Merge two persons",
    responses=answers("person_unknown", *REFUSED),
)
async def merge_persons(request: Request[Any, Any, Any], person: FromPath[int], data: JSONBody[Other]) -> Done:
    """Say that two persons are one. It can be taken back."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    one, other = await _seen(parts, principal, person), await _seen(parts, principal, data.person)
    payload = PersonMergeRequested(person=one.person, other=other.person)
    return await _ask(parts, principal, "person.merge.requested", payload, f"person:{person}")


@post(
    "/persons/{person:int}/unmerge",
    opt={"right": "persons.write"},
    summary="Take a merge back",
    responses=answers("person_unknown", *REFUSED),
)
async def unmerge_person(request: Request[Any, Any, Any], person: FromPath[int]) -> Done:
    """Take back that this person was merged into another: both are as before."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    await _seen(parts, principal, person)
    payload = PersonUnmergeRequested(person=person)
    return await _ask(parts, principal, "person.unmerge.requested", payload, f"person:{person}")


@post(
    "/persons/{person:int}/verify",
    opt={"right": "persons.write"},
    summary="Verify a value",
    responses=answers("person_unknown", *REFUSED),
)
async def verify_value(request: Request[Any, Any, Any], person: FromPath[int], data: JSONBody[Shown]) -> Done:
    """Say that a value was shown to be theirs: by a document, or because they were called there."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    await _seen(parts, principal, person)
    payload = PersonVerificationRequested(person=person, attribute=data.attribute, value=data.value, method=data.method)
    return await _ask(parts, principal, "person.verification.requested", payload, f"person:{person}")


@post(
    "/persons/{person:int}/unreachable",
    opt={"right": "persons.write"},
    summary="Not reached",
    responses=answers("person_unknown", *REFUSED),
)
async def not_reached(request: Request[Any, Any, Any], person: FromPath[int], data: JSONBody[Value]) -> Done:
    """Say that nobody was reached there. The third time in a row the value is no longer used."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    await _seen(parts, principal, person)
    payload = PersonUnreachableRequested(person=person, attribute=data.attribute, value=data.value)
    return await _ask(parts, principal, "person.unreachable.requested", payload, f"person:{person}")


@post(
    "/persons/{person:int}/erase",
    opt={"right": "persons.erase"},
    summary="Forget a person",
    responses=answers("person_unknown", *REFUSED),
)
async def erase_person(request: Request[Any, Any, Any], person: FromPath[int], data: JSONBody[Erasure]) -> Done:
    """Forget a person: their keys, what can be searched by, and where their cars were while theirs. Not taken back."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    dossier = await _seen(parts, principal, person)
    payload = PersonErasureRequested(person=dossier.person, reason=data.reason)
    done = await _ask(parts, principal, "person.erasure.requested", payload, f"person:{dossier.person}")
    # At once, for who asked stands there; the eraser does the positions, and this again where we are killed here.
    await sync_to_thread(vault_of(parts).destroy, [record.capture for record in dossier.records])
    return done


# --- matches and households -------------------------------------------------------------------------------------------


@get("/matches", opt={"right": "persons.read"}, summary="Pairs to look at", responses=answers("bad_request", *KEYED))
async def list_matches(
    request: Request[Any, Any, Any],
    which: Annotated[Literal["open", "decided"], QueryParameter(name="state")] = "open",
    after: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.PERSONS_PAGE_MAX)] = 20,
) -> MatchPage:
    """Return pairs of persons that may be one, with what each field says for it, in bits."""
    parts: Parts = request.app.state.parts
    return await sync_to_thread(matches_in, parts, principal_of(request), which, after, limit)


@post(
    "/matches/{match:int}",
    opt={"right": "persons.write"},
    summary="Decide a pair",
    responses=answers("match_unknown", *REFUSED),
)
async def decide_match(request: Request[Any, Any, Any], match: FromPath[int], data: JSONBody[Verdict]) -> Done:
    """Say whether two persons are one, two, or two of one household."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    row = await sync_to_thread(match_in, parts, principal, match)
    payload = PersonMatchRequested(match=match, verdict=data.verdict)
    return await _ask(parts, principal, "person.match.requested", payload, f"person:{row.person}")


@post(
    "/households",
    opt={"right": "persons.write"},
    summary="Name a household",
    responses=answers("person_unknown", *REFUSED),
)
async def open_household(request: Request[Any, Any, Any], data: JSONBody[Household]) -> Done:
    """Say that persons belong together: a household, or a company."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    for person in data.members:
        await _seen(parts, principal, person)
    payload = HouseholdRequested(kind=data.kind, members=tuple(data.members))
    return await _ask(parts, principal, "household.requested", payload, f"person:{data.members[0]}")


@post(
    "/households/{household:int}/dissolve",
    opt={"right": "persons.write"},
    summary="Dissolve a household",
    responses=answers("household_unknown", *REFUSED),
)
async def dissolve_household(request: Request[Any, Any, Any], household: FromPath[int]) -> Done:
    """Dissolve a household; its members stay who they are."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    if not await sync_to_thread(lambda: persons_of(parts).household_seen(principal, household)):
        raise Problem("household_unknown", f"no household {household}")
    payload = HouseholdDissolutionRequested(household=household)
    return await _ask(parts, principal, "household.dissolution.requested", payload, f"household:{household}")


RESOURCES: Final = (
    take_capture,
    take_captures,
    list_quarantine,
    release_capture,
    discard_capture,
    list_persons,
    read_person,
    merge_persons,
    unmerge_person,
    verify_value,
    not_reached,
    erase_person,
    list_matches,
    decide_match,
    open_household,
    dissolve_household,
)
