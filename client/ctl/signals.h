/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Ending in order when SIGINT, SIGTERM or SIGHUP asks for it. While caught, the signals are let in only where the
 * program waits or asks, so that none is missed between a check and a wait, and one that comes makes the wait end with
 * -EINTR.
 */

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct signals {
        bool caught;     /* between signals_catch() and signals_release() */
        sigset_t before; /* the mask that was, which waits restore */
} signals;

/* Catches them from now on. */
void signals_catch(signals *s);
/* Lets them end the program again, as before. Waiting functions work before and after too, without catching. */
void signals_release(signals *s);
/* Which signal came since they were caught, or forgotten, or 0. Lets those in that wait. */
int signals_which(const signals *s);
/* Takes notice: only another signal counts from now on. */
void signals_forget(void);

/* poll(2), until `timeout_us` from now at the longest (UINT64_MAX: without end). Returns how many descriptors are
 * ready, 0 after the time, -EINTR when a signal came, or another negative errno. */
int signals_poll(const signals *s, struct pollfd *fds, size_t n_fds, uint64_t timeout_us);
/* write(2) that a signal ends. Returns bytes written, -EINTR, or another negative errno. */
ssize_t signals_write(const signals *s, int fd, const void *data, size_t size);

/* Sets a child's signals as they were when this program was started. To be called in the child, before exec. */
void signals_child(const signals *s);
