"""Raw frames name what a car's terminals said, to those whose car it is and who may see positions exactly."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from litestar.testing import TestClient

from api.app import create_app
from core.intake.archive import Archive
from core.intake.journal import Journal, SegmentRoom, read_segment
from core.intake.links import KIND_FRAME
from core.intake.records import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, padded, seal_record, seal_segment_header
from protocols.jt808.codec import Header, encode_frame
from protocols.jt808.framing import wrap
from protocols.jt808.kernels import KERNELS as JT808
from protocols.jt808.location import STATUS_FIXED, Location
from protocols.jt808.messages import Authenticate
from protocols.seam import CLASS_LOGIN, CLASS_REPORT
from storage.database import Database
from storage.reader import Reader
from tests.api.conftest import KEY, Node
from tests.api.test_vehicles import Cars, person, viewer

START_MS = 1_770_000_000_000


def phone_of(vehicle: int) -> str:
    return f"1380013{vehicle:04}"


def location(vehicle: int, serial: int, time_ms: int) -> bytes:
    body = Location(
        alarm=0, status=STATUS_FIXED, latitude=30_000_000, longitude=120_000_000, speed_kmh10=600, time_ms=time_ms
    )
    return encode_frame(body, Header(0x0200, phone_of(vehicle), serial, 2013))


def login(vehicle: int, serial: int) -> bytes:
    return encode_frame(Authenticate(code="secret"), Header(0x0102, phone_of(vehicle), serial, 2013))


def write(directory: Path, number: int, first: int, records: Sequence[tuple[int, int, bytes]]) -> None:
    """Write a segment of (arrival_ms, vehicle, frame); vehicle 0: said before the login."""
    area = np.zeros(SEGMENT_HEADER_BYTES + 2048 * len(records), np.uint8)
    seal_segment_header(area.ctypes.data, number, 1, first, records[0][0])
    at = SEGMENT_HEADER_BYTES
    for k, (arrival_ms, vehicle, frame) in enumerate(records):
        data = np.frombuffer(frame, np.uint8)
        area[at + RECORD_HEADER_BYTES : at + RECORD_HEADER_BYTES + len(data)] = data
        kind = CLASS_REPORT if vehicle else CLASS_LOGIN
        seal_record(area.ctypes.data + at, len(data), first + k, arrival_ms, 5, vehicle, vehicle, KIND_FRAME, kind, 1)
        at += RECORD_HEADER_BYTES + padded(len(data))
    (directory / f"{number:012d}.segment").write_bytes(area[:at].tobytes())


class Stored:
    """What the report store says of a report: in which frame it came. Empty: not stored yet."""

    def __init__(self) -> None:
        self.sequences: list[int] = []

    def sequences_of(self, vehicle_id: int, **wanted: Any) -> list[int]:
        return self.sequences


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Two segments: car 1 and car 4 log in and report in turn, a second apart."""
    for number in range(2):
        at = START_MS + 10_000 * number
        records = [(at, 0, login(1, 1)), (at + 500, 0, login(4, 1))] if number == 0 else []
        for k in range(1, 5):
            serial = 10 * number + k
            records.append((at + 1000 * k, 1, location(1, serial, at + 1000 * k)))
            records.append((at + 1000 * k + 1, 4, location(4, serial, at + 1000 * k)))
        write(tmp_path, number + 1, 1 if number == 0 else 11, records)
    return Journal(tmp_path, keep_ms=1, bytes_max=1 << 30)


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.fixture
def node(database: Database) -> Node:
    return Node(database, cars=6)


@pytest.fixture
def cars(node: Node) -> Cars:
    made = Cars(node)
    with node.database.write() as connection:
        connection.exec_driver_sql("UPDATE binding SET from_ms = ?", (START_MS - 1,))
    return made


@pytest.fixture
def ask(node: Node, cars: Cars, journal: Journal, stored: Stored) -> Iterator[TestClient]:
    reader = Reader(node.database, stored, cars.last_positions)  # type: ignore[arg-type]
    parts = msgspec.structs.replace(node.parts(), live=cars, reader=reader, archive=Archive(journal, JT808))
    with TestClient(create_app(parts)) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def frames(ask: TestClient, vehicle: int, headers: dict[str, str] | None = None, **query: Any) -> Any:
    query = {"from": START_MS - 1, "to": START_MS + 60_000, **query}
    answer = ask.get(f"/api/v1/vehicles/{vehicle}/frames", params=query, headers=headers or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_frames_are_listed_as_they_travelled_newest_first(ask: TestClient) -> None:
    page = frames(ask, 1)
    assert [item["sequence"] for item in page["items"]] == [17, 15, 13, 11, 9, 7, 5, 3, 1]
    newest, oldest = page["items"][0], page["items"][-1]
    assert newest["frame"] == wrap(location(1, 14, START_MS + 14_000)).hex().upper()
    assert (newest["message"], newest["name"], newest["phone"]) == ("0x0200", "Location", phone_of(1))
    assert (oldest["message"], oldest["terminal"], oldest["direction"]) == ("0x0102", 0, "up")
    assert (page["next"], page["kept_since_ms"]) == (None, START_MS)
    assert "explained" not in newest or newest["explained"] is None


def test_pages_of_frames_join_without_gap_or_repeat(ask: TestClient) -> None:
    seen: list[int] = []
    before: int | None = 0
    while before is not None:
        page = frames(ask, 4, limit=2, before=before)
        seen += [item["sequence"] for item in page["items"]]
        before = page["next"]
    assert seen == [18, 16, 14, 12, 10, 8, 6, 4, 2]


def test_a_frame_is_explained_when_asked(ask: TestClient) -> None:
    item = frames(ask, 1, limit=1, explain=True)["items"][0]
    fields = {field["name"]: field for field in item["explained"]["fields"]}
    assert item["explained"]["body"] == "Location"
    assert fields["speed_kmh10"]["value"] == 600
    spans = [(field["offset"], field["length"]) for field in item["explained"]["fields"]]
    assert sum(length for _, length in spans) == len(item["frame"]) // 2, "every byte is said to be something"


def test_the_frame_behind_a_report_is_found_in_the_store_or_in_what_is_not_stored_yet(
    ask: TestClient, journal: Journal, stored: Stored
) -> None:
    room = SegmentRoom()
    read_segment(journal, journal.segments[1], JT808, room)
    rows = room.rows[: room.found]
    mine = rows[rows["vehicle_id"] == 1][0]
    report_id = f"{int(mine['report_id']):016x}"
    assert [item["sequence"] for item in frames(ask, 1, report_id=report_id)["items"]] == [int(mine["sequence"])]
    assert frames(ask, 4, report_id=report_id)["items"] == [], "another car's report"
    stored.sequences = [int(mine["sequence"])]
    assert [item["sequence"] for item in frames(ask, 1, at=int(mine["time_ms"]))["items"]] == stored.sequences
    assert frames(ask, 4, at=int(mine["time_ms"]))["items"] == [], "a number of another car's frame"


def test_a_number_of_the_journal_opens_no_other_car_s_frame(
    ask: TestClient, cars: Cars, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [item["sequence"] for item in frames(ask, 4, sequence=18)["items"]] == [18]
    assert [item["sequence"] for item in frames(ask, 4, sequence=2)["items"]] == [2], "its login"
    for sequence in (17, 1, 3, 99):
        assert frames(ask, 4, sequence=sequence)["items"] == []
    west = person(cars.people, monkeypatch, viewer((2,)))
    assert frames(ask, 4, west)["items"]
    answer = ask.get("/api/v1/vehicles/1/frames", params={"sequence": 17}, headers=west)
    assert answer.status_code == 404


def test_raw_frames_are_for_who_sees_positions_exactly_and_may_read_terminals(
    ask: TestClient, cars: Cars, monkeypatch: pytest.MonkeyPatch
) -> None:
    street = person(cars.people, monkeypatch, viewer(None, account=9, precision="street"))
    answer = ask.get("/api/v1/vehicles/1/frames", headers=street)
    assert (answer.status_code, answer.json()["code"]) == (403, "precision_missing")
    shy = msgspec.structs.replace(viewer(None, account=10), rights=frozenset({"positions.read"}))
    answer = ask.get("/api/v1/vehicles/1/frames", headers=person(cars.people, monkeypatch, shy) | {})
    assert answer.status_code == 403


def test_each_look_at_frames_is_written_down(ask: TestClient, cars: Cars) -> None:
    frames(ask, 1)
    with cars.node.database.read() as connection:
        rows = connection.exec_driver_sql('SELECT what, vehicle, "rows" FROM access').all()
    assert rows == [("frames", 1, 9)]


def test_a_process_without_the_journal_says_so(ask: TestClient, node: Node, cars: Cars) -> None:
    ask.app.state["parts"] = msgspec.structs.replace(ask.app.state.parts, archive=None)
    answer = ask.get("/api/v1/vehicles/1/frames")
    assert (answer.status_code, answer.json()["code"]) == (404, "journal_elsewhere")
