/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/client/fixture.h"

#define RECONNECT_US 2000000u

struct told {
        size_t n;
        uint64_t ids[64];
        int errors[64];
};

static void on_sent(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        struct told *t = userdata;

        (void) bus;
        t->ids[t->n] = id;
        t->errors[t->n++] = error ? error->number : 0;
}

static struct wire_send heard(struct fixture *x, int index) {
        const struct fake_frame *frame = fake_find(x->fake, WIRE_SEND, index);
        struct wire_send send;

        assert_non_null(frame);
        assert_int_equal(wire_send_parse(frame->data, frame->size, &send, NULL), 0);
        return send;
}

static void assert_heard(struct fixture *x, int index, const char *subject, const char *body) {
        struct wire_send send = heard(x, index);

        assert_int_equal(send.subject.size, strlen(subject));
        assert_memory_equal(send.subject.data, subject, strlen(subject));
        assert_int_equal(send.body.size, strlen(body));
        assert_memory_equal(send.body.data, body, strlen(body));
}

static void queue_send(struct fixture *x, const char *subject, const char *body, struct told *t) {
        assert_int_equal(lodge_send_async(x->bus, NULL, subject, body, strlen(body), t ? on_sent : NULL, t), 0);
}

static void unconfirmed_sends_are_sent_again_in_order(void **state) {
        struct fixture *x = *state;
        struct told t = {0};
        uint32_t first;

        x->fake->answer = fake_answer_hello;
        queue_send(x, "a", "1", &t);
        queue_send(x, "a", "2", &t);
        queue_send(x, "a", "3", &t);
        queue_send(x, "b", "4", &t);
        queue_send(x, "b", "5", &t);
        fixture_turn(x);
        first = heard(x, 0).serial;
        fake_confirm(x->fake, first, 2, 100);
        fixture_turn(x);
        assert_int_equal(t.n, 2);
        fake_forget(x->fake);
        x->fake->answer = NULL;
        fixture_reconnect(x);
        /* "3" leaned on a subject that is gone. */
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 3);
        assert_heard(x, 0, "a", "3");
        assert_heard(x, 1, "b", "4");
        assert_heard(x, 2, "", "5");
        assert_int_equal(t.n, 5);
        for (int i = 0; i < 5; i++)
                assert_int_equal(t.errors[i], 0);
        /* The next one may lean on the last one that was sent again. */
        queue_send(x, "b", "6", &t);
        fixture_turn(x);
        assert_heard(x, 3, "", "6");
        assert_int_equal(t.n, 6);
}

static void first_send_after_a_reconnect_has_its_subject(void **state) {
        struct fixture *x = *state;

        queue_send(x, "a", "1", NULL);
        fixture_turn(x);
        fixture_reconnect(x);
        queue_send(x, "a", "2", NULL);
        fixture_turn(x);
        assert_heard(x, 1, "a", "2");
}

static void sends_while_disconnected_wait(void **state) {
        struct fixture *x = *state;
        struct told t = {0};

        fake_stop(x->fake);
        fake_drop(x->fake);
        fixture_turn(x);
        queue_send(x, "a", "1", &t);
        queue_send(x, "a", "2", &t);
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(t.n, 0);
        fake_start(x->fake);
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(t.n, 2);
        assert_heard(x, 0, "a", "1");
        assert_heard(x, 1, "", "2");
}

static void refused_sends_are_not_sent_again(void **state) {
        struct fixture *x = *state;
        struct told t = {0};
        uint32_t first;

        x->fake->answer = fake_answer_hello;
        queue_send(x, "a", "1", &t);
        queue_send(x, "b", "2", &t);
        queue_send(x, "b", "3", &t);
        queue_send(x, "b", "4", &t);
        queue_send(x, "c", "5", &t);
        queue_send(x, "a", "6", &t);
        fixture_turn(x);
        first = heard(x, 0).serial;
        fake_error(x->fake, WIRE_ERROR_OF_SEND, first + 1, WIRE_CODE_FULL, "full");
        fake_error(x->fake, WIRE_ERROR_OF_SEND, first + 2, WIRE_CODE_QUOTA, "quota");
        fake_error(x->fake, WIRE_ERROR_OF_SEND, first + 4, WIRE_CODE_NO_ROUTE, "no route");
        fixture_turn(x);
        assert_int_equal(t.n, 0);
        assert_int_equal(lodge_get_unconfirmed(x->bus), 6);
        fake_forget(x->fake);
        fixture_reconnect(x);
        assert_int_equal(lodge_get_unconfirmed(x->bus), 6);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 3);
        assert_heard(x, 0, "a", "1");
        assert_heard(x, 1, "b", "4");
        assert_heard(x, 2, "a", "6");
        assert_int_equal(heard(x, 1).serial, heard(x, 0).serial + 1);
        assert_int_equal(heard(x, 2).serial, heard(x, 0).serial + 2);
        /* A second loss, with nothing new known. */
        fake_forget(x->fake);
        fixture_reconnect(x);
        assert_heard(x, 1, "b", "4");
        fake_confirm(x->fake, heard(x, 0).serial, 3, 50);
        fixture_turn(x);
        assert_int_equal(t.n, 6);
        assert_int_equal(t.ids[0], 50);
        assert_int_equal(t.errors[1], -ENOBUFS);
        assert_int_equal(t.errors[2], -EDQUOT);
        assert_int_equal(t.ids[3], 51);
        assert_int_equal(t.errors[4], -EHOSTUNREACH);
        assert_int_equal(t.ids[5], 52);
        assert_int_equal(lodge_get_unconfirmed(x->bus), 0);
}

static void closing_with_refusals_outstanding_leaks_nothing(void **state) {
        struct fixture *x = *state;
        struct told t = {0};
        lodge_slot *slot = NULL;

        x->fake->answer = fake_answer_hello;
        queue_send(x, "a", "1", &t);
        queue_send(x, "a", "2", &t);
        assert_int_equal(lodge_send_async(x->bus, &slot, "a", "3", 1, on_sent, &t), 0);
        fixture_turn(x);
        fake_error(x->fake, WIRE_ERROR_OF_SEND, heard(x, 1).serial, WIRE_CODE_FULL, "full");
        fake_error(x->fake, WIRE_ERROR_OF_SEND, heard(x, 2).serial, WIRE_CODE_FULL, "full");
        fixture_turn(x);
        fixture_reconnect(x);
        x->bus = lodge_unref(x->bus);
        assert_int_equal(t.n, 0);
        lodge_slot_unref(slot);
}

static void lost_in_the_middle_of_a_frame(void **state) {
        struct fixture *x = *state;
        size_t size = 3u << 20;
        char *body = calloc(1, size);
        struct told t = {0};

        assert_non_null(body);
        assert_int_equal(lodge_send_async(x->bus, NULL, "large", body, size, on_sent, &t), 0);
        queue_send(x, "large", "small", &t);
        /* The fake does not read, so that only a part of it fits into the socket. */
        assert_true(lodge_process(x->bus) >= 0);
        assert_int_equal(lodge_get_events(x->bus), POLLIN);
        assert_true(x->bus->write_blocked);
        fixture_reconnect(x);
        assert_int_equal(t.n, 2);
        assert_int_equal(t.errors[0], 0);
        assert_int_equal(heard(x, 0).body.size, size);
        assert_heard(x, 1, "", "small");
        free(body);
}

static void last_words_are_heard(void **state) {
        struct fixture *x = *state;
        struct told t = {0};

        x->fake->answer = fake_answer_hello;
        queue_send(x, "a", "1", &t);
        fixture_turn(x);
        fake_confirm(x->fake, heard(x, 0).serial, 1, 5);
        fake_drop(x->fake);
        /* This cannot be written any more, but what came before the end is read. */
        queue_send(x, "a", "2", &t);
        fixture_turn(x);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.ids[0], 5);
        fake_forget(x->fake);
        x->fake->answer = NULL;
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 1);
        assert_int_equal(t.n, 2);
}

static void goodbye_is_a_loss(void **state) {
        struct fixture *x = *state;
        uint8_t fields[64], *p = fields;
        struct told t = {0};

        x->fake->answer = fake_answer_hello;
        queue_send(x, "a", "1", &t);
        fixture_turn(x);
        p += wire_put_u16(p, WIRE_FIELD_CODE, WIRE_CODE_SHUTTING_DOWN);
        fake_general(x->fake, WIRE_GOODBYE, 0, 0, 0, fields, (size_t) (p - fields));
        x->fake->answer = NULL;
        fixture_turn(x);
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(x->fake->n_accepted, 2);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.errors[0], 0);
}

static void send_refused_by_a_daemon_that_shuts_down_is_sent_again(void **state) {
        struct fixture *x = *state;
        struct told t = {0};

        x->fake->answer = fake_answer_hello;
        queue_send(x, "a", "1", &t);
        fixture_turn(x);
        fake_error(x->fake, WIRE_ERROR_OF_SEND, heard(x, 0).serial, WIRE_CODE_SHUTTING_DOWN, "bye");
        x->fake->answer = NULL;
        fixture_turn(x);
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.errors[0], 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(unconfirmed_sends_are_sent_again_in_order),
                fixture_test(first_send_after_a_reconnect_has_its_subject),
                fixture_test(sends_while_disconnected_wait),
                fixture_test(refused_sends_are_not_sent_again),
                fixture_test(closing_with_refusals_outstanding_leaks_nothing),
                fixture_test(lost_in_the_middle_of_a_frame),
                fixture_test(last_words_are_heard),
                fixture_test(goodbye_is_a_loss),
                fixture_test(send_refused_by_a_daemon_that_shuts_down_is_sent_again),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
