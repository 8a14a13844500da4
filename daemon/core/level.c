/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "daemon/core/internal.h"

int level_get(struct queue *queue, unsigned priority, struct level **ret) {
        struct level *level = queue->levels[priority];

        if (!level) {
                level = calloc(1, sizeof(*level));
                if (!level)
                        return -ENOMEM;
                level->queue = queue;
                level->priority = (uint8_t) priority;
                TAILQ_INIT(&level->extents);
                TAILQ_INIT(&level->returned);
                queue->levels[priority] = level;
        }
        *ret = level;
        return 0;
}

void level_free(struct level *level) {
        struct extent *extent;

        if (!level)
                return;
        while ((extent = TAILQ_FIRST(&level->extents)))
                extent_free(extent);
        idset_done(&level->skipped);
        free(level->spare);
        free(level);
}

static void update_ready(struct level *level) {
        uint16_t bit = (uint16_t) (1u << level->priority);

        if (level->cursor || !TAILQ_EMPTY(&level->returned))
                level->queue->levels_ready |= bit;
        else
                level->queue->levels_ready &= (uint16_t) ~bit;
}

void level_set_cursor(struct level *level, struct extent *extent) {
        while (extent && extent->left == 0)
                extent = TAILQ_NEXT(extent, link);
        level->cursor = extent;
        level->hint = 0;
        level->epoch = extent ? extent->block->epoch : 0;
        update_ready(level);
}

void extent_count(struct extent *extent, int live, int left, int64_t bytes) {
        extent->live += (uint32_t) live;
        extent->left += (uint32_t) left;
        extent->bytes += (uint64_t) bytes;
        extent->block->live_messages += (uint32_t) live;
        extent->block->live_bytes += (uint64_t) bytes;
}

int level_add_extent(
        struct level *level, struct block *block, uint32_t live, uint32_t left, uint64_t bytes, struct extent **ret) {
        struct extent *extent = malloc(sizeof(*extent));

        if (!extent)
                return -ENOMEM;
        *extent = (struct extent){.block = block, .level = level};
        block_get(block);
        level->queue->core->n_extents++;
        extent_count(extent, (int) live, (int) left, (int64_t) bytes);
        TAILQ_INSERT_TAIL(&level->extents, extent, link);
        if (!level->cursor && left > 0)
                level_set_cursor(level, extent);
        if (ret)
                *ret = extent;
        return 0;
}

int level_append(struct level *level, struct block *block, uint64_t bytes, uint32_t offset) {
        struct extent *tail = TAILQ_LAST(&level->extents, extent_list);
        int r;

        if (!tail || tail->block != block) {
                r = level_add_extent(level, block, 0, 0, 0, &tail);
                if (r < 0)
                        return r;
        }
        extent_count(tail, 1, 1, (int64_t) bytes);
        if (!level->cursor) {
                level_set_cursor(level, tail);
                level->hint = offset;
        }
        return 0;
}

void extent_free(struct extent *extent) {
        struct level *level = extent->level;
        struct extent *next = TAILQ_NEXT(extent, link), *first;

        TAILQ_REMOVE(&level->extents, extent, link);
        if (level->cursor == extent)
                level_set_cursor(level, next);
        if (level->recent == extent)
                level->recent = next;
        if (!idset_is_empty(&level->skipped)) {
                /* The last block may get more messages yet: what was skipped in it is not forgotten. */
                first = TAILQ_FIRST(&level->extents);
                idset_drop_below(&level->skipped, first ? first->block->first_id : extent->block->first_id);
        }
        extent_count(extent, -(int) extent->live, 0, -(int64_t) extent->bytes);
        level->queue->core->n_extents--;
        block_put(level->queue->core, extent->block);
        free(extent);
}

void extent_settle(struct extent *extent, uint64_t bytes, bool was_left) {
        struct level *level = extent->level;
        struct core *core = level->queue->core;

        extent_count(extent, -1, was_left ? -1 : 0, -(int64_t) bytes);
        level->queue->bytes -= bytes;
        core->bytes -= bytes;
        core->messages--;
        if (was_left) {
                level->queue->ready--;
                if (extent->left == 0 && level->cursor == extent)
                        level_set_cursor(level, extent);
        }
        if (extent->live == 0)
                extent_free(extent);
}

/* Messages cannot be read: they stay where they are, are counted, and the queue goes on without them. */
static void give_up(struct queue *queue, struct block *block, uint32_t n, int error) {
        char text[512];

        snprintf(text, sizeof(text),
                 "queue %.*s: %" PRIu32 " messages in segment %" PRIu32 " record %" PRIu32 " cannot be read: %s",
                 queue->name_bytes, queue->name, n, block->place.segment, block->place.record, strerror(-error));
        queue->core->calls->notice(queue->core->userdata, text);
        block->broken = true;
        queue->ready -= n;
        queue->damaged += n;
}

static void give_up_extent(struct level *level, int error) {
        struct extent *extent = level->cursor;

        give_up(level->queue, extent->block, extent->left, error);
        extent->left = 0;
        level_set_cursor(level, extent);
}

static void give_up_returned(struct level *level, struct lease *lease, int error) {
        give_up(level->queue, lease->extent->block, 1, error);
        TAILQ_REMOVE(&level->returned, lease, link);
        lease_free(lease);
        update_ready(level);
}

/* Finds the entry of the next fresh message in the cursor's block. Returns 1, or negative errno. */
static int find_fresh(struct level *level, uint32_t *ret_offset) {
        struct block *block = level->cursor->block;
        uint32_t offset;
        int r;

        r = block_fetch(level->queue->core, block);
        if (r < 0)
                return r;
        offset = level->epoch == block->epoch ? level->hint : 0;
        while (offset < block->body->size) {
                const uint8_t *p = block->body->data + offset;

                if (p[4] == ENTRY_MESSAGE && entry_message_id(p) >= level->next_id &&
                    entry_message_priority(p) == level->priority && entry_message_goes_to(p, level->queue->number) &&
                    !idset_contains(&level->skipped, entry_message_id(p))) {
                        level->hint = offset;
                        level->epoch = block->epoch;
                        *ret_offset = offset;
                        return 1;
                }
                offset += wire_get32(p);
        }
        return -EBADMSG; /* the count said that there is one */
}

int level_next(struct level *level, struct candidate *ret) {
        struct lease *returned = TAILQ_FIRST(&level->returned);
        uint32_t offset = 0;
        int r = 0;

        *ret = (struct candidate){.level = level};
        if (!returned || returned->id >= level->next_id)
                while (level->cursor) {
                        r = find_fresh(level, &offset);
                        if (r > 0 || r == -ENOMEM)
                                break;
                        give_up_extent(level, r);
                        r = 0;
                }
        if (r < 0)
                return r;
        if (r > 0 && (!returned || entry_message_id(level->cursor->block->body->data + offset) < returned->id)) {
                ret->offset = offset;
                ret->block = level->cursor->block;
                return 1;
        }
        if (!returned)
                return 0;
        r = lease_locate(returned);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                give_up_returned(level, returned, r);
                return level_next(level, ret);
        }
        ret->returned = returned;
        ret->offset = returned->offset;
        ret->block = returned->extent->block;
        return 1;
}

static int take_fresh(struct level *level, const struct candidate *candidate, struct lease **ret) {
        const uint8_t *p = candidate->block->body->data + candidate->offset;
        struct extent *extent = level->cursor;
        struct entry_message message;
        struct lease *lease;
        int r;

        r = entry_message_read(&(struct entry){.data = p, .size = wire_get32(p), .kind = ENTRY_MESSAGE}, &message);
        if (r < 0)
                return r;
        r = lease_new(level->queue->core, message.id, extent, &lease);
        if (r < 0)
                return r;
        lease->bytes = (uint32_t) message.body.size;
        lease->offset = candidate->offset;
        lease->epoch = candidate->block->epoch;
        lease->deliveries = message.id < level->attempted_id ? 2 : 1;
        level->next_id = message.id + 1;
        level->hint = candidate->offset + wire_get32(p);
        level->taken = true;
        if (--extent->left == 0)
                level_set_cursor(level, extent);
        *ret = lease;
        return 0;
}

int level_take(const struct candidate *candidate, struct consumer *consumer, struct lease **ret) {
        struct level *level = candidate->level;
        struct queue *queue = level->queue;
        struct lease *lease = candidate->returned;
        int r;

        if (lease) {
                TAILQ_REMOVE(&level->returned, lease, link);
                lease->deliveries++;
                update_ready(level);
        } else {
                r = take_fresh(level, candidate, &lease);
                if (r < 0)
                        return r;
        }
        lease->consumer = consumer;
        lease->noted = false;
        TAILQ_INSERT_TAIL(&consumer->leases, lease, link);
        consumer->n_leases++;
        queue->taken_again = queue->taken_again || lease->deliveries > 1;
        if (!queue->taken) {
                queue->taken = true;
                TAILQ_INSERT_TAIL(&queue->core->taken, queue, taken_link);
        }
        queue->ready--;
        queue->leased++;
        queue->core->leased++;
        *ret = lease;
        return 0;
}

struct extent *level_find_extent(struct level *level, uint64_t id) {
        struct extent *extent = level->recent ? level->recent : TAILQ_FIRST(&level->extents), *other;

        while (extent && extent->block->last_id < id && (other = TAILQ_NEXT(extent, link)))
                extent = other;
        while (extent && extent->block->first_id > id && (other = TAILQ_PREV(extent, extent_list, link)))
                extent = other;
        level->recent = extent;
        return extent && extent->block->first_id <= id && id <= extent->block->last_id ? extent : NULL;
}

static void insert_returned(struct level *level, struct lease *lease) {
        struct lease *after = TAILQ_LAST(&level->returned, lease_list);

        while (after && after->id > lease->id)
                after = TAILQ_PREV(after, lease_list, link);
        if (after)
                TAILQ_INSERT_AFTER(&level->returned, after, lease, link);
        else
                TAILQ_INSERT_HEAD(&level->returned, lease, link);
        update_ready(level);
}

int level_remember(struct extent *extent, uint64_t id, uint32_t deliveries, uint32_t bytes) {
        struct level *level = extent->level;
        struct lease *lease;
        int r;

        if (id >= level->next_id) {
                r = idset_add(&level->skipped, id, 1);
                if (r < 0)
                        return r;
        }
        r = lease_new(level->queue->core, id, extent, &lease);
        if (r < 0)
                return r;
        lease->deliveries = deliveries;
        lease->bytes = bytes;
        if (--extent->left == 0 && level->cursor == extent)
                level_set_cursor(level, extent);
        insert_returned(level, lease);
        return 0;
}

void level_forget(struct lease *lease) {
        struct extent *extent = lease->extent;
        struct level *level = extent->level;
        uint32_t bytes = lease->bytes;

        TAILQ_REMOVE(&level->returned, lease, link);
        update_ready(level);
        lease_free(lease);
        level->queue->ready--;
        extent_settle(extent, bytes, false);
}

bool level_is_live(struct level *level, uint64_t id, struct lease **ret_lease) {
        *ret_lease = lease_find(level->queue, id);
        return *ret_lease || (id >= level->next_id && !idset_contains(&level->skipped, id));
}
