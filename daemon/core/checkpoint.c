/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The whole state as bytes: definitions, what is unsettled and in which blocks, counters. Its size grows with the
 * number of blocks that hold unsettled messages and of messages handed out, not with what is stored.
 *
 *   u32 version, u64 next id, u32 next queue number, u32 queues, then each queue:
 *     u32 number, u8 kind, u8 name length, u32 properties length, u32 bindings, u64 declared_us, sent, delivered,
 * acked, redelivered, name, properties (wire fields), {u8 length, pattern} each, u8 levels, then each level: u8
 * priority, u64 next id, u64 attempted id, u32 extents, u32 leases, u32 skipped runs, extents {u32 segment, u32 record,
 * u64 first id, u64 last id, u64 time_us, u32 live, u64 bytes}, leases {u64 id, u32 deliveries, u32 bytes}, runs {u64
 * first, u64 end}
 */

#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/core/internal.h"

#define CHECKPOINT_VERSION 1u
#define RUN_BYTES          16u
#define QUEUE_FIXED_BYTES  54u
#define LEVEL_FIXED_BYTES  29u

/* ---- writing ---- */

static uint32_t count_leases(const struct level *level) {
        uint32_t n = 0;

        for (const struct lease *lease = level->queue->leases; lease; lease = lease->hh.next)
                n += lease->extent->level == level;
        return n;
}

static int write_level(const struct level *level, struct buffer *out) {
        const struct extent *extent;
        uint32_t n_extents = 0, n_leases = count_leases(level);
        size_t n_runs = level->skipped.size - level->skipped.head;

        TAILQ_FOREACH (extent, &level->extents, link)
                n_extents++;
        if (buffer_reserve(out, LEVEL_FIXED_BYTES + (size_t) n_extents * CORE_CHECKPOINT_EXTENT_BYTES +
                                        (size_t) n_leases * CORE_CHECKPOINT_LEASE_BYTES + n_runs * RUN_BYTES) < 0)
                return -ENOMEM;
        buffer_u8(out, level->priority);
        buffer_u64(out, level->next_id);
        buffer_u64(out, level->attempted_id);
        buffer_u32(out, n_extents);
        buffer_u32(out, n_leases);
        buffer_u32(out, (uint32_t) n_runs);
        TAILQ_FOREACH (extent, &level->extents, link) {
                buffer_u32(out, extent->block->place.segment);
                buffer_u32(out, extent->block->place.record);
                buffer_u64(out, extent->block->first_id);
                buffer_u64(out, extent->block->last_id);
                buffer_u64(out, extent->block->time_us);
                buffer_u32(out, extent->live);
                buffer_u64(out, extent->bytes);
        }
        for (const struct lease *lease = level->queue->leases; lease; lease = lease->hh.next)
                if (lease->extent->level == level) {
                        buffer_u64(out, lease->id);
                        buffer_u32(out, lease->deliveries);
                        buffer_u32(out, lease->bytes);
                }
        for (size_t i = level->skipped.head; i < level->skipped.size; i++) {
                buffer_u64(out, level->skipped.runs[i].first);
                buffer_u64(out, level->skipped.runs[i].end);
        }
        return 0;
}

static int write_definition(const struct queue *queue, struct buffer *out) {
        struct buffer properties = {0};
        size_t bytes = QUEUE_FIXED_BYTES + queue->name_bytes;

        for (size_t i = 0; i < queue->n_bindings; i++)
                bytes += 1 + queue->bindings[i].size;
        if (properties_write(&queue->properties, &properties) < 0 || buffer_reserve(out, bytes + properties.size) < 0) {
                buffer_done(&properties);
                return -ENOMEM;
        }
        buffer_u32(out, queue->number);
        buffer_u8(out, queue->kind);
        buffer_u8(out, queue->name_bytes);
        buffer_u32(out, (uint32_t) properties.size);
        buffer_u32(out, (uint32_t) queue->n_bindings);
        buffer_u64(out, queue->declared_us);
        buffer_u64(out, queue->sent);
        buffer_u64(out, queue->delivered);
        buffer_u64(out, queue->acked);
        buffer_u64(out, queue->redelivered);
        buffer_bytes(out, queue->name, queue->name_bytes);
        buffer_bytes(out, properties.data, properties.size);
        for (size_t i = 0; i < queue->n_bindings; i++) {
                buffer_u8(out, (uint8_t) queue->bindings[i].size);
                buffer_bytes(out, queue->bindings[i].data, queue->bindings[i].size);
        }
        buffer_done(&properties);
        return 0;
}

static int write_queue(const struct queue *queue, struct buffer *out) {
        uint8_t n_levels = 0;
        int r;

        r = write_definition(queue, out);
        if (r < 0 || (r = buffer_reserve(out, 1)) < 0)
                return r;
        for (unsigned i = 0; i <= WIRE_PRIORITY_MAX; i++)
                n_levels += queue->levels[i] != NULL;
        buffer_u8(out, n_levels);
        for (unsigned i = 0; i <= WIRE_PRIORITY_MAX && r == 0; i++)
                if (queue->levels[i])
                        r = write_level(queue->levels[i], out);
        return r;
}

int core_checkpoint(struct core *core, struct buffer *out) {
        int r;

        r = buffer_reserve(out, 20);
        if (r < 0)
                return r;
        buffer_u32(out, CHECKPOINT_VERSION);
        buffer_u64(out, core->next_id);
        buffer_u32(out, core->next_queue);
        buffer_u32(out, HASH_CNT(hh_number, core->queues_by_number));
        for (const struct queue *queue = core->queues_by_number; queue && r == 0; queue = queue->hh_number.next)
                r = write_queue(queue, out);
        if (r == 0)
                core->noted_id = core->next_id;
        return r;
}

/* ---- reading ---- */

/* Several queues may have messages in one block: found again by its place. */
struct known {
        UT_hash_handle hh;
        struct place place;
        struct block *block;
};

static int find_block(struct core *core, struct known **known, const struct block *like, struct block **ret) {
        struct known *k = NULL;
        int r;

        HASH_FIND(hh, *known, &like->place, sizeof(like->place), k);
        if (k) {
                *ret = k->block;
                return 0;
        }
        k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        r = block_new_stored(&k->block, like->place, like->first_id, like->last_id, like->time_us);
        if (r < 0) {
                free(k);
                return r;
        }
        k->place = like->place;
        HASH_ADD(hh, *known, place, sizeof(k->place), k);
        if (!k->hh.tbl) {
                block_free(k->block);
                free(k);
                return -ENOMEM;
        }
        core->n_blocks++;
        *ret = k->block;
        return 0;
}

static int read_extent(struct level *level, struct reader *in, struct known **known) {
        struct queue *queue = level->queue;
        struct block like = {0}, *block;
        uint32_t live;
        uint64_t bytes;
        int r;

        like.place.segment = reader_u32(in);
        like.place.record = reader_u32(in);
        like.first_id = reader_u64(in);
        like.last_id = reader_u64(in);
        like.time_us = reader_u64(in);
        live = reader_u32(in);
        bytes = reader_u64(in);
        if (in->bad || live == 0)
                return -EBADMSG;
        r = find_block(queue->core, known, &like, &block);
        if (r < 0)
                return r;
        queue->ready += live;
        queue->bytes += bytes;
        queue->core->messages += live;
        queue->core->bytes += bytes;
        return level_add_extent(level, block, live, live, bytes, NULL);
}

static int read_lease(struct level *level, struct reader *in) {
        uint64_t id = reader_u64(in);
        uint32_t deliveries = reader_u32(in), bytes = reader_u32(in);
        struct extent *extent = level_find_extent(level, id);

        if (in->bad || !extent || extent->left == 0 || lease_find(level->queue, id))
                return -EBADMSG;
        return level_remember(extent, id, deliveries, bytes);
}

static int read_level(struct queue *queue, struct reader *in, struct known **known) {
        uint8_t priority = reader_u8(in);
        uint32_t n_extents, n_leases, n_runs;
        struct level *level;
        int r;

        if (in->bad || priority > WIRE_PRIORITY_MAX)
                return -EBADMSG;
        r = level_get(queue, priority, &level);
        if (r < 0)
                return r;
        level->next_id = reader_u64(in);
        level->attempted_id = reader_u64(in);
        n_extents = reader_u32(in);
        n_leases = reader_u32(in);
        n_runs = reader_u32(in);
        for (uint32_t i = 0; i < n_extents && r == 0; i++)
                r = read_extent(level, in, known);
        for (uint32_t i = 0; i < n_leases && r == 0; i++)
                r = read_lease(level, in);
        for (uint32_t i = 0; i < n_runs && r == 0; i++) {
                uint64_t first = reader_u64(in), end = reader_u64(in);

                r = in->bad || end <= first ? -EBADMSG : idset_add(&level->skipped, first, end - first);
        }
        return r;
}

static int read_queue(struct core *core, struct reader *in, struct known **known) {
        uint32_t number = reader_u32(in);
        uint8_t kind = reader_u8(in), name_bytes = reader_u8(in), n_levels;
        uint32_t properties_bytes = reader_u32(in), n_bindings = reader_u32(in);
        uint64_t figures[5];
        const uint8_t *name, *fields, *pattern;
        struct properties none = {0};
        struct wire_fault fault;
        struct queue *queue;
        int r;

        for (unsigned i = 0; i < 5; i++)
                figures[i] = reader_u64(in);
        name = reader_bytes(in, name_bytes);
        fields = reader_bytes(in, properties_bytes);
        if (in->bad || wire_subject_check(name, name_bytes, NULL) < 0 || queue_by_number(core, number) ||
            wire_fields_check((struct wire_span){fields, properties_bytes}, &fault) < 0)
                return -EBADMSG;
        r = queue_new(core, (struct wire_span){name, name_bytes}, number, kind, &queue);
        if (r < 0)
                return r;
        queue->declared_us = figures[0];
        queue->sent = figures[1];
        queue->delivered = figures[2];
        queue->acked = figures[3];
        queue->redelivered = figures[4];
        r = properties_apply(&queue->properties, &none, (struct wire_span){fields, properties_bytes}, NULL);
        for (uint32_t i = 0; i < n_bindings && r >= 0; i++) {
                uint8_t bytes = reader_u8(in);

                pattern = reader_bytes(in, bytes);
                if (in->bad || wire_pattern_check(pattern, bytes, NULL) < 0)
                        return -EBADMSG;
                r = queue_bind(queue, (struct wire_span){pattern, bytes});
        }
        n_levels = reader_u8(in);
        for (unsigned i = 0; i < n_levels && r >= 0; i++)
                r = read_level(queue, in, known);
        return r < 0 ? r : 0;
}

static int by_id(const struct known *a, const struct known *b) {
        return (a->block->first_id > b->block->first_id) - (a->block->first_id < b->block->first_id);
}

int core_replay_checkpoint(struct core *core, const uint8_t *data, size_t size) {
        struct reader in = {.data = data, .size = size};
        struct known *known = NULL, *k, *next;
        uint32_t n_queues;
        int r = 0;

        if (reader_u32(&in) != CHECKPOINT_VERSION)
                return -EPROTONOSUPPORT;
        core->next_id = reader_u64(&in);
        core->next_queue = reader_u32(&in);
        n_queues = reader_u32(&in);
        for (uint32_t i = 0; i < n_queues && r == 0; i++)
                r = read_queue(core, &in, &known);
        HASH_SORT(known, by_id);
        HASH_ITER (hh, known, k, next) {
                HASH_DELETE(hh, known, k);
                if (k->block->live > 0)
                        journal_list(core, k->block);
                else { /* only after an error */
                        block_get(k->block);
                        block_put(core, k->block);
                }
                free(k);
        }
        if (r == 0 && (in.bad || in.offset != size))
                r = -EBADMSG;
        return r;
}
