"""Logging in: a session is a cookie no script reads, and only pages of ours act under it."""

from collections.abc import Iterator

import pytest
from litestar.testing import TestClient

from api.app import create_app
from core.rights import NODE
from tests.api.conftest import KEY, SAME_SITE, Node

PASSWORD = "korrekt-pferd-batterie"


@pytest.fixture
def manager(node: Node) -> str:
    """The login of a manager who has taken their one-time link."""
    _, token = node.people.create_account(NODE, login="li.wei", name="李伟", role="manager", stores=None)
    node.people.take_invitation(token, PASSWORD)
    return "li.wei"


@pytest.fixture
def browser(node: Node) -> Iterator[TestClient]:
    with TestClient(create_app(node.parts())) as client:
        yield client


def log_in(client: TestClient, login: str, password: str = PASSWORD) -> None:
    answer = client.post("/api/v1/login", json={"login": login, "password": password})
    assert answer.status_code == 200, answer.text


def test_a_session_is_a_cookie_that_no_script_reads(browser: TestClient, manager: str) -> None:
    answer = browser.post("/api/v1/login", json={"login": " LI.Wei ", "password": PASSWORD})
    assert answer.status_code == 200
    assert (answer.json()["login"], answer.json()["role"]) == ("li.wei", "manager")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Secure" not in cookie
    assert browser.get("/api/v1/me").json()["login"] == "li.wei"
    assert browser.post("/api/v1/logout", headers=SAME_SITE).status_code == 204
    assert browser.get("/api/v1/me").json()["code"] == "login_needed"


def test_over_https_the_cookie_is_for_https_only(node: Node, manager: str) -> None:
    with TestClient(create_app(node.parts()), base_url="https://cars.example.com") as client:
        answer = client.post("/api/v1/login", json={"login": manager, "password": PASSWORD})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("login", ["li.wei", "nobody", "li.wei\0", "a' OR 1=1 --"])
def test_a_wrong_password_and_a_wrong_login_answer_alike(browser: TestClient, manager: str, login: str) -> None:
    answer = browser.post("/api/v1/login", json={"login": login, "password": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (401, "login_failed")
    assert "set-cookie" not in answer.headers


def test_ten_failures_lock_and_say_when_to_come_again(browser: TestClient, manager: str) -> None:
    for login in (manager, "nobody"):
        for _ in range(10):
            browser.post("/api/v1/login", json={"login": login, "password": "wrong"})
        answer = browser.post("/api/v1/login", json={"login": login, "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (429, "login_locked")
        assert 0 < int(answer.headers["retry-after"]) <= 900


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (SAME_SITE, 204),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "http://testserver.local"}, 204),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
        ({"Authorization": f"Bearer {KEY}", "Sec-Fetch-Site": "cross-site"}, 204),
        ({"Authorization": "Basic cHJveHk6cHJveHk=", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_only_pages_of_ours_act_under_a_cookie(
    browser: TestClient, manager: str, headers: dict[str, str], status: int
) -> None:
    log_in(browser, manager)
    answer = browser.post("/api/v1/logout", headers=headers)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "cross_site"
        assert browser.get("/api/v1/me").status_code == 200


def test_another_sites_page_does_not_log_anybody_in(browser: TestClient, manager: str) -> None:
    body = {"login": manager, "password": PASSWORD}
    answer = browser.post("/api/v1/login", json=body, headers={"Origin": "http://evil.example"})
    assert answer.json()["code"] == "cross_site"


def test_the_node_knows_itself(client: TestClient) -> None:
    me = client.get("/api/v1/me").json()
    assert (me["account"], me["role"], me["stores"]) == (0, "administrator", None)
