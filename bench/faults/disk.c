/* A disk that fails as it is told to, and a notebook of everything a program asked of it: an LD_PRELOAD shim.

   It stands between a program and the C library and looks at files below one directory only:

       FAULTY_DISK_ROOT      the directory, absolute
       FAULTY_DISK_CONTROL   a file of 4096 bytes that whoever breaks things has mapped too (struct control)
       FAULTY_DISK_TRACE     where operations are written down while control.trace is 1; may be missing

   Full: files and directories below the root may grow by control.room bytes in all; then ENOSPC, after a short write
   where a part still fits. Sectors that a file already has can be written. What is removed gives its bytes back.
   Failing: the next control.failing syncs of paths that hold control.where return EIO. Slow: each sync takes
   control.delay_ms longer. Clock: CLOCK_REALTIME, gettimeofday and time are control.offset_ns ahead; no other clock is.

   While a trace is written one lock is held around each operation and its entry, so that the order of entries is the
   order of effects. What goes out on a socket is noted before it goes: an acknowledgement counts from the moment in
   which it might be on the wire. Memory that is mapped and written is not seen (SQLite's -shm, which it makes anew). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int64_t room;       /* bytes that files may still grow by; INT64_MAX: any number */
    int64_t failing;    /* syncs that fail, -1: all */
    int64_t delay_ms;   /* of each sync */
    int64_t offset_ns;  /* of the wall's clock */
    int64_t trace;      /* 1: write down */
    int64_t refused;    /* counted here: ENOSPC given */
    int64_t failed;     /* counted here: EIO given */
    int64_t entries;    /* counted here: operations written down */
    char where[128];    /* syncs of paths that hold this fail or are slow; empty: all */
};

/* The kinds of entry; bench/faults/power.py reads them. */
enum { CREATE = 1, MKDIR, WRITE, TRUNCATE, ALLOCATE, SYNC, RENAME, UNLINK, RMDIR, LINK, SEND, FAILED };

struct entry {
    uint32_t magic, kind;
    uint64_t inode;
    int64_t offset;     /* of a write; size of a truncate; descriptor of a send */
    int64_t length;     /* bytes that follow: data, or a path, or two with a zero between; of an allocate its length */
};

#define MAGIC 0x4b534944u
#define DESCRIPTORS 65536

static struct control unset = {.room = INT64_MAX};
static struct control *control = &unset;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;
static uint8_t below[DESCRIPTORS];
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ({ static __typeof__(&name) real_; if (!real_) real_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real_; })

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTY_DISK_ROOT");
    if (path) {
        snprintf(root, sizeof root, "%s", path);
        root_length = strlen(root);
    }
    path = getenv("FAULTY_DISK_CONTROL");
    if (path) {
        int fd = REAL(open)(path, O_RDWR | O_CLOEXEC);
        if (fd >= 0) {
            void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (at != MAP_FAILED) control = at;
            REAL(close)(fd);
        }
    }
    path = getenv("FAULTY_DISK_TRACE");
    if (path) {
        int fd = REAL(open)(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        /* Out of the way of programs that count their descriptors from below. */
        trace = fcntl(fd, F_DUPFD_CLOEXEC, 900);
        REAL(close)(fd);
    }
    /* Only this process: what it starts has a disk of its own. */
    unsetenv("LD_PRELOAD");
}

static int tracing(void) { return trace >= 0 && __atomic_load_n(&control->trace, __ATOMIC_ACQUIRE); }

static void lock(void) { if (trace >= 0) pthread_mutex_lock(&order); }
static void unlock(void) { if (trace >= 0) pthread_mutex_unlock(&order); }

static void put(const void *data, size_t length) {
    const char *at = data;
    while (length > 0) {
        ssize_t done = REAL(write)(trace, at, length);
        if (done <= 0) abort();
        at += done;
        length -= done;
    }
}

static void note(int kind, uint64_t inode, int64_t offset, const void *data, int64_t length) {
    if (!tracing()) return;
    struct entry entry = {MAGIC, kind, inode, offset, length};
    put(&entry, sizeof entry);
    if (data) put(data, length);
    control->entries++;
}

static void note_paths(int kind, uint64_t inode, const char *first, const char *second) {
    char both[2 * PATH_MAX + 1];
    int length = snprintf(both, sizeof both, "%s", first);
    if (second) length += 1 + snprintf(both + length + 1, sizeof both - length - 1, "%s", second);
    note(kind, inode, 0, both, length);
}

/* The absolute form of a path, and whether it lies below the root. */
static int resolve(int directory, const char *path, char *out) {
    if (!root_length || !path) return 0;
    if (path[0] == '/') {
        snprintf(out, PATH_MAX, "%s", path);
    } else {
        char base[PATH_MAX / 2] = "";
        if (directory == AT_FDCWD) {
            if (!getcwd(base, sizeof base)) return 0;
        } else {
            char link[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
            ssize_t length = readlink(link, base, sizeof base - 1);
            if (length < 0) return 0;
            base[length] = 0;
        }
        snprintf(out, PATH_MAX, "%s/%.*s", base, PATH_MAX / 2, path);
    }
    return strncmp(out, root, root_length) == 0 && (out[root_length] == '/' || out[root_length] == 0);
}

static int is_below(int fd) { return fd >= 0 && fd < DESCRIPTORS && below[fd]; }

static uint64_t inode_of(int fd) {
    struct stat about;
    return fstat(fd, &about) ? 0 : about.st_ino;
}

/* Take bytes of the room; how many were to be had, fewer than asked for where it ends. */
static int64_t take(int64_t wanted) {
    int64_t room = __atomic_load_n(&control->room, __ATOMIC_ACQUIRE);
    while (wanted > 0 && room != INT64_MAX) {
        int64_t had = room <= 0 ? 0 : wanted < room ? wanted : room;
        if (had < wanted) __atomic_add_fetch(&control->refused, 1, __ATOMIC_RELAXED);
        if (had == 0) return 0;
        if (__atomic_compare_exchange_n(&control->room, &room, room - had, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return had;
    }
    return wanted;
}

static void give(int64_t bytes) {
    int64_t room = __atomic_load_n(&control->room, __ATOMIC_ACQUIRE);
    while (room != INT64_MAX &&
           !__atomic_compare_exchange_n(&control->room, &room, room + bytes, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
    }
}

/* How much of a write at an offset the disk has room for; 0: none. */
static size_t fits(int fd, int64_t offset, size_t length) {
    struct stat about;
    if (__atomic_load_n(&control->room, __ATOMIC_ACQUIRE) == INT64_MAX || fstat(fd, &about) || !S_ISREG(about.st_mode))
        return length;
    int64_t growth = offset + (int64_t)length - (about.st_size > offset ? about.st_size : offset);
    if (growth <= 0) return length;
    return length - growth + take(growth);
}

/* --- files --- */

static int open_below(int directory, const char *path, int flags, mode_t mode, const char *full) {
    lock();
    struct stat about;
    int exists = stat(full, &about) == 0;
    if ((flags & O_CREAT) && !exists && take(1) == 0) {
        unlock();
        errno = ENOSPC;
        return -1;
    }
    int fd = REAL(openat)(directory, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS) {
        below[fd] = 1;
        if ((flags & O_CREAT) && !exists) note_paths(CREATE, inode_of(fd), full, NULL);
        else if ((flags & O_TRUNC) && exists && S_ISREG(about.st_mode)) {
            give(about.st_size);
            note(TRUNCATE, about.st_ino, 0, NULL, 0);
        }
    }
    unlock();
    return fd;
}

#define OPEN(name, prototype, directory, path) \
    int name prototype { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more); \
        char full[PATH_MAX]; \
        if (resolve(directory, path, full)) return open_below(directory, path, flags, mode, full); \
        int fd = REAL(openat)(directory, path, flags, mode); \
        if (fd >= 0 && fd < DESCRIPTORS) below[fd] = 0; \
        return fd; \
    }

OPEN(open, (const char *path, int flags, ...), AT_FDCWD, path)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD, path)
OPEN(openat, (int directory, const char *path, int flags, ...), directory, path)
OPEN(openat64, (int directory, const char *path, int flags, ...), directory, path)

int creat(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }
int creat64(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd) {
    if (is_below(fd)) below[fd] = 0;
    return REAL(close)(fd);
}

static ssize_t write_below(int fd, const void *data, size_t length, int64_t offset, int moves) {
    lock();
    if (moves) {
        struct stat about;
        offset = lseek(fd, 0, SEEK_CUR);
        if (fcntl(fd, F_GETFL) & O_APPEND && fstat(fd, &about) == 0) offset = about.st_size;
    }
    size_t fitting = fits(fd, offset, length);
    ssize_t done = -1;
    if (fitting == 0 && length > 0) errno = ENOSPC;
    else done = moves ? REAL(write)(fd, data, fitting) : REAL(pwrite)(fd, data, fitting, offset);
    if (done > 0) note(WRITE, inode_of(fd), offset, data, done);
    unlock();
    return done;
}

ssize_t write(int fd, const void *data, size_t length) {
    return is_below(fd) ? write_below(fd, data, length, 0, 1) : REAL(write)(fd, data, length);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
    return is_below(fd) ? write_below(fd, data, length, offset, 0) : REAL(pwrite)(fd, data, length, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) { return pwrite(fd, data, length, offset); }

static ssize_t write_pieces(int fd, const struct iovec *pieces, int count, int64_t offset, int moves) {
    ssize_t total = 0;
    for (int k = 0; k < count; k++) {
        if (pieces[k].iov_len == 0) continue;
        ssize_t done = write_below(fd, pieces[k].iov_base, pieces[k].iov_len, offset + total, moves);
        if (done < 0) return total ? total : -1;
        total += done;
        if ((size_t)done < pieces[k].iov_len) break;
    }
    return total;
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    return is_below(fd) ? write_pieces(fd, pieces, count, 0, 1) : REAL(writev)(fd, pieces, count);
}
ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t offset) {
    return is_below(fd) ? write_pieces(fd, pieces, count, offset, 0) : REAL(pwritev)(fd, pieces, count, offset);
}
ssize_t pwritev64(int fd, const struct iovec *pieces, int count, off64_t offset) {
    return pwritev(fd, pieces, count, offset);
}

ssize_t pwritev2(int fd, const struct iovec *pieces, int count, off_t offset, int flags) {
    if (!is_below(fd)) return REAL(pwritev2)(fd, pieces, count, offset, flags);
    return write_pieces(fd, pieces, count, offset, offset == -1);
}
ssize_t pwritev64v2(int fd, const struct iovec *pieces, int count, off64_t offset, int flags) {
    return pwritev2(fd, pieces, count, offset, flags);
}

ssize_t sendfile(int to, int from, off_t *offset, size_t length) {
    if (!is_below(to)) return REAL(sendfile)(to, from, offset, length);
    char data[65536];
    size_t wanted = length < sizeof data ? length : sizeof data;
    ssize_t had = offset ? pread(from, data, wanted, *offset) : read(from, data, wanted);
    if (had <= 0) return had;
    ssize_t done = write_below(to, data, had, 0, 1);
    if (done > 0 && offset) *offset += done;
    return done;
}
ssize_t sendfile64(int to, int from, off64_t *offset, size_t length) { return sendfile(to, from, offset, length); }
ssize_t copy_file_range(int from, off64_t *in, int to, off64_t *out, size_t length, unsigned flags) {
    if (!is_below(to)) return REAL(copy_file_range)(from, in, to, out, length, flags);
    errno = EXDEV; /* So that the caller reads and writes, which is seen. */
    return -1;
}

int ftruncate(int fd, off_t size) {
    if (!is_below(fd)) return REAL(ftruncate)(fd, size);
    struct stat about;
    lock();
    int status = -1;
    if (fstat(fd, &about) == 0 && size > about.st_size && take(size - about.st_size) < size - about.st_size)
        errno = ENOSPC;
    else status = REAL(ftruncate)(fd, size);
    if (status == 0) {
        if (size < about.st_size) give(about.st_size - size);
        note(TRUNCATE, about.st_ino, size, NULL, 0);
    }
    unlock();
    return status;
}
int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }

int truncate(const char *path, off_t size) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int status = ftruncate(fd, size), error = errno;
    close(fd);
    errno = error;
    return status;
}
int truncate64(const char *path, off64_t size) { return truncate(path, size); }

int posix_fallocate(int fd, off_t offset, off_t length) {
    if (!is_below(fd)) return REAL(posix_fallocate)(fd, offset, length);
    struct stat about;
    lock();
    int error = fstat(fd, &about) ? errno : 0;
    int64_t growth = error ? 0 : offset + length - about.st_size;
    if (growth > 0) {
        int64_t had = take(growth);
        if (had < growth) {
            give(had);
            error = ENOSPC;
        }
    }
    if (!error) error = REAL(posix_fallocate)(fd, offset, length);
    if (!error) note(ALLOCATE, about.st_ino, offset, NULL, length);
    unlock();
    return error;
}
int posix_fallocate64(int fd, off64_t offset, off64_t length) { return posix_fallocate(fd, offset, length); }
int fallocate(int fd, int mode, off_t offset, off_t length) {
    if (!is_below(fd)) return REAL(fallocate)(fd, mode, offset, length);
    errno = EOPNOTSUPP;
    return -1;
}
int fallocate64(int fd, int mode, off64_t offset, off64_t length) { return fallocate(fd, mode, offset, length); }

/* --- syncs --- */

static int chosen(int fd) {
    if (!control->where[0]) return 1;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strstr(path, control->where) != NULL;
}

static int sync_below(int fd, int data_only) {
    int64_t delay_ms = __atomic_load_n(&control->delay_ms, __ATOMIC_ACQUIRE);
    int64_t failing = __atomic_load_n(&control->failing, __ATOMIC_ACQUIRE);
    if ((delay_ms || failing) && chosen(fd)) {
        if (delay_ms) {
            struct timespec wait = {delay_ms / 1000, delay_ms % 1000 * 1000000};
            nanosleep(&wait, NULL);
        }
        while (failing > 0 && !__atomic_compare_exchange_n(&control->failing, &failing, failing - 1, 0,
                                                           __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        }
        if (failing) {
            __atomic_add_fetch(&control->failed, 1, __ATOMIC_RELAXED);
            lock();
            note(FAILED, inode_of(fd), 0, NULL, 0);
            unlock();
            errno = EIO;
            return -1;
        }
    }
    if (!tracing()) return data_only ? REAL(fdatasync)(fd) : REAL(fsync)(fd);
    /* Nothing is cut here but on paper: what was written before this entry is on disk behind it. */
    lock();
    note(SYNC, inode_of(fd), 0, NULL, 0);
    unlock();
    return 0;
}

int fsync(int fd) { return is_below(fd) ? sync_below(fd, 0) : REAL(fsync)(fd); }
int fdatasync(int fd) { return is_below(fd) ? sync_below(fd, 1) : REAL(fdatasync)(fd); }

/* --- names --- */

static uint64_t inode_at(const char *path, struct stat *about) { return lstat(path, about) ? 0 : about->st_ino; }

static int rename_seen(int from, const char *old, int to, const char *new, unsigned flags) {
    char first[PATH_MAX], second[PATH_MAX];
    struct stat about;
    int seen = resolve(from, old, first) | resolve(to, new, second);
    if (seen) lock();
    uint64_t inode = seen ? inode_at(first, &about) : 0;
    int status = flags ? REAL(renameat2)(from, old, to, new, flags) : REAL(renameat)(from, old, to, new);
    if (seen && status == 0) note_paths(RENAME, inode, first, second);
    if (seen) unlock();
    return status;
}

int rename(const char *old, const char *new) { return rename_seen(AT_FDCWD, old, AT_FDCWD, new, 0); }
int renameat(int from, const char *old, int to, const char *new) { return rename_seen(from, old, to, new, 0); }
int renameat2(int from, const char *old, int to, const char *new, unsigned flags) {
    return rename_seen(from, old, to, new, flags);
}

int unlinkat(int directory, const char *path, int flags) {
    char full[PATH_MAX];
    if (!resolve(directory, path, full)) return REAL(unlinkat)(directory, path, flags);
    struct stat about;
    lock();
    uint64_t inode = inode_at(full, &about);
    int status = REAL(unlinkat)(directory, path, flags);
    if (status == 0) {
        if (S_ISREG(about.st_mode) && about.st_nlink == 1) give(about.st_size);
        note_paths(flags & AT_REMOVEDIR ? RMDIR : UNLINK, inode, full, NULL);
    }
    unlock();
    return status;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int remove(const char *path) {
    struct stat about;
    return unlinkat(AT_FDCWD, path, lstat(path, &about) == 0 && S_ISDIR(about.st_mode) ? AT_REMOVEDIR : 0);
}

int mkdirat(int directory, const char *path, mode_t mode) {
    char full[PATH_MAX];
    if (!resolve(directory, path, full)) return REAL(mkdirat)(directory, path, mode);
    struct stat about;
    if (lstat(full, &about) && take(1) == 0) {
        errno = ENOSPC;
        return -1;
    }
    lock();
    int status = REAL(mkdirat)(directory, path, mode);
    if (status == 0) note_paths(MKDIR, inode_at(full, &about), full, NULL);
    unlock();
    return status;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    char first[PATH_MAX], second[PATH_MAX];
    if (!(resolve(from, old, first) & resolve(to, new, second))) return REAL(linkat)(from, old, to, new, flags);
    struct stat about;
    lock();
    int status = REAL(linkat)(from, old, to, new, flags);
    if (status == 0) note_paths(LINK, inode_at(first, &about), first, second);
    unlock();
    return status;
}
int link(const char *old, const char *new) { return linkat(AT_FDCWD, old, AT_FDCWD, new, 0); }

long syscall(long number, ...) {
    va_list more;
    va_start(more, number);
    long a = va_arg(more, long), b = va_arg(more, long), c = va_arg(more, long), d = va_arg(more, long);
    long e = va_arg(more, long), f = va_arg(more, long);
    va_end(more);
    if (number == SYS_renameat2) return rename_seen((int)a, (const char *)b, (int)c, (const char *)d, (unsigned)e);
    if (number == SYS_copy_file_range && is_below((int)c)) {
        errno = EXDEV;
        return -1;
    }
    return REAL(syscall)(number, a, b, c, d, e, f);
}

/* --- what goes out --- */

ssize_t send(int fd, const void *data, size_t length, int flags) {
    if (tracing()) {
        lock();
        note(SEND, 0, fd, data, length);
        unlock();
    }
    return REAL(send)(fd, data, length, flags);
}

/* --- the clock --- */

static int64_t ahead(void) { return __atomic_load_n(&control->offset_ns, __ATOMIC_ACQUIRE); }

int clock_gettime(clockid_t clock, struct timespec *out) {
    int status = REAL(clock_gettime)(clock, out);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && ahead()) {
        int64_t now = out->tv_sec * INT64_C(1000000000) + out->tv_nsec + ahead();
        out->tv_sec = now / 1000000000;
        out->tv_nsec = now % 1000000000;
    }
    return status;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
