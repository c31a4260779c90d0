"""Areas: which geofence each terminal is to keep, which it was told, and what came of it; a row each.

The rows are written by the actor that tells terminals (actors.areas), in the transactions of the event log, and read
by people through `page`. What a row goes through is decided there; here stands how it is kept and found.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, func, insert, select, update

from core.geofence import AreaKind, Geofence
from core.rights import Principal, Scope
from storage.database import Database
from storage.geofences import geofence_of, visible
from storage.tables.business import AREA_TERMINAL, BINDING, GEOFENCE, GEOFENCE_VEHICLE, TERMINAL, VEHICLE

NEVER_MS: Final = 1 << 62
"""Due at no time: nothing is to be done, or the terminal is awaited."""

State = Literal["wanted", "queued", "told", "refused", "withdrawing", "withdrawn", "differs", "unknown"]
STATES: Final[tuple[State, ...]] = (
    "wanted", "queued", "told", "refused", "withdrawing", "withdrawn", "differs", "unknown",
)  # fmt: skip
Verdict = Literal["", "full", "refused", "differs", "unknown"]
Doing = Literal["", "tell", "withdraw", "compare"]

_STATEMENT_IDS: Final = 500
_OTHER: Final = AREA_TERMINAL.alias()


class AreaRow(msgspec.Struct, kw_only=True):
    """One terminal and one geofence."""

    fence: int
    terminal: int
    vehicle: int
    group: int
    store: int
    """The car that the terminal speaks for, and whose that is."""
    kind: AreaKind = ""
    """As what it is to keep the fence; empty: it is not to."""
    wanted_revision: int = 0
    """The fence's, in which what is told of it changed last."""
    told_kind: AreaKind = ""
    """As what it keeps the fence, or may: set before it is told."""
    told_revision: int = 0
    """The revision that it has confirmed; 0: none."""
    state: State = "wanted"
    """What people see; follows from the others (actors.areas.settle)."""
    verdict: Verdict = ""
    """Why nothing more is done by itself."""
    reason: str = ""
    since_ms: int = 0
    """When it came to its state, UTC epoch ms."""
    due_ms: int = NEVER_MS
    """When the next command may be asked for."""
    doing: Doing = ""
    command: str = ""
    """The command on its way: what it does, and its id; empty: none is."""
    asked_kind: AreaKind = ""
    asked_revision: int = 0
    asked_ms: int = 0
    asks: int = 0
    """Commands asked for so far; part of the id of the next."""
    attempts: int = 0
    """Commands in a row without an answer."""
    comparing: bool = False
    """Somebody wants to know what the terminal holds."""
    compared_ms: int = 0
    differences: tuple[str, ...] = ()
    """What is different there: fields of the message, `missing`; or why nothing can be said, `edition`, `unanswered`
    or `long`."""
    others: tuple[int, ...] = ()
    """Areas of this kind on the terminal that we know nothing of, by their ids there."""


class Told(NamedTuple):
    """One geofence that terminals are told of: to whom it is for."""

    fence: int
    group: int
    store: int
    vehicles: frozenset[int] | None
    kind: AreaKind
    revision: int


class Target(NamedTuple):
    """One terminal in service, or not any more, and the car it speaks for."""

    terminal: int
    vehicle: int
    group: int
    store: int
    in_service: bool


# --- for the actor ----------------------------------------------------------------------------------------------------


def told(connection: Connection) -> list[Told]:
    """Return every fence that terminals are to keep, by id: the oldest first."""
    wanted = (
        select(GEOFENCE)
        .where(GEOFENCE.c.area_kind != "", GEOFENCE.c.active, GEOFENCE.c.removed_ms == 0)
        .order_by(GEOFENCE.c.id)
    )
    rows = connection.execute(wanted).fetchall()
    chosen: dict[int, set[int]] = {row.id: set() for row in rows if row.applies == "vehicles"}
    for part in parts(list(chosen)):
        for row in connection.execute(select(GEOFENCE_VEHICLE).where(GEOFENCE_VEHICLE.c.geofence.in_(part))):
            chosen[row.geofence].add(row.vehicle)
    return [
        Told(
            row.id,
            row.group_id,
            row.store_id,
            frozenset(chosen[row.id]) if row.id in chosen else None,
            row.area_kind,
            row.area_revision,
        )
        for row in rows
    ]


def concerned(connection: Connection, fence: Told | None, number: int, after: int, limit: int) -> list[int]:
    """Return terminals above `after` that a fence is for or was told to, by id, at most `limit`.

    Args:
        fence: as it is told now; None: to nobody any more.
        number: its id.
    """
    known = select(AREA_TERMINAL.c.terminal).where(AREA_TERMINAL.c.fence == number, AREA_TERMINAL.c.terminal > after)
    found = {row[0] for row in connection.execute(known.order_by(AREA_TERMINAL.c.terminal).limit(limit))}
    if fence is not None:
        mine = and_(TERMINAL.c.id > after, TERMINAL.c.retired_ms == 0, VEHICLE.c.group_id == fence.group)
        if fence.store:
            mine = and_(mine, VEHICLE.c.store_id == fence.store)
        if fence.vehicles is not None:
            chosen = select(GEOFENCE_VEHICLE.c.vehicle).where(GEOFENCE_VEHICLE.c.geofence == number)
            mine = and_(mine, VEHICLE.c.id.in_(chosen))
        bound = _bound(select(TERMINAL.c.id)).where(mine).order_by(TERMINAL.c.id).limit(limit)
        found |= {row[0] for row in connection.execute(bound)}
    return sorted(found)[:limit]


def terminals_of(connection: Connection, vehicles: Sequence[int]) -> list[int]:
    """Return the terminals that speak for these cars now."""
    found: list[int] = []
    for part in parts(vehicles):
        bound = select(BINDING.c.terminal).where(BINDING.c.vehicle.in_(part), BINDING.c.to_ms.is_(None))
        found += [row[0] for row in connection.execute(bound)]
    return found


def targets(connection: Connection, terminals: Sequence[int]) -> list[Target]:
    """Return what is known of these terminals, by id. One that speaks for no car is not among them."""
    found: list[Target] = []
    columns = (TERMINAL.c.id, VEHICLE.c.id, VEHICLE.c.group_id, VEHICLE.c.store_id, TERMINAL.c.retired_ms == 0)
    for part in parts(terminals):
        rows = connection.execute(_bound(select(*columns)).where(TERMINAL.c.id.in_(part)).order_by(TERMINAL.c.id))
        found += [Target(*row) for row in rows]
    return found


def _bound(wanted: Any) -> Any:
    return (
        wanted.select_from(TERMINAL)
        .join(BINDING, and_(BINDING.c.terminal == TERMINAL.c.id, BINDING.c.to_ms.is_(None)))
        .join(VEHICLE, VEHICLE.c.id == BINDING.c.vehicle)
    )


def of_terminals(connection: Connection, terminals: Sequence[int]) -> list[AreaRow]:
    """Return the rows of these terminals."""
    return _among(connection, AREA_TERMINAL.c.terminal, terminals)


def of_commands(connection: Connection, commands: Sequence[str]) -> list[AreaRow]:
    """Return the rows that these commands are about."""
    return _among(connection, AREA_TERMINAL.c.command, [command for command in commands if command])


def of_fence(
    connection: Connection, fence: int, terminal: int, stores: Sequence[int], after: int, limit: int
) -> list[AreaRow]:
    """Return a fence's rows with a terminal above `after`, at most `limit`; of one terminal or of stores where said."""
    wanted = and_(AREA_TERMINAL.c.fence == fence, AREA_TERMINAL.c.terminal > after)
    if terminal:
        wanted = and_(wanted, AREA_TERMINAL.c.terminal == terminal)
    if stores:
        wanted = and_(wanted, AREA_TERMINAL.c.store_id.in_(stores))
    rows = select(AREA_TERMINAL).where(wanted).order_by(AREA_TERMINAL.c.terminal).limit(limit)
    return [_row(row) for row in connection.execute(rows)]


def due(connection: Connection, now_ms: int, limit: int) -> list[AreaRow]:
    """Return rows whose next command is due, the oldest first; none of a terminal that a command is on its way to."""
    busy = exists().where(_OTHER.c.terminal == AREA_TERMINAL.c.terminal, _OTHER.c.command != "")
    wanted = (
        select(AREA_TERMINAL)
        .where(AREA_TERMINAL.c.due_ms <= now_ms, ~busy)
        .order_by(AREA_TERMINAL.c.due_ms, AREA_TERMINAL.c.fence, AREA_TERMINAL.c.terminal)
        .limit(limit)
    )
    return [_row(row) for row in connection.execute(wanted)]


def in_the_air(connection: Connection) -> int:
    """Return how many commands are on their way."""
    commands = select(func.count(AREA_TERMINAL.c.command.distinct())).where(AREA_TERMINAL.c.command != "")
    return connection.execute(commands).scalar_one()


def lost(connection: Connection, asked_before_ms: int, limit: int) -> list[AreaRow]:
    """Return rows whose command was asked for so long ago that its end must have been missed."""
    late = and_(AREA_TERMINAL.c.command != "", AREA_TERMINAL.c.asked_ms < asked_before_ms)
    return [_row(row) for row in connection.execute(select(AREA_TERMINAL).where(late).limit(limit))]


def fences(connection: Connection, ids: Iterable[int]) -> dict[int, Geofence]:
    """Return these fences by id, without the cars they are for; removed ones too."""
    found: dict[int, Geofence] = {}
    for part in parts(sorted(set(ids))):
        rows = connection.execute(select(GEOFENCE).where(GEOFENCE.c.id.in_(part)))
        found |= {row.id: geofence_of(row) for row in rows}
    return found


def save(connection: Connection, new: Sequence[AreaRow], changed: Sequence[AreaRow]) -> None:
    """Write rows: new ones, and ones that were read before."""
    if new:
        connection.execute(insert(AREA_TERMINAL), [_values(row) for row in new])
    if changed:
        # What is bound as a key must have another name than the columns that are set.
        keys = [{"its_fence": row.fence, "its_terminal": row.terminal} for row in changed]
        connection.execute(_UPDATE, [_values(row) | key for row, key in zip(changed, keys, strict=True)])


def forget(connection: Connection, numbers: Iterable[int]) -> None:
    """Drop what is over of fences that are removed: rows whose terminal does not keep them any more."""
    for part in parts(sorted(set(numbers))):
        gone = select(GEOFENCE.c.id).where(GEOFENCE.c.id.in_(part), GEOFENCE.c.removed_ms > 0)
        over = and_(AREA_TERMINAL.c.fence.in_(gone), AREA_TERMINAL.c.state == "withdrawn")
        connection.execute(delete(AREA_TERMINAL).where(over))


def _among(connection: Connection, column: Any, values: Sequence[Any]) -> list[AreaRow]:
    found: list[AreaRow] = []
    for part in parts(values):
        rows = select(AREA_TERMINAL).where(column.in_(part)).order_by(AREA_TERMINAL.c.terminal, AREA_TERMINAL.c.fence)
        found += [_row(row) for row in connection.execute(rows)]
    return found


def parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Cut values into pieces that one statement takes."""
    for first in range(0, len(values), _STATEMENT_IDS):
        yield values[first : first + _STATEMENT_IDS]


_NAMES: Final = {"group": "group_id", "store": "store_id"}
_FIELDS: Final = tuple((name, _NAMES.get(name, name)) for name in AreaRow.__struct_fields__)
_LISTS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "differences": msgspec.json.Decoder(tuple[str, ...]),
    "others": msgspec.json.Decoder(tuple[int, ...]),
}


_UPDATE: Final = (
    update(AREA_TERMINAL)
    .where(AREA_TERMINAL.c.fence == bindparam("its_fence"), AREA_TERMINAL.c.terminal == bindparam("its_terminal"))
    .values({column: bindparam(column) for _, column in _FIELDS})
)


def _row(row: Any) -> AreaRow:
    values = {name: getattr(row, column) for name, column in _FIELDS}
    return AreaRow(**values | {name: decoder.decode(values[name]) for name, decoder in _LISTS.items()})


def _values(row: AreaRow) -> dict[str, Any]:
    values = {column: getattr(row, name) for name, column in _FIELDS}
    return values | {name: msgspec.json.encode(getattr(row, name)).decode() for name in _LISTS}


# --- for people -------------------------------------------------------------------------------------------------------


class AreaView(msgspec.Struct, frozen=True, kw_only=True):
    """One terminal and the geofence, as people see it."""

    terminal: int
    phone: str
    """Empty for who may not read terminals."""
    vehicle_id: int
    plate: str
    state: State
    reason: str
    """Why, in English; empty where the state says it all."""
    since_ms: int
    wanted_revision: int
    """The revision of the geofence that it is to keep; 0: none."""
    told_revision: int
    """The one it has confirmed; 0: none."""
    comparing: bool
    compared_ms: int
    differences: tuple[str, ...]
    others: tuple[int, ...]


class AreaPage(msgspec.Struct, frozen=True, kw_only=True):
    """Terminals of one geofence by id, and how many there are in each state."""

    items: list[AreaView]
    counts: dict[str, int]
    next: int | None


class Areas:
    """What people see of the areas of one business database. Blocks: one call, one unit of work."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, principal: Principal, fence: int, after: int = 0, limit: int = 100, *, states: Sequence[State] = ()
    ) -> AreaPage | None:
        """Return the terminals of a fence with an id above `after`; None if this principal does not see the fence.

        Args:
            states: only those in one of these.
        """
        scope = principal.scope
        mine = and_(AREA_TERMINAL.c.fence == fence, _vehicles_of(scope))
        joined = AREA_TERMINAL.join(VEHICLE, VEHICLE.c.id == AREA_TERMINAL.c.vehicle)
        with self._database.read() as connection:
            seen = and_(GEOFENCE.c.id == fence, visible(scope))
            if connection.execute(select(GEOFENCE.c.id).where(seen)).first() is None:
                return None
            counted = select(AREA_TERMINAL.c.state, func.count()).select_from(joined).where(mine)
            counts = {row[0]: row[1] for row in connection.execute(counted.group_by(AREA_TERMINAL.c.state))}
            wanted = (
                select(AREA_TERMINAL, TERMINAL.c.phone, VEHICLE.c.plate)
                .select_from(joined.join(TERMINAL, TERMINAL.c.id == AREA_TERMINAL.c.terminal))
                .where(mine, AREA_TERMINAL.c.terminal > after)
            )
            if states:
                wanted = wanted.where(AREA_TERMINAL.c.state.in_(states))
            rows = connection.execute(wanted.order_by(AREA_TERMINAL.c.terminal).limit(limit)).fetchall()
        items = [_view(row, phones=principal.may("terminals.read")) for row in rows]
        return AreaPage(
            items=items,
            counts={name: counts.get(name, 0) for name in STATES},
            next=items[-1].terminal if len(items) == limit else None,
        )


def _view(row: Any, *, phones: bool) -> AreaView:
    kept = _row(row)
    return AreaView(
        terminal=kept.terminal,
        phone=row.phone if phones else "",
        vehicle_id=kept.vehicle,
        plate=row.plate,
        state=kept.state,
        reason=kept.reason,
        since_ms=kept.since_ms,
        wanted_revision=kept.wanted_revision,
        told_revision=kept.told_revision,
        comparing=kept.comparing,
        compared_ms=kept.compared_ms,
        differences=kept.differences,
        others=kept.others,
    )


def _vehicles_of(scope: Scope) -> ColumnElement[bool]:
    mine = VEHICLE.c.group_id == scope.group
    return mine if scope.stores is None else and_(mine, VEHICLE.c.store_id.in_(scope.stores))
