"""Eraser: does what `person.erased` and `capture.discarded` say where no rule reaches: the vault and the reports.

It reads the log from a position of its own, and goes on behind an event only when all of it is destroyed. To destroy
again what is gone is nothing, so a stop in between is made good by the next start.
"""

from collections.abc import Callable
from typing import Any, Final

from core.events.identity import CaptureDiscarded, PersonErased
from storage.eventlog import EventLog
from storage.vault import Vault

ACTOR: Final = "eraser"
TYPES: Final = ("person.erased", "capture.discarded")
EVENTS_AT_ONCE: Final = 50

ErasePositions = Callable[[int, int, int], object]
"""(vehicle, from_ms, to_ms): destroy where it was then. Blocks; raises StorageError."""


class Eraser:
    """Run `step` by core.follow.Errand.

    Args:
        log: the owner's.
        erase_positions: `ReportStore.erase`.
    """

    def __init__(self, log: EventLog, vault: Vault, erase_positions: ErasePositions) -> None:
        self._log = log
        self._vault = vault
        self._erase_positions = erase_positions
        self.persons = 0
        self.captures = 0

    def step(self) -> int:
        """Destroy what has been decided since; return how many events were of its types. Blocks.

        Raises:
            StorageError: a store is away; what is left is destroyed by the next step.
        """
        after = self._log.position(ACTOR)
        events, seq = self._log.follow(after, TYPES, EVENTS_AT_ONCE)
        for event in events:
            said: Any = event.payload
            if isinstance(said, CaptureDiscarded):
                self.captures += self._vault.destroy([said.capture])
            elif isinstance(said, PersonErased):
                self.captures += self._vault.destroy(said.captures)
                for one in said.ranges:
                    self._erase_positions(one.vehicle, one.from_ms, one.to_ms)
                self.persons += 1
            self._log.set_position(ACTOR, event.seq)
        if not events and seq - after >= 1000:
            self._log.set_position(ACTOR, seq)
        return len(events)

    def statistics(self) -> dict[str, int]:
        """Return counts: persons erased, captures destroyed."""
        return {"persons": self.persons, "captures": self.captures}
