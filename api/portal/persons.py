"""/persons, /persons/{id}, /matches: customers found by what people say at a counter, the dossier of one, and pairs
that may be one, side by side with what each field says."""

from functools import partial
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.parts import Parts
from api.persons import dossier_in, matches_in, page_in, persons_of
from api.portal.render import Words, html_response, render, words_of
from api.portal.table import Asked, Column, Empty, Moment, Rows, Search, Table
from core import limits
from storage.persons import Known, MatchRow, PersonRow

MATCHES_SHOWN: Final = 10


def read_persons(parts: Parts, asked: Asked) -> Rows:
    """Return a page of persons. Blocks."""
    after = int(asked.after) if str(asked.after).isdigit() else 0
    page = page_in(parts, asked.principal, asked.get("q"), after, min(asked.limit, limits.PERSONS_PAGE_MAX))
    return Rows(page.items, str(page.next) if page.next else "")


def _name(row: PersonRow, words: Words) -> Markup | str:
    if row.name:
        return row.name
    return Markup('<span class="faint">{}</span>').format(words.t("persons_nameless", id=row.person))


def _sources(row: PersonRow, words: Words) -> Markup:
    return Markup(" ").join(words.components.badge(words.t(f"persons_source_{one}"), "quiet") for one in row.sources)


def _plates(row: PersonRow, words: Words) -> Markup:
    return Markup(" ").join(words.components.plate(one) for one in row.plates)


def _state(row: PersonRow, words: Words) -> Markup:
    kind = "good" if row.state == "confirmed" else "quiet"
    dot: Markup = words.components.dot(words.t(f"persons_state_{row.state}"), kind)
    return dot


PERSONS: Final = Table(
    name="persons",
    path="/persons",
    title="nav_persons",
    columns=(
        Column("name", "persons_name", lambda row: row.name, _name, width="grow"),
        Column("phone", "persons_phone", lambda row: row.phone, width="fit"),
        Column("plates", "persons_plates", lambda row: " ".join(row.plates), _plates, width="fit"),
        Column("state", "persons_state", lambda row: row.state, _state, width="fit"),
        Column("sources", "persons_sources", lambda row: " ".join(row.sources), _sources, width="fit"),
        Column("captures", "persons_captures", lambda row: row.captures, align="end", width="fit"),
        Column(
            "last", "persons_last", lambda row: Moment(row.last_ms),
            lambda row, words: words.time(row.last_ms, "minute"), width="fit",
        ),
    ),
    filters=(Search("q", "persons_search"),),
    read=lambda asked: Rows(()),
    row_id=lambda row: str(row.person),
    row_href=lambda row: f"/persons/{row.person}",
    empty=Empty("user", "persons_none", "persons_none_what"),
)  # fmt: skip


@get("/persons", include_in_schema=False, opt={"right": "persons.read"})
async def persons_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the table, or its export."""
    parts: Parts = request.app.state.parts
    table = msgspec.structs.replace(PERSONS, read=partial(read_persons, parts))
    return await table.answer(request, "persons.html")


def grouped(known: list[Known]) -> list[tuple[str, list[Known]]]:
    """Return values by kind, in the order they came."""
    kinds: dict[str, list[Known]] = {}
    for one in known:
        kinds.setdefault(one.kind, []).append(one)
    return list(kinds.items())


@get("/persons/{person:int}", include_in_schema=False, opt={"right": "persons.read"})
async def person_page(request: Request[Any, Any, Any], person: FromPath[int]) -> Response[Any]:
    """Show all that is known of one person."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> tuple[Any, dict[int, str]]:
        dossier = dossier_in(parts, principal, person)
        plates = parts.reader.names(principal, sorted({car.vehicle for car in dossier.cars})).plates
        return dossier, plates

    dossier, plates = await sync_to_thread(read)
    block = "dossier" if request.query_params.get("part") == "dossier" else ""
    return render(
        request, "dossier.html", block=block, one=dossier, groups=grouped(dossier.known), plates=plates,
        may_write=principal.may("persons.write"), may_erase=principal.may("persons.erase"),
    )  # fmt: skip


def leaning(row: MatchRow) -> list[tuple[Any, float]]:
    """Return each field's evidence with how far its bar goes, -1 to 1: twenty bits are the whole of it."""
    return [(one, max(-1.0, min(1.0, one.bits / 20))) for one in row.evidence]


@get("/matches", include_in_schema=False, opt={"right": "persons.read"})
async def matches_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show pairs that somebody must look at, the oldest first."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    page = await sync_to_thread(matches_in, parts, principal, "open", 0, MATCHES_SHOWN)
    waiting = await sync_to_thread(lambda: persons_of(parts).waiting(principal))
    block = "waiting" if request.query_params.get("part") == "waiting" else ""
    return render(
        request, "matches.html", block=block, matches=[(row, leaning(row)) for row in page.items], waiting=waiting,
        may_write=principal.may("persons.write"),
    )  # fmt: skip


@get("/matches/count", include_in_schema=False, opt={"right": "persons.read"})
async def matches_count(request: Request[Any, Any, Any]) -> Response[Any]:
    """Give how many pairs wait, as the navigation shows it; nothing where there is none."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    count = 0 if parts.vault is None else await sync_to_thread(lambda: persons_of(parts).waiting(principal))
    said = words_of(request).t("matches_waiting", n=count)
    badge = Markup('<b class="tally" title="{}">{}</b>').format(said, "99+" if count > 99 else count) if count else ""
    return html_response(str(badge))


PAGES: Final = (persons_page, person_page, matches_page, matches_count)
