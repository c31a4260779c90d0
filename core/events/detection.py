"""Facts that detection finds in the reports."""

import msgspec


class FenceCrossed(msgspec.Struct, frozen=True, kw_only=True):
    """fence.entered, fence.exited, fence.dwelled, route.left, route.rejoined: the vehicle crossed a geofence's
    boundary, confirmed by debouncing, or has stayed inside."""

    vehicle_id: int
    fence_id: int
    report_id: str
    """The report that confirmed it, 16 hexadecimal digits."""
    lat_1e7: int
    lon_1e7: int
    speed_kmh10: int
    """At that report; 0 where time found it and no report."""
    rule_version: int = 1
    stay_ms: int | None = None
    """How long it was inside, where that is over or was asked for."""
    reason: str = "crossed"
    """crossed: the boundary; hours: the fence's hours began or ended; end: it drove past a route's end; away: it stayed
    off a route for so long that it has given it up."""
    inferred: bool = False
    """The way between two fixes led through: no two fixes lie inside. Time and place are on the straight line."""


class FenceMissed(msgspec.Struct, frozen=True, kw_only=True):
    """fence.missed: a car that a geofence expects was not inside at any moment of the window. Told once, at its end."""

    vehicle_id: int
    fence_id: int
    from_ms: int
    to_ms: int
    """The window, from and to."""
    inside_ms: int | None = None
    """When it was last known inside; None: not since the fence expects it."""
    rule_version: int = 1


class AlarmSeen(msgspec.Struct, frozen=True, kw_only=True):
    """sos.pressed, crash.suspected: an alarm bit of the terminal went up (of crashes in version 1 only)."""

    vehicle_id: int
    terminal: int
    report_id: str
    lat_1e7: int
    lon_1e7: int
    speed_kmh10: int
    alarm: int
    """The whole alarm word."""
    evidence: str
    """Which bit of which word: alarm.0, alarm.29, alarm.30."""
    has_fix: bool
    late: bool = False
    """True when the report came behind newer ones (blind-zone re-report): judged all the same."""
