"""Every page in the table of pages, as it is met: wide and narrow, light and dark, Chinese and English.

The pages come from the table itself: a new one that needs an example of what it shows fails here until it has one.
"""

import os
import re
from pathlib import Path

import pytest
from litestar.handlers import HTTPRouteHandler
from playwright.sync_api import Browser, Page

from api.portal import PAGES
from bench.servers import ChildServer
from storage.people import DEMO_PASSWORD
from tests.browser.browsing import LOOKING, NARROW, WIDE, Faults, log_in, ready, shoot, take_picture, visiting
from tests.line.conftest import until

Met = tuple[tuple[int, int], bool]
WALKS: dict[str, tuple[Met, Met]] = {
    "zh": ((NARROW, True), (WIDE, False)),
    "en": ((WIDE, True), (NARROW, False)),
}
"""Language -> the two (window, dark) in which each page is looked at: every two of a language, a window and a look meet
at least once. A page is opened in one of them and brought to the other, which costs a third of opening it again; in
the other language it is opened in the other window. The next page is opened as this one was left."""
SHOOTS = "SCREENSHOTS" in os.environ
"""Pictures are for people who look at them: software draws a map in half a second."""
ALONE = ("/login",)
"""Pages for one who is not logged in."""
NOT_PAGES = re.compile(
    r"^/(assets|logout)\b|/withdrawals/|\.(csv|xlsx|json|js)$|/export|/now$|/parameter$|/count$|/trial$"
)
"""Files, and pieces of pages that a page asks for."""


def paths() -> list[str]:
    """Return the path of every page, as declared."""
    found = []
    for handler in PAGES:
        if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods:
            found += [path for path in sorted(handler.paths) if not NOT_PAGES.search(path)]
    return found


@pytest.fixture(scope="module")
def examples(lived: ChildServer) -> dict[str, str]:
    """Beginning of a path -> what its parameter can be in this demo: the car that has driven most, a crash …"""
    busiest = lived.query("SELECT vehicle_id FROM report GROUP BY vehicle_id ORDER BY count() DESC LIMIT 1")[0]
    (crash, *_) = lived.ask("GET", "/api/v1/events?type=crash&limit=1")[1]["items"]
    first = dict.fromkeys(("geofences", "incidents", "terminals", "people", "stores", "users"), "1")
    return first | {
        "vehicles": str(busiest["vehicle_id"]),
        "media": str(take_picture(lived)[1]),
        "events": str(crash["seq"]),
        "rules": "crash",
        # Told of by the people who live in the demo.
        "persons": str(until(lambda: lived.ask("GET", "/api/v1/persons?limit=1")[1]["items"])[0]["person"]),
        "event-types": "crash.suspected",
        "organisation": lived.ask("GET", "/api/v1/organisation")[1]["items"][0]["node"],
    }


def example(examples: dict[str, str], path: str) -> str:
    """Return a path with what its parameters can be."""
    topic = path.split("/")[1]
    if "{" in path and topic not in examples:
        raise LookupError(f"say in `examples` what {path} is to be tried with")
    return re.sub(r"\{[^}]+\}", lambda _: examples[topic], path)


@pytest.mark.slow
@pytest.mark.parametrize("language", WALKS)
def test_every_page_is_sound(
    browser: Browser, lived: ChildServer, examples: dict[str, str], faults: Faults, pictures: Path, language: str
) -> None:
    meetings = WALKS[language]
    found: list[str] = []

    def look(page: Page, path: str, name: str) -> None:
        """See a page that is open as it is met, and as it becomes when the window and the look change."""
        nonlocal meetings
        ready(page)
        assert page.evaluate("document.documentElement.lang").startswith(language), path
        for met in meetings:
            if met is not meetings[0]:
                bring(page, met)
            found.extend(f"{path} {_word(language, met)}: {fault}" for fault in page.evaluate(LOOKING))
            if SHOOTS:
                shoot(page, pictures, f"{name}-{_word(language, met)}")
        meetings = (meetings[1], meetings[0])
        # A piece of a page names no icon, and the browser asks for one.
        found.extend(f"{path}: {fault}" for fault in faults if "/favicon.ico" not in fault)
        faults.clear()

    size, dark = meetings[0]
    with visiting(browser, lived.http, faults, language=language, size=size, dark=dark) as page:
        for path in ALONE:
            page.goto(path)
            look(page, path, _name(path))
        log_in(page, "admin", DEMO_PASSWORD)
        for declared in paths():
            if declared in ALONE or declared.startswith("/welcome"):
                continue
            path = example(examples, declared)
            answer = page.goto(path)
            if answer is None or not answer.ok:
                found.append(f"{path}: {answer and answer.status}")
                continue
            # A piece of a page, or a file, is not met by itself.
            if "<html" in answer.text():
                look(page, path, _name(declared))
        faults[:] = [fault for fault in faults if "/favicon.ico" not in fault]
    assert not found, "\n".join(found)


def bring(page: Page, met: Met) -> None:
    """Give a page that is open another window and look, and wait until it has drawn itself anew."""
    (width, height), dark = met
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def _name(path: str) -> str:
    return re.sub(r"[^a-z]+", "-", path).strip("-") or "map"


def _word(language: str, met: Met) -> str:
    return f"{language}-{met[0][0]}-{'dark' if met[1] else 'light'}"
