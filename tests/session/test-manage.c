/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests that change queues, and those that look at them. */

#include "tests/session/fixture.h"

/* A request with a NAME and one PROPERTY. */
static void request_property(struct fixture *f, struct peer *p, unsigned opcode, const char *name, const char *key, const char *value) {
        uint8_t fields[600];
        size_t n = wire_put_string(fields, WIRE_FIELD_NAME, name);

        n += wire_put_pair(fields + n, WIRE_FIELD_PROPERTY, key, strlen(key), value, strlen(value));
        request(f, p, opcode, 0, 0, fields, n);
}

/* The attribute `key` of an ITEM, the n-th one with this name. Returns whether there is one. */
static bool find_attribute(struct wire_general item, const char *key, unsigned n, struct wire_field *ret) {
        struct wire_fault fault;
        size_t offset = 0;

        while (wire_field_next(item.fields, &offset, ret, &fault) > 0)
                if (ret->key.size == strlen(key) && memcmp(ret->key.data, key, ret->key.size) == 0 && n-- == 0)
                        return true;
        return false;
}

static void assert_number(struct wire_general item, const char *key, uint64_t number) {
        struct wire_field field;

        assert_true(find_attribute(item, key, 0, &field));
        assert_int_equal(field.attribute, WIRE_ATTRIBUTE_U64);
        assert_int_equal(field.number, number);
}

static void assert_text(struct wire_general item, const char *key, unsigned n, const char *text) {
        struct wire_field field;

        assert_true(find_attribute(item, key, n, &field));
        assert_int_equal(field.attribute, WIRE_ATTRIBUTE_STRING);
        assert_int_equal(field.value.size, strlen(text));
        assert_memory_equal(field.value.data, text, field.value.size);
}

static void expect_end(struct fixture *f, struct peer *p, uint32_t count) {
        assert_int_equal(number_of(expect_general(f, p, WIRE_END, p->serial), WIRE_FIELD_COUNT), count);
}

/* ---- changing ---- */

static void test_declare_is_answered_when_on_disk(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request_name(f, p, WIRE_DECLARE, 0, 0, "jobs");
        expect_nothing(f, p);
        commit(f);
        expect_ok(f, p);
        /* That it is there already is no reason to be faster: the first OK might be lost. */
        request_name(f, p, WIRE_DECLARE, 0, 0, "jobs");
        expect_nothing(f, p);
        commit(f);
        expect_ok(f, p);
}

static void test_declare_refused(void **state) {
        static const char *const names[] = {"", ".", "a..b", "jobs.*", ">", "a b"};
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        uint8_t fields[64];
        size_t n;

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                request_name(f, p, WIRE_DECLARE, 0, 0, names[i]);
                (void) expect_refused(f, p, WIRE_CODE_BAD_NAME);
        }
        request_property(f, p, WIRE_DECLARE, "jobs", "MaxMessages", "many");
        (void) expect_refused(f, p, WIRE_CODE_BAD_VALUE);
        request_property(f, p, WIRE_DECLARE, "jobs", "MaxMischief", "1");
        (void) expect_refused(f, p, WIRE_CODE_BAD_VALUE);
        n = wire_put_string(fields, WIRE_FIELD_NAME, "jobs");
        n += wire_put_u8(fields + n, WIRE_FIELD_KIND, WIRE_KIND_STREAM);
        request(f, p, WIRE_DECLARE, 0, 0, fields, n);
        (void) expect_refused(f, p, WIRE_CODE_UNSUPPORTED);
        /* None of these left anything behind. */
        request(f, p, WIRE_LIST, 0, 0, NULL, 0);
        expect_end(f, p, 0);
}

static void test_declare_exclusively(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request_name(f, p, WIRE_DECLARE, WIRE_DECLARE_EXCLUSIVE, 0, "jobs");
        commit(f);
        expect_ok(f, p);
        request_name(f, p, WIRE_DECLARE, WIRE_DECLARE_EXCLUSIVE, 0, "jobs");
        (void) expect_refused(f, p, WIRE_CODE_EXISTS);
}

static void test_too_many_queues(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_general error;
        char name[] = "q0";

        for (int i = 0; i < 5; i++, name[1]++)
                declare(f, p, name);
        request_name(f, p, WIRE_DECLARE, 0, 0, name);
        error = expect_refused(f, p, WIRE_CODE_QUOTA);
        assert_string_field(error, WIRE_FIELD_SETTING, "MaxQueues");
        assert_int_equal(number_of(error, WIRE_FIELD_LIMIT), 5);
}

static void test_set(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request_property(f, p, WIRE_SET, "jobs", "MaxBytes", "1M");
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
        declare(f, p, "jobs");
        request_property(f, p, WIRE_SET, "jobs", "MaxBytes", "1M");
        expect_nothing(f, p);
        commit(f);
        expect_ok(f, p);
        request_property(f, p, WIRE_SET, "jobs", "MaxBytes", "-1");
        (void) expect_refused(f, p, WIRE_CODE_BAD_VALUE);
        request_name(f, p, WIRE_STATUS, 0, 0, "jobs");
        assert_number(expect_general(f, p, WIRE_ITEM, p->serial), "max_bytes", 1u << 20);
        expect_end(f, p, 1);
}

static void test_delete(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request_name(f, p, WIRE_DELETE, 0, 0, "jobs");
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
        declare(f, p, "jobs");
        send_text(f, p, "jobs", "1");
        send_text(f, p, "jobs", "2");
        request_name(f, p, WIRE_DELETE, 0, 0, "jobs");
        assert_int_equal(number_of(expect_refused(f, p, WIRE_CODE_NOT_EMPTY), WIRE_FIELD_USE), 2);
        request_name(f, p, WIRE_DELETE, WIRE_DELETE_PURGE, 0, "jobs");
        commit(f);
        (void) expect_confirm(f, p, 1, 2);
        expect_ok(f, p);
        send_text(f, p, "jobs", "3");
        (void) expect_send_refused(f, p, WIRE_CODE_NO_ROUTE);
}

static void test_bind(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        bind_pattern(f, p, WIRE_BIND, "jobs", "mail.>");
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
        declare(f, p, "jobs");
        bind_pattern(f, p, WIRE_BIND, "jobs", "mail.>.in");
        (void) expect_refused(f, p, WIRE_CODE_BAD_NAME);
        bind_pattern(f, p, WIRE_BIND, "jobs", "mail.>");
        expect_nothing(f, p);
        commit(f);
        expect_ok(f, p);
        send_text(f, p, "mail.in", "1");
        commit(f);
        (void) expect_confirm(f, p, 1, 1);
        bind_pattern(f, p, WIRE_UNBIND, "jobs", "mail.*");
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
        bind_pattern(f, p, WIRE_UNBIND, "jobs", "mail.>");
        commit(f);
        expect_ok(f, p);
        send_text(f, p, "mail.in", "2");
        (void) expect_send_refused(f, p, WIRE_CODE_NO_ROUTE);
}

/* What was not on disk when a client vanished is done all the same, and answers nobody. */
static void test_asker_is_gone(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request_name(f, p, WIRE_DECLARE, 0, 0, "jobs");
        turn(f);
        commit_begin(f);
        vanish(f, p);
        commit_end(f);
        p = open_peer(f);
        request_name(f, p, WIRE_DECLARE, WIRE_DECLARE_EXCLUSIVE, 0, "jobs");
        (void) expect_refused(f, p, WIRE_CODE_EXISTS);
}

/* ---- looking ---- */

static void test_list(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_general item;
        struct wire_field paused;
        uint8_t fields[64];

        declare(f, p, "jobs.mail");
        declare(f, p, "audit");
        declare(f, p, "jobs.fax");
        send_text(f, p, "jobs.mail", "123");
        send_text(f, p, "jobs.mail", "45");
        consume(f, p, 1, "jobs.mail", 1);
        (void) expect_deliver(f, p, 1, "123");
        f->host.now_us += 1500;
        request(f, p, WIRE_LIST, 0, 0, NULL, 0);
        assert_text(expect_general(f, p, WIRE_ITEM, p->serial), "name", 0, "audit");
        assert_text(expect_general(f, p, WIRE_ITEM, p->serial), "name", 0, "jobs.fax");
        item = expect_general(f, p, WIRE_ITEM, p->serial);
        assert_text(item, "name", 0, "jobs.mail");
        assert_text(item, "kind", 0, "queue");
        assert_text(item, "durability", 0, "disk");
        assert_number(item, "ready", 1);
        assert_number(item, "leased", 1);
        assert_number(item, "delayed", 0);
        assert_number(item, "dead", 0);
        assert_number(item, "bytes", 5);
        assert_number(item, "oldest_us", 1500);
        assert_number(item, "consumers", 1);
        assert_true(find_attribute(item, "paused", 0, &paused));
        assert_int_equal(paused.attribute, WIRE_ATTRIBUTE_BOOL);
        expect_end(f, p, 3);

        request(f, p, WIRE_LIST, 0, 0, fields, wire_put_string(fields, WIRE_FIELD_PATTERN, "jobs.*"));
        expect(f, p, WIRE_ITEM);
        expect(f, p, WIRE_ITEM);
        expect_end(f, p, 2);
        request(f, p, WIRE_LIST, 0, 0, fields, wire_put_string(fields, WIRE_FIELD_PATTERN, "jobs..*"));
        (void) expect_refused(f, p, WIRE_CODE_BAD_NAME);
}

static void test_status_of_a_queue(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_general item;
        uint64_t id;

        declare(f, p, "jobs");
        request_property(f, p, WIRE_SET, "jobs", "Description", "für später");
        bind_pattern(f, p, WIRE_BIND, "jobs", "mail.>");
        bind_pattern(f, p, WIRE_BIND, "jobs", "fax.*");
        commit(f);
        for (int i = 0; i < 3; i++)
                expect(f, p, WIRE_OK);
        send_text(f, p, "mail.in", "1");
        send_text(f, p, "jobs", "2");
        consume(f, p, 1, "jobs", 10);
        id = expect_deliver(f, p, 1, "1").id;
        (void) expect_deliver(f, p, 1, "2");
        settle(f, p, WIRE_NACK, 0, 1, id, 1);
        settle(f, p, WIRE_ACK, 0, 1, expect_deliver(f, p, 1, "1").id, 1);
        request_name(f, p, WIRE_STATUS, 0, 0, "jobs");
        item = expect_general(f, p, WIRE_ITEM, p->serial);
        assert_text(item, "name", 0, "jobs");
        assert_text(item, "description", 0, "für später");
        assert_text(item, "binding", 0, "mail.>");
        assert_text(item, "binding", 1, "fax.*");
        assert_number(item, "max_messages", 0);
        assert_number(item, "sent", 2);
        assert_number(item, "delivered", 3);
        assert_number(item, "redelivered", 1);
        assert_number(item, "acked", 1);
        assert_number(item, "leased", 1);
        assert_number(item, "declared_us", NOW_US);
        expect_end(f, p, 1);
        request_name(f, p, WIRE_STATUS, 0, 0, "nobody");
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
}

static void test_status_of_the_bus(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_general item;

        request(f, p, WIRE_STATUS, 0, 0, NULL, 0);
        item = expect_general(f, p, WIRE_ITEM, p->serial);
        assert_text(item, "name", 0, "bus");
        assert_number(item, "connections", 1);
        expect_end(f, p, 1);
}

static void test_peers(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f), *q = open_peer(f);
        struct wire_general item;
        uint8_t fields[16];

        (void) connect_peer(f); /* has not greeted: nobody yet */
        declare(f, p, "jobs");
        consume(f, q, 1, "jobs", 1);
        send_text(f, p, "jobs", "1");
        send_text(f, p, "jobs", "2");
        (void) expect_deliver(f, q, 1, "1");
        request(f, q, WIRE_PEERS, 0, 0, NULL, 0);
        item = expect_general(f, q, WIRE_ITEM, q->serial);
        assert_number(item, "pid", (uint64_t) getpid());
        assert_number(item, "uid", geteuid());
        assert_number(item, "gid", getegid());
        assert_text(item, "software", 0, "tester 1");
        assert_number(item, "sent", 2);
        assert_number(item, "unconfirmed", 2);
        assert_number(item, "consumers", 0);
        assert_number(item, "connected_us", NOW_US);
        item = expect_general(f, q, WIRE_ITEM, q->serial);
        assert_number(item, "consumers", 1);
        assert_number(item, "delivered", 1);
        expect_end(f, q, 2);
        request(f, q, WIRE_PEERS, 0, 0, fields, wire_put_u32(fields, WIRE_FIELD_PID, 1));
        expect_end(f, q, 0);
        request(f, q, WIRE_PEERS, 0, 0, fields, wire_put_u32(fields, WIRE_FIELD_PID, (uint32_t) getpid()));
        expect(f, q, WIRE_ITEM);
        expect(f, q, WIRE_ITEM);
        expect_end(f, q, 2);
}

/* ---- browsing ---- */

static void request_browse(struct fixture *f, struct peer *p, unsigned channel, uint64_t from, uint32_t count) {
        uint8_t fields[64];
        size_t n = wire_put_string(fields, WIRE_FIELD_NAME, "jobs");

        n += wire_put_u64(fields + n, WIRE_FIELD_FROM_ID, from);
        n += wire_put_u32(fields + n, WIRE_FIELD_COUNT, count);
        request(f, p, WIRE_BROWSE, 0, channel, fields, n);
}

static void test_browse(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_general end;
        struct wire_field field;
        struct wire_deliver m;
        uint64_t first, next;

        declare(f, p, "jobs");
        for (int i = 0; i < 3; i++)
                send_text(f, p, "jobs", (const char *const[]){"1", "2", "3"}[i]);
        commit(f);
        first = expect_confirm(f, p, 1, 3);
        consume(f, p, 1, "jobs", 1);
        (void) expect_deliver(f, p, 1, "1");

        request_browse(f, p, 2, 0, 2);
        m = expect_message(f, p, WIRE_BROWSED, 2, "1");
        assert_int_equal(m.id, first);
        /* It was handed out once. */
        assert_int_equal(m.flags, WIRE_DELIVER_REDELIVERED);
        assert_true(wire_field_find(m.fields, WIRE_FIELD_DELIVERIES, &field));
        assert_int_equal(field.number, 1);
        m = expect_message(f, p, WIRE_BROWSED, 2, "2");
        assert_int_equal(m.flags, 0);
        end = expect_general(f, p, WIRE_END, p->serial);
        assert_int_equal(number_of(end, WIRE_FIELD_COUNT), 2);
        next = number_of(end, WIRE_FIELD_NEXT_ID);
        assert_int_equal(next, first + 2);

        request_browse(f, p, 2, next, 2);
        (void) expect_message(f, p, WIRE_BROWSED, 2, "3");
        end = expect_general(f, p, WIRE_END, p->serial);
        assert_false(wire_field_find(end.fields, WIRE_FIELD_NEXT_ID, &field));

        /* Nothing has changed by it. */
        credit(f, p, 1, 5, 0);
        (void) expect_deliver(f, p, 1, "2");
        (void) expect_deliver(f, p, 1, "3");
}

static void test_browse_refused(void **state) {
        struct fixture *f = *state;
        struct peer *p = open_peer(f);

        request_browse(f, p, 1, 0, 1);
        (void) expect_refused(f, p, WIRE_CODE_NOT_FOUND);
        declare(f, p, "jobs");
        request_browse(f, p, 1, 0, 1);
        expect_end(f, p, 0);
        consume(f, p, 1, "jobs", 0);
        request_browse(f, p, 1, 0, 1);
        (void) expect_refused(f, p, WIRE_CODE_CHANNEL_BUSY);
}

/* However much is asked for, one answer has its bounds. */
static void test_browse_in_pieces(void **state) {
        enum { MESSAGES = 12, BODY_BYTES = 100000 };
        static const uint8_t body[BODY_BYTES];
        struct fixture *f = *state;
        struct peer *p = open_peer(f);
        struct wire_field next = {0};
        uint32_t shown = 0;

        declare(f, p, "jobs");
        f->host.window_bytes = UINT64_C(1) << 30;
        for (int i = 0; i < MESSAGES; i++)
                send_frame(f, p, (struct wire_send){.subject = span("jobs"), .body = {body, BODY_BYTES}});
        commit(f);
        (void) expect_confirm(f, p, 1, MESSAGES);
        for (int round = 0; shown < MESSAGES; round++) {
                struct wire_general end;
                uint32_t n = 0;

                assert_true(round < MESSAGES);
                request_browse(f, p, 1, next.number, UINT32_MAX);
                while (next_frame(f, p) != WIRE_END)
                        n += p->header.opcode == WIRE_BROWSED;
                assert_int_equal(wire_general_parse(p->frame, p->header.size, &end, &(struct wire_fault){0}), 0);
                assert_int_equal(number_of(end, WIRE_FIELD_COUNT), n);
                assert_in_range(n, 1, 7);
                shown += n;
                assert_int_equal(wire_field_find(end.fields, WIRE_FIELD_NEXT_ID, &next), shown < MESSAGES);
        }
        assert_int_equal(shown, MESSAGES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                SESSION_TEST(test_declare_is_answered_when_on_disk),
                SESSION_TEST(test_declare_refused),
                SESSION_TEST(test_declare_exclusively),
                SESSION_TEST(test_too_many_queues),
                SESSION_TEST(test_set),
                SESSION_TEST(test_delete),
                SESSION_TEST(test_bind),
                SESSION_TEST(test_asker_is_gone),
                SESSION_TEST(test_list),
                SESSION_TEST(test_status_of_a_queue),
                SESSION_TEST(test_status_of_the_bus),
                SESSION_TEST(test_peers),
                SESSION_TEST(test_browse),
                SESSION_TEST(test_browse_refused),
                SESSION_TEST(test_browse_in_pieces),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
