"""What people do with geofences. Names and boundaries stand in the table `geofence`, never in the log."""

import msgspec


class GeofenceSaved(msgspec.Struct, frozen=True, kw_only=True):
    """A geofence was drawn or changed, or given other cars: whoever judges by it reads it anew."""

    fence_id: int
    revision: int
    active: bool = True


class GeofenceRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """A geofence was put away: nobody leaves it, and nothing enters it any more."""

    fence_id: int
    revision: int


class AreasAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: ask terminals which areas they hold and compare, or tell those again that refused or did not answer."""

    fence_id: int
    terminal: int = 0
    """Only this one; 0: every terminal that it is for."""
    stores: tuple[int, ...] = ()
    """Only terminals of cars of these stores; none: of all."""
