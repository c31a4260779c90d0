"""Every route, tried by everybody who may not: without a login, without the right, and from the other store.

The routes are those that the application really has; CASES in tests/api/routes.py says of each how it is called. A
route without a row there fails `test_every_route_has_its_row`, so that a new one cannot be forgotten. Add a row:

    Case("GET /api/v1/things", "list",                     a list: each store sees its own marks and none of the other's
    one("GET /api/v1/things/{thing_id}", "vehicle")        names one thing, by an attribute of two_stores.Side: 404 for
                                                           the other store
         also=("format=csv", "format=xlsx"), search="q")   … and so in every other way to ask it, and when searched
    Case("PATCH /api/v1/things/{thing_id}", "one",         the same with a path and a body; `foreign=403` where the
         lambda side: f"/api/v1/things/{side.vehicle}",    other store is refused in words; `shows=False` where the
         lambda side: {"json": {"name": "x"}})             answer shows nothing of the store
    Case("POST /api/v1/system", "group")                   for who has the whole group: a store's manager gets 403
    Case("POST /api/v1/logout", "self")                    about whoever asks: nothing of a store in it
    Case("GET /health", "public")                          for anybody: `status` is what a stranger gets, and the answer
                                                           shows no mark of anybody
    Case("WS /api/v1/live", "list", check=check_live)      tried by a function of its own, which gets the World

Parameters stand in the route without their types. If your route shows rows of a new kind, give both sides one in
two_stores.World and put what it is known by into `marks`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from litestar.testing import TestClient

from api.guards import DECLARATIONS, PUBLIC, SELF
from storage.database import Database
from tests.api.routes import CASES
from tests.api.two_stores import WHOLE_GROUP, Case, Side, World, marks_in, routes_of, text_of

BY_ROUTE = {case.route: case for case in CASES}


@pytest.fixture(scope="module")
def lasting(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, TestClient]]:
    """A world for whoever leaves it as it was."""
    path = tmp_path_factory.mktemp("world") / "carillon.db"
    copy(empty_database, path)
    database = Database(f"sqlite:///{path}")
    world = World(database)
    with world.served() as client:
        yield world, client
    database.close()


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[tuple[World, TestClient]]:
    """The lasting world for what only reads, a new one for what changes something. Who is refused changes nothing."""
    if request.node.callspec.params["case"].method in ("GET", "WS"):
        yield request.getfixturevalue("lasting")
        return
    world = World(request.getfixturevalue("database"))
    with world.served() as client:
        yield world, client


def call(client: TestClient, case: Case, side: Side, headers: dict[str, str], query: str = "") -> Any:
    path = case.where(side)
    if query:
        path += ("&" if "?" in path else "?") + query
    return client.request(case.method, path, headers=headers, **case.send(side))


def cases(wanted: Callable[[Case], bool]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [case for case in CASES if wanted(case)], ids=lambda case: case.route)


def declared(world: World, case: Case) -> str:
    return str(routes_of(world.app())[case.route].opt["right"])


def test_every_route_has_its_row(lasting: tuple[World, TestClient]) -> None:
    routes = set(routes_of(lasting[0].app()))
    assert not sorted(routes - BY_ROUTE.keys()), "add a row for each to CASES in tests/api/routes.py"
    assert not sorted(BY_ROUTE.keys() - routes), "no such route any more"
    assert len(BY_ROUTE) == len(CASES)


def test_every_route_declares_a_right_that_there_is(lasting: tuple[World, TestClient]) -> None:
    handlers = routes_of(lasting[0].app())
    assert not {route: handler.opt.get("right") for route, handler in handlers.items() if "right" not in handler.opt}
    assert {handler.opt["right"] for handler in handlers.values()} <= DECLARATIONS
    for route, handler in handlers.items():
        assert (handler.opt["right"] == PUBLIC) == (BY_ROUTE[route].kind == "public"), route


@cases(lambda case: case.kind == "public")
def test_what_is_public_shows_nothing_of_anybody(case: Case, world: tuple[World, TestClient]) -> None:
    here, client = world
    answer = call(client, case, here.north, {})
    assert answer.status_code == case.status, answer.text
    assert not marks_in(answer.text, here.north.marks + here.south.marks + here.strangers)


@cases(lambda case: case.kind != "public" and case.method != "WS")
def test_nobody_gets_in_without_a_login(case: Case, lasting: tuple[World, TestClient]) -> None:
    here, client = lasting
    for headers in ({}, {"Cookie": "carillon_session=nobodys"}, {"Authorization": "Bearer ck_nobodys"}):
        answer = call(client, case, here.north, {**headers, "Sec-Fetch-Site": "same-origin"})
        if case.where(here.north).startswith("/api/") or "Authorization" in headers:
            assert answer.status_code == 401, answer.text
            assert answer.json()["code"] in ("login_needed", "key_wrong")
        else:
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/login?next=")
        assert not marks_in(answer.text, here.north.marks + here.south.marks + here.strangers)


@cases(lambda case: case.kind != "public" and case.method != "WS")
def test_nobody_gets_in_without_the_right(case: Case, lasting: tuple[World, TestClient]) -> None:
    here, client = lasting
    right = declared(here, case)
    if right == SELF:
        return
    answer = call(client, case, here.north, here.lacking(right))
    assert answer.status_code == 403, answer.text
    assert not marks_in(answer.text, here.north.marks + here.south.marks)
    if case.where(here.north).startswith("/api/"):
        assert answer.json()["code"] == "right_missing"


@cases(lambda case: case.kind == "group")
def test_a_stores_manager_does_not_do_what_is_the_groups(case: Case, lasting: tuple[World, TestClient]) -> None:
    here, client = lasting
    answer = call(client, case, here.north, here.north.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "right_missing")


@cases(lambda case: case.kind in ("list", "one"))
def test_a_store_sees_its_own_and_nothing_of_another(case: Case, world: tuple[World, TestClient]) -> None:
    here, client = world
    if case.check is not None:
        case.check(here)
        return
    for side, other in ((here.north, here.south), (here.south, here.north)):
        if case.kind == "one":
            # What is another's answers as if it did not exist, and before anything is done to it.
            answer = call(client, case, other, side.headers)
            assert answer.status_code == case.foreign, answer.text
            # What was asked for by name may be named in the refusal.
            given = marks_in(f"{case.where(other)} {case.send(other)}", other.marks)
            assert set(marks_in(answer.text, other.marks)) <= set(given), answer.text
        for query in ("", *case.also):
            answer = call(client, case, side, side.headers, query)
            said = text_of(answer)
            assert answer.status_code == case.status, said
            assert not marks_in(said, other.marks + here.strangers), said
            assert bool(marks_in(said, side.marks)) or not case.shows, f"{query} shows nothing of its own: {said}"
        for mark in (other.plate, other.phone, other.phone[-4:], str(other.vehicle)) if case.search else ():
            said = text_of(call(client, case, side, side.headers, f"{case.search}={mark}"))
            assert set(marks_in(said, other.marks)) <= {mark}, said
    if case.kind == "list" and case.route != "GET /api/v1/me":
        answer = call(client, case, here.north, WHOLE_GROUP)
        assert marks_in(answer.text, here.north.marks), answer.text
        assert marks_in(answer.text, here.south.marks), answer.text
        assert not marks_in(answer.text, here.strangers), answer.text
