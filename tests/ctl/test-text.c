/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/ctl/text.h"

static void test_decode(void **state) {
        uint32_t c = 0;

        (void) state;
        assert_int_equal(text_decode("a", 1, &c), 1);
        assert_int_equal(c, 'a');
        assert_int_equal(text_decode("\303\244", 2, &c), 2);
        assert_int_equal(c, 0xe4);
        assert_int_equal(text_decode("\342\202\254", 3, &c), 3);
        assert_int_equal(c, 0x20ac);
        assert_int_equal(text_decode("\364\217\277\277", 4, &c), 4);
        assert_int_equal(c, 0x10ffff);
        assert_int_equal(text_decode("", 0, &c), -EILSEQ);
        assert_int_equal(text_decode("\303", 1, &c), -EILSEQ);             /* cut */
        assert_int_equal(text_decode("\200", 1, &c), -EILSEQ);             /* begins in the middle */
        assert_int_equal(text_decode("\300\200", 2, &c), -EILSEQ);         /* overlong */
        assert_int_equal(text_decode("\340\200\200", 3, &c), -EILSEQ);     /* overlong */
        assert_int_equal(text_decode("\360\200\200\200", 4, &c), -EILSEQ); /* overlong */
        assert_int_equal(text_decode("\355\240\200", 3, &c), -EILSEQ);     /* surrogate */
        assert_int_equal(text_decode("\364\220\200\200", 4, &c), -EILSEQ); /* beyond the last one */
        assert_int_equal(text_decode("\303a", 2, &c), -EILSEQ);
}

static void test_is_utf8(void **state) {
        /* Offenders at each place of the eight that are looked at together. */
        char text[40];

        (void) state;
        assert_true(text_is_utf8("", 0));
        assert_true(text_is_utf8("a\0b", 3));
        assert_true(text_is_utf8("0123456\303\2449", 10));
        for (size_t i = 0; i < sizeof(text); i++) {
                memset(text, 'x', sizeof(text));
                assert_true(text_is_utf8(text, sizeof(text)));
                text[i] = (char) 0xff;
                assert_false(text_is_utf8(text, sizeof(text)));
                text[i] = (char) 0xc3;
                assert_false(text_is_utf8(text, sizeof(text)));
                if (i + 1 < sizeof(text)) {
                        text[i + 1] = (char) 0xa4;
                        assert_true(text_is_utf8(text, sizeof(text)));
                }
        }
}

static void test_width(void **state) {
        (void) state;
        assert_int_equal(text_width(""), 0);
        assert_int_equal(text_width("abc"), 3);
        assert_int_equal(text_width("gr\303\274n"), 4);
        assert_int_equal(text_width("\346\227\245\346\234\254"), 4); /* two wide characters */
        assert_int_equal(text_width("e\314\201"), 1);                /* a mark above */
        assert_int_equal(text_width("\377"), 1);
}

static void check_printable(const char *data, size_t size, size_t columns, const char *expected, bool expected_cut) {
        bool cut = !expected_cut;
        char *text = text_printable(data, size, columns, &cut);

        assert_string_equal(text, expected);
        assert_int_equal(cut, expected_cut);
        free(text);
}

static void test_printable(void **state) {
        (void) state;
        check_printable("", 0, 10, "", false);
        check_printable("plain", 5, 10, "plain", false);
        check_printable("plain", 5, 5, "plain", false);
        check_printable("plain", 5, 4, "plai", true);
        check_printable("a\nb\tc\r\0d", 8, 99, "a\\nb\\tc\\r\\0d", false);
        check_printable("\033[31mred", 8, 99, "\\x1b[31mred", false);
        check_printable("\302\233x", 3, 99, "\\xc2\\x9bx", false); /* a control character of two bytes */
        check_printable("\377\376", 2, 99, "\\xff\\xfe", false);
        check_printable("a\n", 2, 2, "a", true); /* no half escapes */
        check_printable("\346\227\245\346\234\254", 6, 3, "\346\227\245", true);
        check_printable("gr\303\274n", 5, 3, "gr\303\274", true);
}

/* Marks take no column, and must not make the text grow beyond what was allocated. */
static void test_printable_marks(void **state) {
        char data[2001] = "e";
        bool cut;
        char *text;

        (void) state;
        for (size_t i = 1; i + 1 < sizeof(data); i += 2)
                memcpy(data + i, "\314\201", 2);
        text = text_printable(data, sizeof(data), 3, &cut);
        assert_true(cut);
        assert_true(strlen(text) < 20);
        assert_true(text_is_utf8(text, strlen(text)));
        free(text);
}

static void test_base64(void **state) {
        static const struct {
                const char *data, *text;
        } pairs[] = {
                {"", ""},
                {"f", "Zg=="},
                {"fo", "Zm8="},
                {"foo", "Zm9v"},
                {"foob", "Zm9vYg=="},
                {"\377\376\375", "//79"},
                {"\373\360", "+/A="},
        };

        (void) state;
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
                char *text = text_base64(pairs[i].data, strlen(pairs[i].data));

                assert_string_equal(text, pairs[i].text);
                free(text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_decode),    cmocka_unit_test(test_is_utf8),         cmocka_unit_test(test_width),
                cmocka_unit_test(test_printable), cmocka_unit_test(test_printable_marks), cmocka_unit_test(test_base64),
        };

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
