"""What is asked past a bound is refused by the name of what was asked, and the next request is answered."""

import asyncio
import threading
from typing import Any

import pytest
from litestar.testing import TestClient

from api.login import Hashing
from api.problems import Problem
from core import limits
from core.limits import (
    ACCOUNT_STORES_MAX,
    AREAS_PAGE_MAX,
    ARMED_RADIUS_M_MAX,
    ARMED_RADIUS_M_MIN,
    INCIDENTS_PAGE_MAX,
    MEDIA_PAGE_MAX,
    PASSWORD_CHARACTERS_MAX,
    PEOPLE_READ_MAX,
    POSITIONS_READ_MAX,
    TERMINALS_PAGE_MAX,
    TRACK_POINTS_MAX,
    TRACK_THIN_M_MAX,
    UPLINKS_PAGE_MAX,
    VEHICLES_PAGE_MAX,
)
from tests.api.conftest import Node
from tests.api.test_commands import person, send

PARAMETERS: list[tuple[str, str, float]] = [
    ("/positions", "limit", POSITIONS_READ_MAX),
    ("/vehicles", "limit", VEHICLES_PAGE_MAX),
    ("/guards", "limit", VEHICLES_PAGE_MAX),
    ("/incidents", "limit", INCIDENTS_PAGE_MAX),
    ("/terminals", "limit", TERMINALS_PAGE_MAX),
    ("/accounts", "limit", PEOPLE_READ_MAX),
    ("/stores", "limit", PEOPLE_READ_MAX),
    ("/access", "limit", PEOPLE_READ_MAX),
    ("/vehicles/3/media", "limit", MEDIA_PAGE_MAX),
    ("/vehicles/3/messages", "limit", UPLINKS_PAGE_MAX),
    ("/vehicles/3/track", "limit", TRACK_POINTS_MAX),
    ("/vehicles/3/track", "thin", TRACK_THIN_M_MAX),
    ("/geofences/1/terminals", "limit", AREAS_PAGE_MAX),
]


@pytest.mark.parametrize(("path", "name", "most"), PARAMETERS)
def test_a_parameter_one_past_its_bound_is_refused_by_name(
    client: TestClient, path: str, name: str, most: float
) -> None:
    fits = client.get(f"/api/v1{path}", params={name: most})
    assert fits.status_code in (200, 404), f"{fits.text}: {most} itself is allowed; there may be no such geofence"
    past = client.get(f"/api/v1{path}", params={name: most + 1})
    assert (past.status_code, past.json()["code"]) == (400, "bad_request")
    assert name in past.json()["detail"]


def test_a_search_by_what_cars_do_ends_its_page_at_the_bound_and_says_where_to_go_on(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.vehicles.VEHICLES_PAGE_MAX", 5)
    monkeypatch.setattr("api.vehicles.VEHICLES_LOOKED_MAX", 10)
    after, pages = 0, []
    while after is not None:
        page = client.get("/api/v1/vehicles", params={"state": "alarm", "after": after, "limit": 3}).json()
        assert page["items"] == [], "no car has an alarm"
        after = page["next"]
        pages.append(after)
    assert pages == [10, 20, None]


def test_a_search_by_what_became_of_commands_ends_its_page_at_the_bound_and_says_where_to_go_on(
    client: TestClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.commands.COMMANDS_PAGE_MAX", 2)
    monkeypatch.setattr("api.commands.COMMANDS_LOOKED_MAX", 3)
    asker = person(node, "asker")
    ids = [send(client, asker, {"message": "0x8201", "fields": {}}) for _ in range(4)]
    none = client.get("/api/v1/commands", params={"state": "failed", "limit": 2}).json()
    oldest = node.eventlog.read(0, type_prefix="command.requested")[0]
    assert (none["items"], oldest.id) == ([], ids[0])
    assert none["next"] == oldest.seq + 1, "three were looked at, of the fourth nobody knows"
    rest = client.get("/api/v1/commands", params={"state": "requested", "before": none["next"], "limit": 2}).json()
    assert [one["id"] for one in rest["items"]] == ids[:1]


def test_an_armed_cars_reach_ends_at_its_bounds(client: TestClient) -> None:
    for radius_m in (ARMED_RADIUS_M_MIN - 1, ARMED_RADIUS_M_MIN, ARMED_RADIUS_M_MAX, ARMED_RADIUS_M_MAX + 1):
        answer = client.post("/api/v1/vehicles/3/guard/arm", json={"radius_m": radius_m})
        inside = ARMED_RADIUS_M_MIN <= radius_m <= ARMED_RADIUS_M_MAX
        assert answer.status_code in ((200, 409) if inside else (400,)), f"{radius_m}: {answer.text}"
        assert inside or "radius_m" in answer.json()["detail"]


def test_an_account_is_given_so_many_stores_and_no_more(client: TestClient) -> None:
    def answer(count: int) -> Any:
        asked = {"login": "li.wei", "role": "viewer", "stores": list(range(1, count + 1))}
        return client.post("/api/v1/accounts", json=asked)

    fits = answer(ACCOUNT_STORES_MAX)
    assert fits.json()["code"] != "bad_request", "there are no such stores; their number is not what is wrong"
    past = answer(ACCOUNT_STORES_MAX + 1)
    assert (past.status_code, past.json()["code"]) == (400, "bad_request")
    assert "stores" in past.json()["detail"]


def test_a_password_of_any_length_that_could_be_one_is_checked_and_a_longer_one_is_not_hashed(
    client: TestClient, stranger: TestClient
) -> None:
    # Four times as many may become PASSWORD_CHARACTERS_MAX when their spelling is made one.
    most = 4 * PASSWORD_CHARACTERS_MAX
    for count, status in ((most, 401), (most + 1, 400)):
        answer = stranger.post("/api/v1/login", json={"login": "nobody", "password": "x" * count})
        assert answer.status_code == status


def test_one_login_too_many_at_once_is_told_to_come_again_and_the_others_get_in() -> None:
    go_on, changing = threading.Event(), threading.Lock()
    at_once: list[int] = [0, 0]
    turned_away: list[int] = []

    class Counting:
        def turned_away(self) -> None:
            turned_away.append(1)

    def hash_slowly(number: int) -> int:
        with changing:
            at_once[0] += 1
            at_once[1] = max(at_once)
        assert go_on.wait(30)
        with changing:
            at_once[0] -= 1
        return number

    async def storm() -> None:
        hashing = Hashing(Counting())  # type: ignore[arg-type]
        room = limits.HASHES_AT_ONCE_MAX + limits.HASHES_WAITING_MAX
        inside = [asyncio.create_task(hashing.run(hash_slowly, number)) for number in range(room)]
        await asyncio.sleep(0)  # each has begun
        with pytest.raises(Problem) as refused:
            await hashing.run(hash_slowly, room)
        assert (refused.value.code, len(turned_away)) == ("not_ready", 1)
        go_on.set()
        assert await asyncio.gather(*inside) == list(range(room))
        assert at_once[1] <= limits.HASHES_AT_ONCE_MAX
        assert await hashing.run(hash_slowly, 7) == 7
        await hashing.close()

    asyncio.run(storm())
