"""Run the campaign: python -m bench.faults. What it is, and how a row is added, stands in the package's docstring."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import machine
from bench.faults import Fault, Outcome, abuse, clocks, full, links, power, process, readers, stores
from bench.faults.world import World
from bench.machine import say
from bench.servers import BenchError


def try_fault(fault: Fault, store: str, seed: int, work: Path, *, quick: bool) -> Outcome:
    """Run one row on one store. What goes wrong with it is its outcome's, and never the end of the campaign."""
    work.mkdir(parents=True)
    world = World(fault.name, store, work, seed, quick=quick)
    try:
        return fault.run(world) or world.finish()
    except (BenchError, OSError, RuntimeError) as error:
        world.outcome.broken.append(f"the row came to its end: {error}")
        return world.outcome
    finally:
        world.close()


def line(outcome: Outcome) -> str:
    """Return one row's figures as a person reads them."""
    return (
        f"{outcome.tried:>6} tried {outcome.acknowledged:>9,} acknowledged {outcome.lost:>3} lost {outcome.doubled:>3} "
        f"doubled {outcome.facts:>6,} facts {outcome.facts_lost:>3} lost {outcome.facts_doubled:>3} doubled "
        f"{outcome.recover_s:>7.1f} s {outcome.caught_up_s:>6.1f} s"
    )


def table(rows: Sequence[tuple[Fault, str, Outcome]], seed: int) -> str:
    """Return the report as Markdown, as it stands in the README."""
    lines = [
        f"Seed {seed}.",
        "",
        "| what is broken | reports in | tried | acknowledged | lost | doubled | facts | lost | doubled | well again |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for fault, store, outcome in rows:
        lines.append(
            f"| {fault.does} | {store} | {outcome.tried:,} | {outcome.acknowledged:,} | {outcome.lost} "
            f"| {outcome.doubled} | {outcome.facts:,} | {outcome.facts_lost} | {outcome.facts_doubled} "
            f"| {outcome.recover_s:.1f} s |"
        )
    whole = [outcome for _, _, outcome in rows]
    lines.append(
        f"| **all** | | {sum(o.tried for o in whole):,} | {sum(o.acknowledged for o in whole):,} "
        f"| {sum(o.lost for o in whole)} | {sum(o.doubled for o in whole)} | {sum(o.facts for o in whole):,} "
        f"| {sum(o.facts_lost for o in whole)} | {sum(o.facts_doubled for o in whole)} "
        f"| {max((o.recover_s for o in whole), default=0.0):.1f} s |"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Try the faults; the exit status is 1 when anything was lost, doubled or promised in vain."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.faults", description="Break Carillon on purpose, and compare."
    )
    parser.add_argument("--quick", action="store_true", help="the rows that fit into a minute, in a short form")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[fault.name for fault in FAULTS])
    parser.add_argument("--store", choices=("embedded", "clickhouse", "both"), help="default: both; embedded if quick")
    parser.add_argument("--at-once", type=int, default=1, help="worlds at a time: most of one's time is waiting")
    parser.add_argument("--work", type=Path, help="directory to leave everything in; else a temporary one, deleted")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument("--list", action="store_true", help="say what there is to try, and end")
    options = parser.parse_args(arguments)
    if options.list:
        for fault in FAULTS:
            print(f"{fault.name:24} {', '.join(fault.stores):22} {fault.does}")
        return 0
    where = machine.description()  # before: the tree may change while a campaign runs
    store = options.store or ("embedded" if options.quick else "both")
    stores = ("embedded", "clickhouse") if store == "both" else (store,)
    chosen = [
        (fault, store)
        for fault in FAULTS
        if (fault.name in options.only if options.only else fault.quick or not options.quick)
        for store in stores
        if store in fault.stores
    ]
    work = options.work or Path(tempfile.mkdtemp(prefix="carillon-faults-"))
    began = time.monotonic()

    def run(number: int, fault: Fault, store: str) -> tuple[Fault, str, Outcome]:
        say(f"{number} of {len(chosen)}: {fault.name} ({store}): {fault.does} ...")
        row_began = time.monotonic()
        directory = work / f"{fault.name}-{store}"
        outcome = try_fault(fault, store, options.seed, directory, quick=options.quick)
        if options.work is None:
            shutil.rmtree(directory, ignore_errors=True)
        seconds = time.monotonic() - row_began
        say(f"  {fault.name} ({store}): {line(outcome)}, in {seconds:.0f} s  {outcome.notes or ''}")
        for broken in outcome.broken:
            say(f"  BROKEN: {fault.name} ({store}): {broken}")
        return fault, store, outcome

    try:
        with ThreadPoolExecutor(options.at_once) as pool:
            under_way = [pool.submit(run, number, *row) for number, row in enumerate(chosen, 1)]
            rows = [row.result() for row in under_way]
    finally:
        if options.work is None:
            shutil.rmtree(work, ignore_errors=True)
    print(table(rows, options.seed), flush=True)
    if options.json:
        figures: dict[str, Any] = {
            "bench": "faults",
            "seed": options.seed,
            "quick": options.quick,
            "elapsed_s": round(time.monotonic() - began, 1),
            "units": {"recover": "s", "caught_up": "s"},
            "faults": [{"name": fault.name, "store": store, "outcome": outcome} for fault, store, outcome in rows],
        }
        print(msgspec.json.encode(figures | where).decode())
    return 0 if all(outcome.right for _, _, outcome in rows) else 1


FAULTS: Final = (
    *process.ROWS,
    *power.ROWS,
    *full.ROWS,
    *clocks.ROWS,
    *stores.ROWS,
    *links.ROWS,
    *readers.ROWS,
    *abuse.ROWS,
)
"""All there is to try, in the order in which it is tried."""


if __name__ == "__main__":
    sys.exit(main())
