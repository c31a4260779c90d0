"""What people change reaches the running node: a terminal entered, moved and retired through the API."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from bench.servers import ChildServer, start_carillon
from protocols.jt808.messages import Authenticate, Register
from tests.line.conftest import Line, place, until

PHONES = itertools.count(13_700_000_001)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    """A server that lets in only whom somebody entered."""
    child = start_carillon(tmp_path_factory.mktemp("closed") / "data", registration="known")
    yield child
    child.stop()


@pytest.fixture
def door(closed: ChildServer) -> Iterator[Line]:
    one = Line(closed)
    yield one
    one.close()


def asked(line: Line, method: str, path: str, body: Any = None, expected: int = 200) -> Any:
    status, answer = line.server.ask(method, f"/api/v1{path}", body)
    assert status == expected, answer
    return answer


def test_an_entered_terminal_logs_in_at_once_and_a_stranger_knocks(door: Line) -> None:
    phone = str(next(PHONES))
    terminal = door.terminal(phone)
    assert terminal.register().result == 4, "nobody knows it"
    [knock] = [one for one in asked(door, "GET", "/terminals/knocking")["items"] if one["phone"] == phone]
    assert (knock["terminal_id"], knock["address"], knock["count"]) == ("T000001", "127.0.0.1", 1)
    entered = asked(door, "POST", "/terminals", {"phone": phone, "plate": "粤B70001"}, 201)
    until(lambda: terminal.register().result == 0)
    terminal.login()
    shown = asked(door, "GET", f"/terminals/{entered['terminal']}")["terminal"]
    assert (shown["state"], shown["version"], shown["plate"]) == ("online", 2013, "粤B70001")
    assert [one for one in asked(door, "GET", "/terminals/knocking")["items"] if one["phone"] == phone] == []


def test_a_car_that_moves_carries_its_new_store_in_live_rows_and_events_at_once(door: Line) -> None:
    store = asked(door, "POST", "/stores", {"code": "N01", "name_zh": "城北店", "name_en": "North"}, 201)["id"]
    phone = str(next(PHONES))
    entered = asked(door, "POST", "/terminals", {"phone": phone, "plate": "粤B70002"}, 201)
    car = entered["vehicle_id"]
    terminal = door.terminal(phone)
    until(lambda: terminal.register().result == 0)
    terminal.login()
    terminal.report(place(1))
    followed = door.counter("gateway_changes_total")
    asked(door, "PATCH", f"/vehicles/{car}", {"store": store})
    until(lambda: door.counter("gateway_changes_total") > followed)
    terminal.report(place(2, alarm=1))
    [pressed] = until(lambda: door.events("sos.", vehicle_id=car))
    assert pressed["store"] == store
    shown = asked(door, "GET", f"/terminals/{entered['terminal']}")["terminal"]
    assert (shown["state"], shown["store"]) == ("online", store), "a car that moves is not logged out"


def test_a_rebound_terminal_logs_in_anew_and_reports_for_its_new_car(door: Line) -> None:
    phone = str(next(PHONES))
    first = asked(door, "POST", "/terminals", {"phone": phone, "plate": "粤B70003"}, 201)
    other = asked(door, "POST", "/terminals", {"phone": str(next(PHONES)), "plate": "粤B70004"}, 201)
    terminal = door.terminal(phone)
    until(lambda: terminal.register().result == 0)
    terminal.login()
    car = other["vehicle_id"]
    asked(door, "PUT", f"/terminals/{first['terminal']}/binding", {"vehicle_id": car, "role": "camera"})
    assert terminal.ended(), "its connection is closed, so that it logs in again"
    again = terminal.again()
    again.login()
    again.report(place(3))
    [stored] = until(lambda: door.stored(phone))
    assert stored["vehicle_id"] == car
    [ended] = door.events("terminal.session.closed", terminal=first["terminal"])
    assert ended["payload"]["reason"] == "rebound"


def test_a_retired_terminal_is_refused_from_then_on(door: Line) -> None:
    phone = str(next(PHONES))
    entered = asked(door, "POST", "/terminals", {"phone": phone}, 201)
    terminal = door.terminal(phone)
    until(lambda: terminal.register().result == 0)
    terminal.login()
    asked(door, "DELETE", f"/terminals/{entered['terminal']}")
    assert terminal.ended()
    again = terminal.again()
    again.say(0x0100, Register(44, 300, "CARIL", "X1", "T000001", 1, "粤B1"))
    reply: Any = again.hear(0x8100).body
    assert reply.result == 4
    serial = again.say(0x0102, Authenticate(terminal.code))
    assert again.answer() == (serial, 0x0102, 1)
    [knock] = [one for one in asked(door, "GET", "/terminals/knocking")["items"] if one["phone"] == phone]
    assert knock["retired"]
