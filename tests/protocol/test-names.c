/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

typedef int (*check_function)(const void *data, size_t size, const char **ret_why);

/* Checks an exact copy, and that a reason comes with a refusal and only then. */
static bool well_formed(check_function check, const char *name, size_t size) {
        _cleanup_bytes_ uint8_t *copy = exact(name, size);
        const char *untouched = "untouched", *why = untouched;
        int r = check(copy, size, &why);

        assert_true(r == 0 || r == -EINVAL);
        assert_non_null(why);
        assert_int_equal(r == 0, why == untouched);
        assert_int_equal(check(copy, size, NULL), r);
        return r == 0;
}

static bool subject(const char *name) {
        return well_formed(wire_subject_check, name, strlen(name));
}

static bool pattern(const char *name) {
        return well_formed(wire_pattern_check, name, strlen(name));
}

static void test_subjects(void **state) {
        static const char *const good[] = {"a", "A.b-C_9", "_inbox.1.2", "0", "-", "a.b.c.d.e.f.g"};
        static const char *const bad[] = {
                "", ".", "a.", ".a", "a..b", "a b", "a.*", "*", ">", "a.>", "ä", "a/b", "a\n", "a,b", "a\x7f",
        };

        (void) state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_true(subject(good[i]));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(subject(bad[i]));
        assert_false(well_formed(wire_subject_check, "a\0b", 3));
}

static void test_every_byte(void **state) {
        const char *allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

        (void) state;
        for (unsigned c = 0; c <= UINT8_MAX; c++) {
                char name[] = {'a', (char) c, 'b'};
                bool token = c > 0 && strchr(allowed, (int) c);

                assert_int_equal(well_formed(wire_subject_check, name, 3), token || c == '.');
                assert_int_equal(well_formed(wire_pattern_check, name, 3), token || c == '.');
                assert_int_equal(well_formed(wire_subject_check, name + 1, 1), token);
                assert_int_equal(well_formed(wire_pattern_check, name + 1, 1), token || c == '*' || c == '>');
        }
}

static void test_lengths(void **state) {
        char name[300];

        (void) state;
        memset(name, 'x', sizeof(name));
        for (size_t n = 1; n < sizeof(name); n++) {
                assert_int_equal(well_formed(wire_subject_check, name, n), n <= 255);
                assert_int_equal(well_formed(wire_pattern_check, name, n), n <= 255);
        }
        name[254] = '.';
        assert_false(well_formed(wire_subject_check, name, 255));
        name[253] = '.';
        name[254] = '>';
        assert_true(well_formed(wire_pattern_check, name, 255));
}

static void test_patterns(void **state) {
        static const char *const good[] = {"*", ">", "a.*", "*.a", "a.*.b", "*.*", "*.>", "a.>", "a.b", "*.a.*.>"};
        static const char *const bad[] = {
                "", "a*", "*a", "a.*b", "a>", ">a", ">.a", "a.>.b", ">.>", "**", ">>", "a..*", "*.", ".>", "a.>.", "*>",
        };

        (void) state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                assert_true(pattern(good[i]));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_false(pattern(bad[i]));
}

static bool match(const char *p, const char *s) {
        size_t p_bytes = strlen(p), s_bytes = strlen(s);
        _cleanup_bytes_ uint8_t *p_copy = exact(p, p_bytes);
        _cleanup_bytes_ uint8_t *s_copy = exact(s, s_bytes);

        return wire_pattern_match(p_copy, p_bytes, s_copy, s_bytes);
}

static void test_matching(void **state) {
        static const struct {
                const char *pattern, *subject;
                bool match;
        } rows[] = {
                {"a", "a", true},         {"a", "b", false},         {"a", "ab", false},
                {"ab", "a", false},       {"a", "a.b", false},       {"a.b", "a", false},
                {"a.b", "a.b", true},     {"a.b", "a.bc", false},    {"*", "a", true},
                {"*", "abc", true},       {"*", "a.b", false},       {"*.b", "a.b", true},
                {"*.b", "a.c", false},    {"a.*", "a", false},       {"a.*", "a.b", true},
                {"a.*", "a.b.c", false},  {"a.*.c", "a.b.c", true},  {"a.*.c", "a.b.b", false},
                {"a.*.c", "a.c", false},  {"*.*", "a.b", true},      {"*.*", "a", false},
                {"*.*", "a.b.c", false},  {">", "a", true},          {">", "a.b.c", true},
                {"a.>", "a", false},      {"a.>", "a.b", true},      {"a.>", "a.b.c.d", true},
                {"a.>", "ab.c", false},   {"*.>", "a", false},       {"*.>", "a.b", true},
                {"*.b.>", "a.b.c", true}, {"*.b.>", "a.c.c", false}, {"a.*.>", "a.b", false},
                {"a.*.>", "a.b.c", true}, {"A", "a", false},
        };

        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (match(rows[i].pattern, rows[i].subject) != rows[i].match)
                        fail_msg("%s against %s", rows[i].pattern, rows[i].subject);
}

/* The rules said differently: tokens one by one, the rest by recursion. */
static bool match_by_the_book(const char *p, const char *s) {
        size_t p_token = strcspn(p, "."), s_token = strcspn(s, ".");
        bool same;

        if (strcmp(p, ">") == 0)
                return true;
        same = strncmp(p, "*", p_token) == 0 || (p_token == s_token && memcmp(p, s, p_token) == 0);
        if (!same || !p[p_token] != !s[s_token])
                return false;
        return !p[p_token] || match_by_the_book(p + p_token + 1, s + s_token + 1);
}

static size_t spell(unsigned number, const char *const *tokens, unsigned n_tokens, char *out) {
        size_t n = 0;

        for (; number > 0; number /= n_tokens) {
                if (n > 0)
                        out[n++] = '.';
                n += (size_t) sprintf(out + n, "%s", tokens[number % n_tokens]);
        }
        out[n] = '\0';
        return n;
}

/* All patterns of up to four tokens against all subjects of up to four. */
static void test_matching_by_the_book(void **state) {
        static const char *const words[] = {"a", "b", "ab"};
        static const char *const wild[] = {"a", "b", "ab", "*", ">"};
        size_t n_matches = 0, n_patterns = 0;

        (void) state;
        for (unsigned i = 1; i < 5 * 5 * 5 * 5; i++) {
                char p[32];

                if (!well_formed(wire_pattern_check, p, spell(i, wild, 5, p)))
                        continue;
                n_patterns++;
                for (unsigned k = 1; k < 3 * 3 * 3 * 3; k++) {
                        char s[32];
                        bool expected;

                        spell(k, words, 3, s);
                        expected = match_by_the_book(p, s);
                        n_matches += expected;
                        if (match(p, s) != expected)
                                fail_msg("%s against %s", p, s);
                }
        }
        assert_true(n_patterns > 200);
        assert_true(n_matches > 200);
}

/* Called with what is not well-formed it still reads nothing beyond its arguments. */
static void test_matching_ill_formed(void **state) {
        static const char *const odd[] = {"", ".", "..", "*.", ".*", "a.", ">.", "*a", "a>", ">>", "a..b", "**"};
        const size_t n = sizeof(odd) / sizeof(odd[0]);

        (void) state;
        for (size_t i = 0; i < n; i++)
                for (size_t k = 0; k < n; k++)
                        (void) match(odd[i], odd[k]);
        assert_false(match("", ""));
        assert_false(match(">", ""));
        assert_false(match("", "a"));
        assert_false(match("*a", "ba"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_subjects),
                cmocka_unit_test(test_every_byte),
                cmocka_unit_test(test_lengths),
                cmocka_unit_test(test_patterns),
                cmocka_unit_test(test_matching),
                cmocka_unit_test(test_matching_by_the_book),
                cmocka_unit_test(test_matching_ill_formed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
