"""Everything done is in the audit log: who, by what, how it ended; and who reads too much is told of."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import update

from actors.auditing import HOUR_MS, Auditing
from api.app import create_app
from core import limits
from core.rights import NODE
from storage.audit import Line, append, verify
from storage.errors import StorageError
from storage.tables.business import ACCESS
from tests.api.conftest import KEY, Node, database, empty_database, node
from tests.api.two_stores import PASSWORD

__all__ = ["database", "empty_database", "node"]


@pytest.fixture
def client(node: Node) -> Iterator[TestClient[Litestar]]:
    """A caller with the node's key."""
    with TestClient(create_app(node.parts())) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def rows(node: Node, what: str = "act") -> list[Any]:
    with node.database.read() as connection:
        sql = "SELECT account, act, status, vehicle, detail, address FROM access WHERE what = ? ORDER BY id"
        return list(connection.exec_driver_sql(sql, (what,)).fetchall())


def test_a_change_and_how_it_ended_is_written_before_it_is_answered(node: Node, client: TestClient[Litestar]) -> None:
    made = client.post("/api/v1/stores", json={"code": "sh", "name_zh": "上海店", "name_en": "Shanghai"})
    refused = client.patch("/api/v1/accounts/99", json={"name": "王秀英"})
    assert [(row.act, row.status, row.detail) for row in rows(node)] == [
        ("POST /api/v1/stores", made.status_code, ""),
        ("PATCH /api/v1/accounts/{account_id}", refused.status_code, "account_id=99"),
    ]
    assert verify(node.database).broken is None


def test_what_is_only_read_is_no_act(node: Node, client: TestClient[Litestar]) -> None:
    assert client.get("/api/v1/stores").status_code == 200
    assert rows(node) == []


def test_who_is_refused_at_the_door_is_written_too(node: Node, client: TestClient[Litestar]) -> None:
    del client.headers["Authorization"]
    assert client.post("/api/v1/stores", json={"code": "x", "name_zh": "x"}).status_code == 401
    assert [(row.account, row.act, row.status) for row in rows(node)] == [(0, "POST /api/v1/stores", 401)]


def test_logins_are_written_whoever_tries(node: Node, client: TestClient[Litestar]) -> None:
    account, token = node.people.create_account(NODE, login="wang", name="", role="viewer", stores=None)
    node.people.take_invitation(token, PASSWORD)
    for password, status in ((PASSWORD, 200), ("wrong-password", 401)):
        answer = client.post("/api/v1/login", json={"login": "wang", "password": password})
        assert answer.status_code == status
    assert [(row.account, row.status) for row in rows(node, "login")] == [(account.id, 200), (0, 401)]
    with node.database.read() as connection:
        held = str(connection.exec_driver_sql("SELECT * FROM access").fetchall())
    assert "wrong-password" not in held
    assert PASSWORD not in held


def test_the_end_of_a_link_never_stands_in_the_log_and_a_long_detail_is_cut(
    node: Node, client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    client.delete("/api/v1/sessions/Zq-secret_secret_secret_secret_secret_12345")
    monkeypatch.setattr(limits, "ACT_CHARACTERS_MAX", 12)
    client.delete("/api/v1/sessions/0123456789abcdef")
    assert [row.detail for row in rows(node)] == ["session_id=…", "session_id=0"]


def test_what_cannot_be_written_is_not_answered(
    node: Node, client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(node.reader, "act", full)
    answer = client.post("/api/v1/stores", json={"code": "sh", "name_zh": "上海店", "name_en": "Shanghai"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
    assert "上海店" not in answer.text


def test_every_changing_route_passes_the_log(node: Node) -> None:
    """The middleware stands over the application: no route has a way round it."""
    app = create_app(node.parts())
    changing = [
        (route.path, method)
        for route in app.routes
        for method in getattr(route, "http_methods", getattr(route, "methods", ()))
        if method not in ("GET", "HEAD", "OPTIONS")
    ]
    assert len(changing) > 30
    with TestClient(app) as client:
        for path, method in changing:
            client.request(method, re.sub(r"\{[^}]*\}", "1", path))
    assert len(rows(node)) + len(rows(node, "login")) == len(changing)


def test_the_page_verifies_the_newest_rows_and_says_where_it_is_broken(
    node: Node, client: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        client.post("/api/v1/stores", json={"code": "x"})
        Auditing(node.eventlog).step()
    assert client.get("/api/v1/audit/verification").json()["rows"] == 3
    page = client.get("/audit?lang=en", headers={"Accept": "text/html"}).text
    assert "The chain holds" in page
    assert "3 seals" in page
    with node.database.write() as connection:
        connection.execute(update(ACCESS).where(ACCESS.c.id == 1).values(account=7))
    assert client.get("/api/v1/audit/verification").json()["broken"] == {"id": 1, "fault": "changed", "seal": 0}
    page = client.get("/audit?lang=en", headers={"Accept": "text/html"}).text
    assert "tampered with at row 1" in page
    assert "Broken here" in page
    monkeypatch.setattr(limits, "AUDIT_VERIFIED_MAX", 1)
    found = client.get("/api/v1/audit/verification").json()
    assert (found["rows"], found["broken"]) == (1, None), "past the bound nothing is looked at"


def test_the_log_is_read_by_kind_and_word(node: Node, client: TestClient[Litestar]) -> None:
    node.reader.note(NODE, "person", subject="person:12", persons=1)
    client.post("/api/v1/stores", json={"code": "x"})
    assert [item["subject"] for item in client.get("/api/v1/audit?what=looks").json()["items"]] == ["person:12"]
    assert [item["what"] for item in client.get("/api/v1/audit?search=stores").json()["items"]] == ["act"]
    assert client.get("/api/v1/audit?what=nothing").status_code == 400


NOW_MS = 500_000 * HOUR_MS


def looked(node: Node, persons: int, at_ms: int = NOW_MS - 1000, account: int = 5) -> None:
    with node.database.write() as connection:
        line = Line(time_ms=at_ms, group=1, account=account, api_key=0, what="person", persons=persons)
        append(connection, [line])


def test_who_reads_five_hundred_persons_in_an_hour_is_told_of_once(node: Node) -> None:
    auditing = Auditing(node.eventlog, lambda: NOW_MS)
    looked(node, limits.PERSONS_HOUR_MAX - 1)
    auditing.step()
    assert not node.log("audit.alerted")
    looked(node, 1)
    auditing.step()
    auditing.step()
    [alert] = node.log("audit.alerted")
    assert (alert.payload.account, alert.payload.persons, alert.payload.usual) == (5, limits.PERSONS_HOUR_MAX, 0)
    assert alert.subject == "account:5"


def test_one_person_looked_at_again_and_again_is_one(node: Node) -> None:
    with node.database.write() as connection:
        line = Line(time_ms=NOW_MS - 1, group=1, account=5, api_key=0, what="person", persons=1, subject="person:1")
        append(connection, [line] * (limits.PERSONS_HOUR_MAX + 5))
    Auditing(node.eventlog, lambda: NOW_MS).step()
    assert not node.log("audit.alerted")


def test_who_always_reads_so_many_is_told_of_beyond_their_measure_only(node: Node) -> None:
    looked(node, 800, NOW_MS - 30 * HOUR_MS)
    looked(node, 1_200)
    auditing = Auditing(node.eventlog, lambda: NOW_MS)
    auditing.step()
    assert not node.log("audit.alerted")
    looked(node, 1)
    auditing.step()
    [alert] = node.log("audit.alerted")
    assert (alert.payload.persons, alert.payload.usual) == (1_201, 800)


def test_a_stolen_database_shows_no_phone_and_no_name(node: Node, client: TestClient[Litestar], tmp_path: Path) -> None:
    """CDATA-050, for what people type into tables: the file and its write-ahead log are looked through as bytes."""
    from tests.audit.test_keys import PHONE, TEXT, fill

    fill(node.eventlog)
    _, token = node.people.create_account(NODE, login="wang", name="欧阳秀英", role="viewer", stores=None)
    node.people.take_invitation(token, PASSWORD)
    client.get(f"/outbox?format=csv&q={PHONE}", headers={"Accept": "text/html"})
    held = b"".join(file.read_bytes() for file in tmp_path.glob("carillon.db*"))
    assert len(held) > 100_000
    for secret in (PHONE, TEXT, "欧阳秀英", PASSWORD, token):
        for form in ("utf-8", "gbk", "utf-16-le"):
            assert secret.encode(form) not in held, (secret, form)
