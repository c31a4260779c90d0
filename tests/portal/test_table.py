"""A declared table: filters, pages, and an export of the very same query that a spreadsheet can do no harm with."""

import csv
import io
import re
import zipfile
from collections import Counter
from datetime import datetime
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from litestar import Litestar, Request, Response, get
from litestar.datastructures import State
from litestar.testing import TestClient

from api.parts import Ground
from api.portal import table as tables
from api.portal.faults import as_page
from api.portal.render import words_in
from api.portal.table import Asked, Choice, Column, Empty, Moment, Period, Rows, Search, Table, local_ms
from api.problems import Problem, answer_problem
from core.rights import NODE

TIME_MS = 1_763_790_123_000
PLATES = ["粤B12345", "=1+1", "+86", "-1", "@SUM(A1)", "\t=1", "＝1", '"quoted", comma', "<b>bold</b>", "http://x.y/"]


def read(asked: Asked) -> Rows:
    start = int(asked.after or 0)
    wanted = [row for row in ROWS if asked.get("q") in row["plate"] and row["id"] > start]
    if asked.sort == "-id":
        wanted.reverse()
    page = wanted[: asked.limit]
    return Rows(page, str(page[-1]["id"]) if len(wanted) > len(page) else "")


ROWS: list[dict[str, Any]] = [
    {"id": n, "plate": PLATES[(n - 1) % len(PLATES)], "speed": n * 1.5, "time": TIME_MS + n * 1000, "on": n % 2 == 0}
    for n in range(1, 121)
]
CARS = Table(
    name="cars",
    path="/cars",
    title="nav_vehicles",
    columns=(
        Column("id", "event_seq", lambda row: row["id"], sort=True, align="end"),
        Column("plate", "event_field_plate", lambda row: row["plate"]),
        Column("speed", "event_field_speed_kmh10", lambda row: row["speed"]),
        Column("time", "event_time", lambda row: Moment(row["time"])),
        Column("on", "event_field_active", lambda row: row["on"], on_page=False),
    ),
    filters=(Search("q", "do_search"), Choice("on", "event_field_active", (("1", "yes"),)), Period()),
    read=read,
    row_id=lambda row: row["id"],
    row_href=lambda row: f"/cars/{row['id']}",
    empty=Empty("car", "events_none", "events_none_what"),
)


@get("/cars")
async def cars_page(request: Request[Any, Any, Any]) -> Response[Any]:
    return await CARS.answer(request, "outbox.html")


def as_node(connection: Any, _handler: object) -> None:
    connection.state.principal = NODE


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def at_once(*_: object, **__: object) -> bool:
        return True

    # Who lets a file out is tested in tests/audit.
    monkeypatch.setattr(tables, "released", at_once)
    app = Litestar(
        [cars_page],
        guards=[as_node],
        state=State({"parts": type("Parts", (), {"demo": False, "ground": Ground()})(), "problems": Counter()}),
        exception_handlers={Problem: as_page(answer_problem)},
        openapi_config=None,
    )
    with TestClient(app) as client:
        client.headers.update({"Accept": "text/html", "Accept-Language": "zh"})
        yield client


def ids(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'id="cars-(\d+)"', html)]


def test_pages_follow_one_another_to_the_end(browser: TestClient[Litestar]) -> None:
    seen, address = [], "/cars?q="
    for _ in range(10):
        page = browser.get(address).text
        seen += ids(page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        if not following:
            break
        address = following[1].replace("&amp;", "&")
    assert seen == list(range(1, 121))


def test_htmx_gets_the_rows_alone_and_a_browser_the_page(browser: TestClient[Litestar]) -> None:
    part = browser.get("/cars?q=粤", headers={"HX-Request": "true", "HX-Target": "div#cars-table"}).text
    assert part.strip().startswith('<div class="sheet" id="cars-table"')
    assert ids(part) == list(range(1, 120, 10))
    whole = browser.get("/cars?q=粤").text
    assert "<html" in whole
    assert 'value="粤"' in whole
    assert "&lt;b&gt;" not in whole


def test_what_stands_in_a_cell_is_text(browser: TestClient[Litestar]) -> None:
    page = browser.get("/cars").text
    assert "<b>bold</b>" not in page
    assert "&lt;b&gt;bold&lt;/b&gt;" in page


def test_an_unknown_order_is_none_and_a_known_one_is_said(browser: TestClient[Litestar]) -> None:
    assert "aria-sort" not in browser.get("/cars?sort=plate").text
    assert 'aria-sort="descending"' in browser.get("/cars?sort=-id").text


def test_an_empty_table_says_whether_a_filter_is_why(browser: TestClient[Litestar]) -> None:
    assert "没有符合条件的记录" in browser.get("/cars?q=nothing").text
    rows, ROWS[:] = list(ROWS), []
    try:
        assert "尚无事件" in browser.get("/cars").text
    finally:
        ROWS[:] = rows


def test_csv_opens_in_excel_and_runs_no_formula(browser: TestClient[Litestar]) -> None:
    answer = browser.get("/cars?format=csv")
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="cars-')
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, *rows, mark = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert mark[0].startswith("导出编号 ")
    assert head == ["序号", "车牌", "车速", "发生时间", "启用"]
    assert len(rows) == 120
    local = datetime.fromtimestamp(TIME_MS / 1000 + 1, ZoneInfo("Asia/Shanghai"))
    assert rows[0] == ["1", "粤B12345", "1.5", local.strftime("%Y-%m-%d %H:%M:%S"), "否"]
    for row, plate in zip(rows, PLATES, strict=False):
        assert row[1] in (plate, "'" + plate)
        assert row[1][0] not in "=+-@\t＝"


SPREADSHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def test_a_workbook_holds_real_numbers_and_times_and_no_formula(browser: TestClient[Litestar]) -> None:
    answer = browser.get("/cars?format=xlsx&q=粤")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        assert book.testzip() is None
        assert not [name for name in book.namelist() if "external" in name or "hyperlink" in name.lower()]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
        names = book.read("xl/workbook.xml").decode()
    assert 'name="车辆"' in names
    rows = sheet.findall(f".//{SPREADSHEET}row")
    assert len(rows) == 1 + 12 + 1, "the last one says whose file it is"
    assert sheet.find(f".//{SPREADSHEET}f") is None
    assert sheet.find(f".//{SPREADSHEET}pane") is not None
    first = rows[1].findall(f"{SPREADSHEET}c")
    assert [cell.get("t", "n") for cell in first] == ["n", "inlineStr", "n", "n", "inlineStr"]
    serial = float(first[3].findtext(f"{SPREADSHEET}v") or "")
    local = datetime.fromtimestamp(TIME_MS / 1000 + 1, ZoneInfo("Asia/Shanghai")).replace(tzinfo=None)
    assert serial == pytest.approx((local - datetime(1899, 12, 30)).total_seconds() / 86_400)  # noqa: DTZ001


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_an_export_past_the_bound_says_that_it_is_cut(
    browser: TestClient[Litestar], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(tables, "EXPORT_ROWS_MAX", 120)
    whole = browser.get(f"/cars?format={kind}").content
    monkeypatch.setattr(tables, "EXPORT_ROWS_MAX", 119)
    monkeypatch.setattr(tables, "EXPORT_CHUNK_ROWS", 50)
    cut = browser.get(f"/cars?format={kind}").content
    if kind == "xlsx":
        whole, cut = (zipfile.ZipFile(io.BytesIO(data)).read("xl/worksheets/sheet1.xml") for data in (whole, cut))
    assert "已在 119 行处截断".encode() in cut
    assert "截断".encode() not in whole
    assert cut.count(b"<row " if kind == "xlsx" else b"\r\n") == 1 + 119 + 2


def test_a_format_that_is_none_is_refused(browser: TestClient[Litestar]) -> None:
    assert browser.get("/cars?format=exe", headers={"Accept": "application/json"}).json()["code"] == "bad_request"


def test_a_local_time_is_of_the_readers_zone() -> None:
    assert local_ms("2025-11-22T13:42", words_in("zh", "Asia/Shanghai")) == 1_763_790_120_000
    assert local_ms("2025-11-22T11:42", words_in("en", "Asia/Urumqi")) == 1_763_790_120_000
    assert local_ms("2025-11-22T05:42Z", words_in("en", "Asia/Urumqi")) == 1_763_790_120_000
    assert local_ms("yesterday", words_in("en", "Asia/Urumqi")) is None
