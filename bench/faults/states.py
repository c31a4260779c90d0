"""What a disk may hold after a power cut: a model of files and directories that is fed with a trace, and asked.

What was synced is there. What was not may be there or not:

- of a file's writes each sector of 512 bytes by itself, in any order, and within the last write any byte;
- its size as it was, or as far as what is there reaches; a truncate or an allocation by itself;
- of a directory's names those of its last sync, and any beginning of what was done to it since. A file's own sync does
  not make its name durable: that is what POSIX promises, and less than ext4 and XFS do.

Below the directory `ordered`, every sync of any file or directory makes all names there durable that were given before,
as file systems with one journal of metadata do (ext4, XFS). ClickHouse relies on it: it syncs a part's own directory,
and not the one in which its name stands.
"""

import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from bench.faults.disk import Entry

SECTOR: Final = 512


class File:
    """A file: what is on disk, and what was asked since."""

    def __init__(self, *, ordered: bool = False) -> None:
        self.ordered = ordered
        self.sectors: dict[int, bytes] = {}
        self.size = 0
        self.pending: list[Entry] = []

    def apply(self, entry: Entry, keep: "Choice | None" = None) -> None:
        """Carry out one operation, or what is kept of it."""
        if entry.kind == "write":
            self._write(entry, keep)
        elif keep is not None and not keep.keeps():
            return
        elif entry.kind == "truncate":
            self._truncate(entry.offset)
        else:
            self.size = max(self.size, entry.offset + entry.length)

    def _write(self, entry: Entry, keep: "Choice | None") -> None:
        start, end = entry.offset, entry.offset + len(entry.data)
        at = start
        while at < end:
            number = at // SECTOR
            upto = min(end, (number + 1) * SECTOR)
            if keep is None or keep.keeps():
                stop = upto if keep is None else keep.torn(entry, at, upto)
                old = self.sectors.get(number, bytes(SECTOR))
                first = at - number * SECTOR
                new = entry.data[at - start : stop - start]
                self.sectors[number] = old[:first] + new + old[first + len(new) :]
                self.size = max(self.size, stop)
            at = upto

    def _truncate(self, size: int) -> None:
        for number in [number for number in self.sectors if number * SECTOR >= size]:
            del self.sectors[number]
        if size % SECTOR and (last := self.sectors.get(size // SECTOR)) is not None:
            self.sectors[size // SECTOR] = last[: size % SECTOR].ljust(SECTOR, b"\0")
        self.size = size

    def sync(self) -> None:
        """Have everything asked so far on disk."""
        for entry in self.pending:
            self.apply(entry)
        self.pending.clear()

    def after(self, choice: "Choice") -> "File":
        """Return the file as it may be after a cut."""
        choice.begin(self.pending)
        found = File()
        found.sectors, found.size = dict(self.sectors), self.size
        for entry in self.pending:
            found.apply(entry, choice)
        return found

    def content(self) -> bytes:
        """Return all of it."""
        whole = bytearray(self.size + SECTOR)
        for number, sector in self.sectors.items():
            whole[number * SECTOR : (number + 1) * SECTOR] = sector
        return bytes(whole[: self.size])

    def write_to(self, path: Path) -> None:
        """Make it anew, sparse."""
        with path.open("wb") as file:
            run: list[bytes] = []
            expected = -1
            for number in sorted(self.sectors):
                if number != expected:
                    file.write(b"".join(run))
                    file.seek(number * SECTOR)
                    run = []
                run.append(self.sectors[number])
                expected = number + 1
            file.write(b"".join(run))
            file.truncate(self.size)
        path.chmod(0o600)


class Directory:
    """A directory: names on disk, names as the program sees them, and what was done in between."""

    def __init__(self, *, ordered: bool = False) -> None:
        self.ordered = ordered
        self.durable: dict[str, Node] = {}
        self.names: dict[str, Node] = {}
        self.pending: list[tuple[str, str, Node | None]] = []
        """(name that goes, name that comes, what it names); empty for none."""

    def change(self, goes: str, comes: str, node: "Node | None") -> None:
        """Do something to its names."""
        self.pending.append((goes, comes, node))
        _rename(self.names, goes, comes, node)

    def sync(self) -> None:
        """Have its names on disk."""
        for change in self.pending:
            _rename(self.durable, *change)
        self.pending.clear()

    def after(self, choice: "Choice") -> "dict[str, Node]":
        """Return its names as they may be after a cut."""
        names = dict(self.durable)
        for change in self.pending[: choice.beginning(len(self.pending))]:
            _rename(names, *change)
        return names


Node = File | Directory


def _rename(names: dict[str, Node], goes: str, comes: str, node: Node | None) -> None:
    if goes:
        names.pop(goes, None)
    if comes and node is not None:
        names[comes] = node


class Choice:
    """What of the unsynced a cut leaves: nothing, all, or what chance says.

    Args:
        how: one of HOWS.
    """

    def __init__(self, how: str, draw: random.Random) -> None:
        self.how = how
        self._draw = draw
        self._mode = how
        self._last: Entry | None = None
        self._tear = False

    def begin(self, pending: list[Entry]) -> None:
        """Turn to a file. Each has a fate of its own, but for `nothing` and `all`."""
        self._mode = self._draw.choice(("nothing", "all", "sectors")) if self.how == "chance" else self.how
        writes = [entry for entry in pending if entry.kind == "write"]
        self._last = writes[-1] if writes else None
        self._tear = (self.how in ("chance", "sectors", "torn") and self._draw.random() < 0.5) or self.how == "torn"

    def keeps(self) -> bool:
        """Tell whether a sector, a truncate or an allocation is there."""
        return self._mode in ("all", "torn") or (self._mode == "sectors" and self._draw.random() < 0.5)

    def torn(self, entry: Entry, start: int, end: int) -> int:
        """Return where what is there of a sector ends: within the last write it may be anywhere."""
        last = end == entry.offset + len(entry.data)
        return self._draw.randint(start, end) if self._tear and entry is self._last and last else end

    def beginning(self, count: int) -> int:
        """Return how many of the changes to a directory are there."""
        if self.how in ("nothing", "all"):
            return count if self.how == "all" else 0
        return self._draw.choice((0, count, self._draw.randint(0, count)))


HOWS: Final = ("nothing", "all", "torn", "sectors", "chance")
"""What a cut may leave of what was not synced: nothing; all; all but a piece at the very end; any sectors; of each file
what its own chance says."""


class Disk:
    """Everything below one directory, as a trace tells of it.

    Args:
        root: the directory in which the trace was made.
        ordered: name of the directory in it in which names are ordered; see the module.
        like: a directory as it was on disk when the trace began; else it was empty.
    """

    def __init__(self, root: Path, *, ordered: str = "", like: Path | None = None) -> None:
        self._root = os.fspath(root.resolve())
        self._ordered = ordered
        self._inodes: dict[int, Node] = {}
        self._in_order: list[Directory] = []
        self.top = Directory()
        if like is not None:
            self._take_over(like, self.top)

    def _directory(self, above: Directory, name: str) -> Directory:
        directory = Directory(ordered=above.ordered or (above is self.top and name == self._ordered))
        if directory.ordered:
            self._in_order.append(directory)
        return directory

    def _take_over(self, path: Path, into: Directory) -> None:
        into_inode = path.stat().st_ino
        self._inodes[into_inode] = into
        for one in path.iterdir():
            if one.is_dir():
                below = self._directory(into, one.name)
                self._take_over(one, below)
                into.durable[one.name] = into.names[one.name] = below
            else:
                file = File(ordered=into.ordered)
                file.apply(Entry("write", 0, 0, 0, one.read_bytes(), ()))
                self._inodes[one.stat().st_ino] = file
                into.durable[one.name] = into.names[one.name] = file

    def _place(self, path: str) -> tuple[Directory | None, str]:
        """Return the directory in which a path's name stands, and the name; None for what lies outside."""
        parts = os.path.normpath(path)
        if not parts.startswith(self._root + "/"):
            return None, ""
        *above, name = parts[len(self._root) + 1 :].split("/")
        directory: Node | None = self.top
        for part in above:
            directory = directory.names.get(part) if isinstance(directory, Directory) else None
        return (directory, name) if isinstance(directory, Directory) else (None, "")

    def take(self, entry: Entry) -> None:
        """Take in one operation."""
        match entry.kind:
            case "write" | "truncate" | "allocate":
                node = self._inodes.get(entry.inode)
                if isinstance(node, File):
                    node.pending.append(entry)
            case "sync":
                node = self._inodes.get(entry.inode)
                if node is not None:
                    node.sync()
                for named in self._in_order if node is not None and node.ordered else ():
                    if named.pending:
                        named.sync()
            case "create" | "mkdir":
                self._make(entry)
            case "unlink" | "rmdir":
                directory, name = self._place(entry.paths[0])
                if directory is not None:
                    directory.change(name, "", None)
            case "rename" | "link":
                self._move(entry)

    def _make(self, entry: Entry) -> None:
        if os.path.normpath(entry.paths[0]) == self._root:
            self._inodes[entry.inode] = self.top
            return
        directory, name = self._place(entry.paths[0])
        if directory is not None:
            node = File(ordered=directory.ordered) if entry.kind == "create" else self._directory(directory, name)
            self._inodes[entry.inode] = node
            directory.change("", name, node)

    def _move(self, entry: Entry) -> None:
        source, old = self._place(entry.paths[0])
        target, new = self._place(entry.paths[1])
        node = source.names.get(old) if source is not None else None
        if node is None:
            return
        goes = old if entry.kind == "rename" else ""
        if source is target and source is not None:
            source.change(goes, new, node)
            return
        if target is not None:
            target.change("", new, node)
        if source is not None and goes:
            source.change(goes, "", None)

    def rebuild(self, into: Path, choice: Choice) -> None:
        """Make a directory that holds what may be there after a cut now."""
        self._rebuild(self.top, into, choice)

    def _rebuild(self, directory: Directory, into: Path, choice: Choice) -> None:
        into.mkdir(mode=0o700)
        for name, node in directory.after(choice).items():
            if isinstance(node, Directory):
                self._rebuild(node, into / name, choice)
            else:
                node.after(choice).write_to(into / name)

    def differences(self, path: Path) -> Iterable[str]:
        """Say where the directory as the program sees it is not as the trace tells: what the shim did not see."""
        yield from self._differences(self.top, path)

    def _differences(self, directory: Directory, path: Path) -> Iterable[str]:
        there = {one.name for one in path.iterdir()}
        for name in sorted(there ^ set(directory.names)):
            yield f"{path / name} is {'there' if name in there else 'not there'}"
        for name in sorted(there & set(directory.names)):
            node = directory.names[name]
            if isinstance(node, Directory):
                yield from self._differences(node, path / name)
                continue
            whole = node.after(Choice("all", random.Random(0)))
            data = (path / name).read_bytes()
            if whole.size != len(data):
                yield f"{path / name} has {len(data)} bytes, not {whole.size}"
            elif data != whole.content():
                yield f"{path / name} holds something else"
