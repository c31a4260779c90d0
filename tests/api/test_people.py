"""Accounts, links, keys, stores and sessions over HTTP: refusals by name, secrets shown once, lists in pages."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.guards import COOKIE
from core.rights import NODE, RIGHTS
from storage.people import Store
from tests.api.conftest import SAME_SITE, Node

PASSWORD = "korrekt-pferd-batterie"


@pytest.fixture
def browser(node: Node) -> Iterator[TestClient]:
    """A browser that is not logged in."""
    with TestClient(create_app(node.parts())) as client:
        client.headers.update(SAME_SITE)
        yield client


def enter(client: TestClient, browser: TestClient, login: str, role: str = "manager") -> dict[str, Any]:
    """Enter an account by the node's key and take its link in the browser; return who it is."""
    made = client.post("/api/v1/accounts", json={"login": login, "role": role, "stores": None})
    assert made.status_code == 201, made.text
    link = made.json()["invitation"]["link"]
    assert re.fullmatch(r"http://testserver\.local/welcome/[\w-]{43}", link)
    token = link.rpartition("/")[2]
    answer = browser.post("/api/v1/invitations", json={"token": token, "password": PASSWORD, "name": "李伟"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_who_is_invited_sets_a_password_and_is_in(client: TestClient, browser: TestClient) -> None:
    me = enter(client, browser, "li.wei")
    assert (me["login"], me["name"], me["role"], me["stores"]) == ("li.wei", "李伟", "manager", None)
    assert browser.get("/api/v1/me").json() == me
    [account] = client.get("/api/v1/accounts").json()["items"]
    assert (account["state"], account["id"]) == ("active", me["account"])
    assert "password" not in str(account)


def test_a_link_that_is_over_and_a_weak_password_are_said_by_name(client: TestClient, browser: TestClient) -> None:
    link = client.post("/api/v1/accounts", json={"login": "a1", "role": "viewer", "stores": None}).json()["invitation"]
    token = link["link"].rpartition("/")[2]
    for body, status, code, detail in (
        ({"token": token, "password": "short"}, 422, "password_weak", "short"),
        ({"token": "no", "password": PASSWORD}, 400, "invitation_over", None),
        ({"token": token}, 400, "bad_request", None),
    ):
        answer = browser.post("/api/v1/invitations", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert detail in (None, answer.json().get("detail"))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"login": "node", "role": "king", "stores": None}, 400, "bad_request"),
        ({"login": "no spaces", "role": "viewer", "stores": None}, 422, "login_unfit"),
        ({"login": "x1", "role": "viewer", "stores": []}, 422, "stores_needed"),
        ({"login": "x1", "role": "viewer", "stores": [999]}, 403, "store_outside"),
        ({"login": "x1", "role": "viewer", "stores": [2**40]}, 403, "store_outside"),
        ({"login": "x1", "role": "viewer"}, 400, "bad_request"),
        ({"login": "x1", "role": "viewer", "stores": None, "notify": ["SOS!"]}, 400, "bad_request"),
        ({"login": "taken", "role": "viewer", "stores": None}, 409, "login_taken"),
    ],
)
def test_an_account_that_cannot_be_is_refused_by_name(
    client: TestClient, browser: TestClient, body: dict[str, Any], status: int, code: str
) -> None:
    enter(client, browser, "taken")
    answer = client.post("/api/v1/accounts", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_an_account_changes_by_what_is_named(client: TestClient, browser: TestClient, node: Node) -> None:
    me = enter(client, browser, "li.wei")
    path = f"/api/v1/accounts/{me['account']}"
    store = client.post("/api/v1/stores", json={"code": "N1", "name_zh": "北店"}).json()
    changed = client.patch(path, json={"stores": [store["id"]], "notify": ["sos.", "crash."]}).json()
    assert (changed["stores"], changed["notify"], changed["role"]) == ([store["id"]], ["crash.", "sos."], "manager")
    assert browser.get("/api/v1/me").json()["stores"] == [store["id"]]
    assert client.patch(path, json={"stores": None}).json()["stores"] is None
    assert client.patch(path, json={"login": "x"}).json()["code"] == "bad_request"
    assert client.patch(path, json={"state": "disabled"}).json()["state"] == "disabled"
    assert browser.get("/api/v1/me").json()["code"] == "login_needed"
    assert client.post(f"{path}/invitation").json()["code"] == "account_disabled"
    assert client.get("/api/v1/accounts/99").json()["code"] == "account_unknown"
    assert client.get(f"/api/v1/accounts/{2**31 - 1}").json()["code"] == "account_unknown"


def test_pages_of_accounts_join(client: TestClient) -> None:
    for number in range(5):
        client.post("/api/v1/accounts", json={"login": f"p{number}", "role": "viewer", "stores": None})
    seen: list[str] = []
    after: int | None = 0
    while after is not None:
        page = client.get("/api/v1/accounts", params={"after": after, "limit": 2}).json()
        seen += [item["login"] for item in page["items"]]
        after = page["next"]
    assert seen == [f"p{number}" for number in range(5)]


def test_one_changes_oneself_but_not_ones_rights(client: TestClient, browser: TestClient) -> None:
    enter(client, browser, "li.wei", "viewer")
    assert browser.patch("/api/v1/me", json={"language": "zh", "name": "小李"}).json()["name"] == "小李"
    assert browser.get("/api/v1/me").json()["language"] == "zh"
    assert browser.patch("/api/v1/me", json={"role": "administrator"}).json()["code"] == "bad_request"
    assert client.patch("/api/v1/me", json={"name": "x"}).json()["code"] == "session_needed"


def test_a_key_is_shown_once_and_opens_until_it_is_revoked(client: TestClient, browser: TestClient) -> None:
    enter(client, browser, "li.wei")
    made = browser.post("/api/v1/keys", json={"name": "BI", "rights": ["vehicles.read", "events.read"]})
    assert made.status_code == 201
    key, about = made.json()["key"], made.json()["about"]
    assert key.startswith("ck_")
    assert key not in browser.get("/api/v1/keys").text
    program = {"Authorization": f"Bearer {key}"}
    browser.cookies.clear()
    assert browser.get("/api/v1/me", headers=program).json()["rights"] == ["events.read", "vehicles.read"]
    assert browser.get("/api/v1/events", headers=program).status_code == 200
    assert browser.get("/api/v1/positions", headers=program).json()["code"] == "right_missing"
    for path, body in (("keys", {"name": "x", "rights": ["events.read"]}), ("me/password", {"old": "a", "new": "b"})):
        assert browser.post(f"/api/v1/{path}", json=body, headers=program).json()["code"] == "session_needed"
    assert client.delete(f"/api/v1/keys/{about['id']}").status_code == 204
    assert browser.get("/api/v1/me", headers=program).json()["code"] == "key_wrong"
    [revoked] = client.get("/api/v1/keys", params={"account": about["account"]}).json()["items"]
    assert revoked["revoked_ms"] > 0
    assert client.delete("/api/v1/keys/99").json()["code"] == "key_unknown"


@pytest.mark.parametrize("right", sorted(set(RIGHTS) | {"everything"}))
def test_a_key_gets_no_right_that_its_maker_lacks(client: TestClient, browser: TestClient, right: str) -> None:
    me = enter(client, browser, "li.wei", "operator")
    answer = browser.post("/api/v1/keys", json={"name": "x", "rights": [right]})
    assert (answer.status_code == 201) == (right in me["rights"]), answer.text
    if right not in me["rights"]:
        assert answer.json()["code"] == "right_above"


def test_ones_sessions_are_seen_and_ended(client: TestClient, browser: TestClient) -> None:
    enter(client, browser, "li.wei")
    here = browser.cookies[COOKIE]
    body = {"login": "li.wei", "password": PASSWORD}
    browser.cookies.clear()
    there = browser.post("/api/v1/login", json=body, headers={"User-Agent": "phone"}).cookies[COOKIE]
    third = browser.post("/api/v1/login", json=body).cookies[COOKIE]
    browser.cookies.clear()
    browser.headers["Cookie"] = f"{COOKIE}={here}"
    items = browser.get("/api/v1/sessions").json()["items"]
    assert [item["current"] for item in items].count(True) == 1
    phone = next(item for item in items if item["agent"] == "phone")
    assert browser.delete(f"/api/v1/sessions/{phone['id']}").status_code == 204
    assert browser.delete(f"/api/v1/sessions/{phone['id']}").json()["code"] == "session_unknown"
    assert browser.delete("/api/v1/sessions").status_code == 204
    for token, status in ((here, 200), (there, 401), (third, 401)):
        assert browser.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={token}"}).status_code == status


def test_a_password_is_changed_by_who_knows_it(client: TestClient, browser: TestClient) -> None:
    enter(client, browser, "li.wei")
    new = "another-good-password"
    assert browser.post("/api/v1/me/password", json={"old": "wrong", "new": new}).json()["code"] == "login_failed"
    answer = browser.post("/api/v1/me/password", json={"old": PASSWORD, "new": "password123"})
    assert (answer.json()["code"], answer.json()["detail"]) == ("password_weak", "common")
    assert browser.post("/api/v1/me/password", json={"old": PASSWORD, "new": new}).status_code == 204
    assert browser.get("/api/v1/me").status_code == 200
    assert browser.post("/api/v1/login", json={"login": "li.wei", "password": PASSWORD}).status_code == 401
    assert browser.post("/api/v1/login", json={"login": "li.wei", "password": new}).status_code == 200


def test_stores_are_entered_changed_and_refused_by_name(client: TestClient) -> None:
    body = {"code": "N1", "name_zh": "北店", "name_en": "North", "lat": 31.2, "lon": 121.4}
    store = client.post("/api/v1/stores", json=body).json()
    assert (store["time_zone"], store["lat"], store["group"]) == ("Asia/Shanghai", 31.2, 1)
    path = f"/api/v1/stores/{store['id']}"
    assert client.put(path, json=body | {"name_en": "Far north"}).json()["name_en"] == "Far north"
    assert client.post("/api/v1/stores", json=body).json()["code"] == "store_code_taken"
    assert client.put("/api/v1/stores/99", json=body | {"code": "x"}).json()["code"] == "store_unknown"
    assert client.put(f"/api/v1/stores/{2**31 - 1}", json=body).json()["code"] == "store_unknown"
    wrong = client.post("/api/v1/stores", json=body | {"code": "N2", "time_zone": "Mars"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "time_zone_unknown")
    assert client.post("/api/v1/stores", json=body | {"lat": 91}).json()["code"] == "bad_request"
    assert [one["code"] for one in client.get("/api/v1/stores").json()["items"]] == ["N1"]


def test_every_look_at_positions_is_seen_by_its_looker_and_the_administrator(
    client: TestClient, browser: TestClient
) -> None:
    me = enter(client, browser, "li.wei")
    browser.get("/api/v1/positions")
    client.get("/api/v1/positions")
    mine = browser.get("/api/v1/access").json()["items"]
    assert [(one["what"], one["login"], one["account"]) for one in mine] == [("positions", "li.wei", me["account"])]
    both = client.get("/api/v1/access").json()["items"]
    assert [one["account"] for one in both] == [0, me["account"]]
    first = client.get("/api/v1/access", params={"limit": 1}).json()
    assert first["next"] == both[0]["id"]
    rest = client.get("/api/v1/access", params={"before": first["next"]}).json()
    assert [one["id"] for one in rest["items"]] == [both[1]["id"]]
    assert browser.get("/api/v1/access", params={"account": 0}).json()["items"] == []


def test_links_lead_to_where_people_come_by(node: Node) -> None:

    parts = msgspec.structs.replace(node.parts(), public_url="https://cars.example.com")
    with TestClient(create_app(parts)) as client:
        client.headers["Authorization"] = f"Bearer {parts.key}"
        made = client.post("/api/v1/accounts", json={"login": "li.wei", "role": "viewer", "stores": None}).json()
        assert made["invitation"]["link"].startswith("https://cars.example.com/welcome/")
        token = made["invitation"]["link"].rpartition("/")[2]
        answer = client.post("/api/v1/invitations", json={"token": token, "password": PASSWORD})
        assert "Secure" in answer.headers["set-cookie"]


def test_a_visitor_of_the_demo_reads_nothing_of_people(visitor: TestClient, node: Node) -> None:
    node.people.save_store(NODE, Store(code="x", name_zh="x", name_en="x"))
    assert visitor.get("/api/v1/me").json()["role"] == "viewer"
    assert visitor.get("/api/v1/accounts").json()["code"] == "right_missing"
    assert visitor.get("/api/v1/access").json()["items"] == []
    assert visitor.get("/api/v1/keys").json()["items"] == []
    assert visitor.post("/api/v1/keys", json={"name": "x", "rights": ["events.read"]}).json()["code"] == "login_needed"
