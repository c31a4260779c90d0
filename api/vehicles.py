"""GET /api/v1/vehicles and /vehicles/{id}: the cars one may see, what each does now, and what speaks for it."""

from typing import Annotated, Final, Literal, get_args

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.positions import Position, position_of
from api.problems import KEYED, Problem, answers
from core.kernels.track import STANDING_KMH10
from core.limits import VEHICLES_LOOKED_MAX, VEHICLES_PAGE_MAX
from core.rights import Principal
from storage.clickhouse import LastPosition
from storage.vehicles import SEARCH_CHARACTERS_MAX, BindingRow, StoreOf, VehicleRow

URGENT_BITS: Final = (0, 3, 26, 27, 28, 29, 30, 31)
"""Alarm bits that someone should look at now: emergency button, danger, stolen, illegal ignition, illegal move,
collision, rollover, illegal door opening (JT/T 808-2019 table 25). The others are faults and warnings."""
URGENT: Final = sum(1 << bit for bit in URGENT_BITS)

Doing = Literal["driving", "standing", "offline"]
State = Literal["online", "offline", "driving", "standing", "alarm"]
STATES: Final[tuple[str, ...]] = get_args(State)


class VehicleItem(msgspec.Struct, frozen=True, kw_only=True):
    """A car and what it does now."""

    vehicle_id: int
    plate: str
    plate_colour: int
    """JT/T 697.7: 1 blue, 2 yellow, 3 black, 4 white, 5 green, 9 other; 0 none."""
    vin: str
    store: StoreOf
    phones: list[str]
    """Of the terminals that speak for it now."""
    online: bool
    """A terminal of it is logged in."""
    doing: Doing
    alarm: bool
    """An urgent alarm bit is up in its last report."""
    heard_ms: int | None
    """When that report arrived."""
    position: Position | None


class VehiclePage(msgspec.Struct, frozen=True):
    """Vehicles by id, and where the next page starts."""

    items: list[VehicleItem]
    next: int | None
    """Hand it back as `after`; null on the last page. A page may be short, or empty, and not be the last."""


class VehicleDetail(VehicleItem, frozen=True, kw_only=True):
    """A car with all that is known of it."""

    created_ms: int
    terminals: list[BindingRow]
    """What speaks for it now."""
    bindings: list[BindingRow]
    """What speaks and spoke for it, newest first."""


@get(
    "/vehicles",
    opt={"right": "vehicles.read"},
    summary="Vehicles",
    responses=answers("bad_request", *KEYED),
    raises=[],
)
async def list_vehicles(
    request: Request,
    after: Annotated[int, QueryParameter(ge=0, le=2**31 - 1, description="Vehicle id to go on behind")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=VEHICLES_PAGE_MAX, description="Most vehicles on this page")] = 100,
    search: Annotated[
        str,
        QueryParameter(
            max_length=SEARCH_CHARACTERS_MAX, description="Part of plate or VIN, the number, or the end of a phone"
        ),
    ] = "",
    store: Annotated[
        int | None, QueryParameter(ge=0, le=2**31 - 1, description="Only this store; 0: the group's own")
    ] = None,
    doing: Annotated[State | None, QueryParameter(name="state", description="Only those that do this now")] = None,
) -> VehiclePage:
    """Return the vehicles of the caller's stores by id, each with its last position. Coordinates are WGS-84."""
    parts: Parts = request.app.state.parts
    return await sync_to_thread(
        page_of, parts, principal_of(request), after=after, limit=limit, search=search, store=store, state=doing
    )


@get(
    "/vehicles/{vehicle_id:int}",
    opt={"right": "vehicles.read"},
    summary="One vehicle",
    responses=answers("vehicle_unknown", *KEYED),
)
async def read_vehicle(request: Request, vehicle_id: FromPath[int]) -> VehicleDetail:
    """Return the vehicle; 404 `vehicle_unknown` if there is none of this id in the caller's stores."""
    parts: Parts = request.app.state.parts
    return await sync_to_thread(detail_of, parts, principal_of(request), vehicle_id)


def page_of(
    parts: Parts,
    principal: Principal,
    *,
    after: int = 0,
    limit: int = 100,
    search: str = "",
    store: int | None = None,
    state: str | None = None,
    what: str = "",
) -> VehiclePage:
    """Return a page of the list. Blocks.

    What a car does now stands in no table that could be asked by it: with a state, pages are looked through until one
    is full, VEHICLES_LOOKED_MAX vehicles at most. `what` is for the access log, `search` or `positions` where empty.
    """
    items: list[VehicleItem] = []
    step = limit if state is None else VEHICLES_PAGE_MAX
    for _ in range(max(1, VEHICLES_LOOKED_MAX // step)):
        rows = parts.vehicles.page(principal, after=after, limit=step, search=search, store=store)
        for item in items_of(parts, principal, rows, what or ("search" if search else "positions")):
            after = item.vehicle_id
            if state is None or does(item, state):
                items.append(item)
                if len(items) == limit:
                    return VehiclePage(items, after)
        if len(rows) < step:
            return VehiclePage(items, None)
    return VehiclePage(items, after)


def detail_of(parts: Parts, principal: Principal, vehicle_id: int) -> VehicleDetail:
    """Return one vehicle. Blocks.

    Raises:
        Problem: vehicle_unknown.
    """
    row = parts.vehicles.one(principal, vehicle_id)
    if row is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    item = items_of(parts, principal, [row], "positions")[0]
    bindings = parts.vehicles.bindings(principal, vehicle_id)
    return VehicleDetail(
        **{name: getattr(item, name) for name in VehicleItem.__struct_fields__},
        created_ms=row.created_ms,
        terminals=[one for one in bindings if one.to_ms is None],
        bindings=bindings,
    )


def items_of(parts: Parts, principal: Principal, rows: list[VehicleRow], what: str) -> list[VehicleItem]:
    """Return vehicles with what they do now. `what` is written to the access log. Blocks."""
    ids = [row.vehicle_id for row in rows]
    positions: dict[int, LastPosition] = {}
    if ids and principal.may("positions.read"):
        positions = {one.vehicle_id: one for one in parts.reader.positions_of(principal, ids, what)}
    phones = parts.vehicles.phones(ids) if ids and principal.may("terminals.read") else {}
    return [
        _item(row, positions.get(row.vehicle_id), online, phones.get(row.vehicle_id, []))
        for row, online in zip(rows, parts.live.online(ids), strict=True)
    ]


def _item(row: VehicleRow, last: LastPosition | None, online: bool, phones: list[str]) -> VehicleItem:
    doing: Doing = "offline"
    if online:
        doing = "driving" if last is not None and last.speed_kmh10 > STANDING_KMH10 else "standing"
    return VehicleItem(
        vehicle_id=row.vehicle_id,
        plate=row.plate,
        plate_colour=row.plate_colour,
        vin=row.vin,
        store=row.store,
        phones=phones,
        online=online,
        doing=doing,
        alarm=online and last is not None and bool(last.alarm & URGENT),
        heard_ms=None if last is None else last.arrival_ms,
        position=None if last is None else position_of(last, online),
    )


def does(item: VehicleItem, state: str) -> bool:
    """Tell whether a vehicle does that now."""
    match state:
        case "online":
            return item.online
        case "alarm":
            return item.alarm
        case _:
            return item.doing == state
