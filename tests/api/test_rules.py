"""Thresholds over HTTP: what is shown, what is refused and how it is named, and by whom they are changed."""

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.messages import MESSAGES
from api.rules import title_key, what_key
from core.limits import RULE_NOTE_CHARACTERS_MAX
from core.rights import NODE
from core.rules import RULES
from core.thresholds import thresholds
from storage.people import Store
from tests.api.conftest import SAME_SITE, Node

PASSWORD = "korrekt-pferd-batterie"
PATH = "/api/v1/rules/geofence"


def put(client: TestClient, version: int, /, note: str = "", **values: object) -> tuple[int, str, str]:
    """Return status, code and field."""
    answer = client.put(PATH, json={"values": values, "version": version, "note": note})
    return answer.status_code, answer.json().get("code", ""), answer.json().get("field", "")


def value(client: TestClient, name: str) -> object:
    return next(one["value"] for one in client.get(PATH).json()["thresholds"] if one["name"] == name)


def test_every_detector_is_shown_with_words_bounds_and_defaults(client: TestClient) -> None:
    items = client.get("/api/v1/rules").json()["items"]
    assert [one["detector"] for one in items] == list(RULES)
    for item in items:
        assert (item["version"], item["changed_by"], item["note"]) == (0, "", "")
        shown = [(one["name"], one["value"], one["default"], one["least"]) for one in item["thresholds"]]
        assert shown == [(one.name, one.default, one.default, one.least) for one in thresholds(item["detector"])]
    first = items[list(RULES).index("geofence")]["thresholds"][0]
    assert first["title"] == "Fixes inside, to enter"
    chinese = client.get(PATH, headers={"Accept-Language": "zh"}).json()
    assert chinese["title"] == "电子围栏"
    assert chinese["thresholds"][0]["title"] == "驶入确认定位点数"


@pytest.mark.parametrize("detector", RULES)
def test_every_threshold_has_its_words(detector: str) -> None:
    missing = [key for key in (f"rules_{detector}", f"rules_{detector}_what") if key not in MESSAGES]
    missing += [key for one in thresholds(detector) if (key := title_key(detector, one.name)) not in MESSAGES]
    assert not missing, "add them to api/messages/rules.py"
    names = {key for one in thresholds(detector) for key in (title_key(detector, one.name),)}
    names |= {what_key(detector, one.name) for one in thresholds(detector)}
    others = {other for other in RULES if other != detector and other.startswith(detector)}
    ours = {
        key
        for key in MESSAGES
        if key.startswith(f"rules_{detector}_") and not any(key.startswith(f"rules_{other}") for other in others)
    }
    assert ours - names <= {f"rules_{detector}_what"}, "words of thresholds that are no more"


def test_thresholds_are_changed_reset_and_remembered(client: TestClient, node: Node) -> None:
    assert put(client, 0, "too many false ones", enter_fixes=4, exit_ms=20_000) == (200, "", "")
    assert (value(client, "enter_fixes"), value(client, "exit_ms"), value(client, "exit_fixes")) == (4, 20_000, 2)
    assert put(client, 0, enter_fixes=5) == (409, "rule_changed", "version")
    assert put(client, 1, enter_fixes=None) == (200, "", "")
    answer = client.post(f"{PATH}/reset", json={"version": 2})
    assert (answer.status_code, answer.json()["version"]) == (200, 3)
    assert client.post(f"{PATH}/reset", json={"version": 2}).json()["code"] == "rule_changed"
    page = client.get(f"{PATH}/history", params={"limit": 2}).json()
    assert [(one["version"], one["changed"]) for one in page["items"]] == [(3, ["exit_ms"]), (2, ["enter_fixes"])]
    page = client.get(f"{PATH}/history", params={"before": page["next"]}).json()
    assert [(one["version"], one["note"], one["changed_by"]) for one in page["items"]] == [
        (1, "too many false ones", "node"),
        (0, "", ""),
    ]
    assert page["next"] is None
    events = node.log("rules.")
    assert [(e.payload.version, e.payload.fields) for e in events] == [
        (1, ("enter_fixes", "exit_ms")),
        (2, ("enter_fixes",)),
        (3, ("exit_ms",)),
    ]


def test_what_does_not_fit_is_named_in_the_readers_language(client: TestClient) -> None:
    assert put(client, 0, enter_fixes=0) == (422, "rule_invalid", "enter_fixes")
    assert put(client, 0, exit_fixes=2.5) == (422, "rule_invalid", "exit_fixes")
    assert put(client, 0, nothing=1) == (422, "rule_invalid", "nothing")
    assert put(client, 0, "x" * RULE_NOTE_CHARACTERS_MAX)[0] == 200
    assert put(client, 0, "x" * (RULE_NOTE_CHARACTERS_MAX + 1))[:2] == (400, "bad_request")
    assert put(client, -1, enter_fixes=3)[:2] == (400, "bad_request")
    asked = {"values": {"enter_fixes": 1000}, "version": 0}
    said = [client.put(PATH, json=asked, headers={"Accept-Language": tag}).json()["detail"] for tag in ("en", "zh")]
    most = next(one.most for one in thresholds("geofence") if one.name == "enter_fixes")
    assert said == [f"enter_fixes is at most {most}", f"enter_fixes 不能大于 {most}"]
    for path in ("/api/v1/rules/nothing", "/api/v1/rules/nothing/history"):
        assert (client.get(path).status_code, client.get(path).json()["code"]) == (404, "rule_unknown")


@pytest.mark.parametrize(("role", "whole", "expected"), [
    ("manager", True, (200, "")),
    ("manager", False, (403, "rule_foreign")),
    ("administrator", True, (200, "")),
    ("operator", True, (403, "right_missing")),
])  # fmt: skip
def test_only_who_leads_the_whole_group_changes_them(
    node: Node, role: str, whole: bool, expected: tuple[int, str]
) -> None:
    store = node.people.save_store(NODE, Store(code="A", name_zh="A", name_en="A")).id
    _, token = node.people.create_account(NODE, login="li.wei", name="", role=role, stores=None if whole else [store])
    node.people.take_invitation(token, PASSWORD)
    with TestClient(create_app(node.parts())) as client:
        client.post("/api/v1/login", json={"login": "li.wei", "password": PASSWORD})
        client.headers.update(SAME_SITE)
        assert put(client, 0, enter_fixes=3)[:2] == expected
        assert client.get(PATH).status_code == 200
        changed = client.get(PATH).json()["changed_by"]
        assert changed.startswith("account:") == (expected[0] == 200)
