"""Pictures by the API: only what they are, never what a terminal calls them; to whom they may, with each look noted."""

from typing import Any

import pytest
from litestar.testing import TestClient

from api.media import part_of
from core.rights import NODE
from simulators.pictures import picture, sound
from storage.media import NewMedia
from tests.api.conftest import KEY, NOW_MS, Node

JPEG = picture(1, "1", width=64, height=64)
HTML = b"<html><script>alert(1)</script></html>"


def put(node: Node, data: bytes, media_id: int = 1, **more: Any) -> int:
    said: dict[str, Any] = {"kind": 0, "format": 0, "event": 3, "channel": 2, "time_ms": NOW_MS, "arrival_ms": NOW_MS}
    return node.media.put(
        NewMedia(group=1, store=0, vehicle=1, terminal=1, media_id=media_id, **(said | more)), data
    ).media


def accesses(node: Node) -> list[tuple[str, int, int]]:
    with node.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT what, vehicle, rows FROM access ORDER BY id")
        return [(row[0], row[1], row[2]) for row in rows]


def test_a_picture_is_shown_and_each_look_at_it_is_in_the_access_log(node: Node, client: TestClient) -> None:
    number = put(node, JPEG)
    for _ in range(2):
        answer = client.get(f"/api/v1/media/{number}/content")
        assert (answer.status_code, answer.content) == (200, JPEG)
    assert accesses(node) == [("media", 1, 1)] * 2
    headers = answer.headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["content-disposition"] == 'inline; filename="car1-channel2-20231114T221320Z-1.jpg"'
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert "no-cache" in headers["cache-control"]
    saved = client.get(f"/api/v1/media/{number}/content?save=true")
    assert saved.headers["content-disposition"].startswith("attachment")
    unchanged = client.get(f"/api/v1/media/{number}/content", headers={"If-None-Match": headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("data", [HTML, b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\0\0\0\1\x67" + HTML, b""])
def test_what_claims_to_be_a_picture_and_is_none_is_a_download_of_bytes(
    node: Node, client: TestClient, data: bytes
) -> None:
    # Kind 0, format 0: the terminal says JPEG.
    answer = client.get(f"/api/v1/media/{put(node, data)}/content")
    assert answer.content == data
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_player_is_given_the_range_it_asks_for(node: Node, client: TestClient) -> None:
    data = sound(1, 1.0)
    url = f"/api/v1/media/{put(node, data, kind=1)}/content"
    part = client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, data[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert part.headers["content-type"] == "audio/wav"
    assert client.get(url, headers={"Range": f"bytes={len(data)}-"}).status_code == 416
    assert client.get(url, headers={"Range": "bytes=0-1,5-6"}).content == data


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (None, None),
        ("bytes=0-0", (0, 0)),
        ("bytes=5-", (5, 9)),
        ("bytes=5-99", (5, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-30", (0, 9)),
        ("bytes=-0", (1, 0)),
        ("bytes=10-", (10, 9)),
        ("bytes=7-3", None),
        ("bytes=-", None),
        ("bytes=x-y", None),
        ("bytes=1-2,3-4", None),
        ("lines=1-2", None),
        ("bytes=٣-", None),
    ],
)
def test_ranges_are_read_as_rfc_9110_says(asked: str | None, part: tuple[int, int] | None) -> None:
    assert part_of(asked, 10) == part


def test_a_list_is_filtered_and_says_what_is_on_its_way(node: Node, client: TestClient) -> None:
    put(node, JPEG, 1)
    put(node, JPEG, 2, channel=3, time_ms=NOW_MS + 1)
    put(node, sound(1, 0.1), 3, kind=1, channel=36)
    node.media.note(
        NewMedia(group=1, store=0, vehicle=1, terminal=1, media_id=4, kind=2, format=0, event=0, channel=1,
                 time_ms=NOW_MS, arrival_ms=NOW_MS), "lost", 1, 2,
    )  # fmt: skip

    def ids(query: str) -> list[int]:
        return [item["media_id"] for item in client.get(f"/api/v1/vehicles/1/media?{query}").json()["items"]]

    assert ids("") == [2, 4, 3, 1]
    assert ids("kind=audio") == [3]
    assert ids("kind=video&state=lost") == [4]
    assert ids("channel=3") == [2]
    assert ids(f"from={NOW_MS + 1}") == [2]
    assert ids(f"from={NOW_MS}&to={NOW_MS + 1}") == [4, 3, 1]
    assert ids("day=2023-11-15") == [2, 4, 3, 1]
    assert ids("day=2023-11-16") == []
    assert ids("cause=nothing") == []
    page = client.get("/api/v1/vehicles/1/media?limit=3").json()
    assert page["coming"] == []
    assert ids(f"limit=3&after={page['next']}") == [1]
    for wrong in ("after=x", "kind=film", "channel=256", "limit=501", "cause=%2E%2E"):
        assert client.get(f"/api/v1/vehicles/1/media?{wrong}").status_code == 400, wrong
    assert client.get("/api/v1/vehicles/99999/media").json()["code"] == "vehicle_unknown"


def test_what_has_not_come_has_no_content(node: Node, client: TestClient) -> None:
    node.media.announce(
        NewMedia(group=1, store=0, vehicle=1, terminal=1, media_id=4, kind=0, format=0, event=0, channel=1,
                 time_ms=NOW_MS, arrival_ms=NOW_MS), "c" * 32,
    )  # fmt: skip
    (item,) = client.get("/api/v1/vehicles/1/media").json()["items"]
    assert client.get(f"/api/v1/media/{item['id']}").json()["state"] == "announced"
    assert client.get(f"/api/v1/media/{item['id']}/content").json()["code"] == "media_unknown"
    assert client.get("/api/v1/media/123456/content").status_code == 404


def test_a_file_that_is_gone_is_our_fault_and_said_so(node: Node, client: TestClient) -> None:
    number = put(node, JPEG)
    for file in node.media.files.path.rglob("*"):
        if file.is_file():
            file.unlink()
    assert client.get(f"/api/v1/media/{number}/content").status_code == 503


def test_a_viewer_sees_no_pictures(node: Node, client: TestClient) -> None:
    number = put(node, JPEG)
    who, token = node.people.create_account(NODE, login="looker", name="", role="viewer", stores=None)
    assert who
    principal = node.people.take_invitation(token, "korrekt-pferd-batterie").principal
    _, key = node.people.create_key(principal, name="k", rights=principal.rights)
    for path in (f"/api/v1/media/{number}", f"/api/v1/media/{number}/content", "/api/v1/vehicles/1/media"):
        answer = client.get(path, headers={"Authorization": f"Bearer {key}"})
        assert (answer.status_code, answer.json()["code"]) == (403, "right_missing")
    assert client.get(f"/api/v1/media/{number}", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
