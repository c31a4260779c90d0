"""Parts over what stands in the same process: the live table, the event log's database, Trio's way into the log.

The API runs in a thread of its own. The table copies under its lock, the database gives each unit of work its own
connection, and appends cross to Trio by token; so nothing here is shared without its guard.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import msgspec
import numpy as np
import trio

from api.parts import Position, Terminal, Vehicle
from api.server import in_trio
from core.events import Event
from core.rights import Principal

DEGREE_1E7: Final = 10_000_000


class LiveTable(Protocol):
    """What is needed of core.vehicle_table.VehicleTable."""

    def live(self) -> np.ndarray:
        """Return a copy of the rows that have a position, by vehicle id."""


class Log(Protocol):
    """What is needed of storage.eventlog.EventLog. Both block."""

    def read(self, after_seq: int, limit: int = ..., type_prefix: str = ...) -> list[Event]: ...
    def story(self, correlation: str, limit: int = ...) -> list[Event]: ...


class LiveCars:
    """Positions and vehicles of this process.

    Args:
        table: the vehicle table.
        terminals: vehicle id -> its terminals, empty for a vehicle nobody knows. Called from the API's threads.
        online: vehicle id -> whether a terminal of it is logged in. Called from the API's threads.
    """

    def __init__(
        self, table: LiveTable, terminals: Callable[[int], Sequence[Terminal]], online: Callable[[int], bool]
    ) -> None:
        self._table = table
        self._terminals = terminals
        self._online = online

    def rows(self) -> np.ndarray:
        """See Live.rows."""
        return self._table.live()

    def online(self, vehicle_id: int) -> bool:
        """See Live.online."""
        return self._online(vehicle_id)

    def positions(self, principal: Principal, after: int, limit: int) -> list[Position]:
        """See Parts.positions."""
        rows = self._table.live()
        first = int(np.searchsorted(rows["vehicle_id"], after, side="right"))
        return [self._position(row) for row in rows[first : first + limit]]

    def vehicle(self, principal: Principal, vehicle_id: int) -> Vehicle | None:
        """See Parts.vehicle."""
        terminals = list(self._terminals(vehicle_id))
        rows = self._table.live()
        at = int(np.searchsorted(rows["vehicle_id"], vehicle_id))
        found = at < len(rows) and rows["vehicle_id"][at] == vehicle_id
        if not terminals and not found:
            return None
        position = self._position(rows[at]) if found else None
        return Vehicle(vehicle_id=vehicle_id, online=self._online(vehicle_id), terminals=terminals, position=position)

    def _position(self, row: np.void) -> Position:
        vehicle_id = int(row["vehicle_id"])
        return Position(
            vehicle_id=vehicle_id,
            time_ms=int(row["time_ms"]),
            arrival_ms=int(row["arrival_ms"]),
            lat=int(row["lat_1e7"]) / DEGREE_1E7,
            lon=int(row["lon_1e7"]) / DEGREE_1E7,
            speed_kmh=int(row["speed_kmh10"]) / 10,
            course_deg=int(row["course_deg"]),
            alarm=int(row["alarm"]),
            status=int(row["status"]),
            online=self._online(vehicle_id),
        )


class LogReads:
    """The event log as the API reads it."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def events(self, principal: Principal, after: int, prefix: str, limit: int) -> list[Event]:
        """See Parts.events."""
        return self._log.read(after, limit, prefix)

    def command(self, principal: Principal, command_id: str) -> list[Event]:
        """See Parts.command: the command's story, which begins with the request; nothing else is one."""
        story = self._log.story(command_id)
        if not story or story[0].id != command_id or story[0].type != "command.requested":
            return []
        return story


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
