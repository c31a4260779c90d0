"""/vehicles/{id}/commands: talk to a car. Every downlink message as a form of its declaration, and what became of each.

The forms are drawn from protocols/jt808/forms.py, in the words of api/messages/jt808.py; nothing is said of a message
here but where it stands among the others (GROUPS), what people mostly mean by it (PRESETS), and which are common.
"""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.params import FromPath, JSONBody, QueryParameter

from api.commands import ENDS, Command, approvals_of, commands_of, edition_of
from api.guards import principal_of
from api.messages import MESSAGES as TEXTS
from api.parts import Parts
from api.portal.explain import explained
from api.portal.render import ENVIRONMENT, Words, render, words_in, words_of
from api.portal.table import Asked, Column, Empty, Moment, Rows, Table
from api.portal.terms import choice_name, field_name, message_name, unit_name
from api.portal.told import PARAMETER_GROUPS, Block, bare, daily_text, told
from api.portal.vehicle import answer_car
from api.problems import Problem
from api.vehicles import VehicleDetail, detail_of
from core.rights import Principal
from protocols.jt808.codec import BODY_BYTES_MAX, Header, encode_body, encode_frame
from protocols.jt808.commands import DEFAULT, needs_approval, policy_of
from protocols.jt808.control import SetParameters
from protocols.jt808.forms import FormError, Input, When, form, id_text, parameter_input, read_id, sendable
from protocols.jt808.framing import wrap
from protocols.jt808.messages import MESSAGES as DECLARED
from protocols.jt808.messages import answer_to
from protocols.jt808.parameters import PARAMETERS, VALUE_BYTES_MAX, Parameter, TerminalParameter
from protocols.jt808.plain import Invalid, from_plain, parameter_id
from protocols.jt808.wire import DAY_MS

HISTORY_PAGE: Final = 20
EDITION_DEFAULT: Final = 2013
"""For a car whose terminal has not said which edition it speaks: what 2013 knows, a 2019 knows as well, mostly."""
EXPIRES_S: Final = (60, 600, 3_600, 86_400)
"""How long a command may wait for a car that is offline."""
PREVIEW_PHONE: Final = "13900000000"

GROUPS: Final[dict[str, tuple[int, ...]]] = {
    "query": (0x8201, 0x8104, 0x8106, 0x8107, 0x8702, 0x8204),
    "set": (0x8103, 0x8108, 0x8900, 0x8A00),
    "control": (0x8202, 0x8203, 0x8105, 0x8500),
    "text": (0x8300, 0x8302, 0x8301, 0x8303, 0x8304, 0x8400, 0x8401),
    "media": (0x8801, 0x8802, 0x8803, 0x8805, 0x8804),
    "video": (
        0x9003, 0x9101, 0x9102, 0x9105, 0x9205, 0x9201, 0x9202, 0x9206, 0x9207, 0x9208, 0x9301, 0x9302, 0x9303, 0x9304,
        0x9305, 0x9306,
    ),
    "area": (0x8600, 0x8601, 0x8602, 0x8603, 0x8604, 0x8605, 0x8606, 0x8607, 0x8608),
    "recorder": (0x8700, 0x8701),
}  # fmt: skip
"""Where each message that a person may send stands in the list, in the order in which people look for them."""

COMMON: Final = (0x8201, 0x8300, 0x8103, 0x8104, 0x8202, 0x8801)
"""What most people come for, in front of all groups."""

PRESETS: Final[dict[int, dict[str, Any]]] = {
    0x8202: {"interval_s": 5, "valid_s": 300},
    0x8203: {"alarm_serial": 0},
    0x8300: {"flags": 0b100, "kind": 1},
    0x8302: {"flags": 0b1000},
    0x8801: {
        "channel": 1, "command": 1, "interval_s": 0, "store": 0, "resolution": 2, "quality": 5, "brightness": 128,
        "contrast": 64, "saturation": 64, "chroma": 128,
    },
    # In 2013 the doors are a flag, in 2019 the first of a list.
    0x8500: {"controls": [{"kind": 1}]},
    0x8802: {"channel": 0},
    0x8803: {"channel": 0},
    0x8804: {"command": 1, "time_s": 30, "store": 0, "rate": 0},
    0x9101: {"channel": 1, "kind": 0, "stream": 1, "udp_port": 0},
    0x9102: {"channel": 1},
    0x9205: {"channel": 0, "alarms": 0},
    0x9201: {"channel": 1, "udp_port": 0},
    0x9206: {"channel": 1, "port": 21, "alarms": 0, "conditions": 0b111},
    0x9301: {"channel": 1, "speed": 100},
    **{message: {"channel": 1} for message in (0x9302, 0x9303, 0x9304, 0x9305, 0x9306, 0x9202, 0x9105)},
}  # fmt: skip
"""Message -> fields that stand in its form from the beginning: what is meant most of the time."""

TAKING_AWAY: Final = frozenset({0x8601, 0x8603, 0x8605, 0x8607})
"""Messages of which nothing filled in means everything."""


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the list."""

    id: str
    name: str
    href: str
    why_not: str
    """Why this terminal does not take it; empty where it does."""
    current: bool


class Order(msgspec.Struct, frozen=True):
    """What a preview is asked for."""

    message: Annotated[str, msgspec.Meta(pattern="^0x[0-9A-Fa-f]{4}$")]
    fields: dict[str, Any] = {}
    version: int = EDITION_DEFAULT


@get("/vehicles/{vehicle_id:int}/commands", include_in_schema=False, opt={"right": "events.read"})
async def vehicle_commands_page(request: Request[Any, Any, Any], vehicle_id: FromPath[int]) -> Response[Any]:
    """Show what may be sent to the car, the form of the chosen message, and what became of what was sent."""
    parts: Parts = request.app.state.parts
    principal = principal_of(request)
    query = request.query_params
    if query.get("format"):
        return await export_of(parts, vehicle_id).export(request, query["format"])
    words = words_of(request)
    before = int(query["before"]) if query.get("before", "").isdecimal() and len(query["before"]) < 19 else 0

    def history(car: VehicleDetail) -> dict[str, Any]:
        page = commands_of(parts, principal, vehicle_id, before=before, limit=HISTORY_PAGE)
        here = words_in(words.language, car.store.time_zone)
        shown = [shown_command(one, here) for one in page.items]
        return {
            "car": car,
            "commands": shown,
            "names": {f"account:{principal.account}": principal.name or principal.login},
            "state_kinds": STATE_KINDS,
            "seen": _mark(page.items),
            "older": page.next,
            "before": before,
        }

    def read() -> dict[str, Any]:
        car = detail_of(parts, principal, vehicle_id)
        found = history(car)
        if not principal.may("commands.send"):
            return found
        here = words_in(words.language, car.store.time_zone)
        known = edition_of(parts, principal, vehicle_id)
        version = known or EDITION_DEFAULT
        chosen = sendable_id(query["message"]) if query.get("message") else COMMON[0]
        drawn = form(chosen, version)
        values: Mapping[str, Any] = PRESETS.get(chosen, {})
        if like := query.get("like", ""):
            values = _like(parts, principal, like[:64], drawn.message) or values
        elif change := query.get("change", ""):
            values = _changed(parts, principal, change[:64], set(query.getall("parameter", [])))
        return found | {
            "version": known,
            "groups": offered(chosen, known, car.vehicle_id, words),
            "form": drawn,
            "form_name": message_name(chosen, words),
            "why_not": why_not(chosen, known, words),
            "values": values,
            "answer": answer_name(chosen, words),
            "expires": EXPIRES_S,
            "approving": policy_of(chosen).approved is not DEFAULT.approved,
            "immobilising": policy_of(chosen).immobilising is not DEFAULT.immobilising,
            "offset_min": _offset_min(here),
            "draws": Drawing(words, here),
        }

    block = "history" if query.get("part") == "history" else ""
    if block:
        car = await sync_to_thread(detail_of, parts, principal, vehicle_id)
        found = await sync_to_thread(history, car)
        if found["seen"] == query.get("seen"):
            return Response(None, status_code=204)
        return await answer_car(request, "vehicle_commands.html", lambda: found, block=block)
    return await answer_car(request, "vehicle_commands.html", read)


@post("/commands/preview", include_in_schema=False, opt={"right": "commands.send"}, status_code=200)
async def command_preview(request: Request[Any, Any, Any], data: JSONBody[Order]) -> Response[Any]:
    """Answer with the frame that these fields make, explained byte by byte, or with what is wrong with them."""
    words = words_of(request)
    number = sendable_id(data.message)
    shown: dict[str, Any] = {"fault": "", "frame": None, "size": 0, "approvals": 0}
    try:
        frame, shown["size"] = await sync_to_thread(frame_of, number, data.fields, data.version)
        shown["frame"] = explained(frame.hex(), words)[0] if frame else None
        shown["approvals"] = approvals_of(data.message, data.fields, data.version)
    except Invalid as fault:
        shown["fault"] = str(fault)
    return render(request, "command_preview.html", block="preview", most=BODY_BYTES_MAX, **shown)


def sendable_id(text: str) -> int:
    """Return the id of a message that a person may send.

    Raises:
        Problem: message_unsupported: it is none.
    """
    try:
        message = read_id(text)
    except FormError as error:
        raise Problem("message_unsupported", str(error)) from None
    if message not in _SENDABLE:
        raise Problem("message_unsupported", f"{id_text(message)} cannot be sent as a command")
    return message


def first_body(message: int, fields: Mapping[str, Any], version: int) -> msgspec.Struct:
    """Return the body in the first layout that takes it: an alarm's id has one for each province. Raises Invalid."""
    first: Invalid | None = None
    for layout in DECLARED[message].layouts(version, -1):
        try:
            body: msgspec.Struct = from_plain(DECLARED[message].body, dict(fields), layout)
        except Invalid as fault:
            first = first or fault
        else:
            return body
    assert first is not None
    raise first


def frame_of(message: int, fields: Mapping[str, Any], version: int) -> tuple[bytes, int]:
    """Return the frame that a message makes, b"" for one that does not go into a single frame, and its body's size.

    Raises:
        Invalid: the fields make none.
    """
    header = Header(message, PREVIEW_PHONE, 1, version)
    body = first_body(message, fields, version)
    try:
        data = encode_body(body, header)
        return (wrap(encode_frame(body, header)) if len(data) <= BODY_BYTES_MAX else b"", len(data))
    except ValueError as fault:
        raise Invalid(str(fault)) from None


@get("/commands/parameter", include_in_schema=False, opt={"right": "commands.send"})
async def command_parameter(
    request: Request[Any, Any, Any],
    id: Annotated[str, QueryParameter(max_length=10)] = "",
    version: Annotated[int, QueryParameter(ge=2011, le=2019)] = EDITION_DEFAULT,
    number: Annotated[int, QueryParameter(ge=0, le=999_999)] = 0,
) -> Response[Any]:
    """Give the fields of one parameter, to be put into a form of 0x8103; `number` keeps its elements' names apart."""
    words = words_of(request)
    draws = Drawing(words, words)
    shown = draws.parameter(id, version)
    return render(request, "command_parameter.html", block="item", shown=shown, draws=draws, number=number)


# --- what the page is made of -----------------------------------------------------------------------------------------


def offered(chosen: int, version: int | None, vehicle_id: int, words: Words) -> list[tuple[str, str, list[Offered]]]:
    """Return the groups of messages: key, title, messages; the common ones first."""

    def one(message: int) -> Offered:
        return Offered(
            id=id_text(message),
            name=message_name(message, words),
            href=f"/vehicles/{vehicle_id}/commands?message={id_text(message)}",
            why_not=why_not(message, version, words),
            current=message == chosen,
        )

    groups = {"common": COMMON, **GROUPS}
    return [
        (key, words.t(f"commands_group_{key}"), [one(message) for message in group if message in _SENDABLE])
        for key, group in groups.items()
    ]


def why_not(message: int, version: int | None, words: Words) -> str:
    """Return why a terminal of this edition does not take a message; empty where it does, or where nobody knows."""
    declared = DECLARED[message]
    if version is None or declared.since <= version <= declared.until:
        return ""
    key = "commands_since" if version < declared.since else "commands_until"
    return words.t(key, version=version, edition=declared.since if version < declared.since else declared.until)


def answer_name(message: int, words: Words) -> str:
    """Return what answers a message, in words; empty where nothing does."""
    answer = answer_to(message)
    return f"{message_name(answer, words)} {id_text(answer)}" if answer else ""


def wire_conditions(conditions: Sequence[When]) -> str:
    """Return conditions as the island reads them: `attributes:bit:1` or `kind:is:1,2`, apart by blanks."""
    return " ".join(
        f"{one.field}:bit:{one.bit}" if one.bit is not None else f"{one.field}:is:{','.join(map(str, one.values))}"
        for one in conditions
    )


ENVIRONMENT.filters["wire_conditions"] = wire_conditions


FIRST_COLLECTION: Final = 0x0110
"""0x0111-0x01FF are as this one, and picked by their id."""


class ShownParameter(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter that a form of 0x8103 can hold."""

    id: str
    name: str
    input: Input | None
    """None for one that is not declared: bytes."""
    bytes: Input
    why_not: str
    redirects: bool


class Drawing:
    """What the templates of a form ask for: labels, hints, units and values in the reader's words."""

    def __init__(self, words: Words, zoned: Words) -> None:
        self._words = words
        self._zoned = zoned

    def label(self, one: Input) -> str:
        """Return what a field is called."""
        return field_name(one.struct, one.name, self._words)

    def hint(self, one: Input) -> str:
        """Return what one should know before filling it in; empty for what speaks for itself."""
        for key in (f"hint_{one.struct.lower()}_{one.name}", f"hint_{one.name}"):
            if key in TEXTS:
                return self._words.t(key)
        if one.kind == "number" and not one.choices and one.high is not None and one.high < 2**31:
            return self._words.t("commands_bounds", low=self.scaled(one, one.low), high=self.scaled(one, one.high))
        return ""

    def choice(self, one: Input, english: str) -> str:
        """Return what a choice or a bit is called."""
        return choice_name(one.name, english, self._words)

    def unit(self, one: Input) -> str:
        """Return the unit behind a number."""
        return unit_name(one.unit, self._words)

    def scaled(self, one: Input, value: Any) -> str:
        """Return a number as the reader writes it, in its unit."""
        if not isinstance(value, int):
            return ""
        return str(value) if one.scale == 1.0 else f"{value * one.scale:.10f}".rstrip("0").rstrip(".")

    def parameter(self, id: object, version: int) -> ShownParameter:
        """Return a parameter by its id (0x0001) or its name.

        Raises:
            Problem: bad_request: it is none.
        """
        try:
            number = parameter_id({"id": id} if str(id)[:2].lower() == "0x" else {"name": id})
        except Invalid as fault:
            raise Problem("bad_request", f"id: {fault.reason}", field="id") from None
        row = PARAMETERS.get(number)
        return ShownParameter(
            id=id_text(number),
            name=field_name("Parameter", row.name, self._words) if row else "",
            input=parameter_input(number, version) if row else None,
            bytes=Input(name="value", kind="bytes", struct="Parameter", bytes_max=VALUE_BYTES_MAX),
            why_not=self._why_not(row, version) if row else self._words.t("commands_parameter_undeclared"),
            redirects=needs_approval(0x8103, SetParameters(parameters=(Parameter(number, b""),))),
        )

    def _why_not(self, row: TerminalParameter, version: int) -> str:
        if row.since <= version <= row.until:
            return ""
        key = "commands_parameter_since" if version < row.since else "commands_parameter_until"
        return self._words.t(key, edition=row.since if version < row.since else row.until)

    def parameter_groups(self, version: int) -> list[tuple[str, list[ShownParameter]]]:
        """Return the parameters to pick from, by their groups."""
        return [
            (
                self._words.t(f"commands_parameters_{key}"),
                [
                    self.parameter(id_text(id), version)
                    for one in ranges
                    for id in one
                    if id in PARAMETERS and not FIRST_COLLECTION < id < 0x0200
                ],
            )
            for key, ranges in PARAMETER_GROUPS.items()
        ]

    def moment(self, value: Any) -> str:
        """Return a time as a field for local times takes it."""
        if not isinstance(value, int):
            return ""
        if value < DAY_MS:
            return daily_text(value)
        return self._zoned.moment(value).strftime("%Y-%m-%dT%H:%M:%S")


def _offset_min(words: Words) -> int:
    return int((words.moment(0).utcoffset() or timedelta()).total_seconds() // 60)


def _like(parts: Parts, principal: Principal, command_id: str, message: str) -> Mapping[str, Any]:
    """Return the fields of an earlier command of the same message, {} where there is none that this reader may see."""
    events = parts.reader.story(principal, command_id)
    payload = events[0].payload if events and events[0].id == command_id else None
    if payload is None or getattr(payload, "message", "") != message:
        return {}
    fields: Mapping[str, Any] = payload.fields
    return fields


def _changed(parts: Parts, principal: Principal, command_id: str, chosen: set[str]) -> Mapping[str, Any]:
    """Return the parameters that a terminal answered with, to be set otherwise: those chosen, or all."""
    events = parts.reader.story(principal, command_id)
    replies = [event.payload.reply for event in events if getattr(event.payload, "command", "") == command_id]
    told_of: list[Any] = next((reply["parameters"] for reply in reversed(replies) if reply.get("parameters")), [])
    return {"parameters": [one for one in told_of if not chosen or one.get("id", "").lower() in chosen]}


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A command as the page shows it."""

    command: Command
    name: str
    sent: list[Block]
    """What was filled in."""
    reply_name: str
    reply: list[Block]
    ended: bool
    where: str
    """Query of the page of messages that opens what the terminal answered; empty where it answered nothing."""


def shown_command(command: Command, words: Words) -> Shown:
    """Return a command with its fields and its answer in words."""
    number = read_id(command.message)
    declared = DECLARED.get(number)
    answer = answer_to(number) if declared else 0
    reply = next((step.reply for step in reversed(command.steps) if step.reply), {})
    return Shown(
        command=command,
        name=message_name(number, words),
        sent=told(declared.body, command.fields, words) if declared and command.fields else [],
        reply_name=message_name(answer, words) if answer else "",
        reply=told(DECLARED[answer].body, _without_serial(reply), words) if reply and answer in DECLARED else [],
        ended=command.ended,
        where=_where(command),
    )


def _where(command: Command) -> str:
    step = next((step for step in reversed(command.steps) if step.node and step.sequence), None)
    return urlencode({"node": step.node, "open": step.sequence}) if step else ""


STATE_KINDS: Final = {
    "effective": "good",
    "acked": "good",
    "failed": "bad",
    "rejected": "bad",
    "expired": "warn",
    "unknown": "warn",
}
"""State -> the kind of its badge; the others are on their way: info."""


def _without_serial(reply: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in reply.items() if name != "reply_serial"}


def _mark(commands: Sequence[Command]) -> str:
    """Return a mark of how far these commands are: another one when anything has changed."""
    said = "".join(f"{one.id}{len(one.steps)}{one.state}" for one in commands)
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()


# --- the file ---------------------------------------------------------------------------------------------------------


def export_of(parts: Parts, vehicle_id: int) -> Table:
    """Return a car's commands as a table to take home."""
    return msgspec.structs.replace(COMMANDS, read=functools.partial(read_commands, parts, vehicle_id))


def read_commands(parts: Parts, vehicle_id: int, asked: Asked) -> Rows:
    """Return one page of a car's commands, the newest first. Blocks."""
    if parts.vehicles.one(asked.principal, vehicle_id) is None:
        raise Problem("vehicle_unknown", f"no vehicle {vehicle_id}")
    before = int(asked.after) if asked.after else 0
    page = commands_of(parts, asked.principal, vehicle_id, before=before, limit=min(asked.limit, 100))
    return Rows([(one, asked.words) for one in page.items], str(page.next) if page.next else "")


def plain_text(blocks: Sequence[Block]) -> str:
    """Return blocks as one line of text, for a cell."""
    parts = []
    for block in blocks:
        if block.kind == "place":
            parts.append(f"{block.lat:.6f}, {block.lon:.6f}")
        parts += [f"{name}: {bare(value)}" for name, value in block.pairs]
        parts += [" | ".join(bare(cell) for cell in row) for row in block.rows]
        for _, parameters in block.groups:
            for one in parameters:
                lines = ", ".join(f"{name} {bare(value)}" for name, value in one.lines)
                parts.append(f"{one.id} {one.name}: {bare(one.said) or lines}")
    return "; ".join(parts)


def _step_ms(command: Command, *states: str) -> Moment:
    return Moment(next((step.time_ms for step in command.steps if step.state in states), 0))


COMMANDS: Final = Table(
    name="commands",
    path="/vehicles",
    title="vehicle_tab_commands",
    columns=(
        Column("time", "commands_time", lambda row: Moment(row[0].steps[0].time_ms)),
        Column("message", "commands_message", lambda row: row[0].message, width="fit"),
        Column("name", "commands_name", lambda row: message_name(row[0].message, row[1])),
        Column("fields", "commands_fields", lambda row: plain_text(shown_command(*row).sent), width="grow"),
        Column("state", "commands_state", lambda row: row[1].t(f"state_{row[0].state}"), width="fit"),
        Column("sent", "state_sent", lambda row: _step_ms(row[0], "sent")),
        Column("ended", "commands_ended", lambda row: _step_ms(row[0], *ENDS, "acked")),
        Column("reason", "commands_reason", lambda row: row[0].steps[-1].reason),
        Column("reply", "commands_reply", lambda row: plain_text(shown_command(*row).reply), width="grow"),
        Column("by", "commands_who", lambda row: row[0].actor, width="fit"),
        Column("id", "commands_id", lambda row: row[0].id),
    ),
    read=lambda asked: Rows([]),
    empty=Empty("command", "commands_none", "commands_none_what"),
)
"""Commands of one car; `read` is put in by export_of."""

_SENDABLE: Final = frozenset(sendable())

PAGES: Final = (vehicle_commands_page, command_preview, command_parameter)
