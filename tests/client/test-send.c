/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/client/fixture.h"

#define SENDS_MAX 64u

/* What sent-handlers were told, in order. */
struct told {
        size_t n;
        uint64_t ids[SENDS_MAX];
        int errors[SENDS_MAX];
        char names[SENDS_MAX][32];
};

static void on_sent(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        struct told *t = userdata;

        (void) bus;
        assert_true(t->n < SENDS_MAX);
        t->ids[t->n] = id;
        t->errors[t->n] = error ? error->number : 0;
        if (error)
                strcpy(t->names[t->n], error->name);
        t->n++;
}

static struct wire_send heard(struct fixture *x, int index) {
        const struct fake_frame *frame = fake_find(x->fake, WIRE_SEND, index);
        struct wire_send send;

        assert_non_null(frame);
        assert_int_equal(wire_send_parse(frame->data, frame->size, &send, NULL), 0);
        return send;
}

static void assert_span(struct wire_span span, const char *text) {
        assert_int_equal(span.size, strlen(text));
        assert_memory_equal(span.data, text, span.size);
}

static void send_waits_for_its_confirm(void **state) {
        struct fixture *x = *state;
        uint64_t id = 0;

        assert_int_equal(lodge_send(x->bus, "a.b", "hello", 5, &id), 0);
        assert_int_equal(id, 1001);
        assert_span(heard(x, 0).subject, "a.b");
        assert_span(heard(x, 0).body, "hello");
        assert_int_equal(lodge_get_unconfirmed(x->bus), 0);
        assert_int_equal(lodge_send(x->bus, "a.b", NULL, 0, NULL), 0);
        assert_int_equal(heard(x, 1).body.size, 0);
        assert_int_equal(heard(x, 1).serial, heard(x, 0).serial + 1);
        assert_null(lodge_get_error(x->bus));
}

static void bad_arguments_never_reach_the_daemon(void **state) {
        struct fixture *x = *state;
        char *large = calloc(1, BODY_BYTES_MAX + 1);

        assert_int_equal(lodge_send(x->bus, "a..b", "x", 1, NULL), -EINVAL);
        assert_int_equal(lodge_send(x->bus, "", "x", 1, NULL), -EINVAL);
        assert_int_equal(lodge_send(x->bus, "a.*", "x", 1, NULL), -EINVAL);
        assert_int_equal(lodge_send(x->bus, NULL, "x", 1, NULL), -EINVAL);
        assert_int_equal(lodge_send(x->bus, "a", NULL, 1, NULL), -EINVAL);
        assert_int_equal(lodge_send_async(NULL, NULL, "a", "x", 1, NULL, NULL), -EINVAL);
        assert_non_null(large);
        assert_int_equal(lodge_send(x->bus, "a", large, BODY_BYTES_MAX + 1, NULL), -EMSGSIZE);
        free(large);
        fixture_turn(x);
        assert_int_equal(x->fake->n_frames, 0);
}

static void largest_body_goes_through(void **state) {
        struct fixture *x = *state;
        uint8_t *large = malloc(BODY_BYTES_MAX);
        struct wire_send send;

        assert_non_null(large);
        memset(large, 'x', BODY_BYTES_MAX);
        assert_int_equal(lodge_send(x->bus, "large", large, BODY_BYTES_MAX, NULL), 0);
        send = heard(x, 0);
        assert_int_equal(send.body.size, BODY_BYTES_MAX);
        assert_memory_equal(send.body.data, large, BODY_BYTES_MAX);
        free(large);
}

static void repeated_subject_is_said_once(void **state) {
        struct fixture *x = *state;

        for (int i = 0; i < 3; i++)
                assert_int_equal(lodge_send_async(x->bus, NULL, "same", "x", 1, NULL, NULL), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "other", "x", 1, NULL, NULL), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "same", "x", 1, NULL, NULL), 0);
        fixture_turn(x);
        assert_span(heard(x, 0).subject, "same");
        assert_span(heard(x, 1).subject, "");
        assert_span(heard(x, 2).subject, "");
        assert_span(heard(x, 3).subject, "other");
        assert_span(heard(x, 4).subject, "same");
        assert_int_equal(lodge_get_unconfirmed(x->bus), 0);
}

static void nothing_is_written_before_process(void **state) {
        struct fixture *x = *state;
        uint64_t timeout_us = 1;

        assert_int_equal(lodge_get_timeout(x->bus, &timeout_us), 0);
        assert_int_not_equal(timeout_us, 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, NULL, NULL), 0);
        fake_settle(x->fake);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 0);
        assert_int_equal(lodge_get_timeout(x->bus, &timeout_us), 0);
        assert_int_equal(timeout_us, 0);
        assert_int_equal(lodge_wait(x->bus, 0), 1);
        assert_int_equal(lodge_process(x->bus), 1);
        fake_settle(x->fake);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 1);
        fixture_turn(x);
}

static void handlers_are_told_in_order(void **state) {
        struct fixture *x = *state;
        struct told t = {0};

        x->fake->answer = fake_answer_hello;
        for (int i = 0; i < 5; i++)
                assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, on_sent, &t), 0);
        fixture_turn(x);
        assert_int_equal(t.n, 0);
        assert_int_equal(lodge_get_unconfirmed(x->bus), 5);
        fake_confirm(x->fake, heard(x, 0).serial, 3, 50);
        fixture_turn(x);
        assert_int_equal(t.n, 3);
        assert_int_equal(t.ids[2], 52);
        fake_confirm(x->fake, heard(x, 3).serial, 2, 0);
        fixture_turn(x);
        assert_int_equal(t.n, 5);
        assert_int_equal(t.ids[4], 0);
        assert_int_equal(t.errors[4], 0);
}

static void early_refusal_waits_for_its_turn(void **state) {
        struct fixture *x = *state;
        struct told t = {0};

        x->fake->answer = fake_answer_hello;
        for (int i = 0; i < 4; i++)
                assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, on_sent, &t), 0);
        fixture_turn(x);
        fake_error(x->fake, WIRE_ERROR_OF_SEND, heard(x, 1).serial, WIRE_CODE_FULL, "full");
        fake_error(x->fake, WIRE_ERROR_OF_SEND, heard(x, 2).serial, WIRE_CODE_QUOTA, "quota");
        fixture_turn(x);
        assert_int_equal(t.n, 0);
        fake_confirm(x->fake, heard(x, 0).serial, 1, 50);
        fixture_turn(x);
        assert_int_equal(t.n, 3);
        assert_int_equal(t.ids[0], 50);
        assert_int_equal(t.errors[1], -ENOBUFS);
        assert_string_equal(t.names[1], "full");
        assert_int_equal(t.errors[2], -EDQUOT);
        fake_confirm(x->fake, heard(x, 3).serial, 1, 51);
        fixture_turn(x);
        assert_int_equal(t.n, 4);
        assert_int_equal(t.ids[3], 51);
}

static void refuse_everything(struct fake *f, const uint8_t *frame, size_t size) {
        uint8_t fields[256], *p = fields;

        fake_answer_hello(f, frame, size);
        if (frame[4] != WIRE_SEND)
                return;
        p += wire_put_u16(p, WIRE_FIELD_CODE, WIRE_CODE_FULL);
        p += wire_put_string(p, WIRE_FIELD_TEXT, "queue a is full");
        p += wire_put_string(p, WIRE_FIELD_SETTING, "MaxMessages");
        p += wire_put_u64(p, WIRE_FIELD_LIMIT, 10);
        p += wire_put_u64(p, WIRE_FIELD_USE, 11);
        fake_general(f, WIRE_ERROR, WIRE_ERROR_OF_SEND, 0, wire_get32(frame + 8), fields, (size_t) (p - fields));
}

static void refusal_says_why(void **state) {
        struct fixture *x = *state;
        const lodge_error *e;

        x->fake->answer = refuse_everything;
        assert_int_equal(lodge_send(x->bus, "a", "x", 1, NULL), -ENOBUFS);
        e = lodge_get_error(x->bus);
        assert_non_null(e);
        assert_int_equal(e->number, -ENOBUFS);
        assert_int_equal(e->code, WIRE_CODE_FULL);
        assert_string_equal(e->name, "full");
        assert_string_equal(e->text, "queue a is full");
        assert_string_equal(e->setting, "MaxMessages");
        assert_int_equal(e->limit, 10);
        assert_int_equal(e->use, 11);
        x->fake->answer = NULL;
        assert_int_equal(lodge_send(x->bus, "a", "x", 1, NULL), 0);
        assert_null(lodge_get_error(x->bus));
}

static void refusal_that_nobody_heard_fails_the_flush(void **state) {
        struct fixture *x = *state;

        x->fake->answer = refuse_everything;
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, NULL, NULL), 0);
        fixture_turn(x);
        assert_int_equal(lodge_flush(x->bus), -ENOBUFS);
        assert_string_equal(lodge_get_error(x->bus)->text, "queue a is full");
        assert_int_equal(lodge_flush(x->bus), 0);
}

static void window_is_kept(void **state) {
        struct fixture *x = *state;

        x->fake->answer = fake_answer_hello;
        assert_int_equal(lodge_set_window(x->bus, 0, 1), -EINVAL);
        assert_int_equal(lodge_set_window(x->bus, 3, 1000), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, NULL, NULL), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, NULL, NULL), -EAGAIN);
        fixture_turn(x);
        fake_confirm(x->fake, heard(x, 0).serial, 3, 1);
        fixture_turn(x);
        /* One message is always allowed, however large; a second one is not. */
        char *body = calloc(1, 5000);
        assert_non_null(body);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", body, 5000, NULL, NULL), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, NULL, NULL), -EAGAIN);
        free(body);
}

static void blocking_send_waits_for_the_window(void **state) {
        struct fixture *x = *state;

        assert_int_equal(lodge_set_window(x->bus, 2, 1000), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "1", 1, NULL, NULL), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "2", 1, NULL, NULL), 0);
        assert_int_equal(lodge_send(x->bus, "b", "3", 1, NULL), 0);
        assert_span(heard(x, 2).subject, "b");
        assert_span(heard(x, 2).body, "3");
}

static void timeout_of_a_send(void **state) {
        struct fixture *x = *state;
        uint64_t before = x->fake->now_us;

        x->fake->answer = fake_answer_hello;
        assert_int_equal(lodge_set_timeout(x->bus, 5000000), 0);
        assert_int_equal(lodge_send(x->bus, "a", "x", 1, NULL), -ETIMEDOUT);
        assert_true(x->fake->now_us - before >= 5000000);
        /* It was written, so it may arrive yet; its confirm finds nobody and does no harm. */
        assert_int_equal(lodge_get_unconfirmed(x->bus), 1);
        fake_confirm(x->fake, heard(x, 0).serial, 1, 7);
        fixture_turn(x);
        assert_int_equal(lodge_get_unconfirmed(x->bus), 0);
}

static void timeout_without_connection_takes_the_send_back(void **state) {
        struct fixture *x = *state;

        fake_stop(x->fake);
        fake_drop(x->fake);
        assert_int_equal(lodge_set_timeout(x->bus, 5000000), 0);
        assert_int_equal(lodge_send(x->bus, "a", "x", 1, NULL), -ETIMEDOUT);
        assert_int_equal(lodge_get_unconfirmed(x->bus), 0);
        fake_start(x->fake);
        assert_int_equal(lodge_send(x->bus, "a", "y", 1, NULL), 0);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 1);
        assert_span(heard(x, 0).subject, "a");
        assert_span(heard(x, 0).body, "y");
}

static void slot_of_a_send(void **state) {
        struct fixture *x = *state;
        struct told t = {0};
        lodge_slot *kept = NULL, *dropped = NULL;

        assert_int_equal(lodge_send_async(x->bus, &kept, "a", "1", 1, on_sent, &t), 0);
        assert_int_equal(lodge_send_async(x->bus, &dropped, "a", "2", 1, on_sent, &t), 0);
        assert_ptr_equal(lodge_slot_get_bus(kept), x->bus);
        assert_null(lodge_slot_unref(dropped));
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 2);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.ids[0], 1001);
        lodge_slot_unref(kept);
}

static void message_fields_travel(void **state) {
        struct fixture *x = *state;
        CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;
        struct wire_field field;
        struct wire_send send;
        uint64_t id = 0;

        assert_int_equal(lodge_message_new(&m, "a.b"), 0);
        assert_int_equal(lodge_message_set_body(m, "body", 4), 0);
        assert_int_equal(lodge_message_set_priority(m, 7), 0);
        assert_int_equal(lodge_message_set_content_type(m, "text/plain"), 0);
        assert_int_equal(lodge_message_add_header(m, "k", "v"), 0);
        assert_int_equal(lodge_message_get_id(m), 0);
        assert_int_equal(lodge_send_message(x->bus, m, &id), 0);
        assert_int_equal(lodge_message_get_id(m), id);
        send = heard(x, 0);
        assert_int_equal(send.priority, 7);
        assert_true(wire_field_find(send.fields, WIRE_FIELD_CONTENT_TYPE, &field));
        assert_span(field.value, "text/plain");
        assert_true(wire_field_find(send.fields, WIRE_FIELD_HEADER, &field));
        assert_span(field.key, "k");
        assert_span(field.value, "v");
        assert_span(send.body, "body");
}

static void many_sends_go_in_few_writes(void **state) {
        struct fixture *x = *state;
        struct told t = {0};
        char body[100] = {0};

        for (int i = 0; i < 9999; i++)
                assert_int_equal(lodge_send_async(x->bus, NULL, "a", body, sizeof(body), NULL, NULL), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", body, sizeof(body), on_sent, &t), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", body, sizeof(body), NULL, NULL), -EAGAIN);
        assert_int_equal(lodge_flush(x->bus), 0);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 10000);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.ids[0], 1001 + 9999);
}

static void false_confirms_do_no_harm(void **state) {
        static const struct {
                int32_t serial; /* from the first send's */
                uint32_t count;
        } wrong[] = {{-1, 1}, {1, 1}, {0, 4}, {0, UINT32_MAX}, {3, 1}, {100, 1}};
        struct fixture *x = *state;

        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                size_t connections = x->fake->n_accepted;
                struct told t = {0};

                x->fake->answer = fake_answer_hello;
                fake_forget(x->fake);
                for (int k = 0; k < 3; k++)
                        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, on_sent, &t), 0);
                fixture_turn(x);
                fake_confirm(x->fake, heard(x, 0).serial + (uint32_t) wrong[i].serial, wrong[i].count, 9);
                fixture_turn(x);
                x->fake->answer = NULL;
                x->fake->now_us += 2000000;
                assert_int_equal(lodge_flush(x->bus), 0);
                fixture_turn(x);
                assert_int_equal(x->fake->n_accepted, connections + 1);
                assert_int_equal(t.n, 3);
                assert_int_equal(t.errors[2], 0);
        }
}

static void refusal_of_a_send_that_was_not_made(void **state) {
        struct fixture *x = *state;

        fake_error(x->fake, WIRE_ERROR_OF_SEND, 12345, WIRE_CODE_FULL, "full");
        fixture_turn(x);
        x->fake->now_us += 2000000;
        fixture_turn(x);
        assert_int_equal(x->fake->n_accepted, 2);
}

static void send_again(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        int *left = userdata;

        (void) id;
        (void) error;
        /* Handlers may send, but not wait. */
        assert_int_equal(lodge_send(bus, "a", "x", 1, NULL), -EBUSY);
        assert_int_equal(lodge_flush(bus), -EBUSY);
        assert_int_equal(lodge_process(bus), -EBUSY);
        assert_int_equal(lodge_wait(bus, 0), -EBUSY);
        if (--*left > 0)
                assert_int_equal(lodge_send_async(bus, NULL, "a", "x", 1, send_again, left), 0);
}

static void handlers_may_send(void **state) {
        struct fixture *x = *state;
        int left = 100;

        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, send_again, &left), 0);
        fixture_turn(x);
        assert_int_equal(left, 0);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 100);
}

static void close_bus(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        struct fixture *x = userdata;

        (void) id;
        (void) error;
        assert_ptr_equal(bus, x->bus);
        x->bus = lodge_unref(bus);
}

static void handlers_may_close(void **state) {
        struct fixture *x = *state;
        struct told t = {0};
        lodge_slot *slot = NULL;

        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, close_bus, x), 0);
        assert_int_equal(lodge_send_async(x->bus, &slot, "a", "x", 1, on_sent, &t), 0);
        while (x->bus) {
                fake_turn(x->fake);
                lodge_process(x->bus);
        }
        assert_int_equal(t.n, 0);
        assert_null(lodge_slot_get_bus(slot));
        lodge_slot_unref(slot);
}

static void closing_under_a_blocking_call(void **state) {
        struct fixture *x = *state;
        lodge *bus = x->bus;

        assert_int_equal(lodge_send_async(bus, NULL, "a", "x", 1, close_bus, x), 0);
        assert_int_equal(lodge_send(bus, "a", "x", 1, NULL), -ENOTCONN);
        assert_null(x->bus);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(send_waits_for_its_confirm),
                fixture_test(bad_arguments_never_reach_the_daemon),
                fixture_test(largest_body_goes_through),
                fixture_test(repeated_subject_is_said_once),
                fixture_test(nothing_is_written_before_process),
                fixture_test(handlers_are_told_in_order),
                fixture_test(early_refusal_waits_for_its_turn),
                fixture_test(refusal_says_why),
                fixture_test(refusal_that_nobody_heard_fails_the_flush),
                fixture_test(window_is_kept),
                fixture_test(blocking_send_waits_for_the_window),
                fixture_test(timeout_of_a_send),
                fixture_test(timeout_without_connection_takes_the_send_back),
                fixture_test(slot_of_a_send),
                fixture_test(message_fields_travel),
                fixture_test(many_sends_go_in_few_writes),
                fixture_test(false_confirms_do_no_harm),
                fixture_test(refusal_of_a_send_that_was_not_made),
                fixture_test(handlers_may_send),
                fixture_test(handlers_may_close),
                fixture_test(closing_under_a_blocking_call),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
