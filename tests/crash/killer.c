/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Preloaded into the daemon, it kills it at the N-th call that changes the disk: N is $LODGE_KILL_AT, and
 * $LODGE_KILL_HOW says whether that is "before" the call, "after" it, or, for a write, "half" way. Only calls on files
 * and names below $LODGE_KILL_BELOW count, in whatever thread.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAND_IN __attribute__((visibility("default")))

static atomic_uint n_calls;

static bool is_below(int fd) {
        const char *below = getenv("LODGE_KILL_BELOW");
        char link[64], path[PATH_MAX];
        ssize_t n;

        (void) snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = below ? readlink(link, path, sizeof path - 1) : -1;
        return n > 0 && strncmp(path, below, strlen(below)) == 0;
}

/* Whether this call, which counts, is the last. */
static bool is_last(void) {
        const char *at = getenv("LODGE_KILL_AT");

        return at && ++n_calls == strtoul(at, NULL, 10);
}

static bool is_how(const char *how) {
        const char *given = getenv("LODGE_KILL_HOW");

        return given && strcmp(given, how) == 0;
}

static void die(void) {
        (void) kill(getpid(), SIGKILL);
        (void) pause();
}

/* Dies now, or tells to die after the call. */
static bool begin(bool counts) {
        bool last = counts && is_last();

        if (last && !is_how("after"))
                die();
        return last;
}

static long end(bool last, long r) {
        if (last)
                die();
        return r;
}

static ssize_t put(int fd, const void *data, size_t size, off_t offset) {
        bool last = is_below(fd) && is_last();

        if (last && is_how("before"))
                die();
        if (last && is_how("half"))
                size /= 2;
        return end(last, syscall(SYS_pwrite64, fd, data, size, offset));
}

STAND_IN ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
        return put(fd, data, size, offset);
}

STAND_IN ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) {
        return put(fd, data, size, offset);
}

STAND_IN ssize_t write(int fd, const void *data, size_t size) {
        bool last = begin(is_below(fd));

        return end(last, syscall(SYS_write, fd, data, size));
}

STAND_IN int fdatasync(int fd) {
        bool last = begin(is_below(fd));

        return (int) end(last, syscall(SYS_fdatasync, fd));
}

STAND_IN int fsync(int fd) {
        bool last = begin(is_below(fd));

        return (int) end(last, syscall(SYS_fsync, fd));
}

STAND_IN int ftruncate(int fd, off_t size) {
        bool last = begin(is_below(fd));

        return (int) end(last, syscall(SYS_ftruncate, fd, size));
}

STAND_IN int fallocate(int fd, int mode, off_t offset, off_t size) {
        bool last = begin(is_below(fd));

        return (int) end(last, syscall(SYS_fallocate, fd, mode, offset, size));
}

STAND_IN int renameat(int from_directory, const char *from, int to_directory, const char *to) {
        bool last = begin(is_below(from_directory));

        return (int) end(last, syscall(SYS_renameat2, from_directory, from, to_directory, to, 0));
}

STAND_IN int unlinkat(int directory, const char *path, int flags) {
        bool last = begin(is_below(directory));

        return (int) end(last, syscall(SYS_unlinkat, directory, path, flags));
}

static long make(int directory, const char *path, int flags, mode_t mode) {
        const char *below = getenv("LODGE_KILL_BELOW");
        bool counts = (flags & O_CREAT) && below &&
                      (path[0] == '/' ? strncmp(path, below, strlen(below)) == 0 : is_below(directory));
        bool last = begin(counts);

        return end(last, syscall(SYS_openat, directory, path, flags, mode));
}

#define OPEN(function, parameters, directory)                    \
        STAND_IN int function parameters {                       \
                mode_t mode = 0;                                 \
                va_list arguments;                               \
                                                                 \
                va_start(arguments, flags);                      \
                if (flags & (O_CREAT | O_TMPFILE))               \
                        mode = va_arg(arguments, mode_t);        \
                va_end(arguments);                               \
                return (int) make(directory, path, flags, mode); \
        }
OPEN(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN(openat, (int directory, const char *path, int flags, ...), directory)
OPEN(openat64, (int directory, const char *path, int flags, ...), directory)
