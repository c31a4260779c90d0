"""Detector: a terminal raised an alarm bit. Event sos.pressed (bit 0, the emergency button)."""

from typing import Any, Final

import numpy as np

from actors.detectors.finding import SWEPT, Finding
from core.events import AlarmSeen
from core.kernels import alarms
from core.rules import RuleSet
from core.vehicle_table import VehicleTable
from protocols.report import FLAG_NO_FIX, FLAG_POSITION_BAD

NAME: Final = "alarms"
VERSION: Final = 1
"""Goes up when the same reports would give other facts."""

EVENT_TYPES: Final = {0: "sos.pressed"}

COLUMNS: Final = ("time_ms", "late_time_ms", "word", "late_word")
"""Columns of a latch that are kept for every terminal."""


class AlarmDetector:
    """Judges the alarm words of reports, terminal by terminal; its state lies in the vehicle table."""

    name = NAME
    version = VERSION
    rules: RuleSet

    def __init__(self, table: VehicleTable) -> None:
        self._table = table
        self.counters = np.zeros(len(alarms.COUNTERS), np.int64)

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_alarms)."""
        return alarms.judge_alarms(rows, start, self._table.alarms, facts, self.counters)

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Find nothing: silence raises no alarm bit."""
        return SWEPT, 0

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact says; row is its report."""
        bit = int(fact["number"])
        terminal = int(row["terminal"])
        payload = AlarmSeen(
            vehicle_id=int(row["vehicle_id"]),
            terminal=terminal,
            report_id=f"{int(row['report_id']):016x}",
            lat_1e7=int(row["lat_1e7"]),
            lon_1e7=int(row["lon_1e7"]),
            speed_kmh10=int(row["speed_kmh10"]),
            alarm=int(row["alarm"]),
            evidence=f"alarm.{bit}",
            has_fix=not int(row["flags"]) & (FLAG_NO_FIX | FLAG_POSITION_BAD),
            late=bool(fact["late"]),
        )
        return Finding(EVENT_TYPES[bit], f"{terminal}:{payload.evidence}", payload)

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (alarms.COUNTERS)."""
        return {name: int(self.counters[k]) for k, name in enumerate(alarms.COUNTERS)}

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of the state columns: times and words of all terminals, latches of those once alarmed."""
        latches = self._table.alarms[: int(self.counters[alarms.HIGHEST_TERMINAL]) + 1]
        terminals = np.flatnonzero((latches["time_ms"] != 0) | (latches["word"] != 0)).astype(np.int32)
        # Few terminals ever raise an alarm: 28 bytes for each of the others instead of 132.
        alarmed = terminals[latches["last_ms"][terminals].any(axis=(1, 2))]
        columns = {name: latches[name][terminals] for name in COLUMNS}
        return {"terminals": terminals, "alarmed": alarmed, "latches": latches[alarmed], **columns}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned, in place of all there is.

        Raises:
            ValueError: rows that this table does not have.
        """
        terminals = state["terminals"]
        highest = int(terminals.max(initial=0))
        if highest >= len(self._table.alarms):
            raise ValueError(f"state of terminal {highest}, this table has {len(self._table.alarms)} rows")
        self.clear()
        for name in COLUMNS:
            self._table.alarms[name][terminals] = state[name]
        self._table.alarms[state["alarmed"]] = state["latches"]
        self.counters[alarms.HIGHEST_TERMINAL] = highest

    def clear(self) -> None:
        """Forget every terminal's state."""
        latches = self._table.alarms
        latches[: int(self.counters[alarms.HIGHEST_TERMINAL]) + 1] = np.zeros((), latches.dtype)
