/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "client/ctl/json.h"
#include "client/ctl/record.h"

static void add_number(record *r, const char *key, uint64_t number) {
        lodge_attribute a = {.key = key, .type = LODGE_TYPE_U64, .number = number};

        assert_int_equal(record_add(r, &a), 0);
}

static void add_bool(record *r, const char *key, bool value) {
        lodge_attribute a = {.key = key, .type = LODGE_TYPE_BOOL, .number = value};

        assert_int_equal(record_add(r, &a), 0);
}

static void add_string(record *r, const char *key, const char *text) {
        lodge_attribute a = {.key = key, .type = LODGE_TYPE_STRING, .string = text};

        assert_int_equal(record_add(r, &a), 0);
}

static void check_format(const lodge_attribute *a, const char *expected) {
        char *text = record_format(a);

        assert_string_equal(text, expected);
        free(text);
}

static void test_format(void **state) {
        record r = {0};

        (void) state;
        setenv("TZ", "UTC", 1);
        tzset();
        add_number(&r, "ready", 12345);
        add_number(&r, "bytes", 2048);
        add_number(&r, "disk_bytes", 1 << 20);
        add_number(&r, "oldest_us", 61000000);
        add_number(&r, "declared_us", UINT64_C(1000000000000000));
        add_number(&r, "max_bytes", 0);
        add_number(&r, "max_messages", 100);
        add_bool(&r, "paused", true);
        add_bool(&r, "busy", false);
        add_string(&r, "description", "rings \a\033[1m");
        check_format(record_get(&r, "ready"), "12345");
        check_format(record_get(&r, "bytes"), "2K");
        check_format(record_get(&r, "disk_bytes"), "1M");
        check_format(record_get(&r, "oldest_us"), "1min 1s");
        check_format(record_get(&r, "declared_us"), "2001-09-09 01:46:40.000");
        check_format(record_get(&r, "max_bytes"), "none");
        check_format(record_get(&r, "max_messages"), "100");
        check_format(record_get(&r, "paused"), "yes");
        check_format(record_get(&r, "busy"), "no");
        check_format(record_get(&r, "description"), "rings \\x07\\x1b[1m");
        assert_null(record_get(&r, "ready_us"));
        record_done(&r);
}

static void test_table(void **state) {
        static const record_column columns[] = {
                {"name", "NAME", 0, RECORD_PLAIN},
                {"oldest_us", "OLDEST", TABLE_RIGHT, RECORD_ZERO_IS_NOTHING},
                {"binding", "BINDINGS", 0, RECORD_LIST},
                {"rate", "RATE", TABLE_RIGHT, RECORD_IF_ANY},
                {"dead", "DEAD", TABLE_RIGHT, RECORD_WARN},
        };
        records list = {0};
        signals s = {0};
        table_style style = {.legend = true, .colour = false};
        table *t;
        record *r;
        output o;

        (void) state;
        output_init(&o, -1, &s);
        r = records_new(&list);
        add_string(r, "name", "jobs");
        add_number(r, "oldest_us", 2000000);
        add_string(r, "binding", "work.*");
        add_string(r, "binding", "play.>");
        add_number(r, "dead", 3);
        r = records_new(&list);
        add_string(r, "name", "mail");
        add_number(r, "oldest_us", 0);
        assert_int_equal(record_table(&t, &list, columns, 5), 0);
        assert_int_equal(table_print(t, &o, &style), 0);
        assert_int_equal(output_add(&o, "", 1), 0);
        assert_string_equal(o.data, "NAME OLDEST BINDINGS      DEAD\n"
                                    "jobs     2s work.*,play.>    3\n"
                                    "mail      - -                -\n");
        table_free(t);
        output_done(&o);
        records_done(&list);
}

static void test_users(void **state) {
        records list = {0};
        record *r = records_new(&list);

        (void) state;
        add_number(r, "uid", 0);
        r = records_new(&list);
        add_number(r, "uid", UINT32_MAX - 7); /* nobody's */
        r = records_new(&list);
        add_number(r, "uid", 0);
        add_string(r, "user", "as told");
        records_new(&list);
        records_add_users(&list);
        assert_int_equal(list.error, 0);
        assert_string_equal(record_get(&list.list[0], "user")->string, "root");
        assert_string_equal(record_get(&list.list[1], "user")->string, "4294967288");
        assert_string_equal(record_get(&list.list[2], "user")->string, "as told");
        assert_null(record_get(&list.list[3], "user"));
        records_done(&list);
}

static void check_json(json_object *object, const char *expected) {
        assert_string_equal(json_object_to_json_string_ext(object, JSON_C_TO_STRING_NOSLASHESCAPE), expected);
        json_object_put(object);
}

static void test_json(void **state) {
        record r = {0};

        (void) state;
        add_string(&r, "name", "a/b\"\n");
        add_number(&r, "bytes", UINT64_MAX);
        add_bool(&r, "paused", false);
        check_json(json_of_record(&r), "{\"name\":\"a/b\\\"\\n\",\"bytes\":18446744073709551615,\"paused\":false}");
        /* One binding is a list too. */
        add_string(&r, "binding", "one");
        check_json(json_of_record(&r),
                   "{\"name\":\"a/b\\\"\\n\",\"bytes\":18446744073709551615,\"paused\":false,\"binding\":[\"one\"]}");
        record_done(&r);
        check_json(json_of_record(&r), "{}");
}

static void test_json_repeated(void **state) {
        record r = {0};

        (void) state;
        add_string(&r, "tag", "one");
        add_number(&r, "n", 1);
        add_string(&r, "tag", "two");
        add_string(&r, "tag", "three");
        add_string(&r, "binding", "a");
        add_string(&r, "binding", "b");
        check_json(json_of_record(&r), "{\"tag\":[\"one\",\"two\",\"three\"],\"n\":1,\"binding\":[\"a\",\"b\"]}");
        record_done(&r);
}

static void check_stream(enum json_mode mode, bool single, size_t n, const char *expected) {
        signals s = {0};
        output o;
        json_stream stream = {.out = &o, .mode = mode, .single = single};

        output_init(&o, -1, &s);
        for (size_t i = 0; i < n; i++) {
                json_object *object = json_object_new_object();

                json_object_object_add(object, "n", json_object_new_uint64(i));
                assert_int_equal(json_stream_add(&stream, object), 0);
        }
        assert_int_equal(json_stream_end(&stream), 0);
        assert_int_equal(output_add(&o, "", 1), 0);
        assert_string_equal(o.data, expected);
        output_done(&o);
}

static void test_stream(void **state) {
        (void) state;
        check_stream(JSON_SHORT, false, 0, "");
        check_stream(JSON_SHORT, false, 2, "{\"n\":0}\n{\"n\":1}\n");
        check_stream(JSON_SHORT, true, 1, "{\"n\":0}\n");
        check_stream(JSON_PRETTY, true, 1, "{\n  \"n\": 0\n}\n");
        check_stream(JSON_PRETTY, false, 0, "[]\n");
        check_stream(JSON_PRETTY, false, 2, "[\n  {\n    \"n\": 0\n  },\n  {\n    \"n\": 1\n  }\n]\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_format), cmocka_unit_test(test_table),         cmocka_unit_test(test_json),
                cmocka_unit_test(test_users),  cmocka_unit_test(test_json_repeated), cmocka_unit_test(test_stream),
        };

        if (!setlocale(LC_CTYPE, "C.UTF-8"))
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
