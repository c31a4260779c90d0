"""The disk that fails as it is told to, and the model of what a power cut leaves: each does what it says."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.faults.disk import Disk, Entry, read_trace
from bench.faults.states import SECTOR, Choice
from bench.faults.states import Disk as States

ROOT = Path("/root-of-a-trace")


def run(disk: Disk, program: str, root: Path) -> Any:
    """Run a program on the disk; return what it prints."""
    command = [
        sys.executable,
        "-I",
        "-c",
        "import errno, json, os, sys, time\nroot = sys.argv[1]\n" + program,
        str(root),
    ]
    answer = subprocess.run(command, env=os.environ | disk.environment, capture_output=True, check=True, timeout=30)
    return json.loads(answer.stdout)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


TRY = """
def tried(call, *arguments):
    try:
        return call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
"""


def test_a_full_disk_takes_a_part_and_then_refuses_and_gives_back_what_is_removed(tmp_path: Path, root: Path) -> None:
    with Disk(root, tmp_path) as disk:
        disk.fill(1_001)
        found = run(
            disk,
            TRY
            + """
fd = os.open(root + "/a", os.O_RDWR | os.O_CREAT)
said = [tried(os.write, fd, bytes(900)), tried(os.write, fd, bytes(900)), tried(os.write, fd, bytes(1))]
said += [tried(os.pwrite, fd, bytes(10), 5), tried(os.posix_fallocate, fd, 0, 2000), tried(os.mkdir, root + "/b")]
os.unlink(root + "/a")
other = os.open(root + "/c", os.O_WRONLY | os.O_CREAT)
said += [tried(os.write, other, bytes(2000)), os.path.exists(root + "/b")]
outside = os.open(os.path.dirname(root) + "/outside", os.O_WRONLY | os.O_CREAT)
said.append(tried(os.write, outside, bytes(5000)))
print(json.dumps(said))
""",
            root,
        )
    assert found == [900, 100, "ENOSPC", 10, "ENOSPC", "ENOSPC", 999, False, 5000]


def test_syncs_fail_where_they_are_told_to_and_are_slow(tmp_path: Path, root: Path) -> None:
    with Disk(root, tmp_path) as disk:
        disk.set("failing", 2)
        disk.fail_where("/journal")
        disk.set("delay_ms", 50)
        program = """
said = []
for name in ("other", "journal", "journal", "journal"):
    fd = os.open(root + "/" + name, os.O_RDWR | os.O_CREAT)
    began = time.monotonic()
    said.append([tried(os.fdatasync, fd), time.monotonic() - began > 0.05])
print(json.dumps(said))
"""
        assert run(disk, TRY + program, root) == [[None, False], ["EIO", True], ["EIO", True], [None, True]]
        assert disk.get("failed") == 2


def test_only_the_clock_of_the_wall_jumps(tmp_path: Path, root: Path) -> None:
    with Disk(root, tmp_path) as disk:
        disk.set("offset_ns", -86_400 * 10**9)
        wall, steady = run(disk, "print(json.dumps([time.time(), time.monotonic()]))", root)
    assert abs(wall + 86_400 - time.time()) < 60
    assert abs(steady - time.monotonic()) < 60


def test_a_trace_told_to_the_model_gives_what_is_there(tmp_path: Path, root: Path) -> None:
    with Disk(root, tmp_path, trace=True) as disk:
        disk.set("trace", 1)
        run(
            disk,
            """
import socket
one, other = socket.socketpair()
os.mkdir(root + "/d")
with open(root + "/d/a", "wb") as file:
    file.write(b"x" * 1000)
    file.truncate(700)
fd = os.open("d/b", os.O_RDWR | os.O_CREAT) if os.chdir(root) is None else -1
os.posix_fallocate(fd, 0, 4096)
os.pwritev(fd, [b"one", b"two"], 600)
os.fsync(fd)
os.rename("d/b", root + "/moved")
os.link("moved", "d/c")
os.unlink("d/a")
one.send(b"promised")
os.truncate("moved", 5000)
print(1)
""",
            root,
        )
    entries = list(read_trace(disk.trace_path))
    assert [entry.data for entry in entries if entry.kind == "send"] == [b"promised"]
    states = States(root)
    for entry in entries:
        states.take(entry)
    assert list(states.differences(root)) == []
    # As all of it was kept, so it is made anew; with nothing kept nothing was ever synced but what a file holds.
    states.rebuild(tmp_path / "all", Choice("all", random.Random(1)))
    assert (tmp_path / "all" / "moved").read_bytes() == (root / "moved").read_bytes()
    states.rebuild(tmp_path / "nothing", Choice("nothing", random.Random(1)))
    assert list((tmp_path / "nothing").iterdir()) == []
    (root / "moved").write_bytes(b"y" * 5000)
    assert list(states.differences(root)) == [f"{root}/d/c holds something else", f"{root}/moved holds something else"]


def entry(kind: str, inode: int = 0, offset: int = 0, data: bytes = b"", *paths: str) -> Entry:
    return Entry(kind, inode, offset, len(data), data, tuple(f"{ROOT}/{path}" if path else str(ROOT) for path in paths))


def left(states: States, directory: Path, how: str, seed: int) -> dict[str, bytes]:
    """Return what a cut leaves, by name."""
    into = directory / f"{how}{seed}"
    states.rebuild(into, Choice(how, random.Random(seed)))
    return {str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()}


def made(*more: Entry, ordered: str = "") -> States:
    states = States(ROOT, ordered=ordered)
    start = [entry("mkdir", 1, 0, b"", ""), entry("create", 2, 0, b"", "a"), entry("write", 2, 0, b"o" * 1024)]
    for one in (*start, entry("sync", 2), entry("sync", 1), *more):
        states.take(one)
    return states


def test_of_what_was_not_synced_any_sectors_may_be_there_and_what_was_synced_is(tmp_path: Path) -> None:
    states = made(entry("write", 2, 100, b"n" * 1500))
    found = {left(states, tmp_path, "sectors", seed)["a"] for seed in range(60)}
    old, new = b"o" * 1024, b"o" * 100 + b"n" * 1500
    assert old in found
    assert new in found
    for data in found:
        assert data[:100] == b"o" * 100
        for at in range(0, min(len(data), 1024), SECTOR):
            assert data[at : at + SECTOR] in (old[at : at + SECTOR], new[at : at + SECTOR])
    assert len(found) > 8
    torn = {len(left(states, tmp_path, "torn", seed)["a"]) for seed in range(60)}
    assert min(torn) >= 1536
    assert len(torn) > 10
    states.take(entry("sync", 2))
    assert left(states, tmp_path, "nothing", 99)["a"] == new


def test_a_new_name_stands_once_its_directory_is_synced_and_not_before(tmp_path: Path) -> None:
    states = made(entry("create", 3, 0, b"", ".a.new"), entry("write", 3, 0, b"new"), entry("sync", 3))
    states.take(entry("rename", 3, 0, b"", ".a.new", "a"))
    assert left(states, tmp_path, "nothing", 0) == {"a": b"o" * 1024}
    kept = {frozenset(left(states, tmp_path, "chance", seed).items()) for seed in range(40)}
    assert kept == {
        frozenset({("a", b"o" * 1024)}),
        frozenset({("a", b"o" * 1024), (".a.new", b"new")}),
        frozenset({("a", b"new")}),
    }
    states.take(entry("sync", 1))
    assert left(states, tmp_path, "nothing", 1) == {"a": b"new"}


def test_names_in_order_are_durable_with_any_sync_beside_them(tmp_path: Path) -> None:
    above = entry("mkdir", 4, 0, b"", "clickhouse"), entry("sync", 1), entry("mkdir", 5, 0, b"", "clickhouse/part")
    file = entry("create", 6, 0, b"", "clickhouse/part/f"), entry("write", 6, 0, b"f"), entry("sync", 6)
    assert left(made(*above, *file, ordered="clickhouse"), tmp_path, "nothing", 0).get("clickhouse/part/f") == b"f"
    assert left(made(*above, *file), tmp_path, "nothing", 1).keys() == {"a"}
