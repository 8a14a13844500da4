/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "daemon/store/cleanup.h"
#include "daemon/store/directory.h"

#define LOCK_NAME    "lock"
#define PREFIX       "segment-"
#define SUFFIX       ".tdb"
#define SUFFIX_ASIDE ".damaged"
#define DIGITS_MIN   8u

int directory_open(struct directory *d, const char *path) {
        cleanup_(freep) char *absolute = NULL;
        cleanup_(closep) int fd = -1, lock_fd = -1;

        errno = 0;
        absolute = realpath(path, NULL);
        if (!absolute)
                return last_error();
        fd = open(absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return last_error();
        lock_fd = openat(fd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (lock_fd < 0)
                return last_error();
        if (flock(lock_fd, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK ? -EBUSY : last_error();
        *d = (struct directory){.path = take_ptr(absolute), .fd = take_fd(&fd), .lock_fd = take_fd(&lock_fd)};
        return 0;
}

void directory_close(struct directory *d) {
        free(d->path);
        closep(&d->fd);
        closep(&d->lock_fd);
        *d = (struct directory){.fd = -1, .lock_fd = -1};
}

void directory_segment_name(char name[SEGMENT_NAME_BYTES], uint32_t number, bool aside) {
        (void) snprintf(name, SEGMENT_NAME_BYTES, PREFIX "%08u%s", number, aside ? SUFFIX_ASIDE : SUFFIX);
}

uint32_t directory_segment_number(const char *name) {
        uint64_t number = 0;
        const char *p;
        char own[SEGMENT_NAME_BYTES];

        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
                return 0;
        for (p = name + strlen(PREFIX); *p >= '0' && *p <= '9'; p++) {
                number = number * 10 + (uint64_t) (*p - '0');
                if (number >= UINT32_MAX)
                        return 0;
        }
        /* Only the one spelling that this program writes, so that two names never mean one segment. */
        directory_segment_name(own, (uint32_t) number, false);
        return strcmp(name, own) == 0 ? (uint32_t) number : 0;
}

static bool looks_like_segment(const char *name) {
        size_t n = strlen(name), n_aside = strlen(SUFFIX_ASIDE);

        if (strncmp(name, PREFIX, strlen(PREFIX)) != 0)
                return false;
        return n < n_aside || strcmp(name + n - n_aside, SUFFIX_ASIDE) != 0;
}

static int compare(const void *a, const void *b) {
        const struct directory_item *x = a, *y = b;

        return x->number < y->number ? -1 : x->number > y->number;
}

static int add(struct directory_item **items, size_t *n, struct directory_item item) {
        struct directory_item *more;

        /* Grows when the count is a power of two. */
        if ((*n & (*n - 1)) == 0) {
                more = reallocarray(*items, *n ? *n * 2 : 1, sizeof **items);
                if (!more)
                        return -ENOMEM;
                *items = more;
        }
        (*items)[(*n)++] = item;
        return 0;
}

int directory_list(const struct directory *d,
                   struct directory_item **ret,
                   size_t *ret_n,
                   void (*strange)(void *userdata, const char *name),
                   void *userdata) {
        cleanup_(freep) struct directory_item *items = NULL;
        cleanup_(closedirp) DIR *dir = NULL;
        cleanup_(closep) int fd = -1;
        size_t n = 0;
        int r;

        fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return last_error();
        dir = fdopendir(fd);
        if (!dir)
                return last_error();
        (void) take_fd(&fd);
        for (;;) {
                struct dirent *e;
                struct stat st;
                uint32_t number;

                errno = 0;
                e = readdir(dir);
                if (!e)
                        break;
                number = directory_segment_number(e->d_name);
                if (number > 0 && fstatat(d->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        return last_error();
                if (number > 0 && S_ISREG(st.st_mode)) {
                        r = add(&items, &n, (struct directory_item){.number = number, .bytes = (uint64_t) st.st_size});
                        if (r < 0)
                                return r;
                } else if (strange && looks_like_segment(e->d_name))
                        strange(userdata, e->d_name);
        }
        if (errno > 0)
                return last_error();
        if (n > 0)
                qsort(items, n, sizeof *items, compare);
        *ret = take_ptr(items);
        *ret_n = n;
        return 0;
}

int directory_sync(const struct directory *d) {
        errno = 0;
        return fsync(d->fd) < 0 ? last_error() : 0;
}
