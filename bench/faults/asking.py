"""Commands asked for while things break: each that was accepted is in the log, and is decided exactly once."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from bench.servers import ChildServer

PAUSE_S: Final = 0.25
EXPIRES_S: Final = 20
"""What is not decided by then is decided by the time: expired, or unknown."""
MESSAGE: Final = "0x8201"
"""Where are you: the load's terminals answer it by a position."""
UNDECIDED: Final = frozenset({"requested", "approved", "queued", "sent", "acked"})


class Asking:
    """Asks cars for their position, one after the other, in a thread of its own.

    Args:
        server: who is asked; called before each, for there may be another by then.
        phones: of terminals that answer.
    """

    def __init__(self, server: Callable[[], ChildServer], phones: frozenset[str], seed: int) -> None:
        self.accepted: list[str] = []
        """Ids of the commands that were answered 202."""
        self._server = server
        self._phones = phones
        self._draw = random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="asking")
        self._undecided: list[str] = []

    def begin(self) -> None:
        """Begin to ask. Raises OSError where the API does not answer."""
        _, page = self._server().ask("GET", "/api/v1/events?type=terminal.registered&limit=1000")
        registered = [event["payload"] for event in page["items"]]
        self._cars = [told["vehicle_id"] for told in registered if told["phone"] in self._phones]
        self._thread.start()

    def end(self) -> None:
        """Ask no more; a second time does nothing."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._undecided = list(self.accepted)

    def _run(self) -> None:
        while not self._stop.wait(PAUSE_S):
            wanted = {"message": MESSAGE, "fields": {}, "expires_s": EXPIRES_S}
            path = f"/api/v1/vehicles/{self._draw.choice(self._cars)}/commands"
            try:
                status, answer = self._server().ask("POST", path, wanted)
            except OSError:
                # Killed in the middle: whether it was accepted is not known, and nothing was promised.
                continue
            if status == 202:
                self.accepted.append(answer["id"])

    def decided(self) -> bool:
        """Tell whether every command is decided, as the API says; asked again only of those that were not."""
        ask = self._server().ask
        self._undecided = [
            one for one in self._undecided if ask("GET", f"/api/v1/commands/{one}")[1].get("state") in UNDECIDED
        ]
        return not self._undecided

    def judge(self, events: Sequence[Any]) -> "Decided":
        """Compare the log with what was accepted."""
        requested = {
            event.id for event in events if event.type == "command.requested" and event.payload.message == MESSAGE
        }
        decisions = Counter(event.answers for event in events if event.answers)
        wanted = requested | set(self.accepted)
        return Decided(
            commands=len(wanted),
            lost=sum(1 for one in wanted if one not in requested or not decisions[one]),
            twice=sum(1 for one in wanted if decisions[one] > 1),
            states=dict(Counter(event.type for event in events if event.answers in wanted)),
        )


class Decided(msgspec.Struct, frozen=True):
    """What became of the commands."""

    commands: int
    lost: int
    """Accepted and not in the log, or never decided."""
    twice: int
    states: dict[str, int]
