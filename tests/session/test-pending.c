/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What waits for the disk: runs of confirms, answers between them, and the order of commits. */

#include "tests/session/fixture.h"

/* The commit that is being collected becomes number `n`. */
static void collect(struct fixture *f, uint64_t n) {
        f->host.commit = n;
}

static void committed(struct fixture *f, struct peer *p, uint64_t n) {
        session_committed(p->session, n);
        flush_all(f);
}

/* A CONFIRM with these runs and nothing else. */
static void expect_runs(struct fixture *f, struct peer *p, const struct wire_confirm_run *runs, int n) {
        struct wire_fault fault;

        expect(f, p, WIRE_CONFIRM);
        assert_int_equal(wire_confirm_parse(p->frame, p->header.size, &fault), n);
        for (int i = 0; i < n; i++) {
                struct wire_confirm_run run = wire_confirm_run(p->frame, (size_t) i);

                assert_int_equal(run.serial, runs[i].serial);
                assert_int_equal(run.count, runs[i].count);
                assert_int_equal(run.id, runs[i].id);
        }
}

#define EXPECT_RUNS(f, p, ...)                                                                                   \
        expect_runs((f), (p), (const struct wire_confirm_run[]){__VA_ARGS__},                                    \
                    (int) (sizeof((const struct wire_confirm_run[]){__VA_ARGS__}) / sizeof(struct wire_confirm_run)))

static void test_runs_coalesce(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct session *s = p->session;

        for (uint32_t i = 0; i < 1000; i++)
                pending_confirm(s, 10 + i, 500 + i, 7);
        assert_int_equal(s->pending.size, 1); /* of memory, too */
        assert_int_equal(s->unconfirmed, 1000);
        assert_int_equal(s->unconfirmed_bytes, 7000);
        committed(f, p, 1);
        EXPECT_RUNS(f, p, {10, 1000, 500});
        assert_int_equal(s->unconfirmed, 0);
        assert_int_equal(s->unconfirmed_bytes, 0);
        assert_false(s->waiting);
        assert_true(TAILQ_EMPTY(&f->host.waiting));
}

static void test_what_ends_a_run(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct session *s = p->session;

        pending_confirm(s, 1, 100, 0);
        pending_confirm(s, 2, 101, 0);
        pending_confirm(s, 3, 200, 0); /* somebody else's messages lie between */
        pending_confirm(s, 5, 201, 0); /* one was refused */
        pending_confirm(s, 6, 0, 0);   /* nobody listens */
        pending_confirm(s, 7, 0, 0);
        pending_confirm(s, 8, 202, 0);
        pending_confirm(s, 9, 1, 0); /* not behind the zeros: an id */
        committed(f, p, 1);
        EXPECT_RUNS(f, p, {1, 2, 100}, {3, 1, 200}, {5, 1, 201}, {6, 2, 0}, {8, 1, 202}, {9, 1, 1});
        expect_nothing(f, p);
}

static void test_serials_go_round(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        pending_confirm(p->session, UINT32_MAX, 100, 0);
        pending_confirm(p->session, 0, 101, 0);
        pending_confirm(p->session, 1, 102, 0);
        committed(f, p, 1);
        EXPECT_RUNS(f, p, {UINT32_MAX, 3, 100});
}

static void test_commit_by_commit(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct session *s = p->session;

        collect(f, 5);
        pending_confirm(s, 1, 100, 10);
        collect(f, 6);
        pending_confirm(s, 2, 101, 20); /* would fit, but has to wait longer */
        pending_ok(s, 77);
        collect(f, 8);
        pending_confirm(s, 3, 102, 30);
        committed(f, p, 4);
        expect_nothing(f, p);
        committed(f, p, 5);
        EXPECT_RUNS(f, p, {1, 1, 100});
        expect_nothing(f, p);
        assert_int_equal(s->unconfirmed_bytes, 50);
        assert_true(s->waiting);
        committed(f, p, 7);
        EXPECT_RUNS(f, p, {2, 1, 101});
        (void) expect_general(f, p, WIRE_OK, 77);
        expect_nothing(f, p);
        committed(f, p, 9);
        EXPECT_RUNS(f, p, {3, 1, 102});
        assert_false(s->waiting);
}

static void test_answers_keep_their_places(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct session *s = p->session;

        pending_ok(s, 71);
        pending_confirm(s, 1, 100, 0);
        pending_confirm(s, 2, 101, 0);
        pending_ok(s, 72);
        pending_ok(s, 73);
        pending_confirm(s, 3, 102, 0);
        committed(f, p, 1);
        (void) expect_general(f, p, WIRE_OK, 71);
        EXPECT_RUNS(f, p, {1, 2, 100});
        (void) expect_general(f, p, WIRE_OK, 72);
        (void) expect_general(f, p, WIRE_OK, 73);
        EXPECT_RUNS(f, p, {3, 1, 102});
        expect_nothing(f, p);
}

/* More runs than one frame takes: several frames, all of them well-formed, nothing lost. */
static void test_many_runs(void **state) {
        enum { N = 10000 };
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint32_t seen = 0;

        for (uint32_t i = 0; i < N; i++)
                pending_confirm(p->session, i, 1000 + 2 * (uint64_t) i, 1);
        committed(f, p, 1);
        while (seen < N) {
                int n;

                expect(f, p, WIRE_CONFIRM);
                assert_true(p->header.size <= 100000);
                n = wire_confirm_parse(p->frame, p->header.size, &(struct wire_fault){0});
                assert_true(n > 0);
                for (int i = 0; i < n; i++, seen++) {
                        struct wire_confirm_run run = wire_confirm_run(p->frame, (size_t) i);

                        assert_int_equal(run.serial, seen);
                        assert_int_equal(run.count, 1);
                        assert_int_equal(run.id, 1000 + 2 * (uint64_t) seen);
                }
        }
        assert_int_equal(seen, N);
        expect_nothing(f, p);
        assert_int_equal(p->session->unconfirmed_bytes, 0);
}

/* Commits overlap for ever: what is collected while the one before is written. Memory stays what is needed. */
static void test_overlapping_commits(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint64_t id = 1;

        for (uint64_t commit = 1; commit <= 1000; commit++) {
                collect(f, commit + 1);
                for (uint32_t i = 0; i < 3; i++, id += 2)
                        pending_confirm(p->session, (uint32_t) id / 2, id, 1);
                committed(f, p, commit);
                if (commit > 1) {
                        expect(f, p, WIRE_CONFIRM);
                        assert_int_equal(wire_confirm_parse(p->frame, p->header.size, &(struct wire_fault){0}), 3);
                        assert_int_equal(wire_confirm_run(p->frame, 0).id, id - 12);
                }
                assert_true(p->session->waiting);
                assert_true(p->session->pending.capacity <= 16);
        }
        assert_int_equal(p->session->unconfirmed, 3);
}

static void test_how_many_wait(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        f->host.awaited = f->host.awaiting = 0;
        pending_confirm(p->session, 1, 100, 1);
        pending_confirm(p->session, 2, 101, 1);
        pending_ok(q->session, 5);
        pending_confirm(p->session, 3, 102, 1);
        assert_int_equal(f->host.awaited, 4);
        assert_int_equal(f->host.awaiting, 2);
        collect(f, 2);
        f->host.awaited = f->host.awaiting = 0;
        pending_confirm(p->session, 4, 103, 1);
        assert_int_equal(f->host.awaited, 1);
        assert_int_equal(f->host.awaiting, 1);
}

static void test_waiting_client_vanishes(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);

        pending_confirm(p->session, 1, 100, 1);
        pending_ok(q->session, 9);
        vanish(f, p);
        assert_ptr_equal(TAILQ_FIRST(&f->host.waiting), q->session);
        assert_null(session_next_waiting(q->session));
        committed(f, q, 1);
        (void) expect_general(f, q, WIRE_OK, 9);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                SESSION_TEST(test_runs_coalesce),
                SESSION_TEST(test_what_ends_a_run),
                SESSION_TEST(test_serials_go_round),
                SESSION_TEST(test_commit_by_commit),
                SESSION_TEST(test_answers_keep_their_places),
                SESSION_TEST(test_many_runs),
                SESSION_TEST(test_overlapping_commits),
                SESSION_TEST(test_how_many_wait),
                SESSION_TEST(test_waiting_client_vanishes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
