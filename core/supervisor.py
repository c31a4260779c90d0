"""Whether this process is alive, and telling so whoever supervises it: systemd, by its protocol of one datagram each.

Alive is less than ready. A node that waits for its store, or whose journal is full, is alive: to start it again would
change nothing. One whose loop has stopped turning is not, and only another start helps.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from core.limits import ALIVE_S_MAX
from core.logging import say

LOOK_S: Final = 1.0
"""How often the main loop looks; systemd is told as often, if it wants to be told at all."""


class Pulse:
    """Whether the parts of a process still turn. `look` is called by the main loop; `stuck` from any thread.

    Args:
        turns: part -> a number that changes within a second or so for as long as the part works, however idle it is.
    """

    def __init__(self, turns: Mapping[str, Callable[[], int]], clock: Callable[[], float] = time.monotonic) -> None:
        self._turns = dict(turns)
        self._clock = clock
        self._looked_s = clock()
        self._seen = {name: (read(), self._looked_s) for name, read in self._turns.items()}

    def look(self) -> None:
        """Write down which parts have turned since the last look."""
        now_s = self._clock()
        for name, read in self._turns.items():
            turns, since_s = self._seen[name]
            now = read()
            self._seen[name] = (now, since_s if now == turns else now_s)
        self._looked_s = now_s

    def stuck(self) -> list[str]:
        """Return a sentence for each part that has not turned for ALIVE_S_MAX; none when all is well."""
        now_s = self._clock()
        if (still_s := now_s - self._looked_s) > ALIVE_S_MAX:
            # Nobody has looked at the others either.
            return [f"main: has not turned for {still_s:.0f} s"]
        return [
            f"{name}: has not turned for {now_s - since_s:.0f} s"
            for name, (_, since_s) in self._seen.items()
            if now_s - since_s > ALIVE_S_MAX
        ]


class Supervisor:
    """systemd, as NOTIFY_SOCKET names it (sd_notify(3)); nobody where it does not. Never blocks, never fails.

    `watchdog_s` is how often it wants to hear of us at the latest, 0 for never.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._deaf = False
        try:
            mine = int(environment.get("WATCHDOG_PID") or os.getpid()) == os.getpid()
            self.watchdog_s = int(environment.get("WATCHDOG_USEC") or 0) / 1e6 if mine else 0.0
        except ValueError:
            self.watchdog_s = 0.0

    def ready(self, status: str) -> None:
        """Say that terminals can connect."""
        self._tell(f"READY=1\nSTATUS={status}")

    def alive(self, status: str = "") -> None:
        """Say that all parts turn. Without this for `watchdog_s` systemd ends the process and starts another."""
        self._tell(("WATCHDOG=1" if self.watchdog_s else "") + (f"\nSTATUS={status}" if status else ""))

    def stopping(self, seconds_max: float) -> None:
        """Say that the end was begun, and how long it may take."""
        self._tell(f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(seconds_max * 1e6)}\nSTATUS=stopping")

    def _tell(self, message: str) -> None:
        if not self._address or not message:
            return
        # One that begins with @ is in the abstract namespace, where a NUL stands in its place.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as teller:
                teller.sendto(message.strip().encode(), address)
        except OSError as error:
            if not self._deaf:
                say("node.supervisor_deaf", address=self._address, fault=str(error))
            self._deaf = True
        else:
            self._deaf = False
