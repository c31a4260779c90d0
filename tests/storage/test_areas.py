"""What terminals were told of fences, on SQLite and on PostgreSQL: kept by the actor, read within the scope."""

import pytest
from sqlalchemy import insert, update

from core.rights import NODE, ROLES, Principal, Scope
from storage.eventlog import EventLog
from storage.tables.business import STORE, TERMINAL, VEHICLE
from storage.terminals import VehicleChange
from tests.log.areas_world import World


@pytest.fixture
def world(log: EventLog) -> World:
    """Cars 1 and 2 of store 1, car 3 of store 2, each with a terminal of its own that is there."""
    made = World(log, 3)
    store = {"name_zh": "店", "name_en": "Store", "time_zone": "Asia/Shanghai", "created_ms": 1, "group_id": 1}
    with log.database.write() as connection:
        connection.execute(insert(STORE), [{**store, "code": "A"}, {**store, "code": "B"}])
        for number, of in ((1, 1), (2, 1), (3, 2)):
            connection.execute(update(VEHICLE).where(VEHICLE.c.id == number).values(store_id=of))
            connection.execute(update(TERMINAL).where(TERMINAL.c.id == number).values(store_id=of))
    for terminal in made.devices:
        made.come(terminal)
    return made


def seller(*stores: int) -> Principal:
    return Principal(account=7, role="viewer", rights=ROLES["viewer"], scope=Scope(stores=stores))


def test_a_fence_goes_out_is_changed_compared_and_taken_off(world: World) -> None:
    fence = world.draw()
    world.rest()
    world.change(fence.id, name="别名")
    world.rest()
    world.devices[2].kept["circle"].clear()
    world.say("area.compare.requested", fence.id)
    world.rest()
    assert world.states(fence.id) == {1: "told", 2: "differs", 3: "told"}
    world.say("area.retry.requested", fence.id)
    world.rest()
    assert world.states(fence.id) == dict.fromkeys((1, 2, 3), "told")
    world.remove(fence.id)
    world.rest()
    assert world.rows() == []
    assert all(device.ids == {} for device in world.devices.values())


def test_a_store_sees_its_own_terminals_of_a_fence_of_the_group_page_by_page(world: World) -> None:
    fence, other = world.draw(), world.draw(store=2)
    world.go(2)
    world.rest()
    areas = world.registry.areas
    page = areas.page(seller(1), fence.id)
    assert page is not None
    assert [(one.terminal, one.state) for one in page.items] == [(1, "told"), (2, "wanted")]
    assert (page.counts["told"], page.counts["wanted"], page.next) == (1, 1, None)
    # Of another store's fence there is nothing to see, not even that it is there.
    assert areas.page(seller(1), other.id) is None
    assert areas.page(seller(2), other.id) is not None
    first = areas.page(NODE, fence.id, limit=2)
    assert first is not None
    assert ([one.terminal for one in first.items], first.next) == ([1, 2], 2)
    rest = areas.page(NODE, fence.id, after=2, states=("told", "refused"))
    assert rest is not None
    assert ([one.terminal for one in rest.items], rest.next, rest.counts["told"]) == ([3], None, 2)
    # Phones are for who may read terminals.
    blind = Principal(account=7, rights=frozenset({"geofences.read"}), scope=Scope(stores=(1,)))
    unnamed = areas.page(blind, fence.id)
    assert unnamed is not None
    assert {one.phone for one in unnamed.items} == {""}


def test_a_car_that_changes_its_store_leaves_the_fences_of_the_old_one(world: World) -> None:
    fence = world.draw(store=1)
    world.rest()
    assert world.states(fence.id) == {1: "told", 2: "told"}
    world.people.change_vehicle(NODE, 2, VehicleChange(plate="沪A12345", store=2))
    world.rest()
    assert world.states(fence.id) == {1: "told", 2: "withdrawn"}
    assert world.devices[2].ids == {}
