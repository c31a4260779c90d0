"""Parties outside answer late, twice, wrongly or never; whatever they do, what was asked has one outcome."""

from collections import Counter
from pathlib import Path

import pytest

import storage
from actors.adapters import ADAPTERS, Outcome, Outlet
from actors.alerting import Alerting
from core.events import AlarmSeen, Event, derive_id
from core.rights import NODE
from simulators.world.outside import MANNERS, OPEN_MAX, Party, answers
from storage.database import Database
from storage.eventlog import EventLog
from storage.outbox import Message
from storage.people import People

IDS = [f"{n:032x}" for n in range(4_000)]


@pytest.mark.parametrize("name", sorted(MANNERS))
def test_a_party_is_as_its_manner_says(name: str) -> None:
    manner = MANNERS[name]
    said = [answers(name, 1, about, 0) for about in IDS]
    counts = Counter(len(one) for one in said)
    assert counts[0] / len(IDS) == pytest.approx(manner.never, abs=0.02)
    assert counts[2] / len(IDS) == pytest.approx(manner.twice, abs=0.02)
    first = [one[0] for one in said if one]
    assert sum(one.at_ms > 2 * manner.wait_ms for one in first) / len(IDS) == pytest.approx(manner.late, abs=0.05)
    assert sum(one.outcome == "failed" for one in first) / len(IDS) == pytest.approx(manner.fails, abs=0.02)


def test_two_answers_say_the_same_and_the_second_comes_later() -> None:
    for about in IDS:
        said = answers("insurer", 1, about, 5_000)
        assert len({one.outcome for one in said}) <= 1
        assert [one.at_ms for one in said] == sorted({one.at_ms for one in said})
        assert all(one.at_ms > 5_000 for one in said)


def test_the_same_seed_answers_the_same() -> None:
    assert [answers("bank", 1, about, 7) for about in IDS] == [answers("bank", 1, about, 7) for about in IDS]
    assert [answers("bank", 1, about, 7) for about in IDS] != [answers("bank", 2, about, 7) for about in IDS]


def test_what_is_asked_twice_is_done_once() -> None:
    party = Party("carrier")
    first = party.ask("a", 0, 60_000)
    assert party.ask("a", 10, 60_000) == "unknown"
    assert party.enquire("a", 100_000) == (first if first != "unknown" else party.enquire("a", 100_001))
    assert party.counts["asked"] == 1
    assert party.counts["repeated"] == 1


def test_every_unknown_is_resolved_by_asking_again() -> None:
    party = Party("rescuer")
    shown = {about: party.ask(about, 0, 5_000) for about in IDS}
    unknown = [about for about, what in shown.items() if what == "unknown"]
    assert unknown
    late = {answer.about: answer.outcome for answer in party.due(1 << 50)}
    for about in unknown:
        assert party.enquire(about, 1 << 50) == late.get(about, party.enquire(about, 1 << 50)) != "unknown"
    for about in set(IDS) - set(unknown):
        assert party.enquire(about, 1 << 50) == shown[about]


def test_of_what_it_was_never_asked_a_party_knows_nothing() -> None:
    assert Party("bank").enquire("nothing", 1 << 50) == "unknown"


def test_past_a_hundred_thousand_things_the_oldest_is_forgotten() -> None:
    party = Party("map")
    for number in range(OPEN_MAX + 1):
        party.ask(str(number), 0, 0)
    assert party.counts["forgotten"] == 1
    assert party.enquire("0", 1 << 50) == "unknown"
    assert party.enquire("1", 1 << 50) != "unknown"


def test_an_adapter_before_such_a_party_has_one_outcome_for_each_intent(tmp_path: Path) -> None:
    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    storage.migrate(dsn)
    log = EventLog(Database(dsn))
    _, token = People(log.database).create_account(NODE, login="whole", name="whole", role="manager", stores=None)
    People(log.database).take_invitation(token, "korrekt-pferd-batterie")
    party = Party("carrier")
    now_ms = 1_760_000_000_000

    def deliver(row: Message) -> Outcome:
        said = party.ask(row.id, now_ms, 600)
        return Outcome("sent" if said == "confirmed" else said)

    adapter = ADAPTERS[0]._replace(deliver=deliver, repeatable=False)
    alerting, outlet = Alerting(log), Outlet(adapter, log)
    for number in range(200):
        seen = AlarmSeen(
            vehicle_id=1,
            report_id=f"{number:016x}",
            lat_1e7=0,
            lon_1e7=0,
            speed_kmh10=0,
            terminal=1,
            alarm=1,
            evidence="alarm.0",
            has_fix=True,
        )
        sos = Event(
            id=derive_id("test", "sos.pressed", 1, (str(number),), ""),
            type="sos.pressed",
            time_ms=now_ms,
            subject="vehicle:1",
            actor="test",
            purpose="safety",
            payload=seen,
        )
        log.append([sos])
    while alerting.step() or outlet.step():
        pass
    events = log.read(0, type_prefix="message.", limit=1_000)
    asked = {event.id for event in events if event.type == "message.requested"}
    told = [event.answers for event in events if event.type != "message.requested"]
    assert sorted(told) == sorted(asked)
    assert party.counts == {"asked": 200, "repeated": 0, "forgotten": 0, "enquiries": 0}
    states = Counter(event.type for event in events)
    assert states["message.sent"] > 150
    assert states["message.failed"] > 0
    # Whoever it is unknown of is asked again, and then it is known: nothing is assumed.
    unknown = [event.answers for event in events if event.type == "message.unknown"]
    assert unknown
    assert all(party.enquire(about, now_ms + 60_000) != "unknown" for about in unknown)
    log.database.close()
