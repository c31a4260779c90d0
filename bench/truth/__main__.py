"""Say how often detection is right. Run: python -m bench.truth [--set tuning|held-out] [--quick] [--json].

Tune on the tuning set. The held-out set says how good it became; to tune on it would make it say nothing.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any, Final

import msgspec

from bench import machine
from bench.truth import evaluate, traffic

SETS: Final = {"tuning": traffic.TUNING, "held-out": traffic.HELD_OUT}
PARTS: Final = ("fences", "parked", "crash")
SEEDS: Final = {"tuning": 1, "held-out": 1001}
EXAMPLES_MAX: Final = 40


def tables(result: dict[str, Any]) -> str:
    """Return the figures as tables of Markdown."""
    lines = []

    def table(*rows: list[Any]) -> None:
        for number, row in enumerate(rows):
            lines.append("| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |")
            if number == 0:
                lines.append("|---" * len(row) + "|")
        lines.append("")

    if "fences" in result:
        table(
            ["a report every", "crossings", "which", "precision", "recall", "F1", "told after, p50 / p95"],
            *(
                [f"{p} s", f["crossings"], which, f["precision"], f["recall"], f["f1"], _seconds(f["latency"])]
                for p, both in result["fences"].items()
                for which, f in both.items()
            ),
        )
    if "parked" in result:
        table(
            ["parked on a boundary, a report every", "vehicle-hours", "false", "per 1000 hours"],
            *([f"{p} s", f["vehicle_hours"], f["false"], f["false_per_1000_h"]] for p, f in result["parked"].items()),
        )
    if "crash" in result:
        crash = result["crash"]
        table(
            ["", *crash],
            *(
                [name, *(figures.get(key) for figures in crash.values())]
                for name, key in (
                    ("precision", "precision"),
                    ("precision, not cleared", "precision_not_cleared"),
                    ("precision, confirmed", "precision_confirmed"),
                    ("recall from 25 km/h", "recall_from_25_kmh"),
                    ("of these within 2 s", "recall_from_25_kmh_within_2_s"),
                    ("false", "false"),
                )
            ),
            *(
                [f"recall {name} km/h", *(figures["classes"][name]["recall"] for figures in crash.values())]
                for name in next(iter(crash.values()))["classes"]
            ),
            ["told after, p50 / p95", *(_seconds(figures["latency"]) for figures in crash.values())],
            ["false per 100 hours", *(figures["ordinary"]["suspected_per_100_h"] for figures in crash.values())],
            *(
                [
                    f"false: {name}",
                    *(f"{c['suspected']} of {c['cases']}" for c in (f["confounders"][name] for f in crash.values())),
                ]
                for name in next(iter(crash.values()))["confounders"]
            ),
        )
    return "\n".join(lines)


def _seconds(latency: dict[str, Any]) -> str:
    return f"{latency['p50_s']} / {latency['p95_s']} s"


def main() -> int:
    """Print the tables; with --json last one object."""
    options = argparse.ArgumentParser(prog="bench.truth", description=__doc__)
    options.add_argument("--set", choices=SETS, default="tuning")
    options.add_argument("--quick", action="store_true", help="little of everything: under a minute")
    options.add_argument("--only", choices=PARTS, nargs="+", default=PARTS)
    options.add_argument("--seed", type=int, help="of noise, fences and cases; the networks have seeds of their own")
    options.add_argument("--examples", type=int, default=0, help="so many of each kind of error, on standard error")
    options.add_argument("--write", type=Path, help="write the object to this file")
    options.add_argument("--json", action="store_true")
    given = options.parse_args()
    began, cpu = time.monotonic(), time.process_time()
    networks = SETS[given.set]
    size = evaluate.QUICK if given.quick else evaluate.FULL
    seed = SEEDS[given.set] if given.seed is None else given.seed
    try:
        driven = [
            traffic.with_standing(traffic.sumo_drives(network, size.vehicle_hours / len(networks)))
            for network in networks
        ]
    except FileNotFoundError as fault:
        print(fault, file=sys.stderr)
        return 2
    result = evaluate.measure(driven, size, seed, frozenset(given.only))
    examples = result.pop("examples")
    for name, lines in examples.items():
        for line in lines[: given.examples]:
            machine.say(f"{name}: {line}")
    print(tables(result))
    whole = {
        "bench": "truth",
        "set": given.set,
        "networks": [network._asdict() for network in networks],
        "seed": seed,
        "size": size._asdict(),
        **result,
        "took_s": round(time.monotonic() - began, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
        **machine.description(),
    }
    if given.write:
        # A set may be run part by part: what stands there of the same run stays.
        if given.write.exists():
            before = msgspec.json.decode(given.write.read_bytes())
            same = ("set", "seed", "size", "commit", "networks")
            if all(msgspec.to_builtins(whole[name]) == before.get(name) for name in same):
                kept = {part: before[part] for part in PARTS if part in before and part not in whole}
                whole = {**whole, **kept, "cpu_s": round(whole["cpu_s"] + before["cpu_s"], 1)}
        given.write.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1) + b"\n")
    if given.json:
        print(msgspec.json.encode(whole).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
