/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The greeting, what may come when, and what becomes of frames that break the rules. */

#include "tests/session/fixture.h"

#define TAG_UNKNOWN 100u

/* ---- greeting ---- */

static void test_greeting(void **state) {
        struct fixture *f = *state;
        struct peer *p = connect_peer(f);
        struct wire_general welcome;
        struct wire_field id;

        expect_nothing(f, p);
        hello(f, p);
        welcome = expect_general(f, p, WIRE_WELCOME, p->serial);
        assert_true(p->header.size <= WIRE_GREETING_BYTES_MAX);
        assert_int_equal(number_of(welcome, WIRE_FIELD_VERSION), 1);
        assert_int_equal(number_of(welcome, WIRE_FIELD_FRAME_BYTES_MAX), f->host.frame_bytes_max);
        assert_int_equal(number_of(welcome, WIRE_FIELD_MESSAGE_BYTES_MAX), f->host.message_bytes_max);
        assert_int_equal(number_of(welcome, WIRE_FIELD_WINDOW_BYTES), f->host.window_bytes);
        assert_true(wire_field_find(welcome.fields, WIRE_FIELD_BUS_ID, &id));
        assert_int_equal(id.value.size, 16);
        assert_memory_equal(id.value.data, f->host.bus_id, 16);
        assert_string_field(welcome, WIRE_FIELD_SOFTWARE, "lodged " LODGE_VERSION);
        expect_nothing(f, p);
}

/* Sends a HELLO with these versions (0: left out) and this FRAME_BYTES_MAX (0: left out). */
static struct peer *greet(struct fixture *f, unsigned low, unsigned high, uint32_t frame_bytes_max) {
        struct peer *p = connect_peer(f);
        uint8_t fields[64];
        size_t n = 0;

        if (low)
                n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MIN, (uint16_t) low);
        if (high)
                n += wire_put_u16(fields + n, WIRE_FIELD_VERSION_MAX, (uint16_t) high);
        if (frame_bytes_max)
                n += wire_put_u32(fields + n, WIRE_FIELD_FRAME_BYTES_MAX, frame_bytes_max);
        request(f, p, WIRE_HELLO, 0, 0, fields, n);
        return p;
}

static void test_versions_in_common(void **state) {
        struct fixture *f = *state;
        struct peer *p = greet(f, 1, 60000, f->host.frame_bytes_max);

        assert_int_equal(number_of(expect_general(f, p, WIRE_WELCOME, p->serial), WIRE_FIELD_VERSION), 1);
}

static void test_no_version_in_common(void **state) {
        struct fixture *f = *state;

        expect_failed(f, greet(f, 2, 9, 0), WIRE_CODE_VERSION);
}

static void test_ill_formed_hello(void **state) {
        struct fixture *f = *state;

        expect_failed(f, greet(f, 2, 1, 0), WIRE_CODE_MALFORMED);
        expect_failed(f, greet(f, 1, 0, 0), WIRE_CODE_MALFORMED);
        expect_failed(f, greet(f, 0, 1, 0), WIRE_CODE_MALFORMED);
}

/* A client that could not take what may be delivered is told so, rather than stuck later. */
static void test_small_frames_are_not_enough(void **state) {
        struct fixture *f = *state;
        struct peer *p = greet(f, 1, 1, f->host.frame_bytes_max - 1);

        assert_int_equal(number_of(expect_error(f, p, 0, 0, WIRE_CODE_UNSUPPORTED), WIRE_FIELD_LIMIT), f->host.frame_bytes_max);
        expect_closed(f, p);
}

static void test_something_before_hello(void **state) {
        struct fixture *f = *state;
        struct peer *p = connect_peer(f);

        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
}

static void test_second_hello(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        hello(f, p);
        expect_failed(f, p, WIRE_CODE_MALFORMED);
}

static void test_large_hello(void **state) {
        static uint8_t fields[WIRE_GREETING_BYTES_MAX];
        struct fixture *f = *state;
        struct peer *p = connect_peer(f);

        request(f, p, WIRE_HELLO, 0, 0, fields, sizeof(fields));
        expect_failed(f, p, WIRE_CODE_TOO_LARGE);
}

/* Makes a client of another user. */
static struct peer *connect_stranger(struct fixture *f) {
        const uid_t nobody = 65534;
        struct peer *p;

        if (getuid() == 0) {
                assert_int_equal(seteuid(nobody), 0);
                p = connect_peer(f);
                assert_int_equal(seteuid(0), 0);
        } else {
                f->host.uid = getuid() + 1;
                p = connect_peer(f);
        }
        return p;
}

static void test_stranger_is_denied(void **state) {
        struct fixture *f = *state;
        struct peer *p = connect_stranger(f);

        expect_failed(f, p, WIRE_CODE_DENIED);
        assert_int_equal(f->host.n_sessions, 0);
}

static void test_owner_is_not_denied(void **state) {
        struct fixture *f = *state;

        if (getuid() == 0)
                f->host.uid = 65534; /* root may, whoever is the owner */
        (void) open_peer(f);
}

/* ---- after it ---- */

static void test_ping(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        for (int i = 0; i < 3; i++)
                request(f, p, WIRE_PING, 0, 0, NULL, 0);
        for (uint32_t serial = 2; serial <= 4; serial++)
                (void) expect_general(f, p, WIRE_PONG, serial);
        request(f, p, WIRE_PONG, 0, 0, NULL, 0);
        expect_nothing(f, p);
}

/* The frames before the offending one are served, those behind it are not. */
static void expect_offence(struct fixture *f, const void *frame, size_t size, unsigned code) {
        struct peer *p = open_peer(f), *other = open_peer(f);

        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        say(f, p, frame, size);
        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, p, WIRE_PONG, 2);
        expect_failed(f, p, code);
        /* Nobody else notices. */
        request(f, other, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, other, WIRE_PONG, other->serial);
        forget(f, p);
        forget(f, other);
}

static void test_unknown_opcodes(void **state) {
        static const unsigned opcodes[] = {0x00, 0x13, 0x7f, WIRE_WELCOME, WIRE_CONFIRM, WIRE_DELIVER, WIRE_OK, WIRE_ERROR, 0x8c, 0xff};
        struct fixture *f = *state;
        uint8_t frame[WIRE_SERIAL_HEADER_BYTES];

        for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
                expect_offence(f, frame, wire_put_general(frame, opcodes[i], 0, 1, 7, 0), WIRE_CODE_UNKNOWN_OPCODE);
}

static void test_wrong_sizes(void **state) {
        struct fixture *f = *state;
        uint8_t frame[64] = {0};

        wire_put_header(frame, &(struct wire_header){.size = 7, .opcode = WIRE_PING});
        expect_offence(f, frame, 8, WIRE_CODE_MALFORMED);
        wire_put_header(frame, &(struct wire_header){.size = f->host.frame_bytes_max + 1, .opcode = WIRE_SEND});
        expect_offence(f, frame, 8, WIRE_CODE_TOO_LARGE);
        /* Too short for what its layout begins with. */
        for (unsigned opcode = WIRE_SEND; opcode <= WIRE_GOODBYE; opcode++) {
                wire_put_header(frame, &(struct wire_header){.size = 10, .opcode = (uint8_t) opcode, .channel = 1});
                expect_offence(f, frame, 10, WIRE_CODE_MALFORMED);
        }
}

static void test_ill_formed_fields(void **state) {
        struct fixture *f = *state;
        uint8_t frame[64];
        size_t n = wire_put_general(frame, WIRE_LIST, 0, 0, 9, 5);

        /* A field that goes beyond its frame, then one that is no text. */
        memcpy(frame + n, "\x02\x09\x00xy", 5);
        expect_offence(f, frame, n + 5, WIRE_CODE_MALFORMED);
        memcpy(frame + n, "\x02\x02\x00\xff\xfe", 5);
        expect_offence(f, frame, n + 5, WIRE_CODE_MALFORMED);
}

static void test_serial_and_channel_where_needed(void **state) {
        struct fixture *f = *state;
        uint8_t frame[64];

        expect_offence(f, frame, wire_put_general(frame, WIRE_PING, 0, 0, 0, 0), WIRE_CODE_MALFORMED);
        expect_offence(f, frame, wire_put_general(frame, WIRE_CANCEL, 0, 0, 5, 0), WIRE_CODE_MALFORMED);
        expect_offence(f, frame, wire_put_credit(frame, 0, &(struct wire_credit){1, 1}), WIRE_CODE_MALFORMED);
}

static void test_descriptor_where_none_belongs(void **state) {
        struct fixture *f = *state;
        uint8_t frame[64];

        expect_offence(f, frame, wire_put_general(frame, WIRE_PING, WIRE_FLAG_DESCRIPTOR, 0, 5, 0), WIRE_CODE_MALFORMED);
}

static void test_unknown_fields(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t fields[16];

        request(f, p, WIRE_LIST, 0, 0, fields, wire_put_u8(fields, TAG_UNKNOWN, 1));
        assert_int_equal(number_of(expect_general(f, p, WIRE_END, p->serial), WIRE_FIELD_COUNT), 0);
        /* One that is marked as mandatory refuses its frame, and only that. */
        request(f, p, WIRE_LIST, 0, 0, fields, wire_put_u8(fields, TAG_UNKNOWN | WIRE_FIELD_MANDATORY, 1));
        (void) expect_refused(f, p, WIRE_CODE_UNKNOWN_FIELD);
        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, p, WIRE_PONG, p->serial);
}

/* ---- ends ---- */

static void test_goodbye_of_the_client(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        request(f, p, WIRE_GOODBYE, 0, 0, NULL, 0);
        request(f, p, WIRE_PING, 0, 0, NULL, 0);
        (void) expect_general(f, p, WIRE_PONG, 2);
        expect_closed(f, p);
}

static void test_goodbye_of_the_daemon(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_general goodbye;

        session_goodbye(p->session);
        goodbye = expect_general(f, p, WIRE_GOODBYE, 0);
        assert_int_equal(number_of(goodbye, WIRE_FIELD_CODE), WIRE_CODE_SHUTTING_DOWN);
        expect_closed(f, p);
}

/* What was read before the client closed is done; its end takes the session away. */
static void test_end_of_stream(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        send_frame(f, p, (struct wire_send){.subject = span("nobody"), .flags = WIRE_SEND_UNROUTED_OK});
        request_name(f, p, WIRE_DECLARE, 0, 0, "left.behind");
        vanish(f, p);
        commit(f);
        p = open_peer(f);
        request_name(f, p, WIRE_STATUS, 0, 0, "left.behind");
        expect(f, p, WIRE_ITEM);
}

static void test_end_within_a_frame(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        say(f, p, "\x20\x00\x00\x00\x02", 5);
        turn(f);
        assert_non_null(p->session);
        vanish(f, p);
        assert_int_equal(f->host.n_sessions, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                SESSION_TEST(test_greeting),
                SESSION_TEST(test_versions_in_common),
                SESSION_TEST(test_no_version_in_common),
                SESSION_TEST(test_ill_formed_hello),
                SESSION_TEST(test_small_frames_are_not_enough),
                SESSION_TEST(test_something_before_hello),
                SESSION_TEST(test_second_hello),
                SESSION_TEST(test_large_hello),
                SESSION_TEST(test_stranger_is_denied),
                SESSION_TEST(test_owner_is_not_denied),
                SESSION_TEST(test_ping),
                SESSION_TEST(test_unknown_opcodes),
                SESSION_TEST(test_wrong_sizes),
                SESSION_TEST(test_ill_formed_fields),
                SESSION_TEST(test_serial_and_channel_where_needed),
                SESSION_TEST(test_descriptor_where_none_belongs),
                SESSION_TEST(test_unknown_fields),
                SESSION_TEST(test_goodbye_of_the_client),
                SESSION_TEST(test_goodbye_of_the_daemon),
                SESSION_TEST(test_end_of_stream),
                SESSION_TEST(test_end_within_a_frame),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
