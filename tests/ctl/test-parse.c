/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/ctl/parse.h"

static void test_numbers(void **state) {
        uint64_t n = 7;

        (void) state;
        assert_int_equal(parse_u64("0", UINT64_MAX, &n), 0);
        assert_int_equal(n, 0);
        assert_int_equal(parse_u64("18446744073709551615", UINT64_MAX, &n), 0);
        assert_true(n == UINT64_MAX);
        n = 7;
        assert_int_equal(parse_u64("18446744073709551616", UINT64_MAX, &n), -ERANGE);
        assert_int_equal(parse_u64("10", 9, &n), -ERANGE);
        assert_int_equal(parse_u64("", 9, &n), -EINVAL);
        assert_int_equal(parse_u64("-1", 9, &n), -EINVAL);
        assert_int_equal(parse_u64("+1", 9, &n), -EINVAL);
        assert_int_equal(parse_u64(" 1", 9, &n), -EINVAL);
        assert_int_equal(parse_u64("1 ", 9, &n), -EINVAL);
        assert_int_equal(parse_u64("0x1", 9, &n), -EINVAL);
        assert_int_equal(n, 7);
}

static void test_times(void **state) {
        static const struct {
                const char *text;
                uint64_t us;
        } good[] = {
                {"5s", 5000000},
                {"5", 5000000},
                {"0", 0},
                {"5 s", 5000000},
                {"  5sec  ", 5000000},
                {"2min", 120000000},
                {"2m", 120000000},
                {"500ms", 500000},
                {"500msec", 500000},
                {"7us", 7},
                {"7\302\265s", 7},
                {"7\316\274s", 7},
                {"1h 30min", UINT64_C(5400000000)},
                {"1h30min", UINT64_C(5400000000)},
                {"1.5h", UINT64_C(5400000000)},
                {".5s", 500000},
                {"0.25", 250000},
                {"1.0000009s", 1000000},
                {"1d", UINT64_C(86400000000)},
                {"1w 2days", UINT64_C(777600000000)},
                {"1M", UINT64_C(2629800000000)},
                {"1y", UINT64_C(31557600000000)},
                {"584542y", UINT64_C(584542) * UINT64_C(31557600000000)},
                {"infinity", UINT64_MAX},
        };

        (void) state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                uint64_t us = 1;

                assert_int_equal(parse_time(good[i].text, &us), 0);
                assert_true(us == good[i].us);
        }
}

static void test_bad_times(void **state) {
        static const char *const bad[] = {"",          " ",           "s",     "-5s",  "5 parsec",
                                          "5ss",       "1..5s",       "1.5.2", "5s x", "1h,",
                                          "infinitys", "infinity 5s", ".",     "0x10", "5S"};
        uint64_t us = 42;

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(parse_time(bad[i], &us), -EINVAL);
        assert_int_equal(parse_time("18446744073709551616us", &us), -ERANGE);
        assert_int_equal(parse_time("18446744073710s", &us), -ERANGE);
        assert_int_equal(parse_time("18446744073709s 18446744073709s", &us), -ERANGE);
        assert_int_equal(us, 42);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_times),
                cmocka_unit_test(test_bad_times),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
