/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tables of PROTOCOL.md and those of wire.h say the same. */

#include "tests/protocol/document.h"

static unsigned long number(const char *cell) {
        char *end;
        unsigned long value = strtoul(cell, &end, 0);

        if (end == cell || *end != '\0')
                fail_msg("not a number: %s", cell);
        return value;
}

static void assert_cell(const char *cell, const char *expected, const char *row) {
        if (strcasecmp(cell, expected) != 0)
                fail_msg("row of %s: \"%s\" is to be \"%s\"", row, cell, expected);
}

/* ---- opcodes ---- */

struct opcode_row {
        unsigned opcode, needs;
        const char *name, *direction, *layout;
};

static const struct opcode_row opcode_rows[] = {
#define X(number, name, direction, layout, needs) {number, needs, #name, #direction, #layout},
        WIRE_OPCODES(X)
#undef X
};

static void check_opcode(char *const *cells, size_t n_cells, void *userdata) {
        static const char *const needs[] = {
                [0] = "",
                [WIRE_NEEDS_CHANNEL] = "channel",
                [WIRE_NEEDS_SERIAL] = "serial",
                [WIRE_NEEDS_CHANNEL | WIRE_NEEDS_SERIAL] = "serial, channel",
        };
        size_t *index = userdata;
        const struct opcode_row *row = &opcode_rows[(*index)++];

        assert_true(*index <= sizeof(opcode_rows) / sizeof(opcode_rows[0]));
        assert_int_equal(n_cells, 6);
        assert_int_equal(number(cells[0]), row->opcode);
        assert_string_equal(cells[1], row->name);
        assert_cell(cells[2], row->direction, row->name);
        assert_cell(cells[3], row->layout, row->name);
        assert_cell(cells[4], needs[row->needs], row->name);
        assert_true(strlen(cells[5]) > 0);
}

static void test_opcodes(void **state) {
        size_t index = 0;

        (void) state;
        document_table("| number | name | from | layout | needs |", check_opcode, &index);
        assert_int_equal(index, sizeof(opcode_rows) / sizeof(opcode_rows[0]));
}

/* ---- flags ---- */

struct named {
        const char *what, *name;
        unsigned long value;
        bool seen;
};

/* Finds the row of `what` and `name` in a table of ours, once. */
static struct named *take(struct named *table, size_t n, const char *what, const char *name) {
        for (size_t i = 0; i < n; i++)
                if (!table[i].seen && strcmp(table[i].what, what) == 0 && strcmp(table[i].name, name) == 0) {
                        table[i].seen = true;
                        return &table[i];
                }
        fail_msg("%s %s is not known here, or comes twice", what, name);
        return NULL;
}

static struct named flags[] = {
        {"any", "DESCRIPTOR", WIRE_FLAG_DESCRIPTOR, false},
        {"SEND", "UNROUTED_OK", WIRE_SEND_UNROUTED_OK, false},
        {"ACK, NACK", "ANSWER", WIRE_SETTLE_ANSWER, false},
        {"DECLARE", "EXCLUSIVE", WIRE_DECLARE_EXCLUSIVE, false},
        {"DELETE", "PURGE", WIRE_DELETE_PURGE, false},
        {"CONFIRM", "DURABILITY", WIRE_CONFIRM_DURABILITY, false},
        {"DELIVER, BROWSED", "REDELIVERED", WIRE_DELIVER_REDELIVERED, false},
        {"ERROR", "OF_SEND", WIRE_ERROR_OF_SEND, false},
};

static void check_flag(char *const *cells, size_t n_cells, void *userdata) {
        (void) userdata;
        assert_int_equal(n_cells, 4);
        assert_int_equal(number(cells[1]), take(flags, sizeof(flags) / sizeof(flags[0]), cells[0], cells[2])->value);
}

static void test_flags(void **state) {
        (void) state;
        assert_int_equal(document_table("| frame | flag |", check_flag, NULL), sizeof(flags) / sizeof(flags[0]));
}

/* ---- fields ---- */

static const struct {
        unsigned tag;
        const char *name, *type;
} field_rows[] = {
#define X(number, name, type) {number, #name, #type},
        WIRE_FIELDS(X)
#undef X
};

static void check_field(char *const *cells, size_t n_cells, void *userdata) {
        size_t *index = userdata, i = (*index)++;

        assert_true(i < sizeof(field_rows) / sizeof(field_rows[0]));
        assert_int_equal(n_cells, 5);
        assert_int_equal(number(cells[0]), field_rows[i].tag);
        assert_string_equal(cells[1], field_rows[i].name);
        assert_cell(cells[2], field_rows[i].type, cells[1]);
        assert_true(strlen(cells[3]) > 0 && strlen(cells[4]) > 0);
}

static void test_fields(void **state) {
        size_t index = 0;

        (void) state;
        document_table("| tag | name | type |", check_field, &index);
        assert_int_equal(index, sizeof(field_rows) / sizeof(field_rows[0]));
}

/* ---- codes ---- */

static const struct {
        unsigned code;
        const char *name, *error;
} code_rows[] = {
#define X(number, name, text, error) {number, text, #error},
        WIRE_CODES(X)
#undef X
};

static void check_code(char *const *cells, size_t n_cells, void *userdata) {
        size_t *index = userdata, i = (*index)++;

        assert_true(i < sizeof(code_rows) / sizeof(code_rows[0]));
        assert_int_equal(n_cells, 4);
        assert_int_equal(number(cells[0]), code_rows[i].code);
        assert_string_equal(cells[1], code_rows[i].name);
        assert_string_equal(cells[1], wire_code_name(code_rows[i].code));
        assert_string_equal(cells[2], code_rows[i].error);
        assert_true(strlen(cells[3]) > 0);
}

static void test_codes(void **state) {
        size_t index = 0;

        (void) state;
        document_table("| number | name | errno |", check_code, &index);
        assert_int_equal(index, sizeof(code_rows) / sizeof(code_rows[0]));
}

/* ---- limits and features ---- */

static struct named limits[] = {
        {"limit", "header", WIRE_HEADER_BYTES, false},
        {"limit", "greeting", WIRE_GREETING_BYTES_MAX, false},
        {"limit", "subject", WIRE_SUBJECT_BYTES_MAX, false},
        {"limit", "fields of a SEND", WIRE_SEND_FIELDS_BYTES_MAX, false},
        {"limit", "fields", WIRE_FIELDS_BYTES_MAX, false},
        {"limit", "key", WIRE_KEY_BYTES_MAX, false},
        {"limit", "priority", WIRE_PRIORITY_MAX, false},
};

static void check_limit(char *const *cells, size_t n_cells, void *userdata) {
        (void) userdata;
        assert_int_equal(n_cells, 3);
        assert_int_equal(number(cells[1]), take(limits, sizeof(limits) / sizeof(limits[0]), "limit", cells[0])->value);
}

static void test_limits(void **state) {
        (void) state;
        assert_int_equal(document_table("| limit | value |", check_limit, NULL), sizeof(limits) / sizeof(limits[0]));
}

static void check_feature(char *const *cells, size_t n_cells, void *userdata) {
        (void) userdata;
        assert_int_equal(n_cells, 3);
        assert_string_equal(cells[0], "MEMFD");
        assert_true(UINT64_C(1) << number(cells[1]) == WIRE_FEATURE_MEMFD);
}

static void test_features(void **state) {
        (void) state;
        assert_int_equal(document_table("| feature | bit |", check_feature, NULL), 1);
}

/* ---- patterns ---- */

/* Matches the pattern with each `subject` of a cell. */
static size_t check_subjects(const char *pattern, char *cell, bool expected) {
        size_t n = 0;

        for (char *subject = strtok(cell, "`, "); subject; subject = strtok(NULL, "`, "), n++) {
                assert_int_equal(wire_subject_check(subject, strlen(subject), NULL), 0);
                if (wire_pattern_match(pattern, strlen(pattern), subject, strlen(subject)) != expected)
                        fail_msg("%s against %s", pattern, subject);
        }
        return n;
}

static void check_pattern(char *const *cells, size_t n_cells, void *userdata) {
        size_t *n = userdata;
        char *pattern;

        assert_int_equal(n_cells, 3);
        assert_int_equal(cells[0][0], '`');
        pattern = cells[0] + 1;
        pattern[strlen(pattern) - 1] = '\0';
        assert_int_equal(wire_pattern_check(pattern, strlen(pattern), NULL), 0);
        *n += check_subjects(pattern, cells[1], true);
        *n += check_subjects(pattern, cells[2], false);
}

static void test_patterns(void **state) {
        size_t n = 0;

        (void) state;
        assert_int_equal(document_table("| pattern | matches |", check_pattern, &n), 5);
        assert_true(n >= 15);
}

/* ---- what framing costs ---- */

#define COST_BODY_BYTES 100u

/* The bytes of a frame as the table names it; *ret_body tells how many of them are the body. */
static size_t cost(const char *what, size_t *ret_body) {
        static const uint8_t body[COST_BODY_BYTES];
        const struct wire_span subject = SPAN("jobs.mail");
        struct wire_send send = {.serial = 1, .subject = subject, .body = {body, sizeof(body)}};
        struct wire_deliver deliver = {.opcode = WIRE_DELIVER, .channel = 1, .id = 1, .body = {body, sizeof(body)}};
        uint8_t bytes[256], *p = bytes;

        *ret_body = sizeof(body);
        if (strcmp(what, "SEND, first") == 0)
                return wire_put_send(bytes, &send);
        if (strcmp(what, "SEND, again") == 0) {
                send.subject.size = 0;
                return wire_put_send(bytes, &send);
        }
        if (strcmp(what, "DELIVER") == 0)
                return wire_put_deliver(bytes, &deliver);
        if (strcmp(what, "DELIVER by a binding") == 0) {
                deliver.subject = subject;
                return wire_put_deliver(bytes, &deliver);
        }

        *ret_body = 0;
        if (strcmp(what, "CREDIT") == 0)
                return wire_put_credit(bytes, 1, &(struct wire_credit){1000, 1000});
        if (strncmp(what, "CONFIRM of 1", 12) == 0) {
                p += wire_put_header(p, &(struct wire_header){.opcode = WIRE_CONFIRM});
                p += wire_put_confirm_run(p, &(struct wire_confirm_run){1, (uint32_t) strtoul(what + 11, NULL, 10), 1});
                return (size_t) (p - bytes);
        }
        if (strncmp(what, "ACK of 1", 8) == 0) {
                p += wire_put_settle_header(p, WIRE_ACK, 0, 1, 1, 0, 1);
                p += wire_put_settle_run(p, &(struct wire_settle_run){1, (uint32_t) strtoul(what + 7, NULL, 10)});
                return (size_t) (p - bytes);
        }
        fail_msg("what does \"%s\" cost?", what);
        return 0;
}

static void check_cost(char *const *cells, size_t n_cells, void *userdata) {
        size_t bytes, body;

        (void) userdata;
        assert_int_equal(n_cells, 3);
        bytes = cost(cells[0], &body);
        assert_int_equal(number(cells[1]), bytes);
        assert_int_equal(number(cells[2]), bytes - body);
}

/* The promise: a message of 100 bytes costs at most 32 bytes of framing in each direction. */
static void test_costs(void **state) {
        size_t bytes, body;

        (void) state;
        assert_int_equal(document_table("| frame | bytes | of which framing |", check_cost, NULL), 9);
        bytes = cost("SEND, first", &body);
        assert_true(bytes - body <= 32);
        bytes = cost("SEND, again", &body);
        assert_int_equal(bytes - body, 16);
        bytes = cost("DELIVER", &body);
        assert_int_equal(bytes - body, 32);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_opcodes),  cmocka_unit_test(test_flags),  cmocka_unit_test(test_fields),
                cmocka_unit_test(test_codes),    cmocka_unit_test(test_limits), cmocka_unit_test(test_features),
                cmocka_unit_test(test_patterns), cmocka_unit_test(test_costs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
