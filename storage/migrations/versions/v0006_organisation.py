"""The organisation: tree, places, skills, rosters; second factors. The stores and accounts that there are become nodes
and places: they are told to the log, which the business hears at the next start."""

import json
import time

import sqlalchemy as sa
from alembic import op

from core.events.event import derive_id

revision = "0006"
down_revision = "0005"


def _text(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _time(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _whole(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Integer, nullable=False) for name in names]


def upgrade() -> None:
    tree()
    skills()
    door()
    tell()


def tree() -> None:
    op.drop_index("uq_store_group_id_code", "store")
    op.create_index("ix_store_group_id_code", "store", ["group_id", "code"])
    op.create_table(
        "node",
        *_text("node"),
        *_whole("group_id", "store_id"),
        *_text("kind", "parent", "state", "code", "name_zh", "name_en", "time_zone", "brands"),
        *_time("from_ms", "to_ms"),
        *_text("reason"),
        *_time("created_ms"),
        sa.PrimaryKeyConstraint("node", name="pk_node"),
    )
    op.create_index("ix_node_parent", "node", ["parent"])
    op.create_index("ix_node_group_id_code", "node", ["group_id", "code"])
    op.create_table(
        "calendar_day",
        *_text("node"),
        sa.Column("day", sa.String(10), nullable=False),
        *_text("kind"),
        *_whole("group_id", "store_id"),
        sa.PrimaryKeyConstraint("node", "day", name="pk_calendar_day"),
    )
    op.create_table(
        "place",
        *_time("place"),
        *_whole("account"),
        *_text("node", "role", "grade"),
        *_whole("group_id", "store_id"),
        *_time("from_ms", "to_ms", "ended_ms"),
        *_text("reason"),
        sa.PrimaryKeyConstraint("place", name="pk_place"),
    )
    for column in ("account", "node", "store_id"):
        op.create_index(f"ix_place_{column}_ended_ms", "place", [column, "ended_ms"])


def skills() -> None:
    op.create_table(
        "skill",
        *_whole("group_id"),
        *_text("skill", "name_zh", "name_en"),
        sa.PrimaryKeyConstraint("group_id", "skill", name="pk_skill"),
    )
    op.create_table(
        "certificate",
        *_whole("account"),
        *_text("skill"),
        *_whole("level"),
        *_time("granted_ms", "expires_ms"),
        *_text("granted_by"),
        *_whole("group_id"),
        sa.PrimaryKeyConstraint("account", "skill", name="pk_certificate"),
    )
    op.create_table(
        "duty",
        *_whole("group_id"),
        *_text("duty", "name_zh", "name_en", "needs"),
        sa.PrimaryKeyConstraint("group_id", "duty", name="pk_duty"),
    )
    op.create_table(
        "shift",
        *_time("shift"),
        *_text("node"),
        *_whole("account"),
        *_text("duty"),
        *_time("from_ms", "to_ms"),
        *_whole("group_id", "store_id"),
        *_text("state", "reason"),
        sa.PrimaryKeyConstraint("shift", name="pk_shift"),
    )
    op.create_index("ix_shift_account_state", "shift", ["account", "state"])
    op.create_index("ix_shift_node_from_ms", "shift", ["node", "from_ms"])


def door() -> None:
    op.create_table(
        "second_factor",
        sa.Column("account", sa.Integer, sa.ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        *_time("created_ms", "confirmed_ms", "step"),
        *_whole("failures"),
        *_time("locked_until_ms"),
        *_text("recovery"),
        sa.PrimaryKeyConstraint("account", name="pk_second_factor"),
    )
    for table in ("session", "api_key"):
        op.add_column(table, sa.Column("post", sa.Text, nullable=False, server_default=""))


def tell() -> None:
    """Put what there is into the inbox: its owner moves it into the log, and the actor decides as of any other."""
    connection = op.get_bind()
    now_ms = time.time_ns() // 1_000_000
    told = [_adopted(row, now_ms) for row in connection.execute(sa.text("SELECT * FROM store ORDER BY id")).mappings()]
    stores: dict[int, list[int]] = {}
    for account, store in connection.execute(sa.text("SELECT account, store FROM account_store ORDER BY store")):
        stores.setdefault(account, []).append(store)
    accounts = sa.text("SELECT id, group_id, role FROM account ORDER BY id")
    told += [_placed(row, stores.get(row["id"], []), now_ms) for row in connection.execute(accounts).mappings()]
    for event in told:
        connection.execute(
            sa.text("INSERT INTO inbox (event, arrival_ms) VALUES (:event, :arrival_ms)"),
            {"event": json.dumps(event, ensure_ascii=False), "arrival_ms": now_ms},
        )


def _adopted(row: sa.RowMapping, now_ms: int) -> dict[str, object]:
    fields = ("code", "name_zh", "name_en", "time_zone", "lat_1e7", "lon_1e7", "created_ms")
    return {
        "id": derive_id("migration", "store", 1, (), str(row["id"])),
        "type": "node.adopted",
        "time_ms": now_ms,
        "subject": f"store:{row['id']}",
        "group": row["group_id"],
        "store": row["id"],
        "actor": "node",
        "payload": {"store": row["id"], **{name: row[name] for name in fields}},
    }


def _placed(row: sa.RowMapping, stores: list[int], now_ms: int) -> dict[str, object]:
    nodes = [f"store:{store}" for store in stores] or [f"group:{row['group_id']}"]
    places = [{"node": node, "role": row["role"]} for node in nodes]
    return {
        "id": derive_id("migration", "account", 1, (), str(row["id"])),
        "type": "user.places.requested",
        "time_ms": now_ms,
        "subject": f"account:{row['id']}",
        "group": row["group_id"],
        "store": stores[0] if len(stores) == 1 else 0,
        "actor": "node",
        "payload": {"account": row["id"], "places": places, "whole": True},
    }


def downgrade() -> None:
    raise NotImplementedError("an older program refuses a newer database; restore a backup instead")
