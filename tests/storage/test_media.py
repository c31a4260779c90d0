"""Media on each database: one file a content, one row an item, and what belongs to what, whichever came first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core import limits
from core.events import AlarmSeen, CommandProgress, CommandRequested, Event, FenceCrossed, derive_id
from core.media import INLINE, UNKNOWN, content_type_of, suffix_of
from core.rights import NODE, Principal, Scope
from simulators.pictures import picture, sound
from storage.eventlog import EventLog
from storage.gallery import Gallery
from storage.media import MediaStore, NewMedia
from storage.reader import Reader
from storage.registry import NewTerminal, Registry

JPEG = picture(1, "1", width=64, height=64)
NOW_MS = 1_763_800_000_000


@pytest.fixture
def log(business_dsn: str) -> Iterator[EventLog]:
    opened = EventLog(business_dsn)
    Registry(opened).register([NewTerminal(phone=f"1390000000{n}", store=n, time_ms=1) for n in (1, 2)])
    yield opened
    opened.close()


@pytest.fixture
def store(log: EventLog, tmp_path: Path) -> MediaStore:
    return MediaStore(log, tmp_path / "media")


@pytest.fixture
def gallery(log: EventLog, store: MediaStore) -> Gallery:
    return Gallery(Reader(log.database, None, lambda ids: ()), store.files)  # type: ignore[arg-type]


def shot(media_id: int = 1, *, vehicle: int = 1, **more: Any) -> NewMedia:
    said: dict[str, Any] = {"kind": 0, "format": 0, "event": 3, "channel": 2, "time_ms": NOW_MS, "arrival_ms": NOW_MS}
    said |= {"lat_1e7": 225_432_109, "lon_1e7": 1_140_578_905, "speed_kmh10": 435}
    return NewMedia(group=1, store=vehicle, vehicle=vehicle, terminal=vehicle, media_id=media_id, **(said | more))


def happened(kind: str, time_ms: int, payload: Any, *, vehicle: int = 1) -> Event:
    return Event(
        id=derive_id("test", kind, 1, (str(time_ms), str(vehicle)), ""), type=kind, time_ms=time_ms, store=vehicle,
        subject=f"vehicle:{vehicle}", actor="test", payload=payload,
    )  # fmt: skip


def alarm(kind: str, time_ms: int, *, vehicle: int = 1) -> Event:
    payload = AlarmSeen(
        vehicle_id=vehicle, terminal=1, report_id="1", lat_1e7=0, lon_1e7=0, speed_kmh10=0, alarm=1,
        evidence="alarm.29", has_fix=True,
    )  # fmt: skip
    return happened(kind, time_ms, payload, vehicle=vehicle)


def crossing(time_ms: int) -> Event:
    where = {"lat_1e7": 0, "lon_1e7": 0, "speed_kmh10": 0}
    return happened("fence.entered", time_ms, FenceCrossed(vehicle_id=1, fence_id=1, report_id="1", **where))


def asked(message: str, time_ms: int, **fields: object) -> Event:
    return happened("command.requested", time_ms, CommandRequested(vehicle_id=1, message=message, fields=fields))


def link(store: MediaStore, log: EventLog) -> None:
    """Do what actors.evidence does, over everything at once."""
    store.link(log.read(0), "test", log.head())


def linked(gallery: Gallery) -> list[tuple[str, str]]:
    page = gallery.page(NODE, 1)
    assert page is not None
    return [(item.cause, item.command) for item in page.items]


# --- files and rows ---------------------------------------------------------------------------------------------------


def test_putting_twice_is_one_file_one_row_one_event_and_its_bytes_count_once(store: MediaStore, log: EventLog) -> None:
    first, again, other = store.put(shot(), JPEG), store.put(shot(), JPEG), store.put(shot(2), JPEG)
    assert (first.stored, again, other.media != first.media) == (True, first, True)
    assert [event.type for event in log.read(0, type_prefix="media.")] == ["media.stored"] * 2
    assert store.statistics() | {"stored": 2, "repeated": 1, "bytes": len(JPEG)} == store.statistics()
    assert MediaStore(log, store.files.path).statistics()["bytes"] == len(JPEG)


def test_a_number_used_anew_for_another_content_is_another_item(store: MediaStore, gallery: Gallery) -> None:
    store.put(shot(), JPEG)
    store.put(shot(time_ms=NOW_MS + 1), JPEG + b"!")
    page = gallery.page(NODE, 1)
    assert page is not None
    assert [item.size for item in page.items] == [len(JPEG) + 1, len(JPEG)]


def test_what_was_announced_begun_and_given_up_is_one_row_until_it_comes(
    store: MediaStore, gallery: Gallery, log: EventLog
) -> None:
    store.announce(shot(), "a" * 32)
    store.announce(shot(), "a" * 32)
    store.note(shot(), "partial", 3, 9)
    store.note(shot(), "lost", 4, 9)
    page = gallery.page(NODE, 1)
    assert page is not None
    assert [(item.state, item.packets, item.packets_total) for item in page.items] == [("lost", 4, 9)]
    store.put(shot(), JPEG)
    store.announce(shot(), "b" * 32)
    page = gallery.page(NODE, 1)
    assert page is not None
    assert [item.state for item in page.items] == ["stored"], "announced late"
    assert [event.type for event in log.read(0, type_prefix="media.")] == [
        "media.announced", "media.stored", "media.announced"
    ]  # fmt: skip


def test_two_stores_see_their_own_and_precision_is_kept(store: MediaStore, gallery: Gallery) -> None:
    mine, theirs = store.put(shot(), JPEG), store.put(shot(vehicle=2), JPEG)
    one = Principal(rights=frozenset({"media.read"}), scope=Scope(stores=(1,), precision="district"))
    assert gallery.page(one, 2) is None
    assert gallery.one(one, theirs.media) is None
    assert gallery.content(one, theirs.media) is None
    item = gallery.one(one, mine.media)
    assert item is not None
    assert (item.lat_1e7, item.lon_1e7) == (225_400_000, 1_140_600_000)
    blind = msgspec.structs.replace(one, scope=Scope(stores=(1,), precision="none"))
    item = gallery.one(blind, mine.media)
    assert item is not None
    assert item.lat_1e7 is None


def test_pictures_of_a_robbery_are_not_for_whom_thefts_are_not(store: MediaStore, gallery: Gallery) -> None:
    robbery, crash, timed = (store.put(shot(n, event=event), JPEG).media for n, event in enumerate((2, 3, 1), 1))
    care = Principal(scope=Scope(purposes=frozenset({"service"})))
    assert [gallery.one(care, number) is not None for number in (robbery, crash, timed)] == [False, False, True]


def test_a_list_goes_on_where_it_ended_and_no_other_place_is_one(store: MediaStore, gallery: Gallery) -> None:
    for number in range(5):
        store.put(shot(number, time_ms=NOW_MS + number // 2), JPEG)
    seen: list[int] = []
    after = ""
    while True:
        page = gallery.page(NODE, 1, after=after, limit=2)
        assert page is not None
        seen += [item.media_id for item in page.items]
        if not page.next:
            break
        after = page.next
    assert seen == [4, 3, 2, 1, 0]
    for wrong in ("x", "1", "1-", "-1-2", "1-2-3", "١-٢"):
        with pytest.raises(ValueError, match="no place"):
            gallery.page(NODE, 1, after=wrong)


# --- what belongs to what ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("picture_first", [True, False])
def test_a_crash_and_its_pictures_find_one_another_whichever_came_first(
    store: MediaStore, gallery: Gallery, log: EventLog, picture_first: bool
) -> None:
    crash = alarm("crash.suspected", NOW_MS + limits.MEDIA_LINK_MS)
    if picture_first:
        store.put(shot(), JPEG)
        log.append([crash])
    else:
        log.append([crash])
        store.put(shot(), JPEG)
    link(store, log)
    assert linked(gallery) == [(crash.id, "")]
    assert [item.media_id for item in gallery.of_event(NODE, crash)] == [1]
    (item,) = gallery.of_event(NODE, crash)
    assert gallery.events_of(NODE, [item])[crash.id].type == "crash.suspected"


def test_a_crash_a_millisecond_too_far_away_or_of_another_car_is_not_shown(
    store: MediaStore, gallery: Gallery, log: EventLog
) -> None:
    far = alarm("crash.suspected", NOW_MS + limits.MEDIA_LINK_MS + 1)
    other = alarm("crash.suspected", NOW_MS, vehicle=2)
    log.append([far, other])
    store.put(shot(), JPEG)
    link(store, log)
    assert linked(gallery) == [("", "")]
    assert gallery.of_event(NODE, far) == gallery.of_event(NODE, other) == []


def test_a_crash_is_shown_with_the_newest_pictures_up_to_the_bound(
    store: MediaStore, gallery: Gallery, log: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MEDIA_LINKS_AT_ONCE", 2)
    for media_id in (1, 2, 3):
        store.put(shot(media_id), JPEG + bytes([media_id]))
    link(store, log)
    crash = alarm("crash.suspected", NOW_MS)
    log.append([crash])
    store.link([crash], "test", log.head())
    page = gallery.page(NODE, 1)
    assert page is not None
    assert {item.media_id: item.cause for item in page.items} == {1: "", 2: crash.id, 3: crash.id}


def test_of_several_events_the_weightiest_counts_and_a_page_of_each_shows_the_picture(
    store: MediaStore, gallery: Gallery, log: EventLog
) -> None:
    crash, fence = alarm("crash.suspected", NOW_MS + 50_000), crossing(NOW_MS + 1_000)
    store.put(shot(), JPEG)
    log.append([fence])
    link(store, log)
    assert linked(gallery) == [(fence.id, "")]
    log.append([crash])
    link(store, log)
    assert linked(gallery) == [(crash.id, "")]
    assert [len(gallery.of_event(NODE, event)) for event in (crash, fence)] == [1, 1]


def test_a_picture_names_the_command_whose_reply_lists_it(store: MediaStore, gallery: Gallery, log: EventLog) -> None:
    request = asked("0x8801", NOW_MS - 1_000, channel=9)
    store.put(shot(7, event=0), JPEG)
    reply = {"reply_serial": 1, "result": 0, "media_ids": [6, 7]}
    done = CommandProgress(command=request.id, vehicle_id=1, reply=reply)
    log.append([request, happened("command.effective", NOW_MS, done)])
    link(store, log)
    assert linked(gallery) == [("", request.id)]
    assert [item.media_id for item in gallery.of_event(NODE, request)] == [7]


def test_a_command_without_a_list_is_named_by_what_it_asks_for(
    store: MediaStore, gallery: Gallery, log: EventLog
) -> None:
    cases: tuple[tuple[str, dict[str, object], bool], ...] = (
        ("0x8801", {"channel": 2}, True),
        ("0x8801", {"channel": 1}, False),
        ("0x8803", {"kind": 0, "channel": 0}, True),
        ("0x8803", {"kind": 1, "channel": 0}, False),
        ("0x8804", {"command": 1}, False),
        ("0x8805", {"media_id": 5}, True),
        ("0x8805", {"media_id": 8}, False),
        ("0x8201", {}, False),
    )
    expected = []
    for number, (message, fields, fits) in enumerate(cases):
        # Hours apart: none of them is near another's picture.
        at_ms = NOW_MS + number * 3_600_000
        request = asked(message, at_ms - 1_000, **fields)
        # The later one cannot have asked for it.
        log.append([request, asked(message, at_ms + 1_000, **fields)])
        store.put(shot(number, event=0, time_ms=at_ms, arrival_ms=at_ms), JPEG)
        expected.append(("", request.id if fits else ""))
    link(store, log)
    assert linked(gallery) == expected[::-1]


def test_linking_again_finds_the_same(store: MediaStore, log: EventLog) -> None:
    log.append([alarm("crash.suspected", NOW_MS)])
    store.put(shot(), JPEG)
    assert store.link(log.read(0), "test", 1) == 1
    assert store.link(log.read(0), "test", 2) == 0
    assert log.position("test") == 2


# --- what a file is ---------------------------------------------------------------------------------------------------

FILES = {
    "image/jpeg": JPEG,
    "image/png": b"\x89PNG\r\n\x1a\n" + bytes(8),
    "image/tiff": b"II*\0" + bytes(8),
    "audio/wav": sound(1, 0.1),
    "audio/amr": b"#!AMR\n" + bytes(8),
    "audio/mpeg": bytes.fromhex("fffb9064") + bytes(8),
    "video/mp4": b"\0\0\0\x18ftypmp42" + bytes(8),
    "video/x-ms-asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
    "video/x-msvideo": b"RIFF\0\0\0\0AVI LIST",
    "video/h264": bytes.fromhex("0000000167640028"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_told_by_its_first_bytes_and_not_by_fewer(name: str) -> None:
    assert content_type_of(FILES[name]) == name
    assert content_type_of(FILES[name][:1]) == UNKNOWN
    assert suffix_of(name) != "bin"


@pytest.mark.parametrize(
    "data", [b"", b"<html><script>", b"\xff\xd8<html>", b"\0" * 64, b"GIF89a", b"<svg/>", b"%PDF-1"]
)
def test_what_is_none_of_them_is_bytes(data: bytes) -> None:
    assert content_type_of(data) == UNKNOWN
    assert UNKNOWN not in INLINE
    assert suffix_of(UNKNOWN) == "bin"
