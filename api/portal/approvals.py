"""/approvals: what others must approve before it is sent: what, who asks, for which car, and what that car does now.

Two people approve, neither of them who asked (api/commands.py decides); this page shows what they have to know, and the
navigation how many commands wait.
"""

import time
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.concurrency import sync_to_thread
from markupsafe import Markup

from api.commands import Command, commands_in
from api.guards import principal_of
from api.parts import Parts
from api.portal.commands import shown_command
from api.portal.render import Words, html_response, render, words_of
from api.portal.told import Block
from api.positions import Position, position_of
from core.limits import APPROVAL_S
from core.rights import Principal
from protocols.jt808.commands import body_of, edition_for, immobilises, message_of
from protocols.jt808.plain import Invalid

WAITING_MAX: Final = 50
"""Commands on the page. A dealer group has a handful a week; more than fifty at once is a fault somewhere else."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One command that waits for somebody to approve it."""

    command: Command
    name: str
    sent: list[Block]
    plate: str
    who: str
    approved_by: list[str]
    own: bool
    """The reader asked for it, and may only take it back."""
    mine: bool
    """The reader has approved it already."""
    immobilising: bool
    position: Position | None
    share: int
    """How much of its time is left, in hundredths."""


@get("/approvals", include_in_schema=False, opt={"right": "commands.approve"})
async def approvals_page(request: Request[Any, Any, Any]) -> Response[Any]:
    """Show what waits for approval."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    words = words_of(request)
    waiting = await sync_to_thread(read_waiting, parts, principal, words)
    block = "waiting" if request.query_params.get("part") == "waiting" else ""
    person = bool(principal.account and not principal.api_key)
    return render(request, "approvals.html", block=block, waiting=waiting, person=person)


@get("/approvals/count", include_in_schema=False, opt={"right": "commands.approve"})
async def approvals_count(request: Request[Any, Any, Any]) -> Response[Any]:
    """Give how many commands wait for the reader, as the navigation shows it; nothing where there is none."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    page = await sync_to_thread(commands_in, parts, principal, "approval", limit=WAITING_MAX)
    count = sum(one.actor != principal.actor and not _approved(one, principal.actor) for one in page.items)
    said = words_of(request).t("approvals_waiting", n=count)
    badge = Markup('<b class="tally" title="{}">{}</b>').format(said, count) if count else ""
    return html_response(str(badge))


def read_waiting(parts: Parts, principal: Principal, words: Words) -> list[Waiting]:
    """Return what waits, the most urgent first. Blocks."""
    commands = commands_in(parts, principal, "approval", limit=WAITING_MAX).items
    vehicles = sorted({one.vehicle_id for one in commands})
    plates = parts.reader.names(principal, vehicles).plates
    seen = parts.reader.positions_of(principal, vehicles, "positions") if principal.may("positions.read") else []
    online = dict(zip(vehicles, parts.live.online(vehicles), strict=True))
    positions = {one.vehicle_id: position_of(one, online[one.vehicle_id]) for one in seen}
    actors = {actor for one in commands for actor in (one.actor, *(step.actor for step in one.steps))}
    names = parts.people.names(principal, [int(actor[8:]) for actor in actors if actor.startswith("account:")])
    now_ms = time.time_ns() // 1_000_000

    def name_of(actor: str) -> str:
        return names.get(int(actor[8:]), actor) if actor.startswith("account:") else words.t("event_actor_node")

    waiting = []
    for one in sorted(commands, key=lambda command: command.expires_ms):
        shown = shown_command(one, words)
        waiting.append(
            Waiting(
                command=one,
                name=shown.name,
                sent=shown.sent,
                plate=plates.get(one.vehicle_id, "") or words.t("vehicles_no_plate", id=one.vehicle_id),
                who=name_of(one.actor),
                approved_by=[name_of(step.actor) for step in one.steps if step.state == "approved"],
                own=one.actor == principal.actor,
                mine=_approved(one, principal.actor),
                immobilising=_immobilises(one),
                position=positions.get(one.vehicle_id),
                share=max(0, min(100, round((one.expires_ms - now_ms) / (10 * APPROVAL_S)))),
            )
        )
    return waiting


def _approved(command: Command, actor: str) -> bool:
    return any(step.state == "approved" and step.actor == actor for step in command.steps)


def _immobilises(command: Command) -> bool:
    try:
        number = message_of(command.message)
        return immobilises(number, body_of(number, command.fields, edition_for(number, command.fields)))
    except Invalid:
        return False


PAGES: Final = (approvals_page, approvals_count)
