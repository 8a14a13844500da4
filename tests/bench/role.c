/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/measure.h"
#include "tests/bench/role.h"

#define WAIT_MS (60 * 1000)

struct crew {
        size_t n;
        struct role *roles; /* shared memory */
        pid_t pids[ROLES_MAX];
        int ready[2], go[2];
};

int role_ready(struct role *self) {
        char byte = 0;
        ssize_t n;

        if (write(self->ready_fd, &byte, 1) != 1)
                return -EPIPE;
        do
                n = read(self->go_fd, &byte, 1); /* ends when the other side closes */
        while (n < 0 && errno == EINTR);
        self->start_ns = now_ns();
        return 0;
}

void stamp_put(void *body, bool last) {
        struct stamp stamp = {.sent_ns = now_ns(), .last = last};

        memcpy(body, &stamp, sizeof stamp);
}

struct stamp stamp_get(const void *body) {
        struct stamp stamp;

        memcpy(&stamp, body, sizeof stamp);
        return stamp;
}

static void
child_run(struct crew *crew, size_t i, role_function function, const struct load *load, const char *address) {
        struct role *self = &crew->roles[i];

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void) prctl(PR_SET_TIMERSLACK, 1000ul);
        (void) close(crew->ready[0]);
        (void) close(crew->go[1]);
        self->ready_fd = crew->ready[1];
        self->go_fd = crew->go[0];
        self->error = function(self, load, address);
        if (self->end_ns == 0)
                self->end_ns = now_ns();
        _exit(self->error < 0 ? 1 : 0);
}

static int crew_start(struct crew *crew, const role_function *functions, const struct load *load, const char *address) {
        if (pipe2(crew->ready, O_CLOEXEC) < 0)
                return -errno;
        if (pipe2(crew->go, O_CLOEXEC) < 0)
                return -errno;
        for (size_t i = 0; i < crew->n; i++) {
                crew->pids[i] = fork();
                if (crew->pids[i] < 0)
                        return -errno;
                if (crew->pids[i] == 0)
                        child_run(crew, i, functions[i], load, address);
        }
        (void) close(crew->ready[1]);
        (void) close(crew->go[0]);
        crew->ready[1] = crew->go[0] = -1;
        return 0;
}

static int crew_await_ready(struct crew *crew) {
        for (size_t ready = 0; ready < crew->n;) {
                struct pollfd p = {.fd = crew->ready[0], .events = POLLIN};
                char bytes[ROLES_MAX];
                ssize_t n;
                int r = poll(&p, 1, WAIT_MS);

                if (r == 0)
                        return -ETIMEDOUT;
                n = r > 0 ? read(crew->ready[0], bytes, sizeof bytes) : -1;
                if (n == 0)
                        return 0; /* all have ended; their errors say why */
                if (n > 0)
                        ready += (size_t) n;
        }
        return 0;
}

/* Waits for each client's end, and kills those that do not come to it. */
static int crew_reap(struct crew *crew, bool at_once) {
        int result = 0;

        for (size_t i = 0; i < crew->n; i++) {
                struct pollfd p = {.events = POLLIN};
                int status;

                if (crew->pids[i] <= 0)
                        continue;
                p.fd = pidfd_open(crew->pids[i], 0);
                if (at_once || (p.fd >= 0 && poll(&p, 1, WAIT_MS) == 0)) {
                        (void) kill(crew->pids[i], SIGKILL);
                        result = result < 0 ? result : -ETIMEDOUT;
                }
                (void) waitpid(crew->pids[i], &status, 0);
                if (p.fd >= 0)
                        (void) close(p.fd);
                if (result == 0 && status != 0) {
                        result = crew->roles[i].error < 0 ? crew->roles[i].error : -ECANCELED;
                        at_once = true;
                }
        }
        return result;
}

static void crew_sum(const struct crew *crew, size_t first_counted, struct crew_result *ret) {
        uint64_t start = UINT64_MAX, end = 0;

        memset(ret, 0, sizeof *ret);
        for (size_t i = 0; i < crew->n; i++) {
                const struct role *role = &crew->roles[i];

                start = role->start_ns < start ? role->start_ns : start;
                end = role->end_ns > end ? role->end_ns : end;
                ret->counts[i] = role->count;
                if (i < first_counted)
                        continue;
                ret->count += role->count;
                histogram_merge(&ret->latency, &role->latency);
        }
        ret->seconds = (double) (end - start) / 1e9;
}

int crew_run(const role_function *functions,
             size_t n,
             size_t first_counted,
             const struct load *load,
             const char *address,
             pid_t pid,
             bool count_calls,
             struct crew_result *ret) {
        struct crew crew = {.n = n, .ready = {-1, -1}, .go = {-1, -1}};
        struct call_counter *calls = NULL;
        uint64_t cpu = 0;
        int r, reaped;

        crew.roles = mmap(NULL, n * sizeof *crew.roles, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (crew.roles == MAP_FAILED)
                return -errno;

        r = crew_start(&crew, functions, load, address);
        if (r >= 0)
                r = crew_await_ready(&crew);
        if (r >= 0) {
                if (count_calls && pid > 0)
                        (void) call_counter_new(&calls, pid);
                cpu = cpu_ns(pid);
        }
        for (int i = 0; i < 2; i++) {
                if (crew.go[i] >= 0)
                        (void) close(crew.go[i]);
                if (crew.ready[i] >= 0 && r < 0)
                        (void) close(crew.ready[i]);
        }
        reaped = crew_reap(&crew, r < 0);
        if (r >= 0) {
                (void) close(crew.ready[0]);
                r = reaped;
        }
        if (r >= 0) {
                crew_sum(&crew, first_counted, ret);
                ret->cpu_ns = cpu_ns(pid) - cpu;
                ret->calls = call_counter_end(calls);
                calls = NULL;
        }
        (void) call_counter_end(calls);
        (void) munmap(crew.roles, n * sizeof *crew.roles);
        return r;
}
