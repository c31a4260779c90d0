"""The gallery as a person uses it: ask for pictures, see them come, look at them one after the other with the keys."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from bench.servers import ChildServer
from storage.people import DEMO_PASSWORD
from tests.browser.browsing import LOOKING, NARROW, Faults, log_in, shoot, take_picture, until, visit, visiting


def test_pictures_are_asked_for_come_by_themselves_and_are_looked_at_by_keys(
    browser: Browser, lived: ChildServer, faults: Faults, pictures: Path
) -> None:
    car, _ = take_picture(lived)
    with visiting(browser, lived.http, faults, language="zh") as page:
        log_in(page, "admin", DEMO_PASSWORD)
        visit(page, f"/vehicles/{car}/media", "media")
        count = "document.querySelectorAll('a[data-shot]').length"
        before = int(page.evaluate(count))
        assert before >= 1
        page.locator("[data-opens='#media-take']").first.click()
        page.locator("#media-take input[name=command]").fill("2")
        page.locator("#media-take [type=submit]").click()
        expect(page.locator("#media-now [data-state]").first).to_be_visible()
        until(page, f"{count} === {before + 2}")
        until(page, "[...document.querySelectorAll('#media-grid img')].every((one) => one.naturalWidth === 352)")
        assert page.evaluate(LOOKING) == []
        shoot(page, pictures, "media-gallery")
        # The newest first; arrows go on and stop at the ends; Escape gives the focus back.
        page.locator("a[data-shot]").first.press("Enter")
        shown = page.locator("#lightbox img")
        first = shown.get_attribute("src")
        page.keyboard.press("ArrowLeft")
        assert shown.get_attribute("src") == first
        page.keyboard.press("ArrowRight")
        assert shown.get_attribute("src") != first
        until(page, "document.querySelector('#lightbox img').naturalWidth === 352")
        shoot(page, pictures, "media-lightbox")
        page.keyboard.press("Escape")
        expect(page.locator("#lightbox")).to_be_hidden()
        assert page.evaluate("document.activeElement.dataset.shot")
        # Its own page names the command; the command's page shows what it brought.
        page.locator("figure.shot a.badge").first.click()
        page.wait_for_selector("#media figure.shot")
        assert int(page.evaluate(count)) == 2
        page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
        assert page.evaluate(LOOKING) == []
