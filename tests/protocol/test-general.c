/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

#define FRAME_BYTES 512u

struct row {
        unsigned opcode;
        bool general;
        unsigned needs;
};

enum { LAYOUT_GENERAL, LAYOUT_SEND, LAYOUT_DELIVER, LAYOUT_CONFIRM, LAYOUT_CREDIT, LAYOUT_SETTLE };

static const struct row rows[] = {
#define X(number, name, direction, layout, needs) {number, LAYOUT_##layout == LAYOUT_GENERAL, needs},
        WIRE_OPCODES(X)
#undef X
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static int parse(const uint8_t *frame, size_t size, struct wire_fault *fault) {
        struct wire_general out, before;
        int r;

        memset(&out, 0xa5, sizeof(out));
        before = out;
        r = wire_general_parse(frame, size, &out, fault);
        if (r == -EBADMSG)
                assert_memory_equal(&out, &before, sizeof(out));
        else
                assert_int_equal(out.serial, wire_get32(frame + 8));
        return r;
}

static size_t put_fields(uint8_t *out) {
        size_t n = 0;

        n += wire_put_string(out + n, WIRE_FIELD_NAME, "jobs");
        n += wire_put_u32(out + n, WIRE_FIELD_CREDIT_MESSAGES, 10);
        n += wire_put_u64(out + n, WIRE_FIELD_CREDIT_BYTES, 65536);
        n += wire_put_u16(out + n, WIRE_FIELD_CODE, WIRE_CODE_FULL);
        n += wire_put_u8(out + n, WIRE_FIELD_KIND, WIRE_KIND_QUEUE);
        n += wire_put_attribute_u64(out + n, "ready", 12);
        n += wire_put_attribute_bool(out + n, "paused", true);
        n += wire_put_attribute_string(out + n, "kind", "queue", 5);
        n += wire_put_pair(out + n, WIRE_FIELD_PROPERTY, "MaxMessages", 11, "10", 2);
        return n;
}
#define N_FIELDS 9

static size_t put(uint8_t *out, unsigned opcode, unsigned channel, uint32_t serial) {
        size_t n = put_fields(out + WIRE_SERIAL_HEADER_BYTES);

        assert_int_equal(wire_put_general(out, opcode, 0x41, channel, serial, n), WIRE_SERIAL_HEADER_BYTES);
        return WIRE_SERIAL_HEADER_BYTES + n;
}

static void test_round_trip(void **state) {
        uint8_t bytes[FRAME_BYTES];
        struct wire_general out;
        struct wire_header header;
        struct wire_fault fault;
        size_t n_general = 0;

        (void) state;
        for (size_t i = 0; i < N_ROWS; i++) {
                size_t size = put(bytes, rows[i].opcode, 0x2345, 0x98765432);
                _cleanup_bytes_ uint8_t *frame = exact(bytes, size);

                if (!rows[i].general)
                        continue;
                n_general++;
                assert_int_equal(wire_header_parse(frame, size, FRAME_BYTES, &header, &fault), 1);
                assert_int_equal(header.size, size);
                assert_int_equal(header.opcode, rows[i].opcode);
                assert_int_equal(header.flags, 0x41);
                assert_int_equal(header.channel, 0x2345);
                assert_int_equal(wire_general_parse(frame, size, &out, &fault), 0);
                assert_int_equal(out.serial, 0x98765432);
                assert_int_equal(out.fields.size, size - WIRE_SERIAL_HEADER_BYTES);
                assert_ptr_equal(out.fields.data, frame + WIRE_SERIAL_HEADER_BYTES);
        }
        assert_int_equal(n_general, N_ROWS - 7);
}

static void test_truncations(void **state) {
        uint8_t frame[FRAME_BYTES];

        (void) state;
        for (size_t i = 0; i < N_ROWS; i++) {
                size_t size = put(frame, rows[i].opcode, 1, 1);

                if (!rows[i].general)
                        continue;
                /* Whole wherever a field ends, and with none at all. */
                assert_truncations(parse, frame, size, N_FIELDS);
                assert_overlong_refused(parse, frame, size);
        }
}

static void test_channel_and_serial(void **state) {
        uint8_t frame[FRAME_BYTES];
        struct wire_fault fault;

        (void) state;
        for (size_t i = 0; i < N_ROWS; i++) {
                size_t size;
                int r;

                if (!rows[i].general)
                        continue;
                size = put(frame, rows[i].opcode, 0, 1);
                r = parse(frame, size, &fault);
                if (rows[i].needs & WIRE_NEEDS_CHANNEL) {
                        assert_refused(r, &fault, WIRE_CODE_MALFORMED);
                        assert_int_equal(fault.offset, 6);
                } else
                        assert_int_equal(r, 0);

                size = put(frame, rows[i].opcode, 1, 0);
                r = parse(frame, size, &fault);
                if (rows[i].needs & WIRE_NEEDS_SERIAL) {
                        assert_refused(r, &fault, WIRE_CODE_MALFORMED);
                        assert_int_equal(fault.offset, 8);
                } else
                        assert_int_equal(r, 0);
        }
}

static void test_without_fields(void **state) {
        uint8_t frame[WIRE_SERIAL_HEADER_BYTES];
        struct wire_general out;
        struct wire_fault fault;

        (void) state;
        wire_put_general(frame, WIRE_PING, 0, 0, 5, 0);
        assert_int_equal(wire_general_parse(frame, sizeof(frame), &out, &fault), 0);
        assert_int_equal(out.serial, 5);
        assert_int_equal(out.fields.size, 0);
}

/* More fields than one SEND may carry: only a single value is bounded to 16 bits here. */
static void test_many_fields(void **state) {
        const size_t n_fields = 3, value_bytes = UINT16_MAX;
        size_t size = WIRE_SERIAL_HEADER_BYTES + n_fields * (WIRE_FIELD_HEADER_BYTES + value_bytes);
        _cleanup_bytes_ uint8_t *frame = malloc(size);
        _cleanup_bytes_ uint8_t *value = malloc(value_bytes);
        struct wire_general out;
        struct wire_fault fault;
        uint8_t *p = frame;

        (void) state;
        assert_non_null(frame);
        assert_non_null(value);
        memset(value, 'x', value_bytes);
        p += wire_put_general(p, WIRE_ITEM, 0, 0, 5, size - WIRE_SERIAL_HEADER_BYTES);
        for (size_t i = 0; i < n_fields; i++)
                p += wire_put_bytes(p, WIRE_FIELD_TEXT, value, value_bytes);
        assert_int_equal(p - frame, size);
        assert_int_equal(wire_general_parse(frame, size, &out, &fault), 0);
        assert_int_equal(out.fields.size, size - WIRE_SERIAL_HEADER_BYTES);
}

static void test_fault_points_into_the_frame(void **state) {
        uint8_t frame[FRAME_BYTES];
        size_t size = put(frame, WIRE_CONSUME, 1, 1);
        struct wire_fault fault;

        (void) state;
        frame[WIRE_SERIAL_HEADER_BYTES + 3 + 4] = 0x80 | 0x6e; /* the second field's tag */
        assert_refused(parse(frame, size, &fault), &fault, WIRE_CODE_UNKNOWN_FIELD);
        assert_int_equal(fault.tag, 0x6e);
        assert_int_equal(fault.offset, WIRE_SERIAL_HEADER_BYTES + 3 + 4);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),         cmocka_unit_test(test_truncations),
                cmocka_unit_test(test_channel_and_serial), cmocka_unit_test(test_without_fields),
                cmocka_unit_test(test_many_fields),        cmocka_unit_test(test_fault_points_into_the_frame),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
