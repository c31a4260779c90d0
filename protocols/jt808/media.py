"""Messages that carry data: pictures and sound, the drive recorder, waybills, drivers, CAN, transparent and RSA."""

import zlib
from typing import Annotated, Any, Final

import msgspec

from protocols.jt808.location import LocationHead
from protocols.jt808.recorder import COMMANDS as RECORDER_COMMANDS
from protocols.jt808.recorder import CommandOf, RecorderAnswer, RecorderBlock, RecorderOrder, asked
from protocols.jt808.safety import PERIPHERALS, PeripheralInfo, PeripheralState
from protocols.jt808.wire import (
    ByVersion,
    Count,
    Digits,
    Gbk,
    IfEqual,
    IfMore,
    Many,
    Nested,
    Raw,
    Reader,
    Rest,
    Since,
    Time,
    TotalBytes,
    Unsigned,
    Until,
    Writer,
)

Struct = msgspec.Struct

MEDIA_KINDS: Final = {0: "picture", 1: "audio", 2: "video"}
MEDIA_FORMATS: Final = {0: "JPEG", 1: "TIF", 2: "MP3", 3: "WAV", 4: "WMV"}
MEDIA_EVENTS: Final = {
    0: "platform's order",
    1: "timed",
    2: "robbery",
    3: "collision or rollover",
    4: "door opened",
    5: "door closed",
    6: "doors closed and speed passed 20 km/h",
    7: "distance",
}
SHOT_RESULTS: Final = {0: "ok", 1: "failed", 2: "channel unsupported"}
RESOLUTIONS: Final = {
    0x00: "lowest",
    0x01: "320x240",
    0x02: "640x480",
    0x03: "800x600",
    0x04: "1024x768",
    0x05: "176x144",
    0x06: "352x288",
    0x07: "704x288",
    0x08: "704x576",
    0xFF: "highest",
}
CARD_RESULTS: Final = {0: "ok", 1: "authentication failed", 2: "card locked", 3: "pulled out", 4: "checksum"}
KEEP: Final = {0: "keep", 1: "delete"}
STORE: Final = {0: "upload", 1: "store"}
TRANSPARENT: Final = {
    0x00: "GNSS detail",
    0x0B: "licence IC card",
    0x41: "serial port 1",
    0x42: "serial port 2",
    0xF7: "peripherals' status",
    0xF8: "peripherals' information",
}
INFLATED_BYTES_MAX: Final = 64 * 1024
"""What 0x0901 is inflated to: the largest body that a terminal could have sent as it is, which is as many bytes as an
assembled message may have. Gzip makes up to 1,032 bytes of one, so that a frame alone could ask for a megabyte and an
assembled one for 66: all but the first 64 KB of it is never made."""
PERIPHERAL_KINDS: Final = (0xF7, 0xF8)
BARE_KINDS: Final = tuple(kind for kind in range(256) if kind not in PERIPHERAL_KINDS)


class RecorderCollect(Struct, frozen=True, kw_only=True):
    """0x8700: what the drive recorder is asked for, as a block of GB/T 19056. 2011 has the command alone."""

    command: Annotated[int | None, ByVersion({2011: Unsigned(1, names=RECORDER_COMMANDS), 2013: CommandOf()})] = None
    """None: that of the block."""
    block: Annotated[RecorderOrder | bytes, RecorderBlock(RecorderOrder), Since(2013)] = b""

    @property
    def asked(self) -> int:
        """The command, wherever it stands."""
        return asked(self.command, self.block)


class RecorderSet(Struct, frozen=True, kw_only=True):
    """0x8701: a setting for the drive recorder, as a block of GB/T 19056."""

    command: Annotated[int | None, CommandOf()] = None
    block: Annotated[RecorderOrder | bytes, RecorderBlock(RecorderOrder)] = b""

    @property
    def asked(self) -> int:
        return asked(self.command, self.block)


class RecorderData(Struct, frozen=True, kw_only=True):
    """0x0700: what the drive recorder answers. 2011 has no serial, and lengths in front of the block."""

    reply_serial: Annotated[int | None, Unsigned(2), Since(2013)] = None
    command: Annotated[int | None, CommandOf()] = None
    total: Annotated[int | None, TotalBytes(2, of="block"), Until(2011)] = None
    """Bytes of the block in all packets."""
    block: Annotated[
        RecorderAnswer | bytes,
        ByVersion({2011: RecorderBlock(RecorderAnswer, prefix=2), 2013: RecorderBlock(RecorderAnswer)}),
    ] = b""

    @property
    def asked(self) -> int:
        return asked(self.command, self.block)


class Waybill(Struct, frozen=True):
    """0x0701."""

    content: Annotated[bytes, Raw(prefix=4)]


class Driver(Struct, frozen=True, kw_only=True):
    """0x0702. By the text the card's fields come only with a card that was read; terminals send them anyway.

    The layout 2012 is ours: that of 2011 cut short, for terminals that are known to be of 2011.
    """

    state: Annotated[int | None, Unsigned(1, names={1: "card in", 2: "card out"}), Since(2013)] = None
    time_ms: Annotated[int | None, Time(), Since(2013)] = None
    result: Annotated[int | None, Unsigned(1, names=CARD_RESULTS), Since(2013), IfMore()] = None
    name: Annotated[str | None, Gbk(prefix=1), IfMore(but=2011)] = None
    id_card_2011: Annotated[str | None, Gbk(20), Until(2012), IfMore(but=2011)] = None
    certificate: Annotated[str | None, ByVersion({2011: Gbk(40), 2013: Gbk(20)}), IfMore(but=2011)] = None
    issuer: Annotated[str | None, Gbk(prefix=1), IfMore(but=2011)] = None
    valid_until: Annotated[str | None, Digits(4), Since(2013), IfMore()] = None
    id_card: Annotated[str | None, Gbk(20), Since(2013), IfMore()] = None
    face_match_percent: Annotated[int | None, Unsigned(1, "%"), Since(2013), IfMore()] = None
    """What a camera says to the card, and whom it takes the driver for: some terminals of 2019 add them."""
    face_id: Annotated[str | None, Gbk(20), Since(2013), IfMore()] = None


class QueryDriver(Struct, frozen=True):
    """0x8702."""


class CanId(Unsigned):
    """Bit 31 the channel, 30 an extended frame, 29 an average, 28-0 the CAN id."""

    def meaning(self, value: Any) -> str:
        words = ["CAN2" if value >> 31 else "CAN1", "extended frame" if value >> 30 & 1 else "standard frame"]
        words.append("average" if value >> 29 & 1 else "raw")
        return f"{', '.join(words)}, id {value & 0x1FFF_FFFF:#x}"


class CanFrame(Struct, frozen=True):
    id: Annotated[int, CanId(4)]
    data: Annotated[bytes, Raw(8)]


class CanData(Struct, frozen=True, kw_only=True):
    """0x0705. `time` of the first frame is hhmmss and four digits of milliseconds."""

    count: Annotated[int | None, Count(2, of="frames")] = None
    time: Annotated[str, Digits(5)]
    frames: Annotated[tuple[CanFrame, ...], Many(Nested(CanFrame), count="count")] = ()


class PacketNumber(Unsigned):
    """The number of a packet, from 1 to the field `of`. Anything else, and the body is no body of 2011."""

    def __init__(self, size: int, of: str) -> None:
        super().__init__(size)
        self.of = of

    def read(self, reader: Reader, name: str) -> int:
        value = super().read(reader, name)
        total = reader.values.get(self.of, 0)
        if not 1 <= value <= total:
            reader.faults.append(f"{name}: {value} of {total}")
            reader.misfit = True
        return value


class MediaEvent(Struct, frozen=True):
    """0x0800."""

    media_id: Annotated[int, Unsigned(4)]
    kind: Annotated[int, Unsigned(1, names=MEDIA_KINDS)]
    format: Annotated[int, Unsigned(1, names=MEDIA_FORMATS)]
    event: Annotated[int, Unsigned(1, names=MEDIA_EVENTS)]
    channel: Annotated[int, Unsigned(1)]


class MediaData(Struct, frozen=True, kw_only=True):
    """0x0801, in fragments as a rule: only the first holds more than data.

    2011 cuts the file itself and numbers the packets; the layout 2012 is ours: without the numbers, as a peer has it.
    """

    media_id: Annotated[int, Unsigned(4)]
    kind: Annotated[int, Unsigned(1, names=MEDIA_KINDS)]
    format: Annotated[int, Unsigned(1, names=MEDIA_FORMATS)]
    event: Annotated[int, Unsigned(1, names=MEDIA_EVENTS)]
    channel: Annotated[int, Unsigned(1)]
    total: Annotated[int | None, Unsigned(4), Until(2011)] = None
    number: Annotated[int | None, PacketNumber(4, of="total"), Until(2011)] = None
    location: Annotated[LocationHead | None, Nested(LocationHead), Since(2013)] = None
    data: Annotated[bytes, Raw()] = b""


class MediaReply(Struct, frozen=True, kw_only=True):
    """0x8800. No list: all is there."""

    reply_serial: Annotated[int | None, Unsigned(2), Until(2011)] = None
    media_id: Annotated[int, Unsigned(4)]
    missing: Annotated[tuple[int, ...] | None, Many(Unsigned(2), count=1), IfMore()] = None


class Shoot(Struct, frozen=True):
    """0x8801. Command 0 stops, 0xffff records, anything else is the number of shots."""

    channel: Annotated[int, Unsigned(1)]
    command: Annotated[int, Unsigned(2)]
    interval_s: Annotated[int, Unsigned(2, unit="s")]
    store: Annotated[int, Unsigned(1, names=STORE)]
    resolution: Annotated[int, Unsigned(1, names=RESOLUTIONS)]
    quality: Annotated[int, Unsigned(1)]
    brightness: Annotated[int, Unsigned(1)]
    contrast: Annotated[int, Unsigned(1)]
    saturation: Annotated[int, Unsigned(1)]
    chroma: Annotated[int, Unsigned(1)]


class ShootReply(Struct, frozen=True):
    """0x0805."""

    reply_serial: Annotated[int, Unsigned(2)]
    result: Annotated[int, Unsigned(1, names=SHOT_RESULTS)]
    media_ids: Annotated[tuple[int, ...] | None, Many(Unsigned(4), count=2), IfMore()] = None


class SearchMedia(Struct, frozen=True):
    """0x8802. Channel 0: all; no times: no bounds."""

    kind: Annotated[int, Unsigned(1, names=MEDIA_KINDS)]
    channel: Annotated[int, Unsigned(1)]
    event: Annotated[int, Unsigned(1, names=MEDIA_EVENTS)]
    start_ms: Annotated[int | None, Time()] = None
    end_ms: Annotated[int | None, Time()] = None


class UploadMedia(Struct, frozen=True, kw_only=True):
    """0x8803."""

    kind: Annotated[int, Unsigned(1, names=MEDIA_KINDS)]
    channel: Annotated[int, Unsigned(1)]
    event: Annotated[int, Unsigned(1, names=MEDIA_EVENTS)]
    start_ms: Annotated[int | None, Time()] = None
    end_ms: Annotated[int | None, Time()] = None
    delete: Annotated[int, Unsigned(1, names=KEEP)]


class StoredMedia(Struct, frozen=True, kw_only=True):
    media_id: Annotated[int | None, Unsigned(4), Since(2013)] = None
    kind: Annotated[int, Unsigned(1, names=MEDIA_KINDS)]
    channel: Annotated[int, Unsigned(1)]
    event: Annotated[int, Unsigned(1, names=MEDIA_EVENTS)]
    location: Annotated[LocationHead, Nested(LocationHead)]


class MediaFound(Struct, frozen=True, kw_only=True):
    """0x0802. The layout 2012 is ours: that of 2011 without the number of items in this packet, as a peer has it."""

    reply_serial: Annotated[int, Unsigned(2)]
    total: Annotated[int, Unsigned(2)]
    items: Annotated[
        tuple[StoredMedia, ...], ByVersion({2011: Many(Nested(StoredMedia), count=2), 2012: Many(Nested(StoredMedia))})
    ] = ()


class RecordAudio(Struct, frozen=True):
    """0x8804. 0 s: on and on."""

    command: Annotated[int, Unsigned(1, names={0: "stop", 1: "start"})]
    time_s: Annotated[int, Unsigned(2, unit="s")]
    store: Annotated[int, Unsigned(1, names=STORE)]
    rate: Annotated[int, Unsigned(1, names={0: "8k", 1: "11k", 2: "23k", 3: "32k"})]


class UploadOneMedia(Struct, frozen=True):
    """0x8805."""

    media_id: Annotated[int, Unsigned(4)]
    delete: Annotated[int, Unsigned(1, names=KEEP)]


DATA_BY_VERSION: Final = ByVersion({2011: Rest(prefix=2), 2013: Rest()})
"""2011 says how much there is, in all packets and in this one; later editions leave it to the header."""


class Transparent(Struct, frozen=True, kw_only=True):
    """0x0900. Types F7 and F8 tell of peripherals (T/JSATL 12); all others are bytes for whoever knows them."""

    kind: Annotated[int, Unsigned(1, names=TRANSPARENT)]
    states: Annotated[
        tuple[PeripheralState, ...] | None,
        Many(Nested(PeripheralState), count=1),
        IfEqual("kind", (0xF7,)),
        Since(2013),
    ] = None
    details: Annotated[
        tuple[PeripheralInfo, ...] | None, Many(Nested(PeripheralInfo), count=1), IfEqual("kind", (0xF8,)), Since(2013)
    ] = None
    total: Annotated[int | None, TotalBytes(4, of="data"), IfEqual("kind", BARE_KINDS), Until(2011)] = None
    """Bytes of the data in all packets."""
    data: Annotated[bytes | None, DATA_BY_VERSION, IfEqual("kind", BARE_KINDS)] = None


class TransparentOrder(Struct, frozen=True, kw_only=True):
    """0x8900. Types F7 and F8 ask for the state and the details of peripherals (T/JSATL 12)."""

    kind: Annotated[int, Unsigned(1, names=TRANSPARENT)]
    peripherals: Annotated[
        tuple[int, ...] | None,
        Many(Unsigned(1, names=PERIPHERALS), count=1),
        IfEqual("kind", PERIPHERAL_KINDS),
        Since(2013),
    ] = None
    total: Annotated[int | None, TotalBytes(4, of="data"), IfEqual("kind", BARE_KINDS), Until(2011)] = None
    """Bytes of the data in all packets."""
    data: Annotated[bytes | None, DATA_BY_VERSION, IfEqual("kind", BARE_KINDS)] = None


class Inflated(Raw):
    """What the field `data` in front inflates to. No byte of the wire, and never written: it follows from `data`.

    None, with a fault, when that is no gzip stream. At most INFLATED_BYTES_MAX bytes are made, whatever is asked for;
    a stream that is cut off gives what is there.
    """

    none_written = True

    def read(self, reader: Reader, name: str) -> bytes | None:
        stream = zlib.decompressobj(wbits=31)
        try:
            data = stream.decompress(reader.values["data"], INFLATED_BYTES_MAX + 1)
        except zlib.error:
            reader.faults.append("data: is no gzip stream")
            return None
        if len(data) > INFLATED_BYTES_MAX:
            reader.faults.append(f"data: inflates to more than {INFLATED_BYTES_MAX} bytes")
        elif not stream.eof:
            reader.faults.append(f"data: the gzip stream ends early, after {len(data)} bytes")
        elif stream.unused_data:
            reader.faults.append(f"data: {len(stream.unused_data)} bytes behind the gzip stream")
        return data[:INFLATED_BYTES_MAX]

    def write(self, writer: Writer, value: Any) -> None:
        return None


class Compressed(Struct, frozen=True):
    """0x0901: a gzip stream that holds a whole message body; which message it is of, it does not say."""

    data: Annotated[bytes, Raw(prefix=4)]
    inflated: Annotated[bytes | None, Inflated()] = None


class RsaKey(Struct, frozen=True):
    """0x0A00 and 0x8A00."""

    exponent: Annotated[int, Unsigned(4)]
    modulus: Annotated[bytes, Raw(128)]
