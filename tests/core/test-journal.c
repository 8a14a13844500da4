/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is to be written, when, and what is kept in memory. */

#include "tests/core/fixture.h"

/* The kinds of all entries in the records from `first` on, as letters. */
static const char *written(struct fixture *f, size_t first) {
        static const char letters[] = "?MVSDATQBUXIG"; /* message, void, sender, settled, attempts, taken, queue, … */
        static char text[128];
        struct entry entry;
        size_t n = 0;

        for (size_t i = first; i < f->n_records; i++)
                for (size_t offset = 0; entry_at(f->records[i].data, f->records[i].size, offset, &entry) > 0;
                     offset += entry.size) {
                        assert_true(n < sizeof(text) - 1 && entry.kind < sizeof(letters) - 1);
                        text[n++] = entry.kind == ENTRY_SETTLED ? 'D' : letters[entry.kind];
                }
        text[n] = '\0';
        return text;
}

static void test_pending(void **state) {
        struct fixture *f = *state;
        struct listener l;

        assert_int_equal(core_pending(f->core), CORE_PENDING_NOTHING);
        assert_int_equal(core_pending_bytes(f->core), 0);
        declare(f, "q");
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT);
        fixture_commit(f);
        assert_int_equal(core_pending(f->core), CORE_PENDING_NOTHING);
        (void) send(f, "q", "x");
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT);
        assert_true(core_pending_bytes(f->core) > 0);
        fixture_commit(f);
        /* Nobody waits for an ack, unless it asks for an answer. */
        consume(f, &l, "q", 1);
        assert_int_equal(core_pending(f->core), CORE_PENDING_NOTHING);
        ack(&l, l.got[0].id);
        assert_int_equal(core_pending(f->core), CORE_PENDING_LAZY);
        core_urge(f->core);
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT);
        fixture_commit(f);
        bind(f, "q", "a");
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT);
}

static void test_nothing_to_write(void **state) {
        struct fixture *f = *state;

        assert_false(fixture_begin(f, false));
        core_urge(f->core);
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT);
        assert_false(fixture_begin(f, false));
        assert_int_equal(core_pending(f->core), CORE_PENDING_NOTHING);
}

/* A message that is settled before it is written leaves nothing to write. */
static void test_settled_before_written(void **state) {
        struct fixture *f = *state;
        struct core_counters c;
        struct listener l;

        declare(f, "q");
        fixture_commit(f);
        consume(f, &l, "q", 60);
        for (unsigned i = 0; i < 50; i++)
                (void) send(f, "q", "x");
        core_pump(f->core);
        for (unsigned i = 0; i < 50; i++)
                ack(&l, l.got[i].id);
        assert_false(fixture_begin(f, false));
        core_counters(f->core, &c);
        assert_int_equal(c.blocks, 0);
        assert_int_equal(c.messages, 0);
        /* One that is not settled is written alone. */
        (void) send(f, "q", "x");
        (void) send(f, "q", "y");
        core_pump(f->core);
        ack(&l, l.got[50].id);
        fixture_commit(f);
        assert_string_equal(written(f, 1), "SMT");
}

/* Another destination still waits, or an entry speaks of it: then it is written. */
static void test_settled_but_written(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        declare(f, "r");
        bind(f, "r", "a");
        bind(f, "q", "a");
        fixture_commit(f);
        consume(f, &l, "q", 9);
        (void) send(f, "a", "x");
        core_pump(f->core);
        ack(&l, l.got[0].id);
        fixture_commit(f);
        assert_string_equal(written(f, 1), "SMD");
        (void) send(f, "q", "x");
        core_pump(f->core);
        nack(&l, l.got[1].id);
        core_pump(f->core);
        ack(&l, l.got[2].id);
        fixture_commit(f);
        assert_string_equal(written(f, 2), "SMAD");
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 0);
        assert_int_equal(info(f, "r").ready, 1);
}

/* Sent and given back, then settled, all before it was written: nothing comes back instead of it. */
static void test_given_back_before_written(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t first, last;

        declare(f, "q");
        fixture_commit(f);
        consume(f, &l, "q", 2);
        first = send(f, "q", "first");
        (void) send(f, "q", "settled");
        core_pump(f->core);
        nack(&l, l.got[1].id);
        core_credit(l.consumer, 1, 0);
        core_pump(f->core);
        ack(&l, l.got[2].id);
        last = send(f, "q", "last");
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 2);
        consume(f, &l, "q", 9);
        assert_int_equal(l.n, 2);
        assert_int_equal(l.got[0].id, first);
        assert_int_equal(l.got[1].id, last);
        assert_int_equal(info(f, "q").damaged, 0);
}

static void test_blocks_have_a_target_size(void **state) {
        struct fixture *f = *state;
        uint8_t *body = calloc(1, 100000);
        uint64_t id;
        size_t n;

        assert_non_null(body);
        declare(f, "q");
        for (unsigned i = 0; i < 10; i++)
                assert_int_equal(try_send(f, "q", 4, (struct wire_span){body, 100000}, &id), 0);
        assert_int_equal(try_send(f, "q", 4, (struct wire_span){body, 100000}, &id), 0);
        (void) send(f, "q", "x");
        assert_true(core_pending_bytes(f->core) > 1100000);
        fixture_commit(f);
        n = f->n_records;
        assert_int_equal(n, 6);
        for (size_t i = 0; i < n; i++)
                assert_true(f->records[i].size <= BLOCK_BYTES_TARGET);
        free(body);
        /* A larger message has one of its own. */
        body = calloc(1, 1000000);
        assert_int_equal(try_send(f, "q", 4, (struct wire_span){body, 1000000}, &id), 0);
        (void) send(f, "q", "x");
        fixture_commit(f);
        assert_int_equal(f->n_records, n + 2);
        assert_true(f->records[n].size > 1000000);
        assert_true(f->records[n + 1].size < 200);
        free(body);
}

static void test_cache_budget(void **state) {
        struct fixture *f = *state;
        uint8_t *body = calloc(1, 10000);
        struct core_counters c;
        struct listener l;
        uint64_t id, next;

        assert_non_null(body);
        f->options.cache_bytes_max = 50000;
        core_set_limits(f->core, &f->options);
        declare(f, "q");
        for (unsigned i = 0; i < 20; i++) {
                assert_int_equal(try_send(f, "q", 4, (struct wire_span){body, 10000}, &id), 0);
                fixture_commit(f);
                core_counters(f->core, &c);
                assert_true(c.cached_bytes <= 50000);
        }
        free(body);
        assert_true(c.cached_bytes > 30000);
        /* What was looked at last stays. */
        next = browse(f, &l, "q", 0, 1);
        assert_int_equal(next, l.got[0].id + 1);
        assert_int_equal(f->n_loads, 2); /* it and the next one */
        (void) browse(f, &l, "q", 0, 1);
        assert_int_equal(f->n_loads, 2);
        (void) browse(f, &l, "q", 0, 60);
        assert_int_equal(l.n, 20);
        core_counters(f->core, &c);
        assert_true(c.cached_bytes <= 50000);
}

/* Ids of messages that left no trace are noted now and then. */
static void test_ids_are_noted(void **state) {
        struct fixture *f = *state;
        struct listener *l = calloc(1, sizeof(*l));
        uint64_t last = 0;

        assert_non_null(l);
        declare(f, "q");
        fixture_commit(f);
        consume(f, l, "q", UINT32_MAX);
        for (unsigned i = 0; i < (1u << 18); i++) {
                last = send(f, "q", "x");
                core_pump(f->core);
                l->n = 0;
                ack(l, last);
        }
        fixture_commit(f);
        assert_int_equal(f->n_records, 2);
        assert_string_equal(written(f, 1), "SI");
        assert_false(fixture_begin(f, false));
        fixture_restart(f);
        assert_true(send(f, "q", "x") > last);
        free(l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_pending),
                TEST(test_nothing_to_write),
                TEST(test_settled_before_written),
                TEST(test_settled_but_written),
                TEST(test_given_back_before_written),
                TEST(test_blocks_have_a_target_size),
                TEST(test_cache_budget),
                TEST(test_ids_are_noted),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
