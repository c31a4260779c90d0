"""The garage: people and their cars over time, states of cars, readings of odometers, the health record.

Events name people by number only. Reasons are words of the lists below, never what somebody wrote.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

LINK_ROLES: Final = ("owner", "driver", "payer", "emergency")
"""What a person is to a car: whose it is (one at a time), who drives, who pays, who is called in need."""
LINK_SOURCES: Final = ("sale", "document", "contract", "workshop", "owner", "call", "web", "partner", "import")
"""How we know: our own sale, the registration certificate, a service contract, said in the workshop, by the owner, on
the telephone, on the web, by a partner, brought over from another system."""
LINK_ENDS: Final = ("sold", "left", "mistaken", "owner_changed", "erased")
"""Why a link is over: the car was sold, the person is no longer it, never was, went with the owner, was erased."""

VEHICLE_STATES: Final = ("pre_delivery", "in_use", "stolen", "recovered", "for_sale", "scrapped")
STEPS: Final[Mapping[str, tuple[str, ...]]] = {
    "pre_delivery": ("in_use",),
    "in_use": ("stolen", "for_sale"),
    "stolen": ("recovered",),
    "recovered": ("in_use",),
    "for_sale": ("in_use", "scrapped"),
    "scrapped": (),
}
"""State -> the steps that there are from it. Every other one is refused."""
STATE_REASONS: Final = (
    "delivered", "driven", "owner", "reported", "police", "found", "returned", "offered", "withdrawn", "total_loss",
    "dismantled", "mistaken",
)  # fmt: skip
"""Why a car's state changed; `driven` and `owner` are said by the program: it came far, it has a new owner."""

READING_SOURCES: Final = ("workshop", "fitting", "inspection", "owner", "import")
"""Who read an odometer: the workshop, whoever fitted the terminal, a vehicle inspection, the owner, another system."""
CORRECTION_REASONS: Final = ("cluster_replaced", "device_wrong", "typing", "unit", "document", "tampered")
"""Why an odometer is set by hand: the instrument was replaced, the terminal counts wrongly, a typing mistake, miles
taken for kilometres, a document says so, somebody had turned it back."""


class VehiclePersonRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: a person is, or is no longer, something to a car."""

    vehicle_id: int
    person: int
    role: str
    """LINK_ROLES"""
    action: str = "link"
    """link, verify (a link that was proposed is shown to be true), end"""
    from_ms: int = 0
    """Since when; 0: since the intent."""
    to_ms: int = 0
    """Until when: ends a link, or enters one that is over already; 0: it lasts, or ends with the intent."""
    source: str = "workshop"
    """LINK_SOURCES"""
    verified: bool = False
    """Shown by a document or a code; else it is a proposal that somebody has made."""
    reason: str = ""
    """LINK_ENDS, of an end."""


class VehiclePersonLinked(msgspec.Struct, frozen=True, kw_only=True):
    """vehicle.person.linked: a person is this to a car from then on."""

    vehicle_id: int
    person: int
    role: str
    from_ms: int
    source: str
    verified: bool = False
    to_ms: int = 0
    """0: it lasts; else it was over when it was entered."""


class VehiclePersonVerified(msgspec.Struct, frozen=True, kw_only=True):
    """vehicle.person.verified: what was proposed of a person and a car is shown to be true."""

    vehicle_id: int
    person: int
    role: str
    from_ms: int
    source: str


class VehiclePersonEnded(msgspec.Struct, frozen=True, kw_only=True):
    """vehicle.person.ended: a person is this to a car no longer."""

    vehicle_id: int
    person: int
    role: str
    from_ms: int
    to_ms: int
    source: str
    """How the link was known."""
    reason: str
    """LINK_ENDS"""


class VehicleStateRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: a car takes a step of its life."""

    vehicle_id: int
    state: str
    """VEHICLE_STATES"""
    reason: str
    """STATE_REASONS"""


class VehicleStateChanged(msgspec.Struct, frozen=True, kw_only=True):
    """vehicle.state.changed: delivered, stolen, found again, for sale, scrapped."""

    vehicle_id: int
    state: str
    before: str
    reason: str


class OdometerReadingRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: somebody has read a car's odometer. The event's time is when."""

    vehicle_id: int
    odometer_m: int
    source: str
    """READING_SOURCES"""


class OdometerRead(msgspec.Struct, frozen=True, kw_only=True):
    """odometer.read: a reading was taken; from here on distance is added to it."""

    vehicle_id: int
    odometer_m: int
    """Where the car stands now. Not the reading where that was a little lower: then what stood agrees with it."""
    before_m: int
    source: str


class OdometerHeld(msgspec.Struct, frozen=True, kw_only=True):
    """odometer.held: a reading does not fit to where the car stands. It waits for a person; nothing is overwritten."""

    vehicle_id: int
    held: int
    """Its number among those of this car, from 1."""
    reading_m: int
    stands_m: int
    """Where the car stood when it came, the way to it included."""
    source: str
    """READING_SOURCES, or `device`: the counter of a terminal."""
    why: str
    """lower, or higher than a car can have come since."""


class OdometerReviewRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: a person decides on a reading that is held."""

    vehicle_id: int
    held: int
    verdict: str
    """accepted: the reading is right; dismissed: what stood is."""
    reason: str = ""
    """CORRECTION_REASONS, of an acceptance."""


class OdometerDismissed(msgspec.Struct, frozen=True, kw_only=True):
    """odometer.dismissed: a held reading was wrong; the car stands where it stood."""

    vehicle_id: int
    held: int
    reading_m: int
    by: str
    """Who decided, as events name people: account:7."""


class OdometerCorrectionRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: set a car's odometer, up or down."""

    vehicle_id: int
    odometer_m: int
    reason: str
    """CORRECTION_REASONS"""


class OdometerCorrected(msgspec.Struct, frozen=True, kw_only=True):
    """odometer.corrected: a person has set a car's odometer and stands for it. Only so does one ever go down."""

    vehicle_id: int
    odometer_m: int
    before_m: int
    reason: str
    by: str
    """Who signed, as events name people: account:7."""
    held: int = 0
    """The held reading that was accepted; 0: none was."""


class HealthRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """health.recorded: an entry was added to a car's health record. Its hash stands in the log as well as in the
    record, so that a record that was rewritten from end to end is found too."""

    vehicle_id: int
    number: int
    """From 1, without a gap."""
    kind: str
    """core.health_record.ENTRIES"""
    of: str
    """Id of the event behind it."""
    hash: str
    """64 hexadecimal digits; chained to the entry before."""


EVENTS: Final[Mapping[tuple[str, int], type[msgspec.Struct]]] = {
    ("vehicle.person.requested", 1): VehiclePersonRequested,
    ("vehicle.person.linked", 1): VehiclePersonLinked,
    ("vehicle.person.verified", 1): VehiclePersonVerified,
    ("vehicle.person.ended", 1): VehiclePersonEnded,
    ("vehicle.state.requested", 1): VehicleStateRequested,
    ("vehicle.state.changed", 1): VehicleStateChanged,
    ("odometer.reading.requested", 1): OdometerReadingRequested,
    ("odometer.read", 1): OdometerRead,
    ("odometer.held", 1): OdometerHeld,
    ("odometer.review.requested", 1): OdometerReviewRequested,
    ("odometer.dismissed", 1): OdometerDismissed,
    ("odometer.correction.requested", 1): OdometerCorrectionRequested,
    ("odometer.corrected", 1): OdometerCorrected,
    ("health.recorded", 1): HealthRecorded,
}
