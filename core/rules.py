"""Thresholds of the detectors: one Struct a detector, and how they lie for the kernels, group by group.

A field is a number with its unit last in its name; `Meta` says what is possible. A dealer group that has set none is
judged by the defaults, version 0; every change is a new version, and facts name the version that found them.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Final, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from core.limits import RULE_GROUPS_MAX


class FenceRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the crossing of a geofence is certain. What each means: core/kernels/crossing.py."""

    enter_fixes: Annotated[int, Meta(ge=1, le=100)] = 2
    enter_ms: Annotated[int, Meta(ge=0, le=600_000)] = 5_000
    exit_fixes: Annotated[int, Meta(ge=1, le=100)] = 2
    exit_ms: Annotated[int, Meta(ge=0, le=600_000)] = 10_000
    margin_m_min: Annotated[float, Meta(ge=0, le=500)] = 15.0
    position_sigma_m: Annotated[float, Meta(ge=0, le=250)] = 5.0
    """Standard deviation of a fix. Reports do not carry one, so it is one figure for all."""


class CleaningRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What of a terminal's positions and times is set aside. What each means: core/kernels/cleaning.py."""

    jump_kmh: Annotated[float, Meta(ge=100, le=1000)] = 250.0
    jump_m: Annotated[float, Meta(ge=50, le=5000)] = 300.0
    step_m: Annotated[float, Meta(ge=10, le=1000)] = 30.0
    """Room for the noise of two fixes: six standard deviations of 5 m."""
    jump_fixes: Annotated[int, Meta(ge=2, le=20)] = 3
    frozen_fixes: Annotated[int, Meta(ge=2, le=100)] = 3
    frozen_s: Annotated[float, Meta(ge=1, le=600)] = 5.0
    frozen_kmh: Annotated[float, Meta(ge=3, le=100)] = 10.0
    clock_ahead_s: Annotated[float, Meta(ge=60, le=86_400)] = 600.0


class DrivingRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a trip begins and ends, when the odometer is told, what is too fast. See core/kernels/driving.py."""

    moved_m: Annotated[float, Meta(ge=0, le=5000)] = 100.0
    start_m: Annotated[float, Meta(ge=200, le=10_000)] = 500.0
    stop_s: Annotated[float, Meta(ge=60, le=7200)] = 300.0
    silence_s: Annotated[float, Meta(ge=180, le=86_400)] = 900.0
    advance_m: Annotated[float, Meta(ge=1000, le=1_000_000)] = 50_000.0
    limit_kmh: Annotated[float, Meta(ge=0, le=300)] = 120.0
    """The highest that any road of China allows. 0: no speed is too fast."""
    overspeed_s: Annotated[float, Meta(ge=0, le=600)] = 10.0


class ProximityRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When two cars come near enough to tell. What each means: core/kernels/proximity.py."""

    score_min: Annotated[float, Meta(ge=0, le=101)] = 60.0
    """101: nothing is told."""
    speed_kmh_min: Annotated[float, Meta(ge=1, le=200)] = 20.0
    closing_kmh_min: Annotated[float, Meta(ge=1, le=400)] = 30.0
    horizon_s: Annotated[float, Meta(ge=1, le=15)] = 5.0
    distance_m: Annotated[float, Meta(ge=1, le=50)] = 4.0
    age_s_max: Annotated[float, Meta(ge=0, le=10)] = 3.0
    cooldown_s: Annotated[float, Meta(ge=0, le=86_400)] = 300.0


RULES: Final[Mapping[str, type[msgspec.Struct]]] = MappingProxyType(
    {
        "cleaning": CleaningRule,
        "geofence": FenceRule,
        "driving": DrivingRule,
        "proximity": ProximityRule,
    }
)
"""Detector: its thresholds. All fields are numbers or booleans: kernels take them as float64 in this order."""


class GroupRule(NamedTuple):
    """What one dealer group has set for one detector."""

    group: int
    detector: str
    version: int
    rule: msgspec.Struct


class RuleSet:
    """The thresholds of one detector, for all groups. Immutable: make another and swap.

    Attributes:
        rules: the Structs; 0 are the defaults.
        numbers: (sets, fields) float64, a row for each of `rules`.
        of_group: (RULE_GROUPS_MAX,) int32, the row that a group is judged by.
    """

    def __init__(self, detector: str, own: Iterable[GroupRule] = ()) -> None:
        self._versions = [0]
        self.rules: list[msgspec.Struct] = [RULES[detector]()]
        self.of_group = np.zeros(RULE_GROUPS_MAX, np.int32)
        for row in own:
            if row.detector != detector:
                continue
            self.of_group[row.group] = len(self.rules)
            self.rules.append(row.rule)
            self._versions.append(row.version)
        self.numbers = np.array([msgspec.structs.astuple(rule) for rule in self.rules], np.float64)
        if self.numbers.shape[1] == 0:
            # A kernel takes its address all the same.
            self.numbers = np.zeros((len(self.rules), 1))

    def version(self, group: int) -> int:
        """Return the version that a group is judged by."""
        return self._versions[self._row(group)]

    def rule(self, group: int) -> msgspec.Struct:
        """Return the thresholds that a group is judged by."""
        return self.rules[self._row(group)]

    def _row(self, group: int) -> int:
        return int(self.of_group[group]) if 0 <= group < RULE_GROUPS_MAX else 0


class Rules:
    """The thresholds of all detectors. Immutable: make another and swap.

    Args:
        own: what groups have set; of a group and detector that come twice the last counts.
    """

    def __init__(self, own: Iterable[GroupRule] = ()) -> None:
        own = list(own)
        self._sets = {detector: RuleSet(detector, own) for detector in RULES}

    def of(self, detector: str) -> RuleSet:
        """Return the thresholds of one detector of RULES."""
        return self._sets[detector]
