/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Credit, turns, settling, giving back. */

#include "tests/core/fixture.h"

static void send_n(struct fixture *f, const char *subject, unsigned n) {
        for (unsigned i = 0; i < n; i++)
                (void) send(f, subject, "0123456789");
}

static void test_nothing_to_consume(void **state) {
        struct fixture *f = *state;
        struct consumer *consumer = NULL;

        assert_int_equal(core_consume(f->core, span("q"), NULL, &consumer, &f->why), -ENOENT);
        assert_int_equal(f->why.code, WIRE_CODE_NOT_FOUND);
        assert_null(consumer);
        assert_null(core_cancel(NULL));
}

static void test_credit_in_messages(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        send_n(f, "q", 5);
        consume(f, &l, "q", 0);
        assert_int_equal(l.n, 0);
        core_credit(l.consumer, 2, 0);
        core_pump(f->core);
        assert_int_equal(l.n, 2);
        core_credit(l.consumer, 1, 0);
        core_credit(l.consumer, 1, 0);
        core_pump(f->core);
        assert_int_equal(l.n, 4);
        assert_int_equal(info(f, "q").leased, 4);
        assert_int_equal(info(f, "q").ready, 1);
        assert_int_equal(info(f, "q").delivered, 4);
        assert_int_equal(core_consumer_queue(l.consumer).size, 1);
}

/* Bytes may go below zero by one message. */
static void test_credit_in_bytes(void **state) {
        struct fixture *f = *state;
        struct listener l = {0};

        declare(f, "q");
        send_n(f, "q", 5);
        assert_int_equal(core_consume(f->core, span("q"), &l, &l.consumer, &f->why), 0);
        core_credit(l.consumer, 100, 0);
        core_pump(f->core);
        assert_int_equal(l.n, 0);
        core_credit(l.consumer, 0, 11);
        core_pump(f->core);
        assert_int_equal(l.n, 2);
        core_credit(l.consumer, 0, 9);
        core_pump(f->core);
        assert_int_equal(l.n, 2);
        core_credit(l.consumer, 0, 1);
        core_pump(f->core);
        assert_int_equal(l.n, 3);
        /* As much as there can be is as much as there can be. */
        core_credit(l.consumer, UINT32_MAX, UINT64_MAX);
        core_credit(l.consumer, UINT32_MAX, UINT64_MAX);
        core_pump(f->core);
        assert_int_equal(l.n, 5);
}

static void test_blocked(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        consume(f, &l, "q", 10);
        core_block(l.consumer, true);
        send_n(f, "q", 1);
        core_pump(f->core);
        core_credit(l.consumer, 1, 1);
        core_pump(f->core);
        assert_int_equal(l.n, 0);
        core_block(l.consumer, false);
        core_pump(f->core);
        assert_int_equal(l.n, 1);
}

static void test_taking_turns(void **state) {
        struct fixture *f = *state;
        struct listener a, b, c;

        declare(f, "q");
        consume(f, &a, "q", 10);
        consume(f, &b, "q", 1);
        consume(f, &c, "q", 10);
        send_n(f, "q", 7);
        core_pump(f->core);
        assert_int_equal(a.n, 3);
        assert_int_equal(b.n, 1);
        assert_int_equal(c.n, 3);
        assert_true(a.got[0].id < b.got[0].id && b.got[0].id < c.got[0].id && c.got[0].id < a.got[1].id);
        assert_int_equal(info(f, "q").consumers, 3);
}

static void test_priorities(void **state) {
        static const unsigned priorities[] = {4, 0, 9, 4, 9, 0, 5};
        struct fixture *f = *state;
        struct listener l;
        char text[8] = "";

        declare(f, "q");
        for (unsigned i = 0; i < 7; i++) {
                const char body[2] = {(char) ('a' + i), 0};

                (void) send_priority(f, "q", priorities[i], body);
        }
        consume(f, &l, "q", 7);
        for (unsigned i = 0; i < 7; i++)
                text[i] = l.got[i].body[0];
        assert_string_equal(text, "cegadbf");
        assert_int_equal(l.got[0].priority, 9);
}

static void test_ack(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        send_n(f, "q", 3);
        consume(f, &l, "q", 3);
        ack(&l, l.got[1].id);
        assert_int_equal(info(f, "q").leased, 2);
        assert_int_equal(info(f, "q").acked, 1);
        assert_int_equal(info(f, "q").bytes, 20);
        assert_int_equal(core_settle(l.consumer, l.got[1].id, 1, CORE_ACK), 0);
        assert_int_equal(core_settle(l.consumer, l.got[0].id, 3, CORE_ACK), 2);
        assert_int_equal(core_settle(l.consumer, 0, UINT32_MAX, CORE_ACK), 0);
        assert_int_equal(info(f, "q").leased, 0);
        assert_int_equal(info(f, "q").ready, 0);
        assert_int_equal(info(f, "q").bytes, 0);
}

/* A run may be much longer than what is leased. */
static void test_long_runs(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t last;

        declare(f, "q");
        send_n(f, "q", 10);
        consume(f, &l, "q", 10);
        last = l.got[9].id;
        assert_int_equal(core_settle(l.consumer, last + 1, UINT32_MAX, CORE_ACK), 0);
        assert_int_equal(core_settle(l.consumer, UINT64_MAX - 1, 2, CORE_ACK), 0);
        assert_int_equal(core_settle(l.consumer, last - 2, UINT32_MAX, CORE_ACK), 3);
        assert_int_equal(core_settle(l.consumer, 1, UINT32_MAX, CORE_ACK), 7);
}

static void test_foreign_leases(void **state) {
        struct fixture *f = *state;
        struct listener a, b, other;

        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "q");
        send_n(f, "q", 4);
        consume(f, &a, "q", 2);
        consume(f, &b, "q", 2);
        consume(f, &other, "r", 1);
        assert_int_equal(core_settle(b.consumer, a.got[0].id, 1, CORE_ACK), 0);
        assert_int_equal(core_settle(b.consumer, a.got[0].id, 1, CORE_NACK), 0);
        assert_int_equal(core_settle(b.consumer, a.got[0].id, 1000, CORE_ACK), 2);
        assert_int_equal(core_settle(other.consumer, a.got[0].id, 4, CORE_ACK), 1);
        assert_int_equal(info(f, "q").leased, 2);
        assert_int_equal(core_settle(a.consumer, a.got[0].id, 4, CORE_ACK), 2);
}

/* What comes back is in front again, marked. */
static void test_nack(void **state) {
        struct fixture *f = *state;
        struct listener a, b;

        declare(f, "q");
        send_n(f, "q", 4);
        consume(f, &a, "q", 3);
        nack(&a, a.got[2].id);
        nack(&a, a.got[0].id);
        assert_int_equal(core_settle(a.consumer, a.got[0].id, 1, CORE_ACK), 0);
        assert_int_equal(info(f, "q").ready, 3);
        assert_int_equal(info(f, "q").leased, 1);
        consume(f, &b, "q", 3);
        assert_int_equal(b.n, 3);
        assert_int_equal(b.got[0].id, a.got[0].id);
        assert_int_equal(b.got[1].id, a.got[2].id);
        assert_true(b.got[2].id > a.got[2].id);
        assert_int_equal(b.got[0].deliveries, 2);
        assert_int_equal(b.got[1].deliveries, 2);
        assert_int_equal(b.got[2].deliveries, 1);
        assert_int_equal(info(f, "q").redelivered, 2);
        assert_int_equal(core_settle(b.consumer, b.got[0].id, 1, CORE_NACK), 1);
        core_credit(a.consumer, 1, 0);
        core_pump(f->core);
        assert_int_equal(a.got[3].id, b.got[0].id);
        assert_int_equal(a.got[3].deliveries, 3);
}

static void test_cancel_gives_back(void **state) {
        struct fixture *f = *state;
        struct listener a, b;

        declare(f, "q");
        (void) send_priority(f, "q", 1, "low");
        send_n(f, "q", 2);
        (void) send_priority(f, "q", 8, "high");
        consume(f, &a, "q", 10);
        consume(f, &b, "q", 10);
        assert_int_equal(a.n, 4);
        assert_null(core_cancel(a.consumer));
        assert_int_equal(info(f, "q").consumers, 1);
        core_pump(f->core);
        assert_int_equal(b.n, 4);
        for (unsigned i = 0; i < 4; i++) {
                assert_int_equal(b.got[i].id, a.got[i].id);
                assert_int_equal(b.got[i].deliveries, 2);
        }
        assert_string_equal(b.got[0].body, "high");
        assert_string_equal(b.got[3].body, "low");
}

/* Given back by several, in any order: still by id. */
static void test_going_back_to_their_places(void **state) {
        struct fixture *f = *state;
        struct listener l[5], all;

        declare(f, "q");
        for (unsigned i = 0; i < 5; i++)
                consume(f, &l[i], "q", 8);
        send_n(f, "q", 40);
        core_pump(f->core);
        nack(&l[3], l[3].got[4].id);
        nack(&l[0], l[0].got[7].id);
        for (unsigned i = 0; i < 5; i++)
                core_cancel(l[(i * 2) % 5].consumer);
        consume(f, &all, "q", 40);
        assert_int_equal(all.n, 40);
        for (unsigned i = 1; i < 40; i++)
                assert_true(all.got[i].id > all.got[i - 1].id);
}

static void test_delete_cancels(void **state) {
        struct fixture *f = *state;
        struct listener a, b;

        declare(f, "q");
        send_n(f, "q", 3);
        consume(f, &a, "q", 1);
        consume(f, &b, "q", 0);
        assert_int_equal(core_delete(f->core, span("q"), true, &f->why), 0);
        assert_true(a.cancelled && b.cancelled);
        assert_int_equal(a.why.code, WIRE_CODE_NOT_FOUND);
        core_pump(f->core);
}

/* As many leases as a checkpoint can hold; the rest waits, and goes on by itself. */
static void test_leases_max(void **state) {
        struct fixture *f = *state;
        struct listener a, b;

        declare(f, "q");
        declare(f, "r");
        f->options.leases_max = 4;
        core_set_limits(f->core, &f->options);
        send_n(f, "q", 6);
        send_n(f, "r", 1);
        consume(f, &a, "q", 10);
        consume(f, &b, "r", 10);
        assert_int_equal(a.n, 4);
        assert_int_equal(b.n, 0);
        nack(&a, a.got[1].id); /* takes a lease still, and may be handed out again */
        core_pump(f->core);
        assert_int_equal(a.n, 5);
        assert_int_equal(a.got[4].id, a.got[1].id);
        assert_int_equal(core_settle(a.consumer, 1, 1000, CORE_ACK), 4);
        core_pump(f->core);
        assert_int_equal(a.n, 7);
        assert_int_equal(b.n, 1);
}

static void test_leases_max_after_deleting(void **state) {
        struct fixture *f = *state;
        struct listener a, b;

        declare(f, "q");
        declare(f, "r");
        f->options.leases_max = 4;
        core_set_limits(f->core, &f->options);
        send_n(f, "q", 4);
        send_n(f, "r", 2);
        consume(f, &a, "q", 10);
        consume(f, &b, "r", 10);
        assert_int_equal(a.n, 4);
        assert_int_equal(b.n, 0);
        assert_int_equal(core_delete(f->core, span("q"), true, &f->why), 0);
        core_pump(f->core);
        assert_int_equal(b.n, 2);
}

/* Without memory a queue is not forgotten: the next pump goes on. */
static void test_pump_after_no_memory(void **state) {
        struct fixture *f = *state;
        struct listener l;

        f->options.cache_bytes_max = 1;
        core_set_limits(f->core, &f->options);
        declare(f, "q");
        for (unsigned i = 0; i < 2; i++) {
                (void) send(f, "q", "x");
                fixture_commit(f);
        }
        f->load_error = -ENOMEM;
        consume(f, &l, "q", 10);
        assert_int_equal(l.n, 0);
        core_pump(f->core);
        assert_int_equal(l.n, 0);
        assert_int_equal(info(f, "q").ready, 2);
        assert_int_equal(f->n_notices, 0);
        f->load_error = 0;
        core_pump(f->core);
        assert_int_equal(l.n, 2);
        core_pump(f->core);
        assert_int_equal(l.n, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing_to_consume),
                TEST(test_credit_in_messages),
                TEST(test_credit_in_bytes),
                TEST(test_blocked),
                TEST(test_taking_turns),
                TEST(test_priorities),
                TEST(test_ack),
                TEST(test_long_runs),
                TEST(test_foreign_leases),
                TEST(test_nack),
                TEST(test_cancel_gives_back),
                TEST(test_going_back_to_their_places),
                TEST(test_delete_cancels),
                TEST(test_leases_max),
                TEST(test_leases_max_after_deleting),
                TEST(test_pump_after_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
