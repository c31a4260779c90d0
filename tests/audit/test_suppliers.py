"""CDATA-054: a supplier's key stops at the moment their contract ends, whatever was said when it was made."""

import time
from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from core.rights import NODE
from storage.people import PeopleError
from tests.api.conftest import KEY, Node, database, empty_database, node
from tests.api.two_stores import PASSWORD

__all__ = ["database", "empty_database", "node"]


@pytest.fixture
def client(node: Node) -> Iterator[TestClient[Litestar]]:
    with TestClient(create_app(node.parts())) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def key_for(node: Node, supplier: int, expires_ms: int = 0) -> str:
    _, token = node.people.create_account(NODE, login=f"buyer{supplier}", name="", role="manager", stores=None)
    buyer = node.people.take_invitation(token, PASSWORD).principal
    _, key = node.people.create_key(
        buyer, name="rescue", rights=["events.read"], supplier=supplier, expires_ms=expires_ms
    )
    return key


def test_all_keys_of_a_supplier_stop_when_the_contract_is_ended(node: Node, client: TestClient[Litestar]) -> None:
    contract = {"name": "畅行救援", "contract": "HT-2026-7", "ends_ms": now_ms() + 3_600_000}
    supplier = client.post("/api/v1/suppliers", json=contract).json()["supplier"]
    key = {"Authorization": f"Bearer {key_for(node, supplier, now_ms() + 10**10)}"}
    assert client.get("/api/v1/events", headers=key).status_code == 200
    [line] = client.get("/api/v1/suppliers").json()["items"]
    assert (line["name"], line["keys"]) == ("畅行救援", 1)
    ended = contract | {"supplier": supplier, "ends_ms": now_ms() - 1}
    assert client.post("/api/v1/suppliers", json=ended).status_code == 201
    assert client.get("/api/v1/events", headers=key).status_code == 401


def test_a_key_that_is_in_use_stops_at_that_very_time(
    node: Node, client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    ends_ms = now_ms() + 3_600_000
    contract = {"name": "x", "contract": "y", "ends_ms": ends_ms}
    supplier = client.post("/api/v1/suppliers", json=contract).json()["supplier"]
    key = key_for(node, supplier)
    headers = {"Authorization": f"Bearer {key}"}
    assert client.get("/api/v1/events", headers=headers).status_code == 200
    # Remembered for seconds: and yet not past the end.
    for at_ms, status in ((ends_ms - 1, 200), (ends_ms, 401)):
        monkeypatch.setattr(node.people, "_clock", lambda at_ms=at_ms: at_ms)
        monkeypatch.setattr("api.guards.time.time_ns", lambda at_ms=at_ms: at_ms * 1_000_000)
        assert client.get("/api/v1/events", headers=headers).status_code == status


def test_no_key_is_made_for_a_contract_that_has_ended_or_is_none(node: Node, client: TestClient[Litestar]) -> None:
    contract = {"name": "x", "contract": "y", "ends_ms": now_ms() - 1}
    supplier = client.post("/api/v1/suppliers", json=contract).json()["supplier"]
    with pytest.raises(PeopleError, match="ended"):
        key_for(node, supplier)
    with pytest.raises(PeopleError, match="no supplier"):
        key_for(node, supplier + 1)
