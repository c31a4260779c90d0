"""Trips of a car, as the log tells of them: newest first, the one under way in front, places as exact as allowed."""

import time
from typing import Any

import msgspec
from litestar.testing import TestClient

from api.trips import trip_of
from core.events import Event, TripClosed, TripOpened, derive_id
from core.rights import NODE
from storage.reader import shown
from tests.api.conftest import Node

NOON_MS = time.time_ns() // 3_600_000_000_000 * 3_600_000 - 6 * 3_600_000
"""The log looks for what happened near the time at which it was told."""
HOUR_MS = 3_600_000


def told(number: int, type_: str, time_ms: int, payload: msgspec.Struct, vehicle_id: int = 3) -> Event:
    return Event(
        id=derive_id("test", type_, 1, (str(number),), ""),
        type=type_,
        time_ms=time_ms,
        subject=f"vehicle:{vehicle_id}",
        actor="test",
        payload=payload,
    )


def opened(number: int) -> Event:
    payload = TripOpened(
        vehicle_id=3,
        terminal=3,
        trip_id=f"{number:016x}",
        report_id="b",
        lat_1e7=312_300_001,
        lon_1e7=1_214_700_001,
        began_by="ignition",
    )
    return told(number, "trip.opened", NOON_MS + number * HOUR_MS, payload)


def closed(number: int) -> Event:
    payload = TripClosed(
        vehicle_id=3,
        terminal=3,
        trip_id=f"{number:016x}",
        report_id="c",
        started_ms=NOON_MS + number * HOUR_MS,
        start_lat_1e7=312_300_001,
        start_lon_1e7=1_214_700_001,
        lat_1e7=312_400_001,
        lon_1e7=1_214_800_001,
        duration_ms=HOUR_MS // 2,
        distance_m=15_200,
        distance_from="odometer",
        max_kmh10=815,
        idle_ms=60_000,
        reports=180,
        began_by="ignition",
        ended_by="standing",
    )
    return told(number, "trip.closed", NOON_MS + number * HOUR_MS + HOUR_MS // 2, payload)


def page(client: TestClient, query: str = "", vehicle: int = 3) -> dict[str, Any]:
    answer = client.get(f"/api/v1/vehicles/{vehicle}/trips{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_trips_come_newest_first_by_pages_and_the_one_under_way_in_front(node: Node, client: TestClient) -> None:
    for number in range(1, 4):
        node.eventlog.append([opened(number), closed(number)])
    node.eventlog.append([opened(4)])
    first = page(client, "?limit=2")
    assert [(trip["started_ms"] - NOON_MS) // HOUR_MS for trip in first["items"]] == [4, 3, 2]
    assert [trip["ended_ms"] is None for trip in first["items"]] == [True, False, False]
    second = page(client, f"?limit=2&before={first['next']}")
    assert [trip["trip_id"] for trip in second["items"]] == [f"{1:016x}"]
    assert second["next"] is None
    one = second["items"][0]
    assert (one["distance_m"], one["distance_from"], one["max_kmh"], one["duration_s"]) == (
        15_200,
        "odometer",
        81.5,
        1800,
    )
    assert one["start"] == {"lat": 31.2300001, "lon": 121.4700001}
    # Of a span of time: those that ended in it.
    span = f"?from={NOON_MS + 2 * HOUR_MS}&to={NOON_MS + 3 * HOUR_MS}"
    assert [trip["trip_id"] for trip in page(client, span)["items"]] == [f"{2:016x}"]
    assert page(client, vehicle=4)["items"] == []
    assert client.get("/api/v1/vehicles/99/trips").json()["code"] == "vehicle_unknown"
    assert client.get("/api/v1/vehicles/3/trips?from=noon").json()["code"] == "bad_request"


def test_the_ends_of_a_trip_are_as_exact_as_its_reader_may_know() -> None:
    for precision, start in (("exact", 31.2300001), ("none", None)):
        who = msgspec.structs.replace(NODE, scope=msgspec.structs.replace(NODE.scope, precision=precision))
        trip = trip_of(shown(closed(1), who))
        assert (trip.start and trip.start.lat) == start
        assert (trip.end is None) == (start is None)
    district = msgspec.structs.replace(NODE, scope=msgspec.structs.replace(NODE.scope, precision="district"))
    trip = trip_of(shown(closed(1), district))
    assert trip.start is not None
    assert trip.start.lat != 31.2300001
    assert abs(trip.start.lat - 31.23) < 0.05
