"""Facts that detection finds in the reports."""

import msgspec


class FenceCrossed(msgspec.Struct, frozen=True, kw_only=True):
    """fence.entered, fence.exited: the vehicle crossed a geofence's boundary, confirmed by debouncing."""

    vehicle_id: int
    fence_id: int
    report_id: str
    """The report that confirmed it, 16 hexadecimal digits."""
    lat_1e7: int
    lon_1e7: int
    speed_kmh10: int
    rule_version: int = 1


class AlarmSeen(msgspec.Struct, frozen=True, kw_only=True):
    """crash.suspected, sos.pressed: an alarm bit of the terminal went up."""

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
