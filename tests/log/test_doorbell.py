"""The doorbell: a ring says look, and whoever is deaf looks by itself."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pynng
import pytest

from core.doorbell import Bell, Ear, knock, topic_of

WAIT_S = 20.0


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def bell(run: Path) -> Iterator[Bell]:
    opened = Bell(run, 7)
    yield opened
    opened.close()


class Calls:
    """What a subscriber was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, frozenset[str]]] = []
        self._changed = threading.Condition()

    def __call__(self, seq: int, topics: frozenset[str]) -> None:
        with self._changed:
            self.heard.append((seq, topics))
            self._changed.notify()

    def until(self, seq: int) -> float:
        began = time.monotonic()
        with self._changed:
            assert self._changed.wait_for(lambda: any(heard[0] >= seq for heard in self.heard), WAIT_S), self.heard
        return time.monotonic() - began


def test_a_ring_is_heard_here_and_elsewhere(bell: Bell, run: Path) -> None:
    here, there = Calls(), Calls()
    bell.subscribe(here)
    with Ear(run) as ear:
        ear.subscribe(there)
        there.until(7)  # an idle log rings every second
        bell.ring(8, 9, frozenset({"fence.entered", "fence.exited", "sos.pressed"}))
        assert there.until(9) < 0.9
        here.until(9)
    for calls in (here, there):
        assert frozenset({"fence", "sos"}) in [topics for seq, topics in calls.heard if seq == 9]


def test_an_idle_log_rings_every_second(bell: Bell, run: Path) -> None:
    with Ear(run) as ear:
        assert ear.wait(WAIT_S)
        began = time.monotonic()
        assert ear.wait(WAIT_S)
        assert 0.5 < time.monotonic() - began < 1.8


def test_who_is_deaf_looks_by_itself(run: Path) -> None:
    calls = Calls()
    for nobody in (Ear(None), Ear(run), Ear(run / "missing")):
        with nobody:
            began = time.monotonic()
            assert not nobody.wait(0.05)
            assert time.monotonic() - began < 1.0
    with Ear(None) as ear:
        ear.subscribe(calls)
        calls.until(0)
    assert calls.heard[0] == (0, frozenset())


def test_an_ear_hears_the_next_owner(run: Path) -> None:
    with Ear(run) as ear:
        for seq in (1, 2):
            bell = Bell(run, seq)
            assert ear.wait(WAIT_S)
            bell.close()


def test_many_rings_are_one(bell: Bell, run: Path) -> None:
    with Ear(run) as ear:
        assert ear.wait(WAIT_S)
        for seq in range(8, 2_000):
            bell.ring(seq, seq, frozenset({"fence.entered"}))
        heard = 0
        calls = Calls()
        ear.subscribe(calls)
        calls.until(1_999)
        heard = len(calls.heard)
        assert heard < 1_000


def test_nonsense_on_the_bell_is_a_ring(run: Path) -> None:
    with pynng.Pub0() as liar, Ear(run) as ear:
        liar.listen(f"ipc://{run}/doorbell")
        calls = Calls()
        ear.subscribe(calls)
        deadline = time.monotonic() + WAIT_S
        while len(calls.heard) < 2 and time.monotonic() < deadline:
            liar.send(b"\xff\x00 no msgpack")
            liar.send(b"")
            time.sleep(0.01)  # a publisher is not told when somebody has dialled
        assert calls.heard[0] == (0, frozenset())


def test_a_knock_reaches_the_owner_and_nobody_else_need_be_there(run: Path) -> None:
    knock(run)
    knock(run / "missing")
    knocked = threading.Event()
    bell = Bell(run, on_knock=knocked.set)
    try:
        knock(run)
        assert knocked.wait(WAIT_S)
    finally:
        bell.close()


def test_a_long_path_is_reached_all_the_same(tmp_path: Path) -> None:
    run = tmp_path / ("long" * 20) / ("longer" * 20)
    run.mkdir(parents=True)
    bell = Bell(run, 3)
    try:
        with Ear(run) as ear:
            assert ear.wait(WAIT_S)
            assert (run / "doorbell").is_socket()
    finally:
        bell.close()


def test_a_bell_without_a_place_is_mute_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bell = Bell(tmp_path / "missing")
    here = Calls()
    bell.subscribe(here)
    bell.ring(1, 1, frozenset({"a.b"}))
    here.until(1)
    bell.close()
    assert "mute" in caplog.text


def test_a_caller_whose_loop_has_ended_is_not_called_again(bell: Bell) -> None:
    times = []

    def ended(seq: int, topics: frozenset[str]) -> None:
        times.append(seq)
        raise RuntimeError("the loop is closed")

    here = Calls()
    bell.subscribe(ended)
    unsubscribe = bell.subscribe(here)
    for seq in (8, 9):
        bell.ring(seq, seq, frozenset({"a.b"}))
        here.until(seq)
    assert len(times) == 1
    unsubscribe()
    unsubscribe()


def test_nothing_is_left_open(run: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        bell = Bell(run)
        with Ear(run) as ear:
            assert ear.wait(WAIT_S)
        bell.close()
    threads = {thread.name for thread in threading.enumerate()}
    assert not threads & {"doorbell", "inbox door", "ear"}
    assert len(os.listdir("/proc/self/fd")) <= before + 8  # nng keeps some of its own


def test_topics_are_first_words() -> None:
    assert [topic_of(type_) for type_ in ("fence.entered", "geofence.", "sos", "")] == ["fence", "geofence", "sos", ""]
