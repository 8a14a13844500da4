/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Declaring, changing and deleting queues; their bindings; listings. */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

static bool spans_equal(struct wire_span a, struct wire_span b) {
        return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static struct wire_span queue_name(const struct queue *queue) {
        return (struct wire_span){(const uint8_t *) queue->name, queue->name_bytes};
}

static int no_memory(struct refusal *refusal) {
        return refuse(refusal, -ENOMEM, WIRE_CODE_INTERNAL, "out of memory");
}

static int change_properties(struct queue *queue, struct wire_span fields, struct refusal *refusal) {
        struct properties changed, before = queue->properties;
        int r;

        r = properties_apply(&changed, &before, fields, refusal);
        if (r < 0)
                return r == -ENOMEM ? no_memory(refusal) : r;
        queue->properties = changed;
        r = queue_measure(queue, refusal) ? 0 : -EDQUOT;
        if (r == 0 && journal_queue(queue->core, queue) < 0)
                r = no_memory(refusal);
        if (r < 0) {
                queue->properties = before;
                properties_done(&changed);
                (void) queue_measure(queue, NULL);
                return r;
        }
        properties_done(&before);
        return 0;
}

static bool has_properties(struct wire_span fields) {
        struct wire_field field;

        return wire_field_find(fields, WIRE_FIELD_PROPERTY, &field);
}

static int
declare_again(struct queue *queue, unsigned kind, bool exclusive, struct wire_span fields, struct refusal *refusal) {
        if (exclusive || queue->kind != kind)
                return refuse(refusal, -EEXIST, WIRE_CODE_EXISTS, "%.*s exists already", queue->name_bytes,
                              queue->name);
        return has_properties(fields) ? change_properties(queue, fields, refusal) : 0;
}

int core_declare(struct core *core,
                 struct wire_span name,
                 unsigned kind,
                 bool exclusive,
                 struct wire_span fields,
                 uint64_t now_us,
                 struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, NULL);
        const char *why = NULL;
        int r;

        if (queue)
                return declare_again(queue, kind, exclusive, fields, refusal);
        if (wire_subject_check(name.data, name.size, &why) < 0)
                return refuse(refusal, -EINVAL, WIRE_CODE_BAD_NAME, "not a queue name: %s", why);
        if (kind != WIRE_KIND_QUEUE)
                return refuse(refusal, -EOPNOTSUPP, WIRE_CODE_UNSUPPORTED, "this bus has no streams");
        if (HASH_CNT(hh_name, core->queues_by_name) >= core->options.queues_max)
                return refuse_limit(refusal, -EDQUOT, WIRE_CODE_QUOTA, "MaxQueues", core->options.queues_max,
                                    (uint64_t) HASH_CNT(hh_name, core->queues_by_name),
                                    "the bus has %" PRIu64 " queues, MaxQueues=%" PRIu64,
                                    (uint64_t) HASH_CNT(hh_name, core->queues_by_name), core->options.queues_max);
        r = queue_new(core, name, core->next_queue, kind, &queue);
        if (r < 0)
                return no_memory(refusal);
        queue->declared_us = now_us;
        r = change_properties(queue, fields, refusal);
        if (r < 0) {
                queue_free(queue, NULL);
                return r;
        }
        core->next_queue++;
        return 0;
}

int core_set(struct core *core, struct wire_span name, struct wire_span fields, struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, refusal);

        return queue ? change_properties(queue, fields, refusal) : -ENOENT;
}

int core_delete(struct core *core, struct wire_span name, bool purge, struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, refusal);
        struct refusal why;
        uint64_t messages;

        if (!queue)
                return -ENOENT;
        messages = queue->ready + queue->leased + queue->damaged;
        if (messages > 0 && !purge) {
                (void) refuse(refusal, -ENOTEMPTY, WIRE_CODE_NOT_EMPTY, "queue %.*s holds %" PRIu64 " messages",
                              queue->name_bytes, queue->name, messages);
                if (refusal)
                        refusal->use = messages;
                return -ENOTEMPTY;
        }
        if (journal_named(core, ENTRY_DELETE, queue, (struct wire_span){0}) < 0)
                return no_memory(refusal);
        (void) refuse(&why, 0, WIRE_CODE_NOT_FOUND, "queue %.*s was deleted", queue->name_bytes, queue->name);
        queue_free(queue, &why);
        return 0;
}

int core_bind(struct core *core, struct wire_span name, struct wire_span pattern, struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, refusal);
        int r;

        if (!queue)
                return -ENOENT;
        r = queue_bind(queue, pattern);
        if (r <= 0)
                return r < 0 ? no_memory(refusal) : 0;
        r = queue_measure(queue, refusal) ? 0 : -EDQUOT;
        if (r == 0 && journal_named(core, ENTRY_BIND, queue, pattern) < 0)
                r = no_memory(refusal);
        if (r < 0) {
                queue_unbind(queue, pattern);
                (void) queue_measure(queue, NULL);
        }
        return r;
}

int core_unbind(struct core *core, struct wire_span name, struct wire_span pattern, struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, refusal);
        int r = 0;

        if (!queue)
                return -ENOENT;
        for (size_t i = 0; i < queue->n_bindings && r == 0; i++)
                r = spans_equal(queue->bindings[i], pattern);
        if (r == 0)
                return refuse(refusal, -ENOENT, WIRE_CODE_NOT_FOUND, "queue %.*s is not bound to \"%.*s\"",
                              queue->name_bytes, queue->name, (int) (pattern.size < 100 ? pattern.size : 100),
                              (const char *) pattern.data);
        if (journal_named(core, ENTRY_UNBIND, queue, pattern) < 0)
                return no_memory(refusal);
        queue_unbind(queue, pattern);
        (void) queue_measure(queue, NULL);
        return 0;
}

/* ---- listings ---- */

static uint64_t oldest_us(const struct queue *queue) {
        uint64_t oldest = 0;

        for (unsigned i = 0; i <= WIRE_PRIORITY_MAX; i++) {
                const struct extent *first = queue->levels[i] ? TAILQ_FIRST(&queue->levels[i]->extents) : NULL;

                if (first && (oldest == 0 || first->block->time_us < oldest))
                        oldest = first->block->time_us;
        }
        return oldest;
}

static void fill_info(const struct queue *queue, struct core_queue_info *ret) {
        *ret = (struct core_queue_info){
                .name = queue_name(queue),
                .number = queue->number,
                .ready = queue->ready,
                .leased = queue->leased,
                .damaged = queue->damaged,
                .bytes = queue->bytes,
                .oldest_us = oldest_us(queue),
                .consumers = queue->n_consumers,
                .sent = queue->sent,
                .delivered = queue->delivered,
                .acked = queue->acked,
                .redelivered = queue->redelivered,
                .declared_us = queue->declared_us,
                .properties = &queue->properties,
                .bindings = queue->bindings,
                .n_bindings = queue->n_bindings,
        };
}

int core_queue_info(struct core *core, struct wire_span name, struct core_queue_info *ret, struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, refusal);

        if (!queue)
                return -ENOENT;
        fill_info(queue, ret);
        return 0;
}

static int by_name(const void *a, const void *b) {
        const struct queue *x = *(const struct queue *const *) a, *y = *(const struct queue *const *) b;
        size_t n = x->name_bytes < y->name_bytes ? x->name_bytes : y->name_bytes;
        int r = memcmp(x->name, y->name, n);

        return r != 0 ? r : (int) x->name_bytes - (int) y->name_bytes;
}

int core_list(struct core *core,
              struct wire_span pattern,
              void (*callback)(const struct core_queue_info *info, void *userdata),
              void *userdata) {
        size_t n = HASH_CNT(hh_name, core->queues_by_name), found = 0;
        struct queue **queues = malloc((n + 1) * sizeof(*queues)), *queue, *next;
        struct core_queue_info info;

        if (!queues)
                return -ENOMEM;
        HASH_ITER (hh_name, core->queues_by_name, queue, next)
                if (pattern.size == 0 || wire_pattern_match(pattern.data, pattern.size, queue->name, queue->name_bytes))
                        queues[found++] = queue;
        qsort(queues, found, sizeof(*queues), by_name);
        for (size_t i = 0; i < found; i++) {
                fill_info(queues[i], &info);
                callback(&info, userdata);
        }
        free(queues);
        return (int) found;
}
