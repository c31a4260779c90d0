"""The navigation: what a reader finds in it, which page an address belongs to, and what stays folded."""

import re
from itertools import permutations

import pytest
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient

from api.portal import PAGES
from api.portal.navigation import ENTRIES, GROUPS, TABS, Entry, entry_of, navigation_for
from core.rights import ROLES, Principal

ROUTES = {
    path: handler
    for handler in PAGES
    if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods
    for path in handler.paths
}


def shown(principal: Principal | None) -> list[str]:
    return [entry.path for group in navigation_for(principal).groups for entry in group.entries]


def test_pages_show_only_what_the_reader_may_open() -> None:
    viewer = shown(Principal(rights=ROLES["viewer"]))
    assert "/people" not in viewer
    assert "/system" not in viewer
    assert "/events" in viewer
    assert shown(None) == ["/docs"]
    assert shown(Principal(rights=ROLES["administrator"])) == [entry.path for entry in ENTRIES]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.path)
def test_an_entry_leads_to_a_page_and_needs_what_its_route_declares(entry: Entry) -> None:
    assert ROUTES[entry.path].opt["right"] == entry.right
    if entry.tally:
        assert ROUTES[entry.tally].opt["right"] == entry.right


def test_the_keys_of_no_page_begin_those_of_another() -> None:
    assert all(re.fullmatch("[a-z]{1,2}", entry.keys) for entry in ENTRIES)
    assert not [(one.path, other.path) for one, other in permutations(ENTRIES, 2) if other.keys.startswith(one.keys)]


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("/", "/"),
        ("/vehicles", "/vehicles"),
        ("/vehicles/12/commands", "/vehicles"),
        ("/media/3", "/vehicles"),
        ("/people/keys", "/people"),
        ("/peoples", None),
        ("/account", None),
        ("", None),
    ],
)
def test_a_page_belongs_to_the_entry_it_stands_under(path: str, entry: str | None) -> None:
    found = entry_of(path)
    assert (found and found.path) == entry


def test_a_group_stays_folded_until_one_of_its_pages_is_open() -> None:
    administrator = Principal(rights=ROLES["administrator"])
    folded = "devices.platform.unheard-of"
    opened = {group.name: group.open for group in navigation_for(administrator, "/rules/crash", folded).groups}
    assert opened.pop("platform") is False
    assert all(opened.values())
    assert not any(
        group.open for group in navigation_for(administrator, "/", "devices").groups if group.name == "devices"
    )


def test_a_page_is_sent_as_its_reader_left_the_navigation(reader: TestClient) -> None:
    reader.cookies.set("carillon_folded", "platform")
    page = reader.get("/vehicles").text
    assert '<details class="group" data-group="platform">' in page
    assert '<details class="group" data-group="road" open>' in page
    assert page.count('aria-current="page"') >= 2


def test_every_page_is_reached_from_a_phone(reader: TestClient) -> None:
    page = reader.get("/vehicles").text
    drawer = page[page.index('id="more"') : page.index('id="keys"')]
    assert re.findall(r'<a href="([^"]+)" data-keys', drawer) == [entry.path for entry in ENTRIES]
    bar = page[page.index('class="tabbar"') : page.index('id="more"')]
    assert re.findall(r'<a href="([^"]+)"', bar) == [entry.path for entry in ENTRIES[:TABS]]


def test_groups_have_names_that_a_cookie_can_hold() -> None:
    assert all(re.fullmatch("[a-z]+", group.name) for group in GROUPS)
    assert len({group.name for group in GROUPS}) == len(GROUPS)
