"""One running demo and one browser for all tests of the portal; a fresh visitor and a list of faults for each.

SCREENSHOTS=DIR in the environment keeps the pictures that tests take; without it they go where pytest keeps its own.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from bench.machine import REPOSITORY
from bench.servers import ChildServer
from tests.browser.browsing import LANGUAGES, Faults, launch, visiting

DEMO_VEHICLES = 24
PAST_S_MAX = 60.0
LOG_LINES_MAX = 100_000
"""All of the log: other tests may have run for long before somebody asks for the past."""


@pytest.fixture(scope="package")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    """A server as `carillon up --demo` starts it, small, on free ports: http is host:port, port takes terminals."""
    command = [sys.executable, str(REPOSITORY / "carillon.py"), "up", "--demo"]
    environment = {
        "CARILLON_HTTP": "127.0.0.1:0",
        "CARILLON_DEMO_VEHICLES": str(DEMO_VEHICLES),
        "CARILLON_DEMO_HISTORY_H": "2",
        "CARILLON_LOG_LEVEL": "info",
    }
    with ChildServer(command, tmp_path_factory.mktemp("demo") / "data", environment=environment) as server:
        try:
            yield server
        finally:
            # In order, so that the simulator, its child, is ended too.
            server.stop()


@pytest.fixture(scope="package")
def lived(demo: ChildServer) -> ChildServer:
    """The demo once its past is over and stored: there is a crash to look at, and a track."""
    deadline = time.monotonic() + PAST_S_MAX
    while not (
        demo.ask("GET", "/api/v1/events?type=crash&limit=1")[1]["items"]
        and "real time from" in demo.log_end(LOG_LINES_MAX)
        and demo.query("SELECT vehicle_id FROM report LIMIT 1")
    ):
        assert time.monotonic() < deadline, demo.log_end()
        time.sleep(0.2)
    return demo


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser, without any visitor."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    """Each test that asks for it runs in every language."""
    return str(request.param)


@pytest.fixture
def faults(demo: ChildServer) -> Iterator[Faults]:
    """What goes wrong unseen. Anything left in it at the end fails the test."""
    faults = Faults(demo.http)
    yield faults
    assert not faults, "\n".join(faults)


@pytest.fixture
def page(browser: Browser, demo: ChildServer, faults: Faults, language: str) -> Iterator[Page]:
    """A visitor's page, wide and light, not logged in."""
    with visiting(browser, demo.http, faults, language=language) as page:
        yield page


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go."""
    given = os.environ.get("SCREENSHOTS")
    return Path(given) if given else tmp_path_factory.mktemp("pictures")
