"""`carillon simulate`: a fleet of terminals over TCP, from one thread: epoll around the state machines of fleet.py.

Ten thousand terminals reporting every ten seconds cost about a sixth of a core. One thread and no tasks, because a
terminal that waits is then only an object in the time wheel.

With a history the fleet first lives through the past hours, as fast as the server takes them, and then goes on in real
time. Its past comes in order, each car's oldest report first, in batches (0x0704) as from a long way without coverage:
so everything is judged as if it had been seen at its time, fences crossed and all. Had real time begun at once and the
past come after it, the same reports would have been late: kept, but never judged against fences, since what is late
does not touch live state.
"""

import argparse
import contextlib
import errno
import heapq
import json
import os
import re
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final, TextIO

from simulators.city import CITY_NAME
from simulators.faults import End, Pause, Piece
from simulators.fleet import SLOT_MS, Fleet
from simulators.roads import build
from simulators.scenarios import SCENARIOS
from simulators.terminals import ONLINE, Ledger
from simulators.world.living import Living

DIALS_PER_TURN: Final = 100
"""Connections begun in one turn (50 ms) at most, in a storm: 2,000 a second."""
FIRST_DIAL_MS: Final = 1.0
"""A fleet's first dialling takes so long for each terminal: 1,000 logins a second, as after a platform's outage."""
RECEIVE_BYTES: Final = 16 * 1024
FILES_SPARE: Final = 64
"""Open files beside the links: standard streams, epoll, libraries, the record."""
DRAIN_S: Final = 5.0
"""At the end, how long to wait for answers to what was sent."""
PROGRESS_S: Final = 5.0
HURRY_REPORTS_PER_S: Final = 30_000
"""Of a past lived through, at most: a fifteenth of what an intake takes on one core, so that everything else goes on.
Two hundred cars' six hours are some 240,000 reports."""
HURRY_BEHIND: Final = 64
"""Reports a terminal, not acknowledged: three batches. Beyond, time waits for the server."""
HURRY_SLICE_S: Final = 0.02
"""Time given to the past before the network is looked at."""
WORLD_S_MAX: Final = 3 * 86_400
"""A world older than this is not lived through again up to now (9 s a day): a new one begins with the history."""
DEFAULT_TCP: Final = "127.0.0.1:8808"
DEFAULT_HTTP: Final = "127.0.0.1:8080"
DEFAULT_KEY_FILE: Final = Path("data/run/api.key")
"""Of a server that was started here."""
HISTORY_S_MAX: Final = 86_400.0
"""A day to look at. What is older than a day would, with a server's journal kept that long, be all gone from it."""


def seconds_of(text: str) -> float:
    """Return the seconds that 6h, 90m, 45s or 45 name.

    Raises:
        ValueError: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([hms]?)", text)
    if match is None:
        raise ValueError(f"a time is given as 6h, 90m or 45s, got {text!r}")
    return float(match[1]) * {"h": 3600, "m": 60, "s": 1, "": 1}[match[2]]


class Record(Ledger):
    """A ledger that also writes down each report: lines `sent PHONE SERIAL TIME_MS` and `acknowledged …`.

    A report's line `sent` is on its way to the disk (written, not synced) before its bytes are on theirs.
    """

    def __init__(self, file: TextIO | None) -> None:
        super().__init__()
        self._file = file
        self._lines: list[str] = []

    def report_sent(self, phone: str, serial: int, times_ms: tuple[int, ...]) -> None:
        super().report_sent(phone, serial, times_ms)
        if self._file:
            self._lines += [f"sent {phone} {serial} {time_ms}\n" for time_ms in times_ms]

    def report_acknowledged(self, phone: str, serial: int, times_ms: tuple[int, ...], waited_ms: int) -> None:
        super().report_acknowledged(phone, serial, times_ms, waited_ms)
        if self._file:
            self._lines += [f"acknowledged {phone} {serial} {time_ms}\n" for time_ms in times_ms]

    def flush(self) -> None:
        """Write what has gathered since the last flush."""
        if self._file and self._lines:
            self._file.write("".join(self._lines))
            self._file.flush()
            self._lines.clear()


Reports = set[tuple[str, int, int]]


def read_record(path: Path) -> tuple[Reports, Reports]:
    """Return the sets (sent, acknowledged) of (phone, serial, time_ms) that a Record wrote down.

    A last line without its end, of a simulator that was killed, is left out.
    """
    sets: dict[str, Reports] = {"sent": set(), "acknowledged": set()}
    with path.open(encoding="ascii") as lines:
        for line in lines:
            if line.endswith("\n"):
                what, phone, serial, time_ms = line.split()
                sets[what].add((phone, int(serial), int(time_ms)))
    return sets["sent"], sets["acknowledged"]


class Link:
    """One TCP connection of one terminal, on the terminal's side."""

    __slots__ = ("connecting", "mute", "number", "paused", "queue", "socket", "writing")

    def __init__(self, number: int, socket_: socket.socket) -> None:
        self.number = number
        self.socket = socket_
        self.connecting = True
        self.mute = False
        """Left alone without a word: neither read nor written, but open."""
        self.paused = False
        self.writing = False
        """Waiting until the socket takes more."""
        self.queue: deque[Piece] = deque()


class Loop:
    """Sockets around a Fleet.

    Args:
        clock: returns virtual UTC epoch ms, never going back: where the fleet lives once its past is over.
        speed: virtual seconds a second; pauses on wires last accordingly shorter.
    """

    def __init__(self, fleet: Fleet, address: tuple[str, int], clock: Callable[[], int], speed: float) -> None:
        family, _, _, _, target = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
        self._family = family
        self._target = target
        self._fleet = fleet
        self._present = clock
        self._hurry_began_s = self._hurried_s = time.monotonic()
        self._speed = speed
        self._epoll = select.epoll()
        self._by_file: dict[int, Link] = {}
        self._links: list[Link | None] = [None] * len(fleet.terminals)
        self._abandoned: list[socket.socket | None] = [None] * len(fleet.terminals)
        self._waiting: deque[int] = deque()
        self._pauses: list[tuple[float, int, int]] = []
        self.dialled = self.failed = self.broken = 0

    def _clock(self) -> int:
        fleet = self._fleet
        return fleet.world.now_ms if fleet.hurrying else self._present()

    def _hurry(self) -> bool:
        """Live on in the past for a while, unless the server is behind; True if it is and this had to wait."""
        fleet = self._fleet
        now_s = time.monotonic()
        waits = (
            fleet.behind > HURRY_BEHIND * len(fleet.terminals)
            or fleet.ledger.sent > (now_s - self._hurry_began_s) * HURRY_REPORTS_PER_S
        )
        present_ms = self._present()
        if not waits:
            while fleet.world.now_ms < present_ms and time.monotonic() - now_s < HURRY_SLICE_S:
                fleet.hurry(present_ms)
                if fleet.world.now_ms + 1000 > present_ms:
                    fleet.arrive(present_ms)
                    # How long the past waited for its answers tells nothing: its clock stood still meanwhile.
                    fleet.ledger.waited_ms.clear()
                    return False
            self._hurried_s = time.monotonic()
        elif now_s - self._hurried_s >= 1.0:
            # No slower than the present, or whoever lost the link would wait for ever to dial again.
            self._hurried_s = now_s
            fleet.hurry(present_ms)
        return waits

    def open_links(self) -> int:
        """Return how many connections are up."""
        return sum(1 for link in self._by_file.values() if not link.connecting)

    def turn(self, wait_s: float, living: bool = True) -> None:
        """Do what is due, then wait for the network, at most wait_s.

        Args:
            living: False at the end: the world stands still, no more reports are made, answers are still taken.
        """
        fleet, ledger = self._fleet, self._fleet.ledger
        if living:
            if fleet.hurrying:
                wait_s = HURRY_SLICE_S / 4 if self._hurry() else 0.0
            else:
                fleet.turn(self._clock())
            for number in fleet.hushed:
                self._abandon(number)
            fleet.hushed.clear()
            if fleet.storm:
                self._storm()
        self._waiting += fleet.dialling
        fleet.dialling.clear()
        for _ in range(min(DIALS_PER_TURN, len(self._waiting))):
            self._dial(self._waiting.popleft())
        now_s = time.monotonic()
        while self._pauses and self._pauses[0][0] <= now_s:
            _, number, identity = heapq.heappop(self._pauses)
            link = self._links[number]
            if link and id(link) == identity:
                link.paused = False
                self._pump(link)
        self._send(ledger)
        for file, events in self._epoll.poll(wait_s):
            link = self._by_file.get(file)
            if link is None:
                continue
            if link.connecting:
                self._finish_dialling(link)
                continue
            if events & select.EPOLLOUT:
                self._pump(link)
            if events & ~select.EPOLLOUT and self._links[link.number] is link:
                self._read(link)
        self._send(ledger)

    def close(self) -> None:
        """Close every connection, in order (FIN)."""
        for link in list(self._by_file.values()):
            link.socket.close()
        for left in self._abandoned:
            if left:
                left.close()
        self._by_file.clear()
        self._epoll.close()

    # --- one link

    def _dial(self, number: int) -> None:
        # A new connection, and the one that went silent in a tunnel is at last given up.
        left, self._abandoned[number] = self._abandoned[number], None
        if left:
            _reset(left)
        if self._links[number] or self._fleet.world.dark[number]:
            self._fleet.lost(number, self._clock())
            return
        try:
            opened = socket.socket(self._family, socket.SOCK_STREAM)
        except OSError:
            self.failed += 1
            self._fleet.lost(number, self._clock())
            return
        opened.setblocking(False)
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        result = opened.connect_ex(self._target)
        if result not in (0, errno.EINPROGRESS):
            opened.close()
            self.failed += 1
            self._fleet.lost(number, self._clock())
            return
        link = Link(number, opened)
        self._links[number] = self._by_file[opened.fileno()] = link
        self._epoll.register(opened.fileno(), select.EPOLLOUT)

    def _finish_dialling(self, link: Link) -> None:
        if link.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.failed += 1
            self._drop(link)
            self._fleet.lost(link.number, self._clock())
            return
        self.dialled += 1
        link.connecting = False
        self._epoll.modify(link.socket.fileno(), select.EPOLLIN)
        self._fleet.connected(link.number, self._clock())

    def _read(self, link: Link) -> None:
        try:
            data = link.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._fleet.receive(link.number, data, self._clock())
            return
        self._break(link)

    def _break(self, link: Link, reset: bool = False) -> None:
        """The link is over, by whoever's will: close it and tell the terminal."""
        self.broken += 1
        self._drop(link, reset)
        self._fleet.lost(link.number, self._clock())

    def _drop(self, link: Link, reset: bool = False) -> None:
        file = link.socket.fileno()
        if not link.mute:
            self._epoll.unregister(file)
        del self._by_file[file]
        self._links[link.number] = None
        if reset:
            _reset(link.socket)
        else:
            link.socket.close()

    def _hush(self, link: Link) -> None:
        """Leave a connection alone without a word."""
        if not link.mute:
            link.mute = True
            link.queue.clear()
            self._epoll.unregister(link.socket.fileno())

    def _abandon(self, number: int) -> None:
        """Drive into a tunnel: the socket stays open and silent until the terminal dials anew."""
        link = self._links[number]
        if not link:
            return
        self._hush(link)
        del self._by_file[link.socket.fileno()]
        self._links[number] = None
        left, self._abandoned[number] = self._abandoned[number], link.socket
        if left:
            _reset(left)

    def _storm(self) -> None:
        self._fleet.storm = False
        for link in list(self._by_file.values()):
            self.broken += 1
            self._drop(link, reset=True)
            self._fleet.blown_away(link.number, self._clock())

    def _send(self, ledger: Ledger) -> None:
        """Send what terminals have to say, and close the links they want closed."""
        if isinstance(ledger, Record):
            ledger.flush()
        fleet = self._fleet
        busy, fleet.busy = fleet.busy, set()
        # In the order of numbers, so that a set's order never shows.
        for number in sorted(busy):
            link = self._links[number]
            pieces = fleet.carry(number)
            if link is None or link.connecting:
                continue
            if pieces and not link.mute:
                link.queue.extend(pieces)
                if not link.writing and not link.paused:
                    self._pump(link)
            if fleet.terminals[number].hang_up and self._links[number] is link:
                self._break(link)

    def _pump(self, link: Link) -> None:
        """Send from the queue until it is empty, the socket is full, or a piece says otherwise."""
        queue = link.queue
        while queue:
            piece = queue.popleft()
            if isinstance(piece, Pause):
                link.paused = True
                heapq.heappush(self._pauses, (time.monotonic() + piece.seconds / self._speed, link.number, id(link)))
                return
            if isinstance(piece, End):
                if piece.how == "vanish":
                    self._hush(link)
                else:
                    self._break(link, reset=True)
                return
            if queue and isinstance(queue[0], bytes):
                parts = [piece]
                while queue and isinstance(queue[0], bytes):
                    parts.append(queue.popleft())  # type: ignore[arg-type]
                piece = b"".join(parts)
            try:
                sent = link.socket.send(piece)
            except BlockingIOError:
                sent = 0
            except OSError:
                self._break(link)
                return
            if sent < len(piece):
                queue.appendleft(piece[sent:])
                if not link.writing:
                    link.writing = True
                    self._epoll.modify(link.socket.fileno(), select.EPOLLIN | select.EPOLLOUT)
                return
        if link.writing:
            link.writing = False
            self._epoll.modify(link.socket.fileno(), select.EPOLLIN)


def _reset(left: socket.socket) -> None:
    """Close with RST, so that no port is kept waiting."""
    with contextlib.suppress(OSError):
        left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    left.close()


def _raise_file_limit(files: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and files > hard:
        raise ValueError(f"{files} open files are needed, the hard limit here is {hard}: simulate fewer vehicles")
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files if hard == resource.RLIM_INFINITY else hard, hard))


@contextlib.contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Let SIGTERM and SIGINT set the event. Outside the main thread signals are somebody else's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, set_stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _quantile(values: list[int], share: float) -> int | None:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None


def simulate(
    vehicles: int = 100,
    tcp: str = DEFAULT_TCP,
    scenario: str = "city",
    seed: int = 1,
    speed: float = 1.0,
    duration_s: float | None = None,
    report_interval_s: float = 10.0,
    journal_acknowledged: Path | None = None,
    start_ms: int | None = None,
    first: int = 0,
    history_s: float = 0.0,
    epoch_ms: int | None = None,
    parent: int | None = None,
    http: str = DEFAULT_HTTP,
    key_file: Path | None = None,
    pace: float = 1.0,
    truth: Path | None = None,
    stop: threading.Event | None = None,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
) -> dict[str, Any]:
    """Drive a fleet against a server until the duration is over, a signal comes, or `stop` is set.

    Args:
        vehicles: cars, each with one terminal; at most the hard limit of open files less FILES_SPARE.
        tcp: HOST:PORT of the server.
        scenario: a name in SCENARIOS.
        seed: city, traffic and chances; terminals' identities do not depend on it.
        speed: virtual seconds a second. Above 1 the fleet starts a day back, so that it is not soon ahead of the
            platform's clock, which flags times more than a day in the future.
        duration_s: seconds by the wall clock; None: until stopped.
        report_interval_s: virtual seconds between two reports of a driving car (parked ones: see Scenario).
        journal_acknowledged: file to write each report sent and acknowledged to (see Record, read_record).
        start_ms: virtual UTC epoch ms to begin at, instead of the above.
        first: number of the first terminal. Several processes with one platform (each may hold 20,000 open files at
            most on some machines) take numbers of their own, since a number is a phone.
        history_s: live through so many virtual seconds before the beginning, in a hurry, and then begin.
        epoch_ms: when the world began, if before that: two runs that name the same one live in the same world, and
            the second takes it up where it is by then. Not used when over WORLD_S_MAX ago.
        parent: stop when the process that started us is no longer this one.
        http: HOST:PORT of the server's API, for a scenario with people in it.
        key_file: file with the API key that they act by; None: DEFAULT_KEY_FILE.
        pace: how many times as much people do as in life.
        truth: file to write what they did to, and to go on from where it is begun: see world/town.py.
        say: takes progress lines.

    Returns:
        The figures at the end, as the last line of `carillon simulate` shows them.

    Raises:
        ValueError: unknown scenario, too many vehicles, an address without port, a speed not above 0.
    """
    if scenario not in SCENARIOS:
        raise ValueError(f"no scenario {scenario!r}; there are {', '.join(SCENARIOS)}")
    host, colon, port = tcp.rpartition(":")
    if not colon or not port.isdecimal():
        raise ValueError(f"an address is HOST:PORT, got {tcp!r}")
    key = ""
    if SCENARIOS[scenario].people:
        if speed != 1:
            raise ValueError(f"people live at the platform's speed, which is 1, not {speed}")
        key = (key_file or DEFAULT_KEY_FILE).read_text("ascii").strip()
    if speed <= 0 or vehicles < 1 or report_interval_s <= 0:
        raise ValueError(f"vehicles, speed and interval are above 0, got {vehicles}, {speed}, {report_interval_s}")
    if not 0 <= history_s <= HISTORY_S_MAX:
        raise ValueError(f"a history is 0 to {HISTORY_S_MAX} s long, got {history_s:.0f}")
    _raise_file_limit(vehicles + FILES_SPARE)
    stop = stop or threading.Event()
    if start_ms is None:
        start_ms = int(time.time() * 1000) - (86_400_000 if speed > 1 else 0)
    start_ms = start_ms // 1000 * 1000
    past_ms = int(history_s) * 1000
    silent_s = max(0, start_ms - past_ms - (start_ms if epoch_ms is None else epoch_ms)) // 1000
    if silent_s > WORLD_S_MAX:
        silent_s = 0
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(journal_acknowledged.open("a", encoding="ascii")) if journal_acknowledged else None
        ledger = Record(file)
        city = build(seed)
        fleet = Fleet(
            city,
            vehicles,
            SCENARIOS[scenario],
            seed,
            start_ms - past_ms,
            ledger,
            interval_ms=int(report_interval_s * 1000),
            dial_over_ms=int(max(1000, vehicles * FIRST_DIAL_MS) * speed),
            first=first,
            silent_s=silent_s,
            hurry=past_ms > 0,
        )
        began_s = time.monotonic()
        used = resource.getrusage(resource.RUSAGE_SELF)
        loop = Loop(
            fleet,
            (host.strip("[]"), int(port)),
            lambda: start_ms + int((time.monotonic() - began_s) * speed * 1000),
            speed,
        )
        stack.callback(loop.close)
        stack.enter_context(_stopped_by_signals(stop))
        living = None
        if SCENARIOS[scenario].people:
            since_ms = start_ms - past_ms - silent_s * 1000
            living = Living(fleet, http, key, seed=seed, since_ms=since_ms, pace=pace, truth=truth, say=say)
            stack.enter_context(living)
        say(f"simulate: {vehicles} cars in {CITY_NAME[1]} (seed {seed}), scenario {scenario}, to {tcp}")
        shown_s = began_s
        hurried = fleet.hurrying
        while not stop.is_set() and (duration_s is None or time.monotonic() - began_s < duration_s):
            loop.turn(SLOT_MS / 1000)
            if hurried and not fleet.hurrying:
                hurried = False
                say(f"{time.monotonic() - began_s:6.0f} s  history: lived through, real time from now on")
            if time.monotonic() - shown_s >= PROGRESS_S:
                shown_s += PROGRESS_S
                say(_progress(loop, fleet, ledger, time.monotonic() - began_s))
                if fleet.hurrying:
                    lived = 1 - (start_ms - fleet.world.now_ms) / past_ms
                    say(f"          history: {lived:.0%} of {history_s / 3600:.1f} h")
                if parent is not None and os.getppid() != parent:
                    break
        ended_s = time.monotonic()
        while time.monotonic() - ended_s < DRAIN_S and any(
            t.unacknowledged and t.state == ONLINE for t in fleet.terminals
        ):
            loop.turn(SLOT_MS / 1000, living=False)
        ledger.flush()
        now = resource.getrusage(resource.RUSAGE_SELF)
        waited = [int(w / speed) for w in ledger.waited_ms]
        return {
            **({} if living is None else {"people": living.statistics()}),
            "vehicles": vehicles,
            "scenario": scenario,
            "seed": seed,
            "speed": speed,
            "seconds": round(ended_s - began_s, 3),
            "connected": loop.open_links(),
            "online": sum(t.state == ONLINE for t in fleet.terminals),
            "registered": ledger.registered,
            "logins": ledger.logins,
            "reports_sent": ledger.sent,
            "reports_acknowledged": ledger.acknowledged,
            "reports_sent_again": ledger.sent_again,
            "reports_open": sum(t.unacknowledged for t in fleet.terminals),
            "reports_given_up": ledger.given_up,
            "batches": ledger.batches,
            "refused": ledger.refused,
            "answers": ledger.answers,
            "heartbeats": ledger.heartbeats,
            "bad_frames": ledger.bad_frames,
            "links_broken": loop.broken,
            "dials_failed": loop.failed,
            "ack_p50_ms": _quantile(waited, 0.50),
            "ack_p99_ms": _quantile(waited, 0.99),
            "cpu_s": round(now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime, 3),
            "rss_mb": round(now.ru_maxrss / 1024, 1),
        }


def _progress(loop: Loop, fleet: Fleet, ledger: Ledger, seconds: float) -> str:
    online = sum(terminal.state == ONLINE for terminal in fleet.terminals)
    return (
        f"{seconds:6.0f} s  connected {loop.open_links()}  online {online}  reports sent {ledger.sent}"
        f"  acknowledged {ledger.acknowledged}  again {ledger.sent_again}  answers {ledger.answers}"
        f"  broken {loop.broken}"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `carillon simulate`."""
    parser.add_argument("--vehicles", type=int, default=100)
    parser.add_argument("--tcp", default=DEFAULT_TCP, metavar="HOST:PORT")
    about = "; ".join(f"{name}: {scenario.about}" for name, scenario in SCENARIOS.items())
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), default="city", help=about)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first terminal, for several fleets at once")
    parser.add_argument("--speed", type=float, default=1.0, help="virtual seconds a second")
    parser.add_argument("--seconds", type=float, default=None, help="how long, by the wall clock; else until stopped")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between two reports of a driving car")
    parser.add_argument(
        "--history", default="0", metavar="TIME", help="first live through so much of the past: 6h, 90m"
    )
    parser.add_argument("--epoch", type=int, metavar="MS", help="when the world began, UTC epoch ms")
    parser.add_argument("--parent", type=int, metavar="PID", help="stop when the process that started this has ended")
    parser.add_argument("--http", default=DEFAULT_HTTP, metavar="HOST:PORT", help="the server's API, for people")
    parser.add_argument("--key-file", type=Path, default=None, help="file with the API key that people act by")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as much people do as in life")
    parser.add_argument("--truth", type=Path, default=None, help="write what people did to this file")
    parser.add_argument(
        "--record", type=Path, default=None, help="write every report sent and acknowledged to this file"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `python -m simulators.run`. Prints progress, and last one line of JSON. Returns 2 for what cannot be done."""
    parser = argparse.ArgumentParser(prog="simulate", description="drive simulated cars against a server")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        figures = simulate(
            options.vehicles,
            options.tcp,
            options.scenario,
            options.seed,
            options.speed,
            options.seconds,
            options.interval,
            options.record,
            first=options.first,
            history_s=seconds_of(options.history),
            epoch_ms=options.epoch,
            parent=options.parent,
            http=options.http,
            key_file=options.key_file,
            pace=options.pace,
            truth=options.truth,
        )
    except (ValueError, OSError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    print(json.dumps(figures), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
