/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * What the core's tests share: a core above a store that is only memory, and consumers that write down what they get.
 * The store commits as the daemon does: seal, place, perhaps a checkpoint, and later `stored`; what was committed can
 * be played back into a new core.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/core.h"

#define UNUSED __attribute__((unused))

/* A record of the store. */
struct kept {
        uint8_t *data;
        size_t size;
        int retains;
};

/* A commit: its records, and perhaps the checkpoint of the state behind them. */
struct committed {
        size_t first, n; /* of fixture.records */
        uint8_t *checkpoint;
        size_t checkpoint_bytes;
};

struct fixture {
        struct core *core;
        struct core_options options;
        struct sender *sender;
        uint64_t now_us;

        struct kept *records;
        size_t n_records;
        size_t *segments; /* number of the first record of each; counted from 1 */
        size_t n_segments;
        struct committed *log;
        size_t n_log;
        struct block_list writing;
        bool running;           /* the last of `log` is not on disk yet */
        uint32_t merge_segment; /* to be emptied; 0: merge what is small */

        int load_error; /* what reading answers, unless 0 */
        unsigned n_loads, n_notices;
        char notice[512];
        struct refusal why; /* of the last call that refuses */
};

struct delivered {
        uint64_t id, time_us;
        uint32_t deliveries, sender;
        uint8_t priority;
        bool subject_is_queue;
        char subject[256], body[64]; /* the front of it */
        size_t body_bytes, fields_bytes;
};

/* A consumer, or who browses. */
struct listener {
        struct consumer *consumer;
        struct delivered got[64];
        size_t n;
        bool cancelled;
        struct refusal why;
};

UNUSED static struct wire_span span(const char *text) {
        return (struct wire_span){(const uint8_t *) text, strlen(text)};
}

/* ---- the store ---- */

static struct kept *fixture_record(struct fixture *f, struct place place) {
        assert_in_range(place.segment, 1, f->n_segments);
        assert_true(f->segments[place.segment - 1] + place.record < f->n_records);
        return &f->records[f->segments[place.segment - 1] + place.record];
}

static int fixture_load(void *userdata, struct place place, uint8_t **ret, size_t *ret_bytes) {
        struct fixture *f = userdata;
        struct kept *kept;
        uint8_t *copy;

        f->n_loads++;
        if (f->load_error != 0)
                return f->load_error;
        kept = fixture_record(f, place);
        /* What is not retained may be gone. */
        assert_int_equal(kept->retains, 1);
        copy = malloc(kept->size);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, kept->data, kept->size);
        *ret = copy;
        *ret_bytes = kept->size;
        return 0;
}

static void fixture_retain(void *userdata, struct place place) {
        struct kept *kept = fixture_record(userdata, place);

        assert_int_equal(kept->retains++, 0);
}

static void fixture_release(void *userdata, struct place place) {
        struct kept *kept = fixture_record(userdata, place);

        assert_int_equal(--kept->retains, 0);
}

static void fixture_notice(void *userdata, const char *text) {
        struct fixture *f = userdata;

        f->n_notices++;
        (void) snprintf(f->notice, sizeof(f->notice), "%s", text);
}

/* How many records the core wants kept. */
UNUSED static size_t fixture_n_retained(const struct fixture *f) {
        size_t n = 0;

        for (size_t i = 0; i < f->n_records; i++)
                n += f->records[i].retains > 0;
        return n;
}

static void fixture_deliver(void *userdata, const struct core_message *m) {
        struct listener *l = userdata;
        struct delivered *d = &l->got[l->n++];

        assert_true(l->n <= sizeof(l->got) / sizeof(l->got[0]));
        *d = (struct delivered){
                .id = m->id,
                .time_us = m->time_us,
                .deliveries = m->deliveries,
                .sender = m->sender->identity.uid,
                .priority = m->priority,
                .subject_is_queue = m->subject_is_queue,
                .body_bytes = m->body.size,
                .fields_bytes = m->fields.size,
        };
        memcpy(d->subject, m->subject.data, m->subject.size);
        memcpy(d->body, m->body.data, m->body.size < sizeof(d->body) - 1 ? m->body.size : sizeof(d->body) - 1);
}

static void fixture_cancelled(void *userdata, const struct refusal *why) {
        struct listener *l = userdata;

        l->cancelled = true;
        l->consumer = NULL;
        l->why = *why;
}

static const struct core_calls fixture_calls = {
        .deliver = fixture_deliver,
        .cancelled = fixture_cancelled,
        .load = fixture_load,
        .retain = fixture_retain,
        .release = fixture_release,
        .notice = fixture_notice,
};

/* ---- committing, as the daemon does ---- */

static void fixture_keep(struct fixture *f, struct block *block) {
        struct kept *kept;

        f->records = realloc(f->records, (f->n_records + 1) * sizeof(*f->records));
        assert_non_null(f->records);
        kept = &f->records[f->n_records++];
        *kept = (struct kept){.data = malloc(block->body->size), .size = block->body->size};
        assert_non_null(kept->data);
        memcpy(kept->data, block->body->data, kept->size);
}

/* Takes what is pending to be written with the next commit that is begun, as when the disk has no room just now. */
UNUSED static void fixture_postpone(struct fixture *f) {
        assert_false(f->running);
        assert_true(core_merge(f->core, f->merge_segment) >= 0);
        assert_int_equal(core_seal(f->core, &f->writing), 0);
}

/* Begins a commit, with a checkpoint if `rotate` or if it is the first. Returns: whether there was anything to write.
 */
UNUSED static bool fixture_begin(struct fixture *f, bool rotate) {
        struct buffer checkpoint = {0};
        struct committed *c;
        struct block *block;
        uint32_t record;

        assert_false(f->running);
        assert_true(core_merge(f->core, f->merge_segment) >= 0);
        assert_int_equal(core_seal(f->core, &f->writing), 0);
        if (TAILQ_EMPTY(&f->writing))
                return false;
        rotate = rotate || f->n_segments == 0;
        if (rotate) {
                f->segments = realloc(f->segments, (f->n_segments + 1) * sizeof(*f->segments));
                assert_non_null(f->segments);
                f->segments[f->n_segments++] = f->n_records;
        }
        f->log = realloc(f->log, (f->n_log + 1) * sizeof(*f->log));
        assert_non_null(f->log);
        c = &f->log[f->n_log++];
        *c = (struct committed){.first = f->n_records};
        record = (uint32_t) (f->n_records - f->segments[f->n_segments - 1]);
        TAILQ_FOREACH(block, &f->writing, link) {
                assert_true(block->body->size > 0);
                fixture_keep(f, block);
                c->n++;
                core_place(f->core, block, (struct place){(uint32_t) f->n_segments, record++});
        }
        if (rotate) {
                assert_int_equal(core_checkpoint(f->core, &checkpoint), 0);
                c->checkpoint = checkpoint.data;
                c->checkpoint_bytes = checkpoint.size;
        }
        f->running = true;
        return true;
}

UNUSED static void fixture_end(struct fixture *f) {
        assert_true(f->running);
        core_stored(f->core, &f->writing);
        assert_true(TAILQ_EMPTY(&f->writing));
        f->running = false;
}

UNUSED static void fixture_commit(struct fixture *f) {
        if (fixture_begin(f, false))
                fixture_end(f);
}

UNUSED static void fixture_rotate(struct fixture *f) {
        if (fixture_begin(f, true))
                fixture_end(f);
}

/* ---- beginning and ending ---- */

static struct sender *fixture_sender(struct fixture *f, uint32_t uid) {
        const struct entry_sender who = {
                .uid = uid, .gid = 100, .pid = 4242, .unit = span("writer.service"), .label = span("label")};
        struct sender *sender = NULL;

        assert_int_equal(sender_intern(core_senders(f->core), &who, &sender), 0);
        return sender;
}

static void fixture_open_with(struct fixture *f, const struct core_calls *calls) {
        assert_int_equal(core_new(&f->core, &f->options, calls, f), 0);
        f->sender = fixture_sender(f, 1000);
}

/* Lets go of the core as the daemon does when it ends. Consumers go with it. */
static void fixture_close(struct fixture *f) {
        struct block *block;

        f->sender = sender_unref(f->sender);
        f->core = core_free(f->core);
        while ((block = TAILQ_FIRST(&f->writing))) {
                TAILQ_REMOVE(&f->writing, block, link);
                block_free(block);
        }
}

/* The last commit that was begun is lost. */
UNUSED static void fixture_lose(struct fixture *f) {
        assert_true(f->running);
        f->n_log--;
        free(f->log[f->n_log].checkpoint);
        f->running = false;
}

/* Plays back from the `older`-th last checkpoint. */
static void fixture_replay(struct fixture *f, unsigned older) {
        size_t base = f->n_log;

        for (size_t i = 0; i < f->n_records; i++)
                f->records[i].retains = 0;
        while (base > 0 && (!f->log[base - 1].checkpoint || older > 0))
                if (f->log[--base].checkpoint)
                        older--;
        if (base > 0)
                assert_int_equal(
                        core_replay_checkpoint(f->core, f->log[base - 1].checkpoint, f->log[base - 1].checkpoint_bytes),
                        0);
        for (size_t i = base, segment = 0; i < f->n_log; i++)
                for (size_t k = f->log[i].first; k < f->log[i].first + f->log[i].n; k++) {
                        while (segment < f->n_segments && f->segments[segment] <= k)
                                segment++;
                        assert_int_equal(core_replay_block(f->core,
                                                           (struct place){(uint32_t) segment,
                                                                          (uint32_t) (k - f->segments[segment - 1])},
                                                           f->records[k].data, f->records[k].size),
                                         0);
                }
        assert_int_equal(core_replay_end(f->core), 0);
        f->running = false;
}

/* Kills the daemon and starts it again; a running commit counts, or call fixture_lose() before. */
UNUSED static void fixture_restart(struct fixture *f) {
        fixture_close(f);
        fixture_open_with(f, &fixture_calls);
        fixture_replay(f, 0);
        fixture_rotate(f);
}

UNUSED static int fixture_setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));

        if (!f)
                return -1;
        f->options =
                (struct core_options){.message_bytes_max = 1u << 20, .cache_bytes_max = 1u << 20, .queues_max = 100};
        f->now_us = 1000000;
        TAILQ_INIT(&f->writing);
        fixture_open_with(f, &fixture_calls);
        *state = f;
        return 0;
}

static void fixture_forget(struct fixture *f) {
        for (size_t i = 0; i < f->n_records; i++)
                free(f->records[i].data);
        for (size_t i = 0; i < f->n_log; i++)
                free(f->log[i].checkpoint);
        free(f->records);
        free(f->segments);
        free(f->log);
}

UNUSED static int fixture_teardown(void **state) {
        struct fixture *f = *state;

        fixture_close(f);
        fixture_forget(f);
        free(f);
        return 0;
}

/* ---- asking the core ---- */

UNUSED static void declare(struct fixture *f, const char *name) {
        assert_int_equal(
                core_declare(f->core, span(name), WIRE_KIND_QUEUE, false, (struct wire_span){0}, f->now_us, &f->why),
                0);
}

UNUSED static void bind(struct fixture *f, const char *name, const char *pattern) {
        assert_int_equal(core_bind(f->core, span(name), span(pattern), &f->why), 0);
}

/* One PROPERTY field in `out`. */
UNUSED static struct wire_span property(uint8_t *out, const char *key, const char *value) {
        return (struct wire_span){out, wire_put_pair(out, WIRE_FIELD_PROPERTY, key, strlen(key), value, strlen(value))};
}

UNUSED static int try_set(struct fixture *f, const char *name, const char *key, const char *value) {
        uint8_t fields[256];

        return core_set(f->core, span(name), property(fields, key, value), &f->why);
}

UNUSED static int
try_send(struct fixture *f, const char *subject, unsigned priority, struct wire_span body, uint64_t *ret_id) {
        const struct core_send send = {
                .sender = f->sender, .priority = (uint8_t) priority, .subject = span(subject), .body = body};

        return core_send(f->core, &send, f->now_us, ret_id, &f->why);
}

UNUSED static uint64_t send_priority(struct fixture *f, const char *subject, unsigned priority, const char *body) {
        uint64_t id = 0;

        assert_int_equal(try_send(f, subject, priority, span(body), &id), 0);
        assert_true(id > 0);
        return id;
}

UNUSED static uint64_t send(struct fixture *f, const char *subject, const char *body) {
        return send_priority(f, subject, 4, body);
}

UNUSED static void consume(struct fixture *f, struct listener *l, const char *name, uint32_t messages) {
        *l = (struct listener){0};
        assert_int_equal(core_consume(f->core, span(name), l, &l->consumer, &f->why), 0);
        core_credit(l->consumer, messages, 1u << 30);
        core_pump(f->core);
}

UNUSED static void ack(struct listener *l, uint64_t id) {
        assert_int_equal(core_settle(l->consumer, id, 1, CORE_ACK), 1);
}

UNUSED static void nack(struct listener *l, uint64_t id) {
        assert_int_equal(core_settle(l->consumer, id, 1, CORE_NACK), 1);
}

UNUSED static struct core_queue_info info(struct fixture *f, const char *name) {
        struct core_queue_info ret = {0};

        assert_int_equal(core_queue_info(f->core, span(name), &ret, &f->why), 0);
        return ret;
}

static void fixture_shown(const struct core_message *message, void *userdata) {
        fixture_deliver(userdata, message);
}

/* Browses from `from`, up to `count`. Returns: the id to go on from. */
UNUSED static uint64_t browse(struct fixture *f, struct listener *l, const char *name, uint64_t from, uint32_t count) {
        uint64_t next = 99;
        int n;

        *l = (struct listener){0};
        n = core_browse(f->core, span(name), from, count, UINT64_MAX, fixture_shown, l, &next, &f->why);
        assert_int_equal(n, l->n);
        return next;
}
