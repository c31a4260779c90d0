"""Arming: /vehicles/{id}/guard and /guards: which cars may not be moved, and which are suspected to be stolen."""

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from api.guards import principal_of
from api.parts import Parts
from api.positions import DEGREE_1E7
from api.problems import CHANGES, KEYED, Problem, answers
from core.arming import DAYS_ALL, Schedule
from core.events import TheftSuspected
from core.events.guard import SETTLED_REASONS
from core.kernels.track import STANDING_KMH10
from core.limits import ARMED_RADIUS_M_MAX, ARMED_RADIUS_M_MIN, VEHICLES_PAGE_MAX
from core.rights import PRECISION_1E7, Principal
from storage.guard import GuardFaultError, GuardUnknownError, GuardView, State

Minute = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Day = Annotated[int, Meta(ge=1, le=7)]
Reason = Literal["owner", "towed", "workshop", "mistaken", "recovered"]
Radius = Annotated[int, Meta(ge=ARMED_RADIUS_M_MIN, le=ARMED_RADIUS_M_MAX)]
assert (*get_args(Reason), "disarmed") == SETTLED_REASONS
STATUS_IGNITION: Final = 1


class ArmAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to arm a car."""

    now: bool = True
    """From now on, until it is disarmed; false: only the schedule changes."""
    radius_m: Radius = 100
    nightly: bool | msgspec.UnsetType = msgspec.UNSET
    """Give it a schedule (true), or take it away (false); not named: it stays as it is."""
    begins: Minute = "22:00"
    ends: Minute = "06:00"
    """By the clock of the car's store; over midnight where the end is not later."""
    days: tuple[Day, ...] = (1, 2, 3, 4, 5, 6, 7)
    """On which it begins, 1 Monday to 7 Sunday."""


class DisarmAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to disarm a car."""

    keep_schedule: bool = True
    """False: it is not armed on later nights either."""
    reason: Reason | Literal["disarmed"] = "disarmed"
    """Why, where something was suspected."""


class SettleAsked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a suspicion is over."""

    reason: Reason


class Nights(msgspec.Struct, frozen=True, kw_only=True):
    """When a car is armed by itself, by the clock of its store."""

    begins: str
    ends: str
    days: list[int]
    suspended_until_ms: int | None
    """It rests until then, because the car was disarmed that night."""


class Suspicion(msgspec.Struct, frozen=True, kw_only=True):
    """What is suspected of a car."""

    since_ms: int
    event: str
    """Id of the newest theft.suspected; its story is at /events."""
    seq: int
    """Its number; 0 and no particulars: you may not see events of this kind."""
    seen: TheftSuspected | None


class GuardItem(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a car is armed, where and when, and what is suspected of it."""

    vehicle_id: int
    plate: str
    store: int
    time_zone: str
    armed: bool
    """Now, by hand or by its schedule."""
    armed_since_ms: int | None
    """By hand; null: not by hand."""
    lat: float | None
    lon: float | None
    """The place that it may not leave (WGS-84); null: where it is parked, or you may not see positions."""
    radius_m: int
    nights: Nights | None
    changed_ms: int | None
    changed_by: str
    """When and by whom it was armed or disarmed last: `account:` and a number, or `node`."""
    suspicion: Suspicion | None


class GuardPage(msgspec.Struct, frozen=True):
    """Cars by id, and where the next page starts."""

    items: list[GuardItem]
    next: int | None
    """Hand it back as `after`; null on the last page."""


@get(
    "/guards",
    opt={"right": "vehicles.read"},
    summary="Armed cars and suspected thefts",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_guards(
    request: Request,
    after: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Vehicle id to go on behind")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=VEHICLES_PAGE_MAX, description="Most cars on this page")] = 100,
    state_: Annotated[
        State | None,
        QueryParameter(name="state", description="Only armed ones, only those with a schedule, or only suspected ones"),
    ] = None,
) -> GuardPage:
    """Return the cars of your stores that are armed, have a schedule, or are suspected to be stolen, by id."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    return await sync_to_thread(page_of, parts, principal, state_, after, limit)


@get(
    "/vehicles/{vehicle_id:int}/guard",
    opt={"right": "vehicles.read"},
    summary="Whether a car is armed",
    responses=answers("vehicle_unknown", *KEYED),
)
async def read_guard(request: Request, vehicle_id: FromPath[int]) -> GuardItem:
    """Return whether a car is armed, and what is suspected of it."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    return await _answer(parts, principal, lambda: parts.registry.guards.one(principal, vehicle_id))


@post(
    "/vehicles/{vehicle_id:int}/guard/arm",
    opt={"right": "vehicles.guard"},
    status_code=200,
    summary="Arm a car",
    responses=answers("vehicle_unknown", "vehicle_in_use", "guard_invalid", *CHANGES),
)
async def arm_vehicle(request: Request, vehicle_id: FromPath[int], data: JSONBody[ArmAsked]) -> GuardItem:
    """Arm a car where it stands, or give it nights, or both.

    Armed, it is suspected to be stolen when it is moved, started, opened, cut from power or silent. A car that is being
    driven is refused (409 `vehicle_in_use`): it would be suspected at once. Nights arm it once it is parked.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    schedule: Schedule | msgspec.UnsetType | None = msgspec.UNSET
    if data.nightly is not msgspec.UNSET:
        days = sum(1 << day - 1 for day in set(data.days)) & DAYS_ALL
        schedule = Schedule(from_minute=_minute(data.begins), to_minute=_minute(data.ends), days=days)
        schedule = schedule if data.nightly else None

    def arm() -> GuardView:
        guards = parts.registry.guards
        guards.one(principal, vehicle_id)
        place = _place(parts, principal, vehicle_id) if data.now else None
        return guards.arm(
            principal, vehicle_id, place=place, radius_m=data.radius_m, by_hand=data.now, schedule=schedule
        )

    return await _answer(parts, principal, arm)


@post(
    "/vehicles/{vehicle_id:int}/guard/disarm",
    opt={"right": "vehicles.guard"},
    status_code=200,
    summary="Disarm a car",
    responses=answers("vehicle_unknown", *CHANGES),
)
async def disarm_vehicle(request: Request, vehicle_id: FromPath[int], data: JSONBody[DisarmAsked]) -> GuardItem:
    """Disarm a car. Nights stay, and rest until the morning; what was suspected is over (`theft.cleared`)."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    return await _answer(
        parts,
        principal,
        lambda: parts.registry.guards.disarm(
            principal, vehicle_id, keep_schedule=data.keep_schedule, reason=data.reason
        ),
    )


@post(
    "/vehicles/{vehicle_id:int}/guard/settle",
    opt={"right": "vehicles.guard"},
    status_code=200,
    summary="End a suspicion",
    responses=answers("vehicle_unknown", "suspicion_none", *CHANGES),
)
async def settle_suspicion(request: Request, vehicle_id: FromPath[int], data: JSONBody[SettleAsked]) -> GuardItem:
    """Say why what was suspected of a car is over (`theft.cleared`); it stays armed as it is."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    return await _answer(parts, principal, lambda: parts.registry.guards.settle(principal, vehicle_id, data.reason))


def page_of(parts: Parts, principal: Principal, state: State | None, after: int = 0, limit: int = 100) -> GuardPage:
    """Return a page of the list. Blocks."""
    views = parts.registry.guards.page(principal, state, after=after, limit=limit)
    return GuardPage(
        [item_of(parts, principal, view) for view in views], views[-1].vehicle_id if len(views) == limit else None
    )


def item_of(parts: Parts, principal: Principal, view: GuardView) -> GuardItem:
    """Return what is set for a car as this principal may see it. Blocks."""
    step = PRECISION_1E7.get(principal.scope.precision) if principal.may("positions.read") else None
    lat, lon = (
        None if step is None or value is None else round(value / step) * step / DEGREE_1E7
        for value in (view.lat_1e7, view.lon_1e7)
    )
    nights = None
    if view.schedule is not None:
        nights = Nights(
            begins=_text(view.schedule.from_minute),
            ends=_text(view.schedule.to_minute),
            days=[day for day in range(1, 8) if view.schedule.days >> day - 1 & 1],
            suspended_until_ms=view.suspended_ms or None,
        )
    suspicion = None
    if view.theft_event:
        may = principal.may("events.read")
        event = parts.reader.event(principal, view.theft_event) if may else None
        suspicion = Suspicion(
            since_ms=view.theft_ms,
            event=view.theft_event,
            seq=event.seq if event else 0,
            seen=event.payload if event and isinstance(event.payload, TheftSuspected) else None,
        )
    return GuardItem(
        vehicle_id=view.vehicle_id,
        plate=view.plate,
        store=view.store,
        time_zone=view.zone,
        armed=view.armed,
        armed_since_ms=view.armed_ms or None,
        lat=lat,
        lon=lon,
        radius_m=view.radius_m,
        nights=nights,
        changed_ms=view.changed_ms or None,
        changed_by=view.changed_by,
        suspicion=suspicion,
    )


async def _answer(parts: Parts, principal: Principal, do: Callable[[], GuardView]) -> GuardItem:
    def answered() -> GuardItem:
        try:
            return item_of(parts, principal, do())
        except GuardUnknownError as error:
            raise Problem("vehicle_unknown", str(error)) from error
        except GuardFaultError as error:
            if error.code == "none_open":
                raise Problem("suspicion_none") from error
            field = {"radius": "radius_m", "schedule": "begins"}[error.code]
            raise Problem("guard_invalid", error.code, field=field) from error

    return await sync_to_thread(answered)


def _place(parts: Parts, principal: Principal, vehicle_id: int) -> tuple[int, int] | None:
    """Return where a car stands, None where that is not known exactly to who arms it.

    Raises:
        Problem: vehicle_in_use.
    """
    rows: Any = parts.live.rows()
    found = rows[rows["vehicle_id"] == vehicle_id]
    if len(found):
        row = found[0]
        is_on = bool(int(row["status"]) & STATUS_IGNITION) or int(row["speed_kmh10"]) > STANDING_KMH10
        if is_on and parts.live.online([vehicle_id])[0]:
            raise Problem("vehicle_in_use", f"vehicle {vehicle_id} is being driven")
    if not principal.may("positions.read") or principal.scope.precision != "exact":
        return None
    last = parts.reader.position(principal, vehicle_id)
    return None if last is None else (last.lat_1e7, last.lon_1e7)


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


RESOURCES: Final = (list_guards, read_guard, arm_vehicle, disarm_vehicle, settle_suspicion)
