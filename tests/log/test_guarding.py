"""Cars are armed, suspected and settled; terminals come, fall silent and go: what stands in the rows and in the log."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import storage
from actors.guarding import Guarding
from actors.presence import GRACE_MS, SILENT_MS_MIN, Presences
from core.arming import Schedule
from core.events import Event, SessionClosed, SessionOpened, TheftCleared, TheftSuspected, derive_id
from core.rights import NODE, ROLES, Principal, Scope
from storage.database import Database
from storage.eventlog import EventLog
from storage.guard import GuardFaultError, Guards, GuardUnknownError
from storage.registry import NewTerminal, Registry

NOON = 1_760_000_000_000
"""08:53 UTC, 16:53 in Shanghai."""
OPERATOR = Principal(account=7, role="operator", rights=ROLES["operator"], scope=Scope(stores=(0,)))
STRANGER = Principal(account=8, role="operator", rights=ROLES["operator"], scope=Scope(stores=(2,)))
PLACE = (312_000_000, 1_214_000_000)


class Clock:
    """Time as the tests say it."""

    def __init__(self) -> None:
        self.ms = NOON

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    dsn = f"sqlite:///{tmp_path / 'carillon.db'}"
    storage.migrate(dsn)
    opened = EventLog(Database(dsn))
    Registry(opened).register([NewTerminal(phone=str(number)) for number in (13800000001, 13800000002)])
    yield opened
    opened.database.close()


def theft(number: int, type_: str = "theft.suspected", stage: int = 1) -> Event:
    payload: Any = TheftCleared(vehicle_id=1, reason="returned", first_report_id="1")
    if type_ == "theft.suspected":
        payload = TheftSuspected(
            vehicle_id=1, terminal=1, report_id=str(number), first_report_id="1", kind="door", kinds=("door",),
            stage=stage, confidence=0.7, armed=True, lat_1e7=1, lon_1e7=2,
        )  # fmt: skip
    return Event(
        id=derive_id("test", type_, 1, (str(number),), ""), type=type_, time_ms=NOON + number, subject="vehicle:1",
        actor="detection", purpose="theft", payload=payload,
    )  # fmt: skip


def said(log: EventLog, prefix: str) -> list[tuple[str, str]]:
    return [(event.type, getattr(event.payload, "reason", "")) for event in log.read(0, type_prefix=prefix)]


# --- arming -----------------------------------------------------------------------------------------------------------


def test_a_car_is_armed_and_disarmed_and_both_are_in_the_log(log: EventLog) -> None:
    guards = Guards(log, Clock())
    view = guards.arm(OPERATOR, 1, place=PLACE, radius_m=200)
    assert (view.armed, view.armed_ms, view.lat_1e7, view.radius_m, view.changed_by) == (
        True, NOON, PLACE[0], 200, "account:7",
    )  # fmt: skip
    (guard,) = guards.load()
    assert (guard.vehicle, guard.armed_ms, (guard.lat_1e7, guard.lon_1e7)) == (1, NOON, PLACE)
    assert not guards.disarm(OPERATOR, 1).armed
    assert guards.load()[0].settled_ms == NOON
    events = log.read(0, type_prefix="vehicle.")
    assert [event.type for event in events] == ["vehicle.armed", "vehicle.disarmed"]
    assert events[0].payload.radius_m == 200
    assert {(event.subject, event.purpose, event.actor) for event in events} == {("vehicle:1", "theft", "account:7")}


def test_a_schedule_rests_for_the_night_in_which_the_car_is_disarmed(log: EventLog) -> None:
    clock = Clock()
    guards = Guards(log, clock)
    assert not guards.arm(OPERATOR, 1, by_hand=False, schedule=Schedule()).armed
    clock.ms = NOON + 7 * 3_600_000
    assert guards.one(OPERATOR, 1).armed
    view = guards.disarm(OPERATOR, 1)
    assert not view.armed
    assert view.schedule == Schedule()
    # Until six in the morning, and armed again the night after.
    assert view.suspended_ms == NOON + (13 * 60 + 7) * 60_000 - NOON % 60_000
    clock.ms += 24 * 3_600_000
    assert guards.one(OPERATOR, 1).armed
    assert guards.disarm(OPERATOR, 1, keep_schedule=False).schedule is None


def test_what_cannot_be_is_not_written(log: EventLog) -> None:
    guards = Guards(log, Clock())
    for code, more in (
        ("radius", {"radius_m": 49}),
        ("radius", {"radius_m": 5_001}),
        ("schedule", {"schedule": Schedule(days=0)}),
    ):
        with pytest.raises(GuardFaultError, match=code):
            guards.arm(OPERATOR, 1, **more)  # type: ignore[arg-type]
    for car in (0, 99, 2**31):
        with pytest.raises(GuardUnknownError):
            guards.arm(OPERATOR, car)
    for ask in (guards.one, guards.arm, guards.disarm):
        with pytest.raises(GuardUnknownError):
            ask(STRANGER, 1)
    with pytest.raises(GuardFaultError, match="none_open"):
        guards.settle(OPERATOR, 1, "owner")
    assert guards.load() == []
    assert guards.page(OPERATOR) == []
    assert log.read(0, type_prefix="vehicle.") == []


# --- suspicions -------------------------------------------------------------------------------------------------------


def test_a_suspicion_is_open_until_detection_ends_it(log: EventLog) -> None:
    guards, guarding = Guards(log, Clock()), Guarding(log)
    log.append([theft(1), theft(2, stage=2)])
    assert guarding.step() == 2
    assert guarding.step() == 0
    (view,) = guards.page(OPERATOR, "suspected")
    assert (view.theft_ms, view.theft.stage) == (NOON + 1, 2)
    assert guards.page(STRANGER) == []
    log.append([theft(3, "theft.cleared")])
    guarding.step()
    assert guards.page(OPERATOR, "suspected") == []
    assert guarding.statistics() == {"opened": 1, "closed": 1}


def test_a_person_settles_it_with_a_reason_or_by_disarming(log: EventLog) -> None:
    guards, guarding = Guards(log), Guarding(log)
    log.append([theft(1)])
    guarding.step()
    guards.settle(OPERATOR, 1, "owner")
    log.append([theft(2)])
    guarding.step()
    guards.disarm(OPERATOR, 1)
    guarding.step()
    assert said(log, "theft.cleared") == [("theft.cleared", "owner"), ("theft.cleared", "disarmed")]
    assert guards.page(NODE, "suspected") == []
    (first, second) = log.read(0, type_prefix="theft.cleared")
    assert first.cause == theft(1).id
    assert first.actor == "account:7"
    assert second.cause == theft(2).id


def test_what_was_disarmed_before_it_was_read_is_over(log: EventLog) -> None:
    guards, guarding = Guards(log), Guarding(log)
    log.append([theft(1)])
    guards.disarm(OPERATOR, 1)
    while guarding.step():
        pass
    assert guards.page(NODE, "suspected") == []
    assert said(log, "theft.cleared") == [("theft.cleared", "disarmed")]


# --- presence ---------------------------------------------------------------------------------------------------------


class Sessions:
    """Sessions of terminal 1 in the log, and when its reports came."""

    def __init__(self, log: EventLog) -> None:
        self.log, self.clock = log, Clock()
        self.heard_ms, self.usual_ms, self.epoch = 0, 30_000, 0
        self.presences = self.start()

    def start(self) -> Presences:
        self.presences = Presences(self.log, "node", lambda car, terminal: (self.heard_ms, self.usual_ms), self.clock)
        return self.presences

    def open(self) -> None:
        self.epoch += 1
        payload = SessionOpened(terminal=1, vehicle_id=1, link=1, epoch=self.epoch, node="node")
        self._say("terminal.session.opened", payload)

    def close(self) -> None:
        payload = SessionClosed(terminal=1, vehicle_id=1, link=1, epoch=self.epoch, reason="closed")
        self._say("terminal.session.closed", payload)

    def _say(self, kind: str, payload: Any) -> None:
        self.log.append(
            [Event(id=derive_id("test", kind, 1, (), str(self.epoch)), type=kind, time_ms=self.clock.ms,
                   subject="terminal:1", actor="vehicle", payload=payload)]
        )  # fmt: skip

    def after(self, seconds: float) -> list[str]:
        """Let time go on; return what was said since the last call, without `device.`."""
        before = self.log.head()
        self.clock.ms += round(1000 * seconds)
        while self.presences.step():
            pass
        return [event.type.removeprefix("device.") for event in self.log.read(before, type_prefix="device.")]


def test_a_terminal_is_online_at_its_first_session_and_offline_after_a_grace(log: EventLog) -> None:
    world = Sessions(log)
    world.open()
    assert world.after(1) == ["online"]
    world.close()
    assert world.after(GRACE_MS / 1000 - 1) == []
    assert world.after(2) == ["offline"]
    world.open()
    assert world.after(1) == ["online"]


def test_a_reconnect_is_no_event(log: EventLog) -> None:
    world = Sessions(log)
    world.open()
    world.after(1)
    for _ in range(5):
        world.close()
        assert world.after(60) == []
        world.open()
        assert world.after(1) == []
    # The close of an older session is not that of the newer one.
    world.open()
    world.epoch -= 1
    world.close()
    assert world.after(300) == []


@pytest.mark.parametrize("back_ms", [3_600_000, 86_400_000])
def test_where_our_clock_is_set_back_no_grace_grows_by_it(log: EventLog, back_ms: int) -> None:
    world = Sessions(log)
    world.open()
    world.after(1)
    world.close()
    assert world.after(10) == []
    world.clock.ms -= back_ms
    assert world.after(1) == []
    assert world.after(GRACE_MS / 1000 + 1) == ["offline"]
    # So it is with the silence of one that is logged in, heard last at a time that has yet to come.
    world.open()
    world.heard_ms = world.clock.ms
    assert world.after(1) == ["online"]
    world.clock.ms -= back_ms
    assert world.after(1) == []
    assert world.after(SILENT_MS_MIN / 1000 + 10) == ["silent"]


def test_sessions_of_a_killed_node_are_over_after_the_grace(log: EventLog) -> None:
    world = Sessions(log)
    world.open()
    world.after(1)
    world.start()
    assert world.after(GRACE_MS / 1000 + 1) == ["offline"]
    assert world.after(10_000) == []


def test_a_terminal_that_is_logged_in_and_reports_no_more_is_silent(log: EventLog) -> None:
    world = Sessions(log)
    world.open()
    world.heard_ms = world.clock.ms
    assert world.after(1) == ["online"]
    assert world.after(SILENT_MS_MIN / 1000 - 5) == []
    assert world.after(10) == ["silent"]
    assert world.after(100) == []
    # A restart says nothing twice, and what reports again is online again.
    world.start()
    world.open()
    assert world.after(10) == []
    world.heard_ms = world.clock.ms
    assert world.after(20) == ["online"]
    # Parked, it reports every half hour: that is how long ten of its intervals are.
    world.usual_ms = 1_800_000
    world.heard_ms = world.clock.ms
    assert world.after(17_000) == []
    assert world.after(2_000) == ["silent"]
