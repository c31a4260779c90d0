"""Put load on a server: thousands of terminals, one compiled epoll loop, less CPU than the server it saturates.

Each terminal connects, registers (0x0100), authenticates with the code it was given (0x0102), and then reports (0x0200,
57 bytes on the wire): in a closed loop that keeps `window` reports unacknowledged, or at a fixed rate of all terminals
together, each at its own phase. It answers commands (0x8201 with 0x0201, others with 0x0001), and with `reconnect` it
logs in again after a lost connection and sends what was not acknowledged once more, byte for byte.

No two reports are equal, and a file can keep which were sent and which acknowledged, for comparing sets with what the
server stored. It shares no code with the server's codec, so that a fault cannot hide on both sides; tests compare them.

    with LoadClient(LoadPlan(port=8808, terminals=1000, window=16)) as client:
        client.login()
        client.drive(10.0)
        client.drain()
        print(client.result())
"""

import argparse
import ctypes
import platform
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec
import numpy as np
from numba import njit, types
from numba.core.types import int32, int64, void

from protocols.memory import (
    copy,
    load_i64,
    load_u8,
    load_u16_be,
    store_i64,
    store_u8,
    store_u16,
    store_u16_be,
    store_u32,
    store_u32_be,
)

# --- the record of what was sent and acknowledged ---------------------------------------------------------------------

RECORD: Final = np.dtype(
    [
        ("terminal", "<u4"),  # number of the terminal: its phone is phone_first + terminal
        ("time_s", "<u4"),  # fix time of the report, UTC epoch seconds
        ("latency_us", "<u4"),  # RECORD_ACKED: from send to the acknowledgement
        ("serial", "<u2"),
        ("kind", "u1"),  # RECORD_*
        ("result", "u1"),  # RECORD_ACKED: the result that the answer carried
    ]
)
"""One entry of the record file, 16 bytes, appended in the order things happened."""

RECORD_SENT: Final = 1
"""Handed to the kernel (or about to be: an entry stands before its bytes leave)."""
RECORD_ACKED: Final = 2
RECORD_RESENT: Final = 3
RECORD_ANSWERED: Final = 4
"""A position in a 0x0201: no acknowledgement is expected, but it may be stored."""
RECORD_REFUSED: Final = 5
"""Acknowledged with another result than 0."""

RECORDS_HELD_MAX: Final = 1 << 18
"""Entries kept in memory between two writes: 4 MB, a quarter second at a million entries a second."""
RECORDS_PER_STEP_MAX: Final = 1 << 13
"""More than one step for one connection can add: RING_MAX answers, as many sent again, half as many new. The room is
looked at between two connections."""
RING_MAX: Final = 2048
"""Reports of one terminal that may wait for their acknowledgement."""

# --- one connection: int64 words --------------------------------------------------------------------------------------

(
    C_FILE,
    C_STATE,
    C_SERIAL,  # of the next frame
    C_OPEN,  # reports sent and not acknowledged
    C_COUNT,  # reports made so far
    C_PARTIAL,  # bytes of an unfinished answer kept in the input area
    C_PENDING_AT,  # bytes the socket would not take: from ...
    C_PENDING_END,  # ... to, in the pending area
    C_CODE_BYTES,
    C_RETRY_NS,  # idle: when to connect; logging in: when to give up
    C_PHONE,
    C_RESEND,  # serials of the ring still to be looked through after a new login
    C_LATITUDE,
    C_LONGITUDE,
    C_SPOKEN_NS,  # last frame sent, for heartbeats
    C_TIME_S,  # fix time of the last report ...
    C_TIME_COUNT,  # ... and how many bear it
) = range(17)
C_CODE: Final = 18 * 8
CODE_BYTES_MAX: Final = 128
CONNECTION_BYTES: Final = C_CODE + CODE_BYTES_MAX

STATE_IDLE: Final = 0
STATE_CONNECTING: Final = 1
STATE_REGISTERING: Final = 2
STATE_AUTHENTICATING: Final = 3
STATE_READY: Final = 4
STATE_LOST: Final = 5

# One report that waits for its acknowledgement, in its connection's ring at serial & mask: four int64.
S_SERIAL, S_TIME_S, S_SENT_NS, S_COUNT = 0, 8, 16, 24
SLOT_BYTES: Final = 32
SLOT_FREE: Final = -1

INPUT_BYTES: Final = 4096
"""Largest escaped frame of the protocol: 2 * (21 + 1023 + 1) + 2 = 2,092. Double that for a lenient server."""
PENDING_BYTES: Final = 8192
OUTPUT_BYTES_MAX: Final = PENDING_BYTES - 256
"""A connection's output of one step always fits its pending area; one frame of ours is at most 224 bytes escaped."""
FRAME_ROOM_BYTES: Final = 224
RECEIVE_BYTES: Final = 16 * 1024

# --- the control block: int64 words -----------------------------------------------------------------------------------

(
    K_CONNECTIONS,  # addresses
    K_RINGS,
    K_INPUTS,
    K_PENDINGS,
    K_REGISTRATIONS,
    K_EVENTS,
    K_SCRATCH,
    K_PLAIN,
    K_UNESCAPED,
    K_OUTPUT,
    K_RECORDS,
    K_LATENCIES,
    K_LATENESSES,
    K_ORDER,
    K_ADDRESS,
    K_EPOLL,  # parameters
    K_TERMINALS,
    K_WINDOW,
    K_RING,
    K_REGISTRATION_BYTES,
    K_RECONNECT,
    K_LOGINS_OPEN_MAX,
    K_LOGIN_TIMEOUT_NS,
    K_RETRY_NS,
    K_HEARTBEAT_NS,
    K_STEP_1E6,
    K_ALARM_EVERY,
    K_RATE,
    K_RECORDING,
    K_WALL_OFFSET_NS,  # wall clock minus monotonic clock
    K_MODE,  # state
    K_PHASE_NS,
    K_DUE,  # reports of the open loop made due so far
    K_BUDGET,  # reports still to be made
    K_SWEEP,
    K_GATE_NS,  # no connect before this: the server refused one
    K_SCAN_NS,
    K_BEAT_NS,
    K_LOGINS_OPEN,
    K_CURSOR,
    K_TIME_S,  # second whose BCD is kept in the next word
    K_TIME_BCD,
    K_RECORD_COUNT,
    K_OPEN,  # reports waiting for their acknowledgement, all connections
    K_READY,
    K_LOST,  # connections given up (counts from here on)
    K_SENT,
    K_ACKED,
    K_REFUSED,
    K_RESENT,
    K_ABANDONED,
    K_HELD_BACK,
    K_LOGINS,
    K_LOGIN_FAILURES,
    K_CUTS,
    K_COMMANDS,
    K_POSITIONS,
    K_ANSWERS_DROPPED,
    K_BAD,
    K_UNMATCHED,
    K_HEARTBEATS,
    K_SENDS,
    K_RECEIVES,
    K_WAITS,
    K_ERRNO,  # last errno of a connection that ended
) = range(65)
CONTROL_WORDS: Final = 72

MODE_QUIET: Final = 0
"""Log in, answer, send again, but make no new reports."""
MODE_WINDOW: Final = 1
MODE_PACED: Final = 2

EVENTS_MAX: Final = 256
DUE_PER_ROUND_MAX: Final = 64
CONNECTS_PER_ROUND_MAX: Final = 32

# --- libc, callable from compiled code (this form is cacheable; ctypes pointers are not) ------------------------------

_socket = types.ExternalFunction("socket", int32(int32, int32, int32))
_connect = types.ExternalFunction("connect", int32(int32, int64, int32))
_setsockopt = types.ExternalFunction("setsockopt", int32(int32, int32, int32, int64, int32))
_getsockopt = types.ExternalFunction("getsockopt", int32(int32, int32, int32, int64, int64))
_send = types.ExternalFunction("send", int64(int32, int64, int64, int32))
_recv = types.ExternalFunction("recv", int64(int32, int64, int64, int32))
_close = types.ExternalFunction("close", int32(int32))
_epoll_ctl = types.ExternalFunction("epoll_ctl", int32(int32, int32, int32, int64))
_epoll_pwait2 = types.ExternalFunction("epoll_pwait2", int32(int32, int64, int32, int64, int64))
_clock_gettime = types.ExternalFunction("clock_gettime", int32(int32, int64))
_errno_location = types.ExternalFunction("__errno_location", types.CPointer(int32)())

EPOLL_PACKED: Final = platform.machine() in ("x86_64", "AMD64")
"""struct epoll_event has no padding on x86-64 only."""
EVENT_BYTES: Final = 12 if EPOLL_PACKED else 16
EVENT_DATA: Final = 4 if EPOLL_PACKED else 8

INTERNET: Final = int(socket.AF_INET)
TCP: Final = int(socket.IPPROTO_TCP)
NO_DELAY: Final = int(socket.TCP_NODELAY)
SOCKET_LEVEL: Final = int(socket.SOL_SOCKET)
SOCKET_ERROR: Final = int(socket.SO_ERROR)
SOCKET_KIND: Final = int(socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
MSG_NOSIGNAL: Final = 0x4000
EPOLL_ADD, EPOLL_MODIFY = 1, 3
EPOLL_IN, EPOLL_OUT, EPOLL_ERROR, EPOLL_HANGUP = 1, 4, 8, 16
EAGAIN, EINTR, EINPROGRESS, ECONNREFUSED = 11, 4, 115, 111
CLOCK_MONOTONIC: Final = 1

# scratch area: timespec at 0, epoll_event at 16, int at 32, length at 40
SCRATCH_TIME, SCRATCH_EVENT, SCRATCH_INT, SCRATCH_LENGTH = 0, 16, 32, 40

ONES: Final = 0x0101010101010101
HIGHS: Final = -0x7F7F7F7F7F7F7F80
SEVEN_D: Final = 0x7D7D7D7D7D7D7D7D
SEVEN_E: Final = 0x7E7E7E7E7E7E7E7E

HISTOGRAM_STEPS: Final = 32
HISTOGRAM_BUCKETS: Final = 64 * HISTOGRAM_STEPS
"""32 buckets to each doubling of a nanosecond count: a percentile is within 3 %."""

SERIALS_PER_SECOND_MAX: Final = 1 << 15
LOCATION_BYTES: Final = 42
"""Location head (28) and items 01 odometer (6), 02 fuel (4), 03 recorder speed (4)."""


@njit(int64(int64, int64), cache=True, nogil=True)
def _word(control: Any, index: Any) -> Any:
    return load_i64(control + index * 8)


@njit(void(int64, int64, int64), cache=True, nogil=True)
def _set(control: Any, index: Any, value: Any) -> Any:
    store_i64(control + index * 8, value)


@njit(void(int64, int64, int64), cache=True, nogil=True)
def _add(control: Any, index: Any, value: Any) -> Any:
    store_i64(control + index * 8, load_i64(control + index * 8) + value)


@njit(int64(int64), cache=True, nogil=True)
def _now_ns(control: Any) -> Any:
    scratch = _word(control, K_SCRATCH)
    _clock_gettime(CLOCK_MONOTONIC, scratch + SCRATCH_TIME)
    return load_i64(scratch + SCRATCH_TIME) * 1_000_000_000 + load_i64(scratch + SCRATCH_TIME + 8)


@njit(void(int64, int64), cache=True, nogil=True)
def _count_ns(histogram: Any, value_ns: Any) -> Any:
    """Add one duration to a histogram of HISTOGRAM_BUCKETS int64; below HISTOGRAM_STEPS ns all fall into one octave."""
    value = value_ns if value_ns > HISTOGRAM_STEPS else HISTOGRAM_STEPS
    octave = 0
    rest = value
    for bits in (32, 16, 8, 4, 2, 1):
        if rest >> bits:
            rest >>= bits
            octave += bits
    step = (value >> (octave - 5)) & (HISTOGRAM_STEPS - 1)
    at = histogram + (octave * HISTOGRAM_STEPS + step) * 8
    store_i64(at, load_i64(at) + 1)


@njit(void(int64, int64, int64, int64, int64, int64, int64), cache=True, nogil=True)
def _record(control: Any, terminal: Any, time_s: Any, serial: Any, kind: Any, result: Any, latency_us: Any) -> Any:
    if _word(control, K_RECORDING) == 0:
        return
    count = _word(control, K_RECORD_COUNT)
    at = _word(control, K_RECORDS) + count * 16
    store_u32(at, terminal)
    store_u32(at + 4, time_s)
    store_u32(at + 8, latency_us if latency_us < 0xFFFFFFFF else 0xFFFFFFFF)
    store_u16(at + 12, serial)
    store_u8(at + 14, kind)
    store_u8(at + 15, result)
    _set(control, K_RECORD_COUNT, count + 1)


# --- building frames --------------------------------------------------------------------------------------------------


@njit(int64(int64), cache=True, nogil=True)
def _bcd(value: Any) -> Any:
    """Two decimal digits as one BCD byte."""
    return (value // 10) * 16 + value % 10


@njit(int64(int64), cache=True, nogil=True)
def _bcd_time(time_s: Any) -> Any:
    """UTC epoch seconds as the twelve BCD digits YYMMDDhhmmss of GMT+8, in the low 48 bits.

    Source: days to civil date by Howard Hinnant's algorithm (eras of 400 years, March-based months).
    """
    local = time_s + 8 * 3600
    days = local // 86400
    second = local - days * 86400
    shifted = days + 719468
    era = shifted // 146097
    day_of_era = shifted - era * 146097
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_shifted = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_shifted + 2) // 5 + 1
    month = month_shifted + 3 if month_shifted < 10 else month_shifted - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    date = (_bcd(year % 100) << 16) | (_bcd(month) << 8) | _bcd(day)
    clock = (_bcd(second // 3600) << 16) | (_bcd(second // 60 % 60) << 8) | _bcd(second % 60)
    return (date << 24) | clock


@njit(void(int64, int64, int64, int64, int64), cache=True, nogil=True)
def _head(plain: Any, message: Any, body_bytes: Any, phone: Any, serial: Any) -> Any:
    """Write the 12-byte header of JT/T 808-2013."""
    store_u16_be(plain, message)
    store_u16_be(plain + 2, body_bytes)
    store_u16_be(plain + 4, phone >> 32)
    store_u32_be(plain + 6, phone)
    store_u16_be(plain + 10, serial)


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _wrap(plain: Any, length: Any, out: Any) -> Any:
    """Append the checksum, escape, put between flags at `out`; return the address behind. Plain has 9 spare bytes."""
    store_i64(plain + length, 0)
    total = 0
    for at in range(0, length, 8):
        total ^= load_i64(plain + at)
    total ^= total >> 32
    total ^= total >> 16
    total ^= total >> 8
    store_u8(plain + length, total)
    store_u8(out, 0x7E)
    out += 1
    found = 0
    for at in range(0, length + 1, 8):
        word = load_i64(plain + at)
        low = word ^ SEVEN_D
        high = word ^ SEVEN_E
        found |= ((low - ONES) & ~low & HIGHS) | ((high - ONES) & ~high & HIGHS)
        store_i64(out + at, word)
    if found == 0:
        out += length + 1
    else:
        for at in range(length + 1):
            byte = load_u8(plain + at)
            if byte == 0x7D or byte == 0x7E:
                store_u8(out, 0x7D)
                byte = byte - 0x7C
                out += 1
            store_u8(out, byte)
            out += 1
    store_u8(out, 0x7E)
    return out + 1


@njit(void(int64, int64, int64, int64, int64), cache=True, nogil=True)
def _location(control: Any, connection: Any, count: Any, time_s: Any, body: Any) -> Any:
    """Write the LOCATION_BYTES of a terminal's report number `count`: the car drives a line east and back again."""
    turn = count & 8191
    along = turn if turn < 4096 else 8191 - turn
    every = _word(control, K_ALARM_EVERY)
    alarm = 1 if every and count % every == every - 1 else 0
    if time_s != _word(control, K_TIME_S):
        _set(control, K_TIME_S, time_s)
        _set(control, K_TIME_BCD, _bcd_time(time_s))
    time_bcd = _word(control, K_TIME_BCD)
    store_u32_be(body, alarm)
    store_u32_be(body + 4, 0x0004_0003)  # ACC on, fixed, GPS
    store_u32_be(body + 8, _word(connection, C_LATITUDE))
    store_u32_be(body + 12, _word(connection, C_LONGITUDE) + along * _word(control, K_STEP_1E6))
    store_u16_be(body + 16, 12)
    store_u16_be(body + 18, 360)
    store_u16_be(body + 20, 90 if turn < 4096 else 270)
    store_u16_be(body + 22, time_bcd >> 32)
    store_u32_be(body + 24, time_bcd)
    store_u16_be(body + 28, 0x0104)
    store_u32_be(body + 30, count)  # 100 m a report: what makes every body of a terminal distinct
    store_u16_be(body + 34, 0x0202)
    store_u16_be(body + 36, 400)
    store_u16_be(body + 38, 0x0302)
    store_u16_be(body + 40, 360)


@njit(int64(int64, int64, int64, int64, int64, int64), cache=True, nogil=True)
def _put_report(control: Any, connection: Any, serial: Any, count: Any, time_s: Any, out: Any) -> Any:
    plain = _word(control, K_PLAIN)
    _head(plain, 0x0200, LOCATION_BYTES, _word(connection, C_PHONE), serial)
    _location(control, connection, count, time_s, plain + 12)
    return _wrap(plain, 12 + LOCATION_BYTES, out)


@njit(int64(int64, int64), cache=True, nogil=True)
def _next_serial(control: Any, connection: Any) -> Any:
    serial = _word(connection, C_SERIAL)
    _set(connection, C_SERIAL, (serial + 1) & 0xFFFF)
    return serial


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _fix_time_s(control: Any, connection: Any, now_ns: Any) -> Any:
    """Return the time of the terminal's next report: the wall clock's second, never falling.

    No more than half the serials fall into one second, so (phone, serial, time) names one report: a terminal that is
    faster than that is ahead of the clock.
    """
    time_s = (now_ns + _word(control, K_WALL_OFFSET_NS)) // 1_000_000_000
    last_s = _word(connection, C_TIME_S)
    count = _word(connection, C_TIME_COUNT)
    if time_s > last_s:
        count = 0
    else:
        time_s = last_s
        if count == SERIALS_PER_SECOND_MAX:
            time_s += 1
            count = 0
    _set(connection, C_TIME_S, time_s)
    _set(connection, C_TIME_COUNT, count + 1)
    return time_s


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _put_registration(control: Any, connection: Any, out: Any) -> Any:
    plain = _word(control, K_PLAIN)
    index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
    length = _word(control, K_REGISTRATION_BYTES)
    _head(plain, 0x0100, length, _word(connection, C_PHONE), _next_serial(control, connection))
    copy(plain + 12, _word(control, K_REGISTRATIONS) + index * length, length)
    _set(connection, C_STATE, STATE_REGISTERING)
    return _wrap(plain, 12 + length, out)


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _put_authentication(control: Any, connection: Any, out: Any) -> Any:
    plain = _word(control, K_PLAIN)
    length = _word(connection, C_CODE_BYTES)
    _head(plain, 0x0102, length, _word(connection, C_PHONE), _next_serial(control, connection))
    copy(plain + 12, connection + C_CODE, length)
    _set(connection, C_STATE, STATE_AUTHENTICATING)
    return _wrap(plain, 12 + length, out)


# --- one connection's life --------------------------------------------------------------------------------------------


@njit(void(int64, int64, int64, int64), cache=True, nogil=True)
def _watch(control: Any, connection: Any, operation: Any, events: Any) -> Any:
    event = _word(control, K_SCRATCH) + SCRATCH_EVENT
    store_u32(event, events)
    store_i64(event + EVENT_DATA, (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES)
    _epoll_ctl(int32(_word(control, K_EPOLL)), int32(operation), int32(_word(connection, C_FILE)), event)


@njit(void(int64, int64, int64), cache=True, nogil=True)
def _end(control: Any, connection: Any, now_ns: Any) -> Any:
    """Close a connection; then it is idle until its next attempt, or lost for good with its open reports."""
    state = _word(connection, C_STATE)
    if state in (STATE_IDLE, STATE_LOST):
        return
    _close(int32(_word(connection, C_FILE)))
    _set(connection, C_FILE, -1)
    _set(connection, C_PARTIAL, 0)
    _set(connection, C_PENDING_AT, 0)
    _set(connection, C_PENDING_END, 0)
    _set(connection, C_RESEND, 0)
    if state == STATE_READY:
        _add(control, K_READY, -1)
        _add(control, K_CUTS, 1)
    else:
        _add(control, K_LOGINS_OPEN, -1)
        _add(control, K_LOGIN_FAILURES, 1)
    if _word(control, K_RECONNECT):
        index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
        _set(connection, C_STATE, STATE_IDLE)
        # Spread over as long again, so that ten thousand do not come in the same millisecond.
        retry_ns = _word(control, K_RETRY_NS)
        _set(connection, C_RETRY_NS, now_ns + retry_ns + (index * 2654435761) % (retry_ns + 1))
    else:
        _set(connection, C_STATE, STATE_LOST)
        _add(control, K_LOST, 1)
        _add(control, K_ABANDONED, _word(connection, C_OPEN))
        _add(control, K_OPEN, -_word(connection, C_OPEN))
        _set(connection, C_OPEN, 0)


@njit(int64(int64, int64, int64, int64, int64), cache=True, nogil=True)
def _flush(control: Any, connection: Any, start: Any, end: Any, now_ns: Any) -> Any:
    """Send bytes, keeping what the socket does not take. Returns 0 when the connection ended, else 1."""
    length = end - start
    if length == 0:
        return 1
    index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
    pending = _word(control, K_PENDINGS) + index * PENDING_BYTES
    kept = _word(connection, C_PENDING_END)
    if kept:
        # Only answers to commands come here: reports are not made while bytes wait.
        if kept + length > PENDING_BYTES:
            _add(control, K_ANSWERS_DROPPED, 1)
        else:
            copy(pending + kept, start, length)
            _set(connection, C_PENDING_END, kept + length)
        return 1
    _set(connection, C_SPOKEN_NS, now_ns)
    _add(control, K_SENDS, 1)
    sent = _send(int32(_word(connection, C_FILE)), start, length, MSG_NOSIGNAL)
    if sent == length:
        return 1
    if sent < 0:
        error = int64(_errno_location()[0])
        if error != EAGAIN and error != EINTR:
            _set(control, K_ERRNO, error)
            _end(control, connection, now_ns)
            return 0
        sent = 0
    copy(pending, start + sent, length - sent)
    _set(connection, C_PENDING_AT, 0)
    _set(connection, C_PENDING_END, length - sent)
    _watch(control, connection, EPOLL_MODIFY, EPOLL_IN | EPOLL_OUT)
    return 1


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _send_pending(control: Any, connection: Any, now_ns: Any) -> Any:
    """Send kept bytes; returns 0 when the connection ended, else 1."""
    index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
    at = _word(connection, C_PENDING_AT)
    end = _word(connection, C_PENDING_END)
    pending = _word(control, K_PENDINGS) + index * PENDING_BYTES
    sent = _send(int32(_word(connection, C_FILE)), pending + at, end - at, MSG_NOSIGNAL)
    if sent < 0:
        error = int64(_errno_location()[0])
        if error in (EAGAIN, EINTR):
            return 1
        _set(control, K_ERRNO, error)
        _end(control, connection, now_ns)
        return 0
    if at + sent < end:
        _set(connection, C_PENDING_AT, at + sent)
        return 1
    _set(connection, C_PENDING_AT, 0)
    _set(connection, C_PENDING_END, 0)
    _watch(control, connection, EPOLL_MODIFY, EPOLL_IN)
    return 1


@njit(int64(int64, int64, int64, int64), cache=True, nogil=True)
def _new_report(control: Any, connection: Any, now_ns: Any, out: Any) -> Any:
    """Make one report, remembered and recorded; returns the address behind, or 0 when no slot of the ring is free."""
    index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
    ring = _word(control, K_RING)
    serial = _word(connection, C_SERIAL)
    slot = _word(control, K_RINGS) + (index * ring + (serial & (ring - 1))) * SLOT_BYTES
    if load_i64(slot + S_SERIAL) != SLOT_FREE:
        return 0
    count = _word(connection, C_COUNT)
    time_s = _fix_time_s(control, connection, now_ns)
    _set(connection, C_SERIAL, (serial + 1) & 0xFFFF)
    _set(connection, C_COUNT, count + 1)
    store_i64(slot + S_SERIAL, serial)
    store_i64(slot + S_TIME_S, time_s)
    store_i64(slot + S_SENT_NS, now_ns)
    store_i64(slot + S_COUNT, count)
    _add(connection, C_OPEN, 1)
    _add(control, K_OPEN, 1)
    _add(control, K_SENT, 1)
    _add(control, K_BUDGET, -1)
    _record(control, index, time_s, serial, RECORD_SENT, 0, 0)
    return _put_report(control, connection, serial, count, time_s, out)


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _resend(control: Any, connection: Any, now_ns: Any) -> Any:
    """Send again what was not acknowledged before the connection was lost, oldest first. Returns 0 when it ended."""
    index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
    ring = _word(control, K_RING)
    output = _word(control, K_OUTPUT)
    out = output
    left = _word(connection, C_RESEND)
    next_serial = _word(connection, C_SERIAL)
    while left > 0 and _word(connection, C_PENDING_END) == 0:
        serial = (next_serial - left) & 0xFFFF
        left -= 1
        _set(connection, C_RESEND, left)
        slot = _word(control, K_RINGS) + (index * ring + (serial & (ring - 1))) * SLOT_BYTES
        # Heartbeats and answers use up serials too, so the slot may hold one from a round before.
        serial = load_i64(slot + S_SERIAL)
        if serial != SLOT_FREE:
            time_s = load_i64(slot + S_TIME_S)
            out = _put_report(control, connection, serial, load_i64(slot + S_COUNT), time_s, out)
            _add(control, K_RESENT, 1)
            _record(control, index, time_s, serial, RECORD_RESENT, 0, 0)
        if out - output > OUTPUT_BYTES_MAX - FRAME_ROOM_BYTES or left == 0:
            if _flush(control, connection, output, out, now_ns) == 0:
                return 0
            out = output
    return 1


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _fill(control: Any, connection: Any, now_ns: Any) -> Any:
    """Closed loop: make reports until the window is full again. Returns 0 when the connection ended, else 1."""
    output = _word(control, K_OUTPUT)
    window = _word(control, K_WINDOW)
    while (
        _word(connection, C_OPEN) < window
        and _word(control, K_BUDGET) > 0
        and _word(connection, C_PENDING_END) == 0
        and _word(connection, C_RESEND) == 0
    ):
        out = output
        while (
            _word(connection, C_OPEN) < window
            and _word(control, K_BUDGET) > 0
            and out - output <= OUTPUT_BYTES_MAX - FRAME_ROOM_BYTES
        ):
            behind = _new_report(control, connection, now_ns, out)
            if behind == 0:
                _add(control, K_HELD_BACK, 1)
                break
            out = behind
        if out == output:
            return 1
        if _flush(control, connection, output, out, now_ns) == 0:
            return 0
    return 1


@njit(int64(int64, int64, int64, int64, int64, int64), cache=True, nogil=True)
def _take(control: Any, connection: Any, frame: Any, length: Any, now_ns: Any, out: Any) -> Any:
    """Act on one unescaped frame of the platform, checksum included and right; append what is to be answered.

    Returns the address behind the answer; 0 when the platform refused the login and the connection is to end.
    """
    index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
    message = load_u16_be(frame)
    serial = load_u16_be(frame + 10)
    body = frame + 12
    body_bytes = length - 13
    if message == 0x8001 and body_bytes >= 5:
        acked_serial = load_u16_be(body)
        acked = load_u16_be(body + 2)
        result = load_u8(body + 4)
        if acked == 0x0200:
            ring = _word(control, K_RING)
            slot = _word(control, K_RINGS) + (index * ring + (acked_serial & (ring - 1))) * SLOT_BYTES
            if load_i64(slot + S_SERIAL) != acked_serial:
                _add(control, K_UNMATCHED, 1)
                return out
            store_i64(slot + S_SERIAL, SLOT_FREE)
            latency_ns = now_ns - load_i64(slot + S_SENT_NS)
            _count_ns(_word(control, K_LATENCIES), latency_ns)
            _add(connection, C_OPEN, -1)
            _add(control, K_OPEN, -1)
            if result == 0:
                _add(control, K_ACKED, 1)
            else:
                _add(control, K_REFUSED, 1)
            kind = RECORD_ACKED if result == 0 else RECORD_REFUSED
            _record(control, index, load_i64(slot + S_TIME_S), acked_serial, kind, result, latency_ns // 1000)
            return out
        if acked == 0x0102 and _word(connection, C_STATE) == STATE_AUTHENTICATING:
            if result:
                # A code the platform no longer knows: register anew at the next attempt.
                _set(connection, C_CODE_BYTES, 0)
                return 0
            _set(connection, C_STATE, STATE_READY)
            _set(connection, C_RESEND, _word(control, K_RING))
            _add(control, K_LOGINS_OPEN, -1)
            _add(control, K_READY, 1)
            _add(control, K_LOGINS, 1)
        return out
    if message == 0x8100 and body_bytes >= 3:
        if _word(connection, C_STATE) != STATE_REGISTERING:
            return out
        code_bytes = body_bytes - 3
        if load_u8(body + 2) or code_bytes < 1 or code_bytes > CODE_BYTES_MAX:
            return 0
        copy(connection + C_CODE, body + 3, code_bytes)
        _set(connection, C_CODE_BYTES, code_bytes)
        return _put_authentication(control, connection, out)
    plain = _word(control, K_PLAIN)
    _add(control, K_COMMANDS, 1)
    if message == 0x8201:
        answer_serial = _next_serial(control, connection)
        count = _word(connection, C_COUNT)
        _set(connection, C_COUNT, count + 1)
        time_s = _fix_time_s(control, connection, now_ns)
        _head(plain, 0x0201, 2 + LOCATION_BYTES, _word(connection, C_PHONE), answer_serial)
        store_u16_be(plain + 12, serial)
        _location(control, connection, count, time_s, plain + 14)
        _add(control, K_POSITIONS, 1)
        _record(control, index, time_s, answer_serial, RECORD_ANSWERED, 0, 0)
        return _wrap(plain, 14 + LOCATION_BYTES, out)
    _head(plain, 0x0001, 5, _word(connection, C_PHONE), _next_serial(control, connection))
    store_u16_be(plain + 12, serial)
    store_u16_be(plain + 14, message)
    store_u8(plain + 16, 0)
    return _wrap(plain, 17, out)


@njit(int64(int64, int64, int64), cache=True, nogil=True)
def _receive(control: Any, connection: Any, now_ns: Any) -> Any:
    """One recv: take every whole frame in it, keep the rest. Returns 0 when the connection ended, else 1."""
    index = (connection - _word(control, K_CONNECTIONS)) // CONNECTION_BYTES
    area = _word(control, K_INPUTS) + index * INPUT_BYTES
    buffer = _word(control, K_UNESCAPED)
    plain = buffer + INPUT_BYTES + RECEIVE_BYTES + 64
    held = _word(connection, C_PARTIAL)
    copy(buffer, area, held)
    _add(control, K_RECEIVES, 1)
    received = _recv(int32(_word(connection, C_FILE)), buffer + held, RECEIVE_BYTES, 0)
    if received <= 0:
        error = int64(_errno_location()[0]) if received < 0 else 0
        if error in (EAGAIN, EINTR):
            return 1
        _set(control, K_ERRNO, error)
        _end(control, connection, now_ns)
        return 0
    output = _word(control, K_OUTPUT)
    out = output
    at = buffer
    end = buffer + held + received
    start = 0  # first byte behind the last 7e, 0 before any
    length = 0
    total = 0
    escaped = 0
    fault = 0
    while at < end:
        byte = load_u8(at)
        at += 1
        if byte == 0x7E:
            if start and length:
                if length >= 13 and total == 0 and escaped == 0 and fault == 0:
                    behind = _take(control, connection, plain, length, now_ns, out)
                    if behind == 0:
                        _end(control, connection, now_ns)
                        return 0
                    out = behind
                    start = 0
                    if out - output > OUTPUT_BYTES_MAX - FRAME_ROOM_BYTES:
                        if _flush(control, connection, output, out, now_ns) == 0:
                            return 0
                        out = output
                else:
                    _add(control, K_BAD, 1)
                    start = at
            else:
                start = at
            length = 0
            total = 0
            escaped = 0
            fault = 0
        elif start:
            if byte == 0x7D:
                fault |= escaped
                escaped = 1
                continue
            if escaped:
                escaped = 0
                if byte != 1 and byte != 2:
                    fault = 1
                byte += 0x7C
            store_u8(plain + length, byte)
            total ^= byte
            length += 1
    rest = end - start + 1 if start else 0  # from its 7e on
    if rest > INPUT_BYTES:
        _add(control, K_BAD, 1)
        rest = 0
    copy(area, end - rest, rest)
    _set(connection, C_PARTIAL, rest)
    return _flush(control, connection, output, out, now_ns)


@njit(void(int64, int64, int64), cache=True, nogil=True)
def _open(control: Any, connection: Any, now_ns: Any) -> Any:
    """Begin to connect."""
    file = _socket(INTERNET, SOCKET_KIND, 0)
    if file < 0:
        _set(control, K_ERRNO, int64(_errno_location()[0]))
        _set(control, K_GATE_NS, now_ns + 100_000_000)
        return
    scratch = _word(control, K_SCRATCH)
    store_u32(scratch + SCRATCH_INT, 1)
    _setsockopt(file, TCP, NO_DELAY, scratch + SCRATCH_INT, 4)
    _set(connection, C_FILE, int64(file))
    _set(connection, C_STATE, STATE_CONNECTING)
    _set(connection, C_RETRY_NS, now_ns + _word(control, K_LOGIN_TIMEOUT_NS))
    _add(control, K_LOGINS_OPEN, 1)
    if _connect(file, _word(control, K_ADDRESS), 16) < 0:
        error = int64(_errno_location()[0])
        if error != EINPROGRESS:
            # The server is away: let it come back before the next one asks.
            _set(control, K_ERRNO, error)
            _set(control, K_GATE_NS, now_ns + 50_000_000)
            _end(control, connection, now_ns)
            return
    _watch(control, connection, EPOLL_ADD, EPOLL_IN | EPOLL_OUT)


@njit(void(int64, int64, int64, int64), cache=True, nogil=True)
def _serve(control: Any, connection: Any, events: Any, now_ns: Any) -> Any:
    """Act on the readiness of one connection."""
    state = _word(connection, C_STATE)
    if state in (STATE_IDLE, STATE_LOST):
        return
    if state == STATE_CONNECTING:
        scratch = _word(control, K_SCRATCH)
        store_u32(scratch + SCRATCH_INT, 0)
        store_i64(scratch + SCRATCH_LENGTH, 4)
        _getsockopt(
            int32(_word(connection, C_FILE)),
            SOCKET_LEVEL,
            SOCKET_ERROR,
            scratch + SCRATCH_INT,
            scratch + SCRATCH_LENGTH,
        )
        error = load_i64(scratch + SCRATCH_INT) & 0xFFFFFFFF
        if error:
            _set(control, K_ERRNO, error)
            _set(control, K_GATE_NS, now_ns + 50_000_000)
            _end(control, connection, now_ns)
            return
        if events & EPOLL_OUT == 0:
            return
        _watch(control, connection, EPOLL_MODIFY, EPOLL_IN)
        output = _word(control, K_OUTPUT)
        if _word(connection, C_CODE_BYTES):
            out = _put_authentication(control, connection, output)
        else:
            out = _put_registration(control, connection, output)
        _flush(control, connection, output, out, now_ns)
        return
    if events & EPOLL_OUT and _word(connection, C_PENDING_END) and _send_pending(control, connection, now_ns) == 0:
        return
    if events & (EPOLL_IN | EPOLL_ERROR | EPOLL_HANGUP) and _receive(control, connection, now_ns) == 0:
        return
    if _word(connection, C_STATE) != STATE_READY:
        return
    if _word(connection, C_RESEND) and _resend(control, connection, now_ns) == 0:
        return
    if _word(control, K_MODE) == MODE_WINDOW:
        _fill(control, connection, now_ns)


@njit(void(int64, int64), cache=True, nogil=True)
def _scan(control: Any, now_ns: Any) -> Any:
    """Give up logins that take too long. Called a few times a second while some terminal is not ready."""
    for index in range(_word(control, K_TERMINALS)):
        connection = _word(control, K_CONNECTIONS) + index * CONNECTION_BYTES
        state = _word(connection, C_STATE)
        if STATE_CONNECTING <= state <= STATE_AUTHENTICATING and now_ns > _word(connection, C_RETRY_NS):
            _set(control, K_ERRNO, 110)
            _end(control, connection, now_ns)


@njit(void(int64, int64), cache=True, nogil=True)
def _connect_some(control: Any, now_ns: Any) -> Any:
    """Open connections of idle terminals, going round, as many at once as the plan allows."""
    terminals = _word(control, K_TERMINALS)
    opened = 0
    looked = 0
    while (
        looked < terminals
        and opened < CONNECTS_PER_ROUND_MAX
        and _word(control, K_LOGINS_OPEN) < _word(control, K_LOGINS_OPEN_MAX)
        and now_ns >= _word(control, K_GATE_NS)
    ):
        index = _word(control, K_CURSOR)
        _set(control, K_CURSOR, index + 1 if index + 1 < terminals else 0)
        looked += 1
        connection = _word(control, K_CONNECTIONS) + index * CONNECTION_BYTES
        if _word(connection, C_STATE) == STATE_IDLE and now_ns >= _word(connection, C_RETRY_NS):
            _open(control, connection, now_ns)
            opened += 1


@njit(int64(int64, int64), cache=True, nogil=True)
def _report_due(control: Any, now_ns: Any) -> Any:
    """Open loop: send the reports that have fallen due. Returns when the next one is due, in monotonic ns."""
    rate = _word(control, K_RATE)
    phase_ns = _word(control, K_PHASE_NS)
    terminals = _word(control, K_TERMINALS)
    output = _word(control, K_OUTPUT)
    for _ in range(DUE_PER_ROUND_MAX):
        due = _word(control, K_DUE)
        due_ns = phase_ns + due * 1_000_000_000 // rate
        if due_ns > now_ns or _word(control, K_BUDGET) <= 0:
            return due_ns
        _set(control, K_DUE, due + 1)
        index = load_i64(_word(control, K_ORDER) + due % terminals * 8)
        connection = _word(control, K_CONNECTIONS) + index * CONNECTION_BYTES
        ready = _word(connection, C_STATE) == STATE_READY
        out = int64(0)
        if ready and _word(connection, C_PENDING_END) == 0 and _word(connection, C_RESEND) == 0:
            now_ns = _now_ns(control)
            out = _new_report(control, connection, now_ns, output)
        if out == 0:
            _add(control, K_HELD_BACK, 1)
        else:
            _count_ns(_word(control, K_LATENESSES), now_ns - due_ns)
            _flush(control, connection, output, out, now_ns)
    return now_ns


@njit(void(int64, int64), cache=True, nogil=True)
def _beat(control: Any, now_ns: Any) -> Any:
    """Send 0x0002 for every terminal that has been silent for the heartbeat interval."""
    output = _word(control, K_OUTPUT)
    plain = _word(control, K_PLAIN)
    for index in range(_word(control, K_TERMINALS)):
        connection = _word(control, K_CONNECTIONS) + index * CONNECTION_BYTES
        if _word(connection, C_STATE) != STATE_READY or _word(connection, C_PENDING_END):
            continue
        if now_ns - _word(connection, C_SPOKEN_NS) >= _word(control, K_HEARTBEAT_NS):
            _head(plain, 0x0002, 0, _word(connection, C_PHONE), _next_serial(control, connection))
            _add(control, K_HEARTBEATS, 1)
            _flush(control, connection, output, _wrap(plain, 12, output), now_ns)


@njit(int64(int64, int64), cache=True, nogil=True)
def run_until(control: Any, until_ns: Any) -> Any:
    """Serve all connections until a moment on the monotonic clock, or earlier when there is nothing left to wait for.

    Quiet mode ends once every terminal is ready (or lost) and nothing is unacknowledged; the others when their budget
    of reports is used up and acknowledged. Also returns when the record should be written out. Returns now.
    """
    scratch = _word(control, K_SCRATCH)
    events = _word(control, K_EVENTS)
    epoll = int32(_word(control, K_EPOLL))
    terminals = _word(control, K_TERMINALS)
    now_ns = _now_ns(control)
    while now_ns < until_ns:
        if _word(control, K_RECORD_COUNT) > RECORDS_HELD_MAX - RECORDS_PER_STEP_MAX:
            break
        wake_ns = until_ns
        mode = _word(control, K_MODE)
        if _word(control, K_READY) + _word(control, K_LOST) < terminals:
            _connect_some(control, now_ns)
            if now_ns >= _word(control, K_SCAN_NS):
                _scan(control, now_ns)
                _set(control, K_SCAN_NS, now_ns + 100_000_000)
            if now_ns + 5_000_000 < wake_ns:
                wake_ns = now_ns + 5_000_000
        elif _word(control, K_OPEN) == 0 and (mode == MODE_QUIET or _word(control, K_BUDGET) <= 0):
            break
        if _word(control, K_LOST) == terminals:
            break
        if _word(control, K_HEARTBEAT_NS) and now_ns >= _word(control, K_BEAT_NS):
            _beat(control, now_ns)
            _set(control, K_BEAT_NS, now_ns + 1_000_000_000)
        if mode == MODE_WINDOW:
            # The first reports of this phase; later ones follow their acknowledgements.
            for _ in range(64):
                index = _word(control, K_SWEEP)
                if index == terminals or _word(control, K_RECORD_COUNT) > RECORDS_HELD_MAX - RECORDS_PER_STEP_MAX:
                    break
                _set(control, K_SWEEP, index + 1)
                connection = _word(control, K_CONNECTIONS) + index * CONNECTION_BYTES
                if _word(connection, C_STATE) == STATE_READY:
                    _fill(control, connection, now_ns)
            if _word(control, K_SWEEP) < terminals:
                wake_ns = now_ns
        elif mode == MODE_PACED and _word(control, K_BUDGET) > 0:
            due_ns = _report_due(control, now_ns)
            if due_ns < wake_ns:
                wake_ns = due_ns
        now_ns = _now_ns(control)
        wait_ns = wake_ns - now_ns
        if wait_ns < 0:
            wait_ns = 0
        store_i64(scratch + SCRATCH_TIME, wait_ns // 1_000_000_000)
        store_i64(scratch + SCRATCH_TIME + 8, wait_ns % 1_000_000_000)
        _add(control, K_WAITS, 1)
        ready = int64(_epoll_pwait2(epoll, events, EVENTS_MAX, scratch + SCRATCH_TIME, 0))
        now_ns = _now_ns(control)
        for number in range(ready):
            event = events + number * EVENT_BYTES
            connection = _word(control, K_CONNECTIONS) + load_i64(event + EVENT_DATA) * CONNECTION_BYTES
            _serve(control, connection, load_i64(event) & 0xFFFFFFFF, now_ns)
            now_ns = _now_ns(control)
            if _word(control, K_RECORD_COUNT) > RECORDS_HELD_MAX - RECORDS_PER_STEP_MAX:
                break  # the rest is still ready at the next wait
    return now_ns


# --- the client -------------------------------------------------------------------------------------------------------


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do to whom. With reports_per_s 0 the loop is closed: `window` reports unacknowledged per terminal."""

    host: str = "127.0.0.1"
    port: int
    terminals: int = 1000
    window: int = 16
    reports_per_s: int = 0
    """All terminals together, each at its own phase of the common period terminals / reports_per_s."""
    seconds: float = 10.0
    reports: int = 0
    """Stop making reports after so many; 0: no such bound."""
    phone_first: int = 13_000_000_000
    heartbeat_s: float = 0.0
    """Send 0x0002 after so long a silence; 0: never."""
    reconnect: bool = False
    """Log in again after a lost connection and send what was unacknowledged once more; else the terminal is lost."""
    retry_s: float = 0.2
    logins_open_max: int = 256
    """Terminals on their way in at once: the listener's backlog is no measure of a server."""
    login_timeout_s: float = 30.0
    drain_s: float = 30.0
    """How long to wait for the last acknowledgements."""
    step_1e6: int = 10
    """Degrees * 1e6 that a car moves between two reports."""
    alarm_every: int = 0
    """Every n-th report of a terminal has its emergency bit set; 0: none."""
    seed: int = 1
    """Of the order in which the open loop's terminals report."""
    record: str | None = None
    """File for what was sent and acknowledged (RECORD entries); an existing one is overwritten."""


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """What happened since the client was made, and how long `drive` and `drain` took of it."""

    terminals: int
    ready: int
    """Logged in at the end."""
    sent: int
    """Distinct reports; repeats count as resent."""
    acked: int
    refused: int
    """Acknowledged with another result than 0."""
    resent: int
    unacknowledged: int
    """Waiting at the end, or abandoned with their terminal."""
    held_back: int
    """Reports of the open loop that fell due while their terminal was not ready or had too many open."""
    unmatched: int
    """Acknowledgements of nothing that waited: repeats."""
    logins: int
    login_failures: int
    cuts: int
    """Connections that ended after login."""
    lost: int
    """Terminals given up (without `reconnect`)."""
    commands: int
    positions: int
    """Commands answered, and those of them answered by a position (0x0201)."""
    answers_dropped: int
    bad_frames: int
    heartbeats: int
    errno: int
    """Last errno of a connection that ended; 0: closed by the server, or none."""
    elapsed_s: float
    reports_per_s: float
    ack_ms_p50: float
    ack_ms_p99: float
    ack_ms_p999: float
    ack_ms_max: float
    late_ms_p99: float
    """How far behind its schedule the open loop sent: the client's own fault, and the machine's."""
    cpu_s: float
    cpu_us_per_report: float
    """This client's own CPU."""
    sends: int
    receives: int


def percentile_ms(histogram: np.ndarray, share: float) -> float:
    """Return the duration in ms below which `share` of the histogram's entries lie; 0.0 when it is empty."""
    total = int(histogram.sum())
    if total == 0:
        return 0.0
    bucket = int(np.searchsorted(np.cumsum(histogram), max(1.0, share * total)))
    octave, step = divmod(min(bucket, HISTOGRAM_BUCKETS - 1), HISTOGRAM_STEPS)
    return float((1 << octave) * (1 + (step + 0.5) / HISTOGRAM_STEPS) / 1e6)


def registration_bodies(terminals: int) -> np.ndarray:
    """Return (terminals, n) uint8: each terminal's 0x0100 body as JT/T 808-2013 lays it out."""
    head = struct.pack(">HH5s20s", 31, 115, b"CARIL", b"LOAD-1".ljust(20, b"\0"))
    bodies = [
        head + b"%07d" % (number % 10**7) + b"\x01" + "沪A".encode("gbk") + b"%07d" % number
        for number in range(terminals)
    ]
    return np.frombuffer(b"".join(bodies), np.uint8).reshape(terminals, -1).copy()


def raise_file_limit() -> int:
    """Raise the soft limit of open files to the hard one, and return it: a connection is a file."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class LoadClient:
    """The terminals of one plan. Not for use by several threads; runs without the GIL, so others go on beside it.

    Each method returns after at most the time it was given; the connections stay open until `close`.
    """

    def __init__(self, plan: LoadPlan) -> None:
        if plan.window < 1 or plan.window > RING_MAX // 2:
            raise ValueError(f"a window of 1 to {RING_MAX // 2} reports, got {plan.window}")
        files = raise_file_limit()
        if plan.terminals > files - 64:
            raise ValueError(f"{plan.terminals} terminals, but the limit of open files is {files}")
        self.plan = plan
        terminals = plan.terminals
        ring = 1 << max(6, (2 * plan.window - 1).bit_length())
        words = CONNECTION_BYTES // 8
        self._control = np.zeros(CONTROL_WORDS, np.int64)
        self._connections = np.zeros((terminals, words), np.int64)
        self._rings = np.full((terminals, ring, SLOT_BYTES // 8), SLOT_FREE, np.int64)
        self._latencies = np.zeros(HISTOGRAM_BUCKETS, np.int64)
        self._latenesses = np.zeros(HISTOGRAM_BUCKETS, np.int64)
        self._records = np.zeros(RECORDS_HELD_MAX, RECORD)
        self._registrations = registration_bodies(terminals)
        self._address = np.frombuffer(
            struct.pack("=H", socket.AF_INET) + struct.pack(">H4s8x", plan.port, socket.inet_aton(plan.host)), np.uint8
        ).copy()
        order = np.random.default_rng(plan.seed).permutation(terminals).astype(np.int64)
        areas: dict[int, np.ndarray] = {
            K_CONNECTIONS: self._connections,
            K_RINGS: self._rings,
            K_INPUTS: np.zeros(terminals * INPUT_BYTES, np.uint8),
            K_PENDINGS: np.zeros(terminals * PENDING_BYTES, np.uint8),
            K_REGISTRATIONS: self._registrations,
            K_EVENTS: np.zeros(EVENTS_MAX * EVENT_BYTES, np.uint8),
            K_SCRATCH: np.zeros(8, np.int64),
            K_PLAIN: np.zeros(256, np.uint8),
            K_UNESCAPED: np.zeros(2 * (INPUT_BYTES + RECEIVE_BYTES) + 128, np.uint8),
            K_OUTPUT: np.zeros(PENDING_BYTES + 256, np.uint8),
            K_RECORDS: self._records,
            K_LATENCIES: self._latencies,
            K_LATENESSES: self._latenesses,
            K_ORDER: order,
            K_ADDRESS: self._address,
        }
        self._areas = areas  # kept alive: compiled code has only their addresses
        for word, area in areas.items():
            self._control[word] = area.ctypes.data
        # Phones as packed BCD: the decimal digits read as hexadecimal ones.
        self._connections[:, C_PHONE] = [int(str(plan.phone_first + number), 16) for number in range(terminals)]
        self._connections[:, C_FILE] = -1
        numbers = np.arange(terminals)
        self._connections[:, C_LATITUDE] = 31_000_000 + numbers * 7_919 % 400_000
        self._connections[:, C_LONGITUDE] = 121_200_000 + numbers * 104_729 % 500_000
        self._epoll = _libc.epoll_create1(0x80000)
        for word, value in {
            K_EPOLL: self._epoll,
            K_TERMINALS: terminals,
            K_WINDOW: plan.window,
            K_RING: ring,
            K_REGISTRATION_BYTES: self._registrations.shape[1],
            K_RECONNECT: int(plan.reconnect),
            K_LOGINS_OPEN_MAX: plan.logins_open_max,
            K_LOGIN_TIMEOUT_NS: int(plan.login_timeout_s * 1e9),
            K_RETRY_NS: int(plan.retry_s * 1e9),
            K_HEARTBEAT_NS: int(plan.heartbeat_s * 1e9),
            K_STEP_1E6: plan.step_1e6,
            K_ALARM_EVERY: plan.alarm_every,
            K_RATE: max(1, plan.reports_per_s),
            K_RECORDING: int(plan.record is not None),
            K_WALL_OFFSET_NS: time.time_ns() - time.monotonic_ns(),
            K_BUDGET: plan.reports or 1 << 62,
            K_TIME_S: -1,
        }.items():
            self._control[word] = value
        self._record_file: FileIO | None = FileIO(plan.record, "w") if plan.record is not None else None
        self._elapsed_s = 0.0
        self._cpu_s = 0.0

    def __enter__(self) -> "LoadClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def login(self, seconds: float = 120.0) -> int:
        """Connect, register and authenticate every terminal; return how many are ready."""
        self._run(MODE_QUIET, seconds)
        return int(self._control[K_READY])

    def drive(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Report for so long, or until the plan's number of reports is acknowledged, or `until()` is true."""
        self._control[K_SWEEP] = 0
        self._control[K_DUE] = 0
        self._control[K_PHASE_NS] = time.monotonic_ns()
        started, spent = time.monotonic(), time.thread_time()
        self._run(MODE_PACED if self.plan.reports_per_s else MODE_WINDOW, seconds, until)
        self._elapsed_s += time.monotonic() - started
        self._cpu_s += time.thread_time() - spent

    def drain(self, seconds: float | None = None) -> int:
        """Wait until everything sent is acknowledged; return how many reports are not."""
        started, spent = time.monotonic(), time.thread_time()
        self._run(MODE_QUIET, self.plan.drain_s if seconds is None else seconds)
        self._elapsed_s += time.monotonic() - started
        self._cpu_s += time.thread_time() - spent
        return int(self._control[K_OPEN])

    def reset_clock(self) -> None:
        """Forget latencies, elapsed time and CPU so far (a warm-up); counts of reports go on."""
        self._latencies[:] = 0
        self._latenesses[:] = 0
        self._elapsed_s = self._cpu_s = 0.0
        self._acked_before = int(self._control[K_ACKED])

    _acked_before = 0

    def _run(self, mode: int, seconds: float, until: Callable[[], bool] | None = None) -> None:
        control = self._control
        control[K_MODE] = mode
        until_ns = time.monotonic_ns() + int(seconds * 1e9)
        address = control.ctypes.data
        while True:
            now_ns = time.monotonic_ns()
            step_ns = min(until_ns, now_ns + 100_000_000)
            reached_ns = run_until(address, step_ns)
            written = int(control[K_RECORD_COUNT])
            if self._record_file is not None and written:
                self._record_file.write(self._records[:written].tobytes())
                control[K_RECORD_COUNT] = 0
            if reached_ns >= until_ns or (until is not None and until()):
                return
            if reached_ns < step_ns and written <= RECORDS_HELD_MAX - RECORDS_PER_STEP_MAX:
                return  # nothing is left to wait for

    @property
    def acked(self) -> int:
        """Reports acknowledged so far."""
        return int(self._control[K_ACKED])

    @property
    def sent(self) -> int:
        """Distinct reports sent so far."""
        return int(self._control[K_SENT])

    @property
    def ready(self) -> int:
        """Terminals logged in."""
        return int(self._control[K_READY])

    def result(self) -> LoadResult:
        """Return the counts so far."""
        control = [int(value) for value in self._control]
        acked = control[K_ACKED] - self._acked_before
        used = np.flatnonzero(self._latencies)
        return LoadResult(
            terminals=self.plan.terminals,
            ready=control[K_READY],
            sent=control[K_SENT],
            acked=control[K_ACKED],
            refused=control[K_REFUSED],
            resent=control[K_RESENT],
            unacknowledged=control[K_OPEN] + control[K_ABANDONED],
            held_back=control[K_HELD_BACK],
            unmatched=control[K_UNMATCHED],
            logins=control[K_LOGINS],
            login_failures=control[K_LOGIN_FAILURES],
            cuts=control[K_CUTS],
            lost=control[K_LOST],
            commands=control[K_COMMANDS],
            positions=control[K_POSITIONS],
            answers_dropped=control[K_ANSWERS_DROPPED],
            bad_frames=control[K_BAD],
            heartbeats=control[K_HEARTBEATS],
            errno=control[K_ERRNO],
            elapsed_s=round(self._elapsed_s, 3),
            reports_per_s=round(acked / self._elapsed_s, 1) if self._elapsed_s else 0.0,
            ack_ms_p50=round(percentile_ms(self._latencies, 0.50), 4),
            ack_ms_p99=round(percentile_ms(self._latencies, 0.99), 4),
            ack_ms_p999=round(percentile_ms(self._latencies, 0.999), 4),
            ack_ms_max=round(percentile_ms(self._latencies, 1.0), 4) if used.size else 0.0,
            late_ms_p99=round(percentile_ms(self._latenesses, 0.99), 4),
            cpu_s=round(self._cpu_s, 4),
            cpu_us_per_report=round(self._cpu_s / acked * 1e6, 3) if acked else 0.0,
            sends=control[K_SENDS],
            receives=control[K_RECEIVES],
        )

    def cut_all(self) -> None:
        """End every link in the same moment; with `reconnect` all dial again. May be called while `drive` runs."""
        for file in self._connections[:, C_FILE].tolist():
            if file >= 0:
                # The loop sees the end and closes the file itself. One it has just closed is not there, or no socket.
                _libc.shutdown(file, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection and the record file; a second time does nothing."""
        for file in self._connections[:, C_FILE]:
            if file >= 0:
                _libc.close(int(file))
        self._connections[:, C_FILE] = -1
        self._connections[:, C_STATE] = STATE_LOST
        if self._epoll >= 0:
            _libc.close(self._epoll)
            self._epoll = -1
        if self._record_file is not None:
            self._record_file.close()
            self._record_file = None


_libc = ctypes.CDLL(None)


def read_record(path: str | Path) -> np.ndarray:
    """Return the entries of a record file, in order: (n,) RECORD."""
    return np.fromfile(path, RECORD)


def run_load(plan: LoadPlan) -> LoadResult:
    """Log in, report for plan.seconds (or plan.reports), wait for the last acknowledgements, close.

    Raises:
        ConnectionError: not one terminal could log in.
    """
    with LoadClient(plan) as client:
        if client.login() == 0:
            raise ConnectionError(f"no terminal could log in at {plan.host}:{plan.port}: errno {client.result().errno}")
        client.drive(plan.seconds)
        client.drain()
        return client.result()


def main(arguments: list[str] | None = None) -> int:
    """Run one plan from the command line and print its result as one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m simulators.load", description=str(__doc__).splitlines()[0])
    parser.add_argument("--tcp", default="127.0.0.1:8808", metavar="HOST:PORT", help="an IPv4 address")
    parser.add_argument("--terminals", type=int, default=1000)
    parser.add_argument("--window", type=int, default=16, help="reports unacknowledged per terminal (closed loop)")
    parser.add_argument("--reports-per-s", type=int, default=0, help="of all terminals together; 0: closed loop")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--reports", type=int, default=0, help="stop after so many")
    parser.add_argument("--phone-first", type=int, default=13_000_000_000)
    parser.add_argument("--heartbeat-s", type=float, default=0.0)
    parser.add_argument("--reconnect", action="store_true")
    parser.add_argument("--alarm-every", type=int, default=0)
    parser.add_argument("--step-1e6", type=int, default=10, help="degrees * 1e6 that a car moves between two reports")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", metavar="FILE", help="write down what was sent and acknowledged")
    given = vars(parser.parse_args(arguments))
    host, _, port = given.pop("tcp").rpartition(":")
    try:
        result = run_load(LoadPlan(host=host, port=int(port), **given))
    except (ConnectionError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(msgspec.json.encode(result).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
