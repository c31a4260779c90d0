"""The declarations by the API: which messages there are, and what each may be filled with, in both languages."""

from litestar.testing import TestClient

from protocols.jt808.messages import MESSAGES
from protocols.jt808.parameters import PARAMETERS


def test_every_declared_message_is_listed_with_its_words(client: TestClient) -> None:
    items = client.get("/api/v1/messages").json()["items"]
    assert [int(item["id"], 16) for item in items] == sorted(MESSAGES)
    asked = next(item for item in items if item["id"] == "0x8104")
    assert asked["names"] == {"en": "Query all parameters", "zh": "查询终端参数"}
    assert (asked["direction"], asked["answer"], asked["command"]) == ("down", "0x0104", True)
    answer = next(item for item in items if item["id"] == "0x8001")
    assert (answer["answer"], answer["command"]) == ("", False)


def test_a_form_has_the_fields_of_its_edition(client: TestClient) -> None:
    new = client.get("/api/v1/messages/0x8600/form", params={"version": 2019}).json()
    old = client.get("/api/v1/messages/0x8600/form", params={"version": 2013}).json()
    circle = {field["name"]: field for field in new["fields"][1]["of"]["fields"]}
    assert circle["night_speed_kmh"]["when"] == [{"field": "attributes", "bit": 1}]
    assert circle["latitude"]["label"]["zh"] == "中心点纬度"
    assert circle["radius_m"]["units"] == {"en": "m", "zh": "米"}
    assert "night_speed_kmh" not in {field["name"] for field in old["fields"][1]["of"]["fields"]}
    assert new["fields"][0]["choices"][1] == {"value": 1, "name": "append", "label": {"en": "append", "zh": "追加"}}
    assert not client.get("/api/v1/messages/0x8204/form", params={"version": 2013}).json()["known"]


def test_what_is_not_declared_has_no_form(client: TestClient) -> None:
    for message in ("0xBEEF", "0x81", "nonsense", "0x81031", "0xzzzz"):
        answer = client.get(f"/api/v1/messages/{message}/form")
        assert (answer.status_code, answer.json()["code"]) == (404, "message_unknown"), message
    assert client.get("/api/v1/messages/0x8103/form", params={"version": 2014}).status_code == 400


def test_every_parameter_is_listed_typed_with_its_unit(client: TestClient) -> None:
    items = {item["id"]: item for item in client.get("/api/v1/parameters", params={"version": 2019}).json()["items"]}
    assert len(items) == len(PARAMETERS)
    limit = items["0x0055"]
    assert (limit["names"]["zh"], limit["value"]["units"]["zh"], limit["approved"]) == ("最高速度", "公里/时", False)
    assert items["0x0013"]["approved"], "it names the server"
    assert [field["name"] for field in items["0x005D"]["value"]["fields"]] == ["duration", "acceleration_g10"]
    assert client.get("/api/v1/parameters", params={"version": 2014}).status_code == 400
