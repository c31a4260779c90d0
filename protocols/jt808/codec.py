"""Decode and encode single JT/T 808 frames in Python, from the declarations in messages.py.

A frame here is header and body: unescaped, without flags and checksum, as the intake's split hands it up. Reports come
by the thousands and are decoded by kernels.py; this is for conversations, simulators, tests and the explainer.
"""

from typing import Final

import msgspec

from protocols.jt808.framing import ProtocolError, wrap
from protocols.jt808.messages import MESSAGES, Unknown
from protocols.jt808.wire import BodyShort, ItemTable, Note, Raw, Reader, Unsigned, Wire, Writer, read, write

__all__ = ["BODY_BYTES_MAX", "Decoded", "Header", "ProtocolError", "decode", "encode", "encode_frame"]

BODY_BYTES_MAX: Final = 1023
"""The header's length has ten bits. A longer message goes in fragments."""

ATTRIBUTE_LENGTH: Final = 0x03FF
ATTRIBUTE_ENCRYPTION: Final = 0x1C00
ATTRIBUTE_FRAGMENT: Final = 0x2000
ATTRIBUTE_2019: Final = 0x4000


class Header(msgspec.Struct, frozen=True, gc=False):
    """A frame's header.

    Attributes:
        phone: the terminal's number as digits without leading zeros; hexadecimal letters are met in the field.
        version: 2011, 2013 or 2019. The header tells 2019 from the rest; 2011 shows in a 0x0100 only.
        total, index: of a fragment, index from 1; total 0 for a whole message.
        encryption: bits 10-12 of the attributes, 1 is RSA.
        protocol_version: version byte of a 2019 header.
    """

    message: int
    phone: str
    serial: int
    version: int = 2013
    total: int = 0
    index: int = 0
    encryption: int = 0
    protocol_version: int = 1


class Decoded(msgspec.Struct, frozen=True):
    """A frame read.

    Attributes:
        body: a declared Struct of messages.py, or Unknown.
        faults: what the sender got wrong and we read around, in words; empty for a proper frame.
        tail: bytes behind the declared body.
    """

    header: Header
    body: msgspec.Struct
    faults: tuple[str, ...]
    tail: bytes = b""


def decode(frame: bytes, version: int | None = None, vendor: ItemTable | None = None) -> Decoded:
    """Read one frame. Whatever the body holds, something is returned: what cannot be read is Unknown with a fault.

    Args:
        version: the version of the body when the caller knows better than the header (2011).
        vendor: what this terminal's maker means by the items of a location (`vendor_of` in vendors.py); None: what
            most makers mean.

    Raises:
        ProtocolError: the header cannot be read ('header').
    """
    return decode_noting(frame, version, None, vendor)


def decode_noting(
    frame: bytes, version: int | None, notes: list[Note] | None, vendor: ItemTable | None = None
) -> Decoded:
    """Read one frame as decode does and note where each field lay."""
    header, body_offset, faults = _read_header(frame, notes)
    if version is not None and version != header.version:
        header = msgspec.structs.replace(header, version=version)
    declared = MESSAGES.get(header.message)
    if header.encryption:
        faults.append("the body is encrypted")
        declared = None
    if header.total:
        declared = None
    body: msgspec.Struct
    tail = b""
    if declared is None:
        body = Unknown(header.message, frame[body_offset:])
        if notes is not None:
            Raw().read(Reader(frame, body_offset, len(frame), header.version, notes), "data")
        return Decoded(header, body, tuple(faults))
    best: tuple[Reader, msgspec.Struct, int] | None = None
    unfit: str | None = None
    layouts = declared.layouts(header.version, len(frame) - body_offset)
    if declared.reading is not None:
        layouts = (declared.reading(header.version, frame[body_offset:]),)
    for layout_version in layouts:
        reader = Reader(frame, body_offset, len(frame), layout_version, None if notes is None else [], vendor)
        try:
            body = read(declared.body, reader)
        except BodyShort as short:
            unfit = unfit or str(short)
            continue
        if best is None or (reader.offset == reader.end and not reader.misfit):
            best = reader, body, layout_version
        if reader.offset == reader.end and not reader.misfit:
            break
    if best is None:
        faults.append(unfit or "no layout fits")
        body = Unknown(header.message, frame[body_offset:])
        if notes is not None:
            Raw().read(Reader(frame, body_offset, len(frame), header.version, notes), "data")
        return Decoded(header, body, tuple(faults))
    reader, body, layout_version = best
    if max(layout_version, header.version) < 2019:
        # A second reading of 2011 is still 2011.
        header = msgspec.structs.replace(header, version=2013 if layout_version == 2013 else 2011)
    if reader.offset < reader.end:
        tail = frame[reader.offset :]
        reader.faults.append(f"{len(tail)} bytes stand behind the body")
        Raw().read(reader, "tail")
    if notes is not None and reader.notes is not None:
        notes += reader.notes
    return Decoded(header, body, (*faults, *reader.faults), tail)


class Phone(Wire):
    """Packed BCD, padded with zeros in front; nibbles above 9 are kept as letters."""

    def __init__(self, size: int) -> None:
        self.size = size

    def read(self, reader: Reader, name: str) -> str:
        value = reader.take(self.size, name).hex().upper().lstrip("0") or "0"
        reader.note(name, self.size, value, self)
        return value

    def write(self, writer: Writer, value: str) -> None:
        if len(value) > 2 * self.size:
            raise ValueError(f"phone {value!r} has more than {2 * self.size} digits")
        writer.data += bytes.fromhex(value.zfill(2 * self.size))


class Attributes(Unsigned):
    """The attribute word of the header."""

    def meaning(self, value: int) -> str:
        words = [f"body of {value & ATTRIBUTE_LENGTH} bytes"]
        encryption = (value & ATTRIBUTE_ENCRYPTION) >> 10
        if encryption:
            words.append("encrypted (RSA)" if encryption == 1 else f"encrypted ({encryption})")
        if value & ATTRIBUTE_FRAGMENT:
            words.append("fragment")
        words.append("header of 2019" if value & ATTRIBUTE_2019 else "header of 2011 and 2013")
        if value & 0x8000:
            words.append("bit 15")
        return ", ".join(words)


class MessageId(Unsigned):
    def meaning(self, value: int) -> str:
        declared = MESSAGES.get(value)
        return declared.body.__name__ if declared else "not declared"


MESSAGE_ID: Final = MessageId(2)
ATTRIBUTES: Final = Attributes(2)
WORD: Final = Unsigned(2)
BYTE: Final = Unsigned(1)
PHONE_SHORT: Final = Phone(6)
PHONE_LONG: Final = Phone(10)


def _read_header(frame: bytes, notes: list[Note] | None) -> tuple[Header, int, list[str]]:
    reader = Reader(frame, 0, len(frame), 2013, notes)
    faults: list[str] = []
    try:
        message = MESSAGE_ID.read(reader, "header.message")
        attributes = ATTRIBUTES.read(reader, "header.attributes")
        version, protocol_version, phone_wire = 2013, 1, PHONE_SHORT
        if attributes & ATTRIBUTE_2019:
            protocol_version = BYTE.read(reader, "header.protocol_version")
            version, phone_wire = 2019, PHONE_LONG
        phone = phone_wire.read(reader, "header.phone")
        serial = WORD.read(reader, "header.serial")
        total = index = 0
        if attributes & ATTRIBUTE_FRAGMENT:
            total = WORD.read(reader, "header.total")
            index = WORD.read(reader, "header.index")
            if total == 0:
                # A packet item that counts no packets: the message is whole.
                faults.append("the packet item counts no packets")
                index = 0
            elif not 1 <= index <= total:
                raise ProtocolError("header", reader.offset - 2, f"fragment {index} of {total}")
    except BodyShort as short:
        raise ProtocolError("header", len(frame), f"the frame ends before {short.name} is complete") from None
    length, there = attributes & ATTRIBUTE_LENGTH, len(frame) - reader.offset
    # A message put together from fragments is longer than ten bits can say: its length is no fault.
    if length != there and there <= BODY_BYTES_MAX:
        faults.append(f"the header says {length} body bytes, there are {there}")
    encryption = (attributes & ATTRIBUTE_ENCRYPTION) >> 10
    header = Header(message, phone, serial, version, total, index, encryption, protocol_version)
    return header, reader.offset, faults


def encode_body(body: msgspec.Struct, header: Header) -> bytes:
    """Return the body bytes for a header's message and version.

    Raises:
        ValueError: the body does not belong to the header's message, or a value does not fit.
    """
    if isinstance(body, Unknown):
        return body.data
    declared = MESSAGES.get(header.message)
    if declared is None or not isinstance(body, declared.body):
        raise ValueError(f"{type(body).__name__} is not the body of message {header.message:#06x}")
    first: ValueError | None = None
    for version in declared.layouts(header.version, -1):
        writer = Writer(version)
        try:
            write(body, writer)
        except ValueError as error:
            first = first or error
            continue
        return bytes(writer.data)
    assert first is not None
    raise first


def encode_frame(body: msgspec.Struct, header: Header) -> bytes:
    """Return header and body, neither escaped nor with flags and checksum: what decode reads.

    Raises:
        ValueError: over 1,023 body bytes, or what encode_body raises.
    """
    data = encode_body(body, header)
    if len(data) > BODY_BYTES_MAX:
        raise ValueError(f"a body of {len(data)} bytes, a frame holds {BODY_BYTES_MAX}: send fragments")
    if not 0 <= header.encryption <= 7:
        raise ValueError(f"encryption {header.encryption} does not fit into three bits")
    attributes = len(data) | header.encryption << 10
    if header.total:
        attributes |= ATTRIBUTE_FRAGMENT
    writer = Writer(header.version)
    writer.number(header.message, 2)
    if header.version == 2019:
        writer.number(attributes | ATTRIBUTE_2019, 2)
        writer.number(header.protocol_version, 1)
        PHONE_LONG.write(writer, header.phone)
    else:
        writer.number(attributes, 2)
        PHONE_SHORT.write(writer, header.phone)
    writer.number(header.serial, 2)
    if header.total:
        writer.number(header.total, 2)
        writer.number(header.index, 2)
    return bytes(writer.data) + data


def encode(body: msgspec.Struct, header: Header) -> bytes:
    """Return one frame as it goes on the wire: flags, escapes, checksum. Raises as encode_frame does."""
    return wrap(encode_frame(body, header))


def fragments_of(body_bytes: int) -> int:
    """Return how many frames a body takes."""
    return max(1, -(-body_bytes // BODY_BYTES_MAX))


def encode_fragment(data: bytes, header: Header, index: int) -> bytes:
    """Return one fragment of a long body as it goes on the wire: the same bytes whenever it is asked for.

    Args:
        data: the whole body, over 1,023 bytes.
        header: its serial is that of the first fragment; the others follow it.
        index: from 1.
    """
    piece = data[(index - 1) * BODY_BYTES_MAX : index * BODY_BYTES_MAX]
    serial = header.serial + index - 1 & 0xFFFF
    fragment = msgspec.structs.replace(header, serial=serial, total=fragments_of(len(data)), index=index)
    return encode(Unknown(header.message, piece), fragment)
