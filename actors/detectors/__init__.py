"""Detectors: each judges a batch of reports with a kernel, keeps its state row by row, and names its facts.

A detector that is added here is judged, swept, snapshotted, restored and counted like the others.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from actors.detectors import alarms, crash, driving, geofence, power, proximity, theft
from actors.detectors.alarms import AlarmDetector
from actors.detectors.crash import CrashDetector
from actors.detectors.driving import DrivingDetector
from actors.detectors.finding import Detector, Making
from actors.detectors.geofence import GeofenceDetector
from actors.detectors.power import PowerDetector
from actors.detectors.proximity import ProximityDetector
from actors.detectors.theft import TheftDetector


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
        {"sos.pressed": "safety"},
    ),
    DetectorRow(
        crash.NAME,
        crash.VERSION,
        lambda making: CrashDetector(making.table, making.rules.of(crash.NAME)),
        {"crash.suspected": "safety", "crash.confirmed": "safety", "crash.cleared": "safety"},
    ),
    DetectorRow(
        geofence.NAME,
        geofence.VERSION,
        lambda making: GeofenceDetector(making.table, making.fences, making.rules.of(geofence.NAME)),
        dict.fromkeys(geofence.EVENT_TYPES.values(), "safety"),
    ),
    DetectorRow(
        theft.NAME,
        theft.VERSION,
        lambda making: TheftDetector(making.table, making.rules.of(theft.NAME), making.arming),
        {"theft.suspected": "theft", "theft.cleared": "theft"},
    ),
    DetectorRow(
        power.NAME,
        power.VERSION,
        lambda making: PowerDetector(making.table, making.rules.of(power.NAME)),
        {"device.unplugged": "service", "device.plugged": "service"},
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
