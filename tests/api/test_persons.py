"""Persons over HTTP: taken, found, looked at side by side, verified, merged and taken back, forgotten."""

from typing import Any

import pytest
from litestar.testing import TestClient

from core import limits
from storage.erasing import Eraser
from tests.api.conftest import KEY, Node

HEADERS = {"Authorization": f"Bearer {KEY}"}
LI = {"name": "李娜", "phone": "138/0013/8000", "plate": "京A12345"}


def told(client: TestClient, traits: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/captures", json={"source": "counter", "traits": traits, **more}, headers=HEADERS)
    assert answer.status_code == 201, answer.text
    said: dict[str, Any] = answer.json()
    return said


def asked(client: TestClient, path: str, **parameters: Any) -> Any:
    answer = client.get(f"/api/v1{path}", params=parameters, headers=HEADERS)
    assert answer.status_code == 200, answer.text
    return answer.json()


def done(client: TestClient, path: str, body: dict[str, Any] | None = None) -> Any:
    return client.post(f"/api/v1{path}", json=body, headers=HEADERS)


@pytest.mark.parametrize("search", ["13800138000", "+86 138 0013 8000", "8000", "京A·12345", "李那", "li na"])
def test_a_customer_is_found_by_what_people_say(client: TestClient, search: str) -> None:
    person = told(client, LI)["person"]
    told(client, {"name": "张国强", "phone": "13900139999"})
    assert [one["person"] for one in asked(client, "/persons", search=search)["items"]] == [person]


def test_a_list_masks_numbers_and_the_dossier_names_who_said_what(client: TestClient) -> None:
    person = told(client, LI)["person"]
    told(client, {**LI, "address": "白鹭区望江路8号"}, source="call")
    assert asked(client, "/persons")["items"][0]["phone"] == "+86138****8000"
    dossier = asked(client, f"/persons/{person}")
    phone = next(one for one in dossier["known"] if one["kind"] == "phone")
    assert phone["value"] == "+8613800138000"
    assert phone["sources"] == ["counter", "call"]
    assert phone["current"]
    assert len(dossier["records"]) == 2


def test_a_number_that_either_edits_is_seen_by_the_other_and_both_stay(client: TestClient) -> None:
    """Sales enters a new number of somebody whom after-sales know."""
    person = told(client, LI)["person"]
    told(client, {"phone": "13700137000"}, person=person)
    known = [one for one in asked(client, f"/persons/{person}")["known"] if one["kind"] == "phone"]
    assert [(one["value"], one["current"]) for one in known] == [("+8613700137000", True), ("+8613800138000", False)]


def test_what_is_verified_is_used_before_what_is_newer(client: TestClient) -> None:
    person = told(client, LI)["person"]
    old = next(one for one in asked(client, f"/persons/{person}")["known"] if one["kind"] == "phone")
    shown = {"attribute": "phone", "value": old["number"], "method": "call"}
    assert done(client, f"/persons/{person}/verify", shown).status_code == 201
    told(client, {"phone": "13700137000"}, person=person)
    known = [one for one in asked(client, f"/persons/{person}")["known"] if one["current"] and one["kind"] == "phone"]
    assert [one["value"] for one in known] == ["+8613800138000"]


def test_a_pair_is_looked_at_decided_and_taken_back(client: TestClient) -> None:
    first = told(client, {"name": "王小明", "phone": "13800138000"})["person"]
    second = told(client, {"name": "王先生", "phone": "13800138000"}, source="call")
    assert second["matches"] == 1
    [match] = asked(client, "/matches")["items"]
    levels = {one["field"]: one["level"] for one in match["evidence"]}
    assert levels == {"phone": "same", "name": "surname"}
    assert done(client, f"/matches/{match['match']}", {"verdict": "same"}).status_code == 201
    assert asked(client, f"/persons/{second['person']}")["person"] == first
    assert asked(client, "/matches")["items"] == []
    assert done(client, f"/persons/{second['person']}/unmerge").status_code == 201
    assert asked(client, f"/persons/{second['person']}")["person"] == second["person"]
    again = done(client, f"/persons/{second['person']}/unmerge")
    assert (again.status_code, again.json()["field"]) == (409, "person_unmerged")


def test_who_is_forgotten_is_found_by_nothing(client: TestClient, node: Node) -> None:
    person = told(client, LI)["person"]
    assert done(client, f"/persons/{person}/erase", {"reason": "asked"}).status_code == 201
    assert asked(client, "/persons", search="13800138000")["items"] == []
    assert client.get(f"/api/v1/persons/{person}", headers=HEADERS).status_code == 404
    assert Eraser(node.eventlog, node.vault, lambda *where: None).step() == 1


def test_a_page_longer_than_the_bound_is_refused(client: TestClient) -> None:
    answer = client.get("/api/v1/persons", params={"limit": limits.PERSONS_PAGE_MAX + 1}, headers=HEADERS)
    assert answer.status_code == 400


def test_a_list_answers_row_by_row(client: TestClient) -> None:
    items = [
        {"source": "event", "traits": LI, "reference": "badge-1"},
        {"source": "event", "traits": {"phone": "1"}, "reference": "badge-2"},
        {"source": "event", "traits": LI, "reference": "badge-1"},
    ]
    answer = done(client, "/captures/import", {"items": items})
    assert [one["state"] for one in answer.json()["items"]] == ["new", "refused", "repeated"]


def test_a_partner_s_record_waits_and_is_released(client: TestClient) -> None:
    held = told(client, LI, source="partner")
    assert held["state"] == "quarantined"
    assert [one["capture"] for one in asked(client, "/captures/quarantine")["items"]] == [held["capture"]]
    released = done(client, f"/captures/{held['capture']}/release", {"basis": "consent"})
    assert released.json()["state"] == "new"
    assert asked(client, "/captures/quarantine")["items"] == []


def test_every_look_at_customers_stands_in_the_audit_log(client: TestClient, node: Node) -> None:
    person = told(client, LI)["person"]
    asked(client, f"/persons/{person}")
    asked(client, "/persons", search="8000")
    with node.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT what, subject, persons FROM access WHERE persons > 0").fetchall()
    assert [tuple(row) for row in rows] == [("person", f"person:{person}", 1), ("search", "", 1)]


def test_the_pages_show_them(client: TestClient) -> None:
    person = told(client, LI)["person"]
    told(client, {"name": "李先生", "phone": "13800138000"}, source="call")
    headers = {**HEADERS, "Accept-Language": "zh"}
    assert "李娜" in client.get("/persons?q=8000", headers=headers).text
    assert "望江" not in client.get(f"/persons/{person}", headers=headers).text
    assert "+8613800138000" in client.get(f"/persons/{person}", headers=headers).text
    page = client.get("/matches", headers=headers).text
    assert "仅姓氏相同" in page
    assert "tally" in client.get("/matches/count", headers=headers).text
