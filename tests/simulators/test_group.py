"""The demo's dealer group: every car has a store and a VIN, every fence a place in the city."""

from collections import Counter

import pytest

from simulators import group
from simulators.city import to_wgs84
from simulators.roads import City, build

LETTERS = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"


@pytest.fixture(scope="module")
def city() -> City:
    return build(1)


def check_digit(vin: str) -> str:
    """ISO 3779 as a table of pairs, each letter with its number."""
    numbers = dict(zip("ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789", strict=True))
    weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2]
    rest = sum(int(numbers.get(sign, sign)) * weight for sign, weight in zip(vin, weights, strict=True)) % 11
    return "X" if rest == 10 else str(rest)


def test_a_check_digit_is_that_of_the_standard() -> None:
    # The example that every description of the rule gives.
    assert check_digit("11111111111111111") == "1"
    assert check_digit("1M8GDM9AXKP042788") == "X"
    vins = [group.vin_of(number) for number in range(0, 10_000_000, 99_991)]
    assert len(set(vins)) == len(vins)
    for vin in vins:
        assert len(vin) == 17
        assert set(vin) <= set(LETTERS)
        assert vin[8] == check_digit(vin)


def test_every_store_has_cars_and_the_flagship_most(city: City) -> None:
    stores = group.stores(city)
    cars = Counter(group.store_of(number, len(stores)) for number in range(200))
    assert set(cars) == set(range(len(stores)))
    assert cars[0] > 1.8 * max(cars[number] for number in range(1, len(stores)))
    assert len({store.code for store in stores}) == len(stores)
    assert all(29.9 < store.lat < 30.1 and 149.9 < store.lon < 150.1 for store in stores)


def test_fences_are_closed_lie_in_the_city_and_name_cars_that_there_are(city: City) -> None:
    fences = group.fences(city, 60)
    assert {fence.kind for fence in fences} == {"circle", "polygon", "corridor"}
    assert len({fence.name for fence in fences}) == len(fences)
    assert {fence.store for fence in fences} == {-1, 0, len(group.stores(city)) - 1}
    assert {"role", "hours", "dwell_s", "expected", "speed_limit_kmh"} <= {rule for one in fences for rule in one.rules}
    holes = 0
    for fence in fences:
        if fence.kind == "circle":
            paths = [[fence.geometry["centre"]]]
        elif fence.kind == "corridor":
            paths = [fence.geometry["coordinates"]]
            assert len(paths[0]) > 10
        else:
            paths = fence.geometry["coordinates"]
            assert all(ring[0] == ring[-1] and len(ring) > 4 for ring in paths)
            holes += len(paths) - 1
        assert all(abs(lon - 150) < 0.11 and abs(lat - 30) < 0.1 for path in paths for lon, lat in path), fence.name
        assert fence.cars is None or (fence.cars and max(fence.cars) < 60)
    assert holes == 1


def test_the_route_is_driven_along_streets_from_one_store_to_another(city: City) -> None:
    (route,) = [fence for fence in group.fences(city, 60) if fence.kind == "corridor"]
    line = route.geometry["coordinates"]
    first, last = group.stores(city)[:2]
    for (lon, lat), store in ((line[0], first), (line[-1], last)):
        assert abs(lon - store.lon) < 0.004
        assert abs(lat - store.lat) < 0.004
    lons, lats = to_wgs84(city.points["x_m"], city.points["y_m"])[::-1]
    on_street = set(zip(lons.round(6).tolist(), lats.round(6).tolist(), strict=True))
    assert {(lon, lat) for lon, lat in line} <= on_street
