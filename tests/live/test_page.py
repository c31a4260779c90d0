"""The live map in a browser: cars appear, are filtered, found, chosen and followed, and come back after a restart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from api.app import create_app
from api.parts import Parts
from api.server import ApiServer
from bench.live_map import parts_of
from simulators.roads import build
from storage.people import DEMO_PASSWORD
from tests.browser.browsing import LANGUAGES, NARROW, WIDE, Faults, launch, shoot, visiting

CARS = 60
PLATE = "测A00007"


class World:
    """A server of a few dozen moving cars that can be restarted where it stood."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._port = 0
        self.start()

    def start(self) -> None:
        app = create_app(self._parts)
        self.server = ApiServer(app, "127.0.0.1", self._port, on_stop=app.state.streams.close)
        self.server.start()
        self._port = int(self.server.address.rpartition(":")[2])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    parts, database = parts_of(tmp_path_factory.mktemp("map"), CARS, build())
    world = World(parts)
    yield world
    world.server.stop()
    database.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


SMALL = (900, 600)
"""Machines that run the tests draw in software: a smaller map is a quicker one."""


def open_map(page: Page, world: World, query: str = "") -> None:
    page.set_default_timeout(60_000)
    login = {"login": "admin", "password": DEMO_PASSWORD}
    address = f"http://{world.server.address}"
    assert page.request.post(f"{address}/api/v1/login", data=login, headers={"Sec-Fetch-Site": "same-origin"}).ok
    page.goto(f"{address}/{query}")
    page.wait_for_selector('body[data-map="ready"]', state="attached")
    # Names come on their own.
    page.wait_for_function("() => document.querySelector('#live').live.names.order.length > 0")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_all_cars_stand_on_the_map_and_in_the_list(
    browser: Browser, world: World, language: str, size: tuple[int, int], pictures: Path
) -> None:
    faults = Faults(world.server.address)
    dark = language == "zh"
    with visiting(browser, world.server.address, faults, language=language, size=size, dark=dark) as page:
        open_map(page, world)
        page.wait_for_function(f"() => document.querySelector('#live').live.layer.drawn === {CARS}")
        shown = page.locator('[data-part="many"]').text_content() or ""
        assert shown.count(str(CARS)) == 2
        counts = [int(text) for text in page.locator(".chip .count").all_text_contents()]
        assert sum(counts) == CARS
        # Nothing runs out of the window to the side.
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shoot(page, pictures, f"map-{language}-{size[0]}")
    assert not faults


def test_a_state_is_hidden_and_a_store_chosen_and_the_address_keeps_both(browser: Browser, world: World) -> None:
    faults = Faults(world.server.address)
    with visiting(browser, world.server.address, faults, size=SMALL) as page:
        open_map(page, world)
        driving = int(page.locator('.chip[data-state="driving"] .count').text_content() or "0")
        assert 0 < driving < CARS
        page.locator('.chip[data-state="driving"]').click()
        page.wait_for_function(f"() => document.querySelector('#live').live.layer.drawn === {CARS - driving}")
        page.locator('[data-part="store"]').select_option(index=1)
        page.wait_for_function("() => location.search.includes('hide=driving') && location.search.includes('store=')")
        page.reload()
        page.wait_for_selector('body[data-map="ready"]', state="attached")
        assert page.locator('.chip[data-state="driving"]').get_attribute("aria-pressed") == "false"
        page.wait_for_function(
            "(n) => { const l = document.querySelector('#live').live.layer; return l.drawn < n }", arg=CARS - driving
        )
    assert not faults


def test_a_car_is_found_by_its_plate_chosen_by_keyboard_and_followed(browser: Browser, world: World) -> None:
    faults = Faults(world.server.address)
    with visiting(browser, world.server.address, faults, size=SMALL) as page:
        open_map(page, world)
        page.keyboard.press("/")
        page.keyboard.type(PLATE)
        page.wait_for_function("() => document.querySelector('#live').live.layer.drawn === 1")
        page.keyboard.press("Enter")
        card = page.locator('[data-part="card"]')
        card.wait_for(state="visible")
        assert card.locator("h2").text_content() == PLATE
        assert (card.locator('[data-field="open"]').get_attribute("href") or "").startswith("/vehicles/")
        card.locator('[data-action="follow"]').click()
        # The map's centre goes where the car goes: over three ticks it never is more than a few pixels off.
        page.wait_for_function(FOLLOWED)
        ticks = int(page.evaluate("document.querySelector('#live').figures.frames"))
        page.wait_for_function(f"() => document.querySelector('#live').figures.frames >= {ticks + 3}")
        page.wait_for_function(FOLLOWED)
        page.keyboard.press("Escape")
        card.wait_for(state="hidden")
    assert not faults


FOLLOWED = """() => {
  const { map, cars } = document.querySelector('#live').live;
  const id = Number(new URLSearchParams(location.search).get('car'));
  const at = map.project(cars.place(cars.slots.get(id), performance.now() / 1000));
  const middle = map.project(map.getCenter());
  return Math.hypot(at.x - middle.x, at.y - middle.y) < 4;
}"""


def test_a_restart_of_the_server_is_said_and_survived(browser: Browser, world: World) -> None:
    faults = Faults(world.server.address)
    with visiting(browser, world.server.address, faults, size=SMALL) as page:
        open_map(page, world)
        state = page.locator('[data-part="state"]')
        assert state.text_content() == "Live"
        world.server.stop()
        page.wait_for_selector('#live[data-feed="reconnecting"]')
        assert "As of" in (state.text_content() or "")
        before = int(page.evaluate("document.querySelector('#live').figures.frames"))
        world.start()
        page.wait_for_selector('#live[data-feed="live"]')
        page.wait_for_function(f"() => document.querySelector('#live').figures.frames > {before + 1}")
        assert page.evaluate("document.querySelector('#live').live.cars.present") == CARS
    # While it was away, asking failed.
    assert all("WebSocket" in fault or "net::ERR_" in fault for fault in faults), faults


def test_the_browser_puts_cars_where_the_feed_says(browser: Browser, world: World) -> None:
    faults = Faults(world.server.address)
    with visiting(browser, world.server.address, faults, size=SMALL) as page:
        open_map(page, world)
        worst = page.evaluate(
            """() => {
              const { cars } = document.querySelector('#live').live;
              let worst = 0;
              for (let slot = 0; slot < cars.count; slot++) {
                const [lng, lat] = cars.place(slot, performance.now() / 1000);
                worst = Math.max(worst, Math.abs(lng * 1e7 - cars.lon[slot]), Math.abs(lat * 1e7 - cars.lat[slot]));
              }
              return worst;
            }"""
        )
        assert worst < 2
    assert not faults
