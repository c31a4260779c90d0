"""Followers are told of every event of their types, at least once, in order."""

from collections.abc import Sequence

import pytest
import trio
import trio.lowlevel
import trio.testing

from core.events import Event
from core.follow import EVENTS_AT_ONCE, Follower


def event(seq: int, type_: str) -> Event:
    return Event(id=str(seq), type=type_, time_ms=0, subject="x", actor="test", seq=seq)


class Log:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reads = 0

    def add(self, *types: str) -> None:
        self.events += [event(len(self.events) + 1 + n, type_) for n, type_ in enumerate(types)]

    def follow(self, after: int, types: Sequence[str], limit: int) -> tuple[list[Event], int]:
        self.reads += 1
        head = len(self.events)
        found = [e for e in self.events[after:] if e.type.startswith(tuple(types))][:limit]
        return found, found[-1].seq if len(found) == limit else head


async def test_a_follower_begins_behind_its_start_and_looks_by_itself(mock_clock: trio.testing.MockClock) -> None:
    log, told, came = Log(), list[int](), {3: trio.Event(), 4: trio.Event()}
    log.add("fence.entered", "geofence.saved", "geofence.removed")

    async def handle(events: Sequence[Event]) -> None:
        for event in events:
            told.append(event.seq)
            came[event.seq].set()

    follower = Follower(("geofence.",), handle, log.follow, after=2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run)
        await came[3].wait()
        log.add("geofence.saved", "sos.pressed")
        await came[4].wait()  # nobody rings
        assert told == [3, 4]
        nursery.cancel_scope.cancel()


async def test_a_follower_wakes_for_its_own_topics_only() -> None:
    log = Log()
    told = trio.Event()

    async def handle(events: Sequence[Event]) -> None:
        told.set()

    follower = Follower(("geofence.",), handle, log.follow, after=0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follower.run)
        while not log.reads:
            await trio.lowlevel.checkpoint()
        log.add("geofence.saved")
        reads = log.reads
        follower.rung(1, frozenset({"fence", "sos"}))
        await trio.testing.wait_all_tasks_blocked()
        assert log.reads == reads
        began = trio.current_time()
        follower.rung(1, frozenset({"geofence"}))
        await told.wait()
        assert trio.current_time() - began < 1.5
        nursery.cancel_scope.cancel()


async def test_what_a_handler_failed_at_it_is_told_again() -> None:
    log, told = Log(), list[int]()
    log.add("geofence.saved")

    async def handle(events: Sequence[Event]) -> None:
        told.extend(event.seq for event in events)
        if len(told) == 1:
            raise OSError("away")

    follower = Follower(("geofence.",), handle, log.follow, after=0)
    with pytest.raises(OSError, match="away"):
        await follower.run()
    assert follower.seq == 0
    with trio.move_on_after(0.2):
        await follower.run()
    assert told == [1, 1]


async def test_a_backlog_comes_in_bounded_batches() -> None:
    log, sizes = Log(), list[int]()
    log.add(*["geofence.saved"] * (2 * EVENTS_AT_ONCE + 1))

    async def handle(events: Sequence[Event]) -> None:
        sizes.append(len(events))

    with trio.move_on_after(1):
        await Follower(("geofence.",), handle, log.follow, after=0).run()
    assert sizes == [EVENTS_AT_ONCE, EVENTS_AT_ONCE, 1]
