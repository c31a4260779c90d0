"""Permits: what the people behind events and cars allow a reader to see now, and how exactly.

Whoever reads for safety, theft, contract service or billing is shown what those purposes hold. Whatever else a reader
reads for, each event and each position must be allowed by its people: by every owner of the car at that time, and,
where it tells of whoever drove, by every driver who is known. Nothing is remembered between reads: what was withdrawn
before a read began is not in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from core import limits
from core.data_classes import (
    CONSENTED,
    DATA_CLASSES,
    HOLDS,
    OPERATIONAL,
    PERSON_SUBJECTS,
    class_of,
    greater,
    is_personal,
    lesser,
    types_held,
)
from core.events import EVENTS, Event
from core.rights import Scope

Rungs = Mapping[str, str]
"""Data class -> rung of LADDER; a class that is missing is not shown."""

_OPERATIONAL: Final = frozenset(OPERATIONAL)
_CONSENTED: Final = frozenset(CONSENTED)


def _listed(values: Iterable[str]) -> str:
    """Return words of our own tables as SQL: none of them comes from outside."""
    return ", ".join(f"'{value}'" for value in values) or "NULL"


_OF_DRIVER: Final = _listed(name for name, one in DATA_CLASSES.items() if one.of_driver)
_CLASS_OF_TYPE: Final = "CASE event.type {} END".format(
    " ".join(f"WHEN '{type_}' THEN '{class_of(type_)}'" for type_ in types_held(_CONSENTED))
)
_IMPERSONAL: Final = _listed(sorted({type_ for type_, _ in EVENTS if not is_personal(type_)}))


def _at(alias: str) -> str:
    """Return the condition that a link stood when the event happened."""
    return f"{alias}.from_ms <= event.time_ms AND ({alias}.to_ms = 0 OR {alias}.to_ms > event.time_ms)"


def _given(alias: str, sign: str) -> str:
    """Return the condition that a consent counts now for data, and for what happened then. One value: the time."""
    return (
        f"{alias}.channel = 'data' AND {alias}.state = 'given' AND {alias}.since_ms <= event.time_ms "
        f"AND ({alias}.expires_ms = 0 OR {alias}.expires_ms > {sign})"
    )


@lru_cache(maxsize=256)
def _condition(purposes: frozenset[str], sign: str) -> tuple[str, int]:
    operational, consented = purposes & _OPERATIONAL, purposes & _CONSENTED
    if operational == _OPERATIONAL:
        ways = [f"purpose NOT IN ({_listed(CONSENTED)})"]
    else:
        ways = [f"purpose IN ({_listed(sorted(operational))})"]
    if not consented:
        return ways[0], 0
    ways.append(f"(purpose IN ({_listed(sorted(consented))}) AND type IN ({_IMPERSONAL}))")
    ways.append(
        f"(type IN ({_listed(types_held(consented))}) AND EXISTS (SELECT 1 FROM consent_subject s JOIN consent c "
        f"ON c.person = s.person WHERE s.subject = event.subject AND s.role IN ('owner', 'self') AND {_at('s')} "
        f"AND c.purpose IN ({_listed(sorted(consented))}) AND c.data_class = {_CLASS_OF_TYPE} AND {_given('c', sign)} "
        "AND NOT EXISTS (SELECT 1 FROM consent_subject o WHERE o.subject = event.subject "
        f"AND (o.role IN ('owner', 'self') OR (o.role = 'driver' AND c.data_class IN ({_OF_DRIVER}))) AND {_at('o')} "
        "AND NOT EXISTS (SELECT 1 FROM consent d WHERE d.person = o.person AND d.purpose = c.purpose "
        f"AND d.data_class = c.data_class AND {_given('d', sign)}))))"
    )
    return f"({' OR '.join(ways)})", 2


def condition(scope: Scope, sign: str, now_ms: int) -> tuple[str, list[object]]:
    """Return a condition on rows of table event, that the scope's purposes may hold something of them, and its
    values."""
    text, times = _condition(scope.purposes, sign)
    return text, [now_ms] * times


def needs_permit(event: Event, scope: Scope) -> bool:
    """Tell whether an event is shown only so far as its people allow: its own purpose is none that law or contract give
    this reader."""
    if event.purpose in _CONSENTED:
        return is_personal(event.type)
    return event.purpose not in scope.purposes and not scope.purposes >= _OPERATIONAL


class _Link(NamedTuple):
    """Somebody is something to a subject."""

    person: int
    is_driver: bool
    from_ms: int
    to_ms: int
    """0: it lasts."""


class Permits:
    """What the people of some subjects allow for some purposes."""

    def __init__(
        self, purposes: Iterable[str], links: Mapping[str, Sequence[_Link]], given: Mapping[tuple[int, str, str], Any]
    ) -> None:
        """
        Args:
            given: (person, purpose, data class) -> (rung, since_ms).
        """
        self.purposes: Final = tuple(sorted(_CONSENTED.intersection(purposes)))
        self._links = links
        self._given = given

    def rung(self, subject: str, purpose: str, data_class: str, time_ms: int) -> str:
        """Return how exactly a purpose may know data of this class about a subject at a time: the least that its people
        allow, and never more than the purpose may hold."""
        rung = HOLDS[purpose].get(data_class, "none")
        owners = 0
        of_driver = DATA_CLASSES[data_class].of_driver
        for link in self._links.get(subject, ()):
            if link.from_ms > time_ms or (link.to_ms and link.to_ms <= time_ms) or (link.is_driver and not of_driver):
                continue
            owners += not link.is_driver
            allowed, since_ms = self._given.get((link.person, purpose, data_class), ("none", 0))
            rung = lesser(rung, allowed if since_ms <= time_ms else "none")
        return rung if owners else "none"

    def rungs(self, event: Event) -> Rungs | None:
        """Return what may be shown of an event; None if nothing at all, not even that it happened."""
        own = class_of(event.type)
        best: dict[str, str] = {}
        for purpose in self.purposes:
            if own not in HOLDS[purpose] or self.rung(event.subject, purpose, own, event.time_ms) == "none":
                continue
            for data_class in HOLDS[purpose]:
                rung = self.rung(event.subject, purpose, data_class, event.time_ms)
                best[data_class] = greater(best.get(data_class, "none"), rung)
        return {name: rung for name, rung in best.items() if rung != "none"} or None

    def position(self, subject: str, time_ms: int) -> str:
        """Return how exactly these purposes may know where a subject was at a time."""
        rung = "none"
        for purpose in self.purposes:
            rung = greater(rung, self.rung(subject, purpose, "position", time_ms))
        return rung

    def has(self, subject: str, data_class: str, time_ms: int) -> bool:
        """Tell whether these purposes may know anything of this class about a subject at a time."""
        return any(self.rung(subject, purpose, data_class, time_ms) != "none" for purpose in self.purposes)

    def spans(self, subject: str, from_ms: int, to_ms: int) -> list[tuple[int, int, str]]:
        """Return the spans of from_ms <= time < to_ms in which a position may be known, oldest first, and how
        exactly."""
        links = self._links.get(subject, ())
        moments = {from_ms, to_ms}
        for link in links:
            moments |= {link.from_ms, link.to_ms}
            moments |= {since_ms for (person, _, _), (_, since_ms) in self._given.items() if person == link.person}
        ordered = sorted(moment for moment in moments if from_ms <= moment <= to_ms)
        found: list[tuple[int, int, str]] = []
        for first, last in pairwise(ordered):
            rung = self.position(subject, first)
            if rung in ("none", "area"):
                continue
            if found and found[-1][1:] == (first, rung):
                found[-1] = (found[-1][0], last, rung)
            else:
                found.append((first, last, rung))
        return found


def permits(connection: Connection, sign: str, scope: Scope, subjects: Iterable[str], now_ms: int) -> Permits:
    """Read what the people of these subjects allow this scope's purposes now."""
    purposes = sorted(_CONSENTED & scope.purposes)
    wanted = sorted({subject for subject in subjects if subject.startswith(PERSON_SUBJECTS)}) if purposes else []
    links: dict[str, list[_Link]] = {}
    for some in _parts(wanted):
        sql = (
            "SELECT subject, person, role, from_ms, to_ms FROM consent_subject "
            f"WHERE role IN ('owner', 'driver', 'self') AND subject IN ({', '.join([sign] * len(some))})"
        )
        for subject, person, role, from_ms, to_ms in connection.exec_driver_sql(sql, tuple(some)):
            links.setdefault(subject, []).append(_Link(person, role == "driver", from_ms, to_ms))
    given: dict[tuple[int, str, str], tuple[str, int]] = {}
    persons = sorted({link.person for several in links.values() for link in several})
    for part in _parts(persons):
        sql = (
            "SELECT person, purpose, data_class, precision, since_ms FROM consent "
            f"WHERE purpose IN ({_listed(purposes)}) AND channel = 'data' AND state = 'given' "
            f"AND (expires_ms = 0 OR expires_ms > {sign}) AND person IN ({', '.join([sign] * len(part))})"
        )
        for person, purpose, data_class, precision, since_ms in connection.exec_driver_sql(sql, (now_ms, *part)):
            given[person, purpose, data_class] = (precision, since_ms)
    return Permits(purposes, links, given)


def subjects_with_position(connection: Connection, sign: str, scope: Scope, now_ms: int) -> list[str]:
    """Return the cars of which somebody allows a purpose of this scope to know where they are."""
    purposes = sorted(_CONSENTED & scope.purposes)
    sql = (
        "SELECT DISTINCT s.subject FROM consent c JOIN consent_subject s ON s.person = c.person "
        f"WHERE c.purpose IN ({_listed(purposes)}) AND c.data_class = 'position' AND c.channel = 'data' "
        f"AND c.state = 'given' AND (c.expires_ms = 0 OR c.expires_ms > {sign}) AND s.role = 'owner' "
        f"AND s.from_ms <= {sign} AND (s.to_ms = 0 OR s.to_ms > {sign})"
    )
    return sorted(row[0] for row in connection.exec_driver_sql(sql, (now_ms, now_ms, now_ms)))


class Glass(NamedTuple):
    """A break-glass that is open."""

    number: int
    store: int
    event: str
    """Id of its breakglass.opened."""


def glass_of(connection: Connection, sign: str, actor: str, vehicle_id: int, now_ms: int) -> Glass | None:
    """Return the break-glass by which somebody sees a car now, None if there is none."""
    sql = (
        f"SELECT id, store_id, event FROM break_glass WHERE account = {sign} AND vehicle_id = {sign} "
        f"AND until_ms > {sign} AND state IN ('opened', 'used') ORDER BY id DESC LIMIT 1"
    )
    row = connection.exec_driver_sql(sql, (actor, vehicle_id, now_ms)).first()
    return None if row is None else Glass(*row)


def stores_at(connection: Connection, sign: str, group: int) -> list[tuple[int, int]]:
    """Return where a group's stores are, (lat_1e7, lon_1e7); its service area lies around them."""
    sql = f"SELECT lat_1e7, lon_1e7 FROM store WHERE group_id = {sign} AND lat_1e7 IS NOT NULL AND lon_1e7 IS NOT NULL"
    return [(row[0], row[1]) for row in connection.exec_driver_sql(sql, (group,))]


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    for first in range(0, len(values), limits.EVENTS_STATEMENT_MAX):
        yield values[first : first + limits.EVENTS_STATEMENT_MAX]
