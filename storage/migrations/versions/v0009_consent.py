"""Tables of the actor consent, and the purposes of API keys."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def texts(*names: str) -> tuple[sa.Column, ...]:
    return tuple(sa.Column(name, sa.Text, nullable=False) for name in names)


def integers(*names: str) -> tuple[sa.Column, ...]:
    return tuple(sa.Column(name, sa.Integer, nullable=False) for name in names)


def times(*names: str) -> tuple[sa.Column, ...]:
    return tuple(sa.Column(name, sa.BigInteger, nullable=False) for name in names)


def upgrade() -> None:
    consents()
    people()
    looks()
    # JSON list; NULL: all of the owner's, as before.
    op.add_column("api_key", sa.Column("purposes", sa.Text))


def consents() -> None:
    op.create_table(
        "consent",
        *integers("person"),
        *texts("purpose", "data_class", "channel"),
        *integers("group_id", "store_id"),
        *texts("state", "precision", "text"),
        *integers("version"),
        *texts("evidence"),
        *times("since_ms", "expires_ms", "changed_ms"),
        *texts("event"),
        *integers("held_by", "bucket"),
        sa.PrimaryKeyConstraint("person", "purpose", "data_class", "channel", name="pk_consent"),
    )
    given = sa.text("state = 'given'")
    op.create_index(
        "ix_consent_given",
        "consent",
        ["purpose", "data_class", "person"],
        sqlite_where=given,
        postgresql_where=given,
    )
    op.create_index("ix_consent_text_bucket", "consent", ["text", "bucket"])
    op.create_index("ix_consent_group_id_changed_ms", "consent", ["group_id", "changed_ms"])
    op.create_table(
        "consent_text",
        *integers("group_id"),
        *texts("text"),
        *integers("version", "store_id"),
        *texts("purpose", "cells", "title_zh", "title_en", "body_zh", "body_en", "sha256"),
        *integers("valid_days"),
        *times("published_ms"),
        sa.Column("current", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("group_id", "text", "version", name="pk_consent_text"),
    )


def people() -> None:
    op.create_table(
        "consent_subject",
        *texts("subject"),
        *integers("person"),
        *texts("role"),
        *times("from_ms", "to_ms"),
        *integers("group_id", "store_id"),
        sa.PrimaryKeyConstraint("subject", "person", "role", "from_ms", name="pk_consent_subject"),
    )
    op.create_index("ix_consent_subject_person", "consent_subject", ["person"])
    op.create_table(
        "consent_person",
        *integers("person", "group_id", "store_id"),
        *texts("state"),
        *integers("survivor", "cars", "records"),
        *texts("hash"),
        sa.PrimaryKeyConstraint("person", name="pk_consent_person"),
    )
    op.create_index("ix_consent_person_survivor", "consent_person", ["survivor"])
    op.create_table(
        "consent_record",
        *integers("person", "number", "group_id", "store_id"),
        *texts("event", "type"),
        *times("time_ms"),
        *texts("purpose", "data_class", "precision", "channel", "text"),
        *integers("version"),
        *texts("evidence", "actor", "hash"),
        sa.PrimaryKeyConstraint("person", "number", name="pk_consent_record"),
    )
    op.create_table(
        "consent_bar",
        *integers("person"),
        *texts("channel"),
        *integers("group_id", "store_id"),
        *times("since_ms"),
        *texts("evidence"),
        sa.PrimaryKeyConstraint("person", "channel", name="pk_consent_bar"),
    )


def looks() -> None:
    op.create_table(
        "break_glass",
        *integers("id", "group_id", "store_id", "vehicle_id"),
        *texts("account", "incident", "reason", "state"),
        *times("opened_ms", "until_ms"),
        *integers("used"),
        *times("used_ms"),
        *texts("finding", "reviewer"),
        *times("reviewed_ms"),
        *texts("event"),
        sa.PrimaryKeyConstraint("id", name="pk_break_glass"),
    )
    op.create_index("ix_break_glass_account_vehicle_id", "break_glass", ["account", "vehicle_id", "until_ms"])
    op.create_index("ix_break_glass_group_id_opened_ms", "break_glass", ["group_id", "opened_ms"])
