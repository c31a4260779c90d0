"""The log writer: durable before it answers, grouped, safety in front, never dropping."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import trio
import trio.testing

from core.events import AlarmSeen, Event, SessionClosed
from core.limits import LOG_BACKLOG_EVENTS_MAX, LOG_BATCH_EVENTS
from core.log import LogWriter
from storage.database import Database, migrate
from storage.errors import AnsweredTwiceError
from storage.eventlog import EventLog

DEADLINE_S = 20


class Store:
    """An append that remembers its batches, and can be made to wait or to fail."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []
        self.seq = 0
        self.failures = 0
        self.refuse: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.inside = 0

    def append(self, events: Sequence[Event]) -> list[int]:
        self.inside += 1
        assert self.inside == 1, "two appends at once"
        try:
            assert self.gate.wait(DEADLINE_S)
            if self.failures:
                self.failures -= 1
                raise OSError("disk full")
            if any(event.id in self.refuse for event in events):
                raise LookupError("answered twice")
            self.batches.append(list(events))
            self.seq += len(events)
            return list(range(self.seq - len(events) + 1, self.seq + 1))
        finally:
            self.inside -= 1


def plain(name: str) -> Event:
    payload = SessionClosed(terminal=1, vehicle_id=1, link=1, epoch=1, reason="closed")
    return Event(
        id=name, type="terminal.session.closed", time_ms=1, subject="terminal:1", actor="vehicle", payload=payload
    )


def sos(name: str) -> Event:
    payload = AlarmSeen(
        vehicle_id=1,
        terminal=1,
        report_id="0",
        lat_1e7=0,
        lon_1e7=0,
        speed_kmh10=0,
        alarm=1,
        evidence="alarm.0",
        has_fix=True,
    )
    return Event(
        id=name,
        type="sos.pressed",
        time_ms=1,
        subject="vehicle:1",
        actor="detection",
        purpose="safety",
        payload=payload,
    )


def names(events: Sequence[Event]) -> list[str]:
    return [event.id for event in events]


async def until(condition: Callable[[], object]) -> None:
    """Wait for the worker thread; the test's deadline ends it."""
    while not condition():  # noqa: ASYNC110 - a thread sets it, which knows no trio.Event
        await trio.sleep(0.001)


async def test_append_returns_the_seqs_once_the_store_has_committed() -> None:
    store = Store()
    store.gate.clear()
    log = LogWriter(store.append)
    answers: list[list[int]] = []

    async def call() -> None:
        answers.append(await log.append([plain("a"), plain("b")]))

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            nursery.start_soon(call)
            await until(lambda: store.inside)
            assert answers == []
            store.gate.set()
            await until(lambda: answers)
            assert answers == [[1, 2]]
            assert log.statistics().appended == 2
            assert log.statistics().seq == 2
            assert await log.append([]) == []
            nursery.cancel_scope.cancel()


async def test_callers_at_one_time_share_batches_of_at_most_256() -> None:
    store = Store()
    log = LogWriter(store.append)
    seqs: list[int] = []

    async def call(i: int) -> None:
        seqs.extend(await log.append([plain(f"{i}")]))

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            async with trio.open_nursery() as callers:
                for i in range(1000):
                    callers.start_soon(call, i)
            nursery.cancel_scope.cancel()
    assert sorted(seqs) == list(range(1, 1001))
    assert max(len(batch) for batch in store.batches) == LOG_BATCH_EVENTS
    assert len(store.batches) <= 6


async def test_a_safety_event_overtakes_what_waits() -> None:
    store = Store()
    store.gate.clear()
    log = LogWriter(store.append)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            nursery.start_soon(log.append, [plain("first")])
            await until(lambda: store.inside)
            for i in range(600):
                nursery.start_soon(log.append, [plain(f"{i}")])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(log.append, [sos("sos")])
            await trio.testing.wait_all_tasks_blocked()
            store.gate.set()
            await until(lambda: sum(map(len, store.batches)) == 602)
            nursery.cancel_scope.cancel()
    assert names(store.batches[0]) == ["first"]
    assert names(store.batches[1])[0] == "sos"


async def test_a_failing_store_makes_callers_wait_and_drops_nothing() -> None:
    store = Store()
    store.failures = 3
    log = LogWriter(store.append)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            assert await log.append([plain("a")]) == [1]
            nursery.cancel_scope.cancel()
    assert log.statistics().failures == 3
    assert log.statistics().last_failure == "OSError('disk full')"
    assert [names(batch) for batch in store.batches] == [["a"]]


async def test_what_the_store_refuses_fails_its_own_caller_only() -> None:
    store = Store()
    store.gate.clear()
    store.refuse = {"bad"}
    log = LogWriter(store.append, refusals=(LookupError,))
    errors: list[Exception] = []
    answered: list[str] = []

    async def call(name: str) -> None:
        try:
            await log.append([plain(name)])
            answered.append(name)
        except LookupError as error:
            errors.append(error)

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            async with trio.open_nursery() as callers:
                for name in ("a", "bad", "b"):
                    callers.start_soon(call, name)
                await until(lambda: store.inside)
                store.gate.set()
            nursery.cancel_scope.cancel()
    assert sorted(answered) == ["a", "b"]
    assert len(errors) == 1
    assert log.statistics().refused == 1


async def test_past_the_backlog_callers_wait_and_safety_does_not() -> None:
    store = Store()
    store.gate.clear()
    log = LogWriter(store.append)
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            nursery.start_soon(log.append, [plain("first")])
            await until(lambda: store.inside)
            nursery.start_soon(log.append, [plain(f"{i}") for i in range(LOG_BACKLOG_EVENTS_MAX)])
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(log.append, [plain("one more")])
            nursery.start_soon(log.append, [sos("sos")])
            await trio.testing.wait_all_tasks_blocked()
            statistics = log.statistics()
            assert (statistics.waiting, statistics.waiting_safety) == (LOG_BACKLOG_EVENTS_MAX, 1)
            assert statistics.blocked == 1
            store.gate.set()
            await until(lambda: store.seq == LOG_BACKLOG_EVENTS_MAX + 3)
            nursery.cancel_scope.cancel()
    assert [event.id for batch in store.batches for event in batch][:2] == ["first", "sos"]
    assert store.batches[-1][-1].id == "one more"
    assert log.statistics().blocked == 0


async def test_an_event_the_log_does_not_know_is_refused_before_it_can_stop_others() -> None:
    log = LogWriter(Store().append)
    with pytest.raises(ValueError, match=r"no event 'rain\.fell'"):
        await log.append([Event(id="1", type="rain.fell", time_ms=1, subject="", actor="")])
    with pytest.raises(ValueError, match="carries SessionClosed, got NoneType"):
        await log.append([Event(id="1", type="terminal.session.closed", time_ms=1, subject="", actor="")])
    with pytest.raises(ValueError, match="at most"):
        await log.append([plain("a")] * (LOG_BACKLOG_EVENTS_MAX + 1))


async def test_the_hook_hears_each_commit_with_its_topics() -> None:
    rung: list[tuple[int, frozenset[str]]] = []
    log = LogWriter(Store().append, lambda seq, topics: rung.append((seq, topics)))
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            await log.append([plain("a"), sos("b")])
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert rung == [(2, frozenset({"terminal.session.closed", "sos.pressed"}))]


async def test_one_callers_events_stay_together_and_in_order() -> None:
    store = Store()
    log = LogWriter(store.append)
    answers: dict[int, list[int]] = {}

    async def call(i: int) -> None:
        answers[i] = await log.append([plain(f"{i}.{j}") for j in range(100)])

    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(log.run)
            async with trio.open_nursery() as callers:
                for i in range(7):
                    callers.start_soon(call, i)
            nursery.cancel_scope.cancel()
    for i, seqs in answers.items():
        assert seqs == list(range(seqs[0], seqs[0] + 100)), i
    assert [len(batch) for batch in store.batches] == [200, 200, 200, 100]


async def test_on_the_real_log_a_repeat_keeps_its_number_and_a_second_answer_fails_its_caller(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'business.db'}")
    try:
        migrate(database)
        log = LogWriter(EventLog(database).append, refusals=(AnsweredTwiceError,))
        with trio.fail_after(DEADLINE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(log.run)
                first = msgspec.structs.replace(plain("a"), answers="intent")
                second = msgspec.structs.replace(plain("b"), answers="intent")
                assert await log.append([first, sos("c")]) == [1, 2]
                assert await log.append([sos("c"), first]) == [2, 1]
                with pytest.raises(AnsweredTwiceError):
                    await log.append([second])
                assert await log.append([plain("d")]) == [3]
                nursery.cancel_scope.cancel()
    finally:
        database.close()
