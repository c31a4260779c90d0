"""The reader shows each principal what is theirs, as exactly as they may see it, and writes down every look."""

import threading
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from core import limits
from core.events import (
    AlarmSeen,
    CommandProgress,
    Event,
    FenceCrossed,
    IdentityDisputed,
    TerminalRegistered,
    derive_id,
)
from core.rights import NODE, ROLES, Principal, Scope
from storage.clickhouse import LastPosition, TrackPoint
from storage.errors import AnsweredTwiceError, StorageError
from storage.eventlog import EventLog
from storage.reader import Reader, rounded
from storage.tables.business import ACCESS, VEHICLE

LAT, LON = 312_304_156, -1_214_737_049


def event(number: int, type_: str = "fence.entered", **fields: Any) -> Event:
    payload: Any
    if type_.startswith("fence."):
        payload = FenceCrossed(
            vehicle_id=number, fence_id=1, report_id=f"{number:016x}", lat_1e7=LAT, lon_1e7=LON, speed_kmh10=0
        )
    elif type_ == "terminal.registered":
        payload = TerminalRegistered(terminal=1, vehicle_id=1, phone="13800000001", terminal_id="T1", plate="粤B12345")
    elif type_ == "terminal.identity.disputed":
        payload = IdentityDisputed(
            terminal=1, phone="13800000001", terminal_id_known="A", terminal_id_claimed="B", link=1
        )
    elif type_ == "command.effective":
        location = {"latitude": 31_230_415, "longitude": 121_473_704, "alarm": 0}
        payload = CommandProgress(command="c", vehicle_id=1, reply={"reply_serial": 1, "location": location})
    else:
        payload = AlarmSeen(
            vehicle_id=number, terminal=1, report_id="1", lat_1e7=LAT, lon_1e7=LON, speed_kmh10=0, alarm=1,
            evidence="alarm.0", has_fix=True,
        )  # fmt: skip
    plain = Event(
        id=derive_id("test", type_, 1, (str(number),), ""),
        type=type_,
        time_ms=1_760_000_000_000 + number,
        subject=f"vehicle:{number}",
        actor="test",
        purpose="safety",
        payload=payload,
    )
    return msgspec.structs.replace(plain, **fields)


def person(*stores: int, rights: frozenset[str] = ROLES["viewer"], **scope: Any) -> Principal:
    return Principal(account=7, rights=rights, scope=Scope(stores=stores or None, **scope), address="10.0.0.9")


class Reports:
    """A report store that knows where cars 1 to 9 were, but for car 4, which never reported."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def last_positions(self, vehicle_ids: Sequence[int]) -> list[LastPosition]:
        self.asked.append(list(vehicle_ids))
        return [LastPosition(n, n, 5, 6, n, LAT, LON, 0, 0, 0, 0, 0, 0, 0) for n in vehicle_ids if n != 4]

    def track(
        self, vehicle_id: int, from_ms: int, to_ms: int, limit: int, *, after_report: int | None = None
    ) -> list[TrackPoint]:
        return [TrackPoint(ms, ms, ms, LAT, LON, 0, 0, 0, 0, 0, 0, 0) for ms in range(from_ms, to_ms)][:limit]

    def track_before(
        self, vehicle_id: int, from_ms: int, limit: int, *, after_report: int | None = None
    ) -> list[TrackPoint]:
        return []


@pytest.fixture
def reports() -> Reports:
    return Reports()


@pytest.fixture
def reader(log: EventLog, reports: Reports) -> Reader:
    """Cars 1 to 9: the odd ones of store 1, the even ones of store 2; car 9 is another group's."""
    with log.database.write() as connection:
        for number in range(1, 10):
            connection.execute(
                insert(VEHICLE).values(
                    id=number, plate="", plate_colour=0, vin="", group_id=2 if number == 9 else 1,
                    store_id=2 - number % 2, created_ms=0,
                )
            )  # fmt: skip
    return Reader(log.database, reports)  # type: ignore[arg-type]


def access(log: EventLog) -> list[tuple[Any, ...]]:
    with log.database.read() as connection:
        rows = connection.execute(select(ACCESS).order_by(ACCESS.c.id)).all()
    return [(r.what, r.vehicle, r.from_ms, r.to_ms, r.rows, r.account, r.address) for r in rows]


def seqs(page: Any) -> list[int]:
    return [event.seq for event in page.items]


def test_events_are_those_of_the_scope(log: EventLog, reader: Reader) -> None:
    log.append(
        [
            event(1, store=1),
            event(2, store=2),
            event(3, store=0),
            event(4, store=1, group=2),
            event(5, store=1, purpose="billing"),
        ]
    )
    assert seqs(reader.events(NODE)) == [1, 2, 3, 5]
    assert seqs(reader.events(person(1))) == [1, 5]
    assert seqs(reader.events(person(1, 2))) == [1, 2, 5]
    assert seqs(reader.events(person(1, purposes=frozenset({"safety"})))) == [1]
    assert seqs(reader.events(person(purposes=frozenset()))) == []
    assert seqs(reader.events(Principal(scope=Scope(stores=())))) == []
    # By number, by id and by story nothing else is seen.
    hidden = log.read(0)[1]
    assert reader.event(NODE, 2) == reader.event(NODE, hidden.id) == hidden
    assert reader.event(person(1), 2) is reader.event(person(1), hidden.id) is None
    assert [event.seq for event in reader.story(NODE, hidden.id)] == [2]
    assert reader.story(person(1), hidden.id) == []


def test_a_filtered_reader_advances_over_what_it_does_not_see(log: EventLog, reader: Reader) -> None:
    log.append([event(n, store=1 + n % 2) for n in range(1, 8)])
    who = person(1)  # numbers 2, 4, 6
    first = reader.events(who, 0, limit=2)
    assert (seqs(first), first.seq) == ([2, 4], 4)
    second = reader.events(who, first.seq, limit=2)
    assert (seqs(second), second.seq) == ([6], 7)
    assert reader.events(who, second.seq) == ([], 7)
    # One who comes from further on than the log reaches stays there.
    assert reader.events(who, 99) == ([], 99)


def test_newest_first_goes_down_to_nothing(log: EventLog, reader: Reader) -> None:
    log.append([event(n, store=1 + n % 2) for n in range(1, 8)])
    first = reader.events(person(1), newest_first=True, limit=2)
    assert (seqs(first), first.seq) == ([6, 4], 4)
    second = reader.events(person(1), first.seq, newest_first=True, limit=2)
    assert (seqs(second), second.seq) == ([2], 0)


def test_types_are_prefixes_and_a_subject_is_one(log: EventLog, reader: Reader) -> None:
    log.append([event(1), event(2, "fence.exited"), event(1, "sos.pressed"), event(2, "terminal.registered")])
    assert seqs(reader.events(NODE, types=["fence.entered", "sos."])) == [1, 3]
    assert seqs(reader.events(NODE, types=["fence."], newest_first=True)) == [2, 1]
    assert seqs(reader.events(NODE, types=["fence", ""])) == [1, 2, 3, 4]
    assert seqs(reader.events(NODE, subject="vehicle:1")) == [1, 3]
    page = reader.events(NODE, types=["crash."])
    assert (page.items, page.seq) == ([], 4)


def test_a_payload_is_as_exact_as_the_principal_may_see(log: EventLog, reader: Reader) -> None:
    log.append([event(1), event(1, "command.effective")])

    def seen(precision: str) -> tuple[Any, Any]:
        page = reader.events(person(precision=precision))
        return page.items[0].payload, page.items[1].payload

    fence, command = seen("exact")
    assert (fence.lat_1e7, fence.lon_1e7) == (LAT, LON)
    fence, command = seen("street")
    assert isinstance(fence, FenceCrossed)
    assert (fence.lat_1e7, fence.lon_1e7) == (312_300_000, -1_214_740_000)
    # What a terminal answered has a whole location in it, in 1e-6 degree.
    assert command.reply["location"] == {"latitude": 31_230_000, "longitude": 121_474_000, "alarm": 0}
    fence, command = seen("district")
    assert (fence.lat_1e7, fence.lon_1e7) == (312_300_000, -1_214_700_000)
    fence, command = seen("none")
    assert not {"lat_1e7", "lon_1e7"} & fence.keys()
    assert (fence["vehicle_id"], fence["fence_id"], fence["report_id"]) == (1, 1, f"{1:016x}")
    assert command.reply["location"] == {"alarm": 0}
    assert str(LAT)[:5] not in str(msgspec.json.encode(fence))


def test_phones_and_plates_are_for_those_who_may_read_terminals(log: EventLog, reader: Reader) -> None:
    log.append([event(1, "terminal.registered"), event(1, "terminal.identity.disputed")])
    registered, disputed = reader.events(person()).items
    assert (registered.payload.phone, registered.payload.plate) == ("13800000001", "粤B12345")
    registered, disputed = reader.events(person(rights=frozenset({"events.read"}))).items
    for less in (registered.payload, disputed.payload):
        assert not {"phone", "plate"} & less.keys()
    assert registered.payload["terminal_id"] == "T1"


def test_rounding_goes_to_the_nearest() -> None:
    assert [rounded(n, 10) for n in (-16, -15, -14, -5, 0, 4, 5, 14, 15)] == [-20, -10, -10, 0, 0, 0, 10, 10, 20]
    assert rounded(LAT, 1) == LAT


def test_positions_are_those_of_the_vehicles_of_now(log: EventLog, reader: Reader, reports: Reports) -> None:
    page = reader.positions(person(2))
    assert ([item.vehicle_id for item in page.items], page.next) == ([2, 6, 8], None)
    assert all(asked == [2, 4, 6, 8] for asked in reports.asked)
    # A car that never reported does not make a page short.
    first = reader.positions(person(2), limit=2)
    assert ([item.vehicle_id for item in first.items], first.next) == ([2, 6], 6)
    second = reader.positions(person(2), first.next or 0, limit=2)
    assert ([item.vehicle_id for item in second.items], second.next) == ([8], None)
    assert len(reader.positions(NODE).items) == 7
    with log.database.write() as connection:
        connection.execute(text("UPDATE vehicle SET store_id = 1 WHERE id = 2"))
    assert [item.vehicle_id for item in reader.positions(person(2)).items] == [6, 8]
    assert reader.position(person(2), 2) is None
    assert reader.position(person(2), 6) == reports.last_positions([6])[0]
    coarse = reader.position(person(2, precision="district"), 6)
    assert coarse is not None
    assert (coarse.lat_1e7, coarse.lon_1e7) == (312_300_000, -1_214_700_000)


def test_a_track_is_for_those_who_see_the_vehicle(log: EventLog, reader: Reader) -> None:
    points = reader.track(person(1), 1, 1000, 1003)
    assert points is not None
    assert [(point.time_ms, point.lat_1e7) for point in points] == [(1000, LAT), (1001, LAT), (1002, LAT)]
    assert reader.track(person(1), 2, 1000, 1003) is None
    assert reader.track(NODE, 9, 1000, 1003) is None
    coarse = reader.track(person(1, precision="street"), 1, 1000, 1001)
    assert coarse is not None
    assert coarse[0].lat_1e7 == 312_300_000
    assert access(log) == [
        ("track", 1, 1000, 1003, 3, 7, "10.0.0.9"),
        ("track", 1, 1000, 1001, 1, 7, "10.0.0.9"),
    ]


def test_who_may_see_no_position_reads_none(log: EventLog, reader: Reader, reports: Reports) -> None:
    who = person(1, precision="none")
    assert reader.positions(who) == ([], None)
    assert reader.position(who, 1) is None
    assert reader.track(who, 1, 1000, 1003) == []
    assert reports.asked == []
    assert access(log) == []


def test_every_look_is_in_the_access_log(log: EventLog, reader: Reader) -> None:
    reader.positions(person(1))
    reader.position(person(1), 3)
    reader.note(person(1), "live")
    assert access(log) == [
        ("positions", 0, 0, 0, 4, 7, "10.0.0.9"),
        ("positions", 3, 0, 0, 1, 7, "10.0.0.9"),
        ("live", 0, 0, 0, 0, 7, "10.0.0.9"),
    ]


def test_what_cannot_be_logged_is_not_shown(log: EventLog, reader: Reader) -> None:
    with log.database.write() as connection:
        connection.execute(text("ALTER TABLE access RENAME TO elsewhere"))
    for look in (lambda: reader.positions(NODE), lambda: reader.track(NODE, 1, 0, 9), lambda: reader.position(NODE, 1)):
        # SQLite says that its file has no such table, PostgreSQL that our statement is wrong.
        with pytest.raises((StorageError, ProgrammingError), match="access"):
            look()
    assert reader.statistics() == {"written": 0, "batches": 0, "refused": 3, "waiting": 0}
    with log.database.write() as connection:
        connection.execute(text("ALTER TABLE elsewhere RENAME TO access"))
    assert reader.track(NODE, 1, 0, 9)


def test_looks_at_once_share_transactions(log: EventLog, reader: Reader) -> None:
    def look(number: int) -> None:
        for turn in range(10):
            reader.note(NODE, "search", vehicle=number, rows=turn)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = access(log)
    assert sorted((row[1], row[4]) for row in rows) == [(number, turn) for number in range(8) for turn in range(10)]
    counts = reader.statistics()
    assert counts["written"] == 80
    assert counts["batches"] <= 80


def test_a_look_does_not_wait_without_end(log: EventLog, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACCESS_S_MAX", 0.01)
    monkeypatch.setattr(limits, "ACCESS_WAITING_MAX", 1)
    with reader._access._writing:
        with pytest.raises(StorageError, match="did not take"):
            reader.note(NODE, "live")
        reader._access._waiting.append(object())  # type: ignore[arg-type]
        with pytest.raises(StorageError, match="is behind"):
            reader.note(NODE, "live")
        reader._access._waiting.clear()
    reader.note(NODE, "live")
    assert reader.statistics()["refused"] == 2
    assert len(access(log)) == 1


def test_commits_are_told_once_they_are(log: EventLog) -> None:
    told: list[tuple[int, int, frozenset[str], int]] = []
    log.on_committed = lambda first, last, types: told.append((first, last, types, log.head()))
    log.append([event(1), event(2, "sos.pressed")])
    log.append([event(1)])
    log.append([event(1), event(3)])
    with pytest.raises(AnsweredTwiceError):
        log.append([event(4), event(5, answers="x"), event(6, answers="x")])
    assert told == [
        (1, 2, frozenset({"fence.entered", "sos.pressed"}), 2),
        (3, 3, frozenset({"fence.entered"}), 3),
    ]


def test_names_are_told_of_what_the_principal_may_see_only(reader: Reader, log: EventLog) -> None:
    with log.database.write() as connection:
        connection.execute(update(VEHICLE).values(plate="P"))
    assert sorted(reader.names(NODE, range(1, 12)).plates) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sorted(reader.names(person(2), range(1, 12)).plates) == [2, 4, 6, 8]
    assert reader.names(person(2, rights=frozenset()), [2]).plates == {}
    assert reader.names(NODE).plates == {}


@pytest.mark.parametrize("newest_first", [False, True])
def test_events_are_found_by_time_subject_and_store(reader: Reader, log: EventLog, newest_first: bool) -> None:
    hour_ms = 3_600_000
    start_ms = 1_760_000_000_000
    log.append([event(n, time_ms=start_ms + n * hour_ms, store=1 + n % 2) for n in range(1, 40)])
    with log.database.write() as connection:
        connection.execute(text("UPDATE event SET arrival_ms = time_ms + 60000"))

    def found(**wanted: Any) -> list[int]:
        page = reader.events(NODE, newest_first=newest_first, **wanted)
        return sorted(one.payload.vehicle_id for one in page.items)

    assert found(from_ms=start_ms + 5 * hour_ms, to_ms=start_ms + 8 * hour_ms) == [5, 6, 7]
    assert found(subjects=["vehicle:7", "vehicle:9", "vehicle:99"]) == [7, 9]
    assert found(subjects=[]) == []
    assert found(store=1, to_ms=start_ms + 5 * hour_ms) == [2, 4]
    assert found(from_ms=start_ms + 1_000 * hour_ms) == []
    assert found(to_ms=start_ms) == []


def test_the_search_by_time_begins_at_the_first_arrival_that_can_matter(reader: Reader, log: EventLog) -> None:
    log.append([event(n) for n in range(1, 20)])
    with log.database.write() as connection:
        connection.execute(text("UPDATE event SET arrival_ms = 1000 * (seq / 3)"))
    with log.database.read() as connection:
        arrivals = dict(connection.execute(text("SELECT seq, arrival_ms FROM event")).all())
        for arrival_ms in range(-500, 8_000, 250):
            expected = min((seq for seq, at in arrivals.items() if at >= arrival_ms), default=max(arrivals) + 1)
            assert reader._first_since(connection, arrival_ms) == expected, arrival_ms
