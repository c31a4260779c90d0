"""The guard: who is let in is let in by a declared right, and no longer than they may be."""

from collections.abc import Iterator

import pytest
from litestar import Request, get
from litestar.testing import TestClient

from api import app as application
from api.app import create_app
from api.guards import COOKIE, local_path
from core import limits
from core.rights import NODE
from storage.people import AccountChange, People
from tests.api.conftest import KEY, PASSWORDS, SAME_SITE, Node

PASSWORD = "korrekt-pferd-batterie"


class Monotonic:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Monotonic:
    return Monotonic()


@pytest.fixture
def served(node: Node, clock: Monotonic) -> Iterator[TestClient]:
    app = create_app(node.parts())
    app.state.principals.now_s = clock
    with TestClient(app) as client:
        client.follow_redirects = False
        yield client


@pytest.fixture
def key(node: Node) -> tuple[int, int, str]:
    """An operator's account, their key's id, and the key."""
    _, token = node.people.create_account(NODE, login="op", name="", role="operator", stores=None)
    who = node.people.take_invitation(token, PASSWORD).principal
    about, key = node.people.create_key(who, name="k", rights=who.rights)
    return who.account, about.id, key


def may(client: TestClient, key: str, path: str = "/api/v1/positions") -> bool:
    return client.get(path, headers={"Authorization": f"Bearer {key}"}).status_code == 200


def sends(client: TestClient, key: str) -> int:
    headers = {"Authorization": f"Bearer {key}"}
    return client.post("/api/v1/vehicles/3/commands", json={"message": "0x8201"}, headers=headers).status_code


def test_what_is_taken_away_in_this_process_is_gone_at_once(
    served: TestClient, node: Node, key: tuple[int, int, str]
) -> None:
    account, number, secret = key
    assert sends(served, secret) == 202
    node.people.change_account(NODE, account, AccountChange(role="viewer"))
    assert sends(served, secret) == 403
    assert may(served, secret)
    node.people.change_account(NODE, account, AccountChange(state="disabled"))
    assert not may(served, secret)
    node.people.change_account(NODE, account, AccountChange(state="active"))
    assert may(served, secret)
    node.people.revoke_key(NODE, number)
    assert not may(served, secret)


def test_what_another_process_takes_away_is_gone_within_three_seconds(
    served: TestClient, node: Node, key: tuple[int, int, str], clock: Monotonic
) -> None:
    account, number, secret = key
    elsewhere = People(node.database, passwords=PASSWORDS, log=node.eventlog)
    assert sends(served, secret) == 202
    elsewhere.change_account(NODE, account, AccountChange(role="viewer"))
    clock.now_s += limits.PRINCIPAL_KNOWN_S - 0.01
    assert sends(served, secret) == 202
    clock.now_s += 0.01
    assert sends(served, secret) == 403
    elsewhere.revoke_key(NODE, number)
    clock.now_s += limits.PRINCIPAL_KNOWN_S
    assert not may(served, secret)


def test_a_session_that_was_ended_is_gone_at_once(served: TestClient, key: tuple[int, int, str]) -> None:
    token = served.post("/api/v1/login", json={"login": "op", "password": PASSWORD}).cookies[COOKIE]
    assert served.get("/api/v1/me").status_code == 200
    served.post("/api/v1/logout", headers=SAME_SITE)
    assert served.get("/api/v1/me", headers={"Cookie": f"{COOKIE}={token}"}).status_code == 401


def test_more_principals_than_the_bound_are_asked_for_again(
    served: TestClient, key: tuple[int, int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PRINCIPALS_KNOWN_MAX", 0)
    assert may(served, key[2])
    assert may(served, key[2])
    assert len(served.app.state.principals._known) <= 1


def test_a_route_that_declares_no_right_is_refused_to_everybody(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    @get("/forgotten")
    async def forgotten(request: Request) -> str:
        return "secret"

    monkeypatch.setattr(application, "RESOURCES", (forgotten,))
    with TestClient(create_app(node.parts(demo=True))) as client:
        for headers in ({}, {"Authorization": f"Bearer {KEY}"}):
            answer = client.get("/api/v1/forgotten", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "right_missing")


def test_a_person_without_a_session_is_sent_to_log_in_and_back(served: TestClient) -> None:
    answer = served.get("/account?tab=keys")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=%2Faccount%3Ftab%3Dkeys"
    fragment = served.get("/account?tab=keys", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["hx-redirect"]) == (401, answer.headers["location"])


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/vehicles?page=2", "/vehicles?page=2"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example/", "/"),
        ("/x\\..\\y", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("", "/"),
    ],
)
def test_who_logs_in_stays_on_this_server(target: str, path: str) -> None:
    assert local_path(target) == path


def test_a_wrong_cookie_on_a_public_page_is_no_fault(served: TestClient) -> None:
    for headers in ({"Cookie": f"{COOKIE}=wrong"}, {"Authorization": "Bearer wrong"}):
        assert served.get("/health", headers=headers).status_code == 200


@pytest.mark.parametrize("number", [1 << 31, 1 << 63, 1 << 200])
def test_a_number_that_no_database_holds_names_nothing(client: TestClient, number: int) -> None:
    answer = client.get(f"/api/v1/vehicles/{number}", headers={"Authorization": f"Bearer {KEY}"})
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
