"""What detection makes of a blow to a car: suspected, then confirmed or cleared, with what speaks for and against."""

import msgspec


class CrashEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that speaks for a crash."""

    kind: str
    """As in core.kernels.crash.EVIDENCE."""
    value: int
    """collision, rollover, item: the alarm word; acceleration and deceleration: mg; speed_change: 0.1 km/h; stopped:
    seconds from the impact until it stood; stayed, silence: seconds; sos: 1."""
    weight_percent: int
    """What such evidence counts at most, by the rules of the car's group."""
    counted_percent: int
    """What this counted: the weight times how much there was of it."""
    time_ms: int
    """Report time, UTC epoch ms."""


class CrashJudged(msgspec.Struct, frozen=True, kw_only=True):
    """What every event of a crash says. Confidence is noisy-OR over the evidence: 1 - (1 - counted)(1 - counted) …"""

    vehicle_id: int
    terminal: int
    report_id: str
    """The report that settled it, 16 hexadecimal digits; of a silence the last one heard."""
    first_report_id: str
    """The report that the episode began with: one crash has one."""
    impact_ms: int
    """Time of that report, UTC epoch ms."""
    lat_1e7: int
    lon_1e7: int
    has_fix: bool
    """False: the place is the last known one."""
    speed_before_kmh10: int | None
    speed_kmh10: int | None
    """At the impact, as its report says; None where it had no usable speed."""
    peak_mg: int | None
    """Largest acceleration that the terminal sent, gravity included."""
    confidence_percent: int
    severity: str
    """light, moderate, severe, unknown: by the change of speed, else by the peak."""
    evidence: tuple[CrashEvidence, ...]
    against: tuple[str, ...]
    """As in core.kernels.crash.AGAINST."""
    blind: tuple[str, ...]
    """What the data cannot show, as in core.kernels.crash.BLIND."""
    late: bool
    """True: it was told by a report that came behind newer ones."""
    rule_version: int


class CrashSuspected(CrashJudged, frozen=True, kw_only=True):
    """crash.suspected: what speaks for a crash weighs enough to call. Version 1 said an alarm bit only."""


class CrashConfirmed(CrashJudged, frozen=True, kw_only=True):
    """crash.confirmed: more came to a suspicion: it stopped and stayed, it rolled over, several say the same."""

    suspicion: str
    """Id of the crash.suspected."""
    after_s: int
    """From the impact."""


class CrashCleared(CrashJudged, frozen=True, kw_only=True):
    """crash.cleared: what was suspected was none, as far as the data go."""

    suspicion: str
    reason: str
    """drove_on: the car went on for driven_m within after_s; alone: nothing was added within after_s."""
    driven_m: int
    after_s: int
