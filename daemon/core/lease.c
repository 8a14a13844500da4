/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
/* Ids count up: their low bits spread well by one multiplication. */
#define HASH_FUNCTION(key, bytes, hash)                                                                \
        do {                                                                                           \
                (hash) = (unsigned) ((*(const uint64_t *) (key) *UINT64_C(0x9e3779b97f4a7c15)) >> 32); \
        } while (0)
#include "daemon/core/internal.h"

#define SPARE_LEASES_MAX 8192u

int lease_new(struct core *core, uint64_t id, struct extent *extent, struct lease **ret) {
        struct queue *queue = extent->level->queue;
        struct lease *lease = TAILQ_FIRST(&core->spare_leases);

        if (lease) {
                TAILQ_REMOVE(&core->spare_leases, lease, link);
                core->n_spare_leases--;
        } else {
                lease = malloc(sizeof(*lease));
                if (!lease)
                        return -ENOMEM;
        }
        *lease = (struct lease){.id = id, .extent = extent};
        HASH_ADD(hh, queue->leases, id, sizeof(lease->id), lease);
        if (!lease->hh.tbl) {
                free(lease);
                return -ENOMEM;
        }
        core->n_leases++;
        *ret = lease;
        return 0;
}

struct lease *lease_find(struct queue *queue, uint64_t id) {
        struct lease *lease = NULL;

        if (queue->leases)
                HASH_FIND(hh, queue->leases, &id, sizeof(id), lease);
        return lease;
}

void lease_free(struct lease *lease) {
        struct queue *queue = lease->extent->level->queue;
        struct core *core = queue->core;

        HASH_DELETE(hh, queue->leases, lease);
        core->n_leases--;
        if (core->n_spare_leases >= SPARE_LEASES_MAX) {
                free(lease);
                return;
        }
        TAILQ_INSERT_HEAD(&core->spare_leases, lease, link);
        core->n_spare_leases++;
}

int lease_locate(struct lease *lease) {
        struct block *block = lease->extent->block;
        uint32_t offset = 0;
        int r;

        r = block_fetch(lease->extent->level->queue->core, block);
        if (r < 0)
                return r;
        if (lease->offset != 0 && lease->epoch == block->epoch)
                return 0;
        while (offset < block->body->size) {
                const uint8_t *p = block->body->data + offset;

                if (p[4] == ENTRY_MESSAGE && entry_message_id(p) == lease->id) {
                        lease->offset = offset;
                        lease->epoch = block->epoch;
                        return 0;
                }
                offset += wire_get32(p);
        }
        return -EBADMSG;
}

void lease_return_all(struct queue *queue, struct lease_list *leases) {
        struct lease *at[WIRE_PRIORITY_MAX + 1] = {0}, *lease;

        /* Back to front: ids mostly fall, so each goes just before the one put in last. */
        while ((lease = TAILQ_LAST(leases, lease_list))) {
                struct level *level = lease->extent->level;
                struct lease *after = at[level->priority];

                TAILQ_REMOVE(leases, lease, link);
                if (!after || after->id < lease->id)
                        after = TAILQ_LAST(&level->returned, lease_list);
                while (after && after->id > lease->id)
                        after = TAILQ_PREV(after, lease_list, link);
                if (after)
                        TAILQ_INSERT_AFTER(&level->returned, after, lease, link);
                else
                        TAILQ_INSERT_HEAD(&level->returned, lease, link);
                at[level->priority] = lease;
                if (lease->consumer)
                        lease->consumer->n_leases--;
                lease->consumer = NULL;
                queue->levels_ready |= (uint16_t) (1u << level->priority);
                queue->ready++;
                queue->leased--;
                queue->core->leased--;
        }
        queue_want_pump(queue);
}
