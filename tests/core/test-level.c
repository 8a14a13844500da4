/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where messages wait: blocks in memory and on disk, and those that cannot be read any more. */

#include "tests/core/fixture.h"

/* n messages, each in a block of its own, all stored. */
static void send_stored(struct fixture *f, const char *subject, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                (void) send(f, subject, "0123456789");
                fixture_commit(f);
        }
}

static void no_cache(struct fixture *f) {
        f->options.cache_bytes_max = 1;
        core_set_limits(f->core, &f->options);
}

static void test_reading_again(void **state) {
        struct fixture *f = *state;
        struct core_counters c;
        struct listener l;

        no_cache(f);
        declare(f, "q");
        send_stored(f, "q", 20);
        core_counters(f->core, &c);
        assert_int_equal(c.blocks, 20);
        assert_true(c.cached_bytes < 10000);
        consume(f, &l, "q", 20);
        assert_int_equal(l.n, 20);
        for (unsigned i = 1; i < 20; i++) {
                assert_true(l.got[i].id > l.got[i - 1].id);
                assert_string_equal(l.got[i].body, "0123456789");
                assert_int_equal(l.got[i].sender, 1000);
        }
        assert_int_equal(f->n_loads, 20);
        core_counters(f->core, &c);
        assert_int_equal(c.loads, 20);
}

/* The order within a priority holds across what was given back and what is fresh, in memory or not. */
static void test_given_back_before_fresh(void **state) {
        struct fixture *f = *state;
        struct listener a, b;

        no_cache(f);
        declare(f, "q");
        send_stored(f, "q", 6);
        consume(f, &a, "q", 4);
        nack(&a, a.got[3].id);
        nack(&a, a.got[1].id);
        (void) send(f, "q", "fresh");
        consume(f, &b, "q", 9);
        assert_int_equal(b.n, 5);
        assert_int_equal(b.got[0].id, a.got[1].id);
        assert_int_equal(b.got[1].id, a.got[3].id);
        for (unsigned i = 1; i < b.n; i++)
                assert_true(b.got[i].id > b.got[i - 1].id);
        assert_string_equal(b.got[4].body, "fresh");
}

static void test_interleaved_priorities_and_queues(void **state) {
        struct fixture *f = *state;
        struct listener q, r;

        no_cache(f);
        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "q");
        for (unsigned i = 0; i < 30; i++) {
                (void) send_priority(f, i % 3 ? "q" : "r", i % 4, "x");
                if (i % 5 == 0)
                        fixture_commit(f);
        }
        consume(f, &q, "q", 60);
        consume(f, &r, "r", 60);
        assert_int_equal(q.n, 20);
        assert_int_equal(r.n, 30);
        for (unsigned i = 1; i < r.n; i++) {
                const struct delivered *before = &r.got[i - 1], *d = &r.got[i];

                assert_true(d->priority < before->priority || (d->priority == before->priority && d->id > before->id));
        }
}

/* What cannot be read is counted and told of, and the rest goes on. */
static void test_unreadable(void **state) {
        struct fixture *f = *state;
        struct listener l;

        no_cache(f);
        declare(f, "q");
        send_stored(f, "q", 3);
        f->load_error = -EIO;
        consume(f, &l, "q", 1);
        /* The last one was in memory. */
        assert_int_equal(l.n, 1);
        assert_int_equal(f->n_notices, 2);
        assert_non_null(strstr(f->notice, "queue q: 1 messages in segment 1 record 1 cannot be read"));
        assert_int_equal(info(f, "q").damaged, 2);
        assert_int_equal(info(f, "q").ready, 0);
        assert_int_equal(info(f, "q").leased, 1);
        assert_int_equal(info(f, "q").bytes, 30);
        ack(&l, l.got[0].id);
        (void) send(f, "q", "next");
        core_credit(l.consumer, 1, 0);
        core_pump(f->core);
        assert_string_equal(l.got[1].body, "next");
        /* They are in the way of nothing but deleting. */
        ack(&l, l.got[1].id);
        assert_int_equal(core_delete(f->core, span("q"), false, &f->why), -ENOTEMPTY);
        assert_int_equal(f->why.use, 2);
        assert_int_equal(core_delete(f->core, span("q"), true, &f->why), 0);
        assert_int_equal(fixture_n_retained(f), 0);
}

static void test_damaged_bytes(void **state) {
        struct fixture *f = *state;
        struct listener l;

        no_cache(f);
        declare(f, "q");
        send_stored(f, "q", 2);
        memset(f->records[0].data, 0xff, f->records[0].size);
        consume(f, &l, "q", 5);
        assert_int_equal(l.n, 1);
        assert_int_equal(info(f, "q").damaged, 1);
        assert_int_equal(f->n_notices, 1);
}

/* A whole record, but not the one that is meant. */
static void test_foreign_bytes(void **state) {
        struct fixture *f = *state;
        struct listener l;

        no_cache(f);
        declare(f, "q");
        declare(f, "r");
        send_stored(f, "q", 1);
        send_stored(f, "r", 1);
        send_stored(f, "q", 1);
        assert_true(f->records[0].size >= f->records[1].size);
        memcpy(f->records[0].data, f->records[1].data, f->records[1].size);
        f->records[0].size = f->records[1].size;
        consume(f, &l, "q", 5);
        assert_int_equal(l.n, 1);
        assert_int_equal(info(f, "q").damaged, 1);
}

static void test_unreadable_when_given_back(void **state) {
        struct fixture *f = *state;
        struct listener a, b;

        no_cache(f);
        declare(f, "q");
        send_stored(f, "q", 3);
        consume(f, &a, "q", 2);
        assert_null(core_cancel(a.consumer));
        f->load_error = -EBADMSG;
        consume(f, &b, "q", 5);
        assert_int_equal(info(f, "q").damaged + b.n, 3);
        assert_int_equal(info(f, "q").leased, b.n);
        assert_int_equal(info(f, "q").ready, 0);
        assert_true(info(f, "q").damaged >= 1);
}

/* A leased message can be settled although it could not be read any more. */
static void test_settling_what_is_unreadable(void **state) {
        struct fixture *f = *state;
        struct listener l;

        no_cache(f);
        declare(f, "q");
        send_stored(f, "q", 3);
        consume(f, &l, "q", 3);
        f->load_error = -EIO;
        assert_int_equal(core_settle(l.consumer, 1, 1000, CORE_ACK), 3);
        assert_int_equal(info(f, "q").bytes, 0);
        assert_int_equal(fixture_n_retained(f), 0);
        assert_int_equal(f->n_notices, 0);
}

/* A block lives as long as one message in it, in any queue. */
static void test_retained_as_long_as_needed(void **state) {
        struct fixture *f = *state;
        struct listener q, r;

        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "q");
        (void) send(f, "q", "one");
        (void) send_priority(f, "q", 9, "two");
        fixture_commit(f);
        assert_int_equal(fixture_n_retained(f), 1);
        consume(f, &q, "q", 5);
        consume(f, &r, "r", 5);
        assert_int_equal(core_settle(q.consumer, 1, 1000, CORE_ACK), 2);
        assert_int_equal(fixture_n_retained(f), 1);
        ack(&r, r.got[0].id);
        assert_int_equal(fixture_n_retained(f), 1);
        ack(&r, r.got[1].id);
        assert_int_equal(fixture_n_retained(f), 0);
        fixture_commit(f);
        assert_int_equal(fixture_n_retained(f), 0);
}

/* Settled while it is being written: then it is not needed any more. */
static void test_settled_while_being_written(void **state) {
        struct fixture *f = *state;
        struct core_counters c;
        struct listener l;

        declare(f, "q");
        fixture_commit(f);
        (void) send(f, "q", "x");
        consume(f, &l, "q", 1);
        assert_true(fixture_begin(f, false));
        assert_int_equal(fixture_n_retained(f), 1);
        ack(&l, l.got[0].id);
        assert_int_equal(fixture_n_retained(f), 0);
        fixture_end(f);
        core_counters(f->core, &c);
        assert_int_equal(c.blocks, 1); /* the one that says so */
        fixture_commit(f);
        core_counters(f->core, &c);
        assert_int_equal(c.blocks, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_reading_again),
                TEST(test_given_back_before_fresh),
                TEST(test_interleaved_priorities_and_queues),
                TEST(test_unreadable),
                TEST(test_damaged_bytes),
                TEST(test_foreign_bytes),
                TEST(test_unreadable_when_given_back),
                TEST(test_settling_what_is_unreadable),
                TEST(test_retained_as_long_as_needed),
                TEST(test_settled_while_being_written),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
