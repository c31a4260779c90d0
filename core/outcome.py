"""What a replay says: which facts of a span other thresholds would have found, and which not.

actors/replay.py finds it; the command line, the API and the page of the rules tell it.
"""

from typing import Final, Literal

import msgspec

from core.thresholds import Value

WARM_UP_S: Final = 2 * 3600
"""So long before the span state is built up and nothing is listed: a car that drove then has its place by the span."""
LATE_S: Final = 3600
"""So long behind the span reports are read that tell of times in it."""

CAVEATS: Final = ("today", "warm_up", "repeats", "listening", "late", "versions")
"""What a reader must know of every outcome: `rules_caveat_…` of the catalogue says each."""


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Which facts are compared: those that happened in from_ms <= time_ms < to_ms."""

    from_ms: int
    to_ms: int
    warm_up_ms: int = WARM_UP_S * 1000
    late_ms: int = LATE_S * 1000
    vehicle_id: int = 0
    """Only this vehicle's; 0: all."""
    group: int = 0
    """Only facts of this dealer group; 0: of all."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One fact that the changed rules judge otherwise."""

    what: Literal["gained", "lost", "moved", "altered"]
    type: str
    vehicle_id: int
    time_ms: int
    """When it happens by the changed rules; of a lost one, when it did by those in force."""
    before_ms: int = 0
    """Of one that moved: when it did."""
    mark: str = ""
    """Which one of its type: fence, kind, evidence."""
    event_id: str = ""
    logged: bool = False
    """The log holds the fact as the rules in force find it (gained: as the changed ones do)."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of one type."""

    logged: int
    """In the log."""
    present: int
    """By the rules in force."""
    changed: int
    """By the changed ones."""
    gained: int
    lost: int
    moved: int
    altered: int
    """The same fact, which says something else."""
    log_only: int
    """In the log and not found again by the rules in force."""
    replay_only: int
    """Found by the rules in force and not in the log."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What would differ."""

    detector: str
    values: dict[str, Value]
    """What was changed; empty: the rules in force alone, compared with the log."""
    span: Span
    reports: int
    """Judged, those of the warm-up included."""
    counts: dict[str, Counts]
    """By type of event."""
    differences: list[Difference]
    """By time; the first REPLAY_LISTED_MAX."""
    differences_all: int
    log_only: list[Difference]
    """Facts of the log that are not found again, as lost ones."""
    other_versions: int
    """Facts of the log that were judged by another version of the rules than the one in force."""
    caveats: tuple[str, ...] = CAVEATS


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A replay that the portal asked for, and how far it has come."""

    id: str
    detector: str
    state: Literal["running", "done", "cancelled", "failed"]
    reports: int = 0
    share: float = 0.0
    """From 0 to 1."""
    reason: str = ""
    """Why it failed."""
    outcome: Outcome | None = None
    """Once it is done."""


class TrialBusyError(Exception):
    """Another person's trial is under way."""
