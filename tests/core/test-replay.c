/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a new core knows from what the old one wrote. */

#include "tests/core/fixture.h"

static void test_nothing(void **state) {
        struct fixture *f = *state;

        fixture_restart(f);
        declare(f, "q");
        assert_true(send(f, "q", "x") > 0);
}

static void test_messages_come_back(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t ids[6];

        declare(f, "q");
        for (unsigned i = 0; i < 6; i++) {
                ids[i] = send_priority(f, "q", i % 2 ? 4 : 9, i % 2 ? "low" : "high");
                if (i == 2)
                        fixture_commit(f);
        }
        f->now_us = 123;
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 6);
        assert_int_equal(info(f, "q").bytes, 3 * 3 + 3 * 4);
        assert_int_equal(fixture_n_retained(f), 2);
        consume(f, &l, "q", 10);
        assert_int_equal(l.n, 6);
        for (unsigned i = 0; i < 3; i++) {
                assert_int_equal(l.got[i].id, ids[2 * i]);
                assert_string_equal(l.got[i].body, "high");
                assert_int_equal(l.got[3 + i].id, ids[2 * i + 1]);
                assert_int_equal(l.got[3 + i].time_us, 1000000);
                assert_int_equal(l.got[3 + i].deliveries, 1);
        }
        assert_int_equal(core_settle(l.consumer, ids[0], 6, CORE_ACK), 6);
        fixture_commit(f);
        assert_int_equal(fixture_n_retained(f), 0);
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 0);
        assert_int_equal(info(f, "q").bytes, 0);
        assert_int_equal(fixture_n_retained(f), 0);
}

static void test_what_was_not_written_is_gone(void **state) {
        struct fixture *f = *state;
        uint64_t kept, running, open;

        declare(f, "q");
        kept = send(f, "q", "kept");
        fixture_commit(f);
        running = send(f, "q", "being written");
        assert_true(fixture_begin(f, false));
        open = send(f, "q", "not even that");
        fixture_lose(f);
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 1);
        /* But no number is given twice. */
        assert_true(kept < running && running < open && open < send(f, "q", "x"));
}

static void test_ids_are_never_given_twice(void **state) {
        struct fixture *f = *state;
        uint64_t last = 0;

        declare(f, "q");
        fixture_commit(f);
        for (unsigned i = 0; i < 20; i++) {
                uint64_t id = send(f, "q", "never written");

                assert_true(id > last);
                last = id;
                fixture_restart(f);
        }
}

/* One queue settled it, the other did not, and the next message is in the same block: nothing comes twice, nothing is
 * lost. */
static void test_settled_in_its_own_block(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t first, second;

        declare(f, "a");
        declare(f, "b");
        bind(f, "b", "a");
        fixture_commit(f);
        consume(f, &l, "b", 1);
        first = send(f, "a", "first");
        core_pump(f->core);
        ack(&l, first);
        second = send(f, "a", "second");
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(info(f, "b").ready, 1);
        (void) browse(f, &l, "b", 0, 5);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.got[0].id, second);
        fixture_restart(f); /* from a checkpoint of that */
        consume(f, &l, "b", 5);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.got[0].id, second);
        consume(f, &l, "a", 5);
        assert_int_equal(l.n, 2);
        assert_int_equal(l.got[0].id, first);
}

/* The bytes of a run are those of all its messages together: what of it is known one by one counts exactly. */
static void test_bytes_of_settled_runs(void **state) {
        static const char *const bodies[] = {"1", "22", "333", "4444", "55555", "666666"};
        struct fixture *f = *state;
        struct listener l;
        uint64_t ids[6];

        declare(f, "q");
        for (unsigned i = 0; i < 6; i++)
                ids[i] = send(f, "q", bodies[i]);
        consume(f, &l, "q", 2);
        fixture_rotate(f); /* its checkpoint knows of two leases */
        core_credit(l.consumer, 3, 0);
        core_pump(f->core);
        assert_int_equal(core_settle(l.consumer, ids[0], 5, CORE_ACK), 5);
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(info(f, "q").ready, 1);
        assert_int_equal(info(f, "q").bytes, 6);
        consume(f, &l, "q", 1);
        ack(&l, ids[5]);
        assert_int_equal(info(f, "q").bytes, 0);
}

/* ---- how often ---- */

/* Restarts and takes everything: the counts that it comes with, as digits. */
static const char *counts(struct fixture *f, struct listener *l) {
        static char text[16];

        fixture_restart(f);
        consume(f, l, "q", 9);
        for (size_t i = 0; i < l->n; i++)
                text[i] = (char) ('0' + l->got[i].deliveries);
        text[l->n] = '\0';
        return text;
}

static void test_handed_out_is_marked(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        for (unsigned i = 0; i < 4; i++)
                (void) send(f, "q", "x");
        consume(f, &l, "q", 2);
        fixture_commit(f);
        assert_string_equal(counts(f, &l), "2211");
        /* Nothing of that was written, so the same again. */
        assert_string_equal(counts(f, &l), "2211");
        (void) send(f, "q", "x");
        fixture_commit(f);
        assert_string_equal(counts(f, &l), "33221");
        fixture_rotate(f);
        (void) send(f, "q", "x");
        fixture_commit(f);
        assert_string_equal(counts(f, &l), "443321");
}

static void test_given_back_is_counted(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        for (unsigned i = 0; i < 3; i++)
                (void) send(f, "q", "x");
        consume(f, &l, "q", 3);
        nack(&l, l.got[1].id);
        core_cancel(l.consumer);
        assert_int_equal(core_pending(f->core), CORE_PENDING_URGENT); /* the sends are */
        fixture_commit(f);
        assert_string_equal(counts(f, &l), "222");
        core_cancel(l.consumer);
        assert_int_equal(core_pending(f->core), CORE_PENDING_LAZY);
        fixture_commit(f);
        assert_string_equal(counts(f, &l), "333");
}

/* Handed out again, and the daemon dies with it before it is given back. */
static void test_handed_out_again_is_counted(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        (void) send(f, "q", "x");
        (void) send(f, "q", "x");
        consume(f, &l, "q", 9);
        for (unsigned i = 0; i < 4; i++) {
                nack(&l, l.got[0].id);
                core_pump(f->core);
        }
        fixture_commit(f);
        assert_string_equal(counts(f, &l), "62");
}

/* ---- definitions ---- */

static void test_definitions(void **state) {
        struct fixture *f = *state;
        struct core_queue_info got;

        f->now_us = 4711;
        declare(f, "q");
        declare(f, "gone");
        (void) send(f, "gone", "x");
        assert_int_equal(try_set(f, "q", "MaxBytes", "5K"), 0);
        assert_int_equal(try_set(f, "q", "Description", "first"), 0);
        fixture_commit(f);
        assert_int_equal(try_set(f, "q", "Description", "second"), 0);
        bind(f, "q", "a.*");
        bind(f, "q", "b.>");
        bind(f, "q", "c");
        assert_int_equal(core_unbind(f->core, span("q"), span("b.>"), &f->why), 0);
        assert_int_equal(core_delete(f->core, span("gone"), true, &f->why), 0);
        fixture_commit(f);
        fixture_restart(f);
        got = info(f, "q");
        assert_int_equal(got.declared_us, 4711);
        assert_int_equal(got.properties->max_bytes, 5 * 1024);
        assert_string_equal(got.properties->description, "second");
        assert_int_equal(got.n_bindings, 2);
        assert_memory_equal(got.bindings[0].data, "a.*", 3);
        assert_memory_equal(got.bindings[1].data, "c", 1);
        (void) send(f, "a.x", "x");
        assert_int_equal(core_queue_info(f->core, span("gone"), &got, &f->why), -ENOENT);
        assert_int_equal(fixture_n_retained(f), 0);
}

/* The same name, another queue: the old one's messages are not its own. */
static void test_declared_again(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        (void) send(f, "q", "old");
        fixture_commit(f);
        assert_int_equal(core_delete(f->core, span("q"), true, &f->why), 0);
        declare(f, "q");
        (void) send(f, "q", "new");
        fixture_commit(f);
        fixture_restart(f);
        consume(f, &l, "q", 5);
        assert_int_equal(l.n, 1);
        assert_string_equal(l.got[0].body, "new");
}

/* ---- bad input ---- */

static struct core *fresh(struct fixture *f) {
        struct core *core = NULL;

        assert_int_equal(core_new(&core, &f->options, &fixture_calls, f), 0);
        return core;
}

static int replay_bytes(struct fixture *f, const uint8_t *data, size_t size) {
        uint8_t *copy = malloc(size + 1);
        struct core *core = fresh(f);
        int r;

        memcpy(copy, data, size);
        r = core_replay_block(core, (struct place){1, 0}, copy, size);
        free(copy);
        core_free(core);
        return r;
}

/* One of everything, in one block. */
static void fill_block(struct fixture *f) {
        struct listener l;

        declare(f, "q");
        declare(f, "r");
        assert_int_equal(try_set(f, "r", "MaxBytes", "5K"), 0);
        bind(f, "r", "q");
        consume(f, &l, "q", 1);
        (void) send(f, "q", "x");
        core_pump(f->core);
        (void) send(f, "q", "yy");
        nack(&l, l.got[0].id);
        core_credit(l.consumer, 1, 0);
        core_pump(f->core);
        ack(&l, l.got[0].id);
        core_credit(l.consumer, 1, 0);
        core_pump(f->core);
        assert_int_equal(core_unbind(f->core, span("r"), span("q"), &f->why), 0);
        assert_int_equal(core_delete(f->core, span("r"), true, &f->why), 0);
        fixture_commit(f);
        core_cancel(l.consumer);
}

static void test_damaged_blocks(void **state) {
        struct fixture *f = *state;
        const struct kept *kept;
        unsigned refused = 0;
        uint8_t *copy;

        fill_block(f);
        kept = &f->records[0];
        assert_int_equal(f->n_records, 1);
        assert_int_equal(replay_bytes(f, kept->data, kept->size), 0);
        for (size_t cut = 0; cut < kept->size; cut++) {
                int r = replay_bytes(f, kept->data, cut);

                assert_true(r == 0 || r == -EBADMSG);
                refused += r < 0;
        }
        assert_true(refused > kept->size / 2);
        copy = malloc(kept->size);
        memcpy(copy, kept->data, kept->size);
        for (size_t bit = 0; bit < kept->size * 8; bit++) {
                int r;

                copy[bit / 8] ^= (uint8_t) (1u << bit % 8);
                r = replay_bytes(f, copy, kept->size);
                copy[bit / 8] ^= (uint8_t) (1u << bit % 8);
                assert_true(r == 0 || r == -EBADMSG || r == -EINVAL);
        }
        free(copy);
}

/* The store has refused a newer format before. */
static void test_unknown_entry(void **state) {
        uint8_t data[ENTRY_HEADER_BYTES];

        entry_mark_write(data, 200);
        assert_int_equal(replay_bytes(*state, data, sizeof(data)), -EBADMSG);
        entry_mark_write(data, ENTRY_VOID);
        assert_int_equal(replay_bytes(*state, data, sizeof(data)), 0);
        assert_int_equal(replay_bytes(*state, data, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_nothing),
                TEST(test_messages_come_back),
                TEST(test_what_was_not_written_is_gone),
                TEST(test_ids_are_never_given_twice),
                TEST(test_settled_in_its_own_block),
                TEST(test_bytes_of_settled_runs),
                TEST(test_handed_out_is_marked),
                TEST(test_given_back_is_counted),
                TEST(test_handed_out_again_is_counted),
                TEST(test_definitions),
                TEST(test_declared_again),
                TEST(test_damaged_blocks),
                TEST(test_unknown_entry),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
