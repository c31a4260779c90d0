"""Detector: a vehicle entered or left a geofence, for certain. Events fence.entered and fence.exited."""

from typing import Any, Final

import numpy as np

from actors.detectors.finding import SWEPT, Finding
from core.events import FenceCrossed
from core.kernels import crossing
from core.kernels.geofence import FenceIndex
from core.limits import FENCES_AT_POINT_MAX
from core.rules import RuleSet
from core.vehicle_table import VehicleTable

NAME: Final = "geofence"
VERSION: Final = 1
"""Goes up when the same reports and the same fences would give other facts."""

EVENT_TYPES: Final = {crossing.KIND_ENTERED: "fence.entered", crossing.KIND_EXITED: "fence.exited"}


class GeofenceDetector:
    """Judges reports against the index of fences it holds; its state lies in the vehicle table."""

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, index: FenceIndex, rules: RuleSet) -> None:
        self._table = table
        self.rules = rules
        self._found = np.zeros(FENCES_AT_POINT_MAX, np.int32)
        self.counters = np.zeros(len(crossing.COUNTERS), np.int64)
        self.index = index

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_crossings)."""
        index = self.index
        table = self._table
        return crossing.judge_crossings(
            rows,
            start,
            index.address,
            self.rules.numbers,
            self.rules.of_group,
            table.group,
            table.store,
            table.fences,
            table.fence_pending,
            table.fence_blocks,
            self._found,
            facts,
            self.counters,
        )

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Find nothing: who is silent stays where it was."""
        return SWEPT, 0

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says; row is the report that settled it."""
        vehicle_id, fence_id = int(fact["vehicle"]), int(fact["number"])
        payload = FenceCrossed(
            vehicle_id=vehicle_id,
            fence_id=fence_id,
            report_id=f"{int(row['report_id']):016x}",
            lat_1e7=int(row["lat_1e7"]),
            lon_1e7=int(row["lon_1e7"]),
            speed_kmh10=int(row["speed_kmh10"]),
            rule_version=self.rules.version(self._table.group_of(vehicle_id)),
        )
        return Finding(EVENT_TYPES[int(fact["kind"])], f"{vehicle_id}:{fence_id}", payload)

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (crossing.COUNTERS)."""
        return {name: int(self.counters[k]) for k, name in enumerate(crossing.COUNTERS)}

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the state columns: when each vehicle was judged, and the rows of those that have fences."""
        table = self._table
        used = int(self.counters[crossing.HIGHEST_VEHICLE]) + 1
        vehicles = np.flatnonzero(table.fences["time_ms"][:used]).astype(np.int32)
        blocks = slice(table.capacity, table.capacity + int(table.fence_blocks[crossing.BLOCKS_TAKEN]))
        # Most vehicles are in no fence: 12 bytes each instead of 196.
        tracking = vehicles[table.fences["used"][vehicles] > 0]
        return {
            "capacity": np.array([table.capacity], np.int64),
            "vehicles": vehicles,
            "times_ms": table.fences["time_ms"][vehicles],
            "tracking": tracking,
            "fences": table.fences[tracking],
            "pending": table.fence_pending[tracking],
            "overflow": table.fences[blocks].copy(),
            "overflow_pending": table.fence_pending[blocks].copy(),
            "blocks": table.fence_blocks.copy(),
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned, in place of all there is.

        Raises:
            ValueError: rows that this table does not have.
        """
        table = self._table
        vehicles = state["vehicles"]
        if int(state["capacity"][0]) != table.capacity:
            # Overflow rows are numbered from the capacity on.
            raise ValueError(f"state of a table of {int(state['capacity'][0])} rows, this one has {table.capacity}")
        self.clear()
        table.fences["time_ms"][vehicles] = state["times_ms"]
        table.fences[state["tracking"]] = state["fences"]
        table.fence_pending[state["tracking"]] = state["pending"]
        taken = len(state["overflow"])
        table.fences[table.capacity : table.capacity + taken] = state["overflow"]
        table.fence_pending[table.capacity : table.capacity + taken] = state["overflow_pending"]
        table.fence_blocks[:] = state["blocks"]
        self.counters[crossing.HIGHEST_VEHICLE] = int(vehicles.max(initial=0))

    def clear(self) -> None:
        """Forget every vehicle's state."""
        table = self._table
        used = int(self.counters[crossing.HIGHEST_VEHICLE]) + 1
        taken = int(table.fence_blocks[crossing.BLOCKS_TAKEN])
        for array in (table.fences, table.fence_pending):
            array[:used] = np.zeros((), array.dtype)
            array[table.capacity : table.capacity + taken] = np.zeros((), array.dtype)
        table.fence_blocks[:] = 0
