"""Registry: which terminals and vehicles exist, which terminal speaks for which vehicle, and the geofences."""

import time
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from core import limits
from core.events import Event, TerminalRegistered, derive_id
from protocols.report import phone_key, phone_text
from storage.errors import RegistryFullError
from storage.eventlog import EventLog
from storage.tables.business import BINDING, GEOFENCE, TERMINAL, VEHICLE

_ACTOR: Final = "registry"


class NewTerminal(msgspec.Struct, frozen=True, kw_only=True):
    """What a terminal says of itself when it registers. An empty field leaves what is known."""

    phone: str
    terminal_id: str = ""
    maker: str = ""
    model: str = ""
    province: int = 0
    city: int = 0
    plate: str = ""
    plate_colour: int = 0
    vin: str = ""
    group_id: int = 1
    store_id: int = 0
    """Whose a terminal unknown so far becomes; a known one keeps its own."""


class TerminalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal and the vehicle it speaks for now."""

    id: int
    phone: str
    terminal_id: str
    maker: str
    model: str
    province: int
    city: int
    group_id: int
    store_id: int
    created_ms: int
    vehicle_id: int
    plate: str
    plate_colour: int
    vin: str
    role: str = "main"


class Geofence(msgspec.Struct, frozen=True, kw_only=True):
    """A place with a boundary. Coordinates are WGS-84 degrees, longitude first, as in GeoJSON."""

    id: int = 0
    """0 until saved."""
    group_id: int = 1
    store_id: int = 0
    name: str
    kind: Literal["polygon", "circle"]
    geometry: dict[str, Any]
    """polygon: {"coordinates": [[[lon, lat], …], …]}, rings closed; circle: {"centre": [lon, lat], "radius_m": m}."""
    active: bool = True


# What a terminal may change of itself, and of the vehicle it speaks for.
_TERMINAL_FIELDS: Final = ("terminal_id", "maker", "model", "province", "city")
_VEHICLE_FIELDS: Final = ("plate", "plate_colour", "vin")

_LOAD: Final = (
    select(
        TERMINAL.c.id,
        TERMINAL.c.phone,
        TERMINAL.c.terminal_id,
        TERMINAL.c.maker,
        TERMINAL.c.model,
        TERMINAL.c.province,
        TERMINAL.c.city,
        TERMINAL.c.group_id,
        TERMINAL.c.store_id,
        TERMINAL.c.created_ms,
        BINDING.c.vehicle.label("vehicle_id"),
        VEHICLE.c.plate,
        VEHICLE.c.plate_colour,
        VEHICLE.c.vin,
        BINDING.c.role,
    )
    .join(BINDING, (BINDING.c.terminal == TERMINAL.c.id) & BINDING.c.to_ms.is_(None))
    .join(VEHICLE, VEHICLE.c.id == BINDING.c.vehicle)
)


class Registry:
    """Terminals, vehicles and geofences of one dealer group. Shares the log's database, so rows and events agree."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._database = log.database

    def load(self) -> list[TerminalRow]:
        """Return every terminal with the vehicle it speaks for now, by id."""
        with self._database.read() as connection:
            rows = connection.execute(_LOAD.order_by(TERMINAL.c.id)).all()
        return [TerminalRow(**row._mapping) for row in rows]

    def register(self, terminals: Sequence[NewTerminal], *, time_ms: int = 0) -> list[TerminalRow]:
        """Make the terminals known and return each one's row, in order. Repeating it changes nothing.

        An unknown phone becomes a terminal, a vehicle of its own and the binding of the two. A known phone with new
        attributes has them updated. Both append `terminal.registered`, in the same transaction.

        Args:
            time_ms: when they asked, UTC epoch ms; now where 0.

        Raises:
            ValueError: a phone is not 1 to 20 hexadecimal digits; nothing is written.
            RegistryFullError: no vehicle number is left; nothing is written.
            OwnerFencedError, StorageError: nothing is written.
        """
        if not terminals:
            return []
        now_ms = time_ms or time.time_ns() // 1_000_000
        # One number has one spelling: leading zeros are padding of the header.
        phones = [phone_text(*phone_key(terminal.phone)) for terminal in terminals]
        with self._log.transaction() as transaction:
            connection = transaction.connection
            known = self._find(connection, phones)
            # The owner's transaction is the only writer, so the highest number is also the last given.
            terminal_id = _highest(connection, TERMINAL.c.id)
            vehicle_id = _highest(connection, VEHICLE.c.id)
            created: dict[str, TerminalRow] = {}
            for phone, terminal in zip(phones, terminals, strict=True):
                if phone not in known and phone not in created:
                    terminal_id += 1
                    vehicle_id += 1
                    created[phone] = _new_row(terminal_id, vehicle_id, phone, terminal, now_ms)
            if vehicle_id >= limits.VEHICLES_MAX:
                raise RegistryFullError(f"vehicle {vehicle_id} would be past the {limits.VEHICLES_MAX} of the fleet")
            _insert(connection, list(created.values()), now_ms)
            known |= created
            events = [_registered(row, 1, now_ms) for row in created.values()]
            for phone, terminal in zip(phones, terminals, strict=True):
                changed = self._update(connection, known[phone], terminal)
                if changed is not None:
                    known[phone], revision = changed
                    events.append(_registered(known[phone], revision, now_ms))
            transaction.append(events)
        return [known[phone] for phone in phones]

    def _find(self, connection: Connection, phones: Sequence[str]) -> dict[str, TerminalRow]:
        known: dict[str, TerminalRow] = {}
        for first in range(0, len(phones), limits.EVENTS_STATEMENT_MAX):
            part = phones[first : first + limits.EVENTS_STATEMENT_MAX]
            for row in connection.execute(_LOAD.where(TERMINAL.c.phone.in_(part))):
                known[row.phone] = TerminalRow(**row._mapping)
        return known

    def _update(
        self, connection: Connection, row: TerminalRow, terminal: NewTerminal
    ) -> tuple[TerminalRow, int] | None:
        """Store what the terminal says anew; return the new row and its revision, None where nothing changed."""
        own = _changes(row, terminal, _TERMINAL_FIELDS)
        car = _changes(row, terminal, _VEHICLE_FIELDS)
        if not own and not car:
            return None
        revision = connection.execute(
            update(TERMINAL)
            .where(TERMINAL.c.id == row.id)
            .values(revision=TERMINAL.c.revision + 1, **own)
            .returning(TERMINAL.c.revision)
        ).scalar_one()
        if car:
            connection.execute(update(VEHICLE).where(VEHICLE.c.id == row.vehicle_id).values(**car))
        return msgspec.structs.replace(row, **own, **car), revision

    def next_boot(self) -> int:
        """Return a number never returned before: 1, 2, 3 … It names this start of the program in links and epochs."""
        sign = self._database.placeholder
        with self._database.write() as connection:
            return connection.exec_driver_sql(
                f"INSERT INTO counter (name, number) VALUES ({sign}, 1) "
                "ON CONFLICT (name) DO UPDATE SET number = counter.number + 1 RETURNING number",
                ("boot",),
            ).scalar_one()

    def load_geofences(self, *, active_only: bool = True) -> list[Geofence]:
        """Return the geofences by id."""
        wanted = select(GEOFENCE).order_by(GEOFENCE.c.id)
        if active_only:
            wanted = wanted.where(GEOFENCE.c.active)
        with self._database.read() as connection:
            rows = connection.execute(wanted).mappings().all()
        return [Geofence(**{**row, "geometry": msgspec.json.decode(row["geometry"])}) for row in rows]

    def save_geofence(self, fence: Geofence) -> Geofence:
        """Store a geofence, a new one where its id is 0, and return it with its id.

        Raises:
            KeyError: no geofence has this id.
        """
        values = msgspec.structs.asdict(fence)
        values["geometry"] = msgspec.json.encode(fence.geometry).decode()
        del values["id"]
        with self._database.write() as connection:
            if fence.id == 0:
                number = connection.execute(insert(GEOFENCE).values(**values).returning(GEOFENCE.c.id)).scalar_one()
                return msgspec.structs.replace(fence, id=number)
            changed = connection.execute(update(GEOFENCE).where(GEOFENCE.c.id == fence.id).values(**values)).rowcount
            if changed != 1:
                raise KeyError(f"no geofence {fence.id}")
        return fence


def _highest(connection: Connection, column: Any) -> int:
    return connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()


def _new_row(number: int, vehicle_id: int, phone: str, terminal: NewTerminal, now_ms: int) -> TerminalRow:
    fields = msgspec.structs.asdict(terminal) | {"phone": phone}
    return TerminalRow(id=number, vehicle_id=vehicle_id, created_ms=now_ms, **fields)


def _insert(connection: Connection, rows: Sequence[TerminalRow], now_ms: int) -> None:
    """Store new terminals, a vehicle of its own for each, and the bindings."""
    if not rows:
        return
    vehicles, terminals, bindings = [], [], []
    for row in rows:
        whose = {"group_id": row.group_id, "store_id": row.store_id}
        own = {name: getattr(row, name) for name in _TERMINAL_FIELDS}
        car = {name: getattr(row, name) for name in _VEHICLE_FIELDS}
        vehicles.append({"id": row.vehicle_id, "created_ms": now_ms, **car, **whose})
        terminals.append({"id": row.id, "phone": row.phone, "created_ms": now_ms, "revision": 1, **own, **whose})
        bindings.append({"terminal": row.id, "vehicle": row.vehicle_id, "role": row.role, "from_ms": now_ms, **whose})
    connection.execute(insert(VEHICLE), vehicles)
    connection.execute(insert(TERMINAL), terminals)
    connection.execute(insert(BINDING), bindings)


def _changes(row: TerminalRow, terminal: NewTerminal, names: Sequence[str]) -> dict[str, Any]:
    said = {name: getattr(terminal, name) for name in names}
    return {name: value for name, value in said.items() if value and value != getattr(row, name)}


def _registered(row: TerminalRow, revision: int, time_ms: int) -> Event:
    return Event(
        id=derive_id(_ACTOR, "terminal.registered", 1, (), f"{row.phone}:{revision}"),
        type="terminal.registered",
        time_ms=time_ms,
        subject=f"vehicle:{row.vehicle_id}",
        group=row.group_id,
        store=row.store_id,
        actor=_ACTOR,
        payload=TerminalRegistered(
            terminal=row.id,
            vehicle_id=row.vehicle_id,
            phone=row.phone,
            terminal_id=row.terminal_id,
            maker=row.maker,
            model=row.model,
            plate=row.plate,
            plate_colour=row.plate_colour,
            province=row.province,
            city=row.city,
        ),
    )
