/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/listen.h"
#include "daemon/log.h"
#include "daemon/server.h"

#define EVENTS_PER_ROUND  64
#define ACCEPTS_PER_ROUND 64
/* What nobody waits for (acks without an answer) is on disk after so long at the latest. */
#define LAZY_COMMIT_US 20000u
/* The pace of compaction when there is nothing else to commit. */
#define COMPACT_US 2000u
/* How often a full disk is looked at again. */
#define RETRY_US (1000u * 1000u)
/* How long clients may take to read the last answers at the end. */
#define FAREWELL_MS 2000
#define STATUS_US   (10u * 1000000u)

/*
 * All clients hang in one epoll of their own, which is one source of the loop: so a round takes many of them with
 * two system calls, and ends with one look at what is to be committed.
 */
struct server {
        struct bus *bus;
        sd_event *event;
        sd_event_source *listening, *clients, *lazy, *retry, *store, *status;
        int listen_fd, epoll_fd;
        bool own_socket;
        bool lazy_armed, retry_armed;
        int error; /* of the store: the end */
};

/* ---- sessions ---- */

static void drop(struct server *server, struct session *s) {
        session_free(s); /* closing its descriptor takes it out of the epoll */
        /* There is a descriptor again for who waits at the door. */
        (void) sd_event_source_set_enabled(server->listening, SD_EVENT_ON);
}

static void update_polling(struct server *server, struct session *s) {
        struct epoll_event event = {.events = session_events(s), .data.ptr = s};

        if (event.events == session_polled(s))
                return;
        if (epoll_ctl(server->epoll_fd, EPOLL_CTL_MOD, session_fd(s), &event) == 0)
                session_set_polled(s, event.events);
}

/* Writes all output, and hands out what that made room for, until nothing moves. */
static void flush_all(struct server *server) {
        struct session_host *host = &server->bus->host;
        struct session *s;

        core_pump(server->bus->core);
        while ((s = TAILQ_FIRST(&host->to_flush))) {
                if (session_flush(s) < 0)
                        drop(server, s);
                else
                        update_polling(server, s);
                core_pump(server->bus->core);
        }
}

/* ---- commits ---- */

static int fail(struct server *server, int error) {
        server->error = error;
        return sd_event_exit(server->event, 0);
}

static int arm_lazy(struct server *server) {
        bool compact = core_pending(server->bus->core) == CORE_PENDING_NOTHING;

        if (server->lazy_armed)
                return 0;
        server->lazy_armed = true;
        (void) sd_event_source_set_time_relative(server->lazy, compact ? COMPACT_US : LAZY_COMMIT_US);
        return sd_event_source_set_enabled(server->lazy, SD_EVENT_ONESHOT);
}

/* While the disk is full it is looked at every now and then. */
static int arm_retry(struct server *server) {
        if (server->retry_armed || !server->bus->short_of_disk)
                return 0;
        server->retry_armed = true;
        (void) sd_event_source_set_time_relative(server->retry, RETRY_US);
        return sd_event_source_set_enabled(server->retry, SD_EVENT_ONESHOT);
}

/* Whether to commit now: 1, or later (0), or that there is nothing to do (-1). */
static int when_to_commit(const struct bus *bus, bool lazy_too) {
        if (bus->is_running || bus->postponed)
                return -1;
        if (core_pending(bus->core) == CORE_PENDING_URGENT || commit_is_behind(bus))
                return 1;
        if (core_pending(bus->core) == CORE_PENDING_NOTHING && (!compact_wanted(bus) || bus->short_of_disk))
                return -1;
        return lazy_too;
}

/* Commits what is pending, again while that is done in place and brings more. */
static int commit_pending(struct server *server, bool lazy_too) {
        struct bus *bus = server->bus;
        int when, r;

        while ((when = when_to_commit(bus, lazy_too)) > 0) {
                r = commit_begin(bus);
                if (r < 0)
                        return fail(server, r);
                flush_all(server);
                lazy_too = false;
        }
        if (when == 0)
                (void) arm_lazy(server);
        (void) arm_retry(server);
        /* Far behind: clients wait until the disk has caught up. */
        return sd_event_source_set_enabled(server->clients, (bus->is_running || bus->postponed) && commit_is_behind(bus)
                                                                    ? SD_EVENT_OFF
                                                                    : SD_EVENT_ON);
}

static int end_round(struct server *server) {
        flush_all(server);
        return commit_pending(server, false);
}

static int on_store(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct server *server = userdata;
        int r;

        (void) source;
        (void) fd;
        (void) revents;
        bus_tick(server->bus);
        r = commit_poll(server->bus);
        if (r < 0)
                return fail(server, r);
        return end_round(server);
}

static int on_lazy(sd_event_source *source, uint64_t usec, void *userdata) {
        struct server *server = userdata;

        (void) source;
        (void) usec;
        server->lazy_armed = false;
        bus_tick(server->bus);
        return commit_pending(server, true);
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        struct server *server = userdata;
        int r;

        (void) source;
        (void) usec;
        server->retry_armed = false;
        bus_tick(server->bus);
        r = commit_retry(server->bus);
        if (r < 0)
                return fail(server, r);
        return end_round(server);
}

/* ---- clients ---- */

static void serve(struct server *server, struct session *s, uint32_t events) {
        int r = 0;

        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                r = session_read(s);
        if (r >= 0 && (events & EPOLLOUT))
                r = session_flush(s);
        if (r < 0)
                drop(server, s);
        else
                update_polling(server, s);
        core_pump(server->bus->core);
}

static int on_clients(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct server *server = userdata;
        struct epoll_event events[EVENTS_PER_ROUND];
        int n;

        (void) source;
        (void) revents;
        n = epoll_wait(fd, events, EVENTS_PER_ROUND, 0);
        bus_tick(server->bus);
        /* A session that is dropped takes no other with it: each is in `events` once. */
        for (int i = 0; i < n && !commit_is_behind(server->bus); i++)
                serve(server, events[i].data.ptr, events[i].events);
        return end_round(server);
}

static int add_client(struct server *server, int fd) {
        struct epoll_event event = {0};
        struct session *s;
        int r;

        r = session_new(&server->bus->host, fd, &s);
        if (r < 0)
                return r;
        event.events = session_events(s);
        event.data.ptr = s;
        if (epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
                r = -errno;
                session_free(s);
                return r;
        }
        session_set_polled(s, event.events);
        return 0;
}

static void accept_failed(struct server *server, int error) {
        if (error == EAGAIN || error == EINTR || error == ECONNABORTED)
                return;
        log_event(LOG_WARNING, LOG_ID_ACCEPT_FAILED, NULL, "cannot accept a connection: %s", strerror(error));
        /* Out of descriptors or memory: the next one that leaves opens the door again. */
        if (server->bus->host.n_sessions > 0)
                (void) sd_event_source_set_enabled(server->listening, SD_EVENT_OFF);
}

static int on_listen(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        struct server *server = userdata;

        (void) source;
        (void) revents;
        bus_tick(server->bus);
        for (int i = 0; i < ACCEPTS_PER_ROUND; i++) {
                int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), r;

                if (client < 0) {
                        accept_failed(server, errno);
                        break;
                }
                r = add_client(server, client);
                if (r < 0)
                        log_line(LOG_WARNING, "cannot serve a connection: %s", strerror(-r));
        }
        return end_round(server);
}

/* ---- beginning and end ---- */

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct server *server = userdata;

        (void) source;
        if (info->ssi_signo == SIGHUP)
                return 0; /* the configuration in use needs no reading again */
        return sd_event_exit(server->event, 0);
}

static int on_status(sd_event_source *source, uint64_t usec, void *userdata) {
        struct server *server = userdata;
        struct core_counters core;

        (void) usec;
        core_counters(server->bus->core, &core);
        (void) sd_notifyf(false, "STATUS=%" PRIu64 " messages in %" PRIu64 " queues, %" PRIu64 " clients",
                          core.messages, core.queues, server->bus->host.n_sessions);
        (void) sd_event_source_set_time_relative(source, STATUS_US);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int add_signals(struct server *server) {
        static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
        sigset_t mask;
        int r;

        sigemptyset(&mask);
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
                sigaddset(&mask, signals[i]);
        if (sigprocmask(SIG_BLOCK, &mask, NULL) < 0)
                return -errno;
        for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
                r = sd_event_add_signal(server->event, NULL, signals[i], on_signal, server);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int setup(struct server *server, const struct config *config) {
        int r;

        r = sd_event_new(&server->event);
        if (r >= 0)
                r = add_signals(server);
        if (r < 0)
                return r;
        server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (server->epoll_fd < 0)
                return -errno;
        server->listen_fd = listen_open(config->socket, config->system, &server->own_socket);
        if (server->listen_fd < 0)
                return server->listen_fd;
        r = sd_event_add_io(server->event, &server->clients, server->epoll_fd, EPOLLIN, on_clients, server);
        if (r >= 0)
                r = sd_event_add_io(server->event, &server->listening, server->listen_fd, EPOLLIN, on_listen, server);
        if (r >= 0)
                r = sd_event_add_io(server->event, &server->store, store_fd(server->bus->store), EPOLLIN, on_store,
                                    server);
        if (r >= 0)
                r = sd_event_add_time_relative(server->event, &server->lazy, CLOCK_MONOTONIC, UINT64_MAX / 2,
                                               COMPACT_US / 2, on_lazy, server);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->lazy, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_add_time_relative(server->event, &server->retry, CLOCK_MONOTONIC, UINT64_MAX / 2,
                                               RETRY_US / 4, on_retry, server);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->retry, SD_EVENT_OFF);
        if (r >= 0 && getenv("NOTIFY_SOCKET"))
                r = sd_event_add_time_relative(server->event, &server->status, CLOCK_MONOTONIC, 0, STATUS_US, on_status,
                                               server);
        /* The store's report goes first: answers before new questions. */
        if (r >= 0)
                r = sd_event_source_set_priority(server->store, SD_EVENT_PRIORITY_IMPORTANT);
        if (r >= 0)
                r = sd_event_set_watchdog(server->event, true);
        return r;
}

/* Lets clients read their last answers, within bounds. */
static void flush_farewells(struct server *server) {
        struct session_host *host = &server->bus->host;
        struct session *s, *next;

        for (s = TAILQ_FIRST(&host->sessions); s; s = next) {
                struct pollfd pfd = {.fd = session_fd(s), .events = POLLOUT};

                next = session_next(s);
                session_goodbye(s);
                while (session_flush(s) >= 0 && poll(&pfd, 1, FAREWELL_MS) > 0 && !(pfd.revents & (POLLERR | POLLHUP)))
                        ;
                session_free(s);
        }
}

/* Everything accepted goes to the disk; its senders are answered; then everybody is told. */
static int finish(struct server *server) {
        int r;

        (void) sd_notify(false, "STOPPING=1\nSTATUS=Writing what is left");
        if (server->error < 0)
                return server->error;
        bus_tick(server->bus);
        r = commit_all(server->bus);
        if (r == 0) {
                flush_farewells(server);
                r = commit_all(server->bus); /* what went back to its queues when the sessions ended */
        }
        return r;
}

static void server_done(struct server *server, const struct config *config) {
        sd_event_source_unref(server->listening);
        sd_event_source_unref(server->clients);
        sd_event_source_unref(server->lazy);
        sd_event_source_unref(server->retry);
        sd_event_source_unref(server->store);
        sd_event_source_unref(server->status);
        sd_event_unref(server->event);
        if (server->listen_fd >= 0)
                close(server->listen_fd);
        if (server->epoll_fd >= 0)
                close(server->epoll_fd);
        if (server->own_socket)
                (void) unlink(config->socket);
}

int server_run(struct bus *bus, const struct config *config) {
        struct server server = {.bus = bus, .listen_fd = -1, .epoll_fd = -1};
        int r;

        r = setup(&server, config);
        if (r >= 0) {
                log_event(LOG_INFO, LOG_ID_STARTED, NULL, "serving at %s",
                          server.own_socket ? config->socket : "systemd's socket");
                (void) sd_notify(false, "READY=1");
                r = sd_event_loop(server.event);
                if (r >= 0)
                        r = finish(&server);
        } else
                log_line(LOG_ERR, "cannot start: %s", strerror(-r));
        server_done(&server, config);
        return r;
}
