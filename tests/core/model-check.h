/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Compares a core with the model. */

#include <inttypes.h>

#include "tests/core/model.h"

struct world {
        struct fixture f;
        struct model m;
        uint64_t random;
        struct sender *senders[N_SENDERS];
        bool postponed; /* what is sealed is not placed yet */
        unsigned alive_max, commit_each, n_crashes;
        uint64_t n_steps, n_sent, n_settled, n_commits, n_loads, n_merges;
};

static void check_message(const struct model *m, const struct copy *c, const struct core_message *got) {
        const struct message *msg = c->message;
        const char *subject = model_subjects[msg->subject];

        assert_int_equal(got->id, msg->id);
        assert_int_equal(got->time_us, msg->time_us);
        assert_int_equal(got->priority, msg->priority);
        assert_int_equal(got->sender->identity.uid, 1000 + msg->sender);
        assert_int_equal(got->sender->identity.unit.size, strlen("writer.service"));
        assert_int_equal(got->subject.size, strlen(subject));
        assert_memory_equal(got->subject.data, subject, got->subject.size);
        assert_int_equal(got->subject_is_queue, c->queue->name == msg->subject);
        assert_int_equal(got->fields.size, msg->fields_bytes);
        assert_memory_equal(got->fields.data, m->noise + msg->fields_at, got->fields.size);
        assert_int_equal(got->body.size, msg->body_bytes);
        assert_memory_equal(got->body.data, m->noise + msg->body_at, got->body.size);
}

/* ---- browsing ---- */

struct browsing {
        struct model *m;
        const struct model_queue *queue;
        size_t at; /* in m->messages */
        uint64_t bytes;
        uint32_t n;
};

/* Moves on to the next message that is live in the queue. Returns NULL at the end. */
static struct copy *browsing_next(struct browsing *b) {
        for (; b->at < b->m->n_messages; b->at++) {
                struct copy *c = message_copy(b->m->messages[b->at], b->queue);

                if (c && copy_is_live(c))
                        return c;
        }
        return NULL;
}

static void browsing_shown(const struct core_message *got, void *userdata) {
        struct browsing *b = userdata;
        struct copy *c = browsing_next(b);

        assert_non_null(c);
        check_message(b->m, c, got);
        assert_int_equal(got->deliveries, c->at[0].deliveries);
        b->bytes += got->body.size;
        b->n++;
        b->at++;
}

/* One page. Returns the id to go on from. */
static uint64_t
check_browse(struct world *w, const struct model_queue *q, uint64_t from, uint32_t count, uint64_t bytes) {
        struct browsing b = {.m = &w->m, .queue = q};
        uint64_t next = 1;
        struct copy *c;
        int r;

        while (b.at < w->m.n_messages && w->m.messages[b.at]->id < from)
                b.at++;
        r = core_browse(w->f.core, span(model_subjects[q->name]), from, count, bytes, browsing_shown, &b, &next,
                        &w->f.why);
        assert_int_equal(r, b.n);
        assert_true(b.n <= count);
        assert_true(b.n <= 1 || b.bytes <= bytes);
        c = browsing_next(&b);
        assert_int_equal(next, c ? c->message->id : 0);
        /* It stops for a reason. */
        assert_true(!c || b.n == count || b.bytes + c->message->body_bytes > bytes);
        return next;
}

/* ---- figures ---- */

static uint64_t queue_oldest_us(const struct model_queue *q) {
        uint64_t oldest = 0;

        for (unsigned p = 0; p < PRIORITIES; p++)
                for (size_t i = 0; i < q->levels[p].n; i++) {
                        const struct copy *c = q->levels[p].items[i];

                        if (copy_is_live(c) && (oldest == 0 || c->message->time_us < oldest))
                                oldest = c->message->time_us;
                }
        return oldest;
}

static void check_info(const struct model_queue *q, const struct core_queue_info *got) {
        const struct definition *d = &q->at[0];
        uint64_t oldest = queue_oldest_us(q);

        assert_int_equal(got->ready, q->ready);
        assert_int_equal(got->leased, q->leased);
        assert_int_equal(got->damaged, 0);
        assert_int_equal(got->bytes, q->bytes);
        assert_int_equal(got->consumers, q->consumers);
        assert_int_equal(got->sent, q->sent);
        assert_int_equal(got->delivered, q->delivered);
        assert_int_equal(got->acked, q->acked);
        assert_int_equal(got->redelivered, q->redelivered);
        assert_int_equal(got->declared_us, q->declared_us);
        /* Told by the block. */
        assert_int_equal(got->oldest_us != 0, oldest != 0);
        assert_true(got->oldest_us <= oldest);
        assert_int_equal(got->properties->max_messages, d->max_messages);
        assert_int_equal(got->properties->max_bytes, d->max_bytes);
        assert_int_equal(got->properties->max_message_bytes, d->max_message_bytes);
        assert_string_equal(got->properties->description ? got->properties->description : "", d->description);
        assert_int_equal(got->n_bindings, d->n_bindings);
        for (size_t i = 0; i < got->n_bindings; i++) {
                const char *pattern = model_patterns[d->bindings[i]];

                assert_int_equal(got->bindings[i].size, strlen(pattern));
                assert_memory_equal(got->bindings[i].data, pattern, strlen(pattern));
        }
}

static void check_queue(struct world *w, unsigned name) {
        struct model_queue *q = model_find(&w->m, name);
        struct core_queue_info got = {0};
        int r = core_queue_info(w->f.core, span(model_subjects[name]), &got, &w->f.why);

        assert_int_equal(r, q ? 0 : -ENOENT);
        if (q)
                check_info(q, &got);
}

struct listing {
        struct model *m;
        struct wire_span pattern;
        char last[64];
        int n;
};

static void listing_shown(const struct core_queue_info *got, void *userdata) {
        struct listing *l = userdata;
        char name[64];
        unsigned i = 0;

        (void) snprintf(name, sizeof(name), "%.*s", (int) got->name.size, (const char *) got->name.data);
        assert_true(strcmp(l->last, name) < 0);
        strcpy(l->last, name);
        while (i < N_NAMES && strcmp(model_subjects[i], name) != 0)
                i++;
        assert_true(i < N_NAMES && model_find(l->m, i));
        assert_true(l->pattern.size == 0 || wire_pattern_match(l->pattern.data, l->pattern.size, name, strlen(name)));
        assert_int_equal(got->ready, model_find(l->m, i)->ready);
        l->n++;
}

static void check_list(struct world *w, const char *pattern) {
        struct listing l = {.m = &w->m, .pattern = span(pattern)};
        int n = 0;

        for (unsigned i = 0; i < N_NAMES; i++)
                n += model_find(&w->m, i) &&
                     (l.pattern.size == 0 ||
                      wire_pattern_match(l.pattern.data, l.pattern.size, model_subjects[i], strlen(model_subjects[i])));
        assert_int_equal(core_list(w->f.core, l.pattern, listing_shown, &l), n);
        assert_int_equal(l.n, n);
}

/* ---- what the store has to keep ---- */

/* Notes for each message in these records that it is there now. */
static void world_note_homes(struct world *w, size_t first, size_t n) {
        struct entry_message message;
        struct entry entry;

        for (size_t i = first; i < first + n; i++) {
                const struct kept *kept = &w->f.records[i];
                size_t offset = 0;

                while (entry_at(kept->data, kept->size, offset, &entry) > 0) {
                        offset += entry.size;
                        if (entry.kind != ENTRY_MESSAGE)
                                continue;
                        assert_int_equal(entry_message_read(&entry, &message), 0);
                        if (model_message(&w->m, message.id))
                                model_message(&w->m, message.id)->home = i;
                }
                assert_int_equal(offset, kept->size);
        }
}

/* Exactly the records with something live in them are retained. */
static void check_retained(struct world *w) {
        bool *needed = calloc(w->f.n_records + 1, sizeof(*needed));

        assert_non_null(needed);
        for (size_t i = 0; i < w->m.n_messages; i++) {
                const struct message *msg = w->m.messages[i];

                if (msg->home != SIZE_MAX && message_is_live(msg))
                        needed[msg->home] = true;
        }
        for (size_t i = 0; i < w->f.n_records; i++)
                assert_int_equal(w->f.records[i].retains, needed[i]);
        free(needed);
}

static void check_counters(struct world *w) {
        struct core_counters counters;
        uint64_t leased = 0, bytes = 0, queues = 0;

        core_counters(w->f.core, &counters);
        for (size_t i = 0; i < w->m.n_queues; i++) {
                queues += w->m.queues[i]->at[0].exists;
                leased += w->m.queues[i]->leased;
                bytes += w->m.queues[i]->bytes;
        }
        assert_int_equal(counters.queues, queues);
        assert_int_equal(counters.messages, w->m.n_alive);
        assert_int_equal(counters.leased, leased);
        assert_int_equal(counters.bytes, bytes);
}

/* Everything, message by message. */
static void check_all(struct world *w) {
        for (unsigned i = 0; i < N_NAMES; i++) {
                struct model_queue *q = model_find(&w->m, i);
                uint64_t from = 0;

                check_queue(w, i);
                while (q && (from = check_browse(w, q, from, 100, 1u << 20)) != 0)
                        ;
        }
        check_counters(w);
        if (!w->postponed)
                check_retained(w);
}
