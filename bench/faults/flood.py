"""Flood the API: many askers at once, each without a pause, of all that reads.

    python -m bench.faults.flood HOST:PORT KEY_FILE SECONDS SEED      in a process of its own

The last line is one JSON object: how much was asked, and how often each status was answered.
"""

import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Final

ASKERS: Final = 24
DAY_MS: Final = 86_400_000

PATHS: Final = (
    "/api/v1/events?after={seq}&limit=1000",
    "/api/v1/events?type=fence.&newest=true&limit=500",
    "/api/v1/positions?after=0&limit=10000",
    "/api/v1/vehicles?limit=1000",
    "/api/v1/vehicles/{car}",
    "/api/v1/vehicles/{car}/track?from_ms={from_ms}&to_ms={to_ms}",
    "/api/v1/vehicles/{car}/trips",
    "/api/v1/geofences?limit=500",
    "/api/v1/terminals?limit=500",
    "/api/v1/me",
    "/health",
    "/metrics",
)


def ask_on(address: str, key: str, until: float, draw: random.Random, answered: Counter[str]) -> None:
    """Ask one after the other on one link, a new one where it breaks."""
    link = http.client.HTTPConnection(address, timeout=60)
    now_ms = time.time_ns() // 1_000_000
    while time.monotonic() < until:
        path = draw.choice(PATHS).format(
            seq=draw.randrange(5_000), car=draw.randrange(1, 400), from_ms=now_ms - 14 * DAY_MS, to_ms=now_ms
        )
        try:
            link.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            answer = link.getresponse()
            answer.read()
            answered[str(answer.status)] += 1
        except (OSError, http.client.HTTPException):
            answered["broken"] += 1
            link.close()
    link.close()


def main(arguments: list[str]) -> int:
    """Ask until the time is over."""
    address, key_file, seconds, seed = arguments
    key = Path(key_file).read_text().strip()
    until = time.monotonic() + float(seconds)
    counters = [Counter[str]() for _ in range(ASKERS)]
    askers = [
        threading.Thread(target=ask_on, args=(address, key, until, random.Random(f"{seed} {number}"), counters[number]))
        for number in range(ASKERS)
    ]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    whole = sum(counters, Counter[str]())
    print(json.dumps({"asked": whole.total(), "status": dict(whole)}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
