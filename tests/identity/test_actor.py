"""The actor identity: whose a capture is, what is asked of people, what is taken back, and what is forgotten."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.business.identity import (
    DAY_MS,
    IDENTITY,
    QUARANTINE_MS,
    STALE_MS,
    Attribute,
    Person,
)
from core import limits
from core.business import Business
from core.events import Event, derive_id
from core.events.garage import VehiclePersonLinked
from core.events.identity import (
    Candidate,
    CaptureDiscardRequested,
    CaptureRequested,
    HouseholdDissolutionRequested,
    HouseholdRequested,
    PersonErasureRequested,
    PersonMatchRequested,
    PersonMergeRequested,
    PersonUnmergeRequested,
    PersonUnreachableRequested,
    PersonVerificationRequested,
)
from core.events.spine import TimerDue
from core.linkage import FIELDS, ID_NUMBER, NAME, NAME_DIFFERENT, PHONE, PLATE, SAME, VIN
from tests.business.memory import MemoryLog

NOW_MS = 1_790_000_000_000
SURE = {PHONE: (SAME, 16.5), NAME: (SAME, 12.7)}
UNSURE = {PHONE: (SAME, 13.2), NAME: (SAME, 6.5)}
WEAK = {PHONE: (SAME, 13.2)}


def candidate(capture: int, evidence: dict[int, tuple[int, float]]) -> Candidate:
    return Candidate(
        capture=capture,
        levels=tuple(evidence.get(field, (0, 0.0))[0] for field in range(len(FIELDS))),
        bits=tuple(evidence.get(field, (0, 0.0))[1] for field in range(len(FIELDS))),
    )


def intent(type_: str, payload: msgspec.Struct, name: object, time_ms: int = NOW_MS, subject: str = "") -> Event:
    return Event(
        id=derive_id("test", type_, 1, (), str(name)),
        type=type_,
        time_ms=time_ms,
        subject=subject or f"person:{getattr(payload, 'person', 0)}",
        actor="account:1",
        payload=payload,
    )


def captured(number: int, *candidates: Candidate, items: dict[str, int] | None = None, **more: Any) -> Event:
    payload = CaptureRequested(
        **{"capture": number, "source": "counter", "items": items or {"phone": 1}, "candidates": candidates, **more}
    )
    return intent("capture.requested", payload, number, NOW_MS + number, f"capture:{number}")


class World:
    """A log with the actor on it."""

    def __init__(self) -> None:
        self.log = MemoryLog(Business((IDENTITY,)))

    def take(self, *events: Event) -> list[Event]:
        return self.log.take(events)

    def decided(self, event: Event) -> Event:
        return next(one for one in self.take(event) if one.answers == event.id)

    def person(self, person: int) -> Person:
        row = self.log.tables.rows["person"][(person,)]
        assert isinstance(row, Person)
        return row

    def rows(self, table: str) -> list[Any]:
        return list(self.log.tables.rows.get(table, {}).values())


@pytest.fixture
def world() -> World:
    return World()


def refused(event: Event) -> str:
    return event.payload.code if event.type == "intent.refused" else event.type


def test_who_is_like_nobody_is_somebody_new(world: World) -> None:
    first, second = world.decided(captured(1)), world.decided(captured(2, candidate(1, WEAK)))
    assert (first.payload.how, first.payload.person) == ("new", 1)
    assert (second.payload.how, second.payload.person, second.payload.matches) == ("new", 2, 0)


def test_who_is_surely_somebody_is_linked(world: World) -> None:
    world.take(captured(1))
    decision = world.decided(captured(2, candidate(1, SURE)))
    assert (decision.payload.how, decision.payload.person) == ("linked", 1)
    assert decision.payload.posterior > 0.98
    assert world.person(1).captures == 2


def test_three_departments_records_are_one_identity_with_three_sources(world: World) -> None:
    world.take(captured(1, source="web"))
    world.take(captured(2, candidate(1, SURE), source="counter"), captured(3, candidate(2, SURE), source="call"))
    assert {row.source for row in world.rows("capture") if row.person == 1} == {"web", "counter", "call"}
    assert len(world.rows("person")) == 1


def test_a_person_s_captures_speak_together(world: World) -> None:
    """Neither capture of the person is enough; telephone of the one and car of the other are."""
    world.take(captured(1), captured(2, person=1))
    decision = world.decided(
        captured(3, candidate(1, {PHONE: (SAME, 13.2)}), candidate(2, {VIN: (SAME, 19.9), PLATE: (SAME, 19.0)}))
    )
    assert (decision.payload.how, decision.payload.person) == ("linked", 1)
    assert decision.payload.bits == pytest.approx(33.1)


def test_who_may_be_somebody_is_somebody_new_until_a_person_has_looked(world: World) -> None:
    world.take(captured(1))
    decision = world.decided(captured(2, candidate(1, UNSURE)))
    assert (decision.payload.how, decision.payload.person, decision.payload.matches) == ("new", 2, 1)
    [match] = world.rows("person_match")
    assert (match.person, match.other, match.reason, match.state) == (1, 2, "review", "open")
    assert match.posterior == pytest.approx(0.461, abs=0.01)


@pytest.mark.parametrize(
    ("verdict", "roots", "apart"), [("same", {1}, 0), ("different", {1, 2}, 1), ("household", {1, 2}, 1)]
)
def test_a_verdict_is_done(world: World, verdict: str, roots: set[int], apart: int) -> None:
    world.take(captured(1), captured(2, candidate(1, UNSURE)))
    decision = world.decided(intent("person.match.requested", PersonMatchRequested(match=1, verdict=verdict), "v"))
    assert decision.payload.verdict == verdict
    assert {row.root for row in world.rows("person")} == roots
    assert len(world.rows("person_apart")) == apart
    assert len(world.rows("household_member")) == (2 if verdict == "household" else 0)
    again = world.decided(intent("person.match.requested", PersonMatchRequested(match=1, verdict=verdict), "again"))
    assert refused(again) == "match_decided"


def test_who_was_said_to_be_another_is_not_asked_of_again(world: World) -> None:
    world.take(captured(1), captured(2, candidate(1, UNSURE)))
    world.take(intent("person.match.requested", PersonMatchRequested(match=1, verdict="different"), "v"))
    world.take(captured(3, candidate(1, SURE), candidate(2, SURE)))
    assert {row.root for row in world.rows("person")} == {1, 2}
    assert len(world.rows("person_match")) == 1


def test_one_capture_that_is_surely_two_persons_shows_that_they_are_one(world: World) -> None:
    world.take(captured(1), captured(2))
    decision = world.decided(captured(3, candidate(1, SURE), candidate(2, SURE)))
    assert decision.payload.how == "linked"
    assert {row.root for row in world.rows("person")} == {1}


def test_two_people_of_conflicting_verified_ids_are_never_merged_by_themselves(world: World) -> None:
    """Invariant 11, the first half: whatever the evidence says, by link and by bridge."""
    certain = {field: (SAME, 20.0) for field in range(len(FIELDS)) if field != ID_NUMBER}
    seen = {"verified": {"id_number": "document"}}
    world.take(captured(1, items={"id_number": 7}, **seen))
    decision = world.decided(captured(2, candidate(1, certain), items={"id_number": 8}, **seen))
    assert (decision.payload.how, decision.payload.matches) == ("new", 1)
    assert world.rows("person_match")[0].reason == "id_number"
    world.take(captured(3, candidate(1, certain), candidate(2, certain)))
    assert {row.root for row in world.rows("person")} == {1, 2}


def test_who_shares_everything_but_the_name_is_somebody_else_until_a_person_has_looked(world: World) -> None:
    world.take(captured(1))
    evidence = {PHONE: (SAME, 16.5), VIN: (SAME, 19.9), NAME: (NAME_DIFFERENT, -5.6)}
    decision = world.decided(captured(2, candidate(1, evidence)))
    assert (decision.payload.how, decision.payload.matches) == ("new", 1)
    assert world.rows("person_match")[0].reason == "name"


def test_a_partner_s_capture_without_consent_waits_and_is_thrown_away_in_time(world: World) -> None:
    event = captured(1, source="partner", items={"phone": 5})
    decision = world.decided(event)
    assert decision.type == "capture.quarantined"
    assert world.rows("person") == []
    [timer] = world.rows("timer")
    assert timer.due_ms == event.time_ms + QUARANTINE_MS
    due = msgspec.structs.replace(
        intent("timer.due", TimerDue(actor="identity", name="quarantine", due_ms=timer.due_ms), "t", timer.due_ms),
        subject="capture:1",
        key="capture:1",
    )
    assert [one.type for one in world.take(due)][1:] == ["capture.discarded"]
    assert world.rows("capture_item") == []


def test_a_partner_s_capture_is_linked_once_its_consent_is_shown(world: World) -> None:
    world.take(captured(1), captured(2, source="partner"))
    payload = CaptureRequested(
        capture=2, source="partner", items={"phone": 1}, shared=True, candidates=(candidate(1, SURE),)
    )
    decision = world.decided(intent("capture.release.requested", payload, "r", subject="capture:2"))
    assert (decision.payload.how, decision.payload.person) == ("linked", 1)
    assert world.rows("timer") == []
    discard = intent("capture.discard.requested", CaptureDiscardRequested(capture=2), "d", subject="capture:2")
    assert refused(world.decided(discard)) == "capture_unknown"


def test_a_person_who_is_full_takes_no_more_captures(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.business.identity.PERSON_CAPTURES_MAX", 2)
    assert limits.PERSON_CAPTURES_MAX < limits.FIND_ROWS_MAX
    world.take(captured(1), captured(2, person=1))
    assert refused(world.decided(captured(3, person=1))) == "person_full"
    decision = world.decided(captured(4, candidate(1, SURE)))
    assert (decision.payload.how, decision.payload.matches) == ("new", 1)
    merge = PersonMergeRequested(person=1, other=2)
    assert refused(world.decided(intent("person.merge.requested", merge, "m"))) == "person_full"


def test_more_persons_than_anybody_reviews_are_not_asked_of(world: World) -> None:
    world.take(*(captured(number) for number in range(1, 12)))
    decision = world.decided(captured(12, *(candidate(number, UNSURE) for number in range(1, 12))))
    assert decision.payload.matches == limits.LINK_PERSONS_MAX


def test_the_third_vain_attempt_makes_a_number_invalid_with_its_evidence(world: World) -> None:
    world.take(captured(1, items={"phone": 4}))
    said = PersonUnreachableRequested(person=1, attribute="phone", value=4)
    attempts = [intent("person.unreachable.requested", said, name) for name in "abc"]
    assert [world.decided(one).payload.times for one in attempts] == [1, 2, 3]
    [row] = world.rows("person_attribute")
    assert row.invalid_ms == NOW_MS
    [event] = [one for one in world.log.events if one.type == "person.attribute.invalidated"]
    assert event.payload.evidence == tuple(one.id for one in attempts)


def test_who_is_reached_again_is_counted_anew(world: World) -> None:
    world.take(captured(1, items={"phone": 4}))
    said = PersonUnreachableRequested(person=1, attribute="phone", value=4)
    shown = PersonVerificationRequested(person=1, attribute="phone", value=4, method="call")
    world.take(*(intent("person.unreachable.requested", said, name) for name in "ab"))
    world.take(intent("person.verification.requested", shown, "v"))
    assert world.decided(intent("person.unreachable.requested", said, "c")).payload.times == 1


def test_what_was_verified_a_year_ago_is_said_to_be_stale(world: World) -> None:
    world.take(captured(1, items={"phone": 4}))
    shown = PersonVerificationRequested(person=1, attribute="phone", value=4, method="code")
    assert world.decided(intent("person.verification.requested", shown, "v")).type == "person.verified"
    assert world.person(1).state == "confirmed"
    [timer] = world.rows("timer")
    assert (timer.due_ms, timer.key) == (NOW_MS + STALE_MS, "person:1")
    due = TimerDue(actor="identity", name=timer.name, due_ms=timer.due_ms)
    world.take(intent("timer.due", due, "t", timer.due_ms, "person:1"))
    [row] = world.rows("person_attribute")
    assert isinstance(row, Attribute)
    assert row.stale
    assert world.log.events[-1].type == "person.attribute.staled"


def test_a_second_verified_id_of_one_person_is_refused(world: World) -> None:
    world.take(captured(1, items={"id_number": 7}, verified={"id_number": "document"}))
    world.take(captured(2, person=1, items={"id_number": 8}))
    shown = PersonVerificationRequested(person=1, attribute="id_number", value=8, method="document")
    assert refused(world.decided(intent("person.verification.requested", shown, "v"))) == "id_number_conflict"


def test_a_value_that_a_person_never_said_is_not_verified(world: World) -> None:
    world.take(captured(1, items={"phone": 4}))
    shown = PersonVerificationRequested(person=1, attribute="phone", value=5, method="code")
    assert refused(world.decided(intent("person.verification.requested", shown, "v"))) == "value_unknown"


def test_a_household_opens_takes_in_and_dissolves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.business.identity.HOUSEHOLD_MEMBERS_MAX", 3)
    world.take(*(captured(number) for number in (1, 2, 3, 4)))

    def open_(*members: int) -> Event:
        payload = HouseholdRequested(kind="household", members=members)
        return world.decided(intent("household.requested", payload, members, subject="household:0"))

    assert refused(open_(1, 1)) == "household_size"
    assert open_(1, 2).payload.household == 1
    assert open_(2, 3).payload.household == 1
    assert refused(open_(3, 4)) == "household_full"
    world.take(intent("household.dissolution.requested", HouseholdDissolutionRequested(household=1), "d"))
    assert world.rows("household_member") == []
    assert world.rows("household")[0].state == "dissolved"


def test_who_is_erased_is_gone_with_all_that_was_theirs(world: World) -> None:
    world.take(captured(1, items={"phone": 4}), captured(2, candidate(1, UNSURE)), captured(3))
    world.take(intent("person.match.requested", PersonMatchRequested(match=1, verdict="same"), "v"))
    linked = VehiclePersonLinked(vehicle_id=9, person=2, role="owner", from_ms=NOW_MS - DAY_MS, source="sale")
    world.take(intent("vehicle.person.linked", linked, "l"))
    decision = world.decided(intent("person.erasure.requested", PersonErasureRequested(person=2, reason="asked"), "e"))
    assert decision.payload.captures == (1, 2)
    assert decision.payload.persons == (1, 2)
    [driven] = decision.payload.ranges
    assert (driven.vehicle, driven.from_ms, driven.to_ms) == (9, NOW_MS - DAY_MS, NOW_MS)
    assert {row.capture for row in world.rows("capture_item")} == {3}
    assert world.rows("person_match") == []
    assert [row.state for row in world.rows("person")] == ["erased", "erased", "suspected"]
    assert refused(world.decided(captured(4, person=2))) == "person_erased"


# --- invariants -------------------------------------------------------------------------------------------------------

EVIDENCE = st.sampled_from([SURE, UNSURE, WEAK, {**SURE, NAME: (NAME_DIFFERENT, -5.6)}, {ID_NUMBER: (SAME, 20.0)}])


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Captures whose evidence is any, and everything that people may ask of persons that may be there."""
    events: list[Event] = []
    captures = 0
    for number in range(draw(st.integers(1, 14))):
        person = st.integers(1, max(1, captures))
        if captures < 2 or draw(st.integers(0, 2)):
            captures += 1
            earlier = draw(st.lists(st.integers(1, captures - 1), max_size=3, unique=True)) if captures > 1 else []
            items = {"phone": draw(st.integers(0, 3)), "id_number": draw(st.sampled_from([0, 91, 92]))}
            events.append(
                captured(
                    captures,
                    *(candidate(one, draw(EVIDENCE)) for one in earlier),
                    items=items,
                    source=draw(st.sampled_from(["counter", "web", "partner"])),
                    verified={"id_number": "document"} if items["id_number"] and draw(st.booleans()) else {},
                )
            )
            continue
        payload: tuple[str, msgspec.Struct] = draw(
            st.one_of(
                st.builds(
                    lambda a, v: ("person.match.requested", PersonMatchRequested(match=a, verdict=v)),
                    st.integers(1, 4), st.sampled_from(["same", "different", "household"]),
                ),
                st.builds(
                    lambda a, b: ("person.merge.requested", PersonMergeRequested(person=a, other=b)), person, person
                ),
                st.builds(lambda a: ("person.unmerge.requested", PersonUnmergeRequested(person=a)), person),
                st.builds(
                    lambda a, v: (
                        "person.unreachable.requested", PersonUnreachableRequested(person=a, attribute="phone", value=v)
                    ),
                    person, st.integers(1, 3),
                ),
                st.builds(
                    lambda a: ("person.erasure.requested", PersonErasureRequested(person=a, reason="asked")), person
                ),
            )
        )  # fmt: skip
        events.append(intent(payload[0], payload[1], number, NOW_MS + 1000 + number))
    return events


def folded(events: Sequence[Event], *, stops: frozenset[int] = frozenset()) -> Any:
    world = World()
    for number, event in enumerate(events):
        if number in stops:
            world.log.restart()
        world.take(event)
    assert not world.rows("parked")
    return world.log.tables.contents()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(0, 2**32))
def test_doubling_stopping_and_replaying_change_nothing(events: list[Event], seed: int) -> None:
    """Invariants 1, 3 and 4."""
    once = folded(events)
    chance = random.Random(seed)
    doubled = [event for one in events for event in [one] * chance.choice([1, 1, 2])]
    assert folded(doubled) == once
    assert folded(events, stops=frozenset(chance.sample(range(len(events)), len(events) // 2))) == once


def no_two_verified_ids_in_one(world: World, by_people: set[int]) -> None:
    for root in {row.root for row in world.rows("person")}:
        members = {row.person for row in world.rows("person") if row.root == root}
        ids = {
            row.value
            for row in world.rows("person_attribute")
            if row.person in members and row.kind == "id_number" and row.verified_ms
        }
        assert len(ids) <= 1 or root in by_people


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories())
def test_nobody_of_two_verified_ids_comes_to_be_by_itself(events: list[Event]) -> None:
    """Invariant 11, the first half, over all histories in which nobody merges by hand."""
    world = World()
    by_hand = ("person.merge.requested", "person.match.requested")
    world.take(*(event for event in events if event.type not in by_hand))
    no_two_verified_ids_in_one(world, set())


TAKEN_BACK = ("person", "capture", "capture_item", "person_attribute", "household", "household_member", "person_driven")


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.data())
def test_a_merge_and_its_taking_back_is_nothing(events: list[Event], data: st.DataObject) -> None:
    """Invariant 11, the second half; with another merge between the two."""
    world = World()
    world.take(*events)
    roots = sorted(row.person for row in world.rows("person") if row.root == row.person and row.state != "erased")
    if len(roots) < 2:
        return
    low, high, *_ = sorted(data.draw(st.permutations(roots))[:2])
    before = {name: dict(world.log.tables.rows.get(name, {})) for name in TAKEN_BACK}
    world.take(intent("person.merge.requested", PersonMergeRequested(person=high, other=low), "m"))
    assert world.person(high).root == low
    others = [root for root in roots if root not in (low, high)]
    if others and data.draw(st.booleans()):
        third = others[0]
        world.take(intent("person.merge.requested", PersonMergeRequested(person=third, other=low), "third"))
        world.take(intent("person.unmerge.requested", PersonUnmergeRequested(person=high), "u"))
        world.take(intent("person.unmerge.requested", PersonUnmergeRequested(person=max(third, low)), "u3"))
    else:
        world.take(intent("person.unmerge.requested", PersonUnmergeRequested(person=high), "u"))
    after = {name: dict(world.log.tables.rows.get(name, {})) for name in TAKEN_BACK}
    assert after == before
