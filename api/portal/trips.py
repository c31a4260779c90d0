"""/vehicles/{id}/trips: the trips of one car, each leading to its own track."""

from functools import partial
from typing import Any
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.parts import Parts
from api.portal.render import Words, html_response, words_of
from api.portal.table import Asked, Column, Empty, Moment, Period, Rows, Table
from api.portal.vehicle import answer_car
from api.times import day_of, zone_of
from api.trips import PAGE, Trip, trips_of
from api.vehicles import detail_of


def trips_table(parts: Parts, vehicle_id: int, zone: str) -> Table:
    """Return the table of one car's trips; each row leads to the track of exactly that trip."""

    def read(asked: Asked) -> Rows:
        page = trips_of(
            parts,
            asked.principal,
            vehicle_id,
            asked.ms("from"),
            asked.ms("to"),
            int(asked.after) if asked.after.isdigit() else 0,
            min(asked.limit, PAGE),
        )
        return Rows([(trip, asked.words) for trip in page.items], str(page.next or ""))

    def href(row: tuple[Trip, Words]) -> str:
        trip = row[0]
        span = {"day": day_of(trip.started_ms, zone_of(zone)), "from": trip.started_ms}
        return f"/vehicles/{vehicle_id}?{urlencode(span | ({} if trip.ended_ms is None else {'to': trip.ended_ms}))}"

    return Table(
        name="trips",
        path=f"/vehicles/{vehicle_id}/trips",
        title="vehicle_tab_trips",
        columns=(
            Column("started", "trips_started", lambda row: Moment(row[0].started_ms), width="fit"),
            Column("ended", "trips_ended", lambda row: Moment(row[0].ended_ms or 0), partial(_ended), width="fit"),
            Column("took", "trips_took", lambda row: row[0].duration_s, _took, align="end", width="fit"),
            Column("km", "trips_km", lambda row: row[0].distance_m / 1000, _distance, align="end", width="fit"),
            Column("max", "trips_max", lambda row: row[0].max_kmh, _fastest, align="end", width="fit"),
            Column("idle", "trips_idle", lambda row: row[0].idle_s, _idle, align="end", width="fit"),
            Column("by", "trips_by", lambda row: _by(*row), width="grow"),
            Column("distance_from", "event_field_distance_from", lambda row: row[0].distance_from, on_page=False),
            Column("start_lat", "trips_start_lat", lambda row: row[0].start and row[0].start.lat, on_page=False),
            Column("start_lon", "trips_start_lon", lambda row: row[0].start and row[0].start.lon, on_page=False),
            Column("end_lat", "trips_end_lat", lambda row: row[0].end and row[0].end.lat, on_page=False),
            Column("end_lon", "trips_end_lon", lambda row: row[0].end and row[0].end.lon, on_page=False),
            Column("reports", "event_field_reports", lambda row: row[0].reports, on_page=False),
            Column("trip", "event_field_trip_id", lambda row: row[0].trip_id, on_page=False),
        ),
        filters=(Period(),),
        read=read,
        empty=Empty("route", "trips_none", "trips_none_what"),
        row_id=lambda row: row[0].trip_id,
        row_href=href,
    )


def _ended(row: tuple[Trip, Words], words: Words) -> Markup | str:
    trip, _ = row
    if trip.ended_ms is None:
        badge: Markup = words.components.badge(words.t("trips_going_on"), "good", "play")
        return badge
    return words.time(trip.ended_ms, "second")


def _took(row: tuple[Trip, Words], words: Words) -> str:
    return "" if row[0].ended_ms is None else words.duration(row[0].duration_s)


def _idle(row: tuple[Trip, Words], words: Words) -> str:
    return "" if row[0].ended_ms is None else words.duration(row[0].idle_s)


def _distance(row: tuple[Trip, Words], words: Words) -> Markup | str:
    trip, _ = row
    if trip.ended_ms is None:
        return ""
    shown = words.t("trips_say_km", n=words.number(trip.distance_m / 1000, 1))
    if trip.distance_from == "odometer":
        return shown
    return Markup('<span title="{}">≈ {}</span>').format(words.t("trips_from_positions"), shown)


def _fastest(row: tuple[Trip, Words], words: Words) -> str:
    return "" if row[0].ended_ms is None else words.t("event_kmh", n=words.number(row[0].max_kmh))


def _by(trip: Trip, words: Words) -> str:
    """Return by what the trip began and ended."""
    began = words.or_text(f"trip_by_{trip.began_by}", trip.began_by)
    if trip.ended_ms is None:
        return began
    ended = words.or_text(f"trip_by_{trip.ended_by}", trip.ended_by)
    return f"{began} → {words.or_text(f'trip_end_{trip.ended_by}', ended)}"


@get("/vehicles/{vehicle_id:int}/trips", include_in_schema=False, opt={"right": "events.read"})
async def vehicle_trips_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show the car's trips, the newest first."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    car = await sync_to_thread(detail_of, parts, principal, vehicle_id)
    request.state.zone = car.store.time_zone
    table = trips_table(parts, vehicle_id, car.store.time_zone)
    if request.query_params.get("format", ""):
        return await table.export(request, request.query_params["format"])
    view = await table.view(request)
    if request.headers.get("hx-target", "").partition("#")[2] == f"{table.name}-table":
        return html_response(str(words_of(request).components.rows(view)))
    return await answer_car(request, "vehicle_trips.html", lambda: {"car": car, "table": view})


PAGES = (vehicle_trips_page,)
