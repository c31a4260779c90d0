"""Talking to a car: a form for each message, what the terminal's edition does not know, previews, what became of it."""

import re
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.parts import Session
from api.portal.commands import COMMON, GROUPS, PRESETS, frame_of, why_not
from api.portal.render import words_in
from core.events import CommandProgress, CommandRequested, Event, derive_id
from protocols.jt808.codec import decode
from protocols.jt808.commands import needs_approval
from protocols.jt808.control import SetParameters
from protocols.jt808.forms import sendable
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import MESSAGES
from protocols.jt808.parameters import PARAMETERS, Parameter
from protocols.jt808.wire import VERSIONS
from tests.api.conftest import NOW_MS, Node

ZH = {"Accept-Language": "zh"}


def test_every_message_a_person_may_send_stands_in_one_group() -> None:
    grouped = [message for group in GROUPS.values() for message in group]
    assert set(sendable()) <= set(grouped)
    assert len(grouped) == len(set(grouped))
    assert set(COMMON) <= set(grouped)
    assert set(PRESETS) <= set(grouped)


def test_every_message_has_its_form_in_chinese(reader: TestClient) -> None:
    for message in sendable():
        page = reader.get(f"/vehicles/7/commands?message=0x{message:04X}", headers=ZH)
        assert page.status_code == 200, hex(message)
        form = page.text[page.text.index('id="order"') : page.text.index('id="preview"')]
        labels = re.findall(r"<(?:label|span)[^>]*(?:for=\"f-|id=\"l-)[^>]*>([^<]+)", form)
        # A label in Latin letters alone is a field without a word.
        assert not [label for label in labels if re.fullmatch(r"[a-z_ ]+", label.strip())], hex(message)
        ids = re.findall(r'\bid="([^"]+)"', page.text)
        assert len(ids) == len(set(ids)), f"{message:#06x}: no two elements have one name"


def test_every_parameter_has_its_fields_in_chinese(reader: TestClient) -> None:
    for id, row in PARAMETERS.items():
        if 0x0111 <= id <= 0x01FF:
            continue
        part = reader.get(f"/commands/parameter?id=0x{id:04X}&version=2019&number=3", headers=ZH)
        assert part.status_code == 200, row.name
        labels = re.findall(r"<(?:label|span)[^>]*(?:for=\"f-|id=\"l-)[^>]*>([^<]+)", part.text)
        assert labels, row.name
        assert not [label for label in labels if re.fullmatch(r"[a-z_0-9 ]+", label.strip())], row.name
        approved = needs_approval(0x8103, SetParameters(parameters=(Parameter(id, b""),)))
        assert ("须两人审批" in part.text) == approved, row.name
    unknown = reader.get("/commands/parameter?id=0xF030&version=2019", headers=ZH).text
    assert 'data-input="data"' in unknown
    assert "须两人审批" in unknown, "some makers' terminals take it for a command of any kind"
    assert reader.get("/commands/parameter?id=nonsense").status_code == 400


def test_parameters_that_were_told_are_grouped_with_their_units_and_can_be_changed(
    node: Node, reader: TestClient
) -> None:
    told = [
        {"id": "0x0001", "name": "heartbeat_interval_s", "value": 60},
        {"id": "0x0055", "name": "speed_limit_kmh", "value": 120},
        {"id": "0x0084", "name": "plate_colour", "value": 1},
        {"id": "0x0047", "name": "longest_calls_a_month_s", "value": 0xFFFFFFFF},
        {"id": "0x005d", "name": "collision_alarm", "value": {"duration": 4, "acceleration_g10": 20}},
        {"id": "0xf367", "name": "blind_spot", "value": {"rear_s": 3, "side_s": None}},
        {"id": "0xf030", "data": "00ff"},
    ]
    reply = {"reply": {"reply_serial": 1, "parameters": told}}
    command = asked(node, "0x8104", {}, ("effective", reply))
    page = reader.get("/vehicles/7/commands", headers=ZH).text
    for words in (
        "终端心跳发送间隔",
        "60 秒",
        "120 公里/时",
        "蓝色",
        "不限制",
        "2.0 g",
        "后方接近报警时间阈值",
        "00 FF",
        "驾驶行为门限",
    ):
        assert words in page, words
    one = f"/vehicles/7/commands?message=0x8103&amp;change={command}&amp;parameter=0x0055"
    assert one in page
    form = reader.get(one.replace("&amp;", "&"), headers=ZH).text
    form = form[form.index('id="order"') : form.index('id="preview"')]
    assert re.findall(r'data-parameter="(\w+)"', form) == ["0x0055"]
    assert 'value="120"' in form
    whole = reader.get(one.replace("&amp;", "&").rpartition("&")[0], headers=ZH).text
    assert len(re.findall(r'data-item data-parameter="', whole)) == len(told)


def test_what_a_terminal_does_not_know_is_said_and_cannot_be_sent(node: Node) -> None:
    parts = msgspec.structs.replace(node.parts(), session=lambda terminal: Session(NOW_MS, 2013))
    with TestClient(create_app(parts)) as client:
        client.headers.update({"Accept": "text/html", "Authorization": "Bearer the-key-of-the-tests", **ZH})
        page = client.get("/vehicles/7/commands?message=0x8608").text
        assert "该指令自 2019 版起才有" in page
        assert re.search(r'type="submit"[^>]*disabled', page)
        assert 'data-version="2013"' in page
        known = client.get("/vehicles/7/commands?message=0x8301").text
        assert not re.search(r'type="submit"[^>]*disabled', known)
    assert why_not(0x8301, 2019, words_in("en"))
    assert not why_not(0x8301, None, words_in("en"))


def test_a_preview_is_the_frame_that_would_go_out_explained(reader: TestClient) -> None:
    order = {"message": "0x8202", "fields": {"interval_s": 5, "valid_s": 300}, "version": 2013}
    page = reader.post("/commands/preview", json=order, headers=ZH)
    assert page.status_code == 200
    shown = bytes.fromhex("".join(re.findall(r"<i>([0-9A-F]{2})</i>", page.text)))
    assert shown[13:19] == bytes.fromhex("00050000012c")
    assert "时间间隔" in page.text
    refused = reader.post("/commands/preview", json=order | {"fields": {"interval_s": 70_000}}, headers=ZH)
    assert refused.status_code == 200
    assert "interval_s: 70000 does not fit into 2 bytes" in refused.text
    assert reader.post("/commands/preview", json=order | {"message": "0x8001"}).status_code == 422
    long = order | {"message": "0x8108", "fields": {"target": 0, "maker": "A", "release": "1", "data": "00" * 2_000}}
    assert "2012 字节" in reader.post("/commands/preview", json=long, headers=ZH).text


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_preview_shows_reads_back_as_what_was_filled_in(version: int) -> None:
    fields = {"kind": 1, "channel": 2, "event": 0, "start_ms": NOW_MS, "end_ms": NOW_MS + 60_000, "delete": 0}
    wire, size = frame_of(0x8803, fields, version)
    body = decode(unwrap(wire), version).body
    assert isinstance(body, MESSAGES[0x8803].body)
    assert (body.channel, body.start_ms, size) == (2, NOW_MS, 16)  # type: ignore[attr-defined]


def asked(node: Node, message: str, fields: dict[str, Any], *steps: tuple[str, dict[str, Any]]) -> str:
    """Put a command into the log, and what became of it."""
    asking = Event(
        id=derive_id("test", message, 1, [str(len(steps))], ""), type="command.requested", time_ms=NOW_MS,
        subject="vehicle:7", actor="node", payload=CommandRequested(vehicle_id=7, message=message, fields=fields),
    )  # fmt: skip
    node.eventlog.append([asking])
    for number, (state, said) in enumerate(steps):
        payload = CommandProgress(command=asking.id, vehicle_id=7, **said)
        node.eventlog.append([
            Event(
                id=derive_id("test", state, 1, [asking.id, str(number)], ""), type=f"command.{state}",
                time_ms=NOW_MS + 1000 * number, subject="vehicle:7", actor="vehicle", correlation=asking.id,
                payload=payload,
            )
        ])  # fmt: skip
    return asking.id


def test_an_answer_is_told_in_the_words_of_the_trade(node: Node, reader: TestClient) -> None:
    location = {
        "alarm": 0, "status": 3, "latitude": 31_230_410, "longitude": 121_473_700, "altitude_m": 12,
        "speed_kmh10": 605, "course_deg": 90, "time_ms": NOW_MS, "lat_1e7": 312_304_100, "lon_1e7": 1_214_737_000,
        "fixed": True,
        "items": [{"item": "Odometer", "distance_km10": 1234}, {"item": "Item", "id": 225, "data": "00ff"}],
    }  # fmt: skip
    asked(
        node, "0x8201", {}, ("sent", {"serial": 1}), ("effective", {"reply": {"reply_serial": 1, "location": location}})
    )
    page = reader.get("/vehicles/7/commands", headers=ZH).text
    for words in (
        "31.230410, 121.473700",
        "/?at=31.230410,121.473700,16",
        "60.5 公里/时",
        "ACC 开、定位",
        "123.4 公里",
        "00 FF",
    ):
        assert words in page, words
    asked(node, "0x8107", {}, ("effective", {"reply": {"reply_serial": 2, "kind": 1, "maker": "CARIL", "gnss": 3}}))
    page = reader.get("/vehicles/7/commands", headers=ZH).text
    for words in ("CARIL", "GPS、北斗", "适用客运车辆", "查询终端属性应答"):
        assert words in page, words


def test_what_has_not_changed_is_not_sent_again(node: Node, reader: TestClient) -> None:
    asked(node, "0x8201", {}, ("sent", {"serial": 1}))
    part = reader.get("/vehicles/7/commands?part=history", headers=ZH).text
    assert part.strip().startswith('<section class="card" id="history"')
    seen = re.search(r"seen=([0-9a-f]+)", part)
    assert seen is not None
    again = f"/vehicles/7/commands?part=history&seen={seen[1]}"
    assert reader.get(again).status_code == 204
    asked(node, "0x8104", {})
    assert reader.get(again).status_code == 200


def test_a_command_can_be_sent_again_changed(node: Node, reader: TestClient) -> None:
    area = {
        "id": 7,
        "attributes": 2,
        "latitude": 30_000_000,
        "longitude": 120_500_000,
        "radius_m": 150,
        "speed_kmh": 60,
    }
    command = asked(
        node, "0x8600", {"setting": 1, "circles": [area | {"overspeed_s": 5}]}, ("failed", {"reason": "timeout"})
    )
    page = reader.get(f"/vehicles/7/commands?message=0x8600&like={command}", headers=ZH).text
    form = page[page.index('id="order"') : page.index('id="preview"')]
    for value in ('value="120.5"', 'value="150"', 'value="60"'):
        assert value in form
    assert form.count("data-item>") == 2, "the circle that was sent, and the template of a new one"
    assert "应答超时" in page
    # Another message's fields are not this one's, and somebody else's id opens nothing.
    assert 'value="120.5"' not in reader.get(f"/vehicles/7/commands?message=0x8602&like={command}").text
    assert reader.get("/vehicles/7/commands?message=0x8600&like=nobodys").status_code == 200


def test_the_commands_of_a_car_are_taken_home(node: Node, reader: TestClient) -> None:
    asked(node, "0x8202", {"interval_s": 5, "valid_s": 300}, ("sent", {"serial": 1}), ("acked", {"serial": 1}))
    lines = reader.get("/vehicles/7/commands?format=csv", headers=ZH).content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("提交时间,消息 ID,指令名称,下发内容,状态")
    assert "临时位置跟踪控制" in lines[1]
    assert "时间间隔: 5 秒" in lines[1]
    assert reader.get("/vehicles/7/commands?format=xlsx").content[:2] == b"PK"
    assert reader.get("/vehicles/999/commands?format=csv").status_code == 404
