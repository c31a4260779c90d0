"""Commands: POST one to a vehicle, and see how far it has come. A command is an intent on the event log."""

import secrets
import time
from typing import Annotated, Final, Literal

import msgspec
import trio
from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, HeaderParameter, JSONBody

from api.guards import principal_of
from api.parts import Parts
from api.problems import CHANGES, KEYED, Problem, answers
from core.events import CommandProgress, CommandRequested, Event, derive_id
from core.limits import COMMAND_EXPIRES_S

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
    if not 0 < vehicle_id < 2**31 or not await sync_to_thread(parts.reader.sees, principal, vehicle_id):
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    message = "0x" + data.message[2:].upper()
    if fault := parts.command_fault(message, data.fields):
        raise Problem("message_unsupported", fault)
    now_ms = time.time_ns() // 1_000_000
    event = Event(
        id=derive_id("api", "command", 1, [idempotency_key or secrets.token_hex(16)], str(vehicle_id)),
        type="command.requested",
        time_ms=now_ms,
        subject=f"vehicle:{vehicle_id}",
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
    order = events[0].payload
    steps = [_step(event) for event in events if event.type in STATES]
    return Command(command_id, order.vehicle_id, order.message, order.fields, steps[-1].state, steps)


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
