/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/client/fixture.h"

static void subject_is_checked(void **state) {
        static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "ä"};
        CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;
        char longest[258];

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(lodge_message_new(&m, bad[i]), -EINVAL);
        assert_int_equal(lodge_message_new(&m, NULL), -EINVAL);
        assert_int_equal(lodge_message_new(NULL, "a"), -EINVAL);
        memset(longest, 'a', sizeof(longest));
        longest[256] = 0;
        assert_int_equal(lodge_message_new(&m, longest), -EINVAL);
        assert_null(m);
        longest[255] = 0;
        assert_int_equal(lodge_message_new(&m, longest), 0);
        assert_string_equal(lodge_message_get_subject(m), longest);
}

static void new_message_says_nothing(void **state) {
        CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;
        lodge_sender sender;
        size_t size = 1;

        (void) state;
        assert_int_equal(lodge_message_new(&m, "a.b-c_D9"), 0);
        assert_string_equal(lodge_message_get_subject(m), "a.b-c_D9");
        assert_int_equal(lodge_message_get_id(m), 0);
        assert_int_equal(lodge_message_get_time(m), 0);
        assert_int_equal(lodge_message_get_priority(m), 0);
        assert_int_equal(lodge_message_get_deliveries(m), 0);
        lodge_message_get_body(m, &size);
        assert_int_equal(size, 0);
        assert_null(lodge_message_get_content_type(m));
        assert_null(lodge_message_get_reply_to(m));
        assert_null(lodge_message_get_correlation(m));
        assert_null(lodge_message_get_thread(m));
        assert_null(lodge_message_get_header(m, "k"));
        assert_int_equal(lodge_message_get_header_at(m, 0, NULL, NULL), 0);
        assert_int_equal(lodge_message_get_sender(m, &sender), -ENODATA);
        assert_int_equal(lodge_message_ack(m), -EINVAL);
        assert_int_equal(lodge_message_nack(m), -EINVAL);
}

static void what_is_set_is_read_back(void **state) {
        CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;
        const char *key, *value;
        size_t size;

        (void) state;
        assert_int_equal(lodge_message_new(&m, "a"), 0);
        assert_int_equal(lodge_message_set_content_type(m, "text/plain"), 0);
        assert_int_equal(lodge_message_set_reply_to(m, "answers.here"), 0);
        assert_int_equal(lodge_message_add_header(m, "eins", "1"), 0);
        assert_int_equal(lodge_message_set_correlation(m, "corr"), 0);
        assert_int_equal(lodge_message_add_header(m, "zwei", "zwölf"), 0);
        assert_int_equal(lodge_message_set_thread(m, "thread"), 0);
        assert_int_equal(lodge_message_set_body(m, "first", 5), 0);
        assert_int_equal(lodge_message_set_body(m, "second", 6), 0);
        assert_int_equal(lodge_message_set_priority(m, 9), 0);
        assert_string_equal(lodge_message_get_content_type(m), "text/plain");
        assert_string_equal(lodge_message_get_reply_to(m), "answers.here");
        assert_string_equal(lodge_message_get_correlation(m), "corr");
        assert_string_equal(lodge_message_get_thread(m), "thread");
        assert_string_equal(lodge_message_get_header(m, "zwei"), "zwölf");
        assert_int_equal(lodge_message_get_header_at(m, 0, &key, &value), 1);
        assert_string_equal(key, "eins");
        assert_string_equal(value, "1");
        assert_memory_equal(lodge_message_get_body(m, &size), "second", 6);
        assert_int_equal(size, 6);
        assert_int_equal(lodge_message_get_priority(m), 9);
        assert_string_equal(lodge_message_get_subject(m), "a");
}

static void setting_again_replaces(void **state) {
        CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;
        size_t before;

        (void) state;
        assert_int_equal(lodge_message_new(&m, "a"), 0);
        assert_int_equal(lodge_message_set_thread(m, "one"), 0);
        assert_int_equal(lodge_message_set_content_type(m, "x"), 0);
        before = m->fields.size;
        assert_int_equal(lodge_message_set_thread(m, "two"), 0);
        assert_string_equal(lodge_message_get_thread(m), "two");
        assert_string_equal(lodge_message_get_content_type(m), "x");
        assert_int_equal(m->fields.size, before);
        assert_int_equal(lodge_message_set_thread(m, NULL), 0);
        assert_null(lodge_message_get_thread(m));
        assert_int_equal(lodge_message_set_content_type(m, NULL), 0);
        assert_int_equal(m->fields.size, 0);
        /* Headers are a list. */
        assert_int_equal(lodge_message_add_header(m, "k", "1"), 0);
        assert_int_equal(lodge_message_add_header(m, "k", "2"), 0);
        assert_string_equal(lodge_message_get_header(m, "k"), "1");
        assert_int_equal(lodge_message_get_header_at(m, 1, NULL, NULL), 1);
}

static void bad_values_change_nothing(void **state) {
        CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;
        char key[257], *large = malloc(WIRE_FIELDS_BYTES_MAX + 1);

        (void) state;
        assert_non_null(large);
        memset(large, 'x', WIRE_FIELDS_BYTES_MAX);
        large[WIRE_FIELDS_BYTES_MAX] = 0;
        memset(key, 'k', sizeof(key));
        key[256] = 0;
        assert_int_equal(lodge_message_new(&m, "a"), 0);
        assert_int_equal(lodge_message_set_thread(m, "kept"), 0);
        assert_int_equal(lodge_message_set_thread(m, "bad \xff utf-8"), -EINVAL);
        assert_int_equal(lodge_message_set_reply_to(m, "not a subject"), -EINVAL);
        assert_int_equal(lodge_message_set_priority(m, 10), -EINVAL);
        assert_int_equal(lodge_message_add_header(m, "", "v"), -EINVAL);
        assert_int_equal(lodge_message_add_header(m, key, "v"), -EINVAL);
        assert_int_equal(lodge_message_add_header(m, "k", NULL), -EINVAL);
        assert_int_equal(lodge_message_add_header(m, "\xc0\x80", "v"), -EINVAL);
        assert_int_equal(lodge_message_set_content_type(m, large), -EMSGSIZE);
        assert_int_equal(lodge_message_add_header(m, "k", large), -EMSGSIZE);
        assert_int_equal(lodge_message_set_body(m, NULL, 1), -EINVAL);
        assert_int_equal(lodge_message_set_body(m, large, BODY_BYTES_MAX + 1), -EMSGSIZE);
        assert_string_equal(lodge_message_get_thread(m), "kept");
        assert_int_equal(lodge_message_get_header_at(m, 0, NULL, NULL), 0);
        free(large);
}

static void all_fields_together_have_a_limit(void **state) {
        CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;
        char value[1000];
        int r, n = 0;

        (void) state;
        memset(value, 'v', sizeof(value));
        value[999] = 0;
        assert_int_equal(lodge_message_new(&m, "a"), 0);
        while ((r = lodge_message_add_header(m, "key", value)) == 0)
                n++;
        assert_int_equal(r, -EMSGSIZE);
        assert_int_equal(n, 65);
        assert_true(m->fields.size <= WIRE_FIELDS_BYTES_MAX);
        assert_int_equal(wire_fields_check(m->fields, NULL), 0);
}

static void references_are_counted(void **state) {
        lodge_message *m = NULL;

        (void) state;
        assert_int_equal(lodge_message_new(&m, "a"), 0);
        assert_ptr_equal(lodge_message_ref(m), m);
        assert_null(lodge_message_unref(m));
        assert_string_equal(lodge_message_get_subject(m), "a");
        assert_null(lodge_message_unref(m));
        assert_null(lodge_message_unref(NULL));
        assert_null(lodge_message_ref(NULL));
        assert_null(lodge_slot_unref(NULL));
        assert_null(lodge_slot_ref(NULL));
        assert_null(lodge_unref(NULL));
        assert_null(lodge_ref(NULL));
}

static void errors_have_their_numbers(void **state) {
        static const struct {
                unsigned code;
                int number;
        } expected[] = {
                {WIRE_CODE_MALFORMED, -EBADMSG},
                {WIRE_CODE_UNKNOWN_OPCODE, -EBADMSG},
                {WIRE_CODE_UNKNOWN_FIELD, -EBADMSG},
                {WIRE_CODE_VERSION, -EPROTONOSUPPORT},
                {WIRE_CODE_NOT_FOUND, -ENOENT},
                {WIRE_CODE_EXISTS, -EEXIST},
                {WIRE_CODE_NO_ROUTE, -EHOSTUNREACH},
                {WIRE_CODE_DENIED, -EACCES},
                {WIRE_CODE_TOO_LARGE, -EMSGSIZE},
                {WIRE_CODE_FULL, -ENOBUFS},
                {WIRE_CODE_QUOTA, -EDQUOT},
                {WIRE_CODE_DISK_FULL, -ENOSPC},
                {WIRE_CODE_BAD_NAME, -EINVAL},
                {WIRE_CODE_BAD_VALUE, -EINVAL},
                {WIRE_CODE_NOT_EMPTY, -ENOTEMPTY},
                {WIRE_CODE_CHANNEL_BUSY, -EEXIST},
                {WIRE_CODE_SHUTTING_DOWN, -ESHUTDOWN},
                {WIRE_CODE_NOT_LEASED, -ESTALE},
                {WIRE_CODE_INTERNAL, -EIO},
                {WIRE_CODE_UNSUPPORTED, -EOPNOTSUPP},
                {WIRE_CODE_MAX + 1, -EIO},
                {60000, -EIO},
                {WIRE_CODE_NONE, -EIO},
        };
        uint8_t field[8];

        (void) state;
        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
                struct error_box *box;

                wire_put_u16(field, WIRE_FIELD_CODE, (uint16_t) expected[i].code);
                box = error_from_fields((struct wire_span){field, 5});
                assert_non_null(box);
                assert_int_equal(box->error.number, expected[i].number);
                assert_int_equal(box->error.code, expected[i].code);
                assert_string_equal(box->error.name, wire_code_name(expected[i].code));
                assert_string_equal(box->error.text, box->error.name);
                assert_null(box->error.setting);
                error_free(box);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(subject_is_checked),        cmocka_unit_test(new_message_says_nothing),
                cmocka_unit_test(what_is_set_is_read_back),  cmocka_unit_test(setting_again_replaces),
                cmocka_unit_test(bad_values_change_nothing), cmocka_unit_test(all_fields_together_have_a_limit),
                cmocka_unit_test(references_are_counted),    cmocka_unit_test(errors_have_their_numbers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
