"""Geofences: which places have a boundary, whose they are, and which cars they are for.

Every change is one transaction of the event log: rows, and `geofence.saved` or `geofence.removed` for each fence. Whose
fences somebody sees and changes stands in the SQL: those of their stores, and to see also the group's own.
"""

import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from core import limits
from core.clock import wall_ms
from core.events import Event, GeofenceRemoved, GeofenceSaved, derive_id
from core.geofence import (
    DEGREE_1E7,
    Geofence,
    GeofenceFaultError,
    TerminalRules,
    Window,
    area_kind,
    box_1e7,
    corner_count,
    indexed,
    mended,
    unusable,
)
from core.kernels.geodesy import LON_MAX_1E7
from core.kernels.geofence import Fence, FenceError, FenceIndex, build_index
from core.limits import OUTLINE_CELLS_MAX
from core.logging import say
from core.rights import NODE, Principal, Scope
from core.zones import TIME_ZONE_DEFAULT, offset_min
from storage.database import Database
from storage.tables.business import GEOFENCE, GEOFENCE_VEHICLE, STORE, VEHICLE

_ACTOR: Final = "geofences"
_STATEMENT_IDS: Final = 500
_RULES: Final = msgspec.json.Decoder(TerminalRules)
_WINDOWS: Final = msgspec.json.Decoder(tuple[Window, ...])
_NO_WINDOWS: Final = "[]"
IDS_NAMED: Final = 10
"""Ids of cars that a refusal names; the rest are counted."""

Shown = Literal["", "active", "inactive"]


class GeofenceUnknownError(LookupError):
    """There is no such geofence for whoever asks: none, removed, or out of their scope."""

    def __init__(self, number: int) -> None:
        super().__init__(f"no geofence {number}")
        self.number = number


class GeofenceChangedError(Exception):
    """Somebody else has changed the geofence since; `revision` is the present one."""

    def __init__(self, number: int, revision: int) -> None:
        super().__init__(f"geofence {number} has been changed since: it is at revision {revision}")
        self.revision = revision


class Change(NamedTuple):
    """One fence of a batch that is saved together, and what became of it."""

    fence: Geofence
    what: Literal["created", "changed", "unchanged"]


class Refusal(NamedTuple):
    """Why one fence of a batch, the one with this number from 0, cannot be saved."""

    number: int
    why: GeofenceFaultError | GeofenceChangedError | GeofenceUnknownError


class GeofenceRefusedError(Exception):
    """Some of several fences cannot be saved; nothing was saved."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(str(refusal.why) for refusal in refusals[:IDS_NAMED]))
        self.refusals = refusals


class View(NamedTuple):
    """What a map shows: its sides in 1e-7 degree, and how large one of its pixels is.

    A west above the east means a map across the antimeridian.
    """

    west: int
    south: int
    east: int
    north: int
    pixel_1e7: float
    """Of longitude."""

    @property
    def width(self) -> int:
        """Return how many units of longitude it shows."""
        return self.east - self.west + (0 if self.west <= self.east else 2 * LON_MAX_1E7)

    @property
    def shrink(self) -> float:
        """Return how many units of latitude are as high as one of longitude is wide, in its middle."""
        return math.cos(math.radians((self.south + self.north) / 2 / DEGREE_1E7))


class Sketch(NamedTuple):
    """One fence on a map."""

    fence: Geofence
    """Without what it is judged by, and without geometry where that is not drawn: read `form`."""
    box: tuple[int, int, int, int]
    """lat_min, lon_min, lat_max, lon_max, 1e-7 degree."""
    corners: int
    form: Literal["whole", "box", "dot"]
    """box: its boundary has too many corners for this answer; dot: it is smaller than four pixels."""


class Cluster(NamedTuple):
    """Several fences that are counted in one cell of a map."""

    lat_1e7: int
    lon_1e7: int
    """The middle of their centres."""
    box: tuple[int, int, int, int]
    """Of all of them: lat_min, lon_min, lat_max, lon_max."""
    fences: int


class Sketches(NamedTuple):
    """What a map shows of the fences in its box."""

    drawn: list[Sketch]
    clusters: list[Cluster]
    """Of those that are not drawn."""
    fences: int


class Transaction(Protocol):
    """What is needed of storage.eventlog.LogTransaction."""

    @property
    def connection(self) -> Connection: ...
    def append(self, events: Sequence[Event]) -> Sequence[int]: ...


class Log(Protocol):
    """What is needed of storage.eventlog.EventLog, or of what stands for it in a process that does not own the log."""

    @property
    def database(self) -> Database: ...
    @property
    def transaction(self) -> Callable[[], AbstractContextManager[Transaction]]: ...


def visible(scope: Scope) -> ColumnElement[bool]:
    """Return the condition for the fences that are seen: the group's own and those of the scope's stores."""
    mine = GEOFENCE.c.group_id == scope.group
    if scope.stores is not None:
        mine = and_(mine, or_(GEOFENCE.c.store_id == 0, GEOFENCE.c.store_id.in_(scope.stores)))
    return and_(mine, GEOFENCE.c.removed_ms == 0)


def changeable(scope: Scope, store: int) -> bool:
    """Tell whether the fences of this store (0: the group's own) are changed by people of this scope."""
    return scope.stores is None or (store != 0 and store in scope.stores)


class Geofences:
    """The geofences of one business database. Everything blocks; each call is one unit of work."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._database = log.database

    # --- reading ------------------------------------------------------------------------------------------------------

    def load(self, ids: Sequence[int] | None = None) -> list[Geofence]:
        """Return every fence that is judged by, of all groups, by id, with the vehicles it is for.

        Its time zone is the one that counts: where it names none its store's, or the default.

        Args:
            ids: only of these; one that is missing in the answer is judged by no more.
        """
        in_force = and_(GEOFENCE.c.active, GEOFENCE.c.removed_ms == 0)
        with self._database.read() as connection:
            if ids is None:
                fences = [geofence_of(row) for row in connection.execute(_ordered(in_force))]
            else:
                wanted = (_ordered(and_(in_force, GEOFENCE.c.id.in_(part))) for part in _parts(sorted(set(ids))))
                fences = [geofence_of(row) for one in wanted for row in connection.execute(one)]
            return _with_zones(connection, _with_vehicles(connection, fences))

    def page(
        self,
        principal: Principal,
        after: int = 0,
        limit: int = 1_000,
        *,
        search: str = "",
        store: int | None = None,
        shown: Shown = "",
        kind: str = "",
        role: str = "",
        with_vehicles: bool = False,
    ) -> list[Geofence]:
        """Return the fences this principal sees with an id above `after`, by id, at most `limit`.

        Args:
            search: part of the name, whatever the case.
            store: only this store's; 0: the group's own.
            shown: only those in force, or only those that are not.
            kind, role: only these; empty: all.
            with_vehicles: read which vehicles each is for, not only how many.
        """
        wanted = and_(_wanted(principal, search, store, shown, kind, role), GEOFENCE.c.id > after)
        with self._database.read() as connection:
            fences = [geofence_of(row) for row in connection.execute(_ordered(wanted).limit(limit))]
            if with_vehicles:
                return _with_vehicles(connection, fences, principal.scope)
            return _with_counts(connection, fences, principal.scope)

    def sketches(
        self,
        principal: Principal,
        view: View,
        *,
        search: str = "",
        store: int | None = None,
        shown: Shown = "",
        kind: str = "",
        role: str = "",
    ) -> Sketches:
        """Return what a map shows of the fences this principal sees, large ones first.

        Up to OUTLINES_MAX fences are drawn. Of more only those that are larger than a cell of the map, at most
        OUTLINES_LARGE_MAX; the others are counted in its cells. Filters are those of `page`.
        """
        wanted = and_(_wanted(principal, search, store, shown, kind, role), _in_view(view))
        # Never more than OUTLINE_CELLS_MAX cells along a side, whatever pixel somebody says.
        cell_lon = max(round(_CELL_PX * view.pixel_1e7), view.width // OUTLINE_CELLS_MAX + 1)
        cell_lat = max(
            round(_CELL_PX * view.pixel_1e7 * view.shrink), (view.north - view.south) // OUTLINE_CELLS_MAX + 1
        )
        with self._database.read() as connection:
            count = _count_where(connection, wanted)
            clusters: list[Cluster] = []
            if count > limits.OUTLINES_MAX:
                large = _is_large(cell_lat, cell_lon)
                times = 1
                while _count_where(connection, and_(wanted, large)) > limits.OUTLINES_LARGE_MAX:
                    times *= 4
                    large = _is_large(times * cell_lat, times * cell_lon)
                clusters = _clusters(connection, and_(wanted, ~large), view, cell_lat, cell_lon)
                wanted = and_(wanted, large)
            rows = connection.execute(select(*_SKETCHED).where(wanted).order_by(GEOFENCE.c.id)).fetchall()
            return Sketches(_drawn(connection, rows, view), clusters, count)

    def count(self, principal: Principal) -> int:
        """Return how many fences this principal sees."""
        with self._database.read() as connection:
            wanted = select(func.count()).select_from(GEOFENCE).where(visible(principal.scope))
            return connection.execute(wanted).scalar_one()

    def one(self, principal: Principal, number: int) -> Geofence:
        """Return one fence with those of its vehicles that this principal sees.

        Raises:
            GeofenceUnknownError: there is none of this id for this principal.
        """
        with self._database.read() as connection:
            fence = _one(connection, principal, number)
            return fence if principal.scope.stores is None else _with_vehicles(connection, [fence], principal.scope)[0]

    def of_vehicle(self, principal: Principal, vehicle_id: int, limit: int = 1_000) -> list[Geofence] | None:
        """Return the fences in force that are for one vehicle now, by id; None if this principal may not see it."""
        with self._database.read() as connection:
            wanted = and_(VEHICLE.c.id == vehicle_id, _vehicles_of(principal.scope))
            vehicle = connection.execute(select(VEHICLE.c.store_id).where(wanted)).first()
            if vehicle is None:
                return None
            chosen = select(GEOFENCE_VEHICLE.c.geofence).where(GEOFENCE_VEHICLE.c.vehicle == vehicle_id)
            applies = and_(
                visible(principal.scope),
                GEOFENCE.c.active,
                GEOFENCE.c.store_id.in_((0, vehicle.store_id)),
                or_(GEOFENCE.c.applies == "all", GEOFENCE.c.id.in_(chosen)),
            )
            fences = [geofence_of(row) for row in connection.execute(_ordered(applies).limit(limit))]
            return _with_counts(connection, fences, principal.scope)

    def cars(self, principal: Principal, fence: Geofence, vehicles: Sequence[int]) -> dict[int, str]:
        """Return the plates of those of the vehicles that this fence is for and this principal sees, by id."""
        mine = and_(VEHICLE.c.group_id == fence.group, _vehicles_of(principal.scope))
        if fence.store:
            mine = and_(mine, VEHICLE.c.store_id == fence.store)
        if fence.applies == "vehicles":
            chosen = select(GEOFENCE_VEHICLE.c.vehicle).where(GEOFENCE_VEHICLE.c.geofence == fence.id)
            mine = and_(mine, VEHICLE.c.id.in_(chosen))
        plates: dict[int, str] = {}
        with self._database.read() as connection:
            for part in _parts(vehicles):
                wanted = select(VEHICLE.c.id, VEHICLE.c.plate).where(and_(VEHICLE.c.id.in_(part), mine))
                plates |= {row.id: row.plate for row in connection.execute(wanted)}
        return plates

    # --- changing -----------------------------------------------------------------------------------------------------

    def save(self, fence: Geofence, principal: Principal = NODE) -> Geofence:
        """Store a geofence, a new one where its id is 0, and return it as it stands then.

        Raises:
            GeofenceFaultError: it is not sound, or not this principal's to save.
            GeofenceUnknownError: there is none of this id for this principal.
            GeofenceChangedError: its revision is not the present one.
            OwnerFencedError, StorageError: nothing is written.
        """
        try:
            return self.save_all([fence], principal)[0].fence
        except GeofenceRefusedError as refused:
            raise refused.refusals[0].why from refused

    def save_all(
        self, fences: Sequence[Geofence], principal: Principal = NODE, *, rehearse: bool = False
    ) -> list[Change]:
        """Store several geofences in one transaction; one that says nothing new is left as it is.

        Args:
            rehearse: find out what would become of each, and write nothing.

        Raises:
            GeofenceRefusedError: some cannot be saved; nothing is written.
            OwnerFencedError, StorageError: nothing is written.
        """
        # Looking for edges that cross may take a while: before the transaction.
        sound: list[Geofence | Refusal] = []
        for number, fence in enumerate(fences):
            try:
                sound.append(_sound(fence, principal))
            except GeofenceFaultError as why:
                sound.append(Refusal(number, why))
        kept = [number for number, one in enumerate(sound) if not isinstance(one, Refusal)]
        for k, fault in unusable([one for one in sound if not isinstance(one, Refusal)]).items():
            sound[kept[k]] = Refusal(kept[k], fault)
        if rehearse or any(isinstance(one, Refusal) for one in sound):
            with self._database.read() as connection:
                return _changes(connection, sound, principal, write=False)
        with self._log.transaction() as transaction:
            changes = _changes(transaction.connection, sound, principal, write=True)
            transaction.append([_saved(one.fence, principal) for one in changes if one.what != "unchanged"])
        return changes

    def assign(self, number: int, vehicles: Sequence[int], revision: int, principal: Principal = NODE) -> Geofence:
        """Let a fence be for these vehicles only; see `save` for what it raises."""
        fence = self.one(principal, number)
        return self.save(
            msgspec.structs.replace(fence, applies="vehicles", vehicles=tuple(vehicles), revision=revision), principal
        )

    def remove(self, number: int, revision: int, principal: Principal = NODE) -> Geofence:
        """Put a fence away: it is judged by no more and listed no more; its row stays, for the events that name it.

        Raises:
            GeofenceFaultError: not this principal's to remove.
            GeofenceUnknownError, GeofenceChangedError, OwnerFencedError, StorageError: as for `save`.
        """
        now_ms = time.time_ns() // 1_000_000
        with self._log.transaction() as transaction:
            fence = _one(transaction.connection, principal, number)
            _check_owner(principal.scope, fence.store)
            if fence.revision != revision:
                raise GeofenceChangedError(number, fence.revision)
            _check_commander(principal, fence)
            removed = msgspec.structs.replace(
                fence,
                active=False,
                removed_ms=now_ms,
                area_kind="",
                revision=revision + 1,
                changed_ms=now_ms,
                changed_by=principal.actor,
            )
            _update(transaction.connection, removed)
            payload = GeofenceRemoved(fence_id=number, revision=removed.revision)
            transaction.append([_event("geofence.removed", removed, principal, payload)])
        return removed


class Judged:
    """The fences that are judged by, kept, so that a change reads the rows it names and no others.

    Not for several threads at once. Of 100,000 fences to read all takes seconds, to build the index of them again a
    tenth of that.
    """

    def __init__(self, geofences: Geofences, now_ms: Callable[[], int] = wall_ms) -> None:
        self._geofences = geofences
        self._now_ms = now_ms
        self._fences: dict[int, Fence] | None = None
        self._zones: dict[int, str] = {}
        """Fence id -> the zone whose clock its windows go by."""

    def index(self, changed: Collection[int] = ()) -> FenceIndex:
        """Return the index of all of them, the first time and whenever some have changed. Blocks.

        A fence that cannot be indexed is left out, and said: rare, for what is stored was checked.
        """
        if self._fences is None:
            self._fences = {}
            self._take(self._geofences.load())
        elif changed:
            for number in changed:
                self._fences.pop(number, None)
                self._zones.pop(number, None)
            self._take(self._geofences.load(sorted(changed)))
        try:
            return build_index(self._fences.values())
        except FenceError:
            for number, fence in list(self._fences.items()):
                try:
                    build_index([fence])
                except FenceError as error:
                    say("geofence.left_out", geofence=number, fault=str(error))
                    del self._fences[number]
            return build_index(self._fences.values())

    def stale(self) -> set[int]:
        """Return the fences whose clock is not as far from UTC any more as it was: where summer begins or ends."""
        now_ms = self._now_ms()
        fences = self._fences or {}
        return {
            number
            for number, zone in self._zones.items()
            if number in fences and fences[number].utc_offset_min != offset_min(zone, now_ms)
        }

    def _take(self, fences: Sequence[Geofence]) -> None:
        assert self._fences is not None
        now_ms = self._now_ms()
        for fence in fences:
            self._fences[fence.id] = indexed(fence, now_ms)
            if fence.hours or fence.expected:
                self._zones[fence.id] = fence.time_zone


def _sound(fence: Geofence, principal: Principal) -> Geofence:
    """Return a fence mended, and of the principal's group. Raises GeofenceFaultError."""
    group = fence.group if principal is NODE else principal.scope.group
    sound = mended(msgspec.structs.replace(fence, group=group))
    _check_owner(principal.scope, sound.store)
    return sound


def _check_owner(scope: Scope, store: int) -> None:
    if not changeable(scope, store):
        raise GeofenceFaultError("store_foreign", store=store) if store else GeofenceFaultError("group_only")


def _check_commander(principal: Principal, *told: Geofence) -> None:
    """Refuse a change of what terminals keep to those who may not send commands: that is what it will be."""
    if any(fence.on_terminals for fence in told) and not principal.may("commands.send"):
        raise GeofenceFaultError("terminal_right")


def _vehicles_of(scope: Scope) -> ColumnElement[bool]:
    mine = VEHICLE.c.group_id == scope.group
    return mine if scope.stores is None else and_(mine, VEHICLE.c.store_id.in_(scope.stores))


def _ordered(condition: ColumnElement[bool]) -> Any:
    return select(GEOFENCE).where(condition).order_by(GEOFENCE.c.id)


def _count(connection: Connection, group: int) -> int:
    return _count_where(connection, and_(GEOFENCE.c.group_id == group, GEOFENCE.c.removed_ms == 0))


def _count_where(connection: Connection, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(GEOFENCE).where(condition)).scalar_one()


def _wanted(
    principal: Principal, search: str, store: int | None, shown: Shown, kind: str, role: str
) -> ColumnElement[bool]:
    wanted = visible(principal.scope)
    if search:
        wanted = and_(wanted, GEOFENCE.c.name.icontains(search, autoescape=True))
    if store is not None:
        wanted = and_(wanted, GEOFENCE.c.store_id == store)
    if shown:
        wanted = and_(wanted, GEOFENCE.c.active if shown == "active" else ~GEOFENCE.c.active)
    if kind:
        wanted = and_(wanted, GEOFENCE.c.kind == kind)
    if role:
        wanted = and_(wanted, GEOFENCE.c.role == role)
    return wanted


# --- for a map --------------------------------------------------------------------------------------------------------

_CELL_PX: Final = 64
_DOT_PX: Final = 4
_SKETCHED: Final = (
    *(GEOFENCE.c[name] for name in ("id", "group_id", "store_id", "name", "kind", "role", "active", "colour")),
    *(GEOFENCE.c[name] for name in ("applies", "revision", "corners")),
    *(GEOFENCE.c[name] for name in ("lat_min_1e7", "lat_max_1e7", "lon_min_1e7", "lon_max_1e7")),
)
_LAT_MIN: Final = cast(GEOFENCE.c.lat_min_1e7, BigInteger)
_LAT_MAX: Final = cast(GEOFENCE.c.lat_max_1e7, BigInteger)
_LON_MIN: Final = cast(GEOFENCE.c.lon_min_1e7, BigInteger)
_LON_MAX: Final = cast(GEOFENCE.c.lon_max_1e7, BigInteger)
"""Sums and differences of longitudes are beyond 32 bits, in which PostgreSQL would count."""


def _in_view(view: View) -> ColumnElement[bool]:
    from_west, to_east = GEOFENCE.c.lon_max_1e7 >= view.west, GEOFENCE.c.lon_min_1e7 <= view.east
    return and_(
        GEOFENCE.c.lat_min_1e7 <= view.north,
        GEOFENCE.c.lat_max_1e7 >= view.south,
        or_(
            and_(from_west, to_east) if view.west <= view.east else or_(from_west, to_east),
            # What goes on beyond 180 degrees lies on the other side, too.
            GEOFENCE.c.lon_max_1e7 >= min(view.west + 2 * LON_MAX_1E7, 2**31 - 1),
        ),
    )


def _is_large(lat_1e7: int, lon_1e7: int) -> ColumnElement[bool]:
    return or_(lat_1e7 < _LAT_MAX - _LAT_MIN, lon_1e7 < _LON_MAX - _LON_MIN)


def _clusters(
    connection: Connection, wanted: ColumnElement[bool], view: View, cell_lat: int, cell_lon: int
) -> list[Cluster]:
    """Return fences counted by the cell that their centre is in; one beyond the map counts at its rim."""
    lat, lon = (_LAT_MIN + _LAT_MAX) // 2, (_LON_MIN + _LON_MAX) // 2
    if view.west > view.east:
        lon = case((lon < view.west, lon + 2 * LON_MAX_1E7), else_=lon)
    row = case((lat < view.south, 0), (lat > view.north, view.north - view.south), else_=lat - view.south)
    column = case((lon < view.west, 0), (lon > view.west + view.width, view.width), else_=lon - view.west)
    counted = (
        select(
            (row // cell_lat).label("its_row"),
            (column // cell_lon).label("its_column"),
            func.count().label("fences"),
            func.avg(lat).label("lat"),
            func.avg(lon).label("lon"),
            func.min(_LAT_MIN).label("south"),
            func.max(_LAT_MAX).label("north"),
            func.min(_LON_MIN).label("west"),
            func.max(_LON_MAX).label("east"),
        )
        .where(wanted)
        .group_by("its_row", "its_column")
        .order_by("its_row", "its_column")
    )
    clusters = []
    for one in connection.execute(counted):
        middle = round(one.lon)
        middle -= 2 * LON_MAX_1E7 if middle > LON_MAX_1E7 else 0
        clusters.append(Cluster(round(one.lat), middle, (one.south, one.west, one.north, one.east), one.fences))
    return clusters


def _drawn(connection: Connection, rows: Sequence[Any], view: View) -> list[Sketch]:
    """Return fences with as much of their geometry as a map can show, large ones first."""
    boundaries: dict[int, dict[str, Any]] = {}
    room = limits.OUTLINE_CORNERS_MAX
    seen = []
    for row in sorted(rows, key=lambda row: row.corners):
        if _size_px(row, view) >= _DOT_PX and row.corners <= room:
            room -= row.corners
            seen.append(row.id)
    for part in _parts(seen):
        wanted = select(GEOFENCE.c.id, GEOFENCE.c.geometry).where(GEOFENCE.c.id.in_(part))
        boundaries |= {row.id: msgspec.json.decode(row.geometry) for row in connection.execute(wanted)}
    return [
        Sketch(
            Geofence(
                id=row.id,
                group=row.group_id,
                store=row.store_id,
                name=row.name,
                kind=row.kind,
                role=row.role,
                active=row.active,
                colour=row.colour,
                applies=row.applies,
                revision=row.revision,
                geometry=boundaries.get(row.id, {}),
            ),
            (row.lat_min_1e7, row.lon_min_1e7, row.lat_max_1e7, row.lon_max_1e7),
            row.corners,
            "whole" if row.id in boundaries else "dot" if _size_px(row, view) < _DOT_PX else "box",
        )
        for row in sorted(rows, key=lambda row: -_size_px(row, view))
    ]


def _size_px(row: Any, view: View) -> float:
    """Return how long the longer side of a fence's box is on the map."""
    height = (row.lat_max_1e7 - row.lat_min_1e7) / max(view.shrink, 1e-3)
    return max(row.lon_max_1e7 - row.lon_min_1e7, height) / view.pixel_1e7


# --- what a change makes ----------------------------------------------------------------------------------------------


def _one(connection: Connection, principal: Principal, number: int) -> Geofence:
    seen = true() if principal is NODE else visible(principal.scope)
    wanted = and_(GEOFENCE.c.id == number, seen, GEOFENCE.c.removed_ms == 0)
    row = connection.execute(select(GEOFENCE).where(wanted)).first()
    if row is None:
        raise GeofenceUnknownError(number)
    return _with_vehicles(connection, [geofence_of(row)])[0]


def _changes(
    connection: Connection, fences: Sequence[Geofence | Refusal], principal: Principal, *, write: bool
) -> list[Change]:
    """Return what saving sound fences makes of the rows there are; without `write` what it would make.

    Raises:
        GeofenceRefusedError: some cannot be saved, or were refused already.
    """
    now_ms = time.time_ns() // 1_000_000
    room: dict[int, int] = {}
    refusals: list[Refusal] = []
    changes: list[Change] = []
    for number, fence in enumerate(fences):
        if isinstance(fence, Refusal):
            refusals.append(fence)
            continue
        try:
            change = _change(connection, fence, principal, now_ms)
            if change.what == "created":
                if fence.group not in room:
                    room[fence.group] = limits.FENCES_MAX - _count(connection, fence.group)
                room[fence.group] -= 1
                if room[fence.group] < 0:
                    raise GeofenceFaultError("fences_many", most=limits.FENCES_MAX)
        except (GeofenceFaultError, GeofenceUnknownError, GeofenceChangedError) as why:
            refusals.append(Refusal(number, why))
            continue
        if write and not refusals and change.what != "unchanged":
            change = change._replace(fence=_write(connection, change.fence))
        changes.append(change)
    if refusals:
        raise GeofenceRefusedError(refusals)
    return changes


_TOLD: Final = ("name", "kind", "geometry", "on_terminals", "terminal")
"""Fields that change what a terminal is told of a fence."""
_WHOM: Final = ("store", "active", "applies", "vehicles")
"""Fields that change which terminals are told of it."""
_JUDGED: Final = ("role", "hours", "expected", "time_zone", "dwell_s", "speed_limit_kmh", "speed_s")
"""Fields that change how it is judged by, and nothing on terminals: these have rules of their own."""
_SAID: Final = (*_TOLD, *_WHOM, *_JUDGED, "colour")
"""Fields that a change is about."""


def _change(connection: Connection, fence: Geofence, principal: Principal, now_ms: int) -> Change:
    """Return what saving a sound fence would make of the row there is."""
    written = {"changed_ms": now_ms, "changed_by": principal.actor, "removed_ms": 0}
    if fence.id == 0:
        vehicles = () if fence.applies == "vehicles" and fence.vehicles is None else fence.vehicles
        fence = _as_told(msgspec.structs.replace(fence, vehicles=vehicles, revision=1, **written), None)
        _check_commander(principal, fence)
        _check_room(connection, fence, None)
        _check_store(connection, fence)
        _check_vehicles(connection, fence)
        return Change(fence, "created")
    known = _one(connection, principal, fence.id)
    # Whoever moves a fence must be allowed to change it where it comes from, too.
    _check_owner(principal.scope, known.store)
    if fence.revision != known.revision:
        raise GeofenceChangedError(fence.id, known.revision)
    if fence.applies == "vehicles" and fence.vehicles is None:
        fence = msgspec.structs.replace(fence, vehicles=known.vehicles or ())
    if fence.on_terminals is None and known.on_terminals:
        # It does not say so itself, so its new shape has not been looked at as an area.
        fence = _sound(msgspec.structs.replace(fence, on_terminals=True), principal)
    fence = _as_told(fence, known)
    if not _differ(fence, known, _SAID):
        return Change(known, "unchanged")
    if _differ(fence, known, (*_TOLD, *_WHOM)):
        _check_commander(principal, fence, known)
    _check_room(connection, fence, known)
    if fence.store != known.store:
        _check_store(connection, fence)
    if (fence.store, fence.vehicles) != (known.store, known.vehicles):
        _check_vehicles(connection, fence)
    return Change(msgspec.structs.replace(fence, revision=known.revision + 1, group=known.group, **written), "changed")


def _differ(fence: Geofence, known: Geofence, names: Sequence[str]) -> bool:
    return any(getattr(fence, name) != getattr(known, name) for name in names)


def _as_told(fence: Geofence, known: Geofence | None) -> Geofence:
    """Return a fence with what it leaves as it was, as what terminals keep it, and since which revision."""
    before = (False, TerminalRules()) if known is None else (known.on_terminals, known.terminal)
    on_terminals = before[0] if fence.on_terminals is None else fence.on_terminals
    fence = msgspec.structs.replace(fence, on_terminals=on_terminals, terminal=fence.terminal or before[1])
    if not on_terminals:
        return msgspec.structs.replace(fence, area_kind="", area_revision=0)
    is_new = known is None or _differ(fence, known, _TOLD)
    revision = (known.revision + 1 if known else 1) if is_new else known.area_revision  # type: ignore[union-attr]
    return msgspec.structs.replace(fence, area_kind=area_kind(fence), area_revision=revision)


def _check_room(connection: Connection, fence: Geofence, known: Geofence | None) -> None:
    """Refuse one more fence on terminals than a group may have."""
    if not fence.on_terminals or (known is not None and known.on_terminals):
        return
    there = and_(GEOFENCE.c.area_kind != "", GEOFENCE.c.removed_ms == 0, GEOFENCE.c.group_id == fence.group)
    if (
        connection.execute(select(func.count()).select_from(GEOFENCE).where(there)).scalar_one()
        >= limits.AREAS_PER_GROUP_MAX
    ):
        raise GeofenceFaultError("terminals_many", most=limits.AREAS_PER_GROUP_MAX)


def _check_store(connection: Connection, fence: Geofence) -> None:
    if fence.store == 0:
        return
    there = and_(STORE.c.id == fence.store, STORE.c.group_id == fence.group)
    if connection.execute(select(STORE.c.id).where(there)).first() is None:
        raise GeofenceFaultError("store_unknown", store=fence.store)


def _check_vehicles(connection: Connection, fence: Geofence) -> None:
    """Refuse vehicles that are not of the fence's group, or not of its store: none of them would ever be judged."""
    stores: dict[int, int] = {}
    for part in _parts(fence.vehicles or ()):
        wanted = and_(VEHICLE.c.id.in_(part), VEHICLE.c.group_id == fence.group)
        stores |= {
            row.id: row.store_id for row in connection.execute(select(VEHICLE.c.id, VEHICLE.c.store_id).where(wanted))
        }
    if unknown := [vehicle for vehicle in fence.vehicles or () if vehicle not in stores]:
        raise GeofenceFaultError("vehicles_unknown", ids=_named(unknown))
    if fence.store and (others := [vehicle for vehicle, store in stores.items() if store != fence.store]):
        raise GeofenceFaultError("vehicles_elsewhere", ids=_named(sorted(others)))


def _named(ids: Sequence[int]) -> str:
    more = f" … (+{len(ids) - IDS_NAMED})" if len(ids) > IDS_NAMED else ""
    return ", ".join(str(number) for number in ids[:IDS_NAMED]) + more


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(ids), _STATEMENT_IDS):
        yield ids[first : first + _STATEMENT_IDS]


def _values(fence: Geofence) -> dict[str, Any]:
    lat_min, lon_min, lat_max, lon_max = box_1e7(fence)
    return {
        "group_id": fence.group,
        "store_id": fence.store,
        "name": fence.name,
        "kind": fence.kind,
        "geometry": msgspec.json.encode(fence.geometry).decode(),
        "active": fence.active,
        "colour": fence.colour,
        "applies": fence.applies,
        "revision": fence.revision,
        "changed_ms": fence.changed_ms,
        "changed_by": fence.changed_by,
        "removed_ms": fence.removed_ms,
        "on_terminals": bool(fence.on_terminals),
        "terminal_rules": msgspec.json.encode(fence.terminal or TerminalRules()).decode(),
        "area_kind": fence.area_kind,
        "area_revision": fence.area_revision,
        "role": fence.role,
        "hours": msgspec.json.encode(fence.hours).decode(),
        "expected": msgspec.json.encode(fence.expected).decode(),
        "time_zone": fence.time_zone,
        "dwell_s": fence.dwell_s,
        "speed_limit_kmh": fence.speed_limit_kmh,
        "speed_s": fence.speed_s,
        "lat_min_1e7": lat_min,
        "lat_max_1e7": lat_max,
        "lon_min_1e7": lon_min,
        "lon_max_1e7": lon_max,
        "corners": corner_count(fence),
    }


# Made once: to make a statement of its own for each fence costs ten times its execution.
_INSERT: Final = insert(GEOFENCE).returning(GEOFENCE.c.id)
_UPDATE: Final = update(GEOFENCE).where(GEOFENCE.c.id == bindparam("its_id"))


def _update(connection: Connection, fence: Geofence) -> None:
    connection.execute(_UPDATE, {**_values(fence), "its_id": fence.id})


def _write(connection: Connection, fence: Geofence) -> Geofence:
    """Store the row and the vehicles it is for; return the fence with its id."""
    if fence.id == 0:
        number = connection.execute(_INSERT, _values(fence)).scalar_one()
        fence = msgspec.structs.replace(fence, id=number)
    else:
        _update(connection, fence)
        connection.execute(delete(GEOFENCE_VEHICLE).where(GEOFENCE_VEHICLE.c.geofence == fence.id))
    for part in _parts(fence.vehicles or ()):
        connection.execute(insert(GEOFENCE_VEHICLE), [{"geofence": fence.id, "vehicle": vehicle} for vehicle in part])
    return msgspec.structs.replace(fence, vehicle_count=len(fence.vehicles or ()))


def _with_vehicles(connection: Connection, fences: list[Geofence], scope: Scope | None = None) -> list[Geofence]:
    """Return the fences with the vehicles they are for: all, or those of the scope."""
    chosen: dict[int, list[int]] = {fence.id: [] for fence in fences if fence.applies == "vehicles"}
    for part in _parts(list(chosen)):
        rows = _chosen(select(GEOFENCE_VEHICLE), part, scope).order_by(GEOFENCE_VEHICLE.c.vehicle)
        for row in connection.execute(rows):
            chosen[row.geofence].append(row.vehicle)
    return [
        msgspec.structs.replace(fence, vehicles=tuple(chosen[fence.id]), vehicle_count=len(chosen[fence.id]))
        if fence.id in chosen
        else fence
        for fence in fences
    ]


def _with_zones(connection: Connection, fences: list[Geofence]) -> list[Geofence]:
    """Return the fences with the time zones that count for their windows."""
    zones: dict[int, str] | None = None
    for number, fence in enumerate(fences):
        if fence.time_zone or not (fence.hours or fence.expected):
            continue
        if zones is None:
            zones = {row.id: row.time_zone for row in connection.execute(select(STORE.c.id, STORE.c.time_zone))}
        fences[number] = msgspec.structs.replace(fence, time_zone=zones.get(fence.store, TIME_ZONE_DEFAULT))
    return fences


def _with_counts(connection: Connection, fences: list[Geofence], scope: Scope) -> list[Geofence]:
    """Return the fences with how many of the scope's vehicles they are for."""
    counts: dict[int, int] = {}
    for part in _parts([fence.id for fence in fences if fence.applies == "vehicles"]):
        counted = select(GEOFENCE_VEHICLE.c.geofence, func.count().label("vehicles"))
        for row in connection.execute(_chosen(counted, part, scope).group_by(GEOFENCE_VEHICLE.c.geofence)):
            counts[row.geofence] = row.vehicles
    return [
        msgspec.structs.replace(fence, vehicle_count=counts[fence.id]) if fence.id in counts else fence
        for fence in fences
    ]


def _chosen(wanted: Any, fences: Sequence[int], scope: Scope | None) -> Any:
    wanted = wanted.where(GEOFENCE_VEHICLE.c.geofence.in_(fences))
    if scope is None:
        return wanted
    return wanted.join(VEHICLE, VEHICLE.c.id == GEOFENCE_VEHICLE.c.vehicle).where(_vehicles_of(scope))


def geofence_of(row: Any) -> Geofence:
    return Geofence(
        id=row.id,
        group=row.group_id,
        store=row.store_id,
        name=row.name,
        kind=row.kind,
        geometry=msgspec.json.decode(row.geometry),
        active=row.active,
        colour=row.colour,
        applies=row.applies,
        revision=row.revision,
        changed_ms=row.changed_ms,
        changed_by=row.changed_by,
        removed_ms=row.removed_ms,
        on_terminals=row.on_terminals,
        terminal=_RULES.decode(row.terminal_rules),
        area_kind=row.area_kind,
        area_revision=row.area_revision,
        role=row.role,
        hours=_windows_of(row.hours),
        expected=_windows_of(row.expected),
        time_zone=row.time_zone,
        dwell_s=row.dwell_s,
        speed_limit_kmh=row.speed_limit_kmh,
        speed_s=row.speed_s,
    )


def _windows_of(text: str) -> tuple[Window, ...]:
    return () if text == _NO_WINDOWS else _WINDOWS.decode(text)


def _saved(fence: Geofence, principal: Principal) -> Event:
    payload = GeofenceSaved(fence_id=fence.id, revision=fence.revision, active=fence.active)
    return _event("geofence.saved", fence, principal, payload)


def _event(event_type: str, fence: Geofence, principal: Principal, payload: msgspec.Struct) -> Event:
    return Event(
        # A revision is written once: whoever holds the row gives the next one.
        id=derive_id(_ACTOR, event_type, 1, (), f"{fence.id}:{fence.revision}"),
        type=event_type,
        time_ms=fence.changed_ms,
        subject=f"geofence:{fence.id}",
        group=fence.group,
        store=fence.store,
        actor=principal.actor,
        payload=payload,
    )
