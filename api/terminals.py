"""/api/v1/terminals: which terminals there are, entering and changing them, and who knocked and was refused.

Every change is an event (`terminal.entered`, `changed`, `bound`, `unbound`, `retired`), and the running node follows it
within the second: an entered terminal may log in, a retired or rebound one is logged out.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, Response, delete, get, patch, post, put
from litestar.concurrency import sync_to_thread
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.guards import principal_of
from api.parts import Knock, Parts
from api.problems import CHANGES, KEYED, Problem, answers
from api.terminal_file import read_terminal_file
from core import limits
from core.rights import Principal
from storage.bindings import Entry, Outcome
from storage.marks import refuse
from storage.terminals import BindingView, Report, TerminalChange, TerminalView

State = Literal["service", "unbound", "silent", "unplugged", "retired", "all", "online", "offline", "never"]
LIVE_STATES = ("online", "offline", "never")
SCANNED_MAX = 10 * limits.TERMINALS_PAGE_MAX
"""Terminals looked at for one page of those that are online, offline or were never heard: some 0.1 s. A page may come
out short, and its `next` goes on."""


class TerminalItem(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal, the car it speaks for, and whether it is there."""

    terminal: int
    phone: str
    terminal_id: str
    maker: str
    model: str
    store: int
    vehicle_id: int
    """0 for a retired one."""
    plate: str
    plate_colour: int
    vin: str
    role: str
    bound_ms: int
    """Since when it speaks for that car, UTC epoch ms."""
    state: Literal["online", "offline", "never", "retired"]
    """never: it has not logged in yet."""
    since_ms: int
    """Since when it is in that state; 0 for never."""
    heard_ms: int
    """When its last report arrived; 0: none known."""
    version: int
    """Of JT/T 808 as it speaks it: 2011, 2013, 2019; 0: not known while it is offline."""
    created_ms: int
    revision: int


class TerminalList(msgspec.Struct, frozen=True):
    """A page of terminals by number; `next` is the `after` of the page behind it, 0 at the end."""

    items: list[TerminalItem]
    next: int


class TerminalDetail(msgspec.Struct, frozen=True):
    """A terminal and its history, the newest first."""

    terminal: TerminalItem
    bindings: list[BindingView]


class KnockList(msgspec.Struct, frozen=True):
    """Terminals that were refused, who knocked last first. Only a principal of the whole group sees them."""

    items: list[Knock]


class BindingRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which car a terminal speaks for. Neither vehicle_id nor plate: it becomes a vehicle of its own."""

    vehicle_id: int = 0
    plate: str = ""
    """The car by its plate, where vehicle_id is 0."""
    role: Literal["main", "camera", "spare"] = "main"
    from_ms: int = 0
    """Since when, UTC epoch ms; 0: now. A moment in the past corrects the history behind it."""
    replace: bool = False
    """The car's main terminal until now becomes a vehicle of its own."""


class ImportReport(msgspec.Struct, frozen=True):
    """What became of a list, line by line."""

    written: bool
    outcomes: list[Outcome]
    counts: dict[str, int]
    ignored_columns: list[str]


def item_of(parts: Parts, view: TerminalView) -> TerminalItem:
    """Return a terminal with what the node knows of its connection, or else what the log says last of it."""
    session = parts.session(view.terminal) if parts.session is not None else None
    is_online = session is not None or (parts.session is None and view.session_open)
    state: Literal["online", "offline", "never", "retired"] = "online" if is_online else "offline"
    since_ms = (session.since_ms if session is not None else view.session_ms) if is_online else view.session_end_ms
    if view.retired_ms:
        state, since_ms = "retired", view.retired_ms
    elif not is_online and not view.session_ms:
        state, since_ms = "never", 0
    return TerminalItem(
        terminal=view.terminal, phone=view.phone, terminal_id=view.terminal_id, maker=view.maker, model=view.model,
        store=view.store, vehicle_id=view.vehicle_id, plate=view.plate, plate_colour=view.plate_colour, vin=view.vin,
        role=view.role, bound_ms=view.bound_ms, state=state, since_ms=since_ms,
        heard_ms=parts.heard_ms(view.vehicle_id, view.terminal) if view.vehicle_id else 0,
        version=session.version if session is not None else 0, created_ms=view.created_ms, revision=view.revision,
    )  # fmt: skip


def page_of(
    parts: Parts,
    principal: Principal,
    after: int,
    limit: int,
    *,
    search: str = "",
    store: int | None = None,
    state: str = "service",
    newest_first: bool = False,
) -> TerminalList:
    """Return one page of terminals of any State. Blocking."""
    items: list[TerminalItem] = []
    scanned = 0
    asked = "service" if state in LIVE_STATES else state
    size = limits.TERMINALS_PAGE_MAX if state in LIVE_STATES else limit
    while True:
        page = parts.registry.terminals.page(
            principal.scope, after, size, search=search, store=store, state=asked, newest_first=newest_first
        )
        for view in page.items:
            after = view.terminal
            item = item_of(parts, view)
            if state not in LIVE_STATES or item.state == state:
                items.append(item)
                if len(items) == limit:
                    last = view is page.items[-1] and not page.next
                    return TerminalList(items, 0 if last else after)
        scanned += len(page.items)
        if not page.next or state not in LIVE_STATES or scanned >= SCANNED_MAX:
            return TerminalList(items, page.next)


@get(
    "/terminals",
    summary="Terminals",
    opt={"right": "terminals.read"},
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_terminals(
    request: Request[Any, Any, Any],
    after: Annotated[int, QueryParameter(ge=0)] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.TERMINALS_PAGE_MAX)] = 100,
    search: Annotated[str, QueryParameter(max_length=100)] = "",
    store: FromQuery[int | None] = None,
    which: Annotated[State, QueryParameter(name="state")] = "service",
) -> TerminalList:
    """Return the terminals of the caller's stores by number.

    `search` is a part of phone, terminal id, plate, VIN, maker or model.
    """
    parts: Parts = request.app.state.parts
    return await sync_to_thread(
        page_of, parts, principal_of(request), after, limit, search=search, store=store, state=which
    )


@post(
    "/terminals",
    summary="Enter a terminal",
    opt={"right": "terminals.write"},
    responses={
        200: ResponseSpec(Outcome, generate_examples=False, description="Known before: changed, or as it was"),
        **answers("phone_taken", "plate_taken", "main_taken", "terminal_retired", "too_long", *CHANGES),
    },
)
async def enter_terminal(request: Request[Any, Any, Any], data: JSONBody[Entry]) -> Response[Outcome]:
    """Enter a terminal, or change what is known of it: 201 for a new one, 200 for a known one, 422 with the reason.

    A plate that a car has already binds the terminal to that car.
    """
    parts: Parts = request.app.state.parts
    report: Report = await sync_to_thread(parts.registry.terminals.enter, principal_of(request), [data])
    outcome = report.outcomes[0]
    if outcome.refusals:
        first = outcome.refusals[0]
        raise Problem(first.code, first.detail, field=first.field)
    return Response(outcome, status_code=201 if outcome.what == "added" else 200)


@post(
    "/terminals/import",
    summary="Enter a list of terminals",
    opt={"right": "terminals.write"},
    status_code=200,
    request_max_body_size=limits.TERMINALS_IMPORT_BYTES_MAX,
    responses=answers("file_empty", "too_large", *CHANGES),
)
async def import_terminals(
    request: Request[Any, Any, Any], preview: FromQuery[bool] = False, whole: FromQuery[bool] = False
) -> ImportReport:
    """Enter a list: the body is CSV (`text/csv`), one terminal a line, heads in Chinese or English.

    `preview` says what would become of each line and writes nothing; `whole` writes nothing if a line is refused.
    """
    parts: Parts = request.app.state.parts
    body = await request.body()
    return await sync_to_thread(_imported, parts, principal_of(request), body, preview, whole)


def _imported(parts: Parts, principal: Principal, body: bytes, preview: bool, whole: bool) -> ImportReport:
    file = read_terminal_file(body)
    terminals = parts.registry.terminals
    report = (
        terminals.preview(principal, file.entries) if preview else terminals.enter(principal, file.entries, whole=whole)
    )
    return ImportReport(report.written, report.outcomes, report.counts, file.ignored)


@get(
    "/terminals/knocking", summary="Terminals that knocked", opt={"right": "terminals.read"}, responses=answers(*KEYED)
)
async def list_knocking(request: Request[Any, Any, Any]) -> KnockList:
    """Return the terminals that tried to log in and that nobody knows, or that were retired.

    Nobody has said yet which store's they are: a principal of some stores gets an empty list.
    """
    parts: Parts = request.app.state.parts
    return KnockList(list(knocking_for(parts, principal_of(request))))


def knocking_for(parts: Parts, principal: Principal) -> Sequence[Knock]:
    """Return who knocked, for a principal of the whole group."""
    return parts.knocking() if principal.scope.stores is None else ()


@get(
    "/terminals/{terminal:int}",
    summary="One terminal and its history",
    opt={"right": "terminals.read"},
    responses=answers("terminal_unknown", *KEYED),
)
async def read_terminal(request: Request[Any, Any, Any], terminal: FromPath[int]) -> TerminalDetail:
    """Return a terminal, retired or not, and which cars it has spoken for."""
    parts: Parts = request.app.state.parts
    return await sync_to_thread(detail_of, parts, principal_of(request), terminal)


def detail_of(parts: Parts, principal: Principal, terminal: int) -> TerminalDetail:
    """Return a terminal with its history. Blocking; raises Problem terminal_unknown."""
    view = parts.registry.terminals.terminal(principal.scope, terminal)
    bindings = parts.registry.terminals.bindings(principal.scope, terminal)
    return TerminalDetail(item_of(parts, _there(view, terminal)), bindings or [])


@patch(
    "/terminals/{terminal:int}",
    summary="Change what is known of a terminal",
    opt={"right": "terminals.write"},
    responses=answers("terminal_unknown", "terminal_retired", "too_long", *CHANGES),
)
async def change_terminal(
    request: Request[Any, Any, Any], terminal: FromPath[int], data: JSONBody[TerminalChange]
) -> TerminalItem:
    """Change terminal id, maker or model. An empty terminal_id lets the next device with this phone name itself."""
    return await _changed(request, terminal, "change", data)


@delete(
    "/terminals/{terminal:int}",
    summary="Retire a terminal",
    opt={"right": "terminals.write"},
    status_code=200,
    responses=answers("terminal_unknown", "terminal_retired", "too_long", *CHANGES),
)
async def retire_terminal(request: Request[Any, Any, Any], terminal: FromPath[int]) -> TerminalItem:
    """Take a terminal out of service: its session ends, and it is refused from then on. Its history stays.

    Entering it again takes it back into service.
    """
    return await _changed(request, terminal, "retire")


@put(
    "/terminals/{terminal:int}/binding",
    summary="Bind a terminal to a car",
    opt={"right": "terminals.write"},
    responses=answers("terminal_unknown", "main_taken", "too_long", *CHANGES),
)
async def bind_terminal(
    request: Request[Any, Any, Any], terminal: FromPath[int], data: JSONBody[BindingRequest]
) -> TerminalItem:
    """Bind a terminal to a car of the caller's, from now or from a moment in the past, or let it be on its own.

    Reports that are stored keep the car they were stored for.
    """
    parts: Parts = request.app.state.parts
    vehicle_id = data.vehicle_id
    if not vehicle_id and data.plate:
        scope = principal_of(request).scope
        vehicle_id = await sync_to_thread(parts.registry.terminals.vehicle_named, scope, data.plate)
        if not vehicle_id:
            raise refuse("plate", "car_unknown", data.plate[:40])
    if not vehicle_id:
        return await _changed(request, terminal, "unbind", from_ms=data.from_ms)
    more = {"role": data.role, "from_ms": data.from_ms, "replace": data.replace}
    return await _changed(request, terminal, "bind", vehicle_id, **more)


async def _changed(request: Request[Any, Any, Any], terminal: int, verb: str, *given: Any, **more: Any) -> TerminalItem:
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def change() -> TerminalItem:
        view = getattr(parts.registry.terminals, verb)(principal, terminal, *given, **more)
        return item_of(parts, _there(view, terminal))

    return await sync_to_thread(change)


def _there(view: TerminalView | None, terminal: int) -> TerminalView:
    if view is None:
        raise Problem("terminal_unknown", f"no terminal {terminal}")
    return view


RESOURCES: Final = (
    list_terminals,
    enter_terminal,
    import_terminals,
    list_knocking,
    read_terminal,
    change_terminal,
    retire_terminal,
    bind_terminal,
)
