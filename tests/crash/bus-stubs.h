/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The daemon's bus without sessions and without a log: what is under test is the opening, the commits and compaction,
 * the core and the store. Consumers are takers, which keep what they get.
 */

#include "daemon/bus.h"
#include "daemon/core/internal.h"
#include "daemon/log.h"

struct taken {
        uint64_t id;
        uint32_t deliveries;
        uint8_t priority;
        uint64_t message; /* index, as its body says */
        bool whole;
};

struct taker {
        struct consumer *consumer;
        struct taken *items;
        size_t n;
};

static bool body_is_whole(struct wire_span body, uint64_t *ret_message);

static void taker_add(struct taker *t, const struct core_message *m) {
        struct taken *item;

        t->items = reallocarray(t->items, t->n + 1, sizeof *t->items);
        assert_non_null(t->items);
        item = &t->items[t->n++];
        *item = (struct taken){.id = m->id, .deliveries = m->deliveries, .priority = m->priority};
        item->whole = body_is_whole(m->body, &item->message);
}

static void taker_remove(struct taker *t, size_t at) {
        memmove(t->items + at, t->items + at + 1, (--t->n - at) * sizeof *t->items);
}

void session_deliver(void *consumer_userdata, const struct core_message *message) {
        taker_add(consumer_userdata, message);
}

static void on_browsed(const struct core_message *message, void *userdata) {
        taker_add(userdata, message);
}

void session_cancelled(void *consumer_userdata, const struct refusal *why) {
        (void) why;
        ((struct taker *) consumer_userdata)->consumer = NULL;
}

int session_host_init(struct session_host *host) {
        TAILQ_INIT(&host->waiting);
        return 0;
}

void session_host_done(struct session_host *host) {
        (void) host;
}

void session_committed(struct session *s, uint64_t commit) {
        (void) s, (void) commit;
}

struct session *session_next_waiting(const struct session *s) {
        (void) s;
        return NULL;
}

void attribute_u64(struct attributes *a, const char *key, uint64_t value) {
        (void) a, (void) key, (void) value;
}

void attribute_bool(struct attributes *a, const char *key, bool value) {
        (void) a, (void) key, (void) value;
}

void attribute_string(struct attributes *a, const char *key, const void *data, size_t size) {
        (void) a, (void) key, (void) data, (void) size;
}

void log_event(int level, const char *id, const struct log_field *fields, const char *format, ...) {
        (void) level, (void) id, (void) fields, (void) format;
}
