"""/guards: which cars are armed, and which are suspected to be stolen, with what was seen; settled and disarmed here.

A car's own page shows the same of it as a card (`/vehicles/{id}/guard`), with what can be said of its devices.
"""

import time
from typing import Any, Final, NamedTuple, get_args

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from api.guard import GuardItem, Reason, item_of, page_of
from api.guards import principal_of
from api.parts import Parts
from api.portal.happenings import kinds_said, look_of, sentence_of, title_of, wanted_names
from api.portal.render import Words, render, words_in, words_of
from api.problems import Problem
from core.events import Event
from core.limits import ARMED_RADIUS_M_MAX, ARMED_RADIUS_M_MIN
from core.rights import Principal
from storage.guard import GuardUnknownError

REASONS: Final = get_args(Reason)
STORY_BEFORE_MS: Final = 30 * 60 * 1000
STORY_EVENTS: Final = 40
SHOWN_MAX: Final = 200
"""Cars on the page: who has more armed looks for one by its plate."""
DEVICE_KINDS: Final = {"online": "good", "silent": "warn", "offline": "quiet"}


class Told(NamedTuple):
    """One event of a suspicion's story."""

    seq: int
    icon: str
    kind: str
    what: str
    more: str
    time_ms: int


class Case(NamedTuple):
    """One car with what is suspected of it."""

    item: GuardItem
    name: str
    kinds: str
    confidence: int
    story: list[Told]
    last: tuple[float, float] | None
    """Where it was seen last."""
    minutes: int
    """Since it was suspected."""


@get("/guards", include_in_schema=False, opt={"right": "vehicles.read"})
async def guards_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show suspicions with their stories, then what is armed."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    words = words_of(request)

    def read() -> dict[str, Any]:
        suspected = page_of(parts, principal, "suspected", limit=SHOWN_MAX).items
        armed = page_of(parts, principal, "armed", limit=SHOWN_MAX)
        cases = sorted(
            (case_of(parts, principal, item, words) for item in suspected),
            key=lambda case: -(case.item.suspicion.since_ms if case.item.suspicion else 0),
        )
        people = names_of(parts, principal, armed.items, words)
        return {"cases": cases, "armed": armed.items, "more": armed.next is not None, "people": people}

    block = "guards" if request.query_params.get("part") == "guards" else ""
    shown = await sync_to_thread(read)
    return render(
        request, "guards.html", block=block, reasons=REASONS, name_of=lambda item: name_of(item, words),
        nights=lambda item: nights_said(item, words), **shown,
    )  # fmt: skip


@get("/vehicles/{vehicle_id:int}/guard", include_in_schema=False, opt={"right": "vehicles.read"})
async def guard_card(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Give the card of one car: the page asks for it when it opens, and every few seconds."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    language = words_of(request).language

    def read() -> dict[str, Any]:
        try:
            view = parts.registry.guards.one(principal, vehicle_id)
        except GuardUnknownError as error:
            raise Problem("vehicle_unknown", str(error)) from error
        item = item_of(parts, principal, view)
        words = words_in(language, item.time_zone)
        devices = parts.registry.presences.of_vehicle(principal, vehicle_id)
        return {
            "item": item,
            "case": case_of(parts, principal, item, words) if item.suspicion else None,
            "people": names_of(parts, principal, [item], words),
            "devices": devices,
        }

    shown = await sync_to_thread(read)
    item: GuardItem = shown["item"]
    request.state.zone = item.time_zone
    words = words_of(request)
    return render(
        request,
        "vehicle_guard.html",
        block="guard",
        reasons=REASONS,
        nights=lambda one: nights_said(one, words),
        device_kinds=DEVICE_KINDS,
        radius_min=ARMED_RADIUS_M_MIN,
        radius_max=ARMED_RADIUS_M_MAX,
        days=[(day, words.t(f"guard_day_{day}")) for day in range(1, 8)],
        **shown,
    )


def case_of(parts: Parts, principal: Principal, item: GuardItem, words: Words) -> Case:
    """Return a suspicion with its story: what was said of the car from half an hour before it until now. Blocks."""
    suspicion = item.suspicion
    assert suspicion is not None
    seen = suspicion.seen
    events: list[Event] = []
    if principal.may("events.read"):
        events = parts.reader.events(
            principal,
            types=("theft.", "vehicle.armed", "vehicle.disarmed", "device.", "fence.", "crash.", "sos."),
            subject=f"vehicle:{item.vehicle_id}",
            from_ms=suspicion.since_ms - STORY_BEFORE_MS,
            limit=STORY_EVENTS,
            newest_first=True,
        ).items
    names = parts.reader.names(principal, *wanted_names(events))
    story = [
        Told(
            event.seq, look_of(event.type).icon, look_of(event.type).kind, title_of(event.type, words),
            sentence_of(event, names, words), event.time_ms,
        )
        for event in sorted(events, key=lambda event: (event.time_ms, event.seq))
    ]  # fmt: skip
    may_see = seen is not None and principal.may("positions.read")
    return Case(
        item=item,
        name=name_of(item, words),
        kinds=kinds_said(seen.kinds, words) if seen else words.t("event_type_theft_suspected"),
        confidence=round(100 * seen.confidence) if seen else 0,
        story=story,
        last=(seen.lat_1e7 / 1e7, seen.lon_1e7 / 1e7) if seen and may_see else None,
        minutes=max(0, (time.time_ns() // 1_000_000 - suspicion.since_ms) // 60_000),
    )


def name_of(item: GuardItem, words: Words) -> str:
    """Return a car's plate, or its number."""
    return item.plate or words.t("event_car_numbered", n=item.vehicle_id)


def nights_said(item: GuardItem, words: Words) -> str:
    """Return a car's nights in words; empty where it has none."""
    nights = item.nights
    if nights is None:
        return ""
    which = words.t("guard_every_night")
    if len(nights.days) < 7:
        comma = ", " if words.language == "en" else "、"
        which = comma.join(words.t(f"guard_day_{day}") for day in nights.days)
    return words.t("guard_nights_said", days=which, begins=nights.begins, ends=nights.ends)


def names_of(parts: Parts, principal: Principal, items: list[GuardItem], words: Words) -> dict[str, str]:
    """Return who armed or disarmed these cars, by actor. Blocks."""
    actors = {item.changed_by for item in items if item.changed_by}
    known = parts.people.names(principal, [int(actor[8:]) for actor in actors if actor.startswith("account:")])
    return {
        actor: known.get(int(actor[8:]), actor) if actor.startswith("account:") else words.t("event_actor_node")
        for actor in actors
    }


PAGES: Final = (guards_page, guard_card)
