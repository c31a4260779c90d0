"""GET /api/v1/messages and /messages/{id}/form: what JT/T 808 knows here, and what each message may be filled with.

Whoever draws a form, or checks fields before they are sent, asks here: everything follows from the declarations.
"""

import functools
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request, get
from litestar.params import FromPath, QueryParameter

from api.guards import SELF
from api.messages import LANGUAGES
from api.portal.render import words_in
from api.portal.terms import choice_name, field_name, message_name, unit_name
from api.problems import KEYED, Problem, answers
from protocols.jt808.commands import needs_approval
from protocols.jt808.control import SetParameters
from protocols.jt808.forms import FormError, Input, form, id_text, parameter_input, read_id, sendable
from protocols.jt808.messages import MESSAGES, Message, answer_to, is_downlink
from protocols.jt808.parameters import PARAMETERS, Parameter
from protocols.jt808.wire import VERSIONS

Texts = dict[str, str]
"""Language -> text."""


class MessageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A message that is declared."""

    id: str
    """0x…."""
    name: str
    """As the declaration calls it, in English."""
    names: Texts
    """As people call it: `en`, `zh`."""
    direction: Literal["up", "down"]
    since: int
    until: int
    """Editions of JT/T 808 that know it: 2011, 2013, 2019."""
    answer: str
    """The message that answers it, as 0x…; empty where nothing does."""
    command: bool
    """It can be sent to a vehicle as a command."""


class MessageList(msgspec.Struct, frozen=True):
    """Every message that is declared, by id."""

    items: list[MessageInfo]


class FormField(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field to fill in. See Input of protocols/jt808/forms.py; here with its words."""

    name: str
    kind: str
    label: Texts
    required: bool = True
    """It has to be given where its `when` holds."""
    when: list[dict[str, Any]] = []
    """All of these must hold for it to be there: {field, bit} is set, or {field, values} has one of these."""
    low: int | None = None
    high: int | None = None
    unit: str = ""
    units: Texts = {}
    scale: float = 1.0
    """What one step of a number means in `unit`."""
    daily: bool = False
    """Times: less than a day is one of every day, milliseconds since midnight of the terminal's clock (GMT+8)."""
    choices: list[dict[str, Any]] = []
    """{value, name, label} of each value that has a name, or of each bit by its number."""
    bytes_max: int | None = None
    """Text in GBK, and bytes: most of them."""
    size: int | None = None
    """Bytes and digits: exactly so many bytes."""
    items_max: int | None = None
    of: "FormField | None" = None
    """Lists: what one item is."""
    fields: list["FormField"] = []
    """Objects: their fields."""


class MessageForm(MessageInfo, frozen=True, kw_only=True):
    """A message and what may be filled in."""

    version: int
    known: bool
    """This edition knows it."""
    fields: list[FormField]


class ParameterInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A parameter of a terminal: what stands in `parameters` of 0x8103 and 0x0104 as {id or name, value}."""

    id: str
    name: str
    names: Texts
    since: int
    until: int
    approved: bool
    """Setting it may lead the terminal elsewhere: two people have to approve."""
    value: FormField
    """What it may be set to."""


class ParameterList(msgspec.Struct, frozen=True):
    """Every parameter that is declared, by id."""

    items: list[ParameterInfo]


@get("/messages", opt={"right": SELF}, summary="Messages of JT/T 808", responses=answers(*KEYED))
async def list_declared(request: Request) -> MessageList:
    """Return every message that is declared, by id: which way it goes, which editions know it, what answers it."""
    return MessageList([MessageInfo(**_info(number, declared)) for number, declared in sorted(MESSAGES.items())])


@get(
    "/messages/{message:str}/form",
    opt={"right": SELF},
    summary="What a message may be filled with",
    responses=answers("bad_request", "message_unknown", *KEYED),
)
async def read_form(
    request: Request,
    message: FromPath[str],
    version: Annotated[int, QueryParameter(ge=2011, le=2019, description="Edition: 2011, 2013 or 2019")] = 2019,
) -> MessageForm:
    """Return the fields of a message as an edition has them, in wire order; counts follow from their lists.

    404 `message_unknown`.
    """
    if version not in VERSIONS:
        raise Problem("bad_request", f"version: {version} is none of {', '.join(map(str, VERSIONS))}", field="version")
    try:
        number = read_id(message)
        found = form(number, version)
    except FormError as error:
        raise Problem("message_unknown", str(error)) from None
    fields = [_field(one) for one in found.fields]
    return MessageForm(**_info(number, MESSAGES[number]), version=version, known=found.known, fields=fields)


@get("/parameters", opt={"right": SELF}, summary="Parameters of terminals", responses=answers("bad_request", *KEYED))
async def list_parameters(
    request: Request,
    version: Annotated[int, QueryParameter(ge=2011, le=2019, description="Edition: 2011, 2013 or 2019")] = 2019,
) -> ParameterList:
    """Return every parameter that is declared, by id, with what an edition sets it to. Others are bytes."""
    if version not in VERSIONS:
        raise Problem("bad_request", f"version: {version} is none of {', '.join(map(str, VERSIONS))}", field="version")
    return _parameters(version)


@functools.cache
def _parameters(version: int) -> ParameterList:
    """Made once an edition: it takes a tenth of a second."""
    return ParameterList(
        [
            ParameterInfo(
                id=id_text(id),
                name=row.name,
                names={language: field_name("Parameter", row.name, words_in(language)) for language in LANGUAGES},
                since=row.since,
                until=row.until,
                approved=leads_away(id),
                value=_field(parameter_input(id, version)),
            )
            for id, row in sorted(PARAMETERS.items())
        ]
    )


def leads_away(parameter: int) -> bool:
    """Tell whether two people have to approve that a parameter is set."""
    return needs_approval(0x8103, SetParameters(parameters=(Parameter(parameter, b""),)))


def _info(number: int, declared: Message) -> dict[str, Any]:
    answer = answer_to(number)
    return {
        "id": id_text(number),
        "name": declared.name,
        "names": {language: message_name(number, words_in(language)) for language in LANGUAGES},
        "direction": "down" if is_downlink(number) else "up",
        "since": declared.since,
        "until": declared.until,
        "answer": id_text(answer) if answer else "",
        "command": number in _SENDABLE,
    }


_SENDABLE: Final = frozenset(sendable())


def _field(one: Input) -> FormField:
    both = {language: words_in(language) for language in LANGUAGES}
    return FormField(
        name=one.name,
        kind=one.kind,
        label={language: field_name(one.struct, one.name, words) for language, words in both.items()},
        required=one.required,
        when=[msgspec.to_builtins(when) for when in one.when],
        low=one.low,
        high=one.high,
        unit=one.unit,
        units={language: unit_name(one.unit, words) for language, words in both.items()} if one.unit else {},
        scale=one.scale,
        daily=one.daily,
        choices=[
            {
                "value": choice.value,
                "name": choice.name,
                "label": {language: choice_name(one.name, choice.name, words) for language, words in both.items()},
            }
            for choice in one.choices
        ],
        bytes_max=one.bytes_max,
        size=one.size,
        items_max=one.items_max,
        of=None if one.of is None else _field(one.of),
        fields=[_field(inner) for inner in one.fields],
    )


RESOURCES: Final = (list_declared, read_form, list_parameters)
