"""The organisation as a principal may see it: the tree, who works where, skills and rosters. Everything blocks.

The rows are written by the actor organisation alone (actors/business/organisation.py); here they are read, with the
scope in the SQL: who has some stores sees these, what is below them, and of what is above them the name.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, true

from core import limits
from core.clock import Clock, wall_ms
from core.rights import Principal
from storage.database import Database
from storage.places import in_force
from storage.tables.business import ACCOUNT, STORE
from storage.tables.organisation import CALENDAR_DAY, CERTIFICATE, DUTY, NODE, PLACE, SHIFT, SKILL

KINDS: Final = ("group", "region", "store", "department")


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree."""

    node: str
    kind: str
    parent: str
    store: int
    """The store that it is or is part of; 0: it is above the stores."""
    state: str
    """planned, open, suspended, closed"""
    code: str
    name_zh: str
    name_en: str
    time_zone: str
    """Its own; empty: that of the node above."""
    brands: list[str]
    """Its own; empty: those of the node above."""
    from_ms: int
    to_ms: int
    reason: str
    lat: float | None = None
    lon: float | None = None
    people: int = 0
    """How many work there now; 0 for one that is seen by its name only."""
    on_duty: int = 0
    mine: bool = True
    """Whether it is in the scope; false: it stands above what is, and is seen by its name only."""


class Colleague(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who works at a node."""

    place: int
    account: int
    name: str
    login: str
    role: str
    grade: str
    state: str
    """Of their account: active, invited, disabled."""
    from_ms: int
    to_ms: int


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people can be certified in."""

    skill: str
    name_zh: str
    name_en: str
    held: int = 0
    """How many hold it now."""


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of work, and which skills it needs at least at which level."""

    duty: str
    name_zh: str
    name_en: str
    needs: list[tuple[str, int]]


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is certified in a skill."""

    account: int
    skill: str
    level: int
    granted_ms: int
    expires_ms: int
    """0: for good."""
    granted_by: str


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on duty at a node."""

    shift: int
    node: str
    account: int
    name: str
    duty: str
    from_ms: int
    to_ms: int
    state: str
    """set, cleared, done"""
    reason: str


class CalendarDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day that does not follow the week at a node."""

    day: str
    kind: str
    """holiday, workday"""
    node: str
    """Where it is written: the node itself, or one above it."""


class Organisation:
    """The organisation of one business database."""

    def __init__(self, database: Database, clock: Clock = wall_ms) -> None:
        self._database = database
        self._clock = clock

    def nodes(self, by: Principal) -> list[Node]:
        """Return the tree as the principal sees it, each node behind the one above it, up to PEOPLE_READ_MAX."""
        with self._database.read() as connection:
            return self._nodes(connection, by)

    def node(self, by: Principal, name: str) -> Node | None:
        """Return a node of the scope; None if there is none of this name, or only above the scope."""
        return next((node for node in self.nodes(by) if node.node == name and node.mine), None)

    def _nodes(self, connection: Connection, by: Principal) -> list[Node]:
        now_ms = self._clock()
        wanted = (
            select(NODE, STORE.c.lat_1e7, STORE.c.lon_1e7)
            .outerjoin(STORE, and_(NODE.c.kind == "store", STORE.c.id == NODE.c.store_id))
            .where(NODE.c.group_id == by.scope.group)
            .order_by(NODE.c.created_ms, NODE.c.node)
        )
        if by.scope.stores is None:
            rows = connection.execute(wanted.limit(limits.PEOPLE_READ_MAX)).all()
            mine = {row.node for row in rows}
        else:
            rows = list(connection.execute(wanted.where(NODE.c.store_id.in_(by.scope.stores))).all())
            mine = {row.node for row in rows}
            known = set(mine)
            # Up to the group: as many steps as the tree has levels.
            while missing := {row.parent for row in rows if row.parent} - known:
                above = connection.execute(wanted.where(NODE.c.node.in_(sorted(missing)))).all()
                rows += above
                known |= {row.node for row in above} | missing
        people = self._counts(connection, PLACE.c.node, PLACE.c.account, in_force(now_ms), PLACE.c.group_id, by)
        on_duty = and_(SHIFT.c.state == "set", SHIFT.c.from_ms <= now_ms, SHIFT.c.to_ms > now_ms)
        duty = self._counts(connection, SHIFT.c.node, SHIFT.c.account, on_duty, SHIFT.c.group_id, by)
        return _ordered([_node(row, people, duty, row.node in mine) for row in rows])

    @staticmethod
    def _counts(
        connection: Connection, node: Any, account: Any, there: Any, group: Any, by: Principal
    ) -> dict[str, int]:
        wanted = select(node, func.count(account.distinct())).where(there, group == by.scope.group).group_by(node)
        return {row[0]: row[1] for row in connection.execute(wanted)}

    def colleagues(self, by: Principal, node: str) -> list[Colleague]:
        """Return who works at a node of the scope, or will, by role and name."""
        now_ms = self._clock()
        wanted = (
            select(PLACE, ACCOUNT.c.name, ACCOUNT.c.login, ACCOUNT.c.state)
            .join(ACCOUNT, ACCOUNT.c.id == PLACE.c.account)
            .where(PLACE.c.node == node, PLACE.c.ended_ms == 0, or_(PLACE.c.to_ms == 0, PLACE.c.to_ms > now_ms))
            .where(_whose(by, PLACE))
            .order_by(PLACE.c.role, ACCOUNT.c.login)
        )
        fields = ("place", "account", "name", "login", "role", "grade", "state", "from_ms", "to_ms")
        with self._database.read() as connection:
            return [Colleague(**{name: getattr(row, name) for name in fields}) for row in connection.execute(wanted)]

    def calendar(self, by: Principal, node: str, from_day: str = "") -> list[CalendarDay]:
        """Return the days of a node's calendar, and of those above it where it says nothing itself, in order."""
        tree = {one.node: one for one in self.nodes(by)}
        above: list[str] = []
        while node in tree:
            above.append(node)
            node = tree[node].parent
        wanted = select(CALENDAR_DAY).where(CALENDAR_DAY.c.node.in_(above), CALENDAR_DAY.c.day >= from_day)
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        nearest: dict[str, Row[Any]] = {}
        for row in sorted(rows, key=lambda row: -above.index(row.node)):
            nearest[row.day] = row
        return [CalendarDay(day=day, kind=row.kind, node=row.node) for day, row in sorted(nearest.items())]

    def skills(self, by: Principal) -> list[Skill]:
        """Return the skills of the group, each with how many hold it."""
        lasts = or_(CERTIFICATE.c.expires_ms == 0, CERTIFICATE.c.expires_ms > self._clock())
        held = and_(CERTIFICATE.c.level > 0, lasts)
        count = select(CERTIFICATE.c.skill, func.count()).where(held, CERTIFICATE.c.group_id == by.scope.group)
        wanted = select(SKILL).where(SKILL.c.group_id == by.scope.group).order_by(SKILL.c.skill)
        with self._database.read() as connection:
            counts = {row[0]: row[1] for row in connection.execute(count.group_by(CERTIFICATE.c.skill))}
            return [
                Skill(skill=row.skill, name_zh=row.name_zh, name_en=row.name_en, held=counts.get(row.skill, 0))
                for row in connection.execute(wanted)
            ]

    def duties(self, by: Principal) -> list[Duty]:
        """Return the kinds of work of the group."""
        wanted = select(DUTY).where(DUTY.c.group_id == by.scope.group).order_by(DUTY.c.duty)
        with self._database.read() as connection:
            return [
                Duty(
                    duty=row.duty,
                    name_zh=row.name_zh,
                    name_en=row.name_en,
                    needs=msgspec.json.decode(row.needs, type=list[tuple[str, int]]),
                )
                for row in connection.execute(wanted)
            ]

    def certificates(self, by: Principal, accounts: Sequence[int]) -> list[Certificate]:
        """Return the certificates in force of these accounts, which the caller may see."""
        now_ms = self._clock()
        wanted = (
            select(CERTIFICATE)
            .where(CERTIFICATE.c.group_id == by.scope.group, CERTIFICATE.c.account.in_(list(accounts)))
            .where(CERTIFICATE.c.level > 0, or_(CERTIFICATE.c.expires_ms == 0, CERTIFICATE.c.expires_ms > now_ms))
            .order_by(CERTIFICATE.c.account, CERTIFICATE.c.skill)
        )
        fields = ("account", "skill", "level", "granted_ms", "expires_ms", "granted_by")
        with self._database.read() as connection:
            return [Certificate(**{name: getattr(row, name) for name in fields}) for row in connection.execute(wanted)]

    def shifts(
        self, by: Principal, *, node: str = "", from_ms: int, to_ms: int, limit: int = limits.PEOPLE_READ_MAX
    ) -> list[Shift]:
        """Return the shifts of the scope that lie in a time, those that were cleared too, by their beginning.

        Args:
            node: only those at this node; empty: at all.
        """
        within = and_(SHIFT.c.from_ms < to_ms, SHIFT.c.to_ms > from_ms)
        return self._shifts(by, within if not node else and_(within, SHIFT.c.node == node), limit)

    def shift(self, by: Principal, number: int) -> Shift | None:
        """Return a shift of the scope; None if there is none of this number."""
        return next(iter(self._shifts(by, SHIFT.c.shift == number, 1)), None)

    def _shifts(self, by: Principal, condition: ColumnElement[bool], limit: int) -> list[Shift]:
        wanted = (
            select(SHIFT, ACCOUNT.c.name, ACCOUNT.c.login)
            .join(ACCOUNT, ACCOUNT.c.id == SHIFT.c.account)
            .where(condition, _whose(by, SHIFT))
            .order_by(SHIFT.c.from_ms, SHIFT.c.shift)
        )
        fields = ("shift", "node", "account", "duty", "from_ms", "to_ms", "state", "reason")
        with self._database.read() as connection:
            return [
                Shift(name=row.name or row.login, **{name: getattr(row, name) for name in fields})
                for row in connection.execute(wanted.limit(min(limit, limits.PEOPLE_READ_MAX)))
            ]


def _whose(by: Principal, table: Any) -> ColumnElement[bool]:
    """Return the condition that a row is of the scope."""
    stores = true() if by.scope.stores is None else table.c.store_id.in_(by.scope.stores)
    return and_(table.c.group_id == by.scope.group, stores)


def _node(row: Row[Any], people: dict[str, int], duty: dict[str, int], mine: bool) -> Node:
    told = ("state", "code", "name_zh", "name_en", "time_zone", "from_ms", "to_ms", "reason")
    fields = ("node", "kind", "parent", *told)
    return Node(
        store=row.store_id,
        brands=msgspec.json.decode(row.brands, type=list[str]),
        lat=None if row.lat_1e7 is None else row.lat_1e7 / 1e7,
        lon=None if row.lon_1e7 is None else row.lon_1e7 / 1e7,
        people=people.get(row.node, 0) if mine else 0,
        on_duty=duty.get(row.node, 0) if mine else 0,
        mine=mine,
        **{name: getattr(row, name) for name in fields},
    )


def _ordered(nodes: Sequence[Node]) -> list[Node]:
    """Return nodes each behind the one above it, siblings together: regions first, closed ones last."""
    below: dict[str, list[Node]] = {}
    for node in nodes:
        below.setdefault(node.parent, []).append(node)
    found: list[Node] = []

    def walk(parent: str) -> None:
        for node in sorted(
            below.get(parent, ()),
            key=lambda one: (one.state == "closed", KINDS.index(one.kind), one.code, one.from_ms, one.node),
        ):
            found.append(node)
            walk(node.node)

    walk("")
    return found
