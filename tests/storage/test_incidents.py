"""Incidents as people read them, on both databases: the gravest first, their own stores' only."""

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from actors.business.incident import INCIDENT
from core import limits
from core.business import Business
from core.events import AlarmSeen, CrashSuspected, Event, derive_id
from core.events.incident import IncidentAcknowledgementRequested
from core.rights import NODE, Scope
from storage.database import Database
from storage.eventlog import EventLog
from storage.incidents import Incidents
from storage.tables.business import VEHICLE
from storage.timers import Clock
from tests.business.toy import blank

NOW_MS = 1_760_000_000_000
_NUMBERS = itertools.count(1)


class Place:
    """A database with four cars, two of each store, and the incidents of what is appended to its log."""

    def __init__(self, database: Database) -> None:
        self.log = EventLog(database, business=Business((INCIDENT,)))
        self.incidents = Incidents(database)
        with database.write() as connection:
            for vehicle in range(1, 5):
                connection.execute(
                    insert(VEHICLE).values(
                        id=vehicle, plate=f"京A0000{vehicle}", plate_colour=1, vin="", group_id=1,
                        store_id=1 + vehicle // 3, created_ms=NOW_MS,
                    )
                )  # fmt: skip

    def say(self, type_: str, payload: Any, vehicle: int, actor: str = "detection") -> None:
        number = next(_NUMBERS)
        self.log.append(
            [
                Event(
                    id=derive_id("test", type_, 1, (), str(number)), type=type_, time_ms=NOW_MS + number * 1000,
                    subject=f"vehicle:{vehicle}", store=1 + vehicle // 3, actor=actor, payload=payload,
                )
            ]
        )  # fmt: skip

    def sos(self, vehicle: int) -> None:
        place = {"lat_1e7": 300_123_456, "lon_1e7": 1_200_654_321, "has_fix": True}
        self.say("sos.pressed", blank(AlarmSeen, vehicle_id=vehicle, **place), vehicle)

    def crash(self, vehicle: int, severity: str = "light") -> None:
        nothing: dict[str, Any] = {"evidence": (), "against": (), "blind": (), "peak_mg": None}
        nothing |= {"speed_before_kmh10": None, "speed_kmh10": None, "confidence_percent": 80}
        said = blank(CrashSuspected, vehicle_id=vehicle, severity=severity, impact_ms=NOW_MS, **nothing)
        self.say("crash.suspected", said, vehicle)


@pytest.fixture
def place(business_dsn: str) -> Iterator[Place]:
    database = Database(business_dsn)
    yield Place(database)
    database.close()


def seen(place: Place, scope: Scope = Scope(), **asked: Any) -> list[int]:  # noqa: B008 (frozen)
    principal = msgspec.structs.replace(NODE, scope=scope)
    return [one.vehicle_id for one in place.incidents.page(principal, **asked)[0]]


def test_the_gravest_comes_first_and_of_equal_ones_the_oldest_and_only_in_ones_own_stores(place: Place) -> None:
    place.crash(1)
    place.sos(2)
    place.crash(3, "moderate")
    place.sos(4)
    assert seen(place) == [2, 4, 3, 1]
    assert seen(place, Scope(stores=(1,))) == [2, 1]
    assert seen(place, Scope(stores=(2,))) == [4, 3]
    assert seen(place, Scope(stores=())) == seen(place, Scope(group=2)) == []
    assert seen(place, Scope(purposes=frozenset({"service"}))) == []
    assert seen(place, state="closed") == []
    assert seen(place, vehicle_id=3) == [3]
    outside = msgspec.structs.replace(NODE, scope=Scope(stores=(1,)))
    for number in range(1, 5):
        mine = place.incidents.one(outside, number) is not None
        assert mine == bool(place.incidents.steps(outside, number)) == bool(place.incidents.alerts(outside, number))
        assert mine == (number <= 2)


def test_a_story_is_clocked_and_a_place_is_as_exact_as_its_reader_may_see(place: Place) -> None:
    place.sos(1)
    place.say("incident.acknowledgement.requested", IncidentAcknowledgementRequested(incident=1, vehicle_id=1), 1,
              "account:7")  # fmt: skip
    case = place.incidents.one(NODE, 1)
    assert case is not None
    assert (case.ringing, case.holder, case.lat_1e7, case.plate) == (False, "account:7", 300_123_456, "京A00001")
    steps = place.incidents.steps(NODE, 1)
    assert [(step.what, step.by) for step in steps] == [("opened", ""), ("acknowledged", "account:7")]
    assert steps[0].time_ms <= steps[1].time_ms
    assert place.log.read(steps[0].seq - 1, 1)[0].type == "sos.pressed"
    [alert] = place.incidents.alerts(NODE, 1)
    assert (alert.kind, alert.state) == ("sos", "acknowledged")
    coarse = place.incidents.one(msgspec.structs.replace(NODE, scope=Scope(precision="district")), 1)
    blind = place.incidents.one(msgspec.structs.replace(NODE, scope=Scope(precision="none")), 1)
    assert coarse is not None
    assert blind is not None
    assert (coarse.lat_1e7, blind.lat_1e7) == (300_100_000, None)


def test_pages_and_stories_end_at_their_bound_and_go_on_behind_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INCIDENTS_PAGE_MAX", 2)
    monkeypatch.setattr(limits, "INCIDENT_STEPS_MAX", 2)
    for vehicle in (1, 2, 3, 4, 4, 4):
        place.sos(vehicle)
    first, after = place.incidents.page(NODE, limit=100)
    second, last = place.incidents.page(NODE, after=after)
    assert [one.vehicle_id for one in first + second] == [1, 2, 3, 4]
    assert place.incidents.page(NODE, after=last) == ([], "")
    assert [step.number for step in place.incidents.steps(NODE, 4)] == [2, 3]
    with pytest.raises(ValueError, match="nowhere"):
        place.incidents.page(NODE, after="nowhere")


def test_an_emergency_call_that_nobody_takes_escalates_by_the_clock_and_goes_on_for_ever(place: Place) -> None:
    place.sos(1)
    case = place.incidents.one(NODE, 1)
    assert case is not None
    now_ms = case.due_ms - 1
    clock = Clock(place.log, lambda: now_ms)
    assert clock.step() == 0
    for _ in range(40):
        now_ms = max(now_ms, next(iter(seen_due(place))))
        assert clock.step() == 1
    case = place.incidents.one(NODE, 1)
    assert case is not None
    assert case.level == 40
    assert not place.log.read(0, type_prefix="ops.parked")


def seen_due(place: Place) -> list[int]:
    return [one.due_ms for one in place.incidents.page(NODE)[0]]
