"""What the spine of the business says: timers, refusals, parked keys, actors and rule versions in force."""

from typing import Final

import msgspec


class TimerDue(msgspec.Struct, frozen=True, kw_only=True):
    """A timer's time has come. Only the actor that set it hears it."""

    actor: str
    name: str
    due_ms: int
    """When it was to come, UTC epoch ms; the event says when it was seen."""


class IntentRefused(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: an intent is not carried out. Nothing of it was written."""

    intent: str
    """Its type."""
    code: str
    """For programs."""
    detail: str = ""
    """For people, in English, without personal data."""


class KeyParked(msgspec.Struct, frozen=True, kw_only=True):
    """An actor has stopped at a key, and at nothing else; what comes for that key waits in order."""

    actor: str
    key: str
    event: str
    """Id of the event at which its rule failed."""
    type: str
    reason: str


class KeyRelease(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: let an actor go on with a parked key."""

    actor: str
    key: str
    skip: bool = False
    """Pass over the event at which it stopped; else that is tried again first."""


class KeyReleased(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: an actor goes on with a key. What has waited is handled now, in order."""

    actor: str
    key: str
    event: str
    skipped: bool = False


class ModuleSwitch(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: switch a business actor on or off in a store."""

    actor: str
    store: int
    """0: in the whole group, where a store says nothing else."""
    active: bool


class ModuleSwitched(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: a business actor is switched on or off in a store from here on."""

    actor: str
    store: int
    active: bool


class RuleAdoption(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: put a version of a business rule in force."""

    actor: str
    rule: str
    version: int


class RuleAdopted(msgspec.Struct, frozen=True, kw_only=True):
    """Decision: a version of a business rule is in force for the group from here on."""

    actor: str
    rule: str
    version: int
    version_before: int
    """0: the first one was."""


class ActorJoined(msgspec.Struct, frozen=True, kw_only=True):
    """A business actor is new to this log. It hears its past alone, and what comes behind it with the others."""

    actor: str
    through: int
    """Number of the last event of that past."""


EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {
    ("timer.due", 1): TimerDue,
    ("intent.refused", 1): IntentRefused,
    ("ops.parked", 1): KeyParked,
    ("ops.release.requested", 1): KeyRelease,
    ("ops.released", 1): KeyReleased,
    ("module.switch.requested", 1): ModuleSwitch,
    ("module.switched", 1): ModuleSwitched,
    ("rule.adoption.requested", 1): RuleAdoption,
    ("rule.adopted", 1): RuleAdopted,
    ("actor.joined", 1): ActorJoined,
}
