/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/daemon.h"
#include "tests/support/tmpdir.h"

/* Generous: sanitizers and valgrind are slow, and a hang is all that it is to catch. */
#define WAIT_MS       (120 * 1000)
#define ARGUMENTS_MAX 32

struct test_daemon {
        char *directory;
        char *socket;
        char *state;
        char *log;
        char *notify;
        pid_t pid; /* 0: does not run */
        int pidfd;
};

static void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
}

int test_daemon_new(struct test_daemon **ret) {
        struct test_daemon *d = calloc(1, sizeof *d);
        int r;

        if (!d)
                return -ENOMEM;
        d->pidfd = -1;

        r = tmpdir_new(&d->directory);
        if (r < 0) {
                test_daemon_free(d);
                return r;
        }
        d->socket = tmpdir_path(d->directory, "bus");
        d->state = tmpdir_path(d->directory, "state");
        d->log = tmpdir_path(d->directory, "log");
        d->notify = tmpdir_path(d->directory, "notify");
        if (!d->socket || !d->state || !d->log || !d->notify) {
                test_daemon_free(d);
                return -ENOMEM;
        }
        if (mkdir(d->state, 0700) < 0) {
                r = -errno;
                test_daemon_free(d);
                return r;
        }

        *ret = d;
        return 0;
}

struct test_daemon *test_daemon_free(struct test_daemon *d) {
        if (!d)
                return NULL;

        if (d->pid > 0) {
                fprintf(stderr, "lodged still runs: the test did not come to its end.\n");
                test_daemon_print_log(d);
                (void) test_daemon_kill(d);
        }
        tmpdir_remove(d->directory);
        free(d->socket);
        free(d->state);
        free(d->log);
        free(d->notify);
        free(d);
        return NULL;
}

void test_daemon_freep(struct test_daemon **d) {
        *d = test_daemon_free(*d);
}

/* The socket that the daemon says READY=1 to. */
static int notify_open(const struct test_daemon *d) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd;

        if (strlen(d->notify) >= sizeof address.sun_path)
                return -ENAMETOOLONG;
        memcpy(address.sun_path, d->notify, strlen(d->notify) + 1);

        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        (void) unlink(d->notify);
        if (bind(fd, (struct sockaddr *) &address, sizeof address) < 0) {
                int r = -errno;

                (void) close(fd);
                return r;
        }
        return fd;
}

/* In the child: nothing of the test's own surroundings may reach the daemon but the notify socket. */
static void child_environment(const struct test_daemon *d) {
        static const char *const unwanted[] = {
                "LISTEN_FDS",   "LISTEN_PID",        "LISTEN_FDNAMES",  "WATCHDOG_USEC",  "WATCHDOG_PID",
                "LODGE_SOCKET", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "JOURNAL_STREAM", "CONFIGURATION_DIRECTORY"};

        for (size_t i = 0; i < sizeof unwanted / sizeof unwanted[0]; i++)
                (void) unsetenv(unwanted[i]);
        (void) setenv("NOTIFY_SOCKET", d->notify, 1);
}

static void child_run(const struct test_daemon *d, const char *program, char *const *arguments, pid_t parent) {
        sigset_t none;
        int log;

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(125); /* the test was gone before the line above */

        sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        (void) signal(SIGPIPE, SIG_DFL);
        child_environment(d);

        log = open(d->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log < 0 || dup2(log, STDOUT_FILENO) < 0 || dup2(log, STDERR_FILENO) < 0)
                _exit(126);
        (void) close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
        execv(program, arguments);
        dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
        _exit(127);
}

/* Waits for READY=1, or for the daemon's end. */
static int await_ready(struct test_daemon *d, int notify) {
        for (;;) {
                struct pollfd fds[2] = {{.fd = notify, .events = POLLIN}, {.fd = d->pidfd, .events = POLLIN}};
                char text[4096];
                ssize_t n;
                int r = poll(fds, 2, WAIT_MS);

                if (r < 0 && errno == EINTR)
                        continue;
                if (r < 0)
                        return -errno;
                if (r == 0)
                        return -ETIMEDOUT;
                if (!(fds[0].revents & POLLIN))
                        return -ECANCELED;

                n = recv(notify, text, sizeof text - 1, MSG_DONTWAIT);
                if (n < 0)
                        continue;
                text[n] = 0;
                if (strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1"))
                        return 0;
        }
}

/* Waits for its end and forgets the process. */
static int reap(struct test_daemon *d, int timeout_ms) {
        struct pollfd p = {.fd = d->pidfd, .events = POLLIN};
        int status, r;

        do
                r = d->pidfd < 0 ? 1 : poll(&p, 1, timeout_ms);
        while (r < 0 && errno == EINTR);
        if (r < 0)
                return -errno;
        if (r == 0)
                return -ETIMEDOUT;

        while (waitpid(d->pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (d->pidfd >= 0)
                (void) close(d->pidfd);
        d->pidfd = -1;
        d->pid = 0;
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int test_daemon_start_with(struct test_daemon *d, const char *const *arguments) {
        __attribute__((cleanup(closep))) int notify = -1;
        const char *program = getenv("LODGED") ?: "build/lodged";
        char *argv[ARGUMENTS_MAX], socket_argument[256], state_argument[256];
        pid_t parent = getpid();
        size_t n = 0;
        int r;

        if (d->pid > 0)
                return -EBUSY;

        snprintf(socket_argument, sizeof socket_argument, "--socket=%s", d->socket);
        snprintf(state_argument, sizeof state_argument, "--state=%s", d->state);
        argv[n++] = (char *) program;
        argv[n++] = (char *) "--user";
        argv[n++] = socket_argument;
        argv[n++] = state_argument;
        for (; arguments && *arguments; arguments++) {
                if (n + 1 >= ARGUMENTS_MAX)
                        return -E2BIG;
                argv[n++] = (char *) *arguments;
        }
        argv[n] = NULL;

        notify = notify_open(d);
        if (notify < 0)
                return notify;

        d->pid = fork();
        if (d->pid < 0) {
                d->pid = 0;
                return -errno;
        }
        if (d->pid == 0)
                child_run(d, program, argv, parent);

        d->pidfd = pidfd_open(d->pid, 0);
        r = d->pidfd < 0 ? -errno : await_ready(d, notify);
        if (r < 0) {
                fprintf(stderr, "lodged did not become ready: %s\n", strerror(-r));
                test_daemon_print_log(d);
                (void) kill(d->pid, SIGKILL);
                (void) reap(d, WAIT_MS);
                return r;
        }
        return 0;
}

int test_daemon_start(struct test_daemon *d) {
        return test_daemon_start_with(d, NULL);
}

int test_daemon_launch(struct test_daemon **ret) {
        struct test_daemon *d;
        int r = test_daemon_new(&d);

        if (r < 0)
                return r;
        r = test_daemon_start(d);
        if (r < 0) {
                test_daemon_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

int test_daemon_stop(struct test_daemon *d) {
        int r;

        if (d->pid <= 0)
                return -ESRCH;
        if (kill(d->pid, SIGTERM) < 0)
                return -errno;
        r = reap(d, WAIT_MS);
        if (r != 0) {
                fprintf(stderr, "lodged did not stop well: %s%i\n", r < 0 ? "error " : "status ", r);
                test_daemon_print_log(d);
        }
        return r;
}

int test_daemon_kill(struct test_daemon *d) {
        int r;

        if (d->pid <= 0)
                return -ESRCH;
        (void) kill(d->pid, SIGKILL);
        r = reap(d, WAIT_MS);
        if (r < 0 || r == 128 + SIGKILL)
                return r < 0 ? r : 0;

        fprintf(stderr, "lodged had ended before it was killed: status %i\n", r);
        test_daemon_print_log(d);
        return -ECANCELED;
}

int test_daemon_wait(struct test_daemon *d) {
        return d->pid > 0 ? reap(d, WAIT_MS) : -ESRCH;
}

bool test_daemon_running(struct test_daemon *d) {
        struct pollfd p = {.fd = d->pidfd, .events = POLLIN};

        return d->pid > 0 && poll(&p, 1, 0) == 0;
}

pid_t test_daemon_pid(const struct test_daemon *d) {
        return d->pid;
}

const char *test_daemon_directory(const struct test_daemon *d) {
        return d->directory;
}

const char *test_daemon_socket(const struct test_daemon *d) {
        return d->socket;
}

const char *test_daemon_state(const struct test_daemon *d) {
        return d->state;
}

const char *test_daemon_log(const struct test_daemon *d) {
        return d->log;
}

void test_daemon_print_log(const struct test_daemon *d) {
        FILE *f = fopen(d->log, "re");
        char line[4096];

        fprintf(stderr, "---- log of lodged (%s)\n", d->log);
        while (f && fgets(line, sizeof line, f))
                fputs(line, stderr);
        fprintf(stderr, "---- end of the log\n");
        if (f)
                (void) fclose(f);
}

bool test_daemon_log_contains(const struct test_daemon *d, const char *text) {
        FILE *f = fopen(d->log, "re");
        char line[4096];
        bool found = false;

        while (f && !found && fgets(line, sizeof line, f))
                found = strstr(line, text);
        if (f)
                (void) fclose(f);
        return found;
}
