"""Gallery: what terminals took, as a principal may see it. Scope and purposes stand in the SQL; every look at places or
contents is in table `access` before it is answered."""

from typing import Any, Final

import msgspec
from sqlalchemy import Select, and_, func, or_, select

from core import limits
from core.events import Event
from core.rights import PRECISION_1E7, Principal
from storage.errors import StorageError
from storage.media import COLLISION, ROBBERY, SHOWN, MediaFiles, kind_name
from storage.reader import Reader, rounded
from storage.tables.business import MEDIA

STATES: Final = ("announced", "partial", "stored", "lost")


class MediaItem(msgspec.Struct, frozen=True, kw_only=True):
    """A picture, sound or film of a terminal, or what is known of one that has not come."""

    id: int
    vehicle_id: int
    terminal: int
    media_id: int
    """What the terminal calls it."""
    kind: str
    """picture, audio, video, other."""
    event: int
    """The terminal's reason, as in 0x0800."""
    channel: int
    time_ms: int
    lat_1e7: int | None
    lon_1e7: int | None
    """None without a fix, and for readers who may not see places."""
    speed_kmh10: int | None
    arrival_ms: int
    size: int
    sha256: str
    """Empty while there is no file."""
    content_type: str
    """By its first bytes; empty while there is no file."""
    state: str
    """announced: said to be there; partial: packets are missing; stored; lost: given up half received."""
    packets: int
    packets_total: int
    """Of a transfer that is not whole."""
    cause: str
    """Id of the event that it shows, empty for none."""
    command: str
    """Id of the command that asked for it, empty for none."""


class MediaPage(msgspec.Struct, frozen=True):
    items: list[MediaItem]
    """Newest first."""
    next: str
    """Where to go on, empty at the end."""


class Gallery:
    """Everything blocks: call it from worker threads.

    Args:
        files: None where another machine has them: then rows are shown and no contents.
    """

    def __init__(self, reader: Reader, files: MediaFiles | None) -> None:
        self._reader = reader
        self._database = reader.database
        self._files = files

    def page(
        self,
        principal: Principal,
        vehicle_id: int,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
        kind: str = "",
        channel: int | None = None,
        state: str = "",
        cause: str = "",
        after: str = "",
        limit: int = 100,
    ) -> MediaPage | None:
        """Return a car's items, newest first; None when the car is not of the scope.

        Args:
            from_ms, to_ms: only those taken in from_ms <= time_ms < to_ms.
            kind: picture, audio, video, other; all where empty.
            cause: only those that show this event or were asked for by this command; `event` those that show one,
                `command` those that were asked for.
            after: `next` of the page before.

        Raises:
            ValueError: `after` is no place in a list.
            StorageError: also when the look cannot be written to the access log.
        """
        if not self._reader.sees(principal, vehicle_id):
            return None
        wanted = _of(principal).where(MEDIA.c.vehicle == vehicle_id)
        if from_ms is not None:
            wanted = wanted.where(MEDIA.c.time_ms >= from_ms)
        if to_ms is not None:
            wanted = wanted.where(MEDIA.c.time_ms < to_ms)
        if kind:
            wanted = wanted.where(MEDIA.c.kind == _KINDS[kind] if kind in _KINDS else MEDIA.c.kind >= len(_KINDS))
        if channel is not None:
            wanted = wanted.where(MEDIA.c.channel == channel)
        if state:
            wanted = wanted.where(MEDIA.c.state == state)
        if cause == "event":
            wanted = wanted.where(MEDIA.c.cause != "")
        elif cause == "command":
            wanted = wanted.where(MEDIA.c.command != "")
        elif cause:
            wanted = wanted.where(or_(MEDIA.c.cause == cause, MEDIA.c.command == cause))
        if after:
            time_ms, number = _place(after)
            wanted = wanted.where(or_(MEDIA.c.time_ms < time_ms, and_(MEDIA.c.time_ms == time_ms, MEDIA.c.id < number)))
        limit = min(limit, limits.MEDIA_PAGE_MAX)
        items = self._items(principal, wanted.order_by(MEDIA.c.time_ms.desc(), MEDIA.c.id.desc()).limit(limit))
        last = items[-1] if len(items) == limit else None
        return MediaPage(items, f"{last.time_ms}-{last.id}" if last else "")

    def one(self, principal: Principal, number: int) -> MediaItem | None:
        """Return one item; None if there is none that this principal may see."""
        return next(iter(self._items(principal, _of(principal).where(MEDIA.c.id == number))), None)

    def content(self, principal: Principal, number: int) -> tuple[MediaItem, bytes] | None:
        """Return an item with the bytes of its file; None where there is no file for this principal.

        Raises:
            StorageError: the file cannot be read, or the look cannot be written to the access log.
        """
        wanted = _of(principal).where(MEDIA.c.id == number, MEDIA.c.sha256 != "")
        item = next(iter(self._items(principal, wanted, noted=False)), None)
        if item is None:
            return None
        self._note(principal, [item])
        if self._files is None:
            raise StorageError("this process has no directory of media: give it `media` or `node_data`")
        return item, self._files.read(item.sha256)

    def of_event(self, principal: Principal, event: Event) -> list[MediaItem]:
        """Return what shows an event or was asked for by a command: by its link, else by car and minute."""
        vehicle = event.subject.removeprefix("vehicle:")
        asked = getattr(event.payload, "command", event.id)
        which: Any = or_(MEDIA.c.cause == event.id, MEDIA.c.command == asked)
        if event.type in SHOWN and vehicle.isdigit():
            near = MEDIA.c.time_ms.between(event.time_ms - limits.MEDIA_LINK_MS, event.time_ms + limits.MEDIA_LINK_MS)
            which = or_(which, (MEDIA.c.vehicle == int(vehicle)) & near)
        wanted = _of(principal).where(which, MEDIA.c.sha256 != "").order_by(MEDIA.c.time_ms, MEDIA.c.id)
        return self._items(principal, wanted.limit(limits.MEDIA_PAGE_MAX))

    def events_of(self, principal: Principal, items: list[MediaItem]) -> dict[str, Event]:
        """Return the events and commands that items name, by id, as far as this principal may see them."""
        ids = sorted({one for item in items for one in (item.cause, item.command) if one})
        return self._reader.events_named(principal, ids)

    def channels(self, principal: Principal, vehicle_id: int) -> list[int]:
        """Return the channels that a car's items are of."""
        wanted = select(MEDIA.c.channel).where(*_whose(principal), MEDIA.c.vehicle == vehicle_id).distinct()
        with self._database.read() as connection:
            return sorted(row.channel for row in connection.execute(wanted))

    def newest(self, principal: Principal, vehicle_id: int) -> int:
        """Return the number of a car's newest item, 0 where it has none."""
        wanted = select(func.max(MEDIA.c.id)).where(*_whose(principal), MEDIA.c.vehicle == vehicle_id)
        with self._database.read() as connection:
            return connection.execute(wanted.where(MEDIA.c.sha256 != "")).scalar() or 0

    def stored_as(self, principal: Principal, vehicle_id: int, media_ids: list[int]) -> dict[int, int]:
        """Return which of a car's terminals' numbers are stored: what the terminal calls it -> our newest number."""
        which = MEDIA.c.media_id.in_(media_ids[: limits.MEDIA_PAGE_MAX]) & (MEDIA.c.sha256 != "")
        wanted = select(MEDIA.c.media_id, func.max(MEDIA.c.id).label("number")).where(
            *_whose(principal), MEDIA.c.vehicle == vehicle_id, which
        )
        with self._database.read() as connection:
            return {row.media_id: row.number for row in connection.execute(wanted.group_by(MEDIA.c.media_id))}

    def _items(self, principal: Principal, wanted: Select[Any], *, noted: bool = True) -> list[MediaItem]:
        with self._database.read() as connection:
            items = [_item(row, principal) for row in connection.execute(wanted)]
        if noted:
            self._note(principal, items)
        return items

    def _note(self, principal: Principal, items: list[MediaItem]) -> None:
        if items:
            times = [item.time_ms for item in items]
            cars = {item.vehicle_id for item in items}
            self._reader.note(
                principal,
                "media",
                vehicle=cars.pop() if len(cars) == 1 else 0,
                from_ms=min(times),
                to_ms=max(times),
                rows=len(items),
            )


_KINDS: Final = {"picture": 0, "audio": 1, "video": 2}


def _whose(principal: Principal) -> list[Any]:
    """Return the conditions that hold a principal to their rows: group, stores, and what for."""
    scope = principal.scope
    conditions: list[Any] = [MEDIA.c.group_id == scope.group]
    if scope.stores is not None:
        conditions.append(MEDIA.c.store_id.in_(scope.stores))
    if "theft" not in scope.purposes:
        conditions.append(MEDIA.c.event != ROBBERY)
    if "safety" not in scope.purposes:
        conditions.append(MEDIA.c.event != COLLISION)
    if "service" not in scope.purposes:
        conditions.append(MEDIA.c.event.in_((ROBBERY, COLLISION)))
    return conditions


def _of(principal: Principal) -> Select[Any]:
    return select(MEDIA).where(*_whose(principal))


def _item(row: Any, principal: Principal) -> MediaItem:
    precision = principal.scope.precision
    lat_1e7, lon_1e7 = row.lat_1e7, row.lon_1e7
    if precision == "none":
        lat_1e7 = lon_1e7 = None
    elif lat_1e7 is not None:
        step = PRECISION_1E7[precision]
        lat_1e7, lon_1e7 = rounded(lat_1e7, step), rounded(lon_1e7, step)
    return MediaItem(
        id=row.id,
        vehicle_id=row.vehicle,
        terminal=row.terminal,
        media_id=row.media_id,
        kind=kind_name(row.kind),
        event=row.event,
        channel=row.channel,
        time_ms=row.time_ms,
        lat_1e7=lat_1e7,
        lon_1e7=lon_1e7,
        speed_kmh10=row.speed_kmh10,
        arrival_ms=row.arrival_ms,
        size=row.size,
        sha256=row.sha256,
        content_type=row.content_type,
        state=row.state,
        packets=row.packets,
        packets_total=row.packets_total,
        cause=row.cause,
        command=row.command,
    )


def _place(after: str) -> tuple[int, int]:
    first, _, second = after.partition("-")
    if not (first.isascii() and first.isdigit() and second.isascii() and second.isdigit() and len(after) < 40):
        raise ValueError("no place in a list of media")
    return int(first), int(second)
