/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

#define RUNS_MIN 16u
/* So many runs go in one frame at most; more make another. */
#define RUNS_PER_FRAME      1024u
#define SETTLE_HEADER_BYTES 16u
#define CREDIT_FRAME_BYTES  16u

static int runs_add(struct runs *r, uint64_t id) {
        struct wire_settle_run *last = r->n_runs > 0 ? &r->runs[r->n_runs - 1] : NULL;

        if (last && id == last->id + last->count && last->count < UINT32_MAX) {
                last->count++;
                return 0;
        }
        if (r->n_runs == r->allocated) {
                size_t n = r->allocated > 0 ? r->allocated * 2 : RUNS_MIN;
                struct wire_settle_run *runs = realloc(r->runs, n * sizeof(*runs));

                if (!runs)
                        return -ENOMEM;
                r->runs = runs;
                r->allocated = n;
        }
        r->runs[r->n_runs++] = (struct wire_settle_run){.id = id, .count = 1};
        return 0;
}

static void runs_release(struct runs *r) {
        free(r->runs);
        *r = (struct runs){0};
}

void consumer_touch(struct consumer *c) {
        if (c->dirty || !c->bus)
                return;
        c->dirty = true;
        c->dirty_next = c->bus->dirty;
        c->bus->dirty = consumer_ref(c);
}

/* Credit is given back when what is due is as much as what the daemon still has, in messages or bytes: seldom, but
 * never so late that the daemon sits on messages while the application holds others back. */
static bool credit_due(const struct consumer *c) {
        if (c->due_messages == 0)
                return false;
        return (int64_t) c->due_messages >= c->available_messages || (int64_t) c->due_bytes >= c->available_bytes;
}

int settle_add(struct consumer *c, uint64_t id, size_t bytes, bool nack) {
        int r;

        r = runs_add(nack ? &c->nack : &c->ack, id);
        if (r < 0)
                return r;
        c->due_messages++;
        c->due_bytes += bytes;
        if (c->leased > 0)
                c->leased--;
        consumer_touch(c);
        return 0;
}

int message_settle(lodge_message *m, bool nack) {
        struct consumer *c = m->consumer;
        int r;

        if (!c)
                return -EINVAL;
        if (m->settled)
                return -EALREADY;
        if (!c->bus || c->state != CONSUMER_ACTIVE || c->bus->state != CONNECTION_UP || c->bus->lost ||
            m->epoch != c->bus->epoch)
                return -ESTALE;
        r = settle_add(c, m->id, m->body.size, nack);
        if (r < 0)
                return r;
        m->settled = true;
        return 0;
}

/* One frame with the first `n` runs. */
static int
write_runs(struct consumer *c, const struct runs *runs, size_t n, unsigned opcode, unsigned flags, uint32_t serial) {
        struct buffer *out = &c->bus->control;
        int r;

        r = output_reserve(c->bus, SETTLE_HEADER_BYTES + n * WIRE_SETTLE_RUN_BYTES);
        if (r < 0)
                return r;
        out->end += wire_put_settle_header(buffer_back(out), opcode, flags, c->channel, serial, 0, n);
        for (size_t i = 0; i < n; i++)
                out->end += wire_put_settle_run(buffer_back(out), &runs->runs[i]);
        c->unanswered = !(flags & WIRE_SETTLE_ANSWER);
        return 0;
}

static int write_all_runs(struct consumer *c, struct runs *runs, unsigned opcode) {
        struct runs rest = *runs;
        int r;

        while (rest.n_runs > 0) {
                size_t n = rest.n_runs < RUNS_PER_FRAME ? rest.n_runs : RUNS_PER_FRAME;

                r = write_runs(c, &rest, n, opcode, 0, request_serial(c->bus));
                if (r < 0) {
                        memmove(runs->runs, rest.runs, rest.n_runs * sizeof(*runs->runs));
                        runs->n_runs = rest.n_runs;
                        return r;
                }
                rest.runs += n;
                rest.n_runs -= n;
        }
        runs->n_runs = 0;
        if (runs->allocated > RUNS_PER_FRAME)
                runs_release(runs);
        return 0;
}

int consumer_grant(struct consumer *c, uint32_t messages, uint32_t bytes) {
        struct buffer *out = &c->bus->control;
        struct wire_credit credit = {.messages = messages, .bytes = bytes};
        int r;

        r = output_reserve(c->bus, CREDIT_FRAME_BYTES);
        if (r < 0)
                return r;
        out->end += wire_put_credit(buffer_back(out), c->channel, &credit);
        c->available_messages += messages;
        c->available_bytes += bytes;
        return 0;
}

static uint32_t clamp32(uint64_t value) {
        return value < UINT32_MAX ? (uint32_t) value : UINT32_MAX;
}

/* Writes the runs of one consumer and the credit that is due. */
int settle_write_one(struct consumer *c) {
        int r;

        r = write_all_runs(c, &c->ack, WIRE_ACK);
        if (r < 0)
                return r;
        r = write_all_runs(c, &c->nack, WIRE_NACK);
        if (r < 0)
                return r;

        /* Never more than it may still get; bytes go with what it has credit for already. */
        if (!c->manual_credit && c->left > 0 && credit_due(c)) {
                uint32_t messages = clamp32(c->due_messages), bytes = clamp32(c->due_bytes);
                uint64_t room = c->left - (uint64_t) c->available_messages;

                r = consumer_grant(c, messages < room ? messages : (uint32_t) room, bytes);
                if (r < 0)
                        return r;
                c->due_messages -= messages;
                c->due_bytes -= bytes;
        }
        return 0;
}

int settle_ask(struct consumer *c) {
        const struct runs none = {0};
        struct fields no_fields = {0};
        struct request *q;
        int r;

        r = request_new(c->bus, WIRE_ACK, 0, &no_fields, &q);
        if (r < 0)
                return r;
        r = write_runs(c, &none, 0, WIRE_ACK, WIRE_SETTLE_ANSWER, q->serial);
        if (r < 0) {
                request_free(q);
                return r;
        }
        q->sent = true;
        c->bus->settles_asked++;
        return request_start(c->bus, q);
}

int settle_write(lodge *bus) {
        int r;

        while (bus->dirty) {
                struct consumer *c = bus->dirty;

                if (c->state == CONSUMER_ACTIVE) {
                        r = settle_write_one(c);
                        if (r < 0)
                                return r;
                }
                bus->dirty = c->dirty_next;
                c->dirty_next = NULL;
                c->dirty = false;
                consumer_unref(c);
        }
        return 0;
}

/* The leases are gone: what was settled and not written need not be said. */
void settle_forget(struct consumer *c) {
        runs_release(&c->ack);
        runs_release(&c->nack);
        c->due_messages = c->due_bytes = 0;
        c->leased = 0;
        c->unanswered = false;
}
