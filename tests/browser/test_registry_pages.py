"""Terminals and people, by a person: a list is written, a stranger accepted, a colleague invited, a key made."""

import itertools
import re
import socket
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from bench.servers import ChildServer
from protocols.jt808.codec import Header, encode
from protocols.jt808.messages import Authenticate
from storage.people import DEMO_PASSWORD
from tests.browser.browsing import NARROW, WAIT_MS, WIDE, Faults, log_in, shoot, visit, visiting

NUMBERS = itertools.count(1)
ADMINISTRATOR = ("admin", DEMO_PASSWORD)


def knock(demo: ChildServer, phone: str) -> None:
    """Try to log in as a terminal that nobody knows, and hear the refusal."""
    with socket.create_connection(("127.0.0.1", demo.port), timeout=20) as line:
        line.sendall(encode(Authenticate("x"), Header(0x0102, phone, 1, 2013)))
        assert line.recv(100)


def enter(page: Page) -> Page:
    return log_in(page, *ADMINISTRATOR)


def test_a_list_is_dropped_seen_and_written_and_a_refusal_stands_at_its_field(
    page: Page, faults: Faults, pictures: Path, language: str
) -> None:
    number = next(NUMBERS)
    enter(page)
    visit(page, "/terminals")
    page.locator("[data-opens='#import']").click()
    text = f"终端手机号,车牌号,厂商,备注\n1371{number:07},粤B9{number:04},博实结,x\n1.39E+10,,,\n1372{number:07},,,\n"
    page.locator("#file").set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": text.encode("gb18030")}
    )
    expect(page.locator("#import-rows tr")).to_have_count(3)
    expect(page.locator("#import-rows tr").first.locator(".badge")).to_have_class("badge bad")
    shoot(page, pictures, f"terminals-import-{language}")
    page.locator("#import-do").click()
    expect(page.locator("#import")).not_to_be_visible()
    page.locator("#f-q").fill(f"1371{number:07}")
    expect(page.locator("#terminals-table tbody tr")).to_have_count(1)
    page.locator("#terminals-table a.into").click()
    drawer = page.locator("#terminal")
    expect(drawer.locator(".timeline li")).to_have_count(1)
    shoot(page, pictures, f"terminals-drawer-{language}")
    drawer.locator("form[data-api^='PUT'] [name=plate]").fill("none")
    drawer.locator("form[data-api^='PUT'] [type=submit]").click()
    expect(drawer.locator("#r-bind-plate").first).not_to_be_empty()
    shoot(page, pictures, f"terminals-refused-{language}")
    faults.expect("422")


def test_who_knocks_is_accepted_in_two_clicks(browser: Browser, demo: ChildServer, faults: Faults) -> None:
    phone = f"1379{next(NUMBERS):07}"
    with visiting(browser, demo.http, faults) as page:
        enter(page)
        knock(demo, phone)
        visit(page, "/terminals")
        page.locator(".knocks li", has_text=phone).locator("[data-accept]").click()
        expect(page.locator("#add-form [name=phone]")).to_have_value(phone)
        with page.expect_navigation():
            page.locator("#add-form [type=submit]").click()
        expect(page.locator("#terminals-table tbody tr", has_text=phone)).to_have_count(1)
        # The node follows a moment later; the list renews itself every ten seconds.
        expect(page.locator(".knocks li", has_text=phone)).to_have_count(0, timeout=WAIT_MS)


def test_a_colleague_is_invited_by_a_link_shown_once_and_a_key_is_made(
    page: Page, faults: Faults, pictures: Path, language: str
) -> None:
    enter(page)
    visit(page, "/people")
    page.locator("[data-opens='#invite']").click()
    page.locator("#invite-form [name=login]").fill("admin")
    page.locator("#invite-form [type=submit]").click()
    expect(page.locator("#r-login")).not_to_be_empty()
    faults.expect("409")
    page.locator("#invite-form [name=login]").fill(f"colleague{next(NUMBERS)}{language}")
    page.locator("#invite-form [type=submit]").click()
    expect(page.locator("#link-once-value")).to_have_value(re.compile("/welcome/"))
    shoot(page, pictures, f"people-link-{language}")
    visit(page, "/people/keys")
    page.locator("[data-opens='#make']").click()
    page.locator("#key-form [name=name]").fill("CRM")
    page.locator("#key-form [name=rights]").first.check()
    shoot(page, pictures, f"people-key-{language}")
    page.locator("#key-form [type=submit]").click()
    expect(page.locator("#key-once-value")).to_have_value(re.compile("^ck_"))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_the_pages_fit_every_window(
    browser: Browser,
    demo: ChildServer,
    faults: Faults,
    pictures: Path,
    language: str,
    size: tuple[int, int],
    dark: bool,
) -> None:
    knock(demo, f"1378{next(NUMBERS):07}")
    with visiting(browser, demo.http, faults, language=language, size=size, dark=dark) as page:
        enter(page)
        for path in ("/terminals", "/terminals/1", "/people", "/people/keys", "/people/stores", "/people/access"):
            visit(page, path)
            overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert overflow <= 0, f"{path} is {overflow} px too wide"
            shoot(
                page,
                pictures,
                f"{path.strip('/').replace('/', '-')}-{language}-{size[0]}-{'dark' if dark else 'light'}",
            )
