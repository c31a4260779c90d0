"""Live feeds over a real server and a real WebSocket client: who gets what, how fast, and how it ends."""

import contextlib
import inspect
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from litestar import Litestar, WebSocket, websocket
from litestar.params import FromQuery
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api import live
from api.live import CLOSE_FULL, CLOSE_REVOKED, CLOSE_SLOW, HEARTBEAT, SNAPSHOT, UPDATE, LiveHub, serve_feed
from api.server import ApiServer
from core import limits
from core.rights import Principal, Scope
from tests.live.cars import Cars, Receiver

TICK_S = 0.05


class World:
    """A server whose every feed belongs to the principal that the query names."""

    def __init__(self, cars: Cars, *, slow_s_max: float = 5.0) -> None:
        self.cars = cars
        self.principals: dict[str, Principal | None] = {}
        self.hub: LiveHub | None = None
        self.slow_s_max = slow_s_max
        self.server = ApiServer(self._app(), "127.0.0.1", 0)

    def _app(self) -> Litestar:
        @websocket("/live")
        async def feed(socket: WebSocket[Any, Any, Any], who: FromQuery[str]) -> None:
            self.hub = self.hub or LiveHub(self.cars, TICK_S)
            await socket.accept()
            principal = self.principals.get(who) or Principal(account=1)

            async def recheck() -> Principal | None:
                return self.principals.get(who, principal)

            await serve_feed(socket, self.hub, principal, recheck, slow_s_max=self.slow_s_max, recheck_s=TICK_S)

        return Litestar([feed], logging_config=None)

    def connect(self, who: str = "all", **options: Any) -> ClientConnection:
        return connect(f"ws://{self.server.address}/live?who={who}", compression=None, **options)

    def statistics(self) -> live.LiveStatistics:
        assert self.hub is not None
        return self.hub.statistics()


@pytest.fixture
def open_world() -> Iterator[Callable[..., World]]:
    worlds: list[World] = []

    def make(*arguments: Any, **options: Any) -> World:
        world = World(*arguments, **options)
        world.server.start()
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.server.stop()


def until(held: Callable[[], bool], what: str, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not held():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.01)


def read_on(feed: ClientConnection) -> None:
    while feed.recv(timeout=5):
        pass


def close_code(feed: ClientConnection) -> int:
    """Read until the server closes, and return its code."""
    with pytest.raises(ConnectionClosed) as closed:
        read_on(feed)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def read_until(feed: ClientConnection, receiver: Receiver, held: Callable[[], bool]) -> None:
    """Take frames until it holds."""
    deadline = time.monotonic() + 10
    while not held():
        assert time.monotonic() < deadline
        receiver.take(feed.recv(timeout=5, decode=False))


def test_a_feed_begins_with_everything_and_goes_on_with_what_moves(open_world: Callable[..., World]) -> None:
    cars = Cars(50)
    world = open_world(cars)
    receiver = Receiver()
    with world.connect() as feed:
        receiver.take(feed.recv(timeout=5, decode=False))
        assert receiver.kinds == [SNAPSHOT]
        assert len(receiver.cars) == receiver.announced == 50
        cars.drive(7)
        read_until(feed, receiver, lambda: receiver.cars[7]["lat_1e7"] == cars.table["lat_1e7"][6])
        assert receiver.cars[8]["lat_1e7"] == cars.table["lat_1e7"][7]
        assert SNAPSHOT not in receiver.kinds[1:]


def test_a_feed_of_parked_cars_still_says_that_it_lives(open_world: Callable[..., World]) -> None:
    world = open_world(Cars(3))
    receiver = Receiver()
    with world.connect() as feed:
        read_until(feed, receiver, lambda: receiver.kinds.count(HEARTBEAT) == 3)


def test_all_cars_at_once_cost_at_most_24_bytes_each(open_world: Callable[..., World]) -> None:
    cars = Cars(10_000)
    world = open_world(cars)
    with world.connect() as feed:
        feed.recv(timeout=5, decode=False)
        cars.drive()
        frame = b""
        while len(frame) < 100_000:
            frame = feed.recv(timeout=5, decode=False)
    # Frame header of a WebSocket message of this length: 10 bytes.
    assert (len(frame) + 10) / 10_000 <= 24


def test_two_stores_see_two_fleets_from_one_look_at_the_table(open_world: Callable[..., World]) -> None:
    cars = Cars(20, stores=2)
    world = open_world(cars)
    world.principals = {
        "one": Principal(account=1, scope=Scope(stores=(1,))),
        "two": Principal(account=2, scope=Scope(stores=(2,), precision="street")),
        "none": Principal(account=3, scope=Scope(stores=())),
    }
    seen = {}
    with contextlib.ExitStack() as stack:
        feeds = {who: stack.enter_context(world.connect(who)) for who in world.principals}
        receivers = {who: Receiver() for who in feeds}
        for who, feed in feeds.items():
            read_until(feed, receivers[who], lambda who=who: len(receivers[who].kinds) >= 3)
            seen[who] = set(receivers[who].cars)
        before, ticks = cars.surveys, world.statistics().ticks
        until(lambda: world.statistics().ticks >= ticks + 3, "three more ticks")
        assert cars.surveys - before <= 4
    assert seen["one"] == set(range(2, 21, 2))
    assert seen["two"] == set(range(1, 21, 2))
    assert seen["none"] == set()
    assert all(int(car["lat_1e7"]) % 10_000 == 0 for car in receivers["two"].cars.values())


def test_a_car_that_changes_its_store_leaves_one_feed_and_enters_the_other(open_world: Callable[..., World]) -> None:
    cars = Cars(6, stores=2)
    world = open_world(cars)
    world.principals = {str(n): Principal(account=n, scope=Scope(stores=(n,))) for n in (1, 2)}
    with world.connect("1") as one, world.connect("2") as two:
        first, second = Receiver(), Receiver()
        read_until(one, first, lambda: set(first.cars) == {2, 4, 6})
        read_until(two, second, lambda: set(second.cars) == {1, 3, 5})
        cars.table["store"][1] = 2
        read_until(one, first, lambda: set(first.cars) == {4, 6})
        read_until(two, second, lambda: set(second.cars) == {1, 2, 3, 5})


def test_a_right_that_is_taken_away_ends_the_feed(open_world: Callable[..., World]) -> None:
    world = open_world(Cars(3))
    world.principals["her"] = Principal(account=1)
    with world.connect("her") as feed:
        feed.recv(timeout=5)
        world.principals["her"] = None
        assert close_code(feed) == CLOSE_REVOKED
    assert world.statistics().revoked == 1


def test_a_scope_that_shrinks_shrinks_the_open_feed(open_world: Callable[..., World]) -> None:
    world = open_world(Cars(8, stores=2))
    world.principals["her"] = Principal(account=1)
    receiver = Receiver()
    with world.connect("her") as feed:
        read_until(feed, receiver, lambda: len(receiver.cars) == 8)
        world.principals["her"] = Principal(account=1, scope=Scope(stores=(1,), precision="district"))
        read_until(feed, receiver, lambda: set(receiver.cars) == {2, 4, 6, 8})
        assert receiver.kinds.count(SNAPSHOT) == 2
        assert all(int(car["lon_1e7"]) % 100_000 == 0 for car in receiver.cars.values())


def small_window(world: World, who: str = "all") -> socket.socket:
    """Return a socket whose kernel holds little of what it has not read."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    host, port = world.server.address.split(":")
    raw.connect((host, int(port)))
    return raw


def test_who_reads_slowly_gets_the_newest_state_and_not_every_tick(open_world: Callable[..., World]) -> None:
    cars = Cars(20_000)
    world = open_world(cars, slow_s_max=30)
    receiver = Receiver()
    # One frame waits unread in the client, and reading stops until it is taken.
    with world.connect(sock=small_window(world), max_queue=1, ping_interval=None) as feed:
        receiver.take(feed.recv(timeout=5, decode=False))
        for _ in range(30):
            cars.drive()
            ticks = world.statistics().ticks
            until(lambda ticks=ticks: world.statistics().ticks > ticks, "a tick")
        newest = int(cars.table["lat_1e7"][0])
        frames = 0
        while receiver.cars[1]["lat_1e7"] != newest:
            receiver.take(feed.recv(timeout=5, decode=False))
            frames += receiver.kinds[-1] == UPDATE
        # What was on its way, one that waited in the server, and the newest.
        assert frames <= 6
        assert world.statistics().skipped >= 20
        assert all(
            int(car["lat_1e7"]) == int(cars.table["lat_1e7"][car["vehicle_id"] - 1]) for car in receiver.cars.values()
        )


def test_who_does_not_read_at_all_is_cut_off(open_world: Callable[..., World]) -> None:
    waited = inspect.signature(serve_feed).parameters["slow_s_max"].default
    assert waited == limits.LIVE_SLOW_S_MAX, "half a second here, to wait no longer"
    cars = Cars(20_000)
    world = open_world(cars, slow_s_max=0.5)
    with world.connect(sock=small_window(world), max_queue=1, ping_interval=None) as feed:
        until(lambda: not cars.drive() and world.statistics().slow == 1, "the feed counted as slow")
        assert world.statistics().feeds == 0
        assert close_code(feed) == CLOSE_SLOW


def test_one_feed_too_many_for_a_reader_is_refused_and_the_others_live_on(open_world: Callable[..., World]) -> None:
    world = open_world(Cars(3))
    world.principals["other"] = Principal(account=2)
    with contextlib.ExitStack() as stack:
        feeds = [stack.enter_context(world.connect()) for _ in range(limits.LIVE_FEEDS_PER_READER_MAX)]
        for feed in feeds:
            feed.recv(timeout=5)
        with world.connect() as refused:
            assert close_code(refused) == CLOSE_FULL
        stack.enter_context(world.connect("other")).recv(timeout=5)
        feeds[0].recv(timeout=5)
        assert world.statistics().refused == 1


def test_one_feed_too_many_in_all_is_refused(open_world: Callable[..., World], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LIVE_FEEDS_MAX", 3)
    world = open_world(Cars(3))
    world.principals = {str(n): Principal(account=n) for n in range(1, 5)}
    with contextlib.ExitStack() as stack:
        feeds = [stack.enter_context(world.connect(str(n))) for n in range(1, 4)]
        for feed in feeds:
            feed.recv(timeout=5)
        with world.connect("4") as refused:
            assert close_code(refused) == CLOSE_FULL
        feeds.pop().close()
        until(lambda: world.statistics().feeds == 2, "a place is free")
        stack.enter_context(world.connect("4")).recv(timeout=5)


def test_the_clock_stops_when_nobody_looks(open_world: Callable[..., World]) -> None:
    cars = Cars(3)
    world = open_world(cars)
    with world.connect() as feed:
        feed.recv(timeout=5)
    until(lambda: world.statistics().feeds == 0, "the feed is gone")
    surveys = cars.surveys
    with world.connect() as feed:
        receiver = Receiver()
        receiver.take(feed.recv(timeout=5, decode=False))
        assert receiver.kinds == [SNAPSHOT]
    # No more than the looks for the second feed: nobody looked between the two.
    assert cars.surveys - surveys <= 3


def test_a_stop_of_the_server_ends_feeds_with_a_word(open_world: Callable[..., World]) -> None:
    world = open_world(Cars(3))
    with world.connect() as feed:
        feed.recv(timeout=5)
        world.server.stop()
        assert close_code(feed) == 1012


def test_what_a_client_says_changes_nothing(open_world: Callable[..., World]) -> None:
    world = open_world(Cars(3))
    receiver = Receiver()
    with world.connect() as feed:
        feed.send("hello")
        feed.send(b"\0\1")
        read_until(feed, receiver, lambda: len(receiver.kinds) >= 4)
    assert np.unique(receiver.kinds[1:]).tolist() == [HEARTBEAT]
