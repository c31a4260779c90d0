"""The outbox: who is to be told what, what was told, and whom it concerns. Texts stand here and never in the log."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, and_, insert, or_, select, update

from core import limits
from core.events import Event
from core.rights import Principal
from storage.database import Database
from storage.tables.business import ACCOUNT, ACCOUNT_STORE, GEOFENCE, OUTBOX, STORE, VEHICLE

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


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What a text about an event names."""

    plate: str
    store_zh: str
    store_en: str
    time_zone: str
    fence: str


def recipients(connection: Connection) -> list[Recipient]:
    """Return everybody who can log in, by account."""
    stores: dict[int, set[int]] = {}
    for account, store in connection.execute(select(ACCOUNT_STORE.c.account, ACCOUNT_STORE.c.store)):
        stores.setdefault(account, set()).add(store)
    rows = connection.execute(select(ACCOUNT).where(ACCOUNT.c.state == "active").order_by(ACCOUNT.c.id))
    return [
        Recipient(
            account=row.id,
            login=row.login,
            language=row.language,
            group=row.group_id,
            stores=frozenset(stores[row.id]) if row.id in stores else None,
            notify=tuple(msgspec.json.decode(row.notify, type=list[str])),
        )
        for row in rows
    ]


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


def event_of_id(connection: Connection, sign: str, id_: str) -> Sequence[Any] | None:
    """Return the row (EVENT_COLUMNS) of the event with this id."""
    from storage.eventlog import EVENT_COLUMNS

    return connection.exec_driver_sql(f"SELECT {', '.join(EVENT_COLUMNS)} FROM event WHERE id = {sign}", (id_,)).first()


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


class Outbox:
    """The outbox as people read it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self, principal: Principal, after: tuple[int, str] | None = None, limit: int = 100, *, state: str = ""
    ) -> list[Message]:
        """Return the messages of the principal's scope, newest first, behind (requested_ms, id)."""
        scope = principal.scope
        conditions = [OUTBOX.c.group_id == scope.group]
        if scope.stores is not None:
            conditions.append(OUTBOX.c.store_id.in_(scope.stores))
        if state:
            conditions.append(OUTBOX.c.state == state)
        if after is not None:
            requested_ms, id_ = after
            earlier = OUTBOX.c.requested_ms < requested_ms
            conditions.append(or_(earlier, and_(OUTBOX.c.requested_ms == requested_ms, OUTBOX.c.id < id_)))
        wanted = select(OUTBOX).where(*conditions).order_by(OUTBOX.c.requested_ms.desc(), OUTBOX.c.id.desc())
        with self._database.read() as connection:
            rows = connection.execute(wanted.limit(min(limit, limits.PEOPLE_READ_MAX))).all()
        return [_message(row) for row in rows]


def _values(message: Message) -> dict[str, Any]:
    values = msgspec.structs.asdict(message)
    return values | {"group_id": values.pop("group"), "store_id": values.pop("store")}


def _message(row: Any) -> Message:
    values = dict(row._mapping)
    return Message(group=values.pop("group_id"), store=values.pop("store_id"), **values)
