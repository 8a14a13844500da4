/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon is killed at random moments while messages are sent and settled, and started again. Whatever happens:
 * a confirmed message is there until it is settled, once, in its place; one whose ack was answered never comes back; no
 * id is used twice. The seed is printed; $LODGE_TEST_SEED repeats the choices (not the kernel's timing).
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/daemon.h"
#include "tests/support/fixture.h"
#include "tests/support/raw.h"

#define QUEUE          "crash.work"
#define LIVES          25
#define MESSAGES_MAX   100000u
#define BATCHES_MAX    30u
#define BATCH_MAX      100u
#define TAKEN_MAX      60u
#define BODY_BYTES_MAX 3000u
#define ALL_BYTES      (1u << 30)

/* What the test knows of a message. */
enum known {
        SENT,     /* it may be there or not */
        THERE,    /* confirmed, or seen after a crash: it must be there */
        SETTLING, /* acked without an answer yet: it may be there or not */
        GONE,     /* its ack was answered, or it was not there after a crash: it must not be there */
};

struct message {
        uint64_t id; /* 0: not known yet */
        uint8_t known;
        unsigned deliveries; /* in this life of the daemon */
};

struct history {
        struct test_daemon *daemon;
        struct message *messages; /* by number, which is in the body */
        uint32_t n;
        uint64_t highest_id;
        unsigned long long random;
        /* To see that something happened at all. */
        uint32_t confirmed, redelivered, settled, unconfirmed_kept, unconfirmed_lost;
};

static uint32_t random_below(struct history *h, uint32_t limit) {
        return (uint32_t) (fixture_random(&h->random) % limit);
}

static struct raw *open_raw(struct history *h) {
        struct raw *p = NULL;

        assert_int_equal(raw_open(&p, test_daemon_socket(h->daemon)), 0);
        return p;
}

/* ---- what is there ---- */

/* Checks a message that was shown or handed out. Returns its number. */
static uint32_t check_message(struct history *h, const struct wire_deliver *deliver) {
        struct message *m;
        uint32_t number;

        assert_true(deliver->body.size >= 4);
        number = wire_get32(deliver->body.data);
        assert_true(number < h->n);
        for (size_t i = 4; i < deliver->body.size; i++)
                assert_int_equal(deliver->body.data[i], number % 251);

        m = &h->messages[number];
        assert_int_not_equal(m->known, GONE);
        if (m->id == 0)
                m->id = deliver->id;
        assert_int_equal(m->id, deliver->id);
        h->highest_id = m->id > h->highest_id ? m->id : h->highest_id;
        return number;
}

/* Browses from an id on, once. Returns the id to go on from, 0 at the end. *next: the lowest number that may come. */
static uint64_t browse(struct history *h, struct raw *p, uint64_t from, uint32_t *next, uint8_t *seen) {
        uint8_t fields[64];
        size_t n = 0;

        n += wire_put_string(fields + n, WIRE_FIELD_NAME, QUEUE);
        n += wire_put_u64(fields + n, WIRE_FIELD_FROM_ID, from);
        assert_int_equal(raw_request(p, WIRE_BROWSE, 0, 1, fields, n), 0);
        for (;;) {
                struct wire_general general;
                struct wire_deliver shown;
                struct wire_field field;
                struct wire_fault fault;
                struct raw_frame frame;

                assert_int_equal(raw_read(p, &frame), 1);
                if (frame.header.opcode == WIRE_SENDER)
                        continue;
                if (frame.header.opcode == WIRE_END) {
                        assert_int_equal(wire_general_parse(frame.data, frame.header.size, &general, &fault), 0);
                        return wire_field_find(general.fields, WIRE_FIELD_NEXT_ID, &field) ? field.number : 0;
                }
                assert_int_equal(frame.header.opcode, WIRE_BROWSED);
                assert_int_equal(wire_deliver_parse(frame.data, frame.header.size, &shown, &fault), 0);

                uint32_t number = check_message(h, &shown);

                assert_true(number >= *next); /* in order, and none twice */
                *next = number + 1;
                seen[number] = 1;
        }
}

/* After a start: compares all that waits with what is known, and learns what became of the rest. */
static void audit(struct history *h) {
        struct raw *p = open_raw(h);
        uint8_t *seen = calloc(1, h->n + 1);
        uint32_t next = 0;
        uint64_t from = 0;

        assert_non_null(seen);
        do
                from = browse(h, p, from, &next, seen);
        while (from > 0);

        for (uint32_t i = 0; i < h->n; i++) {
                struct message *m = &h->messages[i];

                m->deliveries = 0;
                if (m->known == THERE && !seen[i])
                        fail_msg("confirmed message %u (id %llu) is not there", i, (unsigned long long) m->id);
                if (m->known == SENT) {
                        h->unconfirmed_kept += seen[i];
                        h->unconfirmed_lost += !seen[i];
                }
                m->known = seen[i] ? THERE : GONE;
        }
        free(seen);
        raw_close(p);
}

/* ---- receiving ---- */

/* Takes up to `limit` messages: exactly the first that wait. Returns how many; numbers[] are theirs. */
static uint32_t take(struct history *h, struct raw *p, unsigned channel, uint32_t limit, uint32_t *numbers) {
        uint32_t taken = 0;

        assert_int_equal(raw_consume(p, channel, QUEUE, limit, ALL_BYTES), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        for (uint32_t i = 0; i < h->n && taken < limit; i++) {
                struct message *m = &h->messages[i];
                struct wire_deliver deliver;

                if (m->known != THERE)
                        continue;
                assert_int_equal(raw_expect_deliver(p, &deliver), 0);
                assert_int_equal(check_message(h, &deliver), i);
                if (m->deliveries++ > 0)
                        assert_true(deliver.flags & WIRE_DELIVER_REDELIVERED);
                h->redelivered += (deliver.flags & WIRE_DELIVER_REDELIVERED) != 0;
                numbers[taken++] = i;
        }
        assert_int_equal(raw_ping(p), 0); /* and no more */
        return taken;
}

/* Acks the first n of these, each in a frame; with `wait` until all are durable. */
static void ack(struct history *h, struct raw *p, unsigned channel, const uint32_t *numbers, uint32_t n, bool wait) {
        for (uint32_t i = 0; i < n; i++) {
                struct message *m = &h->messages[numbers[i]];

                m->known = SETTLING;
                assert_int_equal(raw_settle(p, WIRE_ACK, i + 1 == n ? WIRE_SETTLE_ANSWER : 0, channel, m->id, 1), 0);
        }
        if (n == 0 || !wait)
                return;
        assert_int_equal(raw_expect_ok(p), 0);
        for (uint32_t i = 0; i < n; i++)
                h->messages[numbers[i]].known = GONE;
        h->settled += n;
}

/* A consumer takes some and goes, so that they come again; the next one acks some of them. It stays connected, with
 * leases, and perhaps acks under way. */
static struct raw *receive(struct history *h) {
        uint32_t numbers[TAKEN_MAX], n;
        struct raw *p = open_raw(h);

        (void) take(h, p, 1, 1 + random_below(h, TAKEN_MAX / 2), numbers);
        raw_close(p);
        p = open_raw(h);
        n = take(h, p, 2, 1 + random_below(h, TAKEN_MAX), numbers);
        ack(h, p, 2, numbers, n > 0 ? random_below(h, n + 1) : 0, random_below(h, 3) > 0);
        return p;
}

/* ---- sending ---- */

struct sending {
        struct raw *p;
        uint32_t first;  /* number of the message with serial 1 */
        uint32_t serial; /* the last that was confirmed */
};

/* Returns false when the daemon is gone. */
static bool send_batch(struct history *h, struct sending *sending) {
        uint32_t n = 1 + random_below(h, BATCH_MAX);

        for (uint32_t i = 0; i < n && h->n < MESSAGES_MAX; i++) {
                size_t size = 4 + random_below(h, random_below(h, 10) == 0 ? BODY_BYTES_MAX - 4 : 60);
                uint8_t body[BODY_BYTES_MAX];

                memset(body, (int) (h->n % 251), size);
                wire_set32(body, h->n);
                h->messages[h->n++] = (struct message){.known = SENT};
                if (raw_send(sending->p, QUEUE, 0, body, size) < 0)
                        return false;
        }
        return true;
}

static void take_confirms(struct history *h, struct sending *sending, const struct raw_frame *frame) {
        struct wire_fault fault;
        int runs = wire_confirm_parse(frame->data, frame->header.size, &fault);

        assert_true(runs > 0);
        for (int i = 0; i < runs; i++) {
                struct wire_confirm_run run = wire_confirm_run(frame->data, (size_t) i);

                assert_int_equal(run.serial, sending->serial + 1);
                for (uint32_t k = 0; k < run.count; k++) {
                        struct message *m = &h->messages[sending->first + sending->serial];

                        assert_true(sending->first + sending->serial < h->n);
                        assert_true(run.id + k > h->highest_id); /* higher than all that were ever seen */
                        m->id = h->highest_id = run.id + k;
                        m->known = THERE;
                        sending->serial++;
                        h->confirmed++;
                }
        }
}

/* Reads the confirms that are there, or that come within so long. Returns false when the connection has ended. */
static bool read_confirms(struct history *h, struct sending *sending, uint32_t wait_us) {
        struct timespec wait = {.tv_nsec = (long) wait_us * 1000};

        for (;;) {
                struct pollfd pollfd = {.fd = sending->p->fd, .events = POLLIN};
                struct raw_frame frame;

                if (sending->p->taken == sending->p->used && ppoll(&pollfd, 1, &wait, NULL) == 0)
                        return true;
                if (raw_read(sending->p, &frame) <= 0)
                        return false; /* in the middle of a frame perhaps */
                if (frame.header.opcode == WIRE_CONFIRM)
                        take_confirms(h, sending, &frame);
        }
}

/* Sends, kills the daemon on the way, and reads what it had confirmed by then. */
static void send_and_kill(struct history *h) {
        struct sending sending = {.p = open_raw(h), .first = h->n};
        uint32_t batches = random_below(h, BATCHES_MAX);

        for (uint32_t i = 0; i < batches; i++) {
                assert_true(send_batch(h, &sending));
                assert_true(read_confirms(h, &sending, random_below(h, 400)));
        }
        assert_int_equal(test_daemon_kill(h->daemon), 0);
        while (read_confirms(h, &sending, 0))
                ;
        raw_close(sending.p);
}

static void declare(struct history *h) {
        struct raw *p = open_raw(h);

        assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, QUEUE, NULL), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        raw_close(p);
}

static void test_killed_at_random(void **state) {
        struct history h = {.daemon = *state, .random = fixture_seed()};
        uint32_t numbers[TAKEN_MAX];
        struct raw *p;

        h.messages = calloc(MESSAGES_MAX, sizeof *h.messages);
        assert_non_null(h.messages);
        declare(&h);
        for (int life = 0; life < LIVES; life++) {
                audit(&h);
                p = receive(&h);
                send_and_kill(&h);
                raw_close(p);
                assert_int_equal(test_daemon_start(h.daemon), 0);
        }
        audit(&h);

        /* A clean stop loses nothing either; then all that is left comes out, in order. */
        assert_int_equal(test_daemon_stop(h.daemon), 0);
        assert_int_equal(test_daemon_start(h.daemon), 0);
        audit(&h);
        p = open_raw(&h);
        for (unsigned channel = 1;; channel++) {
                uint32_t n = take(&h, p, channel, TAKEN_MAX, numbers);

                ack(&h, p, channel, numbers, n, true);
                if (n == 0)
                        break;
        }
        raw_close(p);
        fprintf(stderr, "%u sent, %u confirmed, %u settled, %u redelivered; unconfirmed at a crash: %u kept, %u lost\n",
                h.n, h.confirmed, h.settled, h.redelivered, h.unconfirmed_kept, h.unconfirmed_lost);
        assert_true(h.confirmed > 0 && h.settled > 0 && h.redelivered > 0);
        free(h.messages);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_killed_at_random),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
