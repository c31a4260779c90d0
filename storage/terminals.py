"""Terminals: what people see and change of terminals, cars and bindings; each change with its event.

The rules are the `Book`'s (storage/bindings.py). A change reads the rows that it can touch, lets the book change them,
and writes rows and events in one transaction of the log. A preview does the same and writes nothing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Select, bindparam, case, delete, func, insert, or_, select, update

from core import limits
from core.rights import Principal, Scope
from storage.bindings import DEVICE_FIELDS, Book, Car, Device, Entry, Outcome, Stay, store_of
from storage.eventlog import EventLog
from storage.marks import (
    NAME_CHARACTERS_MAX,
    PLATE_COLOURS,
    TERMINAL_ID_CHARACTERS_MAX,
    Refusal,
    RefusedError,
    phone_of,
    plate_of,
    plate_warning,
    refuse,
    text_of,
    vin_of,
    vin_warning,
)
from storage.tables.business import BINDING, EVENT, PRESENCE, STORE, TERMINAL, VEHICLE

STATES: Final = ("service", "unbound", "silent", "unplugged", "retired", "all")
"""What a list shows: in service (the default), in service without a named car, logged in and silent, cut from power,
retired, all of them."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list of entries, in their order."""

    written: bool
    """False for a preview, and where one refusal stopped all of them."""
    outcomes: list[Outcome]
    counts: dict[str, int]
    """added, changed, unchanged, refused."""


class TerminalView(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal and the car it speaks for now."""

    terminal: int
    phone: str
    terminal_id: str
    maker: str
    model: str
    group: int
    store: int
    created_ms: int
    revision: int
    retired_ms: int
    """UTC epoch ms; 0: in service."""
    vehicle_id: int
    """0 for a retired one."""
    role: str
    bound_ms: int
    """Since when it speaks for that car."""
    plate: str
    plate_colour: int
    vin: str
    session_ms: int = 0
    """When its last session opened; 0: it never logged in."""
    session_open: bool = False
    """The log's last word of it is a session opened, not closed."""
    session_end_ms: int = 0
    """When its last session closed; 0 while one is open."""


class TerminalPage(msgspec.Struct, frozen=True, kw_only=True):
    """Terminals by number, and the number to go on after; 0: there are no more."""

    items: list[TerminalView]
    next: int


class BindingView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of a terminal's history."""

    vehicle_id: int
    plate: str
    plate_colour: int
    role: str
    from_ms: int
    to_ms: int
    """0 while it lasts."""


class TerminalChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a terminal; None leaves a field. An empty terminal_id lets the next device name itself."""

    terminal_id: str | None = None
    maker: str | None = None
    model: str | None = None


class VehicleChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a car; None leaves a field."""

    plate: str | None = None
    plate_colour: int | None = None
    vin: str | None = None
    store: int | None = None


class VehicleView(msgspec.Struct, frozen=True, kw_only=True):
    """A car as the registry knows it."""

    vehicle_id: int
    plate: str
    plate_colour: int
    vin: str
    group: int
    store: int
    revision: int
    warnings: tuple[str, ...] = ()


# --- the tables -------------------------------------------------------------------------------------------------------


def _scoped(wanted: Select[Any], table: Any, scope: Scope) -> Select[Any]:
    """Let only rows of the scope through."""
    wanted = wanted.where(table.c.group_id == scope.group)
    return wanted if scope.stores is None else wanted.where(table.c.store_id.in_(scope.stores))


_VIEW: Final = (
    select(
        TERMINAL.c.id.label("terminal"),
        *(TERMINAL.c[name] for name in ("phone", *DEVICE_FIELDS, "created_ms", "revision", "retired_ms")),
        TERMINAL.c.group_id.label("group"),
        TERMINAL.c.store_id.label("store"),
        func.coalesce(BINDING.c.vehicle, 0).label("vehicle_id"),
        func.coalesce(BINDING.c.role, "").label("role"),
        func.coalesce(BINDING.c.from_ms, 0).label("bound_ms"),
        func.coalesce(VEHICLE.c.plate, "").label("plate"),
        func.coalesce(VEHICLE.c.plate_colour, 0).label("plate_colour"),
        func.coalesce(VEHICLE.c.vin, "").label("vin"),
    )
    .outerjoin(BINDING, (BINDING.c.terminal == TERMINAL.c.id) & BINDING.c.to_ms.is_(None))
    .outerjoin(VEHICLE, VEHICLE.c.id == BINDING.c.vehicle)
)
_SESSIONS: Final = ("terminal.session.opened", "terminal.session.closed")


class Terminals:
    """The terminals of one dealer group, as people see and change them. Blocks: one thread hop a call."""

    def __init__(self, log: EventLog, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._log = log
        self._database = log.database
        self._now_ms = now_ms

    # --- reading ---

    def page(
        self,
        scope: Scope,
        after: int = 0,
        limit: int = 100,
        *,
        search: str = "",
        store: int | None = None,
        state: str = "service",
        among: Sequence[int] | None = None,
        newest_first: bool = False,
    ) -> TerminalPage:
        """Return terminals of the scope by number.

        Args:
            after: number of the last one seen; with newest_first, go on below it.
            search: a part of phone, terminal id, plate, VIN, maker or model, in any case.
            store: only this store's; 0: the group's own.
            state: one of STATES.
            among: only these terminals, at most limits.EVENTS_STATEMENT_MAX.
        """
        limit = min(limit, limits.TERMINALS_PAGE_MAX)
        wanted = _scoped(_VIEW, TERMINAL, scope)
        if after:
            wanted = wanted.where(TERMINAL.c.id < after if newest_first else TERMINAL.c.id > after)
        if store is not None:
            wanted = wanted.where(TERMINAL.c.store_id == store)
        if state == "retired":
            wanted = wanted.where(TERMINAL.c.retired_ms > 0)
        elif state != "all":
            wanted = wanted.where(TERMINAL.c.retired_ms == 0)
        if state == "unbound":
            wanted = wanted.where((VEHICLE.c.plate == "") & (VEHICLE.c.vin == ""))
        if state in ("silent", "unplugged"):
            wanted = wanted.join(PRESENCE, PRESENCE.c.terminal == TERMINAL.c.id)
            wanted = wanted.where(PRESENCE.c.state == "silent" if state == "silent" else PRESENCE.c.cut_ms > 0)
        if among is not None:
            wanted = wanted.where(TERMINAL.c.id.in_(among))
        if search := search.strip():
            pattern = search.upper()
            columns = (TERMINAL.c.phone, VEHICLE.c.plate, VEHICLE.c.vin, *(TERMINAL.c[name] for name in DEVICE_FIELDS))
            wanted = wanted.where(or_(*(func.upper(column).contains(pattern, autoescape=True) for column in columns)))
        order = TERMINAL.c.id.desc() if newest_first else TERMINAL.c.id
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(order).limit(limit + 1)).all()
            items = self._with_sessions(connection, [TerminalView(**row._mapping) for row in rows[:limit]])
        return TerminalPage(items=items, next=items[-1].terminal if len(rows) > limit else 0)

    def counts(self, scope: Scope) -> dict[str, int]:
        """Return how many terminals of the scope are in service, unbound, and retired."""
        in_service = TERMINAL.c.retired_ms == 0
        is_unbound = in_service & (VEHICLE.c.plate == "") & (VEHICLE.c.vin == "")
        wanted = select(
            *(func.coalesce(func.sum(case((which, 1), else_=0)), 0) for which in (in_service, is_unbound, ~in_service))
        ).select_from(
            TERMINAL.outerjoin(BINDING, (BINDING.c.terminal == TERMINAL.c.id) & BINDING.c.to_ms.is_(None)).outerjoin(
                VEHICLE, VEHICLE.c.id == BINDING.c.vehicle
            )
        )
        with self._database.read() as connection:
            row = connection.execute(_scoped(wanted, TERMINAL, scope)).one()
        return {"service": int(row[0]), "unbound": int(row[1]), "retired": int(row[2])}

    def terminal(self, scope: Scope, terminal: int) -> TerminalView | None:
        """Return a terminal of the scope, retired or not; None where there is none."""
        items = self.page(scope, state="all", among=[terminal]).items
        return items[0] if items else None

    def vehicle_named(self, scope: Scope, plate: str) -> int:
        """Return the car of the scope with this plate, 0 if there is none or several.

        Raises:
            RefusedError: plate_wrong.
        """
        wanted = _scoped(select(VEHICLE.c.id), VEHICLE, scope).where(VEHICLE.c.plate == plate_of(plate))
        with self._database.read() as connection:
            rows = connection.execute(wanted.limit(2)).all()
        return rows[0][0] if len(rows) == 1 and plate else 0

    def bindings(self, scope: Scope, terminal: int) -> list[BindingView] | None:
        """Return a terminal's history, the newest first; None where the scope has no such terminal.

        A car that is now another store's is named without its plate.
        """
        columns = (BINDING.c.vehicle, BINDING.c.role, BINDING.c.from_ms, BINDING.c.to_ms)
        car = (VEHICLE.c.plate, VEHICLE.c.plate_colour, VEHICLE.c.group_id, VEHICLE.c.store_id)
        wanted = (
            select(*columns, *car)
            .join(VEHICLE, VEHICLE.c.id == BINDING.c.vehicle)
            .where(BINDING.c.terminal == terminal)
            .order_by(BINDING.c.from_ms.desc())
            .limit(limits.BINDINGS_READ_MAX)
        )
        with self._database.read() as connection:
            seen = _scoped(select(TERMINAL.c.id), TERMINAL, scope).where(TERMINAL.c.id == terminal)
            if connection.execute(seen).first() is None:
                return None
            rows = connection.execute(wanted).all()
        return [
            BindingView(
                vehicle_id=row.vehicle,
                plate=row.plate if scope.covers(row.group_id, row.store_id) else "",
                plate_colour=row.plate_colour if scope.covers(row.group_id, row.store_id) else 0,
                role=row.role,
                from_ms=row.from_ms,
                to_ms=row.to_ms or 0,
            )
            for row in rows
        ]

    def _with_sessions(self, connection: Connection, views: list[TerminalView]) -> list[TerminalView]:
        """Add what the log says last of each one's sessions."""
        last: dict[tuple[str, str], int] = {}
        subjects = [f"terminal:{view.terminal}" for view in views]
        for first in range(0, len(subjects), limits.EVENTS_STATEMENT_MAX):
            part = subjects[first : first + limits.EVENTS_STATEMENT_MAX]
            newest = (
                select(func.max(EVENT.c.seq))
                .where(EVENT.c.subject.in_(part), EVENT.c.type.in_(_SESSIONS))
                .group_by(EVENT.c.subject, EVENT.c.type)
            )
            wanted = select(EVENT.c.subject, EVENT.c.type, EVENT.c.seq, EVENT.c.time_ms).where(EVENT.c.seq.in_(newest))
            for row in connection.execute(wanted):
                last[row.subject, row.type] = (row.seq << 48) | row.time_ms
        time_mask = (1 << 48) - 1
        shown = []
        for view, subject in zip(views, subjects, strict=True):
            opened, closed = (last.get((subject, kind), 0) for kind in _SESSIONS)
            is_open = opened > closed
            shown.append(
                msgspec.structs.replace(
                    view,
                    session_ms=opened & time_mask,
                    session_open=is_open,
                    session_end_ms=0 if is_open else closed & time_mask,
                )
            )
        return shown

    # --- changing ---

    def preview(self, principal: Principal, entries: Sequence[Entry]) -> Report:
        """Return what `enter` would do, and write nothing."""
        with self._database.read() as connection:
            _, report = self._entered(connection, principal, entries)
        return report

    def enter(self, principal: Principal, entries: Sequence[Entry], *, whole: bool = False) -> Report:
        """Enter terminals, or change what is known of them, in one transaction; say what became of each.

        Args:
            entries: at most limits.TERMINALS_IMPORT_MAX.
            whole: write nothing if one of them is refused.

        Raises:
            RefusedError: too_many.
            RegistryFullError, OwnerFencedError, StorageError: nothing is written.
        """
        with self._log.transaction() as transaction:
            book, report = self._entered(transaction.connection, principal, entries)
            if whole and report.counts["refused"]:
                return report
            _save(transaction.connection, book)
            transaction.append(book.events)
        return msgspec.structs.replace(report, written=True)

    def _entered(self, connection: Connection, principal: Principal, entries: Sequence[Entry]) -> tuple[Book, Report]:
        if len(entries) > limits.TERMINALS_IMPORT_MAX:
            raise refuse("rows", "too_many", f"{len(entries)} rows, at most {limits.TERMINALS_IMPORT_MAX}")
        book = self._book(connection, principal)
        phones = {_or_nothing(phone_of, entry.phone) for entry in entries} - {""}
        plates = {_or_nothing(plate_of, entry.plate) for entry in entries} - {""}
        vins = {_or_nothing(vin_of, entry.vin) for entry in entries} - {""}
        _read_named(connection, book, principal.scope.group, phones, plates, vins)
        stores = _stores(connection, principal.scope.group)
        outcomes: list[Outcome] = []
        lines: dict[str, int] = {}
        for entry in entries:
            phone = _or_nothing(phone_of, entry.phone)
            if phone in lines:
                repeated = Refusal(field="phone", code="phone_repeated", detail=f"line {lines[phone]}")
                outcome = book.refused(entry, phone, [repeated])
            else:
                outcome = book.enter(entry, stores)
            if phone:
                lines.setdefault(phone, entry.line)
            outcomes.append(outcome)
        counts = dict.fromkeys(("added", "changed", "unchanged", "refused"), 0)
        for outcome in outcomes:
            counts[outcome.what] += 1
        return book, Report(written=False, outcomes=outcomes, counts=counts)

    def change(self, principal: Principal, terminal: int, change: TerminalChange) -> TerminalView | None:
        """Change what is known of a terminal; None where the scope has no such terminal.

        Raises:
            RefusedError: too_long, unprintable; terminal_retired.
        """
        bounds = {"terminal_id": TERMINAL_ID_CHARACTERS_MAX, "maker": NAME_CHARACTERS_MAX, "model": NAME_CHARACTERS_MAX}
        given = {name: getattr(change, name) for name in DEVICE_FIELDS if getattr(change, name) is not None}
        fields = _all_of({name: partial(text_of, name, text, bounds[name]) for name, text in given.items()})

        def changed(book: Book, device: Device) -> None:
            if device.retired_ms:
                raise refuse("terminal", "terminal_retired")
            book.describe(device, fields)

        return self._change(principal, terminal, changed)

    def bind(
        self,
        principal: Principal,
        terminal: int,
        vehicle_id: int,
        *,
        role: str = "main",
        from_ms: int = 0,
        replace: bool = False,
    ) -> TerminalView | None:
        """Let a terminal speak for a car from a moment on; None where the scope has no such terminal.

        A moment in the past corrects the history from there on. Reports that are stored keep the car they were stored
        for.

        Args:
            from_ms: since when, UTC epoch ms; 0: now.
            replace: the car's main terminal until now becomes a vehicle of its own.

        Raises:
            RefusedError: vehicle_unknown, role_unknown, main_taken, from_future, from_past, terminal_retired.
        """

        def bound(book: Book, device: Device) -> None:
            car = book.cars.get(vehicle_id)
            if car is None or not principal.scope.covers(car.group, car.store):
                raise refuse("vehicle_id", "vehicle_unknown", str(vehicle_id))
            book.bind(device, car, role, from_ms or book.now_ms, replace=replace)

        return self._change(principal, terminal, bound, vehicle_id)

    def unbind(self, principal: Principal, terminal: int, *, from_ms: int = 0) -> TerminalView | None:
        """Make a terminal a vehicle of its own from a moment on; None where the scope has no such terminal.

        Raises:
            RefusedError: from_future, from_past, terminal_retired.
        """
        return self._change(principal, terminal, lambda book, device: book.unbind(device, from_ms or book.now_ms))

    def retire(self, principal: Principal, terminal: int) -> TerminalView | None:
        """Take a terminal out of service: it is refused at its next login, and its session ends. None as above."""
        return self._change(principal, terminal, lambda book, device: book.retire(device))

    def _change(
        self, principal: Principal, terminal: int, change: Callable[[Book, Device], object], vehicle_id: int = 0
    ) -> TerminalView | None:
        with self._log.transaction() as transaction:
            connection = transaction.connection
            book = self._book(connection, principal)
            _read_devices(connection, book, TERMINAL.c.id.in_([terminal]))
            device = book.devices.get(terminal)
            if device is None or not principal.scope.covers(device.group, device.store):
                return None
            if vehicle_id:
                _read_cars(connection, book, [vehicle_id])
            change(book, device)
            _save(connection, book)
            transaction.append(book.events)
        return self.terminal(Scope(group=principal.scope.group), terminal)

    def change_vehicle(self, principal: Principal, vehicle_id: int, change: VehicleChange) -> VehicleView | None:
        """Change a car; its terminals follow it to another store. None where the scope has no such car.

        Raises:
            RefusedError: plate_wrong, plate_taken, plate_colour_unknown, vin_wrong, vin_taken, store_wrong,
                store_outside.
        """
        makes: dict[str, Callable[[], Any]] = {}
        if change.plate is not None:
            makes["plate"] = lambda: plate_of(change.plate or "")
        if change.plate_colour is not None:
            makes["plate_colour"] = lambda: _colour_of(change.plate_colour or 0)
        if change.vin is not None:
            makes["vin"] = lambda: vin_of(change.vin or "")
        with self._log.transaction() as transaction:
            connection = transaction.connection
            book = self._book(connection, principal)
            _read_cars(connection, book, [vehicle_id])
            car = book.cars.get(vehicle_id)
            if car is None or not principal.scope.covers(car.group, car.store):
                return None
            if change.store is not None:
                stores = _stores(connection, principal.scope.group)
                makes["store"] = lambda: store_of(change.store, principal.scope, stores, None)
            fields = _all_of(makes)
            plates, vins = ({fields[name]} if fields.get(name) else set() for name in ("plate", "vin"))
            _read_named(connection, book, principal.scope.group, set(), plates, vins)
            book.describe_car(car, fields)
            _save(connection, book)
            transaction.append(book.events)
        return VehicleView(
            vehicle_id=car.id, plate=car.plate, plate_colour=car.plate_colour, vin=car.vin, group=car.group,
            store=car.store, revision=car.revision,
            warnings=tuple(filter(None, (plate_warning(car.plate), vin_warning(car.vin)))),
        )  # fmt: skip

    def _book(self, connection: Connection, principal: Principal) -> Book:
        book = Book(self._now_ms(), principal.actor, principal.scope)
        # The log's transaction is the only one that numbers, so the highest number is also the last given.
        book.terminals_known = connection.execute(select(func.coalesce(func.max(TERMINAL.c.id), 0))).scalar_one()
        book.vehicles_known = connection.execute(select(func.coalesce(func.max(VEHICLE.c.id), 0))).scalar_one()
        book.terminal_last, book.vehicle_last = book.terminals_known, book.vehicles_known
        return book


def _or_nothing(make: Callable[[str], str], text: str) -> str:
    """Return a mark in its one spelling, nothing for one that is none."""
    try:
        return make(text)
    except RefusedError:
        return ""


def _colour_of(code: int) -> int:
    if code not in PLATE_COLOURS:
        raise refuse("plate_colour", "plate_colour_unknown", str(code))
    return code


def _all_of(makes: dict[str, Callable[[], Any]]) -> dict[str, Any]:
    """Make every field, and refuse them all together, so that a form can say everything at once."""
    made: dict[str, Any] = {}
    refusals: list[Refusal] = []
    for name, make in makes.items():
        try:
            made[name] = make()
        except RefusedError as error:
            refusals += error.refusals
    if refusals:
        raise RefusedError(*refusals)
    return made


def _stores(connection: Connection, group: int) -> dict[str, int]:
    """Return the number of each store of a group by code, names and number, as people may write them."""
    numbers: dict[str, int] = {}
    for row in connection.execute(select(STORE).where(STORE.c.group_id == group).order_by(STORE.c.id)):
        for key in (str(row.id), row.code, row.code.casefold(), row.name_zh, row.name_en, row.name_en.casefold()):
            numbers.setdefault(key, row.id)
    return numbers


def _chunks(values: Iterable[Any]) -> Iterable[list[Any]]:
    ordered = sorted(values)
    for first in range(0, len(ordered), limits.EVENTS_STATEMENT_MAX):
        yield ordered[first : first + limits.EVENTS_STATEMENT_MAX]


def _read_named(
    connection: Connection, book: Book, group: int, phones: set[str], plates: set[str], vins: set[str]
) -> None:
    """Read the terminals with these phones and the cars with these plates and VINs, with all that hangs on them."""
    for part in _chunks(phones):
        _read_devices(connection, book, TERMINAL.c.phone.in_(part))
    for column, marks in ((VEHICLE.c.plate, plates), (VEHICLE.c.vin, vins)):
        for part in _chunks(marks):
            wanted = select(VEHICLE.c.id).where(VEHICLE.c.group_id == group, column.in_(part))
            _read_cars(connection, book, [row[0] for row in connection.execute(wanted)])


def _read_cars(connection: Connection, book: Book, ids: Iterable[int]) -> None:
    """Read cars, and the terminals that speak for them now with all that hangs on those."""
    for part in _chunks(set(ids)):
        _add_cars(connection, book, part)
        terminals = {terminal for car in part for terminal in book.on_car.get(car, ())}
        for some in _chunks(terminals - set(book.devices)):
            _read_devices(connection, book, TERMINAL.c.id.in_(some))


def _read_devices(connection: Connection, book: Book, which: Any, *, neighbours: bool = True) -> None:
    """Read terminals, their whole history and the cars in it.

    Args:
        neighbours: read the other terminals of those cars as well. Theirs in turn are only numbers in `on_car`.
    """
    rows = connection.execute(select(TERMINAL).where(which))
    devices = [Device(**_fields(row, _DEVICE_NAMES)) for row in rows if row.id not in book.devices]
    book.add(devices, (), ())
    cars: set[int] = set()
    for part in _chunks(device.id for device in devices):
        rows = connection.execute(select(BINDING).where(BINDING.c.terminal.in_(part)))
        stays = [Stay(**_fields(row, _STAY_NAMES)) for row in rows]
        cars |= {stay.vehicle for stay in stays}
        book.add((), (), stays)
    for part in _chunks(cars - set(book.cars)):
        _add_cars(connection, book, part)
    if neighbours:
        others = {terminal for car in cars for terminal in book.on_car.get(car, ())} - set(book.devices)
        for part in _chunks(others):
            _read_devices(connection, book, TERMINAL.c.id.in_(part), neighbours=False)


def _add_cars(connection: Connection, book: Book, ids: list[int]) -> None:
    fresh = [number for number in ids if number not in book.cars]
    rows = connection.execute(select(VEHICLE).where(VEHICLE.c.id.in_(fresh)).order_by(VEHICLE.c.id))
    book.add((), [Car(**_fields(row, _CAR_NAMES)) for row in rows], ())
    wanted = select(BINDING.c.vehicle, BINDING.c.terminal).where(
        BINDING.c.vehicle.in_(fresh), BINDING.c.to_ms.is_(None)
    )
    for vehicle, terminal in connection.execute(wanted):
        # What is in the book already has moved since the table was written.
        if terminal not in book.devices:
            book.on_car.setdefault(vehicle, set()).add(terminal)


_WHOSE: Final = {"group_id": "group", "store_id": "store"}
_DEVICE_NAMES: Final = tuple(column.name for column in TERMINAL.c if column.name not in ("province", "city"))
_CAR_NAMES: Final = tuple(column.name for column in VEHICLE.c)
_STAY_NAMES: Final = tuple(column.name for column in BINDING.c)


def _fields(row: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return a row of a table as the fields of its Struct here."""
    return {_WHOSE.get(name, name): row._mapping[name] for name in names}


def _row(record: msgspec.Struct, names: Sequence[str]) -> dict[str, Any]:
    """Return the Struct as a row of its table."""
    return {name: getattr(record, _WHOSE.get(name, name)) for name in names}


def _save(connection: Connection, book: Book) -> None:
    """Write what the book has changed."""
    cars = [book.cars[number] for number in sorted(book.cars_touched)]
    devices = [book.devices[number] for number in sorted(book.touched)]
    for table, names, known, records in (
        (VEHICLE, _CAR_NAMES, book.vehicles_known, cars),
        (TERMINAL, _DEVICE_NAMES, book.terminals_known, devices),
    ):
        changed = [_row(record, names) for record in records if record.id <= known]
        if changed:
            values: dict[str, Any] = {name: bindparam(name) for name in names if name != "id"}
            connection.execute(update(table).where(table.c.id == bindparam("which")).values(values),
                               [{**row, "which": row["id"]} for row in changed])  # fmt: skip
        nowhere = {"province": 0, "city": 0} if table is TERMINAL else {}
        made = [_row(record, names) | nowhere for record in records if record.id > known]
        if made:
            connection.execute(insert(table), made)
    for part in _chunks(book.gone):
        connection.execute(delete(BINDING).where(BINDING.c.id.in_(part)))
    stays = [stay for device in devices for stay in book.stays.get(device.id, ())]
    for stay in stays:
        if stay.id:
            ends = {"to_ms": stay.to_ms, "store_id": stay.store}
            connection.execute(update(BINDING).where(BINDING.c.id == stay.id).values(**ends))
    begun = [_row(stay, [name for name in _STAY_NAMES if name != "id"]) for stay in stays if not stay.id]
    if begun:
        connection.execute(insert(BINDING), begun)
