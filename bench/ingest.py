"""What a report costs the whole server, against the machine's own limit; and whether any is ever lost.

    python -m bench.ingest [--json] [--mode NAME] [--ack sync|write|receive ...] [--server carillon|intake]

cpu     For each load, bench/limit.c and the server take turns under the same client, several times. Figures are CPU
        microseconds of the server per acknowledged report: of its intake thread until the last acknowledgement, and of
        the whole process until the last report is stored, and until what was stored is merged and the process is idle.
        Medians, with the lowest and highest; ratios to the limit.
fleet   10,000 terminals log in and report every 10 s for two minutes; a sample is asked for its position meanwhile.
kill    kill -9 under load, ten times on one data directory; the client goes on where it was.
connections  As cpu, with 1,000 to 18,000 connections at one rate of all: by how much the ratio to the limit grows.
terminals, paced, hundred, six  What takes long: bench/endurance.py.

Every mode ends by comparing sets: each (phone, serial, time) that the client had acknowledged is stored, nothing is
stored that was not sent, nothing twice. A difference makes the exit status 1.
"""

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import endurance, machine
from bench.machine import median, say, spread
from bench.servers import BenchError, LimitServer, Server, start_carillon, start_intake
from bench.stored import Comparison, compare_stopped
from bench.watch import (
    COUNTS,
    IDLE_S,
    PHONE_FIRST,
    Asked,
    Settled,
    Settling,
    ask_position,
    vehicles,
    wait_until,
    wait_until_idle,
)
from simulators.load import LoadClient, LoadPlan

WARM_UP_S: Final = 1.0
PACED_SECONDS_FACTOR: Final = 2.5
"""Turns of an open loop last longer: their reports are few."""


class Load(msgspec.Struct, frozen=True):
    """One way to put load on a server, and the most the whole process may cost as a multiple of the limit."""

    name: str
    terminals: int
    window: int = 16
    reports_per_s: int = 0
    intake_ratio_max: float | None = None
    process_ratio_max: float | None = None


LOADS: Final = (
    Load("1000 terminals, window 16", 1_000, 16, 0, 1.4, 3.5),
    Load("1000 terminals, window 1", 1_000, 1, 0, 1.4, 1.7),
    Load("10000 terminals, 2000/s", 10_000, 16, 2_000, None, 2.5),
    Load("10000 terminals, 20000/s", 10_000, 16, 20_000),
)


CONNECTIONS: Final = tuple(
    Load(f"{terminals} terminals, 20000/s", terminals, 16, 20_000) for terminals in (1_000, 5_000, endurance.TERMINALS)
)
"""One rate of all together, over more and more connections."""


class Sample(msgspec.Struct, frozen=True):
    """One turn of one server under one load."""

    reports: int
    intake_us: float
    process_us: float
    """Until the last acknowledgement."""
    stored_us: float
    """The process until the last report is stored; what it costs idle is taken off for the time of waiting."""
    quiet_us: float
    """The process until it has nothing left to do: merges of what was stored included, idle taken off as well."""
    threads_us: dict[str, float]
    """Of the threads that the server names, until stored."""
    login_s: float
    login_us: float
    """CPU of the process per login."""
    reports_per_s: float
    ack_ms_p50: float
    ack_ms_p99: float
    client_us: float
    late_ms_p99: float
    unacknowledged: int
    resident_mb: float


def take_turn(
    server: Server,
    load: Load,
    seconds: float,
    *,
    record: Path | None = None,
    settle: Callable[[int], Settled] | None = None,
    warm_up_s: float = 0.0,
    idle_ns_per_s: float = 0.0,
) -> Sample:
    """Log the load's terminals in, warm up, measure for so many seconds, and wait until all is acknowledged and stored.

    Args:
        settle: called with the reports acknowledged in this turn; returns when the server has stored them.
    """
    plan = LoadPlan(
        port=server.port,
        terminals=load.terminals,
        window=load.window,
        reports_per_s=load.reports_per_s,
        phone_first=PHONE_FIRST,
        record=None if record is None else str(record),
    )
    with LoadClient(plan) as client:
        before_login = server.cpu_ns()["process"]
        started = time.monotonic()
        ready = client.login()
        login_s = time.monotonic() - started
        login_ns = server.cpu_ns()["process"] - before_login
        if ready < load.terminals:
            raise BenchError(f"{ready} of {load.terminals} terminals could log in: {client.result()}")
        if warm_up_s:
            client.drive(warm_up_s)
            client.drain()
            if settle is not None:
                settle(client.acked)
                wait_until_idle(server, idle_ns_per_s)
            client.reset_clock()
        acked_before = client.acked
        before = server.cpu_ns()
        client.drive(seconds)
        client.drain()
        acknowledged = server.cpu_ns()
        settled = Settled(acknowledged, 0.0) if settle is None else settle(client.acked)
        stored = settled.cpu_ns | {"process": settled.cpu_ns["process"] - int(settled.waited_s * idle_ns_per_s)}
        quiet = stored
        if settle is not None:
            # Else the merges of this turn's rows would be charged to the next turn.
            drained = time.monotonic() - settled.waited_s
            wait_until_idle(server, idle_ns_per_s)
            quiet = server.cpu_ns()
            quiet["process"] -= int((time.monotonic() - drained) * idle_ns_per_s)
        result = client.result()
        resident = machine.resident_bytes(server.pid)
    reports = result.acked - acked_before
    if reports == 0:
        raise BenchError(f"nothing was acknowledged: {result}")

    def per_report(after: dict[str, int], name: str) -> float:
        return round((after[name] - before[name]) / reports / 1000, 4)

    return Sample(
        reports=reports,
        intake_us=per_report(acknowledged, "intake"),
        process_us=per_report(acknowledged, "process"),
        stored_us=per_report(stored, "process"),
        quiet_us=per_report(quiet, "process"),
        threads_us={name: per_report(stored, name) for name in stored if name != "process"},
        login_s=round(login_s, 3),
        login_us=round(login_ns / load.terminals / 1000, 1),
        reports_per_s=result.reports_per_s,
        ack_ms_p50=result.ack_ms_p50,
        ack_ms_p99=result.ack_ms_p99,
        client_us=result.cpu_us_per_report,
        late_ms_p99=result.late_ms_p99,
        unacknowledged=result.unacknowledged + result.refused,
        resident_mb=round(resident / 1e6, 1),
    )


# --- mode cpu ---------------------------------------------------------------------------------------------------------


def measure_cpu(
    ack_after: str, loads: Sequence[Load], seconds: float, rounds: int, work: Path, whole: bool, ack_window_ms: int = 10
) -> dict[str, Any]:
    """Alternate the limit and the server under each load; return the figures, and compare what was stored at the end.

    Args:
        whole: the whole program; else the intake alone, which stores nothing.
    """
    data = work / f"cpu-{ack_after}"
    start = start_carillon if whole else start_intake
    figures: dict[str, Any] = {}
    records: list[Path] = []
    with LimitServer() as limit, start(data, ack_after=ack_after, ack_window_ms=ack_window_ms) as server:
        idle_ns = server.cpu_ns()["process"]
        time.sleep(IDLE_S)
        idle_ns_per_s = (server.cpu_ns()["process"] - idle_ns) / IDLE_S
        resident_idle_mb = server.resident_bytes() / 1e6
        settling = Settling(server) if whole else None
        for load in loads:
            floor: list[Sample] = []
            ours: list[Sample] = []
            for number in range(rounds):
                turn_s = seconds * (PACED_SECONDS_FACTOR if load.reports_per_s else 1.0)
                warm_up_s = WARM_UP_S if number == 0 else 0.0
                floor.append(take_turn(limit, load, turn_s, warm_up_s=warm_up_s))
                if settling is not None:
                    settling.begin_turn()
                    records.append(work / f"{data.name}-{len(records)}.record")
                ours.append(
                    take_turn(
                        server,
                        load,
                        turn_s,
                        record=records[-1] if whole else None,
                        settle=settling,
                        warm_up_s=warm_up_s,
                        idle_ns_per_s=idle_ns_per_s,
                    )
                )
                say(f"{ack_after}, {load.name}, round {number + 1} of {rounds}: {line(floor[-1], ours[-1])}")
            figures[load.name] = summary(load, floor, ours)
        resident_end_mb = server.resident_bytes() / 1e6
        server.stop()
    comparison = compare_stopped(records, data, PHONE_FIRST) if whole else None
    return {
        "loads": figures,
        "idle_cpu_ms_per_s": round(idle_ns_per_s / 1e6, 2),
        "resident_mb": {"idle": round(resident_idle_mb, 1), "end": round(resident_end_mb, 1)},
        "sets": comparison,
    }


def line(floor: Sample, ours: Sample) -> str:
    """Tell a person how one alternation went."""
    return (
        f"limit {floor.process_us:.2f} us, intake {ours.intake_us:.2f} ({ours.intake_us / floor.process_us:.2f}), "
        f"process {ours.stored_us:.2f} ({ours.stored_us / floor.process_us:.2f}), merged {ours.quiet_us:.2f}, "
        f"{ours.reports_per_s:,.0f}/s, ack p50 {ours.ack_ms_p50:.2f} p99 {ours.ack_ms_p99:.2f} ms, "
        f"client {ours.client_us:.2f} us, {ours.resident_mb:.0f} MB"
    )


def summary(load: Load, floor: list[Sample], ours: list[Sample]) -> dict[str, Any]:
    """Return medians and spreads over the alternations of one load."""

    def over(samples: list[Sample], name: str) -> dict[str, Any]:
        values = [getattr(sample, name) for sample in samples]
        return {"median": median(values), "spread": spread(values)}

    limit_us = statistics.median(sample.process_us for sample in floor)
    intake_us = statistics.median(sample.intake_us for sample in ours)
    stored_us = statistics.median(sample.stored_us for sample in ours)
    quiet_us = statistics.median(sample.quiet_us for sample in ours)
    named = sorted({name for sample in ours for name in sample.threads_us})
    return {
        "terminals": load.terminals,
        "window": load.window if not load.reports_per_s else None,
        "reports_per_s_wanted": load.reports_per_s or None,
        "cpu_us_per_report": {
            "limit_c": over(floor, "process_us"),
            "intake_thread": over(ours, "intake_us"),
            "process_until_acknowledged": over(ours, "process_us"),
            "process_until_stored": over(ours, "stored_us"),
            "process_until_quiet": over(ours, "quiet_us"),
            "threads": {name: median([sample.threads_us.get(name, 0.0) for sample in ours]) for name in named},
            "client": over(ours, "client_us"),
        },
        "ratio_to_limit_c": {
            "intake_thread": round(intake_us / limit_us, 2),
            "intake_thread_wanted": load.intake_ratio_max,
            "process_until_stored": round(stored_us / limit_us, 2),
            "process_until_quiet": round(quiet_us / limit_us, 2),
            "process_wanted": load.process_ratio_max,
        },
        "ack_ms": {
            name: {"p50": over(samples, "ack_ms_p50"), "p99": over(samples, "ack_ms_p99")}
            for name, samples in (("limit_c", floor), ("server", ours))
        },
        "reports_per_s": {"limit_c": over(floor, "reports_per_s"), "server": over(ours, "reports_per_s")},
        "login": {"s": over(ours, "login_s"), "cpu_us": over(ours, "login_us")},
        "client_late_ms_p99": over(ours, "late_ms_p99"),
        "reports": sum(sample.reports for sample in ours),
        "unacknowledged": sum(sample.unacknowledged for sample in ours),
        "resident_mb": max(sample.resident_mb for sample in ours),
    }


# --- mode fleet -------------------------------------------------------------------------------------------------------


def measure_fleet(
    ack_after: str, terminals: int, seconds: float, asked_count: int, work: Path, seed: int, ack_window_ms: int = 10
) -> dict[str, Any]:
    """Let a fleet report every 10 s and ask some of its cars for their position meanwhile; compare sets at the end."""
    data = work / "fleet"
    record = work / "fleet.record"
    with start_carillon(data, ack_after=ack_after, ack_window_ms=ack_window_ms) as server:
        resident = {"idle": server.resident_bytes()}
        plan = LoadPlan(
            port=server.port,
            terminals=terminals,
            reports_per_s=max(1, terminals // 10),
            phone_first=PHONE_FIRST,
            heartbeat_s=30.0,
            step_1e6=900,
            seed=seed,
            record=str(record),
        )
        with LoadClient(plan) as client:
            before = server.cpu_ns()
            started = time.monotonic()
            ready = client.login(300.0)
            login_s = time.monotonic() - started
            after_login = server.cpu_ns()
            resident["logged_in"] = server.resident_bytes()
            say(f"fleet: {ready} of {terminals} logged in within {login_s:.1f} s")
            driver = threading.Thread(target=client.drive, args=(seconds,))
            driver.start()
            try:
                # Every car has reported once after 10 s.
                known = vehicles(server, terminals)
                sample = random.Random(seed).sample(known, min(asked_count, len(known)))
                asked = [Asked(vehicle_id) for vehicle_id in sample]
                for one in asked:
                    ask_position(server, one)
            finally:
                driver.join()
            client.drain()
            after = server.cpu_ns()
            resident["end"] = server.resident_bytes()
            result = client.result()
            Settling(server).until_quiet()
            queried = server.query(COUNTS)[0]
        effective = [one.seconds for one in asked if one.state == "effective"]
        server.stop()
    comparison = compare_stopped([record], data, PHONE_FIRST)
    return {
        "terminals": terminals,
        "ready": ready,
        "seconds": seconds,
        "login_s": round(login_s, 2),
        "login_cpu_us": round((after_login["process"] - before["process"]) / terminals / 1000, 1),
        "cpu_us_per_report": {
            "process": round((after["process"] - after_login["process"]) / max(result.acked, 1) / 1000, 2),
            "intake_thread": round((after["intake"] - after_login["intake"]) / max(result.acked, 1) / 1000, 2),
        },
        "ack_ms": {"p50": result.ack_ms_p50, "p99": result.ack_ms_p99, "p999": result.ack_ms_p999},
        "asked": len(asked),
        "answered": len(effective),
        "not_answered": [f"{one.vehicle_id}: {one.state}" for one in asked if one.state != "effective"][:10],
        "answer_s": {"median": median(effective), "max": max(effective)} if effective else None,
        "resident_mb": {name: round(value / 1e6, 1) for name, value in resident.items()},
        "resident_kb_per_terminal": round((resident["end"] - resident["idle"]) / terminals / 1000, 2),
        "client": result,
        "queried": queried,
        "sets": comparison,
    }


# --- mode kill --------------------------------------------------------------------------------------------------------


def measure_kill(
    ack_after: str, kills: int, work: Path, seed: int, terminals: int = 1_000, ack_window_ms: int = 10
) -> dict[str, Any]:
    """Kill the server in the middle of its work, again and again, and see that what it acknowledged is there."""
    data = work / "kill"
    record = work / "kill.record"
    draw = random.Random(seed)
    server = start_carillon(data, ack_after=ack_after, ack_window_ms=ack_window_ms)
    port = server.port
    plan = LoadPlan(
        port=port,
        terminals=terminals,
        window=4,
        phone_first=PHONE_FIRST,
        reconnect=True,
        seed=seed,
        record=str(record),
    )
    stop = threading.Event()
    starts_s: list[float] = []
    acked_at: list[int] = []
    try:
        with LoadClient(plan) as client:
            client.login()
            driver = threading.Thread(target=client.drive, args=(1e6, stop.is_set))
            driver.start()
            try:
                for number in range(kills):
                    wait_until(lambda: client.ready == terminals, "every terminal is logged in again", server)
                    # At any moment of a sealing period (5 s), of an insert, of a merge.
                    time.sleep(draw.uniform(0.2, 6.0))
                    server.kill()
                    acked_at.append(client.acked)
                    started = time.monotonic()
                    server = start_carillon(data, ack_after=ack_after, ack_window_ms=ack_window_ms, tcp=port)
                    starts_s.append(round(time.monotonic() - started, 2))
                    say(f"kill {number + 1} of {kills}: {acked_at[-1]:,} acknowledged; up again in {starts_s[-1]} s")
                wait_until(lambda: client.ready == terminals, "every terminal is logged in again", server)
                time.sleep(1.0)
            finally:
                stop.set()
                driver.join()
            unacknowledged = client.drain()
            result = client.result()
        Settling(server).until_quiet()
        queried = server.query(COUNTS)[0]
        server.stop()
    finally:
        server.kill()
    comparison = compare_stopped([record], data, PHONE_FIRST)
    return {
        "kills": kills,
        "acked_at_kill": acked_at,
        "start_s": starts_s,
        "unacknowledged": unacknowledged,
        "client": result,
        "queried": queried,
        "sets": comparison,
    }


# --- command line -----------------------------------------------------------------------------------------------------


def comparisons(figures: Any) -> list[Comparison]:
    """Return every comparison of sets anywhere in a result."""
    if isinstance(figures, Comparison):
        return [figures]
    inner = figures.values() if isinstance(figures, dict) else figures if isinstance(figures, list) else ()
    return [found for value in inner for found in comparisons(value)]


def table(ack_after: str, figures: dict[str, Any]) -> str:
    """Return the figures of mode cpu as a table for a person."""
    lines = [f"acknowledged after {ack_after}; CPU us a report (ratio to the limit)"]
    lines.append(f"{'':28}{'limit':>8}{'intake':>16}{'process':>16}{'merged':>16}{'ack p50':>10}{'p99 ms':>9}{'MB':>8}")
    for name, load in figures["loads"].items():
        cpu, ratio, ack = load["cpu_us_per_report"], load["ratio_to_limit_c"], load["ack_ms"]["server"]
        intake = f"{cpu['intake_thread']['median']:.2f} ({ratio['intake_thread']:.2f})"
        process = f"{cpu['process_until_stored']['median']:.2f} ({ratio['process_until_stored']:.2f})"
        merged = f"{cpu['process_until_quiet']['median']:.2f} ({ratio['process_until_quiet']:.2f})"
        lines.append(
            f"{name:28}{cpu['limit_c']['median']:8.2f}{intake:>16}{process:>16}{merged:>16}"
            f"{ack['p50']['median']:10.2f}{ack['p99']['median']:9.2f}{load['resident_mb']:8.0f}"
        )
    return "\n".join(lines)


def _cpu(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    loads = [LOADS[number] for number in options.loads or range(len(LOADS))]
    whole = options.server == "carillon"
    seconds = options.seconds or 4.0
    figures = measure_cpu(ack_after, loads, seconds, options.rounds, work, whole, options.ack_window_ms)
    print(table(ack_after, figures), flush=True)
    return figures


def _connections(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    seconds = options.seconds or 4.0
    figures = measure_cpu(ack_after, CONNECTIONS, seconds, options.rounds, work, True, options.ack_window_ms)
    print(table(ack_after, figures), flush=True)
    ratios = [load["ratio_to_limit_c"] for load in figures["loads"].values()]
    growth = {
        name: round(ratios[-1][name] / ratios[0][name], 3)
        for name in ("intake_thread", "process_until_stored", "process_until_quiet")
    }
    say(f"the ratio to the limit from {CONNECTIONS[0].terminals:,} to {CONNECTIONS[-1].terminals:,}: {growth}")
    return figures | {"ratio_growth": growth, "ratio_growth_wanted": 1.15}


def _fleet(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    terminals, seconds = options.terminals or 10_000, options.seconds or 120.0
    return measure_fleet(ack_after, terminals, seconds, options.asked, work, options.seed, options.ack_window_ms)


def _kill(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    terminals = options.terminals or 1_000
    return measure_kill(ack_after, options.kills, work, options.seed, terminals, options.ack_window_ms)


def _terminals(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    terminals, seconds = options.terminals or endurance.TERMINALS, options.seconds or 120.0
    return endurance.measure_terminals(
        ack_after, terminals, seconds, options.asked, work, options.seed, options.ack_window_ms
    )


def _paced(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    terminals, seconds = options.terminals or endurance.PACED_TERMINALS, options.seconds or 600.0
    return endurance.measure_paced(
        ack_after, options.rate, terminals, seconds, work, options.seed, options.ack_window_ms
    )


def _hundred(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    terminals = options.terminals or endurance.HUNDRED_TERMINALS
    return endurance.measure_hundred(ack_after, options.reports, terminals, work, options.ack_window_ms)


def _six(ack_after: str, work: Path, options: argparse.Namespace) -> dict[str, Any]:
    terminals, seconds = options.terminals or endurance.SIX_TERMINALS, options.seconds or 120.0
    return endurance.measure_six(
        ack_after, endurance.SIX, terminals, seconds, options.asked, work, options.seed, options.ack_window_ms
    )


MODES: Final[dict[str, Callable[[str, Path, argparse.Namespace], dict[str, Any]]]] = {
    "cpu": _cpu,
    "connections": _connections,
    "fleet": _fleet,
    "kill": _kill,
    "terminals": _terminals,
    "paced": _paced,
    "hundred": _hundred,
    "six": _six,
}


def main(arguments: list[str] | None = None) -> int:
    """Run one mode; print figures for a person and, when asked, one JSON object as the last line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=str(__doc__).splitlines()[0])
    parser.add_argument("--mode", choices=tuple(MODES), default="cpu")
    parser.add_argument("--ack", choices=("sync", "write", "receive"), nargs="+", help="cpu: sync and write, else sync")
    parser.add_argument("--ack-window-ms", type=int, default=10)
    parser.add_argument("--server", choices=("carillon", "intake"), default="carillon", help="intake: it alone (cpu)")
    parser.add_argument("--seconds", type=float, help="of each turn, or of reporting")
    parser.add_argument("--rounds", type=int, default=5, help="alternations of each load (cpu, connections)")
    parser.add_argument("--loads", type=int, nargs="+", choices=range(len(LOADS)), help="which loads, by number (cpu)")
    parser.add_argument("--terminals", type=int, help="instead of the mode's own number")
    parser.add_argument("--reports", type=int, default=endurance.HUNDRED, help="how many to store (hundred)")
    parser.add_argument("--rate", type=int, default=endurance.PACED_REPORTS_PER_S, help="reports/s of all (paced)")
    parser.add_argument("--asked", type=int, default=100, help="cars asked for their position (fleet, terminals, six)")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, help="directory to leave everything in; else a temporary one, deleted")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    options = parser.parse_args(arguments)
    where = machine.description()  # before: the tree may change while a bench runs
    work = options.work or Path(tempfile.mkdtemp(prefix="carillon-bench-"))
    work.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {}
    try:
        for ack_after in options.ack or (["sync", "write"] if options.mode == "cpu" else ["sync"]):
            figures[ack_after] = MODES[options.mode](ack_after, work, options)
    except BenchError as error:
        say(str(error))
        return 1
    finally:
        if options.work is None:
            shutil.rmtree(work, ignore_errors=True)
    found = comparisons(figures)
    for comparison in found:
        print(comparison)
    for part in figures.values():
        if "right" in part:
            print(endurance.told(part))
    if options.json:
        whole = {"bench": f"ingest.{options.mode}", "seed": options.seed, "server": options.server, "ack": figures}
        print(msgspec.json.encode(whole | where).decode())
    held = all(endurance.right(part) for part in figures.values() if "right" in part)
    return 0 if held and all(comparison.right for comparison in found) else 1


if __name__ == "__main__":
    sys.exit(main())
