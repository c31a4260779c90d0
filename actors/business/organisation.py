"""organisation: the dealer group's tree, who works where as what, what they are able to do, and when they are on duty.

The tree is group › region › store › department. A place is somebody's role at a node, with a data grade and a validity:
what they may do and whose rows they see follows from it (storage/people.py). Whoever asks for a change must have a
place at or above the node it is about, with a role that may do it, and gives away nothing that they do not have.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from core import limits
from core.business import BusinessActor, Kept, Refused, Rule, State
from core.calendar import DAY_KINDS
from core.events.event import Event
from core.events.organisation import (
    CalendarRequested,
    CalendarSet,
    DutyRequested,
    DutySet,
    NodeAdopted,
    NodeChanged,
    NodeChangeRequested,
    NodeEntered,
    NodeRequested,
    NodeStated,
    NodeStateRequested,
    PlacesRequested,
    PlacesSet,
    PlaceWanted,
    RemoveRequested,
    RosterCleared,
    RosterClearRequested,
    RosterRequested,
    RosterSet,
    SkillDefined,
    SkillDefineRequested,
    SkillEnded,
    SkillGranted,
    SkillGrantRequested,
    SkillWithdrawRequested,
    UserPlaced,
    UserRemoved,
)
from core.rights import ROLES, grade_of, is_grade_within

# --- its tables -------------------------------------------------------------------------------------------------------


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree."""

    node: str
    """kind:number"""
    group_id: int
    store_id: int
    """The store that it is or is part of; 0: above the stores."""
    kind: str
    parent: str
    """Empty for the group."""
    state: str
    """planned, open, suspended, closed"""
    code: str
    name_zh: str
    name_en: str
    time_zone: str
    """Empty: that of the node above."""
    brands: tuple[str, ...]
    """Empty: those of the node above; a group without any sells all."""
    from_ms: int
    """From when on it is, or will be, open."""
    to_ms: int
    """When it was closed; 0: it is not."""
    reason: str
    """Of its state, a word."""
    created_ms: int


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A store as every query that names one joins it: the tree's, without its tree."""

    id: int
    group_id: int
    code: str
    name_zh: str
    name_en: str
    time_zone: str
    lat_1e7: int | None
    lon_1e7: int | None
    created_ms: int


class CalendarDay(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which a node, and what is below it, does not follow the week."""

    node: str
    day: str
    """YYYY-MM-DD"""
    kind: str
    """holiday, workday"""
    group_id: int
    store_id: int


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's role at a node."""

    place: int
    account: int
    node: str
    role: str
    grade: str
    group_id: int
    store_id: int
    from_ms: int
    to_ms: int
    """0: until it is ended."""
    ended_ms: int
    """0: it has not been."""
    reason: str

    def is_there(self, now_ms: int) -> bool:
        """Tell whether it counts at a time."""
        return not self.ended_ms and self.from_ms <= now_ms and (not self.to_ms or now_ms < self.to_ms)


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people can be certified in."""

    group_id: int
    skill: str
    name_zh: str
    name_en: str


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is certified in a skill. The last word on it: one that ended keeps its row."""

    account: int
    skill: str
    level: int
    """1 to 5; 0: withdrawn or expired."""
    granted_ms: int
    expires_ms: int
    """0: for good."""
    granted_by: str
    group_id: int


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of work, and what it needs."""

    group_id: int
    duty: str
    name_zh: str
    name_en: str
    needs: tuple[tuple[str, int], ...]
    """(skill, least level)"""


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody on duty at a node."""

    shift: int
    node: str
    account: int
    duty: str
    from_ms: int
    to_ms: int
    group_id: int
    store_id: int
    state: str
    """set, cleared, done"""
    reason: str
    """Why it was cleared: asked, skill, removed, closed."""


# --- the tree ---------------------------------------------------------------------------------------------------------

KINDS: Final = ("group", "region", "store", "department")
PARENTS: Final = {"region": ("group", "region"), "store": ("group", "region"), "department": ("store",)}
"""Kind -> of which kinds the node above it may be."""

STEPS: Final = {
    ("planned", "open"): "node.opened",
    ("planned", "closed"): "node.closed",
    ("open", "suspended"): "node.suspended",
    ("open", "closed"): "node.closed",
    ("suspended", "open"): "node.opened",
    ("suspended", "closed"): "node.closed",
}
"""(before, after) -> the event of that step. Any other step is refused."""

WRITES: Final = {"region": "stores.write", "store": "stores.write", "department": "organisation.write"}
"""Kind -> the right that enters and changes one, held at or above the node above it."""


def node_id(kind: str, number: int) -> str:
    """Return how a node is named."""
    return f"{kind}:{number}"


def _group(state: State, event: Event) -> Node:
    """Return the group's own node, which is there from the first word about the group on."""
    name = node_id("group", event.group)
    found = state.get(Node, name)
    if found is None:
        found = Node(
            node=name, group_id=event.group, store_id=0, kind="group", parent="", state="open", code="",
            name_zh="集团", name_en="Group", time_zone="", brands=(), from_ms=0, to_ms=0, reason="",
            created_ms=event.time_ms,
        )  # fmt: skip
        state.put(found)
    return found


def _node(state: State, event: Event, name: str) -> Node:
    """Return a node of the event's group. Raises Refused `node_unknown`."""
    found = _group(state, event) if name in ("", node_id("group", event.group)) else state.get(Node, name)
    if found is None or found.group_id != event.group:
        raise Refused("node_unknown", f"no node {name}")
    return found


def _up(state: State, node: Node) -> Iterator[Node]:
    """Return a node and those above it, the group last."""
    for _ in range(limits.NODE_DEPTH_MAX + 1):
        yield node
        above = state.get(Node, node.parent) if node.parent else None
        if above is None:
            return
        node = above


def _down(state: State, node: Node) -> Iterator[Node]:
    """Return what is below a node, each after the one above it."""
    waiting = [node]
    while waiting:
        below = state.find(Node, parent=waiting.pop(0).node)
        yield from below
        waiting += below


def _account(actor: str) -> int:
    """Return whose account an actor is; 0 for the node itself and for programs."""
    kind, _, number = actor.partition(":")
    return int(number) if kind == "account" and number.isdecimal() else 0


def _places(state: State, account: int, now_ms: int) -> list[Place]:
    return [place for place in state.find(Place, account=account, ended_ms=0) if place.is_there(now_ms)]


def _held(state: State, event: Event, node: Node) -> list[Place]:
    """Return the places of who asks, at or above a node."""
    above = {one.node for one in _up(state, node)}
    return [place for place in _places(state, _account(event.actor), event.time_ms) if place.node in above]


def _is_ours(event: Event) -> bool:
    """Tell whether no person asks, but whoever can read the data directory: they have everything."""
    return not _account(event.actor)


def _check(state: State, event: Event, right: str, node: Node) -> None:
    """Raise Refused unless who asks may do this at the node."""
    if _is_ours(event):
        return
    held = _held(state, event, node)
    if not held:
        raise Refused("store_outside", f"{node.node} is not yours")
    if not any(right in ROLES.get(place.role, ()) for place in held):
        raise Refused("right_missing", f"this needs the right {right} at {node.node}")


def _zone(state: State, node: Node) -> str:
    """Return the time zone of a node: its own, or the nearest above it that has one."""
    return next((one.time_zone for one in _up(state, node) if one.time_zone), "Asia/Shanghai")


def _brands(state: State, node: Node) -> tuple[str, ...]:
    """Return what a node may sell; empty: everything."""
    return next((one.brands for one in _up(state, node) if one.brands), ())


def _check_brands(state: State, parent: Node, brands: Iterable[str]) -> None:
    allowed = _brands(state, parent)
    if allowed and (outside := sorted(set(brands) - set(allowed))):
        raise Refused("brand_outside", f"{outside[0]} is not among the brands of {parent.node}")


def _check_texts(*texts: str) -> None:
    if any(len(text) > limits.NODE_NAME_CHARACTERS_MAX or not text.isprintable() for text in texts):
        raise Refused("too_long", f"names have at most {limits.NODE_NAME_CHARACTERS_MAX} signs that can be printed")


def _check_code(state: State, event: Event, code: str, but: str = "") -> None:
    """Raise Refused where another node of the group, closed ones too, has this code."""
    if code and any(one.node != but for one in state.find(Node, group_id=event.group, code=code)):
        raise Refused("store_code_taken", code)


def _number(state: State, kind: str) -> int:
    """Return the next free number of a kind: stores that were there before the log spoke of them have theirs."""
    number = state.number(kind)
    while state.get(Node, node_id(kind, number)) is not None:
        number = state.number(kind)
    return number


def enter_node(event: Event, state: State) -> None:
    """Enter a node below another: planned until its day, open from then on."""
    asked: NodeRequested = event.payload
    if asked.kind not in PARENTS:
        raise Refused("node_kind", f"{asked.kind} is none of {', '.join(PARENTS)}")
    parent = _node(state, event, asked.parent)
    _check(state, event, WRITES[asked.kind], parent)
    if parent.kind not in PARENTS[asked.kind]:
        raise Refused("node_kind", f"a {asked.kind} does not stand below a {parent.kind}")
    if parent.state == "closed":
        raise Refused("node_closed", f"{parent.node} is closed")
    if len(list(_up(state, parent))) >= limits.NODE_DEPTH_MAX:
        raise Refused("nodes_full", f"the tree has at most {limits.NODE_DEPTH_MAX} levels")
    most = limits.DEPARTMENTS_MAX if parent.kind == "store" else limits.NODE_CHILDREN_MAX
    if len(state.find(Node, parent=parent.node)) >= most:
        raise Refused("nodes_full", f"at most {most} nodes below {parent.node}")
    _check_texts(asked.code, asked.name_zh, asked.name_en, *asked.brands)
    _check_code(state, event, asked.code)
    _check_brands(state, parent, asked.brands)
    number = _number(state, asked.kind)
    opens_ms = max(asked.opens_ms, event.time_ms)
    node = Node(
        node=node_id(asked.kind, number), group_id=event.group,
        store_id=number if asked.kind == "store" else parent.store_id, kind=asked.kind, parent=parent.node,
        state="planned", code=asked.code, name_zh=asked.name_zh, name_en=asked.name_en, time_zone=asked.time_zone,
        brands=tuple(sorted(set(asked.brands))), from_ms=opens_ms, to_ms=0, reason="", created_ms=event.time_ms,
    )  # fmt: skip
    state.put(node)
    if node.kind == "store":
        state.put(
            Store(
                id=number, group_id=event.group, code=node.code, name_zh=node.name_zh, name_en=node.name_en,
                time_zone=_zone(state, node), lat_1e7=asked.lat_1e7, lon_1e7=asked.lon_1e7, created_ms=event.time_ms,
            )
        )  # fmt: skip
    entered = NodeEntered(node=node.node, kind=node.kind, parent=node.parent, store=node.store_id, from_ms=node.from_ms)
    state.decide("node.entered", entered, subject=node.node, store=node.store_id)
    if opens_ms > event.time_ms:
        state.timer(f"open {node.node}", opens_ms)
    else:
        _step(state, event, node, "open", "", emit=True)


def adopt_store(event: Event, state: State) -> None:
    """Take in a store that an older data directory brings along, under the number that it has."""
    told: NodeAdopted = event.payload
    name = node_id("store", told.store)
    if state.get(Node, name) is not None:
        return
    group = _group(state, event)
    node = Node(
        node=name, group_id=event.group, store_id=told.store, kind="store", parent=group.node, state="planned",
        code=told.code, name_zh=told.name_zh, name_en=told.name_en, time_zone=told.time_zone, brands=(),
        from_ms=told.created_ms, to_ms=0, reason="", created_ms=told.created_ms,
    )  # fmt: skip
    state.put(node)
    state.put(
        Store(
            id=told.store, group_id=event.group, code=told.code, name_zh=told.name_zh, name_en=told.name_en,
            time_zone=told.time_zone, lat_1e7=told.lat_1e7, lon_1e7=told.lon_1e7, created_ms=told.created_ms,
        )
    )  # fmt: skip
    _step(state, event, node, "open", "adopted", emit=True)


def change_node(event: Event, state: State) -> None:
    """Change what is known of a node, or where in the tree it stands."""
    asked: NodeChangeRequested = event.payload
    node = _node(state, event, asked.node)
    if node.state == "closed":
        raise Refused("node_closed", f"{node.node} is closed")
    _check(state, event, WRITES.get(node.kind, "stores.write"), node)
    given = {name: getattr(asked, name) for name in ("code", "name_zh", "name_en", "time_zone", "brands")}
    wanted = {name: value for name, value in given.items() if value is not None and value != getattr(node, name)}
    _check_texts(*(value for value in wanted.values() if isinstance(value, str)), *wanted.get("brands", ()))
    if "code" in wanted:
        _check_code(state, event, wanted["code"], node.node)
    if asked.parent is not None and asked.parent != node.parent:
        _check_move(state, event, node, asked.parent)
        wanted["parent"] = asked.parent
    after = msgspec.structs.replace(node, **wanted)
    if "parent" in wanted or wanted.get("brands"):
        _check_brands(state, _node(state, event, after.parent), after.brands)
    state.put(after)
    if "brands" in wanted or "parent" in wanted:
        for below in _down(state, after):
            if below.brands and below.state != "closed":
                _check_brands(state, _node(state, event, below.parent), below.brands)
    fields = set(wanted)
    if node.kind == "store":
        fields |= _change_store(state, after, asked)
    # Stores that say no zone of their own have that of what is above them: theirs may be another now.
    for below in _down(state, after) if fields & {"time_zone", "parent"} else ():
        if below.kind == "store":
            _change_store(state, below, NodeChangeRequested(node=below.node))
    state.decide(
        "node.changed", NodeChanged(node=node.node, fields=tuple(sorted(fields))), subject=node.node,
        store=node.store_id,
    )  # fmt: skip


def _change_store(state: State, node: Node, asked: NodeChangeRequested) -> set[str]:
    """Bring a store's row up to its node; return which fields of its own changed."""
    store = state.get(Store, node.store_id)
    assert store is not None, f"{node.node} has no store"
    place = {"lat_1e7": asked.lat_1e7, "lon_1e7": asked.lon_1e7} if asked.placed else {}
    state.put(
        msgspec.structs.replace(
            store, code=node.code, name_zh=node.name_zh, name_en=node.name_en, time_zone=_zone(state, node), **place
        )
    )
    return {name for name, value in place.items() if value != getattr(store, name)}


def _check_move(state: State, event: Event, node: Node, to: str) -> None:
    parent = _node(state, event, to)
    if node.kind not in PARENTS or parent.kind not in PARENTS[node.kind] or node.kind == "department":
        raise Refused("node_kind", f"a {node.kind} does not move below a {parent.kind}")
    if parent.state == "closed":
        raise Refused("node_closed", f"{parent.node} is closed")
    above = list(_up(state, parent))
    if any(one.node == node.node for one in above):
        raise Refused("node_loop", f"{parent.node} stands below {node.node}")
    if len(above) + 1 + _height(state, node) > limits.NODE_DEPTH_MAX + 1:
        raise Refused("nodes_full", f"the tree has at most {limits.NODE_DEPTH_MAX} levels")
    _check(state, event, WRITES[node.kind], parent)


def _height(state: State, node: Node) -> int:
    """Return how many levels stand below a node."""
    depths = {node.node: 0}
    for below in _down(state, node):
        depths[below.node] = depths[below.parent] + 1
    return max(depths.values())


def state_node(event: Event, state: State) -> None:
    """Open, suspend or close a node, where its state allows the step."""
    asked: NodeStateRequested = event.payload
    node = _node(state, event, asked.node)
    above = state.get(Node, node.parent) if node.parent else None
    if above is None:
        raise Refused("node_kind", "the group itself stays open")
    _check(state, event, WRITES[node.kind], above)
    if (node.state, asked.state) not in STEPS:
        raise Refused("node_step", f"{node.node} is {node.state}: not to {asked.state}")
    if asked.state == "open" and above.state == "closed":
        raise Refused("node_closed", f"{above.node} is closed")
    _check_texts(asked.reason)
    if asked.state == "closed" and node.kind == "region":
        still = [one.node for one in state.find(Node, parent=node.node) if one.state != "closed"]
        if still:
            raise Refused("node_used", f"{still[0]} stands below it and is not closed")
    _step(state, event, node, asked.state, asked.reason, emit=False)


def _step(state: State, event: Event, node: Node, after: str, reason: str, *, emit: bool) -> None:
    """Bring a node into a state, tell of it, and end what ends with it."""
    type_ = STEPS[node.state, after]
    closing = after == "closed"
    ended = 0
    if closing:
        for below in _down(state, node):
            if below.state != "closed":
                _step(state, event, below, "closed", "above", emit=True)
        ended = _end_all(state, event, node)
    state.put(
        msgspec.structs.replace(
            node,
            state=after,
            reason=reason,
            to_ms=event.time_ms if closing else 0,
            from_ms=event.time_ms if node.state == "planned" and not closing else node.from_ms,
        )
    )
    stated = NodeStated(
        node=node.node, kind=node.kind, store=node.store_id, before=node.state, reason=reason, places=ended
    )
    if emit:
        state.emit(type_, stated, subject=node.node, store=node.store_id, part=node.node)
    else:
        state.decide(type_, stated, subject=node.node, store=node.store_id)


def _end_all(state: State, event: Event, node: Node) -> int:
    """End all places and shifts at a node that closes; return how many places."""
    places = state.find(Place, node=node.node, ended_ms=0)
    for place in places:
        _end_place(state, event, place, "closed")
    # Who has a place above it may be on duty there too. Their shifts are found by them: a node has thousands.
    for above in _up(state, node):
        for place in state.find(Place, node=above.node, ended_ms=0) if above.node != node.node else ():
            for shift in state.find(Shift, account=place.account, state="set"):
                if shift.node == node.node:
                    state.put(msgspec.structs.replace(shift, state="cleared", reason="closed"))
    return len(places)


def set_calendar(event: Event, state: State) -> None:
    """Write days of a node's calendar."""
    asked: CalendarRequested = event.payload
    node = _node(state, event, asked.node)
    _check(state, event, "organisation.write", node)
    for day, kind in asked.days:
        if kind not in DAY_KINDS or not _is_day(day):
            raise Refused("calendar_invalid", f"{day} {kind}")
        if kind == "week":
            state.drop(CalendarDay, node.node, day)
        else:
            state.put(CalendarDay(node=node.node, day=day, kind=kind, group_id=node.group_id, store_id=node.store_id))
    if len(state.find(CalendarDay, node=node.node)) > limits.CALENDAR_DAYS_MAX:
        raise Refused("calendar_full", f"at most {limits.CALENDAR_DAYS_MAX} days a node")
    state.decide("calendar.set", CalendarSet(node=node.node, days=asked.days), subject=node.node, store=node.store_id)


def _is_day(text: str) -> bool:
    """Tell whether this is a day as YYYY-MM-DD."""
    parts = text.split("-")
    if [len(part) for part in parts] != [4, 2, 2] or not all(part.isdecimal() and part.isascii() for part in parts):
        return False
    year, month, day = map(int, parts)
    long = {2: 28 + (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)), 4: 30, 6: 30, 9: 30, 11: 30}
    return year > 0 and 1 <= month <= 12 and 1 <= day <= long.get(month, 31)


# --- who works where --------------------------------------------------------------------------------------------------


def set_places(event: Event, state: State) -> None:
    """Give somebody places, and where these are all, end the others: all of it or nothing."""
    asked: PlacesRequested = event.payload
    if asked.account <= 0:
        raise Refused("account_unknown", f"no account {asked.account}")
    there = state.find(Place, account=asked.account, ended_ms=0)
    if len(asked.places) > limits.PLACES_PER_ACCOUNT_MAX:
        raise Refused("places_full", f"at most {limits.PLACES_PER_ACCOUNT_MAX} places for one account")
    wanted = [_wanted(state, event, one) for one in asked.places]
    if len({(one.node, one.role) for one in wanted}) < len(wanted):
        raise Refused("place_twice", "the same role at the same node twice")
    kept = [place for place in there if any(_same(place, one, event.time_ms) for one in wanted)]
    replaced = [
        place
        for place in there
        if place not in kept
        and (asked.whole or any((place.node, place.role) == (one.node, one.role) for one in wanted))
    ]
    new = [one for one in wanted if not any(_same(place, one, event.time_ms) for place in kept)]
    if len(there) - len(replaced) + len(new) > limits.PLACES_PER_ACCOUNT_MAX:
        raise Refused("places_full", f"at most {limits.PLACES_PER_ACCOUNT_MAX} places for one account")
    placed = [_place(state, event, asked.account, one) for one in new]
    for place in replaced:
        _check_gift(state, event, _node(state, event, place.node), place.role, place.grade)
    _check_last(state, event, replaced, placed)
    for place in replaced:
        _end_place(state, event, place, "replaced")
    store = placed[0].store_id if placed else replaced[0].store_id if replaced else 0
    state.decide(
        "user.places.set",
        PlacesSet(
            account=asked.account,
            placed=tuple(place.place for place in placed),
            removed=tuple(place.place for place in replaced),
        ),
        subject=f"account:{asked.account}",
        store=store,
    )


def _wanted(state: State, event: Event, asked: PlaceWanted) -> PlaceWanted:
    """Return what is wanted with all of it said: the group's name, the role's own grade."""
    node = _node(state, event, asked.node)
    grade = asked.grade or grade_of(asked.role)
    return msgspec.structs.replace(asked, node=node.node, grade=grade)


def _same(place: Place, wanted: PlaceWanted, now_ms: int) -> bool:
    """Tell whether a place is what is wanted already."""
    begun = wanted.from_ms <= now_ms and place.from_ms <= now_ms
    return (
        (place.node, place.role, place.grade, place.to_ms) == (wanted.node, wanted.role, wanted.grade, wanted.to_ms)
        and (begun or place.from_ms == wanted.from_ms)
    )  # fmt: skip


def _place(state: State, event: Event, account: int, asked: PlaceWanted) -> Place:
    """Enter one place, and tell of it."""
    node = _node(state, event, asked.node)
    if node.state == "closed":
        raise Refused("node_closed", f"{node.node} is closed")
    _check_gift(state, event, node, asked.role, asked.grade)
    if asked.role == "administrator" and node.kind != "group":
        raise Refused("store_outside", "an administrator is of the whole group")
    from_ms = asked.from_ms or event.time_ms
    if asked.to_ms and asked.to_ms <= max(from_ms, event.time_ms):
        raise Refused("expiry_past", "the place would have ended already")
    _check_room(state, node)
    place = Place(
        place=state.number("place"), account=account, node=node.node, role=asked.role, grade=asked.grade,
        group_id=node.group_id, store_id=node.store_id, from_ms=from_ms, to_ms=asked.to_ms, ended_ms=0, reason="",
    )  # fmt: skip
    state.put(place)
    if asked.to_ms:
        state.timer(f"place {place.place}", asked.to_ms)
    placed = UserPlaced(
        place=place.place, account=account, node=node.node, role=place.role, grade=place.grade, from_ms=from_ms,
        to_ms=place.to_ms,
    )  # fmt: skip
    state.emit("user.placed", placed, subject=f"account:{account}", store=node.store_id, part=str(place.place))
    return place


def _check_room(state: State, node: Node) -> None:
    """Raise Refused where as many work at a node as may."""
    if node.store_id:
        there, most = state.find(Place, store_id=node.store_id, ended_ms=0), limits.STORE_PLACES_MAX
    else:
        there = state.find(Place, node=node.node, ended_ms=0)
        most = limits.STORE_PLACES_MAX if node.parent else limits.GROUP_PLACES_MAX
    if len(there) >= most:
        raise Refused("places_full", f"at most {most} places at {node.node}")


def _check_gift(state: State, event: Event, node: Node, role: str, grade: str) -> None:
    """Raise Refused unless who asks may give, or end, this role and grade at this node."""
    if role not in ROLES or not is_grade_within(grade, "secret"):
        raise Refused("role_unknown", f"no role {role} of the grade {grade}")
    if _is_ours(event):
        return
    held = _held(state, event, node)
    if not held:
        raise Refused("store_outside", f"{node.node} is not yours to give")
    for place in held:
        mine = ROLES.get(place.role, frozenset())
        if "people.write" in mine and ROLES[role] <= mine and is_grade_within(grade, place.grade):
            return
    raise Refused("role_above", f"{role} with the grade {grade} is more than you have at {node.node}")


def _check_last(state: State, event: Event, ended: Iterable[Place], placed: Iterable[Place] = ()) -> None:
    """Raise Refused if nobody would administer the group any more."""
    gone = {place.place for place in ended if place.role == "administrator"}
    if not gone or any(place.role == "administrator" and not place.to_ms for place in placed):
        return
    others = state.find(Place, node=node_id("group", event.group), ended_ms=0)
    if not any(
        one.role == "administrator" and one.place not in gone and not one.to_ms and one.is_there(event.time_ms)
        for one in others
    ):
        raise Refused("last_administrator", "make somebody else an administrator first")


def remove_user(event: Event, state: State) -> None:
    """End one place."""
    asked: RemoveRequested = event.payload
    place = state.get(Place, asked.place)
    if place is None or place.group_id != event.group or place.ended_ms:
        raise Refused("place_unknown", f"no place {asked.place}")
    _check_gift(state, event, _node(state, event, place.node), place.role, place.grade)
    _check_last(state, event, [place])
    _end_place(state, event, place, "asked", decides=True)


def _end_place(state: State, event: Event, place: Place, reason: str, *, decides: bool = False) -> None:
    """End a place, tell of it, and clear the shifts that were done from it."""
    state.put(msgspec.structs.replace(place, ended_ms=max(event.time_ms, 1), reason=reason))
    removed = UserRemoved(place=place.place, account=place.account, node=place.node, role=place.role, reason=reason)
    subject = f"account:{place.account}"
    if decides:
        state.decide("user.removed", removed, subject=subject, store=place.store_id)
    else:
        state.emit("user.removed", removed, subject=subject, store=place.store_id, part=str(place.place))
    for shift in state.find(Shift, account=place.account, state="set"):
        node = state.get(Node, shift.node)
        if node is None or not _has_place(state, shift.account, node, shift.from_ms, shift.to_ms):
            _clear(state, event, shift, "closed" if reason == "closed" else "removed")


def _has_place(state: State, account: int, node: Node, from_ms: int, to_ms: int) -> bool:
    above = {one.node for one in _up(state, node)}
    return any(
        place.node in above and place.from_ms <= from_ms and (not place.to_ms or to_ms <= place.to_ms)
        for place in state.find(Place, account=account, ended_ms=0)
    )


# --- skills, duties, rosters ------------------------------------------------------------------------------------------

LEVELS: Final = range(1, 6)
_CODE_SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.")


def _check_named(code: str, *texts: str) -> None:
    if not code or len(code) > limits.NODE_NAME_CHARACTERS_MAX or not set(code) <= _CODE_SIGNS:
        raise Refused("code_unfit", "a code has signs of a-z, 0-9 and dots")
    _check_texts(*texts)


def define_skill(event: Event, state: State) -> None:
    """Enter a skill, or call it something else."""
    asked: SkillDefineRequested = event.payload
    _check(state, event, "organisation.write", _group(state, event))
    _check_named(asked.skill, asked.name_zh, asked.name_en)
    known = state.find(Skill, group_id=event.group)
    if len(known) >= limits.SKILLS_MAX and all(one.skill != asked.skill for one in known):
        raise Refused("skills_full", f"at most {limits.SKILLS_MAX} skills")
    state.put(Skill(group_id=event.group, skill=asked.skill, name_zh=asked.name_zh, name_en=asked.name_en))
    state.decide(
        "skill.defined", SkillDefined(skill=asked.skill, name_zh=asked.name_zh, name_en=asked.name_en), store=0
    )


def _check_over(state: State, event: Event, account: int) -> None:
    """Raise Refused unless who asks organises a node where this account has a place. Nobody certifies themselves."""
    if _is_ours(event):
        return
    if account == _account(event.actor):
        raise Refused("own_account", "somebody else certifies you")
    for place in state.find(Place, account=account, ended_ms=0):
        node = state.get(Node, place.node)
        if node is not None and any(
            "organisation.write" in ROLES.get(held.role, ()) for held in _held(state, event, node)
        ):
            return
    raise Refused("account_unknown", f"account {account} has no place that you organise")


def _store_of(state: State, account: int, now_ms: int) -> int:
    """Return the store in whose rows something about an account stands: theirs where they have one alone."""
    stores = {place.store_id for place in _places(state, account, now_ms)}
    return stores.pop() if len(stores) == 1 else 0


def grant_skill(event: Event, state: State) -> None:
    """Certify somebody."""
    asked: SkillGrantRequested = event.payload
    _check_over(state, event, asked.account)
    if state.get(Skill, event.group, asked.skill) is None:
        raise Refused("skill_unknown", f"no skill {asked.skill}")
    if asked.level not in LEVELS:
        raise Refused("skill_level", f"levels are {LEVELS[0]} to {LEVELS[-1]}")
    if asked.expires_ms and asked.expires_ms <= event.time_ms:
        raise Refused("expiry_past", "the certificate would have expired already")
    state.put(
        Certificate(
            account=asked.account, skill=asked.skill, level=asked.level, granted_ms=event.time_ms,
            expires_ms=asked.expires_ms, granted_by=event.actor, group_id=event.group,
        )
    )  # fmt: skip
    if asked.expires_ms:
        state.timer(f"skill {asked.account} {asked.skill}", asked.expires_ms)
    state.decide(
        "skill.granted",
        SkillGranted(account=asked.account, skill=asked.skill, level=asked.level, expires_ms=asked.expires_ms),
        subject=f"account:{asked.account}",
        store=_store_of(state, asked.account, event.time_ms),
    )
    _clear_unable(state, event, asked.account)


def withdraw_skill(event: Event, state: State) -> None:
    """End a certificate."""
    asked: SkillWithdrawRequested = event.payload
    _check_over(state, event, asked.account)
    held = state.get(Certificate, asked.account, asked.skill)
    if held is None or not held.level or held.group_id != event.group:
        raise Refused("skill_unknown", f"account {asked.account} is not certified in {asked.skill}")
    state.decide(
        "skill.withdrawn",
        SkillEnded(account=asked.account, skill=asked.skill),
        subject=f"account:{asked.account}",
        store=_store_of(state, asked.account, event.time_ms),
    )
    _end_skill(state, event, held)


def _end_skill(state: State, event: Event, held: Certificate) -> None:
    state.put(msgspec.structs.replace(held, level=0, expires_ms=event.time_ms))
    _clear_unable(state, event, held.account)


def _clear_unable(state: State, event: Event, account: int) -> None:
    """Clear the shifts to come for which an account is not certified any more."""
    for shift in state.find(Shift, account=account, state="set"):
        duty = state.get(Duty, event.group, shift.duty)
        if duty is not None and _lacking(state, account, duty, shift.to_ms):
            _clear(state, event, shift, "skill")


def _lacking(state: State, account: int, duty: Duty, to_ms: int) -> str:
    """Return the first skill that an account lacks for a duty that ends at a time; empty: none."""
    for skill, level in duty.needs:
        held = state.get(Certificate, account, skill)
        if held is None or held.level < level or (held.expires_ms and held.expires_ms < to_ms):
            return skill
    return ""


def set_duty(event: Event, state: State) -> None:
    """Say what a kind of work needs, of every shift that is set from now on."""
    asked: DutyRequested = event.payload
    _check(state, event, "organisation.write", _group(state, event))
    _check_named(asked.duty, asked.name_zh, asked.name_en)
    known = state.find(Duty, group_id=event.group)
    if len(known) >= limits.DUTIES_MAX and all(one.duty != asked.duty for one in known):
        raise Refused("skills_full", f"at most {limits.DUTIES_MAX} duties")
    for skill, level in asked.needs:
        if state.get(Skill, event.group, skill) is None:
            raise Refused("skill_unknown", f"no skill {skill}")
        if level not in LEVELS:
            raise Refused("skill_level", f"levels are {LEVELS[0]} to {LEVELS[-1]}")
    duty = Duty(group_id=event.group, duty=asked.duty, name_zh=asked.name_zh, name_en=asked.name_en, needs=asked.needs)
    state.put(duty)
    state.decide(
        "duty.set",
        DutySet(duty=asked.duty, name_zh=asked.name_zh, name_en=asked.name_en, needs=asked.needs),
        store=0,
    )


def set_roster(event: Event, state: State) -> None:
    """Put somebody on duty, where they work there, are certified for it, and are nowhere else then."""
    asked: RosterRequested = event.payload
    node = _node(state, event, asked.node)
    _check(state, event, "organisation.write", node)
    if node.state != "open":
        raise Refused("node_closed", f"{node.node} is {node.state}")
    if not event.time_ms < asked.to_ms or not 0 < asked.to_ms - asked.from_ms <= limits.SHIFT_MS_MAX:
        raise Refused("shift_invalid", "a shift ends after it begins, is not over, and lasts 24 hours at most")
    duty = state.get(Duty, event.group, asked.duty)
    if duty is None:
        raise Refused("duty_unknown", f"no duty {asked.duty}")
    if not _has_place(state, asked.account, node, max(asked.from_ms, event.time_ms), asked.to_ms):
        raise Refused("place_missing", f"account {asked.account} has no place at {node.node} for all of it")
    if skill := _lacking(state, asked.account, duty, asked.to_ms):
        raise Refused("skill_missing", f"{asked.duty} needs {skill}, valid until the shift ends")
    theirs = state.find(Shift, account=asked.account, state="set")
    if any(one.from_ms < asked.to_ms and asked.from_ms < one.to_ms for one in theirs):
        raise Refused("shift_overlaps", f"account {asked.account} is on duty then already")
    if len(theirs) >= limits.SHIFTS_AHEAD_MAX:
        raise Refused("shifts_full", f"at most {limits.SHIFTS_AHEAD_MAX} shifts to come for one account")
    shift = Shift(
        shift=state.number("shift"), node=node.node, account=asked.account, duty=asked.duty, from_ms=asked.from_ms,
        to_ms=asked.to_ms, group_id=node.group_id, store_id=node.store_id, state="set", reason="",
    )  # fmt: skip
    state.put(shift)
    state.timer(f"shift {shift.shift}", shift.to_ms)
    state.decide(
        "roster.set",
        RosterSet(
            shift=shift.shift, node=node.node, account=shift.account, duty=shift.duty, from_ms=shift.from_ms,
            to_ms=shift.to_ms,
        ),
        subject=f"account:{asked.account}",
        store=node.store_id,
    )  # fmt: skip


def clear_roster(event: Event, state: State) -> None:
    """Take a shift off the roster."""
    asked: RosterClearRequested = event.payload
    shift = state.get(Shift, asked.shift)
    if shift is None or shift.group_id != event.group or shift.state != "set":
        raise Refused("shift_unknown", f"no shift {asked.shift}")
    _check(state, event, "organisation.write", _node(state, event, shift.node))
    _clear(state, event, shift, "asked", decides=True)


def _clear(state: State, event: Event, shift: Shift, reason: str, *, decides: bool = False) -> None:
    state.put(msgspec.structs.replace(shift, state="cleared", reason=reason))
    cleared = RosterCleared(shift=shift.shift, node=shift.node, account=shift.account, duty=shift.duty, reason=reason)
    subject = f"account:{shift.account}"
    if decides:
        state.decide("roster.cleared", cleared, subject=subject, store=shift.store_id)
    elif reason != "closed":  # `node.closed` says it of all: there may be thousands
        state.emit("roster.cleared", cleared, subject=subject, store=shift.store_id, part=str(shift.shift))


# --- time -------------------------------------------------------------------------------------------------------------


def come_due(event: Event, state: State) -> None:
    """Do what a day was set for: a planned node opens, a place or a certificate ends. What was changed since counts."""
    what, _, about = event.payload.name.partition(" ")
    if what == "open":
        node = state.get(Node, about)
        if node is not None and node.state == "planned" and node.from_ms <= event.time_ms:
            above = state.get(Node, node.parent)
            if above is not None and above.state != "closed":
                _step(state, event, node, "open", "planned", emit=True)
    elif what == "place":
        place = state.get(Place, int(about))
        if place is not None and not place.ended_ms and place.to_ms and place.to_ms <= event.time_ms:
            _end_place(state, event, place, "expired")
    elif what == "shift":
        shift = state.get(Shift, int(about))
        if shift is not None and shift.state == "set" and shift.to_ms <= event.time_ms:
            state.put(msgspec.structs.replace(shift, state="done"))
    elif what == "skill":
        account, skill = about.split(" ")
        held = state.get(Certificate, int(account), skill)
        if held is not None and held.level and held.expires_ms and held.expires_ms <= event.time_ms:
            _end_skill(state, event, held)
            state.emit(
                "skill.expired",
                SkillEnded(account=held.account, skill=skill),
                subject=f"account:{held.account}",
                store=_store_of(state, held.account, event.time_ms),
                part=skill,
            )


ORGANISATION: Final = BusinessActor(
    name="organisation",
    says="Keeps the dealer group's tree, who works where as what, their skills, and who is on duty.",
    kept=(
        Kept(Node, "node", ("node",)),
        Kept(Store, "store", ("id",)),
        Kept(CalendarDay, "calendar_day", ("node", "day")),
        Kept(Place, "place", ("place",)),
        Kept(Skill, "skill", ("group_id", "skill")),
        Kept(Certificate, "certificate", ("account", "skill")),
        Kept(Duty, "duty", ("group_id", "duty")),
        Kept(Shift, "shift", ("shift",)),
    ),
    rules=(
        Rule("adopt_store", ("node.adopted",), adopt_store),
        Rule("enter_node", ("node.requested",), enter_node),
        Rule("change_node", ("node.change.requested",), change_node),
        Rule("state_node", ("node.state.requested",), state_node),
        Rule("set_calendar", ("calendar.requested",), set_calendar),
        Rule("set_places", ("user.places.requested",), set_places),
        Rule("remove_user", ("user.remove.requested",), remove_user),
        Rule("define_skill", ("skill.define.requested",), define_skill),
        Rule("grant_skill", ("skill.grant.requested",), grant_skill),
        Rule("withdraw_skill", ("skill.withdraw.requested",), withdraw_skill),
        Rule("set_duty", ("duty.requested",), set_duty),
        Rule("set_roster", ("roster.requested",), set_roster),
        Rule("clear_roster", ("roster.clear.requested",), clear_roster),
        Rule("come_due", ("timer.due",), come_due),
    ),
    decides=(
        "node.requested",
        "node.change.requested",
        "node.state.requested",
        "calendar.requested",
        "user.places.requested",
        "user.remove.requested",
        "skill.define.requested",
        "skill.grant.requested",
        "skill.withdraw.requested",
        "duty.requested",
        "roster.requested",
        "roster.clear.requested",
    ),
    emits=(
        "node.entered",
        "node.changed",
        "node.opened",
        "node.suspended",
        "node.closed",
        "calendar.set",
        "user.places.set",
        "user.placed",
        "user.removed",
        "skill.defined",
        "skill.granted",
        "skill.withdrawn",
        "skill.expired",
        "duty.set",
        "roster.set",
        "roster.cleared",
    ),
    always=True,
)
