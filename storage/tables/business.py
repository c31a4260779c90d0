"""The tables of the business database: the log, cars and terminals, geofences, rules, people. Declared once, migrated
by alembic."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text, text

from storage.sealed import Sealed

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Event types are searched by prefix as a range: that needs the order of bytes, not of a language.
_BYTE_ORDER: Final = Text().with_variant(Text(collation="C"), "postgresql")


def _whose() -> tuple[Column, Column]:
    """Return the columns that say whose a row is: dealer group and store, 0 being the group itself."""
    return Column("group_id", Integer, nullable=False), Column("store_id", Integer, nullable=False)


EVENT: Final = Table(
    "event",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False, unique=True),
    Column("type", _BYTE_ORDER, nullable=False),
    Column("version", Integer, nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("arrival_ms", BigInteger, nullable=False),
    Column("subject", Text, nullable=False),
    Column("key", Text, nullable=False),
    *_whose(),
    Column("actor", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("correlation", Text, nullable=False),
    # NULL, not '', where nothing is answered: the index below counts only what is.
    Column("answers", Text),
    Column("depth", Integer, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Index("uq_event_answers", "answers", unique=True, sqlite_where=text("answers IS NOT NULL"),
          postgresql_where=text("answers IS NOT NULL")),
    Index("ix_event_type_seq", "type", "seq"),
    Index("ix_event_correlation_seq", "correlation", "seq"),
    Index("ix_event_subject_seq", "subject", "seq"),
    Index("ix_event_group_id_store_id_seq", "group_id", "store_id", "seq"),
)  # fmt: skip

LOG_OWNER: Final = Table(
    "log_owner",
    METADATA,
    # One row a log; the log of a database is `event`.
    Column("log", Text, primary_key=True),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("head", BigInteger, nullable=False),
    # Up to which event the business has been folded: the head, but for a log that is being caught up with.
    Column("folded", BigInteger, nullable=False, server_default="0"),
)

POSITION: Final = Table(
    "position",
    METADATA,
    Column("reader", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)

COUNTER: Final = Table(
    "counter",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

VEHICLE: Final = Table(
    "vehicle",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("plate", Text, nullable=False),
    Column("plate_colour", Integer, nullable=False),
    Column("vin", Text, nullable=False),
    *_whose(),
    Column("created_ms", BigInteger, nullable=False),
    # Counts the changes people make; part of the id of its events.
    Column("revision", Integer, nullable=False, server_default="1"),
    # Who entered what stands here; empty: only its terminal has said so. A terminal does not contradict a person.
    Column("changed_by", Text, nullable=False, server_default=""),
)

TERMINAL: Final = Table(
    "terminal",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("phone", String(20), nullable=False, unique=True),
    Column("terminal_id", Text, nullable=False),
    Column("maker", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("province", Integer, nullable=False),
    Column("city", Integer, nullable=False),
    *_whose(),
    Column("created_ms", BigInteger, nullable=False),
    # Counts the changes of what is known of it; part of the id of its events.
    Column("revision", Integer, nullable=False),
    # 0: in service.
    Column("retired_ms", BigInteger, nullable=False, server_default="0"),
)

BINDING: Final = Table(
    "binding",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("terminal", Integer, ForeignKey("terminal.id"), nullable=False),
    Column("vehicle", Integer, ForeignKey("vehicle.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    # NULL while it lasts.
    Column("to_ms", BigInteger),
    *_whose(),
    Index("ix_binding_terminal_from_ms", "terminal", "from_ms"),
    Index("ix_binding_vehicle_from_ms", "vehicle", "from_ms"),
    Index("uq_binding_open", "terminal", unique=True, sqlite_where=text("to_ms IS NULL"),
          postgresql_where=text("to_ms IS NULL")),
)  # fmt: skip

GEOFENCE: Final = Table(
    "geofence",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    *_whose(),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # JSON: polygon {"coordinates": GeoJSON rings}, circle {"centre": [longitude, latitude], "radius_m": metres},
    # corridor {"coordinates": [[longitude, latitude], …], "width_m": metres}.
    Column("geometry", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("colour", Text, nullable=False, server_default=""),
    # 'all' cars of the fence's group or store, or only the 'vehicles' of geofence_vehicle.
    Column("applies", Text, nullable=False, server_default="all"),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("changed_ms", BigInteger, nullable=False, server_default="0"),
    Column("changed_by", Text, nullable=False, server_default=""),
    # 0: it is there. A removed one keeps its row: events name it.
    Column("removed_ms", BigInteger, nullable=False, server_default="0"),
    # Told to the terminals of its cars, and what these do with it: JSON of core.geofence.TerminalRules.
    Column("on_terminals", Boolean, nullable=False, server_default=text("false")),
    Column("terminal_rules", Text, nullable=False, server_default="{}"),
    # As what a terminal keeps it, and the revision in which that changed last; empty and 0 where none is told.
    Column("area_kind", Text, nullable=False, server_default=""),
    Column("area_revision", Integer, nullable=False, server_default="0"),
    # How it is judged by: core.geofence.Geofence says what each means; hours and expected are JSON lists of Window.
    Column("role", Text, nullable=False, server_default="zone"),
    Column("hours", Text, nullable=False, server_default="[]"),
    Column("expected", Text, nullable=False, server_default="[]"),
    Column("time_zone", Text, nullable=False, server_default=""),
    Column("dwell_s", Integer, nullable=False, server_default="0"),
    Column("speed_limit_kmh", Integer, nullable=False, server_default="0"),
    Column("speed_s", Integer, nullable=False, server_default="0"),
    # What it holds lies in this box, and by how many points it is drawn: looked at before its geometry is.
    Column("lat_min_1e7", Integer, nullable=False, server_default="0"),
    Column("lat_max_1e7", Integer, nullable=False, server_default="0"),
    Column("lon_min_1e7", Integer, nullable=False, server_default="0"),
    Column("lon_max_1e7", Integer, nullable=False, server_default="0"),
    Column("corners", Integer, nullable=False, server_default="0"),
    # Whole rows of what a map asks for stand in it, so a screen costs one walk through it and not through geometries.
    Index("ix_geofence_box", "group_id", "removed_ms", "lat_min_1e7", "lat_max_1e7", "lon_min_1e7", "lon_max_1e7",
          "store_id", "active", "corners"),
    Index("ix_geofence_area_kind", "area_kind", sqlite_where=text("area_kind <> ''"),
          postgresql_where=text("area_kind <> ''")),
)  # fmt: skip

AREA_TERMINAL: Final = Table(
    "area_terminal",
    METADATA,
    # One terminal and one geofence that it is told, or was: storage.areas.AreaRow says what each column means.
    Column("fence", Integer, ForeignKey("geofence.id", ondelete="CASCADE"), primary_key=True),
    Column("terminal", Integer, ForeignKey("terminal.id"), primary_key=True),
    Column("vehicle", Integer, nullable=False),
    *_whose(),
    Column("kind", Text, nullable=False),
    Column("wanted_revision", Integer, nullable=False),
    Column("told_kind", Text, nullable=False),
    Column("told_revision", Integer, nullable=False),
    # wanted, queued, told, refused, withdrawing, withdrawn, differs, unknown
    Column("state", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("doing", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("asked_kind", Text, nullable=False),
    Column("asked_revision", Integer, nullable=False),
    Column("asked_ms", BigInteger, nullable=False),
    Column("asks", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("comparing", Boolean, nullable=False),
    Column("compared_ms", BigInteger, nullable=False),
    # JSON lists: what is different there, and ids of areas that we know nothing of.
    Column("differences", Text, nullable=False),
    Column("others", Text, nullable=False),
    Index("ix_area_terminal_terminal", "terminal"),
    Index("ix_area_terminal_due_ms", "due_ms", "fence", "terminal"),
    Index("ix_area_terminal_command", "command", sqlite_where=text("command <> ''"),
          postgresql_where=text("command <> ''")),
)  # fmt: skip

GEOFENCE_VEHICLE: Final = Table(
    "geofence_vehicle",
    METADATA,
    Column("geofence", Integer, ForeignKey("geofence.id", ondelete="CASCADE"), primary_key=True),
    Column("vehicle", Integer, ForeignKey("vehicle.id"), primary_key=True),
)

GUARD: Final = Table(
    "guard",
    METADATA,
    # What is set for a car that was ever armed or suspected to be stolen. Whose it is says the car's row.
    Column("vehicle", Integer, ForeignKey("vehicle.id"), primary_key=True, autoincrement=False),
    # Armed by hand since, UTC epoch ms; 0: is not.
    Column("armed_ms", BigInteger, nullable=False),
    # Everything that was suspected up to then, by our clock, has been settled by a person.
    Column("settled_ms", BigInteger, nullable=False),
    # The schedule rests until then; 0: does not.
    Column("suspended_ms", BigInteger, nullable=False),
    # The place that it may not leave; NULL: where it is parked.
    Column("lat_1e7", Integer),
    Column("lon_1e7", Integer),
    Column("radius_m", Integer, nullable=False),
    # Minutes of the day by the store's clock, and the days on which a night begins, bit 0 Monday; NULL: no schedule.
    Column("from_minute", Integer),
    Column("to_minute", Integer),
    Column("days", Integer),
    # The newest theft.suspected of the open episode, its first, and when that happened; empty and 0: there is none.
    Column("theft", String(32), nullable=False),
    Column("theft_first", String(32), nullable=False),
    Column("theft_ms", BigInteger, nullable=False),
    # Of the last change of arming.
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Index("ix_guard_theft_ms", "theft_ms"),
)

PRESENCE: Final = Table(
    "presence",
    METADATA,
    # Whether a terminal can be reached, as the log's device events have said it last.
    Column("terminal", Integer, ForeignKey("terminal.id"), primary_key=True, autoincrement=False),
    Column("vehicle", Integer, nullable=False),
    *_whose(),
    # online, offline, silent
    Column("state", Text, nullable=False),
    # Of the state, UTC epoch ms.
    Column("since_ms", BigInteger, nullable=False),
    # Of its last session: number, node, when it was opened, when closed (0: it is open), and the event that said so.
    Column("epoch", BigInteger, nullable=False),
    Column("node", Text, nullable=False),
    Column("opened_ms", BigInteger, nullable=False),
    Column("closed_ms", BigInteger, nullable=False),
    Column("event", String(32), nullable=False),
    # Cut from the car's power since; 0: is not.
    Column("cut_ms", BigInteger, nullable=False),
    Index("ix_presence_state", "state"),
    Index("ix_presence_vehicle", "vehicle"),
)

RULE: Final = Table(
    "rule",
    METADATA,
    # What a group's people set of a detector's thresholds: one row a change, the highest version counts. No row: the
    # program's defaults, version 0.
    Column("group_id", Integer, primary_key=True),
    Column("detector", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    # JSON object of the fields that differ from the defaults: those are what is meant where nothing is said.
    Column("thresholds", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("changed_by", Text, nullable=False),
    # Why, in the words of who changed it.
    Column("note", Text, nullable=False),
)

STORE: Final = Table(
    "store",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group_id", Integer, nullable=False),
    Column("code", String(32), nullable=False),
    Column("name_zh", Text, nullable=False),
    Column("name_en", Text, nullable=False),
    Column("time_zone", Text, nullable=False),
    Column("lat_1e7", Integer),
    Column("lon_1e7", Integer),
    Column("created_ms", BigInteger, nullable=False),
    # The actor organisation sees to it that no code is given twice: rows are written after it has decided.
    Index("ix_store_group_id_code", "group_id", "code"),
)

ACCOUNT: Final = Table(
    "account",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("group_id", Integer, nullable=False),
    # Lower case: nobody remembers how they wrote it.
    Column("login", String(64), nullable=False, unique=True),
    Column("name", Sealed("account"), nullable=False),
    Column("role", Text, nullable=False),
    # argon2id in its encoded form; empty until the invitation is taken.
    Column("password_hash", Text, nullable=False),
    # active, invited, disabled
    Column("state", Text, nullable=False),
    Column("language", String(8), nullable=False),
    # JSON list of event type prefixes that this person wants a message about.
    Column("notify", Text, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
)

ACCOUNT_STORE: Final = Table(
    "account_store",
    METADATA,
    # No row: every store of the group.
    Column("account", Integer, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    Column("store", Integer, ForeignKey("store.id"), primary_key=True),
)

SESSION: Final = Table(
    "session",
    METADATA,
    # SHA-256 of the cookie: who reads the database cannot log in with what stands there.
    Column("token_hash", String(64), primary_key=True),
    Column("account", Integer, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("address", Sealed("account"), nullable=False),
    Column("agent", Sealed("account"), nullable=False),
    # As what its owner works in it, `role:grade`; empty: as the most they are.
    Column("post", Text, nullable=False, server_default=""),
    Index("ix_session_account", "account"),
)

API_KEY: Final = Table(
    "api_key",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("account", Integer, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    # The first characters, to tell keys apart in a list.
    Column("prefix", String(16), nullable=False),
    Column("key_hash", String(64), nullable=False, unique=True),
    # JSON list of rights, a part of the owner's; what the owner loses the key loses.
    Column("rights", Text, nullable=False),
    # JSON list of what it reads for, a part of the owner's; NULL: all of theirs.
    Column("purposes", Text),
    Column("created_ms", BigInteger, nullable=False),
    Column("seen_ms", BigInteger, nullable=False),
    # 0: does not expire.
    Column("expires_ms", BigInteger, nullable=False),
    # 0: in force.
    Column("revoked_ms", BigInteger, nullable=False),
    # The company that it was given to; the key ends when their contract does. 0: nobody outside.
    Column("supplier", Integer, nullable=False, server_default="0"),
    # As what its owner worked who made it, `role:grade`; empty: as the most they are.
    Column("post", Text, nullable=False, server_default=""),
    Index("ix_api_key_account", "account"),
)

INVITATION: Final = Table(
    "invitation",
    METADATA,
    Column("token_hash", String(64), primary_key=True),
    Column("account", Integer, ForeignKey("account.id", ondelete="CASCADE"), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    # 0: not used yet.
    Column("used_ms", BigInteger, nullable=False),
)

ACCESS: Final = Table(
    "access",
    METADATA,
    # The audit log: who read positions or persons (one row a read, or a live feed opened), and who did what. Numbers
    # are dense, and each row is chained to the one before (storage.audit says how).
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("time_ms", BigInteger, nullable=False),
    Column("group_id", Integer, nullable=False),
    Column("account", Integer, nullable=False),
    Column("api_key", Integer, nullable=False),
    # A look (positions, live, track, frames, media, search, export, person), or act, login: storage.audit.WHATS.
    Column("what", Text, nullable=False),
    # 0: not one vehicle's.
    Column("vehicle", Integer, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("address", Text, nullable=False),
    # What it was about beside a vehicle (person:12, account:3, export:…), and of how many persons something was read.
    Column("subject", Text, nullable=False, server_default=""),
    Column("persons", Integer, nullable=False, server_default="0"),
    # For what was done: method and route, its status, and what tells it from others, without personal data.
    Column("act", Text, nullable=False, server_default=""),
    Column("status", Integer, nullable=False, server_default="0"),
    Column("detail", Text, nullable=False, server_default=""),
    Column("hash", String(64), nullable=False, server_default=""),
    Index("ix_access_vehicle_time_ms", "vehicle", "time_ms"),
    Index("ix_access_account_time_ms", "account", "time_ms"),
    Index("ix_access_group_id_id", "group_id", "id"),
    Index("ix_access_subject_id", "subject", "id"),
    # Who reads persons is counted every minute.
    Index("ix_access_persons", "time_ms", sqlite_where=text("persons > 0"), postgresql_where=text("persons > 0")),
)

INBOX: Final = Table(
    "inbox",
    METADATA,
    # Events of processes that do not own the log; the owner moves them into it, in this order.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("event", Text, nullable=False),
    Column("arrival_ms", BigInteger, nullable=False),
)

OUTBOX: Final = Table(
    "outbox",
    METADATA,
    # What an adapter was asked to bring into the outside world: one row an intent, its id.
    Column("id", Text, primary_key=True),
    Column("adapter", Text, nullable=False),
    *_whose(),
    Column("channel", Text, nullable=False),
    # An account's id, and how it is addressed there. Texts stand here and not in the log: events carry ids only.
    Column("account", Integer, nullable=False),
    Column("address", Sealed("outbox"), nullable=False),
    Column("subject", Sealed("outbox"), nullable=False),
    Column("body", Sealed("outbox"), nullable=False),
    # Subject of the event behind it (vehicle:12), and that event's id.
    Column("about", Text, nullable=False),
    Column("cause", Text, nullable=False),
    # requested, sent, confirmed, failed, unknown
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index("ix_outbox_group_id_requested_ms", "group_id", "requested_ms"),
)

MEDIA: Final = Table(
    "media",
    METADATA,
    # A picture, sound or film that a terminal announced (0x0800) or sent (0x0801).
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    *_whose(),
    Column("vehicle", Integer, nullable=False),
    Column("terminal", Integer, nullable=False),
    # What the terminal calls it. Terminals begin to count anew, so it does not name a row by itself.
    Column("media_id", BigInteger, nullable=False),
    # Kind, format, event and channel as the terminal gives them (protocols/jt808/media.py names the numbers).
    Column("kind", Integer, nullable=False),
    Column("format", Integer, nullable=False),
    Column("event", Integer, nullable=False),
    Column("channel", Integer, nullable=False),
    # Of its location head; its arrival where it has none, or a mad one.
    Column("time_ms", BigInteger, nullable=False),
    # NULL without a fix.
    Column("lat_1e7", Integer),
    Column("lon_1e7", Integer),
    Column("speed_kmh10", Integer),
    Column("arrival_ms", BigInteger, nullable=False),
    # Of the file, in bytes; 0 while there is none.
    Column("size", BigInteger, nullable=False),
    # Names the file; empty while there is none.
    Column("sha256", String(64), nullable=False),
    # By its first bytes, never by what the terminal says.
    Column("content_type", Text, nullable=False),
    # announced, partial, stored, lost
    Column("state", Text, nullable=False),
    # Of the transfer: how many have come, and of how many; 0: not known.
    Column("packets", Integer, nullable=False),
    Column("packets_total", Integer, nullable=False),
    # Ids of the event that it shows (crash.suspected …) and of the command that asked for it; empty for none.
    Column("cause", Text, nullable=False),
    Column("command", Text, nullable=False),
    # What a terminal sends twice is one row; what has no file yet is one row a media id.
    Index("uq_media_terminal_media_id_sha256", "terminal", "media_id", "sha256", unique=True),
    Index("ix_media_vehicle_time_ms", "vehicle", "time_ms"),
    Index("ix_media_vehicle_arrival_ms", "vehicle", "arrival_ms"),
    Index("ix_media_group_id_store_id_time_ms", "group_id", "store_id", "time_ms"),
    Index("ix_media_sha256", "sha256"),
    Index("ix_media_cause", "cause"),
    Index("ix_media_command", "command"),
)
