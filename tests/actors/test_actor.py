"""Supervision, mailbox and clock: what fails starts again, what is full says so, what takes time can be virtual."""

import itertools

import pytest
import trio
import trio.testing

from core.actor import BACKOFF_S_MAX, BACKOFF_S_MIN, Actors, run_actor, until_it_holds
from core.clock import TrioWallClock, wall_ms
from core.mailbox import Mailbox

Clock = trio.testing.MockClock


async def test_an_actor_that_fails_starts_again_and_is_counted(mock_clock: Clock) -> None:
    actors = Actors()
    starts: list[float] = []

    async def run() -> None:
        starts.append(trio.current_time())
        if len(starts) < 4:
            raise ValueError("a bug")

    with trio.fail_after(60):
        await run_actor(run, "vehicle:7", actors=actors)
    (row,) = actors.statistics()
    assert (row.kind, row.running, row.starts, row.failures) == ("vehicle", 0, 4, 3)
    assert row.last_failure == "vehicle:7: ValueError('a bug')"
    pauses = [b - a for a, b in itertools.pairwise(starts)]
    assert pauses == pytest.approx([BACKOFF_S_MIN, 2 * BACKOFF_S_MIN, 4 * BACKOFF_S_MIN])


async def test_the_pause_between_starts_is_bounded_and_short_again_after_a_steady_life(mock_clock: Clock) -> None:
    ends: list[float] = []
    starts: list[float] = []

    async def run() -> None:
        starts.append(trio.current_time())
        if len(starts) == 14:
            await trio.sleep(61)
        if len(starts) == 15:
            return
        ends.append(trio.current_time())
        raise ValueError("a bug")

    with trio.fail_after(3600):
        await run_actor(run, "x", actors=Actors())
    pauses = [start - end for start, end in zip(starts[1:], ends, strict=True)]
    assert max(pauses) == pytest.approx(BACKOFF_S_MAX)
    assert pauses[-1] == pytest.approx(BACKOFF_S_MIN)


async def test_a_cancelled_actor_ends_also_in_its_pause(mock_clock: Clock) -> None:
    actors = Actors()

    async def run() -> None:
        raise ValueError("a bug")

    with trio.fail_after(60), trio.move_on_after(10) as scope:
        await run_actor(run, "x", actors=actors)
    assert scope.cancelled_caught
    assert actors.statistics()[0].running == 0


async def test_a_store_that_is_away_is_asked_until_it_is_back(mock_clock: Clock) -> None:
    errors: list[Exception] = []

    async def attempt() -> str:
        if len(errors) < 5:
            raise OSError("away")
        return "stored"

    with trio.fail_after(60):
        assert await until_it_holds(attempt, "storing", failed=errors.append) == "stored"
    assert len(errors) == 5


async def test_what_another_attempt_cannot_mend_is_raised_at_once(mock_clock: Clock) -> None:
    async def attempt() -> None:
        raise KeyError("refused")

    with trio.fail_after(60), pytest.raises(KeyError):
        await until_it_holds(attempt, "storing", unless=(KeyError,))


async def test_a_full_mailbox_refuses_and_calls_once_when_half_is_left(mock_clock: Clock) -> None:
    calls: list[int] = []
    mailbox = Mailbox[int](4, lambda: calls.append(mailbox.statistics().waiting))
    assert [mailbox.put_nowait(i) for i in range(6)] == [True] * 4 + [False] * 2
    statistics = mailbox.statistics()
    assert (statistics.waiting, statistics.bound, statistics.refused, statistics.crowded) == (4, 4, 2, True)
    with trio.fail_after(1):
        assert await mailbox.get() == 0
        assert calls == []
        assert await mailbox.get() == 1
        assert calls == [2]
        assert not mailbox.crowded
        assert [await mailbox.get(), mailbox.get_nowait(), mailbox.get_nowait()] == [2, 3, None]
    assert calls == [2]


async def test_what_was_refused_may_be_put_again_from_the_callback(mock_clock: Clock) -> None:
    kept = list(range(4, 12))

    def again() -> None:
        while kept and mailbox.put_nowait(kept[0]):
            kept.pop(0)

    mailbox = Mailbox[int](4, again)
    for i in range(4):
        assert mailbox.put_nowait(i)
    assert not mailbox.put_nowait(kept[0])
    with trio.fail_after(1):
        assert [await mailbox.get() for _ in range(12)] == list(range(12))


async def test_a_mailbox_that_was_never_full_never_calls(mock_clock: Clock) -> None:
    calls: list[bool] = []
    mailbox = Mailbox[int](2, lambda: calls.append(True))
    for i in range(5):
        assert mailbox.put_nowait(i)
        with trio.fail_after(1):
            assert await mailbox.get() == i
    assert calls == []


async def test_virtual_wall_time_moves_with_trio(mock_clock: Clock) -> None:
    clock = TrioWallClock(1_000)
    await trio.sleep(180)
    assert clock() == 181_000
    assert wall_ms() > 1_750_000_000_000


async def test_a_mailbox_wakes_its_actor_and_one_that_is_cancelled_has_taken_nothing(mock_clock: Clock) -> None:
    mailbox = Mailbox[int](2)
    taken: list[int] = []

    async def take() -> None:
        taken.append(await mailbox.get())

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            await trio.testing.wait_all_tasks_blocked()
            assert mailbox.put_nowait(1)
        with trio.move_on_after(1):
            await take()
        assert mailbox.put_nowait(2)
        with trio.CancelScope() as scope:
            scope.cancel()
            await take()
        assert (taken, len(mailbox)) == ([1], 1)
        await take()
    assert taken == [1, 2]


async def test_a_mailbox_is_one_actors(mock_clock: Clock) -> None:
    mailbox = Mailbox[int](1)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(mailbox.get)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(trio.BusyResourceError):
                await mailbox.get()
            assert mailbox.put_nowait(1)
