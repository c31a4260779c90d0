"""A car's page as a person uses it: replay its day, read a frame, send it a text and see it arrive."""

import re

from playwright.sync_api import Page, expect

from bench.servers import ChildServer
from tests.browser.browsing import WAIT_MS, Faults

READY = "body[data-ready=track]"


def open_as_node(page: Page, demo: ChildServer, path: str, ready: str) -> None:
    """Open a page with the node's own key."""
    key = (demo.data / "run" / "api.key").read_text().strip()
    page.set_extra_http_headers({"Authorization": f"Bearer {key}"})
    page.goto(path)
    page.wait_for_selector(f"body[data-ready={ready}]", state="attached")


def reported_car(page: Page, demo: ChildServer) -> int:
    """Return a car whose past is stored already."""
    key = (demo.data / "run" / "api.key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    for _ in range(200):
        for vehicle in range(1, 9):
            answer = page.request.get(f"/api/v1/vehicles/{vehicle}/track", params={"thin": "3"}, headers=headers)
            if answer.ok and answer.json()["kept"] > 20:
                return vehicle
        page.wait_for_timeout(250)
    raise AssertionError("no car of the demo has a track")


def place(page: Page) -> tuple[str, str, str]:
    """Return where the replayed car, the chart's cursor and the clock stand."""
    script = """() => [document.getElementById("replayed").style.transform,
                       document.getElementById("cursor").style.left,
                       document.getElementById("clock").textContent]"""
    first, second, third = page.evaluate(script)
    return first, second, third


def test_a_day_is_replayed_on_map_and_chart_at_once(page: Page, demo: ChildServer, faults: Faults) -> None:
    vehicle = reported_car(page, demo)
    open_as_node(page, demo, f"/vehicles/{vehicle}", "track")
    began = place(page)
    page.locator("#scrub").evaluate(
        "(scrub) => { scrub.value = Number(scrub.max) / 2; scrub.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    scrubbed = place(page)
    assert all(now != then for now, then in zip(scrubbed, began, strict=True)), (began, scrubbed)
    page.locator("#pace").select_option("64")
    page.locator("#play").click()
    page.wait_for_function("(then) => document.getElementById('clock').textContent !== then", arg=scrubbed[2])
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("data-playing") == "false"
    played = place(page)
    assert played[1] != scrubbed[1]
    box = page.locator("#chart").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    assert place(page)[2] > played[2]
    stop = page.locator("#stops button").first
    if stop.count():
        stop.click()
        expect(page.locator("#clock")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    href = page.locator("#frame-link").get_attribute("href") or ""
    assert re.fullmatch(rf"/vehicles/{vehicle}/frames\?at=\d+", href)


def test_the_frame_behind_a_point_is_explained_byte_by_byte(page: Page, demo: ChildServer, faults: Faults) -> None:
    vehicle = reported_car(page, demo)
    open_as_node(page, demo, f"/vehicles/{vehicle}/frames", "vehicle")
    row = page.locator("#frames tbody tr", has_text="0x0200").first
    row.locator("a.into").click()
    page.wait_for_selector("#explained")
    wire = page.locator("#frame-hex").inner_text()
    shown = "".join(page.locator("#explained .hex .run").all_inner_texts()).replace(" ", "")
    assert shown == wire, "the coloured bytes are the frame, every one of them"
    field = page.locator("#explained tbody tr", has_text="speed_kmh10")
    field.hover()
    expect(page.locator("#explained .hex .run.lit")).to_have_count(1)


def test_a_text_is_measured_sent_and_its_steps_are_seen(page: Page, demo: ChildServer, faults: Faults) -> None:
    vehicle = reported_car(page, demo)
    open_as_node(page, demo, f"/vehicles/{vehicle}/commands?message=0x8300", "commands")
    field = page.locator('[data-input="text"]')
    text = field.locator("[data-value]")
    text.fill("请速回店保养🚗")
    expect(field.locator(".refusal")).not_to_be_empty()
    text.fill("请速回店保养 A1")
    expect(field.locator(".refusal")).to_be_empty()
    expect(field.locator("[data-counted]")).to_contain_text("15")
    expect(page.locator("#text-preview")).to_have_text("请速回店保养 A1")
    page.locator("#preview > summary").click()
    expect(page.locator("#preview-shown .bytes")).to_contain_text("C7EBCBD9", timeout=WAIT_MS)
    page.locator("#order [type=submit]").click()
    sent = page.locator("#history li[data-command]").first
    expect(sent).to_contain_text("请速回店保养 A1", timeout=WAIT_MS)
    expect(sent).to_have_attribute("data-state", re.compile("acked|effective"), timeout=WAIT_MS)


def test_parameters_are_set_told_and_changed(page: Page, demo: ChildServer, faults: Faults, language: str) -> None:
    if language == "en":
        return
    vehicle = reported_car(page, demo)
    open_as_node(page, demo, f"/vehicles/{vehicle}/commands", "commands")
    # The list is searched and walked by keys alone.
    page.keyboard.press("/")
    page.keyboard.type("设置终端")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_selector("body[data-ready=commands]", state="attached")
    page.locator("[data-picker] > summary").click()
    page.locator("[data-find]").fill("最高速度")
    page.locator("[data-find]").press("Enter")
    row = page.locator('[data-parameter="0x0055"]')
    row.locator("[data-value]").fill("-3")
    page.locator("#order [type=submit]").click()
    expect(row.locator(".refusal")).to_contain_text("取值范围")
    row.locator("[data-value]").fill("88")
    page.locator("#order [type=submit]").click()
    sent = page.locator("#history li[data-command]").first
    expect(sent).to_have_attribute("data-state", re.compile("acked|effective"), timeout=WAIT_MS)
    # The terminal says what it keeps, and the value stands in a form again.
    open_as_node(page, demo, f"/vehicles/{vehicle}/commands?message=0x8106", "commands")
    page.locator("[data-picker] > summary").click()
    page.locator('[data-pick="0x0055"]').click()
    page.locator("#order [type=submit]").click()
    told = page.locator("#history li[data-command]").first.locator(".told-parameters tr", has_text="0x0055")
    expect(told).to_contain_text("88 公里/时", timeout=WAIT_MS)
    told.locator("a").click()
    page.wait_for_selector("body[data-ready=commands]", state="attached")
    expect(page.locator('[data-parameter="0x0055"] [data-value]')).to_have_value("88")
