"""What can go wrong between a terminal and the platform, done to its frames on purpose, from a seed.

A fault takes the pieces on their way to the wire and gives back others: bytes to send, a pause, or the end of the link.
Faults are chained: each works on what the one before it left. At first every piece is one whole frame.
"""

from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from protocols.jt808.framing import WIRE_BYTES_MAX, wrap


class Pause(NamedTuple):
    """Send nothing for a while."""

    seconds: float


class End(NamedTuple):
    """The link ends here: `vanish` without a word (no FIN: the socket is kept and left alone), or by a `reset`."""

    how: str


VANISH: Final = End("vanish")
RESET: Final = End("reset")

Piece = bytes | Pause | End
Fault = Callable[[Sequence[Piece]], list[Piece]]
Maker = Callable[[np.random.Generator, float], Fault]
"""(source of chance, share of frames it befalls) -> the fault, with whatever it has to remember."""


def _each(rng: np.random.Generator, rate: float, do: Callable[[bytes], Iterable[Piece]]) -> Fault:
    """Return a fault that befalls single pieces of bytes."""

    def fault(pieces: Sequence[Piece]) -> list[Piece]:
        out: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, bytes) and piece and rng.random() < rate:
                out.extend(do(piece))
            else:
                out.append(piece)
        return out

    return fault


def cut(rng: np.random.Generator, rate: float) -> Fault:
    """The frame arrives in two to five parts, cut anywhere."""

    def do(frame: bytes) -> Iterable[Piece]:
        cuts = sorted(rng.integers(0, len(frame) + 1, rng.integers(1, 5)).tolist())
        for start, end in zip([0, *cuts], [*cuts, len(frame)], strict=True):
            yield frame[start:end]
            yield Pause(0.0)

    return _each(rng, rate, do)


def repeat(rng: np.random.Generator, rate: float) -> Fault:
    """The frame arrives twice, or three times."""
    return _each(rng, rate, lambda frame: [frame] * int(rng.integers(2, 4)))


def reorder(rng: np.random.Generator, rate: float) -> Fault:
    """The frame arrives behind the next one, whenever that is sent."""
    held: list[bytes] = []

    def fault(pieces: Sequence[Piece]) -> list[Piece]:
        out: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, bytes) and not held and rng.random() < rate:
                held.append(piece)
                continue
            out.append(piece)
            if isinstance(piece, bytes):
                out += held
                held.clear()
        return out

    return fault


def garbage(rng: np.random.Generator, rate: float) -> Fault:
    """Up to 200 random bytes come in front of the frame; 7e may be among them."""
    return _each(rng, rate, lambda frame: [rng.bytes(int(rng.integers(1, 201))), frame])


def flip(rng: np.random.Generator, rate: float) -> Fault:
    """One bit of the frame is turned over, flags not excepted."""

    def do(frame: bytes) -> Iterable[Piece]:
        broken = bytearray(frame)
        broken[rng.integers(len(frame))] ^= 1 << int(rng.integers(8))
        yield bytes(broken)

    return _each(rng, rate, do)


def truncate(rng: np.random.Generator, rate: float) -> Fault:
    """The frame stops somewhere, its closing flag is never sent."""
    return _each(rng, rate, lambda frame: [frame[: int(rng.integers(min(1, len(frame) - 1), len(frame)))]])


def oversize(rng: np.random.Generator, rate: float) -> Fault:
    """In front of the frame comes one with a right checksum that is longer than the standard allows any to be."""

    def do(frame: bytes) -> Iterable[Piece]:
        filler = rng.bytes(int(rng.integers(WIRE_BYTES_MAX, 2 * WIRE_BYTES_MAX)))
        yield wrap(b"\x02\x00\x03\xff" + filler)
        yield frame

    return _each(rng, rate, do)


def endless(rng: np.random.Generator, rate: float) -> Fault:
    """In front of the frame a flag comes, and then some 64 KB without another."""

    def do(frame: bytes) -> Iterable[Piece]:
        yield b"\x7e" + rng.bytes(65_536).replace(b"\x7e", b"\x7f")
        yield frame

    return _each(rng, rate, do)


def slow(rng: np.random.Generator, rate: float) -> Fault:
    """The frame drips in, byte by byte, 0.2 to 1 s apart."""

    def do(frame: bytes) -> Iterable[Piece]:
        for at in range(len(frame)):
            yield frame[at : at + 1]
            yield Pause(float(rng.uniform(0.2, 1.0)))

    return _each(rng, rate, do)


def vanish(rng: np.random.Generator, rate: float) -> Fault:
    """Part of the frame is sent, and then nothing more, ever; the connection stays open."""
    return _each(rng, rate, lambda frame: [frame[: int(rng.integers(0, len(frame)))], VANISH])


def reset(rng: np.random.Generator, rate: float) -> Fault:
    """Part of the frame is sent, then the connection is reset."""
    return _each(rng, rate, lambda frame: [frame[: int(rng.integers(0, len(frame)))], RESET])


class Wire:
    """The way from one terminal to the platform, with its faults.

    Args:
        names: faults of FAULTS, in the order in which they act.
        rate: share of frames that each befalls.
    """

    def __init__(self, names: Sequence[str], rate: float, seed: Sequence[int]) -> None:
        rng = np.random.default_rng(seed)
        self._faults = [FAULTS[name](rng, rate) for name in names]

    def carry(self, frames: Sequence[bytes]) -> list[Piece]:
        """Return what is to be done on the socket instead of sending the frames. Nothing follows an End."""
        pieces: list[Piece] = list(frames)
        for fault in self._faults:
            pieces = fault(pieces)
        for at, piece in enumerate(pieces):
            if isinstance(piece, End):
                return pieces[: at + 1]
        return pieces


FAULTS: Final = MappingProxyType(
    {
        "cut": cut,
        "repeat": repeat,
        "reorder": reorder,
        "garbage": garbage,
        "flip": flip,
        "truncate": truncate,
        "oversize": oversize,
        "endless": endless,
        "slow": slow,
        "vanish": vanish,
        "reset": reset,
    }
)
