"""The garage as people see it: whose a car is and was, how far it has come, its health record, readings that wait.

Reads only: the rows are written by the business (actors/business/garage.py), from the log. The scope stands in the SQL
of each query: a car belongs to the store that its row names now, and so does everything of it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, case, func, literal, or_, select, tuple_

from core import limits
from core.chain import START, link
from core.health_record import parts
from core.rights import Principal
from storage.database import Database
from storage.eventlog import EVENT_COLUMNS, event_of
from storage.tables.business import EVENT, VEHICLE
from storage.tables.garage import (
    GARAGE_ALIAS,
    GARAGE_BINDING,
    GARAGE_CAR,
    GARAGE_ENTRY,
    GARAGE_HELD,
    GARAGE_LINK,
    GARAGE_TERMINAL,
)


class CarView(msgspec.Struct, frozen=True, kw_only=True):
    """A car's life: actors.business.garage.Car says what each field means."""

    vehicle_id: int
    plate: str
    group: int
    store: int
    state: str
    state_ms: int
    owner: int
    """The person, as identity numbers them; 0: nobody that we know."""
    owner_ms: int
    owners: int
    odometer_m: int
    odometer_ms: int
    odometer_from: str
    driven_m: int
    trips: int
    trip_id: str
    trip_from_ms: int
    trip_to_ms: int
    trip_m: int
    held: int
    entries: int
    head: str


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which a person was something to a car."""

    vehicle_id: int
    person: int
    whole: int
    """Whom they were merged into; themselves where into nobody."""
    role: str
    from_ms: int
    to_ms: int | None
    """None while it lasts."""
    source: str
    verified: bool
    ended_by: str


class DeviceView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch in which a terminal spoke for a car, and what became of the terminal."""

    terminal: int
    role: str
    from_ms: int
    to_ms: int | None
    state: str
    """Of the terminal now, if it still speaks for the car; else `ended`."""


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a health record."""

    vehicle_id: int
    number: int
    kind: str
    time_ms: int
    event: str
    """Id of the event behind it."""
    detail: str
    """JSON, as it was hashed."""
    group_id: int
    store_id: int
    hash: str
    seq: int = 0
    """Number of that event in the log; 0: not asked for."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a health record is what was written."""

    sound: bool
    entries: int
    """How many there are."""
    proved: int
    """How many were reckoned over, from the first on."""
    broken: int
    """Number of the first entry that is not what was written, or that is missing; 0: none."""
    why: str
    """hash: its bytes do not give its hash; gap: it is missing; log: the log was told another hash; empty: sound."""
    head: str
    """Hash of the last entry."""
    told: str
    """The hash that the log was told last."""


class HeldView(msgspec.Struct, frozen=True, kw_only=True):
    """A reading that waits for a person, or what was decided of it."""

    vehicle_id: int
    plate: str
    store: int
    number: int
    state: str
    why: str
    source: str
    reading_m: int
    stands_m: int
    odometer_m: int
    """Where the car stands now."""
    times: int
    first_ms: int
    last_ms: int
    event: str
    decided_ms: int
    decided_by: str

    @property
    def place(self) -> tuple[int, int, int]:
        """Where it stands in the list."""
        return int(self.state != "open"), self.vehicle_id, self.number


class Garage:
    """Reads the garage's tables for principals. Everything blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def car(self, principal: Principal, vehicle_id: int) -> CarView | None:
        """Return a car; None if there is none that this principal may see, or none that the garage has heard of."""
        names = [name for name in CarView.__struct_fields__ if name not in ("plate", "group", "store")]
        wanted = (
            select(VEHICLE.c.plate, VEHICLE.c.group_id, VEHICLE.c.store_id, *(GARAGE_CAR.c[name] for name in names))
            .join(VEHICLE, VEHICLE.c.id == GARAGE_CAR.c.vehicle_id)
            .where(VEHICLE.c.id == vehicle_id, _whose(principal))
        )
        row = next(iter(self._rows(wanted)), None)
        if row is None:
            return None
        whose = {"plate": row.plate, "group": row.group_id, "store": row.store_id}
        return CarView(**whose, **{name: getattr(row, name) for name in names})

    def people(self, principal: Principal, vehicle_id: int) -> list[LinkView]:
        """Return who is and was what to a car, the newest first; empty for one out of scope."""
        wanted = (
            _LINKS.join(VEHICLE, VEHICLE.c.id == GARAGE_LINK.c.vehicle_id)
            .where(VEHICLE.c.id == vehicle_id, _whose(principal))
            .order_by(GARAGE_LINK.c.from_ms.desc(), GARAGE_LINK.c.role, GARAGE_LINK.c.person)
            .limit(limits.LINKS_OF_CAR_MAX)
        )
        return [LinkView(**row._mapping) for row in self._rows(wanted)]

    def cars_of(self, principal: Principal, person: int) -> list[LinkView]:
        """Return which cars a person is and was something to, those of whom was merged into them too, the newest first,
        at most LINKS_OF_CAR_MAX."""
        first = select(GARAGE_ALIAS.c.person).where(GARAGE_ALIAS.c.whole == person)
        merged = select(GARAGE_ALIAS.c.person).where(
            or_(GARAGE_ALIAS.c.whole == person, GARAGE_ALIAS.c.whole.in_(first))
        )
        wanted = (
            _LINKS.join(VEHICLE, VEHICLE.c.id == GARAGE_LINK.c.vehicle_id)
            .where(or_(GARAGE_LINK.c.person == person, GARAGE_LINK.c.person.in_(merged)), _whose(principal))
            .order_by(GARAGE_LINK.c.from_ms.desc(), GARAGE_LINK.c.vehicle_id)
            .limit(limits.LINKS_OF_CAR_MAX)
        )
        return [LinkView(**row._mapping) for row in self._rows(wanted)]

    def devices(self, principal: Principal, vehicle_id: int) -> list[DeviceView]:
        """Return what speaks and spoke for a car, newest first, at most BINDINGS_READ_MAX. Stretches that touch and say
        the same, as a correction that was undone leaves them, are one."""
        wanted = (
            select(GARAGE_BINDING, GARAGE_TERMINAL.c.state, GARAGE_TERMINAL.c.vehicle_id.label("now"))
            .join(VEHICLE, VEHICLE.c.id == GARAGE_BINDING.c.vehicle_id)
            .outerjoin(GARAGE_TERMINAL, GARAGE_TERMINAL.c.terminal == GARAGE_BINDING.c.terminal)
            .where(VEHICLE.c.id == vehicle_id, _whose(principal))
            .order_by(GARAGE_BINDING.c.terminal, GARAGE_BINDING.c.from_ms)
            .limit(limits.BINDINGS_READ_MAX)
        )
        found: list[DeviceView] = []
        for row in self._rows(wanted):
            state = row.state if row.to_ms is None and row.now == vehicle_id else "ended"
            last = found[-1] if found else None
            if last and (last.terminal, last.role, last.to_ms) == (row.terminal, row.role, row.from_ms):
                found[-1] = msgspec.structs.replace(last, to_ms=row.to_ms, state=state)
            else:
                found.append(
                    DeviceView(terminal=row.terminal, role=row.role, from_ms=row.from_ms, to_ms=row.to_ms, state=state)
                )
        return sorted(found, key=lambda one: -one.from_ms)

    def record(self, principal: Principal, vehicle_id: int, *, before: int = 0, limit: int = 100) -> list[EntryView]:
        """Return a car's health record, the newest entry first.

        Args:
            before: only entries with a lower number; 0: from the newest on.
        """
        wanted = (
            select(GARAGE_ENTRY, func.coalesce(EVENT.c.seq, 0).label("seq"))
            .join(VEHICLE, VEHICLE.c.id == GARAGE_ENTRY.c.vehicle_id)
            .outerjoin(EVENT, EVENT.c.id == GARAGE_ENTRY.c.event)
            .where(VEHICLE.c.id == vehicle_id, _whose(principal))
            .order_by(GARAGE_ENTRY.c.number.desc())
            .limit(min(limit, limits.ENTRIES_PAGE_MAX))
        )
        if before:
            wanted = wanted.where(GARAGE_ENTRY.c.number < before)
        return [EntryView(**row._mapping) for row in self._rows(wanted)]

    def states(self, principal: Principal, vehicle_id: int) -> list[EntryView]:
        """Return the changes of a car's state, as its health record has them, oldest first, the newest
        ENTRIES_PAGE_MAX."""
        wanted = (
            select(GARAGE_ENTRY)
            .join(VEHICLE, VEHICLE.c.id == GARAGE_ENTRY.c.vehicle_id)
            .where(VEHICLE.c.id == vehicle_id, GARAGE_ENTRY.c.kind == "state", _whose(principal))
            .order_by(GARAGE_ENTRY.c.number.desc())
            .limit(limits.ENTRIES_PAGE_MAX)
        )
        return [EntryView(**row._mapping) for row in reversed(self._rows(wanted))]

    def proof(self, principal: Principal, vehicle_id: int) -> Proof | None:
        """Reckon a car's health record over, and compare it with what the log was told; None for a car out of scope.

        At most ENTRIES_PROVED_MAX entries, from the first on; of the head always whether it is what the log was told.
        """
        seen = select(VEHICLE.c.id).where(VEHICLE.c.id == vehicle_id, _whose(principal))
        chain = select(GARAGE_ENTRY).where(GARAGE_ENTRY.c.vehicle_id == vehicle_id).order_by(GARAGE_ENTRY.c.number)
        last = chain.order_by(None).order_by(GARAGE_ENTRY.c.number.desc()).limit(1)
        counted = select(func.count()).select_from(GARAGE_ENTRY).where(GARAGE_ENTRY.c.vehicle_id == vehicle_id)
        told = (
            select(*(EVENT.c[name] for name in EVENT_COLUMNS))
            .where(EVENT.c.subject == f"vehicle:{vehicle_id}", EVENT.c.type == "health.recorded")
            .order_by(EVENT.c.seq)
        )
        with self._database.read() as connection:
            if connection.execute(seen).first() is None:
                return None
            entries = connection.execute(chain.limit(limits.ENTRIES_PROVED_MAX)).all()
            newest = connection.execute(last).first()
            count = connection.execute(counted).scalar_one()
            said = connection.execute(told.order_by(None).order_by(EVENT.c.seq.desc()).limit(1)).first()
            said_number, said_hash = (0, START) if said is None else _told(said)
            broken, why = _broken(entries)
            head = newest.hash if newest is not None else START
            number = newest.number if newest is not None else 0
            if not broken and (number, head) != (said_number, said_hash):
                # Rewritten from end to end, or cut off: the log says from where on.
                hashes = dict(_told(row) for row in connection.execute(told.limit(limits.ENTRIES_PROVED_MAX)))
                ours = {row.number: row.hash for row in entries}
                differing = [one for one in sorted(ours.keys() | hashes.keys()) if ours.get(one) != hashes.get(one)]
                broken, why = (differing[0], "log") if differing else (max(number, said_number), "log")
                if broken not in ours:
                    why = "gap"
        return Proof(
            sound=not broken, entries=count, proved=len(entries), broken=broken, why=why, head=head, told=said_hash
        )

    def held(
        self,
        principal: Principal,
        *,
        after: tuple[int, int, int] = (0, 0, 0),
        limit: int = 100,
        state: str = "open",
        vehicle_id: int = 0,
    ) -> list[HeldView]:
        """Return held readings: those that wait before those that are decided, then by vehicle and number.

        Args:
            after: `place` of the last one seen.
            state: open, accepted or dismissed; empty: all.
            vehicle_id: of this car only; 0: of all.
        """
        here = GARAGE_HELD.c
        decided = case((here.state == "open", 0), else_=1)
        names = [name for name in HeldView.__struct_fields__ if name in here and name != "odometer_m"]
        wanted = (
            select(
                VEHICLE.c.plate, VEHICLE.c.store_id.label("store"), GARAGE_CAR.c.odometer_m,
                *(here[name] for name in names),
            )
            .join(VEHICLE, VEHICLE.c.id == here.vehicle_id)
            .join(GARAGE_CAR, GARAGE_CAR.c.vehicle_id == here.vehicle_id)
            .where(_whose(principal))
            .where(tuple_(decided, here.vehicle_id, here.number) > tuple_(*(literal(part) for part in after)))
            .order_by(decided, here.vehicle_id, here.number)
            .limit(min(limit, limits.HELD_PAGE_MAX))
        )  # fmt: skip
        if state:
            wanted = wanted.where(here.state == state)
        if vehicle_id:
            wanted = wanted.where(here.vehicle_id == vehicle_id)
        return [HeldView(**row._mapping) for row in self._rows(wanted)]

    def _rows(self, wanted: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(wanted).all()


_LINKS: Final = select(
    *(GARAGE_LINK.c[name] for name in LinkView.__struct_fields__ if name != "whole"),
    func.coalesce(GARAGE_ALIAS.c.whole, GARAGE_LINK.c.person).label("whole"),
).outerjoin(GARAGE_ALIAS, GARAGE_ALIAS.c.person == GARAGE_LINK.c.person)


def _whose(principal: Principal) -> ColumnElement[bool]:
    scope = principal.scope
    group = VEHICLE.c.group_id == scope.group
    return group if scope.stores is None else and_(group, VEHICLE.c.store_id.in_(scope.stores))


def _told(row: Any) -> tuple[int, str]:
    """Return number and hash of an entry as the log was told."""
    payload = event_of(row).payload
    return payload.number, payload.hash


def _broken(entries: Sequence[Any]) -> tuple[int, str]:
    """Return the number of the first entry that is missing or not what its hash says, and why; 0 for none."""
    before = START
    for number, entry in enumerate(entries, 1):
        if entry.number != number:
            return number, "gap"
        if link(before, *parts(entry)) != entry.hash:
            return number, "hash"
        before = entry.hash
    return 0, ""
