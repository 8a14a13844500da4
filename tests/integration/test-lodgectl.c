/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* lodgectl against a real lodged: what each command does, says and returns. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/integration/ctl.h"
#include "tests/support/fixture.h"

static void test_manage(void **state) {
        struct test_daemon *d = *state;

        CTL_PRINTS(d, "0 queues.\n", "list");
        CTL_PRINTS(d, "", "declare", "jobs", "Description=work to do", "MaxMessages=3");
        CTL(d, 0, "declare", "jobs");
        CTL_SAYS(d, 1, "exists", "declare", "jobs", "--exclusive");
        CTL(d, 2, "declare", "no..name");
        CTL_SAYS(d, 2, "MaxMessages", "declare", "other", "MaxMessages=lots");
        CTL(d, 0, "set", "jobs", "MaxMessages=5");
        CTL(d, 5, "set", "nonesuch", "MaxMessages=5");
        CTL(d, 2, "set", "jobs", "MaxMessages");
        CTL(d, 0, "send", "jobs", "x");
        CTL_SAYS(d, 1, "--purge", "delete", "jobs");
        CTL(d, 0, "delete", "jobs", "--purge");
        CTL_SAYS(d, 5, "not-found", "delete", "jobs");
        CTL_PRINTS(d, "", "list", "--no-legend");
}

static void test_list(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL(d, 0, "declare", "jobs.a");
        CTL(d, 0, "declare", "mail");
        CTL(d, 0, "send", "jobs.a", "12345");
        CTL_INPUT(d, &r, NULL, "list");
        assert_int_equal(r.status, 0);
        assert_true(strncmp(r.out, "NAME   KIND  READY LEASED DELAYED DEAD BYTES", 44) == 0);
        assert_non_null(strstr(r.out, "\njobs.a queue     1      0       0    0    5B"));
        assert_non_null(strstr(r.out, "\n\n2 queues.\n"));
        assert_null(strchr(r.out, '\033'));
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "list", "jobs.*", "-j");
        assert_int_equal(r.status, 0);
        assert_true(strncmp(r.out, "{\"name\":\"jobs.a\",", 17) == 0);
        assert_non_null(strstr(r.out, "\"ready\":1,"));
        assert_non_null(strstr(r.out, "\"oldest_us\":"));
        assert_non_null(strstr(r.out, "\"paused\":false"));
        assert_ptr_equal(strchr(r.out, '\n'), r.out + r.out_size - 1);
        tool_result_done(&r);
        /* The list is the default. */
        CTL_INPUT(d, &r, NULL, "--json=pretty");
        assert_int_equal(r.status, 0);
        assert_true(strncmp(r.out, "[\n  {\n    \"name\": \"jobs.a\",", 27) == 0);
        tool_result_done(&r);
}

static void test_status(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL(d, 0, "declare", "jobs", "Description=work to do");
        CTL(d, 0, "bind", "jobs", "work.*");
        CTL_INPUT(d, &r, NULL, "status", "jobs");
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, " Name: jobs\n"));
        assert_non_null(strstr(r.out, " Description: work to do\n"));
        assert_non_null(strstr(r.out, " Binding: work.*\n"));
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "status", "jobs", "-j");
        assert_non_null(strstr(r.out, "\"binding\":[\"work.*\"]"));
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "status");
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, " Name: bus\n"));
        tool_result_done(&r);
        CTL_SAYS(d, 5, "not-found", "status", "nonesuch");
        CTL(d, 5, "status", "4194304");
}

static void test_peers(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        struct tool *t;
        char pid[16], byte, wanted[32];

        /* A consumer that is certainly there: it has written a message. */
        CTL(d, 0, "declare", "jobs");
        CTL(d, 0, "send", "jobs", "x");
        assert_int_equal(tool_start(&t, test_daemon_socket(d), TOOL_KEEP, TOOL_PIPE,
                                    (const char *const[]){"receive", "--follow", "jobs", NULL}),
                         0);
        assert_int_equal(read(tool_output(t), &byte, 1), 1);
        snprintf(pid, sizeof(pid), "%d", (int) tool_pid(t));
        CTL_INPUT(d, &r, NULL, "status", pid, "-j");
        assert_int_equal(r.status, 0);
        snprintf(wanted, sizeof(wanted), "\"pid\":%s,", pid);
        assert_non_null(strstr(r.out, wanted));
        assert_non_null(strstr(r.out, "\"consumers\":1"));
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "peers");
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, pid));
        assert_non_null(strstr(r.out, "2 peers.\n"));
        tool_result_done(&r);
        /* Interrupting is how following ends, so that is no failure. */
        assert_int_equal(kill(tool_pid(t), SIGINT), 0);
        assert_int_equal(tool_finish(t, &r), 0);
        ctl_check_status(&r, 0);
        tool_result_done(&r);
        CTL(d, 4, "receive", "--all", "jobs"); /* it was acknowledged */
}

static void test_send_and_receive(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        unsigned long long first, second;

        CTL(d, 0, "declare", "jobs");
        CTL_INPUT(d, &r, NULL, "send", "jobs", "one");
        assert_int_equal(r.status, 0);
        first = strtoull(r.out, NULL, 10);
        tool_result_done(&r);
        CTL_INPUT(d, &r, "two\nlines\n", "send", "jobs", "-j");
        assert_int_equal(r.status, 0);
        assert_int_equal(sscanf(r.out, "{\"id\":%llu,\"subject\":\"jobs\"}", &second), 1);
        assert_true(second > first);
        tool_result_done(&r);
        CTL(d, 0, "send", "jobs", "");
        CTL_PRINTS(d, "one\n", "receive", "jobs");
        CTL_PRINTS(d, "two\nlines\n", "receive", "jobs", "--raw");
        CTL_PRINTS(d, "\n", "receive", "jobs");
        CTL(d, 3, "receive", "jobs", "--timeout=0");
        CTL(d, 3, "receive", "jobs", "--timeout=1ms");
        CTL(d, 4, "receive", "jobs", "--all");
        CTL_SAYS(d, 5, "not-found", "receive", "nonesuch", "--all");
}

static void test_no_route(void **state) {
        struct test_daemon *d = *state;

        CTL_SAYS(d, 5, "declare it first: lodgectl declare nowhere", "send", "nowhere", "x");
        CTL(d, 2, "send", "no..where", "x");
        CTL(d, 0, "declare", "jobs");
        CTL(d, 0, "bind", "jobs", "work.>");
        CTL(d, 0, "send", "work.a.b", "x");
        CTL_PRINTS(d, "x\n", "receive", "jobs");
        CTL(d, 0, "unbind", "jobs", "work.>");
        CTL(d, 5, "send", "work.a.b", "x");
}

static void test_json_message(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        char wanted[64];

        CTL(d, 0, "declare", "jobs");
        CTL(d, 0, "send", "jobs", "gr\303\274n", "-H", "a=1", "-H", "b=x=y", "--priority=7", "--reply-to=back");
        CTL(d, 0, "send", "jobs", "\377\376", "--thread=t", "--correlation=c", "--content-type=x/y");
        CTL_INPUT(d, &r, NULL, "receive", "jobs", "-j");
        assert_int_equal(r.status, 0);
        snprintf(wanted, sizeof(wanted), "\"sender\":{\"uid\":%u,\"gid\":%u,\"pid\":", getuid(), getgid());
        assert_non_null(strstr(r.out, wanted));
        assert_non_null(strstr(r.out, "\"queue\":\"jobs\",\"subject\":\"jobs\",\"time_us\":"));
        assert_non_null(strstr(r.out, "\"priority\":7,\"deliveries\":1,"));
        assert_non_null(strstr(r.out, "\"headers\":{\"a\":\"1\",\"b\":\"x=y\"},\"reply_to\":\"back\",\"size\":5,"
                                      "\"body\":\"gr\303\274n\"}\n"));
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "receive", "jobs", "--json=pretty");
        assert_int_equal(r.status, 0);
        assert_true(strncmp(r.out, "{\n  \"id\": ", 10) == 0);
        assert_non_null(strstr(r.out, "\"body_base64\": \"//4=\""));
        assert_non_null(strstr(r.out, "\"content_type\": \"x/y\""));
        assert_non_null(strstr(r.out, "\"correlation\": \"c\""));
        assert_non_null(strstr(r.out, "\"thread\": \"t\""));
        tool_result_done(&r);
}

static void test_browse(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        unsigned long long id;

        CTL(d, 0, "declare", "jobs");
        CTL(d, 4, "browse", "jobs");
        CTL(d, 5, "browse", "nonesuch");
        CTL(d, 0, "send", "jobs", "one\nmore");
        CTL_INPUT(d, &r, NULL, "send", "jobs", "two");
        id = strtoull(r.out, NULL, 10);
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "browse", "jobs");
        assert_int_equal(r.status, 0);
        assert_non_null(strstr(r.out, "SIZE BODY\n"));
        assert_non_null(strstr(r.out, "8B one\\nmore\n"));
        assert_non_null(strstr(r.out, "\n\n2 messages.\n"));
        tool_result_done(&r);
        CTL_PRINTS(d, "one\nmore\ntwo\n", "browse", "jobs", "--body");
        CTL_PRINTS(d, "one\nmore", "browse", "jobs", "--raw", "-n", "1");
        {
                char from[40];

                snprintf(from, sizeof(from), "--from=%llu", id);
                CTL_PRINTS(d, "two\n", "browse", "jobs", "--body", from);
        }
        CTL_INPUT(d, &r, NULL, "browse", "jobs", "-j");
        assert_non_null(strstr(r.out, "\"deliveries\":0,"));
        tool_result_done(&r);
        CTL_PRINTS(d, "one\nmore\ntwo\n", "receive", "--all", "jobs");
}

/* More than one page, to both ways of showing it. */
static void test_browse_pages(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        char *lines = calloc(1, 20000);
        size_t n = 0;

        assert_non_null(lines);
        for (int i = 0; i < 1500; i++)
                n += (size_t) sprintf(lines + n, "line %d\n", i);
        CTL(d, 0, "declare", "jobs");
        CTL_INPUT(d, &r, lines, "send", "--lines", "jobs");
        ctl_check_status(&r, 0);
        tool_result_done(&r);
        CTL_PRINTS(d, lines, "browse", "jobs", "--body");
        CTL_INPUT(d, &r, NULL, "browse", "jobs");
        assert_non_null(strstr(r.out, "1500 messages.\n"));
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "browse", "jobs", "-n", "1234", "--no-legend", "-j");
        n = 0;
        for (const char *p = r.out; *p; p++)
                n += *p == '\n';
        assert_int_equal(n, 1234);
        tool_result_done(&r);
        free(lines);
}

static void test_version(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL_INPUT(d, &r, NULL, "version");
        assert_int_equal(r.status, 0);
        assert_true(strncmp(r.out, "lodgectl ", 9) == 0);
        assert_non_null(strstr(r.out, "bus      lodge"));
        tool_result_done(&r);
}

/* Nobody is there: said by every command but those that need nobody. */
static void test_no_bus(void **state) {
        struct test_daemon *d = *state;

        assert_int_equal(test_daemon_stop(d), 0);
        CTL_SAYS(d, 8, "no bus to talk to", "list");
        CTL_SAYS(d, 8, "no bus to talk to", "send", "jobs", "x");
        CTL_SAYS(d, 8, "/nonesuch", "--socket=/nonesuch", "receive", "jobs");
        CTL(d, 0, "version");
        CTL(d, 0, "--version");
        CTL(d, 0, "help");
        CTL(d, 0, "receive", "--help");
        CTL(d, 2, "receive");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_manage),           FIXTURE_TEST(test_list),
                FIXTURE_TEST(test_status),           FIXTURE_TEST(test_peers),
                FIXTURE_TEST(test_send_and_receive), FIXTURE_TEST(test_no_route),
                FIXTURE_TEST(test_json_message),     FIXTURE_TEST(test_browse),
                FIXTURE_TEST(test_browse_pages),     FIXTURE_TEST(test_version),
                FIXTURE_TEST(test_no_bus),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
