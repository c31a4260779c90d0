"""`carillon up --demo`: a stranger finds a group with a past, and what anybody has entered is left alone."""

import itertools
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from bench.machine import REPOSITORY
from bench.servers import ChildServer

WAIT_S = 60.0


def start_demo(data: Path, **settings: object) -> ChildServer:
    environment = {"CARILLON_HTTP": "127.0.0.1:0", "CARILLON_DEMO_VEHICLES": "40", "CARILLON_DEMO_HISTORY_H": "1"}
    environment |= {f"CARILLON_{name.upper()}": str(value) for name, value in settings.items()}
    return ChildServer([sys.executable, str(REPOSITORY / "carillon.py"), "up", "--demo"], data, environment=environment)


def positions(server: ChildServer) -> list[dict[str, Any]]:
    return server.ask("GET", "/api/v1/positions?limit=1000")[1]["items"]


def events(server: ChildServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = server.ask("GET", f"/api/v1/events?after={found[-1]['seq'] if found else 0}&limit=1000")[1]["items"]
        if not page:
            return found
        found += page


def wait_until_live(server: ChildServer) -> list[dict[str, Any]]:
    """Wait until every car has reported within the last minute; return the positions."""
    deadline = time.monotonic() + WAIT_S
    while True:
        cars = positions(server)
        if len(cars) == 40 and all(time.time() * 1000 - car["time_ms"] < 60_000 for car in cars):
            return cars
        assert time.monotonic() < deadline, server.log_end()
        time.sleep(0.2)


def test_a_stranger_finds_a_living_group_with_a_past_and_a_second_start_goes_on(tmp_path: Path) -> None:
    began_ms = time.time() * 1000
    with start_demo(tmp_path / "data") as server:
        cars = wait_until_live(server)
        assert sum(car["speed_kmh"] > 1 for car in cars) >= 5
        past = events(server)
        types = Counter(event["type"] for event in past)
        assert types["crash.suspected"] >= 11
        assert types["sos.pressed"] >= 14
        assert types["fence.entered"] >= 4
        assert types["fence.exited"] >= 4
        facts = [event for event in past if event["type"].startswith(("fence.", "crash.", "sos."))]
        # Seen as they happened, one after the other: none was late.
        assert not any(event["payload"].get("late") for event in facts)
        times = [event["time_ms"] for event in facts]
        assert times[0] < began_ms - 2_400_000
        # The hour is lived by all cars together, not by one after the other; the load decides how far apart they get.
        assert max(earlier - later for earlier, later in itertools.pairwise(times)) < 1_800_000
        # Every car has a store, so every fact has: entered before the first of them dialled.
        assert all(event["store"] for event in facts)
        assert types["terminal.registered"] == 40
        assert (tmp_path / "data" / "city" / "street.geojson").stat().st_size > 100_000
        server.stop()
    with start_demo(tmp_path / "data") as server:
        wait_until_live(server)
        again = Counter(event["type"] for event in events(server))
        # Nothing entered twice, and no hour lived twice.
        assert again["terminal.registered"] == 40
        assert again["crash.suspected"] <= types["crash.suspected"] + 2
        server.stop()
    log = (tmp_path / "data.log").read_text()
    assert log.count("which first live through 1.0 h") == 1
    assert log.count("which first live through 0.0 h") == 1
