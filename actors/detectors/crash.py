"""Detector: a crash. Events crash.suspected, crash.confirmed, crash.cleared; how: core/kernels/crash.py."""

from typing import Any, Final

import numpy as np

from actors.detectors.finding import SWEPT, Finding
from actors.detectors.states import States
from core.events import derive_id
from core.events.crash import CrashCleared, CrashConfirmed, CrashEvidence, CrashSuspected
from core.kernels import crash
from core.rules import RuleSet
from core.vehicle_table import VehicleTable

NAME: Final = "crash"
VERSION: Final = 2
"""Goes up when the same reports would give other facts."""
SAYS: Final = "detection"
"""Who says what detectors find: the actor of their events' ids."""


class CrashDetector:
    """Judges reports car by car: all terminals of a car speak of one crash."""

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, rules: RuleSet) -> None:
        self._table = table
        self.rules = rules
        self.cars = States(table.capacity, crash.CAR)
        self.episodes = States(table.capacity, crash.EPISODE)
        self.counters = np.zeros(len(crash.COUNTERS), np.int64)
        self._found = np.zeros(3, np.int64)
        self._dossiers = np.zeros(0, crash.DOSSIER)

    def judge(self, rows: np.ndarray, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Judge rows from `start`; return the first row not judged and the facts written (judge_crashes)."""
        judged = crash.judge_crashes(
            rows,
            start,
            self.rules.numbers,
            self.rules.of_group,
            self._table.group,
            self.cars.rows,
            self.episodes.rows,
            self.cars.highest,
            facts,
            self._dossiers_for(facts),
            self.counters,
        )
        self.episodes.highest[0] = self.cars.highest[0]
        return judged

    def sweep(self, now_ms: int, since_ms: int, start: int, facts: np.ndarray) -> tuple[int, int]:
        """Take silence after a blow for evidence (sweep_crashes)."""
        vehicle, count = crash.sweep_crashes(
            now_ms,
            since_ms,
            start,
            self.rules.numbers,
            self.rules.of_group,
            self._table.group,
            self.cars.rows,
            self.episodes.rows,
            self.cars.highest,
            facts,
            self._dossiers_for(facts),
        )
        return (SWEPT if vehicle < 0 else vehicle), count

    def _dossiers_for(self, facts: np.ndarray) -> np.ndarray:
        if len(self._dossiers) < len(facts):
            self._dossiers = np.zeros(len(facts), crash.DOSSIER)
        return self._dossiers

    def describe(self, fact: Any, row: Any) -> Finding:
        """Return what one fact of the last judge or sweep says."""
        vehicle_id = int(fact["vehicle"])
        dossier = self._dossiers[int(fact["number"])]
        kind = int(fact["kind"])
        self._found[kind - 1] += 1
        key = f"{vehicle_id}"
        group = self._table.group_of(vehicle_id)
        impact_ms = int(dossier["impact_ms"])
        against, blind = int(dossier["against"]), int(dossier["blind"])
        first = f"{int(fact['first_report']):016x}"
        peak_mg = int(dossier["peak_mg"])
        said: dict[str, Any] = {
            "vehicle_id": vehicle_id,
            "terminal": int(fact["terminal"]),
            "report_id": f"{int(fact['report']):016x}",
            "first_report_id": first,
            "impact_ms": impact_ms,
            "lat_1e7": int(dossier["lat_1e7"]),
            "lon_1e7": int(dossier["lon_1e7"]),
            "has_fix": not blind & crash.BLIND_NO_FIX,
            "speed_before_kmh10": _known(dossier["before_kmh10"]),
            "speed_kmh10": _known(dossier["after_kmh10"]),
            "peak_mg": peak_mg or None,
            "confidence_percent": int(dossier["confidence_percent"]),
            "severity": crash.SEVERITIES[int(dossier["severity"])],
            "evidence": self._evidence(dossier, self.rules.rule(group)),
            "against": tuple(word for bit, word in enumerate(crash.AGAINST) if against >> bit & 1),
            "blind": tuple(word for bit, word in enumerate(crash.BLIND) if blind >> bit & 1),
            "late": bool(fact["late"]),
            "rule_version": self.rules.version(group),
        }
        if kind == crash.KIND_SUSPECTED:
            return Finding("crash.suspected", key, CrashSuspected(**said), version=2)
        suspected = f"{int(dossier['suspected_report']):016x}"
        reports = [first] if suspected == first else [first, suspected]
        said["suspicion"] = suspicion = derive_id(SAYS, "crash.suspected", self.version, reports, key)
        said["after_s"] = int(dossier["after_s"])
        if kind == crash.KIND_CONFIRMED:
            return Finding("crash.confirmed", key, CrashConfirmed(**said), story=suspicion)
        reason = "drove_on" if against & crash.AGAINST_DROVE_ON else "alone"
        cleared = CrashCleared(**said, reason=reason, driven_m=int(dossier["driven_m"]))
        return Finding("crash.cleared", key, cleared, story=suspicion)

    def _evidence(self, dossier: Any, rule: Any) -> tuple[CrashEvidence, ...]:
        """Return what spoke for it, the weightiest first."""
        found = []
        for kind, name in enumerate(crash.EVIDENCE):
            grade = float(dossier["grade"][kind])
            if grade <= 0:
                continue
            weight = int(getattr(rule, f"{name}_percent"))
            found.append(
                CrashEvidence(
                    kind=name,
                    value=int(dossier["value"][kind]),
                    weight_percent=weight,
                    counted_percent=round(weight * grade),
                    time_ms=int(dossier["impact_ms"]) + int(dossier["offset_ms"][kind]),
                )
            )
        return tuple(sorted(found, key=lambda one: -one.counted_percent))

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows (crash.COUNTERS), and of what was suspected."""
        counts = {name: int(self.counters[k]) for k, name in enumerate(crash.COUNTERS)}
        named = zip(("suspected", "confirmed", "cleared"), self._found.tolist(), strict=True)
        return counts | {name: int(count) for name, count in named}

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all cars' records; of most cars the episode is none, and costs nothing."""
        cars, episodes = self.cars.state(), self.episodes.state()
        return {f"car_{name}": array for name, array in cars.items()} | {
            f"episode_{name}": array for name, array in episodes.items()
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned."""
        self.cars.load({name.removeprefix("car_"): state[name] for name in ("car_numbers", "car_rows")})
        self.episodes.load({name.removeprefix("episode_"): state[name] for name in ("episode_numbers", "episode_rows")})
        self.episodes.highest[0] = self.cars.highest[0]

    def clear(self) -> None:
        """Forget every car."""
        self.cars.clear()
        self.episodes.clear()


def _known(value: Any) -> int | None:
    return int(value) if value >= 0 else None
