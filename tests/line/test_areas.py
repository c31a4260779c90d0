"""Fences on terminals of each edition, over the wire: told, told again, compared, taken off.

That kill -9 does not tell twice is tried in test_geofences.py, where a server is killed.
"""

from typing import Any

import msgspec

from bench.servers import ChildServer
from protocols.jt808.codec import Decoded
from protocols.jt808.control import AreasReply, Circle, SetPolygon
from protocols.jt808.messages import TerminalGeneralReply
from simulators.console import Station
from simulators.terminals import ONLINE, identity, of_edition
from tests.line.conftest import Line, Terminal, until

CENTRE = [153.0, 33.0]
RULES = {"speed_kmh": 60, "night_speed_kmh": 40, "daily_from": "08:00", "daily_to": "18:30", "enter_driver": True}


def drawn(server: ChildServer, cars: list[int], **properties: Any) -> dict[str, Any]:
    said = {"name": "院", "radius_m": 300, "applies": "vehicles", "vehicles": cars, "on_terminals": True}
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": CENTRE},
        "properties": said | {"terminal": RULES} | properties,
    }
    status, answer = server.ask("POST", "/api/v1/geofences", feature)
    assert status == 200, answer
    found: dict[str, Any] = answer["features"][0]
    return found


def kept(terminal: Terminal, message: int, result: int = 0) -> Decoded:
    """Wait for a message about areas and answer it."""
    heard = terminal.hear(message)
    terminal.say(0x0001, TerminalGeneralReply(heard.header.serial, message, result))
    return heard


def states(server: ChildServer, fence: int) -> dict[int, str]:
    status, page = server.ask("GET", f"/api/v1/geofences/{fence}/terminals")
    assert status == 200, page
    return {row["vehicle_id"]: row["state"] for row in page["items"]}


def test_terminals_of_each_edition_keep_a_fence_and_say_what_they_hold(server: ChildServer, line: Line) -> None:
    phones = {2019: "13911190001", 2013: "13911190002", 2011: "13911190003"}
    terminals = {version: line.terminal(phone, version=version).login() for version, phone in phones.items()}
    cars = {version: line.vehicle_of(phone) for version, phone in phones.items()}
    fence = drawn(server, list(cars.values()))
    number = fence["id"]

    body: Any = kept(terminals[2019], 0x8600).body
    area: Circle = body.circles[0]
    place = (area.radius_m, area.latitude, area.longitude)
    assert (body.setting, area.id, *place) == (1, number, 300, 33_000_000, 153_000_000)
    assert (area.start_ms, area.end_ms) == (8 * 3_600_000, 18 * 3_600_000 + 1_800_000)
    assert (area.speed_kmh, area.overspeed_s, area.night_speed_kmh, area.name) == (60, 10, 40, "院")
    older: Any = kept(terminals[2013], 0x8600).body
    assert older.circles == (msgspec.structs.replace(area, night_speed_kmh=None, name=None),)
    # 2011 says twice how many there are.
    assert kept(terminals[2011], 0x8600).body == older
    until(lambda: set(states(server, number).values()) == {"told"})

    # One is away while the fence becomes a polygon of another place; it is told when it comes back.
    terminals[2019].close()
    until(lambda: line.events("terminal.session.closed", vehicle_id=cars[2019]))
    ring = [[153.0, 33.0], [153.01, 33.0], [153.02, 33.02], [153.0, 33.0]]
    changed = {**fence, "geometry": {"type": "Polygon", "coordinates": [ring]}}
    status, answer = server.ask("PUT", f"/api/v1/geofences/{number}", changed)
    assert status == 200, answer
    for version in (2013, 2011):
        kept(terminals[version], 0x8601)
        kept(terminals[version], 0x8604)
    until(lambda: states(server, number) == {cars[2019]: "wanted", cars[2013]: "told", cars[2011]: "told"})
    again = terminals[2019].again().login()
    kept(again, 0x8601)
    polygon: Any = kept(again, 0x8604).body
    assert isinstance(polygon, SetPolygon)
    assert (len(polygon.vertices), polygon.night_speed_kmh) == (3, 40)
    until(lambda: set(states(server, number).values()) == {"told"})

    # Compared: only 2019 can say; one corner is elsewhere, and there is an area of somebody else.
    status, asked = server.ask("POST", f"/api/v1/geofences/{number}/compare", {})
    assert (status, asked["terminals"]) == (202, 3)
    question = again.hear(0x8608)
    elsewhere = msgspec.structs.replace(polygon, vertices=polygon.vertices[:2] + polygon.vertices[:1])
    stranger = msgspec.structs.replace(polygon, id=4_000_000_000)
    again.say(0x0608, AreasReply(kind=3, polygons=(elsewhere, stranger)), question.header.serial)

    def compared() -> bool:
        page = server.ask("GET", f"/api/v1/geofences/{number}/terminals")[1]
        found = {row["vehicle_id"]: (row["state"], row["differences"], row["others"]) for row in page["items"]}
        return found == {
            cars[2019]: ("differs", ["vertices"], [4_000_000_000]),
            cars[2013]: ("told", ["edition"], []),
            cars[2011]: ("told", ["edition"], []),
        }

    until(compared)
    only = server.ask("GET", f"/api/v1/geofences/{number}/terminals?state=differs&state=refused")[1]
    assert [row["vehicle_id"] for row in only["items"]] == [cars[2019]]
    assert server.ask("POST", f"/api/v1/geofences/{number}/retry", {"terminal": only["items"][0]["terminal"]})[0] == 202
    kept(again, 0x8604)
    until(lambda: set(states(server, number).values()) == {"told"})

    # A terminal that says no is shown so, with what it said; the others are taken off.
    revision = answer["properties"]["revision"]
    assert server.ask("DELETE", f"/api/v1/geofences/{number}?revision={revision}")[0] == 204
    for terminal in (again, terminals[2013], terminals[2011]):
        kept(terminal, 0x8605)
    for vehicle in cars.values():
        until(
            lambda vehicle=vehicle: (
                len(line.events("command.acked", vehicle_id=vehicle))
                >= len(line.events("command.requested", vehicle_id=vehicle, message="0x8605")) + 2
            )
        )


def test_a_corridor_is_kept_as_a_route_by_simulated_terminals_and_compared(server: ChildServer, line: Line) -> None:
    stations = {}
    for number, version in enumerate((2019, 2013)):
        who = of_edition(identity(400 + number), version)
        stations[version] = Station(who, ("127.0.0.1", server.port), lambda text: None)
        stations[version].start()
    cars = {}
    for version, station in stations.items():
        phone = station.terminal.identity.phone
        until(lambda station=station: station.terminal.state == ONLINE)
        cars[version] = line.vehicle_of(phone)
    road = [[150.0, 30.0], [150.01, 30.0], [150.02, 30.01]]
    said = {"name": "送货路线", "width_m": 60, "role": "route", "applies": "vehicles", "vehicles": list(cars.values())}
    feature = {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": road},
        "properties": said | {"on_terminals": True, "terminal": RULES},
    }
    status, answer = server.ask("POST", "/api/v1/geofences", feature)
    assert status == 200, answer
    number = answer["features"][0]["id"]
    until(lambda: set(states(server, number).values()) == {"told"})
    for version, station in stations.items():
        with station.lock:
            route = station.terminal.device.areas[4][number]
        assert [point.longitude for point in route.points] == [150_000_000, 150_010_000, 150_020_000]
        assert {point.speed_kmh for point in route.points} == {60}
        assert (route.name, route.points[0].night_speed_kmh) == (("送货路线", 40) if version == 2019 else (None, None))
    assert server.ask("POST", f"/api/v1/geofences/{number}/compare", {})[0] == 202

    def compared() -> bool:
        page = server.ask("GET", f"/api/v1/geofences/{number}/terminals")[1]
        found = {row["vehicle_id"]: (row["state"], row["differences"]) for row in page["items"] if row["compared_ms"]}
        return found == {cars[2019]: ("told", []), cars[2013]: ("told", ["edition"])}

    until(compared)
    assert server.ask("DELETE", f"/api/v1/geofences/{number}?revision=1")[0] == 204
    for station in stations.values():
        until(lambda station=station: number not in station.terminal.device.areas[4])
        station.stop()
