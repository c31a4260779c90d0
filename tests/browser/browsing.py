"""What tests of the portal do with a browser: start it, open pages and wait for them, log in, take pictures.

A page says that it is complete by `data-ready` on its body, set once its islands have drawn. Nothing here sleeps.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Request

from bench.servers import ChildServer

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""What a Chromium is called: Debian, Ubuntu, Google."""
FLAGS: Final = (
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # WebGL in software: test machines have no graphics card.
    "--enable-unsafe-swiftshader",
)
LANGUAGES: Final = ("zh", "en")
LOCALES: Final = {"zh": "zh-CN", "en": "en-GB"}
WIDE: Final = (1440, 900)
NARROW: Final = (390, 844)
LOOKING: Final = (Path(__file__).parent / "looking.js").read_text()
"""A script that looks at a page as a careful reader does, and returns what is wrong with it."""
WAIT_MS: Final = 20_000
"""The longest that a page may take to do one thing. Machines that run the tests are shared, and draw in software."""


def find_chromium() -> str:
    """Return the browser's path: CHROMIUM of the environment, or the first of NAMES in PATH.

    Raises:
        LookupError: there is none; the text says what to install.
    """
    for name in (os.environ.get("CHROMIUM", ""), *NAMES):
        if name and (path := shutil.which(name)):
            return path
    raise LookupError(f"no browser: none of {', '.join(NAMES)} is in PATH, and CHROMIUM names none; run .ci/browser")


def launch(playwright: Playwright) -> Browser:
    """Start a browser with a profile of its own, gone when it is closed."""
    return playwright.chromium.launch(executable_path=find_chromium(), args=list(FLAGS), timeout=60_000)


class Faults(list[str]):
    """What went wrong in a page that nobody looks at: errors on its console (violations of the content security policy
    among them), scripts that threw, requests that failed, requests to anybody but our server.

    A test that provokes one takes it out with `expect`; what is left at its end fails it.
    """

    def __init__(self, host: str) -> None:
        super().__init__()
        self._host = host

    def watch(self, context: BrowserContext) -> None:
        """Listen to every page of a context."""
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.append(f"thrown: {error.error}"))
        context.on("request", self._on_request)
        context.on("requestfailed", self._on_request_failed)

    def expect(self, pattern: str) -> None:
        """Take out the faults that match; there must be one."""
        found = [fault for fault in self if re.search(pattern, fault)]
        assert found, f"nothing matches {pattern!r} in {list(self)}"
        for fault in found:
            self.remove(fault)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _is_noise(message.text):
            self.append(f"console {message.type}: {message.text} ({message.location.get('url', '')})")

    def _on_request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme not in ("data", "blob") and url.netloc != self._host:
            self.append(f"left the host: {request.method} {request.url}")

    def _on_request_failed(self, request: Request) -> None:
        # A page that is left lets go of what it was still asking for: that is no failure.
        if request.failure != "net::ERR_ABORTED":
            self.append(f"failed: {request.method} {request.url}: {request.failure}")


def _is_noise(text: str) -> bool:
    """Tell whether the browser speaks of itself: software drawing is slow, it says, whenever a canvas is read."""
    return "GPU stall due to ReadPixels" in text or "WebGL fallback" in text or "swiftshader" in text.lower()


@contextmanager
def visiting(
    browser: Browser,
    host: str,
    faults: Faults,
    *,
    language: str = "en",
    size: tuple[int, int] = WIDE,
    dark: bool = False,
) -> Iterator[Page]:
    """Give a page of a visitor who was never here: no cookies, a language, a window, light or dark."""
    context = browser.new_context(
        base_url=f"http://{host}",
        locale=LOCALES[language],
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        timezone_id="Asia/Shanghai",
        reduced_motion="reduce",
        accept_downloads=True,
    )
    try:
        context.set_default_timeout(WAIT_MS)
        faults.watch(context)
        yield context.new_page()
    finally:
        context.close()


def ready(page: Page, island: str = "") -> Page:
    """Wait until the page says that it is complete, or until this island of it does."""
    page.wait_for_selector(f'body[data-ready="{island}"]' if island else "body[data-ready]", state="attached")
    return page


def until(page: Page, condition: str, seconds: float = WAIT_MS / 1000) -> None:
    """Wait until a JavaScript expression holds in the page.

    Not page.wait_for_function: that evaluates text inside the page, which our content security policy forbids.
    """
    deadline = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {condition}"
        page.wait_for_timeout(50)


def visit(page: Page, path: str, island: str = "") -> Page:
    """Open a page of the portal and wait until it, or an island of it, is complete."""
    answer = page.goto(path)
    assert answer is not None, path
    assert answer.ok, f"{path} answered {answer.status}"
    return ready(page, island)


def log_in(page: Page, login: str, password: str, to: str = "/account") -> Page:
    """Log in as a person does who was on the way to a page, and wait for that page."""
    visit(page, f"/login?next={to}")
    page.locator("input[name=login]").fill(login)
    page.locator("input[name=password]").fill(password)
    with page.expect_navigation(url=lambda url: "/login" not in url):
        page.locator("input[name=password]").press("Enter")
    return ready(page)


def shoot(page: Page, directory: Path, name: str, *, whole: bool = False) -> Path:
    """Take a picture of what is seen (or of the whole page) into DIRECTORY/NAME.png."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / f"{name}.png"
    page.screenshot(path=file, full_page=whole, animations="disabled")
    return file


def take_picture(server: ChildServer) -> tuple[int, int]:
    """Have a car of the demo take a picture where none has yet; return the car and the picture's number."""
    shot = {"channel": 1, "command": 1, "interval_s": 0, "store": 0, "resolution": 6, "quality": 5}
    shot |= {"brightness": 128, "contrast": 64, "saturation": 64, "chroma": 128}
    cars = [one["vehicle_id"] for one in server.ask("GET", "/api/v1/vehicles?state=online")[1]["items"]]
    asked = False
    deadline = time.monotonic() + WAIT_MS / 1000
    while time.monotonic() < deadline:
        for car in cars:
            items = server.ask("GET", f"/api/v1/vehicles/{car}/media?state=stored&kind=picture&limit=1")[1]["items"]
            if items:
                return car, int(items[0]["id"])
        if not asked:
            order = {"message": "0x8801", "fields": shot}
            assert server.ask("POST", f"/api/v1/vehicles/{cars[0]}/commands", order)[0] == 202
            asked = True
        time.sleep(0.2)
    raise AssertionError("no car of the demo took a picture")
