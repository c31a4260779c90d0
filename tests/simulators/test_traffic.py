"""Traffic: the same seed gives the same seconds; no car is too fast, jumps, leaves the road or runs a red light."""

from collections.abc import Iterator

import numpy as np
import pytest

from simulators import roads, traffic
from simulators.traffic import CAR_LENGTH_M, GREEN, RED, Traffic


@pytest.fixture(scope="module")
def city() -> roads.City:
    return roads.build(1)


def lanes_of(world: Traffic) -> Iterator[list[int]]:
    """Yield every lane that has cars, from its tail forwards."""
    for tail in world._tails[world._tails >= 0].tolist():
        lane, number = [], tail
        while number >= 0:
            lane.append(number)
            number = int(world.cars["ahead"][number])
            assert len(lane) < 10_000, "a lane that bites its tail"
        yield lane


def test_the_same_seed_gives_the_same_seconds(city: roads.City) -> None:
    one, two, other = (Traffic(city, 800, seed, crashes_per_hour=2.0) for seed in (3, 3, 4))
    for _ in range(240):
        for world in (one, two, other):
            world.step()
        # Whether anyone looks makes no difference.
        one.place_wgs84(np.arange(50))
    assert one.cars.tobytes() == two.cars.tobytes()
    assert one.cars.tobytes() != other.cars.tobytes()


def test_no_car_is_too_fast_jumps_or_leaves_the_road(city: roads.City) -> None:
    world = Traffic(city, 4000, 1, driving_share=0.5)
    everyone = np.arange(len(world.cars))
    before, braking, odometer = world.place(everyone), [], world.cars["odometer_m"].copy()
    for _ in range(300):
        speed = world.cars["speed_mps"].copy()
        world.step()
        cars, after = world.cars, world.place(everyone)
        driving = cars["lane"] >= 0
        limit = city.edges["limit_mps"][cars["edge"]]
        # A driver may be 8 % over the limit, and has just left a faster street at most.
        assert (cars["speed_mps"] <= 80 / 3.6 * 1.08 + 1e-9).all()
        slow = driving & (cars["position_m"] > 60)
        assert (cars["speed_mps"][slow] <= limit[slow] * 1.08 + 1e-6).all()
        assert (cars["speed_mps"][~driving] == 0).all()
        moved = np.hypot(*(after - before)[:, :2].T)
        # Beyond its speed a car moves sideways only: a lane's width when it leaves the kerb.
        assert (moved - np.maximum(speed, cars["speed_mps"]) < 4.0).all()
        assert (cars["speed_mps"] - speed <= traffic.ACCELERATION_MPS2 + 1e-9)[driving].all()
        braking.append((speed - cars["speed_mps"])[driving])
        assert (cars["position_m"] >= 0).all()
        assert (cars["position_m"] <= city.edges["length_m"][cars["edge"]]).all()
        assert (cars["odometer_m"] >= odometer).all()
        before, odometer = after, cars["odometer_m"].copy()
    felt = np.concatenate(braking)
    assert (felt > 4.5).mean() < 5e-4, "hard braking must be rare"
    assert world.cars["trips"].sum() > 200


def test_cars_in_a_lane_stand_in_order_and_apart(city: roads.City) -> None:
    world = Traffic(city, 6000, 2, driving_share=0.6)
    overlaps = pairs = 0
    for second in range(200):
        world.step()
        if second % 20:
            continue
        seen = 0
        for lane in lanes_of(world):
            position = world.cars["position_m"][lane]
            assert (np.diff(position) >= -1e-9).all()
            overlaps += int((np.diff(position) < CAR_LENGTH_M - 1e-6).sum())
            pairs += len(lane) - 1
            seen += len(lane)
        assert seen == (world.cars["lane"] >= 0).sum()
    assert pairs > 1000
    assert overlaps / pairs < 0.002


def test_cars_queue_at_red_and_nobody_runs_it(city: roads.City) -> None:
    world = Traffic(city, 6000, 1, driving_share=0.6)
    crossed = queues = 0
    for _ in range(240):
        before = world.cars.copy()
        world.step()
        edges = city.edges[before["edge"]]
        lit = (before["lane"] >= 0) & (city.nodes["cycle_s"][edges["end"]] > 0)
        line = edges["length_m"] - roads.STOP_LINE_M
        after = np.where(world.cars["edge"] == before["edge"], world.cars["position_m"], np.inf)
        for number in np.flatnonzero(lit & (before["position_m"] <= line) & (after > line + 0.01)).tolist():
            shown = traffic.light(city.nodes, city.edges, int(before["edge"][number]), world.now_s)
            crossed += 1
            assert shown != RED, number
        standing = lit & (world.cars["speed_mps"] < 0.1) & (world.cars["edge"] == before["edge"])
        queues += int((standing & (world.cars["ahead"] >= 0)).sum())
    assert crossed > 500
    assert queues > 500


def test_lights_give_each_way_its_turn(city: roads.City) -> None:
    node = int(np.flatnonzero(city.nodes["cycle_s"] > 0)[0])
    ways = np.flatnonzero(city.edges["end"] == node)
    cycle = int(city.nodes["cycle_s"][node])
    shown = np.array([[traffic.light(city.nodes, city.edges, int(way), s) for way in ways] for s in range(cycle)])
    phase = city.edges["phase"][ways]
    assert set(phase.tolist()) == {0, 1}
    for column in range(len(ways)):
        assert (shown[:, column] == GREEN).sum() >= 10
    # Never green or amber for both phases at once.
    open_0 = (shown[:, phase == 0] != RED).any(axis=1)
    open_1 = (shown[:, phase == 1] != RED).any(axis=1)
    assert not (open_0 & open_1).any()


def test_a_crashed_car_stops_stays_and_drives_on(city: roads.City) -> None:
    world = Traffic(city, 500, 1, driving_share=0.8, crashes_per_hour=60.0, crash_s=30.0)
    stopped: dict[int, int] = {}
    over = 0
    for _ in range(240):
        world.step()
        for number in np.flatnonzero(world.cars["crashed"]).tolist():
            stopped[number] = stopped.get(number, 0) + 1
            if stopped[number] > 3:
                assert world.cars["speed_mps"][number] < 0.5 or not world.cars["crashed"][number]
        for number in [n for n in stopped if not world.cars["crashed"][n]]:
            assert 28 <= stopped.pop(number) <= 31
            over += 1
    assert over > 20


def test_ten_thousand_cars_keep_moving(city: roads.City) -> None:
    world = Traffic(city, 10_000, 1, driving_share=0.6)
    for _ in range(900):
        world.step()
    driving = world.cars["lane"] >= 0
    assert 0.4 < driving.mean() < 0.8
    assert world.cars["speed_mps"][driving].mean() * 3.6 > 25
    assert world.cars["waited_s"].max() < 400


def test_a_car_that_is_sent_somewhere_gets_there(city: roads.City) -> None:
    world, twin = (Traffic(city, 200, 1, driving_share=0.5) for _ in range(2))
    for _ in range(5):
        world.step()
    parked = int(np.flatnonzero(world.cars["lane"] < 0)[0])
    driving = int(np.flatnonzero(world.cars["lane"] >= 0)[0])
    for number in (parked, driving):
        world.send(number, 3)
    arrived: dict[int, int] = {}
    fastest_brake = 0.0
    before = world.cars["speed_mps"].copy()
    for second in range(2400):
        world.step()
        fastest_brake = max(fastest_brake, float((before - world.cars["speed_mps"])[[parked, driving]].max()))
        before = world.cars["speed_mps"].copy()
        for number in (parked, driving):
            if number not in arrived and world.is_at(number, 3):
                arrived[number] = second
        if len(arrived) == 2:
            break
    assert set(arrived) == {parked, driving}
    # It turns there as any driver does: nobody brakes as in a crash.
    assert fastest_brake < 6.0
    for _ in range(5):
        twin.step()
    assert not twin.is_at(parked, 3)
