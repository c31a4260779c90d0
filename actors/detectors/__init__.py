"""Detectors: each judges a batch of reports with a kernel, keeps its state in the vehicle table, and names its facts.

A detector that is added here is judged, snapshotted, restored and counted like the others.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np

from actors.detectors import alarms, geofence
from actors.detectors.alarms import AlarmDetector
from actors.detectors.geofence import FenceRule, GeofenceDetector
from core.kernels.geofence import FenceIndex
from core.vehicle_table import VehicleTable


class Detector(Protocol):
    """What detection asks of a detector. Judging depends on reports, state, fences and rules only, never on a clock."""

    name: str
    version: int

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows (n,) REPORT from `start` in order, until they or the room in `facts` (m,) FACT end.

        Returns:
            The first row not judged, and the number of facts written. Goes on by at least one row.
        """

    def describe(self, fact: Any, row: Any) -> tuple[str, str, msgspec.Struct]:
        """Return (event type, key, payload) of one fact and the report that settled it."""

    def statistics(self) -> dict[str, int]:
        """Return counts by name."""

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all state, by name, for a snapshot."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned. Raises ValueError if it does not fit."""

    def clear(self) -> None:
        """Forget all state."""


class Making(NamedTuple):
    """What a detector may be made from."""

    table: VehicleTable
    fences: FenceIndex
    fence_rule: FenceRule


class DetectorRow(NamedTuple):
    """One row of DETECTORS."""

    name: str
    version: int
    make: Callable[[Making], Detector]
    events: tuple[str, ...]


DETECTORS: Final = (
    # Alarms first: of the facts of one report, they come first.
    DetectorRow(
        alarms.NAME,
        alarms.VERSION,
        lambda making: AlarmDetector(making.table),
        ("sos.pressed", "crash.suspected"),
    ),
    DetectorRow(
        geofence.NAME,
        geofence.VERSION,
        lambda making: GeofenceDetector(making.table, making.fences, making.fence_rule),
        ("fence.entered", "fence.exited"),
    ),
)
