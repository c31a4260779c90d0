"""What this process takes of the machine: memory, processor time, descriptors, and the disks its directories lie on."""

import os
import resource
from pathlib import Path
from typing import NamedTuple

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Disk(NamedTuple):
    """The volume of a directory."""

    used_bytes: int
    """What users may not use counts as used."""
    bytes: int


def resident_bytes() -> int:
    """Return the memory that is really there."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES


def cpu_s() -> float:
    """Return the processor time of all threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def descriptors() -> int:
    """Return how many files and sockets are open."""
    return len(os.listdir("/proc/self/fd")) - 1


def descriptors_max() -> int:
    """Return how many may be."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def disk(directory: Path) -> Disk:
    """Return how full the volume of a directory is; zeros for one that cannot be looked at."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return Disk(0, 0)
    whole = found.f_blocks * found.f_frsize
    return Disk(whole - found.f_bavail * found.f_frsize, whole)
