"""A world in which one fault is tried: a data directory, a server on it, terminals that report, cars with a story.

It keeps what clients were told, and at the end compares it with what the server has.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.clickhouse import ClickHouseServer
from bench.faults import Outcome
from bench.faults.asking import EXPIRES_S, Asking
from bench.faults.proxy import Proxy
from bench.faults.story import Story
from bench.machine import REPOSITORY, say
from bench.servers import BenchError, ChildServer, start_carillon
from bench.stored import compare, read_refused, read_stored
from core.config import Config
from simulators.load import LoadClient, LoadPlan
from storage.errors import StorageError
from storage.eventlog import EventLog

PHONE_FIRST: Final = 13_000_000_000
STORY_FIRST: Final = 60_000
"""Number of the first car with a story; the load's terminals have those from 0 on."""
OTHERS_FIRST: Final = 61_000
"""And those that a row plays itself."""

WELL_S_MAX: Final = 180.0
"""How long it may take after a fault until all is well again, before it counts as never."""
CAUGHT_UP_S_MAX: Final = 240.0
LOOK_S: Final = 0.1


class World:
    """See the package's docstring for what a row may use.

    Args:
        store: `embedded` or `clickhouse`.
        work: an empty directory for everything.
    """

    def __init__(self, name: str, store: str, work: Path, seed: int, *, quick: bool) -> None:
        self.name = name
        self.store = store
        self.work = work
        self.quick = quick
        self.draw = random.Random(f"{seed} {name} {store}")
        self.data = work / "data"
        self.outcome = Outcome()
        self.clickhouse: ClickHouseServer | None = None
        self.proxy: Proxy | None = None
        self.records: list[Path] = []
        """Files of what clients sent and had acknowledged; a row that plays terminals itself adds its own."""
        self.acked_beside = 0
        """Reports acknowledged to terminals that the row played itself."""
        self.poison = ""
        """Condition in SQL over columns of `report_refused`: what the store was made to refuse; empty: nothing."""
        self._server: ChildServer | None = None
        self._client: LoadClient | None = None
        self._story: Story | None = None
        self._asking: Asking | None = None
        self._stop = threading.Event()
        self._driver: threading.Thread | None = None
        self._options: dict[str, Any] = {}
        self._environment: dict[str, str] = {}
        self._port = 0

    # --- the server ---------------------------------------------------------------------------------------------------

    @property
    def server(self) -> ChildServer:
        """The server that runs, or ran last."""
        if self._server is None:
            raise BenchError("no server was started")
        return self._server

    def start(self, *, environment: dict[str, str] | None = None, **options: Any) -> ChildServer:
        """Start the server, on the same port as before, and wait until /health says 200.

        Args:
            environment, options: replace those of the last start where they are given.
        """
        if environment is not None:
            self._environment = environment
        if options:
            self._options = options
        if self.store == "clickhouse" and self.clickhouse is None:
            self.clickhouse = ClickHouseServer(self.work / "clickhouse")
            self.clickhouse.start()
            self.proxy = Proxy(self.clickhouse.port)
        self._server = start_carillon(
            self.data, tcp=self._port, environment=self._environment, **{**self._where(), **self._options}
        )
        self._port = self._server.port
        return self._server

    def start_and_kill(self, seconds: float) -> None:
        """Start the server and kill it so many seconds later, ready or not."""
        with (self.work / "data.log").open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    str(REPOSITORY / "carillon.py"),
                    "up",
                    "--data",
                    str(self.data),
                    "--http",
                    "127.0.0.1:0",
                ]
                + ["--tcp", f"127.0.0.1:{self._port}", "--registration", "open"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                env={
                    **os.environ,
                    "PYTHONPATH": str(REPOSITORY),
                    "CARILLON_LOG_LEVEL": "warning",
                    **{
                        f"CARILLON_{name.upper()}": str(value)
                        for name, value in (self._where() | self._options).items()
                    },
                    **self._environment,
                },
            )
        try:
            time.sleep(seconds)
        finally:
            process.kill()
            process.wait()

    def _where(self) -> dict[str, Any]:
        return (
            {} if self.proxy is None else {"report_dsn": f"clickhouse://default@127.0.0.1:{self.proxy.port}/carillon"}
        )

    def ask(self, method: str, path: str, body: Any = None, timeout_s: float = 30.0) -> tuple[int, Any]:
        """Ask the API; returns status and decoded answer. Raises OSError where it does not answer."""
        return self.server.ask(method, path, body, timeout_s)

    def figure(self, name: str) -> float:
        """Return one figure of /metrics."""
        return self.server.figure(name)

    # --- the load -----------------------------------------------------------------------------------------------------

    def times(self, full: int, quick: int) -> int:
        """Return how often to do something in this form of the campaign."""
        return quick if self.quick else full

    @property
    def client(self) -> LoadClient:
        """The load's terminals."""
        if self._client is None:
            raise BenchError("there is no load")
        return self._client

    @property
    def story(self) -> Story:
        """The cars whose facts are known."""
        if self._story is None:
            raise BenchError("there is no story")
        return self._story

    @property
    def acked(self) -> int:
        """Reports acknowledged so far, of all clients."""
        return self.client.acked + self.story.notes.acked

    def begin(self, *, terminals: int = 0, reports_per_s: int = 0, cars: int = 0, **options: Any) -> None:
        """Start the server unless it runs, let terminals report, and cars live through their story, until the row ends.

        Args:
            options: of core/config.py.
        """
        terminals = terminals or self.times(500, 200)
        if self._server is None:
            self.start(**options)
        record, seed = self.work / "story.record", self.draw.randrange(1 << 30)
        self._story = Story(cars or self.times(12, 6), PHONE_FIRST, STORY_FIRST, record, seed)
        self._story.draw_fences(self.server)
        self.records += [self._story.notes.path, self.work / "load.record"]
        plan = LoadPlan(
            port=self._port,
            terminals=terminals,
            reports_per_s=reports_per_s or self.times(2_000, 1_000),
            window=8,
            phone_first=PHONE_FIRST,
            reconnect=True,
            seed=self.draw.randrange(1 << 30),
            record=str(self.work / "load.record"),
        )
        self._client = LoadClient(plan)
        ready = self._client.login()
        if ready != terminals:
            raise BenchError(f"{ready} of {terminals} terminals could log in\n{self.server.log_end()}")
        self._driver = threading.Thread(target=self._client.drive, args=(1e6, self._stop.is_set), name="load")
        self._driver.start()
        self._story.begin(self._port)
        phones = frozenset(str(PHONE_FIRST + number) for number in range(terminals))
        self._asking = Asking(lambda: self.server, phones, self.draw.randrange(1 << 30))
        self._asking.begin()
        self.wait(lambda: self.story.acts > 0, "the cars are through with an act")

    def let_it_work(self, least_s: float, most_s: float) -> None:
        """Wait a seeded while."""
        time.sleep(self.draw.uniform(least_s, most_s))

    # --- faults -------------------------------------------------------------------------------------------------------

    @contextmanager
    def fault(self, tried: int = 1) -> Iterator[None]:
        """Count a fault; on leaving the block it is over: start what was killed, wait until all is well."""
        self.outcome.tried += tried
        yield
        seconds = self.until_well()
        self.outcome.recover_s = max(self.outcome.recover_s, round(seconds, 2))

    def until_well(self) -> float:
        """Start what does not run, wait until /health says 200 and every terminal is logged in and acknowledged.

        Returns the seconds.
        """
        began = time.monotonic()
        if self.clickhouse is not None and not self.clickhouse.alive:
            self.clickhouse.start()
        if not self.server.alive:
            self.start()
        self.wait(self._healthy, "/health says 200")
        self.wait(lambda: self.client.ready == self.client.plan.terminals, "every terminal is logged in")
        acked, steps = self.client.acked, self.story.steps
        self.wait(lambda: self.client.acked > acked and self.story.steps > steps, "reports are acknowledged")
        return time.monotonic() - began

    def _healthy(self) -> bool:
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False

    def wait(self, until: Callable[[], bool], what: str, seconds: float = WELL_S_MAX) -> None:
        """Wait for something; raises BenchError when it does not come, or the server ends by itself."""
        deadline = time.monotonic() + seconds
        while not until():
            if not self.server.alive:
                raise BenchError(f"the server ended by itself:\n{self.server.log_end()}")
            if self._story is not None and self._story.error is not None:
                raise BenchError(f"the story ended: {self._story.error!r}")
            if time.monotonic() > deadline:
                raise BenchError(f"not within {seconds:.0f} s: {what}\n{self.server.log_end()}")
            time.sleep(LOOK_S)

    def promise(self, holds: bool, what: str) -> None:
        """Note a promise that was not kept; the row goes on, and is wrong."""
        if not holds:
            self.outcome.broken.append(what)
            say(f"  {self.name} ({self.store}): not kept: {what}")

    def note(self, **figures: Any) -> None:
        """Add figures to the row's report."""
        self.outcome.notes.update(figures)

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self) -> Outcome:
        """Let all come to its end, stop the server, and compare; see the package's docstring."""
        assert self._asking is not None
        self._asking.end()
        self.wait(self._asking.decided, "every command is decided", EXPIRES_S + WELL_S_MAX)
        self.story.end()
        self._end_load()
        self.promise(self.client.drain() == 0, "every report sent was acknowledged in the end")
        result = self.client.result()
        self.outcome.acknowledged = self.acked + self.acked_beside
        self.note(ack_ms_p99=result.ack_ms_p99, resent=result.resent, refused=result.refused)
        began = time.monotonic()
        self.wait(self._caught_up, "every reader has caught up", CAUGHT_UP_S_MAX)
        self.outcome.caught_up_s = round(time.monotonic() - began, 2)
        self.client.close()
        self.server.stop()
        self._compare_reports()
        self._compare_facts()
        return self.outcome

    def _caught_up(self) -> bool:
        """Tell whether all readers of the journal and the log are at its end, as far as they say."""
        status, text = self.ask("GET", "/metrics")
        if status != 200:
            return False
        figures = {name: float(value) for name, _, value in (line.partition(" ") for line in _samples(text))}
        waiting = (
            "recorder_behind",
            "log_waiting",
            "log_waiting_safety",
            "gateway_held",
            "log_followers_behind",
            "errands_busy",
        )
        behind = figures["carillon_journal_sequence"] - figures["carillon_gateway_sequence"]
        return not behind and not any(figures[f"carillon_{name}"] for name in waiting)

    def _compare_reports(self) -> None:
        dsn = "" if self.clickhouse is None else f"{self.clickhouse.dsn}/carillon"
        stored, rows = read_stored(self.data, PHONE_FIRST, dsn)
        refused, other = read_refused(self.data, PHONE_FIRST, dsn, self.poison or "0")
        self.promise(other == 0, f"nothing is set aside but what was made to be: {other} reports were")
        self.promise(bool(len(refused)) == bool(self.poison), "what was made to be refused is set aside")
        # Set aside with its reason is kept: one in both tables counts as doubled.
        comparison = compare(self.records, np.concatenate([stored, refused]), rows)
        self.outcome.lost = comparison.acked_not_stored
        self.outcome.doubled = comparison.stored_twice + comparison.stored_not_sent
        self.promise(not comparison.sent_twice, "the clients themselves sent no report twice as new")

    def _compare_facts(self) -> None:
        log = EventLog(Config(data=str(self.data.resolve())).business, owner="campaign")
        try:
            events, after = [], 0
            while page := log.read(after):
                events += page
                after = page[-1].seq
        except StorageError as error:
            raise BenchError(f"the log cannot be read: {error}") from error
        finally:
            log.close()
        numbers = [event.seq for event in events]
        self.promise(numbers == list(range(1, len(numbers) + 1)), "the log is numbered without a gap")
        self.promise(len({event.id for event in events}) == len(events), "no event stands in the log twice")
        assert self._asking is not None
        judgement, decided = self.story.judge(events), self._asking.judge(events)
        self.outcome.facts = judgement.known + decided.commands
        self.outcome.facts_lost = judgement.lost + decided.lost
        self.outcome.facts_doubled = judgement.doubled + decided.twice
        self.note(commands=decided.states)
        for example in judgement.examples:
            say(f"  {self.name} ({self.store}): {example}")

    def _end_load(self) -> None:
        self._stop.set()
        if self._driver is not None:
            self._driver.join()
            self._driver = None

    def end_clients(self) -> None:
        """Let nobody report any more, for a row that goes on without."""
        self._end_load()
        self.story.abandon()

    def close(self) -> None:
        """End everything that still runs, whatever went wrong."""
        self._stop.set()
        if self._asking is not None:
            self._asking.end()
        if self._server is not None:
            self._server.kill()
        self._end_load()
        if self._story is not None:
            self._story.abandon()
        if self._client is not None:
            self._client.close()
        if self.proxy is not None:
            self.proxy.close()
        if self.clickhouse is not None:
            self.clickhouse.kill()


def _samples(text: Any) -> list[str]:
    return [line for line in str(text).splitlines() if line and not line.startswith("#")]
