"""The portal: pages for people. One file a page; the frame they stand in is render.py, table.py and templates/."""

from typing import Final

from api.portal import account, events, geofences, login, map, people, terminals, vehicle, vehicles
from api.portal.assets import read_asset

PAGES: Final = (
    read_asset,
    *map.PAGES,
    *account.PAGES,
    *events.PAGES,
    *geofences.PAGES,
    *login.PAGES,
    *people.PAGES,
    *terminals.PAGES,
    *vehicle.PAGES,
    *vehicles.PAGES,
)
"""Every page, by its route handlers. A new page is a row here."""
