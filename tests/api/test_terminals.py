"""/api/v1/terminals and PATCH /vehicles: who may enter, bind, move and retire, and what a list of terminals may be."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.parts import Knock, Parts, Session
from api.terminal_file import read_terminal_file, template_of
from core import limits
from core.rights import NODE
from storage.marks import RefusedError
from storage.people import Store
from tests.api.conftest import KEY, Node

URL = "/api/v1/terminals"
HEAD = "终端手机号,终端ID,厂商,型号,车牌号,车牌颜色,车架号,所属门店"
KNOCK = Knock(
    phone="999", first_ms=1, last_ms=2, count=3, address="10.0.0.9", retired=False, terminal_id="T9", maker="M",
    model="X", plate="粤B99999", plate_colour=1, vin="",
)  # fmt: skip


@pytest.fixture
def stores(node: Node) -> list[int]:
    return [
        node.people.save_store(NODE, Store(code=code, name_zh=name, name_en=code)).id
        for code, name in (("S01", "城南店"), ("N01", "城北店"))
    ]


@pytest.fixture
def parts(node: Node, stores: list[int]) -> Parts:
    sessions = {1: Session(1_700_000_000_000, 2019)}
    return msgspec.structs.replace(node.parts(), session=sessions.get, knocking=lambda: [KNOCK])


@pytest.fixture
def boss(parts: Parts) -> Iterator[TestClient]:
    with TestClient(create_app(parts)) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


@pytest.fixture
def south(parts: Parts, node: Node, stores: list[int]) -> Iterator[TestClient]:
    """A manager of the southern store."""
    _, token = node.people.create_account(NODE, login="south", name="", role="manager", stores=[stores[0]])
    began = node.people.take_invitation(token, "correct horse battery")
    with TestClient(create_app(parts), cookies={"carillon_session": began.token}) as client:
        client.headers["Sec-Fetch-Site"] = "same-origin"
        yield client


def refused(answer: Any) -> tuple[int, str, str]:
    said = answer.json()
    return answer.status_code, said.get("field", ""), said["code"]


def imported(client: TestClient, text: str | bytes, **query: Any) -> Any:
    body = text if isinstance(text, bytes) else text.encode()
    return client.post(f"{URL}/import", content=body, headers={"Content-Type": "text/csv"}, params=query)


def test_a_terminal_is_entered_read_changed_bound_and_retired(boss: TestClient) -> None:
    answer = boss.post(URL, json={"phone": "139 0000 0001", "plate": "粤B00001", "store": "S01"})
    assert (answer.status_code, answer.json()["what"]) == (201, "added")
    terminal = answer.json()["terminal"]
    assert boss.post(URL, json={"phone": "13900000001"}).status_code == 200
    shown = boss.get(f"{URL}/{terminal}").json()
    assert (shown["terminal"]["plate"], shown["terminal"]["state"], len(shown["bindings"])) == ("粤B00001", "never", 1)
    changed = boss.patch(f"{URL}/{terminal}", json={"maker": "博实结"}).json()
    assert (changed["maker"], changed["model"]) == ("博实结", "")
    bound = boss.put(f"{URL}/1/binding", json={"plate": "粤B00001", "role": "camera"}).json()
    assert (bound["vehicle_id"], bound["role"], bound["store"]) == (shown["terminal"]["vehicle_id"], "camera", 1)
    own = boss.put(f"{URL}/1/binding", json={}).json()
    assert (own["vehicle_id"], own["plate"]) == (1, "")
    assert boss.delete(f"{URL}/{terminal}").json()["state"] == "retired"
    assert refused(boss.patch(f"{URL}/{terminal}", json={"maker": "x"})) == (409, "terminal", "terminal_retired")


REFUSALS = (
    ("POST", "", {"phone": "+86"}, (422, "phone", "phone_wrong")),
    ("POST", "", {"phone": "1", "vin": "1"}, (422, "vin", "vin_wrong")),
    ("POST", "", {"phone": "1", "store": "X"}, (422, "store", "store_wrong")),
    ("PUT", "/1/binding", {"plate": "none"}, (422, "plate", "car_unknown")),
    ("PUT", "/1/binding", {"vehicle_id": 999}, (404, "vehicle_id", "vehicle_unknown")),
    ("PUT", "/1/binding", {"vehicle_id": 2}, (409, "vehicle_id", "main_taken")),
    ("PUT", "/1/binding", {"from_ms": 2**60}, (422, "from_ms", "from_future")),
    ("PATCH", "/1", {"model": "x" * 99}, (422, "model", "too_long")),
    ("PATCH", "/999", {}, (404, "", "terminal_unknown")),
    ("DELETE", "/999", None, (404, "", "terminal_unknown")),
    ("GET", "/2147483647", None, (404, "", "terminal_unknown")),
)


@pytest.mark.parametrize(("method", "path", "body", "expected"), REFUSALS)
def test_a_refusal_names_its_field(boss: TestClient, method: str, path: str, body: Any, expected: Any) -> None:
    assert refused(boss.request(method, URL + path, json=body)) == expected


def test_a_page_has_the_state_of_each_and_filters_by_it(boss: TestClient, node: Node) -> None:
    page = boss.get(URL, params={"limit": 2}).json()
    assert [(one["terminal"], one["state"], one["version"]) for one in page["items"]] == [
        (1, "online", 2019), (2, "never", 0),
    ]  # fmt: skip
    assert page["next"] == 2
    assert [one["terminal"] for one in boss.get(URL, params={"state": "online"}).json()["items"]] == [1]
    walked, after = [], 0
    while True:
        page = boss.get(URL, params={"state": "never", "limit": 7, "after": after}).json()
        walked += [one["terminal"] for one in page["items"]]
        after = page["next"]
        if not after:
            break
    assert walked == list(range(2, 26))
    assert boss.get(URL, params={"limit": 501}).status_code == 400


def test_a_list_is_previewed_and_then_written(boss: TestClient) -> None:
    lines = (
        "13900000001,T1,BSJ,A5,粤B·00001,蓝色,,S01,x",
        "# 说明",
        "",
        "1.39E+10,,,,,,,,",
        "13900000002,,,,,黑牌,,城北店,",
    )
    text = f"{HEAD},备注\n" + "\n".join(lines)
    preview = imported(boss, text, preview=True).json()
    assert (preview["written"], preview["ignored_columns"]) == (False, ["备注"])
    assert preview["counts"] == {"added": 2, "changed": 0, "unchanged": 0, "refused": 1}
    assert [(one["line"], one["what"]) for one in preview["outcomes"]] == [(2, "added"), (5, "refused"), (6, "added")]
    assert imported(boss, text, whole=True).json()["written"] is False
    assert boss.get(URL, params={"search": "139000"}).json()["items"] == []
    assert imported(boss, text).json()["written"] is True
    found = boss.get(URL, params={"search": "139000"}).json()["items"]
    assert [(one["plate"], one["plate_colour"], one["store"]) for one in found] == [("粤B00001", 1, 1), ("", 3, 2)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_what_spreadsheets_write_is_read(encoding: str, delimiter: str) -> None:
    text = f"{HEAD}\r\n'013900000001,T1,厂商,,粤B00001,渐变绿,,S01\r\n".replace(",", delimiter)
    file = read_terminal_file(text.encode(encoding))
    entry = file.entries[0]
    assert (entry.phone, entry.maker, entry.plate_colour, entry.store, entry.line) == (
        "'013900000001", "厂商", 94, "S01", 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "file_empty"), (b"\n\n", "file_empty"), (b"Phone\n", "file_empty"), (b"PK\x03\x04", "file_workbook"),
        (b"Plate,VIN\n1,2\n", "column_missing"), (b"Phone\n\xff\xff\n", "file_unreadable"),
        (b"Phone\n1\0\n", "file_unreadable"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_list_says_why(body: bytes, code: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_terminal_file(body)
    assert caught.value.refusals[0].code == code


def test_a_list_one_byte_past_the_bound_is_too_large(boss: TestClient) -> None:
    most = limits.TERMINALS_IMPORT_BYTES_MAX
    for count, status in ((most, 200), (most + 1, 413)):
        answer = imported(boss, b"Phone\n13900000001\n".ljust(count, b"\n"), preview="true")
        assert answer.status_code == status, answer.text[:200]


def test_a_list_one_line_past_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.limits.TERMINALS_IMPORT_MAX", 2)
    assert len(read_terminal_file(b"Phone\n1\n2\n").entries) == 2
    with pytest.raises(RefusedError, match="too_many"):
        read_terminal_file(b"Phone\n1\n2\n3\n")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_template_enters_nothing_as_it_is(language: str) -> None:
    with pytest.raises(RefusedError, match="file_empty"):
        read_terminal_file(template_of(language))
    filled = template_of(language).decode("utf-8-sig").replace("# ", "")
    assert read_terminal_file(filled.encode()).entries[0].plate_colour == 1


def test_a_store_user_works_in_their_own_store(south: TestClient, boss: TestClient) -> None:
    assert south.get(URL).json() == {"items": [], "next": 0}
    assert south.post(URL, json={"phone": "13900000001", "plate": "粤B00001"}).status_code == 201
    assert [one["store"] for one in south.get(URL).json()["items"]] == [1]
    assert refused(south.post(URL, json={"phone": "2", "store": "N01"})) == (403, "store", "store_outside")
    for method, path in (("GET", "/1"), ("PATCH", "/1"), ("DELETE", "/1"), ("PUT", "/1/binding")):
        body = None if method in ("GET", "DELETE") else {}
        assert refused(south.request(method, URL + path, json=body)) == (404, "", "terminal_unknown"), (method, path)
    assert refused(south.patch("/api/v1/vehicles/1", json={"plate": "x"})) == (404, "", "vehicle_unknown")
    mine = south.get(URL).json()["items"][0]
    moved = south.patch(f"/api/v1/vehicles/{mine['vehicle_id']}", json={"vin": "11111111111111111"})
    assert moved.json()["vin"] == "11111111111111111"
    assert refused(south.patch(f"/api/v1/vehicles/{mine['vehicle_id']}", json={"store": 2}))[2] == "store_outside"
    assert boss.get(f"{URL}/knocking").json()["items"][0]["plate"] == "粤B99999"
    assert south.get(f"{URL}/knocking").json() == {"items": []}


def test_a_car_moves_to_another_store_with_its_terminals(boss: TestClient) -> None:
    answer = boss.patch("/api/v1/vehicles/3", json={"store": 2, "plate": "粤B00003", "plate_colour": 1})
    assert (answer.json()["store"], answer.json()["warnings"]) == (2, [])
    assert boss.get(f"{URL}/3").json()["terminal"]["store"] == 2
    assert refused(boss.patch("/api/v1/vehicles/4", json={"plate": "粤B00003"})) == (409, "plate", "plate_taken")
