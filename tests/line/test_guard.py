"""A car is armed over HTTP while the node runs; towed away, it is suspected to be stolen, and settled by a person."""

import time
from typing import Any

import msgspec

from bench.servers import ChildServer
from tests.line.conftest import START_MS, Line, place, until

HOME = (33.0, 153.0)
PHONE = "13911127900"


class Parked:
    """A car with its ignition off, whose reports are of now."""

    def __init__(self, line: Line) -> None:
        self.terminal = line.terminal(PHONE).login()
        self.second = time.time_ns() // 1_000_000_000 - START_MS // 1000

    def at(self, north_m: float, speed_kmh10: int = 0) -> None:
        self.second += 10
        fix = place(self.second, lat=HOME[0] + north_m / 111_195, lon=HOME[1], speed_kmh10=speed_kmh10)
        self.terminal.report(msgspec.structs.replace(fix, status=2))


def test_an_armed_car_that_is_towed_is_suspected_listed_and_settled(server: ChildServer, line: Line) -> None:
    car = Parked(line)
    for _ in range(3):
        car.at(0)
    vehicle = line.vehicle_of(PHONE)
    guard = f"/api/v1/vehicles/{vehicle}/guard"
    # It is armed where it stands, as soon as the live table knows where that is.
    until(lambda: server.ask("GET", f"/api/v1/vehicles/{vehicle}")[1]["position"])
    armed = server.ask("POST", f"{guard}/arm", {"radius_m": 80})[1]
    assert armed["armed"]
    assert abs(armed["lat"] - HOME[0]) < 1e-4

    north_m = 0.0

    def suspected() -> list[dict[str, Any]]:
        nonlocal north_m
        # Arming is followed a moment after the answer: it is towed on until it is noticed.
        north_m += 150
        car.at(north_m, 300)
        return line.events("theft.suspected", vehicle_id=vehicle)

    (event, *_) = until(suspected)
    assert event["purpose"] == "theft"
    assert event["payload"]["armed"]
    assert {"moving_without_ignition", "left_place"} & set(event["payload"]["kinds"])
    (item,) = until(lambda: [
        one for one in server.ask("GET", "/api/v1/guards?state=suspected")[1]["items"] if one["vehicle_id"] == vehicle
    ])  # fmt: skip
    assert item["suspicion"]["seen"]["first_report_id"] == event["payload"]["first_report_id"]

    status, settled = server.ask("POST", f"{guard}/settle", {"reason": "towed"})
    assert (status, settled["suspicion"], settled["armed"]) == (200, None, True)
    assert server.ask("POST", f"{guard}/settle", {"reason": "towed"})[1]["code"] == "suspicion_none"
    (cleared,) = line.events("theft.cleared", vehicle_id=vehicle)
    assert (cleared["payload"]["reason"], cleared["cause"]) == ("towed", item["suspicion"]["event"])
    assert not server.ask("POST", f"{guard}/disarm", {})[1]["armed"]
    assert [e["type"] for e in line.events("vehicle.", vehicle_id=vehicle) if "arm" in e["type"]] == [
        "vehicle.armed", "vehicle.disarmed",
    ]  # fmt: skip
    assert [e["type"] for e in line.events("device.", vehicle_id=vehicle)] == ["device.online"]
