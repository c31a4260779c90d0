"""Tables of the actor garage."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    cars()
    terminals()
    people()


def cars() -> None:
    op.create_table(
        "garage_car",
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("state_ms", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.BigInteger, nullable=False),
        sa.Column("owner_ms", sa.BigInteger, nullable=False),
        sa.Column("owners", sa.Integer, nullable=False),
        sa.Column("odometer_m", sa.BigInteger, nullable=False),
        sa.Column("odometer_ms", sa.BigInteger, nullable=False),
        sa.Column("odometer_from", sa.Text, nullable=False),
        sa.Column("driven_m", sa.BigInteger, nullable=False),
        sa.Column("base", sa.Integer, nullable=False),
        sa.Column("trips", sa.Integer, nullable=False),
        sa.Column("trip_id", sa.Text, nullable=False),
        sa.Column("trip_from_ms", sa.BigInteger, nullable=False),
        sa.Column("trip_to_ms", sa.BigInteger, nullable=False),
        sa.Column("trip_m", sa.BigInteger, nullable=False),
        sa.Column("held", sa.Integer, nullable=False),
        sa.Column("helds", sa.Integer, nullable=False),
        sa.Column("unplugged_ms", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.Integer, nullable=False),
        sa.Column("head", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("vehicle_id", name="pk_garage_car"),
    )
    owned = sa.text("owner > 0")
    op.create_index("ix_garage_car_owner", "garage_car", ["owner"], sqlite_where=owned, postgresql_where=owned)
    op.create_table(
        "garage_counter",
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("base", sa.Integer, nullable=False),
        sa.Column("first_m", sa.BigInteger, nullable=False),
        sa.Column("last_m", sa.BigInteger, nullable=False),
        sa.Column("into_m", sa.BigInteger, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("vehicle_id", "base", name="pk_garage_counter"),
    )
    op.create_table(
        "garage_held",
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("reading_m", sa.BigInteger, nullable=False),
        sa.Column("stands_m", sa.BigInteger, nullable=False),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("first_ms", sa.BigInteger, nullable=False),
        sa.Column("last_ms", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("decided_ms", sa.BigInteger, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("vehicle_id", "number", name="pk_garage_held"),
    )
    waits = sa.text("state = 'open'")
    op.create_index("ix_garage_held_open", "garage_held", ["last_ms"], sqlite_where=waits, postgresql_where=waits)
    op.create_table(
        "garage_entry",
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("vehicle_id", "number", name="pk_garage_entry"),
    )


def terminals() -> None:
    op.create_table(
        "garage_terminal",
        sa.Column("terminal", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("state_ms", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("terminal", name="pk_garage_terminal"),
    )
    op.create_index("ix_garage_terminal_vehicle_id", "garage_terminal", ["vehicle_id"])
    op.create_table(
        "garage_binding",
        sa.Column("terminal", sa.Integer, nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("to_ms", sa.BigInteger),
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("terminal", "from_ms", name="pk_garage_binding"),
    )
    op.create_index("ix_garage_binding_vehicle_id_from_ms", "garage_binding", ["vehicle_id", "from_ms"])


def people() -> None:
    op.create_table(
        "garage_link",
        sa.Column("vehicle_id", sa.Integer, nullable=False),
        sa.Column("person", sa.BigInteger, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("from_ms", sa.BigInteger, nullable=False),
        sa.Column("to_ms", sa.BigInteger),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("verified", sa.Boolean, nullable=False),
        sa.Column("ended_by", sa.Text, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("vehicle_id", "person", "role", "from_ms", name="pk_garage_link"),
    )
    op.create_index("ix_garage_link_person", "garage_link", ["person"])
    op.create_table(
        "garage_alias",
        sa.Column("person", sa.BigInteger, nullable=False),
        sa.Column("whole", sa.BigInteger, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_garage_alias"),
    )
    op.create_index("ix_garage_alias_whole", "garage_alias", ["whole"])
