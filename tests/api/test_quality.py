"""What was set aside is said: of a car, of all cars the worst first, and on the track, apart from the line."""

from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from actors.detectors.cleaning import Cleaning
from api.app import create_app
from api.quality import Trouble
from core.quality import TROUBLES
from core.rights import NODE
from core.rules import CleaningRule, Rules
from protocols.report import FLAG_NO_FIX, REPORT
from storage.clickhouse import TrackPoint
from tests.api.conftest import KEY, NOW_MS, Node

LAT, LON = 312_000_000, 1_214_000_000


def heard(node: Node, terminal: int, reports: int, **set_aside: int) -> None:
    """Let cleaning have heard so much of a terminal, whose car has its number."""
    assert node.cleaning is not None
    rows = np.zeros(reports, REPORT)
    rows["terminal"] = rows["vehicle_id"] = terminal
    rows["report_id"] = np.arange(reports) + 1
    rows["time_ms"] = rows["arrival_ms"] = NOW_MS + 10_000 * np.arange(reports)
    rows["lat_1e7"], rows["lon_1e7"] = LAT, LON
    rows["flags"][: set_aside.get("no_fix", 0)] = FLAG_NO_FIX
    # A jump is good once the car really is there: each of these is alone.
    for jump in range(set_aside.get("jump", 0)):
        rows["lat_1e7"][-2 - 3 * jump] += 20_000_000
    node.cleaning.clean(rows)


@pytest.fixture
def node(node: Node) -> Node:
    node.cleaning = Cleaning(node.table, Rules().of("cleaning"))
    heard(node, 1, 400, no_fix=100)
    heard(node, 2, 400, no_fix=10, jump=5)
    heard(node, 3, 400)
    heard(node, 4, 2, no_fix=2)
    return node


@pytest.fixture
def ask(node: Node) -> Any:
    with TestClient(create_app(node.parts())) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def get(ask: TestClient, path: str, **query: Any) -> Any:
    answer = ask.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_car_says_what_was_set_aside_and_why(ask: TestClient) -> None:
    said = get(ask, "/api/v1/vehicles/2/quality")
    [item] = said["items"]
    assert (item["reports"], item["good"], item["share"]) == (400, 385, 0.0375)
    assert {reason: count for reason, count in item["aside"].items() if count} == {"no_fix": 10, "jump": 5}
    assert item["since_ms"] == NOW_MS
    assert item["aside_ms"] is not None
    assert get(ask, "/api/v1/vehicles/9/quality")["items"] == []


def test_the_worst_terminals_come_first_and_by_one_reason_where_asked(ask: TestClient) -> None:
    assert [item["vehicle_id"] for item in get(ask, "/api/v1/quality")["items"]] == [1, 2, 4]
    jumped = get(ask, "/api/v1/quality", reason="jump")
    assert [(item["vehicle_id"], item["aside"]["jump"]) for item in jumped["items"]] == [(2, 5)]
    first = get(ask, "/api/v1/quality", limit=2)
    assert [item["vehicle_id"] for item in first["items"]] == [1, 2]
    rest = get(ask, "/api/v1/quality", limit=2, after=first["next"])
    assert ([item["vehicle_id"] for item in rest["items"]], rest["next"]) == ([4], None)
    assert get(ask, "/api/v1/quality", store=7)["items"] == []


@pytest.mark.parametrize("query", ["reason=late", "after=x", "after=1-", "store=-1", "limit=0", "limit=201"])
def test_what_cannot_be_asked_is_refused(ask: TestClient, query: str) -> None:
    assert ask.get(f"/api/v1/quality?{query}").status_code == 400


def test_terminals_are_ranked_by_every_reason_that_is_a_trouble() -> None:
    assert get_args(Trouble) == TROUBLES


def test_a_process_that_does_not_judge_says_so(node: Node) -> None:
    node.cleaning = None
    with TestClient(create_app(node.parts())) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        for path in ("/api/v1/quality", "/api/v1/vehicles/1/quality"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["code"]) == (404, "quality_elsewhere")


def test_the_pages_say_it_in_both_languages(ask: TestClient) -> None:
    for language, words in (("zh", ("定位漂移", "未定位", "385")), ("en", ("Jump", "No fix"))):
        card = ask.get(f"/vehicles/2/quality?lang={language}")
        assert card.status_code == 200
        table = ask.get(f"/quality?lang={language}")
        for word in words[:2]:
            assert word in card.text
            assert word in table.text
    assert "96 %" in ask.get("/vehicles/2/quality?lang=en").text
    rows = ask.get("/quality?format=csv&lang=en").text.splitlines()
    assert len(rows) == 5
    assert rows[-1].startswith('"Export '), "who took it home stands below"
    assert "Nothing has been heard yet" in ask.get("/vehicles/9/quality?lang=en").text


def passed(number: int, north_m: float = 0, **fields: Any) -> TrackPoint:
    at_ms = NOW_MS + 1000 * number
    lat = LAT + round(number * 1800 + north_m * 90)
    point = TrackPoint(at_ms, at_ms + 500, number + 1, lat, LON, 720, 0, 0, 0, 3, -1, 0, terminal=1, sequence=number)
    return point._replace(**fields)


def test_a_track_sets_jumps_and_frozen_fixes_apart_and_measures_without_them(node: Node, ask: TestClient) -> None:
    plain = [passed(number) for number in range(40)]
    node.reports.tracks[1] = plain
    whole = get(ask, "/api/v1/vehicles/1/track", **{"from": NOW_MS, "to": NOW_MS + 60_000})
    assert whole["aside"]["time_ms"] == []
    assert whole["summary"]["aside"] == {}
    jumped = [*plain]
    # 200 m: less than what a track alone takes for a jump.
    jumped[10] = passed(10, 200)
    for number in range(30, 40):
        jumped[number] = passed(number, lat_1e7=jumped[29].lat_1e7)
    node.reports.tracks[1] = jumped
    for thin in (0, 5):
        track = get(ask, "/api/v1/vehicles/1/track", **{"from": NOW_MS, "to": NOW_MS + 60_000, "thin": thin})
        frozen = track["summary"]["aside"]["frozen"]
        assert track["summary"]["aside"] == {"jump": 1, "frozen": frozen}
        assert frozen >= 5
        assert track["aside"]["time_ms"][0] == jumped[10].time_ms
        assert track["aside"]["reason"] == ["jump"] + ["frozen"] * frozen
        assert track["aside"]["lat"][0] == pytest.approx(jumped[10].lat_1e7 / 1e7)
        assert jumped[10].time_ms not in track["columns"]["time_ms"]
        assert track["summary"]["distance_m"] == pytest.approx(29 * 20, abs=3)
        assert track["points"] == 40
    asked = {"from": NOW_MS, "to": NOW_MS + 60_000}
    geojson = ask.get("/api/v1/vehicles/1/track", params=asked, headers={"Accept": "application/geo+json"}).json()
    aside = {f["properties"]["aside"]: f["geometry"] for f in geojson["features"] if "aside" in f["properties"]}
    assert {reason: len(geometry["coordinates"]) for reason, geometry in aside.items()} == {"jump": 1, "frozen": frozen}


def test_a_track_that_begins_at_a_jump_knows_what_was_before(node: Node, ask: TestClient) -> None:
    node.reports.tracks[1] = [passed(number, 5000 if number == 20 else 0) for number in range(40)]
    track = get(ask, "/api/v1/vehicles/1/track", **{"from": NOW_MS + 20_000, "to": NOW_MS + 60_000})
    assert track["aside"]["time_ms"] == [NOW_MS + 20_000]


def test_a_group_s_own_thresholds_decide_what_its_tracks_set_aside(node: Node, ask: TestClient) -> None:
    node.reports.tracks[1] = [passed(number, 200 if number == 20 else 0) for number in range(40)]
    asked = {"from": NOW_MS, "to": NOW_MS + 60_000}
    assert get(ask, "/api/v1/vehicles/1/track", **asked)["summary"]["aside"] == {"jump": 1}
    node.registry.rules.change(NODE, "cleaning", {"step_m": 500.0}, 0)
    assert get(ask, "/api/v1/vehicles/1/track", **asked)["summary"]["aside"] == {}


def test_who_sees_places_coarsely_sees_those_set_aside_coarsely_and_as_many(node: Node, ask: TestClient) -> None:
    node.reports.tracks[1] = [passed(number, 200 if number == 20 else 0) for number in range(40)]
    rule = node.registry.rules.one(NODE, "cleaning")
    assert rule.version == 0
    street = msgspec.structs.replace(NODE, scope=msgspec.structs.replace(NODE.scope, precision="street"))
    points = node.reader.track(street, 1, NOW_MS, NOW_MS + 60_000, cleaning=CleaningRule())
    assert points is not None
    assert [point.time_ms for point in points if point.flags] == [NOW_MS + 20_000]
    assert all(point.lat_1e7 % 10_000 == 0 for point in points)


def test_times_within_a_sentence_are_times_and_not_their_markup(ask: TestClient) -> None:
    card = ask.get("/vehicles/2/quality?lang=en").text
    assert "&lt;" not in card
    assert card.count("<time ") == 2
