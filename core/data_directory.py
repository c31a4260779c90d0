"""The data directory of one running node: its lock, its version, and what others find under DATA/run.

    DATA/version        layout of the directory, one number; a newer one is refused, never guessed at
    DATA/lock           held (flock) while a process uses the directory; holds its pid
    DATA/run/process.json   {"pid", "tcp", "http", "threads": {name: tid}}, there while the process serves
    DATA/run/api.key    the API's bearer key, made once, mode 0600

The directory is 0700: positions of cars are in it.
"""

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

LAYOUT_VERSION: Final = 2
"""1: reports with the phone as text (before 0.1.0 was released)."""


class DataDirectoryError(Exception):
    """The data directory cannot be used: another process has it, or a newer program wrote it."""


class Process(msgspec.Struct, frozen=True):
    """What DATA/run/process.json says about the process that serves."""

    pid: int
    tcp: str
    http: str
    threads: dict[str, int]
    """Native thread ids by name, for CPU accounting (/proc/PID/task/TID)."""


class DataDirectory:
    """Use a data directory alone: `with DataDirectory(path) as data`. Creates it if missing.

    Raises:
        DataDirectoryError: another process holds it (its pid is named), or its layout is newer than we know.
        OSError: it cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run = path / "run"
        self._lock = -1

    def __enter__(self) -> Self:
        if not self.path.is_dir():
            self.path.mkdir(parents=True, exist_ok=True)
            sync_directory(self.path.parent)
        self.path.chmod(0o700)
        self._take_lock()
        try:
            self._check_version()
            self.run.mkdir(mode=0o700, exist_ok=True)
            self.run.chmod(0o700)
            # Left by a killed process: nobody serves here until we say so.
            (self.run / "process.json").unlink(missing_ok=True)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self.run / "process.json").unlink(missing_ok=True)
        self._release()

    def _take_lock(self) -> None:
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._lock, 32, 0).decode("ascii", "replace").strip() or "unknown"
            self._release()
            raise DataDirectoryError(f"{self.path} is in use by process {holder}") from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _release(self) -> None:
        os.close(self._lock)
        self._lock = -1

    def _check_version(self) -> None:
        file = self.path / "version"
        if not file.exists():
            write_atomically(file, f"{LAYOUT_VERSION}\n".encode())
            return
        text = file.read_text(encoding="ascii", errors="replace").strip()
        if text == str(LAYOUT_VERSION):
            return
        fault = f"{self.path} has layout {text[:32]}, this program reads {LAYOUT_VERSION}: "
        if text.isdecimal() and int(text) > LAYOUT_VERSION:
            raise DataDirectoryError(f"{fault}a later one has written it; start that, or restore a copy of before")
        if text.isdecimal():
            raise DataDirectoryError(f"{fault}it is of before 0.1.0, which nobody was given; begin with an empty one")
        raise DataDirectoryError(f"{fault}its file `version` is damaged; it held {LAYOUT_VERSION} or another number")

    def publish(self, tcp: str, http: str, threads: Mapping[str, int]) -> Process:
        """Write run/process.json: the addresses really listened on, and the native ids of the threads by name."""
        process = Process(os.getpid(), tcp, http, {"main": threading.main_thread().native_id or 0, **threads})
        write_atomically(self.run / "process.json", msgspec.json.encode(process))
        return process

    def api_key(self) -> str:
        """Return the API's key; made at the first call ever, 256 random bits."""
        file = self.run / "api.key"
        with contextlib.suppress(FileNotFoundError):
            if key := file.read_text(encoding="ascii").strip():
                return key
        key = secrets.token_urlsafe(32)
        write_atomically(file, f"{key}\n".encode())
        return key


def running_process(path: Path) -> Process | None:
    """Return the process that serves on a data directory, None when none does or its file cannot be read."""
    try:
        process = msgspec.json.decode((path / "run" / "process.json").read_bytes(), type=Process)
        os.kill(process.pid, 0)
    except (OSError, msgspec.DecodeError):
        return None
    return process


def write_atomically(file: Path, data: bytes) -> None:
    """Replace a file's content, mode 0600: a reader sees the old or the new, also after a power cut."""
    new = file.with_name(f".{file.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # A disk that fills up takes a part, and says so only when asked for the rest.
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(file)
    sync_directory(file.parent)


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on disk: what was made, moved or removed in it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
