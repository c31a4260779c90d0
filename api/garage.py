"""The garage: /vehicles/{id}/garage, …/people, …/record, …/odometer, and /odometers: a car's life beside its positions.

Nothing here writes a row: a change is an intent, and its answer what the garage decided.
"""

import time
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from api.guards import principal_of
from api.intents import ask
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.events import Event
from core.events.garage import (
    CORRECTION_REASONS,
    LINK_ENDS,
    LINK_ROLES,
    LINK_SOURCES,
    READING_SOURCES,
    STATE_REASONS,
    STEPS,
    VEHICLE_STATES,
    OdometerCorrectionRequested,
    OdometerReadingRequested,
    OdometerReviewRequested,
    VehiclePersonRequested,
    VehicleStateRequested,
)
from core.limits import ENTRIES_PAGE_MAX, HELD_PAGE_MAX, ODOMETER_M_MAX
from storage.garage import CarView, DeviceView, EntryView, HeldView, LinkView, Proof
from storage.vehicles import VehicleRow

Role = Literal["owner", "driver", "payer", "emergency"]
Source = Literal["sale", "document", "contract", "workshop", "owner", "call", "web", "partner", "import"]
Ending = Literal["sold", "left", "mistaken"]
State = Literal["pre_delivery", "in_use", "stolen", "recovered", "for_sale", "scrapped"]
StateReason = Literal[
    "delivered", "reported", "police", "found", "returned", "offered", "withdrawn", "total_loss", "dismantled",
    "mistaken",
]  # fmt: skip
ReadingSource = Literal["workshop", "fitting", "inspection", "owner", "import"]
Correction = Literal["cluster_replaced", "device_wrong", "typing", "unit", "document", "tampered"]
assert (get_args(Role), get_args(Source), get_args(State)) == (LINK_ROLES, LINK_SOURCES, VEHICLE_STATES)
assert (get_args(ReadingSource), get_args(Correction)) == (READING_SOURCES, CORRECTION_REASONS)
assert {*get_args(Ending)} < {*LINK_ENDS}
assert {*STATE_REASONS} - {*get_args(StateReason)} == {"driven", "owner"}

Person = Annotated[int, Meta(ge=1, lt=1 << 53)]
Moment = Annotated[int, Meta(ge=0, lt=1 << 53)]
Kilometres = Annotated[float, Meta(ge=0, le=ODOMETER_M_MAX // 1000)]


class GarageCar(msgspec.Struct, frozen=True, kw_only=True):
    """A car's life: its state, its owner, where it stands, what speaks for it."""

    car: CarView
    steps: list[str]
    """States that it can come to from here."""
    devices: list[DeviceView]
    held: list[HeldView]
    """Readings that wait for a person."""


class LinkAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person who is, or was, something to the car."""

    person: Person
    role: Role
    source: Source = "workshop"
    verified: bool = False
    """Shown by a document or a code, not only said."""
    from_ms: Moment = 0
    """Since when; 0: now."""
    to_ms: Moment = 0
    """Until when, of what is over; 0: it lasts."""


class VerifyAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link that was proposed, and how it was shown to be true."""

    person: Person
    role: Role
    source: Source = "document"


class EndAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A link that is over."""

    person: Person
    role: Role
    reason: Ending = "left"
    to_ms: Moment = 0
    """Since when; 0: now."""


class StateAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A step of a car's life."""

    state: State
    reason: StateReason


class ReadingAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody has read."""

    odometer_km: Kilometres
    source: ReadingSource = "workshop"
    read_ms: Moment = 0
    """When; 0: now."""


class CorrectionAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the car stands, whatever it said."""

    odometer_km: Kilometres
    reason: Correction


class ReviewAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of a held reading."""

    held: Annotated[int, Meta(ge=1)]
    verdict: Literal["accepted", "dismissed"]
    reason: Correction = "device_wrong"
    """Of an acceptance."""


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided, as the log has it."""

    event: str
    seq: int
    type: str
    time_ms: int
    decided: Any
    """The payload of that event."""


class People(msgspec.Struct, frozen=True):
    """Who is and was what to a car."""

    vehicle_id: int
    items: list[LinkView]


class Record(msgspec.Struct, frozen=True):
    """A car's health record, the newest entry first, and where the next page starts."""

    items: list[EntryView]
    next: int | None
    """Hand it back as `before`; null on the last page."""


class Proved(msgspec.Struct, frozen=True):
    """Whether a car's health record is what was written."""

    vehicle_id: int
    proof: Proof


class HeldPage(msgspec.Struct, frozen=True):
    """Readings by vehicle and number, and where the next page starts."""

    items: list[HeldView]
    next: str | None
    """Hand it back as `after`; null on the last page."""


@get(
    "/vehicles/{vehicle_id:int}/garage",
    opt={"right": "vehicles.read"},
    summary="A car's life",
    responses=answers("vehicle_unknown", *KEYED),
)
async def read_garage(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> GarageCar:
    """Return a car's state, owner, odometer, last trip, terminals over time, and readings that wait for a person."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> GarageCar:
        car = parts.garage.car(principal, vehicle_id)
        if car is None:
            raise unknown(vehicle_id)
        return GarageCar(
            car=car,
            steps=list(STEPS[car.state]),
            devices=parts.garage.devices(principal, vehicle_id),
            held=parts.garage.held(principal, vehicle_id=vehicle_id),
        )

    return await sync_to_thread(read)


@get(
    "/vehicles/{vehicle_id:int}/people",
    opt={"right": "vehicles.read"},
    summary="Owners and drivers over time",
    responses=answers("vehicle_unknown", *KEYED),
)
async def read_people(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> People:
    """Return who is and was owner, driver, payer and emergency contact of a car, the newest first. By number: names are
    at /persons, for who may see them."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    await _car(parts, request, vehicle_id)
    return People(vehicle_id, await sync_to_thread(parts.garage.people, principal, vehicle_id))


@post(
    "/vehicles/{vehicle_id:int}/people",
    opt={"right": "vehicles.write"},
    status_code=200,
    summary="Link a person to a car",
    responses=answers("vehicle_unknown", "intent_refused", *CHANGES),
)
async def link_person(request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[LinkAsked]) -> Decided:
    """Link a person to a car, from a moment on, or for a time that is over.

    A car has one owner at a time: a new one ends the one before, and who was driver, payer or emergency contact with
    them.
    """
    asked = VehiclePersonRequested(
        vehicle_id=vehicle_id, person=data.person, role=data.role, source=data.source, verified=data.verified,
        from_ms=data.from_ms, to_ms=data.to_ms,
    )  # fmt: skip
    return await _ask(request, vehicle_id, "vehicle.person.requested", asked)


@post(
    "/vehicles/{vehicle_id:int}/people/verify",
    opt={"right": "vehicles.write"},
    status_code=200,
    summary="Verify a link",
    responses=answers("vehicle_unknown", "intent_refused", *CHANGES),
)
async def verify_person(
    request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[VerifyAsked]
) -> Decided:
    """Say that a link which was proposed has been shown to be true."""
    asked = VehiclePersonRequested(
        vehicle_id=vehicle_id, person=data.person, role=data.role, action="verify", source=data.source
    )
    return await _ask(request, vehicle_id, "vehicle.person.requested", asked)


@post(
    "/vehicles/{vehicle_id:int}/people/end",
    opt={"right": "vehicles.write"},
    status_code=200,
    summary="End a link",
    responses=answers("vehicle_unknown", "intent_refused", *CHANGES),
)
async def end_person(request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[EndAsked]) -> Decided:
    """End what a person is to a car. Their history with it stays."""
    asked = VehiclePersonRequested(
        vehicle_id=vehicle_id, person=data.person, role=data.role, action="end", reason=data.reason, to_ms=data.to_ms
    )
    return await _ask(request, vehicle_id, "vehicle.person.requested", asked)


@post(
    "/vehicles/{vehicle_id:int}/state",
    opt={"right": "vehicles.write"},
    status_code=200,
    summary="Change a car's state",
    responses=answers("vehicle_unknown", "intent_refused", *CHANGES),
)
async def change_state(
    request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[StateAsked]
) -> Decided:
    """Let a car take a step of its life. `steps` of /vehicles/{id}/garage says which there are; others are refused."""
    asked = VehicleStateRequested(vehicle_id=vehicle_id, state=data.state, reason=data.reason)
    return await _ask(request, vehicle_id, "vehicle.state.requested", asked)


@post(
    "/vehicles/{vehicle_id:int}/odometer",
    opt={"right": "vehicles.write"},
    status_code=200,
    summary="Enter a reading of the odometer",
    responses=answers("vehicle_unknown", "from_future", "intent_refused", *CHANGES),
)
async def enter_reading(
    request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[ReadingAsked]
) -> Decided:
    """Enter what somebody has read. Mileage goes on from there (`odometer.read`).

    A reading lower than where the car stands, or farther than it can have come since, overwrites nothing: it is held
    for a person to decide (`odometer.held`).
    """
    if data.read_ms > time.time_ns() // 1_000_000:
        raise Problem("from_future", field="read_ms")
    asked = OdometerReadingRequested(
        vehicle_id=vehicle_id, odometer_m=round(data.odometer_km * 1000), source=data.source
    )
    return await _ask(request, vehicle_id, "odometer.reading.requested", asked, time_ms=data.read_ms or None)


@post(
    "/vehicles/{vehicle_id:int}/odometer/correction",
    opt={"right": "vehicles.write"},
    status_code=200,
    summary="Correct an odometer",
    responses=answers("vehicle_unknown", "intent_refused", *CHANGES),
)
async def correct_odometer(
    request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[CorrectionAsked]
) -> Decided:
    """Set where a car stands, up or down, and sign for it. Needs a person's account: the node's key does not sign."""
    asked = OdometerCorrectionRequested(
        vehicle_id=vehicle_id, odometer_m=round(data.odometer_km * 1000), reason=data.reason
    )
    return await _ask(request, vehicle_id, "odometer.correction.requested", asked)


@post(
    "/vehicles/{vehicle_id:int}/odometer/review",
    opt={"right": "vehicles.write"},
    status_code=200,
    summary="Decide on a held reading",
    responses=answers("vehicle_unknown", "intent_refused", *CHANGES),
)
async def review_reading(
    request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[ReviewAsked]
) -> Decided:
    """Accept a held reading, which corrects the odometer by the difference, or dismiss it. Needs a person's account."""
    asked = OdometerReviewRequested(
        vehicle_id=vehicle_id, held=data.held, verdict=data.verdict,
        reason=data.reason if data.verdict == "accepted" else "",
    )  # fmt: skip
    return await _ask(request, vehicle_id, "odometer.review.requested", asked)


@get(
    "/vehicles/{vehicle_id:int}/record",
    opt={"right": "vehicles.read"},
    summary="A car's health record",
    responses=answers("bad_request", "vehicle_unknown", *KEYED),
)
async def read_record(
    request: Request[Any, Any, Any],
    vehicle_id: FromPath[int],
    before: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Number of an entry to go on below")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=ENTRIES_PAGE_MAX, description="Most entries on this page")] = 100,
) -> Record:
    """Return the entries of a car's health record, the newest first: each with its hash, which holds the one before."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    await _car(parts, request, vehicle_id)
    items = await sync_to_thread(lambda: parts.garage.record(principal, vehicle_id, before=before, limit=limit))
    return Record(items, items[-1].number if len(items) == limit and items[-1].number > 1 else None)


@get(
    "/vehicles/{vehicle_id:int}/record/proof",
    opt={"right": "vehicles.read"},
    summary="Whether a health record is what was written",
    responses=answers("vehicle_unknown", *KEYED),
)
async def prove_record(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Proved:
    """Reckon a car's health record over, entry by entry, and compare it with what the event log was told.

    `broken` is the first entry that is not what was written, `why` says how that shows.
    """
    parts: Parts = request.app.state.parts
    proof = await sync_to_thread(parts.garage.proof, principal_of(request), vehicle_id)
    if proof is None:
        raise unknown(vehicle_id)
    return Proved(vehicle_id, proof)


@get(
    "/odometers/held",
    opt={"right": "vehicles.read"},
    summary="Readings that wait for a person",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_held(
    request: Request[Any, Any, Any],
    after: Annotated[
        str, QueryParameter(pattern=r"^([01]:\d{1,10}:\d{1,10})?$", description="`next` of the last page")
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=HELD_PAGE_MAX, description="Most readings on this page")] = 100,
    state_: Annotated[
        Literal["open", "accepted", "dismissed"], QueryParameter(name="state", description="What became of them")
    ] = "open",
) -> HeldPage:
    """Return readings of your cars that did not fit to where they stood, by vehicle."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    return await sync_to_thread(held_page, parts, principal, after, limit, state_)


def held_page(parts: Parts, principal: Any, after: str, limit: int, state: str) -> HeldPage:
    """Return a page of held readings. Blocks."""
    decided, vehicle, number = (int(part) for part in (after or "0:0:0").split(":"))
    items = parts.garage.held(principal, after=(decided, vehicle, number), limit=limit, state=state)
    return HeldPage(items, cursor_of(items[-1]) if len(items) == limit else None)


def cursor_of(last: HeldView) -> str:
    """Return the cursor behind a held reading."""
    return ":".join(str(part) for part in last.place)


async def _car(parts: Parts, request: Request[Any, Any, Any], vehicle_id: int) -> VehicleRow:
    row = await sync_to_thread(parts.vehicles.one, principal_of(request), vehicle_id)
    if row is None:
        raise unknown(vehicle_id)
    return row


def unknown(vehicle_id: int) -> Problem:
    """Return that there is no such car for whoever asks."""
    return Problem("vehicle_unknown", f"no vehicle {vehicle_id}")


async def _ask(
    request: Request[Any, Any, Any],
    vehicle_id: int,
    type_: str,
    payload: msgspec.Struct,
    *,
    time_ms: int | None = None,
) -> Decided:
    """Ask for something about a car of the asker's stores; return what was decided."""
    parts: Parts = request.app.state.parts
    row = await _car(parts, request, vehicle_id)
    decision: Event = await ask(
        parts,
        principal_of(request),
        type_,
        payload,
        subject=f"vehicle:{vehicle_id}",
        store=row.store.id,
        idempotency_key=request.headers.get("idempotency-key", "")[:100],
        time_ms=time_ms,
    )
    return Decided(
        event=decision.id, seq=decision.seq, type=decision.type, time_ms=decision.time_ms, decided=decision.payload
    )


RESOURCES: Final = (
    read_garage,
    read_people,
    link_person,
    verify_person,
    end_person,
    change_state,
    enter_reading,
    correct_odometer,
    review_reading,
    read_record,
    prove_record,
    list_held,
)
