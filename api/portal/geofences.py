"""/geofences: all fences on the map and in a list; drawing, changing, importing them. The island does the work."""

from collections.abc import Sequence
from typing import Any, Final, get_args

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread

from api.city import ground_of
from api.guards import principal_of
from api.parts import Parts
from api.portal.render import Words, render, words_of
from core.geofence import Kind, Role
from core.limits import FENCE_NAME_CHARACTERS_MAX, FENCE_VEHICLES_MAX, GEOJSON_BYTES_MAX
from storage.geofences import changeable
from storage.people import Store

COLOURS: Final = ("#1b4b9e", "#0f6a66", "#14663c", "#8a4b08", "#a32718", "#a02658", "#7a3f9d", "#4b5666")
"""Colours offered for a fence: legible on the map by day and by night, and apart from one another."""


@get("/geofences", include_in_schema=False, opt={"right": "geofences.read"})
async def geofences_page(request: Request) -> Response[Any]:
    """Show the geofences that this reader sees."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    stores = await sync_to_thread(parts.people.stores, principal)
    about = {
        "write": principal.may("geofences.write"),
        "commands": principal.may("commands.send"),
        "positions": principal.may("positions.read"),
        "events": principal.may("events.read"),
        "vehicles": principal.may("vehicles.read"),
        "group": changeable(principal.scope, 0),
        "stores": [
            {"id": store.id, "zh": store.name_zh, "en": store.name_en, "mine": changeable(principal.scope, store.id)}
            for store in stores
        ],
        "colours": COLOURS,
        "name_max": FENCE_NAME_CHARACTERS_MAX,
        "vehicles_max": FENCE_VEHICLES_MAX,
        "bytes_max": GEOJSON_BYTES_MAX,
    }
    ground = await sync_to_thread(ground_of, parts)
    return render(
        request,
        "geofences.html",
        about=about,
        filters=_filters(words_of(request), stores),
        ground=msgspec.json.encode(ground).decode(),
    )


def _filters(words: Words, stores: Sequence[Store]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Return what the list and the map are filtered by: a parameter of GET /geofences, its `all`, and its choices."""
    t = words.t
    named = [(str(store.id), store.name_zh if words.language == "zh" else store.name_en) for store in stores]
    return [
        ("store", t("geofences_store_any"), [("0", t("geofences_group")), *named]),
        ("state", t("geofences_state_all"), [("active", t("geofences_active")), ("inactive", t("geofences_inactive"))]),
        ("kind", t("geofences_kind_all"), [(kind, t(f"geofences_{kind}")) for kind in get_args(Kind)]),
        ("role", t("geofences_role_all"), [(role, t(f"geofences_role_{role}_short")) for role in get_args(Role)]),
    ]


PAGES: Final = (geofences_page,)
