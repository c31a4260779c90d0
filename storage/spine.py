"""The business as people see it: what is parked and waits, how far it has come, what is in force. Only reads."""

from collections.abc import Sequence
from typing import Final

import msgspec

from core.business import Kept
from core.rights import Principal, Scope
from storage.database import Database

PARKED_READ_MAX: Final = 500
"""Parked keys of one look. More than a person works off in a day: the number of the rest is told."""
WAITING_COUNTED_MAX: Final = 10_001
"""Waiting events counted of one key; past it `10,000+` is said, for counting costs as much as there are."""


class ParkedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key at which an actor has stopped, and what waits for it."""

    actor: str
    key: str
    store: int
    event: str
    """Id of the event at which it stopped."""
    seq: int
    type: str
    reason: str
    time_ms: int
    waiting: int
    """Events that wait, that one included; at most WAITING_COUNTED_MAX."""


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What a group has switched and adopted."""

    modules: dict[tuple[str, int], bool]
    """(actor, store) -> on or off, where something is said; store 0 is the group."""
    versions: dict[tuple[str, str], int]
    """(actor, rule) -> version adopted."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How far the business has come."""

    head: int
    """Number of the last event of the log."""
    folded: int
    """Number of the last event that the business has heard."""


class Spine:
    """Reads of the spine's tables. Blocks; every read has the principal's scope in its SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sign = database.placeholder

    def parked(self, principal: Principal, *, actor: str = "", key: str = "") -> list[ParkedKey]:
        """Return parked keys, the longest parked first, at most PARKED_READ_MAX.

        Args:
            actor, key: only these, where given.
        """
        where, values = self._whose(principal.scope, "p.")
        for column, value in (("p.actor", actor), ("p.key", key)):
            if value:
                where += f" AND {column} = {self._sign}"
                values.append(value)
        waiting = (
            f"(SELECT count(*) FROM (SELECT 1 FROM waiting w WHERE w.actor = p.actor AND w.key = p.key "
            f"LIMIT {WAITING_COUNTED_MAX}) some)"
        )
        sql = (
            f"SELECT p.actor, p.key, p.store_id, p.event, coalesce(e.seq, 0), p.type, p.reason, p.time_ms, {waiting} "
            f"FROM parked p LEFT JOIN event e ON e.id = p.event WHERE {where} "
            f"ORDER BY p.time_ms, p.actor, p.key LIMIT {self._sign}"
        )
        with self._database.read() as connection:
            rows = connection.exec_driver_sql(sql, (*values, PARKED_READ_MAX)).fetchall()
        return [
            ParkedKey(
                actor=row[0], key=row[1], store=row[2], event=row[3], seq=row[4], type=row[5], reason=row[6],
                time_ms=row[7], waiting=row[8],
            )
            for row in rows
        ]  # fmt: skip

    def parked_count(self, principal: Principal) -> dict[str, int]:
        """Return how many keys each actor is parked at."""
        where, values = self._whose(principal.scope)
        sql = f"SELECT actor, count(*) FROM parked WHERE {where} GROUP BY actor"
        with self._database.read() as connection:
            return {row[0]: row[1] for row in connection.exec_driver_sql(sql, tuple(values))}

    def in_force(self, principal: Principal) -> InForce:
        """Return what is switched in the stores of this principal, and what rules the group has adopted."""
        where, values = self._whose(principal.scope)
        group = f"group_id = {self._sign}"
        if principal.scope.stores is not None:
            where = f"({where} OR ({group} AND store_id = 0))"
            values = [*values, principal.scope.group]
        with self._database.read() as connection:
            modules = connection.exec_driver_sql(
                f"SELECT actor, store_id, active FROM module WHERE {where}", tuple(values)
            ).fetchall()
            versions = connection.exec_driver_sql(
                f"SELECT actor, rule, version FROM rule_adopted WHERE {group}", (principal.scope.group,)
            ).fetchall()
        return InForce(
            modules={(row[0], row[1]): bool(row[2]) for row in modules},
            versions={(row[0], row[1]): row[2] for row in versions},
        )

    def standing(self) -> Standing:
        """Return how far the business has come, whosever events they are."""
        with self._database.read() as connection:
            row = connection.exec_driver_sql("SELECT head, folded FROM log_owner WHERE log = 'event'").first()
        return Standing(head=row[0], folded=row[1]) if row else Standing(head=0, folded=0)

    def rows(self, tables: Sequence[Kept]) -> dict[str, int]:
        """Return how many rows each of these tables has, whosever they are."""
        with self._database.read() as connection:
            return {
                kept.table: connection.exec_driver_sql(f"SELECT count(*) FROM {kept.table}").scalar_one()
                for kept in tables
            }

    def _whose(self, scope: Scope, prefix: str = "") -> tuple[str, list[object]]:
        where, values = f"{prefix}group_id = {self._sign}", [scope.group]
        if scope.stores is None:
            return where, list(values)
        signs = ", ".join([self._sign] * len(scope.stores)) or "NULL"
        return f"{where} AND {prefix}store_id IN ({signs})", [*values, *scope.stores]
