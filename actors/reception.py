"""Where terminals are heard that nobody knows: first registrations, in batches, and everybody else refused.

A fleet's first day is a storm of registrations: each waits for a row and an event, so all that came in meanwhile go
into one transaction. Once its row is durable a terminal's frame is handed to its vehicle, which answers it like any
later registration: one place knows how.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec
import trio

from actors.fleet import Fleet
from actors.steps import Action, answer
from actors.vehicle import LINK_BOOT_SHIFT, LINKS_RETRY_S, RESULT_FAILURE, RESULT_WRONG, Counts, carry_out
from core.clock import Clock
from core.events import derive_id
from core.intake.links import KIND_LINK_CLOSED, Frame, Links
from core.limits import KNOCKING_MAX, RECEPTION_FRAMES_MAX, REFUSALS_PER_LINK_MAX, REGISTRATION_BATCH
from core.mailbox import Mailbox
from protocols.jt808.codec import Decoded, ProtocolError, decode
from protocols.jt808.messages import PlatformGeneralReply, QueryServerTime, Register, RegisterReply, ServerTime
from protocols.report import phone_text
from storage.registry import NewTerminal

REGISTER_NO_VEHICLE: Final = 2
REGISTER_NO_TERMINAL: Final = 4
REGISTER_ID: Final = 0x0100


class Knock(msgspec.Struct, frozen=True, kw_only=True):
    """A terminal that nobody knows, or that was retired, and that tried to log in."""

    phone: str
    first_ms: int
    last_ms: int
    """Arrival of its first and its last frame, UTC epoch ms."""
    count: int
    address: str
    """Where it came from last; empty where its connection had gone already."""
    retired: bool
    terminal_id: str = ""
    maker: str = ""
    model: str = ""
    plate: str = ""
    plate_colour: int = 0
    vin: str = ""
    """What its last 0x0100 said; empty until one came."""


class Knocking:
    """Terminals that were refused at the door, the last KNOCKING_MAX of them. In memory only: they will knock again.

    Written by the reception alone; other threads may call `known_not`.
    """

    def __init__(self, fleet: Fleet, bound: int = KNOCKING_MAX) -> None:
        self._fleet = fleet
        self._bound = bound
        self._knocks: dict[tuple[int, int], Knock] = {}
        self.put_out = 0
        """Those that were forgotten because too many others came after them."""

    def __len__(self) -> int:
        return len(self._knocks)

    def heard(self, phone: tuple[int, int], time_ms: int, address: str, new: NewTerminal | None) -> None:
        """Note a refused frame; `new` is what it said of itself, if it was a 0x0100."""
        before = self._knocks.pop(phone, None)
        said: dict[str, Any] = {}
        if new is not None:
            said = {
                name: getattr(new, name) for name in ("terminal_id", "maker", "model", "plate", "plate_colour", "vin")
            }
        if before is None:
            if len(self._knocks) >= self._bound:
                # The one that has been silent longest stands first.
                del self._knocks[next(iter(self._knocks))]
                self.put_out += 1
            before = Knock(
                phone=phone_text(*phone), first_ms=time_ms, last_ms=time_ms, count=0, address=address, retired=False
            )
        self._knocks[phone] = msgspec.structs.replace(
            before,
            last_ms=time_ms,
            count=before.count + 1,
            address=address or before.address,
            retired=self._fleet.is_retired(phone),
            **said,
        )

    def known_not(self) -> list[Knock]:
        """Return those that are still not known, who knocked last first."""
        # One call under the interpreter's lock: the other thread may write meanwhile.
        knocks = list(self._knocks.items())
        return [knock for phone, knock in reversed(knocks) if self._fleet.terminal(phone) is None]

    def forget_known(self) -> None:
        """Let go of those that have become known."""
        self._knocks = {phone: knock for phone, knock in self._knocks.items() if self._fleet.terminal(phone) is None}


class Reception:
    """One actor for all terminals that are not registered. Its mailbox holds RECEPTION_FRAMES_MAX frames."""

    def __init__(
        self,
        fleet: Fleet,
        links: Links,
        clock: Clock,
        *,
        node: str,
        boot: int,
        counts: Counts,
        done: Callable[[int], None],
        hand_over: Callable[[Frame], bool],
        on_drained: Callable[[], None] | None = None,
        peer: Callable[[int], str] = lambda link: "",
    ) -> None:
        """Make an empty reception.

        Args:
            node: names this node's journal in the ids of events.
            boot: boot number of this start; frames of earlier ones are registered and not answered.
            counts, done: as in Vehicle.
            hand_over: puts the frame of a terminal that is now known into its vehicle's mailbox (and starts its task);
                False when that is full.
            peer: a link -> the address at its other end, empty where it has gone.
        """
        self.knocking: Final = Knocking(fleet)
        self._peer = peer
        self.mailbox: Mailbox[Frame] = Mailbox(RECEPTION_FRAMES_MAX, on_drained)
        self._fleet = fleet
        self._links = links
        self._clock = clock
        self._node = node
        self._boot = boot
        self._counts = counts
        self._done = done
        self._hand_over = hand_over
        self._batch: list[Frame] = []

    def wants(self, frame: Frame) -> bool:
        """Tell whether a frame belongs here: of an unknown phone, or the first 0x0100 of one entered by hand."""
        if frame.kind == KIND_LINK_CLOSED:
            return False
        terminal = self._fleet.terminal(frame.phone)
        return terminal is None or (not terminal.terminal_id and int.from_bytes(frame.data[:2], "big") == REGISTER_ID)

    def put(self, frame: Frame) -> bool:
        """Put a frame into the mailbox; False when it is full and the frame stays with the caller."""
        return self.mailbox.put_nowait(frame)

    def waiting(self) -> int:
        """Return how many frames wait."""
        return self.mailbox.statistics().waiting

    async def run(self) -> None:
        """Receive until cancelled. Started again after a failure, it leaves out the batch it failed at."""
        for frame in self._batch:
            self._counts["frames_failed"] += 1
            self._done(frame.sequence)
        self._batch = []
        while True:
            self._batch = [await self.mailbox.get()]
            while len(self._batch) < REGISTRATION_BATCH and (more := self.mailbox.get_nowait()) is not None:
                self._batch.append(more)
            await self._receive()
            self._batch = []

    async def _receive(self) -> None:
        registrations: list[tuple[Frame, Decoded, NewTerminal]] = []
        for frame in self._batch:
            try:
                decoded = decode(frame.data)
            except ProtocolError:
                self._counts["frames_unreadable"] += 1
                self._done(frame.sequence)
                continue
            body = decoded.body
            known = self._fleet.terminal(frame.phone) is not None
            is_open = self._fleet.policy == "open" and not self._fleet.is_retired(frame.phone)
            if isinstance(body, Register) and (known or is_open):
                registrations.append((frame, decoded, self._new_terminal(frame, body)))
                continue
            if known:
                # It was registered by a frame before it in this queue.
                await self._to_vehicle(frame)
                continue
            for action in self._refuse(frame, decoded):
                await carry_out(self._links, action, self._counts)
            self._done(frame.sequence)
        if not registrations:
            return
        terminals = await self._fleet.register([new for _, _, new in registrations])
        for (frame, decoded, _), terminal in zip(registrations, terminals, strict=True):
            if terminal is not None:
                await self._to_vehicle(frame)
                continue
            self._counts["strangers"] += 1
            reply = RegisterReply(decoded.header.serial, REGISTER_NO_VEHICLE)
            for action in self._send(frame, decoded, 0x8100, reply):
                await carry_out(self._links, action, self._counts)
            self._done(frame.sequence)

    def _refuse(self, frame: Frame, decoded: Decoded) -> list[Action]:
        """Answer somebody who may not speak."""
        header = decoded.header
        if isinstance(decoded.body, QueryServerTime):
            return self._send(frame, decoded, 0x8004, ServerTime(self._clock()))
        self._counts["strangers"] += 1
        new = self._new_terminal(frame, decoded.body) if isinstance(decoded.body, Register) else None
        self.knocking.heard(frame.phone, frame.arrival_ms, self._peer(frame.link), new)
        if isinstance(decoded.body, Register):
            return self._send(frame, decoded, 0x8100, RegisterReply(header.serial, REGISTER_NO_TERMINAL))
        result = RESULT_WRONG if header.message == REGISTER_ID else RESULT_FAILURE
        reply = PlatformGeneralReply(header.serial, header.message, result)
        actions = self._send(frame, decoded, 0x8001, reply)
        occupancy = self._fleet.occupancy
        if actions and occupancy.refused(frame.link) >= REFUSALS_PER_LINK_MAX and not occupancy.lives(frame.link):
            actions.append(Action("close", (frame.link, "refused")))
        return actions

    def _send(self, frame: Frame, decoded: Decoded, message: int, body: msgspec.Struct) -> list[Action]:
        if frame.link >> LINK_BOOT_SHIFT != self._boot:
            return []
        # No serial is kept for strangers: they have nothing to correlate.
        return [Action("send", (frame.link, answer(decoded.header, message, 0, body)))]

    async def _to_vehicle(self, frame: Frame) -> None:
        hand_over = partial(self._hand_over, frame)
        while not hand_over():
            self._counts["mailboxes_full"] += 1
            await trio.sleep(LINKS_RETRY_S)

    def _new_terminal(self, frame: Frame, body: Register) -> NewTerminal:
        """Return what a 0x0100 says. With plate colour 0 the plate is the VIN."""
        is_plate = body.plate_colour != 0
        phone = phone_text(*frame.phone)
        source = f"journal:{self._node}:{frame.sequence}"
        return NewTerminal(
            phone=phone,
            terminal_id=body.terminal_id,
            # Read again after a restart, the frame registers nothing twice.
            event_id=derive_id("vehicle", "terminal.registered", 1, (source,), f"phone:{phone}"),
            time_ms=frame.arrival_ms,
            maker=body.maker,
            model=body.model,
            province=body.province,
            city=body.city,
            plate=body.plate if is_plate else "",
            plate_colour=body.plate_colour,
            vin="" if is_plate else body.plate,
        )
