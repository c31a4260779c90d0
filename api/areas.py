"""Geofences on terminals: which terminal was told of one, what it said; comparing what it holds, and trying again."""

import secrets
import time
from typing import Annotated, Final

import msgspec
import trio
from litestar import Request, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.events import AreasAsked, Event, derive_id
from core.geofence import Geofence
from core.limits import AREAS_PAGE_MAX
from storage.areas import AreaPage, State
from storage.geofences import GeofenceUnknownError

Shown = Annotated[
    list[State] | None, QueryParameter(name="state", description="Only those in this state; may be repeated")
]
COMPARABLE: Final = ("told", "differs", "unknown", "refused")
TRIABLE: Final = ("refused", "differs", "unknown")


class TerminalChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which terminal is meant."""

    terminal: Annotated[int, msgspec.Meta(ge=0, lt=2**31)] = 0
    """0: every terminal of your cars that the geofence is for."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """It stands in the log. What comes of it is seen in the list of terminals."""

    event: str
    """Id of the event."""
    terminals: int
    """How many terminals it is about, as far as can be said now."""


@get(
    "/geofences/{number:int}/terminals",
    opt={"right": "geofences.read"},
    summary="Terminals that were told of a geofence",
    responses=answers("bad_request", "geofence_unknown", *KEYED),
    raises=[],
)
async def list_area_terminals(
    request: Request,
    number: FromPath[int],
    after: Annotated[int, QueryParameter(ge=0, lt=2**31, description="Terminal to go on behind")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=AREAS_PAGE_MAX, description="Most terminals on this page")] = 100,
    state_: Shown = None,
) -> AreaPage:
    """Return the terminals of your cars that were told of the geofence or are to be, by id, and how many there are in
    each state.

    `wanted`: not told yet, it waits for the terminal or its turn. `queued`: a command is on its way. `told`: the
    terminal has confirmed it. `refused`: it said no, or it cannot be told; `reason` says why. `withdrawing`,
    `withdrawn`: it is taken off. `differs`: it holds something else, `differences` says what. `unknown`: no answer.
    """
    parts: Parts = request.app.state.parts
    page = None
    if 0 < number < 2**31:
        page = await sync_to_thread(
            parts.registry.areas.page, principal_of(request), number, after, limit, states=state_ or ()
        )
    if page is None:
        raise Problem("geofence_unknown", f"no geofence {number}")
    return page


@post(
    "/geofences/{number:int}/compare",
    opt={"right": "commands.send"},
    status_code=202,
    summary="Compare what terminals hold with a geofence",
    responses=answers(*CHANGES, "bad_request", "geofence_unknown", "terminal_unknown", "too_large"),
)
async def compare_areas(request: Request, number: FromPath[int], data: JSONBody[TerminalChoice]) -> Asked:
    """Ask the terminals that were told of the geofence what they hold (0x8608), those that are away when they come.

    Only terminals of 2019 can answer; for others `differences` says `edition`. What is different is named there by the
    fields of the message, `missing` where the terminal has none of this id; `others` are areas of the same kind that we
    have not told it.
    """
    return await _ask(request, number, data, "area.compare.requested", COMPARABLE)


@post(
    "/geofences/{number:int}/retry",
    opt={"right": "commands.send"},
    status_code=202,
    summary="Tell terminals of a geofence again",
    responses=answers(*CHANGES, "bad_request", "geofence_unknown", "terminal_unknown", "too_large"),
)
async def retry_areas(request: Request, number: FromPath[int], data: JSONBody[TerminalChoice]) -> Asked:
    """Tell those again that refused it, did not answer, or hold something else."""
    return await _ask(request, number, data, "area.retry.requested", TRIABLE)


async def _ask(request: Request, number: int, choice: TerminalChoice, kind: str, states: tuple[str, ...]) -> Asked:
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> tuple[Geofence, AreaPage]:
        if not 0 < number < 2**31:
            raise GeofenceUnknownError(number)
        fence = parts.registry.geofences.one(principal, number)
        after, limit = (choice.terminal - 1, 1) if choice.terminal else (0, 1)
        page = parts.registry.areas.page(principal, number, after, limit)
        if page is None:
            raise GeofenceUnknownError(number)
        return fence, page

    try:
        fence, page = await sync_to_thread(read)
    except GeofenceUnknownError as error:
        raise Problem("geofence_unknown", str(error)) from error
    if choice.terminal:
        mine = [one for one in page.items if one.terminal == choice.terminal]
        if not mine:
            raise Problem("terminal_unknown", f"geofence {number} is not for terminal {choice.terminal}")
        count = sum(one.state in states for one in mine)
    else:
        count = sum(page.counts[state] for state in states)
    event = Event(
        id=derive_id("api", kind, 1, [secrets.token_hex(16)], str(number)),
        type=kind,
        time_ms=time.time_ns() // 1_000_000,
        subject=f"geofence:{number}",
        group=fence.group,
        store=fence.store,
        actor=principal.actor,
        payload=AreasAsked(fence_id=number, terminal=choice.terminal, stores=principal.scope.stores or ()),
    )
    try:
        await parts.append(event)
    except (OSError, trio.RunFinishedError) as error:
        raise Problem("not_ready", f"the log does not take it: {error}") from error
    return Asked(event=event.id, terminals=count)


RESOURCES: Final = (list_area_terminals, compare_areas, retry_areas)
