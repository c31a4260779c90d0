"""The tables of the business database: the event log, who is who, and geofences. Declared once, migrated by alembic."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Event types are searched by prefix as a range: that needs the order of bytes, not of a language.
_BYTE_ORDER: Final = Text().with_variant(Text(collation="C"), "postgresql")


def _whose() -> tuple[Column, Column]:
    """Return the columns that say whose a row is: dealer group and store, 0 being the group itself."""
    return Column("group_id", Integer, nullable=False), Column("store_id", Integer, nullable=False)


EVENT: Final = Table(
    "event",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("type", _BYTE_ORDER, nullable=False),
    Column("version", Integer, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("arrival_ms", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key", Text, nullable=False),
    *_whose(),
    Column("actor", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("correlation", Text, nullable=False),
    # NULL, not '', where nothing is answered: the index below counts only what is.
    Column("answers", Text),
    Column("depth", Integer, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Index("uq_event_answers", "answers", unique=True, sqlite_where=text("answers IS NOT NULL"),
          postgresql_where=text("answers IS NOT NULL")),
    Index("ix_event_type_seq", "type", "seq"),
    Index("ix_event_correlation_seq", "correlation", "seq"),
)  # fmt: skip

LOG_OWNER: Final = Table(
    "log_owner",
    METADATA,
    # One row a log; the log of a database is `event`.
    Column("log", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("head", BigInteger, nullable=False),
)

POSITION: Final = Table(
    "position",
    METADATA,
    Column("reader", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

COUNTER: Final = Table(
    "counter",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

VEHICLE: Final = Table(
    "vehicle",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("plate", Text, nullable=False),
    Column("plate_colour", Integer, nullable=False),
    Column("vin", Text, nullable=False),
    *_whose(),
    Column("created_ms", BigInteger, nullable=False),
)

TERMINAL: Final = Table(
    "terminal",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("phone", String(20), nullable=False, unique=True),
    Column("terminal_id", Text, nullable=False),
    Column("maker", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("province", Integer, nullable=False),
    Column("city", Integer, nullable=False),
    *_whose(),
    Column("created_ms", BigInteger, nullable=False),
    # Counts the changes of what the terminal says of itself; part of the id of its events.
    Column("revision", Integer, nullable=False),
)

BINDING: Final = Table(
    "binding",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("terminal", Integer, ForeignKey("terminal.id"), nullable=False),
    Column("vehicle", Integer, ForeignKey("vehicle.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    # NULL while it lasts.
    Column("to_ms", BigInteger),
    *_whose(),
    Index("ix_binding_terminal_from_ms", "terminal", "from_ms"),
    Index("ix_binding_vehicle_from_ms", "vehicle", "from_ms"),
    Index("uq_binding_open", "terminal", unique=True, sqlite_where=text("to_ms IS NULL"),
          postgresql_where=text("to_ms IS NULL")),
)  # fmt: skip

GEOFENCE: Final = Table(
    "geofence",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_whose(),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # JSON: polygon {"coordinates": GeoJSON rings}, circle {"centre": [longitude, latitude], "radius_m": metres}.
    Column("geometry", Text, nullable=False),
    Column("active", Boolean, nullable=False),
)
