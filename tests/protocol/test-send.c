/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

static int parse(const uint8_t *frame, size_t size, struct wire_fault *fault) {
        struct wire_send out, before;
        int r;

        memset(&out, 0xa5, sizeof(out));
        before = out;
        r = wire_send_parse(frame, size, &out, fault);
        if (r == -EBADMSG)
                assert_memory_equal(&out, &before, sizeof(out));
        else { /* also when it is refused for an unknown field, so that the refusal can name it */
                assert_int_equal(out.serial, wire_get32(frame + 8));
                assert_int_equal(out.subject.size, frame[15]);
        }
        return r;
}

/* Writes a frame of exactly the announced size. */
static uint8_t *put(const struct wire_send *send, size_t *ret_size) {
        size_t size = wire_send_size(send);
        uint8_t *frame = malloc(size);

        assert_non_null(frame);
        assert_int_equal(wire_put_send(frame, send), size);
        *ret_size = size;
        return frame;
}

static void assert_round_trip(const struct wire_send *send) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        struct wire_header header;
        struct wire_fault fault;
        struct wire_send out;
        size_t size;

        frame = put(send, &size);
        assert_int_equal(wire_header_parse(frame, size, UINT32_MAX, &header, &fault), 1);
        assert_int_equal(header.size, size);
        assert_int_equal(header.opcode, WIRE_SEND);
        assert_int_equal(header.flags, send->flags);
        assert_int_equal(header.channel, 0);

        assert_int_equal(wire_send_parse(frame, size, &out, &fault), 0);
        assert_int_equal(out.serial, send->serial);
        assert_int_equal(out.flags, send->flags);
        assert_int_equal(out.priority, send->priority);
        assert_span_equal(out.subject, send->subject);
        assert_span_equal(out.fields, send->fields);
        assert_span_equal(out.body, send->body);
}

static size_t put_fields(uint8_t *out) {
        size_t n = 0;

        n += wire_put_string(out + n, WIRE_FIELD_CONTENT_TYPE, "text/plain");
        n += wire_put_pair(out + n, WIRE_FIELD_HEADER, "from", 4, "röck", 5);
        n += wire_put_u64(out + n, WIRE_FIELD_TTL_US | WIRE_FIELD_MANDATORY, 5000000);
        return n;
}

static void test_round_trip(void **state) {
        uint8_t fields[128];
        size_t n = put_fields(fields);

        (void) state;
        assert_round_trip(&(struct wire_send){.serial = 7, .subject = SPAN("jobs.mail"), .body = SPAN("hello")});
        assert_round_trip(&(struct wire_send){0});
        assert_round_trip(&(struct wire_send){
                .serial = UINT32_MAX,
                .flags = WIRE_SEND_UNROUTED_OK,
                .priority = WIRE_PRIORITY_MAX,
                .subject = SPAN("a"),
                .fields = {fields, n},
                .body = SPAN("\0\xff\n"),
        });
        assert_round_trip(
                &(struct wire_send){.flags = WIRE_FLAG_DESCRIPTOR, .subject = SPAN("a"), .fields = {fields, n}});
}

static void test_largest_subject_and_fields(void **state) {
        _cleanup_bytes_ uint8_t *fields = malloc(WIRE_FIELDS_BYTES_MAX);
        uint8_t subject[WIRE_SUBJECT_BYTES_MAX];
        struct wire_send send = {.serial = 1, .body = SPAN("x")};

        (void) state;
        assert_non_null(fields);
        memset(fields, 'v', WIRE_FIELDS_BYTES_MAX);
        memset(subject, 's', sizeof(subject));
        fields[0] = WIRE_FIELD_THREAD;
        wire_set16(fields + 1, WIRE_FIELDS_BYTES_MAX - WIRE_FIELD_HEADER_BYTES);
        send.subject = (struct wire_span){subject, sizeof(subject)};
        send.fields = (struct wire_span){fields, WIRE_FIELDS_BYTES_MAX};
        assert_int_equal(wire_send_size(&send), 16 + 255 + 65535 + 1);
        assert_round_trip(&send);
        /* What the daemon takes leaves room for what it adds: the count of deliveries. */
        assert_true(WIRE_SEND_FIELDS_BYTES_MAX + wire_field_size_bytes(4) <= WIRE_FIELDS_BYTES_MAX);
}

static void test_truncations(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        uint8_t fields[128];
        struct wire_send send = {
                .serial = 3, .priority = 4, .subject = SPAN("jobs.mail.out"), .body = SPAN("hello, world")};
        size_t size;

        (void) state;
        send.fields = (struct wire_span){fields, put_fields(fields)};
        frame = put(&send, &size);
        /* Only the body has no length of its own: each shorter body is a whole frame when the header agrees. */
        assert_truncations(parse, frame, size, send.body.size);
        assert_overlong_refused(parse, frame, size);
}

static void test_lengths_beyond_the_frame(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        struct wire_send send = {.serial = 3, .subject = SPAN("jobs"), .body = SPAN("12345678")};
        struct wire_fault fault;
        size_t size;

        (void) state;
        frame = put(&send, &size);

        frame[15] = (uint8_t) (size - 16 + 1);
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        frame[15] = 255;
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        frame[15] = (uint8_t) (size - 16);
        assert_int_equal(parse(frame, size, &fault), 0);

        frame[15] = 4;
        wire_set16(frame + 12, (uint16_t) (size - 16 - 4 + 1));
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        wire_set16(frame + 12, UINT16_MAX);
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, 12);
}

static void test_priority(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        struct wire_fault fault;
        size_t size;

        (void) state;
        frame = put(&(struct wire_send){.serial = 1, .subject = SPAN("a")}, &size);
        for (unsigned priority = 0; priority <= UINT8_MAX; priority++) {
                frame[14] = (uint8_t) priority;
                if (priority <= 9) {
                        assert_int_equal(parse(frame, size, &fault), 0);
                } else {
                        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
                        assert_int_equal(fault.offset, 14);
                }
        }
}

/* A body comes inline or in a descriptor, never both. */
static void test_body_beside_descriptor(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        struct wire_fault fault;
        size_t size;

        (void) state;
        frame = put(&(struct wire_send){.flags = WIRE_FLAG_DESCRIPTOR, .subject = SPAN("a"), .body = SPAN("b")}, &size);
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        frame[5] = 0;
        assert_int_equal(parse(frame, size, &fault), 0);
}

/* Flags that nobody knows yet do not make a frame ill-formed; they are handed on. */
static void test_unknown_flags(void **state) {
        assert_round_trip(&(struct wire_send){.flags = 0x7e, .subject = SPAN("a"), .body = SPAN("b")});
        (void) state;
}

static void test_fields(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        uint8_t fields[] = {0x7f, 2, 0, 'x', 'y'};
        struct wire_send send = {.serial = 1, .subject = SPAN("jobs"), .fields = {fields, sizeof(fields)}};
        struct wire_fault fault;
        size_t size;

        (void) state;
        /* Unknown and optional: fine. */
        frame = put(&send, &size);
        assert_int_equal(parse(frame, size, &fault), 0);

        /* Unknown and mandatory: refused, and the fault points into the frame. */
        frame[16 + 4] = 0xff;
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_UNKNOWN_FIELD);
        assert_int_equal(fault.tag, 0x7f);
        assert_int_equal(fault.offset, 16 + 4);

        /* Longer than the fields. */
        frame[16 + 4] = WIRE_FIELD_THREAD;
        frame[16 + 4 + 1] = 3;
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.tag, WIRE_FIELD_THREAD);
        assert_int_equal(fault.offset, 16 + 4);
}

static void test_fault_may_be_null(void **state) {
        uint8_t frame[WIRE_SEND_HEADER_BYTES] = {0};
        struct wire_send out;

        (void) state;
        assert_int_equal(wire_send_parse(frame, sizeof(frame), &out, NULL), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),        cmocka_unit_test(test_largest_subject_and_fields),
                cmocka_unit_test(test_truncations),       cmocka_unit_test(test_lengths_beyond_the_frame),
                cmocka_unit_test(test_priority),          cmocka_unit_test(test_body_beside_descriptor),
                cmocka_unit_test(test_unknown_flags),     cmocka_unit_test(test_fields),
                cmocka_unit_test(test_fault_may_be_null),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
