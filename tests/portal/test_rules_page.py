"""Pages of the detection rules: what they say, to whom they show fields that can be changed, and what a trial told."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.portal.render import words_in
from api.portal.rules import field_of, number_text
from core.outcome import Counts, Difference, Outcome, Span, Trial, TrialBusyError
from core.rights import NODE, Principal
from core.rules import RULES
from core.thresholds import Threshold, Value
from storage.people import Store
from tests.api.conftest import KEY, NOW_MS, SAME_SITE, Node

PASSWORD = "korrekt-pferd-batterie"
COUNTS = Counts(
    logged=5, present=5, changed=4, gained=1, lost=2, moved=1, altered=0, log_only=0, replay_only=0
)  # fmt: skip
SPAN = Span(from_ms=NOW_MS - 86_400_000, to_ms=NOW_MS)


class Trials:
    """Trials that are as a test says."""

    def __init__(self) -> None:
        self.trial = Trial(id="abc", detector="geofence", state="running", reports=1234, share=0.4)
        self.busy = False

    def start(self, principal: Principal, detector: str, values: Mapping[str, Value]) -> Trial:
        if self.busy:
            raise TrialBusyError
        return self.trial

    def state(self, principal: Principal, number: str) -> Trial | None:
        return self.trial if number == self.trial.id else None

    def cancel(self, principal: Principal, number: str) -> Trial | None:
        return self.state(principal, number)


@pytest.fixture
def trials() -> Trials:
    return Trials()


@pytest.fixture
def reader(node: Node, trials: Trials) -> Iterator[TestClient]:
    """A browser of one who leads the whole group."""
    with TestClient(create_app(msgspec.structs.replace(node.parts(), trials=trials))) as client:
        client.headers.update({"Accept": "text/html", "Authorization": f"Bearer {KEY}"})
        yield client


def text(client: TestClient, path: str, **parameters: Any) -> str:
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_every_detector_has_its_page_in_both_languages(reader: TestClient) -> None:
    for language in ("en", "zh"):
        page = text(reader, "/rules", lang=language)
        for detector in RULES:
            assert f'href="/rules/{detector}"' in page
            assert words_in(language).t(f"rules_{detector}") in text(reader, f"/rules/{detector}", lang=language)
    assert reader.get("/rules/nothing").status_code == 404


def test_a_change_stands_on_its_page_with_what_it_was_and_who_made_it(reader: TestClient, node: Node) -> None:
    node.registry.rules.change(NODE, "geofence", {"exit_ms": 20_000}, 0, "too <many>")
    page = text(reader, "/rules/geofence", lang="en")
    assert "too &lt;many&gt;" in page
    assert "Time outside, to leave: <s>10</s> → <b>20</b> s" in page
    assert "1 changed" in page
    assert "1 changed" in text(reader, "/rules", lang="en")


def test_who_may_not_change_them_sees_them(node: Node) -> None:
    store = node.people.save_store(NODE, Store(code="A", name_zh="A", name_en="A")).id
    for login, role, stores, said in (
        ("viewer", "viewer", None, "do not change them"),
        ("manager", "manager", [store], "the whole group"),
    ):
        _, token = node.people.create_account(NODE, login=login, name="", role=role, stores=stores)
        node.people.take_invitation(token, PASSWORD)
        with TestClient(create_app(node.parts())) as client:
            client.post("/api/v1/login", json={"login": login, "password": PASSWORD})
            client.headers.update({"Accept": "text/html", **SAME_SITE})
            page = text(client, "/rules/geofence", lang="en")
        assert said in page
        assert 'id="review"' not in page
        assert page.count(" disabled aria-describedby") > 3


def test_a_trial_says_how_far_it_is_and_what_it_found(reader: TestClient, trials: Trials) -> None:
    path = "/rules/geofence/trial"
    running = text(reader, path, number="abc", lang="en")
    assert 'value="40"' in running
    assert "1,234 reports judged" in running
    one = Difference(what="lost", type="fence.entered", vehicle_id=3, time_ms=NOW_MS, mark="fence_id 7")
    outcome = Outcome(
        detector="geofence", values={}, span=SPAN, reports=99, counts={"fence.entered": COUNTS}, differences=[one],
        differences_all=1, log_only=[], other_versions=0,
    )  # fmt: skip
    trials.trial = Trial(id="abc", detector="geofence", state="done", share=1.0, reports=99, outcome=outcome)
    done = text(reader, path, number="abc", lang="en")
    assert "Entered a fence" in done
    assert 'href="/vehicles/3"' in done
    assert "fence_id 7" in done
    assert "&lt;time" not in done
    assert "as they stand today" in done
    same = msgspec.structs.replace(outcome, differences=[], differences_all=0, counts={})
    trials.trial = msgspec.structs.replace(trials.trial, outcome=same)
    assert "Nothing would have differed" in text(reader, path, number="abc", lang="en")
    trials.trial = Trial(id="abc", detector="geofence", state="failed", reason="away")
    assert "away" in text(reader, path, number="abc")
    for asked in ({"number": "other"}, {}):
        assert reader.get(path, params=asked).status_code == 404
    assert reader.get("/rules/theft/trial", params={"number": "abc"}).status_code == 404


def test_trials_are_begun_and_ended_over_the_api(reader: TestClient, trials: Trials) -> None:
    path = "/api/v1/rules/geofence/trials"
    begun = reader.post(path, json={"values": {"enter_fixes": 3}})
    assert (begun.status_code, begun.json()["id"]) == (202, "abc")
    assert reader.get(f"{path}/abc").json()["state"] == "running"
    assert reader.delete(f"{path}/abc").status_code == 200
    assert reader.get(f"{path}/other").json()["code"] == "trial_unknown"
    trials.busy = True
    refused = reader.post(path, json={"values": {}})
    assert (refused.status_code, refused.json()["code"]) == (409, "trial_busy")
    assert reader.post("/api/v1/rules/nothing/trials", json={"values": {}}).json()["code"] == "rule_unknown"


@pytest.mark.parametrize(
    ("name", "kind", "default", "least", "expected"),
    [
        ("wait_ms", "integer", 5_000, 0, ("5", "s", 1_000)),
        ("wait_ms", "integer", 300_000, 0, ("5", "min", 60_000)),
        ("wait_ms", "integer", 250, 0, ("250", "ms", 1)),
        ("wait_s", "integer", 7_200, 0, ("2", "h", 3_600)),
        ("wait_s", "integer", 7_200, 60, ("120", "min", 60)),
        ("speed_kmh10_max", "integer", 1_205, 0, ("120.5", "km/h", 10)),
        ("peak_mg", "integer", 4_000, 1_500, ("4", "g", 1_000)),
        ("reach_m", "number", 15.0, 0.0, ("15", "m", 1)),
        ("count", "integer", 3, 1, ("3", "", 1)),
    ],
)
def test_a_threshold_is_shown_in_the_unit_people_say_it_in(
    name: str, kind: Any, default: float, least: float, expected: tuple[str, str, float]
) -> None:
    unit = next(
        (unit for unit in ("ms", "kmh10", "mg", "s", "m") if name.removesuffix("_max").endswith(f"_{unit}")), ""
    )
    one = Threshold(name=name, kind=kind, unit=unit, default=default, least=least, most=default * 4)
    field = field_of("geofence", one, default, words_in("en"))
    assert (field.value, field.unit, field.scale) == expected
    assert number_text(0.1 + 0.2) == "0.3"
