/* The machine's own limit: what acknowledging JT/T 808 reports costs when nothing else is done.
 *
 * One thread, one epoll, one recv and one send per readiness, no allocation per frame. Cuts the stream at 7e, undoes the
 * escapes (7d 02 = 7e, 7d 01 = 7d), verifies the checksum, reads the header and answers: 0x0100 with 0x8100 and a code,
 * 0x0102, 0x0200, 0x0002 and every other frame with 0x8001. Stores nothing and admits everybody: a floor, not a rival.
 *
 *     limit [PORT]       listens on 127.0.0.1; PORT 0 or none: any free one
 *
 * Prints {"port": ...} when it listens, and on SIGTERM one JSON object with its counts and its CPU time (getrusage).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    FILES_MAX = 1 << 16,
    RECEIVE_BYTES = 16 * 1024,  /* one recv per readiness, as much as the server under test takes */
    PARTIAL_BYTES_MAX = 4096,   /* a longer frame is garbage: that connection is closed */
    EVENTS_MAX = 512,
    ACCEPTS_PER_READINESS = 64,
    FRAME_BYTES_MIN = 13,       /* 12 of header, 1 of checksum */
    ANSWER_BYTES_MAX = 64,      /* 12 + 9 + 1 escaped, and two flags: 46 */
    ANSWERS_MAX = (RECEIVE_BYTES + PARTIAL_BYTES_MAX) / (FRAME_BYTES_MIN + 1) + 1,
};

struct connection {
    uint16_t serial;
    uint16_t partial_length;
    uint8_t partial[PARTIAL_BYTES_MAX];
};

/* Pages of connections never opened are never touched. */
static struct connection connections[FILES_MAX];
static uint8_t input[PARTIAL_BYTES_MAX + RECEIVE_BYTES];
static uint8_t unescaped[PARTIAL_BYTES_MAX + RECEIVE_BYTES];
static uint8_t output[ANSWERS_MAX * ANSWER_BYTES_MAX];
static uint64_t accepted, closed, reports, others, bad;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint8_t checksum(const uint8_t *data, size_t length) {
    uint64_t sum = 0;
    while (length >= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        sum ^= word;
        data += 8;
        length -= 8;
    }
    sum ^= sum >> 32;
    sum ^= sum >> 16;
    sum ^= sum >> 8;
    uint8_t folded = (uint8_t)sum;
    while (length--) folded ^= *data++;
    return folded;
}

/* Return the unescaped length, or -1 when a 7d is followed by anything but 01 or 02. */
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

static uint8_t *put_escaped(uint8_t *out, const uint8_t *plain, int length) {
    *out++ = 0x7e;
    for (int i = 0; i < length; i++) {
        uint8_t byte = plain[i];
        if (__builtin_expect(byte == 0x7d || byte == 0x7e, 0)) {
            *out++ = 0x7d;
            byte = byte == 0x7d ? 1 : 2;
        }
        *out++ = byte;
    }
    *out++ = 0x7e;
    return out;
}

/* Answer one unescaped frame, checksum included and already verified. */
static uint8_t *answer(struct connection *connection, const uint8_t *frame, uint8_t *out) {
    uint8_t plain[12 + 9 + 1] = {0x80, 0x01, 0x00, 0x05};
    int length = 12;
    memcpy(plain + 4, frame + 4, 6);
    plain[10] = (uint8_t)(connection->serial >> 8);
    plain[11] = (uint8_t)connection->serial++;
    plain[length++] = frame[10];
    plain[length++] = frame[11];
    if (frame[0] == 0x01 && frame[1] == 0x00) {
        plain[1] = 0x00;
        plain[0] = 0x81;
        plain[3] = 9;
        plain[length++] = 0;
        memcpy(plain + length, "LIMIT1", 6);
        length += 6;
        others++;
    } else {
        plain[length++] = frame[0];
        plain[length++] = frame[1];
        plain[length++] = 0;
        if (frame[0] == 0x02 && frame[1] == 0x00)
            reports++;
        else
            others++;
    }
    plain[length] = checksum(plain, (size_t)length);
    return put_escaped(out, plain, length + 1);
}

static void drop(int file) {
    close(file); /* leaves the epoll set by itself */
    closed++;
}

static void serve(int file) {
    struct connection *connection = &connections[file];
    int held = connection->partial_length;
    memcpy(input, connection->partial, (size_t)held);
    ssize_t received = recv(file, input + held, RECEIVE_BYTES, 0);
    if (received <= 0) {
        if (received < 0 && (errno == EAGAIN || errno == EINTR)) return;
        drop(file);
        return;
    }
    const uint8_t *at = input, *end = input + held + received;
    uint8_t *out = output;
    for (;;) {
        const uint8_t *open = memchr(at, 0x7e, (size_t)(end - at));
        if (!open) {
            at = end;
            break;
        }
        const uint8_t *shut = memchr(open + 1, 0x7e, (size_t)(end - open - 1));
        at = open;
        if (!shut) break;
        const uint8_t *frame = open + 1;
        int length = (int)(shut - frame);
        if (length == 0) { /* 7e 7e: the first closed a frame that we have seen, or pads */
            at = shut;
            continue;
        }
        at = shut + 1;
        if (memchr(frame, 0x7d, (size_t)length)) {
            length = undo_escapes(frame, length, unescaped);
            frame = unescaped;
        }
        if (length < FRAME_BYTES_MIN || checksum(frame, (size_t)length) != 0) {
            bad++;
            at = shut; /* its closing flag may open the next */
            continue;
        }
        out = answer(connection, frame, out);
    }
    int rest = (int)(end - at);
    if (rest > PARTIAL_BYTES_MAX) {
        drop(file);
        return;
    }
    memcpy(connection->partial, at, (size_t)rest);
    connection->partial_length = (uint16_t)rest;
    if (out > output) {
        ssize_t sent = send(file, output, (size_t)(out - output), MSG_NOSIGNAL);
        if (sent != out - output) drop(file); /* a peer that does not read its answers */
    }
}

static void accept_some(int listener, int epoll) {
    for (int i = 0; i < ACCEPTS_PER_READINESS; i++) {
        int file = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (file < 0) return;
        if (file >= FILES_MAX) {
            close(file);
            continue;
        }
        int on = 1;
        setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        connections[file].partial_length = 0;
        connections[file].serial = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = file};
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event)) fail("epoll_ctl");
        accepted++;
    }
}

int main(int count, char **arguments) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    int signals = signalfd(-1, &stop, SFD_CLOEXEC);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)(count > 1 ? atoi(arguments[1]) : 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, length)) fail("bind");
    if (listen(listener, 4096)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);

    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    event.data.fd = signals;
    epoll_ctl(epoll, EPOLL_CTL_ADD, signals, &event);
    printf("{\"port\": %d}\n", ntohs(address.sin_port));
    fflush(stdout);

    static struct epoll_event events[EVENTS_MAX];
    for (int stopped = 0; !stopped;) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            int file = events[i].data.fd;
            if (file == listener)
                accept_some(listener, epoll);
            else if (file == signals)
                stopped = 1;
            else
                serve(file);
        }
    }

    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"reports\": %llu, \"others\": %llu, \"bad\": %llu, \"accepted\": %llu, \"closed\": %llu, "
           "\"user_us\": %lld, \"system_us\": %lld, \"rss_kb\": %ld}\n",
           (unsigned long long)reports, (unsigned long long)others, (unsigned long long)bad,
           (unsigned long long)accepted, (unsigned long long)closed,
           (long long)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec,
           (long long)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec, usage.ru_maxrss);
    return 0;
}
