"""The world through the API: its people come in by routes that anybody with a key may use, and every door is open."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from api.app import create_app
from simulators.terminals import identity
from simulators.world.doors import Doors
from simulators.world.lives import day_ms
from simulators.world.people import People, people
from simulators.world.town import PlatformError, Town
from storage.database import Database
from storage.registry import NewTerminal
from tests.api.conftest import KEY, Node
from tests.simulators.test_world_town import Street, live


@pytest.fixture
def world() -> People:
    return people(55, cars=24, stores=1)


@pytest.fixture
def town(database: Database, world: People) -> Iterator[Town]:
    """A group and its cars, in which the past was told and an hour was lived at a great pace."""
    node = Node(database, cars=0)
    node.registry.register(
        [
            NewTerminal(phone=identity(car.number).phone, plate=car.plate, vin=car.vin, time_ms=world.start_ms - 1)
            for car in world.cars
        ]
    )
    with TestClient(create_app(node.parts())) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"

        def ask(method: str, path: str, body: Any, idempotency: str) -> tuple[int, Any]:
            answer = client.request(method, f"/api/v1{path}", json=body, headers={"Idempotency-Key": idempotency})
            if answer.status_code >= 500:
                raise PlatformError(f"{method} {path}: {answer.status_code} {answer.text}")
            return answer.status_code, answer.json() if answer.content else None

        made = Town(world, Doors(ask), Street(), pace=2_000.0)
        begins = day_ms(world, 1)
        live(made, begins, begins + 3_600_000)
        yield made


def test_people_come_in_by_the_api_and_every_door_is_open(town: Town) -> None:
    counts = town.counts
    assert counts["told.new"] > 20
    assert counts["told.linked"] > 20
    assert counts["told.repeated"] > 0
    assert counts["told.quarantined"] > 0
    assert counts["link.done"] > 5
    assert counts["consent.done"] > 20
    assert counts["withdraw.done"] > 0
    assert counts["reading.done"] > 0
    # Nobody can pay yet; everything else is heard.
    assert {name for name in counts if name.endswith(".unheard")} == {"pay.unheard"}
