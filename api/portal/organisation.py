"""/organisation: the group's tree as a picture, one node with its people, roster and calendar, skills and duties.

Whatever is changed here is asked of the business by the API (api/organisation.py); the pages only show.
"""

import time
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, QueryParameter

from api.guards import principal_of
from api.organisation import organisation_of
from api.parts import Parts
from api.portal.nodes import CERTIFICATE_SOON_MS, held_by, name_of
from api.portal.people import ZONES, roles_given
from api.portal.render import Words, render, words_of, zone_named
from api.problems import Problem
from core import limits
from core.calendar import CHINA, WEEK
from core.rights import GRADES, Principal, is_grade_within
from core.zones import offset_min
from storage.organisation import CalendarDay, Certificate, Colleague, Duty, Node, Organisation, Shift
from storage.people import Account

STATE_KINDS: Final = {"planned": "info", "open": "good", "suspended": "warn", "closed": "quiet"}
STEPS: Final = {"planned": ("open", "closed"), "open": ("suspended", "closed"), "suspended": ("open", "closed")}
"""State -> those that it may go to."""
ICONS: Final = {"group": "layers", "region": "map", "store": "store", "department": "people"}
ROSTER_DAYS: Final = 7
_WEEK: Final = r"^(\d{4}-\d\d-\d\d)?$"


class Leaf(NamedTuple):
    """A node as the picture shows it, with what is below it."""

    node: Node
    name: str
    icon: str
    kind: str
    """Of its state's badge."""
    brands: tuple[str, ...]
    below: "list[Leaf]"


class Bar(NamedTuple):
    """A shift on a day of the roster."""

    shift: Shift
    said: str
    duty: str
    begins: str
    night: bool
    """It goes on into the next day."""


class Day(NamedTuple):
    """A column of the roster."""

    date: str
    weekday: str
    kind: str
    """holiday, workday, weekend, or empty"""
    today: bool


class Line(NamedTuple):
    """Somebody's week."""

    account: int
    name: str
    days: list[list[Bar]]


def tree_of(nodes: list[Node], words: Words) -> list[Leaf]:
    """Return the tree of nodes that stand each behind the one above it."""
    leaves: dict[str, Leaf] = {}
    tops: list[Leaf] = []
    for node in nodes:
        leaf = Leaf(node, name_of(node, words), ICONS[node.kind], STATE_KINDS[node.state], tuple(node.brands), [])
        leaves[node.node] = leaf
        above = leaves.get(node.parent)
        (tops if above is None else above.below).append(leaf)
    return tops


def tabs_of(request: Request[Any, Any, Any]) -> list[tuple[str, str, None]]:
    """Return the tabs of these pages."""
    t = words_of(request).t
    return [("/organisation", t("organisation_tree"), None), ("/organisation/skills", t("organisation_skills"), None)]


@get("/organisation", include_in_schema=False, opt={"right": "organisation.read"})
async def organisation_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show the tree as the reader may see it."""
    parts: Parts = request.app.state.parts
    principal, words = principal_of(request), words_of(request)
    nodes = await sync_to_thread(organisation_of(parts).nodes, principal)
    count = {kind: sum(node.kind == kind and node.state != "closed" for node in nodes) for kind in ICONS}
    return render(
        request,
        "organisation.html",
        tabs_shown=tabs_of(request),
        tree=tree_of(nodes, words),
        count=count,
        people=sum(node.people for node in nodes),
        on_duty=sum(node.on_duty for node in nodes),
        closed=sum(node.state == "closed" for node in nodes),
        parents=_choices(nodes, words, ("group", "region") if principal.scope.stores is None else ()),
        stores=_choices(nodes, words, ("store",)),
        zones=ZONES,
    )


def _choices(nodes: list[Node], words: Words, kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the nodes of these kinds that others may stand below, to choose from."""
    return [
        (node.node, name_of(node, words))
        for node in nodes
        if node.kind in kinds and node.mine and node.state != "closed"
    ]


@get("/organisation/{node:str}", include_in_schema=False, opt={"right": "organisation.read"})
async def node_page(
    request: Request[Any, Any, Any],
    node: FromPath[str],
    week: Annotated[str, QueryParameter(pattern=_WEEK, description="A day of the week shown")] = "",
) -> Response[Any]:
    """Show one node: who works there, the week's roster, its calendar."""
    parts: Parts = request.app.state.parts
    principal, words = principal_of(request), words_of(request)

    def read() -> dict[str, Any]:
        organisation = organisation_of(parts)
        nodes = organisation.nodes(principal)
        found = next((one for one in nodes if one.node == node and one.mine), None)
        if found is None:
            raise Problem("node_unknown", f"no node {node}")
        return _shown(organisation, principal, words, nodes, found, week) | {
            "accounts": [
                (one.id, one.name or one.login) for one in _accounts(parts, principal) if one.state != "disabled"
            ]
            if principal.may("people.write")
            else [],
        }

    shown = await sync_to_thread(read)
    return render(
        request,
        "organisation_node.html",
        **shown,
        roles=roles_given(principal),
        grades=[grade for grade in GRADES if is_grade_within(grade, principal.scope.grade)],
        zones=ZONES,
        china=sorted(CHINA.items()),
    )


def _called(one: Colleague) -> str:
    return one.name or one.login


def _accounts(parts: Parts, principal: Principal) -> list[Account]:
    return parts.people.accounts(principal, 0, limits.PEOPLE_READ_MAX)


def _shown(
    organisation: Organisation, principal: Principal, words: Words, nodes: list[Node], found: Node, week: str
) -> dict[str, Any]:
    by_name = {one.node: one for one in nodes}
    above: list[Node] = []
    while by_name.get((above[-1] if above else found).parent) is not None:
        above.append(by_name[(above[-1] if above else found).parent])
    zone = next((one.time_zone for one in (found, *above) if one.time_zone), words.zone)
    clock = zone_named(zone)
    today = datetime.now(clock).date()
    monday = _monday(week, today)
    people = organisation.colleagues(principal, found.node)
    # Whoever has a place above it may be on duty here; only those whom the reader sees can be chosen.
    able = {one.account: one for up in (found, *(one for one in above if one.mine))
            for one in organisation.colleagues(principal, up.node)}  # fmt: skip
    calendar = organisation.calendar(principal, found.node, min(today, monday).isoformat())
    start_ms = int(datetime(monday.year, monday.month, monday.day, tzinfo=clock).timestamp() * 1000)
    end_ms = start_ms + ROSTER_DAYS * 86_400_000
    duties = organisation.duties(principal)
    shifts = organisation.shifts(principal, node=found.node, from_ms=start_ms, to_ms=end_ms)
    above_choices = [one for one in nodes if one.kind in ("group", "region") and one.mine and one.state != "closed"]
    return {
        "one": found,
        "name": name_of(found, words),
        "icon_name": ICONS[found.kind],
        "kind": STATE_KINDS[found.state],
        "crumbs": [("/organisation", words.t("nav_organisation"))]
        + [(f"/organisation/{one.node}", name_of(one, words)) for one in reversed(above) if one.parent and one.mine],
        "below": _below(nodes, found, words),
        "people": people,
        "able_choices": [(one.account, one.name or one.login) for one in sorted(able.values(), key=_called)],
        "certificates": held_by(organisation.certificates(principal, list(able)), organisation, principal, words),
        "steps": STEPS.get(found.state, ()) if found.parent else (),
        "zone_shown": zone,
        "brands": next((one.brands for one in (found, *above) if one.brands), []),
        "days": _days(monday, today, calendar, words),
        "lines": _lines(shifts, monday, clock, _duty_names(duties, words)),
        "cleared": [one for one in shifts if one.state == "cleared"],
        "duties": [(one.duty, _duty_names(duties, words)[one.duty]) for one in duties],
        "duty_names": _duty_names(duties, words),
        "week": (
            monday.isoformat(),
            (monday - timedelta(days=7)).isoformat(),
            (monday + timedelta(days=7)).isoformat(),
        ),
        "calendar": [one for one in calendar if one.day >= today.isoformat()][:40],
        "offset_min": offset_min(zone, start_ms),
        "parents": [(one.node, name_of(one, words)) for one in above_choices if one.node != found.node],
        "writes": principal.may("organisation.write" if found.kind == "department" else "stores.write"),
        "organises": principal.may("organisation.write"),
        "may_place": principal.may("people.write"),
    }


def _below(nodes: list[Node], found: Node, words: Words) -> list[Leaf]:
    inside = {found.node}
    picked = []
    for node in nodes:
        if node.parent in inside:
            inside.add(node.node)
            picked.append(node)
    return tree_of(picked, words)


def _monday(week: str, today: date) -> date:
    try:
        day = date.fromisoformat(week) if week else today
    except ValueError:
        day = today
    day = min(max(day, date(2000, 1, 3)), date(2100, 1, 1))
    return day - timedelta(days=day.weekday())


def _days(monday: date, today: date, calendar: list[CalendarDay], words: Words) -> list[Day]:
    kinds = {one.day: one.kind for one in calendar}
    found = []
    for number in range(ROSTER_DAYS):
        day = monday + timedelta(days=number)
        kind = kinds.get(day.isoformat(), "" if day.weekday() in WEEK else "weekend")
        found.append(Day(day.strftime("%m-%d"), words.t(f"weekday_{number}"), kind, day == today))
    return found


def _lines(shifts: list[Shift], monday: date, clock: ZoneInfo, names: dict[str, str]) -> list[Line]:
    lines: dict[int, Line] = {}
    for shift in shifts:
        if shift.state == "cleared":
            continue
        begins, ends = (datetime.fromtimestamp(ms / 1000, UTC).astimezone(clock) for ms in (shift.from_ms, shift.to_ms))
        column = max((begins.date() - monday).days, 0)
        line = lines.setdefault(shift.account, Line(shift.account, shift.name, [[] for _ in range(ROSTER_DAYS)]))
        said = f"{begins:%H:%M}–{ends:%H:%M}"
        night = ends.date() > begins.date() and ends.strftime("%H:%M") != "00:00"
        line.days[column].append(Bar(shift, said, names.get(shift.duty, shift.duty), f"{begins:%H:%M}", night))
    return sorted(lines.values(), key=lambda line: line.name)


def _duty_names(duties: list[Duty], words: Words) -> dict[str, str]:
    return {one.duty: (one.name_en or one.name_zh) if words.language == "en" else one.name_zh for one in duties}


@get("/organisation/skills", include_in_schema=False, opt={"right": "organisation.read"})
async def skills_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show who is certified in what, and which duties need it."""
    parts: Parts = request.app.state.parts
    principal, words = principal_of(request), words_of(request)

    def read() -> dict[str, Any]:
        organisation = organisation_of(parts)
        accounts = _accounts(parts, principal) if principal.may("people.read") else []
        working = [one for one in accounts if one.places and one.state != "disabled"]
        certificates = organisation.certificates(principal, [one.id for one in working])
        by_person: dict[int, dict[str, Certificate]] = {}
        for held in certificates:
            by_person.setdefault(held.account, {})[held.skill] = held
        skills, duties = organisation.skills(principal), organisation.duties(principal)
        english = words.language == "en"
        names = {one.skill: (one.name_en or one.name_zh) if english else one.name_zh for one in skills}
        return {
            "skills": skills,
            "names": names,
            "duties": duties,
            "duty_names": _duty_names(duties, words),
            "people": working,
            "held": by_person,
            "soon_ms": time.time_ns() // 1_000_000 + CERTIFICATE_SOON_MS,
        }

    shown = await sync_to_thread(read)
    whole = principal.scope.stores is None and principal.may("organisation.write")
    return render(
        request,
        "organisation_skills.html",
        **shown,
        tabs_shown=tabs_of(request),
        defines=whole,
        certifies=principal.may("organisation.write") and principal.may("people.read"),
    )


PAGES: Final = (organisation_page, skills_page, node_page)
