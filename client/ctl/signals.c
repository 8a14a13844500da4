/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/ctl/signals.h"

/* A handler has no other way to hand anything to the program. */
static volatile sig_atomic_t signal_seen;

static const int ending[] = {SIGINT, SIGTERM, SIGHUP};
#define N_ENDING (sizeof(ending) / sizeof(ending[0]))

static void on_signal(int number) {
        signal_seen = number;
}

void signals_catch(signals *s) {
        sigset_t set;

        sigemptyset(&set);
        signal_seen = 0;
        for (size_t i = 0; i < N_ENDING; i++)
                sigaddset(&set, ending[i]);
        sigprocmask(SIG_BLOCK, &set, &s->before);
        for (size_t i = 0; i < N_ENDING; i++) {
                struct sigaction now = {.sa_handler = on_signal}, was; /* no SA_RESTART: waits are to end */

                /* Whoever started the program with a signal ignored (nohup) wants it so. */
                if (sigaction(ending[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
                        sigaction(ending[i], &now, NULL);
        }
        s->caught = true;
}

void signals_release(signals *s) {
        if (!s->caught)
                return;
        for (size_t i = 0; i < N_ENDING; i++) {
                struct sigaction plain = {.sa_handler = SIG_DFL}, was;

                if (sigaction(ending[i], NULL, &was) == 0 && was.sa_handler == on_signal)
                        sigaction(ending[i], &plain, NULL);
        }
        sigprocmask(SIG_SETMASK, &s->before, NULL);
        s->caught = false;
}

int signals_which(const signals *s) {
        sigset_t pending;

        if (!s->caught || signal_seen)
                return signal_seen;
        sigpending(&pending);
        for (size_t i = 0; i < N_ENDING; i++)
                if (sigismember(&pending, ending[i]) && !sigismember(&s->before, ending[i])) {
                        sigsuspend(&s->before); /* does not wait, as there is one */
                        break;
                }
        return signal_seen;
}

void signals_forget(void) {
        signal_seen = 0;
}

int signals_poll(const signals *s, struct pollfd *fds, size_t n_fds, uint64_t timeout_us) {
        struct timespec timeout = {
                .tv_sec = (time_t) (timeout_us / 1000000),
                .tv_nsec = (long) (timeout_us % 1000000) * 1000,
        };
        int r;

        /* As long as descriptors are ready, ppoll() itself lets no signal in. */
        if (signals_which(s))
                return -EINTR;
        r = ppoll(fds, n_fds, timeout_us == UINT64_MAX ? NULL : &timeout, s->caught ? &s->before : NULL);
        if (r >= 0)
                return r;
        /* Being stopped and continued is no reason to end. */
        if (errno == EINTR && !(s->caught && signal_seen))
                return 0;
        return -errno;
}

ssize_t signals_write(const signals *s, int fd, const void *data, size_t size) {
        sigset_t blocked;
        ssize_t n;
        int error;

        if (!s->caught)
                n = write(fd, data, size), error = errno;
        else {
                sigprocmask(SIG_SETMASK, &s->before, &blocked);
                n = signal_seen ? -1 : write(fd, data, size);
                error = signal_seen && n < 0 ? EINTR : errno;
                sigprocmask(SIG_SETMASK, &blocked, NULL);
        }
        return n < 0 ? -error : n;
}

void signals_child(const signals *s) {
        struct sigaction plain = {.sa_handler = SIG_DFL};

        /* exec itself turns handlers into the default and keeps what is ignored. */
        sigaction(SIGPIPE, &plain, NULL);
        if (s->caught)
                sigprocmask(SIG_SETMASK, &s->before, NULL);
}
