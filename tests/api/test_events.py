"""The event log over HTTP: pages, one event, and streams that end with their right and miss nothing."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar.testing import TestClient

from actors.business.organisation import ORGANISATION
from api import streams
from api.app import create_app
from api.server import ApiServer
from core import limits
from core.doorbell import Bell
from core.events import Event, FenceCrossed, derive_id
from core.rights import NODE
from storage.database import Database
from storage.people import Store
from tests.api.conftest import CARS, KEY, Node

WAIT_S = 30.0
TOLD = CARS
"""Events that a node begins with: each car's registration."""


@pytest.fixture
def node(database: Database) -> Node:
    """A node whose business says nothing of cars: its log has an event for each, and no more."""
    return Node(database, business=(ORGANISATION,))


def crossing(number: int, **fields: Any) -> Event:
    event = Event(
        id=derive_id("test", "fence", 1, (str(number),), ""),
        type="fence.entered",
        time_ms=1_760_000_000_000 + number,
        subject=f"vehicle:{number}",
        actor="test",
        purpose="safety",
        payload=FenceCrossed(
            vehicle_id=number, fence_id=1, report_id="1", lat_1e7=312_304_156, lon_1e7=1_214_737_049, speed_kmh10=0
        ),
    )
    return msgspec.structs.replace(event, **fields)


# --- pages ------------------------------------------------------------------------------------------------------------


def seqs(page: dict[str, Any]) -> list[int]:
    return [event["seq"] for event in page["items"]]


def test_a_page_takes_several_types_and_a_subject(node: Node, client: TestClient) -> None:
    node.eventlog.append([crossing(1), crossing(3, type="fence.exited"), crossing(2)])
    page = client.get("/api/v1/events?type=fence.entered&type=terminal.&after=24").json()
    assert (seqs(page), page["next"]) == ([25, 26, 28], TOLD + 3)
    assert seqs(client.get("/api/v1/events?subject=vehicle:2&type=fence.").json()) == [28]
    assert client.get("/api/v1/events?subject=vehicle:2'--").json()["code"] == "bad_request"
    assert client.get("/api/v1/events?" + "&".join(["type=a"] * 21)).json()["code"] == "bad_request"


def test_newest_first_ends_with_null(node: Node, client: TestClient) -> None:
    first = client.get("/api/v1/events?newest=true&limit=20").json()
    assert (seqs(first), first["next"]) == (list(range(25, 5, -1)), 6)
    second = client.get("/api/v1/events", params={"newest": True, "limit": 20, "after": first["next"]}).json()
    assert (seqs(second), second["next"]) == (list(range(5, 0, -1)), None)


def test_one_event_by_number_or_id(node: Node, client: TestClient) -> None:
    node.eventlog.append([crossing(1)])
    by_number = client.get(f"/api/v1/events/{TOLD + 1}").json()
    assert by_number["payload"]["fence_id"] == 1
    assert client.get(f"/api/v1/events/{by_number['id']}").json() == by_number
    for unknown in ("0", "999999", "9" * 40, "00", "²"):
        answer = client.get(f"/api/v1/events/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "event_unknown"), unknown


# --- streams ----------------------------------------------------------------------------------------------------------


class Served:
    """A node served over real sockets, with a doorbell, and readers of its streams."""

    def __init__(self, node: Node, bell: Bell) -> None:
        self.node = node
        node.eventlog.on_committed = bell.ring
        self.app = create_app(msgspec.structs.replace(node.parts(), doorbell=bell))
        self.streams: streams.Streams = self.app.state.streams
        self.server = ApiServer(self.app, "127.0.0.1", 0, on_stop=self.streams.close)
        self.server.start()
        self.url = f"http://{self.server.address}/api/v1/events/stream"

    @contextlib.contextmanager
    def stream(self, key: str = KEY, **parameters: Any) -> Iterator["Heard"]:
        headers = {"Authorization": f"Bearer {key}", **parameters.pop("headers", {})}
        with httpx.stream("GET", self.url, params=parameters, headers=headers, timeout=WAIT_S) as answer:
            yield Heard(answer)


class Heard:
    """One stream, event by event."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.lines = answer.iter_lines()

    def block(self) -> dict[str, str]:
        """Return the fields of the next block; {} at the end."""
        fields: dict[str, str] = {}
        for line in self.lines:
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.strip()
        return {}

    def event(self) -> tuple[int, str, dict[str, Any]]:
        """Return the next event: id, type, and what it is."""
        while fields := self.block():
            if "data" in fields:
                return int(fields.get("id", 0)), fields["event"], json.loads(fields["data"])
        raise EOFError


@pytest.fixture
def served(node: Node, tmp_path: Any) -> Iterator[Served]:
    bell = Bell(tmp_path, node.eventlog.head())
    one = Served(node, bell)
    yield one
    one.server.stop()
    bell.close()
    assert one.streams.open == 0


def key_of(node: Node, login: str, *, stores: list[int] | None = None) -> tuple[Any, int, str]:
    """Return a viewer as they act, and a key of theirs."""
    _, token = node.people.create_account(NODE, login=login, name=login, role="viewer", stores=stores)
    me = node.people.take_invitation(token, "korrekt-pferd-batterie").principal
    key, text = node.people.create_key(me, name="stream", rights=["events.read"])
    return me, key.id, text


def test_a_stream_goes_on_from_a_position_and_is_live(served: Served) -> None:
    with served.stream(after=TOLD - 2) as heard:
        assert heard.answer.headers["content-type"].startswith("text/event-stream")
        assert heard.block() == {"retry": "2000"}
        number, type_, event = heard.event()
        assert (number, type_, event["seq"], event["payload"]["vehicle_id"]) == (24, "terminal.registered", 24, 24)
        assert heard.event()[0] == 25
        began = time.monotonic()
        served.node.eventlog.append([crossing(1)])
        assert heard.event()[:2] == (26, "fence.entered")
        assert time.monotonic() - began < 1.0
    # Last-Event-ID goes before the address; without either a stream begins at the newest.
    with served.stream(after=1, headers={"Last-Event-ID": "25"}) as heard:
        assert heard.event()[0] == 26
    with served.stream(type=["sos.", "fence."]) as heard:
        heard.block()
        served.node.eventlog.append([crossing(2, type="terminal.registered"), crossing(3)])
        assert heard.event()[0] == 28


def test_a_long_past_comes_whole_and_in_order(served: Served) -> None:
    count = 3 * limits.STREAM_EVENTS + 7
    served.node.eventlog.append([crossing(n) for n in range(count)])
    with served.stream(after=0) as heard:
        assert [heard.event()[0] for _ in range(TOLD + count)] == list(range(1, TOLD + count + 1))


def test_an_idle_stream_says_where_it_stands(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(streams, "STREAM_KNOWN_S", 0.1)
    with served.stream(type="sos.") as heard:
        heard.block()
        assert heard.block() == {"comment": "heartbeat", "id": str(TOLD)}
        served.node.eventlog.append([crossing(1)])  # not of its type; it advances all the same
        while (fields := heard.block())["id"] != str(TOLD + 1):
            assert fields["comment"] == "heartbeat"


def test_equal_streams_share_their_reads_and_idle_ones_read_nothing(served: Served) -> None:
    with contextlib.ExitStack() as stack:
        heard = [stack.enter_context(served.stream(after=TOLD)) for _ in range(8)]
        for one in heard:
            one.block()
        served.node.eventlog.append([crossing(0)])
        for one in heard:
            assert one.event()[0] == TOLD + 1
        before = served.streams.reads
        for number in range(1, 11):
            served.node.eventlog.append([crossing(number)])
            for one in heard:
                assert one.event()[0] == TOLD + 1 + number
        # Eight streams and ten events, one after the other: without sharing, 80 reads and more.
        assert served.streams.reads - before <= 40
        assert served.streams.open == 8
        before = served.streams.reads
        assert not threading.Event().wait(2.5)  # two idle rings
        assert served.streams.reads == before


def test_a_revoked_key_ends_its_stream_within_seconds(served: Served) -> None:
    me, key, text = key_of(served.node, "li.wei")
    with served.stream(text) as heard:
        heard.block()
        began = time.monotonic()
        served.node.people.revoke_key(me, key)
        assert heard.event()[1] == "end"
        assert heard.block() == {}
        assert time.monotonic() - began < 6.0
    assert served.streams.statistics()["ended"] == 1
    answer = httpx.get(served.url, headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


def test_a_stream_carries_the_scope_of_its_reader(served: Served) -> None:
    people = served.node.people
    south, north = (
        people.save_store(NODE, Store(code=code, name_zh=code, name_en=code, time_zone="Asia/Shanghai")).id
        for code in ("SOUTH", "NORTH")
    )
    _, _, text = key_of(served.node, "li.wei", stores=[south])
    told = served.node.eventlog.head()
    with served.stream(text, after=told) as heard:
        heard.block()
        served.node.eventlog.append([crossing(1, store=north), crossing(2), crossing(3, store=south)])
        assert heard.event()[0] == told + 3


def test_one_stream_too_many_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAMS_PER_PRINCIPAL_MAX", 2)
    _, _, other = key_of(served.node, "li.wei")
    with contextlib.ExitStack() as stack:
        heard = [stack.enter_context(served.stream()) for _ in range(2)]
        answer = httpx.get(served.url, headers={"Authorization": f"Bearer {KEY}"})
        assert (answer.status_code, answer.json()["code"]) == (429, "streams_full")
        assert answer.headers["retry-after"] == "10"
        heard.append(stack.enter_context(served.stream(other)))
        monkeypatch.setattr(streams, "STREAMS_MAX", 3)
        assert httpx.get(served.url, headers={"Authorization": f"Bearer {other}"}).status_code == 429
        assert served.streams.statistics()["refused"] == 2
    # Their places are free again once the server has seen them go.
    deadline = time.monotonic() + WAIT_S
    while served.streams.open:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with served.stream() as heard:
        heard.block()


def test_a_slow_reader_costs_no_memory_and_misses_nothing(served: Served) -> None:
    batch = [crossing(n) for n in range(20_000)]
    served.node.eventlog.append(batch)
    with served.stream(after=TOLD) as heard:
        assert heard.event()[0] == TOLD + 1
        # It reads no further: what the server has read for it stays far below what there is.
        sent = 0
        while sent != (sent := served.streams.sent):
            assert not threading.Event().wait(0.5)
        assert sent < 15_000
        assert [heard.event()[0] for _ in range(len(batch) - 1)] == list(range(TOLD + 2, TOLD + len(batch) + 1))


def test_a_stop_ends_the_streams_at_once(served: Served) -> None:
    with served.stream() as heard:
        heard.block()
        began = time.monotonic()
        served.server.stop()
        assert heard.block() == {}
        assert time.monotonic() - began < 4.0


def test_a_bad_position_is_refused(client: TestClient) -> None:
    for wrong in ("x", "-1", "9" * 20, "١"):
        answer = client.get("/api/v1/events/stream", headers={"Last-Event-ID": wrong.encode()})
        assert answer.json()["code"] == "bad_request", wrong
