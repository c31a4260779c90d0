"""Fill numba's cache on disk, once on a machine, so that no start waits for a compiler it did not expect.

Kernels are compiled when their module is imported (explicit signatures) and kept beside it in __pycache__. Compiling
all takes tens of CPU seconds; loading them from disk under one. A file lock lets one process compile while others wait
and then load.

numba notices when the file of a kernel changes, but not when a file that the kernel calls into does: it would go on
running the old machine code. So each module has a fingerprint over every file of the project that it reaches by import,
and the cached kernels of a module whose fingerprint has changed are deleted before it is imported.
"""

import ast
import fcntl
import functools
import hashlib
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = frozenset({"core", "protocols", "actors", "storage", "simulators"})
"""Top-level packages whose files count in a fingerprint."""


def cache_directory() -> Path:
    """Return where the record of what is warm stands: beside the caches it speaks of, so that they go together."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    if configured:
        return Path(configured)
    beside = ROOT / "core" / "__pycache__"
    if os.access(ROOT / "core", os.W_OK):
        return beside
    # An installation that its user may not write to: numba then keeps its cache in the user's own directory.
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "carillon"


def is_warm(modules: Iterable[str]) -> bool:
    """Tell whether every module's kernels are in the cache as its files stand now."""
    record = _read_record()
    return all(record.get(name) == fingerprint(name) for name in modules)


def warm(modules: Sequence[str], report: Callable[[str], object] = print) -> int:
    """Compile the kernels of the modules that are not in the cache; return how many modules that was.

    Args:
        modules: import paths of modules whose kernels have explicit signatures.
        report: gets a line for each step: which module, n of m, seconds.

    Waits while another process on this machine does the same.

    Raises:
        RuntimeError: such a module was imported before: this process may have loaded a stale kernel already.
    """
    if is_warm(modules):
        return 0
    with _locked(report):
        record = _read_record()
        cold = [name for name in modules if record.get(name) != fingerprint(name)]
        if early := [name for name in cold if name in sys.modules]:
            raise RuntimeError(f"kernels must be warm before they are imported: {', '.join(early)}")
        for name in cold:
            _forget(name)
        for position, name in enumerate(cold, 1):
            report(f"compiling kernels {position} of {len(cold)}: {name} ...")
            began = time.monotonic()
            mark = fingerprint(name)
            importlib.import_module(name)
            record[name] = mark
            _write_record(record)
            report(f"compiling kernels {position} of {len(cold)}: {name} took {time.monotonic() - began:.1f} s")
        return len(cold)


def fingerprint(name: str) -> str:
    """Return a hash over numba, the processor and the state of every project file the module reaches by import."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(_machine().encode())
    for file in sorted(reached_files(name)):
        state = file.stat()
        # What numba itself goes by.
        digest.update(f"{file}:{state.st_mtime_ns}:{state.st_size}".encode())
    return digest.hexdigest()


@functools.cache
def _machine() -> str:
    """Return what decides which machine code is right here: numba compiles for this very processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        text = ""
    wanted = ("model name", "flags", "Features", "CPU part")
    processor = [line for line in text.split("\n\n", 1)[0].splitlines() if line.startswith(wanted)]
    return "\n".join([str(sys.version_info[:2]), version("numba"), version("llvmlite"), *processor])


def reached_files(name: str) -> set[Path]:
    """Return the project's files that importing `name` runs, its own included."""
    reached: set[Path] = set()
    waiting = [name]
    while waiting:
        name = waiting.pop()
        file = _source(name)
        if file is None or file in reached:
            continue
        reached.add(file)
        waiting += _imports(file)
        # Importing a.b.c runs a and a.b first.
        waiting.append(name.rpartition(".")[0])
    return reached


def _source(name: str) -> Path | None:
    """Return the file of a module of the project, None for any other name."""
    parts = name.split(".")
    if parts[0] not in PACKAGES:
        return None
    path = ROOT.joinpath(*parts)
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


@functools.cache
def _imports(file: Path) -> tuple[str, ...]:
    """Return what a file imports as it is imported itself: a kernel sees nothing that a function imports."""
    names: list[str] = []
    statements: list[ast.stmt] = list(ast.parse(file.read_bytes()).body)
    while statements:
        node = statements.pop()
        if isinstance(node, ast.If | ast.Try):
            statements += [*node.body, *node.orelse]
        elif isinstance(node, ast.Import):
            names += (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            # `from core.kernels import geodesy` reaches the module geodesy.
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _forget(name: str) -> None:
    """Delete the cached kernels of a module."""
    file = _source(name)
    if file is None:
        return
    directories = [file.parent / "__pycache__"]
    if configured := os.environ.get("NUMBA_CACHE_DIR"):
        directories += Path(configured).glob(f"{file.parent.name}_*")
    for directory in directories:
        for cached in directory.glob(f"{file.stem}.*"):
            if cached.suffix in (".nbi", ".nbc"):
                cached.unlink(missing_ok=True)


@contextmanager
def _locked(report: Callable[[str], object]) -> Iterator[None]:
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "carillon-warm.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process is compiling the kernels; waiting for it ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_record() -> dict[str, str]:
    try:
        return msgspec.json.decode((cache_directory() / "carillon-warm.json").read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return {}


def _write_record(record: dict[str, str]) -> None:
    file = cache_directory() / "carillon-warm.json"
    new = file.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(record))
    new.replace(file)
