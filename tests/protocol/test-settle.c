/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

#define FRAME_BYTES 256u

static int parse(const uint8_t *frame, size_t size, struct wire_fault *fault) {
        struct wire_settle out, before;
        int r;

        memset(&out, 0xa5, sizeof(out));
        before = out;
        r = wire_settle_parse(frame, size, &out, fault);
        if (r == -EBADMSG)
                assert_memory_equal(&out, &before, sizeof(out));
        else
                assert_int_equal(out.serial, wire_get32(frame + 8));
        return r;
}

static size_t
put(uint8_t *out, unsigned opcode, struct wire_span fields, const struct wire_settle_run *runs, size_t n_runs) {
        uint8_t *p = out;

        p += wire_put_settle_header(p, opcode, WIRE_SETTLE_ANSWER, 3, 77, fields.size, n_runs);
        assert_int_equal(p - out, 16);
        if (fields.size > 0)
                memcpy(p, fields.data, fields.size);
        p += fields.size;
        for (size_t i = 0; i < n_runs; i++)
                p += wire_put_settle_run(p, &runs[i]);
        assert_int_equal(wire_get32(out), p - out);
        return (size_t) (p - out);
}

static void test_round_trip(void **state) {
        const struct wire_settle_run runs[] = {
                {.id = 1, .count = 1},
                {.id = UINT64_MAX - UINT32_MAX + 1, .count = UINT32_MAX},
                {.id = UINT64_MAX, .count = 1},
        };
        uint8_t bytes[FRAME_BYTES], fields[16];
        size_t fields_bytes = wire_put_string(fields, WIRE_FIELD_TEXT, "later");
        struct wire_header header;
        struct wire_settle out;
        struct wire_fault fault;

        (void) state;
        for (size_t n = 0; n <= 3; n++) {
                struct wire_span span = {fields, n % 2 ? fields_bytes : 0};
                size_t size = put(bytes, n % 2 ? WIRE_ACK : WIRE_NACK, span, runs, n);
                _cleanup_bytes_ uint8_t *frame = exact(bytes, size);

                assert_int_equal(wire_header_parse(frame, size, FRAME_BYTES, &header, &fault), 1);
                assert_int_equal(header.opcode, n % 2 ? WIRE_ACK : WIRE_NACK);
                assert_int_equal(header.flags, WIRE_SETTLE_ANSWER);
                assert_int_equal(header.channel, 3);
                assert_int_equal(wire_settle_parse(frame, size, &out, &fault), 0);
                assert_int_equal(out.serial, 77);
                assert_span_equal(out.fields, span);
                assert_int_equal(out.n_runs, n);
                for (size_t i = 0; i < n; i++) {
                        struct wire_settle_run run = wire_settle_run(&out, i);

                        assert_true(run.id == runs[i].id);
                        assert_int_equal(run.count, runs[i].count);
                }
        }
}

static void test_truncations(void **state) {
        const struct wire_settle_run runs[] = {{1, 2}, {9, 1}};
        uint8_t frame[FRAME_BYTES], fields[16];
        struct wire_span span = {fields, wire_put_string(fields, WIRE_FIELD_TEXT, "later")};
        size_t size = put(frame, WIRE_ACK, span, runs, 2);

        (void) state;
        /* Whole with no run and with one. */
        assert_truncations(parse, frame, size, 2);
        assert_overlong_refused(parse, frame, size);
}

static void assert_offence(const uint8_t *frame, size_t size, unsigned offset) {
        struct wire_fault fault = {0};

        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, offset);
}

static void test_offences(void **state) {
        struct wire_settle_run runs[] = {{1, 2}, {9, 1}};
        uint8_t frame[FRAME_BYTES];
        size_t size;

        (void) state;
        size = put(frame, WIRE_ACK, (struct wire_span){0}, runs, 2);
        wire_set16(frame + 6, 0);
        assert_offence(frame, size, 6);
        wire_set16(frame + 6, 1);
        wire_set32(frame + 8, 0);
        assert_offence(frame, size, 8);
        wire_set32(frame + 8, 1);
        wire_set16(frame + 12, 25);
        assert_offence(frame, size, 12);

        runs[1] = (struct wire_settle_run){0, 1};
        assert_offence(frame, put(frame, WIRE_ACK, (struct wire_span){0}, runs, 2), 16 + 12);
        runs[1] = (struct wire_settle_run){9, 0};
        assert_offence(frame, put(frame, WIRE_ACK, (struct wire_span){0}, runs, 2), 16 + 12 + 8);
        runs[1] = (struct wire_settle_run){UINT64_MAX, 2};
        assert_offence(frame, put(frame, WIRE_ACK, (struct wire_span){0}, runs, 2), 16 + 12);
}

/* The two bytes behind the fields' length are written as 0 and not looked at. */
static void test_spare_bytes(void **state) {
        uint8_t frame[FRAME_BYTES];
        struct wire_settle_run run = {1, 1};
        size_t size = put(frame, WIRE_ACK, (struct wire_span){0}, &run, 1);
        struct wire_fault fault;

        (void) state;
        assert_int_equal(wire_get16(frame + 14), 0);
        wire_set16(frame + 14, 0xffff);
        assert_int_equal(parse(frame, size, &fault), 0);
}

static void test_unknown_fields(void **state) {
        uint8_t frame[FRAME_BYTES], fields[] = {0x7e, 1, 0, 9};
        struct wire_settle_run run = {1, 1};
        struct wire_fault fault;
        size_t size;

        (void) state;
        size = put(frame, WIRE_NACK, (struct wire_span){fields, sizeof(fields)}, &run, 1);
        assert_int_equal(parse(frame, size, &fault), 0);
        frame[16] |= WIRE_FIELD_MANDATORY;
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_UNKNOWN_FIELD);
        assert_int_equal(fault.offset, 16);
        assert_int_equal(fault.tag, 0x7e);
}

static int parse_credit(const uint8_t *frame, size_t size, struct wire_fault *fault) {
        struct wire_credit out, before;
        int r;

        memset(&out, 0xa5, sizeof(out));
        before = out;
        r = wire_credit_parse(frame, size, &out, fault);
        if (r == -EBADMSG)
                assert_memory_equal(&out, &before, sizeof(out));
        return r;
}

static void test_credit(void **state) {
        const struct wire_credit in = {.messages = 0x01020304, .bytes = UINT32_MAX};
        struct wire_credit out;
        struct wire_fault fault;
        struct wire_header header;
        uint8_t frame[16];

        (void) state;
        assert_int_equal(wire_put_credit(frame, 0x1234, &in), 16);
        assert_int_equal(wire_header_parse(frame, sizeof(frame), 16, &header, &fault), 1);
        assert_int_equal(header.size, 16);
        assert_int_equal(header.opcode, WIRE_CREDIT);
        assert_int_equal(header.channel, 0x1234);
        assert_int_equal(wire_credit_parse(frame, sizeof(frame), &out, &fault), 0);
        assert_int_equal(out.messages, in.messages);
        assert_int_equal(out.bytes, in.bytes);

        assert_truncations(parse_credit, frame, sizeof(frame), 0);
        assert_overlong_refused(parse_credit, frame, sizeof(frame));
        wire_set16(frame + 6, 0);
        assert_refused(parse_credit(frame, sizeof(frame), &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, 6);
}

static void test_credit_with_more_behind_it(void **state) {
        uint8_t frame[17] = {0};
        struct wire_fault fault;

        (void) state;
        wire_put_credit(frame, 1, &(struct wire_credit){1, 1});
        wire_set32(frame, sizeof(frame));
        assert_refused(parse_credit(frame, sizeof(frame), &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, 16);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_truncations),
                cmocka_unit_test(test_offences),
                cmocka_unit_test(test_spare_bytes),
                cmocka_unit_test(test_unknown_fields),
                cmocka_unit_test(test_credit),
                cmocka_unit_test(test_credit_with_more_behind_it),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
