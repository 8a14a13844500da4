/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "tests/client/fixture.h"

/* Turns the loop, and the fake with it, until `done`; the loop never waits. */
static void run_until(struct fixture *x, sd_event *event, const int *done) {
        for (int i = 0; *done == 0; i++) {
                assert_true(i < 10000);
                fake_settle(x->fake);
                assert_true(sd_event_run(event, 0) >= 0);
        }
}

static void on_sent(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        (void) bus;
        (void) id;
        assert_null(error);
        ++*(int *) userdata;
}

static void on_sent_detach(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        on_sent(bus, id, error, userdata);
        assert_int_equal(lodge_detach_event(bus), 0);
}

static void on_sent_close(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        struct fixture *x = userdata;

        (void) id;
        (void) error;
        x->bus = lodge_unref(bus);
}

static void runs_on_a_loop(void **state) {
        CLEANUP(sd_event_unrefp) sd_event *event = NULL;
        struct fixture *x = *state;
        int sent = 0;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(lodge_attach_event(x->bus, event, 0), 0);
        assert_int_equal(lodge_attach_event(x->bus, event, 0), -EBUSY);
        /* Queued outside the loop: it leaves before the loop sleeps. */
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, on_sent, &sent), 0);
        run_until(x, event, &sent);
        assert_int_equal(sent, 1);
        assert_int_equal(lodge_detach_event(x->bus), 0);
        assert_int_equal(lodge_detach_event(x->bus), 0);
        /* And works without it again. */
        assert_int_equal(lodge_send(x->bus, "a", "x", 1, NULL), 0);
}

static int on_other(sd_event_source *source, void *userdata) {
        struct fixture *x = userdata;

        (void) source;
        return lodge_send_async(x->bus, NULL, "a", "other", 5, NULL, NULL);
}

static void what_other_sources_queue_leaves_too(void **state) {
        CLEANUP(sd_event_unrefp) sd_event *event = NULL;
        CLEANUP(sd_event_source_unrefp) sd_event_source *source = NULL;
        struct fixture *x = *state;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(lodge_attach_event(x->bus, event, 10), 0);
        assert_true(sd_event_add_defer(event, &source, on_other, x) >= 0);
        for (int i = 0; i < 5; i++) {
                assert_true(sd_event_run(event, 0) >= 0);
                fake_settle(x->fake);
        }
        assert_int_equal(fake_count(x->fake, WIRE_SEND), 1);
}

static void detaching_in_a_handler(void **state) {
        CLEANUP(sd_event_unrefp) sd_event *event = NULL;
        struct fixture *x = *state;
        int sent = 0;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(lodge_attach_event(x->bus, event, 0), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, on_sent_detach, &sent), 0);
        run_until(x, event, &sent);
        assert_true(sd_event_run(event, 0) >= 0);
        assert_int_equal(lodge_send(x->bus, "a", "x", 1, NULL), 0);
}

static void closing_in_a_handler(void **state) {
        CLEANUP(sd_event_unrefp) sd_event *event = NULL;
        struct fixture *x = *state;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(lodge_attach_event(x->bus, event, 0), 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", "x", 1, on_sent_close, x), 0);
        for (int i = 0; x->bus; i++) {
                assert_true(i < 10000);
                fake_settle(x->fake);
                assert_true(sd_event_run(event, 0) >= 0);
        }
        assert_true(sd_event_run(event, 0) >= 0);
}

static void closing_detaches(void **state) {
        CLEANUP(sd_event_unrefp) sd_event *event = NULL;
        struct fixture *x = *state;

        assert_true(sd_event_new(&event) >= 0);
        assert_int_equal(lodge_attach_event(x->bus, event, 0), 0);
        x->bus = lodge_unref(x->bus);
        assert_int_equal(sd_event_run(event, 0), 0);
}

/* The kernel's timer knows nothing of the fake's clock. Where that matters, the fake lives an hour ahead, so that
 * timers are set and do not fire. */
static void live_ahead(struct fixture *x) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        x->fake->now_us = (uint64_t) (t.tv_sec + 3600) * 1000000;
        fixture_turn(x);
}

static bool is_timed(const struct fixture *x) {
        struct itimerspec t;

        assert_int_equal(timerfd_gettime(x->bus->timer_fd, &t), 0);
        return t.it_value.tv_sec > 3000;
}

static bool is_ready(int fd) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        return poll(&p, 1, 0) == 1;
}

static void descriptor_is_good_while_disconnected(void **state) {
        struct fixture *x = *state;
        int fd;

        live_ahead(x);
        fd = lodge_get_fd(x->bus);
        assert_true(fd >= 0);
        assert_int_equal(lodge_get_events(x->bus), POLLIN);
        assert_false(is_ready(fd));
        fake_general(x->fake, WIRE_PING, 0, 0, 1, NULL, 0);
        assert_true(is_ready(fd));
        fixture_turn(x);
        assert_false(is_ready(fd));
        fake_drop(x->fake);
        assert_true(is_ready(fd));
        while (lodge_process(x->bus) > 0)
                ;
        assert_int_equal(x->bus->fd, -1);
        assert_int_equal(lodge_get_fd(x->bus), fd);
        assert_false(is_ready(fd));
        assert_true(is_timed(x));
        x->fake->now_us += 2000000;
        fixture_turn(x);
        assert_int_equal(x->fake->n_accepted, 2);
        assert_int_equal(lodge_get_fd(x->bus), fd);
        fake_general(x->fake, WIRE_PING, 0, 0, 1, NULL, 0);
        assert_true(is_ready(fd));
        fixture_turn(x);
        assert_int_equal(fake_count(x->fake, WIRE_PONG), 2);
}

static void blocked_writes_wake_the_descriptor(void **state) {
        struct fixture *x = *state;
        size_t size = 4u << 20;
        char *body = calloc(1, size);
        int fd, sent = 0;

        live_ahead(x);
        fd = lodge_get_fd(x->bus);
        assert_non_null(body);
        assert_true(fd >= 0);
        assert_int_equal(lodge_send_async(x->bus, NULL, "a", body, size, on_sent, &sent), 0);
        free(body);
        while (lodge_process(x->bus) > 0)
                ;
        assert_true(x->bus->write_blocked);
        assert_false(is_ready(fd));
        while (sent == 0) {
                fake_settle(x->fake);
                assert_true(is_ready(fd));
                while (lodge_process(x->bus) > 0)
                        ;
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                fixture_test(runs_on_a_loop),
                fixture_test(what_other_sources_queue_leaves_too),
                fixture_test(detaching_in_a_handler),
                fixture_test(closing_in_a_handler),
                fixture_test(closing_detaches),
                fixture_test(descriptor_is_good_while_disconnected),
                fixture_test(blocked_writes_wake_the_descriptor),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
