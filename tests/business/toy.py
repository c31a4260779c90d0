"""Toy actors: what the spine itself promises is tested on rules that are as small as rules can be."""

from typing import Any

import msgspec

from core.business import BusinessActor, Kept, Refused, Rule, State
from core.events import CommandProgress, CommandRequested, Event, OdometerAdvanced, TripClosed, derive_id
from core.events.spine import KeyRelease, TimerDue


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    vehicle_id: int
    group_id: int
    store_id: int
    trips: int
    distance_m: int
    named: bool | None = None
    trip_ids: tuple[str, ...] = ()


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    intent: str
    vehicle_id: int


TABLES = (
    """CREATE TABLE tally (vehicle_id INTEGER PRIMARY KEY, group_id INTEGER, store_id INTEGER, trips INTEGER,
    distance_m INTEGER, named BOOLEAN, trip_ids TEXT)""",
    "CREATE TABLE asked (intent TEXT PRIMARY KEY, vehicle_id INTEGER)",
)
BROKEN = {"rule": False}
"""Whether the rule `count` fails at trips of 13 m."""


def blank(payload: type, **fields: Any) -> Any:
    """Return a payload whose fields not given are empty."""
    empty = {int: 0, str: "", bool: False, float: 0.0}
    given = {f.name: empty[f.type] for f in msgspec.structs.fields(payload) if f.required and f.type in empty}
    return payload(**{**given, **fields})


def count(event: Event, state: State) -> None:
    trip: TripClosed = event.payload
    before = state.get(Tally, trip.vehicle_id) or Tally(
        vehicle_id=trip.vehicle_id, group_id=event.group, store_id=event.store, trips=0, distance_m=0
    )
    after = msgspec.structs.replace(
        before,
        trips=before.trips + 1,
        distance_m=before.distance_m + trip.distance_m,
        named=True,
        trip_ids=(*before.trip_ids, trip.trip_id)[-3:],
    )
    state.put(after)
    if BROKEN["rule"] and trip.distance_m == 13:
        raise ValueError("13 m")
    state.emit("odometer.advanced", blank(OdometerAdvanced, vehicle_id=trip.vehicle_id, odometer_m=after.distance_m))


def count_double(event: Event, state: State) -> None:
    trip: TripClosed = event.payload
    count(msgspec.structs.replace(event, payload=msgspec.structs.replace(trip, distance_m=2 * trip.distance_m)), state)


def answer(event: Event, state: State) -> None:
    asked: CommandRequested = event.payload
    if asked.message == "refuse":
        state.put(Asked(intent=event.id, vehicle_id=-1))
        raise Refused("not_so", "no")
    if asked.message == "forget":
        return
    if asked.message == "later":
        state.put(Asked(intent=event.id, vehicle_id=asked.vehicle_id))
        state.defer(event.time_ms + 60_000)
        return
    state.decide("command.queued", blank(CommandProgress, command=event.id, vehicle_id=asked.vehicle_id))


def answer_late(event: Event, state: State) -> None:
    due: TimerDue = event.payload
    assert due.name == "decision"
    for asked in state.find(Asked, vehicle_id=int(event.key.partition(":")[2])):
        state.drop(Asked, asked.intent)
        payload = blank(CommandProgress, command=asked.intent, vehicle_id=asked.vehicle_id)
        state.decide("command.expired", payload, answers=asked.intent)


def echo(event: Event, state: State) -> None:
    moved: OdometerAdvanced = event.payload
    if moved.odometer_m >= 1_000_000:
        asked = CommandRequested(vehicle_id=moved.vehicle_id, message="0x8300")
        state.emit("command.requested", asked)


TALLY = BusinessActor(
    name="tally",
    kept=(Kept(Tally, "tally", ("vehicle_id",)),),
    rules=(
        Rule(
            "count",
            ("trip.closed",),
            {1: count, 2: count_double},
            reads=lambda event: [(Tally, (event.payload.vehicle_id,))],
        ),
    ),
    emits=("odometer.advanced",),
)
ANSWERS = BusinessActor(
    name="answers",
    kept=(Kept(Asked, "asked", ("intent",)),),
    rules=(Rule("answer", ("command.requested",), answer), Rule("late", ("timer.due",), answer_late)),
    decides=("command.requested",),
    emits=("command.queued", "command.expired"),
)
ECHO = BusinessActor(
    name="echo", kept=(), rules=(Rule("echo", ("odometer.advanced",), echo),), emits=("command.requested",)
)
ACTORS = (TALLY, ECHO, ANSWERS)


def trip(number: int, vehicle: int = 1, distance_m: int = 1000, **fields: Any) -> Event:
    return Event(
        id=derive_id("detection", "trip", 1, (str(number),), ""),
        type="trip.closed",
        time_ms=1_760_000_000_000 + number,
        subject=f"vehicle:{vehicle}",
        actor="detection",
        payload=blank(TripClosed, vehicle_id=vehicle, trip_id=f"t{number}", distance_m=distance_m),
        **fields,
    )


def ask(number: int, message: str = "0x8201", vehicle: int = 1, **fields: Any) -> Event:
    return Event(
        id=derive_id("api", "command", 1, (str(number),), ""),
        type="command.requested",
        time_ms=1_760_000_000_000 + number,
        subject=f"vehicle:{vehicle}",
        actor="account:1",
        payload=CommandRequested(vehicle_id=vehicle, message=message),
        **fields,
    )


def release(number: int, actor: str, key: str, *, skip: bool = False) -> Event:
    return Event(
        id=derive_id("api", "release", 1, (str(number),), ""),
        type="ops.release.requested",
        time_ms=1_760_000_000_000 + number,
        subject=f"actor:{actor}",
        actor="account:1",
        payload=KeyRelease(actor=actor, key=key, skip=skip),
    )
