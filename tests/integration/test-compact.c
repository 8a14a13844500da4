/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One message in a thousand is never acknowledged: what came with it gives its disk space back, and the stragglers are
 * all there after a kill. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "client/lodge.h"
#include "tests/support/daemon.h"

#define MESSAGES      60000u
#define EACH_KEPT     1000u
#define BODY_BYTES    1000u
#define SEGMENT_BYTES (8u * 1024u * 1024u) /* of a user's bus */
#define GIVEN_BACK_S  60u                  /* the test fails if it takes longer */

struct reader {
        unsigned n;
        lodge_message *kept[MESSAGES / EACH_KEPT];
        unsigned n_kept;
};

static void take(lodge_message *m, void *userdata) {
        struct reader *reader = userdata;
        size_t size;

        assert_int_equal(atoi(lodge_message_get_body(m, &size)), reader->n);
        assert_int_equal(size, BODY_BYTES);
        if (reader->n++ % EACH_KEPT == 0)
                reader->kept[reader->n_kept++] = lodge_message_ref(m);
        else
                assert_int_equal(lodge_message_ack(m), 0);
}

static void step(lodge *bus) {
        int r = lodge_process(bus);

        assert_true(r >= 0);
        if (r == 0)
                assert_true(lodge_wait(bus, LODGE_FOREVER) >= 0);
}

static void send_all(lodge *bus) {
        static char body[BODY_BYTES];

        for (unsigned i = 0; i < MESSAGES;) {
                int r;

                snprintf(body, sizeof(body), "%u", i);
                r = lodge_send_async(bus, NULL, "jobs", body, sizeof(body), NULL, NULL);
                if (r == -EAGAIN)
                        step(bus);
                else {
                        assert_true(r >= 0);
                        i++;
                }
        }
}

static uint64_t number(const lodge_item *item, const char *key) {
        lodge_attribute a;

        assert_int_equal(lodge_item_get(item, key, &a), 1);
        return a.number;
}

static void look(const lodge_item *item, void *userdata) {
        bool *within = userdata;

        assert_int_equal(number(item, "messages"), MESSAGES / EACH_KEPT);
        *within = number(item, "disk_bytes") < 2 * number(item, "bytes") + 4 * (uint64_t) SEGMENT_BYTES + 1;
}

static void test_stragglers(void **unused) {
        lodge_consume_options options = {.prefetch_messages = 5000, .prefetch_bytes = 64u << 20};
        struct test_daemon *d = NULL;
        struct reader reader = {0};
        lodge *bus = NULL;
        bool within = false;

        (void) unused;
        assert_int_equal(test_daemon_launch(&d), 0);
        assert_int_equal(lodge_open_socket(&bus, test_daemon_socket(d)), 0);
        assert_int_equal(lodge_declare(bus, "jobs", NULL, NULL, 0), 0);
        send_all(bus);
        assert_int_equal(lodge_flush(bus), 0);
        assert_int_equal(lodge_consume(bus, NULL, "jobs", &options, take, &reader), 0);
        while (reader.n < MESSAGES)
                step(bus);
        assert_int_equal(lodge_flush(bus), 0);
        assert_int_equal(reader.n_kept, MESSAGES / EACH_KEPT);

        alarm(GIVEN_BACK_S);
        while (!within)
                assert_int_equal(lodge_status(bus, NULL, look, &within), 0);
        alarm(0);

        assert_int_equal(test_daemon_kill(d), 0);
        for (unsigned i = 0; i < reader.n_kept; i++)
                lodge_message_unref(reader.kept[i]);
        lodge_unref(bus);
        assert_int_equal(test_daemon_start(d), 0);
        assert_int_equal(lodge_open_socket(&bus, test_daemon_socket(d)), 0);
        for (unsigned i = 0; i < MESSAGES; i += EACH_KEPT) {
                lodge_message *m = NULL;
                size_t size;

                assert_int_equal(lodge_receive(bus, "jobs", LODGE_FOREVER, &m), 1);
                assert_int_equal(atoi(lodge_message_get_body(m, &size)), i);
                assert_int_equal(size, BODY_BYTES);
                assert_true(lodge_message_get_deliveries(m) >= 2);
                assert_int_equal(lodge_message_ack(m), 0);
                lodge_message_unref(m);
        }
        assert_int_equal(lodge_flush(bus), 0);
        lodge_unref(bus);
        assert_int_equal(test_daemon_stop(d), 0);
        test_daemon_free(d);
}

int main(void) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_stragglers)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
