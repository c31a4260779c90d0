"""What is done is chained, what is secret sealed, exports are asked for, suppliers' keys end with their contracts."""

import sqlalchemy as sa
from alembic import op

from core.chain import START, link

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    keys()
    chains()
    exports()
    suppliers()


def keys() -> None:
    op.create_table(
        "data_key",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("wrapped", sa.LargeBinary, nullable=False),
        sa.Column("created_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_data_key"),
    )


def chains() -> None:
    op.create_table(
        "chain",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("dense_from", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_chain"),
    )
    for name in ("subject", "act", "detail"):
        op.add_column("access", sa.Column(name, sa.Text, nullable=False, server_default=""))
    for name in ("persons", "status"):
        op.add_column("access", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.add_column("access", sa.Column("hash", sa.String(64), nullable=False, server_default=""))
    op.create_index("ix_access_group_id_id", "access", ["group_id", "id"])
    op.create_index("ix_access_subject_id", "access", ["subject", "id"])
    some = sa.text("persons > 0")
    op.create_index("ix_access_persons", "access", ["time_ms"], sqlite_where=some, postgresql_where=some)
    # Rows of before there was a chain are its beginning, as they stand. Numbers among them may be missing.
    connection = op.get_bind()
    row = sa.table("access", *(sa.column(name) for name in (*_CHAINED, "hash")))
    last, before = 0, START
    while rows := connection.execute(sa.select(*row.c).where(row.c.id > last).order_by(row.c.id).limit(1_000)).all():
        for one in rows:
            last, before = one.id, link(before, *(str(getattr(one, name)) for name in _CHAINED))
            connection.execute(sa.update(row).where(row.c.id == last).values(hash=before))
    chain = sa.table("chain", *(sa.column(name) for name in ("name", "head", "hash", "dense_from")))
    connection.execute(sa.insert(chain).values(name="access", head=last, hash=before, dense_from=last + 1))


_CHAINED = (
    "id", "time_ms", "group_id", "account", "api_key", "what", "vehicle", "from_ms", "to_ms", "rows", "address",
    "subject", "persons", "act", "status", "detail",
)  # fmt: skip


def exports() -> None:
    op.create_table(
        "export_request",
        sa.Column("export", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in ("group_id", "store_id", "account")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("listing", "form")),
        sa.Column("size", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("state", "reason")),
        sa.Column("asked", sa.String(64), nullable=False),
        sa.Column("intent", sa.Text, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("asked_ms", "due_ms")),
        sa.Column("judged_by", sa.Integer, nullable=False),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("judged_ms", "made_ms")),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("export", name="pk_export_request"),
    )
    op.create_index("ix_export_request_account_state", "export_request", ["account", "state"])
    op.create_index("ix_export_request_group_id_asked_ms", "export_request", ["group_id", "asked_ms"])
    op.create_table(
        "export_query",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("export", "query")),
        sa.PrimaryKeyConstraint("export", name="pk_export_query"),
    )


def suppliers() -> None:
    op.create_table(
        "supplier",
        sa.Column("supplier", sa.Integer, nullable=False),
        sa.Column("group_id", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("name", "contract")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("ends_ms", "changed_ms")),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("supplier", name="pk_supplier"),
    )
    op.create_index("ix_supplier_group_id", "supplier", ["group_id"])
    op.add_column("api_key", sa.Column("supplier", sa.Integer, nullable=False, server_default="0"))
