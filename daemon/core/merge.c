/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Merging: what is still unsettled in many small, or nearly drained, neighbouring blocks is copied into one. It keeps
 * the number of blocks, and so memory, checkpoints and disk use, in proportion to what is waiting and not to the number
 * of commits that brought it.
 *
 * A merged block begins with a MERGED entry; its messages keep their ids and their places. Playing it back moves
 * them again, from the same state: blocks are sealed in the order in which things happened.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include "daemon/core/internal.h"

/* So many blocks are fine unless the options say otherwise, and one more for so many bytes that wait. */
#define BLOCKS_MIN        1024u
#define BLOCK_SHARE_BYTES (64u * 1024u)
/* What a message takes in a block besides its body, about. */
#define MESSAGE_OVERHEAD_BYTES 64u
/* A run that is merged: of blocks that hold less than this, in all at most this, so many of them. */
#define SMALL_BYTES      (32u * 1024u)
#define MERGED_BYTES_MAX (192u * 1024u)
#define RUN_BLOCKS_MIN   8u
#define RUN_BLOCKS_MAX   128u
/* How many blocks one step looks at. */
#define LOOK_BLOCKS_MAX 1024u

static uint64_t footprint(uint64_t bytes, uint64_t messages) {
        return bytes + messages * MESSAGE_OVERHEAD_BYTES;
}

/* Whether a block is to be merged: it is in the segment that is to be emptied, or is small. */
static bool is_wanted(const struct block *block, uint32_t segment) {
        if (block->state != BLOCK_STORED || block->broken)
                return false;
        return segment != 0 ? block->place.segment == segment
                            : footprint(block->live_bytes, block->live_messages) < SMALL_BYTES;
}

/* Finds the next run worth merging, from where the last step stopped. Returns its first block and length, or NULL. */
static struct block *find_run(struct core *core, uint32_t segment, size_t *ret_n) {
        struct block *block = core->merge_at ? core->merge_at : TAILQ_FIRST(&core->stored), *first = NULL;
        size_t n = 0, least = segment != 0 ? 1 : RUN_BLOCKS_MIN;
        uint64_t bytes = 0;

        for (unsigned looked = 0; block && looked < LOOK_BLOCKS_MAX; looked++, block = TAILQ_NEXT(block, order)) {
                uint64_t size = footprint(block->live_bytes, block->live_messages);

                if (is_wanted(block, segment) && n < RUN_BLOCKS_MAX && (n == 0 || bytes + size <= MERGED_BYTES_MAX)) {
                        first = n == 0 ? block : first;
                        bytes += size;
                        n++;
                        continue;
                }
                if (n >= least)
                        break;
                n = 0;
                bytes = 0;
        }
        core->merge_at = block;
        *ret_n = n;
        return n >= least ? first : NULL;
}

/* ---- copying ---- */

/* The queues that still hold the message of this block, into `ret`, which has room for all its destinations. */
static uint32_t
live_destinations(struct core *core, const struct block *block, const struct entry_message *m, struct queue **ret) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < m->n_destinations; i++) {
                struct queue *queue = queue_by_number(core, entry_message_destination(m, i));
                struct level *level = queue ? queue->levels[m->priority] : NULL;
                struct extent *extent = level ? level_find_extent(level, m->id) : NULL;
                struct lease *lease;

                /* What a level skipped is remembered only within its extents. */
                if (extent && extent->block == block && level_is_live(level, m->id, &lease))
                        ret[n++] = queue;
        }
        return n;
}

/* Makes what moving the message will need, so that moving cannot fail. */
static int prepare_queues(struct queue **queues, uint32_t n, unsigned priority) {
        for (uint32_t i = 0; i < n; i++) {
                struct level *level = queues[i]->levels[priority];

                if (!level->spare)
                        level->spare = calloc(1, sizeof(*level->spare));
                if (!level->spare)
                        return -ENOMEM;
        }
        return 0;
}

static int copy_message(struct core *core, struct block *to, const struct block *from, const struct entry *entry) {
        struct entry_message m;
        struct queue **queues;
        uint8_t *p;
        int r;

        r = entry_message_read(entry, &m);
        if (r < 0)
                return r;
        queues = malloc(m.n_destinations * sizeof(*queues) + 1);
        if (!queues)
                return -ENOMEM;
        m.n_destinations = live_destinations(core, from, &m, queues);
        if (m.n_destinations > 0) {
                r = prepare_queues(queues, m.n_destinations, m.priority);
                if (r == 0)
                        r = block_sender(to, from->body->senders[m.sender], &m.sender);
                p = r == 0 ? block_append(to, entry_message_size(&m)) : NULL;
                if (p) {
                        p = entry_message_write(p, &m);
                        for (uint32_t i = 0; i < m.n_destinations; i++)
                                wire_set32(p + (size_t) i * 4, queues[i]->number);
                } else if (r == 0)
                        r = -ENOMEM;
        }
        free(queues);
        return r;
}

/* Copies what is live in the run. Nothing else changes yet. */
static int copy_run(struct core *core, struct block *to, struct block *first, size_t n) {
        struct entry entry;
        uint8_t *p = block_append(to, ENTRY_HEADER_BYTES);
        int r = p ? 0 : -ENOMEM;

        if (p)
                entry_mark_write(p, ENTRY_MERGED);
        for (struct block *block = first; r == 0 && n > 0; n--, block = TAILQ_NEXT(block, order)) {
                size_t offset = 0;

                r = block_fetch(core, block);
                block->broken = r < 0 && r != -ENOMEM;
                while (r == 0 && entry_at(block->body->data, block->body->size, offset, &entry) > 0) {
                        if (entry.kind == ENTRY_MESSAGE)
                                r = copy_message(core, to, block, &entry);
                        offset += entry.size;
                }
        }
        return r;
}

/* ---- moving ---- */

/* Moves one message of a queue from the extent where it is to the merged block. Needs level->spare. */
static void move_message(struct level *level, struct extent *from, struct block *to, const struct entry_message *m) {
        struct extent *target = TAILQ_PREV(from, extent_list, link);
        struct lease *lease = lease_find(level->queue, m->id);
        uint64_t bytes = m->body.size < from->bytes ? m->body.size : from->bytes;

        if (!target || target->block != to) {
                target = level->spare;
                level->spare = NULL;
                *target = (struct extent){.block = to, .level = level};
                block_get(to);
                level->queue->core->n_extents++;
                TAILQ_INSERT_BEFORE(from, target, link);
        }
        extent_count(target, 1, lease ? 0 : 1, (int64_t) bytes);
        extent_count(from, -1, lease ? 0 : -1, -(int64_t) bytes);
        if (lease) {
                lease->extent = target;
                lease->offset = 0;
        } else if (level->cursor == from)
                level_set_cursor(level, target);
        if (from->live == 0)
                extent_free(from);
}

int merge_entry(struct core *core, struct block *to, const struct entry *entry) {
        struct entry_message m;
        int r;

        r = entry_message_read(entry, &m);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < m.n_destinations; i++) {
                struct queue *queue = queue_by_number(core, entry_message_destination(&m, i));
                struct level *level = queue ? queue->levels[m.priority] : NULL;
                struct extent *from = level ? level_find_extent(level, m.id) : NULL;
                struct lease *lease;

                if (!from || from->block == to || !level_is_live(level, m.id, &lease))
                        continue;
                r = prepare_queues(&queue, 1, m.priority);
                if (r < 0)
                        return r;
                if (!to->listed) {
                        TAILQ_INSERT_BEFORE(from->block, to, order);
                        to->listed = true;
                        core->n_stored++;
                }
                move_message(level, from, to, &m);
        }
        /* Only now is the id in the block's range, where level_find_extent() would find it. */
        block_note_message(to, m.id, m.time_us);
        return 0;
}

static void drop_spares(struct core *core) {
        for (struct queue *queue = core->queues_by_number; queue; queue = queue->hh_number.next)
                for (unsigned i = 0; i <= WIRE_PRIORITY_MAX; i++)
                        if (queue->levels[i]) {
                                free(queue->levels[i]->spare);
                                queue->levels[i]->spare = NULL;
                        }
}

static uint64_t blocks_allowed(const struct core *core) {
        return (core->options.merge_blocks_min ? core->options.merge_blocks_min : BLOCKS_MIN) +
               footprint(core->bytes, core->messages) / BLOCK_SHARE_BYTES;
}

/* Live bytes of one segment, counted together. */
struct tally {
        UT_hash_handle hh;
        uint32_t segment;
        uint64_t bytes;
};

uint32_t core_emptiest_segment(struct core *core, uint32_t except, uint64_t *ret_bytes) {
        struct tally *tallies = NULL, *t, *next, *least = NULL;
        struct block *block;
        uint32_t segment;

        TAILQ_FOREACH (block, &core->stored, order) {
                if (!block->placed || block->place.segment == except || block->broken)
                        continue;
                HASH_FIND(hh, tallies, &block->place.segment, sizeof(uint32_t), t);
                if (!t) {
                        t = calloc(1, sizeof(*t));
                        if (!t)
                                break; /* without memory: the emptiest of those seen */
                        t->segment = block->place.segment;
                        HASH_ADD(hh, tallies, segment, sizeof(uint32_t), t);
                        if (!t->hh.tbl) {
                                free(t);
                                break;
                        }
                }
                t->bytes += footprint(block->live_bytes, block->live_messages);
        }
        HASH_ITER (hh, tallies, t, next)
                if (!least || t->bytes < least->bytes)
                        least = t;
        segment = least ? least->segment : 0;
        *ret_bytes = least ? least->bytes : 0;
        HASH_ITER (hh, tallies, t, next) {
                HASH_DELETE(hh, tallies, t);
                free(t);
        }
        return segment;
}

int core_merge(struct core *core, uint32_t segment) {
        struct block *to, *first;
        struct entry entry;
        size_t n, offset = 0;
        int r;

        if (segment == 0 && core->n_stored <= blocks_allowed(core))
                return 0;
        first = find_run(core, segment, &n);
        if (!first)
                return 0;
        r = block_new(&to, core->block_serial + 1);
        if (r < 0)
                return r;
        core->block_serial++;
        r = copy_run(core, to, first, n);
        if (r < 0) {
                block_free(to);
                drop_spares(core);
                return r == -ENOMEM ? r : 0; /* a block that cannot be read is reported when its turn comes */
        }
        core->n_blocks++;
        journal_add_sealed(core, to);
        while (entry_at(to->body->data, to->body->size, offset, &entry) > 0) {
                if (entry.kind == ENTRY_MESSAGE)
                        (void) merge_entry(core, to, &entry); /* has all that it needs */
                offset += entry.size;
        }
        return 1;
}
