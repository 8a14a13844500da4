/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

#define FRAME_BYTES_MAX 4096u

static void test_round_trip(void **state) {
        const struct wire_header in = {.size = 0x01020304, .opcode = 0x83, .flags = 0x81, .channel = 0xabcd};
        const uint8_t expected[] = {0x04, 0x03, 0x02, 0x01, 0x83, 0x81, 0xcd, 0xab};
        uint8_t bytes[WIRE_HEADER_BYTES];
        struct wire_header out;
        struct wire_fault fault;

        (void) state;
        assert_int_equal(wire_put_header(bytes, &in), WIRE_HEADER_BYTES);
        assert_memory_equal(bytes, expected, sizeof(expected));
        assert_int_equal(wire_header_parse(bytes, sizeof(bytes), UINT32_MAX, &out, &fault), 1);
        assert_int_equal(out.size, in.size);
        assert_int_equal(out.opcode, in.opcode);
        assert_int_equal(out.flags, in.flags);
        assert_int_equal(out.channel, in.channel);
}

static void test_needs_eight_bytes(void **state) {
        const uint8_t bytes[WIRE_HEADER_BYTES] = {0xff, 0xff, 0xff, 0xff};
        struct wire_header out, before;
        struct wire_fault fault;

        (void) state;
        memset(&out, 0xa5, sizeof(out));
        before = out;
        for (size_t n = 0; n < WIRE_HEADER_BYTES; n++) {
                _cleanup_bytes_ uint8_t *copy = exact(bytes, n);

                assert_int_equal(wire_header_parse(copy, n, FRAME_BYTES_MAX, &out, &fault), 0);
                assert_memory_equal(&out, &before, sizeof(out));
        }
}

static int parse_size(uint32_t size, uint32_t size_max, struct wire_fault *fault) {
        struct wire_header out, before;
        uint8_t bytes[WIRE_HEADER_BYTES] = {0};
        int r;

        memset(&out, 0xa5, sizeof(out));
        before = out;
        wire_set32(bytes, size);
        *fault = (struct wire_fault){0};
        r = wire_header_parse(bytes, sizeof(bytes), size_max, &out, fault);
        if (r < 0)
                assert_memory_equal(&out, &before, sizeof(out));
        return r;
}

static void test_size_limits(void **state) {
        struct wire_fault fault;

        (void) state;
        for (uint32_t size = 0; size < WIRE_HEADER_BYTES; size++)
                assert_refused(parse_size(size, FRAME_BYTES_MAX, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(parse_size(WIRE_HEADER_BYTES, FRAME_BYTES_MAX, &fault), 1);
        assert_int_equal(parse_size(FRAME_BYTES_MAX, FRAME_BYTES_MAX, &fault), 1);
        assert_int_equal(parse_size(UINT32_MAX, UINT32_MAX, &fault), 1);

        assert_int_equal(parse_size(FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX, &fault), -EMSGSIZE);
        assert_int_equal(fault.code, WIRE_CODE_TOO_LARGE);
        assert_non_null(fault.text);
        assert_int_equal(parse_size(UINT32_MAX, FRAME_BYTES_MAX, &fault), -EMSGSIZE);
}

/* The frame behind a header may still be on its way; what follows is not looked at. */
static void test_frame_need_not_be_whole(void **state) {
        _cleanup_bytes_ uint8_t *bytes = malloc(WIRE_HEADER_BYTES);
        struct wire_header out;
        struct wire_fault fault;

        (void) state;
        assert_non_null(bytes);
        wire_put_header(bytes, &(struct wire_header){.size = 1000, .opcode = WIRE_SEND});
        assert_int_equal(wire_header_parse(bytes, WIRE_HEADER_BYTES, FRAME_BYTES_MAX, &out, &fault), 1);
        assert_int_equal(out.size, 1000);
        assert_int_equal(out.opcode, WIRE_SEND);
}

/* Bytes by hand, so that the accessors mean the same on a machine of either byte order. */
static void test_little_endian(void **state) {
        uint8_t bytes[9] = {0};

        (void) state;
        wire_set16(bytes + 1, 0x1122);
        assert_int_equal(bytes[1], 0x22);
        assert_int_equal(bytes[2], 0x11);
        assert_int_equal(wire_get16(bytes + 1), 0x1122);
        wire_set32(bytes + 1, 0x81223344);
        assert_int_equal(bytes[1], 0x44);
        assert_int_equal(bytes[4], 0x81);
        assert_int_equal(wire_get32(bytes + 1), 0x81223344);
        wire_set64(bytes + 1, UINT64_C(0x8122334455667788));
        assert_int_equal(bytes[1], 0x88);
        assert_int_equal(bytes[8], 0x81);
        assert_true(wire_get64(bytes + 1) == UINT64_C(0x8122334455667788));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),    cmocka_unit_test(test_needs_eight_bytes),
                cmocka_unit_test(test_size_limits),   cmocka_unit_test(test_frame_need_not_be_whole),
                cmocka_unit_test(test_little_endian),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
