"""/consents: what persons allow, the texts they agree to, and looks by break-glass with their review."""

from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.consents import found, place_in, place_of, proof_of
from api.guards import principal_of
from api.parts import Parts
from api.portal.happenings import look_of, title_of
from api.portal.render import Words, render, words_of
from api.portal.table import Asked, Choice, Column, Empty, Moment, Rows, Search, Table
from core.data_classes import CHANNELS, CONSENTED, DATA_CLASSES, HOLDS
from core.events.consent import GLASS_REASONS
from core.limits import GLASS_MINUTES_MAX
from core.rights import Principal
from storage.consents import ConsentRow, Consents, GlassRow, PersonConsents

STATES: Final = {"given": "good", "asked": "info", "held": "warn", "withdrawn": "warn", "expired": "quiet"}
"""State of a consent -> how it looks."""
GLASS_STATES: Final = {"opened": "info", "used": "warn", "ended": "warn", "overdue": "bad", "closed": "good"}
GLASSES_SHOWN_MAX: Final = 200


class Square(NamedTuple):
    """One purpose and kind of data of a person's matrix."""

    most: str
    """How exactly the purpose may hold it at all; none: never."""
    row: ConsentRow | None


class Line(NamedTuple):
    """One kind of data, or one way to get in touch, over all purposes."""

    name: str
    squares: list[Square]


def tabs_of(request: Request[Any, Any, Any]) -> list[tuple[str, str, None]]:
    """Return the pages of this group that the reader may open."""
    words, principal = words_of(request), principal_of(request)
    pages = (
        ("/consents", "nav_consents", "consents.read"),
        ("/consents/texts", "consents_texts", "consents.read"),
        ("/breakglass", "nav_breakglass", "breakglass.review"),
    )
    return [(path, words.t(text), None) for path, text, right in pages if principal.may(right)]


def read_list(parts: Parts, asked: Asked) -> Rows:
    """Return consents, a page of them. Blocks."""
    search = asked.get("q").strip()
    items = Consents(parts.reader.database).page(
        asked.principal,
        after=place_of(asked.after),
        person=int(search) if search.isascii() and search.isdigit() and len(search) < 10 else 0,
        purpose=asked.get("purpose") if asked.get("purpose") in CONSENTED else "",
        state=asked.get("state") if asked.get("state") in STATES else "",
        limit=asked.limit,
    )
    return Rows(items, place_in(items[-1]) if len(items) == asked.limit else "")


def _state(row: ConsentRow, words: Words) -> Markup:
    badge: Markup = words.components.badge(words.t(f"consent_state_{row.state}"), STATES.get(row.state, "quiet"))
    return badge


def _person(row: ConsentRow, words: Words) -> Markup:
    return Markup('<a class="into" href="/persons/{}/consents">{}</a>').format(
        row.person, words.t("consents_person_numbered", n=row.person)
    )


def _what(row: ConsentRow, words: Words) -> str:
    if row.data_class == "contact":
        return words.t(f"consent_channel_{row.channel}")
    name = words.t(f"data_class_{row.data_class}")
    return f"{name} · {words.t(f'rung_{row.precision}')}" if row.data_class == "position" else name


CONSENTS: Final = Table(
    name="consents",
    path="/consents",
    title="nav_consents",
    columns=(
        Column("person", "event_field_person", lambda row: row.person, _person, width="fit"),
        Column("purpose", "event_field_purpose", lambda row: row.purpose,
               lambda row, words: words.t(f"purpose_{row.purpose}"), width="fit"),
        Column("what", "event_field_data_class", lambda row: f"{row.data_class} {row.channel}", _what, width="grow"),
        Column("state", "consents_state", lambda row: row.state, _state, width="fit"),
        Column("text", "event_field_text", lambda row: f"{row.text} v{row.version}",
               lambda row, words: f"{row.text} v{row.version}", width="fit"),
        Column("since", "consents_since", lambda row: Moment(row.since_ms),
               lambda row, words: words.time(row.since_ms, "day"), width="fit"),
        Column("until", "event_field_until_ms", lambda row: Moment(row.expires_ms),
               lambda row, words: words.time(row.expires_ms, "day"), width="fit"),
    ),
    filters=(
        Search("q", "consents_search"),
        Choice("purpose", "event_field_purpose", [(one, f"purpose_{one}") for one in CONSENTED]),
        Choice("state", "consents_state", [(one, f"consent_state_{one}") for one in STATES]),
    ),
    read=lambda asked: Rows(()),
    row_id=lambda row: place_in(row).replace(".", "-"),
    empty=Empty("shield", "consents_none", "consents_none_what", "/consents/texts", "consents_texts"),
)  # fmt: skip


@get("/consents", include_in_schema=False, opt={"right": "consents.read"})
async def consents_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what persons allow, by person."""
    parts: Parts = request.app.state.parts
    table = msgspec.structs.replace(CONSENTS, read=partial(read_list, parts))
    return await table.answer(request, "consents.html", tabs_shown=tabs_of(request))


@get("/consents/texts", include_in_schema=False, opt={"right": "consents.read"})
async def texts_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the texts that people agree to, in all their versions, and what each purpose may hold at all."""
    parts: Parts = request.app.state.parts
    texts = await sync_to_thread(Consents(parts.reader.database).texts, principal_of(request))
    holds = [(one, [(name, rung) for name, rung in HOLDS[one].items()]) for one in CONSENTED]
    return render(
        request, "consent_texts.html", tabs_shown=tabs_of(request), texts=texts, holds=holds, purposes=CONSENTED
    )


def matrix(one: PersonConsents) -> tuple[list[Line], list[Line]]:
    """Return what a person allows: kinds of data by purpose, then ways to get in touch by purpose."""
    rows = {(row.data_class, row.channel, row.purpose): row for row in one.consents}
    names = [name for name in DATA_CLASSES if name != "contact" and any(name in HOLDS[each] for each in CONSENTED)]
    data = [
        Line(name, [Square(HOLDS[each].get(name, "none"), rows.get((name, "data", each))) for each in CONSENTED])
        for name in names
    ]
    contact = [
        Line(way, [Square(HOLDS[each].get("contact", "none"), rows.get(("contact", way, each))) for each in CONSENTED])
        for way in CHANNELS
        if way != "data"
    ]
    return data, contact


@get("/persons/{person:int}/consents", include_in_schema=False, opt={"right": "consents.read"})
async def person_page(request: Request[Any, Any, Any], person: FromPath[int]) -> Response[Any]:
    """Show what one person allows as a matrix, how it came to be, and what can be taken down or taken back."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    words = words_of(request)

    def read() -> dict[str, Any]:
        one = found(parts, principal, person)
        texts = [text for text in Consents(parts.reader.database).texts(principal) if text.current]
        names = parts.reader.names(principal, one.cars[:50])
        return {"one": one, "texts": texts, "plates": names.plates}

    shown = await sync_to_thread(read)
    one: PersonConsents = shown["one"]
    data, contact = matrix(one)
    story = [
        {
            "icon": look_of(record.type).icon,
            "kind": look_of(record.type).kind,
            "what": title_of(record.type, words),
            "when": words.time(record.time_ms, "second"),
            "more": " · ".join(
                part
                for part in (
                    words.t(f"purpose_{record.purpose}"),
                    words.t(f"data_class_{record.data_class}"),
                    "" if record.channel == "data" else words.t(f"consent_channel_{record.channel}"),
                    f"{record.text} v{record.version}",
                    record.evidence,
                )
                if part
            ),
            "href": "",
            "current": False,
        }
        for record in one.records[:100]
    ]
    given = {row.purpose for row in one.consents if row.state in ("given", "held")}
    return render(
        request, "consent_person.html", data=data, contact=contact, purposes=CONSENTED, story=story, given=given,
        states=STATES, **shown,
    )  # fmt: skip


@get("/persons/{person:int}/consents/withdrawals/{withdrawal:str}", include_in_schema=False,
     opt={"right": "consents.read"})  # fmt: skip
async def proof_page(
    request: Request[Any, Any, Any], person: FromPath[int], withdrawal: FromPath[str]
) -> Response[Any]:
    """Show what followed from a withdrawal."""
    parts: Parts = request.app.state.parts
    words = words_of(request)
    proof = await sync_to_thread(proof_of, parts, principal_of(request), person, withdrawal[:64])
    story = [
        {
            "icon": look_of(event.type).icon,
            "kind": look_of(event.type).kind,
            "what": title_of(event.type, words),
            "when": words.time(event.time_ms, "second"),
            "more": _ended(event.payload, words),
            "href": f"/events/{event.seq}",
            "current": False,
        }
        for event in proof.events
    ]
    cascade = next((event.payload for event in proof.events if event.type == "consent.cascaded"), None)
    return render(request, "consent_proof.html", proof=proof, story=story, cascade=cascade)


def _ended(payload: Any, words: Words) -> str:
    purpose, data_class = getattr(payload, "purpose", ""), getattr(payload, "data_class", "")
    if not purpose or not data_class:
        return ""
    return f"{words.t(f'purpose_{purpose}')} · {words.t(f'data_class_{data_class}')}"


@get("/breakglass", include_in_schema=False, opt={"right": "breakglass.review"})
async def glasses_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show who looked where a car was because of an incident; those that wait for a review first."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> tuple[list[GlassRow], dict[int, str], dict[str, str]]:
        rows = Consents(parts.reader.database).glasses(principal, limit=GLASSES_SHOWN_MAX)
        rows.sort(key=lambda row: (row.state == "closed", -row.id))
        plates = parts.reader.names(principal, [row.vehicle_id for row in rows]).plates
        return rows, plates, _people(parts, principal, rows)

    rows, plates, people = await sync_to_thread(read)
    block = "glasses" if request.query_params.get("part") == "glasses" else ""
    return render(
        request, "breakglass.html", block=block, tabs_shown=tabs_of(request), rows=rows, plates=plates, people=people,
        states=GLASS_STATES, reasons=GLASS_REASONS, minutes_max=GLASS_MINUTES_MAX,
    )  # fmt: skip


def _people(parts: Parts, principal: Principal, rows: list[GlassRow]) -> dict[str, str]:
    actors = {actor for row in rows for actor in (row.account, row.reviewer) if actor.startswith("account:")}
    names = parts.people.names(principal, [int(actor[8:]) for actor in actors])
    return {actor: names.get(int(actor[8:]), actor) for actor in actors}


PAGES: Final = (consents_page, texts_page, person_page, proof_page, glasses_page)
