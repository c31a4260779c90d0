"""Fleet: the terminals we know, whose they are, and on which connection each of them is right now.

In memory, so that a login asks no database; the registry behind it (storage.registry) keeps the rows. A terminal is
its phone, so that the 6- and the 10-byte form of one number are one terminal; a vehicle may carry several terminals.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
import trio

from core.actor import until_it_holds
from core.limits import REGISTRATION_BATCH
from protocols.report import phone_key
from storage.errors import RegistryFullError
from storage.registry import NewTerminal, TerminalRow, VehicleRow

PhoneKey = tuple[int, int]
"""(high, low) packed BCD, as protocols.report.phone_key gives it."""
Policy = Literal["open", "known"]


class Terminal(msgspec.Struct, frozen=True, gc=False):
    """A terminal as the registry knows it."""

    terminal: int
    vehicle_id: int
    phone: str
    terminal_id: str
    """As it registered; empty for one that was entered by hand and may still choose."""
    group: int = 1
    store: int = 0


class Registry(Protocol):
    """The durable side, storage.registry.Registry. All calls block: they run in a worker thread, one at a time."""

    def load(self, terminals: Sequence[int] | None = None) -> Sequence[TerminalRow]:
        """Return every terminal, or these; retired ones too."""

    def load_vehicles(self, vehicles: Sequence[int] | None = None) -> Sequence[VehicleRow]:
        """Return whose each car, or each of these, is."""

    def register(self, terminals: Sequence[NewTerminal]) -> Sequence[TerminalRow]:
        """Add terminals with their terminal.registered events, in one transaction; return their rows in order."""


class VehicleColumns(Protocol):
    """The columns of the vehicle table that the fleet writes, indexed by vehicle id."""

    group: Any
    store: Any


class SessionNow(NamedTuple):
    """A session that is open."""

    since_ms: int
    version: int
    """Of JT/T 808: 2011, 2013 or 2019."""


class FleetStatistics(msgspec.Struct, frozen=True):
    """How many there are, and what registration did."""

    terminals: int
    vehicles: int
    sessions: int
    links: int
    registered: int
    batches: int
    failures: int


class Occupancy:
    """Who is on which connection: vehicles heard there, terminals logged in there, and codes refused there.

    Shared by all vehicles of a process, and only ever touched between two awaits of the Trio thread. Bounded by the
    connections that are open: `forget` when one has closed.
    """

    def __init__(self) -> None:
        # Nearly every link is one terminal of one car: a number then, for a set of its own would be 250 bytes.
        self._vehicles: dict[int, int | set[int]] = {}
        self._terminals: dict[int, int | set[int]] = {}
        self._refusals: dict[int, int] = {}
        self.sessions = 0
        self.since: dict[int, SessionNow] = {}
        """Terminals logged in. Other threads may look one up."""
        self._old: set[int] = set()

    def heard(self, link: int, vehicle_id: int) -> None:
        """Note, when a frame is put into a vehicle's mailbox, that the link's end must be told to that vehicle."""
        _add(self._vehicles, link, vehicle_id)

    def vehicles(self, link: int) -> frozenset[int]:
        """Return the vehicles to which KIND_LINK_CLOSED of this link goes."""
        heard: int | set[int] = self._vehicles.get(link, set())
        return frozenset((heard,)) if isinstance(heard, int) else frozenset(heard)

    def forget(self, link: int) -> None:
        """Drop what is known of a link that has closed, once its vehicles have been told."""
        self._vehicles.pop(link, None)
        self._refusals.pop(link, None)

    def opened(self, link: int, terminal: int, since_ms: int = 0, version: int = 0) -> None:
        """Note that a terminal logged in, when, and in which version of the protocol."""
        self.sessions += _add(self._terminals, link, terminal)
        self.since[terminal] = SessionNow(since_ms, version)
        if version == 2011:
            self._old.add(terminal)
        else:
            self._old.discard(terminal)

    def version(self, terminal: int) -> int:
        """Return in which edition a terminal speaks whose header is not of 2019: 2011 if it logged in so, else 2013.
        Other threads may ask."""
        return 2011 if terminal in self._old else 2013

    def ended(self, link: int, terminal: int) -> bool:
        """Note that a terminal's session is over; True when nobody else is logged in on that link."""
        terminals = self._terminals.get(link)
        if terminals is None:
            return True
        self.since.pop(terminal, None)
        if isinstance(terminals, int):
            if terminals != terminal:
                return False
            terminals = set()
            self.sessions -= 1
        elif terminal in terminals:
            terminals.discard(terminal)
            self.sessions -= 1
        if not terminals:
            del self._terminals[link]
        return not terminals

    def lives(self, link: int) -> bool:
        """Tell whether anybody is logged in on a link."""
        return link in self._terminals

    def refused(self, link: int) -> int:
        """Count a wrong code; return how many there were on this link."""
        self._refusals[link] = count = self._refusals.get(link, 0) + 1
        return count

    @property
    def links(self) -> int:
        """Links on which somebody is logged in."""
        return len(self._terminals)


def _add(sets: dict[int, int | set[int]], key: int, member: int) -> bool:
    """Add to the set of a key, which is its member itself while it has one; False when it was in it."""
    before = sets.get(key)
    if before is None:
        sets[key] = member
    elif isinstance(before, set):
        if member in before:
            return False
        before.add(member)
    elif before != member:
        sets[key] = {before, member}
    else:
        return False
    return True


class Fleet:
    """The terminals we know. Reads never wait; `load` and `register` hop to a worker thread."""

    def __init__(
        self,
        registry: Registry,
        policy: Policy = "known",
        *,
        table: VehicleColumns | None = None,
    ) -> None:
        """Make an empty fleet; call `load` before anything else.

        Args:
            policy: `open` registers whoever asks (a demo, a first roll-out); `known` only who is in the registry.
            table: where each vehicle's dealer group and store are written for the kernels.
        """
        self.policy: Final = policy
        self.occupancy = Occupancy()
        self._registry = registry
        self._table = table
        self._by_phone: dict[PhoneKey, Terminal] = {}
        self._by_vehicle: dict[int, tuple[Terminal, ...]] = {}
        self._retired: set[PhoneKey] = set()
        self._limiter = trio.CapacityLimiter(1)
        self._registered = 0
        self._batches = 0
        self._failures = 0

    async def load(self) -> None:
        """Read every terminal from the registry. An unreachable registry is waited for."""
        await self._read(None, None)

    async def reload(self, terminals: Sequence[int] = (), vehicles: Sequence[int] = ()) -> None:
        """Read these terminals and cars anew.

        What is read is what stands there now, and may be newer than the event that named it: reading again finds
        nothing more. An unreachable registry is waited for.
        """
        await self._read(terminals, vehicles)

    async def _read(self, terminals: Sequence[int] | None, vehicles: Sequence[int] | None) -> None:
        def read() -> tuple[Sequence[VehicleRow], Sequence[TerminalRow]]:
            return self._registry.load_vehicles(vehicles), self._registry.load(terminals)

        cars, rows = await until_it_holds(
            partial(trio.to_thread.run_sync, read, limiter=self._limiter),
            "loading the fleet",
            failed=self._failed,
        )
        if self._table is not None:
            for car in cars:
                self._table.group[car.vehicle_id] = car.group
                self._table.store[car.vehicle_id] = car.store
        self.learn(rows)

    def learn(self, rows: Iterable[TerminalRow]) -> None:
        """Take rows as they now stand in the registry: new terminals, others bound or sold to someone else, retired."""
        for row in rows:
            terminal = Terminal(row.terminal, row.vehicle_id, row.phone, row.terminal_id, row.group, row.store)
            key = phone_key(terminal.phone)
            before = self._by_phone.pop(key, None)
            if before is not None:
                others = tuple(t for t in self._by_vehicle[before.vehicle_id] if t.terminal != before.terminal)
                if others:
                    self._by_vehicle[before.vehicle_id] = others
                else:
                    del self._by_vehicle[before.vehicle_id]
            if row.retired_ms:
                self._retired.add(key)
                continue
            self._retired.discard(key)
            self._by_phone[key] = terminal
            self._by_vehicle[terminal.vehicle_id] = (*self._by_vehicle.get(terminal.vehicle_id, ()), terminal)
            if self._table is not None:
                self._table.group[terminal.vehicle_id] = terminal.group
                self._table.store[terminal.vehicle_id] = terminal.store

    def is_retired(self, phone: PhoneKey) -> bool:
        """Tell whether a terminal of this phone was taken out of service: it is refused under either policy."""
        return phone in self._retired

    def terminal(self, phone: PhoneKey) -> Terminal | None:
        """Return the terminal with this phone, None when nobody knows it."""
        return self._by_phone.get(phone)

    def terminals_of(self, vehicle_id: int) -> tuple[Terminal, ...]:
        """Return the terminals of a vehicle, none for an unknown one."""
        return self._by_vehicle.get(vehicle_id, ())

    def vehicles(self) -> tuple[int, ...]:
        """Return every vehicle id."""
        return tuple(self._by_vehicle)

    async def register(self, new: Sequence[NewTerminal]) -> list[Terminal | None]:
        """Register terminals; return them in order once rows and events are durable, None where no number is left
        or the terminal is retired.

        Up to REGISTRATION_BATCH go in one transaction and one thread hop. Of one phone asked for twice the first wins,
        and both get its row: who sees another terminal id in it than its own has been too late. An unreachable
        registry is waited for.

        Raises:
            ValueError: a phone that is none.
        """
        first: dict[PhoneKey, NewTerminal] = {}
        keys = [phone_key(one.phone) for one in new]
        for key, one in zip(keys, new, strict=True):
            known = self._by_phone.get(key)
            # One that was entered by hand says now who it is.
            if known is None or (not known.terminal_id and one.terminal_id):
                first.setdefault(key, one)
        missing = list(first.values())
        for start in range(0, len(missing), REGISTRATION_BATCH):
            batch = missing[start : start + REGISTRATION_BATCH]
            try:
                await self._register_batch(batch)
            except RegistryFullError:
                # Near the end of the numbers: as many as still fit.
                for one in batch:
                    try:
                        await self._register_batch([one])
                    except RegistryFullError:
                        break
        return [self._by_phone.get(key) for key in keys]

    async def _register_batch(self, batch: Sequence[NewTerminal]) -> None:
        rows = await until_it_holds(
            partial(trio.to_thread.run_sync, self._registry.register, batch, limiter=self._limiter),
            f"registering {len(batch)} terminals",
            unless=(RegistryFullError,),
            failed=self._failed,
        )
        self._registered += len(rows)
        self._batches += 1
        self.learn(rows)

    def statistics(self) -> FleetStatistics:
        """Return how many there are."""
        return FleetStatistics(
            terminals=len(self._by_phone),
            vehicles=len(self._by_vehicle),
            sessions=self.occupancy.sessions,
            links=self.occupancy.links,
            registered=self._registered,
            batches=self._batches,
            failures=self._failures,
        )

    def _failed(self, _error: Exception) -> None:
        self._failures += 1
