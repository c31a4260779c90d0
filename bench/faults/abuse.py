"""Abuse: strangers, floods and forgers do what they can from addresses of their own; the others must not notice.

The load's terminals and the cars with a story are ordinary here: they come from one address that nobody trusts, as from
behind a carrier's NAT. Each row states how long their acknowledgements took (99 of 100) without the attack and with it,
and that none of their connections ended. Attackers come from 127.0.0.2 on, the forwarding platform from one that is
trusted.
"""

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from bench.faults import Fault
from bench.faults.notes import Notes
from bench.faults.terminal import LinkError, Terminal
from bench.faults.world import OTHERS_FIRST, PHONE_FIRST, World
from bench.servers import BenchError
from core.limits import (
    BAD_FRAMES_MAX,
    FRAMES_PER_S_MAX,
    LINKS_PER_ADDRESS_MAX,
    LINKS_PER_ADDRESS_MINUTE_MAX,
    LOGIN_S_MAX,
    LOGINS_AT_ONCE_MAX,
    RATE_AT_ONCE_S,
    REFUSALS_PER_LINK_MAX,
    STRANGERS_PER_ADDRESS_MAX,
    TERMINALS_PER_LINK_MAX,
    TERMINALS_PER_STRANGE_LINK_MAX,
)
from protocols.jt808.codec import Header, decode, encode
from protocols.jt808.framing import unwrap
from protocols.jt808.messages import Authenticate, Location, Register

PLATFORM: Final = "127.0.1.1"
"""The one address that is trusted here."""
FORWARDED_FIRST: Final = 20_000
"""Number of the platform's first phone, counted as those of the load are."""
REPORT: Final = 0x0200
REGISTER: Final = 0x0100
LOGIN: Final = 0x0102
CAN_WAIT_S: Final = 60.0


def stranger(number: int) -> str:
    """Return an attacker's address."""
    return f"127.0.{2 + number // 250}.{2 + number % 250}"


class Caller(Terminal):
    """A terminal that calls from an address of its own."""

    def __init__(self, port: int, phone: str, source: str) -> None:
        super().__init__(port, phone)
        self.source = source

    def connect(self) -> None:
        """Connect. Raises LinkError where it is turned away at once."""
        self.close()
        try:
            self._socket = socket.create_connection(
                ("127.0.0.1", self.port), timeout=CAN_WAIT_S, source_address=(self.source, 0)
            )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise LinkError(f"cannot connect: {error}") from error
        self._buffer = b""

    def drain(self) -> None:
        """Take what has come, so that the server does not have to keep it."""
        if self._socket is not None:
            self._socket.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while piece := self._socket.recv(65536):
                    self._buffer += piece
            self._socket.settimeout(CAN_WAIT_S)

    def ends(self) -> bool:
        """Wait for the link's end; False when it does not come."""
        if self._socket is None:
            return True
        self._socket.settimeout(CAN_WAIT_S)
        try:
            while self._socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        self.close()
        return True


def place(number: int) -> Location:
    """Return an attacker's report; no two of its are equal."""
    return Location(0, 3, 30_000_000, 121_000_000 + number % 1_000, time_ms=1000 * time_s(number))


def time_s(number: int) -> int:
    """Return the fix time of that report."""
    return _START_S + number


_START_S: Final = int(time.time()) - 5_000_000


@contextmanager
def attack(world: World, tried: int) -> Iterator[Callable[[str], float]]:
    """Measure the others without the attack, then with it, and see that none of them was cut off.

    Yields a function that says by how much a counter has grown since the attack began.
    """
    client = world.client
    client.reset_clock()
    world.let_it_work(world.times(6, 1), world.times(8, 2))
    without_ms = client.result().ack_ms_p99
    text = str(world.ask("GET", "/metrics")[1])
    before = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line[:1] not in ("", "#")}
    cuts = client.result().cuts
    client.reset_clock()
    began = time.monotonic()

    def grown(name: str) -> float:
        return world.figure(f"carillon_{name}") - before[f"carillon_{name}"]

    with world.fault(tried):
        try:
            yield grown
        except LinkError as error:
            raise BenchError(f"a connection that the row needs: {error}") from error
        with_ms = client.result().ack_ms_p99
        world.note(
            p99_ms_without=round(without_ms, 1),
            p99_ms_with=round(with_ms, 1),
            seconds=round(time.monotonic() - began, 1),
        )
    world.promise(client.result().cuts == cuts, "no connection of the others ended")


def begin(world: World) -> None:
    """Start a world in which nobody is trusted but the forwarding platform."""
    world.begin(trusted_addresses=PLATFORM)


# --- the rows ---------------------------------------------------------------------------------------------------------


def connections(world: World) -> None:
    """So many connection attempts as fast as they go, from twenty addresses; those that get in say nothing."""
    begin(world)
    attempts, addresses = world.times(100_000, 3_000), world.times(20, 2)
    ways = ("accepted", "refused", "refused_address", "refused_rate")
    names = [f"intake_links_{way}_total" for way in ways]
    held: list[socket.socket] = []
    with attack(world, attempts) as grown:
        for number in range(attempts):
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            one.bind((stranger(number % addresses), 0))
            with contextlib.suppress(OSError):
                one.settimeout(CAN_WAIT_S)
                one.connect(("127.0.0.1", world.server.port))
            held.append(one)
            if len(held) > 4_000:
                held.pop(0).close()
        world.wait(lambda: sum(grown(name) for name in names) >= attempts, "each attempt is let in or turned away")
        accepted, *refused = (grown(name) for name in names)
        world.note(attempts=attempts, let_in=accepted, turned_away=sum(refused))
        of_one = LINKS_PER_ADDRESS_MAX + LINKS_PER_ADDRESS_MINUTE_MAX * 2
        world.promise(accepted <= addresses * of_one, "no address got in more than its share")
        waiting = world.figure("carillon_intake_links_waiting")
        world.promise(waiting <= addresses * STRANGERS_PER_ADDRESS_MAX, "strangers are bounded by address")
        for one in held:
            one.close()


def slowloris(world: World) -> None:
    """Connections held open without a login: silent ones, half-open ones (our FIN sent), a byte of a frame a second."""
    begin(world)
    number, addresses = world.times(3_000, 300), 6
    patience_s = LOGIN_S_MAX + 15
    # Longer than anybody is waited for, at a byte a second.
    registration = Register(44, 300, "CARIL", "SLOW", "SLOW", 1, "粤B" + "0" * 100)
    frame = Caller(0, "13900000000", "").frame(REGISTER, registration)
    with attack(world, number) as grown:
        held: list[tuple[socket.socket, int]] = []
        for k in range(number):
            one = socket.create_connection(
                ("127.0.0.1", world.server.port), timeout=CAN_WAIT_S, source_address=(stranger(k % addresses), 0)
            )
            one.setblocking(False)
            held.append((one, k % 3))
            if k % 3 == 1:
                one.shutdown(socket.SHUT_WR)
        poll = select.poll()
        by_file = {one.fileno(): one for one, _ in held}
        for file in by_file:
            poll.register(file, select.POLLIN)
        began = time.monotonic()
        for second in range(int(patience_s)):
            for one, way in held:
                if way == 2 and one.fileno() in by_file:
                    with contextlib.suppress(OSError):
                        one.send(frame[second : second + 1])
            until = began + second + 1
            # Nothing is ever answered here: what can be read is the end.
            while by_file and (left_s := until - time.monotonic()) > 0:
                for file, _ in poll.poll(1000 * left_s):
                    poll.unregister(file)
                    del by_file[file]
            if not by_file:
                break
        world.note(shown_out=grown("intake_links_nobody_total"), longest_s=round(time.monotonic() - began, 1))
        world.promise(not by_file, f"nobody holds a connection for {patience_s:.0f} s without a login")
        for one, _ in held:
            one.close()


def endless(world: World) -> None:
    """Frames without an end, junk, bad checksums, bad escapes, a frame never finished: each ends its own connection."""
    begin(world)
    good = encode(place(0), Header(REPORT, "13999999999", 1, 2013))
    kinds = (
        b"\x7e" + b"\x01" * 65_536,
        b"junk" * 16_384 + b"\x7e\x7e",
        (good[:-2] + bytes([good[-2] ^ 1]) + b"\x7e") * (2 * BAD_FRAMES_MAX),
        b"\x7e\x02\x00\x7d\x7d\x7e" * (2 * BAD_FRAMES_MAX),
        good * 2_000,
    )
    each = world.times(100, 5)
    with attack(world, each * len(kinds)) as grown:
        held = 0
        for turn in range(each):
            for k, bytes_ in enumerate(kinds):
                one = Caller(world.server.port, "13999999999", stranger(turn % 5))
                try:
                    one.connect()
                    for _ in range(64):
                        one.send(bytes_)
                except LinkError:
                    continue
                held += not one.ends()
                one.close()
                world.promise(not held, f"endless bytes of kind {k} ended their connection")
        world.note(ended=grown("intake_links_garbage_total"), bytes_read=grown("intake_bytes_received_total"))


def flood(world: World) -> None:
    """Terminals that send as much as their connection takes: read at their rate, acknowledged, and not one is lost."""
    begin(world)
    terminals, seconds = world.times(20, 3), world.times(30, 4)
    notes = Notes(world.work / "flood.record")
    world.records.append(notes.path)
    floods = [Caller(world.server.port, str(PHONE_FIRST + OTHERS_FIRST + k), stranger(k % 4)) for k in range(terminals)]
    with attack(world, terminals) as grown:
        for one in floods:
            one.login()
        began = time.monotonic()
        made = [0] * terminals
        acked = 0
        sent: list[dict[int, int]] = [{} for _ in floods]
        buffers = [b""] * terminals
        waiting = [b""] * terminals
        while True:
            left = began + seconds - time.monotonic()
            open_ = any(sent) or any(waiting)
            if left < -CAN_WAIT_S * 2 or (left < 0 and not open_):
                break
            for k, one in enumerate(floods):
                link = one._socket
                if link is None:
                    continue
                link.setblocking(False)
                # No more than sockets hold: what waits at the end is read at the terminal's rate.
                if left > 0 and not waiting[k] and len(sent[k]) < 1_500:
                    pieces = []
                    for _ in range(200):
                        serial = one.next_serial()
                        sent[k][serial] = time_s(made[k])
                        notes.sent(OTHERS_FIRST + k, serial, time_s(made[k]))
                        pieces.append(one.frame(REPORT, place(made[k]), serial))
                        made[k] += 1
                    waiting[k] = b"".join(pieces)
                with contextlib.suppress(BlockingIOError):
                    if waiting[k]:
                        waiting[k] = waiting[k][link.send(waiting[k]) :]
                with contextlib.suppress(BlockingIOError):
                    buffers[k] += link.recv(65536)
                acked += _take_answers(one, buffers, k, sent[k], notes)
            time.sleep(0.001)
        taken_s = time.monotonic() - began
        most = terminals * FRAMES_PER_S_MAX * (taken_s + RATE_AT_ONCE_S + 5)
        world.note(reports=sum(made), acked=acked, rested=grown("intake_links_rested_total"), taken_s=round(taken_s, 1))
        world.promise(not any(sent), "what was read of a flood was acknowledged")
        world.promise(acked <= most, "no flood got more than its rate")
    for one in floods:
        one.close()
    notes.close()


def _take_answers(one: Caller, buffers: list[bytes], k: int, sent: dict[int, int], notes: Notes) -> int:
    """Note the answers that are whole; return how many reports they acknowledge."""
    *frames, rest = buffers[k].split(b"\x7e\x7e")
    found = 0
    for piece in frames:
        body: Any = decode(unwrap(b"\x7e" + piece.strip(b"\x7e") + b"\x7e")).body
        if body.reply_message == REPORT and body.reply_serial in sent:
            notes.answered(OTHERS_FIRST + k, body.reply_serial, sent.pop(body.reply_serial), body.result)
            found += 1
    if rest.endswith(b"\x7e") and len(rest) > 2:
        body = decode(unwrap(b"\x7e" + rest.strip(b"\x7e") + b"\x7e")).body
        if body.reply_message == REPORT and body.reply_serial in sent:
            notes.answered(OTHERS_FIRST + k, body.reply_serial, sent.pop(body.reply_serial), body.result)
            found += 1
        rest = b""
    buffers[k] = rest
    return found


def forged(world: World) -> None:
    """Forged codes, a registration of another's phone, reports for another, a true code replayed in a loop."""
    begin(world)
    each = world.times(200, 20)
    port = world.server.port
    victim = Caller(port, str(PHONE_FIRST + OTHERS_FIRST + 900), stranger(0))
    victim.login()
    with attack(world, each * 4) as grown:
        for k in range(each):
            # A code that is wrong, for a phone of the load.
            forger = Caller(port, str(PHONE_FIRST + k), stranger(k % 3))
            forger.connect()
            for _ in range(REFUSALS_PER_LINK_MAX):
                forger.send(forger.frame(LOGIN, Authenticate(f"FORGED{k:014}")))
            world.promise(forger.ends(), "a forger's connection was closed")
            # Its phone registered anew with another terminal.
            claimant = Caller(port, str(PHONE_FIRST + k), stranger(k % 3))
            claimant.connect()
            claimant.send(claimant.frame(REGISTER, Register(44, 300, "EVIL", "E-1", "EVIL001", 1, "粤B66666")))
            reply: Any = claimant.hear(0x8100).body
            world.promise(reply.result != 0 and not reply.code, "no code for who is another terminal")
            claimant.close()
            # Reports for it on a connection that is logged in for another. If one were stored, the sets would differ.
            body = place(1_000_000 + k)
            serial = victim.next_serial()
            victim.send(encode(body, Header(REPORT, str(PHONE_FIRST + k), serial, 2013)))
            answer: Any = victim.hear(0x8001).body
            world.promise(answer.result != 0, "no report is taken for another terminal")
        # Two terminals with one code put each other out: after so many logins whoever is in stays.
        logins = 0
        clones = [Caller(port, victim.phone, stranger(1 + k)) for k in range(2)]
        for clone in clones:
            clone.code = victim.code
        for k in range(max(each, LOGINS_AT_ONCE_MAX + 10)):
            try:
                clones[k % 2].login()
                logins += 1
            except LinkError:
                clones[k % 2].code = victim.code
        world.note(
            forged=grown("vehicle_forged_total"),
            disputes=grown("vehicle_disputes_total"),
            clone_logins=logins,
            refused_for_another=grown("intake_frames_refused_total"),
            logins_refused=grown("vehicle_logins_refused_total"),
        )
        world.promise(grown("vehicle_forged_total") >= each * REFUSALS_PER_LINK_MAX, "each forged code was counted")
        world.promise(grown("vehicle_disputes_total") >= each, "each claim to another's phone was counted")
        world.promise(grown("vehicle_logins_refused_total") > 0, "logins in a loop were bounded")
        for clone in clones:
            clone.close()
    victim.close()


def forwarding(world: World) -> None:
    """A platform with ten thousand phones on one connection, of which one floods; a stranger's has sixteen."""
    begin(world)
    phones = world.times(TERMINALS_PER_LINK_MAX, 200)
    first = PHONE_FIRST + FORWARDED_FIRST
    notes = Notes(world.work / "forwarding.record")
    world.records.append(notes.path)
    platform = Caller(world.server.port, str(first), PLATFORM)
    with attack(world, phones) as grown:
        platform.connect()
        began = time.monotonic()
        codes = log_in(platform, first, phones)
        world.note(login_s=round(time.monotonic() - began, 1))
        world.promise(len(codes) == phones, f"{phones} phones logged in on one connection, not {len(codes)}")
        answered = report(platform, first, range(phones), notes, 1)
        world.promise(answered == phones, f"each of {phones} phones had its report acknowledged, not {answered}")
        # One of them sends far more than its share: the others are acknowledged as before.
        share = FRAMES_PER_S_MAX * RATE_AT_ONCE_S
        for start in range(0, share + 2_000, 500):
            pieces = []
            for k in range(start, start + 500):
                # Some are let go, and nobody waits for those that are not.
                notes.maybe(FORWARDED_FIRST, k + 100, time_s(2_000_000 + k))
                pieces.append(wire(first, place(2_000_000 + k), k + 100))
            platform.send(b"".join(pieces))
            platform.drain()
        numbers = range(1, min(phones, 1_000))
        answered = report(platform, first, numbers, notes, 2)
        world.promise(answered == len(numbers), f"beside a flood {answered} of {len(numbers)} were acknowledged")
        world.promise(grown("intake_frames_let_go_total") > 0, "of the flood too much was let go")
        if not world.quick:
            refused = log_in(platform, first + phones, 1, wait_s=10.0)
            world.promise(not refused, "one phone more than the bound is not let in")
            world.promise(grown("intake_admissions_refused_total") == 1, "and is counted")
        # From an address that nobody trusts a connection is shared by few.
        many = Caller(world.server.port, str(first), stranger(0))
        many.connect()
        had = log_in(many, first + TERMINALS_PER_LINK_MAX + 100, TERMINALS_PER_STRANGE_LINK_MAX + 1, 3.0, each=1)
        world.promise(len(had) == TERMINALS_PER_STRANGE_LINK_MAX, f"a stranger's connection had {len(had)} phones")
        many.close()
        world.note(let_go=grown("intake_frames_let_go_total"), phones_refused=grown("intake_admissions_refused_total"))
    platform.close()
    notes.close()


def wire(phone: int, body: Any, serial: int, message: int = REPORT) -> bytes:
    """Return a frame of one of the platform's phones."""
    return encode(body, Header(message, str(phone), serial, 2013))


def registration(phone: int) -> Register:
    """Return what one of the platform's phones registers with."""
    return Register(44, 300, "CARIL", "FWD-1", str(phone)[-7:], 1, f"粤C{phone % 100_000:05}")


def log_in(platform: Caller, first: int, phones: int, wait_s: float = 60.0, each: int = 500) -> dict[int, str]:
    """Register and log in phones on one connection, `each` at a time; return the codes of those that were let in."""
    codes: dict[int, str] = {}
    let_in: dict[int, str] = {}
    for start in range(0, phones, each):
        block = range(first + start, first + min(start + each, phones))
        platform.send(b"".join(wire(phone, registration(phone), 1, REGISTER) for phone in block))
        try:
            for _ in block:
                heard = platform.hear(0x8100, wait_s)
                body: Any = heard.body
                if body.result == 0:
                    codes[int(heard.header.phone)] = body.code
            ready = [phone for phone in block if phone in codes]
            platform.send(b"".join(wire(phone, Authenticate(codes[phone]), 2, LOGIN) for phone in ready))
            for _ in ready:
                heard = platform.hear(0x8001, wait_s)
                body = heard.body
                if body.result == 0 and body.reply_message == LOGIN:
                    let_in[int(heard.header.phone)] = codes[int(heard.header.phone)]
        except LinkError:
            break
    return let_in


def report(platform: Caller, first: int, numbers: range, notes: Notes, turn: int) -> int:
    """Let phones report once each; return how many were acknowledged."""
    fix_s = time_s(3_000_000 + turn)
    for start in range(0, len(numbers), 500):
        pieces = []
        for number in numbers[start : start + 500]:
            body = place(3_000_000 + turn)
            notes.sent(FORWARDED_FIRST + number, 7 + turn, fix_s)
            pieces.append(wire(first + number, body, 7 + turn))
        platform.send(b"".join(pieces))
        try:
            waiting = {first + number for number in numbers[start : start + 500]}
            while waiting:
                heard = platform.hear(0x8001, 30.0)
                body_: Any = heard.body
                phone = int(heard.header.phone)
                if body_.reply_message == REPORT and body_.reply_serial == 7 + turn and phone in waiting:
                    waiting.discard(phone)
                    notes.answered(phone - PHONE_FIRST, 7 + turn, fix_s, body_.result)
        except LinkError:
            return start + 500 - len(waiting)
    return len(numbers)


ROWS: Final = (
    Fault("connections", "100,000 connection attempts at once", connections),
    Fault("endless", "endless frames, junk, floods before login", endless),
    Fault("flood", "terminals that send all they can", flood),
    Fault("forged", "forged and replayed codes, one terminal for another", forged),
    Fault("forwarding", "10,000 phones on one connection, one floods", forwarding),
    Fault("slowloris", "strangers that hold connections open", slowloris),
)
