/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/core/internal.h"

struct queue *queue_find(struct core *core, struct wire_span name, struct refusal *refusal) {
        struct queue *queue = NULL;

        if (core->queues_by_name)
                HASH_FIND(hh_name, core->queues_by_name, name.data, name.size, queue);
        if (!queue)
                (void) refuse(refusal, -ENOENT, WIRE_CODE_NOT_FOUND, "no queue is named \"%.*s\"",
                              (int) (name.size < 255 ? name.size : 255), (const char *) name.data);
        return queue;
}

struct queue *queue_by_number(struct core *core, uint32_t number) {
        struct queue *queue = NULL;

        if (core->queues_by_number)
                HASH_FIND(hh_number, core->queues_by_number, &number, sizeof(number), queue);
        return queue;
}

void queue_want_pump(struct queue *queue) {
        if (queue->to_pump || TAILQ_EMPTY(&queue->hungry))
                return;
        queue->to_pump = true;
        TAILQ_INSERT_TAIL(&queue->core->to_pump, queue, pump_link);
}

int queue_new(struct core *core, struct wire_span name, uint32_t number, unsigned kind, struct queue **ret) {
        struct queue *queue = calloc(1, sizeof(*queue) + name.size);
        int r;

        if (!queue)
                return -ENOMEM;
        queue->core = core;
        queue->number = number;
        queue->kind = (uint8_t) kind;
        queue->name_bytes = (uint8_t) name.size;
        memcpy(queue->name, name.data, name.size);
        TAILQ_INIT(&queue->consumers);
        TAILQ_INIT(&queue->hungry);
        r = router_add(core->router, name, queue);
        if (r < 0) {
                free(queue);
                return r;
        }
        HASH_ADD_KEYPTR(hh_name, core->queues_by_name, queue->name, name.size, queue);
        if (queue->hh_name.tbl) {
                HASH_ADD(hh_number, core->queues_by_number, number, sizeof(queue->number), queue);
                if (!queue->hh_number.tbl)
                        HASH_DELETE(hh_name, core->queues_by_name, queue);
        }
        if (!queue->hh_name.tbl || !queue->hh_number.tbl) {
                router_remove(core->router, name, queue);
                free(queue);
                return -ENOMEM;
        }
        *ret = queue;
        return 0;
}

static void free_leases(struct queue *queue) {
        struct lease *lease, *next;

        HASH_ITER (hh, queue->leases, lease, next) {
                if (lease->consumer) {
                        TAILQ_REMOVE(&lease->consumer->leases, lease, link);
                        lease->consumer->n_leases--;
                } else
                        TAILQ_REMOVE(&lease->extent->level->returned, lease, link);
                lease_free(lease);
        }
}

void queue_free(struct queue *queue, const struct refusal *why) {
        struct core *core = queue->core;
        struct consumer *consumer;

        free_leases(queue);
        core->leased -= queue->leased;
        core->bytes -= queue->bytes;
        core->messages -= queue->ready + queue->leased + queue->damaged;
        for (unsigned i = 0; i <= WIRE_PRIORITY_MAX; i++)
                level_free(queue->levels[i]);
        while ((consumer = TAILQ_FIRST(&queue->consumers))) {
                TAILQ_REMOVE(&queue->consumers, consumer, link);
                if (why)
                        core->calls->cancelled(consumer->userdata, why);
                free(consumer);
        }
        while (queue->n_bindings > 0) {
                struct wire_span pattern = queue->bindings[queue->n_bindings - 1];

                queue_unbind(queue, pattern);
        }
        router_remove(core->router, (struct wire_span){(const uint8_t *) queue->name, queue->name_bytes}, queue);
        if (queue->to_pump)
                TAILQ_REMOVE(&core->to_pump, queue, pump_link);
        if (queue->taken)
                TAILQ_REMOVE(&core->taken, queue, taken_link);
        HASH_DELETE(hh_name, core->queues_by_name, queue);
        HASH_DELETE(hh_number, core->queues_by_number, queue);
        core->definition_bytes -= queue->definition_bytes;
        free(queue->bindings);
        properties_done(&queue->properties);
        free(queue);
}

#define DEFINITION_BYTES 96u

bool queue_measure(struct queue *queue, struct refusal *refusal) {
        struct core *core = queue->core;
        uint64_t bytes = DEFINITION_BYTES + queue->name_bytes, most = core->options.definition_bytes_max;

        if (queue->properties.description)
                bytes += strlen(queue->properties.description);
        for (size_t i = 0; i < queue->n_bindings; i++)
                bytes += 1 + queue->bindings[i].size;
        core->definition_bytes += bytes - queue->definition_bytes;
        queue->definition_bytes = bytes;
        if (most == 0 || core->definition_bytes <= most)
                return true;
        (void) refuse_limit(refusal, 0, WIRE_CODE_QUOTA, "SegmentSize", most, core->definition_bytes,
                            "queues and bindings would take %" PRIu64
                            " bytes, and with this SegmentSize= a checkpoint takes %" PRIu64,
                            core->definition_bytes, most);
        return false;
}

/* Returns 1, or 0 when it is bound so. */
int queue_bind(struct queue *queue, struct wire_span pattern) {
        struct wire_span *bindings, copy = {.size = pattern.size};
        uint8_t *data;
        int r;

        for (size_t i = 0; i < queue->n_bindings; i++)
                if (queue->bindings[i].size == pattern.size &&
                    memcmp(queue->bindings[i].data, pattern.data, pattern.size) == 0)
                        return 0;
        data = malloc(pattern.size);
        bindings = realloc(queue->bindings, (queue->n_bindings + 1) * sizeof(*bindings));
        if (bindings)
                queue->bindings = bindings;
        if (!data || !bindings) {
                free(data);
                return -ENOMEM;
        }
        memcpy(data, pattern.data, pattern.size);
        copy.data = data;
        r = router_add(queue->core->router, pattern, queue);
        if (r < 0) {
                free(data);
                return r;
        }
        queue->bindings[queue->n_bindings++] = copy;
        return 1;
}

/* Returns 1, or 0 when it was not bound so. `pattern` may be the queue's own copy. */
int queue_unbind(struct queue *queue, struct wire_span pattern) {
        for (size_t i = 0; i < queue->n_bindings; i++) {
                struct wire_span *b = &queue->bindings[i];

                if (b->size != pattern.size || memcmp(b->data, pattern.data, pattern.size) != 0)
                        continue;
                /* A binding that spells the queue's own name shares its place in the trie. */
                if (b->size != queue->name_bytes || memcmp(b->data, queue->name, b->size) != 0)
                        router_remove(queue->core->router, *b, queue);
                free((uint8_t *) b->data);
                memmove(b, b + 1, (queue->n_bindings - i - 1) * sizeof(*b));
                queue->n_bindings--;
                return 1;
        }
        return 0;
}
