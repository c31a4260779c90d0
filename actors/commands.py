"""The commands on their way to one vehicle: which wait and for what, which are in the air, what answers which.

State in, steps out: no socket, no clock. A command that others must approve waits for two of them; one that may stop
the car waits until the car stands; any waits until a terminal is logged in. Then it is sent, a long one in fragments,
repeated when no answer comes, and ends in exactly one of

    effective   the terminal answered with the message that answers it
    acked       it acknowledged, which is all that answers this one
    failed      it said no, or the message cannot be sent to this terminal
    expired     it never went out
    rejected    somebody whose approval it needed said no
    unknown     it went out, and nobody can say whether it took effect

Every sending stands in the log before the first byte of it leaves, so that after a restart nothing goes out twice that
must not, and an answer to what went out before is still known as one.
"""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from math import factorial, inf
from typing import Any, Final, Literal, NamedTuple

import msgspec

from actors.steps import Action, Guarded, Session, Step, downlink
from core.events import CommandApproval, CommandProgress, CommandRequested, Event, command_decision_id, derive_id
from core.intake.links import Frame
from core.limits import (
    APPROVAL_S,
    APPROVERS,
    COMMAND_BODY_BYTES_MAX,
    COMMAND_EXPIRES_S,
    COMMAND_REPLY_BYTES_MAX,
    COMMANDS_OPEN_BYTES_MAX,
    COMMANDS_OPEN_MAX,
    IMMOBILISE_FIX_MS_MAX,
    IMMOBILISE_KMH10_MAX,
    LOOK_AGAIN_S,
    TRANSFER_GRACE_S,
    TRANSFER_PAUSE_S,
    TRANSFER_RESENDS_MAX,
    TRANSFER_WINDOW,
    TRANSFERS_MAX,
)
from core.vehicle_table import VehicleTable
from protocols.jt808.codec import Header, encode, encode_body, encode_fragment, fragments_of
from protocols.jt808.commands import (
    GENERAL_REPLY,
    body_of,
    edition_for,
    immobilises,
    is_personal,
    knows,
    message_of,
    needs_approval,
    policy_of,
    reply_of,
)
from protocols.jt808.forms import id_text
from protocols.jt808.messages import MESSAGES, RESULTS, ResendRequest, TerminalGeneralReply, Unknown
from protocols.jt808.plain import Invalid, newest, to_plain
from protocols.jt808.wire import Unsigned

NOBODY_CAME: Final = ("offline", "no terminal came")
ACCOUNT: Final = "account:"
"""How the actor of an event begins that a person said; behind it the account's number."""


# --- the car stands ---------------------------------------------------------------------------------------------------


class Fix(NamedTuple):
    """Where a car stands in its row of the vehicle table."""

    time_ms: int
    """Of its newest fix, by the terminal's clock; 0: it has none."""
    speed_kmh10: int
    heard_ms: int
    """Of its newest report, with a fix or without."""
    arrival_ms: int
    """When that arrived."""


LastFix = Callable[[int], Fix]
"""A vehicle -> its last fix."""


def last_fix_in(table: VehicleTable) -> LastFix:
    """Return how the last fix of a vehicle is read from a table. Not from another thread than writes it."""

    def last_fix(vehicle_id: int) -> Fix:
        row = table.position[vehicle_id]
        return Fix(*(int(row[name]) for name in Fix._fields))

    return last_fix


def unsafe(fix: Fix, now_ms: int) -> tuple[str, str]:
    """Return why a car must not be immobilised now, as a kind and in words; two empty texts when it may.

    A fix counts from the earlier of its own time and its arrival: a terminal's clock may be fast, and a report late.
    """
    if not fix.time_ms:
        return "no_fix", "no fix has come yet"
    if fix.heard_ms > fix.time_ms:
        return "no_fix", "the last report has no fix"
    age_ms = now_ms - min(fix.time_ms, fix.arrival_ms)
    if age_ms >= IMMOBILISE_FIX_MS_MAX:
        return "fix_old", f"the last fix is {age_ms / 1000:.1f} s old, {IMMOBILISE_FIX_MS_MAX / 1000:.0f} s are too old"
    if fix.speed_kmh10 > IMMOBILISE_KMH10_MAX:
        speed, most = fix.speed_kmh10 / 10, IMMOBILISE_KMH10_MAX / 10
        return "driving", f"the car goes {speed:.1f} km/h, {most:.1f} km/h are the most"
    return "", ""


# --- one command ------------------------------------------------------------------------------------------------------


class CommandRoom:
    """What the commands of all cars of a node may hold together."""

    __slots__ = ("bytes", "transfers")

    def __init__(self) -> None:
        self.bytes = 0
        """Of the fields of all open commands."""
        self.transfers = 0
        """Long messages on their way."""


class Transfer:
    """A message in fragments on its way: what has gone out, what is acknowledged, what is asked for again.

    At most TRANSFER_WINDOW fragments are out unacknowledged. A terminal that acknowledges none is given as many more
    after each TRANSFER_PAUSE_S; one that acknowledges all at once is believed when everything has gone out.
    """

    __slots__ = ("acked", "again", "data", "header", "heard_s", "link", "next", "pushed_s", "resends", "told", "total")

    def __init__(self, data: bytes, header: Header, link: int, now_s: float) -> None:
        self.data = data
        self.header = header
        """Its serial is the first fragment's."""
        self.link = link
        self.total = fragments_of(len(data))
        self.next = 1
        """Lowest index that has not gone out yet."""
        self.again: deque[int] = deque()
        self.acked: set[int] = set()
        self.resends = 0
        self.heard_s = now_s
        """When the terminal acknowledged or asked last."""
        self.pushed_s = now_s
        """When it was sent a window without having asked."""
        self.told = 0
        """Quarters of the way that are in the log."""

    def index_of(self, serial: int) -> int:
        """Return which fragment has gone out under a serial; 0: none."""
        index = (serial - self.header.serial & 0xFFFF) + 1
        return index if index < self.next else 0

    @property
    def out(self) -> bool:
        """Every fragment has gone out, and none is to go again."""
        return self.next > self.total and not self.again

    def send(self, anew: bool) -> list[Step]:
        """Send what the window has room for, or a whole window anew."""
        in_the_air = self.next - 1 - len(self.acked) - len(self.again)
        room = TRANSFER_WINDOW if anew else TRANSFER_WINDOW - in_the_air
        steps: list[Step] = []
        while self.again and len(steps) < room:
            steps.append(self._fragment(self.again.popleft()))
        while self.next <= self.total and len(steps) < room:
            steps.append(self._fragment(self.next))
            self.next += 1
        return steps

    def repeat(self) -> None:
        """Send everything again that is not acknowledged."""
        self.again = deque(index for index in range(1, self.next) if index not in self.acked)

    def _fragment(self, index: int) -> Action:
        return Action("send", (self.link, encode_fragment(self.data, self.header, index)))


State = Literal["approval", "waiting", "air", "acked"]


class Command:
    """One command on its way."""

    __slots__ = (
        "approvers",
        "attempt",
        "deadline_s",
        "event",
        "expires_ms",
        "expires_s",
        "fields_bytes",
        "grace",
        "id",
        "message",
        "reply",
        "said",
        "serial",
        "state",
        "terminal",
        "transfer",
        "tries",
        "tries_max",
        "waits",
        "wire",
    )

    def __init__(self, event: Event, message: int, *, approvals: bool, fields_bytes: int) -> None:
        request: CommandRequested = event.payload
        self.event = event
        self.id = event.id
        self.message = message
        self.fields_bytes = fields_bytes
        self.state: State = "approval" if approvals else "waiting"
        self.approvers: set[str] = set()
        # Nobody approves a second sending.
        self.tries_max = 1 if approvals else policy_of(message).tries
        most_ms = event.time_ms + round(1000 * (APPROVAL_S if approvals else COMMAND_EXPIRES_S))
        self.expires_ms = request.expires_ms or most_ms
        if approvals:
            self.expires_ms = min(self.expires_ms, most_ms)
        self.expires_s = inf
        self.deadline_s = inf
        self.attempt = 0
        """Sendings in the log."""
        self.tries = 0
        """Times it went out, repeats under one serial included."""
        self.terminal = 0
        """Terminal that it was sent to last."""
        self.serial = 0
        """Under which serial; in fragments the first one's."""
        self.reply = reply_of(message, MESSAGES[message].until)
        """Message that ends it."""
        self.wire = b""
        """What went out, where it is one frame."""
        self.transfer: Transfer | None = None
        self.grace = False
        """Its first fragment alone is acknowledged, which may be for all of them."""
        self.waits = NOBODY_CAME
        """What it waits for, as a code and in words."""
        self.said: set[str] = set()
        """Kinds of waiting that are in the log."""

    def is_about(self, serial: int) -> bool:
        """Tell whether a terminal's answer with this serial is an answer to it."""
        if self.transfer is not None:
            return self.transfer.index_of(serial) > 0
        return serial == self.serial


class Commands:
    """A car's part of it: at most COMMANDS_OPEN_MAX commands, in the order they were asked for.

    Args:
        sessions: the terminals logged in, by terminal; the caller keeps it.
        serials: the platform's next serial towards a terminal, by terminal; the caller's too.
        room: shared by all cars.
    """

    __slots__ = ("_counts", "_last_fix", "_node", "_open", "_room", "_serials", "_sessions", "_vehicle_id")

    def __init__(
        self,
        vehicle_id: int,
        node: str,
        sessions: dict[int, Session],
        serials: dict[int, int],
        counts: Counter[str],
        last_fix: LastFix,
        room: CommandRoom,
    ) -> None:
        self._vehicle_id = vehicle_id
        self._node = node
        self._sessions = sessions
        self._serials = serials
        self._counts = counts
        self._last_fix = last_fix
        self._room = room
        self._open: dict[str, Command] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def deadline_s(self) -> float:
        """When `due` must be called, in Trio's time; inf for never."""
        return min((command.deadline_s for command in self._open.values()), default=inf)

    # --- what people say ----------------------------------------------------------------------------------------------

    def request(self, story: Sequence[Event], now_s: float, now_ms: int) -> list[Step]:
        """Take a command.requested, and what is in the log of it already. One that is on its way is no second one."""
        event = story[0]
        if event.id in self._open:
            return []
        self._counts["commands"] += 1
        request: CommandRequested = event.payload
        fields_bytes = len(msgspec.json.encode(request.fields))
        try:
            message = message_of(request.message)
            body = body_of(message, request.fields, edition_for(message, request.fields))
        except Invalid as fault:
            return [self._refuse(event, "invalid", f"invalid: {fault}", now_ms)]
        if len(self._open) >= COMMANDS_OPEN_MAX or self._room.bytes + fields_bytes > COMMANDS_OPEN_BYTES_MAX:
            return [self._refuse(event, "busy", "busy", now_ms)]
        command = Command(event, message, approvals=needs_approval(message, body), fields_bytes=fields_bytes)
        command.expires_s = command.deadline_s = now_s + (command.expires_ms - now_ms) / 1000
        self._open[command.id] = command
        self._room.bytes += fields_bytes
        for known in story[1:]:
            self._recall(command, known)
        self._resume(command, now_s)
        if command.deadline_s <= now_s:
            return self.due(now_s, now_ms)
        return self.flush(now_s, now_ms)

    def judged(self, event: Event, now_s: float, now_ms: int) -> list[Step]:
        """Take a command.approved or command.rejected."""
        command = self._open.get(event.payload.command)
        if command is None:
            return []
        if event.type == "command.rejected":
            # The event is the decision itself.
            self._counts["commands_rejected"] += 1
            self._forget(command)
            return []
        self._approve(command, event)
        return self.flush(now_s, now_ms)

    def _approve(self, command: Command, event: Event) -> None:
        """Count an approval: by a person, not who asked, and each person once.

        The API refuses the others already. Here it is refused again, for whoever can write to the log.
        """
        actor = event.actor
        if command.state != "approval" or not is_person(actor) or actor == command.event.actor:
            return
        command.approvers.add(actor)
        if len(command.approvers) >= APPROVERS:
            command.state = "waiting"

    def _recall(self, command: Command, event: Event) -> None:
        """Take an event that an earlier start of the program wrote."""
        payload = event.payload
        if isinstance(payload, CommandApproval):
            if event.type == "command.approved":
                self._approve(command, event)
        elif event.type == "command.queued" and payload.attempt:
            command.tries -= 1
        elif event.type == "command.sent":
            if payload.attempt > command.attempt:
                command.attempt = payload.attempt
                command.tries += 1
            command.terminal, command.serial = payload.terminal, payload.serial
            # What is sent from now on must not be taken for it.
            after = payload.serial + max(payload.parts, 1)
            self._serials[payload.terminal] = max(self._serials.get(payload.terminal, 0), after & 0xFFFF)
        elif event.type == "command.acked":
            command.state = "acked"

    def _resume(self, command: Command, now_s: float) -> None:
        """Go on with what an earlier start of the program sent: its answer may still come."""
        policy = policy_of(command.message)
        if command.state == "acked":
            command.deadline_s = now_s + policy.effect_s
        elif command.tries and command.tries >= command.tries_max:
            command.state = "air"
            command.deadline_s = now_s + policy.timeout_s

    # --- what terminals say -------------------------------------------------------------------------------------------

    def acknowledged(self, terminal: int, body: TerminalGeneralReply, frame: Frame, now_s: float) -> list[Step] | None:
        """Take a 0x0001; None when no command is meant by it."""
        for command in self._open.values():
            if (
                command.attempt
                and (command.terminal, command.message) == (terminal, body.reply_message)
                and command.is_about(body.reply_serial)
            ):
                break
        else:
            return None
        if body.result:
            reason = RESULTS.get(body.result, f"result {body.result}")
            return [self._end(command, "command.failed", frame.arrival_ms, "refused", reason, result=body.result)]
        if command.transfer is None:
            return self._acked(command, frame.arrival_ms, now_s)
        return self._fragment_acked(command, command.transfer, body.reply_serial, frame.arrival_ms, now_s)

    def _fragment_acked(
        self, command: Command, transfer: Transfer, serial: int, time_ms: int, now_s: float
    ) -> list[Step]:
        """Note that a fragment has arrived: the next may go out. The last one says that all have, where no other was
        acknowledged: who acknowledges each asks for those it lacks."""
        index = transfer.index_of(serial)
        transfer.acked.add(index)
        transfer.heard_s = now_s
        if not transfer.out:
            return self._send_on(command, now_s, time_ms, anew=False)
        if len(transfer.acked) == transfer.total or transfer.acked == {transfer.total}:
            return self._acked(command, time_ms, now_s)
        command.grace = len(transfer.acked) == 1
        command.deadline_s = now_s + (TRANSFER_GRACE_S if command.grace else policy_of(command.message).timeout_s)
        return []

    def _acked(self, command: Command, time_ms: int, now_s: float) -> list[Step]:
        """Note that a terminal has the whole message."""
        if command.reply == GENERAL_REPLY:
            return [self._end(command, "command.acked", time_ms)]
        if command.state == "acked":
            return []
        command.state = "acked"
        self._stop(command)
        command.deadline_s = now_s + policy_of(command.message).effect_s
        return [self._progress(command, "command.acked", time_ms)]

    def answered(self, terminal: int, reply: int, body: msgspec.Struct, frame: Frame) -> list[Step] | None:
        """Take a message that answers a command; None when none is waiting for it.

        By its serial; where it has none (2011, and 0x0108, 0x0702, 0x0A00 always) it answers the oldest of its kind.
        """
        serial: int | None = getattr(body, "reply_serial", None)
        for command in self._open.values():
            if (
                command.attempt
                and (command.terminal, command.reply) == (terminal, reply)
                and (serial is None or command.is_about(serial))
            ):
                break
        else:
            return None
        result: int = getattr(body, "result", 0)
        reason = result_text(body, result) if result else ""
        plain = {} if is_personal(reply, body) else to_plain(body)
        if len(msgspec.json.encode(plain)) > COMMAND_REPLY_BYTES_MAX:
            plain = {}
        kind = "command.failed" if result else "command.effective"
        return [
            self._end(
                command,
                kind,
                frame.arrival_ms,
                "refused" if result else "",
                reason,
                result=result,
                reply=plain,
                answer=frame.sequence,
            )
        ]

    def resend(self, terminal: int, body: ResendRequest, time_ms: int, now_s: float) -> list[Step] | None:
        """Take a 0x0005; None when nothing of that first serial is on its way."""
        for command in self._open.values():
            transfer = command.transfer
            if transfer is not None and (command.terminal, transfer.header.serial) == (terminal, body.first_serial):
                break
        else:
            return None
        wanted = [index for index in body.indexes if 1 <= index < transfer.next and index not in transfer.again]
        transfer.resends += len(wanted)
        if transfer.resends > TRANSFER_RESENDS_MAX * transfer.total:
            return [self._end(command, "command.failed", time_ms, "resends", "asked for again too often")]
        self._counts["fragments_resent"] += len(wanted)
        transfer.again.extend(wanted)
        transfer.acked -= set(wanted)
        transfer.heard_s = now_s
        command.grace = False
        # It hears, and waits for nothing else.
        return self._send_on(command, now_s, time_ms, anew=True)

    def lost(self, terminal: int, time_ms: int) -> list[Step]:
        """Note that a terminal's session is over: what was in the air goes out again to whoever comes in time."""
        steps: list[Step] = []
        for command in self._open.values():
            if command.terminal != terminal or command.state != "air":
                continue
            self._stop(command)
            if command.tries < command.tries_max:
                command.state = "waiting"
                command.deadline_s = command.expires_s
                steps += self._wait(command, "lost", "the connection ended before an answer", time_ms)
        return steps

    # --- what the clock says ------------------------------------------------------------------------------------------

    def due(self, now_s: float, now_ms: int) -> list[Step]:
        """Do what is to be done by now: repeats, the next fragments, another look at the car, and ends."""
        steps: list[Step] = []
        for command in [command for command in self._open.values() if command.deadline_s <= now_s]:
            match command.state:
                case "approval":
                    reason = f"{len(command.approvers)} of {APPROVERS} approved it"
                    steps.append(self._end(command, "command.expired", now_ms, "approvals", reason))
                case "waiting" if command.expires_s <= now_s:
                    kind = "command.unknown" if command.tries else "command.expired"
                    steps.append(self._end(command, kind, now_ms, *command.waits))
                case "waiting":
                    steps += self._try(command, now_s, now_ms)
                case "air":
                    steps += self._overdue(command, now_s, now_ms)
                case "acked":
                    reason = f"acknowledged, and no {id_text(command.reply)} came"
                    steps.append(self._end(command, "command.unknown", now_ms, "no_effect", reason))
        return steps

    def _overdue(self, command: Command, now_s: float, now_ms: int) -> list[Step]:
        transfer = command.transfer
        if command.grace:
            return self._acked(command, now_ms, now_s)
        if transfer is not None and not transfer.out:
            wait_s = policy_of(command.message).timeout_s * factorial(command.tries)
            # A terminal that acknowledges none is sent a window a second; one that has stopped, every few seconds.
            anew = not transfer.acked or now_s - max(transfer.heard_s, transfer.pushed_s) >= TRANSFER_GRACE_S
            if anew:
                transfer.pushed_s = now_s
            steps = self._send_on(command, now_s, now_ms, anew=anew)
            if steps or now_s - transfer.heard_s < wait_s:
                return steps
        session = self._sessions.get(command.terminal)
        if command.tries >= command.tries_max or session is None:
            return [self._end(command, "command.unknown", now_ms, "no_answer", "no answer came")]
        command.tries += 1
        self._counts["commands_repeated"] += 1
        if transfer is not None:
            transfer.repeat()
            transfer.heard_s = now_s
            return self._send_on(command, now_s, now_ms, anew=True)
        command.deadline_s = now_s + policy_of(command.message).timeout_s * factorial(command.tries)
        return [Action("send", (session.link, command.wire))]

    def flush(self, now_s: float, now_ms: int) -> list[Step]:
        """Send what waits, if somebody is there to hear it and nothing else is in the way."""
        steps: list[Step] = []
        for command in [command for command in self._open.values() if command.state == "waiting"]:
            steps += self._try(command, now_s, now_ms)
        return steps

    # --- sending ------------------------------------------------------------------------------------------------------

    def _try(self, command: Command, now_s: float, now_ms: int) -> list[Step]:
        """Send a command that waits to its terminal, or to the one that logged in last, or say what it waits for."""
        command.deadline_s = command.expires_s
        if command.expires_s <= now_s:
            return []
        request: CommandRequested = command.event.payload
        session = max(self._sessions.values(), key=lambda one: one.epoch, default=None)
        if request.terminal:
            session = self._sessions.get(request.terminal)
        if session is None:
            return self._wait(command, "offline", "no terminal of the car is logged in", now_ms)
        version = session.header.version
        if not knows(command.message, version):
            reason = f"JT/T 808-{version} does not know {id_text(command.message)} ({MESSAGES[command.message].name})"
            return [self._end(command, "command.failed", now_ms, "edition", reason)]
        try:
            body = body_of(command.message, request.fields, version)
            data = encode_body(body, downlink(session.header, command.message, 0))
        except (Invalid, ValueError) as fault:
            return [self._end(command, "command.failed", now_ms, "invalid", f"invalid: {fault}")]
        if len(data) > COMMAND_BODY_BYTES_MAX:
            reason = f"invalid: a body of {len(data)} bytes, {COMMAND_BODY_BYTES_MAX} are the most"
            return [self._end(command, "command.failed", now_ms, "invalid", reason)]
        if needs_approval(command.message, body) and len(command.approvers) < APPROVERS:
            command.state = "approval"
            return []
        guarded = immobilises(command.message, body)
        if guarded:
            code, reason = unsafe(self._last_fix(self._vehicle_id), now_ms)
            if code:
                return self._hold(command, code, reason, now_s, now_ms)
        total = fragments_of(len(data))
        if total > 1 and (
            self._room.transfers >= TRANSFERS_MAX or any(one.transfer is not None for one in self._open.values())
        ):
            return self._hold(command, "room", "other long messages are sent first", now_s, now_ms)
        return self._send(command, session, data, total, guarded, now_s, now_ms)

    def _send(
        self, command: Command, session: Session, data: bytes, total: int, guarded: bool, now_s: float, now_ms: int
    ) -> list[Step]:
        terminal = session.record.terminal
        header = downlink(session.header, command.message, self._serial(terminal, total))
        command.state = "air"
        command.terminal, command.serial = terminal, header.serial
        command.attempt += 1
        command.tries += 1
        command.reply = reply_of(command.message, header.version)
        command.said.clear()
        command.waits = NOBODY_CAME
        self._counts["commands_sent"] += 1
        if total > 1:
            command.transfer = Transfer(data, header, session.link, now_s)
            self._room.transfers += 1
            return self._send_on(command, now_s, now_ms, anew=True)
        command.wire = encode(Unknown(command.message, data), header)
        command.deadline_s = now_s + policy_of(command.message).timeout_s * factorial(command.tries)
        sent = self._progress(command, "command.sent", now_ms)
        action = Action("send", (session.link, command.wire))
        send: Step = self._guarded(command, action) if guarded else action
        if not command.reply:
            end = self._end(command, "command.unknown", now_ms, "unanswered", "nothing answers this message")
            return [sent, send, end]
        return [sent, send]

    def _send_on(self, command: Command, now_s: float, now_ms: int, *, anew: bool) -> list[Step]:
        """Send the next fragments of a long message, and tell the log at each quarter of the way."""
        transfer = command.transfer
        assert transfer is not None
        sent = transfer.send(anew)
        self._counts["fragments_sent"] += len(sent)
        if transfer.out:
            command.deadline_s = now_s + policy_of(command.message).timeout_s * factorial(command.tries)
        else:
            command.deadline_s = now_s + TRANSFER_PAUSE_S
        quarter = 1 + 4 * (transfer.next - 1) // transfer.total
        if quarter <= transfer.told:
            return sent
        transfer.told = quarter
        return [self._progress(command, "command.sent", now_ms), *sent]

    def _guarded(self, command: Command, action: Action) -> Guarded:
        """Look at the car once more in the moment of sending: the log may have taken its time."""

        def fault(now_ms: int) -> tuple[str, str]:
            return unsafe(self._last_fix(self._vehicle_id), now_ms)

        def held(code: str, reason: str, now_s: float, now_ms: int) -> list[Step]:
            command.state = "waiting"
            command.tries -= 1
            return self._hold(command, code, reason, now_s, now_ms, attempt=command.attempt)

        return Guarded(action, fault, held)

    def _serial(self, terminal: int, count: int) -> int:
        """Return the first of `count` serials in a row towards a terminal."""
        serial = self._serials.get(terminal, 0)
        self._serials[terminal] = serial + count & 0xFFFF
        return serial

    def _hold(
        self, command: Command, code: str, reason: str, now_s: float, now_ms: int, attempt: int = 0
    ) -> list[Step]:
        """Let a command wait, and look again soon."""
        command.deadline_s = min(command.expires_s, now_s + LOOK_AGAIN_S)
        return self._wait(command, code, reason, now_ms, attempt)

    def _wait(self, command: Command, code: str, reason: str, time_ms: int, attempt: int = 0) -> list[Step]:
        """Say in the log that a command waits: once for each kind of reason, between two sendings."""
        command.waits = (code, reason)
        if code in command.said:
            return []
        command.said.add(code)
        self._counts["commands_queued"] += 1
        payload = CommandProgress(
            command=command.id,
            vehicle_id=self._vehicle_id,
            terminal=command.terminal,
            attempt=attempt,
            why=code,
            reason=reason,
        )
        name = f"command.queued.{code}.{command.attempt}"
        return [progress_event(command.event, "command.queued", time_ms, payload, rule=name)]

    def _stop(self, command: Command) -> None:
        """Let go of a message in fragments."""
        command.grace = False
        if command.transfer is not None:
            command.transfer = None
            self._room.transfers -= 1

    # --- what the log is told -----------------------------------------------------------------------------------------

    def _forget(self, command: Command) -> None:
        self._stop(command)
        self._room.bytes -= command.fields_bytes
        del self._open[command.id]

    def _refuse(self, event: Event, code: str, reason: str, time_ms: int) -> Event:
        self._counts["commands_failed"] += 1
        payload = CommandProgress(command=event.id, vehicle_id=self._vehicle_id, why=code, reason=reason)
        return progress_event(event, "command.failed", time_ms, payload)

    def _progress(self, command: Command, kind: str, time_ms: int) -> Event:
        transfer = command.transfer
        payload = CommandProgress(
            command=command.id,
            vehicle_id=self._vehicle_id,
            terminal=command.terminal,
            serial=command.serial,
            attempt=command.attempt,
            parts=transfer.total if transfer else 0,
            parts_sent=transfer.next - 1 if transfer else 0,
        )
        rule = kind
        if kind == "command.sent":
            rule = f"{kind}.{command.attempt}.{transfer.told if transfer else 0}"
        return progress_event(command.event, kind, time_ms, payload, rule=rule)

    def _end(
        self,
        command: Command,
        kind: str,
        time_ms: int,
        code: str = "",
        reason: str = "",
        *,
        result: int = 0,
        reply: dict[str, Any] | None = None,
        answer: int = 0,
    ) -> Event:
        """End a command; `answer` is the journal's number of the terminal's answer."""
        self._forget(command)
        counted = "effective" if kind in ("command.acked", "command.effective") else kind.removeprefix("command.")
        self._counts[f"commands_{counted}"] += 1
        payload = CommandProgress(
            command=command.id,
            vehicle_id=self._vehicle_id,
            terminal=command.terminal,
            serial=command.serial,
            attempt=command.attempt,
            result=result,
            why=code,
            reason=reason,
            reply=reply or {},
            node=self._node if answer else "",
            sequence=answer,
        )
        return progress_event(command.event, kind, time_ms, payload)


def progress_event(asked: Event, kind: str, time_ms: int, payload: CommandProgress, rule: str = "") -> Event:
    """Return what a car says of a command; without a rule it decides it."""
    subject = f"vehicle:{payload.vehicle_id}"
    decision = command_decision_id(asked.id, payload.vehicle_id)
    return Event(
        id=derive_id("vehicle", rule, 1, (asked.id,), subject) if rule else decision,
        type=kind,
        time_ms=time_ms,
        subject=subject,
        key=subject,
        group=asked.group,
        store=asked.store,
        actor="vehicle",
        cause=asked.id,
        correlation=asked.correlation or asked.id,
        answers="" if rule else asked.id,
        depth=asked.depth + 1,
        purpose=asked.purpose,
        payload=payload,
    )


def is_person(actor: str) -> bool:
    """Tell whether an event's actor is somebody's account, not the node or a program of ours."""
    number = actor.removeprefix(ACCOUNT)
    return number != actor and number.isdecimal() and int(number) > 0


def result_text(body: msgspec.Struct, result: int) -> str:
    """Return in words what a terminal's result means."""
    kind = newest(type(body)).get("result")
    names = kind.names if isinstance(kind, Unsigned) else None
    return (names or {}).get(result, f"result {result}")
