"""Facts about how a car was driven: its trips, its odometer, speeding, and coming close to another car."""

import msgspec


class TripOpened(msgspec.Struct, frozen=True, kw_only=True):
    """trip.opened: the car has set out. Told once that is certain; the event's time and place are where it began."""

    vehicle_id: int
    terminal: int
    trip_id: str
    """The report that began it, 16 hexadecimal digits: the same in trip.closed."""
    report_id: str
    """The report that made it certain."""
    lat_1e7: int
    lon_1e7: int
    began_by: str
    """ignition, or movement: from a terminal that does not tell ignition."""
    rule_version: int = 1


class TripClosed(msgspec.Struct, frozen=True, kw_only=True):
    """trip.closed: a trip from end to end. The event's time is the trip's end."""

    vehicle_id: int
    terminal: int
    trip_id: str
    report_id: str
    """The last report of the trip, or the one that made its end certain."""
    started_ms: int
    start_lat_1e7: int
    start_lon_1e7: int
    lat_1e7: int
    """Where it ended."""
    lon_1e7: int
    duration_ms: int
    distance_m: int
    distance_from: str
    """odometer: what the terminal counted; positions: summed over the fixes, where its counter is none or disagrees."""
    max_kmh10: int
    idle_ms: int
    """Standing in the trip, engine or not."""
    reports: int
    began_by: str
    ended_by: str
    """ignition, standing, silence, or terminal: another terminal speaks for the car from here on."""
    rule_version: int = 1


class OdometerAdvanced(msgspec.Struct, frozen=True, kw_only=True):
    """odometer.advanced: so far the car has come. At each trip's end, and every 50 km of a longer one."""

    vehicle_id: int
    terminal: int
    trip_id: str
    report_id: str
    odometer_m: int
    """Never less than in the event before, within one base."""
    advance_m: int
    """Metres since the event before; never negative, whatever the base."""
    source: str
    """odometer: the terminal's own counter; positions: our sum over the fixes, from 0 where we first heard the car."""
    base: int
    """Number of the counter that odometer_m is read from, from 1 on."""
    rebased: str = ""
    """Why the base is a new one: first, terminal (another one speaks for the car), counter (it went back, or farther
    than a car can drive), source (the counter came or went away). Empty: the same base as before."""
    rule_version: int = 1


class OverspeedSeen(msgspec.Struct, frozen=True, kw_only=True):
    """overspeed.began, overspeed.ended: faster than the limit for longer than the least time.

    Began: the figures are those up to the moment at which it was certain; ended: those of the whole episode.
    """

    vehicle_id: int
    terminal: int
    report_id: str
    """The report that settled it."""
    lat_1e7: int
    lon_1e7: int
    speed_kmh10: int
    """At that report."""
    limit_kmh10: int
    max_kmh10: int
    mean_kmh10: int
    metres: int
    began_ms: int
    duration_ms: int
    """From the first to the last report over the limit."""
    fence_id: int = 0
    """The zone whose limit it is; 0: the group's own limit, everywhere."""
    rule_version: int = 1


class ProximityRisked(msgspec.Struct, frozen=True, kw_only=True):
    """proximity.risked: two cars were on courses that nearly meet. A score, not an alarm: fixes are metres off, and two
    lanes of one road cannot be told apart."""

    vehicle_id: int
    other_vehicle_id: int
    terminal: int
    report_id: str
    other_report_id: str
    """The other car's last report, carried forward to the time of report_id."""
    lat_1e7: int
    lon_1e7: int
    other_lat_1e7: int
    other_lon_1e7: int
    speed_kmh10: int
    score: int
    """0 to 100."""
    seconds10: int
    """Time to the closest approach if both drive on as they are, in tenths of a second."""
    miss_m10: int
    """Distance then, in tenths of a metre."""
    closing_kmh10: int
    """Relative speed."""
    rule_version: int = 1
