"""What a file of a terminal is, told by its first bytes: what the terminal calls it is never believed.

Only what stands in INLINE is shown in a page; everything else is handed out as a download of bytes.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

UNKNOWN: Final = "application/octet-stream"


class ContentType(NamedTuple):
    """A type of file that we tell."""

    name: str
    """As HTTP names it."""
    suffix: str
    """Of a file that is saved."""
    inline: bool
    """May be shown by a browser inside a page of ours."""
    fits: Callable[[bytes], bool]
    """Tells by the first 64 bytes."""


def content_type_of(data: bytes) -> str:
    """Return the content type of a file by its first bytes; UNKNOWN for what is not in CONTENT_TYPES."""
    head = data[:64]
    return next((one.name for one in CONTENT_TYPES if one.fits(head)), UNKNOWN)


def suffix_of(content_type: str) -> str:
    """Return the suffix for a file of this content type, `bin` for an unknown one."""
    return next((one.suffix for one in CONTENT_TYPES if one.name == content_type), "bin")


def _begins(*beginnings: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(beginnings)


def _riff(kind: bytes) -> Callable[[bytes], bool]:
    return lambda head: head[:4] == b"RIFF" and head[8:12] == kind


def _mp3(head: bytes) -> bool:
    # A frame of layer III: eleven bits set, version not reserved, layer 01, bit rate and sample rate valid.
    return head[:3] == b"ID3" or (
        len(head) > 2
        and head[0] == 0xFF
        and head[1] & 0xE6 == 0xE2
        and head[1] & 0x18 != 0x08
        and head[2] >> 4 not in (0, 15)
        and head[2] & 0x0C != 0x0C
    )


CONTENT_TYPES: Final = (
    ContentType("image/jpeg", "jpg", True, _begins(b"\xff\xd8\xff")),
    ContentType("image/png", "png", True, _begins(b"\x89PNG\r\n\x1a\n")),
    ContentType("image/tiff", "tif", False, _begins(b"II*\0", b"MM\0*")),
    ContentType("audio/wav", "wav", True, _riff(b"WAVE")),
    ContentType("audio/amr", "amr", True, _begins(b"#!AMR")),
    ContentType("audio/mpeg", "mp3", True, _mp3),
    ContentType("video/mp4", "mp4", True, lambda head: head[4:8] == b"ftyp"),
    ContentType("video/x-ms-asf", "wmv", False, _begins(bytes.fromhex("3026b2758e66cf11"))),
    ContentType("video/x-msvideo", "avi", False, _riff(b"AVI ")),
    # A bare stream, as 1078 cameras record it: a start code, then a parameter set or a slice.
    ContentType("video/h264", "h264", False, _begins(b"\0\0\0\1\x67", b"\0\0\0\1\x27", b"\0\0\1\x67", b"\0\0\1\x27")),
)
"""In this order: MP3's mark is the weakest, two bytes."""

INLINE: Final = frozenset(one.name for one in CONTENT_TYPES if one.inline)
