/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "client/lodge.h"
#include "tests/bench/lodge-clients.h"
#include "tests/bench/measure.h"

#define WARM_MESSAGES     20
#define PREFETCH_MESSAGES 10000
#define PREFETCH_BYTES    (16u << 20)

static void freep(uint8_t **p) {
        free(*p);
}

int lodge_bench_send_one(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        __attribute__((cleanup(freep))) uint8_t *body = calloc(1, load->size);
        int r;

        r = body ? lodge_open_socket(&bus, address) : -ENOMEM;
        for (int i = 0; i < WARM_MESSAGES && r >= 0; i++)
                r = lodge_send(bus, load->queue, body, load->size, NULL);
        if (r >= 0)
                r = role_ready(self);

        for (uint64_t before = self->start_ns, now; r >= 0 && self->count < load->count; before = now) {
                r = lodge_send(bus, load->queue, body, load->size, NULL);
                now = now_ns();
                histogram_add(&self->latency, now - before, 1);
                self->count++;
                if (now - self->start_ns >= load->time_ns)
                        break;
        }
        return r;
}

struct window {
        struct role *self;
        const struct load *load;
        uint64_t *sent_ns; /* when each unconfirmed message was sent, by number modulo the window */
        uint64_t sent, confirmed;
        uint64_t now; /* of the batch of confirms that is being handled; 0: not asked for yet */
        int error;
};

static void sent(lodge *bus, uint64_t id, const lodge_error *error, void *userdata) {
        struct window *w = userdata;

        (void) bus;
        (void) id;
        if (error)
                w->error = error->number;
        if (w->now == 0)
                w->now = now_ns();
        histogram_add(&w->self->latency, w->now - w->sent_ns[w->confirmed % w->load->window], 1);
        w->confirmed++;
}

/* Queues messages until the window is full. */
static int window_fill(struct window *w, lodge *bus, const uint8_t *body, uint64_t until) {
        uint64_t now = now_ns();

        while (w->sent < until && w->sent - w->confirmed < w->load->window) {
                int r = lodge_send_async(bus, NULL, w->load->queue, body, w->load->size, sent, w);

                if (r == -EAGAIN)
                        return 0;
                if (r < 0)
                        return r;
                w->sent_ns[w->sent++ % w->load->window] = now;
        }
        return 0;
}

/* Runs the connection until something was done. */
static int window_run(struct window *w, lodge *bus) {
        int r = lodge_process(bus);

        if (r == 0)
                r = lodge_wait(bus, LODGE_FOREVER);
        w->now = 0;
        return r < 0 ? r : w->error;
}

static int window_loop(struct window *w, lodge *bus, uint8_t *body) {
        uint64_t until = w->load->count;
        bool done = false;
        int r = 0;

        while (r >= 0 && (!done || w->confirmed < until)) {
                r = window_fill(w, bus, body, until);
                if (r >= 0)
                        r = window_run(w, bus);
                if (!done && (w->sent >= until || now_ns() - w->self->start_ns >= w->load->time_ns)) {
                        done = true;
                        until = w->sent + 1;
                        stamp_put(body, true);
                }
        }
        return r;
}

int lodge_bench_send_window(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        __attribute__((cleanup(freep))) uint8_t *body = calloc(1, load->size);
        struct window w = {.self = self, .load = load};
        int r;

        w.sent_ns = calloc(load->window, sizeof *w.sent_ns);
        r = body && w.sent_ns ? lodge_open_socket(&bus, address) : -ENOMEM;
        if (r >= 0)
                r = lodge_set_window(bus, load->window, (uint64_t) load->window * (load->size + 1024));
        if (r >= 0)
                r = role_ready(self);
        if (r >= 0)
                r = window_loop(&w, bus, body);
        self->count = w.confirmed;
        self->end_ns = now_ns();
        bus = lodge_unref(bus); /* before what its handlers use */
        free(w.sent_ns);
        return r;
}

int lodge_bench_send_paced(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        __attribute__((cleanup(freep))) uint8_t *body = calloc(1, load->size);
        int r;

        r = body ? lodge_open_socket(&bus, address) : -ENOMEM;
        if (r >= 0)
                r = role_ready(self);

        for (uint64_t i = 0; r >= 0 && i < load->count; i++) {
                uint64_t at = self->start_ns + i * 1000000000ull / load->rate;
                struct timespec t = {.tv_sec = (time_t) (at / 1000000000ull), .tv_nsec = (long) (at % 1000000000ull)};

                (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
                stamp_put(body, i + 1 == load->count);
                r = lodge_send_async(bus, NULL, load->queue, body, load->size, NULL, NULL);
                if (r >= 0)
                        r = lodge_process(bus);
        }
        return r < 0 ? r : lodge_flush(bus);
}

struct consumer {
        struct role *self;
        const struct load *load;
        bool done;
        int error;
};

static void received(lodge_message *m, void *userdata) {
        struct consumer *c = userdata;
        size_t size;
        struct stamp stamp = stamp_get(lodge_message_get_body(m, &size));
        int r;

        if (c->load->rate > 0)
                histogram_add(&c->self->latency, now_ns() - stamp.sent_ns, 1);
        c->self->count++;
        c->done = c->done || stamp.last;
        r = lodge_message_ack(m);
        if (r < 0)
                c->error = r;
}

int lodge_bench_consume(struct role *self, const struct load *load, const char *address) {
        __attribute__((cleanup(lodge_unrefp))) lodge *bus = NULL;
        lodge_consume_options options = {.prefetch_messages = PREFETCH_MESSAGES, .prefetch_bytes = PREFETCH_BYTES};
        struct consumer c = {.self = self, .load = load};
        int r;

        r = lodge_open_socket(&bus, address);
        if (r >= 0)
                r = lodge_consume(bus, NULL, load->queue, &options, received, &c);
        if (r >= 0)
                r = role_ready(self);

        while (r >= 0 && !c.done && c.error == 0) {
                r = lodge_process(bus);
                if (r == 0)
                        r = lodge_wait(bus, LODGE_FOREVER);
        }
        if (r >= 0)
                r = c.error < 0 ? c.error : lodge_flush(bus);
        self->end_ns = now_ns();
        return r;
}
