"""The garage over HTTP: every change is an intent, and the answer what was decided; a refusal says which."""

from typing import Any

import pytest
from litestar.testing import TestClient
from sqlalchemy import update

from storage.tables.garage import GARAGE_ENTRY
from tests.api.conftest import NOW_MS, Node
from tests.api.two_stores import World

CAR = "/api/v1/vehicles/1"


@pytest.fixture
def manager(node: Node) -> dict[str, str]:
    """Headers of a person who signs: the node's own key does not."""
    people = node.people
    from core.rights import NODE

    _, token = people.create_account(NODE, login="meister", name="", role="manager", stores=None)
    who = people.take_invitation(token, "korrekt-pferd-batterie").principal
    _, key = people.create_key(who, name="k", rights=who.rights)
    return {"Authorization": f"Bearer {key}"}


def ask(client: TestClient, what: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return client.post(f"{CAR}/{what}", json=body, headers=headers or {})


def test_an_owner_is_linked_and_the_car_is_in_use(client: TestClient) -> None:
    decided = ask(client, "people", person=12, role="owner", source="sale", verified=True).json()
    assert (decided["type"], decided["decided"]["person"]) == ("vehicle.person.linked", 12)
    car = client.get(f"{CAR}/garage").json()
    assert (car["car"]["state"], car["car"]["owner"], car["steps"]) == ("in_use", 12, ["stolen", "for_sale"])
    assert [one["terminal"] for one in car["devices"]] == [1]
    [link] = client.get(f"{CAR}/people").json()["items"]
    assert (link["person"], link["role"], link["to_ms"], link["verified"]) == (12, "owner", None, True)


def test_a_refusal_says_its_own_code_and_writes_nothing(client: TestClient) -> None:
    answer = ask(client, "state", state="scrapped", reason="dismantled")
    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["field"]) == ("intent_refused", "step_unknown")
    assert client.get(f"{CAR}/garage").json()["car"]["state"] == "pre_delivery"
    assert ask(client, "people/end", person=3, role="owner").json()["field"] == "link_none"
    future = ask(client, "odometer", odometer_km=5, read_ms=NOW_MS * 2)
    assert (future.status_code, future.json()["code"], future.json()["field"]) == (422, "from_future", "read_ms")


def test_the_same_request_sent_again_has_the_same_answer(client: TestClient) -> None:
    headers = {"Idempotency-Key": "form-7"}
    answers = [ask(client, "people", headers, person=12, role="driver").json() for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(client.get(f"{CAR}/people").json()["items"]) == 1


def test_a_lower_reading_is_held_and_only_a_person_s_word_sets_the_odometer(
    client: TestClient, manager: dict[str, str]
) -> None:
    assert ask(client, "odometer", odometer_km=84_200).json()["type"] == "odometer.read"
    held = ask(client, "odometer", odometer_km=48_200).json()
    assert (held["type"], held["decided"]["why"]) == ("odometer.held", "lower")
    [waiting] = client.get("/api/v1/odometers/held").json()["items"]
    assert (waiting["vehicle_id"], waiting["reading_m"], waiting["odometer_m"]) == (1, 48_200_000, 84_200_000)
    nobody = ask(client, "odometer/review", held=1, verdict="accepted", reason="typing")
    assert nobody.json()["field"] == "signature_needed"
    assert client.get(f"{CAR}/garage").json()["car"]["odometer_m"] == 84_200_000
    decided = ask(client, "odometer/review", manager, held=1, verdict="accepted", reason="typing").json()
    assert (decided["type"], decided["decided"]["odometer_m"]) == ("odometer.corrected", 48_200_000)
    assert decided["decided"]["by"].startswith("account:")
    assert client.get("/api/v1/odometers/held").json()["items"] == []
    [done] = client.get("/api/v1/odometers/held?state=accepted").json()["items"]
    assert done["decided_by"] == decided["decided"]["by"]


def test_a_record_is_proved_and_a_changed_byte_is_found(client: TestClient, node: Node) -> None:
    for person in (12, 13, 14):
        ask(client, "people", person=person, role="owner")
    proof = client.get(f"{CAR}/record/proof").json()["proof"]
    assert (proof["sound"], proof["broken"]) == (True, 0)
    items = client.get(f"{CAR}/record?limit=2").json()
    assert [one["number"] for one in items["items"]] == [proof["entries"], proof["entries"] - 1]
    assert items["next"] == proof["entries"] - 1
    with node.database.write() as connection:
        where = (GARAGE_ENTRY.c.vehicle_id == 1) & (GARAGE_ENTRY.c.number == 2)
        connection.execute(update(GARAGE_ENTRY).where(where).values(time_ms=GARAGE_ENTRY.c.time_ms + 1))
    proof = client.get(f"{CAR}/record/proof").json()["proof"]
    assert (proof["sound"], proof["broken"], proof["why"]) == (False, 2, "hash")
    page = client.get("/vehicles/1/record?lang=en").text
    assert "Entry 2 is not what was written" in page
    assert page.count("cannot be trusted</span>") == proof["entries"] - 2


def test_a_car_sold_and_bought_shows_both_owners_and_what_was_said_of_them(client: TestClient) -> None:
    ask(client, "people", person=12, role="owner", source="sale", verified=True)
    ask(client, "people", person=13, role="driver")
    ask(client, "people", person=14, role="owner")
    ask(client, "state", state="for_sale", reason="offered")
    for language, words in (("en", ("went with the owner", "For sale")), ("zh", ("随车主变更", "待售"))):
        page = client.get(f"/vehicles/1/people?lang={language}").text
        for word in words:
            assert word in page
        assert 'class="hue-1"' in page
        assert 'class="hue-1 proposed"' in page


def test_the_list_of_held_readings_is_the_store_s_own(node: Node, database: Any) -> None:
    world = World(database)
    with world.served() as client:
        mine = client.get("/odometers?lang=en", headers=world.north.headers).text
        assert world.north.plate in mine
        assert world.south.plate not in mine
        counted = client.get("/odometers/count?lang=en", headers=world.north.headers).text
        assert ">1</b>" in counted
