/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Scoped release of what a function of the store acquires. */

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define cleanup_(f) __attribute__((cleanup(f)))

static inline void freep(void *p) {
        free(*(void **) p);
}

static inline void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

static inline void closedirp(DIR **d) {
        if (*d)
                (void) closedir(*d);
}

static inline void unlockp(pthread_mutex_t **m) {
        if (*m)
                (void) pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *lock_(pthread_mutex_t *m) {
        (void) pthread_mutex_lock(m);
        return m;
}

/* Holds a mutex until the end of the scope. */
#define hold_(m) cleanup_(unlockp) pthread_mutex_t *held __attribute__((unused)) = lock_(m)

/* Returns: the value of an owned pointer, which the caller takes over. */
#define take_ptr(p)                         \
        __extension__({                     \
                __typeof__(p) taken_ = (p); \
                (p) = NULL;                 \
                taken_;                     \
        })

static inline int take_fd(int *fd) {
        int taken = *fd;

        *fd = -1;
        return taken;
}

/* Returns: the negative errno of a call that just failed, or -EIO when it left none. */
static inline int last_error(void) {
        return errno > 0 ? -errno : -EIO;
}
