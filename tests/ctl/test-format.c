/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "client/ctl/format.h"

static void test_sizes(void **state) {
        char b[FORMAT_BYTES_MAX];

        (void) state;
        assert_string_equal(format_size(b, 0), "0B");
        assert_string_equal(format_size(b, 1023), "1023B");
        assert_string_equal(format_size(b, 1024), "1K");
        assert_string_equal(format_size(b, 1536), "1.5K");
        assert_string_equal(format_size(b, 1024 * 1024 - 1), "1023.9K");
        assert_string_equal(format_size(b, 16 << 20), "16M");
        assert_string_equal(format_size(b, UINT64_C(5) << 30), "5G");
        assert_string_equal(format_size(b, UINT64_MAX), "15.9E");
}

static void test_spans(void **state) {
        char b[FORMAT_BYTES_MAX];

        (void) state;
        assert_string_equal(format_span(b, 0), "0us");
        assert_string_equal(format_span(b, 999), "999us");
        assert_string_equal(format_span(b, 250999), "250ms");
        assert_string_equal(format_span(b, 5900000), "5s");
        assert_string_equal(format_span(b, 60000000), "1min");
        assert_string_equal(format_span(b, 65000000), "1min 5s");
        assert_string_equal(format_span(b, UINT64_C(5400000000)), "1h 30min");
        assert_string_equal(format_span(b, UINT64_C(3601000000)), "1h");
        assert_string_equal(format_span(b, UINT64_C(266400000000)), "3d 2h");
        assert_string_equal(format_span(b, UINT64_C(31557600000000) * 2), "2y");
}

static void test_times(void **state) {
        char b[FORMAT_BYTES_MAX];

        (void) state;
        setenv("TZ", "UTC", 1);
        tzset();
        assert_string_equal(format_time(b, UINT64_C(1000000000123456)), "2001-09-09 01:46:40.123");
        assert_non_null(format_time(b, UINT64_MAX));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_spans),
                cmocka_unit_test(test_times),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
