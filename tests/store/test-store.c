/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Commits, reopening, rotation and reading, on a store that nothing happens to. */

#include "tests/store/fixture.h"

#include <poll.h>

static void empty_store(void **state) {
        struct fixture *f = *state;
        uint8_t *data;
        size_t size;

        fixture_open(f);
        assert_int_equal(f->n_checkpoints, 0);
        assert_int_equal(f->n_records, 0);
        assert_int_equal(f->n_notices, 0);
        assert_true(store_must_rotate(f->store, 1, 1));
        assert_int_equal(store_read(f->store, (struct store_location){1, 0}, &data, &size), -ENOENT);
        fixture_reopen(f);
        assert_int_equal(f->n_checkpoints, 0);
        assert_int_equal(f->n_notices, 0);
}

static void commit_and_reopen(void **state) {
        struct fixture *f = *state;
        struct store_location where[3];

        fixture_open(f);
        fixture_rotate(f, "definitions");
        assert_false(store_must_rotate(f->store, 1, 100));
        where[0] = fixture_put(f, "one");
        where[1] = fixture_put(f, "");
        where[2] = fixture_put(f, "three");
        assert_int_equal(where[2].segment, where[0].segment);
        assert_int_equal(where[0].record, 0);
        assert_int_equal(where[2].record, 2);
        assert_readable(f, where[0], "one");
        assert_readable(f, where[1], "");

        fixture_reopen(f);
        assert_checkpoint(f, "definitions");
        assert_int_equal(f->n_records, 3);
        assert_replayed(f, 0, "one");
        assert_replayed(f, 1, "");
        assert_replayed(f, 2, "three");
        assert_memory_equal(&f->records[2].where, &where[2], sizeof where[2]);
        assert_int_equal(f->n_notices, 0);
        assert_readable(f, where[2], "three");
        assert_true(store_must_rotate(f->store, 1, 1));
}

static void commits_of_several_records(void **state) {
        struct fixture *f = *state;
        struct store_counters n;

        fixture_open(f);
        fixture_rotate(f, "");
        fixture_put_all(f, (const char *[]){"a", "b", "c"}, 3);
        fixture_put(f, "d");
        fixture_put_all(f, (const char *[]){"e", "f"}, 2);
        n = fixture_counters(f);
        assert_int_equal(n.commits, 4);
        assert_int_equal(n.syncs, 4);
        assert_int_equal(n.records, 6);
        assert_int_equal(n.record_bytes, 6);
        assert_int_equal(n.checkpoints, 1);
        fixture_reopen(f);
        assert_checkpoint(f, "");
        assert_int_equal(f->n_records, 6);
        assert_replayed(f, 0, "a");
        assert_replayed(f, 3, "d");
        assert_replayed(f, 5, "f");
}

static void checkpoint_covers_its_records(void **state) {
        struct fixture *f = *state;
        struct store_part parts[2] = {{(const uint8_t *) "x", 1}, {(const uint8_t *) "yy", 2}};
        struct store_commit c = {
                .records = parts, .n_records = 2, .checkpoint = (const uint8_t *) "second", .checkpoint_bytes = 6};
        struct store_location where;

        fixture_open(f);
        fixture_rotate(f, "first");
        fixture_put(f, "before");
        assert_int_equal(store_rotate(f->store), 0);
        where = store_next(f->store);
        assert_int_equal(store_commit_here(f->store, &c), 0);
        fixture_put(f, "after");
        store_retain(f->store, where);
        fixture_reopen(f);
        assert_checkpoint(f, "second");
        assert_int_equal(f->n_records, 1);
        assert_replayed(f, 0, "after");
        assert_readable(f, where, "x");
        where.record++;
        assert_readable(f, where, "yy");
}

static uint8_t *pattern(size_t size, unsigned seed) {
        uint8_t *p = malloc(size);

        assert_non_null(p);
        for (size_t i = 0; i < size; i++)
                p[i] = (uint8_t) ((i * 2654435761u + seed) >> 11);
        return p;
}

static void large_checkpoint_and_records(void **state) {
        struct fixture *f = *state;
        size_t checkpoint_bytes = 1500000, record_bytes;
        uint8_t *checkpoint = pattern(checkpoint_bytes, 1), *record, *data;
        struct store_part part;
        struct store_commit c = {.checkpoint = checkpoint, .checkpoint_bytes = checkpoint_bytes};
        struct store_location where;
        size_t size;

        f->segment_bytes = STORE_SEGMENT_BYTES_USER;
        fixture_open(f);
        record_bytes = store_record_bytes_max(f->store);
        assert_true(record_bytes >= STORE_RECORD_BYTES_TARGET);
        record = pattern(record_bytes, 2);
        assert_int_equal(store_rotate(f->store), 0);
        assert_int_equal(store_commit_here(f->store, &c), 0);
        where = store_next(f->store);
        part = (struct store_part){.data = record, .size = record_bytes};
        c = (struct store_commit){.records = &part, .n_records = 1};
        assert_int_equal(store_commit_here(f->store, &c), 0);
        part.size++;
        assert_int_equal(store_commit_here(f->store, &c), -EMSGSIZE);

        fixture_reopen(f);
        assert_int_equal(f->checkpoint_bytes, checkpoint_bytes);
        assert_memory_equal(f->checkpoint, checkpoint, checkpoint_bytes);
        assert_int_equal(f->n_records, 1);
        assert_int_equal(f->records[0].size, record_bytes);
        assert_int_equal(store_read(f->store, where, &data, &size), 0);
        assert_int_equal(size, record_bytes);
        assert_memory_equal(data, record, size);
        free(data);
        free(record);
        free(checkpoint);
}

/* Fills several segments; after each reopen everything since the last checkpoint is there, and all is readable. */
static void rotation(void **state) {
        struct fixture *f = *state;
        static uint8_t payload[20000];
        struct store_part part = {.data = payload, .size = sizeof payload};
        struct store_location first = {0, 0}, last = {0, 0};
        unsigned n = 0, n_rotations = 0, since = 0;
        uint8_t *data;
        size_t size;

        fixture_open(f);
        while (n_rotations < 5) {
                struct store_commit c = {.records = &part, .n_records = 1};
                char checkpoint[32];

                if (store_must_rotate(f->store, 1, sizeof payload)) {
                        assert_int_equal(store_rotate(f->store), 0);
                        assert_int_equal(store_rotate(f->store), 0); /* nothing has used it yet */
                        assert_int_equal(store_commit_here(f->store, &c), -EINVAL);
                        (void) snprintf(checkpoint, sizeof checkpoint, "after %u", n + 1);
                        c.checkpoint = (const uint8_t *) checkpoint;
                        c.checkpoint_bytes = strlen(checkpoint);
                        n_rotations++;
                        since = 0;
                } else
                        since++;
                memcpy(payload, &n, sizeof n);
                last = store_next(f->store);
                if (n++ == 0)
                        first = last;
                store_retain(f->store, last);
                assert_int_equal(store_commit_here(f->store, &c), 0);
        }
        assert_true(n > 100);
        assert_true(last.segment > first.segment);
        fixture_reopen(f);
        assert_int_equal(f->n_records, since);
        assert_int_equal(f->n_checkpoints, 1);
        (void) first;
        assert_int_equal(store_read(f->store, last, &data, &size), 0);
        assert_int_equal(size, sizeof payload);
        n--;
        assert_memory_equal(data, &n, sizeof n);
        free(data);
}

static void misuse_is_refused(void **state) {
        struct fixture *f = *state;
        struct store_part part = {(const uint8_t *) "x", 1};
        struct store_commit records = {.records = &part, .n_records = 1};
        struct store_commit checkpoint = {.checkpoint = (const uint8_t *) "c", .checkpoint_bytes = 1};
        struct store_commit nothing = {0};

        f->segment_bytes = 4096;
        assert_int_equal(fixture_try_open(f), -EINVAL);
        f->segment_bytes = 1ull << 32;
        assert_int_equal(fixture_try_open(f), -EINVAL);
        assert_null(f->store);
        f->segment_bytes = SEGMENT_BYTES;
        assert_int_equal(fixture_try_open(f), 0);
        assert_int_equal(store_rotate(f->store), -EINVAL); /* not started */
        assert_int_equal(store_start(f->store), 0);
        assert_int_equal(store_commit_here(f->store, &records), -EINVAL);
        assert_int_equal(store_commit_here(f->store, &checkpoint), -EINVAL);
        assert_int_equal(store_rotate(f->store), 0);
        assert_int_equal(store_commit_here(f->store, &records), -EINVAL);
        assert_int_equal(store_commit_here(f->store, &nothing), 0);
        assert_int_equal(store_commit_here(f->store, &checkpoint), 0);
        assert_int_equal(store_commit_here(f->store, &checkpoint), -EINVAL);
        assert_int_equal(store_commit_here(f->store, &nothing), 0);
        assert_int_equal(store_commit_here(f->store, &records), 0);
        assert_int_equal(store_commit_poll(f->store), 0);
        fixture_reopen(f);
        assert_int_equal(f->n_records, 1);
}

static void one_store_a_directory(void **state) {
        struct fixture *f = *state;
        struct fixture second = *f;

        fixture_open(f);
        second.store = NULL;
        assert_int_equal(fixture_try_open(&second), -EBUSY);
        assert_null(second.store);
        (void) snprintf(second.directory, sizeof second.directory, "/nonexistent/lodge");
        assert_int_equal(fixture_try_open(&second), -ENOENT);
        fixture_forget(&second);
}

/* ---- the thread -------------------------------------------------------- */

static void begin_and_wait(struct fixture *f, const struct store_commit *c) {
        struct pollfd p = {.fd = store_fd(f->store), .events = POLLIN};
        int r;

        assert_int_equal(store_commit_begin(f->store, c), 0);
        assert_int_equal(store_commit_begin(f->store, c), -EBUSY);
        assert_int_equal(poll(&p, 1, -1), 1);
        r = store_commit_poll(f->store);
        assert_int_equal(r, 1);
        assert_int_equal(poll(&p, 1, 0), 0);
        assert_int_equal(store_commit_poll(f->store), 0);
}

static void thread_commits_equal_commits_here(void **state) {
        struct fixture *f = *state;
        struct store_commit checkpoint = {.checkpoint = (const uint8_t *) "state", .checkpoint_bytes = 5};
        struct store_commit nothing = {0};
        char text[16];
        struct store_part part = {.data = (const uint8_t *) text};
        struct store_commit c = {.records = &part, .n_records = 1};

        fixture_open(f);
        assert_int_equal(store_rotate(f->store), 0);
        begin_and_wait(f, &checkpoint);
        for (unsigned i = 0; i < 40; i++) {
                part.size = (size_t) snprintf(text, sizeof text, "message %u", i);
                if (i % 3 == 0)
                        assert_int_equal(store_commit_here(f->store, &c), 0);
                else if (i % 3 == 1)
                        begin_and_wait(f, &c);
                else {
                        assert_int_equal(store_commit_begin(f->store, &c), 0);
                        assert_int_equal(store_next(f->store).record, i + 1);
                        assert_int_equal(store_commit_wait(f->store), 1);
                        assert_int_equal(store_commit_wait(f->store), 0);
                }
        }
        begin_and_wait(f, &nothing);
        /* Closing takes a running commit along. */
        part.size = (size_t) snprintf(text, sizeof text, "last");
        assert_int_equal(store_commit_begin(f->store, &c), 0);
        fixture_reopen(f);
        assert_checkpoint(f, "state");
        assert_int_equal(f->n_records, 41);
        assert_replayed(f, 0, "message 0");
        assert_replayed(f, 39, "message 39");
        assert_replayed(f, 40, "last");
        assert_int_equal(f->n_notices, 0);
}

/* Reading and rotating while the thread stores. */
static void loop_goes_on_beside_the_thread(void **state) {
        struct fixture *f = *state;
        static uint8_t payload[30000];
        struct store_part part = {.data = payload, .size = sizeof payload};
        struct store_commit c = {.records = &part, .n_records = 1};
        struct store_location where, before = {0, 0};

        f->segment_bytes = 2 * SEGMENT_BYTES;
        fixture_open(f);
        for (unsigned i = 0; i < 300; i++) {
                c.checkpoint = NULL;
                if (store_must_rotate(f->store, 1, sizeof payload)) {
                        assert_int_equal(store_rotate(f->store), 0);
                        c.checkpoint = payload;
                        c.checkpoint_bytes = 100;
                }
                where = store_next(f->store);
                store_retain(f->store, where);
                if (i > 0)
                        assert_int_equal(store_commit_wait(f->store), 1);
                assert_int_equal(store_commit_begin(f->store, &c), 0);
                if (i > 0) {
                        uint8_t *data;
                        size_t size;

                        assert_int_equal(store_read(f->store, before, &data, &size), 0);
                        assert_int_equal(size, sizeof payload);
                        free(data);
                        store_release(f->store, before);
                }
                before = where;
        }
        assert_int_equal(store_commit_wait(f->store), 1);
        assert_true(fixture_counters(f).segments_recycled > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(empty_store, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(commit_and_reopen, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(commits_of_several_records, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(checkpoint_covers_its_records, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(large_checkpoint_and_records, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(rotation, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(misuse_is_refused, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(one_store_a_directory, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(thread_commits_equal_commits_here, fixture_setup, fixture_teardown),
                cmocka_unit_test_setup_teardown(loop_goes_on_beside_the_thread, fixture_setup, fixture_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
