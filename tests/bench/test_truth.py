"""bench.truth on streets of its own: its truth is true, its noise is what it says, and its figures come from events."""

import ast
from pathlib import Path

import numpy as np
import pytest

from bench.truth import accidents, evaluate, noise, places, pulses, traffic
from bench.truth.places import ENTERED, EXITED, Place
from bench.truth.traffic import Drives
from protocols.report import ACCELERATION_NONE_MG, CELL_SIGNAL_NONE, ODOMETER_NONE, REPORT, SATELLITES_NONE


@pytest.fixture(scope="module")
def streets() -> Drives:
    return traffic.with_standing(traffic.street_drives(cars=14, duration_s=700, seed=3), before_s=120, after_s=420)


def straight(speed_ms: float, seconds: int, y_m: float = 0.0) -> Drives:
    """Return one car that drives east from x = -500 m."""
    time_s = np.arange(seconds)
    level = np.ones(seconds)
    x_m = speed_ms * time_s - 500.0
    return Drives(
        np.array([0, seconds]),
        time_s,
        x_m,
        y_m * level,
        speed_ms * level,
        np.pi / 2 * level,
        np.ones(seconds, np.bool_),
    )


SQUARE = Place(1, "polygon", (np.array([[-100.0, -100.0], [100.0, -100.0], [100.0, 100.0], [-100.0, 100.0]]),), 0.0)


def test_pulses_know_neither_detectors_nor_kernels() -> None:
    tree = ast.parse(Path(str(pulses.__file__)).read_text(encoding="utf-8"))
    imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"typing", "numpy"}


def test_a_crash_changes_the_speed_by_its_delta_v() -> None:
    rng = np.random.default_rng(1)
    changes = np.array([3.0, 10.0, 18.0])
    for direction in (0.0, np.pi / 2, np.pi):
        waves = pulses.crash_waves(changes, np.full(3, direction), rng)
        way = waves[:, :, :2].sum(axis=1) / 1000 * pulses.G_MS2
        gone = way @ np.array([np.cos(direction), np.sin(direction)])
        # The ringing adds a little.
        assert np.allclose(gone, changes, rtol=0.05)
    peak = pulses.half_sine(np.array([1000.0]), np.array([100.0]), np.array([11.0])).max()
    assert peak == pytest.approx(11.0, rel=1e-3)


def test_a_sensor_clips_at_its_range_and_stands_at_one_g() -> None:
    rng = np.random.default_rng(2)
    hard = pulses.felt(pulses.crash_waves(np.full(40, 30.0), np.full(40, np.pi), rng), np.zeros(40), rng)
    assert np.abs(hard).max() == pytest.approx(16.0)
    assert pulses.peaks_mg(hard, np.full(40, 0.5))[:, 1].min() > 8_000
    still = pulses.felt(np.zeros((40, pulses.WAVE_MS, 3)), np.zeros(40), rng)
    assert np.linalg.norm(still, axis=2).mean() == pytest.approx(1.0, abs=0.01)
    assert not pulses.sets_bit(still, rng).any()


def test_a_pulse_across_two_seconds_is_in_the_peak_of_both() -> None:
    rng = np.random.default_rng(3)
    waves = pulses.crash_waves(np.full(8, 8.0), np.full(8, np.pi), rng)
    peaks = pulses.peaks_mg(pulses.felt(waves, np.zeros(8), rng), np.full(8, 0.95))
    assert (peaks[:, 0] < 1_500).all()
    assert (peaks[:, 1:] > 4_000).all()


def test_a_drive_through_a_square_is_one_entry_and_one_exit() -> None:
    drives = straight(10.0, 120)
    (near,) = places.nearnesses(drives, [SQUARE])
    assert near.beyond_m.min() == pytest.approx(-100.0)
    for period_s in (1, 5):
        told = [interval for interval in places.intervals(near, drives, period_s) if interval.kind]
        assert [interval.kind for interval in told] == [ENTERED, EXITED]
        assert [interval.crossed_s for interval in told] == pytest.approx([40.0, 60.0])
    # 17 s deep inside: too short for two reports of 10 s to be sure of.
    assert not [interval for interval in places.intervals(near, drives, 10) if interval.kind]


def test_a_drive_along_the_boundary_counts_neither_way() -> None:
    drives = straight(10.0, 120, y_m=-95.0)
    (near,) = places.nearnesses(drives, [SQUARE])
    between = places.intervals(near, drives, 1)
    assert not [interval for interval in between if interval.kind]
    assert [interval.spare for interval in between[1:-1]] == [1]


def test_a_crossing_that_nobody_reported_is_not_one_of_those_reported() -> None:
    drives = straight(10.0, 120)
    (near,) = places.nearnesses(drives, [SQUARE])
    outside = np.array([10, 20, 30, 80, 90, 100])
    assert not [interval for interval in places.intervals(near, drives, 1, outside) if interval.kind]
    seen = np.array([10, 20, 45, 50, 80, 90])
    assert [i.kind for i in places.intervals(near, drives, 1, seen) if i.kind] == [ENTERED, EXITED]


def test_places_are_the_fences_that_detection_judges(streets: Drives) -> None:
    laid = places.laid(streets, 20, seed=4)
    assert {place.kind for place in laid} == {"polygon", "circle", "corridor"}
    rng = np.random.default_rng(5)
    x, y = np.repeat(rng.uniform(-200, 3200, (2, 300)), 3, axis=1)
    # Three reports of a car that creeps along at 1 m in 10 s say where it is.
    x = x + np.tile([0.0, 1.0, 2.0], 300)
    rows = np.zeros(900, REPORT)
    rows["lat_1e7"], rows["lon_1e7"] = places.to_1e7(x, y)
    rows["vehicle_id"] = rows["terminal"] = np.repeat(np.arange(1, 301), 3)
    rows["time_ms"] = noise.NOON_MS + np.tile([0, 10_000, 20_000], 300)
    rows["arrival_ms"] = rows["time_ms"] + 500
    rows["report_id"] = np.arange(1, 901)
    rows["odometer_m"], rows["acceleration_mg"] = ODOMETER_NONE, ACCELERATION_NONE_MG
    rows["satellites"], rows["cell_signal"] = SATELLITES_NONE, CELL_SIGNAL_NONE
    rows["status"], rows["speed_kmh10"] = 3, 4
    rows = rows[np.argsort(rows["arrival_ms"], kind="stable")]
    observed = noise.Observed(rows, np.arange(900), np.ones(900, np.bool_))
    told = {
        (car, said.event.payload.fence_id)
        for car, said in evaluate.judged(observed, 300, [places.fence_of(place) for place in laid])
        if said.event.type == "fence.entered"
    }
    beyond = {}
    for place in laid:
        for car, off in enumerate(places.beyond_m(place, x[::3], y[::3]).tolist()):
            beyond[car, place.fence_id] = off
    assert len(told) > 40
    assert all(beyond[pair] < 0.5 for pair in told)
    assert all(pair in told for pair, off in beyond.items() if off < -3.0)


def test_noise_is_gauss_markov_with_jumps_and_the_same_at_every_period() -> None:
    hour = 3600
    stands = Drives(
        np.arange(21) * hour,
        np.tile(np.arange(hour), 20),
        *np.zeros((4, 20 * hour)),
        np.zeros(20 * hour, np.bool_),
    )
    seen = noise.observe(stands, 1, seed=6)
    order = np.lexsort((seen.sample,))
    east = (seen.rows["lon_1e7"][order] - places.ORIGIN_1E7[1]) * places.LON_METRES_PER_UNIT
    north = (seen.rows["lat_1e7"][order] - places.ORIGIN_1E7[0]) * places.METRES_PER_UNIT
    off = np.hypot(east, north)
    assert np.median(np.abs(east)) == pytest.approx(0.6745 * 5.0, rel=0.15)
    assert 0.006 < np.mean(off > 30.0) < 0.012
    calm = east[off < 25]
    assert np.corrcoef(calm[:-60], calm[60:])[0, 1] == pytest.approx(np.exp(-1), abs=0.12)
    sparse = noise.observe(stands, 30, seed=6)
    at = dict(zip(seen.sample.tolist(), seen.rows["lat_1e7"].tolist(), strict=True))
    both = [
        (at[s], lat) for s, lat in zip(sparse.sample.tolist(), sparse.rows["lat_1e7"].tolist(), strict=True) if s in at
    ]
    assert len(both) > 2000
    assert all(dense == thin for dense, thin in both)
    assert (np.diff(seen.rows["arrival_ms"]) >= 0).all()


def test_there_are_as_many_confounders_as_crashes_and_as_many_of_each_class(streets: Drives) -> None:
    cases = accidents.crash_cases(streets, 32, seed=7)
    assert cases.crash.sum() == 32
    assert np.bincount(cases.speed_class[cases.crash]).tolist() == [8, 8, 8, 8]
    assert np.bincount(cases.kind[~cases.crash]).tolist() == [4] * len(pulses.CONFOUNDERS)
    for number in np.flatnonzero(cases.crash):
        own = slice(cases.drives.first[number], cases.drives.first[number + 1])
        after = cases.drives.time_s[own] > cases.when_s[number] + 30
        goes_on = cases.delta_v_kmh[number] < 15
        rolls = accidents.CRASH_KINDS[cases.kind[number]] == "glance"
        assert goes_on or rolls or cases.drives.speed_ms[own][after].max() == 0
    peak = np.maximum.reduceat(cases.happening.acceleration_mg, cases.drives.first[:-1])
    assert peak[cases.crash & (cases.delta_v_kmh > 25)].min() > 6_000


def test_what_brakes_behind_a_crash_begins_with_the_speed_that_the_crash_left() -> None:
    time_s = np.arange(accidents.AFTER_S * accidents.FINE_HZ) / accidents.FINE_HZ
    left = np.where(time_s < 0.37, 14.0, 4.0)
    speed = accidents._braked(left, 0.37, 4.0, np.inf, left)
    assert speed[time_s < 0.37].min() == 14.0
    assert speed[time_s >= 0.37].max() <= 4.0
    assert speed[time_s >= 1.4].max() == 0.0


def test_detection_is_measured_through_its_events(streets: Drives) -> None:
    every, reported = evaluate.Count(), evaluate.Count()
    evaluate.crossings(streets, places.laid(streets, 15, seed=8), 5, 8, every, reported)
    figures = reported.figures()
    assert figures["crossings"] > 20
    assert figures["f1"] > 0.9
    assert every.figures()["crossings"] >= figures["crossings"]
    cases = accidents.crash_cases(streets, 16, seed=8)
    ordinary = [(streets, accidents.everyday(streets, 9))]
    bit = evaluate.crashes(cases, ordinary, 9, 10, "bit")
    assert sum(own["crashes"] for own in bit["classes"].values()) == 16
    assert bit["recall"] > 0.7
    assert bit["ordinary"]["vehicle_hours"] > 2


def test_what_parked_cars_tell_is_counted() -> None:
    figures = evaluate.parked(6.0, seed=10, period_s=30, hours=1.0)
    assert figures["vehicle_hours"] == pytest.approx(5.7)
    assert figures["false"] == figures["false_ignition_off"] + figures["false_idling"]
