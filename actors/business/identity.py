"""Identity: which captures are of one person, who belongs together, what of them is verified, and who is forgotten.

Rows name persons, captures and values by number; what they stand for is in the vault. A capture comes with the evidence
against earlier ones (levels and weights, reckoned where the plain values may be read); here it is decided whose it is.

A merge changes nothing of a person but whom it was `merged_into`, and `root`, who stands for all of them. So a merge
taken back leaves every row as it was, whatever else was merged meanwhile.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from core.business import BusinessActor, Kept, Refused, Rule, State
from core.events import Event
from core.events.identity import (
    HOUSEHOLDS,
    METHODS,
    SOURCES,
    VERDICTS,
    CaptureAccepted,
    CaptureDiscarded,
    CaptureDiscardRequested,
    CaptureQuarantined,
    CaptureRequested,
    DrivenRange,
    HouseholdDissolutionRequested,
    HouseholdDissolved,
    HouseholdJoined,
    HouseholdOpened,
    HouseholdRequested,
    PersonAttributeInvalidated,
    PersonAttributeStaled,
    PersonCreated,
    PersonErased,
    PersonErasureRequested,
    PersonLinked,
    PersonMatchDecided,
    PersonMatchFound,
    PersonMatchRequested,
    PersonMerged,
    PersonMergeRequested,
    PersonUnmerged,
    PersonUnmergeRequested,
    PersonUnreachable,
    PersonUnreachableRequested,
    PersonVerificationRequested,
    PersonVerified,
)
from core.events.spine import TimerDue
from core.limits import HOUSEHOLD_MEMBERS_MAX, LINK_PERSONS_MAX, PERSON_CAPTURES_MAX
from core.linkage import FIELDS, MODELS, Found, weigh

DAY_MS: Final = 86_400_000
QUARANTINE_MS: Final = 30 * DAY_MS
"""How long a partner's capture without consent is held for somebody to show it."""
STALE_MS: Final = 365 * DAY_MS
"""A verified attribute is to be verified again after twelve months."""
UNREACHABLE_TIMES: Final = 3
"""In a row, until a number or address is taken for wrong."""
APART_PAIRS_MAX: Final = 400
"""Pairs of merged persons that are looked up before two are merged by themselves; more are left to a person."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """A person as first met."""

    person: int
    group_id: int
    store_id: int
    """Of the first capture."""
    root: int
    """Who stands for this person and all merged with them; itself where not merged."""
    merged_into: int
    """Whom it was merged into, 0 for nobody."""
    state: str
    """suspected: somebody said so; confirmed: an attribute of theirs is verified; erased."""
    created_ms: int
    captures: int
    """Of its own, those of merged persons not counted."""


class Capture(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of a person once, by one source."""

    capture: int
    group_id: int
    store_id: int
    source: str
    basis: str
    shared: bool
    time_ms: int
    person: int
    """Whose it is, as first linked; 0 while it is in quarantine."""
    state: str
    """linked, quarantined, discarded, erased."""
    how: str
    bits: float
    posterior: float


class CaptureItem(msgspec.Struct, frozen=True, kw_only=True):
    """One attribute of a capture."""

    capture: int
    kind: str
    value: int
    """0: it did not pass its check."""
    fault: str
    """What its check says: see storage/attributes.py."""


class Attribute(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a value of a person, beside who said it."""

    person: int
    kind: str
    value: int
    group_id: int
    verified_ms: int
    """0: never."""
    method: str
    failed: tuple[str, ...]
    """Ids of the events since the last success in which the person was not reached there."""
    invalid_ms: int
    """Since when it is not used any more; 0: it is."""
    stale: bool


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Two persons that may be one."""

    match_id: int
    group_id: int
    store_id: int
    person: int
    other: int
    capture: int
    bits: tuple[float, ...]
    levels: tuple[int, ...]
    weight: float
    posterior: float
    reason: str
    state: str
    """open, or the verdict."""
    found_ms: int
    decided_ms: int
    decided_by: str


class Apart(msgspec.Struct, frozen=True, kw_only=True):
    """Two persons of whom somebody has said that they are two: never merged by themselves again."""

    low: int
    high: int
    group_id: int
    time_ms: int


class Household(msgspec.Struct, frozen=True, kw_only=True):
    """Persons that belong together: one address and telephone, or one company."""

    household: int
    group_id: int
    store_id: int
    kind: str
    state: str
    """active, dissolved."""
    opened_ms: int
    dissolved_ms: int


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A person of a household."""

    household: int
    person: int
    group_id: int
    since_ms: int


class Driven(msgspec.Struct, frozen=True, kw_only=True):
    """A car and a time in which it was a person's: what is forgotten with them."""

    person: int
    vehicle: int
    role: str
    from_ms: int
    to_ms: int
    """0: it lasts."""
    group_id: int


# --- who is who -------------------------------------------------------------------------------------------------------


def root_of(state: State, person: int, group: int) -> Person:
    """Return who stands for a person. Raises Refused person_unknown, person_erased."""
    row = state.get(Person, person)
    root = None if row is None else state.get(Person, row.root)
    if row is None or root is None or row.group_id != group:
        raise Refused("person_unknown", f"there is no person {person}")
    if root.state == "erased":
        raise Refused("person_erased", f"person {person} was erased")
    return root


def members_of(state: State, root: int) -> list[Person]:
    """Return all who are merged into one person, itself among them, by number."""
    return state.find(Person, root=root)


def verified_ids(state: State, persons: Iterable[Person]) -> set[int]:
    """Return the identity numbers that are verified of these persons."""
    return {
        row.value
        for person in persons
        for row in state.find(Attribute, person=person.person)
        if row.kind == "id_number" and row.verified_ms
    }


def conflict(state: State, one: list[Person], other: list[Person]) -> str:
    """Return why two persons are never merged by themselves: id_number, apart, full, many; empty if nothing is."""
    ids, other_ids = verified_ids(state, one), verified_ids(state, other)
    if ids and other_ids and ids != other_ids:
        return "id_number"
    if sum(person.captures for person in (*one, *other)) > PERSON_CAPTURES_MAX:
        return "full"
    if len(one) * len(other) > APART_PAIRS_MAX:
        return "many"
    for a in one:
        for b in other:
            if state.get(Apart, min(a.person, b.person), max(a.person, b.person)) is not None:
                return "apart"
    return ""


def merge(state: State, one: Person, other: Person, how: str, *, answers: bool = False) -> None:
    """Merge two roots; the one known longer stands for both."""
    low, high = sorted((one, other), key=lambda person: person.person)
    for member in members_of(state, high.person):
        state.put(
            msgspec.structs.replace(
                member, root=low.person, merged_into=low.person if member.person == high.person else member.merged_into
            )
        )
    payload = PersonMerged(person=high.person, into=low.person, how=how)
    if answers:
        state.decide("person.merged", payload, subject=f"person:{high.person}")
    else:
        state.emit("person.merged", payload, subject=f"person:{high.person}")


# --- captures ---------------------------------------------------------------------------------------------------------


def evidence(event: Event, state: State) -> list[Found]:
    """Return the persons that the capture may be of, the likeliest first."""
    asked: CaptureRequested = event.payload
    model = MODELS.get(asked.model)
    if model is None:
        raise Refused("model_unknown", f"there is no model {asked.model}")
    compared: list[tuple[int, tuple[int, ...], tuple[float, ...]]] = []
    for candidate in asked.candidates:
        capture = state.get(Capture, candidate.capture)
        if capture is None or capture.state != "linked" or len(candidate.bits) != len(FIELDS):
            continue
        person = state.get(Person, capture.person)
        if person is not None and person.group_id == event.group:
            compared.append((person.root, candidate.levels, candidate.bits))
    return weigh(compared, model)


def held_back(asked: CaptureRequested, state: State, found: Found) -> str:
    """Return why a capture is not linked by itself to a person whom its evidence surely names; empty if nothing is."""
    members = members_of(state, found.person)
    ids = verified_ids(state, members)
    given = asked.items.get("id_number", 0)
    if ids and given and given not in ids:
        return "id_number"
    if doubt := found.doubt:
        return doubt
    if sum(person.captures for person in members) >= PERSON_CAPTURES_MAX:
        return "full"
    return ""


def capture(event: Event, state: State) -> None:
    """Decide whose a capture is: somebody's, a new person's, or nobody's while it is in quarantine."""
    asked: CaptureRequested = event.payload
    if asked.source not in SOURCES:
        raise Refused("source_unknown", f"no source {asked.source}")
    before = state.get(Capture, asked.capture)
    if before is not None and (before.state != "quarantined" or event.type != "capture.release.requested"):
        raise Refused("capture_known", f"capture {asked.capture} is {before.state}")
    if before is None and event.type == "capture.release.requested":
        raise Refused("capture_unknown", f"there is no capture {asked.capture}")
    for kind, value in asked.items.items():
        fault = asked.checks.get(kind, "")
        state.put(CaptureItem(capture=asked.capture, kind=kind, value=value, fault=fault))
    row = Capture(
        capture=asked.capture, group_id=event.group, store_id=before.store_id if before else event.store,
        source=asked.source, basis=asked.basis, shared=asked.shared,
        time_ms=before.time_ms if before else event.time_ms,
        person=0, state="quarantined", how="", bits=0.0, posterior=0.0,
    )  # fmt: skip
    if asked.source == "partner" and not asked.shared:
        state.put(row)
        # From its arrival: a partner's list may be a month old.
        until_ms = max(event.time_ms, event.arrival_ms) + QUARANTINE_MS
        state.timer("quarantine", until_ms)
        state.decide(
            "capture.quarantined",
            CaptureQuarantined(capture=asked.capture, reason="consent_missing", until_ms=until_ms),
        )
        return
    if before is not None:
        state.cancel("quarantine")
    link(event, state, row)


def link(event: Event, state: State, row: Capture) -> None:
    """Give a capture to its person, ask where it is not sure, and merge persons that it surely shows to be one."""
    asked: CaptureRequested = event.payload
    if asked.person:
        root = root_of(state, asked.person, event.group)
        if sum(person.captures for person in members_of(state, root.person)) >= PERSON_CAPTURES_MAX:
            raise Refused("person_full", f"person {asked.person} has {PERSON_CAPTURES_MAX} captures")
        give(
            event, state, row, root, Found(person=root.person, bits=(), levels=(), weight=0.0, posterior=1.0), "stated"
        )
        state.decide("capture.accepted", accepted(asked, root, "stated"))
        return
    found = evidence(event, state)
    link_at = MODELS[asked.model].link
    sure: list[Found] = []
    doubts: list[tuple[Found, str]] = []
    for one in found:
        reason = held_back(asked, state, one) if one.posterior >= link_at else "review"
        if reason:
            doubts.append((one, reason))
        else:
            sure.append(one)
    if sure:
        root = root_of(state, sure[0].person, event.group)
        give(event, state, row, root, sure[0], "linked")
        for one in sure[1:]:
            root = bridge(event, state, root, one, doubts)
    else:
        number = state.number("person")
        root = Person(
            person=number, group_id=event.group, store_id=row.store_id, root=number, merged_into=0, state="suspected",
            created_ms=event.time_ms, captures=0,
        )  # fmt: skip
        state.put(root)
        state.emit("person.created", PersonCreated(person=number), subject=f"person:{number}")
        give(event, state, row, root, None, "new")
    asked_of = 0
    for one, reason in doubts[:LINK_PERSONS_MAX]:
        asked_of += ask(event, state, root, one, reason)
    first = sure[0] if sure else None
    state.decide("capture.accepted", accepted(asked, root, "linked" if sure else "new", first, asked_of))


def accepted(
    asked: CaptureRequested, root: Person, how: str, found: Found | None = None, matches: int = 0
) -> CaptureAccepted:
    """Return the decision over a capture."""
    return CaptureAccepted(
        capture=asked.capture, person=root.person, how=how, bits=found.weight if found else 0.0,
        posterior=round(found.posterior, 9) if found else 0.0, matches=matches,
    )  # fmt: skip


def give(event: Event, state: State, row: Capture, root: Person, found: Found | None, how: str) -> None:
    """Write down that a capture is of a person, and what it verified."""
    asked: CaptureRequested = event.payload
    weight = found.weight if found else 0.0
    posterior = round(found.posterior, 9) if found else 0.0
    state.put(
        msgspec.structs.replace(row, person=root.person, state="linked", how=how, bits=weight, posterior=posterior)
    )
    person = state.get(Person, root.person)
    assert person is not None
    state.put(msgspec.structs.replace(person, captures=person.captures + 1))
    state.emit(
        "person.linked", PersonLinked(capture=asked.capture, person=root.person, weight=weight),
        subject=f"person:{root.person}", part=str(asked.capture),
    )  # fmt: skip
    for kind, method in asked.verified.items():
        if asked.items.get(kind, 0):
            verify(event, state, root.person, kind, asked.items[kind], method)


def bridge(event: Event, state: State, root: Person, other: Found, doubts: list[tuple[Found, str]]) -> Person:
    """Merge two persons that one capture surely names both, unless something speaks against it; return who stands for
    both. A doubt is added to `doubts`, to be asked."""
    second = root_of(state, other.person, event.group)
    first = root_of(state, root.person, event.group)
    if first.person == second.person:
        return first
    reason = conflict(state, members_of(state, first.person), members_of(state, second.person))
    if reason == "apart":
        return first
    if reason:
        doubts.append((other, reason))
        return first
    merge(state, first, second, "linked")
    return root_of(state, min(first.person, second.person), event.group)


def ask(event: Event, state: State, root: Person, found: Found, reason: str) -> int:
    """Have somebody look at two persons; return how many are asked of: 1, or 0 where it was said or asked before."""
    low, high = sorted((root.person, found.person))
    if low == high or state.get(Apart, low, high) is not None:
        return 0
    if any(row.other == high and row.state == "open" for row in state.find(Match, person=low)):
        return 0
    asked: CaptureRequested = event.payload
    number = state.number("match")
    state.put(
        Match(
            match_id=number, group_id=event.group, store_id=event.store, person=low, other=high, capture=asked.capture,
            bits=found.bits, levels=found.levels, weight=found.weight, posterior=round(found.posterior, 9),
            reason=reason, state="open", found_ms=event.time_ms, decided_ms=0, decided_by="",
        )
    )  # fmt: skip
    state.emit(
        "person.match.found",
        PersonMatchFound(
            match=number, person=low, other=high, capture=asked.capture, weight=found.weight,
            posterior=round(found.posterior, 9), levels=found.levels, bits=found.bits, reason=reason,
        ),
        subject=f"person:{low}", part=str(number),
    )  # fmt: skip
    return 1


def discard(event: Event, state: State) -> None:
    """Throw away a capture in quarantine."""
    asked: CaptureDiscardRequested = event.payload
    row = state.get(Capture, asked.capture)
    if row is None or row.group_id != event.group or row.state != "quarantined":
        raise Refused("capture_unknown", f"capture {asked.capture} is not in quarantine")
    throw_away(state, row)
    state.cancel("quarantine")
    state.decide("capture.discarded", CaptureDiscarded(capture=asked.capture))


def throw_away(state: State, row: Capture) -> None:
    """Leave nothing of a capture but that there was one."""
    for item in state.find(CaptureItem, capture=row.capture):
        state.drop(CaptureItem, item.capture, item.kind)
    state.put(msgspec.structs.replace(row, state="discarded"))


# --- matches, merges and what is taken back ---------------------------------------------------------------------------


def decide_match(event: Event, state: State) -> None:
    """Do what somebody decided of two persons."""
    asked: PersonMatchRequested = event.payload
    row = state.get(Match, asked.match)
    if row is None or row.group_id != event.group:
        raise Refused("match_unknown", f"there is no match {asked.match}")
    if row.state != "open":
        raise Refused("match_decided", f"match {asked.match} is decided: {row.state}")
    if asked.verdict not in VERDICTS:
        raise Refused("verdict_unknown", "same, different or household")
    one, other = root_of(state, row.person, event.group), root_of(state, row.other, event.group)
    if one.person != other.person:
        if asked.verdict == "same":
            refuse_full(state, one, other)
            merge(state, one, other, "reviewed")
        else:
            keep_apart(event, state, one.person, other.person)
            if asked.verdict == "household":
                join(event, state, (one.person, other.person), "household")
    state.put(msgspec.structs.replace(row, state=asked.verdict, decided_ms=event.time_ms, decided_by=event.actor))
    state.decide(
        "person.match.decided",
        PersonMatchDecided(match=row.match_id, person=row.person, other=row.other, verdict=asked.verdict),
        subject=f"person:{row.person}",
    )


def refuse_full(state: State, one: Person, other: Person) -> None:
    """Refuse a merge that would make a person of more captures than any has."""
    captures = sum(row.captures for root in (one, other) for row in members_of(state, root.person))
    if captures > PERSON_CAPTURES_MAX:
        raise Refused("person_full", f"they would have {captures} captures, at most {PERSON_CAPTURES_MAX}")


def keep_apart(event: Event, state: State, one: int, other: int) -> None:
    """Remember that two persons are two."""
    state.put(Apart(low=min(one, other), high=max(one, other), group_id=event.group, time_ms=event.time_ms))


def merge_stated(event: Event, state: State) -> None:
    """Merge two persons because somebody says so."""
    asked: PersonMergeRequested = event.payload
    one, other = root_of(state, asked.person, event.group), root_of(state, asked.other, event.group)
    if one.person == other.person:
        raise Refused("person_same", "they are one person already")
    refuse_full(state, one, other)
    merge(state, one, other, "stated", answers=True)


def unmerge(event: Event, state: State) -> None:
    """Take a merge back: the person, with all who were merged into it, stands for itself again."""
    asked: PersonUnmergeRequested = event.payload
    root = root_of(state, asked.person, event.group)
    row = state.get(Person, asked.person)
    assert row is not None
    if not row.merged_into:
        raise Refused("person_unmerged", f"person {asked.person} is not merged into another")
    own = {row.person}
    members = members_of(state, root.person)
    # Whoever was merged into one of ours comes with us; a merge is always into a lower number.
    for member in members:
        if member.merged_into in own:
            own.add(member.person)
    for member in members:
        if member.person in own:
            into = 0 if member.person == row.person else member.merged_into
            state.put(msgspec.structs.replace(member, root=row.person, merged_into=into))
    keep_apart(event, state, row.person, row.merged_into)
    state.decide(
        "person.unmerged",
        PersonUnmerged(person=row.person, from_person=row.merged_into),
        subject=f"person:{row.person}",
    )


# --- what is verified -------------------------------------------------------------------------------------------------


def attribute_of(state: State, person: int, kind: str, value: int, group: int) -> Attribute:
    """Return what is known of a person's value."""
    return state.get(Attribute, person, kind, value) or Attribute(
        person=person, kind=kind, value=value, group_id=group, verified_ms=0, method="", failed=(), invalid_ms=0,
        stale=False,
    )  # fmt: skip


def owner_of(state: State, root: Person, kind: str, value: int) -> int:
    """Return which of the merged persons said this value. Raises Refused value_unknown where none did."""
    for member in members_of(state, root.person):
        for row in state.find(Capture, person=member.person):
            item = state.get(CaptureItem, row.capture, kind)
            if item is not None and item.value == value:
                return member.person
    raise Refused("value_unknown", f"person {root.person} has no such {kind}")


def verify(
    event: Event, state: State, person: int, kind: str, value: int, method: str, *, answers: bool = False
) -> None:
    """Write down that a value of a person is verified, and that it is to be again in a year."""
    state.put(
        msgspec.structs.replace(
            attribute_of(state, person, kind, value, event.group),
            verified_ms=event.time_ms, method=method, failed=(), invalid_ms=0, stale=False,
        )
    )  # fmt: skip
    row = state.get(Person, person)
    if row is not None and row.state == "suspected":
        state.put(msgspec.structs.replace(row, state="confirmed"))
    tell = state.decide if answers else state.emit
    tell(
        "person.verified", PersonVerified(person=person, attribute=kind, value=value, method=method),
        subject=f"person:{person}", part=f"{kind}:{value}",
    )  # fmt: skip


def verify_asked(event: Event, state: State) -> None:
    """Verify an attribute that was shown to be theirs."""
    asked: PersonVerificationRequested = event.payload
    if asked.method not in METHODS:
        raise Refused("method_unknown", "code, document or call")
    root = root_of(state, asked.person, event.group)
    owner = owner_of(state, root, asked.attribute, asked.value)
    ids = verified_ids(state, members_of(state, root.person))
    if asked.attribute == "id_number" and ids - {asked.value}:
        raise Refused("id_number_conflict", "another identity number of this person is verified: two people?")
    verify(event, state, owner, asked.attribute, asked.value, asked.method, answers=True)


def watch_age(event: Event, state: State) -> None:
    """Set the timer of a verified attribute, under its person's key."""
    said: PersonVerified = event.payload
    state.timer(f"stale:{said.attribute}:{said.value}", event.time_ms + STALE_MS)


def unreachable(event: Event, state: State) -> None:
    """Count a vain attempt; the third in a row makes the number or address invalid, with all three as evidence."""
    asked: PersonUnreachableRequested = event.payload
    root = root_of(state, asked.person, event.group)
    owner = owner_of(state, root, asked.attribute, asked.value)
    row = attribute_of(state, owner, asked.attribute, asked.value, event.group)
    failed = (*row.failed, event.id)[-UNREACHABLE_TIMES:]
    over = len(failed) == UNREACHABLE_TIMES and not row.invalid_ms
    state.put(msgspec.structs.replace(row, failed=failed, invalid_ms=event.time_ms if over else row.invalid_ms))
    if over:
        state.emit(
            "person.attribute.invalidated",
            PersonAttributeInvalidated(person=owner, attribute=asked.attribute, value=asked.value, evidence=failed),
            subject=f"person:{owner}", part=f"{asked.attribute}:{asked.value}",
        )  # fmt: skip
    state.decide(
        "person.unreachable",
        PersonUnreachable(person=owner, attribute=asked.attribute, value=asked.value, times=len(failed)),
        subject=f"person:{owner}",
    )


def due(event: Event, state: State) -> None:
    """Do what time brings: a quarantine that is over, an attribute that is old."""
    payload: TimerDue = event.payload
    if payload.name == "quarantine":
        row = state.get(Capture, int(event.key.partition(":")[2]))
        if row is not None and row.state == "quarantined":
            throw_away(state, row)
            state.emit("capture.discarded", CaptureDiscarded(capture=row.capture), subject=f"capture:{row.capture}")
        return
    _, kind, value = payload.name.split(":")
    person = int(event.key.partition(":")[2])
    known = state.get(Attribute, person, kind, int(value))
    if known is None or known.stale or event.time_ms < known.verified_ms + STALE_MS:
        return
    state.put(msgspec.structs.replace(known, stale=True))
    state.emit(
        "person.attribute.staled",
        PersonAttributeStaled(person=person, attribute=kind, value=int(value), verified_ms=known.verified_ms),
        subject=f"person:{person}", part=f"{kind}:{value}",
    )  # fmt: skip


# --- households and companies -----------------------------------------------------------------------------------------


def join(event: Event, state: State, persons: tuple[int, ...], kind: str) -> tuple[int, bool]:
    """Put persons into the household of one of them, or into a new one; return its number and whether it is new."""
    for person in persons:
        for member in state.find(Member, person=person):
            known = state.get(Household, member.household)
            if known is not None and known.state == "active" and known.kind == kind:
                for newcomer in persons:
                    enter(event, state, known.household, newcomer)
                return known.household, False
    number = state.number("household")
    state.put(
        Household(
            household=number, group_id=event.group, store_id=event.store, kind=kind, state="active",
            opened_ms=event.time_ms, dissolved_ms=0,
        )
    )  # fmt: skip
    for person in persons:
        state.put(Member(household=number, person=person, group_id=event.group, since_ms=event.time_ms))
    return number, True


def enter(event: Event, state: State, household: int, person: int) -> None:
    """Put a person into a household that is there."""
    if state.get(Member, household, person) is not None:
        return
    if len(state.find(Member, household=household)) >= HOUSEHOLD_MEMBERS_MAX:
        raise Refused("household_full", f"household {household} has {HOUSEHOLD_MEMBERS_MAX} members")
    state.put(Member(household=household, person=person, group_id=event.group, since_ms=event.time_ms))
    state.emit(
        "household.joined", HouseholdJoined(household=household, person=person), subject=f"person:{person}",
        part=str(household),
    )  # fmt: skip


def open_household(event: Event, state: State) -> None:
    """Note that persons belong together."""
    asked: HouseholdRequested = event.payload
    if asked.kind not in HOUSEHOLDS:
        raise Refused("household_kind_unknown", "household or company")
    members = tuple(sorted({root_of(state, person, event.group).person for person in asked.members}))
    if not 2 <= len(members) <= HOUSEHOLD_MEMBERS_MAX:
        raise Refused("household_size", f"{len(members)} persons, from 2 to {HOUSEHOLD_MEMBERS_MAX}")
    number, _ = join(event, state, members, asked.kind)
    state.decide(
        "household.opened", HouseholdOpened(household=number, kind=asked.kind, members=members),
        subject=f"household:{number}",
    )  # fmt: skip


def dissolve_household(event: Event, state: State) -> None:
    """Dissolve a household."""
    asked: HouseholdDissolutionRequested = event.payload
    row = state.get(Household, asked.household)
    if row is None or row.group_id != event.group or row.state != "active":
        raise Refused("household_unknown", f"there is no household {asked.household}")
    for member in state.find(Member, household=row.household):
        state.drop(Member, member.household, member.person)
    state.put(msgspec.structs.replace(row, state="dissolved", dissolved_ms=event.time_ms))
    state.decide("household.dissolved", HouseholdDissolved(household=row.household))


# --- cars, and being forgotten ----------------------------------------------------------------------------------------


def drives(event: Event, state: State) -> None:
    """Remember when a car was whose: its positions of that time are the person's."""
    said: Any = event.payload
    person = state.get(Person, said.person)
    if said.role not in ("owner", "driver") or person is None or person.state == "erased":
        return
    state.put(
        Driven(
            person=said.person, vehicle=said.vehicle_id, role=said.role, from_ms=said.from_ms, to_ms=said.to_ms,
            group_id=event.group,
        )
    )  # fmt: skip


def drives_no_more(event: Event, state: State) -> None:
    """End what `drives` began."""
    said: Any = event.payload
    for row in state.find(Driven, person=said.person):
        if row.vehicle == said.vehicle_id and row.role == said.role and not row.to_ms:
            state.put(msgspec.structs.replace(row, to_ms=max(said.to_ms, row.from_ms)))


def erase(event: Event, state: State) -> None:
    """Forget a person and all merged with them; what remains is that there was somebody.

    The vault destroys keys and tokens, and the report store the positions, when they hear the decision.
    """
    asked: PersonErasureRequested = event.payload
    root = root_of(state, asked.person, event.group)
    members = members_of(state, root.person)
    captures: list[int] = []
    ranges: list[DrivenRange] = []
    for member in members:
        for row in state.find(Capture, person=member.person):
            captures.append(row.capture)
            throw_away(state, row)
            state.put(msgspec.structs.replace(row, person=0, state="erased", how="", bits=0.0, posterior=0.0))
        for known in state.find(Attribute, person=member.person):
            state.drop(Attribute, known.person, known.kind, known.value)
        for match in (*state.find(Match, person=member.person), *state.find(Match, other=member.person)):
            state.drop(Match, match.match_id)
        for apart in (*state.find(Apart, low=member.person), *state.find(Apart, high=member.person)):
            state.drop(Apart, apart.low, apart.high)
        for membership in state.find(Member, person=member.person):
            state.drop(Member, membership.household, membership.person)
        for driven in state.find(Driven, person=member.person):
            ranges.append(
                DrivenRange(
                    vehicle=driven.vehicle, from_ms=driven.from_ms,
                    to_ms=min(driven.to_ms or event.time_ms, event.time_ms),
                )
            )  # fmt: skip
            state.drop(Driven, driven.person, driven.vehicle, driven.role, driven.from_ms)
        state.put(msgspec.structs.replace(member, state="erased", captures=0))
    state.decide(
        "person.erased",
        PersonErased(
            person=root.person,
            persons=tuple(member.person for member in members),
            captures=tuple(sorted(captures)),
            ranges=tuple(dict.fromkeys(ranges)),
        ),
        subject=f"person:{root.person}",
    )


IDENTITY: Final = BusinessActor(
    name="identity",
    says="Decides which captures are of one person, keeps what of them is verified, and forgets who asks for it.",
    kept=(
        Kept(Person, "person", ("person",)),
        Kept(Capture, "capture", ("capture",)),
        Kept(CaptureItem, "capture_item", ("capture", "kind")),
        Kept(Attribute, "person_attribute", ("person", "kind", "value")),
        Kept(Match, "person_match", ("match_id",)),
        Kept(Apart, "person_apart", ("low", "high")),
        Kept(Household, "household", ("household",)),
        Kept(Member, "household_member", ("household", "person")),
        Kept(Driven, "person_driven", ("person", "vehicle", "role", "from_ms")),
    ),
    rules=(
        Rule("capture", ("capture.requested", "capture.release.requested"), capture),
        Rule("discard", ("capture.discard.requested",), discard),
        Rule("match", ("person.match.requested",), decide_match),
        Rule("merge", ("person.merge.requested",), merge_stated),
        Rule("unmerge", ("person.unmerge.requested",), unmerge),
        Rule("verify", ("person.verification.requested",), verify_asked),
        Rule("age", ("person.verified",), watch_age),
        Rule("unreachable", ("person.unreachable.requested",), unreachable),
        Rule("due", ("timer.due",), due),
        Rule("household", ("household.requested",), open_household),
        Rule("dissolve", ("household.dissolution.requested",), dissolve_household),
        Rule("drives", ("vehicle.person.linked",), drives),
        Rule("drives_no_more", ("vehicle.person.ended",), drives_no_more),
        Rule("erase", ("person.erasure.requested",), erase),
    ),
    decides=(
        "capture.requested", "capture.release.requested", "capture.discard.requested", "person.match.requested",
        "person.merge.requested", "person.unmerge.requested", "person.verification.requested",
        "person.unreachable.requested", "household.requested", "household.dissolution.requested",
        "person.erasure.requested",
    ),
    emits=(
        "capture.accepted", "capture.quarantined", "capture.discarded", "person.created", "person.linked",
        "person.match.found", "person.match.decided", "person.merged", "person.unmerged", "person.verified",
        "person.unreachable", "person.attribute.invalidated", "person.attribute.staled", "person.erased",
        "household.opened", "household.joined", "household.dissolved",
    ),
    always=True,
)  # fmt: skip
