/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A real full disk: a small tmpfs, mounted in a namespace of the test's own. Sends are refused by name, receiving and
 * acks go on, nothing confirmed is lost, also across a kill, and sending works again by itself.
 */

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/lodge.h"
#include "tests/support/daemon.h"

#define BODY_BYTES   10000u
#define DISK_OPTIONS "size=48M"
/* More than the disk holds. */
#define SENDS_MAX 10000u

static bool mount_small_disk(const char *directory) {
        return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
               (mkdir(directory, 0700) == 0 || errno == EEXIST) &&
               mount("none", directory, "tmpfs", 0, DISK_OPTIONS) == 0;
}

/* Sends bodies that begin with their number until one is refused. Returns how many were confirmed. */
static unsigned fill(lodge *bus, unsigned first) {
        static char body[BODY_BYTES];
        unsigned n = first;
        int r = 0;

        for (; n < first + SENDS_MAX; n++) {
                snprintf(body, sizeof(body), "%u", n);
                r = lodge_send(bus, "jobs", body, sizeof(body), NULL);
                if (r < 0)
                        break;
        }
        assert_int_equal(r, -ENOSPC);
        assert_string_equal(lodge_get_error(bus)->name, "disk-full");
        return n - first;
}

/* Receives messages `first` and following, in order, each acknowledged for good. */
static void drain(lodge *bus, unsigned first, unsigned n) {
        for (unsigned i = first; i < first + n; i++) {
                lodge_message *m = NULL;
                size_t size;

                assert_int_equal(lodge_receive(bus, "jobs", LODGE_FOREVER, &m), 1);
                assert_int_equal(atoi(lodge_message_get_body(m, &size)), i);
                assert_int_equal(size, BODY_BYTES);
                assert_int_equal(lodge_message_ack(m), 0);
                lodge_message_unref(m);
        }
        assert_int_equal(lodge_flush(bus), 0);
}

/* Sends message `number` again and again until it is taken: the daemon looks at the disk once a second. */
static void send_until_taken(lodge *bus, unsigned number) {
        static char body[BODY_BYTES];
        int r;

        snprintf(body, sizeof(body), "%u", number);
        do
                r = lodge_send(bus, "jobs", body, sizeof(body), NULL);
        while (r == -ENOSPC);
        assert_int_equal(r, 0);
}

static void test_full_disk(void **state) {
        struct test_daemon *d = NULL;
        lodge *bus = NULL;
        unsigned first = 0, n, more;

        (void) state;
        assert_int_equal(test_daemon_new(&d), 0);
        if (!mount_small_disk(test_daemon_state(d))) {
                print_message("cannot mount a tmpfs here: skipped\n");
                test_daemon_free(d);
                skip();
        }
        assert_int_equal(test_daemon_start(d), 0);
        assert_int_equal(lodge_open_socket(&bus, test_daemon_socket(d)), 0);
        assert_int_equal(lodge_declare(bus, "jobs", NULL, NULL, 0), 0);
        n = fill(bus, 0);
        assert_true(n > 100);

        /* What is confirmed is there after a kill, in order, and can be taken out while the disk is still full. */
        assert_int_equal(test_daemon_kill(d), 0);
        assert_int_equal(test_daemon_start(d), 0);
        drain(bus, first, n / 2);
        assert_int_equal(test_daemon_kill(d), 0);
        assert_int_equal(test_daemon_start(d), 0);
        drain(bus, first + n / 2, n - n / 2);

        /* Now there is room: by itself, without a restart, as much as before. */
        first = n;
        send_until_taken(bus, first);
        more = 1 + fill(bus, first + 1);
        assert_true(more > n / 2);
        drain(bus, first, more);

        lodge_unref(bus);
        assert_int_equal(test_daemon_stop(d), 0);
        assert_int_equal(umount(test_daemon_state(d)), 0);
        test_daemon_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_full_disk)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
