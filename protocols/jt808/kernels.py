"""The four kernels of JT/T 808 for the intake's loop and the journal's readers (protocols/seam.py says what each does).

They see 57 bytes a hundred thousand times a second: bytes are scanned, checked and hashed eight at a time, rows are
stored field by field at addresses. What they read must agree with the declarations in messages.py; tests hold both
against each other. Nothing here allocates, raises or reads outside [frame, frame + length).
"""

import math
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import cfunc, njit, types
from numba.extending import intrinsic

from protocols.jt808.framing import FRAME_BYTES_MIN, WIRE_BYTES_MAX
from protocols.jt808.messages import STATUS_FIXED, STATUS_SOUTH, STATUS_WEST
from protocols.jt808.wire import DAYS_BEFORE_2000, DAYS_BEFORE_MONTH, TIME_ZONE_MS
from protocols.memory import (
    load_i32,
    load_i64,
    load_i64_be,
    load_u8,
    load_u16_be,
    load_u32,
    load_u32_be,
    store_i64,
    store_i64_be,
    store_u8,
    store_u16,
    store_u16_be,
    store_u32,
)
from protocols.report import (
    ACCELERATION_MAX_MG,
    ACCELERATION_NONE_MG,
    CELL_SIGNAL_NONE,
    FLAG_ASSEMBLED,
    FLAG_BATCH,
    FLAG_BLIND,
    FLAG_CRASH_ITEM,
    FLAG_ITEMS_CLIPPED,
    FLAG_NO_FIX,
    FLAG_POSITION_BAD,
    FLAG_TIME_BAD,
    ODOMETER_NONE,
    REPORT_BYTES,
    REPORT_OFFSET,
    SATELLITES_NONE,
    TIME_AHEAD_MS_MAX,
    TIME_MS_MIN,
    TIME_NONE,
)
from protocols.seam import (
    CLASS_BAD,
    CLASS_FRAGMENT,
    CLASS_FRAME,
    CLASS_HEARTBEAT,
    CLASS_LOGIN,
    CLASS_REPORT,
    CLASS_UNKNOWN,
    CLASS_UNREADABLE,
    DECODE_SIGNATURE,
    IDENTIFY_SIGNATURE,
    IDENTITY_ALARM,
    IDENTITY_ARRIVAL_MS,
    IDENTITY_BODY_LENGTH,
    IDENTITY_BODY_OFFSET,
    IDENTITY_FORM,
    IDENTITY_FRAGMENT_INDEX,
    IDENTITY_FRAGMENT_TOTAL,
    IDENTITY_LENGTH_FAULT,
    IDENTITY_MESSAGE,
    IDENTITY_PHONE_HIGH,
    IDENTITY_PHONE_LOW,
    IDENTITY_REPLY_SERIAL,
    IDENTITY_SERIAL,
    IDENTITY_UNREADABLE,
    REASON_CHECKSUM,
    REASON_ENDLESS,
    REASON_ESCAPE,
    REASON_SHORT,
    REPLY_BYTES_MAX,
    REPLY_SIGNATURE,
    SPLIT_BAD,
    SPLIT_FRAME,
    SPLIT_JUNK,
    SPLIT_MORE,
    SPLIT_OUTPUT_BYTES,
    SPLIT_SIGNATURE,
    Entries,
    Kernels,
)

# What the terminal may send, from JT/T 808-2011/2013/2019, JT/T 1078 and T/JSATL 12 (attachments, upgrade progress).
# The platform's own ids (0x8xxx, 0x9xxx) coming up are unknown: a terminal has no business sending them.
UPLINKS: Final = {
    0x0002: CLASS_HEARTBEAT,
    0x0200: CLASS_REPORT,
    0x0704: CLASS_REPORT,
    0x0004: CLASS_LOGIN,  # 2019: the time may be asked for before the login
    0x0100: CLASS_LOGIN,
    0x0102: CLASS_LOGIN,
    **dict.fromkeys(
        (
            *(0x0001, 0x0003, 0x0005, 0x0104, 0x0107, 0x0108, 0x0201, 0x0301, 0x0302, 0x0303, 0x0500, 0x0608),
            *(0x0700, 0x0701, 0x0702, 0x0705, 0x0800, 0x0801, 0x0802, 0x0805, 0x0900, 0x0901, 0x0A00),
            *(0x1003, 0x1005, 0x1205, 0x1206),
            *(0x1210, 0x1211, 0x1212, 0x1FC4),
            *(0x0109, 0x0210, 0x0506, 0x6006),  # of several makers, in no standard
        ),
        CLASS_FRAME,
    ),
}
_CLASSES: Final = np.full(1 << 16, CLASS_UNKNOWN, np.uint8)
for _message, _class in UPLINKS.items():
    _CLASSES[_message] = _class

# A word of eight equal bytes; ONES * byte. Names with _BITS are masks of a word.
ONES: Final = 0x0101010101010101
TOPS: Final = -0x7F7F7F7F7F7F7F80  # 0x8080808080808080 as int64
FLAGS: Final = 0x7E7E7E7E7E7E7E7E
ESCAPES: Final = 0x7D7D7D7D7D7D7D7D

CONTENT_BYTES_MAX: Final = WIRE_BYTES_MAX - 1
"""Bytes between flags. Longer is endless, wherever the stream was cut: an unfinished frame is kept up to 4,096 bytes,
opening flag included. Unescaped it is never longer than on the wire, so the output has room, whole words too."""
assert CONTENT_BYTES_MAX < SPLIT_OUTPUT_BYTES

LOCATION_HEAD_BYTES: Final = 28
HARSH_CRASH: Final = 0x16
"""Kind of an item 0x70 (vendors.HARSH)."""
PLATFORM_REPLY: Final = 0x8001
REPLY_BODY_BYTES: Final = 5
# Plain reply: 17 header, 5 body, 1 checksum. It is built in the second half of the output and escaped into the first.
REPLY_PLAIN_OFFSET: Final = 64
assert REPLY_PLAIN_OFFSET >= 2 * 23 + 2
assert REPLY_PLAIN_OFFSET + 24 <= REPLY_BYTES_MAX

MEDIA_ITEM_BYTES: Final = 35
"""0x0802: D media id, B kind, B channel, B event, then a location head."""
MEDIA_ITEM_BYTES_2011: Final = 31
"""The same without the media id."""

# The three multipliers of the report's hash: odd 64-bit words with 32 bits set in each, chosen at random once. They
# are part of what is stored and must never change. As int64.
HASH_A: Final = 0x48C4_C7A8_A663_F967
HASH_B: Final = -0x2ADD_0243_FE73_2AE9
HASH_C: Final = -0x6CE4_A8BC_519B_E917

_DAYS_BEFORE_MONTH: Final = np.array(DAYS_BEFORE_MONTH, np.int64)
_DAYS_OF_MONTH: Final = np.array((0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), np.int64)
DAY_MS: Final = 86_400_000

# Offsets as plain names: numba freezes globals, not entries of a dict.
ROW_PHONE_HIGH: Final = REPORT_OFFSET["phone_high"]
ROW_PHONE_LOW: Final = REPORT_OFFSET["phone_low"]
ROW_REPORT_ID: Final = REPORT_OFFSET["report_id"]
ROW_TIME_MS: Final = REPORT_OFFSET["time_ms"]
ROW_ALARM: Final = REPORT_OFFSET["alarm"]
ROW_STATUS: Final = REPORT_OFFSET["status"]
ROW_LAT_1E7: Final = REPORT_OFFSET["lat_1e7"]
ROW_LON_1E7: Final = REPORT_OFFSET["lon_1e7"]
ROW_ODOMETER_M: Final = REPORT_OFFSET["odometer_m"]
ROW_SPEED_KMH10: Final = REPORT_OFFSET["speed_kmh10"]
ROW_COURSE_DEG: Final = REPORT_OFFSET["course_deg"]
ROW_ALTITUDE_M: Final = REPORT_OFFSET["altitude_m"]
ROW_SERIAL: Final = REPORT_OFFSET["serial"]
ROW_FLAGS: Final = REPORT_OFFSET["flags"]
ROW_ITEMS_OFFSET: Final = REPORT_OFFSET["items_offset"]
ROW_ITEMS_LENGTH: Final = REPORT_OFFSET["items_length"]
ROW_ACCELERATION_MG: Final = REPORT_OFFSET["acceleration_mg"]
ROW_SATELLITES: Final = REPORT_OFFSET["satellites"]
ROW_CELL_SIGNAL: Final = REPORT_OFFSET["cell_signal"]


@intrinsic
def trailing_zeros(typingctx: Any, word: Any) -> Any:
    """trailing_zeros(word) -> zero bits below the lowest one; 64 for 0."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), codegen


@intrinsic
def multiply_fold(typingctx: Any, a: Any, b: Any) -> Any:
    """multiply_fold(a, b) -> the upper half of the 128-bit product of two unsigned words, XOR the lower half."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        high = builder.lshr(product, ir.Constant(wide, 64))
        return builder.trunc(builder.xor(product, high), ir.IntType(64))

    return types.int64(types.int64, types.int64), codegen


@njit(SPLIT_SIGNATURE, cache=True, nogil=True)
def split(source, length, output, result):  # type: ignore[no-untyped-def]
    """Cut, unescape and check the next frame. A lone flag at the end stays: it may open the next frame."""
    store_i64(result + 8, 0)
    if length == 0:
        store_i64(result, 0)
        return SPLIT_MORE
    end = source + length
    position = source
    if load_u8(position) != 0x7E:
        while position + 8 <= end:
            word = load_i64(position) ^ FLAGS
            hit = (word - ONES) & ~word & TOPS
            if hit != 0:
                position += trailing_zeros(hit) >> 3
                break
            position += 8
        while position < end and load_u8(position) != 0x7E:
            position += 1
        store_i64(result, position - source)
        return SPLIT_JUNK
    position += 1
    while position < end and load_u8(position) == 0x7E:
        position += 1
    if position == end:
        store_i64(result, length - 1)
        return SPLIT_MORE
    opening = position - 1
    limit = min(end, position + CONTENT_BYTES_MAX + 1)
    out = output
    parity = 0
    bad_escape = False
    closed = False
    # Each turn takes the bytes in front of the next flag or escape, eight at a time, then that one. The lowest bit of a
    # hit is exact; a borrow can only raise false ones above it.
    while position < limit:
        if position + 8 <= limit:
            word = load_i64(position)
            flag = word ^ FLAGS
            escape = word ^ ESCAPES
            hit = (((flag - ONES) & ~flag) | ((escape - ONES) & ~escape)) & TOPS
            if hit == 0:
                store_i64(out, word)
                parity ^= word
                position += 8
                out += 8
                continue
            plain = trailing_zeros(hit) >> 3
            # Whole words may be stored: `out` never runs ahead of `position`, and 8 bytes are left of the limit.
            store_i64(out, word)
            parity ^= word & ((1 << (plain << 3)) - 1)
            position += plain
            out += plain
        byte = load_u8(position)
        if byte == 0x7E:
            closed = True
            break
        if byte != 0x7D:
            store_u8(out, byte)
            parity ^= byte
            position += 1
            out += 1
            continue
        if position + 1 >= limit:
            break
        byte = load_u8(position + 1)
        if byte == 1 or byte == 2:
            byte = 0x7C + byte
            # 7d 01 is 7d, 7d 02 is 7e.
            store_u8(out, byte)
            parity ^= byte
            position += 2
            out += 1
        else:
            bad_escape = True
            position += 1
    if not closed:
        if limit - opening - 1 > CONTENT_BYTES_MAX:
            store_i64(result, limit - source)
            store_i64(result + 8, REASON_ENDLESS)
            return SPLIT_BAD
        store_i64(result, opening - source)
        return SPLIT_MORE
    # The closing flag stays in front of what follows.
    store_i64(result, position - source)
    if bad_escape:
        store_i64(result + 8, REASON_ESCAPE)
        return SPLIT_BAD
    if out - output < FRAME_BYTES_MIN + 1:
        store_i64(result + 8, REASON_SHORT)
        return SPLIT_BAD
    parity ^= parity >> 32
    parity ^= parity >> 16
    parity ^= parity >> 8
    if parity & 0xFF != 0:
        store_i64(result + 8, REASON_CHECKSUM)
        return SPLIT_BAD
    store_i64(result + 8, out - output - 1)
    return SPLIT_FRAME


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True)
def _batch_alarm(body, body_length):  # type: ignore[no-untyped-def]
    """Return the alarm words of all readable locations in a 0x0704, joined by OR."""
    alarm = 0
    left = load_u16_be(body)
    position = body + 3
    end = body + body_length
    while left > 0 and position + 2 <= end:
        item_length = min(load_u16_be(position), end - position - 2)
        position += 2
        if item_length >= LOCATION_HEAD_BYTES:
            alarm |= load_u32_be(position)
        position += item_length
        left -= 1
    return alarm


@njit(IDENTIFY_SIGNATURE, cache=True, nogil=True)
def identify(frame, length, identity):  # type: ignore[no-untyped-def]
    """Read the header and name the frame's class. The words the caller sets are left alone."""
    if length < FRAME_BYTES_MIN:
        return CLASS_BAD
    message = load_u16_be(frame)
    attributes = load_u16_be(frame + 2)
    form = (attributes >> 14) & 1
    if form == 0:
        body = 12
        phone_high = 0
        phone_low = (load_u16_be(frame + 4) << 32) | load_u32_be(frame + 6)
    else:
        body = 17
        if length < 17:
            return CLASS_BAD
        phone_high = load_u16_be(frame + 5)
        phone_low = load_i64_be(frame + 7)
    serial = load_u16_be(frame + body - 2)
    total = 0
    index = 0
    fault = 0
    if attributes & 0x2000 != 0:
        body += 4
        if length < body:
            return CLASS_BAD
        total = load_u16_be(frame + body - 4)
        index = load_u16_be(frame + body - 2)
        if total == 0:
            # A packet item that counts no packets: the message is whole.
            index = 0
            fault = 1
        elif index == 0 or index > total:
            return CLASS_BAD
    body_length = length - body
    if attributes & 0x3FF != body_length:
        fault = 1
    store_i64(identity + 8 * IDENTITY_PHONE_HIGH, phone_high)
    store_i64(identity + 8 * IDENTITY_PHONE_LOW, phone_low)
    store_i64(identity + 8 * IDENTITY_MESSAGE, message)
    store_i64(identity + 8 * IDENTITY_SERIAL, serial)
    store_i64(identity + 8 * IDENTITY_FORM, form)
    store_i64(identity + 8 * IDENTITY_BODY_OFFSET, body)
    store_i64(identity + 8 * IDENTITY_BODY_LENGTH, body_length)
    store_i64(identity + 8 * IDENTITY_FRAGMENT_TOTAL, total)
    store_i64(identity + 8 * IDENTITY_FRAGMENT_INDEX, index)
    store_i64(identity + 8 * IDENTITY_ALARM, 0)
    store_i64(identity + 8 * IDENTITY_LENGTH_FAULT, fault)
    store_i64(identity + 8 * IDENTITY_UNREADABLE, 0)
    if attributes & 0x1C00 != 0:
        return CLASS_FRAME
    if total != 0:
        return CLASS_FRAGMENT
    if message == 0x0200:
        if body_length < LOCATION_HEAD_BYTES:
            return CLASS_UNREADABLE
        store_i64(identity + 8 * IDENTITY_ALARM, load_u32_be(frame + body))
        return CLASS_REPORT
    if message == 0x0704:
        if body_length < 3:
            return CLASS_UNREADABLE
        store_i64(identity + 8 * IDENTITY_ALARM, _batch_alarm(frame + body, body_length))
        return CLASS_REPORT
    return np.int64(_CLASSES[message])


@njit(types.int64(types.int64), cache=True, nogil=True)
def _time_ms(address):  # type: ignore[no-untyped-def]
    """Read six bytes of BCD in GMT+8 as UTC epoch ms; TIME_NONE when they are no time of 2000-2099."""
    digits = (load_u16_be(address) << 32) | load_u32_be(address + 2)
    # Adding six to each nibble carries into the next one exactly when a nibble is above nine.
    if ((digits + 0x666666666666) ^ digits ^ 0x666666666666) & 0x1111111111110 != 0:
        return TIME_NONE
    numbers = digits - 6 * ((digits >> 4) & 0x0F0F0F0F0F0F)
    year = (numbers >> 40) & 0xFF
    month = (numbers >> 32) & 0xFF
    day = (numbers >> 24) & 0xFF
    hour = (numbers >> 16) & 0xFF
    minute = (numbers >> 8) & 0xFF
    second = numbers & 0xFF
    if month < 1 or month > 12 or hour > 23 or minute > 59 or second > 59:
        return TIME_NONE
    leap = 1 if year & 3 == 0 else 0
    last = _DAYS_OF_MONTH[month]
    if month == 2:
        last += leap
    if day < 1 or day > last:
        return TIME_NONE
    # 2000 is a leap year and two digits end at 2099: every fourth year is one.
    days = DAYS_BEFORE_2000 + 365 * year + ((year + 3) >> 2) + _DAYS_BEFORE_MONTH[month] + day - 1
    if month > 2:
        days += leap
    return days * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1000 - TIME_ZONE_MS


@njit(types.int64(types.int64, types.int64, types.int64, types.int64), cache=True, nogil=True)
def _report_id(phone_high, phone_low, location, length):  # type: ignore[no-untyped-def]
    """Hash a phone and a location body of at least 28 bytes to 64 bits.

    Source: the folded 64x64-bit multiplication of wyhash (Wang Yi, public domain): each step XORs the state and 16
    bytes of input into two factors and folds the product. The last 16 bytes may overlap those before; the length goes
    into the last step, so that no body is the beginning of another.
    """
    state = multiply_fold(phone_high ^ HASH_A, phone_low ^ HASH_B)
    position = location
    end = location + length
    while position + 16 < end:
        state = multiply_fold(load_i64(position) ^ HASH_B, load_i64(position + 8) ^ state)
        position += 16
    state = multiply_fold(load_i64(end - 16) ^ HASH_C, load_i64(end - 8) ^ state)
    return multiply_fold(state ^ HASH_A, HASH_B ^ length)


@njit(types.int64(types.int64), cache=True, nogil=True)
def _word_signed(address):  # type: ignore[no-untyped-def]
    word = load_u16_be(address)
    return word - ((word & 0x8000) << 1)


@njit(types.int64(types.int64, types.int64), cache=True, nogil=True)
def _acceleration_mg(item, length):  # type: ignore[no-untyped-def]
    """Return the acceleration in an item 0xF6 of sensors, ACCELERATION_NONE_MG if it has none.

    Other makers put other things under this id: it is one of sensors where its mask (vendors.AovxSensors) says exactly
    as many bytes as there are, which neither a pressure nor an IMEI does.
    """
    if length < 8:
        return ACCELERATION_NONE_MG
    mask = load_u8(item + 1)
    if mask & 0xC8 != 0x08:
        return ACCELERATION_NONE_MG
    at = 2 + 2 * ((mask & 1) + (mask >> 1 & 1) + (mask >> 2 & 1))
    if length != at + 6 + 10 * (mask >> 4 & 1) + 2 * (mask >> 5 & 1):
        return ACCELERATION_NONE_MG
    x = _word_signed(item + at)
    y = _word_signed(item + at + 2)
    z = _word_signed(item + at + 4)
    return min(np.int64(math.sqrt(float(x * x + y * y + z * z))), ACCELERATION_MAX_MG)


@njit(types.int64(*(types.int64,) * 3), cache=True, nogil=True)
def read_items(item, end, row):  # type: ignore[no-untyped-def]
    """Write to the row what detection and the mileage need of a location's items; of repeated ones the first that says.

    Args:
        item, end: addresses of the first item and behind the last.
        row: address of a REPORT; its odometer, acceleration, satellites and cell signal are written.

    Returns:
        FLAG_ITEMS_CLIPPED, FLAG_CRASH_ITEM, both or 0.
    """
    flags = 0
    odometer_m = ODOMETER_NONE
    acceleration_mg = ACCELERATION_NONE_MG
    satellites = SATELLITES_NONE
    cell_signal = CELL_SIGNAL_NONE
    while item < end:
        if item + 1 == end:
            flags |= FLAG_ITEMS_CLIPPED
            break
        number = load_u8(item)
        length = load_u8(item + 1)
        item += 2
        if item + length > end:
            flags |= FLAG_ITEMS_CLIPPED
            break
        if number == 0x01:
            if length == 4 and odometer_m == ODOMETER_NONE:
                odometer_m = load_u32_be(item) * 100
        elif number == 0x30:
            if length == 1 and cell_signal == CELL_SIGNAL_NONE:
                cell_signal = load_u8(item)
        elif number == 0x31:
            if length == 1 and satellites == SATELLITES_NONE:
                satellites = load_u8(item)
        elif number == 0x70:
            if length == 6 and load_u8(item + 5) == HARSH_CRASH:
                flags |= FLAG_CRASH_ITEM
        elif number == 0xF6 and acceleration_mg == ACCELERATION_NONE_MG:
            acceleration_mg = _acceleration_mg(item, length)
        item += length
    store_i64(row + ROW_ODOMETER_M, odometer_m)
    store_u16(row + ROW_ACCELERATION_MG, acceleration_mg)
    store_u8(row + ROW_SATELLITES, satellites)
    store_u8(row + ROW_CELL_SIGNAL, cell_signal)
    return flags


@njit(types.void(*(types.int64,) * 4), cache=True, nogil=True)
def read_stored_items(rows, count, items, length):  # type: ignore[no-untyped-def]
    """Write to rows read back from a store what their items say; the store keeps the items, not what is read of them.

    Args:
        rows: address of `count` REPORT rows, whose items_offset and items_length point into the items.
        items, length: address and length of the items of all. A row whose items lie outside is left as it is.
    """
    for number in range(count):
        row = rows + REPORT_BYTES * number
        first = load_i32(row + ROW_ITEMS_OFFSET)
        bytes_ = load_i32(row + ROW_ITEMS_LENGTH)
        if first < 0 or bytes_ < 0 or first + bytes_ > length:
            continue
        flags = read_items(items + first, items + first + bytes_, row)
        store_u32(row + ROW_FLAGS, load_u32(row + ROW_FLAGS) | flags)


@njit(types.void(*(types.int64,) * 6), cache=True, nogil=True)
def _store_row(frame, identity, location, length, row, flags):  # type: ignore[no-untyped-def]
    """Write one location, at least 28 bytes long, as one row."""
    phone_high = load_i64(identity + 8 * IDENTITY_PHONE_HIGH)
    phone_low = load_i64(identity + 8 * IDENTITY_PHONE_LOW)
    status = load_u32_be(location + 4)
    latitude = load_u32_be(location + 8)
    longitude = load_u32_be(location + 12)
    if status & STATUS_FIXED == 0:
        flags |= FLAG_NO_FIX
    if latitude > 90_000_000:
        latitude = 90_000_000
        flags |= FLAG_POSITION_BAD
    if longitude > 180_000_000:
        longitude = 180_000_000
        flags |= FLAG_POSITION_BAD
    latitude *= 10
    longitude *= 10
    if status & STATUS_SOUTH != 0:
        latitude = -latitude
    if status & STATUS_WEST != 0:
        longitude = -longitude
    course = load_u16_be(location + 20)
    if course >= 360:
        course %= 360
    time_ms = _time_ms(location + 22)
    ahead_ms = time_ms - load_i64(identity + 8 * IDENTITY_ARRIVAL_MS)
    if time_ms < TIME_MS_MIN or ahead_ms > TIME_AHEAD_MS_MAX:
        flags |= FLAG_TIME_BAD
    flags |= read_items(location + LOCATION_HEAD_BYTES, location + length, row)
    store_i64(row + ROW_PHONE_HIGH, phone_high)
    store_i64(row + ROW_PHONE_LOW, phone_low)
    store_i64(row + ROW_REPORT_ID, _report_id(phone_high, phone_low, location, length))
    store_i64(row + ROW_TIME_MS, time_ms)
    store_u32(row + ROW_ALARM, load_u32_be(location))
    store_u32(row + ROW_STATUS, status)
    store_u32(row + ROW_LAT_1E7, latitude)
    store_u32(row + ROW_LON_1E7, longitude)
    store_u16(row + ROW_SPEED_KMH10, load_u16_be(location + 18))
    store_u16(row + ROW_COURSE_DEG, course)
    store_u16(row + ROW_ALTITUDE_M, load_u16_be(location + 16))
    store_u16(row + ROW_SERIAL, load_i64(identity + 8 * IDENTITY_SERIAL))
    store_u32(row + ROW_FLAGS, flags)
    store_u32(row + ROW_ITEMS_OFFSET, location + LOCATION_HEAD_BYTES - frame)
    store_u32(row + ROW_ITEMS_LENGTH, length - LOCATION_HEAD_BYTES)


@njit(types.int64(*(types.int64,) * 6), cache=True, nogil=True)
def _decode_batch(frame, identity, body, end, rows, rows_max):  # type: ignore[no-untyped-def]
    """Write the locations of a 0x0704. One shorter than its head is unreadable, and so is a list that ends early."""
    if end - body < 3:
        store_i64(identity + 8 * IDENTITY_UNREADABLE, 1)
        return 0
    left = load_u16_be(body)
    flags = FLAG_BATCH
    if load_u8(body + 2) == 1:
        flags |= FLAG_BLIND
    position = body + 3
    count = 0
    unreadable = 0
    while left > 0 and position + 2 <= end:
        location_length = load_u16_be(position)
        position += 2
        clipped = 0
        if location_length > end - position:
            # A length that lies: what is there is read, and marked.
            location_length = end - position
            clipped = FLAG_ITEMS_CLIPPED
        if location_length < LOCATION_HEAD_BYTES:
            unreadable += 1
        elif count < rows_max:
            row = rows + count * REPORT_BYTES
            _store_row(frame, identity, position, location_length, row, flags | clipped)
            count += 1
        position += location_length
        left -= 1
    if left > 0:
        unreadable += 1
    store_i64(identity + 8 * IDENTITY_UNREADABLE, unreadable)
    return count


@njit(types.boolean(types.int64, types.int64), cache=True, nogil=True)
def _has_no_serial(body, end):  # type: ignore[no-untyped-def]
    """Tell a 0x0201 of 2011 by its times, as messages.location_reply_reading does."""
    if end - body < LOCATION_HEAD_BYTES or _time_ms(body + 22) == TIME_NONE:
        return False
    return end - body < 2 + LOCATION_HEAD_BYTES or _time_ms(body + 24) == TIME_NONE


@njit(DECODE_SIGNATURE, cache=True, nogil=True)
def decode(frame, length, identity, rows, rows_max):  # type: ignore[no-untyped-def]
    """Write a row for each location in a whole, plain frame: 0x0200, 0x0704, 0x0201, 0x0500, 0x0802."""
    store_i64(identity + 8 * IDENTITY_UNREADABLE, 0)
    if rows_max < 1 or load_i64(identity + 8 * IDENTITY_FRAGMENT_TOTAL) != 0:
        return 0
    if load_u16_be(frame + 2) & 0x1C00 != 0:
        return 0
    message = load_i64(identity + 8 * IDENTITY_MESSAGE)
    body = frame + load_i64(identity + 8 * IDENTITY_BODY_OFFSET)
    end = frame + length
    if message == 0x0200:
        if end - body < LOCATION_HEAD_BYTES:
            store_i64(identity + 8 * IDENTITY_UNREADABLE, 1)
            return 0
        _store_row(frame, identity, body, end - body, rows, 0)
        return 1
    if message == 0x0704:
        return _decode_batch(frame, identity, body, end, rows, rows_max)
    if message == 0x0201 or message == 0x0500:
        location = body + 2
        if message == 0x0201 and load_i64(identity + 8 * IDENTITY_FORM) == 0 and _has_no_serial(body, end):
            location = body
        if end - location < LOCATION_HEAD_BYTES:
            store_i64(identity + 8 * IDENTITY_UNREADABLE, 1)
            return 0
        _store_row(frame, identity, location, end - location, rows, FLAG_ASSEMBLED)
        return 1
    if message == 0x0802:
        count = 0
        position = body + 4
        item_bytes = MEDIA_ITEM_BYTES
        if load_i64(identity + 8 * IDENTITY_FORM) == 0:
            # 2011: how many items stand here, and items without an id.
            here, odd = divmod(end - body - 6, MEDIA_ITEM_BYTES_2011)
            if here >= 0 and odd == 0 and load_u16_be(body + 4) == here:
                position = body + 6
                item_bytes = MEDIA_ITEM_BYTES_2011
        while position + item_bytes <= end and count < rows_max:
            _store_row(
                frame,
                identity,
                position + item_bytes - LOCATION_HEAD_BYTES,
                LOCATION_HEAD_BYTES,
                rows + count * REPORT_BYTES,
                FLAG_ASSEMBLED,
            )
            count += 1
            position += item_bytes
        return count
    return 0


@njit(types.int64(types.int64), cache=True, nogil=True)
def _escaped_bytes_mark(word):  # type: ignore[no-untyped-def]
    """Return non-zero when a byte of the word has to be escaped."""
    flag = word ^ FLAGS
    escape = word ^ ESCAPES
    return (((flag - ONES) & ~flag) | ((escape - ONES) & ~escape)) & TOPS


@njit(REPLY_SIGNATURE, cache=True, nogil=True)
def reply(frame, length, identity, result, output):  # type: ignore[no-untyped-def]
    """Build the 0x8001 to a frame, in the frame's own header form, with its phone bytes."""
    own_serial = load_i64(identity + 8 * IDENTITY_REPLY_SERIAL) & 0xFFFF
    serial = load_i64(identity + 8 * IDENTITY_SERIAL)
    message = load_i64(identity + 8 * IDENTITY_MESSAGE)
    plain = output + REPLY_PLAIN_OFFSET
    if load_i64(identity + 8 * IDENTITY_FORM) == 0:
        # Header and body but for the result are two words: 8001 0005 pppp pppp, pppp ssss rrrr iiii.
        first = ((PLATFORM_REPLY << 16 | REPLY_BODY_BYTES) << 32) | load_u32_be(frame + 4)
        second = (load_u16_be(frame + 8) << 48) | (own_serial << 32) | (serial << 16) | message
        parity = first ^ second
        parity ^= parity >> 32
        parity ^= parity >> 16
        parity ^= parity >> 8
        checksum = (parity ^ result) & 0xFF
        tail = (result & 0xFF) << 8 | checksum
        if _escaped_bytes_mark(first) | _escaped_bytes_mark(second) | _escaped_bytes_mark(tail) == 0:
            store_u8(output, 0x7E)
            store_i64_be(output + 1, first)
            store_i64_be(output + 9, second)
            store_u16_be(output + 17, tail)
            store_u8(output + 19, 0x7E)
            return 20
        store_i64_be(plain, first)
        store_i64_be(plain + 8, second)
        store_u16_be(plain + 16, tail)
        plain_length = 18
    else:
        # 8001 4005 vvpp pppp, pppp pppp pppp ppss, ss rrrr iiii rr cc: two words and seven bytes.
        first = ((PLATFORM_REPLY << 16 | 0x4000 | REPLY_BODY_BYTES) << 32) | load_u32_be(frame + 4)
        second = load_i64_be(frame + 8) & ~0xFF | (own_serial >> 8)
        tail = (own_serial & 0xFF) << 48 | serial << 32 | message << 16 | (result & 0xFF) << 8
        parity = first ^ second ^ tail
        parity ^= parity >> 32
        parity ^= parity >> 16
        parity ^= parity >> 8
        tail |= parity & 0xFF
        if _escaped_bytes_mark(first) | _escaped_bytes_mark(second) | _escaped_bytes_mark(tail) == 0:
            store_i64_be(output + 16, tail)
            store_u8(output, 0x7E)
            store_i64_be(output + 1, first)
            store_i64_be(output + 9, second)
            store_u8(output + 24, 0x7E)
            return 25
        store_i64_be(plain + 15, tail)
        store_i64_be(plain, first)
        store_i64_be(plain + 8, second)
        plain_length = 23
    out = output
    store_u8(out, 0x7E)
    out += 1
    for i in range(plain_length):
        byte = load_u8(plain + i)
        if byte == 0x7E or byte == 0x7D:
            store_u8(out, 0x7D)
            store_u8(out + 1, byte - 0x7C)
            out += 2
        else:
            store_u8(out, byte)
            out += 1
    store_u8(out, 0x7E)
    return out + 1 - output


# What the intake calls: no more than the kernel, entered as C would. They must live as long as their addresses.
@cfunc(SPLIT_SIGNATURE, cache=True)
def _split_entry(source, length, output, result):  # type: ignore[no-untyped-def]
    return split(source, length, output, result)


@cfunc(IDENTIFY_SIGNATURE, cache=True)
def _identify_entry(frame, length, identity):  # type: ignore[no-untyped-def]
    return identify(frame, length, identity)


@cfunc(DECODE_SIGNATURE, cache=True)
def _decode_entry(frame, length, identity, rows, rows_max):  # type: ignore[no-untyped-def]
    return decode(frame, length, identity, rows, rows_max)


@cfunc(REPLY_SIGNATURE, cache=True)
def _reply_entry(frame, length, identity, result, output):  # type: ignore[no-untyped-def]
    return reply(frame, length, identity, result, output)


KERNELS: Final = Kernels(
    split,
    identify,
    decode,
    reply,
    Entries(_split_entry.address, _identify_entry.address, _decode_entry.address, _reply_entry.address),
)
