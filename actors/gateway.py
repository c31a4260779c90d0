"""The gateway: follows the journal live, and brings what it finds to whoever acts on it.

Each batch goes two ways. Its rows, the locations, go to the vehicle table and to detection, whose facts are in the log
before the next batch is looked at. Its frames, the conversation, go to the mailbox of their car, or to the reception
when nobody knows the terminal. Two positions come of it: detection's stands in its snapshot, the conversation's is the
last record before the oldest one that some car is not done with. After a restart both read on from there, with the
same code; what is done twice says the same things under the same ids.

The gateway also follows the event log for commands, and hands each to its car.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import numpy as np
import trio

from actors.detection import Detection, SnapshotError
from actors.fleet import Fleet
from actors.media import Transfer
from actors.reception import Reception
from actors.vehicle import Story, Vehicle
from core.actor import run_actor
from core.clock import wall_ms
from core.events import (
    CommandApproval,
    CommandProgress,
    CommandRequested,
    Event,
    TerminalBound,
    TerminalChanged,
    TerminalEntered,
    TerminalRetired,
    TerminalUnbound,
    VehicleChanged,
)
from core.intake.journal import Batch, Journal, Reader
from core.intake.links import KIND_LINK_CLOSED, KIND_TERMINAL_SILENT, Frame, Links
from core.limits import STALL_ALARMS_MAX
from core.log import LogWriter
from core.logging import say
from core.position import Position
from core.rules import Rules
from core.vehicle_table import VehicleTable
from protocols.report import REPORT
from protocols.seam import Kernels

SNAPSHOT_EVERY_S: Final = 30.0
"""Detection's state is written this often while there is something new: a crash judges at most so much again."""
SNAPSHOT_SOON_S: Final = 2.0
"""… and so soon where a look at the silence found facts: no record of the journal brings these again."""
LOOK_EVERY_S: Final = 5.0
"""How long the tail waits where nothing comes: as often detection hears what time it is."""
COMMANDS_READ: Final = 64
"""Events of commands read at once: upgrade packages stand in them, 64 are 32 MB."""
MAILBOX_RETRY_S: Final = 0.01
RECEPTION: Final = 0
"""Key of the reception among the mailboxes; vehicles begin at 1."""
COMMANDS_POSITION: Final = "gateway.commands"
CHANGES: Final = (TerminalEntered, TerminalChanged, TerminalBound, TerminalUnbound, TerminalRetired, VehicleChanged)
"""Payloads of what people change in the registry."""


class CommandLog(Protocol):
    """What is needed of the event log to follow commands. Blocks: called in a worker thread."""

    def read(self, after_seq: int, limit: int, type_prefix: str) -> list[Event]: ...
    def position(self, reader: str) -> int: ...
    def set_position(self, reader: str, seq: int) -> None: ...


class GatewayStatistics(msgspec.Struct, frozen=True):
    """What has come up and where it stands."""

    batches: int
    rows: int
    frames: int
    unreadable: int
    """Locations inside frames that could not be read; they stay in the journal."""
    events: int
    """Facts that detection found."""
    changes: int
    """Changes of the registry followed."""
    sequence: int
    """Last record of the journal taken."""
    conversation_sequence: int
    """All records up to this one are done with by the cars."""
    detection_sequence: int
    """All records up to this one are in detection's last snapshot."""
    vehicles: int
    """Cars that have been heard. Only those with something to do have a task."""
    held: int
    """Frames that wait in front of full mailboxes; their connections are not read."""
    commands_open: int
    alarms: int
    """Reports with an alarm bit shown while the journal took nothing."""
    alarms_unjudged: int
    """Of them those that more recent ones displaced before they were judged."""
    mailboxes_full: int
    """Times a command waited for room in its car's mailbox."""
    snapshots: int
    swaps: int
    """Times that what detection judges by was changed."""


class Gateway:
    """Reads the journal's tail. `run` until cancelled.

    Args:
        hand_up_fd: eventfd that the intake rings when there is something new.
        make_vehicle: (vehicle_id, start, on_drained) -> its actor, at rest.
        reception: its `hand_over` is set to `put_known` by the caller.
        snapshot: file of detection's state.
        position: of the conversation; the actors' `done` is its `done`.
        clock: UTC epoch ms, the same that the intake stamps arrivals with.
        alarm_fd: eventfd that the intake rings when `take_alarms` has reports that no journal takes; -1: there is none.
    """

    def __init__(
        self,
        journal: Journal,
        kernels: Kernels,
        hand_up_fd: int,
        *,
        links: Links,
        fleet: Fleet,
        table: VehicleTable,
        detection: Detection,
        log: LogWriter,
        commands: CommandLog,
        snapshot: Path,
        position: Position,
        make_vehicle: Callable[[int, Callable[[Vehicle], None], Callable[[int], None]], Vehicle],
        clock: Callable[[], int] = wall_ms,
        alarm_fd: int = -1,
        take_alarms: Callable[[], np.ndarray] = lambda: np.zeros(0, REPORT),
    ) -> None:
        self._alarm_fd = alarm_fd
        self._take_alarms = take_alarms
        self._alarms: deque[np.ndarray] = deque()
        self._alarm_wake = trio.Event()
        self._journal = journal
        self._kernels = kernels
        self._hand_up_fd = hand_up_fd
        self._links = links
        self._fleet = fleet
        self._table = table
        self._detection = detection
        self._log = log
        self._commands = commands
        self._snapshot = snapshot
        self._position = position
        # Made once: 100,000 vehicles share them.
        start, drained = self._start, self.drained
        self._make_vehicle: Callable[[int], Vehicle] = lambda vehicle_id: make_vehicle(vehicle_id, start, drained)
        self._clock = clock
        self._conversation_file = journal.position("conversation")
        self._detection_file = journal.position("detection")
        self._vehicles: dict[int, Vehicle] = {}
        self._reception: Reception | None = None
        self._held: dict[int, deque[Frame]] = {}
        self._paused: dict[int, set[int]] = {}
        self._nursery: trio.Nursery | None = None
        self._command_seq = 0
        self._commands_open: dict[str, int] = {}
        self._command_wake = trio.Event()
        self._judged = 0
        self._taken = 0
        self._taking = False
        self._swept = False
        self._snapshot_s = 0.0
        # Held by whoever has detection: a batch, a snapshot, a change of what it judges by.
        self._turn = trio.Lock()
        self._running = False
        self._rules_wanted: Rules | None = None
        self._counts = dict.fromkeys(
            (
                "batches",
                "rows",
                "frames",
                "unreadable",
                "events",
                "changes",
                "snapshots",
                "swaps",
                "alarms",
                "alarms_unjudged",
                "mailboxes_full",
            ),
            0,
        )

    def attach(self, reception: Reception) -> None:
        """Name the reception, which hands frames back to `put_known` and so is made after the gateway."""
        self._reception = reception

    async def run(self) -> None:
        """Read on from where the last run stood, then live, until cancelled.

        Raises:
            JournalError: the journal is damaged inside what was synced. Going on would lose what was acknowledged.
        """
        assert self._reception is not None
        in_force = self._detection.rules
        try:
            self._judged = max(0, self._detection.restore(self._snapshot))
        except SnapshotError:
            # Judged again from the oldest record there is: the same facts under the same ids.
            self._judged = 0
        if self._detection.rules.own != in_force.own:
            # They were changed a moment before we were killed, or while we were down. What the journal holds is judged
            # as it was before, and what comes then by what is in force.
            self._rules_wanted = in_force
        self._running = True
        start = min(self._judged, self._conversation_file.sequence)
        reader = Reader(self._journal, self._kernels, start, hands_on=True)
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                nursery.start_soon(run_actor, self._reception.run, "reception")
                # Before the journal: an answer in it is to a command that its car must know.
                await run_actor(self._recall_commands, "commands")
                nursery.start_soon(run_actor, self._follow_commands, "commands")
                if self._alarm_fd >= 0:
                    nursery.start_soon(run_actor, self._show_alarms, "alarms")
                    nursery.start_soon(run_actor, self._judge_alarms, "alarms")
                await self._tail(reader)
        finally:
            reader.close()

    async def _tail(self, reader: Reader) -> None:
        self._snapshot_s = trio.current_time()
        while True:
            while (batch := reader.read()) is not None:
                # A checkpoint as well: a long way to catch up must not keep the cars' tasks from running.
                async with self._turn:
                    await self._take(batch)
            if self._rules_wanted is not None:
                await self.change_rules(self._rules_wanted)
            async with self._turn:
                await self._sweep()
            self._conversation_file.advance(self._position.sequence)
            since_s = trio.current_time() - self._snapshot_s
            if since_s > SNAPSHOT_EVERY_S or (self._swept and since_s > SNAPSHOT_SOON_S):
                await self._try_snapshot()
            with trio.move_on_after(LOOK_EVERY_S):
                await trio.lowlevel.wait_readable(self._hand_up_fd)
                os.eventfd_read(self._hand_up_fd)

    async def _take(self, batch: Batch) -> None:
        rows = batch.rows
        self._taking = True
        self._counts["batches"] += 1
        self._counts["unreadable"] += batch.unreadable
        if len(rows):
            self._counts["rows"] += len(rows)
            self._table.update_positions(rows)
            fresh = rows if rows[0]["sequence"] > self._judged else rows[rows["sequence"] > self._judged]
            await self._append(self._detection.judge(fresh))
        done_before = self._conversation_file.sequence
        for frame in batch.frames:
            if frame.sequence > done_before:
                self._counts["frames"] += 1
                self.route(frame)
        self._position.taken(batch.sequence, 0)
        self._taken = batch.sequence
        self._judged = max(self._judged, batch.sequence)
        self._taking = False

    # --- while the journal takes nothing ------------------------------------------------------------------------------

    async def _show_alarms(self) -> None:
        """Show reports with an alarm bit that the journal cannot take, and leave them to be judged, until cancelled.

        They are shown also while the log waits for the same disk. Of those that wait to be judged the oldest go first:
        they come again, from the journal.
        """
        while True:
            await trio.lowlevel.wait_readable(self._alarm_fd)
            os.eventfd_read(self._alarm_fd)
            rows = self._take_alarms()
            self._table.update_positions(rows)
            self._counts["alarms"] += len(rows)
            self._alarms.append(rows)
            while sum(map(len, self._alarms)) > STALL_ALARMS_MAX and len(self._alarms) > 1:
                self._counts["alarms_unjudged"] += len(self._alarms.popleft())
            self._alarm_wake.set()

    async def _judge_alarms(self) -> None:
        """Judge them. From the journal they come as the same reports, and give the same facts under the same ids."""
        while True:
            await self._alarm_wake.wait()
            self._alarm_wake = trio.Event()
            async with self._turn:
                self._taking = True
                while self._alarms:
                    await self._append(self._detection.judge(self._alarms.popleft()))
                self._taking = False

    async def _sweep(self) -> None:
        """Nothing waits: what follows from silence does not wait for the next report either."""
        self._taking = True
        facts = self._detection.advance(self._clock())
        self._swept = self._swept or bool(facts)
        await self._append(facts)
        self._taking = False

    async def _append(self, facts: list[Event]) -> None:
        if facts:
            self._counts["events"] += len(facts)
            await self._log.append(facts)

    async def _try_snapshot(self) -> None:
        """Write detection's state, or leave it for the next time: a disk that is full must not end what judges."""
        async with self._turn:
            try:
                await self.take_snapshot()
            except OSError as error:
                # Over a snapshot that is old a restart judges again for longer, and finds the same.
                say(
                    "detection.unkept",
                    path=self._snapshot,
                    seconds=SNAPSHOT_SOON_S if self._swept else SNAPSHOT_EVERY_S,
                    fault=error.strerror,
                )

    async def take_snapshot(self) -> None:
        """Write detection's state if it has changed: that behind the last batch, whose facts are in the log."""
        if self._judged > self._detection_file.sequence or self._swept:
            await self._write_snapshot(self._detection.rules)

    async def _write_snapshot(self, rules: Rules) -> None:
        self._snapshot_s = trio.current_time()
        # Where what the cars say is read again from further back, detection stands ahead of what was taken.
        sequence = self._judged
        await trio.to_thread.run_sync(self._detection.snapshot, self._snapshot, sequence, rules)
        self._detection_file.advance(sequence)
        self._swept = False
        self._counts["snapshots"] += 1

    # --- what detection judges by -------------------------------------------------------------------------------------

    async def change(self, apply: Callable[[], object], rules: Rules | None = None) -> None:
        """Change what detection judges by (fences, thresholds, what is armed) between two batches.

        What the old ones made is on disk before the new ones count, so that after a crash no report is judged by ones
        that it was not judged by before. Whoever follows the log calls this with rows read anew; where it fails nothing
        was changed, and the follower comes again.

        Args:
            apply: makes the change: an assignment or two, what takes longer is done before.
            rules: the thresholds that count then, where it is these that change.

        Raises:
            OSError: the disk does not take the snapshot.
        """
        async with self._turn:
            # Before the start there is nothing to keep, and after a cancelled batch nothing that may be kept.
            if self._running and not self._taking:
                await self._write_snapshot(rules or self._detection.rules)
            apply()
            self._counts["swaps"] += 1

    async def change_rules(self, rules: Rules) -> None:
        """Judge by these thresholds from the next batch on; see `change`."""
        await self.change(lambda: self._detection.swap_rules(rules), rules)
        self._rules_wanted = None

    # --- frames to cars -----------------------------------------------------------------------------------------------

    def route(self, frame: Frame) -> None:
        """Bring a frame to its car, or to every car on a link that has closed."""
        occupancy = self._fleet.occupancy
        if frame.kind == KIND_LINK_CLOSED:
            vehicles = occupancy.vehicles(frame.link)
            self._position.taken(frame.sequence, len(vehicles))
            for vehicle_id in vehicles:
                self._put(vehicle_id, frame)
            occupancy.forget(frame.link)
            return
        assert self._reception is not None
        self._position.taken(frame.sequence, 1)
        if frame.kind == KIND_TERMINAL_SILENT:
            self._put(frame.vehicle_id, frame)
            return
        if self._reception.wants(frame):
            self._put(RECEPTION, frame)
            return
        terminal = self._fleet.terminal(frame.phone)
        assert terminal is not None
        occupancy.heard(frame.link, terminal.vehicle_id)
        self._put(terminal.vehicle_id, frame)

    def put_known(self, frame: Frame) -> bool:
        """Put the frame of a terminal that the reception has just registered into its car's mailbox."""
        terminal = self._fleet.terminal(frame.phone)
        if terminal is None:
            # Retired in the moment between: nobody answers it.
            self._position.done(frame.sequence)
            return True
        return self._vehicle(terminal.vehicle_id).put(frame)

    def _put(self, key: int, frame: Frame) -> None:
        """Put a frame into a mailbox, or hold it in front and stop reading its connection.

        What is held is bounded by what one connection sends in the two or three rounds until it is no longer read.
        """
        held = self._held.get(key)
        if held is None and self._offer(key, frame):
            return
        self._held.setdefault(key, deque()).append(frame)
        paused = self._paused.setdefault(key, set())
        if frame.link not in paused and frame.kind < KIND_LINK_CLOSED:
            paused.add(frame.link)
            self._links.pause(frame.link)

    def _offer(self, key: int, frame: Frame) -> bool:
        if key == RECEPTION:
            assert self._reception is not None
            return self._reception.put(frame)
        return self._vehicle(key).put(frame)

    def drained(self, key: int) -> None:
        """There is room again in a mailbox: put what is held, and read its connections once nothing is."""
        held = self._held.get(key)
        while held:
            if not self._offer(key, held[0]):
                return
            held.popleft()
        self._held.pop(key, None)
        for link in self._paused.pop(key, ()):
            self._links.resume(link)

    def _vehicle(self, vehicle_id: int) -> Vehicle:
        vehicle = self._vehicles.get(vehicle_id)
        if vehicle is None:
            vehicle = self._vehicles[vehicle_id] = self._make_vehicle(vehicle_id)
        return vehicle

    def _start(self, vehicle: Vehicle) -> None:
        """Let a car's task run until it has done what waits for it."""
        assert self._nursery is not None
        self._nursery.start_soon(run_actor, vehicle.run, f"vehicle:{vehicle.vehicle_id}")

    def transfers(self, vehicle_id: int) -> list[Transfer]:
        """Return the pictures, sounds and films on their way from a car. Other threads may ask."""
        vehicle = self._vehicles.get(vehicle_id)
        return [] if vehicle is None else vehicle.conversation.transfers

    # --- commands -----------------------------------------------------------------------------------------------------

    def committed(self, _seq: int, types: frozenset[str]) -> None:
        """Hear that events are in the log (LogWriter.on_committed)."""
        if any(kind.startswith("command.") for kind in types):
            self._command_wake.set()

    async def _recall_commands(self) -> None:
        """Hand over what an earlier start of the program did not decide, each with how far it had come."""
        self._command_seq = await trio.to_thread.run_sync(self._commands.position, COMMANDS_POSITION)
        await self._read_commands()

    async def _follow_commands(self) -> None:
        """Hand each command to its car, and what people say of it, until cancelled."""
        while True:
            self._command_wake = trio.Event()
            await self._read_commands()
            oldest = min(self._commands_open.values(), default=self._command_seq + 1) - 1
            await trio.to_thread.run_sync(self._commands.set_position, COMMANDS_POSITION, oldest)
            await self._command_wake.wait()

    async def _read_commands(self) -> None:
        """Read to the log's end, and hand over what is undecided there."""
        stories: dict[str, list[Event]] = {}
        judged: list[Event] = []
        while True:
            read = self._commands.read
            events = await trio.to_thread.run_sync(read, self._command_seq, COMMANDS_READ, "command.")
            if not events:
                break
            for event in events:
                self._note(event, stories, judged)
            self._command_seq = events[-1].seq
        for story in stories.values():
            # A car without a terminal gets a task as well: it lets the command expire in its time, and says so.
            await self._request(self._vehicle(story[0].payload.vehicle_id), Story(tuple(story)))
        for event in judged:
            await self._request(self._vehicle(event.payload.vehicle_id), event)

    def _note(self, event: Event, stories: dict[str, list[Event]], judged: list[Event]) -> None:
        payload: Any = event.payload
        if isinstance(payload, CommandRequested):
            stories[event.id] = [event]
            self._commands_open[event.id] = event.seq
        elif isinstance(payload, CommandProgress | CommandApproval):
            if payload.command in stories:
                stories[payload.command].append(event)
            elif isinstance(payload, CommandApproval) and payload.command in self._commands_open:
                judged.append(event)
            if event.answers:
                stories.pop(payload.command, None)
                self._commands_open.pop(payload.command, None)

    # --- what people change -------------------------------------------------------------------------------------------

    async def registry_changed(self, events: Sequence[Event]) -> None:
        """Follow `terminal.` and `vehicle.`: read anew what they name, then log out whoever speaks for another car now.

        The vehicle table has the new stores before this returns, so live rows and facts carry them at once.
        """
        changes = [event for event in events if isinstance(event.payload, CHANGES)]
        terminals = {event.payload.terminal for event in changes if not isinstance(event.payload, VehicleChanged)}
        vehicles = {event.payload.vehicle_id for event in changes if not isinstance(event.payload, TerminalRetired)}
        if not changes:
            return
        for car in vehicles:
            # A car that moves takes its terminals with it.
            terminals |= {one.terminal for one in self._fleet.terminals_of(car)}
        await self._fleet.reload(sorted(terminals), sorted(vehicles - {0}))
        if self._reception is not None:
            self._reception.knocking.forget_known()
        self._counts["changes"] += len(changes)
        for event in changes:
            vehicle = self._vehicles.get(getattr(event.payload, "vehicle_before", 0))
            if vehicle is not None:
                await self._request(vehicle, event)

    async def _request(self, vehicle: Vehicle, event: Event | Story) -> None:
        while not vehicle.request(event):
            self._counts["mailboxes_full"] += 1
            await trio.sleep(MAILBOX_RETRY_S)

    def statistics(self) -> GatewayStatistics:
        """Return what has come up and where it stands."""
        return GatewayStatistics(
            **self._counts,
            sequence=self._taken,
            conversation_sequence=self._conversation_file.sequence,
            detection_sequence=self._detection_file.sequence,
            vehicles=len(self._vehicles),
            held=sum(len(held) for held in self._held.values()),
            commands_open=len(self._commands_open),
        )

    async def stop(self) -> None:
        """Say how far everything has come, before the process ends.

        Where `run` was cancelled inside a batch, detection has seen it and its facts may not be in the log: that state
        is not kept, and the next start judges on from the snapshot before.
        """
        self._conversation_file.advance(self._position.sequence)
        if not self._taking:
            await self._try_snapshot()
