"""Commands over HTTP: every downlink checked against its declaration, and what two other people must approve."""

import time
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from api.guards import COOKIE
from core.events import CommandProgress, Event, command_decision_id
from core.limits import APPROVAL_S, APPROVERS, COMMAND_BODY_BYTES_MAX
from core.rights import NODE
from protocols.jt808.commands import SENDABLE
from protocols.jt808.forms import id_text
from tests.api.conftest import SAME_SITE, Node

PASSWORD = "korrekt-pferd-batterie"
LOCK: dict[str, object] = {"message": "0x8500", "fields": {"controls": [{"kind": 1, "value": 0}]}}


def person(node: Node, login: str, role: str = "manager", stores: list[int] | None = None) -> dict[str, str]:
    """Return the headers of a person's browser; `key` in test names says where it is a key instead."""
    _, token = node.people.create_account(NODE, login=login, name=login, role=role, stores=stores)
    session = node.people.take_invitation(token, PASSWORD)
    return {"Cookie": f"{COOKIE}={session.token}", "Authorization": "", **SAME_SITE}


def key_of(node: Node, login: str) -> dict[str, str]:
    _, token = node.people.create_account(NODE, login=login, name=login, role="manager", stores=None)
    who = node.people.take_invitation(token, PASSWORD).principal
    return {"Authorization": f"Bearer {node.people.create_key(who, name='k', rights=who.rights)[1]}"}


def send(client: TestClient, headers: dict[str, str], order: dict[str, object] = LOCK, vehicle: int = 3) -> str:
    answer = client.post(f"/api/v1/vehicles/{vehicle}/commands", json=order, headers=headers)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def judge(client: TestClient, command: str, headers: dict[str, str], what: str = "approve", **said: str) -> Any:
    return client.post(f"/api/v1/commands/{command}/{what}", json=said, headers=headers)


def waiting(client: TestClient, headers: dict[str, str] | None = None) -> list[str]:
    page = client.get("/api/v1/commands", headers=headers or {}).json()
    return [item["id"] for item in page["items"]]


# --- checked ----------------------------------------------------------------------------------------------------------


def circle(**other: Any) -> dict[str, Any]:
    fields = {"id": 7, "attributes": 0, "latitude": 30_000_000, "longitude": 120_000_000, "radius_m": 200, "name": ""}
    return {**fields, **other}


@pytest.mark.parametrize(
    ("message", "fields", "place", "said"),
    [
        ("0x8600", {"setting": 1, "circles": [circle(radius_m=1 << 32)]}, "circles[0].radius_m", "fit into 4 bytes"),
        ("0x8600", {"setting": 1, "circles": [circle(name="🚗")]}, "circles[0].name", "is not in GBK"),
        ("0x8302", {"flags": 1, "text": "?", "answers": [{"id": 1, "text": "☎"}]}, "answers[0].text", "not in GBK"),
        ("0x8401", {"kind": 1, "contacts": [{"kind": 1, "number": "1", "name": "李🚗"}]}, "contacts[0].name", "at 1"),
        ("0x8500", {"controls": []}, "controls", "nothing to control"),
        ("0x8103", {"parameters": []}, "parameters", "nothing to set"),
        ("0x8900", {"kind": 1, "data": "0"}, "data", "hexadecimal"),
        ("0x8001", {"reply_serial": 1, "reply_message": 2, "result": 0}, "", "0x8001 cannot be sent as a command"),
        ("0x0200", {}, "", "0x0200 cannot be sent as a command"),
        ("0x8108", {"target": 0, "maker": "", "release": "", "data": "00" * COMMAND_BODY_BYTES_MAX}, "", "the most"),
    ],
)
def test_what_makes_no_message_is_refused_with_its_place(
    client: TestClient, node: Node, message: str, fields: dict[str, object], place: str, said: str
) -> None:
    answer = client.post("/api/v1/vehicles/3/commands", json={"message": message, "fields": fields})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("field", "")) == (422, "message_unsupported", place)
    assert said in problem["detail"]
    assert not node.log()


def test_every_downlink_that_a_person_may_send_is_taken_or_asks_for_its_fields(client: TestClient, node: Node) -> None:
    for message in sorted(SENDABLE):
        answer = client.post("/api/v1/vehicles/3/commands", json={"message": id_text(message)})
        assert answer.status_code in (202, 422), answer.text
        if answer.status_code == 422:
            # A recorder's block says which of its two commands is missing; everything else has a first field.
            assert "field" in answer.json() or "command" in answer.json()["detail"], f"{message:#06x}"
    assert len(node.log()) >= 8


def test_a_long_command_is_taken_whole_and_cut_on_a_page(client: TestClient) -> None:
    data = "ab" * 100_000
    order = {"message": "0x8108", "fields": {"target": 0, "maker": "CARIL", "release": "2", "data": data}}
    command = send(client, {}, order)
    assert client.get(f"/api/v1/commands/{command}").json()["fields"]["data"] == data
    [listed] = client.get("/api/v1/vehicles/3/commands").json()["items"]
    assert listed["fields"]["data"] == data[:1024] + "…"


def test_a_password_on_its_way_to_a_terminal_is_shown_to_nobody(client: TestClient, node: Node) -> None:
    fields = {"host": "ftp", "port": 21, "user": "u", "password": "known-to-the-ftp-server", "path": "/", "channel": 1}
    fields |= {"start_ms": None, "end_ms": None, "alarms": 0, "kind": 0, "stream": 0, "store": 0, "conditions": 7}
    command = send(client, {}, {"message": "0x9206", "fields": fields})
    assert node.log("command.requested")[-1].payload.fields["password"] == "known-to-the-ftp-server"
    for path in (f"/commands/{command}", "/commands?state=requested", "/vehicles/3/commands", "/events?type=command."):
        told = client.get(f"/api/v1{path}")
        assert "***" in told.text
        assert "known-to-the-ftp-server" not in told.text


# --- approved ---------------------------------------------------------------------------------------------------------


def test_two_others_approve_and_it_says_so(client: TestClient, node: Node) -> None:
    asker, second, third = (person(node, name) for name in ("asker", "second", "third"))
    taken = client.post("/api/v1/vehicles/3/commands", json={**LOCK, "expires_s": 5}, headers=asker).json()
    command = taken["id"]
    assert taken["approvals_needed"] == APPROVERS == 2
    asked = node.log("command.requested")[-1]
    assert asked.payload.expires_ms - asked.time_ms == APPROVAL_S * 1000
    assert waiting(client) == [command]
    half = judge(client, command, second, reason="the bank agrees").json()
    assert (half["state"], half["approvals"], half["ended"]) == ("approved", APPROVERS - 1, False)
    assert half["steps"][-1]["reason"] == "the bank agrees"
    assert half["steps"][-1]["actor"].startswith("account:")
    assert waiting(client) == [command]
    whole = judge(client, command, third).json()
    assert whole["approvals"] == 2
    assert waiting(client) == []
    events = node.log("command.approved")
    assert [(event.cause, event.correlation, event.answers) for event in events] == [(command, command, "")] * 2


def test_neither_who_asked_nor_one_person_twice_nor_any_key_approves(client: TestClient, node: Node) -> None:
    asker, second = person(node, "asker"), person(node, "second")
    command = send(client, asker)
    assert judge(client, command, asker).json()["code"] == "approval_own"
    assert judge(client, command, second).status_code == 200
    assert judge(client, command, second).json()["code"] == "approval_twice"
    # A key of the second, of a third, and the node's own.
    for headers in (key_of(node, "third"), {}):
        answer = judge(client, command, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "session_needed")
    operator = person(node, "operator", "operator")
    assert judge(client, command, operator).json()["code"] == "right_missing"
    assert len(node.log("command.approved")) == 1


def test_who_asked_by_a_key_is_the_same_person(client: TestClient, node: Node) -> None:
    _, token = node.people.create_account(NODE, login="asker", name="", role="manager", stores=None)
    session = node.people.take_invitation(token, PASSWORD)
    _, key = node.people.create_key(session.principal, name="k", rights=session.principal.rights)
    command = send(client, {"Authorization": f"Bearer {key}"})
    browser = {"Cookie": f"{COOKIE}={session.token}", "Authorization": "", **SAME_SITE}
    assert judge(client, command, browser).json()["code"] == "approval_own"


def test_the_open_demo_neither_sends_nor_approves(visitor: TestClient, client: TestClient, node: Node) -> None:
    command = send(client, person(node, "asker"))
    assert judge(visitor, command, {}).status_code == 401
    assert node.log("command.approved") == []


def test_a_rejection_ends_it_and_who_asked_may_take_it_back(client: TestClient, node: Node) -> None:
    asker, second = person(node, "asker"), person(node, "second")
    for headers in (second, asker):
        command = send(client, asker)
        said = judge(client, command, headers, "reject", reason="the wrong car").json()
        assert (said["state"], said["ended"]) == ("rejected", True)
        assert judge(client, command, second).json()["code"] == "command_over"
        assert judge(client, command, second, "reject").json()["code"] == "command_over"
    assert [event.answers for event in node.log("command.rejected")] == [
        event.id for event in node.log("command.requested")
    ]
    assert waiting(client) == []


def test_a_car_that_was_quicker_than_the_rejection_stands(client: TestClient, node: Node) -> None:
    asker, second = person(node, "asker"), person(node, "second")
    command = send(client, asker)
    append = node.append

    async def late(event: Event) -> Event:
        expired = CommandProgress(command=command, vehicle_id=3)
        node.eventlog.append(
            [
                Event(
                    id=command_decision_id(command, 3), type="command.expired", time_ms=1, subject="vehicle:3",
                    actor="vehicle", answers=command, cause=command, correlation=command, payload=expired,
                )
            ]
        )  # fmt: skip
        return await append(event)

    client.app.state["parts"] = msgspec.structs.replace(client.app.state.parts, append=late)
    answer = judge(client, command, second, "reject")
    assert (answer.status_code, answer.json()["code"]) == (409, "command_over")
    assert client.get(f"/api/v1/commands/{command}").json()["state"] == "expired"


def test_what_needs_no_approval_takes_none(client: TestClient, node: Node) -> None:
    second = person(node, "second")
    command = send(client, {}, {"message": "0x8201"})
    assert judge(client, command, second).json()["code"] == "approval_needless"
    assert judge(client, "0" * 32, second).json()["code"] == "command_unknown"
    assert waiting(client) == []


def test_what_is_over_time_or_decided_waits_no_more(
    client: TestClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker, second = person(node, "asker"), person(node, "second")
    command = send(client, asker)
    now_ns = time.time_ns() + round(APPROVAL_S * 1e9)
    monkeypatch.setattr("api.commands.time.time_ns", lambda: now_ns)
    assert judge(client, command, second).json()["code"] == "command_over"
    assert waiting(client) == []


def test_the_list_pages_newest_first_and_other_states_are_asked_by_name(client: TestClient, node: Node) -> None:
    asker = person(node, "asker")
    commands = [send(client, asker, vehicle=vehicle) for vehicle in (1, 2, 3)]
    send(client, asker, {"message": "0x8201"})
    page = client.get("/api/v1/commands", params={"limit": 2}).json()
    assert [item["id"] for item in page["items"]] == commands[:0:-1]
    rest = client.get("/api/v1/commands", params={"limit": 2, "before": page["next"]}).json()
    assert ([item["id"] for item in rest["items"]], rest["next"]) == (commands[:1], None)
    assert len(client.get("/api/v1/commands", params={"state": "requested"}).json()["items"]) == 4
    assert client.get("/api/v1/commands", params={"state": "queued"}).json() == {"items": [], "next": None}
    assert client.get("/api/v1/commands", params={"state": "lost"}).status_code == 400
