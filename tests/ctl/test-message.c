/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "client/ctl/json.h"

static lodge_message *make(const void *body, size_t size) {
        lodge_message *m;

        assert_int_equal(lodge_message_new(&m, "work.new"), 0);
        assert_true(lodge_message_set_body(m, body, size) >= 0);
        return m;
}

static const char *text_of(json_object *object, const char *key) {
        json_object *value;

        return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : NULL;
}

static void test_body(void **state) {
        lodge_message *m = make("gr\303\274n \0\n", 8);
        json_object *object = json_of_message(m, "jobs"), *body;

        (void) state;
        assert_non_null(object);
        assert_true(json_object_object_get_ex(object, "body", &body));
        assert_int_equal(json_object_get_string_len(body), 8);
        assert_memory_equal(json_object_get_string(body), "gr\303\274n \0\n", 8);
        assert_null(text_of(object, "body_base64"));
        assert_string_equal(text_of(object, "size"), "8");
        assert_string_equal(text_of(object, "queue"), "jobs");
        assert_string_equal(text_of(object, "subject"), "work.new");
        assert_non_null(text_of(object, "id"));
        assert_non_null(text_of(object, "time_us"));
        assert_string_equal(text_of(object, "priority"), "0");
        assert_non_null(text_of(object, "deliveries"));
        assert_string_equal(text_of(object, "headers"), "{ }");
        /* What is not set is not there. */
        assert_null(text_of(object, "reply_to"));
        assert_null(text_of(object, "thread"));
        json_object_put(object);
        lodge_message_unref(m);
}

static void test_body_base64(void **state) {
        lodge_message *m = make("\377\376", 2);
        json_object *object = json_of_message(m, NULL);

        (void) state;
        assert_string_equal(text_of(object, "body_base64"), "//4=");
        assert_null(text_of(object, "body"));
        assert_null(text_of(object, "queue"));
        json_object_put(object);
        lodge_message_unref(m);
}

static void test_empty_body(void **state) {
        lodge_message *m = make(NULL, 0);
        json_object *object = json_of_message(m, NULL);

        (void) state;
        assert_string_equal(text_of(object, "body"), "");
        assert_string_equal(text_of(object, "size"), "0");
        json_object_put(object);
        lodge_message_unref(m);
}

static void test_all_that_is_set(void **state) {
        lodge_message *m = make("x", 1);
        json_object *object;

        (void) state;
        assert_true(lodge_message_set_priority(m, 9) >= 0);
        assert_true(lodge_message_set_content_type(m, "text/plain") >= 0);
        assert_true(lodge_message_set_reply_to(m, "answers.here") >= 0);
        assert_true(lodge_message_set_correlation(m, "c1") >= 0);
        assert_true(lodge_message_set_thread(m, "t1") >= 0);
        assert_true(lodge_message_add_header(m, "Colour", "red") >= 0);
        assert_true(lodge_message_add_header(m, "Size", "small") >= 0);
        assert_true(lodge_message_add_header(m, "Colour", "blue") >= 0);
        object = json_of_message(m, NULL);
        assert_string_equal(text_of(object, "priority"), "9");
        assert_string_equal(text_of(object, "content_type"), "text/plain");
        assert_string_equal(text_of(object, "reply_to"), "answers.here");
        assert_string_equal(text_of(object, "correlation"), "c1");
        assert_string_equal(text_of(object, "thread"), "t1");
        assert_string_equal(text_of(object, "headers"), "{ \"Colour\": [ \"red\", \"blue\" ], \"Size\": \"small\" }");
        json_object_put(object);
        lodge_message_unref(m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_body),
                cmocka_unit_test(test_body_base64),
                cmocka_unit_test(test_empty_body),
                cmocka_unit_test(test_all_that_is_set),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
