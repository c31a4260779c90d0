"""Geofences, one body on SQLite and on PostgreSQL."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, text, update

import storage
from core import limits
from core.events import GeofenceRemoved, GeofenceSaved
from core.geofence import Geofence, GeofenceFaultError, Window, indexed
from core.kernels.geofence import FENCE_ID, FENCE_UTC_OFFSET_MIN, Circle, Corridor, Polygon
from core.rights import NODE, ROLES, Principal, Scope
from storage.database import Database
from storage.eventlog import EventLog
from storage.geofences import (
    GeofenceChangedError,
    GeofenceRefusedError,
    Geofences,
    GeofenceUnknownError,
    Judged,
    View,
)
from storage.registry import NewTerminal, Registry
from storage.tables.business import STORE, VEHICLE

RING = [[121.4737021, 31.2303904], [121.48, 31.23], [121.48, 31.24], [121.4737021, 31.2303904]]
YARD = Geofence(name="4S店", kind="polygon", geometry={"coordinates": [RING]})
SPOT = Geofence(name="o", kind="circle", geometry={"centre": [121.0, 31.0], "radius_m": 50.0})


def person(*stores: int, account: int = 7) -> Principal:
    scope = Scope(group=1, stores=stores or None)
    return Principal(account=account, role="operator", rights=ROLES["operator"], scope=scope)


def changed(fence: Geofence, **values: Any) -> Geofence:
    return msgspec.structs.replace(fence, **values)


@pytest.fixture
def fences(log: EventLog) -> Geofences:
    """Two stores, 1 and 2, with cars 1 and 2 of the first, 3 of the second, 4 of the group, 5 of another group."""
    registry = Registry(log)
    registry.register(
        [NewTerminal(phone=f"{number}", store=store) for number, store in ((1, 1), (2, 1), (3, 2), (4, 0), (5, 0))]
    )
    store = {"name_zh": "店", "name_en": "Store", "time_zone": "Asia/Shanghai", "created_ms": 1, "group_id": 1}
    with log.database.write() as connection:
        connection.execute(insert(STORE), [{**store, "code": "A"}, {**store, "code": "B"}])
        connection.execute(update(VEHICLE).where(VEHICLE.c.id == 5).values(group_id=2))
    return registry.geofences


def test_a_fence_is_drawn_changed_and_put_away_and_the_log_says_so(log: EventLog, fences: Geofences) -> None:
    head = log.head()
    yard = fences.save(changed(YARD, colour="#0A84FF"), person())
    assert (yard.id, yard.revision, yard.colour, yard.changed_by) == (1, 1, "#0a84ff", "account:7")
    assert fences.one(NODE, 1) == yard
    spot = fences.save(SPOT)
    paused = fences.save(changed(yard, active=False), person())
    assert fences.load() == [spot]
    assert fences.page(person()) == [paused, spot]
    assert fences.page(person(), shown="active") == [spot]
    assert fences.page(person(), shown="inactive", search="4s") == [paused]
    assert fences.page(person(), search="%") == []
    gone = fences.remove(spot.id, 1, person())
    assert gone.removed_ms > 0
    assert fences.page(person()) == [paused]
    with pytest.raises(GeofenceUnknownError):
        fences.one(NODE, spot.id)
    events = log.read(head)
    assert [(e.type, e.payload, e.subject, e.actor) for e in events] == [
        ("geofence.saved", GeofenceSaved(fence_id=1, revision=1, active=True), "geofence:1", "account:7"),
        ("geofence.saved", GeofenceSaved(fence_id=2, revision=1, active=True), "geofence:2", "node"),
        ("geofence.saved", GeofenceSaved(fence_id=1, revision=2, active=False), "geofence:1", "account:7"),
        ("geofence.removed", GeofenceRemoved(fence_id=2, revision=2), "geofence:2", "account:7"),
    ]
    assert len({event.id for event in events}) == 4


def test_nothing_new_is_no_change(log: EventLog, fences: Geofences) -> None:
    yard = fences.save(YARD)
    head = log.head()
    assert fences.save(yard) == yard
    unclosed = changed(yard, geometry={"coordinates": [RING[:-1]]}, name="  4S店 ")
    assert fences.save(unclosed) == yard
    assert log.head() == head


def test_who_saw_an_older_revision_changes_nothing(log: EventLog, fences: Geofences) -> None:
    yard = fences.save(YARD)
    second = fences.save(changed(yard, name="B"))
    head = log.head()
    with pytest.raises(GeofenceChangedError) as error:
        fences.save(changed(yard, name="C"))
    assert error.value.revision == second.revision == 2
    with pytest.raises(GeofenceChangedError):
        fences.remove(yard.id, 1)
    assert fences.one(NODE, yard.id) == second
    assert log.head() == head


def test_a_fence_may_be_for_certain_cars(fences: Geofences) -> None:
    yard = fences.save(changed(YARD, applies="vehicles"))
    assert (yard.vehicles, yard.vehicle_count) == ((), 0)
    yard = fences.assign(yard.id, [3, 1, 3], yard.revision)
    assert (yard.vehicles, yard.vehicle_count, yard.revision) == ((1, 3), 2, 2)
    assert fences.load() == [yard]
    assert indexed(yard, 0).vehicles == (1, 3)
    # Who saves without naming the cars leaves them; who lets it be for all lets them go.
    yard = fences.save(changed(yard, vehicles=None, name="other"))
    assert yard.vehicles == (1, 3)
    (listed,) = fences.page(NODE)
    assert (listed.vehicles, listed.vehicle_count) == (None, 2)
    yard = fences.save(changed(yard, applies="all"))
    assert (yard.vehicles, yard.vehicle_count) == (None, 0)
    assert indexed(yard, 0).vehicles is None
    assert fences.save(changed(yard, applies="vehicles")).vehicles == (), "forgotten"


@pytest.mark.parametrize(
    ("fence", "code"),
    [
        (changed(YARD, applies="vehicles", vehicles=(1, 99)), "vehicles_unknown"),
        (changed(YARD, applies="vehicles", vehicles=(5,)), "vehicles_unknown"),
        (changed(YARD, applies="vehicles", vehicles=(1, 3), store=1), "vehicles_elsewhere"),
        (changed(YARD, store=9), "store_unknown"),
        (changed(YARD, applies="vehicles", vehicles=tuple(range(1, limits.FENCE_VEHICLES_MAX + 2))), "vehicles_many"),
    ],
)
def test_a_fence_is_for_cars_and_stores_there_are(log: EventLog, fences: Geofences, fence: Geofence, code: str) -> None:
    head = log.head()
    with pytest.raises(GeofenceFaultError) as error:
        fences.save(fence)
    assert error.value.code == code
    assert fences.count(NODE) == 0
    assert log.head() == head


def test_people_of_a_store_see_the_groups_fences_and_change_their_own(fences: Geofences) -> None:
    group = fences.save(YARD, person())
    first = fences.save(changed(YARD, store=1), person())
    second = fences.save(changed(SPOT, store=2), person())
    mine = person(1)
    assert fences.page(mine) == [group, first]
    assert fences.page(person(1, 2), store=2) == [second]
    assert fences.count(mine) == 2
    with pytest.raises(GeofenceUnknownError):
        fences.one(mine, second.id)
    with pytest.raises(GeofenceUnknownError):
        fences.save(changed(second, store=1), mine)
    with pytest.raises(GeofenceUnknownError):
        fences.remove(second.id, 1, mine)
    for refused, code in ((YARD, "group_only"), (changed(YARD, store=2), "store_foreign")):
        with pytest.raises(GeofenceFaultError) as error:
            fences.save(refused, mine)
        assert error.value.code == code
    # Nor is the group's taken over, by moving it to one's own store.
    with pytest.raises(GeofenceFaultError, match="whole group"):
        fences.save(changed(group, store=1), mine)
    with pytest.raises(GeofenceFaultError, match="whole group"):
        fences.remove(group.id, 1, mine)
    assert fences.save(changed(first, name="mine"), mine).revision == 2
    assert fences.one(person(), group.id) == group
    other_group = msgspec.structs.replace(person(), scope=Scope(group=2))
    assert fences.page(other_group) == []
    with pytest.raises(GeofenceUnknownError):
        fences.one(other_group, group.id)


def test_the_fences_of_a_vehicle_are_those_that_judge_it(fences: Geofences) -> None:
    group = fences.save(YARD)
    first = fences.save(changed(SPOT, store=1))
    fences.save(changed(SPOT, store=2))
    fences.save(changed(SPOT, active=False))
    chosen = fences.save(changed(SPOT, applies="vehicles", vehicles=(1,)))
    fences.save(changed(SPOT, applies="vehicles", vehicles=(2,)))
    found = fences.of_vehicle(person(), 1)
    assert found is not None
    assert [fence.id for fence in found] == [group.id, first.id, chosen.id]
    assert fences.of_vehicle(person(2), 1) is None
    assert fences.of_vehicle(person(), 99) is None


def test_several_are_saved_together_or_not_at_all(log: EventLog, fences: Geofences) -> None:
    yard = fences.save(YARD)
    head = log.head()
    batch = [changed(SPOT, name="new"), yard, changed(yard, revision=9)]
    for rehearse in (True, False):
        with pytest.raises(GeofenceRefusedError) as error:
            fences.save_all(batch, rehearse=rehearse)
        assert [refusal.number for refusal in error.value.refusals] == [2]
        assert fences.count(NODE) == 1
    with pytest.raises(GeofenceRefusedError) as error:
        fences.save_all([changed(SPOT, name=""), *batch, changed(SPOT, store=9)])
    assert [refusal.number for refusal in error.value.refusals] == [0, 3, 4], "all that is wrong, not only the first"
    rehearsed = fences.save_all(batch[:2], rehearse=True)
    assert [change.what for change in rehearsed] == ["created", "unchanged"]
    assert (fences.count(NODE), log.head()) == (1, head)
    saved = fences.save_all(batch[:2])
    assert [change.what for change in saved] == ["created", "unchanged"]
    assert [event.subject for event in log.read(head)] == [f"geofence:{saved[0].fence.id}"]


def test_one_fence_past_the_bound_of_a_group_is_refused(fences: Geofences, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FENCES_MAX", 2)
    fences.save_all([YARD, SPOT])
    with pytest.raises(GeofenceFaultError, match="the bound"):
        fences.save(YARD)
    with pytest.raises(GeofenceRefusedError):
        fences.save_all([YARD], rehearse=True)
    fences.remove(1, 1)
    assert fences.save(YARD).id == 3


def test_the_index_takes_what_is_stored_exactly(fences: Geofences) -> None:
    yard, spot = indexed(fences.save(YARD), 0), indexed(fences.save(changed(SPOT, store=1)), 0)
    corners = [(round(lat * 1e7), round(lon * 1e7)) for lon, lat in RING]
    assert isinstance(yard.shape, Polygon)
    assert sorted(yard.shape.rings[0]) == sorted(corners)
    assert spot[:5] == (2, Circle(310_000_000, 1_210_000_000, 50.0), 1, 1, None)


ROAD = Geofence(
    name="S20",
    kind="corridor",
    geometry={"coordinates": [[121.4, 31.2], [121.5, 31.2], [121.5, 31.3]], "width_m": 60},
    role="route",
    hours=(Window((5, 1), "22:00", "06:00"), Window((1,), "08:00", "00:00"), Window((1, 5), "22:00", "06:00")),
    expected=(Window((7,), "23:00", "01:00"),),
    applies="vehicles",
    vehicles=(1,),
    dwell_s=600,
    speed_limit_kmh=30,
    speed_s=5,
)


def test_what_a_fence_is_judged_by_is_kept(log: EventLog, fences: Geofences) -> None:
    road = fences.save(ROAD)
    assert road.hours == (Window((1,), "08:00", "24:00"), Window((1, 5), "22:00", "06:00")), "in order, none twice"
    assert fences.one(NODE, road.id) == road
    head = log.head()
    assert fences.save(changed(road, hours=ROAD.hours)) == road
    assert log.head() == head
    assert fences.save(changed(road, dwell_s=0)).revision == 2
    # It goes by its store's clock unless it names another.
    assert [fence.time_zone for fence in fences.load()] == ["Asia/Shanghai"]
    told = indexed(fences.load()[0], 0)
    assert told.shape == Corridor(
        [(312_000_000, 1_214_000_000), (312_000_000, 1_215_000_000), (313_000_000, 1_215_000_000)], 30.0
    )
    assert told[5:] == ("route", [(480, 1440), (1320, 1800), (7080, 7560)], 480, 0, 300, 5_000, [(10_020, 10_140)])
    with log.database.write() as connection:
        connection.execute(update(STORE).where(STORE.c.id == 1).values(time_zone="Asia/Urumqi"))
    ours = fences.save(changed(ROAD, store=1))
    named = fences.save(changed(ROAD, store=1, time_zone="Asia/Tokyo"))
    assert ours.time_zone == ""
    assert [fence.time_zone for fence in fences.load()] == ["Asia/Shanghai", "Asia/Urumqi", "Asia/Tokyo"]
    assert [fence.id for fence in fences.load([ours.id, 99])] == [ours.id]
    paused = fences.save(changed(named, active=False))
    assert fences.load([paused.id]) == []


def view(west: float, south: float, east: float, north: float, zoom: int = 12) -> View:
    sides = [round(side * 1e7) for side in (west, south, east, north)]
    return View(sides[0], sides[1], sides[2], sides[3], 360e7 / (512 * 2**zoom))


def test_a_map_shows_the_fences_in_its_box_large_ones_first(fences: Geofences) -> None:
    spot, yard, road = fences.save(SPOT), fences.save(YARD), fences.save(changed(ROAD, applies="all", expected=()))
    north = changed(SPOT, geometry={"centre": [179.99, 0.0], "radius_m": 2000.0})
    across = fences.save(north)

    def shown(*sides: float, principal: Principal = NODE, **filters: Any) -> list[int]:
        found = fences.sketches(principal, view(*sides), **filters)
        assert found.fences == len(found.drawn)
        assert found.clusters == []
        return [sketch.fence.id for sketch in found.drawn]

    assert shown(121.0, 31.0, 122.0, 31.4) == [road.id, yard.id, spot.id]
    # A fence is in the box as soon as its own touches it: the circle reaches 50 m beyond its centre.
    assert shown(121.0003, 30.9, 121.1, 31.0) == [spot.id]
    assert shown(121.001, 30.9, 121.1, 31.0) == []
    assert shown(121.0, 31.0, 122.0, 31.4, search="s2") == [road.id]
    assert shown(121.0, 31.0, 122.0, 31.4, shown="inactive") == []
    assert shown(170.0, -10.0, -170.0, 10.0) == [across.id]
    assert shown(-180.0, -1.0, -179.995, 1.0) == [across.id]
    assert shown(-179.99, -1.0, -179.0, 1.0) == []
    assert shown(-180.0, -90.0, 180.0, 90.0, principal=msgspec.structs.replace(person(), scope=Scope(group=2))) == []
    dots = fences.sketches(NODE, view(-180, -90, 180, 90, zoom=0))
    assert {sketch.form for sketch in dots.drawn} == {"dot"}
    assert all(sketch.fence.geometry == {} for sketch in dots.drawn)


def test_of_more_fences_than_a_map_shows_the_small_ones_are_counted(
    fences: Geofences, monkeypatch: pytest.MonkeyPatch
) -> None:
    spots = [
        changed(SPOT, geometry={"centre": [lon, lat], "radius_m": 50.0})
        for lon, lat in ((121.01, 31.01), (121.02, 31.01), (121.9, 31.9), (-179.99, 31.5))
    ]
    fences.save_all(spots)
    large = fences.save(changed(SPOT, geometry={"centre": [121.5, 31.5], "radius_m": 20_000.0}))
    monkeypatch.setattr(limits, "OUTLINES_MAX", 4)
    few = fences.sketches(NODE, view(121.0, 31.0, 122.0, 32.0))
    assert (len(few.drawn), few.clusters) == (4, [])
    many = fences.sketches(NODE, view(121.0, 31.0, -179.0, 32.0, zoom=8))
    assert [sketch.fence.id for sketch in many.drawn] == [large.id]
    assert [cluster.fences for cluster in many.clusters] == [2, 1, 1]
    first, _, last = sorted(many.clusters, key=lambda cluster: -cluster.lon_1e7)
    assert (many.fences, last.lon_1e7) == (5, -1_799_900_000)
    assert many.clusters[0].lon_1e7 == 1_210_150_000
    assert first.lat_1e7 == 319_000_000
    # At the finest pixel each fence would have a cell of its own, but for the bound.
    monkeypatch.setattr(limits, "OUTLINES_MAX", 2)
    degree = view(121.0, 31.0, 122.0, 32.0, zoom=24)
    assert limits.OUTLINE_CELLS_MAX < 100, "two of them lie a hundredth of the map apart"
    assert [cluster.fences for cluster in fences.sketches(NODE, degree).clusters] == [2, 1]
    monkeypatch.setattr("storage.geofences.OUTLINE_CELLS_MAX", 200)
    assert [cluster.fences for cluster in fences.sketches(NODE, degree).clusters] == [1, 1, 1]
    monkeypatch.setattr(limits, "OUTLINES_MAX", 4)
    # However many are large, no more than so many are drawn.
    monkeypatch.setattr(limits, "OUTLINES_LARGE_MAX", 0)
    none = fences.sketches(NODE, view(121.0, 31.0, -179.0, 32.0, zoom=8))
    assert (none.drawn, sum(cluster.fences for cluster in none.clusters)) == ([], 5)


def test_one_corner_more_than_a_map_reads_comes_as_its_box(fences: Geofences, monkeypatch: pytest.MonkeyPatch) -> None:
    yard = fences.save(YARD)
    road = fences.save(ROAD)
    for room, forms in ((6, {"whole"}), (5, {"whole", "box"}), (2, {"box"})):
        monkeypatch.setattr(limits, "OUTLINE_CORNERS_MAX", room)
        found = fences.sketches(NODE, view(121.0, 31.0, 122.0, 31.4))
        assert {sketch.form for sketch in found.drawn} == forms, room
    (first, second) = found.drawn
    assert {first.fence.id: first.corners, second.fence.id: second.corners} == {yard.id: 3, road.id: 3}


def test_fences_of_before_get_their_boxes(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'old.db'}")
    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    row = {"group_id": 1, "store_id": 0, "name": "o", "active": True}
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for kind, geometry in (("polygon", {"coordinates": [RING]}), ("circle", SPOT.geometry)):
            values = {**row, "kind": kind, "geometry": msgspec.json.encode(geometry).decode()}
            names = ", ".join(values)
            connection.execute(text(f"INSERT INTO geofence ({names}) VALUES (:{', :'.join(values)})"), values)
    storage.migrate(f"sqlite:///{tmp_path / 'old.db'}")
    log = EventLog(database)
    fences = Geofences(log)
    yard, spot = fences.page(NODE)
    assert (yard.role, yard.hours, yard.dwell_s) == ("zone", (), 0)
    before = fences.sketches(NODE, view(121.0, 31.0, 122.0, 31.4)).drawn
    for fence in (yard, spot):
        fences.save(changed(fence, name="again"))
    again = fences.sketches(NODE, view(121.0, 31.0, 122.0, 31.4)).drawn
    assert [sketch.corners for sketch in before] == [sketch.corners for sketch in again] == [3, 1]
    for old, new in zip(before, again, strict=True):
        assert all(abs(a - b) <= 1 for a, b in zip(old.box, new.box, strict=True))
    database.close()


def test_a_change_reads_the_rows_it_names_and_no_others(
    fences: Geofences, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    yard, spot = fences.save(YARD), fences.save(SPOT)
    # In New York clocks are turned: 4 hours behind UTC in summer, 5 in winter.
    road = fences.save(changed(ROAD, time_zone="America/New_York"))
    now = {"ms": 1_750_000_000_000}
    judged = Judged(fences, lambda: now["ms"])

    def held() -> dict[int, int]:
        records = judged.index(changed_ids).records()
        return {int(record[FENCE_ID]): int(record[FENCE_UTC_OFFSET_MIN]) for record in records}

    changed_ids: set[int] = set()
    assert held() == {yard.id: 0, spot.id: 0, road.id: -240}
    asked: list[Any] = []
    load = fences.load
    monkeypatch.setattr(fences, "load", lambda ids=None: (asked.append(ids), load(ids))[1])
    fences.save(changed(yard, active=False))
    fences.remove(spot.id, 1)
    new = fences.save(SPOT)
    changed_ids = {yard.id, spot.id, new.id, 99}
    assert held() == {road.id: -240, new.id: 0}
    assert asked == [sorted(changed_ids)]
    assert judged.stale() == set()
    now["ms"] += 180 * 86_400_000
    changed_ids = judged.stale()
    assert changed_ids == {road.id}
    assert held() == {road.id: -300, new.id: 0}
    # One that the index does not take stands in nobody's way.
    with monkeypatch.context() as broken:
        bad = changed(new, geometry={"centre": [121.0, 31.0], "radius_m": -1.0})
        broken.setattr(fences, "load", lambda ids=None: [bad])
        changed_ids = {new.id}
        assert held() == {road.id: -300}
    assert "is left out" in caplog.text
