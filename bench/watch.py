"""What a bench watches of a running server: what it has stored, what it costs over time, what a car answers.

`Series` looks at a server every few seconds while it works, and tells at the end whether it stayed as it was: what a
report cost, and how much memory it held, late in the run as early.
"""

import re
import statistics
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from bench.servers import BenchError, ChildServer, Server
from core.limits import SEAL_S

PHONE_FIRST: Final = 13_000_000_000

SEALED_AND_STORED_S: Final = SEAL_S + 0.5
"""A report acknowledged now stands in a segment that is sealed within SEAL_S, and is inserted soon after."""
COUNTS: Final = "SELECT count() AS reports, uniq(vehicle_id, time_ms, report_id) AS about_distinct FROM report"
"""What an operator sees of the running server; exact sets are compared once it has stopped."""
IDLE_S: Final = 3.0
IDLE_MARGIN_NS_PER_S: Final = 30e6
"""3 % of a core: connected terminals and the store's own housekeeping."""
IDLE_WAIT_S_MAX: Final = 60.0
SETTLE_S_MAX: Final = 300.0
QUIET_S: Final = 15.0
"""Several times the longest pause between two inserts while any segment waits."""

# --- what it has stored -----------------------------------------------------------------------------------------------


class Settled(msgspec.Struct, frozen=True):
    """When everything acknowledged was found stored: the server's CPU and the time before the finding was made."""

    cpu_ns: dict[str, int]
    waited_s: float


def stored_rows(server: ChildServer) -> int:
    """Return how many reports the recorder has stored since the server started, by its own count."""
    return int(server.figure("carillon_recorder_stored_total"))


class Settling:
    """Waits until everything acknowledged so far is stored; counts over several clients of one server."""

    def __init__(self, server: ChildServer) -> None:
        self._server = server
        self._expected = 0
        self._turn = 0

    def begin_turn(self) -> None:
        """A new client starts to count from 0."""
        self._expected += self._turn
        self._turn = 0

    def __call__(self, acked: int) -> Settled:
        """Wait until so many reports of this turn are stored. Asking costs the server too, so it is asked seldom."""
        self._turn = acked
        started = time.monotonic()
        while True:
            time.sleep(SEALED_AND_STORED_S if time.monotonic() - started < 1.0 else 1.0)
            settled = Settled(self._server.cpu_ns(), time.monotonic() - started)
            rows = stored_rows(self._server)
            if rows >= self._expected + acked:
                return settled
            if settled.waited_s > SETTLE_S_MAX:
                raise BenchError(
                    f"{rows} rows stored of {self._expected + acked} acknowledged {SETTLE_S_MAX:.0f} s before\n"
                    + self._server.log_end()
                )

    def until_quiet(self) -> None:
        """Wait until no more rows come: whether all are there, the comparison of sets will tell."""
        before, unchanged_s = -1, 0.0
        while unchanged_s < QUIET_S:
            rows = stored_rows(self._server)
            unchanged_s = unchanged_s + 1.0 if rows == before else 0.0
            before = rows
            time.sleep(1.0)


def wait_until_idle(server: Server, idle_ns_per_s: float) -> None:
    """Wait until the server's process does little more than it does idle, or IDLE_WAIT_S_MAX have gone by."""
    deadline = time.monotonic() + IDLE_WAIT_S_MAX
    while time.monotonic() < deadline:
        before = server.cpu_ns()["process"]
        time.sleep(1.0)
        if server.cpu_ns()["process"] - before < idle_ns_per_s + IDLE_MARGIN_NS_PER_S:
            return


def wait_until(done: Callable[[], bool], what: str, server: ChildServer, seconds: float = 120.0) -> None:
    """Wait for something the client sees; raises BenchError when it does not come or the server dies by itself."""
    deadline = time.monotonic() + seconds
    while not done():
        if not server.alive:
            raise BenchError(f"the server died by itself:\n{server.log_end()}")
        if time.monotonic() > deadline:
            raise BenchError(f"not within {seconds:.0f} s: {what}\n{server.log_end()}")
        time.sleep(0.05)


# --- over time --------------------------------------------------------------------------------------------------------

KINDS: Final = (
    ("MergeMutate", "merging"),
    ("Bg|Common|Fetch|Move|MemoryWorker|PoolDelay|ThreadPool|jemalloc|Query|Parallel", "store"),
    ("python|nng|Node from|start from", "other"),
    ("", "workers"),
)
"""How the kernel knows a thread that the server does not name itself (a beginning) -> what it is for. The embedded
ClickHouse has threads of its own; the workers, in which it is called, bear the name of what they do."""


def kind_of(name: str) -> str:
    """Return what a thread of this name is for."""
    return next(kind for pattern, kind in KINDS if re.match(pattern, name))


class Look(msgspec.Struct, frozen=True):
    """One look at a server. Times are since the series began; CPU is since then too."""

    seconds: float
    acked: int
    """Reports that the client had acknowledged."""
    stored: int
    """Reports that the recorder had stored, by its own count."""
    cpu_ms: dict[str, float]
    """Of the process, of each thread that it names, and of the others by what they are for."""
    resident_mb: float
    held_mb: float
    """Resident without pages of files, which the kernel takes back when it needs them."""


class Stretch(msgspec.Struct, frozen=True):
    """A part of a series."""

    seconds: float
    reports: int
    process_us: float
    """CPU per acknowledged report of the whole process, and ..."""
    working_us: float
    """... without what merges what was stored."""
    threads_us: dict[str, float]
    held_mb: float
    """Median over its looks."""


class Flatness(msgspec.Struct, frozen=True):
    """How a server stood late in a run against early: the last third against the first, the start-up left out."""

    first: Stretch
    middle: Stretch
    last: Stretch
    working_growth: float
    """CPU per report, last third over first, merging left out; and with it."""
    process_growth: float
    held_growth_mb: float
    """From the middle third to the last: in the first, buffers and caches are filled for the first time."""
    flat: bool


WORKING_GROWTH_MAX: Final = 1.15
HELD_GROWTH_MAX: Final = 1.05
HELD_GROWTH_MB_MAX: Final = 64.0
"""Memory held may differ from one third to the next by a twentieth, or by 64 MB, which is a merge."""


class Series:
    """Looks at a server from a thread of its own, from entering to leaving.

    Args:
        acked: returns how many reports the client has acknowledged.
        every_s: between two looks; one costs the server about 10 ms.
        keep: file for the looks, a line of JSON each, as they are made: of a run that is broken off they remain.
    """

    def __init__(
        self, server: ChildServer, acked: Callable[[], int], every_s: float = 5.0, keep: Path | None = None
    ) -> None:
        self._keep = keep
        self._server = server
        self._acked = acked
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="series")
        self.looks: list[Look] = []
        self._started = 0.0
        self._cpu_before: dict[str, float] = {}
        self._threads: dict[int, float] = {}
        self._spent: dict[str, float] = {}

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        self._cpu_before = self._cpu_ms()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self.looks.append(self._look())
            if self._keep is not None:
                with self._keep.open("ab") as file:
                    file.write(msgspec.json.encode(self.looks[-1]) + b"\n")
            if self._stop.wait(self._every_s):
                return

    def _look(self) -> Look:
        acked, cpu_ms = self._acked(), self._cpu_ms()
        return Look(
            seconds=round(time.monotonic() - self._started, 2),
            acked=acked,
            stored=stored_rows(self._server),
            cpu_ms={name: round(ms - self._cpu_before.get(name, 0.0), 1) for name, ms in cpu_ms.items()},
            resident_mb=round(self._server.resident_bytes() / 1e6, 1),
            held_mb=round(held_bytes(self._server.pid) / 1e6, 1),
        )

    def _cpu_ms(self) -> dict[str, float]:
        named = {thread: name for name, thread in self._server.threads.items()}
        for task in Path(f"/proc/{self._server.pid}/task").iterdir():
            try:
                thread = int(task.name)
                kind = named.get(thread) or kind_of((task / "comm").read_text().strip())
                ms = int((task / "schedstat").read_text().split()[0]) / 1e6
            except OSError:
                continue  # it ended meanwhile
            # Only what has come since the last look: a worker's name is that of what it does now.
            before = self._threads.get(thread, 0.0)
            self._spent[kind] = self._spent.get(kind, 0.0) + (ms - before if ms >= before else ms)
            self._threads[thread] = ms
        return self._spent | {"process": self._server.cpu_ns()["process"] / 1e6}

    def flatness(self) -> Flatness:
        """Compare thirds. Raises BenchError when the series is too short to have any."""
        return flatness(self.looks)


def flatness(looks: list[Look]) -> Flatness:
    """Compare the last third of a series with the first, by reports; what came before the first tenth is left out."""
    end = looks[-1].acked if looks else 0
    marks = [next((n for n, look in enumerate(looks) if look.acked >= end * share), 0) for share in (0.1, 0.4, 0.7, 1)]
    if len(set(marks)) < 4:
        raise BenchError(f"{len(looks)} looks are no series")
    first, middle, last = (stretch(looks[a : b + 1]) for a, b in pairwise(marks))
    working, process = last.working_us / first.working_us, last.process_us / first.process_us
    grown_mb = last.held_mb - middle.held_mb
    return Flatness(
        first,
        middle,
        last,
        round(working, 3),
        round(process, 3),
        round(grown_mb, 1),
        working <= WORKING_GROWTH_MAX and grown_mb <= max(HELD_GROWTH_MB_MAX, (HELD_GROWTH_MAX - 1) * middle.held_mb),
    )


def stretch(looks: list[Look]) -> Stretch:
    """Return what the server did between the first and the last of these looks."""
    a, b = looks[0], looks[-1]
    reports = b.acked - a.acked
    spent = {name: (ms - a.cpu_ms.get(name, 0.0)) * 1000 / reports for name, ms in b.cpu_ms.items()}
    return Stretch(
        seconds=round(b.seconds - a.seconds, 1),
        reports=reports,
        process_us=round(spent["process"], 3),
        working_us=round(spent["process"] - spent.get("merging", 0.0), 3),
        threads_us={name: round(us, 3) for name, us in sorted(spent.items()) if name != "process"},
        held_mb=round(statistics.median(look.held_mb for look in looks), 1),
    )


def held_bytes(pid: int) -> int:
    """Return the memory of a process that is no page of a file (RssAnon)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise BenchError(f"/proc/{pid}/status has no RssAnon")


# --- what a car answers --------------------------------------------------------------------------------------------


class Asked(msgspec.Struct):
    """One car asked for its position."""

    vehicle_id: int
    state: str = "unasked"
    seconds: float = 0.0


FINAL_STATES: Final = frozenset({"effective", "failed", "expired", "unknown"})


def ask_position(server: ChildServer, asked: Asked, timeout_s: float = 60.0) -> None:
    """Send 0x8201 to a car through the API and follow the command to its end."""
    started = time.monotonic()
    status, answer = server.ask(
        "POST", f"/api/v1/vehicles/{asked.vehicle_id}/commands", {"message": "0x8201", "fields": {}}
    )
    if status != 202:
        asked.state = f"http {status}: {answer}"
        return
    while time.monotonic() - started < timeout_s:
        _, command = server.ask("GET", f"/api/v1/commands/{answer['id']}")
        asked.state = command["state"]
        asked.seconds = round(time.monotonic() - started, 3)
        if asked.state in FINAL_STATES:
            return
        time.sleep(0.02)


def vehicles(server: ChildServer, wanted: int, wait_s: float = 60.0) -> list[int]:
    """Return the ids of all vehicles that have a position, page by page, once there are as many as wanted."""
    deadline = time.monotonic() + wait_s
    while True:
        ids: list[int] = []
        after: int | None = 0
        while after is not None:
            status, page = server.ask("GET", f"/api/v1/positions?after={after}&limit=10000")
            if status != 200:
                raise BenchError(f"positions: {status} {page}")
            ids += [item["vehicle_id"] for item in page["items"]]
            after = page["next"]
        if len(ids) >= wanted or time.monotonic() > deadline:
            return ids
        time.sleep(0.5)
