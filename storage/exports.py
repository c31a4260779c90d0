"""Exports as people read them: what was asked for, by whom, and who let it out."""

from typing import Any, Final

import msgspec
from sqlalchemy import Select, func, insert, or_, select

from core import limits
from core.rights import Principal
from storage.database import Database
from storage.tables.audit import EXPORT_QUERY, EXPORT_REQUEST, SUPPLIER
from storage.tables.business import ACCOUNT, API_KEY


class ExportLine(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was asked for."""

    export: str
    """Its id; it stands in the file."""
    group: int
    store: int
    account: int
    name: str
    """Of who asked."""
    listing: str
    form: str
    size: int
    """Rows."""
    state: str
    """waiting, granted, denied, made"""
    reason: str
    asked_ms: int
    due_ms: int
    """Until when a word is waited for; 0: for none."""
    judged_by: int
    judged_name: str
    judged_ms: int
    made_ms: int
    sha256: str
    """Of the file; empty while there is none."""
    query: str
    """Path and query of the page that it is of."""


_JUDGE: Final = ACCOUNT.alias("judge")


class Exports:
    """Everything blocks: call it from worker threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep_query(self, export: str, query: str) -> None:
        """Keep what is asked for, sealed, for who judges and for who fetches."""
        with self._database.write() as connection:
            connection.execute(insert(EXPORT_QUERY).values(export=export, query=query))

    def page(self, principal: Principal, *, before_ms: int = 0, limit: int = 100, state: str = "") -> list[ExportLine]:
        """Return exports, the newest first: one's own, and with exports.approve those in one's scope."""
        wanted = self._mine(principal)
        if before_ms:
            wanted = wanted.where(EXPORT_REQUEST.c.asked_ms < before_ms)
        if state:
            wanted = wanted.where(EXPORT_REQUEST.c.state == state)
        wanted = wanted.order_by(EXPORT_REQUEST.c.asked_ms.desc(), EXPORT_REQUEST.c.export)
        with self._database.read() as connection:
            return [_line(row) for row in connection.execute(wanted.limit(min(limit, limits.PEOPLE_READ_MAX)))]

    def one(self, principal: Principal, export: str) -> ExportLine | None:
        """Return one; None where there is none that the principal may see."""
        with self._database.read() as connection:
            row = connection.execute(self._mine(principal).where(EXPORT_REQUEST.c.export == export[:32])).first()
        return None if row is None else _line(row)

    def _mine(self, principal: Principal) -> Select[Any]:
        table = EXPORT_REQUEST.c
        wanted = (
            select(EXPORT_REQUEST, ACCOUNT.c.name, ACCOUNT.c.login, EXPORT_QUERY.c.query)
            .add_columns(_JUDGE.c.name.label("judge_name"), _JUDGE.c.login.label("judge_login"))
            .outerjoin(ACCOUNT, ACCOUNT.c.id == table.account)
            .outerjoin(_JUDGE, _JUDGE.c.id == table.judged_by)
            .outerjoin(EXPORT_QUERY, EXPORT_QUERY.c.export == table.export)
            .where(table.group_id == principal.scope.group)
        )
        own = table.account == principal.account
        if not principal.may("exports.approve"):
            return wanted.where(own)
        if principal.scope.stores is None:
            return wanted
        return wanted.where(or_(own, table.store_id.in_(principal.scope.stores)))


def _line(row: Any) -> ExportLine:
    fields = (
        "export", "account", "listing", "form", "size", "state", "reason", "asked_ms", "due_ms", "judged_by",
        "judged_ms", "made_ms", "sha256",
    )  # fmt: skip
    return ExportLine(
        group=row.group_id,
        store=row.store_id,
        name=row.name or row.login or "",
        judged_name=row.judge_name or row.judge_login or "",
        query=row.query or "",
        **{name: getattr(row, name) for name in fields},
    )


class SupplierLine(msgspec.Struct, frozen=True, kw_only=True):
    """A company that API keys are given to."""

    supplier: int
    name: str
    contract: str
    ends_ms: int
    """Their keys open nothing from then on."""
    keys: int
    """Keys given to them, those that have ended too."""


def suppliers(database: Database, principal: Principal) -> list[SupplierLine]:
    """Return the suppliers of the principal's group, by number; PEOPLE_READ_MAX of them."""
    count = select(func.count()).where(API_KEY.c.supplier == SUPPLIER.c.supplier).scalar_subquery()
    wanted = (
        select(SUPPLIER, count.label("keys"))
        .where(SUPPLIER.c.group_id == principal.scope.group)
        .order_by(SUPPLIER.c.supplier)
        .limit(limits.PEOPLE_READ_MAX)
    )
    with database.read() as connection:
        return [
            SupplierLine(
                supplier=row.supplier,
                name=row.name,
                contract=row.contract,
                ends_ms=row.ends_ms,
                keys=row._mapping["keys"],
            )
            for row in connection.execute(wanted)
        ]
