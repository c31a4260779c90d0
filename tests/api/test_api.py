"""The API answers what its contract says, with the right code, to the right caller."""

import re

import msgspec
import pytest
import trio
from litestar.testing import TestClient

from api.app import create_app
from api.messages import MESSAGES, TOPICS, language_of
from api.problems import PROBLEMS
from core.events import CommandProgress, Event
from core.limits import COMMAND_REQUEST_BYTES_MAX
from storage.errors import StorageError
from tests.api.conftest import CARS, KEY, Node, requested

READS = ("/api/v1/positions", "/api/v1/vehicles/1", "/api/v1/events", "/api/v1/commands/00")


@pytest.mark.parametrize("path", READS)
def test_nothing_is_read_without_the_key(stranger: TestClient, path: str) -> None:
    answer = stranger.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "login_needed")
    assert answer.headers["www-authenticate"] == "Bearer"
    answer = stranger.get(path, headers={"Authorization": f"Bearer {KEY}x"})
    assert (answer.status_code, answer.json()["code"]) == (401, "key_wrong")
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Basic abc", "Bearer \xff", KEY])
def test_a_header_that_is_no_key_opens_nothing(stranger: TestClient, header: str) -> None:
    answer = stranger.get("/api/v1/positions", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code in (401, 403)


def test_an_empty_key_opens_nothing(node: Node) -> None:
    parts = msgspec.structs.replace(node.parts(), key="")
    with TestClient(create_app(parts)) as client:
        assert client.get("/api/v1/positions", headers={"Authorization": "Bearer x"}).status_code == 401
        assert client.get("/api/v1/positions", headers={"Authorization": "Bearer  "}).status_code == 401


def test_the_demo_reads_without_a_key_and_writes_only_with_it(visitor: TestClient, node: Node) -> None:
    assert visitor.get("/api/v1/positions").status_code == 200
    answer = visitor.post("/api/v1/vehicles/1/commands", json={"message": "0x8201"})
    assert (answer.status_code, answer.json()["code"]) == (401, "login_needed")
    assert not node.log()


def test_pages_of_positions_join_without_gap_or_repeat(client: TestClient) -> None:
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = client.get("/api/v1/positions", params={"after": after, "limit": 10}).json()
        seen += [item["vehicle_id"] for item in page["items"]]
        after = page["next"]
    assert seen == list(range(1, 26))


@pytest.mark.parametrize("query", ["limit=0", "limit=10001", "after=-1", "limit=x"])
def test_a_parameter_out_of_bounds_is_named(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/v1/positions?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    assert query.split("=")[0] in answer.json()["detail"]


def test_a_vehicle_has_terminals_and_a_position(client: TestClient) -> None:
    vehicle = client.get("/api/v1/vehicles/3").json()
    assert vehicle["terminals"][0]["phone"] == "13800130003"
    assert vehicle["position"]["lat"] == 31.23041
    answer = client.get("/api/v1/vehicles/99")
    assert (answer.status_code, answer.json()["code"]) == (404, "vehicle_unknown")


def test_a_command_is_an_intent_on_the_log(client: TestClient, node: Node) -> None:
    answer = client.post("/api/v1/vehicles/3/commands", json={"message": "0x8201", "fields": {}})
    assert answer.status_code == 202
    command = answer.json()
    assert answer.headers["location"] == command["status"] == f"/api/v1/commands/{command['id']}"
    event = node.log()[0]
    assert (event.id, event.type, event.subject) == (command["id"], "command.requested", "vehicle:3")
    assert requested(node).expires_ms - event.time_ms == 60_000
    state = client.get(command["status"]).json()
    assert (state["state"], state["vehicle_id"], state["message"]) == ("requested", 3, "0x8201")


def test_a_command_is_in_the_state_of_its_last_step(client: TestClient, node: Node) -> None:
    command = client.post("/api/v1/vehicles/3/commands", json={"message": "0x8201"}).json()["id"]
    for type_, reply in (("command.sent", {}), ("command.effective", {"speed_kmh": 60})):
        payload = CommandProgress(command=command, vehicle_id=3, reply=reply)
        event = Event(
            id=type_, type=type_, time_ms=1, subject="vehicle:3", actor="vehicle", correlation=command, payload=payload
        )
        node.eventlog.append([event])
    answer = client.get(f"/api/v1/commands/{command}").json()
    assert answer["state"] == "effective"
    assert [step["state"] for step in answer["steps"]] == ["requested", "sent", "effective"]
    assert answer["steps"][-1]["reply"] == {"speed_kmh": 60}


def test_the_same_idempotency_key_is_the_same_command(client: TestClient, node: Node) -> None:
    headers = {"Idempotency-Key": "k1"}
    first, again = (
        client.post("/api/v1/vehicles/3/commands", json={"message": "0x8201"}, headers=headers).json()["id"]
        for _ in range(2)
    )
    other = client.post("/api/v1/vehicles/4/commands", json={"message": "0x8201"}, headers=headers).json()["id"]
    assert first == again != other
    assert len(node.log()) == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"message": "0x8201", "fields": {"colour": 1}}, 422, "message_unsupported"),
        ({"message": "0x9999"}, 422, "message_unsupported"),
        ({"message": "8201"}, 400, "bad_request"),
        ({"message": "0x8201", "fieldz": {}}, 400, "bad_request"),
        ({"message": "0x8201", "expires_s": 0}, 400, "bad_request"),
        ({}, 400, "bad_request"),
        ([], 400, "bad_request"),
    ],
)
def test_a_command_that_cannot_be_sent_is_refused(
    client: TestClient, node: Node, body: object, status: int, code: str
) -> None:
    answer = client.post("/api/v1/vehicles/3/commands", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert not node.log()


@pytest.mark.parametrize("fault", [OSError("disk full"), StorageError("away"), trio.RunFinishedError()])
def test_a_log_that_does_not_take_a_command_is_said(client: TestClient, node: Node, fault: Exception) -> None:
    node.log_fault = fault
    answer = client.post("/api/v1/vehicles/3/commands", json={"message": "0x8201"})
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")


def test_a_body_past_the_bound_is_refused(client: TestClient, node: Node) -> None:
    body = {"message": "0x8201", "fields": {"text": "x" * COMMAND_REQUEST_BYTES_MAX}}
    answer = client.post("/api/v1/vehicles/3/commands", json=body)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_events_are_read_on_from_a_position(client: TestClient) -> None:
    # What the cars' registration said, and what followed from it.
    before = client.get("/api/v1/events", params={"newest": True, "limit": 1}).json()["items"][0]["seq"]
    assert before > CARS
    for vehicle in (1, 2, 3):
        client.post(f"/api/v1/vehicles/{vehicle}/commands", json={"message": "0x8201"})
    page = client.get("/api/v1/events", params={"after": before + 1, "type": "command.", "limit": 1}).json()
    assert [item["seq"] for item in page["items"]] == [before + 2]
    assert page["items"][0]["payload"]["vehicle_id"] == 2
    assert page["next"] == before + 2
    empty = client.get("/api/v1/events", params={"after": before + 3}).json()
    assert empty == {"items": [], "next": before + 3}
    assert client.get("/api/v1/events", params={"type": "crash"}).json()["items"] == []
    assert client.get("/api/v1/events", params={"type": "%'"}).json()["code"] == "bad_request"


def test_health_says_why_it_is_not_well(stranger: TestClient, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.health.READY_KNOWN_S", 0.0)
    assert stranger.get("/health").status_code == 200
    node.faults.append("tcp: not listening yet")
    answer = stranger.get("/health")
    assert (answer.status_code, answer.json()["faults"]) == (503, ["tcp: not listening yet"])


def test_metrics_are_open_or_need_the_key(stranger: TestClient, client: TestClient) -> None:
    assert stranger.get("/metrics").status_code == 401
    assert "carillon_frames_total 7.0" in stranger.get("/metrics", headers={"Authorization": f"Bearer {KEY}"}).text
    assert client.get("/metrics").headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(("path", "code"), [("/nowhere", "not_found"), ("/api/v1/nowhere", "not_found")])
def test_an_unknown_address_is_a_problem(client: TestClient, path: str, code: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert client.delete("/api/v1/positions").json()["code"] == "method_not_allowed"


def test_our_own_fault_is_not_explained_to_the_caller(node: Node) -> None:
    node.live._table = None  # type: ignore[assignment]
    with TestClient(create_app(node.parts(demo=True)), raise_server_exceptions=False) as client:
        answer = client.get("/api/v1/positions")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "NoneType" not in answer.text


@pytest.mark.parametrize("path", ["/login", "/docs"])
def test_pages_take_nothing_from_elsewhere(visitor: TestClient, path: str) -> None:
    answer = visitor.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    hosts = set(re.findall(r"https?://[^\s\"'<>)]+", answer.text)) - {"http://www.w3.org/2000/svg"}
    assert not hosts
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_story_that_does_not_begin_with_a_request_is_no_command(client: TestClient, node: Node) -> None:
    payload = CommandProgress(command="c1", vehicle_id=1)
    event = Event(id="e1", type="command.sent", time_ms=1, subject="vehicle:1", actor="vehicle", payload=payload)
    node.eventlog.append([event])
    for command in ("e1", "c1"):
        assert client.get(f"/api/v1/commands/{command}").json()["code"] == "command_unknown"


def test_the_docs_name_every_operation(visitor: TestClient) -> None:
    page = visitor.get("/docs").text
    schema = visitor.get("/docs/openapi.json").json()
    for path in ("/api/v1/positions", "/api/v1/vehicles/{vehicle_id}/commands", "/api/v1/events", "/health"):
        assert path in page
        assert path in schema["paths"]
    sends = schema["paths"]["/api/v1/vehicles/{vehicle_id}/commands"]["post"]
    assert set(sends["responses"]) == {"202", "400", "401", "403", "404", "413", "422", "503"}
    assert "type" in [one["name"] for one in schema["paths"]["/api/v1/events"]["get"]["parameters"]]


def test_no_message_is_written_twice() -> None:
    assert sum(len(topic.MESSAGES) for topic in TOPICS) == len(MESSAGES)


def test_every_message_is_written_in_both_languages() -> None:
    for key, (english, chinese) in MESSAGES.items():
        assert english, key
        assert chinese, key
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), key


@pytest.mark.parametrize(
    ("chosen", "accept", "language"),
    [
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-GB,zh;q=0.9", "en"),
        (None, "fr;q=1,zh;q=0.1", "zh"),
        (None, "zh;q=0", "en"),
        (None, "zh;q=x", "en"),
        ("en", "zh", "en"),
        ("xx", "zh", "zh"),
        (None, "", "en"),
    ],
)
def test_the_page_speaks_the_readers_language(chosen: str | None, accept: str, language: str) -> None:
    assert language_of(chosen, accept) == language


def test_every_problem_has_a_status_and_a_title() -> None:
    for code, (status, title) in PROBLEMS.items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert 400 <= status < 600
        assert title
