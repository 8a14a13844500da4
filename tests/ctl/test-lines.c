/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/ctl/lines.h"

#define LINE_MAX_BYTES 10

/* Gives the input in pieces of at most `piece` bytes, and writes what came out as "[line]" or "<size of a long one>".
 */
static void cut(const char *input, size_t size, size_t piece, size_t chunk, char *out, size_t out_size) {
        lines l;
        bool ended = false;

        *out = '\0';
        assert_int_equal(lines_init(&l, chunk, LINE_MAX_BYTES), 0);
        while (!ended) {
                const char *line;
                char *room;
                size_t length, n;
                int r;

                while ((r = lines_next(&l, &line, &length)) != 0) {
                        size_t used = strlen(out);

                        if (r == -EMSGSIZE)
                                snprintf(out + used, out_size - used, "<%zu>", length);
                        else {
                                assert_int_equal(r, 1);
                                assert_true(length <= LINE_MAX_BYTES);
                                snprintf(out + used, out_size - used, "[%.*s]", (int) length, line);
                        }
                }
                ended = l.at_end;
                assert_int_equal(lines_room(&l, &room, &n), 0);
                assert_true(n > 0);
                assert_true(l.capacity <= 64); /* long lines cost nothing */
                n = n < piece ? n : piece;
                n = n < size ? n : size;
                memcpy(room, input, n);
                input += n;
                size -= n;
                lines_added(&l, n);
        }
        lines_done(&l);
}

static void check(const char *input, const char *expected) {
        char out[1024];

        for (size_t piece = 1; piece <= strlen(input) + 1; piece++)
                for (size_t chunk = 1; chunk <= 32; chunk *= 2) {
                        cut(input, strlen(input), piece, chunk, out, sizeof(out));
                        assert_string_equal(out, expected);
                }
}

static void test_lines(void **state) {
        (void) state;
        check("", "");
        check("\n", "[]");
        check("a\n", "[a]");
        check("a", "[a]");
        check("a\nb", "[a][b]");
        check("\n\na\n\n", "[][][a][]");
        check("0123456789\n0123456789", "[0123456789][0123456789]");
}

static void test_long_lines(void **state) {
        (void) state;
        check("0123456789x\n", "<11>");
        check("0123456789x", "<11>");
        check("a\n0123456789012345678901234567890123456789\nb\n", "[a]<40>[b]");
        check("0123456789x\n0123456789y\n\nc", "<11><11>[][c]");
}

static void test_zero_bytes(void **state) {
        lines l;
        const char *line;
        char *room;
        size_t size;

        (void) state;
        assert_int_equal(lines_init(&l, 16, LINE_MAX_BYTES), 0);
        assert_int_equal(lines_room(&l, &room, &size), 0);
        memcpy(room, "a\0b\nc", 5);
        lines_added(&l, 5);
        assert_int_equal(lines_next(&l, &line, &size), 1);
        assert_int_equal(size, 3);
        assert_memory_equal(line, "a\0b", 3);
        assert_int_equal(l.number, 1);
        lines_done(&l);
}

/* What could not be sent is put back and comes again, number and all, also when it was the last one without newline. */
static void test_back(void **state) {
        lines l;
        const char *line;
        char *room;
        size_t size;

        (void) state;
        assert_int_equal(lines_init(&l, 16, LINE_MAX_BYTES), 0);
        assert_int_equal(lines_room(&l, &room, &size), 0);
        memcpy(room, "one\ntwo", 7);
        lines_added(&l, 7);
        lines_added(&l, 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(lines_next(&l, &line, &size), 1);
                assert_int_equal(l.number, 1);
                assert_memory_equal(line, "one", 3);
                lines_back(&l, line);
        }
        assert_int_equal(lines_next(&l, &line, &size), 1);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(lines_next(&l, &line, &size), 1);
                assert_int_equal(l.number, 2);
                assert_int_equal(size, 3);
                assert_memory_equal(line, "two", 3);
                lines_back(&l, line);
        }
        assert_int_equal(lines_next(&l, &line, &size), 1);
        assert_int_equal(lines_next(&l, &line, &size), 0);
        lines_done(&l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_long_lines),
                cmocka_unit_test(test_zero_bytes),
                cmocka_unit_test(test_back),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
