/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

int core_new(struct core **ret, const struct core_options *options, const struct core_calls *calls, void *userdata) {
        struct core *core = calloc(1, sizeof(*core));
        int r;

        if (!core)
                return -ENOMEM;
        r = router_new(&core->router);
        if (r < 0) {
                free(core);
                return r;
        }
        core->options = *options;
        core->calls = calls;
        core->userdata = userdata;
        core->next_id = 1;
        core->next_queue = 1;
        TAILQ_INIT(&core->to_pump);
        TAILQ_INIT(&core->taken);
        TAILQ_INIT(&core->pending);
        TAILQ_INIT(&core->cache);
        TAILQ_INIT(&core->stored);
        TAILQ_INIT(&core->spare_leases);
        *ret = core;
        return 0;
}

void core_set_limits(struct core *core, const struct core_options *options) {
        core->options = *options;
}

void core_set_disk_full(struct core *core, bool full) {
        core->disk_full = full;
}

static void keep(void *userdata, struct place place) {
        (void) userdata;
        (void) place;
}

/* Freeing is not settling: nothing is released in the store, nobody is told. */
static const struct core_calls freeing = {.release = keep};

struct core *core_free(struct core *core) {
        struct queue *queue, *next_queue;
        struct lease *lease;
        struct block *block;

        if (!core)
                return NULL;
        core->calls = &freeing;
        HASH_ITER (hh_name, core->queues_by_name, queue, next_queue)
                queue_free(queue, NULL);
        while ((block = TAILQ_FIRST(&core->pending))) {
                TAILQ_REMOVE(&core->pending, block, link);
                block_free(block);
        }
        block_free(core->open);
        while ((lease = TAILQ_FIRST(&core->spare_leases))) {
                TAILQ_REMOVE(&core->spare_leases, lease, link);
                free(lease);
        }
        router_free(core->router);
        sender_table_done(&core->senders); /* sealed blocks that are the caller's refer to senders, too */
        free(core);
        return NULL;
}

struct sender_table *core_senders(struct core *core) {
        return &core->senders;
}

void core_counters(const struct core *core, struct core_counters *ret) {
        *ret = (struct core_counters){
                .queues = HASH_CNT(hh_name, core->queues_by_name),
                .messages = core->messages,
                .leased = core->leased,
                .bytes = core->bytes,
                .pending_bytes = core_pending_bytes(core),
                .extents = core->n_extents,
                .merges = core->merges,
                .blocks = core->n_blocks,
                .cached_bytes = core->cached_bytes,
                .loads = core->loads,
        };
}

static int check_limits(const struct queue *queue, const struct core_send *send, struct refusal *refusal) {
        const struct properties *p = &queue->properties;
        uint64_t messages = queue->ready + queue->leased + queue->damaged;

        if (p->max_message_bytes > 0 && send->body.size > p->max_message_bytes)
                return refuse_limit(refusal, -EMSGSIZE, WIRE_CODE_TOO_LARGE, "MaxMessageSize", p->max_message_bytes,
                                    send->body.size,
                                    "queue %.*s takes bodies of at most %" PRIu64 " bytes (MaxMessageSize=), not %zu",
                                    queue->name_bytes, queue->name, p->max_message_bytes, send->body.size);
        if (p->max_messages > 0 && messages >= p->max_messages)
                return refuse_limit(refusal, -ENOBUFS, WIRE_CODE_FULL, "MaxMessages", p->max_messages, messages,
                                    "queue %.*s is full: it holds %" PRIu64 " messages, MaxMessages=%" PRIu64,
                                    queue->name_bytes, queue->name, messages, p->max_messages);
        if (p->max_bytes > 0 && queue->bytes + send->body.size > p->max_bytes)
                return refuse_limit(
                        refusal, -ENOBUFS, WIRE_CODE_FULL, "MaxBytes", p->max_bytes, queue->bytes + send->body.size,
                        "queue %.*s is full: it would hold %" PRIu64 " bytes, MaxBytes=%" PRIu64, queue->name_bytes,
                        queue->name, queue->bytes + (uint64_t) send->body.size, p->max_bytes);
        return 0;
}

/* Finds the destinations and checks that each takes the message. Returns their number or negative errno. */
static int route(struct core *core, const struct core_send *send, struct queue *const **ret, struct refusal *refusal) {
        void *const *targets;
        int n, r;

        if (send->body.size > core->options.message_bytes_max)
                return refuse_limit(refusal, -EMSGSIZE, WIRE_CODE_TOO_LARGE, "MaxMessageSize",
                                    core->options.message_bytes_max, send->body.size,
                                    "this bus takes bodies of at most %" PRIu64 " bytes (MaxMessageSize=), not %zu",
                                    core->options.message_bytes_max, send->body.size);
        n = router_match(core->router, send->subject, &targets);
        if (n < 0)
                return refuse(refusal, n, WIRE_CODE_INTERNAL, "out of memory");
        if (n == 0 && !send->unrouted_ok)
                return refuse(refusal, -EHOSTUNREACH, WIRE_CODE_NO_ROUTE, "no queue takes the subject \"%.*s\"",
                              (int) send->subject.size, (const char *) send->subject.data);
        if (n > 0 && core->disk_full)
                return refuse(refusal, -ENOSPC, WIRE_CODE_DISK_FULL,
                              "the disk of the bus is full: nothing more is taken until messages are "
                              "received or room is made");
        *ret = (struct queue *const *) targets;
        for (int i = 0; i < n; i++) {
                r = check_limits((*ret)[i], send, refusal);
                if (r < 0)
                        return r;
        }
        if (core->options.extents_max > 0 && core->n_extents + (uint64_t) n > core->options.extents_max)
                return refuse_limit(refusal, -ENOBUFS, WIRE_CODE_FULL, "SegmentSize", core->options.extents_max,
                                    core->n_extents,
                                    "the bus is full: what waits is in %" PRIu64
                                    " pieces, and with this SegmentSize= a checkpoint takes %" PRIu64,
                                    core->n_extents, core->options.extents_max);
        return n;
}

/* Makes everything that adding the message needs, so that nothing can fail after its entry is written. */
static int prepare(struct core *core,
                   const struct core_send *send,
                   struct queue *const *queues,
                   struct entry_message *entry,
                   struct block **ret) {
        struct level *level;
        size_t bytes = entry_message_size(entry) + send->sender->entry_bytes;
        int r;

        for (uint32_t i = 0; i < entry->n_destinations; i++) {
                r = level_get(queues[i], entry->priority, &level);
                if (r < 0)
                        return r;
        }
        r = journal_open(core, bytes, ret);
        if (r < 0)
                return r;
        return block_sender(*ret, send->sender, &entry->sender);
}

/* Undoes the first n destinations of the message that was appended last. */
static void take_back(struct queue *const *queues, uint32_t n, unsigned priority, uint64_t bytes) {
        for (uint32_t i = 0; i < n; i++) {
                struct extent *tail = TAILQ_LAST(&queues[i]->levels[priority]->extents, extent_list);

                queues[i]->sent--;
                extent_settle(tail, bytes, true);
        }
}

static int add_to_queues(struct core *core,
                         struct queue *const *queues,
                         const struct entry_message *entry,
                         struct block *block,
                         uint32_t offset) {
        for (uint32_t i = 0; i < entry->n_destinations; i++) {
                struct queue *queue = queues[i];
                int r;

                r = level_append(queue->levels[entry->priority], block, entry->body.size, offset);
                if (r < 0) {
                        take_back(queues, i, entry->priority, entry->body.size);
                        return r;
                }
                queue->ready++;
                queue->bytes += entry->body.size;
                queue->sent++;
                core->messages++;
                core->bytes += entry->body.size;
                queue_want_pump(queue);
        }
        return 0;
}

int core_send(
        struct core *core, const struct core_send *send, uint64_t now_us, uint64_t *ret_id, struct refusal *refusal) {
        struct queue *const *queues;
        struct entry_message entry;
        struct block *block;
        uint8_t *p, *destinations;
        uint32_t offset;
        int n, r;

        n = route(core, send, &queues, refusal);
        if (n < 0)
                return n;
        if (n == 0) {
                *ret_id = 0;
                return 0;
        }
        entry = (struct entry_message){
                .id = core->next_id,
                .time_us = now_us,
                .priority = send->priority,
                .n_destinations = (uint32_t) n,
                .subject = send->subject,
                .fields = send->fields,
                .body = send->body,
        };
        r = prepare(core, send, queues, &entry, &block);
        if (r < 0)
                return refuse(refusal, r, WIRE_CODE_INTERNAL, "out of memory");
        p = block_append(block, entry_message_size(&entry));
        if (!p)
                return refuse(refusal, -ENOMEM, WIRE_CODE_INTERNAL, "out of memory");
        offset = (uint32_t) (p - block->body->data);
        destinations = entry_message_write(p, &entry);
        for (int i = 0; i < n; i++)
                wire_set32(destinations + (size_t) i * 4, queues[i]->number);
        block_note_message(block, entry.id, now_us);
        r = add_to_queues(core, queues, &entry, block, offset);
        if (r < 0) {
                block_void(block, offset);
                return refuse(refusal, r, WIRE_CODE_INTERNAL, "out of memory");
        }
        core->next_id++;
        core_urge(core);
        *ret_id = entry.id;
        return 0;
}

int message_at(const struct queue *queue, const struct block *block, uint32_t offset, struct core_message *ret) {
        const uint8_t *p = block->body->data + offset;
        struct entry_message m;
        int r;

        r = entry_message_read(&(struct entry){.data = p, .size = wire_get32(p), .kind = ENTRY_MESSAGE}, &m);
        if (r < 0)
                return r;
        *ret = (struct core_message){
                .id = m.id,
                .time_us = m.time_us,
                .sender = block->body->senders[m.sender],
                .priority = m.priority,
                .subject_is_queue =
                        m.subject.size == queue->name_bytes && memcmp(m.subject.data, queue->name, m.subject.size) == 0,
                .subject = m.subject,
                .fields = m.fields,
                .body = m.body,
        };
        return 0;
}
