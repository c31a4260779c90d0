"""Whether the server stays as it is: as many terminals as fit, ten minutes of load, a hundred million reports.

The modes of `python -m bench.ingest` that take long; each is run alone.

terminals  As many as one process may have connections, a report in 30 s of each; a sample is commanded.
six        Six servers, each with its own data directory and port, and 100,000 terminals over all of them.
paced      50,000 reports/s over 2,000 connections, for ten minutes, beside what the same costs bench/limit.c.
hundred    A hundred million reports, as fast as it goes.

Each ends by comparing sets, as the others do. A server's CPU and memory are looked at every few seconds: the verdict is
whether a report costs the same, and as much memory is held, late in the run as early (bench.watch.Flatness).
"""

import json
import random
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from bench.machine import REPOSITORY, median, say
from bench.servers import BenchError, ChildServer, LimitServer, start_carillon
from bench.stored import Comparison, compare_stopped
from bench.watch import PHONE_FIRST, Asked, Look, Series, Settling, ask_position, held_bytes, vehicles
from core.limits import LINKS_MAX
from simulators.load import LoadClient, LoadPlan

TERMINALS: Final = 18_000
"""Of one process: the limit of open files is 20,000 on many machines, and LINKS_MAX leaves room below it."""
assert TERMINALS <= LINKS_MAX
INTERVAL_S: Final = 30
STEP_1E6: Final = 2_700
"""Degrees * 1e6 in 30 s: 36 km/h."""
SIX: Final = 6
SIX_TERMINALS: Final = 100_000
PACED_REPORTS_PER_S: Final = 50_000
PACED_TERMINALS: Final = 2_000
PACED_STEP_1E6: Final = 4
"""A report of each every 40 ms: 36 km/h."""
LIMIT_S: Final = 10.0
"""How long the limit is measured at the same rate, before and after."""
HUNDRED: Final = 100_000_000
HUNDRED_TERMINALS: Final = 2_000
DISK_BYTES_PER_REPORT: Final = 220
"""112 in the journal, 32 in the client's record, some 20 in the store and twice that while it merges."""
LOGIN_S_MAX: Final = 600.0
AT_REST_S: Final = 10.0
"""After the last login: the log, the positions and what waits on a timer come to rest."""
MARKS: Final = (0.01, 0.1, 0.25, 0.5, 1.0)
"""Shares of all reports at which what a report costs is stated: from 1 million to 100."""


def measure_terminals(
    ack_after: str, terminals: int, seconds: float, asked_count: int, work: Path, seed: int, ack_window_ms: int = 10
) -> dict[str, Any]:
    """Log so many terminals in on one server, let them rest, report every INTERVAL_S, and command some of them."""
    data, record = work / "terminals", work / "terminals.record"
    with start_carillon(data, ack_after=ack_after, ack_window_ms=ack_window_ms) as server:
        idle = held_bytes(server.pid)
        plan = LoadPlan(
            port=server.port,
            terminals=terminals,
            reports_per_s=max(1, terminals // INTERVAL_S),
            phone_first=PHONE_FIRST,
            heartbeat_s=2.0 * INTERVAL_S,
            step_1e6=STEP_1E6,
            seed=seed,
            record=str(record),
        )
        with LoadClient(plan) as client:
            started, before = time.monotonic(), server.cpu_ns()["process"]
            ready = client.login(LOGIN_S_MAX)
            login_s = time.monotonic() - started
            login_ns = server.cpu_ns()["process"] - before
            say(f"terminals: {ready:,} of {terminals:,} logged in within {login_s:.1f} s")
            time.sleep(AT_REST_S)
            rested = held_bytes(server.pid)
            say(f"terminals: {(rested - idle) / max(ready, 1) / 1000:.2f} KB of memory each")
            with Series(server, lambda: client.acked, keep=work / f"{data.name}.series") as series:
                driver = threading.Thread(target=client.drive, args=(seconds,))
                driver.start()
                try:
                    asked = _command(server, min(asked_count, ready), terminals, seed, INTERVAL_S + 30.0)
                finally:
                    driver.join()
                client.drain()
            reported = held_bytes(server.pid)
            result = client.result()
            Settling(server).until_quiet()
        server.stop()
    return {
        "terminals": terminals,
        "ready": ready,
        "login_s": round(login_s, 1),
        "login_cpu_us": round(login_ns / max(ready, 1) / 1000, 1),
        "held_kb_per_terminal": {
            "logged_in": round((rested - idle) / max(ready, 1) / 1000, 2),
            "reporting": round((reported - idle) / max(ready, 1) / 1000, 2),
        },
        "commanded": _answers(asked),
        "ack_ms": {"p50": result.ack_ms_p50, "p99": result.ack_ms_p99, "p999": result.ack_ms_p999},
        "cpu_us_per_report": _overall(series.looks),
        "flatness": series.flatness(),
        "series": series.looks,
        "client": result,
        "sets": compare_stopped([record], data, PHONE_FIRST),
        "right": ready == terminals and all(one.state == "effective" for one in asked),
    }


def measure_paced(
    ack_after: str, reports_per_s: int, terminals: int, seconds: float, work: Path, seed: int, ack_window_ms: int = 10
) -> dict[str, Any]:
    """Let so many terminals make so many reports a second for long, all of them acknowledged, judged and stored."""
    data, record = work / "paced", work / "paced.record"
    limit_us = [_limit_us(reports_per_s, terminals)]
    with start_carillon(data, ack_after=ack_after, ack_window_ms=ack_window_ms) as server:
        plan = _paced_plan(server.port, reports_per_s, terminals, seed, record)
        with LoadClient(plan) as client:
            if client.login(LOGIN_S_MAX) < terminals:
                raise BenchError(f"not all could log in: {client.result()}")
            with Series(server, lambda: client.acked, keep=work / f"{data.name}.series") as series:
                client.drive(seconds)
                client.drain()
            result = client.result()
            Settling(server).until_quiet()
        server.stop()
    limit_us.append(_limit_us(reports_per_s, terminals))
    floor = median(limit_us)
    cost = _overall(series.looks)
    return {
        "terminals": terminals,
        "reports_per_s_wanted": reports_per_s,
        "reports_per_s": result.reports_per_s,
        "held_back": result.held_back,
        "unacknowledged": result.unacknowledged + result.refused,
        "ack_ms": {
            "p50": result.ack_ms_p50,
            "p99": result.ack_ms_p99,
            "p999": result.ack_ms_p999,
            "max": result.ack_ms_max,
        },
        "client_late_ms_p99": result.late_ms_p99,
        "cpu_us_per_report": {"limit_c": limit_us, **cost},
        "ratio_to_limit_c": {name: round(cost[name] / floor, 2) for name in ("process", "working", "intake")},
        "flatness": series.flatness(),
        "series": series.looks,
        "client": result,
        "sets": compare_stopped([record], data, PHONE_FIRST),
        "right": result.held_back == 0,
    }


def measure_hundred(
    ack_after: str, reports: int, terminals: int, work: Path, ack_window_ms: int = 10
) -> dict[str, Any]:
    """Store so many reports as fast as it goes; state what one cost when there were few and when there were many."""
    data, record = work / "hundred", work / "hundred.record"
    free_disk(work, reports * DISK_BYTES_PER_REPORT)
    with start_carillon(data, ack_after=ack_after, ack_window_ms=ack_window_ms) as server:
        plan = LoadPlan(
            port=server.port,
            terminals=terminals,
            window=16,
            reports=reports,
            phone_first=PHONE_FIRST,
            step_1e6=1,
            record=str(record),
        )
        with LoadClient(plan) as client:
            if client.login(LOGIN_S_MAX) < terminals:
                raise BenchError(f"not all could log in: {client.result()}")
            started = time.monotonic()
            with Series(server, lambda: client.acked, 2.0, work / f"{data.name}.series") as series:
                client.drive(24 * 3600.0)
                client.drain()
                acknowledged_s = time.monotonic() - started
                say(f"hundred: {client.acked:,} acknowledged within {acknowledged_s:.0f} s")
                Settling(server).until_quiet()
            result = client.result()
        server.stop()
    table = sum(file.stat().st_size for file in (data / "clickhouse").rglob("*") if file.is_file())
    return {
        "reports": result.acked,
        "terminals": terminals,
        "acknowledged_s": round(acknowledged_s, 1),
        "stored_s": round(next(one.seconds for one in series.looks if one.stored >= series.looks[-1].stored), 1),
        "reports_per_s": result.reports_per_s,
        "ack_ms": {"p50": result.ack_ms_p50, "p99": result.ack_ms_p99, "p999": result.ack_ms_p999},
        "cpu_us_per_report": _overall(series.looks),
        "cpu_us_by_reports": _by_reports(series.looks, reports),
        "store_bytes_per_report": round(table / max(result.acked, 1), 1),
        "flatness": series.flatness(),
        "series": series.looks,
        "client": result,
        "sets": compare_stopped([record], data, PHONE_FIRST),
        "right": result.acked == reports,
    }


def measure_six(
    ack_after: str,
    servers: int,
    terminals: int,
    seconds: float,
    asked_count: int,
    work: Path,
    seed: int,
    ack_window_ms: int = 10,
) -> dict[str, Any]:
    """Spread terminals over several servers of one machine, each client a process of its own; command some of each."""
    each = -(-terminals // servers)
    clients: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                start_carillon(work / f"node{number}", ack_after=ack_after, ack_window_ms=ack_window_ms)
            )
            for number in range(servers)
        ]
        idle = [held_bytes(node.pid) for node in nodes]
        started = time.monotonic()
        for number, node in enumerate(nodes):
            clients.append(_client(node, each, seconds, seed + number, work / f"node{number}.record"))
            stack.callback(clients[-1].kill)
        while (here := [int(node.figure("carillon_fleet_sessions")) for node in nodes]) != [each] * servers:
            if time.monotonic() - started > LOGIN_S_MAX or not all(node.alive for node in nodes):
                raise BenchError(f"logged in: {here} of {each} each\n{nodes[0].log_end()}")
            time.sleep(1.0)
        login_s = time.monotonic() - started
        say(f"six: {each * servers:,} logged in within {login_s:.1f} s")
        logged_in = [held_bytes(node.pid) for node in nodes]
        asked = [
            one
            for number, node in enumerate(nodes)
            for one in _command(node, asked_count // servers, each, seed + number, INTERVAL_S + 60.0)
        ]
        say(f"six: {_answers(asked)}")
        results = [json.loads(client.communicate()[0] or b"{}") for client in clients]
        cpu = [node.cpu_ns() for node in nodes]
        reporting = [held_bytes(node.pid) for node in nodes]
        for node in nodes:
            Settling(node).until_quiet()
            node.stop()
    sets = [compare_stopped([work / f"node{n}.record"], work / f"node{n}", PHONE_FIRST) for n in range(servers)]
    acked = sum(result["acked"] for result in results)
    return {
        "servers": servers,
        "terminals": each * servers,
        "ready": sum(result["ready"] for result in results),
        "login_s": round(login_s, 1),
        "held_kb_per_terminal": {
            "logged_in": round((sum(logged_in) - sum(idle)) / each / servers / 1000, 2),
            "reporting": round((sum(reporting) - sum(idle)) / each / servers / 1000, 2),
        },
        "held_mb_idle": [round(one / 1e6) for one in idle],
        "reports": acked,
        "reports_per_s": round(sum(result["reports_per_s"] for result in results), 1),
        "commanded": _answers(asked),
        "ack_ms": {name: max(result[f"ack_ms_{name}"] for result in results) for name in ("p50", "p99", "p999")},
        "process_cpu_s": round(sum(one["process"] for one in cpu) / 1e9, 1),
        "sets": sets,
        "right": all(one["ready"] == each for one in results) and all(one.state == "effective" for one in asked),
    }


# --- what they share --------------------------------------------------------------------------------------------------


def _paced_plan(port: int, reports_per_s: int, terminals: int, seed: int, record: Path | None = None) -> LoadPlan:
    return LoadPlan(
        port=port,
        terminals=terminals,
        reports_per_s=reports_per_s,
        phone_first=PHONE_FIRST,
        step_1e6=PACED_STEP_1E6,
        seed=seed,
        record=None if record is None else str(record),
    )


def _limit_us(reports_per_s: int, terminals: int) -> float:
    """Return what acknowledging at this rate costs bench/limit.c, CPU us a report."""
    with LimitServer() as limit, LoadClient(_paced_plan(limit.port, reports_per_s, terminals, 1)) as client:
        client.login()
        client.drive(1.0)
        before, acked = limit.cpu_ns()["process"], client.acked
        client.drive(LIMIT_S)
        client.drain()
        return round((limit.cpu_ns()["process"] - before) / (client.acked - acked) / 1000, 3)


def _client(node: ChildServer, terminals: int, seconds: float, seed: int, record: Path) -> "subprocess.Popen[bytes]":
    """Start the terminals of one server: a process has too few files for those of two."""
    options = {
        "tcp": f"127.0.0.1:{node.port}",
        "terminals": terminals,
        "reports-per-s": max(1, terminals // INTERVAL_S),
        "seconds": seconds,
        "phone-first": PHONE_FIRST,
        "step-1e6": STEP_1E6,
        "seed": seed,
        "record": record,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "simulators.load", *(f"--{name}={value}" for name, value in options.items())],
        cwd=REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


def _command(server: ChildServer, count: int, terminals: int, seed: int, report_s: float) -> list[Asked]:
    """Ask some cars for their position, one after the other, once every car has reported."""
    known = vehicles(server, terminals, report_s)
    asked = [Asked(vehicle_id) for vehicle_id in random.Random(seed).sample(known, min(count, len(known)))]
    for one in asked:
        ask_position(server, one)
    return asked


def _answers(asked: list[Asked]) -> dict[str, Any]:
    """Say how many were asked and answered, and how long that took."""
    seconds = [one.seconds for one in asked if one.state == "effective"]
    return {
        "asked": len(asked),
        "answered": len(seconds),
        "not_answered": [f"{one.vehicle_id}: {one.state}" for one in asked if one.state != "effective"][:10],
        "answer_s": {"median": median(seconds), "max": max(seconds)} if seconds else None,
    }


def _overall(looks: list[Look]) -> dict[str, float]:
    """Return CPU us per acknowledged report over a whole series: process, what works, merging, and each thread."""
    spent = {name: ms * 1000 / max(looks[-1].acked, 1) for name, ms in looks[-1].cpu_ms.items()}
    spent["working"] = spent["process"] - spent.get("merging", 0.0)
    return {name: round(us, 3) for name, us in spent.items()}


def _by_reports(looks: list[Look], reports: int) -> list[dict[str, Any]]:
    """Return what a report cost between one of MARKS and the next, per kind of thread."""
    found = []
    before = looks[0]
    for share in MARKS:
        look = next((one for one in looks if one.acked >= reports * share), looks[-1])
        count = look.acked - before.acked
        if count:
            us = {n: round((ms - before.cpu_ms.get(n, 0.0)) * 1000 / count, 3) for n, ms in look.cpu_ms.items()}
            found.append({"from": before.acked, "to": look.acked, "stored": look.stored, "cpu_us": us})
        before = look
    return found


def told(figures: dict[str, Any]) -> str:
    """Tell a person what a run gave: everything but the series and the client's own figures."""
    left_out = ("series", "client", "sets", "flatness")
    lines = [f"{name}: {value}" for name, value in figures.items() if name not in left_out]
    flat = figures.get("flatness")
    if flat is not None:
        lines += [f"{name}: {getattr(flat, name)}" for name in flat.__struct_fields__]
    return "\n".join(lines)


def free_disk(work: Path, bytes_wanted: int) -> None:
    """Raise BenchError when a run would fill the disk."""
    free = shutil.disk_usage(work).free
    if free < bytes_wanted:
        raise BenchError(f"{work} has {free / 1e9:.0f} GB free, and the run needs {bytes_wanted / 1e9:.0f}")


def right(figures: dict[str, Any]) -> bool:
    """Tell whether a run of one of these modes gave what it must: everybody served, and flat."""
    flat = figures.get("flatness")
    sets = figures["sets"] if isinstance(figures["sets"], list) else [figures["sets"]]
    return (
        bool(figures["right"])
        and all(isinstance(one, Comparison) and one.right for one in sets)
        and (flat is None or flat.flat)
    )
