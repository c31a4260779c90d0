"""Keys at work: which wrapped keys there are, how they are wrapped anew when the ring rotates, and what is sealed late.

    ring.rotate()                    a new key wraps from now on
    rewrap(database)                 every data key is wrapped by it, page by page; begun again, it goes on
    retire(database)                 keys that nothing is wrapped by any more are destroyed

Killed at any moment, whatever is wrapped opens: each page is one transaction, a row holds the old or the new wrapping,
and a key goes only when a look over all tables finds none of its own, KEY_GRACE_S after the next one was made.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, Text, func, literal, select, type_coerce, update

from core import limits
from core.clock import Clock, wall_ms
from core.envelope import WRAPPED_EXTRA_BYTES, wrapped_under
from storage.database import Database
from storage.factors import about_factor
from storage.sealed import MARK, Sealed, about_key
from storage.tables import business
from storage.tables.audit import DATA_KEY
from storage.tables.identity import VAULT_KEY
from storage.tables.organisation import SECOND_FACTOR

assert WRAPPED_EXTRA_BYTES > 5, "a wrapped key begins with five bytes that name the ring's key"


class Wrapped(NamedTuple):
    """A column of bytes that the ring has wrapped."""

    table: Table
    key: tuple[str, ...]
    """Columns of the primary key."""
    column: str
    about: Callable[[Any], str]
    """(row) -> what it is wrapped about; the row has the columns of the key."""


WRAPPED: Final[tuple[Wrapped, ...]] = (
    Wrapped(DATA_KEY, ("name",), "wrapped", lambda row: about_key(row.name)),
    Wrapped(VAULT_KEY, ("subject",), "wrapped", lambda row: str(row.subject)),
    Wrapped(SECOND_FACTOR, ("account",), "wrapped", lambda row: about_factor(row.account)),
)
"""Every column that holds what Keyring.wrap gave. One that is missing here stays under the old key, and is lost with
it; tests/audit/test_keys.py looks for columns of bytes that nobody has named."""


def rewrap(database: Database, progress: Callable[[int], object] = lambda done: None) -> int:
    """Wrap by the ring's current key whatever is wrapped by another; return how many were.

    Raises:
        SealBrokenError: a wrapped key does not open; it and those behind it are left as they are.
        StorageError: the database is away.
    """
    ring, done = database.keyring, 0
    for wrapped in WRAPPED:
        while rows := _under_others(database, wrapped, ring.current, limits.REWRAP_ROWS):
            with database.write() as connection:
                for row in rows:
                    about = wrapped.about(row)
                    new = ring.wrap(ring.unwrap(row.wrapped_bytes, about), about)
                    # Only over what was read: a key that was destroyed meanwhile stays destroyed.
                    unchanged = [wrapped.table.c[name] == getattr(row, name) for name in wrapped.key]
                    unchanged.append(wrapped.table.c[wrapped.column] == row.wrapped_bytes)
                    connection.execute(update(wrapped.table).where(*unchanged).values({wrapped.column: new}))
            done += len(rows)
            progress(done)
    return done


def retire(database: Database, *, grace_s: float = limits.KEY_GRACE_S, clock: Clock = wall_ms) -> list[int]:
    """Destroy the keys of the ring that nothing is wrapped by; return their numbers.

    Args:
        grace_s: how long the next one must have been there; 0 where nobody else has the database open.
    """
    ring = database.keyring
    retired = []
    for number, following in zip(ring.numbers, ring.numbers[1:], strict=False):
        if clock() - ring.made_ms(following) >= grace_s * 1000 and not wrapped_by(database).get(number):
            ring.retire(number)
            retired.append(number)
    return retired


def wrapped_by(database: Database) -> dict[int, int]:
    """Return how many are wrapped by each of the ring's keys. Reads every wrapped key."""
    counts: dict[int, int] = {}
    with database.read() as connection:
        for wrapped in WRAPPED:
            column = wrapped.table.c[wrapped.column]
            for (data,) in connection.execute(select(column).where(column.is_not(None))):
                number = wrapped_under(data)
                counts[number] = counts.get(number, 0) + 1
    return counts


def _under_others(database: Database, wrapped: Wrapped, current: int, limit: int) -> Sequence[Any]:
    """Return up to `limit` rows that another key than the current one has wrapped."""
    column = wrapped.table.c[wrapped.column]
    head = b"\x02" + current.to_bytes(4, "big")
    keys = [wrapped.table.c[name] for name in wrapped.key]
    wanted = select(*keys, column.label("wrapped_bytes")).where(
        column.is_not(None), func.length(column) > 0, func.substr(column, 1, 5) != literal(head, column.type)
    )
    with database.read() as connection:
        return connection.execute(wanted.order_by(*keys).limit(limit)).all()


def seal_clear(database: Database) -> int:
    """Seal what stands in clear in sealed columns, from before they were; return how many rows were rewritten.

    Begun again, it goes on. On SQLite the file and its write-ahead log hold nothing of the clear text afterwards.
    """
    done = 0
    for table in business.METADATA.sorted_tables:
        for column in table.c:
            if isinstance(column.type, Sealed):
                done += _seal_column(database, table, column)
    if done and database.is_sqlite:
        database.checkpoint()
    return done


def _seal_column(database: Database, table: Table, column: Any) -> int:
    keys = list(table.primary_key.columns)
    clear = type_coerce(column, Text)
    done = 0
    # What is sealed leaves the question by itself, so it needs no cursor.
    wanted = select(*keys, clear.label("clear")).where(clear != "", clear.not_like(f"{MARK}%"))
    while True:
        with database.read() as connection:
            rows = connection.execute(wanted.limit(limits.REWRAP_ROWS)).all()
        if not rows:
            return done
        with database.write() as connection:
            for row in rows:
                unchanged = [key == getattr(row, key.name) for key in keys]
                connection.execute(update(table).where(*unchanged, clear == row.clear).values({column.name: row.clear}))
        done += len(rows)
