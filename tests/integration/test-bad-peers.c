/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Peers that do not read, that vanish, that send what nobody asked for: they have only themselves to blame. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/integration/rude.h"
#include "tests/support/fixture.h"

#define FLOOD_BYTES_MAX ((size_t) 256 << 20)
#define LARGE_BYTES     65536
#define LARGE_MESSAGES  300u

/* ---- frames that stop ---- */

static void test_vanishing_mid_frame(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        uint8_t frame[256];
        size_t n = make_send(frame, 2, QUEUE, "", 0, "never whole");
        struct raw *p;

        for (size_t cut = 1; cut < n; cut++) {
                p = open_raw(d);
                assert_int_equal(raw_write(p, frame, cut), 0);
                raw_close(p);
        }
        /* What went before the half frame is taken; the half is not. */
        p = open_raw(d);
        assert_int_equal(raw_send(p, QUEUE, 0, "whole", 5), 0);
        assert_int_equal(raw_write(p, frame, n - 1), 0);
        assert_int_equal(raw_expect_confirm(p, 1, NULL), 0);
        raw_close(p);

        assert_int_equal(polite_go_on(polite), 0);
        p = open_raw(d);
        expect_ready(p, QUEUE, 1);
        raw_close(p);
        end(polite);
}

/* Half a HELLO, half a header, nothing at all: such peers may stay as long as they like. */
static void test_halves_that_wait(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *nothing = connect_raw(d), *half_header = connect_raw(d), *half_hello = connect_raw(d);
        struct raw *half_frame = open_raw(d);
        uint8_t frame[64];
        size_t n = make_send(frame, 1, QUEUE, "", 0, "in two pieces");

        assert_int_equal(raw_write(half_header, "\x2b\0\0", 3), 0);
        assert_int_equal(raw_write(half_hello, "\x2b\0\0\0\x01\0\0\0\x01", 9), 0);
        assert_int_equal(raw_write(half_frame, frame, 10), 0);
        assert_int_equal(polite_go_on(polite), 0);

        /* The other half comes: all is well. */
        assert_int_equal(raw_write(half_frame, frame + 10, n - 10), 0);
        assert_int_equal(raw_expect_confirm(half_frame, 1, NULL), 0);
        raw_close(nothing);
        raw_close(half_header);
        raw_close(half_hello);
        raw_close(half_frame);
        end(polite);
}

static void test_byte_by_byte(void **state) {
        struct test_daemon *d = *state;
        struct raw *p = open_raw(d);
        uint8_t frame[64];
        size_t n = make_send(frame, 1, QUEUE, "", 0, "slowly");

        for (size_t i = 0; i < n; i++)
                assert_int_equal(raw_write(p, frame + i, 1), 0);
        assert_int_equal(raw_expect_confirm(p, 1, NULL), 0);
        raw_close(p);
}

/* ---- peers that do not read ---- */

/*
 * Writes one frame again and again until the daemon takes no more, also after others had their turn. Returns how many
 * were begun; the last may be cut: the bytes that are missing are written later.
 */
static size_t
flood(struct raw *p, struct polite *polite, const uint8_t *frame, size_t frame_bytes, size_t *ret_missing) {
        size_t total = 0;

        for (int full = 0; full < 2;) {
                size_t at = total % frame_bytes;
                int n = raw_write_some(p, frame + at, frame_bytes - at);

                assert_true(n >= 0);
                total += (size_t) n;
                assert_true(total < FLOOD_BYTES_MAX); /* else there is no back pressure */
                if (n > 0) {
                        full = 0;
                        continue;
                }
                full++;
                assert_int_equal(polite_go_on(polite), 0);
        }
        *ret_missing = (frame_bytes - total % frame_bytes) % frame_bytes;
        return total / frame_bytes + (total % frame_bytes > 0);
}

/* Asks and asks, and does not read the answers. When it reads at last, it finds all of them. */
static void test_flood_of_requests(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = open_raw(d);
        uint8_t frame[WIRE_SERIAL_HEADER_BYTES];
        size_t size = wire_put_general(frame, WIRE_STATUS, 0, 0, 77, 0), missing, n, answered = 0;

        n = flood(p, polite, frame, size, &missing);
        assert_true(n > 0);
        while (answered < n) {
                struct raw_frame got;

                if (answered == n - 1 && missing > 0) {
                        /* All that was asked for so far is answered and read, so there is room for the rest of the
                         * last. */
                        assert_int_equal(raw_write(p, frame + size - missing, missing), 0);
                        missing = 0;
                }
                assert_int_equal(raw_read(p, &got), 1);
                assert_true(got.header.opcode == WIRE_ITEM || got.header.opcode == WIRE_END);
                answered += got.header.opcode == WIRE_END;
        }
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
        end(polite);
}

/* Sends and sends without reading the confirms: it is not read from, or it is, but everybody else is served. */
static void test_flood_of_sends(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = open_raw(d), *other;
        uint32_t last = 0;

        for (unsigned i = 0; i < LARGE_MESSAGES; i++) {
                uint8_t body[512] = {0};

                assert_int_equal(raw_send(p, QUEUE, 0, body, sizeof body), 0);
                if (i % 100 == 0)
                        assert_int_equal(polite_go_on(polite), 0);
        }
        /* It reads at last: every one is confirmed, in order. */
        while (last < LARGE_MESSAGES) {
                struct wire_fault fault;
                struct raw_frame frame;
                int runs;

                assert_int_equal(raw_expect(p, WIRE_CONFIRM, &frame), 0);
                runs = wire_confirm_parse(frame.data, frame.header.size, &fault);
                assert_true(runs > 0);
                for (int i = 0; i < runs; i++) {
                        struct wire_confirm_run run = wire_confirm_run(frame.data, (size_t) i);

                        assert_int_equal(run.serial, last + 1);
                        last += run.count;
                }
        }
        other = open_raw(d);
        expect_ready(other, QUEUE, LARGE_MESSAGES);
        raw_close(other);
        raw_close(p);
        end(polite);
}

/* Takes all credit that there is and never reads: what it holds goes to the next one when it is gone. */
static void test_consumer_that_never_reads(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *sender = open_raw(d), *p = open_raw(d), *next;
        uint8_t *body = calloc(1, LARGE_BYTES);
        uint64_t last = 0;

        assert_non_null(body);
        assert_int_equal(raw_consume(p, 1, QUEUE, UINT32_MAX, INT64_MAX), 0);
        for (uint32_t i = 0; i < LARGE_MESSAGES; i++) {
                wire_set32(body, i);
                assert_int_equal(raw_send(sender, QUEUE, 0, body, LARGE_BYTES), 0);
                assert_int_equal(raw_expect_confirm(sender, sender->send_serial, NULL), 0);
        }
        assert_int_equal(polite_go_on(polite), 0);
        raw_close(p);

        next = open_raw(d);
        assert_int_equal(raw_consume(next, 1, QUEUE, UINT32_MAX, INT64_MAX), 0);
        assert_int_equal(raw_expect_ok(next), 0);
        for (uint32_t i = 0; i < LARGE_MESSAGES; i++) {
                struct wire_deliver m;

                assert_int_equal(raw_expect_deliver(next, &m), 0);
                assert_int_equal(m.body.size, LARGE_BYTES);
                assert_int_equal(wire_get32(m.body.data), i);
                assert_true(m.id > last);
                last = m.id;
                assert_int_equal(
                        raw_settle(next, WIRE_ACK, i + 1 == LARGE_MESSAGES ? WIRE_SETTLE_ANSWER : 0, 1, m.id, 1), 0);
        }
        assert_int_equal(raw_expect_ok(next), 0);
        free(body);
        raw_close(next);
        raw_close(sender);
        end(polite);
}

/* Browses much, again and again, and reads nothing of it. */
static void test_browser_that_never_reads(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *sender = open_raw(d), *p = open_raw(d);
        uint8_t *body = calloc(1, LARGE_BYTES), fields[64];
        size_t n = wire_put_string(fields, WIRE_FIELD_NAME, QUEUE);

        assert_non_null(body);
        for (uint32_t i = 0; i < LARGE_MESSAGES / 4; i++) {
                assert_int_equal(raw_send(sender, QUEUE, 0, body, LARGE_BYTES), 0);
                assert_int_equal(raw_expect_confirm(sender, sender->send_serial, NULL), 0);
        }
        for (unsigned channel = 1; channel <= 50; channel++)
                assert_int_equal(raw_request(p, WIRE_BROWSE, 0, channel, fields, n), 0);
        assert_int_equal(polite_go_on(polite), 0);
        raw_close(p);
        free(body);
        raw_close(sender);
        end(polite);
}

/* ---- descriptors ---- */

/* Descriptors that the daemon has open of those that a client can bring; its store opens and closes files at any time. */
static unsigned count_descriptors(const struct test_daemon *d) {
        struct dirent *entry;
        char path[64];
        unsigned n = 0;
        DIR *dir;

        snprintf(path, sizeof path, "/proc/%i/fd", (int) test_daemon_pid(d));
        dir = opendir(path);
        assert_non_null(dir);
        while ((entry = readdir(dir))) {
                char target[64];
                ssize_t size = readlinkat(dirfd(dir), entry->d_name, target, sizeof target);

                if (size >= 7 && (memcmp(target, "socket:", 7) == 0 || memcmp(target, "/dev/nu", 7) == 0))
                        n++;
        }
        closedir(dir);
        return n;
}

static void test_descriptors_unasked(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        unsigned before;
        uint8_t frame[64];
        size_t n;

        for (int round = 0; round < 10; round++) {
                int fds[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_RDONLY | O_CLOEXEC)};
                struct raw *p = open_raw(d);

                if (round == 0) /* once everything that a first time needs is there */
                        before = count_descriptors(d);
                assert_true(fds[0] >= 0 && fds[1] >= 0);
                n = wire_put_general(frame, WIRE_PING, 0, 0, 5, 0);
                assert_int_equal(raw_write_descriptors(p, frame, n, fds, 1 + (size_t) round % 2), 0);
                expect_refused(p, WIRE_CODE_MALFORMED);
                close(fds[0]);
                close(fds[1]);
        }

        struct raw *p = open_raw(d);

        /* All are closed again: this peer stands for the one that was there at the count. */
        assert_int_equal(count_descriptors(d), before);
        raw_close(p);
        end(polite);
}

static void test_descriptor_that_does_not_come(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        uint8_t frame[64];
        size_t n = wire_put_general(frame, WIRE_PING, WIRE_FLAG_DESCRIPTOR, 0, 5, 0);

        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        end(polite);
}

/* ---- channels and leases of somebody else ---- */

static void test_strange_channels(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = open_raw(d), *thief = open_raw(d);
        struct wire_deliver m;

        /* Credit for nothing is ignored; the others are told. */
        assert_int_equal(raw_credit(p, 9, 1, 1), 0);
        assert_int_equal(raw_request(p, WIRE_CANCEL, 0, 9, NULL, 0), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_NOT_FOUND, p->serial), 0);
        assert_int_equal(raw_settle(p, WIRE_ACK, 0, 9, 1, 1000000), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_NOT_LEASED, p->serial), 0);
        assert_int_equal(raw_settle(p, WIRE_NACK, 0, 9, 1, UINT32_MAX), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_NOT_LEASED, p->serial), 0);

        /* A channel that is in use; a lease that another one has. */
        assert_int_equal(raw_send(p, QUEUE, 0, "mine", 4), 0);
        assert_int_equal(raw_expect_confirm(p, p->send_serial, NULL), 0);
        assert_int_equal(raw_consume(p, 1, QUEUE, 1, 100), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        assert_int_equal(raw_expect_deliver(p, &m), 0);

        uint64_t id = m.id;

        assert_int_equal(raw_consume(p, 1, QUEUE, 1, 100), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_CHANNEL_BUSY, p->serial), 0);
        assert_int_equal(raw_consume(thief, 1, QUEUE, 10, 100), 0);
        assert_int_equal(raw_expect_ok(thief), 0);
        assert_int_equal(raw_settle(thief, WIRE_ACK, WIRE_SETTLE_ANSWER, 1, id, 1), 0);
        assert_int_equal(raw_expect_error(thief, WIRE_CODE_NOT_LEASED, thief->serial), 0);
        assert_int_equal(raw_settle(p, WIRE_ACK, WIRE_SETTLE_ANSWER, 1, id, 1), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        raw_close(thief);
        raw_close(p);
        end(polite);
}

/* The largest of runs, a great many times: it costs the daemon no more than it costs the peer. */
static void test_huge_runs(void **state) {
        enum { RUNS = 4096 };
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = open_raw(d);
        uint8_t *frame = malloc(16 + RUNS * WIRE_SETTLE_RUN_BYTES);
        size_t n;

        assert_non_null(frame);
        n = wire_put_settle_header(frame, WIRE_ACK, 0, 1, 42, 0, RUNS);
        for (int i = 0; i < RUNS; i++)
                n += wire_put_settle_run(frame + n, &(struct wire_settle_run){.id = 1, .count = UINT32_MAX});
        assert_int_equal(raw_write(p, frame, n), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_NOT_LEASED, 42), 0);
        free(frame);
        raw_close(p);
        end(polite);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_vanishing_mid_frame),
                FIXTURE_TEST(test_halves_that_wait),
                FIXTURE_TEST(test_byte_by_byte),
                FIXTURE_TEST(test_flood_of_requests),
                FIXTURE_TEST(test_flood_of_sends),
                FIXTURE_TEST(test_consumer_that_never_reads),
                FIXTURE_TEST(test_browser_that_never_reads),
                FIXTURE_TEST(test_descriptors_unasked),
                FIXTURE_TEST(test_descriptor_that_does_not_come),
                FIXTURE_TEST(test_strange_channels),
                FIXTURE_TEST(test_huge_runs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
