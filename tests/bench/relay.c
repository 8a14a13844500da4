/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/bench/relay.h"

#define CLIENTS_MAX       64
#define READ_BYTES        ((size_t) 1 << 20) /* of one client, in one round */
#define BACKLOG_BYTES_MAX ((size_t) 8 << 20) /* for the consumer: above, producers are not read */

struct client {
        int fd;
        char kind; /* 0: has not said it yet */
        bool muted;
        uint8_t *data;
        size_t used;  /* bytes read */
        size_t whole; /* of these, in whole messages */
        uint32_t messages;
};

struct relay {
        int epoll, listener, log;
        size_t log_bytes, log_at;
        bool early;
        struct client clients[CLIENTS_MAX];
        struct client *consumer;
        uint64_t acked;
        /* For the consumer, what it did not take yet. */
        uint8_t *backlog;
        size_t backlog_sent, backlog_used, backlog_allocated; /* backlog[sent .. used] is left */
        bool waits;
};

static int watch(struct relay *relay, int operation, int fd, uint32_t events, void *what) {
        struct epoll_event event = {.events = events, .data.ptr = what};

        return epoll_ctl(relay->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

static void client_close(struct relay *relay, struct client *c) {
        if (relay->consumer == c) {
                relay->consumer = NULL;
                relay->backlog_sent = relay->backlog_used = 0;
                relay->waits = false;
        }
        (void) close(c->fd);
        free(c->data);
        memset(c, 0, sizeof *c);
        c->fd = -1;
}

static int client_accept(struct relay *relay) {
        int fd = accept4(relay->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct client *c = relay->clients;

        if (fd < 0)
                return -errno;
        while (c < relay->clients + CLIENTS_MAX && c->fd >= 0)
                c++;
        if (c == relay->clients + CLIENTS_MAX) {
                (void) close(fd);
                return -EMFILE;
        }
        memset(c, 0, sizeof *c);
        c->fd = fd;
        c->data = malloc(READ_BYTES);
        return c->data ? watch(relay, EPOLL_CTL_ADD, fd, EPOLLIN, c) : -ENOMEM;
}

/* Finds out how much of what was read is whole messages. */
static void client_split(struct client *c) {
        uint32_t size;

        while (c->used - c->whole >= sizeof size) {
                memcpy(&size, c->data + c->whole, sizeof size);
                if (c->used - c->whole - sizeof size < size)
                        break;
                c->whole += sizeof size + size;
                c->messages++;
        }
}

static void client_read(struct relay *relay, struct client *c) {
        while (c->used < READ_BYTES) {
                size_t room = READ_BYTES - c->used;
                ssize_t n = recv(c->fd, c->data + c->used, room, 0);

                if (n < 0 && errno == EAGAIN)
                        break;
                if (n <= 0) {
                        client_close(relay, c);
                        return;
                }
                c->used += (size_t) n;
                if (!c->kind) {
                        c->kind = (char) c->data[0];
                        (void) send(c->fd, c->data, 1, MSG_NOSIGNAL);
                        c->used = 0;
                        if (c->kind == RELAY_CONSUMER)
                                relay->consumer = c;
                } else if (c->kind == RELAY_CONSUMER) {
                        for (size_t i = 0; i + 4 <= c->used; i += 4) {
                                uint32_t acked;

                                memcpy(&acked, c->data + i, sizeof acked);
                                relay->acked += acked;
                        }
                        c->used = 0;
                }
                if ((size_t) n < room)
                        break; /* that was all; if not, epoll tells again */
        }
        client_split(c);
}

static int append(struct relay *relay, const struct iovec *iov, int n, size_t bytes) {
        if (relay->log_at + bytes > relay->log_bytes)
                relay->log_at = 0;
        if (pwritev(relay->log, iov, n, (off_t) relay->log_at) != (ssize_t) bytes)
                return -EIO;
        relay->log_at += bytes;
        return fdatasync(relay->log) < 0 ? -errno : 0;
}

/* Room for that many bytes more. */
static int backlog_reserve(struct relay *relay, size_t bytes) {
        size_t allocated = (relay->backlog_used + bytes) * 2;
        uint8_t *larger;

        if (relay->backlog_sent > relay->backlog_used / 2) {
                relay->backlog_used -= relay->backlog_sent;
                memmove(relay->backlog, relay->backlog + relay->backlog_sent, relay->backlog_used);
                relay->backlog_sent = 0;
        }
        if (relay->backlog_used + bytes <= relay->backlog_allocated)
                return 0;
        larger = realloc(relay->backlog, allocated);
        if (!larger)
                return -ENOMEM;
        relay->backlog = larger;
        relay->backlog_allocated = allocated;
        return 0;
}

/* Keeps what follows after `skip` bytes. */
static int backlog_add(struct relay *relay, const struct iovec *iov, int n, size_t skip, size_t bytes) {
        int r = backlog_reserve(relay, bytes);

        if (r < 0)
                return r;
        for (int i = 0; i < n; i++) {
                size_t passed = skip < iov[i].iov_len ? skip : iov[i].iov_len;

                memcpy(relay->backlog + relay->backlog_used, (uint8_t *) iov[i].iov_base + passed,
                       iov[i].iov_len - passed);
                relay->backlog_used += iov[i].iov_len - passed;
                skip -= passed;
        }
        return 0;
}

/* Keeps the watches in step with the backlog: whether we wait for the consumer, and whether producers are read. */
static void backlog_watch(struct relay *relay) {
        bool waits = relay->backlog_used > 0, muted = relay->backlog_used - relay->backlog_sent > BACKLOG_BYTES_MAX;

        if (waits != relay->waits && relay->consumer)
                (void) watch(relay, EPOLL_CTL_MOD, relay->consumer->fd, EPOLLIN | (waits ? EPOLLOUT : 0),
                             relay->consumer);
        relay->waits = waits;
        for (struct client *c = relay->clients; c < relay->clients + CLIENTS_MAX; c++)
                if (c->fd >= 0 && c->kind == RELAY_PRODUCER && c->muted != muted) {
                        c->muted = muted;
                        (void) watch(relay, EPOLL_CTL_MOD, c->fd, muted ? 0 : EPOLLIN, c);
                }
}

static void backlog_send(struct relay *relay) {
        size_t left = relay->backlog_used - relay->backlog_sent;
        ssize_t n = send(relay->consumer->fd, relay->backlog + relay->backlog_sent, left, MSG_NOSIGNAL);

        if (n > 0)
                relay->backlog_sent += (size_t) n;
        if (relay->backlog_sent == relay->backlog_used)
                relay->backlog_sent = relay->backlog_used = 0;
}

static int forward(struct relay *relay, const struct iovec *iov, int n, size_t bytes) {
        struct msghdr message = {.msg_iov = (struct iovec *) iov, .msg_iovlen = (size_t) n};
        ssize_t sent = 0;

        if (!relay->consumer)
                return 0;
        if (relay->backlog_used == 0)
                sent = sendmsg(relay->consumer->fd, &message, MSG_NOSIGNAL);
        if (sent < 0)
                sent = 0;
        return (size_t) sent < bytes ? backlog_add(relay, iov, n, (size_t) sent, bytes - (size_t) sent) : 0;
}

/* What came in: to the log, to the senders, to the consumer. */
static int turn(struct relay *relay) {
        struct client *senders[CLIENTS_MAX];
        struct iovec iov[CLIENTS_MAX];
        size_t bytes = 0;
        int n = 0, r = 0;

        for (struct client *c = relay->clients; c < relay->clients + CLIENTS_MAX; c++)
                if (c->fd >= 0 && c->messages > 0) {
                        iov[n] = (struct iovec){.iov_base = c->data, .iov_len = c->whole};
                        senders[n++] = c;
                        bytes += c->whole;
                }
        if (n == 0)
                return 0;

        if (relay->early)
                r = forward(relay, iov, n, bytes);
        if (r >= 0)
                r = append(relay, iov, n, bytes);
        if (r < 0)
                return r;
        for (int i = 0; i < n; i++)
                (void) send(senders[i]->fd, &senders[i]->messages, sizeof senders[i]->messages, MSG_NOSIGNAL);
        if (!relay->early)
                r = forward(relay, iov, n, bytes);

        for (int i = 0; i < n; i++) {
                struct client *c = senders[i];

                c->used -= c->whole;
                if (c->used > 0)
                        memmove(c->data, c->data + c->whole, c->used);
                c->whole = 0;
                c->messages = 0;
        }
        return r;
}

static int loop(struct relay *relay) {
        for (;;) {
                struct epoll_event events[CLIENTS_MAX];
                int n = epoll_wait(relay->epoll, events, CLIENTS_MAX, -1), r;

                if (n < 0 && errno != EINTR)
                        return -errno;
                for (int i = 0; i < n; i++) {
                        struct client *c = events[i].data.ptr;

                        if (!c) {
                                r = client_accept(relay);
                                if (r < 0 && r != -EAGAIN)
                                        return r;
                                continue;
                        }
                        if (c == relay->consumer && (events[i].events & EPOLLOUT))
                                backlog_send(relay);
                        if (events[i].events & (EPOLLIN | EPOLLHUP))
                                client_read(relay, c);
                }
                r = turn(relay);
                if (r < 0)
                        return r;
                backlog_watch(relay);
        }
}

int relay_serve(int listener, int log, size_t log_bytes, bool early) {
        struct relay relay = {.listener = listener, .log = log, .log_bytes = log_bytes, .early = early};
        int r;

        for (size_t i = 0; i < CLIENTS_MAX; i++)
                relay.clients[i].fd = -1;
        relay.epoll = epoll_create1(EPOLL_CLOEXEC);
        if (relay.epoll < 0)
                return -errno;
        r = watch(&relay, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
        return r < 0 ? r : loop(&relay);
}
