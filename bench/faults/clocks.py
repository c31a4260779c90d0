"""Faults of the machine's clock: it jumps under a running program, forward and back, before the last record and beyond.

The clock that measures waits goes on. ClickHouse inside the process asks the kernel past the shim: its clock stays.
"""

from typing import Final

from bench.faults import Fault
from bench.faults.disk import Disk
from bench.faults.story import ACT
from bench.faults.world import World

HOUR_S: Final = 3_600
DAY_S: Final = 86_400
SOON_S: Final = 10.0
STORED_S: Final = 30.0
"""A segment is sealed and stored within some 6 s."""


def jump(world: World, *offsets_s: int) -> None:
    """Set the clock again and again, each time so far from where it belongs, and back to it."""
    with Disk(world.data, world.work) as disk:
        world.start(environment=disk.environment)
        world.begin()
        for offset_s in (*offsets_s, 0):
            world.let_it_work(0.5, 3.0)
            cuts = world.figure("carillon_intake_links_silent_total")
            logins = world.client.result().logins
            with world.fault():
                disk.set("offset_ns", offset_s * 10**9)
                goes_on(world, offset_s)
            silent = world.figure("carillon_intake_links_silent_total") - cuts
            world.promise(silent == 0, f"no session ends by a jump to {offset_s} s ({silent:.0f} did)")
            world.promise(world.client.result().logins == logins, "no terminal had to log in again")


def goes_on(world: World, offset_s: int) -> None:
    """Wait until reports are acknowledged, stored and judged as before."""
    acked, stored, steps = world.acked, world.figure("carillon_recorder_stored_total"), world.story.steps
    after = f"after a jump to {offset_s} s"
    world.wait(lambda: world.acked > acked + 100, f"acknowledging goes on {after}", SOON_S)
    world.wait(lambda: world.figure("carillon_recorder_stored_total") > stored, f"reports are stored {after}", STORED_S)
    world.wait(lambda: world.story.steps > steps + 2 * len(ACT), f"two acts of the cars are through {after}", STORED_S)


def ahead(world: World) -> None:
    """An hour and a day ahead, and back."""
    jump(world, HOUR_S, 0, DAY_S)


def behind(world: World) -> None:
    """An hour and a day back, before the last record and before the node was started; and a minute."""
    jump(world, -60, -HOUR_S, 0, -DAY_S)


ROWS: Final = (
    Fault("clock-ahead", "the clock jumps an hour and a day ahead, and back", ahead),
    Fault("clock-behind", "the clock jumps an hour and a day back, and ahead again", behind),
)
