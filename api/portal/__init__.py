"""The portal: pages for people. One file a page; the frame they stand in is render.py, table.py and templates/."""

from typing import Final

from api.portal import (
    account,
    approvals,
    audit,
    commands,
    docs,
    events,
    explain,
    garage,
    geofences,
    guard,
    login,
    map,
    media,
    outbox,
    people,
    quality,
    rules,
    system,
    terminals,
    trips,
    uplinks,
    vehicle,
    vehicles,
)
from api.portal.assets import read_asset

PAGES: Final = (
    read_asset,
    *account.PAGES,
    *approvals.PAGES,
    *audit.PAGES,
    *commands.PAGES,
    *docs.PAGES,
    *events.PAGES,
    *explain.PAGES,
    *garage.PAGES,
    *geofences.PAGES,
    *guard.PAGES,
    *login.PAGES,
    *map.PAGES,
    *media.PAGES,
    *outbox.PAGES,
    *people.PAGES,
    *quality.PAGES,
    *rules.PAGES,
    *system.PAGES,
    *terminals.PAGES,
    *trips.PAGES,
    *uplinks.PAGES,
    *vehicle.PAGES,
    *vehicles.PAGES,
)
"""Every page, by its route handlers. A new page is a row here."""
