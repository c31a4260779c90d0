"""The only place with SQL: reports in ClickHouse, the event log and the registry in SQLite or PostgreSQL."""

from typing import Final

NEWEST: Final = "0011"
"""Version of the business database that this program reads and writes."""


def migrate(dsn: str) -> str:
    """Bring the business database at the DSN to this program's version and return it. See storage.database.migrate."""
    # Imported here: whoever only wants ClickHouse need not load SQLAlchemy.
    from storage import database

    opened = database.Database(dsn)
    try:
        return database.migrate(opened)
    finally:
        opened.close()
