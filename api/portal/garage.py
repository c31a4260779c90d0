"""/vehicles/{id}/people and /record: a car's owners and drivers over time, and its health record; /odometers: readings
that wait for a person."""

import json
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, get_args

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.garage import Correction, ReadingSource, Role, Source, StateReason, cursor_of, unknown
from api.guards import principal_of
from api.parts import Parts
from api.portal.garage_words import entry_said
from api.portal.render import Words, html_response, words_in, words_of
from api.portal.table import Asked, Choice, Column, Empty, Moment, Rows, Table
from api.portal.vehicle import answer_car
from api.vehicles import detail_of
from core.events.garage import LINK_ROLES, STEPS
from core.limits import HELD_PAGE_MAX
from core.rights import Principal
from storage.garage import CarView, DeviceView, EntryView, HeldView, LinkView

RECORD_PAGE: Final = 100
TALLY_MAX: Final = 99
STATES: Final = ("open", "accepted", "dismissed")
"""Of a held reading."""
TICKS_MAX: Final = 7
DAY_MS: Final = 86_400_000
MARGIN_SHARE: Final = 0.03
"""Of the whole span: so much stands before the first moment."""
STATE_KINDS: Final = {
    "pre_delivery": "quiet", "in_use": "good", "stolen": "bad", "recovered": "info", "for_sale": "warn",
    "scrapped": "quiet",
}  # fmt: skip
ROLE_KINDS: Final = {"owner": "hue-1", "driver": "hue-2", "payer": "hue-4", "emergency": "hue-5"}
ENTRY_ICONS: Final = {
    "fitted": ("terminal", "info"),
    "removed": ("terminal", "quiet"),
    "state": ("car", "info"),
    "owner": ("user", "info"),
    "owner_left": ("user", "quiet"),
    "odometer": ("speed", "quiet"),
    "odometer_held": ("speed", "warn"),
    "odometer_corrected": ("edit", "warn"),
    "crash": ("crash", "bad"),
    "unplugged": ("alert", "warn"),
    "plate": ("mark", "quiet"),
    "vin": ("mark", "quiet"),
}


class Stretch(NamedTuple):
    """A part of a lane: where it lies, in percent of the picture's width, and what it says."""

    left: float
    width: float
    kind: str
    said: str
    text: str
    """On the stretch itself, where it is wide enough; empty: none."""


class Lane(NamedTuple):
    """One row of the picture."""

    label: str
    name: Markup | str
    stretches: list[Stretch]


class Life(NamedTuple):
    """A car's life as a picture: lanes over one axis of time."""

    lanes: list[Lane]
    ticks: list[tuple[float, str]]
    """(percent, what it says)."""


class Told(NamedTuple):
    """An entry of a health record as the page shows it."""

    entry: EntryView
    icon: str
    kind: str
    what: str
    more: str
    trust: str
    """Empty; broken: it is not what was written; doubtful: it stands behind such a one."""
    href: str


@get("/vehicles/{vehicle_id:int}/people", include_in_schema=False, opt={"right": "vehicles.read"})
async def vehicle_people_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show whose the car is and was, and what spoke for it, as lanes over time."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    language = words_of(request).language

    def read() -> dict[str, Any]:
        car = detail_of(parts, principal, vehicle_id)
        words = words_in(language, car.store.time_zone)
        life = parts.garage.car(principal, vehicle_id)
        links = parts.garage.people(principal, vehicle_id)
        devices = parts.garage.devices(principal, vehicle_id)
        states = parts.garage.states(principal, vehicle_id)
        names = names_of(parts, principal, {link.whole for link in links}, words)
        now_ms = time.time_ns() // 1_000_000
        return {
            "car": car,
            "life": life,
            "links": links,
            "names": names,
            "picture": picture_of(life, links, devices, states, names, words, now_ms),
            "state_kinds": STATE_KINDS,
            "steps": said(STEPS[life.state], "garage_state_", words) if life else [],
            "roles": said(get_args(Role), "garage_role_", words),
            "sources": said(get_args(Source), "garage_source_", words),
            "reasons": said(get_args(StateReason), "garage_reason_", words),
        }

    return await answer_car(request, "vehicle_people.html", read)


@get("/vehicles/{vehicle_id:int}/record", include_in_schema=False, opt={"right": "vehicles.read"})
async def vehicle_record_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show the car's health record, reckoned over as the page is made, and where its odometer stands."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    language = words_of(request).language
    text = request.query_params.get("before", "")
    before = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

    def read() -> dict[str, Any]:
        car = detail_of(parts, principal, vehicle_id)
        words = words_in(language, car.store.time_zone)
        proof = parts.garage.proof(principal, vehicle_id)
        if proof is None:
            raise unknown(vehicle_id)
        entries = parts.garage.record(principal, vehicle_id, before=before, limit=RECORD_PAGE)
        may = principal.may("events.read")
        held = parts.garage.held(principal, vehicle_id=vehicle_id)
        return {
            "car": car,
            "life": parts.garage.car(principal, vehicle_id),
            "proof": proof,
            "held": held[0] if held else None,
            "chain": [told_of(entry, proof.broken, words, may) for entry in entries],
            "older": entries[-1].number if len(entries) == RECORD_PAGE and entries[-1].number > 1 else 0,
            "sources": said(get_args(ReadingSource), "garage_reading_", words),
            "reasons": said(get_args(Correction), "garage_correct_", words),
        }

    return await answer_car(request, "vehicle_record.html", read)


def said(values: Iterable[str], family: str, words: Words) -> list[tuple[str, str]]:
    """Return words of a list and how people say them."""
    return [(value, words.t(f"{family}{value}")) for value in values]


def names_of(parts: Parts, principal: Principal, persons: set[int], words: Words) -> dict[int, str]:
    """Return what these persons are called, for whoever asks: by number where they may not see names. Blocks."""
    return {person: words.t("garage_person_numbered", n=person) for person in persons}


def told_of(entry: EntryView, broken: int, words: Words, may: bool) -> Told:
    """Return an entry in words. One that was tampered with may say anything: then it is shown as it stands."""
    icon, kind = ENTRY_ICONS.get(entry.kind, ("info", "quiet"))
    trust = "" if not broken or entry.number < broken else "broken" if entry.number == broken else "doubtful"
    more = entry.detail
    try:
        detail = json.loads(entry.detail)
        if entry.kind == "owner":
            more = words.t("garage_owner_nth", n=detail["owner"])
        elif entry.kind in ("fitted", "removed"):
            more = words.t("garage_terminal_numbered", n=detail["terminal"])
        elif entry.kind == "crash":
            more = words.t(f"crash_severity_{detail['severity']}")
        else:
            more = entry_said(entry.kind, detail, words)
    except (ValueError, KeyError, TypeError):
        pass
    what = words.or_text(f"garage_entry_{entry.kind}", entry.kind)
    href = f"/events/{entry.seq}" if may and entry.seq else ""
    return Told(entry, icon, "bad" if trust == "broken" else kind, what, more, trust, href)


# --- the picture ------------------------------------------------------------------------------------------------------


def picture_of(
    life: CarView | None,
    links: Sequence[LinkView],
    devices: Sequence[DeviceView],
    states: Sequence[EntryView],
    names: dict[int, str],
    words: Words,
    now_ms: int,
) -> Life:
    """Return a car's life as lanes: states, each person in each role, each terminal. Empty where nothing is known."""
    moments = [link.from_ms for link in links] + [one.from_ms for one in devices] + [one.time_ms for one in states]
    if life is None or not moments:
        return Life([], [])
    begin_ms = min(*moments, now_ms - DAY_MS)
    begin_ms -= int((now_ms - begin_ms) * MARGIN_SHARE)
    span_ms = now_ms - begin_ms

    def stretch(from_ms: int, to_ms: int | None, kind: str, what: str, text: str = "") -> Stretch:
        left = 100 * (max(from_ms, begin_ms) - begin_ms) / span_ms
        # A moment is seen too.
        width = max(100 * ((to_ms or now_ms) - begin_ms) / span_ms - left, 0.4)
        end = words.moment(to_ms).strftime("%Y-%m-%d") if to_ms else words.t("garage_lasts")
        when = f"{words.moment(from_ms).strftime('%Y-%m-%d')} – {end}"
        return Stretch(round(left, 2), round(min(width, 100 - left), 2), kind, f"{what} · {when}", text)

    lanes = [Lane(words.t("garage_lane_state"), "", _states(life, states, begin_ms, stretch, words))]
    for role in LINK_ROLES:
        of_role = [link for link in links if link.role == role]
        for person in dict.fromkeys(link.whole for link in sorted(of_role, key=lambda link: link.from_ms)):
            name = names[person]
            ours = [
                stretch(
                    link.from_ms, link.to_ms, ROLE_KINDS[role] + ("" if link.verified else " proposed"),
                    f"{name}, {words.t(f'garage_role_{role}')}, {words.t(f'garage_source_{link.source}')}",
                )
                for link in of_role
                if link.whole == person
            ]  # fmt: skip
            lanes.append(Lane(words.t(f"garage_role_{role}"), name, ours))
    for terminal in dict.fromkeys(one.terminal for one in sorted(devices, key=lambda one: one.from_ms)):
        name = words.t("garage_terminal_numbered", n=terminal)
        ours = [stretch(one.from_ms, one.to_ms, "hue-6", name) for one in devices if one.terminal == terminal]
        lanes.append(Lane("", name, ours))
    return Life(lanes, _ticks(begin_ms, now_ms, words))


def _states(life: CarView, states: Sequence[EntryView], begin_ms: int, stretch: Any, words: Words) -> list[Stretch]:
    """Return the lane of states: each lasts until the next one."""
    steps: list[tuple[int, str]] = []
    for entry in states:
        try:
            detail = json.loads(entry.detail)
            if not steps:
                steps.append((begin_ms, detail["before"]))
            steps.append((entry.time_ms, detail["state"]))
        except (ValueError, KeyError, TypeError):
            continue
    steps = steps or [(max(begin_ms, life.state_ms), life.state)]
    ends: list[int | None] = [moment for moment, _ in steps[1:]]
    lane = []
    for (moment, state), end in zip(steps, [*ends, None], strict=True):
        name = words.or_text(f"garage_state_{state}", state)
        lane.append(stretch(moment, end, f"state {STATE_KINDS.get(state, 'quiet')}", name, name))
    return lane


def _ticks(begin_ms: int, now_ms: int, words: Words) -> list[tuple[float, str]]:
    """Return moments of the axis: years, months or days, whichever gives a handful."""
    days = (now_ms - begin_ms) / DAY_MS
    style = "%Y" if days > 365 * 4 else "%Y-%m" if days > 60 else "%m-%d"
    shares = [number / TICKS_MAX for number in range(1, TICKS_MAX + 1)]
    ticks: dict[str, float] = {}
    for share in shares:
        moment_ms = begin_ms + int(share * (now_ms - begin_ms))
        ticks.setdefault(words.moment(moment_ms).strftime(style), round(100 * share, 2))
    return [(at, text) for text, at in ticks.items()]


# --- held readings ----------------------------------------------------------------------------------------------------


def odometers_table(parts: Parts) -> Table:
    """Return the table of readings that wait, or of what was decided of them; each row leads to its car's record."""

    def read(asked: Asked) -> Rows:
        parts_of = asked.after.split(":")
        is_cursor = len(parts_of) == 3 and all(one.isascii() and one.isdigit() and len(one) < 11 for one in parts_of)
        decided, vehicle, number = (int(part) for part in parts_of) if is_cursor else (0, 0, 0)
        limit = min(asked.limit, HELD_PAGE_MAX)
        state = asked.get("state") if asked.get("state") in STATES else ""
        items = parts.garage.held(asked.principal, after=(decided, vehicle, number), limit=limit, state=state)
        return Rows(items, cursor_of(items[-1]) if len(items) == limit else "")

    return Table(
        name="odometers",
        path="/odometers",
        title="odometers_title",
        columns=(
            Column("plate", "odometers_car", lambda row: row.plate, _plate),
            Column("vehicle", "event_field_vehicle_id", lambda row: row.vehicle_id, on_page=False),
            Column("reading", "odometers_reading", lambda row: row.reading_m / 1000, _km("reading_m"), align="end"),
            Column("stands", "odometers_stands", lambda row: row.stands_m / 1000, _km("stands_m"), align="end"),
            Column("differs", "odometers_differs", lambda row: (row.reading_m - row.stands_m) / 1000, _differs,
                   align="end"),
            Column("source", "odometers_source", lambda row: row.source, _source),
            Column("times", "odometers_times", lambda row: row.times, align="end", width="fit"),
            Column("last", "odometers_last", lambda row: Moment(row.last_ms), width="fit"),
            Column("state", "odometers_state", lambda row: row.state, _state, width="fit"),
        ),
        filters=(
            Choice(
                "state",
                "odometers_state",
                tuple((state, f"odometers_state_{state}") for state in STATES),
            ),
        ),
        read=read,
        empty=Empty("speed", "odometers_none", "odometers_none_what"),
        row_id=lambda row: f"{row.vehicle_id}-{row.number}",
        row_href=lambda row: f"/vehicles/{row.vehicle_id}/record",
    )  # fmt: skip


def _plate(row: HeldView, words: Words) -> Markup | str:
    return words.components.plate(row.plate, words.t("event_car_numbered", n=row.vehicle_id))


def _km(name: str) -> Any:
    return lambda row, words: words.number(getattr(row, name) // 1000)


def _differs(row: HeldView, words: Words) -> Markup | str:
    km = row.reading_m // 1000 - row.stands_m // 1000
    return words.components.badge(f"{'+' if km > 0 else '−'}{words.number(abs(km))}", "bad" if km < 0 else "warn")


def _source(row: HeldView, words: Words) -> str:
    return words.or_text(f"garage_reading_{row.source}", row.source)


def _state(row: HeldView, words: Words) -> Markup | str:
    kinds = {"open": "warn", "accepted": "good", "dismissed": "quiet"}
    return words.components.dot(words.t(f"odometers_state_{row.state}"), kinds[row.state])


@get("/odometers", include_in_schema=False, opt={"right": "vehicles.read"})
async def odometers_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show readings that wait for a person."""
    parts: Parts = request.app.state.parts
    return await odometers_table(parts).answer(request, "odometers.html")


@get("/odometers/count", include_in_schema=False, opt={"right": "vehicles.read"})
async def odometers_count(request: Request[Any, Any, Any]) -> Response[Any]:
    """Give how many readings wait, as the navigation shows it; nothing where there is none."""
    parts: Parts = request.app.state.parts
    waiting = len(await sync_to_thread(lambda: parts.garage.held(principal_of(request), limit=TALLY_MAX + 1)))
    shown = f"{TALLY_MAX}+" if waiting > TALLY_MAX else str(waiting)
    title = words_of(request).t("odometers_waiting", n=shown)
    badge = Markup('<b class="tally" title="{}">{}</b>').format(title, shown) if waiting else ""
    return html_response(str(badge))


PAGES: Final = (vehicle_people_page, vehicle_record_page, odometers_page, odometers_count)
