"""The tables of incidents: what actors/business/incident.py keeps. Only the dispatcher writes them."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from storage.tables.business import METADATA

INCIDENT: Final = Table(
    "incident",
    METADATA,
    Column("incident", Integer, primary_key=True, autoincrement=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("vehicle_id", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("judged", Integer, nullable=False),
    Column("assessed", Integer, nullable=False),
    Column("assessed_over", Integer, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("stepped_ms", BigInteger, nullable=False),
    Column("ringing", Boolean, nullable=False),
    Column("holder", Text, nullable=False),
    Column("acknowledged_ms", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("merged_into", Integer, nullable=False),
    Column("alerts", Integer, nullable=False),
    Column("past", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("late", Boolean, nullable=False),
    # Where its newest alert was; NULL where none said.
    Column("lat_1e7", Integer),
    Column("lon_1e7", Integer),
    Column("has_fix", Boolean, nullable=False),
    Column("place_ms", BigInteger, nullable=False),
    Column("event", String(32), nullable=False),
    # The board: everything else is looked for by its car, or by when it was.
    Index(
        "ix_incident_open",
        "severity",
        "opened_ms",
        sqlite_where=text("state <> 'closed'"),
        postgresql_where=text("state <> 'closed'"),
    ),
    Index("ix_incident_vehicle_id", "vehicle_id", "incident"),
    Index("ix_incident_opened_ms", "opened_ms"),
)

INCIDENT_ALERT: Final = Table(
    "incident_alert",
    METADATA,
    # The event that told it first; of a theft its car and first report.
    Column("alert", String(64), primary_key=True),
    Column("incident", Integer, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("vehicle_id", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("peak", Integer, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("event", String(32), nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_incident_alert_incident", "incident"),
)

INCIDENT_STEP: Final = Table(
    "incident_step",
    METADATA,
    # Added to and never changed: the story of an incident.
    Column("incident", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("what", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("happened_ms", BigInteger, nullable=False),
    Column("late", Boolean, nullable=False),
    Column("event", String(32), nullable=False),
)

INCIDENT_CAR: Final = Table(
    "incident_car",
    METADATA,
    Column("vehicle_id", Integer, primary_key=True, autoincrement=False),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("incidents", Text, nullable=False),
    Column("theft", Text, nullable=False),
)

INCIDENT_BEGINNING: Final = Table(
    "incident_beginning",
    METADATA,
    Column("group_id", Integer, primary_key=True, autoincrement=False),
    Column("began_ms", BigInteger, nullable=False),
)
