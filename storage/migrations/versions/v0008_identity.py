"""Persons: who is whom, and the vault where what is personal stands sealed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    persons()
    beside()
    vault()


def numbers(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def words(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def group() -> sa.Column:
    return sa.Column("group_id", sa.Integer, nullable=False)


def whose() -> list[sa.Column]:
    return [group(), sa.Column("store_id", sa.Integer, nullable=False)]


def amount(name: str) -> sa.Column:
    return sa.Column(name, sa.Float, nullable=False)


def key(table: str, *names: str) -> sa.PrimaryKeyConstraint:
    return sa.PrimaryKeyConstraint(*names, name=f"pk_{table}")


def persons() -> None:
    op.create_table(
        "person", *numbers("person"), *whose(), *numbers("root", "merged_into"), *words("state"),
        *numbers("created_ms", "captures"), key("person", "person"),
    )  # fmt: skip
    op.create_index("ix_person_root", "person", ["root"])
    op.create_table(
        "capture", *numbers("capture"), *whose(), *words("source", "basis"),
        sa.Column("shared", sa.Boolean, nullable=False), *numbers("time_ms", "person"), *words("state", "how"),
        amount("bits"), amount("posterior"), key("capture", "capture"),
    )  # fmt: skip
    op.create_index("ix_capture_person", "capture", ["person"])
    op.create_index("ix_capture_state_capture", "capture", ["state", "capture"])
    op.create_table(
        "capture_item", *numbers("capture"), *words("kind"), *numbers("value"), *words("fault"),
        key("capture_item", "capture", "kind"),
    )  # fmt: skip
    op.create_table(
        "person_attribute", *numbers("person"), *words("kind"), *numbers("value"), group(), *numbers("verified_ms"),
        *words("method", "failed"), *numbers("invalid_ms"), sa.Column("stale", sa.Boolean, nullable=False),
        key("person_attribute", "person", "kind", "value"),
    )  # fmt: skip
    op.create_table(
        "person_match", *numbers("match_id"), *whose(), *numbers("person", "other", "capture"),
        *words("bits", "levels"), amount("weight"), amount("posterior"), *words("reason", "state"),
        *numbers("found_ms", "decided_ms"),
        *words("decided_by"), key("person_match", "match_id"),
    )  # fmt: skip
    for name in ("person", "other"):
        op.create_index(f"ix_person_match_{name}", "person_match", [name])
    op.create_index("ix_person_match_state_match_id", "person_match", ["state", "match_id"])


def beside() -> None:
    op.create_table(
        "person_apart", *numbers("low", "high"), group(), *numbers("time_ms"), key("person_apart", "low", "high")
    )
    op.create_index("ix_person_apart_high", "person_apart", ["high"])
    op.create_table(
        "household", *numbers("household"), *whose(), *words("kind", "state"), *numbers("opened_ms", "dissolved_ms"),
        key("household", "household"),
    )  # fmt: skip
    op.create_table(
        "household_member", *numbers("household", "person"), group(), *numbers("since_ms"),
        key("household_member", "household", "person"),
    )  # fmt: skip
    op.create_index("ix_household_member_person", "household_member", ["person"])
    op.create_table(
        "person_driven", *numbers("person", "vehicle"), *words("role"), *numbers("from_ms", "to_ms"), group(),
        key("person_driven", "person", "vehicle", "role", "from_ms"),
    )  # fmt: skip


def vault() -> None:
    op.create_table(
        "vault_key",
        *words("subject"),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        key("vault_key", "subject"),
    )
    op.create_table(
        "vault_capture", *numbers("capture"), *whose(), *words("said", "reference"), *numbers("time_ms"),
        *words("intent"), sa.Column("sealed", sa.LargeBinary, nullable=False), key("vault_capture", "capture"),
    )  # fmt: skip
    for name in ("said", "reference"):
        op.create_index(f"ix_vault_capture_{name}", "vault_capture", [name])
    op.create_table(
        "vault_value", *numbers("value"), *words("kind", "token"), *numbers("captures"), key("vault_value", "value")
    )
    op.create_index("uq_vault_value_kind_token", "vault_value", ["kind", "token"], unique=True)
    op.create_table(
        "vault_item", *numbers("capture"), *words("kind"), *numbers("value"), key("vault_item", "capture", "kind")
    )
    op.create_index("ix_vault_item_value_capture", "vault_item", ["value", "capture"])
    op.create_table(
        "vault_code", *words("code"), group(), *numbers("person"), *words("kind"), *numbers("value"), *words("hash"),
        *numbers("sent_ms", "expires_ms", "tries"), *words("state"), key("vault_code", "code"),
    )  # fmt: skip
    op.create_index("ix_vault_code_value_sent_ms", "vault_code", ["value", "sent_ms"])
