/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/lodge.h"
#include "tests/bench/append.h"
#include "tests/bench/relay.h"
#include "tests/bench/service.h"
#include "tests/support/daemon.h"
#include "tests/support/tmpdir.h"

#define RELAY_LISTENER_FD 3

struct service {
        enum engine engine;
        struct test_daemon *daemon;
        pid_t relay;
        char *socket;
        char *log;
        int directory_fd;
};

const char *engine_name(enum engine engine) {
        static const char *const names[] = {"lodge", "relay", "plain", "append"};

        return names[engine];
}

/* A file of zeros is made once for each engine, and is as good when used again: its blocks are there. */
static int prepare_log(const char *path) {
        int fd;

        if (access(path, F_OK) == 0)
                return 0;
        fd = append_create(path, SERVICE_LOG_BYTES);
        if (fd < 0)
                return fd;
        (void) close(fd);
        return 0;
}

static int listen_on(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        strncpy(address.sun_path, path, sizeof address.sun_path - 1);
        (void) unlink(path);
        if (fd >= 0 && bind(fd, (struct sockaddr *) &address, sizeof address) >= 0 && listen(fd, 64) >= 0)
                return fd;
        if (fd >= 0)
                (void) close(fd);
        return -errno;
}

/* The relay runs as a program of its own, so that its memory and time are its own too. */
static int relay_start(struct service *s, bool early) {
        int listener = listen_on(s->socket);

        if (listener < 0)
                return listener;
        s->relay = fork();
        if (s->relay < 0) {
                (void) close(listener);
                return -errno;
        }
        if (s->relay == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (listener == RELAY_LISTENER_FD)
                        (void) fcntl(listener, F_SETFD, 0);
                else if (dup2(listener, RELAY_LISTENER_FD) < 0)
                        _exit(126);
                (void) execl("/proc/self/exe", "bench", SERVICE_RELAY_ARGUMENT, s->log, early ? "early" : "synced",
                             NULL);
                _exit(127);
        }
        (void) close(listener);
        return 0;
}

int service_relay_main(int argc, char **argv) {
        int log = argc == 2 ? open(argv[0], O_RDWR | O_CLOEXEC) : -1;

        if (log < 0)
                return 1;
        return relay_serve(RELAY_LISTENER_FD, log, SERVICE_LOG_BYTES, strcmp(argv[1], "early") == 0) < 0 ? 1 : 0;
}

static int lodge_start(struct service *s) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        int r;

        r = test_daemon_launch(&s->daemon);
        if (r >= 0)
                r = lodge_open_socket(&bus, test_daemon_socket(s->daemon));
        return r < 0 ? r : lodge_declare(bus, SERVICE_QUEUE, NULL, NULL, 0);
}

int service_start(struct service **ret, enum engine engine, const char *directory, bool early) {
        struct service *s = calloc(1, sizeof *s);
        int r;

        if (!s)
                return -ENOMEM;
        s->engine = engine;
        s->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        s->socket = tmpdir_path(directory, "relay");
        s->log = tmpdir_path(directory, engine == ENGINE_APPEND ? "append.log" : "relay.log");
        r = s->directory_fd < 0 ? -errno : s->socket && s->log ? 0 : -ENOMEM;
        if (r >= 0 && engine != ENGINE_LODGE)
                r = prepare_log(s->log);
        if (r >= 0 && engine == ENGINE_LODGE)
                r = lodge_start(s);
        if (r >= 0 && (engine == ENGINE_RELAY || engine == ENGINE_PLAIN))
                r = relay_start(s, early);
        if (r < 0) {
                (void) service_stop(s);
                return r;
        }

        /* What the one before left behind for the disk to do shall not be this one's burden. */
        (void) syncfs(s->directory_fd);
        *ret = s;
        return 0;
}

int service_stop(struct service *s) {
        int r = 0;

        if (!s)
                return 0;
        if (s->daemon) {
                r = test_daemon_stop(s->daemon);
                r = r > 0 ? -EIO : r;
                test_daemon_free(s->daemon);
        }
        if (s->relay > 0) {
                (void) kill(s->relay, SIGKILL);
                (void) waitpid(s->relay, NULL, 0);
        }
        if (s->directory_fd >= 0) {
                (void) syncfs(s->directory_fd);
                (void) close(s->directory_fd);
        }
        free(s->socket);
        free(s->log);
        free(s);
        return r;
}

pid_t service_pid(const struct service *s) {
        return s->daemon ? test_daemon_pid(s->daemon) : s->relay;
}

const char *service_address(const struct service *s) {
        return s->daemon ? test_daemon_socket(s->daemon) : s->engine == ENGINE_APPEND ? s->log : s->socket;
}

struct commits {
        uint64_t commits, syncs;
};

static void take_commits(const lodge_item *item, void *userdata) {
        struct commits *c = userdata;
        lodge_attribute a;

        if (lodge_item_get(item, "commits", &a) > 0)
                c->commits = a.number;
        if (lodge_item_get(item, "syncs", &a) > 0)
                c->syncs = a.number;
}

int service_commits(const struct service *s, uint64_t *ret_commits, uint64_t *ret_syncs) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        struct commits c = {0};
        int r;

        if (!s->daemon)
                return -EOPNOTSUPP;
        r = lodge_open_socket(&bus, service_address(s));
        if (r >= 0)
                r = lodge_status(bus, NULL, take_commits, &c);
        if (r < 0)
                return r;
        *ret_commits = c.commits;
        *ret_syncs = c.syncs;
        return 0;
}
