/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A bus as simple as can be, to compare the core with: every message and every queue is one struct, looked for one by
 * one. What changes remembers what it was before each of the last two commits, so that a crash can take it back.
 */

#include "tests/core/fixture.h"

#define N_NAMES        6u
#define N_SUBJECTS     10u
#define N_PATTERNS     8u
#define N_CONSUMERS    8u
#define N_SENDERS      3u
#define PRIORITIES     (WIRE_PRIORITY_MAX + 1)
#define NOISE_BYTES    (1u << 20)
#define BINDINGS_MAX   N_PATTERNS
#define BODY_BYTES_MAX (300u * 1024u)

static const char *const model_subjects[N_SUBJECTS] = {
        "a",         "a.b", "jobs",  "log.x.y", "_inbox.1",
        "jobs.high", "a.c", "log.x", "none",    "a.b.c", /* the first are queues */
};
static const char *const model_patterns[N_PATTERNS] = {"a.*",  "a.>",     ">",   "*",
                                                       "jobs", "log.*.y", "*.b", "nothing.here"};

enum standing { ABSENT, READY, LEASED, SETTLED };

struct standing_at {
        uint32_t commit;
        uint32_t deliveries;
        enum standing standing;
};

/* A message in one queue. */
struct copy {
        struct message *message;
        struct model_queue *queue;
        struct standing_at at[3]; /* now, and before earlier commits */
        struct model_consumer *consumer;
};

struct message {
        uint64_t id, time_us;
        uint32_t body_at, fields_at, body_bytes; /* in the noise */
        uint16_t fields_bytes;
        uint8_t subject, priority, sender;
        uint8_t n_copies;
        size_t home; /* number of the record that holds it; SIZE_MAX: none yet */
        struct copy copies[N_NAMES];
};

struct definition {
        uint32_t commit;
        bool exists;
        uint8_t n_bindings, bindings[BINDINGS_MAX];
        uint64_t max_messages, max_bytes, max_message_bytes;
        char description[16];
};

/* One life of a queue: declaring it again after deleting it makes another. */
struct model_queue {
        unsigned name;
        uint64_t declared_us;
        struct definition at[3];
        uint64_t ready, leased, bytes, sent, delivered, acked, redelivered, consumers;
        struct {
                struct copy **items; /* by id */
                size_t n;
        } levels[PRIORITIES];
};

struct model_consumer {
        struct model *model;
        struct model_queue *queue; /* NULL: not in use */
        struct consumer *handle;
        uint64_t credit_messages;
        int64_t credit_bytes;
        bool blocked, hungry;
        uint64_t turn;
        size_t n_leases;
};

struct model {
        struct message **messages; /* by id */
        size_t n_messages, messages_capacity;
        struct model_queue **queues;
        size_t n_queues;
        struct model_consumer consumers[N_CONSUMERS];
        uint8_t *noise;
        uint32_t commit, durable; /* the one that is being collected, the last that is on disk */
        uint64_t turn, last_id, now_us;
        size_t n_alive;
};

/* ---- versions ---- */

static struct standing_at *copy_change(struct model *m, struct copy *c) {
        if (c->at[0].commit != m->commit) {
                c->at[2] = c->at[1];
                c->at[1] = c->at[0];
                c->at[0].commit = m->commit;
        }
        return &c->at[0];
}

static struct definition *definition_change(struct model *m, struct model_queue *q) {
        if (q->at[0].commit != m->commit) {
                q->at[2] = q->at[1];
                q->at[1] = q->at[0];
                q->at[0].commit = m->commit;
        }
        return &q->at[0];
}

static bool copy_is_live(const struct copy *c) {
        return c->at[0].standing == READY || c->at[0].standing == LEASED;
}

static bool message_is_live(const struct message *msg) {
        for (unsigned i = 0; i < msg->n_copies; i++)
                if (copy_is_live(&msg->copies[i]))
                        return true;
        return false;
}

/* ---- finding ---- */

static struct model_queue *model_find(struct model *m, unsigned name) {
        for (size_t i = 0; i < m->n_queues; i++)
                if (m->queues[i]->at[0].exists && m->queues[i]->name == name)
                        return m->queues[i];
        return NULL;
}

static bool queue_takes(const struct model_queue *q, unsigned subject) {
        const char *s = model_subjects[subject];

        if (!q->at[0].exists)
                return false;
        if (q->name == subject)
                return true;
        for (unsigned i = 0; i < q->at[0].n_bindings; i++) {
                const char *p = model_patterns[q->at[0].bindings[i]];

                if (wire_pattern_match(p, strlen(p), s, strlen(s)))
                        return true;
        }
        return false;
}

/* The next message to be handed out, or NULL. */
static struct copy *queue_best(const struct model_queue *q) {
        for (unsigned p = PRIORITIES; p-- > 0;)
                for (size_t i = 0; i < q->levels[p].n; i++)
                        if (q->levels[p].items[i]->at[0].standing == READY)
                                return q->levels[p].items[i];
        return NULL;
}

/* Whose turn it is in a queue, or NULL. */
static struct model_consumer *queue_hungry(struct model *m, const struct model_queue *q) {
        struct model_consumer *best = NULL;

        for (unsigned i = 0; i < N_CONSUMERS; i++) {
                struct model_consumer *c = &m->consumers[i];

                if (c->queue == q && c->hungry && (!best || c->turn < best->turn))
                        best = c;
        }
        return best;
}

static struct message *model_message(struct model *m, uint64_t id) {
        size_t low = 0, high = m->n_messages;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (m->messages[middle]->id < id)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < m->n_messages && m->messages[low]->id == id ? m->messages[low] : NULL;
}

static struct copy *message_copy(struct message *msg, const struct model_queue *q) {
        for (unsigned i = 0; msg && i < msg->n_copies; i++)
                if (msg->copies[i].queue == q)
                        return &msg->copies[i];
        return NULL;
}

/* ---- what happens ---- */

static struct model_queue *model_declare(struct model *m, unsigned name) {
        struct model_queue *q = calloc(1, sizeof(*q));

        assert_non_null(q);
        m->queues = realloc(m->queues, (m->n_queues + 1) * sizeof(struct model_queue *));
        assert_non_null(m->queues);
        m->queues[m->n_queues++] = q;
        q->name = name;
        q->declared_us = m->now_us;
        q->at[0] = (struct definition){.commit = m->commit, .exists = true};
        return q;
}

static void queue_index(struct copy *c) {
        struct model_queue *q = c->queue;
        unsigned p = c->message->priority;
        size_t n = q->levels[p].n;

        if ((n & (n - 1)) == 0)
                q->levels[p].items = realloc(q->levels[p].items, (n ? 2 * n : 1) * sizeof(struct copy *));
        assert_non_null(q->levels[p].items);
        q->levels[p].items[q->levels[p].n++] = c;
}

static void model_keep(struct model *m, struct message *msg) {
        if (m->n_messages == m->messages_capacity) {
                m->messages_capacity = m->messages_capacity ? m->messages_capacity * 2 : 64;
                m->messages = realloc(m->messages, m->messages_capacity * sizeof(struct message *));
                assert_non_null(m->messages);
        }
        m->messages[m->n_messages++] = msg;
}

/* Takes a message (on the heap) that goes to its subject's queues. */
static void model_send(struct model *m, struct message *msg) {
        assert_true(msg->id > m->last_id);
        m->last_id = msg->id;
        msg->time_us = m->now_us;
        msg->home = SIZE_MAX;
        for (size_t i = 0; i < m->n_queues; i++) {
                struct model_queue *q = m->queues[i];
                struct copy *c = &msg->copies[msg->n_copies];

                if (!queue_takes(q, msg->subject))
                        continue;
                msg->n_copies++;
                *c = (struct copy){.message = msg, .queue = q, .at = {{.commit = m->commit, .standing = READY}}};
                queue_index(c);
                q->ready++;
                q->sent++;
                q->bytes += msg->body_bytes;
                m->n_alive++;
        }
        model_keep(m, msg);
}

static void consumer_update(struct model_consumer *c) {
        bool hungry = c->credit_messages > 0 && c->credit_bytes > 0 && !c->blocked;

        if (hungry && !c->hungry)
                c->turn = ++c->model->turn;
        c->hungry = hungry;
}

static void model_deliver(struct model *m, struct model_consumer *to, struct copy *c) {
        struct standing_at *at = copy_change(m, c);

        at->standing = LEASED;
        at->deliveries++;
        c->consumer = to;
        to->n_leases++;
        to->credit_messages--;
        to->credit_bytes -= c->message->body_bytes;
        to->turn = ++m->turn;
        consumer_update(to);
        c->queue->ready--;
        c->queue->leased++;
        c->queue->delivered++;
        c->queue->redelivered += at->deliveries > 1;
}

static void copy_gone(struct model *m, struct copy *c) {
        struct standing_at *at = copy_change(m, c);

        if (at->standing == LEASED) {
                c->consumer->n_leases--;
                c->queue->leased--;
        } else
                c->queue->ready--;
        at->standing = SETTLED;
        c->queue->bytes -= c->message->body_bytes;
        m->n_alive--;
}

static void copy_back(struct model *m, struct copy *c) {
        copy_change(m, c)->standing = READY;
        c->consumer->n_leases--;
        c->queue->leased--;
        c->queue->ready++;
}

/* Settles what the consumer has leased of first .. first+count-1. Returns how many. */
static size_t
model_settle(struct model *m, struct model_consumer *by, uint64_t first, uint32_t count, enum core_settle how) {
        struct model_queue *q = by->queue;
        size_t n = 0;

        for (unsigned p = 0; p < PRIORITIES; p++)
                for (size_t i = 0; i < q->levels[p].n; i++) {
                        struct copy *c = q->levels[p].items[i];

                        if (c->at[0].standing != LEASED || c->consumer != by || c->message->id < first ||
                            c->message->id - first >= count)
                                continue;
                        n++;
                        if (how == CORE_ACK) {
                                copy_gone(m, c);
                                q->acked++;
                        } else
                                copy_back(m, c);
                }
        return n;
}

static void model_cancel(struct model *m, struct model_consumer *c) {
        model_settle(m, c, 0, UINT32_MAX, CORE_NACK);
        for (uint64_t from = UINT32_MAX; c->n_leases > 0; from += UINT32_MAX)
                model_settle(m, c, from, UINT32_MAX, CORE_NACK);
        c->queue->consumers--;
        c->queue = NULL;
        c->hungry = false;
}

static void model_delete(struct model *m, struct model_queue *q) {
        for (unsigned p = 0; p < PRIORITIES; p++)
                for (size_t i = 0; i < q->levels[p].n; i++)
                        if (copy_is_live(q->levels[p].items[i]))
                                copy_gone(m, q->levels[p].items[i]);
        for (unsigned i = 0; i < N_CONSUMERS; i++)
                if (m->consumers[i].queue == q) {
                        m->consumers[i].queue = NULL;
                        m->consumers[i].hungry = false;
                }
        q->consumers = 0;
        definition_change(m, q)->exists = false;
}

/* ---- forgetting ---- */

static void queue_forget(struct model_queue *q) {
        for (unsigned p = 0; p < PRIORITIES; p++)
                free(q->levels[p].items);
        free(q);
}

/* Whether nothing before the last durable commit matters and it is settled in each queue. */
static bool message_is_past(const struct model *m, const struct message *msg) {
        for (unsigned i = 0; i < msg->n_copies; i++)
                if (msg->copies[i].at[0].standing != SETTLED || msg->copies[i].at[0].commit > m->durable)
                        return false;
        return true;
}

/* Builds the levels anew from the messages. */
static void model_index(struct model *m) {
        for (size_t i = 0; i < m->n_queues; i++)
                for (unsigned p = 0; p < PRIORITIES; p++)
                        m->queues[i]->levels[p].n = 0;
        for (size_t i = 0; i < m->n_messages; i++)
                for (unsigned k = 0; k < m->messages[i]->n_copies; k++)
                        queue_index(&m->messages[i]->copies[k]);
}

/* Drops what is settled on disk. */
static void model_prune(struct model *m) {
        size_t n = 0, k = 0;

        for (size_t i = 0; i < m->n_messages; i++)
                if (message_is_past(m, m->messages[i]))
                        free(m->messages[i]);
                else
                        m->messages[n++] = m->messages[i];
        m->n_messages = n;
        /* A deleted queue may still be what a copy, settled not so long ago, belongs to. */
        for (size_t i = 0; i < m->n_queues; i++) {
                bool used = m->queues[i]->at[0].exists || m->queues[i]->at[0].commit > m->durable;

                for (size_t j = 0; j < n && !used; j++)
                        used = message_copy(m->messages[j], m->queues[i]);
                if (used)
                        m->queues[k++] = m->queues[i];
                else
                        queue_forget(m->queues[i]);
        }
        m->n_queues = k;
        model_index(m);
}

static void model_done(struct model *m) {
        for (size_t i = 0; i < m->n_messages; i++)
                free(m->messages[i]);
        for (size_t i = 0; i < m->n_queues; i++)
                queue_forget(m->queues[i]);
        free(m->messages);
        free(m->queues);
        free(m->noise);
}

/* ---- crashing ---- */

static void copy_restore(struct model *m, struct copy *c) {
        struct standing_at at = {0};

        for (unsigned i = 0; i < 3 && at.standing == ABSENT; i++)
                if (c->at[i].commit <= m->durable)
                        at = c->at[i];
        if (at.standing == LEASED)
                at.standing = READY;
        c->at[0] = at;
        c->at[1] = c->at[2] = (struct standing_at){0};
        c->consumer = NULL;
        if (at.standing == READY) {
                c->queue->ready++;
                c->queue->bytes += c->message->body_bytes;
                m->n_alive++;
        }
}

static void queue_restore(struct model *m, struct model_queue *q) {
        struct definition at = {0};

        for (unsigned i = 0; i < 3; i++)
                if (q->at[i].commit <= m->durable) {
                        at = q->at[i];
                        break;
                }
        q->at[0] = at;
        q->at[1] = q->at[2] = (struct definition){0};
        q->ready = q->leased = q->bytes = q->consumers = 0;
}

/* Back to what the last durable commit left. */
static void model_crash(struct model *m) {
        size_t n = 0;

        for (size_t i = 0; i < m->n_queues; i++)
                queue_restore(m, m->queues[i]);
        memset(m->consumers, 0, sizeof(m->consumers));
        m->n_alive = 0;
        for (size_t i = 0; i < m->n_messages; i++) {
                struct message *msg = m->messages[i];

                for (unsigned k = 0; k < msg->n_copies; k++)
                        copy_restore(m, &msg->copies[k]);
                if (message_is_live(msg))
                        m->messages[n++] = msg;
                else
                        free(msg);
        }
        m->n_messages = n;
        m->commit = m->durable + 1;
        model_prune(m);
}
