"""Fences on terminals: told, told again, withdrawn, compared; and at rest every terminal keeps what it is to keep."""

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

import storage
from actors.areas import ENDS
from core import limits
from core.events import CommandProgress, CommandRequested
from core.geofence import GeofenceFaultError, TerminalRules
from core.rights import NODE, ROLES, Principal
from storage.database import Database
from storage.eventlog import EventLog
from storage.geofences import GeofenceChangedError
from tests.log.areas_world import World, copy_of


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("areas") / "empty.db"
    storage.migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def log(template: Path, tmp_path: Path) -> Iterator[EventLog]:
    opened = EventLog(Database(copy_of(template, tmp_path, 1)))
    yield opened
    opened.database.close()


@pytest.fixture
def world(log: EventLog) -> World:
    made = World(log)
    for terminal in made.devices:
        made.come(terminal)
    return made


def test_a_fence_is_told_to_the_terminals_of_its_cars_and_to_no_other(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1, 3))
    world.draw(on_terminals=False)
    world.work()
    assert world.states(fence.id) == {1: "queued", 3: "queued"}
    world.rest()
    assert world.states(fence.id) == {1: "told", 3: "told"}
    assert [device.ids for device in world.devices.values()] == [{"circle": {fence.id}}, {}, {"circle": {fence.id}}]


@pytest.mark.parametrize(("kind", "told", "gone"), [("circle", 0x8600, 0x8601), ("rectangle", 0x8602, 0x8603)])
def test_a_changed_fence_is_modified_and_a_removed_one_withdrawn(world: World, kind: str, told: int, gone: int) -> None:
    fence = world.draw(kind, applies="vehicles", vehicles=(1,))
    world.rest()
    world.change(fence.id, terminal=TerminalRules(speed_kmh=60))
    world.rest()
    (area,) = world.devices[1].kept[kind].values()
    assert (area.speed_kmh, area.overspeed_s, area.night_speed_kmh) == (60, 10, 60)
    world.remove(fence.id)
    world.rest()
    assert world.devices[1].heard == [told, told, gone]
    assert world.rows() == []
    settings_said = [e.payload.fields.get("setting") for e in world.log.read(0, 100, "command.requested")]
    assert settings_said == [1, 2, None]


def test_a_corridor_is_told_as_a_route_with_its_limit_on_each_section(world: World) -> None:
    rules = TerminalRules(speed_kmh=60, overspeed_s=5, enter_driver=True, daily_from="08:00", daily_to="18:30")
    fence = world.draw("route", applies="vehicles", vehicles=(1,), terminal=rules)
    world.rest()
    (route,) = world.devices[1].kept["route"].values()
    assert (route.id, route.attributes, route.name) == (fence.id, 0b101101, "院")
    assert (route.start_ms, route.end_ms) == (8 * 3_600_000, 18 * 3_600_000 + 1_800_000)
    assert [(p.id, p.section_id, p.latitude, p.longitude, p.width_m, p.attributes) for p in route.points] == [
        (1, 1, 31_000_000, 121_000_000, 60, 2),
        (2, 2, 31_000_000, 121_010_000, 60, 2),
        (3, 3, 31_010_000, 121_010_000, 60, 2),
    ]
    assert {(p.speed_kmh, p.overspeed_s, p.night_speed_kmh) for p in route.points} == {(60, 5, 60)}
    # It may lie on both sides of the equator and of the zero meridian: each point says on which it is.
    across = {"coordinates": [[-0.001, -0.001], [0.001, -0.001], [0.001, 0.001]], "width_m": 59.6}
    world.change(fence.id, geometry=across, terminal=TerminalRules())
    world.rest()
    (route,) = world.devices[1].kept["route"].values()
    assert [(p.attributes, p.width_m, p.speed_kmh) for p in route.points] == [
        (12, 60, None),
        (4, 60, None),
        (0, 60, None),
    ]
    kept: dict[int, Any] = world.devices[1].kept["route"]
    for points, differences in ((route.points, ()), (route.points[:2], ("points",))):
        kept[fence.id] = msgspec.structs.replace(route, points=points)
        world.say("area.compare.requested", fence.id)
        world.rest()
        assert world.row(fence.id, 1).differences == differences
    world.remove(fence.id)
    world.rest()
    assert world.devices[1].heard == [0x8606, 0x8606, 0x8608, 0x8608, 0x8607]
    for width_m, points, code in (
        (255.5, 2, "terminal_width"),
        (60, limits.AREA_ROUTE_POINTS_MAX + 1, "terminal_corners"),
    ):
        line = [[121 + k / 1e4, 31.0] for k in range(points)]
        with pytest.raises(GeofenceFaultError) as refused:
            world.change(world.draw("route").id, geometry={"coordinates": line, "width_m": width_m})
        assert refused.value.code == code


def test_a_fence_of_another_shape_is_withdrawn_before_it_is_told_as_another_kind(world: World) -> None:
    fence = world.draw("circle", applies="vehicles", vehicles=(2,))
    world.rest()
    ring = [[121.0, 31.0], [121.01, 31.0], [121.02, 31.02], [121.0, 31.0]]
    world.change(fence.id, kind="polygon", geometry={"coordinates": [ring]})
    world.rest()
    assert world.devices[2].heard == [0x8600, 0x8601, 0x8604]
    assert world.devices[2].ids == {"polygon": {fence.id}}


def test_what_a_terminal_is_not_told_of_does_not_tell_it_again(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    world.rest()
    world.change(fence.id, colour="#ff0000")
    world.rest()
    assert world.asked() == ["0x8600"]


def test_changes_while_a_command_is_on_its_way_collapse_into_the_newest(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    world.work()
    for speed in (30, 40, 50):
        world.change(fence.id, terminal=TerminalRules(speed_kmh=speed))
        world.work()
    world.rest()
    assert world.asked() == ["0x8600", "0x8600"]
    assert world.devices[1].kept["circle"][fence.id].speed_kmh == 50


def test_a_terminal_that_is_away_is_told_when_it_comes(world: World) -> None:
    world.go(1)
    fence = world.draw()
    world.rest()
    assert world.states(fence.id) == {1: "wanted", 2: "told", 3: "told"}
    world.come(1)
    world.rest()
    assert world.states(fence.id)[1] == "told"


def test_a_paused_fence_is_withdrawn_and_one_in_force_again_told(world: World) -> None:
    fence = world.draw()
    world.rest()
    world.change(fence.id, active=False)
    world.rest()
    assert world.states(fence.id) == dict.fromkeys((1, 2, 3), "withdrawn")
    assert all(device.ids == {} for device in world.devices.values())
    world.change(fence.id, active=True)
    world.rest()
    assert world.states(fence.id) == dict.fromkeys((1, 2, 3), "told")


def test_a_terminal_that_speaks_for_another_car_keeps_what_is_for_that_one(world: World) -> None:
    first, second = (world.draw(applies="vehicles", vehicles=(car,)) for car in (1, 2))
    world.rest()
    world.bind(1, 2)
    world.rest()
    assert world.devices[1].ids == {"circle": {second.id}}
    assert world.states(first.id)[1] == "withdrawn"


def test_a_refusal_stays_until_somebody_tries_again_or_changes_the_fence(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1, 2))
    world.work()
    for command in world.open():
        world.decide(command, "command.failed", why="refused", result=3, reason="unsupported")
    world.rest()
    assert world.states(fence.id) == {1: "refused", 2: "refused"}
    assert world.row(fence.id, 1).reason == "unsupported"
    world.say("area.retry.requested", fence.id, 1)
    world.rest()
    assert world.states(fence.id) == {1: "told", 2: "refused"}
    world.change(fence.id, name="别名")
    world.rest()
    assert world.states(fence.id) == {1: "told", 2: "told"}


def test_a_terminal_that_forgot_what_it_is_to_modify_takes_it_as_new(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    world.rest()
    world.devices[1].kept.clear()
    world.change(fence.id, name="别名")
    world.rest()
    assert world.states(fence.id) == {1: "told"}
    assert world.devices[1].ids == {"circle": {fence.id}}


def test_a_terminal_that_does_not_answer_is_asked_at_growing_intervals_then_unknown_until_it_comes(
    world: World,
) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    for attempt in range(limits.AREA_ATTEMPTS_MAX):
        world.work()
        (command,) = world.open()
        world.decide(command, "command.unknown", why="no_answer", reason="no answer came")
        world.work()
        assert world.open() == []
        world.now_ms += round(limits.AREA_PAUSE_S * 1000) * 2**attempt
    world.work()
    assert (world.states(fence.id), world.open()) == ({1: "unknown"}, [])
    world.come(1)
    world.rest()
    assert world.states(fence.id) == {1: "told"}


def test_what_a_terminal_may_hold_is_taken_off_though_it_never_confirmed_it(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    world.work()
    (command,) = world.open()
    world.devices[1].hear(0x8600, command.payload.fields)
    world.decide(command, "command.unknown", why="no_answer")
    world.remove(fence.id)
    world.work()
    world.now_ms += round(limits.AREA_PAUSE_S * 1000)
    world.rest()
    assert world.devices[1].ids == {}


def test_a_command_whose_end_was_lost_is_asked_for_again(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    world.work()
    world.now_ms += round(limits.AREA_COMMAND_LOST_S * 1000) + 1
    world.work()
    world.now_ms += round(limits.AREA_PAUSE_S * 1000)
    world.work()
    assert len(world.asked()) == 2
    world.rest()
    assert world.states(fence.id) == {1: "told"}


def test_a_command_has_its_time_to_arrive_and_the_next_is_asked_for_only_after_it(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    world.work()
    (command,) = world.open()
    assert command.payload.expires_ms - world.now_ms == limits.AREA_COMMAND_EXPIRES_S * 1000
    world.now_ms = command.payload.expires_ms
    world.work()
    assert world.open() == [command], "it keeps its place until its end is told"
    world.now_ms += 1
    world.decide(command, "command.expired")
    world.go(1)
    world.work()
    world.now_ms += round(limits.AREA_PAUSE_S * 1000)
    world.work()
    assert (world.open(), world.states(fence.id)) == ([], {1: "wanted"}), "it waits for the terminal to come"
    world.come(1)
    world.rest()
    assert world.states(fence.id) == {1: "told"}


def test_of_more_areas_than_a_terminal_holds_the_oldest_are_told(log: EventLog) -> None:
    world = World(log, 1, areas_max=2)
    world.come(1)
    drawn = [world.draw(lon=121 + 0.1 * k) for k in range(3)]
    other = world.draw("polygon")
    world.rest()
    assert [world.states(fence.id)[1] for fence in drawn] == ["told", "told", "refused"]
    assert world.row(drawn[2].id, 1).reason == "full"
    assert world.states(other.id)[1] == "told"
    world.remove(drawn[0].id)
    world.rest()
    assert world.devices[1].ids == {"circle": {drawn[1].id, drawn[2].id}, "polygon": {other.id}}


def test_one_more_command_than_may_be_on_their_way_waits(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.areas.AREA_COMMANDS_MAX", 2)
    world = World(log, 3)
    for terminal in world.devices:
        world.come(terminal)
    fence = world.draw()
    world.work()
    assert world.states(fence.id) == {1: "queued", 2: "queued", 3: "wanted"}
    world.deliver(world.open()[0])
    world.work()
    assert world.states(fence.id) == {1: "told", 2: "queued", 3: "queued"}


def test_a_fence_for_more_terminals_than_one_transaction_takes_is_told_to_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.areas.AREA_TERMINALS_AT_ONCE", 2)
    fence = world.draw()
    world.rest()
    assert world.states(fence.id) == dict.fromkeys((1, 2, 3), "told")


# --- comparing --------------------------------------------------------------------------------------------------------


def test_comparing_says_what_is_different_missing_and_not_ours(world: World) -> None:
    same, other, gone = (world.draw(lon=121 + 0.1 * k, applies="vehicles", vehicles=(1,)) for k in range(3))
    by_day = TerminalRules(daily_from="08:00", daily_to="18:30")
    polygon = world.draw("polygon", applies="vehicles", vehicles=(1,), terminal=by_day)
    world.rest()
    kept: dict[int, Any] = world.devices[1].kept["circle"]
    kept[99] = msgspec.structs.replace(kept[same.id], id=99)
    kept[other.id] = msgspec.structs.replace(kept[other.id], radius_m=7, attributes=0)
    del kept[gone.id]
    for fence in (same, other, gone, polygon):
        world.say("area.compare.requested", fence.id)
    world.rest()
    # One question a kind.
    assert world.asked()[4:] == ["0x8608", "0x8608"]
    assert [world.states(fence.id)[1] for fence in (same, other, gone, polygon)] == [
        "told",
        "differs",
        "differs",
        "told",
    ]
    assert world.row(other.id, 1).differences == ("attributes", "radius_m")
    assert world.row(gone.id, 1).differences == ("missing",)
    assert world.row(same.id, 1).others == (99,)
    assert world.row(polygon.id, 1).others == ()
    assert all(row.compared_ms == world.now_ms and not row.comparing for row in world.rows(1))
    world.say("area.retry.requested", other.id)
    world.say("area.retry.requested", gone.id)
    world.rest()
    assert world.devices[1].ids == {"circle": {same.id, other.id, gone.id, 99}, "polygon": {polygon.id}}


@pytest.mark.parametrize("version", [2011, 2013])
def test_a_terminal_of_an_older_edition_cannot_say_what_it_keeps(log: EventLog, version: int) -> None:
    world = World(log, 1, version=version)
    world.come(1)
    fence = world.draw(terminal=TerminalRules(speed_kmh=60, night_speed_kmh=40))
    world.rest()
    (area,) = world.devices[1].kept["circle"].values()
    assert (area.name, area.night_speed_kmh) != (None, None)
    world.say("area.compare.requested", fence.id)
    world.rest()
    assert world.asked() == ["0x8600"]
    assert (world.states(fence.id), world.row(fence.id, 1).differences) == ({1: "told"}, ("edition",))


def test_a_comparison_without_an_answer_says_so_and_changes_nothing(world: World) -> None:
    fence = world.draw(applies="vehicles", vehicles=(1,))
    world.rest()
    world.say("area.compare.requested", fence.id)
    world.work()
    (command,) = world.open()
    world.decide(command, "command.expired")
    world.work()
    assert (world.states(fence.id), world.row(fence.id, 1).differences) == ({1: "told"}, ("unanswered",))


def test_areas_whose_answer_would_be_too_long_are_asked_for_one_by_one(world: World) -> None:
    ring = [[121 + 0.001 * k, 31.0] for k in range(100)] + [[121.05, 31.05], [121.0, 31.0]]
    shape: dict[str, Any] = {"applies": "vehicles", "vehicles": (1,), "kind": "polygon"}
    drawn = [world.draw("polygon", applies="vehicles", vehicles=(1,)) for _ in range(3)]
    for fence in drawn:
        world.change(fence.id, geometry={"coordinates": [ring]}, **shape)
    world.rest()
    for fence in drawn:
        world.say("area.compare.requested", fence.id)
    world.rest()
    asked = [e.payload.fields["ids"] for e in world.log.read(0, 1_000, "command.req") if e.payload.message == "0x8608"]
    assert asked == [[fence.id] for fence in drawn]
    assert [row.differences for row in world.rows(1)] == [(), (), ()]
    # Longer than the log takes all the same: nothing can be said.
    world.say("area.compare.requested", drawn[0].id)
    world.work()
    world.decide(world.open()[0], "command.effective")
    world.work()
    assert (world.row(drawn[0].id, 1).state, world.row(drawn[0].id, 1).differences) == ("told", ("long",))


# --- who may, and what no terminal can keep ---------------------------------------------------------------------------


def test_only_who_may_send_commands_changes_what_is_kept_on_terminals(world: World) -> None:
    drawer = Principal(account=5, role="operator", rights=ROLES["operator"] - {"commands.send"})
    fences = world.registry.geofences
    fence = world.draw()
    off = world.draw(on_terminals=False)
    for change in (
        lambda: fences.save(msgspec.structs.replace(fence, terminal=TerminalRules(speed_kmh=9)), drawer),
        lambda: fences.save(msgspec.structs.replace(fence, applies="vehicles", vehicles=(1,)), drawer),
        lambda: fences.save(msgspec.structs.replace(off, on_terminals=True), drawer),
        lambda: fences.save(msgspec.structs.replace(fence, id=0, revision=0), drawer),
        lambda: fences.remove(fence.id, fence.revision, drawer),
    ):
        with pytest.raises(GeofenceFaultError) as refused:
            change()
        assert refused.value.code == "terminal_right"
    assert fences.save(msgspec.structs.replace(fence, colour="#ff0000"), drawer).colour == "#ff0000"
    with pytest.raises(GeofenceChangedError):
        fences.remove(fence.id, fence.revision)


HOLE = [[121.004, 31.002], [121.006, 31.002], [121.006, 31.004], [121.004, 31.002]]
RING = [[121.0, 31.0], [121.01, 31.0], [121.01, 31.01], [121.0, 31.0]]


@pytest.mark.parametrize(
    ("code", "values"),
    [
        ("terminal_holes", {"kind": "polygon", "geometry": {"coordinates": [RING, HOLE]}}),
        ("terminal_sides", {"kind": "polygon", "geometry": {"coordinates": [[[1, 1], [2, 1], [1, -1], [1, 1]]]}}),
        ("terminal_hours", {"terminal": TerminalRules(daily_from="08:00")}),
        ("terminal_hours", {"terminal": TerminalRules(from_ms=1_760_000_000_000, to_ms=1_760_000_000_000)}),
        ("terminal_speed", {"terminal": TerminalRules(night_speed_kmh=40)}),
        ("terminal_unreadable", {"terminal": TerminalRules(speed_kmh=301)}),
    ],
)
def test_what_no_terminal_can_keep_is_refused_on_the_fence(world: World, code: str, values: dict[str, Any]) -> None:
    fence = world.draw()
    with pytest.raises(GeofenceFaultError) as refused:
        world.registry.geofences.save(msgspec.structs.replace(fence, **values))
    assert refused.value.code == code
    # Also where the change does not say that it is on terminals: it is.
    if code in ("terminal_holes", "terminal_sides"):
        with pytest.raises(GeofenceFaultError):
            world.registry.geofences.save(msgspec.structs.replace(fence, on_terminals=None, **values))


def test_one_more_corner_than_terminals_are_told_is_refused(world: World) -> None:
    ring = [[121 + 0.01 * k / limits.AREA_CORNERS_MAX, 31.0] for k in range(limits.AREA_CORNERS_MAX)]
    ring += [[121.0, 31.01], ring[0]]
    with pytest.raises(GeofenceFaultError) as refused:
        world.change(world.draw().id, kind="polygon", geometry={"coordinates": [ring]})
    assert refused.value.code == "terminal_corners"


def test_one_more_fence_on_terminals_than_a_group_may_have_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "AREAS_PER_GROUP_MAX", 1)
    fence = world.draw()
    with pytest.raises(GeofenceFaultError) as refused:
        world.draw()
    assert refused.value.code == "terminals_many"
    world.change(fence.id, name="x")


# --- in any order -----------------------------------------------------------------------------------------------------

_NUMBERS = itertools.count()
TERMINALS = (1, 2, 3)


class AnyOrder(RuleBasedStateMachine):
    """People, cars and terminals do what they like; commands get lost, refused and repeated; the actor restarts."""

    template: Path
    directory: Path

    @initialize()
    def begin(self) -> None:
        self.log = EventLog(Database(copy_of(self.template, self.directory, next(_NUMBERS))))
        self.world = World(self.log, len(TERMINALS), areas_max=2)
        self.fences: list[int] = []
        self.confirmed: dict[tuple[int, int], tuple[str, int]] = {}

    @precondition(lambda self: len(self.fences) < 5)
    @rule(kind=st.sampled_from(["circle", "rectangle", "polygon", "route"]), cars=st.sets(st.sampled_from(TERMINALS)))
    def draw(self, kind: str, cars: set[int]) -> None:
        chosen: dict[str, Any] = {"applies": "vehicles", "vehicles": tuple(cars)} if cars else {}
        self.fences.append(self.world.draw(kind, **chosen).id)

    @precondition(lambda self: self.fences)
    @rule(data=st.data(), speed=st.integers(1, 300), on=st.booleans())
    def change(self, data: st.DataObject, speed: int, on: bool) -> None:
        number = data.draw(st.sampled_from(self.fences))
        self.world.change(number, terminal=TerminalRules(speed_kmh=speed), on_terminals=on)

    @precondition(lambda self: self.fences)
    @rule(data=st.data(), cars=st.sets(st.sampled_from(TERMINALS)), active=st.booleans())
    def assign(self, data: st.DataObject, cars: set[int], active: bool) -> None:
        number = data.draw(st.sampled_from(self.fences))
        self.world.change(number, applies="vehicles", vehicles=tuple(cars), active=active)

    @precondition(lambda self: self.fences)
    @rule(data=st.data(), circle=st.booleans())
    def reshape(self, data: st.DataObject, circle: bool) -> None:
        number = data.draw(st.sampled_from(self.fences))
        geometry: dict[str, Any] = {"centre": [121.0, 31.0], "radius_m": 50.0} if circle else {"coordinates": [RING]}
        self.world.change(number, kind="circle" if circle else "polygon", geometry=geometry)

    @precondition(lambda self: self.fences)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        self.world.remove(self.fences.pop(data.draw(st.integers(0, len(self.fences) - 1))))

    @rule(terminal=st.sampled_from(TERMINALS), there=st.booleans())
    def come_or_go(self, terminal: int, there: bool) -> None:
        (self.world.come if there else self.world.go)(terminal)

    @rule(terminal=st.sampled_from((2, 3)))
    def bind(self, terminal: int) -> None:
        self.world.bind(terminal, 1)

    @rule(restart=st.booleans(), later_s=st.sampled_from([0, 40, 1_000]))
    def step(self, restart: bool, later_s: int) -> None:
        self.world.now_ms += later_s * 1000
        if restart:
            self.world.restarted()
            # Killed between the transactions of a step: what was counted out stands, the position does not.
            with self.log.transaction() as transaction:
                self.world.areas._wish(transaction.connection, TERMINALS)
        self.world.areas.step()
        self.check_told_once()

    @precondition(lambda self: self.world.open())
    @rule(data=st.data(), how=st.sampled_from(["answer", "answer", "lose", "expire", "refuse"]))
    def machinery(self, data: st.DataObject, how: str) -> None:
        command = data.draw(st.sampled_from(self.world.open()))
        match how:
            case "answer":
                self.world.deliver(command)
            case "lose":
                self.world.devices[command.payload.terminal].hear(
                    int(command.payload.message, 16), command.payload.fields
                )
                self.world.decide(command, "command.unknown", why="no_answer")
            case "expire":
                self.world.decide(command, "command.expired", reason="no terminal came")
            case "refuse":
                self.world.decide(command, "command.failed", why="refused", result=2, reason="message wrong")

    def check_told_once(self) -> None:
        """No revision is told again that a terminal has confirmed, and no terminal has two commands at once."""
        for row in self.world.rows():
            key = row.fence, row.terminal
            if row.doing == "tell":
                assert self.confirmed.get(key) != (row.asked_kind, row.asked_revision), row
            self.confirmed[key] = row.told_kind, row.told_revision
        busy = [event.payload.terminal for event in self.world.open()]
        assert len(busy) <= limits.AREA_COMMANDS_MAX
        in_the_air = [row.terminal for row in self.world.rows() if row.command]
        assert len(in_the_air) == len(set(in_the_air))

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        world.rest()
        # Nobody is lost for good: they come again, and a person tries again where one refused.
        for terminal in TERMINALS:
            world.come(terminal)
        for number in {row.fence for row in world.rows()}:
            world.say("area.retry.requested", number)
        for _ in range(limits.AREA_ATTEMPTS_MAX + 1):
            world.rest()
            world.now_ms += 1_000_000
        for terminal, device in world.devices.items():
            assert device.ids == world.wanted(terminal), (terminal, world.rows(terminal))
            for row in world.rows(terminal):
                kept = device.kept[row.kind].get(row.fence) if row.kind else None
                assert row.state in (("told",) if kept else ("withdrawn", "refused")), row
                if kept:
                    rules = world.registry.geofences.one(NODE, row.fence).terminal
                    assert rules is not None
                    # A route has its limit at each of its points.
                    assert getattr(kept, "points", (kept,))[0].speed_kmh == rules.speed_kmh
        ended = [e for e in self.log.read(0, 10_000, "command.") if isinstance(e.payload, CommandProgress)]
        asked = [e for e in self.log.read(0, 10_000, "command.") if isinstance(e.payload, CommandRequested)]
        assert len(ended) == len(asked)
        assert {event.type for event in ended} <= ENDS | {"command.unknown", "command.expired", "command.failed"}
        self.log.database.close()


def test_in_any_order_every_terminal_keeps_at_rest_exactly_what_it_is_to_keep(template: Path) -> None:
    # A database a run: in memory where there is such a place, for each commit is synced.
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as directory:
        AnyOrder.template, AnyOrder.directory = template, Path(directory)
        bounds = settings(
            max_examples=12, stateful_step_count=24, deadline=None, suppress_health_check=list(HealthCheck)
        )
        run_state_machine_as_test(AnyOrder, settings=bounds)
