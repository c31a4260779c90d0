"""Who reads for a purpose that needs consent sees what people allow, as exactly as they do, and nothing else."""

import time
from typing import Any

import msgspec
import pytest

from core import limits
from core.data_classes import (
    CONSENTED,
    DATA_CLASSES,
    EVENT_CLASSES,
    HOLDS,
    LADDER,
    OPERATIONAL,
    REFERENCE,
    class_of,
    field_class,
    fields_of,
    is_personal,
)
from core.events import EVENTS, PURPOSES
from core.rights import NODE, PRECISION_1E7
from storage.eventlog import EventLog
from storage.reader import Reader, rounded
from storage.tables.business import STORE
from tests.consent.people import LAT, LON, T0, allow, car, link, odometer, reads_for, sos, trip
from tests.storage.test_reader import Reports


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def reader(log: EventLog, reports: Reports) -> Reader:
    """Return a reader over cars 1 and 2: person 11 owns the first, nobody is known to own the second."""
    for number in (1, 2):
        car(log.database, number)
    link(log.database, 11, "vehicle:1")
    return Reader(log.database, reports)  # type: ignore[arg-type]


def payloads(reader: Reader, *purposes: str, **scope: Any) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(event.payload) for event in reader.events(reads_for(*purposes, **scope)).items]


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_field_of_every_event_says_what_it_tells() -> None:
    """A new event or field is classified in core/data_classes.py before it can be read by anybody's consent."""
    for (type_, version), struct in EVENTS.items():
        event_class = class_of(type_)
        assert event_class in DATA_CLASSES, f"{type_}: put its beginning into EVENT_CLASSES"
        for name in struct.__struct_fields__:
            said = field_class(struct, name, event_class)
            assert said in {*DATA_CLASSES, REFERENCE}, (
                f"{type_} version {version}: say in FIELD_CLASSES what {struct.__name__}.{name} tells"
            )


def test_every_coordinate_is_a_position_and_every_name_of_a_car_is_one() -> None:
    for (type_, version), struct in EVENTS.items():
        for name, said in fields_of(type_, version).items():
            if name.endswith(("lat_1e7", "lon_1e7")):
                assert said == "position", f"{struct.__name__}.{name}"
            if is_personal(type_) and name in ("phone", "plate", "vin"):
                assert said == "vehicle", f"{struct.__name__}.{name}"


def test_every_purpose_says_what_it_may_hold_and_none_that_needs_consent_holds_all() -> None:
    assert set(HOLDS) == set(PURPOSES) == {*OPERATIONAL, *CONSENTED}
    for purpose, held in HOLDS.items():
        assert set(held) <= set(DATA_CLASSES), purpose
        assert set(held.values()) <= set(LADDER), purpose
        assert all(rung == "exact" or name == "position" for name, rung in held.items()), purpose
    for purpose in ("safety", "theft", "service"):
        assert set(HOLDS[purpose]) == set(DATA_CLASSES), f"{purpose} is never blocked"
    # Marketing has derived facts: that a service is due, never a trip, a place, a speed or an odometer.
    for name in ("movement", "place", "driving", "mileage", "incident", "security", "media", "talk", "vehicle"):
        assert name not in HOLDS["marketing"], name
    for purpose in CONSENTED:
        assert not {"terminal", "media", "talk", "identity"} & HOLDS[purpose].keys(), purpose
        assert HOLDS[purpose]["position"] not in ("exact", "street"), purpose
    assert set(EVENT_CLASSES.values()) <= set(DATA_CLASSES)


# --- events -----------------------------------------------------------------------------------------------------------


def test_without_a_consent_the_answer_is_no(log: EventLog, reader: Reader) -> None:
    log.append([trip(1), sos(2), odometer(3), trip(4, vehicle=2)])
    for purpose in CONSENTED:
        assert payloads(reader, purpose) == [], purpose
    assert len(payloads(reader, "safety")) == 1, "an emergency is never blocked"
    assert len(payloads(reader, "service")) == 3
    assert len(payloads(reader, *PURPOSES)) == 4


def test_a_consent_opens_its_class_and_no_other_field(log: EventLog, reader: Reader) -> None:
    log.append([trip(1), sos(2), odometer(3), trip(4, vehicle=2)])
    allow(log.database, 11, "research", "movement")
    [seen] = payloads(reader, "research")
    assert seen["distance_m"] == 9_000
    assert seen["vehicle_id"] == 1
    assert not {"max_kmh10", "lat_1e7", "start_lon_1e7"} & seen.keys()
    # Every class that is allowed adds its fields, to the rung that is allowed.
    allow(log.database, 11, "research", "driving")
    allow(log.database, 11, "research", "position", precision="district")
    [seen] = payloads(reader, "research")
    step = PRECISION_1E7["district"]
    assert seen["max_kmh10"] == 870
    assert (seen["lat_1e7"], seen["start_lon_1e7"]) == (rounded(LAT + 7, step), rounded(LON, step))
    assert seen["lat_1e7"] % step == 0
    # Another purpose has its own consents.
    assert payloads(reader, "care") == []
    assert reader.event(reads_for("research"), 3) is None
    assert reader.event(reads_for("research"), 1) is not None


def test_no_consent_gives_more_than_the_purpose_may_hold(log: EventLog, reader: Reader) -> None:
    """A row that should not be there opens nothing: what a purpose may hold is asked at every read."""
    log.append([trip(1), odometer(2)])
    for name in DATA_CLASSES:
        allow(log.database, 11, "marketing", name)
        allow(log.database, 11, "partner", name)
    assert payloads(reader, "marketing") == []
    assert [sorted(one)[:1] for one in payloads(reader, "partner")] == [["advance_m"]]
    allow(log.database, 11, "care", "movement")
    allow(log.database, 11, "care", "position", precision="exact")
    [seen] = payloads(reader, "care")
    assert seen["lat_1e7"] == rounded(LAT + 7, PRECISION_1E7["district"])


def test_a_withdrawn_an_expired_and_a_held_consent_open_nothing_old_or_new(log: EventLog, reader: Reader) -> None:
    log.append([trip(1), trip(2)])
    now_ms = time.time_ns() // 1_000_000
    cases: list[tuple[dict[str, Any], int]] = [
        ({"state": "asked"}, 0),
        ({"state": "held"}, 0),
        ({"state": "withdrawn"}, 0),
        ({"state": "expired"}, 0),
        ({"channel": "sms"}, 0),
        ({"expires_ms": now_ms - 1}, 0),
        ({"expires_ms": now_ms + 60_000}, 2),
        ({"since_ms": T0 + 2_000}, 1),
        ({"since_ms": T0 + 2_001}, 0),
        ({}, 2),
    ]
    for fields, count in cases:
        allow(log.database, 11, "research", "movement", **fields)
        assert len(payloads(reader, "research")) == count, fields


def test_whoever_owned_the_car_at_that_time_decides(log: EventLog, reader: Reader) -> None:
    log.append([trip(1, vehicle=2), trip(2, vehicle=2), trip(3, vehicle=2)])
    link(log.database, 21, "vehicle:2", to_ms=T0 + 2_000)
    link(log.database, 22, "vehicle:2", from_ms=T0 + 3_000)
    allow(log.database, 21, "research", "movement")
    assert [event.seq for event in reader.events(reads_for("research")).items] == [1]
    allow(log.database, 22, "research", "movement")
    assert [event.seq for event in reader.events(reads_for("research")).items] == [1, 3], "between them nobody owned it"


def test_all_owners_must_allow_it_and_known_drivers_what_tells_of_them(log: EventLog, reader: Reader) -> None:
    log.append([trip(1), odometer(2)])
    for person in (11, 12):
        allow(log.database, person, "research", "movement")
        allow(log.database, person, "research", "mileage")
    assert len(payloads(reader, "research")) == 2
    link(log.database, 13, "vehicle:1", role="driver")
    # A trip tells of the driver, the odometer of the car.
    assert [event.type for event in reader.events(reads_for("research")).items] == ["odometer.advanced"]
    allow(log.database, 13, "research", "movement")
    assert len(payloads(reader, "research")) == 2
    link(log.database, 14, "vehicle:1", role="payer")
    assert len(payloads(reader, "research")) == 2, "who pays has no say"
    link(log.database, 15, "vehicle:1")
    assert payloads(reader, "research") == [], "a second owner was not asked"


def test_the_least_exact_of_several_people_counts(log: EventLog, reader: Reader) -> None:
    log.append([trip(1)])
    link(log.database, 12, "vehicle:1", role="driver")
    for person, rung in ((11, "block"), (12, "city")):
        allow(log.database, person, "care", "movement")
        allow(log.database, person, "care", "position", precision=rung)
    [seen] = payloads(reader, "care")
    assert seen["lat_1e7"] == rounded(LAT + 7, PRECISION_1E7["city"])
    [seen] = payloads(reader, "care", precision="none")
    assert "lat_1e7" not in seen, "what the reader may not see no consent opens"


def test_area_says_whether_a_car_is_near_a_store_and_not_where(log: EventLog, reader: Reader) -> None:
    near, far = trip(1), trip(2)
    payload = msgspec.structs.replace(far.payload, lat_1e7=LAT + 6_000_000)
    log.append([near, msgspec.structs.replace(far, payload=payload)])
    store = {"group_id": 1, "code": "s", "name_zh": "店", "name_en": "s", "time_zone": "Asia/Shanghai", "created_ms": 0}
    with log.database.write() as connection:
        connection.execute(STORE.insert().values(lat_1e7=LAT, lon_1e7=LON, **store))
    allow(log.database, 11, "care", "movement")
    allow(log.database, 11, "care", "position", precision="area")
    first, second = payloads(reader, "care")
    assert (first["in_service_area"], second["in_service_area"]) == (True, False)
    assert not [name for name in (*first, *second) if name.endswith("_1e7")]


def test_who_reads_for_several_purposes_sees_what_each_of_them_may(log: EventLog, reader: Reader) -> None:
    log.append([trip(1), sos(2), odometer(3)])
    allow(log.database, 11, "research", "movement")
    allow(log.database, 11, "care", "mileage")
    who = reads_for("safety", "research", "care")
    assert [event.type for event in reader.events(who).items] == ["trip.closed", "sos.pressed", "odometer.advanced"]
    [told, alarm, _] = reader.events(who).items
    assert "lat_1e7" not in told.payload
    assert alarm.payload.lat_1e7 == LAT


def test_an_event_that_may_be_used_for_marketing_needs_the_person_s_yes_of_everybody(
    log: EventLog, reader: Reader
) -> None:
    log.append([trip(1, purpose="care"), trip(2)])
    assert [event.seq for event in reader.events(NODE).items] == [2]
    allow(log.database, 11, "care", "movement")
    assert [event.seq for event in reader.events(NODE).items] == [1, 2]


def test_billing_sees_how_far_a_car_went_and_not_where_or_how_fast(log: EventLog, reader: Reader) -> None:
    log.append([trip(1, purpose="billing")])
    [seen] = payloads(reader, "billing")
    assert seen["distance_m"] == 9_000
    assert not {"lat_1e7", "max_kmh10"} & seen.keys()


def test_pages_go_on_over_what_is_not_shown(log: EventLog, reader: Reader) -> None:
    log.append([trip(number, vehicle=1 + number % 2) for number in range(1, 9)])
    allow(log.database, 11, "research", "movement")
    who, after, seen = reads_for("research"), 0, []
    for _ in range(9):
        page = reader.events(who, after, limit=2)
        seen += [event.seq for event in page.items]
        after = page.seq
    assert seen == [2, 4, 6, 8]
    newest = reader.events(who, limit=3, newest_first=True)
    assert [event.seq for event in newest.items] == [8, 6, 4]


# --- positions --------------------------------------------------------------------------------------------------------


def test_a_position_is_told_as_exactly_as_its_people_allow(log: EventLog, reader: Reader) -> None:
    who = reads_for("care")
    assert reader.positions(who).items == []
    assert reader.position(who, 1) is None
    allow(log.database, 11, "care", "position", precision="district")
    step = PRECISION_1E7["district"]
    [seen] = reader.positions(who).items
    assert (seen.vehicle_id, seen.lat_1e7, seen.speed_kmh10, seen.alarm) == (1, rounded(312_304_156, step), 0, 0)
    assert reader.positions_of(who, [1, 2]) == [seen]
    assert reader.placed(who.scope) == {1: "district"}
    allow(log.database, 11, "care", "position", precision="area")
    assert reader.positions(who).items == []
    assert reader.placed(who.scope) == {}
    assert len(reader.positions(reads_for("service")).items) == 2
    assert reader.positions(reads_for("billing")).items == []


def test_a_track_is_told_while_it_is_allowed_and_the_car_is_theirs(log: EventLog, reader: Reader) -> None:
    who = reads_for("care")
    assert reader.track(who, 1, 0, 20) == []
    link(log.database, 12, "vehicle:1", from_ms=10, to_ms=15)
    allow(log.database, 11, "care", "position", precision="district", since_ms=5)
    assert [point.time_ms for point in reader.track(who, 1, 0, 20) or []] == [5, 6, 7, 8, 9, 15, 16, 17, 18, 19]
    allow(log.database, 12, "care", "position", precision="city")
    points = reader.track(who, 1, 0, 20) or []
    assert [point.time_ms for point in points] == list(range(5, 20))
    assert {point.lat_1e7 % PRECISION_1E7["city"] for point in points[5:10]} == {0}
    assert [point.time_ms for point in reader.track(who, 1, 0, 20, limit=7) or []] == list(range(5, 12))
    assert [point.time_ms for point in reader.track(reads_for("service"), 1, 0, 3) or []] == [0, 1, 2]
    assert reader.recorded(who, 1, 0, 20, 10) is None


def test_one_metre_past_the_service_area_is_outside(
    log: EventLog, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SERVICE_AREA_M", 1_112)
    store = {"group_id": 1, "code": "s", "name_zh": "店", "name_en": "s", "time_zone": "Asia/Shanghai", "created_ms": 0}
    with log.database.write() as connection:
        connection.execute(STORE.insert().values(lat_1e7=LAT, lon_1e7=LON, **store))
    allow(log.database, 11, "care", "movement")
    allow(log.database, 11, "care", "position", precision="area")
    inside, outside = (
        msgspec.structs.replace(one, payload=msgspec.structs.replace(one.payload, lat_1e7=LAT + away, lon_1e7=LON))
        for one, away in ((trip(1), 100_000), (trip(2), 100_018))
    )
    log.append([inside, outside])
    assert [one["in_service_area"] for one in payloads(reader, "care")] == [True, False]
