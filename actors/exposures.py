"""The conversation about what cameras and microphones took: 0x0800, 0x0801, and what a terminal is told of them.

Frames in, steps out: it has no socket and no clock. A part of actors.vehicle.Conversation, which carries its steps out.
What packets are and how they are put together stands in actors.media.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from actors.fleet import Fleet, Terminal
from actors.media import (
    MEDIA_DATA,
    Key,
    Room,
    Transfer,
    Transfers,
    is_numbered_part,
    new_media,
    packet_of,
    read_item,
)
from actors.steps import RESEND_INDEXES_MAX, Action, Announce, Done, Keep, Note, Session, Step, answer
from core.events import derive_id
from core.intake.links import KIND_ASSEMBLED, Frame
from core.limits import MEDIA_BYTES_MAX, MEDIA_OWED_MAX
from protocols.jt808.codec import Decoded, Header, decode
from protocols.jt808.media import MediaData, MediaEvent, MediaReply
from protocols.jt808.messages import PlatformGeneralReply, ResendRequest
from storage.media import Kept

RESULT_OK: Final = 0
RESULT_FAILURE: Final = 1
RESULT_WRONG: Final = 2

Reply = Callable[[Frame, Terminal, Header, int], list[Action]]
"""(frame, terminal, its header, result) -> the answer with 0x8001."""


class Exposures:
    """What the terminals of one car take and send.

    Args:
        sessions, versions, counts: the conversation's own: who is logged in, who is of 2011, what is counted.
        serial: gives the platform's next serial towards a terminal.
        source: names a record in a way that a second reading of the journal repeats.
    """

    __slots__ = ("_counts", "_fleet", "_owed", "_reply", "_serial", "_sessions", "_source", "_transfers", "_versions")

    def __init__(
        self,
        room: Room,
        fleet: Fleet,
        sessions: dict[int, Session],
        versions: dict[int, int],
        counts: Counter[str],
        *,
        serial: Callable[[Terminal], int],
        source: Callable[[Frame], str],
        reply: Reply,
    ) -> None:
        self._fleet = fleet
        self._sessions = sessions
        self._versions = versions
        self._counts = counts
        self._serial = serial
        self._source = source
        self._reply = reply
        self._transfers = Transfers(room)
        # (terminal, what it calls its item): stored while it was away, and not answered yet.
        self._owed: list[tuple[int, int]] = []

    @property
    def deadline_s(self) -> float:
        """When `due` has something to do, in Trio's time; inf for never."""
        return self._transfers.deadline_s

    @property
    def oldest_open_sequence(self) -> int | None:
        """Lowest journal sequence of a packet whose item is not stored yet."""
        return self._transfers.oldest_open_sequence

    @property
    def open(self) -> list[Transfer]:
        """The items on their way. Other threads may look at them."""
        return self._transfers.open

    def announced(self, frame: Frame, record: Terminal, decoded: Decoded) -> list[Step]:
        """0x0800: something was taken. It is written down before the answer; whether it comes, the terminal decides."""
        body: MediaEvent = decoded.body  # type: ignore[assignment]
        said = MediaData(
            media_id=body.media_id, kind=body.kind, format=body.format, event=body.event, channel=body.channel
        )
        subject = f"vehicle:{record.vehicle_id}"
        event_id = derive_id("media", "media.announced", 1, (self._source(frame),), subject)
        steps: list[Step] = [Announce(new_media(record, frame, said), event_id)]
        if frame.kind != KIND_ASSEMBLED:
            steps += self._reply(frame, record, decoded.header, RESULT_OK)
        return steps

    def packet(self, frame: Frame, now_s: float) -> list[Step]:
        """A fragment of 0x0801, acknowledged by the intake; kept in memory until the item is whole."""
        self._counts["media_packets"] += 1
        read = packet_of(frame)
        if read is None:
            self._counts["fragments_bad"] += 1
            return [Done(frame.sequence)]
        key, fragment = read
        return self._take(frame, key, fragment.number, fragment.header, fragment.body, now_s)

    def _take(self, frame: Frame, key: Key, number: int, header: bytes, data: bytes, now_s: float) -> list[Step]:
        if self._transfers.take(frame, key, number, header, data, now_s):
            return []
        steps: list[Step] = [Done(frame.sequence)]
        media_id = self._transfers.stored_before(key, now_s)
        if media_id is None or number != key.total:
            self._counts["fragments_repeated"] += 1
            return steps
        # It did not hear that all is there, and has sent it once more.
        session = self._sessions.get(frame.terminal)
        if session is not None:
            steps.append(self._stored(session, media_id, session.header.serial))
        return steps

    def message(self, frame: Frame, record: Terminal, decoded: Decoded, now_s: float) -> list[Step]:
        """0x0801 that came whole, or one of the packets that a terminal of 2011 numbers itself."""
        header = decoded.header
        length = 17 if frame.data[2] & 0x40 else 12
        body = read_item(frame.data[:length], [frame.data[length:]], header.version)
        if body is None:
            self._counts["frames_unreadable"] += 1
            return [*self._reply(frame, record, header, RESULT_WRONG), Done(frame.sequence)]
        if is_numbered_part(body):
            self._counts["media_packets"] += 1
            assert body.total is not None
            assert body.number is not None
            # What only an edition of 2011 sends: its next packets are read so too, and its answers made so.
            self._versions[record.terminal] = 2011
            key = Key(frame.phone, body.total, body.media_id, numbered=True)
            head = frame.data[:length]
            # The first keeps its head, so that the whole is one item with a head of its own.
            part = frame.data[length:] if body.number == 1 else body.data
            steps = self._take(frame, key, body.number, head, part, now_s)
            return [*self._reply(frame, record, header, RESULT_OK), *steps]
        return [Keep(new_media(record, frame, body), body.data, header, record, (frame.sequence,))]

    def due(self, now_s: float) -> list[Step]:
        """Do what the clock asks for: keep what is whole, ask for what is missing, give up what is over."""
        steps: list[Step] = []
        for due in self._transfers.due(now_s, self._sessions):
            transfer = due.transfer
            if due.what == "keep":
                steps += self._keep(transfer, now_s)
            elif due.what == "ask":
                self._counts["media_asked"] += 1
                session = self._sessions[transfer.terminal]
                steps.append(self._ask_for(session, transfer, due.missing[:RESEND_INDEXES_MAX]))
                if not transfer.told:
                    transfer.told = True
                    steps += self._note_down(transfer, "partial")
            else:
                self._counts["media_refused" if due.what == "refused" else "media_lost"] += 1
                steps += self._note_down(transfer, "lost")
                steps += self._refuse_item(transfer)
                steps += [Done(sequence) for sequence in transfer.sequences]
        return steps

    def _keep(self, transfer: Transfer, now_s: float) -> list[Step]:
        record = self._fleet.terminal(transfer.frame.phone)
        parts = [transfer.parts[number] for number in sorted(transfer.parts)]
        body = read_item(transfer.header, parts, self._versions.get(transfer.terminal))
        if record is None or body is None or len(body.data) > MEDIA_BYTES_MAX:
            self._counts["frames_orphaned" if record is None else "media_refused"] += 1
            self._transfers.kept(transfer, now_s, stored=False)
            return [*self._refuse_item(transfer), *(Done(sequence) for sequence in transfer.sequences)]
        header = decode(transfer.header).header
        item = new_media(record, transfer.frame, body)
        return [Keep(item, body.data, header, record, tuple(transfer.sequences), transfer)]

    def kept(self, keep: Keep, kept: Kept, now_s: float) -> list[Step]:
        """Take what became of an item: answer its terminal, now or at its next login, and let go of the journal."""
        self._counts["media_stored" if kept.stored else "media_refused"] += 1
        if keep.transfer is not None:
            self._transfers.kept(keep.transfer, now_s, stored=kept.stored)
        steps: list[Step] = []
        session = self._sessions.get(keep.record.terminal)
        if session is None:
            if kept.stored:
                self._owed = [*self._owed, (keep.record.terminal, keep.item.media_id)][-MEDIA_OWED_MAX:]
        elif kept.stored:
            steps.append(self._stored(session, keep.item.media_id, keep.header.serial))
        else:
            steps.append(self._refused_item(session, keep.header.serial))
        if not kept.stored:
            packets = len(keep.sequences)
            steps.append(Note(keep.item, "lost", packets, packets))
        return [*steps, *(Done(sequence) for sequence in keep.sequences)]

    def logged_in(self, session: Session) -> list[Step]:
        """Answer what was stored while the terminal was away."""
        terminal = session.record.terminal
        mine = [media_id for who, media_id in self._owed if who == terminal]
        self._owed = [one for one in self._owed if one[0] != terminal]
        return [self._stored(session, media_id, session.header.serial) for media_id in mine]

    def _stored(self, session: Session, media_id: int, reply_serial: int) -> Action:
        """Say with 0x8800 that an item is there, whole."""
        serial = self._serial(session.record)
        reply = MediaReply(reply_serial=reply_serial, media_id=media_id)
        return Action("send", (session.link, answer(session.header, 0x8800, serial, reply)))

    def _ask_for(self, session: Session, transfer: Transfer, missing: tuple[int, ...]) -> Action:
        """Ask for packets by the item's number; by serial where the packet that holds the number has not come."""
        first = transfer.key.first
        if transfer.media_id is None and not transfer.key.numbered:
            body: msgspec.Struct = ResendRequest(first, missing)
            return Action("send", (session.link, answer(session.header, 0x8003, self._serial(session.record), body)))
        media_id = first if transfer.media_id is None else transfer.media_id
        reply_serial = int.from_bytes(transfer.frame.data[10:12], "big")
        body = MediaReply(reply_serial=reply_serial, media_id=media_id, missing=missing)
        return Action("send", (session.link, answer(session.header, 0x8800, self._serial(session.record), body)))

    def _refuse_item(self, transfer: Transfer) -> list[Step]:
        """Say of packets that were acknowledged one by one that the whole of them failed."""
        session = self._sessions.get(transfer.terminal)
        if session is None:
            return []
        return [self._refused_item(session, decode(transfer.header).header.serial)]

    def _refused_item(self, session: Session, reply_serial: int) -> Action:
        body = PlatformGeneralReply(reply_serial, MEDIA_DATA, RESULT_FAILURE)
        return Action("send", (session.link, answer(session.header, 0x8001, self._serial(session.record), body)))

    def _note_down(self, transfer: Transfer, state: Literal["partial", "lost"]) -> list[Step]:
        """Write down how far an item came, as far as one can tell what it is."""
        record = self._fleet.terminal(transfer.frame.phone)
        first = transfer.parts.get(1)
        if record is None or first is None or transfer.media_id is None:
            return []
        body = read_item(transfer.header, [first], self._versions.get(transfer.terminal))
        if body is None:
            return []
        item = new_media(record, transfer.frame, body)
        return [Note(item, state, len(transfer.parts), transfer.key.total)]
