"""The base map: what the demo writes, what the API serves of it, and what a customer puts in its place."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.parts import Ground
from simulators import base_map
from simulators.roads import build
from tests.api.conftest import KEY, Node


@pytest.fixture(scope="session")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("city")
    base_map.write(directory, build(1))
    return directory


@pytest.fixture
def client(node: Node, city: Path) -> Iterator[TestClient]:
    parts = msgspec.structs.replace(node.parts(), city=city)
    with TestClient(create_app(parts)) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def test_every_street_of_the_city_is_on_its_map_with_both_names(city: Path) -> None:
    streets = {(street.name_zh, street.name_en) for street in build(1).streets}
    drawn = set()
    for layer in ("arterial", "street"):
        for feature in json.loads((city / f"{layer}.geojson").read_text(encoding="utf-8"))["features"]:
            drawn.add((feature["properties"]["name_zh"], feature["properties"]["name_en"]))
            assert all(len(line) >= 2 for line in feature["geometry"]["coordinates"])
    # A street too short to hold a junction falls out of the network, and with it off the map.
    assert drawn <= streets
    assert len(drawn) > 0.9 * len(streets)


def test_a_page_loads_less_than_150_kilobytes_of_it(client: TestClient, city: Path) -> None:
    ground = client.get("/api/v1/map").json()
    total = 0
    for layer in ground["layers"]:
        answer = client.get(f"{ground['city_url']}/{layer}.geojson")
        assert answer.headers["Content-Encoding"] == "gzip"
        assert answer.json() == json.loads((city / f"{layer}.geojson").read_text(encoding="utf-8"))
        total += int(answer.headers["Content-Length"])
    assert total < 150_000


def test_a_layer_that_is_known_already_is_not_sent_again(client: TestClient) -> None:
    first = client.get("/api/v1/city/park.geojson")
    again = client.get("/api/v1/city/park.geojson", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_who_takes_no_gzip_gets_none(client: TestClient) -> None:
    answer = client.get("/api/v1/city/park.geojson", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in answer.headers
    assert answer.json()["features"]


@pytest.mark.parametrize("name", ["index.json", "nothing.geojson", "..%2Fcarillon.db", "PARK.geojson"])
def test_nothing_but_layers_is_served(client: TestClient, name: str) -> None:
    assert client.get(f"/api/v1/city/{name}").status_code == 404


def test_a_map_of_another_version_is_written_anew(city: Path, tmp_path: Path) -> None:
    assert base_map.is_current(city, 1)
    assert not base_map.is_current(city, 2)
    assert not base_map.is_current(tmp_path, 1)
    (tmp_path / base_map.INDEX).write_text('{"version": 0, "seed": 1}')
    assert not base_map.is_current(tmp_path, 1)


def test_a_customers_map_takes_the_citys_place_and_may_be_loaded_from(node: Node, city: Path) -> None:
    ground = Ground(
        style_url="https://maps.example.com/style.json", hosts="https://glyphs.example.com", approval="GS(2026)1号"
    )
    parts = msgspec.structs.replace(node.parts(), city=city, ground=ground)
    with TestClient(create_app(parts)) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        shown = client.get("/api/v1/map").json()
        assert shown == {"style_url": "https://maps.example.com/style.json", "approval": "GS(2026)1号"}
        policy = client.get("/").headers["Content-Security-Policy"]
    for allowed in ("connect-src 'self' https://maps.example.com https://glyphs.example.com;", "script-src 'self';"):
        assert allowed in policy


def test_without_any_map_there_is_plain_ground(node: Node) -> None:
    with TestClient(create_app(node.parts())) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        assert client.get("/api/v1/map").json() == {}
