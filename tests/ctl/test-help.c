/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table of commands and options against everything that is to tell of them: help, completion, the man page. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "client/ctl/ctl.h"

#define MAN_PAGE "client/ctl/lodgectl.1"

static char *read_file(const char *path) {
        FILE *file = fopen(path, "re");
        char *text = calloc(1, 1 << 20);

        if (!file)
                fail_msg("%s: cannot be opened (tests run in the root of the sources)", path);
        assert_non_null(text);
        assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
        fclose(file);
        return text;
}

static const char *text_of(output *o) {
        assert_int_equal(output_add(o, "", 1), 0);
        return o->data;
}

/* How the man page writes an option: "Fl -socket Ns = Ns Ar PATH", "Fl n Ar N". */
static void check_documented(const char *man, const ctl_option *o) {
        char wanted[128];

        if (o->letter) {
                snprintf(wanted, sizeof(wanted), "Fl %c", o->letter);
                if (!strstr(man, wanted))
                        fail_msg("%s has no '%s'", MAN_PAGE, wanted);
        }
        if (o->name) {
                snprintf(wanted, sizeof(wanted), "Fl -%s", o->name);
                if (!strstr(man, wanted))
                        fail_msg("%s has no '%s'", MAN_PAGE, wanted);
        }
}

static void test_man_page(void **state) {
        char *man = read_file(MAN_PAGE);

        (void) state;
        for (int i = 0; i < CTL_N_OPTIONS; i++)
                if (ctl_options[i].help)
                        check_documented(man, &ctl_options[i]);
        for (const ctl_command *c = ctl_commands; c->name; c++) {
                char wanted[128];

                snprintf(wanted, sizeof(wanted), ".It Cm %s", c->name);
                if (!strstr(man, wanted))
                        fail_msg("%s has no '%s'", MAN_PAGE, wanted);
        }
        free(man);
}

static void test_help(void **state) {
        signals s = {0};
        output o;
        const char *text;

        (void) state;
        output_init(&o, -1, &s);
        ctl_help(&o, NULL);
        text = text_of(&o);
        for (const ctl_command *c = ctl_commands; c->name; c++) {
                assert_non_null(strstr(text, c->help));
                assert_ptr_equal(ctl_command_find(c->name), c);
        }
        assert_non_null(strstr(text, "--socket=PATH"));
        assert_null(strstr(text, "--commands")); /* for completion only */
        output_done(&o);
        assert_null(ctl_command_find("nonesuch"));
}

static void test_command_help(void **state) {
        signals s = {0};
        output o;
        const char *text;

        (void) state;
        output_init(&o, -1, &s);
        ctl_help(&o, ctl_command_find("send"));
        text = text_of(&o);
        assert_non_null(strstr(text, "lodgectl send [OPTIONS...] SUBJECT [BODY|-]"));
        assert_non_null(strstr(text, "  -H --header=KEY=VALUE"));
        assert_non_null(strstr(text, "--priority=0-9"));
        assert_non_null(strstr(text, "--timeout=TIME"));
        assert_null(strstr(text, "--exec"));
        output_done(&o);
}

static void test_completion(void **state) {
        signals s = {0};
        output o;
        const char *text;

        (void) state;
        output_init(&o, -1, &s);
        ctl_help_completion(&o);
        text = text_of(&o);
        assert_true(strncmp(text, "- --system --user --socket= -j --json=", 38) == 0);
        assert_non_null(strstr(text, "\npeers\n"));
        assert_non_null(strstr(text, "\ndelete --purge\n"));
        assert_non_null(strstr(text, " --exec\n"));
        assert_null(strstr(text, "--commands"));
        output_done(&o);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_man_page),
                cmocka_unit_test(test_help),
                cmocka_unit_test(test_command_help),
                cmocka_unit_test(test_completion),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
