/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/core/fixture.h"

#include "daemon/core/router.h"

static int a, b, c; /* targets: only their addresses count */

static int setup(void **state) {
        struct router *router = NULL;

        assert_int_equal(router_new(&router), 0);
        *state = router;
        return 0;
}

static int teardown(void **state) {
        assert_null(router_free(*state));
        return 0;
}

static void add(struct router *router, const char *pattern, void *target) {
        assert_int_equal(router_add(router, span(pattern), target), 1);
}

/* Which of a, b, c a subject reaches, as a string. */
static const char *reached(struct router *router, const char *subject) {
        static char text[4];
        void *const *found = NULL;
        int n = router_match(router, span(subject), &found), at[3] = {0};
        size_t length = 0;

        assert_in_range(n, 0, 3);
        for (int i = 0; i < n; i++)
                at[found[i] == &a ? 0 : found[i] == &b ? 1 : 2]++;
        for (unsigned i = 0; i < 3; i++) {
                assert_in_range(at[i], 0, 1);
                if (at[i])
                        text[length++] = (char) ('a' + i);
        }
        text[length] = '\0';
        return text;
}

static void test_nothing(void **state) {
        assert_string_equal(reached(*state, "a"), "");
        assert_string_equal(reached(*state, "a.b.c"), "");
        assert_null(router_free(NULL));
}

static void test_exact(void **state) {
        add(*state, "x", &a);
        add(*state, "x.y", &b);
        add(*state, "x.y.z", &c);
        assert_string_equal(reached(*state, "x"), "a");
        assert_string_equal(reached(*state, "x.y"), "b");
        assert_string_equal(reached(*state, "x.y.z"), "c");
        assert_string_equal(reached(*state, "y"), "");
        assert_string_equal(reached(*state, "x.z"), "");
        assert_string_equal(reached(*state, "x.y.z.w"), "");
        assert_string_equal(reached(*state, "xx"), "");
}

static void test_wildcards(void **state) {
        add(*state, "x.*", &a);
        add(*state, "x.>", &b);
        add(*state, "*.y", &c);
        assert_string_equal(reached(*state, "x"), "");
        assert_string_equal(reached(*state, "x.y"), "abc");
        assert_string_equal(reached(*state, "x.z"), "ab");
        assert_string_equal(reached(*state, "x.y.z"), "b");
        assert_string_equal(reached(*state, "w.y"), "c");
        assert_string_equal(reached(*state, "w.y.z"), "");
}

static void test_everything(void **state) {
        add(*state, ">", &a);
        add(*state, "*", &b);
        add(*state, "*.*.>", &c);
        assert_string_equal(reached(*state, "x"), "ab");
        assert_string_equal(reached(*state, "x.y"), "a");
        assert_string_equal(reached(*state, "x.y.z"), "ac");
        assert_string_equal(reached(*state, "x.y.z.w"), "ac");
}

/* However many patterns of one target match, it is found once. */
static void test_once(void **state) {
        add(*state, "x.y", &a);
        add(*state, "x.*", &a);
        add(*state, "*.y", &a);
        add(*state, ">", &a);
        assert_string_equal(reached(*state, "x.y"), "a");
}

static void test_adding_twice(void **state) {
        struct router *router = *state;

        add(router, "x.>", &a);
        assert_int_equal(router_add(router, span("x.>"), &a), 0);
        add(router, "x.>", &b);
        assert_string_equal(reached(router, "x.y"), "ab");
        assert_int_equal(router_remove(router, span("x.>"), &a), 1);
        assert_int_equal(router_remove(router, span("x.>"), &a), 0);
        assert_string_equal(reached(router, "x.y"), "b");
}

static void test_removing(void **state) {
        struct router *router = *state;

        add(router, "x.y.z", &a);
        add(router, "x.y", &b);
        add(router, "x.*.z", &c);
        assert_int_equal(router_remove(router, span("x.y"), &a), 0);
        assert_int_equal(router_remove(router, span("q"), &a), 0);
        assert_int_equal(router_remove(router, span("x.y.z.w"), &a), 0);
        assert_int_equal(router_remove(router, span("x.>"), &a), 0);
        assert_int_equal(router_remove(router, span("x.y.z"), &a), 1);
        assert_string_equal(reached(router, "x.y.z"), "c");
        assert_string_equal(reached(router, "x.y"), "b");
        assert_int_equal(router_remove(router, span("x.y"), &b), 1);
        assert_int_equal(router_remove(router, span("x.*.z"), &c), 1);
        assert_string_equal(reached(router, "x.y.z"), "");
        add(router, "x.y.z", &b);
        assert_string_equal(reached(router, "x.y.z"), "b");
}

/* What was found before is not remembered beyond a change. */
static void test_generation(void **state) {
        struct router *router = *state;
        uint64_t before = router_generation(router);

        add(router, "x", &a);
        assert_true(router_generation(router) > before);
        before = router_generation(router);
        for (unsigned i = 0; i < 3; i++)
                assert_string_equal(reached(router, "x"), "a");
        assert_int_equal(router_add(router, span("x"), &a), 0);
        assert_int_equal(router_generation(router), before);
        add(router, "*", &b);
        assert_string_equal(reached(router, "x"), "ab");
        router_remove(router, span("x"), &a);
        assert_string_equal(reached(router, "x"), "b");
}

/* More subjects than are remembered, some of which share a slot. */
static void test_many_subjects(void **state) {
        struct router *router = *state;
        char subject[32];

        add(router, "even.*", &a);
        add(router, "odd.*", &b);
        for (unsigned round = 0; round < 2; round++)
                for (unsigned i = 0; i < 2000; i++) {
                        (void) snprintf(subject, sizeof(subject), "%s.%u", i % 2 ? "odd" : "even", i);
                        assert_string_equal(reached(router, subject), i % 2 ? "b" : "a");
                }
}

static void test_longest(void **state) {
        char subject[WIRE_SUBJECT_BYTES_MAX + 1];

        for (unsigned i = 0; i < WIRE_SUBJECT_BYTES_MAX; i++)
                subject[i] = i % 2 ? '.' : 'x';
        subject[WIRE_SUBJECT_BYTES_MAX] = '\0';
        add(*state, subject, &a);
        add(*state, "x.>", &b);
        assert_string_equal(reached(*state, subject), "ab");
        subject[0] = 'y';
        assert_string_equal(reached(*state, subject), "");
}

/* Beside the codec's own matching, one pattern after the other. */
static void test_beside_the_matcher(void **state) {
        static const char *const tokens[] = {"a", "b", "*", ">"};
        char patterns[200][16], subject[16];
        struct router *router = *state;
        uint64_t random = 99;
        unsigned n = 0;

        while (n < 200) {
                char *p = patterns[n];
                unsigned length = 1 + (random >> 60) % 4;

                *p = '\0';
                for (unsigned i = 0; i < length; i++) {
                        random = random * 6364136223846793005u + 1442695040888963407u;
                        (void) sprintf(p + strlen(p), "%s%s", i ? "." : "", tokens[(random >> 40) % 4]);
                }
                if (wire_pattern_check(p, strlen(p), NULL) == 0) {
                        /* Each pattern as often as it comes is a target of its own. */
                        assert_int_equal(router_add(router, span(p), p), 1);
                        n++;
                }
        }
        for (unsigned code = 0; code < 3 * 3 * 3 * 3; code++) {
                void *const *found = NULL;
                unsigned matching = 0;

                subject[0] = '\0';
                for (unsigned rest = code; rest > 0; rest /= 3)
                        if (rest % 3 > 0)
                                (void) sprintf(subject + strlen(subject), "%s%s", subject[0] ? "." : "",
                                               tokens[rest % 3 - 1]);
                if (!subject[0])
                        continue;
                for (unsigned i = 0; i < n; i++)
                        matching += wire_pattern_match(patterns[i], strlen(patterns[i]), subject, strlen(subject));
                assert_int_equal(router_match(router, span(subject), &found), matching);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_exact, setup, teardown),
                cmocka_unit_test_setup_teardown(test_wildcards, setup, teardown),
                cmocka_unit_test_setup_teardown(test_everything, setup, teardown),
                cmocka_unit_test_setup_teardown(test_once, setup, teardown),
                cmocka_unit_test_setup_teardown(test_adding_twice, setup, teardown),
                cmocka_unit_test_setup_teardown(test_removing, setup, teardown),
                cmocka_unit_test_setup_teardown(test_generation, setup, teardown),
                cmocka_unit_test_setup_teardown(test_many_subjects, setup, teardown),
                cmocka_unit_test_setup_teardown(test_longest, setup, teardown),
                cmocka_unit_test_setup_teardown(test_beside_the_matcher, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
