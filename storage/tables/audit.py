"""Tables of keys, of the chain over table `access`, and of the actor audit: the rows that its rules keep."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text

from storage.sealed import Sealed
from storage.tables.business import METADATA

DATA_KEY: Final = Table(
    "data_key",
    METADATA,
    # What sealed columns are sealed under, by name; wrapped by the ring (core.envelope).
    Column("name", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
)

CHAIN: Final = Table(
    "chain",
    METADATA,
    # The end of a chain over a table's rows: number and hash of the last one, and from which number on they are dense.
    Column("name", Text, primary_key=True),
    Column("head", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("dense_from", BigInteger, nullable=False),
)

EXPORT_REQUEST: Final = Table(
    "export_request",
    METADATA,
    # Of the actor audit: one row an export that was asked for. actors/business/audit.py says what each column means.
    Column("export", Text, primary_key=True),
    Column("group_id", Integer, nullable=False),
    Column("store_id", Integer, nullable=False),
    Column("account", Integer, nullable=False),
    Column("listing", Text, nullable=False),
    Column("form", Text, nullable=False),
    Column("size", Integer, nullable=False),
    # waiting, granted, denied, made
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("asked", String(64), nullable=False),
    Column("intent", Text, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("judged_by", Integer, nullable=False),
    Column("judged_ms", BigInteger, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Index("ix_export_request_account_state", "account", "state"),
    Index("ix_export_request_group_id_asked_ms", "group_id", "asked_ms"),
)

EXPORT_QUERY: Final = Table(
    "export_query",
    METADATA,
    # What an export was asked of: path and query of its page. Who searched for whom may stand in it: sealed.
    Column("export", Text, primary_key=True),
    Column("query", Sealed("export"), nullable=False),
)

SUPPLIER: Final = Table(
    "supplier",
    METADATA,
    # Of the actor audit: companies that API keys are given to, and until when their contracts last.
    Column("supplier", Integer, primary_key=True, autoincrement=False),
    Column("group_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("contract", Text, nullable=False),
    Column("ends_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Index("ix_supplier_group_id", "group_id"),
)
