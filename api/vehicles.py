"""GET /api/v1/vehicles/{id}: one vehicle, its terminals and where it was last."""

import msgspec
from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from api.guards import principal_of
from api.parts import Parts
from api.positions import Position, position_of
from api.problems import KEYED, Problem, answers
from core.rights import Principal


class Terminal(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that is bound to a vehicle."""

    terminal: int
    phone: str
    terminal_id: str = ""
    plate: str = ""


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle as the platform knows it."""

    vehicle_id: int
    online: bool
    terminals: list[Terminal]
    """Empty for who may not read terminals."""
    position: Position | None
    """Null for a vehicle that never reported, and for who may not read positions."""


@get(
    "/vehicles/{vehicle_id:int}",
    opt={"right": "vehicles.read"},
    summary="One vehicle",
    responses=answers("vehicle_unknown", *KEYED),
)
async def read_vehicle(request: Request, vehicle_id: FromPath[int]) -> Vehicle:
    """Return the vehicle; 404 `vehicle_unknown` if there is none of this id for you."""
    vehicle = await sync_to_thread(find_vehicle, request.app.state.parts, principal_of(request), vehicle_id)
    if vehicle is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    return vehicle


def find_vehicle(parts: Parts, principal: Principal, vehicle_id: int) -> Vehicle | None:
    """Return the vehicle as this principal may see it; None if there is none for them. Blocking."""
    if not 0 < vehicle_id < 2**31 or not parts.reader.sees(principal, vehicle_id):
        return None
    [online] = parts.live.online([vehicle_id])
    rows = parts.registry.terminals_of(vehicle_id) if principal.may("terminals.read") else ()
    last = parts.reader.position(principal, vehicle_id) if principal.may("positions.read") else None
    return Vehicle(
        vehicle_id=vehicle_id,
        online=online,
        terminals=[
            Terminal(terminal=row.terminal, phone=row.phone, terminal_id=row.terminal_id, plate=row.plate)
            for row in rows
        ],
        position=None if last is None else position_of(last, online),
    )
