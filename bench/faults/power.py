"""Power cuts: what a program wrote, synced, moved and acknowledged is written down; then every state is tried that a
cut may leave the disk in.

A cut comes between two operations. Behind each the disk is rebuilt as it may be (bench/faults/states.py), the program
recovers there, and what it has is compared with what had been acknowledged up to the cut: the trace holds what went out
on sockets in the same order as what went to the disk.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from bench.faults import Fault, Outcome
from bench.faults.disk import Disk, Entry, read_trace
from bench.faults.states import HOWS, Choice
from bench.faults.states import Disk as States
from bench.faults.story import ACT, ACT_S, FACTS
from bench.faults.world import World
from bench.machine import say
from bench.servers import BenchError, start_carillon, start_intake
from bench.stored import read_stored
from core.config import Config
from core.intake.journal import Journal, Reader
from protocols.jt808.codec import decode
from protocols.jt808.framing import unwrap
from protocols.jt808.kernels import KERNELS
from protocols.jt808.messages import PlatformGeneralReply
from protocols.report import phone_text
from simulators.load import LoadClient, LoadPlan
from storage.eventlog import EventLog

PHONE_FIRST: Final = 13_000_000_000
REPORT: Final = 0x0200


class Told(NamedTuple):
    """A report that was acknowledged: number of its terminal, and its serial."""

    terminal: int
    serial: int


def acknowledged(entry: Entry) -> Iterator[Told]:
    """Yield the reports that bytes on a socket acknowledge."""
    if b"\x7e" not in entry.data:
        return
    for piece in entry.data.split(b"\x7e"):
        # 0x8001 and nothing shorter; other protocols' bytes do not decode.
        if len(piece) < 18 or piece[:2] != b"\x80\x01":
            continue
        decoded = decode(unwrap(b"\x7e" + piece + b"\x7e"))
        body = decoded.body
        if isinstance(body, PlatformGeneralReply) and body.reply_message == REPORT and body.result == 0:
            yield Told(int(decoded.header.phone) - PHONE_FIRST, body.reply_serial)


def journalled(directory: Path) -> list[Told]:
    """Recover a journal, and return the reports in it, in order."""
    journal = Journal(directory, keep_ms=3_600_000, bytes_max=1 << 40)
    reader = Reader(journal, KERNELS)
    found = []
    try:
        while (batch := reader.read()) is not None:
            for high, low, serial in zip(
                batch.rows["phone_high"], batch.rows["phone_low"], batch.rows["serial"], strict=True
            ):
                found.append(Told(int(phone_text(int(high), int(low))) - PHONE_FIRST, int(serial)))
    finally:
        reader.close()
        for position in journal.positions.values():
            position.close()
    return found


def record_intake(world: World) -> Path:
    """Let the intake alone take some reports, with everything written down; return its data directory."""
    work, terminals, reports = world.work, 3, world.times(120, 30)
    data = work / "data"
    with Disk(data, work, trace=True) as disk:
        disk.set("trace", 1)
        server = start_intake(data, environment=disk.environment)
        with server:
            plan = LoadPlan(
                port=server.port,
                terminals=terminals,
                window=2,
                reports=reports,
                phone_first=PHONE_FIRST,
                seed=world.draw.randrange(1 << 30),
            )
            with LoadClient(plan) as client:
                if client.login() != terminals:
                    raise BenchError(f"the terminals could not log in\n{server.log_end()}")
                client.drive(20.0, lambda: client.sent >= reports)
                client.drain()
            server.stop()
        if not disk.get("entries"):
            raise BenchError("the shim wrote nothing down")
    return data


def cut_journal(world: World) -> Outcome:
    """Cut the power behind every operation of a small journal, in every way. Needs no server: recovery alone is tried.

    The quick form tries each cut in two ways.
    """
    outcome = world.outcome
    data = record_intake(world)
    entries = list(read_trace(world.work / "disk.trace"))
    draw = world.draw
    states = States(data)
    told: set[Told] = set()
    began = time.monotonic()
    recoveries = []
    for number, entry in enumerate(entries):
        states.take(entry)
        told.update(acknowledged(entry) if entry.kind == "send" else ())
        if entry.kind == "send" and number + 1 < len(entries) and entries[number + 1].kind == "send":
            continue  # the same disk; the next one has been promised more
        for how in (HOWS[0], draw.choice(HOWS[1:])) if world.quick else HOWS:
            for _ in range(3 if how in ("torn", "sectors", "chance") and not world.quick else 1):
                rebuilt = world.work / "cut"
                states.rebuild(rebuilt, Choice(how, draw))
                started = time.monotonic()
                found = journalled(rebuilt / "journal") if (rebuilt / "journal").exists() else []
                recoveries.append(time.monotonic() - started)
                outcome.tried += 1
                lost, twice = told - set(found), len(found) - len(set(found))
                if lost or twice:
                    outcome.broken.append(f"cut behind operation {number} ({entry.kind}), {how}: {len(lost)} lost")
                outcome.lost = max(outcome.lost, len(lost))
                outcome.doubled = max(outcome.doubled, twice)
                shutil.rmtree(rebuilt)
    for difference in states.differences(data):
        outcome.broken.append(f"the shim did not see all: {difference}")
    outcome.acknowledged = len(told)
    outcome.recover_s = round(float(np.max(recoveries)), 3)
    outcome.notes = {"operations": len(entries), "seconds": round(time.monotonic() - began, 1)}
    return outcome


def cut_whole(world: World) -> Outcome:
    """Cut the power of the whole program at moments drawn from a run under load; start it on what is left, and compare.

    What a cut leaves of ClickHouse's names is taken to be in order, of all others it is not; see states.py.
    """
    outcome = world.outcome
    with Disk(world.data, world.work, trace=True) as disk:
        disk.set("trace", 1)
        world.start(environment=disk.environment)
        world.begin(terminals=50, reports_per_s=300)
        began = disk.get("entries")
        world.wait(lambda: world.story.acts >= world.times(10, 4), "the cars live through some acts")
        world.server.kill()
    entries = list(read_trace(world.work / "disk.trace"))
    cuts = sorted(world.draw.sample(range(min(began, len(entries) - 1), len(entries)), world.times(12, 1)))
    states = States(world.data, ordered="clickhouse")
    told: set[Told] = set()
    world.end_clients()
    for number, entry in enumerate(entries):
        states.take(entry)
        told.update(acknowledged(entry) if entry.kind == "send" else ())
        if number in cuts:
            how = world.draw.choice(HOWS)
            say(f"  cut behind operation {number} of {len(entries)} ({entry.kind}), {how} of what was not synced")
            rebuilt = world.work / f"cut{number}"
            states.rebuild(rebuilt, Choice(how, world.draw))
            _compare(world, rebuilt, told, f"cut behind operation {number}, {how}")
            outcome.tried += 1
            outcome.acknowledged = len(told)
            shutil.rmtree(rebuilt)
    outcome.notes = {"operations": len(entries)}
    return outcome


def _compare(world: World, data: Path, told: set[Told], what: str) -> None:
    """Start the program on what a cut has left, let it catch up and stop, and compare."""
    outcome = world.outcome
    began = time.monotonic()
    with start_carillon(data) as server:
        outcome.recover_s = max(outcome.recover_s, round(time.monotonic() - began, 1))
        while any(server.figure(f"carillon_{name}") for name in ("recorder_behind", "log_waiting")) or (
            server.figure("carillon_journal_sequence") != server.figure("carillon_gateway_sequence")
        ):
            time.sleep(0.1)
        server.stop()
    stored, _ = read_stored(data, PHONE_FIRST)
    found = [Told(int(one["terminal"]), int(one["serial"])) for one in stored]
    lost, twice = told - set(found), len(found) - len(set(found))
    acts = Counter(one.terminal for one in told)
    phones = {int(phone) - PHONE_FIRST for phone in world.story.phones}
    vehicles: dict[int, int] = {}
    facts: Counter[tuple[str, int, int]] = Counter()
    for event in events_of(data):
        if event.type == "terminal.registered" and int(event.payload.phone) - PHONE_FIRST in phones:
            vehicles[event.payload.vehicle_id] = int(event.payload.phone) - PHONE_FIRST
        elif event.type in FACTS and event.payload.vehicle_id in vehicles:
            act = (event.time_ms // 1000 - world.story.epoch_s) // ACT_S
            facts[event.type, vehicles[event.payload.vehicle_id], act] += 1
    known = {(type_, car, act) for type_ in FACTS for car in phones for act in range(acts[car] // len(ACT))}
    untold = [fact for fact in known if not facts[fact]]
    doubled = sum(times - 1 for times in facts.values())
    if lost or twice or untold or doubled:
        outcome.broken.append(f"{what}: {len(lost)} lost, {twice} doubled; facts {len(untold)} lost, {doubled} doubled")
    outcome.lost += len(lost)
    outcome.doubled += twice
    outcome.facts += len(known)
    outcome.facts_lost += len(untold)
    outcome.facts_doubled += doubled


def events_of(data: Path) -> list[Any]:
    """Return the whole log of a stopped server."""
    log = EventLog(Config(data=str(data.resolve())).business, owner="campaign")
    events: list[Any] = []
    try:
        while page := log.read(events[-1].seq if events else 0):
            events += page
    finally:
        log.close()
    return events


ROWS: Final = (
    Fault("power-journal", "power cut behind every operation of a journal", cut_journal, quick=True),
    Fault("power", "power cut of the whole program under load", cut_whole),
)
