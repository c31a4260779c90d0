"""Boards: what one scope's cars look like in a tick, and what brings a receiver of an earlier tick there."""

import numpy as np
import pytest

from api.live import (
    ALARM_CRASH,
    ALARM_OTHER,
    ALARM_SOS,
    EMPTY,
    GONE,
    HEARTBEAT,
    IGNITION,
    MOVING,
    NO_FIX,
    ONLINE,
    SNAPSHOT,
    UPDATE,
    Board,
    encode,
    in_scope,
)
from core import limits
from core.rights import Scope
from protocols.report import FLAG_NO_FIX
from tests.live.cars import Cars, Receiver


def board_of(cars: Cars, tick: int = 0) -> Board:
    records = encode(cars.rows(), cars.online_rows(cars.table))
    return Board(tick, 0, records, np.full(len(records), tick, np.int64))


def after(board: Board, cars: Cars) -> Board:
    return board.next(board.tick + 1, 0, encode(cars.rows(), cars.online_rows(cars.table)))


def kept(receiver: Receiver, board: Board, since: int) -> list[np.ndarray]:
    return [receiver.take(frame) for frame in board.frames(since)]


def test_a_record_says_what_the_row_says() -> None:
    cars = Cars(1)
    cars.table["speed_kmh10"], cars.table["course_deg"], cars.table["status"] = 605, 271, 3
    (record,) = encode(cars.rows(), np.array([True]))
    assert (record["vehicle_id"], record["lat_1e7"], record["lon_1e7"]) == (1, 300_001_234, 1_500_001_234)
    assert (record["time_s"], record["speed_kmh10"], record["course_2deg"]) == (1_700_000_000, 605, 135)
    assert record["flags"] == ONLINE | IGNITION | MOVING


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("alarm", 1, ALARM_SOS),
        ("alarm", 1 << 29, ALARM_CRASH),
        ("alarm", 1 << 30, ALARM_CRASH),
        ("alarm", 2, ALARM_OTHER),
        ("flags", FLAG_NO_FIX, NO_FIX),
        ("speed_kmh10", 50, MOVING),
        ("status", 1, IGNITION),
    ],
)
def test_each_flag_has_its_cause(field: str, value: int, flag: int) -> None:
    cars = Cars(2)
    cars.table[field][0] = value
    records = encode(cars.rows(), np.zeros(2, bool))
    assert records["flags"].tolist() == [flag, 0]


@pytest.mark.parametrize(("precision", "step"), [("street", 10_000), ("district", 100_000)])
def test_less_precision_leaves_no_digits_behind_it(precision: str, step: int) -> None:
    cars = Cars(100)
    cars.table["lat_1e7"][:50] *= -1
    records = encode(cars.rows(), np.zeros(100, bool), precision)
    for name in ("lat_1e7", "lon_1e7"):
        assert not (records[name] % step).any()
        assert (np.abs(records[name] - cars.table[name]) <= step // 2).all()


def test_only_what_changed_is_sent() -> None:
    cars = Cars(5)
    first = board_of(cars)
    cars.drive(2, 4)
    second = after(first, cars)
    receiver = Receiver()
    kept(receiver, first, -1)
    (records,) = kept(receiver, second, 0)
    assert records["vehicle_id"].tolist() == [2, 4]
    assert receiver.kinds == [SNAPSHOT, UPDATE]


def test_a_login_alone_is_a_change() -> None:
    cars = Cars(3)
    first = board_of(cars)
    cars.logged_in[3] = False
    (records,) = kept(Receiver(), after(first, cars), 0)
    assert records["vehicle_id"].tolist() == [3]


def test_nothing_changed_is_a_heartbeat() -> None:
    cars = Cars(3)
    receiver = Receiver()
    assert kept(receiver, after(board_of(cars), cars), 0)[0].size == 0
    assert receiver.kinds == [HEARTBEAT]


def test_who_skipped_ticks_gets_their_changes_in_one() -> None:
    cars = Cars(6)
    board = board_of(cars)
    slow = Receiver()
    kept(slow, board, -1)
    for vehicle in (1, 2, 2, 5):
        cars.drive(vehicle)
        board = after(board, cars)
    (records,) = kept(slow, board, 0)
    assert records["vehicle_id"].tolist() == [1, 2, 5]
    assert slow.cars[2]["lat_1e7"] == cars.table["lat_1e7"][1]


def test_a_car_that_left_is_told_once_and_may_come_back() -> None:
    cars = Cars(4)
    board = board_of(cars)
    receiver = Receiver()
    kept(receiver, board, -1)
    whole = cars.table
    cars.table = whole[[0, 2, 3]]
    board = after(board, cars)
    (records,) = kept(receiver, board, 0)
    assert [(record["vehicle_id"], record["flags"]) for record in records] == [(2, GONE)]
    assert sorted(receiver.cars) == [1, 3, 4]
    board = after(board, cars)
    assert kept(receiver, board, 1)[0].size == 0
    cars.table = whole
    board = after(board, cars)
    (records,) = kept(receiver, board, 2)
    assert records["vehicle_id"].tolist() == [2]
    assert sorted(receiver.cars) == [1, 2, 3, 4]
    # Someone who slept through it all ends up with the same cars.
    assert kept(Receiver(), board, 0)[0]["vehicle_id"].tolist() == [2]


def test_cars_come_and_go_at_random_and_every_receiver_agrees() -> None:
    rng = np.random.default_rng(3)
    cars = Cars(40)
    whole = cars.table.copy()
    board = board_of(cars)
    receivers = [Receiver() for _ in range(4)]
    since = [-1] * 4
    for _ in range(120):
        cars.table = whole[rng.random(40) < 0.7]
        moved = rng.random(40) < 0.2
        whole["lat_1e7"][moved] += 7
        board = after(board, cars)
        for number, receiver in enumerate(receivers):
            if rng.random() < (1.0, 0.5, 0.2, 0.05)[number]:
                kept(receiver, board, since[number])
                since[number] = board.tick
                assert receiver.announced == len(cars.table)
                assert {vehicle: int(car["lat_1e7"]) for vehicle, car in receiver.cars.items()} == dict(
                    zip(cars.table["vehicle_id"].tolist(), cars.table["lat_1e7"].tolist(), strict=True)
                )
    assert min(since) > 0


def test_a_board_of_no_cars_is_a_snapshot_of_none() -> None:
    receiver = Receiver()
    kept(receiver, Board(0, 0, EMPTY, np.zeros(0, np.int64)), -1)
    assert receiver.kinds == [SNAPSHOT]


def test_one_car_past_a_frame_is_a_second_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits.LIVE_CARS_PER_FRAME_MAX * 20 + 24 < 1 << 20
    monkeypatch.setattr("api.live.LIVE_CARS_PER_FRAME_MAX", 10)
    cars = Cars(11)
    receiver = Receiver()
    assert [len(records) for records in kept(receiver, board_of(cars), -1)] == [10, 1]
    assert receiver.kinds == [SNAPSHOT, UPDATE]
    assert len(receiver.cars) == 11
    assert [len(records) for records in kept(receiver, board_of(Cars(10)), -1)] == [10]


def test_the_same_bytes_serve_all_who_are_at_one_tick() -> None:
    cars = Cars(3)
    board = board_of(cars)
    assert board.frames(-1)[0] is board.frames(-1)[0]


def test_a_scope_sees_its_stores_and_its_group_only() -> None:
    cars = Cars(9, stores=3)
    cars.table["group"][0] = 2
    assert in_scope(cars.table, Scope()).sum() == 8
    assert set(cars.table["store"][in_scope(cars.table, Scope(stores=(2,)))]) == {2}
    assert not in_scope(cars.table, Scope(stores=())).any()
