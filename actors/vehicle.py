"""One car's conversation: logins, answers, commands and fragments of all its terminals.

`Conversation` holds the rules: frames and requests in, steps out; it has no socket and no clock and waits for nothing.
`Vehicle` is the actor around it: it takes from its mailbox, makes events durable, and only then lets an answer go, for
a terminal that hears yes forgets what it said. Its task lives while something waits or is due, and no longer: a parked
task with its frames and channels weighs more than all that is known of a car.

Frames come from the journal, live and after a restart alike. What a frame says becomes the same events again, by id.
Answers and logins belong to a connection; one of an earlier start of the program (its boot number stands in the link)
is dead: nothing is sent there and nobody is let in.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Final, NamedTuple

import msgspec
import trio

from actors.commands import CommandRoom, Commands, LastFix
from actors.credentials import Credentials
from actors.exposures import Exposures
from actors.fleet import Fleet, Terminal
from actors.fragments import Fragments, read_fragment
from actors.media import MEDIA_DATA, Keeper, Room, Transfer
from actors.steps import RESEND_INDEXES_MAX, Action, Announce, Done, Guarded, Keep, Note, Session, Step, answer
from actors.uplinks import Heard, Uplinks, reply_to, result_of
from core.clock import Clock
from core.events import (
    CommandApproval,
    Event,
    IdentityDisputed,
    SessionClosed,
    SessionOpened,
    derive_id,
)
from core.intake.links import KIND_ASSEMBLED, KIND_LINK_CLOSED, Frame, Links
from core.limits import (
    LOGINS_AT_ONCE_MAX,
    LOGINS_PER_MINUTE_MAX,
    MAILBOX_FRAMES_MAX,
    REFUSALS_PER_LINK_MAX,
)
from core.log import LogWriter
from core.mailbox import Mailbox, MailboxStatistics
from protocols.jt808.codec import Decoded, Header, ProtocolError, decode
from protocols.jt808.commands import GENERAL_REPLY, SENDABLE, reply_of
from protocols.jt808.dialects import QueryTime, TimeReply
from protocols.jt808.media import MediaData, MediaEvent
from protocols.jt808.messages import (
    MESSAGES,
    Authenticate,
    Logout,
    PlatformGeneralReply,
    QueryServerTime,
    Register,
    RegisterReply,
    ResendRequest,
    ServerTime,
    TerminalGeneralReply,
    Unknown,
    answer_to,
)
from protocols.jt808.wire import VERSIONS
from protocols.report import phone_key
from protocols.seam import CLASS_FRAGMENT, CLASS_FRAME, CLASS_LOGIN
from storage.media import Kept

LINK_BOOT_SHIFT: Final = 40
"""A link's number: the boot number of the process above, a counter in the low 40 bits (core.intake.links)."""
EPOCH_BOOT_SHIFT: Final = 32
LINKS_RETRY_S: Final = 0.01
"""The intake's command queue was full: it empties in every round, 10 ms apart by default."""
RESULT_OK: Final = 0
RESULT_FAILURE: Final = 1
RESULT_WRONG: Final = 2
RESULT_UNSUPPORTED: Final = 3
REGISTER_OK: Final = 0
REGISTER_TERMINAL_TAKEN: Final = 3

ANSWERING: Final = frozenset(
    reply for message in SENDABLE for version in VERSIONS if (reply := reply_of(message, version)) > GENERAL_REPLY
)
"""Uplinks that may be the answer to a command."""

COUNTS: Final = (
    "registrations",
    "disputes",
    "strangers",
    "logins",
    "logins_again",
    "logins_replayed",
    "logins_refused",
    "forged",
    "replaced",
    "parted",
    "logouts",
    "links_closed",
    "terminals_silent",
    "frames",
    "frames_unreadable",
    "frames_unsupported",
    "frames_failed",
    "frames_orphaned",
    "uplink_events",
    "uplink_events_refused",
    "replies_unmatched",
    "fragments",
    "fragments_repeated",
    "fragments_bad",
    "messages_reentered",
    "messages_assembled",
    "messages_expired",
    "messages_refused",
    "media_packets",
    "media_asked",
    "media_stored",
    "media_refused",
    "media_lost",
    "commands",
    "commands_sent",
    "commands_repeated",
    "commands_effective",
    "commands_failed",
    "commands_expired",
    "commands_unknown",
    "commands_rejected",
    "commands_queued",
    "fragments_sent",
    "fragments_resent",
    "links_full",
    "mailboxes_full",
)
"""What is counted, over all vehicles of the process."""
Counts = Counter[str]


class Epochs:
    """Numbers for sessions: rising over restarts and, with boot numbers of one registry, over nodes. And for messages
    to terminals, which begin anew with each start."""

    def __init__(self, boot: int) -> None:
        self.boot: Final = boot
        self._count = 0
        self.serials: Final[dict[int, int]] = {}
        """Terminal -> the platform's next serial towards it. One table: a dict of its own for each car is 230 bytes."""
        self.versions: Final[dict[int, int]] = {}
        """Terminal -> 2011, where its registration showed that; who is not in it speaks as its header says."""

    def __call__(self) -> int:
        """Return the next one."""
        self._count += 1
        return self.boot << EPOCH_BOOT_SHIFT | self._count


class Conversation:
    """The rules of one car's conversation. One frame or request at a time; its steps are carried out before the next.

    Sessions are keyed by terminal: several terminals may share a link (a forwarding platform), and several a car.
    """

    __slots__ = (
        "_boot",
        "_command_room",
        "_commands",
        "_counts",
        "_credentials",
        "_epochs",
        "_exposures",
        "_fleet",
        "_fragments",
        "_last_fix",
        "_logins_due_s",
        "_node",
        "_room",
        "_serials",
        "_sessions",
        "_uplinks",
        "_versions",
        "vehicle_id",
    )

    def __init__(
        self,
        vehicle_id: int,
        fleet: Fleet,
        credentials: Credentials,
        node: str,
        epochs: Epochs,
        counts: Counts,
        last_fix: LastFix,
        command_room: CommandRoom,
        room: Room | None = None,
    ) -> None:
        self.vehicle_id = vehicle_id
        self._fleet = fleet
        self._credentials = credentials
        self._node = node
        self._epochs = epochs
        self._boot = epochs.boot
        self._counts = counts
        self._last_fix = last_fix
        self._command_room = command_room
        self._sessions: dict[int, Session] = {}
        # Up to when this car's rate of logins is used up, in Trio's time.
        self._logins_due_s = 0.0
        self._serials = epochs.serials
        self._versions = epochs.versions
        # Most cars never need these three: made when they do.
        self._fragments: Fragments | None = None
        self._commands: Commands | None = None
        self._uplinks: Uplinks | None = None
        # None: pictures are not kept.
        self._room = room
        self._exposures: Exposures | None = None

    @property
    def sessions(self) -> dict[int, Session]:
        """The terminals logged in, by terminal. To be read only."""
        return self._sessions

    @property
    def commands_open(self) -> int:
        """Commands on their way."""
        return 0 if self._commands is None else len(self._commands)

    @property
    def oldest_open_sequence(self) -> int | None:
        """Lowest journal sequence of a fragment that must still be read again after a restart."""
        held = [one.oldest_open_sequence for one in (self._fragments, self._exposures) if one is not None]
        return min((sequence for sequence in held if sequence is not None), default=None)

    @property
    def transfers(self) -> list[Transfer]:
        """The pictures, sounds and films on their way from this car. Other threads may look at them."""
        return [] if self._exposures is None else self._exposures.open

    @property
    def deadline_s(self) -> float:
        """When `due` must be called, in Trio's time; inf for never."""
        fragments_s = inf if self._fragments is None else self._fragments.deadline_s
        if self._exposures is not None:
            fragments_s = min(fragments_s, self._exposures.deadline_s)
        return fragments_s if self._commands is None else min(fragments_s, self._commands.deadline_s)

    # --- frames -------------------------------------------------------------------------------------------------------

    def frame(self, frame: Frame, now_s: float, now_ms: int) -> list[Step]:
        """Take one record of the journal.

        Args:
            now_s: Trio's time. now_ms: UTC epoch ms.
        """
        if frame.kind >= KIND_LINK_CLOSED:
            return self._link_closed(frame)
        record = self._fleet.terminal(frame.phone)
        if record is None:
            self._counts["frames_orphaned"] += 1
            return [Done(frame.sequence)]
        if frame.frame_class == CLASS_FRAGMENT and frame.kind != KIND_ASSEMBLED:
            return self._fragment(frame, now_s)
        try:
            decoded = decode(frame.data, self._version_of(frame, record))
        except ProtocolError:
            self._counts["frames_unreadable"] += 1
            return [Done(frame.sequence)]
        self._counts["frames"] += 1
        session = self._sessions.get(record.terminal)
        if session is not None and session.link == frame.link:
            session.header = decoded.header
        steps: list[Step] = []
        if frame.kind == KIND_ASSEMBLED:
            steps += self._assembled(frame, decoded.header, now_s)
        if isinstance(decoded.body, MediaData) and self._room is not None:
            # Done when it is kept, and not before.
            return steps + self._exposed(self._room).message(frame, record, decoded, now_s)
        handler = HANDLERS.get(type(decoded.body), Conversation._other)
        steps += handler(self, frame, record, decoded, now_s, now_ms)
        steps.append(Done(frame.sequence))
        return steps

    def _version_of(self, frame: Frame, record: Terminal) -> int | None:
        """Return 2011 for a terminal whose registration showed it: its other frames have the header of 2013."""
        is_long = len(frame.data) > 2 and frame.data[2] & 0x40
        # A registration shows it anew: the terminal may have been changed for a newer one.
        is_registration = frame.data[:2] == b"\x01\x00"
        return None if is_long or is_registration else self._versions.get(record.terminal)

    def _register(self, frame: Frame, record: Terminal, decoded: Decoded, _now_s: float, _now_ms: int) -> list[Step]:
        """0x0100 of a known phone; the first one of an unknown phone has been through the reception."""
        body: Register = decoded.body  # type: ignore[assignment]
        if decoded.header.version == 2011:
            self._versions[record.terminal] = 2011
        else:
            self._versions.pop(record.terminal, None)
        if record.terminal_id and body.terminal_id != record.terminal_id:
            # Another device, or somebody who knows the number. Whoever is logged in stays so.
            self._counts["disputes"] += 1
            disputed = self._event(
                "terminal.identity.disputed",
                IdentityDisputed(
                    terminal=record.terminal,
                    phone=record.phone,
                    terminal_id_known=record.terminal_id,
                    terminal_id_claimed=body.terminal_id,
                    link=frame.link,
                ),
                source=self._source(frame),
                record=record,
                time_ms=frame.arrival_ms,
            )
            reply = RegisterReply(decoded.header.serial, REGISTER_TERMINAL_TAKEN)
            return [disputed, *self._send(frame, record, decoded.header, 0x8100, reply)]
        self._counts["registrations"] += 1
        code = self._credentials.issue(record.phone, record.terminal_id)
        reply = RegisterReply(decoded.header.serial, REGISTER_OK, code)
        return list(self._send(frame, record, decoded.header, 0x8100, reply))

    def _authenticate(self, frame: Frame, record: Terminal, decoded: Decoded, now_s: float, now_ms: int) -> list[Step]:
        """0x0102: the only thing that opens a session, and the only thing that ends another one of its terminal."""
        body: Authenticate = decoded.body  # type: ignore[assignment]
        if not self._is_live(frame.link):
            self._counts["logins_replayed"] += 1
            return []
        occupancy = self._fleet.occupancy
        if not self._credentials.verify(body.code, record.phone, record.terminal_id):
            self._counts["forged"] += 1
            steps: list[Step] = list(self._reply(frame, record, decoded.header, RESULT_FAILURE))
            if occupancy.refused(frame.link) >= REFUSALS_PER_LINK_MAX and not occupancy.lives(frame.link):
                steps.append(Action("close", (frame.link, "refused")))
            return steps
        before = self._sessions.get(record.terminal)
        is_again = before is not None and before.link == frame.link
        if not is_again and not self._may_log_in(now_s):
            # A loop, or two that put each other out with one code: whoever is here stays.
            self._counts["logins_refused"] += 1
            refusal: list[Step] = list(self._reply(frame, record, decoded.header, RESULT_FAILURE))
            return refusal if occupancy.lives(frame.link) else [*refusal, Action("close", (frame.link, "refused"))]
        serial = self._serial(record)
        result = PlatformGeneralReply(decoded.header.serial, decoded.header.message, RESULT_OK)
        wire = answer(decoded.header, 0x8001, serial, result)
        admit = Action("admit", (frame.link, frame.phone, record.terminal, record.vehicle_id, wire))
        if is_again:
            # It did not hear the answer and asks again: the same session.
            self._counts["logins_again"] += 1
            return [admit]
        self._counts["logins"] += 1
        session = Session(record, frame.link, self._epochs(), decoded.header)
        opened = SessionOpened(
            terminal=record.terminal,
            vehicle_id=record.vehicle_id,
            link=frame.link,
            epoch=session.epoch,
            node=self._node,
        )
        events: list[Step] = []
        ends: list[Step] = []
        if before is not None:
            self._counts["replaced"] += 1
            events.append(self._closed(before, "replaced", self._source(frame), frame.arrival_ms))
            ends += self._leave(before, "replaced", frame.arrival_ms)
        events.append(
            self._event(
                "terminal.session.opened",
                opened,
                source=self._source(frame),
                record=record,
                time_ms=frame.arrival_ms,
            )
        )
        self._sessions[record.terminal] = session
        occupancy.opened(frame.link, record.terminal, frame.arrival_ms, decoded.header.version)
        owed = [] if self._exposures is None else self._exposures.logged_in(session)
        return [*events, *ends, admit, *owed, *self._flush(now_s, now_ms)]

    def _may_log_in(self, now_s: float) -> bool:
        """Tell whether this car's terminals have not logged in too often, and count one more login of theirs."""
        each_s = 60 / LOGINS_PER_MINUTE_MAX
        due_s = max(self._logins_due_s, now_s) + each_s
        if due_s - now_s > LOGINS_AT_ONCE_MAX * each_s:
            return False
        self._logins_due_s = due_s
        return True

    def _logout(self, frame: Frame, record: Terminal, decoded: Decoded, _now_s: float, _now_ms: int) -> list[Step]:
        self._counts["logouts"] += 1
        session = self._sessions.get(record.terminal)
        steps: list[Step] = []
        if session is not None and session.link == frame.link:
            steps.append(self._closed(session, "logout", self._source(frame), frame.arrival_ms))
            # The gate first: whoever hears that they are logged out is not admitted any more.
            steps += self._leave(session, "", frame.arrival_ms)
            steps += self._reply(frame, record, decoded.header, RESULT_OK)
        elif frame.terminal and not self._is_live(frame.link):
            # Said to an earlier start of the program, which did not live to write it down. The link names the session.
            gone = Session(record, frame.link, 0, decoded.header)
            steps.append(self._closed(gone, "logout", self._source(frame), frame.arrival_ms))
        else:
            steps += self._reply(frame, record, decoded.header, RESULT_OK)
        return steps

    def _general_reply(
        self, frame: Frame, record: Terminal, decoded: Decoded, now_s: float, _now_ms: int
    ) -> list[Step]:
        body: TerminalGeneralReply = decoded.body  # type: ignore[assignment]
        steps = None
        if self._commands is not None:
            steps = self._commands.acknowledged(record.terminal, body, frame, now_s)
        if steps is None:
            self._counts["replies_unmatched"] += 1
        return steps or []

    def _command_reply(self, frame: Frame, record: Terminal, decoded: Decoded) -> list[Step]:
        """Let a message end the command that it answers, if there is one."""
        message = decoded.header.message
        if message not in ANSWERING or isinstance(decoded.body, Unknown):
            return []
        steps = None
        if self._commands is not None:
            steps = self._commands.answered(record.terminal, message, decoded.body, frame)
        if steps is None and answer_to(message) == 0:
            self._counts["replies_unmatched"] += 1
        return steps or []

    def _resend(self, frame: Frame, record: Terminal, decoded: Decoded, now_s: float, _now_ms: int) -> list[Step]:
        """0x0005: fragments of ours, again."""
        body: ResendRequest = decoded.body  # type: ignore[assignment]
        steps = None
        if self._commands is not None and self._is_live(frame.link):
            steps = self._commands.resend(record.terminal, body, frame.arrival_ms, now_s)
        if steps is None:
            self._counts["replies_unmatched"] += 1
        return steps or []

    def _server_time(self, frame: Frame, record: Terminal, decoded: Decoded, _now_s: float, now_ms: int) -> list[Step]:
        return list(self._send(frame, record, decoded.header, 0x8004, ServerTime(now_ms)))

    def _dialect_time(self, frame: Frame, record: Terminal, decoded: Decoded, _now_s: float, now_ms: int) -> list[Step]:
        now = datetime.fromtimestamp(now_ms // 1000, UTC)
        time = TimeReply(now.year, now.month, now.day, now.hour, now.minute, now.second)
        return list(self._send(frame, record, decoded.header, 0x8109, time))

    def _other(self, frame: Frame, record: Terminal, decoded: Decoded, _now_s: float, _now_ms: int) -> list[Step]:
        """Anything else: the recorder keeps it; what it means (actors/uplinks.py) becomes an event before the answer.

        What the intake has answered itself (fragments, unknown messages, reports) is not answered again.
        """
        header = decoded.header
        heard = Heard(
            self.vehicle_id, record.terminal, record.group, record.store, self._node, frame.sequence, frame.arrival_ms,
            header.serial, header.message, decoded.body, frame.data,
        )  # fmt: skip
        if self._uplinks is None:
            self._uplinks = Uplinks()
        steps = self._command_reply(frame, record, decoded)
        command = steps[0].cause if steps and isinstance(steps[0], Event) else ""
        event, refused = self._uplinks.event(heard, command)
        if event is not None:
            steps.append(event)
        self._counts["uplink_events"] += event is not None
        self._counts["uplink_events_refused"] += refused
        own = reply_to(heard)
        if own is not None:
            return [*steps, *self._send(frame, record, header, *own)]
        if frame.kind == KIND_ASSEMBLED or frame.frame_class not in (CLASS_FRAME, CLASS_LOGIN):
            return steps
        result = result_of(header.message, decoded.body)
        self._counts["frames_unreadable"] += result == RESULT_WRONG
        self._counts["frames_unsupported"] += result == RESULT_UNSUPPORTED
        if header.message in MESSAGES and answer_to(header.message) == 0:
            return steps
        return [*steps, *self._reply(frame, record, header, result)]

    def _link_closed(self, frame: Frame) -> list[Step]:
        """The connection is gone: every session of this car on it is over. The others on it hear it by themselves.

        Or one terminal among others on it has fallen silent: its session alone.
        """
        steps: list[Step] = []
        reason = frame.data.decode("ascii", "replace")
        for terminal, session in list(self._sessions.items()):
            if session.link == frame.link and (frame.kind == KIND_LINK_CLOSED or terminal == frame.terminal):
                self._counts["links_closed" if frame.kind == KIND_LINK_CLOSED else "terminals_silent"] += 1
                steps.append(self._closed(session, reason, self._source(frame), frame.arrival_ms))
                del self._sessions[terminal]
                self._fleet.occupancy.ended(frame.link, terminal)
                if self._commands is not None:
                    steps += self._commands.lost(terminal, frame.arrival_ms)
        steps.append(Done(frame.sequence))
        return steps

    def opened_elsewhere(self, event: Event) -> list[Step]:
        """Take a terminal.session.opened of another node: the highest epoch may speak, a lower one of ours ends."""
        opened: SessionOpened = event.payload
        session = self._sessions.get(opened.terminal)
        if session is None or opened.node == self._node or opened.epoch <= session.epoch:
            return []
        self._counts["replaced"] += 1
        closed = self._closed(session, "replaced", event.id, event.time_ms)
        return [closed, *self._leave(session, "replaced", event.time_ms)]

    def parted(self, event: Event) -> list[Step]:
        """Take a terminal.bound, unbound or retired: a terminal that speaks for this car no more is logged out.

        Its link is closed too, where nobody else uses it: it logs in again, and is then its new car's.
        """
        session = self._sessions.get(event.payload.terminal)
        if session is None:
            return []
        now = self._fleet.terminal(phone_key(session.record.phone))
        if now is not None and now.vehicle_id == self.vehicle_id:
            return []
        reason = "retired" if now is None else "rebound"
        self._counts["parted"] += 1
        return [self._closed(session, reason, event.id, event.time_ms), *self._leave(session, reason, event.time_ms)]

    def _closed(self, session: Session, reason: str, source: str, time_ms: int) -> Event:
        payload = SessionClosed(
            terminal=session.record.terminal,
            vehicle_id=session.record.vehicle_id,
            link=session.link,
            epoch=session.epoch,
            reason=reason,
        )
        # Whose it is now: the car may have moved to another store since the login.
        now = self._fleet.terminal(phone_key(session.record.phone)) or session.record
        record = msgspec.structs.replace(session.record, group=now.group, store=now.store)
        return self._event("terminal.session.closed", payload, source=source, record=record, time_ms=time_ms)

    def _leave(self, session: Session, reason: str, time_ms: int) -> list[Step]:
        """End a session whose link lives: close its gate, and with a reason the link too when nobody else uses it."""
        terminal = session.record.terminal
        if self._sessions.get(terminal) is session:
            del self._sessions[terminal]
        steps: list[Step] = []
        if self._commands is not None:
            steps += self._commands.lost(terminal, time_ms)
        alone = self._fleet.occupancy.ended(session.link, terminal)
        steps.append(Action("evict", (session.link, phone_key(session.record.phone))))
        if alone and reason:
            steps.append(Action("close", (session.link, reason)))
        return steps

    # --- fragments ----------------------------------------------------------------------------------------------------

    def _fragment(self, frame: Frame, now_s: float) -> list[Step]:
        """Acknowledged by the intake already; kept until the whole message stands in the journal."""
        self._counts["fragments"] += 1
        if self._room is not None and frame.data[:2] == MEDIA_DATA.to_bytes(2, "big"):
            return self._exposed(self._room).packet(frame, now_s)
        fragment = read_fragment(frame)
        if fragment is None:
            self._counts["fragments_bad"] += 1
            return [Done(frame.sequence)]
        if self._fragments is None:
            self._fragments = Fragments()
        if self._fragments.take(frame, fragment, now_s):
            return []
        self._counts["fragments_repeated"] += 1
        return [Done(frame.sequence)]

    def _assembled(self, frame: Frame, header: Header, now_s: float) -> list[Step]:
        self._counts["messages_assembled"] += 1
        if self._fragments is None:
            return []
        released = self._fragments.assembled(frame.phone, header.message, header.serial, now_s)
        return [Done(sequence) for sequence in released]

    def _due_fragments(self, fragments: Fragments, now_s: float) -> list[Step]:
        steps: list[Step] = []
        for due in fragments.due(now_s):
            message = due.message
            if due.what == "reenter":
                self._counts["messages_reentered"] += 1
                steps.append(Action("reenter", (message.link, message.terminal, message.vehicle_id, due.frame)))
            elif due.what == "ask":
                session = self._sessions.get(message.terminal)
                if session is not None:
                    ask = ResendRequest(message.key.first_serial, due.missing[:RESEND_INDEXES_MAX])
                    serial = self._serial(session.record)
                    steps.append(Action("send", (session.link, answer(session.header, 0x8003, serial, ask))))
            else:
                self._counts[f"messages_{due.what}"] += 1
                steps += [Done(sequence) for sequence in due.released]
        return steps

    # --- pictures, sounds and films -----------------------------------------------------------------------------------

    def _exposed(self, room: Room) -> Exposures:
        """Return what is said about pictures; made for the first of them."""
        if self._exposures is None:
            self._exposures = Exposures(
                room,
                self._fleet,
                self._sessions,
                self._versions,
                self._counts,
                serial=self._serial,
                source=self._source,
                reply=self._reply,
            )
        return self._exposures

    def _media_event(self, frame: Frame, record: Terminal, decoded: Decoded, now_s: float, now_ms: int) -> list[Step]:
        if self._room is None:
            return self._other(frame, record, decoded, now_s, now_ms)
        return self._exposed(self._room).announced(frame, record, decoded)

    def kept(self, keep: Keep, kept: Kept, now_s: float) -> list[Step]:
        """Take what became of an item that was to be kept."""
        assert self._exposures is not None
        return self._exposures.kept(keep, kept, now_s)

    # --- commands -----------------------------------------------------------------------------------------------------

    def request(self, story: Sequence[Event], now_s: float, now_ms: int) -> list[Step]:
        """Take a command.requested, and behind it what the log has of it already."""
        if self._commands is None:
            self._commands = Commands(
                self.vehicle_id,
                self._node,
                self._sessions,
                self._serials,
                self._counts,
                self._last_fix,
                self._command_room,
            )
        return self._commands.request(story, now_s, now_ms)

    def judged(self, event: Event, now_s: float, now_ms: int) -> list[Step]:
        """Take a command.approved or command.rejected."""
        return [] if self._commands is None else self._commands.judged(event, now_s, now_ms)

    def due(self, now_s: float, now_ms: int) -> list[Step]:
        """Do what the clock asks for: repeats, expiries, questions for missing fragments."""
        steps: list[Step] = []
        if self._fragments is not None:
            steps += self._due_fragments(self._fragments, now_s)
        if self._exposures is not None:
            steps += self._exposures.due(now_s)
        if self._commands is not None:
            steps += self._commands.due(now_s, now_ms)
        return steps

    def _flush(self, now_s: float, now_ms: int) -> list[Step]:
        """Send what waited for a terminal."""
        return [] if self._commands is None else self._commands.flush(now_s, now_ms)

    # --- what all of them need ----------------------------------------------------------------------------------------

    def _is_live(self, link: int) -> bool:
        return link >> LINK_BOOT_SHIFT == self._boot

    def _source(self, frame: Frame) -> str:
        """Name a record in a way that a second reading of the journal repeats."""
        return f"journal:{self._node}:{frame.sequence}"

    def _serial(self, record: Terminal) -> int:
        """Return the platform's next serial towards a terminal."""
        serial = self._serials.get(record.terminal, 0)
        self._serials[record.terminal] = serial + 1 & 0xFFFF
        return serial

    def _reply(self, frame: Frame, record: Terminal, header: Header, result: int) -> list[Action]:
        """Answer with 0x8001."""
        return self._send(frame, record, header, 0x8001, PlatformGeneralReply(header.serial, header.message, result))

    def _send(self, frame: Frame, record: Terminal, header: Header, message: int, body: msgspec.Struct) -> list[Action]:
        if not self._is_live(frame.link):
            return []
        return [Action("send", (frame.link, answer(header, message, self._serial(record), body)))]

    def _event(self, kind: str, payload: msgspec.Struct, *, source: str, record: Terminal, time_ms: int) -> Event:
        subject = f"terminal:{record.terminal}"
        return Event(
            id=derive_id("vehicle", kind, 1, (source,), subject),
            type=kind,
            time_ms=time_ms,
            subject=subject,
            key=f"vehicle:{record.vehicle_id}",
            group=record.group,
            store=record.store,
            actor="vehicle",
            payload=payload,
        )


HANDLERS: Final[dict[type[msgspec.Struct], Callable[..., list[Step]]]] = {
    Register: Conversation._register,
    Authenticate: Conversation._authenticate,
    Logout: Conversation._logout,
    TerminalGeneralReply: Conversation._general_reply,
    ResendRequest: Conversation._resend,
    QueryServerTime: Conversation._server_time,
    MediaEvent: Conversation._media_event,
    QueryTime: Conversation._dialect_time,
}
"""What is done with which message. Everything else: `_other`."""


class Story(NamedTuple):
    """A command.requested, and what the log has of it already: approvals, sendings, an acknowledgement."""

    events: tuple[Event, ...]


MAILBOX_AT_REST: Final = MailboxStatistics(waiting=0, bound=MAILBOX_FRAMES_MAX, refused=0, crowded=False)


class VehicleStatistics(msgspec.Struct, frozen=True):
    """How one car stands."""

    vehicle_id: int
    terminals: tuple[int, ...]
    """Logged in now."""
    commands_open: int
    oldest_open_sequence: int | None
    mailbox: MailboxStatistics


class Vehicle:
    """The actor of one car. Cheap while nothing happens: what it knows, without mailbox and task.

    A full mailbox refuses (`put` returns False): stop reading that connection only, and go on when it is drained.
    """

    __slots__ = (
        "_clock",
        "_current",
        "_done",
        "_keeper",
        "_links",
        "_log",
        "_mailbox",
        "_on_drained",
        "_start",
        "awake",
        "conversation",
        "counts",
        "vehicle_id",
    )

    def __init__(
        self,
        vehicle_id: int,
        fleet: Fleet,
        links: Links,
        log: LogWriter,
        credentials: Credentials,
        clock: Clock,
        node: str,
        *,
        epochs: Epochs,
        counts: Counts,
        done: Callable[[int], None],
        last_fix: LastFix,
        command_room: CommandRoom,
        start: Callable[["Vehicle"], None] = lambda _vehicle: None,
        on_drained: Callable[[int], None] | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        """Make a car that has heard nothing yet.

        Args:
            epochs: numbers of sessions, shared by all vehicles; carries the boot number.
            counts: shared by all vehicles.
            done: called with the sequence of each frame whose outcome is durable, in any order (Position.done).
            last_fix: where the car stands, as its row of the vehicle table says.
            command_room: shared by all vehicles, as epochs and counts are.
            start: called when something was put into the mailbox of a car at rest: let `run` run.
            on_drained: called with the vehicle's id; else as in Mailbox.
            keeper: what pictures are given to; None: they are answered and not kept.
        """
        self.vehicle_id = vehicle_id
        room = None if keeper is None else keeper.room
        self.conversation = Conversation(
            vehicle_id, fleet, credentials, node, epochs, counts, last_fix, command_room, room
        )
        self._keeper = keeper
        self.counts = counts
        self._mailbox: Mailbox[Frame | Event | Story] | None = None
        self._on_drained = on_drained
        self._start = start
        self.awake = False
        """`start` was called, and `run` has not come to rest since."""
        self._links = links
        self._log = log
        self._clock = clock
        self._done = done
        self._current: Frame | None = None

    @property
    def mailbox(self) -> Mailbox[Frame | Event | Story]:
        """What waits for the car. A car at rest has none until it is asked for."""
        if self._mailbox is None:
            drained = None if self._on_drained is None else partial(self._on_drained, self.vehicle_id)
            self._mailbox = Mailbox(on_drained=drained)
        return self._mailbox

    def put(self, frame: Frame) -> bool:
        """Put a frame into the mailbox; False when it is full and the frame stays with the caller."""
        return self._put(frame)

    def request(self, event: Event | Story) -> bool:
        """Put a command with its story, a command.approved or rejected, another node's terminal.session.opened, or a
        terminal.bound, unbound or retired that takes a terminal away into the mailbox; False when full."""
        return self._put(event)

    def _put(self, item: Frame | Event | Story) -> bool:
        if not self.mailbox.put_nowait(item):
            return False
        if not self.awake:
            self.awake = True
            self._start(self)
        return True

    def statistics(self) -> VehicleStatistics:
        """Return how the car stands."""
        conversation = self.conversation
        return VehicleStatistics(
            self.vehicle_id,
            tuple(conversation.sessions),
            conversation.commands_open,
            conversation.oldest_open_sequence,
            MAILBOX_AT_REST if self._mailbox is None else self._mailbox.statistics(),
        )

    async def run(self) -> None:
        """Converse until nothing waits and nothing will be due. Started again after a failure, it leaves out the frame
        it failed at."""
        if self._current is not None:
            # It stands in the journal for whoever mends the fault; reading it again would fail again.
            self.counts["frames_failed"] += 1
            self._done(self._current.sequence)
            self._current = None
        conversation = self.conversation
        item = self.mailbox.get_nowait()
        while item is not None or conversation.deadline_s < inf:
            if item is None:
                item = await self._next(conversation.deadline_s)
            now_s, now_ms = trio.current_time(), self._clock()
            if isinstance(item, Frame):
                self._current = item
                await self._carry_out(conversation.frame(item, now_s, now_ms))
                self._current = None
            elif isinstance(item, Story):
                await self._carry_out(conversation.request(item.events, now_s, now_ms))
            elif item is not None and isinstance(item.payload, CommandApproval):
                await self._carry_out(conversation.judged(item, now_s, now_ms))
            elif item is not None and isinstance(item.payload, SessionOpened):
                await self._carry_out(conversation.opened_elsewhere(item))
            elif item is not None:
                await self._carry_out(conversation.parted(item))
            if conversation.deadline_s <= trio.current_time():
                await self._carry_out(conversation.due(trio.current_time(), self._clock()))
            # The others' turn between two: a full mailbox takes milliseconds.
            item = await self.mailbox.get() if self.mailbox else None
        # No await since the mailbox was found empty: what comes from here on starts the next run.
        self._mailbox = None
        self.awake = False

    async def _next(self, deadline_s: float) -> Frame | Event | Story | None:
        """Wait for the next item, None when the deadline comes first."""
        with trio.move_on_at(deadline_s):
            return await self.mailbox.get()
        return None

    async def _carry_out(self, steps: list[Step]) -> None:
        events: list[Event] = []
        for step in steps:
            if isinstance(step, Event):
                events.append(step)
                continue
            if events:
                await self._log.append(events)
                events = []
            if isinstance(step, Done):
                self._done(step.sequence)
            elif isinstance(step, Guarded):
                await self._carry_out_guarded(step)
            elif isinstance(step, Action):
                await carry_out(self._links, step, self.counts)
            else:
                await self._keep(step)
        if events:
            await self._log.append(events)

    async def _keep(self, step: Keep | Announce | Note) -> None:
        assert self._keeper is not None
        if isinstance(step, Keep):
            kept = await self._keeper.put(step.item, step.data)
            await self._carry_out(self.conversation.kept(step, kept, trio.current_time()))
        elif isinstance(step, Announce):
            await self._keeper.announce(step.item, step.event_id)
        else:
            await self._keeper.note(step.item, step.state, step.packets, step.packets_total)

    async def _carry_out_guarded(self, step: Guarded) -> None:
        """Take an action if nothing speaks against it, asked anew whenever it had to wait."""
        while True:
            code, reason = step.fault(self._clock())
            if code:
                return await self._carry_out(step.held(code, reason, trio.current_time(), self._clock()))
            if getattr(self._links, step.action.verb)(*step.action.arguments):
                return None
            self.counts["links_full"] += 1
            await trio.sleep(LINKS_RETRY_S)


async def carry_out(links: Links, action: Action, counts: Counts) -> None:
    """Call Links until the intake's queue takes it."""
    call = partial(getattr(links, action.verb), *action.arguments)
    while not call():
        counts["links_full"] += 1
        await trio.sleep(LINKS_RETRY_S)
