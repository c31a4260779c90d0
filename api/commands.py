"""Commands: POST one to a vehicle, see how far it has come, approve or reject what others asked for.

A command is an intent on the event log; whoever holds the vehicle's session carries it out. See docs/commands.md.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
import trio
from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from api.guards import person_of, principal_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.events import CommandApproval, CommandProgress, CommandRequested, Event, command_decision_id, derive_id
from core.limits import (
    APPROVAL_S,
    APPROVERS,
    COMMAND_BODY_BYTES_MAX,
    COMMAND_EXPIRES_S,
    COMMAND_REQUEST_BYTES_MAX,
    COMMANDS_LOOKED_MAX,
)
from core.rights import Principal
from protocols.jt808.codec import Header, encode_body
from protocols.jt808.commands import TEXT_BYTES_MAX as TEXT_BYTES_MAX
from protocols.jt808.commands import body_of, edition_for, knows, may_need_approval, message_of, needs_approval
from protocols.jt808.plain import Invalid

COMMANDS_PAGE_MAX: Final = 100
STEPS_MAX: Final = 32
"""Events of one command: asked for, two approvals, the four quarters of two sendings, kinds of waiting, decided."""
FIELD_CHARACTERS_MAX: Final = 1_024
"""Texts of a command's fields on a page of many: an upgrade package is cut there. One command shows all of it."""

State = Literal[
    "requested", "approved", "rejected", "queued", "sent", "acked", "effective", "failed", "expired", "unknown"
]
ENDS: Final = frozenset({"rejected", "effective", "failed", "expired", "unknown"})
"""States behind which nothing comes. `acked` is one too where the acknowledgement is all the answer there is."""


class CommandOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to send: a downlink message by its id, its fields as its form names them (GET /messages/{id}/form)."""

    message: Annotated[str, msgspec.Meta(pattern="^0x[0-9A-Fa-f]{4}$")]
    fields: dict[str, object] = {}
    expires_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = int(COMMAND_EXPIRES_S)
    """How long it may wait for the vehicle to be reachable. One that others must approve has ten minutes."""


class CommandTaken(msgspec.Struct, frozen=True):
    """The command stands in the log; how it fares is read at `status`."""

    id: str
    status: str
    approvals_needed: int
    """People who must approve it before it is sent."""


class CommandStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a command."""

    state: State
    time_ms: int
    actor: str = ""
    """Who said it: the vehicle, or the account that asked, approved or rejected."""
    result: int | None = None
    why: str = ""
    """As programs know it: offline, lost, room, no_fix, fix_old, driving, busy, invalid, edition, refused, …"""
    reason: str = ""
    """The same in words."""
    attempt: int = 0
    """Which sending, from 1."""
    parts: int = 0
    """Fragments of a long message; `parts_sent` of them have gone out."""
    parts_sent: int = 0
    reply: dict[str, object] = {}
    """What the terminal answered. Empty where that is personal or long: then it is the message named below."""
    node: str = ""
    sequence: int = 0
    """Where the answer stands: node and number in its journal."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command and how far it has come."""

    id: str
    vehicle_id: int
    message: str
    fields: dict[str, object]
    state: State
    steps: list[CommandStep]
    actor: str = ""
    """Who asked for it: `account:3`, `node`."""
    expires_ms: int = 0
    """It is not sent after this time."""
    approvals_needed: int = 0
    """People who must approve it before it is sent, none of them who asked for it."""
    approvals: int = 0
    """People who have."""
    ended: bool = False
    """Nothing comes any more."""


class CommandPage(msgspec.Struct, frozen=True):
    """Commands, the newest first."""

    items: list[Command]
    next: int | None
    """Hand it back as `before`; null on the last page."""


class Judgement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said with an approval or a rejection."""

    reason: Annotated[str, msgspec.Meta(max_length=200)] = ""


@post(
    "/vehicles/{vehicle_id:int}/commands",
    opt={"right": "commands.send"},
    status_code=202,
    summary="Send a command to a vehicle",
    responses=answers(*CHANGES, "vehicle_unknown", "too_large", "message_unsupported"),
    request_max_body_size=COMMAND_REQUEST_BYTES_MAX,
)
async def request_command(
    request: Request,
    vehicle_id: FromPath[int],
    data: JSONBody[CommandOrder],
    idempotency_key: Annotated[
        str | None,
        HeaderParameter(
            name="Idempotency-Key",
            max_length=128,
            description="The same key again is the same command",
        ),
    ] = None,
) -> Response[CommandTaken]:
    """Put the command into the log and answer with its id; the vehicle's task carries it out.

    404 `vehicle_unknown`; 422 `message_unsupported` when no such message can be built, `field` says what is at fault;
    503 `not_ready`.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    vehicle = await sync_to_thread(parts.vehicles.one, principal, vehicle_id)
    if vehicle is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    message = "0x" + data.message[2:].upper()
    version = await sync_to_thread(edition_of, parts, principal, vehicle_id)
    try:
        approvals = approvals_of(message, data.fields, version)
    except Invalid as fault:
        raise Problem("message_unsupported", str(fault), field=fault.path) from None
    now_ms = time.time_ns() // 1_000_000
    event = Event(
        id=derive_id("api", "command", 1, [idempotency_key or secrets.token_hex(16)], str(vehicle_id)),
        type="command.requested",
        time_ms=now_ms,
        subject=f"vehicle:{vehicle_id}",
        group=vehicle.group,
        store=vehicle.store.id,
        actor=principal.actor,
        payload=CommandRequested(
            vehicle_id=vehicle_id,
            message=message,
            fields=data.fields,
            expires_ms=now_ms + 1000 * (int(APPROVAL_S) if approvals else data.expires_s),
        ),
    )
    await append(parts, event)
    status = f"/api/v1/commands/{event.id}"
    return Response(CommandTaken(event.id, status, approvals), status_code=202, headers={"Location": status})


@get(
    "/commands/{command_id:str}",
    opt={"right": "events.read"},
    summary="How far a command has come",
    responses=answers("command_unknown", *KEYED),
)
async def read_command(request: Request, command_id: FromPath[str]) -> Command:
    """Return the command and its steps; 404 `command_unknown` if the log has none of this id."""
    parts: Parts = request.app.state.parts
    return _command(*await sync_to_thread(story_of, parts, principal_of(request), command_id))


@get(
    "/commands",
    opt={"right": "events.read"},
    summary="Commands of all vehicles",
    responses=answers("bad_request", *KEYED),
)
async def list_all_commands(
    request: Request,
    wanted: Annotated[
        Literal["approval"] | State,
        QueryParameter(name="state", description="approval: what waits for two people to approve it"),
    ] = "approval",
    before: Annotated[int, QueryParameter(ge=0, description="Go on before this number of the log")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=COMMANDS_PAGE_MAX, description="Most commands on this page")] = 20,
) -> CommandPage:
    """Return the commands of the caller's vehicles that are in a state now, newest first. A page may be short, and even
    empty, before the last: so many commands were looked at."""
    parts: Parts = request.app.state.parts
    return await sync_to_thread(commands_in, parts, principal_of(request), wanted, before=before, limit=limit)


@get(
    "/vehicles/{vehicle_id:int}/commands",
    opt={"right": "events.read"},
    summary="What was sent to a vehicle",
    responses=answers("bad_request", *KEYED, "vehicle_unknown"),
)
async def list_commands(
    request: Request,
    vehicle_id: FromPath[int],
    before: Annotated[int, QueryParameter(ge=0, description="Go on before this number of the log")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=COMMANDS_PAGE_MAX, description="Most commands on this page")] = 20,
) -> CommandPage:
    """Return the vehicle's commands, newest first, each with how far it has come."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)

    def read() -> CommandPage:
        if parts.vehicles.one(principal, vehicle_id) is None:
            raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
        return commands_of(parts, principal, vehicle_id, before=before, limit=limit)

    return await sync_to_thread(read)


JUDGING: Final = answers(
    *CHANGES,
    "session_needed",
    "command_unknown",
    "approval_needless",
    "approval_own",
    "approval_twice",
    "command_over",
)


@post(
    "/commands/{command_id:str}/approve",
    opt={"right": "commands.approve"},
    status_code=200,
    summary="Approve a command of somebody else",
    responses=JUDGING,
)
async def approve_command(request: Request, command_id: FromPath[str], data: JSONBody[Judgement]) -> Command:
    """Approve it. Two people must, neither of them who asked; then it is sent. Only a person who is logged in can.

    403 `session_needed`, `approval_own`; 409 `approval_needless`, `approval_twice`, `command_over`.
    """
    return await judge(request, command_id, "command.approved", data.reason)


@post(
    "/commands/{command_id:str}/reject",
    opt={"right": "commands.approve"},
    status_code=200,
    summary="Reject a command that waits for approval",
    responses=JUDGING,
)
async def reject_command(request: Request, command_id: FromPath[str], data: JSONBody[Judgement]) -> Command:
    """Reject it: it is never sent. Who asked for it may take it back in this way.

    403 `session_needed`; 409 `approval_needless`, `command_over`.
    """
    return await judge(request, command_id, "command.rejected", data.reason)


async def judge(request: Request, command_id: str, kind: str, reason: str) -> Command:
    """Put an approval or a rejection into the log; return the command as it stands then."""
    parts: Parts = request.app.state.parts
    # Whose command it is comes first: another store's is none at all.
    asked, story = await sync_to_thread(story_of, parts, principal_of(request), command_id)
    principal = person_of(request)
    order: CommandRequested = asked.payload
    command = _command(asked, story)
    now_ms = time.time_ns() // 1_000_000
    if not command.approvals_needed:
        raise Problem("approval_needless", "it is sent without")
    if command.ended or command.state not in ("requested", "approved", "queued") or now_ms >= command.expires_ms:
        raise Problem("command_over", f"it is {command.state}" if now_ms < command.expires_ms else "its time is over")
    is_approval = kind == "command.approved"
    if is_approval and principal.actor == asked.actor:
        raise Problem("approval_own", "others approve what you asked for")
    if is_approval and any(one.type == kind and one.actor == principal.actor for one in story):
        raise Problem("approval_twice", "somebody else is the second")
    decided = command_decision_id(asked.id, order.vehicle_id)
    event = Event(
        id=derive_id("api", kind, 1, (asked.id,), principal.actor) if is_approval else decided,
        type=kind,
        time_ms=now_ms,
        subject=asked.subject,
        key=asked.subject,
        group=asked.group,
        store=asked.store,
        actor=principal.actor,
        cause=asked.id,
        correlation=asked.correlation or asked.id,
        answers="" if is_approval else asked.id,
        depth=asked.depth + 1,
        purpose=asked.purpose,
        payload=CommandApproval(command=asked.id, vehicle_id=order.vehicle_id, reason=reason),
    )
    await append(parts, event)
    after = _command(*await sync_to_thread(story_of, parts, principal, command_id))
    if not is_approval and after.state != "rejected":
        # The vehicle was quicker: its decision has the same id, and stands.
        raise Problem("command_over", f"it is {after.state}")
    return after


async def append(parts: Parts, event: Event) -> None:
    """Append to the log. Raises Problem not_ready when it does not take it."""
    try:
        await parts.append(event)
    except (OSError, trio.RunFinishedError) as error:
        raise Problem("not_ready", f"the log does not take it: {error}") from error


def edition_of(parts: Parts, principal: Principal, vehicle_id: int) -> int | None:
    """Return which edition of JT/T 808 the vehicle's terminal speaks that logged in last; None when none is logged in,
    or in another process. Blocks."""
    if parts.session is None:
        return None
    bound = [one.terminal for one in parts.vehicles.bindings(principal, vehicle_id) if one.to_ms is None]
    sessions = [session for terminal in bound if (session := parts.session(terminal)) is not None]
    return max(sessions, key=lambda one: one.since_ms).version if sessions else None


def approvals_of(message: str, fields: dict[str, object], version: int | None = None) -> int:
    """Return how many people must approve a command; 0: it is sent at once.

    Args:
        version: edition of the terminal, None where not known. One that does not know the message is no fault here:
            the terminal may be changed by the time the command is sent.

    Raises:
        Invalid: no such message can be sent.
    """
    number = message_of(message)
    if version is None or not knows(number, version):
        version = edition_for(number, fields)
    body = body_of(number, fields, version)
    size = len(encode_body(body, Header(number, "0", 0, version)))
    if size > COMMAND_BODY_BYTES_MAX:
        raise Invalid(f"a body of {size} bytes, {COMMAND_BODY_BYTES_MAX} are the most")
    return APPROVERS if needs_approval(number, body) else 0


def story_of(parts: Parts, principal: Principal, command_id: str) -> tuple[Event, list[Event]]:
    """Return the request and all that came of it. Raises Problem command_unknown. Blocks."""
    events = parts.reader.story(principal, command_id[:64])
    # The story of another event may begin with a command, or have one in it; its id is then not this one.
    if not events or events[0].id != command_id or not isinstance(events[0].payload, CommandRequested):
        raise Problem("command_unknown", f"no command {command_id[:64]}")
    return events[0], events


def commands_in(parts: Parts, principal: Principal, state: str, *, before: int = 0, limit: int = 20) -> CommandPage:
    """Read the commands of all the principal's vehicles that are in a state. Blocks.

    What state one is in stands in its story, so commands are looked through from the newest on, COMMANDS_LOOKED_MAX of
    them at most; of those that wait for approval none is older than they live.
    """
    oldest_ms = time.time_ns() // 1_000_000 - round(APPROVAL_S * 1000) if state == "approval" else 0
    items: list[Command] = []
    looked = 0
    while looked < COMMANDS_LOOKED_MAX:
        asked = parts.reader.events(
            principal, before, types=("command.requested",), limit=COMMANDS_PAGE_MAX, newest_first=True
        ).items
        for event in asked:
            if looked == COMMANDS_LOOKED_MAX:
                return CommandPage(items, before)
            before = event.seq
            if event.time_ms < oldest_ms:
                return CommandPage(items, None)
            if state == "approval" and not _approvals_needed(event.payload):
                continue
            looked += 1
            command = _command(event, parts.reader.story(principal, event.id, STEPS_MAX))
            if command.state == state or (state == "approval" and is_to_approve(command)):
                items.append(msgspec.structs.replace(command, fields=_cut(command.fields)))
            if len(items) == limit:
                return CommandPage(items, before)
        if len(asked) < COMMANDS_PAGE_MAX:
            return CommandPage(items, None)
    return CommandPage(items, before)


def is_to_approve(command: Command) -> bool:
    """Tell whether a command waits for somebody to approve it."""
    expired = command.expires_ms <= time.time_ns() // 1_000_000
    return command.approvals < command.approvals_needed and not command.ended and not expired


def commands_of(
    parts: Parts, principal: Principal, vehicle_id: int, *, before: int = 0, limit: int = 20
) -> CommandPage:
    """Read a vehicle's commands. Blocks."""
    subject = f"vehicle:{vehicle_id}"
    asked = parts.reader.events(
        principal, before, types=("command.requested",), subject=subject, limit=limit, newest_first=True
    )
    if not asked.items:
        return CommandPage([], None)
    # What became of them stands behind the oldest of them.
    later = parts.reader.events(
        principal, asked.items[-1].seq, types=("command.",), subject=subject, limit=STEPS_MAX * COMMANDS_PAGE_MAX
    )
    stories: dict[str, list[Event]] = {event.id: [event] for event in asked.items}
    for event in later.items:
        if isinstance(event.payload, CommandProgress | CommandApproval) and event.payload.command in stories:
            stories[event.payload.command].append(event)
    items = [_command(event, stories[event.id]) for event in asked.items]
    items = [msgspec.structs.replace(command, fields=_cut(command.fields)) for command in items]
    return CommandPage(items, asked.items[-1].seq if len(asked.items) == limit else None)


def _command(asked: Event, story: Sequence[Event]) -> Command:
    order: CommandRequested = asked.payload
    # Uplinks may belong to the story too: what the answer said.
    steps = [_step(event) for event in story if event.type in STATES]
    needed = _approvals_needed(order)
    return Command(
        id=asked.id,
        vehicle_id=order.vehicle_id,
        message=order.message,
        fields=order.fields,
        state=steps[-1].state,
        steps=steps,
        actor=asked.actor,
        expires_ms=order.expires_ms or asked.time_ms + int(COMMAND_EXPIRES_S * 1000),
        approvals_needed=needed,
        approvals=len({event.actor for event in story if event.type == "command.approved"}),
        ended=any(event.answers == asked.id for event in story) or steps[-1].state in ENDS,
    )


def _approvals_needed(order: CommandRequested) -> int:
    try:
        return approvals_of(order.message, order.fields) if may_need_approval(message_of(order.message)) else 0
    except Invalid:
        # It cannot be sent, and ends as failed.
        return 0


def _cut(fields: dict[str, object]) -> dict[str, object]:
    """Return fields for a page of many: long texts cut."""
    most = FIELD_CHARACTERS_MAX
    long = {name: value for name, value in fields.items() if isinstance(value, str) and len(value) > most}
    return fields | {name: f"{value[:most]}…" for name, value in long.items()}


def _step(event: Event) -> CommandStep:
    step = CommandStep(state=STATES[event.type], time_ms=event.time_ms, actor=event.actor)
    match event.payload:
        case CommandApproval(reason=reason):
            return msgspec.structs.replace(step, reason=reason)
        case CommandProgress() as progress:
            names = ("result", "why", "reason", "attempt", "parts", "parts_sent", "reply", "node", "sequence")
            return msgspec.structs.replace(step, **{name: getattr(progress, name) for name in names})
        case _:
            return step


STATES: Final[dict[str, State]] = {
    "command.requested": "requested",
    "command.approved": "approved",
    "command.rejected": "rejected",
    "command.queued": "queued",
    "command.sent": "sent",
    "command.acked": "acked",
    "command.effective": "effective",
    "command.failed": "failed",
    "command.expired": "expired",
    "command.unknown": "unknown",
}
"""Type of an event -> the state it brings a command to."""
RESOURCES: Final = (list_all_commands, list_commands, request_command, read_command, approve_command, reject_command)
