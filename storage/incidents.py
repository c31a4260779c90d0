"""Incidents as people see them: what is open, worst first, and the story of one.

Reads only: the rows are written by the business (actors/business/incident.py) from the log. The scope stands in the SQL
of each query: an incident belongs to the store of its car. Incidents are safety's: whoever may not see events of that
purpose sees none.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, case, false, select, tuple_

from core import limits
from core.rights import PRECISION_1E7, Principal
from storage.database import Database
from storage.tables.business import EVENT, VEHICLE
from storage.tables.incident import INCIDENT, INCIDENT_ALERT, INCIDENT_STEP


class IncidentView(msgspec.Struct, frozen=True, kw_only=True):
    """A case: actors.business.incident.Incident says what each field means."""

    incident: int
    vehicle_id: int
    plate: str
    group: int
    store: int
    kind: str
    state: str
    severity: int
    """1 low to 4 critical."""
    judged: int
    assessed: int
    first_ms: int
    last_ms: int
    opened_ms: int
    stepped_ms: int
    ringing: bool
    holder: str
    acknowledged_ms: int
    level: int
    due_ms: int
    closed_ms: int
    reason: str
    merged_into: int
    alerts: int
    late: bool
    lat_1e7: int | None
    lon_1e7: int | None
    """As exactly as the reader may see it; None where they may not, or where nothing said."""
    has_fix: bool
    place_ms: int
    event: str
    seq: int
    """Number of the event that opened it."""


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a story: actors.business.incident.Step."""

    number: int
    what: str
    time_ms: int
    by: str
    reason: str
    severity: int
    kind: str
    happened_ms: int
    late: bool
    event: str
    seq: int
    """Number of the event behind it."""


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """One alert of an incident: actors.business.incident.Alert."""

    alert: str
    kind: str
    stage: str
    state: str
    severity: int
    first_ms: int
    last_ms: int
    late: bool
    event: str
    seq: int
    """Number of the event that told it last."""
    reason: str


class Incidents:
    """Reads the tables of incidents for principals. Everything blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        principal: Principal,
        *,
        state: str = "",
        vehicle_id: int = 0,
        after: str = "",
        limit: int = 100,
    ) -> tuple[list[IncidentView], str]:
        """Return incidents, and where the next page begins (empty on the last one).

        Open ones first: the gravest first, of equal ones the oldest. Then closed ones, the last closed first.

        Args:
            state: `open` or `closed`; both where empty.
            vehicle_id: of one car; 0: of all.
            after: what an earlier page gave back.

        Raises:
            ValueError: `after` is none.
        """
        limit = min(limit, limits.INCIDENTS_PAGE_MAX)
        wanted = _CASES.where(_whose(principal)).order_by(*_ORDER).limit(limit)
        if state:
            closed = INCIDENT.c.state == "closed"
            wanted = wanted.where(closed if state == "closed" else INCIDENT.c.state != "closed")
        if vehicle_id:
            wanted = wanted.where(INCIDENT.c.vehicle_id == vehicle_id)
        if after:
            places = [int(part) for part in after.split("_")]
            if len(places) != len(_ORDER) or any(abs(place) >= 1 << 63 for place in places):
                raise ValueError(after)
            wanted = wanted.where(tuple_(*_ORDER) > tuple_(*places))
        rows = self._rows(wanted)
        found = [_seen(principal, row) for row in rows]
        return found, "_".join(map(str, rows[-1][-len(_ORDER) :])) if len(rows) == limit else ""

    def one(self, principal: Principal, incident: int) -> IncidentView | None:
        """Return an incident; None if there is none that this principal may see."""
        row = next(iter(self._rows(_CASES.where(INCIDENT.c.incident == incident, _whose(principal)))), None)
        return None if row is None else _seen(principal, row)

    def steps(self, principal: Principal, incident: int) -> list[StepView]:
        """Return the newest INCIDENT_STEPS_MAX steps of an incident, in their order; empty for one out of scope."""
        wanted = (
            _with_seq(INCIDENT_STEP, StepView)
            .join(INCIDENT, INCIDENT.c.incident == INCIDENT_STEP.c.incident)
            .join(VEHICLE, VEHICLE.c.id == INCIDENT.c.vehicle_id)
            .where(INCIDENT.c.incident == incident, _whose(principal))
            .order_by(INCIDENT_STEP.c.number.desc())
            .limit(limits.INCIDENT_STEPS_MAX)
        )
        return [StepView(**row._mapping) for row in reversed(self._rows(wanted))]

    def alerts(self, principal: Principal, incident: int) -> list[AlertView]:
        """Return the alerts of an incident that are kept, by when they happened; empty for one out of scope."""
        wanted = (
            _with_seq(INCIDENT_ALERT, AlertView)
            .join(INCIDENT, INCIDENT.c.incident == INCIDENT_ALERT.c.incident)
            .join(VEHICLE, VEHICLE.c.id == INCIDENT.c.vehicle_id)
            .where(INCIDENT.c.incident == incident, _whose(principal))
            .order_by(INCIDENT_ALERT.c.first_ms, INCIDENT_ALERT.c.alert)
        )
        return [AlertView(**row._mapping) for row in self._rows(wanted)]

    def _rows(self, wanted: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:
            return connection.execute(wanted).all()


_CLOSED: Final = INCIDENT.c.state == "closed"
_ORDER: Final = (
    case((_CLOSED, 1), else_=0),
    case((_CLOSED, 0), else_=-INCIDENT.c.severity),
    case((_CLOSED, -INCIDENT.c.closed_ms), else_=INCIDENT.c.opened_ms),
    INCIDENT.c.incident,
)
_OWN: Final = [name for name in IncidentView.__struct_fields__ if name not in ("plate", "group", "store", "seq")]
_CASES: Final = (
    select(
        *(INCIDENT.c[name] for name in _OWN),
        VEHICLE.c.plate,
        VEHICLE.c.group_id.label("group"),
        VEHICLE.c.store_id.label("store"),
        EVENT.c.seq,
        *(place.label(f"place_{number}") for number, place in enumerate(_ORDER)),
    )
    .join(VEHICLE, VEHICLE.c.id == INCIDENT.c.vehicle_id)
    .join(EVENT, EVENT.c.id == INCIDENT.c.event)
)


def _with_seq(table: Any, view: type[msgspec.Struct]) -> Select[Any]:
    columns = [table.c[name] for name in view.__struct_fields__ if name != "seq"]
    return select(*columns, EVENT.c.seq).select_from(table).join(EVENT, EVENT.c.id == table.c.event)


def _whose(principal: Principal) -> ColumnElement[bool]:
    scope = principal.scope
    if "safety" not in scope.purposes:
        return false()
    group = VEHICLE.c.group_id == scope.group
    return group if scope.stores is None else and_(group, VEHICLE.c.store_id.in_(scope.stores))


def _seen(principal: Principal, row: Row[Any]) -> IncidentView:
    values = {name: row._mapping[name] for name in IncidentView.__struct_fields__}
    step = PRECISION_1E7.get(principal.scope.precision, 0) if principal.may("positions.read") else 0
    for name in ("lat_1e7", "lon_1e7"):
        if values[name] is not None:
            # As the reader coarsens every position: to the nearest multiple.
            values[name] = (values[name] + step // 2) // step * step if step else None
    return IncidentView(**values)
