"""How the dealer group is made: its tree of regions, stores and departments, who works where, what they are able to do.

Ids only: names of people stand with their accounts. A node is named `kind:number` (`store:3`), and that is its subject.
"""

from collections.abc import Mapping
from typing import Final

import msgspec


class NodeRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree shall be entered: `node.entered` decides it."""

    kind: str
    """region, store or department; the group itself is there from the first day."""
    parent: str = ""
    """Node above; empty: the group."""
    code: str = ""
    """Short and unique in the group, as people write it in tables; empty for regions and departments without one."""
    name_zh: str
    name_en: str = ""
    time_zone: str = ""
    """IANA name; empty: that of the node above."""
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    """WGS-84, 1e-7 degree; null: not on the map."""
    brands: tuple[str, ...] = ()
    """Makes that it may sell and repair; empty: those of the node above."""
    opens_ms: int = 0
    """UTC epoch ms from which on it is open; 0: at once. Until then it is planned."""


class NodeAdopted(msgspec.Struct, frozen=True, kw_only=True):
    """A store that was there before the log spoke of stores: an older data directory brings it along."""

    store: int
    code: str
    name_zh: str
    name_en: str
    time_zone: str
    lat_1e7: int | None = None
    lon_1e7: int | None = None
    created_ms: int = 0


class NodeEntered(msgspec.Struct, frozen=True, kw_only=True):
    """A node of the tree is there, planned until `node.opened` says that it is open."""

    node: str
    kind: str
    parent: str
    store: int
    """The store that it is or is part of; 0: it is above the stores."""
    from_ms: int
    """From when on it is open."""


class NodeChangeRequested(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a node shall be this from now on; what is left null stays."""

    node: str
    parent: str | None = None
    code: str | None = None
    name_zh: str | None = None
    name_en: str | None = None
    time_zone: str | None = None
    brands: tuple[str, ...] | None = None
    placed: bool = False
    """Whether the two below count: null is `not on the map` then."""
    lat_1e7: int | None = None
    lon_1e7: int | None = None


class NodeChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a node is another: which of it."""

    node: str
    fields: tuple[str, ...]


class NodeStateRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A node shall be opened, suspended or closed. Closing is for good, and ends what people have there."""

    node: str
    state: str
    """open, suspended or closed"""
    reason: str = ""
    """A word of the trade, never a person's (`lease`, `flood`, `sold`)."""


class NodeStated(msgspec.Struct, frozen=True, kw_only=True):
    """A node is open, suspended or closed from now on (`node.opened`, `node.suspended`, `node.closed`)."""

    node: str
    kind: str
    store: int
    before: str
    """planned, open or suspended"""
    reason: str = ""
    places: int = 0
    """How many places of people ended with it."""


class CalendarRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Days of a node's calendar shall differ from the week: `calendar.set` decides it. They hold below it too."""

    node: str
    days: tuple[tuple[str, str], ...]
    """(YYYY-MM-DD, `holiday`, `workday`, or `week` to follow the week again)"""


class CalendarSet(msgspec.Struct, frozen=True, kw_only=True):
    """Days of a node's calendar are others from now on."""

    node: str
    days: tuple[tuple[str, str], ...]


class PlaceWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody shall be, and where."""

    node: str
    role: str
    """A row of core.rights.ROLES."""
    grade: str = ""
    """What personal data they see (core.rights.GRADES); empty: what the role has by itself."""
    from_ms: int = 0
    """0: at once."""
    to_ms: int = 0
    """0: until it is ended."""


class PlacesRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody shall work at these nodes: `user.places.set` decides it, for all of them or for none."""

    account: int
    places: tuple[PlaceWanted, ...]
    whole: bool = False
    """Whether these are all: what they have besides ends then."""


class PlacesSet(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody has other places: `user.placed` and `user.removed` tell of each."""

    account: int
    placed: tuple[int, ...]
    removed: tuple[int, ...]


class UserPlaced(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody works as something at a node, from and to (0: open) a time."""

    place: int
    account: int
    node: str
    role: str
    grade: str
    from_ms: int
    to_ms: int


class RemoveRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A place shall end: `user.removed` decides it."""

    place: int


class UserRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """A place of somebody has ended."""

    place: int
    account: int
    node: str
    role: str
    reason: str
    """asked, expired, closed (its node was), replaced (others were asked for in its place)"""


class SkillDefineRequested(msgspec.Struct, frozen=True, kw_only=True):
    """There shall be a skill, or it shall be called this: `skill.defined` decides it."""

    skill: str
    """Its code: a-z, 0-9 and dots."""
    name_zh: str
    name_en: str = ""


class SkillDefined(msgspec.Struct, frozen=True, kw_only=True):
    """There is a skill of this code, called this."""

    skill: str
    name_zh: str
    name_en: str


class SkillGrantRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody shall be certified: `skill.granted` decides it."""

    account: int
    skill: str
    level: int
    """1 (learning) to 5 (trains others)"""
    expires_ms: int = 0
    """0: for good."""


class SkillGranted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is certified in a skill, at a level, until a time (0: for good)."""

    account: int
    skill: str
    level: int
    expires_ms: int


class SkillWithdrawRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate shall end: `skill.withdrawn` decides it."""

    account: int
    skill: str


class SkillEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate has ended: withdrawn by somebody, or expired."""

    account: int
    skill: str


class DutyRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of work shall need these skills: `duty.set` decides it."""

    duty: str
    """Its code: a-z, 0-9 and dots (`rescue.desk`)."""
    name_zh: str
    name_en: str = ""
    needs: tuple[tuple[str, int], ...] = ()
    """(skill, least level)"""


class DutySet(msgspec.Struct, frozen=True, kw_only=True):
    """Who does this work needs these skills, each at this level at least, from now on."""

    duty: str
    name_zh: str
    name_en: str
    needs: tuple[tuple[str, int], ...]


class RosterRequested(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody shall do a duty at a node, from and to a time: `roster.set` decides it."""

    node: str
    account: int
    duty: str
    from_ms: int
    to_ms: int


class RosterSet(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody does a duty at a node, from and to a time."""

    shift: int
    node: str
    account: int
    duty: str
    from_ms: int
    to_ms: int


class RosterClearRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A shift shall not be: `roster.cleared` decides it."""

    shift: int


class RosterCleared(msgspec.Struct, frozen=True, kw_only=True):
    """A shift is not, or ends early: somebody asked so, or who was to do it may not any more."""

    shift: int
    node: str
    account: int
    duty: str
    reason: str
    """asked, skill (the certificate it needs has ended), removed (no place there any more), closed (its node was)"""


EVENTS: Final[Mapping[tuple[str, int], type[msgspec.Struct]]] = {
    ("node.requested", 1): NodeRequested,
    ("node.adopted", 1): NodeAdopted,
    ("node.entered", 1): NodeEntered,
    ("node.change.requested", 1): NodeChangeRequested,
    ("node.changed", 1): NodeChanged,
    ("node.state.requested", 1): NodeStateRequested,
    ("node.opened", 1): NodeStated,
    ("node.suspended", 1): NodeStated,
    ("node.closed", 1): NodeStated,
    ("calendar.requested", 1): CalendarRequested,
    ("calendar.set", 1): CalendarSet,
    ("user.places.requested", 1): PlacesRequested,
    ("user.places.set", 1): PlacesSet,
    ("user.placed", 1): UserPlaced,
    ("user.remove.requested", 1): RemoveRequested,
    ("user.removed", 1): UserRemoved,
    ("skill.define.requested", 1): SkillDefineRequested,
    ("skill.defined", 1): SkillDefined,
    ("skill.grant.requested", 1): SkillGrantRequested,
    ("skill.granted", 1): SkillGranted,
    ("skill.withdraw.requested", 1): SkillWithdrawRequested,
    ("skill.withdrawn", 1): SkillEnded,
    ("skill.expired", 1): SkillEnded,
    ("duty.requested", 1): DutyRequested,
    ("duty.set", 1): DutySet,
    ("roster.requested", 1): RosterRequested,
    ("roster.set", 1): RosterSet,
    ("roster.clear.requested", 1): RosterClearRequested,
    ("roster.cleared", 1): RosterCleared,
}
