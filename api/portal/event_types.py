"""/event-types: the catalogue of events. A table of all types; a page of each with its fields and its last example."""

from functools import partial
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.business import types_in
from api.guards import SELF, principal_of
from api.parts import Parts
from api.portal.happenings import look_of, title_of
from api.portal.render import Words, render, words_of
from api.portal.table import Asked, Choice, Column, Empty, Rows, Search, Table
from api.problems import Problem
from core.catalogue import EventType, Field
from core.events import EVENTS

KINDS: Final = {"fact": "quiet", "intent": "info", "decision": "good"}
FIELDS_NAMED: Final = 5


def field_name(name: str, words: Words) -> str:
    """Return what a field of an event is called; its own name where the pages show it in another way."""
    return words.or_text(f"event_field_{name}", words.or_text(f"catalogue_field_{name}", name))


def who(name: str, words: Words) -> str:
    """Return what an actor or a voice is called."""
    return words.or_text(f"actor_{name}", name)


def meaning(one: EventType, words: Words) -> str:
    """Return what a type says: its sentence in English; in Chinese, of which no sentence is written, what it holds."""
    if words.language == "en" and one.says:
        return one.says
    named = [field_name(field.name, words) for field in one.fields[:FIELDS_NAMED]]
    more = " …" if len(one.fields) > FIELDS_NAMED else ""
    return (
        words.t("catalogue_holds", fields=("、" if words.language == "zh" else ", ").join(named) + more)
        if named
        else ""
    )


def takes(field: Field, words: Words) -> str:
    """Return what a field takes, in words."""
    kind, _, null = field.takes.partition(" or null") if field.takes.endswith(" or null") else (field.takes, "", None)
    said = words.t("catalogue_takes_" + kind.replace(" ", "_"))
    return said if null is None else words.t("catalogue_or_null", takes=said)


def _read(parts: Parts, asked: Asked) -> Rows:
    """Return the types that fit, in the order asked for."""
    words, search = asked.words, asked.get("q").lower()

    def fits(one: EventType) -> bool:
        said = " ".join(
            [
                one.type,
                title_of(one.type, words),
                one.says,
                *(f"{f.name} {field_name(f.name, words)}" for f in one.fields),
            ]
        )
        return (
            search in said.lower()
            and asked.get("kind") in ("", one.kind)
            and asked.get("who") in ("", *one.said_by, *one.heard_by)
        )

    found = [one for one in types_in(parts).values() if fits(one)]
    return Rows([(one, words) for one in found])


def _name(row: tuple[EventType, Words], words: Words) -> Markup:
    look = look_of(row[0].type)
    badge = words.components.badge(title_of(row[0].type, words), look.kind, look.icon)
    return Markup('{}<br><code class="soft">{}</code>').format(badge, row[0].type)


def _people(names: tuple[str, ...], words: Words) -> Markup:
    return Markup(" ").join(Markup('<span class="who-chip">{}</span>').format(who(name, words)) for name in names)


TYPES: Final = Table(
    name="event-types",
    path="/event-types",
    title="nav_event_types",
    columns=(
        Column("type", "catalogue_type", lambda row: row[0].type, _name, width="fit"),
        Column(
            "kind", "catalogue_kind", lambda row: row[0].kind,
            lambda row, words: words.components.badge(words.t(f"catalogue_kind_{row[0].kind}"), KINDS[row[0].kind]),
            width="fit",
        ),
        Column("says", "catalogue_says", lambda row: meaning(row[0], row[1]), width="grow"),
        Column(
            "said_by", "catalogue_said_by", lambda row: ", ".join(row[0].said_by),
            lambda row, words: _people(row[0].said_by, words),
        ),
        Column(
            "heard_by", "catalogue_heard_by", lambda row: ", ".join(row[0].heard_by),
            lambda row, words: _people(row[0].heard_by, words),
        ),
        Column("fields", "catalogue_fields", lambda row: ", ".join(f.name for f in row[0].fields), on_page=False),
    ),
    filters=(
        Search("q", "catalogue_search"),
        Choice("kind", "catalogue_kind", [(kind, f"catalogue_kind_{kind}") for kind in KINDS]),
    ),
    read=lambda asked: Rows(()),
    row_id=lambda row: row[0].type.replace(".", "-"),
    row_href=lambda row: f"/event-types/{row[0].type}",
    empty=Empty("list", "catalogue_none", "catalogue_none_what"),
)  # fmt: skip


@get("/event-types", include_in_schema=False, opt={"right": SELF})
async def event_types_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show every type of event."""
    parts: Parts = request.app.state.parts
    names = dict.fromkeys([voice.name for voice in parts.voices] + [actor.name for actor in parts.actors])
    table = msgspec.structs.replace(
        TYPES,
        read=partial(_read, parts),
        filters=(
            *TYPES.filters,
            Choice("who", "catalogue_who", lambda request, words: [(name, who(name, words)) for name in names]),
        ),
    )
    return await table.answer(request, "event_types.html")


@get("/event-types/{type_:str}", include_in_schema=False, opt={"right": SELF})
async def event_type_page(request: Request[Any, Any, Any], type_: FromPath[str]) -> Response[Any]:
    """Show one type: who says and hears it, its fields, and the last one that this reader may see."""
    parts: Parts = request.app.state.parts
    one = types_in(parts).get(type_)
    if one is None:
        raise Problem("event_unknown", f"no event is called {type_[:80]}")
    principal, words = principal_of(request), words_of(request)
    last = None
    if principal.may("events.read"):
        newest = partial(parts.reader.events, principal, types=(type_,), limit=10, newest_first=True)
        last = next((event for event in (await sync_to_thread(newest)).items if event.type == type_), None)
    example = ""
    if last is not None:
        example = msgspec.json.format(msgspec.json.encode(last), indent=2).decode()
    hearers = {actor.name for actor in parts.actors}
    return render(
        request,
        "event_type.html",
        one=one,
        title=title_of(type_, words),
        look=look_of(type_),
        meaning=meaning(one, words),
        kind=KINDS[one.kind],
        purposes=", ".join(words.or_text(f"event_purpose_{purpose}", purpose) for purpose in one.purposes),
        field_name=partial(field_name, words=words),
        takes=partial(takes, words=words),
        who=partial(who, words=words),
        actors=hearers,
        documented=[(version, EVENTS[type_, version].__name__) for version in one.versions],
        last=last,
        example=example,
    )


PAGES: Final = (event_types_page, event_type_page)
