"""Metres from coordinates of 1e-7 degree: the haversine distance, a local plane, and the width of a circle.

The earth is the sphere of the mean radius (IUGG, 6,371,008.8 m): against the ellipsoid a distance is wrong by at most
0.56 %, which no fence drawn by hand notices.
"""

import math
from typing import Final

import numpy as np
from numba import njit, types

EARTH_RADIUS_M: Final = 6_371_008.8
RADIANS_PER_UNIT: Final = math.pi / 180 / 1e7
METRES_PER_UNIT: Final = EARTH_RADIUS_M * RADIANS_PER_UNIT
"""Length of 1e-7 degree of latitude: 11.12 mm."""
LAT_MAX_1E7: Final = 900_000_000
LON_MAX_1E7: Final = 1_800_000_000


@njit(types.float64(types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True)
def distance_m(lat_a_1e7, lon_a_1e7, lat_b_1e7, lon_b_1e7):  # type: ignore[no-untyped-def]
    """Return the great-circle distance of two points in metres.

    Good at any distance, across the antimeridian too: only differences of longitude enter, through a squared sine.

    Source: haversine formula, Sinnott, Sky and Telescope 68(2), 1984.
    """
    half_lat = math.sin((lat_b_1e7 - lat_a_1e7) * RADIANS_PER_UNIT * 0.5)
    half_lon = math.sin((lon_b_1e7 - lon_a_1e7) * RADIANS_PER_UNIT * 0.5)
    chord = half_lat * half_lat
    chord += math.cos(lat_a_1e7 * RADIANS_PER_UNIT) * math.cos(lat_b_1e7 * RADIANS_PER_UNIT) * half_lon * half_lon
    # Rounding may lift opposite points a hair above 1.
    return 2.0 * EARTH_RADIUS_M * math.asin(math.sqrt(min(chord, 1.0)))


@njit(
    types.float64(types.int64, types.int64, types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True
)
def segment_distance_m(lat_1e7, lon_1e7, lat_a_1e7, lon_a_1e7, lat_b_1e7, lon_b_1e7):  # type: ignore[no-untyped-def]
    """Return the distance in metres from a point to the segment a–b, in the plane that touches the earth at the point.

    Right to a few millimetres where the nearest place on the segment is within a kilometre (it serves margins of tens
    of metres); farther away only the order of size is right. a = b is a point.
    """
    metres_east = METRES_PER_UNIT * math.cos(lat_1e7 * RADIANS_PER_UNIT)
    x_a = (lon_a_1e7 - lon_1e7) * metres_east
    y_a = (lat_a_1e7 - lat_1e7) * METRES_PER_UNIT
    along_x = (lon_b_1e7 - lon_a_1e7) * metres_east
    along_y = (lat_b_1e7 - lat_a_1e7) * METRES_PER_UNIT
    square = along_x * along_x + along_y * along_y
    part = 0.0
    if square > 0.0:
        part = min(1.0, max(0.0, -(x_a * along_x + y_a * along_y) / square))
    x = x_a + part * along_x
    y = y_a + part * along_y
    return math.sqrt(x * x + y * y)


def circle_box(lat_1e7: int, lon_1e7: int, radius_m: float) -> tuple[int, int, int, int]:
    """Return (lat_min, lon_min, lat_max, lon_max) in 1e-7 degree: the box around a circle, rounded outwards.

    Where the circle crosses the antimeridian the longitudes go on beyond 180 degrees.

    Source: the meridians that touch a circle, sin(width) = sin(radius) / cos(lat), Bronshtein, spherical triangles.

    Raises:
        ValueError: the circle reaches a pole.
    """
    angle = radius_m / EARTH_RADIUS_M
    height = math.ceil(angle / RADIANS_PER_UNIT) + 1
    if abs(lat_1e7) + height >= LAT_MAX_1E7:
        raise ValueError(f"a circle of {radius_m:g} m at latitude {lat_1e7 / 1e7:.5f} reaches the pole")
    width = math.ceil(math.asin(math.sin(angle) / math.cos(lat_1e7 * RADIANS_PER_UNIT)) / RADIANS_PER_UNIT) + 1
    return lat_1e7 - height, lon_1e7 - width, lat_1e7 + height, lon_1e7 + width


def metres_to_units(metres: float) -> int:
    """Return a distance as 1e-7 degrees of latitude, rounded up."""
    return int(np.ceil(metres / METRES_PER_UNIT))
