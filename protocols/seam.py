"""The seam between the intake and a protocol: four compiled kernels, handed in by their addresses.

The intake's loop and the journal's readers know no protocol. They call, for each frame and never for each byte:

    split     cut the next frame out of a byte stream; undo its escapes, check its checksum
    identify  read the header: who speaks, what kind of frame, what the intake must do with it
    decode    turn the locations in a frame into REPORT rows
    reply     build the general reply to a frame, ready for the wire

Arguments and results are int64; what the C programmer would call a pointer is an int64 address. A kernel reads and
writes only where it is told to, calls nothing outside, keeps no state, and never raises: whatever the bytes are, it
returns. An address is a plain int64 argument: it hits numba's cache on disk, where a closure over a compiled function
would not, and costs 2 ns a call, where numba's first-class functions cost 40.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from numba import types

SPLIT_SIGNATURE: Final = types.int64(types.int64, types.int64, types.int64, types.int64)
"""split(input, input_length, output, result) -> SPLIT_*.

Reads at most one frame from `input`. `output` has room for SPLIT_OUTPUT_BYTES. Writes two int64 at `result`:
[0] bytes of input consumed, to be dropped by the caller, also with SPLIT_MORE (junk in front of a frame);
[1] SPLIT_FRAME: length of the unescaped frame in `output`, flags and checksum taken off;
    SPLIT_BAD: REASON_*; SPLIT_JUNK: nothing. A frame consumed leaves a closing flag that also opens the next.
Cutting a stream anywhere and handing over the pieces gives the same frames.
"""
SPLIT_OUTPUT_BYTES: Final = 4096
"""The largest frame any protocol of ours may hand over, unescaped. A longer one is REASON_ENDLESS."""

SPLIT_MORE: Final = 0
"""No whole frame in the input yet."""
SPLIT_FRAME: Final = 1
SPLIT_BAD: Final = 2
"""A frame was cut out and cannot be read: count it and go on behind it."""
SPLIT_JUNK: Final = 3
"""`consumed` bytes stood outside any frame: count them and go on."""

REASON_CHECKSUM: Final = 1
REASON_ESCAPE: Final = 2
REASON_SHORT: Final = 3
REASON_ENDLESS: Final = 4
REASON_HEADER: Final = 5
REASON_NAMES: Final = {
    REASON_CHECKSUM: "checksum",
    REASON_ESCAPE: "escape",
    REASON_SHORT: "short",
    REASON_ENDLESS: "endless",
    REASON_HEADER: "header",
}

IDENTIFY_SIGNATURE: Final = types.int64(types.int64, types.int64, types.int64)
"""identify(frame, frame_length, identity) -> CLASS_*. Fills the int64[IDENTITY_WORDS] block at `identity`."""

IDENTITY_PHONE_HIGH: Final = 0
IDENTITY_PHONE_LOW: Final = 1
IDENTITY_MESSAGE: Final = 2
IDENTITY_SERIAL: Final = 3
IDENTITY_FORM: Final = 4
"""Header form, for the protocol's own use (JT/T 808: 0 = 2011/2013, 1 = 2019)."""
IDENTITY_BODY_OFFSET: Final = 5
IDENTITY_BODY_LENGTH: Final = 6
IDENTITY_FRAGMENT_TOTAL: Final = 7
"""Number of fragments, 0 when the frame is whole."""
IDENTITY_FRAGMENT_INDEX: Final = 8
IDENTITY_ALARM: Final = 9
"""Alarm word of a report: a bit not set before makes the intake hand up at once."""
IDENTITY_LENGTH_FAULT: Final = 10
"""1 when the header's length disagrees with the frame: the frame is trusted, the fault counted."""
IDENTITY_UNREADABLE: Final = 11
"""Set by decode: locations inside the frame that could not be read (kept raw, counted)."""
IDENTITY_ARRIVAL_MS: Final = 12
"""Set by the caller before decode: when the frame was received, UTC epoch ms."""
IDENTITY_REPLY_SERIAL: Final = 13
"""Set by the caller before reply: the serial number that the platform's reply carries."""
IDENTITY_WORDS: Final = 16

CLASS_BAD: Final = 0
"""The header cannot be read: counted, unanswered, not journalled."""
CLASS_HEARTBEAT: Final = 1
"""Answered in place, not journalled."""
CLASS_REPORT: Final = 2
"""Locations: journalled, acknowledged by the intake once synced, decoded to rows by the readers."""
CLASS_UNREADABLE: Final = 3
"""A report whose head cannot be read: journalled raw, answered RESULT_WRONG once synced."""
CLASS_LOGIN: Final = 4
"""May be sent before admission; journalled, handed up, answered by the vehicle's task."""
CLASS_FRAME: Final = 5
"""Any other known frame: journalled, handed up, answered by the vehicle's task. May carry locations (0x0201)."""
CLASS_FRAGMENT: Final = 6
"""Part of a message: journalled, acknowledged once synced, handed up."""
CLASS_UNKNOWN: Final = 7
"""No such message: journalled raw, answered RESULT_UNSUPPORTED once synced."""

DECODE_SIGNATURE: Final = types.int64(types.int64, types.int64, types.int64, types.int64, types.int64)
"""decode(frame, frame_length, identity, rows, rows_max) -> rows written.

`identity` is as identify left it, IDENTITY_ARRIVAL_MS set. `rows` is the address of rows_max REPORT rows. Writes every
field but sequence, arrival_ms, terminal and vehicle_id; items_offset counts from the start of the frame. Frames of
other classes than CLASS_REPORT give the locations they carry, mostly none. Locations past rows_max are not written:
the caller offers ROWS_PER_FRAME_MAX.
"""
ROWS_PER_FRAME_MAX: Final = 4096
"""A 0x0704 put together from fragments may hold many: 64 KiB assembled over 30 bytes each is 2,184."""

REPLY_SIGNATURE: Final = types.int64(types.int64, types.int64, types.int64, types.int64, types.int64)
"""reply(frame, frame_length, identity, result, output) -> bytes written at `output` (at most REPLY_BYTES_MAX)."""
REPLY_BYTES_MAX: Final = 128

RESULT_OK: Final = 0
RESULT_FAILURE: Final = 1
RESULT_WRONG: Final = 2
RESULT_UNSUPPORTED: Final = 3

Kernel = Callable[..., Any]


class Entries(NamedTuple):
    """Addresses of the four kernels, as C would call them; valid as long as their cfuncs live."""

    split: int
    identify: int
    decode: int
    reply: int


class Kernels(NamedTuple):
    """The four kernels of one protocol, compiled with the signatures above and `cache=True`.

    Compiled code calls them by their entries (protocols.memory.call3 and on): a cfunc each, with `cache=True`, of a
    function of the module that does nothing but call the kernel.
    """

    split: Kernel
    identify: Kernel
    decode: Kernel
    reply: Kernel
    entries: Entries
