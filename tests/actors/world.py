"""What the conversation's tests stand on: a registry, a log and links in memory, and a terminal that makes frames."""

from collections.abc import Sequence
from typing import Any

import msgspec
import trio
import trio.testing

from actors.commands import CommandRoom, Fix
from actors.credentials import Credentials
from actors.fleet import Fleet
from actors.media import Keeper
from actors.reception import Reception
from actors.vehicle import Counts, Epochs, Story, Vehicle
from core.clock import TrioWallClock
from core.events import CommandApproval, CommandRequested, Event
from core.intake.links import KIND_ASSEMBLED, KIND_FRAME, KIND_LINK_CLOSED, Frame
from core.position import Position
from protocols.jt808.codec import Decoded, Header, decode, encode_frame
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import Authenticate, Register, Unknown
from protocols.report import phone_key
from protocols.seam import CLASS_FRAME, CLASS_LOGIN
from storage.errors import RegistryFullError
from storage.registry import NewTerminal, TerminalRow, VehicleRow

BOOT = 3
NODE = "n1"
KEY = bytes(range(32))


def link(number: int, boot: int = BOOT) -> int:
    return boot << 40 | number


def row(terminal: int, vehicle_id: int, phone: str, terminal_id: str, *, group: int = 1, store: int = 0) -> TerminalRow:
    return TerminalRow(
        terminal=terminal,
        phone=phone,
        terminal_id=terminal_id,
        maker="",
        model="",
        province=0,
        city=0,
        group=group,
        store=store,
        created_ms=0,
        revision=1,
        vehicle_id=vehicle_id,
        plate="",
        plate_colour=0,
        vin="",
    )


class MemoryRegistry:
    """The registry's promise, in memory: idempotent by phone, rows in order, all or nothing."""

    def __init__(self, room: int = 1 << 20) -> None:
        self.rows: dict[str, TerminalRow] = {}
        self.batches: list[int] = []
        self.room = room
        self.failures = 0

    def load(self, terminals: Sequence[int] | None = None) -> Sequence[TerminalRow]:
        return [row for row in self.rows.values() if terminals is None or row.terminal in terminals]

    def load_vehicles(self, vehicles: Sequence[int] | None = None) -> Sequence[VehicleRow]:
        rows = [VehicleRow(row.vehicle_id, row.group, row.store) for row in self.rows.values() if row.vehicle_id]
        return [row for row in rows if vehicles is None or row.vehicle_id in vehicles]

    def register(self, new: Sequence[NewTerminal]) -> Sequence[TerminalRow]:
        if self.failures:
            self.failures -= 1
            raise OSError("away")
        if len(self.rows) + sum(one.phone not in self.rows for one in new) > self.room:
            raise RegistryFullError
        self.batches.append(len(new))
        for one in new:
            known = self.rows.get(one.phone)
            if known is None:
                number = len(self.rows) + 1
                self.rows[one.phone] = row(number, number, one.phone, one.terminal_id)
            else:
                self.rows[one.phone] = msgspec.structs.replace(known, terminal_id=one.terminal_id)
        return [self.rows[one.phone] for one in new]


class MemoryLog:
    """A log that keeps each id once. While `durable` is not set, nobody gets an answer."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.durable = trio.Event()
        self.durable.set()
        self.waiting = 0

    async def append(self, events: Sequence[Event]) -> list[int]:
        self.waiting += 1
        await self.durable.wait()
        await trio.lowlevel.checkpoint()
        self.waiting -= 1
        known = {event.id for event in self.events}
        self.events += [event for event in events if event.id not in known]
        return [0] * len(events)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.type == kind]

    @property
    def types(self) -> list[str]:
        return [event.type for event in self.events]


class MemoryLinks:
    """Links that remember their calls in order, and can be full."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.full = 0

    def __getattr__(self, verb: str) -> Any:
        def call(*arguments: Any) -> bool:
            if self.full:
                self.full -= 1
                return False
            self.calls.append((verb, arguments))
            return True

        return call

    def take(self) -> list[tuple[str, tuple[Any, ...]]]:
        calls, self.calls = self.calls, []
        return calls

    def sent(self, number: int) -> list[Decoded]:
        """Return what went to a link, decoded: by send and by admit."""
        wires = [c[1][1] if c[0] == "send" else c[1][4] for c in self.calls if c[0] in ("send", "admit")]
        links = [c[1][0] for c in self.calls if c[0] in ("send", "admit")]
        return [decode(unwrap(wire)) for wire, one in zip(wires, links, strict=True) if one == number]


class Caller:
    """A terminal: makes the frames it would send, as the journal hands them up."""

    def __init__(self, world: "World", phone: str, terminal_id: str = "T000001", *, version: int = 2013) -> None:
        self.world = world
        self.phone = phone
        self.terminal_id = terminal_id
        self.version = version
        self.serial = 0

    def frame(
        self,
        body: msgspec.Struct,
        message: int,
        on: int,
        *,
        admitted: bool = True,
        kind: int = KIND_FRAME,
        frame_class: int = CLASS_FRAME,
    ) -> Frame:
        self.serial += 1
        record = self.world.fleet.terminal(phone_key(self.phone)) if admitted else None
        data = encode_frame(body, Header(message, self.phone, self.serial, self.version))
        return Frame(
            self.world.next_sequence(),
            self.world.clock(),
            on,
            record.terminal if record else 0,
            record.vehicle_id if record else 0,
            kind,
            frame_class,
            phone_key(self.phone),
            data,
        )

    def register(self, on: int, terminal_id: str | None = None) -> Frame:
        body = Register(44, 300, "CARIL", "X1", terminal_id or self.terminal_id, 1, "粤B12345")
        return self.frame(body, 0x0100, on, admitted=False, frame_class=CLASS_LOGIN)

    def authenticate(self, on: int, code: str | None = None) -> Frame:
        right = self.world.credentials.issue(self.phone, self.terminal_id)
        extra = {"imei": "0" * 15, "software": "1"} if self.version == 2019 else {}
        body = Authenticate(right if code is None else code, **extra)
        return self.frame(body, 0x0102, on, admitted=False, frame_class=CLASS_LOGIN)

    def raw(self, message: int, data: bytes, on: int, frame_class: int = CLASS_FRAME) -> Frame:
        return self.frame(Unknown(message, data), message, on, frame_class=frame_class)

    def assembled(self, frame: bytes, on: int) -> Frame:
        whole = self.frame(Unknown(0, b""), 0, on, kind=KIND_ASSEMBLED)
        return whole._replace(data=frame)


class World:
    """A fleet with its actors, run by hand or by tasks."""

    def __init__(self, policy: str = "open", keeper: Keeper | None = None) -> None:
        self.keeper = keeper
        self.clock = TrioWallClock()
        self.registry = MemoryRegistry()
        self.fleet = Fleet(self.registry, policy)  # type: ignore[arg-type]
        self.log = MemoryLog()
        self.links = MemoryLinks()
        self.credentials = Credentials(KEY)
        self.counts = Counts()
        self.position = Position()
        self.fix = Fix(0, 0, 0, 0)
        """Where every car stands, as its row of the vehicle table says."""
        self.boot(BOOT)
        self.sequence = 100

    def boot(self, number: int) -> None:
        """Begin anew, as after a restart: the registry, the log and the journal are still there."""
        self.epochs = Epochs(number)
        self.room = CommandRoom()
        self.vehicles: dict[int, Vehicle] = {}
        self.reception = Reception(
            self.fleet,
            self.links,  # type: ignore[arg-type]
            self.clock,
            node=NODE,
            boot=number,
            counts=self.counts,
            done=self.position.done,
            hand_over=self.put,
        )

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    def know(self, *rows: TerminalRow) -> None:
        self.registry.rows |= {one.phone: one for one in rows}
        self.fleet.learn(rows)

    def vehicle(self, vehicle_id: int) -> Vehicle:
        if vehicle_id not in self.vehicles:
            self.vehicles[vehicle_id] = Vehicle(
                vehicle_id,
                self.fleet,
                self.links,  # type: ignore[arg-type]
                self.log,  # type: ignore[arg-type]
                self.credentials,
                self.clock,
                NODE,
                epochs=self.epochs,
                counts=self.counts,
                done=self.position.done,
                keeper=self.keeper,
                last_fix=lambda _vehicle_id: self.fix,
                command_room=self.room,
                start=self.start,
            )
        return self.vehicles[vehicle_id]

    def start(self, vehicle: Vehicle) -> None:
        if self.nursery is not None:
            self.nursery.start_soon(vehicle.run)

    nursery: trio.Nursery | None = None

    def put(self, frame: Frame) -> bool:
        record = self.fleet.terminal(frame.phone)
        assert record is not None
        return self.vehicle(record.vehicle_id).put(frame)

    def route(self, frame: Frame) -> None:
        """Do what the gateway does with a frame."""
        if frame.kind == KIND_LINK_CLOSED:
            vehicles = self.fleet.occupancy.vehicles(frame.link)
            self.position.taken(frame.sequence, len(vehicles))
            for vehicle_id in vehicles:
                assert self.vehicle(vehicle_id).put(frame)
            self.fleet.occupancy.forget(frame.link)
            return
        self.position.taken(frame.sequence)
        if self.reception.wants(frame):
            assert self.reception.put(frame)
            return
        record = self.fleet.terminal(frame.phone)
        assert record is not None
        self.fleet.occupancy.heard(frame.link, record.vehicle_id)
        assert self.put(frame)

    def close(self, on: int, reason: str = "closed") -> Frame:
        return Frame(self.next_sequence(), self.clock(), on, 0, 0, KIND_LINK_CLOSED, -1, (0, 0), reason.encode())

    def stand(self, *, age_ms: int = 0, speed_kmh10: int = 0) -> None:
        """Let the cars stand, or drive, as a report said so long ago."""
        time_ms = self.clock() - age_ms
        self.fix = Fix(time_ms, speed_kmh10, time_ms, time_ms)

    def command(
        self, message: str, name: str = "c1", vehicle_id: int = 1, *, actor: str = "account:1", **more: Any
    ) -> Event:
        payload = CommandRequested(vehicle_id=vehicle_id, message=message, **more)
        return Event(
            id=name,
            type="command.requested",
            time_ms=self.clock(),
            subject=f"vehicle:{vehicle_id}",
            actor=actor,
            payload=payload,
        )

    def judgement(self, kind: str, actor: str, name: str = "c1", vehicle_id: int = 1) -> Event:
        return Event(
            id=f"{name}:{kind}:{actor}",
            type=kind,
            time_ms=self.clock(),
            subject=f"vehicle:{vehicle_id}",
            actor=actor,
            payload=CommandApproval(command=name, vehicle_id=vehicle_id),
        )

    async def ask(self, event: Event, *known: Event) -> None:
        """Hand a command, and what the log has of it, or an approval to its car, as the gateway does."""
        is_request = isinstance(event.payload, CommandRequested)
        assert self.vehicle(event.payload.vehicle_id).request(Story((event, *known)) if is_request else event)
        await trio.testing.wait_all_tasks_blocked()
