"""Cleaning: the first step of judging. It finds no facts; it marks what the detectors must not judge by, and counts."""

from typing import Final

import numpy as np

from actors.detectors.states import States
from core.kernels import cleaning
from core.limits import TERMINALS_MAX
from core.quality import Poor, poorest
from core.rules import RuleSet
from core.vehicle_table import VehicleTable

NAME: Final = "cleaning"
VERSION: Final = 2
"""Goes up when the same reports and rules would be marked otherwise."""


class Cleaning:
    """What is known of each terminal, and what of its reports was set aside."""

    name = NAME
    version = VERSION

    def __init__(self, table: VehicleTable, rules: RuleSet) -> None:
        self._table = table
        self.rules = rules
        self._states = States(min(len(table.alarms), TERMINALS_MAX), cleaning.CLEANING)
        self.counters = np.zeros(len(cleaning.COUNTERS), np.int64)

    def clean(self, rows: np.ndarray) -> None:
        """Mark rows (n,) REPORT, in the order of the journal (core/kernels/cleaning.py). Once for each row."""
        cleaning.clean(
            rows,
            self._states.rows,
            self._states.highest,
            self.rules.numbers,
            self.rules.of_group,
            self._table.group,
            self.counters,
        )

    def of(self, vehicle_id: int, terminal: int) -> cleaning.Quality | None:
        """Return what is known of a terminal in a car; None if it was not heard there. May be asked by any thread."""
        if not 0 < terminal < len(self._states.rows):
            return None
        return cleaning.quality_of(self._states.rows[terminal], vehicle_id)

    def poorest(
        self,
        group: int,
        within: tuple[int, ...] | None = None,
        reason: str = "",
        after: tuple[int, int] | None = None,
        limit: int = 100,
    ) -> list[Poor]:
        """Return the terminals of a dealer group of whose reports most was set aside: core.quality.poorest, which takes
        some 10 ms of 100,000 terminals. May be asked by any thread."""
        states = self._states.rows[: int(self._states.highest[0]) + 1]
        return poorest(
            states, self._table.group, self._table.store, group=group, within=within, reason=reason, after=after,
            limit=limit,
        )  # fmt: skip

    def statistics(self) -> dict[str, int]:
        """Return what became of the rows, by name (cleaning.COUNTERS)."""
        return dict(zip(cleaning.COUNTERS, self.counters.tolist(), strict=True))

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all states in use."""
        return self._states.state()

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Take over what state() returned. Raises ValueError if it does not fit."""
        self._states.load(state)

    def clear(self) -> None:
        """Forget all terminals."""
        self._states.clear()
