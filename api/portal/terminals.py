"""/terminals: every terminal and its state, who knocked and was refused, entering one or a list; /terminals/{id}."""

from typing import Any, Final

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.messages import language_of
from api.parts import Parts
from api.portal.render import Words, render, words_of
from api.portal.table import Asked, Choice, Column, Empty, Moment, Rows, Search, Table
from api.terminal_file import COLUMNS, template_of
from api.terminals import LIVE_STATES, TerminalItem, detail_of, knocking_for, page_of
from storage.marks import PLATE_COLOURS, ROLES
from storage.people import Store

STATES: Final = (*LIVE_STATES, "silent", "unplugged", "unbound", "retired", "all")
STATE_KINDS: Final = {"online": "good", "offline": "quiet", "never": "warn", "retired": "quiet"}
BINDING_SIGNS: Final = {"main": "terminal", "camera": "target", "spare": "layers"}


def store_name(stores: dict[int, Store], store: int, words: Words) -> str:
    """Return a store's name in the reader's language; the group's own rows have one too."""
    if store == 0:
        return words.t("terminals_store_group")
    found = stores.get(store)
    if found is None:
        return f"#{store}"
    return found.name_zh if words.language == "zh" else found.name_en or found.name_zh


def stores_of(parts: Parts, request: Request[Any, Any, Any]) -> dict[int, Store]:
    """Return the reader's stores by number. Blocking."""
    return {store.id: store for store in parts.people.stores(principal_of(request))}


@get("/terminals", include_in_schema=False, opt={"right": "terminals.read"})
async def terminals_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the terminals of the reader's stores, a page at a time, and export them."""
    parts: Parts = request.app.state.parts
    stores = await sync_to_thread(stores_of, parts, request)
    principal = principal_of(request)
    counts = await sync_to_thread(parts.registry.terminals.counts, principal.scope)
    return await _table(parts, stores).answer(
        request,
        "terminals.html",
        counts=counts,
        knocks=knocking_for(parts, principal),
        stores=_store_choices(stores, words_of(request), whole=principal.scope.stores is None),
        colours=_colour_choices(words_of(request)),
        roles=_role_choices(words_of(request)),
        heads=[(zh if words_of(request).language == "zh" else en) for en, zh, _ in COLUMNS.values()],
    )


@get("/terminals/knocking", include_in_schema=False, opt={"right": "terminals.read"})
async def knocking_part(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show who knocked, for the page to renew."""
    parts: Parts = request.app.state.parts
    return render(request, "terminals.html", block="knocking", knocks=knocking_for(parts, principal_of(request)))


@get("/terminals/template.csv", include_in_schema=False, opt={"right": "terminals.read"})
async def template_file(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Return an empty list to fill in with a spreadsheet."""
    language = words_of(request).language
    return Response(
        template_of(language_of(language, "")),
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="terminals-template.csv"',
            "X-Content-Type-Options": "nosniff",
        },
    )


@get("/terminals/{terminal:int}", include_in_schema=False, opt={"right": "terminals.read"})
async def terminal_page(request: Request[Any, Any, Any], terminal: FromPath[int]) -> Response[Any]:
    """Show one terminal: what is known of it, its history, and what may be done. Also opened in a drawer."""
    parts: Parts = request.app.state.parts
    detail = await sync_to_thread(detail_of, parts, principal_of(request), terminal)
    stores = await sync_to_thread(stores_of, parts, request)
    words = words_of(request)
    history = [
        {
            "icon": BINDING_SIGNS.get(stay.role, "terminal"),
            "kind": "info" if not stay.to_ms else "quiet",
            "what": stay.plate or words.t("terminals_own_vehicle", n=stay.vehicle_id),
            "href": f"/vehicles/{stay.vehicle_id}",
            "when": Markup("{} – {}").format(
                words.time(stay.from_ms, "full"),
                words.time(stay.to_ms, "full") if stay.to_ms else words.t("terminals_until_now"),
            ),
            "more": words.t(f"terminals_role_{stay.role}"),
            "current": not stay.to_ms,
        }
        for stay in detail.bindings
    ]
    return render(
        request,
        "terminal.html",
        one=detail.terminal,
        history=history,
        store=store_name(stores, detail.terminal.store, words),
        kind=STATE_KINDS[detail.terminal.state],
        colours=_colour_choices(words),
        roles=_role_choices(words),
        stores=_store_choices(stores, words, whole=principal_of(request).scope.stores is None),
    )


def _colour_choices(words: Words) -> list[tuple[str, str]]:
    return [("", "–")] + [(str(code), words.t(f"plate_colour_{code}")) for code in PLATE_COLOURS]


def _role_choices(words: Words) -> list[tuple[str, str]]:
    return [(role, words.t(f"terminals_role_{role}")) for role in ROLES]


def _store_choices(stores: dict[int, Store], words: Words, *, whole: bool) -> list[tuple[str, str]]:
    named = [(str(number), store_name(stores, number, words)) for number in stores]
    return ([("0", words.t("terminals_store_group"))] if whole else []) + named


# --- the table --------------------------------------------------------------------------------------------------------


def _table(parts: Parts, stores: dict[int, Store]) -> Table:
    """Return the table over this node's terminals."""

    def read(asked: Asked) -> Rows:
        state = asked.get("state")
        after = int(asked.after) if asked.after.isdecimal() else 0
        page = page_of(
            parts,
            asked.principal,
            min(after, 2**31 - 1),
            asked.limit,
            search=asked.get("q"),
            store=asked.whole("store"),
            state=state if state in STATES else "service",
            newest_first=True,
        )
        return Rows(page.items, str(page.next) if page.next else "")

    def store_options(_request: Request[Any, Any, Any], words: Words) -> list[tuple[str, str]]:
        return [(str(number), store_name(stores, number, words)) for number in stores]

    return Table(
        name="terminals",
        path="/terminals",
        title="nav_terminals",
        columns=(
            Column("phone", "terminals_phone", lambda row: row.phone, _phone, width="fit"),
            Column("plate", "terminals_plate", lambda row: row.plate, _plate, width="fit"),
            Column("state", "terminals_state", lambda row: row.state, _state),
            Column("heard", "terminals_heard", lambda row: Moment(row.heard_ms), lambda row, w: w.ago(row.heard_ms)),
            Column("store", "terminals_store", lambda row: row.store, lambda row, w: store_name(stores, row.store, w)),
            Column("terminal_id", "terminals_terminal_id", lambda row: row.terminal_id),
            Column("device", "terminals_device", lambda row: " ".join(filter(None, (row.maker, row.model)))),
            Column("version", "terminals_version", lambda row: str(row.version or ""), align="end", width="fit"),
            Column("role", "terminals_role", lambda row: row.role, _role),
            Column("vin", "terminals_vin", lambda row: row.vin, on_page=False),
            Column("since", "terminals_since", lambda row: Moment(row.since_ms), on_page=False),
            Column("entered", "terminals_entered", lambda row: Moment(row.created_ms), on_page=False),
        ),
        filters=(
            Search("q", "terminals_search"),
            Choice("state", "terminals_state", tuple((state, f"terminals_state_{state}") for state in STATES)),
            Choice("store", "terminals_store", store_options),
        ),
        read=read,
        row_id=lambda row: row.terminal,
        row_href=lambda row: f"/terminals/{row.terminal}",
        renew=True,
        empty=Empty("terminal", "terminals_none", "terminals_none_what"),
    )


def _phone(row: TerminalItem, words: Words) -> Markup:
    return Markup('<span class="mono" translate="no">{}</span>').format(row.phone)


def _plate(row: TerminalItem, words: Words) -> Markup:
    if row.plate:
        return Markup(words.components.plate(row.plate))  # noqa: S704 - a component escapes what it is given
    return Markup('<span class="faint">{}</span>').format(
        "" if row.state == "retired" else words.t("terminals_unbound")
    )


def _state(row: TerminalItem, words: Words) -> Markup:
    shown = words.components.dot(words.t(f"terminals_state_{row.state}"), STATE_KINDS[row.state])
    if not row.since_ms:
        return Markup(shown)  # noqa: S704
    return Markup('{} <span class="faint">{}</span>').format(Markup(shown), words.ago(row.since_ms))  # noqa: S704


def _role(row: TerminalItem, words: Words) -> str:
    return words.t(f"terminals_role_{row.role}") if row.role else ""


PAGES: Final = (terminals_page, knocking_part, template_file, terminal_page)
