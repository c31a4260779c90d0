"""Tables of persons: the rows that the actor identity keeps, and the vault, where what is personal stands sealed.

The actor's rows mean what actors/business/identity.py says. The vault's are no business state: they stand beside the
log and not in it, so that erasure can destroy them.
"""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, Table, Text

from storage.tables.business import METADATA


def _numbers(*names: str) -> list[Column]:
    return [Column(name, BigInteger, nullable=False) for name in names]


def _words(*names: str) -> list[Column]:
    return [Column(name, Text, nullable=False) for name in names]


def _key(*names: str) -> list[Column]:
    return [Column(name, BigInteger, primary_key=True, autoincrement=False) for name in names]


def _whose() -> list[Column]:
    return [Column("group_id", Integer, nullable=False), Column("store_id", Integer, nullable=False)]


def _group() -> Column:
    return Column("group_id", Integer, nullable=False)


# --- what the actor keeps ---------------------------------------------------------------------------------------------

PERSON: Final = Table(
    "person",
    METADATA,
    *_key("person"),
    *_whose(),
    *_numbers("root", "merged_into"),
    *_words("state"),
    *_numbers("created_ms", "captures"),
    Index("ix_person_root", "root"),
)

CAPTURE: Final = Table(
    "capture",
    METADATA,
    *_key("capture"),
    *_whose(),
    *_words("source", "basis"),
    Column("shared", Boolean, nullable=False),
    *_numbers("time_ms", "person"),
    *_words("state", "how"),
    Column("bits", Float, nullable=False),
    Column("posterior", Float, nullable=False),
    Index("ix_capture_person", "person"),
    Index("ix_capture_state_capture", "state", "capture"),
)

CAPTURE_ITEM: Final = Table(
    "capture_item",
    METADATA,
    *_key("capture"),
    Column("kind", Text, primary_key=True),
    *_numbers("value"),
    *_words("fault"),
)

PERSON_ATTRIBUTE: Final = Table(
    "person_attribute",
    METADATA,
    *_key("person"),
    Column("kind", Text, primary_key=True),
    *_key("value"),
    _group(),
    *_numbers("verified_ms"),
    *_words("method", "failed"),
    *_numbers("invalid_ms"),
    Column("stale", Boolean, nullable=False),
)

PERSON_MATCH: Final = Table(
    "person_match",
    METADATA,
    *_key("match_id"),
    *_whose(),
    *_numbers("person", "other", "capture"),
    *_words("bits", "levels"),
    Column("weight", Float, nullable=False),
    Column("posterior", Float, nullable=False),
    *_words("reason", "state"),
    *_numbers("found_ms", "decided_ms"),
    *_words("decided_by"),
    Index("ix_person_match_person", "person"),
    Index("ix_person_match_other", "other"),
    Index("ix_person_match_state_match_id", "state", "match_id"),
)

PERSON_APART: Final = Table(
    "person_apart",
    METADATA,
    *_key("low", "high"),
    _group(),
    *_numbers("time_ms"),
    Index("ix_person_apart_high", "high"),
)

HOUSEHOLD: Final = Table(
    "household",
    METADATA,
    *_key("household"),
    *_whose(),
    *_words("kind", "state"),
    *_numbers("opened_ms", "dissolved_ms"),
)

HOUSEHOLD_MEMBER: Final = Table(
    "household_member",
    METADATA,
    *_key("household", "person"),
    _group(),
    *_numbers("since_ms"),
    Index("ix_household_member_person", "person"),
)

PERSON_DRIVEN: Final = Table(
    "person_driven",
    METADATA,
    *_key("person", "vehicle"),
    Column("role", Text, primary_key=True),
    *_key("from_ms"),
    *_numbers("to_ms"),
    _group(),
)

# --- the vault --------------------------------------------------------------------------------------------------------

VAULT_KEY: Final = Table(
    "vault_key",
    METADATA,
    # What the key is about, as kind:id (`capture:12`); wrapped by the ring about the same.
    Column("subject", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

VAULT_CAPTURE: Final = Table(
    "vault_capture",
    METADATA,
    *_key("capture"),
    *_whose(),
    # Blind token of what it says: the same said again within a day is the same capture.
    *_words("said"),
    # Blind token of the number that its sender gave it; empty where none.
    *_words("reference"),
    *_numbers("time_ms"),
    # Id of its intent, to find the decision by.
    *_words("intent"),
    # What was written and its one spelling, kind -> [written, value, fault], as JSON under the capture's key.
    Column("sealed", LargeBinary, nullable=False),
    Index("ix_vault_capture_said", "said"),
    Index("ix_vault_capture_reference", "reference"),
)

VAULT_VALUE: Final = Table(
    "vault_value",
    METADATA,
    *_key("value"),
    *_words("kind", "token"),
    # Captures that say it; the row goes with the last of them.
    *_numbers("captures"),
    Index("uq_vault_value_kind_token", "kind", "token", unique=True),
)

VAULT_ITEM: Final = Table(
    "vault_item",
    METADATA,
    *_key("capture"),
    Column("kind", Text, primary_key=True),
    *_numbers("value"),
    Index("ix_vault_item_value_capture", "value", "capture"),
)

VAULT_CODE: Final = Table(
    "vault_code",
    METADATA,
    # A one-time code that was sent: only a slow hash of it stands here.
    Column("code", Text, primary_key=True),
    _group(),
    *_numbers("person"),
    *_words("kind"),
    *_numbers("value"),
    *_words("hash"),
    *_numbers("sent_ms", "expires_ms", "tries"),
    # open, used, void.
    *_words("state"),
    Index("ix_vault_code_value_sent_ms", "value", "sent_ms"),
)
