"""Geofences over HTTP: what comes in is mended or refused by name, what goes out comes in again unchanged."""

import json
import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient

from api.app import create_app
from api.geojson import drafts_of, feature_of
from core.events import Event, FenceCrossed
from core.geofence import FAULTS, Geofence, GeofenceFaultError, TerminalRules, Window, checked
from core.limits import (
    AREA_CORNERS_MAX,
    AREA_MS_END,
    AREA_MS_MIN,
    AREA_ROUTE_WIDTH_M_MAX,
    CORRIDOR_LENGTH_M_MAX,
    CORRIDOR_POINTS_MAX,
    CORRIDOR_WIDTH_M_MAX,
    CORRIDOR_WIDTH_M_MIN,
    FENCE_CORNERS_MAX,
    FENCE_DWELL_S_MAX,
    FENCE_DWELL_S_MIN,
    FENCE_NAME_CHARACTERS_MAX,
    FENCE_RADIUS_M_MAX,
    FENCE_SPEED_KMH_MAX,
    FENCE_SPEED_S_MAX,
    FENCE_WINDOWS_MAX,
    GEOJSON_BYTES_MAX,
    GEOJSON_FEATURES_MAX,
    GEOJSON_REFUSALS_MAX,
)
from core.rights import NODE
from storage.people import Store
from storage.registry import NewTerminal
from tests.api.conftest import SAME_SITE, Node

PASSWORD = "korrekt-pferd-batterie"
SQUARE = [[121.47, 31.23], [121.48, 31.23], [121.48, 31.24], [121.47, 31.24], [121.47, 31.23]]


CROSSING = "从第 1 环第 1 个顶点出发的边，与从第 1 环第 3 个顶点出发的边相交"
SMALL = "面积为 79 平方米；小于 100 平方米，不超过定位误差"
SAID_ELSEWHERE = {
    "edges_fold", "hole_in_hole", "vehicles_unknown", "vehicles_elsewhere", "store_unknown", "store_foreign",
    "group_only", "fences_many", "repeated", "changed", "terminal_right", "terminals_many",
}  # fmt: skip
NOWHERE = {"ring": 0, "corner": 0}
NO_PARTS = {"type": "MultiPolygon", "coordinates": []}


def polygon(*rings: Any, **properties: Any) -> dict[str, Any]:
    geometry = {"type": "Polygon", "coordinates": list(rings) or [SQUARE]}
    return {"type": "Feature", "geometry": geometry, "properties": {"name": "院", **properties}}


def circle(radius_m: object = 200, centre: object = (121.4737, 31.2304), **properties: Any) -> dict[str, Any]:
    geometry = {"type": "Point", "coordinates": centre}
    return {"type": "Feature", "geometry": geometry, "properties": {"name": "圆", "radius_m": radius_m, **properties}}


ROAD = [[121.47, 31.23], [121.48, 31.23], [121.49, 31.25]]


def corridor(line: Any = ROAD, width_m: object = 60, **properties: Any) -> dict[str, Any]:
    geometry = {"type": "LineString", "coordinates": line}
    return {"type": "Feature", "geometry": geometry, "properties": {"name": "路", "width_m": width_m, **properties}}


def collection(*features: Any) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def saved(client: TestClient, *features: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/v1/geofences", json=collection(*features))
    assert answer.status_code == 200, answer.text
    return answer.json()["features"]


def refused(client: TestClient, *features: Any, body: str | None = None) -> list[tuple[int, str]]:
    """Return (feature, code) of what was refused."""
    content = body if body is not None else json.dumps(collection(*features))
    answer = client.post("/api/v1/geofences", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "geojson_invalid"), answer.text
    return [(refusal["feature"], refusal["code"]) for refusal in answer.json().get("refusals", ())]


@pytest.fixture
def stores(node: Node) -> tuple[int, int]:
    """Two stores; cars 26 and 27 are of the first, 28 of the second."""
    made = [node.people.save_store(NODE, Store(code=code, name_zh=code, name_en=code)).id for code in ("A", "B")]
    pairs = zip(("26", "27", "28"), (made[0], made[0], made[1]), strict=True)
    node.registry.register([NewTerminal(phone=f"1390000{n}", store=store, plate=f"沪A{n}") for n, store in pairs])
    return made[0], made[1]


@pytest.fixture
def seller(node: Node, stores: tuple[int, int]) -> Iterator[TestClient]:
    """An operator of the first store, logged in."""
    _, token = node.people.create_account(NODE, login="li.wei", name="李伟", role="operator", stores=[stores[0]])
    node.people.take_invitation(token, PASSWORD)
    with TestClient(create_app(node.parts())) as client:
        answer = client.post("/api/v1/login", json={"login": "li.wei", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers.update(SAME_SITE)
        yield client


# --- one by one -------------------------------------------------------------------------------------------------------


def test_a_fence_is_drawn_read_changed_and_removed(client: TestClient, node: Node) -> None:
    (drawn,) = saved(client, polygon(colour="#0A84FF"))
    path = f"/api/v1/geofences/{drawn['id']}"
    assert client.get(path).json() == drawn
    assert drawn["properties"] | {"changed_ms": 0} == {
        "name": "院", "kind": "polygon", "store": 0, "active": True, "colour": "#0a84ff", "applies": "all",
        "vehicle_count": 0, "revision": 1, "changed_ms": 0, "changed_by": "node",
        "on_terminals": False, "terminal": msgspec.to_builtins(TerminalRules()),
        "role": "zone", "hours": [], "expected": [], "time_zone": "", "dwell_s": 0, "speed_limit_kmh": 0, "speed_s": 0,
    }  # fmt: skip
    drawn["properties"]["name"] = "新"
    changed = client.put(path, json=drawn)
    assert changed.status_code == 200
    assert (changed.json()["properties"]["name"], changed.json()["properties"]["revision"]) == ("新", 2)
    stale = client.put(path, json=drawn)
    assert (stale.status_code, stale.json()["code"]) == (409, "geofence_changed")
    assert client.delete(path, params={"revision": 1}).json()["code"] == "geofence_changed"
    assert client.delete(path, params={"revision": 2}).status_code == 204
    assert client.get(path).json()["code"] == "geofence_unknown"
    assert client.get("/api/v1/geofences").json()["features"] == []
    assert [event.type for event in node.log("geofence.")] == ["geofence.saved"] * 2 + ["geofence.removed"]


def test_a_change_says_which_revision_it_saw(client: TestClient) -> None:
    (drawn,) = saved(client, circle())
    del drawn["properties"]["revision"]
    answer = client.put(f"/api/v1/geofences/{drawn['id']}", json=drawn)
    assert (answer.status_code, answer.json()["refusals"][0]["code"]) == (422, "property_invalid")


def test_the_address_says_which_fence_is_changed(client: TestClient) -> None:
    drawn = client.post("/api/v1/geofences", json=circle()).json()["features"][0]
    nameless = {key: value for key, value in drawn.items() if key != "id"}
    nameless["properties"]["name"] = "新"
    answer = client.put(f"/api/v1/geofences/{drawn['id']}", json=nameless)
    assert (answer.status_code, answer.json()["id"], answer.json()["properties"]["revision"]) == (200, drawn["id"], 2)
    another = client.put(f"/api/v1/geofences/{drawn['id']}", json={**answer.json(), "id": drawn["id"] + 1})
    assert another.json()["refusals"][0]["code"] == "property_invalid"


def test_lists_have_pages_and_filters(client: TestClient, stores: tuple[int, int]) -> None:
    saved(client, *(circle(name=f"n{k}", active=k % 2 == 0, store=stores[0] if k == 3 else 0) for k in range(5)))
    first = client.get("/api/v1/geofences", params={"limit": 2}).json()
    second = client.get("/api/v1/geofences", params={"limit": 3, "after": first["next"]}).json()
    assert [f["properties"]["name"] for f in first["features"] + second["features"]] == [f"n{k}" for k in range(5)]

    def names(**filters: Any) -> list[str]:
        return [f["properties"]["name"] for f in client.get("/api/v1/geofences", params=filters).json()["features"]]

    assert names(state="inactive") == ["n1", "n3"]
    assert names(store=stores[0]) == ["n3"]
    assert names(search="N4") == ["n4"]
    assert client.get("/api/v1/geofences", params={"after": 10}).json() == {
        "type": "FeatureCollection", "features": [], "next": None,
    }  # fmt: skip


def test_lists_and_maps_are_of_one_shape_or_role(client: TestClient) -> None:
    saved(client, circle(name="C"), corridor(name="R", role="route"), corridor(name="Z"))

    def named(query: str) -> list[str]:
        answer = client.get(f"/api/v1/geofences?{query}")
        assert answer.status_code == 200, answer.text
        return sorted(feature["properties"]["name"] for feature in answer.json()["features"])

    everywhere = "bbox=-180,-85,180,85&zoom=20&"
    for where in ("", everywhere):
        assert named(f"{where}kind=circle") == ["C"]
        assert named(f"{where}kind=corridor") == ["R", "Z"]
        assert named(f"{where}role=route") == ["R"]
        assert named(f"{where}kind=circle&role=route") == []
    assert client.get("/api/v1/geofences?kind=square").status_code == 400
    assert [
        one["properties"]["name"] for one in client.get("/api/v1/geofences/export?role=route").json()["features"]
    ] == ["R"]


def test_cars_are_chosen_and_found_again(client: TestClient, stores: tuple[int, int]) -> None:
    (drawn,) = saved(client, circle(store=stores[0]))
    path = f"/api/v1/geofences/{drawn['id']}"
    chosen = client.put(f"{path}/vehicles", json={"vehicles": [27, 26], "revision": 1}).json()
    assert (chosen["properties"]["applies"], chosen["properties"]["vehicles"]) == ("vehicles", [26, 27])
    assert chosen["properties"]["vehicle_count"] == 2
    for vehicle, count in ((26, 1), (28, 0), (1, 0)):
        assert len(client.get(f"/api/v1/vehicles/{vehicle}/geofences").json()["features"]) == count
    assert client.get("/api/v1/vehicles/99/geofences").json()["code"] == "vehicle_unknown"
    wrong = client.put(f"{path}/vehicles", json={"vehicles": [28, 999], "revision": 2})
    assert wrong.status_code == 422
    assert wrong.json()["refusals"][0]["code"] == "vehicles_unknown"
    assert client.put(f"{path}/vehicles", json={"vehicles": [0], "revision": 2}).status_code == 400
    # The list says how many; a change that names none leaves them.
    (listed,) = client.get("/api/v1/geofences").json()["features"]
    assert "vehicles" not in listed["properties"]
    listed["properties"]["name"] = "other"
    assert client.put(path, json=listed).json()["properties"]["vehicles"] == [26, 27]


def test_people_of_a_store_change_their_own_and_see_the_groups(
    client: TestClient, seller: TestClient, stores: tuple[int, int]
) -> None:
    group, theirs = saved(client, circle(applies="vehicles", vehicles=[26, 28]), circle(store=stores[1]))
    (own,) = saved(seller, polygon(store=stores[0]))
    assert [feature["id"] for feature in seller.get("/api/v1/geofences").json()["features"]] == [group["id"], own["id"]]
    # Of the cars that the group's fence is for they see their own.
    seen = seller.get(f"/api/v1/geofences/{group['id']}").json()
    assert (seen["properties"]["vehicles"], seen["properties"]["vehicle_count"]) == ([26], 1)
    assert seller.get("/api/v1/geofences").json()["features"][0]["properties"]["vehicle_count"] == 1
    assert "28" not in seller.get("/api/v1/geofences/export").text.split("vehicle_count")[0]
    assert seller.get(f"/api/v1/geofences/{theirs['id']}").status_code == 404
    assert seller.put(f"/api/v1/geofences/{theirs['id']}", json=theirs).status_code == 404
    foreign = seller.put(f"/api/v1/geofences/{group['id']}", json=group)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "geofence_foreign")
    assert seller.delete(f"/api/v1/geofences/{group['id']}", params={"revision": 1}).status_code == 403
    taken = msgspec.json.decode(msgspec.json.encode(own))
    taken["properties"]["store"] = stores[1]
    assert seller.put(f"/api/v1/geofences/{own['id']}", json=taken).status_code == 403
    assert refused(seller, circle(), circle(store=stores[1])) == [(0, "group_only"), (1, "store_foreign")]


def test_who_may_only_look_changes_nothing(node: Node) -> None:
    with TestClient(create_app(node.parts(demo=True))) as visitor:
        assert visitor.get("/api/v1/geofences").status_code == 200
        assert visitor.post("/api/v1/geofences", json=polygon()).status_code in (401, 403)


def test_who_is_inside_and_who_crossed_last(client: TestClient, node: Node) -> None:
    around, elsewhere, chosen = saved(
        client, polygon(), circle(centre=[121.0, 31.0]), circle(applies="vehicles", vehicles=[3, 9])
    )
    there = client.get(f"/api/v1/geofences/{around['id']}/inside").json()
    assert (there["count"], there["items"][0]["vehicle_id"], there["items"][0]["lat"]) == (25, 1, 31.23041)
    assert client.get(f"/api/v1/geofences/{elsewhere['id']}/inside").json() == {"items": [], "count": 0}
    assert [car["vehicle_id"] for car in client.get(f"/api/v1/geofences/{chosen['id']}/inside").json()["items"]] == [
        3,
        9,
    ]
    assert client.get("/api/v1/geofences/99/inside").status_code == 404
    for number, fence in enumerate((around, elsewhere, around)):
        payload = FenceCrossed(
            vehicle_id=number + 1, fence_id=fence["id"], report_id="", lat_1e7=0, lon_1e7=0, speed_kmh10=0
        )
        node.eventlog.append(
            [Event(id=str(number), type="fence.entered", time_ms=number, subject="", actor="", payload=payload)]
        )
    crossed = client.get(f"/api/v1/geofences/{around['id']}/crossings").json()["items"]
    assert [(crossing["vehicle_id"], crossing["time_ms"]) for crossing in crossed] == [(3, 2), (1, 0)]
    assert len(client.get(f"/api/v1/geofences/{around['id']}/crossings", params={"limit": 1}).json()["items"]) == 1


def test_a_map_is_drawn_no_finer_than_its_pixel(client: TestClient) -> None:
    wave = [[121.47 + k / 1e4, 31.23 + k % 2 / 1e6] for k in range(200)]
    yard, spot, road = saved(client, polygon([*wave, [121.49, 31.3], [121.47, 31.3]]), circle(30), corridor(wave))

    def shown(bbox: str, zoom: float) -> dict[int, tuple[str, str, int]]:
        answer = client.get("/api/v1/geofences", params={"bbox": bbox, "zoom": zoom}).json()
        assert answer["count"] == len(answer["features"])
        found = {}
        for feature in answer["features"]:
            coordinates = feature["geometry"]["coordinates"]
            points = coordinates[0] if feature["geometry"]["type"] == "Polygon" else coordinates
            found[feature["id"]] = (feature["properties"]["form"], feature["geometry"]["type"], len(points))
        return found

    near, whole = "121.4,31.2,121.5,31.4", "-180,-90,180,90"
    assert shown(near, 24)[yard["id"]] == ("whole", "Polygon", 203)
    assert shown(near, 12) == {
        yard["id"]: ("simplified", "Polygon", 5),
        road["id"]: ("simplified", "LineString", 2),
        spot["id"]: ("dot", "Point", 2),
    }
    assert {form for form, _, _ in shown(whole, 0).values()} == {"dot"}
    # Longitudes may run on beyond the antimeridian, as a map says them that was turned around.
    assert set(shown("481.4,31.2,481.5,31.4", 12)) == set(shown(near, 12))
    assert shown("170,31,-170,32", 5) == {}
    for wrong in ("", "1,2,3", "1,2,3,x", "1,5,3,2", "nan,1,2,3"):
        answer = client.get("/api/v1/geofences", params={"bbox": wrong})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), wrong


# --- many at once -----------------------------------------------------------------------------------------------------


def test_an_export_read_in_again_changes_nothing(client: TestClient, node: Node, stores: tuple[int, int]) -> None:
    hole = [[121.472, 31.232], [121.474, 31.232], [121.474, 31.234], [121.472, 31.232]]
    rules = {"hours": [NIGHT], "expected": [NIGHT], "time_zone": "Asia/Urumqi", "dwell_s": 600, "speed_limit_kmh": 30}
    saved(
        client,
        polygon(SQUARE, hole),
        circle(store=stores[0], applies="vehicles", vehicles=[26], **rules, speed_s=5),
        corridor(role="route", active=False),
    )
    head = node.eventlog.head()
    answer = client.get("/api/v1/geofences/export")
    assert answer.headers["content-type"] == "application/geo+json"
    assert "geofences.geojson" in answer.headers["content-disposition"]
    again = client.post(
        "/api/v1/geofences", content=answer.content, headers={"Content-Type": "application/json"}
    ).json()
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 3)
    assert again["features"] == answer.json()["features"]
    assert node.eventlog.head() == head
    changed = answer.json()
    changed["features"][1]["properties"]["radius_m"] = 300
    rehearsed = client.post("/api/v1/geofences?rehearse=true", json=changed).json()
    assert (rehearsed["changed"], rehearsed["unchanged"], rehearsed["rehearsed"]) == (1, 2, True)
    assert node.eventlog.head() == head
    assert client.post("/api/v1/geofences", json=changed).json()["changed"] == 1
    # Whoever kept the older file is told, and nothing of it is saved.
    assert refused(client, *answer.json()["features"]) == [(1, "changed")]


def test_ids_of_other_programs_are_not_ours(client: TestClient) -> None:
    (mine,) = saved(client, circle())
    (theirs,) = saved(client, {**polygon(), "id": mine["id"]})
    assert theirs["id"] != mine["id"]
    assert client.get(f"/api/v1/geofences/{mine['id']}").json() == mine


def test_all_or_nothing_and_each_refusal_by_name(client: TestClient, node: Node) -> None:
    bow = [[121.47, 31.23], [121.48, 31.24], [121.48, 31.23], [121.47, 31.24]]
    features = [polygon(name="good"), polygon(bow, name="bow"), circle(5, name="small"), circle(name=""), "nonsense"]
    answer = client.post(
        "/api/v1/geofences", json=collection(*features, circle(store=77)), headers={"Accept-Language": "zh-CN"}
    )
    assert answer.status_code == 422
    assert answer.json()["refusals"] == [
        {"feature": 1, "name": "bow", "code": "edges_cross", "detail": CROSSING, "ring": 1, "corner": 1},
        {"feature": 2, "name": "small", "code": "area_small", "detail": SMALL, **NOWHERE},
        {"feature": 3, "name": "", "code": "name_missing", "detail": "没有名称", **NOWHERE},
        {"feature": 4, "name": "", "code": "feature_unreadable", "detail": "不是 GeoJSON 要素（Feature）", **NOWHERE},
        {"feature": 5, "name": "圆", "code": "store_unknown", "detail": "没有门店 77", **NOWHERE},
    ]  # fmt: skip
    assert node.log("geofence.") == []


def test_what_has_one_meaning_is_mended(client: TestClient) -> None:
    (straight,) = saved(client, polygon())
    unclosed, clockwise, twice, high = (
        SQUARE[:-1],
        SQUARE[::-1],
        [p for p in SQUARE for _ in (0, 1)],
        [[*p, 7.5] for p in SQUARE],
    )
    finer = [[x + 1e-9, y - 1e-9] for x, y in SQUARE]
    for ring in (unclosed, clockwise, twice, high, finer):
        (mended,) = saved(client, polygon(ring))
        assert mended["geometry"] == straight["geometry"]
    parts = saved(client, {**polygon(), "geometry": {"type": "MultiPolygon", "coordinates": [[SQUARE], [SQUARE]]}})
    assert [part["properties"]["name"] for part in parts] == ["院 1", "院 2"]
    assert saved(client, polygon(colour=None, color="#FF0000"))[0]["properties"]["colour"] == "#ff0000"
    assert saved(client, polygon(fill="rgb(1,2,3)"))[0]["properties"]["colour"] == ""


FROM_2000_MS = 946_656_000_000
HOLE = [[121.472, 31.232], [121.474, 31.232], [121.474, 31.234], [121.472, 31.232]]
TOLD: dict[str, Any] = {"on_terminals": True}
NIGHT = {"days": [1, 2], "from": "22:00", "to": "06:00"}
REFUSED: list[tuple[Any, str]] = [
    (polygon(SQUARE, HOLE, **TOLD), "terminal_holes"),
    (polygon([[1, 1], [2, 1], [1, -1]], **TOLD), "terminal_sides"),
    (polygon([[1 + k / 1000, 1] for k in range(AREA_CORNERS_MAX)] + [[1, 2]], **TOLD), "terminal_corners"),
    (polygon(terminal={"speed": 60}), "terminal_unreadable"),
    (polygon(terminal={"speed_kmh": 301}), "terminal_unreadable"),
    (polygon(terminal={"daily_from": "8:00"}), "terminal_unreadable"),
    (polygon(terminal={"from_ms": FROM_2000_MS - 1}), "terminal_unreadable"),
    (polygon(terminal=[]), "terminal_unreadable"),
    (polygon(terminal={"daily_from": "08:00"}), "terminal_hours"),
    (polygon(terminal={"from_ms": FROM_2000_MS, "to_ms": FROM_2000_MS}), "terminal_hours"),
    (polygon(terminal={"overspeed_s": 3}), "terminal_speed"),
    (polygon(on_terminals=1), "property_invalid"),
    (polygon([[179.9, 0], [-179.9, 0], [-179.9, 1], [179.9, 1]]), "antimeridian"),
    (polygon([[179.9, 0], [180.1, 0], [180.1, 1], [179.9, 1]]), "corner_beyond"),
    (polygon([[31.23, 121.47], [31.24, 121.47], [31.24, 121.48]]), "corner_beyond"),
    (polygon([[-100, 0], [0, 1], [100, 0], [0, -1]]), "wide"),
    (polygon([[0, 0], [1, 1]]), "ring_short"),
    (polygon([[0, 0], [1, 1], [0, 0], [1, 1]]), "ring_short"),
    (polygon([]), "ring_short"),
    (polygon("ring"), "ring_short"),
    (polygon([[0, 0], [1, "x"], [1, 1]]), "corner_unreadable"),
    (polygon([[0, 0], [1, True], [1, 1]]), "corner_unreadable"),
    (polygon([[0, 0], [1, None], [1, 1]]), "corner_unreadable"),
    (polygon([[0, 0], [1, 10**30], [1, 1]]), "corner_unreadable"),
    (polygon([[0, 0], 7, [1, 1]]), "corner_unreadable"),
    (polygon([[0, 0], [0, 0.01], [0.01, 0.01], [0, 0.005], [-0.01, 0]]), "edges_cross"),
    (polygon([[0, 0], [0.02, 0], [0.01, 0], [0.01, 0.01]]), "edges_fold"),
    (polygon(SQUARE, [[121.5, 31.23], [121.51, 31.23], [121.51, 31.24]]), "hole_outside"),
    (polygon([[0, 0], [1e-5, 0], [1e-5, 1e-5]]), "area_small"),
    (polygon([[0, 0], [80, 0], [80, 80], [0, 80]]), "area_large"),
    (polygon([[k / 100, k % 2 * 10] for k in range(100)] + [[1, -1], [-1, -1]]), "perimeter_long"),
    (polygon([[k / 1e5, 0] for k in range(FENCE_CORNERS_MAX)] + [[0, 1]]), "corners_many"),
    (circle(0), "radius_beyond"),
    (circle(-5), "radius_beyond"),
    (circle("200"), "radius_beyond"),
    (circle(True), "radius_beyond"),
    (circle(500_001), "radius_beyond"),
    (circle(None), "radius_missing"),
    (circle(100, centre=[121.47]), "centre_unreadable"),
    (circle(100, centre=[121.47, 91]), "centre_beyond"),
    (circle(100, centre=[0, 90]), "unusable"),
    (polygon(name="x" * 65), "name_unusable"),
    (polygon(name="a\u0000b"), "name_unusable"),
    (polygon(name="a\u202eb"), "name_unusable"),
    (polygon(name=["a"]), "name_missing"),
    (polygon(colour="red"), "colour_invalid"),
    (polygon(colour="#12345"), "colour_invalid"),
    (polygon(active="yes"), "property_invalid"),
    (polygon(store=-1), "property_invalid"),
    (polygon(store=2**40), "property_invalid"),
    (polygon(store=1.5), "property_invalid"),
    (polygon(applies=["all"]), "property_invalid"),
    (polygon(applies="vehicles", vehicles=[0]), "property_invalid"),
    (polygon(applies="vehicles", vehicles=[True]), "property_invalid"),
    (polygon(applies="vehicles", vehicles=list(range(1, 10_002))), "vehicles_many"),
    (polygon(revision="1"), "property_invalid"),
    ({**polygon(revision=1), "id": "1"}, "property_invalid"),
    ({**polygon(revision=1), "id": 4711}, "unknown"),
    ({"type": "Feature", "geometry": None, "properties": {"name": "n"}}, "geometry_missing"),
    ({"type": "Feature", "geometry": {"type": "MultiPoint"}, "properties": {"name": "n"}}, "geometry_unsupported"),
    (corridor(width_m=None), "width_missing"),
    (corridor(width_m=9), "width_beyond"),
    (corridor(width_m=2_001), "width_beyond"),
    (corridor(width_m="30"), "width_beyond"),
    (corridor([]), "points_missing"),
    (corridor(None), "points_missing"),
    (corridor([[1, 1], [1, 1]]), "line_short"),
    (corridor([[1, 1], [1, "x"]]), "point_unreadable"),
    (corridor([[1, 1], [31, 121]]), "point_beyond"),
    (corridor([[179, 1], [-179, 1]]), "line_antimeridian"),
    (corridor([[-100, 1], [0, 1], [100, 1]]), "wide"),
    (corridor([[k / 1e5, 0] for k in range(CORRIDOR_POINTS_MAX + 1)]), "points_many"),
    (corridor([[0, 0], [45.1, 0]]), "line_long"),
    (polygon(role="route"), "role_shape"),
    (polygon(role="road"), "property_invalid"),
    (polygon(hours=[{"days": [1], "from": "08:00", "to": "18:00"}] * (FENCE_WINDOWS_MAX + 1)), "windows_many"),
    (polygon(hours=[NIGHT, {"days": [8], "from": "08:00"}]), "window_unreadable"),
    (polygon(hours=[NIGHT, {"days": [1], "from": "8:00"}]), "window_unreadable"),
    (polygon(hours=[NIGHT, {"days": [], "from": "08:00"}]), "window_unreadable"),
    (polygon(hours="always"), "property_invalid"),
    (polygon(hours=[NIGHT, {"days": [1], "from": "08:00", "to": "08:00"}]), "window_empty"),
    (polygon(applies="vehicles", expected=[NIGHT, {"days": [3], "from": "05:59", "to": "07:00"}]), "windows_overlap"),
    (polygon(applies="vehicles", expected=[{"days": [7], "from": "23:00", "to": "01:00"},
                                           {"days": [1], "from": "00:30", "to": "02:00"}]), "windows_overlap"),
    (polygon(expected=[NIGHT]), "expected_nobody"),
    (polygon(time_zone="Asia/Peking"), "time_zone_unknown"),
    (polygon(dwell_s=FENCE_DWELL_S_MIN - 1), "dwell_beyond"),
    (polygon(dwell_s=2**40), "property_invalid"),
    (polygon(dwell_s=True), "property_invalid"),
    (polygon(speed_limit_kmh=301), "speed_beyond"),
    (polygon(speed_limit_kmh=-1), "speed_beyond"),
    (polygon(speed_limit_kmh=60, speed_s=3_601), "speed_s_beyond"),
    (polygon(speed_s=10), "speed_limit_missing"),
    (corridor(width_m=255.5, **TOLD), "terminal_width"),
    (corridor(**TOLD, terminal={"doors_shut": True}), "terminal_route"),
    ({"type": "Polygon"}, "feature_unreadable"),
    (None, "feature_unreadable"),
    ({"type": "Feature", "geometry": NO_PARTS, "properties": None}, "rings_missing"),
]  # fmt: skip


def test_what_cannot_be_a_fence_is_refused_by_name(client: TestClient) -> None:
    for feature, code in REFUSED:
        assert refused(client, polygon(), feature) == [(1, code)], str(feature)[:200]
    assert {code for _, code in REFUSED} >= set(FAULTS) - SAID_ELSEWHERE, "each refusal is tried"


def square_of(degrees: float) -> dict[str, Any]:
    return polygon([[0, 0], [degrees, 0], [degrees, degrees], [0, degrees]])


def comb(teeth: int) -> dict[str, Any]:
    """A boundary of some 1,100 km for each tooth, around little."""
    return polygon([[k / 100, k % 2 * 10] for k in range(teeth)] + [[teeth / 100, -1], [-1, -1]])


def between(from_ms: int, to_ms: int) -> dict[str, Any]:
    return polygon(terminal={"from_ms": from_ms, "to_ms": to_ms})


EDGES: dict[str, tuple[Any, Any, str]] = {
    # What just fits, what is just past it, and how that is refused.
    "FENCE_RADIUS_M_MAX": (circle(FENCE_RADIUS_M_MAX), circle(FENCE_RADIUS_M_MAX + 0.1), "radius_beyond"),
    "FENCE_AREA_M2_MIN": (square_of(9.05e-5), square_of(8.95e-5), "area_small"),
    "FENCE_AREA_M2_MAX": (square_of(12.7), square_of(12.8), "area_large"),
    "FENCE_PERIMETER_M_MAX": (comb(17), comb(18), "perimeter_long"),
    "CORRIDOR_WIDTH_M_MIN": (
        corridor(width_m=CORRIDOR_WIDTH_M_MIN), corridor(width_m=CORRIDOR_WIDTH_M_MIN - 0.1), "width_beyond"
    ),
    "CORRIDOR_WIDTH_M_MAX": (
        corridor(width_m=CORRIDOR_WIDTH_M_MAX), corridor(width_m=CORRIDOR_WIDTH_M_MAX + 0.1), "width_beyond"
    ),
    "CORRIDOR_LENGTH_M_MAX": (
        corridor([[0, 0], [44.9, 0]]), corridor([[0, 0], [CORRIDOR_LENGTH_M_MAX / 111_110, 0]]), "line_long"
    ),
    "FENCE_DWELL_S_MIN": (
        polygon(dwell_s=FENCE_DWELL_S_MIN), polygon(dwell_s=FENCE_DWELL_S_MIN - 1), "dwell_beyond"
    ),
    "FENCE_DWELL_S_MAX": (
        polygon(dwell_s=FENCE_DWELL_S_MAX), polygon(dwell_s=FENCE_DWELL_S_MAX + 1), "dwell_beyond"
    ),
    "FENCE_SPEED_KMH_MAX": (
        polygon(speed_limit_kmh=FENCE_SPEED_KMH_MAX), polygon(speed_limit_kmh=FENCE_SPEED_KMH_MAX + 1), "speed_beyond"
    ),
    "FENCE_SPEED_S_MAX": (
        polygon(speed_limit_kmh=60, speed_s=FENCE_SPEED_S_MAX),
        polygon(speed_limit_kmh=60, speed_s=FENCE_SPEED_S_MAX + 1),
        "speed_s_beyond",
    ),
    "FENCE_NAME_CHARACTERS_MAX": (
        polygon(name="院" * FENCE_NAME_CHARACTERS_MAX), polygon(name="院" * (FENCE_NAME_CHARACTERS_MAX + 1)),
        "name_unusable",
    ),
    "AREA_ROUTE_WIDTH_M_MAX": (
        corridor(width_m=AREA_ROUTE_WIDTH_M_MAX, **TOLD), corridor(width_m=AREA_ROUTE_WIDTH_M_MAX + 0.1, **TOLD),
        "terminal_width",
    ),
    "AREA_MS_MIN": (
        between(AREA_MS_MIN, AREA_MS_END - 1), between(AREA_MS_MIN - 1, AREA_MS_END - 1), "terminal_unreadable"
    ),
    "AREA_MS_END": (between(AREA_MS_MIN, AREA_MS_END - 1), between(AREA_MS_MIN, AREA_MS_END), "terminal_unreadable"),
}  # fmt: skip


@pytest.mark.parametrize("bound", EDGES)
def test_a_fence_at_its_bound_is_saved_and_one_past_it_is_refused_by_name(client: TestClient, bound: str) -> None:
    fits, past, code = EDGES[bound]
    saved(client, fits)
    assert refused(client, fits, past) == [(1, code)]


def test_a_document_of_more_corners_than_the_bound_is_refused_whole(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.geojson.GEOJSON_CORNERS_MAX", 10)
    saved(client, polygon(), polygon())
    assert refused(client, polygon(), polygon(), polygon()) == []


def test_of_more_refusals_than_the_bound_all_are_counted_and_the_first_named(client: TestClient) -> None:
    answer = client.post("/api/v1/geofences", json=collection(*[circle(0)] * (GEOJSON_REFUSALS_MAX + 1)))
    assert answer.status_code == 422
    assert [one["feature"] for one in answer.json()["refusals"]] == list(range(GEOJSON_REFUSALS_MAX))
    assert answer.json()["detail"].startswith(f"{GEOJSON_REFUSALS_MAX + 1} of {GEOJSON_REFUSALS_MAX + 1} ")


def test_a_refusal_is_said_in_the_readers_words(client: TestClient) -> None:
    body = json.dumps(collection(polygon(hours=[NIGHT, {"days": [8], "from": "08:00"}]), polygon(role="route")))
    for language, hours, kind in (("zh-CN", "生效时段 第 2 个", "多边形"), ("en", "window 2 of hours", "a polygon is")):
        headers = {"Content-Type": "application/json", "Accept-Language": language}
        refusals = client.post("/api/v1/geofences", content=body, headers=headers).json()["refusals"]
        assert hours in refusals[0]["detail"]
        assert kind in refusals[1]["detail"]


def test_a_document_that_is_none_is_refused(client: TestClient) -> None:
    for document in (
        {},
        {"type": "Topology"},
        {"type": "FeatureCollection"},
        {"type": "FeatureCollection", "features": {}},
    ):
        assert refused(client, body=json.dumps(document)) == []
    web = {**collection(polygon()), "crs": {"type": "name", "properties": {"name": "EPSG:3857"}}}
    assert refused(client, body=json.dumps(web)) == []
    lawful = {**collection(polygon()), "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}}
    assert client.post("/api/v1/geofences", json=lawful).status_code == 200
    assert refused(client, body=json.dumps(collection(*[circle()] * (GEOJSON_FEATURES_MAX + 1)))) == []
    many = polygon([[k / 1e5, 0] for k in range(FENCE_CORNERS_MAX)])
    assert refused(client, body=json.dumps(collection(*[many] * 11))) == []


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "7", '{"type": NaN}', '{"type": 1e999}', "[" * 100_000, '{"a":' * 100_000, "\ud800"]
)
def test_a_body_that_is_no_object_is_a_bad_request(client: TestClient, body: str) -> None:
    content = body.encode("utf-8", "surrogatepass")
    answer = client.post("/api/v1/geofences", content=content, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) in ((400, "bad_request"), (422, "geojson_invalid"))


def test_one_byte_past_the_bound_is_too_large(client: TestClient) -> None:
    body = json.dumps(collection(polygon())).encode()
    headers = {"Content-Type": "application/json"}
    fits = client.post("/api/v1/geofences", content=body.ljust(GEOJSON_BYTES_MAX), headers=headers)
    assert fits.status_code == 200
    answer = client.post("/api/v1/geofences", content=body.ljust(GEOJSON_BYTES_MAX + 1), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


# --- for any fence ----------------------------------------------------------------------------------------------------

coordinate = st.tuples(st.integers(-1_799_000_000, 1_799_000_000), st.integers(-850_000_000, 850_000_000))
circles = st.builds(
    lambda centre, radius: {"centre": [centre[0] / 1e7, centre[1] / 1e7], "radius_m": radius},
    coordinate.map(lambda c: (c[0] // 2, c[1])),
    st.floats(6, 500_000),
)


@st.composite
def stars(draw: st.DrawFn) -> dict[str, Any]:
    """A polygon around a point, in either direction, closed or not, with more decimals than are kept, maybe a hole."""
    lon, lat = draw(st.tuples(st.floats(-170, 170), st.floats(-70, 70)))
    size = draw(st.floats(0.001, 5))
    reach = draw(st.lists(st.floats(0.5, 1), min_size=3, max_size=12))
    step = 2 * math.pi / len(reach)
    outline = [[lon + size * r * math.cos(k * step), lat + size * r * math.sin(k * step)] for k, r in enumerate(reach)]
    rings = [outline]
    if len(reach) > 5 and draw(st.booleans()):
        rings.append([[lon + (x - lon) / 3, lat + (y - lat) / 3] for x, y in outline])
    for ring in rings:
        if draw(st.booleans()):
            ring.reverse()
        if draw(st.booleans()):
            ring.append(ring[0])
    return {"coordinates": rings}


lines = st.builds(
    lambda points, width: {"coordinates": [[lon / 1e7, lat / 1e7] for lon, lat in points], "width_m": width},
    st.lists(
        st.tuples(st.integers(1_210_000_000, 1_240_000_000), st.integers(-310_000_000, -290_000_000)),
        min_size=2,
        max_size=8,
        unique=True,
    ),
    st.floats(10, 2_000),
)
times = st.tuples(st.integers(0, 23), st.integers(0, 59)).map(lambda time: f"{time[0]:02}:{time[1]:02}")
windows = st.lists(
    st.builds(
        Window,
        st.lists(st.integers(1, 7), min_size=1, max_size=7).map(tuple),
        times,
        st.one_of(times, st.just("24:00")),
    ),
    max_size=3,
).map(tuple)
fence = st.one_of(
    st.builds(lambda geometry: ("circle", geometry), circles),
    st.builds(lambda geometry: ("corridor", geometry), lines),
    st.builds(lambda geometry: ("polygon", geometry), stars()),
)


@settings(max_examples=150, deadline=None)
@given(fence, st.text(min_size=1, max_size=64), st.booleans(), st.sampled_from(["", "#12abEF"]), windows, windows)
def test_what_is_sound_survives_the_way_out_and_in(
    shape: tuple[Any, dict[str, Any]],
    name: str,
    active: bool,
    colour: str,
    hours: tuple[Window, ...],
    expected: tuple[Window, ...],
) -> None:
    given_ = Geofence(
        id=7, name=name, kind=shape[0], geometry=shape[1], active=active, colour=colour, revision=3,
        on_terminals=False, terminal=TerminalRules(), role="route" if shape[0] == "corridor" else "zone",
        hours=hours, expected=expected, applies="vehicles", vehicles=(3,), time_zone="Europe/Berlin",
        dwell_s=600, speed_limit_kmh=30, speed_s=5,
    )  # fmt: skip
    try:
        sound = checked(given_)
    except GeofenceFaultError as error:
        if error.code not in ("name_missing", "name_unusable", "area_small", "edges_cross", *UNFIT_WINDOWS):
            raise
        return
    assert checked(sound) == sound
    (draft,) = drafts_of(msgspec.json.decode(msgspec.json.encode(feature_of(sound))))
    assert draft.fence is not None
    assert checked(draft.fence) == sound


UNFIT_WINDOWS = ("window_empty", "windows_overlap")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "coordinates", "name", "radius_m", "revision", "width_m", "hours", "role"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(
    json_values,
    json_values,
    json_values,
    st.sampled_from(["Polygon", "Point", "MultiPolygon", "LineString", "MultiLineString"]),
)
def test_nothing_that_json_can_say_is_a_bug(coordinates: Any, properties: Any, number: Any, kind: str) -> None:
    feature = {
        "type": "Feature",
        "id": number,
        "properties": properties,
        "geometry": {"type": kind, "coordinates": coordinates},
    }
    for draft in drafts_of(collection(feature)):
        if draft.fence is not None:
            try:
                checked(draft.fence)
            except GeofenceFaultError:
                continue
