"""Ready apart from alive; one look serves all who ask, and nobody waits for a database that does not answer."""

import threading

import pytest
from litestar.testing import TestClient

from api.health import Readiness
from core.limits import READY_KNOWN_S, READY_S_MAX


class Node:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.looks = 0
        self.fault = ""
        self.answers = threading.Event()
        self.answers.set()
        self.readiness = Readiness(self.look, lambda: self.now_s)

    def look(self) -> list[str]:
        self.looks += 1
        assert self.answers.wait(30)
        return [self.fault] if self.fault else []


@pytest.fixture
def looked() -> Node:
    return Node()


def test_one_look_serves_all_who_ask_within_a_second(looked: Node) -> None:
    assert [looked.readiness.faults() for _ in range(5)] == [[]] * 5
    assert looked.looks == 1
    looked.fault = "log: locked"
    looked.now_s += READY_KNOWN_S
    assert looked.readiness.faults() == ["log: locked"]
    assert looked.looks == 2
    looked.readiness.close()


def test_a_look_that_takes_too_long_is_a_fault_and_is_not_begun_twice(
    looked: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked.readiness.faults()
    looked.now_s += READY_KNOWN_S
    monkeypatch.setattr("api.health.READY_S_MAX", 0.01)
    looked.answers.clear()
    assert looked.readiness.faults() == ["log: has not answered for 0 s"]
    looked.now_s += READY_S_MAX + 4
    assert looked.readiness.faults() == [f"log: has not answered for {READY_S_MAX + 4:.0f} s"]
    assert looked.looks == 2
    monkeypatch.setattr("api.health.READY_S_MAX", 30.0 + looked.now_s)
    looked.answers.set()
    assert looked.readiness.faults() == []
    looked.readiness.close()


def test_a_look_that_fails_is_begun_anew(looked: Node) -> None:
    looked.look = None  # type: ignore[assignment, method-assign]
    broken = Readiness(lambda: looked.look(), lambda: looked.now_s)
    with pytest.raises(TypeError):
        broken.faults()
    looked.look = lambda: ["log: away"]  # type: ignore[method-assign]
    assert broken.faults() == ["log: away"]
    broken.close()


def test_a_node_that_is_not_ready_is_alive_and_the_other_way_round(
    stranger: TestClient, node: "object", monkeypatch: pytest.MonkeyPatch
) -> None:
    node.faults.append("store: away")  # type: ignore[attr-defined]
    assert stranger.get("/health").status_code == 503
    assert (stranger.get("/health/live").status_code, stranger.get("/health/live").json()["ok"]) == (200, True)
    node.stuck.append("intake: has not turned for 31 s")  # type: ignore[attr-defined]
    answer = stranger.get("/health/live")
    assert (answer.status_code, answer.json()["faults"]) == (503, ["intake: has not turned for 31 s"])
    assert answer.headers["cache-control"] == "no-store"
