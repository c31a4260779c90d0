"""Vehicles as people look for them: by plate, VIN, number or the end of a phone, with store and terminals.

The scope stands in the SQL of each query: a vehicle belongs to the store that its row names now. Phones are searched
and shown for those only who may read terminals.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select

from core import limits
from core.rights import Principal
from core.zones import TIME_ZONE_DEFAULT
from storage.database import Database
from storage.tables.business import BINDING, STORE, TERMINAL, VEHICLE

SEARCH_CHARACTERS_MAX: Final = 40
PHONE_TAIL_DIGITS_MIN: Final = 3
"""Fewer digits are the end of too many phones to be meant as one."""
_VEHICLE_ID_MAX: Final = 2**31 - 1


class StoreOf(msgspec.Struct, frozen=True, kw_only=True):
    """The store that a vehicle belongs to; id 0: the group itself."""

    id: int = 0
    code: str = ""
    name_zh: str = ""
    name_en: str = ""
    time_zone: str = TIME_ZONE_DEFAULT


class VehicleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A vehicle."""

    vehicle_id: int
    plate: str
    plate_colour: int
    vin: str
    group: int
    store: StoreOf
    created_ms: int


class BindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that speaks, or spoke, for a vehicle. Phone and identity are empty for who may not read terminals."""

    terminal: int
    phone: str
    terminal_id: str
    maker: str
    model: str
    role: str
    from_ms: int
    to_ms: int | None
    """None while it lasts."""


_ROW: Final = select(
    VEHICLE.c.id,
    VEHICLE.c.plate,
    VEHICLE.c.plate_colour,
    VEHICLE.c.vin,
    VEHICLE.c.group_id,
    VEHICLE.c.created_ms,
    STORE.c.id.label("store"),
    STORE.c.code,
    STORE.c.name_zh,
    STORE.c.name_en,
    STORE.c.time_zone,
).outerjoin(STORE, and_(STORE.c.id == VEHICLE.c.store_id, STORE.c.group_id == VEHICLE.c.group_id))


class Vehicles:
    """Reads vehicles for principals. Everything blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, principal: Principal, *, after: int = 0, limit: int = 100, search: str = "", store: int | None = None
    ) -> list[VehicleRow]:
        """Return vehicles with an id above `after` by id, at most `limit`.

        Args:
            search: a part of plate or VIN, the vehicle's number, or the last three or more digits of a phone.
            store: only of this one, 0 being the group itself.
        """
        wanted = _ROW.where(VEHICLE.c.id > after, _whose(principal)).order_by(VEHICLE.c.id)
        if store is not None:
            wanted = wanted.where(VEHICLE.c.store_id == store)
        if search := search.strip()[:SEARCH_CHARACTERS_MAX]:
            wanted = wanted.where(_found(search, principal))
        return self._rows(wanted.limit(min(limit, limits.VEHICLES_PAGE_MAX)))

    def one(self, principal: Principal, vehicle_id: int) -> VehicleRow | None:
        """Return a vehicle; None if there is none that this principal may see."""
        if not 0 < vehicle_id <= _VEHICLE_ID_MAX:
            return None
        return next(iter(self._rows(_ROW.where(VEHICLE.c.id == vehicle_id, _whose(principal)))), None)

    def some(self, principal: Principal, vehicle_ids: Sequence[int]) -> list[VehicleRow]:
        """Return those of these vehicles that this principal may see, at most VEHICLES_PAGE_MAX."""
        if not vehicle_ids:
            return []
        wanted = _ROW.where(VEHICLE.c.id.in_(vehicle_ids[: limits.VEHICLES_PAGE_MAX]), _whose(principal))
        return self._rows(wanted.order_by(VEHICLE.c.id))

    def bindings(self, principal: Principal, vehicle_id: int) -> list[BindingRow]:
        """Return what speaks and spoke for a vehicle, newest first, at most 100; empty for one out of scope."""
        may = principal.may("terminals.read")
        wanted = (
            select(
                TERMINAL.c.id, TERMINAL.c.phone, TERMINAL.c.terminal_id, TERMINAL.c.maker, TERMINAL.c.model,
                BINDING.c.role, BINDING.c.from_ms, BINDING.c.to_ms,
            )
            .join(BINDING, BINDING.c.terminal == TERMINAL.c.id)
            .join(VEHICLE, VEHICLE.c.id == BINDING.c.vehicle)
            .where(VEHICLE.c.id == vehicle_id, _whose(principal))
            .order_by(BINDING.c.from_ms.desc(), BINDING.c.id.desc())
            .limit(100)
        )  # fmt: skip
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        return [
            BindingRow(
                terminal=row.id,
                phone=row.phone if may else "",
                terminal_id=row.terminal_id if may else "",
                maker=row.maker,
                model=row.model,
                role=row.role,
                from_ms=row.from_ms,
                to_ms=row.to_ms,
            )
            for row in rows
        ]

    def spoke(self, vehicle_id: int) -> list[tuple[str, int, int | None]]:
        """Return which phones spoke for a vehicle, from when, and until when (None: still), newest first, at most 100.
        For who found the vehicle by their scope."""
        wanted = (
            select(TERMINAL.c.phone, BINDING.c.from_ms, BINDING.c.to_ms)
            .join(TERMINAL, TERMINAL.c.id == BINDING.c.terminal)
            .where(BINDING.c.vehicle == vehicle_id)
            .order_by(BINDING.c.from_ms.desc(), BINDING.c.id.desc())
            .limit(100)
        )
        with self._database.read() as connection:
            return [(row.phone, row.from_ms, row.to_ms) for row in connection.execute(wanted)]

    def makes(self, vehicle_id: int) -> dict[int, tuple[str, str]]:
        """Return maker and model of each terminal that ever spoke for a vehicle, by the terminal's id, at most 100.
        For who found the vehicle by their scope, to read what its terminals say."""
        wanted = (
            select(TERMINAL.c.id, TERMINAL.c.maker, TERMINAL.c.model)
            .join(BINDING, BINDING.c.terminal == TERMINAL.c.id)
            .where(BINDING.c.vehicle == vehicle_id)
            .distinct()
            .order_by(TERMINAL.c.id.desc())
            .limit(100)
        )
        with self._database.read() as connection:
            return {row.id: (row.maker, row.model) for row in connection.execute(wanted)}

    def phones(self, vehicle_ids: Sequence[int]) -> dict[int, list[str]]:
        """Return the phones that speak for these vehicles now. For who found them by their scope and may read
        terminals."""
        phones: dict[int, list[str]] = {}
        wanted = (
            select(BINDING.c.vehicle, TERMINAL.c.phone)
            .join(TERMINAL, TERMINAL.c.id == BINDING.c.terminal)
            .where(BINDING.c.vehicle.in_(vehicle_ids), BINDING.c.to_ms.is_(None))
            .order_by(BINDING.c.id)
        )
        with self._database.read() as connection:
            for vehicle_id, phone in connection.execute(wanted):
                phones.setdefault(vehicle_id, []).append(phone)
        return phones

    def phones_of(self, terminals: Sequence[int]) -> dict[int, str]:
        """Return the phone of each of these terminals. For who found them by their scope and may read terminals."""
        wanted = select(TERMINAL.c.id, TERMINAL.c.phone).where(TERMINAL.c.id.in_(terminals))
        with self._database.read() as connection:
            return {row.id: row.phone for row in connection.execute(wanted)}

    def stores(self, principal: Principal) -> list[StoreOf]:
        """Return the stores of the scope, by code."""
        wanted = select(STORE).where(STORE.c.group_id == principal.scope.group).order_by(STORE.c.code)
        if principal.scope.stores is not None:
            wanted = wanted.where(STORE.c.id.in_(principal.scope.stores))
        with self._database.read() as connection:
            return [_store(row, row.id) for row in connection.execute(wanted)]

    def _rows(self, wanted: Select[Any]) -> list[VehicleRow]:
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        return [
            VehicleRow(
                vehicle_id=row.id,
                plate=row.plate,
                plate_colour=row.plate_colour,
                vin=row.vin,
                group=row.group_id,
                store=_store(row, row.store),
                created_ms=row.created_ms,
            )
            for row in rows
        ]


def _store(row: Any, store_id: int | None) -> StoreOf:
    if store_id is None:
        return StoreOf()
    return StoreOf(id=store_id, code=row.code, name_zh=row.name_zh, name_en=row.name_en, time_zone=row.time_zone)


def _whose(principal: Principal) -> ColumnElement[bool]:
    scope = principal.scope
    group = VEHICLE.c.group_id == scope.group
    return group if scope.stores is None else and_(group, VEHICLE.c.store_id.in_(scope.stores))


def _found(search: str, principal: Principal) -> ColumnElement[bool]:
    """Return the condition that a vehicle is what was searched for."""
    upper = search.upper()
    ways: list[ColumnElement[bool]] = [
        func.upper(VEHICLE.c.plate).contains(upper, autoescape=True),
        func.upper(VEHICLE.c.vin).contains(upper, autoescape=True),
    ]
    if search.isascii() and search.isdigit():
        if int(search) <= _VEHICLE_ID_MAX:
            ways.append(VEHICLE.c.id == int(search))
        if len(search) >= PHONE_TAIL_DIGITS_MIN and principal.may("terminals.read"):
            ways.append(
                select(BINDING.c.id)
                .join(TERMINAL, TERMINAL.c.id == BINDING.c.terminal)
                .where(BINDING.c.vehicle == VEHICLE.c.id, BINDING.c.to_ms.is_(None))
                .where(TERMINAL.c.phone.endswith(search))
                .exists()
            )
    return or_(false(), *ways)
