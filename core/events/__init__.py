"""The shared language: one file a topic, one Struct a payload, and the table that names them all."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from core.events.detection import AlarmSeen, FenceCrossed
from core.events.event import DEPTH_MAX, PURPOSES, Event, derive_id
from core.events.geofence import AreasAsked, GeofenceRemoved, GeofenceSaved
from core.events.media import MediaAnnounced, MediaStored
from core.events.message import MessageDecided, MessageRequested
from core.events.terminal import (
    CommandProgress,
    CommandRequested,
    IdentityDisputed,
    SessionClosed,
    SessionOpened,
    TerminalBound,
    TerminalChanged,
    TerminalEntered,
    TerminalRegistered,
    TerminalRetired,
    TerminalUnbound,
    VehicleChanged,
)
from core.events.uplink import (
    AlarmFilesAnnounced,
    DriverCard,
    DriverEventReported,
    InformationChosen,
    MessageReceived,
    PassengersCounted,
    QuestionAnswered,
    RecorderReported,
    RecordingUploaded,
    UpgradeFinished,
)

__all__ = [
    "DEPTH_MAX",
    "EVENTS",
    "PURPOSES",
    "AlarmFilesAnnounced",
    "AlarmSeen",
    "AreasAsked",
    "CommandProgress",
    "CommandRequested",
    "DriverCard",
    "DriverEventReported",
    "Event",
    "FenceCrossed",
    "GeofenceRemoved",
    "GeofenceSaved",
    "IdentityDisputed",
    "InformationChosen",
    "MediaAnnounced",
    "MediaStored",
    "MessageDecided",
    "MessageReceived",
    "MessageRequested",
    "PassengersCounted",
    "QuestionAnswered",
    "RecorderReported",
    "RecordingUploaded",
    "SessionClosed",
    "SessionOpened",
    "TerminalBound",
    "TerminalChanged",
    "TerminalEntered",
    "TerminalRegistered",
    "TerminalRetired",
    "TerminalUnbound",
    "UpgradeFinished",
    "VehicleChanged",
    "derive_id",
]

EVENTS: Final[Mapping[tuple[str, int], type[msgspec.Struct]]] = MappingProxyType(
    {
        ("terminal.registered", 1): TerminalRegistered,
        ("terminal.entered", 1): TerminalEntered,
        ("terminal.changed", 1): TerminalChanged,
        ("terminal.bound", 1): TerminalBound,
        ("terminal.unbound", 1): TerminalUnbound,
        ("terminal.retired", 1): TerminalRetired,
        ("vehicle.changed", 1): VehicleChanged,
        ("terminal.identity.disputed", 1): IdentityDisputed,
        ("terminal.session.opened", 1): SessionOpened,
        ("terminal.session.closed", 1): SessionClosed,
        ("command.requested", 1): CommandRequested,
        ("command.sent", 1): CommandProgress,
        ("command.acked", 1): CommandProgress,
        ("command.effective", 1): CommandProgress,
        ("command.failed", 1): CommandProgress,
        ("command.expired", 1): CommandProgress,
        ("geofence.saved", 1): GeofenceSaved,
        ("geofence.removed", 1): GeofenceRemoved,
        ("area.compare.requested", 1): AreasAsked,
        ("area.retry.requested", 1): AreasAsked,
        ("fence.entered", 1): FenceCrossed,
        ("fence.exited", 1): FenceCrossed,
        ("crash.suspected", 1): AlarmSeen,
        ("sos.pressed", 1): AlarmSeen,
        ("media.announced", 1): MediaAnnounced,
        ("media.stored", 1): MediaStored,
        ("message.requested", 1): MessageRequested,
        ("message.sent", 1): MessageDecided,
        ("message.failed", 1): MessageDecided,
        ("message.unknown", 1): MessageDecided,
        ("driver.card.inserted", 1): DriverCard,
        ("driver.card.removed", 1): DriverCard,
        ("driver.event.reported", 1): DriverEventReported,
        ("question.answered", 1): QuestionAnswered,
        ("information.ordered", 1): InformationChosen,
        ("information.cancelled", 1): InformationChosen,
        ("waybill.reported", 1): MessageReceived,
        ("passengers.counted", 1): PassengersCounted,
        ("recorder.reported", 1): RecorderReported,
        ("recording.uploaded", 1): RecordingUploaded,
        ("upgrade.finished", 1): UpgradeFinished,
        ("alarm.files.announced", 1): AlarmFilesAnnounced,
    }
)
