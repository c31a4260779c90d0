"""Consents: the answer is no until somebody agreed to a text, a withdrawal ends all it names at once, and nothing of it
reaches what safety and the contract need."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.business.consent import CONSENT, BreakGlass, Consent, ConsentPerson, ConsentRecord, ConsentText
from core import limits
from core.business import Business
from core.chain import START, first_broken
from core.consents import RECORD_PARTS, record_parts, why_not_contacted
from core.data_classes import CHANNELS, CONSENTED, HOLDS, OPERATIONAL
from core.events import EVENTS, Event, derive_id
from core.events.consent import (
    Cell,
    ConsentAskRequested,
    ConsentCascaded,
    ConsentGiveRequested,
    ConsentTextRequested,
    ConsentWithdrawalRequested,
    ContactBarRequested,
    GlassRequested,
    GlassReviewRequested,
    GlassUsed,
)
from core.events.garage import VehiclePersonEnded, VehiclePersonLinked
from core.events.identity import PersonErased, PersonMerged, PersonUnmerged
from core.events.spine import IntentRefused, TimerDue
from tests.business.memory import MemoryLog

T0 = 1_760_000_000_000
HOUR_MS = 3_600_000
CARE = (
    Cell("movement"),
    Cell("mileage"),
    Cell("position", "district"),
    Cell("contact", channel="sms"),
    Cell("contact", channel="phone"),
)


class World:
    """The actor over a log in memory; whatever happens is an hour after what was before."""

    def __init__(self) -> None:
        self.log = MemoryLog(Business((CONSENT,)))
        self.time_ms = T0
        self._count = 0

    def event(self, type_: str, payload: msgspec.Struct, subject: str, **about: Any) -> Event:
        self._count += 1
        self.time_ms += HOUR_MS
        fields: dict[str, Any] = {"actor": "account:7", "store": 3, **about}
        return Event(
            id=derive_id("test", type_, 1, (), str(self._count)), type=type_, time_ms=self.time_ms, subject=subject,
            payload=payload, **fields,
        )  # fmt: skip

    def say(self, type_: str, payload: msgspec.Struct, subject: str = "person:11", **about: Any) -> list[Event]:
        """Tell the log; return what it has got by it, the event left out."""
        return self.log.take([self.event(type_, payload, subject, **about)])[1:]

    def code(self, type_: str, payload: msgspec.Struct, subject: str = "person:11", **about: Any) -> str:
        """Return by which code an intent is refused."""
        [refusal] = self.say(type_, payload, subject, **about)
        assert isinstance(refusal.payload, IntentRefused), refusal
        return refusal.payload.code

    def owns(self, person: int, vehicle: int = 1, role: str = "owner") -> None:
        linked = VehiclePersonLinked(vehicle_id=vehicle, person=person, role=role, from_ms=T0, source="sale")
        self.say("vehicle.person.linked", linked, f"vehicle:{vehicle}")

    def publish(
        self, text: str = "care-basic", purpose: str = "care", cells: tuple[Cell, ...] = CARE, **more: Any
    ) -> str:
        [said] = self.say("consent.text.requested", wording(text, purpose, cells, **more), f"text:{text}")
        return said.payload.code if isinstance(said.payload, IntentRefused) else ""

    def give(self, person: int = 11, text: str = "care-basic", version: int = 1, **more: Any) -> list[Event]:
        asked = ConsentGiveRequested(person=person, text=text, version=version, **{"evidence": "form:1", **more})
        return self.say("consent.give.requested", asked, f"person:{person}")

    def withdraw(self, person: int = 11, **what: Any) -> list[Event]:
        asked = ConsentWithdrawalRequested(person=person, **what)
        return self.say("consent.withdrawal.requested", asked, f"person:{person}")

    def rows(self, table: type[msgspec.Struct]) -> list[Any]:
        kept = next(one for one in CONSENT.kept if one.row is table)
        return [row for _, row in sorted(self.log.tables.rows.get(kept.table, {}).items())]

    def given(self, person: int = 11) -> list[tuple[str, str, str]]:
        return [row.cell for row in self.rows(Consent) if row.person == person and row.state == "given"]

    def timers(self) -> dict[str, tuple[str, int]]:
        return {
            row.name: (row.key, row.due_ms)  # type: ignore[attr-defined]
            for row in self.log.tables.rows.get("timer", {}).values()
        }

    def fire(self, name: str) -> list[Event]:
        """Let a timer be due."""
        key, due_ms = self.timers()[name]
        self.time_ms = max(self.time_ms, due_ms)
        due = TimerDue(actor="consent", name=name, due_ms=due_ms)
        return self.say("timer.due", due, key, key=key)


def wording(text: str, purpose: str, cells: tuple[Cell, ...], **more: Any) -> ConsentTextRequested:
    words: dict[str, Any] = {"title_zh": "关怀", "title_en": "Care", "body_zh": "同意", "body_en": "I agree"}
    return ConsentTextRequested(text=text, purpose=purpose, cells=cells, **{**words, **more})


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events]


@pytest.fixture
def world() -> World:
    made = World()
    made.owns(11)
    assert made.publish() == ""
    return made


# --- texts ------------------------------------------------------------------------------------------------------------


def test_a_text_asks_for_nothing_that_its_purpose_may_not_hold() -> None:
    world = World()
    for purpose in OPERATIONAL:
        assert world.publish("a", purpose, (Cell("due"),)) == "purpose_not_consented", purpose
    for purpose in CONSENTED:
        for data_class in ("media", "talk", "identity", "terminal"):
            assert world.publish("a", purpose, (Cell(data_class),)) == "class_not_held", (purpose, data_class)
        assert world.publish("a", purpose, (Cell("position", "exact"),)) == "precision_above", purpose
    assert world.publish("a", "marketing", (Cell("position", "district"),)) == "precision_above"
    assert world.publish("a", "marketing", (Cell("mileage"),)) == "class_not_held"
    assert world.publish("a", "care", (Cell("movement", "city"),)) == "precision"
    assert world.publish("a", "care", (Cell("position", "street"),)) == "precision"
    assert world.publish("a", "care", (Cell("contact"),)) == world.publish("a", "care", (Cell("due", channel="sms"),))
    assert world.publish("a", "care", (Cell("due"), Cell("due"))) == "cells"
    assert world.publish("a b", "care") == "text_name"
    assert world.publish("a", "care", body_en="") == "words_missing"
    assert world.publish("a", "care") == ""
    assert world.publish("a", "research", (Cell("movement"),)) == "purpose_changed"


def test_a_text_past_its_bounds_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(limits, "CONSENT_CELLS_MAX", 4)
    assert world.publish() == "cells"
    monkeypatch.setattr(limits, "CONSENT_CELLS_MAX", 5)
    assert world.publish() == ""
    assert world.publish(body_zh="字" * (limits.CONSENT_BODY_CHARACTERS_MAX + 1)) == "text_long"
    assert world.publish(valid_days=limits.CONSENT_DAYS_MAX + 1) == "days"
    assert world.publish(valid_days=limits.CONSENT_DAYS_MAX) == ""
    evidence = "form:" + "1" * limits.CONSENT_EVIDENCE_CHARACTERS_MAX
    world.owns(11)
    [refusal] = world.give(version=2, evidence=evidence)
    assert refusal.payload.code == "evidence_long"


def test_only_the_newest_version_is_agreed_to_and_a_renewal_ends_the_others(world: World) -> None:
    for person in (11, 12, 4_107):
        world.owns(person)
        assert len(world.give(person)) == 6
    assert world.publish(body_en="I agree to more", renew=True) == ""
    assert [(row.version, row.current) for row in world.rows(ConsentText)] == [(1, False), (2, True)]
    [refusal] = world.give()
    assert refusal.payload.code == "text_not_current"
    said: list[Event] = []
    while names := [name for name in world.timers() if name.startswith("renew:")]:
        said += world.fire(names[0])
    assert world.given(11) == world.given(12) == world.given(4_107) == []
    assert {event.payload.reason for event in said if event.type == "consent.withdrawn"} == {"text"}
    assert kinds(world.give(version=2)).count("consent.given") == 5


# --- consents ---------------------------------------------------------------------------------------------------------


def test_agreeing_gives_what_the_text_lists_or_a_part_of_it(world: World) -> None:
    said = world.give(cells=(Cell("movement"), Cell("position", "city")))
    assert kinds(said) == ["consent.accepted", "consent.given", "consent.given"]
    assert [bool(one.answers) for one in said] == [True, False, False]
    assert world.given() == [("care", "movement", "data"), ("care", "position", "data")]
    [place] = [row for row in world.rows(Consent) if row.data_class == "position"]
    assert (place.precision, place.since_ms, place.expires_ms) == ("city", world.time_ms, 0)
    for more, code in (
        ({"cells": (Cell("position", "exact"),)}, "not_in_text"),
        ({"cells": (Cell("place"),)}, "not_in_text"),
        ({"cells": (Cell("contact", channel="post"),)}, "not_in_text"),
        ({"evidence": ""}, "evidence_missing"),
        ({"evidence": "she said so"}, "evidence_missing"),
        ({"expires_ms": T0}, "expiry_past"),
        ({"text": "nothing"}, "text_unknown"),
        ({"person": 99}, "person_unknown"),
    ):
        [refusal] = world.give(**more)
        assert refusal.payload.code == code, more


def test_a_consent_renewed_no_wider_covers_what_it_covered_and_a_wider_one_begins_anew(world: World) -> None:
    def since() -> int:
        [place] = [row for row in world.rows(Consent) if row.data_class == "position"]
        return int(place.since_ms)

    world.give(cells=(Cell("position", "city"),))
    first_ms = since()
    world.give(cells=(Cell("position", "city"),))
    assert since() == first_ms
    world.give(cells=(Cell("position", "district"),))
    assert since() == world.time_ms > first_ms
    world.withdraw()
    world.give(cells=(Cell("position", "city"),))
    assert since() == world.time_ms


def test_a_question_is_open_until_it_is_answered(world: World) -> None:
    said = world.say("consent.ask.requested", ConsentAskRequested(person=11, text="care-basic"))
    assert kinds(said) == ["consent.asked"]
    assert {row.state for row in world.rows(Consent)} == {"asked"}
    assert world.given() == []
    [cascade] = world.withdraw()
    assert (cascade.payload.withdrawn, cascade.payload.asked) == (0, 5)
    assert {row.state for row in world.rows(Consent)} == {"withdrawn"}


def test_a_consent_ends_when_its_time_is_over_and_not_before(world: World) -> None:
    world.publish("short", "care", (Cell("due"),), valid_days=30)
    end_ms = world.time_ms + HOUR_MS + 30 * 24 * HOUR_MS
    world.give(text="short")
    name = "expiry:care:due:data"
    assert world.timers()[name] == ("person:11", end_ms)
    [refusal] = world.give(text="short", expires_ms=end_ms + 10 * HOUR_MS)
    assert refusal.payload.code == "expiry_late"
    # Renewed: the timer of before means nothing any more.
    world.give(text="short")
    early = TimerDue(actor="consent", name=name, due_ms=end_ms)
    assert world.say("timer.due", early, "person:11") == []
    [over] = world.fire(name)
    assert (over.type, over.payload.reason) == ("consent.expired", "time")
    assert world.given() == []


def test_a_withdrawal_ends_all_it_names_and_says_what_follows(world: World) -> None:
    world.owns(11, 2)
    world.publish("study", "research", (Cell("movement"), Cell("position", "city")), valid_days=10)
    world.give()
    world.give(text="study")
    assert len(world.given()) == 7
    first = world.withdraw(purpose="care", data_class="contact", channel="sms")
    assert kinds(first) == ["consent.cascaded", "consent.withdrawn"]
    assert first[0].payload.channels == ("sms",)
    assert first[0].payload.vehicles == ()
    said = world.withdraw(evidence="call:17")
    cascade = said[0].payload
    assert isinstance(cascade, ConsentCascaded)
    assert (cascade.withdrawn, cascade.purposes, cascade.vehicles) == (6, ("care", "research"), (1, 2))
    assert (cascade.channels, cascade.timers, cascade.evidence) == (("phone",), 2, "call:17")
    assert kinds(said).count("consent.withdrawn") == 6
    assert world.given() == []
    assert world.timers() == {}
    # Again: nothing is left, and that is said too.
    [again] = world.withdraw()
    assert again.payload.withdrawn == 0


def test_a_company_with_many_cars_can_withdraw_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.business.consent.CARS_NAMED_MAX", 3)
    for vehicle in range(2, 7):
        world.owns(11, vehicle)
    world.give()
    cascade = world.withdraw()[0].payload
    assert (cascade.vehicles, cascade.cars) == ((), 6)


def test_the_chain_of_what_a_person_said_shows_a_changed_byte(world: World) -> None:
    world.give()
    world.withdraw(data_class="movement")
    world.give(cells=(Cell("movement"),))
    records: list[ConsentRecord] = world.rows(ConsentRecord)
    assert [one.number for one in records] == list(range(1, 8))
    assert set(RECORD_PARTS) == {*ConsentRecord.__struct_fields__} - {"hash"}
    assert first_broken([(record_parts(one), one.hash) for one in records]) is None
    [person] = [one for one in world.rows(ConsentPerson) if one.person == 11]
    assert (person.records, person.hash) == (7, records[-1].hash)
    assert records[0].hash != START
    for name in RECORD_PARTS:
        changed = list(records)
        value = getattr(changed[3], name)
        other = value + 1 if isinstance(value, int) else value + "x"
        changed[3] = msgspec.structs.replace(changed[3], **{name: other})
        assert first_broken([(record_parts(one), one.hash) for one in changed]) == 3, name


# --- people -----------------------------------------------------------------------------------------------------------


def test_a_later_no_of_the_same_person_holds_a_yes_and_parting_them_lets_it_count_again(world: World) -> None:
    world.owns(12, 2)
    world.give(11)
    world.give(12)
    world.withdraw(12, data_class="movement")
    before = world.rows(Consent)
    said = world.say("person.merged", PersonMerged(person=11, into=12, how="person"))
    assert [(one.type, one.payload.data_class) for one in said] == [("consent.held", "movement")]
    assert ("care", "movement", "data") not in world.given(11)
    [resumed] = world.say("person.unmerged", PersonUnmerged(person=11, from_person=12))
    assert resumed.type == "consent.resumed"
    assert world.rows(Consent) == before
    # A withdrawal of one record is one of all that are taken for that person.
    world.say("person.merged", PersonMerged(person=11, into=12, how="person"))
    cascade = world.withdraw(12)[0].payload
    assert (cascade.withdrawn, cascade.vehicles) == (9, (1, 2))
    assert world.given(11) == world.given(12) == []


def test_who_is_forgotten_allows_nothing_any_more_and_nobody_does_in_their_place(world: World) -> None:
    world.give()
    said = world.say("person.erased", PersonErased(person=11, persons=(11,), captures=(), ranges=()))
    assert {one.payload.reason for one in said} == {"erased"}
    assert world.given() == []
    [refusal] = world.give()
    assert refusal.payload.code == "person_erased"
    # Their number stays at the car: a co-owner cannot allow what tells of the time they drove.
    links = world.log.tables.rows["consent_subject"].values()
    assert {row.subject for row in links if row.person == 11} == {"vehicle:1", "person:11"}  # type: ignore[attr-defined]


# --- contact ----------------------------------------------------------------------------------------------------------


def test_nobody_is_contacted_without_a_yes_and_safety_is_never_barred(world: World) -> None:
    def why(purpose: str, channel: str) -> str:
        bars = [row.channel for row in world.log.tables.rows.get("consent_bar", {}).values()]  # type: ignore[attr-defined]
        return why_not_contacted(purpose, channel, world.rows(Consent), bars, world.time_ms)

    assert why("care", "sms") == why("marketing", "sms") == "no_consent"
    assert why("service", "phone") == ""
    world.give()
    assert why("care", "sms") == ""
    assert why("care", "email") == why("marketing", "sms") == "no_consent"
    assert world.code("consent.contact.requested", ContactBarRequested(person=11, channel="fax")) == "channel"
    world.say("consent.contact.requested", ContactBarRequested(person=11, channel="sms"))
    assert (why("care", "sms"), why("care", "phone"), why("service", "sms")) == ("barred", "", "barred")
    world.say("consent.contact.requested", ContactBarRequested(person=11))
    for purpose in (*OPERATIONAL, *CONSENTED):
        for channel in CHANNELS[1:]:
            expected = "" if purpose in ("safety", "theft") else "barred"
            assert why(purpose, channel) == expected, (purpose, channel)
    opened = ContactBarRequested(person=11, barred=False)
    assert kinds(world.say("consent.contact.requested", opened)) == ["consent.contact.opened"]
    assert why("care", "phone") == ""
    assert world.code("consent.contact.requested", opened) == "not_barred"


# --- break-glass ------------------------------------------------------------------------------------------------------


def test_a_look_is_opened_used_ended_and_reviewed_by_somebody_else(world: World) -> None:
    asked = GlassRequested(vehicle_id=1, incident="c1", reason="crash", minutes=30)
    [opened] = world.say("breakglass.requested", asked, "vehicle:1")
    assert (opened.type, opened.purpose) == ("breakglass.opened", "safety")
    glass = opened.payload
    assert (glass.glass, glass.account, glass.until_ms) == (1, "account:7", world.time_ms + 30 * 60_000)
    for what in ("track", "positions"):
        used = GlassUsed(glass=1, vehicle_id=1, account="account:7", what=what)
        assert world.say("breakglass.used", used, "vehicle:1", key="breakglass:1") == []
    [ended] = world.fire("glass:end")
    assert (ended.type, ended.payload.used) == ("breakglass.ended", 2)
    [overdue] = world.fire("glass:review")
    assert overdue.type == "breakglass.overdue"
    mine = GlassReviewRequested(glass=1, finding="justified")
    assert world.code("breakglass.review.requested", mine, "breakglass:1") == "own_glass"
    other = {"actor": "account:8"}
    odd = GlassReviewRequested(glass=1, finding="fine")
    assert world.code("breakglass.review.requested", odd, "breakglass:1", **other) == "finding"
    assert kinds(world.say("breakglass.review.requested", mine, "breakglass:1", **other)) == [
        "breakglass.reviewed",
        "breakglass.closed",
    ]
    assert world.code("breakglass.review.requested", mine, "breakglass:1", **other) == "closed"
    [row] = world.rows(BreakGlass)
    assert (row.state, row.reviewer, row.finding, row.used) == ("closed", "account:8", "justified", 2)
    assert world.timers() == {}


def test_a_look_needs_an_incident_a_person_and_a_bound(world: World) -> None:
    def code(actor: str = "account:7", **fields: Any) -> str:
        asked = GlassRequested(**{"vehicle_id": 1, "incident": "c1", "reason": "crash", **fields})
        return world.code("breakglass.requested", asked, "vehicle:1", actor=actor)

    assert code(incident=" ") == "incident_missing"
    assert code(reason="curious") == "reason"
    assert code(minutes=limits.GLASS_MINUTES_MAX + 1) == "minutes"
    assert code(minutes=0) == "minutes"
    assert code(actor="node") == "nobody"
    asked = GlassRequested(vehicle_id=1, incident="c1", reason="crash", minutes=limits.GLASS_MINUTES_MAX)
    for _ in range(limits.GLASS_OPEN_MAX):
        assert kinds(world.say("breakglass.requested", asked, "vehicle:1")) == ["breakglass.opened"]
    assert code() == "unreviewed"
    assert kinds(world.say("breakglass.requested", asked, "vehicle:1", actor="account:8")) == ["breakglass.opened"]


def test_a_look_that_nobody_reviews_is_overdue_after_its_hours(world: World) -> None:
    asked = GlassRequested(vehicle_id=1, incident="c1", reason="sos")
    [opened] = world.say("breakglass.requested", asked, "vehicle:1")
    world.fire("glass:end")
    due_ms = opened.payload.until_ms + limits.GLASS_REVIEW_H * HOUR_MS
    assert world.timers() == {"glass:review": ("breakglass:1", due_ms)}


# --- over random histories --------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("own"), st.integers(11, 13), st.integers(1, 2), st.sampled_from(["owner", "driver"])),
        st.tuples(st.just("end"), st.integers(11, 13), st.integers(1, 2), st.sampled_from(["owner", "driver"])),
        st.tuples(st.just("give"), st.integers(11, 13), st.sampled_from(["care-basic", "study"]), st.integers(0, 2)),
        st.tuples(st.just("withdraw"), st.integers(11, 13), st.sampled_from(["", *CONSENTED]), st.just(0)),
        st.tuples(st.just("bar"), st.integers(11, 13), st.sampled_from(["", "sms"]), st.booleans()),
        st.tuples(st.just("due"), st.integers(0, 9), st.just(0), st.just(0)),
    ),
    max_size=14,
)


def played(steps: list[Any]) -> World:
    world = World()
    world.publish()
    world.publish("study", "research", (Cell("movement"), Cell("position", "city")), valid_days=1)
    for what, who, which, more in steps:
        if what == "own":
            world.owns(who, which, more)
        elif what == "end":
            ended = VehiclePersonEnded(
                vehicle_id=which, person=who, role=more, from_ms=T0, to_ms=world.time_ms, source="sale", reason="sold"
            )
            world.say("vehicle.person.ended", ended, f"vehicle:{which}")
        elif what == "give":
            cells = CARE[:more] if which == "care-basic" else ()
            world.give(who, which, cells=cells)
        elif what == "withdraw":
            world.withdraw(who, purpose=which)
        elif what == "bar":
            bar = ContactBarRequested(person=who, channel=which, barred=more)
            world.say("consent.contact.requested", bar, f"person:{who}")
        elif names := sorted(world.timers()):
            world.fire(names[who % len(names)])
    return world


@settings(max_examples=60, deadline=None)
@given(STEPS, st.data())
def test_told_again_and_folded_again_it_is_the_same(steps: list[Any], data: st.DataObject) -> None:
    world = played(steps)
    before, events = world.log.tables.contents(), list(world.log.events)
    if events:
        some = data.draw(st.lists(st.sampled_from(events), max_size=8))
        assert world.log.take(some) == []
    assert world.log.tables.contents() == before
    again = World()
    outside = [one for one in events if one.actor != "consent"]
    for one in outside:
        again.log.take([msgspec.structs.replace(one, seq=0)])
        again.log.restart()
    assert [one.id for one in again.log.events] == [one.id for one in events]
    assert again.log.tables.contents() == before


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_every_consent_is_within_its_purpose_and_every_chain_holds(steps: list[Any]) -> None:
    world = played(steps)
    for row in world.rows(Consent):
        assert row.purpose in CONSENTED
        assert row.data_class in HOLDS[row.purpose]
        if row.state == "given":
            assert not 0 < row.expires_ms <= row.since_ms
    by_person: dict[int, list[ConsentRecord]] = {}
    for record in world.rows(ConsentRecord):
        by_person.setdefault(record.person, []).append(record)
    for person in world.rows(ConsentPerson):
        records = by_person.get(person.person, [])
        assert [one.number for one in records] == list(range(1, person.records + 1))
        assert first_broken([(record_parts(one), one.hash) for one in records]) is None
        assert person.hash == (records[-1].hash if records else START)
    # What a person says last of a thing is what counts: the chain's end agrees with the row.
    last = {(one.person, one.purpose, one.data_class, one.channel): one.type for one in world.rows(ConsentRecord)}
    for row in world.rows(Consent):
        said = last.get((row.person, *row.cell))
        assert (row.state == "given") == (said == "consent.given")
    intents = [one for one in world.log.events if one.type in CONSENT.decides]
    decided = [one.answers for one in world.log.events if one.answers]
    assert sorted(decided) == sorted(one.id for one in intents)
    assert not [one for one in world.log.events if one.type == "ops.parked"]


def test_everything_the_actor_says_is_declared() -> None:
    declared = {type_ for type_, _ in EVENTS}
    assert set(CONSENT.emits) | set(CONSENT.decides) <= declared
