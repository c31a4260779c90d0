"""WGS-84, GCJ-02 and BD-09: as others convert, and there and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.coordinates import (
    LAT_SHIFTED,
    LON_SHIFTED,
    NAMES,
    SYSTEMS,
    System,
    bd09_to_gcj02,
    convert,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    system_named,
    wgs84_to_gcj02,
)

SHIFTED = [
    # eviltransform, its test vectors: Shanghai, Shenzhen, Beijing.
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
    # coordtransform, the example of its page.
    ((116.404, 39.915), (116.41024449916938, 39.91640428150164)),
]
"""(longitude, latitude) in WGS-84 and GCJ-02, as two programs that know nothing of one another have them."""
BAIDU = ((116.404, 39.915), (116.41036949371029, 39.92133699351021))
"""GCJ-02 and BD-09, the example of coordtransform's page."""
METRE = 1 / 111_195


def one(lon: float, lat: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([lon]), np.array([lat])


@pytest.mark.parametrize(("wgs84", "gcj02"), SHIFTED)
def test_points_are_shifted_as_others_shift_them(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert np.allclose(np.ravel(wgs84_to_gcj02(*one(*wgs84))), gcj02, rtol=0, atol=1e-12)
    assert np.allclose(np.ravel(gcj02_to_wgs84(*one(*gcj02))), wgs84, rtol=0, atol=1e-9)


def test_baidu_shifts_once_more() -> None:
    assert np.allclose(np.ravel(gcj02_to_bd09(*one(*BAIDU[0]))), BAIDU[1], rtol=0, atol=1e-12)
    assert np.allclose(np.ravel(bd09_to_gcj02(*one(*BAIDU[1]))), BAIDU[0], rtol=0, atol=1e-9)
    # The published inverse, which is not exact: 116.404, 39.915 -> 116.39762729119315, 39.90865673957631.
    inverse = np.ravel(bd09_to_gcj02(*one(*BAIDU[0])))
    assert np.abs(inverse - (116.39762729119315, 39.90865673957631)).max() < 0.5 * METRE
    chained = convert(*one(*SHIFTED[0][0]), "wgs84", "bd09")
    assert np.allclose(np.ravel(chained), np.ravel(gcj02_to_bd09(*one(*SHIFTED[0][1]))), rtol=0, atol=1e-12)


inside = st.tuples(
    st.floats(LON_SHIFTED[0] + 0.02, LON_SHIFTED[1] - 0.02), st.floats(LAT_SHIFTED[0] + 0.02, LAT_SHIFTED[1] - 0.02)
)


@given(st.lists(inside, max_size=20), st.sampled_from(SYSTEMS), st.sampled_from(SYSTEMS))
def test_there_and_back_is_the_same_to_a_tenth_of_the_last_decimal(
    points: list[tuple[float, float]], given_: System, wanted: System
) -> None:
    lons, lats = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    there = convert(lons, lats, given_, wanted)
    back = convert(*there, wanted, given_)
    assert np.allclose(back[0], lons, rtol=0, atol=1e-8)
    assert np.allclose(back[1], lats, rtol=0, atol=1e-8)
    if given_ != wanted:
        # Never more than 2 km: nowhere has anybody seen a larger shift.
        assert np.abs(there[0] - lons).max(initial=0) < 2_000 * METRE * 2
    # Nine decimals written down are enough for seven to come back.
    written = convert(np.round(there[0], 9), np.round(there[1], 9), wanted, given_)
    assert np.array_equal(np.round(written[0] * 1e7 - lons * 1e7), np.zeros(len(lons)))


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_outside_of_the_box_nothing_is_shifted(lon: float, lat: float) -> None:
    is_in = LON_SHIFTED[0] <= lon <= LON_SHIFTED[1] and LAT_SHIFTED[0] <= lat <= LAT_SHIFTED[1]
    for way in (wgs84_to_gcj02, gcj02_to_wgs84):
        x, y = way(*one(lon, lat))
        assert ((x[0], y[0]) == (lon, lat)) == (not is_in)


def test_what_is_no_number_stays_so() -> None:
    lons, lats = np.array([np.nan, 121.0, np.inf]), np.array([31.0, np.nan, 31.0])
    for wanted in SYSTEMS[1:]:
        with np.errstate(invalid="ignore"):
            x, y = convert(lons, lats, wanted, "wgs84")
        assert not np.isfinite(x + y).any()
    assert [len(part) for part in convert(np.array([]), np.array([]), "bd09", "wgs84")] == [0, 0]


def test_a_file_may_name_its_system_in_the_usual_ways() -> None:
    assert all(system_named(name.upper()) == system for name, system in NAMES.items())
    assert system_named("urn:ogc:def:crs:OGC:1.3:CRS84") == "wgs84"
    assert system_named("urn:ogc:def:crs:EPSG::4490") == "wgs84"
    assert system_named("GCJ-02 (高德)") == "gcj02"
    assert system_named("EPSG:3857") is None
    assert system_named("") is None
