"""Media of terminals."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _text(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _whole(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def _large(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "media",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        *_whole("group_id", "store_id", "vehicle", "terminal"),
        *_large("media_id"),
        *_whole("kind", "format", "event", "channel"),
        *_large("time_ms"),
        sa.Column("lat_1e7", sa.Integer),
        sa.Column("lon_1e7", sa.Integer),
        sa.Column("speed_kmh10", sa.Integer),
        *_large("arrival_ms", "size"),
        sa.Column("sha256", sa.String(64), nullable=False),
        *_text("content_type", "state"),
        *_whole("packets", "packets_total"),
        *_text("cause", "command"),
        sa.PrimaryKeyConstraint("id", name="pk_media"),
    )
    op.create_index("uq_media_terminal_media_id_sha256", "media", ["terminal", "media_id", "sha256"], unique=True)
    op.create_index("ix_media_vehicle_time_ms", "media", ["vehicle", "time_ms"])
    op.create_index("ix_media_vehicle_arrival_ms", "media", ["vehicle", "arrival_ms"])
    op.create_index("ix_media_group_id_store_id_time_ms", "media", ["group_id", "store_id", "time_ms"])
    op.create_index("ix_media_sha256", "media", ["sha256"])
    op.create_index("ix_media_cause", "media", ["cause"])
    op.create_index("ix_media_command", "media", ["command"])


def downgrade() -> None:
    raise NotImplementedError("an older program refuses a newer database; restore a backup instead")
