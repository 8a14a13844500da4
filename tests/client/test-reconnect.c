/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/wait.h>
#include <unistd.h>

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

struct states {
        int n;
        lodge_state last;
        bool close;
};

static void on_state(lodge *bus, lodge_state state, void *userdata) {
        struct states *s = userdata;

        s->n++;
        s->last = state;
        if (s->close)
                lodge_unref(bus);
}

static void queue_send(struct fixture *x, const char *subject, const char *body, struct told *t) {
        assert_int_equal(lodge_send_async(x->bus, NULL, subject, body, strlen(body), t ? on_sent : NULL, t), 0);
}

static void state_is_told(void **state) {
        struct fixture *x = *state;
        struct states s = {0};

        assert_int_equal(lodge_set_state_handler(x->bus, on_state, &s), 0);
        fake_drop(x->fake);
        fixture_turn(x);
        assert_int_equal(s.n, 1);
        assert_int_equal(s.last, LODGE_DISCONNECTED);
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(s.n, 2);
        assert_int_equal(s.last, LODGE_CONNECTED);
        assert_string_equal(lodge_get_server(x->bus), "fake 1.0");
}

/* When the client will try again. Its memory may have to be given back before that. */
static uint64_t next_try(struct fixture *x) {
        uint64_t at_us;

        for (;;) {
                assert_int_equal(lodge_get_timeout(x->bus, &at_us), 0);
                assert_true(at_us >= x->fake->now_us && at_us != UINT64_MAX);
                if (at_us == x->bus->reconnect_us)
                        return at_us;
                x->fake->now_us = at_us;
                assert_true(lodge_process(x->bus) >= 0);
        }
}

static void delays_grow_and_are_capped(void **state) {
        struct fixture *x = *state;
        uint64_t at_us, delay_us, last_us = 0;

        while (x->bus->idle_us != UINT64_MAX) {
                x->fake->now_us = x->bus->idle_us;
                fixture_turn(x);
        }
        fake_stop(x->fake);
        fake_drop(x->fake);
        fixture_turn(x);
        for (int i = 0; i < 20; i++) {
                at_us = next_try(x);
                assert_true(at_us > x->fake->now_us);
                delay_us = at_us - x->fake->now_us;
                assert_true(delay_us <= 1000000);
                if (i == 0)
                        assert_true(delay_us >= 5000 && delay_us <= 10000);
                if (i > 8)
                        assert_true(delay_us >= 500000);
                last_us = delay_us;
                x->fake->now_us = at_us - 1;
                assert_int_equal(lodge_process(x->bus), 0);
                x->fake->now_us = at_us;
                assert_int_equal(lodge_process(x->bus), 1);
        }
        assert_true(last_us > 0);
        fake_start(x->fake);
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(lodge_ping(x->bus), 0);
        /* That connection lasted: the next loss begins with a short delay again. */
        x->fake->now_us += 10 * RECONNECT_US;
        fake_drop(x->fake);
        fixture_turn(x);
        at_us = next_try(x);
        assert_true(at_us - x->fake->now_us <= 10000);
}

static void a_daemon_that_greets_and_hangs_up_is_not_stormed(void **state) {
        struct fixture *x = *state;

        for (int i = 0; i < 12; i++) {
                fake_drop(x->fake);
                fixture_turn(x);
                if (i == 11)
                        assert_true(x->bus->reconnect_us - x->fake->now_us >= 500000);
                x->fake->now_us = next_try(x);
                fixture_turn(x);
        }
        assert_int_equal(x->fake->n_accepted, 13);
}

/* ---- consumers ---- */

struct got {
        int n, acked;
        lodge_message *kept;
};

static void on_message(lodge_message *m, void *userdata) {
        struct got *g = userdata;

        g->n++;
        if (!g->kept)
                g->kept = lodge_message_ref(m);
        else
                g->acked += lodge_message_ack(m) == 0;
}

static void consumers_are_set_up_again(void **state) {
        struct fixture *x = *state;
        struct wire_general general;
        const struct fake_frame *frame;
        struct wire_field field;
        struct got g = {0};
        lodge_slot *gone = NULL;

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        assert_int_equal(lodge_consume(x->bus, &gone, "r", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fixture_turn(x);
        assert_non_null(g.kept);
        fake_drop(x->fake);
        fixture_turn(x);
        assert_int_equal(lodge_message_ack(g.kept), -ESTALE);
        lodge_slot_unref(gone);
        fake_forget(x->fake);
        x->fake->now_us += RECONNECT_US;
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_CONSUME), 1);
        assert_int_equal(fake_count(x->fake, WIRE_CANCEL), 0);
        frame = fake_find(x->fake, WIRE_CONSUME, 0);
        assert_int_equal(wire_general_parse(frame->data, frame->size, &general, NULL), 0);
        assert_true(wire_field_find(general.fields, WIRE_FIELD_CREDIT_MESSAGES, &field));
        assert_int_equal(field.number, 256);
        /* The lease of before is still stale, that of now is good. */
        assert_int_equal(lodge_message_ack(g.kept), -ESTALE);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(g.acked, 1);
        assert_int_equal(lodge_flush(x->bus), 0);
        lodge_message_unref(g.kept);
}

static void flush_does_not_claim_acks_that_were_lost(void **state) {
        struct fixture *x = *state;
        struct got g = {.kept = NULL};

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        fixture_turn(x);
        fake_deliver(x->fake, 1, 1, NULL, "b", 1);
        fake_deliver(x->fake, 1, 2, NULL, "b", 1);
        fixture_turn(x);
        assert_int_equal(g.acked, 1);
        fixture_reconnect(x);
        assert_int_equal(lodge_flush(x->bus), -ESTALE);
        assert_int_equal(lodge_flush(x->bus), 0);
        lodge_message_unref(g.kept);
}

static bool come_back(struct fake *f) {
        if (f->listen_fd >= 0)
                return false;
        fake_start(f);
        return false;
}

static void deliver_on_consume(struct fake *f, const uint8_t *frame, size_t size) {
        fake_answer(f, frame, size);
        if (frame[4] == WIRE_CONSUME && f->n_accepted > 1)
                fake_deliver(f, wire_get16(frame + 6), 5, NULL, "b", 1);
}

static void receive_waits_over_a_restart(void **state) {
        struct fixture *x = *state;
        lodge_message *m = NULL;

        fake_stop(x->fake);
        fake_drop(x->fake);
        x->fake->idle = come_back;
        x->fake->answer = deliver_on_consume;
        assert_int_equal(lodge_receive(x->bus, "q", LODGE_FOREVER, &m), 1);
        assert_int_equal(lodge_message_get_id(m), 5);
        assert_int_equal(lodge_message_ack(m), 0);
        lodge_message_unref(m);
}

/* ---- requests ---- */

static bool drop_once(struct fake *f) {
        if (f->n_accepted > 1 || f->fd < 0)
                return false;
        fake_drop(f);
        f->answer = NULL;
        return true;
}

/* The daemon takes the question and dies. */
static void lose_the_answer(struct fixture *x) {
        x->fake->n_accepted = 1;
        x->fake->answer = fake_answer_hello;
        x->fake->idle = drop_once;
}

static void what_can_be_asked_twice_is(void **state) {
        struct fixture *x = *state;

        lose_the_answer(x);
        assert_int_equal(lodge_declare(x->bus, "q", NULL, NULL, 0), 0);
        assert_int_equal(fake_count(x->fake, WIRE_DECLARE), 2);
        lose_the_answer(x);
        assert_int_equal(lodge_set(x->bus, "q", NULL), 0);
        lose_the_answer(x);
        assert_int_equal(lodge_bind(x->bus, "q", "a"), 0);
        lose_the_answer(x);
        assert_int_equal(lodge_ping(x->bus), 0);
        assert_int_equal(fake_count(x->fake, WIRE_PING), 2);
        lose_the_answer(x);
        assert_int_equal(lodge_list(x->bus, NULL, (lodge_item_handler) abort, NULL), 0);
        lose_the_answer(x);
        assert_int_equal(lodge_browse(x->bus, "q", 0, 5, (lodge_message_handler) abort, NULL, NULL), 0);
        assert_int_equal(fake_count(x->fake, WIRE_BROWSE), 2);
}

static void what_cannot_fails(void **state) {
        struct fixture *x = *state;

        lose_the_answer(x);
        assert_int_equal(lodge_declare(x->bus, "q", NULL, NULL, LODGE_DECLARE_EXCLUSIVE), -ECONNRESET);
        assert_int_equal(lodge_get_error(x->bus)->number, -ECONNRESET);
        assert_string_equal(lodge_get_error(x->bus)->name, "connection-lost");
        fixture_reconnect(x);
        lose_the_answer(x);
        assert_int_equal(lodge_delete(x->bus, "q", 0), -ECONNRESET);
        fixture_reconnect(x);
        lose_the_answer(x);
        assert_int_equal(lodge_unbind(x->bus, "q", "a"), -ECONNRESET);
        assert_int_equal(fake_count(x->fake, WIRE_DELETE), 1);
        /* Not on its way yet: nothing speaks against asking. */
        fake_drop(x->fake);
        fixture_turn(x);
        assert_int_equal(lodge_delete(x->bus, "q", 0), 0);
        assert_int_equal(fake_count(x->fake, WIRE_DELETE), 2);
}

static void answer_half(struct fake *f, const uint8_t *frame, size_t size) {
        fake_answer_hello(f, frame, size);
        if (frame[4] == WIRE_LIST)
                fake_general(f, WIRE_ITEM, 0, 0, wire_get32(frame + 8), NULL, 0);
}

static void count_item(const lodge_item *item, void *userdata) {
        (void) item;
        ++*(int *) userdata;
}

static void half_a_listing_is_not_begun_again(void **state) {
        struct fixture *x = *state;
        int n = 0;

        lose_the_answer(x);
        x->fake->answer = answer_half;
        assert_int_equal(lodge_list(x->bus, NULL, count_item, &n), -ECONNRESET);
        assert_int_equal(n, 1);
}

static void calls_wait_for_the_connection(void **state) {
        struct fixture *x = *state;

        fake_stop(x->fake);
        fake_drop(x->fake);
        fixture_turn(x);
        assert_int_equal(lodge_ping(x->bus), -ETIMEDOUT);
        assert_null(x->bus->requests);
        x->fake->idle = come_back;
        assert_int_equal(lodge_ping(x->bus), 0);
        assert_int_equal(fake_count(x->fake, WIRE_PING), 1);
}

/* ---- what does not mend itself ---- */

static void version_that_does_not_fit(void **state) {
        struct fixture *x = *state;
        struct told t = {0};

        x->fake->answer = fake_answer_hello;
        queue_send(x, "a", "1", &t);
        fixture_turn(x);
        fake_error(x->fake, 0, 0, WIRE_CODE_MALFORMED, "cannot read this");
        fixture_turn(x);
        assert_int_equal(lodge_process(x->bus), -EBADMSG);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.errors[0], -EBADMSG);
        assert_string_equal(lodge_get_error(x->bus)->text, "cannot read this");
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, NULL, NULL), -EBADMSG);
        assert_int_equal(lodge_ping(x->bus), -EBADMSG);
        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, NULL), -EBADMSG);
        assert_int_equal(lodge_wait(x->bus, 1), -EBADMSG);
        assert_int_equal(x->fake->n_accepted, 1);
}

static void closing_when_told_of_the_loss(void **state) {
        struct fixture *x = *state;
        struct states s = {.close = true};
        struct got g = {0};
        int r;

        assert_int_equal(lodge_consume(x->bus, NULL, "q", NULL, on_message, &g), 0);
        queue_send(x, "a", "1", NULL);
        fixture_turn(x);
        assert_int_equal(lodge_set_state_handler(x->bus, on_state, &s), 0);
        fake_drop(x->fake);
        do
                r = lodge_process(x->bus);
        while (s.n == 0);
        assert_int_equal(r, -ENOTCONN);
        x->bus = NULL;
}

static void a_child_is_refused(void **state) {
        struct fixture *x = *state;
        lodge_message *m = NULL;
        int status;
        pid_t pid;

        queue_send(x, "a", "1", NULL);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                bool good = lodge_process(x->bus) == -ECHILD && lodge_wait(x->bus, 0) == -ECHILD &&
                            lodge_send(x->bus, "a", "x", 1, NULL) == -ECHILD && lodge_flush(x->bus) == -ECHILD &&
                            lodge_ping(x->bus) == -ECHILD && lodge_receive(x->bus, "q", 0, &m) == -ECHILD &&
                            lodge_get_fd(x->bus) == -ECHILD;

                lodge_unref(x->bus);
                _exit(good ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        /* Nothing of it reached the daemon, and the parent goes on. */
        fake_settle(x->fake);
        assert_int_equal(x->fake->n_frames, 0);
        assert_int_equal(lodge_flush(x->bus), 0);
        assert_int_equal(x->fake->n_accepted, 1);
}

static void memory_is_given_back_at_rest(void **state) {
        struct fixture *x = *state;
        char body[1000] = {0};
        uint64_t at_us;

        for (int i = 0; i < 5000; i++)
                assert_int_equal(lodge_send_async(x->bus, NULL, "a", body, sizeof(body), NULL, NULL), 0);
        assert_int_equal(lodge_flush(x->bus), 0);
        assert_true(x->bus->sending.log.capacity > 1000000);
        for (int i = 0; i < 4 && lodge_get_timeout(x->bus, &at_us) == 0 && at_us != UINT64_MAX; i++) {
                x->fake->now_us = at_us;
                fixture_turn(x);
        }
        assert_int_equal(lodge_get_timeout(x->bus, &at_us), 0);
        assert_true(at_us == UINT64_MAX);
        assert_true(x->bus->sending.log.capacity <= IDLE_KEEP_BYTES);
        assert_int_equal(x->bus->input.capacity, 0);
        assert_true(x->bus->sending.capacity * sizeof(struct entry) <= IDLE_KEEP_BYTES);
        assert_int_equal(lodge_send(x->bus, "a", "x", 1, NULL), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(state_is_told),
                fixture_test(delays_grow_and_are_capped),
                fixture_test(a_daemon_that_greets_and_hangs_up_is_not_stormed),
                fixture_test(consumers_are_set_up_again),
                fixture_test(flush_does_not_claim_acks_that_were_lost),
                fixture_test(receive_waits_over_a_restart),
                fixture_test(what_can_be_asked_twice_is),
                fixture_test(what_cannot_fails),
                fixture_test(half_a_listing_is_not_begun_again),
                fixture_test(calls_wait_for_the_connection),
                fixture_test(version_that_does_not_fit),
                fixture_test(closing_when_told_of_the_loss),
                fixture_test(a_child_is_refused),
                fixture_test(memory_is_given_back_at_rest),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
