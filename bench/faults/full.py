"""Faults of the disk below a running program: full and freed again, syncs that fail, syncs that take two seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from bench.faults import Fault
from bench.faults.disk import Disk
from bench.faults.notes import Notes
from bench.faults.story import SOS, place
from bench.faults.terminal import Terminal
from bench.faults.world import OTHERS_FIRST, PHONE_FIRST, World

NOTHING: Final = -(1 << 50)
"""Room that stays nothing, whatever is removed meanwhile: somebody else fills the disk."""
SLOW_MS: Final = 2_000
SOON_S: Final = 10.0
"""Within so long acknowledging goes on by itself once the disk takes writes."""


@contextmanager
def beside(world: World) -> Iterator[Disk]:
    """Let the world's server have a disk that can be broken, and start all."""
    with Disk(world.data, world.work) as disk:
        world.start(environment=disk.environment)
        world.begin()
        try:
            yield disk
        finally:
            disk.free()
            disk.set("failing", 0)
            disk.set("delay_ms", 0)


def reasons(world: World) -> str:
    """Return what /health says."""
    return str(world.ask("GET", "/health"))


def goes_on(world: World) -> Callable[[], bool]:
    """Return what tells whether acknowledging goes on from here."""
    acked = world.acked
    return lambda: world.acked > acked


def press(world: World, frame: bytes, button: Terminal) -> None:
    """Press an emergency button, and wait until it is shown."""
    shown = world.figure("carillon_gateway_alarms_total")
    button.send(frame)
    world.wait(lambda: world.figure("carillon_gateway_alarms_total") > shown, "an SOS is shown on a full disk")


def fill(world: World) -> None:
    """Fill the disk under the load, press an emergency button there, and make room again."""
    number = OTHERS_FIRST
    notes = Notes(world.work / "button.record")
    world.records.append(notes.path)
    with beside(world) as disk:
        button = Terminal(world.server.port, str(PHONE_FIRST + number))
        button.login()
        for _ in range(world.times(3, 1)):
            world.let_it_work(0.5, 6.0)
            with world.fault():
                disk.fill(NOTHING)
                # What is prepared is used up first: up to five segments, each of which is sealed after five seconds.
                world.wait(lambda: "nothing has been acknowledged" in reasons(world), "/health says that it is full")
                world.promise("No space left" in reasons(world), "/health says why nothing is acknowledged")
                stood = world.acked
                serial, time_s = button.next_serial(), int(time.time())
                notes.sent(number, serial, time_s)
                press(world, button.frame(0x0200, place(0, 0, 0, SOS, time_s), serial), button)
                world.promise(world.acked == stood, "nothing is acknowledged on a full disk")
                time.sleep(world.draw.uniform(0.0, 3.0))
                on = goes_on(world)
                disk.free()
                world.wait(on, "acknowledging goes on once there is room", SOON_S)
                answer: Any = button.hear(0x8001).body
                notes.answered(number, serial, time_s, answer.result)
        button.close()
        notes.close()
        world.note(no_space=disk.get("refused"))


def fail(world: World) -> None:
    """Let syncs fail: the journal's alone, or any at all."""
    with beside(world) as disk:
        for number in range(world.times(8, 2)):
            disk.fail_where("/journal/" if number % 2 == 0 else "")
            world.let_it_work(0.2, 3.0)
            with world.fault():
                refusals = world.figure("carillon_intake_journal_refusals_total")
                disk.set("failing", world.draw.randint(1, 6))
                world.wait(lambda: disk.get("failing") == 0, "every failure was met")
                world.wait(goes_on(world), "acknowledging goes on", SOON_S)
                world.note(refusals=int(world.figure("carillon_intake_journal_refusals_total") - refusals))
        world.note(failed=disk.get("failed"))


def slow(world: World) -> None:
    """Let every sync take two seconds for a while."""
    with beside(world) as disk:
        for _ in range(world.times(3, 1)):
            world.let_it_work(0.5, 3.0)
            with world.fault():
                disk.set("delay_ms", SLOW_MS)
                world.wait(goes_on(world), "acknowledging goes on, slowly")
                time.sleep(world.draw.uniform(4.0, 8.0))
                disk.set("delay_ms", 0)
                world.wait(goes_on(world), "acknowledging goes on", SOON_S)


ROWS: Final = (
    Fault("disk-full", "the disk fills up, and room is made", fill),
    Fault("disk-error", "syncs fail with EIO", fail),
    Fault("disk-slow", "each sync takes two seconds", slow),
)
