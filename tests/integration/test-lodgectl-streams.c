/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* lodgectl as a part of pipes: many lines in, many out, and what happens when either end or the bus breaks. */

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/integration/ctl.h"
#include "tests/support/fixture.h"

/* "line 0\nline 1\n…", the caller's to free(). */
static char *make_lines(int from, int to) {
        char *lines = calloc((size_t) (to - from) + 1, 16);
        size_t n = 0;

        assert_non_null(lines);
        for (int i = from; i < to; i++)
                n += (size_t) sprintf(lines + n, "line %d\n", i);
        return lines;
}

static void send_lines(struct test_daemon *d, const char *queue, const char *lines) {
        struct tool_result r;

        CTL_INPUT(d, &r, lines, "send", "--lines", queue);
        ctl_check_status(&r, 0);
        assert_string_equal(r.out, "");
        tool_result_done(&r);
}

static void test_lines(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        char *lines = make_lines(0, 30000);

        CTL(d, 0, "declare", "jobs");
        CTL_INPUT(d, &r, lines, "send", "--lines", "jobs");
        ctl_check_status(&r, 0);
        assert_string_equal(r.err, "sent 30000 confirmed 30000\n");
        tool_result_done(&r);
        CTL_PRINTS(d, lines, "receive", "jobs", "--all");
        CTL(d, 4, "receive", "jobs", "--all");
        free(lines);
}

static void test_odd_lines(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL(d, 0, "declare", "jobs");
        CTL_INPUT(d, &r, "a\n\n\nno newline", "send", "--lines", "jobs", "-j", "-H", "k=v");
        ctl_check_status(&r, 0);
        assert_string_equal(r.out, "{\"sent\":4,\"confirmed\":4,\"refused\":0,\"unconfirmed\":0}\n");
        tool_result_done(&r);
        CTL_INPUT(d, &r, NULL, "receive", "-j", "jobs");
        assert_non_null(strstr(r.out, "\"headers\":{\"k\":\"v\"}"));
        tool_result_done(&r);
        CTL_PRINTS(d, "\n\nno newline\n", "receive", "jobs", "--all");
        CTL_INPUT(d, &r, "", "send", "--lines", "jobs");
        ctl_check_status(&r, 0);
        assert_string_equal(r.err, "sent 0 confirmed 0\n");
        tool_result_done(&r);
}

/* A line that is too long is told by its number; the others get in. */
static void test_long_line(void **state) {
        enum { LONG_BYTES = 17 << 20 };
        struct test_daemon *d = *state;
        struct tool_result r;
        char *input = malloc(LONG_BYTES + 32);

        assert_non_null(input);
        memcpy(input, "one\n", 4);
        memset(input + 4, 'x', LONG_BYTES);
        strcpy(input + 4 + LONG_BYTES, "\nthree\n");
        CTL(d, 0, "declare", "jobs");
        CTL_INPUT(d, &r, input, "send", "--lines", "jobs");
        ctl_check_status(&r, 1);
        assert_non_null(strstr(r.err, "line 2: 17825792 bytes"));
        assert_non_null(strstr(r.err, "sent 2 confirmed 2 refused 1\n"));
        tool_result_done(&r);
        CTL_PRINTS(d, "one\nthree\n", "receive", "jobs", "--all");
        CTL_INPUT(d, &r, input, "send", "jobs");
        ctl_check_status(&r, 1);
        tool_result_done(&r);
        free(input);
}

/* A queue that is full ends the sending; what it says is what is in the queue. */
static void test_full(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL(d, 0, "declare", "jobs", "MaxMessages=3");
        CTL_INPUT(d, &r, "1\n2\n3\n4\n5\n", "send", "--lines", "jobs");
        ctl_check_status(&r, 7);
        assert_non_null(strstr(r.err, "line 4: "));
        assert_non_null(strstr(r.err, "MaxMessages=3"));
        assert_non_null(strstr(r.err, " confirmed 3 refused 2\n"));
        tool_result_done(&r);
        CTL_SAYS(d, 7, "MaxMessages=3", "send", "jobs", "x");
        CTL_PRINTS(d, "1\n2\n3\n", "receive", "jobs", "--all");
        CTL_INPUT(d, &r, "x\ny\n", "send", "--lines", "nowhere");
        ctl_check_status(&r, 5);
        assert_non_null(strstr(r.err, "declare it first"));
        tool_result_done(&r);
}

/* Exactly as many as wanted are taken; the others have not been touched. */
static void test_count(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        char *lines = make_lines(0, 20), *rest = make_lines(7, 20);

        CTL(d, 0, "declare", "jobs");
        send_lines(d, "jobs", lines);
        strstr(lines, "line 7\n")[0] = '\0';
        CTL_PRINTS(d, lines, "receive", "jobs", "-n", "7");
        CTL_INPUT(d, &r, NULL, "browse", "jobs", "-j");
        assert_non_null(strstr(r.out, "\"deliveries\":0,"));
        assert_null(strstr(r.out, "\"deliveries\":1,"));
        tool_result_done(&r);
        CTL_PRINTS(d, rest, "receive", "jobs", "-n", "100", "--all");
        CTL(d, 3, "receive", "jobs", "-n", "2", "--timeout=0");
        free(lines);
        free(rest);
}

/* The same with more than what is fetched ahead. */
static void test_large_count(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        char *lines = make_lines(0, 40000), *taken = make_lines(0, 25001);

        CTL(d, 0, "declare", "jobs");
        send_lines(d, "jobs", lines);
        CTL_PRINTS(d, taken, "receive", "jobs", "-n", "25001");
        CTL_INPUT(d, &r, NULL, "browse", "jobs", "-j");
        assert_null(strstr(r.out, "\"deliveries\":1,"));
        tool_result_done(&r);
        CTL_PRINTS(d, lines + strlen(taken), "receive", "jobs", "--all");
        free(lines);
        free(taken);
}

/* Time is for waiting; what has come is taken in any case. */
static void test_no_time(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL(d, 0, "declare", "jobs");
        CTL(d, 0, "send", "jobs", "a");
        CTL_INPUT(d, &r, NULL, "receive", "jobs", "-n", "2", "--timeout=0");
        ctl_check_status(&r, 3);
        assert_string_equal(r.out, "a\n");
        assert_string_equal(r.err, "");
        tool_result_done(&r);
        CTL(d, 4, "receive", "jobs", "--all");
}

static void test_no_ack(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL(d, 0, "declare", "jobs");
        send_lines(d, "jobs", "a\nb\nc\n");
        CTL_PRINTS(d, "a\nb\nc\n", "receive", "jobs", "--all", "--no-ack");
        CTL_PRINTS(d, "a\n", "receive", "jobs", "--no-ack");
        CTL_INPUT(d, &r, NULL, "receive", "jobs", "-j");
        assert_non_null(strstr(r.out, "\"deliveries\":3,"));
        tool_result_done(&r);
        CTL_PRINTS(d, "b\nc\n", "receive", "jobs", "--all");
}

/* What could not be written was not taken. */
static void test_output_breaks(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        struct tool *t;
        int fds[2], full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        CTL(d, 0, "declare", "jobs");
        send_lines(d, "jobs", "a\nb\nc\n");
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        close(fds[0]);
        assert_int_equal(tool_start(&t, test_daemon_socket(d), TOOL_KEEP, fds[1],
                                    (const char *const[]){"receive", "--all", "jobs", NULL}),
                         0);
        assert_int_equal(tool_finish(t, &r), 0);
        ctl_check_status(&r, 1);
        tool_result_done(&r);
        close(fds[1]);
        assert_true(full >= 0);
        assert_int_equal(
                tool_start(&t, test_daemon_socket(d), TOOL_KEEP, full, (const char *const[]){"receive", "jobs", NULL}),
                0);
        assert_int_equal(tool_finish(t, &r), 0);
        ctl_check_status(&r, 1);
        assert_non_null(strstr(r.err, "No space left"));
        tool_result_done(&r);
        close(full);
        CTL_PRINTS(d, "a\nb\nc\n", "receive", "--all", "jobs");
}

static void test_exec(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;

        CTL(d, 0, "declare", "jobs");
        CTL(d, 0, "send", "jobs", "body one", "-H", "Some-Key=value", "--priority=3");
        CTL(d, 0, "send", "jobs", "body two");
        CTL_PRINTS(d, "body one/jobs/jobs/3/1/value\n", "receive", "jobs", "--exec", "sh", "-c",
                   "echo $(cat)/$LODGE_SUBJECT/$LODGE_QUEUE/$LODGE_PRIORITY/$LODGE_DELIVERIES/$LODGE_HEADER_SOME_KEY");
        CTL_SAYS(d, 1, "sh exited with 3", "receive", "--all", "jobs", "--exec", "sh", "-c", "exit 3");
        CTL_SAYS(d, 1, "cannot run ./nonesuch", "receive", "jobs", "--exec", "./nonesuch");
        CTL_INPUT(d, &r, NULL, "receive", "jobs", "--exec", "sh", "-c", "echo $LODGE_DELIVERIES $LODGE_SENDER_UID");
        ctl_check_status(&r, 0);
        assert_int_equal(atoi(r.out), 3);
        tool_result_done(&r);
        CTL(d, 4, "receive", "--all", "jobs", "--exec", "true");
        send_lines(d, "jobs", "x\ny\nz\n");
        CTL_PRINTS(d, "xyz", "receive", "--all", "jobs", "--exec", "cat");
}

/* An interrupt ends a sender that waits for input, with a report. */
static void test_interrupted(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        struct tool *t;
        int held;

        CTL(d, 0, "declare", "jobs");
        assert_int_equal(tool_start(&t, test_daemon_socket(d), TOOL_PIPE, TOOL_KEEP,
                                    (const char *const[]){"send", "--lines", "jobs", NULL}),
                         0);
        assert_int_equal(write(tool_input(t), "a\nb\nhalf", 8), 8);
        CTL_PRINTS(d, "a\nb\n", "receive", "jobs", "-n", "2");
        held = fcntl(tool_input(t), F_DUPFD_CLOEXEC, 3); /* the input does not end */
        assert_true(held >= 0);
        assert_int_equal(kill(tool_pid(t), SIGTERM), 0);
        assert_int_equal(tool_finish(t, &r), 0);
        close(held);
        ctl_check_status(&r, 1);
        assert_non_null(strstr(r.err, "interrupted"));
        assert_non_null(strstr(r.err, "sent 2 confirmed 2\n"));
        tool_result_done(&r);
}

/* Whether `all`, line by line, is `wanted`, with nothing missing and nothing out of order; a run of lines may come
 * again when the bus broke (*ret_again of them). */
static bool same_but_again(const char *all, const char *wanted, size_t *ret_again) {
        const char *furthest = wanted, *at = wanted;

        *ret_again = 0;
        while (*all) {
                size_t n = strcspn(all, "\n") + 1;

                if (strncmp(at, all, n) != 0) {
                        char line[64];

                        /* Only a line that was there before may break the sequence. */
                        snprintf(line, sizeof(line), "%.*s", (int) n, all);
                        at = strstr(wanted, line);
                        if (!at || at >= furthest)
                                return false;
                }
                *ret_again += at < furthest;
                at += n;
                furthest = at > furthest ? at : furthest;
                all += n;
        }
        return *furthest == '\0';
}

/* The bus is killed in the middle of a batch and started again: the sender goes on by itself, nothing is missing, and
 * what it said to be confirmed at that time is there once. */
static void test_bus_dies(void **state) {
        struct test_daemon *d = *state;
        char *lines = make_lines(0, 60000), *half = make_lines(0, 30000);
        struct tool_result r;
        struct tool *t;
        unsigned long long sent, confirmed;
        size_t again, size = strlen(lines), first = strlen(half);
        const char *told;

        CTL(d, 0, "declare", "jobs");
        assert_int_equal(tool_start(&t, test_daemon_socket(d), TOOL_PIPE, TOOL_KEEP,
                                    (const char *const[]){"send", "--lines", "jobs", NULL}),
                         0);
        for (size_t done = 0; done < first;) {
                ssize_t n = write(tool_input(t), lines + done, first - done);

                assert_true(n > 0);
                done += (size_t) n;
        }
        assert_int_equal(test_daemon_kill(d), 0);
        assert_int_equal(test_daemon_start(d), 0);
        for (size_t done = first; done < size;) {
                ssize_t n = write(tool_input(t), lines + done, size - done);

                assert_true(n > 0);
                done += (size_t) n;
        }
        assert_int_equal(tool_finish(t, &r), 0);
        ctl_check_status(&r, 0);
        assert_non_null(strstr(r.err, "sent 60000 confirmed 60000\n"));
        told = strstr(r.err, "the bus went away: ");
        assert_non_null(told);
        assert_int_equal(sscanf(told, "the bus went away: sent %llu confirmed %llu;", &sent, &confirmed), 2);
        tool_result_done(&r);

        CTL_INPUT(d, &r, NULL, "receive", "--all", "jobs");
        ctl_check_status(&r, 0);
        assert_true(same_but_again(r.out, lines, &again));
        assert_true(again <= sent - confirmed);
        tool_result_done(&r);
        free(lines);
        free(half);
}

/* It does not come back: status 8, and a report. */
static void test_bus_stays_away(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        struct tool *t;

        CTL(d, 0, "declare", "jobs");
        assert_int_equal(tool_start(&t, test_daemon_socket(d), TOOL_PIPE, TOOL_KEEP,
                                    (const char *const[]){"send", "--lines", "jobs", "--timeout=200ms", NULL}),
                         0);
        assert_int_equal(write(tool_input(t), "a\n", 2), 2);
        CTL_PRINTS(d, "a\n", "receive", "jobs");
        assert_int_equal(test_daemon_kill(d), 0);
        assert_int_equal(write(tool_input(t), "b\nc\n", 4), 4);
        tool_close_input(t);
        assert_int_equal(tool_finish(t, &r), 0);
        ctl_check_status(&r, 8);
        assert_non_null(strstr(r.err, "sent 3 confirmed 1 unconfirmed 2\n"));
        tool_result_done(&r);
}

/* Receiving goes on when the bus was started again, and what was not acknowledged comes again. */
static void test_receive_goes_on(void **state) {
        struct test_daemon *d = *state;
        struct tool_result r;
        struct tool *t;
        char got[2];

        CTL(d, 0, "declare", "jobs");
        CTL(d, 0, "send", "jobs", "a");
        assert_int_equal(tool_start(&t, test_daemon_socket(d), TOOL_KEEP, TOOL_PIPE,
                                    (const char *const[]){"receive", "jobs", "-n", "2", NULL}),
                         0);
        assert_int_equal(read(tool_output(t), got, 2), 2);
        assert_memory_equal(got, "a\n", 2);
        assert_int_equal(test_daemon_stop(d), 0);
        assert_int_equal(test_daemon_start(d), 0);
        CTL(d, 0, "send", "jobs", "b");
        assert_int_equal(read(tool_output(t), got, 2), 2);
        assert_int_equal(tool_finish(t, &r), 0);
        ctl_check_status(&r, 0);
        tool_result_done(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_lines),          FIXTURE_TEST(test_odd_lines),       FIXTURE_TEST(test_long_line),
                FIXTURE_TEST(test_full),           FIXTURE_TEST(test_count),           FIXTURE_TEST(test_large_count),
                FIXTURE_TEST(test_no_time),        FIXTURE_TEST(test_no_ack),          FIXTURE_TEST(test_output_breaks),
                FIXTURE_TEST(test_exec),           FIXTURE_TEST(test_interrupted),     FIXTURE_TEST(test_bus_dies),
                FIXTURE_TEST(test_bus_stays_away), FIXTURE_TEST(test_receive_goes_on),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
