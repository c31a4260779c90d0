"""The blocks of the drive recorder inside 0x0700, 0x8700 and 0x8701: GB/T 19056, protocol sheet section 7.

A block down to the recorder is `AA 75, B command, W length, B reserved, data, B XOR`, one up from it begins with 55 7A;
`55 7A, FA | FB, B reserved, B XOR` says that collecting or setting failed. What the data is follows from the command:
RecorderOrder and RecorderAnswer name it, one field a command. A block that is none of these (a wrong XOR, a wrong
length) is bytes with a fault; data that is not what its command asks for stands in `data`.
"""

from typing import Annotated, Any, Final

import msgspec

from protocols.jt808.wire import (
    Bcd,
    BodyShort,
    Count,
    Digits,
    Exactly,
    Gbk,
    IfEqual,
    IfMore,
    Many,
    Nested,
    OneOf,
    Raw,
    Reader,
    Time,
    Told,
    Unsigned,
    Writer,
    layout,
    read_fields,
    write_fields,
)

Struct = msgspec.Struct

DOWN: Final = 0xAA75
UP: Final = 0x557A
COLLECT_FAILED: Final = 0xFA
SET_FAILED: Final = 0xFB
COMMANDS: Final = {
    0x00: "standard edition",
    0x01: "driver's licence",
    0x02: "clock",
    0x03: "mileage",
    0x04: "pulse coefficient",
    0x05: "vehicle",
    0x06: "signals",
    0x07: "recorder",
    0x08: "speed by second",
    0x09: "position by minute",
    0x10: "accidents",
    0x11: "driving over time",
    0x12: "driver log-ins",
    0x13: "power on and off",
    0x14: "changed settings",
    0x15: "speed states",
    0x82: "set vehicle",
    0x83: "set installation date",
    0x84: "set signals",
    0xC2: "set clock",
    0xC3: "set pulse coefficient",
    0xC4: "set initial mileage",
    COLLECT_FAILED: "collecting failed",
    SET_FAILED: "setting failed",
}
RECORDS: Final = (0x08, 0x09, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15)
"""Commands that collect what lies between two times."""
SIGNAL_BITS: Final = {
    0: "custom 1",
    1: "custom 2",
    2: "custom 3",
    3: "low beam",
    4: "high beam",
    5: "right turn",
    6: "left turn",
    7: "brake",
}
NONE_BYTE: Final = {0xFF: "none"}
SPEED: Final = Told(1, "km/h", NONE_BYTE)
SIGNALS: Final = Unsigned(1, bits=SIGNAL_BITS)
HEIGHT: Final = Told(2, "m", {0x7FFF: "none", 0xFFFF: "none"})
KILOMETRES: Final = Bcd(4, "km", 0.1)


class Angle(Unsigned):
    """Longitude or latitude in 0.0001 minutes of arc; all ones, with or without the sign, is none."""

    unit = "0.0001′"

    def meaning(self, value: int) -> str:
        if value in (0x7FFF_FFFF, 0xFFFF_FFFF):
            return "none"
        degrees = (value - (1 << 32) if value >> 31 else value) / 600_000
        return f"{degrees:.6f} °"


ANGLE: Final = Angle(4, unit="0.0001′")


class StandardEdition(Struct, frozen=True, kw_only=True):
    """00."""

    year: Annotated[str, Digits(1)]
    """Last two digits."""
    amendment: Annotated[int, Unsigned(1)]


class Mileage(Struct, frozen=True, kw_only=True):
    """03, and C4 down."""

    clock_ms: Annotated[int | None, Time()]
    installed_ms: Annotated[int | None, Time()]
    initial_km10: Annotated[int, KILOMETRES]
    total_km10: Annotated[int, KILOMETRES]


class PulseCoefficient(Struct, frozen=True, kw_only=True):
    """04, and C3 down."""

    clock_ms: Annotated[int | None, Time()]
    pulses_per_km: Annotated[int, Unsigned(2)]


class RecordedVehicle(Struct, frozen=True, kw_only=True):
    """05, and 82 down."""

    vin: Annotated[str, Gbk(17)]
    plate: Annotated[str, Gbk(12)]
    plate_class: Annotated[str, Gbk(12)]


class SignalNames(Struct, frozen=True, kw_only=True):
    """84 down: what the bits of a signal byte are called."""

    signal_0: Annotated[str, Gbk(10)] = ""
    signal_1: Annotated[str, Gbk(10)] = ""
    signal_2: Annotated[str, Gbk(10)] = ""
    signal_3: Annotated[str, Gbk(10)] = ""
    signal_4: Annotated[str, Gbk(10)] = ""
    signal_5: Annotated[str, Gbk(10)] = ""
    signal_6: Annotated[str, Gbk(10)] = ""
    signal_7: Annotated[str, Gbk(10)] = ""


class RecordedSignals(Struct, frozen=True, kw_only=True):
    """06; some send it down in 84 as well."""

    clock_ms: Annotated[int | None, Time()]
    signal_bytes: Annotated[int, Unsigned(1)]
    """How many bytes of signals there are, 1."""
    names: Annotated[SignalNames, Nested(SignalNames)]


class RecorderIdentity(Struct, frozen=True, kw_only=True):
    """07."""

    certificate: Annotated[str, Gbk(7)]
    """Code of the compulsory certification (CCC)."""
    model: Annotated[str, Gbk(16)]
    produced_on: Annotated[str, Digits(3)]
    """YYMMDD."""
    number: Annotated[bytes, Raw(4)]
    reserved: Annotated[bytes, Raw(5)]


class SpeedSecond(Struct, frozen=True):
    speed_kmh: Annotated[int, SPEED]
    signals: Annotated[int, SIGNALS]


class SpeedMinute(Struct, frozen=True, kw_only=True):
    """08: one minute, a speed each second."""

    start_ms: Annotated[int | None, Time()]
    seconds: Annotated[tuple[SpeedSecond, ...], Exactly(Nested(SpeedSecond), 60)]


class RecordedPlace(Struct, frozen=True, kw_only=True):
    longitude: Annotated[int, ANGLE]
    latitude: Annotated[int, ANGLE]
    height_m: Annotated[int, HEIGHT]


class PositionMinute(RecordedPlace, frozen=True, kw_only=True):
    speed_kmh: Annotated[int, SPEED]


class PositionHour(Struct, frozen=True, kw_only=True):
    """09: one hour, a position each minute."""

    start_ms: Annotated[int | None, Time()]
    minutes: Annotated[tuple[PositionMinute, ...], Exactly(Nested(PositionMinute), 60)]


class Accident(Struct, frozen=True, kw_only=True):
    """10: the 20 s before a stop, in steps of 0.2 s back from its end."""

    end_ms: Annotated[int | None, Time()]
    licence: Annotated[str, Gbk(18)]
    steps: Annotated[tuple[SpeedSecond, ...], Exactly(Nested(SpeedSecond), 100)]
    place: Annotated[RecordedPlace, Nested(RecordedPlace)]


class DrivingOverTime(Struct, frozen=True, kw_only=True):
    """11."""

    licence: Annotated[str, Gbk(18)]
    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]
    start: Annotated[RecordedPlace, Nested(RecordedPlace)]
    end: Annotated[RecordedPlace, Nested(RecordedPlace)]


class DriverLogin(Struct, frozen=True, kw_only=True):
    """12."""

    time_ms: Annotated[int | None, Time()]
    licence: Annotated[str, Gbk(18)]
    kind: Annotated[int, Unsigned(1, names={1: "log in", 2: "log out"})]


class PowerEvent(Struct, frozen=True, kw_only=True):
    """13."""

    time_ms: Annotated[int | None, Time()]
    kind: Annotated[int, Unsigned(1, names={1: "power on", 2: "power off"})]


class SettingChange(Struct, frozen=True, kw_only=True):
    """14: which command changed a setting."""

    time_ms: Annotated[int | None, Time()]
    command: Annotated[int, Unsigned(1, names=COMMANDS)]


class SpeedPair(Struct, frozen=True):
    recorder_kmh: Annotated[int, SPEED]
    reference_kmh: Annotated[int, SPEED]


class SpeedState(Struct, frozen=True, kw_only=True):
    """15: a minute in which the recorder's speed was held against another one."""

    state: Annotated[int, Unsigned(1, names={1: "normal", 2: "abnormal"})]
    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]
    seconds: Annotated[tuple[SpeedPair, ...], Exactly(Nested(SpeedPair), 60)]


class RecordRange(Struct, frozen=True, kw_only=True):
    """08-15 down: which records, and how many at most."""

    start_ms: Annotated[int | None, Time()]
    end_ms: Annotated[int | None, Time()]
    blocks_max: Annotated[int, Unsigned(2)]


class BlockHead(Count):
    """The two bytes that a block begins with; None where they are those of its direction."""

    def __init__(self, head: int) -> None:
        super().__init__(2, of="command")
        self.head = head

    def truth(self, body: Struct, version: int) -> int | None:
        return self.head

    def meaning(self, value: Any) -> str:
        return {DOWN: "to the recorder", UP: "from the recorder"}.get(value, "")


class RecorderOrder(Struct, frozen=True, kw_only=True):
    """A block down to the recorder. Commands 00-07 carry nothing."""

    head: Annotated[int | None, BlockHead(DOWN)] = None
    command: Annotated[int, Unsigned(1, names=COMMANDS)]
    reserved: Annotated[int, Unsigned(1)] = 0
    range: Annotated[RecordRange | None, Nested(RecordRange), IfEqual("command", RECORDS)] = None
    vehicle: Annotated[RecordedVehicle | None, Nested(RecordedVehicle), IfEqual("command", (0x82,))] = None
    installed_ms: Annotated[int | None, Time(), IfEqual("command", (0x83,))] = None
    signals: Annotated[
        SignalNames | RecordedSignals | None,
        OneOf(Nested(SignalNames), Nested(RecordedSignals)),
        IfEqual("command", (0x84,)),
    ] = None
    clock_ms: Annotated[int | None, Time(), IfEqual("command", (0xC2,))] = None
    pulses: Annotated[PulseCoefficient | None, Nested(PulseCoefficient), IfEqual("command", (0xC3,))] = None
    mileage: Annotated[Mileage | None, Nested(Mileage), IfEqual("command", (0xC4,))] = None
    data: Annotated[bytes | None, Raw(), IfMore()] = None
    """What it carries where that is not declared, or not as declared."""


class RecorderAnswer(Struct, frozen=True, kw_only=True):
    """A block up from the recorder. Answers to 82-84 and C2-C4 carry nothing."""

    head: Annotated[int | None, BlockHead(UP)] = None
    command: Annotated[int, Unsigned(1, names=COMMANDS)]
    reserved: Annotated[int, Unsigned(1)] = 0
    standard: Annotated[StandardEdition | None, Nested(StandardEdition), IfEqual("command", (0x00,))] = None
    licence: Annotated[str | None, Gbk(18), IfEqual("command", (0x01,))] = None
    clock_ms: Annotated[int | None, Time(), IfEqual("command", (0x02,))] = None
    mileage: Annotated[Mileage | None, Nested(Mileage), IfEqual("command", (0x03,))] = None
    pulses: Annotated[PulseCoefficient | None, Nested(PulseCoefficient), IfEqual("command", (0x04,))] = None
    vehicle: Annotated[RecordedVehicle | None, Nested(RecordedVehicle), IfEqual("command", (0x05,))] = None
    signals: Annotated[RecordedSignals | None, Nested(RecordedSignals), IfEqual("command", (0x06,))] = None
    recorder: Annotated[RecorderIdentity | None, Nested(RecorderIdentity), IfEqual("command", (0x07,))] = None
    speeds: Annotated[tuple[SpeedMinute, ...] | None, Many(Nested(SpeedMinute)), IfEqual("command", (0x08,))] = None
    positions: Annotated[tuple[PositionHour, ...] | None, Many(Nested(PositionHour)), IfEqual("command", (0x09,))] = (
        None
    )
    accidents: Annotated[tuple[Accident, ...] | None, Many(Nested(Accident)), IfEqual("command", (0x10,))] = None
    over_time: Annotated[
        tuple[DrivingOverTime, ...] | None, Many(Nested(DrivingOverTime)), IfEqual("command", (0x11,))
    ] = None
    logins: Annotated[tuple[DriverLogin, ...] | None, Many(Nested(DriverLogin)), IfEqual("command", (0x12,))] = None
    power: Annotated[tuple[PowerEvent, ...] | None, Many(Nested(PowerEvent)), IfEqual("command", (0x13,))] = None
    changes: Annotated[tuple[SettingChange, ...] | None, Many(Nested(SettingChange)), IfEqual("command", (0x14,))] = (
        None
    )
    speed_states: Annotated[tuple[SpeedState, ...] | None, Many(Nested(SpeedState)), IfEqual("command", (0x15,))] = None
    data: Annotated[bytes | None, Raw(), IfMore()] = None


HEAD_FIELDS: Final = 3
"""head, command and reserved stand in front of every block's data."""
SHORT_BYTES: Final = 5
"""An error answer: head, command, reserved, XOR."""
FRAME_BYTES: Final = 7
"""What stands around the data of any other block: head, command, length, reserved, XOR."""
BYTE: Final = Unsigned(1)
LENGTH: Final = Unsigned(2, "bytes")
RAW: Final = Raw()


class Parity(Unsigned):
    """The XOR of all bytes in front of it."""

    def meaning(self, value: Any) -> str:
        return "right"


PARITY: Final = Parity(1)


def parity(data: bytes | bytearray) -> int:
    value = 0
    for byte in data:
        value ^= byte
    return value


class RecorderBlock(Nested):
    """A block as a RecorderOrder or RecorderAnswer to the end of the body; bytes when it is none, empty when missing.

    With `prefix`, as in 2011, behind a number of that many bytes that gives its length.
    """

    def read(self, reader: Reader, name: str) -> Any:
        outer_end = reader.end
        if self.prefix:
            length = LENGTH.read(reader, f"{name}.length")
            if reader.offset + length > reader.end:
                raise BodyShort(name, reader.end)
            reader.end = reader.offset + length
        try:
            return self._read(reader, name)
        finally:
            reader.end = outer_end

    def _read(self, reader: Reader, name: str) -> Any:
        data = reader.data[reader.offset : reader.end]
        if not data:
            return b""
        wrong = unfit(data)
        if wrong:
            reader.faults.append(f"{name}: {wrong}")
            reader.misfit = True
            return RAW.read(reader, name)
        head_wire, command_wire, reserved_wire = (field.wire for field in self._fields(reader.version)[:HEAD_FIELDS])
        assert isinstance(head_wire, BlockHead)
        values: dict[str, Any] = {"head": head_wire.read(reader, f"{name}.head")}
        values["command"] = command_wire.read(reader, f"{name}.command")
        if len(data) != SHORT_BYTES:
            LENGTH.read(reader, f"{name}.length")
        values["reserved"] = reserved_wire.read(reader, f"{name}.reserved")
        if values["head"] == head_wire.head:
            values["head"] = None
        else:
            reader.faults.append(f"{name}: begins with {data[:2].hex()} instead of {head_wire.head:04x}")
        block_end = reader.end
        reader.end -= 1
        block = self._content(values, reader, name)
        reader.end = block_end
        PARITY.read(reader, f"{name}.parity")
        return block

    def _content(self, values: dict[str, Any], reader: Reader, name: str) -> Any:
        """Return the block with its data as declared, or as bytes where it is not."""
        start, noted, faults, misfit = reader.offset, reader.noted(), len(reader.faults), reader.misfit
        typed = dict(values)
        reader.misfit = False
        try:
            read_fields(self._fields(reader.version)[HEAD_FIELDS:-1], typed, reader, f"{name}.")
            block = self.struct(**typed)
            fits = reader.offset == reader.end and not reader.misfit
            if fits and content_bytes(block, reader.version) == reader.data[start : reader.end]:
                return block
        except (BodyShort, ValueError):
            pass
        finally:
            reader.misfit = misfit
        reader.rewind(start, noted)
        del reader.faults[faults:]
        if values["command"] in COMMANDS:
            said = COMMANDS[values["command"]]
            reader.faults.append(f"{name}: {reader.end - start} bytes are no {said} ({values['command']:02x})")
        return self.struct(**values, data=RAW.read(reader, f"{name}.data"))

    def _fields(self, version: int) -> Any:
        return layout(self.struct, version)

    def write(self, writer: Writer, value: Any) -> None:
        data = value if isinstance(value, bytes) else self._bytes(value, writer.version)
        if self.prefix:
            writer.number(len(data), self.prefix)
        writer.data += data

    def _bytes(self, block: Any, version: int) -> bytes:
        inner = Writer(version)
        write_fields(self._fields(version)[: HEAD_FIELDS - 1], block, inner)
        content = content_bytes(block, version)
        if block.command in (COLLECT_FAILED, SET_FAILED) and not content:
            inner.number(block.reserved, 1)
        else:
            inner.number(len(content), 2)
            inner.number(block.reserved, 1)
        inner.data += content
        inner.number(parity(inner.data), 1)
        return bytes(inner.data)


def content_bytes(block: Struct, version: int) -> bytes:
    """Return the data of a RecorderOrder or RecorderAnswer. Raises ValueError where a value does not fit."""
    data: bytes | None = getattr(block, "data")  # noqa: B009 - both have it, and have no base in common
    if data is not None:
        return data
    writer = Writer(version)
    write_fields(layout(type(block), version)[HEAD_FIELDS:-1], block, writer)
    return bytes(writer.data)


def unfit(data: bytes) -> str:
    """Return why bytes are no block, '' when they are one."""
    if len(data) < SHORT_BYTES:
        return f"{len(data)} bytes are no block"
    if int.from_bytes(data[:2], "big") not in (UP, DOWN):
        return f"a block does not begin with {data[:2].hex()}"
    if not (len(data) == SHORT_BYTES and data[2] in (COLLECT_FAILED, SET_FAILED)):
        length = int.from_bytes(data[3:5], "big")
        if len(data) != length + FRAME_BYTES:
            return f"the block says {length} bytes of data and has {len(data) - FRAME_BYTES}"
    made = parity(data[:-1])
    return "" if made == data[-1] else f"the block's XOR is {data[-1]:02x}, its bytes make {made:02x}"


def asked(command: int | None, block: RecorderOrder | RecorderAnswer | bytes) -> int:
    """Return the command of a message: its own word, or that of its block; 0 where it has neither."""
    if command is not None:
        return command
    return 0 if isinstance(block, bytes) else block.command


class CommandOf(Count):
    """The command of a block that stands behind it; None as long as it is the same."""

    def __init__(self) -> None:
        super().__init__(1, of="block")
        self.names = COMMANDS

    def truth(self, body: Struct, version: int) -> int | None:
        block = getattr(body, self.of)
        return None if isinstance(block, bytes) else block.command
