"""A thinned track lies nowhere: every point is one that was sent, at its time, and none is far from the line kept."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.kernels.geodesy import EARTH_RADIUS_M, METRES_PER_UNIT
from core.kernels.track import (
    GAP_MS,
    LEG_DRIVEN,
    LEG_GAP,
    LEG_JUMP,
    LEG_STOOD,
    STOP_MS,
    WINDOW,
    Survey,
    east_1e7,
    survey,
    thin,
)
from protocols.report import ODOMETER_NONE

NOON = 1_750_000_000_000
EQUATOR_LON = 1_100_000_000


class Track:
    """Columns of a track, written as metres on the equator: a second, or a given time, from point to point."""

    def __init__(self, *points: tuple[float, float], step_ms: int = 1000, speed_kmh: float = 40.0) -> None:
        self.x = np.array([x for x, _ in points])
        self.y = np.array([y for _, y in points])
        self.time_ms = NOON + step_ms * np.arange(len(points), dtype=np.int64)
        self.lat = np.round(self.y / METRES_PER_UNIT).astype(np.int32)
        self.lon = (EQUATOR_LON + np.round(self.x / METRES_PER_UNIT)).astype(np.int32)
        self.speed = np.full(len(points), round(speed_kmh * 10), np.uint16)
        self.odometer = np.full(len(points), ODOMETER_NONE, np.int64)
        self.marks = np.zeros(len(points), np.int64)

    def survey(self) -> Survey:
        return survey(self.time_ms, self.lat, self.lon, self.speed, self.odometer)

    def thin(self, tolerance_m: float) -> list[int]:
        return thin(self.time_ms, self.lat, self.lon, tolerance_m, self.marks, self.survey()).tolist()


def deviation_m(track: Track, kept: list[int]) -> float:
    """Oracle of another kind: each point against the place that the kept ones give for its time, on a great circle."""
    worst = 0.0
    for a, b in itertools.pairwise(kept):
        for at in range(a + 1, b):
            took = int(track.time_ms[b] - track.time_ms[a])
            part = (int(track.time_ms[at]) - int(track.time_ms[a])) / took if took else 0.0
            lat = track.lat[a] + part * (int(track.lat[b]) - int(track.lat[a]))
            lon = track.lon[a] + part * (int(track.lon[b]) - int(track.lon[a]))
            worst = max(worst, great_circle_m(lat, lon, int(track.lat[at]), int(track.lon[at])))
    return worst


def great_circle_m(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Return the angle between two points by vectors, times the radius."""

    def vector(lat: float, lon: float) -> np.ndarray:
        phi, theta = math.radians(lat / 1e7), math.radians(lon / 1e7)
        return np.array([math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)])

    a, b = vector(lat_a, lon_a), vector(lat_b, lon_b)
    return EARTH_RADIUS_M * math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b))


steps = st.tuples(
    st.sampled_from([0.0, 3.0, 15.0, 60.0, 400.0]) | st.floats(-80, 80),
    st.sampled_from([0.0, -3.0, 15.0]) | st.floats(-80, 80),
)


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    moves = draw(st.lists(steps, min_size=1, max_size=60))
    times = draw(st.lists(st.sampled_from([0, 1000, 10_000, 400_000]), min_size=len(moves), max_size=len(moves)))
    track = Track(*np.cumsum(moves, axis=0).tolist())
    track.time_ms = NOON + np.cumsum(np.array(times, np.int64))
    size = len(moves)
    track.speed = np.array(draw(st.lists(st.sampled_from([0, 30, 31, 600]), min_size=size, max_size=size)), np.uint16)
    track.marks = np.array(draw(st.lists(st.sampled_from([0, 0, 0, 1, 5]), min_size=size, max_size=size)), np.int64)
    return track


@given(tracks(), st.sampled_from([0.0, 1.0, 5.0, 30.0]))
def test_no_point_is_farther_from_the_thinned_track_than_the_tolerance(track: Track, tolerance_m: float) -> None:
    kept = track.thin(tolerance_m)
    assert kept == sorted(set(kept)), "a point was made up, or stands twice"
    assert kept[0] == 0
    assert kept[-1] == len(track.time_ms) - 1
    # The oracle rounds by another rule.
    assert deviation_m(track, kept) <= tolerance_m * 1.001 + 0.02


@given(tracks())
def test_every_change_of_an_alarm_and_every_end_of_a_stop_a_gap_or_a_jump_is_kept(track: Track) -> None:
    kept = set(track.thin(1e6))
    found = track.survey()
    for at in range(1, len(track.marks)):
        if track.marks[at] != track.marks[at - 1] or found.leg[at] in (LEG_GAP, LEG_JUMP):
            assert {at - 1, at} <= kept
    for stop in found.stops:
        assert {stop.first, stop.last} <= kept
        assert set(found.leg[stop.first + 1 : stop.last + 1]) == {LEG_STOOD}


def test_a_straight_road_at_one_speed_needs_its_ends_alone() -> None:
    track = Track(*[(20.0 * k, 0.0) for k in range(100)])
    assert track.thin(1.0) == [0, 99]


def test_where_a_car_brakes_is_kept_though_it_leaves_no_corner() -> None:
    """On the map alone two points would do; a replay would then pass the light without waiting."""
    track = Track((0, 0), (100, 0), (200, 0), (200, 0), (200, 0), (200, 0), (300, 0))
    assert track.thin(5.0) == [0, 2, 5, 6]


def test_a_long_track_keeps_a_point_in_a_window_and_so_stays_quick() -> None:
    track = Track(*[(10.0 * k, 0.0) for k in range(5 * WINDOW)])
    kept = track.thin(1e9)
    assert max(np.diff(kept)) <= WINDOW
    assert len(kept) <= 7


def test_a_track_of_one_point_or_none() -> None:
    assert Track((0, 0)).thin(5.0) == [0]
    nothing = Track()
    assert nothing.thin(5.0) == []
    assert nothing.survey().distance_m == 0
    assert nothing.survey().stops == []


def test_the_shorter_way_over_the_antimeridian() -> None:
    assert east_1e7(1_799_999_000, -1_799_999_000) == 2000
    assert east_1e7(-1_799_999_000, 1_799_999_000) == -2000
    track = Track(*[(20.0 * k, 0.0) for k in range(100)])
    shifted = track.lon.astype(np.int64) + (1_800_000_000 - int(track.lon[50]))
    track.lon = np.where(shifted > 1_800_000_000, shifted - 3_600_000_000, shifted).astype(np.int32)
    assert track.thin(1.0) == [0, 99]


def test_a_distance_is_the_odometers_where_it_was_sent() -> None:
    track = Track(*[(100.0 * k, 0.0) for k in range(11)], step_ms=10_000)
    assert track.survey().distance_m == pytest.approx(1000, abs=0.1)
    assert track.survey().odometer_share == 0
    track.odometer = 5_000 + 110 * np.arange(11, dtype=np.int64)
    assert track.survey().distance_m == 1100
    assert track.survey().odometer_share == 1
    track.odometer[:6] = ODOMETER_NONE
    assert track.survey().distance_m == pytest.approx(6 * 100 + 4 * 110, abs=0.1)


def test_a_counter_that_never_counts_is_not_believed() -> None:
    track = Track(*[(100.0 * k, 0.0) for k in range(11)], step_ms=10_000)
    track.odometer[:] = 0
    assert track.survey().distance_m == pytest.approx(1000, abs=0.1)


def test_an_odometer_in_hundreds_of_metres_is_not_lost_where_a_car_stands() -> None:
    track = Track(*[(30.0 * min(k, 10), 0.0) for k in range(20)], step_ms=10_000)
    track.speed[11:] = 0
    track.odometer = np.array([0] * 4 + [100] * 4 + [200] * 5 + [300] * 7, np.int64)
    assert track.survey().distance_m == 300
    assert track.survey().leg[13] == LEG_STOOD


def test_a_jump_is_set_aside() -> None:
    track = Track((0, 0), (100, 0), (9000, 0), (300, 0), (400, 0), step_ms=10_000)
    found = track.survey()
    assert found.leg.tolist() == [LEG_DRIVEN, LEG_DRIVEN, LEG_JUMP, LEG_JUMP, LEG_DRIVEN]
    assert found.jumps == 2
    assert found.distance_m == pytest.approx(200, abs=0.1)


def test_silence_is_a_gap_where_the_car_is_elsewhere_afterwards_and_standing_where_it_is_not() -> None:
    track = Track((0, 0), (100, 0), (2000, 0), (2010, 0), step_ms=GAP_MS + 1000)
    found = track.survey()
    assert found.leg.tolist() == [LEG_DRIVEN, LEG_STOOD, LEG_GAP, LEG_STOOD]
    assert (found.gaps, found.gap_ms, found.stood_ms) == (1, GAP_MS + 1000, 2 * (GAP_MS + 1000))
    assert found.distance_m == 0
    track.odometer = np.array([0, 0, 2500, 2500], np.int64)
    assert track.survey().distance_m == 2500, "the odometer counted through the silence"


def test_standing_long_enough_is_a_stop_and_a_red_light_is_none() -> None:
    long, short = STOP_MS // 10_000, 3
    points = [(100.0 * k, 0.0) for k in range(5)]
    track = Track(*points, *[(500.0, 0.0)] * (long + 1), *[(600.0, 0.0)] * (short + 1), (700.0, 0.0), step_ms=10_000)
    track.speed[5 : 5 + long + 1] = 0
    track.speed[6 + long : 6 + long + short + 1] = 0
    found = track.survey()
    assert found.stops == [(5, 5 + long)]
    assert found.stood_ms == 10_000 * (long + short)
    assert found.driven_ms + found.stood_ms == 10_000 * (len(track.time_ms) - 1)
