"""Exports carry a watermark, stand in the audit log, and large ones go out by another person's word only."""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.app import create_app
from core import limits
from core.events import Event, derive_id
from core.events.audit import ExportApprovalRequested, ExportFetch, ExportRequested, SupplierContract
from core.rights import NODE
from storage.audit import verify
from storage.timers import Clock
from tests.api.conftest import Node, database, empty_database, node
from tests.api.two_stores import PASSWORD

__all__ = ["database", "empty_database", "node"]

Browse = Callable[[str, str], TestClient[Litestar]]


@pytest.fixture
def browse(node: Node) -> Iterator[Browse]:
    """Return a browser of a new account of this login and role, logged in."""
    opened: list[TestClient[Litestar]] = []

    def begin(login: str, role: str) -> TestClient[Litestar]:
        _, token = node.people.create_account(NODE, login=login, name=f"{login}的姓名", role=role, stores=None)
        session = node.people.take_invitation(token, PASSWORD)
        client = TestClient(create_app(node.parts()))
        client.__enter__()
        opened.append(client)
        client.headers["Accept"] = "text/html"
        client.headers["Sec-Fetch-Site"] = "same-origin"
        client.cookies.set("carillon_session", session.token)
        return client

    yield begin
    for client in opened:
        client.__exit__(None, None, None)


def types(node: Node, prefix: str) -> list[str]:
    return [event.type for event in node.log(prefix)]


def audit_rows(node: Node, what: str) -> list[tuple[object, ...]]:
    with node.database.read() as connection:
        rows = connection.exec_driver_sql(
            'SELECT account, act, status, subject, "rows", detail FROM access WHERE what = ? ORDER BY id', (what,)
        )
        return [tuple(row) for row in rows]


def test_a_small_export_goes_out_marked_and_logged(node: Node, browse: Browse) -> None:
    answer = browse("wang", "manager").get("/events?format=csv&lang=zh")
    assert answer.status_code == 200
    *_, last = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    export = answer.headers["X-Export"]
    assert re.fullmatch(r"[0-9a-f]{16}", export)
    assert last[0].startswith(f"导出编号 {export}，导出人 wang的姓名 (wang)，时间 20")
    assert types(node, "export.") == ["export.requested", "export.granted", "export.fetch.requested", "export.made"]
    made = node.log("export.made")[-1].payload
    assert made.sha256 == hashlib.sha256(answer.content).hexdigest(), "the very file is known by its hash"
    [row] = audit_rows(node, "export")
    assert row[3:] == (f"export:{export}", made.size, "events csv")
    assert verify(node.database).broken is None


def test_a_workbook_keeps_its_mark_when_the_row_is_deleted(browse: Browse) -> None:
    answer = browse("wang", "manager").get("/events?format=xlsx")
    export = answer.headers["X-Export"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        assert export in book.read("docProps/custom.xml").decode()
        assert "<dc:creator>wang</dc:creator>" in book.read("docProps/core.xml").decode()
    assert export in sheet.partition("<sheetData>")[2].partition("</sheetData>")[0]
    assert export in sheet.partition("<headerFooter>")[2]


def test_a_large_export_waits_for_another_person(node: Node, browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXPORT_FREE_ROWS", 0)
    wang, li = browse("wang", "manager"), browse("li", "manager")
    answer = wang.get("/events?format=csv", follow_redirects=False)
    assert answer.status_code == 303
    export = answer.headers["Location"].rpartition("=")[2]
    assert "export.granted" not in types(node, "export.")
    own = wang.get("/exports?lang=en").text
    assert "waits for another person" in own
    assert f"{export}/approval" not in own, "nobody lets out their own"
    judged = wang.post(f"/api/v1/exports/{export}/approval", json={"approve": True})
    assert (judged.status_code, judged.json()["field"]) == (409, "own_export")
    assert wang.get(f"/events?format=csv&export={export}").status_code == 409, "not before it is granted"
    seen = li.get("/exports?lang=en").text
    assert "wang的姓名" in seen
    assert f"/api/v1/exports/{export}/approval" in seen
    assert li.post(f"/api/v1/exports/{export}/approval", json={"approve": True}).json()["state"] == "granted"
    assert li.get(f"/events?format=csv&export={export}").status_code == 409, "only who asked fetches it"
    assert wang.get(f"/events?format=csv&q=fence&export={export}").status_code == 409, "only what was asked for"
    ready = re.search(r'href="(/events\?[^"]+export=[^"]+)"', wang.get("/exports").text)
    assert ready
    file = wang.get(ready[1].replace("&amp;", "&"))
    assert file.status_code == 200, (ready[1], file.text[:2000])
    assert export in file.text
    again = wang.get(ready[1].replace("&amp;", "&"))
    assert (again.status_code, node.log("export.made")[-1].payload.export) == (409, export), "once"
    assert types(node, "export.granted") == ["export.granted"]


def test_a_denied_export_is_never_handed_out(node: Node, browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXPORT_FREE_ROWS", 0)
    wang, li = browse("wang", "manager"), browse("li", "manager")
    export = wang.get("/events?format=csv", follow_redirects=False).headers["Location"].rpartition("=")[2]
    assert li.post(f"/api/v1/exports/{export}/approval", json={"approve": False}).json()["state"] == "denied"
    assert wang.get(f"/events?format=csv&export={export}").status_code == 409
    again = li.post(f"/api/v1/exports/{export}/approval", json={"approve": True})
    assert (again.status_code, again.json()["field"]) == (409, "export_over")
    assert types(node, "export.denied") == ["export.denied"]


def test_who_may_not_approve_does_not(browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXPORT_FREE_ROWS", 0)
    wang, zhao = browse("wang", "viewer"), browse("zhao", "viewer")
    export = wang.get("/events?format=csv", follow_redirects=False).headers["Location"].rpartition("=")[2]
    assert zhao.post(f"/api/v1/exports/{export}/approval", json={"approve": True}).status_code == 403
    assert export not in zhao.get("/exports").text


def test_what_was_searched_for_stands_sealed(node: Node, browse: Browse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXPORT_FREE_ROWS", 0)
    monkeypatch.setattr(limits, "EXPORTS_WAITING_MAX", 1)
    wang = browse("wang", "manager")
    assert wang.get("/outbox?format=csv&q=13800138000").status_code in (200, 303)
    with node.database.read() as connection:
        [query] = connection.exec_driver_sql("SELECT query FROM export_query").scalars()
        payloads = connection.exec_driver_sql("SELECT payload FROM event WHERE type LIKE 'export.%'").scalars().all()
    assert query.startswith("s1.")
    assert "13800138000" not in "".join(payloads)


# --- the rules by themselves -----------------------------------------------------------------------------------------

NOW_MS = 1_760_000_000_000


def asked(node: Node, type_: str, payload: object, key: str, at_ms: int = NOW_MS) -> Event | None:
    """Append an intent, and return its decision."""
    event = Event(
        id=derive_id("test", type_, 1, (str(len(node.log(""))),), key), type=type_, time_ms=at_ms, subject="account:1",
        key=key, actor="account:1", payload=payload,
    )  # fmt: skip
    node.eventlog.append([event])
    return node.reader.decision(event.id)


def request(export: str, size: int, account: int = 1) -> ExportRequested:
    return ExportRequested(export=export, account=account, listing="events", form="csv", size=size, asked="a" * 64)


def test_one_row_past_the_bound_needs_a_word(node: Node) -> None:
    free = asked(node, "export.requested", request("aa", limits.EXPORT_FREE_ROWS), "export:aa")
    assert free is not None
    assert free.type == "export.granted"
    assert asked(node, "export.requested", request("bb", limits.EXPORT_FREE_ROWS + 1), "export:bb") is None


def test_one_waiting_export_too_many_is_refused(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "EXPORTS_WAITING_MAX", 2)
    for name in ("aa", "bb"):
        assert asked(node, "export.requested", request(name, 9_999), f"export:{name}") is None
    refused = asked(node, "export.requested", request("cc", 9_999), "export:cc")
    assert refused is not None
    assert refused.payload.code == "exports_full"
    assert asked(node, "export.requested", request("dd", 9_999, account=2), "export:dd") is None


def test_an_export_that_nobody_judges_is_denied_after_a_day(node: Node) -> None:
    assert asked(node, "export.requested", request("aa", 9_999), "export:aa") is None
    due_ms = NOW_MS + limits.EXPORT_APPROVAL_S * 1000
    clock = Clock(node.eventlog, lambda: due_ms - 1)
    clock.step()
    assert not node.log("export.denied")
    clock = Clock(node.eventlog, lambda: due_ms)
    clock.step()
    [denied] = node.log("export.denied")
    assert denied.payload.reason == "timed_out"
    late = ExportApprovalRequested(export="aa", account=2, approve=True)
    refused = asked(node, "export.approval.requested", late, "export:aa", due_ms + 1)
    assert refused is not None
    assert refused.payload.code == "export_over"


def test_what_has_grown_past_what_was_approved_is_refused(node: Node) -> None:
    asked(node, "export.requested", request("aa", 100), "export:aa")

    def fetch(size: int) -> Event | None:
        wanted = ExportFetch(export="aa", account=1, asked="a" * 64, size=size, sha256="b" * 64)
        return asked(node, "export.fetch.requested", wanted, "export:aa")

    refused, made = fetch(201), fetch(200)
    assert refused is not None
    assert refused.payload.code == "export_grown"
    assert made is not None
    assert made.type == "export.made"


def test_a_supplier_is_numbered_and_changed(node: Node) -> None:
    first = SupplierContract(name="救援公司", contract="HT-1", ends_ms=NOW_MS + 1)
    decided = asked(node, "supplier.contract.requested", first, "supplier:new")
    assert decided is not None
    assert decided.payload.supplier == 1
    other = SupplierContract(supplier=9, name="x", contract="y", ends_ms=1)
    refused = asked(node, "supplier.contract.requested", other, "supplier:9")
    assert refused is not None
    assert refused.payload.code == "supplier_unknown"
