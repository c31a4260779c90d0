"""Who speaks on the log and who listens, beside the business: detection, the node's own errands, adapters, people.

A row here is what the catalogue of events says of them; names are those by which events call who said them.
"""

from typing import Final

from actors import alerting, areas, evidence, guarding, presence, tracking
from actors.adapters import ADAPTERS
from actors.business import BUSINESS
from actors.detectors import DETECTORS
from core.business import SPINE
from core.catalogue import Voice


def _of(*types: str, purpose: str = "") -> dict[str, str]:
    return dict.fromkeys(types, purpose)


_STATES: Final = ("queued", "sent", "acked", "effective", "failed", "expired", "unknown")
_REGISTRY: Final = (
    "terminal.entered", "terminal.changed", "terminal.bound", "terminal.unbound", "terminal.retired", "vehicle.changed",
)  # fmt: skip
_ASKED: Final = tuple(
    type_ for actor in (SPINE, *(one for one in BUSINESS if one is not SPINE)) for type_ in actor.decides
)

VOICES: Final = (
    Voice(
        "detection",
        "detection",
        {type_: purpose for row in DETECTORS for type_, purpose in row.events.items()},
        ("geofence.", "rules.", "vehicle.armed", "vehicle.disarmed", "vehicle.changed", "theft.cleared"),
    ),
    Voice(
        "vehicle",
        "node",
        _of(
            "terminal.identity.disputed",
            "terminal.session.opened",
            "terminal.session.closed",
            *(f"command.{state}" for state in _STATES),
            "driver.card.inserted",
            "driver.card.removed",
            "driver.event.reported",
            "question.answered",
            "information.ordered",
            "information.cancelled",
            "waybill.reported",
            "passengers.counted",
            "recorder.reported",
            "recording.uploaded",
            "upgrade.finished",
            "alarm.files.announced",
            "media.announced",
            "media.stored",
        ),
        ("command.", *_REGISTRY),
    ),
    Voice("media", "node", _of("media.announced", "media.stored")),
    Voice("registry", "node", _of("terminal.registered")),
    Voice(presence.ACTOR, "node", _of("device.online", "device.offline", "device.silent"), presence.TYPES),
    Voice(areas.ACTOR, "node", _of("command.requested", "command.unknown"), areas.TYPES),
    Voice(tracking.ACTOR, "node", _of("command.requested"), tracking.TYPES),
    Voice(alerting.ACTOR, "node", _of("message.requested"), alerting.TYPES),
    Voice(guarding.ACTOR, "node", _of("theft.cleared"), guarding.TYPES),
    Voice(evidence.ACTOR, "node", {}, evidence.TYPES),
    Voice("clock", "clock", _of("timer.due")),
    *(
        Voice(
            "adapter",
            "adapter",
            _of(*(f"{adapter.intent.partition('.')[0]}.{state}" for state in ("sent", "failed", "unknown"))),
            (adapter.intent,),
        )
        for adapter in ADAPTERS
    ),
    Voice(
        "account",
        "people",
        _of(
            "command.requested",
            "command.approved",
            "command.rejected",
            "geofence.saved",
            "geofence.removed",
            "rules.changed",
            "area.compare.requested",
            "area.retry.requested",
            "vehicle.armed",
            "vehicle.disarmed",
            "theft.cleared",
            *_REGISTRY,
            *_ASKED,
        ),
    ),
)
"""In the order in which the catalogue names them. `node` (its own key, the demo) speaks as an account does."""
