"""Evidence: says of pictures which event they show and which command asked for them, whichever of the two came first.

It reads the log from a position of its own: what is stored, what happened, and what commands brought. The rules stand
in storage.media; links and position are written in one transaction, and looking again finds the same.
"""

from typing import Final

from storage.eventlog import EventLog
from storage.media import SHOWN, MediaStore

ACTOR: Final = "evidence"
TYPES: Final = ("media.stored", "command.effective", *SHOWN)
EVENTS_AT_ONCE: Final = 200


class Evidence:
    """Run `step` by core.follow.Errand."""

    def __init__(self, log: EventLog, store: MediaStore) -> None:
        self._log = log
        self._store = store
        self.linked = 0
        log.begin_at_head(ACTOR)

    def step(self) -> int:
        """Look at what has come; return how many events were of its types. Blocks."""
        after = self._log.position(ACTOR)
        events, seq = self._log.follow(after, TYPES, EVENTS_AT_ONCE)
        if events:
            self.linked += self._store.link(events, ACTOR, seq)
        elif seq - after >= EVENTS_AT_ONCE:
            # Nothing of ours: only now and then, or every event would cost a write.
            self._log.set_position(ACTOR, seq)
        return len(events)

    def statistics(self) -> dict[str, int]:
        """Return counts: items whose links changed."""
        return {"linked": self.linked}
