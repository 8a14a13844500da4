/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/protocol/bytes.h"

#define FIELD_BYTES 512u

/* Checks an exact copy of the fields. Walking them one by one must come to the same end, and leave *ret untouched. */
static int check(const uint8_t *bytes, size_t size, struct wire_fault *fault) {
        _cleanup_bytes_ uint8_t *copy = exact(bytes, size);
        struct wire_span fields = {copy, size};
        struct wire_field field, before;
        struct wire_fault walked = {0};
        size_t offset = 0, last;
        int r, walk;

        *fault = (struct wire_fault){0};
        r = wire_fields_check(fields, fault);
        do {
                memset(&field, 0xa5, sizeof(field));
                before = field;
                last = offset;
                walk = wire_field_next(fields, &offset, &field, &walked);
        } while (walk > 0);

        assert_int_equal(walk, r);
        assert_memory_equal(&field, &before, sizeof(field));
        assert_int_equal(offset, last);
        if (r < 0) {
                assert_int_equal(walked.code, fault->code);
                assert_int_equal(walked.tag, fault->tag);
                assert_int_equal(walked.offset, fault->offset);
        } else
                assert_int_equal(offset, size);
        return r;
}

static void assert_field_refused(unsigned tag, const void *value, size_t size, unsigned code) {
        uint8_t bytes[FIELD_BYTES];
        struct wire_fault fault;
        size_t n = wire_put_bytes(bytes, tag, value, size);

        assert_refused(check(bytes, n, &fault), &fault, code);
        assert_int_equal(fault.tag, tag & ~WIRE_FIELD_MANDATORY);
        assert_int_equal(fault.offset, 0);
}

static void assert_field_accepted(unsigned tag, const void *value, size_t size) {
        uint8_t bytes[FIELD_BYTES];
        struct wire_fault fault;

        assert_int_equal(check(bytes, wire_put_bytes(bytes, tag, value, size), &fault), 0);
}

static void read_one(const uint8_t *bytes, size_t size, struct wire_field *ret) {
        struct wire_fault fault;
        size_t offset = 0;

        assert_int_equal(check(bytes, size, &fault), 0);
        assert_int_equal(wire_field_next((struct wire_span){bytes, size}, &offset, ret, &fault), 1);
        assert_int_equal(offset, size);
}

static void test_nothing(void **state) {
        struct wire_field field;
        struct wire_fault fault;
        size_t offset = 0;

        (void) state;
        assert_int_equal(wire_fields_check((struct wire_span){0}, &fault), 0);
        assert_int_equal(wire_field_next((struct wire_span){0}, &offset, &field, &fault), 0);
        assert_false(wire_field_find((struct wire_span){0}, WIRE_FIELD_NAME, &field));
        assert_int_equal(wire_fields_not_understood((struct wire_span){0}, 0), 0);
}

static void test_integers(void **state) {
        uint8_t bytes[16];
        struct wire_field field;

        (void) state;
        assert_int_equal(wire_put_u8(bytes, WIRE_FIELD_KIND, 0xfe), 4);
        read_one(bytes, 4, &field);
        assert_int_equal(field.tag, WIRE_FIELD_KIND);
        assert_int_equal(field.type, WIRE_TYPE_U8);
        assert_false(field.mandatory);
        assert_true(field.number == 0xfe);

        assert_int_equal(wire_put_u16(bytes, WIRE_FIELD_CODE, 0xfedc), 5);
        read_one(bytes, 5, &field);
        assert_int_equal(field.type, WIRE_TYPE_U16);
        assert_true(field.number == 0xfedc);

        assert_int_equal(wire_put_u32(bytes, WIRE_FIELD_UID, 0xfedcba98), 7);
        read_one(bytes, 7, &field);
        assert_int_equal(field.type, WIRE_TYPE_U32);
        assert_true(field.number == 0xfedcba98);

        assert_int_equal(wire_put_u64(bytes, WIRE_FIELD_LIMIT | WIRE_FIELD_MANDATORY, UINT64_MAX - 1), 11);
        read_one(bytes, 11, &field);
        assert_int_equal(field.tag, WIRE_FIELD_LIMIT);
        assert_int_equal(field.type, WIRE_TYPE_U64);
        assert_true(field.mandatory);
        assert_true(field.number == UINT64_MAX - 1);
        assert_int_equal(field.value.size, 8);
}

/* Each tag of the table with every length up to 16 bytes: integers have one, the others any, where their content
 * allows. */
static void test_lengths_by_type(void **state) {
        static const struct {
                unsigned tag, type;
        } tags[] = {
#define X(number, name, type) {number, WIRE_TYPE_##type},
                WIRE_FIELDS(X)
#undef X
        };
        static const size_t integer_bytes[] = {
                [WIRE_TYPE_U8] = 1, [WIRE_TYPE_U16] = 2, [WIRE_TYPE_U32] = 4, [WIRE_TYPE_U64] = 8};
        const char *text = "aaaaaaaaaaaaaaaa";

        (void) state;
        for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
                for (size_t n = 0; n <= 16; n++) {
                        bool fits = tags[i].type == WIRE_TYPE_STRING || tags[i].type == WIRE_TYPE_BYTES ||
                                    (tags[i].type <= WIRE_TYPE_U64 && n == integer_bytes[tags[i].type]);

                        /* 'a' as the length of a key reaches beyond 16 bytes. */
                        if (fits)
                                assert_field_accepted(tags[i].tag, text, n);
                        else
                                assert_field_refused(tags[i].tag, text, n, WIRE_CODE_MALFORMED);
                }
}

static void test_strings_and_bytes(void **state) {
        uint8_t bytes[64];
        struct wire_field field;
        size_t n;

        (void) state;
        n = wire_put_string(bytes, WIRE_FIELD_REPLY_TO, "inbox.7");
        assert_int_equal(n, wire_field_size_bytes(7));
        read_one(bytes, n, &field);
        assert_int_equal(field.type, WIRE_TYPE_STRING);
        assert_span_equal(field.value, SPAN("inbox.7"));

        n = wire_put_bytes(bytes, WIRE_FIELD_DEDUP_KEY, "\0\xff", 2);
        assert_int_equal(n, wire_field_size_bytes(2));
        read_one(bytes, n, &field);
        assert_int_equal(field.type, WIRE_TYPE_BYTES);
        assert_span_equal(field.value, SPAN("\0\xff"));

        n = wire_put_bytes(bytes, WIRE_FIELD_BUS_ID, NULL, 0);
        assert_int_equal(n, WIRE_FIELD_HEADER_BYTES);
        read_one(bytes, n, &field);
        assert_int_equal(field.value.size, 0);

        assert_field_refused(WIRE_FIELD_REPLY_TO, "a\0b", 3, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_REPLY_TO, "\xff", 1, WIRE_CODE_MALFORMED);
}

static void test_pairs(void **state) {
        uint8_t bytes[FIELD_BYTES];
        char key[255];
        struct wire_field field;
        size_t n;

        (void) state;
        n = wire_put_pair(bytes, WIRE_FIELD_HEADER | WIRE_FIELD_MANDATORY, "lang", 4, "de", 2);
        assert_int_equal(n, wire_field_size_pair(4, 2));
        read_one(bytes, n, &field);
        assert_int_equal(field.tag, WIRE_FIELD_HEADER);
        assert_int_equal(field.type, WIRE_TYPE_PAIR);
        assert_true(field.mandatory);
        assert_span_equal(field.key, SPAN("lang"));
        assert_span_equal(field.value, SPAN("de"));

        memset(key, 'k', sizeof(key));
        n = wire_put_pair(bytes, WIRE_FIELD_PROPERTY, key, sizeof(key), NULL, 0);
        assert_int_equal(n, wire_field_size_pair(255, 0));
        read_one(bytes, n, &field);
        assert_int_equal(field.key.size, 255);
        assert_int_equal(field.value.size, 0);

        assert_field_refused(WIRE_FIELD_HEADER, "", 0, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_HEADER, "\0v", 2, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_HEADER, "\3ab", 3, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_HEADER, "\2a\0v", 4, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_HEADER, "\1\x80v", 3, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_HEADER, "\1kv\0", 4, WIRE_CODE_MALFORMED);
        /* A character may not begin in the key and end in the value. */
        assert_field_refused(WIRE_FIELD_HEADER, "\1\xc3\xa4", 3, WIRE_CODE_MALFORMED);
        assert_field_accepted(WIRE_FIELD_HEADER, "\2\xc3\xa4", 3);
}

static void test_attributes(void **state) {
        uint8_t bytes[64];
        struct wire_field field;
        size_t n;

        (void) state;
        n = wire_put_attribute_u64(bytes, "ready", UINT64_MAX);
        read_one(bytes, n, &field);
        assert_int_equal(field.tag, WIRE_FIELD_ATTRIBUTE);
        assert_int_equal(field.type, WIRE_TYPE_ATTRIBUTE);
        assert_int_equal(field.attribute, WIRE_ATTRIBUTE_U64);
        assert_span_equal(field.key, SPAN("ready"));
        assert_true(field.number == UINT64_MAX);
        assert_int_equal(n, 3 + 1 + 5 + 1 + 8);

        for (int value = 0; value <= 1; value++) {
                n = wire_put_attribute_bool(bytes, "paused", value);
                read_one(bytes, n, &field);
                assert_int_equal(field.attribute, WIRE_ATTRIBUTE_BOOL);
                assert_int_equal(field.number, value);
        }

        n = wire_put_attribute_string(bytes, "kind", "queue", 5);
        read_one(bytes, n, &field);
        assert_int_equal(field.attribute, WIRE_ATTRIBUTE_STRING);
        assert_span_equal(field.key, SPAN("kind"));
        assert_span_equal(field.value, SPAN("queue"));
}

static void test_ill_formed_attributes(void **state) {
        (void) state;
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "", 0, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "\0\1", 2, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "\1k", 2, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE,
                             "\1k\1"
                             "1234567",
                             10, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE,
                             "\1k\1"
                             "123456789",
                             12, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "\1k\2\x80", 4, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "\1k\2a\0", 5, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "\1k\3", 3, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "\1k\3\2", 4, WIRE_CODE_MALFORMED);
        assert_field_refused(WIRE_FIELD_ATTRIBUTE, "\1k\3\1\1", 5, WIRE_CODE_MALFORMED);
}

/* A later version may have values of other types: they are skipped like an unknown field, or refused if mandatory. */
static void test_attributes_of_unknown_type(void **state) {
        static const uint8_t types[] = {0, 4, 0x7f, 0xff};
        uint8_t bytes[64], value[] = {1, 'k', 0, 0xff};
        struct wire_field field;

        (void) state;
        for (size_t i = 0; i < sizeof(types); i++) {
                value[2] = types[i];
                read_one(bytes, wire_put_bytes(bytes, WIRE_FIELD_ATTRIBUTE, value, sizeof(value)), &field);
                assert_int_equal(field.type, WIRE_TYPE_UNKNOWN);
                assert_field_refused(WIRE_FIELD_ATTRIBUTE | WIRE_FIELD_MANDATORY, value, sizeof(value),
                                     WIRE_CODE_UNKNOWN_FIELD);
        }
}

static bool tag_known(unsigned tag) {
        switch (tag) {
#define X(number, name, type) case number:
                WIRE_FIELDS(X)
#undef X
                return true;
        default:
                return false;
        }
}

static void test_unknown_tags(void **state) {
        uint8_t bytes[16];
        struct wire_field field;
        size_t n_unknown = 0;

        (void) state;
        for (unsigned tag = 0; tag < WIRE_FIELD_MANDATORY; tag++) {
                if (tag_known(tag))
                        continue;
                n_unknown++;
                read_one(bytes, wire_put_bytes(bytes, tag, "\0\xff", 2), &field);
                assert_int_equal(field.type, WIRE_TYPE_UNKNOWN);
                assert_int_equal(field.tag, tag);
                assert_int_equal(field.value.size, 2);
                assert_field_refused(tag | WIRE_FIELD_MANDATORY, "\0\xff", 2, WIRE_CODE_UNKNOWN_FIELD);
        }
        assert_int_equal(n_unknown, 128 - 42);
}

static size_t put_some(uint8_t *out) {
        size_t n = 0;

        n += wire_put_pair(out + n, WIRE_FIELD_HEADER, "a", 1, "1", 1);
        n += wire_put_u64(out + n, WIRE_FIELD_DELAY_US, 5);
        n += wire_put_bytes(out + n, 0x60, "??", 2);
        n += wire_put_pair(out + n, WIRE_FIELD_HEADER, "b", 1, "2", 1);
        n += wire_put_string(out + n, WIRE_FIELD_THREAD | WIRE_FIELD_MANDATORY, "t");
        n += wire_put_attribute_u64(out + n, "n", 1);
        n += wire_put_attribute_string(out + n, "s", "x", 1);
        n += wire_put_attribute_bool(out + n, "f", false);
        return n;
}

static void test_truncations(void **state) {
        uint8_t bytes[FIELD_BYTES];
        size_t size = put_some(bytes), accepted = 0;
        struct wire_fault fault;

        (void) state;
        for (size_t n = 0; n <= size; n++)
                if (check(bytes, n, &fault) == 0)
                        accepted++;
                else
                        assert_int_equal(fault.code, WIRE_CODE_MALFORMED);
        /* Nothing, and wherever one of the eight ends. */
        assert_int_equal(accepted, 9);
}

/* Every byte of well-formed fields changed to every value: whatever comes of it, nothing is read beyond the end. */
static void test_every_byte_changed(void **state) {
        uint8_t bytes[FIELD_BYTES];
        size_t size = put_some(bytes);
        struct wire_fault fault;

        (void) state;
        for (size_t i = 0; i < size; i++) {
                uint8_t was = bytes[i];

                for (unsigned value = 0; value <= UINT8_MAX; value++) {
                        int r;

                        bytes[i] = (uint8_t) value;
                        r = check(bytes, size, &fault);
                        assert_true(r == 0 || r == -EBADMSG || r == -EOPNOTSUPP);
                        if (value == was)
                                assert_int_equal(r, 0);
                }
                bytes[i] = was;
        }
}

static void test_find(void **state) {
        uint8_t bytes[FIELD_BYTES];
        struct wire_span fields = {bytes, put_some(bytes)};
        struct wire_field field, before;

        (void) state;
        assert_true(wire_field_find(fields, WIRE_FIELD_DELAY_US, &field));
        assert_true(field.number == 5);
        /* The first of several, and one with the mandatory bit. */
        assert_true(wire_field_find(fields, WIRE_FIELD_HEADER, &field));
        assert_span_equal(field.key, SPAN("a"));
        assert_true(wire_field_find(fields, WIRE_FIELD_THREAD, &field));
        assert_span_equal(field.value, SPAN("t"));

        before = field;
        assert_false(wire_field_find(fields, WIRE_FIELD_NAME, &field));
        assert_memory_equal(&field, &before, sizeof(field));
}

static void test_not_understood(void **state) {
        uint8_t bytes[FIELD_BYTES];
        struct wire_span fields = {bytes, put_some(bytes)};

        (void) state;
        assert_int_equal(wire_fields_not_understood(fields, WIRE_FIELD_BIT(THREAD)), 0);
        assert_int_equal(wire_fields_not_understood(fields, ~WIRE_FIELD_BIT(THREAD)), WIRE_FIELD_THREAD);
        fields.size = wire_put_u8(bytes, WIRE_FIELD_MANDATORY | 0x7f, 1);
        assert_int_equal(wire_fields_not_understood(fields, UINT64_MAX), 0x7f);
}

static void test_longest_value(void **state) {
        size_t value_bytes = UINT16_MAX, n;
        _cleanup_bytes_ uint8_t *value = calloc(1, value_bytes);
        _cleanup_bytes_ uint8_t *bytes = malloc(WIRE_FIELD_HEADER_BYTES + value_bytes);
        struct wire_fault fault;

        (void) state;
        assert_non_null(value);
        assert_non_null(bytes);
        n = wire_put_bytes(bytes, WIRE_FIELD_DEDUP_KEY, value, value_bytes);
        assert_int_equal(n, WIRE_FIELD_HEADER_BYTES + value_bytes);
        assert_int_equal(check(bytes, n, &fault), 0);
        assert_refused(check(bytes, n - 1, &fault), &fault, WIRE_CODE_MALFORMED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nothing),
                cmocka_unit_test(test_integers),
                cmocka_unit_test(test_lengths_by_type),
                cmocka_unit_test(test_strings_and_bytes),
                cmocka_unit_test(test_pairs),
                cmocka_unit_test(test_attributes),
                cmocka_unit_test(test_ill_formed_attributes),
                cmocka_unit_test(test_attributes_of_unknown_type),
                cmocka_unit_test(test_unknown_tags),
                cmocka_unit_test(test_truncations),
                cmocka_unit_test(test_every_byte_changed),
                cmocka_unit_test(test_find),
                cmocka_unit_test(test_not_understood),
                cmocka_unit_test(test_longest_value),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
