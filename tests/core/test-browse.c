/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/core/fixture.h"

static void test_no_queue(void **state) {
        struct fixture *f = *state;
        uint64_t next = 7;

        assert_int_equal(core_browse(f->core, span("q"), 0, 1, 1, fixture_shown, NULL, &next, &f->why), -ENOENT);
        assert_int_equal(f->why.code, WIRE_CODE_NOT_FOUND);
        assert_int_equal(next, 7);
}

static void test_empty(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        assert_int_equal(browse(f, &l, "q", 0, 10), 0);
        assert_int_equal(l.n, 0);
}

/* By id, whatever the priority and whether leased. */
static void test_order(void **state) {
        struct fixture *f = *state;
        struct listener consumer, l;

        declare(f, "q");
        for (unsigned i = 0; i < 20; i++) {
                (void) send_priority(f, "q", (i * 7) % 10, "x");
                if (i % 4 == 3)
                        fixture_commit(f);
        }
        consume(f, &consumer, "q", 6);
        ack(&consumer, consumer.got[0].id);
        nack(&consumer, consumer.got[1].id);
        assert_int_equal(browse(f, &l, "q", 0, 60), 0);
        assert_int_equal(l.n, 19);
        for (unsigned i = 0; i < l.n; i++) {
                assert_true(i == 0 || l.got[i].id > l.got[i - 1].id);
                assert_int_not_equal(l.got[i].id, consumer.got[0].id);
                assert_true(l.got[i].deliveries <= 1);
        }
        assert_int_equal(info(f, "q").leased, 4); /* looking takes nothing */
        assert_int_equal(info(f, "q").ready, 15);
}

static void test_pages(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t ids[10], next;

        declare(f, "q");
        for (unsigned i = 0; i < 10; i++)
                ids[i] = send(f, "q", "0123456789");
        assert_int_equal(browse(f, &l, "q", 0, 4), ids[4]);
        assert_int_equal(l.n, 4);
        assert_int_equal(browse(f, &l, "q", ids[4], 4), ids[8]);
        assert_int_equal(l.got[0].id, ids[4]);
        assert_int_equal(browse(f, &l, "q", ids[8], 4), 0);
        assert_int_equal(l.n, 2);
        assert_int_equal(browse(f, &l, "q", ids[9] + 1, 4), 0);
        assert_int_equal(l.n, 0);
        assert_int_equal(browse(f, &l, "q", 0, 0), ids[0]);
        /* By bytes: as many as fit, but one. */
        l = (struct listener){0};
        assert_int_equal(core_browse(f->core, span("q"), 0, 100, 35, fixture_shown, &l, &next, &f->why), 3);
        assert_int_equal(next, ids[3]);
        l = (struct listener){0};
        assert_int_equal(core_browse(f->core, span("q"), 0, 100, 1, fixture_shown, &l, &next, &f->why), 1);
        assert_int_equal(next, ids[1]);
}

static void test_deliveries(void **state) {
        struct fixture *f = *state;
        struct listener a, l;

        declare(f, "q");
        for (unsigned i = 0; i < 4; i++)
                (void) send(f, "q", "x");
        consume(f, &a, "q", 3);
        nack(&a, a.got[1].id);
        core_credit(a.consumer, 1, 0);
        core_pump(f->core);
        (void) browse(f, &l, "q", 0, 10);
        assert_int_equal(l.got[0].deliveries, 1);
        assert_int_equal(l.got[1].deliveries, 2);
        assert_int_equal(l.got[2].deliveries, 1);
        assert_int_equal(l.got[3].deliveries, 0);
        fixture_commit(f);
        fixture_restart(f);
        (void) browse(f, &l, "q", 0, 10);
        assert_int_equal(l.got[0].deliveries, 1);
        assert_int_equal(l.got[1].deliveries, 2);
        assert_int_equal(l.got[2].deliveries, 1);
        assert_int_equal(l.got[3].deliveries, 0);
}

/* With room for hardly one block in memory, and several levels that want theirs. */
static void test_small_cache(void **state) {
        struct fixture *f = *state;
        struct listener l;

        f->options.cache_bytes_max = 1;
        core_set_limits(f->core, &f->options);
        declare(f, "q");
        for (unsigned i = 0; i < 40; i++) {
                (void) send_priority(f, "q", (i * 3) % 10, "x");
                if (i % 2)
                        fixture_commit(f);
        }
        assert_int_equal(browse(f, &l, "q", 0, 60), 0);
        assert_int_equal(l.n, 40);
        for (unsigned i = 1; i < 40; i++)
                assert_int_equal(l.got[i].id, l.got[i - 1].id + 1);
}

/* What cannot be read is passed over: taking it is what reports it. */
static void test_unreadable(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t next = 7;

        f->options.cache_bytes_max = 1;
        core_set_limits(f->core, &f->options);
        declare(f, "q");
        for (unsigned i = 0; i < 3; i++) {
                (void) send(f, "q", "x");
                fixture_commit(f);
        }
        memset(f->records[1].data, 0xff, f->records[1].size);
        assert_int_equal(browse(f, &l, "q", 0, 10), 0);
        assert_int_equal(l.n, 2);
        assert_int_equal(info(f, "q").ready, 3);
        assert_int_equal(f->n_notices, 0);
        f->load_error = -ENOMEM;
        assert_int_equal(core_browse(f->core, span("q"), 0, 10, 1, fixture_shown, &l, &next, &f->why), -ENOMEM);
        assert_int_equal(f->why.code, WIRE_CODE_INTERNAL);
        assert_int_equal(next, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_no_queue),   TEST(test_empty),       TEST(test_order),      TEST(test_pages),
                TEST(test_deliveries), TEST(test_small_cache), TEST(test_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
