"""Every page: in both languages, under the strict policy, with nothing inline, and nothing hostile taken for markup."""

import gzip
import re
from html.parser import HTMLParser

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import insert, update

from api.app import create_app
from api.portal.render import POLICY
from core.events import CommandProgress, Event, FenceCrossed, derive_id
from protocols.jt808.codec import Header, encode, encode_body
from protocols.jt808.media import Compressed
from protocols.jt808.messages import Location, LocationBatch
from storage.tables.business import OUTBOX, VEHICLE
from tests.api.conftest import Node

HOSTILE = "<script>alert(1)</script>\"'&"
PAGES = ("/account", "/docs", "/events", "/explain", "/outbox", "/system", "/events/1", "/nothing-here", "/login")


class Inline(HTMLParser):
    """Collects what the policy forbids: styles and scripts in the page, and handlers in attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") != "application/json"):
            self.found.append(tag)
        for name, value in attrs:
            forbidden = name == "style" or (name.startswith(("on", "hx-on", "data-hx-on")) and name != "one")
            if forbidden or (value or "").strip().lower().startswith(("javascript:", "js:")):
                self.found.append(f"{tag} {name}={value}")
            if name == "hx-trigger" and "[" in (value or ""):
                self.found.append(f"{tag} {name}={value}")


def inline_of(html: str) -> Inline:
    parser = Inline()
    parser.feed(html)
    return parser


@pytest.fixture
def lived(node: Node) -> Node:
    """A node on which something has happened, most of it with hostile words in it."""
    with node.database.write() as connection:
        connection.execute(update(VEHICLE).where(VEHICLE.c.id == 7).values(plate=HOSTILE))
        connection.execute(
            insert(OUTBOX).values(
                id="a" * 32, adapter="built-in", group_id=1, store_id=0, channel="sms", account=1, address=HOSTILE,
                subject=HOSTILE, body=HOSTILE, about="vehicle:7", cause="", state="requested", reason=HOSTILE,
                requested_ms=1_763_790_000_000, changed_ms=1_763_790_000_000,
            )
        )  # fmt: skip
    crossed = FenceCrossed(
        vehicle_id=7, fence_id=3, report_id="0" * 16, lat_1e7=300_000_000, lon_1e7=1_500_000_000, speed_kmh10=721
    )
    failed = CommandProgress(command="c" * 32, vehicle_id=7, reason=HOSTILE, reply={HOSTILE: HOSTILE})
    for number, (type_, payload) in enumerate((("fence.entered", crossed), ("command.failed", failed))):
        event = Event(
            id=derive_id("test", type_, 1, [str(number)], ""),
            type=type_,
            time_ms=1_763_790_000_000,
            subject="vehicle:7",
            actor=HOSTILE,
            payload=payload,
        )
        node.eventlog.append([event])
    return node


@pytest.fixture
def asking(lived: Node) -> TestClient[Litestar]:
    with TestClient(create_app(lived.parts())) as client:
        client.headers.update({"Accept": "text/html", "Authorization": "Bearer the-key-of-the-tests"})
        yield client  # type: ignore[misc]


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_in_either_language_and_has_nothing_inline(
    asking: TestClient[Litestar], path: str, language: str
) -> None:
    answer = asking.get(path, headers={"Accept-Language": language})
    assert answer.status_code == (404 if path == "/nothing-here" else 200)
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["Cache-Control"] == "no-store"
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}"' in answer.text
    found = inline_of(answer.text)
    assert not found.found
    assert found.tags.count("h1") == (0 if path == "/nothing-here" else 1)
    assert found.tags.count("main") == 1
    assert "alert(1)</script>" not in answer.text
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"OpenAPI|http://testserver[^\"]*", "", answer.text))


def test_chinese_pages_speak_no_english_but_names(asking: TestClient[Litestar]) -> None:
    page = asking.get("/system", headers={"Accept-Language": "zh"}).text
    words = set(re.findall(r">\s*([A-Z][a-z]+(?: [a-z]+)+)", page))
    assert not words


def test_the_language_is_by_address_then_cookie_then_browser(nobody: TestClient[Litestar]) -> None:
    zh = {"Accept-Language": "zh-CN,zh;q=0.9"}
    assert 'lang="zh-CN" data' in nobody.get("/login", headers=zh).text
    chosen = nobody.get("/login?lang=en", headers=zh)
    assert 'lang="en" data' in chosen.text
    assert 'lang="en" data' in nobody.get("/login", headers=zh).text  # the cookie that came with it
    assert 'lang="zh-CN" data' in nobody.get("/login?lang=zh").text
    assert 'data-theme="dark"' in nobody.get("/login?theme=dark").text
    assert 'data-theme="dark"' in nobody.get("/login").text
    assert 'data-theme="dark"' in nobody.get("/login?theme=nonsense").text


def test_a_fault_is_a_page_for_people_and_a_problem_for_programs(asking: TestClient[Litestar]) -> None:
    page = asking.get("/events/999999", headers={"Accept-Language": "zh"})
    assert page.status_code == 404
    assert "页面不存在" in page.text
    assert "not_found" in page.text
    program = asking.get("/events/999999", headers={"Accept": "application/json"})
    assert program.json()["code"] == "not_found"
    fragment = asking.get("/events/999999", headers={"HX-Request": "true"})
    assert fragment.headers["Content-Type"].startswith("application/problem+json")
    assert asking.get("/api/v1/nothing").json()["code"] == "not_found"


def test_an_unwell_node_says_why(lived: Node, asking: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.health.READY_KNOWN_S", 0.0)
    assert 'class="badge good"' in asking.get("/system").text
    lived.faults.append(f"store: {HOSTILE}")
    page = asking.get("/system").text
    assert "store: &lt;script&gt;" in page
    assert 'class="badge bad"' in page
    part = asking.get("/system", headers={"HX-Request": "true", "HX-Target": "div#figures"}).text
    assert part.strip().startswith('<div class="stack" id="figures"')


def test_an_event_is_told_in_the_words_of_the_trade(lived: Node, asking: TestClient[Litestar]) -> None:
    page = asking.get(f"/events/{lived.eventlog.head() - 1}", headers={"Accept-Language": "zh"}).text
    for words in ("进入围栏", "72.1 公里/时", "30.000000, 150.000000", "/vehicles/7?at=1763790000000"):
        assert words in page
    assert "frames?report_id=" in page


def test_a_compressed_message_is_explained_under_its_frame(asking: TestClient[Litestar]) -> None:
    place = Location(0, 2, 30_123_456, 120_654_321, time_ms=1_768_437_000_000)
    body = encode_body(LocationBatch(locations=(place,) * 90), Header(0x0704, "1", 1))
    frame = encode(Compressed(gzip.compress(body)), Header(0x0901, "1", 1)).hex()
    page = asking.get("/explain", params={"frame": frame}, headers={"Accept-Language": "zh"}).text
    assert page.count('<section class="card explained">') == 2
    assert "解压后的消息体 0x0704 定位数据批量上传" in page
    assert "30.123456 度" in page
    assert page.count("<tr data-field=") < 500, "a compressed message of many positions is shown in part"


def test_a_frame_is_explained_byte_by_byte(asking: TestClient[Litestar]) -> None:
    from api.portal.explain import EXAMPLES

    for key, frame in EXAMPLES:
        page = asking.get("/explain", params={"frame": frame}, headers={"Accept-Language": "en"}).text
        shown = "".join(re.findall(r"<i>([0-9A-F]{2})</i>", page))
        assert shown == frame.upper(), key
        assert ('class="message bad"' in page) == (key == "explain_example_broken")
    both = asking.post(
        "/explain",
        data={"frames": "\n".join(frame for _, frame in EXAMPLES)},
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert both.text.count('class="card explained"') == len(EXAMPLES)
