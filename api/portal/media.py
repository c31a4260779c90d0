"""/vehicles/{id}/media: what a car's cameras and microphones took, by day, with what it shows and who asked for it;
what is on its way; what its terminal still keeps. /media/{id}: one item by itself."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from api.commands import Command, commands_of
from api.guards import principal_of
from api.media import gallery_of
from api.parts import Coming, Parts
from api.portal.happenings import channel_name, look_of, reason_name, title_of
from api.portal.render import Words, render, words_in, words_of
from api.portal.vehicle import answer_car
from api.portal.vehicles import plate_of
from api.problems import Problem
from api.times import day_bounds, read_day, zone_of
from api.vehicles import detail_of
from core.events import Event
from core.media import INLINE
from core.rights import Principal
from storage.gallery import MediaItem

ITEMS_PAGE: Final = 60
ASKED_SHOWN: Final = 5
"""Commands about media that stand over the gallery, newest first."""
FOUND_SHOWN: Final = 50
"""Items of one search of a terminal's storage that are listed; the rest are counted."""
KINDS: Final = ("picture", "audio", "video")
CAUSES: Final = ("event", "command")
ASKING: Final = ("0x8801", "0x8802", "0x8803", "0x8804", "0x8805")
ENDED: Final = frozenset({"effective", "acked", "failed", "expired", "unknown", "rejected"})
PLAYS: Final = {"audio/wav": "audio", "audio/mpeg": "audio", "video/mp4": "video"}
"""What browsers play; AMR they do not, so it is a file to save."""


class Named(msgspec.Struct, frozen=True):
    """An event or command that an item names."""

    href: str
    what: str
    icon: str
    kind: str


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """An item as it stands in a gallery."""

    id: int
    media_id: int
    kind: str
    state: str
    url: str
    """Of its content, empty while there is none."""
    show: str
    """image, audio, video; file: only to be saved; none: nothing is there."""
    name: str
    """What it is, in words: for who does not see it."""
    time_ms: int
    channel: str
    reason: str
    size: int
    speed_kmh10: int | None
    place: str
    """As the map's address takes it, empty where it is not known."""
    packets: int
    packets_total: int
    cause: Named | None
    command: Named | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """An item that a terminal says it keeps (0x0802)."""

    media_id: int | None
    kind: int
    channel: int
    event: int
    time_ms: int
    what: str
    channel_said: str
    reason: str
    here: int
    """Number of the item where it is stored already, 0 where not."""


@get("/vehicles/{vehicle_id:int}/media", include_in_schema=False, opt={"right": "media.read"})
async def vehicle_media_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show what the car's cameras took, newest first. `part=now`: only what is on its way, asked every few seconds."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    language = words_of(request).language
    query = request.query_params
    part = query.get("part", "")
    asked = {
        "day": query.get("day", "")[:10],
        "kind": query.get("kind", "") if query.get("kind", "") in KINDS else "",
        "channel": query.get("channel", "") if query.get("channel", "").isdecimal() else "",
        "cause": query.get("cause", "") if query.get("cause", "") in CAUSES else "",
    }

    def read() -> dict[str, Any]:
        car = detail_of(parts, principal, vehicle_id)
        gallery = gallery_of(parts)
        words = words_in(language, car.store.time_zone)
        shown: dict[str, Any] = {"car": car, "asked": asked, "newest": gallery.newest(principal, vehicle_id)}
        if part != "grid":
            shown |= _now(parts, principal, vehicle_id, words)
        if part != "now":
            shown |= _gallery(parts, principal, vehicle_id, asked, query.get("after", "")[:40], words)
        return shown

    block = part if part in ("now", "grid") else ""
    return await answer_car(request, "vehicle_media.html", read, block=block)


@get("/media/{number:int}", include_in_schema=False, opt={"right": "media.read"})
async def media_page(request: Request[Any, Any, Any], number: FromPath[int]) -> Response[Any]:
    """Show one item by itself; 404 for one that is not there or not the reader's."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    words = words_of(request)

    def read() -> tuple[MediaItem, Shot, str] | None:
        item = gallery_of(parts).one(principal, number)
        if item is None:
            return None
        [shot] = shots_of(parts, principal, [item], words)
        car = detail_of(parts, principal, item.vehicle_id) if principal.may("vehicles.read") else None
        return item, shot, plate_of(car, words) if car else ""

    found = await sync_to_thread(read)
    if found is None:
        raise Problem("not_found")
    item, shot, plate = found
    return render(request, "media.html", item=item, shot=shot, plate=plate)


# --- what the pages are made of ---------------------------------------------------------------------------------------


def shots_of(parts: Parts, principal: Principal, items: Sequence[MediaItem], words: Words) -> list[Shot]:
    """Return items as a gallery shows them, with what they show and who asked, by name. Blocks."""
    named: dict[str, Event] = {}
    if principal.may("events.read") and items:
        named = gallery_of(parts).events_of(principal, list(items))
    return [_shot(item, named, principal, words) for item in items]


def _shot(item: MediaItem, named: dict[str, Event], principal: Principal, words: Words) -> Shot:
    show = "none"
    if item.state == "stored":
        show = "image" if item.content_type in INLINE and item.content_type.startswith("image/") else "file"
        show = PLAYS.get(item.content_type, show)
    place = ""
    if item.lat_1e7 is not None and item.lon_1e7 is not None and principal.may("positions.read"):
        place = f"{item.lat_1e7 / 1e7:.6f},{item.lon_1e7 / 1e7:.6f},16"
    channel = channel_name(item.channel, words)
    kind = words.t(f"media_kind_{item.kind}")
    return Shot(
        id=item.id,
        media_id=item.media_id,
        kind=item.kind,
        state=item.state,
        url=f"/api/v1/media/{item.id}/content" if item.state == "stored" else "",
        show=show,
        name=f"{kind}, {channel}, {words.moment(item.time_ms):%Y-%m-%d %H:%M:%S}",
        time_ms=item.time_ms,
        channel=channel,
        reason=reason_name(item.event, words),
        size=item.size,
        speed_kmh10=item.speed_kmh10,
        place=place,
        packets=item.packets,
        packets_total=item.packets_total,
        cause=_named(named.get(item.cause), words),
        command=_named(named.get(item.command), words),
    )


def _named(event: Event | None, words: Words) -> Named | None:
    if event is None:
        return None
    look = look_of(event.type)
    message = getattr(event.payload, "message", "")
    what = words.or_text(f"media_asked_{message.lower()}", title_of(event.type, words))
    return Named(f"/events/{event.seq}", what, look.icon, look.kind)


def _gallery(
    parts: Parts, principal: Principal, vehicle_id: int, asked: dict[str, str], after: str, words: Words
) -> dict[str, Any]:
    gallery = gallery_of(parts)
    from_ms = to_ms = None
    if asked["day"]:
        from_ms, to_ms = day_bounds(read_day(asked["day"], "day"), zone_of(words.zone))
    try:
        page = gallery.page(
            principal, vehicle_id, from_ms=from_ms, to_ms=to_ms, kind=asked["kind"],
            channel=int(asked["channel"]) if asked["channel"] and int(asked["channel"]) < 256 else None,
            cause=asked["cause"], after=after, limit=ITEMS_PAGE,
        )  # fmt: skip
    except ValueError as error:
        raise Problem("bad_request", f"after: {error}") from error
    assert page is not None, "detail_of has seen the car"
    shots = shots_of(parts, principal, page.items, words)
    days = [(day, list(ones)) for day, ones in groupby(shots, key=lambda one: f"{words.moment(one.time_ms):%Y-%m-%d}")]
    channels = [(str(one), channel_name(one, words)) for one in gallery.channels(principal, vehicle_id)]
    return {"days": days, "next": page.next, "channels": channels, "kinds": KINDS, "causes": CAUSES}


def _now(parts: Parts, principal: Principal, vehicle_id: int, words: Words) -> dict[str, Any]:
    """Return what is on its way and what was asked for lately."""
    coming: Sequence[Coming] = parts.coming(vehicle_id)
    commands: list[Command] = []
    if principal.may("events.read"):
        page = commands_of(parts, principal, vehicle_id, limit=30)
        commands = [one for one in page.items if one.message.lower() in ASKING][:ASKED_SHOWN]
    search = next((one for one in commands if one.message.lower() == "0x8802" and one.state == "effective"), None)
    found: list[Found] = []
    total = 0
    if search is not None:
        reply = next((step.reply for step in reversed(search.steps) if step.reply), {})
        listed = reply.get("items")
        items = list(listed) if isinstance(listed, list | tuple) else []
        total = len(items)
        found = [one for item in items[:FOUND_SHOWN] if (one := _found(item, words))]
        here = gallery_of(parts).stored_as(principal, vehicle_id, [one.media_id for one in found if one.media_id])
        found = [msgspec.structs.replace(one, here=here.get(one.media_id or -1, 0)) for one in found]
    return {
        "coming": coming,
        "commands": commands,
        "ended": ENDED,
        "searched": search,
        "found": found,
        "found_more": max(0, total - FOUND_SHOWN),
        "waiting": any(one.state not in ENDED for one in commands) or bool(coming),
    }


def _found(item: Any, words: Words) -> Found | None:
    """Return one item of a terminal's list, None for what does not look like one."""
    if not isinstance(item, dict):
        return None
    numbers = {name: item.get(name) for name in ("kind", "channel", "event")}
    place = item.get("location")
    if not all(isinstance(value, int) for value in numbers.values()) or not isinstance(place, dict):
        return None
    kind, channel, event = int(item["kind"]), int(item["channel"]), int(item["event"])
    media_id, time_ms = item.get("media_id"), place.get("time_ms")
    return Found(
        media_id=media_id if isinstance(media_id, int) else None,
        kind=kind,
        channel=channel,
        event=event,
        time_ms=time_ms if isinstance(time_ms, int) else 0,
        what=words.t(f"media_kind_{KINDS[kind] if kind < len(KINDS) else 'other'}"),
        channel_said=channel_name(channel, words),
        reason=reason_name(event, words),
        here=0,
    )


PAGES: Final = (vehicle_media_page, media_page)
