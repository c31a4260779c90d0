"""Registry: which terminals and vehicles exist, which terminal speaks for which vehicle, and the geofences."""

import time
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, insert, select, update

from core import limits
from core.events import Event, TerminalRegistered, derive_id
from core.rights import Scope
from protocols.report import phone_key, phone_text
from storage.areas import Areas
from storage.errors import RegistryFullError
from storage.eventlog import EventLog
from storage.geofences import Geofences
from storage.guard import Guards
from storage.presence import Presences
from storage.rules import RuleStore
from storage.tables.business import BINDING, STORE, TERMINAL, VEHICLE
from storage.terminals import Terminals

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
    group: int = 1
    store: int = 0
    """Whose a terminal unknown so far becomes; a known one keeps its own."""
    event_id: str = ""
    """Id for its terminal.registered, derived from what made it happen; derived here where empty."""
    time_ms: int = 0
    """When it asked, UTC epoch ms; now where 0."""


class TerminalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal and the vehicle it speaks for now."""

    terminal: int
    phone: str
    terminal_id: str
    maker: str
    model: str
    province: int
    city: int
    group: int
    store: int
    created_ms: int
    revision: int
    """Counts the changes of what the terminal says of itself."""
    vehicle_id: int
    plate: str
    plate_colour: int
    vin: str
    role: str = "main"
    changed_by: str = ""
    """Who named the car; empty: only its terminal has."""
    retired_ms: int = 0
    """UTC epoch ms since when it is out of service, with vehicle_id 0; 0: in service."""


class VehicleRow(NamedTuple):
    """Whose a car is."""

    vehicle_id: int
    group: int
    store: int


# What a terminal may change of itself, and of the vehicle it speaks for.
_TERMINAL_FIELDS: Final = ("terminal_id", "maker", "model", "province", "city")
_VEHICLE_FIELDS: Final = ("plate", "plate_colour", "vin")

_LOAD: Final = (
    select(
        TERMINAL.c.id.label("terminal"),
        TERMINAL.c.phone,
        *(TERMINAL.c[name] for name in _TERMINAL_FIELDS),
        TERMINAL.c.group_id.label("group"),
        TERMINAL.c.store_id.label("store"),
        TERMINAL.c.created_ms,
        TERMINAL.c.revision,
        TERMINAL.c.retired_ms,
        func.coalesce(BINDING.c.vehicle, 0).label("vehicle_id"),
        func.coalesce(VEHICLE.c.plate, "").label("plate"),
        func.coalesce(VEHICLE.c.plate_colour, 0).label("plate_colour"),
        func.coalesce(VEHICLE.c.vin, "").label("vin"),
        func.coalesce(VEHICLE.c.changed_by, "").label("changed_by"),
        func.coalesce(BINDING.c.role, "main").label("role"),
    )
    .outerjoin(BINDING, (BINDING.c.terminal == TERMINAL.c.id) & BINDING.c.to_ms.is_(None))
    .outerjoin(VEHICLE, VEHICLE.c.id == BINDING.c.vehicle)
)


class CarNames(msgspec.Struct, frozen=True):
    """What vehicles are called and whose they are, in columns of one length, by vehicle id."""

    vehicles: list[int]
    plates: list[str]
    stores: list[int]
    store_names: list[tuple[int, str, str]]
    """(store, name in Chinese, name in English), by id."""


class Registry:
    """Terminals, vehicles and geofences of one dealer group. Shares the log's database, so rows and events agree.

    The geofences stand in `geofences`, what terminals were told of them in `areas`, detectors' thresholds in `rules`,
    which cars are armed in `guards`, which terminals can be reached in `presences`.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._database = log.database
        self.geofences: Final = Geofences(log)
        self.areas: Final = Areas(log.database)
        self.rules: Final = RuleStore(log)
        self.guards: Final = Guards(log)
        self.presences: Final = Presences(log.database)
        self.terminals: Final = Terminals(log)

    def load(self, terminals: Sequence[int] | None = None) -> list[TerminalRow]:
        """Return every terminal, or these, with the vehicle it speaks for now, by id; retired ones too."""
        with self._database.read() as connection:
            if terminals is None:
                rows = connection.execute(_LOAD.order_by(TERMINAL.c.id)).all()
            else:
                rows = []
                for first in range(0, len(terminals), limits.EVENTS_STATEMENT_MAX):
                    part = terminals[first : first + limits.EVENTS_STATEMENT_MAX]
                    rows += connection.execute(_LOAD.where(TERMINAL.c.id.in_(part)).order_by(TERMINAL.c.id)).all()
        return [TerminalRow(**row._mapping) for row in rows]

    def load_vehicles(self, vehicles: Sequence[int] | None = None) -> list[VehicleRow]:
        """Return whose each car, or each of these, is, by id: a car without a terminal too."""
        wanted = select(VEHICLE.c.id, VEHICLE.c.group_id, VEHICLE.c.store_id).order_by(VEHICLE.c.id)
        if vehicles is not None:
            wanted = wanted.where(VEHICLE.c.id.in_(vehicles))
        with self._database.read() as connection:
            return [VehicleRow(*row) for row in connection.execute(wanted)]

    def terminals_of(self, vehicle_id: int) -> list[TerminalRow]:
        """Return the terminals that speak for a vehicle now, by id; none for a vehicle that does not exist."""
        with self._database.read() as connection:
            wanted = _LOAD.where(BINDING.c.vehicle == vehicle_id).order_by(TERMINAL.c.id)
            rows = connection.execute(wanted).all()
        return [TerminalRow(**row._mapping) for row in rows]

    def names(self, scope: Scope) -> CarNames:
        """Return what the scope's vehicles and stores are called."""
        vehicles = select(VEHICLE.c.id, VEHICLE.c.plate, VEHICLE.c.store_id).where(VEHICLE.c.group_id == scope.group)
        stores = select(STORE.c.id, STORE.c.name_zh, STORE.c.name_en).where(STORE.c.group_id == scope.group)
        if scope.stores is not None:
            vehicles = vehicles.where(VEHICLE.c.store_id.in_(scope.stores))
            stores = stores.where(STORE.c.id.in_(scope.stores))
        with self._database.read() as connection:
            rows = connection.execute(vehicles.order_by(VEHICLE.c.id)).all()
            named = connection.execute(stores.order_by(STORE.c.id)).all()
        columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], []]
        return CarNames(columns[0], columns[1], columns[2], [(row.id, row.name_zh, row.name_en) for row in named])

    def owners(self) -> list[tuple[int, int, int]]:
        """Return (vehicle, group, store) of every vehicle, by id."""
        wanted = select(VEHICLE.c.id, VEHICLE.c.group_id, VEHICLE.c.store_id).order_by(VEHICLE.c.id)
        with self._database.read() as connection:
            return [tuple(row) for row in connection.execute(wanted)]

    def register(self, new: Sequence[NewTerminal]) -> list[TerminalRow]:
        """Make terminals known and return each one's row, in order. Repeating it changes nothing.

        An unknown phone becomes a terminal, a vehicle of its own and the binding of the two. A known phone with new
        attributes has them updated, unless it names another terminal id than the one known: that is another device,
        and its row comes back as it stands; so does a retired one's. What a person entered of the car stays. Each
        change appends `terminal.registered`, in the same transaction.

        Raises:
            ValueError: a phone is not 1 to 20 hexadecimal digits; nothing is written.
            RegistryFullError: no vehicle number is left; nothing is written.
            OwnerFencedError, StorageError: nothing is written.
        """
        if not new:
            return []
        now_ms = time.time_ns() // 1_000_000
        # One number has one spelling: leading zeros are padding of the header.
        phones = [phone_text(*phone_key(one.phone)) for one in new]
        new = [_storable(one) for one in new]
        with self._log.transaction() as transaction:
            connection = transaction.connection
            rows = self._find(connection, phones)
            told = transaction.known([one.event_id for one in new if one.event_id])
            # The owner's transaction is the only writer, so the highest number is also the last given.
            terminal = _highest(connection, TERMINAL.c.id)
            vehicle_id = _highest(connection, VEHICLE.c.id)
            created: list[TerminalRow] = []
            events: list[Event] = []
            for phone, one in zip(phones, new, strict=True):
                if phone not in rows:
                    terminal += 1
                    vehicle_id += 1
                    rows[phone] = _new_row(terminal, vehicle_id, phone, one, now_ms)
                    created.append(rows[phone])
                    events.append(_registered(rows[phone], one, now_ms))
            if vehicle_id >= limits.VEHICLES_MAX:
                raise RegistryFullError(f"vehicle {vehicle_id} would be past the {limits.VEHICLES_MAX} of the fleet")
            if created and terminal >= limits.TERMINALS_MAX:
                raise RegistryFullError(f"terminal {terminal} would be past the {limits.TERMINALS_MAX} of the fleet")
            _insert(connection, created)
            for phone, one in zip(phones, new, strict=True):
                # A registration told before is a replay: what came after it must not be undone.
                if one.event_id in told:
                    continue
                row = _changed(rows[phone], one)
                if row is not None:
                    _update(connection, row)
                    rows[phone] = row
                    events.append(_registered(row, one, now_ms))
            transaction.append(events)
        return [rows[phone] for phone in phones]

    def _find(self, connection: Connection, phones: Sequence[str]) -> dict[str, TerminalRow]:
        rows: dict[str, TerminalRow] = {}
        for first in range(0, len(phones), limits.EVENTS_STATEMENT_MAX):
            part = phones[first : first + limits.EVENTS_STATEMENT_MAX]
            for row in connection.execute(_LOAD.where(TERMINAL.c.phone.in_(part))):
                rows[row.phone] = TerminalRow(**row._mapping)
        return rows

    def next_boot(self) -> int:
        """Return a number never returned before: 1, 2, 3 … It names this start of the program in links and epochs."""
        sign = self._database.placeholder
        with self._database.write() as connection:
            return connection.exec_driver_sql(
                f"INSERT INTO counter (name, number) VALUES ({sign}, 1) "
                "ON CONFLICT (name) DO UPDATE SET number = counter.number + 1 RETURNING number",
                ("boot",),
            ).scalar_one()


def _storable(new: NewTerminal) -> NewTerminal:
    """Take NUL out of what a terminal says: PostgreSQL's text cannot hold it, and nobody means it."""
    texts = {name: getattr(new, name) for name in ("terminal_id", "maker", "model", "plate", "vin")}
    if not any("\0" in text for text in texts.values()):
        return new
    return msgspec.structs.replace(new, **{name: text.replace("\0", "") for name, text in texts.items()})


def _new_row(terminal: int, vehicle_id: int, phone: str, new: NewTerminal, now_ms: int) -> TerminalRow:
    fields = {name: getattr(new, name) for name in (*_TERMINAL_FIELDS, *_VEHICLE_FIELDS, "group", "store")}
    created_ms = new.time_ms or now_ms
    return TerminalRow(
        terminal=terminal, phone=phone, vehicle_id=vehicle_id, created_ms=created_ms, revision=1, **fields
    )


def _insert(connection: Connection, rows: Sequence[TerminalRow]) -> None:
    """Store new terminals, a vehicle of its own for each, and the bindings."""
    if not rows:
        return
    vehicles, terminals, bindings = [], [], []
    for row in rows:
        whose = {"group_id": row.group, "store_id": row.store}
        own = {name: getattr(row, name) for name in _TERMINAL_FIELDS}
        car = {name: getattr(row, name) for name in _VEHICLE_FIELDS}
        made = {"created_ms": row.created_ms, **whose}
        vehicles.append({"id": row.vehicle_id, **car, **made})
        terminals.append({"id": row.terminal, "phone": row.phone, "revision": row.revision, **own, **made})
        bindings.append(
            {"terminal": row.terminal, "vehicle": row.vehicle_id, "role": row.role, "from_ms": row.created_ms, **whose}
        )
    connection.execute(insert(VEHICLE), vehicles)
    connection.execute(insert(TERMINAL), terminals)
    connection.execute(insert(BINDING), bindings)


def _changed(row: TerminalRow, new: NewTerminal) -> TerminalRow | None:
    """Return the row with what the terminal says anew, None where it says nothing new or is another device."""
    if row.retired_ms or (row.terminal_id and new.terminal_id not in ("", row.terminal_id)):
        return None
    said = {name: getattr(new, name) for name in _TERMINAL_FIELDS}
    # A terminal that was moved from car to car goes on saying the plate of the first.
    car = _VEHICLE_FIELDS if not row.changed_by else [name for name in _VEHICLE_FIELDS if not getattr(row, name)]
    said |= {name: getattr(new, name) for name in car}
    changes = {name: value for name, value in said.items() if value and value != getattr(row, name)}
    if not changes:
        return None
    return msgspec.structs.replace(row, revision=row.revision + 1, **changes)


def _update(connection: Connection, row: TerminalRow) -> None:
    own = {name: getattr(row, name) for name in _TERMINAL_FIELDS}
    car = {name: getattr(row, name) for name in _VEHICLE_FIELDS}
    connection.execute(update(TERMINAL).where(TERMINAL.c.id == row.terminal).values(revision=row.revision, **own))
    connection.execute(update(VEHICLE).where(VEHICLE.c.id == row.vehicle_id).values(**car))


def _registered(row: TerminalRow, new: NewTerminal, now_ms: int) -> Event:
    return Event(
        id=new.event_id or derive_id(_ACTOR, "terminal.registered", 1, (), f"{row.phone}:{row.revision}"),
        type="terminal.registered",
        time_ms=new.time_ms or now_ms,
        subject=f"vehicle:{row.vehicle_id}",
        group=row.group,
        store=row.store,
        actor=_ACTOR,
        payload=TerminalRegistered(
            terminal=row.terminal,
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


def _highest(connection: Connection, column: Any) -> int:
    return connection.execute(select(func.coalesce(func.max(column), 0))).scalar_one()
