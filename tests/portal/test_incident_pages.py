"""The board of incidents and one incident's page: what rings, who has it, and only the steps that there are."""

import re

import pytest
from litestar.testing import TestClient

from actors.business.incident import CLOSINGS, LEVELS, STEPS
from api.portal import incidents
from core.events import AlarmSeen, Event
from core.events.incident import STEP_REASONS
from tests.api.conftest import NOW_MS, Node
from tests.api.test_commands import person
from tests.business.toy import blank


def press(node: Node, vehicle: int = 1) -> None:
    alarm = blank(AlarmSeen, vehicle_id=vehicle, terminal=vehicle, lat_1e7=312_304_100, lon_1e7=1_214_737_000,
                  has_fix=True, alarm=1)  # fmt: skip
    whose = {"subject": f"vehicle:{vehicle}", "actor": "detection", "time_ms": NOW_MS, "purpose": "safety"}
    node.eventlog.append([Event(id=f"{vehicle:032x}", type="sos.pressed", payload=alarm, **whose)])


def test_the_page_offers_what_the_business_takes_and_nothing_else() -> None:
    assert {state: steps for state, steps in STEPS.items() if steps} == incidents.NEXT
    assert dict(CLOSINGS) == incidents.ENDS
    assert incidents.LEVELS == LEVELS


@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_incident_is_taken_stepped_and_closed_and_each_page_offers_just_what_may_follow(
    node: Node, reader: TestClient, language: str
) -> None:
    press(node)
    headers = {**person(node, "ann"), "Accept-Language": language, "Accept": "text/html"}
    board = reader.get("/incidents", headers=headers).text
    assert "data-take" in board
    assert "data-until" in board
    assert '<b class="tally"' in reader.get("/incidents/count", headers=headers).text
    api = {**headers, "Accept": "application/json"}

    def offered() -> set[str]:
        page = reader.get("/incidents/1", headers=headers).text
        return set(re.findall(r'"step":"(\w+)"|name="step" value="(\w+)"|/(close|reopen)"', page.replace("&#34;", '"')))

    def names() -> set[str]:
        return {"".join(one) for one in offered()}

    assert names() == set(), "it is to be taken first"
    assert reader.post("/api/v1/incidents/1/acknowledge", headers=api).status_code == 200
    assert "data-take" not in reader.get("/incidents", headers=headers).text
    assert names() == {"contacted", "no_answer"}
    for step, follows in (
        ("contacted", {"assessed"}),
        ("assessed", {"acting", "close"}),
        ("acting", {"stabilised", "close"}),
        ("stabilised", {"caring", "close"}),
        ("caring", {"close"}),
    ):
        body = {"step": step, "reason": STEP_REASONS[step][0]} | ({"severity": "high"} if step == "assessed" else {})
        assert reader.post("/api/v1/incidents/1/steps", headers=api, json=body).status_code == 200
        assert names() == follows
    assert reader.post("/api/v1/incidents/1/close", headers=api, json={"reason": "helped"}).status_code == 200
    assert names() == {"reopen"}
    assert reader.get("/incidents/count", headers=headers).text == ""


def test_whoever_may_only_read_sees_no_button(node: Node, reader: TestClient) -> None:
    press(node)
    headers = {**person(node, "vera", role="viewer"), "Accept": "text/html"}
    for path in ("/incidents", "/incidents/1"):
        page = reader.get(path, headers=headers)
        assert page.status_code == 200
        assert "data-api" not in page.text.replace('data-api="POST /api/v1/logout"', "")
