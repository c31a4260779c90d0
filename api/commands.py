"""Commands: POST one to a vehicle, and see how far it has come. A command is an intent on the event log."""

import secrets
import time
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
import trio
from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from api.guards import principal_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.events import CommandProgress, CommandRequested, Event, derive_id
from core.limits import COMMAND_EXPIRES_S
from core.rights import Principal

TEXT_BYTES_MAX: Final = 1_021
"""A body holds 1,023 bytes; flags and class take two."""
COMMANDS_PAGE_MAX: Final = 100
STEPS_MAX: Final = 8
"""Events of one command: requested, sent, sent again, acknowledged, decided, and room."""

State = Literal["requested", "sent", "acked", "effective", "failed", "expired"]


class CommandOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to send: a downlink message by its id, its fields as `carillon explain` names them."""

    message: Annotated[str, msgspec.Meta(pattern="^0x[0-9A-Fa-f]{4}$")]
    fields: dict[str, object] = {}
    expires_s: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = int(COMMAND_EXPIRES_S)
    """How long it may wait for the vehicle to be reachable."""


class CommandTaken(msgspec.Struct, frozen=True):
    """The command stands in the log; how it fares is read at `status`."""

    id: str
    status: str


class CommandStep(msgspec.Struct, frozen=True):
    """One thing that happened to a command."""

    state: State
    time_ms: int
    result: int | None = None
    reason: str = ""
    reply: dict[str, object] = {}


class Command(msgspec.Struct, frozen=True):
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


class CommandPage(msgspec.Struct, frozen=True):
    """Commands of one vehicle, the newest first."""

    items: list[Command]
    next: int | None
    """Hand it back as `before`; null on the last page."""


@post(
    "/vehicles/{vehicle_id:int}/commands",
    opt={"right": "commands.send"},
    status_code=202,
    summary="Send a command to a vehicle",
    responses=answers(*CHANGES, "vehicle_unknown", "too_large", "message_unsupported"),
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

    404 `vehicle_unknown`; 422 `message_unsupported` when no such message can be built; 503 `not_ready`.
    """
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    vehicle = await sync_to_thread(parts.vehicles.one, principal, vehicle_id)
    if vehicle is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    message = "0x" + data.message[2:].upper()
    if fault := parts.command_fault(message, data.fields) or text_fault(message, data.fields):
        raise Problem("message_unsupported", fault)
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
            vehicle_id=vehicle_id, message=message, fields=data.fields, expires_ms=now_ms + data.expires_s * 1000
        ),
    )
    try:
        await parts.append(event)
    except (OSError, trio.RunFinishedError) as error:
        raise Problem("not_ready", f"the log does not take it: {error}") from error
    status = f"/api/v1/commands/{event.id}"
    return Response(CommandTaken(event.id, status), status_code=202, headers={"Location": status})


@get(
    "/commands/{command_id:str}",
    opt={"right": "events.read"},
    summary="How far a command has come",
    responses=answers("command_unknown", *KEYED),
)
async def read_command(request: Request, command_id: FromPath[str]) -> Command:
    """Return the command and its steps; 404 `command_unknown` if the log has none of this id."""
    parts: Parts = request.app.state.parts
    events = await sync_to_thread(parts.reader.story, principal_of(request), command_id[:64])
    # The story of another event may begin with a command, or have one in it; its id is then not this one.
    if not events or events[0].id != command_id or not isinstance(events[0].payload, CommandRequested):
        raise Problem("command_unknown", f"no command {command_id[:64]}")
    return _command(events[0], events)


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
    # What became of them stands behind the oldest of them. A command ends after six steps at most.
    later = parts.reader.events(
        principal, asked.items[-1].seq, types=("command.",), subject=subject, limit=STEPS_MAX * COMMANDS_PAGE_MAX
    )
    stories: dict[str, list[Event]] = {event.id: [event] for event in asked.items}
    for event in later.items:
        if isinstance(event.payload, CommandProgress) and event.payload.command in stories:
            stories[event.payload.command].append(event)
    items = [_command(event, stories[event.id]) for event in asked.items]
    return CommandPage(items, asked.items[-1].seq if len(asked.items) == limit else None)


def text_fault(message: str, fields: dict[str, object]) -> str | None:
    """Return why a terminal could not show a text (0x8300), None if it can.

    Terminals know GBK; what is not in it would be sent as four bytes that they show as rubbish.
    """
    text = fields.get("text")
    if message != "0x8300" or not isinstance(text, str):
        return None
    if not text:
        return "text: there is nothing to send"
    for place, character in enumerate(text):
        try:
            character.encode("gbk")
        except UnicodeEncodeError:
            return f"text: {character!r} at {place} is not in GBK: a terminal cannot show it"
    if (size := len(text.encode("gbk"))) > TEXT_BYTES_MAX:
        return f"text: {size} bytes in GBK, a message holds {TEXT_BYTES_MAX}"
    return None


def _command(asked: Event, story: Sequence[Event]) -> Command:
    order: CommandRequested = asked.payload
    steps = [_step(event) for event in story if event.type in STATES]
    return Command(
        asked.id,
        order.vehicle_id,
        order.message,
        order.fields,
        steps[-1].state,
        steps,
        asked.actor,
        order.expires_ms or asked.time_ms + int(COMMAND_EXPIRES_S * 1000),
    )


def _step(event: Event) -> CommandStep:
    state = STATES[event.type]
    match event.payload:
        case CommandProgress(result=result, reason=reason, reply=reply):
            return CommandStep(state, event.time_ms, result, reason, reply)
        case _:
            return CommandStep(state, event.time_ms)


STATES: Final[dict[str, State]] = {
    "command.requested": "requested",
    "command.sent": "sent",
    "command.acked": "acked",
    "command.effective": "effective",
    "command.failed": "failed",
    "command.expired": "expired",
}
