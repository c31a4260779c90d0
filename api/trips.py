"""/vehicles/{id}/trips: the trips of one car, as detection found them: events of the log, no table beside it."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from api.times import TIME_CHARACTERS_MAX, read_moment, zone_of
from core.events import Event
from core.rights import Principal

PAGE: Final = 200
SEQ_MAX: Final = 2**63 - 1
DEGREE_1E7: Final = 10_000_000


class Place(msgspec.Struct, frozen=True):
    """WGS-84, degrees."""

    lat: float
    lon: float


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """One trip. Of one that still goes on, nothing is known but its beginning."""

    trip_id: str
    """The report that began it, 16 hexadecimal digits."""
    seq: int
    """The event that told of it, trip.closed, or trip.opened while it goes on."""
    terminal: int
    started_ms: int
    start: Place | None
    """null where you may not see it."""
    began_by: str
    """ignition or movement."""
    ended_ms: int | None
    """null: it goes on."""
    end: Place | None
    duration_s: float
    distance_m: int
    distance_from: str
    """odometer, or positions: summed over the fixes."""
    max_kmh: float
    idle_s: float
    """Standing in the trip."""
    reports: int
    ended_by: str
    """ignition, standing, silence or terminal."""
    rule_version: int


class TripPage(msgspec.Struct, frozen=True, kw_only=True):
    """Trips, the newest first."""

    items: list[Trip]
    next: int | None
    """Hand it back as `before`; null on the last page."""


@get(
    "/vehicles/{vehicle_id:int}/trips",
    opt={"right": "events.read"},
    summary="Trips of a vehicle",
    responses=answers("bad_request", "vehicle_unknown", *KEYED),
    raises=[],
)
async def list_trips(
    request: Request,
    vehicle_id: FromPath[int],
    from_: Annotated[
        str,
        QueryParameter(
            name="from",
            max_length=TIME_CHARACTERS_MAX,
            description="Only trips that ended then or later: milliseconds or ISO 8601, in the store's time zone where "
            "it names none",
        ),
    ] = "",
    to: Annotated[str, QueryParameter(max_length=TIME_CHARACTERS_MAX, description="Only trips that ended before")] = "",
    before: Annotated[int, QueryParameter(ge=0, le=SEQ_MAX, description="`next` of the page before; 0: newest")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE, description="Most trips on this page")] = 50,
) -> TripPage:
    """Return the car's trips, the newest first; the one that goes on stands in front of them where no `to` is given.

    404 `vehicle_unknown`.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> TripPage:
        vehicle = parts.vehicles.one(principal, vehicle_id) if 0 < vehicle_id < 2**31 else None
        if vehicle is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        zone = zone_of(vehicle.store.time_zone)
        from_ms = read_moment(from_, zone, "from") if from_ else None
        to_ms = read_moment(to, zone, "to") if to else None
        return trips_of(parts, principal, vehicle_id, from_ms, to_ms, before, limit)

    return await sync_to_thread(read)


def trips_of(
    parts: Parts,
    principal: Principal,
    vehicle_id: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
    before: int = 0,
    limit: int = PAGE,
) -> TripPage:
    """Return trips that ended in from_ms <= time < to_ms, and the one that goes on where the time is open. Blocks.

    Args:
        before: `next` of the page before, 0 for the newest.
    """
    subject = f"vehicle:{vehicle_id}"
    page = parts.reader.events(
        principal,
        before,
        types=("trip.closed",),
        subject=subject,
        from_ms=from_ms,
        to_ms=to_ms,
        limit=limit,
        newest_first=True,
    )
    items = [trip_of(event) for event in page.items]
    if not before and to_ms is None:
        newest = parts.reader.events(
            principal, types=("trip.opened", "trip.closed"), subject=subject, limit=1, newest_first=True
        ).items
        if newest and newest[0].type == "trip.opened":
            items.insert(0, trip_of(newest[0]))
    return TripPage(items=items, next=page.seq or None)


def trip_of(event: Event) -> Trip:
    """Return the trip that a trip.opened or trip.closed tells of."""
    # Places may have been taken out for whoever asks; then the payload is a mapping.
    told = msgspec.to_builtins(event.payload)
    goes_on = event.type == "trip.opened"
    here = _place(told, "")
    return Trip(
        trip_id=told["trip_id"],
        seq=event.seq,
        terminal=told["terminal"],
        started_ms=event.time_ms if goes_on else told["started_ms"],
        start=here if goes_on else _place(told, "start_"),
        began_by=told["began_by"],
        ended_ms=None if goes_on else event.time_ms,
        end=None if goes_on else here,
        duration_s=told.get("duration_ms", 0) / 1000,
        distance_m=told.get("distance_m", 0),
        distance_from=told.get("distance_from", ""),
        max_kmh=told.get("max_kmh10", 0) / 10,
        idle_s=told.get("idle_ms", 0) / 1000,
        reports=told.get("reports", 0),
        ended_by=told.get("ended_by", ""),
        rule_version=told["rule_version"],
    )


def _place(told: dict[str, Any], prefix: str) -> Place | None:
    lat, lon = told.get(f"{prefix}lat_1e7"), told.get(f"{prefix}lon_1e7")
    return None if lat is None or lon is None else Place(lat / DEGREE_1E7, lon / DEGREE_1E7)
