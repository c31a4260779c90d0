"""The demo's dealer group: every car has a store and a VIN, every fence a place in the city."""

from collections import Counter

import pytest

from simulators import group
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
    assert {fence.kind for fence in fences} == {"circle", "polygon"}
    assert len({fence.name for fence in fences}) == len(fences)
    assert {fence.store for fence in fences} == {-1, len(group.stores(city)) - 1}
    for fence in fences:
        if fence.kind == "polygon":
            (ring,) = fence.geometry["coordinates"]
            assert ring[0] == ring[-1]
            assert len(ring) > 4
        else:
            ring = [fence.geometry["centre"]]
        assert all(abs(lon - 150) < 0.11 and abs(lat - 30) < 0.1 for lon, lat in ring), fence.name
        assert fence.cars is None or (fence.cars and max(fence.cars) < 60)
