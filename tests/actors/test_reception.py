"""The reception: strangers refused, first registrations in batches, answered by their vehicle once durable."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import trio

from actors.reception import Knocking
from core.limits import KNOCKING_MAX, RECEPTION_FRAMES_MAX
from core.position import Position
from protocols.jt808.messages import PlatformGeneralReply, RegisterReply
from tests.actors.world import BOOT, Caller, World, link, row

DEADLINE_S = 30
PHONE = "13912345678"


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            world.nursery = nursery
            nursery.start_soon(world.reception.run)
            yield
            nursery.cancel_scope.cancel()


async def until(condition: Callable[[], object]) -> None:
    while not condition():  # noqa: ASYNC110 - registering hops to a thread, which knows no trio.Event
        await trio.sleep(0.001)


async def test_with_registration_open_a_new_terminal_is_registered_and_given_its_code() -> None:
    world = World()
    car = Caller(world, PHONE)
    async with running(world):
        world.route(car.register(link(1)))
        await until(lambda: world.position.open == 0)
        (reply,) = world.links.sent(link(1))
        assert reply.body == RegisterReply(1, 0, world.credentials.issue(PHONE, "T000001"))
        world.links.take()
        world.route(car.authenticate(link(1)))
        await until(lambda: world.links.calls)
        assert [verb for verb, _ in world.links.calls] == ["admit"]
    assert world.registry.rows[PHONE].terminal_id == "T000001"


async def test_with_registration_known_a_stranger_is_no_such_terminal() -> None:
    world = World("known")
    car = Caller(world, PHONE)
    async with running(world):
        world.route(car.register(link(1)))
        await until(lambda: world.position.open == 0)
    (reply,) = world.links.sent(link(1))
    assert reply.body == RegisterReply(1, 4, "")
    assert world.counts["strangers"] == 1
    assert world.registry.rows == {}


async def test_a_terminal_entered_by_hand_registers_under_either_policy() -> None:
    world = World("known")
    world.know(row(7, 5, PHONE, ""))
    car = Caller(world, PHONE)
    async with running(world):
        world.route(car.register(link(1)))
        await until(lambda: world.position.open == 0)
        (reply,) = world.links.sent(link(1))
        assert reply.body == RegisterReply(1, 0, world.credentials.issue(PHONE, "T000001"))
        assert not world.reception.wants(car.register(link(1))), "from now on its vehicle answers"
    assert world.registry.rows[PHONE].terminal_id == "T000001"


async def test_a_storm_of_first_registrations_goes_through_in_batches() -> None:
    world = World()
    cars = [Caller(world, f"139{i:08}") for i in range(1500)]
    async with running(world):
        for i, car in enumerate(cars):
            world.route(car.register(link(i)))
        await until(lambda: world.position.open == 0)
    assert len(world.links.calls) == 1500
    assert len(world.registry.batches) <= 4
    assert world.counts["registrations"] == 1500


async def test_two_claims_to_a_new_phone_make_one_terminal_and_one_dispute() -> None:
    world = World()
    car = Caller(world, PHONE)
    async with running(world):
        world.route(car.register(link(1)))
        world.route(car.register(link(2), "LATER"))
        await until(lambda: world.position.open == 0)
    assert world.links.sent(link(1))[0].body.result == 0  # type: ignore[attr-defined]
    assert world.links.sent(link(2))[0].body.result == 3  # type: ignore[attr-defined]
    assert world.log.types == ["terminal.identity.disputed"]


async def test_a_code_for_a_phone_nobody_knows_is_refused_and_the_third_closes_the_link() -> None:
    world = World()
    car = Caller(world, PHONE)
    async with running(world):
        for _ in range(3):
            world.route(car.authenticate(link(1)))
        await until(lambda: world.position.open == 0)
    assert [reply.body for reply in world.links.sent(link(1))] == [
        PlatformGeneralReply(serial, 0x0102, 1) for serial in (1, 2, 3)
    ]
    assert world.links.calls[-1] == ("close", (link(1), "refused"))


async def test_a_registration_that_cannot_be_read_is_wrong() -> None:
    world = World()
    car = Caller(world, PHONE)
    async with running(world):
        world.route(car.raw(0x0100, b"\0", link(1)))
        await until(lambda: world.position.open == 0)
    assert world.links.sent(link(1))[0].body == PlatformGeneralReply(1, 0x0100, 2)


async def test_past_the_last_number_a_registration_is_refused() -> None:
    world = World()
    world.registry.room = 1
    async with running(world):
        for i in (1, 2):
            world.route(Caller(world, f"1390000000{i}").register(link(i)))
        await until(lambda: world.position.open == 0)
    results = sorted(world.links.sent(link(i))[0].body.result for i in (1, 2))  # type: ignore[attr-defined]
    assert results == [0, 2]


async def test_a_registration_of_an_earlier_start_is_made_and_not_answered() -> None:
    world = World()
    car = Caller(world, PHONE)
    async with running(world):
        world.route(car.register(link(1, BOOT - 1)))
        await until(lambda: world.position.open == 0)
    assert world.links.calls == []
    assert PHONE in world.registry.rows


async def test_a_full_reception_refuses_the_frame() -> None:
    world = World()
    car = Caller(world, PHONE)
    frame = car.register(link(1))
    assert all(world.reception.put(frame) for _ in range(RECEPTION_FRAMES_MAX))
    assert not world.reception.put(frame)


def test_a_position_stays_before_the_oldest_thing_that_is_not_done() -> None:
    position = Position()
    assert position.sequence == 0
    for sequence in (10, 11, 13):
        position.taken(sequence)
    position.taken(14, parts=2)
    position.taken(15, parts=0)
    position.done(11)
    assert (position.oldest_open_sequence, position.sequence, position.open) == (10, 9, 3)
    position.done(10)
    assert position.sequence == 12
    position.done(13)
    position.done(14)
    position.done(13)
    assert position.sequence == 13
    position.done(14)
    assert (position.oldest_open_sequence, position.sequence, position.open) == (None, 15, 0)


async def test_who_is_refused_at_the_door_is_remembered_with_what_they_said() -> None:
    world = World("known")
    stranger = Caller(world, PHONE)
    async with running(world):
        world.route(stranger.register(link(1)))
        world.route(stranger.authenticate(link(1), "x"))
        await until(lambda: world.counts["strangers"] == 2)
        [knock] = world.reception.knocking.known_not()
        assert (knock.phone, knock.count, knock.terminal_id, knock.plate) == (PHONE, 2, "T000001", "粤B12345")
        world.know(row(1, 1, PHONE, ""))
        assert world.reception.knocking.known_not() == []
        world.reception.knocking.forget_known()
        assert len(world.reception.knocking) == 0
        world.route(stranger.register(link(1)))
        await until(lambda: world.counts["registrations"] == 1)


async def test_a_retired_terminal_is_refused_under_either_policy() -> None:
    world = World("open")
    retired = msgspec.structs.replace(row(1, 0, PHONE, "T000001"), retired_ms=5)
    world.know(retired)
    async with running(world):
        world.route(Caller(world, PHONE).register(link(1)))
        await until(lambda: world.counts["strangers"] == 1)
    assert world.registry.batches == []
    [reply] = world.links.sent(link(1))
    assert isinstance(reply.body, RegisterReply)
    assert (reply.body.result, world.reception.knocking.known_not()[0].retired) == (4, True)


async def test_strangers_are_remembered_up_to_the_bound_and_one_more_puts_out_the_longest_silent() -> None:
    many = Knocking(World("known").fleet)
    for number in range(KNOCKING_MAX + 1):
        many.heard((0, number + 1), number, "10.0.0.1", None)
    assert (len(many), many.put_out, many.known_not()[-1].phone) == (KNOCKING_MAX, 1, "2")
    knocking = Knocking(World("known").fleet, bound=2)
    for time_ms, phone in enumerate((1, 2, 1, 3)):
        knocking.heard((0, phone), time_ms, "10.0.0.1", None)
    assert [(knock.phone, knock.count) for knock in knocking.known_not()] == [("3", 1), ("1", 2)]
    assert knocking.put_out == 1
