/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Playing blocks back after a start: the same changes as when they were made, from what was written. */

#include <errno.h>
#include <stdlib.h>

#include "daemon/core/internal.h"

static int replay_message(struct core *core, struct block *block, const struct entry *entry, uint32_t offset) {
        struct entry_message m;
        int r;

        r = entry_message_read(entry, &m);
        if (r < 0)
                return r;
        block_note_message(block, m.id, m.time_us);
        if (m.id >= core->next_id)
                core->next_id = m.id + 1;
        for (uint32_t i = 0; i < m.n_destinations; i++) {
                struct queue *queue = queue_by_number(core, entry_message_destination(&m, i));
                struct level *level;

                if (!queue)
                        continue;
                r = level_get(queue, m.priority, &level);
                if (r == 0)
                        r = level_append(level, block, m.body.size, offset);
                if (r < 0)
                        return r;
                queue->ready++;
                queue->sent++;
                queue->bytes += m.body.size;
                core->messages++;
                core->bytes += m.body.size;
        }
        return 0;
}

/* Settles a message; `bytes`: what its body takes, about, if it is not remembered by itself. */
static int settle_one(struct queue *queue, unsigned priority, uint64_t id, uint64_t bytes) {
        struct lease *lease = lease_find(queue, id);
        struct level *level = queue->levels[priority];
        struct extent *extent;
        int r;

        if (lease) {
                level_forget(lease);
                queue->acked++;
                return 0;
        }
        extent = level ? level_find_extent(level, id) : NULL;
        if (!extent || extent->left == 0 || id < level->next_id || idset_contains(&level->skipped, id))
                return 0; /* known to be settled */
        r = idset_add(&level->skipped, id, 1);
        if (r < 0)
                return r;
        if (bytes > extent->bytes)
                bytes = extent->bytes;
        queue->acked++;
        extent_settle(extent, bytes, true);
        return 0;
}

/* The messages of a run were in one extent: how their bytes are shared out does not matter, if only the sum is right.
 */
static int settle_run(struct queue *queue, unsigned priority, const struct entry_run *run) {
        uint64_t rest = run->bytes;
        uint32_t sharing = run->number;
        int r;

        for (uint32_t i = 0; i < run->number; i++) {
                const struct lease *lease = lease_find(queue, run->id + i);

                if (lease) {
                        rest -= lease->bytes < rest ? lease->bytes : rest;
                        sharing--;
                }
        }
        for (uint32_t i = 0; i < run->number; i++) {
                bool remembered = lease_find(queue, run->id + i);
                uint64_t bytes = sharing > 0 ? rest / sharing : 0;

                r = settle_one(queue, priority, run->id + i, bytes);
                if (r < 0)
                        return r;
                if (!remembered) {
                        rest -= bytes;
                        sharing--;
                }
        }
        return 0;
}

static int replay_settled(struct core *core, const struct entry *entry) {
        struct queue *queue;
        uint32_t number;
        uint8_t priority;
        size_t n;
        int r;

        r = entry_runs_read(entry, &number, &priority, &n);
        if (r < 0)
                return r;
        queue = queue_by_number(core, number);
        for (size_t i = 0; queue && i < n; i++) {
                struct entry_run run = entry_run_at(entry, i);

                /* Nothing beyond was sent: what says so is damaged, and not worth so many steps. */
                if (run.id >= core->next_id)
                        continue;
                if (run.number > core->next_id - run.id)
                        run.number = (uint32_t) (core->next_id - run.id);
                r = settle_run(queue, priority, &run);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int replay_attempts(struct core *core, const struct entry *entry) {
        struct queue *queue;
        struct level *level;
        uint32_t number;
        uint8_t priority;
        size_t n;
        int r;

        r = entry_runs_read(entry, &number, &priority, &n);
        if (r < 0)
                return r;
        queue = queue_by_number(core, number);
        level = queue ? queue->levels[priority] : NULL;
        for (size_t i = 0; level && i < n; i++) {
                struct entry_run run = entry_run_at(entry, i);
                struct lease *lease = lease_find(queue, run.id);
                struct extent *extent = lease ? NULL : level_find_extent(level, run.id);

                if (lease)
                        lease->deliveries = run.number;
                else if (extent && extent->left > 0 && run.id >= level->next_id &&
                         !idset_contains(&level->skipped, run.id)) {
                        r = level_remember(extent, run.id, run.number, run.bytes);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int replay_taken(struct core *core, const struct entry *entry) {
        struct queue *queue;
        struct level *level;
        uint32_t number;
        uint8_t priority;
        uint64_t id;
        int r;

        r = entry_taken_read(entry, &number, &priority, &id);
        if (r < 0)
                return r;
        if (entry->kind == ENTRY_IDS) {
                if (id > core->next_id)
                        core->next_id = id;
                return 0;
        }
        queue = queue_by_number(core, number);
        level = queue ? queue->levels[priority] : NULL;
        if (level && id > level->attempted_id)
                level->attempted_id = id;
        return 0;
}

static int replay_queue(struct core *core, const struct entry *entry) {
        struct properties changed, none = {0};
        struct entry_queue q;
        struct wire_fault fault;
        struct queue *queue;
        int r;

        r = entry_queue_read(entry, &q);
        if (r < 0)
                return r;
        if (wire_subject_check(q.name.data, q.name.size, NULL) < 0 || wire_fields_check(q.properties, &fault) < 0)
                return -EBADMSG;
        queue = queue_by_number(core, q.number);
        if (!queue) {
                r = queue_new(core, q.name, q.number, q.kind, &queue);
                if (r < 0)
                        return r;
        }
        r = properties_apply(&changed, &none, q.properties, NULL);
        if (r < 0)
                return r;
        properties_done(&queue->properties);
        queue->properties = changed;
        queue->declared_us = q.declared_us;
        if (q.number >= core->next_queue)
                core->next_queue = q.number + 1;
        return 0;
}

static int replay_named(struct core *core, const struct entry *entry) {
        struct wire_span pattern;
        struct queue *queue;
        uint32_t number;
        int r;

        r = entry_named_read(entry, &number, &pattern);
        if (r < 0)
                return r;
        queue = queue_by_number(core, number);
        if (!queue)
                return 0;
        if (entry->kind == ENTRY_DELETE) {
                queue_free(queue, NULL);
                return 0;
        }
        if (wire_pattern_check(pattern.data, pattern.size, NULL) < 0)
                return -EBADMSG;
        r = entry->kind == ENTRY_BIND ? queue_bind(queue, pattern) : queue_unbind(queue, pattern);
        return r < 0 ? r : 0;
}

static int
replay_entry(struct core *core, struct block *block, const struct entry *entry, uint32_t offset, bool merged) {
        switch (entry->kind) {
        case ENTRY_MESSAGE:
                return merged ? merge_entry(core, block, entry) : replay_message(core, block, entry, offset);
        case ENTRY_SETTLED:
                return replay_settled(core, entry);
        case ENTRY_ATTEMPTS:
                return replay_attempts(core, entry);
        case ENTRY_TAKEN:
        case ENTRY_IDS:
                return replay_taken(core, entry);
        case ENTRY_QUEUE:
                return replay_queue(core, entry);
        case ENTRY_BIND:
        case ENTRY_UNBIND:
        case ENTRY_DELETE:
                return replay_named(core, entry);
        case ENTRY_SENDER:
        case ENTRY_VOID:
        case ENTRY_MERGED:
                return 0;
        default:
                return -EBADMSG; /* the store has refused a newer format before */
        }
}

int core_replay_block(struct core *core, struct place place, const uint8_t *data, size_t size) {
        struct block *block;
        struct entry entry;
        bool merged = false;
        size_t offset = 0;
        int r;

        r = block_new_stored(&block, place, 0, 0, 0);
        if (r < 0)
                return r;
        core->n_blocks++;
        block_get(block); /* until the end: what is sent and settled in the same block would free it before */
        while ((r = entry_at(data, size, offset, &entry)) > 0) {
                merged = merged || entry.kind == ENTRY_MERGED;
                r = replay_entry(core, block, &entry, (uint32_t) offset, merged);
                if (r < 0)
                        break;
                offset += entry.size;
        }
        if (block->live > 1 && !block->listed)
                journal_list(core, block);
        block_put(core, block);
        return r;
}

int core_replay_end(struct core *core) {
        struct block *block;

        for (struct queue *queue = core->queues_by_number; queue; queue = queue->hh_number.next)
                (void) queue_measure(queue, NULL);
        TAILQ_FOREACH (block, &core->stored, order) {
                block->retained = true;
                core->calls->retain(core->userdata, block->place);
        }
        core->next_id += CORE_IDS_JUMP;
        core_urge(core);
        return journal_ids(core);
}
