"""Tracks come from the store as they are: by the store's day, joined page by page, thinned honestly."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.times import day_bounds, read_day, read_moment, zone_of
from core.kernels.geodesy import METRES_PER_UNIT
from core.limits import TRACK_DAYS_MAX
from protocols.report import FLAG_NO_FIX, FLAG_TIME_BAD, ODOMETER_NONE, REPORT
from storage.clickhouse import ReportStore
from storage.database import Database
from storage.reader import Reader
from tests.api.conftest import KEY, Node
from tests.api.test_vehicles import Cars, person, viewer
from tests.clickhouse_server import clickhouse_server

HOUR_MS = 3_600_000
BERLIN = zone_of("Europe/Berlin")
SPRING = date(2026, 3, 29)
"""In Berlin clocks leap from 2 to 3 on this day: it has 23 hours."""
AUTUMN = date(2026, 10, 25)
LAT, LON = 300_000_000, 1_500_000_000


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportStore]:
    """A store on a ClickHouse server, for all tests here: each uses a vehicle of its own."""
    with clickhouse_server(tmp_path_factory.mktemp("clickhouse")) as dsn:
        store = ReportStore(f"{dsn}/tracks")
        store.ensure_schema()
        yield store
        store.close()


@pytest.fixture
def node(database: Database) -> Node:
    return Node(database, cars=6)


@pytest.fixture
def cars(node: Node) -> Cars:
    return Cars(node)


@pytest.fixture
def ask(node: Node, cars: Cars, reports: ReportStore) -> Iterator[TestClient]:
    reader = Reader(node.database, reports, cars.last_positions)
    with TestClient(create_app(msgspec.structs.replace(node.parts(), live=cars, reader=reader))) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


_tokens = iter(range(1_000_000))


def drive(store: ReportStore, vehicle: int, time_ms: Any, **columns: Any) -> None:
    """Store reports of a vehicle: 20 m north a report at 72 km/h unless told otherwise."""
    time_ms = np.asarray(time_ms, np.int64)
    rows = np.zeros(len(time_ms), REPORT)
    number = np.arange(len(rows))
    rows["vehicle_id"] = rows["terminal"] = vehicle
    rows["time_ms"] = rows["arrival_ms"] = time_ms
    rows["report_id"] = (vehicle << 32) + number
    rows["sequence"] = number
    rows["lat_1e7"] = LAT + np.round(20 * number / METRES_PER_UNIT)
    rows["lon_1e7"] = LON
    rows["speed_kmh10"] = 720
    rows["odometer_m"] = ODOMETER_NONE
    rows["status"] = 3
    for name, values in columns.items():
        rows[name] = values
    store.insert_segment(rows, b"", f"tests:{next(_tokens)}")


def track(ask: TestClient, vehicle: int, headers: dict[str, str] | None = None, **query: Any) -> Any:
    answer = ask.get(f"/api/v1/vehicles/{vehicle}/track", params=query, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_day_is_the_store_s_day_also_when_clocks_change(ask: TestClient, reports: ReportStore) -> None:
    # Vehicle 4 belongs to a store in Berlin, vehicle 1 to one in Shanghai.
    first, last = day_bounds(SPRING, BERLIN)
    assert last - first == 23 * HOUR_MS
    times = [first - 1000, first, first + 12 * HOUR_MS, last - 1000, last]
    drive(reports, 4, times)
    assert track(ask, 4, day="2026-03-29")["columns"]["time_ms"] == times[1:4]
    assert track(ask, 4, day="2026-03-28")["columns"]["time_ms"] == times[:1]
    assert track(ask, 4, day="2026-03-30")["columns"]["time_ms"] == times[4:]
    days = ask.get("/api/v1/vehicles/4/days", params={"from": "2026-03-01", "to": "2026-03-31"}).json()
    assert (days["time_zone"], [(item["day"], item["reports"]) for item in days["items"]]) == (
        "Europe/Berlin",
        [("2026-03-28", 1), ("2026-03-29", 3), ("2026-03-30", 1)],
    )
    drive(reports, 1, times)
    days = ask.get("/api/v1/vehicles/1/days", params={"from": "2026-03-01", "to": "2026-03-31"}).json()
    assert [(item["day"], item["reports"]) for item in days["items"]] == [("2026-03-29", 3), ("2026-03-30", 2)]


def test_a_day_has_25_hours_in_autumn_and_begins_where_clocks_leap_over_midnight() -> None:
    first, last = day_bounds(AUTUMN, BERLIN)
    assert last - first == 25 * HOUR_MS
    beirut = zone_of("Asia/Beirut")
    leap = date(2026, 3, 29)
    before = day_bounds(date(2026, 3, 28), beirut)
    after = day_bounds(leap, beirut)
    assert before[1] == after[0]
    assert after[1] - after[0] == 23 * HOUR_MS


@pytest.mark.parametrize(
    ("text", "moment_ms"),
    [
        ("0", 0),
        ("1774742400000", 1_774_742_400_000),
        ("2026-03-29", 1_774_738_800_000),
        ("2026-03-29T01:30:00", 1_774_744_200_000),
        ("2026-03-29T00:30:00Z", 1_774_744_200_000),
        ("2026-03-29T08:30:00 08:00", 1_774_744_200_000),
        ("2026-03-29T08:30:00.5+08:00", 1_774_744_200_500),
    ],
)
def test_a_time_is_milliseconds_or_iso_8601_in_the_store_s_zone(text: str, moment_ms: int) -> None:
    assert read_moment(text, BERLIN, "from") == moment_ms


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"from": "-1"},
        {"to": "99999999999999999"},
        {"day": "2026-02-30"},
        {"day": "20260230"},
        {"day": "2026-01-01", "from": "0"},
        {"from": "5", "to": "4"},
        {"from": "0", "to": "1774742400000"},
        {"thin": "-1"},
        {"thin": "nan"},
        {"thin": "1001"},
        {"limit": "99"},
        {"limit": "100001"},
        {"cursor": "1-2"},
    ],
)
def test_what_cannot_be_asked_is_refused(ask: TestClient, query: dict[str, str]) -> None:
    answer = ask.get("/api/v1/vehicles/1/track", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request"), answer.text


def test_pages_of_a_track_join_also_where_a_clock_stands_still(ask: TestClient, reports: ReportStore) -> None:
    moment = 1_770_000_000_000
    times = [moment] * 250 + [moment + 1000 * k for k in range(1, 120)]
    drive(reports, 2, times)
    query = {"from": moment, "to": moment + HOUR_MS}
    seen: list[int] = []
    cursor = ""
    pages = 0
    while True:
        page = track(ask, 2, limit=100, cursor=cursor, **query)
        # Five kilometres in no time: the first fixes after them are taken for jumps, and stand apart.
        seen += sorted(page["columns"]["time_ms"] + page["aside"]["time_ms"])
        pages += 1
        if page["next"] is None:
            break
        cursor = page["next"]
    assert seen == times
    assert pages == 4


def test_a_thinned_track_is_made_of_points_that_were_sent(ask: TestClient, reports: ReportStore) -> None:
    moment = 1_771_000_000_000
    number = np.arange(400)
    east = np.where(number < 200, 0, 15 * (number - 200))
    alarm = np.zeros(400, np.uint32)
    alarm[100:103] = 1
    drive(
        reports,
        3,
        moment + 1000 * number,
        lat_1e7=LAT + np.round(20 * np.minimum(number, 200) / METRES_PER_UNIT),
        lon_1e7=LON + np.round(east / METRES_PER_UNIT),
        alarm=alarm,
    )
    query = {"from": moment, "to": moment + HOUR_MS}
    whole = track(ask, 3, **query)
    thin = track(ask, 3, thin=5, **query)
    assert (whole["points"], whole["kept"], thin["points"]) == (400, 400, 400)
    assert thin["kept"] < 20
    assert thin["summary"] == whole["summary"]
    points = set(zip(*(whole["columns"][name] for name in ("time_ms", "lat", "lon", "alarm")), strict=True))
    kept = list(zip(*(thin["columns"][name] for name in ("time_ms", "lat", "lon", "alarm")), strict=True))
    assert set(kept) <= points
    seconds = [(time_ms - moment) // 1000 for time_ms, *_ in kept]
    assert {0, 99, 100, 102, 103, 200, 399} <= set(seconds)


def test_a_summary_says_how_far_how_long_and_what_was_set_aside(ask: TestClient, reports: ReportStore) -> None:
    moment = 1_772_000_000_000
    times = [moment + 10_000 * k for k in range(20)] + [moment + 10_000 * 19 + HOUR_MS]
    speed = [720] * 5 + [0] * 14 + [900] * 2
    place = [200 * min(k, 4) for k in range(19)] + [1000, 9000]
    flags = [0] * 21
    flags[18] = FLAG_NO_FIX
    drive(
        reports,
        5,
        times,
        speed_kmh10=speed,
        lat_1e7=LAT + np.round(np.array(place) / METRES_PER_UNIT),
        flags=flags,
    )
    drive(reports, 5, [moment + 5], report_id=1, flags=FLAG_TIME_BAD)
    found = track(ask, 5, **{"from": moment, "to": moment + 2 * HOUR_MS})
    summary = found["summary"]
    assert (found["points"], found["kept"], summary["unplaced"]) == (21, 20, 1)
    assert summary["distance_m"] == pytest.approx(1000, abs=1)
    assert summary["distance_from"] == "positions"
    assert (summary["gaps"], summary["silent_s"], summary["jumps"]) == (1, 3600, 0)
    assert (summary["stopped_s"], summary["max_speed_kmh"]) == (120, 90)
    assert [(stop["from_ms"], stop["to_ms"]) for stop in summary["stops"]] == [(times[5], times[17])]
    assert found["broken"] == [19]


def test_geojson_is_answered_to_who_asks_for_it(ask: TestClient, reports: ReportStore) -> None:
    moment = 1_773_000_000_000
    drive(reports, 6, [moment, moment + 1000, moment + 2000])
    answer = ask.get(f"/api/v1/vehicles/6/track?from={moment}", headers={"Accept": "application/geo+json"})
    assert answer.headers["content-type"] == "application/geo+json"
    line = answer.json()["features"][0]
    assert line["geometry"]["type"] == "MultiLineString"
    assert line["geometry"]["coordinates"][0][0] == [150.0, 30.0]
    assert line["properties"]["time_ms"] == [[moment, moment + 1000, moment + 2000]]


def test_a_track_is_shown_as_exactly_as_one_may_see_and_is_written_down(
    ask: TestClient, cars: Cars, reports: ReportStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 1_774_000_000_000
    drive(reports, 1, [moment, moment + 1000], lat_1e7=LAT + 12_345)
    street = person(cars.people, monkeypatch, viewer((1,), account=9, precision="street"))
    found = track(ask, 1, street, **{"from": moment})
    assert found["columns"]["lat"] == [30.001, 30.001]
    with cars.node.database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT account, what, vehicle, from_ms, rows FROM access WHERE account = 9"
        ).all()
    assert rows == [(9, "track", 1, moment, 2)]


def test_a_car_that_never_reported_has_an_empty_track(ask: TestClient) -> None:
    found = track(ask, 6, day="2020-01-01")
    assert (found["points"], found["next"], found["summary"]["first_ms"], found["broken"]) == (0, None, None, [])
    assert ask.get("/api/v1/vehicles/6/days", params={"to": "2020-01-01"}).json()["items"] == []


def test_a_calendar_is_bounded(ask: TestClient) -> None:
    first = date(2020, 1, 1)
    for days, status in ((TRACK_DAYS_MAX, 200), (TRACK_DAYS_MAX + 1, 400)):
        asked = {"from": str(first), "to": str(first + timedelta(days=days - 1))}
        assert ask.get("/api/v1/vehicles/6/days", params=asked).status_code == status


def test_mileage_of_a_day_is_the_odometer_s(ask: TestClient, reports: ReportStore) -> None:
    first, _ = day_bounds(read_day("2026-05-05", "day"), zone_of("Asia/Shanghai"))
    drive(reports, 3, first + 1000 * np.arange(100), odometer_m=5_000 + 20 * np.arange(100))
    days = ask.get("/api/v1/vehicles/3/days", params={"from": "2026-05-05", "to": "2026-05-05"}).json()["items"]
    assert [(day["distance_m"], day["reports"], day["max_speed_kmh"]) for day in days] == [(1980, 100, 72.0)]
