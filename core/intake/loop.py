"""The compiled loop: accept, receive, split, check, journal, sync, acknowledge. One thread, no Python, no allocation.

A round is: wait for sockets, read each once, carry out the commands of the actors, commit. A commit writes what the
round staged to the journal's segment, syncs it, and only then sends the answers, so that nothing is acknowledged that
a power cut could take back. Rounds are at least `ack_window_ms` apart unless the round was large: one sync and one
wake-up then serve many reports.

Where the journal takes nothing (its disk is full or failed, its bound is reached), what is staged is held, and rounds
go on: what comes is looked at and left in its socket, so that nothing is lost and TCP slows the terminals down; each
report with an alarm bit goes up by a ring of its own, unacknowledged, and heartbeats are answered.

Two clocks: NOW_MS is the wall's and dates what arrives; STEADY_MS never jumps and measures every wait.

The thread owns every connection's state. It shares with others only: counters that one side writes and the other
reads with acquire and release, the command queue, the ring of prepared segments and the ring of sealed ones.

Who connects is counted by address, and what nobody has proved to be a terminal is kept in a list, the oldest in front:
it costs little, may stay for a minute, and gives way first. What a terminal sends too much of is left in its socket.
Rates are kept as the moment up to which a sender has used up what it may send in the long run, in microseconds of the
steady clock (GCRA; ITU-T I.371): one word, one addition, no timer.

`s` is the state block, int64[STATE_WORDS]; an index is a name below. Everything larger hangs on it by address.
"""

import platform
from typing import Any, Final

from numba import njit, types

from core.intake.links import KIND_ASSEMBLED, KIND_FRAME, KIND_LINK_CLOSED, KIND_TERMINAL_SILENT
from core.intake.records import RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, seal_record, seal_segment_header
from core.limits import (
    ACCEPT_PER_ROUND,
    ADDRESS_PROBES_MAX,
    ADDRESSES_HEARD_MAX,
    BAD_FRAMES_MAX,
    FRAMES_BEFORE_LOGIN_MAX,
    HAND_UP_MS,
    HAND_UP_ROWS,
    KNOCKS_PER_ROUND,
    PARTIAL_BYTES_MAX,
    RECEIVE_BYTES,
    REST_MS,
    ROUND_BYTES_MAX,
    ROUND_ROWS_MAX,
    SEAL_ROWS,
    SEAL_ROWS_MAX,
    SEAL_S,
    SEAL_S_MIN,
    SEGMENT_BYTES,
    SEND_POOL_CHUNK_BYTES,
    STALL_ALARMS_MAX,
    STALL_RETRY_MS,
    STALL_ROUND_BYTES,
    STALL_ROUND_MS,
    STRANGER_BYTES_MAX,
    STRANGER_FRAMES_MAX,
    TERMINALS_MAX,
)
from protocols.memory import (
    call3,
    call4,
    call5,
    copy,
    load_acquire,
    load_i64,
    load_u16,
    load_u32,
    load_u32_be,
    store_i64,
    store_release,
    store_u8,
    store_u32,
)
from protocols.seam import (
    CLASS_BAD,
    CLASS_FRAGMENT,
    CLASS_HEARTBEAT,
    CLASS_LOGIN,
    CLASS_REPORT,
    CLASS_UNKNOWN,
    CLASS_UNREADABLE,
    IDENTITY_ALARM,
    IDENTITY_LENGTH_FAULT,
    IDENTITY_PHONE_HIGH,
    IDENTITY_PHONE_LOW,
    IDENTITY_REPLY_SERIAL,
    REASON_NAMES,
    REPLY_BYTES_MAX,
    RESULT_FAILURE,
    RESULT_OK,
    RESULT_UNSUPPORTED,
    RESULT_WRONG,
    SPLIT_BAD,
    SPLIT_FRAME,
    SPLIT_MORE,
    SPLIT_OUTPUT_BYTES,
)

# --- the state block --------------------------------------------------------------------------------------------------

# Set once by Python.
SELF: Final = 0  # address of the block itself, for atomics
EPOLL: Final = 1
LISTENER: Final = 2
WAKE: Final = 3  # eventfd: commands are waiting
HAND_UP: Final = 4  # eventfd: readers, there is something new
HOUSE: Final = 5  # eventfd: housekeeping, a segment was sealed
ACK_AFTER: Final = 6
WINDOW_NS: Final = 7
IDLE_MS: Final = 8
BOOT: Final = 9
LINKS_LIMIT: Final = 10
PROTOCOL: Final = 11
LINKS: Final = 12  # addresses from here on
PARTIALS: Final = 13
EVENTS: Final = 14
SCRATCH: Final = 15
STAGING: Final = 16
ARENA: Final = 17
SPANS: Final = 18
POOL: Final = 19
POOL_FREE: Final = 20
ADMISSIONS: Final = 21
FD_OF: Final = 22
COMMANDS: Final = 23
IDENTITY: Final = 24
RESULT: Final = 25
TIMES: Final = 26
NEXT: Final = 27
SEALED: Final = 28
TERMINALS_LIMIT: Final = 29
IDLE_ANY: Final = 30  # 1: what we send keeps a connection open too
ALARMS: Final = 31

# The loop's own.
STAGED: Final = 32  # bytes staged for the next commit
STAGED_RECORDS: Final = 33
ARENA_USED: Final = 34
SPANS_USED: Final = 35
POOL_TOP: Final = 36
LINK_COUNTER: Final = 37
FD_TOP: Final = 38
SEGMENT_FD: Final = 39
SEGMENT_ID: Final = 40
SEGMENT_OFFSET: Final = 41
SEGMENT_RECORDS: Final = 42
SEGMENT_OPENED_MS: Final = 43
SEQUENCE: Final = 44  # of the last record staged
NOW_MS: Final = 45
LISTENING: Final = 46
UNHANDED: Final = 47
UNHANDED_SINCE_MS: Final = 48
URGENT: Final = 49
TICK_MS: Final = 50
ADMISSIONS_USED: Final = 51
ROUND_RECORDS: Final = 52
ROUND_BYTES: Final = 53
DISK_ERROR: Final = 54  # errno of the last write or sync while the journal takes nothing, 0 for none
STEADY_MS: Final = 55  # of a clock that nobody sets: what lasts is measured by it
WAITING: Final = 56  # connections on which nobody is logged in: descriptor + 1 of the oldest, and of the youngest
RESTING: Final = 58  # connections that have sent too much, likewise
RETRY_MS: Final = 60  # what is held is not tried again before
SEGMENT_FAILED: Final = 61  # 1: the segment ends where it was synced last
SEGMENT_OPENED_STEADY_MS: Final = 62
SEGMENT_FIRST: Final = 63  # its first sequence
HELD_MS: Final = 74  # since when (STEADY_MS) what is staged waits for the journal, 0: it does not
ROUND_LOOKED: Final = 75  # bytes looked at meanwhile
ALARM_WAKE: Final = 76  # set once: eventfd, there are alarms in their ring

# Shared: one side writes, the other reads. A cache line each.
STOP: Final = 64
PUBLISHED: Final = 72  # segment id << 32 | offset: everything before is synced
PUBLISHED_SEQUENCE: Final = 73
COMMAND_HEAD: Final = 80  # bytes ever read by the loop
ALARMS_TAIL: Final = 81  # alarms ever put into their ring by the loop
COMMAND_TAIL: Final = 88  # bytes ever written by Python
ALARMS_HEAD: Final = 89  # alarms ever taken out of it by Python
NEXT_HEAD: Final = 96  # prepared segments taken by the loop
NEXT_TAIL: Final = 104  # prepared segments offered by Python
SEALED_HEAD: Final = 112
SEALED_TAIL: Final = 120

COUNTERS: Final = (
    ("links_live", "Connections open now."),
    ("links_accepted", "Connections accepted."),
    ("links_refused", "Connections closed at once because links_max are open."),
    ("links_closed", "Connections the peer closed, or that died."),
    ("links_silent", "Connections closed after idle_s without a byte."),
    ("links_garbage", "Connections closed for endless garbage or for too many frames before login."),
    ("links_slow", "Connections closed because their peer does not read."),
    ("links_ended", "Connections closed by an actor."),
    ("links_nobody", "Connections closed because nobody logged in on them in time, or to make room for others."),
    ("bytes_received", "Bytes received."),
    ("bytes_sent", "Bytes sent."),
    ("frames_received", "Frames cut out of the streams, good ones."),
    ("frames_journalled", "Records synced to the journal."),
    ("heartbeats", "Heartbeats answered in place."),
    ("reports_acknowledged", "Position frames acknowledged."),
    ("frames_refused", "Frames of a terminal that is not admitted on its link."),
    ("frames_unreadable", "Position frames whose head cannot be read, kept raw."),
    ("frames_unknown", "Frames with an id no standard knows, kept raw."),
    ("frames_length_fault", "Frames whose header states another length than they have."),
    ("bad_checksum", "Frames dropped: the checksum does not hold."),
    ("bad_escape", "Frames dropped: a byte behind 7d is neither 01 nor 02."),
    ("bad_short", "Frames dropped: shorter than a header."),
    ("bad_endless", "Runs of bytes dropped: no end within the longest frame."),
    ("bad_header", "Frames dropped: the header cannot be read."),
    ("junk_bytes", "Bytes outside any frame."),
    ("commits", "Commits: one write, one sync."),
    ("segments_sealed", "Journal segments sealed."),
    ("stalls_ms", "Milliseconds in which the journal took nothing: nothing was acknowledged meanwhile."),
    ("journal_refusals", "Writes and syncs of the journal that failed; each was done again in another segment."),
    ("alarms_unacknowledged", "Reports with an alarm bit judged while the journal took nothing."),
    (
        "alarms_passed_over",
        "Reports with an alarm bit that found their ring full: judged once they are journalled.",
    ),
    ("commands", "Commands of the actors carried out."),
    ("commands_late", "Commands for a link that had ended."),
    ("terminals_silent", "Terminals on a shared connection shut out after idle_s without a frame of theirs."),
    ("admissions_refused", "Admissions refused: too many terminals on a link, or in all."),
    ("hand_ups", "Times the readers were woken."),
    ("rounds", "Rounds of the loop."),
    ("accept_errors", "accept failed, for example for want of descriptors."),
    ("sends_short", "Sends the socket took only in part."),
    ("links_waiting", "Connections open now on which nobody is logged in."),
    ("links_resting", "Connections not read now because they sent more than a terminal may."),
    ("links_rested", "Times a connection was not read for a while because it sent more than a terminal may."),
    ("links_refused_address", "Connections closed at once because their address has too many, or too many strangers."),
    ("links_refused_rate", "Connections closed at once because their address opened too many in a minute."),
    (
        "frames_let_go",
        "Frames of a terminal that sends too much on a shared connection: unacknowledged, to come again.",
    ),
)
"""Names and meanings of the counters, in the order in which they stand from COUNT on."""

COUNT: Final = 128

# Bounds that an operator may move, and what they are kept in; set once by Python.
PEER: Final = 192  # sockaddr of whoever connects, and at PEER_LENGTH its length
ADDRESSES: Final = 193
TRUSTED: Final = 194
TRUSTED_COUNT: Final = 195
ADDRESS_SEED: Final = 196  # random, so that nobody can choose addresses that crowd one another
ADDRESS_LINKS_LIMIT: Final = 197
ADDRESS_STRANGERS_LIMIT: Final = 198
ADDRESS_LINK_US: Final = 199  # between two connections of one address, in the long run
ADDRESS_AT_ONCE_US: Final = 200
LOGIN_MS: Final = 201
FRAME_US: Final = 202  # between two frames of one terminal, in the long run
BYTE_NS: Final = 203
AT_ONCE_US: Final = 204
DEBTS: Final = 205  # by terminal: FRAMES_DUE and BYTES_DUE when it was last here
STRANGE_TERMINALS_LIMIT: Final = 206
GIVE_WAY_MS: Final = 207
STATE_WORDS: Final = 256
_INDEX: Final = {name: COUNT + k for k, (name, _) in enumerate(COUNTERS)}
_LIVE: Final = _INDEX["links_live"]
_ACCEPTED: Final = _INDEX["links_accepted"]
_REFUSED: Final = _INDEX["links_refused"]
_RECEIVED: Final = _INDEX["bytes_received"]
_SENT: Final = _INDEX["bytes_sent"]
_FRAMES: Final = _INDEX["frames_received"]
_JOURNALLED: Final = _INDEX["frames_journalled"]
_HEARTBEATS: Final = _INDEX["heartbeats"]
_REPORTS: Final = _INDEX["reports_acknowledged"]
_NOT_ADMITTED: Final = _INDEX["frames_refused"]
_UNREADABLE: Final = _INDEX["frames_unreadable"]
_UNKNOWN: Final = _INDEX["frames_unknown"]
_LENGTH_FAULT: Final = _INDEX["frames_length_fault"]
_BAD: Final = _INDEX["bad_checksum"] - 1  # + REASON_*
_BAD_HEADER: Final = _INDEX["bad_header"]
_JUNK: Final = _INDEX["junk_bytes"]
_COMMITS: Final = _INDEX["commits"]
_SEALS: Final = _INDEX["segments_sealed"]
_STALLS: Final = _INDEX["stalls_ms"]
_REFUSALS: Final = _INDEX["journal_refusals"]
_ALARMS: Final = _INDEX["alarms_unacknowledged"]
_PASSED_OVER: Final = _INDEX["alarms_passed_over"]
_COMMANDS: Final = _INDEX["commands"]
_LATE: Final = _INDEX["commands_late"]
_ADMISSIONS_REFUSED: Final = _INDEX["admissions_refused"]
_TERMINALS_SILENT: Final = _INDEX["terminals_silent"]
_HAND_UPS: Final = _INDEX["hand_ups"]
_ROUNDS: Final = _INDEX["rounds"]
_ACCEPT_ERRORS: Final = _INDEX["accept_errors"]
_SHORT: Final = _INDEX["sends_short"]
_WAITING: Final = _INDEX["links_waiting"]
_RESTING: Final = _INDEX["links_resting"]
_RESTED: Final = _INDEX["links_rested"]
_REFUSED_ADDRESS: Final = _INDEX["links_refused_address"]
_REFUSED_RATE: Final = _INDEX["links_refused_rate"]
_LET_GO: Final = _INDEX["frames_let_go"]
GAUGES: Final = frozenset({"links_live", "links_waiting", "links_resting"})
"""Counters that may fall."""
assert [REASON_NAMES[k + 1] for k in range(5)] == [name[4:] for name, _ in COUNTERS if name.startswith("bad_")]
assert COUNT + len(COUNTERS) <= PEER

# A connection's row: int64 words, indexed by its descriptor. What every report touches stands in the first two of its
# three cache lines.
LINK: Final = 0  # 0: free
FLAGS: Final = 1
LAST_MS: Final = 2  # last frame, of the steady clock
PARTIAL: Final = 3  # bytes of an unfinished frame
HIGH: Final = 4  # first terminal admitted: its phone ...
LOW: Final = 5
TERMINAL: Final = 6  # ... its number, 0 for none
VEHICLE: Final = 7
EXTRA: Final = 8  # further terminals admitted, in the table ADMISSIONS
BAD_RUN: Final = 9
CHUNK: Final = 10  # index + 1 of the pooled chunk with unsent bytes, 0 for none
SERIAL: Final = 11
ALARM: Final = 12
HEARD_MS: Final = 13  # when (STEADY_MS) the first terminal said something last
FRAMES_DUE: Final = 14  # while nobody is logged in: frames so far; then the moment up to which their rate is used up
BYTES_DUE: Final = 15  # bytes likewise
BEFORE_LOGIN: Final = 16
CHUNK_START: Final = 17
CHUNK_END: Final = 18
ADDRESS: Final = 19  # its entry in the table ADDRESSES, 0 for a trusted one
NEIGHBOURS: Final = 20  # in the list of the WAITING or of the RESTING: descriptor + 1, 0 for none, 32 bits each
LOOKED: Final = 21  # bytes looked at in the socket while the journal takes nothing
SINCE_MS: Final = 22  # when it came into that list, or was last looked at there
OWN_DUE: Final = 23  # on a shared connection: FRAMES_DUE of its first terminal
LINK_WORDS: Final = 24
LINK_BYTES: Final = LINK_WORDS * 8
BEFORE_AT: Final = 8 * NEIGHBOURS
BEHIND_AT: Final = BEFORE_AT + 4

PAUSED: Final = 1
SENDING: Final = 2
CLOSING: Final = 4
HANDED: Final = 8  # the journal holds a frame that was handed up: its end is handed up too
IS_WAITING: Final = 16
IS_RESTING: Final = 32
IS_TRUSTED: Final = 64
WAS_LOOKED_AT: Final = 128  # LOOKED is not 0

CLOSED, SILENT, GARBAGE, SLOW, ENDED, NOBODY, FULL = range(7)
CLOSE_NAMES: Final = ("closed", "silent", "garbage", "slow", "ended", "nobody", "full")
"""Why a connection ended; the last is said of one terminal only, for which there was no room on a shared one."""
_CLOSED: Final = _INDEX["links_closed"]  # + reason
assert [name[6:] for name, _ in COUNTERS[3:9]] == list(CLOSE_NAMES[:6])

# An entry of the table ADDRESSES: int64 words.
ADDRESS_KEY: Final = 0  # 0: never used
ADDRESS_LINKS: Final = 1
ADDRESS_STRANGERS: Final = 2
ADDRESS_DUE: Final = 3
ADDRESS_WORDS: Final = 4
TRUSTED_WORDS: Final = 4  # network and mask, 128 bits each, high half first
PEER_LENGTH: Final = 32
PEER_BYTES_MAX: Final = 28
_IPV6: Final = 10
_MAPPED: Final = 0xFFFF << 32  # ::ffff:0:0/96, where the addresses of IPv4 stand among those of IPv6

SEND, ADMIT, EVICT, CLOSE, PAUSE, RESUME, REENTER, SKIP = range(8)
COMMAND_HEADER_BYTES: Final = 56
COMMAND_BYTES_MAX: Final = 128 * 1024
"""Largest command: a re-entered message of FRAGMENT_BYTES_MAX with its header, and room."""

RECEIVE, WRITE, SYNC = range(3)
ACK_AFTER_MODES: Final = ("receive", "write", "sync")

EVENTS_MAX: Final = 1024
STAGING_BYTES: Final = 2 * 1024 * 1024
STAGING_COMMIT_BYTES: Final = ROUND_BYTES_MAX
"""Staged bytes that end a round at once. Some 150 connections of 16 reports: their sockets are still in the cache when
the answers go out (1 MB costs 8 % more a report, 64 KB 50 % for its syncs). One recv adds at most 16 KB of 15-byte
frames of 64 bytes each, and one command COMMAND_BYTES_MAX: 70 KB and 128 KB over the mark, inside STAGING_BYTES."""
ARENA_BYTES: Final = 2 * 1024 * 1024
ARENA_COMMIT_BYTES: Final = 1024 * 1024
SPANS_MAX: Final = 16 * 1024
SPAN_WORDS: Final = 4  # fd, link, start, length (or -1: close behind what was sent)
ADMISSIONS_MAX: Final = 1 << 17
"""Slots of the table of further terminals on a link; at three quarters an admission is refused."""
ADMISSION_WORDS: Final = 7
"""link (0 free, -1 was used), high, low, terminal, vehicle, STEADY_MS when last heard, its FRAMES_DUE"""
FDS_MAX: Final = 1 << 16
"""Descriptors that can be a connection: rows are found by descriptor. Rows never used take no memory."""
FD_OF_WORDS: Final = 1 << 16
COUNTER_BITS: Final = 40
NEXT_MAX: Final = 4
NEXT_WORDS: Final = 2  # fd, id
SEALED_MAX: Final = 256
SEALED_WORDS: Final = 6  # fd, id, bytes (0: nothing was synced), last sequence, first sequence, opened
ALARM_BYTES: Final = 4224
"""A slot of the ring of alarms: a record with the largest frame that a protocol may hand over, SPLIT_OUTPUT_BYTES."""
HELD: Final = -1
"""What a commit returns when the journal does not take what is staged now."""
TICK_EVERY_MS: Final = 1000
_SEAL_MS: Final = int(SEAL_S * 1000)
_SEAL_MS_MIN: Final = int(SEAL_S_MIN * 1000)
assert STAGING_BYTES <= SEGMENT_BYTES - SEGMENT_HEADER_BYTES
assert RECORD_HEADER_BYTES + SPLIT_OUTPUT_BYTES < ALARM_BYTES
assert RECEIVE_BYTES // 15 * REPLY_BYTES_MAX < ARENA_BYTES - ARENA_COMMIT_BYTES

# --- the C library ----------------------------------------------------------------------------------------------------

_i32 = types.int32
_i64 = types.int64
_epoll_wait = types.ExternalFunction("epoll_wait", _i32(_i32, _i64, _i32, _i32))
_epoll_ctl = types.ExternalFunction("epoll_ctl", _i32(_i32, _i32, _i32, _i64))
_accept4 = types.ExternalFunction("accept4", _i32(_i32, _i64, _i64, _i32))
_recv = types.ExternalFunction("recv", _i64(_i32, _i64, _i64, _i32))
_send = types.ExternalFunction("send", _i64(_i32, _i64, _i64, _i32))
_close = types.ExternalFunction("close", _i32(_i32))
_read = types.ExternalFunction("read", _i64(_i32, _i64, _i64))
_write = types.ExternalFunction("write", _i64(_i32, _i64, _i64))
_pwrite = types.ExternalFunction("pwrite", _i64(_i32, _i64, _i64, _i64))
_fdatasync = types.ExternalFunction("fdatasync", _i32(_i32))
_clock_gettime = types.ExternalFunction("clock_gettime", _i32(_i32, _i64))
_setsockopt = types.ExternalFunction("setsockopt", _i32(_i32, _i32, _i32, _i64, _i32))
_nanosleep = types.ExternalFunction("nanosleep", _i32(_i64, _i64))
_errno_location = types.ExternalFunction("__errno_location", types.CPointer(_i32)())

_EVENT_BYTES: Final = 12 if platform.machine() == "x86_64" else 16  # packed on x86-64 only
_EVENT_DATA: Final = _EVENT_BYTES - 8
_EPOLLIN, _EPOLLOUT, _EPOLLERR, _EPOLLHUP = 1, 4, 8, 16
_CTL_ADD, _CTL_DEL, _CTL_MOD = 1, 2, 3
_CLOCK_REALTIME, _CLOCK_MONOTONIC = 0, 1
_EINTR, _EAGAIN = 4, 11
_SOCK_FLAGS: Final = 0o2000000 | 0o4000  # SOCK_CLOEXEC | SOCK_NONBLOCK
_MSG_PEEK: Final = 2
_SEND_FLAGS: Final = 0x4000 | 0x40  # MSG_NOSIGNAL | MSG_DONTWAIT
_FD_BITS: Final = 20
_SOL_SOCKET, _SO_LINGER = 1, 13

_State = types.int64[::1]


@njit(_i64(), cache=True, nogil=True)
def _errno() -> int:
    return _i64(_errno_location()[0])


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _clock_ns(s: Any, clock: int) -> int:
    _clock_gettime(clock, s[TIMES])
    return load_i64(s[TIMES]) * 1_000_000_000 + load_i64(s[TIMES] + 8)


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _sleep_ns(s: Any, duration_ns: int) -> int:
    store_i64(s[TIMES], duration_ns // 1_000_000_000)
    store_i64(s[TIMES] + 8, duration_ns % 1_000_000_000)
    return _i64(_nanosleep(s[TIMES], 0))


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _ring(s: Any, fd: int) -> int:
    store_i64(s[TIMES], 1)
    return _i64(_write(fd, s[TIMES], 8))


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _interest(s: Any, fd: int, operation: int) -> int:
    """Tell epoll what this connection waits for: bytes to come, or room to send; never both."""
    row = s[LINKS] + fd * LINK_BYTES
    flags = load_i64(row + 8 * FLAGS)
    wanted = 0
    if flags & SENDING:
        wanted = _EPOLLOUT
    elif not flags & (PAUSED | CLOSING | IS_RESTING):
        wanted = _EPOLLIN
    event = s[TIMES]
    store_u32(event, wanted)
    counter = load_i64(row + 8 * LINK) & ((1 << COUNTER_BITS) - 1)
    store_i64(event + _EVENT_DATA, counter << _FD_BITS | fd)
    return _i64(_epoll_ctl(s[EPOLL], operation, fd, event))


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _fd_of(s: Any, link: int) -> int:
    """Return the descriptor of a live link, -1 when it has ended."""
    fd = load_i64(s[FD_OF] + 8 * (link & (FD_OF_WORDS - 1)))
    if fd > 0 and load_i64(s[LINKS] + fd * LINK_BYTES + 8 * LINK) == link:
        return fd
    return -1


# --- lists of connections ---------------------------------------------------------------------------------------------


@njit(_i64(_State, _i64, _i64, _i64), cache=True, nogil=True)
def _enlist(s: Any, fd: int, ends: int, flag: int) -> int:
    """Put a connection behind the last one of a list, WAITING or RESTING. It is in at most one."""
    row = s[LINKS] + fd * LINK_BYTES
    last = s[ends + 1]
    store_i64(row + 8 * FLAGS, load_i64(row + 8 * FLAGS) | flag)
    store_u32(row + BEFORE_AT, last)
    store_u32(row + BEHIND_AT, 0)
    store_i64(row + 8 * SINCE_MS, s[STEADY_MS])
    if last == 0:
        s[ends] = fd + 1
    else:
        store_u32(s[LINKS] + (last - 1) * LINK_BYTES + BEHIND_AT, fd + 1)
    s[ends + 1] = fd + 1
    return 1


@njit(_i64(_State, _i64, _i64, _i64), cache=True, nogil=True)
def _unlist(s: Any, fd: int, ends: int, flag: int) -> int:
    row = s[LINKS] + fd * LINK_BYTES
    before = load_u32(row + BEFORE_AT)
    behind = load_u32(row + BEHIND_AT)
    store_i64(row + 8 * FLAGS, load_i64(row + 8 * FLAGS) & ~flag)
    if before == 0:
        s[ends] = behind
    else:
        store_u32(s[LINKS] + (before - 1) * LINK_BYTES + BEHIND_AT, behind)
    if behind == 0:
        s[ends + 1] = before
    else:
        store_u32(s[LINKS] + (behind - 1) * LINK_BYTES + BEFORE_AT, before)
    return 1


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _count_stranger(s: Any, fd: int, change: int) -> int:
    address = load_i64(s[LINKS] + fd * LINK_BYTES + 8 * ADDRESS)
    if address != 0:
        store_i64(address + 8 * ADDRESS_STRANGERS, load_i64(address + 8 * ADDRESS_STRANGERS) + change)
    s[_WAITING] += change
    return 1


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _wait_for_login(s: Any, fd: int) -> int:
    """Nobody is logged in on this connection: it may stay for LOGIN_MS, and gives way to others."""
    row = s[LINKS] + fd * LINK_BYTES
    if load_i64(row + 8 * FLAGS) & IS_RESTING:
        _unlist(s, fd, RESTING, IS_RESTING)
        s[_RESTING] -= 1
    store_i64(row + 8 * FRAMES_DUE, 0)
    store_i64(row + 8 * BYTES_DUE, 0)
    _enlist(s, fd, WAITING, IS_WAITING)
    return _count_stranger(s, fd, 1)


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _keep_debts(s: Any, fd: int, terminal: int) -> int:
    """Write down what the one terminal of a connection has used up: it does not get it anew by connecting anew."""
    if terminal > 0 and terminal < TERMINALS_MAX:
        row = s[LINKS] + fd * LINK_BYTES
        store_i64(s[DEBTS] + terminal * 16, load_i64(row + 8 * FRAMES_DUE))
        store_i64(s[DEBTS] + terminal * 16 + 8, load_i64(row + 8 * BYTES_DUE))
    return 1


# --- admission --------------------------------------------------------------------------------------------------------


@njit(_i64(_State, _i64, _i64, _i64), cache=True, nogil=True)
def _admission_of(s: Any, link: int, high: int, low: int) -> int:
    """Return the address of a further terminal's admission, 0 for none."""
    mixed = (low ^ high * 0x2545F4914F6CDD1D ^ link * 0x5851F42D4C957F2D) * 0x2545F4914F6CDD1D
    at = (mixed >> 32) & (ADMISSIONS_MAX - 1)
    for _ in range(ADMISSIONS_MAX):
        entry = s[ADMISSIONS] + at * ADMISSION_WORDS * 8
        owner = load_i64(entry)
        if owner == 0:
            return 0
        if owner == link and load_i64(entry + 16) == low and load_i64(entry + 8) == high:
            return entry
        at = (at + 1) & (ADMISSIONS_MAX - 1)
    return 0


@njit(_i64(_State, _i64, _i64, _i64), cache=True, nogil=True)
def _admission_free(s: Any, link: int, high: int, low: int) -> int:
    """Return the address of a slot where this admission may stand: free, or left by a link that has ended."""
    mixed = (low ^ high * 0x2545F4914F6CDD1D ^ link * 0x5851F42D4C957F2D) * 0x2545F4914F6CDD1D
    at = (mixed >> 32) & (ADMISSIONS_MAX - 1)
    for _ in range(ADMISSIONS_MAX):
        entry = s[ADMISSIONS] + at * ADMISSION_WORDS * 8
        owner = load_i64(entry)
        if owner == 0:
            if s[ADMISSIONS_USED] >= ADMISSIONS_MAX * 3 // 4:
                return 0
            s[ADMISSIONS_USED] += 1
            return entry
        if owner == -1 or _fd_of(s, owner) < 0:
            return entry
        at = (at + 1) & (ADMISSIONS_MAX - 1)
    return 0


@njit(_i64(_State, *[_i64] * 5), cache=True, nogil=True)
def _admit(s: Any, fd: int, high: int, low: int, terminal: int, vehicle_id: int) -> int:
    """Open the gate for a phone on a link; 0 when a bound forbids it."""
    row = s[LINKS] + fd * LINK_BYTES
    first = load_i64(row + 8 * TERMINAL)
    flags = load_i64(row + 8 * FLAGS)
    if flags & IS_WAITING:
        _unlist(s, fd, WAITING, IS_WAITING)
        _count_stranger(s, fd, -1)
        store_i64(row + 8 * FRAMES_DUE, 0)
        store_i64(row + 8 * BYTES_DUE, 0)
        store_i64(row + 8 * OWN_DUE, 0)
        if terminal > 0 and terminal < TERMINALS_MAX:
            store_i64(row + 8 * FRAMES_DUE, load_i64(s[DEBTS] + terminal * 16))
            store_i64(row + 8 * BYTES_DUE, load_i64(s[DEBTS] + terminal * 16 + 8))
    if first == 0 or (load_i64(row + 8 * LOW) == low and load_i64(row + 8 * HIGH) == high):
        store_i64(row + 8 * HIGH, high)
        store_i64(row + 8 * LOW, low)
        store_i64(row + 8 * TERMINAL, terminal)
        store_i64(row + 8 * VEHICLE, vehicle_id)
        store_i64(row + 8 * HEARD_MS, s[STEADY_MS])
        return 1
    link = load_i64(row + 8 * LINK)
    entry = _admission_of(s, link, high, low)
    if entry == 0:
        limit = s[TERMINALS_LIMIT]
        if not flags & IS_TRUSTED and limit > s[STRANGE_TERMINALS_LIMIT]:
            limit = s[STRANGE_TERMINALS_LIMIT]
        if load_i64(row + 8 * EXTRA) >= limit - 1:
            return 0
        entry = _admission_free(s, link, high, low)
        if entry == 0:
            return 0
        store_i64(row + 8 * EXTRA, load_i64(row + 8 * EXTRA) + 1)
        store_i64(entry, link)
        store_i64(entry + 8, high)
        store_i64(entry + 16, low)
        store_i64(entry + 48, 0)
    store_i64(entry + 24, terminal)
    store_i64(entry + 32, vehicle_id)
    store_i64(entry + 40, s[STEADY_MS])
    return 1


@njit(_i64(_State, _i64, _i64, _i64), cache=True, nogil=True)
def _evict(s: Any, fd: int, high: int, low: int) -> int:
    row = s[LINKS] + fd * LINK_BYTES
    if load_i64(row + 8 * LOW) == low and load_i64(row + 8 * HIGH) == high:
        if load_i64(row + 8 * EXTRA) == 0:
            _keep_debts(s, fd, load_i64(row + 8 * TERMINAL))
        store_i64(row + 8 * TERMINAL, 0)
        store_i64(row + 8 * LOW, -1)
    else:
        entry = _admission_of(s, load_i64(row + 8 * LINK), high, low)
        if entry != 0:
            store_i64(entry, -1)
            store_i64(row + 8 * EXTRA, load_i64(row + 8 * EXTRA) - 1)
    if (
        load_i64(row + 8 * TERMINAL) == 0
        and load_i64(row + 8 * EXTRA) == 0
        and not load_i64(row + 8 * FLAGS) & IS_WAITING
    ):
        _wait_for_login(s, fd)
        return _interest(s, fd, _CTL_MOD)
    return 1


# --- staging, and what waits for the commit ---------------------------------------------------------------------------


@njit(_i64(_State, *[_i64] * 6), cache=True, nogil=True)
def _stage(s: Any, length: int, link: int, terminal: int, vehicle_id: int, kind: int, frame_class: int) -> int:
    """Make a record of the payload that stands at the staging cursor; return its sequence."""
    s[SEQUENCE] += 1
    record = s[STAGING] + s[STAGED]
    s[STAGED] += seal_record(
        record, length, s[SEQUENCE], s[NOW_MS], link, terminal, vehicle_id, kind, frame_class, s[PROTOCOL]
    )
    s[STAGED_RECORDS] += 1
    return s[SEQUENCE]


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _span(s: Any, fd: int, length: int) -> int:
    """Let `length` bytes at the arena's cursor go out to a connection at the next commit."""
    link = load_i64(s[LINKS] + fd * LINK_BYTES + 8 * LINK)
    start = s[ARENA_USED]
    s[ARENA_USED] += length
    if s[SPANS_USED] > 0:
        last = s[SPANS] + (s[SPANS_USED] - 1) * SPAN_WORDS * 8
        size = load_i64(last + 24)
        if load_i64(last + 8) == link and size >= 0:
            store_i64(last + 24, size + length)
            return 1
    span = s[SPANS] + s[SPANS_USED] * SPAN_WORDS * 8
    store_i64(span, fd)
    store_i64(span + 8, link)
    store_i64(span + 16, start)
    store_i64(span + 24, length)
    s[SPANS_USED] += 1
    return 1


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _span_close(s: Any, fd: int) -> int:
    """Let a connection end at the next commit, behind what goes out to it."""
    span = s[SPANS] + s[SPANS_USED] * SPAN_WORDS * 8
    store_i64(span, fd)
    store_i64(span + 8, load_i64(s[LINKS] + fd * LINK_BYTES + 8 * LINK))
    store_i64(span + 16, s[ARENA_USED])
    store_i64(span + 24, -1)
    s[SPANS_USED] += 1
    return 1


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _end_link(s: Any, fd: int, reason: int) -> int:
    """Close a connection, give back what it held, and tell the readers if they ever heard of it."""
    row = s[LINKS] + fd * LINK_BYTES
    if load_i64(row + 8 * CHUNK) != 0:
        store_i64(s[POOL_FREE] + 8 * s[POOL_TOP], load_i64(row + 8 * CHUNK) - 1)
        s[POOL_TOP] += 1
    flags = load_i64(row + 8 * FLAGS)
    if flags & IS_WAITING:
        _unlist(s, fd, WAITING, IS_WAITING)
        _count_stranger(s, fd, -1)
    elif load_i64(row + 8 * EXTRA) == 0:
        _keep_debts(s, fd, load_i64(row + 8 * TERMINAL))
    if flags & IS_RESTING:
        _unlist(s, fd, RESTING, IS_RESTING)
        s[_RESTING] -= 1
    address = load_i64(row + 8 * ADDRESS)
    if address != 0:
        store_i64(address + 8 * ADDRESS_LINKS, load_i64(address + 8 * ADDRESS_LINKS) - 1)
    if flags & HANDED:
        # The reason stands as one byte; the reader spells it.
        store_u8(s[STAGING] + s[STAGED] + RECORD_HEADER_BYTES, reason)
        _stage(
            s,
            1,
            load_i64(row + 8 * LINK),
            load_i64(row + 8 * TERMINAL),
            load_i64(row + 8 * VEHICLE),
            KIND_LINK_CLOSED,
            255,
        )
        s[URGENT] = 1
    store_i64(row + 8 * LINK, 0)
    _close(fd)
    s[_LIVE] -= 1
    s[_CLOSED + reason] += 1
    if s[LISTENING] == 0:
        event = s[TIMES]
        store_u32(event, _EPOLLIN)
        store_i64(event + _EVENT_DATA, s[LISTENER])
        _epoll_ctl(s[EPOLL], _CTL_MOD, s[LISTENER], event)
        s[LISTENING] = 1
    return 1


@njit(_i64(_State, _i64, _i64, _i64), cache=True, nogil=True)
def _transmit(s: Any, fd: int, start: int, length: int) -> int:
    """Send bytes; what the socket does not take waits in a pooled chunk. Ends the link when there is no room."""
    row = s[LINKS] + fd * LINK_BYTES
    done = 0
    if load_i64(row + 8 * CHUNK) == 0:
        sent = _send(fd, start, length, _SEND_FLAGS)
        if sent < 0:
            error = _errno()
            if error != _EAGAIN and error != _EINTR:
                return _end_link(s, fd, CLOSED)
            sent = 0
        done = sent
        s[_SENT] += sent
        if done == length:
            return 1
        s[_SHORT] += 1
        if s[POOL_TOP] == 0:
            return _end_link(s, fd, SLOW)
        s[POOL_TOP] -= 1
        store_i64(row + 8 * CHUNK, load_i64(s[POOL_FREE] + 8 * s[POOL_TOP]) + 1)
        store_i64(row + 8 * CHUNK_START, 0)
        store_i64(row + 8 * CHUNK_END, 0)
        store_i64(row + 8 * FLAGS, load_i64(row + 8 * FLAGS) | SENDING)
        _interest(s, fd, _CTL_MOD)
    end = load_i64(row + 8 * CHUNK_END)
    if end + length - done > SEND_POOL_CHUNK_BYTES:
        return _end_link(s, fd, SLOW)
    chunk = s[POOL] + (load_i64(row + 8 * CHUNK) - 1) * SEND_POOL_CHUNK_BYTES
    copy(chunk + end, start + done, length - done)
    store_i64(row + 8 * CHUNK_END, end + length - done)
    return 1


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _transmit_rest(s: Any, fd: int) -> int:
    """The socket has room again: send what waits; when it is gone, read again or end as was asked."""
    row = s[LINKS] + fd * LINK_BYTES
    start = load_i64(row + 8 * CHUNK_START)
    end = load_i64(row + 8 * CHUNK_END)
    chunk = s[POOL] + (load_i64(row + 8 * CHUNK) - 1) * SEND_POOL_CHUNK_BYTES
    sent = _send(fd, chunk + start, end - start, _SEND_FLAGS)
    if sent < 0:
        error = _errno()
        if error == _EAGAIN or error == _EINTR:
            return 1
        return _end_link(s, fd, CLOSED)
    s[_SENT] += sent
    store_i64(row + 8 * CHUNK_START, start + sent)
    if start + sent < end:
        return 1
    store_i64(s[POOL_FREE] + 8 * s[POOL_TOP], load_i64(row + 8 * CHUNK) - 1)
    s[POOL_TOP] += 1
    store_i64(row + 8 * CHUNK, 0)
    flags = load_i64(row + 8 * FLAGS) & ~SENDING
    store_i64(row + 8 * FLAGS, flags)
    if flags & CLOSING:
        return _end_link(s, fd, ENDED)
    return _interest(s, fd, _CTL_MOD)


@njit(_i64(_State), cache=True, nogil=True)
def _answer(s: Any) -> int:
    """Send what the round has to say, in the order in which it was said."""
    k = 0
    while k < s[SPANS_USED]:
        span = s[SPANS] + k * SPAN_WORDS * 8
        fd = load_i64(span)
        row = s[LINKS] + fd * LINK_BYTES
        if load_i64(row + 8 * LINK) == load_i64(span + 8):
            length = load_i64(span + 24)
            if length >= 0:
                _transmit(s, fd, s[ARENA] + load_i64(span + 16), length)
            elif load_i64(row + 8 * CHUNK) == 0:
                _end_link(s, fd, ENDED)
        k += 1
    s[SPANS_USED] = 0
    s[ARENA_USED] = 0
    return 1


# --- the commit -------------------------------------------------------------------------------------------------------


@njit(_i64(_State), cache=True, nogil=True)
def _open_next(s: Any) -> int:
    """Take a prepared segment; 0 when there is none: the journal is full, or its disk is."""
    if load_acquire(s[SELF] + 8 * NEXT_TAIL) == s[NEXT_HEAD]:
        return 0
    entry = s[NEXT] + (s[NEXT_HEAD] % NEXT_MAX) * NEXT_WORDS * 8
    s[SEGMENT_FD] = load_i64(entry)
    s[SEGMENT_ID] = load_i64(entry + 8)
    s[SEGMENT_OFFSET] = 0
    s[SEGMENT_RECORDS] = 0
    store_release(s[SELF] + 8 * NEXT_HEAD, s[NEXT_HEAD] + 1)
    _ring(s, s[HOUSE])
    return 1


@njit(_i64(_State), cache=True, nogil=True)
def _seal(s: Any) -> int:
    """Hand the current segment to housekeeping; 0 when its ring is full: the segment goes on while it has room."""
    tail = s[SEALED_TAIL]
    if tail - load_acquire(s[SELF] + 8 * SEALED_HEAD) == SEALED_MAX:
        return 0
    entry = s[SEALED] + (tail % SEALED_MAX) * SEALED_WORDS * 8
    store_i64(entry, s[SEGMENT_FD])
    store_i64(entry + 8, s[SEGMENT_ID])
    store_i64(entry + 16, s[SEGMENT_OFFSET])
    store_i64(entry + 24, s[PUBLISHED_SEQUENCE])
    store_i64(entry + 32, s[SEGMENT_FIRST])
    store_i64(entry + 40, s[SEGMENT_OPENED_MS])
    store_release(s[SELF] + 8 * SEALED_TAIL, tail + 1)
    if s[SEGMENT_OFFSET] > 0:
        s[_SEALS] += 1
    s[SEGMENT_FD] = -1
    s[SEGMENT_FAILED] = 0
    _ring(s, s[HOUSE])
    return 1


@njit(_i64(_i64, _i64, _i64, _i64), cache=True, nogil=True)
def _write_whole(fd: int, start: int, length: int, offset: int) -> int:
    """pwrite all of it; 0, or the errno."""
    done = 0
    while done < length:
        written = _pwrite(fd, start + done, length - done, offset + done)
        if written < 0:
            error = _errno()
            if error != _EINTR:
                return error
        else:
            done += written
    return 0


@njit(_i64(_State), cache=True, nogil=True)
def _write_staged(s: Any) -> int:
    """Write what is staged behind what the segment holds, and sync it; 0, or the errno."""
    fd = s[SEGMENT_FD]
    offset = s[SEGMENT_OFFSET]
    if offset == 0:
        # The header goes first and in its own write; one sync below covers both.
        s[SEGMENT_FIRST] = s[SEQUENCE] - s[STAGED_RECORDS] + 1
        s[SEGMENT_OPENED_MS] = s[NOW_MS]
        s[SEGMENT_OPENED_STEADY_MS] = s[STEADY_MS]
        seal_segment_header(s[SCRATCH], s[SEGMENT_ID], s[BOOT], s[SEGMENT_FIRST], s[NOW_MS])
        error = _write_whole(fd, s[SCRATCH], SEGMENT_HEADER_BYTES, 0)
        if error != 0:
            return error
        offset = SEGMENT_HEADER_BYTES
    error = _write_whole(fd, s[STAGING], s[STAGED], offset)
    if error != 0:
        return error
    if s[ACK_AFTER] == SYNC and _fdatasync(fd) != 0:
        return _errno()
    s[SEGMENT_OFFSET] = offset + s[STAGED]
    return 0


@njit(_i64(_State), cache=True, nogil=True)
def _wait(s: Any) -> int:
    """Note that what is staged has to wait for the journal; HELD."""
    if s[HELD_MS] == 0:
        s[HELD_MS] = s[STEADY_MS]
    return HELD


@njit(_i64(_State), cache=True, nogil=True)
def _commit(s: Any) -> int:
    """Write and sync what is staged, publish it, then answer. 0, or HELD when the journal does not take it now.

    A write or sync that failed is never tried again in its place: the kernel may have dropped the pages and would then
    report success. The segment ends behind what was synced before, and the same records go into another one.
    """
    if s[ACK_AFTER] == RECEIVE:
        _answer(s)
    staged = s[STAGED]
    if staged > 0:
        if s[STEADY_MS] < s[RETRY_MS]:
            return _wait(s)
        full = s[SEGMENT_FAILED] != 0 or s[SEGMENT_OFFSET] + staged > SEGMENT_BYTES
        if s[SEGMENT_FD] >= 0 and full and _seal(s) == 0:
            return _wait(s)
        if s[SEGMENT_FD] < 0 and _open_next(s) == 0:
            return _wait(s)
        error = _write_staged(s)
        if error != 0:
            s[_REFUSALS] += 1
            s[SEGMENT_FAILED] = 1
            # At once in another segment; where that fails too, it is the disk.
            s[RETRY_MS] = 0 if s[DISK_ERROR] == 0 else s[STEADY_MS] + STALL_RETRY_MS
            s[DISK_ERROR] = error
            return _wait(s)
        store_release(s[SELF] + 8 * PUBLISHED_SEQUENCE, s[SEQUENCE])
        store_release(s[SELF] + 8 * PUBLISHED, s[SEGMENT_ID] << 32 | s[SEGMENT_OFFSET])
        s[HELD_MS] = 0
        s[RETRY_MS] = 0
        s[DISK_ERROR] = 0
        s[SEGMENT_RECORDS] += s[STAGED_RECORDS]
        s[_COMMITS] += 1
        s[_JOURNALLED] += s[STAGED_RECORDS]
        if s[UNHANDED] == 0:
            s[UNHANDED_SINCE_MS] = s[STEADY_MS]
        s[UNHANDED] += s[STAGED_RECORDS]
        s[ROUND_RECORDS] += s[STAGED_RECORDS]
        s[ROUND_BYTES] += staged
        s[STAGED] = 0
        s[STAGED_RECORDS] = 0
    _answer(s)
    if s[SEGMENT_FD] >= 0 and s[SEGMENT_RECORDS] >= SEAL_ROWS:
        age_ms = s[STEADY_MS] - s[SEGMENT_OPENED_STEADY_MS]
        if age_ms >= _SEAL_MS_MIN or s[SEGMENT_RECORDS] >= SEAL_ROWS_MAX:
            _seal(s)
    return 0


@njit(_i64(_State), cache=True, nogil=True)
def _hand_up(s: Any) -> int:
    """Wake the readers when there is enough, when it is old enough, or when it must not wait."""
    if s[UNHANDED] > 0 and (
        s[URGENT] != 0 or s[UNHANDED] >= HAND_UP_ROWS or s[STEADY_MS] - s[UNHANDED_SINCE_MS] >= HAND_UP_MS
    ):
        _ring(s, s[HAND_UP])
        s[_HAND_UPS] += 1
        s[UNHANDED] = 0
        s[URGENT] = 0
    return 1


# --- reading ----------------------------------------------------------------------------------------------------------


@njit(_i64(_State), cache=True, nogil=True)
def _is_trusted(s: Any) -> int:
    """Tell whether the address in PEER is in one of the networks that are trusted."""
    peer = s[PEER]
    for k in range(s[TRUSTED_COUNT]):
        network = s[TRUSTED] + k * TRUSTED_WORDS * 8
        if (load_i64(peer + 40) ^ load_i64(network)) & load_i64(network + 16) == 0 and (
            load_i64(peer + 48) ^ load_i64(network + 8)
        ) & load_i64(network + 24) == 0:
            return 1
    return 0


@njit(_i64(_State), cache=True, nogil=True)
def _read_peer(s: Any) -> int:
    """Write the address in PEER as 128 bits behind it, high half first; return the key that it is counted under."""
    peer = s[PEER]
    high = 0
    low = _MAPPED | load_u32_be(peer + 4)
    if load_u16(peer) == _IPV6:
        high = load_u32_be(peer + 8) << 32 | load_u32_be(peer + 12)
        low = load_u32_be(peer + 16) << 32 | load_u32_be(peer + 20)
    store_i64(peer + 40, high)
    store_i64(peer + 48, low)
    # Whoever has one address of IPv6 has all of its /64.
    return high if high != 0 else low


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _address_of(s: Any, key: int) -> int:
    """Return the entry that an address is counted in, made if need be; 0 when there is no place for it."""
    mixed = (key ^ s[ADDRESS_SEED]) * 0x2545F4914F6CDD1D
    mixed = (mixed ^ (mixed >> 29)) * 0x5851F42D4C957F2D
    at = (mixed >> 32) & (ADDRESSES_HEARD_MAX - 1)
    now_us = s[STEADY_MS] * 1000
    free = 0
    free_due = 0
    for _ in range(ADDRESS_PROBES_MAX):
        entry = s[ADDRESSES] + at * ADDRESS_WORDS * 8
        owner = load_i64(entry)
        if owner == key:
            return entry
        if load_i64(entry + 8 * ADDRESS_LINKS) == 0:
            # Of those that may be forgotten the one that has been quiet for longest.
            due = load_i64(entry + 8 * ADDRESS_DUE)
            if due < now_us:
                due = 0
            if free == 0 or due < free_due:
                free = entry
                free_due = due
        if owner == 0:
            break
        at = (at + 1) & (ADDRESSES_HEARD_MAX - 1)
    if free != 0:
        store_i64(free, key)
        store_i64(free + 8 * ADDRESS_STRANGERS, 0)
        store_i64(free + 8 * ADDRESS_DUE, 0)
    return free


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _turn_away(s: Any, fd: int, counter: int) -> int:
    """Close a connection at once. It is reset: a hundred thousand that came in vain leave nothing in the kernel."""
    store_i64(s[TIMES], 1)  # struct linger: on, for no seconds
    _setsockopt(fd, _SOL_SOCKET, _SO_LINGER, s[TIMES], 8)
    _close(fd)
    s[counter] += 1
    return 0


@njit(_i64(_State), cache=True, nogil=True)
def _make_room(s: Any) -> int:
    """Close the connection on which nobody has logged in for longest, if that is long enough; 0 when there is none."""
    oldest = s[WAITING] - 1
    if oldest < 0 or s[STEADY_MS] - load_i64(s[LINKS] + oldest * LINK_BYTES + 8 * SINCE_MS) < s[GIVE_WAY_MS]:
        return 0
    return _end_link(s, oldest, NOBODY)


@njit(_i64(_State), cache=True, nogil=True)
def _accept(s: Any) -> int:
    let_in = 0
    for _ in range(KNOCKS_PER_ROUND):
        if let_in == ACCEPT_PER_ROUND:
            return 0
        store_u32(s[PEER] + PEER_LENGTH, PEER_BYTES_MAX)
        fd = _i64(_accept4(s[LISTENER], s[PEER], s[PEER] + PEER_LENGTH, _SOCK_FLAGS))
        if fd < 0:
            error = _errno()
            if error != _EAGAIN and error != _EINTR:
                s[_ACCEPT_ERRORS] += 1
                if s[_LIVE] > 0:
                    # Out of descriptors: stop listening until a connection ends, or epoll would spin.
                    store_u32(s[TIMES], 0)
                    store_i64(s[TIMES] + _EVENT_DATA, s[LISTENER])
                    _epoll_ctl(s[EPOLL], _CTL_MOD, s[LISTENER], s[TIMES])
                    s[LISTENING] = 0
            return 0
        key = _read_peer(s)
        address = 0
        if _is_trusted(s) == 0:
            address = _address_of(s, key)
            if (
                address == 0
                or load_i64(address + 8 * ADDRESS_LINKS) >= s[ADDRESS_LINKS_LIMIT]
                or load_i64(address + 8 * ADDRESS_STRANGERS) >= s[ADDRESS_STRANGERS_LIMIT]
            ):
                _turn_away(s, fd, _REFUSED_ADDRESS)
                continue
            now_us = s[STEADY_MS] * 1000
            due = max(load_i64(address + 8 * ADDRESS_DUE), now_us) + s[ADDRESS_LINK_US]
            if due - now_us > s[ADDRESS_AT_ONCE_US]:
                _turn_away(s, fd, _REFUSED_RATE)
                continue
            store_i64(address + 8 * ADDRESS_DUE, due)
        if fd >= FDS_MAX or (s[_LIVE] >= s[LINKS_LIMIT] and _make_room(s) == 0):
            _turn_away(s, fd, _REFUSED)
            continue
        link = 0
        while True:
            s[LINK_COUNTER] += 1
            link = s[BOOT] << COUNTER_BITS | s[LINK_COUNTER]
            other = load_i64(s[FD_OF] + 8 * (link & (FD_OF_WORDS - 1)))
            # A connection that has lived for 65,536 others keeps its place; the number is passed over.
            if other == 0 or (load_i64(s[LINKS] + other * LINK_BYTES + 8 * LINK) ^ link) & (FD_OF_WORDS - 1) != 0:
                break
            if load_i64(s[LINKS] + other * LINK_BYTES + 8 * LINK) == 0:
                break
        row = s[LINKS] + fd * LINK_BYTES
        for word in range(LINK_WORDS):
            store_i64(row + 8 * word, 0)
        store_i64(row + 8 * LINK, link)
        store_i64(row + 8 * LAST_MS, s[STEADY_MS])
        store_i64(row + 8 * LOW, -1)
        store_i64(row + 8 * ADDRESS, address)
        if address == 0:
            store_i64(row + 8 * FLAGS, IS_TRUSTED)
        else:
            store_i64(address + 8 * ADDRESS_LINKS, load_i64(address + 8 * ADDRESS_LINKS) + 1)
        _wait_for_login(s, fd)
        store_i64(s[FD_OF] + 8 * (link & (FD_OF_WORDS - 1)), fd)
        if fd > s[FD_TOP]:
            s[FD_TOP] = fd
        s[_LIVE] += 1
        s[_ACCEPTED] += 1
        let_in += 1
        _interest(s, fd, _CTL_ADD)
    return 0


@njit(_i64(_State, _i64, _i64, _i64, _i64, _i64), cache=True, nogil=True)
def _reply(s: Any, fd: int, reply: int, frame: int, length: int, result: int) -> int:
    """Let the protocol build its general reply to a frame, to go out at the commit."""
    row = s[LINKS] + fd * LINK_BYTES
    serial = load_i64(row + 8 * SERIAL)
    store_i64(row + 8 * SERIAL, (serial + 1) & 0xFFFF)
    store_i64(s[IDENTITY] + 8 * IDENTITY_REPLY_SERIAL, serial)
    return _span(s, fd, call5(reply, frame, length, s[IDENTITY], result, s[ARENA] + s[ARENA_USED]))


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _is_too_much(s: Any, due_at: int) -> int:
    """Take one frame more off what a terminal on a shared connection may send; 1 when there is nothing left of it."""
    now_us = s[STEADY_MS] * 1000
    due = max(load_i64(due_at), now_us) + s[FRAME_US]
    if due - now_us > s[AT_ONCE_US]:
        s[_LET_GO] += 1
        return 1
    store_i64(due_at, due)
    return 0


@njit(
    _i64(_State, _i64, _i64, _i64, _i64),
    cache=True,
    nogil=True,
)
def _take_frame(s: Any, fd: int, length: int, identify: int, reply: int) -> int:
    """Judge one frame, which stands where its record's payload would. 0 when it counts as bad."""
    row = s[LINKS] + fd * LINK_BYTES
    frame = s[STAGING] + s[STAGED] + RECORD_HEADER_BYTES
    identity = s[IDENTITY]
    frame_class = call3(identify, frame, length, identity)
    if frame_class == CLASS_BAD:
        s[_BAD_HEADER] += 1
        return 0
    s[_FRAMES] += 1
    s[_LENGTH_FAULT] += load_i64(identity + 8 * IDENTITY_LENGTH_FAULT)
    high = load_i64(identity + 8 * IDENTITY_PHONE_HIGH)
    low = load_i64(identity + 8 * IDENTITY_PHONE_LOW)
    link = load_i64(row + 8 * LINK)
    terminal = 0
    vehicle_id = 0
    if load_i64(row + 8 * LOW) == low and load_i64(row + 8 * HIGH) == high:
        terminal = load_i64(row + 8 * TERMINAL)
        vehicle_id = load_i64(row + 8 * VEHICLE)
        store_i64(row + 8 * HEARD_MS, s[STEADY_MS])
        if load_i64(row + 8 * EXTRA) > 0 and terminal != 0 and _is_too_much(s, row + 8 * OWN_DUE) != 0:
            return 1
    elif load_i64(row + 8 * EXTRA) > 0:
        entry = _admission_of(s, link, high, low)
        if entry != 0:
            terminal = load_i64(entry + 24)
            vehicle_id = load_i64(entry + 32)
            store_i64(entry + 40, s[STEADY_MS])
            # The others on it must not wait for this one: what is too much of it is let go.
            if _is_too_much(s, entry + 48) != 0:
                return 1
    if terminal == 0:
        if frame_class != CLASS_LOGIN:
            s[_NOT_ADMITTED] += 1
            return _reply(s, fd, reply, frame, length, RESULT_FAILURE)
        before = load_i64(row + 8 * BEFORE_LOGIN) + 1
        store_i64(row + 8 * BEFORE_LOGIN, before)
        flags = load_i64(row + 8 * FLAGS)
        if flags & IS_WAITING:
            # The last in the list again: the answer may be owed by us.
            _unlist(s, fd, WAITING, IS_WAITING)
            _enlist(s, fd, WAITING, IS_WAITING)
        if before > FRAMES_BEFORE_LOGIN_MAX and (not flags & IS_TRUSTED or before > 2 * s[TERMINALS_LIMIT]):
            s[_NOT_ADMITTED] += 1
            return -1
    if frame_class == CLASS_HEARTBEAT:
        s[_HEARTBEATS] += 1
        return _reply(s, fd, reply, frame, length, RESULT_OK)
    if frame_class == CLASS_REPORT:
        s[_REPORTS] += 1
        alarm = load_i64(identity + 8 * IDENTITY_ALARM)
        if alarm & ~load_i64(row + 8 * ALARM):
            s[URGENT] = 1
        store_i64(row + 8 * ALARM, alarm)
        _reply(s, fd, reply, frame, length, RESULT_OK)
    elif frame_class == CLASS_FRAGMENT:
        _reply(s, fd, reply, frame, length, RESULT_OK)
        store_i64(row + 8 * FLAGS, load_i64(row + 8 * FLAGS) | HANDED)
        s[URGENT] = 1
    elif frame_class == CLASS_UNREADABLE:
        s[_UNREADABLE] += 1
        _reply(s, fd, reply, frame, length, RESULT_WRONG)
    elif frame_class == CLASS_UNKNOWN:
        s[_UNKNOWN] += 1
        _reply(s, fd, reply, frame, length, RESULT_UNSUPPORTED)
    else:
        store_i64(row + 8 * FLAGS, load_i64(row + 8 * FLAGS) | HANDED)
        s[URGENT] = 1
    _stage(s, length, link, terminal, vehicle_id, KIND_FRAME, frame_class)
    return 1


@njit(_i64(_State, _i64, _i64, _i64), cache=True, nogil=True)
def _charge(s: Any, fd: int, frames: int, received: int) -> int:
    """Charge a connection for what came on it. Beyond a stranger's share it ends, beyond a terminal's rate it rests.

    What comes from trusted addresses is charged for nothing here: whoever shares a connection there with others is
    charged frame by frame.
    """
    row = s[LINKS] + fd * LINK_BYTES
    flags = load_i64(row + 8 * FLAGS)
    if flags & IS_TRUSTED:
        return 1
    if flags & IS_WAITING:
        frames += load_i64(row + 8 * FRAMES_DUE)
        received += load_i64(row + 8 * BYTES_DUE)
        store_i64(row + 8 * FRAMES_DUE, frames)
        store_i64(row + 8 * BYTES_DUE, received)
        if frames > STRANGER_FRAMES_MAX or received > STRANGER_BYTES_MAX:
            return _end_link(s, fd, GARBAGE)
        return 1
    now_us = s[STEADY_MS] * 1000
    frames_due = max(load_i64(row + 8 * FRAMES_DUE), now_us) + frames * s[FRAME_US]
    bytes_due = max(load_i64(row + 8 * BYTES_DUE), now_us) + received * s[BYTE_NS] // 1000
    store_i64(row + 8 * FRAMES_DUE, frames_due)
    store_i64(row + 8 * BYTES_DUE, bytes_due)
    if max(frames_due, bytes_due) - now_us > s[AT_ONCE_US] and not flags & IS_RESTING:
        _enlist(s, fd, RESTING, IS_RESTING)
        s[_RESTING] += 1
        s[_RESTED] += 1
        return _interest(s, fd, _CTL_MOD)
    return 1


@njit(_i64(_State), cache=True, nogil=True)
def _end_rests(s: Any) -> int:
    """Read those again that have rested enough; each is looked at every REST_MS."""
    now_us = s[STEADY_MS] * 1000
    while s[RESTING] != 0:
        fd = s[RESTING] - 1
        row = s[LINKS] + fd * LINK_BYTES
        if s[STEADY_MS] - load_i64(row + 8 * SINCE_MS) < REST_MS:
            return 1
        _unlist(s, fd, RESTING, IS_RESTING)
        if max(load_i64(row + 8 * FRAMES_DUE), load_i64(row + 8 * BYTES_DUE)) - now_us > s[AT_ONCE_US]:
            _enlist(s, fd, RESTING, IS_RESTING)
            continue
        s[_RESTING] -= 1
        # It was we who did not listen.
        store_i64(row + 8 * LAST_MS, s[STEADY_MS])
        _interest(s, fd, _CTL_MOD)
    return 1


@njit(
    _i64(
        _State,
        _i64,
        _i64,
        _i64,
        _i64,
    ),
    cache=True,
    nogil=True,
)
def _receive(s: Any, fd: int, split: int, identify: int, reply: int) -> int:
    """Read a connection once and take every whole frame out of what came."""
    row = s[LINKS] + fd * LINK_BYTES
    partial = load_i64(row + 8 * PARTIAL)
    scratch = s[SCRATCH]
    received = _recv(fd, scratch + partial, RECEIVE_BYTES, 0)
    if received <= 0:
        if received < 0:
            error = _errno()
            if error == _EAGAIN or error == _EINTR:
                return 1
        return _end_link(s, fd, CLOSED)
    s[_RECEIVED] += received
    frames = s[_FRAMES]
    if load_i64(row + 8 * FLAGS) & WAS_LOOKED_AT:
        store_i64(row + 8 * FLAGS, load_i64(row + 8 * FLAGS) & ~WAS_LOOKED_AT)
        store_i64(row + 8 * LOOKED, 0)
    if partial > 0:
        copy(scratch, s[PARTIALS] + fd * PARTIAL_BYTES_MAX, partial)
    at = 0
    end = partial + received
    bad_run = load_i64(row + 8 * BAD_RUN)
    while at < end:
        status = call4(split, scratch + at, end - at, s[STAGING] + s[STAGED] + RECORD_HEADER_BYTES, s[RESULT])
        at += load_i64(s[RESULT])
        if status == SPLIT_MORE:
            break
        taken = 0
        if status == SPLIT_FRAME:
            taken = _take_frame(s, fd, load_i64(s[RESULT] + 8), identify, reply)
            if taken < 0:
                return _end_link(s, fd, GARBAGE)
        elif status == SPLIT_BAD:
            s[_BAD + load_i64(s[RESULT] + 8)] += 1
        else:
            s[_JUNK] += load_i64(s[RESULT])
        if taken > 0:
            bad_run = 0
        else:
            bad_run += 1
            if bad_run > BAD_FRAMES_MAX:
                return _end_link(s, fd, GARBAGE)
    rest = end - at
    if rest > PARTIAL_BYTES_MAX:
        # A protocol's split ends an endless frame itself; this holds for one that does not.
        return _end_link(s, fd, GARBAGE)
    if rest > 0:
        copy(s[PARTIALS] + fd * PARTIAL_BYTES_MAX, scratch + at, rest)
    store_i64(row + 8 * PARTIAL, rest)
    store_i64(row + 8 * BAD_RUN, bad_run)
    frames = s[_FRAMES] - frames
    if frames > 0:
        # Bytes alone are no sign of life: a frame that comes a byte a minute is none.
        store_i64(row + 8 * LAST_MS, s[STEADY_MS])
    return _charge(s, fd, frames, received)


# --- looking, while the journal takes nothing -------------------------------------------------------------------------


@njit(_i64(_State, *[_i64] * 5), cache=True, nogil=True)
def _look_at_frame(s: Any, fd: int, frame: int, length: int, identify: int, reply: int) -> int:
    """Answer a heartbeat, pass on a report with an alarm bit; 0 when the link has ended."""
    row = s[LINKS] + fd * LINK_BYTES
    identity = s[IDENTITY]
    frame_class = call3(identify, frame, length, identity)
    if frame_class != CLASS_HEARTBEAT and frame_class != CLASS_REPORT:
        return 1
    high = load_i64(identity + 8 * IDENTITY_PHONE_HIGH)
    low = load_i64(identity + 8 * IDENTITY_PHONE_LOW)
    link = load_i64(row + 8 * LINK)
    terminal = 0
    vehicle_id = 0
    if load_i64(row + 8 * LOW) == low and load_i64(row + 8 * HIGH) == high:
        terminal = load_i64(row + 8 * TERMINAL)
        vehicle_id = load_i64(row + 8 * VEHICLE)
    elif load_i64(row + 8 * EXTRA) > 0:
        entry = _admission_of(s, link, high, low)
        if entry != 0:
            terminal = load_i64(entry + 24)
            vehicle_id = load_i64(entry + 32)
    if terminal == 0:
        return 1
    if frame_class == CLASS_HEARTBEAT:
        # It goes out at once, from behind the answers that wait in the arena. When it is read, it is answered again.
        serial = load_i64(row + 8 * SERIAL)
        store_i64(row + 8 * SERIAL, (serial + 1) & 0xFFFF)
        store_i64(identity + 8 * IDENTITY_REPLY_SERIAL, serial)
        answer = s[ARENA] + s[ARENA_USED]
        _transmit(s, fd, answer, call5(reply, frame, length, identity, RESULT_OK, answer))
        return _i64(load_i64(row + 8 * LINK) == link)
    if load_i64(identity + 8 * IDENTITY_ALARM) == 0:
        return 1
    tail = s[ALARMS_TAIL]
    if tail - load_acquire(s[SELF] + 8 * ALARMS_HEAD) == STALL_ALARMS_MAX:
        s[_PASSED_OVER] += 1
        return 1
    record = s[ALARMS] + (tail % STALL_ALARMS_MAX) * ALARM_BYTES
    copy(record + RECORD_HEADER_BYTES, frame, length)
    size = seal_record(
        record, length, s[SEQUENCE], s[NOW_MS], link, terminal, vehicle_id, KIND_FRAME, frame_class, s[PROTOCOL]
    )
    # What stood in the slot before must not be read on.
    store_u32(record + size, 0)
    store_release(s[SELF] + 8 * ALARMS_TAIL, tail + 1)
    s[_ALARMS] += 1
    return 1


@njit(_i64(_State, _i64, _i64, _i64, _i64), cache=True, nogil=True)
def _look(s: Any, fd: int, split: int, identify: int, reply: int) -> int:
    """Look at what a connection has sent and leave it in the socket; of each frame once, in its first 16 KB."""
    row = s[LINKS] + fd * LINK_BYTES
    partial = load_i64(row + 8 * PARTIAL)
    scratch = s[SCRATCH]
    received = _recv(fd, scratch + partial, RECEIVE_BYTES, _MSG_PEEK)
    if received <= 0:
        if received < 0:
            error = _errno()
            if error == _EAGAIN or error == _EINTR:
                return 1
        return _end_link(s, fd, CLOSED)
    s[ROUND_LOOKED] += received
    looked = load_i64(row + 8 * LOOKED)
    if received <= looked:
        return 1
    store_i64(row + 8 * LOOKED, received)
    store_i64(row + 8 * FLAGS, load_i64(row + 8 * FLAGS) | WAS_LOOKED_AT)
    store_i64(row + 8 * LAST_MS, s[STEADY_MS])
    copy(scratch, s[PARTIALS] + fd * PARTIAL_BYTES_MAX, partial)
    frame = s[STAGING] + s[STAGED] + RECORD_HEADER_BYTES
    at = 0
    end = partial + received
    while at < end:
        status = call4(split, scratch + at, end - at, frame, s[RESULT])
        at += load_i64(s[RESULT])
        if status == SPLIT_MORE:
            break
        if (
            status == SPLIT_FRAME
            and at > partial + looked
            and _look_at_frame(s, fd, frame, load_i64(s[RESULT] + 8), identify, reply) == 0
        ):
            break
    return 1


# --- commands ---------------------------------------------------------------------------------------------------------


@njit(_i64(_State, *[_i64] * 4), cache=True, nogil=True)
def _tell_out(s: Any, fd: int, terminal: int, vehicle_id: int, reason: int) -> int:
    """Tell the readers that one terminal is not, or no more, admitted on a connection that lives on."""
    store_u8(s[STAGING] + s[STAGED] + RECORD_HEADER_BYTES, reason)
    link = load_i64(s[LINKS] + fd * LINK_BYTES + 8 * LINK)
    s[URGENT] = 1
    return _stage(s, 1, link, terminal, vehicle_id, KIND_TERMINAL_SILENT, 255)


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _carry_out(s: Any, command: int, identify: int) -> int:
    """Carry out one command. Layout: u32 total, u32 payload length, operation, link, high, low, terminal, vehicle."""
    length = load_u32(command + 4)
    operation = load_i64(command + 8)
    link = load_i64(command + 16)
    payload = command + COMMAND_HEADER_BYTES
    s[_COMMANDS] += 1
    if operation == REENTER:
        frame = s[STAGING] + s[STAGED] + RECORD_HEADER_BYTES
        copy(frame, payload, length)
        frame_class = call3(identify, frame, length, s[IDENTITY])
        s[URGENT] = 1
        return _stage(s, length, link, load_i64(command + 40), load_i64(command + 48), KIND_ASSEMBLED, frame_class)
    fd = _fd_of(s, link)
    if fd < 0:
        s[_LATE] += 1
        return 0
    row = s[LINKS] + fd * LINK_BYTES
    high = load_i64(command + 24)
    low = load_i64(command + 32)
    if operation == ADMIT and _admit(s, fd, high, low, load_i64(command + 40), load_i64(command + 48)) == 0:
        s[_ADMISSIONS_REFUSED] += 1
        if s[HELD_MS] != 0 and s[STAGED] > STAGING_COMMIT_BYTES:
            return 0
        # Its actor hears that it is not there after all.
        return _tell_out(s, fd, load_i64(command + 40), load_i64(command + 48), FULL)
    if operation == ADMIT:
        store_i64(row + 8 * BEFORE_LOGIN, 0)
    if operation == SEND or operation == ADMIT:
        if s[IDLE_ANY]:
            store_i64(row + 8 * LAST_MS, s[STEADY_MS])
        if s[HELD_MS] != 0:
            # It promises nothing of what waits, and must not wait behind it.
            return _transmit(s, fd, payload, length)
        copy(s[ARENA] + s[ARENA_USED], payload, length)
        return _span(s, fd, length)
    if operation == EVICT:
        return _evict(s, fd, high, low)
    flags = load_i64(row + 8 * FLAGS)
    if operation == CLOSE:
        if s[HELD_MS] != 0 and load_i64(row + 8 * CHUNK) == 0:
            return _end_link(s, fd, ENDED)
        store_i64(row + 8 * FLAGS, flags | CLOSING)
        if s[HELD_MS] != 0:
            return _interest(s, fd, _CTL_MOD)
        _span_close(s, fd)
    elif operation == PAUSE:
        store_i64(row + 8 * FLAGS, flags | PAUSED)
    elif operation == RESUME:
        store_i64(row + 8 * FLAGS, flags & ~PAUSED)
        store_i64(row + 8 * LAST_MS, s[STEADY_MS])
    return _interest(s, fd, _CTL_MOD)


@njit(_i64(_State, _i64, _i64), cache=True, nogil=True)
def _carry_out_all(s: Any, identify: int, queue_bytes: int) -> int:
    """Carry out what the actors asked for up to now; 0, or HELD: the rest stays in the queue."""
    tail = load_acquire(s[SELF] + 8 * COMMAND_TAIL)
    head = s[COMMAND_HEAD]
    while head < tail:
        command = s[COMMANDS] + head % queue_bytes
        if s[HELD_MS] != 0:
            # Only a message put together anew is staged then, and may have to wait itself.
            if s[STAGED] > STAGING_COMMIT_BYTES and load_i64(command + 8) == REENTER:
                return HELD
        elif (
            s[STAGED] > STAGING_COMMIT_BYTES
            or s[ARENA_USED] > ARENA_COMMIT_BYTES
            or s[SPANS_USED] > SPANS_MAX - EVENTS_MAX
        ):
            _commit(s)
        if load_i64(command + 8) != SKIP:
            _carry_out(s, command, identify)
        head += load_u32(command)
        store_release(s[SELF] + 8 * COMMAND_HEAD, head)
    return 0


@njit(_i64(_State, _i64, *[_i64] * 8), cache=True, nogil=True)
def push_command(
    s: Any,
    queue_bytes: int,
    operation: int,
    link: int,
    high: int,
    low: int,
    terminal: int,
    vehicle_id: int,
    payload: int,
    length: int,
) -> int:
    """Put a command into the queue, for the one thread that sends them. 0 when there is no room for it now."""
    tail = s[COMMAND_TAIL]
    room = queue_bytes - (tail - load_acquire(s[SELF] + 8 * COMMAND_HEAD))
    total = (COMMAND_HEADER_BYTES + length + 63) & ~63
    to_end = queue_bytes - tail % queue_bytes
    if to_end < total:
        if room < to_end + total:
            return 0
        command = s[COMMANDS] + tail % queue_bytes
        store_u32(command, to_end)
        store_i64(command + 8, SKIP)
        tail += to_end
    elif room < total:
        return 0
    command = s[COMMANDS] + tail % queue_bytes
    store_u32(command, total)
    store_u32(command + 4, length)
    store_i64(command + 8, operation)
    store_i64(command + 16, link)
    store_i64(command + 24, high)
    store_i64(command + 32, low)
    store_i64(command + 40, terminal)
    store_i64(command + 48, vehicle_id)
    copy(command + COMMAND_HEADER_BYTES, payload, length)
    store_release(s[SELF] + 8 * COMMAND_TAIL, tail + total)
    return 1


# --- the loop ---------------------------------------------------------------------------------------------------------


@njit(_i64(_State, *[_i64] * 5), cache=True, nogil=True)
def _shut_out(s: Any, fd: int, high: int, low: int, terminal: int, vehicle_id: int) -> int:
    """Close the gate of a silent terminal on a connection that others keep alive, and tell the readers."""
    _tell_out(s, fd, terminal, vehicle_id, SILENT)
    s[_TERMINALS_SILENT] += 1
    return _evict(s, fd, high, low)


@njit(_i64(_State, _i64), cache=True, nogil=True)
def _tick_admissions(s: Any, oldest_ms: int) -> int:
    """Shut out further terminals that have said nothing since.

    A connection that forwards many is never silent itself. Looking at all slots once a second costs 2 ms, on a node
    that has such connections. Where anything sent counts, nothing says to whom: terminals then go with their link.
    """
    # While the journal takes nothing they keep their places: the record of each would have to wait.
    if s[ADMISSIONS_USED] == 0 or s[IDLE_ANY] or s[HELD_MS] != 0:
        return 0
    for slot in range(ADMISSIONS_MAX):
        entry = s[ADMISSIONS] + slot * ADMISSION_WORDS * 8
        link = load_i64(entry)
        if link <= 0 or load_i64(entry + 40) >= oldest_ms:
            continue
        fd = _fd_of(s, link)
        if fd < 0 or load_i64(s[LINKS] + fd * LINK_BYTES + 8 * FLAGS) & (PAUSED | IS_RESTING):
            continue
        _shut_out(s, fd, load_i64(entry + 8), load_i64(entry + 16), load_i64(entry + 24), load_i64(entry + 32))
        if s[STAGED] > STAGING_COMMIT_BYTES:
            _commit(s)
    return 0


@njit(_i64(_State), cache=True, nogil=True)
def _tick(s: Any) -> int:
    """Once a second: end silent connections and sessions, seal a segment that is old enough."""
    if s[STEADY_MS] - s[TICK_MS] < TICK_EVERY_MS:
        return 0
    s[TICK_MS] = s[STEADY_MS]
    oldest_ms = s[STEADY_MS] - s[IDLE_MS]
    while s[WAITING] != 0:
        fd = s[WAITING] - 1
        row = s[LINKS] + fd * LINK_BYTES
        if s[STEADY_MS] - load_i64(row + 8 * SINCE_MS) < s[LOGIN_MS]:
            break
        if load_i64(row + 8 * FLAGS) & PAUSED or s[HELD_MS] != 0:
            # It is we who do not listen: it has its time anew.
            _unlist(s, fd, WAITING, IS_WAITING)
            _enlist(s, fd, WAITING, IS_WAITING)
        else:
            _end_link(s, fd, NOBODY)
        if s[STAGED] > STAGING_COMMIT_BYTES and s[HELD_MS] == 0:
            _commit(s)
    for fd in range(s[FD_TOP] + 1):
        row = s[LINKS] + fd * LINK_BYTES
        if (
            load_i64(row + 8 * LINK) != 0
            and load_i64(row + 8 * LAST_MS) < oldest_ms
            and not load_i64(row + 8 * FLAGS) & (PAUSED | IS_RESTING)
        ):
            _end_link(s, fd, SILENT)
        elif (
            load_i64(row + 8 * LINK) != 0
            and load_i64(row + 8 * EXTRA) > 0
            and load_i64(row + 8 * TERMINAL) != 0
            and load_i64(row + 8 * HEARD_MS) < oldest_ms
            and not load_i64(row + 8 * FLAGS) & (PAUSED | IS_RESTING)
            and not s[IDLE_ANY]
            and s[HELD_MS] == 0
        ):
            _shut_out(
                s,
                fd,
                load_i64(row + 8 * HIGH),
                load_i64(row + 8 * LOW),
                load_i64(row + 8 * TERMINAL),
                load_i64(row + 8 * VEHICLE),
            )
        if s[STAGED] > STAGING_COMMIT_BYTES and s[HELD_MS] == 0:
            _commit(s)
    _tick_admissions(s, oldest_ms)
    if s[SEGMENT_FD] >= 0 and s[STEADY_MS] - s[SEGMENT_OPENED_STEADY_MS] >= _SEAL_MS:
        _seal(s)
    return 0


@njit(
    _i64(
        _State,
        _i64,
        _i64,
        _i64,
        _i64,
    ),
    cache=True,
    nogil=True,
)
def run_loop(s: Any, split: int, identify: int, reply: int, queue_bytes: int) -> int:
    """Run rounds until told to stop.

    The last round is committed before it returns; connections are left open for the caller to end. What the journal
    does not take then was never acknowledged.
    """
    for fd in (s[LISTENER], s[WAKE]):
        store_u32(s[TIMES], _EPOLLIN)
        store_i64(s[TIMES] + _EVENT_DATA, fd)
        _epoll_ctl(s[EPOLL], _CTL_ADD, fd, s[TIMES])
    wait_ms = 0
    while True:
        stopping = load_acquire(s[SELF] + 8 * STOP) != 0
        count = _i64(_epoll_wait(s[EPOLL], s[EVENTS], EVENTS_MAX, 0 if stopping else wait_ms))
        started_ns = _clock_ns(s, _CLOCK_MONOTONIC)
        waited_ms = started_ns // 1_000_000 - s[STEADY_MS]
        s[STEADY_MS] = started_ns // 1_000_000
        s[NOW_MS] = _clock_ns(s, _CLOCK_REALTIME) // 1_000_000
        s[_ROUNDS] += 1
        s[ROUND_RECORDS] = 0
        s[ROUND_BYTES] = 0
        s[ROUND_LOOKED] = 0
        if s[HELD_MS] != 0:
            s[_STALLS] += waited_ms
            # First: what it takes now is as it was before anything was let go.
            _commit(s)
        for k in range(count):
            event = s[EVENTS] + k * _EVENT_BYTES
            happened = load_u32(event)
            data = load_i64(event + _EVENT_DATA)
            fd = data & ((1 << _FD_BITS) - 1)
            if data == s[LISTENER]:
                _accept(s)
                continue
            if data == s[WAKE]:
                _read(fd, s[TIMES], 8)
                continue
            row = s[LINKS] + fd * LINK_BYTES
            link = load_i64(row + 8 * LINK)
            if link == 0 or link & ((1 << COUNTER_BITS) - 1) != data >> _FD_BITS:
                continue
            if happened & _EPOLLOUT:
                _transmit_rest(s, fd)
            elif happened & _EPOLLIN:
                if s[HELD_MS] != 0:
                    _look(s, fd, split, identify, reply)
                else:
                    _receive(s, fd, split, identify, reply)
            elif happened & (_EPOLLERR | _EPOLLHUP):
                _end_link(s, fd, CLOSED)
            if s[HELD_MS] != 0:
                # The others have their turn in the next round.
                if s[ROUND_LOOKED] > STALL_ROUND_BYTES:
                    break
            elif (
                s[STAGED] > STAGING_COMMIT_BYTES
                or s[ARENA_USED] > ARENA_COMMIT_BYTES
                or s[SPANS_USED] > SPANS_MAX - EVENTS_MAX
            ):
                _commit(s)
        _carry_out_all(s, identify, queue_bytes)
        _tick(s)
        _end_rests(s)
        status = _commit(s)
        # What an answer's failure staged (a link that ended) must not wait for the next frame.
        if status == 0 and s[STAGED] > 0:
            status = _commit(s)
        _hand_up(s)
        if stopping:
            if s[SEGMENT_FD] >= 0:
                _seal(s)
            _ring(s, s[HAND_UP])
            _ring(s, s[HOUSE])
            return 0
        if status == HELD:
            if s[ALARMS_TAIL] != load_acquire(s[SELF] + 8 * ALARMS_HEAD):
                _ring(s, s[ALARM_WAKE])
            # A round reads little and comes seldom: nobody gains by being read faster than that.
            _sleep_ns(s, STALL_ROUND_MS * 1_000_000)
            wait_ms = 0
            continue
        wait_ms = TICK_EVERY_MS
        if s[UNHANDED] > 0:
            wait_ms = max(1, HAND_UP_MS - (s[STEADY_MS] - s[UNHANDED_SINCE_MS]))
        if s[RESTING] != 0:
            wait_ms = min(wait_ms, REST_MS)
        if s[ROUND_RECORDS] > 0 and s[ROUND_RECORDS] < ROUND_ROWS_MAX and s[ROUND_BYTES] < ROUND_BYTES_MAX:
            rest_ns = s[WINDOW_NS] - (_clock_ns(s, _CLOCK_MONOTONIC) - started_ns)
            if rest_ns > 0:
                _sleep_ns(s, rest_ns)
