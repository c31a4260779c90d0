"""The outbox: who is to be told what, what was told, and whom it concerns. Texts stand here and never in the log."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select, tuple_, update

from core import limits
from core.clock import wall_ms
from core.events import Event
from core.rights import Principal
from storage.database import Database
from storage.places import places_of, posts_of
from storage.tables.business import ACCOUNT, GEOFENCE, OUTBOX, STORE, VEHICLE

STATES: Final = ("requested", "sent", "confirmed", "failed", "unknown")


class Recipient(msgspec.Struct, frozen=True):
    """Somebody who may be told, and of what they want to be."""

    account: int
    login: str
    language: str
    group: int
    stores: frozenset[int] | None
    """None: all of the group."""
    notify: tuple[str, ...]

    def wants(self, event: Event) -> bool:
        """Tell whether the event is in their scope and of a type that they want to be told of."""
        return (
            event.group == self.group
            and (self.stores is None or event.store in self.stores)
            and event.type.startswith(self.notify or ("\0",))
        )


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the outbox."""

    id: str
    adapter: str
    group: int
    store: int
    channel: str
    account: int
    address: str
    subject: str
    body: str
    about: str
    cause: str
    state: str
    reason: str = ""
    requested_ms: int
    changed_ms: int

    def has(self, folded: str) -> bool:
        """Tell whether a word, case folded, stands in address, subject or text."""
        return any(folded in place.casefold() for place in (self.address, self.subject, self.body))

    @property
    def vehicle(self) -> int:
        """The vehicle it is about, 0 for none."""
        kind, _, number = self.about.partition(":")
        return int(number) if kind == "vehicle" and number.isdigit() else 0


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What a text about an event names."""

    plate: str
    store_zh: str
    store_en: str
    time_zone: str
    fence: str


def recipients(connection: Connection, account: int | None = None) -> list[Recipient]:
    """Return everybody who can log in, by account; or only this one, if they can."""
    wanted = select(ACCOUNT).where(ACCOUNT.c.state == "active").order_by(ACCOUNT.c.id)
    if account is not None:
        wanted = wanted.where(ACCOUNT.c.id == account)
    rows = connection.execute(wanted).all()
    now_ms = wall_ms()
    found = []
    for first in range(0, len(rows), limits.EVENTS_STATEMENT_MAX):
        some = rows[first : first + limits.EVENTS_STATEMENT_MAX]
        places = places_of(connection, some)
        for row in some:
            posts = posts_of(places[row.id], now_ms)
            whole = any(post.stores is None for post in posts)
            found.append(
                Recipient(
                    account=row.id,
                    login=row.login,
                    language=row.language,
                    group=row.group_id,
                    stores=None if whole else frozenset(store for post in posts for store in post.stores or ()),
                    notify=tuple(msgspec.json.decode(row.notify, type=list[str])),
                )
            )
    return found


def circumstances(connection: Connection, event: Event, vehicle_id: int, fence_id: int) -> Circumstances:
    """Return what a text about the event names; empty where nothing is known."""
    plate = connection.execute(select(VEHICLE.c.plate).where(VEHICLE.c.id == vehicle_id)).scalar()
    fence = connection.execute(select(GEOFENCE.c.name).where(GEOFENCE.c.id == fence_id)).scalar() if fence_id else ""
    store = connection.execute(select(STORE).where(STORE.c.id == event.store)).first()
    return Circumstances(
        plate=plate or "",
        store_zh=store.name_zh if store else "",
        store_en=store.name_en if store else "",
        time_zone=store.time_zone if store else "Asia/Shanghai",
        fence=fence or "",
    )


def write(connection: Connection, messages: Iterable[Message]) -> None:
    """Write rows that are not there yet."""
    for message in messages:
        known = connection.execute(select(OUTBOX.c.id).where(OUTBOX.c.id == message.id)).first()
        if known is None:
            connection.execute(insert(OUTBOX).values(**_values(message)))


def waiting(connection: Connection, adapter: str, limit: int) -> list[Message]:
    """Return an adapter's messages without an outcome, oldest first."""
    wanted = select(OUTBOX).where((OUTBOX.c.adapter == adapter) & (OUTBOX.c.state == "requested"))
    rows = connection.execute(wanted.order_by(OUTBOX.c.requested_ms, OUTBOX.c.id).limit(limit))
    return [_message(row) for row in rows]


def settle(connection: Connection, id_: str, state: str, reason: str, changed_ms: int) -> None:
    """Write what became of a message."""
    connection.execute(
        update(OUTBOX).where(OUTBOX.c.id == id_).values(state=state, reason=reason, changed_ms=changed_ms)
    )


class MessagePage(NamedTuple):
    """Messages, newest first, and the cursor behind them; empty: there are no more."""

    items: list[Message]
    names: dict[int, str]
    """What the people of these accounts are called."""
    next: str


class Outbox:
    """The outbox as people read it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        principal: Principal,
        *,
        after: str = "",
        search: str = "",
        state: str = "",
        from_ms: int | None = None,
        to_ms: int | None = None,
        limit: int = 100,
    ) -> MessagePage:
        """Return the messages of the principal's scope, newest first.

        Args:
            after: cursor of an earlier page; one that is none begins at the newest.
            search: part of address, subject or text; looked for in the newest OUTBOX_SEARCHED_MAX that fit the rest.
            state: only those in this state.
            from_ms, to_ms: only what was asked for in from_ms <= requested_ms < to_ms.
            limit: most messages, at most EVENTS_READ_MAX.
        """
        limit = min(limit, limits.EVENTS_READ_MAX)
        scope = principal.scope
        conditions = [OUTBOX.c.group_id == scope.group]
        if scope.stores is not None:
            conditions.append(OUTBOX.c.store_id.in_(scope.stores))
        if state:
            conditions.append(OUTBOX.c.state == state)
        if from_ms is not None:
            conditions.append(OUTBOX.c.requested_ms >= from_ms)
        if to_ms is not None:
            conditions.append(OUTBOX.c.requested_ms < to_ms)
        time_text, _, last = after.partition("-")
        if last and time_text.isascii() and time_text.isdigit() and len(time_text) < 19:
            conditions.append(tuple_(OUTBOX.c.requested_ms, OUTBOX.c.id) < (int(time_text), last))
        wanted = select(OUTBOX).where(*conditions).order_by(OUTBOX.c.requested_ms.desc(), OUTBOX.c.id.desc())
        with self._database.read() as connection:
            if search:
                # Sealed: looked through here, and no further than so many.
                looked = connection.execute(wanted.limit(limits.OUTBOX_SEARCHED_MAX))
                items = list(islice((one for one in map(_message, looked) if one.has(search.casefold())), limit))
            else:
                items = [_message(row) for row in connection.execute(wanted.limit(limit))]
            people = {item.account for item in items}
            names = connection.execute(select(ACCOUNT.c.id, ACCOUNT.c.name).where(ACCOUNT.c.id.in_(people))).all()
        full = items and len(items) == limit
        behind = f"{items[-1].requested_ms}-{items[-1].id}" if full else ""
        return MessagePage(items, {row.id: row.name for row in names}, behind)


def _values(message: Message) -> dict[str, Any]:
    values = msgspec.structs.asdict(message)
    return values | {"group_id": values.pop("group"), "store_id": values.pop("store")}


def _message(row: Any) -> Message:
    values = dict(row._mapping)
    return Message(group=values.pop("group_id"), store=values.pop("store_id"), **values)
