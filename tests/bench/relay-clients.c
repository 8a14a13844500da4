/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/measure.h"
#include "tests/bench/relay.h"

#define BATCH_BYTES   ((size_t) 256 << 10) /* of messages that are written at once */
#define READ_BYTES    ((size_t) 1 << 20)
#define SOCKET_BYTES  (4 << 20) /* as far as the system allows */
#define WARM_MESSAGES 20

struct connection {
        int fd;
        uint8_t *buffer; /* ready-made messages, all alike */
        size_t frame;    /* bytes of one */
        uint32_t batch;  /* how many the buffer has */
};

static void connection_close(struct connection *c) {
        if (c->fd >= 0)
                (void) close(c->fd);
        free(c->buffer);
}

static int connection_open(struct connection *c, const char *address, char kind) {
        struct sockaddr_un path = {.sun_family = AF_UNIX};
        int bytes = SOCKET_BYTES;

        strncpy(path.sun_path, address, sizeof path.sun_path - 1);
        c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &path, sizeof path) < 0)
                return -errno;
        (void) setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        if (write(c->fd, &kind, 1) != 1 || read(c->fd, &kind, 1) != 1)
                return -EIO;
        return 0;
}

static int connection_prepare(struct connection *c, size_t size, bool one_by_one) {
        uint32_t length = (uint32_t) size;

        c->frame = RELAY_LENGTH_BYTES + size;
        c->batch = (uint32_t) (BATCH_BYTES / c->frame);
        c->batch = c->batch == 0 || one_by_one ? 1 : c->batch;
        c->buffer = calloc(c->batch, c->frame);
        if (!c->buffer)
                return -ENOMEM;
        for (uint32_t i = 0; i < c->batch; i++)
                memcpy(c->buffer + i * c->frame, &length, sizeof length);
        return 0;
}

static int write_all(int fd, const uint8_t *data, size_t size) {
        while (size > 0) {
                ssize_t n = send(fd, data, size, MSG_NOSIGNAL);

                if (n < 0)
                        return -errno;
                data += n;
                size -= (size_t) n;
        }
        return 0;
}

/* Waits for confirms, and returns their number. */
static int64_t read_confirms(int fd) {
        uint32_t counts[256];
        int64_t sum = 0;
        ssize_t n = recv(fd, counts, sizeof counts, 0);

        if (n <= 0)
                return n < 0 ? -errno : -ECONNRESET;
        for (size_t i = 0; i < (size_t) n / sizeof counts[0]; i++)
                sum += counts[i];
        return sum;
}

static int send_and_wait(struct connection *c) {
        int64_t n = write_all(c->fd, c->buffer, c->frame);

        if (n >= 0)
                n = read_confirms(c->fd);
        return n < 0 ? (int) n : 0;
}

int relay_send_one(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(connection_close))) struct connection c = {.fd = -1};
        uint64_t before, now;
        int r;

        r = connection_open(&c, address, RELAY_PRODUCER);
        if (r >= 0)
                r = connection_prepare(&c, load->size, true);
        for (int i = 0; i < WARM_MESSAGES && r >= 0; i++)
                r = send_and_wait(&c);
        if (r >= 0)
                r = role_ready(self);

        for (before = self->start_ns; r >= 0 && self->count < load->count; before = now) {
                r = send_and_wait(&c);
                now = now_ns();
                histogram_add(&self->latency, now - before, 1);
                self->count++;
                if (now - self->start_ns >= load->time_ns)
                        break;
        }
        return r;
}

/* Sends up to `window` messages ahead of their confirms. */
struct window {
        struct connection connection;
        uint64_t *sent_ns; /* when each unconfirmed message was sent, by number modulo the window */
        uint64_t sent, confirmed;
};

static void window_free(struct window *w) {
        connection_close(&w->connection);
        free(w->sent_ns);
}

static int window_fill(struct window *w, const struct load *load, uint64_t until) {
        while (w->sent < until && w->sent - w->confirmed < load->window) {
                uint64_t n = load->window - (w->sent - w->confirmed), now = now_ns();
                int r;

                n = n > until - w->sent ? until - w->sent : n;
                n = n > w->connection.batch ? w->connection.batch : n;
                for (uint64_t i = 0; i < n; i++)
                        w->sent_ns[(w->sent + i) % load->window] = now;
                r = write_all(w->connection.fd, w->connection.buffer, n * w->connection.frame);
                if (r < 0)
                        return r;
                w->sent += n;
        }
        return 0;
}

static int window_drain(struct window *w, const struct load *load, struct histogram *latency) {
        int64_t n = read_confirms(w->connection.fd);
        uint64_t now = now_ns();

        if (n < 0)
                return (int) n;
        for (; n > 0; n--, w->confirmed++)
                if (latency)
                        histogram_add(latency, now - w->sent_ns[w->confirmed % load->window], 1);
        return 0;
}

/* The last message says so to a consumer. */
static int window_finish(struct window *w, const struct load *load) {
        stamp_put(w->connection.buffer + RELAY_LENGTH_BYTES, true);
        while (w->sent - w->confirmed == load->window) {
                int r = window_drain(w, load, NULL);

                if (r < 0)
                        return r;
        }
        return window_fill(w, load, w->sent + 1);
}

int relay_send_window(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(window_free))) struct window w = {.connection.fd = -1};
        bool done = false;
        int r;

        w.sent_ns = calloc(load->window, sizeof *w.sent_ns);
        r = w.sent_ns ? connection_open(&w.connection, address, RELAY_PRODUCER) : -ENOMEM;
        if (r >= 0)
                r = connection_prepare(&w.connection, load->size, load->one_by_one);
        if (r >= 0)
                r = role_ready(self);

        while (r >= 0 && (!done || w.confirmed < w.sent)) {
                if (!done)
                        r = window_fill(&w, load, load->count);
                if (r >= 0)
                        r = window_drain(&w, load, &self->latency);
                if (r >= 0 && !done && (w.sent >= load->count || now_ns() - self->start_ns >= load->time_ns)) {
                        done = true;
                        r = window_finish(&w, load);
                }
        }
        self->count = w.confirmed;
        self->end_ns = now_ns();
        return r;
}

int relay_send_paced(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(connection_close))) struct connection c = {.fd = -1};
        int r;

        r = connection_open(&c, address, RELAY_PRODUCER);
        if (r >= 0)
                r = connection_prepare(&c, load->size, true);
        if (r >= 0)
                r = role_ready(self);

        for (uint64_t i = 0; r >= 0 && i < load->count; i++) {
                uint64_t at = self->start_ns + i * 1000000000ull / load->rate;
                struct timespec t = {.tv_sec = (time_t) (at / 1000000000ull), .tv_nsec = (long) (at % 1000000000ull)};
                uint32_t counts[256];

                (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
                (void) !recv(c.fd, counts, sizeof counts, MSG_DONTWAIT);
                stamp_put(c.buffer + RELAY_LENGTH_BYTES, i + 1 == load->count);
                r = write_all(c.fd, c.buffer, c.frame);
        }
        return r;
}

int relay_consume(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(connection_close))) struct connection c = {.fd = -1};
        bool done = false;
        size_t used = 0;
        int r;

        r = connection_open(&c, address, RELAY_CONSUMER);
        c.buffer = r >= 0 ? malloc(READ_BYTES) : NULL;
        if (r >= 0)
                r = c.buffer ? role_ready(self) : -ENOMEM;
        c.frame = RELAY_LENGTH_BYTES + load->size;

        while (r >= 0 && !done) {
                ssize_t n = recv(c.fd, c.buffer + used, READ_BYTES - used, 0);
                uint64_t now = now_ns();
                uint32_t acked = 0;
                size_t at = 0;

                if (n <= 0)
                        return n < 0 ? -errno : -ECONNRESET;
                used += (size_t) n;
                for (; used - at >= c.frame; at += c.frame, acked++) {
                        struct stamp stamp = stamp_get(c.buffer + at + RELAY_LENGTH_BYTES);

                        done = done || stamp.last;
                        if (load->rate > 0)
                                histogram_add(&self->latency, now - stamp.sent_ns, 1);
                }
                if (used > at)
                        memmove(c.buffer, c.buffer + at, used - at);
                used -= at;
                self->count += acked;
                if (acked > 0)
                        r = write_all(c.fd, (uint8_t *) &acked, sizeof acked);
        }
        return r;
}
