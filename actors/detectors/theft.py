"""Detector: a car is moved, cut off, jammed or silent as a thief makes it. Events theft.suspected and theft.cleared."""

from typing import Any, Final

import msgspec
import numpy as np

from actors.detectors.finding import Finding
from actors.detectors.states import States
from core.arming import Arming
from core.events.guard import CLEARED_REASONS, THEFT_KINDS, TheftCleared, TheftSuspected
from core.kernels import theft
from core.kernels.facts import apart
from core.rules import RuleSet
from core.vehicle_table import VehicleTable
from protocols.report import CELL_SIGNAL_NONE, SATELLITES_NONE

NAME: Final = "theft"
VERSION: Final = 1
"""Goes up when the same reports and the same arming would give other facts."""

assert theft.KINDS == THEFT_KINDS
assert theft.REASONS[1:] == CLEARED_REASONS


class TheftDetector:
    """Judges reports and silence, and what is armed; swap `arming` between two batches."""

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, rules: RuleSet, arming: Arming | None = None) -> None:
        self._table = table
        self.rules = rules
        self.arming = arming or Arming(table.capacity)
        self._states = States(table.capacity, theft.THEFT)
        self._silent = np.zeros(theft.COVERAGE_BUCKETS, np.int32)
        self.counters = np.zeros(len(theft.COUNTERS), np.int64)

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_thefts)."""
        arming, rules, states = self.arming, self.rules, self._states
        return theft.judge_thefts(
            rows,
            start,
            states.rows,
            states.highest,
            arming.number,
            arming.guards,
            rules.numbers,
            rules.of_group,
            self._table.group,
            facts,
            self.counters,
        )

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge the silence of cars from `start`; return the first not judged and the facts written (sweep_thefts)."""
        arming, rules, states = self.arming, self.rules, self._states
        return theft.sweep_thefts(
            now_ms,
            since_ms,
            start,
            states.rows,
            states.highest,
            arming.number,
            arming.guards,
            rules.numbers,
            rules.of_group,
            self._table.group,
            self._silent,
            facts,
            self.counters,
        )

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says; of a sweep the car's state says where it was."""
        vehicle_id = int(fact["vehicle"])
        group = self._table.group_of(vehicle_id)
        # A late report says where the car was, the state where it is.
        state = self._states.rows[vehicle_id]
        seen = state if row is None or fact["late"] else row
        values = [int(value) for value in fact["values"]]
        kinds = tuple(kind for bit, kind in enumerate(theft.KINDS) if values[theft.VALUE_KINDS] >> bit & 1)
        first_report_id = f"{int(fact['first_report']):016x}"
        shared: dict[str, Any] = {
            "vehicle_id": vehicle_id,
            "terminal": int(fact["terminal"]),
            "report_id": f"{int(fact['report']):016x}",
            "first_report_id": first_report_id,
            "kinds": kinds,
            "lat_1e7": int(seen["lat_1e7"]),
            "lon_1e7": int(seen["lon_1e7"]),
            "rule_version": self.rules.version(group),
        }
        key = f"{vehicle_id}:{first_report_id}"
        if int(fact["kind"]) == theft.FACT_CLEARED:
            cleared = TheftCleared(**shared, reason=theft.REASONS[int(fact["number"])])
            return Finding("theft.cleared", key, cleared)
        signs = values[theft.VALUE_SIGNS]
        armed = bool(signs & 1)
        weights = msgspec.structs.asdict(self.rules.rule(group))
        prefix = "armed_weight" if armed else "weight"
        place = values[theft.VALUE_PLACE]
        lat, lon = apart(place)
        suspected = TheftSuspected(
            **shared,
            # The first of the weightiest: the order of KINDS is that of what people ask about.
            kind=max(kinds, key=lambda kind: weights[f"{prefix}_{kind}"]),
            stage=int(fact["number"]),
            confidence=values[theft.VALUE_CONFIDENCE_PERMILLE] / 1000,
            armed=armed,
            late=bool(fact["late"]),
            place_lat_1e7=lat if place else None,
            place_lon_1e7=lon if place else None,
            distance_m=values[theft.VALUE_DISTANCE_M],
            silent_s=values[theft.VALUE_SILENT_S],
            speed_kmh10=signs >> 24 & 0xFFFF,
            satellites=_said(signs >> 8 & 0xFF, SATELLITES_NONE),
            satellites_before=_said(signs >> 40 & 0xFF, 0),
            cell_signal=_said(signs >> 16 & 0xFF, CELL_SIGNAL_NONE),
            cell_signal_before=_said(signs >> 48 & 0xFF, 0),
        )
        return Finding("theft.suspected", f"{key}:{suspected.stage}", suspected)

    def usual_ms(self, vehicle_id: int) -> int:
        """Return how often a car reports as it stands or drives now; 0: not known. Other threads may ask."""
        state = self._states.rows[vehicle_id]
        name = "parked_interval_ms" if int(state["flags"]) & theft.STATE_OFF else "interval_ms"
        return int(state[name])

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (theft.COUNTERS)."""
        return {name: int(self.counters[k]) for k, name in enumerate(theft.COUNTERS)}

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the rows in use."""
        return self._states.state()

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned. Raises ValueError if it does not fit."""
        self._states.load(state)

    def clear(self) -> None:
        """Forget every car's state."""
        self._states.clear()


def _said(value: int, none: int) -> int | None:
    return None if value == none else value
