/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sending: routes, limits, all or nothing. */

#include "tests/core/fixture.h"

static int try_send_bytes(struct fixture *f, const char *subject, size_t bytes, uint64_t *ret_id) {
        uint8_t *body = calloc(1, bytes + 1);
        int r;

        assert_non_null(body);
        r = try_send(f, subject, 4, (struct wire_span){body, bytes}, ret_id);
        free(body);
        return r;
}

static void test_ids_count_up(void **state) {
        struct fixture *f = *state;
        uint64_t last = 0;

        declare(f, "q");
        for (unsigned i = 0; i < 100; i++) {
                uint64_t id = send(f, "q", "x");

                assert_true(id > last);
                last = id;
        }
        assert_int_equal(info(f, "q").ready, 100);
        assert_int_equal(info(f, "q").sent, 100);
        assert_int_equal(info(f, "q").bytes, 100);
}

static void test_everything_arrives(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t id = 0;

        declare(f, "q");
        bind(f, "q", "other.*");
        f->now_us = 777;
        assert_int_equal(core_send(f->core,
                                   &(struct core_send){.sender = f->sender,
                                                       .priority = 7,
                                                       .subject = span("other.x"),
                                                       .fields = span("FFF"),
                                                       .body = span("body")},
                                   f->now_us, &id, &f->why),
                         0);
        consume(f, &l, "q", 1);
        assert_int_equal(l.n, 1);
        assert_int_equal(l.got[0].id, id);
        assert_int_equal(l.got[0].time_us, 777);
        assert_int_equal(l.got[0].deliveries, 1);
        assert_int_equal(l.got[0].sender, 1000);
        assert_int_equal(l.got[0].priority, 7);
        assert_string_equal(l.got[0].subject, "other.x");
        assert_false(l.got[0].subject_is_queue);
        assert_int_equal(l.got[0].fields_bytes, 3);
        assert_string_equal(l.got[0].body, "body");
        core_credit(l.consumer, 1, 0);
        (void) send(f, "q", "");
        core_pump(f->core);
        assert_int_equal(l.n, 2);
        assert_true(l.got[1].subject_is_queue);
        assert_int_equal(l.got[1].body_bytes, 0);
}

static void test_no_route(void **state) {
        struct fixture *f = *state;
        uint64_t id = 55;

        declare(f, "q");
        assert_int_equal(try_send(f, "nobody.listens", 4, span("x"), &id), -EHOSTUNREACH);
        assert_int_equal(f->why.code, WIRE_CODE_NO_ROUTE);
        assert_non_null(strstr(f->why.text, "nobody.listens"));
        assert_int_equal(id, 55);
        assert_int_equal(
                core_send(f->core,
                          &(struct core_send){.sender = f->sender, .subject = span("nobody"), .unrouted_ok = true}, 1,
                          &id, &f->why),
                0);
        assert_int_equal(id, 0);
        assert_int_equal(core_send(f->core,
                                   &(struct core_send){.sender = f->sender, .subject = span("q"), .unrouted_ok = true},
                                   1, &id, &f->why),
                         0);
        assert_int_not_equal(id, 0);
}

static void test_several_destinations(void **state) {
        struct fixture *f = *state;
        struct listener one, two;
        uint64_t id;

        declare(f, "a");
        declare(f, "b");
        declare(f, "c");
        bind(f, "b", "a");
        bind(f, "b", ">");
        id = send(f, "a", "x");
        assert_int_equal(info(f, "a").ready, 1);
        assert_int_equal(info(f, "b").ready, 1);
        assert_int_equal(info(f, "c").ready, 0);
        consume(f, &one, "a", 9);
        consume(f, &two, "b", 9);
        assert_int_equal(one.n, 1);
        assert_int_equal(two.n, 1);
        assert_int_equal(one.got[0].id, id);
        assert_int_equal(two.got[0].id, id);
        assert_true(one.got[0].subject_is_queue);
        assert_false(two.got[0].subject_is_queue);
        ack(&one, id);
        assert_int_equal(info(f, "a").leased, 0);
        assert_int_equal(info(f, "b").leased, 1);
        ack(&two, id);
}

/* Into all or into none. */
static void test_one_full_destination_refuses_all(void **state) {
        struct fixture *f = *state;
        uint64_t id = 0;

        declare(f, "a");
        declare(f, "b");
        bind(f, "b", "a");
        assert_int_equal(try_set(f, "b", "MaxMessages", "2"), 0);
        (void) send(f, "a", "x");
        (void) send(f, "b", "x");
        assert_int_equal(try_send(f, "a", 4, span("x"), &id), -ENOBUFS);
        assert_int_equal(f->why.code, WIRE_CODE_FULL);
        assert_string_equal(f->why.setting, "MaxMessages");
        assert_int_equal(f->why.limit, 2);
        assert_int_equal(f->why.use, 2);
        assert_int_equal(id, 0);
        assert_int_equal(info(f, "a").ready, 1);
        assert_int_equal(info(f, "b").ready, 2);
        assert_int_equal(info(f, "a").sent, 1);
}

/* Leased messages count; settled ones make room. */
static void test_max_messages(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t id = 0;

        declare(f, "q");
        assert_int_equal(try_set(f, "q", "MaxMessages", "1"), 0);
        (void) send(f, "q", "x");
        consume(f, &l, "q", 5);
        assert_int_equal(try_send(f, "q", 4, span("x"), &id), -ENOBUFS);
        ack(&l, l.got[0].id);
        assert_int_equal(try_send(f, "q", 4, span("x"), &id), 0);
        assert_int_equal(try_set(f, "q", "MaxMessages", "0"), 0);
        assert_int_equal(try_send(f, "q", 4, span("x"), &id), 0);
}

static void test_max_bytes(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t id = 0;

        declare(f, "q");
        assert_int_equal(try_set(f, "q", "MaxBytes", "1K"), 0);
        assert_int_equal(try_send_bytes(f, "q", 1000, &id), 0);
        assert_int_equal(try_send_bytes(f, "q", 24, &id), 0);
        assert_int_equal(try_send_bytes(f, "q", 1, &id), -ENOBUFS);
        assert_string_equal(f->why.setting, "MaxBytes");
        assert_int_equal(f->why.limit, 1024);
        assert_int_equal(f->why.use, 1025);
        assert_int_equal(try_send_bytes(f, "q", 0, &id), 0);
        consume(f, &l, "q", 1);
        assert_int_equal(try_send_bytes(f, "q", 1000, &id), -ENOBUFS);
        ack(&l, l.got[0].id);
        assert_int_equal(try_send_bytes(f, "q", 1000, &id), 0);
}

static void test_too_large(void **state) {
        struct fixture *f = *state;
        uint64_t id = 0;

        declare(f, "q");
        assert_int_equal(try_send_bytes(f, "q", f->options.message_bytes_max + 1, &id), -EMSGSIZE);
        assert_int_equal(f->why.code, WIRE_CODE_TOO_LARGE);
        assert_string_equal(f->why.setting, "MaxMessageSize");
        assert_int_equal(f->why.limit, f->options.message_bytes_max);
        assert_int_equal(f->why.use, f->options.message_bytes_max + 1);
        assert_int_equal(try_send_bytes(f, "q", f->options.message_bytes_max, &id), 0);
        assert_int_equal(try_set(f, "q", "MaxMessageSize", "10"), 0);
        assert_int_equal(try_send_bytes(f, "q", 10, &id), 0);
        assert_int_equal(try_send_bytes(f, "q", 11, &id), -EMSGSIZE);
        assert_int_equal(f->why.limit, 10);
        f->options.message_bytes_max = 5;
        core_set_limits(f->core, &f->options);
        assert_int_equal(try_send_bytes(f, "q", 6, &id), -EMSGSIZE);
}

/* What waits has to fit in a checkpoint. */
static void test_too_many_pieces(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t id = 0;

        declare(f, "q");
        f->options.extents_max = 3;
        core_set_limits(f->core, &f->options);
        for (unsigned i = 0; i < 3; i++) {
                (void) send_priority(f, "q", i, "x");
                fixture_commit(f);
        }
        assert_int_equal(try_send(f, "q", 4, span("x"), &id), -ENOBUFS);
        assert_int_equal(f->why.code, WIRE_CODE_FULL);
        assert_int_equal(f->why.limit, 3);
        consume(f, &l, "q", 1);
        ack(&l, l.got[0].id);
        assert_int_equal(try_send(f, "q", 4, span("x"), &id), 0);
}

/* Nothing more is taken in, but everything can be taken out. */
static void test_disk_full(void **state) {
        struct fixture *f = *state;
        struct listener l;
        uint64_t id = 0;

        declare(f, "q");
        (void) send(f, "q", "x");
        core_set_disk_full(f->core, true);
        assert_int_equal(try_send(f, "q", 4, span("x"), &id), -ENOSPC);
        assert_int_equal(f->why.code, WIRE_CODE_DISK_FULL);
        assert_int_equal(try_send(f, "nobody", 4, span("x"), &id), -EHOSTUNREACH);
        assert_int_equal(id, 0);
        consume(f, &l, "q", 1);
        ack(&l, l.got[0].id);
        fixture_commit(f);
        core_set_disk_full(f->core, false);
        assert_int_equal(try_send(f, "q", 4, span("x"), &id), 0);
}

static void test_counters(void **state) {
        struct fixture *f = *state;
        struct core_counters c;
        struct listener l;

        declare(f, "a");
        declare(f, "b");
        bind(f, "b", "a");
        (void) send(f, "a", "12345");
        (void) send(f, "b", "123");
        core_counters(f->core, &c);
        assert_int_equal(c.queues, 2);
        assert_int_equal(c.messages, 3);
        assert_int_equal(c.leased, 0);
        assert_int_equal(c.bytes, 13);
        assert_int_equal(c.blocks, 1);
        assert_true(c.pending_bytes > 0);
        consume(f, &l, "b", 2);
        core_counters(f->core, &c);
        assert_int_equal(c.leased, 2);
        fixture_commit(f);
        core_counters(f->core, &c);
        assert_int_equal(c.pending_bytes, 0);
        assert_int_equal(core_settle(l.consumer, 1, 100, CORE_ACK), 2);
        fixture_commit(f);
        core_counters(f->core, &c);
        assert_int_equal(c.messages, 1);
        assert_int_equal(c.bytes, 5);
        assert_int_equal(core_delete(f->core, span("a"), true, &f->why), 0);
        fixture_commit(f);
        core_counters(f->core, &c);
        assert_int_equal(c.messages, 0);
        assert_int_equal(c.bytes, 0);
        assert_int_equal(c.blocks, 0);
        assert_int_equal(c.cached_bytes, 0);
        assert_int_equal(c.extents, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_ids_count_up),
                TEST(test_everything_arrives),
                TEST(test_no_route),
                TEST(test_several_destinations),
                TEST(test_one_full_destination_refuses_all),
                TEST(test_max_messages),
                TEST(test_max_bytes),
                TEST(test_too_large),
                TEST(test_too_many_pieces),
                TEST(test_disk_full),
                TEST(test_counters),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
