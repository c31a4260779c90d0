"""Vehicles are found by what people know of them, and only by those whose they are."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.vehicles import URGENT
from core.events import CommandProgress, Event
from core.rights import ROLES, Principal, Scope
from storage.clickhouse import LastPosition
from storage.database import Database
from storage.people import People
from storage.reader import Reader
from tests.api.conftest import KEY, Node


class Cars:
    """Three cars of store 1, two of store 2, one of the group; what each does stands in `now`."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.people = node.people
        self.now: dict[int, tuple[bool, int, int]] = {}
        """Vehicle -> (online, 0.1 km/h, alarm word)."""
        with node.database.write() as connection:
            for store, code, zone in ((1, "EAST", "Asia/Shanghai"), (2, "WEST", "Europe/Berlin")):
                connection.exec_driver_sql(
                    "INSERT INTO store (id, group_id, code, name_zh, name_en, time_zone, created_ms) "
                    "VALUES (?, 1, ?, ?, ?, ?, 0)",
                    (store, code, f"{code}店", f"{code} store", zone),
                )
            for vehicle, store, plate, vin in (
                (1, 1, "京A12345", "LSVAA4182E2184001"),
                (2, 1, "京B99_45", "LSVAA4182E2184002"),
                (3, 1, "沪C00001", ""),
                (4, 2, "京A54321", "WDD2050071F000004"),
                (5, 2, "川D%777", ""),
                (6, 0, "粤E66666", ""),
            ):
                connection.exec_driver_sql(
                    "UPDATE vehicle SET store_id = ?, plate = ?, vin = ? WHERE id = ?", (store, plate, vin, vehicle)
                )

    def rows(self) -> np.ndarray:
        return self.node.live.rows()

    def online(self, vehicle_ids: Sequence[int]) -> list[bool]:
        return [self.now.get(vehicle_id, (False, 0, 0))[0] for vehicle_id in vehicle_ids]

    def last_positions(self, vehicle_ids: Sequence[int]) -> list[LastPosition]:
        """As the live table has them, for the cars in `now`."""
        found = []
        for last in self.node.live.last_positions(vehicle_ids):
            if last.vehicle_id in self.now:
                _, speed_kmh10, alarm = self.now[last.vehicle_id]
                found.append(last._replace(speed_kmh10=speed_kmh10, alarm=alarm))
        return found


@pytest.fixture
def node(database: Database) -> Node:
    return Node(database, cars=6)


@pytest.fixture
def cars(node: Node) -> Cars:
    return Cars(node)


def person(people: People, monkeypatch: pytest.MonkeyPatch, principal: Principal) -> dict[str, str]:
    """Return the headers of somebody whose key this is."""
    token = f"key-of-{principal.account}-{principal.scope.stores}"
    known = people.by_key
    monkeypatch.setattr(people, "by_key", lambda key: principal if key == token else known(key))
    return {"Authorization": f"Bearer {token}"}


def viewer(stores: tuple[int, ...] | None, account: int = 7, **scope: Any) -> Principal:
    return Principal(
        account=account, role="operator", rights=ROLES["operator"], scope=Scope(stores=stores, **scope), api_key=1
    )


@pytest.fixture
def ask(node: Node, cars: Cars) -> Any:
    parts = node.parts()
    reader = Reader(node.database, node.reports, cars.last_positions)  # type: ignore[arg-type]
    app = create_app(msgspec.structs.replace(parts, live=cars, reader=reader))
    with TestClient(app) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def found(ask: TestClient, headers: dict[str, str] | None = None, **query: Any) -> list[int]:
    answer = ask.get("/api/v1/vehicles", params=query, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return [item["vehicle_id"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("search", "ids"),
    [
        ("京A", [1, 4]),
        ("12345", [1]),
        ("lsvaa4182e2184002", [2]),
        ("wdd", [4]),
        ("5", [1, 2, 4, 5]),
        ("30005", [5]),
        ("006", [6]),
        ("9_4", [2]),
        ("%", [5]),
        ("_", [2]),
        ("nothing", []),
        ("京A' OR 1=1", []),
        ("99999999999999999999", []),
        ("٣٣", []),
        ("  沪C ", [3]),
    ],
)
def test_a_car_is_found_by_plate_vin_number_or_the_end_of_a_phone(ask: TestClient, search: str, ids: list[int]) -> None:
    assert found(ask, search=search) == ids


def test_pages_of_vehicles_join_without_gap_or_repeat(ask: TestClient) -> None:
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = ask.get("/api/v1/vehicles", params={"after": after, "limit": 2}).json()
        seen += [item["vehicle_id"] for item in page["items"]]
        after = page["next"]
    assert seen == [1, 2, 3, 4, 5, 6]
    assert found(ask, store=2) == [4, 5]
    assert found(ask, store=0) == [6]


def test_a_car_is_found_by_what_it_does_now(ask: TestClient, cars: Cars) -> None:
    cars.now = {1: (True, 400, 0), 2: (True, 0, 0), 3: (False, 900, 1), 4: (True, 300, URGENT), 5: (True, 31, 1 << 7)}
    for state, ids in {
        "online": [1, 2, 4, 5],
        "driving": [1, 4, 5],
        "standing": [2],
        "offline": [3, 6],
        "alarm": [4],
    }.items():
        assert found(ask, state=state) == ids, state
        seen: list[int] = []
        after: int | None = 0
        while after is not None:
            page = ask.get("/api/v1/vehicles", params={"after": after, "limit": 1, "state": state}).json()
            seen += [item["vehicle_id"] for item in page["items"]]
            after = page["next"]
        assert seen == ids, state
    assert ask.get("/api/v1/vehicles?state=asleep").status_code == 400


def test_two_stores_see_each_their_own_cars(ask: TestClient, cars: Cars, monkeypatch: pytest.MonkeyPatch) -> None:
    east = person(cars.people, monkeypatch, viewer((1,)))
    west = person(cars.people, monkeypatch, viewer((2,)))
    both = person(cars.people, monkeypatch, viewer((1, 2)))
    nobody = person(cars.people, monkeypatch, viewer(()))
    foreign = person(cars.people, monkeypatch, viewer(None, account=8, group=2))
    assert found(ask, east) == [1, 2, 3]
    assert found(ask, west) == [4, 5]
    assert found(ask, both) == [1, 2, 3, 4, 5]
    assert found(ask, nobody) == found(ask, foreign) == []
    assert found(ask, east, search="54321") == found(ask, east, store=2) == found(ask, east, search="30005") == []
    for path in ("", "/track", "/days", "/frames", "/commands"):
        for vehicle in (4, 6, 99):
            answer = ask.get(f"/api/v1/vehicles/{vehicle}{path}", headers=east)
            assert (answer.status_code, answer.json()["code"]) == (404, "vehicle_unknown"), (path, vehicle)
    answer = ask.post("/api/v1/vehicles/4/commands", json={"message": "0x8201"}, headers=east)
    assert (answer.status_code, answer.json()["code"]) == (404, "vehicle_unknown")
    assert cars.node.log() == []


def test_who_may_not_read_terminals_neither_sees_nor_finds_phones(
    ask: TestClient, cars: Cars, monkeypatch: pytest.MonkeyPatch
) -> None:
    shy = msgspec.structs.replace(viewer(None), rights=frozenset({"vehicles.read"}))
    headers = person(cars.people, monkeypatch, shy)
    cars.now = {1: (True, 400, 0)}
    assert found(ask, headers, search="30005") == []
    item = ask.get("/api/v1/vehicles/1", headers=headers).json()
    assert (item["phones"], item["bindings"][0]["phone"], item["position"]) == ([], "", None)
    whole = ask.get("/api/v1/vehicles/1").json()
    assert whole["phones"] == [whole["terminals"][0]["phone"]] == ["13800130001"]
    assert whole["position"]["speed_kmh"] == 40


def test_a_vehicle_says_its_store_and_what_spoke_for_it(ask: TestClient) -> None:
    vehicle = ask.get("/api/v1/vehicles/4").json()
    assert vehicle["store"] == {
        "id": 2, "code": "WEST", "name_zh": "WEST店", "name_en": "WEST store", "time_zone": "Europe/Berlin"
    }  # fmt: skip
    assert vehicle["bindings"][0]["to_ms"] is None
    assert ask.get("/api/v1/vehicles/6").json()["store"]["id"] == 0


def test_a_command_belongs_to_the_car_s_store_and_to_who_asked(
    ask: TestClient, cars: Cars, monkeypatch: pytest.MonkeyPatch
) -> None:
    west = person(cars.people, monkeypatch, viewer((2,)))
    ask.post("/api/v1/vehicles/4/commands", json={"message": "0x8201"}, headers=west)
    assert [(event.group, event.store, event.actor) for event in cars.node.log()] == [(1, 2, "account:7")]


def test_commands_are_listed_newest_first_with_how_far_they_came(ask: TestClient, cars: Cars) -> None:
    events = []
    for number in (1, 2, 3):
        asked = Event(
            id=f"c{number}", type="command.requested", time_ms=number, subject="vehicle:4", actor="account:7", store=2,
            payload={"vehicle_id": 4, "message": "0x8201", "fields": {}},
        )  # fmt: skip
        events.append(asked)
    for command, state in (("c1", "sent"), ("c1", "effective"), ("c2", "sent"), ("c2", "failed")):
        events.append(
            Event(
                id=f"{command}-{state}",
                type=f"command.{state}",
                time_ms=9,
                subject="vehicle:4",
                actor="vehicle",
                store=2,
                payload=CommandProgress(command=command, vehicle_id=4, reason="busy" if state == "failed" else ""),
            )
        )
    cars.node.eventlog.append(events)
    page = ask.get("/api/v1/vehicles/4/commands", params={"limit": 2}).json()
    assert [(item["id"], item["state"]) for item in page["items"]] == [("c3", "requested"), ("c2", "failed")]
    assert page["items"][1]["steps"][-1]["reason"] == "busy"
    page = ask.get("/api/v1/vehicles/4/commands", params={"limit": 2, "before": page["next"]}).json()
    assert [(item["id"], item["state"]) for item in page["items"]] == [("c1", "effective")]
    assert page["next"] is None
    assert ask.get("/api/v1/vehicles/5/commands").json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing to send"),
        ("注意行车安全" * 171, "2052 bytes"),
        ("x" * 1022, "1022 bytes"),
        ("到店🚗", "is not in GBK"),
    ],
)
def test_a_text_that_a_terminal_cannot_show_is_refused_with_the_reason(
    ask: TestClient, cars: Cars, text: str, said: str
) -> None:
    monkey = {"message": "0x8300", "fields": {"flags": 4, "text": text}}
    answer = ask.post("/api/v1/vehicles/4/commands", json=monkey)
    assert (answer.status_code, answer.json()["code"]) == (422, "message_unsupported")
    assert said in answer.json()["detail"]
    assert cars.node.log() == []
    monkey["fields"] = {"flags": 4, "text": "x" * 1021}
    assert ask.post("/api/v1/vehicles/4/commands", json=monkey).status_code == 202
