"""Detectors: each judges a batch of reports with a kernel, keeps its state row by row, and names its facts.

A detector that is added here is judged, swept, snapshotted, restored and counted like the others.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from actors.detectors import alarms, driving, geofence, proximity
from actors.detectors.alarms import AlarmDetector
from actors.detectors.driving import DrivingDetector
from actors.detectors.finding import Detector, Making
from actors.detectors.geofence import GeofenceDetector
from actors.detectors.proximity import ProximityDetector


class DetectorRow(NamedTuple):
    """One row of DETECTORS."""

    name: str
    version: int
    make: Callable[[Making], Detector]
    events: Mapping[str, str]
    """Type of each event that it finds: what the event may be used for (core.events.PURPOSES)."""


DETECTORS: Final = (
    # In the order in which they judge a batch, and in which the facts of one report are told: alarms first.
    DetectorRow(
        alarms.NAME,
        alarms.VERSION,
        lambda making: AlarmDetector(making.table),
        {"sos.pressed": "safety", "crash.suspected": "safety"},
    ),
    DetectorRow(
        geofence.NAME,
        geofence.VERSION,
        lambda making: GeofenceDetector(making.table, making.fences, making.rules.of(geofence.NAME)),
        {"fence.entered": "safety", "fence.exited": "safety"},
    ),
    DetectorRow(
        driving.NAME,
        driving.VERSION,
        lambda making: DrivingDetector(making.table, making.rules.of(driving.NAME)),
        {
            "trip.opened": "service",
            "trip.closed": "service",
            "odometer.advanced": "service",
            "overspeed.began": "safety",
            "overspeed.ended": "safety",
        },
    ),
    DetectorRow(
        proximity.NAME,
        proximity.VERSION,
        lambda making: ProximityDetector(making.table, making.rules.of(proximity.NAME)),
        {"proximity.risked": "safety"},
    ),
)
