/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/ctl/table.h"

/* What is printed, from an output that nobody flushes. */
static void check_printed(output *o, const char *expected) {
        assert_int_equal(output_add(o, "", 1), 0);
        assert_string_equal(o->data, expected);
        output_done(o);
}

static void add_row(table *t, const char *a, const char *b, const char *c) {
        assert_int_equal(table_add(t, a), 0);
        assert_int_equal(table_add(t, b), 0);
        assert_int_equal(table_add(t, c), 0);
}

static table *make(void) {
        table *t;

        assert_int_equal(table_new(&t), 0);
        assert_int_equal(table_add_column(t, "NAME", TABLE_SHRINK), 0);
        assert_int_equal(table_add_column(t, "READY", TABLE_RIGHT), 0);
        assert_int_equal(table_add_column(t, "KIND", 0), 0);
        return t;
}

static void test_plain(void **state) {
        signals s = {0};
        output o;
        table *t = make();
        table_style style = {.legend = true};

        (void) state;
        output_init(&o, -1, &s);
        add_row(t, "jobs", "5", "queue");
        add_row(t, "a.longer.name", "123456", "queue");
        add_row(t, "x", NULL, "");
        assert_int_equal(table_rows(t), 3);
        assert_int_equal(table_print(t, &o, &style), 0);
        assert_int_equal(table_rows(t), 0);
        check_printed(&o, "NAME           READY KIND\n"
                          "jobs               5 queue\n"
                          "a.longer.name 123456 queue\n"
                          "x                  - -\n");
        table_free(t);
}

static void test_no_legend(void **state) {
        signals s = {0};
        output o;
        table *t = make();
        table_style style = {.legend = false};

        (void) state;
        output_init(&o, -1, &s);
        add_row(t, "jobs", "5", "q");
        assert_int_equal(table_print(t, &o, &style), 0);
        check_printed(&o, "jobs     5 q\n");
        table_free(t);
}

/* Wide characters and marks are counted as they show. */
static void test_alignment(void **state) {
        signals s = {0};
        output o;
        table *t = make();
        table_style style = {.legend = false};

        (void) state;
        output_init(&o, -1, &s);
        add_row(t, "gr\303\274n", "1", "x");
        add_row(t, "\346\227\245\346\234\254", "22", "x");
        add_row(t, "e\314\201", "333", "x");
        assert_int_equal(table_print(t, &o, &style), 0);
        check_printed(&o, "gr\303\274n     1 x\n"
                          "\346\227\245\346\234\254    22 x\n"
                          "e\314\201      333 x\n");
        table_free(t);
}

/* Too wide for the terminal: what may shrink gives way, with an ellipsis, but not below what can be read. */
static void test_shrink(void **state) {
        signals s = {0};
        output o;
        table *t = make();
        table_style style = {.legend = true, .width = 24};

        (void) state;
        output_init(&o, -1, &s);
        add_row(t, "a.rather.long.name", "5", "queue");
        add_row(t, "b", "5", "queue");
        assert_int_equal(table_print(t, &o, &style), 0);
        check_printed(&o, "NAME         READY KIND\n"
                          "a.rather.lo\342\200\246     5 queue\n"
                          "b                5 queue\n");
        output_init(&o, -1, &s);
        style.legend = false;
        style.width = 5;
        add_row(t, "a.rather.long.name", "5", "queue");
        assert_int_equal(table_print(t, &o, &style), 0);
        check_printed(&o, "a.rathe\342\200\246     5 queue\n");
        table_free(t);
}

/* In pieces: one legend, and columns stay where they are unless something wider comes. */
static void test_pieces(void **state) {
        signals s = {0};
        output o;
        table *t = make();
        table_style style = {.legend = true};

        (void) state;
        output_init(&o, -1, &s);
        add_row(t, "first", "5", "queue");
        assert_int_equal(table_print(t, &o, &style), 0);
        add_row(t, "x", "6", "queue");
        assert_int_equal(table_print(t, &o, &style), 0);
        assert_int_equal(table_print(t, &o, &style), 0);
        check_printed(&o, "NAME  READY KIND\n"
                          "first     5 queue\n"
                          "x         6 queue\n");
        table_free(t);
}

static void test_colour(void **state) {
        signals s = {0};
        output o;
        table *t = make();
        table_style style = {.legend = false, .colour = true};

        (void) state;
        output_init(&o, -1, &s);
        assert_int_equal(table_add(t, "x"), 0);
        assert_int_equal(table_add_warning(t, "7"), 0);
        assert_int_equal(table_add(t, "queue"), 0);
        assert_int_equal(table_print(t, &o, &style), 0);
        check_printed(&o, "x        \033[1;31m7\033[0m queue\n");

        output_init(&o, -1, &s);
        style.colour = false;
        assert_int_equal(table_add(t, "x"), 0);
        assert_int_equal(table_add_warning(t, "7"), 0);
        assert_int_equal(table_add(t, "queue"), 0);
        assert_int_equal(table_print(t, &o, &style), 0);
        check_printed(&o, "x        7 queue\n");
        table_free(t);
        assert_null(table_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_plain),  cmocka_unit_test(test_no_legend), cmocka_unit_test(test_alignment),
                cmocka_unit_test(test_shrink), cmocka_unit_test(test_pieces),    cmocka_unit_test(test_colour),
        };

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
