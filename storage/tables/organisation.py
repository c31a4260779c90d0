"""Tables of the actor organisation: the rows that its rules keep. See core/business.py.

The stores of the tree stand in `store` too (storage/tables/business.py), as every query that names one joins it.
Besides, what people show at the door apart from their password: no business state, and sealed.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from storage.tables.business import METADATA, _whose

NODE: Final = Table(
    "node",
    METADATA,
    Column("node", Text, primary_key=True),
    *_whose(),
    Column("kind", Text, nullable=False),
    Column("parent", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    # JSON list
    Column("brands", Text, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Index("ix_node_parent", "parent"),
    Index("ix_node_group_id_code", "group_id", "code"),
)

CALENDAR_DAY: Final = Table(
    "calendar_day",
    METADATA,
    Column("node", Text, primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("kind", Text, nullable=False),
    *_whose(),
)

PLACE: Final = Table(
    "place",
    METADATA,
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("account", Integer, nullable=False),
    Column("node", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("grade", Text, nullable=False),
    *_whose(),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    # 0: it has not been ended. With the account, the node or the store, the places in force.
    Column("ended_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_place_account_ended_ms", "account", "ended_ms"),
    Index("ix_place_node_ended_ms", "node", "ended_ms"),
    Index("ix_place_store_id_ended_ms", "store_id", "ended_ms"),
)

SKILL: Final = Table(
    "skill",
    METADATA,
    Column("group_id", Integer, primary_key=True, autoincrement=False),
    Column("skill", Text, primary_key=True),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
)

CERTIFICATE: Final = Table(
    "certificate",
    METADATA,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("skill", Text, primary_key=True),
    # 0: it has ended.
    Column("level", Integer, nullable=False),
    Column("granted_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("granted_by", Text, nullable=False),
    Column("group_id", Integer, nullable=False),
)

DUTY: Final = Table(
    "duty",
    METADATA,
    Column("group_id", Integer, primary_key=True, autoincrement=False),
    Column("duty", Text, primary_key=True),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    # JSON list of [skill, least level]
    Column("needs", Text, nullable=False),
)

SHIFT: Final = Table(
    "shift",
    METADATA,
    Column("shift", BigInteger, primary_key=True, autoincrement=False),
    Column("node", Text, nullable=False),
    Column("account", Integer, nullable=False),
    Column("duty", Text, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    *_whose(),
    # set, cleared, done
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Index("ix_shift_account_state", "account", "state"),
    Index("ix_shift_node_from_ms", "node", "from_ms"),
)

SECOND_FACTOR: Final = Table(
    "second_factor",
    METADATA,
    # What an account shows beside its password: the secret of its authenticator (TOTP, RFC 6238), and recovery codes.
    Column("account", Integer, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    # The secret, wrapped by the ring (core/envelope.py) about `second_factor:` and the account.
    Column("wrapped", LargeBinary, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    # 0: asked for, and no code of it shown yet.
    Column("confirmed_ms", BigInteger, nullable=False),
    # The last time step of which a code was taken: none is taken twice.
    Column("step", BigInteger, nullable=False),
    # Wrong codes since the last right one, and until when none is looked at.
    Column("failures", Integer, nullable=False),
    Column("locked_until_ms", BigInteger, nullable=False),
    # JSON list of the SHA-256 of recovery codes that are left.
    Column("recovery", Text, nullable=False),
)
