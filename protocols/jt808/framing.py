"""Flags, escapes and checksum of one JT/T 808 frame, in Python; kernels.py does the same for streams.

On the wire a frame is 7e, the escaped frame and checksum, 7e. Inside, 7e travels as 7d 02 and 7d as 7d 01; the checksum
is the XOR of the frame before escaping (JT/T 808-2019 section 4.4). "Frame" without more means header and body.
"""

from typing import Final

FLAG: Final = 0x7E
ESCAPE: Final = 0x7D

FRAME_BYTES_MIN: Final = 12
"""The shortest header, that of 2011 and 2013, with an empty body."""
WIRE_BYTES_MAX: Final = 4096
"""Longest run from an opening flag to before the closing one. The largest legal one is (21 + 1023 + 1) * 2 + 1 = 2,091;
the standard's readers are told to be lenient to 4,096."""


class ProtocolError(Exception):
    """The peer sent what cannot be read.

    Attributes:
        reason: one of escape, checksum, short, header, flag, endless.
        detail: what is wrong, in words.
        offset: first byte that is wrong, in the bytes that were handed in.
    """

    def __init__(self, reason: str, offset: int, detail: str) -> None:
        super().__init__(f"{detail} (at offset {offset})")
        self.reason = reason
        self.detail = detail
        self.offset = offset


def checksum(frame: bytes) -> int:
    """Return the XOR of all bytes."""
    # One big XOR of halves beats a loop in Python; 0 is neutral, so an odd length only needs padding.
    length = len(frame)
    number = int.from_bytes(frame, "big")
    while length > 1:
        half = (length + 1) // 2
        number = (number >> (8 * half)) ^ (number & ((1 << (8 * half)) - 1))
        length = half
    return number


def wrap(frame: bytes) -> bytes:
    """Return a frame as it goes on the wire: checksum behind it, escaped, between flags."""
    content = frame + bytes((checksum(frame),))
    # 7d goes first: undoing or doing 7e first would escape its own 7d.
    return b"\x7e" + content.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02") + b"\x7e"


def unescape(content: bytes, offset: int = 0) -> tuple[bytes, list[int]]:
    """Undo the escapes between two flags.

    Args:
        content: the bytes between the flags, checksum included.
        offset: where `content` starts in what the caller was given.

    Returns:
        The bytes, and for each the offset of its first byte on the wire; one offset more for the end.

    Raises:
        ProtocolError: 'flag' or 'escape', with its offset.
    """
    out = bytearray()
    places: list[int] = []
    i = 0
    while i < len(content):
        byte = content[i]
        places.append(offset + i)
        if byte == FLAG:
            raise ProtocolError("flag", offset + i, "a flag stands inside the frame")
        if byte == ESCAPE:
            i += 1
            if i == len(content) or content[i] not in (1, 2):
                raise ProtocolError("escape", offset + i - 1, "7d is not followed by 01 or 02")
            byte = ESCAPE if content[i] == 1 else FLAG
        out.append(byte)
        i += 1
    places.append(offset + len(content))
    return bytes(out), places


def unwrap(wire: bytes) -> bytes:
    """Return the frame in one wire frame with both flags, its checksum verified and taken off.

    Raises:
        ProtocolError: flag, escape, short or checksum.
    """
    if len(wire) < 2 or wire[0] != FLAG or wire[-1] != FLAG:
        raise ProtocolError("flag", 0 if wire[:1] != b"\x7e" else len(wire), "a frame stands between two flags")
    content, _ = unescape(wire[1:-1], 1)
    if len(content) < FRAME_BYTES_MIN + 1:
        raise ProtocolError("short", len(wire) - 1, f"{len(content)} bytes hold no header and checksum")
    frame = content[:-1]
    if checksum(frame) != content[-1]:
        raise ProtocolError(
            "checksum", len(wire) - 2, f"the checksum is {content[-1]:#04x}, the bytes make {checksum(frame):#04x}"
        )
    return frame
