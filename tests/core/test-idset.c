/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/core/fixture.h"

#include "daemon/core/idset.h"

/* Whether the set is exactly these runs, given as pairs of first and end. */
static void check_runs(const struct idset *set, size_t n, const uint64_t *pairs) {
        assert_int_equal(set->size - set->head, n);
        for (size_t i = 0; i < n; i++) {
                assert_true(set->runs[set->head + i].first == pairs[2 * i]);
                assert_true(set->runs[set->head + i].end == pairs[2 * i + 1]);
        }
}
#define RUNS(...)                                                          \
        sizeof((const uint64_t[]){__VA_ARGS__}) / 16, (const uint64_t[]) { \
                __VA_ARGS__                                                \
        }

static void add(struct idset *set, uint64_t first, uint64_t count) {
        assert_int_equal(idset_add(set, first, count), 0);
}

static void test_empty(void **state UNUSED) {
        struct idset set = {0};

        assert_true(idset_is_empty(&set));
        assert_false(idset_contains(&set, 0));
        assert_false(idset_contains(&set, 5));
        idset_drop_below(&set, 100);
        assert_true(idset_is_empty(&set));
        idset_done(&set);
}

static void test_adding_merges(void **state UNUSED) {
        struct idset set = {0};

        add(&set, 10, 1);
        add(&set, 11, 1);
        check_runs(&set, RUNS(10, 12));
        add(&set, 20, 5);
        add(&set, 5, 2);
        check_runs(&set, RUNS(5, 7, 10, 12, 20, 25));
        add(&set, 9, 1);
        check_runs(&set, RUNS(5, 7, 9, 12, 20, 25));
        add(&set, 7, 2);
        check_runs(&set, RUNS(5, 12, 20, 25));
        add(&set, 6, 3);
        check_runs(&set, RUNS(5, 12, 20, 25));
        add(&set, 11, 30);
        check_runs(&set, RUNS(5, 41));
        add(&set, 1, 100);
        check_runs(&set, RUNS(1, 101));
        idset_done(&set);
        assert_true(idset_is_empty(&set));
}

static void test_contains(void **state UNUSED) {
        struct idset set = {0};

        add(&set, 10, 2);
        add(&set, 20, 1);
        for (uint64_t id = 0; id < 30; id++)
                assert_int_equal(idset_contains(&set, id), id == 10 || id == 11 || id == 20);
        idset_done(&set);
}

static void test_dropping(void **state UNUSED) {
        struct idset set = {0};

        add(&set, 10, 5);
        add(&set, 20, 5);
        add(&set, 30, 5);
        idset_drop_below(&set, 12);
        check_runs(&set, RUNS(12, 15, 20, 25, 30, 35));
        idset_drop_below(&set, 17);
        check_runs(&set, RUNS(20, 25, 30, 35));
        idset_drop_below(&set, 25);
        check_runs(&set, RUNS(30, 35));
        add(&set, 25, 1);
        check_runs(&set, RUNS(25, 26, 30, 35));
        idset_drop_below(&set, UINT64_MAX);
        assert_true(idset_is_empty(&set));
        add(&set, 3, 1);
        check_runs(&set, RUNS(3, 4));
        idset_done(&set);
}

/* Beside an array of bits. */
static void test_random(void **state UNUSED) {
        enum { IDS = 500 };
        struct idset set = {0};
        bool in[IDS] = {0};
        uint64_t random = 12345;

        for (unsigned step = 0; step < 20000; step++) {
                uint64_t first, count;

                random = random * 6364136223846793005u + 1442695040888963407u;
                first = (random >> 33) % (IDS - 10);
                count = 1 + (random >> 50) % 10;
                if (step % 40 == 39) {
                        idset_drop_below(&set, first);
                        memset(in, 0, first);
                } else {
                        add(&set, first, count);
                        memset(in + first, true, count);
                }
                for (uint64_t id = 0; id < IDS; id++)
                        assert_int_equal(idset_contains(&set, id), in[id]);
                for (size_t i = set.head; i + 1 < set.size; i++)
                        assert_true(set.runs[i].end < set.runs[i + 1].first);
        }
        idset_done(&set);
}

/* A queue that moves along forever takes no more and more memory. */
static void test_moving_window(void **state UNUSED) {
        struct idset set = {0};

        for (uint64_t id = 0; id < 100000; id += 2) {
                add(&set, id, 1);
                idset_drop_below(&set, id > 20 ? id - 20 : 0);
        }
        assert_true(set.capacity <= 64);
        idset_done(&set);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),    cmocka_unit_test(test_adding_merges),
                cmocka_unit_test(test_contains), cmocka_unit_test(test_dropping),
                cmocka_unit_test(test_random),   cmocka_unit_test(test_moving_window),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
