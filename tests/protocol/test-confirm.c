/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

#define RUNS_MAX 4

static size_t put(uint8_t *out, const struct wire_confirm_run *runs, size_t n_runs) {
        uint8_t *p = out + WIRE_HEADER_BYTES;
        struct wire_header header = {.size = (uint32_t) (WIRE_HEADER_BYTES + n_runs * WIRE_CONFIRM_RUN_BYTES),
                                     .opcode = WIRE_CONFIRM};

        wire_put_header(out, &header);
        for (size_t i = 0; i < n_runs; i++)
                p += wire_put_confirm_run(p, &runs[i]);
        assert_int_equal(p - out, header.size);
        return header.size;
}

static void test_round_trip(void **state) {
        const struct wire_confirm_run runs[] = {
                {.serial = 1, .count = 1, .id = 1},
                {.serial = UINT32_MAX, .count = 2, .id = 0},
                {.serial = 1, .count = UINT32_MAX, .id = UINT64_MAX - UINT32_MAX + 1},
                {.serial = 0, .count = 1, .id = UINT64_MAX},
        };
        uint8_t frame[WIRE_HEADER_BYTES + RUNS_MAX * WIRE_CONFIRM_RUN_BYTES];
        struct wire_fault fault;

        (void) state;
        for (size_t n = 0; n <= RUNS_MAX; n++) {
                size_t size = put(frame, runs, n);
                _cleanup_bytes_ uint8_t *copy = exact(frame, size);

                assert_int_equal(wire_confirm_parse(copy, size, &fault), n);
                for (size_t i = 0; i < n; i++) {
                        struct wire_confirm_run run = wire_confirm_run(copy, i);

                        assert_int_equal(run.serial, runs[i].serial);
                        assert_int_equal(run.count, runs[i].count);
                        assert_true(run.id == runs[i].id);
                }
        }
}

static void test_truncations(void **state) {
        const struct wire_confirm_run runs[] = {{1, 1, 1}, {2, 2, 2}, {4, 1, 9}};
        uint8_t frame[WIRE_HEADER_BYTES + RUNS_MAX * WIRE_CONFIRM_RUN_BYTES];
        size_t size = put(frame, runs, 3);

        (void) state;
        /* Without runs, with one and with two. */
        assert_truncations(wire_confirm_parse, frame, size, 3);
        assert_overlong_refused(wire_confirm_parse, frame, size);
}

static void test_offences(void **state) {
        uint8_t frame[WIRE_HEADER_BYTES + RUNS_MAX * WIRE_CONFIRM_RUN_BYTES];
        const struct wire_confirm_run nothing[] = {{1, 1, 1}, {2, 0, 2}};
        const struct wire_confirm_run beyond[] = {{1, 1, 1}, {2, 2, UINT64_MAX}};
        struct wire_fault fault;
        size_t size;

        (void) state;
        size = put(frame, nothing, 2);
        assert_refused(wire_confirm_parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, 8 + 16 + 4);
        size = put(frame, beyond, 2);
        assert_refused(wire_confirm_parse(frame, size, &fault), &fault, WIRE_CODE_MALFORMED);
        assert_int_equal(fault.offset, 8 + 16 + 8);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_truncations),
                cmocka_unit_test(test_offences),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
