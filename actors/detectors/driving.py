"""Detector: a car's trips, how far it has come, and where it was too fast. Events trip.*, odometer.*, overspeed.*."""

from typing import Any, Final

import numpy as np

from actors.detectors.finding import Finding
from actors.detectors.states import States
from core.events import OdometerAdvanced, OverspeedSeen, TripClosed, TripOpened
from core.kernels import driving
from core.kernels.facts import apart
from core.rules import RuleSet
from core.vehicle_table import VehicleTable

NAME: Final = "driving"
VERSION: Final = 1
"""Goes up when the same reports and rules would give other facts."""

WAYS: Final = {
    driving.BY_IGNITION: "ignition",
    driving.BY_MOVEMENT: "movement",
    driving.BY_STANDING: "standing",
    driving.BY_SILENCE: "silence",
    driving.BY_TERMINAL: "terminal",
}
SOURCES: Final = {driving.FROM_ODOMETER: "odometer", driving.FROM_POSITIONS: "positions"}
REBASED: Final = {
    driving.REBASED_NOT: "",
    driving.REBASED_FIRST: "first",
    driving.REBASED_TERMINAL: "terminal",
    driving.REBASED_COUNTER: "counter",
    driving.REBASED_SOURCE: "source",
}


class DrivingDetector:
    """Judges how cars are driven, one state a car."""

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, rules: RuleSet) -> None:
        self._table = table
        self.rules = rules
        self._states = States(table.capacity, driving.DRIVING)
        self.counters = np.zeros(len(driving.COUNTERS), np.int64)

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_driving)."""
        return driving.judge_driving(
            rows,
            start,
            self._states.rows,
            self._states.highest,
            self.rules.numbers,
            self.rules.of_group,
            self._table.group,
            facts,
            self.counters,
        )

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """End what silence ends; return the first car not looked at, and the facts written (sweep_driving)."""
        return driving.sweep_driving(
            now_ms,
            since_ms,
            start,
            self._states.rows,
            self._states.highest,
            self.rules.numbers,
            self.rules.of_group,
            self._table.group,
            facts,
            self.counters,
        )

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says. All of it stands in the fact."""
        vehicle_id, kind = int(fact["vehicle"]), int(fact["kind"])
        said: dict[str, Any] = {
            "vehicle_id": vehicle_id,
            "terminal": int(fact["terminal"]),
            "report_id": f"{int(fact['report']):016x}",
            "rule_version": self.rules.version(self._table.group_of(vehicle_id)),
        }
        first = f"{int(fact['first_report']):016x}"
        values = fact["values"].tolist()
        if kind == driving.KIND_OPENED:
            lat, lon = apart(values[0])
            opened = TripOpened(**said, trip_id=first, lat_1e7=lat, lon_1e7=lon, began_by=WAYS[values[1]])
            return Finding("trip.opened", f"{vehicle_id}", opened)
        if kind == driving.KIND_CLOSED:
            start_lat, start_lon = apart(values[0])
            lat, lon = apart(values[1])
            distance_m, reports = apart(values[3])
            idle_ms, max_kmh10 = apart(values[4])
            source, ways = apart(values[5])
            closed = TripClosed(
                **said,
                trip_id=first,
                started_ms=values[2],
                start_lat_1e7=start_lat,
                start_lon_1e7=start_lon,
                lat_1e7=lat,
                lon_1e7=lon,
                duration_ms=int(fact["time_ms"]) - values[2],
                distance_m=distance_m,
                distance_from=SOURCES[source],
                max_kmh10=max_kmh10,
                idle_ms=idle_ms,
                reports=reports,
                began_by=WAYS[ways >> 8],
                ended_by=WAYS[ways & 0xFF],
            )
            return Finding("trip.closed", f"{vehicle_id}", closed)
        if kind == driving.KIND_ADVANCED:
            advanced = OdometerAdvanced(
                **said,
                trip_id=first,
                odometer_m=values[0],
                advance_m=values[1],
                base=values[2],
                source=SOURCES[values[3]],
                rebased=REBASED[values[4]],
            )
            return Finding("odometer.advanced", f"{vehicle_id}", advanced)
        lat, lon = apart(values[0])
        limit_kmh10, max_kmh10 = apart(values[4])
        # Of no length, all of it was at the one speed that was heard.
        mean_kmh10 = round(values[3] / values[2] * 36_000) if values[2] else max_kmh10
        seen = OverspeedSeen(
            **said,
            lat_1e7=lat,
            lon_1e7=lon,
            speed_kmh10=values[5],
            limit_kmh10=limit_kmh10,
            max_kmh10=max_kmh10,
            mean_kmh10=mean_kmh10,
            metres=values[3],
            began_ms=values[1],
            duration_ms=values[2],
        )
        return Finding("overspeed.began" if kind == driving.KIND_SPEEDING else "overspeed.ended", f"{vehicle_id}", seen)

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (driving.COUNTERS)."""
        return dict(zip(driving.COUNTERS, self.counters.tolist(), strict=True))

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all states in use."""
        return self._states.state()

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned. Raises ValueError if it does not fit."""
        self._states.load(state)

    def clear(self) -> None:
        """Forget all cars."""
        self._states.clear()
