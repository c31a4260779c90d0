"""The business is folded: timers, undecided intents, parked keys, and what is in force."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("log_owner", sa.Column("folded", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "module",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "store_id", "actor", name="pk_module"),
    )
    op.create_table(
        "rule_adopted",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "actor", "rule", name="pk_rule_adopted"),
    )
    timers()
    parking()


def timers() -> None:
    op.create_table(
        "timer",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "key", "name")),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("subject", "cause", "correlation", "purpose")),
        sa.Column("depth", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", "name", name="pk_timer"),
    )
    op.create_index("ix_timer_due_ms", "timer", ["due_ms"])
    op.create_table(
        "deferred",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("intent", "actor", "key", "type")),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        sa.Column("asked_ms", sa.BigInteger, nullable=False),
        sa.Column("due_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("intent", name="pk_deferred"),
    )
    op.create_index("ix_deferred_actor_key", "deferred", ["actor", "key"])


def parking() -> None:
    op.create_table(
        "parked",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "key")),
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("store_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("event", "type", "reason")),
        sa.Column("time_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", name="pk_parked"),
    )
    op.create_table(
        "waiting",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "key")),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("actor", "key", "seq", name="pk_waiting"),
    )
    op.create_table(
        "business_counter",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "name")),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("actor", "name", name="pk_business_counter"),
    )
    op.create_table(
        "joined",
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("through", sa.BigInteger, nullable=False),
        sa.Column("heard", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("actor", name="pk_joined"),
    )
