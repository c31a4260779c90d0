"""What a bench needs of the machine it runs on: who it is, and what a process or thread has cost it.

CPU is read from /proc/PID/task/TID/schedstat (nanoseconds on the processor): the tick-based figures of /proc/PID/stat
are too coarse for a window of two seconds.
"""

import os
import platform
import statistics
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

REPOSITORY: Final = Path(__file__).resolve().parent.parent
BUILD: Final = REPOSITORY / "bench" / "build"
VERSIONS_OF: Final = ("numba", "numpy", "trio", "chdb", "clickhouse-connect", "msgspec")


def compile_c(source: Path, build: Path = BUILD, *, shared: bool = False) -> Path:
    """Compile one C file with cc -O2 unless it stands compiled already, and return the program or library.

    Raises:
        subprocess.CalledProcessError: it does not compile.
        FileNotFoundError: there is no `cc`.
    """
    build.mkdir(parents=True, exist_ok=True)
    target = build / (source.stem + (".so" if shared else ""))
    if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
        # Under another name first: two runs may compile at once.
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        options = ["-shared", "-fPIC"] if shared else []
        subprocess.run(["cc", "-O2", "-Wall", *options, "-o", str(fresh), str(source)], check=True)  # noqa: S607
        fresh.replace(target)
    return target


def process_cpu_ns(pid: int) -> int:
    """Return the CPU time of all threads of a process, those that ended included."""
    # The clock of another process: the pid inverted, and 2 for "time on the processor" (clock_getcpuclockid).
    return time.clock_gettime_ns((~pid << 3) | 2)


def thread_cpu_ns(pid: int, thread: int) -> int:
    """Return the CPU time of one thread of another process."""
    return int(Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0])


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def description() -> dict[str, Any]:
    """Return machine, commit and versions, for the last line of a bench."""
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break

    def git(*arguments: str) -> str:
        answer = subprocess.run(
            ["git", *arguments],  # noqa: S607
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.stdout.strip()

    return {
        "machine": {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), "arch": platform.machine()},
        "commit": git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain") else ""),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in VERSIONS_OF}},
    }


def median(values: list[float]) -> float:
    """Return the median, rounded to what a bench can tell."""
    return round(statistics.median(values), 4)


def spread(values: list[float]) -> list[float]:
    """Return [lowest, highest]."""
    return [round(min(values), 4), round(max(values), 4)]


def say(text: str) -> None:
    """Tell a person what goes on; standard output is for figures."""
    print(text, file=sys.stderr, flush=True)
