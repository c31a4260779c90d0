"""Places: as what, and for which stores, an account works now: what its principal may do and sees follows from it.

The rows are the actor organisation's (actors/business/organisation.py). Until the log has said a word about an account
it works as it was entered: the node itself enters the first ones before anybody reads its log.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, and_, exists, func, or_, select

from core.rights import GRADES, ROLES, Grade, Precision, Scope, grade_of
from storage.tables.business import ACCOUNT, ACCOUNT_STORE
from storage.tables.organisation import NODE, PLACE

NO_ROLE: Final = "none"
"""As what somebody works who has no place now."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's role at a node of the organisation."""

    id: int
    """0: as entered; the log has not said it yet."""
    account: int
    node: str
    kind: str
    """group, region, store, department"""
    role: str
    grade: str
    """How much of persons they see: open, internal, personal, secret."""
    store: int
    """The store that the node is or is part of; 0: it is above the stores."""
    from_ms: int
    to_ms: int
    """0: until it is ended."""
    ended_ms: int = 0
    """0: it has not been."""
    reason: str = ""
    """Why it was: asked, expired, closed, replaced."""
    stores: list[int] | None = None
    """Ids of the stores that are seen by it; null: all of the group."""

    def is_there(self, now_ms: int) -> bool:
        """Tell whether it counts at a time."""
        return not self.ended_ms and self.from_ms <= now_ms and (not self.to_ms or now_ms < self.to_ms)


class Post(msgspec.Struct, frozen=True):
    """What an account is at once: all its places of one role and grade together."""

    role: str
    grade: Grade
    stores: tuple[int, ...] | None
    """None: all of the group."""

    @property
    def name(self) -> str:
        """How a session or key says which it is."""
        return f"{self.role}:{self.grade}"

    @property
    def rights(self) -> frozenset[str]:
        """What it may do: nothing, for a role that a later version knew."""
        return ROLES.get(self.role, frozenset())

    def scope(self, group: int) -> Scope:
        """Return whose rows it sees, and how exactly."""
        precision: Precision = GRADES[self.grade].precision
        return Scope(group=group, stores=self.stores, precision=precision, grade=self.grade)


NOBODY: Final = Post(NO_ROLE, "open", ())
"""Who has no place: in, and sees nothing."""


def in_force(now_ms: int) -> Any:
    """Return the condition that a row of PLACE counts at a time."""
    return and_(PLACE.c.ended_ms == 0, PLACE.c.from_ms <= now_ms, or_(PLACE.c.to_ms == 0, PLACE.c.to_ms > now_ms))


def spoken() -> Any:
    """Return the condition that the log has said something of the places of a row of ACCOUNT."""
    return exists(select(PLACE.c.place).where(PLACE.c.account == ACCOUNT.c.id))


def is_administrator(now_ms: int) -> Any:
    """Return the condition that a row of ACCOUNT is an administrator's."""
    placed = exists(
        select(PLACE.c.place).where(PLACE.c.account == ACCOUNT.c.id, PLACE.c.role == "administrator", in_force(now_ms))
    )
    return or_(placed, and_(~spoken(), ACCOUNT.c.role == "administrator"))


def places_of(connection: Connection, accounts: Sequence[Row[Any]], *, ended: bool = False) -> dict[int, list[Place]]:
    """Return the places of these rows of ACCOUNT, those to come too, in the order they were given.

    Args:
        ended: those that have ended too, the newest hundred of each.
    """
    ids = [row.id for row in accounts]
    wanted = select(PLACE, NODE.c.kind).join(NODE, NODE.c.node == PLACE.c.node).where(PLACE.c.account.in_(ids))
    if not ended:
        wanted = wanted.where(PLACE.c.ended_ms == 0)
    wanted = wanted.order_by(PLACE.c.place.desc())
    rows = connection.execute(wanted.limit(100 * len(ids)) if ended else wanted).all()[::-1]
    below = stores_below(connection, {row.node for row in rows if row.kind == "region"})
    known = {row.account for row in rows}
    if len(known) < len(ids):
        heard = select(PLACE.c.account).where(PLACE.c.account.in_(ids)).distinct()
        known |= set(connection.execute(heard).scalars())
    found: dict[int, list[Place]] = {number: [] for number in ids}
    for row in rows:
        found[row.account].append(_place(row, below))
    silent = [row for row in accounts if row.id not in known]
    for number, place in _entered(connection, silent):
        found[number].append(place)
    return found


def _place(row: Row[Any], below: Mapping[str, list[int]]) -> Place:
    stores = None if row.kind == "group" else below.get(row.node, []) if row.kind == "region" else [row.store_id]
    fields = ("account", "node", "kind", "role", "grade", "from_ms", "to_ms", "ended_ms", "reason")
    return Place(id=row.place, store=row.store_id, stores=stores, **{name: getattr(row, name) for name in fields})


def _entered(connection: Connection, accounts: Sequence[Row[Any]]) -> Iterable[tuple[int, Place]]:
    """Return what accounts are that the log has said nothing of."""
    if not accounts:
        return
    stores: dict[int, list[int]] = {}
    wanted = select(ACCOUNT_STORE).where(ACCOUNT_STORE.c.account.in_([row.id for row in accounts]))
    for account, store in connection.execute(wanted.order_by(ACCOUNT_STORE.c.store)):
        stores.setdefault(account, []).append(store)
    for row in accounts:
        for store in stores.get(row.id, [0]):
            yield (
                row.id,
                Place(
                    id=0,
                    account=row.id,
                    node=f"store:{store}" if store else f"group:{row.group_id}",
                    kind="store" if store else "group",
                    role=row.role,
                    grade=grade_of(row.role),
                    store=store,
                    from_ms=row.created_ms,
                    to_ms=0,
                    stores=[store] if store else None,
                ),
            )


def stores_below(connection: Connection, regions: Collection[str]) -> dict[str, list[int]]:
    """Return the stores below each of these nodes, those that are closed excepted."""
    if not regions:
        return {}
    top = select(NODE.c.node.label("top"), NODE.c.node, NODE.c.kind, NODE.c.store_id).where(
        NODE.c.node.in_(sorted(regions)), NODE.c.state != "closed"
    )
    tree = top.cte("below", recursive=True)
    tree = tree.union_all(
        select(tree.c.top, NODE.c.node, NODE.c.kind, NODE.c.store_id).where(
            NODE.c.parent == tree.c.node, NODE.c.state != "closed"
        )
    )
    found: dict[str, list[int]] = {name: [] for name in regions}
    for row in connection.execute(
        select(tree.c.top, tree.c.store_id).where(tree.c.kind == "store").order_by(tree.c.store_id)
    ):
        found[row.top].append(row.store_id)
    return found


def nodes_of(connection: Connection, group: int, places: Iterable[Place]) -> list[str]:
    """Return the nodes at or below these places."""
    tops = {place.node for place in places}
    if not tops:
        return []
    tree = select(NODE.c.node).where(NODE.c.node.in_(sorted(tops)), NODE.c.group_id == group)
    below = tree.cte("below", recursive=True)
    below = below.union_all(select(NODE.c.node).where(NODE.c.parent == below.c.node))
    return list(connection.execute(select(below.c.node).distinct()).scalars())


def posts_of(places: Iterable[Place], now_ms: int) -> list[Post]:
    """Return what somebody with these places is at a time, the most first."""
    by: dict[tuple[str, str], list[Place]] = {}
    for place in places:
        if place.is_there(now_ms):
            by.setdefault((place.role, place.grade), []).append(place)
    order = tuple(GRADES)
    posts = []
    for (role, grade), same in by.items():
        if grade not in GRADES:
            continue
        stores: set[int] = set()
        for place in same:
            stores.update(place.stores or ())
        whole = any(place.stores is None for place in same)
        posts.append(Post(role, grade, None if whole else tuple(sorted(stores))))  # type: ignore[arg-type]
    return sorted(
        posts,
        key=lambda post: (
            -len(post.rights), -order.index(post.grade), post.stores is not None, -len(post.stores or ()), post.role
        ),
    )  # fmt: skip


def chosen(posts: Sequence[Post], name: str) -> Post | None:
    """Return the post of this name, the most of them where the name is empty; None if it is not there any more."""
    if not name:
        return posts[0] if posts else NOBODY
    return next((post for post in posts if post.name == name), None)


def visible(connection: Connection, group: int, own: Sequence[Place] | None, stores: Sequence[int]) -> Any:
    """Return the condition on ACCOUNT that one may see it who has not the whole group: it works at theirs alone.

    Args:
        own: places of who asks, at or below which others are theirs; None for who has none of their own.
        stores: theirs, for accounts as they were entered.
    """
    there = nodes_of(connection, group, own or ())
    inside = exists(select(PLACE.c.place).where(PLACE.c.account == ACCOUNT.c.id, PLACE.c.node.in_(there)))
    outside = exists(
        select(PLACE.c.place).where(PLACE.c.account == ACCOUNT.c.id, PLACE.c.ended_ms == 0, PLACE.c.node.not_in(there))
    )
    given = select(ACCOUNT_STORE.c.account)
    elsewhere = given.where(ACCOUNT_STORE.c.store.not_in(stores))
    entered = and_(ACCOUNT.c.id.in_(given), ACCOUNT.c.id.not_in(elsewhere))
    return or_(and_(inside, ~outside), and_(~spoken(), entered))


def count_at(connection: Connection, group: int, now_ms: int) -> dict[str, int]:
    """Return how many people work at each node of a group."""
    wanted = select(PLACE.c.node, func.count(PLACE.c.account.distinct())).where(
        PLACE.c.group_id == group, in_force(now_ms)
    )
    return {row[0]: row[1] for row in connection.execute(wanted.group_by(PLACE.c.node))}
