"""Rows and fences that the tests of detection are written with."""

from typing import Any

import msgspec
import numpy as np

from actors.detection import Detection, DetectionSettings
from core.events import Event
from core.kernels.geodesy import METRES_PER_UNIT
from core.kernels.geofence import Circle, Fence, Polygon
from core.rules import GroupRule, Rules
from core.vehicle_table import GROUP_DEFAULT, VehicleTable
from protocols.report import ACCELERATION_NONE_MG, CELL_SIGNAL_NONE, ODOMETER_NONE, REPORT, SATELLITES_NONE

NOON = 1_750_000_000_000
EQUATOR = (0, 1_100_000_000)
"""On the equator a unit of longitude is as long as one of latitude."""
HALF_M = 500.0


def units(metres: float) -> int:
    return round(metres / METRES_PER_UNIT)


def square(fence_id: int, half_m: float = HALF_M, **owner: Any) -> Fence:
    """Return a square around EQUATOR; `at(0)` lies on the eastern boundary of the default one."""
    lat, lon = EQUATOR
    half = units(half_m)
    corners = [(lat - half, lon - half), (lat - half, lon + half), (lat + half, lon + half), (lat + half, lon - half)]
    return Fence(fence_id, Polygon([corners]), **owner)


def circle(fence_id: int, radius_m: float = HALF_M, **owner: Any) -> Fence:
    return Fence(fence_id, Circle(*EQUATOR, radius_m), **owner)


def at(metres: float) -> dict[str, int]:
    """Return the fields of a fix so many metres east of the boundary of `square` and `circle`; negative: inside.

    The car drives: its ignition is on, and it is fast enough.
    """
    lon_1e7 = EQUATOR[1] + units(HALF_M) + units(metres)
    return {"lat_1e7": EQUATOR[0], "lon_1e7": lon_1e7, "status": 3, "speed_kmh10": 400, "course_deg": 90}


def rows(*fields: dict[str, Any]) -> np.ndarray:
    """Return REPORT rows; what a row does not say is: vehicle 1, terminal 1, ten seconds and one sequence on."""
    made = np.zeros(len(fields), REPORT)
    made["vehicle_id"], made["terminal"], made["odometer_m"] = 1, 1, ODOMETER_NONE
    made["acceleration_mg"] = ACCELERATION_NONE_MG
    made["satellites"], made["cell_signal"] = SATELLITES_NONE, CELL_SIGNAL_NONE
    for number, row in enumerate(fields):
        time_ms = row.get("time_ms", NOON + number * 10_000)
        defaults = {"sequence": number, "report_id": 1000 + number, "time_ms": time_ms, "arrival_ms": time_ms + 500}
        for name, value in {**defaults, **row}.items():
            made[number][name] = value
    return made


def table(capacity: int = 64, terminals: int = 64) -> VehicleTable:
    return VehicleTable(capacity, terminals)


def ruled(**rules: msgspec.Struct) -> Rules:
    """Return what the default group has set: the thresholds of each detector that is named."""
    return Rules([GroupRule(GROUP_DEFAULT, detector, 1, rule) for detector, rule in rules.items()])


def detection(*fences: Fence, rules: Rules | None = None, settings: DetectionSettings | None = None) -> Detection:
    return Detection(table(), fences, rules, settings)


def told(events: list[Event]) -> list[tuple[str, int]]:
    """Return (type, fence id, alarm word or confidence) of each event."""
    figures = ("fence_id", "alarm", "confidence_percent")
    return [(e.type, next(getattr(e.payload, f) for f in figures if hasattr(e.payload, f))) for e in events]
