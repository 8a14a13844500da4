/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looking at a queue's messages in the order of their ids, without taking them. */

#include <errno.h>
#include <stdlib.h>

#include "daemon/core/internal.h"

/* Where the walk through one level is: at a message that is live, or at the end (extent NULL). */
struct walk {
        struct level *level;
        struct extent *extent;
        uint32_t offset;
        uint64_t id;
        struct lease *lease;
};

/* Moves on to the next live message from id `from` on. A block that cannot be read is passed over: taking its
 * messages is what reports it. Returns 0 or -ENOMEM. */
static int walk_on(struct walk *w, uint64_t from) {
        struct queue *queue = w->level->queue;

        for (; w->extent; w->extent = TAILQ_NEXT(w->extent, link), w->offset = 0) {
                struct block *block = w->extent->block;
                int r;

                if (block->last_id < from)
                        continue;
                r = block_fetch(queue->core, block);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        continue;
                for (uint32_t at = w->offset; at < block->body->size; at += wire_get32(block->body->data + at)) {
                        const uint8_t *p = block->body->data + at;

                        if (p[4] != ENTRY_MESSAGE || entry_message_id(p) < from ||
                            entry_message_priority(p) != w->level->priority ||
                            !entry_message_goes_to(p, queue->number) ||
                            !level_is_live(w->level, entry_message_id(p), &w->lease))
                                continue;
                        w->offset = at;
                        w->id = entry_message_id(p);
                        return 0;
                }
        }
        return 0;
}

static int walks_begin(struct queue *queue, uint64_t from, struct walk *walks, unsigned *ret_n) {
        unsigned n = 0;
        int r = 0;

        for (unsigned i = 0; i <= WIRE_PRIORITY_MAX && r == 0; i++)
                if (queue->levels[i]) {
                        walks[n] = (struct walk){.level = queue->levels[i],
                                                 .extent = TAILQ_FIRST(&queue->levels[i]->extents)};
                        r = walk_on(&walks[n++], from);
                }
        *ret_n = n;
        return r;
}

static struct walk *walks_first(struct walk *walks, unsigned n) {
        struct walk *first = NULL;

        for (unsigned i = 0; i < n; i++)
                if (walks[i].extent && (!first || walks[i].id < first->id))
                        first = &walks[i];
        return first;
}

int core_browse(struct core *core,
                struct wire_span name,
                uint64_t from,
                uint32_t count,
                uint64_t bytes,
                void (*callback)(const struct core_message *message, void *userdata),
                void *userdata,
                uint64_t *ret_next,
                struct refusal *refusal) {
        struct queue *queue = queue_find(core, name, refusal);
        struct walk walks[WIRE_PRIORITY_MAX + 1], *w;
        struct core_message message;
        uint64_t shown_bytes = 0;
        uint32_t shown = 0;
        unsigned n;
        int r;

        if (!queue)
                return -ENOENT;
        r = walks_begin(queue, from, walks, &n);
        while (r == 0 && (w = walks_first(walks, n)) && shown < count) {
                /* Another level's walk may have pushed this block out of the cache. */
                r = block_fetch(core, w->extent->block);
                if (r == 0)
                        r = message_at(queue, w->extent->block, w->offset, &message);
                if (r < 0)
                        break;
                if (shown > 0 && shown_bytes + message.body.size > bytes)
                        break;
                message.deliveries = w->lease ? w->lease->deliveries : message.id < w->level->attempted_id;
                callback(&message, userdata);
                shown_bytes += message.body.size;
                shown++;
                r = walk_on(w, w->id + 1);
        }
        if (r < 0)
                return refuse(refusal, r, WIRE_CODE_INTERNAL, "cannot read the queue: %s", strerror(-r));
        w = walks_first(walks, n);
        *ret_next = w ? w->id : 0;
        return (int) shown;
}
