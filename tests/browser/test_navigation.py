"""The navigation as it is used: folded, by keys, found by a part of a name, and whole on a phone."""

from playwright.sync_api import Browser, Page

from api.portal.navigation import ENTRIES
from bench.servers import ChildServer
from storage.people import DEMO_PASSWORD
from tests.browser.browsing import LOOKING, NARROW, Faults, log_in, ready, until, visit, visiting


def test_a_folded_group_opens_for_its_own_page_only(browser: Browser, demo: ChildServer, faults: Faults) -> None:
    with visiting(browser, demo.http, faults) as page:
        log_in(page, "admin", DEMO_PASSWORD)
        group = page.locator(".side [data-group=platform]")
        group.locator("summary").click()
        assert group.get_attribute("open") is None
        visit(page, "/people")
        assert group.get_attribute("open") is None
        page.keyboard.press("g")
        with page.expect_navigation(url="**/system"):
            page.keyboard.press("s")
        assert ready(page).locator(".side [data-group=platform]").get_attribute("open") is not None
        visit(page, "/people")
        group.locator("summary").click()
        visit(page, "/vehicles")
        assert group.get_attribute("open") is not None


def test_a_page_is_found_by_a_part_of_its_name(page: Page, language: str) -> None:
    log_in(page, "admin", DEMO_PASSWORD)
    page.keyboard.press("Control+k")
    page.locator("#goto").fill({"zh": "围栏", "en": "FENCE"}[language])
    assert page.locator("#keys .group:not([hidden]) li:not([hidden])").count() == 1
    with page.expect_navigation(url="**/geofences"):
        page.keyboard.press("Enter")
    ready(page)
    page.keyboard.press("?")
    page.locator("#goto").fill("qwertz")
    assert page.locator("#keys [data-nowhere]").is_visible()
    page.keyboard.press("Escape")
    page.locator("#keys").wait_for(state="hidden")
    page.keyboard.press("?")
    until(page, f'document.querySelectorAll("#keys .group:not([hidden]) li:not([hidden])").length === {len(ENTRIES)}')


def test_every_page_stands_in_the_drawer_of_a_phone(browser: Browser, demo: ChildServer, faults: Faults) -> None:
    with visiting(browser, demo.http, faults, language="zh", size=NARROW, dark=True) as page:
        log_in(page, "admin", DEMO_PASSWORD)
        page.locator('.tabbar [data-opens="#more"]').click()
        links = page.locator("#more .group a")
        assert links.count() == len(ENTRIES)
        assert page.evaluate(LOOKING) == []
        for size in [link.bounding_box() for link in links.all()]:
            assert size is not None
            assert size["height"] >= 30
        with page.expect_navigation(url="**/guards"):
            page.locator('#more a[href="/guards"]').click()
        ready(page)
