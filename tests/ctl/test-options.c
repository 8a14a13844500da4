/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/ctl/ctl.h"

#define WORDS_MAX 16

/* A command line split at blanks, parsed. What is said on stderr is kept in `said`. */
struct parsed {
        ctl c;
        int status;
        char text[512];
        char *words[WORDS_MAX + 1];
        char said[2048];
};

static void parse(struct parsed *p, const char *line) {
        int argc = 0, saved = dup(STDERR_FILENO);
        FILE *file = tmpfile();
        size_t n;

        memset(p, 0, sizeof(*p));
        snprintf(p->text, sizeof(p->text), "lodgectl %s", line);
        for (char *save, *word = strtok_r(p->text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
                assert_true(argc < WORDS_MAX);
                p->words[argc++] = word;
        }
        assert_non_null(file);
        fflush(stderr);
        assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
        p->status = ctl_parse(&p->c, argc, p->words, JSON_SHORT);
        fflush(stderr);
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close(saved);
        rewind(file);
        n = fread(p->said, 1, sizeof(p->said) - 1, file);
        p->said[n] = '\0';
        fclose(file);
        if (p->status == CTL_DONE)
                assert_string_equal(p->said, "");
}

static void check_usage(const char *line, const char *said) {
        struct parsed p;

        parse(&p, line);
        assert_int_equal(p.status, CTL_USAGE);
        assert_true(strncmp(p.said, "lodgectl: ", 10) == 0);
        if (!strstr(p.said, said))
                fail_msg("'%s' says: %s", line, p.said);
        ctl_done(&p.c);
}

static void test_default(void **state) {
        struct parsed p;

        (void) state;
        parse(&p, "");
        assert_int_equal(p.status, CTL_DONE);
        assert_string_equal(p.c.command->name, "list");
        assert_int_equal(p.c.n_arguments, 0);
        assert_true(p.c.timeout_us == UINT64_MAX);
        assert_int_equal(p.c.json, JSON_OFF);
        ctl_done(&p.c);
}

static void test_everywhere(void **state) {
        struct parsed p;

        (void) state;
        /* Options before, between and behind. */
        parse(&p, "--socket=/run/x send -H a=b subject --priority 7 body -H c=d=e --timeout=2min -j");
        assert_int_equal(p.status, CTL_DONE);
        assert_string_equal(p.c.command->name, "send");
        assert_string_equal(p.c.socket, "/run/x");
        assert_int_equal(p.c.n_arguments, 2);
        assert_string_equal(p.c.arguments[0], "subject");
        assert_string_equal(p.c.arguments[1], "body");
        assert_null(p.c.arguments[2]);
        assert_int_equal(p.c.priority, 7);
        assert_int_equal(p.c.n_headers, 2);
        assert_string_equal(p.c.headers[0], "a=b");
        assert_string_equal(p.c.headers[1], "c=d=e");
        assert_true(p.c.timeout_us == 120000000);
        assert_int_equal(p.c.json, JSON_SHORT);
        assert_true(ctl_given(&p.c, CTL_OPTION_HEADER));
        assert_false(ctl_given(&p.c, CTL_OPTION_LINES));
        ctl_done(&p.c);
}

static void test_dashes(void **state) {
        struct parsed p;

        (void) state;
        parse(&p, "send subject -- --not-an-option");
        assert_int_equal(p.status, CTL_DONE);
        assert_string_equal(p.c.arguments[1], "--not-an-option");
        ctl_done(&p.c);
        parse(&p, "send subject -");
        assert_int_equal(p.status, CTL_DONE);
        assert_string_equal(p.c.arguments[1], "-");
        ctl_done(&p.c);
}

static void test_exec(void **state) {
        struct parsed p;

        (void) state;
        parse(&p, "receive jobs --all --exec sh -c x --timeout=5s --help");
        assert_int_equal(p.status, CTL_DONE);
        assert_string_equal(p.c.command->name, "receive");
        assert_int_equal(p.c.n_arguments, 1);
        assert_false(ctl_given(&p.c, CTL_OPTION_TIMEOUT));
        assert_false(ctl_given(&p.c, CTL_OPTION_HELP));
        assert_string_equal(p.c.exec[0], "sh");
        assert_string_equal(p.c.exec[1], "-c");
        assert_string_equal(p.c.exec[4], "--help");
        assert_null(p.c.exec[5]);
        ctl_done(&p.c);
        check_usage("receive jobs --exec", "--exec wants a command");
        check_usage("receive --exec sh", "wants more arguments");
        check_usage("browse jobs --exec sh", "no option --exec");
}

static void test_wrong(void **state) {
        (void) state;
        check_usage("frobnicate", "unknown command 'frobnicate'");
        check_usage("call x", "unknown command 'call'");
        check_usage("--frobnicate", "unknown option --frobnicate");
        check_usage("send x y --ttl=5s", "unknown option --ttl=5s");
        check_usage("send x y --durability=memory", "unknown option --durability");
        check_usage("send x y -q", "unknown option -q");
        check_usage("list --lines", "list takes no option --lines");
        check_usage("list -n 5", "list takes no option -n");
        check_usage("send", "send wants more arguments");
        check_usage("send a b c", "too many arguments: 'c'");
        check_usage("peers x", "too many arguments");
        check_usage("receive", "Usage: lodgectl receive NAME");
        check_usage("receive x -n", "option -n wants a value");
        check_usage("receive x -n 0", "-n: '0'");
        check_usage("receive x -n 5x", "-n: '5x'");
        check_usage("receive x --timeout", "option --timeout wants a value");
        check_usage("receive x --timeout=soon", "--timeout: 'soon'");
        check_usage("receive x --all=yes", "takes no value");
        check_usage("send x --priority=10", "--priority: '10'");
        check_usage("send x -H nothing", "--header: 'nothing'");
        check_usage("send x -H =value", "--header: '=value'");
        check_usage("list --json=yaml", "--json: 'yaml'");
        check_usage("browse x --from=yesterday", "--from: 'yesterday'");
        check_usage("declare x --kind=stream", "--kind: 'stream'");
        check_usage("--system --user list", "exclude each other");
        check_usage("--system --socket=x list", "exclude each other");
}

static void test_json(void **state) {
        struct parsed p;

        (void) state;
        parse(&p, "--json=pretty list");
        assert_int_equal(p.c.json, JSON_PRETTY);
        ctl_done(&p.c);
        parse(&p, "-j --json=off list");
        assert_int_equal(p.c.json, JSON_OFF);
        ctl_done(&p.c);
}

static void test_help_is_enough(void **state) {
        struct parsed p;

        (void) state;
        parse(&p, "send --help");
        assert_int_equal(p.status, CTL_DONE);
        assert_true(ctl_given(&p.c, CTL_OPTION_HELP));
        assert_string_equal(p.c.command->name, "send");
        ctl_done(&p.c);
        parse(&p, "--version");
        assert_int_equal(p.status, CTL_DONE);
        assert_true(ctl_given(&p.c, CTL_OPTION_VERSION));
        ctl_done(&p.c);
}

static void test_status(void **state) {
        (void) state;
        assert_int_equal(ctl_status_of(-ENOENT, true), CTL_NOT_FOUND);
        assert_int_equal(ctl_status_of(-EHOSTUNREACH, true), CTL_NOT_FOUND);
        assert_int_equal(ctl_status_of(-EACCES, true), CTL_DENIED);
        assert_int_equal(ctl_status_of(-ENOBUFS, true), CTL_OVER);
        assert_int_equal(ctl_status_of(-EDQUOT, true), CTL_OVER);
        assert_int_equal(ctl_status_of(-ENOSPC, true), CTL_OVER);
        assert_int_equal(ctl_status_of(-EINVAL, true), CTL_USAGE);
        assert_int_equal(ctl_status_of(-ETIMEDOUT, true), CTL_TIMED_OUT);
        assert_int_equal(ctl_status_of(-ETIMEDOUT, false), CTL_NO_BUS);
        assert_int_equal(ctl_status_of(-ESHUTDOWN, false), CTL_NO_BUS);
        assert_int_equal(ctl_status_of(-EEXIST, true), CTL_FAILED);
        assert_int_equal(ctl_status_of(-EMSGSIZE, true), CTL_FAILED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_default),        cmocka_unit_test(test_everywhere), cmocka_unit_test(test_dashes),
                cmocka_unit_test(test_exec),           cmocka_unit_test(test_wrong),      cmocka_unit_test(test_json),
                cmocka_unit_test(test_help_is_enough), cmocka_unit_test(test_status),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
