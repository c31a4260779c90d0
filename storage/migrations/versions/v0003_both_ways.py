"""Media of terminals; areas that terminals keep."""

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
    for column in (
        sa.Column("on_terminals", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.Column("terminal_rules", sa.Text, nullable=False, server_default="{}"),
        sa.Column("area_kind", sa.Text, nullable=False, server_default=""),
        sa.Column("area_revision", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("geofence", column)
    op.create_index(
        "ix_geofence_area_kind",
        "geofence",
        ["area_kind"],
        sqlite_where=sa.text("area_kind <> ''"),
        postgresql_where=sa.text("area_kind <> ''"),
    )
    op.create_table(
        "area_terminal",
        sa.Column("fence", sa.Integer, sa.ForeignKey("geofence.id", ondelete="CASCADE"), nullable=False),
        sa.Column("terminal", sa.Integer, sa.ForeignKey("terminal.id"), nullable=False),
        *_whole("vehicle", "group_id", "store_id"),
        *_text("kind"),
        *_whole("wanted_revision"),
        *_text("told_kind"),
        *_whole("told_revision"),
        *_text("state", "verdict", "reason"),
        *_large("since_ms", "due_ms"),
        *_text("doing", "command", "asked_kind"),
        *_whole("asked_revision"),
        *_large("asked_ms"),
        *_whole("asks", "attempts"),
        sa.Column("comparing", sa.Boolean, nullable=False),
        *_large("compared_ms"),
        *_text("differences", "others"),
        sa.PrimaryKeyConstraint("fence", "terminal", name="pk_area_terminal"),
    )
    op.create_index("ix_area_terminal_terminal", "area_terminal", ["terminal"])
    op.create_index("ix_area_terminal_due_ms", "area_terminal", ["due_ms", "fence", "terminal"])
    op.create_index(
        "ix_area_terminal_command",
        "area_terminal",
        ["command"],
        sqlite_where=sa.text("command <> ''"),
        postgresql_where=sa.text("command <> ''"),
    )


def downgrade() -> None:
    raise NotImplementedError("an older program refuses a newer database; restore a backup instead")
