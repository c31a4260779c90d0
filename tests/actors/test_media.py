"""Pictures on their way: whatever order they come in they are one file; what is lost is asked for; bounds hold."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property, partial
from hashlib import sha256
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media import CLOSED_S, HEAD_BYTES_2011, Keeper, Key, Room, Transfers, packet_of, read_item
from core import limits
from core.config import Config
from core.intake.links import Frame
from core.limits import (
    MEDIA_ASKS_MAX,
    MEDIA_BYTES_MAX,
    MEDIA_MEMORY_BYTES_MAX,
    MEDIA_OPEN_MAX,
    MEDIA_OWED_MAX,
    MEDIA_PACKETS_MAX,
    MEDIA_PAUSE_S,
    MEDIA_S_MAX,
    MEDIA_WRITES_AT_ONCE,
)
from protocols.jt808.location import LocationHead
from protocols.jt808.media import MediaData, MediaEvent, MediaReply
from protocols.jt808.messages import PlatformGeneralReply, ResendRequest
from simulators.pictures import picture
from storage import migrate
from storage.eventlog import EventLog
from storage.media import Kept, MediaStore
from tests.actors.test_fragments import fragment
from tests.actors.test_vehicle import one_car, running, say
from tests.actors.world import BOOT, Caller, World, link, row

Clock = trio.testing.MockClock
JPEG = picture(1, "2026-11-22", width=64, height=64)
HEAD = LocationHead(0, 1 << 1, 22_543_210, 114_057_890, 12, 435, 90, 1_763_800_000_000)


def body_of(media_id: int = 7, data: bytes = JPEG, *, event: int = 3, version: int = 2013, **more: Any) -> bytes:
    """Return the body of a whole 0x0801."""
    head = media_id.to_bytes(4, "big") + bytes([0, 0, event, 2])
    if version == 2011:
        return head + more.get("total", 1).to_bytes(4, "big") + more.get("number", 1).to_bytes(4, "big") + data
    place = (0).to_bytes(4, "big") + (2).to_bytes(4, "big") + (22_543_210).to_bytes(4, "big")
    place += (114_057_890).to_bytes(4, "big") + (12).to_bytes(2, "big") + (435).to_bytes(2, "big")
    return head + place + (90).to_bytes(2, "big") + bytes.fromhex("251122160640") + data


def pieces_of(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


def take(transfers: Transfers, frame: Frame, now_s: float = 0.0) -> bool:
    read = packet_of(frame)
    assert read is not None
    key, one = read
    return transfers.take(frame, key, one.number, one.header, one.body, now_s)


# --- putting together -------------------------------------------------------------------------------------------------


@st.composite
def storms(draw: st.DrawFn) -> tuple[list[list[bytes]], list[tuple[int, int]]]:
    """Up to four items in pieces, and an order in which every piece comes at least once."""
    items = [
        draw(st.lists(st.binary(max_size=40), min_size=1, max_size=7))
        for _ in range(draw(st.integers(1, MEDIA_OPEN_MAX)))
    ]
    places = [(item, number) for item, pieces in enumerate(items) for number in range(len(pieces))]
    repeats = draw(st.lists(st.sampled_from(places), max_size=10))
    return items, draw(st.permutations(places + repeats))


@settings(max_examples=300, deadline=None)
@given(storms(), st.booleans())
def test_any_order_repeats_and_mixture_give_each_item_once(
    storm: tuple[list[list[bytes]], list[tuple[int, int]]], long: bool
) -> None:
    items, order = storm
    room = Room()
    transfers = Transfers(room)
    came: list[bytes] = []
    held: set[int] = set()
    for sequence, (item, number) in enumerate(order):
        pieces = items[item]
        # Serials far apart, one of them wrapping round.
        first = 65_530 + 1_000 * item & 0xFFFF
        frame = fragment(sequence, 0x0801, len(pieces), number + 1, pieces[number], first_serial=first, long=long)
        if take(transfers, frame):
            held.add(sequence)
        for due in transfers.due(0.0, {1}):
            assert due.what == "keep"
            came.append(due.transfer.body())
            held -= set(due.transfer.sequences)
            transfers.kept(due.transfer, 0.0, stored=True)
        assert transfers.oldest_open_sequence == min(held, default=None)
    assert sorted(came) == sorted(b"".join(pieces) for pieces in items)
    assert not held
    assert room.bytes == 0
    assert transfers.deadline_s == inf


def test_a_repeat_does_not_overwrite_what_came_first() -> None:
    transfers = Transfers(Room())
    assert take(transfers, fragment(1, 0x0801, 2, 1, b"right"))
    assert not take(transfers, fragment(2, 0x0801, 2, 1, b"wrong"))
    assert take(transfers, fragment(3, 0x0801, 2, 2, b"!"))
    (due,) = transfers.due(0.0, ())
    assert due.transfer.body() == b"right!"


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 7),  # which item
            st.integers(1, 5),  # which packet
            st.sampled_from([1, 2, 5, MEDIA_PACKETS_MAX + 1]),  # of how many
            st.sampled_from([0, 9, MEDIA_BYTES_MAX]),  # bytes
            st.floats(0, 200),  # seconds since the one before
            st.booleans(),  # is its terminal there
        ),
        max_size=40,
    )
)
def test_whatever_comes_every_place_in_the_journal_is_let_go_once_and_no_byte_is_held_for_ever(
    packets: list[tuple[int, int, int, int, float, bool]],
) -> None:
    room = Room(bytes_max=3 * MEDIA_BYTES_MAX)
    transfers = Transfers(room)
    held: set[int] = set()
    now_s = 0.0

    def carry_out(online: bool) -> None:
        for due in transfers.due(now_s, {1} if online else ()):
            if due.what == "ask":
                assert due.missing
                continue
            if due.what == "keep":
                transfers.kept(due.transfer, now_s, stored=True)
            # Each that is let go was held, and is let go once.
            assert set(due.transfer.sequences) <= held
            held.difference_update(due.transfer.sequences)

    for sequence, (item, number, total, size, pause_s, online) in enumerate(packets):
        now_s += pause_s
        if number <= total and take(
            transfers, fragment(sequence, 0x0801, total, number, bytes(size), first_serial=100 * item), now_s
        ):
            held.add(sequence)
        carry_out(online)
        assert room.bytes <= room.bytes_max + MEDIA_BYTES_MAX * MEDIA_OPEN_MAX
        assert transfers.oldest_open_sequence == min(held, default=None)
    while transfers.deadline_s < inf:
        now_s = max(now_s, transfers.deadline_s)
        carry_out(online=False)
    assert not held
    assert room.bytes == 0


# --- loss -------------------------------------------------------------------------------------------------------------


def walk(transfers: Transfers, online: Any, each: Callable[[str, float, Any], object]) -> None:
    """Do what is due, at the time it is due, until nothing is."""
    while (deadline_s := transfers.deadline_s) < inf:
        assert transfers.due(deadline_s - 0.001, online) == []
        for due in transfers.due(deadline_s, online):
            each(due.what, deadline_s, due)


def test_what_is_missing_is_asked_for_some_times_and_then_given_up() -> None:
    transfers = Transfers(Room())
    take(transfers, fragment(5, 0x0801, 4, 2, b"b"))
    seen: list[tuple[str, float, tuple[int, ...]]] = []
    walk(transfers, {1}, lambda what, at_s, due: seen.append((what, at_s, due.missing)))
    pauses = [MEDIA_PAUSE_S * (n + 1) for n in range(MEDIA_ASKS_MAX + 1)]
    assert [at_s for _, at_s, _ in seen] == [sum(pauses[: n + 1]) for n in range(MEDIA_ASKS_MAX + 1)]
    assert [what for what, _, _ in seen] == ["ask"] * MEDIA_ASKS_MAX + ["lost"]
    assert seen[0][2] == (1, 3, 4)


def test_a_packet_that_comes_gives_new_patience() -> None:
    transfers = Transfers(Room())
    take(transfers, fragment(1, 0x0801, 3, 1, b"a"))
    for pause in range(1, MEDIA_ASKS_MAX + 1):
        assert [due.what for due in transfers.due(transfers.deadline_s, {1})] == ["ask"], pause
    take(transfers, fragment(2, 0x0801, 3, 3, b"c"), 60.0)
    (due,) = transfers.due(60.0 + MEDIA_PAUSE_S, {1})
    assert (due.what, due.missing) == ("ask", (2,))


def test_while_the_terminal_is_away_nobody_is_asked_and_the_half_waits_to_its_end() -> None:
    transfers = Transfers(Room())
    take(transfers, fragment(1, 0x0801, 2, 1, b"a"))
    seen: list[tuple[str, float]] = []
    walk(transfers, (), lambda what, at_s, _: seen.append((what, at_s)))
    assert seen == [("lost", MEDIA_S_MAX)]


def test_an_item_that_trickles_in_for_too_long_is_given_up() -> None:
    transfers = Transfers(Room())
    for number in range(1, 101):
        take(transfers, fragment(number, 0x0801, 1000, number, b"x"), number * 8.9)
        assert not any(due.what == "lost" for due in transfers.due(number * 8.9, {1}))
    assert [due.what for due in transfers.due(MEDIA_S_MAX + 8.9, {1})] == ["lost"]


def test_a_late_packet_of_what_is_over_begins_nothing_until_it_may() -> None:
    transfers = Transfers(Room())
    take(transfers, fragment(1, 0x0801, 1, 1, body_of(9)))
    (due,) = transfers.due(0.0, {1})
    transfers.kept(due.transfer, 0.0, stored=True)
    assert not take(transfers, fragment(2, 0x0801, 1, 1, body_of(9)), CLOSED_S - 1)
    assert transfers.stored_before(due.transfer.key, CLOSED_S - 1) == 9
    assert take(transfers, fragment(3, 0x0801, 1, 1, body_of(9)), CLOSED_S + 1)


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_one_packet_more_than_an_item_may_have_is_refused_whole() -> None:
    transfers = Transfers(Room())
    assert take(transfers, fragment(1, 0x0801, MEDIA_PACKETS_MAX, 1, b"a"))
    assert not take(transfers, fragment(2, 0x0801, MEDIA_PACKETS_MAX + 1, 1, b"a", first_serial=9))
    assert [due.what for due in transfers.due(0.0, {1})] == ["refused"]
    assert not take(transfers, fragment(3, 0x0801, MEDIA_PACKETS_MAX + 1, 2, b"a", first_serial=9)), "and stays so"
    assert transfers.due(0.0, {1}) == []


def test_one_byte_more_than_an_item_may_have_is_refused_whole() -> None:
    room = Room()
    transfers = Transfers(room)
    whole = body_of(data=JPEG + bytes(MEDIA_BYTES_MAX - len(JPEG) + HEAD_BYTES_2011 - 8))
    pieces = pieces_of(whole, 1000)
    for number, piece in enumerate(pieces, 1):
        assert take(transfers, fragment(number, 0x0801, len(pieces) + 1, number, piece))
    assert room.bytes == MEDIA_BYTES_MAX + HEAD_BYTES_2011 + 28
    assert not take(transfers, fragment(9_999, 0x0801, len(pieces) + 1, len(pieces) + 1, b"1"))
    (due,) = transfers.due(0.0, {1})
    assert (due.what, len(due.transfer.sequences)) == ("refused", len(pieces))
    assert room.bytes == 0


def test_one_item_more_than_a_car_may_have_open_gives_up_the_oldest() -> None:
    transfers = Transfers(Room())
    for item in range(MEDIA_OPEN_MAX + 1):
        assert take(transfers, fragment(item + 1, 0x0801, 2, 1, b"a", first_serial=100 * item), float(item))
    (due,) = transfers.due(float(MEDIA_OPEN_MAX), {1})
    assert (due.what, due.transfer.sequences) == ("lost", [1])
    assert transfers.oldest_open_sequence == 2


def test_an_item_that_begins_where_all_cars_memory_is_full_is_refused_and_others_go_on() -> None:
    assert Room().bytes_max == MEDIA_MEMORY_BYTES_MAX
    room = Room(bytes_max=1_000)
    first, second = Transfers(room), Transfers(room)
    assert take(first, fragment(1, 0x0801, 2, 1, bytes(1_000)))
    assert not take(second, fragment(2, 0x0801, 2, 1, b"a"))
    assert [due.what for due in second.due(0.0, {1})] == ["refused"]
    assert take(first, fragment(3, 0x0801, 2, 2, b"b"))
    (due,) = first.due(0.0, {1})
    first.kept(due.transfer, 0.0, stored=True)
    assert room.bytes == 0
    assert take(second, fragment(4, 0x0801, 2, 1, b"a", first_serial=77))


async def test_so_many_files_are_written_at_once_and_one_more_waits_its_turn() -> None:
    go_on, changing, inside, done = threading.Event(), threading.Lock(), [0, 0], []

    class Slow:
        def put(self, item: Any, data: bytes) -> Kept:
            with changing:
                inside[0] += 1
                inside[1] = max(inside)
            assert go_on.wait(30)
            with changing:
                inside[0] -= 1
            return Kept("stored")

    async def put(keeper: Keeper) -> None:
        done.append(await keeper.put(None, b""))  # type: ignore[arg-type]

    keeper = Keeper(Slow())  # type: ignore[arg-type]
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(MEDIA_WRITES_AT_ONCE + 1):
                nursery.start_soon(put, keeper)
            # Writing hops to threads, which know no trio.Event.
            while inside[0] < MEDIA_WRITES_AT_ONCE or not keeper._limiter.statistics().tasks_waiting:  # noqa: ASYNC110
                await trio.sleep(0.001)
            assert keeper._limiter.statistics().tasks_waiting == 1
            go_on.set()
    assert (len(done), inside) == (MEDIA_WRITES_AT_ONCE + 1, [0, MEDIA_WRITES_AT_ONCE])


# --- reading ----------------------------------------------------------------------------------------------------------


def header_of(*, long: bool = False) -> bytes:
    if long:
        return bytes.fromhex("080140000100000000013912345678000a")
    return bytes.fromhex("08010000013912345678000a")


@pytest.mark.parametrize("known", [None, 2011])
@pytest.mark.parametrize("long", [False, True])
def test_a_location_before_the_file_is_read_whatever_edition_is_known(known: int | None, long: bool) -> None:
    body = read_item(header_of(long=long), pieces_of(body_of(), 100), None if long else known)
    assert body is not None
    assert (body.media_id, body.event, body.channel, body.data) == (7, 3, 2, JPEG)
    assert body.location is not None
    assert (body.location.lat_1e7, body.location.speed_kmh10) == (225_432_100, 435)


@pytest.mark.parametrize("known", [None, 2011])
def test_packets_numbered_by_a_terminal_of_2011_are_read_with_and_without_their_heads(known: int | None) -> None:
    once = read_item(header_of(), pieces_of(body_of(version=2011), 100), known)
    assert once is not None
    assert (once.location, once.data) == (None, JPEG)
    parts = pieces_of(JPEG, 300)
    headed = [body_of(7, part, version=2011, total=len(parts), number=n) for n, part in enumerate(parts, 1)]
    each = read_item(header_of(), headed, known)
    assert each is not None
    assert each.data == JPEG


def test_a_body_that_is_no_item_is_none() -> None:
    assert read_item(header_of(), [b"\1\2\3"], None) is None


# --- the conversation -------------------------------------------------------------------------------------------------


class InlineKeeper(Keeper):
    """A keeper whose calls take no thread: time stands still while they run. `held` until it is set."""

    def __init__(self, store: MediaStore) -> None:
        super().__init__(store)
        self.held: trio.Event | None = None

    async def _call(self, call: "partial[Any]", name: str) -> Any:
        if self.held is not None:
            await self.held.wait()
        return call()


class Shop:
    """A world whose pictures are kept in a real store."""

    def __init__(self, path: Path, bytes_max: int = 1 << 30) -> None:
        self.dsn = f"sqlite:///{path}/carillon.db"
        migrate(self.dsn)
        self.log = EventLog(self.dsn)
        self.store = MediaStore(self.log, path / "media", bytes_max)
        self.keeper = InlineKeeper(self.store)

    @cached_property
    def world(self) -> World:
        """Made inside a run: its clock is Trio's."""
        world, self.car = one_car()
        world.keeper = self.keeper
        return world

    @property
    def rows(self) -> list[dict[str, Any]]:
        with self.log.database.read() as connection:
            return [dict(one._mapping) for one in connection.exec_driver_sql("SELECT * FROM media ORDER BY id")]

    @property
    def events(self) -> list[str]:
        return [event.type for event in self.log.read(0)]

    @property
    def files(self) -> list[Path]:
        return sorted(one for one in self.store.files.path.rglob("*") if one.is_file())

    def sent(self, message: int) -> list[Any]:
        return [one.body for one in self.world.links.sent(link(1)) if one.header.message == message]

    def packets(self, body: bytes, size: int = 500, *, on: int = link(1), first_serial: int = 10) -> list[Frame]:
        pieces = pieces_of(body, size)
        make = partial(fragment, link=on, first_serial=first_serial)
        return [make(self.world.next_sequence(), 0x0801, len(pieces), n, one) for n, one in enumerate(pieces, 1)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@asynccontextmanager
async def logged_in(shop: Shop) -> AsyncIterator[None]:
    async with running(shop.world):
        await say(shop.world, shop.car.authenticate(link(1)))
        shop.world.links.take()
        yield


async def test_a_picture_is_answered_when_file_row_and_event_are_there_and_not_before(
    mock_clock: Clock, shop: Shop
) -> None:
    async with logged_in(shop):
        frames = shop.packets(body_of())
        shop.keeper.held = trio.Event()
        backwards = [one._replace(sequence=at.sequence) for one, at in zip(reversed(frames), frames, strict=True)]
        await say(shop.world, *backwards)
        assert shop.sent(0x8800) == []
        assert shop.world.position.oldest_open_sequence == min(frame.sequence for frame in frames)
        shop.keeper.held.set()
        await trio.testing.wait_all_tasks_blocked()
        assert shop.sent(0x8800) == [MediaReply(media_id=7)]
        assert shop.world.position.open == 0
    (file,) = shop.files
    assert file.read_bytes() == JPEG
    (kept,) = shop.rows
    assert (kept["state"], kept["sha256"], kept["content_type"]) == ("stored", file.name, "image/jpeg")
    assert (kept["group_id"], kept["store_id"], kept["vehicle"]) == (2, 7, 1)
    assert (kept["lat_1e7"], kept["lon_1e7"], kept["speed_kmh10"]) == (225_432_100, 1_140_578_900, 435)
    assert shop.events == ["media.stored"]


async def test_a_picture_sent_again_is_one_file_one_row_one_event_and_answered_again(
    mock_clock: Clock, shop: Shop
) -> None:
    async with logged_in(shop):
        await say(shop.world, *shop.packets(body_of()))
        await say(shop.world, *shop.packets(body_of(), first_serial=200))
        assert shop.sent(0x8800) == [MediaReply(media_id=7)] * 2
        # And the same packets once more, as one sends them that has not heard.
        await say(shop.world, *shop.packets(body_of(), first_serial=200))
        assert shop.sent(0x8800) == [MediaReply(media_id=7)] * 3
        assert shop.world.position.open == 0
    assert (len(shop.files), len(shop.rows), shop.events) == (1, 1, ["media.stored"])


async def test_the_same_picture_of_another_number_is_one_file_and_two_rows(mock_clock: Clock, shop: Shop) -> None:
    async with logged_in(shop):
        await say(shop.world, *shop.packets(body_of(7)), *shop.packets(body_of(8), first_serial=100))
    assert (len(shop.files), len(shop.rows)) == (1, 2)
    assert shop.store.statistics()["bytes"] == len(JPEG)


async def test_lost_packets_are_asked_for_by_the_items_number_and_complete_it(mock_clock: Clock, shop: Shop) -> None:
    async with logged_in(shop):
        frames = shop.packets(body_of(), 200)
        lost = frames[2], frames[5]
        await say(shop.world, *(one for one in frames if one not in lost))
        await trio.sleep(MEDIA_PAUSE_S + 0.1)
        assert shop.sent(0x8800) == [MediaReply(media_id=7, missing=(3, 6))]
        assert [(one["state"], one["packets"], one["packets_total"]) for one in shop.rows] == [
            ("partial", len(frames) - 2, len(frames))
        ]
        await say(shop.world, *lost)
        assert shop.sent(0x8800)[1:] == [MediaReply(media_id=7)]
    assert [one["state"] for one in shop.rows] == ["stored"]
    assert shop.files[0].read_bytes() == JPEG


async def test_a_lost_first_packet_is_asked_for_by_serial(mock_clock: Clock, shop: Shop) -> None:
    async with logged_in(shop):
        await say(shop.world, *shop.packets(body_of(), 500)[1:])
        await trio.sleep(MEDIA_PAUSE_S + 0.1)
        assert shop.sent(0x8003) == [ResendRequest(10, (1,))]
        assert shop.sent(0x8800) == []


async def test_a_half_that_never_becomes_whole_is_given_up_counted_and_said(mock_clock: Clock, shop: Shop) -> None:
    async with logged_in(shop):
        await say(shop.world, *shop.packets(body_of(), 200)[:-1])
        await trio.sleep(MEDIA_S_MAX)
        assert len(shop.sent(0x8800)) == MEDIA_ASKS_MAX
        assert shop.sent(0x8001) == [PlatformGeneralReply(10, 0x0801, 1)]
        assert shop.world.position.open == 0
    assert [one["state"] for one in shop.rows] == ["lost"]
    assert shop.world.counts["media_lost"] == 1
    assert shop.files == []


async def test_what_is_announced_is_written_down_and_becomes_the_item_when_it_comes(
    mock_clock: Clock, shop: Shop
) -> None:
    async with logged_in(shop):
        announced = shop.car.frame(MediaEvent(7, 0, 0, 3, 2), 0x0800, link(1))
        await say(shop.world, announced, announced._replace(sequence=announced.sequence))
        assert [(one["state"], one["media_id"]) for one in shop.rows] == [("announced", 7)]
        assert shop.sent(0x8001)[0] == PlatformGeneralReply(2, 0x0800, 0)
        await say(shop.world, *shop.packets(body_of()))
    assert [one["state"] for one in shop.rows] == ["stored"]
    assert shop.events == ["media.announced", "media.stored"]


async def test_a_terminal_of_2011_that_numbers_its_packets_is_answered_in_its_form(
    mock_clock: Clock, shop: Shop
) -> None:
    async with logged_in(shop):
        parts = pieces_of(JPEG, 300)
        bodies = [body_of(5, part, version=2011, total=len(parts), number=n) for n, part in enumerate(parts, 1)]
        for number, body in enumerate(bodies, 1):
            await say(shop.world, shop.car.raw(0x0801, body, link(1)))
            assert (len(shop.sent(0x8800)) > 0) is (number == len(bodies))
        assert len(shop.sent(0x8001)) == len(bodies)
        (kept,) = shop.rows
        assert (kept["media_id"], kept["lat_1e7"], kept["time_ms"]) == (5, None, kept["arrival_ms"])
        assert shop.world.position.open == 0
    assert shop.files[0].read_bytes() == JPEG


async def test_a_small_item_in_one_frame_is_kept_like_any_other(mock_clock: Clock, shop: Shop) -> None:
    async with logged_in(shop):
        small = JPEG[:900]
        await say(shop.world, shop.car.raw(0x0801, body_of(4, small), link(1)))
        assert shop.sent(0x8800) == [MediaReply(media_id=4)]
    assert shop.files[0].read_bytes() == small


async def test_a_full_store_refuses_what_is_new_and_says_so_and_takes_what_it_has(
    mock_clock: Clock, tmp_path: Path
) -> None:
    shop = Shop(tmp_path, bytes_max=Config(media_bytes_max=len(JPEG)).media_bytes_max)
    async with logged_in(shop):
        await say(shop.world, *shop.packets(body_of(1)))
        await say(shop.world, *shop.packets(body_of(2, JPEG + b"!"), first_serial=100))
        assert shop.sent(0x8800) == [MediaReply(media_id=1)]
        assert shop.sent(0x8001) == [PlatformGeneralReply(100, 0x0801, 1)]
        await say(shop.world, *shop.packets(body_of(3), first_serial=200))
        assert shop.sent(0x8800) == [MediaReply(media_id=1), MediaReply(media_id=3)]
        assert shop.world.position.open == 0
    assert shop.store.statistics()["refused_full"] == 1
    assert len(shop.files) == 1
    assert [(one["media_id"], one["state"]) for one in shop.rows] == [(1, "stored"), (2, "lost"), (3, "stored")]


async def test_a_car_that_sends_one_item_more_than_a_day_allows_is_refused_and_others_are_not(
    mock_clock: Clock, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEDIA_ITEMS_DAY_MAX", 2)
    shop.world.know(row(2, 2, "13900000002", "T2"))
    other = Caller(shop.world, "13900000002", "T2")
    async with logged_in(shop):
        await say(shop.world, other.authenticate(link(2)))
        for media_id in (1, 2, 3):
            await say(shop.world, *shop.packets(body_of(media_id), first_serial=100 * media_id))
        await say(shop.world, other.raw(0x0801, body_of(1, JPEG[:900]), link(2)))
        assert shop.sent(0x8800) == [MediaReply(media_id=1), MediaReply(media_id=2)]
        assert shop.sent(0x8001) == [PlatformGeneralReply(300, 0x0801, 1)]
    assert shop.store.statistics()["refused_day"] == 1
    assert [one["vehicle"] for one in shop.rows if one["state"] == "stored"] == [1, 1, 2]


async def test_a_broken_volume_is_a_refusal_and_no_standstill(
    mock_clock: Clock, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shop.store.files, "write", full)
    async with logged_in(shop):
        await say(shop.world, *shop.packets(body_of()))
        assert shop.sent(0x8001) == [PlatformGeneralReply(10, 0x0801, 1)]
        assert shop.world.position.open == 0
    assert shop.store.statistics()["refused_failed"] == 1


async def test_what_was_stored_while_its_terminal_was_away_is_answered_at_its_login(
    mock_clock: Clock, shop: Shop
) -> None:
    old = link(1, BOOT - 1)
    async with running(shop.world):
        for number in range(MEDIA_OWED_MAX + 1):
            frames = shop.packets(body_of(number + 1), on=old, first_serial=100 * number)
            await say(shop.world, *frames)
        assert len(shop.rows) == MEDIA_OWED_MAX + 1
        assert shop.world.links.calls == []
        await say(shop.world, shop.car.authenticate(link(1)))
        answered = [one.media_id for one in shop.sent(0x8800)]
        assert answered == list(range(2, MEDIA_OWED_MAX + 2)), "one too many: the oldest is sent again and known"
        shop.world.links.take()
        await say(shop.world, shop.car.authenticate(link(1)))
        assert shop.sent(0x8800) == []


async def test_a_car_waits_for_its_own_picture_and_others_do_not(mock_clock: Clock, shop: Shop) -> None:
    shop.world.know(row(2, 2, "13900000002", "T2"))
    other = Caller(shop.world, "13900000002", "T2")
    async with logged_in(shop):
        shop.keeper.held = trio.Event()
        await say(shop.world, *shop.packets(body_of()))
        await say(shop.world, other.authenticate(link(2)))
        assert len(shop.world.links.sent(link(2))) == 1
        shop.keeper.held.set()


@pytest.mark.parametrize("cut", ["before the row", "before the answer"])
async def test_a_death_between_file_row_and_answer_leaves_one_of_each_and_an_answer(
    mock_clock: Clock, tmp_path: Path, cut: str
) -> None:
    """The journal hands up the same packets again; this is the same start with everything in memory forgotten."""
    shop = Shop(tmp_path)
    frames = shop.packets(body_of(), on=link(1, BOOT))
    if cut == "before the row":
        shop.store.files.write(sha256(JPEG).hexdigest(), JPEG)
    else:
        async with running(shop.world):
            await say(shop.world, *frames)
        assert len(shop.rows) == 1
    again = Shop(tmp_path)
    again.world.boot(BOOT + 1)
    async with running(again.world):
        await say(again.world, *frames)
        await say(again.world, again.car.authenticate(link(1, BOOT + 1)))
        answers = [one.body for one in again.world.links.sent(link(1, BOOT + 1)) if one.header.message == 0x8800]
    assert answers == [MediaReply(media_id=7)]
    assert (len(again.files), len(again.rows), again.events) == (1, 1, ["media.stored"])
    assert again.store.statistics()["bytes"] == len(JPEG)


def test_no_name_from_outside_becomes_a_path(shop: Shop) -> None:
    for name in ("../../etc/passwd", "a" * 63, "A" * 64, "/" * 64, "a" * 62 + "/.", ""):
        with pytest.raises(ValueError, match="64 hexadecimal digits"):
            shop.store.files.file(name)
    assert shop.store.files.file("ab" * 32) == shop.store.files.path / "ab" / ("ab" * 32)


def test_what_was_being_written_when_the_power_went_is_swept_away(shop: Shop) -> None:
    (shop.store.files.path / "new").mkdir(parents=True)
    (shop.store.files.path / "new" / "half").write_bytes(b"half")
    again = MediaStore(shop.log, shop.store.files.path)
    assert shop.files == []
    assert again.statistics()["bytes"] == 0


def test_keys_of_numbered_and_of_cut_items_never_meet() -> None:
    assert Key((0, 1), 3, 10, numbered=True) != Key((0, 1), 3, 10, numbered=False)
    assert [a < b for a, b in pairwise([Key((0, 1), 1, 1, False), Key((0, 1), 1, 2, False)])] == [True]
    assert MediaData(media_id=1, kind=0, format=0, event=0, channel=0).data == b""
