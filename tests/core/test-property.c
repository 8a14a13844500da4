/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/core/fixture.h"

static const struct properties none;

/* Applies one property to `from`. */
static int
apply(struct properties *ret, const struct properties *from, const char *key, const char *value, struct refusal *why) {
        uint8_t fields[2048];

        return properties_apply(ret, from, property(fields, key, value), why);
}

static uint64_t number(const char *key, const char *value) {
        struct properties p = none;
        struct refusal why;

        assert_int_equal(apply(&p, &none, key, value, &why), 0);
        assert_null(p.description);
        return strcmp(key, "MaxMessages") == 0 ? p.max_messages
               : strcmp(key, "MaxBytes") == 0  ? p.max_bytes
                                               : p.max_message_bytes;
}

static void test_numbers(void **state UNUSED) {
        assert_int_equal(number("MaxMessages", "0"), 0);
        assert_int_equal(number("MaxMessages", "1000000"), 1000000);
        assert_true(number("MaxMessages", "18446744073709551615") == UINT64_MAX);
        assert_int_equal(number("MaxBytes", "5"), 5);
        assert_int_equal(number("MaxBytes", "5K"), 5 * 1024);
        assert_int_equal(number("MaxBytes", "5M"), 5 << 20);
        assert_true(number("MaxMessageSize", "5G") == UINT64_C(5) << 30);
        assert_true(number("MaxMessageSize", "5T") == UINT64_C(5) << 40);
}

static void test_bad_numbers(void **state UNUSED) {
        static const char *const bad[] = {
                "",
                "x",
                "-1",
                "+1",
                " 1",
                "1 ",
                "1k",
                "1KB",
                "K",
                "1.5K",
                "0x10",
                "18446744073709551616",
                "99999999999999999999",
                "20000000000000000000T",
                "16777216T",
        };
        struct properties p = {.max_bytes = 1234};
        struct refusal why;

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_int_equal(apply(&p, &none, "MaxBytes", bad[i], &why), -EINVAL);
                assert_int_equal(why.code, WIRE_CODE_BAD_VALUE);
                assert_non_null(strstr(why.text, "MaxBytes"));
                assert_int_equal(p.max_bytes, 1234);
        }
        /* Messages are counted, not weighed. */
        assert_int_equal(apply(&p, &none, "MaxMessages", "1K", &why), -EINVAL);
        assert_int_equal(apply(&p, &none, "MaxMessages", "1K", NULL), -EINVAL);
}

static void test_unknown(void **state UNUSED) {
        struct properties p = none;
        struct refusal why;

        assert_int_equal(apply(&p, &none, "MaxGiraffes", "1", &why), -EINVAL);
        assert_int_equal(why.code, WIRE_CODE_BAD_VALUE);
        assert_non_null(strstr(why.text, "MaxGiraffes"));
        assert_int_equal(apply(&p, &none, "maxbytes", "1", &why), -EINVAL);
        assert_int_equal(apply(&p, &none, "MaxByte", "1", &why), -EINVAL);
}

static void test_description(void **state UNUSED) {
        struct properties p = none, q = none;
        struct refusal why;
        char text[PROPERTY_DESCRIPTION_BYTES_MAX + 2];

        assert_int_equal(apply(&p, &none, "Description", "for the porter", &why), 0);
        assert_string_equal(p.description, "for the porter");
        /* A copy is a copy. */
        assert_int_equal(apply(&q, &p, "MaxBytes", "1", &why), 0);
        assert_ptr_not_equal(q.description, p.description);
        properties_done(&p);
        assert_string_equal(q.description, "for the porter");
        assert_int_equal(apply(&p, &q, "Description", "", &why), 0);
        assert_null(p.description);
        properties_done(&q);
        memset(text, 'x', sizeof(text));
        text[PROPERTY_DESCRIPTION_BYTES_MAX + 1] = '\0';
        assert_int_equal(apply(&p, &none, "Description", text, &why), -EINVAL);
        assert_string_equal(why.setting, "Description");
        assert_int_equal(why.limit, PROPERTY_DESCRIPTION_BYTES_MAX);
        assert_int_equal(why.use, PROPERTY_DESCRIPTION_BYTES_MAX + 1);
        text[PROPERTY_DESCRIPTION_BYTES_MAX] = '\0';
        assert_int_equal(apply(&p, &none, "Description", text, &why), 0);
        properties_done(&p);
        properties_done(&p);
}

static void test_all_or_none(void **state UNUSED) {
        const struct properties from = {.max_messages = 1, .max_bytes = 2};
        struct properties p = from;
        struct refusal why;
        uint8_t fields[256];
        size_t size = 0;

        size += property(fields, "Description", "new").size;
        size += property(fields + size, "MaxMessages", "7").size;
        size += property(fields + size, "MaxBytes", "many").size;
        assert_int_equal(properties_apply(&p, &from, (struct wire_span){fields, size}, &why), -EINVAL);
        assert_int_equal(p.max_messages, 1);
        assert_null(p.description);
        size = property(fields, "MaxMessages", "7").size;
        size += wire_put_string(fields + size, WIRE_FIELD_NAME, "something else");
        size += property(fields + size, "MaxMessages", "8").size;
        assert_int_equal(properties_apply(&p, &from, (struct wire_span){fields, size}, &why), 0);
        assert_int_equal(p.max_messages, 8);
        assert_int_equal(p.max_bytes, 2);
}

/* What is written is what is read. */
static void test_round_trip(void **state UNUSED) {
        struct properties p = {.max_messages = UINT64_MAX, .max_bytes = 3, .max_message_bytes = 4096}, q;
        struct buffer out = {0};

        p.description = strdup("über allem");
        assert_int_equal(properties_write(&p, &out), 0);
        assert_int_equal(properties_apply(&q, &none, (struct wire_span){out.data, out.size}, NULL), 0);
        assert_string_equal(q.description, p.description);
        assert_true(q.max_messages == UINT64_MAX && q.max_bytes == 3 && q.max_message_bytes == 4096);
        properties_done(&q);
        properties_done(&p);
        out.size = 0;
        assert_int_equal(properties_write(&none, &out), 0);
        assert_int_equal(out.size, 0);
        buffer_done(&out);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),     cmocka_unit_test(test_bad_numbers),
                cmocka_unit_test(test_unknown),     cmocka_unit_test(test_description),
                cmocka_unit_test(test_all_or_none), cmocka_unit_test(test_round_trip),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
