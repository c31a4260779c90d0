"""Coordinates as Chinese maps say them: WGS-84 to GCJ-02 to BD-09, and back.

Maps sold in China are drawn in GCJ-02 (国测局坐标, "Mars coordinates"), which shifts every point by some hundreds of
metres; Baidu shifts them once more (BD-09). A fence copied from such a map is that far beside the road. Inside
everything is WGS-84: conversions happen once, where a file comes in or goes out.

Source: the transformation was never published by its owner; these are the constants and formulas that the trade has
used since 2010 (eviltransform, coordtransform), and they agree with one another to the last digit. The ellipsoid is
Krasovsky's of 1940. The inverse has no formula: it is found by iteration, which contracts by a factor of about 1e-4.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal

import numpy as np

System = Literal["wgs84", "gcj02", "bd09"]
SYSTEMS: Final[tuple[System, ...]] = ("wgs84", "gcj02", "bd09")

LON_SHIFTED: Final = (72.004, 137.8347)
LAT_SHIFTED: Final = (0.8293, 55.8271)
"""Points outside of this box are the same in GCJ-02 as in WGS-84. It is coarser than the country: Hong Kong, Taiwan and
parts of the neighbours lie in it, and maps of them may not be shifted. Whether a point is in it is asked of the point
as it is given, in either direction: right at the rim there and back may differ by the shift."""

_AXIS_M: Final = 6_378_245.0
_ECCENTRICITY_SQUARED: Final = 0.00669342162296594323
_BAIDU_TURN: Final = np.pi * 3000 / 180
_BAIDU_LON: Final = 0.0065
_BAIDU_LAT: Final = 0.006

EXACT_DEGREES: Final = 1e-9
"""How exactly an inverse is found: a tenth of a millimetre, so that seven decimals go there and back unchanged."""
ROUNDS_MAX: Final = 12
"""The first guess is off by 0.01 degree, and each round leaves a thousandth at most: four do. The rest is slack."""

Points = tuple[np.ndarray, np.ndarray]


def convert(lons: np.ndarray, lats: np.ndarray, given: System, wanted: System) -> Points:
    """Return points in another system.

    Args:
        lons, lats: (n,) float64, degrees. What is not finite stays so.
        given, wanted: the system that they are in, and the one that they are to be in.
    """
    lons, lats = np.asarray(lons, np.float64), np.asarray(lats, np.float64)
    if given == wanted:
        return lons, lats
    first, last = SYSTEMS.index(given), SYSTEMS.index(wanted)
    ways = _ONWARDS[first:last] if first < last else _BACKWARDS[last:first][::-1]
    for way in ways:
        lons, lats = way(lons, lats)
    return lons, lats


def wgs84_to_gcj02(lons: np.ndarray, lats: np.ndarray) -> Points:
    """Return WGS-84 degrees shifted to GCJ-02; outside of the box as they are."""
    shift_lon, shift_lat = _shift(lons, lats)
    return lons + shift_lon, lats + shift_lat


def gcj02_to_wgs84(lons: np.ndarray, lats: np.ndarray) -> Points:
    """Return GCJ-02 degrees without their shift, to EXACT_DEGREES; outside of the box as they are."""
    inside = _is_shifted(lons, lats)
    found_lons, found_lats = _found(np.where(inside, lons, np.nan), lats, lambda x, y: _added(x, y, *_offset(x, y)))
    return np.where(inside, found_lons, lons), np.where(inside, found_lats, lats)


def gcj02_to_bd09(lons: np.ndarray, lats: np.ndarray) -> Points:
    """Return GCJ-02 degrees as Baidu says them. Baidu turns and shifts every point, in China or not."""
    distance = np.hypot(lons, lats) + 0.00002 * np.sin(lats * _BAIDU_TURN)
    angle = np.arctan2(lats, lons) + 0.000003 * np.cos(lons * _BAIDU_TURN)
    return distance * np.cos(angle) + _BAIDU_LON, distance * np.sin(angle) + _BAIDU_LAT


def bd09_to_gcj02(lons: np.ndarray, lats: np.ndarray) -> Points:
    """Return Baidu's degrees as GCJ-02, to EXACT_DEGREES.

    The inverse formula that is passed around is off by up to half a metre; a fence that goes out and comes in would
    creep.
    """
    return _found(lons, lats, gcj02_to_bd09)


def _is_shifted(lons: np.ndarray, lats: np.ndarray) -> np.ndarray:
    in_lon = (lons >= LON_SHIFTED[0]) & (lons <= LON_SHIFTED[1])
    return in_lon & (lats >= LAT_SHIFTED[0]) & (lats <= LAT_SHIFTED[1])


def _shift(lons: np.ndarray, lats: np.ndarray) -> Points:
    inside = _is_shifted(lons, lats)
    # What lies outside may be any number; a square root of it is none of our business.
    lon, lat = _offset(np.where(inside, lons, 105.0), np.where(inside, lats, 35.0))
    return np.where(inside, lon, 0.0), np.where(inside, lat, 0.0)


def _offset(lons: np.ndarray, lats: np.ndarray) -> Points:
    """Return the shift in degrees, by the formula, wherever the points are."""
    x, y = lons - 105.0, lats - 35.0
    root = np.sqrt(np.abs(x))
    wave = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    angle = np.radians(lats)
    curve = 1.0 - _ECCENTRICITY_SQUARED * np.sin(angle) ** 2
    meridian_m = _AXIS_M * (1.0 - _ECCENTRICITY_SQUARED) / curve**1.5
    parallel_m = _AXIS_M / np.sqrt(curve) * np.cos(angle)
    return np.degrees(east / parallel_m), np.degrees(north / meridian_m)


def _added(lons: np.ndarray, lats: np.ndarray, east: np.ndarray, north: np.ndarray) -> Points:
    return lons + east, lats + north


def _found(lons: np.ndarray, lats: np.ndarray, way: Callable[[np.ndarray, np.ndarray], Points]) -> Points:
    """Return the points that `way` brings to the given ones."""
    there = np.isfinite(lons) & np.isfinite(lats)
    x, y = np.where(there, lons, 105.0), np.where(there, lats, 35.0)
    wanted_x, wanted_y = x, y
    for _ in range(ROUNDS_MAX):
        off_x, off_y = way(x, y)
        off_x, off_y = off_x - wanted_x, off_y - wanted_y
        x, y = x - off_x, y - off_y
        if not len(x) or max(np.abs(off_x).max(), np.abs(off_y).max()) < EXACT_DEGREES:
            break
    return np.where(there, x, lons), np.where(there, y, lats)


_ONWARDS: Final[tuple[Callable[[np.ndarray, np.ndarray], Points], ...]] = (wgs84_to_gcj02, gcj02_to_bd09)
_BACKWARDS: Final[tuple[Callable[[np.ndarray, np.ndarray], Points], ...]] = (gcj02_to_wgs84, bd09_to_gcj02)

NAMES: Final[Mapping[str, System]] = MappingProxyType(
    {
        "wgs84": "wgs84",
        "wgs-84": "wgs84",
        "wgs 84": "wgs84",
        "crs84": "wgs84",
        "epsg:4326": "wgs84",
        "epsg::4326": "wgs84",
        "cgcs2000": "wgs84",
        "epsg:4490": "wgs84",
        "epsg::4490": "wgs84",
        "gcj02": "gcj02",
        "gcj-02": "gcj02",
        "gcj 02": "gcj02",
        "bd09": "bd09",
        "bd-09": "bd09",
        "bd09ll": "bd09",
        "bd 09": "bd09",
    }
)
"""What files call a system, in small letters. CGCS2000 is WGS-84 to within centimetres."""


def system_named(text: str) -> System | None:
    """Return the system that a file names, None if nobody knows it. The longest name that stands in the text counts."""
    lowered = text.strip().lower()
    found = [name for name in NAMES if name in lowered]
    return NAMES[max(found, key=len)] if found else None
