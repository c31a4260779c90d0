"""A log and tables in memory: the business folded as fast as its rules are, for properties over many histories.

The real ones are tests/storage/test_business.py's, with the same bodies.
"""

from collections.abc import Mapping, Sequence

import msgspec

from core.business import Business, Kept, Key
from core.events import Event


class MemoryTables:
    """core.business.Tables in dictionaries."""

    failures: tuple[type[Exception], ...] = ()

    def __init__(self) -> None:
        self.rows: dict[str, dict[Key, msgspec.Struct]] = {}

    def fetch(self, kept: Kept, keys: Sequence[Key]) -> dict[Key, msgspec.Struct]:
        table = self.rows.get(kept.table, {})
        return {key: table[key] for key in keys if key in table}

    def find(self, kept: Kept, equal: Mapping[str, object], limit: int) -> list[msgspec.Struct]:
        table = self.rows.get(kept.table, {})
        fits = (key for key in sorted(table) if all(getattr(table[key], n) == v for n, v in equal.items()))
        return [table[key] for key, _ in zip(fits, range(limit), strict=False)]

    def write(self, kept: Kept, rows: Sequence[msgspec.Struct], gone: Sequence[Key]) -> None:
        table = self.rows.setdefault(kept.table, {})
        for key in gone:
            table.pop(key, None)
        for row in rows:
            table[kept.key_of(row)] = row

    def contents(self) -> dict[str, dict[Key, msgspec.Struct]]:
        """Return every table that holds something."""
        return {name: rows for name, rows in sorted(self.rows.items()) if rows}


class MemoryLog:
    """core.business.Log in a list, and its owner's loop."""

    def __init__(self, business: Business) -> None:
        self.business = business
        self.events: list[Event] = []
        self.tables = MemoryTables()
        self._numbers: dict[str, int] = {}
        self._answered: set[str] = set()
        self._folded = 0

    def append(self, events: Sequence[Event]) -> list[int]:
        for event in events:
            if event.id not in self._numbers:
                if event.answers:
                    assert event.answers not in self._answered, f"{event.answers} is answered twice"
                    self._answered.add(event.answers)
                seq = self._numbers[event.id] = len(self.events) + 1
                self.events.append(
                    msgspec.structs.replace(
                        event,
                        seq=seq,
                        key=event.key or event.subject,
                        correlation=event.correlation or event.id,
                        # As it stands in the log: nothing that a rule sees was not written down.
                        payload=msgspec.json.decode(msgspec.json.encode(event.payload), type=type(event.payload)),
                    )
                )
        return [self._numbers[event.id] for event in events]

    def answered(self, intents: Sequence[str]) -> set[str]:
        return self._answered & set(intents)

    def at(self, seqs: Sequence[int]) -> list[Event]:
        return [self.events[seq - 1] for seq in sorted(seqs)]

    def take(self, events: Sequence[Event]) -> list[Event]:
        """Append events and fold until all is quiet; return what the log has got by it."""
        before = len(self.events)
        self.append(events)
        while self._folded < len(self.events):
            wave = self.events[self._folded :]
            self._folded = len(self.events)
            self.business.fold(wave, self, self.tables)
        return self.events[before:]

    def restart(self) -> None:
        """Forget what only memory holds, as a new process does."""
        self.business.forget()
