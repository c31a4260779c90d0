"""Consents: what a person allows whom for what, how it ends, and looks at a car by break-glass. No words of people
here: who consented how is told by a number of a document, a call, a form.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

WITHDRAWAL_REASONS: Final = ("asked", "merged", "erased", "text")
"""Why a consent is over: the person took it back; they turned out to be somebody who had; they are forgotten; the text
that it stands on was replaced by one that must be asked for anew."""
GLASS_REASONS: Final = ("crash", "sos", "theft", "breakdown", "missing", "authority")
"""Why somebody must see where a car is: an incident, a car or a person that is missed, an order of the police."""
GLASS_FINDINGS: Final = ("justified", "unjustified")
"""What the review of a look says."""


class Cell(msgspec.Struct, frozen=True):
    """One thing that is allowed."""

    data_class: str
    precision: str = "exact"
    """A rung of core.data_classes.LADDER."""
    channel: str = "data"
    """core.data_classes.CHANNELS"""


class ConsentTextRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: publish a text that people consent to, or its next version."""

    text: str
    """What it is called, a word: care-basic."""
    purpose: str
    cells: tuple[Cell, ...]
    """What who agrees allows."""
    title_zh: str
    title_en: str
    body_zh: str
    body_en: str
    valid_days: int = 0
    """How long a consent to it lasts; 0: until it is withdrawn."""
    renew: bool = False
    """Consents to earlier versions are over: they must be asked for anew."""


class ConsentTextPublished(msgspec.Struct, frozen=True, kw_only=True):
    """consent.text.published: a version of a text can be agreed to from here on, and none before it."""

    text: str
    version: int
    purpose: str
    cells: tuple[Cell, ...]
    sha256: str
    """Of titles and bodies: what somebody agreed to can be shown to be this."""
    renew: bool


class ConsentAskRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: a person was shown a text, and has not answered yet."""

    person: int
    text: str


class ConsentAsked(msgspec.Struct, frozen=True, kw_only=True):
    """consent.asked: a person has a text before them."""

    person: int
    purpose: str
    text: str
    version: int


class ConsentGiveRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: a person agrees to a text, or to a part of it."""

    person: int
    text: str
    version: int
    """That they saw. One that is not the newest is refused."""
    evidence: str
    """What shows it: kind:number (form:8812, call:17, document:ab12)."""
    cells: tuple[Cell, ...] = ()
    """Only this of it, and as exactly; empty: all of it."""
    expires_ms: int = 0
    """Not later than the text allows; 0: as the text says."""


class ConsentAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """consent.accepted: a person's word was taken down; a consent.given follows for each cell."""

    person: int
    purpose: str
    text: str
    version: int
    given: int
    """How many cells."""


class ConsentGiven(msgspec.Struct, frozen=True, kw_only=True):
    """consent.given: a person allows this from here on. What happened before stays closed."""

    person: int
    purpose: str
    data_class: str
    precision: str
    channel: str
    text: str
    version: int
    evidence: str
    expires_ms: int
    """0: until it is withdrawn."""


class ConsentWithdrawalRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: a person takes back what they allowed. What is empty is all of it."""

    person: int
    purpose: str = ""
    data_class: str = ""
    channel: str = ""
    evidence: str = ""


class ConsentCascaded(msgspec.Struct, frozen=True, kw_only=True):
    """consent.cascaded: a withdrawal counts, and this is all that follows from it. Whoever holds something of the
    person answers with events of the same story; /persons/{id}/consents/proof lists them."""

    person: int
    purpose: str
    data_class: str
    channel: str
    """As asked for; empty: all."""
    withdrawn: int
    """Consents that ended; a consent.withdrawn tells of each."""
    purposes: tuple[str, ...]
    """That lost something."""
    vehicles: tuple[int, ...]
    """Cars of which they see less from here on; none where there are more than a few hundred."""
    cars: int
    """How many there are or were."""
    channels: tuple[str, ...]
    """By which the person may not be reached any more for them."""
    asked: int
    """Questions that were open, and are not any more."""
    timers: int
    """Ends of consents that need not be waited for any more."""
    evidence: str


class ConsentEnded(msgspec.Struct, frozen=True, kw_only=True):
    """consent.withdrawn, consent.expired: a person does not allow this any more. It counts for what happened, too."""

    person: int
    purpose: str
    data_class: str
    precision: str
    channel: str
    text: str
    version: int
    reason: str = "asked"
    """WITHDRAWAL_REASONS; time, of one that expired."""


class ConsentHeld(msgspec.Struct, frozen=True, kw_only=True):
    """consent.held, consent.resumed: a consent does not count while two records are taken for one person who has said
    no after it; it counts again when they are parted."""

    person: int
    purpose: str
    data_class: str
    channel: str
    other: int
    """The record whose no is the later word."""


class ContactBarRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: do not contact this person, or do again what they allow."""

    person: int
    channel: str = ""
    """Empty: by no channel."""
    barred: bool = True
    evidence: str = ""


class ContactBarred(msgspec.Struct, frozen=True, kw_only=True):
    """consent.contact.barred, consent.contact.opened: a person is not to be contacted, safety apart; or may be
    again."""

    person: int
    channel: str
    evidence: str


class GlassRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: see exactly where a car is for a short time, because of an incident. Reviewed by somebody else."""

    vehicle_id: int
    incident: str
    """Id of the event that it is about, or the number of a case."""
    reason: str
    """GLASS_REASONS"""
    minutes: int = 60


class GlassOpened(msgspec.Struct, frozen=True, kw_only=True):
    """breakglass.opened: whoever asked sees exactly where the car is until then."""

    glass: int
    vehicle_id: int
    account: str
    """As events name people: account:7."""
    incident: str
    reason: str
    until_ms: int


class GlassUsed(msgspec.Struct, frozen=True, kw_only=True):
    """breakglass.used: something was seen by it. Once a minute and kind of read."""

    glass: int
    vehicle_id: int
    account: str
    what: str
    """positions, track, events."""


class GlassStep(msgspec.Struct, frozen=True, kw_only=True):
    """breakglass.ended, breakglass.overdue, breakglass.closed: its time is over; nobody has reviewed it in time; it was
    reviewed."""

    glass: int
    vehicle_id: int
    used: int
    """Times it was used."""


class GlassReviewRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Intent: say whether a look was justified. Not for who had it."""

    glass: int
    finding: str
    """GLASS_FINDINGS"""


class GlassReviewed(msgspec.Struct, frozen=True, kw_only=True):
    """breakglass.reviewed: another person has judged a look."""

    glass: int
    vehicle_id: int
    finding: str
    account: str
    """Who judged."""


EVENTS: Final[Mapping[tuple[str, int], type[msgspec.Struct]]] = {
    ("consent.text.requested", 1): ConsentTextRequested,
    ("consent.text.published", 1): ConsentTextPublished,
    ("consent.ask.requested", 1): ConsentAskRequested,
    ("consent.asked", 1): ConsentAsked,
    ("consent.give.requested", 1): ConsentGiveRequested,
    ("consent.accepted", 1): ConsentAccepted,
    ("consent.given", 1): ConsentGiven,
    ("consent.withdrawal.requested", 1): ConsentWithdrawalRequested,
    ("consent.cascaded", 1): ConsentCascaded,
    ("consent.withdrawn", 1): ConsentEnded,
    ("consent.expired", 1): ConsentEnded,
    ("consent.held", 1): ConsentHeld,
    ("consent.resumed", 1): ConsentHeld,
    ("consent.contact.requested", 1): ContactBarRequested,
    ("consent.contact.barred", 1): ContactBarred,
    ("consent.contact.opened", 1): ContactBarred,
    ("breakglass.requested", 1): GlassRequested,
    ("breakglass.opened", 1): GlassOpened,
    ("breakglass.used", 1): GlassUsed,
    ("breakglass.ended", 1): GlassStep,
    ("breakglass.review.requested", 1): GlassReviewRequested,
    ("breakglass.reviewed", 1): GlassReviewed,
    ("breakglass.overdue", 1): GlassStep,
    ("breakglass.closed", 1): GlassStep,
}
