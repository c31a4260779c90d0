"""Tables of the spine of the business: what its rows mean says core/business.py."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text

from storage.tables.business import METADATA

MODULE: Final = Table(
    "module",
    METADATA,
    Column("group_id", Integer, primary_key=True, autoincrement=False),
    Column("store_id", Integer, primary_key=True, autoincrement=False),
    Column("actor", Text, primary_key=True),
    Column("active", Boolean, nullable=False),
)

RULE_ADOPTED: Final = Table(
    "rule_adopted",
    METADATA,
    Column("group_id", Integer, primary_key=True, autoincrement=False),
    Column("actor", Text, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("version", Integer, nullable=False),
)

TIMER: Final = Table(
    "timer",
    METADATA,
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("due_ms", BigInteger, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("correlation", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("depth", Integer, nullable=False),
    Index("ix_timer_due_ms", "due_ms"),
)

DEFERRED: Final = Table(
    "deferred",
    METADATA,
    Column("intent", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Index("ix_deferred_actor_key", "actor", "key"),
)

PARKED: Final = Table(
    "parked",
    METADATA,
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("event", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
)

WAITING: Final = Table(
    "waiting",
    METADATA,
    Column("actor", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
)

BUSINESS_COUNTER: Final = Table(
    "business_counter",
    METADATA,
    Column("actor", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

JOINED: Final = Table(
    "joined",
    METADATA,
    # Which actors hear this log, and how far one that is new has come in the past that it hears alone.
    Column("actor", Text, primary_key=True),
    # Number of the last event of that past; 0: it was there from the first event on.
    Column("through", BigInteger, nullable=False),
    Column("heard", BigInteger, nullable=False),
)
