"""A stranger's ten minutes, in Chinese and in English: from the login to the bytes behind a crossing.

One person, one browser, the program as `carillon up --demo` starts it. They see the cars move, find one by its plate,
replay its day, draw a fence, and watch a car drive into it; they read the event, take the list home, and look at the
frame that said so. The car that drives in is a terminal of the test's own, so that it comes when it is wanted.
"""

import csv
import io
import re
import time
from typing import Any

import pytest
from playwright.sync_api import Download, Page, expect

from bench.servers import ChildServer
from storage.people import DEMO_PASSWORD
from tests.browser.browsing import ready, shoot, until
from tests.line.conftest import Car, Terminal

FENCE = {"zh": "陌生人画的围栏", "en": "Drawn by a stranger"}
ENTERED = {"zh": "进入围栏", "en": "Entered a fence"}
PHONES = {"zh": "13700000001", "en": "13700000002"}
OUTSIDE_DEGREES = 0.015
"""So far north of the fence's middle the car comes from: beyond any fence that is drawn in the city."""


def busiest(server: ChildServer) -> tuple[int, str]:
    """Return the car that has driven most today: its number and its plate."""
    sql = "SELECT vehicle_id FROM report WHERE speed_kmh10 > 50 GROUP BY vehicle_id ORDER BY count() DESC LIMIT 1"
    vehicle_id = int(server.query(sql)[0]["vehicle_id"])
    vehicle = server.ask("GET", f"/api/v1/vehicles/{vehicle_id}")[1]
    return vehicle_id, str(vehicle["plate"])


def see_cars_move(page: Page) -> None:
    """Wait until the feed has moved the cars a few times, and some are driving."""
    page.wait_for_selector('#live[data-feed="live"]')
    page.wait_for_selector('body[data-map="ready"]')
    expect(page.locator('.chip[data-state="driving"] .count')).not_to_have_text(re.compile(r"^[–0]$"))
    canvas = page.locator('#live [data-part="map"] canvas').first
    before, ticks = canvas.screenshot(), page.evaluate("document.querySelector('#live').figures.frames")
    until(page, f"document.querySelector('#live').figures.frames >= {ticks + 4}")
    assert canvas.screenshot() != before


def find_by_plate(page: Page, plate: str) -> None:
    """Type a plate, press Enter, and open the car that it finds."""
    page.locator("#map-search").fill(plate)
    page.locator("#map-search").press("Enter")
    card = page.locator('[data-part="card"]')
    expect(card.locator('[data-field="plate"]')).to_have_text(plate)
    card.locator('a[data-field="open"]').click()
    ready(page, "track")
    expect(page.locator("h1")).to_contain_text(plate)


def replay_the_day(page: Page) -> None:
    """Press play, and see clock, speed and slider run through the day."""
    expect(page.locator('[data-figure="distance"]')).to_contain_text(re.compile(r"[1-9]"))
    clock = page.locator("#clock").inner_text()
    page.locator("#pace").select_option("64")
    page.locator("#play").click()
    # Minutes of the day in seconds of ours.
    until(page, "Number(document.querySelector('#scrub').value) > 120")
    page.locator("#play").click()
    assert page.locator("#clock").inner_text() != clock
    # And on by hand, to the end of it.
    slider = page.locator("#scrub")
    slider.focus()
    slider.press("End")
    until(page, "(s => Number(s.value) === Number(s.max))(document.querySelector('#scrub'))")


def draw_a_fence(page: Page, server: ChildServer, name: str) -> dict[str, Any]:
    """Draw four corners on the map, name and save them; return the fence as the API gives it."""
    page.locator('a[href="/geofences"]:visible').first.click()
    ready(page, "fences")
    page.locator('[data-do="polygon"]').click()
    box = page.locator("#fences-map canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for dx, dy in ((-90, -60), (90, -60), (90, 60), (-90, 60)):
        page.mouse.click(x + dx, y + dy)
    page.locator('[data-do="end"]').click()
    page.locator('[data-pane-of="form"] input[name="name"]').fill(name)
    page.locator('[data-pane-of="form"] button[type="submit"]').click()
    expect(page.locator('[data-part="name"]')).to_have_text(name)
    found = server.ask("GET", "/api/v1/geofences?limit=100")[1]["features"]
    (fence,) = [one for one in found if one["properties"]["name"] == name]
    return dict(fence)


def drive_in(terminal: Terminal, fence: dict[str, Any]) -> None:
    """Come from outside, and drive through the middle of the fence."""
    ring = fence["geometry"]["coordinates"][0][:-1]
    lon, lat = (sum(corner[k] for corner in ring) / len(ring) for k in (0, 1))
    car = Car(terminal, second=3_590 - 120)
    car.at(lon, lat + OUTSIDE_DEGREES)
    car.at(lon, lat)


def watch_it_crossed(page: Page, plate: str, fence: str, entered: str) -> None:
    """See the feed say that something is new, without a reload, and bring it with one press."""
    row = page.locator("#events-table tr", has_text=plate).filter(has_text=fence).filter(has_text=entered)
    fresh = page.locator("#fresh button")
    deadline = time.monotonic() + 30
    while not row.count():
        # Others cross fences meanwhile: the bar may come for them first, and come again.
        if fresh.is_visible():
            fresh.click()
        assert time.monotonic() < deadline, page.locator("#events-table").inner_text()
        page.wait_for_timeout(50)
    assert page.evaluate("window.stayed") is True, "the page was loaded anew"
    row.first.locator("a.into").click()
    ready(page, "event")


def export(page: Page, plate: str) -> list[dict[str, str]]:
    """Search the feed for a plate and take what is found home as CSV."""
    page.locator('a[href="/events"]:visible').first.click()
    ready(page, "events")
    page.locator("#events-filters input[name=q]").fill(plate)
    expect(page.locator("#events-table tbody tr").filter(has_not_text=plate)).to_have_count(0)
    link = page.locator('#events-export a[href*="csv"]')
    page.locator("#events-export summary").click()
    expect(link).to_have_attribute("href", re.compile(r"[?&]q="))
    with page.expect_download() as waiting:
        link.click()
    download: Download = waiting.value
    text = download.path().read_bytes().decode("utf-8-sig")
    *rows, mark = csv.DictReader(io.StringIO(text))
    # Who took it home stands below what was found.
    assert next(iter(mark.values())).startswith(("Export ", "导出")), mark
    return rows


@pytest.mark.slow
def test_a_strangers_ten_minutes(page: Page, lived: ChildServer, language: str, pictures: Any) -> None:
    def picture(name: str) -> None:
        shoot(page, pictures, f"stranger-{name}-{language}")

    fence_name, phone = FENCE[language], PHONES[language]
    page.goto("/")
    ready(page)
    assert "/login" in page.url
    page.locator("input[name=login]").fill("admin")
    page.locator("input[name=password]").fill(DEMO_PASSWORD)
    page.locator("input[name=password]").press("Enter")

    see_cars_move(page)
    picture("1-map")
    _, plate = busiest(lived)
    find_by_plate(page, plate)
    picture("2-car")
    replay_the_day(page)
    picture("3-replay")

    fence = draw_a_fence(page, lived, fence_name)
    picture("4-fence")
    page.locator('a[href="/events"]:visible').first.click()
    ready(page, "events")
    page.evaluate("window.stayed = true")
    terminal = Terminal(lived.port, phone).login()
    try:
        drive_in(terminal, fence)
    finally:
        terminal.close()
    mine = f"粤B{phone[-5:]}"
    watch_it_crossed(page, mine, fence_name, ENTERED[language])
    picture("5-event")
    expect(page.locator("main")).to_contain_text(mine)
    expect(page.locator("main")).to_contain_text(fence_name)

    behind = page.locator(".frame-behind").first
    expect(behind).to_contain_text("0x0200")
    frame = behind.locator("pre").inner_text().replace(" ", "").strip().lower()
    behind.locator("a").click()
    ready(page)
    expect(page.locator("main")).to_contain_text("0x0200")
    expect(page.locator("main")).to_contain_text(phone)
    assert frame.startswith("7e")
    assert frame.endswith("7e")
    assert phone.zfill(12) in frame
    picture("6-frame")

    rows = export(page, mine)
    picture("7-list")
    assert rows
    texts = [" ".join(row.values()) for row in rows]
    assert all(mine in text for text in texts), texts
    assert any(fence_name in text and ENTERED[language] in text for text in texts)
