"""The audit log: who looked at what and who did what, each row chained to the one before, sealed into the event log.

Rows stand in table `access`. A row's hash is over its own columns and the hash of the row before (core.chain), numbers
are dense, so a row that was changed, removed or put in between is found at its number. Whoever can write the database
could write all hashes anew; so every minute the newest hash is said in the event log as `audit.sealed`, with a mark
that needs the ring's index key to be made. Who has the database and not the keys can change unseen what is younger than
the last seal, and nothing else.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, or_, select

from core import limits
from core.chain import START, link
from core.events import Event, derive_id
from core.events.audit import AuditSealed
from core.rights import Principal
from storage.database import Database
from storage.errors import StorageError
from storage.eventlog import EVENT_COLUMNS, event_of
from storage.tables.audit import CHAIN
from storage.tables.business import ACCESS, ACCOUNT

CHAIN_NAME: Final = "access"
SEALED_TYPE: Final = "audit.sealed"

LOOKS: Final = ("positions", "live", "track", "frames", "messages", "media", "search", "export", "person")
"""What was looked at."""
WHATS: Final = (*LOOKS, "act", "login")
"""Kinds of rows: looks, everything that changes something, and attempts to come in."""

CHAINED: Final = (
    "id", "time_ms", "group_id", "account", "api_key", "what", "vehicle", "from_ms", "to_ms", "rows", "address",
    "subject", "persons", "act", "status", "detail",
)  # fmt: skip
"""Columns that a row's hash is over, in this order."""

_PAGE_ROWS: Final = 2_000


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the audit log, before it has its number."""

    time_ms: int
    group: int
    account: int
    api_key: int
    what: str
    vehicle: int = 0
    from_ms: int = 0
    to_ms: int = 0
    rows: int = 0
    address: str = ""
    subject: str = ""
    persons: int = 0
    act: str = ""
    status: int = 0
    detail: str = ""


def line_of(principal: Principal | None, what: str, address: str = "", **about: Any) -> Line:
    """Return a row about what somebody does now; None is somebody whom nobody knows."""
    return Line(
        time_ms=time.time_ns() // 1_000_000,
        group=principal.scope.group if principal else 1,
        account=principal.account if principal else 0,
        api_key=principal.api_key if principal else 0,
        what=what,
        address=address or (principal.address if principal else ""),
        **about,
    )


class _Entry:
    """One row, and what became of it."""

    __slots__ = ("done", "error", "line")

    def __init__(self, line: Line) -> None:
        self.line = line
        self.done = False
        self.error: StorageError | None = None


class AuditLog:
    """Where rows are written, many to a transaction: the first to come writes for all who wait behind it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Entry] = deque()
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._written = 0
        self._batches = 0
        self._refused = 0

    def write(self, line: Line) -> None:
        """Write one row; returns once it is on disk.

        Raises:
            StorageError: it is not, within ACCESS_S_MAX or because too many wait.
        """
        entry = _Entry(line)
        with self._guard:
            if len(self._waiting) >= limits.ACCESS_WAITING_MAX:
                self._refused += 1
                raise StorageError(f"the access log is behind: {limits.ACCESS_WAITING_MAX} reads wait for it")
            self._waiting.append(entry)
        if not self._writing.acquire(timeout=limits.ACCESS_S_MAX):
            with self._guard:
                if entry in self._waiting:
                    self._waiting.remove(entry)
                self._refused += 1
            raise StorageError(f"the access log did not take a read within {limits.ACCESS_S_MAX:.0f} s")
        try:
            if not entry.done:
                self._write_waiting()
        finally:
            self._writing.release()
        if entry.error is not None:
            raise entry.error

    def _write_waiting(self) -> None:
        with self._guard:
            batch = list(self._waiting)
            self._waiting.clear()
        # Whatever goes wrong, also by a bug of ours: none of them may go on as if its row were there.
        error: StorageError | None = StorageError("the access log failed")
        try:
            with self._database.write() as connection:
                append(connection, [entry.line for entry in batch])
            error = None
            self._written += len(batch)
            self._batches += 1
        except StorageError as failed:
            error = StorageError(f"the access log does not take a read of positions: {failed}")
        finally:
            if error is not None:
                with self._guard:
                    self._refused += len(batch)
            for entry in batch:
                entry.error = error
                entry.done = True

    def statistics(self) -> Mapping[str, int]:
        """Return counts: rows written, transactions, reads refused because theirs could not be."""
        counts = {"written": self._written, "batches": self._batches, "refused": self._refused}
        return {**counts, "waiting": len(self._waiting)}


def append(connection: Connection, lines: Sequence[Line]) -> int:
    """Append rows in the transaction of this connection, chained; return the number of the last."""
    sign = "?" if connection.dialect.name == "sqlite" else "%s"
    # PostgreSQL must hold the row, or two processes would give one number twice; SQLite has one writer anyway.
    lock = "" if connection.dialect.name == "sqlite" else " FOR UPDATE"
    head, before = connection.exec_driver_sql(
        f"SELECT head, hash FROM chain WHERE name = {sign}{lock}", (CHAIN_NAME,)
    ).one()
    rows = []
    for line in lines:
        head += 1
        values = (head, *(_clean(getattr(line, name)) for name in _LINE_FIELDS))
        before = link(before, *map(str, values))
        rows.append((*values, before))
    columns = ", ".join(f'"{name}"' for name in (*CHAINED, "hash"))
    signs = ", ".join([sign] * (len(CHAINED) + 1))
    connection.exec_driver_sql(f"INSERT INTO access ({columns}) VALUES ({signs})", rows)
    connection.exec_driver_sql(
        f"UPDATE chain SET head = {sign}, hash = {sign} WHERE name = {sign}", (head, before, CHAIN_NAME)
    )
    return int(head)


_LINE_FIELDS: Final = tuple({"group_id": "group"}.get(name, name) for name in CHAINED[1:])


def _clean(value: object) -> object:
    """Return a value as it comes back from the database: PostgreSQL stores no NUL."""
    return value.replace("\0", "") if isinstance(value, str) else value


# --- verifying --------------------------------------------------------------------------------------------------------


class Broken(msgspec.Struct, frozen=True):
    """Where the audit log is not what was written."""

    id: int
    """Number of the row."""
    fault: str
    """changed: its content or what stands before it is not what its hash is over. missing: there is no such row.
    sealed: it has another hash than a seal in the event log. forged: a seal's mark was not made with our keys. end: the
    last row is not the one that was written last. unsealed: a seal over the rows from here on is gone from the log."""
    seal: int = 0
    """Number of the event that says otherwise; 0: none is needed to see it."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what was found."""

    rows: int
    first: int
    last: int
    """Numbers of the rows looked at; 0: there are none."""
    seals: int
    """Seals in the event log that agree."""
    sealed_to: int
    """Number of the last row that a seal vouches for."""
    sealed_ms: int
    """When it was sealed, UTC epoch ms; 0: never."""
    broken: Broken | None


class Seal(NamedTuple):
    """A seal as the event log has it."""

    seq: int
    time_ms: int
    first: int
    last: int
    hash: str
    mark: str


def mark_of(database: Database, first: int, last: int, hash_: str) -> str:
    """Return the mark of a seal, which nobody makes without the ring."""
    return database.keyring.token(SEALED_TYPE, f"{first}:{last}:{hash_}")


def verify(
    database: Database, *, last_rows: int | None = None, progress: Callable[[int], object] = lambda rows: None
) -> Verified:
    """Look at the audit log from its beginning, or from the last seal before its newest `last_rows` rows.

    Rows that are written meanwhile are not looked at. A broken chain is told at its first broken row.

    Args:
        progress: told how many rows have been looked at.
    """
    with database.read() as connection:
        # Seals first: on PostgreSQL the second question may see what was written after the first.
        newest = connection.execute(select(CHAIN.c.head).where(CHAIN.c.name == CHAIN_NAME)).scalar_one()
        seals = _seals(connection, 0 if last_rows is None else newest - last_rows)
        end = connection.execute(
            select(CHAIN.c.head, CHAIN.c.hash, CHAIN.c.dense_from).where(CHAIN.c.name == CHAIN_NAME)
        ).one()
    start = Seal(0, 0, 0, 0, START, "")
    if last_rows is not None and seals and seals[0].first > 1:
        start = seals.pop(0)
    return _walk(database, start, seals, tuple(end), progress)


def _walk(
    database: Database,
    start: Seal,
    seals: Sequence[Seal],
    end: tuple[int, str, int],
    progress: Callable[[int], object],
) -> Verified:
    head, head_hash, dense_from = end
    at, before, rows, agreed, sealed_to, sealed_ms = start.last, start.hash, 0, 0, start.last, start.time_ms
    waiting = deque(seals)
    broken: Broken | None = None
    if start.seq and start.mark != mark_of(database, start.first, start.last, start.hash):
        broken = Broken(start.last, "forged", start.seq)
    first = 0
    for row in () if broken else _rows(database, at, head):
        if row[0] != at + 1 and row[0] > dense_from:
            broken = Broken(at + 1, "missing")
            break
        hash_ = link(before, *map(str, row[:-1]))
        if hash_ != row[-1]:
            broken = Broken(row[0], "changed")
            break
        first = first or row[0]
        at, before, rows = row[0], hash_, rows + 1
        if rows % _PAGE_ROWS == 0:
            progress(rows)
        while waiting and waiting[0].last == at and broken is None:
            seal = waiting.popleft()
            if seal.first != sealed_to + 1:
                broken = Broken(sealed_to + 1, "unsealed", seal.seq)
            elif seal.mark != mark_of(database, seal.first, seal.last, seal.hash):
                broken = Broken(seal.last, "forged", seal.seq)
            elif seal.hash != before:
                broken = Broken(seal.last, "sealed", seal.seq)
            else:
                agreed, sealed_to, sealed_ms = agreed + 1, seal.last, seal.time_ms
        if broken is not None:
            break
    if broken is None and (at, before) != (head, head_hash):
        broken = Broken(at + 1 if at < head else at, "missing" if at < head else "end")
    if broken is None and waiting:
        # A seal of rows that are not there: the end was cut off, and the chain's own end with it.
        broken = Broken(waiting[0].last, "missing", waiting[0].seq)
    return Verified(
        rows=rows, first=first, last=at if rows else 0, seals=agreed, sealed_to=sealed_to, sealed_ms=sealed_ms,
        broken=broken,
    )  # fmt: skip


def _rows(database: Database, after: int, upto: int) -> Iterator[tuple[Any, ...]]:
    """Yield rows after < id <= upto: CHAINED and the hash."""
    columns = [ACCESS.c[name] for name in (*CHAINED, "hash")]
    while True:
        with database.read() as connection:
            rows = connection.execute(
                select(*columns).where(ACCESS.c.id > after, ACCESS.c.id <= upto).order_by(ACCESS.c.id).limit(_PAGE_ROWS)
            ).all()
        for row in rows:
            yield tuple(row)
        if len(rows) < _PAGE_ROWS:
            return
        after = rows[-1][0]


def _seals(connection: Connection, from_row: int) -> list[Seal]:
    """Return the seals in the order of the log, from the one that reaches up to a row (0: all) at the latest."""
    seals: list[Seal] = []
    before = 2**62
    while True:
        sql = (
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE type = '{SEALED_TYPE}' AND seq < {int(before)} "
            f"ORDER BY seq DESC LIMIT {_PAGE_ROWS}"
        )
        rows = connection.exec_driver_sql(sql).fetchall()
        for row in rows:
            seals.append(_seal(event_of(row)))
            if from_row > 0 and seals[-1].last <= from_row:
                return seals[::-1]
        if len(rows) < _PAGE_ROWS:
            return seals[::-1]
        before = seals[-1].seq


def _seal(event: Event) -> Seal:
    payload = event.payload
    assert isinstance(payload, AuditSealed)
    return Seal(event.seq, event.time_ms, payload.first, payload.last, payload.hash, payload.mark)


# --- who reads how much -----------------------------------------------------------------------------------------------


class Reading(NamedTuple):
    """How many persons' data somebody read in a time."""

    group: int
    account: int
    api_key: int
    persons: int


_PERSONS: Final = "sum(CASE WHEN subject = '' THEN persons ELSE 0 END) + count(DISTINCT nullif(subject, ''))"
"""Of a list each row counts, of one person's pages the person, however often."""


def readings(database: Database, from_ms: int, to_ms: int, least: int) -> list[Reading]:
    """Return who read the data of at least so many persons in from_ms <= time_ms < to_ms."""
    sign = database.placeholder
    sql = (
        f"SELECT group_id, account, api_key, {_PERSONS} FROM access WHERE persons > 0 AND time_ms >= {sign} "
        f"AND time_ms < {sign} GROUP BY group_id, account, api_key HAVING {_PERSONS} >= {sign} "
        "ORDER BY account, api_key"
    )
    with database.read() as connection:
        return [Reading(*map(int, row)) for row in connection.exec_driver_sql(sql, (from_ms, to_ms, least))]


def busiest_hour(database: Database, who: Reading, from_ms: int, to_ms: int) -> int:
    """Return of how many persons somebody read in their busiest hour of the clock in a time; 0: of nobody."""
    sign = database.placeholder
    sql = (
        f"SELECT {_PERSONS} AS n FROM access WHERE persons > 0 AND account = {sign} AND api_key = {sign} "
        f"AND time_ms >= {sign} AND time_ms < {sign} GROUP BY time_ms / 3600000 ORDER BY n DESC LIMIT 1"
    )
    with database.read() as connection:
        row = connection.exec_driver_sql(sql, (who.account, who.api_key, from_ms, to_ms)).first()
    return int(row[0]) if row else 0


# --- sealing ----------------------------------------------------------------------------------------------------------


def unsealed(database: Database, now_ms: int) -> Event | None:
    """Return the seal over what was written since the last one, to be appended; None where nothing was."""
    with database.read() as connection:
        head, hash_ = connection.execute(select(CHAIN.c.head, CHAIN.c.hash).where(CHAIN.c.name == CHAIN_NAME)).one()
        sql = (
            f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE seq = "
            f"(SELECT max(seq) FROM event WHERE type = '{SEALED_TYPE}')"
        )
        row = connection.exec_driver_sql(sql).first()
    before = 0 if row is None else _seal(event_of(row)).last
    if head <= before:
        return None
    payload = AuditSealed(first=before + 1, last=head, hash=hash_, mark=mark_of(database, before + 1, head, hash_))
    return Event(
        id=derive_id("audit", "seal", 1, (hash_,), str(head)),
        type=SEALED_TYPE,
        time_ms=now_ms,
        subject="audit",
        actor="audit",
        payload=payload,
    )


# --- reading ----------------------------------------------------------------------------------------------------------


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the audit log."""

    id: int
    time_ms: int
    account: int
    """0: the node's own key, the open demo, or nobody who is known."""
    login: str
    api_key: int
    what: str
    """positions, live, track, frames, messages, media, search, export, person; act or login."""
    vehicle: int
    """0: not one vehicle's."""
    from_ms: int
    to_ms: int
    rows: int
    address: str
    subject: str
    """What it was about beside a vehicle: person:12, export:…"""
    persons: int
    """Of how many persons something was read."""
    act: str
    """Method and route."""
    status: int
    """HTTP status; 0 for a look."""
    detail: str
    hash: str


def lines(
    database: Database,
    principal: Principal,
    *,
    before: int = 0,
    limit: int = 100,
    what: str = "",
    account: int | None = None,
    vehicle: int = 0,
    search: str = "",
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> list[AuditLine]:
    """Return rows of the principal's group, the newest first; only one's own for who has some of the stores only.

    Args:
        before: number to go on below; 0 begins with the newest.
        what: one of WHATS; `looks` for all looks.
        search: beginning of a subject, or part of a route.
    """
    wanted = select(ACCESS, ACCOUNT.c.login).outerjoin(ACCOUNT, ACCOUNT.c.id == ACCESS.c.account)
    wanted = wanted.where(ACCESS.c.group_id == principal.scope.group)
    if principal.scope.stores is not None:
        wanted = wanted.where(ACCESS.c.account == principal.account)
    if before:
        wanted = wanted.where(ACCESS.c.id < before)
    if what:
        wanted = wanted.where(ACCESS.c.what.in_(LOOKS if what == "looks" else (what,)))
    if account is not None:
        wanted = wanted.where(ACCESS.c.account == account)
    if vehicle:
        wanted = wanted.where(ACCESS.c.vehicle == vehicle)
    if search:
        places = (ACCESS.c.subject, ACCESS.c.act, ACCESS.c.detail)
        wanted = wanted.where(or_(*(place.contains(search, autoescape=True) for place in places)))
    if from_ms is not None:
        wanted = wanted.where(ACCESS.c.time_ms >= from_ms)
    if to_ms is not None:
        wanted = wanted.where(ACCESS.c.time_ms < to_ms)
    wanted = wanted.order_by(ACCESS.c.id.desc()).limit(min(limit, limits.PEOPLE_READ_MAX))
    fields = [field for field in AuditLine.__struct_fields__ if field != "login"]
    with database.read() as connection:
        rows = connection.execute(wanted).mappings().all()
    return [AuditLine(login=row["login"] or "", **{name: row[name] for name in fields}) for row in rows]
