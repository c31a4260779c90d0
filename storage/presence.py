"""Presence: whether each terminal can be reached, a row each, as actors.presence has said it last."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, func, insert, select, update

from core import limits
from core.rights import Principal
from storage.database import Database
from storage.tables.business import BINDING, PRESENCE, TERMINAL, VEHICLE

STATES: Final = ("online", "silent", "offline")


class Presence(msgspec.Struct, kw_only=True):
    """One terminal."""

    terminal: int
    vehicle: int
    group: int
    store: int
    state: str = "offline"
    """online; silent: logged in, and reports no more; offline."""
    since_ms: int = 0
    epoch: int = 0
    node: str = ""
    opened_ms: int = 0
    closed_ms: int = 0
    """Of its last session; 0: it is open."""
    event: str = ""
    """The event that said so."""
    cut_ms: int = 0
    """Cut from the car's power since; 0: is not."""


class PresenceView(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a terminal can be reached, as people see it."""

    terminal: int
    vehicle_id: int
    state: str
    since_ms: int
    cut_ms: int


def known(connection: Connection, terminals: Sequence[int]) -> dict[int, Presence]:
    """Return the rows of these terminals."""
    found: dict[int, Presence] = {}
    for first in range(0, len(terminals), limits.EVENTS_STATEMENT_MAX):
        part = terminals[first : first + limits.EVENTS_STATEMENT_MAX]
        for row in connection.execute(select(PRESENCE).where(PRESENCE.c.terminal.in_(part))):
            found[row.terminal] = _presence(row)
    return found


def reachable(connection: Connection) -> list[Presence]:
    """Return the rows of all that are not offline: those that time may change."""
    return [_presence(row) for row in connection.execute(select(PRESENCE).where(PRESENCE.c.state != "offline"))]


def exists(connection: Connection, terminals: Iterable[int]) -> set[int]:
    """Return which of these terminals there are."""
    wanted = select(TERMINAL.c.id).where(TERMINAL.c.id.in_(sorted(set(terminals))))
    return {row[0] for row in connection.execute(wanted)}


def put(connection: Connection, row: Presence) -> None:
    """Write a row."""
    values: dict[str, Any] = msgspec.structs.asdict(row)
    values |= {"group_id": values.pop("group"), "store_id": values.pop("store")}
    mine = PRESENCE.c.terminal == row.terminal
    if not connection.execute(update(PRESENCE).where(mine).values(**values)).rowcount:
        connection.execute(insert(PRESENCE).values(**values))


def _presence(row: Any) -> Presence:
    values = dict(row._mapping)
    return Presence(group=values.pop("group_id"), store=values.pop("store_id"), **values)


class Presences:
    """The rows as people read them. Blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_terminals(self, terminals: Sequence[int]) -> Mapping[int, PresenceView]:
        """Return what is known of these terminals, at most EVENTS_STATEMENT_MAX. For who found them by their scope."""
        wanted = select(PRESENCE).where(PRESENCE.c.terminal.in_(terminals))
        with self._database.read() as connection:
            return {row.terminal: _view(row) for row in connection.execute(wanted)}

    def of_vehicle(self, principal: Principal, vehicle_id: int) -> list[PresenceView]:
        """Return what is known of the terminals that speak for a car now; none for a car out of scope."""
        wanted = (
            select(PRESENCE)
            .join(BINDING, and_(BINDING.c.terminal == PRESENCE.c.terminal, BINDING.c.to_ms.is_(None)))
            .join(VEHICLE, VEHICLE.c.id == BINDING.c.vehicle)
            .where(BINDING.c.vehicle == vehicle_id, VEHICLE.c.group_id == principal.scope.group)
            .order_by(PRESENCE.c.terminal)
        )
        if principal.scope.stores is not None:
            wanted = wanted.where(VEHICLE.c.store_id.in_(principal.scope.stores))
        with self._database.read() as connection:
            return [_view(row) for row in connection.execute(wanted)]

    def counts(self, principal: Principal) -> dict[str, int]:
        """Return how many terminals in service of the scope are online, silent, offline, and cut from power."""
        mine = [TERMINAL.c.group_id == principal.scope.group, TERMINAL.c.retired_ms == 0]
        if principal.scope.stores is not None:
            mine.append(TERMINAL.c.store_id.in_(principal.scope.stores))
        joined = PRESENCE.join(TERMINAL, TERMINAL.c.id == PRESENCE.c.terminal)
        by_state = select(PRESENCE.c.state, func.count()).select_from(joined).where(*mine).group_by(PRESENCE.c.state)
        cut = select(func.count()).select_from(joined).where(*mine, PRESENCE.c.cut_ms > 0)
        with self._database.read() as connection:
            counts = dict.fromkeys(STATES, 0) | {row[0]: row[1] for row in connection.execute(by_state)}
            return counts | {"unplugged": connection.execute(cut).scalar_one()}


def _view(row: Any) -> PresenceView:
    return PresenceView(
        terminal=row.terminal, vehicle_id=row.vehicle, state=row.state, since_ms=row.since_ms, cut_ms=row.cut_ms
    )
