/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a client waits for until a commit is on disk, in the order of its commits. */

#include <stdlib.h>
#include <string.h>

#include "daemon/session/internal.h"

#define CONFIRM_RUNS_MAX 4096u

static struct pending *last(struct pending_queue *q) {
        return q->size > q->head ? &q->items[q->size - 1] : NULL;
}

static struct pending *add(struct session *s) {
        struct pending_queue *q = &s->pending;
        struct pending *items;

        if (q->size == q->capacity && q->head >= q->capacity / 2 && q->head > 0) {
                memmove(q->items, q->items + q->head, (q->size - q->head) * sizeof(*q->items));
                q->size -= q->head;
                q->head = 0;
        }
        if (q->size == q->capacity) {
                size_t capacity = q->capacity ? q->capacity * 2 : 4;

                items = realloc(q->items, capacity * sizeof(*items));
                if (!items) {
                        struct refusal why;

                        (void) refuse(&why, 0, WIRE_CODE_INTERNAL, "out of memory");
                        session_fail(s, &why);
                        return NULL;
                }
                q->items = items;
                q->capacity = capacity;
        }
        if (!s->waiting) {
                s->waiting = true;
                TAILQ_INSERT_TAIL(&s->host->waiting, s, wait_link);
        }
        return &q->items[q->size++];
}

static void count(struct session *s, const struct pending *before) {
        s->host->awaited++;
        if (!before || before->commit != s->host->commit)
                s->host->awaiting++;
}

void pending_confirm(struct session *s, uint32_t serial, uint64_t id, uint64_t bytes) {
        struct pending *p = last(&s->pending);
        uint64_t commit = s->host->commit;

        count(s, p);
        s->unconfirmed++;
        s->unconfirmed_bytes += bytes;
        /* With id 0 nobody listened: consecutive ones share it. */
        if (p && p->count > 0 && p->commit == commit && p->serial + p->count == serial &&
            (p->id == 0 ? id == 0 : p->id + p->count == id)) {
                p->count++;
                p->bytes += bytes;
                return;
        }
        p = add(s);
        if (p)
                *p = (struct pending){.commit = commit, .id = id, .bytes = bytes, .serial = serial, .count = 1};
}

void pending_ok(struct session *s, uint32_t serial) {
        struct pending *p;

        count(s, last(&s->pending));
        p = add(s);
        if (p)
                *p = (struct pending){.commit = s->host->commit, .serial = serial};
}

void pending_done(struct session *s) {
        free(s->pending.items);
        s->pending = (struct pending_queue){0};
        if (s->waiting)
                TAILQ_REMOVE(&s->host->waiting, s, wait_link);
        s->waiting = false;
}

/* Writes one CONFIRM for the run of confirms at the head. Returns how many items it took. */
static size_t put_confirms(struct session *s, uint64_t commit) {
        const struct pending *items = s->pending.items + s->pending.head;
        size_t most = s->pending.size - s->pending.head, n = 0;
        size_t size;
        uint8_t *p;

        while (n < most && n < CONFIRM_RUNS_MAX && items[n].count > 0 && items[n].commit <= commit)
                n++;
        size = WIRE_HEADER_BYTES + n * WIRE_CONFIRM_RUN_BYTES;
        p = session_append(s, size);
        if (p)
                p += wire_put_header(p, &(struct wire_header){.size = (uint32_t) size,
                                                              .opcode = WIRE_CONFIRM,
                                                              .flags = WIRE_DURABILITY_DISK});
        for (size_t i = 0; i < n; i++) {
                if (p)
                        p += wire_put_confirm_run(p, &(struct wire_confirm_run){.serial = items[i].serial,
                                                                                .count = items[i].count,
                                                                                .id = items[i].id});
                s->unconfirmed -= items[i].count;
                s->unconfirmed_bytes -= items[i].bytes;
        }
        return n;
}

void session_committed(struct session *s, uint64_t commit) {
        struct pending_queue *q = &s->pending;

        while (q->head < q->size && q->items[q->head].commit <= commit) {
                if (q->items[q->head].count > 0)
                        q->head += put_confirms(s, commit);
                else
                        answer_ok(s, q->items[q->head++].serial);
        }
        if (q->head == q->size)
                pending_done(s);
}
