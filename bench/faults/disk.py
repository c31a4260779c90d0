"""A disk below one directory that fills up, fails, is slow, or is written down; and a clock that jumps: disk.c, driven.

The shim is compiled where it is wanted first, and again when disk.c is another.
"""

import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from bench.machine import BUILD, compile_c

SOURCE: Final = Path(__file__).with_name("disk.c")
NO_BOUND: Final = 2**63 - 1

_WORDS: Final = ("room", "failing", "delay_ms", "offset_ns", "trace", "refused", "failed", "entries")
"""The words of struct control, in order."""
_WHERE: Final = 8 * len(_WORDS)
_CONTROL_BYTES: Final = 4096
_ENTRY: Final = struct.Struct("<IIQqq")
_MAGIC: Final = 0x4B534944

KINDS: Final = (
    "",
    "create",
    "mkdir",
    "write",
    "truncate",
    "allocate",
    "sync",
    "rename",
    "unlink",
    "rmdir",
    "link",
    "send",
    "failed",
)
"""Kinds of an entry, as disk.c numbers them."""


class Entry(NamedTuple):
    """One operation as the shim wrote it down."""

    kind: str
    inode: int
    offset: int
    """Of a write; the new size of a truncate; the descriptor of a send."""
    length: int
    """Of an allocate."""
    data: bytes
    """What was written or sent."""
    paths: tuple[str, ...]
    """Where something was made, removed, or moved from and to."""


class Disk:
    """The disk of a program that is yet to be started with `environment`. Its switches may be moved at any time.

    Args:
        root: the directory, which need not exist yet.
        work: where the switches and the trace are kept, outside of it.
    """

    def __init__(self, root: Path, work: Path, *, trace: bool = False) -> None:
        source = SOURCE.read_bytes()
        self._library = compile_c(SOURCE, BUILD / hashlib.sha256(source).hexdigest()[:12], shared=True)
        self._root = root.resolve()
        self._path = work / "disk.control"
        self.trace_path = work / "disk.trace"
        self._path.write_bytes(struct.pack("<q", NO_BOUND).ljust(_CONTROL_BYTES, b"\0"))
        self._trace = trace
        with self._path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _CONTROL_BYTES)

    @property
    def environment(self) -> dict[str, str]:
        """What a program has to be started with."""
        told = {
            "LD_PRELOAD": str(self._library),
            "FAULTY_DISK_ROOT": str(self._root),
            "FAULTY_DISK_CONTROL": str(self._path),
        }
        return told | ({"FAULTY_DISK_TRACE": str(self.trace_path)} if self._trace else {})

    def get(self, name: str) -> int:
        """Return a switch, or what the shim has counted: refused, failed, entries."""
        return int(struct.unpack_from("<q", self._map, 8 * _WORDS.index(name))[0])

    def set(self, name: str, value: int) -> None:
        """Move a switch."""
        struct.pack_into("<q", self._map, 8 * _WORDS.index(name), value)

    def fail_where(self, part: str) -> None:
        """Let syncs fail or be slow only where a path holds this."""
        self._map[_WHERE : _WHERE + 128] = part.encode().ljust(128, b"\0")

    def fill(self, room: int = 0) -> None:
        """Leave so much room and no more."""
        self.set("room", room)

    def free(self) -> None:
        """Make room."""
        self.set("room", NO_BOUND)

    def close(self) -> None:
        """Let go of the switches; they stay as they are."""
        self._map.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_trace(path: Path) -> Iterator[Entry]:
    """Yield what the shim wrote down, in order."""
    with path.open("rb") as file:
        while head := file.read(_ENTRY.size):
            if len(head) < _ENTRY.size:
                return  # the writer was killed
            magic, kind, inode, offset, length = _ENTRY.unpack(head)
            if magic != _MAGIC:
                raise ValueError(f"{path} is no trace at {file.tell() - _ENTRY.size}")
            name = KINDS[kind]
            data: Any = b""
            paths: tuple[str, ...] = ()
            if name in ("write", "send"):
                data = file.read(length)
            elif name in ("create", "mkdir", "rename", "unlink", "rmdir", "link"):
                paths = tuple(os.fsdecode(part) for part in file.read(length).split(b"\0"))
            yield Entry(name, inode, offset, length, data, paths)
