"""/terminals and /people: what each shows to whom, in both languages."""

from collections.abc import Iterator

import msgspec
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.parts import Session
from core.rights import NODE, RIGHTS
from storage.bindings import Entry
from storage.people import Store
from tests.api.conftest import Node
from tests.api.test_terminals import KNOCK

LANGUAGES = ("zh", "en")


@pytest.fixture
def stores(node: Node) -> list[int]:
    return [
        node.people.save_store(NODE, Store(code=code, name_zh=f"{code}店", name_en=f"Store {code}")).id
        for code in ("S01", "N01")
    ]


def browser(node: Node, login: str, role: str, stores: list[int] | None) -> Iterator[TestClient]:
    _, token = node.people.create_account(NODE, login=login, name="", role=role, stores=stores)
    began = node.people.take_invitation(token, "correct horse battery")
    parts = msgspec.structs.replace(
        node.parts(), session={1: Session(1_700_000_000_000, 2019)}.get, knocking=lambda: [KNOCK]
    )
    with TestClient(create_app(parts), cookies={"carillon_session": began.token}) as client:
        client.headers.update({"Accept": "text/html", "Sec-Fetch-Site": "same-origin"})
        yield client


@pytest.fixture
def boss(node: Node, stores: list[int]) -> Iterator[TestClient]:
    yield from browser(node, "boss", "administrator", None)


@pytest.fixture
def south(node: Node, stores: list[int]) -> Iterator[TestClient]:
    yield from browser(node, "south", "manager", [stores[0]])


@pytest.fixture
def looker(node: Node, stores: list[int]) -> Iterator[TestClient]:
    yield from browser(node, "looker", "viewer", [stores[0]])


PAGES = ("/terminals", "/terminals/1", "/people", "/people/1", "/people/keys", "/people/stores", "/people/access")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_shown_whole_in_both_languages(boss: TestClient, path: str, language: str) -> None:
    answer = boss.get(path, params={"lang": language})
    assert answer.status_code == 200, answer.text
    assert "</html>" in answer.text
    assert " style=" not in answer.text


def test_the_table_shows_state_and_exports_the_same_rows(boss: TestClient) -> None:
    page = boss.get("/terminals?lang=en&q=13800130001").text
    assert "13800130001" in page
    assert "Online" in page
    assert "13800130002" not in page
    *lines, mark = boss.get("/terminals?lang=en&q=1380013&format=csv").text.splitlines()
    assert mark.startswith('"Export ')
    assert len(lines) == 26
    assert "13800130001" in lines[-1]
    rows = boss.get("/terminals?state=online", headers={"HX-Request": "true", "HX-Target": "div#terminals-table"}).text
    assert "<html" not in rows
    assert rows.count("<tr class") == 1


def test_who_knocks_is_shown_to_the_group_only(boss: TestClient, south: TestClient) -> None:
    assert "粤B99999" in boss.get("/terminals").text
    assert "10.0.0.9" in boss.get("/terminals/knocking").text
    assert "粤B99999" not in south.get("/terminals").text
    assert "10.0.0.9" not in south.get("/terminals/knocking").text


def test_a_store_user_sees_their_own_terminals_people_and_stores(south: TestClient, node: Node) -> None:
    node.registry.terminals.enter(NODE, [Entry(phone="777", store="S01"), Entry(phone="888", store="N01")])
    page = south.get("/terminals").text
    assert "777" in page
    assert ">888<" not in page
    assert south.get("/terminals/1").status_code == 404
    assert "N01" not in south.get("/people/stores").text
    assert "N01店" not in south.get("/people").text


def test_who_may_not_change_is_offered_no_form(looker: TestClient, node: Node, stores: list[int]) -> None:
    node.registry.terminals.enter(NODE, [Entry(phone="777", store=stores[0])])
    assert "add-form" not in looker.get("/terminals").text
    terminal = looker.get("/terminals/26")
    assert terminal.status_code == 200
    assert "/api/v1/terminals" not in terminal.text
    assert looker.get("/people").status_code == 403


def test_a_manager_offers_no_role_above_their_own(south: TestClient, boss: TestClient) -> None:
    assert 'value="administrator">Administrator' in boss.get("/people?lang=en").text
    form = south.get("/people?lang=en").text.partition('id="invite"')[2]
    assert 'value="manager"' in form
    assert 'value="administrator"' not in form


def test_every_right_is_said_in_plain_words(boss: TestClient) -> None:
    page = boss.get("/people?lang=en").text
    assert page.count("<li>", page.index('class="roles"')) >= len(RIGHTS)


def test_an_empty_list_says_what_to_do(boss: TestClient, south: TestClient) -> None:
    assert "dial in" in south.get("/terminals?lang=en").text
    assert "Nobody has looked" in boss.get("/people/access?lang=en").text


def test_the_template_is_in_the_readers_language(boss: TestClient) -> None:
    assert boss.get("/terminals/template.csv?lang=zh").content.decode("utf-8-sig").startswith("终端手机号,")
    assert boss.get("/terminals/template.csv?lang=en").content.decode("utf-8-sig").startswith("Phone,")
