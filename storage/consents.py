"""Consents, texts and break-glasses as people read them. Whose they are stands in the SQL; who a person is does not
stand here: rows name persons by number."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, and_, or_, select

from core import limits
from core.chain import first_broken
from core.consents import record_parts
from core.events.consent import Cell
from core.rights import Principal, Scope
from storage.database import Database
from storage.tables.consent import (
    BREAK_GLASS,
    CONSENT,
    CONSENT_BAR,
    CONSENT_PERSON,
    CONSENT_RECORD,
    CONSENT_SUBJECT,
    CONSENT_TEXT,
)

RECORDS_PAGE_MAX: Final = 500


class ConsentRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said of one purpose, data class and channel."""

    person: int
    purpose: str
    data_class: str
    channel: str
    state: str
    """asked, given, held (while merged with a record that said no later), withdrawn, expired"""
    precision: str
    text: str
    version: int
    evidence: str
    since_ms: int
    """What happened before is not covered."""
    expires_ms: int
    """0: until it is withdrawn."""
    changed_ms: int
    event: str
    """Id of the event that said so last."""


class ConsentRecordRow(msgspec.Struct, frozen=True, kw_only=True):
    """One link of the chain of what a person said."""

    person: int
    number: int
    group_id: int
    store_id: int
    event: str
    type: str
    time_ms: int
    purpose: str
    data_class: str
    precision: str
    channel: str
    text: str
    version: int
    evidence: str
    actor: str
    hash: str


class PersonConsents(msgspec.Struct, frozen=True, kw_only=True):
    """All that one person said."""

    person: int
    state: str
    """known, merged, erased"""
    survivor: int
    """The record that they were merged into, 0: none."""
    cars: list[int]
    """Whose owner or driver they are now, those that you see."""
    consents: list[ConsentRow]
    bars: list[str]
    """Channels by which they are not to be contacted; an empty one is all."""
    records: list[ConsentRecordRow]
    """The newest first, RECORDS_PAGE_MAX at most."""
    broken: int
    """Number of the first record whose hash is not that of itself and the one before; 0: the chain holds."""


class TextRow(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a text."""

    text: str
    version: int
    purpose: str
    cells: list[Cell]
    title_zh: str
    title_en: str
    body_zh: str
    body_en: str
    sha256: str
    valid_days: int
    published_ms: int
    current: bool


class GlassRow(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a car by break-glass."""

    id: int
    vehicle_id: int
    account: str
    incident: str
    reason: str
    state: str
    """opened, used, ended, overdue, closed"""
    opened_ms: int
    until_ms: int
    used: int
    used_ms: int
    finding: str
    reviewer: str
    reviewed_ms: int


class Consents:
    """Reads what persons allow. Everything blocks."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, principal: Principal, *, after: tuple[int, str, str, str] = (0, "", "", ""), person: int = 0,
        purpose: str = "", state: str = "", limit: int = 100,
    ) -> list[ConsentRow]:  # fmt: skip
        """Return consents of persons that this principal sees, by person, purpose, class and channel."""
        key = (CONSENT.c.person, CONSENT.c.purpose, CONSENT.c.data_class, CONSENT.c.channel)
        wanted = select(*_columns(CONSENT, ConsentRow)).where(_seen(CONSENT, principal.scope)).order_by(*key)
        if after[0]:
            wanted = wanted.where(_behind(key, after))
        if person:
            wanted = wanted.where(CONSENT.c.person == person)
        if purpose:
            wanted = wanted.where(CONSENT.c.purpose == purpose)
        if state:
            wanted = wanted.where(CONSENT.c.state == state)
        with self._database.read() as connection:
            rows = connection.execute(wanted.limit(min(limit, limits.PEOPLE_READ_MAX))).all()
        return [ConsentRow(**row._mapping) for row in rows]

    def person(self, principal: Principal, person: int) -> PersonConsents | None:
        """Return all that a person said; None for one who is unknown here, or whom this principal does not see."""
        mine = CONSENT_PERSON.c.person == person
        with self._database.read() as connection:
            found = connection.execute(
                select(CONSENT_PERSON).where(mine, _seen(CONSENT_PERSON, principal.scope))
            ).first()
            if found is None:
                return None
            consents = connection.execute(
                select(*_columns(CONSENT, ConsentRow)).where(CONSENT.c.person == person)
                .order_by(CONSENT.c.purpose, CONSENT.c.data_class, CONSENT.c.channel)
            ).all()  # fmt: skip
            bars = connection.execute(select(CONSENT_BAR.c.channel).where(CONSENT_BAR.c.person == person)).all()
            links = connection.execute(
                select(CONSENT_SUBJECT.c.subject).distinct()
                .where(CONSENT_SUBJECT.c.person == person, CONSENT_SUBJECT.c.to_ms == 0)
                .where(CONSENT_SUBJECT.c.role.in_(("owner", "driver")), _own(CONSENT_SUBJECT, principal.scope))
                .limit(limits.PEOPLE_READ_MAX)
            ).all()  # fmt: skip
            records = connection.execute(
                select(CONSENT_RECORD).where(CONSENT_RECORD.c.person == person)
                .order_by(CONSENT_RECORD.c.number.desc()).limit(RECORDS_PAGE_MAX + 1)
            ).all()  # fmt: skip
        chain = [ConsentRecordRow(**row._mapping) for row in reversed(records)]
        return PersonConsents(
            person=person,
            state=found.state,
            survivor=found.survivor,
            cars=sorted(int(row.subject.removeprefix("vehicle:")) for row in links),
            consents=[ConsentRow(**row._mapping) for row in consents],
            bars=sorted(row.channel for row in bars),
            records=list(reversed(chain))[:RECORDS_PAGE_MAX],
            broken=_broken(chain, found.records, found.hash),
        )

    def texts(self, principal: Principal) -> list[TextRow]:
        """Return every version of every text of the group, the newest of each first."""
        wanted = (
            select(*_columns(CONSENT_TEXT, TextRow))
            .where(CONSENT_TEXT.c.group_id == principal.scope.group)
            .order_by(CONSENT_TEXT.c.text, CONSENT_TEXT.c.version.desc())
            .limit(limits.PEOPLE_READ_MAX)
        )
        with self._database.read() as connection:
            rows = connection.execute(wanted).all()
        return [TextRow(**{**row._mapping, "cells": msgspec.json.decode(row.cells, type=list[Cell])}) for row in rows]

    def glasses(self, principal: Principal, *, before: int = 0, state: str = "", limit: int = 100) -> list[GlassRow]:
        """Return looks by break-glass, the newest first."""
        wanted = select(*_columns(BREAK_GLASS, GlassRow)).where(_own(BREAK_GLASS, principal.scope))
        if before:
            wanted = wanted.where(BREAK_GLASS.c.id < before)
        if state:
            wanted = wanted.where(BREAK_GLASS.c.state == state)
        with self._database.read() as connection:
            rows = connection.execute(wanted.order_by(BREAK_GLASS.c.id.desc()).limit(limit)).all()
        return [GlassRow(**row._mapping) for row in rows]

    def glass(self, principal: Principal, number: int) -> GlassRow | None:
        """Return one look; None if there is none that this principal sees."""
        wanted = select(*_columns(BREAK_GLASS, GlassRow)).where(
            BREAK_GLASS.c.id == number, _own(BREAK_GLASS, principal.scope)
        )
        with self._database.read() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else GlassRow(**row._mapping)


def _columns(table: Any, row: type[msgspec.Struct]) -> list[Any]:
    return [table.c[name] for name in row.__struct_fields__]


def _own(table: Any, scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a row is of the scope's group and stores."""
    group: ColumnElement[bool] = table.c.group_id == scope.group
    return group if scope.stores is None else and_(group, table.c.store_id.in_(scope.stores))


def _seen(table: Any, scope: Scope) -> ColumnElement[bool]:
    """Return the condition that a row is of a person whom the scope sees: its own, or with a car of its stores."""
    if scope.stores is None:
        return _own(table, scope)
    here = (
        select(CONSENT_SUBJECT.c.person)
        .where(CONSENT_SUBJECT.c.person == table.c.person, CONSENT_SUBJECT.c.role != "self")
        .where(CONSENT_SUBJECT.c.to_ms == 0, _own(CONSENT_SUBJECT, scope))
        .exists()
    )
    return and_(table.c.group_id == scope.group, or_(table.c.store_id.in_(scope.stores), here))


def _behind(key: Sequence[Any], after: Sequence[Any]) -> ColumnElement[bool]:
    """Return the condition that a row stands behind a place in the order of its key."""
    ways = [
        and_(*(column == value for column, value in zip(key[:at], after[:at], strict=True)), key[at] > after[at])
        for at in range(len(key))
    ]
    return or_(*ways)


def _broken(chain: Sequence[ConsentRecordRow], records: int, newest: str) -> int:
    """Return the number of the first record of a person's chain that does not hold, 0 if all do.

    Of a chain longer than a page the part at hand is reckoned over, behind the first record of it.
    """
    if len(chain) != min(records, RECORDS_PAGE_MAX + 1):
        return 1 + (chain[-1].number if chain else 0)
    if not chain:
        return 0
    head = chain[0]
    rows = [(record_parts(one), one.hash) for one in chain]
    at = first_broken(rows) if head.number == 1 else first_broken(rows[1:], head.hash)
    if at is not None:
        return chain[at].number if head.number == 1 else chain[at + 1].number
    return 0 if chain[-1].hash == newest else chain[-1].number
