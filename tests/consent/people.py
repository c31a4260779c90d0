"""Persons, cars and consents as rows, and events about them: what the tests of reading share."""

from typing import Any

import msgspec
from sqlalchemy import insert

from core.events import AlarmSeen, Event, OdometerAdvanced, TripClosed, derive_id
from core.rights import ROLES, Principal, Scope
from storage.database import Database
from storage.tables.business import VEHICLE
from storage.tables.consent import CONSENT, CONSENT_SUBJECT

T0 = 1_760_000_000_000
LAT, LON = 312_304_156, 1_214_737_049


def reads_for(*purposes: str, **scope: Any) -> Principal:
    """Return somebody who reads for these purposes and no others."""
    rights = ROLES["viewer"]
    return Principal(account=7, rights=rights, scope=Scope(purposes=frozenset(purposes), **scope), address="10.0.0.9")


def car(database: Database, number: int, store: int = 1) -> None:
    """Enter a car."""
    with database.write() as connection:
        connection.execute(
            insert(VEHICLE).values(
                id=number, plate=f"沪A{number:05}", plate_colour=2, vin="", group_id=1, store_id=store, created_ms=0
            )
        )


def link(database: Database, person: int, subject: str, role: str = "owner", from_ms: int = 0, to_ms: int = 0) -> None:
    """Say that a person's word counts for a subject."""
    with database.write() as connection:
        connection.execute(
            insert(CONSENT_SUBJECT).values(
                subject=subject, person=person, role=role, from_ms=from_ms, to_ms=to_ms, group_id=1, store_id=1
            )
        )


def allow(database: Database, person: int, purpose: str, data_class: str, **fields: Any) -> None:
    """Write down a consent as the actor would, as it stands now."""
    row = {
        "channel": "data", "group_id": 1, "store_id": 1, "state": "given", "precision": "exact", "text": "t",
        "version": 1, "evidence": "form:1", "since_ms": 0, "expires_ms": 0, "changed_ms": 0, "event": "",
        "held_by": 0, "bucket": 0, **fields,
    }  # fmt: skip
    mine = (CONSENT.c.person == person) & (CONSENT.c.purpose == purpose) & (CONSENT.c.data_class == data_class)
    with database.write() as connection:
        connection.execute(CONSENT.delete().where(mine))
        connection.execute(insert(CONSENT).values(person=person, purpose=purpose, data_class=data_class, **row))


def trip(number: int, vehicle: int = 1, **fields: Any) -> Event:
    """Return a trip of a car that ended `number` seconds after T0."""
    payload = TripClosed(
        vehicle_id=vehicle, terminal=3, trip_id=f"{number:016x}", report_id=f"{number:016x}", started_ms=T0,
        start_lat_1e7=LAT, start_lon_1e7=LON, lat_1e7=LAT + 7, lon_1e7=LON + 7, duration_ms=600_000, distance_m=9_000,
        distance_from="odometer", max_kmh10=870, idle_ms=0, reports=20, began_by="ignition", ended_by="ignition",
    )  # fmt: skip
    return _event("trip.closed", number, vehicle, payload, **fields)


def odometer(number: int, vehicle: int = 1, **fields: Any) -> Event:
    """Return a reading of a car's odometer."""
    payload = OdometerAdvanced(
        vehicle_id=vehicle, terminal=3, trip_id="a", report_id="b", odometer_m=19_500_000, advance_m=9_000,
        source="odometer", base=1,
    )  # fmt: skip
    return _event("odometer.advanced", number, vehicle, payload, **fields)


def sos(number: int, vehicle: int = 1, **fields: Any) -> Event:
    """Return an emergency key that was pressed."""
    payload = AlarmSeen(
        vehicle_id=vehicle, terminal=3, report_id="c", lat_1e7=LAT, lon_1e7=LON, speed_kmh10=870, alarm=1,
        evidence="alarm.0", has_fix=True,
    )  # fmt: skip
    return _event("sos.pressed", number, vehicle, payload, **{"purpose": "safety", **fields})


def _event(type_: str, number: int, vehicle: int, payload: msgspec.Struct, **fields: Any) -> Event:
    plain = Event(
        id=derive_id("test", type_, 1, (str(number),), str(vehicle)), type=type_, time_ms=T0 + number * 1_000,
        subject=f"vehicle:{vehicle}", store=1, actor="test", payload=payload,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **fields)
