"""Detector: two moving cars of one group on courses that nearly meet. Event proximity.risked: a score, not an alarm."""

from typing import Any, Final

import numpy as np

from actors.detectors.finding import SWEPT, Finding
from actors.detectors.states import States
from core.events import ProximityRisked
from core.kernels import proximity
from core.kernels.facts import apart
from core.rules import RuleSet
from core.vehicle_table import VehicleTable

NAME: Final = "proximity"
VERSION: Final = 1
"""Goes up when the same reports and rules would give other facts."""


class ProximityDetector:
    """Judges moving cars against those near them; one state a car, and the hash in which cars find one another."""

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, rules: RuleSet) -> None:
        self._table = table
        self.rules = rules
        self._states = States(table.capacity, proximity.PROXIMITY)
        self._heads = np.zeros(proximity.BUCKETS, np.int32)
        self.counters = np.zeros(len(proximity.COUNTERS), np.int64)

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_proximity)."""
        return proximity.judge_proximity(
            rows,
            start,
            self._states.rows,
            self._heads,
            self._states.highest,
            self.rules.numbers,
            self.rules.of_group,
            self._table.group,
            facts,
            self.counters,
        )

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Find nothing: who is silent comes near nobody."""
        return SWEPT, 0

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says. All of it stands in the fact."""
        vehicle_id, other_id = int(fact["vehicle"]), int(fact["number"])
        values = fact["values"].tolist()
        lat, lon = apart(values[0])
        other_lat, other_lon = apart(values[1])
        seconds10, miss_m10 = apart(values[3])
        payload = ProximityRisked(
            vehicle_id=vehicle_id,
            other_vehicle_id=other_id,
            terminal=int(fact["terminal"]),
            report_id=f"{int(fact['report']):016x}",
            other_report_id=f"{int(fact['first_report']):016x}",
            lat_1e7=lat,
            lon_1e7=lon,
            other_lat_1e7=other_lat,
            other_lon_1e7=other_lon,
            speed_kmh10=values[5],
            score=values[2],
            seconds10=seconds10,
            miss_m10=miss_m10,
            closing_kmh10=values[4],
            rule_version=self.rules.version(self._table.group_of(vehicle_id)),
        )
        return Finding("proximity.risked", f"{vehicle_id}:{other_id}", payload)

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (proximity.COUNTERS)."""
        return dict(zip(proximity.COUNTERS, self.counters.tolist(), strict=True))

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all states in use; the chains of the hash lie in them."""
        return self._states.state()

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned. Raises ValueError if it does not fit."""
        self._states.load(state)
        proximity.link_all(self._states.rows, int(self._states.highest[0]), self._heads)

    def clear(self) -> None:
        """Forget all cars."""
        self._states.clear()
        self._heads[:] = 0
