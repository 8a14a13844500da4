/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many small blocks become one, and a segment is emptied; nobody notices. */

#include "tests/core/fixture.h"

static void merge_early(struct fixture *f) {
        f->options.merge_blocks_min = 1;
        f->options.cache_bytes_max = 1;
        core_set_limits(f->core, &f->options);
}

static uint64_t n_blocks(struct fixture *f) {
        struct core_counters c;

        core_counters(f->core, &c);
        return c.blocks;
}

/* n messages, each in a block of its own. */
static void send_stored(struct fixture *f, const char *subject, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                (void) send_priority(f, subject, i % 2 ? 4 : 7, "0123456789");
                fixture_commit(f);
        }
}

static void test_few_blocks_stay(void **state) {
        struct fixture *f = *state;

        declare(f, "q");
        send_stored(f, "q", 20);
        assert_int_equal(core_merge(f->core, 0), 0);
        assert_int_equal(n_blocks(f), 20);
        f->options.merge_blocks_min = 19;
        core_set_limits(f->core, &f->options);
        assert_int_equal(core_merge(f->core, 0), 1);
}

static void test_merging(void **state) {
        struct fixture *f = *state;
        struct core_counters c;
        struct listener before, after;

        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "q");
        send_stored(f, "q", 20);
        (void) browse(f, &before, "q", 0, 60);
        merge_early(f);
        assert_int_equal(core_merge(f->core, 0), 1);
        assert_int_equal(core_pending(f->core), CORE_PENDING_LAZY);
        assert_int_equal(n_blocks(f), 1);
        assert_int_equal(fixture_n_retained(f), 0);
        fixture_commit(f);
        assert_int_equal(fixture_n_retained(f), 1);
        core_counters(f->core, &c);
        assert_int_equal(c.merges, 1);
        assert_int_equal(c.messages, 40);
        assert_int_equal(c.bytes, 400);
        (void) browse(f, &after, "q", 0, 60);
        assert_memory_equal(&before, &after, sizeof(before));
        fixture_restart(f);
        (void) browse(f, &after, "q", 0, 60);
        assert_memory_equal(&before, &after, sizeof(before));
        (void) browse(f, &after, "r", 0, 60);
        assert_int_equal(after.n, 20);
        assert_int_equal(info(f, "q").bytes, 200);
}

/* Leases stay leases, what was given back keeps its place, and what is settled stays so, there as here. */
static void test_merging_what_is_handed_out(void **state) {
        struct fixture *f = *state;
        struct listener a, b, c;

        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "q");
        send_stored(f, "q", 20);
        consume(f, &a, "q", 8);
        nack(&a, a.got[3].id);
        ack(&a, a.got[1].id);
        fixture_commit(f);
        merge_early(f);
        assert_int_equal(core_merge(f->core, 0), 1);
        ack(&a, a.got[0].id);
        fixture_commit(f);
        consume(f, &b, "q", 1);
        assert_int_equal(b.got[0].id, a.got[3].id);
        assert_int_equal(b.got[0].deliveries, 2);
        assert_int_equal(core_settle(a.consumer, 1, 1000, CORE_ACK), 5);
        ack(&b, b.got[0].id);
        consume(f, &c, "q", 60);
        assert_int_equal(c.n, 12);
        for (unsigned i = 0; i < c.n; i++)
                assert_int_equal(c.got[i].deliveries, 1);
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 12);
        assert_int_equal(info(f, "q").bytes, 120);
        assert_int_equal(info(f, "r").ready, 20);
}

/* After a start nothing says how far a queue was handed out but its own extents: what one queue has settled does not
 * come back with what another one holds. */
static void test_merging_what_one_queue_settled(void **state) {
        struct fixture *f = *state;
        struct listener l, again;

        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "q");
        send_stored(f, "q", 20);
        fixture_rotate(f);
        consume(f, &l, "r", 20);
        for (unsigned i = 0; i < 10; i++)
                ack(&l, l.got[i % 5 + i / 5 * 10].id); /* the first five of each priority */
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(info(f, "r").ready, 10);
        merge_early(f);
        assert_int_equal(core_merge(f->core, 0), 1);
        fixture_commit(f);
        consume(f, &again, "r", 60);
        assert_int_equal(again.n, 10);
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(again.got[i].id, l.got[5 + i % 5 + i / 5 * 10].id);
        assert_int_equal(info(f, "r").damaged, 0);
        assert_int_equal(info(f, "q").ready, 20);
}

/* The copies were not written: all is as before. */
static void test_losing_the_merged_block(void **state) {
        struct fixture *f = *state;
        struct listener before, after;

        declare(f, "q");
        send_stored(f, "q", 20);
        (void) browse(f, &before, "q", 0, 60);
        merge_early(f);
        assert_true(fixture_begin(f, false));
        assert_int_equal(n_blocks(f), 1);
        fixture_lose(f);
        fixture_restart(f);
        (void) browse(f, &after, "q", 0, 60);
        assert_memory_equal(&before, &after, sizeof(before));
}

static void test_emptying_a_segment(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t bytes = 0;

        declare(f, "q");
        send_stored(f, "q", 3); /* segment 1 */
        fixture_commit(f);
        (void) send(f, "q", "second");
        fixture_rotate(f);
        send_stored(f, "q", 3); /* segment 2, with it */
        (void) send(f, "q", "third");
        fixture_rotate(f);
        consume(f, &l, "q", 60);
        assert_int_equal(l.n, 8);
        assert_int_equal(core_settle(l.consumer, 1, 2, CORE_ACK), 2);
        fixture_commit(f);
        assert_int_equal(core_emptiest_segment(f->core, 3, &bytes), 1);
        assert_true(bytes >= 10 && bytes < 200);
        assert_int_equal(core_emptiest_segment(f->core, 1, &bytes), 3);
        assert_int_equal(core_merge(f->core, 1), 1);
        assert_int_equal(f->records[2].retains, 0);
        fixture_commit(f);
        for (size_t i = 0; i < f->segments[1]; i++)
                assert_int_equal(f->records[i].retains, 0);
        assert_int_equal(core_merge(f->core, 1), 0);
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 6);
        consume(f, &l, "q", 60);
        assert_int_equal(l.n, 6);
        assert_int_equal(core_settle(l.consumer, 1, 1000, CORE_ACK), 6);
        assert_int_equal(core_emptiest_segment(f->core, 0, &bytes), 0);
        assert_int_equal(bytes, 0);
}

/* A block that cannot be read is left where it is, and its neighbours too in that step; nothing is lost of the others.
 */
static void test_unreadable(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        merge_early(f);
        send_stored(f, "q", 3);
        f->load_error = -ENOMEM;
        assert_int_equal(core_merge(f->core, 1), -ENOMEM);
        f->load_error = 0;
        memset(f->records[1].data, 0xff, f->records[1].size);
        assert_int_equal(core_merge(f->core, 1), 0);
        for (unsigned i = 0; i < 4; i++)
                (void) core_merge(f->core, 1);
        fixture_commit(f);
        consume(f, &l, "q", 5);
        assert_int_equal(l.n, 2);
        assert_int_equal(info(f, "q").damaged, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_few_blocks_stay),
                TEST(test_merging),
                TEST(test_merging_what_is_handed_out),
                TEST(test_merging_what_one_queue_settled),
                TEST(test_losing_the_merged_block),
                TEST(test_emptying_a_segment),
                TEST(test_unreadable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
