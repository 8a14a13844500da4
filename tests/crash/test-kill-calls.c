/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The real daemon, killed at each call that changes its disk: before it, after it, half way through a write. It has
 * to start again with every message that it confirmed, once, whole, in order, and with none whose ack it answered.
 * $LODGE_CRASH_IMAGES: every call, else some.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/daemon.h"
#include "tests/support/raw.h"
#include "tests/support/tmpdir.h"

#define QUEUE      "letters"
#define N_MESSAGES 60u
#define BYTES_MAX  60000u
#define CALLS_MAX  2000u
#define PRIORITY   4u
#define KILLED     (128 + SIGKILL)
#define CHANNEL    1u

enum standing { ABSENT, SENT, CONFIRMED, ACKED, GONE };

struct history {
        bool declared; /* confirmed */
        enum standing standing[N_MESSAGES];
        uint64_t ids[N_MESSAGES];
        uint64_t last_id;
};

struct tally {
        unsigned kills, confirmed, lost, duplicated, wrong;
};

struct world {
        char *directory, *killer, *config;
};

static uint32_t bytes_of(uint32_t number) {
        return number % 3 == 0 ? BYTES_MAX - number : 8 + number * 7;
}

static void write_body(uint8_t *out, uint32_t number) {
        for (uint32_t i = 0; i < bytes_of(number); i++)
                out[i] = (uint8_t) (number * 31 + i * 7);
        memcpy(out, &number, sizeof number);
}

static bool read_body(struct wire_span body, uint32_t *ret) {
        uint8_t expected[BYTES_MAX];

        if (body.size < sizeof *ret)
                return false;
        memcpy(ret, body.data, sizeof *ret);
        if (*ret >= N_MESSAGES || body.size != bytes_of(*ret))
                return false;
        write_body(expected, *ret);
        return memcmp(expected, body.data, body.size) == 0;
}

/* ---- what happens until the daemon is killed; each returns whether it was not ---- */

static bool send_one(struct raw *p, struct history *h, uint32_t number) {
        uint8_t body[BYTES_MAX];

        write_body(body, number);
        h->standing[number] = SENT;
        if (raw_send(p, QUEUE, PRIORITY, body, bytes_of(number)) < 0 ||
            raw_expect_confirm(p, p->send_serial, &h->ids[number]) < 0)
                return false;
        h->standing[number] = CONFIRMED;
        return true;
}

/* Takes the next two and acks the first one of them. */
static bool receive_some(struct raw *p, struct history *h) {
        struct wire_deliver d;
        uint32_t number;

        if (raw_consume(p, CHANNEL, QUEUE, 1, UINT32_MAX) < 0 || raw_expect_ok(p) < 0 || raw_expect_deliver(p, &d) < 0)
                return false;
        assert_true(read_body(d.body, &number));
        h->standing[number] = ACKED;
        if (raw_settle(p, WIRE_ACK, WIRE_SETTLE_ANSWER, CHANNEL, d.id, 1) < 0 || raw_expect_ok(p) < 0)
                return false;
        h->standing[number] = GONE;
        return raw_request(p, WIRE_CANCEL, 0, CHANNEL, NULL, 0) == 0 && raw_expect_ok(p) == 0;
}

static bool live(const char *socket, struct history *h) {
        __attribute__((cleanup(raw_closep))) struct raw *p = NULL;

        if (raw_open(&p, socket) < 0 || raw_request_name(p, WIRE_DECLARE, 0, 0, QUEUE, NULL) < 0 ||
            raw_expect_ok(p) < 0)
                return false;
        h->declared = true;
        for (uint32_t i = 0; i < N_MESSAGES; i++)
                if (!send_one(p, h, i) || (i % 4 != 0 && !receive_some(p, h)))
                        return false;
        return true;
}

/* ---- what is there afterwards ---- */

static void
check_one(const struct history *h, const struct wire_deliver *d, uint64_t last_id, bool *found, struct tally *tally) {
        uint32_t number;

        if (!read_body(d->body, &number) || h->standing[number] == ABSENT ||
            (h->ids[number] != 0 && h->ids[number] != d->id)) {
                tally->wrong++;
                return;
        }
        if (found[number] || h->standing[number] == GONE || d->id <= last_id)
                tally->duplicated++;
        found[number] = true;
}

static int check_all(const char *socket, const struct history *h, struct tally *tally) {
        __attribute__((cleanup(raw_closep))) struct raw *p = NULL;
        bool found[N_MESSAGES] = {0};
        uint64_t last_id = 0;
        struct raw_frame frame;
        struct wire_deliver d;
        struct wire_fault fault;

        if (raw_open(&p, socket) < 0 || raw_request_name(p, WIRE_BROWSE, 0, CHANNEL, QUEUE, NULL) < 0)
                return -EIO;
        for (;;) {
                if (raw_read(p, &frame) <= 0)
                        return -EIO;
                if (frame.header.opcode == WIRE_END || frame.header.opcode == WIRE_ERROR)
                        break;
                if (frame.header.opcode != WIRE_BROWSED)
                        continue;
                if (wire_deliver_parse(frame.data, frame.header.size, &d, &fault) < 0)
                        return -EPROTO;
                check_one(h, &d, last_id, found, tally);
                last_id = d.id;
        }
        if (frame.header.opcode == WIRE_ERROR && h->declared)
                tally->lost++;
        for (uint32_t i = 0; i < N_MESSAGES; i++) {
                tally->confirmed += h->standing[i] == CONFIRMED;
                tally->lost += h->standing[i] == CONFIRMED && !found[i];
        }
        return 0;
}

/* ---- one kill ---- */

static void arm(const struct world *w, const char *state, unsigned call) {
        static const char *const how[] = {"before", "after", "half"};
        char number[16];

        (void) snprintf(number, sizeof number, "%u", call);
        (void) setenv("LODGE_KILL_AT", number, 1);
        (void) setenv("LODGE_KILL_HOW", how[call % 3], 1);
        (void) setenv("LODGE_KILL_BELOW", state, 1);
        (void) setenv("LD_PRELOAD", w->killer, 1);
        /* A sanitizer's library wants to be the first one. */
        (void) setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 0);
}

/* Returns whether the daemon made that many calls at all. */
static bool kill_at(const struct world *w, unsigned call, struct tally *tally) {
        __attribute__((cleanup(test_daemon_freep))) struct test_daemon *d = NULL;
        struct history h = {0};
        const char *const arguments[] = {w->config, NULL};
        int r;

        assert_int_equal(test_daemon_new(&d), 0);
        arm(w, test_daemon_state(d), call);
        r = test_daemon_start_with(d, arguments);
        (void) unsetenv("LD_PRELOAD");
        if (r == 0) {
                bool lived = live(test_daemon_socket(d), &h);

                r = lived ? test_daemon_stop(d) : test_daemon_wait(d);
                if (lived && r == 0)
                        return false;
                assert_int_equal(r, KILLED);
        } else
                assert_int_equal(r, -ECANCELED);
        tally->kills++;
        assert_int_equal(test_daemon_start_with(d, arguments), 0);
        assert_int_equal(check_all(test_daemon_socket(d), &h, tally), 0);
        assert_int_equal(test_daemon_stop(d), 0);
        if (tally->lost + tally->duplicated + tally->wrong > 0)
                (void) fprintf(stderr, "killed at call %u\n", call);
        return true;
}

static void killed_at_every_call(void **state) {
        const struct world *w = *state;
        unsigned step = getenv("LODGE_CRASH_IMAGES") ? 1 : 29, call;
        struct tally tally = {0};

        if (!w->killer) {
                printf("left out: there is no compiler for what is to be preloaded\n");
                skip();
        }
        for (call = 1; call < CALLS_MAX && kill_at(w, call, &tally); call += step)
                ;
        printf("killed %u times in %u calls; confirmed and checked %u, lost %u, duplicated %u, wrong %u\n", tally.kills,
               call, tally.confirmed, tally.lost, tally.duplicated, tally.wrong);
        assert_true(call < CALLS_MAX);
        assert_true(tally.kills > 5 && tally.confirmed > 0);
        assert_int_equal(tally.lost + tally.duplicated + tally.wrong, 0);
}

/* ---- set-up ---- */

/* Returns the path of the library, or NULL when it cannot be made. */
static char *make_killer(const char *directory) {
        char command[1024], *path = tmpdir_path(directory, "killer.so");
        const char *compiler = getenv("CC");

        (void) snprintf(command, sizeof command,
                        "%s -std=gnu11 -D_GNU_SOURCE -O1 -shared -fPIC -o %s tests/crash/killer.c 2>&1",
                        compiler ? compiler : "cc", path);
        if (system(command) == 0)
                return path;
        free(path);
        return NULL;
}

static char *make_config(const char *directory) {
        char *path = tmpdir_path(directory, "lodged.conf"), *argument = NULL;
        FILE *f = path ? fopen(path, "we") : NULL;

        if (f && fputs("[Bus]\nSegmentSize=1M\n", f) >= 0 && fclose(f) == 0 &&
            asprintf(&argument, "--config=%s", path) < 0)
                argument = NULL;
        free(path);
        return argument;
}

static int setup(void **state) {
        struct world *w = calloc(1, sizeof *w);

        if (!w || tmpdir_new(&w->directory) < 0)
                return -1;
        w->killer = make_killer(w->directory);
        w->config = make_config(w->directory);
        *state = w;
        return w->config ? 0 : -1;
}

static int teardown(void **state) {
        struct world *w = *state;

        free(w->killer);
        free(w->config);
        (void) tmpdir_remove(w->directory);
        free(w);
        return 0;
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(killed_at_every_call, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
