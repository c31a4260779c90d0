"""Wall time: UTC epoch milliseconds from one injectable source. Durations are Trio's clock, never this one.

Wall time may jump (NTP, an operator): it dates facts. Trio's clock never does: it measures waits. An actor takes a
`Clock` as argument, so that a test hands in `TrioWallClock` and minutes pass with `MockClock`.
"""

import time
from collections.abc import Callable
from typing import Final

import trio

Clock = Callable[[], int]
"""Returns the time as UTC epoch ms."""


def wall_ms() -> int:
    """Return the machine's time, UTC epoch ms."""
    return time.time_ns() // 1_000_000


class TrioWallClock:
    """Wall time that moves with Trio's clock: under a MockClock, virtual minutes pass here too."""

    START_MS: Final = 1_750_000_000_000

    def __init__(self, start_ms: int = START_MS) -> None:
        self._start_ms = start_ms
        self._start_s = trio.current_time()

    def __call__(self) -> int:
        return self._start_ms + round((trio.current_time() - self._start_s) * 1000)
