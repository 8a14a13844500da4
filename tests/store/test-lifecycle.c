/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When segments are recycled, and when not. */

#include "tests/store/fixture.h"

#include "daemon/store/state.h"

static void settle(struct fixture *f) {
        worker_wait_idle(f->store->worker);
}

static void live_segment_stays(void **state) {
        struct fixture *f = *state;
        struct store_location kept;

        fixture_open(f);
        fixture_rotate(f, "1");
        kept = fixture_put(f, "kept");
        store_retain(f->store, kept);
        store_retain(f->store, kept);
        for (unsigned i = 0; i < 6; i++) {
                fixture_rotate(f, "n");
                fixture_put(f, "gone");
        }
        assert_readable(f, kept, "kept");
        store_release(f->store, kept);
        fixture_rotate(f, "n");
        assert_readable(f, kept, "kept");
        store_release(f->store, kept);
        assert_readable(f, kept, "kept"); /* what released it is not on disk yet */
        fixture_put(f, "settled");
        settle(f);
        assert_null(catalog_find(&f->store->catalog, kept.segment));
        assert_true(f->store->catalog.n <= 2);
}

static void release_needs_a_commit_that_began_after_it(void **state) {
        struct fixture *f = *state;
        struct store_part part = {(const uint8_t *) "x", 1};
        struct store_commit c = {.records = &part, .n_records = 1};
        struct store_location where;

        fixture_open(f);
        fixture_rotate(f, "1");
        where = fixture_put(f, "message");
        store_retain(f->store, where);
        fixture_rotate(f, "2");
        /* The commit that runs when it is released cannot tell of it. */
        assert_int_equal(store_commit_begin(f->store, &c), 0);
        store_release(f->store, where);
        assert_int_equal(store_commit_wait(f->store), 1);
        assert_readable(f, where, "message");
        assert_int_equal(store_commit_begin(f->store, &c), 0);
        assert_int_equal(store_commit_wait(f->store), 1);
        assert_null(catalog_find(&f->store->catalog, where.segment));
}

static void base_stays_until_the_next_checkpoint(void **state) {
        struct fixture *f = *state;
        uint32_t base;

        fixture_open(f);
        fixture_rotate(f, "1");
        base = fixture_put(f, "x").segment;
        fixture_put(f, "y");
        assert_non_null(catalog_find(&f->store->catalog, base));
        assert_int_equal(store_rotate(f->store), 0);
        assert_non_null(catalog_find(&f->store->catalog, base)); /* the new one has no checkpoint yet */
        fixture_rotate(f, "2");
        assert_null(catalog_find(&f->store->catalog, base));
}

static void retained_on_replay_stays(void **state) {
        struct fixture *f = *state;
        struct store_location where;

        fixture_open(f);
        fixture_rotate(f, "1");
        where = fixture_put(f, "message");
        f->retain = true;
        fixture_reopen(f);
        assert_int_equal(f->n_records, 1);
        fixture_rotate(f, "2");
        fixture_rotate(f, "3");
        assert_readable(f, where, "message");
        /* An unknown record does no harm. */
        store_release(f->store, (struct store_location){4711, 1});
        store_retain(f->store, (struct store_location){4711, 1});
        store_release(f->store, where);
        store_release(f->store, where);
        fixture_put(f, "settled");
        assert_null(catalog_find(&f->store->catalog, where.segment));
}

static void steady_traffic_recycles(void **state) {
        struct fixture *f = *state;
        struct store_counters n;

        fixture_open(f);
        for (unsigned i = 0; i < 30; i++) {
                fixture_rotate(f, "state");
                fixture_put(f, "message");
                settle(f);
        }
        n = fixture_counters(f);
        assert_true(n.segments_created <= 4);
        assert_true(n.segments_recycled >= 25);
        assert_true(n.segments <= 4);
        assert_int_equal(n.disk_bytes, n.segments * SEGMENT_BYTES);
        assert_int_equal(f->store->running->number, f->store->base);
}

static void backlog_is_given_back(void **state) {
        struct fixture *f = *state;
        struct store_location where[20];
        struct directory_item *items;
        struct store_counters n;
        size_t n_items;

        fixture_open(f);
        for (unsigned i = 0; i < 20; i++) {
                fixture_rotate(f, "state");
                where[i] = fixture_put(f, "message");
                store_retain(f->store, where[i]);
        }
        assert_true(fixture_counters(f).segments >= 20);
        for (unsigned i = 0; i < 20; i++)
                assert_readable(f, where[i], "message"); /* more than are kept open */
        for (unsigned i = 0; i < 20; i++)
                store_release(f->store, where[i]);
        fixture_put(f, "settled");
        settle(f);
        n = fixture_counters(f);
        assert_true(n.segments <= 4);
        assert_int_equal(directory_list(&f->store->directory, &items, &n_items, NULL, NULL), 0);
        assert_true(n_items <= 4);
        free(items);
}

static void spare_is_ready(void **state) {
        struct fixture *f = *state;

        fixture_open(f);
        settle(f);
        fixture_rotate(f, "1");
        settle(f);
        assert_true(store_spare_ready(f->store));
        assert_int_equal(f->n_notices, 0);
}

/* A spare from a former run is used again under a new number, so that nothing torn in it can count. */
static void left_over_spare_is_renumbered(void **state) {
        struct fixture *f = *state;
        uint32_t before;

        fixture_open(f);
        fixture_rotate(f, "1");
        settle(f);
        before = f->store->running->number;
        fixture_reopen(f);
        assert_int_equal(f->n_notices, 0);
        settle(f);
        assert_int_equal(fixture_counters(f).segments_created, 0);
        fixture_rotate(f, "2");
        assert_true(f->store->running->number > before + 1);
        fixture_reopen(f);
        assert_checkpoint(f, "2");
}

static void other_segment_size(void **state) {
        struct fixture *f = *state;
        struct store_location where;

        fixture_open(f);
        fixture_rotate(f, "1");
        where = fixture_put(f, "message");
        settle(f);
        f->segment_bytes = 2 * SEGMENT_BYTES;
        f->retain = true;
        fixture_reopen(f);
        assert_readable(f, where, "message");
        fixture_rotate(f, "2");
        assert_int_equal(f->store->running->file_bytes, 2 * SEGMENT_BYTES);
        store_release(f->store, where);
        fixture_put(f, "settled");
        settle(f);
        assert_int_equal(fixture_counters(f).disk_bytes, fixture_counters(f).segments * 2 * SEGMENT_BYTES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(live_segment_stays, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(release_needs_a_commit_that_began_after_it, fixture_setup,
                                                fixture_teardown),
                cmocka_unit_test_setup_teardown(base_stays_until_the_next_checkpoint, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(retained_on_replay_stays, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(steady_traffic_recycles, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(backlog_is_given_back, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(spare_is_ready, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(left_over_spare_is_renumbered, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(other_segment_size, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
