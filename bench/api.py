"""What a request costs: python -m bench.api [--json]

CPU microseconds of the server per request of the routes that people and programs ask most, beside a Litestar handler
that answers a constant (bench/bare.py) on the same server, machine and run; and how long answers take, quiet and while
20,000 reports a second come in.

The client is a loop over one blocking socket a connection: it costs some 20 us a request, less than any server here.
Each connection asks again when it has its answer, so latencies hold no queue of our own making.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from bench import machine
from bench.machine import REPOSITORY, median, say, spread
from bench.servers import BenchError, ChildServer, start_carillon
from simulators.run import simulate

CONNECTIONS: Final = 2
CARS: Final = 200
HISTORY_S: Final = 3600.0
LOAD_PER_S: Final = 20_000
LOAD_TERMINALS: Final = 2_000
PHONE_FIRST: Final = 13_000_000_000
ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024


class Asked(NamedTuple):
    """What one route's requests came to."""

    requests: int
    seconds: float
    latencies_ms: list[float]
    cpu_us: float
    """Of the whole process per request, what it used without requests taken off."""
    thread_us: float
    """Of the thread that serves, per request. The rest is done by the threads that ask databases."""
    answer_bytes: int


class Connection:
    """One kept-alive connection that asks the same again and again."""

    def __init__(self, address: str, path: str, key: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nAccept-Language: en\r\n\r\n"
        ).encode()

    def ask(self) -> int:
        """Ask and read the whole answer; return its bytes.

        Raises:
            BenchError: the answer is not 200, or not one that says how long it is.
        """
        self._socket.sendall(self._request)
        answer = self._socket.recv(1 << 20)
        while (end := answer.find(b"\r\n\r\n")) < 0:
            answer += self._more()
        head = answer[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            raise BenchError(f"{self._request.split(b' ')[1]!r} answered {answer[:200]!r}")
        at = head.find(b"content-length:")
        if at < 0:
            raise BenchError(f"{self._request.split(b' ')[1]!r} does not say how long its answer is")
        whole = end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0])
        got = len(answer)
        while got < whole:
            got += len(self._more())
        return whole

    def _more(self) -> bytes:
        piece = self._socket.recv(1 << 20)
        if not piece:
            raise BenchError("the server ended the connection")
        return piece

    def close(self) -> None:
        self._socket.close()


def ask(server: ChildServer, path: str, key: str, seconds: float, idle_us_per_s: float) -> Asked:
    """Ask one route for a while, over CONNECTIONS connections at once."""
    connections = [Connection(server.http, path, key) for _ in range(CONNECTIONS)]
    latencies: list[list[float]] = [[] for _ in connections]
    faults: list[BaseException] = []
    sizes = [0] * len(connections)
    for connection in connections:
        for _ in range(5):
            connection.ask()

    def drive(number: int) -> None:
        connection, mine = connections[number], latencies[number]
        end = time.perf_counter() + seconds
        try:
            now = time.perf_counter()
            while now < end:
                sizes[number] = connection.ask()
                before, now = now, time.perf_counter()
                mine.append((now - before) * 1000)
        except (BenchError, OSError) as fault:
            faults.append(fault)

    threads = [threading.Thread(target=drive, args=(number,)) for number in range(len(connections))]
    cpu, began = server.cpu_ns(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took, after = time.perf_counter() - began, server.cpu_ns()
    for connection in connections:
        connection.close()
    if faults:
        raise BenchError(str(faults[0])) from faults[0]
    together = sorted(one for mine in latencies for one in mine)
    count = len(together)
    process_us = (after["process"] - cpu["process"]) / 1000 - idle_us_per_s * took
    thread_us = (after["api"] - cpu["api"]) / 1000
    return Asked(count, took, together, process_us / count, thread_us / count, max(sizes))


def idle_us_per_s(server: ChildServer, seconds: float = 3.0) -> float:
    """Return what the process uses while nobody asks it anything."""
    before, began = server.cpu_ns()["process"], time.perf_counter()
    time.sleep(seconds)
    return (server.cpu_ns()["process"] - before) / 1000 / (time.perf_counter() - began)


@contextmanager
def under_load(server: ChildServer, per_s: int, seconds: float) -> Iterator[None]:
    """Let terminals report meanwhile, at a fixed rate, from a process of their own."""
    command = [sys.executable, "-m", "simulators.load", "--tcp", f"127.0.0.1:{server.port}"]
    command += ["--terminals", str(LOAD_TERMINALS), "--reports-per-s", str(per_s), "--seconds", str(seconds)]
    command += ["--phone-first", str(PHONE_FIRST)]
    load = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
    try:
        name, deadline = "carillon_intake_reports_acknowledged_total", time.monotonic() + 120
        first = server.figure(name)
        while server.figure(name) < first + per_s:
            if load.poll() is not None or time.monotonic() > deadline:
                raise BenchError("the load did not begin")
            time.sleep(0.2)
        yield
        if load.poll() is not None:
            raise BenchError("the load ended before the requests did")
    finally:
        load.terminate()
        load.wait()


def routes(server: ChildServer) -> dict[str, str]:
    """Return what is asked, by name, for the car that has driven most."""
    now_ms = int(time.time() * 1000)
    busiest = server.query("SELECT vehicle_id FROM report GROUP BY vehicle_id ORDER BY count() DESC LIMIT 1")[0]
    hour = f"from={now_ms - 3_600_000}&to={now_ms}"
    return {
        "vehicles, 100 of a list": "/api/v1/vehicles?limit=100",
        "positions, 200": "/api/v1/positions?limit=200",
        "events, 100 of the log": "/api/v1/events?limit=100",
        "track, an hour of a car": f"/api/v1/vehicles/{busiest['vehicle_id']}/track?{hour}",
        "page, the feed of events": "/events",
    }


def measure(seconds: float, rounds: int, work: Path, load_per_s: int = LOAD_PER_S) -> dict[str, Any]:
    """Return the figures of every route, quiet and under load, beside the bare handler's."""
    figures: dict[str, Any] = {"quiet": {}, "under_load": {}}
    with start_carillon(work / "data") as server:
        say(f"{CARS} cars live through an hour ...")
        simulate(CARS, f"127.0.0.1:{server.port}", "demo", duration_s=10.0, history_s=HISTORY_S, say=say)
        key = (server.data / "run" / "api.key").read_text().strip()
        bare = ChildServer([sys.executable, "-m", "bench.bare"], work / "bare", health=False)
        with bare:
            asked = routes(server)
            idle = idle_us_per_s(server)
            samples: dict[str, list[Asked]] = {}
            for turn in range(rounds):
                say(f"quiet, round {turn + 1} of {rounds} ...")
                # In turn within each round: a machine that slows down slows all of them.
                samples.setdefault("bare handler", []).append(ask(bare, "/bare", "none", seconds, 0.0))
                for name, path in asked.items():
                    samples.setdefault(name, []).append(ask(server, path, key, seconds, idle))
            figures["quiet"] = {name: summary(turns) for name, turns in samples.items()}
            loaded: dict[str, list[Asked]] = {}
            whole_s = seconds * rounds * (len(asked) + 1) * 2 + 60
            with under_load(server, load_per_s, whole_s):
                for turn in range(rounds):
                    say(f"under {load_per_s:,} reports/s, round {turn + 1} of {rounds} ...")
                    for name, path in asked.items():
                        loaded.setdefault(name, []).append(ask(server, path, key, seconds, 0.0))
            figures["under_load"] = {name: summary(turns) for name, turns in loaded.items()}
            for name in figures["under_load"]:
                # The intake and the store work for the load meanwhile: what is theirs cannot be told from ours.
                del figures["under_load"][name]["cpu_us_per_request"]
            server.stop()
    base = figures["quiet"]["bare handler"]["cpu_us_per_request"]["median"]
    for route in figures["quiet"].values():
        route["ratio_to_bare"] = round(route["cpu_us_per_request"]["median"] / base, 2)
    return figures


def summary(turns: list[Asked]) -> dict[str, Any]:
    """Return medians over the rounds, and the range of what they were."""

    def over(values: list[float]) -> dict[str, Any]:
        return {"median": median(values), "range": spread(values)}

    def quantile(turn: Asked, share: float) -> float:
        return turn.latencies_ms[min(len(turn.latencies_ms) - 1, int(share * len(turn.latencies_ms)))]

    return {
        "cpu_us_per_request": over([turn.cpu_us for turn in turns]),
        "api_thread_us_per_request": over([turn.thread_us for turn in turns]),
        "p50_ms": over([quantile(turn, 0.50) for turn in turns]),
        "p99_ms": over([quantile(turn, 0.99) for turn in turns]),
        "requests_per_s": over([turn.requests / turn.seconds for turn in turns]),
        "requests": sum(turn.requests for turn in turns),
        "answer_bytes": turns[-1].answer_bytes,
    }


def table(figures: dict[str, Any], load_per_s: int) -> str:
    """Return the figures as a table for a person."""
    loaded_p50 = f"{load_per_s:,}/s p50"
    lines = [f"{'':30}{'CPU us (ratio)':>18}{'KB':>7}{'quiet p50':>11}{'p99 ms':>9}{loaded_p50:>15}{'p99 ms':>9}"]
    for name, quiet in figures["quiet"].items():
        cost = f"{quiet['cpu_us_per_request']['median']:.0f} ({quiet['ratio_to_bare']:.1f})"
        line = f"{name:30}{cost:>18}{quiet['answer_bytes'] / 1000:7.1f}"
        line += f"{quiet['p50_ms']['median']:11.2f}{quiet['p99_ms']['median']:9.2f}"
        if loaded := figures["under_load"].get(name):
            line += f"{loaded['p50_ms']['median']:15.2f}{loaded['p99_ms']['median']:9.2f}"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run; print a table, and when asked one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.api", description="What a request of the API costs.")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each route in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--reports-per-s", type=int, default=LOAD_PER_S, help="of the load")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = parser.parse_args(arguments)
    where = machine.description()  # before: the tree may change while a bench runs
    work = Path(tempfile.mkdtemp(prefix="carillon-bench-"))
    try:
        figures = measure(options.seconds, options.rounds, work, options.reports_per_s)
    except BenchError as error:
        say(str(error))
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(table(figures, options.reports_per_s))
    if options.json:
        whole = {"bench": "api", "cars": CARS, "connections": CONNECTIONS, "reports_per_s": options.reports_per_s}
        print(msgspec.json.encode(whole | figures | where).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
