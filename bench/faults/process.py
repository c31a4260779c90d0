"""Faults of processes: the program, or the ClickHouse server behind it, is killed at any moment."""

from typing import Final

from bench.faults import BOTH, CLICKHOUSE, Fault
from bench.faults.world import World


def quiet(world: World) -> None:
    """Break nothing: what every other row is compared with, and the proof that the cars' story is judged right."""
    world.begin()
    with world.fault(tried=0):
        world.let_it_work(6.0, 8.0)


def kill(world: World) -> None:
    """kill -9 at any moment of a sealing period (5 s), an insert, a merge, a snapshot; also right after the start."""
    world.begin()
    for _ in range(world.times(10, 2)):
        world.let_it_work(0.05, world.times(6, 2))
        with world.fault():
            world.server.kill()


def kill_while_starting(world: World) -> None:
    """kill -9 while the server still recovers from the last one: what recovery writes must not hurt the next."""
    world.begin()
    for _ in range(world.times(5, 1)):
        world.let_it_work(1.0, 6.0)
        with world.fault():
            world.server.kill()
            for _ in range(3):
                world.start_and_kill(world.draw.uniform(0.5, 4.0))


def kill_clickhouse(world: World) -> None:
    """kill -9 of the ClickHouse server: nobody's acknowledgement waits for it, and what it had taken is there."""
    assert world.clickhouse is None
    world.begin()
    assert world.clickhouse is not None
    for _ in range(world.times(5, 1)):
        world.let_it_work(1.0, 7.0)
        acked = world.acked
        with world.fault():
            world.clickhouse.kill()
            world.wait(lambda acked=acked: world.acked > acked + 1_000, "acknowledging goes on")


ROWS: Final = (
    Fault("quiet", "nothing is broken", quiet, BOTH),
    Fault("kill", "kill -9 of the process at any moment", kill, BOTH, quick=True),
    Fault("kill-while-starting", "kill -9 again and again while it recovers", kill_while_starting, BOTH),
    Fault("kill-clickhouse", "kill -9 of the ClickHouse server", kill_clickhouse, CLICKHOUSE),
)
