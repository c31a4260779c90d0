"""The demo's dealer group: its stores, whose car is whose, and the fences it has drawn in the city.

Plain figures for whoever enters them (`carillon up --demo`); nothing here knows of a database.
"""

import itertools
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from simulators.city import ARTERIAL, to_wgs84
from simulators.roads import City

FORECOURT_M: Final = 200.0
"""Radius of the fence around a store: its forecourt, and the street in front of it."""
TEST_DRIVES: Final = 12
"""Every so many-th car is a demonstrator of its store, which is to stay in the test-drive area."""
FLEET_CARS: Final = 5
"""Every so many-th car belongs to a customer with a yard of its own."""
ROUTE_WIDTH_M: Final = 70.0
"""An avenue with its crossings, and as much again for the fixes of a cheap receiver."""
ZONE_AWAY_M: Final = 900.0
ZONE_M: Final = 380.0
"""How far from the flagship the slow avenue lies, and its radius."""
EVERY_DAY: Final = (1, 2, 3, 4, 5, 6, 7)


class Store(NamedTuple):
    """A store of the group, at a place on the map."""

    code: str
    name_zh: str
    name_en: str
    lat: float
    lon: float


class Fence(NamedTuple):
    """A fence: its GeoJSON-like geometry as storage takes it, and for whom it is judged."""

    name: str
    kind: Literal["circle", "polygon", "corridor"]
    geometry: dict[str, Any]
    colour: str
    store: int
    """Number of the store whose it is, as in `stores`, from 0; -1: the group's."""
    cars: tuple[int, ...] | None
    """Numbers of the cars it is for; None: all of the store, or of the group."""
    rules: Mapping[str, Any] = MappingProxyType({})
    """What it is judged by besides entering and leaving, as storage takes it: role, hours, dwell_s …"""


def stores(city: City) -> list[Store]:
    """Return the group's stores, in the order of the city's dealers."""
    found: list[Store] = []
    for dealer in city.dealers:
        lat, lon = to_wgs84(dealer.x_m, dealer.y_m)
        code = f"S{len(found) + 1:02d}"
        found.append(Store(code, dealer.name_zh, dealer.name_en, round(float(lat), 6), round(float(lon), 6)))
    return found


def store_of(number: int, count: int) -> int:
    """Return the store that car `number` belongs to, of `count`: the flagship has twice as many as any other."""
    return max(0, number % (count + 1) - 1)


def vin_of(number: int) -> str:
    """Return the VIN of car `number`: 17 characters with the check digit in its place, of a maker that does not exist.

    Check digit: the sum of values times weights, modulo 11 (GB 16735, ISO 3779).
    """
    text = f"LZ9CLN6E0{'ABCDEFGHJKLMNPRSTVWXY'[number // 1_000_000]}C{number % 1_000_000:06d}"
    total = sum(_VIN_VALUES[sign] * weight for sign, weight in zip(text, _VIN_WEIGHTS, strict=True))
    return f"{text[:8]}{'0123456789X'[total % 11]}{text[9:]}"


_VIN_VALUES: Final = dict(
    zip(
        "0123456789ABCDEFGHJKLMNPRSTUVWXYZ", [*range(10), *range(1, 9), 1, 2, 3, 4, 5, 7, 9, *range(2, 10)], strict=True
    )
)
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def fences(city: City, cars: int) -> list[Fence]:
    """Return the group's fences, for so many cars: one of each kind, and each rule on some fence that cars drive to."""
    drawn = []
    for number, dealer in enumerate(city.dealers):
        place = {"centre": _position(dealer.x_m, dealer.y_m), "radius_m": FORECOURT_M}
        zh, en = _district(city, number)
        rules: dict[str, Any] = {} if number else {"dwell_s": 1800}
        colour = "#1f5fbf" if number else "#0b3d91"
        drawn.append(Fence(f"{zh}店前场 {en} forecourt", "circle", place, colour, -1, None, rules))
    middle = city.dealers[0]
    demonstrators = tuple(range(5, cars, TEST_DRIVES))
    area = _blob(middle.x_m, middle.y_m, 3400.0, 2700.0, 12, 0.3)
    # Where no beginner should drive: whoever crosses it leaves the area and comes back to it.
    busy = _blob(middle.x_m + 1100.0, middle.y_m + 700.0, 520.0, 400.0, 7, 0.8)
    area["coordinates"].append(busy["coordinates"][0][::-1])
    drawn.append(Fence("试驾区域 Test-drive area", "polygon", area, "#7a4fb5", -1, demonstrators))
    route = {"coordinates": _way(city, 0, 1), "width_m": ROUTE_WIDTH_M}
    drawn.append(
        Fence(
            "试驾路线 Test-drive route",
            "corridor",
            route,
            "#a02658",
            0,
            None,
            {"role": "route"},
        )
    )
    yard = {"coordinates": [[_position(x, y) for x, y in _grown(middle.lot, 12.0)]]}
    zh, en = _district(city, 0)
    nights = [{"days": EVERY_DAY, "from": "20:00", "to": "08:00"}]
    drawn.append(Fence(f"{zh}店夜间停车场 {en} yard by night", "polygon", yard, "#4b5666", 0, None, {"hours": nights}))
    slow = _avenue(city, middle.x_m, middle.y_m)
    drawn.append(
        Fence(
            "学校路段限速 School zone",
            "circle",
            {"centre": _position(*slow), "radius_m": ZONE_M},
            "#a32718",
            -1,
            None,
            {"speed_limit_kmh": 40, "speed_s": 10, "hours": [{"days": EVERY_DAY, "from": "06:30", "to": "22:30"}]},
        )
    )
    last = len(city.dealers) - 1
    dealer = city.dealers[last]
    zh, en = _district(city, last)
    zone = _blob(dealer.x_m, dealer.y_m, 1500.0, 1200.0, 9, 1.1)
    drawn.append(Fence(f"{zh}上门取送车范围 {en} pick-up zone", "polygon", zone, "#2e8b57", last, None))
    # A yard beside a kerb that many drive to: cars park there, so somebody always comes and goes.
    kerb = city.kerbs[len(city.dealers) + 3]
    edge = city.edges[kerb["edge"]]
    corner = city.points[edge["first_point"] + edge["points"] // 2]
    yard = _blob(float(corner["x_m"]), float(corner["y_m"]), 700.0, 520.0, 6, 0.2)
    workdays = (1, 2, 3, 4, 5, 6)
    shifts = [{"days": workdays, "from": "08:00", "to": "12:00"}, {"days": workdays, "from": "12:00", "to": "20:00"}]
    # Kept by their terminals too: these warn their drivers by themselves.
    rules = {"dwell_s": 1200, "expected": shifts, "on_terminals": True, "terminal": {"leave_driver": True}}
    fleet = tuple(range(0, cars, FLEET_CARS))
    drawn.append(Fence("恒达物流园 Hengda yard", "polygon", yard, "#b5651d", -1, fleet, rules))
    return drawn


def _way(city: City, start: int, goal: int) -> list[list[float]]:
    """Return the line that cars drive from one store's kerb to another's."""
    goal_edge = int(city.kerbs[goal]["edge"])
    edge = int(city.kerbs[start]["edge"])
    driven: list[int] = []
    # A way is found in far fewer edges than the city has: each brings it nearer.
    while edge >> 1 != goal_edge >> 1 and len(driven) < len(city.edges):
        edge = int(city.next_edge[goal, city.edges[edge]["end"]])
        driven.append(edge)
    places = [
        _position(float(point["x_m"]), float(point["y_m"]))
        for number in driven
        for point in city.points[city.edges[number]["first_point"] :][: city.edges[number]["points"]]
    ]
    return [place for place, _ in itertools.groupby(places)]


def _avenue(city: City, x_m: float, y_m: float) -> tuple[float, float]:
    """Return the middle of the wide street nearest to ZONE_AWAY_M from a place."""
    wide = np.flatnonzero((city.edges["rank"] == ARTERIAL) & (city.edges["length_m"] > 150))
    middle = city.edges["first_point"][wide] + city.edges["points"][wide] // 2
    x, y = city.points["x_m"][middle], city.points["y_m"][middle]
    best = int(np.argmin(np.abs(np.hypot(x - x_m, y - y_m) - ZONE_AWAY_M)))
    return float(x[best]), float(y[best])


def _grown(ring: np.ndarray, by_m: float) -> list[tuple[float, float]]:
    """Return a closed ring drawn away from its middle, each corner by so many metres."""
    middle = ring[:-1].mean(axis=0)
    away = ring - middle
    return [(x, y) for x, y in (ring + by_m * away / np.hypot(*away.T)[:, None]).tolist()]


def _district(city: City, number: int) -> tuple[str, str]:
    """Return the district that a store is called after, without the word: 钟楼, Zhonglou."""
    zh, en = city.plan.districts[city.dealers[number].district][:2]
    return zh.removesuffix("区"), en


def _position(x_m: float, y_m: float) -> list[float]:
    lat, lon = to_wgs84(x_m, y_m)
    return [round(float(lon), 6), round(float(lat), 6)]


def _blob(
    x_m: float, y_m: float, half_length_m: float, half_width_m: float, corners: int, turn: float
) -> dict[str, Any]:
    """Return a polygon as a hand draws one around a place: not quite an ellipse."""
    ring = []
    for angle in np.linspace(0, 2 * math.pi, corners, endpoint=False) + turn:
        reach = 1 + 0.12 * math.sin(3 * angle) + 0.06 * math.cos(5 * angle)
        u, v = half_length_m * reach * math.cos(angle), half_width_m * reach * math.sin(angle)
        ring.append(_position(x_m + u, y_m + v))
    return {"coordinates": [[*ring, ring[0]]]}
