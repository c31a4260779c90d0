"""Parts over what stands in the same process: the live table, and Trio's way into the log.

The API runs in threads of its own. The table copies under its lock, and appends cross to Trio by token; so nothing here
is shared without its guard.
"""

from collections.abc import Awaitable, Callable, Sequence, Set
from typing import Protocol

import msgspec
import numpy as np
import trio

from api.server import in_trio
from core.events import Event
from storage.clickhouse import LastPosition


class LiveTable(Protocol):
    """What is needed of core.vehicle_table.VehicleTable."""

    def live(self) -> np.ndarray:
        """Return a copy of the rows that have a position, by vehicle id."""


class LiveCars:
    """Where the cars of this process are: see api.parts.Live.

    Args:
        table: the vehicle table.
        online: vehicle id -> whether a terminal of it is logged in. Called from the API's threads.
        logged_in: terminals that are logged in. Another thread adds and removes.
    """

    def __init__(self, table: LiveTable, online: Callable[[int], bool], logged_in: Set[int] = frozenset()) -> None:
        self._table = table
        self._online = online
        self._logged_in = logged_in

    def rows(self) -> np.ndarray:
        """See Live.rows."""
        return self._table.live()

    def online(self, vehicle_ids: Sequence[int]) -> list[bool]:
        """See Live.online."""
        return [self._online(vehicle_id) for vehicle_id in vehicle_ids]

    def online_rows(self, rows: np.ndarray) -> np.ndarray:
        """See Live.online_rows."""
        # Copied in one step of the interpreter: iterating the set itself would meet the other thread's changes.
        terminals = np.array(list(self._logged_in), np.int64)
        return np.isin(rows["terminal"], terminals)

    def last_positions(self, vehicle_ids: Sequence[int]) -> list[LastPosition]:
        """Return the last position of each of these vehicles that has one, by vehicle id, as the reader wants it."""
        rows = self._table.live()
        rows = rows[np.isin(rows["vehicle_id"], np.asarray(vehicle_ids, "i4"))]
        given = [name for name in LastPosition._fields if name in (rows.dtype.names or ())]
        nothing = dict.fromkeys(LastPosition._fields, 0)
        return [LastPosition(**nothing | {name: int(row[name]) for name in given}) for row in rows]


def append_through(
    token: trio.lowlevel.TrioToken, append: Callable[[Sequence[Event]], Awaitable[Sequence[int]]]
) -> Callable[[Event], Awaitable[Event]]:
    """Return Parts.append over Trio's log writer.

    Args:
        token: of the run that `append` belongs to.
        append: LogWriter.append: appends events and returns their seqs once they are durable.
    """

    async def through(event: Event) -> Event:
        seqs = await in_trio(token, append, [event])
        return msgspec.structs.replace(event, seq=seqs[0])

    return through
