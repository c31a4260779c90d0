/* What the kernels of protocols/jt808 do to a 0x0200 of the 2013 header, once more in plain C, to be compared with.
 *
 * decode_stream goes through a buffer of frames and does as many of the four steps as asked: 1 split (cut, undo escapes,
 * verify the checksum), 2 identify (header), 3 decode (a row of fields, time to epoch ms, 64-bit hash), 4 reply
 * (0x8001, escaped). Only what a location report needs: no batches, no fragments, no 2019 header, which flatters C.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct row {
    uint64_t phone, report_id;
    int64_t time_ms, odometer_m;
    uint32_t alarm, status;
    int32_t lat_1e7, lon_1e7;
    uint16_t speed, course, serial;
    int16_t altitude;
    uint32_t flags, items_offset, items_length;
};

static const uint64_t A = 0x48C4C7A8A663F967u, B = (uint64_t)-0x2ADD0243FE732AE9, C = (uint64_t)-0x6CE4A8BC519BE917;
static const int DAYS_BEFORE[13] = {0, 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }
static uint32_t u32(const uint8_t *p) { return u16(p) << 16 | u16(p + 2); }
static uint64_t word(const uint8_t *p) {
    uint64_t value;
    memcpy(&value, p, 8);
    return value;
}
static int two(uint8_t bcd) { return (bcd >> 4) * 10 + (bcd & 15); }
static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint8_t checksum(const uint8_t *data, size_t length) {
    uint64_t sum = 0;
    for (; length >= 8; data += 8, length -= 8) sum ^= word(data);
    sum ^= sum >> 32;
    sum ^= sum >> 16;
    sum ^= sum >> 8;
    uint8_t folded = (uint8_t)sum;
    while (length--) folded ^= *data++;
    return folded;
}

static int undo_escapes(const uint8_t *from, int length, uint8_t *to) {
    int count = 0;
    for (int i = 0; i < length; i++) {
        uint8_t byte = from[i];
        if (byte == 0x7d) {
            if (++i >= length || (from[i] != 1 && from[i] != 2)) return -1;
            byte = from[i] == 1 ? 0x7d : 0x7e;
        }
        to[count++] = byte;
    }
    return count;
}

static int64_t time_ms(const uint8_t *p) {
    for (int i = 0; i < 6; i++)
        if ((p[i] >> 4) > 9 || (p[i] & 15) > 9) return INT64_MIN;
    int year = two(p[0]), month = two(p[1]), day = two(p[2]), hour = two(p[3]), minute = two(p[4]), second = two(p[5]);
    if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59) return INT64_MIN;
    int64_t days = 10957 + 365 * year + (year + 3) / 4 + DAYS_BEFORE[month] + day - 1 + (month > 2 && year % 4 == 0);
    return days * 86400000 + ((hour * 60 + minute) * 60 + second) * 1000 - 8 * 3600000;
}

static void decode(const uint8_t *frame, int length, uint64_t phone, uint32_t serial, struct row *row) {
    const uint8_t *location = frame + 12, *end = frame + length;
    row->phone = phone;
    row->serial = (uint16_t)serial;
    row->alarm = u32(location);
    row->status = u32(location + 4);
    row->flags = row->status & 2 ? 0 : 1;
    int64_t latitude = u32(location + 8), longitude = u32(location + 12);
    if (latitude > 90000000) latitude = 90000000, row->flags |= 32;
    if (longitude > 180000000) longitude = 180000000, row->flags |= 32;
    row->lat_1e7 = (int32_t)(row->status & 4 ? -latitude * 10 : latitude * 10);
    row->lon_1e7 = (int32_t)(row->status & 8 ? -longitude * 10 : longitude * 10);
    row->altitude = (int16_t)u16(location + 16);
    row->speed = (uint16_t)u16(location + 18);
    row->course = (uint16_t)(u16(location + 20) % 360);
    row->time_ms = time_ms(location + 22);
    row->odometer_m = -1;
    row->items_offset = 12 + 28;
    row->items_length = (uint32_t)(length - 12 - 28);
    for (const uint8_t *item = location + 28; item + 2 <= end; item += 2 + item[1]) {
        if (item + 2 + item[1] > end) break;
        if (item[0] == 1 && item[1] == 4 && row->odometer_m < 0) row->odometer_m = (int64_t)u32(item + 2) * 100;
    }
    uint64_t state = fold(A, phone ^ B);
    const uint8_t *at = location;
    for (; at + 16 < end; at += 16) state = fold(word(at) ^ B, word(at + 8) ^ state);
    state = fold(word(end - 16) ^ C, word(end - 8) ^ state);
    row->report_id = fold(state ^ A, B ^ (uint64_t)(end - location));
}

static int reply(const uint8_t *frame, uint32_t own_serial, uint8_t *out) {
    uint8_t plain[18] = {0x80, 0x01, 0x00, 0x05};
    memcpy(plain + 4, frame + 4, 6);
    plain[10] = (uint8_t)(own_serial >> 8);
    plain[11] = (uint8_t)own_serial;
    plain[12] = frame[10];
    plain[13] = frame[11];
    plain[14] = frame[0];
    plain[15] = frame[1];
    plain[17] = checksum(plain, 17);
    int length = 0;
    out[length++] = 0x7e;
    for (int i = 0; i < 18; i++) {
        uint8_t byte = plain[i];
        if (byte == 0x7d || byte == 0x7e) {
            out[length++] = 0x7d;
            byte = byte == 0x7d ? 1 : 2;
        }
        out[length++] = byte;
    }
    out[length++] = 0x7e;
    return length;
}

/* Returns the number of good frames; *mixed depends on everything that was computed, so that nothing is left out. */
int64_t decode_stream(const uint8_t *data, int64_t length, int64_t steps, uint64_t *mixed) {
    static uint8_t unescaped[4096], answer[128];
    const uint8_t *at = data, *end = data + length;
    int64_t count = 0;
    uint64_t mix = 0;
    struct row row;
    while (at < end) {
        const uint8_t *open = memchr(at, 0x7e, (size_t)(end - at));
        if (!open) break;
        const uint8_t *shut = memchr(open + 1, 0x7e, (size_t)(end - open - 1));
        if (!shut) break;
        int bytes = (int)(shut - open - 1);
        at = shut;
        if (bytes == 0) continue;
        at = shut + 1;
        const uint8_t *frame = open + 1;
        if (memchr(frame, 0x7d, (size_t)bytes)) {
            if (bytes > (int)sizeof unescaped) continue;
            bytes = undo_escapes(frame, bytes, unescaped);
            frame = unescaped;
        }
        if (bytes < 13 || checksum(frame, (size_t)bytes) != 0) continue;
        bytes--;
        count++;
        if (steps < 2) continue;
        uint32_t message = u16(frame), serial = u16(frame + 10);
        uint64_t phone = (uint64_t)u16(frame + 4) << 32 | u32(frame + 6);
        mix ^= serial;
        if (message != 0x0200 || bytes < 40) continue;
        if (steps >= 3) {
            decode(frame, bytes, phone, serial, &row);
            mix ^= row.report_id ^ (uint64_t)row.time_ms;
        }
        if (steps >= 4) mix ^= (uint64_t)reply(frame, (uint32_t)count, answer) << 32;
    }
    *mixed = mix;
    return count;
}
