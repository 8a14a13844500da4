/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What breaks the protocol hurts only who sends it: a typed error or a clean end for that peer, nothing for others. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/integration/rude.h"
#include "tests/support/fixture.h"

#define GARBAGE_BYTES  4096
#define GARBAGE_ROUNDS 64

/* ---- garbage ---- */

static void garbage(struct test_daemon *d, bool greeted) {
        unsigned long long random = fixture_seed();
        struct polite *polite = begin(d);

        for (int round = 0; round < GARBAGE_ROUNDS; round++) {
                struct raw *p = greeted ? open_raw(d) : connect_raw(d);
                uint8_t bytes[GARBAGE_BYTES];
                int r;

                for (size_t i = 0; i < sizeof bytes; i++)
                        bytes[i] = (uint8_t) fixture_random(&random);
                if (round % 2) { /* a believable size, so that the rest is looked at */
                        wire_set32(bytes, (uint32_t) (8 + fixture_random(&random) % 64));
                        bytes[4] = (uint8_t) (1 + fixture_random(&random) % 0x12);
                }
                r = raw_write(p, bytes, sizeof bytes);
                assert_true(r == 0 || r == -EPIPE || r == -ECONNRESET);
                (void) raw_shutdown_writing(p);
                expect_end(p);
                raw_close(p);
        }
        end(polite);
}

static void test_garbage_instead_of_hello(void **state) {
        garbage(*state, false);
}

static void test_garbage_after_greeting(void **state) {
        garbage(*state, true);
}

/* Valid frames of which one byte was changed. */
static void test_flipped_bytes(void **state) {
        struct test_daemon *d = *state;
        unsigned long long random = fixture_seed();
        struct polite *polite = begin(d);

        for (int round = 0; round < GARBAGE_ROUNDS; round++) {
                struct raw *p = open_raw(d);
                uint8_t bytes[512];
                size_t n = 0;
                int r;

                n += make_send(bytes + n, 1, QUEUE, "\x04\x02\x00me", 5, "first");
                n += wire_put_settle_header(bytes + n, WIRE_ACK, WIRE_SETTLE_ANSWER, 1, 9, 0, 1);
                n += wire_put_settle_run(bytes + n, &(struct wire_settle_run){.id = 1, .count = 1});
                n += make_send(bytes + n, 2, QUEUE, "", 0, "second");
                bytes[fixture_random(&random) % n] ^= (uint8_t) (1u << fixture_random(&random) % 8);
                r = raw_write(p, bytes, n);
                assert_true(r == 0 || r == -EPIPE || r == -ECONNRESET);
                (void) raw_shutdown_writing(p);
                expect_end(p);
                raw_close(p);
        }
        end(polite);
}

/* ---- wrong lengths ---- */

static void test_wrong_lengths(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        uint8_t frame[512];
        size_t n;

        /* A size below the header's own. */
        for (uint32_t size = 0; size < WIRE_HEADER_BYTES; size++) {
                n = wire_put_header(frame, &(struct wire_header){.size = size, .opcode = WIRE_PING});
                refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        }
        /* Frames too short for their layout. */
        n = wire_put_header(frame, &(struct wire_header){.size = 8, .opcode = WIRE_PING});
        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        n = make_send(frame, 1, QUEUE, "", 0, "");
        wire_set32(frame, 15);
        refuse_bytes(d, frame, 15, WIRE_CODE_MALFORMED);
        /* A subject and fields that go beyond the frame. */
        n = make_send(frame, 1, QUEUE, "", 0, "x");
        frame[15] = 200;
        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        n = make_send(frame, 1, QUEUE, "", 0, "x");
        wire_set16(frame + 12, 60000);
        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        /* A field that goes beyond the fields, an integer of the wrong width. */
        n = make_send(frame, 1, QUEUE, "\x04\xff\x00xx", 5, "body");
        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        n = make_send(frame, 1, QUEUE, "\x05\x02\x00xx", 5, "body");
        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        /* CREDIT and ACK that are not of their sizes. */
        memset(frame, 0, sizeof frame);
        n = wire_put_header(frame, &(struct wire_header){.size = 17, .opcode = WIRE_CREDIT, .channel = 1});
        refuse_bytes(d, frame, 17, WIRE_CODE_MALFORMED);
        n = wire_put_settle_header(frame, WIRE_ACK, 0, 1, 1, 0, 1);
        wire_set32(frame, (uint32_t) n + 5);
        refuse_bytes(d, frame, n + 5, WIRE_CODE_MALFORMED);
        end(polite);
}

static void test_wrong_values(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        uint8_t frame[512];
        size_t n;

        n = make_send(frame, 1, QUEUE, "", 0, "x");
        frame[14] = WIRE_PRIORITY_MAX + 1;
        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        /* The first SEND repeats a subject that there is not. */
        n = make_send(frame, 1, "", "", 0, "x");
        struct raw *first = open_raw(d);

        assert_int_equal(raw_write(first, frame, n), 0);
        assert_int_equal(raw_expect_error(first, WIRE_CODE_BAD_NAME, 1), 0);
        raw_close(first);
        /* Text that is none: a byte that UTF-8 does not have, a NUL. */
        refuse_request(d, WIRE_CONSUME, 1, "\x01\x02\x00\xff\xfe", 5, WIRE_CODE_MALFORMED);
        refuse_request(d, WIRE_CONSUME, 1, "\x01\x02\x00\0a", 5, WIRE_CODE_MALFORMED);
        /* Serial and channel 0 where one is meant. */
        n = wire_put_general(frame, WIRE_PING, 0, 0, 0, 0);
        refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        refuse_request(d, WIRE_CONSUME, 0, "\x01\x01\x00x", 4, WIRE_CODE_MALFORMED);
        /* A run of no ids, of id 0, beyond the last id. */
        for (int i = 0; i < 3; i++) {
                static const struct wire_settle_run runs[] = {{5, 0}, {0, 1}, {UINT64_MAX, 2}};

                n = wire_put_settle_header(frame, WIRE_ACK, 0, 1, 1, 0, 1);
                n += wire_put_settle_run(frame + n, &runs[i]);
                refuse_bytes(d, frame, n, WIRE_CODE_MALFORMED);
        }
        /* Serials of SENDs that do not count up by one. */
        n = make_send(frame, 1, QUEUE, "", 0, "x");
        n += make_send(frame + n, 3, QUEUE, "", 0, "x");

        struct raw *p = open_raw(d);

        assert_int_equal(raw_write(p, frame, n), 0);
        assert_int_equal(raw_shutdown_writing(p), 0);
        expect_end(p);
        raw_close(p);
        /* Requests without what they need. */
        refuse_request(d, WIRE_CONSUME, 1, NULL, 0, WIRE_CODE_MALFORMED);
        refuse_request(d, WIRE_BIND, 0, "\x01\x01\x00x", 4, WIRE_CODE_MALFORMED);
        end(polite);
}

/* ---- unknown things ---- */

static void test_unknown_opcodes(void **state) {
        static const uint8_t opcodes[] = {0x00,         0x13,         0x42,    0x7f,           WIRE_WELCOME,
                                          WIRE_CONFIRM, WIRE_DELIVER, WIRE_OK, WIRE_CANCELLED, 0xff};
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);

        for (size_t i = 0; i < sizeof opcodes; i++) {
                uint8_t frame[64] = {0};

                (void) wire_put_header(frame, &(struct wire_header){.size = 40, .opcode = opcodes[i], .channel = 1});
                wire_set32(frame + 8, 1);
                refuse_bytes(d, frame, 40, WIRE_CODE_UNKNOWN_OPCODE);
        }
        end(polite);
}

static void test_unknown_fields(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = open_raw(d);
        struct wire_deliver m;
        uint8_t frame[256];
        size_t n;

        /* Optional: skipped, in a request and in a message, which goes on without it. */
        assert_int_equal(raw_request(p, WIRE_DECLARE, 0, 0, "\x64\x03\x00xyz\x01\x05\x00other", 14), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        n = make_send(frame, 1, "other", "\x64\x03\x00xyz", 6, "body");
        assert_int_equal(raw_write(p, frame, n), 0);
        assert_int_equal(raw_expect_confirm(p, 1, NULL), 0);
        assert_int_equal(raw_consume(p, 1, "other", 1, 100), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        assert_int_equal(raw_expect_deliver(p, &m), 0);
        assert_int_equal(m.fields.size, 0);

        /* Mandatory: that frame alone is refused. */
        assert_int_equal(raw_request(p, WIRE_DECLARE, 0, 0, "\xe4\x03\x00xyz\x01\x05\x00third", 14), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_UNKNOWN_FIELD, p->serial), 0);
        n = make_send(frame, 2, "other", "\xe4\x03\x00xyz", 6, "body");
        assert_int_equal(raw_write(p, frame, n), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_UNKNOWN_FIELD, 2), 0);
        assert_int_equal(raw_consume(p, 2, "third", 1, 100), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_NOT_FOUND, p->serial), 0);
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
        end(polite);
}

/* ---- names ---- */

static void test_bad_names(void **state) {
        static const char *const bad[] = {
                "", ".", "a.", ".a", "a..b", "a b", "a/b", "a.*", ">", "a.>", "gr\xc3\xbc\xc3\x9f"};
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = open_raw(d);
        char long_name[301];

        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
                assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, bad[i], NULL), 0);
                assert_int_equal(raw_expect_error(p, WIRE_CODE_BAD_NAME, p->serial), 0);
                if (!bad[i][0])
                        continue; /* in a SEND this means the subject before */
                assert_int_equal(raw_send(p, bad[i], 0, "x", 1), 0);
                assert_int_equal(raw_expect_error(p, WIRE_CODE_BAD_NAME, p->send_serial), 0);
        }

        memset(long_name, 'a', sizeof long_name - 1);
        long_name[300] = 0;
        assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, long_name, NULL), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_BAD_NAME, p->serial), 0);
        long_name[256] = 0;
        assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, long_name, NULL), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_BAD_NAME, p->serial), 0);
        long_name[255] = 0;
        assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, long_name, NULL), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        assert_int_equal(raw_send(p, long_name, 0, "x", 1), 0);
        assert_int_equal(raw_expect_confirm(p, p->send_serial, NULL), 0);

        assert_int_equal(raw_request_name(p, WIRE_BIND, 0, 0, QUEUE, "a.>.b"), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_BAD_NAME, p->serial), 0);
        assert_int_equal(raw_ping(p), 0);
        raw_close(p);
        end(polite);
}

/* ---- sizes ---- */

/* A number of the WELCOME. */
static uint64_t greet_for(struct raw *p, unsigned tag) {
        uint8_t fields[16];
        struct wire_general general;
        struct wire_fault fault;
        struct wire_field field;
        struct raw_frame frame;
        size_t n = 0;

        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MIN, WIRE_VERSION);
        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MAX, WIRE_VERSION);
        assert_int_equal(raw_request(p, WIRE_HELLO, 0, 0, fields, n), 0);
        assert_int_equal(raw_expect(p, WIRE_WELCOME, &frame), 0);
        assert_true(wire_general_parse(frame.data, frame.header.size, &general, &fault) >= 0);
        assert_true(wire_field_find(general.fields, tag, &field));
        return field.number;
}

static void test_oversize_body(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = connect_raw(d);
        size_t largest = greet_for(p, WIRE_FIELD_MESSAGE_BYTES_MAX);
        uint8_t *body = calloc(1, largest + 1);

        assert_non_null(body);
        assert_int_equal(raw_request_name(p, WIRE_DECLARE, 0, 0, QUEUE, NULL), 0);
        assert_int_equal(raw_expect_ok(p), 0);
        assert_int_equal(raw_send(p, QUEUE, 0, body, largest + 1), 0);
        assert_int_equal(raw_expect_error(p, WIRE_CODE_TOO_LARGE, p->send_serial), 0);
        assert_int_equal(raw_send(p, QUEUE, 0, body, largest), 0);
        assert_int_equal(raw_expect_confirm(p, p->send_serial, NULL), 0);
        assert_int_equal(raw_ping(p), 0);
        free(body);
        raw_close(p);
        end(polite);
}

static void test_oversize_frame(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = connect_raw(d);
        uint64_t largest = greet_for(p, WIRE_FIELD_FRAME_BYTES_MAX);
        uint8_t header[WIRE_HEADER_BYTES];

        /* The header is enough to be refused. */
        (void) wire_put_header(header, &(struct wire_header){.size = (uint32_t) largest + 1, .opcode = WIRE_SEND});
        assert_int_equal(raw_write(p, header, sizeof header), 0);
        expect_refused(p, WIRE_CODE_TOO_LARGE);
        (void) wire_put_header(header, &(struct wire_header){.size = UINT32_MAX, .opcode = WIRE_LIST});
        refuse_bytes(d, header, sizeof header, WIRE_CODE_TOO_LARGE);

        /* So it is before the greeting, with less. */
        p = connect_raw(d);
        (void) wire_put_header(header,
                               &(struct wire_header){.size = WIRE_GREETING_BYTES_MAX + 1, .opcode = WIRE_HELLO});
        assert_int_equal(raw_write(p, header, sizeof header), 0);
        expect_refused(p, WIRE_CODE_TOO_LARGE);
        end(polite);
}

/* ---- greeting ---- */

static void test_frame_before_hello(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = connect_raw(d);

        assert_int_equal(raw_request(p, WIRE_PING, 0, 0, NULL, 0), 0);
        expect_refused(p, WIRE_CODE_MALFORMED);
        p = connect_raw(d);
        assert_int_equal(raw_send(p, "polite.work", 0, "x", 1), 0);
        expect_refused(p, WIRE_CODE_MALFORMED);
        end(polite);
}

static void test_version_mismatch(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = connect_raw(d);
        uint8_t fields[16];
        size_t n = 0;

        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MIN, 900);
        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MAX, 901);
        assert_int_equal(raw_request(p, WIRE_HELLO, 0, 0, fields, n), 0);
        expect_refused(p, WIRE_CODE_VERSION);
        end(polite);
}

static void test_bad_hello(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = connect_raw(d);
        uint8_t fields[16];
        size_t n = wire_put_u16(fields, WIRE_FIELD_VERSION_MIN, WIRE_VERSION);

        assert_int_equal(raw_request(p, WIRE_HELLO, 0, 0, fields, n), 0);
        expect_refused(p, WIRE_CODE_MALFORMED);
        n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MAX, WIRE_VERSION);
        refuse_request(d, WIRE_HELLO, 0, fields, n, WIRE_CODE_MALFORMED);
        end(polite);
}

/* Good frames before a bad one are served, and those behind it are not. */
static void test_frames_before_the_offence(void **state) {
        struct test_daemon *d = *state;
        struct polite *polite = begin(d);
        struct raw *p = open_raw(d);
        uint8_t bytes[512];
        size_t n = 0;

        n += make_send(bytes + n, 1, QUEUE, "", 0, "good");
        n += make_send(bytes + n, 2, QUEUE, "", 0, "good too");
        n += wire_put_header(bytes + n, &(struct wire_header){.size = 3});
        n += make_send(bytes + n, 3, QUEUE, "", 0, "behind");
        assert_int_equal(raw_write(p, bytes, n), 0);
        expect_end(p);
        raw_close(p);

        assert_int_equal(polite_go_on(polite), 0);
        p = open_raw(d);
        expect_ready(p, QUEUE, 2);
        raw_close(p);
        end(polite);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                FIXTURE_TEST(test_garbage_instead_of_hello),
                FIXTURE_TEST(test_garbage_after_greeting),
                FIXTURE_TEST(test_flipped_bytes),
                FIXTURE_TEST(test_wrong_lengths),
                FIXTURE_TEST(test_wrong_values),
                FIXTURE_TEST(test_unknown_opcodes),
                FIXTURE_TEST(test_unknown_fields),
                FIXTURE_TEST(test_bad_names),
                FIXTURE_TEST(test_oversize_body),
                FIXTURE_TEST(test_oversize_frame),
                FIXTURE_TEST(test_frame_before_hello),
                FIXTURE_TEST(test_version_mismatch),
                FIXTURE_TEST(test_bad_hello),
                FIXTURE_TEST(test_frames_before_the_offence),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
