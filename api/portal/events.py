"""/events, the feed of what happened, and /events/{seq}: one event, its story, its fields, and the frame behind it."""

from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.parts import Parts
from api.portal.crash import card_of, map_json, suspicion_of
from api.portal.happenings import (
    GROUPS,
    badge_of,
    car_link,
    fields_of,
    look_of,
    pairs_of,
    sentence_of,
    title_of,
    vehicle_of,
    wanted_names,
)
from api.portal.media import Shot, shots_of
from api.portal.render import Words, render, words_of
from api.portal.table import Asked, Choice, Column, Empty, Hidden, Moment, Period, Rows, Search, Table
from api.problems import Problem
from core.events import EVENTS as TYPES
from core.events import Event, MediaStored
from core.rights import Principal
from storage.reader import Names

CARS_FOUND_MAX: Final = 200
"""Cars that a search may mean; of more, the first ones. Whoever types three characters of a plate means few."""
STORY_EVENTS_MAX: Final = 200
LIVE_EVENTS_MAX: Final = 99


class Line(NamedTuple):
    """One event as the feed shows it."""

    event: Event
    names: Names
    store: str


def read_feed(parts: Parts, asked: Asked) -> Rows:
    """Return events newest first; the cursor is a number to go on below. Blocks."""
    subjects = subjects_of(parts, asked)
    page = parts.reader.events(
        asked.principal,
        int(asked.after) if asked.after.isascii() and asked.after.isdigit() and len(asked.after) < 19 else 0,
        types=GROUPS.get(asked.get("type"), ()),
        subjects=subjects,
        store=asked.whole("store"),
        from_ms=asked.ms("from"),
        to_ms=asked.ms("to"),
        limit=asked.limit,
        newest_first=True,
    )
    vehicles, fences = wanted_names(page.items)
    names = parts.reader.names(asked.principal, vehicles, fences)
    stores = store_names(parts, asked.principal, asked.words)
    rows = [Line(event, names, stores.get(event.store, "")) for event in page.items]
    return Rows(rows, str(page.seq) if page.seq else "")


def subjects_of(parts: Parts, asked: Asked) -> list[str] | None:
    """Return the subjects that the search for a car means; None where nobody searches."""
    if vehicle := asked.whole("vehicle"):
        return [f"vehicle:{vehicle}"]
    if not asked.get("q"):
        return None
    found = parts.vehicles.page(asked.principal, search=asked.get("q"), limit=CARS_FOUND_MAX)
    return [f"vehicle:{row.vehicle_id}" for row in found]


def store_names(parts: Parts, principal: Principal, words: Words) -> dict[int, str]:
    """Return the names of the reader's stores by their ids."""
    return {
        store.id: (store.name_zh if words.language == "zh" else store.name_en) or store.code
        for store in parts.people.stores(principal)
    }


def _store_options(request: Request[Any, Any, Any], words: Words) -> list[tuple[str, str]]:
    parts: Parts = request.app.state.parts
    return [(str(number), name) for number, name in store_names(parts, principal_of(request), words).items()]


EVENTS: Final = Table(
    name="events",
    path="/events",
    title="nav_events",
    columns=(
        Column(
            "type",
            "event_what",
            lambda line: line.event.type,
            lambda line, words: badge_of(line.event.type, words),
            width="fit",
            export=False,
        ),
        Column("what", "event_what", lambda line: line.event.type, on_page=False),
        Column(
            "vehicle",
            "event_car",
            lambda line: line.names.plates.get(vehicle_of(line.event)) or str(vehicle_of(line.event) or ""),
            lambda line, words: car_link(vehicle_of(line.event), line.names, words),
            width="fit",
        ),
        Column(
            "said",
            "event_details",
            lambda line: "",
            lambda line, words: sentence_of(line.event, line.names, words),
            width="grow",
        ),
        Column("store", "event_store", lambda line: line.store, width="fit"),
        Column(
            "time",
            "event_time",
            lambda line: Moment(line.event.time_ms),
            lambda line, words: words.time(line.event.time_ms, "second"),
            width="fit",
        ),
        Column(
            "arrival",
            "event_arrival",
            lambda line: Moment(line.event.arrival_ms),
            on_page=False,
        ),
        Column("seq", "event_seq", lambda line: line.event.seq, align="end", width="fit"),
    ),
    filters=(
        Search("q", "event_search"),
        Choice("type", "event_what", [(group, f"event_group_{group}") for group in GROUPS]),
        Choice("store", "event_store", _store_options),
        Period(),
        Hidden("vehicle"),
    ),
    read=lambda asked: Rows(()),
    row_id=lambda line: line.event.seq,
    row_href=lambda line: f"/events/{line.event.seq}",
    renew=True,
    empty=Empty("event", "events_none", "events_none_what", "/docs", "nav_docs"),
)


@get("/events", include_in_schema=False, opt={"right": "events.read"})
async def events_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what happened, the newest first, and say when something new has."""
    parts: Parts = request.app.state.parts
    words = words_of(request)
    table = _in_words(words, parts)
    asked = table.asked(request)
    head = await sync_to_thread(parts.reader.head)
    subjects = await sync_to_thread(subjects_of, parts, asked)
    live = {
        "after": head,
        # A stream names each event by its type, and a browser hears only the names it listens for.
        "names": sorted({type_ for type_, _ in TYPES}),
        "types": list(GROUPS.get(asked.get("type"), ())),
        "subjects": subjects,
        "store": asked.whole("store"),
        # Looking at an older page, or at a time that is over: nothing new belongs there.
        "on": not asked.after and not asked.get("to"),
    }
    return await table.answer(request, "events.html", live=live)


def _in_words(words: Words, parts: Parts) -> Table:
    """Return the table with its reads, and with exports in the reader's words."""
    said = {
        "what": lambda line: title_of(line.event.type, words),
        "said": lambda line: sentence_of(line.event, line.names, words),
    }
    columns = [
        msgspec.structs.replace(column, value=said[column.key]) if column.key in said else column
        for column in EVENTS.columns
    ]
    return msgspec.structs.replace(EVENTS, columns=columns, read=partial(read_feed, parts))


@get("/events/{seq:int}", include_in_schema=False, opt={"right": "events.read"})
async def event_page(request: Request[Any, Any, Any], seq: FromPath[int]) -> Response[Any]:
    """Show one event; 404 for one that is not there or not the reader's."""
    parts: Parts = request.app.state.parts
    words = words_of(request)
    principal = principal_of(request)
    found = await sync_to_thread(_read_event, parts, principal, seq)
    if found is None:
        raise Problem("not_found")
    event, story, names = found
    shots = await sync_to_thread(_shots_of, parts, principal, event, words)
    card = await sync_to_thread(card_of, parts, principal, event, words)
    stores = await sync_to_thread(store_names, parts, principal, words)
    fields = fields_of(event)
    vehicle_id = vehicle_of(event)
    exact = principal.may("positions.read") and principal.scope.precision == "exact"
    return render(
        request,
        "event.html",
        event=event,
        look=look_of(event.type),
        name=title_of(event.type, words),
        sentence=sentence_of(event, names, words),
        car=car_link(vehicle_id, names, words),
        vehicle_id=vehicle_id,
        store=stores.get(event.store) or words.t("event_store_group"),
        pairs=pairs_of(event, names, words, principal.may("positions.read")),
        story=[_knot(one, event, names, words) for one in story],
        place=_place(fields),
        frames=_frames_of(vehicle_id, fields) if exact and principal.may("terminals.read") else "",
        text=msgspec.json.format(msgspec.json.encode(event), indent=2).decode(),
        newer=seq + 1,
        older=seq - 1,
        shots=shots,
        card=card,
        crash_map="" if card is None else map_json(card),
    )


def _read_event(parts: Parts, principal: Principal, seq: int) -> tuple[Event, list[Event], Names] | None:
    if not 0 < seq < 2**63:
        return None
    event = parts.reader.event(principal, seq)
    if event is None:
        return None
    # Of a crash settled before its stages had one correlation the story stands under its suspicion all the same.
    mine = suspicion_of(event)
    began = mine if mine != event.id else event.correlation or event.id
    story = parts.reader.story(principal, began, STORY_EVENTS_MAX)
    if event.seq not in {one.seq for one in story}:
        story = sorted([event, *story], key=lambda one: one.seq)
    vehicles, fences = wanted_names(story)
    return event, story, parts.reader.names(principal, vehicles, fences)


def _shots_of(parts: Parts, principal: Principal, event: Event, words: Words) -> list[Shot]:
    """Return the pictures, sounds and films that show the event, or that a command asked for."""
    if parts.gallery is None or not principal.may("media.read"):
        return []
    if isinstance(event.payload, MediaStored):
        item = parts.gallery.one(principal, event.payload.media)
        return shots_of(parts, principal, [item] if item else [], words)
    return shots_of(parts, principal, parts.gallery.of_event(principal, event), words)


def _knot(one: Event, event: Event, names: Names, words: Words) -> dict[str, object]:
    look = look_of(one.type)
    return {
        "icon": look.icon,
        "kind": look.kind,
        "what": title_of(one.type, words),
        "when": words.time(one.time_ms),
        "more": sentence_of(one, names, words),
        "href": "" if one.seq == event.seq else f"/events/{one.seq}",
        "current": one.seq == event.seq,
    }


def _place(fields: dict[str, Any]) -> Markup:
    """Return where it happened as the map's address takes it, empty where it is not known."""
    if "lat_1e7" not in fields or not fields.get("has_fix", True):
        return Markup()
    return Markup("{:.6f},{:.6f},16").format(fields["lat_1e7"] / 1e7, fields["lon_1e7"] / 1e7)


def _frames_of(vehicle_id: int, fields: dict[str, Any]) -> str:
    """Return where the raw frames behind the event are asked for, empty where no report is named."""
    report_id = fields.get("report_id", "")
    return f"/api/v1/vehicles/{vehicle_id}/frames?report_id={report_id}" if vehicle_id and report_id else ""


PAGES: Final = (events_page, event_page)
