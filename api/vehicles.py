"""GET /api/v1/vehicles/{id}: one vehicle, its terminals and where it was last."""

from litestar import Request, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath

from api.guards import principal_of
from api.parts import Parts, Vehicle
from api.problems import KEYED, Problem, answers


@get(
    "/vehicles/{vehicle_id:int}",
    opt={"right": "vehicles.read"},
    summary="One vehicle",
    responses=answers("vehicle_unknown", *KEYED),
)
async def read_vehicle(request: Request, vehicle_id: FromPath[int]) -> Vehicle:
    """Return the vehicle; 404 `vehicle_unknown` if there is none of this id."""
    parts: Parts = request.app.state.parts
    vehicle = await sync_to_thread(parts.vehicle, principal_of(request), vehicle_id)
    if vehicle is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    return vehicle
