"""Rules changed over HTTP are judged by while the node runs, also after it was killed; and `carillon replay` tells."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.servers import ChildServer, start_carillon
from tests.line.conftest import START_MS, Terminal, place, until

LON, LAT = 152.0, 32.0
PHONE = "13911128001"


METRE = 1 / 94_400
"""Of longitude, at this latitude."""
WAY = (-900, -650, -400, -240, -160, -80, 0, 80, 160, 240, 400, 650, 900)
"""Metres east of the fence's middle, ten seconds apart: seven fixes lie in it."""


class Car:
    """A car that drives through a fence, to and fro."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.reports = 0
        self.way = 1

    def crosses(self) -> None:
        for metres in WAY:
            speed_kmh10 = 900 if abs(metres) > 300 else 290
            lon = LON + self.way * metres * METRE
            self.terminal.report(place(10 * self.reports, lat=LAT, lon=lon, speed_kmh10=speed_kmh10))
            self.reports += 1
        self.way = -self.way


def events(server: ChildServer, prefix: str) -> list[dict[str, Any]]:
    status, page = server.ask("GET", f"/api/v1/events?type={prefix}&after=0&limit=1000")
    assert status == 200, page
    found: list[dict[str, Any]] = page["items"]
    return found


def rules(server: ChildServer, version: int, **values: float) -> None:
    asked = {"values": values, "version": version, "note": "test"}
    swaps = server.figure("carillon_gateway_swaps_total")
    status, answer = server.ask("PUT", "/api/v1/rules/geofence", asked)
    assert (status, answer.get("version")) == (200, version + 1), answer
    until(lambda: server.figure("carillon_gateway_swaps_total") > swaps)


def replay(data: Path, *more: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "carillon", "replay", "--data", str(data), "--detector", "geofence", *more]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def test_rules_are_swapped_while_it_runs_and_after_a_kill_nothing_is_judged_by_others(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start_carillon(data)
    try:
        geometry = {"type": "Point", "coordinates": [LON, LAT]}
        fence = {"type": "Feature", "geometry": geometry, "properties": {"name": "院", "radius_m": 300}}
        assert server.ask("POST", "/api/v1/geofences", fence)[0] == 200
        until(lambda: server.figure("carillon_gateway_swaps_total") >= 1)
        terminal = Terminal(server.port, PHONE).login()
        car = Car(terminal)
        car.crosses()
        until(lambda: len(events(server, "fence.")) == 2)
        rules(server, 0, enter_fixes=4, enter_ms=600_000)
        car.crosses()
        rules(server, 1, enter_fixes=2)
        car.crosses()
        facts = until(lambda: len(found := events(server, "fence.")) >= 6 and found)
        told = [(fact["type"], fact["payload"]["rule_version"]) for fact in facts]
        assert told == [(f"fence.{kind}", version) for version in (0, 1, 2) for kind in ("entered", "exited")]
        # Between two snapshots: what is judged again is what came after the last change.
        server.kill()
        server = start_carillon(data, tcp=server.port)
        terminal.close()
        terminal = terminal.again().login()
        car.terminal = terminal
        car.crosses()
        more = until(lambda: len(found := events(server, "fence.")) >= 8 and found)
        assert more[:6] == facts
        assert [(fact["type"], fact["payload"]["rule_version"]) for fact in more[6:]] == [
            ("fence.entered", 2),
            ("fence.exited", 2),
        ]
        until(lambda: int(server.query("SELECT count() AS stored FROM report FINAL")[0]["stored"]) == car.reports)
        status, tried = server.ask("POST", "/api/v1/rules/geofence/trials", {"values": {"enter_fixes": 5}})
        assert status == 202, tried
        path = f"/api/v1/rules/geofence/trials/{tried['id']}"
        done = until(lambda: (answer := server.ask("GET", path)[1])["state"] != "running" and answer)
        assert done["state"] == "done", done
        # To now: what arrived more than an hour behind the span is not read.
        span = ["--from", str(START_MS - 10_000), "--to", str(time.time_ns() // 1_000_000 + 60_000), "--json"]
        status_, said, why = replay(data, *span, "--set", "enter_fixes=9", "--set", "enter_ms=600000")
        assert status_ == 0, why
        running = json.loads(said)
        terminal.close()
        server.stop()
    finally:
        server.kill()
    # The same from the store itself, once nobody serves.
    status_, said, why = replay(data, *span, "--set", "enter_fixes=9", "--set", "enter_ms=600000")
    assert status_ == 0, why
    stopped = json.loads(said)
    for outcome in (running, stopped):
        # What version 1 found was settled by another report than it is by the rules in force.
        entered = outcome["counts"]["fence.entered"]
        assert [entered[name] for name in ("logged", "present", "log_only", "replay_only")] == [4, 4, 1, 1]
        assert outcome["differences_all"] > 0
        assert outcome["other_versions"] == 4
    assert stopped["reports"] == car.reports
    text = replay(data, *span[:4])[1]
    assert "only replay" in text
    assert "Fences, arming, and whose a car is are as they stand today" in text


def test_what_replay_may_not_be_asked_is_named(tmp_path: Path) -> None:
    for more, said in (
        (["--set", "enter_fixes=0"], "enter_fixes is 0, at least 1"),
        (["--set", "nothing=1"], "nothing: geofence has enter_fixes"),
        (["--set", "enter_fixes"], "not name=value"),
        (["--detector", "nothing"], "no detector 'nothing'; there are alarms"),
        (["--from", "yesterday"], "--from: 'yesterday' is neither"),
        (["--from", "1h", "--to", "2h"], "--from is not before --to"),
        (["--warm-up", "long"], "--warm-up: 'long' is no length of time"),
    ):
        status, _, why = replay(tmp_path / "none", *more)
        assert (status, said in why) == (2, True), why
    status, _, why = replay(tmp_path / "none")
    assert (status, "there is no data in" in why) == (1, True)
