"""/incidents: what rings and who has it, arriving by itself; /incidents/{id}: one of them, its story and next steps."""

from collections.abc import Iterable
from typing import Any, Final

from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath
from markupsafe import Markup

from api.guards import principal_of
from api.incidents import INCIDENT_MAX, IncidentItem, item_of
from api.parts import Parts
from api.portal.incident_words import KIND_ICONS, SEVERITY_KINDS, Knot, knot_of
from api.portal.render import Words, html_response, render, words_of
from api.problems import Problem
from core.events.incident import CLOSE_REASONS, EVENTS, REOPEN_REASONS, SEVERITIES, STEP_REASONS
from core.rights import Principal
from storage.incidents import AlertView

OPEN_SHOWN_MAX: Final = 100
"""Open incidents on the board; a group that has more has a worse trouble than a long page."""
CLOSED_SHOWN: Final = 15
NEXT: Final = {
    "open": ("contacted", "no_answer"),
    "contacted": ("assessed",),
    "no_answer": ("assessed",),
    "assessed": ("acting",),
    "acting": ("stabilised",),
    "stabilised": ("caring",),
}
"""State -> the buttons there are: what the business takes. A test compares both."""
ENDS: Final = {
    "assessed": ("no_help_needed", "false_alarm", "test"),
    "acting": ("help_declined",),
    "stabilised": ("handed_over", "help_declined"),
    "caring": ("helped", "recovered", "handed_over", "help_declined"),
}
"""State -> the reasons for closing from there, likewise."""
assert {reason for reasons in ENDS.values() for reason in reasons} == set(CLOSE_REASONS)
LEVELS: Final = ("desk", "shift", "supervisor", "manager")


def _shared(principal: Principal) -> dict[str, Any]:
    return {
        "kinds": SEVERITY_KINDS,
        "icons": KIND_ICONS,
        "level_of": lambda item: LEVELS[min(item.level, len(LEVELS) - 1)],
        "person": bool(principal.account) and principal.may("incidents.handle"),
    }


@get("/incidents", include_in_schema=False, opt={"right": "events.read"})
async def incidents_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what is open, the gravest first, and what was closed last."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    words = words_of(request)

    def read() -> dict[str, Any]:
        # The head is read first: what comes after it is told by the stream.
        head = parts.reader.head()
        views, more = parts.incidents.page(principal, state="open", limit=OPEN_SHOWN_MAX)
        ended, _ = parts.incidents.page(principal, state="closed", limit=CLOSED_SHOWN)
        cases, closed = [item_of(view) for view in views], [item_of(view) for view in ended]
        people = _people(parts, principal, (item.holder for item in (*cases, *closed)), words)
        return {"cases": cases, "closed": closed, "more": bool(more), "people": people, "live": _live(head)}

    block = "board" if request.query_params.get("part") == "board" else ""
    shown = await sync_to_thread(read)
    return render(request, "incidents.html", block=block, **shown, **_shared(principal))


@get("/incidents/count", include_in_schema=False, opt={"right": "events.read"})
async def incidents_count(request: Request[Any, Any, Any]) -> Response[Any]:
    """Give how many incidents nobody has, as the navigation shows it; nothing where there is none."""
    parts: Parts = request.app.state.parts
    views, _ = await sync_to_thread(parts.incidents.page, principal_of(request), state="open", limit=OPEN_SHOWN_MAX)
    count = sum(view.ringing for view in views)
    said = words_of(request).t("incidents_ringing", n=count)
    badge = Markup('<b class="tally" title="{}">{}</b>').format(said, count) if count else ""
    return html_response(str(badge))


@get("/incidents/{incident:int}", include_in_schema=False, opt={"right": "events.read"})
async def incident_page(request: Request[Any, Any, Any], incident: FromPath[int]) -> Response[Any]:
    """Show one incident; 404 for one that is not there or not the reader's."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    words = words_of(request)

    def read() -> tuple[IncidentItem, list[AlertView], list[Knot], dict[str, str], int]:
        head = parts.reader.head()
        view = parts.incidents.one(principal, incident) if 0 < incident <= INCIDENT_MAX else None
        if view is None:
            raise Problem("incident_unknown", f"no incident {incident}")
        steps = parts.incidents.steps(principal, incident)
        people = _people(parts, principal, (view.holder, *(step.by for step in steps)), words)
        knots = [knot_of(step, people, words) for step in reversed(steps)]
        return item_of(view), parts.incidents.alerts(principal, incident), knots, people, head

    item, alerts, knots, people, head = await sync_to_thread(read)
    return render(
        request,
        "incident.html",
        block="case" if request.query_params.get("part") == "case" else "",
        item=item,
        alerts=alerts,
        knots=knots,
        people=people,
        live={**_live(head), "subject": f"vehicle:{item.vehicle_id}"},
        steps=[(step, STEP_REASONS[step]) for step in NEXT.get(item.state, ())],
        ends=ENDS.get(item.state, ()),
        reopenings=REOPEN_REASONS,
        severities=SEVERITIES,
        worded=lambda family, names: [(name, words.t(f"{family}{name}")) for name in names],
        **_shared(principal),
    )


def _live(head: int) -> dict[str, Any]:
    # A stream names each event by its type, and a browser hears only the names it listens for.
    return {"after": head, "names": sorted(type_ for type_, _ in EVENTS), "subject": ""}


def _people(parts: Parts, principal: Principal, actors: Iterable[str], words: Words) -> dict[str, str]:
    """Return who these actors are. Blocks."""
    wanted = {actor for actor in actors if actor.startswith("account:")}
    known = parts.people.names(principal, [int(actor[8:]) for actor in wanted])
    return {actor: known.get(int(actor[8:]), actor) for actor in wanted}


PAGES: Final = (incidents_page, incidents_count, incident_page)
