"""Persons as people look for them: by telephone, plate, name, number; with what is known of each, and from where.

Reads only: who is whom is decided by the business (actors/business/identity.py). A record belongs to the store that
made it: whoever works for some stores sees the captures of those, and a person only through them. What is opened from
the vault is said in the audit log by whoever asks.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, and_, func, or_, select

from core import limits
from core.events.identity import SOURCES
from core.linkage import FIELDS
from core.rights import Principal
from storage.attributes import KINDS
from storage.tables.identity import (
    CAPTURE,
    CAPTURE_ITEM,
    HOUSEHOLD,
    HOUSEHOLD_MEMBER,
    PERSON,
    PERSON_ATTRIBUTE,
    PERSON_DRIVEN,
    PERSON_MATCH,
    VAULT_ITEM,
)
from storage.vault import Vault

CAPTURES_SHOWN: Final = 100
"""Captures of one person that are opened for one answer, the newest first: 10 ms."""
SEARCHED: Final = ("phone", "plate", "vin", "id_number", "name", "email")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a person: what it is, who said so, and how far it can be trusted."""

    kind: str
    value: str
    """In its one spelling; masked for who may not see it whole."""
    written: str
    """As it was written last."""
    number: int
    """How events name it; 0: it did not pass its check, and links nobody."""
    fault: str
    sources: list[str]
    """Who said so, the one that is believed most first."""
    captures: int
    first_ms: int
    last_ms: int
    verified_ms: int
    method: str
    stale: bool
    failed: int
    """Vain attempts in a row."""
    invalid_ms: int
    current: bool
    """The one that is used: verified before said, then by source, then the newest."""


class CaptureRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was said once."""

    capture: int
    person: int
    store: int
    source: str
    basis: str
    time_ms: int
    state: str
    how: str
    posterior: float
    kinds: dict[str, str]
    """Kind -> what its check says, empty where it is in order."""


class PersonRow(msgspec.Struct, frozen=True, kw_only=True):
    """A person in a list."""

    person: int
    name: str
    phone: str
    plates: list[str]
    state: str
    captures: int
    sources: list[str]
    last_ms: int
    merged: int
    """How many were found to be this one."""


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who was found to be this person."""

    person: int
    into: int
    captures: int


class Drives(msgspec.Struct, frozen=True, kw_only=True):
    """A car of theirs."""

    vehicle: int
    role: str
    from_ms: int
    to_ms: int


class HouseholdRow(msgspec.Struct, frozen=True, kw_only=True):
    """A household of theirs and the others in it."""

    household: int
    kind: str
    members: list[int]


class Dossier(PersonRow, frozen=True, kw_only=True):
    """All that is known of a person."""

    created_ms: int
    known: list[Known]
    records: list[CaptureRow]
    merges: list[Merged]
    cars: list[Drives]
    households: list[HouseholdRow]
    matches: list[int]
    """Open questions whether they are somebody else."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One field of two persons."""

    field: str
    level: str
    """As core.linkage.FIELDS names it; empty: one of them does not say."""
    bits: float
    one: str
    other: str


class MatchRow(msgspec.Struct, frozen=True, kw_only=True):
    """Two persons that may be one, and what speaks for and against it."""

    match: int
    person: int
    other: int
    store: int
    posterior: float
    weight: float
    reason: str
    state: str
    found_ms: int
    evidence: list[Evidence]


def masked(kind: str, value: str) -> str:
    """Return a value with its middle hidden, as it is shown to who may see that there is one and no more."""
    if kind in ("phone", "id_number", "vin") and len(value) > 8:
        return f"{value[:-8]}****{value[-4:]}"
    if kind == "address":
        return value[:6] + "…" if len(value) > 6 else value
    if kind == "email" and "@" in value:
        return f"{value[:1]}***{value[value.index('@') :]}"
    return value


def survivors(known: Sequence[Known]) -> list[Known]:
    """Return values by kind with the one that is used marked: never an invalid or faulty one; verified before said, the
    latest verified first; then by who said so (SOURCES); then the newest."""

    def order(one: Known) -> tuple[Any, ...]:
        best = min((SOURCES.index(source) for source in one.sources if source in SOURCES), default=len(SOURCES))
        return (one.invalid_ms > 0, one.number == 0, -one.verified_ms, best, -one.last_ms, one.value)

    kinds = list(KINDS)
    ranked = sorted(known, key=lambda one: (kinds.index(one.kind), order(one)))
    seen: set[str] = set()
    marked: list[Known] = []
    for one in ranked:
        current = one.kind not in seen and not one.invalid_ms and one.number > 0
        seen.add(one.kind)
        marked.append(msgspec.structs.replace(one, current=current))
    return marked


class Persons:
    """Reads persons for principals. Everything blocks."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._database = vault.database

    # --- lists --------------------------------------------------------------------------------------------------------

    def page(self, principal: Principal, *, after: int = 0, limit: int = 50, search: str = "") -> list[PersonRow]:
        """Return persons by number, the newest first, below `after` where it is not 0; at most `limit`.

        Args:
            search: a telephone or its last four digits, plate, VIN, identity number, name or mail address as people
                write them, or a person's number. Found by blind tokens: whole values, names by their sound too.
        """
        limit = min(limit, limits.PERSONS_PAGE_MAX)
        wanted = (
            select(PERSON)
            .where(PERSON.c.group_id == principal.scope.group, PERSON.c.state != "erased")
            .where(PERSON.c.person == PERSON.c.root, PERSON.c.person.in_(self._visible(principal, self._means(search))))
            .order_by(PERSON.c.person.desc())
            .limit(limit)
        )
        if after:
            wanted = wanted.where(PERSON.c.person < after)
        with self._database.read() as connection:
            return [self._row(connection, principal, row) for row in connection.execute(wanted).all()]

    def one(self, principal: Principal, person: int, *, whole: bool = False) -> Dossier | None:
        """Return all that is known of a person, or of whom they were merged into; None where nobody may be seen.

        Args:
            whole: values are not masked.
        """
        with self._database.read() as connection:
            root = connection.execute(
                select(PERSON.c.root).where(PERSON.c.person == person, PERSON.c.group_id == principal.scope.group)
            ).scalar()
            row = connection.execute(
                select(PERSON)
                .where(PERSON.c.person == root, PERSON.c.state != "erased")
                .where(PERSON.c.person.in_(self._visible(principal, None)))
            ).first()
            if row is None:
                return None
            short = self._row(connection, principal, row)
            records = self._records(connection, principal, row.person)
            members = connection.execute(select(PERSON).where(PERSON.c.root == row.person)).all()
            numbers = [member.person for member in members]
            driven = connection.execute(select(PERSON_DRIVEN).where(PERSON_DRIVEN.c.person.in_(numbers))).all()
            open_ = connection.execute(
                select(PERSON_MATCH.c.match_id)
                .where(or_(PERSON_MATCH.c.person.in_(numbers), PERSON_MATCH.c.other.in_(numbers)))
                .where(PERSON_MATCH.c.state == "open")
                .order_by(PERSON_MATCH.c.match_id)
            )
            return Dossier(
                **{name: getattr(short, name) for name in PersonRow.__struct_fields__},
                created_ms=row.created_ms,
                known=self._known(connection, records, numbers, whole=whole),
                records=records,
                merges=[
                    Merged(person=one.person, into=one.merged_into, captures=one.captures)
                    for one in members
                    if one.merged_into
                ],
                cars=[
                    Drives(vehicle=one.vehicle, role=one.role, from_ms=one.from_ms, to_ms=one.to_ms) for one in driven
                ],
                households=self._households(connection, numbers),
                matches=[one[0] for one in open_],
            )

    def matches(
        self, principal: Principal, *, state: str = "open", after: int = 0, limit: int = 20, whole: bool = False
    ) -> list[MatchRow]:
        """Return pairs that somebody is, or was, asked of: the oldest first; only of those both of whom may be seen."""
        one, other = PERSON.alias("one"), PERSON.alias("other")
        wanted = (
            select(PERSON_MATCH, one.c.root.label("root"), other.c.root.label("other_root"))
            .join(one, one.c.person == PERSON_MATCH.c.person)
            .join(other, other.c.person == PERSON_MATCH.c.other)
            .where(PERSON_MATCH.c.group_id == principal.scope.group, PERSON_MATCH.c.match_id > after)
            .order_by(PERSON_MATCH.c.match_id)
            .limit(min(limit, limits.PERSONS_PAGE_MAX))
        )
        if state == "open":
            # Whom other evidence has made one meanwhile nobody need look at.
            wanted = wanted.where(PERSON_MATCH.c.state == "open", one.c.root != other.c.root)
        else:
            wanted = wanted.where(PERSON_MATCH.c.state != "open")
        if principal.scope.stores is not None:
            visible = self._visible(principal, None)
            wanted = wanted.where(one.c.root.in_(visible), other.c.root.in_(visible))
        with self._database.read() as connection:
            return [self._match(connection, principal, row, whole=whole) for row in connection.execute(wanted).all()]

    def match(self, principal: Principal, match: int) -> MatchRow | None:
        """Return one pair, None where it may not be seen."""
        for state in ("open", "decided"):
            for row in self.matches(principal, state=state, after=match - 1, limit=1):
                if row.match == match:
                    return row
        return None

    def waiting(self, principal: Principal) -> int:
        """Return how many pairs wait for somebody to look, at most 100."""
        one, other = PERSON.alias("one"), PERSON.alias("other")
        wanted = (
            select(PERSON_MATCH.c.match_id)
            .join(one, one.c.person == PERSON_MATCH.c.person)
            .join(other, other.c.person == PERSON_MATCH.c.other)
            .where(PERSON_MATCH.c.group_id == principal.scope.group, PERSON_MATCH.c.state == "open")
            .where(one.c.root != other.c.root)
            .limit(100)
        )
        if principal.scope.stores is not None:
            visible = self._visible(principal, None)
            wanted = wanted.where(one.c.root.in_(visible), other.c.root.in_(visible))
        with self._database.read() as connection:
            return len(connection.execute(wanted).all())

    def quarantined(self, principal: Principal, *, after: int = 0, limit: int = 50) -> list[CaptureRow]:
        """Return captures that wait for somebody to show the consent, the oldest first."""
        wanted = (
            select(CAPTURE)
            .where(CAPTURE.c.state == "quarantined", CAPTURE.c.capture > after, self._whose(principal))
            .order_by(CAPTURE.c.capture)
            .limit(min(limit, limits.PERSONS_PAGE_MAX))
        )
        with self._database.read() as connection:
            return self._captures(connection, connection.execute(wanted).all())

    def holds(self, principal: Principal, capture: int) -> bool:
        """Tell whether a capture is one of this principal's."""
        wanted = select(CAPTURE.c.capture).where(CAPTURE.c.capture == capture, self._whose(principal))
        with self._database.read() as connection:
            return connection.execute(wanted).first() is not None

    def household_seen(self, principal: Principal, household: int) -> bool:
        """Tell whether all members of a household may be seen."""
        with self._database.read() as connection:
            members = [
                row[0]
                for row in connection.execute(
                    select(PERSON.c.root)
                    .join(HOUSEHOLD_MEMBER, HOUSEHOLD_MEMBER.c.person == PERSON.c.person)
                    .where(HOUSEHOLD_MEMBER.c.household == household)
                )
            ]
            seen = select(func.count()).where(
                PERSON.c.person.in_(members), PERSON.c.person.in_(self._visible(principal, None))
            )
            return bool(members) and connection.execute(seen).scalar_one() == len(set(members))

    # --- what stands behind them --------------------------------------------------------------------------------------

    def _whose(self, principal: Principal) -> Any:
        group = CAPTURE.c.group_id == principal.scope.group
        stores = principal.scope.stores
        return group if stores is None else and_(group, CAPTURE.c.store_id.in_(stores))

    def _means(self, search: str) -> tuple[list[int], list[int]] | None:
        """Return the values and the persons that a search means; None for no search."""
        search = search.strip()[: limits.ATTRIBUTE_CHARACTERS_MAX]
        if not search:
            return None
        values = {number for kind in SEARCHED for number in self._vault.numbers(kind, search)}
        persons = [int(search)] if search.isascii() and search.isdigit() and len(search) <= 9 else []
        return sorted(values), persons

    def _visible(self, principal: Principal, means: tuple[list[int], list[int]] | None) -> Any:
        """Return a query of the roots that this principal sees a capture of; of those only whom a search means."""
        seen = (
            select(PERSON.c.root)
            .join(CAPTURE, CAPTURE.c.person == PERSON.c.person)
            .where(CAPTURE.c.state == "linked", self._whose(principal))
        )
        if means is None:
            return seen
        values, persons = means
        said = select(VAULT_ITEM.c.capture).where(VAULT_ITEM.c.value.in_(values))
        return seen.where(or_(CAPTURE.c.capture.in_(said), PERSON.c.person.in_(persons)))

    def _records(self, connection: Connection, principal: Principal, root: int) -> list[CaptureRow]:
        wanted = (
            select(CAPTURE)
            .join(PERSON, PERSON.c.person == CAPTURE.c.person)
            .where(PERSON.c.root == root, CAPTURE.c.state == "linked", self._whose(principal))
            .order_by(CAPTURE.c.time_ms.desc(), CAPTURE.c.capture.desc())
            .limit(CAPTURES_SHOWN)
        )
        return self._captures(connection, connection.execute(wanted).all())

    def _captures(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[CaptureRow]:
        kinds: dict[int, dict[str, str]] = {}
        items = select(CAPTURE_ITEM).where(CAPTURE_ITEM.c.capture.in_([row.capture for row in rows]))
        for item in connection.execute(items):
            kinds.setdefault(item.capture, {})[item.kind] = item.fault
        return [
            CaptureRow(
                capture=row.capture, person=row.person, store=row.store_id, source=row.source, basis=row.basis,
                time_ms=row.time_ms, state=row.state, how=row.how, posterior=row.posterior,
                kinds=kinds.get(row.capture, {}),
            )
            for row in rows
        ]  # fmt: skip

    def _known(
        self, connection: Connection, records: Sequence[CaptureRow], persons: Sequence[int], *, whole: bool
    ) -> list[Known]:
        """Return every value that the records say, each once, with the one that is used marked."""
        opened = self._vault.open([record.capture for record in records])
        numbers: dict[tuple[int, str], int] = {
            (row.capture, row.kind): row.value
            for row in connection.execute(
                select(CAPTURE_ITEM).where(CAPTURE_ITEM.c.capture.in_([record.capture for record in records]))
            )
        }
        more: dict[tuple[str, int], Any] = {}
        for row in connection.execute(select(PERSON_ATTRIBUTE).where(PERSON_ATTRIBUTE.c.person.in_(persons))):
            more[row.kind, row.value] = row
        found: dict[tuple[str, str], Known] = {}
        for record in records:
            for kind, item in opened.get(record.capture, {}).items():
                number = numbers.get((record.capture, kind), 0)
                before = found.get((kind, item.value))
                about = more.get((kind, number)) if number else None
                sources = sorted({*(before.sources if before else ()), record.source}, key=_belief)
                found[kind, item.value] = Known(
                    kind=kind,
                    value=item.value if whole else masked(kind, item.value),
                    written=(before.written if before else item.written) if whole else "",
                    number=number,
                    fault=item.fault,
                    sources=sources,
                    captures=1 + (before.captures if before else 0),
                    first_ms=min(record.time_ms, before.first_ms if before else record.time_ms),
                    last_ms=max(record.time_ms, before.last_ms if before else record.time_ms),
                    verified_ms=about.verified_ms if about else 0,
                    method=about.method if about else "",
                    stale=bool(about.stale) if about else False,
                    failed=len(msgspec.json.decode(about.failed)) if about else 0,
                    invalid_ms=about.invalid_ms if about else 0,
                    current=False,
                )
        return survivors(list(found.values()))

    def _row(self, connection: Connection, principal: Principal, row: Row[Any]) -> PersonRow:
        records = self._records(connection, principal, row.person)[:10]
        known = self._known(connection, records, [row.person], whole=False)
        merged = connection.execute(select(func.count()).where(PERSON.c.root == row.person)).scalar_one() - 1
        captures = connection.execute(
            select(func.count())
            .select_from(CAPTURE)
            .join(PERSON, PERSON.c.person == CAPTURE.c.person)
            .where(PERSON.c.root == row.person, CAPTURE.c.state == "linked", self._whose(principal))
        ).scalar_one()
        return PersonRow(
            person=row.person,
            name=next((one.value for one in known if one.kind == "name" and one.current), ""),
            phone=next((one.value for one in known if one.kind == "phone" and one.current), ""),
            plates=[one.value for one in known if one.kind == "plate"][:3],
            state=row.state,
            captures=captures,
            sources=sorted({record.source for record in records}, key=_belief),
            last_ms=max((record.time_ms for record in records), default=row.created_ms),
            merged=merged,
        )

    def _households(self, connection: Connection, persons: Sequence[int]) -> list[HouseholdRow]:
        theirs = select(HOUSEHOLD_MEMBER.c.household).where(HOUSEHOLD_MEMBER.c.person.in_(persons))
        rows = connection.execute(
            select(HOUSEHOLD, HOUSEHOLD_MEMBER.c.person)
            .join(HOUSEHOLD_MEMBER, HOUSEHOLD_MEMBER.c.household == HOUSEHOLD.c.household)
            .where(HOUSEHOLD.c.household.in_(theirs), HOUSEHOLD.c.state == "active")
            .order_by(HOUSEHOLD.c.household, HOUSEHOLD_MEMBER.c.person)
        ).all()
        found: dict[int, HouseholdRow] = {}
        for row in rows:
            one = found.setdefault(row.household, HouseholdRow(household=row.household, kind=row.kind, members=[]))
            one.members.append(row.person)
        return list(found.values())

    def _match(self, connection: Connection, principal: Principal, row: Row[Any], *, whole: bool) -> MatchRow:
        bits = msgspec.json.decode(row.bits, type=list[float])
        levels = msgspec.json.decode(row.levels, type=list[int])
        sides = [
            {
                kind: [one for one in known if one.kind == kind]
                for kind in KINDS
            }
            for known in (
                self._known(connection, self._records(connection, principal, root), [root], whole=whole)
                for root in (row.root, row.other_root)
            )
        ]  # fmt: skip
        evidence = [
            Evidence(
                field=field.name,
                level=field.levels[levels[number] - 1] if number < len(levels) and levels[number] else "",
                bits=bits[number] if number < len(bits) else 0.0,
                one=_first(sides[0][field.name]),
                other=_first(sides[1][field.name]),
            )
            for number, field in enumerate(FIELDS)
            if sides[0][field.name] or sides[1][field.name]
        ]
        return MatchRow(
            match=row.match_id, person=row.root, other=row.other_root, store=row.store_id, posterior=row.posterior,
            weight=row.weight, reason=row.reason, state=row.state, found_ms=row.found_ms, evidence=evidence,
        )  # fmt: skip


def _first(known: Sequence[Known]) -> str:
    return known[0].value if known else ""


def _belief(source: str) -> int:
    return SOURCES.index(source) if source in SOURCES else len(SOURCES)
