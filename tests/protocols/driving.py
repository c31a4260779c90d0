"""Call the four kernels from Python, one frame at a time, with guard bytes around whatever they write to."""

from typing import Any

import numpy as np

from protocols.jt808.kernels import KERNELS
from protocols.report import REPORT, REPORT_BYTES
from protocols.seam import (
    IDENTITY_ARRIVAL_MS,
    IDENTITY_REPLY_SERIAL,
    IDENTITY_WORDS,
    REASON_NAMES,
    REPLY_BYTES_MAX,
    SPLIT_BAD,
    SPLIT_FRAME,
    SPLIT_JUNK,
    SPLIT_MORE,
    SPLIT_OUTPUT_BYTES,
)

GUARD = 64
GUARD_BYTE = 0xA5


class Area:
    """Zeroed bytes between two guards; `address` is where the kernel writes."""

    def __init__(self, size: int) -> None:
        self.all = np.full(size + 2 * GUARD, GUARD_BYTE, np.uint8)
        self.data = self.all[GUARD : GUARD + size]
        self.data[:] = 0
        self.address = self.data.ctypes.data

    def check(self) -> None:
        assert (self.all[:GUARD] == GUARD_BYTE).all(), "written in front of the buffer"
        assert (self.all[-GUARD:] == GUARD_BYTE).all(), "written behind the buffer"


OUTPUT = Area(SPLIT_OUTPUT_BYTES)
RESULT = Area(16)
IDENTITY = Area(8 * IDENTITY_WORDS)
ANSWER = Area(REPLY_BYTES_MAX)


def split(data: bytes) -> tuple[int, int, Any]:
    """Return what happened, the bytes consumed, and the frame or the name of the reason."""
    source = Area(len(data))
    source.data[:] = np.frombuffer(data, np.uint8)
    what = KERNELS.split(source.address, len(data), OUTPUT.address, RESULT.address)
    OUTPUT.check()
    RESULT.check()
    consumed, detail = (int(word) for word in RESULT.data.view(np.int64))
    assert 0 <= consumed <= len(data)
    if what == SPLIT_FRAME:
        return what, consumed, OUTPUT.data[:detail].tobytes()
    if what == SPLIT_BAD:
        return what, consumed, REASON_NAMES[detail]
    return what, consumed, None


class Stream:
    """Pieces of a byte stream in; frames, reasons of bad frames and the number of junk bytes out."""

    def __init__(self) -> None:
        self.rest = b""
        self.frames: list[bytes] = []
        self.bad: list[str] = []
        self.junk_bytes = 0

    def feed(self, piece: bytes) -> None:
        data = self.rest + piece
        while True:
            what, consumed, detail = split(data)
            data = data[consumed:]
            if what == SPLIT_MORE:
                break
            assert consumed > 0, "a splitter that does not go on never ends"
            if what == SPLIT_FRAME:
                self.frames.append(detail)
            elif what == SPLIT_BAD:
                self.bad.append(detail)
            else:
                assert what == SPLIT_JUNK
                self.junk_bytes += consumed
        self.rest = data


def frames_of(*pieces: bytes) -> list[bytes]:
    stream = Stream()
    for piece in pieces:
        stream.feed(piece)
    return stream.frames


def identify(frame: bytes) -> tuple[int, list[int]]:
    """Return the class and the identity block."""
    source = Area(len(frame))
    source.data[:] = np.frombuffer(frame, np.uint8)
    IDENTITY.data[:] = 0
    frame_class = KERNELS.identify(source.address, len(frame), IDENTITY.address)
    IDENTITY.check()
    return frame_class, IDENTITY.data.view(np.int64).tolist()


def decode(frame: bytes, arrival_ms: int, rows_max: int = 200) -> tuple[np.ndarray, list[int]]:
    """Return the rows and the identity block after decoding."""
    source = Area(len(frame))
    source.data[:] = np.frombuffer(frame, np.uint8)
    identify(frame)
    IDENTITY.data.view(np.int64)[IDENTITY_ARRIVAL_MS] = arrival_ms
    rows = Area(rows_max * REPORT_BYTES)
    count = KERNELS.decode(source.address, len(frame), IDENTITY.address, rows.address, rows_max)
    rows.check()
    IDENTITY.check()
    assert 0 <= count <= rows_max
    return rows.data.view(REPORT)[:count].copy(), IDENTITY.data.view(np.int64).tolist()


def reply(frame: bytes, result: int, serial: int) -> bytes:
    """Return the bytes of the general reply."""
    source = Area(len(frame))
    source.data[:] = np.frombuffer(frame, np.uint8)
    identify(frame)
    IDENTITY.data.view(np.int64)[IDENTITY_REPLY_SERIAL] = serial
    length = KERNELS.reply(source.address, len(frame), IDENTITY.address, result, ANSWER.address)
    ANSWER.check()
    return ANSWER.data[:length].tobytes()
