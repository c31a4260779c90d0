"""A dealer group for tests of areas: cars, fences, and terminals that keep areas as a terminal does.

The terminals stand behind the log: `deliver` is what the commands' machinery does, with whatever answer a test wants.
"""

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import select

from actors.areas import ACTOR, DELETE, QUERY, SET, Areas
from core.events import AreasAsked, CommandProgress, CommandRequested, Event, SessionOpened, derive_id
from core.geofence import Geofence, TerminalRules
from core.rights import NODE
from protocols.jt808.control import AreasReply
from protocols.jt808.messages import MESSAGES
from protocols.jt808.plain import from_plain, to_plain
from storage.areas import AreaRow, of_terminals
from storage.eventlog import EventLog
from storage.registry import NewTerminal, Registry
from storage.tables.business import GEOFENCE
from storage.terminals import Terminals, VehicleChange

LISTS: Final = {"circle": "circles", "rectangle": "rectangles", "polygon": "polygons", "route": "routes"}


class Now(NamedTuple):
    version: int


class Device:
    """A terminal's memory of areas."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.kept: dict[str, dict[int, Any]] = defaultdict(dict)
        self.heard: list[int] = []

    def hear(self, message: int, fields: dict[str, object]) -> int:
        """Carry out a message and return the result of its answer: 0 ok, 1 failure, 3 unsupported."""
        self.heard.append(message)
        if self.version < MESSAGES[message].since:
            return 3
        body = from_plain(MESSAGES[message].body, fields, self.version)
        for kind, set_id in SET.items():
            if message == set_id:
                items = getattr(body, LISTS[kind], (body,))
                if getattr(body, "setting", 1) == 2 and any(item.id not in self.kept[kind] for item in items):
                    return 1
                self.kept[kind] |= {item.id: item for item in items}
            elif message == DELETE[kind]:
                if any(number not in self.kept[kind] for number in body.ids):
                    return 1
                for number in body.ids or tuple(self.kept[kind]):
                    del self.kept[kind][number]
        return 0

    def reply(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return what it holds of a kind, as 0x0608 in plain values."""
        kind = ("circle", "rectangle", "polygon", "route")[fields["kind"] - 1]
        ids = set(fields["ids"]) or self.kept[kind]
        more: dict[str, Any] = {LISTS[kind]: tuple(area for id, area in self.kept[kind].items() if id in ids)}
        return to_plain(AreasReply(kind=fields["kind"], **more))

    @property
    def ids(self) -> dict[str, set[int]]:
        return {kind: set(areas) for kind, areas in self.kept.items() if areas}


class World:
    """One log, `terminals` cars with a terminal each (ids from 1), and what people do to them."""

    def __init__(self, log: EventLog, terminals: int = 3, *, version: int = 2019, areas_max: int = 24) -> None:
        self.log = log
        self.registry = Registry(log)
        self.registry.register([NewTerminal(phone=f"1390000{n:04}") for n in range(1, terminals + 1)])
        self.people = Terminals(log)
        self.devices = {n: Device(version) for n in range(1, terminals + 1)}
        self.sessions: dict[int, Now] = {}
        self.now_ms = 1_760_000_000_000
        self.areas_max = areas_max
        self.areas = self.restarted()
        self.epoch = 0

    def restarted(self) -> Areas:
        self.areas = Areas(self.log, self.sessions, self.areas_max, lambda: self.now_ms)
        return self.areas

    # --- people ---

    def draw(self, kind: str = "circle", *, lon: float = 121.0, **values: Any) -> Geofence:
        ring = [[lon, 31.0], [lon + 0.01, 31.0], [lon + 0.01, 31.01], [lon, 31.01], [lon, 31.0]]
        if kind == "polygon":
            ring[2] = [lon + 0.02, 31.02]
        geometry: dict[str, Any] = {"coordinates": [ring]}
        if kind == "circle":
            geometry = {"centre": [lon, 31.0], "radius_m": 100.0}
        if kind == "route":
            geometry = {"coordinates": ring[:3], "width_m": 60.0}
        values = {"name": "院", "on_terminals": True, "terminal": TerminalRules()} | values
        shape: Any = {"circle": "circle", "route": "corridor"}.get(kind, "polygon")
        return self.registry.geofences.save(Geofence(kind=shape, geometry=geometry, **values))

    def change(self, number: int, **values: Any) -> Geofence:
        fence = self.registry.geofences.one(NODE, number)
        return self.registry.geofences.save(msgspec.structs.replace(fence, **values))

    def remove(self, number: int) -> None:
        self.registry.geofences.remove(number, self.registry.geofences.one(NODE, number).revision)

    def bind(self, terminal: int, vehicle: int) -> None:
        """Let a terminal speak for a car besides its own terminal."""
        self.people.change_vehicle(NODE, vehicle, VehicleChange(plate=f"沪A0000{vehicle}"))
        self.people.bind(NODE, terminal, vehicle_id=vehicle, role="camera")

    def say(self, kind: str, fence: int, terminal: int = 0) -> None:
        event = Event(
            id=derive_id("test", kind, 1, (), str(self.log.head())), type=kind, time_ms=self.now_ms,
            subject=f"geofence:{fence}", actor="account:1", payload=AreasAsked(fence_id=fence, terminal=terminal),
        )  # fmt: skip
        self.log.append([event])

    def come(self, terminal: int) -> None:
        self.sessions[terminal] = Now(self.devices[terminal].version)
        self.epoch += 1
        payload = SessionOpened(terminal=terminal, vehicle_id=terminal, link=1, epoch=self.epoch)
        event = Event(
            id=derive_id("test", "come", 1, (), str(self.epoch)), type="terminal.session.opened", time_ms=self.now_ms,
            subject=f"terminal:{terminal}", actor="vehicle", payload=payload,
        )  # fmt: skip
        self.log.append([event])

    def go(self, terminal: int) -> None:
        self.sessions.pop(terminal, None)

    # --- the machinery of commands ---

    def open(self) -> list[Event]:
        """Return the commands that nobody has decided on, in order."""
        events = self.log.read(0, 10_000, "command.")
        decided = {event.payload.command for event in events if isinstance(event.payload, CommandProgress)}
        return [e for e in events if isinstance(e.payload, CommandRequested) and e.id not in decided]

    def decide(self, command: Event, type_: str, **more: Any) -> None:
        payload = CommandProgress(command=command.id, vehicle_id=command.payload.vehicle_id, **more)
        event = Event(
            id=derive_id("test", "decide", 1, (command.id,), ""), type=type_, time_ms=self.now_ms,
            subject=command.subject, actor="vehicle", answers=command.id, payload=payload,
        )  # fmt: skip
        self.log.append([event])

    def deliver(self, command: Event) -> None:
        """Bring a command to its terminal and its answer back."""
        order = command.payload
        device = self.devices[order.terminal]
        result = device.hear(int(order.message, 16), order.fields)
        if result:
            self.decide(command, "command.failed", why="refused", result=result, reason="failure")
        elif int(order.message, 16) == QUERY:
            self.decide(command, "command.effective", reply=device.reply(order.fields))
        else:
            self.decide(command, "command.acked")

    # --- what is looked at ---

    def work(self) -> None:
        """Run the actor until it has nothing more to do."""
        while self.areas.step():
            pass

    def rest(self) -> None:
        """Deliver and work until nothing is on its way."""
        self.work()
        while commands := self.open():
            for command in commands:
                self.deliver(command)
            self.work()

    def row(self, fence: int, terminal: int) -> AreaRow:
        return next(row for row in self.rows(terminal) if row.fence == fence)

    def rows(self, *terminals: int) -> list[AreaRow]:
        with self.log.database.read() as connection:
            return of_terminals(connection, terminals or tuple(self.devices))

    def states(self, fence: int) -> dict[int, str]:
        return {row.terminal: row.state for row in self.rows() if row.fence == fence}

    def asked(self) -> list[str]:
        """Return the messages that were asked for, in order."""
        events = self.log.read(0, 10_000, "command.requested")
        return [event.payload.message for event in events if event.actor == ACTOR]

    def wanted(self, terminal: int) -> dict[str, set[int]]:
        """Say by the fences themselves what a terminal is to keep: the slow oracle."""
        with self.log.database.read() as connection:
            drawn = connection.execute(select(GEOFENCE).where(GEOFENCE.c.removed_ms == 0)).fetchall()
        vehicle = next(row.vehicle_id for row in self.registry.load([terminal]))
        kept: dict[str, set[int]] = defaultdict(set)
        for row in drawn:
            fence = self.registry.geofences.one(NODE, row.id)
            mine = fence.applies == "all" or vehicle in (fence.vehicles or ())
            if fence.on_terminals and fence.active and mine and len(kept[fence.area_kind]) < self.areas_max:
                kept[fence.area_kind].add(fence.id)
        return {kind: ids for kind, ids in kept.items() if ids}


def copy_of(template: Path, directory: Path, number: int) -> str:
    """Return the DSN of a copy of a migrated database: migrating takes longer than a test."""
    path = directory / f"{number}.db"
    shutil.copy(template, path)
    return f"sqlite:///{path}"
