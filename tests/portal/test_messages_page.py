"""The page of a car's messages: every message in words, the chosen one in full, who a driver is for who may know."""

import csv
import io
import re
from html import unescape
from typing import Any

import pytest
from litestar.testing import TestClient

from api.app import create_app
from api.portal.uplinks import CHART_POINTS_MAX, chart_of
from core.events import DriverCard, Event
from core.rights import NODE
from protocols.jt808 import media, recorder
from protocols.jt808.codec import Header, encode_body, encode_frame
from protocols.jt808.messages import Unknown
from storage.tables.uplink import UPLINK_ASSEMBLED, UPLINK_CUT, Uplink
from tests.api.conftest import NOW_MS, Node
from tests.api.test_uplinks import DRIVER, ID_CARD, LICENCE, NAME
from tests.samples import SAMPLES, body_of

CAR = 3
LEFT_OUT = {0x0001, 0x0002, 0x0003, 0x0004, 0x0005, 0x0100, 0x0102, 0x0200, 0x0704}


def said(node: Node, message: int, body: Any, version: int = 2013, **more: Any) -> int:
    """Put a message into the store; return its number."""
    number = len(node.reports.said) + 1
    data = encode_frame(body, Header(message, "13800130003", number, version))
    row = Uplink(CAR, 3, message, version, number, NOW_MS + number, "node1", number, 0, len(data), data)
    node.reports.said.append(row._replace(**more))
    return number


def said_raw(node: Node, message: int, body: Any) -> int:
    """Put a message that may be longer than a frame into the store, as one put together from fragments."""
    header = Header(message, "13800130003", 1, 2013)
    data = encode_frame(Unknown(message, b""), header) + encode_body(body, header)
    number = len(node.reports.said) + 1
    row = Uplink(CAR, 3, message, 2013, 1, NOW_MS + number, "node1", number, UPLINK_ASSEMBLED, len(data), data)
    node.reports.said.append(row)
    return number


def page(client: TestClient, query: str = "", language: str = "en") -> str:
    answer = client.get(f"/vehicles/{CAR}/messages?lang={language}&{query}")
    assert answer.status_code == 200, answer.text
    return unescape(answer.text)


def operator(node: Node) -> TestClient:
    """A browser of an operator, who may not know who a driver is."""
    _, token = node.people.create_account(NODE, login="op", name="op", role="operator", stores=None)
    who = node.people.take_invitation(token, "korrekt-pferd-batterie").principal
    _, key = node.people.create_key(who, name="op", rights=who.rights)
    client = TestClient(create_app(node.parts()))
    client.headers["Authorization"] = f"Bearer {key}"
    return client


def test_every_message_of_a_terminal_is_shown_in_words_and_opened_in_both_languages(
    reader: TestClient, node: Node
) -> None:
    numbers = {}
    for message in sorted(SAMPLES.keys() - LEFT_OUT):
        if message < 0x8000:
            numbers[message] = said(node, message, body_of(message, 2013))
    for language in ("zh", "en"):
        listed = page(reader, language=language)
        assert listed.count("said-line") >= len(numbers) - 3
        for message, number in numbers.items():
            opened = page(reader, f"node=node1&open={number}", language)
            assert 'id="message"' in opened, f"{message:#06x}"
            assert "aria-selected" in opened


def test_a_list_says_what_a_message_means(reader: TestClient, node: Node) -> None:
    said(node, 0x0702, DRIVER)
    said(node, 0x0701, media.Waybill("运单 42 <b>".encode("gbk")))
    said(node, 0x0705, media.CanData(time="0830150123", frames=(media.CanFrame(0x1234, bytes(8)),) * 2))
    said(node, 0x0F01, Unknown(0x0F01, b"vendor"), flags=UPLINK_ASSEMBLED)
    said(node, 0x0303, Unknown(0x0303, b"\x01"))
    listed = page(reader)
    for words in (
        f"card in · {NAME} · {LICENCE}", "运单 42 <b>", "2 CAN frames from 08:30:15.123",
        "a maker's own message, no layout is known", "from fragments", "cannot be read",
    ):  # fmt: skip
        assert words in listed, words
    raw = reader.get(f"/vehicles/{CAR}/messages").text
    assert "运单 42 <b>" not in raw, "what a terminal says is text, never HTML"


def test_messages_are_filtered_by_kind_and_time_and_exported_as_they_are_filtered(
    reader: TestClient, node: Node
) -> None:
    said(node, 0x0702, DRIVER)
    said(node, 0x0701, media.Waybill(b"one"))
    said(node, 0x0701, media.Waybill(b"two"))
    assert "Driver identity" not in page(reader, "kind=waybill").partition("</form>")[2]
    text = reader.get(f"/vehicles/{CAR}/messages?lang=en&kind=waybill&format=csv").content.decode("utf-8-sig")
    *rows, mark = csv.DictReader(io.StringIO(text))
    assert next(iter(mark.values())).startswith("Export "), "who took it home stands below"
    assert [row["What it says"] for row in rows] == ["two", "one"]
    assert rows[0]["Message id"] == "0x0701"
    assert reader.get(f"/vehicles/{CAR}/messages?format=xlsx").content[:2] == b"PK"


def test_who_a_driver_is_is_masked_on_the_page_and_in_the_export(node: Node) -> None:
    number = said(node, 0x0702, DRIVER)
    with operator(node) as client:
        for answer in (
            client.get(f"/vehicles/{CAR}/messages?node=node1&open={number}").text,
            client.get(f"/vehicles/{CAR}/messages?format=csv").text,
            client.get(f"/vehicles/{CAR}/messages?format=xlsx").content.decode("latin-1"),
        ):
            assert not [one for one in (NAME, LICENCE, ID_CARD, LICENCE.encode().hex().upper()) if one in answer]
        opened = page(client, f"node=node1&open={number}")
        assert "张**" in opened
        assert "needs the right “See names and licence numbers of drivers”" in opened


@pytest.mark.parametrize(
    ("message", "body", "words"),
    [
        (0x0701, media.Waybill("货物：备件".encode("gbk")), ["货物：备件"]),
        (0x0701, media.Waybill(bytes(range(128, 192))), ["80 81 82 83", "0030"]),
        (0x0900, media.Transparent(kind=0xF1, data=b"abcdefghijklmnopqrstuvwxyz"), ["61 62 63", "abcdefghijklmnop"]),
        (0x0F01, Unknown(0x0F01, b"vendor bytes of a maker"), ["vendor bytes of ", "a maker"]),
        (
            0x0705,
            media.CanData(time="0830150123", frames=(media.CanFrame(1 << 31 | 1 << 30 | 0x18F00400, bytes(8)),)),
            ["CAN2", "extended", "18F00400", "00 00 00 00 00 00 00 00"],
        ),
    ],
)
def test_what_a_message_carries_is_shown_as_what_it_is(
    reader: TestClient, node: Node, message: int, body: Any, words: list[str]
) -> None:
    opened = page(reader, f"node=node1&open={said(node, message, body)}")
    assert not [one for one in words if one not in opened]


def recorded(command: int, **fields: Any) -> media.RecorderData:
    return media.RecorderData(reply_serial=1, block=recorder.RecorderAnswer(command=command, **fields))


ARC = {"longitude": 72_992_592, "latitude": 18_740_740, "height_m": 5}
PLACE = recorder.RecordedPlace(**ARC)
MINUTES = tuple(
    recorder.SpeedMinute(
        start_ms=NOW_MS // 60_000 * 60_000 + 60_000 * minute,
        seconds=tuple(recorder.SpeedSecond(10 * minute + second, 0) for second in range(60)),
    )
    for minute in range(3)
)
STEPS = (recorder.SpeedSecond(80, 0),) * 100
ACCIDENT = recorder.Accident(end_ms=NOW_MS, licence=LICENCE, steps=STEPS, place=PLACE)
OVER_TIME = recorder.DrivingOverTime(licence=LICENCE, start_ms=NOW_MS, end_ms=NOW_MS, start=PLACE, end=PLACE)
STATE = recorder.SpeedState(state=1, start_ms=NOW_MS, end_ms=NOW_MS, seconds=(recorder.SpeedPair(60, 58),) * 60)
HOUR = recorder.PositionHour(
    start_ms=NOW_MS,
    minutes=(recorder.PositionMinute(**ARC, speed_kmh=42),) * 59
    + (recorder.PositionMinute(longitude=0, latitude=0, height_m=0, speed_kmh=255),),
)


@pytest.mark.parametrize(
    ("body", "words", "charts"),
    [
        (recorded(0x08, speeds=MINUTES), ["Speed by minute", "79 km/h", "30 km/h"], 1),
        (recorded(0x10, accidents=(ACCIDENT,) * 2), [LICENCE, "31.234567, 121.654320"], 2),
        (recorded(0x11, over_time=(OVER_TIME,)), [LICENCE, "Driving over time", "31.234567, 121.654320"], 0),
        (recorded(0x15, speed_states=(STATE,)), ["reference", "normal"], 1),
        (recorded(0x09, positions=(HOUR,)), ["Position by minute", "31.234567, 121.654320", "42 km/h"], 0),
    ],
    ids=["speeds", "accidents", "over time", "speed states", "positions"],
)
def test_a_recorders_blocks_are_tables_and_speeds_are_drawn(
    reader: TestClient, node: Node, body: Any, words: list[str], charts: int
) -> None:
    opened = page(reader, f"node=node1&open={said_raw(node, 0x0700, body)}")
    assert not [one for one in words if one not in opened]
    assert opened.count('class="line-chart"') == charts
    assert opened.count("<polyline") >= charts
    assert "255 km/h" not in opened, "all ones are no speed"


def test_a_line_of_many_speeds_keeps_its_peaks() -> None:
    speeds = [50] * 30_000
    speeds[12_345] = 137
    speeds[1] = 255
    ((_, points),) = (chart := chart_of("x", {"": speeds}, "", "")).lines
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert len(heights) <= CHART_POINTS_MAX
    assert (chart.high, min(heights)) == (140, round(120 - 120 * 137 / 140, 1))
    assert chart_of("x", {"": []}, "", "").lines == [("", "")]


def test_a_message_that_is_not_there_yet_and_one_that_was_cut_say_so(reader: TestClient, node: Node) -> None:
    assert "This message is not stored" in page(reader, "node=node1&open=99")
    number = said(node, 0x0701, media.Waybill(b"x"), flags=UPLINK_CUT, length=70_000)
    assert "The message had 70,000 bytes" in page(reader, f"node=node1&open={number}")


def test_an_event_leads_to_the_message_behind_it(reader: TestClient, node: Node) -> None:
    number = said(node, 0x0702, DRIVER)
    about: dict[str, Any] = {"vehicle_id": CAR, "terminal": 3, "message": "0x0702", "node": "node1", "sequence": number}
    [seq] = node.eventlog.append(
        [
            Event(
                id="1" * 32,
                type="driver.card.inserted",
                time_ms=NOW_MS,
                subject=f"vehicle:{CAR}",
                actor="vehicle",
                payload=DriverCard(**about, result=2),
            )
        ]
    )
    for language, words in (
        ("en", ("Driver's card in", "card locked", "Driver identity 0x0702")),
        ("zh", ("驾驶员插卡", "驾驶员身份信息采集上报 0x0702")),
    ):
        shown = unescape(reader.get(f"/events/{seq}?lang={language}").text)
        assert not [one for one in words if one not in shown]
        assert f"/vehicles/{CAR}/messages?node=node1&open={number}#message" in shown
        assert "Driver's card in" in unescape(reader.get(f"/vehicles/{CAR}/events?lang=en").text)


def test_the_days_that_people_ask_for_are_a_click_and_the_chosen_one_shows_it(reader: TestClient, node: Node) -> None:
    said(node, 0x0701, media.Waybill(b"long ago"))
    shown = page(reader, "kind=waybill")
    today = re.search(r'href="(\?kind=waybill&from=[^"]+)">Today', shown)
    assert today is not None
    chosen = unescape(reader.get(f"/vehicles/{CAR}/messages{today[1]}&lang=en").text)
    assert 'aria-current="true">Today' in chosen
    assert "Nothing matches" in chosen or "long ago" not in chosen


def test_of_a_picture_the_head_is_shown_and_the_rest_is_in_the_gallery(reader: TestClient, node: Node) -> None:
    body = body_of(0x0801, 2013)
    number = said(node, 0x0801, body, flags=UPLINK_CUT, length=70_000)
    opened = page(reader, f"node=node1&open={number}")
    assert f'href="/vehicles/{CAR}/media">In the gallery' in opened
    assert "FF D8 FF E0" not in opened.partition("Raw frame")[0], "what there is of the picture is the gallery's"
