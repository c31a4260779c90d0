"""PATCH /api/v1/vehicles/{id}: a car's plate, VIN and store. Its terminals, and all events from then on, follow it."""

from typing import Any, Final

from litestar import Request, patch
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody

from api.guards import principal_of
from api.parts import Parts
from api.problems import CHANGES, Problem, answers
from storage.terminals import VehicleChange, VehicleView


@patch(
    "/vehicles/{vehicle_id:int}",
    summary="Change a car",
    opt={"right": "vehicles.write"},
    responses=answers("vehicle_unknown", "plate_taken", "vin_taken", "too_long", *CHANGES),
)
async def change_vehicle(
    request: Request[Any, Any, Any], vehicle_id: FromPath[int], data: JSONBody[VehicleChange]
) -> VehicleView:
    """Change plate, plate colour, VIN or store; what is not named stays.

    `warnings` of the answer: `plate_unusual`, `vin_check_digit`. They are written all the same.
    """
    parts: Parts = request.app.state.parts
    car = await sync_to_thread(parts.registry.terminals.change_vehicle, principal_of(request), vehicle_id, data)
    if car is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    return car


RESOURCES: Final = (change_vehicle,)
