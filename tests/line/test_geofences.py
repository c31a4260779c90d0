"""A fence drawn over HTTP is judged by while the node runs, and is there after the node was killed."""

from pathlib import Path
from typing import Any

from bench.servers import ChildServer, start_carillon
from protocols.jt808.messages import TerminalGeneralReply
from tests.line.conftest import Car, Line, until

CENTRE = (152.0, 32.0)


def circle(name: str, lon: float = CENTRE[0], **properties: Any) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": [lon, CENTRE[1]]}
    return {"type": "Feature", "geometry": geometry, "properties": {"name": name, "radius_m": 300, **properties}}


AWAY = CENTRE[0] - 0.015
"""1.4 km west of it."""


def drawn(server: ChildServer, feature: dict[str, Any]) -> dict[str, Any]:
    status, answer = server.ask("POST", "/api/v1/geofences", feature)
    assert status == 200, answer
    found: dict[str, Any] = answer["features"][0]
    return found


def test_a_fence_drawn_over_http_is_entered_and_left_by_its_cars_only(server: ChildServer, line: Line) -> None:
    first, second = (Car(line.terminal(f"1391112700{n}").login()) for n in (1, 2))
    ids = [line.vehicle_of(f"1391112700{n}") for n in (1, 2)]
    for car in (first, second):
        car.at(AWAY, CENTRE[1])
    fence = drawn(server, circle("chosen", applies="vehicles", vehicles=[ids[0]]))

    def crossed(kind: str, vehicle_id: int) -> list[dict[str, Any]]:
        return line.events(kind, fence_id=fence["id"], vehicle_id=vehicle_id)

    def in_and_out() -> bool:
        for car in (first, second):
            car.at(*CENTRE)
            car.at(AWAY, CENTRE[1])
        return bool(crossed("fence.exited", ids[0]))

    # The index is swapped soon after the answer: drive until it is.
    until(in_and_out)
    assert crossed("fence.entered", ids[0])
    assert not crossed("fence.", ids[1])
    # Let it be for the other one too: already inside, it enters at its next fixes.
    second.at(*CENTRE)
    choice = {"vehicles": ids, "revision": fence["properties"]["revision"]}
    status, fence = server.ask("PUT", f"/api/v1/geofences/{fence['id']}/vehicles", choice)
    assert status == 200, fence

    def stands_inside() -> bool:
        second.at(*CENTRE)
        return bool(crossed("fence.entered", ids[1]))

    until(stands_inside)
    inside = server.ask("GET", f"/api/v1/geofences/{fence['id']}/inside")[1]
    assert [car["vehicle_id"] for car in inside["items"]] == [ids[1]]
    # Removed around it: nobody has left.
    revision = fence["properties"]["revision"]
    assert server.ask("DELETE", f"/api/v1/geofences/{fence['id']}?revision={revision}")[0] == 204
    until(lambda: line.events("geofence.removed", fence_id=fence["id"]))
    exits = len(crossed("fence.exited", ids[1]))
    other = drawn(server, circle("after it", lon=AWAY))

    def enters_the_other() -> bool:
        second.at(AWAY, CENTRE[1])
        return bool(line.events("fence.entered", fence_id=other["id"], vehicle_id=ids[1]))

    until(enters_the_other)
    assert len(crossed("fence.exited", ids[1])) == exits == 0


def test_a_fence_answered_for_is_judged_by_and_told_once_after_kill_9(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with start_carillon(data) as server:
        before = Line(server)
        terminal = before.terminal("13911127009").login()
        Car(terminal).at(AWAY, CENTRE[1])
        # Killed the moment it has answered: the swap may not have come.
        fence = drawn(server, circle("survivor", on_terminals=True))
        server.kill()
        before.close()
    with start_carillon(data) as server:
        after = Line(server)
        again = after.terminal("13911127009")
        again.code = terminal.code
        car = Car(again.login())
        # Whether it was asked for before the end or after the start: it is the same command.
        told = again.hear(0x8600)
        again.say(0x0001, TerminalGeneralReply(told.header.serial, 0x8600, 0))
        car.second = -9_000
        car.at(*CENTRE)
        vehicle_id = after.vehicle_of("13911127009")
        (entered,) = until(lambda: after.events("fence.entered", vehicle_id=vehicle_id))
        assert entered["payload"]["fence_id"] == fence["id"]
        assert len(after.events("geofence.saved", fence_id=fence["id"])) == 1

        def states() -> list[str]:
            rows = server.ask("GET", f"/api/v1/geofences/{fence['id']}/terminals")[1]["items"]
            return [row["state"] for row in rows]

        until(lambda: states() == ["told"])
        assert len(after.events("command.requested", message="0x8600")) == 1
        after.close()
