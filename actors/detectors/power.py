"""Detector: a terminal was cut from the car's power, or is on it again. Events device.unplugged and device.plugged."""

from typing import Any, Final

import numpy as np

from actors.detectors.finding import Finding
from actors.detectors.states import States
from core.events.guard import DevicePower
from core.kernels import power
from core.rules import RuleSet
from core.vehicle_table import VehicleTable

NAME: Final = "power"
VERSION: Final = 1
"""Goes up when the same reports would give other facts."""

EVENT_TYPES: Final = {power.FACT_UNPLUGGED: "device.unplugged", power.FACT_PLUGGED: "device.plugged"}


class PowerDetector:
    """Judges bit 8 of the alarm words, terminal by terminal."""

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, rules: RuleSet) -> None:
        self._table = table
        self.rules = rules
        self._states = States(len(table.alarms), power.POWER)
        self.counters = np.zeros(len(power.COUNTERS), np.int64)

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_power)."""
        return power.judge_power(rows, start, *self._shared(), facts, self.counters)

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge terminals whose last word was that the power is cut (sweep_power)."""
        return power.sweep_power(now_ms, since_ms, start, *self._shared(), facts, self.counters)

    def _shared(self) -> tuple[Any, ...]:
        states, rules = self._states, self.rules
        return states.rows, states.highest, rules.numbers, rules.of_group, self._table.group

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says."""
        payload = DevicePower(
            vehicle_id=int(fact["vehicle"]),
            terminal=int(fact["terminal"]),
            report_id=f"{int(fact['report']):016x}",
            by_silence=row is None,
            rule_version=self.rules.version(self._table.group_of(int(fact["vehicle"]))),
        )
        return Finding(EVENT_TYPES[int(fact["kind"])], str(payload.terminal), payload)

    def is_cut(self, terminal: int) -> bool:
        """Tell whether a terminal is cut from the car's power now. Other threads may ask."""
        return bool(self._states.rows[terminal]["cut"])

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (power.COUNTERS)."""
        return {name: int(self.counters[k]) for k, name in enumerate(power.COUNTERS)}

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the rows in use."""
        return self._states.state()

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned. Raises ValueError if it does not fit."""
        self._states.load(state)

    def clear(self) -> None:
        """Forget every terminal's state."""
        self._states.clear()
