"""Tables of the actor consent (actors/business/consent.py): what persons allow, and what follows from it."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, text

from storage.tables.business import METADATA


def _whose() -> tuple[Column, Column]:
    return Column("group_id", Integer, nullable=False), Column("store_id", Integer, nullable=False)


CONSENT: Final = Table(
    "consent",
    METADATA,
    Column("person", Integer, primary_key=True, autoincrement=False),
    Column("purpose", Text, primary_key=True),
    Column("data_class", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    *_whose(),
    # asked, given, held, withdrawn, expired
    Column("state", Text, nullable=False),
    Column("precision", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("evidence", Text, nullable=False),
    # What happened before is not covered.
    Column("since_ms", BigInteger, nullable=False),
    # 0: until it is withdrawn.
    Column("expires_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    # Id of the event that said so last.
    Column("event", Text, nullable=False),
    # The record whose later no holds it, 0: none.
    Column("held_by", Integer, nullable=False),
    Column("bucket", Integer, nullable=False),
    # The reader's question: who allows this now.
    Index("ix_consent_given", "purpose", "data_class", "person", sqlite_where=text("state = 'given'"),
          postgresql_where=text("state = 'given'")),
    Index("ix_consent_text_bucket", "text", "bucket"),
    Index("ix_consent_group_id_changed_ms", "group_id", "changed_ms"),
)  # fmt: skip

CONSENT_SUBJECT: Final = Table(
    "consent_subject",
    METADATA,
    # As events name it: vehicle:12, person:7.
    Column("subject", Text, primary_key=True),
    Column("person", Integer, primary_key=True, autoincrement=False),
    # owner, driver; self: the person.
    Column("role", Text, primary_key=True),
    Column("from_ms", BigInteger, primary_key=True, autoincrement=False),
    # 0: it lasts.
    Column("to_ms", BigInteger, nullable=False),
    *_whose(),
    Index("ix_consent_subject_person", "person"),
)

CONSENT_PERSON: Final = Table(
    "consent_person",
    METADATA,
    Column("person", Integer, primary_key=True, autoincrement=False),
    *_whose(),
    # known, merged, erased
    Column("state", Text, nullable=False),
    # The record that they were merged into, 0: none.
    Column("survivor", Integer, nullable=False),
    Column("cars", Integer, nullable=False),
    # Newest link of the person's chain.
    Column("records", Integer, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_consent_person_survivor", "survivor"),
)

CONSENT_RECORD: Final = Table(
    "consent_record",
    METADATA,
    # Every change of what a person allows, chained: core.chain.
    Column("person", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    *_whose(),
    Column("event", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("data_class", Text, nullable=False),
    Column("precision", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("hash", Text, nullable=False),
)

CONSENT_TEXT: Final = Table(
    "consent_text",
    METADATA,
    Column("group_id", Integer, primary_key=True, autoincrement=False),
    Column("text", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("store_id", Integer, nullable=False),
    Column("purpose", Text, nullable=False),
    # JSON: what who agrees allows.
    Column("cells", Text, nullable=False),
    Column("title_zh", Text, nullable=False),
    Column("title_en", Text, nullable=False),
    Column("body_zh", Text, nullable=False),
    Column("body_en", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("valid_days", Integer, nullable=False),
    Column("published_ms", BigInteger, nullable=False),
    # The newest one, which alone can be agreed to.
    Column("current", Boolean, nullable=False),
)

CONSENT_BAR: Final = Table(
    "consent_bar",
    METADATA,
    Column("person", Integer, primary_key=True, autoincrement=False),
    # Empty: by no channel.
    Column("channel", Text, primary_key=True),
    *_whose(),
    Column("since_ms", BigInteger, nullable=False),
    Column("evidence", Text, nullable=False),
)

BREAK_GLASS: Final = Table(
    "break_glass",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    *_whose(),
    Column("vehicle_id", Integer, nullable=False),
    # Who looks, as events name people: account:7.
    Column("account", Text, nullable=False),
    Column("incident", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # opened, used, ended, overdue, closed
    Column("state", Text, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
    Column("used", Integer, nullable=False),
    Column("used_ms", BigInteger, nullable=False),
    Column("finding", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("reviewed_ms", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Index("ix_break_glass_account_vehicle_id", "account", "vehicle_id", "until_ms"),
    Index("ix_break_glass_group_id_opened_ms", "group_id", "opened_ms"),
)
