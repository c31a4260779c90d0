"""All benches in short form, no arguments needed: python -m bench.run

Prints two numbers first: CPU microseconds of the whole process per report (received, synced, acknowledged, judged and
stored), and the 99th percentile from socket to acknowledgement at 20,000 reports a second; then one JSON object with
the figures of every bench. The long forms are `python -m bench.ingest` and `python -m bench.decode`.
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import decode, ingest, machine
from bench.machine import say
from bench.servers import BenchError

SEED: Final = 1
ROUNDS: Final = 3
TURN_S: Final = 2.0


def measure(work: Path) -> dict[str, Any]:
    """Run the short form of every bench: some five minutes, most of them waiting for segments to be sealed."""
    say("decoders ...")
    figures: dict[str, Any] = {"decode": decode.measure(frames_count=50_000, rounds=5, seed=SEED)}
    say("server against the machine's limit ...")
    figures["cpu"] = ingest.measure_cpu("sync", ingest.LOADS, TURN_S, ROUNDS, work, whole=True)
    say("a fleet ...")
    figures["fleet"] = ingest.measure_fleet("sync", 2_000, 15.0, 20, work, SEED)
    say("kill -9 ...")
    figures["kill"] = ingest.measure_kill("sync", 2, work, SEED)
    return figures


def main() -> int:
    """Run everything; the exit status is 1 when a report was lost, invented or stored twice."""
    where = machine.description()  # before: the tree may change while a bench runs
    work = Path(tempfile.mkdtemp(prefix="carillon-bench-"))
    try:
        figures = measure(work)
    except BenchError as error:
        say(str(error))
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    saturated = figures["cpu"]["loads"][ingest.LOADS[0].name]
    steady = figures["cpu"]["loads"][ingest.LOADS[-1].name]
    cpu_us = saturated["cpu_us_per_report"]["process_until_stored"]["median"]
    p99_ms = steady["ack_ms"]["server"]["p99"]["median"]
    print(f"{cpu_us:.2f} us of CPU per report, synced and stored ({ingest.LOADS[0].name})")
    print(f"{p99_ms:.1f} ms p99 from socket to acknowledgement ({ingest.LOADS[-1].name})")
    print(ingest.table("sync", figures["cpu"]))
    whole = {"bench": "run", "cpu_us_per_report": cpu_us, "ack_ms_p99": p99_ms, "seed": SEED, **figures}
    print(msgspec.json.encode(whole | where).decode())
    return 0 if all(comparison.right for comparison in ingest.comparisons(figures)) else 1


if __name__ == "__main__":
    sys.exit(main())
