"""bench.geofence compares lookups that agree, bench.detect judges with every detector: a tiny form of both."""

import random

from actors.detectors import DETECTORS
from bench import detect, geofence
from core.kernels.geofence import Circle, Corridor, Polygon, build_index


def test_our_answers_are_shapelys_and_every_figure_is_there() -> None:
    figures = geofence.measure(fence_count=60, vehicles=50, positions=20_000, turns=2, seed=2)
    assert {"lookup_ns", "shapely_ns", "times_faster", "judged_ns", "judged_lookups", "build_s", "index_mb"} <= set(
        figures
    )
    assert figures["fences_at_a_position"] > 0


def test_the_fences_are_of_all_kinds_and_some_are_judged_by_hours() -> None:
    fences = geofence.drawn(100, random.Random(1))
    assert {type(fence.shape) for fence in fences} == {Polygon, Circle, Corridor}
    assert any(fence.hours for fence in fences)
    assert any(fence.dwell_ms for fence in fences)
    assert any(fence.speed_limit_kmh10 for fence in fences)


def test_every_detector_is_measured() -> None:
    index = build_index(geofence.drawn(20, random.Random(1)))
    figures = detect.measure(vehicles=50, index=index, reports=500, seed=1)
    assert {"whole_ns", "events_per_1000", *(f"{row.name}_ns" for row in DETECTORS)} <= set(figures)
