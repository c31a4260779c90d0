"""Incidents: what alerts of a car become on a desk, and every step that people take with them.

Reasons are words of the lists below, never what somebody wrote; people are named as events name them (account:7).
"""

from collections.abc import Mapping
from typing import Final

import msgspec

KINDS: Final = ("crash", "sos", "theft")
SEVERITIES: Final = ("low", "medium", "high", "critical")
"""From least to most. Low is the least there is: nothing is nothing until a person has said so."""
STATES: Final = ("open", "contacted", "no_answer", "assessed", "acting", "stabilised", "caring", "closed")

STEP_REASONS: Final[Mapping[str, tuple[str, ...]]] = {
    "contacted": ("driver", "passenger", "owner", "bystander"),
    "no_answer": ("no_reply", "unreachable", "line_silent"),
    "assessed": ("injured", "trapped", "unhurt", "breakdown", "stolen", "false_alarm", "unclear"),
    "acting": ("ambulance", "fire_brigade", "police", "rescue", "tow", "tracking", "owner_asked"),
    "stabilised": ("treated", "towed", "driver_safe", "scene_safe", "vehicle_found"),
    "caring": ("store", "replacement_car", "care_call"),
}
"""Step -> who was reached, why nobody was, what it is, who was sent, how it stands, who goes on."""
CLOSE_REASONS: Final = (
    "helped", "recovered", "handed_over", "help_declined", "no_help_needed", "false_alarm", "test",
)  # fmt: skip
"""Why people close one. `merged` and `history` are said by the program: another incident took it over; it lay in a
log that is older than incidents are."""
FALSE_REASONS: Final = ("no_help_needed", "false_alarm", "test")
"""Closed as nothing: whatever comes of the same matter afterwards opens it again."""
REOPEN_REASONS: Final = ("needs_help", "new_information", "closed_by_mistake")


class IncidentAcknowledgementRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: I have this one."""

    incident: int
    vehicle_id: int


class IncidentStepRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: a step was taken with an incident."""

    incident: int
    vehicle_id: int
    step: str
    """STATES, between open and closed."""
    reason: str
    """STEP_REASONS of the step."""
    severity: str = ""
    """SEVERITIES, of step `assessed`; else empty."""


class IncidentClosingRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: an incident is over."""

    incident: int
    vehicle_id: int
    reason: str
    """CLOSE_REASONS"""


class IncidentReopeningRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: an incident is not over after all."""

    incident: int
    vehicle_id: int
    reason: str
    """REOPEN_REASONS"""


class IncidentOpened(msgspec.Struct, frozen=True, kw_only=True):
    """incident.opened: an alert that belongs to no other one of its car."""

    incident: int
    vehicle_id: int
    kind: str
    """KINDS"""
    severity: str
    alert: str
    """Id of the event behind it."""
    late: bool
    """It was told behind newer reports, or longer after it happened than a live one takes."""
    lat_1e7: int | None
    lon_1e7: int | None
    has_fix: bool
    """False: the place is the last known one, or none."""


class IncidentJoined(msgspec.Struct, frozen=True, kw_only=True):
    """incident.joined: another alert, or more of one, came to an incident."""

    incident: int
    vehicle_id: int
    kind: str
    stage: str
    """suspected, confirmed, cleared, pressed"""
    alert: str
    """Id of the event behind it."""
    late: bool


class IncidentSeverityChanged(msgspec.Struct, frozen=True, kw_only=True):
    """incident.severity.changed: by what was joined, or by a person's assessment."""

    incident: int
    vehicle_id: int
    severity: str
    before: str
    reason: str
    """joined, confirmed, cleared, merged, assessed"""


class IncidentMerged(msgspec.Struct, frozen=True, kw_only=True):
    """incident.merged: two incidents of a car are one; `incident` is closed, its alerts go on in `into`."""

    incident: int
    vehicle_id: int
    into: int


class IncidentEscalated(msgspec.Struct, frozen=True, kw_only=True):
    """incident.escalated: nobody has taken it in time, or whoever had it did nothing for too long."""

    incident: int
    vehicle_id: int
    severity: str
    level: int
    """From 1; it goes on rising until somebody acknowledges."""
    to: str
    """actors.business.incident.LEVELS: who is called now."""
    why: str
    """unacknowledged, stalled"""
    waited_s: int
    """Since it began to ring, or since the last step."""


class IncidentAcknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """incident.acknowledged: a person has it; it rings no more."""

    incident: int
    vehicle_id: int
    by: str
    level: int
    """How far it had escalated."""
    waited_s: int


class IncidentStepped(msgspec.Struct, frozen=True, kw_only=True):
    """incident.stepped: a step was taken."""

    incident: int
    vehicle_id: int
    step: str
    before: str
    reason: str
    severity: str
    by: str
    after_s: int
    """Since the step before."""


class IncidentClosed(msgspec.Struct, frozen=True, kw_only=True):
    """incident.closed: a person has said how it ended; all its alerts are resolved with that reason."""

    incident: int
    vehicle_id: int
    reason: str
    by: str
    """Empty for `history`."""
    alerts: int
    open_s: int


class IncidentReopened(msgspec.Struct, frozen=True, kw_only=True):
    """incident.reopened: by a person, or by an alert that came to a closed one. It rings again from the beginning."""

    incident: int
    vehicle_id: int
    reason: str
    """REOPEN_REASONS, or alert"""
    by: str
    """Empty where an alert did."""


EVENTS: Final[Mapping[tuple[str, int], type[msgspec.Struct]]] = {
    ("incident.acknowledgement.requested", 1): IncidentAcknowledgementRequested,
    ("incident.step.requested", 1): IncidentStepRequested,
    ("incident.closing.requested", 1): IncidentClosingRequested,
    ("incident.reopening.requested", 1): IncidentReopeningRequested,
    ("incident.opened", 1): IncidentOpened,
    ("incident.joined", 1): IncidentJoined,
    ("incident.severity.changed", 1): IncidentSeverityChanged,
    ("incident.merged", 1): IncidentMerged,
    ("incident.escalated", 1): IncidentEscalated,
    ("incident.acknowledged", 1): IncidentAcknowledged,
    ("incident.stepped", 1): IncidentStepped,
    ("incident.closed", 1): IncidentClosed,
    ("incident.reopened", 1): IncidentReopened,
}
