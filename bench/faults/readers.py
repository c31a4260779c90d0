"""Faults of readers: subscribers that stop reading, and an API flooded with queries."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

from bench.faults import EMBEDDED, Fault
from bench.faults.world import World
from bench.machine import REPOSITORY

TYPES: Final = ("sos.", "crash.", "fence.")
"""What the subscribers follow."""
STREAMS: Final = 8
FEEDS: Final = 4
"""Open readers that never read a byte, within what one key may have open."""
GROWTH_BYTES_MAX: Final = 150_000_000
"""How much the process may grow meanwhile: a run of this length without them grows by less than half."""

CONSUMER: Final = """
import sys, carillon
where, key, position, seen = sys.argv[1:]
with open(seen, "a", buffering=1) as out:
    for event in carillon.subscribe(where, TYPES, position=position, key=key, after=0):
        out.write(f"{event.seq}\\n")
"""


class Consumer:
    """A program that follows the log by carillon.subscribe, and writes down the numbers it sees."""

    def __init__(self, directory: Path, name: str, where: str, key: str = "") -> None:
        self.seen_file = directory / f"{name}.seen"
        self._process = subprocess.Popen(
            [sys.executable, "-c", CONSUMER.replace("TYPES", repr(TYPES)), where, key]
            + [str(directory / f"{name}.position"), str(self.seen_file)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stderr=subprocess.DEVNULL,
        )

    def signal(self, number: signal.Signals) -> None:
        """Stop it where it stands (SIGSTOP), or let it go on (SIGCONT)."""
        self._process.send_signal(number)

    def seen(self) -> list[int]:
        """Return the numbers it has seen, in order."""
        if not self.seen_file.exists():
            return []
        return [int(line) for line in self.seen_file.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def reached(self, seq: int) -> bool:
        """Tell whether it has seen an event with this number or a later one."""
        seen = self.seen()
        return bool(seen) and seen[-1] >= seq

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def told(world: World, up_to: int) -> list[int]:
    """Return the numbers of all events of TYPES up to one, as the API lists them."""
    numbers: list[int] = []
    after = 0
    types = "&".join(f"type={type_}" for type_ in TYPES)
    while after < up_to:
        _, page = world.ask("GET", f"/api/v1/events?after={after}&limit=1000&{types}")
        numbers += [event["seq"] for event in page["items"] if event["seq"] <= up_to]
        if page["next"] <= after:
            break
        after = page["next"]
    return numbers


def deaf(world: World, path: str, upgrade: bool) -> socket.socket:
    """Open a stream (SSE) or a feed (WebSocket) that will never be read; its socket holds little."""
    host, _, port = world.server.http.rpartition(":")
    key = (world.data / "run" / "api.key").read_text().strip()
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    link.connect((host, int(port)))
    head = f"GET {path} HTTP/1.1\r\nHost: {world.server.http}\r\nAuthorization: Bearer {key}\r\n"
    if upgrade:
        nonce = base64.b64encode(os.urandom(16)).decode()
        head += (
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n"
        )
    link.sendall(f"{head}\r\n".encode())
    return link


def stuck(world: World) -> None:
    """Subscribers stop reading: streams, feeds, a program on the doorbell. Others see every event, in order, at once.

    A program that was stopped and goes on again has missed nothing.
    """
    world.begin()
    key = (world.data / "run" / "api.key").read_text().strip()
    healthy = Consumer(world.work, "healthy", f"http://{world.server.http}", key)
    outside = Consumer(world.work, "outside", f"http://{world.server.http}", key)
    inside = Consumer(world.work, "inside", str(world.data.resolve()))
    links: list[socket.socket] = []
    try:
        for one in (healthy, outside, inside):
            world.wait(partial(one.reached, 1), "the subscribers follow the log")
        resident = world.server.resident_bytes()
        with world.fault(tried=STREAMS + FEEDS + 2):
            for stopped in (outside, inside):
                stopped.signal(signal.SIGSTOP)
            links += [deaf(world, "/api/v1/events/stream?after=0", upgrade=False) for _ in range(STREAMS)]
            links += [deaf(world, "/api/v1/live", upgrade=True) for _ in range(FEEDS)]
            slowest_s = 0.0
            until = time.monotonic() + world.times(40, 6)
            while time.monotonic() < until:
                seq = max(told(world, 1 << 60), default=0)
                began = time.monotonic()
                world.wait(partial(healthy.reached, seq), "who reads sees every event while others do not")
                slowest_s = max(slowest_s, time.monotonic() - began)
                time.sleep(0.5)
            grown = world.server.resident_bytes() - resident
            world.promise(grown < GROWTH_BYTES_MAX, f"who does not read is not kept for: {grown / 1e6:.0f} MB more")
            world.note(healthy_behind_s=round(slowest_s, 2), resident_grown_mb=round(grown / 1e6, 1))
            for stopped in (outside, inside):
                stopped.signal(signal.SIGCONT)
        head = int(world.figure("carillon_log_seq"))
        wanted = told(world, head)
        for name, one in (("healthy", healthy), ("outside", outside), ("inside", inside)):
            world.wait(partial(one.reached, wanted[-1]), f"the {name} subscriber catches up", 60.0)
            seen = [seq for seq in one.seen() if seq <= head]
            world.promise(seen == wanted, f"the {name} subscriber sees each event once, in order")
        world.note(events_followed=len(wanted))
    finally:
        for link in links:
            link.close()
        for one in (healthy, outside, inside):
            one.close()


def flooded(world: World) -> None:
    """Many programs ask all the API answers, without a pause; terminals are acknowledged, facts are told."""
    world.begin()
    world.let_it_work(3.0, 3.0)
    world.client.reset_clock()
    world.let_it_work(*((10.0, 10.0) if not world.quick else (3.0, 3.0)))
    before = world.client.result()
    world.client.reset_clock()
    seconds = world.times(40, 5)
    with world.fault():
        acts = world.story.acts
        flood = subprocess.run(
            [sys.executable, "-m", "bench.faults.flood", world.server.http, str(world.data / "run" / "api.key")]
            + [str(seconds), str(world.draw.randrange(1 << 30))],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 120,
        )
        during = world.client.result()
        world.promise(flood.returncode == 0, f"the flood was done: {flood.stderr[-500:]}")
        world.promise(world.story.acts > acts, "facts are told while the API is flooded")
        answers = json.loads(flood.stdout.splitlines()[-1]) if flood.returncode == 0 else {}
        world.promise(
            not [status for status in answers.get("status", {}) if status == "500"], "nothing is answered 500"
        )
        world.note(
            asked=answers.get("asked"),
            status=answers.get("status"),
            asked_per_s=round(answers.get("asked", 0) / seconds),
            ack_ms_p50=(before.ack_ms_p50, during.ack_ms_p50),
            ack_ms_p99_before=before.ack_ms_p99,
            ack_ms_p99_flooded=during.ack_ms_p99,
        )


ROWS: Final = (
    Fault("stuck-subscribers", "subscribers stop reading", stuck, EMBEDDED),
    Fault("api-flood", "the API is flooded with queries", flooded, EMBEDDED),
)
