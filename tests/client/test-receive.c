/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/client/fixture.h"

static void refuse_consume(struct fake *f, const uint8_t *frame, size_t size) {
        fake_answer_hello(f, frame, size);
        if (frame[4] == WIRE_CONSUME)
                fake_error(f, 0, wire_get32(frame + 8), WIRE_CODE_NOT_FOUND, "no queue q");
}

static void deliver_on_credit(struct fake *f, const uint8_t *frame, size_t size) {
        static const char body[] = "one";

        fake_answer(f, frame, size);
        if (frame[4] == WIRE_CONSUME || frame[4] == WIRE_CREDIT)
                fake_deliver(f, wire_get16(frame + 6), f->next_id++, NULL, body, 3);
}

static void receive_takes_one_at_a_time(void **state) {
        struct fixture *x = *state;

        x->fake->answer = deliver_on_credit;
        for (int i = 0; i < 3; i++) {
                CLEANUP(lodge_message_unrefp) lodge_message *m = NULL;

                assert_int_equal(lodge_receive(x->bus, "q", 1000000, &m), 1);
                assert_int_equal(lodge_message_get_id(m), 1001 + i);
                assert_string_equal(lodge_message_get_subject(m), "q");
                assert_int_equal(lodge_message_ack(m), 0);
        }
        assert_int_equal(lodge_flush(x->bus), 0);
        assert_int_equal(fake_count(x->fake, WIRE_CONSUME), 1);
        assert_int_equal(fake_count(x->fake, WIRE_CREDIT), 2);
        assert_int_equal(fake_count(x->fake, WIRE_ACK), 4);
}

static void receive_times_out_and_lets_go(void **state) {
        struct fixture *x = *state;
        uint64_t before = x->fake->now_us;
        lodge_message *m = NULL;

        assert_int_equal(lodge_receive(x->bus, "q", 1500000, &m), 0);
        assert_true(x->fake->now_us - before >= 1500000);
        assert_null(m);
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_CANCEL), 1);
        assert_int_equal(lodge_receive(x->bus, "q", 1, &m), 0);
        assert_int_equal(fake_count(x->fake, WIRE_CONSUME), 2);
}

static void receive_with_no_time_takes_what_is_there(void **state) {
        struct fixture *x = *state;
        uint64_t before = x->fake->now_us;
        lodge_message *m = NULL;

        assert_int_equal(lodge_receive(x->bus, "q", 0, &m), 0);
        x->fake->answer = deliver_on_credit;
        assert_int_equal(lodge_receive(x->bus, "q", 0, &m), 1);
        assert_int_equal(x->fake->now_us, before);
        lodge_message_unref(m);
}

static void receive_keeps_leases_over_a_timeout(void **state) {
        struct fixture *x = *state;
        lodge_message *m = NULL, *none = NULL;

        x->fake->answer = deliver_on_credit;
        assert_int_equal(lodge_receive(x->bus, "q", 1, &m), 1);
        x->fake->answer = NULL;
        assert_int_equal(lodge_receive(x->bus, "q", 1, &none), 0);
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_CANCEL), 0);
        assert_int_equal(lodge_message_ack(m), 0);
        lodge_message_unref(m);
        /* One that comes when nobody waits goes back. */
        fake_deliver(x->fake, 1, 99, NULL, "late", 4);
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_NACK), 1);
        x->fake->answer = deliver_on_credit;
        assert_int_equal(lodge_receive(x->bus, "q", 1, &m), 1);
        lodge_message_unref(m);
}

static void receive_from_nowhere(void **state) {
        struct fixture *x = *state;
        lodge_message *m = NULL;

        x->fake->answer = refuse_consume;
        assert_int_equal(lodge_receive(x->bus, "q", LODGE_FOREVER, &m), -ENOENT);
        assert_string_equal(lodge_get_error(x->bus)->text, "no queue q");
        assert_int_equal(lodge_receive(x->bus, "q", 0, &m), -ENOENT);
        assert_int_equal(lodge_receive(x->bus, "*", 0, &m), -EINVAL);
        x->fake->answer = deliver_on_credit;
        assert_int_equal(lodge_receive(x->bus, "q", LODGE_FOREVER, &m), 1);
        lodge_message_unref(m);
}

static void receive_in_a_handler(lodge_message *m, void *userdata) {
        struct fixture *x = userdata;
        lodge_message *other = NULL;

        (void) m;
        assert_int_equal(lodge_receive(x->bus, "q", 1, &other), -EBUSY);
}

static void receive_does_not_wait_in_handlers(void **state) {
        struct fixture *x = *state;

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, receive_in_a_handler, x), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fixture_turn(x);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(receive_takes_one_at_a_time),
                fixture_test(receive_times_out_and_lets_go),
                fixture_test(receive_with_no_time_takes_what_is_there),
                fixture_test(receive_keeps_leases_over_a_timeout),
                fixture_test(receive_from_nowhere),
                fixture_test(receive_does_not_wait_in_handlers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
