"""What people see of arming and of suspected thefts: on the page, and on the car's card."""

from litestar.testing import TestClient

from actors.guarding import Guarding
from core.arming import Schedule
from core.rights import NODE
from tests.api.conftest import Node
from tests.log.test_guarding import theft

ZH = {"Accept-Language": "zh"}


def test_a_suspicion_is_shown_with_what_was_seen_until_it_is_settled(reader: TestClient, node: Node) -> None:
    node.eventlog.append([theft(1)])
    Guarding(node.eventlog).step()
    page = reader.get("/guards", headers=ZH).text
    assert "疑似盗抢" in page
    assert "布防期间开门" in page
    assert 'id="suspicion-1"' in page
    assert "可信度 70%" in page
    card = reader.get("/vehicles/1/guard", headers=ZH).text
    assert "布防期间开门" in card
    assert "车辆已追回" in card
    answer = reader.post("/api/v1/vehicles/1/guard/settle", json={"reason": "owner"})
    assert (answer.status_code, answer.json()["suspicion"]) == (200, None)
    page = reader.get("/guards", headers=ZH).text
    assert "暂无盗抢疑点" in page
    assert 'id="suspicion-1"' not in page


def test_nights_are_said_in_words_and_asked_for_by_the_form(reader: TestClient, node: Node) -> None:
    node.registry.guards.arm(NODE, 2, by_hand=False, schedule=Schedule(days=0b0010001))
    page = reader.get("/guards", headers=ZH).text
    assert "周一、周五 22:00–06:00" in page
    card = reader.get("/vehicles/2/guard", headers={"Accept-Language": "en"}).text
    assert "Mon, Fri, 22:00–06:00" in card
    body = {"now": False, "radius_m": 200, "nightly": True, "begins": "23:30", "ends": "05:00", "days": [6, 7]}
    answer = reader.post("/api/v1/vehicles/2/guard/arm", json=body)
    assert answer.json()["nights"] == {"begins": "23:30", "ends": "05:00", "days": [6, 7], "suspended_until_ms": None}
    for wrong in ({"radius_m": 10}, {"begins": "24:00"}, {"nightly": True, "days": []}, {"days": [8]}):
        answer = reader.post("/api/v1/vehicles/2/guard/arm", json={"now": False, **wrong})
        assert answer.json()["code"] in ("bad_request", "guard_invalid"), wrong
    body = {"now": False, "nightly": False}
    assert reader.post("/api/v1/vehicles/2/guard/arm", json=body).json()["nights"] is None
