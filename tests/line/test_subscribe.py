"""Subscribers see every event once, in order, through everything that happens to them and to the server.

All of it with real processes: servers that are killed, consumers that are killed, a doorbell that is mute, a pause in
which more happens than any buffer holds.
"""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import carillon
from api.subscribe import SubscribeError
from bench.servers import REPOSITORY, ChildServer, start_carillon
from core.doorbell import knock
from core.events import AlarmSeen, Event, derive_id
from storage.inbox import InboxLog
from tests.line.conftest import until

CONSUMER = """
import sys, time, carillon
where, key, position, seen, pause_file = sys.argv[1:]
from pathlib import Path
for event in carillon.subscribe(where, ["crash.", "sos."], position=position, key=key, after=0):
    while Path(pause_file).exists():
        time.sleep(0.05)
    with open(seen, "a") as out:
        out.write(f"{event.seq} {event.payload.vehicle_id}\\n")
"""


class Consumer:
    """A program that writes down what it sees."""

    def __init__(self, directory: Path, name: str, where: str, key: str = "", script: str = CONSUMER) -> None:
        self.seen = directory / f"{name}.seen"
        self.pause = directory / f"{name}.pause"
        self._arguments = [where, key, str(directory / f"{name}.position"), str(self.seen), str(self.pause)]
        self._script = script
        self._log = directory / f"{name}.log"
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", self._script, *self._arguments],
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stderr=log,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def list(self) -> list[int]:
        return [int(line.split()[0]) for line in self.seen.read_text().splitlines()] if self.seen.exists() else []

    def has(self, count: int) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        return len(self.list()) >= count


class World:
    """A server on one address, killed and started again, and a log that others fill."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.http = f"127.0.0.1:{probe.getsockname()[1]}"
        self.data = directory / "data"
        self.server: ChildServer | None = None
        self.start()
        self.log = InboxLog(f"sqlite:///{self.data / 'carillon.db'}")
        self.key = (self.data / "run" / "api.key").read_text().strip()
        self._next = 0

    def start(self) -> None:
        self.server = start_carillon(self.data, http=self.http)

    def kill(self) -> None:
        assert self.server is not None
        self.server.kill()

    def happen(self, count: int, *, wait: bool = True) -> None:
        """Let so many crashes, SOS and other things happen."""
        events = []
        for number in range(self._next, self._next + count):
            type_ = ("crash.suspected", "sos.pressed", "terminal.session.closed")[number % 3]
            payload = AlarmSeen(
                vehicle_id=number, terminal=1, report_id="1", lat_1e7=0, lon_1e7=0, speed_kmh10=0, alarm=1,
                evidence="alarm.0", has_fix=True,
            )  # fmt: skip
            closed = {"terminal": 1, "vehicle_id": number, "link": 1, "epoch": 1, "reason": "test"}
            id_ = derive_id("test", type_, 1, (str(number),), "")
            events.append(
                Event(
                    id=id_, type=type_, time_ms=0, subject=f"vehicle:{number}", actor="test",
                    payload=closed if number % 3 == 2 else payload,
                )
            )  # fmt: skip
        self._next += count
        if wait:
            self.log.append_and_wait(events, seconds=30)
        else:
            self.log.append(events)
            knock(self.data / "run")

    def wanted(self) -> list[int]:
        return [event.seq for event in self.log.follow(0, ("crash.", "sos."))[0]]

    def all_seen(self, consumers: list[Consumer]) -> None:
        wanted = self.wanted()
        for consumer in consumers:
            until(lambda consumer=consumer: consumer.has(len(wanted)))
            assert consumer.list() == wanted


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    one = World(tmp_path_factory.mktemp("subscribe"))
    yield one
    one.log.close()
    one.kill()


@pytest.fixture
def started(world: World) -> Iterator[list[Consumer]]:
    consumers: list[Consumer] = []
    yield consumers
    for consumer in consumers:
        consumer.kill()


def test_every_event_once_through_a_killed_server_a_mute_bell_and_a_pause(
    world: World, started: list[Consumer]
) -> None:
    world.happen(10)
    (world.data / "run" / "doorbell").unlink()
    mute = Consumer(world.directory, "mute", str(world.data))
    outside = Consumer(world.directory, "outside", f"http://{world.http}", world.key)
    paused = Consumer(world.directory, "paused", f"http://{world.http}", world.key)
    started += [mute, outside, paused]
    world.all_seen(started)
    paused.pause.touch()
    # Killed in mid-stream: events are on their way while it dies, and wait in the inbox until it lives again.
    world.happen(3_000)
    world.happen(300, wait=False)
    world.kill()
    began = time.monotonic()
    world.happen(30, wait=False)
    world.start()
    inside = Consumer(world.directory, "inside", str(world.data))
    started.append(inside)
    until(lambda: world.log.head() >= 3_340)
    world.happen(100)
    paused.pause.unlink()
    world.all_seen(started)
    assert time.monotonic() - began < 60
    # With the bell ringing, an insider sees what happens in a fraction of the two seconds that it looks by itself.
    world.happen(1)
    began = time.monotonic()
    world.happen(3)
    until(lambda: inside.list()[-1:] == world.wanted()[-1:])
    assert time.monotonic() - began < 1.5
    world.all_seen(started)


@pytest.mark.parametrize("kind", ["inside", "outside"])
def test_a_killed_consumer_goes_on_where_it_was(world: World, started: list[Consumer], kind: str) -> None:
    where = str(world.data) if kind == "inside" else f"http://{world.http}"
    consumer = Consumer(world.directory, f"killed-{kind}", where, world.key)
    started.append(consumer)
    world.happen(60)
    kills = 3
    for kill in range(kills):
        until(lambda kill=kill: consumer.has(10 * (kill + 1)))
        consumer.kill()
        consumer.start()
    wanted = world.wanted()
    until(lambda: len(set(consumer.list())) == len(wanted))
    seen = consumer.list()
    assert sorted(set(seen)) == wanted
    # An event whose body did not finish, or finished just before its position was written, comes again; no other.
    assert len(seen) - len(wanted) <= kills
    assert seen == sorted(seen)


def test_two_programs_need_two_positions_and_a_damaged_one_is_said(world: World, tmp_path: Path) -> None:
    file = tmp_path / "position"
    first = carillon.subscribe(world.data, position=file, after=0)
    assert next(first).seq == 1
    assert int(file.read_text()) == 0  # the body has not finished with it
    assert next(first).seq == 2
    assert int(file.read_text()) == 1
    with pytest.raises(SubscribeError, match="file of its own"):
        next(carillon.subscribe(world.data, position=file))
    first.close()
    again = carillon.subscribe(f"http://{world.http}", position=file, key=world.key)
    assert next(again).seq == 2
    again.close()
    file.write_text("many")
    with pytest.raises(SubscribeError, match="holds no position"):
        next(carillon.subscribe(world.data, position=file))
    with pytest.raises(SubscribeError, match="there is no event log"):
        next(carillon.subscribe(tmp_path))
    with pytest.raises(SubscribeError, match="answered 401"):
        next(carillon.subscribe(f"http://{world.http}", key="wrong"))


def test_a_program_that_subscribes_starts_fast() -> None:
    check = "import sys, carillon; assert not {'httpx', 'sqlalchemy', 'numba', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", check], cwd=REPOSITORY, check=True, timeout=30)


def test_the_consumer_of_the_readme_runs_as_printed(world: World, tmp_path: Path) -> None:
    [block] = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert len(block.splitlines()) <= 10
    program = tmp_path / "alerts.py"
    program.write_text(block)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(program), f"http://{world.http}", str(world.data / "run" / "api.key")],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, stdout=subprocess.PIPE, stderr=log,
            text=True,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        until((tmp_path / "alerts.position").exists)
        world.happen(3)
        newest = world.wanted()[-2:]
        lines = [process.stdout.readline(), process.stdout.readline()]
        assert [int(line.split(":")[0]) for line in lines] == newest, (tmp_path / "log").read_text()
        assert {line.split(": ")[1].split(",")[0] for line in lines} == {"crash suspected", "SOS"}
        process.terminate()
        process.wait(30)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
