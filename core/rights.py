"""Who may do what, and with whose cars: the rights, the roles, and the principal that every read and write is asked by.

A right says what one may do (RIGHTS); a scope says with whose rows. Both must hold. The scope is applied in the SQL of
every query, never after it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

import msgspec

from core.events.event import PURPOSES

RIGHTS: Final = (
    "positions.read",  # live positions, tracks, raw frames
    "vehicles.read",
    "vehicles.write",  # plates, stores, bindings
    "incidents.handle",  # acknowledging, steps, closing
    "vehicles.guard",  # arming and disarming, suspected thefts
    "terminals.read",
    "terminals.write",
    "geofences.read",
    "geofences.write",
    "rules.read",  # thresholds of the detectors
    "rules.write",
    "events.read",
    "messages.read",  # what terminals say beside positions
    "drivers.read",  # names and numbers of drivers in it
    "commands.send",
    "media.read",  # pictures, sounds and films of terminals
    "commands.approve",  # what others must approve before it is sent
    "outbox.read",
    "persons.read",  # customers; numbers and addresses masked
    "persons.write",  # enter them, see all of them, decide who is one
    "persons.erase",
    "people.read",
    "people.write",  # users, invitations
    "stores.write",
    "exports.make",
    "exports.approve",  # large ones, of other people
    "audit.read",  # who looked at what and did what, everybody's
    "business.read",  # actors, parked keys
    "business.write",  # releasing a key, switching actors, adopting rules
    "organisation.read",  # the tree, skills, rosters
    "organisation.write",  # departments, calendars, skills, rosters
    "system.read",
    "consents.read",  # what persons allow, and what followed from it
    "consents.write",  # to write down what a person has allowed or taken back
    "consents.publish",  # the texts that people consent to
    "breakglass.open",  # to see exactly where a car is because of an incident
    "breakglass.review",  # what others have opened
)
"""Everything that can be allowed. An API key holds a part of its owner's."""

_READER: Final = frozenset(
    {
        "positions.read",
        "vehicles.read",
        "terminals.read",
        "geofences.read",
        "rules.read",
        "events.read",
        "messages.read",
        "outbox.read",
        "exports.make",
        "organisation.read",
    }
)

ROLES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "viewer": _READER,
        "operator": _READER
        | {
            "incidents.handle",
            "vehicles.guard",
            "geofences.write",
            "commands.send",
            "media.read",
            "consents.read",
            "consents.write",
            "breakglass.open",
            "persons.read",
            "persons.write",
        },
        "manager": _READER
        | {
            "geofences.write",
            "rules.write",
            "commands.send",
            "commands.approve",
            "media.read",
            "incidents.handle",
            "vehicles.guard",
            "vehicles.write",
            "terminals.write",
            "people.read",
            "people.write",
            "drivers.read",
            "consents.read",
            "consents.write",
            "breakglass.open",
            "breakglass.review",
            "exports.approve",
            "business.read",
            "organisation.write",
            "persons.read",
            "persons.write",
        },
        "administrator": frozenset(RIGHTS),
    }
)
"""Role -> its rights, from least to most. Nobody gives away a role above their own."""

Precision = Literal["exact", "street", "block", "district", "city", "none"]
PRECISION_1E7: Final[Mapping[str, int]] = MappingProxyType(
    {"exact": 1, "street": 10_000, "block": 50_000, "district": 100_000, "city": 1_000_000}
)
"""How coarse a position is shown: coordinates are rounded to multiples of this, 1e-7 degree (about 0.01 m, 110 m, 550
m, 1.1 km, 11 km). `none` has no entry: no position is shown at all."""


_BY_CONTRACT: Final = frozenset({"safety", "theft", "service"})

Grade = Literal["open", "internal", "personal", "secret"]
Shown = Literal["none", "masked", "plain"]
PERSONAL: Final = ("name", "phone", "address", "id_number", "text")
"""Kinds of personal values that a grade decides about."""


class GradeRule(msgspec.Struct, frozen=True):
    """What somebody of a data grade sees."""

    precision: Precision
    """Positions, at most this exactly."""
    shown: Mapping[str, Shown]
    """Kind of personal value -> how it is shown; kinds that are not named are not shown."""


GRADES: Final[Mapping[str, GradeRule]] = MappingProxyType(
    {
        "open": GradeRule("district", MappingProxyType({})),
        "internal": GradeRule("exact", MappingProxyType(dict.fromkeys(PERSONAL[:4], "masked"))),
        "personal": GradeRule(
            "exact",
            MappingProxyType(
                {"name": "plain", "phone": "plain", "address": "plain", "id_number": "masked", "text": "plain"}
            ),
        ),
        "secret": GradeRule("exact", MappingProxyType(dict.fromkeys(PERSONAL, "plain"))),
    }
)
"""Data grade -> what it shows, from least to most. Who gives a place gives no grade above their own."""

ROLE_GRADES: Final[Mapping[str, Grade]] = MappingProxyType(
    {"viewer": "internal", "operator": "internal", "manager": "personal", "administrator": "secret"}
)
"""Role -> the grade it has where nobody says another."""


def grade_of(role: str) -> Grade:
    """Return the grade that a role has by itself: the least for a role that nobody knows."""
    return ROLE_GRADES.get(role, "open")


def is_grade_within(grade: str, limit: str) -> bool:
    """Tell whether a grade shows nothing that `limit` does not. One that nobody knows is within none."""
    order = tuple(GRADES)
    return grade in GRADES and limit in GRADES and order.index(grade) <= order.index(limit)


def masked(kind: str, value: str) -> str:
    """Return a personal value as who may know that it is there, but not what it is, sees it.

    A name keeps its first sign (张**), a phone number its last four digits, an id number its first and last; of an
    address the first six signs stay, which is the city.
    """
    if not value:
        return ""
    if kind == "name":
        return value[0] + "**"
    if kind == "phone":
        return f"****{value[-4:]}" if len(value) > 4 else "****"
    if kind == "id_number":
        return f"{value[0]}****{value[-1]}" if len(value) > 2 else "****"
    if kind == "address":
        return f"{value[:6]}****" if len(value) > 6 else "****"
    return "****"


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Whose rows may be seen, what for, and how exactly."""

    group: int = 1
    stores: tuple[int, ...] | None = None
    """Stores whose rows are seen; None: all of the group, and rows of the group itself (store 0)."""
    purposes: frozenset[str] = frozenset(PURPOSES)
    """Events of other purposes are not seen."""
    precision: Precision = "exact"
    grade: Grade = "secret"
    """How much of persons is seen: a row of GRADES. The precision is never above that of the grade."""

    @property
    def by_contract(self) -> bool:
        """Positions are read for safety, theft or contract service; else only what their people consent to."""
        return not self.purposes.isdisjoint(_BY_CONTRACT)

    def covers(self, group: int, store: int) -> bool:
        """Tell whether a row of this group and store is in the scope."""
        return group == self.group and (self.stores is None or store in self.stores)

    def shows(self, kind: str) -> Shown:
        """Return how a personal value of this kind (PERSONAL) is shown."""
        return GRADES[self.grade].shown.get(kind, "none")

    def shown(self, kind: str, value: str) -> str:
        """Return a personal value as it is shown: whole, masked, or empty."""
        how = self.shows(kind)
        return value if how == "plain" else masked(kind, value) if how == "masked" else ""


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks: a person's session, an API key, or the node itself."""

    account: int = 0
    """0: nobody's: the node's own key, or the open demo."""
    login: str = ""
    name: str = ""
    role: str = "viewer"
    rights: frozenset[str] = frozenset()
    scope: Scope = Scope()
    api_key: int = 0
    """0: not by a key."""
    until_ms: int = 0
    """When the key ends, UTC epoch ms; 0: not by itself."""
    language: str = ""
    """zh, en, or empty for what the browser asks for."""
    post: str = ""
    """As what they chose to work, `role:grade`; empty: as the most they are."""
    must: str = ""
    """What must be done before anything else: `second_factor`; empty: nothing. They have no rights until then."""
    zone: str = ""
    """Time zone of the store, where all stores of the scope have one; else empty."""
    address: str = ""
    """Where the request came from, for the access log."""

    @property
    def actor(self) -> str:
        """How events name who did it."""
        return f"account:{self.account}" if self.account else "node"

    def may(self, right: str) -> bool:
        """Tell whether this right is held."""
        return right in self.rights


NODE: Final = Principal(login="node", name="node", role="administrator", rights=ROLES["administrator"])
"""Whoever can read the data directory: run/api.key, the command line."""
