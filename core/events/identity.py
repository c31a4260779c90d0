"""What happens to persons: captures of them, who is found to be whom, what is verified, and being forgotten.

Nothing personal stands here: captures, persons and values are numbers. What they stand for is in the vault, and the
number of a value is forgotten with its last capture.
"""

from typing import Final

import msgspec

SOURCES: Final = ("counter", "call", "web", "event", "partner")
"""Where a capture comes from, the one that is believed most first: an advisor who has the customer before them, a call,
a form that the person filled in, a motor show, somebody else's list."""
BASES: Final = ("contract", "service", "consent", "enquiry", "none")
"""On what ground it was taken down (PIPL art. 13): a contract, a service under way, consent, the person's own
enquiry."""
VERDICTS: Final = ("same", "different", "household")
METHODS: Final = ("code", "document", "call")
"""How an attribute was verified: a one-time code came back, a document was seen, the person was called there."""
HOUSEHOLDS: Final = ("household", "company")


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier capture that a new one was compared with."""

    capture: int
    levels: tuple[int, ...]
    """Level of each field of core.linkage.FIELDS; 0: one of the two does not say."""
    bits: tuple[float, ...]
    """What each field says for or against one person, in bits."""


class CaptureRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody told us about a person. What was said is in the vault; `time_ms` is when it was said."""

    capture: int
    source: str
    items: dict[str, int]
    """Kind of attribute -> number of its value. Equal values have equal numbers; 0: it did not pass its check."""
    checks: dict[str, str] = {}
    """Kind -> what its check says, where it says anything: format, check_digit, date, too_long, unusual."""
    verified: dict[str, str] = {}
    """Kind -> how it was verified there and then: by a document that was seen, a code that came back."""
    basis: str = "none"
    shared: bool = False
    """The person agreed that a partner hands it on."""
    person: int = 0
    """Who it is, where an advisor said so; 0: to be found out."""
    candidates: tuple[Candidate, ...] = ()
    model: int = 1
    """Version of core.linkage.MODELS that the weights are of."""


class CaptureAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The capture is of this person."""

    capture: int
    person: int
    how: str
    """new: of nobody known; linked: found by its evidence; stated: an advisor said so."""
    bits: float = 0.0
    posterior: float = 0.0
    matches: int = 0
    """How many persons it may also be of, which somebody is asked."""


class CaptureQuarantined(msgspec.Struct, frozen=True, kw_only=True):
    """The capture is held: it may not be used until somebody shows the consent. Discarded at `until_ms`."""

    capture: int
    reason: str
    until_ms: int


class CaptureDiscardRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A capture in quarantine is to be thrown away."""

    capture: int


class CaptureDiscarded(msgspec.Struct, frozen=True, kw_only=True):
    """The capture is gone; its key is destroyed."""

    capture: int


class PersonCreated(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody not known so far."""

    person: int


class PersonLinked(msgspec.Struct, frozen=True, kw_only=True):
    """A capture is one of this person's."""

    capture: int
    person: int
    weight: float
    """Sum of the evidence in bits; 0 where nothing was compared."""


class PersonMatchFound(msgspec.Struct, frozen=True, kw_only=True):
    """Two persons may be one: somebody is asked."""

    match: int
    person: int
    other: int
    capture: int
    """Whose evidence it is."""
    weight: float
    posterior: float
    levels: tuple[int, ...]
    bits: tuple[float, ...]
    reason: str
    """review: not sure enough. id_number: sure, but two ids differ. name: sure, but two full names differ. full, many:
    too many captures for one person, too many merged persons to look through."""


class PersonMatchRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has looked at both: same, different, or two of one household."""

    match: int
    verdict: str


class PersonMatchDecided(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the two are one is decided."""

    match: int
    person: int
    other: int
    verdict: str


class PersonMergeRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody says that two persons are one."""

    person: int
    other: int


class PersonMerged(msgspec.Struct, frozen=True, kw_only=True):
    """A person is another one's; everything of theirs stays their own, so that it can be taken back."""

    person: int
    into: int
    how: str
    """linked: one capture is surely both's; reviewed: somebody decided a match; stated: somebody said so."""


class PersonUnmergeRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A merge is to be taken back."""

    person: int


class PersonUnmerged(msgspec.Struct, frozen=True, kw_only=True):
    """A merge is taken back: both are as before, and are not merged by themselves again."""

    person: int
    from_person: int


class PersonVerificationRequested(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute of a person was shown to be theirs."""

    person: int
    attribute: str
    value: int
    method: str


class PersonVerified(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute of a person is verified."""

    person: int
    attribute: str
    value: int
    method: str


class PersonUnreachableRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody, or a gateway, could not reach a person at this number or address."""

    person: int
    attribute: str
    value: int


class PersonUnreachable(msgspec.Struct, frozen=True, kw_only=True):
    """It is written down; `times` in a row so far."""

    person: int
    attribute: str
    value: int
    times: int


class PersonAttributeInvalidated(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute is not used any more: it failed three times in a row."""

    person: int
    attribute: str
    value: int
    evidence: tuple[str, ...]
    """Ids of the events that say so."""


class PersonAttributeStaled(msgspec.Struct, frozen=True, kw_only=True):
    """An attribute was verified so long ago that it is to be verified again before it is used."""

    person: int
    attribute: str
    value: int
    verified_ms: int


class PersonErasureRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A person is to be forgotten (PIPL art. 47)."""

    person: int
    reason: str
    """asked: the person did; purpose: it is served; withdrawn: consent is; retention: the time is over."""


class DrivenRange(msgspec.Struct, frozen=True, kw_only=True):
    """A car and the time in which it was the person's: where it was then is forgotten."""

    vehicle: int
    from_ms: int
    to_ms: int


class PersonErased(msgspec.Struct, frozen=True, kw_only=True):
    """A person is forgotten: keys, tokens and positions are destroyed."""

    person: int
    persons: tuple[int, ...]
    """All who were merged into one with them."""
    captures: tuple[int, ...]
    ranges: tuple[DrivenRange, ...]


class HouseholdRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Persons belong together."""

    kind: str
    members: tuple[int, ...]


class HouseholdOpened(msgspec.Struct, frozen=True, kw_only=True):
    """A household or company is known."""

    household: int
    kind: str
    members: tuple[int, ...]


class HouseholdJoined(msgspec.Struct, frozen=True, kw_only=True):
    """A person belongs to a household."""

    household: int
    person: int


class HouseholdDissolutionRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A household is to be dissolved."""

    household: int


class HouseholdDissolved(msgspec.Struct, frozen=True, kw_only=True):
    """A household is no more; its members stay who they are."""

    household: int


EVENTS: Final[dict[tuple[str, int], type[msgspec.Struct]]] = {
    ("capture.requested", 1): CaptureRequested,
    ("capture.release.requested", 1): CaptureRequested,
    ("capture.accepted", 1): CaptureAccepted,
    ("capture.quarantined", 1): CaptureQuarantined,
    ("capture.discard.requested", 1): CaptureDiscardRequested,
    ("capture.discarded", 1): CaptureDiscarded,
    ("person.created", 1): PersonCreated,
    ("person.linked", 1): PersonLinked,
    ("person.match.found", 1): PersonMatchFound,
    ("person.match.requested", 1): PersonMatchRequested,
    ("person.match.decided", 1): PersonMatchDecided,
    ("person.merge.requested", 1): PersonMergeRequested,
    ("person.merged", 1): PersonMerged,
    ("person.unmerge.requested", 1): PersonUnmergeRequested,
    ("person.unmerged", 1): PersonUnmerged,
    ("person.verification.requested", 1): PersonVerificationRequested,
    ("person.verified", 1): PersonVerified,
    ("person.unreachable.requested", 1): PersonUnreachableRequested,
    ("person.unreachable", 1): PersonUnreachable,
    ("person.attribute.invalidated", 1): PersonAttributeInvalidated,
    ("person.attribute.staled", 1): PersonAttributeStaled,
    ("person.erasure.requested", 1): PersonErasureRequested,
    ("person.erased", 1): PersonErased,
    ("household.requested", 1): HouseholdRequested,
    ("household.opened", 1): HouseholdOpened,
    ("household.joined", 1): HouseholdJoined,
    ("household.dissolution.requested", 1): HouseholdDissolutionRequested,
    ("household.dissolved", 1): HouseholdDissolved,
}
