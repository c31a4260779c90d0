"""The wire types that message declarations are made of: how a field lies in a body, read, written and explained.

A message is a msgspec Struct whose fields are `Annotated[python type, wire type, conditions...]`, in wire order:

    class SetCircle(Struct, frozen=True, kw_only=True):
        circle_id: Annotated[int, Unsigned(4)]
        attributes: Annotated[int, Unsigned(2, bits=AREA_BITS)]
        start_ms: Annotated[int | None, Time(), IfBit("attributes", 0)] = None
        name: Annotated[str | None, Gbk(prefix=2), Since(2019)] = None

`layout` turns that into a list of fields for one version of the standard; `read` walks it over bytes, `write` over
values. The explainer is `read` with a list of notes: there is no second description. Everything is big-endian.
"""

import contextlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Annotated, Any, Final, NamedTuple, get_type_hints

import msgspec

VERSIONS: Final = (2011, 2013, 2019)

TIME_ZONE_MS: Final = 8 * 3600 * 1000
"""Terminals speak GMT+8 (JT/T 808 section 8.18: the time of Beijing)."""
DAYS_BEFORE_2000: Final = 10_957
DAYS_BEFORE_MONTH: Final = (0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)


class BodyShort(Exception):  # noqa: N818 - not an error of ours: the layout does not fit, another one may
    """The bytes end inside a field."""

    def __init__(self, name: str, offset: int) -> None:
        super().__init__(f"the body ends before {name} is complete, at offset {offset}")
        self.name = name
        self.offset = offset


class Note(NamedTuple):
    """What one field was read from: bytes [start, end) of the frame, its value, and the wire type that read it."""

    name: str
    start: int
    end: int
    value: Any
    wire: "Wire"


class Reader:
    """A position in the bytes of one body. Offsets count from the start of `data`, the frame without flags."""

    __slots__ = ("data", "end", "faults", "misfit", "notes", "offset", "values", "vendor", "version")

    def __init__(
        self,
        data: bytes,
        offset: int,
        end: int,
        version: int,
        notes: list[Note] | None = None,
        vendor: "ItemTable | None" = None,
    ) -> None:
        self.data = data
        self.offset = offset
        self.end = end
        self.version = version
        self.faults: list[str] = []
        self.notes = notes
        self.values: dict[str, Any] = {}
        """The fields read so far of the Struct being read."""
        self.vendor = vendor
        """What the items of this maker's terminals mean; None: what they mean with most makers."""
        self.misfit = False
        """A length, a count or a time in the body makes no sense of the bytes there are: another layout may fit."""

    def take(self, length: int, name: str) -> bytes:
        start = self.offset
        if start + length > self.end:
            raise BodyShort(name, self.end)
        self.offset = start + length
        return self.data[start : self.offset]

    def note(self, name: str, length: int, value: Any, wire: "Wire") -> None:
        """Say that the `length` bytes just taken are the field `name`."""
        if self.notes is not None:
            self.notes.append(Note(name, self.offset - length, self.offset, value, wire))

    def noted(self) -> int:
        return 0 if self.notes is None else len(self.notes)

    def rewind(self, offset: int, noted: int) -> None:
        """Go back to an offset and forget what was noted since."""
        self.offset = offset
        if self.notes is not None:
            del self.notes[noted:]


class Writer:
    """The bytes of a body so far, and the version of the standard that they are written for."""

    __slots__ = ("data", "version")

    def __init__(self, version: int) -> None:
        self.data = bytearray()
        self.version = version

    def number(self, value: int, size: int) -> None:
        try:
            self.data += value.to_bytes(size, "big")
        except OverflowError:
            raise ValueError(f"{value} does not fit into {size} bytes") from None


class Wire:
    """One field on the wire. Subclasses read it from a Reader, write it to a Writer, and describe a value in words."""

    unit = ""
    scale = 1.0
    """What one step of the number means in `unit`."""
    none_written = False
    """None has bytes of its own: six zeros for a time, `absent` for a number."""

    def read(self, reader: Reader, name: str) -> Any:
        raise NotImplementedError

    def write(self, writer: Writer, value: Any) -> None:
        raise NotImplementedError

    def meaning(self, value: Any) -> str:
        """Say in English what a value means, '' when it speaks for itself."""
        if self.scale != 1.0 and isinstance(value, int):
            return f"{value * self.scale:.10g} {self.unit}"
        return ""


class Unsigned(Wire):
    """An unsigned number: the standard's BYTE, WORD, DWORD for size 1, 2, 4."""

    def __init__(
        self,
        size: int,
        unit: str = "",
        scale: float = 1.0,
        names: Mapping[int, str] | None = None,
        bits: Mapping[int, str] | None = None,
        absent: int | None = None,
    ) -> None:
        """`names` are the words of single values, `bits` of single bits; None is written as `absent`."""
        self.size = size
        self.absent = absent
        self.none_written = absent is not None
        self.unit = unit
        self.scale = scale
        self.names = names
        self.bits = bits

    def read(self, reader: Reader, name: str) -> int:
        value = int.from_bytes(reader.take(self.size, name), "big")
        reader.note(name, self.size, value, self)
        return value

    def write(self, writer: Writer, value: int | None) -> None:
        number = self.absent if value is None else value
        if number is None:
            raise ValueError("None")
        writer.number(number, self.size)

    def meaning(self, value: Any) -> str:
        if self.names is not None:
            return self.names.get(value, "reserved")
        if self.bits is not None:
            return bits_text(value, self.bits)
        return super().meaning(value)


class Told(Unsigned):
    """A number with a unit of which some values mean something else."""

    def __init__(self, size: int, unit: str, told: Mapping[int, str], scale: float = 1.0) -> None:
        super().__init__(size, unit, scale)
        self.told = told

    def meaning(self, value: Any) -> str:
        return self.told.get(value) or super().meaning(value)


class Bcd(Unsigned):
    """A number in packed BCD, two digits a byte. What is no decimal digit makes the layout unfit; read as 0."""

    def read(self, reader: Reader, name: str) -> int:
        digits = reader.take(self.size, name).hex()
        value = int(digits) if digits.isdecimal() else 0
        if not digits.isdecimal():
            reader.faults.append(f"{name}: {digits} is no number")
            reader.misfit = True
        reader.note(name, self.size, value, self)
        return value

    def write(self, writer: Writer, value: int | None) -> None:
        digits = str(value).zfill(2 * self.size)
        if not digits.isdecimal() or len(digits) > 2 * self.size:
            raise ValueError(f"{value} does not fit into {2 * self.size} digits")
        writer.data += bytes.fromhex(digits)


class Signed(Wire):
    """A two's complement number."""

    def __init__(self, size: int, unit: str = "", scale: float = 1.0) -> None:
        self.size = size
        self.unit = unit
        self.scale = scale

    def read(self, reader: Reader, name: str) -> int:
        value = int.from_bytes(reader.take(self.size, name), "big", signed=True)
        reader.note(name, self.size, value, self)
        return value

    def write(self, writer: Writer, value: int) -> None:
        try:
            writer.data += value.to_bytes(self.size, "big", signed=True)
        except OverflowError:
            raise ValueError(f"{value} does not fit into {self.size} bytes") from None


class SignMagnitude(Signed):
    """A number whose top bit is its sign and whose other bits are its magnitude (item 0x06)."""

    def read(self, reader: Reader, name: str) -> int:
        number = int.from_bytes(reader.take(self.size, name), "big")
        sign = 1 << (8 * self.size - 1)
        value = -(number & (sign - 1)) if number & sign else number
        reader.note(name, self.size, value, self)
        return value

    def write(self, writer: Writer, value: int) -> None:
        sign = 1 << (8 * self.size - 1)
        if abs(value) >= sign:
            raise ValueError(f"{value} does not fit into {8 * self.size - 1} bits")
        writer.number(abs(value) | (sign if value < 0 else 0), self.size)


class Raw(Wire):
    """Bytes as they are: `size` of them; or as many as a number of `prefix` bytes in front says; or all that remain."""

    def __init__(self, size: int | None = None, prefix: int = 0) -> None:
        self.size = size
        self.prefix = prefix

    def read(self, reader: Reader, name: str) -> Any:
        size = self.size
        if self.prefix:
            size = Unsigned(self.prefix, unit="bytes").read(reader, f"{name}.length")
        elif size is None:
            size = reader.end - reader.offset
        data = reader.take(size, name)
        value = self.value(data)
        if size:
            reader.note(name, size, value, self)
        return value

    def write(self, writer: Writer, value: Any) -> None:
        data = self.bytes(value)
        if self.prefix:
            writer.number(len(data), self.prefix)
        elif self.size is not None:
            if len(data) > self.size:
                raise ValueError(f"{value!r} takes {len(data)} bytes, there is room for {self.size}")
            data = data.ljust(self.size, self.padding)
        writer.data += data

    padding = b"\x00"

    def value(self, data: bytes) -> Any:
        return data

    def bytes(self, value: Any) -> bytes:
        if self.size is not None and len(value) != self.size:
            raise ValueError(f"{len(value)} bytes, exactly {self.size} are needed")
        return bytes(value)


class Rest(Raw):
    """All bytes that remain, or those that a prefix counts. None is written as none, and read as an empty value."""

    none_written = True

    def write(self, writer: Writer, value: Any) -> None:
        super().write(writer, value or b"")


class Gbk(Raw):
    """Text in GBK, read as GB18030 with what cannot be read replaced: terminals cut characters in two.

    Fixed fields are padded behind with 0x00 (or `padding`); the 2019 text says in front, terminals do it behind:
    0x00 and spaces are taken off on both sides. Text to the end of a body loses 0x00 at its end.
    """

    def __init__(self, size: int | None = None, prefix: int = 0, padding: bytes = b"\x00") -> None:
        super().__init__(size, prefix)
        self.padding = padding

    def value(self, data: bytes) -> str:
        if self.size is not None:
            data = data.strip(b"\x00 ")
        elif not self.prefix:
            data = data.rstrip(b"\x00")
        return data.decode("gb18030", "replace")

    def bytes(self, value: str) -> bytes:
        return value.encode("gb18030")


class Digits(Raw):
    """Packed BCD of a fixed size as text, two digits a byte, leading zeros kept. Nibbles above 9 stay letters."""

    def __init__(self, size: int) -> None:
        super().__init__(size)

    def value(self, data: bytes) -> str:
        return data.hex().upper()

    def bytes(self, value: str) -> bytes:
        assert self.size is not None
        return bytes.fromhex(value.zfill(2 * self.size))


NO_TIME: Final = "is no time"
"""How a fault ends that is nothing but a time of no day."""


class Time(Wire):
    """Six bytes of BCD, YY MM DD hh mm ss of 2000-2099 in GMT+8 (or UTC), as UTC epoch milliseconds.

    None for what is no time (hexadecimal digits, month 13, all zero); None is written as six zero bytes.
    """

    unit = "ms"
    none_written = True

    def __init__(self, utc: bool = False) -> None:
        self.shift_ms = TIME_ZONE_MS if utc else 0

    def read(self, reader: Reader, name: str) -> int | None:
        data = reader.take(6, name)
        value = bcd_time_ms(data)
        if value is not None:
            value += self.shift_ms
        if value is None and data != bytes(6):
            reader.faults.append(f"{name}: {data.hex()} {NO_TIME}")
            reader.misfit = True
        reader.note(name, 6, value, self)
        return value

    def write(self, writer: Writer, value: int | None) -> None:
        writer.data += bytes(6) if value is None else time_bcd(value - self.shift_ms)

    def meaning(self, value: Any) -> str:
        if value is None:
            return "no time"
        digits = time_bcd(value - self.shift_ms).hex()
        zone = "UTC" if self.shift_ms else "GMT+8"
        return "20{}-{}-{} {}:{}:{} {}".format(*(digits[i : i + 2] for i in range(0, 12, 2)), zone)


DAY_MS: Final = 86_400_000


class Period(Time):
    """A Time that may be one of every day: where year, month and day are zero, milliseconds since midnight.

    Less than a day is a time of every day, in the terminal's zone (GMT+8); more is UTC epoch milliseconds.
    """

    def read(self, reader: Reader, name: str) -> int | None:
        data = reader.take(6, name)
        value = daily_time_ms(data) if data[:3] == bytes(3) else bcd_time_ms(data)
        if value is None:
            reader.faults.append(f"{name}: {data.hex()} {NO_TIME}")
            reader.misfit = True
        reader.note(name, 6, value, self)
        return value

    def write(self, writer: Writer, value: int | None) -> None:
        if value is not None and 0 <= value < DAY_MS:
            minutes, second = divmod(value // 1000, 60)
            writer.data += bytes.fromhex(f"000000{minutes // 60:02}{minutes % 60:02}{second:02}")
        else:
            super().write(writer, value)

    def meaning(self, value: Any) -> str:
        if value is None or value >= DAY_MS:
            return super().meaning(value)
        minutes, second = divmod(value // 1000, 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{second:02} every day, GMT+8"


class Unreadable(msgspec.Struct, frozen=True):
    """A nested Struct whose bytes do not make one: as sent."""

    data: bytes


class Nested(Wire):
    """A Struct inside another; with `prefix`, behind a number of that many bytes that gives its length.

    One of known length that cannot be read is kept as Unreadable, with a fault.
    """

    def __init__(self, struct: type[msgspec.Struct], prefix: int = 0) -> None:
        self.struct = struct
        self.prefix = prefix

    def read(self, reader: Reader, name: str) -> Any:
        if not self.prefix:
            return read(self.struct, reader, name)
        length = Unsigned(self.prefix, unit="bytes").read(reader, f"{name}.length")
        start, outer_end = reader.offset, reader.end
        if start + length > outer_end:
            # Lengths that lie are met in the field: read what is there and say so.
            reader.faults.append(f"{name}: clipped from {length} to {outer_end - start} bytes")
            reader.misfit = True
            length = outer_end - start
        noted = reader.noted()
        reader.end = start + length
        try:
            value = read(self.struct, reader, name)
            rest = reader.end - reader.offset
            if rest:
                reader.faults.append(f"{name}: {rest} bytes too long")
                reader.misfit = True
                REST.read(reader, f"{name}.rest")
        except BodyShort as short:
            reader.rewind(start, noted)
            reader.faults.append(f"{name}: {length} bytes end before {short.name}")
            reader.misfit = True
            value = Unreadable(REST.read(reader, f"{name}.data"))
        finally:
            reader.end = outer_end
        return value

    def write(self, writer: Writer, value: Any) -> None:
        if not self.prefix:
            write(value, writer)
            return
        inner = Writer(writer.version)
        if isinstance(value, Unreadable):
            inner.data += value.data
        else:
            write(value, inner)
        writer.number(len(inner.data), self.prefix)
        writer.data += inner.data


class Count(Unsigned):
    """How many there are in a list that stands further behind, in the field `of` of the same Struct.

    Its value is None as long as it tells the truth; a terminal's number that differs from the list is kept.
    """

    def __init__(self, size: int, of: str) -> None:
        super().__init__(size)
        self.of = of

    def truth(self, body: msgspec.Struct, version: int) -> int | None:
        """Return the number that a Struct makes true; None where nothing follows from it."""
        return len(getattr(body, self.of) or ())


class TotalBytes(Count):
    """How many bytes the field `of` has in all packets of a message (2011). In this one: the number in front of it."""

    def truth(self, body: msgspec.Struct, version: int) -> int | None:
        counted = next(field.wire for field in layout(type(body), version) if field.name == self.of)
        if getattr(body, self.of) is None and not counted.none_written:
            return None
        writer = Writer(version)
        counted.write(writer, getattr(body, self.of))
        return len(writer.data) - getattr(counted, "prefix", 0)


class Many(Wire):
    """A tuple of fields of one kind, as many as `count` says; without it, to the end of the body.

    `count` is the size in bytes of a number right in front of the list, or the name of an earlier Count field. A list
    that ends early is kept as far as it is whole, with a fault. In 2011 a field `here` gives the items in this packet.
    """

    def __init__(self, of: Wire, count: int | str = 0) -> None:
        self.of = of
        self.count = count

    def read(self, reader: Reader, name: str) -> tuple[Any, ...]:
        values: list[Any] = []
        if isinstance(self.count, str):
            here = reader.values.get("here")
            count = (reader.values.get(self.count) or 0) if here is None else here
        elif self.count:
            count = Unsigned(self.count).read(reader, f"{name}.count")
        else:
            count = reader.end - reader.offset
        while len(values) < count:
            start, noted = reader.offset, reader.noted()
            if start == reader.end and not self.count:
                break
            try:
                values.append(self.of.read(reader, f"{name}[{len(values)}]"))
            except BodyShort:
                reader.rewind(start, noted)
                reader.faults.append(f"{name}: {len(values)} of {count if self.count else 'the list'} are whole")
                reader.misfit = True
                break
        return tuple(values)

    def write(self, writer: Writer, value: tuple[Any, ...]) -> None:
        if isinstance(self.count, int) and self.count:
            writer.number(len(value), self.count)
        for each in value:
            self.of.write(writer, each)


class Exactly(Many):
    """A tuple of so many fields of one kind, neither more nor less, and no number in front."""

    def __init__(self, of: Wire, number: int) -> None:
        super().__init__(of)
        self.number = number

    def read(self, reader: Reader, name: str) -> tuple[Any, ...]:
        return tuple(self.of.read(reader, f"{name}[{i}]") for i in range(self.number))

    def write(self, writer: Writer, value: tuple[Any, ...]) -> None:
        if len(value) != self.number:
            raise ValueError(f"{len(value)} items, exactly {self.number} are needed")
        super().write(writer, value)


class ByVersion(Wire):
    """One field with a different wire type in different versions: the newest one not after ours, else the oldest."""

    def __init__(self, forms: Mapping[int, Wire]) -> None:
        self.forms = forms

    def at(self, version: int) -> Wire:
        return self.forms[max((since for since in self.forms if since <= version), default=min(self.forms))]


class Form(Unsigned):
    """Which of several layouts of equal rank a Struct is in: no byte of the wire, but what the layout's name says.

    `forms` gives the form of each layout that is ours (2040: that of 2019 in form 40), `other` that of all others.
    Writing in the layout of another form is refused: who tries one layout after the other ends at the right one.
    """

    def __init__(self, forms: Mapping[int, int], other: int, names: Mapping[int, str]) -> None:
        super().__init__(1, names=names)
        self.forms = forms
        self.other = other

    def of(self, version: int) -> int:
        return self.forms.get(version, self.other)

    def read(self, reader: Reader, name: str) -> int:
        return self.of(reader.version)

    def write(self, writer: Writer, value: int | None) -> None:
        if value != self.of(writer.version):
            raise ValueError(f"{value}, and layout {writer.version} is of form {self.of(writer.version)}")


class AsSent(Raw):
    """A whole item as its terminal sent it, where we would write it otherwise: with a length that lies, a time that is
    none, a text padded in front. No byte by itself, and None as a rule; while it is there, it is what is written.
    """

    none_written = True

    def read(self, reader: Reader, name: str) -> None:
        return None

    def write(self, writer: Writer, value: Any) -> None:
        return None


class SentItem(msgspec.Struct, frozen=True, kw_only=True):
    """What those items have in common whose fields do not always tell their bytes."""

    as_sent: Annotated[bytes | None, AsSent()] = None


class Item(msgspec.Struct, frozen=True):
    """An item that is not declared, or not as long as declared: its bytes as sent."""

    id: int
    data: bytes


class WideItem(msgspec.Struct, frozen=True):
    """An item of a maker whose ids or lengths have more than one byte, not as long as declared."""

    id: int
    id_bytes: int
    length_bytes: int
    data: bytes


class ClippedItem(msgspec.Struct, frozen=True):
    """The last item of a list, which says it is longer than the bytes that are left.

    Attributes:
        length: as sent; None when not even the length byte is there.
        data: the bytes that are there.
    """

    id: int
    length: int | None
    data: bytes


class ItemRow(NamedTuple):
    """One row of an ItemTable: what an id means. A Struct has one row only, which says how it is written."""

    id: int
    struct: type[msgspec.Struct]
    lengths: tuple[int, ...] = ()
    """Lengths that have this meaning; none: whatever the Struct reads to its last byte."""
    layouts: tuple[int, ...] = (0,)
    """Layouts of the Struct to try; 0 is that of the body."""
    mend: bool = False
    """Terminals are met whose length bytes lie: when an item's length fits no layout, and what would follow makes no
    items, the layout is believed."""
    id_bytes: int = 1
    length_bytes: int = 1
    """1/1 in the standard; makers have 2/1, 2/2 and 1/4 too. 0/0 is no item but what stands in place of all items."""


ROW_OF: Final[dict[type[msgspec.Struct], ItemRow]] = {}
"""The row of each Struct that is declared as an item, whosever table it stands in."""


class ItemTable:
    """What the items of one standard, or of one maker's terminals, mean. Rows of one id are tried in order."""

    def __init__(self, name: str, rows: Iterable[ItemRow], strict: bool = False) -> None:
        """`strict`: a length that no row has is a fault of the sender, and not another maker's meaning of the id."""
        self.name = name
        self.rows = tuple(rows)
        self.strict = strict
        self.by_id: dict[tuple[int, int, int], list[ItemRow]] = {}
        """By id, its bytes, and the bytes of the length."""
        for row in self.rows:
            self.by_id.setdefault((row.id, row.id_bytes, row.length_bytes), []).append(row)
            if ROW_OF.setdefault(row.struct, row) != row:
                raise ValueError(f"{row.struct.__name__} has two rows")
        self.wide = sorted({key[1:] for key in self.by_id} & {(2, 1), (2, 2), (1, 4)}, reverse=True)


class ItemId(Unsigned):
    """The id of an item; its meaning is the name of the Struct that was read."""

    def __init__(self, size: int, word: str = "not declared") -> None:
        super().__init__(size)
        self.word = word

    def meaning(self, value: Any) -> str:
        return self.word


class Items(Wire):
    """{id, length, value} to the end of the body.

    What an id means is looked up in the table of the terminal's maker, when the Reader has one, and then in `tables`.
    """

    def __init__(self, *tables: ItemTable) -> None:
        self.tables = tables
        self.table = {row.id: row.struct for table in tables for row in reversed(table.rows) if row.id_bytes == 1}
        """The first meaning of each id, when nothing is known of the terminal."""
        self.bare = tuple(row for table in tables for row in table.rows if not row.id_bytes)

    @property
    def named(self) -> dict[str, type[msgspec.Struct]]:
        """Every Struct that an item can be, of all tables there are, by its name."""
        return {struct.__name__: struct for struct in ROW_OF}

    def read(self, reader: Reader, name: str) -> tuple[msgspec.Struct, ...]:
        items: list[msgspec.Struct] = []
        for row in self.bare:
            # Told by its length, and because it makes no items.
            if reader.end - reader.offset in row.lengths and not comes_out(reader.data, reader.offset, reader.end):
                bare = self._read_declared(row, reader, f"{name}[0]", reader.end - reader.offset)
                items += [] if bare is None else [bare]
        while reader.offset < reader.end:
            items.append(self._read_item(reader, f"{name}[{len(items)}]"))
        return tuple(items)

    def _read_item(self, reader: Reader, name: str) -> msgspec.Struct:
        if reader.vendor is not None:
            for id_bytes, length_bytes in reader.vendor.wide:
                item = self._read_wide(reader.vendor, id_bytes, length_bytes, reader, name)
                if item is not None:
                    return item
        start, noted = reader.offset, reader.noted()
        id = ITEM_ID.read(reader, f"{name}.id")
        if reader.offset == reader.end:
            reader.faults.append(f"{name}: clipped after its id {id:#04x}")
            reader.misfit = True
            return ClippedItem(id, None, b"")
        length = ITEM_LENGTH.read(reader, f"{name}.length")
        rest = reader.end - reader.offset
        rows: list[ItemRow] = []
        strict = False
        for table in self.tables if reader.vendor is None else (reader.vendor, *self.tables):
            meant = table.by_id.get((id, 1, 1), ())
            rows += meant
            strict = strict or (table.strict and bool(meant))
        item = self._read_rows(rows, reader, name, length) if length <= rest else None
        mended = item is None and self._lies(rows, reader, length)
        if mended:
            item = self._read_mended(rows, reader, name, length)
        if item is not None:
            item = kept_exactly(item, reader, start)
            if item is not None:
                name_item(reader, noted, 1, item)
                return item
            reader.rewind(start + 2, noted + 2)
        if length > rest:
            reader.faults.append(f"{name}: clipped, {id:#04x} says {length} bytes and {rest} are left")
            reader.misfit = True
            return ClippedItem(id, length, self._read_clipped(rows, reader, name))
        if strict:
            reader.faults.append(f"{name}: {rows[-1].struct.__name__} with {length} bytes")
        data = reader.take(length, name)
        if length:
            reader.note(f"{name}.data", length, data, REST)
        return Item(id, data)

    def _read_wide(self, vendor: ItemTable, id_bytes: int, length_bytes: int, reader: Reader, name: str) -> Any:
        """Return an item of a maker's own framing, None with the reader where it was when there is none."""
        start, noted = reader.offset, reader.noted()
        head = id_bytes + length_bytes
        if reader.end - start < head:
            return None
        id = int.from_bytes(reader.data[start : start + id_bytes], "big")
        rows = vendor.by_id.get((id, id_bytes, length_bytes), [])
        length = int.from_bytes(reader.data[start + id_bytes : start + head], "big")
        if not rows or length > reader.end - start - head:
            return None
        ItemId(id_bytes).read(reader, f"{name}.id")
        Unsigned(length_bytes, unit="bytes").read(reader, f"{name}.length")
        item = self._read_rows(rows, reader, name, length)
        if item is not None:
            item = kept_exactly(item, reader, start)
            if item is not None:
                name_item(reader, noted, id_bytes, item)
                return item
            reader.rewind(start + head, noted + 2)
        data = reader.take(length, name)
        if length:
            reader.note(f"{name}.data", length, data, REST)
        return WideItem(id, id_bytes, length_bytes, data)

    def _read_rows(self, rows: list[ItemRow], reader: Reader, name: str, length: int) -> Any:
        for row in rows:
            item = self._read_declared(row, reader, name, length)
            if item is not None:
                return item
        return None

    def _read_declared(self, row: ItemRow, reader: Reader, name: str, length: int) -> Any:
        """Return the item, or None with the reader where it was when no layout of the row fits the length."""
        if row.lengths and length not in row.lengths:
            return None
        start, outer_end, outer_version, outer_misfit = reader.offset, reader.end, reader.version, reader.misfit
        noted, faults = reader.noted(), len(reader.faults)
        try:
            for layout_version in row.layouts:
                reader.end = start + length
                reader.version = layout_version or outer_version
                reader.misfit = False
                try:
                    item = read(row.struct, reader, f"{name}.{row.struct.__name__}")
                    if reader.offset == reader.end and fits(reader, faults):
                        return item
                except BodyShort:
                    pass
                reader.rewind(start, noted)
                del reader.faults[faults:]
        finally:
            reader.end, reader.version, reader.misfit = outer_end, outer_version, outer_misfit
        return None

    def _lies(self, rows: list[ItemRow], reader: Reader, length: int) -> bool:
        """Tell whether an item that fits no layout says a length by which the rest makes no items either."""
        return any(row.mend for row in rows) and not comes_out(reader.data, reader.offset + length, reader.end)

    def _read_mended(self, rows: list[ItemRow], reader: Reader, name: str, said: int) -> Any:
        """Return the item in the layout by which the rest comes out as items, None when there is none."""
        start, outer_version, outer_misfit = reader.offset, reader.version, reader.misfit
        noted, faults = reader.noted(), len(reader.faults)
        try:
            for row in rows:
                for layout_version in row.layouts if row.mend else ():
                    reader.version = layout_version or outer_version
                    reader.misfit = False
                    try:
                        item = read(row.struct, reader, f"{name}.{row.struct.__name__}")
                    except BodyShort:
                        item = None
                    if item is not None and fits(reader, faults) and comes_out(reader.data, reader.offset, reader.end):
                        there = reader.offset - start
                        reader.faults.append(f"{name}: {row.struct.__name__} says {said} bytes and has {there}")
                        return item
                    reader.rewind(start, noted)
                    del reader.faults[faults:]
        finally:
            reader.version, reader.misfit = outer_version, outer_misfit
        return None

    def _read_clipped(self, rows: list[ItemRow], reader: Reader, name: str) -> bytes:
        """Take all that is left; what is whole of the fields of its declaration is noted as such."""
        start, faults, misfit = reader.offset, len(reader.faults), reader.misfit
        if rows and reader.notes is not None:
            with contextlib.suppress(BodyShort):
                read(rows[0].struct, reader, f"{name}.{rows[0].struct.__name__}")
            del reader.faults[faults:]
            reader.misfit = misfit
        REST.read(reader, f"{name}.data")
        return reader.data[start : reader.offset]

    def write(self, writer: Writer, value: tuple[msgspec.Struct, ...]) -> None:
        for item in value:
            write_item(item, writer)


def fits(reader: Reader, faults: int) -> bool:
    """Tell whether what was read since there were so many faults is of the layout it was read in.

    An item's layout is told by its length: a time of no day in it is the terminal's clock, not another layout.
    """
    return not reader.misfit or all(fault.endswith(NO_TIME) for fault in reader.faults[faults:])


def comes_out(data: bytes, offset: int, end: int) -> bool:
    """Tell whether bytes are items of one byte each for id and length, and end with the last of them."""
    while offset + 1 < end:
        offset += 2 + data[offset + 1]
    return offset == end


def name_item(reader: Reader, noted: int, id_bytes: int, item: msgspec.Struct) -> None:
    """Say in the note of an item's id what was read behind it."""
    if reader.notes is not None:
        reader.notes[noted] = reader.notes[noted]._replace(wire=ItemId(id_bytes, type(item).__name__))


def kept_exactly(item: msgspec.Struct, reader: Reader, start: int) -> msgspec.Struct | None:
    """Return the item such that it is written to the bytes it was read from, None when its declaration cannot."""
    sent = reader.data[start : reader.offset]
    writer = Writer(reader.version)
    try:
        write_item(item, writer)
    except ValueError:
        writer.data.clear()
    if writer.data == sent:
        return item
    return msgspec.structs.replace(item, as_sent=sent) if isinstance(item, SentItem) else None


def write_item(item: msgspec.Struct, writer: Writer) -> None:
    """Write one item with its id and length. Raises ValueError as write does."""
    if isinstance(item, SentItem) and item.as_sent is not None:
        writer.data += item.as_sent
        return
    id_bytes = length_bytes = 1
    if isinstance(item, ClippedItem):
        writer.number(item.id, 1)
        if item.length is not None:
            writer.number(item.length, 1)
            writer.data += item.data
        return
    if isinstance(item, Item):
        id, data = item.id, item.data
    elif isinstance(item, WideItem):
        id, data, id_bytes, length_bytes = item.id, item.data, item.id_bytes, item.length_bytes
    else:
        row = ROW_OF.get(type(item))
        if row is None:
            raise ValueError(f"{type(item).__name__} is no item")
        id, id_bytes, length_bytes = row.id, row.id_bytes, row.length_bytes
        data = item_data(item, row, writer.version)
    if id_bytes:
        writer.number(id, id_bytes)
        writer.number(len(data), length_bytes)
    writer.data += data


def item_data(item: msgspec.Struct, row: ItemRow, version: int) -> bytes:
    """Return the value of a declared item in the first of its layouts that can say it."""
    first: ValueError | None = None
    for layout_version in row.layouts:
        inner = Writer(layout_version or version)
        try:
            write(item, inner)
        except ValueError as error:
            first = first or error
            continue
        if row.lengths and len(inner.data) not in row.lengths:
            raise ValueError(f"{type(item).__name__} of {len(inner.data)} bytes, it has {row.lengths}")
        return bytes(inner.data)
    assert first is not None
    raise first


class Words(Wire):
    """What a run of bytes means, said by whoever read it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def meaning(self, value: Any) -> str:
        return self.text


class Part(Unsigned):
    """Some bits of a Packed number: `width` of them from bit `first` on."""

    def __init__(
        self,
        first: int,
        width: int,
        unit: str = "",
        scale: float = 1.0,
        names: Mapping[int, str] | None = None,
        bits: Mapping[int, str] | None = None,
    ) -> None:
        super().__init__((width + 7) // 8, unit, scale, names, bits)
        self.first = first
        self.width = width


class Packed(Wire):
    """A number made of parts, as a Struct whose fields are Parts.

    With a bit set that belongs to no part the value is the number itself, an int: nothing is lost.
    """

    def __init__(self, struct: type[msgspec.Struct], size: int) -> None:
        self.struct = struct
        self.size = size

    def parts(self, version: int) -> list[tuple[str, Part]]:
        parts: list[tuple[str, Part]] = []
        for name, wire, _ in layout(self.struct, version):
            assert isinstance(wire, Part), f"{self.struct.__name__}.{name} is no part"
            parts.append((name, wire))
        return parts

    def read(self, reader: Reader, name: str) -> Any:
        number = int.from_bytes(reader.take(self.size, name), "big")
        values: dict[str, Any] = {}
        words: list[str] = []
        rest = number
        for part_name, part in self.parts(reader.version):
            mask = ((1 << part.width) - 1) << part.first
            value = (number & mask) >> part.first
            rest &= ~mask
            values[part_name] = value
            said = part.meaning(value) or f"{value} {part.unit}".rstrip()
            # Parts that are bits or names speak for themselves; none of the bits set is worth saying.
            words.append(f"{part_name}: {said if part.meaning(value) or part.bits is None else 'none'}")
        if rest:
            words.append(f"reserved: {rest:#x}")
        reader.note(name, self.size, number, Words(", ".join(words)))
        return number if rest else self.struct(**values)

    def write(self, writer: Writer, value: Any) -> None:
        if isinstance(value, int):
            writer.number(value, self.size)
            return
        number = 0
        for part_name, part in self.parts(writer.version):
            bits = getattr(value, part_name)
            if not 0 <= bits < 1 << part.width:
                raise ValueError(f"{part_name}: {bits} does not fit into {part.width} bits")
            number |= bits << part.first
        writer.number(number, self.size)


class Decimal(Wire):
    """A number written as decimal digits in a text; whatever else stands there is a text, empty or not."""

    def __init__(self, unit: str = "", names: Mapping[int, str] | None = None) -> None:
        self.unit = unit
        self.names = names

    def value(self, data: bytes) -> int | str:
        text = data.decode("gb18030", "replace")
        # 007 would come back as 7.
        return int(text) if text.isascii() and text.isdecimal() and str(int(text[:20])) == text else text

    def bytes(self, value: int | str) -> bytes:
        return str(value).encode("gb18030")

    def meaning(self, value: Any) -> str:
        return self.names.get(value, "reserved") if self.names is not None and isinstance(value, int) else ""


class Joined(Wire):
    """A Struct whose fields are texts joined by semicolons, to the end of the body; no more of them than it has fields.

    The first field that is None ends the text. What is more than its fields, from its semicolon on, is left to the
    field behind this one.
    """

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        self.struct = struct

    def read(self, reader: Reader, name: str) -> Any:
        values: dict[str, Any] = {}
        fields = layout(self.struct, reader.version)
        for place, (field_name, wire, _) in enumerate(fields):
            # In GBK no second byte of a character is a semicolon.
            end = reader.data.find(b";", reader.offset, reader.end)
            assert isinstance(wire, Decimal | Gbk)
            data = reader.take((reader.end if end < 0 else end) - reader.offset, name)
            values[field_name] = wire.value(data)
            if data:
                reader.note(f"{name}.{field_name}", len(data), values[field_name], wire)
            if end < 0 or place == len(fields) - 1:
                break
            reader.note(f"{name}.semicolon", len(reader.take(1, name)), ";", Words("ends the field"))
        return self.struct(**values)

    def write(self, writer: Writer, value: Any) -> None:
        texts: list[bytes] = []
        for field_name, wire, _ in layout(self.struct, writer.version):
            given = getattr(value, field_name)
            if given is None:
                break
            assert isinstance(wire, Decimal | Gbk)
            texts.append(wire.bytes(given))
            if b";" in texts[-1]:
                raise ValueError(f"{field_name}: a semicolon ends the field")
        writer.data += b";".join(texts)


class OneOf(Wire):
    """One of several wire types: the first that takes the bytes that remain exactly; written by the value's type."""

    def __init__(self, *wires: Wire, usual: int = 0) -> None:
        """`usual` is the place of the form that is meant where nothing says which."""
        self.wires = wires
        self.usual = wires[usual]

    def read(self, reader: Reader, name: str) -> Any:
        start, noted, faults, misfit = reader.offset, reader.noted(), len(reader.faults), reader.misfit
        for wire in self.wires:
            reader.misfit = False
            try:
                value = wire.read(reader, name)
                if reader.offset == reader.end and not reader.misfit:
                    reader.misfit = misfit
                    return value
            except BodyShort:
                pass
            reader.rewind(start, noted)
            del reader.faults[faults:]
        reader.misfit = misfit
        raise BodyShort(name, reader.end)

    def write(self, writer: Writer, value: Any) -> None:
        for wire in self.wires:
            if holds(wire, value):
                wire.write(writer, value)
                return
        raise ValueError(f"{type(value).__name__} is none of its forms")


def holds(wire: Wire, value: Any) -> bool:
    """Tell whether a wire type writes values of this Python type."""
    if isinstance(wire, Nested | Packed):
        return isinstance(value, wire.struct)
    if isinstance(wire, Gbk | Digits):
        return isinstance(value, str)
    if isinstance(wire, Raw):
        return isinstance(value, bytes)
    return isinstance(value, int)


REST: Final = Raw()
ITEM_ID: Final = ItemId(1)
ITEM_LENGTH: Final = Unsigned(1, unit="bytes")


class Since(NamedTuple):
    """The field exists from this version on."""

    version: int


class Until(NamedTuple):
    """The field exists up to this version."""

    version: int


class IfBit(NamedTuple):
    """The field is there when a bit of an earlier field of the same Struct is set."""

    field: str
    bit: int


class IfEqual(NamedTuple):
    """The field is there when an earlier field of the same Struct has one of these values."""

    field: str
    values: tuple[int, ...]


class IfMore(NamedTuple):
    """The field is there when bytes remain: senders leave it out, alone or with all that follow."""

    but: int = 0
    """Not so in this layout, in which it is always there."""


Condition = IfBit | IfEqual | IfMore


class Field(NamedTuple):
    name: str
    wire: Wire
    conditions: tuple[Condition, ...]


@cache
def layout(struct: type[msgspec.Struct], version: int) -> tuple[Field, ...]:
    """Return the fields of a declared Struct as one version of the standard has them, in wire order."""
    hints = get_type_hints(struct, include_extras=True)
    fields: list[Field] = []
    for name in struct.__struct_fields__:
        wire: Wire | None = None
        conditions: list[Condition] = []
        exists = True
        for mark in hints[name].__metadata__:
            if isinstance(mark, ByVersion):
                wire = mark.at(version)
            elif isinstance(mark, Wire):
                wire = mark
            elif isinstance(mark, Since):
                exists = exists and version >= mark.version
            elif isinstance(mark, Until):
                exists = exists and version <= mark.version
            elif not (isinstance(mark, IfMore) and mark.but == version):
                conditions.append(mark)
        assert wire is not None, f"{struct.__name__}.{name} has no wire type"
        if exists:
            fields.append(Field(name, wire, tuple(conditions)))
    return tuple(fields)


class CountField(NamedTuple):
    name: str
    wire: Count
    conditions: tuple[Condition, ...]


@cache
def counts(struct: type[msgspec.Struct], version: int) -> tuple[CountField, ...]:
    """Return those of a layout's fields that count a list."""
    fields = layout(struct, version)
    return tuple(CountField(name, wire, more) for name, wire, more in fields if isinstance(wire, Count))


def read(struct: type[msgspec.Struct], reader: Reader, name: str = "") -> Any:
    """Read one Struct. A field that is not there keeps its default.

    Raises:
        BodyShort: the bytes end inside a field.
    """
    values: dict[str, Any] = {}
    read_fields(layout(struct, reader.version), values, reader, f"{name}." if name else "")
    counting = counts(struct, reader.version)
    if counting:
        body = struct(**values)
        for field_name, wire, conditions in counting:
            truth = wire.truth(body, reader.version)
            # Where the count may be left out, None stands for that: an empty list keeps its 0.
            if field_name in values and values[field_name] == truth and (truth or not _may_lack(conditions)):
                values[field_name] = None
    return struct(**values)


def read_fields(fields: tuple[Field, ...], values: dict[str, Any], reader: Reader, prefix: str) -> None:
    """Read those of the fields that are there, behind the ones in `values`, and add them. Raises BodyShort."""
    outer_values = reader.values
    for field_name, wire, conditions in fields:
        if conditions and not all(_holds(condition, values, reader) for condition in conditions):
            continue
        reader.values = values
        values[field_name] = wire.read(reader, prefix + field_name)
    reader.values = outer_values


def _holds(condition: Condition, values: dict[str, Any], reader: Reader) -> bool:
    if isinstance(condition, IfBit):
        return bool((values.get(condition.field) or 0) >> condition.bit & 1)
    if isinstance(condition, IfEqual):
        return values.get(condition.field) in condition.values
    return reader.offset < reader.end


def write(body: msgspec.Struct, writer: Writer) -> None:
    """Write one Struct.

    Fields that this version does not know are left out.

    Raises:
        ValueError: a value does not fit its field, a field that must be there is None, or one whose condition does not
            hold is not None.
    """
    write_fields(layout(type(body), writer.version), body, writer)


def write_fields(fields: tuple[Field, ...], body: msgspec.Struct, writer: Writer) -> None:
    """Write some fields of a Struct. Raises ValueError as `write` does."""
    for name, wire, conditions in fields:
        given = value = getattr(body, name)
        if value is None and isinstance(wire, Count):
            value = wire.truth(body, writer.version)
            if not value and _may_lack(conditions):
                value = None
        if conditions and not all(_expects(condition, body, value) for condition in conditions):
            if given is not None:
                raise ValueError(f"{type(body).__name__}.{name} is given and its condition does not hold")
            continue
        if value is None and not wire.none_written:
            raise ValueError(f"{type(body).__name__}.{name} is missing")
        try:
            wire.write(writer, value)
        except ValueError as error:
            raise ValueError(f"{type(body).__name__}.{name}: {error}") from None


def _may_lack(conditions: tuple[Condition, ...]) -> bool:
    """Tell whether a field may be left out where it would say nothing."""
    return any(isinstance(condition, IfMore) for condition in conditions)


def _expects(condition: Condition, body: msgspec.Struct, value: Any) -> bool:
    if isinstance(condition, IfBit):
        return bool((getattr(body, condition.field) or 0) >> condition.bit & 1)
    if isinstance(condition, IfEqual):
        return getattr(body, condition.field) in condition.values
    return value is not None


def bits_text(value: int, bits: Mapping[int, str]) -> str:
    """Name the bits that are set, lowest first; a bit that is not in the table by its number."""
    return ", ".join(bits.get(bit, f"bit {bit}") for bit in range(value.bit_length()) if value >> bit & 1)


def bcd_time_ms(data: bytes) -> int | None:
    """Return the UTC epoch ms of six bytes of BCD in GMT+8, None when they are no time of 2000-2099."""
    digits = data.hex()
    if not digits.isdecimal():
        return None
    year, month, day, hour, minute, second = (int(digits[i : i + 2]) for i in range(0, 12, 2))
    if not (1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        return None
    leap = year % 4 == 0
    length = 29 if month == 2 and leap else (0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month]
    if not 1 <= day <= length:
        return None
    # 2000 is a leap year and the last two digits end at 2099: every fourth year is one.
    days = DAYS_BEFORE_2000 + 365 * year + (year + 3) // 4 + DAYS_BEFORE_MONTH[month] + (leap and month > 2) + day - 1
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 - TIME_ZONE_MS


def daily_time_ms(data: bytes) -> int | None:
    """Return the milliseconds since midnight of six bytes of BCD whose date is zero, None when they are no time."""
    digits = data.hex()
    if not digits.isdecimal():
        return None
    hour, minute, second = (int(digits[i : i + 2]) for i in (6, 8, 10))
    return ((hour * 60 + minute) * 60 + second) * 1000 if hour < 24 and minute < 60 and second < 60 else None


def time_bcd(time_ms: int) -> bytes:
    """Return six bytes of BCD in GMT+8 for a UTC epoch ms, the milliseconds cut off.

    Raises:
        ValueError: not a time of 2000-2099 in GMT+8.
    """
    seconds = (time_ms + TIME_ZONE_MS) // 1000
    days, second_of_day = divmod(seconds, 86_400)
    days -= DAYS_BEFORE_2000
    if not 0 <= days < 36_525:
        raise ValueError(f"{time_ms} ms is not a time of 2000-2099")
    year = 4 * (days // 1461)
    day = days % 1461
    while day >= (366 if year % 4 == 0 else 365):
        day -= 366 if year % 4 == 0 else 365
        year += 1
    leap = year % 4 == 0
    month = 12
    while DAYS_BEFORE_MONTH[month] + (leap and month > 2) > day:
        month -= 1
    day -= DAYS_BEFORE_MONTH[month] + (leap and month > 2)
    hour, rest = divmod(second_of_day, 3600)
    return bytes.fromhex(f"{year:02}{month:02}{day + 1:02}{hour:02}{rest // 60:02}{rest % 60:02}")
