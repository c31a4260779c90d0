"""The demo city: the same seed gives the same city, every place can be reached, and it is what a map needs."""

import heapq
import json

import numpy as np
import pytest

from simulators import roads
from simulators.city import ARTERIAL, COLLECTOR, EXPRESSWAY, HALF_M, LOCAL, to_wgs84


@pytest.fixture(scope="module")
def city() -> roads.City:
    return roads.build(1)


def test_the_same_seed_gives_the_same_city_and_another_seed_another(city: roads.City) -> None:
    again = roads.build.__wrapped__(1)
    other = roads.build.__wrapped__(2)
    for name in ("edges", "nodes", "points", "out", "kerbs", "next_edge"):
        assert getattr(city, name).tobytes() == getattr(again, name).tobytes(), name
    assert [s[:3] for s in city.streets] == [s[:3] for s in again.streets]
    assert city.points.tobytes() != other.points.tobytes()
    assert 2_000 < len(other.nodes) < 8_000
    assert (other.next_edge >= 0).all()


def test_every_edge_is_a_line_between_its_junctions_and_has_its_reverse_beside_it(city: roads.City) -> None:
    edges, points, nodes = city.edges, city.points, city.nodes
    first, last = edges["first_point"], edges["first_point"] + edges["points"] - 1
    for at, node in ((first, edges["start"]), (last, edges["end"])):
        np.testing.assert_allclose(points["x_m"][at], nodes["x_m"][node])
        np.testing.assert_allclose(points["y_m"][at], nodes["y_m"][node])
    np.testing.assert_allclose(points["along_m"][last], edges["length_m"])
    assert (points["along_m"][first] == 0).all()
    reverse = edges[np.arange(len(edges)) ^ 1]
    assert (reverse["start"] == edges["end"]).all()
    np.testing.assert_allclose(reverse["length_m"], edges["length_m"])
    # A car covers up to 24 m in a step: it must never cross a whole edge within one.
    assert edges["length_m"].min() > 30
    assert (np.hypot(points["x_m"], points["y_m"]) < 1.5 * HALF_M).all()


def test_no_junction_is_a_dead_end_and_lanes_are_numbered_without_gaps(city: roads.City) -> None:
    assert city.nodes["outs"].min() >= 2
    lanes = np.concatenate([np.arange(e["first_lane"], e["first_lane"] + e["lanes"]) for e in city.edges])
    assert sorted(lanes.tolist()) == list(range(city.lanes))
    for number in (0, 17, len(city.nodes) - 1):
        node = city.nodes[number]
        leaving = city.out[node["first_out"] : node["first_out"] + node["outs"]]
        assert sorted(leaving.tolist()) == np.flatnonzero(city.edges["start"] == number).tolist()


def test_following_the_next_edge_from_anywhere_reaches_the_kerb(city: roads.City) -> None:
    rng = np.random.default_rng(5)
    for kerb in rng.integers(len(city.kerbs), size=20).tolist():
        goal = city.kerbs["edge"][kerb] >> 1
        for start in rng.integers(len(city.nodes), size=20).tolist():
            node, hops = start, 0
            while (edge := int(city.next_edge[kerb, node])) >> 1 != goal:
                assert city.edges["start"][edge] == node
                node, hops = int(city.edges["end"][edge]), hops + 1
                assert hops < 500, (kerb, start)


def test_routes_cost_little_more_than_the_shortest_ones(city: roads.City) -> None:
    # An oracle of another kind: plain Dijkstra over Python's heapq, on the true costs without anybody's taste.
    edges = city.edges
    lit = city.nodes["cycle_s"][edges["end"]]
    cost = edges["length_m"] / edges["limit_mps"] + np.where(lit > 0, lit / 5.0, 4.0)
    into: dict[int, list[int]] = {}
    for number, end in enumerate(edges["end"].tolist()):
        into.setdefault(end, []).append(number)
    for kerb in (0, 33, 250):
        goal = int(city.kerbs["edge"][kerb])
        best = {int(edges["start"][goal ^ side]): cost[goal ^ side] / 2 for side in (0, 1)}
        heap = [(c, n) for n, c in best.items()]
        heapq.heapify(heap)
        while heap:
            reached, node = heapq.heappop(heap)
            if reached > best[node]:
                continue
            for edge in into[node]:
                other = int(edges["start"][edge])
                if reached + cost[edge] < best.get(other, 1e18):
                    best[other] = reached + cost[edge]
                    heapq.heappush(heap, (best[other], other))
        for start in range(0, len(city.nodes), 97):
            node, spent = start, 0.0
            while (edge := int(city.next_edge[kerb, node])) >> 1 != goal >> 1:
                spent += cost[edge]
                node = int(edges["end"][edge])
            spent += cost[edge] / 2
            # Taste stretches a cost by 0.85 to 1.25: no route is dearer than 1.25 / 0.85 of the best.
            assert best[start] - 1e-6 <= spent <= best[start] * 1.48


def test_it_has_rings_bridges_tunnels_lights_and_stores(city: roads.City) -> None:
    assert {int(r) for r in np.unique(city.edges["rank"])} == {EXPRESSWAY, ARTERIAL, COLLECTOR, LOCAL}
    assert city.edges["bridge"].sum() >= 6
    assert city.edges["tunnel"].sum() >= 2
    assert not (city.edges["bridge"] & city.edges["tunnel"]).any()
    assert (city.nodes["cycle_s"] > 0).sum() > 100
    lit = city.nodes[city.nodes["cycle_s"] > 0]
    assert (lit["green_s"] > 2 * roads.AMBER_S).all()
    assert (lit["cycle_s"] - lit["green_s"] > 2 * roads.AMBER_S).all()
    assert len(city.dealers) == len(roads.DEALERS)
    assert len({int(e) for e in city.kerbs["edge"]}) == roads.KERBS
    names = [street.name_zh for street in city.streets]
    assert len(set(names)) == len(names)


def test_the_map_is_geojson_in_the_open_pacific(city: roads.City) -> None:
    map_ = json.loads(json.dumps(roads.to_geojson(city), ensure_ascii=False))
    kinds = {feature["properties"]["kind"] for feature in map_["features"]}
    assert kinds == {"district", "river", "park", "street", "lights", "dealer", "kerb"}
    for feature in map_["features"]:
        geometry = feature["geometry"]
        if geometry["type"] == "Polygon":
            ring = geometry["coordinates"][0]
            assert ring[0] == ring[-1]
            assert len(ring) >= 4
        flat = np.array(geometry["coordinates"]).reshape(-1, 2)
        # Far outside of the box that GCJ-02 distorts (to 137.9° E), and of every coast.
        assert (np.abs(flat - [150.0, 30.0]) < 0.2).all()
    assert len(json.dumps(map_)) < 4_000_000


def test_metres_and_degrees_agree_with_the_ellipsoid() -> None:
    lat, lon = to_wgs84(5000.0, -4000.0)
    # Radii of curvature of WGS-84 at the point, not at the origin.
    a, e2 = 6378137.0, 0.00669437999014
    phi = np.radians((lat + 30.0) / 2)
    w = np.sqrt(1 - e2 * np.sin(phi) ** 2)
    north = np.radians(lat - 30.0) * a * (1 - e2) / w**3
    east = np.radians(lon - 150.0) * a / w * np.cos(np.radians(lat))
    assert abs(north + 4000) < 2
    assert abs(east - 5000) < 5
