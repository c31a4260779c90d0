"""A decoded body in a reader's words: what a terminal answered, or what was sent to it, as blocks that a page shows.

`told(struct, plain, words)` walks plain values (protocols/jt808/plain.py) beside their declaration: single fields
become pairs of a name and a value, lists of objects tables, a position a place on the map, parameters a list with their
units. A value that is missing (another edition, a right that the reader lacks) is left out; one that no declaration
speaks of is shown as it stands.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from markupsafe import Markup

from api.portal.render import Words
from api.portal.terms import choice_name, field_name, unit_name
from protocols.jt808.location import LOAD_BITS, LOADS, STATUS_BITS, LocationHead, Status
from protocols.jt808.parameters import PARAMETERS, ParameterValue
from protocols.jt808.plain import DERIVED, LATEST, Invalid, newest, parameter_id
from protocols.jt808.wire import (
    DAY_MS,
    ROW_OF,
    ByVersion,
    Count,
    Many,
    Nested,
    OneOf,
    Packed,
    Period,
    Raw,
    Time,
    Unsigned,
    Wire,
    holds,
)

DEGREE_1E7: Final = 1e7
LIST_SHOWN_MAX: Final = 24
"""Single numbers of a list that stand in one line; of the others the count is said."""

Said = Markup | str


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of what is told. `kind` says which of the others it has."""

    kind: Literal["pairs", "table", "place", "parameters"]
    title: str = ""
    pairs: list[tuple[str, Said]] = []
    heads: list[str] = []
    rows: list[list[Said]] = []
    lat: float = 0.0
    lon: float = 0.0
    groups: list[tuple[str, list["ToldParameter"]]] = []


class ToldParameter(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a terminal as it is told."""

    id: str
    name: str
    said: Said
    lines: list[tuple[str, Said]] = []
    """What it is made of, where it is more than one value."""


def told(struct: type[msgspec.Struct], plain: Mapping[str, Any], words: Words, title: str = "") -> list[Block]:
    """Return the blocks of one body: its single fields first, then each list and object with its name."""
    wires = newest(struct)
    pairs: list[tuple[str, Said]] = []
    further: list[Block] = []
    location = issubclass(struct, LocationHead)
    for name, wire in wires.items():
        if name not in plain or isinstance(wire, Count) or (location and name in _PLACED):
            continue
        value, label = plain[name], field_name(struct.__name__, name, words)
        if value is None:
            continue
        if isinstance(wire, Nested | Packed) and isinstance(value, Mapping):
            further += told(wire.struct, value, words, label)
        elif isinstance(value, list) and name == "items" and location:
            pairs += item_pairs(value, words)
        elif isinstance(wire, Many) and isinstance(wire.of, ParameterValue) and isinstance(value, list):
            further.append(Block(kind="parameters", title=label, groups=parameters(value, words)))
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            further.append(table(wire, value, words, label))
        else:
            pairs.append((label, said(struct.__name__, name, wire, value, words)))
    blocks = [*_place(plain, title)] if location else []
    if pairs or not (blocks or further):
        blocks.append(Block(kind="pairs", title="" if blocks else title, pairs=pairs))
    return blocks + further


_PLACED: Final = frozenset({"latitude", "longitude", *DERIVED})


def _place(plain: Mapping[str, Any], title: str) -> list[Block]:
    if not plain.get("fixed") or "lat_1e7" not in plain or "lon_1e7" not in plain:
        return []
    lat, lon = plain["lat_1e7"] / DEGREE_1E7, plain["lon_1e7"] / DEGREE_1E7
    return [Block(kind="place", title=title, lat=lat, lon=lon)]


def item_pairs(items: Sequence[Mapping[str, Any]], words: Words) -> list[tuple[str, Said]]:
    """Return a location's additional items as pairs; one that is not declared by its id and bytes."""
    pairs: list[tuple[str, Said]] = []
    for item in items:
        kind = str(item.get("item", ""))
        struct = _ITEMS.get(kind)
        if struct is None:
            pairs.append((f"0x{item.get('id', 0):02X}", code(str(item.get("data", "")))))
            continue
        for block in told(struct, {name: value for name, value in item.items() if name != "item"}, words):
            pairs += block.pairs
            pairs += [(block.title, " · ".join(str(cell) for cell in row)) for row in block.rows]
    return pairs


_ITEMS: Final = {struct.__name__: struct for struct in ROW_OF}


# --- parameters -------------------------------------------------------------------------------------------------------

PARAMETER_GROUPS: Final[dict[str, tuple[range, ...]]] = {
    "report": (range(0x0020, 0x0023), range(0x0027, 0x0033)),
    "link": (range(0x0001, 0x0008),),
    "driving": (range(0x0055, 0x005F),),
    "alarm": (range(0x0050, 0x0055), range(0x007A, 0x007B)),
    "vehicle": (range(0x0080, 0x0085),),
    "server": (range(0x0010, 0x001E), range(0x0023, 0x0027)),
    "phone": (range(0x0040, 0x004A),),
    "picture": (range(0x0064, 0x0066), range(0x0070, 0x0075)),
    "video": (range(0x0075, 0x007A), range(0x007B, 0x007D)),
    "gnss": (range(0x0090, 0x0096),),
    "can": (range(0x0100, 0x0200),),
    "safety": (range(0xF364, 0xF371),),
}
"""Where each parameter stands, in the order in which people look for them."""


def parameter_group(id: int) -> str:
    """Return the group of a parameter; `other` for one that is not declared."""
    return next((key for key, ranges in PARAMETER_GROUPS.items() if any(id in one for one in ranges)), "other")


def parameters(values: Sequence[Any], words: Words) -> list[tuple[str, list[ToldParameter]]]:
    """Return parameters as they are told, by their groups; a list that has no objects tells nothing."""
    grouped: dict[str, list[ToldParameter]] = {key: [] for key in (*PARAMETER_GROUPS, "other")}
    for plain in values:
        if not isinstance(plain, Mapping):
            continue
        try:
            id = parameter_id(plain)
        except Invalid:
            continue
        grouped[parameter_group(id)].append(_parameter(id, plain, words))
    return [(words.t(f"commands_parameters_{key}"), told_of) for key, told_of in grouped.items() if told_of]


def _parameter(id: int, plain: Mapping[str, Any], words: Words) -> ToldParameter:
    row, value = PARAMETERS.get(id), plain.get("value")
    name = field_name("Parameter", row.name, words) if row else ""
    lines: list[tuple[str, Said]] = []
    if row is None or value is None:
        shown: Said = code(str(plain.get("data", ""))) if "data" in plain else as_it_stands(value)
    elif isinstance(value, Mapping):
        shown, lines = "", list(_lines(_struct_of(row.wire, value), value, words))
    else:
        shown = said("Parameter", row.name, _single(row.wire, value), value, words)
    return ToldParameter(id=f"0x{id:04X}", name=name, said=shown, lines=lines)


def _lines(struct: type[msgspec.Struct], plain: Mapping[str, Any], words: Words) -> Iterator[tuple[str, Said]]:
    """Yield a value's fields, those of objects inside with what they stand in in front."""
    for block in told(struct, {name: value for name, value in plain.items() if name != "item"}, words):
        front = f"{block.title} · " if block.title else ""
        yield from ((front + name, value) for name, value in block.pairs if value != "0" or not front)
        for row in block.rows:
            yield block.title, " · ".join(f"{head} {bare(cell)}" for head, cell in zip(block.heads, row, strict=True))


def _struct_of(wire: Any, value: Mapping[str, Any]) -> type[msgspec.Struct]:
    """Return the Struct that a parameter's value is."""
    if isinstance(wire, ByVersion):
        wire = wire.at(LATEST)
    if isinstance(wire, OneOf):
        objects = {one.struct.__name__: one.struct for one in wire.wires if isinstance(one, Nested)}
        return objects.get(str(value.get("item")), next(iter(objects.values())))
    struct: type[msgspec.Struct] = wire.struct
    return struct


def _single(wire: Any, value: Any) -> Wire:
    """Return the wire type of a parameter's value that is no object."""
    if isinstance(wire, ByVersion):
        wire = wire.at(LATEST)
    if isinstance(wire, OneOf):
        wire = next((one for one in wire.wires if holds(one, value)), wire.wires[0])
    found: Wire = wire
    return found


def bare(value: Any) -> str:
    """Return what is told without its markup."""
    return value.striptags() if isinstance(value, Markup) else str(value)


def table(wire: Wire, values: Sequence[Any], words: Words, title: str) -> Block:
    """Return a list of objects as a table: a column for each field that any of them has."""
    of = wire.of if isinstance(wire, Many) else wire
    if not isinstance(of, Nested):
        return Block(kind="table", title=title, heads=[title], rows=[[as_it_stands(value)] for value in values])
    struct = of.struct
    columns = _columns(struct, values, words)
    rows = [[_cell(way, value, words) for way, _ in columns] for value in values]
    return Block(kind="table", title=title, heads=[head for _, head in columns], rows=rows)


def _columns(
    struct: type[msgspec.Struct], values: Sequence[Any], words: Words
) -> list[tuple[tuple[tuple[type[msgspec.Struct], str], ...], str]]:
    """Return (way to the field, head) for each column; the fields of an object inside stand as columns of their own."""
    columns: list[tuple[tuple[tuple[type[msgspec.Struct], str], ...], str]] = []
    for name, wire in newest(struct).items():
        inside = [value[name] for value in values if isinstance(value, Mapping) and value.get(name) is not None]
        if not inside or isinstance(wire, Count):
            continue
        if isinstance(wire, Nested):
            columns += [(((struct, name), *way), head) for way, head in _columns(wire.struct, inside, words)]
        else:
            columns.append((((struct, name),), field_name(struct.__name__, name, words)))
    return columns


def _cell(way: tuple[tuple[type[msgspec.Struct], str], ...], value: Any, words: Words) -> Said:
    for struct, name in way:
        if not isinstance(value, Mapping) or value.get(name) is None:
            return ""
        value, wire, holder = value[name], newest(struct)[name], struct.__name__
    return said(holder, way[-1][1], wire, value, words)


def said(struct: str, name: str, wire: Wire, value: Any, words: Words) -> Said:
    """Return one value as people read it, with its unit."""
    if value is None or value == "":
        return Markup('<span class="faint">–</span>')
    if isinstance(wire, Status) and isinstance(value, int):
        load = LOADS[(value & LOAD_BITS) >> 8]
        parts = _bits(name, value & ~LOAD_BITS, STATUS_BITS, words)
        parts += [choice_name(name, load, words)] if load else []
        return (", " if words.language == "en" else "、").join(parts) or _none(words)
    if isinstance(wire, Unsigned) and isinstance(value, int):
        if value in (special := getattr(wire, "told", {})):
            return choice_name(name, special[value], words)
        if wire.names is not None:
            named = wire.names.get(value)
            return choice_name(name, named, words) if named else f"{choice_name(name, 'reserved', words)} {value}"
        if wire.bits is not None:
            return (", " if words.language == "en" else "、").join(_bits(name, value, wire.bits, words)) or _none(words)
    if isinstance(wire, Period) and isinstance(value, int) and value < DAY_MS:
        return words.t("commands_daily", time=daily_text(value))
    if isinstance(wire, Time) and isinstance(value, int):
        return words.time(value)
    if isinstance(value, bool):
        return words.t("yes" if value else "no")
    if isinstance(value, int):
        return _measured(wire, value, words)
    if isinstance(value, list):
        return _listed(struct, name, wire, value, words)
    if isinstance(wire, Raw) and isinstance(value, str) and type(wire) is Raw:
        return code(value)
    return as_it_stands(value)


def daily_text(value: int) -> str:
    """Return milliseconds since midnight as hh:mm:ss."""
    minutes, second = divmod(value // 1000, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{second:02}"


def _none(words: Words) -> Said:
    return Markup('<span class="faint">{}</span>').format(words.t("word_none"))


def _bits(name: str, value: int, bits: Mapping[int, str], words: Words) -> list[str]:
    return [
        choice_name(name, bits.get(bit, f"bit {bit}"), words) for bit in range(value.bit_length()) if value >> bit & 1
    ]


def _measured(wire: Wire, value: int, words: Words) -> str:
    if wire.scale != 1.0:
        digits = max(0, len(f"{wire.scale:.10f}".rstrip("0").partition(".")[2]))
        return f"{value * wire.scale:.{digits}f} {unit_name(wire.unit, words)}".strip()
    return f"{value} {unit_name(wire.unit, words)}" if wire.unit else str(value)


def _listed(struct: str, name: str, wire: Wire, values: Sequence[Any], words: Words) -> Said:
    if not values:
        return Markup('<span class="faint">–</span>')
    of = wire.of if isinstance(wire, Many) else wire
    if isinstance(of, Nested):
        # A list inside a row of a list: the message itself shows it.
        return words.t("commands_values", n=len(values))
    shown = [str(said(struct, name, of, value, words)) for value in values[:LIST_SHOWN_MAX]]
    more = f" … ({len(values)})" if len(values) > LIST_SHOWN_MAX else ""
    return ", ".join(shown) + more


def code(text: str) -> Markup:
    """Return bytes in hexadecimal, in pairs."""
    pairs = " ".join(text[at : at + 2] for at in range(0, len(text), 2)).upper()
    return Markup('<code class="wrap">{}</code>').format(pairs or "–")


def as_it_stands(value: Any) -> Said:
    """Return a value that no declaration speaks of."""
    if isinstance(value, dict | list):
        return Markup('<code class="wrap">{}</code>').format(json.dumps(value, ensure_ascii=False, default=str))
    return str(value)
