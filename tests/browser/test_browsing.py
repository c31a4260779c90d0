"""The browser tests' own instruments: they see what they are there to see."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from bench.servers import ChildServer
from tests.browser.browsing import LOOKING, NARROW, Faults, find_chromium, shoot, visiting


def test_a_page_without_a_fault_has_none(page: Page, demo: ChildServer, pictures: Path, language: str) -> None:
    answer = page.goto("/")
    assert answer is not None
    assert answer.ok
    assert shoot(page, pictures, f"first-{language}").stat().st_size > 1000


def test_what_goes_wrong_in_a_page_is_noticed(browser: Browser, demo: ChildServer) -> None:
    faults = Faults(demo.http)
    with visiting(browser, demo.http, faults, size=NARROW) as page:
        page.goto("/health")
        page.evaluate("console.error('said aloud')")
        page.evaluate("setTimeout(() => { throw new Error('thrown away') }, 0)")
        page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 0)")
        page.evaluate("fetch('/api/v1/nowhere').then(answer => answer.status)")
    for said in ("said aloud", "thrown away", "left the host: GET http://127.0.0.1:9/", "40[134]"):
        faults.expect(said)


def test_a_browser_is_found_by_name_or_said_to_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    with pytest.raises(LookupError, match=r"run \.ci/browser"):
        find_chromium()
    browser = tmp_path / "google-chrome"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    assert find_chromium() == str(browser)


BAD = """<html><head><title></title></head><body><h1>One</h1><h1>Two</h1><input id="a"><button id="a"></button>
<p style="color:#999;background:#fff">pale</p><div style="width:5000px">wide</div><table><tr><td>1</td></tr></table>
<img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"><a href="/" tabindex="3">x</a>
</body></html>"""


def test_a_bad_page_is_told_from_a_good_one(browser: Browser, demo: ChildServer, faults: Faults) -> None:
    with visiting(browser, demo.http, faults) as page:
        page.set_content(BAD)
        found = "\n".join(page.evaluate(LOOKING))
        page.set_content(
            "<html lang=en><head><title>t</title></head><body><h1>Good</h1><label>L <input></label></body>"
        )
        assert page.evaluate(LOOKING) == []
    for what in (
        "no title", "no language", "2 h1", "sideways", "id used twice", "field without a label", "what it does",
        "without alt", "tabindex above 0", "table without headings", "contrast 2.",
    ):  # fmt: skip
        assert what in found, found
