"""GET /api/v1/vehicles/{id}/track and /days: where a vehicle was, in columns or as GeoJSON, and on which days it was.

A track is read by its fix times, in the time zone of the vehicle's store. It can be thinned on the server: what is left
are points that were sent, none of them farther than said from where the others put the car at that time.
"""

import time
from collections import Counter
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
import numpy as np
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from api.times import TIME_CHARACTERS_MAX, day_bounds, day_of, midnight_ms, read_day, read_moment, zone_of
from core.kernels.track import LEG_GAP, Survey, survey, thin
from core.limits import TRACK_DAYS_MAX, TRACK_POINTS_MAX, TRACK_THIN_M_MAX
from core.quality import MARKS, ON_TRACK
from core.rights import Principal
from core.thresholds import rule_with
from protocols.report import FLAG_NO_FIX, FLAG_POSITION_BAD
from storage.clickhouse import TrackDay, TrackPoint

GEOJSON: Final = "application/geo+json"
DEGREE_1E7: Final = 10_000_000
SPAN_MS_MAX: Final = 92 * 86_400_000
"""The longest time asked for at once: three months. Points are bounded by themselves, the search for them by this."""
POINTS_MIN: Final = 100
UNPLACED: Final = FLAG_NO_FIX | FLAG_POSITION_BAD


class TrackStop(msgspec.Struct, frozen=True):
    """Where the vehicle stood for two minutes or longer."""

    from_ms: int
    to_ms: int
    lat: float
    lon: float


class TrackSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What the points say in short, thinned or not."""

    distance_m: int
    distance_from: Literal["odometer", "positions", "mixed"]
    """`positions`: great circles between fixes; jumps that no car can drive, and silence, are set aside."""
    driving_s: int
    stopped_s: int
    silent_s: int
    """Nothing was heard for over three minutes, and the vehicle was elsewhere afterwards."""
    max_speed_kmh: float
    max_speed_ms: int | None
    """When that was."""
    first_ms: int | None
    last_ms: int | None
    gaps: int
    jumps: int
    unplaced: int
    """Reports without a fix, or with an impossible position: not among the points."""
    aside: dict[str, int]
    """Reason (jump, frozen, clock): how many points were set aside, and are in `aside` instead."""
    stops: list[TrackStop]


class TrackColumns(msgspec.Struct, frozen=True, kw_only=True):
    """The points, a list for each thing known of them, all of one length, by time. WGS-84."""

    time_ms: list[int]
    lat: list[float]
    lon: list[float]
    speed_kmh: list[float]
    course_deg: list[int]
    altitude_m: list[int]
    odometer_m: list[int]
    """-1 where none was sent."""
    alarm: list[int]
    status: list[int]


class AsideColumns(msgspec.Struct, frozen=True, kw_only=True):
    """Points that are set aside: no line leads to them, nothing is measured by them. Lists as in the columns."""

    time_ms: list[int]
    lat: list[float]
    lon: list[float]
    speed_kmh: list[float]
    reason: list[str]
    """jump, frozen or clock (docs/driving.md)."""


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """A track, or a piece of one."""

    vehicle_id: int
    time_zone: str
    from_ms: int
    to_ms: int
    points: int
    """How many were sent in this piece."""
    kept: int
    """How many of them stand here: fewer when thinned."""
    thin_m: float
    next: str | None
    """Hand it back as `cursor` for the next piece; null on the last."""
    summary: TrackSummary
    columns: TrackColumns
    aside: AsideColumns
    """None of them is left out by thinning."""
    broken: list[int]
    """Places in the columns that no line leads to: before them nothing was heard for long, or the position jumped."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which the vehicle reported."""

    day: date
    reports: int
    distance_m: int
    """By the odometer; 0 where none was sent."""
    first_ms: int
    last_ms: int
    max_speed_kmh: float


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """Days of one vehicle in its store's time zone, oldest first."""

    vehicle_id: int
    time_zone: str
    today: date
    items: list[Day]


class Columns:
    """A track's points as arrays, those without a place, and those that are set aside, taken out."""

    def __init__(self, points: list[TrackPoint]) -> None:
        self.sent = len(points)
        table = list(zip(*points, strict=True)) if points else [()] * len(TrackPoint._fields)
        column = dict(zip(TrackPoint._fields, table, strict=True))
        flags = np.array(column["flags"], np.int64)
        placed = flags & UNPLACED == 0
        doubted = placed & (flags & MARKS != 0)
        believed = placed & ~doubted

        def of(name: str, kind: Any) -> Any:
            return np.array(column[name], kind)[believed]

        self.time_ms = of("time_ms", np.int64)
        self.report_id = of("report_id", np.uint64)
        self.lat_1e7 = of("lat_1e7", np.int32)
        self.lon_1e7 = of("lon_1e7", np.int32)
        self.speed_kmh10 = of("speed_kmh10", np.uint16)
        self.course_deg = of("course_deg", np.int64)
        self.altitude_m = of("altitude_m", np.int64)
        self.odometer_m = of("odometer_m", np.int64)
        self.alarm = of("alarm", np.int64)
        self.status = of("status", np.int64)
        self.unplaced = self.sent - int(placed.sum())
        self.aside = [points[at] for at in np.flatnonzero(doubted)]

    def survey(self) -> Survey:
        """Return the track's measure."""
        return survey(self.time_ms, self.lat_1e7, self.lon_1e7, self.speed_kmh10, self.odometer_m)

    def kept(self, found: Survey, thin_m: float) -> Any:
        """Return the indices that thinning leaves; all of them where it is 0."""
        if thin_m <= 0:
            return np.arange(len(self.time_ms))
        # Ignition is the lowest bit of the status word: its changes are kept as those of the alarms are.
        marks = self.alarm << 1 | (self.status & 1)
        return thin(self.time_ms, self.lat_1e7, self.lon_1e7, thin_m, marks, found)


@get(
    "/vehicles/{vehicle_id:int}/track",
    opt={"right": "positions.read", "by_consent": True},
    summary="Where a vehicle was",
    responses=answers("bad_request", *KEYED, "vehicle_unknown"),
)
async def read_track(
    request: Request,
    vehicle_id: FromPath[int],
    from_: Annotated[
        str,
        QueryParameter(
            name="from",
            max_length=TIME_CHARACTERS_MAX,
            description="Milliseconds or ISO 8601, in the store's time zone where it names none; "
            "the beginning of today where empty",
        ),
    ] = "",
    to: Annotated[
        str, QueryParameter(max_length=TIME_CHARACTERS_MAX, description="The end, left out; a day after from")
    ] = "",
    day: Annotated[
        str, QueryParameter(max_length=10, description="YYYY-MM-DD in the store's time zone, instead of from and to")
    ] = "",
    thin_m: Annotated[
        float,
        QueryParameter(
            name="thin",
            ge=0,
            le=TRACK_THIN_M_MAX,
            description="Leave points out that lie within so many metres of where the others put the car at that time",
        ),
    ] = 0.0,
    limit: Annotated[
        int, QueryParameter(ge=POINTS_MIN, le=TRACK_POINTS_MAX, description="Most points read for this answer")
    ] = TRACK_POINTS_MAX,
    cursor: Annotated[str, QueryParameter(max_length=40, pattern=r"^(\d{1,15}-[0-9a-f]{16})?$")] = "",
) -> Response[Any]:
    """Return the points by fix time, in columns; as GeoJSON to who accepts `application/geo+json` only.

    404 `vehicle_unknown`. Reports whose clock cannot be right are left out.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> Track:
        vehicle = parts.vehicles.one(principal, vehicle_id)
        if vehicle is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        zone = zone_of(vehicle.store.time_zone)
        from_ms, to_ms = span_of(from_, to, day, vehicle.store.time_zone)
        first_ms, after_report = from_ms, None
        if cursor:
            at, _, report = cursor.partition("-")
            first_ms, after_report = max(int(at), from_ms), int(report, 16)
        return track_of(
            parts, principal, vehicle_id, zone.key, first_ms, to_ms, thin_m, limit=limit, after_report=after_report
        )

    track = await sync_to_thread(read)
    accepted = request.headers.get("accept", "")
    if GEOJSON in accepted and "application/json" not in accepted:
        return Response(msgspec.json.encode(as_geojson(track)), media_type=GEOJSON, headers={"Vary": "Accept"})
    return Response(track, headers={"Vary": "Accept"})


@get(
    "/vehicles/{vehicle_id:int}/days",
    opt={"right": "positions.read"},
    summary="On which days a vehicle reported",
    responses=answers("bad_request", *KEYED, "vehicle_unknown"),
)
async def read_days(
    request: Request,
    vehicle_id: FromPath[int],
    from_: Annotated[
        str, QueryParameter(name="from", max_length=10, description="YYYY-MM-DD; 30 days before the last where empty")
    ] = "",
    to: Annotated[str, QueryParameter(max_length=10, description="YYYY-MM-DD, included; today where empty")] = "",
) -> Days:
    """Return the days with reports and what was driven on each, at most 62 days of the calendar at once."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> Days:
        vehicle = parts.vehicles.one(principal, vehicle_id)
        if vehicle is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        return days_of(parts, principal, vehicle_id, vehicle.store.time_zone, from_, to)

    return await sync_to_thread(read)


def span_of(from_: str, to: str, day: str, time_zone: str) -> tuple[int, int]:
    """Return (from_ms, to_ms) of what a caller asked for; today where nothing is said.

    Raises:
        Problem: bad_request.
    """
    zone = zone_of(time_zone)
    if day:
        if from_ or to:
            raise Problem("bad_request", "day: give a day, or from and to")
        return day_bounds(read_day(day, "day"), zone)
    today = day_bounds(day_of(time.time_ns() // 1_000_000, zone), zone)
    if not from_ and not to:
        return today
    if not from_:
        to_ms = read_moment(to, zone, "to")
        from_ms = max(to_ms - 86_400_000, 0)
    else:
        from_ms = read_moment(from_, zone, "from")
        to_ms = read_moment(to, zone, "to") if to else from_ms + 86_400_000
    if to_ms < from_ms:
        raise Problem("bad_request", "to: lies before from")
    if to_ms - from_ms > SPAN_MS_MAX:
        raise Problem("bad_request", f"to: more than {SPAN_MS_MAX // 86_400_000} days after from")
    return from_ms, to_ms


def days_of(parts: Parts, principal: Principal, vehicle_id: int, time_zone: str, from_: str, to: str) -> Days:
    """Read the days of a vehicle. Blocks.

    Raises:
        Problem: bad_request, vehicle_unknown.
    """
    zone = zone_of(time_zone)
    today = day_of(time.time_ns() // 1_000_000, zone)
    last = read_day(to, "to") if to else today
    first = read_day(from_, "from") if from_ else last - timedelta(days=30)
    if not 0 <= (last - first).days < TRACK_DAYS_MAX:
        raise Problem("bad_request", f"from: {first} to {last} is not one to {TRACK_DAYS_MAX} days")
    bounds = midnight_ms(first, zone), midnight_ms(last + timedelta(days=1), zone)
    found = parts.reader.days(principal, vehicle_id, *bounds, zone.key)
    if found is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    return Days(vehicle_id=vehicle_id, time_zone=zone.key, today=today, items=[_day(one) for one in found])


def _day(day: TrackDay) -> Day:
    return Day(
        day=day.day,
        reports=day.reports,
        distance_m=day.mileage_m,
        first_ms=day.time_ms_min,
        last_ms=day.time_ms_max,
        max_speed_kmh=day.speed_kmh10_max / 10,
    )


def track_of(
    parts: Parts,
    principal: Principal,
    vehicle_id: int,
    time_zone: str,
    from_ms: int,
    to_ms: int,
    thin_m: float,
    *,
    limit: int = TRACK_POINTS_MAX,
    after_report: int | None = None,
) -> Track:
    """Read, measure and thin a track. Blocks.

    Raises:
        Problem: vehicle_unknown.
    """
    rule = rule_with("cleaning", parts.registry.rules.one(principal, "cleaning").values)
    points = parts.reader.track(principal, vehicle_id, from_ms, to_ms, limit, after_report=after_report, cleaning=rule)
    if points is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    following = f"{points[-1].time_ms}-{points[-1].report_id:016x}" if len(points) == limit else None
    columns = Columns(points)
    found = columns.survey()
    kept = columns.kept(found, thin_m)
    return Track(
        vehicle_id=vehicle_id,
        time_zone=time_zone,
        from_ms=from_ms,
        to_ms=to_ms,
        points=columns.sent,
        kept=len(kept),
        thin_m=thin_m,
        next=following,
        summary=_summary(columns, found),
        columns=TrackColumns(
            time_ms=columns.time_ms[kept].tolist(),
            lat=_degrees(columns.lat_1e7[kept]),
            lon=_degrees(columns.lon_1e7[kept]),
            speed_kmh=(columns.speed_kmh10[kept] / 10).tolist(),
            course_deg=columns.course_deg[kept].tolist(),
            altitude_m=columns.altitude_m[kept].tolist(),
            odometer_m=columns.odometer_m[kept].tolist(),
            alarm=columns.alarm[kept].tolist(),
            status=columns.status[kept].tolist(),
        ),
        aside=AsideColumns(
            time_ms=[point.time_ms for point in columns.aside],
            lat=[point.lat_1e7 / DEGREE_1E7 for point in columns.aside],
            lon=[point.lon_1e7 / DEGREE_1E7 for point in columns.aside],
            speed_kmh=[point.speed_kmh10 / 10 for point in columns.aside],
            reason=[reason_of(point.flags) for point in columns.aside],
        ),
        broken=np.flatnonzero(found.leg[kept] >= LEG_GAP).tolist(),
    )


def reason_of(flags: int) -> str:
    """Return why a point is set aside."""
    return next((reason for reason, mark in ON_TRACK.items() if flags & mark), "")


def _degrees(units_1e7: Any) -> list[float]:
    return (units_1e7 / DEGREE_1E7).tolist()


def _summary(columns: Columns, found: Survey) -> TrackSummary:
    fastest = int(columns.speed_kmh10.argmax()) if len(columns.time_ms) else -1
    share = found.odometer_share
    return TrackSummary(
        distance_m=round(found.distance_m),
        distance_from="odometer" if share == 1 else "positions" if share == 0 else "mixed",
        driving_s=found.driven_ms // 1000,
        stopped_s=found.stood_ms // 1000,
        silent_s=found.gap_ms // 1000,
        max_speed_kmh=float(columns.speed_kmh10[fastest]) / 10 if fastest >= 0 else 0.0,
        max_speed_ms=int(columns.time_ms[fastest]) if fastest >= 0 else None,
        first_ms=int(columns.time_ms[0]) if fastest >= 0 else None,
        last_ms=int(columns.time_ms[-1]) if fastest >= 0 else None,
        gaps=found.gaps,
        jumps=found.jumps,
        unplaced=columns.unplaced,
        aside=dict(Counter(reason_of(point.flags) for point in columns.aside)),
        stops=[
            TrackStop(
                int(columns.time_ms[stop.first]),
                int(columns.time_ms[stop.last]),
                float(columns.lat_1e7[stop.first]) / DEGREE_1E7,
                float(columns.lon_1e7[stop.first]) / DEGREE_1E7,
            )
            for stop in found.stops
        ],
    )


def as_geojson(track: Track) -> dict[str, Any]:
    """Return a track as a FeatureCollection: the line, in a piece for each stretch without a break, then the stops,
    then the points set aside, reason by reason."""
    columns = track.columns
    starts = sorted({0, *track.broken})
    pieces = [(first, last) for first, last in zip(starts, [*starts[1:], track.kept], strict=True) if last - first > 1]
    places = [list(place) for place in zip(columns.lon, columns.lat, strict=True)]
    line = {
        "type": "Feature",
        "geometry": {"type": "MultiLineString", "coordinates": [places[first:last] for first, last in pieces]},
        "properties": {
            "vehicle_id": track.vehicle_id,
            "time_zone": track.time_zone,
            "next": track.next,
            "summary": msgspec.to_builtins(track.summary),
            "time_ms": [columns.time_ms[first:last] for first, last in pieces],
            "speed_kmh": [columns.speed_kmh[first:last] for first, last in pieces],
        },
    }
    stops = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [stop.lon, stop.lat]},
            "properties": {"stop": number, "from_ms": stop.from_ms, "to_ms": stop.to_ms},
        }
        for number, stop in enumerate(track.summary.stops, 1)
    ]
    aside = track.aside
    doubted = []
    for reason in track.summary.aside:
        own = [at for at, why in enumerate(aside.reason) if why == reason]
        doubted.append(
            {
                "type": "Feature",
                "geometry": {"type": "MultiPoint", "coordinates": [[aside.lon[at], aside.lat[at]] for at in own]},
                "properties": {"aside": reason, "time_ms": [aside.time_ms[at] for at in own]},
            }
        )
    return {"type": "FeatureCollection", "features": [line, *stops, *doubted]}
