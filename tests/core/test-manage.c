/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Declaring, changing, deleting, binding; listings. */

#include "tests/core/fixture.h"

static int
try_declare(struct fixture *f, const char *name, unsigned kind, bool exclusive, const char *key, const char *value) {
        uint8_t fields[256];
        struct wire_span properties = key ? property(fields, key, value) : (struct wire_span){0};

        return core_declare(f->core, span(name), kind, exclusive, properties, 5, &f->why);
}

static void test_declare(void **state) {
        struct fixture *f = *state;

        assert_int_equal(try_declare(f, "a.b", WIRE_KIND_QUEUE, true, "MaxMessages", "7"), 0);
        assert_int_equal(info(f, "a.b").properties->max_messages, 7);
        assert_int_equal(info(f, "a.b").declared_us, 5);
        assert_int_equal(info(f, "a.b").n_bindings, 0);
        assert_int_equal(try_declare(f, "a.b", WIRE_KIND_QUEUE, true, NULL, NULL), -EEXIST);
        assert_int_equal(f->why.code, WIRE_CODE_EXISTS);
        assert_int_equal(try_declare(f, "a.b", WIRE_KIND_STREAM, false, NULL, NULL), -EEXIST);
        /* Declaring again without properties keeps them, with some changes those. */
        assert_int_equal(try_declare(f, "a.b", WIRE_KIND_QUEUE, false, NULL, NULL), 0);
        assert_int_equal(info(f, "a.b").properties->max_messages, 7);
        assert_int_equal(try_declare(f, "a.b", WIRE_KIND_QUEUE, false, "MaxBytes", "1M"), 0);
        assert_int_equal(info(f, "a.b").properties->max_messages, 7);
        assert_int_equal(info(f, "a.b").properties->max_bytes, 1 << 20);
}

static void test_bad_declarations(void **state) {
        struct fixture *f = *state;
        struct core_queue_info got;
        char name[WIRE_SUBJECT_BYTES_MAX + 2];

        assert_int_equal(try_declare(f, "", WIRE_KIND_QUEUE, false, NULL, NULL), -EINVAL);
        assert_int_equal(f->why.code, WIRE_CODE_BAD_NAME);
        assert_int_equal(try_declare(f, "a.*", WIRE_KIND_QUEUE, false, NULL, NULL), -EINVAL);
        assert_int_equal(try_declare(f, "a..b", WIRE_KIND_QUEUE, false, NULL, NULL), -EINVAL);
        assert_int_equal(try_declare(f, "a", WIRE_KIND_STREAM, false, NULL, NULL), -EOPNOTSUPP);
        assert_int_equal(f->why.code, WIRE_CODE_UNSUPPORTED);
        assert_int_equal(try_declare(f, "a", WIRE_KIND_QUEUE, false, "MaxBytes", "lots"), -EINVAL);
        assert_int_equal(f->why.code, WIRE_CODE_BAD_VALUE);
        assert_int_equal(core_queue_info(f->core, span("a"), &got, &f->why), -ENOENT);
        assert_int_equal(f->why.code, WIRE_CODE_NOT_FOUND);
        memset(name, 'x', sizeof(name));
        name[WIRE_SUBJECT_BYTES_MAX + 1] = '\0';
        assert_int_equal(try_declare(f, name, WIRE_KIND_QUEUE, false, NULL, NULL), -EINVAL);
        name[WIRE_SUBJECT_BYTES_MAX] = '\0';
        assert_int_equal(try_declare(f, name, WIRE_KIND_QUEUE, false, NULL, NULL), 0);
        assert_int_equal(info(f, name).name.size, WIRE_SUBJECT_BYTES_MAX);
        assert_true(send(f, name, "x") > 0);
}

static void test_queues_max(void **state) {
        struct fixture *f = *state;

        f->options.queues_max = 2;
        core_set_limits(f->core, &f->options);
        declare(f, "a");
        declare(f, "b");
        assert_int_equal(try_declare(f, "c", WIRE_KIND_QUEUE, false, NULL, NULL), -EDQUOT);
        assert_int_equal(f->why.code, WIRE_CODE_QUOTA);
        assert_string_equal(f->why.setting, "MaxQueues");
        assert_int_equal(f->why.limit, 2);
        assert_int_equal(f->why.use, 2);
        assert_int_equal(core_delete(f->core, span("a"), false, &f->why), 0);
        declare(f, "c");
}

static void test_definition_bytes(void **state) {
        struct fixture *f = *state;
        char text[150];

        memset(text, 'x', sizeof(text));
        text[149] = '\0';
        declare(f, "a");
        f->options.definition_bytes_max = 390;
        core_set_limits(f->core, &f->options);
        assert_int_equal(try_set(f, "a", "Description", text), 0);
        assert_int_equal(core_bind(f->core, span("a"), span(text), &f->why), -EDQUOT);
        assert_int_equal(f->why.code, WIRE_CODE_QUOTA);
        assert_int_equal(info(f, "a").n_bindings, 0);
        declare(f, "b");
        assert_int_equal(try_declare(f, "c", WIRE_KIND_QUEUE, false, NULL, NULL), -EDQUOT);
        assert_int_equal(try_set(f, "b", "Description", text), -EDQUOT);
        assert_null(info(f, "b").properties->description);
        assert_int_equal(try_set(f, "a", "Description", ""), 0);
        declare(f, "c");
        assert_int_equal(core_delete(f->core, span("c"), false, &f->why), 0);
        assert_int_equal(core_bind(f->core, span("a"), span(text), &f->why), 0);
        assert_int_equal(core_unbind(f->core, span("a"), span(text), &f->why), 0);
        declare(f, "c");
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(try_set(f, "b", "Description", "x"), 0);
        assert_int_equal(try_set(f, "c", "Description", text), -EDQUOT);
}

static void test_set(void **state) {
        struct fixture *f = *state;

        assert_int_equal(try_set(f, "a", "MaxBytes", "1"), -ENOENT);
        declare(f, "a");
        assert_int_equal(try_set(f, "a", "MaxBytes", "1"), 0);
        assert_int_equal(try_set(f, "a", "Description", "text"), 0);
        assert_int_equal(try_set(f, "a", "Nonsense", "1"), -EINVAL);
        assert_int_equal(f->why.code, WIRE_CODE_BAD_VALUE);
        assert_int_equal(info(f, "a").properties->max_bytes, 1);
        assert_string_equal(info(f, "a").properties->description, "text");
}

static void test_delete(void **state) {
        struct fixture *f = *state;
        struct core_queue_info got;
        uint64_t id = 0;

        assert_int_equal(core_delete(f->core, span("a"), true, &f->why), -ENOENT);
        declare(f, "a");
        bind(f, "a", "b.*");
        (void) send(f, "b.c", "x");
        assert_int_equal(core_delete(f->core, span("a"), false, &f->why), -ENOTEMPTY);
        assert_int_equal(f->why.code, WIRE_CODE_NOT_EMPTY);
        assert_int_equal(f->why.use, 1);
        assert_int_equal(core_delete(f->core, span("a"), true, &f->why), 0);
        assert_int_equal(core_queue_info(f->core, span("a"), &got, &f->why), -ENOENT);
        assert_int_equal(try_send(f, "b.c", 4, span("x"), &id), -EHOSTUNREACH);
        assert_int_equal(try_send(f, "a", 4, span("x"), &id), -EHOSTUNREACH);
        /* Another of that name knows nothing of it. */
        declare(f, "a");
        assert_int_equal(info(f, "a").ready, 0);
        assert_int_equal(info(f, "a").sent, 0);
        assert_int_equal(info(f, "a").n_bindings, 0);
}

static void test_bind(void **state) {
        struct fixture *f = *state;
        uint64_t id = 0;

        assert_int_equal(core_bind(f->core, span("a"), span("x"), &f->why), -ENOENT);
        declare(f, "a");
        bind(f, "a", "x.*");
        bind(f, "a", "x.*");
        bind(f, "a", "y");
        assert_int_equal(info(f, "a").n_bindings, 2);
        assert_memory_equal(info(f, "a").bindings[0].data, "x.*", 3);
        (void) send(f, "x.1", "x");
        assert_int_equal(core_unbind(f->core, span("a"), span("x.>"), &f->why), -ENOENT);
        assert_non_null(strstr(f->why.text, "x.>"));
        assert_int_equal(core_unbind(f->core, span("b"), span("x.*"), &f->why), -ENOENT);
        assert_int_equal(core_unbind(f->core, span("a"), span("x.*"), &f->why), 0);
        assert_int_equal(try_send(f, "x.1", 4, span("x"), &id), -EHOSTUNREACH);
        (void) send(f, "y", "x");
        assert_int_equal(info(f, "a").n_bindings, 1);
}

/* A queue always gets what is sent to its own name. */
static void test_bound_to_its_own_name(void **state) {
        struct fixture *f = *state;

        declare(f, "a");
        bind(f, "a", "a");
        assert_int_equal(info(f, "a").n_bindings, 1);
        (void) send(f, "a", "once");
        assert_int_equal(info(f, "a").ready, 1);
        assert_int_equal(core_unbind(f->core, span("a"), span("a"), &f->why), 0);
        assert_int_equal(info(f, "a").n_bindings, 0);
        (void) send(f, "a", "twice");
        assert_int_equal(info(f, "a").ready, 2);
}

static void note_name(const struct core_queue_info *got, void *userdata) {
        (void) sprintf((char *) userdata + strlen(userdata), "%.*s ", (int) got->name.size,
                       (const char *) got->name.data);
}

static void test_list(void **state) {
        static const char *const names[] = {"b", "a.b", "a", "a.b.c", "ab", "a-b"};
        struct fixture *f = *state;
        char text[128] = "";

        assert_int_equal(core_list(f->core, (struct wire_span){0}, note_name, text), 0);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                declare(f, names[i]);
        assert_int_equal(core_list(f->core, (struct wire_span){0}, note_name, text), 6);
        assert_string_equal(text, "a a-b a.b a.b.c ab b ");
        text[0] = '\0';
        assert_int_equal(core_list(f->core, span("a.>"), note_name, text), 2);
        assert_string_equal(text, "a.b a.b.c ");
        text[0] = '\0';
        assert_int_equal(core_list(f->core, span("b"), note_name, text), 1);
        assert_string_equal(text, "b ");
}

static void test_oldest(void **state) {
        struct fixture *f = *state;
        struct listener l;

        declare(f, "a");
        assert_int_equal(info(f, "a").oldest_us, 0);
        f->now_us = 100;
        (void) send_priority(f, "a", 1, "x");
        fixture_commit(f);
        f->now_us = 200;
        (void) send_priority(f, "a", 9, "x");
        fixture_commit(f);
        assert_int_equal(info(f, "a").oldest_us, 100);
        consume(f, &l, "a", 2);
        assert_int_equal(info(f, "a").oldest_us, 100);
        ack(&l, l.got[1].id);
        assert_int_equal(info(f, "a").oldest_us, 200);
        fixture_commit(f);
        fixture_restart(f);
        assert_int_equal(info(f, "a").oldest_us, 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_declare),    TEST(test_bad_declarations),
                TEST(test_queues_max), TEST(test_definition_bytes),
                TEST(test_set),        TEST(test_delete),
                TEST(test_bind),       TEST(test_bound_to_its_own_name),
                TEST(test_list),       TEST(test_oldest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
