"""Tables of the actor incident."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    cases()
    around()


def cases() -> None:
    op.create_table(
        "incident",
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("judged", sa.Integer, nullable=False),
        sa.Column("assessed", sa.Integer, nullable=False),
        sa.Column("assessed_over", sa.Integer, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("opened_ms", sa.BigInteger, nullable=False),
        sa.Column("stepped_ms", sa.BigInteger, nullable=False),
        sa.Column("ringing", sa.Boolean, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("acknowledged_ms", sa.BigInteger, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("closed_ms", sa.BigInteger, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("merged_into", sa.Integer, nullable=False),
        sa.Column("alerts", sa.Integer, nullable=False),
        sa.Column("past", sa.Integer, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("lat_1e7", sa.Integer),
        sa.Column("lon_1e7", sa.Integer),
        sa.Column("has_fix", sa.Boolean, nullable=False),
        sa.Column("place_ms", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("incident", name="pk_incident"),
    )
    unclosed = sa.text("state <> 'closed'")
    op.create_index(
        "ix_incident_open", "incident", ["severity", "opened_ms"], sqlite_where=unclosed, postgresql_where=unclosed
    )
    op.create_index("ix_incident_vehicle_id", "incident", ["vehicle_id", "incident"])
    op.create_index("ix_incident_opened_ms", "incident", ["opened_ms"])
    op.create_table(
        "incident_alert",
        sa.Column("alert", sa.String(64), nullable=False),
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("peak", sa.Integer, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("alert", name="pk_incident_alert"),
    )
    op.create_index("ix_incident_alert_incident", "incident_alert", ["incident"])


def around() -> None:
    op.create_table(
        "incident_step",
        sa.Column("incident", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("happened_ms", sa.BigInteger, nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("incident", "number", name="pk_incident_step"),
    )
    op.create_table(
        "incident_car",
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("incidents", sa.Text, nullable=False),
        sa.Column("theft", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vehicle_id", name="pk_incident_car"),
    )
    op.create_table(
        "incident_beginning",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("began_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_incident_beginning"),
    )
