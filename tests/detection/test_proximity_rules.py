"""Near approaches: who is scored and who is not."""

import math
from typing import Any

import pytest

from actors.detection import Detection
from core.events import Event, ProximityRisked
from core.kernels.proximity import NEIGHBOURS_MAX
from core.rules import GroupRule, ProximityRule, Rules
from tests.detection.reports import EQUATOR, NOON, rows, table, units

pytestmark = pytest.mark.usefixtures("as_they_come")


def car(vehicle: int, east_m: float, north_m: float, course: int, kmh: float, at_ms: int = 0) -> dict[str, Any]:
    return {
        "vehicle_id": vehicle,
        "terminal": vehicle,
        "lat_1e7": units(north_m),
        "lon_1e7": EQUATOR[1] + units(east_m),
        "course_deg": course,
        "speed_kmh10": round(kmh * 10),
        "time_ms": NOON + at_ms,
        "report_id": vehicle * 1_000_000 + at_ms + 1,
    }


def risked(events: list[Event]) -> list[ProximityRisked]:
    return [event.payload for event in events if isinstance(event.payload, ProximityRisked)]


def judge(*made: dict[str, Any], rule: ProximityRule | None = None) -> list[ProximityRisked]:
    return risked(
        Detection(table(), rules=Rules([GroupRule(1, "proximity", 1, rule)] if rule else [])).judge(rows(*made))
    )


def test_two_cars_that_cross_at_once_are_scored_with_time_and_distance() -> None:
    # Both reach the crossing in a second and a half.
    (seen,) = judge(car(1, -25, 0, 90, 60), car(2, 0, -25, 0, 60, 0))
    assert (seen.vehicle_id, seen.other_vehicle_id, seen.miss_m10, seen.seconds10) == (2, 1, 0, 15)
    assert seen.score == int(100 * (1 - 1.5 / 5))
    assert seen.closing_kmh10 == pytest.approx(600 * math.sqrt(2), abs=1)


def test_the_other_car_is_carried_forward_to_the_time_of_the_report() -> None:
    (seen,) = judge(car(1, -25 - 100 / 3, 0, 90, 60), car(2, 0, -25, 0, 60, 2000))
    assert (seen.miss_m10, seen.seconds10) == (0, 15)


@pytest.mark.parametrize(
    "made",
    [
        (car(1, 0, 0, 0, 0), car(2, 2, 0, 0, 0)),  # parked beside one another
        (car(1, 0, 0, 90, 60), car(2, -10, 0, 90, 80)),  # in a lane, 20 km/h apart
        (car(1, -25, 0, 270, 60), car(2, 0, -25, 180, 60)),  # driving away
        (car(1, -25, 0, 90, 60), car(2, 40, -25, 0, 60)),  # one passes well behind the other
        (car(1, -25, 0, 90, 100), car(2, 25, 3, 270, 100)),  # the lanes of one road
        (car(1, -25, 0, 90, 60), car(2, 0, -25, 0, 60, 4000)),  # the other was heard four seconds ago
    ],
)
def test_ordinary_traffic_is_not_told(made: tuple[dict[str, Any], ...]) -> None:
    assert judge(*made) == []


def test_cars_of_different_groups_do_not_see_one_another() -> None:
    known = table()
    known.group[2] = 2
    assert risked(Detection(known).judge(rows(car(1, -25, 0, 90, 60), car(2, 0, -25, 0, 60)))) == []


def test_a_pair_is_told_once_in_its_cooldown() -> None:
    crossing = [(car(1, -25, 0, 90, 60, at), car(2, 0, -25, 0, 60, at)) for at in (0, 1000, 299_000, 302_000)]
    assert [seen.report_id for seen in judge(*(one for pair in crossing for one in pair))] == [
        f"{crossing[n][1]['report_id']:016x}" for n in (0, 3)
    ]


def test_past_the_bound_of_neighbours_the_rest_is_counted() -> None:
    detection = Detection(table(NEIGHBOURS_MAX + 8, NEIGHBOURS_MAX + 8))
    made = [car(v, 10, 10 + v / 10, 0, 60) for v in range(1, NEIGHBOURS_MAX + 3)]
    detection.judge(rows(*made, car(NEIGHBOURS_MAX + 3, 20, 20, 0, 60)))
    assert detection.statistics()["proximity.neighbours_cut"] > 0
