"""Database: the business database, SQLite or PostgreSQL, opened so that neither loses an update nor a commit."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import local
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from core import limits
from core.envelope import Keyring, KeyringError, SealBrokenError
from core.logging import say
from storage.errors import StorageError, StoreNewerError
from storage.sealed import DataKeys, unlock

DIALECTS: Final = ("sqlite", "postgresql")

_MIGRATION_LOCK: Final = 0x6361_7269_6C6C
"""Number of the advisory lock that programs starting at once take in turn on PostgreSQL."""


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver would begin transactions by itself, and late: two that read and then write lost updates silently
    # (412 of 640 survived). With None it leaves BEGIN to `_begin_sqlite`.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # FULL: a commit is on disk when it returns. The log says what was decided.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute(f"PRAGMA busy_timeout = {int(limits.DATABASE_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    # What is deleted or sealed is overwritten in the file: a key that was destroyed must not be found in a free page.
    cursor.execute("PRAGMA secure_delete = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn the database being away, locked or full into StorageError. What we did wrong stays what it is."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise StorageError(" ".join(str(error).split())[: limits.REFUSED_REASON_CHARACTERS_MAX]) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise StorageError(" ".join(str(error).split())[: limits.REFUSED_REASON_CHARACTERS_MAX]) from error
        raise
    except StatementError as error:
        # What a sealed column met: its own words, without the statement around them.
        if isinstance(error.orig, KeyringError | SealBrokenError):
            raise error.orig from error
        raise


class Database:
    """One business database. Everything blocks: call it from worker threads, one hop a unit of work."""

    def __init__(self, dsn: str, keys: Path | None = None) -> None:
        """
        Args:
            dsn: sqlite:////absolute/path or postgresql+psycopg://user:password@host/database.
            keys: directory of the ring that sealed columns need; None: `keys` beside a file of SQLite, else none.

        Raises:
            ValueError: the DSN is neither.
        """
        url = make_url(dsn)
        name = url.get_backend_name()
        if name not in DIALECTS:
            raise ValueError(f"business data is kept on {' or '.join(DIALECTS)}, got {dsn!r}")
        self.is_sqlite: Final = name == "sqlite"
        if self.is_sqlite and url.database in (None, "", ":memory:"):
            raise ValueError(f"business data needs a file, got {dsn!r}")
        options: dict[str, Any] = {"pool_size": 4, "max_overflow": 4, "pool_timeout": limits.DATABASE_TIMEOUT_S}
        if not self.is_sqlite:
            options |= {"pool_pre_ping": True, "connect_args": {"connect_timeout": int(limits.DATABASE_TIMEOUT_S)}}
        self._engine: Engine = create_engine(url, **options)
        if self.is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        if keys is None and self.is_sqlite and url.database:
            keys = Path(url.database).parent / "keys"
        self._thread = local()
        self.keys: Final = DataKeys(keys, self.read, lambda: getattr(self._thread, "writing", None), self.write)
        unlock(self._engine.dialect, self.keys)

    @property
    def keyring(self) -> Keyring:
        """The ring of keys: for data keys that others keep, and blind tokens.

        Raises:
            KeyringError: no directory was named, or it cannot be used.
        """
        return self.keys.ring

    @property
    def placeholder(self) -> str:
        """Sign for a value in SQL handed to the driver as it is."""
        return "?" if self.is_sqlite else "%s"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Hold a transaction that may write; commits on leaving, rolls back on an error.

        Raises:
            StorageError: the database is away, locked for too long, or full.
        """
        with _store_errors(), self._engine.connect() as connection, connection.begin():
            before = getattr(self._thread, "writing", None)
            self._thread.writing = connection
            try:
                yield connection
            finally:
                self._thread.writing = before

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Hold a transaction that only reads. On SQLite it neither waits for the writer nor makes it wait."""
        with (
            _store_errors(),
            self._engine.connect() as connection,
            connection.execution_options(reading=True).begin(),
        ):
            yield connection

    def checkpoint(self) -> None:
        """Have SQLite bring its write-ahead log into the file and empty it: what was overwritten is gone from both.

        Elsewhere nothing happens: there the server's own vacuum and archive say how long it stays.
        """
        if not self.is_sqlite:
            return
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def migrate(database: Database) -> str:
    """Bring the tables to this program's version and return its name. Programs starting at once take turns.

    Raises:
        StoreNewerError: the database is of a later version.
    """
    # Half of a program's start would be spent on importing alembic where nothing is to be migrated.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "storage:migrations")
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    assert newest is not None, "the package holds no migration"
    known = {script.revision for script in scripts.walk_revisions()}
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        from alembic.migration import MigrationContext

        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known:
            raise StoreNewerError(
                f"the business database is of version {current}, this program knows {newest}: a later one has written "
                "it; start that, or restore a copy of before"
            )
        if current != newest:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            if current is not None:
                say("node.migrated", what="the business database", before=current, version=newest)
    return newest
