/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The socket that systemd passes: clients wait in it while no daemon runs, and it outlives one that is killed. */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/lodge.h"
#include "tests/support/daemon.h"
#include "tests/support/tmpdir.h"

#define LISTEN_FD 3 /* SD_LISTEN_FDS_START, sd_listen_fds(3) */

static int listen_at(const char *path) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        assert_true(fd >= 0 && strlen(path) < sizeof(address.sun_path));
        strcpy(address.sun_path, path);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

/* Runs lodged with `fd` as systemd passes it. */
static pid_t activate(int fd, const char *state) {
        const char *program = getenv("LODGED") ? getenv("LODGED") : "build/lodged";
        char argument[4200], number[16];
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(argument, sizeof(argument), "--state=%s", state);
        snprintf(number, sizeof(number), "%d", (int) getpid());
        setenv("LISTEN_PID", number, 1);
        setenv("LISTEN_FDS", "1", 1);
        if (dup2(fd, LISTEN_FD) >= 0 && fcntl(LISTEN_FD, F_SETFD, 0) >= 0)
                execl(program, program, "--user", "--socket=/nowhere/bus", argument, "--log-level=warning", NULL);
        _exit(127);
}

static void end_daemon(pid_t pid, int signal) {
        int status;

        assert_int_equal(kill(pid, signal), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (signal == SIGTERM)
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_socket_outlives_the_daemon(void **unused) {
        char *directory = NULL, socket_path[4200], state[4200];
        lodge_message *m = NULL;
        lodge *bus = NULL;
        size_t size;
        int fd;
        pid_t pid;

        (void) unused;
        assert_int_equal(tmpdir_new(&directory), 0);
        snprintf(socket_path, sizeof(socket_path), "%s/bus", directory);
        snprintf(state, sizeof(state), "%s/state", directory);
        fd = listen_at(socket_path);

        /* The client may come first: it waits in the socket until somebody serves it. */
        pid = activate(fd, state);
        assert_int_equal(lodge_open_socket(&bus, socket_path), 0);
        assert_int_equal(lodge_declare(bus, "jobs", NULL, NULL, 0), 0);
        assert_int_equal(lodge_send(bus, "jobs", "first", 5, NULL), 0);

        /* Killed: the socket is still there, so the same connection object just waits for the next daemon. */
        end_daemon(pid, SIGKILL);
        pid = activate(fd, state);
        assert_int_equal(lodge_send(bus, "jobs", "second", 6, NULL), 0);
        assert_int_equal(lodge_receive(bus, "jobs", LODGE_FOREVER, &m), 1);
        assert_memory_equal(lodge_message_get_body(m, &size), "first", 5);
        assert_int_equal(lodge_message_ack(m), 0);
        lodge_message_unref(m);
        assert_int_equal(lodge_flush(bus), 0);
        lodge_unref(bus);

        /* A clean stop leaves the socket to its owner. */
        end_daemon(pid, SIGTERM);
        assert_int_equal(access(socket_path, F_OK), 0);
        close(fd);
        (void) tmpdir_remove(directory);
}

static void test_second_daemon_is_refused(void **unused) {
        struct test_daemon *d = NULL;
        const char *program = getenv("LODGED") ? getenv("LODGED") : "build/lodged";
        char command[9000];
        int status;

        (void) unused;
        assert_int_equal(test_daemon_launch(&d), 0);
        /* The same state: whoever came first has it. The same socket: likewise. Both say so with a status of their own.
         */
        snprintf(command, sizeof(command), "%s --user --socket=%s/other --state=%s 2>%s/refused", program,
                 test_daemon_directory(d), test_daemon_state(d), test_daemon_directory(d));
        status = system(command);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 4);
        snprintf(command, sizeof(command), "%s --user --socket=%s --state=%s/other 2>%s/refused", program,
                 test_daemon_socket(d), test_daemon_directory(d), test_daemon_directory(d));
        status = system(command);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 4);
        assert_int_equal(test_daemon_stop(d), 0);
        test_daemon_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_socket_outlives_the_daemon),
                cmocka_unit_test(test_second_daemon_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
