"""Reader: the one reader of events and positions for people and programs. It shows each principal only what is theirs.

The scope (group, stores, purposes) stands in the SQL of every query, and so does what people consent to, where a
reader's purposes need it (storage/permits.py). What remains is shown as exactly as the principal's precision and those
consents allow, and every read of positions is in table `access` before it is answered.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from sqlalchemy import Connection

from core import limits
from core.data_classes import CONSENTED, HOLDS, REFERENCE, fields_of, lesser
from core.events import CommandRequested, Event, derive_id
from core.events.consent import GlassUsed
from core.kernels.geodesy import METRES_PER_UNIT
from core.quality import marks_of
from core.rights import PRECISION_1E7, Principal, Scope
from protocols.report import ODOMETER_NONE, REPORT
from storage.audit import AuditLog, line_of
from storage.clickhouse import LastPosition, ReportsFound, ReportStore, TrackDay, TrackPoint
from storage.database import Database
from storage.eventlog import EVENT_COLUMNS, HEAD_SQL, considered, event_of, type_condition
from storage.inbox import put_in_inbox
from storage.permits import (
    Permits,
    Rungs,
    condition,
    glass_of,
    needs_permit,
    permits,
    stores_at,
    subjects_with_position,
)

LastPositions = Callable[[Sequence[int]], Sequence[LastPosition]]
"""Vehicle ids -> the last position of each that has one, by vehicle id. Blocks."""

CLOCK_AHEAD_MS: Final = 24 * 3_600_000
LATE_MS: Final = 31 * 24 * 3_600_000
"""A terminal's clock may run a day ahead, and a car may stand without a network for a month before it tells of it."""

CLEANED_BEFORE: Final = 200
"""Reports before a track that its cleaning begins with: twice as many fixes as a terminal is distrusted for
(core.kernels.cleaning.TRUST_FIXES)."""

_COORDINATES_1E7: Final = ("lat_1e7", "lon_1e7")
_COORDINATES_1E6: Final = ("latitude", "longitude")
"""Ends of the names of fields that say where a vehicle was (a trip's start_lat_1e7 too); those in 1e-6 degree stand in
what a terminal answered."""
_IDENTITIES: Final = frozenset({"phone", "plate"})
"""Fields of payloads that only those see who may read terminals."""
_SECRETS: Final = frozenset({"password"})
"""Fields of commands that nobody sees again (0x9206: of an FTP server)."""
MASK: Final = "***"


class EventPage(NamedTuple):
    """Events of one read, and how far the reader has come by it."""

    items: list[Event]
    seq: int
    """Oldest first: every event up to this number was considered, so go on after it, even when `items` is empty.
    Newest first: every event from this number on was considered; 0 when nothing older is left."""


class Names(NamedTuple):
    """What things are called, by their ids; what has no name, or is not the principal's to know, is missing."""

    plates: dict[int, str]
    fences: dict[int, str]


class PositionPage(NamedTuple):
    """Last positions by vehicle id."""

    items: list[LastPosition]
    next: int | None
    """Vehicle id to go on after; None on the last page."""


class Reader:
    """Events and positions as principals may see them. Everything blocks: call it from worker threads.

    Args:
        database: the business database: events, vehicles, and the access log.
        store: the reports.
        last_positions: where last positions come from; the report store where None. A node hands in its live table,
            which knows them before they are stored.
    """

    def __init__(self, database: Database, store: ReportStore, last_positions: LastPositions | None = None) -> None:
        self.database: Final = database
        self.reports: Final = store
        self._last_positions = last_positions or store.last_positions
        self._access = AuditLog(database)
        self._uses: set[tuple[int, str, int]] = set()

    # --- events -------------------------------------------------------------------------------------------------------

    def events(
        self,
        principal: Principal,
        after: int = 0,
        *,
        types: Sequence[str] = (),
        subject: str = "",
        subjects: Sequence[str] | None = None,
        store: int | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
        newest_first: bool = False,
    ) -> EventPage:
        """Return events of the principal's scope, and how far they reach.

        Args:
            after: number to go on after: upwards, or downwards when newest first, where 0 begins at the newest.
            types: prefixes; an event begins with one of them. All types where empty.
            subject: only events about this (`vehicle:12`).
            subjects: only events about one of these; none where it is empty.
            store: only events of this store; of all in the scope where None.
            from_ms, to_ms: only what happened in from_ms <= time_ms < to_ms. What arrived more than LATE_MS after it
                happened may be missing: the log is in order of arrival, and only so much of it is looked through.
            limit: most events, at most EVENTS_READ_MAX.
        """
        limit = min(limit, limits.EVENTS_READ_MAX)
        where = _Where(self.database.placeholder)
        where.scope(principal.scope)
        condition, bounds = type_condition(types, where.sign)
        if condition:
            where.add(condition, *bounds)
        if subject:
            where.add(f"subject = {where.sign}", subject)
        if subjects is not None:
            where.one_of("subject", subjects)
        if store is not None:
            where.add(f"store_id = {where.sign}", store)
        if from_ms is not None:
            where.add(f"time_ms >= {where.sign}", from_ms)
        if to_ms is not None:
            where.add(f"time_ms < {where.sign}", to_ms)
        if not newest_first:
            where.add(f"seq > {where.sign}", after)
        elif after:
            where.add(f"seq < {where.sign}", after)
        order = "DESC" if newest_first else "ASC"
        with self.database.read() as connection:
            if from_ms is not None:
                where.add(f"seq >= {where.sign}", self._first_since(connection, from_ms - CLOCK_AHEAD_MS))
            if to_ms is not None:
                where.add(f"seq < {where.sign}", self._first_since(connection, to_ms + LATE_MS))
            columns = ", ".join(EVENT_COLUMNS)
            sql = f"SELECT {columns} FROM event WHERE {where.text} ORDER BY seq {order} LIMIT {where.sign}"
            head = connection.exec_driver_sql(HEAD_SQL).scalar_one()
            rows = connection.exec_driver_sql(sql, (*where.values, limit)).fetchall()
            allowed = self._allowed(connection, principal.scope, rows)
        if newest_first:
            seq = rows[-1][0] if rows and len(rows) == limit else 0
        else:
            seq = considered(after, head, [row[0] for row in rows], limit)
        return EventPage(_seen(rows, principal, allowed), seq)

    def _allowed(self, connection: Connection, scope: Scope, rows: Sequence[Sequence[Any]]) -> "_Allowed | None":
        """Return what the people of these rows of EVENT_COLUMNS allow, as of now; None where nobody need be asked.

        It is read behind the rows: on a database where each question sees what was committed before it, a consent that
        was withdrawn in between is gone already.
        """
        asking = [row for row in rows if row[15] in CONSENTED or row[15] not in scope.purposes]
        if not asking:
            return None
        sign = self.database.placeholder
        found = permits(connection, sign, scope, {row[6] for row in asking}, _now_ms())
        return _Allowed(found, stores_at(connection, sign, scope.group))

    def _first_since(self, connection: Connection, arrival_ms: int) -> int:
        """Return the number of the first event that arrived then or later, one past the last where there is none.

        Numbers are dense and arrival follows them: halving finds it by the primary key in some twenty looks.
        """
        sign = self.database.placeholder
        ends = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) + 1 FROM event"
        low, high = connection.exec_driver_sql(ends).one()
        while low < high:
            middle = (low + high) // 2
            sql = f"SELECT arrival_ms FROM event WHERE seq = {sign}"
            arrived = connection.exec_driver_sql(sql, (middle,)).scalar()
            if arrived is not None and arrived < arrival_ms:
                low = middle + 1
            else:
                high = middle
        return low

    def names(self, principal: Principal, vehicles: Sequence[int] = (), fences: Sequence[int] = ()) -> "Names":
        """Return what cars and fences are called, as far as this principal may know."""
        with self.database.read() as connection:
            return Names(
                self._named(connection, principal, "vehicle", "plate", vehicles, "vehicles.read"),
                self._named(connection, principal, "geofence", "name", fences, "geofences.read"),
            )

    def _named(
        self, connection: Connection, principal: Principal, table: str, column: str, ids: Sequence[int], right: str
    ) -> dict[int, str]:
        if not ids or not principal.may(right):
            return {}
        where = _Where(self.database.placeholder)
        scope = principal.scope
        where.add(f"group_id = {where.sign}", scope.group)
        if scope.stores is not None:
            # Fences of the whole group (store 0) are seen by all its people.
            where.one_of("store_id", scope.stores if table == "vehicle" else (0, *scope.stores))
        where.one_of("id", sorted(set(ids)))
        sql = f"SELECT id, {column} FROM {table} WHERE {where.text}"
        return {row[0]: row[1] for row in connection.exec_driver_sql(sql, tuple(where.values)) if row[1]}

    def event(self, principal: Principal, name: int | str) -> Event | None:
        """Return one event by its number or its id; None if there is none that this principal may see."""
        where = _Where(self.database.placeholder)
        where.scope(principal.scope)
        where.add(f"{'seq' if isinstance(name, int) else 'id'} = {where.sign}", name)
        return next(iter(self._events(principal, where, 1)), None)

    def story(self, principal: Principal, correlation: str, limit: int = limits.EVENTS_READ_MAX) -> list[Event]:
        """Return the events of one story that this principal may see, in order: what one event made happen."""
        where = _Where(self.database.placeholder)
        where.scope(principal.scope)
        where.add(f"correlation = {where.sign}", correlation)
        return self._events(principal, where, limit)

    def decision(self, intent: str) -> Event | None:
        """Return the decision of an intent, for whoever asked for it; None while there is none."""
        sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE answers = {self.database.placeholder}"
        with self.database.read() as connection:
            row = connection.exec_driver_sql(sql, (intent,)).first()
        return None if row is None else event_of(row)

    def events_named(self, principal: Principal, ids: Sequence[str]) -> dict[str, Event]:
        """Return those of these events that this principal may see, by id."""
        found: dict[str, Event] = {}
        for first in range(0, len(ids), limits.EVENTS_STATEMENT_MAX):
            where = _Where(self.database.placeholder)
            where.scope(principal.scope)
            where.one_of("id", ids[first : first + limits.EVENTS_STATEMENT_MAX])
            found |= {event.id: event for event in self._events(principal, where, limits.EVENTS_STATEMENT_MAX)}
        return found

    def head(self) -> int:
        """Return the number of the last event of the log, whosever it is; 0 for an empty log."""
        with self.database.read() as connection:
            return connection.exec_driver_sql(HEAD_SQL).scalar_one()

    def _events(self, principal: Principal, where: "_Where", limit: int) -> list[Event]:
        sql = f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE {where.text} ORDER BY seq LIMIT {where.sign}"
        with self.database.read() as connection:
            rows = connection.exec_driver_sql(sql, (*where.values, min(limit, limits.EVENTS_READ_MAX))).fetchall()
            allowed = self._allowed(connection, principal.scope, rows)
        return _seen(rows, principal, allowed)

    # --- messages -----------------------------------------------------------------------------------------------------

    # --- positions ----------------------------------------------------------------------------------------------------

    def sees(self, principal: Principal, vehicle_id: int) -> bool:
        """Tell whether the vehicle is in the principal's scope, by the store it belongs to now."""
        where = self._vehicles(principal)
        where.add(f"id = {where.sign}", vehicle_id)
        with self.database.read() as connection:
            sql = f"SELECT 1 FROM vehicle WHERE {where.text}"
            return connection.exec_driver_sql(sql, tuple(where.values)).scalar() is not None

    def positions(self, principal: Principal, after: int = 0, limit: int = 1_000) -> PositionPage:
        """Return the last position of the principal's vehicles with an id above `after`, at most `limit` of them.

        Raises:
            StorageError: also when the read cannot be written to the access log.
        """
        if principal.scope.precision == "none":
            return PositionPage([], None)
        limit = min(limit, limits.POSITIONS_READ_MAX)
        items: list[LastPosition] = []
        following: int | None = after
        # Vehicles that never reported make a page short; then the next of them are asked, until it is full.
        while following is not None and len(items) < limit:
            ids = self._vehicle_ids(principal, following, limit)
            found = self._as_allowed(principal, self._last_positions(ids)) if ids else []
            items += found[: limit - len(items)]
            following = ids[-1] if len(ids) == limit else None
        if len(items) == limit:
            following = items[-1].vehicle_id
        self.note(principal, "positions", rows=len(items))
        return PositionPage(items, following)

    def position(self, principal: Principal, vehicle_id: int) -> LastPosition | None:
        """Return the last position of one vehicle; None if it has none or this principal may not see it.

        Raises:
            StorageError: also when the read cannot be written to the access log.
        """
        if not self.sees(principal, vehicle_id):
            return None
        by_glass = self._by_glass(principal, vehicle_id, "positions")
        if principal.scope.precision == "none" and not by_glass:
            return None
        found = self._last_positions([vehicle_id])
        if not by_glass:
            found = self._as_allowed(principal, found)
        self.note(principal, "positions", vehicle=vehicle_id, rows=len(found))
        return found[0] if found else None

    def positions_of(
        self, principal: Principal, vehicle_ids: Sequence[int], what: str = "search"
    ) -> list[LastPosition]:
        """Return the last position of each of these vehicles that has one, by vehicle id.

        Args:
            vehicle_ids: of the principal's scope already: whoever found them asked with it.
            what: for the access log.

        Raises:
            StorageError: also when the read cannot be written to the access log.
        """
        if principal.scope.precision == "none" or not vehicle_ids:
            return []
        found = self._as_allowed(principal, self._last_positions(vehicle_ids))
        self.note(principal, what, rows=len(found))
        return found

    def track(
        self,
        principal: Principal,
        vehicle_id: int,
        from_ms: int,
        to_ms: int,
        limit: int = limits.TRACK_POINTS_MAX,
        *,
        after_report: int | None = None,
        cleaning: msgspec.Struct | None = None,
    ) -> list[TrackPoint] | None:
        """Return one vehicle's reports with from_ms <= time_ms < to_ms, oldest first, at most `limit`.

        Args:
            after_report: of the reports at from_ms itself only those with a higher report_id.
            cleaning: the CleaningRule by which flags mark what is set aside (core.quality); None: nothing is marked.

        Returns:
            None when the vehicle does not exist for this principal; an empty list without a right to any precision.

        Raises:
            StorageError: also when the read cannot be written to the access log.
        """
        if not self.sees(principal, vehicle_id):
            return None
        by_glass = self._by_glass(principal, vehicle_id, "track")
        if principal.scope.precision == "none" and not by_glass:
            return []
        if by_glass or principal.scope.by_contract:
            spans: list[tuple[int, int, str]] = [(from_ms, to_ms, "exact" if by_glass else principal.scope.precision)]
        else:
            subject = f"vehicle:{vehicle_id}"
            permits_ = self._permits(principal.scope, [subject])
            spans = permits_.spans(subject, from_ms, to_ms)
        points: list[TrackPoint] = []
        for first_ms, last_ms, rung in spans:
            after = after_report if first_ms == from_ms else None
            some = self.reports.track(vehicle_id, first_ms, last_ms, limit - len(points), after_report=after)
            if cleaning is not None and some:
                before = self.reports.track_before(vehicle_id, first_ms, CLEANED_BEFORE, after_report=after)
                # By where it really was: what is shown is rounded after.
                some = _marked(before, some, cleaning)
            if not (by_glass or principal.scope.by_contract):
                some = [_told(point, permits_, subject) for point in some]
            step = PRECISION_1E7[rung if by_glass else lesser(principal.scope.precision, rung)]
            points += [_coarse(point, step) for point in some]
            if len(points) >= limit:
                break
        self.note(principal, "track", vehicle=vehicle_id, from_ms=from_ms, to_ms=to_ms, rows=len(points))
        return points

    def recorded(
        self, principal: Principal, vehicle_id: int, from_ms: int, to_ms: int, limit: int
    ) -> ReportsFound | None:
        """Return one vehicle's reports with their items, oldest first, at most `limit`; coordinates as exactly as may
        be seen. None when the vehicle does not exist for this principal, or where nothing of it may be seen.

        Raises:
            StorageError: also when the read cannot be written to the access log.
        """
        # Items tell far more than a place: they are for those alone who read by law or contract.
        if (
            principal.scope.precision == "none"
            or not principal.scope.by_contract
            or not self.sees(principal, vehicle_id)
        ):
            return None
        found = self.reports.recorded(vehicle_id, from_ms, to_ms, limit)
        self.note(principal, "track", vehicle=vehicle_id, from_ms=from_ms, to_ms=to_ms, rows=len(found.rows))
        step = PRECISION_1E7[principal.scope.precision]
        for name in _COORDINATES_1E7:
            found.rows[name] = [rounded(value, step) for value in found.rows[name].tolist()]
        return found

    def days(self, principal: Principal, vehicle_id: int, from_ms: int, to_ms: int, zone: str) -> list[TrackDay] | None:
        """Return the days on which a vehicle reported, by a time zone; None when it is not of the scope."""
        if not self.sees(principal, vehicle_id):
            return None
        return self.reports.track_days(vehicle_id, from_ms, to_ms, zone)

    def sequences_of(
        self, principal: Principal, vehicle_id: int, *, report_id: int | None, time_ms: int | None, arrival_ms_min: int
    ) -> list[int] | None:
        """Return the journal's numbers of the frames behind a report, or behind the reports of one fix time, newest
        first; None when the vehicle is not of the scope."""
        if not self.sees(principal, vehicle_id):
            return None
        return self.reports.sequences_of(
            vehicle_id, report_id=report_id, time_ms=time_ms, arrival_ms_min=arrival_ms_min
        )

    def note(
        self,
        principal: Principal,
        what: str,
        *,
        vehicle: int = 0,
        from_ms: int = 0,
        to_ms: int = 0,
        rows: int = 0,
        subject: str = "",
        persons: int = 0,
    ) -> None:
        """Write a look to the audit log; returns once it is on disk. Call it before answering.

        Args:
            what: one of storage.audit.LOOKS.
            vehicle: 0: not one vehicle's.
            from_ms, to_ms: of which time; 0: of now.
            rows: how many positions, or rows of something else, were read.
            subject: `person:12` for one person's data; empty for a list, or where the vehicle says it.
            persons: of how many persons names, numbers or the like were read.

        Raises:
            StorageError: it cannot be written: then nothing must be shown.
        """
        self._access.write(
            line_of(
                principal, what, vehicle=vehicle, from_ms=from_ms, to_ms=to_ms, rows=rows, subject=subject,
                persons=persons,
            )
        )  # fmt: skip

    def act(self, principal: Principal | None, what: str, *, address: str = "", **about: Any) -> None:
        """Write to the audit log what somebody did: fields of storage.audit.Line. Returns once it is on disk.

        Raises:
            StorageError: it cannot be written.
        """
        self._access.write(line_of(principal, what, address, **about))

    def statistics(self) -> Mapping[str, int]:
        """Return counts of the access log: written, batches, refused."""
        return self._access.statistics()

    # --- what people allow --------------------------------------------------------------------------------------------

    def placed(self, scope: Scope) -> dict[int, str]:
        """Return the cars whose people let this scope's purposes know where they are now, to a rung that has
        coordinates: vehicle id -> rung. For a scope that is not by contract: the live feed's."""
        now_ms = _now_ms()
        sign = self.database.placeholder
        with self.database.read() as connection:
            subjects = subjects_with_position(connection, sign, scope, now_ms)
            found = permits(connection, sign, scope, subjects, now_ms)
        rungs = ((subject, found.position(subject, now_ms)) for subject in subjects if subject.startswith("vehicle:"))
        return {int(subject[8:]): rung for subject, rung in rungs if rung in PRECISION_1E7}

    def _permits(self, scope: Scope, subjects: Sequence[str]) -> Permits:
        with self.database.read() as connection:
            return permits(connection, self.database.placeholder, scope, subjects, _now_ms())

    def _as_allowed(self, principal: Principal, found: Sequence[LastPosition]) -> list[LastPosition]:
        """Return last positions as exactly as the principal's scope and the cars' people allow."""
        scope = principal.scope
        if scope.by_contract:
            step = PRECISION_1E7[scope.precision]
            return [_coarse(item, step) for item in found]
        allowed = self._permits(scope, [f"vehicle:{item.vehicle_id}" for item in found])
        items = []
        for item in found:
            subject = f"vehicle:{item.vehicle_id}"
            rung = lesser(scope.precision, allowed.position(subject, item.time_ms))
            if rung in PRECISION_1E7:
                items.append(_coarse(_told(item, allowed, subject), PRECISION_1E7[rung]))
        return items

    def _by_glass(self, principal: Principal, vehicle_id: int, what: str) -> bool:
        """Tell whether the principal sees more of a car than is theirs because they broke the glass for it, and write
        down that they did. The event is on disk when this returns.

        Raises:
            StorageError: it cannot be written down: then nothing may be shown.
        """
        scope = principal.scope
        if not principal.account or (scope.precision == "exact" and scope.by_contract):
            return False
        now_ms = _now_ms()
        sign = self.database.placeholder
        with self.database.read() as connection:
            glass = glass_of(connection, sign, principal.actor, vehicle_id, now_ms)
        if glass is None:
            return False
        minute = now_ms // 60_000
        if (glass.number, what, minute) in self._uses:
            return True
        event = Event(
            id=derive_id(
                "reader", "breakglass.used", 1, (str(glass.number), what, str(minute)), f"vehicle:{vehicle_id}"
            ),
            type="breakglass.used",
            time_ms=now_ms,
            subject=f"vehicle:{vehicle_id}",
            key=f"breakglass:{glass.number}",
            group=scope.group,
            store=glass.store,
            actor=principal.actor,
            cause=glass.event,
            correlation=glass.event,
            purpose="safety",
            payload=GlassUsed(glass=glass.number, vehicle_id=vehicle_id, account=principal.actor, what=what),
        )
        with self.database.write() as connection:
            put_in_inbox(connection, sign, [event])
        if len(self._uses) >= limits.GLASS_USES_KNOWN_MAX:
            self._uses.clear()
        self._uses.add((glass.number, what, minute))
        return True

    def _vehicles(self, principal: Principal) -> "_Where":
        where = _Where(self.database.placeholder)
        where.whose(principal.scope)
        return where

    def _vehicle_ids(self, principal: Principal, after: int, limit: int) -> list[int]:
        where = self._vehicles(principal)
        where.add(f"id > {where.sign}", after)
        sql = f"SELECT id FROM vehicle WHERE {where.text} ORDER BY id LIMIT {where.sign}"
        with self.database.read() as connection:
            return [row[0] for row in connection.exec_driver_sql(sql, (*where.values, limit))]


class _Where:
    """Conditions of one query, and the values for their signs."""

    def __init__(self, sign: str) -> None:
        self.sign: Final = sign
        self.values: Final[list[object]] = []
        self._conditions: list[str] = []

    @property
    def text(self) -> str:
        return " AND ".join(self._conditions)

    def add(self, condition: str, *values: object) -> None:
        self._conditions.append(condition)
        self.values.extend(values)

    def one_of(self, column: str, values: Sequence[object]) -> None:
        """No value: nothing is in it."""
        self.add(f"{column} IN ({', '.join([self.sign] * len(values)) or 'NULL'})", *values)

    def whose(self, scope: Scope) -> None:
        """Rows of the scope's group and stores."""
        self.add(f"group_id = {self.sign}", scope.group)
        if scope.stores is not None:
            self.one_of("store_id", scope.stores)

    def scope(self, scope: Scope) -> None:
        """Events of the scope's group and stores, as far as its purposes may hold anything of them."""
        self.whose(scope)
        text, values = condition(scope, self.sign, _now_ms())
        self.add(text, *values)


# --- what is shown ----------------------------------------------------------------------------------------------------


def _marked(before: list[TrackPoint], points: list[TrackPoint], rule: msgspec.Struct) -> list[TrackPoint]:
    """Return the points with the marks of cleaning in their flags, judged behind those before."""
    every = [*before, *points]
    rows = np.zeros(len(every), REPORT)
    for name, values in zip(TrackPoint._fields, zip(*every, strict=True), strict=True):
        rows[name] = values
    marks = marks_of(rows, rule)[len(before) :]
    marked = list(points)
    for at in np.flatnonzero(marks).tolist():
        marked[at] = points[at]._replace(flags=points[at].flags | int(marks[at]))
    return marked


class _Allowed(NamedTuple):
    """What the people of some events allow, and where the group's stores are."""

    permits: Permits
    stores: list[tuple[int, int]]


def _seen(rows: Sequence[Sequence[Any]], principal: Principal, allowed: "_Allowed | None") -> list[Event]:
    """Return the events of rows as this principal may see them, without those of which nothing may be seen."""
    if allowed is None:
        return [shown(event_of(row), principal) for row in rows]
    seen: list[Event] = []
    for row in rows:
        event = event_of(row)
        if not needs_permit(event, principal.scope):
            seen.append(shown(event, principal))
        elif (rungs := allowed.permits.rungs(event)) is not None:
            seen.append(shown(_held(event, rungs, allowed.stores), principal, rungs.get("position", "none")))
    return seen


def _held(event: Event, rungs: Rungs, stores: Sequence[tuple[int, int]] = ()) -> Event:
    """Return an event with those fields only that may be held; coordinates stay exact here, or say only whether they
    lie in the service area."""
    classes = fields_of(event.type, event.version)
    plain = msgspec.to_builtins(event.payload)
    kept = {
        name: value
        for name, value in (plain.items() if isinstance(plain, dict) else ())
        if classes.get(name) == REFERENCE or classes.get(name) in rungs
    }
    if rungs.get("position") == "area":
        lat, lon = kept.get("lat_1e7"), kept.get("lon_1e7")
        if lat is not None and lon is not None and stores:
            kept["in_service_area"] = _in_service_area(lat, lon, stores)
    return msgspec.structs.replace(event, payload=kept)


def _in_service_area(lat_1e7: int, lon_1e7: int, stores: Sequence[tuple[int, int]]) -> bool:
    """Tell whether a place lies within SERVICE_AREA_M of a store, on a plane: 0.1 % off at this distance."""
    shrink = math.cos(math.radians(lat_1e7 / 1e7))
    return any(
        math.hypot(lat_1e7 - lat, (lon_1e7 - lon) * shrink) * METRES_PER_UNIT <= limits.SERVICE_AREA_M
        for lat, lon in stores
    )


def shown(event: Event, principal: Principal, most: str = "exact") -> Event:
    """Return the event as this principal may see it: coordinates as exact as allowed, phones and plates if allowed, and
    nobody a password that a command brought to a terminal.

    Args:
        most: how exactly its people let places of it be known; a rung of LADDER.

    A payload from which fields had to go is a plain mapping; every other one is the Struct of its type.
    """
    if isinstance(event.payload, CommandRequested) and _SECRETS & event.payload.fields.keys():
        fields = {name: MASK if name in _SECRETS else value for name, value in event.payload.fields.items()}
        event = msgspec.structs.replace(event, payload=msgspec.structs.replace(event.payload, fields=fields))
    precision: str = principal.scope.precision
    if most != "exact":
        precision = lesser(precision, most) if most != "area" else "none"
    if event.purpose == "billing":
        event = _held(event, HOLDS["billing"])
    hidden = frozenset() if principal.may("terminals.read") else _IDENTITIES
    if precision == "exact" and not hidden:
        return event
    plain = msgspec.to_builtins(event.payload)
    less = _less(plain, precision, hidden)
    if less == plain:
        return event
    whole = isinstance(event.payload, msgspec.Struct) and less.keys() == plain.keys()
    payload = msgspec.convert(less, type(event.payload)) if whole else less
    return msgspec.structs.replace(event, payload=payload)


def shown_plain(value: Any, principal: Principal) -> Any:
    """Return plain values as this principal may see them: coordinates as exact as allowed, phones and plates if
    allowed. Without the right to positions there are no coordinates."""
    precision = principal.scope.precision if principal.may("positions.read") else "none"
    return _less(value, precision, frozenset() if principal.may("terminals.read") else _IDENTITIES)


def _less(value: Any, precision: str, hidden: frozenset[str]) -> Any:
    """Return plain values without what is hidden, however deep it lies: a terminal's answer holds a whole location."""
    if isinstance(value, list):
        return [_less(item, precision, hidden) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, item in value.items():
        unit_1e7 = 1 if name.endswith(_COORDINATES_1E7) else 10 if name.endswith(_COORDINATES_1E6) else 0
        if name in hidden or (unit_1e7 and precision == "none"):
            continue
        if precision != "exact" and (name == "as_sent" or (name == "data" and value.get("item") in _UNREAD)):
            # The bytes of an item say where it was, as exactly as its terminal knew.
            continue
        if unit_1e7 and isinstance(item, int):
            kept[name] = rounded(item, max(1, PRECISION_1E7[precision] // unit_1e7))
        else:
            kept[name] = _less(item, precision, hidden)
    return kept


_UNREAD: Final = frozenset({"Item", "WideItem", "ClippedItem", "Unreadable"})
"""What plain values call items and locations that nobody has read."""


def rounded(coordinate: int, step: int) -> int:
    """Return the multiple of `step` nearest to a coordinate."""
    return (coordinate + step // 2) // step * step


def _coarse(point: Any, step: int) -> Any:
    """Return a position or track point with its coordinates as multiples of `step`, 1e-7 degree."""
    if step == 1:
        return point
    return point._replace(lat_1e7=rounded(point.lat_1e7, step), lon_1e7=rounded(point.lon_1e7, step))


def _told(point: Any, allowed: Permits, subject: str) -> Any:
    """Return a position or track point without what its people do not let these purposes know beside the place."""
    nothing: dict[str, Any] = {"alarm": 0, "status": 0, "altitude_m": 0}
    if not allowed.has(subject, "driving", point.time_ms):
        nothing |= {"speed_kmh10": 0, "course_deg": 0}
    if not allowed.has(subject, "mileage", point.time_ms):
        nothing["odometer_m"] = ODOMETER_NONE
    return point._replace(**nothing)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
