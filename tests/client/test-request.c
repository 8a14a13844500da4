/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/client/fixture.h"

static struct wire_general heard(struct fixture *x, unsigned opcode, int index) {
        const struct fake_frame *frame = fake_find(x->fake, opcode, index);
        struct wire_general general;

        assert_non_null(frame);
        assert_int_equal(wire_general_parse(frame->data, frame->size, &general, NULL), 0);
        return general;
}

static void assert_string_field(struct wire_span fields, unsigned tag, const char *text) {
        struct wire_field field;

        assert_true(wire_field_find(fields, tag, &field));
        assert_int_equal(field.value.size, strlen(text));
        assert_memory_equal(field.value.data, text, strlen(text));
}

static uint8_t flags_of(struct fixture *x, unsigned opcode, int index) {
        return fake_find(x->fake, opcode, index)->data[5];
}

static void managing_requests_say_what_they_should(void **state) {
        static const char *const properties[] = {"MaxBytes=1M", "Description=a = b", NULL};
        struct fixture *x = *state;
        struct wire_span fields;
        struct wire_field field;
        size_t offset = 0;
        int pairs = 0;

        assert_int_equal(lodge_declare(x->bus, "q", NULL, properties, 0), 0);
        fields = heard(x, WIRE_DECLARE, 0).fields;
        assert_string_field(fields, WIRE_FIELD_NAME, "q");
        while (wire_field_next(fields, &offset, &field, NULL) == 1) {
                if (field.tag != WIRE_FIELD_PROPERTY)
                        continue;
                if (pairs++ == 1) {
                        assert_memory_equal(field.key.data, "Description", 11);
                        assert_int_equal(field.value.size, 5);
                        assert_memory_equal(field.value.data, "a = b", 5);
                }
        }
        assert_int_equal(pairs, 2);
        assert_int_equal(flags_of(x, WIRE_DECLARE, 0), 0);
        assert_int_equal(lodge_declare(x->bus, "q", "queue", NULL, LODGE_DECLARE_EXCLUSIVE), 0);
        assert_int_equal(flags_of(x, WIRE_DECLARE, 1), WIRE_DECLARE_EXCLUSIVE);
        assert_int_equal(lodge_declare(x->bus, "s", "stream", NULL, 0), 0);
        assert_true(wire_field_find(heard(x, WIRE_DECLARE, 2).fields, WIRE_FIELD_KIND, &field));
        assert_int_equal(field.number, WIRE_KIND_STREAM);
        assert_int_equal(lodge_set(x->bus, "q", properties), 0);
        assert_string_field(heard(x, WIRE_SET, 0).fields, WIRE_FIELD_NAME, "q");
        assert_int_equal(lodge_bind(x->bus, "q", "a.*.>"), 0);
        assert_string_field(heard(x, WIRE_BIND, 0).fields, WIRE_FIELD_PATTERN, "a.*.>");
        assert_int_equal(lodge_unbind(x->bus, "q", "a.*.>"), 0);
        assert_string_field(heard(x, WIRE_UNBIND, 0).fields, WIRE_FIELD_PATTERN, "a.*.>");
        assert_int_equal(lodge_delete(x->bus, "q", 0), 0);
        assert_int_equal(flags_of(x, WIRE_DELETE, 0), 0);
        assert_int_equal(lodge_delete(x->bus, "q", LODGE_DELETE_PURGE), 0);
        assert_int_equal(flags_of(x, WIRE_DELETE, 1), WIRE_DELETE_PURGE);
        assert_int_equal(lodge_ping(x->bus), 0);
}

static void bad_requests_are_not_made(void **state) {
        static const char *const no_equals[] = {"MaxBytes", NULL};
        static const char *const no_key[] = {"=1", NULL};
        static const char *const no_text[] = {"Description=\xff", NULL};
        struct fixture *x = *state;

        assert_int_equal(lodge_declare(x->bus, "q.*", NULL, NULL, 0), -EINVAL);
        assert_int_equal(lodge_declare(x->bus, NULL, NULL, NULL, 0), -EINVAL);
        assert_int_equal(lodge_declare(x->bus, "q", "heap", NULL, 0), -EINVAL);
        assert_int_equal(lodge_declare(x->bus, "q", NULL, NULL, 64), -EINVAL);
        assert_int_equal(lodge_declare(x->bus, "q", NULL, no_equals, 0), -EINVAL);
        assert_int_equal(lodge_set(x->bus, "q", no_key), -EINVAL);
        assert_int_equal(lodge_set(x->bus, "q", no_text), -EINVAL);
        assert_int_equal(lodge_bind(x->bus, "q", "a.>.b"), -EINVAL);
        assert_int_equal(lodge_bind(x->bus, "q", NULL), -EINVAL);
        assert_int_equal(lodge_delete(x->bus, "", 0), -EINVAL);
        assert_int_equal(lodge_delete(x->bus, "q", 2), -EINVAL);
        assert_int_equal(lodge_list(x->bus, NULL, NULL, NULL), -EINVAL);
        assert_int_equal(lodge_ping(NULL), -EINVAL);
        fixture_turn(x);
        assert_int_equal(x->fake->n_frames, 0);
}

static void refuse(struct fake *f, const uint8_t *frame, size_t size) {
        fake_answer_hello(f, frame, size);
        if (frame[4] != WIRE_HELLO)
                fake_error(f, 0, wire_get32(frame + 8), WIRE_CODE_DENIED, "not you");
}

static void count_item(const lodge_item *item, void *userdata) {
        (void) item;
        ++*(int *) userdata;
}

static void refusals_are_returned(void **state) {
        struct fixture *x = *state;
        int items = 0;

        x->fake->answer = refuse;
        assert_int_equal(lodge_declare(x->bus, "q", NULL, NULL, 0), -EACCES);
        assert_string_equal(lodge_get_error(x->bus)->name, "denied");
        assert_string_equal(lodge_get_error(x->bus)->text, "not you");
        assert_null(lodge_get_error(x->bus)->setting);
        assert_int_equal(lodge_list(x->bus, NULL, count_item, &items), -EACCES);
        assert_int_equal(lodge_browse(x->bus, "q", 0, 1, (lodge_message_handler) abort, NULL, NULL), -EACCES);
        assert_int_equal(items, 0);
        x->fake->answer = NULL;
        assert_int_equal(lodge_ping(x->bus), 0);
        assert_null(lodge_get_error(x->bus));
}

/* ---- rows ---- */

static void answer_list(struct fake *f, const uint8_t *frame, size_t size) {
        uint8_t fields[256], *p = fields;
        uint32_t serial = wire_get32(frame + 8);

        if (frame[4] != WIRE_LIST && frame[4] != WIRE_STATUS && frame[4] != WIRE_PEERS) {
                fake_answer(f, frame, size);
                return;
        }
        p += wire_put_attribute_string(p, "name", "eins", 4);
        p += wire_put_attribute_u64(p, "ready", 18446744073709551615u);
        p += wire_put_attribute_bool(p, "paused", true);
        p += wire_put_attribute_string(p, "binding", "a.*", 3);
        p += wire_put_attribute_string(p, "binding", "", 0);
        fake_general(f, WIRE_ITEM, 0, 0, serial, fields, (size_t) (p - fields));
        if (frame[4] == WIRE_LIST)
                fake_general(f, WIRE_ITEM, 0, 0, serial, fields, 0);
        fake_general(f, WIRE_END, 0, 0, serial, NULL, 0);
}

static void look_at_item(const lodge_item *item, void *userdata) {
        int *n = userdata;
        lodge_attribute a;

        if (++*n == 2) {
                assert_int_equal(lodge_item_get_at(item, 0, &a), 0);
                return;
        }
        assert_int_equal(lodge_item_get_at(item, 0, &a), 1);
        assert_string_equal(a.key, "name");
        assert_int_equal(a.type, LODGE_TYPE_STRING);
        assert_string_equal(a.string, "eins");
        assert_int_equal(lodge_item_get(item, "ready", &a), 1);
        assert_int_equal(a.type, LODGE_TYPE_U64);
        assert_true(a.number == UINT64_MAX);
        assert_null(a.string);
        assert_int_equal(lodge_item_get(item, "paused", &a), 1);
        assert_int_equal(a.type, LODGE_TYPE_BOOL);
        assert_int_equal(a.number, 1);
        assert_int_equal(lodge_item_get_at(item, 4, &a), 1);
        assert_string_equal(a.key, "binding");
        assert_string_equal(a.string, "");
        assert_int_equal(lodge_item_get_at(item, 5, &a), 0);
        assert_int_equal(lodge_item_get(item, "nothing", &a), 0);
        assert_int_equal(lodge_item_get(item, NULL, &a), -EINVAL);
}

static void rows_are_read(void **state) {
        struct fixture *x = *state;
        struct wire_field field;
        int n = 0;

        x->fake->answer = answer_list;
        assert_int_equal(lodge_list(x->bus, "e*", look_at_item, &n), -EINVAL);
        assert_int_equal(lodge_list(x->bus, "e.*", look_at_item, &n), 0);
        assert_int_equal(n, 2);
        assert_string_field(heard(x, WIRE_LIST, 0).fields, WIRE_FIELD_PATTERN, "e.*");
        n = 0;
        assert_int_equal(lodge_status(x->bus, "q", look_at_item, &n), 0);
        assert_string_field(heard(x, WIRE_STATUS, 0).fields, WIRE_FIELD_NAME, "q");
        assert_int_equal(n, 1);
        n = 0;
        assert_int_equal(lodge_status(x->bus, NULL, look_at_item, &n), 0);
        assert_int_equal(heard(x, WIRE_STATUS, 1).fields.size, 0);
        n = 0;
        assert_int_equal(lodge_peers(x->bus, 4711, look_at_item, &n), 0);
        assert_true(wire_field_find(heard(x, WIRE_PEERS, 0).fields, WIRE_FIELD_PID, &field));
        assert_int_equal(field.number, 4711);
}

struct listing {
        int items, dones, error;
        lodge_slot **unref;
        struct fixture *close;
        char name[32];
};

static void on_item(const lodge_item *item, void *userdata) {
        struct listing *l = userdata;

        (void) item;
        l->items++;
        if (l->unref)
                *l->unref = lodge_slot_unref(*l->unref);
        if (l->close)
                l->close->bus = lodge_unref(l->close->bus);
}

static void on_done(lodge *bus, const lodge_error *error, void *userdata) {
        struct listing *l = userdata;

        (void) bus;
        l->dones++;
        l->error = error ? error->number : 0;
        if (error)
                snprintf(l->name, sizeof(l->name), "%s", error->name);
}

static void listing_without_waiting(void **state) {
        struct fixture *x = *state;
        struct listing a = {0}, b = {0}, c = {0};
        lodge_slot *sb = NULL, *sc = NULL;

        x->fake->answer = answer_list;
        b.unref = &sb;
        assert_int_equal(lodge_list_async(x->bus, NULL, NULL, on_item, on_done, &a), 0);
        assert_int_equal(lodge_list_async(x->bus, &sb, NULL, on_item, on_done, &b), 0);
        assert_int_equal(lodge_list_async(x->bus, &sc, NULL, on_item, on_done, &c), 0);
        fixture_turn(x);
        assert_int_equal(a.items, 2);
        assert_int_equal(a.dones, 1);
        assert_int_equal(a.error, 0);
        /* Its slot went in the first row: no more rows, no end. */
        assert_int_equal(b.items, 1);
        assert_int_equal(b.dones, 0);
        assert_int_equal(c.items, 2);
        assert_int_equal(c.dones, 1);
        lodge_slot_unref(sc);
}

static void closing_in_a_row(void **state) {
        struct fixture *x = *state;
        struct listing a = {.close = x};

        x->fake->answer = answer_list;
        assert_int_equal(lodge_list(x->bus, NULL, on_item, &a), -ENOTCONN);
        assert_int_equal(a.items, 1);
        assert_null(x->bus);
}

static void answers_may_come_in_any_order(void **state) {
        struct fixture *x = *state;
        struct listing a = {0}, b = {0};

        x->fake->answer = fake_answer_hello;
        assert_int_equal(lodge_list_async(x->bus, NULL, NULL, on_item, on_done, &a), 0);
        assert_int_equal(lodge_list_async(x->bus, NULL, NULL, on_item, on_done, &b), 0);
        fixture_turn(x);
        fake_general(x->fake, WIRE_END, 0, 0, heard(x, WIRE_LIST, 1).serial, NULL, 0);
        fixture_turn(x);
        assert_int_equal(a.dones, 0);
        assert_int_equal(b.dones, 1);
        fake_error(x->fake, 0, heard(x, WIRE_LIST, 0).serial, WIRE_CODE_INTERNAL, "oh");
        fixture_turn(x);
        assert_int_equal(a.dones, 1);
        assert_int_equal(a.error, -EIO);
}

static void unanswered_call_times_out(void **state) {
        struct fixture *x = *state;

        x->fake->answer = fake_answer_hello;
        assert_int_equal(lodge_ping(x->bus), -ETIMEDOUT);
        assert_int_equal(lodge_declare(x->bus, "q", NULL, NULL, 0), -ETIMEDOUT);
        assert_int_equal(lodge_flush(x->bus), 0);
        /* The late answers find nobody. */
        fake_general(x->fake, WIRE_PONG, 0, 0, heard(x, WIRE_PING, 0).serial, NULL, 0);
        fake_ok(x->fake, heard(x, WIRE_DECLARE, 0).serial);
        fixture_turn(x);
        assert_int_equal(x->fake->n_accepted, 1);
        assert_null(x->bus->requests);
        x->fake->answer = NULL;
        assert_int_equal(lodge_ping(x->bus), 0);
}

static void the_wrong_kind_of_answer(void **state) {
        struct fixture *x = *state;
        struct listing a = {0};

        x->fake->answer = fake_answer_hello;
        assert_int_equal(lodge_list_async(x->bus, NULL, NULL, on_item, on_done, &a), 0);
        fixture_turn(x);
        fake_ok(x->fake, heard(x, WIRE_LIST, 0).serial);
        fixture_turn(x);
        x->fake->answer = answer_list;
        x->fake->now_us += 2000000;
        fixture_turn(x);
        /* The connection was given up, and the question asked again. */
        assert_int_equal(x->fake->n_accepted, 2);
        assert_int_equal(a.items, 2);
        assert_int_equal(a.dones, 1);
        assert_int_equal(a.error, 0);
}

static void daemon_may_ping(void **state) {
        struct fixture *x = *state;

        fake_general(x->fake, WIRE_PING, 0, 0, 815, NULL, 0);
        fixture_turn(x);
        assert_int_equal(heard(x, WIRE_PONG, 0).serial, 815);
}

/* ---- browsing ---- */

static void answer_browse(struct fake *f, const uint8_t *frame, size_t size) {
        uint8_t fields[32];
        struct wire_deliver d = {
                .opcode = WIRE_BROWSED,
                .channel = wire_get16(frame + 6),
                .sender = 1,
                .body = {(const uint8_t *) "b", 1},
        };

        if (frame[4] != WIRE_BROWSE) {
                fake_answer(f, frame, size);
                return;
        }
        for (d.id = 11; d.id < 14; d.id++)
                fake_deliver_full(f, &d);
        fake_general(f, WIRE_END, 0, 0, wire_get32(frame + 8), fields, wire_put_u64(fields, WIRE_FIELD_NEXT_ID, 14));
}

static void on_browsed_message(lodge_message *m, void *userdata) {
        uint64_t *sum = userdata;

        *sum += lodge_message_get_id(m);
        assert_string_equal(lodge_message_get_subject(m), "some.queue");
        assert_int_equal(lodge_message_get_deliveries(m), 0);
        assert_int_equal(lodge_message_ack(m), -EINVAL);
}

static void browsing_takes_nothing(void **state) {
        struct fixture *x = *state;
        uint64_t sum = 0, next = 0;
        struct wire_field field;

        x->fake->answer = answer_browse;
        assert_int_equal(lodge_browse(x->bus, "some.queue", 10, 3, on_browsed_message, &sum, &next), 0);
        assert_int_equal(sum, 11 + 12 + 13);
        assert_int_equal(next, 14);
        assert_true(wire_field_find(heard(x, WIRE_BROWSE, 0).fields, WIRE_FIELD_FROM_ID, &field));
        assert_int_equal(field.number, 10);
        assert_true(wire_field_find(heard(x, WIRE_BROWSE, 0).fields, WIRE_FIELD_COUNT, &field));
        assert_int_equal(field.number, 3);
        x->fake->answer = NULL;
        assert_int_equal(lodge_browse(x->bus, "some.queue", 14, 3, on_browsed_message, &sum, &next), 0);
        assert_int_equal(next, 0);
        assert_int_equal(fake_count(x->fake, WIRE_CREDIT), 0);
}

struct browsed {
        uint64_t sum, next;
        int dones, error;
        lodge_slot **unref;
};

static void on_browse_done(lodge *bus, uint64_t next, const lodge_error *error, void *userdata) {
        struct browsed *b = userdata;

        (void) bus;
        b->dones++;
        b->next = next;
        b->error = error ? error->number : 0;
        if (b->unref)
                *b->unref = lodge_slot_unref(*b->unref);
}

static void browsing_without_waiting(void **state) {
        struct fixture *x = *state;
        struct browsed a = {0}, b = {0};
        lodge_slot *slot = NULL, *other = NULL;

        x->fake->answer = answer_browse;
        a.unref = &slot;
        assert_int_equal(lodge_browse_async(x->bus, &slot, "some.queue", 0, 0, on_browsed_message, on_browse_done, &a),
                         0);
        assert_int_equal(lodge_browse_async(x->bus, &other, "some.queue", 0, 0, on_browsed_message, on_browse_done, &b),
                         0);
        lodge_slot_unref(other);
        fixture_turn(x);
        assert_int_equal(a.sum, 11 + 12 + 13);
        assert_int_equal(a.dones, 1);
        assert_int_equal(a.next, 14);
        assert_null(slot);
        assert_int_equal(b.sum, 0);
        assert_int_equal(b.dones, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(managing_requests_say_what_they_should),
                fixture_test(bad_requests_are_not_made),
                fixture_test(refusals_are_returned),
                fixture_test(rows_are_read),
                fixture_test(listing_without_waiting),
                fixture_test(closing_in_a_row),
                fixture_test(answers_may_come_in_any_order),
                fixture_test(unanswered_call_times_out),
                fixture_test(the_wrong_kind_of_answer),
                fixture_test(daemon_may_ping),
                fixture_test(browsing_takes_nothing),
                fixture_test(browsing_without_waiting),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
