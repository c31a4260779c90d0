"""Intake: the thread that runs the compiled loop, its memory, and the commands that actors give it."""

import ctypes
import ipaddress
import os
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from core.intake import loop
from core.intake.journal import Journal
from core.intake.records import OUT_ROWS, OUT_WORDS, publish, published, read_records
from core.limits import (
    ADDRESSES_HEARD_MAX,
    BYTES_PER_S_MAX,
    COMMAND_QUEUE_BYTES,
    FRAMES_PER_S_MAX,
    GIVE_WAY_S_MIN,
    LINKS_MAX,
    LINKS_PER_ADDRESS_MAX,
    LINKS_PER_ADDRESS_MINUTE_MAX,
    LOGIN_S_MAX,
    PARTIAL_BYTES_MAX,
    RATE_AT_ONCE_S,
    RECEIVE_BYTES,
    SEND_POOL_CHUNK_BYTES,
    SEND_POOL_CHUNKS,
    STALL_ALARMS_MAX,
    STRANGERS_PER_ADDRESS_MAX,
    TERMINALS_MAX,
    TERMINALS_PER_LINK_MAX,
    TERMINALS_PER_STRANGE_LINK_MAX,
    TRUSTED_NETWORKS_MAX,
)
from protocols.report import REPORT
from protocols.seam import IDENTITY_WORDS, ROWS_PER_FRAME_MAX, SPLIT_OUTPUT_BYTES, Kernels

_WORD: Final = (1 << 64) - 1
SOCKET_SEND_BYTES: Final = 16 * 1024
SOCKET_RECEIVE_BYTES: Final = 64 * 1024
"""Set on the listener: the kernel would else grow a peer's buffers to megabytes and hide that it does not read."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket as the intake wants it: options here are inherited by what it accepts.

    Raises:
        OSError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_SEND_BYTES)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_RECEIVE_BYTES)
        listener.bind((host, port))
        listener.listen(4096)
    except OSError:
        listener.close()
        raise
    return listener


_COUNTER: Final = {name: k for k, (name, _) in enumerate(loop.COUNTERS)}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_words(network: Network) -> tuple[int, int, int, int]:
    """Return a network and its mask as the loop compares them: 128 bits each, high half first, IPv4 behind ::ffff."""
    address, bits = int(network.network_address), network.prefixlen
    if network.version == 4:
        address, bits = address | 0xFFFF << 32, bits + 96
    mask = (1 << 128) - (1 << (128 - bits))
    halves = (address >> 64, address & _WORD, mask >> 64, mask & _WORD)
    high, low, mask_high, mask_low = (half - (1 << 64) if half >> 63 else half for half in halves)
    return high, low, mask_high, mask_low


class Intake:
    """One listener, one thread, one journal. Also what actors see of it: `core.intake.links.Links`.

    Commands are for one thread only, the one in which Trio runs.

    Args:
        listener: from `listen`; the intake closes it.
        boot: number of this start, higher than any before: links are numbered under it.
        trusted: networks that no limit per address or connection holds for; a terminal's own rate does, where it
            shares a connection with others.
        frames_per_s_max, bytes_per_s_max: of one terminal, in the long run.
        ack_after: sync, write or receive.
        on_sealed: called from the housekeeping thread when segments were sealed.
    """

    def __init__(
        self,
        journal: Journal,
        kernels: Kernels,
        listener: socket.socket,
        *,
        boot: int,
        ack_after: str = "sync",
        ack_window_ms: float = 10,
        idle_s: float = 180,
        idle_any: bool = False,
        links_max: int = LINKS_MAX,
        terminals_per_link_max: int = TERMINALS_PER_LINK_MAX,
        trusted: Sequence[Network] = (),
        links_per_address_max: int = LINKS_PER_ADDRESS_MAX,
        links_per_address_minute_max: int = LINKS_PER_ADDRESS_MINUTE_MAX,
        frames_per_s_max: int = FRAMES_PER_S_MAX,
        bytes_per_s_max: int = BYTES_PER_S_MAX,
        rate_at_once_s: float = RATE_AT_ONCE_S,
        login_s_max: float = LOGIN_S_MAX,
        give_way_s_min: float = GIVE_WAY_S_MIN,
        protocol: int = 1,
        on_sealed: Callable[[], None] = lambda: None,
    ) -> None:
        self.journal = journal
        self.boot = boot
        self.ended = False
        self._kernels = kernels
        self._listener = listener
        self._on_sealed = on_sealed
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.hand_up_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable when the readers have something new; whoever waits reads it empty."""
        self.alarm_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        """Readable when `take_alarms` has something; whoever waits reads it empty."""
        self._house = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._areas: list[Any] = []
        s = self.state = np.zeros(loop.STATE_WORDS, np.int64)
        s[loop.SELF] = s.ctypes.data
        s[loop.EPOLL] = self._epoll.fileno()
        s[loop.LISTENER] = listener.fileno()
        s[loop.WAKE] = self._wake
        s[loop.HAND_UP] = self.hand_up_fd
        s[loop.HOUSE] = self._house
        s[loop.ALARM_WAKE] = self.alarm_fd
        s[loop.ACK_AFTER] = loop.ACK_AFTER_MODES.index(ack_after)
        s[loop.WINDOW_NS] = int(ack_window_ms * 1_000_000)
        s[loop.IDLE_MS] = int(idle_s * 1000)
        s[loop.IDLE_ANY] = idle_any
        s[loop.BOOT] = boot
        s[loop.LINKS_LIMIT] = links_max
        s[loop.TERMINALS_LIMIT] = terminals_per_link_max
        s[loop.PROTOCOL] = protocol
        s[loop.LINKS] = self._area(loop.FDS_MAX * loop.LINK_BYTES)
        s[loop.PARTIALS] = self._area(loop.FDS_MAX * PARTIAL_BYTES_MAX)
        s[loop.EVENTS] = self._area(loop.EVENTS_MAX * 16)
        s[loop.SCRATCH] = self._area(PARTIAL_BYTES_MAX + RECEIVE_BYTES + 64)
        # The record being built may be a command's, or hold a frame that split writes before anyone has judged it.
        s[loop.STAGING] = self._area(loop.STAGING_BYTES + SPLIT_OUTPUT_BYTES)
        s[loop.ARENA] = self._area(loop.ARENA_BYTES)
        s[loop.SPANS] = self._area(loop.SPANS_MAX * loop.SPAN_WORDS * 8)
        s[loop.POOL] = self._area(SEND_POOL_CHUNKS * SEND_POOL_CHUNK_BYTES)
        s[loop.POOL_FREE] = self._area(SEND_POOL_CHUNKS * 8)
        self._areas[-1].view(np.int64)[:SEND_POOL_CHUNKS] = np.arange(SEND_POOL_CHUNKS)
        s[loop.POOL_TOP] = SEND_POOL_CHUNKS
        s[loop.ADMISSIONS] = self._area(loop.ADMISSIONS_MAX * loop.ADMISSION_WORDS * 8)
        s[loop.FD_OF] = self._area(loop.FD_OF_WORDS * 8)
        s[loop.COMMANDS] = self._area(COMMAND_QUEUE_BYTES)
        s[loop.IDENTITY] = self._area(IDENTITY_WORDS * 8)
        s[loop.RESULT] = self._area(64)
        s[loop.TIMES] = self._area(64)
        s[loop.NEXT] = self._area(loop.NEXT_MAX * loop.NEXT_WORDS * 8)
        s[loop.SEALED] = self._area(loop.SEALED_MAX * loop.SEALED_WORDS * 8)
        s[loop.ALARMS] = self._area(STALL_ALARMS_MAX * loop.ALARM_BYTES)
        if len(trusted) > TRUSTED_NETWORKS_MAX:
            raise ValueError(f"at most {TRUSTED_NETWORKS_MAX} networks are trusted, got {len(trusted)}")
        s[loop.PEER] = self._area(64)
        s[loop.ADDRESSES] = self._area(ADDRESSES_HEARD_MAX * loop.ADDRESS_WORDS * 8)
        s[loop.ADDRESS_SEED] = secrets.randbits(63)
        s[loop.TRUSTED] = self._area(TRUSTED_NETWORKS_MAX * loop.TRUSTED_WORDS * 8)
        words = [word for network in trusted for word in network_words(network)]
        self._areas[-1].view(np.int64)[: len(words)] = words
        s[loop.TRUSTED_COUNT] = len(trusted)
        s[loop.ADDRESS_LINKS_LIMIT] = links_per_address_max
        s[loop.ADDRESS_STRANGERS_LIMIT] = min(STRANGERS_PER_ADDRESS_MAX, links_per_address_max)
        s[loop.ADDRESS_LINK_US] = 60_000_000 // links_per_address_minute_max
        s[loop.ADDRESS_AT_ONCE_US] = s[loop.ADDRESS_LINK_US] * links_per_address_max
        s[loop.LOGIN_MS] = int(login_s_max * 1000)
        s[loop.GIVE_WAY_MS] = int(give_way_s_min * 1000)
        s[loop.FRAME_US] = max(1, 1_000_000 // frames_per_s_max)
        s[loop.BYTE_NS] = max(1, 1_000_000_000 // bytes_per_s_max)
        s[loop.AT_ONCE_US] = int(rate_at_once_s * 1_000_000)
        # 32 MB of addresses, of which a page is used for each 256 terminals that were here.
        s[loop.DEBTS] = self._area(TERMINALS_MAX * 16)
        s[loop.STRANGE_TERMINALS_LIMIT] = TERMINALS_PER_STRANGE_LINK_MAX
        s[loop.SEGMENT_FD] = -1
        s[loop.SEQUENCE] = journal.last_sequence
        s[loop.LISTENING] = 1
        self._payload = np.zeros(loop.COMMAND_BYTES_MAX, np.uint8)
        self._threads = [
            threading.Thread(target=self._run, name="intake", daemon=True),
            threading.Thread(target=self._keep, name="journal", daemon=True),
        ]
        journal.attach(s)

    def _area(self, size: int) -> int:
        """Allocate zeroed memory, aligned to a cache line, that lives as long as this object; return its address."""
        area = np.zeros(size + 64, np.uint8)
        skip = -area.ctypes.data % 64
        self._areas.append(area[skip : skip + size])
        return self._areas[-1].ctypes.data

    def start(self) -> None:
        """Start the threads and take connections."""
        for thread in self._threads:
            thread.start()

    @property
    def thread_ids(self) -> dict[str, int]:
        """Native ids of the threads by name; empty before `start`."""
        return {thread.name: thread.native_id for thread in self._threads if thread.native_id}

    def gauges(self) -> list[tuple[str, str, Callable[[], int]]]:
        """Return name, meaning and reading of what fills inside the loop; see LINKS_MAX for the connections."""
        s = self.state
        return [
            (
                "admissions",
                "Terminals admitted on a connection beside its first.",
                lambda: int(s[loop.ADMISSIONS_USED]),
            ),
            (
                "send_chunks",
                "Chunks of the pool for unsent bytes in use.",
                lambda: SEND_POOL_CHUNKS - int(s[loop.POOL_TOP]),
            ),
            (
                "command_bytes",
                "Bytes of commands on their way to the loop.",
                lambda: int(s[loop.COMMAND_TAIL]) - int(s[loop.COMMAND_HEAD]),
            ),
        ]

    @property
    def turns(self) -> int:
        """A number that changes each second while the loop turns or waits for the journal, and when it has ended."""
        if self.ended:
            return time.monotonic_ns()
        return sum(int(self.state[loop.COUNT + _COUNTER[name]]) for name in ("rounds", "stalls_ms"))

    def _run(self) -> None:
        entries = self._kernels.entries
        loop.run_loop(self.state, entries.split, entries.identify, entries.reply, COMMAND_QUEUE_BYTES)
        self.ended = True

    def _keep(self) -> None:
        self.journal.keep(self._on_sealed)

    def stop(self) -> None:
        """Commit what is staged, answer it, end every connection, seal the segment. Returns when it is done."""
        address = self.state.ctypes.data
        publish(address + 8 * loop.STOP, 1)
        os.eventfd_write(self._wake, 1)
        self._threads[0].join()
        publish(address + 8 * loop.STOP, 2)
        os.eventfd_write(self._house, 1)
        self._threads[1].join()
        self.journal.detach()
        links = np.ctypeslib.as_array(
            ctypes.cast(int(self.state[loop.LINKS]), ctypes.POINTER(ctypes.c_int64)), (loop.FDS_MAX, loop.LINK_WORDS)
        )
        for fd in np.flatnonzero(links[: int(self.state[loop.FD_TOP]) + 1, loop.LINK]).tolist():
            os.close(fd)
        self._epoll.close()
        self._listener.close()
        for eventfd in (self._wake, self.hand_up_fd, self.alarm_fd, self._house):
            os.close(eventfd)

    def counters(self) -> dict[str, int]:
        """Return every counter by name; see loop.COUNTERS for what they mean."""
        return {name: int(self.state[loop.COUNT + k]) for k, (name, _) in enumerate(loop.COUNTERS)}

    @property
    def fault(self) -> str:
        """Why the journal takes nothing, and since when; empty while it does."""
        since_ms = int(self.state[loop.HELD_MS])
        if not since_ms:
            return ""
        error = int(self.state[loop.DISK_ERROR])
        why = os.strerror(error) if error else self.journal.last_error or "no segment is ready"
        waited_s = max(0, int(self.state[loop.STEADY_MS]) - since_ms) / 1000
        return f"nothing has been acknowledged for {waited_s:.1f} s: {why}"

    def take_alarms(self) -> Any:
        """Return the reports with an alarm bit that came while the journal took nothing, (n,) REPORT, n mostly 0.

        They are in no journal yet and not acknowledged: they come again, as the same reports. Without their items.
        For one caller.
        """
        address = self.state.ctypes.data
        head = int(self.state[loop.ALARMS_HEAD])
        tail = published(address + 8 * loop.ALARMS_TAIL)
        room = np.zeros(ROWS_PER_FRAME_MAX, REPORT)
        identity, offset, out = np.zeros(IDENTITY_WORDS, np.int64), np.zeros(1, np.int64), np.zeros(OUT_WORDS, np.int64)
        found = [room[:0]]
        for k in range(head, tail):
            slot = int(self.state[loop.ALARMS]) + (k % STALL_ALARMS_MAX) * loop.ALARM_BYTES
            read_records(
                slot,
                0,
                loop.ALARM_BYTES,
                self._kernels.entries.identify,
                self._kernels.entries.decode,
                room.ctypes.data,
                len(room),
                offset.ctypes.data,
                offset.ctypes.data,
                1,
                identity.ctypes.data,
                out.ctypes.data,
            )
            found.append(room[: out[OUT_ROWS]].copy())
        publish(address + 8 * loop.ALARMS_HEAD, tail)
        return np.concatenate(found)

    def peer(self, link: int) -> str:
        """Return the address at the other end of a link, empty where it has gone."""
        links = np.ctypeslib.as_array(
            ctypes.cast(int(self.state[loop.LINKS]), ctypes.POINTER(ctypes.c_int64)), (loop.FDS_MAX, loop.LINK_WORDS)
        )
        fds = np.ctypeslib.as_array(
            ctypes.cast(int(self.state[loop.FD_OF]), ctypes.POINTER(ctypes.c_int64)), (loop.FD_OF_WORDS,)
        )
        fd = int(fds[link & (loop.FD_OF_WORDS - 1)])
        if links[fd, loop.LINK] != link:
            return ""
        try:
            # The descriptor is the intake's: this object must not close it.
            borrowed = socket.socket(fileno=fd)
        except OSError:
            return ""
        try:
            host = str(borrowed.getpeername()[0])
        except (OSError, IndexError):
            return ""
        finally:
            borrowed.detach()
        # A link's number is never used again: the same before and after, it was that link's descriptor all along.
        return host.removeprefix("::ffff:") if links[fd, loop.LINK] == link else ""

    # --- Links ---

    def _command(
        self,
        operation: int,
        link: int,
        phone: tuple[int, int] = (0, 0),
        terminal: int = 0,
        vehicle_id: int = 0,
        payload: bytes = b"",
    ) -> bool:
        length = len(payload)
        if length > loop.COMMAND_BYTES_MAX:
            raise ValueError(f"a command carries at most {loop.COMMAND_BYTES_MAX} bytes, got {length}")
        if length:
            self._payload[:length] = np.frombuffer(payload, np.uint8)
        high, low = (word - (1 << 64) if word >> 63 else word for word in phone)
        address = self._payload.ctypes.data
        taken = loop.push_command(
            self.state, COMMAND_QUEUE_BYTES, operation, link, high, low, terminal, vehicle_id, address, length
        )
        os.eventfd_write(self._wake, 1)
        return bool(taken)

    def send(self, link: int, wire: bytes) -> bool:
        """See Links.send."""
        return self._command(loop.SEND, link, payload=wire)

    def admit(self, link: int, phone: tuple[int, int], terminal: int, vehicle_id: int, wire: bytes) -> bool:
        """See Links.admit."""
        return self._command(loop.ADMIT, link, phone, terminal, vehicle_id, wire)

    def evict(self, link: int, phone: tuple[int, int]) -> bool:
        """See Links.evict."""
        return self._command(loop.EVICT, link, phone)

    def close(self, link: int, reason: str) -> bool:
        """See Links.close. The reason is the caller's to keep: the record that comes up says `ended`."""
        return self._command(loop.CLOSE, link)

    def pause(self, link: int) -> bool:
        """See Links.pause."""
        return self._command(loop.PAUSE, link)

    def resume(self, link: int) -> bool:
        """See Links.resume."""
        return self._command(loop.RESUME, link)

    def reenter(self, link: int, terminal: int, vehicle_id: int, frame: bytes) -> bool:
        """See Links.reenter."""
        return self._command(loop.REENTER, link, terminal=terminal, vehicle_id=vehicle_id, payload=frame)
