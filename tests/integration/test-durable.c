/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is confirmed waits for its reader, whatever becomes of the daemon, and comes in the order that is promised. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/lodge.h"
#include "tests/support/daemon.h"
#include "tests/support/fixture.h"
#include "tests/support/raw.h"

#define QUEUE     "durable.work"
#define ALL_BYTES (1u << 30)

/* ---- helpers ---- */

static struct raw *open_raw(struct test_daemon *d) {
        struct raw *p = NULL;

        assert_int_equal(raw_open(&p, test_daemon_socket(d)), 0);
        return p;
}

static void declare(struct raw *p, const char *name) {
        assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, name, NULL), 0);
        assert_int_equal(raw_expect_ok(p), 0);
}

static void bind_pattern(struct raw *p, const char *name, const char *pattern) {
        assert_int_equal(raw_request_name(p, WIRE_BIND, 0, 0, name, pattern), 0);
        assert_int_equal(raw_expect_ok(p), 0);
}

/* Sends a text and waits until it is safe. Returns its id. */
static uint64_t send_text(struct raw *p, const char *subject, unsigned priority, const char *text) {
        uint64_t id = 0;

        assert_int_equal(raw_send(p, subject, priority, text, strlen(text)), 0);
        assert_int_equal(raw_expect_confirm(p, p->send_serial, &id), 0);
        assert_int_not_equal(id, 0);
        return id;
}

static void consume(struct raw *p, unsigned channel, const char *queue, uint32_t messages) {
        assert_int_equal(raw_consume(p, channel, queue, messages, ALL_BYTES), 0);
        assert_int_equal(raw_expect_ok(p), 0);
}

/* The next message must have this text; `deliveries` as it says itself (1: not marked). Returns its id. */
static uint64_t expect_text(struct raw *p, unsigned channel, const char *text, unsigned deliveries) {
        struct wire_deliver m;
        struct wire_field field;

        assert_int_equal(raw_expect_deliver(p, &m), 0);
        assert_int_equal(m.channel, channel);
        assert_int_equal(m.body.size, strlen(text));
        assert_memory_equal(m.body.data, text, m.body.size);
        if (deliveries > 1) {
                assert_true(m.flags & WIRE_DELIVER_REDELIVERED);
                assert_true(wire_field_find(m.fields, WIRE_FIELD_DELIVERIES, &field));
                assert_int_equal(field.number, deliveries);
        } else
                assert_false(m.flags & WIRE_DELIVER_REDELIVERED);
        return m.id;
}

/* Settles and waits until that is durable. */
static void settle(struct raw *p, unsigned opcode, unsigned channel, uint64_t id, uint32_t count) {
        assert_int_equal(raw_settle(p, opcode, WIRE_SETTLE_ANSWER, channel, id, count), 0);
        assert_int_equal(raw_expect_ok(p), 0);
}

static void restart(struct test_daemon *d, bool clean) {
        assert_int_equal(clean ? test_daemon_stop(d) : test_daemon_kill(d), 0);
        assert_int_equal(test_daemon_start(d), 0);
}

/* ---- waiting ---- */

static void wait_across(struct test_daemon *d, bool clean) {
        char text[32];
        struct raw *p = open_raw(d);
        uint64_t last = 0;

        declare(p, QUEUE);
        for (int i = 0; i < 100; i++) {
                snprintf(text, sizeof text, "message %i", i);
                uint64_t id = send_text(p, QUEUE, 0, text);

                assert_true(id > last);
                last = id;
        }
        raw_close(p);

        restart(d, clean);

        p = open_raw(d);
        consume(p, 1, QUEUE, 1000);
        for (int i = 0; i < 100; i++) {
                snprintf(text, sizeof text, "message %i", i);
                assert_true(expect_text(p, 1, text, 1) <= last);
        }
        assert_int_equal(raw_ping(p), 0); /* and nothing more */
        raw_close(p);
        p = open_raw(d);
        assert_true(send_text(p, QUEUE, 0, "after") > last);
        raw_close(p);
}

static void test_waits_across_sigterm(void **state) {
        wait_across(*state, true);
}

static void test_waits_across_sigkill(void **state) {
        wait_across(*state, false);
}

static void test_waits_across_many_restarts(void **state) {
        struct test_daemon *d = *state;
        char text[32];

        for (int i = 0; i < 8; i++) {
                struct raw *p = open_raw(d);

                if (i == 0)
                        declare(p, QUEUE);
                snprintf(text, sizeof text, "life %i", i);
                send_text(p, QUEUE, 0, text);
                raw_close(p);
                restart(d, i % 3 == 0);
        }

        struct raw *p = open_raw(d);

        consume(p, 1, QUEUE, 1000);
        for (int i = 0; i < 8; i++) {
                snprintf(text, sizeof text, "life %i", i);
                expect_text(p, 1, text, 1);
        }
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
}

/* Bodies of many sizes come back byte for byte. */
static void test_bodies_survive(void **state) {
        static const size_t sizes[] = {0, 1, 127, 4096, 65535, 262144, 1u << 20};
        enum { N = sizeof sizes / sizeof sizes[0] };
        struct test_daemon *d = *state;
        uint8_t *body = malloc(sizes[N - 1]);
        struct raw *p = open_raw(d);

        assert_non_null(body);
        declare(p, QUEUE);
        for (size_t i = 0; i < N; i++) {
                for (size_t k = 0; k < sizes[i]; k++)
                        body[k] = (uint8_t) (k * 31 + (k >> 8) + i);
                assert_int_equal(raw_send(p, QUEUE, 0, body, sizes[i]), 0);
                assert_int_equal(raw_expect_confirm(p, p->send_serial, NULL), 0);
        }
        raw_close(p);
        restart(d, false);

        p = open_raw(d);
        consume(p, 1, QUEUE, 1000);
        for (size_t i = 0; i < N; i++) {
                struct wire_deliver m;

                for (size_t k = 0; k < sizes[i]; k++)
                        body[k] = (uint8_t) (k * 31 + (k >> 8) + i);
                assert_int_equal(raw_expect_deliver(p, &m), 0);
                assert_int_equal(m.body.size, sizes[i]);
                assert_memory_equal(m.body.data, body, sizes[i]);
        }
        raw_close(p);
        free(body);
}

/* ---- order ---- */

static void test_priorities_go_first(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d);

        declare(p, QUEUE);
        send_text(p, QUEUE, 0, "low 1");
        send_text(p, QUEUE, 9, "high 1");
        send_text(p, QUEUE, 5, "middle 1");
        send_text(p, QUEUE, 0, "low 2");
        send_text(p, QUEUE, 9, "high 2");
        send_text(p, QUEUE, 5, "middle 2");
        raw_close(p);
        restart(d, false);

        p = open_raw(d);
        consume(p, 1, QUEUE, 1000);
        expect_text(p, 1, "high 1", 1);
        expect_text(p, 1, "high 2", 1);
        expect_text(p, 1, "middle 1", 1);
        expect_text(p, 1, "middle 2", 1);
        expect_text(p, 1, "low 1", 1);
        expect_text(p, 1, "low 2", 1);
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
}

static void test_redelivery_keeps_place_and_counts(void **state) {
        struct test_daemon *d = *state;
        struct raw *sender = open_raw(d), *p;
        uint64_t first, second;

        declare(sender, QUEUE);
        first = send_text(sender, QUEUE, 0, "first");
        second = send_text(sender, QUEUE, 0, "second");
        send_text(sender, QUEUE, 0, "third");

        /* Two are handed out, and their consumer's connection ends. */
        p = open_raw(d);
        consume(p, 1, QUEUE, 2);
        assert_int_equal(expect_text(p, 1, "first", 1), first);
        assert_int_equal(expect_text(p, 1, "second", 1), second);
        raw_close(p);

        /* They come again, before the third, to whoever asks; one is given back on purpose and comes a third time. */
        p = open_raw(d);
        consume(p, 7, QUEUE, 3);
        assert_int_equal(expect_text(p, 7, "first", 2), first);
        assert_int_equal(expect_text(p, 7, "second", 2), second);
        expect_text(p, 7, "third", 1);
        settle(p, WIRE_NACK, 7, first, 1);
        settle(p, WIRE_ACK, 7, second, 1);
        assert_int_equal(raw_credit(p, 7, 1, 0), 0);
        assert_int_equal(expect_text(p, 7, "first", 3), first);
        settle(p, WIRE_ACK, 7, first, 1);
        raw_close(p);
        raw_close(sender);
}

static void test_cancel_gives_back(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d);

        declare(p, QUEUE);
        send_text(p, QUEUE, 0, "one");
        consume(p, 1, QUEUE, 10);
        expect_text(p, 1, "one", 1);
        assert_int_equal(raw_request(p, WIRE_CANCEL, 0, 1, NULL, 0), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        consume(p, 1, QUEUE, 10);
        expect_text(p, 1, "one", 2);
        raw_close(p);
}

/* ---- credit ---- */

static void test_credit_is_respected(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d);

        declare(p, QUEUE);
        for (int i = 0; i < 5; i++)
                send_text(p, QUEUE, 0, "0123456789");

        /* No credit: nothing. */
        consume(p, 1, QUEUE, 0);
        assert_int_equal(raw_ping(p), 0);
        /* Two more messages: two, and no third. */
        assert_int_equal(raw_credit(p, 1, 2, 0), 0);
        expect_text(p, 1, "0123456789", 1);
        expect_text(p, 1, "0123456789", 1);
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);

        /* Bytes: 11 are enough for two, since the second may go below zero, but not for a third. */
        p = open_raw(d);
        assert_int_equal(raw_consume(p, 1, QUEUE, 100, 11), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        expect_text(p, 1, "0123456789", 2);
        expect_text(p, 1, "0123456789", 2);
        assert_int_equal(raw_ping(p), 0);
        assert_int_equal(raw_credit(p, 1, 0, 10), 0);
        expect_text(p, 1, "0123456789", 1);
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
}

/* Two consumers share a queue: each message goes to one of them. */
static void test_each_message_goes_to_one(void **state) {
        struct test_daemon *d = *state;
        struct raw *a = open_raw(d), *b = open_raw(d), *sender = open_raw(d);
        uint64_t ids[4];

        declare(a, QUEUE);
        consume(a, 1, QUEUE, 2);
        consume(b, 1, QUEUE, 2);
        for (int i = 0; i < 4; i++)
                send_text(sender, QUEUE, 0, "shared");
        ids[0] = expect_text(a, 1, "shared", 1);
        ids[1] = expect_text(a, 1, "shared", 1);
        ids[2] = expect_text(b, 1, "shared", 1);
        ids[3] = expect_text(b, 1, "shared", 1);
        for (int i = 0; i < 4; i++)
                for (int k = 0; k < i; k++)
                        assert_true(ids[i] != ids[k]);
        assert_int_equal(raw_ping(a), 0);
        assert_int_equal(raw_ping(b), 0);
        raw_close(a);
        raw_close(b);
        raw_close(sender);
}

/* ---- settling ---- */

static void test_acks_are_durable(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d);
        uint64_t ids[6];
        char text[2] = "a";

        declare(p, QUEUE);
        for (int i = 0; i < 6; i++, text[0]++)
                ids[i] = send_text(p, QUEUE, 0, text);
        consume(p, 1, QUEUE, 6);
        text[0] = 'a';
        for (int i = 0; i < 6; i++, text[0]++)
                expect_text(p, 1, text, 1);
        settle(p, WIRE_ACK, 1, ids[0], 1);
        settle(p, WIRE_ACK, 1, ids[2], (uint32_t) (ids[4] - ids[2] + 1));
        raw_close(p);
        restart(d, false);

        p = open_raw(d);
        assert_int_equal(raw_consume(p, 1, QUEUE, 100, ALL_BYTES), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        for (int i = 1; i < 6; i += 4) {
                struct wire_deliver m;

                assert_int_equal(raw_expect_deliver(p, &m), 0);
                assert_int_equal(m.id, ids[i]);
        }
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
}

static void test_stale_ack_is_refused(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d);
        uint64_t id;

        declare(p, QUEUE);
        id = send_text(p, QUEUE, 0, "once");
        consume(p, 1, QUEUE, 1);
        expect_text(p, 1, "once", 1);
        settle(p, WIRE_ACK, 1, id, 1);
        assert_int_equal(raw_settle(p, WIRE_ACK, 0, 1, id, 1), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_NOT_LEASED, p->serial), 0);
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
}

/* ---- several destinations ---- */

static void test_bindings_get_all(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d), *sender;

        declare(p, "orders.new");
        declare(p, "audit");
        declare(p, "other");
        bind_pattern(p, "audit", "orders.>");
        bind_pattern(p, "other", "invoices.*");
        send_text(p, "orders.new", 0, "to both");
        send_text(p, "orders.old", 0, "to audit");
        raw_close(p);
        restart(d, false);

        p = open_raw(d);
        consume(p, 1, "orders.new", 10);
        expect_text(p, 1, "to both", 1);
        consume(p, 2, "audit", 10);
        expect_text(p, 2, "to both", 1);
        expect_text(p, 2, "to audit", 1);
        consume(p, 3, "other", 10);
        assert_int_equal(raw_ping(p), 0);
        /* The binding itself waited too, until it is taken away. */
        sender = open_raw(d);
        send_text(sender, "orders.old", 0, "still bound");
        raw_close(sender);
        expect_text(p, 2, "still bound", 1);
        assert_int_equal(raw_request_name(p, WIRE_UNBIND, 0, 0, "audit", "orders.>"), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        assert_int_equal(raw_send(p, "orders.old", 0, "x", 1), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_NO_ROUTE, p->send_serial), 0);
        raw_close(p);
}

/* A send that one of its destinations refuses is in none. */
static void test_all_or_nothing(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d);
        uint8_t fields[64];
        size_t n = 0;

        n += wire_put_string(fields + n, WIRE_FIELD_NAME, "small");
        n += wire_put_pair(fields + n, WIRE_FIELD_PROPERTY, "MaxMessages", 11, "1", 1);
        assert_int_equal(raw_request(p, WIRE_DECLARE, 0, 0, fields, n), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        declare(p, "large");
        bind_pattern(p, "small", "work.>");
        bind_pattern(p, "large", "work.>");
        send_text(p, "work.a", 0, "fits");
        assert_int_equal(raw_send(p, "work.b", 0, "x", 1), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_FULL, p->send_serial), 0);

        consume(p, 1, "large", 10);
        expect_text(p, 1, "fits", 1);
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
}

/* ---- the library comes back by itself ---- */

struct seen {
        lodge *bus;
        unsigned n;
        int error;
};

static void received(lodge_message *m, void *userdata) {
        struct seen *seen = userdata;

        seen->n++;
        if (lodge_message_ack(m) < 0)
                seen->error = -EPROTO;
}

static void run_until(lodge *bus, struct seen *seen, unsigned n) {
        while (seen->n < n) {
                int r = lodge_process(bus);

                assert_true(r >= 0);
                if (r == 0)
                        assert_true(lodge_wait(bus, 120ull * 1000 * 1000) > 0);
        }
        assert_int_equal(seen->n, n);
        assert_int_equal(seen->error, 0);
}

static void test_library_reconnects(void **state) {
        struct test_daemon *d = *state;
        lodge *consumer = NULL, *producer = NULL;
        struct seen seen = {0};

        assert_int_equal(lodge_open_socket(&consumer, test_daemon_socket(d)), 0);
        assert_int_equal(lodge_open_socket(&producer, test_daemon_socket(d)), 0);
        assert_int_equal(lodge_declare(producer, QUEUE, NULL, NULL, 0), 0);
        assert_true(lodge_consume(consumer, NULL, QUEUE, NULL, received, &seen) >= 0);
        assert_true(lodge_send(producer, QUEUE, "one", 3, NULL) >= 0);
        run_until(consumer, &seen, 1);
        assert_true(lodge_flush(consumer) >= 0);

        restart(d, false);
        assert_true(lodge_send(producer, QUEUE, "two", 3, NULL) >= 0);
        run_until(consumer, &seen, 2);
        assert_true(lodge_flush(consumer) >= 0);

        restart(d, true);
        assert_true(lodge_send(producer, QUEUE, "three", 5, NULL) >= 0);
        run_until(consumer, &seen, 3);
        assert_true(lodge_flush(consumer) >= 0);
        lodge_unref(consumer);
        lodge_unref(producer);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_waits_across_sigterm),
                FIXTURE_TEST(test_waits_across_sigkill),
                FIXTURE_TEST(test_waits_across_many_restarts),
                FIXTURE_TEST(test_bodies_survive),
                FIXTURE_TEST(test_priorities_go_first),
                FIXTURE_TEST(test_redelivery_keeps_place_and_counts),
                FIXTURE_TEST(test_cancel_gives_back),
                FIXTURE_TEST(test_credit_is_respected),
                FIXTURE_TEST(test_each_message_goes_to_one),
                FIXTURE_TEST(test_acks_are_durable),
                FIXTURE_TEST(test_stale_ack_is_refused),
                FIXTURE_TEST(test_bindings_get_all),
                FIXTURE_TEST(test_all_or_nothing),
                FIXTURE_TEST(test_library_reconnects),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
