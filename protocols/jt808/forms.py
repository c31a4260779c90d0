"""What may be put into a message: its fields as a form draws them, walked from the declaration.

`form(0x8202, 2013)` says that a temporary tracking has an interval in seconds, 0 to 65,535, and a time that may be left
out. Whatever asks people for a message (the portal, a script) asks for what stands here, and nothing is described
twice. The values are plain ones as plain.py reads them: numbers as on the wire (`scale` says what one step means),
bytes as hexadecimal digits, times as UTC epoch milliseconds, Structs as objects, lists as lists.

Counts are left out: they follow from their lists.
"""

from typing import Any, Final, Literal

import msgspec

from protocols.jt808.codec import BODY_BYTES_MAX
from protocols.jt808.messages import MESSAGES, is_downlink
from protocols.jt808.parameters import PARAMETERS, VALUE_BYTES_MAX, ParameterValue, wire_at
from protocols.jt808.recorder import RecorderBlock
from protocols.jt808.wire import (
    Condition,
    Count,
    Decimal,
    Digits,
    Field,
    Gbk,
    IfBit,
    IfEqual,
    Joined,
    Many,
    Nested,
    OneOf,
    Packed,
    Part,
    Period,
    Raw,
    Signed,
    SignMagnitude,
    Time,
    Unsigned,
    Wire,
    layout,
)

Kind = Literal["number", "choice", "bits", "text", "bytes", "digits", "time", "object", "list", "variant", "parameter"]
"""`parameter` is any of PARAMETERS, {"id" or "name", "value"}: `parameter_input` draws the value of each."""


class Choice(msgspec.Struct, frozen=True):
    """One value of a choice, or the number of one bit, and its English name in the declaration."""

    value: int
    name: str


class When(msgspec.Struct, frozen=True, omit_defaults=True):
    """The field is there when an earlier one of the same object has this bit set, or one of these values."""

    field: str
    bit: int | None = None
    values: tuple[int, ...] = ()


class Input(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One field to fill in."""

    name: str
    kind: Kind
    struct: str = ""
    """The declared Struct that it stands in: with the name the key of its words."""
    required: bool = True
    """It has to be given where its `when` holds. What is not may be left out or null."""
    when: tuple[When, ...] = ()
    """All of these must hold for it to be there."""
    low: int | None = None
    high: int | None = None
    """Numbers: the least and the greatest, as on the wire."""
    unit: str = ""
    scale: float = 1.0
    """What one step of a number means in `unit`."""
    daily: bool = False
    """Times: less than a day is one of every day, milliseconds since midnight of the terminal's clock (GMT+8)."""
    choices: tuple[Choice, ...] = ()
    """Kind choice: the values that have a name; others within the bounds are allowed. Kind bits: the bits."""
    bytes_max: int | None = None
    """Text in GBK, and bytes: most of them; None: as many as the message takes."""
    size: int | None = None
    """Bytes and digits: exactly so many bytes."""
    items_max: int | None = None
    """Lists: most items; None: as many as the message takes."""
    of: "Input | None" = None
    """Lists: what one item is."""
    fields: tuple["Input", ...] = ()
    """Objects: their fields. Kind variant: the objects of which it is one; the value says which in `item`."""


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """One message as one edition of JT/T 808 has it."""

    message: str
    """Its id as 0x…."""
    name: str
    version: int
    known: bool
    """The edition knows it; terminals of it may not."""
    fields: tuple[Input, ...]


class FormError(LookupError):
    """No such message is declared."""


def form(message: int, version: int) -> Form:
    """Return what may be put into a message as a terminal of this edition (2011, 2013, 2019) takes it.

    Raises:
        FormError: the message is not declared.
    """
    declared = MESSAGES.get(message)
    if declared is None:
        raise FormError(f"message {message:#06x} is not declared")
    laid_out = declared.layouts(version, -1)[0]
    return Form(
        message=id_text(message),
        name=declared.name,
        version=version,
        known=declared.since <= version <= declared.until,
        fields=_fields(declared.body, laid_out),
    )


def id_text(message: int) -> str:
    """Return a message id as it is written everywhere: 0x8A00."""
    return f"0x{message:04X}"


def read_id(text: str) -> int:
    """Return a message id that is written as 0x and four digits.

    Raises:
        FormError: it is not.
    """
    digits = text[2:]
    if text[:2] not in ("0x", "0X") or len(digits) != 4 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise FormError(f"{text[:16]} is no message id: 0x and four digits")
    return int(digits, 16)


PROTOCOL_ANSWERS: Final = frozenset({0x8001, 0x8003, 0x8004, 0x8100, 0x8109, 0x8800, 0x9212})
"""Downlinks that the platform sends of itself, as answers: nobody asks for one."""


def sendable() -> tuple[int, ...]:
    """Return the downlinks that a person may send, by id."""
    return tuple(message for message in sorted(MESSAGES) if is_downlink(message) and message not in PROTOCOL_ANSWERS)


def parameter_input(id: int, version: int) -> Input:
    """Return the value of a declared parameter as an input, called by its name. Raises KeyError for any other id."""
    wire = wire_at(id, version)
    if wire is None:
        raise KeyError(id)
    drawn = _drawn(PARAMETERS[id].name, wire, "Parameter", version)
    return msgspec.structs.replace(drawn, bytes_max=VALUE_BYTES_MAX) if drawn.kind == "text" else drawn


def _fields(struct: type[msgspec.Struct], version: int) -> tuple[Input, ...]:
    fields = layout(struct, version)
    return tuple(_input(struct, field, fields, version) for field in fields if not isinstance(field.wire, Count))


def _input(struct: type[msgspec.Struct], field: Field, fields: tuple[Field, ...], version: int) -> Input:
    drawn = _drawn(field.name, field.wire, struct.__name__, version)
    when = tuple(found for found in map(_when, field.conditions) if found is not None)
    # What is there when bytes remain may be left out; so may what None has bytes for, and what has a value of its own.
    may_lack = len(when) < len(field.conditions) or field.wire.none_written or _has_default(struct, field.name)
    # A recorder is asked by a block: one without is for those who know what they do.
    may_lack = may_lack and not isinstance(field.wire, RecorderBlock)
    bytes_max = drawn.bytes_max
    if isinstance(field.wire, Gbk) and field.wire.size is None and not field.wire.prefix:
        bytes_max = BODY_BYTES_MAX - sum(_size(other.wire) for other in fields if not other.conditions)
    return msgspec.structs.replace(drawn, required=not may_lack, when=when, bytes_max=bytes_max)


def _has_default(struct: type[msgspec.Struct], name: str) -> bool:
    """Tell whether a field that is not given has a value that can be written; None has none."""
    found = next(one for one in msgspec.structs.fields(struct) if one.name == name)
    return found.default is not msgspec.NODEFAULT and found.default is not None


def _when(condition: Condition) -> When | None:
    if isinstance(condition, IfBit):
        return When(condition.field, bit=condition.bit)
    if isinstance(condition, IfEqual):
        return When(condition.field, values=condition.values)
    return None


def _drawn(name: str, wire: Wire, struct: str, version: int) -> Input:
    """Return one wire type as an input, its conditions aside."""
    common: dict[str, Any] = {"name": name, "struct": struct}
    if isinstance(wire, Unsigned):
        greatest = (2**wire.width if isinstance(wire, Part) else 256**wire.size) - 1
        # All ones are no number where they stand for None.
        common |= {"low": 0, "high": greatest - 1 if wire.absent == greatest else greatest}
        if wire.names is not None:
            return Input(kind="choice", choices=_choices(wire.names), **common)
        if wire.bits is not None:
            return Input(kind="bits", choices=_choices(wire.bits), **common)
        return Input(kind="number", **common, **_measure(wire))
    if isinstance(wire, Signed):
        half = 256**wire.size // 2
        common |= {"low": 1 - half if isinstance(wire, SignMagnitude) else -half, "high": half - 1}
        return Input(kind="number", **common, **_measure(wire))
    if isinstance(wire, Time):
        return Input(kind="time", daily=isinstance(wire, Period), **common)
    if isinstance(wire, Many):
        counted = wire.count if isinstance(wire.count, int) else 1
        return Input(
            kind="list",
            of=_drawn(name, wire.of, struct, version),
            items_max=256**counted - 1 if counted else None,
            **common,
        )
    if isinstance(wire, Joined):
        # Whatever is left out is an empty text between its semicolons.
        optional = (msgspec.structs.replace(one, required=False) for one in _fields(wire.struct, version))
        return Input(kind="object", fields=tuple(optional), **common)
    if isinstance(wire, Nested | Packed):
        return Input(kind="object", fields=_fields(wire.struct, version), **common)
    if isinstance(wire, Decimal):
        return Input(kind="number", low=0, high=2**32 - 1, **common, **_measure(wire))
    if isinstance(wire, ParameterValue):
        return Input(kind="parameter", **common)
    if isinstance(wire, OneOf):
        objects = sorted((one for one in wire.wires if isinstance(one, Nested)), key=lambda one: one is not wire.usual)
        if not objects:
            # A number in one edition and a text in another: the text is what terminals take.
            return _drawn(name, wire.wires[-1], struct, version)
        variants = tuple(_drawn(one.struct.__name__, one, struct, version) for one in objects)
        return Input(kind="variant", fields=variants, **common)
    if isinstance(wire, Raw):
        most = wire.size if wire.size is not None else 256**wire.prefix - 1 if wire.prefix else None
        if isinstance(wire, Gbk):
            return Input(kind="text", bytes_max=most, **common)
        return Input(kind="digits" if isinstance(wire, Digits) else "bytes", bytes_max=most, size=wire.size, **common)
    raise TypeError(f"{struct}.{name}: no form has a {type(wire).__name__}")


def _measure(wire: Wire) -> dict[str, Any]:
    return {"unit": wire.unit} | ({"scale": wire.scale} if wire.scale != 1.0 else {})


def _choices(names: Any) -> tuple[Choice, ...]:
    return tuple(Choice(value, name) for value, name in sorted(names.items()))


def _size(wire: Wire) -> int:
    """Return how many bytes a field takes at least."""
    if isinstance(wire, Time):
        return 6
    if isinstance(wire, Raw):
        return wire.size or wire.prefix
    if isinstance(wire, Many):
        return wire.count if isinstance(wire.count, int) else 0
    return getattr(wire, "size", 0)
