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

    enter_fixes: Annotated[int, Meta(ge=1, le=30)] = 2
    enter_ms: Annotated[int, Meta(ge=0, le=600_000)] = 5_000
    exit_fixes: Annotated[int, Meta(ge=1, le=30)] = 2
    exit_ms: Annotated[int, Meta(ge=0, le=600_000)] = 10_000
    margin_m_min: Annotated[float, Meta(ge=0, le=500)] = 15.0
    position_sigma_m: Annotated[float, Meta(ge=0, le=250)] = 5.0
    """Standard deviation of a fix. Reports do not carry one, so it is one figure for all."""
    stand_kmh10: Annotated[int, Meta(ge=0, le=200)] = 30
    """Slower than this a car with its ignition on stands."""
    displaced_m_min: Annotated[float, Meta(ge=10, le=1_000)] = 30.0
    """A standing car has been moved when its fixes lie farther off than this, or than six standard deviations ..."""
    displaced_fixes: Annotated[int, Meta(ge=2, le=100)] = 3
    """... so many in a row ..."""
    displaced_ms: Annotated[int, Meta(ge=0, le=600_000)] = 20_000
    """... and so long."""
    gap_ms_max: Annotated[int, Meta(ge=0, le=600_000)] = 120_000
    """Of a longer gap between two fixes nothing is inferred ..."""
    gap_m_max: Annotated[int, Meta(ge=0, le=5_000)] = 3_000
    """... nor of a longer way."""
    chord_m_min: Annotated[float, Meta(ge=10, le=1_000)] = 40.0
    """Least way through a fence between two fixes."""
    jump_m: Annotated[float, Meta(ge=10, le=500)] = 60.0
    """A fix this far behind a boundary was not thrown there."""
    route_ms_min: Annotated[int, Meta(ge=0, le=3_600_000)] = 30_000
    """So long beyond a route's margin, and driving, is leaving it."""
    route_away_ms: Annotated[int, Meta(ge=60_000, le=604_800_000)] = 6 * 3600 * 1000
    """So long off a route is giving it up."""
    speed_slack_kmh10: Annotated[int, Meta(ge=0, le=200)] = 30
    """So far below a zone's limit speeding ends."""


class TheftRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a theft is suspected. What each means: core/kernels/theft.py; weights in the order of its KINDS."""

    moving_kmh_min: Annotated[float, Meta(ge=3, le=50)] = 8.0
    moving_fixes: Annotated[int, Meta(ge=1, le=20)] = 2
    moving_m_min: Annotated[float, Meta(ge=20, le=1_000)] = 60.0
    """Away from where it was parked, with speed, in so many fixes in a row."""
    far_m_min: Annotated[float, Meta(ge=50, le=5_000)] = 150.0
    far_fixes: Annotated[int, Meta(ge=1, le=20)] = 3
    """... and without speed: pushed, or a terminal that says none while it sleeps."""
    parked_s_min: Annotated[int, Meta(ge=0, le=3_600)] = 120
    leaving_m: Annotated[float, Meta(ge=0, le=500)] = 20.0
    """So far beyond its radius an armed car has left its place."""
    returned_s: Annotated[int, Meta(ge=0, le=86_400)] = 300
    calm_s: Annotated[int, Meta(ge=0, le=86_400)] = 600
    power_reports: Annotated[int, Meta(ge=1, le=20)] = 2
    silence_kmh_min: Annotated[float, Meta(ge=5, le=200)] = 40.0
    """In the last two fixes: who enters a garage has slowed down."""
    silence_intervals: Annotated[float, Meta(ge=2, le=1_000)] = 10.0
    silence_s_min: Annotated[int, Meta(ge=60, le=86_400)] = 900
    """The longest road tunnel takes 20 minutes at 80 km/h, nearly all under ten."""
    armed_silence_s_min: Annotated[int, Meta(ge=60, le=86_400)] = 7_200
    """Terminals that go to sleep report every hour at least, as a rule."""
    jam_satellites_min: Annotated[int, Meta(ge=3, le=60)] = 6
    jam_satellites_max: Annotated[int, Meta(ge=0, le=10)] = 2
    jam_signal_drop: Annotated[int, Meta(ge=1, le=100)] = 10
    jam_signal_max: Annotated[int, Meta(ge=0, le=100)] = 5
    """Satellites from so many to so few, and the mobile signal (0 to 31 as a rule) down by so much to so little."""
    jam_silence_s_min: Annotated[int, Meta(ge=30, le=86_400)] = 300
    coverage_cars: Annotated[int, Meta(ge=1, le=1_000)] = 2
    """So many others fell silent there as well: the network."""
    suspected_min: Annotated[float, Meta(ge=0.1, le=1)] = 0.6
    certain_min: Annotated[float, Meta(ge=0.1, le=1)] = 0.9
    weight_moving_without_ignition: Annotated[float, Meta(ge=0, le=1)] = 0.8
    weight_displaced: Annotated[float, Meta(ge=0, le=1)] = 0.8
    weight_illegal_ignition: Annotated[float, Meta(ge=0, le=1)] = 0.8
    weight_stolen: Annotated[float, Meta(ge=0, le=1)] = 0.9
    weight_power_cut: Annotated[float, Meta(ge=0, le=1)] = 0.35
    weight_jammed: Annotated[float, Meta(ge=0, le=1)] = 0.75
    weight_silenced: Annotated[float, Meta(ge=0, le=1)] = 0.6
    weight_left_place: Annotated[float, Meta(ge=0, le=1)] = 0.0
    weight_ignition: Annotated[float, Meta(ge=0, le=1)] = 0.0
    weight_door: Annotated[float, Meta(ge=0, le=1)] = 0.0
    armed_weight_moving_without_ignition: Annotated[float, Meta(ge=0, le=1)] = 0.9
    armed_weight_displaced: Annotated[float, Meta(ge=0, le=1)] = 0.9
    armed_weight_illegal_ignition: Annotated[float, Meta(ge=0, le=1)] = 0.9
    armed_weight_stolen: Annotated[float, Meta(ge=0, le=1)] = 0.95
    armed_weight_power_cut: Annotated[float, Meta(ge=0, le=1)] = 0.7
    armed_weight_jammed: Annotated[float, Meta(ge=0, le=1)] = 0.85
    armed_weight_silenced: Annotated[float, Meta(ge=0, le=1)] = 0.6
    armed_weight_left_place: Annotated[float, Meta(ge=0, le=1)] = 0.9
    armed_weight_ignition: Annotated[float, Meta(ge=0, le=1)] = 0.85
    armed_weight_door: Annotated[float, Meta(ge=0, le=1)] = 0.7


class PowerRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a terminal counts as cut from the car's power. What each means: core/kernels/power.py."""

    reports: Annotated[int, Meta(ge=1, le=20)] = 2
    s_min: Annotated[int, Meta(ge=0, le=3_600)] = 10
    silent_s: Annotated[int, Meta(ge=30, le=86_400)] = 120
    """One report with the bit, and then nothing for so long: its last word."""


class CrashRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What speaks for a crash, and how much it weighs: core/kernels/crash.py says what each kind of evidence is."""

    suspect_percent: Annotated[int, Meta(ge=50, le=99)] = 80
    """Evidence that weighs as much together makes a suspicion."""
    confirm_percent: Annotated[int, Meta(ge=60, le=99)] = 96
    # Weights, in the order of crash.EVIDENCE. None is 100: nothing that a terminal sends is certain.
    collision_percent: Annotated[int, Meta(ge=0, le=99)] = 90
    rollover_percent: Annotated[int, Meta(ge=0, le=99)] = 97
    item_percent: Annotated[int, Meta(ge=0, le=99)] = 88
    acceleration_percent: Annotated[int, Meta(ge=0, le=99)] = 75
    speed_change_percent: Annotated[int, Meta(ge=0, le=99)] = 90
    deceleration_percent: Annotated[int, Meta(ge=0, le=99)] = 75
    stopped_percent: Annotated[int, Meta(ge=0, le=99)] = 40
    stayed_percent: Annotated[int, Meta(ge=0, le=99)] = 45
    silence_percent: Annotated[int, Meta(ge=0, le=99)] = 40
    sos_percent: Annotated[int, Meta(ge=0, le=99)] = 50
    jolt_mg: Annotated[int, Meta(ge=1_500, le=20_000)] = 4_000
    """An acceleration that is looked at; its grade rises from 0 here ..."""
    jolt_full_mg: Annotated[int, Meta(ge=20_001, le=60_000)] = 25_000
    """... to 1 here."""
    change_from_mg: Annotated[int, Meta(ge=1_500, le=8_000)] = 6_000
    """A change of speed counts from such a peak on, and in full ..."""
    change_full_mg: Annotated[int, Meta(ge=8_001, le=30_000)] = 9_000
    """... from this: what dents a wheel is shorter than what dents a car, and rarely as hard."""
    pulse_ms: Annotated[int, Meta(ge=40, le=200)] = 80
    """The shortest pulse of a car's structure."""
    deceleration_from_mg: Annotated[int, Meta(ge=800, le=1_400)] = 1_200
    """Faster than tyres can brake; the grade rises from 0 here ..."""
    deceleration_full_mg: Annotated[int, Meta(ge=1_401, le=5_000)] = 2_000
    dense_ms: Annotated[int, Meta(ge=1_000, le=3_000)] = 2_000
    """Only reports so close show it."""
    driving_kmh: Annotated[int, Meta(ge=5, le=60)] = 20
    standing_kmh: Annotated[int, Meta(ge=1, le=10)] = 5
    stop_s: Annotated[int, Meta(ge=2, le=30)] = 10
    stopped_s: Annotated[int, Meta(ge=2, le=30)] = 5
    stayed_s: Annotated[int, Meta(ge=10, le=80)] = 60
    silence_s: Annotated[int, Meta(ge=20, le=600)] = 60
    drive_on_m: Annotated[int, Meta(ge=100, le=5_000)] = 300
    drive_on_s: Annotated[int, Meta(ge=5, le=300)] = 20
    alone_s: Annotated[int, Meta(ge=120, le=3_600)] = 600
    """From the impact: what nothing was added to by then is cleared."""
    moderate_kmh: Annotated[int, Meta(ge=5, le=40)] = 20
    severe_kmh: Annotated[int, Meta(ge=10, le=100)] = 40
    """Changes of speed from which on a crash is called moderate, and severe."""


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
        "theft": TheftRule,
        "power": PowerRule,
        "crash": CrashRule,
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
        own: what groups have set; of a group and detector that come twice the last counts. Kept as an attribute.
    """

    def __init__(self, own: Iterable[GroupRule] = ()) -> None:
        self.own: Final = tuple(own)
        self._sets = {detector: RuleSet(detector, self.own) for detector in RULES}

    def of(self, detector: str) -> RuleSet:
        """Return the thresholds of one detector of RULES."""
        return self._sets[detector]
