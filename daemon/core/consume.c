/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consumers: credit, delivery, settling. */

#include <errno.h>
#include <stdlib.h>

#include "daemon/core/internal.h"

static void update_hungry(struct consumer *consumer) {
        struct queue *queue = consumer->queue;
        bool hungry = consumer->credit_messages > 0 && consumer->credit_bytes > 0 && !consumer->blocked;

        if (hungry == consumer->hungry)
                return;
        consumer->hungry = hungry;
        if (hungry) {
                TAILQ_INSERT_TAIL(&queue->hungry, consumer, hungry_link);
                queue_want_pump(queue);
        } else
                TAILQ_REMOVE(&queue->hungry, consumer, hungry_link);
}

int core_consume(
        struct core *core, struct wire_span name, void *userdata, struct consumer **ret, struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, refusal);
        struct consumer *consumer;

        if (!queue)
                return -ENOENT;
        consumer = calloc(1, sizeof(*consumer));
        if (!consumer)
                return refuse(refusal, -ENOMEM, WIRE_CODE_INTERNAL, "out of memory");
        consumer->queue = queue;
        consumer->userdata = userdata;
        TAILQ_INIT(&consumer->leases);
        TAILQ_INSERT_TAIL(&queue->consumers, consumer, link);
        queue->n_consumers++;
        *ret = consumer;
        return 0;
}

struct consumer *core_cancel(struct consumer *consumer) {
        struct queue *queue;

        if (!consumer)
                return NULL;
        queue = consumer->queue;
        consumer->blocked = true;
        update_hungry(consumer);
        if (!TAILQ_EMPTY(&consumer->leases)) {
                /* Without memory the counts of attempts are not durable; the messages are back all the same. */
                (void) journal_attempts(queue->core, queue, &consumer->leases);
                lease_return_all(queue, &consumer->leases);
        }
        TAILQ_REMOVE(&queue->consumers, consumer, link);
        queue->n_consumers--;
        free(consumer);
        return NULL;
}

void core_credit(struct consumer *consumer, uint32_t messages, uint64_t bytes) {
        consumer->credit_messages += messages;
        if (bytes > (uint64_t) (INT64_MAX - (consumer->credit_bytes > 0 ? consumer->credit_bytes : 0)))
                consumer->credit_bytes = INT64_MAX;
        else
                consumer->credit_bytes += (int64_t) bytes;
        update_hungry(consumer);
}

void core_block(struct consumer *consumer, bool blocked) {
        consumer->blocked = blocked;
        update_hungry(consumer);
}

struct wire_span core_consumer_queue(const struct consumer *consumer) {
        return (struct wire_span){(const uint8_t *) consumer->queue->name, consumer->queue->name_bytes};
}

size_t core_consumer_leases(const struct consumer *consumer) {
        return consumer->n_leases;
}

/* Finds the first ready message by priority. Returns 1, 0, -ENOMEM. */
static int queue_next(struct queue *queue, struct candidate *ret) {
        while (queue->levels_ready != 0) {
                unsigned priority = 31u - (unsigned) __builtin_clz(queue->levels_ready);
                int r = level_next(queue->levels[priority], ret);

                if (r != 0)
                        return r;
                /* Nothing after all (it could not be read): the level has said so in levels_ready. */
        }
        return 0;
}

static void
deliver(struct queue *queue, struct consumer *consumer, const struct lease *lease, const struct candidate *found) {
        struct core_message message;

        if (message_at(queue, found->block, found->offset, &message) < 0)
                return; /* cannot be: level_next() looked at it */
        message.deliveries = lease->deliveries;
        consumer->credit_messages--;
        consumer->credit_bytes -= (int64_t) message.body.size;
        if (TAILQ_NEXT(consumer, hungry_link)) {
                TAILQ_REMOVE(&queue->hungry, consumer, hungry_link);
                TAILQ_INSERT_TAIL(&queue->hungry, consumer, hungry_link);
        }
        update_hungry(consumer);
        queue->delivered++;
        if (message.deliveries > 1)
                queue->redelivered++;
        queue->core->calls->deliver(consumer->userdata, &message);
}

/* Whether no more messages may be handed out until some are settled. */
static bool leases_exhausted(struct core *core) {
        if (core->options.leases_max == 0 || core->n_leases < core->options.leases_max)
                return false;
        core->starved = true;
        return true;
}

/* Goes on with queues that had to wait for leases, once there is some room again. */
static void feed_starved(struct core *core) {
        if (!core->starved || core->n_leases >= core->options.leases_max - core->options.leases_max / 8)
                return;
        core->starved = false;
        for (struct queue *queue = core->queues_by_number; queue; queue = queue->hh_number.next)
                queue_want_pump(queue);
}

/* Returns 0, or -ENOMEM when it has to be tried again. */
static int queue_pump(struct queue *queue) {
        struct candidate found;
        struct consumer *consumer;
        struct lease *lease;
        int r;

        while ((consumer = TAILQ_FIRST(&queue->hungry))) {
                r = queue_next(queue, &found);
                if (r <= 0)
                        return r;
                if (!found.returned && leases_exhausted(queue->core))
                        return 0;
                r = level_take(&found, consumer, &lease);
                if (r < 0)
                        return r;
                deliver(queue, consumer, lease, &found);
        }
        return 0;
}

void core_pump(struct core *core) {
        TAILQ_HEAD(, queue) again = TAILQ_HEAD_INITIALIZER(again);
        struct queue *queue;

        feed_starved(core);
        while ((queue = TAILQ_FIRST(&core->to_pump))) {
                TAILQ_REMOVE(&core->to_pump, queue, pump_link);
                queue->to_pump = false;
                if (queue_pump(queue) < 0) {
                        queue->to_pump = true;
                        TAILQ_INSERT_TAIL(&again, queue, pump_link);
                }
        }
        TAILQ_CONCAT(&core->to_pump, &again, pump_link);
}

/* Whether its entry is not on the way to the disk yet and nobody else needs it, nor any other entry speaks of it: one
 * that was given back has an ATTEMPTS entry. */
static bool never_written(const struct lease *lease) {
        const struct block *block = lease->extent->block;

        return block->state == BLOCK_OPEN && lease->deliveries == 1 && lease->epoch == block->epoch &&
               lease->offset != 0 && wire_get32(block->body->data + lease->offset + 28) == 1;
}

static int settle_ack(struct consumer *consumer, struct lease *lease) {
        struct queue *queue = consumer->queue;
        struct extent *extent = lease->extent;
        uint64_t bytes = lease->bytes;
        int r;

        if (never_written(lease))
                block_void(extent->block, lease->offset);
        else {
                r = journal_settled(queue->core, ENTRY_REASON_ACKED, lease);
                if (r < 0)
                        return r;
        }
        TAILQ_REMOVE(&consumer->leases, lease, link);
        consumer->n_leases--;
        lease_free(lease);
        queue->leased--;
        queue->core->leased--;
        queue->acked++;
        extent_settle(extent, bytes, false);
        return 0;
}

static int settle_nack(struct consumer *consumer, struct lease *lease, struct lease_list *back) {
        TAILQ_REMOVE(&consumer->leases, lease, link);
        TAILQ_INSERT_TAIL(back, lease, link);
        return 0;
}

/* Returns 1 when settled, 0 when this consumer does not have it, -ENOMEM. */
static int settle_one(struct consumer *consumer, struct lease *lease, enum core_settle how, struct lease_list *back) {
        int r;

        if (!lease || lease->consumer != consumer)
                return 0;
        r = how == CORE_ACK ? settle_ack(consumer, lease) : settle_nack(consumer, lease, back);
        return r < 0 ? r : 1;
}

int64_t core_settle(struct consumer *consumer, uint64_t first, uint32_t count, enum core_settle how) {
        struct queue *queue = consumer->queue;
        struct lease_list back = TAILQ_HEAD_INITIALIZER(back);
        struct lease *lease, *next;
        int64_t settled = 0;
        int r = 0;

        if (count <= consumer->n_leases)
                for (uint32_t i = 0; i < count && r >= 0; i++) {
                        r = settle_one(consumer, lease_find(queue, first + i), how, &back);
                        settled += r;
                }
        else
                for (lease = TAILQ_FIRST(&consumer->leases); lease && r >= 0; lease = next) {
                        next = TAILQ_NEXT(lease, link);
                        if (lease->id < first || lease->id - first >= count)
                                continue;
                        r = settle_one(consumer, lease, how, &back);
                        settled += r;
                }
        if (!TAILQ_EMPTY(&back)) {
                (void) journal_attempts(queue->core, queue, &back);
                lease_return_all(queue, &back);
        }
        return r < 0 ? r : settled;
}
