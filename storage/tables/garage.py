"""The tables of the garage: what actors/business/garage.py keeps. Only the dispatcher writes them."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from storage.tables.business import METADATA

GARAGE_CAR: Final = Table(
    "garage_car",
    METADATA,
    Column("vehicle_id", Integer, primary_key=True, autoincrement=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_ms", BigInteger, nullable=False),
    Column("owner", BigInteger, nullable=False),
    Column("owner_ms", BigInteger, nullable=False),
    Column("owners", Integer, nullable=False),
    Column("odometer_m", BigInteger, nullable=False),
    Column("odometer_ms", BigInteger, nullable=False),
    Column("odometer_from", Text, nullable=False),
    Column("driven_m", BigInteger, nullable=False),
    Column("base", Integer, nullable=False),
    Column("trips", Integer, nullable=False),
    Column("trip_id", Text, nullable=False),
    Column("trip_from_ms", BigInteger, nullable=False),
    Column("trip_to_ms", BigInteger, nullable=False),
    Column("trip_m", BigInteger, nullable=False),
    Column("held", Integer, nullable=False),
    Column("helds", Integer, nullable=False),
    Column("unplugged_ms", BigInteger, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("head", String(64), nullable=False),
    # The person page asks whose cars these are; cars without an owner are not looked for.
    Index("ix_garage_car_owner", "owner", sqlite_where=text("owner > 0"), postgresql_where=text("owner > 0")),
)

GARAGE_TERMINAL: Final = Table(
    "garage_terminal",
    METADATA,
    Column("terminal", Integer, primary_key=True, autoincrement=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("vehicle_id", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_ms", BigInteger, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ix_garage_terminal_vehicle_id", "vehicle_id"),
)

GARAGE_BINDING: Final = Table(
    "garage_binding",
    METADATA,
    Column("terminal", Integer, primary_key=True, autoincrement=False),
    Column("from_ms", BigInteger, primary_key=True, autoincrement=False),
    # NULL while it lasts.
    Column("to_ms", BigInteger),
    Column("vehicle_id", Integer, nullable=False),
    Column("role", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Index("ix_garage_binding_vehicle_id_from_ms", "vehicle_id", "from_ms"),
)

GARAGE_LINK: Final = Table(
    "garage_link",
    METADATA,
    Column("vehicle_id", Integer, primary_key=True, autoincrement=False),
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("role", String(16), primary_key=True),
    Column("from_ms", BigInteger, primary_key=True, autoincrement=False),
    # NULL while it lasts.
    Column("to_ms", BigInteger),
    Column("source", Text, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("ended_by", Text, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Index("ix_garage_link_person", "person"),
)

GARAGE_ALIAS: Final = Table(
    "garage_alias",
    METADATA,
    Column("person", BigInteger, primary_key=True, autoincrement=False),
    Column("whole", BigInteger, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Index("ix_garage_alias_whole", "whole"),
)

GARAGE_COUNTER: Final = Table(
    "garage_counter",
    METADATA,
    Column("vehicle_id", Integer, primary_key=True, autoincrement=False),
    Column("base", Integer, primary_key=True, autoincrement=False),
    Column("first_m", BigInteger, nullable=False),
    Column("last_m", BigInteger, nullable=False),
    Column("into_m", BigInteger, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
)

GARAGE_HELD: Final = Table(
    "garage_held",
    METADATA,
    Column("vehicle_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # open, accepted, dismissed
    Column("state", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reading_m", BigInteger, nullable=False),
    Column("stands_m", BigInteger, nullable=False),
    Column("times", Integer, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("event", String(32), nullable=False),
    Column("decided_ms", BigInteger, nullable=False),
    Column("decided_by", Text, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    # The list of what waits for a person: nothing else is looked for across cars.
    Index("ix_garage_held_open", "last_ms", sqlite_where=text("state = 'open'"),
          postgresql_where=text("state = 'open'")),
)  # fmt: skip

GARAGE_ENTRY: Final = Table(
    "garage_entry",
    METADATA,
    # Added to and never changed: each hash holds the hash before it, and stands in the log too.
    Column("vehicle_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("event", String(32), nullable=False),
    # JSON text as it was hashed, byte for byte.
    Column("detail", Text, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("hash", String(64), nullable=False),
)
