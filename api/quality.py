"""/quality and /vehicles/{id}/quality: how good the positions of terminals are: what was set aside of them, and why."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import KEYED, Problem, answers
from core.kernels.cleaning import Quality
from core.quality import troubles_of
from core.rights import Principal
from storage.vehicles import StoreOf

PAGE: Final = 200
LOOKED_PAGES: Final = 20
"""Pages of terminals looked through for one answer: those whose cars changed hands this moment are left out of it."""

Trouble = Literal["jump", "frozen", "clock", "no_fix", "position_bad", "time_bad"]


class TerminalQuality(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the reports of one terminal in one car, since it was first heard there."""

    terminal: int
    phone: str
    """Empty for who may not read terminals."""
    reports: int
    since_ms: int
    """When the first of them arrived."""
    good: int
    """Neither set aside nor late nor sent twice."""
    aside: dict[str, int]
    """Reason: how many. `late` and `repeated` are no fault of the position."""
    share: float
    """0 to 1: of the reports, what was set aside as jump, frozen, clock, no_fix, position_bad or time_bad."""
    aside_ms: int | None
    """When the last one arrived that was set aside as jump, frozen or clock."""
    clock_hours: int
    """So many whole hours the terminal's clock is behind, ahead where negative; 0: it is not known to be."""


class VehicleQuality(msgspec.Struct, frozen=True, kw_only=True):
    """How good the positions of one car are, terminal by terminal."""

    vehicle_id: int
    items: list[TerminalQuality]


class QualityItem(TerminalQuality, frozen=True, kw_only=True):
    """A terminal of whose reports some were set aside."""

    vehicle_id: int
    plate: str
    store: StoreOf


class QualityPage(msgspec.Struct, frozen=True):
    """Terminals, the worst first."""

    items: list[QualityItem]
    next: str | None
    """Hand it back as `after`; null on the last page. Ranks change while one reads."""


@get(
    "/vehicles/{vehicle_id:int}/quality",
    opt={"right": "vehicles.read"},
    summary="How good a vehicle's positions are",
    responses=answers("vehicle_unknown", "quality_elsewhere", *KEYED),
)
async def read_quality(request: Request, vehicle_id: FromPath[int]) -> VehicleQuality:
    """Return what was set aside of the reports of each terminal that speaks for the car, and why (docs/driving.md).

    404 `vehicle_unknown`; 404 `quality_elsewhere` where this process does not judge.
    """
    parts: Parts = request.app.state.parts
    return await sync_to_thread(quality_in, parts, principal_of(request), vehicle_id)


@get(
    "/quality",
    opt={"right": "vehicles.read"},
    summary="Terminals whose positions are worst",
    responses=answers("bad_request", "quality_elsewhere", *KEYED),
)
async def list_quality(
    request: Request,
    reason: Annotated[Trouble | None, QueryParameter(description="Ranked by this one alone")] = None,
    store: Annotated[
        int | None, QueryParameter(ge=0, le=2**31 - 1, description="Only this store; 0: the group's own")
    ] = None,
    after: Annotated[
        str, QueryParameter(max_length=20, pattern=r"^(\d{1,7}-\d{1,10})?$", description="`next` of the page before")
    ] = "",
    limit: Annotated[int, QueryParameter(ge=1, le=PAGE, description="Most terminals on this page")] = 100,
) -> QualityPage:
    """Return the terminals of your cars of whose reports some were set aside, the worst first: by the share set aside,
    as if a hundred good reports more had come; in front those whose clock is hours off.

    404 `quality_elsewhere` where this process does not judge.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    return await sync_to_thread(page_of, parts, principal, reason or "", store, after, limit)


def quality_in(parts: Parts, principal: Principal, vehicle_id: int) -> VehicleQuality:
    """Return what is known of each terminal that speaks for a car. Blocks.

    Raises:
        Problem: vehicle_unknown, quality_elsewhere.
    """
    if parts.vehicles.one(principal, vehicle_id) is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    if parts.quality is None:
        raise Problem("quality_elsewhere")
    items = []
    for binding in parts.vehicles.bindings(principal, vehicle_id):
        if binding.to_ms is None and (known := parts.quality.of(vehicle_id, binding.terminal)) is not None:
            items.append(TerminalQuality(**_said(binding.terminal, binding.phone, known)))
    return VehicleQuality(vehicle_id=vehicle_id, items=items)


def page_of(
    parts: Parts, principal: Principal, reason: str = "", store: int | None = None, after: str = "", limit: int = PAGE
) -> QualityPage:
    """Return a page of terminals, the worst first. Blocks.

    Whose a car is stands in memory, and is asked of the registry again with the principal's scope before it is shown.

    Raises:
        Problem: quality_elsewhere.
    """
    if parts.quality is None:
        raise Problem("quality_elsewhere")
    scope = principal.scope
    within = scope.stores
    if store is not None:
        within = (store,) if within is None or store in within else ()
    place = _place(after)
    items: list[QualityItem] = []
    for _ in range(LOOKED_PAGES):
        wanted = limit - len(items)
        found = parts.quality.poorest(scope.group, within, reason, place, wanted)
        rows = {row.vehicle_id: row for row in parts.vehicles.some(principal, [one.vehicle_id for one in found])}
        phones = parts.vehicles.phones_of([one.terminal for one in found]) if principal.may("terminals.read") else {}
        for one in found:
            row = rows.get(one.vehicle_id)
            if row is not None and (store is None or row.store.id == store):
                said = _said(one.terminal, phones.get(one.terminal, ""), one.quality)
                items.append(QualityItem(vehicle_id=row.vehicle_id, plate=row.plate, store=row.store, **said))
        if len(found) < wanted:
            return QualityPage(items, None)
        place = (found[-1].rank_ppm, found[-1].terminal)
        if len(items) == limit:
            break
    return QualityPage(items, f"{place[0]}-{place[1]}" if place else None)


def _place(after: str) -> tuple[int, int] | None:
    rank, _, terminal = after.partition("-")
    return (int(rank), int(terminal)) if rank.isdigit() and terminal.isdigit() else None


def _said(terminal: int, phone: str, quality: Quality) -> dict[str, Any]:
    return {
        "terminal": terminal,
        "phone": phone,
        "reports": quality.reports,
        "since_ms": quality.since_ms,
        "good": max(0, quality.reports - sum(quality.aside.values())),
        "aside": quality.aside,
        "share": round(troubles_of(quality) / quality.reports, 6) if quality.reports else 0.0,
        "aside_ms": quality.aside_ms or None,
        "clock_hours": quality.clock_hours,
    }
