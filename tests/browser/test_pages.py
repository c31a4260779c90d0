"""Every page in the table of pages, as it is met: wide and narrow, light and dark, Chinese and English.

The pages come from the table itself: a new one that needs an example of what it shows fails here until it has one.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar.handlers import HTTPRouteHandler
from playwright.sync_api import Browser

from api.portal import PAGES
from bench.servers import ChildServer
from storage.people import DEMO_PASSWORD
from tests.browser.browsing import LOOKING, NARROW, WIDE, Faults, log_in, ready, shoot, take_picture, visiting

MEETINGS = (("zh", WIDE, False), ("zh", NARROW, True), ("en", WIDE, True), ("en", NARROW, False))
"""Language, window, dark: every two of them meet at least once."""
ALONE = ("/login",)
"""Pages for one who is not logged in."""
NOT_PAGES = re.compile(r"^/(assets|logout)\b|\.(csv|xlsx|json|js)$|/export|/now$|/parameter$|/count$|/trial$")
"""Files, and pieces of pages that a page asks for."""


def paths() -> list[str]:
    """Return the path of every page, as declared."""
    found = []
    for handler in PAGES:
        if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods:
            found += [path for path in sorted(handler.paths) if not NOT_PAGES.search(path)]
    return found


def example(server: ChildServer, path: str) -> str:
    """Return a path with what its parameters can be, of this demo: the car that has driven most, a crash …"""
    if "{" not in path:
        return path
    if path.startswith("/vehicles/"):
        busiest = server.query("SELECT vehicle_id FROM report GROUP BY vehicle_id ORDER BY count() DESC LIMIT 1")[0]
        return re.sub(r"\{[^}]+\}", str(busiest["vehicle_id"]), path)
    if path.startswith("/media/"):
        return re.sub(r"\{[^}]+\}", str(take_picture(server)[1]), path)
    if path.startswith("/events/"):
        (event, *_) = server.ask("GET", "/api/v1/events?type=crash&limit=1")[1]["items"]
        return re.sub(r"\{[^}]+\}", str(event["seq"]), path)
    if path.startswith("/rules/"):
        return "/rules/crash"
    if path.startswith(("/geofences/", "/terminals/", "/people/", "/stores/", "/users/")):
        return re.sub(r"\{[^}]+\}", "1", path)
    raise LookupError(f"say here what {path} is to be tried with")


@pytest.fixture(params=MEETINGS, ids=lambda met: f"{met[0]}-{met[1][0]}-{'dark' if met[2] else 'light'}")
def met(request: pytest.FixtureRequest) -> Iterator[tuple[str, tuple[int, int], bool]]:
    return request.param


@pytest.mark.slow
def test_every_page_is_sound(
    browser: Browser, lived: ChildServer, faults: Faults, pictures: Path, met: tuple[str, tuple[int, int], bool]
) -> None:
    language, size, dark = met
    found: list[str] = []
    looks: dict[str, Any] = {"language": language, "size": size, "dark": dark}
    with visiting(browser, lived.http, faults, **looks) as page:
        for path in ALONE:
            page.goto(path)
            found += [f"{path}: {fault}" for fault in ready(page).evaluate(LOOKING)]
            shoot(page, pictures, _name(path, met))
        log_in(page, "admin", DEMO_PASSWORD)
        for declared in paths():
            if declared in ALONE or declared.startswith("/welcome"):
                continue
            path = example(lived, declared)
            answer = page.goto(path)
            if answer is None or not answer.ok:
                found.append(f"{path}: {answer and answer.status}")
                continue
            if "<html" not in answer.text():
                # A piece of a page, or a file: not met by itself.
                continue
            ready(page)
            assert page.evaluate("document.documentElement.lang").startswith(language), path
            found += [f"{path}: {fault}" for fault in page.evaluate(LOOKING)]
            shoot(page, pictures, _name(declared, met))
            # A piece of a page names no icon, and the browser asks for one.
            found += [f"{path}: {fault}" for fault in faults if "/favicon.ico" not in fault]
            faults.clear()
        faults[:] = [fault for fault in faults if "/favicon.ico" not in fault]
    assert not found, "\n".join(found)


def _name(path: str, met: tuple[str, tuple[int, int], bool]) -> str:
    word = re.sub(r"[^a-z]+", "-", path).strip("-") or "map"
    return f"{word}-{met[0]}-{met[1][0]}-{'dark' if met[2] else 'light'}"
