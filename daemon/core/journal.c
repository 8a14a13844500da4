/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The open block, what goes into it besides messages, its way to the store, and the cache of stored blocks. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/core/internal.h"

#define ATTEMPTS_PER_ENTRY 4096u

static void seal_open(struct core *core) {
        if (!core->open)
                return;
        block_seal(core->open);
        TAILQ_INSERT_TAIL(&core->pending, core->open, link);
        core->pending_bytes += core->open->body->size;
        core->open = NULL;
}

void journal_add_sealed(struct core *core, struct block *block) {
        seal_open(core);
        block_seal(block);
        TAILQ_INSERT_TAIL(&core->pending, block, link);
        core->pending_bytes += block->body->size;
        core->merges++;
        if (core->urgency == CORE_PENDING_NOTHING)
                core->urgency = CORE_PENDING_LAZY;
}

void journal_list(struct core *core, struct block *block) {
        block->listed = true;
        TAILQ_INSERT_TAIL(&core->stored, block, order);
        core->n_stored++;
}

int journal_open(struct core *core, size_t bytes, struct block **ret) {
        int r;

        if (core->open && core->open->body->size > 0 && core->open->body->size + bytes > BLOCK_BYTES_TARGET)
                seal_open(core);
        if (!core->open) {
                r = block_new(&core->open, core->block_serial + 1);
                if (r < 0)
                        return r;
                core->block_serial++;
                core->n_blocks++;
        }
        if (core->urgency == CORE_PENDING_NOTHING)
                core->urgency = CORE_PENDING_LAZY;
        *ret = core->open;
        return 0;
}

static uint8_t *append(struct core *core, size_t bytes) {
        struct block *block;

        return journal_open(core, bytes, &block) < 0 ? NULL : block_append(block, bytes);
}

int journal_queue(struct core *core, const struct queue *queue) {
        struct buffer properties = {0};
        struct entry_queue entry;
        uint8_t *p = NULL;
        int r;

        r = properties_write(&queue->properties, &properties);
        if (r == 0) {
                entry = (struct entry_queue){
                        .number = queue->number,
                        .kind = queue->kind,
                        .declared_us = queue->declared_us,
                        .name = {(const uint8_t *) queue->name, queue->name_bytes},
                        .properties = {properties.data, properties.size},
                };
                p = append(core, entry_queue_size(&entry));
        }
        if (p)
                entry_queue_write(p, &entry);
        buffer_done(&properties);
        core_urge(core);
        return p ? 0 : -ENOMEM;
}

int journal_named(struct core *core, unsigned kind, const struct queue *queue, struct wire_span pattern) {
        uint8_t *p = append(core, entry_named_size(pattern.size));

        if (!p)
                return -ENOMEM;
        entry_named_write(p, kind, queue->number, pattern);
        core_urge(core);
        return 0;
}

int journal_settled(struct core *core, unsigned reason, const struct lease *lease) {
        struct block *block;
        int r;

        r = journal_open(core, entry_runs_size(1), &block);
        if (r < 0)
                return r;
        return block_settled(block, lease->extent->level->priority, reason, lease->extent->level->queue->number,
                             lease->id, lease->bytes, lease->extent);
}

int journal_attempts(struct core *core, const struct queue *queue, const struct lease_list *leases) {
        const struct lease *lease = TAILQ_FIRST(leases);

        while (lease) {
                const struct level *level = lease->extent->level;
                const struct lease *end = lease;
                size_t n = 0;
                uint8_t *p;

                for (; end && end->extent->level == level && n < ATTEMPTS_PER_ENTRY; end = TAILQ_NEXT(end, link))
                        n++;
                p = append(core, entry_runs_size(n));
                if (!p)
                        return -ENOMEM;
                entry_runs_begin(p, ENTRY_ATTEMPTS, level->priority, 0, queue->number);
                wire_set32(p, (uint32_t) entry_runs_size(n));
                p += entry_runs_size(0);
                for (; lease != end; lease = TAILQ_NEXT(lease, link), p += ENTRY_RUN_BYTES)
                        entry_run_write(p, &(struct entry_run){.id = lease->id,
                                                               .number = lease->deliveries,
                                                               .bytes = lease->bytes});
        }
        return 0;
}

/* Notes the counts of messages that were handed out again since the last seal. */
static int journal_taken_again(struct core *core, struct queue *queue) {
        struct consumer *consumer;
        struct lease *lease;
        uint8_t *p;

        if (!queue->taken_again)
                return 0;
        TAILQ_FOREACH (consumer, &queue->consumers, link)
                for (lease = TAILQ_LAST(&consumer->leases, lease_list); lease && !lease->noted;
                     lease = TAILQ_PREV(lease, lease_list, link)) {
                        if (lease->deliveries > 1) {
                                p = append(core, entry_runs_size(1));
                                if (!p)
                                        return -ENOMEM;
                                entry_runs_begin(p, ENTRY_ATTEMPTS, lease->extent->level->priority, 0, queue->number);
                                wire_set32(p, (uint32_t) entry_runs_size(1));
                                entry_run_write(p + entry_runs_size(0),
                                                &(struct entry_run){lease->id, lease->deliveries, lease->bytes});
                        }
                        lease->noted = true;
                }
        queue->taken_again = false;
        return 0;
}

/* Notes how far a queue was handed out, so that what comes again after a crash is marked as redelivered. */
static int journal_taken_first(struct core *core, struct queue *queue) {
        for (unsigned i = 0; i <= WIRE_PRIORITY_MAX; i++) {
                struct level *level = queue->levels[i];
                uint8_t *p;

                if (!level || !level->taken)
                        continue;
                if (queue->leased > 0) {
                        p = append(core, ENTRY_TAKEN_BYTES);
                        if (!p)
                                return -ENOMEM;
                        entry_taken_write(p, ENTRY_TAKEN, queue->number, level->priority, level->next_id);
                }
                level->taken = false;
        }
        return 0;
}

static int journal_taken(struct core *core) {
        struct queue *queue;
        int r;

        while ((queue = TAILQ_FIRST(&core->taken))) {
                r = journal_taken_first(core, queue);
                if (r == 0)
                        r = journal_taken_again(core, queue);
                if (r < 0)
                        return r;
                TAILQ_REMOVE(&core->taken, queue, taken_link);
                queue->taken = false;
        }
        return 0;
}

int journal_ids(struct core *core) {
        uint8_t *p = append(core, ENTRY_TAKEN_BYTES);

        if (!p)
                return -ENOMEM;
        entry_taken_write(p, ENTRY_IDS, 0, 0, core->next_id);
        core->noted_id = core->next_id;
        return 0;
}

enum core_pending core_pending(const struct core *core) {
        return core->urgency;
}

void core_urge(struct core *core) {
        core->urgency = CORE_PENDING_URGENT;
}

uint64_t core_pending_bytes(const struct core *core) {
        return core->pending_bytes + (core->open ? core->open->body->size : 0);
}

int core_seal(struct core *core, struct block_list *ret) {
        struct block *block;
        int r;

        r = journal_taken(core);
        /* Messages that were acknowledged before they were written leave no other trace of their ids. */
        if (r == 0 && core->next_id - core->noted_id >= CORE_IDS_JUMP / 4)
                r = journal_ids(core);
        if (r < 0)
                return r;
        seal_open(core);
        while ((block = TAILQ_FIRST(&core->pending))) {
                TAILQ_REMOVE(&core->pending, block, link);
                if (block_is_empty(block)) {
                        block_free(block);
                        core->n_blocks--;
                } else
                        TAILQ_INSERT_TAIL(ret, block, link);
        }
        core->pending_bytes = 0;
        core->urgency = CORE_PENDING_NOTHING;
        return 0;
}

void core_place(struct core *core, struct block *block, struct place place) {
        block->place = place;
        block->placed = true;
        if (block->live > 0) {
                block->retained = true;
                core->calls->retain(core->userdata, place);
        }
}

static void cache_remove(struct core *core, struct block *block) {
        TAILQ_REMOVE(&core->cache, block, link);
        core->cached_bytes -= block_memory(block);
        block_drop(block);
}

static void cache_add(struct core *core, struct block *block) {
        TAILQ_INSERT_TAIL(&core->cache, block, link);
        core->cached_bytes += block_memory(block);
        /* The one just added stays, however large it is: somebody is about to use it. */
        while (core->cached_bytes > core->options.cache_bytes_max && TAILQ_FIRST(&core->cache) != block)
                cache_remove(core, TAILQ_FIRST(&core->cache));
}

void core_stored(struct core *core, struct block_list *blocks) {
        struct block *block;

        while ((block = TAILQ_FIRST(blocks))) {
                TAILQ_REMOVE(blocks, block, link);
                block->state = BLOCK_STORED;
                if (block->live == 0) {
                        block_free(block);
                        core->n_blocks--;
                        continue;
                }
                if (!block->listed)
                        journal_list(core, block);
                cache_add(core, block);
        }
}

int block_fetch(struct core *core, struct block *block) {
        uint8_t *data = NULL;
        size_t size = 0;
        int r;

        if (block->body) {
                if (block->state == BLOCK_STORED && TAILQ_NEXT(block, link)) {
                        TAILQ_REMOVE(&core->cache, block, link);
                        TAILQ_INSERT_TAIL(&core->cache, block, link);
                }
                return 0;
        }
        r = core->calls->load(core->userdata, block->place, &data, &size);
        if (r < 0)
                return r;
        r = block_adopt(block, data, size, &core->senders);
        if (r < 0) {
                free(data);
                return r;
        }
        core->loads++;
        cache_add(core, block);
        return 0;
}

void block_get(struct block *block) {
        block->live++;
}

void block_put(struct core *core, struct block *block) {
        if (--block->live > 0)
                return;
        if (block->retained) {
                block->retained = false;
                core->calls->release(core->userdata, block->place);
        }
        if (block->listed) {
                if (core->merge_at == block)
                        core->merge_at = TAILQ_NEXT(block, order);
                TAILQ_REMOVE(&core->stored, block, order);
                block->listed = false;
                core->n_stored--;
        }
        if (block->state != BLOCK_STORED)
                return; /* it still is to be written for what else is in it; core_stored() frees it */
        if (block->body)
                cache_remove(core, block);
        block_free(block);
        core->n_blocks--;
}
