"""The event log, the registry and geofences."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _whose() -> tuple[sa.Column, sa.Column]:
    return sa.Column("group_id", sa.Integer, nullable=False), sa.Column("store_id", sa.Integer, nullable=False)


def upgrade() -> None:
    byte_order = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "event",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("type", byte_order, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("arrival_ms", sa.BigInteger, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        *_whose(),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("correlation", sa.Text, nullable=False),
        sa.Column("answers", sa.Text),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_event"),
        sa.UniqueConstraint("id", name="uq_event_id"),
    )
    answered = sa.text("answers IS NOT NULL")
    op.create_index(
        "uq_event_answers", "event", ["answers"], unique=True, sqlite_where=answered, postgresql_where=answered
    )
    op.create_index("ix_event_type_seq", "event", ["type", "seq"])
    op.create_index("ix_event_correlation_seq", "event", ["correlation", "seq"])
    op.create_table(
        "log_owner",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log", name="pk_log_owner"),
    )
    op.create_table(
        "position",
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("reader", name="pk_position"),
    )
    op.create_table(
        "counter",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counter"),
    )
    op.create_table(
        "vehicle",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("plate", sa.Text, nullable=False),
        sa.Column("plate_colour", sa.Integer, nullable=False),
        sa.Column("vin", sa.Text, nullable=False),
        *_whose(),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vehicle"),
    )
    op.create_table(
        "terminal",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("phone", sa.String(20), nullable=False),
        sa.Column("terminal_id", sa.Text, nullable=False),
        sa.Column("maker", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("province", sa.Integer, nullable=False),
        sa.Column("city", sa.Integer, nullable=False),
        *_whose(),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_terminal"),
        sa.UniqueConstraint("phone", name="uq_terminal_phone"),
    )
    op.create_table(
        "binding",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("terminal", sa.Integer, nullable=False),
        sa.Column("vehicle", sa.Integer, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("to_ms", sa.BigInteger),
        *_whose(),
        sa.PrimaryKeyConstraint("id", name="pk_binding"),
        sa.ForeignKeyConstraint(["terminal"], ["terminal.id"], name="fk_binding_terminal"),
        sa.ForeignKeyConstraint(["vehicle"], ["vehicle.id"], name="fk_binding_vehicle"),
    )
    op.create_index("ix_binding_terminal_from_ms", "binding", ["terminal", "from_ms"])
    op.create_index("ix_binding_vehicle_from_ms", "binding", ["vehicle", "from_ms"])
    lasting = sa.text("to_ms IS NULL")
    op.create_index(
        "uq_binding_open", "binding", ["terminal"], unique=True, sqlite_where=lasting, postgresql_where=lasting
    )
    op.create_table(
        "geofence",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        *_whose(),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("geometry", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_geofence"),
    )


def downgrade() -> None:
    raise NotImplementedError("an older program refuses a newer database; restore a backup instead")
