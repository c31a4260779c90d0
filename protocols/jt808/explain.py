"""Say what every byte of a JT/T 808 frame is. The fields come from the declarations, by the same reading as decode.

The answer is a dict that goes to JSON as it is:

    message   message id as 0x…, body its declared name, version 2011 | 2013 | 2019
    fields    one {name, offset, length, raw, value, unit, meaning} for each run of bytes, in order, without gap or
              overlap; offset and length count bytes as they were given, escapes and flags included
    faults    what the sender got wrong and was read around
    inflated  only for 0x0901: {bytes, raw, message, body, fields, faults} of what its gzip stream holds. It does not
              say what message it is of: the first of INFLATED that reads it to its last byte, else one field of bytes
    error     only for a frame that cannot be read: why; offset says where, fields hold what was read before that
"""

from typing import Any, Final

from protocols.jt808.codec import decode_noting
from protocols.jt808.framing import ESCAPE, FLAG, ProtocolError, checksum
from protocols.jt808.media import Compressed
from protocols.jt808.messages import MESSAGES
from protocols.jt808.wire import BodyShort, ItemTable, Note, Raw, Reader, Wire, read

TEXT_CHARACTERS_MAX: Final = 64 * 1024
"""A frame has at most 8,192 hexadecimal digits; the rest is room for spaces and colons."""

FLAG_NAME: Final = "flag"
CHECKSUM_NAME: Final = "checksum"
UNREAD_NAME: Final = "unread"

SEPARATORS: Final = frozenset(" \t\r\n:,-_\ufeff")
HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")


def explain(text: str, vendor: ItemTable | None = None) -> dict[str, Any]:
    """Explain one frame in hexadecimal, with or without flags, spaces and a leading 0x. Never raises.

    Without flags the bytes are taken as they stand between them: escaped, checksum at the end. When they do not check
    that way and do as they are (a frame from a log, unescaped), they are read as they are. `vendor` is as in decode.
    """
    try:
        wire = _bytes_of(text)
    except ProtocolError as error:
        return {"error": error.detail, "reason": error.reason, "offset": error.offset, "fields": []}
    return explain_wire(wire, vendor)


def _bytes_of(text: str) -> bytes:
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ProtocolError("text", TEXT_CHARACTERS_MAX, f"more than {TEXT_CHARACTERS_MAX} characters")
    start = 2 if text[:2] in ("0x", "0X") else 0
    digits: list[str] = []
    for place, character in enumerate(text[start:], start):
        if character in SEPARATORS:
            continue
        if character not in HEX_DIGITS:
            raise ProtocolError("text", place, f"{character!r} is no hexadecimal digit")
        digits.append(character)
    if not digits:
        raise ProtocolError("text", len(text), "there is no frame")
    if len(digits) % 2:
        raise ProtocolError("text", len(text), "half a byte is left over")
    return bytes.fromhex("".join(digits))


class Fault(Exception):  # noqa: N818 - a reason to stop reading, found in the peer's bytes
    """Where reading ended, and why."""

    def __init__(self, reason: str, offset: int, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.offset = offset


def explain_wire(wire: bytes, vendor: ItemTable | None = None) -> dict[str, Any]:
    """Explain the bytes of one frame. Never raises."""
    fields: list[dict[str, Any]] = []
    answer: dict[str, Any] = {}
    start = 0
    if wire[:1] == bytes((FLAG,)):
        fields.append(_field(FLAG_NAME, 0, wire[:1], None, "", "opens the frame"))
        start = 1
    closing = wire.find(FLAG, start)
    end = len(wire) if closing < 0 else closing
    content, places, fault = _unescape(wire[start:end], start)
    if not start and closing < 0 and (fault or (content and checksum(content) != 0)) and checksum(wire) == 0:
        # No flags, and it checks as it stands: somebody unescaped it before.
        content, places, fault = wire, list(range(len(wire) + 1)), None
    if fault is None and start and closing < 0:
        fault = Fault("flag", len(wire), "the closing flag is missing")
    if fault is None and 0 <= closing < len(wire) - 1:
        fault = Fault("flag", closing + 1, f"{len(wire) - closing - 1} bytes stand behind the closing flag")
    if not content:
        fault = fault or Fault("short", end, "there is nothing between the flags")
    # A frame that was closed, or came without flags, ends in its checksum. One that is cut off does not.
    cut_off = fault is not None and fault.reason in ("escape", "flag") and closing < 0
    frame = content if cut_off or (fault is not None and fault.reason == "escape") else content[:-1]
    notes: list[Note] = []
    read_end = 0
    try:
        decoded = decode_noting(frame, None, notes, vendor)
    except ProtocolError as error:
        fault = fault or Fault(error.reason, places[min(error.offset, len(content))], error.detail)
    else:
        answer = {
            "message": f"{decoded.header.message:#06x}",
            "body": type(decoded.body).__name__,
            "version": decoded.header.version,
            "phone": decoded.header.phone,
            "serial": decoded.header.serial,
            "faults": list(decoded.faults),
        }
        if isinstance(decoded.body, Compressed) and decoded.body.inflated is not None:
            answer["inflated"] = explain_inflated(decoded.body.inflated, decoded.header.version, vendor)
    for note in notes:
        fields.append(_noted(note, wire, places))
        read_end = note.end
    if read_end < len(frame):
        fields.append(_unread(wire, places[read_end], places[len(frame)]))
    if len(frame) < len(content):
        said, made = content[-1], checksum(frame)
        right = said == made
        fields.append(
            _field(
                CHECKSUM_NAME,
                places[-2],
                wire[places[-2] : places[-1]],
                said,
                "",
                "right" if right else f"wrong, the bytes make {made:#04x}",
            )
        )
        if not right and (fault is None or fault.offset > places[-2]):
            fault = Fault("checksum", places[-2], f"the checksum is {said:#04x}, the bytes make {made:#04x}")
    if places[-1] < end:
        fields.append(_unread(wire, places[-1], end))
    if closing >= 0:
        fields.append(_field(FLAG_NAME, closing, wire[closing : closing + 1], None, "", "closes the frame"))
        if closing + 1 < len(wire):
            fields.append(_unread(wire, closing + 1, len(wire)))
    if fault is not None:
        answer = {"error": str(fault), "reason": fault.reason, "offset": fault.offset, **answer}
    answer["fields"] = fields
    return answer


INFLATED: Final = (0x0704, 0x0200)
"""Messages whose bodies terminals compress, as far as is known: tried in this order."""


def inflated_body(body: bytes, version: int) -> tuple[int, Any] | None:
    """Return which message a body without a frame around it is, and the Struct that it makes; None where none fits."""
    found = _read_inflated(body, version, None)
    return None if found is None else found[:2]


def _read_inflated(body: bytes, version: int, vendor: ItemTable | None) -> tuple[int, Any, Reader] | None:
    """Read a body as the first message that it fits to the last byte; the Reader holds notes and faults."""
    for message in INFLATED:
        reader = Reader(body, 0, len(body), version, [], vendor)
        try:
            read_body = read(MESSAGES[message].body, reader)
        except BodyShort:
            continue
        if reader.offset == reader.end and not reader.misfit:
            return message, read_body, reader
    return None


def explain_inflated(body: bytes, version: int, vendor: ItemTable | None) -> dict[str, Any]:
    """Explain a body without a frame around it, whose message nobody says."""
    found = _read_inflated(body, version, vendor)
    if found is not None:
        message, read_body, reader = found
        name = type(read_body).__name__
    else:
        message, name, reader = 0, "", Reader(body, 0, len(body), version, [])
        if body:
            Raw().read(reader, "data")
    places = list(range(len(body) + 1))
    return {
        "bytes": len(body),
        "raw": body.hex().upper(),
        "message": f"{message:#06x}" if message else "",
        "body": name,
        "fields": [_noted(note, body, places) for note in reader.notes or ()],
        "faults": reader.faults,
    }


def _unescape(content: bytes, offset: int) -> tuple[bytes, list[int], Fault | None]:
    """Undo escapes up to the first wrong one. places[i] is where byte i stands in the input, places[-1] the end."""
    out = bytearray()
    places: list[int] = []
    i = 0
    while i < len(content):
        byte = content[i]
        if byte == ESCAPE:
            if i + 1 == len(content) or content[i + 1] not in (1, 2):
                places.append(offset + i)
                return bytes(out), places, Fault("escape", offset + i, "7d is not followed by 01 or 02")
            places.append(offset + i)
            out.append(ESCAPE if content[i + 1] == 1 else FLAG)
            i += 2
            continue
        places.append(offset + i)
        out.append(byte)
        i += 1
    places.append(offset + len(content))
    return bytes(out), places, None


def _field(name: str, offset: int, raw: bytes, value: Any, unit: str, meaning: str) -> dict[str, Any]:
    return {
        "name": name,
        "offset": offset,
        "length": len(raw),
        "raw": raw.hex().upper(),
        "value": value,
        "unit": unit,
        "meaning": meaning,
    }


def _noted(note: Note, wire: bytes, places: list[int]) -> dict[str, Any]:
    offset, end = places[note.start], places[note.end]
    value = note.value
    if isinstance(value, bytes):
        value = value.hex().upper()
    field_wire: Wire = note.wire
    # A scaled number is told in its unit by the meaning; the value stays as the wire has it.
    unit = field_wire.unit if field_wire.scale == 1.0 else f"{field_wire.scale:g} {field_wire.unit}"
    return _field(note.name, offset, wire[offset:end], value, unit, field_wire.meaning(note.value))


def _unread(wire: bytes, offset: int, end: int) -> dict[str, Any]:
    raw = wire[offset:end]
    return _field(UNREAD_NAME, offset, raw, raw.hex().upper(), "", "not read")


def explain_text(answer: dict[str, Any]) -> str:
    """Return an explanation as a table for a terminal: lines without a line break at the end."""
    lines: list[str] = []
    if "error" in answer:
        lines.append(f"error at offset {answer['offset']}: {answer['error']}")
    if "message" in answer:
        lines.append(
            f"{answer['message']} {answer['body']}, version {answer['version']}, phone {answer['phone']}, "
            f"serial {answer['serial']}"
        )
    lines += _table(answer["fields"])
    lines += [f"fault: {fault}" for fault in answer.get("faults", ())]
    if "inflated" in answer:
        inflated = answer["inflated"]
        lines.append(f"inflated to {inflated['bytes']} bytes: {inflated['body'] or 'of no known message'}")
        lines += _table(inflated["fields"])
        lines += [f"fault: {fault}" for fault in inflated["faults"]]
    return "\n".join(lines)


def _table(fields: list[dict[str, Any]]) -> list[str]:
    rows = [("offset", "length", "name", "value", "meaning", "raw")]
    for field in fields:
        value = "" if field["value"] is None else str(field["value"])
        if len(value) > 40:
            value = value[:37] + "..."
        raw = field["raw"] if len(field["raw"]) <= 40 else field["raw"][:37] + "..."
        meaning = field["meaning"] or (field["unit"] if field["value"] is not None else "")
        rows.append((str(field["offset"]), str(field["length"]), field["name"], value, meaning, raw))
    if len(rows) == 1:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
