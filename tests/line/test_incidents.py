"""A car crashes: within two seconds a person has it on the board, takes it, goes through it, and nothing rings on."""

import time

from bench.servers import ChildServer
from tests.line.conftest import START_MS, Line, place, until
from tests.line.test_commands import staff

PHONE = "13911128800"
ON_SCREEN_S = 2.0
"""From the frame's acknowledgement to the open incident over HTTP."""


def test_a_frame_with_bit_29_is_an_incident_that_one_person_takes_and_ends(server: ChildServer, line: Line) -> None:
    terminal = line.terminal(PHONE).login()
    second = time.time_ns() // 1_000_000_000 - START_MS // 1000
    for step in (-20, -10):
        terminal.report(place(second + step, lat=34.0, lon=155.0, speed_kmh10=500))
    terminal.report(place(second, lat=34.0, lon=155.0, speed_kmh10=480, alarm=1 << 29))
    began = time.monotonic()
    vehicle = line.vehicle_of(PHONE)
    path = f"/api/v1/incidents?vehicle={vehicle}"
    (item,) = until(lambda: server.ask("GET", path)[1]["items"])
    assert time.monotonic() - began < ON_SCREEN_S
    assert (item["kind"], item["state"], item["ringing"], item["late"]) == ("crash", "open", True, False)
    assert abs(item["lat"] - 34.0) < 1e-4
    case = f"/incidents/{item['incident']}"

    # The node's own key is nobody: a person has it, and only one.
    refused = server.ask("POST", f"/api/v1{case}/acknowledge", {})
    assert (refused[0], refused[1]["field"]) == (409, "person_needed")
    ann, ben = staff(server, "incident.ann", "incident.ben")
    assert ann.post(f"{case}/acknowledge", {})[0] == 200
    status, problem = ben.post(f"{case}/acknowledge", {})
    assert (status, problem["field"]) == (409, "already_acknowledged")
    status, problem = ann.post(f"{case}/steps", {"step": "acting", "reason": "ambulance"})
    assert (status, problem["field"]) == (409, "step_unknown")
    for step in (
        {"step": "contacted", "reason": "driver"},
        {"step": "assessed", "reason": "injured", "severity": "high"},
        {"step": "acting", "reason": "ambulance"},
        {"step": "stabilised", "reason": "treated"},
        {"step": "caring", "reason": "store"},
    ):
        status, item = ann.post(f"{case}/steps", step)
        assert (status, item["state"], item["ringing"]) == (200, step["step"], False), item
    status, item = ann.post(f"{case}/close", {"reason": "helped"})
    assert (item["state"], item["reason"], item["escalates_ms"]) == ("closed", "helped", None)
    story = server.ask("GET", f"/api/v1{case}")[1]
    people = [step["by"] for step in story["steps"] if step["what"] in ("acknowledged", "contacted", "closed")]
    assert len(people) == 3
    assert len(set(people)) == 1
    assert {alert["state"] for alert in story["alerts"]} == {"resolved"}
    told = line.events("incident.", vehicle_id=vehicle)
    assert "incident.escalated" not in {event["type"] for event in told}
    assert {event["purpose"] for event in told} == {"safety"}
