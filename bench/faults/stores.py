"""Faults of stores: ClickHouse away, slow, deaf, poisoned; SQLite held by somebody else; the journal at its bound.

A ClickHouse server is broken by a proxy before it (proxy.py), which the program takes for the server.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from bench.faults import CLICKHOUSE, EMBEDDED, Fault
from bench.faults.proxy import Mode
from bench.faults.world import World
from core.limits import DATABASE_TIMEOUT_S, SEAL_S

ACKED_LEAST: Final = 500
"""Reports that must be acknowledged while a store is away: a moment's worth."""


@contextlib.contextmanager
def _behaving(world: World, mode: Mode) -> Iterator[None]:
    """Let ClickHouse behave so as long as the block lasts."""
    assert world.proxy is not None
    world.proxy.set(mode)
    try:
        yield
    finally:
        world.proxy.set("pass")


def _goes_on(world: World) -> None:
    """See that nobody waits for ClickHouse: reports are acknowledged, and facts are told."""
    acked, acts, seq = world.acked, world.story.acts, world.figure("carillon_log_seq")
    world.wait(lambda: world.acked > acked + ACKED_LEAST, "reports are acknowledged while ClickHouse is not there")
    # The act under way may have told all its facts: two more cannot have.
    world.wait(lambda: world.story.acts > acts + 1, "cars go on while ClickHouse is not there")
    world.wait(lambda: world.figure("carillon_log_seq") > seq, "facts are told while ClickHouse is not there")


def _broken_for(mode: Mode, seconds: tuple[float, float], times: int) -> Callable[[World], None]:
    """Return a row that lets ClickHouse behave so for a seeded while, so many times."""

    def run(world: World) -> None:
        world.begin()
        for _ in range(world.times(times, 1)):
            world.let_it_work(1.0, SEAL_S)
            with world.fault(), _behaving(world, mode):
                _goes_on(world)
                world.let_it_work(*(seconds if not world.quick else (1.0, 3.0)))

    return run


def away(world: World) -> None:
    """ClickHouse refuses connections for minutes; the node says why it is not well, and meanwhile keeps everything."""
    world.begin()
    for seconds in (3.0, 20.0, 75.0)[: world.times(3, 1)]:
        world.let_it_work(0.5, SEAL_S)
        with world.fault(), _behaving(world, "refuse"):
            _goes_on(world)
            world.wait(lambda: _says(world, "store:"), "/health says that the store is away")
            time.sleep(seconds)
            world.note(segments_waiting=int(world.figure("carillon_recorder_behind")))


def _says(world: World, reason: str) -> bool:
    status, answer = world.ask("GET", "/health")
    return status == 503 and reason in str(answer)


def away_and_killed(world: World) -> None:
    """ClickHouse is away, and the program is killed: what waits is in the journal, and is stored by the next start."""
    world.begin()
    assert world.proxy is not None
    for _ in range(world.times(3, 1)):
        world.let_it_work(1.0, SEAL_S)
        with world.fault():
            world.proxy.set("refuse")
            _goes_on(world)
            world.let_it_work(1.0, 8.0)
            world.server.kill()
            world.proxy.set("pass")


def poisoned(world: World) -> None:
    """The server refuses some rows for their content: they are set aside with the reason, and all others are stored.

    A constraint of the table does it, in ClickHouse itself: every 100th terminal's report at each full kilometre.
    """
    world.begin()
    assert world.clickhouse is not None
    with world.fault():
        poison = "terminal % 100 = 7 AND odometer_m > 0 AND odometer_m % 1000 = 0"
        world.clickhouse.command(f"ALTER TABLE carillon.report ADD CONSTRAINT poisoned CHECK NOT ({poison})")
        seconds = world.times(30, 8)
        refused = world.figure("carillon_recorder_refused_total")
        world.wait(lambda: world.figure("carillon_recorder_refused_total") > refused, "rows are set aside")
        world.let_it_work(seconds, seconds)
        world.clickhouse.command("ALTER TABLE carillon.report DROP CONSTRAINT poisoned")
        world.poison = "terminal % 100 = 7 AND reason LIKE '%poisoned%'"
        world.note(set_aside=int(world.figure("carillon_recorder_refused_total")))


def _stands(world: World) -> bool:
    acked = world.acked
    time.sleep(2.0)
    return world.acked == acked


def journal_full(world: World) -> None:
    """ClickHouse is away until the journal is at its bound: acknowledging stops, and begins again by itself."""
    world.begin(journal_bytes_max=64 * 1024 * 1024, reports_per_s=world.times(30_000, 10_000), terminals=1_000)
    with world.fault(), _behaving(world, "refuse"):
        world.wait(lambda: world.figure("carillon_journal_full_total") > 0, "the journal is full", 600.0)
        world.wait(lambda: _says(world, "journal:"), "/health says that the journal is full")
        # The segment under way is filled first.
        world.wait(partial(_stands, world), "acknowledging stops")
        acked = world.acked
        time.sleep(5.0)
        world.note(acked_while_full=world.acked - acked)
        world.promise(world.acked - acked == 0, "nothing is acknowledged that there is no room for")


def locked(world: World) -> None:
    """Another process holds the SQLite file: reports are acknowledged all the same, facts wait, none is lost."""
    world.begin()
    for seconds in (0.5, 5.0, DATABASE_TIMEOUT_S + 5.0, 2 * DATABASE_TIMEOUT_S + 15.0)[: world.times(4, 2)]:
        world.let_it_work(0.5, 3.0)
        with world.fault():
            acked = world.client.acked
            holder = sqlite3.connect(world.data / "carillon.db", isolation_level=None, timeout=30.0)
            try:
                holder.execute("BEGIN IMMEDIATE")
                time.sleep(seconds)
                holder.execute("ROLLBACK")
            finally:
                holder.close()
            world.promise(world.client.acked > acked, f"acknowledging goes on while SQLite is held for {seconds} s")


def locked_and_killed(world: World) -> None:
    """SQLite is held, and the program is killed meanwhile: facts that could not be told are found again."""
    world.begin()
    for _ in range(world.times(3, 1)):
        world.let_it_work(0.5, 3.0)
        with world.fault():
            holder = sqlite3.connect(world.data / "carillon.db", isolation_level=None, timeout=30.0)
            try:
                holder.execute("BEGIN IMMEDIATE")
                world.let_it_work(1.0, 4.0)
                world.server.kill()
                holder.execute("ROLLBACK")
            finally:
                holder.close()


def checkpointed(world: World) -> None:
    """Another process reads SQLite without end, so that its log of writes cannot be taken in and grows."""
    world.begin()
    with world.fault():
        reader = sqlite3.connect(world.data / "carillon.db", isolation_level=None, timeout=30.0)
        done = threading.Event()
        try:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchone()
            done.wait(world.times(20, 3))
            wal = world.data / "carillon.db-wal"
            world.note(wal_mb=round(wal.stat().st_size / 1e6, 1))
        finally:
            reader.close()


ROWS: Final = (
    Fault("clickhouse-away", "ClickHouse refuses connections, for up to 75 s", away, CLICKHOUSE),
    Fault("clickhouse-away-kill", "ClickHouse away, then kill -9", away_and_killed, CLICKHOUSE),
    Fault("clickhouse-slow", "ClickHouse answers 2 s late", _broken_for("slow", (10.0, 20.0), 2), CLICKHOUSE),
    Fault("clickhouse-hold", "ClickHouse takes and says nothing", _broken_for("hold", (35.0, 45.0), 2), CLICKHOUSE),
    Fault("clickhouse-cut", "links to ClickHouse break within inserts", _broken_for("cut", (8.0, 15.0), 3), CLICKHOUSE),
    Fault(
        "clickhouse-deaf", "ClickHouse stores, its answers are lost", _broken_for("deafen", (8.0, 15.0), 3), CLICKHOUSE
    ),
    Fault("clickhouse-poisoned", "ClickHouse refuses rows for their content", poisoned, CLICKHOUSE),
    Fault("journal-full", "ClickHouse away until the journal is full", journal_full, CLICKHOUSE),
    Fault("sqlite-locked", "another process holds SQLite, for up to 35 s", locked, EMBEDDED),
    Fault("sqlite-locked-kill", "SQLite held, then kill -9", locked_and_killed, EMBEDDED),
    Fault("sqlite-read", "another process reads SQLite without end", checkpointed, EMBEDDED),
)
