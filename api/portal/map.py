"""GET /: the live map. The page is a frame; its island (islands/map.js) fills it from the live feed."""

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread

from api.city import ground_of
from api.portal.render import render, zone_of


@get("/", include_in_schema=False, opt={"right": "positions.read"})
async def read_map_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Render the map page; which cars it shows is the live feed's matter."""
    ground = await sync_to_thread(ground_of, request.app.state.parts)
    return render(
        request, "map.html", ground=msgspec.json.encode(ground).decode(), zone=zone_of(request), states=STATES
    )


STATES = ("driving", "idling", "parked", "offline", "alarm")
"""What a car can be doing, in the order of the legend."""

PAGES = (read_map_page,)
