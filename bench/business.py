"""What folding the business costs: python -m bench.business [--cars N] [--only reaction|replay] [--json]

Reaction: facts of a simulated day come to the log at 500 a second, each at its moment whatever became of those before;
one in ten begins a chain of five hops through five actors, each of which reads a row, writes one and says an event.
Told is the time from when a fact was due to when all that followed from it was committed and synced, beside the actors
of the business, which hear everything meanwhile.

Replay: a day of so many cars, twelve facts a car, is folded as it comes, and then again from empty into other tables,
which must come out equal; events a second of each, and what every actor took of it.

Both on SQLite, and on a PostgreSQL that syncs. One process, on two cores.
"""

import argparse
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
import trio
from sqlalchemy import text

from actors.business import BUSINESS
from bench import machine
from bench.machine import say
from core.business import SPINE, Business, BusinessActor, Kept, Rule, Run, State
from core.events import CommandProgress, CommandRequested, Event, derive_id
from core.limits import CATCH_UP_EVENTS, LOG_BATCH_EVENTS
from core.log import LogWriter
from simulators.world.day import day, facts
from storage.database import Database, migrate
from storage.eventlog import EventLog
from storage.replay import replay
from tests.postgresql_server import postgresql_server

RATE_PER_S: Final = 500
CHAIN_SHARE: Final = 0.1
SECONDS: Final = 30.0
WARM_UP_S: Final = 3.0
CARS: Final = 5_000
"""60,000 facts; a whole day is 100,000 cars."""
SEED: Final = 1
CORES: Final = 2

CHAIN: Final = (
    "command.requested",
    "command.queued",
    "command.sent",
    "command.acked",
    "command.effective",
    "command.expired",
)
"""What each hop of a chain says to the next. The node's commands are not part of this process."""


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """A row of one hop's actor: a car, and how often it came by."""

    vehicle_id: int
    group_id: int
    store_id: int
    times: int


def chain() -> tuple[BusinessActor, ...]:
    """Return the five actors of a chain, each with a table of its own."""

    def hop(number: int) -> BusinessActor:
        row = msgspec.defstruct(f"Hop{number}", [("times", int)], bases=(Hop,), frozen=True, kw_only=True)
        heard, said = CHAIN[number - 1], CHAIN[number]

        def run(event: Event, state: State) -> None:
            vehicle = event.payload.vehicle_id
            before: Any = state.get(row, vehicle)
            times = before.times + 1 if before else 1
            state.put(row(vehicle_id=vehicle, group_id=event.group, store_id=event.store, times=times))
            told = CommandProgress(command=event.correlation or event.id, vehicle_id=vehicle)
            (state.decide if number == 1 else state.emit)(said, told)

        return BusinessActor(
            name=f"hop{number}",
            says="A hop of the bench.",
            kept=(Kept(row, f"hop_{number}", ("vehicle_id",)),),
            rules=(Rule("pass", (heard,), run, reads=lambda event: [(row, (event.payload.vehicle_id,))]),),
            decides=(heard,) if number == 1 else (),
            emits=(said,),
        )

    return tuple(hop(number) for number in range(1, len(CHAIN)))


@contextmanager
def databases(work: Path, names: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the DSN of each of these kinds of database (sqlite, postgresql); PostgreSQL runs meanwhile."""
    found = {}
    if "sqlite" in names:
        found["sqlite"] = f"sqlite:///{work / 'business.db'}"
    if "postgresql" not in names:
        yield found
        return
    with postgresql_server(synced=True) as server:
        found["postgresql"] = f"{server}/postgres"
        yield found


# --- reaction ---------------------------------------------------------------------------------------------------------


def start_of_chain(number: int, vehicle: int, store: int) -> Event:
    """Return the intent with which a chain begins."""
    return Event(
        id=derive_id("bench", "chain", 1, (str(number),), ""),
        type=CHAIN[0],
        time_ms=time.time_ns() // 1_000_000,
        subject=f"vehicle:{vehicle}",
        store=store,
        actor="bench",
        payload=CommandRequested(vehicle_id=vehicle, message="0x8201"),
    )


def measure_reaction(dsn: str, rate_per_s: int, seconds: float, seed: int) -> dict[str, Any]:
    """Return how long facts take to be committed with what follows, in milliseconds, and what they cost."""
    chance = random.Random(seed)
    hops = chain()
    database = Database(dsn)
    migrate(database)
    with database.write() as connection:
        for actor in hops:
            connection.execute(
                text(
                    f"CREATE TABLE {actor.kept[0].table} (times INTEGER, vehicle_id INTEGER PRIMARY KEY, "
                    "group_id INTEGER, store_id INTEGER)"
                )
            )
    business = Business((*BUSINESS, *hops))
    log = EventLog(database, business=business)
    log.catch_up()
    count = round(rate_per_s * (seconds + WARM_UP_S))
    lived = list(islice(day(max(500, -(-count // 6000) * 500), seed), count))
    took: list[tuple[bool, float]] = []

    async def one(writer: LogWriter, event: Event, due_s: float, counts: bool) -> None:
        await writer.append([event])
        if counts:
            took.append((event.type == CHAIN[0], (time.perf_counter() - due_s) * 1000))

    async def run() -> None:
        writer = LogWriter(log.append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.run)
            began_s = due_s = time.perf_counter()
            cpu_s = time.process_time()
            async with trio.open_nursery() as appending:
                for number, fact in enumerate(lived):
                    # At times that nobody set, as cars do it: on average `rate_per_s`.
                    due_s += chance.expovariate(rate_per_s)
                    await trio.sleep(max(0.0, due_s - time.perf_counter()))
                    chained = chance.random() < CHAIN_SHARE
                    vehicle = int(fact.subject.partition(":")[2]) if fact.subject.startswith("vehicle:") else 1
                    event = start_of_chain(number, vehicle, fact.store) if chained else fact
                    appending.start_soon(one, writer, event, due_s, due_s - began_s > WARM_UP_S)
            spent.append((time.process_time() - cpu_s, time.perf_counter() - began_s))
            nursery.cancel_scope.cancel()

    spent: list[tuple[float, float]] = []
    trio.run(run)
    with database.read() as connection:
        total = connection.execute(text("SELECT count(*) FROM event")).scalar_one()
        ends = connection.execute(
            text("SELECT count(*), min(depth) FROM event WHERE type = :last"), {"last": CHAIN[-1]}
        ).one()
        parked = connection.execute(text("SELECT count(*) FROM parked")).scalar_one()
    database.close()
    chained = [took_ms for is_chain, took_ms in took if is_chain]
    [(cpu_s, wall_s)] = spent
    return {
        "facts_per_s": round(count / wall_s),
        "events_per_s": round(total / wall_s),
        "chains": ends[0],
        "hops": ends[1],
        "parked": parked,
        "all_ms": spread_of([took_ms for _, took_ms in took]),
        "five_hops_ms": spread_of(chained),
        "cores_used": round(cpu_s / wall_s, 2),
        "cpu_us_per_fact": round(cpu_s / count * 1e6),
    }


def spread_of(values: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the longest."""
    cuts = statistics.quantiles(values, n=100)
    return {"p50": round(cuts[49], 1), "p99": round(cuts[98], 1), "max": round(max(values), 1)}


# --- replay -----------------------------------------------------------------------------------------------------------


class Clocked:
    """Measures what each actor's rules take, rows that they fetch included: stands before each of their functions."""

    def __init__(self, actors: Sequence[BusinessActor]) -> None:
        self.took_s: dict[str, float] = {actor.name: 0.0 for actor in actors}
        self.ran: dict[str, int] = dict.fromkeys(self.took_s, 0)
        self.actors = tuple(
            actor._replace(
                rules=tuple(
                    rule._replace(run={v: self._clocked(actor.name, run) for v, run in rule.versions.items()})
                    for rule in actor.rules
                )
            )
            for actor in actors
        )

    def _clocked(self, name: str, run: Run) -> Run:
        def clocked(event: Event, state: State) -> None:
            began_s = time.perf_counter()
            try:
                run(event, state)
            finally:
                self.took_s[name] += time.perf_counter() - began_s
                self.ran[name] += 1

        return clocked

    def figures(self) -> dict[str, Any]:
        """Return events a second and microseconds an event of each actor that heard any."""
        return {
            name: {
                "events": self.ran[name],
                "us_per_event": round(took_s / self.ran[name] * 1e6, 1),
                "events_per_s": round(self.ran[name] / took_s),
            }
            for name, took_s in self.took_s.items()
            if self.ran[name]
        }


def measure_replay(dsn: str, work: Path, cars: int, seed: int) -> dict[str, Any]:
    """Fold a day as it comes, then again from empty; return events a second, seconds, and what differed."""
    database = Database(dsn)
    migrate(database)
    clocked = Clocked([actor for actor in BUSINESS if actor is not SPINE])
    log = EventLog(database, business=Business(clocked.actors))
    log.catch_up()
    began_s, cpu_s = time.perf_counter(), time.process_time()
    made_s = 0.0
    for batch in batched_day(cars, seed):
        made_s += batch[1]
        log.append(batch[0])
    lived_s, lived_cpu_s = time.perf_counter() - began_s - made_s, time.process_time() - cpu_s - made_s
    head = log.head()
    into = work / "replayed.db"
    into.unlink(missing_ok=True)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    found = replay(database, into, BUSINESS)
    replayed_s, replayed_cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    database.close()
    return {
        "cars": cars,
        "facts": facts(cars),
        "events": head,
        "lived_s": round(lived_s, 1),
        "lived_events_per_s": round(head / lived_s),
        "lived_cpu_us_per_event": round(lived_cpu_s / head * 1e6),
        "replayed_s": round(replayed_s, 1),
        "replayed_events_per_s": round(found.events / replayed_s),
        "replayed_cpu_us_per_event": round(replayed_cpu_s / found.events * 1e6),
        "equal": found.equal,
        "rows_compared": found.rows_compared,
        "day_of_100000_cars_min": round(replayed_s / cars * 100_000 / 60, 1),
        "actors": clocked.figures(),
    }


def batched_day(cars: int, seed: int) -> Iterator[tuple[list[Event], float]]:
    """Yield a day's facts as the log takes them in, and how many seconds it took to make each batch."""
    lived = day(cars, seed)
    while True:
        began_s = time.perf_counter()
        batch = list(islice(lived, LOG_BATCH_EVENTS))
        if not batch:
            return
        yield batch, time.perf_counter() - began_s


# --- all --------------------------------------------------------------------------------------------------------------


def measure(
    cars: int = CARS,
    seconds: float = SECONDS,
    seed: int = SEED,
    only: str = "",
    stores: Sequence[str] = ("sqlite", "postgresql"),
) -> dict[str, Any]:
    """Return the figures of each database."""
    figures: dict[str, Any] = {}
    for what, run in (
        ("reaction", lambda dsn, work: measure_reaction(dsn, RATE_PER_S, seconds, seed)),
        ("replay", lambda dsn, work: measure_replay(dsn, work, cars, seed)),
    ):
        if only in ("", what):
            work = Path(tempfile.mkdtemp(prefix="carillon-bench-"))
            try:
                with databases(work, stores) as found:
                    for name, dsn in found.items():
                        say(f"{what} on {name} ...")
                        figures.setdefault(name, {})[what] = run(dsn, work)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    return figures


def table(figures: dict[str, Any]) -> str:
    """Return the figures as a person reads them."""
    lines = []
    for name, one in figures.items():
        if reaction := one.get("reaction"):
            five = reaction["five_hops_ms"]
            lines.append(
                f"{name:<11} {reaction['facts_per_s']} facts/s, five hops: p50 {five['p50']} ms, p99 {five['p99']} ms, "
                f"longest {five['max']} ms; {reaction['cores_used']} cores"
            )
        if again := one.get("replay"):
            lines.append(
                f"{name:<11} {again['facts']:,} facts: folded at {again['lived_events_per_s']:,} events/s, replayed at "
                f"{again['replayed_events_per_s']:,} in {again['replayed_s']} s, "
                f"{'equal' if again['equal'] else 'NOT EQUAL'}; "
                f"a day of 100,000 cars: {again['day_of_100000_cars_min']} min"
            )
            lines += [
                f"{'':<11} {actor:<13} {took['events_per_s']:>8,} events/s  {took['us_per_event']:>6} us an event"
                for actor, took in again["actors"].items()
            ]
    return "\n".join(lines)


def main() -> int:
    """Run it; the exit status is 1 where a replay was not equal, a chain not whole, or a key parked."""
    parser = argparse.ArgumentParser(prog="python -m bench.business", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cars", type=int, default=CARS, help=f"of the day (default: {CARS}; a whole one: 100000)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of the reaction (default: {SECONDS:.0f})")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", choices=("reaction", "replay"), default="")
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append", help="(default: both)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)
    where = machine.description()
    stores = options.store or ("sqlite", "postgresql")
    figures = measure(options.cars, options.seconds, options.seed, options.only, stores)
    print(table(figures))
    if options.json:
        sizes = {"seed": options.seed, "cars": options.cars, "cores": len(cores), "batch": CATCH_UP_EVENTS}
        print(msgspec.json.encode({"bench": "business", **sizes, **figures, **where}).decode())
    return 0 if right(figures) else 1


def right(figures: dict[str, Any]) -> bool:
    """Tell whether every replay was equal, every chain whole, and nothing parked."""
    replays = [one["replay"] for one in figures.values() if "replay" in one]
    reactions = [one["reaction"] for one in figures.values() if "reaction" in one]
    whole = all(one["hops"] == len(CHAIN) - 1 and one["chains"] and not one["parked"] for one in reactions)
    return whole and all(one["equal"] for one in replays)


if __name__ == "__main__":
    sys.exit(main())
