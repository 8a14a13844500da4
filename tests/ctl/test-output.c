/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/ctl/output.h"

static void test_all_is_written(void **state) {
        signals s = {0};
        output o;
        int fds[2];
        char got[64] = "";

        (void) state;
        assert_int_equal(pipe(fds), 0);
        output_init(&o, fds[1], &s);
        assert_int_equal(output_flush(&o), 0);
        assert_int_equal(output_add(&o, "one ", 4), 0);
        assert_int_equal(output_printf(&o, "%d ", 2), 0);
        assert_int_equal(output_add_text(&o, "three"), 0);
        assert_int_equal(o.size, 11);
        assert_int_equal(output_flush(&o), 0);
        assert_int_equal(o.size, 0);
        assert_int_equal(read(fds[0], got, sizeof(got)), 11);
        assert_string_equal(got, "one 2 three");
        output_done(&o);
        close(fds[0]);
        close(fds[1]);
}

/* A reader that went away is told, nothing is said to be written, and it stays that way. */
static void test_closed_reader(void **state) {
        signals s = {0};
        output o;
        int fds[2];

        (void) state;
        assert_int_equal(pipe(fds), 0);
        close(fds[0]);
        output_init(&o, fds[1], &s);
        assert_int_equal(output_add_text(&o, "text"), 0);
        assert_int_equal(output_flush(&o), -EPIPE);
        assert_int_equal(o.error, -EPIPE);
        assert_int_equal(o.size, 4);
        assert_int_equal(output_add_text(&o, "more"), -EPIPE);
        assert_int_equal(output_flush(&o), -EPIPE);
        output_done(&o);
        close(fds[1]);
}

static void test_full_disk(void **state) {
        signals s = {0};
        output o;
        int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

        (void) state;
        assert_true(fd >= 0);
        output_init(&o, fd, &s);
        assert_int_equal(output_add_text(&o, "text"), 0);
        assert_int_equal(output_flush(&o), -ENOSPC);
        output_done(&o);
        close(fd);
}

/* Reads everything slowly in another process and exits with 0 if it is as long as expected. */
static pid_t start_reader(int fds[2], size_t expected) {
        pid_t pid = fork();
        size_t size = 0;
        char buffer[1000];
        ssize_t n;

        if (pid != 0)
                return pid;
        close(fds[1]);
        while ((n = read(fds[0], buffer, sizeof(buffer))) > 0) {
                for (ssize_t i = 0; i < n; i++)
                        if (buffer[i] != (char) ('a' + (size + (size_t) i) % 26))
                                _exit(2);
                size += (size_t) n;
        }
        _exit(size == expected ? 0 : 1);
}

/* More than a pipe holds, through a descriptor that somebody made non-blocking. */
static void test_non_blocking(void **state) {
        enum { BYTES = 1000000 };
        signals s = {0};
        output o;
        int fds[2], status;
        pid_t pid;

        (void) state;
        assert_int_equal(pipe(fds), 0);
        pid = start_reader(fds, BYTES);
        assert_true(pid > 0);
        close(fds[0]);
        assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
        output_init(&o, fds[1], &s);
        for (size_t i = 0; i < BYTES; i++) {
                char letter = (char) ('a' + i % 26);

                output_add(&o, &letter, 1);
        }
        assert_int_equal(output_flush(&o), 0);
        close(fds[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        output_done(&o);
}

/* A signal that came ends a write before it begins, and what is not written stays. */
static void test_signal(void **state) {
        signals s = {0};
        struct pollfd fd = {.fd = -1};
        output o;
        int fds[2];
        char got[8];

        (void) state;
        assert_int_equal(pipe(fds), 0);
        output_init(&o, fds[1], &s);
        assert_int_equal(output_add_text(&o, "text"), 0);
        signals_catch(&s);
        assert_int_equal(signals_which(&s), 0);
        assert_int_equal(signals_poll(&s, &fd, 1, 0), 0);
        raise(SIGTERM);
        assert_int_equal(signals_poll(&s, &fd, 1, UINT64_MAX), -EINTR);
        assert_int_equal(signals_which(&s), SIGTERM);
        signals_forget();
        assert_int_equal(signals_which(&s), 0);
        raise(SIGINT);
        assert_int_equal(signals_which(&s), SIGINT);
        assert_int_equal(signals_poll(&s, &fd, 1, UINT64_MAX), -EINTR);
        assert_int_equal(output_flush(&o), -EINTR);
        assert_int_equal(o.size, 4);
        assert_int_equal(o.error, 0);
        signals_release(&s);
        assert_int_equal(output_flush(&o), 0);
        assert_int_equal(read(fds[0], got, sizeof(got)), 4);
        output_done(&o);
        close(fds[0]);
        close(fds[1]);
}

/* A signal is noticed although there is always something to read. */
static void test_signal_while_busy(void **state) {
        signals s = {0};
        struct pollfd fd = {.fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), .events = POLLIN};

        (void) state;
        assert_true(fd.fd >= 0);
        signals_catch(&s);
        assert_int_equal(signals_poll(&s, &fd, 1, UINT64_MAX), 1);
        raise(SIGTERM);
        assert_int_equal(signals_poll(&s, &fd, 1, UINT64_MAX), -EINTR);
        signals_release(&s);
        close(fd.fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_is_written), cmocka_unit_test(test_closed_reader),
                cmocka_unit_test(test_full_disk),      cmocka_unit_test(test_non_blocking),
                cmocka_unit_test(test_signal),         cmocka_unit_test(test_signal_while_busy),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
