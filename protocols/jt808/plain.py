"""Bodies as plain values, and plain values as bodies: what the API, commands, events and the terminal's prompt speak.

    {"setting": 1, "circles": [{"id": 7, "attributes": 0, "latitude": 30000000, "longitude": 120000000, ...}]}

A Struct is an object by its fields' names, bytes are hexadecimal digits, times are UTC epoch milliseconds, numbers are
as on the wire. In a list of different Structs each says what it is: {"item": "Odometer", "distance_km10": 5}; one that
is not declared is {"item": "Item", "id": 225, "data": "00ff"}. A Count that is None (it tells the truth) is left out.
A parameter is {"id": "0x0001", "name": "heartbeat_interval_s", "value": 60}, read by its id or its name; with `data`,
hexadecimal digits, instead of `value` where it is bytes, and with `size` where it is of another size than declared.
A location also says `lat_1e7`, `lon_1e7` and `fixed`, which follow from the others.

Both directions walk the declarations (wire.layout) by wire type: FORMS at the foot has a row for each kind. Nothing is
described twice.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from protocols.jt808 import wire
from protocols.jt808.location import LocationHead
from protocols.jt808.parameters import (
    PARAMETER_IDS,
    PARAMETERS,
    VALUE_BYTES_MAX,
    Parameter,
    ParameterValue,
    resized,
    value_bytes,
    wire_at,
)
from protocols.jt808.recorder import RecorderBlock

PLAIN_VALUES_MAX: Final = 65_536
"""Values of one body: a polygon of 21,000 corners. The depth is that of the declarations: what is nested deeper than
its declaration is refused where it begins."""
PLAIN_BYTES_MAX: Final = 1 << 20
"""Bytes of text and data in one body: an upgrade package of a megabyte."""

LATEST: Final = 2020
"""Above every layout: 2019, and 2020, our name for second readings of 2019."""
DERIVED: Final = ("lat_1e7", "lon_1e7", "fixed")
"""Properties of a LocationHead that are shown with it."""


class Invalid(Exception):  # noqa: N818 - says what is wrong with a request, which is answered, not an error of ours
    """The values do not make a body: `circles[0].radius_m: 4294967296 does not fit into 4 bytes`."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(f"{path}: {reason}" if path else reason)
        self.path = path
        """Where: names of fields joined by dots, places of lists in brackets; empty for the whole."""
        self.reason = reason

    def under(self, step: str) -> "Invalid":
        """Return the same fault as it is seen from one level higher."""
        joined = step if not self.path else f"{step}{self.path}" if self.path[0] == "[" else f"{step}.{self.path}"
        return Invalid(self.reason, joined)


class Walk:
    """One reading of plain values: for which layout, and how much may still come."""

    __slots__ = ("bytes_left", "values_left", "version")

    def __init__(self, version: int) -> None:
        self.version = version
        self.values_left = PLAIN_VALUES_MAX
        self.bytes_left = PLAIN_BYTES_MAX

    def spend(self, data_bytes: int) -> None:
        """Count one value of so many bytes."""
        self.values_left -= 1
        self.bytes_left -= data_bytes
        if self.values_left < 0:
            raise Invalid(f"more than {PLAIN_VALUES_MAX} values")
        if self.bytes_left < 0:
            raise Invalid(f"more than {PLAIN_BYTES_MAX} bytes of text and data")


class Form(NamedTuple):
    """How the values of one kind of wire are said plainly, and read again."""

    to_plain: Callable[[Any, Any], Any]
    """(wire, value) -> plain value; the value is never None."""
    from_plain: Callable[[Any, Any, Walk], Any]
    """(wire, plain value, walk) -> value. Raises Invalid, its path beginning below this value."""


# --- there ------------------------------------------------------------------------------------------------------------


def to_plain(body: msgspec.Struct) -> dict[str, Any]:
    """Return a body, or any declared Struct, as plain values that JSON can hold."""
    if not isinstance(body, wire.Unreadable | wire.Item | wire.ClippedItem) and is_declared(type(body)):
        wires = newest(type(body))
        plain = {
            name: None if value is None else form_of(wires[name]).to_plain(wires[name], value)
            for name in body.__struct_fields__
            if (value := getattr(body, name)) is not None or not isinstance(wires[name], wire.Count | wire.AsSent)
        }
        if isinstance(body, LocationHead):
            plain |= {name: getattr(body, name) for name in DERIVED}
        return plain
    # What no declaration speaks of: Item and its like, and Unknown.
    values = {name: getattr(body, name) for name in body.__struct_fields__}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}


@cache
def is_declared(struct: type[msgspec.Struct]) -> bool:
    """Tell whether a Struct's fields have wire types."""
    return all(hasattr(hint, "__metadata__") for hint in get_type_hints(struct, include_extras=True).values())


@cache
def newest(struct: type[msgspec.Struct]) -> Mapping[str, wire.Wire]:
    """Return each field's wire type, in the newest version that has the field."""
    wires: dict[str, wire.Wire] = {}
    for version in (*wire.VERSIONS, LATEST):
        wires |= {field.name: field.wire for field in wire.layout(struct, version)}
    return {name: wires[name] for name in struct.__struct_fields__}


@cache
def form_of(kind: wire.Wire) -> Form:
    """Return the form of a wire: the row of FORMS for its class, or for what that is a kind of."""
    return next(FORMS[base] for base in type(kind).__mro__ if base in FORMS)


def same(_wire: wire.Wire, value: Any) -> Any:
    return value


def struct_plain(_wire: wire.Nested, value: msgspec.Struct) -> dict[str, Any]:
    if isinstance(value, wire.Unreadable):
        return {"item": "Unreadable", "data": value.data.hex()}
    return to_plain(value)


def list_plain(many: wire.Many, values: tuple[Any, ...]) -> list[Any]:
    form = form_of(many.of)
    return [form.to_plain(many.of, value) for value in values]


def items_plain(_wire: wire.Items, items: tuple[msgspec.Struct, ...]) -> list[Any]:
    return [{"item": type(item).__name__, **to_plain(item)} for item in items]


def one_plain(one: wire.OneOf, value: Any) -> Any:
    """Which of its forms a Struct is stands in `item`."""
    if isinstance(value, msgspec.Struct):
        return {"item": type(value).__name__, **to_plain(value)}
    return value.hex() if isinstance(value, bytes) else value


def packed_plain(_wire: wire.Packed, value: Any) -> Any:
    return value if isinstance(value, int) else to_plain(value)


def parameter_plain(_wire: ParameterValue, parameter: Parameter) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": f"{parameter.id:#06x}"}
    if parameter.id in PARAMETERS:
        plain["name"] = PARAMETERS[parameter.id].name
    kind = wire_at(parameter.id, LATEST)
    if kind is None or isinstance(parameter.value, bytes):
        plain["data"] = parameter.value.hex()
    else:
        plain["value"] = form_of(kind).to_plain(kind, parameter.value)
    if parameter.size is not None:
        plain["size"] = parameter.size
    return plain


def joined_plain(_wire: wire.Joined, value: msgspec.Struct) -> dict[str, Any]:
    return to_plain(value)


def block_plain(_wire: RecorderBlock, value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else to_plain(value)


# --- and back ---------------------------------------------------------------------------------------------------------


def from_plain(struct: type[msgspec.Struct], fields: Any, version: int) -> Any:
    """Return the body that plain values make, for one layout (a row of MESSAGES names the layouts of a version).

    A field that this layout does not know is checked and kept, as the encoder leaves it out.

    Raises:
        Invalid: no such field, one is missing, or a value does not fit; what is returned can be encoded.
    """
    body = struct_from(struct, fields, Walk(version))
    try:
        wire.write(body, wire.Writer(version))
    except ValueError as error:
        # A length that only the whole shows: too many items for the number in front of them.
        raise Invalid(str(error)) from None
    return body


def struct_from(struct: type[msgspec.Struct], fields: Any, walk: Walk) -> Any:
    """Return one Struct. Raises Invalid."""
    if not isinstance(fields, dict):
        raise Invalid(f"{shown(fields)} is no object")
    walk.spend(0)
    here = {field.name: field for field in wire.layout(struct, walk.version)}
    wires = {name: here[name].wire if name in here else kind for name, kind in newest(struct).items()}
    derived = DERIVED if issubclass(struct, LocationHead) else ()
    for name in fields:
        if name not in wires and name not in derived:
            raise Invalid(f"no such field; there are {', '.join(wires) or 'none'}", shown(name))
    values: dict[str, Any] = {}
    left_out = ""
    for info in msgspec.structs.fields(struct):
        name, kind, given = info.name, wires[info.name], fields.get(info.name)
        try:
            if given is not None:
                values[name] = form_of(kind).from_plain(kind, given, walk)
            else:
                values[name] = None if name in fields or info.required else info.default
            if name in here:
                left_out = check_there(here[name], values, left_out)
            elif given is None and not info.required:
                values[name] = info.default
        except Invalid as fault:
            raise fault.under(name) from None
    body = struct(**values)
    for name in derived:
        if fields.get(name, getattr(body, name)) != getattr(body, name):
            raise Invalid(f"the other fields say {getattr(body, name)}", name)
    return body


def check_there(field: wire.Field, values: Mapping[str, Any], left_out: str) -> str:
    """Tell a field that is missing, or there and must not be, as wire.write would.

    Args:
        left_out: the first field that may be left out (IfMore) and is; nothing that may be left out comes behind it.

    Returns:
        `left_out` for the next field.

    Raises:
        Invalid: with an empty path.
    """
    value = values[field.name]
    if isinstance(field.wire, wire.Count):
        return left_out
    for condition in field.conditions:
        if isinstance(condition, wire.IfMore):
            if value is None:
                return left_out or field.name
            if left_out:
                raise Invalid(f"given, and {left_out} in front of it is not")
        elif isinstance(condition, wire.IfBit):
            if not (values[condition.field] or 0) >> condition.bit & 1:
                if value is not None:
                    raise Invalid(f"given, and bit {condition.bit} of {condition.field} is not set")
                return left_out
        elif values[condition.field] not in condition.values:
            if value is not None:
                wanted = " or ".join(str(one) for one in condition.values)
                raise Invalid(f"given, and {condition.field} is not {wanted}")
            return left_out
    if value is None and not field.wire.none_written:
        raise Invalid("missing")
    return left_out


def shown(value: Any) -> str:
    """Return a value as a fault names it, cut."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 40 else f"{text[:40]}…"


def whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Invalid(f"{shown(value)} is no whole number")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{shown(value)} is no text")
    return value


def unsigned_from(kind: wire.Unsigned, value: Any, walk: Walk) -> int:
    walk.spend(0)
    number = whole(value)
    if not 0 <= number < 1 << 8 * kind.size:
        raise Invalid(f"{number if number < 1 << 128 else 'it'} does not fit into {kind.size} bytes")
    return number


def signed_from(kind: wire.Signed, value: Any, walk: Walk) -> int:
    walk.spend(0)
    number = whole(value)
    half = 1 << 8 * kind.size - 1
    lowest = 1 - half if isinstance(kind, wire.SignMagnitude) else -half
    if not lowest <= number < half:
        raise Invalid(f"{number if abs(number) < 1 << 128 else 'it'} is not from {lowest} to {half - 1}")
    return number


def raw_from(kind: wire.Raw, value: Any, walk: Walk) -> bytes:
    digits = text(value)
    try:
        # fromhex skips spaces, which people write between bytes.
        data = bytes.fromhex(digits)
    except ValueError:
        raise Invalid(f"{shown(digits)} is not hexadecimal digits, two a byte") from None
    walk.spend(len(data))
    check_size(kind, data)
    return data


def gbk_from(kind: wire.Gbk, value: Any, walk: Walk) -> str:
    """Terminals know GBK: what is not in it would be sent as four bytes that they show as rubbish."""
    given = text(value)
    walk.spend(len(given))
    for place, character in enumerate(given):
        if character == "\x00":
            raise Invalid(f"a zero byte at {place}")
        try:
            character.encode("gbk")
        except UnicodeEncodeError:
            raise Invalid(f"{character!r} at {place} is not in GBK: a terminal cannot show it") from None
    check_size(kind, given.encode("gbk"))
    return given


def check_size(kind: wire.Raw, data: bytes) -> None:
    """Raises Invalid when so many bytes do not fit into a fixed field or behind their length."""
    if kind.size is not None and len(data) > kind.size:
        raise Invalid(f"{len(data)} bytes, there is room for {kind.size}")
    if kind.size is not None and len(data) < kind.size and not isinstance(kind, wire.Gbk):
        raise Invalid(f"{len(data)} bytes, exactly {kind.size} are needed")
    if kind.prefix and len(data) >= 1 << 8 * kind.prefix:
        raise Invalid(f"{len(data)} bytes, there is room for {(1 << 8 * kind.prefix) - 1}")


def digits_from(kind: wire.Digits, value: Any, walk: Walk) -> str:
    """Leading zeros may be left out."""
    given = text(value).upper()
    walk.spend(len(given))
    assert kind.size is not None
    if len(given) > 2 * kind.size:
        raise Invalid(f"{len(given)} digits, there is room for {2 * kind.size}")
    if not set(given) <= set("0123456789ABCDEF"):
        raise Invalid(f"{shown(given)} is not digits")
    return given.zfill(2 * kind.size)


def time_from(kind: wire.Time, value: Any, walk: Walk) -> int:
    walk.spend(0)
    time_ms = whole(value)
    try:
        wire.time_bcd(time_ms - kind.shift_ms)
    except ValueError as error:
        raise Invalid(str(error)) from None
    return time_ms


def period_from(kind: wire.Period, value: Any, walk: Walk) -> int:
    if 0 <= whole(value) < wire.DAY_MS:
        walk.spend(0)
        return int(value)
    return time_from(kind, value, walk)


def nested_from(kind: wire.Nested, value: Any, walk: Walk) -> Any:
    if kind.prefix and isinstance(value, dict) and value.get("item") == "Unreadable":
        return struct_from_raw(wire.Unreadable, value, walk)
    return struct_from(kind.struct, value, walk)


def list_from(many: wire.Many, values: Any, walk: Walk) -> tuple[Any, ...]:
    one_from = form_of(many.of).from_plain
    return tuple(each_from(values, lambda value: one_from(many.of, value, walk)))


def each_from(values: Any, read: Callable[[Any], Any]) -> list[Any]:
    if not isinstance(values, list | tuple):
        raise Invalid(f"{shown(values)} is no list")
    read_values: list[Any] = []
    for place, value in enumerate(values):
        try:
            if value is None:
                raise Invalid("missing")
            read_values.append(read(value))
        except Invalid as fault:
            raise fault.under(f"[{place}]") from None
    return read_values


def items_from(kind: wire.Items, values: Any, walk: Walk) -> tuple[msgspec.Struct, ...]:
    named = kind.named

    def item_from(value: Any) -> msgspec.Struct:
        if not isinstance(value, dict):
            raise Invalid(f"{shown(value)} is no object")
        name = value.get("item")
        if name == "Item":
            return struct_from_raw(wire.Item, value, walk)
        if name == "ClippedItem":
            return struct_from_raw(wire.ClippedItem, value, walk)
        struct = named.get(name) if isinstance(name, str) else None
        if struct is None:
            raise Invalid(f"{shown(name)} is none of Item, {', '.join(named)}", "item")
        item: msgspec.Struct = struct_from(struct, {key: each for key, each in value.items() if key != "item"}, walk)
        return item

    return tuple(each_from(values, item_from))


def part_from(kind: wire.Part, value: Any, walk: Walk) -> int:
    walk.spend(0)
    number = whole(value)
    if not 0 <= number < 1 << kind.width:
        raise Invalid(f"{number if abs(number) < 1 << 128 else 'it'} does not fit into {kind.width} bits")
    return number


def packed_from(kind: wire.Packed, value: Any, walk: Walk) -> Any:
    """From its parts, or from the number that they make."""
    if isinstance(value, dict):
        return struct_from(kind.struct, value, walk)
    return unsigned_from(wire.Unsigned(kind.size), value, walk)


def one_from(one: wire.OneOf, value: Any, walk: Walk) -> Any:
    if isinstance(value, dict):
        nested = {kind.struct.__name__: kind for kind in one.wires if isinstance(kind, wire.Nested)}
        usual = one.usual.struct.__name__ if isinstance(one.usual, wire.Nested) else None
        name = value.get("item", usual)
        if not isinstance(name, str) or name not in nested:
            raise Invalid(f"{shown(name)} is none of {', '.join(nested) or 'its forms'}", "item")
        return struct_from(nested[name].struct, {key: each for key, each in value.items() if key != "item"}, walk)
    for kind in one.wires:
        if wire.holds(kind, value) and not isinstance(value, bool):
            return form_of(kind).from_plain(kind, value, walk)
    raise Invalid(f"{shown(value)} is none of its forms")


def decimal_from(_kind: wire.Decimal, value: Any, walk: Walk) -> int | str:
    """A number, or a text: some fields are left empty."""
    if isinstance(value, str):
        return gbk_from(wire.Gbk(), value, walk)
    walk.spend(0)
    number = whole(value)
    if not 0 <= number < 1 << 32:
        raise Invalid(f"{number if abs(number) < 1 << 128 else 'it'} is not from 0 to {(1 << 32) - 1}")
    return number


def joined_from(kind: wire.Joined, value: Any, walk: Walk) -> Any:
    """A field that is not given is empty, up to the last one that is."""
    if not isinstance(value, dict):
        raise Invalid(f"{shown(value)} is no object")
    walk.spend(0)
    fields = wire.layout(kind.struct, walk.version)
    for name in value:
        if name not in kind.struct.__struct_fields__:
            raise Invalid(f"no such field; there are {', '.join(kind.struct.__struct_fields__)}", shown(name))
    last = max((place for place, field in enumerate(fields) if value.get(field.name) is not None), default=-1)
    values: dict[str, Any] = {}
    for field in fields[: last + 1]:
        given = value.get(field.name)
        values[field.name] = "" if given is None else stepped(field.name, field.wire, given, walk)
    return kind.struct(**values)


def block_from(kind: RecorderBlock, value: Any, walk: Walk) -> Any:
    """From its fields, or from the bytes of the whole block."""
    return raw_from(wire.Raw(), value, walk) if isinstance(value, str) else struct_from(kind.struct, value, walk)


def parameter_from(_wire: ParameterValue, value: Any, walk: Walk) -> Parameter:
    if not isinstance(value, dict):
        raise Invalid(f"{shown(value)} is no object")
    walk.spend(0)
    for key in value:
        if key not in ("id", "name", "value", "data", "size"):
            raise Invalid("no such field; there are id, name, value, data, size", shown(key))
    id = parameter_id(value)
    kind = wire_at(id, walk.version)
    size = value.get("size")
    if size is not None and not 0 <= whole(size) <= VALUE_BYTES_MAX:
        raise Invalid(f"{shown(size)} is not from 0 to {VALUE_BYTES_MAX}", "size")
    if value.get("data") is not None:
        if value.get("value") is not None or size is not None:
            raise Invalid("given, and value or size as well", "data")
        return Parameter(id, stepped("data", wire.Raw(prefix=1), value["data"], walk))
    if value.get("value") is None:
        raise Invalid("missing", "value")
    if kind is None:
        raise Invalid(f"{id:#06x} is not declared: it takes data, in hexadecimal digits", "value")
    read = stepped("value", kind if size is None else resized(kind, size), value["value"], walk)
    parameter = Parameter(id, read, size)
    try:
        length = len(value_bytes(parameter, walk.version))
    except ValueError as error:
        raise Invalid(str(error), "value") from None
    if length > VALUE_BYTES_MAX or (size is not None and length != size):
        raise Invalid(f"{length} bytes, there is room for {VALUE_BYTES_MAX if size is None else size}", "value")
    return parameter


def parameter_id(value: Mapping[str, Any]) -> int:
    """Return the id that `id` (0x… or a number) or `name` gives. Raises Invalid."""
    id, name = value.get("id"), value.get("name")
    if name is not None and (not isinstance(name, str) or name not in PARAMETER_IDS):
        raise Invalid(f"{shown(name)} is no name of a parameter", "name")
    if id is None:
        if name is None:
            raise Invalid("missing", "id")
        return PARAMETER_IDS[name]
    try:
        number = int(id, 16) if isinstance(id, str) else whole(id)
    except ValueError:
        raise Invalid(f"{shown(id)} is no id: 0x0001", "id") from None
    if not 0 <= number < 1 << 32:
        raise Invalid(f"{shown(id)} does not fit into 4 bytes", "id")
    if name is not None and PARAMETER_IDS[name] != number:
        raise Invalid(f"{name} is {PARAMETER_IDS[name]:#06x}", "id")
    return number


def stepped(step: str, kind: wire.Wire, value: Any, walk: Walk) -> Any:
    """Read one value, its fault beginning with where it stands."""
    try:
        return form_of(kind).from_plain(kind, value, walk)
    except Invalid as fault:
        raise fault.under(step) from None


def struct_from_raw(struct: type[msgspec.Struct], value: Mapping[str, Any], walk: Walk) -> Any:
    """Return an Item, a ClippedItem or an Unreadable: what is known of it is its bytes."""
    fields = {key: each for key, each in value.items() if key != "item"}
    wires = RAW_FIELDS[struct]
    if unknown := [key for key in fields if key not in wires]:
        raise Invalid(f"no such field; there are {', '.join(wires)}", shown(unknown[0]))
    values: dict[str, Any] = {}
    for name, kind in wires.items():
        try:
            given = fields.get(name)
            if given is None and not (struct is wire.ClippedItem and name == "length"):
                raise Invalid("missing")
            values[name] = None if given is None else form_of(kind).from_plain(kind, given, walk)
        except Invalid as fault:
            raise fault.under(name) from None
    return struct(**values)


RAW_FIELDS: Final[Mapping[type[msgspec.Struct], Mapping[str, wire.Wire]]] = {
    wire.Item: {"id": wire.Unsigned(1), "data": wire.Raw(prefix=1)},
    wire.ClippedItem: {"id": wire.Unsigned(1), "length": wire.Unsigned(1), "data": wire.Raw(prefix=1)},
    wire.Unreadable: {"data": wire.Raw()},
}
"""What is not declared, as if it were."""

FORMS: Final[Mapping[type[wire.Wire], Form]] = {
    wire.Unsigned: Form(same, unsigned_from),
    wire.Signed: Form(same, signed_from),
    wire.Raw: Form(lambda _wire, value: value.hex(), raw_from),
    wire.Gbk: Form(same, gbk_from),
    wire.Digits: Form(same, digits_from),
    wire.Time: Form(same, time_from),
    wire.Period: Form(same, period_from),
    wire.Nested: Form(struct_plain, nested_from),
    wire.Many: Form(list_plain, list_from),
    wire.Items: Form(items_plain, items_from),
    wire.Part: Form(same, part_from),
    wire.Packed: Form(packed_plain, packed_from),
    wire.OneOf: Form(one_plain, one_from),
    wire.Decimal: Form(same, decimal_from),
    wire.Joined: Form(joined_plain, joined_from),
    ParameterValue: Form(parameter_plain, parameter_from),
    RecorderBlock: Form(block_plain, block_from),
}
"""Each kind of wire, and what is a kind of it. A new kind of wire that is like none of these has its own row."""
