"""What detection and its detectors tell one another: findings, what they are made from, and what each can do."""

from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np

from core.arming import Arming
from core.kernels.geofence import FenceIndex
from core.rules import Rules, RuleSet
from core.vehicle_table import VehicleTable

SWEPT: Final = -1
"""Returned by `sweep` in the place of a car: all have been looked at."""


class Finding(NamedTuple):
    """What one fact says: the event's type, what tells it from others of the same reports, and its payload."""

    type: str
    key: str
    payload: msgspec.Struct
    version: int = 1
    """Of the event: which Struct of core.events.EVENTS the payload is."""
    story: str = ""
    """Id of the event with which the story began that this goes on with; empty: it begins one."""


class Kept(Protocol):
    """Whatever has state for snapshots, thresholds that are swapped, and counts: each detector, and cleaning."""

    name: str
    version: int
    rules: RuleSet
    """Swapped between two batches. A detector without thresholds has none (RULES does not name it)."""

    def statistics(self) -> dict[str, int]:
        """Return counts by name."""

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all state, by name, for a snapshot."""

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned. Raises ValueError if it does not fit."""

    def clear(self) -> None:
        """Forget all state."""


class Detector(Kept, Protocol):
    """What detection asks of a detector. Judging depends on reports, state, fences and rules only, never on a clock."""

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows (n,) REPORT from `start` in order, until they or the room in `facts` (m,) FACT end.

        Returns:
            The first row not judged, and the number of facts written. Goes on by at least one row.
        """

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Find what follows from silence, car by car from `start`, until all are looked at or `facts` is full.

        Args:
            now_ms: all that arrived before is judged, UTC epoch ms; a multiple of SWEEP_MS.
            since_ms: since then we have listened without interruption: nobody was silent before.

        Returns:
            The first car not looked at, or SWEPT; and the number of facts written, with ROW_NONE for a row.
        """

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says; row is the report that settled it, None for a fact of a sweep."""


class Making(NamedTuple):
    """What a detector may be made from."""

    table: VehicleTable
    fences: FenceIndex
    rules: Rules
    arming: Arming | None = None
    """What is armed; None: nothing."""
