"""MediaStore: what terminals took, as files named by their content, and a row for each.

    DATA/media/ab/abcd…     one file, named by its SHA-256; the same picture twice is one file
    DATA/media/new/…        files being written; what is found there at a start was never finished

A file is written under another name, synced with its directory and renamed before its row is written, and the row and
the event stand in one transaction. So a row's file is always there; a file without a row is one whose packets are
still in the journal, and gets its row when they are read again. No name in a path comes from outside.
"""

import contextlib
import hashlib
import os
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from core import limits
from core.events import CommandProgress, CommandRequested, Event, MediaAnnounced, MediaStored, derive_id
from core.media import content_type_of
from storage.errors import StorageError
from storage.eventlog import EventLog, LogTransaction, event_of
from storage.tables.business import EVENT, MEDIA

KINDS: Final = ("picture", "audio", "video")
"""By the number that terminals give; `other` for any number else."""
ROBBERY: Final = 2
COLLISION: Final = 3
"""Reasons of terminals (0x0800) that say which event is shown."""
ANNOUNCED_LATE_MS: Final = 600_000
"""What is announced within ten minutes after it was stored is the same item."""
ASKED_MS: Final = 600_000
"""A command is the cause of what was taken within ten minutes of it: shots may go on, and uploads wait their turn."""
EVENTS_LOOKED_MAX: Final = 2_000
"""Newest events of a car looked through for what an item shows: some days of a busy one."""

MEDIA_COUNTS: Final = (
    ("stored", "Media items stored."),
    ("repeated", "Media items that were stored already."),
    ("refused_full", "Media items refused because the store is full (media_bytes_max)."),
    ("refused_day", "Media items refused because their car had too many within a day."),
    ("refused_failed", "Media items refused because their file could not be written."),
)
"""What is counted, with its meaning."""


class NewMedia(msgspec.Struct, frozen=True, kw_only=True):
    """What a terminal says of an item."""

    group: int
    store: int
    vehicle: int
    terminal: int
    media_id: int
    kind: int
    format: int
    event: int
    channel: int
    time_ms: int
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    speed_kmh10: int | None = None
    arrival_ms: int


class Kept(msgspec.Struct, frozen=True):
    """What became of an item: `stored`, or why not: full, day, failed."""

    outcome: Literal["stored", "full", "day", "failed"]
    media: int = 0
    """Number of its row."""

    @property
    def stored(self) -> bool:
        return self.outcome == "stored"


def kind_name(kind: int) -> str:
    """Return the name of a terminal's number for what an item is."""
    return KINDS[kind] if kind < len(KINDS) else "other"


class MediaFiles:
    """Files named by their content. Everything blocks.

    Args:
        path: their directory; made when the first is written.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path

    def file(self, sha256: str) -> Path:
        """Return where the file of a content is.

        Raises:
            ValueError: not 64 lower-case hexadecimal digits: no other text becomes a path.
        """
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError("a content is named by 64 hexadecimal digits")
        return self.path / sha256[:2] / sha256

    def read(self, sha256: str) -> bytes:
        """Return a file's bytes, at most MEDIA_BYTES_MAX of them.

        Raises:
            StorageError: it is not there or cannot be read.
        """
        try:
            return self.file(sha256).read_bytes()
        except OSError as error:
            raise StorageError(f"the file of media {sha256} cannot be read: {error.strerror}") from error

    def write(self, sha256: str, data: bytes) -> None:
        """Write a file so that its name stands only for all of it, also after a power cut.

        Raises:
            OSError: it cannot be written; nothing of it is left.
        """
        file = self.file(sha256)
        with contextlib.suppress(OSError):
            if file.stat().st_size == len(data):
                return
        for directory in (self.path, self.path / "new", file.parent):
            if not directory.is_dir():
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
                _sync_directory(directory.parent)
        new = self.path / "new" / secrets.token_hex(16)
        try:
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(descriptor, "wb") as target:
                target.write(data)
                target.flush()
                os.fsync(target.fileno())
            new.rename(file)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        _sync_directory(file.parent)

    def sweep(self) -> None:
        """Remove what was being written when a process died. Only for whoever writes, before it writes."""
        for left in (self.path / "new").glob("*"):
            left.unlink(missing_ok=True)


class MediaStore:
    """Files and rows. Everything blocks: call it from worker threads.

    Args:
        log: the owner's; rows and events go into its transactions.
        path: directory of the files.
        bytes_max: most bytes of all files together.
    """

    def __init__(self, log: EventLog, path: Path, bytes_max: int = limits.MEDIA_STORE_BYTES) -> None:
        self.files: Final = MediaFiles(path)
        self.bytes_max: Final = bytes_max
        self._log = log
        self._counts: Counter[str] = Counter()
        self._guard = threading.Lock()
        self._reserved = 0
        """Bytes of files that are being written now."""
        files = select(MEDIA.c.sha256, MEDIA.c.size).where(MEDIA.c.sha256 != "").distinct().subquery()
        with log.database.read() as connection:
            self._bytes = int(connection.execute(select(func.coalesce(func.sum(files.c.size), 0))).scalar_one())
        self.files.sweep()

    # --- from terminals -----------------------------------------------------------------------------------------------

    def put(self, item: NewMedia, data: bytes) -> Kept:
        """Store an item: its file, then its row with media.stored. Putting it again changes nothing.

        Raises:
            StorageError: the database does not take the row; the file is there, and another call uses it.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        refusal = self._refusal(item, sha256, len(data))
        if refusal is not None:
            self._counts[f"refused_{refusal}"] += 1
            return Kept(refusal)
        try:
            try:
                self.files.write(sha256, data)
            except OSError:
                # A full or broken volume. Its terminal hears no, and may send it again.
                self._counts["refused_failed"] += 1
                return Kept("failed")
            with self._log.transaction() as transaction:
                media, is_new, is_new_file = _store_row(transaction, item, sha256, data)
        finally:
            with self._guard:
                self._reserved -= len(data)
        with self._guard:
            self._bytes += len(data) * is_new_file
            self._counts["stored" if is_new else "repeated"] += 1
        return Kept("stored", media)

    def announce(self, item: NewMedia, event_id: str) -> None:
        """Note an item that a terminal has taken and may send (0x0800), with media.announced.

        Args:
            event_id: derived from the message; one that is known changes nothing.

        Raises:
            StorageError: nothing is written.
        """
        with self._log.transaction() as transaction:
            if transaction.known([event_id]):
                return
            connection = transaction.connection
            late = (MEDIA.c.arrival_ms > item.arrival_ms - ANNOUNCED_LATE_MS) & (MEDIA.c.sha256 != "")
            if connection.execute(select(MEDIA.c.id).where(_same(item), late)).first() is None:
                _upsert_open(connection, item, "announced", 0, 0)
            payload = MediaAnnounced(
                vehicle_id=item.vehicle,
                terminal=item.terminal,
                media_id=item.media_id,
                kind=kind_name(item.kind),
                code=item.event,
                channel=item.channel,
            )
            transaction.append([_event(item, event_id, "media.announced", payload)])

    def note(self, item: NewMedia, state: Literal["partial", "lost"], packets: int, packets_total: int) -> None:
        """Write down how far a transfer came that waits for packets, or was given up or refused.

        Raises:
            StorageError: nothing is written.
        """
        with self._log.database.write() as connection:
            _upsert_open(connection, item, state, packets, packets_total)

    def statistics(self) -> dict[str, int]:
        """Return the counts of MEDIA_COUNTS, and `bytes` of all files."""
        return {**{name: self._counts[name] for name, _ in MEDIA_COUNTS}, "bytes": self._bytes}

    # --- bounds and links --------------------------------------------------------------------------------------------

    def _refusal(self, item: NewMedia, sha256: str, size: int) -> Literal["full", "day"] | None:
        """Say why an item cannot be stored; else reserve its bytes, which the caller gives back."""
        with self._log.database.read() as connection:
            is_known_file = connection.execute(select(MEDIA.c.id).where(MEDIA.c.sha256 == sha256)).first() is not None
            is_known = connection.execute(select(MEDIA.c.id).where(_same(item), MEDIA.c.sha256 == sha256)).first()
            since_ms = item.arrival_ms - 86_400_000
            of_day = select(func.count()).where(
                MEDIA.c.vehicle == item.vehicle, MEDIA.c.arrival_ms > since_ms, MEDIA.c.sha256 != ""
            )
            today = connection.execute(of_day).scalar_one()
        if is_known is None and today >= limits.MEDIA_ITEMS_DAY_MAX:
            return "day"
        with self._guard:
            if not is_known_file and self._bytes + self._reserved + size > self.bytes_max:
                return "full"
            self._reserved += size
        return None

    # --- what belongs to what -----------------------------------------------------------------------------------------

    def link(self, events: Sequence[Event], reader: str, seq: int) -> int:
        """Say of the items that these events may concern which event they show and which command asked for them.

        Args:
            events: crashes, SOS, crossings, ends of commands, media.stored; any order, repeats change nothing.
            reader, seq: position to store in the same transaction.

        Returns:
            How many rows changed.
        """
        changed = 0
        with self._log.transaction() as transaction:
            for row in self._concerned(transaction.connection, events):
                cause, command = _links(transaction.connection, row)
                if (cause, command) != (row.cause, row.command):
                    values = update(MEDIA).where(MEDIA.c.id == row.id).values(cause=cause, command=command)
                    transaction.connection.execute(values)
                    changed += 1
            transaction.set_position(reader, seq)
        return changed

    def _concerned(self, connection: Connection, events: Sequence[Event]) -> list[Any]:
        """Return the rows whose links these events can change, each once."""
        found: dict[int, Any] = {}
        for event in events:
            payload: Any = event.payload
            vehicle = MEDIA.c.vehicle == getattr(payload, "vehicle_id", 0)
            if isinstance(payload, MediaStored):
                which: Any = MEDIA.c.id == payload.media
            elif isinstance(payload, CommandProgress):
                asked = _asked_for(payload.reply)
                if not asked:
                    continue
                which = vehicle & MEDIA.c.media_id.in_(asked) & (MEDIA.c.arrival_ms > event.time_ms - ASKED_MS)
            elif event.type not in SHOWN:
                continue
            else:
                near = MEDIA.c.time_ms.between(
                    event.time_ms - limits.MEDIA_LINK_MS, event.time_ms + limits.MEDIA_LINK_MS
                )
                which = vehicle & near
            wanted = select(MEDIA).where(which, MEDIA.c.sha256 != "").order_by(MEDIA.c.id.desc())
            for row in connection.execute(wanted.limit(limits.MEDIA_LINKS_AT_ONCE)):
                found[row.id] = row
        return list(found.values())


# --- rows -------------------------------------------------------------------------------------------------------------


def _same(item: NewMedia) -> Any:
    return (MEDIA.c.terminal == item.terminal) & (MEDIA.c.media_id == item.media_id)


def _said(item: NewMedia) -> dict[str, Any]:
    """Return the columns that say what the terminal said."""
    return {
        "group_id": item.group, "store_id": item.store, "vehicle": item.vehicle, "terminal": item.terminal,
        "media_id": item.media_id, "kind": item.kind, "format": item.format, "event": item.event,
        "channel": item.channel, "time_ms": item.time_ms, "lat_1e7": item.lat_1e7, "lon_1e7": item.lon_1e7,
        "speed_kmh10": item.speed_kmh10, "arrival_ms": item.arrival_ms,
    }  # fmt: skip


def _upsert_open(connection: Connection, item: NewMedia, state: str, packets: int, packets_total: int) -> None:
    """Write the one row of an item that has no file: announced, partial or lost."""
    values = {**_said(item), "state": state, "packets": packets, "packets_total": packets_total}
    where = _same(item) & (MEDIA.c.sha256 == "")
    if connection.execute(update(MEDIA).where(where).values(**values)).rowcount == 0:
        values |= {"size": 0, "sha256": "", "content_type": "", "cause": "", "command": ""}
        connection.execute(insert(MEDIA).values(**values))


def _store_row(transaction: LogTransaction, item: NewMedia, sha256: str, data: bytes) -> tuple[int, bool, bool]:
    """Write an item's row and its event; return (number, is new, its file is new)."""
    connection = transaction.connection
    is_open = _same(item) & (MEDIA.c.sha256 == "")
    known = connection.execute(select(MEDIA.c.id).where(_same(item), MEDIA.c.sha256 == sha256)).scalar()
    if known is not None:
        # Sent again. Whatever was announced or begun under its number is this.
        connection.execute(delete(MEDIA).where(is_open))
        return known, False, False
    is_new_file = connection.execute(select(MEDIA.c.id).where(MEDIA.c.sha256 == sha256)).first() is None
    values = {
        **_said(item), "size": len(data), "sha256": sha256, "content_type": content_type_of(data), "state": "stored",
        "packets": 0, "packets_total": 0,
    }  # fmt: skip
    media = connection.execute(select(MEDIA.c.id).where(is_open)).scalar()
    if media is not None:
        connection.execute(update(MEDIA).where(MEDIA.c.id == media).values(**values))
    else:
        row = insert(MEDIA).values(**values, cause="", command="").returning(MEDIA.c.id)
        media = connection.execute(row).scalar_one()
    payload = MediaStored(
        media=media,
        vehicle_id=item.vehicle,
        terminal=item.terminal,
        media_id=item.media_id,
        kind=kind_name(item.kind),
        sha256=sha256,
    )
    sources = (f"terminal:{item.terminal}", str(item.media_id), sha256)
    event_id = derive_id("media", "media.stored", 1, sources, f"vehicle:{item.vehicle}")
    transaction.append([_event(item, event_id, "media.stored", payload)])
    return media, True, is_new_file


def _event(item: NewMedia, event_id: str, kind: str, payload: msgspec.Struct) -> Event:
    return Event(
        id=event_id,
        type=kind,
        time_ms=item.time_ms,
        subject=f"vehicle:{item.vehicle}",
        group=item.group,
        store=item.store,
        actor="media",
        purpose={ROBBERY: "theft", COLLISION: "safety"}.get(item.event, "service"),
        payload=payload,
    )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- links ------------------------------------------------------------------------------------------------------------

SHOWN: Final = ("crash.suspected", "sos.pressed", "fence.entered", "fence.exited")
"""Types of events that an item may show, the weightiest first."""


def _links(connection: Connection, row: Any) -> tuple[str, str]:
    """Return (id of the event that an item shows, id of the command that asked for it), empty for none.

    Of several events within MEDIA_LINK_MS the weightiest counts, then the nearest. A command that names the item
    (its reply lists it, or it asks for it by number) counts before one that it only fits.
    """
    near = _events(connection, row, SHOWN, limits.MEDIA_LINK_MS, row.time_ms)
    order = sorted(near, key=lambda event: (SHOWN.index(event.type), abs(event.time_ms - row.time_ms)))
    commands = _events(connection, row, ("command.requested", "command.effective"), ASKED_MS, row.arrival_ms)
    return (order[0].id if order else row.cause), (_command_of(row, commands) or row.command)


def _events(connection: Connection, row: Any, types: Sequence[str], within_ms: int, time_ms: int) -> list[Event]:
    newest = (
        select(EVENT)
        .where(EVENT.c.subject == f"vehicle:{row.vehicle}")
        .order_by(EVENT.c.seq.desc())
        .limit(EVENTS_LOOKED_MAX)
        .subquery()
    )
    wanted = (
        select(newest)
        .where(newest.c.type.in_(types), newest.c.time_ms.between(time_ms - within_ms, time_ms + within_ms))
        .order_by(newest.c.seq.desc())
    )
    return [event_of(found) for found in connection.execute(wanted)]


def _command_of(row: Any, events: Sequence[Event]) -> str:
    """Return the id of the command that asked for an item; events come newest first."""
    for event in events:
        payload: Any = event.payload
        if event.type == "command.effective" and row.media_id in _asked_for(payload.reply):
            return str(payload.command)
    for event in events:
        request: Any = event.payload
        if isinstance(request, CommandRequested) and event.time_ms <= row.arrival_ms:
            asks = ASKS.get(request.message.lower())
            if asks is not None and asks(row, request.fields):
                return event.id
    return ""


def _asked_for(reply: dict[str, Any]) -> list[int]:
    """Return the numbers of items that the reply to a command lists (0x0805)."""
    ids = reply.get("media_ids") or ()
    return [one for one in ids if isinstance(one, int)] if isinstance(ids, list | tuple) else []


def _is_shot(row: Any, fields: dict[str, Any]) -> bool:
    """0x8801: a picture or film of that camera, taken because somebody asked."""
    return row.event == 0 and row.kind in (0, 2) and row.channel == fields.get("channel")


def _is_searched(row: Any, fields: dict[str, Any]) -> bool:
    """0x8803: of the kind, and of the camera unless all were asked for."""
    return row.kind == fields.get("kind") and fields.get("channel") in (0, row.channel)


ASKS: Final[dict[str, Callable[[Any, dict[str, Any]], bool]]] = {
    "0x8801": _is_shot,
    "0x8803": _is_searched,
    "0x8804": lambda row, fields: row.event == 0 and row.kind == 1 and fields.get("command") == 1,
    "0x8805": lambda row, fields: row.media_id == fields.get("media_id"),
}
"""Command -> whether an item is what it asked for."""
