"""What strangers, floods and one bad terminal among many can do to the intake; the others see nothing of it."""

import ipaddress
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.intake import loop
from core.intake.intake import network_words
from core.intake.links import KIND_LINK_CLOSED, KIND_TERMINAL_SILENT
from core.limits import (
    ADDRESS_PROBES_MAX,
    ADDRESSES_HEARD_MAX,
    FRAMES_BEFORE_LOGIN_MAX,
    STRANGER_BYTES_MAX,
    STRANGER_FRAMES_MAX,
    TERMINALS_PER_STRANGE_LINK_MAX,
)
from protocols.seam import RESULT_FAILURE, RESULT_OK
from tests.intake import toy
from tests.intake.conftest import Rig

ALL = (ipaddress.ip_network("127.0.0.0/8"),)
CAR, STRANGER = "127.0.0.1", "127.0.0.2"


def counted(rig: Rig, name: str, value: int) -> None:
    """Wait until a counter has a value: the peer of a connection may see its end before it is counted."""
    deadline = time.monotonic() + 20
    while (found := rig.intake.counters()[name]) != value:
        assert time.monotonic() < deadline, f"{name} is {found}, not {value}: {rig.intake.counters()}"
        time.sleep(0.005)


def is_served(rig: Rig, phone: int = 9, source: str = CAR) -> None:
    """Log a car in and have a report of it acknowledged."""
    client = rig.client(source)
    rig.login(client, phone, phone * 10)
    client.send(toy.frame("R", phone, 1, 1))
    assert client.replies(1) == [("R", 1, RESULT_OK)]


def table_of(rig: Rig) -> np.ndarray:
    """Return the table of addresses, (n, ADDRESS_WORDS) int64, itself."""
    area = next(area for area in rig.intake._areas if area.ctypes.data == rig.intake.state[loop.ADDRESSES])
    return area.view(np.int64).reshape(-1, loop.ADDRESS_WORDS)  # type: ignore[no-any-return]


def test_an_address_has_so_many_connections_and_another_is_served(make_rig: Any) -> None:
    rig = make_rig(links_per_address_max=3, links_per_address_minute_max=1)
    held = [rig.client(STRANGER) for _ in range(3)]
    counted(rig, "links_live", 3)
    assert rig.turns_away(STRANGER)
    counted(rig, "links_refused_address", 1)
    is_served(rig)
    # A place that is free again is used, though a minute has not gone by: each connection is paid for once.
    held[0].close()
    counted(rig, "links_closed", 1)
    assert rig.turns_away(STRANGER)
    counted(rig, "links_refused_rate", 1)


def test_an_address_opens_so_many_connections_a_minute(make_rig: Any) -> None:
    rig = make_rig(links_per_address_max=5, links_per_address_minute_max=600)
    for _ in range(5):
        rig.client(STRANGER).close()
    counted(rig, "links_closed", 5)
    refused = 0
    started = time.monotonic()
    while rig.intake.counters()["links_accepted"] == 5:
        client = None
        try:
            client = rig.client(STRANGER)
            client.close()
        except ConnectionResetError:
            refused += 1
        assert time.monotonic() - started < 20
    # Ten a second come in, the others are turned away, and each is counted.
    assert rig.intake.counters()["links_refused_rate"] >= refused
    is_served(rig)


def test_of_one_address_only_so_many_may_be_strangers(make_rig: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.intake.intake.STRANGERS_PER_ADDRESS_MAX", 2)
    rig = make_rig()
    first, second = rig.client(STRANGER), rig.client(STRANGER)
    counted(rig, "links_waiting", 2)
    assert rig.turns_away(STRANGER)
    counted(rig, "links_refused_address", 1)
    # Who has logged in is no stranger any more, and who has logged out is one again.
    link = rig.login(first, 1, 11)
    counted(rig, "links_waiting", 1)
    rig.client(STRANGER)
    counted(rig, "links_waiting", 2)
    rig.intake.evict(link, (0, 1))
    counted(rig, "links_waiting", 3)
    second.close()
    counted(rig, "links_waiting", 2)
    assert rig.turns_away(STRANGER)
    is_served(rig)


def test_where_every_place_of_an_address_is_taken_it_is_turned_away(make_rig: Any) -> None:
    """The table of addresses is full, as if each place belonged to somebody connected: nobody is let in uncounted."""
    rig = make_rig()
    entries = table_of(rig)
    assert len(entries) == ADDRESSES_HEARD_MAX
    assert len(entries) > ADDRESS_PROBES_MAX
    entries[:, loop.ADDRESS_LINKS] = 1
    entries[:, loop.ADDRESS_KEY] = 1 << 40
    assert rig.turns_away(STRANGER)
    counted(rig, "links_refused_address", 1)
    # All but one of the places looked at for it are taken, wherever these begin: there is room.
    entries[::ADDRESS_PROBES_MAX, loop.ADDRESS_LINKS] = 0
    is_served(rig, source=STRANGER)
    assert rig.intake.counters()["links_refused_address"] == 1


def test_trusted_addresses_have_no_limit_of_their_own(make_rig: Any) -> None:
    rig = make_rig(links_per_address_max=1, links_per_address_minute_max=1, trusted=ALL, frames_per_s_max=1)
    clients = [rig.client(STRANGER) for _ in range(20)]
    for phone, client in enumerate(clients, 1):
        rig.login(client, phone, phone + 10)
        client.send(*(toy.frame("R", phone, serial, 1) for serial in range(100)))
        assert len(client.replies(100)) == 100
    counters = rig.intake.counters()
    assert counters["links_refused_address"] + counters["links_refused_rate"] + counters["links_rested"] == 0


def test_who_does_not_log_in_is_shown_out(make_rig: Any) -> None:
    rig = make_rig(login_s_max=0.3)
    quiet, slow, car = rig.client(), rig.client(), rig.client()
    rig.login(car, 7, 70)
    # A byte now and then, and a heartbeat that is refused, are no login.
    slow.send(toy.frame("H", 8, 1), b"#")
    assert quiet.ended()
    assert slow.ended()
    counted(rig, "links_nobody", 2)
    car.send(toy.frame("R", 7, 1, 1))
    assert car.replies(1) == [("R", 1, RESULT_OK)]
    counted(rig, "links_live", 1)


def test_a_login_buys_time_for_us_to_answer_it(make_rig: Any) -> None:
    rig = make_rig(login_s_max=2.0)
    asking, quiet = rig.client(), rig.client()
    for serial in range(4):
        time.sleep(0.5)
        asking.send(toy.frame("L", 7, serial))
    assert quiet.ended()
    rig.read_until(lambda: len(rig.frames) == 4)
    assert rig.intake.counters()["links_nobody"] == 1
    assert rig.intake.admit(rig.frames[-1].link, (0, 7), 70, 170, b"welcome!")
    assert asking.read(8) == b"welcome!"
    # Who is logged out has the same time again.
    rig.intake.evict(rig.frames[-1].link, (0, 7))
    assert asking.ended()
    rig.read_until(lambda: rig.frames[-1].kind == KIND_LINK_CLOSED)
    assert rig.frames[-1].data == b"nobody"


def test_with_all_places_taken_the_oldest_stranger_gives_way_and_no_car_does(make_rig: Any) -> None:
    rig = make_rig(links_max=3, give_way_s_min=0.2)
    car = rig.client()
    rig.login(car, 7, 70)
    oldest, younger = rig.client(), rig.client()
    counted(rig, "links_live", 3)
    # While all are young the newcomer is turned away.
    assert rig.turns_away()
    counted(rig, "links_refused", 1)
    time.sleep(0.3)
    is_served(rig)
    assert oldest.ended()
    counted(rig, "links_nobody", 1)
    is_served(rig, 10)
    assert younger.ended()
    # Only cars are left: they stay.
    assert rig.turns_away()
    counted(rig, "links_refused", 2)
    car.send(toy.frame("R", 7, 1, 1))
    assert car.replies(1) == [("R", 1, RESULT_OK)]


def test_a_stranger_is_read_so_many_frames(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    client.send(*(toy.frame("H", 7, serial) for serial in range(STRANGER_FRAMES_MAX)))
    assert {result for _, _, result in client.replies(STRANGER_FRAMES_MAX)} == {RESULT_FAILURE}
    client.send(toy.frame("H", 7, 1))
    assert client.ended()
    counted(rig, "links_garbage", 1)
    # A car is a stranger until it has logged in, and may say as much again if it was.
    is_served(rig)


def test_a_stranger_is_read_so_many_bytes(make_rig: Any) -> None:
    rig = make_rig()
    client = rig.client()
    piece = b"x" * 1000 + toy.frame("H", 7, 1)
    for _ in range(STRANGER_BYTES_MAX // len(piece)):
        client.send(piece)
        client.replies(1)
    assert rig.intake.counters()["links_garbage"] == 0
    client.send(piece)
    assert client.ended()
    counted(rig, "links_garbage", 1)


def test_what_a_terminal_sends_too_much_of_waits_and_none_of_it_is_lost(make_rig: Any) -> None:
    rig = make_rig(frames_per_s_max=100, rate_at_once_s=1)
    flood, other = rig.client(), rig.client()
    rig.login(flood, 7, 70)
    rig.login(other, 8, 80)
    started = time.monotonic()
    flood.send(*(toy.frame("R", 7, serial, serial) for serial in range(200)))
    assert len(flood.replies(200)) == 200
    flood.send(*(toy.frame("R", 7, serial, serial) for serial in range(200, 300)))
    counted(rig, "links_resting", 1)
    # Meanwhile others are served at once.
    other.send(toy.frame("R", 8, 1, 1))
    assert other.replies(1) == [("R", 1, RESULT_OK)]
    assert rig.intake.counters()["links_resting"] == 1
    assert flood.replies(100)[-1] == ("R", 299, RESULT_OK)
    assert time.monotonic() - started > 0.9
    rig.read_until(lambda: len(rig.rows) == 301)
    assert rig.intake.counters()["links_rested"] >= 1


def test_bytes_are_charged_as_frames_are(make_rig: Any) -> None:
    rig = make_rig(bytes_per_s_max=1024, rate_at_once_s=1)
    client = rig.client()
    rig.login(client, 7, 70)
    client.send(*(toy.frame("R", 7, serial, serial) for serial in range(128)))
    counted(rig, "links_rested", 1)
    client.send(toy.frame("R", 7, 999, 1))
    assert client.replies(129)[-1] == ("R", 999, RESULT_OK)


def test_who_has_sent_too_much_does_not_get_more_by_connecting_anew(make_rig: Any) -> None:
    rig = make_rig(frames_per_s_max=100, rate_at_once_s=1)
    first, second = rig.client(), rig.client()
    rig.login(first, 7, 70)
    first.send(*(toy.frame("R", 7, serial, serial) for serial in range(300)))
    counted(rig, "links_resting", 1)
    first.close()
    # It is not read while it rests, so that its end is seen when it has.
    rig.read_until(lambda: rig.frames[-1].kind == KIND_LINK_CLOSED)
    rig.login(second, 7, 70)
    second.send(*(toy.frame("R", 7, serial, serial) for serial in range(50)))
    counted(rig, "links_rested", 2)
    # Another terminal has its own.
    third = rig.client()
    rig.login(third, 8, 80)
    third.send(*(toy.frame("R", 8, serial, serial) for serial in range(50)))
    assert len(third.replies(50)) == 50
    assert rig.intake.counters()["links_rested"] == 2


@pytest.mark.parametrize("trusted", [(), ALL])
def test_on_a_shared_connection_only_the_terminal_that_floods_is_let_go(make_rig: Any, trusted: Any) -> None:
    rig = make_rig(frames_per_s_max=1, rate_at_once_s=20, trusted=trusted)
    client = rig.client()
    for phone in (1, 2, 3):
        rig.login(client, phone, phone + 10)
    for phone in (1, 2):
        client.send(*(toy.frame("R", phone, serial, serial) for serial in range(25)))
        replies = client.replies(20)
        assert [serial for _, serial, _ in replies] == list(range(20))
    counted(rig, "frames_let_go", 10)
    # Unacknowledged, they are not in the journal either; the third notices nothing.
    if trusted:
        client.send(toy.frame("R", 3, 99, 5))
        assert client.replies(1) == [("R", 99, RESULT_OK)]
    rig.read_until(lambda: len(rig.rows) == 40 + bool(trusted))


def test_a_connection_of_a_stranger_is_shared_by_so_many_and_the_next_one_s_actor_hears_that_it_is_out(
    make_rig: Any,
) -> None:
    rig = make_rig()
    client = rig.client()
    for phone in range(1, TERMINALS_PER_STRANGE_LINK_MAX + 1):
        link = rig.login(client, phone, phone + 10)
    client.send(toy.frame("L", 99, 1))
    rig.read_until(lambda: rig.frames[-1].phone == (0, 99))
    rig.intake.admit(link, (0, 99), 990, 1090, b"welcome!")
    rig.read_until(lambda: rig.frames[-1].kind == KIND_TERMINAL_SILENT)
    assert (rig.frames[-1].terminal, rig.frames[-1].vehicle_id, rig.frames[-1].data) == (990, 1090, b"full")
    client.send(toy.frame("R", 99, 2, 1), toy.frame("R", 1, 3, 1))
    assert client.replies(2) == [("R", 2, RESULT_FAILURE), ("R", 3, RESULT_OK)]
    assert rig.intake.counters()["admissions_refused"] == 1
    # What was refused gives no room for more logins: the connection ends as any that asks too often.
    client.send(*(toy.frame("L", 99, 1) for _ in range(FRAMES_BEFORE_LOGIN_MAX)))
    assert client.ended()


def test_a_forwarding_platform_may_say_all_its_logins_at_once(make_rig: Any) -> None:
    rig = make_rig(trusted=ALL, terminals_per_link_max=100)
    client = rig.client()
    client.send(*(toy.frame("L", phone, serial) for serial in (1, 2) for phone in range(1, 101)))
    rig.read_until(lambda: len(rig.frames) == 200)
    for frame in rig.frames[100:]:
        phone = frame.phone[1]
        assert rig.intake.admit(frame.link, frame.phone, phone, phone + 100, b"welcome!")
    client.read(8 * 100)
    client.send(*(toy.frame("R", phone, 3, phone) for phone in range(1, 101)))
    assert {result for _, _, result in client.replies(100)} == {RESULT_OK}
    # A stranger may not.
    rig = make_rig()
    client = rig.client()
    client.send(*(toy.frame("L", phone, 1) for phone in range(FRAMES_BEFORE_LOGIN_MAX + 1)))
    assert client.ended()
    counted(rig, "links_garbage", 1)


def test_a_frame_that_comes_a_byte_at_a_time_is_no_sign_of_life(make_rig: Any) -> None:
    rig = make_rig(idle_s=1.0)
    client = rig.client()
    rig.login(client, 7, 70)
    ended = False
    for byte in toy.frame("R", 7, 1, 1)[:-1]:
        time.sleep(0.25)
        try:
            client.send(bytes([byte]))
        except OSError:
            ended = True
            break
    assert ended or client.ended()
    counted(rig, "links_silent", 1)


def test_connections_come_and_go_and_every_count_of_them_ends_at_nothing(make_rig: Any) -> None:
    rig = make_rig(links_per_address_max=200, links_per_address_minute_max=60_000)
    for turn in range(5):
        clients = [rig.client(f"127.0.0.{2 + k % 7}") for k in range(60)]
        for phone in range(0, 60, 3):
            rig.login(clients[phone], phone + 1, 1 + phone)
        for client in clients[turn::2] + clients[turn - 1 :: 2]:
            client.close()
        for client in clients:
            client.close()
    counted(rig, "links_live", 0)
    counted(rig, "links_waiting", 0)
    entries = table_of(rig)
    used = entries[entries[:, loop.ADDRESS_KEY] != 0]
    assert len(used) == 7
    assert not used[:, [loop.ADDRESS_LINKS, loop.ADDRESS_STRANGERS]].any()
    assert rig.intake.state[loop.WAITING] == rig.intake.state[loop.WAITING + 1] == 0


@given(st.ip_addresses(), st.data())
def test_an_address_is_in_a_network_where_its_bits_are(address: Any, data: st.DataObject) -> None:
    prefix = data.draw(st.integers(0, address.max_prefixlen))
    network = ipaddress.ip_network((address, prefix), strict=False)
    other = data.draw(st.ip_addresses(v=address.version))
    high, low, mask_high, mask_low = network_words(network)
    for one in (address, other):
        alone = network_words(ipaddress.ip_network(one))
        found = (alone[0] ^ high) & mask_high == 0 and (alone[1] ^ low) & mask_low == 0
        assert found == (one in network), f"{one=} {network=}"
