/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/*
 * Taking one message at a time: a consumer for each queue that was asked, which gets credit for one message when
 * somebody waits. It stays between calls, for its leases and for the next call.
 */

struct receiver {
        struct receiver *next;     /* in bus->receivers */
        struct consumer *consumer; /* referenced; over when the daemon ended it */
        lodge_message *message;
        int result;
};

void receivers_free(lodge *bus) {
        while (bus->receivers) {
                struct receiver *rx = bus->receivers;

                bus->receivers = rx->next;
                lodge_message_unref(rx->message);
                consumer_unref(rx->consumer);
                free(rx);
        }
}

static void receiver_free(lodge *bus, struct receiver *rx) {
        struct receiver **at = &bus->receivers;

        while (*at != rx)
                at = &(*at)->next;
        *at = rx->next;
        consumer_unref(rx->consumer);
        free(rx);
}

static void on_message(lodge_message *m, void *userdata) {
        struct receiver *rx = userdata;

        /* One that comes when nobody waits any more goes back at once. */
        if (rx->consumer->wanted && !rx->message) {
                rx->message = lodge_message_ref(m);
                if (rx->message)
                        return;
                rx->result = -ENOMEM;
        }
        (void) lodge_message_nack(m);
}

static void on_ended(lodge *bus, const lodge_error *error, void *userdata) {
        struct receiver *rx = userdata;

        rx->result = error->number;
        error_keep(bus, error_copy(error));
}

static int receiver_new(lodge *bus, const char *queue, struct receiver **ret) {
        struct consumer_setup setup = {
                .queue = queue,
                .prefetch_messages = 1,
                .prefetch_bytes = 1,
                .manual_credit = true,
                .handler = on_message,
                .ended = on_ended,
        };
        struct receiver *rx;
        int r;

        rx = calloc(1, sizeof(*rx));
        if (!rx)
                return -ENOMEM;
        setup.userdata = rx;
        r = consumer_new(bus, &setup, &rx->consumer);
        if (r < 0) {
                free(rx);
                return r;
        }
        consumer_ref(rx->consumer);
        rx->next = bus->receivers;
        bus->receivers = rx;
        *ret = rx;
        return 0;
}

/* Finds or makes the receiver of a queue, with credit for one message under way. */
static int receiver_get(lodge *bus, const char *queue, struct receiver **ret) {
        struct receiver *rx = bus->receivers, *next;
        struct consumer *c;

        for (; rx; rx = next) {
                next = rx->next;
                if (rx->consumer->state == CONSUMER_OVER)
                        receiver_free(bus, rx);
                else if (strcmp(rx->consumer->name, queue) == 0)
                        break;
        }
        if (!rx)
                return receiver_new(bus, queue, ret);

        *ret = rx;
        rx->result = 0;
        c = rx->consumer;
        c->wanted = true;
        if (bus->state != CONNECTION_UP || bus->lost || c->available_messages > 0)
                return 0;
        return consumer_grant(c, 1, c->available_bytes < 1 ? (uint32_t) (1 - c->available_bytes) : 0);
}

static bool is_over(const struct receiver *rx) {
        return rx->message || rx->result < 0;
}

static int receive_until(lodge *bus, struct receiver *rx, uint64_t deadline_us) {
        int r;

        while (!is_over(rx)) {
                r = bus_turn(bus, deadline_us);
                if (r < 0)
                        return r;
        }
        return rx->result;
}

/* Waits for the answer to a PING, or for what the receiver wants. */
static int receive_ping(lodge *bus, struct receiver *rx, uint64_t deadline_us) {
        struct waiter waiter = {0};
        struct fields none = {0};
        struct request *q;
        int r;

        r = request_new(bus, WIRE_PING, 0, &none, &q);
        if (r < 0)
                return r;
        q->repeatable = true;
        q->waiter = &waiter;
        r = request_start(bus, q);
        if (r < 0)
                return r;
        while (r >= 0 && !waiter.done && !is_over(rx))
                r = bus_turn(bus, deadline_us);
        if (!waiter.done)
                request_give_up(bus, q);
        return r;
}

/* Takes what is there: after two questions and answers, a message that was waiting has come. */
static int receive_now(lodge *bus, struct receiver *rx) {
        uint64_t deadline_us = bus_call_deadline(bus);
        int r = 0;

        for (int i = 0; i < 2 && r >= 0 && !is_over(rx); i++)
                r = receive_ping(bus, rx, deadline_us);
        if (r < 0)
                return r;
        return rx->result < 0 ? rx->result : -ETIMEDOUT;
}

/* Nobody waits any more. The consumer stays if it holds leases, which would go back with it. */
static void receiver_stop(lodge *bus, struct receiver *rx) {
        struct consumer *c = rx->consumer;

        c->wanted = false;
        if (c->state == CONSUMER_ACTIVE && c->leased == 0 && c->available_messages > 0) {
                consumer_cancel(c);
                (void) output_write(bus);
        }
        if (c->state != CONSUMER_ACTIVE)
                receiver_free(bus, rx);
}

static int receive(lodge *bus, const char *queue, uint64_t timeout_us, lodge_message **ret) {
        struct receiver *rx = NULL;
        int r;

        r = receiver_get(bus, queue, &rx);
        if (r < 0)
                return r;
        if (timeout_us == 0)
                r = receive_now(bus, rx);
        else
                r = receive_until(bus, rx, time_after(bus_now(bus), timeout_us));
        if (bus->closed)
                return -ENOTCONN;
        if (rx->message) {
                rx->consumer->wanted = false;
                *ret = rx->message;
                rx->message = NULL;
                return 1;
        }
        receiver_stop(bus, rx);
        return r == -ETIMEDOUT ? 0 : r;
}

PUBLIC int lodge_receive(lodge *bus, const char *queue, uint64_t timeout_us, lodge_message **ret) {
        int r;

        if (!bus || !queue || !ret || wire_subject_check(queue, strlen(queue), NULL) < 0)
                return -EINVAL;
        r = bus_enter(bus);
        if (r < 0)
                return r;
        r = receive(bus, queue, timeout_us, ret);
        bus_leave(bus);
        return r;
}
