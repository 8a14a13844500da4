/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the sessions' tests share: a host above a real core whose disk is imagined, and clients at the other end of
 * socket pairs that speak frame by frame. Nothing waits: turn() does what the daemon's loop would do until nothing moves,
 * and commit() is the disk. What is not there after a turn does not come.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/session/internal.h"

#define UNUSED __attribute__((unused))
#define PEERS_MAX 4u
#define NOW_US UINT64_C(1700000000000000)
#define ALL_CREDIT 1000000u

/* A client. */
struct peer {
        bool used;
        struct session *session; /* NULL: the daemon's side is gone */
        int fd;
        uint8_t *in; /* what came and was not looked at: in[from .. to-1] */
        size_t from, to, capacity;
        bool ended; /* the daemon has closed */
        uint32_t serial, send_serial; /* of the last request, of the last SEND */
        uint8_t *frame;               /* the last one that was expected */
        struct wire_header header;
};

struct fixture {
        struct core *core;
        struct session_host host;
        struct block_list writing; /* the running commit */
        uint64_t running;
        uint32_t n_records;
        struct peer peers[PEERS_MAX];
};

/* ---- the daemon ---- */

static int fixture_load(void *userdata, struct place place, uint8_t **ret, size_t *ret_bytes) {
        (void) userdata;
        (void) place;
        (void) ret;
        (void) ret_bytes;
        return -EIO; /* the cache holds everything */
}

static void fixture_keep(void *userdata, struct place place) {
        (void) userdata;
        (void) place;
}

static void fixture_notice(void *userdata, const char *text) {
        (void) userdata;
        fail_msg("the core complains: %s", text);
}

static void fixture_describe(void *userdata, struct attributes *a) {
        struct fixture *f = userdata;

        attribute_string(a, "name", "bus", 3);
        attribute_u64(a, "connections", f->host.n_sessions);
}

static const struct core_calls fixture_calls = {
        .deliver = session_deliver,
        .cancelled = session_cancelled,
        .load = fixture_load,
        .retain = fixture_keep,
        .release = fixture_keep,
        .notice = fixture_notice,
};

UNUSED static int setup(void **state) {
        const struct core_options options = {
                .message_bytes_max = 1u << 20,
                .cache_bytes_max = 1u << 30,
                .queues_max = 5,
        };
        struct fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        TAILQ_INIT(&f->writing);
        f->host = (struct session_host){
                .frame_bytes_max = (1u << 20) + 70000u,
                .message_bytes_max = 1u << 20,
                .window_bytes = 1u << 20,
                .uid = getuid(),
                .bus_id = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
                .describe = fixture_describe,
                .userdata = f,
                .now_us = NOW_US,
                .commit = 1,
        };
        assert_int_equal(core_new(&f->core, &options, &fixture_calls, f), 0);
        f->host.core = f->core;
        assert_int_equal(session_host_init(&f->host), 0);
        *state = f;
        return 0;
}

static void drop(struct fixture *f, struct session *s) {
        for (size_t i = 0; i < PEERS_MAX; i++)
                if (f->peers[i].session == s)
                        f->peers[i].session = NULL;
        session_free(s);
}

/* Writes, as the daemon does, until nothing moves. */
static void flush_all(struct fixture *f) {
        struct session *s;

        core_pump(f->core);
        while ((s = TAILQ_FIRST(&f->host.to_flush))) {
                if (session_flush(s) < 0)
                        drop(f, s);
                core_pump(f->core);
        }
}

/* One look at a session as the daemon's loop takes it. Returns whether there was anything to do. */
static bool serve(struct fixture *f, struct session *s) {
        uint32_t events = session_events(s);
        struct pollfd pollfd = {
                .fd = session_fd(s),
                .events = (short) ((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0)),
        };
        int r = 0;

        assert_true(poll(&pollfd, 1, 0) >= 0);
        if (!(pollfd.revents & (pollfd.events | POLLHUP | POLLERR)))
                return false;
        if (pollfd.revents & (POLLIN | POLLHUP | POLLERR))
                r = session_read(s);
        if (r >= 0 && (pollfd.revents & POLLOUT))
                r = session_flush(s);
        if (r < 0)
                drop(f, s);
        return true;
}

/* The daemon does what it can. Clients do not read meanwhile. */
UNUSED static void turn(struct fixture *f) {
        bool moved;

        do {
                moved = false;
                for (size_t i = 0; i < PEERS_MAX; i++)
                        if (f->peers[i].session)
                                moved |= serve(f, f->peers[i].session);
                flush_all(f);
        } while (moved);
}

/* What was collected goes to the disk … */
UNUSED static void commit_begin(struct fixture *f) {
        struct block *block;

        assert_true(TAILQ_EMPTY(&f->writing));
        assert_int_equal(core_seal(f->core, &f->writing), 0);
        TAILQ_FOREACH(block, &f->writing, link)
                core_place(f->core, block, (struct place){1, f->n_records++});
        f->running = f->host.commit++;
}

/* … and is there. */
UNUSED static void commit_end(struct fixture *f) {
        struct session *s, *next;

        core_stored(f->core, &f->writing);
        for (s = TAILQ_FIRST(&f->host.waiting); s; s = next) {
                next = session_next_waiting(s);
                session_committed(s, f->running);
        }
        turn(f);
}

UNUSED static void commit(struct fixture *f) {
        turn(f);
        commit_begin(f);
        commit_end(f);
}

/* Takes a client away, and what the daemon has of it. */
static void forget(struct fixture *f, struct peer *p) {
        if (p->session)
                drop(f, p->session);
        if (p->fd >= 0)
                close(p->fd);
        free(p->in);
        free(p->frame);
        *p = (struct peer){.fd = -1};
}

UNUSED static int teardown(void **state) {
        struct fixture *f = *state;
        struct block *block;

        /* Half of what is left goes with its client, half with the host. */
        for (size_t i = 0; i < PEERS_MAX; i += 2)
                if (f->peers[i].used)
                        forget(f, &f->peers[i]);
        session_host_done(&f->host);
        assert_int_equal(f->host.n_sessions, 0);
        f->core = core_free(f->core);
        while ((block = TAILQ_FIRST(&f->writing))) {
                TAILQ_REMOVE(&f->writing, block, link);
                block_free(block);
        }
        for (size_t i = 0; i < PEERS_MAX; i++) {
                f->peers[i].session = NULL;
                if (f->peers[i].used)
                        forget(f, &f->peers[i]);
        }
        free(f);
        return 0;
}

#define SESSION_TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* ---- a client says ---- */

/* Connects, and says nothing. */
UNUSED static struct peer *connect_peer(struct fixture *f) {
        struct peer *p = f->peers;
        int pair[2];

        while (p->used)
                assert_true(++p < f->peers + PEERS_MAX);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        *p = (struct peer){.used = true, .fd = pair[1]};
        assert_int_equal(session_new(&f->host, pair[0], &p->session), 0);
        return p;
}

/* Sends these bytes; the daemon reads as they come. */
UNUSED static void say(struct fixture *f, struct peer *p, const void *data, size_t size) {
        const uint8_t *from = data;

        while (size > 0) {
                ssize_t n = send(p->fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && errno == EAGAIN) {
                        turn(f);
                        n = send(p->fd, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
                }
                assert_true(n > 0);
                from += n;
                size -= (size_t) n;
        }
}

/* A frame of the general layout. Its serial is p->serial after it. */
UNUSED static void request(struct fixture *f, struct peer *p, unsigned opcode, unsigned flags, unsigned channel, const void *fields, size_t size) {
        uint8_t *frame = malloc(WIRE_SERIAL_HEADER_BYTES + size);
        size_t n;

        assert_non_null(frame);
        n = wire_put_general(frame, opcode, flags, channel, ++p->serial, size);
        if (size > 0)
                memcpy(frame + n, fields, size);
        say(f, p, frame, n + size);
        free(frame);
}

UNUSED static void request_name(struct fixture *f, struct peer *p, unsigned opcode, unsigned flags, unsigned channel, const char *name) {
        uint8_t fields[300];

        request(f, p, opcode, flags, channel, fields, wire_put_string(fields, WIRE_FIELD_NAME, name));
}

/* A SEND as given, but for its serial, which is p->send_serial after it. */
UNUSED static void send_frame(struct fixture *f, struct peer *p, struct wire_send send) {
        uint8_t *frame;

        send.serial = ++p->send_serial;
        frame = malloc(wire_send_size(&send));
        assert_non_null(frame);
        say(f, p, frame, wire_put_send(frame, &send));
        free(frame);
}

UNUSED static struct wire_span span(const char *text) {
        return (struct wire_span){(const uint8_t *) text, strlen(text)};
}

UNUSED static void send_text(struct fixture *f, struct peer *p, const char *subject, const char *body) {
        send_frame(f, p, (struct wire_send){.subject = span(subject), .body = span(body)});
}

UNUSED static void credit(struct fixture *f, struct peer *p, unsigned channel, uint32_t messages, uint32_t bytes) {
        uint8_t frame[32];

        say(f, p, frame, wire_put_credit(frame, channel, &(struct wire_credit){messages, bytes}));
}

UNUSED static void settle(struct fixture *f, struct peer *p, unsigned opcode, unsigned flags, unsigned channel, uint64_t id, uint32_t count) {
        uint8_t frame[64];
        size_t n = wire_put_settle_header(frame, opcode, flags, channel, ++p->serial, 0, 1);

        n += wire_put_settle_run(frame + n, &(struct wire_settle_run){id, count});
        say(f, p, frame, n);
}

/* ---- a client hears ---- */

/* Takes in what the daemon has written. Returns whether anything came. */
UNUSED static bool hear(struct peer *p) {
        ssize_t n;

        if (p->from > 0)
                memmove(p->in, p->in + p->from, p->to - p->from);
        p->to -= p->from;
        p->from = 0;
        if (p->capacity - p->to < 262144) {
                p->capacity = 2 * p->to + 524288;
                p->in = realloc(p->in, p->capacity);
                assert_non_null(p->in);
        }
        n = recv(p->fd, p->in + p->to, p->capacity - p->to, MSG_DONTWAIT);
        if (n < 0) {
                assert_true(errno == EAGAIN || errno == ECONNRESET);
                p->ended |= errno == ECONNRESET;
                return false;
        }
        p->ended |= n == 0;
        p->to += (size_t) n;
        return n > 0;
}

/* Takes the next frame, if there is one without waiting for anybody. Returns its opcode, or 0. */
UNUSED static unsigned next_frame(struct fixture *f, struct peer *p) {
        struct wire_fault fault;

        for (;;) {
                int r = wire_header_parse(p->in + p->from, p->to - p->from, UINT32_MAX, &p->header, &fault);

                assert_true(r >= 0);
                if (r > 0 && p->header.size <= p->to - p->from)
                        break;
                turn(f);
                if (!hear(p))
                        return 0;
        }
        /* In memory of its own, so that a reader past its end is noticed. */
        free(p->frame);
        p->frame = malloc(p->header.size);
        assert_non_null(p->frame);
        memcpy(p->frame, p->in + p->from, p->header.size);
        p->from += p->header.size;
        return p->header.opcode;
}

/* The next frame, SENDERs not counted, has this opcode. */
static void expect(struct fixture *f, struct peer *p, unsigned opcode) {
        unsigned got;

        do
                got = next_frame(f, p);
        while (got == WIRE_SENDER && opcode != WIRE_SENDER);
        if (got != opcode)
                fail_msg("%s came, not %s", got ? wire_opcode_name(got) : "nothing", wire_opcode_name(opcode));
}

UNUSED static void expect_nothing(struct fixture *f, struct peer *p) {
        unsigned got;

        do
                got = next_frame(f, p);
        while (got == WIRE_SENDER);
        if (got != 0)
                fail_msg("%s came, not nothing", wire_opcode_name(got));
        assert_false(p->ended);
}

/* The daemon has closed, and nothing else came before that. */
UNUSED static void expect_closed(struct fixture *f, struct peer *p) {
        assert_int_equal(next_frame(f, p), 0);
        assert_true(p->ended);
        assert_null(p->session);
}

static struct wire_general expect_general(struct fixture *f, struct peer *p, unsigned opcode, uint32_t serial) {
        struct wire_general general;
        struct wire_fault fault;

        expect(f, p, opcode);
        assert_int_equal(wire_general_parse(p->frame, p->header.size, &general, &fault), 0);
        assert_int_equal(general.serial, serial);
        return general;
}

/* The OK of the last request. */
UNUSED static void expect_ok(struct fixture *f, struct peer *p) {
        (void) expect_general(f, p, WIRE_OK, p->serial);
}

static uint64_t number_of(struct wire_general general, unsigned tag) {
        struct wire_field field;

        assert_true(wire_field_find(general.fields, tag, &field));
        return field.number;
}

UNUSED static void assert_string_field(struct wire_general general, unsigned tag, const char *text) {
        struct wire_field field;

        assert_true(wire_field_find(general.fields, tag, &field));
        assert_int_equal(field.value.size, strlen(text));
        assert_memory_equal(field.value.data, text, field.value.size);
}

/* An ERROR with this code, for people too. */
UNUSED static struct wire_general expect_error(struct fixture *f, struct peer *p, unsigned flags, uint32_t serial, unsigned code) {
        struct wire_general general = expect_general(f, p, WIRE_ERROR, serial);
        struct wire_field text;

        if (number_of(general, WIRE_FIELD_CODE) != code)
                fail_msg("%s, not %s", wire_code_name((unsigned) number_of(general, WIRE_FIELD_CODE)), wire_code_name(code));
        assert_int_equal(p->header.flags, flags);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_TEXT, &text));
        assert_true(text.value.size > 0);
        return general;
}

/* The last request was refused, and the connection goes on. */
UNUSED static struct wire_general expect_refused(struct fixture *f, struct peer *p, unsigned code) {
        return expect_error(f, p, 0, p->serial, code);
}

UNUSED static struct wire_general expect_send_refused(struct fixture *f, struct peer *p, unsigned code) {
        return expect_error(f, p, WIRE_ERROR_OF_SEND, p->send_serial, code);
}

/* The connection ends with this. */
UNUSED static void expect_failed(struct fixture *f, struct peer *p, unsigned code) {
        (void) expect_error(f, p, 0, 0, code);
        expect_closed(f, p);
}

/* A CONFIRM with one run. Returns the first id. */
UNUSED static uint64_t expect_confirm(struct fixture *f, struct peer *p, uint32_t serial, uint32_t count) {
        struct wire_confirm_run run;
        struct wire_fault fault;

        expect(f, p, WIRE_CONFIRM);
        assert_int_equal(p->header.flags & WIRE_CONFIRM_DURABILITY, WIRE_DURABILITY_DISK);
        assert_int_equal(wire_confirm_parse(p->frame, p->header.size, &fault), 1);
        run = wire_confirm_run(p->frame, 0);
        assert_int_equal(run.serial, serial);
        assert_int_equal(run.count, count);
        return run.id;
}

/* A DELIVER or BROWSED with this body. */
UNUSED static struct wire_deliver expect_message(struct fixture *f, struct peer *p, unsigned opcode, unsigned channel, const char *body) {
        struct wire_deliver m;
        struct wire_fault fault;

        expect(f, p, opcode);
        assert_int_equal(wire_deliver_parse(p->frame, p->header.size, &m, &fault), 0);
        assert_int_equal(m.channel, channel);
        assert_int_equal(m.body.size, strlen(body));
        assert_memory_equal(m.body.data, body, m.body.size);
        return m;
}

UNUSED static struct wire_deliver expect_deliver(struct fixture *f, struct peer *p, unsigned channel, const char *body) {
        return expect_message(f, p, WIRE_DELIVER, channel, body);
}

/* ---- the usual ---- */

UNUSED static void hello(struct fixture *f, struct peer *p) {
        uint8_t fields[64];
        size_t n = wire_put_u16(fields, WIRE_FIELD_VERSION_MIN, 1);

        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MAX, 1);
        n += wire_put_string(fields + n, WIRE_FIELD_SOFTWARE, "tester 1");
        request(f, p, WIRE_HELLO, 0, 0, fields, n);
}

/* Connects and greets. */
UNUSED static struct peer *open_peer(struct fixture *f) {
        struct peer *p = connect_peer(f);

        hello(f, p);
        (void) expect_general(f, p, WIRE_WELCOME, p->serial);
        return p;
}

UNUSED static void declare(struct fixture *f, struct peer *p, const char *name) {
        request_name(f, p, WIRE_DECLARE, 0, 0, name);
        commit(f);
        expect_ok(f, p);
}

UNUSED static void bind_pattern(struct fixture *f, struct peer *p, unsigned opcode, const char *name, const char *pattern) {
        uint8_t fields[600];
        size_t n = wire_put_string(fields, WIRE_FIELD_NAME, name);

        n += wire_put_string(fields + n, WIRE_FIELD_PATTERN, pattern);
        request(f, p, opcode, 0, 0, fields, n);
}

/* Consumes with this much credit for messages, and plenty for bytes. */
UNUSED static void consume(struct fixture *f, struct peer *p, unsigned channel, const char *name, uint32_t messages) {
        uint8_t fields[400];
        size_t n = wire_put_string(fields, WIRE_FIELD_NAME, name);

        n += wire_put_u32(fields + n, WIRE_FIELD_CREDIT_MESSAGES, messages);
        n += wire_put_u64(fields + n, WIRE_FIELD_CREDIT_BYTES, UINT64_C(1) << 40);
        request(f, p, WIRE_CONSUME, 0, channel, fields, n);
        expect_ok(f, p);
}

/* The client's end: as if its process had been killed. */
UNUSED static void vanish(struct fixture *f, struct peer *p) {
        close(p->fd);
        p->fd = -1;
        turn(f);
        assert_null(p->session);
}
