"""Coming in: the login page, the one-time link, and one's own account."""

import re

import pytest
from litestar.testing import TestClient

from api.app import create_app
from core.rights import NODE
from storage.people import DEMO_PASSWORD
from tests.api.conftest import SAME_SITE, Node

HTML = {"Accept": "text/html"}


def test_a_page_without_login_sends_to_the_login_page_and_back(nobody: TestClient) -> None:
    answer = nobody.get("/account?x=1", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=%2Faccount%3Fx%3D1"
    page = nobody.get(answer.headers["Location"])
    assert 'data-then="go /account?x=1"' in page.text


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
)
def test_the_way_back_never_leaves_this_server(nobody: TestClient, target: str) -> None:
    assert 'data-then="go /"' in nobody.get("/login", params={"next": target}).text


def test_only_a_demo_offers_accounts(node: Node, nobody: TestClient) -> None:
    assert DEMO_PASSWORD not in nobody.get("/login").text
    with TestClient(create_app(node.parts(demo=True))) as visitor:
        assert DEMO_PASSWORD in visitor.get("/login", headers=HTML).text


def test_who_is_logged_in_has_an_account_page_and_is_not_asked_again(node: Node) -> None:
    with TestClient(create_app(node.parts(demo=True))) as browser:
        node.demo_people.seed_demo(*_stores(node))
        browser.headers.update(HTML | SAME_SITE)
        assert browser.post("/api/v1/login", json={"login": "viewer", "password": DEMO_PASSWORD}).status_code == 200
        page = browser.get("/account").text
        assert "viewer" in page
        assert "Asia/Urumqi" in page  # the viewer's store has a zone of its own
        answer = browser.get("/login?next=/account", follow_redirects=False)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/account")


def test_a_one_time_link_greets_its_owner_once(node: Node, nobody: TestClient) -> None:
    account, token = node.people.create_account(NODE, login="li.na", name="李娜", role="viewer", stores=None)
    page = nobody.get(f"/welcome/{token}")
    assert page.status_code == 200
    assert "李娜" in page.text
    assert page.headers["Referrer-Policy"] == "same-origin"
    given = {"token": token, "password": "a long sentence of mine"}
    assert nobody.post("/api/v1/invitations", json=given, headers=SAME_SITE).status_code == 200
    assert account.login in nobody.get("/account").text
    assert nobody.get(f"/welcome/{token}").status_code == 410


def _stores(node: Node) -> tuple[int, int]:
    from storage.people import Store

    first = node.demo_people.save_store(NODE, Store(code="a", name_zh="甲", name_en="A"))
    second = node.demo_people.save_store(NODE, Store(code="b", name_zh="乙", name_en="B", time_zone="Asia/Urumqi"))
    assert re.fullmatch(r"\d+", str(second.id))
    return first.id, second.id
