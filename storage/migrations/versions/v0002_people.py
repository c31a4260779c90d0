"""Stores, accounts, sessions, keys, the access log; terminals retire, people name cars; geofences that change and are
assigned; inbox and outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _account() -> sa.Column:
    return sa.Column("account", sa.Integer, sa.ForeignKey("account.id", ondelete="CASCADE"), nullable=False)


def _text(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _time(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _whole(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def upgrade() -> None:
    op.create_index("ix_event_subject_seq", "event", ["subject", "seq"])
    op.create_index("ix_event_group_id_store_id_seq", "event", ["group_id", "store_id", "seq"])
    for column in (
        sa.Column("colour", sa.Text, nullable=False, server_default=""),
        sa.Column("applies", sa.Text, nullable=False, server_default="all"),
        sa.Column("revision", sa.Integer, nullable=False, server_default="1"),
        sa.Column("changed_ms", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("changed_by", sa.Text, nullable=False, server_default=""),
        sa.Column("removed_ms", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("geofence", column)
    op.add_column("terminal", sa.Column("retired_ms", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("vehicle", sa.Column("revision", sa.Integer, nullable=False, server_default="1"))
    op.add_column("vehicle", sa.Column("changed_by", sa.Text, nullable=False, server_default=""))
    op.create_table(
        "geofence_vehicle",
        sa.Column("geofence", sa.Integer, sa.ForeignKey("geofence.id", ondelete="CASCADE"), nullable=False),
        sa.Column("vehicle", sa.Integer, sa.ForeignKey("vehicle.id"), nullable=False),
        sa.PrimaryKeyConstraint("geofence", "vehicle", name="pk_geofence_vehicle"),
    )
    op.create_table(
        "store",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        *_whole("group_id"),
        sa.Column("code", sa.String(32), nullable=False),
        *_text("name_zh", "name_en", "time_zone"),
        sa.Column("lat_1e7", sa.Integer),
        sa.Column("lon_1e7", sa.Integer),
        *_time("created_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_store"),
    )
    op.create_index("uq_store_group_id_code", "store", ["group_id", "code"], unique=True)
    op.create_table(
        "account",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        *_whole("group_id"),
        sa.Column("login", sa.String(64), nullable=False),
        *_text("name", "role", "password_hash", "state"),
        sa.Column("language", sa.String(8), nullable=False),
        *_text("notify"),
        *_whole("failures"),
        *_time("locked_until_ms", "created_ms", "seen_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_account"),
        sa.UniqueConstraint("login", name="uq_account_login"),
    )
    op.create_table(
        "account_store",
        _account(),
        sa.Column("store", sa.Integer, sa.ForeignKey("store.id"), nullable=False),
        sa.PrimaryKeyConstraint("account", "store", name="pk_account_store"),
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.String(64), nullable=False),
        _account(),
        *_time("created_ms", "seen_ms", "expires_ms"),
        *_text("address", "agent"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_session"),
    )
    op.create_index("ix_session_account", "session", ["account"])
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        _account(),
        *_text("name"),
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        *_text("rights"),
        *_time("created_ms", "seen_ms", "expires_ms", "revoked_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("key_hash", name="uq_api_key_key_hash"),
    )
    op.create_index("ix_api_key_account", "api_key", ["account"])
    op.create_table(
        "invitation",
        sa.Column("token_hash", sa.String(64), nullable=False),
        _account(),
        *_time("created_ms", "expires_ms", "used_ms"),
        sa.PrimaryKeyConstraint("token_hash", name="pk_invitation"),
    )
    op.create_table(
        "access",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        *_time("time_ms"),
        *_whole("group_id", "account", "api_key"),
        *_text("what"),
        *_whole("vehicle"),
        *_time("from_ms", "to_ms"),
        *_whole("rows"),
        *_text("address"),
        sa.PrimaryKeyConstraint("id", name="pk_access"),
    )
    op.create_index("ix_access_vehicle_time_ms", "access", ["vehicle", "time_ms"])
    op.create_index("ix_access_account_time_ms", "access", ["account", "time_ms"])
    op.create_table(
        "inbox",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        *_text("event"),
        *_time("arrival_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_inbox"),
    )
    op.create_table(
        "outbox",
        *_text("id", "adapter"),
        *_whole("group_id", "store_id"),
        *_text("channel"),
        *_whole("account"),
        *_text("address", "subject", "body", "about", "cause", "state", "reason"),
        *_time("requested_ms", "changed_ms"),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_group_id_requested_ms", "outbox", ["group_id", "requested_ms"])


def downgrade() -> None:
    raise NotImplementedError("an older program refuses a newer database; restore a backup instead")
