"""/vehicles/{id}: one car: where it is and was, what happened to it, what its terminal said. Commands: commands.py."""

import functools
import time
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.frames import FramePage, archive_for, explain, frames_behind, frames_between, vendors_of
from api.guards import principal_of
from api.parts import Parts
from api.portal.happenings import GROUPS, fields_of, look_of, sentence_of, title_of, wanted_names
from api.portal.incident_words import incident_badge
from api.portal.render import Words, render, words_in, words_of
from api.portal.table import local_ms
from api.portal.terms import meaning_of, message_name, path_name, unit_name
from api.portal.vehicles import DOING, alarm_words, plate_of, state_badges, status_words, store_name
from api.problems import Problem
from api.times import day_bounds, day_of, read_day, zone_of
from api.tracks import Day, days_of
from api.vehicles import VehicleDetail, detail_of
from core.events import Event
from core.intake.archive import SEQUENCE_MAX
from core.rights import Principal
from protocols.jt808.wire import ItemTable
from storage.incidents import IncidentView

STRIP_DAYS: Final = 31
THIN_M: Final = 3.0
"""The portal's tracks are thinned to this: a lane's width, less than a fix is off by."""
EVENTS_PAGE: Final = 50
DAY_EVENTS_MAX: Final = 500
FRAMES_PAGE: Final = 40
DAY_MS: Final = 86_400_000
TRIP_MS_MAX: Final = 7 * DAY_MS
"""A track's page draws so much at once; what is longer is looked at by days."""
HUES: Final = 6

ON_TRACK: Final = ("sos.", "crash.", "theft.", "fence.", "route.")
"""Events that are marked on the map and over the chart: those that happened at a place."""

FAMILIES: Final = ("crash", "sos", "theft", "fence", "trip", "overspeed", "media", "session", "command")
"""Of api.portal.happenings.GROUPS, those that a car's own page offers."""


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event as it stands in a timeline."""

    seq: int
    type: str
    icon: str
    kind: str
    what: str
    more: str
    time_ms: int
    report_id: str
    lat: float | None = None
    lon: float | None = None


@get("/vehicles/{vehicle_id:int}", include_in_schema=False, opt={"right": "vehicles.read"})
async def vehicle_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show where the car is and was."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    asked = request.query_params.get("day", "")[:10]
    language = words_of(request).language

    def read() -> dict[str, Any]:
        car = detail_of(parts, principal, vehicle_id)
        zone = car.store.time_zone
        if not principal.may("positions.read"):
            return {"car": car, "days": None}
        days = days_of(parts, principal, vehicle_id, zone, "", "")
        with_data = {item.day: item for item in days.items}
        newest = max(with_data, default=days.today)
        day = read_day(asked, "day") if asked else newest
        from_ms, to_ms = day_bounds(day, zone_of(zone))
        # Of one trip: its own track, and what happened in it.
        trip = trip_span(request.query_params, from_ms)
        span = f"day={day}"
        if trip is not None:
            from_ms, to_ms = trip
            span = f"from={from_ms}&to={to_ms}"
        words = words_in(language, zone)
        of_day: list[Happened] = []
        if principal.may("events.read"):
            of_day = day_events(parts, principal, vehicle_id, from_ms, to_ms, words)
        farthest = max((item.distance_m for item in days.items), default=0)
        return {
            "car": car,
            "days": days,
            "day": day,
            "strip": strip_of(days.today, with_data, farthest),
            "before": day - timedelta(days=1),
            "after": day + timedelta(days=1) if day < days.today else None,
            "happened": of_day,
            "trip": trip,
            "track": {
                "url": f"/api/v1/vehicles/{vehicle_id}/track?{span}&thin={THIN_M:g}",
                "frames": f"/vehicles/{vehicle_id}/frames" if principal.may("terminals.read") else "",
                "vehicle": vehicle_id,
                "from_ms": from_ms,
                "to_ms": to_ms,
                "zone": zone_of(zone).key,
                "today": day == days.today and (trip is None or to_ms > time.time_ns() // 1_000_000),
                "events": msgspec.to_builtins([one for one in of_day if one.type.startswith(ON_TRACK)]),
            },
        }

    return await answer_car(request, "vehicle.html", read)


def trip_span(query: Any, day_ms: int) -> tuple[int, int] | None:
    """Return [from, to) of the trip that the address names, UTC epoch ms; None where it names none.

    A trip may go on into the next day; one that goes on still has no end.
    """
    from_, to = query.get("from", ""), query.get("to", "")
    if not (from_.isascii() and from_.isdigit() and len(from_) < 15 and int(from_) >= day_ms):
        return None
    from_ms = int(from_)
    if to.isascii() and to.isdigit() and len(to) < 15:
        return (from_ms, int(to) + 1) if from_ms <= int(to) < from_ms + TRIP_MS_MAX else None
    return from_ms, from_ms + DAY_MS


@get("/vehicles/{vehicle_id:int}/now", include_in_schema=False, opt={"right": "vehicles.read"})
async def vehicle_now(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Give the head and the figures of now: the page asks for them every few seconds."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    return await answer_car(
        request, "vehicle_now.html", lambda: {"car": detail_of(parts, principal, vehicle_id)}, block="now"
    )


@get("/vehicles/{vehicle_id:int}/events", include_in_schema=False, opt={"right": "events.read"})
async def vehicle_events_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show what happened to the car, newest first."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    family = request.query_params.get("family", "")
    before = _whole(request, "before")
    language = words_of(request).language

    def read() -> dict[str, Any]:
        car = detail_of(parts, principal, vehicle_id)
        words = words_in(language, car.store.time_zone)
        page = parts.reader.events(
            principal,
            before,
            types=GROUPS[family] if family in FAMILIES else (),
            subject=f"vehicle:{vehicle_id}",
            limit=EVENTS_PAGE,
            newest_first=True,
        )
        return {
            "car": car,
            "family": family if family in FAMILIES else "",
            "families": FAMILIES,
            "happened": happened(parts, principal, page.items, words),
            "older": page.seq if len(page.items) == EVENTS_PAGE else 0,
        }

    return await answer_car(request, "vehicle_events.html", read)


@get("/vehicles/{vehicle_id:int}/frames", include_in_schema=False, opt={"right": "positions.read"})
async def vehicle_frames_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show what the car's terminals said: of a time, or behind one report; the chosen one explained."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    query = request.query_params
    language = words_of(request).language

    def read() -> dict[str, Any]:
        car = detail_of(parts, principal, vehicle_id)
        words = words_in(language, car.store.time_zone)
        shown: dict[str, Any] = {"car": car, "closed": "", "page": None, "chosen": None, "runs": [], "behind": False}
        shown |= {
            "from": query.get("from", "")[:16],
            "to": query.get("to", "")[:16],
        }
        try:
            archive = archive_for(parts, principal)
        except Problem as problem:
            return shown | {"closed": "elsewhere" if problem.code == "journal_elsewhere" else "closed"}
        report_id, at_ms = query.get("report_id", ""), _whole(request, "at")
        if report_id and not (len(report_id) == 16 and all(sign in "0123456789abcdefABCDEF" for sign in report_id)):
            raise Problem("bad_request", "report_id: 16 hexadecimal digits")
        if report_id or at_ms:
            shown["behind"] = True
            page = frames_behind(parts, archive, principal, vehicle_id, report_id=report_id, at_ms=at_ms)
        else:
            zone = zone_of(car.store.time_zone)
            today = day_bounds(day_of(_now_ms(), zone), zone)
            from_ms = _local_ms(shown["from"], words, today[0] - 86_400_000)
            to_ms = _local_ms(shown["to"], words, today[1])
            page = frames_between(
                parts,
                archive,
                principal,
                vehicle_id,
                from_ms,
                max(to_ms, from_ms),
                before=_whole(request, "before") or SEQUENCE_MAX,
                limit=FRAMES_PAGE,
            )
        shown["page"] = page
        sequence = _whole(request, "frame")
        if not sequence and page.items and shown["behind"]:
            sequence = page.items[0].sequence
        if sequence:
            shown |= _chosen(page, sequence, words, vendors_of(parts, vehicle_id), lambda: frames_behind(
                parts, archive, principal, vehicle_id, sequence=sequence))  # fmt: skip
        return shown

    return await answer_car(request, "vehicle_frames.html", read)


# --- what pages are made of -------------------------------------------------------------------------------------------


async def answer_car(request: Request[Any, Any, Any], template: str, read: Any, *, block: str = "") -> Response[Any]:
    """Render what `read` returns, in the clock of the car's store. `read` blocks."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read_all() -> tuple[dict[str, Any], list[IncidentView]]:
        shown = read()
        may = principal.may("events.read")
        about = {"state": "open", "vehicle_id": shown["car"].vehicle_id, "limit": 1}
        return shown, parts.incidents.page(principal, **about)[0] if may else []

    shown, incidents = await sync_to_thread(read_all)
    car: VehicleDetail = shown["car"]
    request.state.zone = car.store.time_zone
    words = words_of(request)
    return render(
        request,
        template,
        block=block,
        name=plate_of(car, words),
        store=store_name(car.store, words),
        badges=Markup(" ").join([state_badges(car, words), *(incident_badge(one, words) for one in incidents)]),
        words=status_words(car.position.status, words) if car.position else [],
        alarms=alarm_words(car.position.alarm, words) if car.position else [],
        course=words.t(f"course_{round(car.position.course_deg / 45) % 8}") if car.position else "",
        doing=DOING,
        message_name=functools.partial(message_name, words=words),
        **shown,
    )


def strip_of(today: date, with_data: dict[date, Day], farthest_m: int) -> list[dict[str, Any]]:
    """Return the last days, oldest first, each with how far it was beside the farthest, in eighths."""
    strip = []
    for back in range(STRIP_DAYS - 1, -1, -1):
        day = today - timedelta(days=back)
        item = with_data.get(day)
        share = 0 if item is None else 1 if farthest_m == 0 else max(1, round(8 * item.distance_m / farthest_m))
        strip.append({"day": day, "share": share, "distance_m": item.distance_m if item else None})
    return strip


def day_events(
    parts: Parts, principal: Principal, vehicle_id: int, from_ms: int, to_ms: int, words: Words
) -> list[Happened]:
    """Return what happened to a car on a day, oldest first, at most DAY_EVENTS_MAX. Blocks."""
    page = parts.reader.events(
        principal,
        subject=f"vehicle:{vehicle_id}",
        from_ms=from_ms,
        to_ms=to_ms,
        limit=DAY_EVENTS_MAX,
        newest_first=True,
    )
    return sorted(happened(parts, principal, page.items, words), key=lambda one: (one.time_ms, one.seq))


def happened(parts: Parts, principal: Principal, events: Sequence[Event], words: Words) -> list[Happened]:
    """Return events as a timeline shows them. Blocks: fences are asked for their names."""
    names = parts.reader.names(principal, *wanted_names(events))
    shown = []
    for event in events:
        look, fields = look_of(event.type), fields_of(event)
        lat, lon = fields.get("lat_1e7"), fields.get("lon_1e7")
        shown.append(
            Happened(
                seq=event.seq,
                type=event.type,
                icon=look.icon,
                kind=look.kind,
                what=title_of(event.type, words),
                more=sentence_of(event, names, words),
                time_ms=event.time_ms,
                report_id=str(fields.get("report_id", "")),
                lat=lat / 1e7 if isinstance(lat, int) else None,
                lon=lon / 1e7 if isinstance(lon, int) else None,
            )
        )
    return shown


def _chosen(page: FramePage, sequence: int, words: Words, vendors: dict[int, ItemTable], find: Any) -> dict[str, Any]:
    """Return the chosen frame explained, and its bytes in runs of one field each."""
    item = next((one for one in page.items if one.sequence == sequence), None)
    if item is None:
        item = next(iter(find().items), None)
    if item is None:
        return {"chosen": None, "runs": []}
    item = explain(item, vendors.get(item.terminal))
    return {"chosen": item, "runs": runs_of(item.message, item.frame, item.explained, words)}


def runs_of(message: str, wire: str, explained: dict[str, Any] | None, words: Words) -> list[dict[str, Any]]:
    """Return the bytes of an explained frame in runs of one field each, named in the reader's words.

    Args:
        message: its id, 0x…. wire: its bytes in hexadecimal. explained: as `explain` says it; None: there are no runs.
    """
    runs = []
    for number, field in enumerate(explained["fields"] if explained else ()):
        start, end = 2 * field["offset"], 2 * (field["offset"] + field["length"])
        pairs = " ".join(wire[at : at + 2] for at in range(start, end, 2))
        said = {
            "label": path_name(message, field["name"], words),
            "unit": unit_name(field["unit"], words),
            "meaning": meaning_of(field["name"].rpartition(".")[2].partition("[")[0], field["meaning"], words),
        }
        runs.append({"number": number, "hue": number % HUES + 1, "hex": pairs, **field, **said})
    return runs


def _whole(request: Request[Any, Any, Any], name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _local_ms(text: str, words: Words, otherwise_ms: int) -> int:
    moment_ms = local_ms(text, words) if text else None
    return otherwise_ms if moment_ms is None else moment_ms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


PAGES: Final = (vehicle_page, vehicle_now, vehicle_events_page, vehicle_frames_page)
