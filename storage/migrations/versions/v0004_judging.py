"""What detection judges by: thresholds of each group."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    rules()


def rules() -> None:
    op.create_table(
        "rule",
        sa.Column("group_id", sa.Integer, nullable=False),
        sa.Column("detector", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("thresholds", sa.Text, nullable=False),
        sa.Column("changed_ms", sa.BigInteger, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "detector", "version", name="pk_rule"),
    )


def downgrade() -> None:
    raise NotImplementedError("an older program refuses a newer database; restore a backup instead")
