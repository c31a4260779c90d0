"""Approvals: what is asked, by whom, for which car; who may say yes, and how many times."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from litestar.testing import TestClient

from api.app import create_app
from core.events import CommandRequested, Event, derive_id
from core.rights import NODE
from tests.api.conftest import Node

ZH = {"Accept-Language": "zh"}


@pytest.fixture
def people(node: Node) -> Iterator[dict[str, TestClient]]:
    """Browsers of four people: three who may approve, and one who may only send."""
    roles = {"wang": "manager", "li": "manager", "zhao": "administrator", "qian": "operator"}
    with ExitStack() as stack:
        clients = {}
        for login, role in roles.items():
            _, token = node.people.create_account(NODE, login=login, name=f"{login} 先生", role=role, stores=None)
            began = node.people.take_invitation(token, "correct horse battery")
            client = stack.enter_context(
                TestClient(create_app(node.parts()), cookies={"carillon_session": began.token})
            )
            client.headers.update({"Accept": "text/html", "Sec-Fetch-Site": "same-origin", **ZH})
            clients[login] = client
        yield clients


def asked(node: Node, actor: str, message: str, fields: dict[str, object]) -> str:
    now_ms = time.time_ns() // 1_000_000
    event = Event(
        id=derive_id("test", "asked", 1, [message, actor], ""), type="command.requested", time_ms=now_ms,
        subject="vehicle:7", group=1, actor=actor,
        payload=CommandRequested(vehicle_id=7, message=message, fields=fields, expires_ms=now_ms + 600_000),
    )  # fmt: skip
    node.eventlog.append([event])
    return event.id


def account(client: TestClient) -> str:
    answer = client.get("/api/v1/me", headers={"Accept": "application/json"}).json()
    return f"account:{answer['id'] if 'id' in answer else answer['account']}"


def test_what_waits_is_shown_with_who_asks_and_where_the_car_is(node: Node, people: dict[str, TestClient]) -> None:
    command = asked(node, account(people["wang"]), "0x8500", {"flags": 1})
    page = people["li"].get("/approvals").text
    for words in (
        "车辆控制",
        "wang 先生",
        "车门加锁",
        "可能使车辆停驶",
        "60",
        "0/2",
        f'data-judge="{command}"',
        "批准",
        "驳回",
    ):
        assert words in page, words
    assert 'value="approve"' in page
    own = people["wang"].get("/approvals").text
    assert 'value="approve"' not in own
    assert "撤回申请" in own
    assert people["qian"].get("/approvals").status_code == 403
    assert people["li"].get("/approvals/count").text == '<b class="tally" title="1 条指令待审批">1</b>'
    assert people["wang"].get("/approvals/count").text == "", "nobody approves what they asked for"
    assert 'data-tally="/approvals/count"' in page
    assert 'data-tally="/approvals/count"' not in people["qian"].get("/vehicles").text


def test_two_others_approve_and_then_nothing_waits(node: Node, people: dict[str, TestClient]) -> None:
    command = asked(node, account(people["wang"]), "0x8105", {"command": 4})
    approve = f"/api/v1/commands/{command}/approve"
    assert people["wang"].post(approve, json={}).status_code == 403
    assert people["li"].post(approve, json={"reason": "试驾结束"}).status_code == 200
    again = people["li"].get("/approvals").text
    assert "您已批准" in again
    assert 'value="approve"' not in again
    assert "1/2" in again
    assert people["li"].get("/approvals/count").text == ""
    assert people["zhao"].post(approve, json={}).status_code == 200
    assert "暂无待审批的指令" in people["zhao"].get("/approvals").text
    page = people["qian"].get("/vehicles/7/commands").text
    assert "已批准 2/2" in page


def test_a_rejected_command_stands_with_its_reason(node: Node, people: dict[str, TestClient]) -> None:
    command = asked(node, account(people["wang"]), "0x8105", {"command": 4})
    assert people["li"].post(f"/api/v1/commands/{command}/reject", json={"reason": "车辆在途"}).status_code == 200
    page = people["qian"].get("/vehicles/7/commands").text
    assert "已驳回" in page
    assert "车辆在途" in page
    assert "暂无待审批的指令" in people["li"].get("/approvals").text


def test_a_key_sees_what_waits_and_approves_nothing(node: Node, reader: TestClient) -> None:
    asked(node, "account:1", "0x8105", {"command": 4})
    page = reader.get("/approvals", headers=ZH).text
    assert "仅登录的人员可审批" in page
    assert "data-judge" not in page


def test_a_form_says_before_it_is_sent_that_two_people_approve(reader: TestClient) -> None:
    control = reader.get("/vehicles/7/commands?message=0x8105", headers=ZH).text
    assert "data-approving" in control
    assert "此指令须两人审批" in control
    assert "data-approving" not in reader.get("/vehicles/7/commands?message=0x8202", headers=ZH).text
    harmless = {"message": "0x8103", "fields": {"parameters": [{"id": "0x0001", "value": 60}]}, "version": 2013}
    leading = {"message": "0x8103", "fields": {"parameters": [{"id": "0x0013", "value": "a"}]}, "version": 2013}
    assert 'data-approvals="0"' in reader.post("/commands/preview", json=harmless).text
    assert 'data-approvals="2"' in reader.post("/commands/preview", json=leading).text
