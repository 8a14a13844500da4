/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

static void test_codes(void **state) {
        static const struct {
                unsigned number;
                const char *name;
                int error;
        } rows[] = {
#define X(number, name, text, error) {number, text, error},
                WIRE_CODES(X)
#undef X
        };
        const size_t n = sizeof(rows) / sizeof(rows[0]);

        (void) state;
        assert_int_equal(n, WIRE_CODE_MAX + 1);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(rows[i].number, i);
                assert_string_equal(wire_code_name(rows[i].number), rows[i].name);
                assert_int_equal(wire_code_errno(rows[i].number), -rows[i].error);
                assert_true(rows[i].error > 0 || rows[i].number == WIRE_CODE_NONE);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(rows[i].name, rows[k].name);
        }
}

static void test_unknown_codes(void **state) {
        (void) state;
        assert_string_equal(wire_code_name(WIRE_CODE_MAX + 1), "unknown");
        assert_string_equal(wire_code_name(UINT32_MAX), "unknown");
        assert_int_equal(wire_code_errno(WIRE_CODE_MAX + 1), -EIO);
        assert_int_equal(wire_code_errno(UINT32_MAX), -EIO);
}

/* Some by hand: a table that changes must not change what was on the wire before. */
static void test_numbers_stay(void **state) {
        (void) state;
        assert_string_equal(wire_code_name(7), "no-route");
        assert_int_equal(wire_code_errno(7), -EHOSTUNREACH);
        assert_string_equal(wire_code_name(18), "not-leased");
        assert_int_equal(wire_code_errno(18), -ESTALE);
        assert_string_equal(wire_opcode_name(0x02), "SEND");
        assert_string_equal(wire_opcode_name(0x8b), "CANCELLED");
}

static void test_opcodes(void **state) {
        size_t n_known = 0;

        (void) state;
        for (unsigned opcode = 0; opcode <= UINT8_MAX; opcode++)
                if (strcmp(wire_opcode_name(opcode), "unknown") != 0)
                        n_known++;
        assert_int_equal(n_known, 0x12 + 0x0b);
#define X(number, name, direction, layout, needs)             \
        assert_string_equal(wire_opcode_name(number), #name); \
        assert_int_equal(WIRE_##name, number);
        WIRE_OPCODES(X)
#undef X
        assert_string_equal(wire_opcode_name(0), "unknown");
        assert_string_equal(wire_opcode_name(0x13), "unknown");
        assert_string_equal(wire_opcode_name(0x102), "unknown");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_codes),
                cmocka_unit_test(test_unknown_codes),
                cmocka_unit_test(test_numbers_stay),
                cmocka_unit_test(test_opcodes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
