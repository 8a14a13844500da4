/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The whole state as bytes, and back. */

#include "tests/core/fixture.h"

/* The last checkpoint. */
static struct committed *last_checkpoint(struct fixture *f) {
        for (size_t i = f->n_log; i > 0; i--)
                if (f->log[i - 1].checkpoint)
                        return &f->log[i - 1];
        return NULL;
}

/* Queues with all that a checkpoint knows of: several priorities, leases, given back, settled out of order, bindings.
 */
static void fill(struct fixture *f) {
        struct listener a, b;

        f->now_us = 4711;
        declare(f, "q");
        declare(f, "r");
        declare(f, "empty");
        bind(f, "r", "q");
        bind(f, "r", "x.>");
        assert_int_equal(try_set(f, "q", "Description", "about"), 0);
        assert_int_equal(try_set(f, "q", "MaxMessages", "1000"), 0);
        for (unsigned i = 0; i < 12; i++) {
                (void) send_priority(f, "q", i % 3, "0123456789");
                if (i % 4 == 3)
                        fixture_commit(f);
        }
        consume(f, &a, "q", 6);
        consume(f, &b, "r", 3);
        ack(&a, a.got[1].id);
        ack(&a, a.got[4].id);
        nack(&a, a.got[0].id);
        nack(&b, b.got[2].id);
        core_cancel(a.consumer);
        core_cancel(b.consumer);
        fixture_rotate(f);
}

struct seen {
        struct listener q, r;
        struct core_queue_info info_q, info_r;
};

static struct seen look(struct fixture *f) {
        struct seen s;

        (void) browse(f, &s.q, "q", 0, 60);
        (void) browse(f, &s.r, "r", 0, 60);
        s.info_q = info(f, "q");
        s.info_r = info(f, "r");
        s.info_q.properties = s.info_r.properties = NULL;
        s.info_q.bindings = s.info_r.bindings = NULL;
        s.info_q.name = s.info_r.name = (struct wire_span){0};
        return s;
}

static void test_round_trip(void **state) {
        struct fixture *f = *state;
        struct seen *before = malloc(sizeof(*before)), *after = malloc(sizeof(*after));
        size_t retained;

        assert_true(before && after);
        fill(f);
        *before = look(f);
        assert_int_equal(before->q.n, 10);
        assert_int_equal(before->info_q.acked, 2);
        assert_int_equal(before->info_q.delivered, 6);
        assert_int_equal(before->info_q.sent, 12);
        retained = fixture_n_retained(f);
        fixture_close(f);
        fixture_open_with(f, &fixture_calls);
        fixture_replay(f, 0);
        *after = look(f);
        assert_memory_equal(&before->q, &after->q, sizeof(before->q));
        assert_memory_equal(&before->r, &after->r, sizeof(before->r));
        assert_memory_equal(&before->info_q, &after->info_q, sizeof(before->info_q));
        assert_memory_equal(&before->info_r, &after->info_r, sizeof(before->info_r));
        assert_string_equal(info(f, "q").properties->description, "about");
        assert_int_equal(info(f, "q").properties->max_messages, 1000);
        assert_int_equal(info(f, "r").n_bindings, 2);
        assert_int_equal(info(f, "empty").declared_us, 4711);
        assert_int_equal(fixture_n_retained(f), retained);
        free(before);
        free(after);
}

/* A checkpoint of what a checkpoint gave is the same again, but for the ids. */
static void test_stable(void **state) {
        struct fixture *f = *state;
        struct committed *first, *second;

        fill(f);
        fixture_restart(f);
        first = last_checkpoint(f);
        fixture_restart(f);
        second = last_checkpoint(f);
        assert_ptr_not_equal(first, second);
        first = &f->log[f->n_log - 2];
        assert_int_equal(first->checkpoint_bytes, second->checkpoint_bytes);
        assert_memory_equal(first->checkpoint + 12, second->checkpoint + 12, first->checkpoint_bytes - 12);
        assert_true(wire_get64(first->checkpoint + 4) < wire_get64(second->checkpoint + 4));
}

/* It takes as much as there are blocks, not as much as waits. */
static void test_size(void **state) {
        struct fixture *f = *state;
        size_t small;

        declare(f, "q");
        (void) send(f, "q", "x");
        fixture_rotate(f);
        small = last_checkpoint(f)->checkpoint_bytes;
        for (unsigned i = 0; i < 1000; i++)
                (void) send(f, "q", "x");
        fixture_rotate(f);
        assert_int_equal(last_checkpoint(f)->checkpoint_bytes, small + CORE_CHECKPOINT_EXTENT_BYTES);
}

static int try_replay(struct fixture *f, const uint8_t *data, size_t size, bool use) {
        uint8_t *copy = malloc(size + 1);
        struct core *core = NULL, *other = f->core;
        struct listener l = {0};
        uint64_t next;
        int r;

        assert_int_equal(core_new(&core, &f->options, &fixture_calls, f), 0);
        memcpy(copy, data, size);
        r = core_replay_checkpoint(core, copy, size);
        free(copy);
        f->core = core;
        if (r == 0 && use) {
                f->load_error = -EIO;
                if (core_consume(core, span("q"), &l, &l.consumer, NULL) == 0) {
                        core_credit(l.consumer, 60, 1u << 20);
                        core_pump(core);
                }
                (void) core_browse(core, span("r"), 0, 60, 1000, fixture_shown, &l, &next, NULL);
                f->load_error = 0;
        }
        core_free(core);
        f->core = other;
        return r;
}

static void test_cut(void **state) {
        struct fixture *f = *state;
        struct committed *c;

        fill(f);
        c = last_checkpoint(f);
        assert_int_equal(try_replay(f, c->checkpoint, c->checkpoint_bytes, false), 0);
        for (size_t cut = 4; cut < c->checkpoint_bytes; cut++)
                assert_int_equal(try_replay(f, c->checkpoint, cut, false), -EBADMSG);
        for (size_t cut = 0; cut < 4; cut++)
                assert_true(try_replay(f, c->checkpoint, cut, false) < 0);
}

static void test_more_than_a_checkpoint(void **state) {
        struct fixture *f = *state;
        struct committed *c;
        uint8_t *copy;

        fill(f);
        c = last_checkpoint(f);
        copy = calloc(1, c->checkpoint_bytes + 1);
        memcpy(copy, c->checkpoint, c->checkpoint_bytes);
        assert_int_equal(try_replay(f, copy, c->checkpoint_bytes + 1, false), -EBADMSG);
        wire_set32(copy, 99);
        assert_int_equal(try_replay(f, copy, c->checkpoint_bytes, false), -EPROTONOSUPPORT);
        free(copy);
}

/* Whatever its bytes say, nothing breaks. */
static void test_damage(void **state) {
        struct fixture *f = *state;
        struct committed *c;
        uint8_t *copy;

        fill(f);
        c = last_checkpoint(f);
        for (size_t i = 0; i < f->n_records; i++)
                f->records[i].retains = 1; /* places may be any */
        copy = malloc(c->checkpoint_bytes);
        memcpy(copy, c->checkpoint, c->checkpoint_bytes);
        for (size_t bit = 0; bit < c->checkpoint_bytes * 8; bit++) {
                copy[bit / 8] ^= (uint8_t) (1u << bit % 8);
                (void) try_replay(f, copy, c->checkpoint_bytes, true);
                copy[bit / 8] ^= (uint8_t) (1u << bit % 8);
        }
        assert_int_equal(try_replay(f, copy, c->checkpoint_bytes, true), 0);
        free(copy);
}

/* Taken while commits before it are still being written. */
static void test_includes_what_is_sealed(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "q");
        (void) send(f, "q", "one");
        fixture_commit(f);
        consume(f, &l, "q", 1);
        ack(&l, l.got[0].id);
        (void) send(f, "q", "two");
        assert_true(fixture_begin(f, true));
        (void) send(f, "q", "three");
        fixture_restart(f); /* the running commit counts */
        assert_int_equal(info(f, "q").ready, 1);
        assert_int_equal(fixture_n_retained(f), 1);
        consume(f, &l, "q", 5);
        assert_string_equal(l.got[0].body, "two");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_round_trip),
                TEST(test_stable),
                TEST(test_size),
                TEST(test_cut),
                TEST(test_more_than_a_checkpoint),
                TEST(test_damage),
                TEST(test_includes_what_is_sealed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
