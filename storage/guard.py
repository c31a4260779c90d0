"""Guards: which cars are armed, by whom, at which place and on which nights; and which are suspected to be stolen.

Every change is one transaction of the event log: the row, and `vehicle.armed`, `vehicle.disarmed` or `theft.cleared`.
Whose cars somebody sees and arms stands in the SQL. The open episode of a car is written by actors.guarding, from the
log, and ended here when a person settles it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, Protocol

import msgspec
from sqlalchemy import Connection, Select, and_, insert, or_, select, update

from core import limits
from core.arming import Guard, Schedule, is_scheduled, schedule_end_ms
from core.events import Event, TheftCleared, TheftSuspected, VehicleArmed, VehicleDisarmed, derive_id
from core.rights import NODE, Principal
from core.zones import TIME_ZONE_DEFAULT
from storage.database import Database
from storage.eventlog import events_by_id
from storage.tables.business import GUARD, STORE, VEHICLE

_ACTOR: Final = "guard"

State = Literal["armed", "suspected", "scheduled"]


class GuardUnknownError(LookupError):
    """There is no such car for whoever asks."""


class GuardFaultError(ValueError):
    """What was asked for cannot be set; `code` says why: radius, schedule, none_open."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class GuardView(msgspec.Struct, frozen=True, kw_only=True):
    """What is set for a car, and what is suspected of it."""

    vehicle_id: int
    plate: str
    plate_colour: int
    store: int
    zone: str
    """Time zone of its store, by whose clock the schedule goes."""
    armed: bool
    """Now: by hand, or by the schedule."""
    armed_ms: int = 0
    """By hand since, UTC epoch ms; 0: not by hand."""
    schedule: Schedule | None = None
    suspended_ms: int = 0
    """The schedule rests until then; 0: does not."""
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    """The place that it may not leave; null: where it is parked."""
    radius_m: int = 100
    changed_ms: int = 0
    changed_by: str = ""
    """When and by whom it was armed or disarmed last."""
    revision: int = 0
    """0: nothing was ever set for it."""
    theft_ms: int = 0
    """When the open episode began; 0: nothing is suspected."""
    theft_event: str = ""
    """Id of its newest theft.suspected."""
    theft: TheftSuspected | None = None


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


_ROW: Final = (
    select(
        VEHICLE.c.id.label("vehicle_id"),
        VEHICLE.c.plate,
        VEHICLE.c.plate_colour,
        VEHICLE.c.group_id,
        VEHICLE.c.store_id,
        STORE.c.time_zone,
        *(column for column in GUARD.c if column.name != "vehicle"),
    )
    .outerjoin(GUARD, GUARD.c.vehicle == VEHICLE.c.id)
    .outerjoin(STORE, and_(STORE.c.id == VEHICLE.c.store_id, STORE.c.group_id == VEHICLE.c.group_id))
)


class Guards:
    """The guards of one business database. Everything blocks; each call is one unit of work."""

    def __init__(self, log: Log, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._log = log
        self._database = log.database
        self._now_ms = now_ms

    # --- reading ------------------------------------------------------------------------------------------------------

    def load(self) -> list[Guard]:
        """Return what is set for every car for which anything is, of all groups, by id: what detection judges by."""
        with self._database.read() as connection:
            rows = connection.execute(_ROW.where(GUARD.c.vehicle.is_not(None)).order_by(VEHICLE.c.id)).all()
        return [guard_of(row) for row in rows]

    def one(self, principal: Principal, vehicle_id: int) -> GuardView:
        """Return what is set for a car.

        Raises:
            GuardUnknownError: none that this principal may see.
        """
        with self._database.read() as connection:
            return self._views(connection, [_one(connection, principal, vehicle_id)])[0]

    def page(
        self, principal: Principal, state: State | None = None, *, after: int = 0, limit: int = 100
    ) -> list[GuardView]:
        """Return the cars for which something is set or that are suspected, with an id above `after`, at most `limit`.

        Args:
            state: only those armed by hand or by a schedule, only those suspected, or only those with a schedule.
        """
        wanted = _ROW.where(GUARD.c.vehicle.is_not(None), VEHICLE.c.id > after, *_whose(principal))
        if state == "suspected":
            wanted = wanted.where(GUARD.c.theft_ms > 0)
        elif state == "armed":
            wanted = wanted.where(or_(GUARD.c.armed_ms > 0, GUARD.c.from_minute.is_not(None)))
        elif state == "scheduled":
            wanted = wanted.where(GUARD.c.from_minute.is_not(None))
        else:
            wanted = wanted.where(or_(GUARD.c.armed_ms > 0, GUARD.c.from_minute.is_not(None), GUARD.c.theft_ms > 0))
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(VEHICLE.c.id).limit(min(limit, limits.VEHICLES_PAGE_MAX))).all()
            return self._views(connection, rows)

    def _views(self, connection: Connection, rows: Sequence[Any]) -> list[GuardView]:
        now_ms = self._now_ms()
        thefts: dict[str, Event] = {}
        ids = [row.theft for row in rows if row.theft]
        for first in range(0, len(ids), limits.EVENTS_STATEMENT_MAX):
            part = ids[first : first + limits.EVENTS_STATEMENT_MAX]
            thefts |= events_by_id(connection, self._database.placeholder, part)
        views = []
        for row in rows:
            guard = guard_of(row)
            event = thefts.get(row.theft or "")
            views.append(
                GuardView(
                    vehicle_id=row.vehicle_id,
                    plate=row.plate,
                    plate_colour=row.plate_colour,
                    store=row.store_id,
                    zone=guard.zone,
                    armed=bool(guard.armed_ms) or is_scheduled(guard, now_ms),
                    armed_ms=guard.armed_ms,
                    schedule=guard.schedule,
                    suspended_ms=guard.suspended_ms if guard.suspended_ms > now_ms else 0,
                    lat_1e7=guard.lat_1e7,
                    lon_1e7=guard.lon_1e7,
                    radius_m=guard.radius_m,
                    changed_ms=row.changed_ms or 0,
                    changed_by=row.changed_by or "",
                    revision=row.revision or 0,
                    theft_ms=row.theft_ms or 0,
                    theft_event=row.theft or "",
                    theft=event.payload if event is not None and isinstance(event.payload, TheftSuspected) else None,
                )
            )
        return views

    # --- changing -----------------------------------------------------------------------------------------------------

    def arm(
        self,
        principal: Principal,
        vehicle_id: int,
        *,
        place: tuple[int, int] | None = None,
        radius_m: int = 100,
        by_hand: bool = True,
        schedule: Schedule | msgspec.UnsetType | None = msgspec.UNSET,
    ) -> GuardView:
        """Arm a car from now on, or give it a schedule, or both.

        Args:
            place: latitude and longitude, 1e-7 degree, that it may not leave; None: where it is parked.
            by_hand: arm it now, until it is disarmed; else only the schedule changes.
            schedule: UNSET leaves the one there is; None takes it away.

        Raises:
            GuardUnknownError: no such car for this principal.
            GuardFaultError: radius, schedule.
            OwnerFencedError, StorageError: nothing is written.
        """
        now_ms = self._now_ms()
        with self._log.transaction() as transaction:
            row = _one(transaction.connection, principal, vehicle_id)
            guard = guard_of(row)
            guard = msgspec.structs.replace(
                guard,
                armed_ms=now_ms if by_hand else guard.armed_ms,
                lat_1e7=place[0] if place else None,
                lon_1e7=place[1] if place else None,
                radius_m=radius_m,
                schedule=guard.schedule if schedule is msgspec.UNSET else schedule,
                # Who arms it means now: a night that was let off is over.
                suspended_ms=0,
            )
            if guard.schedule is not None and not guard.schedule.is_sound:
                raise GuardFaultError("schedule")
            if not guard.is_sound:
                raise GuardFaultError("radius")
            revision = _write(transaction.connection, row, guard, principal, now_ms)
            is_armed = bool(guard.armed_ms or guard.schedule)
            payload: msgspec.Struct = VehicleDisarmed(vehicle_id=vehicle_id, revision=revision)
            if is_armed:
                own = guard.schedule
                payload = VehicleArmed(
                    vehicle_id=vehicle_id,
                    armed_ms=guard.armed_ms,
                    lat_1e7=guard.lat_1e7,
                    lon_1e7=guard.lon_1e7,
                    radius_m=radius_m,
                    from_minute=own.from_minute if own else None,
                    to_minute=own.to_minute if own else None,
                    days=own.days if own else None,
                    revision=revision,
                )
            kind = "vehicle.armed" if is_armed else "vehicle.disarmed"
            transaction.append([_event(kind, row, revision, principal, payload, now_ms)])
            return self._views(transaction.connection, [_one(transaction.connection, principal, vehicle_id)])[0]

    def disarm(
        self, principal: Principal, vehicle_id: int, *, keep_schedule: bool = True, reason: str = "disarmed"
    ) -> GuardView:
        """Disarm a car: by hand at once, by the schedule until its next night; what is suspected of it is settled.

        Args:
            keep_schedule: False takes the schedule away too.
            reason: of SETTLED_REASONS, for an open episode.

        Raises:
            GuardUnknownError, OwnerFencedError, StorageError: nothing is written.
        """
        now_ms = self._now_ms()
        with self._log.transaction() as transaction:
            row = _one(transaction.connection, principal, vehicle_id)
            guard = guard_of(row)
            guard = msgspec.structs.replace(
                guard,
                armed_ms=0,
                settled_ms=now_ms,
                suspended_ms=schedule_end_ms(guard, now_ms) if keep_schedule else 0,
                schedule=guard.schedule if keep_schedule else None,
            )
            revision = _write(transaction.connection, row, guard, principal, now_ms, settled=True)
            payload = VehicleDisarmed(
                vehicle_id=vehicle_id,
                suspended_ms=guard.suspended_ms,
                scheduled=guard.schedule is not None,
                revision=revision,
            )
            events = [_event("vehicle.disarmed", row, revision, principal, payload, now_ms)]
            events += self._cleared(transaction.connection, row, principal, reason, now_ms)
            transaction.append(events)
            return self._views(transaction.connection, [_one(transaction.connection, principal, vehicle_id)])[0]

    def settle(self, principal: Principal, vehicle_id: int, reason: str) -> GuardView:
        """End what is suspected of a car; it stays armed as it is.

        Raises:
            GuardUnknownError: no such car for this principal.
            GuardFaultError: none_open.
            OwnerFencedError, StorageError: nothing is written.
        """
        now_ms = self._now_ms()
        with self._log.transaction() as transaction:
            row = _one(transaction.connection, principal, vehicle_id)
            events = self._cleared(transaction.connection, row, principal, reason, now_ms)
            if not events:
                raise GuardFaultError("none_open")
            guard = msgspec.structs.replace(guard_of(row), settled_ms=now_ms)
            values = {"settled_ms": now_ms, "theft": "", "theft_first": "", "theft_ms": 0}
            transaction.connection.execute(update(GUARD).where(GUARD.c.vehicle == guard.vehicle).values(**values))
            transaction.append(events)
            return self._views(transaction.connection, [_one(transaction.connection, principal, vehicle_id)])[0]

    def _cleared(self, connection: Connection, row: Any, principal: Principal, reason: str, now_ms: int) -> list[Event]:
        """Return the theft.cleared of the open episode, if there is one."""
        suspected = (
            events_by_id(connection, self._database.placeholder, [row.theft]).get(row.theft) if row.theft else None
        )
        return [] if suspected is None else [cleared(suspected, principal.actor, reason, now_ms)]


def cleared(suspected: Event, actor: str, reason: str, now_ms: int) -> Event:
    """Return that the episode of a theft.suspected is over because of a person."""
    about: TheftSuspected = suspected.payload
    payload = TheftCleared(
        vehicle_id=about.vehicle_id,
        reason=reason,
        first_report_id=about.first_report_id,
        kinds=about.kinds,
        terminal=about.terminal,
    )
    return Event(
        id=derive_id(_ACTOR, "theft.cleared", 1, [suspected.id], str(about.vehicle_id)),
        type="theft.cleared",
        time_ms=now_ms,
        subject=suspected.subject,
        group=suspected.group,
        store=suspected.store,
        actor=actor,
        cause=suspected.id,
        correlation=suspected.correlation,
        depth=suspected.depth + 1,
        purpose="theft",
        payload=payload,
    )


def guard_of(row: Any) -> Guard:
    """Return what a row of _ROW says of arming."""
    schedule = None
    if row.from_minute is not None:
        schedule = Schedule(from_minute=row.from_minute, to_minute=row.to_minute, days=row.days)
    return Guard(
        vehicle=row.vehicle_id,
        armed_ms=row.armed_ms or 0,
        settled_ms=row.settled_ms or 0,
        suspended_ms=row.suspended_ms or 0,
        lat_1e7=row.lat_1e7,
        lon_1e7=row.lon_1e7,
        radius_m=row.radius_m or 100,
        schedule=schedule,
        zone=row.time_zone or TIME_ZONE_DEFAULT,
    )


def _whose(principal: Principal) -> list[Any]:
    if principal is NODE:
        return []
    scope = principal.scope
    mine = [VEHICLE.c.group_id == scope.group]
    return mine if scope.stores is None else [*mine, VEHICLE.c.store_id.in_(scope.stores)]


def _one(connection: Connection, principal: Principal, vehicle_id: int) -> Any:
    wanted: Select[Any] = _ROW.where(VEHICLE.c.id == vehicle_id, *_whose(principal))
    row = connection.execute(wanted).first() if 0 < vehicle_id < 2**31 else None
    if row is None:
        raise GuardUnknownError(f"no vehicle {vehicle_id}")
    return row


def _write(
    connection: Connection, row: Any, guard: Guard, principal: Principal, now_ms: int, *, settled: bool = False
) -> int:
    """Store what is set for a car; return its revision."""
    schedule = guard.schedule
    values: dict[str, Any] = {
        "armed_ms": guard.armed_ms,
        "settled_ms": guard.settled_ms,
        "suspended_ms": guard.suspended_ms,
        "lat_1e7": guard.lat_1e7,
        "lon_1e7": guard.lon_1e7,
        "radius_m": guard.radius_m,
        "from_minute": schedule.from_minute if schedule else None,
        "to_minute": schedule.to_minute if schedule else None,
        "days": schedule.days if schedule else None,
        "changed_ms": now_ms,
        "changed_by": principal.actor,
        "revision": (row.revision or 0) + 1,
    }
    if settled:
        values |= {"theft": "", "theft_first": "", "theft_ms": 0}
    put(connection, guard.vehicle, values)
    revision: int = values["revision"]
    return revision


def put(connection: Connection, vehicle: int, values: dict[str, Any]) -> None:
    """Write these columns of a car's row, which begins with them where it had none."""
    if connection.execute(update(GUARD).where(GUARD.c.vehicle == vehicle).values(**values)).rowcount:
        return
    nothing = {
        "armed_ms": 0, "settled_ms": 0, "suspended_ms": 0, "radius_m": 100, "theft": "", "theft_first": "",
        "theft_ms": 0, "changed_ms": 0, "changed_by": "", "revision": 0,
    }  # fmt: skip
    connection.execute(insert(GUARD).values(**(nothing | {"vehicle": vehicle} | values)))


def _event(kind: str, row: Any, revision: int, principal: Principal, payload: msgspec.Struct, now_ms: int) -> Event:
    return Event(
        # A revision is written once: whoever holds the row gives the next one.
        id=derive_id(_ACTOR, kind, 1, (), f"{row.vehicle_id}:{revision}"),
        type=kind,
        time_ms=now_ms,
        subject=f"vehicle:{row.vehicle_id}",
        group=row.group_id,
        store=row.store_id,
        actor=principal.actor,
        purpose="theft",
        payload=payload,
    )
