"""The pages one goes to: one table of groups, what of it a reader sees, and which page an address belongs to.

A new page is a row in GROUPS. Who has no right to a page does not see it, and a group with no page left is not shown.
A group is folded by its heading; what is folded is kept in a cookie, so that the server sends the page as it will
stand. The group that holds the current page is always open.
"""

from typing import Final, NamedTuple

from api.guards import PUBLIC, SELF
from core.rights import Principal

FOLDED_COOKIE: Final = "carillon_folded"
"""Names of the folded groups, a dot between them. Written by portal.js."""

TABS: Final = 4
"""Pages in the bar at the foot of a phone, the first of the table. All of them stand behind `more`."""


class Entry(NamedTuple):
    """A page in the navigation."""

    path: str
    icon: str
    """A file of islands/icons/."""
    text: str
    """Key of its name in api/messages."""
    right: str
    """What its route declares."""
    keys: str
    """One or two letters after `g`. None is the beginning of another's."""
    tally: str = ""
    """Path that answers how many things wait on the page for the reader (a `b.tally`, or nothing): shown beside its
    name, asked for again every half minute."""
    also: tuple[str, ...] = ()
    """Paths of other pages that belong to this one: it is marked as current on them."""


class Group(NamedTuple):
    """Pages under one heading."""

    name: str
    heading: str
    """Key of its text in api/messages."""
    entries: tuple[Entry, ...]


GROUPS: Final = (
    Group(
        "road",
        "nav_group_road",
        (
            Entry("/", "map", "nav_map", "positions.read", "m"),
            Entry("/vehicles", "car", "nav_vehicles", "vehicles.read", "v", also=("/media",)),
            Entry("/incidents", "sos", "nav_incidents", "events.read", "i", tally="/incidents/count"),
            Entry("/events", "event", "nav_events", "events.read", "e"),
            Entry("/geofences", "fence", "nav_geofences", "geofences.read", "f"),
            Entry("/guards", "lock", "nav_guards", "vehicles.read", "l"),
            Entry("/odometers", "speed", "nav_odometers", "vehicles.read", "k", tally="/odometers/count"),
        ),
    ),
    Group(
        "customers",
        "nav_group_customers",
        (
            Entry("/persons", "user", "nav_persons", "persons.read", "c"),
            Entry("/matches", "people", "nav_matches", "persons.read", "w", tally="/matches/count"),
        ),
    ),
    Group(
        "devices",
        "nav_group_devices",
        (
            Entry("/terminals", "terminal", "nav_terminals", "terminals.read", "t"),
            Entry("/approvals", "shield", "nav_approvals", "commands.approve", "a", tally="/approvals/count"),
            Entry("/rules", "sliders", "nav_rules", "rules.read", "r"),
            Entry("/quality", "target", "nav_quality", "vehicles.read", "q"),
        ),
    ),
    Group(
        "organisation",
        "nav_group_organisation",
        (
            Entry("/organisation", "layers", "nav_organisation", "organisation.read", "h"),
            Entry("/people", "people", "nav_people", "people.read", "p"),
        ),
    ),
    Group(
        "trust",
        "nav_group_trust",
        (
            Entry("/audit", "shield", "nav_audit", "audit.read", "u"),
            Entry("/exports", "download", "audit_exports", SELF, "z"),
            Entry("/consents", "check", "nav_consents", "consents.read", "y"),
            Entry("/breakglass", "alert", "nav_breakglass", "breakglass.review", "n"),
        ),
    ),
    Group(
        "platform",
        "nav_group_platform",
        (
            Entry("/system", "system", "nav_system", "system.read", "s"),
            Entry("/actors", "layers", "nav_actors", "business.read", "ba"),
            Entry("/parked", "pause", "nav_parked", "business.read", "bp", tally="/parked/count"),
            Entry("/event-types", "list", "nav_event_types", SELF, "be"),
            Entry("/outbox", "outbox", "nav_outbox", "outbox.read", "o"),
            Entry("/explain", "explain", "nav_explain", SELF, "x"),
            Entry("/docs", "docs", "nav_docs", PUBLIC, "d"),
        ),
    ),
)
"""Every page one goes to, in the order it is shown."""

ENTRIES: Final = tuple(entry for group in GROUPS for entry in group.entries)


class Shown(NamedTuple):
    """A group as one reader sees it on one page."""

    name: str
    heading: str
    entries: tuple[Entry, ...]
    current: bool
    """Holds the page that is open."""
    open: bool
    waits: bool
    """One of its pages has a tally."""


class Navigation(NamedTuple):
    """What the frame shows around a page."""

    groups: tuple[Shown, ...]
    tabs: tuple[Entry, ...]
    current: str
    """Path of the entry that the open page belongs to, empty for none."""
    waits: bool


def allows(principal: Principal | None, right: str) -> bool:
    """Tell whether this reader may open a route that declares this right."""
    return right == PUBLIC or (principal is not None and (right == SELF or principal.may(right)))


def navigation_for(principal: Principal | None, path: str = "", folded: str = "") -> Navigation:
    """Return the navigation with only what this reader may open.

    Args:
        path: of the page that is open.
        folded: the value of FOLDED_COOKIE. Names that are no group's are passed over.
    """
    current = entry_of(path)
    closed = folded.split(".")
    shown = []
    for group in GROUPS:
        entries = tuple(entry for entry in group.entries if allows(principal, entry.right))
        if entries:
            holds = current in entries
            waits = any(entry.tally for entry in entries)
            is_open = holds or group.name not in closed
            shown.append(Shown(group.name, group.heading, entries, holds, is_open, waits))
    tabs = tuple(entry for one in shown for entry in one.entries)[:TABS]
    return Navigation(tuple(shown), tabs, current.path if current else "", any(one.waits for one in shown))


def entry_of(path: str) -> Entry | None:
    """Return the entry that a page belongs to: of those whose path it stands under, the longest; None for none."""
    found: tuple[int, Entry] | None = None
    for entry in ENTRIES:
        for own in (entry.path, *entry.also):
            below = path == own or (own != "/" and path.startswith(f"{own}/"))
            if below and (found is None or len(own) > found[0]):
                found = (len(own), entry)
    return found[1] if found else None
