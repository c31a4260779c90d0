"""Messages of terminals as principals may read them: newest first, of the vehicles in their scope, each read noted.

What stands in a frame is not looked at here: who shows it (api/uplinks.py) hides what is not the principal's to see.
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from core import limits
from core.rights import Principal
from storage.reader import Reader
from storage.tables.uplink import Uplink

CURSOR: Final = re.compile(r"([0-9]{1,15})\.([0-9]{1,19})\.([\x20-\x7e]{0,128})")
"""A row's place in the order: arrival, number, node."""


class UplinkPage(NamedTuple):
    """Messages, newest first."""

    items: list[Uplink]
    """Of a frame longer than UPLINK_LISTED_BYTES_MAX only the beginning stands here."""
    next: str
    """Where to go on; empty on the last page."""


class Uplinks:
    """What the terminals of a vehicle said. Everything blocks: call it from worker threads."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def page(
        self,
        principal: Principal,
        vehicle_id: int,
        *,
        messages: Sequence[int] = (),
        from_ms: int = 0,
        to_ms: int = 2**62,
        before: str = "",
        limit: int = 50,
        what: str = "messages",
    ) -> UplinkPage | None:
        """Return messages of one vehicle that arrived in from_ms <= arrival_ms < to_ms, newest first.

        Args:
            messages: only messages of these ids; of all where empty.
            before: an earlier page's `next`.
            limit: at most UPLINKS_PAGE_MAX.
            what: for the access log.

        Returns:
            None when the vehicle is not the principal's.

        Raises:
            ValueError: `before` is no cursor.
            StorageError: also when the read cannot be written to the access log.
        """
        place = None
        if before:
            found = CURSOR.fullmatch(before)
            if found is None:
                raise ValueError(f"{before[:40]!r} is no place in a list of messages")
            place = int(found[1]), int(found[2]), found[3]
        if not self._reader.sees(principal, vehicle_id):
            return None
        limit = min(max(limit, 1), limits.UPLINKS_PAGE_MAX)
        rows = self._reader.reports.uplinks(vehicle_id, messages, from_ms, to_ms, place, limit)
        self._reader.note(principal, what, vehicle=vehicle_id, from_ms=from_ms, to_ms=to_ms, rows=len(rows))
        last = f"{rows[-1].arrival_ms}.{rows[-1].sequence}.{rows[-1].node}" if len(rows) == limit else ""
        return UplinkPage(rows, last)

    def one(self, principal: Principal, vehicle_id: int, node: str, sequence: int) -> Uplink | None:
        """Return one message whole; None where there is none, or the vehicle is not the principal's.

        Raises:
            StorageError: also when the read cannot be written to the access log.
        """
        if not self._reader.sees(principal, vehicle_id):
            return None
        found = self._reader.reports.uplink(vehicle_id, node, sequence)
        if found is not None:
            self._reader.note(
                principal, "messages", vehicle=vehicle_id, from_ms=found.arrival_ms, to_ms=found.arrival_ms + 1, rows=1
            )
        return found
