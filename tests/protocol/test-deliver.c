/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

static int parse(const uint8_t *frame, size_t size, struct wire_fault *fault) {
        struct wire_deliver out, before;
        int r;

        memset(&out, 0xa5, sizeof(out));
        before = out;
        r = wire_deliver_parse(frame, size, &out, fault);
        if (r == -EBADMSG)
                assert_memory_equal(&out, &before, sizeof(out));
        else
                assert_true(out.id == wire_get64(frame + 8));
        return r;
}

static struct wire_deliver sample(void) {
        return (struct wire_deliver){
                .opcode = WIRE_DELIVER,
                .flags = WIRE_DELIVER_REDELIVERED,
                .channel = 9,
                .id = UINT64_C(0x1122334455667788),
                .time_us = UINT64_C(1700000000000000),
                .sender = 3,
                .priority = 5,
                .subject = SPAN("jobs.mail"),
                .body = SPAN("hello"),
        };
}

static uint8_t *put(const struct wire_deliver *deliver, size_t *ret_size) {
        size_t size = wire_deliver_size(deliver);
        uint8_t *frame = malloc(size);

        assert_non_null(frame);
        assert_int_equal(wire_put_deliver(frame, deliver), size);
        *ret_size = size;
        return frame;
}

static void assert_round_trip(const struct wire_deliver *deliver) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        uint8_t head[WIRE_DELIVER_HEADER_BYTES];
        struct wire_header header;
        struct wire_fault fault;
        struct wire_deliver out;
        size_t size;

        frame = put(deliver, &size);
        assert_int_equal(wire_header_parse(frame, size, UINT32_MAX, &header, &fault), 1);
        assert_int_equal(header.size, size);
        assert_int_equal(header.opcode, deliver->opcode);
        assert_int_equal(header.channel, deliver->channel);

        assert_int_equal(wire_deliver_parse(frame, size, &out, &fault), 0);
        assert_int_equal(out.opcode, deliver->opcode);
        assert_int_equal(out.flags, deliver->flags);
        assert_int_equal(out.channel, deliver->channel);
        assert_true(out.id == deliver->id);
        assert_true(out.time_us == deliver->time_us);
        assert_int_equal(out.sender, deliver->sender);
        assert_int_equal(out.priority, deliver->priority);
        assert_span_equal(out.subject, deliver->subject);
        assert_span_equal(out.fields, deliver->fields);
        assert_span_equal(out.body, deliver->body);

        /* The header by itself is what the whole frame begins with. */
        assert_int_equal(wire_put_deliver_header(head, deliver), WIRE_DELIVER_HEADER_BYTES);
        assert_memory_equal(head, frame, sizeof(head));
}

static void test_round_trip(void **state) {
        struct wire_deliver deliver = sample();
        uint8_t fields[32];

        (void) state;
        assert_round_trip(&deliver);

        deliver.opcode = WIRE_BROWSED;
        deliver.flags = 0;
        deliver.subject = (struct wire_span){0};
        assert_round_trip(&deliver);

        deliver.fields = (struct wire_span){fields, wire_put_u32(fields, WIRE_FIELD_DELIVERIES, 2)};
        assert_round_trip(&deliver);
        deliver.body = (struct wire_span){0};
        assert_round_trip(&deliver);
        deliver.flags = WIRE_FLAG_DESCRIPTOR;
        assert_round_trip(&deliver);

        deliver.channel = UINT16_MAX;
        deliver.id = UINT64_MAX;
        deliver.time_us = UINT64_MAX;
        deliver.sender = UINT32_MAX;
        deliver.priority = WIRE_PRIORITY_MAX;
        assert_round_trip(&deliver);
}

static void test_largest_subject_and_fields(void **state) {
        _cleanup_bytes_ uint8_t *fields = malloc(WIRE_FIELDS_BYTES_MAX);
        uint8_t subject[WIRE_SUBJECT_BYTES_MAX];
        struct wire_deliver deliver = sample();

        (void) state;
        assert_non_null(fields);
        memset(fields, 'v', WIRE_FIELDS_BYTES_MAX);
        memset(subject, 's', sizeof(subject));
        fields[0] = WIRE_FIELD_DEDUP_KEY;
        wire_set16(fields + 1, WIRE_FIELDS_BYTES_MAX - WIRE_FIELD_HEADER_BYTES);
        deliver.subject = (struct wire_span){subject, sizeof(subject)};
        deliver.fields = (struct wire_span){fields, WIRE_FIELDS_BYTES_MAX};
        assert_round_trip(&deliver);
}

static void test_truncations(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        struct wire_deliver deliver = sample();
        uint8_t fields[32];
        size_t size;

        (void) state;
        deliver.fields = (struct wire_span){fields, wire_put_u32(fields, WIRE_FIELD_DELIVERIES, 2)};
        frame = put(&deliver, &size);
        assert_truncations(parse, frame, size, deliver.body.size);
        assert_overlong_refused(parse, frame, size);
}

static void assert_offence(struct wire_deliver deliver, unsigned offset) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        struct wire_fault fault;
        size_t size;

        frame = put(&deliver, &size);
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, offset);
}

static void test_offences(void **state) {
        struct wire_deliver deliver = sample();

        (void) state;
        deliver.channel = 0;
        assert_offence(deliver, 6);
        deliver = sample();
        deliver.id = 0;
        assert_offence(deliver, 8);
        deliver = sample();
        deliver.priority = WIRE_PRIORITY_MAX + 1;
        assert_offence(deliver, 30);
        deliver = sample();
        deliver.flags = WIRE_FLAG_DESCRIPTOR;
        assert_offence(deliver, 32 + 9);
}

static void test_lengths_beyond_the_frame(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        struct wire_deliver deliver = sample();
        struct wire_fault fault;
        size_t size;

        (void) state;
        frame = put(&deliver, &size);
        frame[31] = (uint8_t) (size - 32 + 1);
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        frame[31] = (uint8_t) (size - 32);
        assert_int_equal(parse(frame, size, &fault), 0);
        wire_set16(frame + 28, 1);
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        frame[31] = 0;
        wire_set16(frame + 28, UINT16_MAX);
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, 28);
}

static void test_unknown_fields(void **state) {
        _cleanup_bytes_ uint8_t *frame = NULL;
        uint8_t fields[] = {0x70, 0, 0};
        struct wire_deliver deliver = sample();
        struct wire_fault fault;
        size_t size;

        (void) state;
        deliver.fields = (struct wire_span){fields, sizeof(fields)};
        frame = put(&deliver, &size);
        assert_int_equal(parse(frame, size, &fault), 0);
        frame[32 + 9] = 0xf0;
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_UNKNOWN_FIELD);
        assert_int_equal(fault.tag, 0x70);
        assert_int_equal(fault.offset, 32 + 9);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_largest_subject_and_fields),
                cmocka_unit_test(test_truncations),
                cmocka_unit_test(test_offences),
                cmocka_unit_test(test_lengths_beyond_the_frame),
                cmocka_unit_test(test_unknown_fields),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
